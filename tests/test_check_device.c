/* SPDX-License-Identifier: BSD-3-Clause */
/* test_check_device.c: each condition of the checks of a device, its endpoints, access contexts and requests. */
#include "check_cases.h"
#include "device_fixture.h"
#include "sim/backend.h"

#define RW (VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)
#define PAGE UINT64_C(0x1000)
#define NODES 64u
#define PENDING 3u
#define CANCELLED 2u

static struct device_fixture f;
static struct viommu_device_config config;
static struct device_call cancelled[CANCELLED]; /* by a reset, and not fetched */
static struct device_call pending[PENDING];     /* UNMAP, DETACH, ATTACH */
static struct viommu_resv_region regions[2];    /* of endpoint 1 */
static struct viommu_access second_access;      /* of endpoint 1, the first in its list */
static struct viommu_device stranger;           /* whatever points here should not */
static struct viommu_endpoint stray;

#define REQUEST(i) (pending[i].request)

static void start_pending(struct device_call *call, const struct viommu_wire_request *request)
{
	assert_int_equal(device_start(&f, call, request), DEVICE_PENDING);
	assert_true(viommu_device_check(&f.dev));
}

static void protect_all(void)
{
	size_t bytes;

	assert_int_equal(viommu_device_mem_size(&config, &bytes), VIOMMU_OK);
	check_protect(f.mem, bytes + NODES * VIOMMU_MAP_NODE_SIZE);
	check_protect(&f.dev, sizeof f.dev);
	check_protect(f.accesses, sizeof f.accesses);
	check_protect(f.caches, sizeof f.caches);
	check_protect(&second_access, sizeof second_access);
	check_protect(&stray, sizeof stray);
	check_protect(regions, sizeof regions);
	for (unsigned i = 0; i < PENDING; i++)
		check_protect(&REQUEST(i), sizeof REQUEST(i));
	for (unsigned i = 0; i < CANCELLED; i++)
		check_protect(&cancelled[i].request, sizeof cancelled[i].request);
}

/*
 * A device in the middle of it all. Before a reset endpoint 0 opened a section, which is still open; so two requests
 * wait in the list of those cancelled, and nodes in the device's limbo. After it: domain 1 with endpoints 1 and 0,
 * domain 2 with endpoint 3 and bypass. Endpoints 1 and 2 have open sections too; an UNMAP waits for that of 1, a DETACH
 * of endpoint 2 for that of 2, and the ATTACH of endpoint 0 for its own. Endpoint 3 has no context.
 */
static int make(void **state)
{
	struct device_options options;
	struct viommu_access_token token;
	struct viommu_wire_request r;

	(void)state;
	device_options_init(&options);
	options.config.max_endpoints = 6;
	options.config.max_domains = 5;
	options.nodes = NODES;
	regions[0] = (struct viommu_resv_region){ { 0x80 * PAGE, 0x81 * PAGE - 1 }, VIOMMU_RESV_MEM_RESERVED };
	regions[1] = (struct viommu_resv_region){ { 0x90 * PAGE, 0x91 * PAGE - 1 }, VIOMMU_RESV_MEM_MSI };
	options.regions[1] = regions;
	options.region_counts[1] = 2;
	config = options.config;
	device_setup(&f, &options);
	viommu_access_init(&second_access, &f.dev, f.endpoints[1]);
	assert_int_equal(viommu_access_deinit(&f.accesses[3]), VIOMMU_OK);

	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0, PAGE - 1, 0, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x100 * PAGE, 0x101 * PAGE - 1, 0, RW), VIOMMU_S_OK);
	assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
	r = device_unmap_request(1, 0, PAGE - 1);
	start_pending(&cancelled[0], &r);
	start_pending(&cancelled[1], &r);
	viommu_device_reset(&f.dev);
	assert_false(viommu_device_is_settled(&f.dev));
	assert_true(viommu_device_check(&f.dev));

	assert_int_equal(viommu_device_negotiate(&f.dev, config.features), VIOMMU_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP2, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 2, DEVICE_EP3, VIOMMU_ATTACH_F_BYPASS), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0, PAGE - 1, 0, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x100 * PAGE, 0x101 * PAGE - 1, 0, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x200 * PAGE, 0x201 * PAGE - 1, 0, RW), VIOMMU_S_OK);
	assert_int_equal(viommu_access_begin(&f.accesses[1], &token), VIOMMU_OK);
	assert_int_equal(viommu_access_begin(&f.accesses[2], &token), VIOMMU_OK);
	r = device_unmap_request(1, 0x200 * PAGE, 0x201 * PAGE - 1);
	start_pending(&pending[0], &r);
	r = device_detach_request(1, DEVICE_EP2);
	start_pending(&pending[1], &r);
	r = device_attach_request(1, DEVICE_EP0, 0);
	start_pending(&pending[2], &r);
	stranger.epoch = UINT64_MAX;
	protect_all();
	return 0;
}

static int unmake(void **state)
{
	int status;

	(void)state;
	check_protect_none();
	for (unsigned i = 0; i < 4; i++)
		for (uint32_t phase = 0; phase < 2; phase++)
			viommu_access_end(&f.accesses[i], (struct viommu_access_token){ phase });
	for (unsigned i = 0; i < CANCELLED; i++)
		assert_ptr_equal(viommu_device_next_done(&f.dev), &cancelled[i].request);
	for (unsigned i = 0; i < PENDING; i++) {
		assert_non_null(device_next_done(&f, &status));
		assert_int_equal(status, VIOMMU_S_OK);
	}
	for (unsigned i = 0; i < PENDING; i++)
		device_call_free(&pending[i]);
	for (unsigned i = 0; i < CANCELLED; i++)
		device_call_free(&cancelled[i]);
	device_teardown(&f);
	return 0;
}

static bool device_is_valid(void)
{
	return viommu_device_is_valid(&f.dev);
}

static bool device_check(void)
{
	return viommu_device_check(&f.dev);
}

static bool endpoint_is_valid(void)
{
	return viommu_endpoint_is_valid(f.endpoints[1]) && viommu_endpoint_is_valid(f.endpoints[2]);
}

static bool endpoint_check(void)
{
	return viommu_endpoint_check(f.endpoints[1]) && viommu_endpoint_check(f.endpoints[2]);
}

static bool access_is_valid(void)
{
	return viommu_access_is_valid(&f.accesses[1]);
}

static bool access_check(void)
{
	return viommu_access_check(&f.accesses[1]);
}

static bool request_is_valid(void)
{
	return viommu_request_is_valid(&REQUEST(0));
}

static bool request_check(void)
{
	return viommu_request_check(&REQUEST(0));
}

/* Slots are taken in order, and the first one was that of the domain before the reset. */
static struct viommu_domain *domain(uint32_t id)
{
	return &f.dev.domains[id];
}

/* What is behind the domains that live. The last one is that of before the reset. */
static struct viommu_domain *dead(uint32_t at)
{
	return &f.dev.domains[f.dev.domain_ids.slots[at]];
}

static void *misaligned(void *p)
{
	return (uint8_t *)p + 8;
}

static void swap(uint32_t *a, uint32_t *b)
{
	uint32_t was = *a;

	*a = *b;
	*b = was;
}

/* clang-format off */
#define DEVICE_AT_ONCE_CASES(X)											\
	X(AT_ONCE, endpoints_elsewhere, f.dev.endpoints++)							\
	X(AT_ONCE, domain_ids_elsewhere, f.dev.domain_ids.ids++)						\
	X(AT_ONCE, domain_slots_elsewhere, f.dev.domain_ids.slots++)						\
	X(AT_ONCE, endpoint_ids_elsewhere, f.dev.endpoint_ids.ids++)						\
	X(AT_ONCE, endpoint_slots_elsewhere, f.dev.endpoint_ids.slots++)					\
	X(AT_ONCE, too_many_endpoints, f.dev.endpoint_ids.count = f.dev.max_endpoints + 1)			\
	X(AT_ONCE, too_many_domains, f.dev.domain_ids.count = f.dev.max_domains + 1)				\
	X(AT_ONCE, more_backends_than_endpoints, f.dev.backends = f.dev.endpoint_ids.count + 1)			\
	X(AT_ONCE, too_many_pending, f.dev.pending_count = f.dev.max_pending + 1)				\
	X(AT_ONCE, turn_of_nobody, f.dev.fault_turn = f.dev.endpoint_ids.count + 1)				\
	X(AT_ONCE, pending_counted_and_gone, f.dev.pending = NULL)						\
	X(AT_ONCE, pending_end_of_an_empty_list, f.dev.pending_end = &f.dev.pending)				\
	X(AT_ONCE, pending_not_counted, f.dev.pending_count = 0)						\
	X(AT_ONCE, done_end_of_an_empty_list, f.dev.done_end = &f.dev.done)					\
	X(AT_ONCE, offers_what_it_does_not_have, f.dev.features |= VIOMMU_F_BYPASS)				\
	X(AT_ONCE, negotiated_what_it_did_not_offer, f.dev.features &= ~VIOMMU_F_MMIO)				\
	X(AT_ONCE, bypass_is_two, f.dev.config.bypass = 2)							\
	X(AT_ONCE, bypass_not_offered, f.dev.config.bypass = 1; f.dev.negotiated = 0;				\
	  f.dev.features &= ~VIOMMU_F_BYPASS_CONFIG)								\
	X(AT_ONCE, initial_bypass_is_two, f.dev.initial_bypass = 2)						\
	X(AT_ONCE, granule_too_small, f.dev.granule_bits = 7; f.dev.config.page_size_mask = 0x80)		\
	X(AT_ONCE, granule_not_in_the_mask, f.dev.granule_bits++)						\
	X(AT_ONCE, input_range_upside_down, f.dev.config.input_range = (struct viommu_range){ 2, 1 })		\
	X(AT_ONCE, domain_range_upside_down, f.dev.config.domain_first = 1; f.dev.config.domain_last = 0)	\
	X(AT_ONCE, pool_is_not_valid, f.dev.pool.fresh = 0)							\
	X(AT_ONCE, settles_in_the_future, f.dev.settle_epoch = f.dev.epoch + 1)					\
	X(AT_ONCE, memory_changes_in_the_future, f.dev.memory_epoch = f.dev.epoch + 1)				\
	X(AT_ONCE, drained_in_the_future, f.dev.dead_drained = f.dev.epoch + 1)					\
	X(AT_ONCE, movers_ahead_of_the_dead, f.dev.movers_drained = f.dev.dead_drained + 1)			\
	X(AT_ONCE, bypass_that_translates, f.dev.everything.bypass = false)					\
	X(AT_ONCE, as_many_dead_as_alive, f.dev.domain_ids.capacity--)						\
	X(AT_ONCE, more_endpoint_ids_than_endpoints, f.dev.endpoint_ids.capacity++)				\
	X(AT_ONCE, limbo_without_end, f.dev.limbo.last = 0)							\
	X(AT_ONCE, limbo_waits_for_nothing, f.dev.settle_epoch = 0; f.dev.is_resetting = false)			\
	X(AT_ONCE, reset_waits_for_nothing, f.dev.settle_epoch = 0; f.dev.limbo = (struct viommu_map_limbo){ 0, 0 })

#define DEVICE_IN_DETAIL_CASES(X)										\
	X(IN_DETAIL, slot_that_is_not_there, f.dev.endpoint_ids.slots[5] = 6)					\
	X(IN_DETAIL, slot_twice, f.dev.endpoint_ids.slots[5] = 4)						\
	X(IN_DETAIL, ids_do_not_ascend, f.dev.endpoint_ids.ids[0] = f.dev.endpoint_ids.ids[1])			\
	X(IN_DETAIL, domain_ids_do_not_ascend, f.dev.domain_ids.ids[0] = 3)					\
	X(IN_DETAIL, slabs_are_not_valid, f.dev.pool.slabs[0].first++)						\
	X(IN_DETAIL, endpoint_under_another_id,									\
	  swap(&f.dev.endpoint_ids.slots[0], &f.dev.endpoint_ids.slots[1]))					\
	X(IN_DETAIL, endpoint_moved_in_the_future, f.endpoints[0]->moved = f.dev.epoch + 1)			\
	X(IN_DETAIL, endpoint_is_not_valid, f.endpoints[3]->region_count = 1)					\
	X(IN_DETAIL, contexts_of_another_device, f.accesses[0].dev = &stranger)					\
	X(IN_DETAIL, endpoint_that_sees_another_domain, f.endpoints[1]->view = domain(2))			\
	X(IN_DETAIL, endpoint_that_sees_nothing, f.endpoints[1]->view = NULL)					\
	X(IN_DETAIL, endpoint_that_sees_everything, f.endpoints[2]->view = &f.dev.everything)			\
	X(IN_DETAIL, endpoint_that_is_blocked_and_sees, f.endpoints[1]->is_blocked = true)			\
	X(IN_DETAIL, backend_that_is_not_counted, f.endpoints[0]->backend = &sim_backend_ops)			\
	X(IN_DETAIL, died_in_the_future, dead(9)->died = dead(9)->left_at = f.dev.epoch + 1)			\
	X(IN_DETAIL, died_before_its_predecessor, dead(8)->died = dead(8)->left_at = dead(9)->died + 1)		\
	X(IN_DETAIL, died_and_was_left_again, dead(9)->left_at++)						\
	X(IN_DETAIL, left_in_the_future, domain(1)->left_at = f.dev.epoch + 1)					\
	X(IN_DETAIL, died_since_it_was_left, domain(1)->died = domain(1)->left_at + 1)				\
	X(IN_DETAIL, left_what_is_no_domain, f.endpoints[0]->left = misaligned(dead(9)))			\
	X(IN_DETAIL, moving_in_a_circle, f.dev.moving->next_moving = f.dev.moving)				\
	X(IN_DETAIL, moving_something_else, f.dev.moving = misaligned(f.dev.moving))				\
	X(IN_DETAIL, moving_and_does_not_say_so, f.dev.moving->is_moving = false; f.dev.moving->left = NULL)	\
	X(IN_DETAIL, moving_and_not_in_the_list, f.dev.moving = f.dev.moving->next_moving)			\
	X(IN_DETAIL, domain_under_another_id, domain(2)->id = 3)						\
	X(IN_DETAIL, map_of_another_pool, domain(1)->map.pool = &stranger.pool)					\
	X(IN_DETAIL, map_with_another_granule, domain(2)->map.granule_bits++)					\
	X(IN_DETAIL, map_is_not_valid, domain(1)->map.root = 1)							\
	X(IN_DETAIL, domain_without_endpoints, domain(2)->endpoints = NULL)					\
	X(IN_DETAIL, mappings_with_bypass, domain(1)->bypass = true)						\
	X(IN_DETAIL, members_in_a_circle, f.endpoints[1]->next = domain(1)->endpoints)				\
	X(IN_DETAIL, member_is_no_endpoint, domain(2)->endpoints = misaligned(domain(2)->endpoints))		\
	X(IN_DETAIL, member_of_another_domain, f.endpoints[3]->domain = domain(1); f.endpoints[3]->view = domain(1))	\
	X(IN_DETAIL, member_and_not_in_the_list, domain(1)->endpoints = f.endpoints[1])				\
	X(IN_DETAIL, mapping_in_a_reserved_region, regions[0].range.first = 0)					\
	X(IN_DETAIL, mapping_above_what_a_member_can_do, f.endpoints[1]->limits.range.last = 0xfff)		\
	X(IN_DETAIL, mapping_above_what_a_domain_can_do,							\
	  f.endpoints[1]->limits.range.last = domain(1)->limits.range.last = 0xfff)				\
	X(IN_DETAIL, mapping_below_the_granule, f.endpoints[1]->limits.below = domain(1)->limits.below = 0xffffff)	\
	X(IN_DETAIL, granule_wider_than_the_domain_says, domain(1)->limits.below = 0xff)			\
	X(IN_DETAIL, granule_of_a_domain_with_bypass, domain(2)->limits.below = 0xff)				\
	X(IN_DETAIL, range_begins_later_than_it_should, domain(1)->limits.range.first = 1)			\
	X(IN_DETAIL, range_ends_earlier_than_it_should, domain(1)->limits.range.last--)				\
	X(IN_DETAIL, one_less_pending_than_counted, f.dev.pending_count++)					\
	X(IN_DETAIL, one_more_pending_than_counted, f.dev.pending_count--)					\
	X(IN_DETAIL, pending_in_a_circle, REQUEST(2).next = &REQUEST(0))					\
	X(IN_DETAIL, pending_and_done, REQUEST(1).state = VIOMMU_REQUEST_DONE)					\
	X(IN_DETAIL, pending_without_tail, REQUEST(1).tail_count = 0)						\
	X(IN_DETAIL, pending_until_the_future, REQUEST(1).epoch = f.dev.epoch + 1)				\
	X(IN_DETAIL, pending_for_no_endpoint, REQUEST(1).endpoint = misaligned(f.endpoints[2]))			\
	X(IN_DETAIL, pending_for_no_domain, REQUEST(1).domain = misaligned(domain(1)))				\
	X(IN_DETAIL, pending_with_a_limbo_without_end, REQUEST(0).limbo.last++)					\
	X(IN_DETAIL, pending_end_elsewhere, f.dev.pending_end = &REQUEST(0).next)				\
	X(IN_DETAIL, done_in_a_circle, cancelled[1].request.next = &cancelled[0].request)			\
	X(IN_DETAIL, done_with_half_a_tail, cancelled[1].request.tail[0].len = 0)				\
	X(IN_DETAIL, done_and_fetched, cancelled[1].request.state = VIOMMU_REQUEST_DONE)			\
	X(IN_DETAIL, done_and_written, cancelled[1].request.written = 4)					\
	X(IN_DETAIL, done_with_a_limbo, cancelled[1].request.limbo = REQUEST(0).limbo)				\
	X(IN_DETAIL, done_end_elsewhere, f.dev.done_end = &cancelled[0].request.next)				\
	X(IN_DETAIL, limbo_ends_elsewhere, f.dev.limbo.last++)							\
	X(IN_DETAIL, limbo_lost, f.dev.limbo = (struct viommu_map_limbo){ 0, 0 })

#define ENDPOINT_CASES(X)											\
	X(AT_ONCE, regions_nowhere, f.endpoints[1]->regions = NULL)						\
	X(AT_ONCE, neighbour_outside_of_domains, f.endpoints[2]->next = f.endpoints[1])				\
	X(AT_ONCE, moved_never, f.endpoints[2]->moved = 0)							\
	X(AT_ONCE, arrived_and_still_leaving, f.endpoints[1]->left = domain(1))					\
	X(IN_DETAIL, region_upside_down, regions[0].range.last = 0)						\
	X(IN_DETAIL, contexts_in_a_circle, f.accesses[1].next = &second_access)				\
	X(IN_DETAIL, context_of_another_endpoint, f.accesses[1].endpoint = f.endpoints[0])			\
	X(IN_DETAIL, context_of_another_device, f.accesses[1].dev = &stranger)					\
	X(IN_DETAIL, context_is_not_valid, f.accesses[1].current = 2)

#define ACCESS_CASES(X)												\
	X(AT_ONCE, no_device, f.accesses[1].dev = NULL)								\
	X(AT_ONCE, no_endpoint, f.accesses[1].endpoint = NULL)							\
	X(AT_ONCE, third_count, f.accesses[1].current = 2)							\
	X(AT_ONCE, clean_before_it_began, f.accesses[1].drained = f.accesses[1].flipped + 1)			\
	X(AT_ONCE, began_in_the_future, f.accesses[1].flipped = f.dev.epoch + 1)				\
	X(AT_ONCE, more_faults_than_room, f.accesses[1].fault_head += VIOMMU_ACCESS_FAULTS + 1)			\
	X(IN_DETAIL, endpoint_of_no_device, stray.contexts = &f.accesses[1]; f.accesses[1].endpoint = &stray)	\
	X(IN_DETAIL, endpoint_with_bad_regions, regions[0].range.last = 0)					\
	X(IN_DETAIL, not_among_the_contexts, second_access.next = NULL)						\
	X(IN_DETAIL, slot_never_opened, f.caches[1].slots[0].generation = 0)					\
	X(IN_DETAIL, slot_left_shut, f.caches[1].slots[VIOMMU_ACCESS_CACHE_SLOTS - 1].generation++)

#define REQUEST_CASES(X)											\
	X(AT_ONCE, unknown_state, REQUEST(0).state = VIOMMU_REQUEST_DONE + 1)					\
	X(AT_ONCE, too_many_pieces, REQUEST(0).tail_count = VIOMMU_REQUEST_TAIL_PIECES + 1)			\
	X(AT_ONCE, waits_for_nothing, REQUEST(0).epoch = 0)							\
	X(AT_ONCE, waits_without_tail, REQUEST(0).tail_count = 0)						\
	X(AT_ONCE, waits_with_half_a_limbo, REQUEST(0).limbo.last = 0)						\
	X(AT_ONCE, done_and_in_limbo, REQUEST(0).state = VIOMMU_REQUEST_DONE)					\
	X(AT_ONCE, done_and_half_in_limbo, REQUEST(0).state = VIOMMU_REQUEST_DONE; REQUEST(0).limbo.first = 0)	\
	X(IN_DETAIL, empty_piece, REQUEST(0).tail[0].len = 0)							\
	X(IN_DETAIL, piece_too_long, REQUEST(0).tail[0].len = 5)						\
	X(IN_DETAIL, pieces_too_short, REQUEST(0).tail[0].len = 3)

#define REMOVED_CASES(X)											\
	X(AT_ONCE, more_removed_than_slots,									\
	  f.dev.removed_count = f.dev.max_endpoints - f.dev.endpoint_ids.count + 1)				\
	X(IN_DETAIL, removed_and_not_counted, f.dev.removed_count = 0)						\
	X(IN_DETAIL, removed_and_does_not_say_so, f.endpoints[2]->is_removed = false)				\
	X(IN_DETAIL, there_and_says_removed, f.endpoints[0]->is_removed = true)					\
	X(IN_DETAIL, removed_and_in_a_domain, f.endpoints[2]->domain = domain(0))				\
	X(IN_DETAIL, removed_from_what_is_no_domain, f.endpoints[2]->removed_from = misaligned(domain(0)))	\
	X(IN_DETAIL, removed_and_with_a_backend, f.endpoints[2]->backend = &sim_backend_ops; f.dev.backends = 1)	\
	X(IN_DETAIL, there_and_with_a_limbo, f.endpoints[0]->limbo = f.endpoints[2]->limbo)			\
	X(IN_DETAIL, limbo_of_the_removed_ends_elsewhere, f.endpoints[2]->limbo.last++)				\
	X(IN_DETAIL, limbo_of_the_removed_lost, f.endpoints[2]->limbo = (struct viommu_map_limbo){ 0, 0 })
/* clang-format on */

REMOVED_CASES(DEFINE_CASE)
DEVICE_AT_ONCE_CASES(DEFINE_CASE)
DEVICE_IN_DETAIL_CASES(DEFINE_CASE)
ENDPOINT_CASES(DEFINE_CASE)
ACCESS_CASES(DEFINE_CASE)
REQUEST_CASES(DEFINE_CASE)

static void test_device_check__each_condition__is_seen(void **state)
{
	static const struct check_case cases[] = { DEVICE_AT_ONCE_CASES(LIST_CASE) DEVICE_IN_DETAIL_CASES(LIST_CASE) };

	(void)state;
	check_run(cases, COUNT_OF(cases), device_is_valid, device_check);
}

static void test_endpoint_check__each_condition__is_seen(void **state)
{
	static const struct check_case cases[] = { ENDPOINT_CASES(LIST_CASE) };

	(void)state;
	check_run(cases, COUNT_OF(cases), endpoint_is_valid, endpoint_check);
}

static void test_access_check__each_condition__is_seen(void **state)
{
	static const struct check_case cases[] = { ACCESS_CASES(LIST_CASE) };

	(void)state;
	check_run(cases, COUNT_OF(cases), access_is_valid, access_check);
}

static void test_request_check__each_condition__is_seen(void **state)
{
	static const struct check_case cases[] = { REQUEST_CASES(LIST_CASE) };
	struct viommu_request unused = { .state = VIOMMU_REQUEST_IDLE };

	(void)state;
	check_run(cases, COUNT_OF(cases), request_is_valid, request_check);
	assert_true(viommu_request_check(&unused));
}

/* Endpoint 2 was removed, which was the end of its domain, and has a section open. */
static void test_device_check__each_condition_with_removed_endpoint__is_seen(void **state)
{
	static const struct check_case cases[] = { REMOVED_CASES(LIST_CASE) };
	struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct device_options options;
	struct viommu_access_token token;
	size_t bytes;

	(void)state;
	device_options_init(&options);
	options.config.max_endpoints = 6;
	options.nodes = NODES;
	device_setup(&f, &options);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP2, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0, PAGE - 1, 0, RW), VIOMMU_S_OK);
	assert_int_equal(viommu_access_begin(&f.accesses[2], &token), VIOMMU_OK);
	assert_int_equal(viommu_device_remove_endpoint(&f.dev, f.endpoints[2]), VIOMMU_OK);
	assert_int_equal(viommu_device_mem_size(&options.config, &bytes), VIOMMU_OK);
	check_protect(f.mem, bytes + NODES * VIOMMU_MAP_NODE_SIZE);
	check_protect(&f.dev, sizeof f.dev);
	check_run(cases, COUNT_OF(cases), device_is_valid, device_check);
	check_protect_none();
	viommu_access_end(&f.accesses[2], token);
	assert_int_equal(viommu_access_deinit(&f.accesses[2]), VIOMMU_OK);
	assert_true(viommu_device_endpoint_is_gone(&f.dev, f.endpoints[2]));
	endpoint.id = DEVICE_EP2;
	assert_int_equal(viommu_device_add_endpoint(&f.dev, &endpoint, &f.endpoints[2]), VIOMMU_OK);
	viommu_access_init(&f.accesses[2], &f.dev, f.endpoints[2]);
	device_teardown(&f);
}

/* As many of everything as there may be. */
static void test_device_check__at_the_limits__sound(void **state)
{
	struct device_options options;
	struct viommu_access_token token;
	struct viommu_translation t;
	struct viommu_wire_request r = device_detach_request(1, DEVICE_EP0);
	int status;

	(void)state;
	device_options_init(&options);
	options.config.max_endpoints = DEVICE_ENDPOINTS;
	options.config.max_domains = 1;
	options.config.max_pending = 1;
	options.config.bypass = 1;
	options.config.page_size_mask = 0x100;
	options.config.input_range = (struct viommu_range){ 0, 0 };
	options.config.domain_first = 1;
	options.config.domain_last = 1;
	device_setup(&f, &options);
	assert_true(viommu_device_check(&f.dev));
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP3, 0), VIOMMU_S_OK);
	/* The last endpoint's reports are fetched, and it was the last one's turn; the ring of the other one is full. */
	for (unsigned i = 0; i < VIOMMU_ACCESS_FAULTS; i++)
		assert_int_equal(device_translate(&f, 3, 0, 1, RW, &t), VIOMMU_E_FAULT);
	device_drain_faults(&f);
	for (unsigned i = 0; i < VIOMMU_ACCESS_FAULTS; i++)
		assert_int_equal(device_translate(&f, 0, 0, 1, RW, &t), VIOMMU_E_FAULT);
	f.dev.fault_turn = DEVICE_ENDPOINTS;
	assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
	device_call_build(&pending[0], &f, &r, 1);
	assert_int_equal(device_call_submit(&f, &pending[0]), DEVICE_PENDING);
	assert_int_equal(REQUEST(0).tail_count, VIOMMU_REQUEST_TAIL_PIECES);
	assert_true(viommu_request_check(&REQUEST(0)) && viommu_device_check(&f.dev));
	viommu_access_set_cache(&f.accesses[1], VIOMMU_ACCESS_NO_CACHE);
	for (unsigned i = 0; i < DEVICE_ENDPOINTS; i++)
		assert_true(viommu_access_check(&f.accesses[i]));
	viommu_access_end(&f.accesses[0], token);
	assert_non_null(device_next_done(&f, &status));
	assert_true(viommu_request_check(&REQUEST(0)));
	device_call_free(&pending[0]);
	device_teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_device_check__each_condition__is_seen, make, unmake),
		cmocka_unit_test_setup_teardown(test_endpoint_check__each_condition__is_seen, make, unmake),
		cmocka_unit_test_setup_teardown(test_access_check__each_condition__is_seen, make, unmake),
		cmocka_unit_test_setup_teardown(test_request_check__each_condition__is_seen, make, unmake),
		cmocka_unit_test(test_device_check__each_condition_with_removed_endpoint__is_seen),
		cmocka_unit_test(test_device_check__at_the_limits__sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
