/* SPDX-License-Identifier: BSD-3-Clause */
/* test_check_driver.c: each condition of the checks of a driver, its domains and its endpoints. */
#include "check_cases.h"
#include "driver_pages.h"

#include "../libviommu/driver/core.h"

#define QUEUE_SIZE 8u
#define EVENT_COUNT 4u
#define BUSY 5u /* slots */

static struct driver_fixture *f;
static struct viommu_driver_domain members;   /* id 4: two endpoints, and requests in flight */
static struct viommu_driver_domain alone;     /* id 5: a record, nobody there, and two to come back */
static struct viommu_driver_domain identity;  /* id 7: bypass */
static struct viommu_driver_domain claimed;   /* id 9: an ATTACH to it had no outcome */
static struct viommu_driver_domain alone_too; /* id 11 */
static struct viommu_driver_endpoint first, second, bypassing, claiming, failed, lost, lost_first;
static struct viommu_resv_region region; /* of the first */
static struct viommu_driver stranger;    /* whatever points here should not */

#define DRV (f->drv)
#define REQUESTS (f->drv.virtqs[VIOMMU_QUEUE_REQUEST])
#define EVENTS (f->drv.virtqs[VIOMMU_QUEUE_EVENT])
#define SHADOW(i) (f->drv.shadows[VIOMMU_QUEUE_REQUEST][i])
#define OLDEST (members.oldest)
#define NEWEST (members.newest)

static struct viommu_driver_domain *make_domain(struct viommu_driver_domain *domain, uint32_t id, bool bypass)
{
	assert_int_equal(viommu_driver_domain_init(domain, &DRV, id, bypass), VIOMMU_OK);
	return domain;
}

static void make_records(void)
{
	assert_int_equal(viommu_driver_map(&members, 1 * PAGE, 2 * PAGE - 1, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_map(&members, 4 * PAGE, 8 * PAGE - 1, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&members, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_map(&alone, 1 * PAGE, 2 * PAGE - 1, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_map(&alone, 0 - PAGE, UINT64_MAX, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_map(&alone_too, 1 * PAGE, 2 * PAGE - 1, 0, RW), VIOMMU_OK);
}

static void protect_all(const struct driver_options *options)
{
	struct viommu_driver_config config = options->config;
	size_t private_bytes, shared_bytes;

	config.ops = &f->ops;
	assert_int_equal(viommu_driver_mem_size(&config, &private_bytes, &shared_bytes), VIOMMU_OK);
	check_protect(&DRV, sizeof DRV);
	check_protect(f->private_block, private_bytes + options->nodes * VIOMMU_MAP_NODE_SIZE);
	check_protect(&members, sizeof members);
	check_protect(&alone, sizeof alone);
	check_protect(&identity, sizeof identity);
	check_protect(&claimed, sizeof claimed);
	check_protect(&alone_too, sizeof alone_too);
	check_protect(&first, sizeof first);
	check_protect(&second, sizeof second);
	check_protect(&claiming, sizeof claiming);
	check_protect(&failed, sizeof failed);
	check_protect(&lost, sizeof lost);
	check_protect(&lost_first, sizeof lost_first);
	check_protect(&region, sizeof region);
}

/* In flight are an ATTACH and a PROBE that were given up, two MAPs and then an UNMAP. */
static int make(void **state)
{
	struct driver_options options;

	(void)state;
	driver_options_init(&options);
	options.config.queue_size = QUEUE_SIZE;
	options.config.event_count = EVENT_COUNT;
	options.nodes = 64;
	f = driver_up(&options);
	endpoint_up(f, &first, 8);
	region = (struct viommu_resv_region){ { 0x100 * PAGE, 0x100 * PAGE }, VIOMMU_RESV_MEM_RESERVED };
	first.regions = &region;
	first.region_count = 1;
	endpoint_up(f, &second, 9);
	endpoint_up(f, &bypassing, 10);
	endpoint_up(f, &claiming, 11);
	endpoint_up(f, &lost, 13);
	endpoint_up(f, &lost_first, 14);
	assert_int_equal(viommu_driver_attach(make_domain(&members, 4, false), &first, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&members, &second, NULL), VIOMMU_OK);
	(void)make_domain(&alone, 5, false);
	viommu_i_endpoint_lose(&lost, &alone);
	viommu_i_endpoint_lose(&lost_first, &alone);
	assert_int_equal(viommu_driver_attach(make_domain(&identity, 7, true), &bypassing, NULL), VIOMMU_OK);
	(void)make_domain(&alone_too, 11, false);
	make_records();
	f->script.stalled = true;
	assert_int_equal(viommu_driver_attach(make_domain(&claimed, 9, false), &claiming, NULL), VIOMMU_E_TIMEOUT);
	assert_int_equal(viommu_driver_endpoint_init(&failed, &DRV, 12, NULL, 0), VIOMMU_E_TIMEOUT);
	assert_int_equal(viommu_driver_map(&members, 16 * PAGE, 17 * PAGE - 1, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_map(&members, 17 * PAGE, 19 * PAGE - 1, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_unmap(&members, 1 * PAGE, 2 * PAGE - 1), VIOMMU_OK);
	protect_all(&options);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	check_protect_none();
	f->script.stalled = false;
	assert_int_equal(viommu_driver_sync(&members, NULL), VIOMMU_OK);
	driver_teardown(f);
	return 0;
}

static struct viommu_driver_domain *const domains[] = { &members, &alone, &identity, &claimed, &alone_too };
static struct viommu_driver_endpoint *const endpoints[] = { &first,  &second, &bypassing, &claiming,
							     &failed, &lost,   &lost_first };

static bool driver_is_valid(void)
{
	return viommu_driver_is_valid(&DRV);
}

static bool driver_check(void)
{
	return viommu_driver_check(&DRV);
}

static bool domain_is_valid(void)
{
	for (size_t i = 0; i < COUNT_OF(domains); i++) {
		if (!viommu_driver_domain_is_valid(domains[i]))
			return false;
	}
	return true;
}

static bool domain_check(void)
{
	for (size_t i = 0; i < COUNT_OF(domains); i++) {
		if (!viommu_driver_domain_check(domains[i]))
			return false;
	}
	return true;
}

static bool endpoint_is_valid(void)
{
	for (size_t i = 0; i < COUNT_OF(endpoints); i++) {
		if (!viommu_driver_endpoint_is_valid(endpoints[i]))
			return false;
	}
	return true;
}

static bool endpoint_check(void)
{
	for (size_t i = 0; i < COUNT_OF(endpoints); i++) {
		if (!viommu_driver_endpoint_check(endpoints[i]))
			return false;
	}
	return true;
}

static void *misaligned(void *p)
{
	return (uint8_t *)p + 8;
}

static void set_uncertain(struct viommu_driver_domain *domain, uint64_t last)
{
	assert_int_equal(viommu_map_set_flags(&domain->map, last - PAGE + 1, last, RW | MAPPING_UNCERTAIN), VIOMMU_OK);
}

/* A queue that would be sound if there were as much memory. */
static void enlarge(struct viommu_virtq_driver *q)
{
	q->size *= 4;
	if (q->tables != NULL)
		q->tables = q->desc + VIOMMU_VIRTQ_DESC_SIZE(q->size);
	q->avail = q->desc + (1 + VIOMMU_VIRTQ_TABLE_ENTRIES) * VIOMMU_VIRTQ_DESC_SIZE(q->size);
	q->used = q->desc + VIOMMU_VIRTQ_DRIVER_USED_AT(q->size);
}

/* The slot of the ATTACH that was given up. */
static struct viommu_driver_slot *abandoned(void)
{
	struct viommu_driver_slot *slot = DRV.slots;

	while (slot->state != SLOT_ABANDONED || slot->type != VIOMMU_T_ATTACH)
		slot++;
	return slot;
}

/* One that is free takes its place in the counts. */
static void finish_abandoned(void)
{
	abandoned()->state = SLOT_FINISHED;
	DRV.free_slots->state = SLOT_ABANDONED;
	DRV.free_slots->type = VIOMMU_T_MAP;
	DRV.free_slots = DRV.free_slots->next;
}

/* The last of the free slots goes on to this one. */
static void extend_free_slots(struct viommu_driver_slot *slot)
{
	struct viommu_driver_slot *last = DRV.free_slots;

	while (last->next != NULL)
		last = last->next;
	last->next = slot;
}

static struct viommu_driver_poster poster;

/* clang-format off */
#define DRIVER_AT_ONCE_CASES(X)											\
	X(AT_ONCE, no_hooks, DRV.ops = NULL)									\
	X(AT_ONCE, queue_size_not_a_power_of_two, DRV.queue_size = 6)						\
	X(AT_ONCE, queue_size_too_small, DRV.queue_size = 1)							\
	X(AT_ONCE, event_count_not_a_power_of_two, DRV.event_count = 3)						\
	X(AT_ONCE, more_slots_than_there_are, DRV.slot_limit = QUEUE_SIZE + 1)					\
	X(AT_ONCE, request_shadow_elsewhere, DRV.shadows[VIOMMU_QUEUE_REQUEST]++)				\
	X(AT_ONCE, event_shadow_elsewhere, DRV.shadows[VIOMMU_QUEUE_EVENT]++)					\
	X(AT_ONCE, probe_copy_elsewhere, DRV.probe_copy++)							\
	X(AT_ONCE, pool_is_not_valid, DRV.pool.fresh = 0)							\
	X(AT_ONCE, free_slots_behind_the_end, DRV.free_slots = DRV.slots + QUEUE_SIZE)				\
	X(AT_ONCE, probe_slot_behind_the_end, DRV.probe_slot = DRV.slots + QUEUE_SIZE)				\
	X(AT_ONCE, waits_though_a_slot_is_free, DRV.waiters = &poster)						\
	X(AT_ONCE, free_slot_that_is_none, DRV.free_slots = misaligned(DRV.free_slots))				\
	X(AT_ONCE, probe_slot_that_is_none, DRV.probe_slot = misaligned(DRV.probe_slot))			\
	X(AT_ONCE, unknown_state, DRV.state = VIOMMU_DRIVER_FAILED + 1)						\
	X(AT_ONCE, runs_without_queues, DRV.queues = NULL)							\
	X(AT_ONCE, runs_without_slots, DRV.slot_limit = 0)							\
	X(AT_ONCE, runs_without_map_unmap, DRV.features &= ~VIOMMU_F_MAP_UNMAP)					\
	X(AT_ONCE, granule_without_end, DRV.granule_bits = 64)							\
	X(AT_ONCE, granule_below_the_least, DRV.granule_min <<= 1)						\
	X(AT_ONCE, granule_above_the_largest, DRV.granule_max >>= 1)						\
	X(AT_ONCE, input_range_upside_down, DRV.config.input_range = (struct viommu_range){ 2, 1 })		\
	X(AT_ONCE, domain_range_upside_down, DRV.config.domain_first = 1; DRV.config.domain_last = 0)		\
	X(AT_ONCE, probe_reply_without_room, DRV.config.probe_size = DRV.probe_size_max + 1)			\
	X(AT_ONCE, request_queue_is_not_valid, REQUESTS.size = 3)						\
	X(AT_ONCE, event_queue_is_broken, EVENTS.broken = true)

#define DRIVER_IN_DETAIL_CASES(X)										\
	X(IN_DETAIL, rings_apart, DRV.rings[VIOMMU_QUEUE_REQUEST].len--)					\
	X(IN_DETAIL, rings_apart_on_the_bus, DRV.rings[VIOMMU_QUEUE_EVENT].addr++;				\
	  DRV.rings[VIOMMU_QUEUE_EVENT].len--)									\
	X(IN_DETAIL, slot_memory_elsewhere, DRV.slot_memory.addr++)						\
	X(IN_DETAIL, event_memory_elsewhere, DRV.event_memory.addr++)						\
	X(IN_DETAIL, probe_memory_elsewhere, DRV.probe_memory.addr++)						\
	X(IN_DETAIL, probe_slot_above_the_limit, DRV.probe_slot = &DRV.slots[--DRV.slot_limit])		\
	X(IN_DETAIL, probe_slot_with_something_else, DRV.probe_slot->type = VIOMMU_T_ATTACH)			\
	X(IN_DETAIL, probe_slot_that_is_free, DRV.probe_slot = DRV.free_slots)					\
	X(IN_DETAIL, probe_in_two_slots, abandoned()->type = VIOMMU_T_PROBE)					\
	X(IN_DETAIL, slot_in_an_unknown_state, abandoned()->state = SLOT_ABANDONED + 1)				\
	X(IN_DETAIL, slot_held_with_a_request, abandoned()->state = SLOT_HELD)					\
	X(IN_DETAIL, ticket_of_the_future, abandoned()->ticket = DRV.next_ticket + 1)				\
	X(IN_DETAIL, next_free_slot_that_is_none, DRV.free_slots->next = misaligned(DRV.free_slots))		\
	X(IN_DETAIL, free_slot_that_is_in_use, DRV.free_slots = OLDEST)						\
	X(IN_DETAIL, free_slots_too_few, DRV.free_slots = DRV.free_slots->next)					\
	X(IN_DETAIL, free_slots_too_many, extend_free_slots(OLDEST))						\
	X(IN_DETAIL, free_slots_in_a_circle, extend_free_slots(DRV.free_slots))					\
	X(IN_DETAIL, request_queue_too_large, enlarge(&REQUESTS))						\
	X(IN_DETAIL, request_queue_with_another_shadow, REQUESTS.shadow = EVENTS.shadow)			\
	X(IN_DETAIL, request_queue_is_not_sound, SHADOW(0).count = 0)						\
	X(IN_DETAIL, request_answered_and_in_the_queue, abandoned()->state = SLOT_FINISHED)			\
	X(IN_DETAIL, event_queue_too_large, enlarge(&EVENTS))							\
	X(IN_DETAIL, event_queue_with_another_shadow, EVENTS.shadow = REQUESTS.shadow)				\
	X(IN_DETAIL, event_queue_is_not_sound, DRV.shadows[VIOMMU_QUEUE_EVENT][0].count = 0)			\
	X(IN_DETAIL, event_buffer_lost, DRV.shadows[VIOMMU_QUEUE_EVENT][3].token = NULL;			\
	  DRV.shadows[VIOMMU_QUEUE_EVENT][3].visible = false;							\
	  DRV.shadows[VIOMMU_QUEUE_EVENT][3].next = EVENT_COUNT; EVENTS.free_head = 3; EVENTS.free_count = 1;	\
	  EVENTS.seen++)											\
	X(IN_DETAIL, token_that_is_no_slot, SHADOW(0).token = misaligned(DRV.slots))				\
	X(IN_DETAIL, token_that_is_a_free_slot, SHADOW(0).token = DRV.free_slots)				\
	X(IN_DETAIL, token_that_was_answered, finish_abandoned())						\
	X(IN_DETAIL, token_that_is_no_buffer,									\
	  DRV.shadows[VIOMMU_QUEUE_EVENT][0].token = (void *)(uintptr_t)(EVENT_COUNT + 1))			\
	X(IN_DETAIL, slabs_are_not_valid, DRV.pool.slabs[0].first++)						\
	X(IN_DETAIL, domain_of_another_driver, alone.drv = &stranger)						\
	X(IN_DETAIL, domains_in_a_circle, alone_too.next = &members)						\
	X(IN_DETAIL, domains_with_the_same_id, alone.id = members.id)						\
	X(IN_DETAIL, domain_is_not_sound, members.unmaps = 0)							\
	X(IN_DETAIL, requests_lost, OLDEST = NULL; NEWEST = NULL; members.unmaps = 0)				\
	X(IN_DETAIL, record_lost, alone.map.root = 0)

#define DOMAIN_CASES(X)												\
	X(AT_ONCE, no_driver, alone.drv = NULL)									\
	X(AT_ONCE, map_of_another_pool, alone.map.pool = &stranger.pool)					\
	X(AT_ONCE, map_with_another_granule, alone.map.granule_bits++)						\
	X(AT_ONCE, map_is_not_valid, alone.map.root = 1)							\
	X(AT_ONCE, list_without_end, NEWEST = NULL)								\
	X(AT_ONCE, requests_with_bypass, identity.oldest = OLDEST; identity.newest = NEWEST)			\
	X(AT_ONCE, mappings_with_bypass, alone.bypass = true)							\
	X(AT_ONCE, incomplete_and_gone, alone.incomplete = true)						\
	X(AT_ONCE, failure_that_was_none, members.failures = 1)							\
	X(IN_DETAIL, map_is_not_sound, alone.map.root ^= 1)							\
	X(IN_DETAIL, request_that_is_no_slot, OLDEST = misaligned(OLDEST))					\
	X(IN_DETAIL, request_in_another_state, OLDEST->state = SLOT_WAITED)					\
	X(IN_DETAIL, request_of_another_domain, OLDEST->domain = &alone)					\
	X(IN_DETAIL, request_without_way_back, NEWEST->prev = OLDEST)						\
	X(IN_DETAIL, requests_out_of_order, OLDEST->ticket = OLDEST->next->ticket)				\
	X(IN_DETAIL, request_of_another_type, OLDEST->type = VIOMMU_T_DETACH)					\
	X(IN_DETAIL, unmap_that_splits, NEWEST->last = 5 * PAGE - 1)						\
	X(IN_DETAIL, map_behind_the_record, OLDEST->first = 0x1000 * PAGE)					\
	X(IN_DETAIL, map_begins_elsewhere, OLDEST->first -= PAGE)						\
	X(IN_DETAIL, map_ends_elsewhere, OLDEST->last += PAGE)							\
	X(IN_DETAIL, list_ends_elsewhere, NEWEST = OLDEST)							\
	X(IN_DETAIL, unmaps_miscounted, members.unmaps++)							\
	X(IN_DETAIL, members_in_a_circle, first.next = &second)							\
	X(IN_DETAIL, member_of_another_domain, first.domain = &alone)						\
	X(IN_DETAIL, member_is_not_valid, first.life++)								\
	X(IN_DETAIL, mapping_in_a_reserved_region, region.range.first = 0)					\
	X(IN_DETAIL, lost_in_a_circle, lost.next = &lost_first)							\
	X(IN_DETAIL, lost_by_another_domain, lost.lost = &members)						\
	X(IN_DETAIL, lost_and_not_valid, lost.domain = &members)						\
	X(IN_DETAIL, uncertain_and_gone, set_uncertain(&alone, 2 * PAGE - 1))					\
	X(IN_DETAIL, uncertain_at_the_top_and_gone, set_uncertain(&alone, UINT64_MAX))

#define ENDPOINT_CASES(X)											\
	X(AT_ONCE, failed_and_attached, failed.domain = &members)						\
	X(AT_ONCE, failed_and_claiming, failed.claimed = &members)						\
	X(AT_ONCE, failed_and_lost, failed.lost = &alone)							\
	X(AT_ONCE, lost_and_attached, lost.domain = &members)							\
	X(AT_ONCE, lost_by_another_driver, alone.drv = &stranger)						\
	X(AT_ONCE, regions_nowhere, first.regions = NULL)							\
	X(AT_ONCE, claims_and_is_certain, claiming.uncertain = false)						\
	X(AT_ONCE, claims_where_it_is, first.claimed = &members; first.uncertain = true; members.claims = 1)	\
	X(AT_ONCE, claims_and_is_not_counted, claimed.claims = 0)						\
	X(AT_ONCE, neighbour_outside_of_domains, claiming.next = &first)					\
	X(AT_ONCE, domain_with_another_driver, members.drv = &stranger)						\
	X(AT_ONCE, attached_in_an_earlier_life, first.life++)							\
	X(IN_DETAIL, region_upside_down, region.range.last = 0)							\
	X(IN_DETAIL, not_in_the_list, members.endpoints = NULL)							\
	X(IN_DETAIL, list_in_a_circle, second.next = &second)							\
	X(IN_DETAIL, lost_by_a_domain_that_does_not_know, alone.lost = NULL)
/* clang-format on */

DRIVER_AT_ONCE_CASES(DEFINE_CASE)
DRIVER_IN_DETAIL_CASES(DEFINE_CASE)
DOMAIN_CASES(DEFINE_CASE)
ENDPOINT_CASES(DEFINE_CASE)

static void test_driver_check__each_condition__is_seen(void **state)
{
	static const struct check_case cases[] = { DRIVER_AT_ONCE_CASES(LIST_CASE) DRIVER_IN_DETAIL_CASES(LIST_CASE) };

	(void)state;
	check_run(cases, COUNT_OF(cases), driver_is_valid, driver_check);
}

static void test_driver_domain_check__each_condition__is_seen(void **state)
{
	static const struct check_case cases[] = { DOMAIN_CASES(LIST_CASE) };

	(void)state;
	check_run(cases, COUNT_OF(cases), domain_is_valid, domain_check);
}

static void test_driver_endpoint_check__each_condition__is_seen(void **state)
{
	static const struct check_case cases[] = { ENDPOINT_CASES(LIST_CASE) };

	(void)state;
	check_run(cases, COUNT_OF(cases), endpoint_is_valid, endpoint_check);
}

/* What is allowed although it looks odd. */
static void test_driver_check__unusual_states__sound(void **state)
{
	static const struct viommu_queue_ops others = { .size = sizeof others };
	struct driver_fixture *fresh = driver_setup(NULL);

	(void)state;
	assert_true(viommu_driver_check(&fresh->drv)); /* before the first start */
	driver_teardown(fresh);

	DRV.state = VIOMMU_DRIVER_FAILED;
	REQUESTS.broken = true;
	assert_true(driver_check());
	DRV.state = VIOMMU_DRIVER_RUNNING;
	DRV.queues = &others; /* the library's own do not count then */
	assert_true(driver_check());
	DRV.queues = &viommu_i_own_queues;
	REQUESTS.broken = false;

	OLDEST->recorded = false; /* superseded: it says nothing about the record */
	OLDEST->first = 0x1000 * PAGE;
	assert_true(driver_check());
	OLDEST->recorded = true;
	OLDEST->first = 16 * PAGE;

	members.failures = 1;
	members.first_failure.result = VIOMMU_E_REJECTED;
	members.incomplete = true;
	claimed.incomplete = true;
	assert_true(driver_check());
	members.failures = 0;
	members.incomplete = false;
	claimed.incomplete = false;

	set_uncertain(&members, 2 * PAGE - 1);
	assert_true(driver_check());

	claiming.life++; /* a claim that a stop has settled: whatever it says */
	claiming.uncertain = false;
	assert_true(endpoint_check());
	claiming.life--;
	claiming.uncertain = true;
}

/* What a device can write to is not looked at. */
static void test_driver_check__shared_memory_full_of_noise__sound(void **state)
{
	uint8_t *was = malloc(f->shared.len);

	(void)state;
	assert_non_null(was);
	memcpy(was, f->shared.base, f->shared.len);
	for (unsigned byte = 0; byte < 256; byte += 51) {
		memset(f->shared.base, (int)byte, f->shared.len);
		assert_true(driver_is_valid() && driver_check());
	}
	memcpy(f->shared.base, was, f->shared.len);
	free(was);
}

/* As little and as much of everything as there may be. */
static void test_driver_check__at_the_limits__sound(void **state)
{
	struct driver_options options;
	struct driver_fixture *extreme;

	(void)state;
	driver_options_init(&options);
	options.config.queue_size = 2;
	options.config.event_count = 1;
	options.config.granule = UINT64_C(1) << 63;
	options.config.probe_size_max = options.space.probe_size;
	options.space.page_size_mask = UINT64_C(1) << 63;
	options.space.domain_first = 7;
	options.space.domain_last = 7;
	extreme = driver_up(&options);
	assert_true(viommu_driver_check(&extreme->drv));
	driver_teardown(extreme);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_driver_check__each_condition__is_seen, make, unmake),
		cmocka_unit_test_setup_teardown(test_driver_domain_check__each_condition__is_seen, make, unmake),
		cmocka_unit_test_setup_teardown(test_driver_endpoint_check__each_condition__is_seen, make, unmake),
		cmocka_unit_test_setup_teardown(test_driver_check__unusual_states__sound, make, unmake),
		cmocka_unit_test(test_driver_check__at_the_limits__sound),
		cmocka_unit_test_setup_teardown(test_driver_check__shared_memory_full_of_noise__sound, make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
