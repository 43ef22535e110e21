/* SPDX-License-Identifier: BSD-3-Clause */
/* test_driver_attach.c: domains and their ids, attach with replay, moves, detach, and what survives stop and start. */
#include "driver_pages.h"
#include "suite.h"

/* On the wire */

static void test_driver_attach__sample_requests__are_these_bytes(void **state)
{
	static const uint8_t attach_bytes[20] = { 1, 0, 0, 0, 1, 0, 0, 0, 8 };
	static const uint8_t detach_bytes[20] = { 2, 0, 0, 0, 1, 0, 0, 0, 8 };
	static const uint8_t bypass_bytes[20] = { 1, 0, 0, 0, 0x84, 0x83, 0x82, 0x81, 8, 0, 0, 0, 1 };
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d, b;
	struct viommu_driver_endpoint e;

	(void)state;
	assert_int_equal(viommu_driver_domain_init(&d, &f->drv, 1, false), VIOMMU_OK);
	assert_int_equal(viommu_driver_domain_init(&b, &f->drv, 0x81828384, true), VIOMMU_OK);
	/* A domain is the driver's own affair until somebody is in it. */
	assert_int_equal(f->script.count, 0);
	endpoint_up(f, &e, 8);
	/* IOMMU-DRV-OPS-01, IOMMU-DRV-ATTACH-01, -04 */
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
	assert_int_equal(script_last(f)->len, sizeof attach_bytes);
	assert_memory_equal(script_last(f)->bytes, attach_bytes, sizeof attach_bytes);
	/* IOMMU-DRV-DETACH-01 */
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_OK);
	assert_int_equal(script_last(f)->len, sizeof detach_bytes);
	assert_memory_equal(script_last(f)->bytes, detach_bytes, sizeof detach_bytes);
	/* IOMMU-DRV-ATTACH-03 */
	assert_int_equal(viommu_driver_attach(&b, &e, NULL), VIOMMU_OK);
	assert_memory_equal(script_last(f)->bytes, bypass_bytes, sizeof bypass_bytes);
	driver_teardown(f);
}

/* Domains */

static void test_driver_domain__ids__explicit_any_taken_and_outside(void **state)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = { { 0, 3 }, { 5, 8 }, { 0x80000000, 0x80000003 }, { 0xfffffffc, 0xffffffff } };

	(void)state;
	/* IOMMU-DRV-OPS-05 */
	for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
		uint32_t first = ranges[i].first;
		struct viommu_driver_domain d[5];
		struct viommu_driver_endpoint e;
		struct driver_options o;
		struct driver_fixture *f;

		driver_options_init(&o);
		o.space.domain_first = first;
		o.space.domain_last = ranges[i].last;
		f = driver_up(&o);
		if (first > 0)
			assert_int_equal(viommu_driver_domain_init(&d[0], &f->drv, first - 1, false), VIOMMU_E_RANGE);
		assert_int_equal(viommu_driver_domain_init(&d[0], &f->drv, (uint64_t)ranges[i].last + 1, false),
				 VIOMMU_E_RANGE);
		assert_int_equal(viommu_driver_domain_init(&d[0], &f->drv, UINT64_MAX - 1, false), VIOMMU_E_RANGE);
		assert_int_equal(viommu_driver_domain_init(&d[0], &f->drv, (uint64_t)first | UINT64_C(1) << 32, false),
				 VIOMMU_E_RANGE);
		assert_int_equal(viommu_driver_domain_init(&d[1], &f->drv, first + 1, false), VIOMMU_OK);
		assert_int_equal(viommu_driver_domain_init(&d[4], &f->drv, first + 1, false), VIOMMU_E_EXISTS);
		domain_any(f, &d[0]);
		domain_any(f, &d[2]);
		domain_any(f, &d[3]);
		assert_int_equal(viommu_driver_domain_id(&d[0]), first);
		assert_int_equal(viommu_driver_domain_id(&d[2]), first + 2);
		assert_int_equal(viommu_driver_domain_id(&d[3]), first + 3);
		/* What was not made takes nothing away from others. */
		assert_int_equal(viommu_driver_domain_init(&d[4], &f->drv, VIOMMU_DOMAIN_ANY, false), VIOMMU_E_FULL);
		for (uint32_t n = 0; n < 4; n++)
			assert_int_equal(viommu_driver_domain_init(&d[4], &f->drv, first + n, false), VIOMMU_E_EXISTS);
		/* Released ones are reused, whichever they are. */
		for (uint32_t n = 0; n < 4; n++) {
			assert_int_equal(viommu_driver_domain_deinit(&d[n]), VIOMMU_OK);
			domain_any(f, &d[4]);
			assert_int_equal(viommu_driver_domain_id(&d[4]), first + n);
			assert_int_equal(viommu_driver_domain_deinit(&d[4]), VIOMMU_OK);
			assert_int_equal(viommu_driver_domain_init(&d[n], &f->drv, first + n, false), VIOMMU_OK);
		}
		endpoint_up(f, &e, 8);
		assert_int_equal(viommu_driver_attach(&d[3], &e, NULL), VIOMMU_OK);
		assert_true(model_has(f, first + 3));
		driver_teardown(f);
	}
}

static void test_driver_domain__single_id__is_usable(void **state)
{
	struct driver_options o;
	struct driver_fixture *f;
	struct viommu_driver_domain d, other;
	struct viommu_driver_endpoint e;

	(void)state;
	driver_options_init(&o);
	o.space.domain_first = o.space.domain_last = 0xffffffff;
	f = driver_up(&o);
	domain_up(f, &d, &e, 8);
	assert_int_equal(map_page(&d, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_domain_init(&other, &f->drv, VIOMMU_DOMAIN_ANY, false), VIOMMU_E_FULL);
	assert_record_is_model(f, &d);
	driver_teardown(f);
}

/* Domains of an earlier life may have ids that the device does not have any more. */
static void test_driver_domain__ids_below_a_new_range__are_passed_over(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain old[2], d;
	struct viommu_driver_endpoint e;

	(void)state;
	assert_int_equal(viommu_driver_domain_id(domain_any(f, &old[0])), 0);
	assert_int_equal(viommu_driver_domain_init(&old[1], &f->drv, 5, false), VIOMMU_OK);
	endpoint_up(f, &e, 8);
	assert_int_equal(viommu_driver_stop(&f->drv), VIOMMU_OK);
	f->script.config.domain_first = 5;
	assert_int_equal(driver_start(f), VIOMMU_OK);
	f->script.count = 0;
	assert_int_equal(viommu_driver_domain_id(domain_any(f, &d)), 6);
	/* IOMMU-DRV-OPS-05 */
	assert_int_equal(viommu_driver_attach(&old[0], &e, NULL), VIOMMU_E_RANGE);
	assert_int_equal(f->script.count, 0);
	assert_int_equal(viommu_driver_attach(&old[1], &e, NULL), VIOMMU_OK);
	driver_teardown(f);
}

static void test_driver_domain__deinit__refused_while_in_use(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;
	uint32_t before;

	(void)state;
	domain_up(f, &d, &e, 8);
	assert_int_equal(viommu_driver_domain_deinit(&d), VIOMMU_E_STATE);
	assert_int_equal(map_page(&d, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_domain_deinit(&d), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_OK);
	before = f->script.count;
	assert_int_equal(record_count(&d), 1);
	assert_int_equal(viommu_driver_domain_deinit(&d), VIOMMU_OK);
	device_run(f);
	assert_int_equal(f->script.count, before);
	/* The same id starts empty. */
	domain_any(f, &d);
	assert_int_equal(record_count(&d), 0);
	driver_teardown(f);
}

/* Its nodes come back: a domain a thousand times over in a small pool. */
static void test_driver_domain__made_and_forgotten__gives_its_nodes_back(void **state)
{
	struct driver_options o;
	struct driver_fixture *f;

	(void)state;
	driver_options_init(&o);
	o.nodes = 24;
	f = driver_up(&o);
	for (int round = 0; round < 1000; round++) {
		struct viommu_driver_domain d;

		domain_any(f, &d);
		for (uint64_t i = 0; i < 5; i++)
			assert_int_equal(map_page(&d, i << 20), VIOMMU_OK);
		assert_int_equal(viommu_driver_domain_deinit(&d), VIOMMU_OK);
	}
	driver_teardown(f);
}

static void test_driver_domain__bypass__flag_on_the_wire_and_no_mappings(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d, plain;
	struct viommu_driver_endpoint e, e2;
	uint64_t phys;

	(void)state;
	assert_int_equal(viommu_driver_domain_init(&d, &f->drv, VIOMMU_DOMAIN_ANY, true), VIOMMU_OK);
	endpoint_up(f, &e, 8);
	endpoint_up(f, &e2, 9);
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
	assert_int_equal(script_last(f)->request.u.attach.flags, VIOMMU_ATTACH_F_BYPASS);
	assert_int_equal(viommu_driver_attach(&d, &e2, NULL), VIOMMU_OK);
	assert_int_equal(script_last(f)->request.u.attach.flags, VIOMMU_ATTACH_F_BYPASS);
	/* IOMMU-DRV-MAP-02, IOMMU-DRV-UNMAP-06 */
	assert_int_equal(map_page(&d, 1), VIOMMU_E_STATE);
	assert_int_equal(unmap_pages(&d, 1, 1), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_iova_to_phys(&d, UINT64_C(0x123456789abc), &phys), VIOMMU_OK);
	assert_true(phys == UINT64_C(0x123456789abc));
	domain_any(f, &plain);
	assert_int_equal(viommu_driver_attach(&plain, &e, NULL), VIOMMU_OK);
	assert_int_equal(script_last(f)->request.u.attach.flags, 0);
	driver_teardown(f);
}

static void test_driver_domain__bypass_not_negotiated__is_refused(void **state)
{
	struct driver_options o;
	struct driver_fixture *f;
	struct viommu_driver_domain d;

	(void)state;
	driver_options_init(&o);
	o.offered &= ~VIOMMU_F_BYPASS_CONFIG;
	f = driver_up(&o);
	assert_int_equal(viommu_driver_domain_init(&d, &f->drv, VIOMMU_DOMAIN_ANY, true), VIOMMU_E_UNSUPP);
	/* Nothing was taken. */
	domain_any(f, &d);
	assert_int_equal(viommu_driver_domain_id(&d), 0);
	driver_teardown(f);
}

/* Replay */

static void test_driver_map__domain_without_endpoint__sends_nothing_until_attach(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_any(f, &d);
	endpoint_up(f, &e, 8);
	f->script.count = 0;
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(
			viommu_driver_map(&d, i * 2 * PAGE, i * 2 * PAGE + PAGE - 1, i * PAGE, (uint32_t)i % 8),
			VIOMMU_OK);
	assert_int_equal(unmap_pages(&d, 4, 4), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	assert_int_equal(record_count(&d), 9);
	assert_int_equal(f->script.count, 0);
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
	assert_int_equal(f->script.count, 10);
	assert_int_equal(f->script.log[0].request.type, VIOMMU_T_ATTACH);
	assert_record_is_model(f, &d);
	assert_int_equal(record_count(&d), 9);
	driver_teardown(f);
}

static void test_driver_attach__replay__takes_one_kick_for_each_queue_full(void **state)
{
	static const uint32_t counts[] = { 0, 1, 31, 32, 33, 63, 64, 65, 128, 1000 };

	(void)state;
	for (size_t i = 0; i < 2 * sizeof counts / sizeof counts[0]; i++) {
		uint32_t n = counts[i / 2];
		struct driver_options o;
		struct driver_fixture *f;
		struct viommu_driver_domain d;
		struct viommu_driver_endpoint e;
		struct viommu_driver_limits l;

		driver_options_init(&o);
		if (i % 2 != 0)
			o.offered &= ~VIOMMU_F_INDIRECT_DESC;
		f = driver_up(&o);
		viommu_driver_get_limits(&f->drv, &l);
		domain_any(f, &d);
		endpoint_up(f, &e, 8);
		for (uint64_t page = 0; page < n; page++)
			assert_int_equal(map_page(&d, page), VIOMMU_OK);
		f->kicks[VIOMMU_QUEUE_REQUEST] = 0;
		assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
		assert_int_equal(f->kicks[VIOMMU_QUEUE_REQUEST], 1 + (n + l.slots - 1) / l.slots);
		assert_record_is_model(f, &d);
		assert_int_equal(record_count(&d), n);
		driver_teardown(f);
	}
}

static struct verdict spoil_kth_map(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number)
{
	(void)number;
	return r->type == VIOMMU_T_MAP && script_count(f, VIOMMU_T_MAP) == victim ? victims_verdict : VERDICT_HONEST;
}

static struct verdict hold_maps(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number)
{
	(void)f;
	(void)number;
	return r->type == VIOMMU_T_MAP ? VERDICT_HOLD : VERDICT_HONEST;
}

static void test_driver_attach__replay_to_a_slow_device__takes_no_more_kicks(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_any(f, &d);
	endpoint_up(f, &e, 8);
	for (uint64_t page = 0; page < 200; page++)
		assert_int_equal(map_page(&d, page), VIOMMU_OK);
	f->script.decide = hold_maps;
	f->on_wait = release_first;
	f->kicks[VIOMMU_QUEUE_REQUEST] = 0;
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
	assert_int_equal(f->kicks[VIOMMU_QUEUE_REQUEST], 1 + 4);
	assert_record_is_model(f, &d);
	driver_teardown(f);
}

static void test_driver_attach__mapping_at_the_end_of_the_space__is_replayed_once(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_any(f, &d);
	assert_int_equal(map_page(&d, 0), VIOMMU_OK);
	assert_int_equal(viommu_driver_map(&d, UINT64_MAX - PAGE + 1, UINT64_MAX, 0, RW), VIOMMU_OK);
	endpoint_up(f, &e, 8);
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
	assert_int_equal(script_count(f, VIOMMU_T_MAP), 2);
	assert_record_is_model(f, &d);
	driver_teardown(f);
}

static void test_driver_attach__replay_fails__endpoint_is_detached_again(void **state)
{
	static const uint32_t victims[] = { 0, 1, 31, 63, 64, 99 };

	(void)state;
	for (size_t i = 0; i < sizeof victims / sizeof victims[0]; i++) {
		struct driver_fixture *f = driver_up(NULL);
		struct viommu_driver_domain d;
		struct viommu_driver_endpoint e;
		uint8_t status = 0xaa;

		victim = victims[i];
		victims_verdict = VERDICT_STATUS(VIOMMU_S_NOMEM);
		domain_any(f, &d);
		endpoint_up(f, &e, 8);
		for (uint64_t page = 0; page < 100; page++)
			assert_int_equal(map_page(&d, page), VIOMMU_OK);
		f->script.decide = spoil_kth_map;
		assert_int_equal(viommu_driver_attach(&d, &e, &status), VIOMMU_E_REJECTED);
		/* "the device refused (*status says how)" */
		assert_int_equal(status, VIOMMU_S_NOMEM);
		assert_int_equal(script_last(f)->request.type, VIOMMU_T_DETACH);
		assert_false(model_has(f, viommu_driver_domain_id(&d)));
		/* The record was not the device's to change. */
		assert_int_equal(record_count(&d), 100);
		assert_int_equal(viommu_driver_get_stats(&f->drv)->uncertain, 0);
		assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_E_STATE);
		f->script.decide = NULL;
		assert_int_equal(viommu_driver_attach(&d, &e, &status), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
		assert_record_is_model(f, &d);
		assert_int_equal(record_count(&d), 100);
		driver_teardown(f);
	}
}

static void test_driver_attach__replay_without_status__is_no_success(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	victim = 3;
	victims_verdict = VERDICT_USED(0);
	domain_any(f, &d);
	endpoint_up(f, &e, 8);
	for (uint64_t page = 0; page < 10; page++)
		assert_int_equal(map_page(&d, page), VIOMMU_OK);
	f->script.decide = spoil_kth_map;
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_E_PEER);
	assert_false(model_has(f, viommu_driver_domain_id(&d)));
	assert_int_equal(record_count(&d), 10);
	driver_teardown(f);
}

/* A failure that was heard of before the attach is neither a failure of the replay nor lost. */
static struct verdict reject_maps(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number)
{
	(void)f;
	(void)number;
	return r->type == VIOMMU_T_MAP ? VERDICT_STATUS(VIOMMU_S_NOMEM) : VERDICT_HONEST;
}

static void test_driver_attach__failure_not_yet_reported__does_not_fail_the_attach(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;
	struct viommu_driver_failure failure;

	(void)state;
	domain_up(f, &d, &e, 8);
	f->script.decide = reject_maps;
	assert_int_equal(map_page(&d, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_OK);
	assert_int_equal(f->failure_count, 1);
	f->script.decide = NULL;
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, &failure), VIOMMU_E_REJECTED);
	assert_int_equal(failure.first, PAGE);
	driver_teardown(f);
}

/* Several endpoints */

static void test_driver_attach__several_endpoints__domain_lives_until_the_last_leaves(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e[3];

	(void)state;
	domain_up(f, &d, &e[0], 8);
	assert_int_equal(map_page(&d, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	f->script.count = 0;
	for (uint32_t i = 1; i < 3; i++) {
		endpoint_up(f, &e[i], 8 + i);
		assert_int_equal(viommu_driver_attach(&d, &e[i], NULL), VIOMMU_OK);
	}
	/* The device has the mappings already. */
	assert_int_equal(script_count(f, VIOMMU_T_MAP), 0);
	assert_int_equal(viommu_driver_detach(&e[1], NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_detach(&e[0], NULL), VIOMMU_OK);
	assert_int_equal(map_page(&d, 2), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	assert_record_is_model(f, &d);
	assert_int_equal(record_count(&d), 2);
	assert_int_equal(viommu_driver_detach(&e[2], NULL), VIOMMU_OK);
	/* Gone for the device, kept by the driver. */
	assert_false(model_has(f, viommu_driver_domain_id(&d)));
	assert_int_equal(record_count(&d), 2);
	f->script.count = 0;
	assert_int_equal(map_page(&d, 3), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	assert_int_equal(f->script.count, 0);
	assert_int_equal(viommu_driver_attach(&d, &e[1], NULL), VIOMMU_OK);
	assert_int_equal(script_count(f, VIOMMU_T_MAP), 3);
	assert_record_is_model(f, &d);
	/* Again into the domain it is in: nothing is replayed, nothing changes. */
	assert_int_equal(viommu_driver_attach(&d, &e[1], NULL), VIOMMU_OK);
	assert_int_equal(script_count(f, VIOMMU_T_MAP), 3);
	assert_record_is_model(f, &d);
	assert_int_equal(viommu_driver_detach(&e[1], NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_detach(&e[1], NULL), VIOMMU_E_STATE);
	driver_teardown(f);
}

static void test_driver_attach__move__leaves_the_old_domain(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain a, b;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_up(f, &a, &e, 8);
	domain_any(f, &b);
	assert_int_equal(map_page(&a, 1), VIOMMU_OK);
	assert_int_equal(map_page(&b, 2), VIOMMU_OK);
	/* a's request is still on its way when the endpoint goes. */
	assert_int_equal(viommu_driver_attach(&b, &e, NULL), VIOMMU_OK);
	assert_int_equal(script_count(f, VIOMMU_T_DETACH), 0);
	assert_record_is_model(f, &b);
	assert_int_equal(viommu_driver_sync(&a, NULL), VIOMMU_OK);
	assert_int_equal(record_count(&a), 1);
	f->script.count = 0;
	assert_int_equal(map_page(&a, 3), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&a, NULL), VIOMMU_OK);
	assert_int_equal(f->script.count, 0);
	assert_int_equal(viommu_driver_attach(&a, &e, NULL), VIOMMU_OK);
	assert_record_is_model(f, &a);
	assert_int_equal(record_count(&a), 2);
	assert_int_equal(viommu_driver_domain_deinit(&b), VIOMMU_OK);
	driver_teardown(f);
}

static void test_driver_attach__move_refused__all_is_as_before(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain a, b;
	struct viommu_driver_endpoint e, other;
	uint8_t status = 0;

	(void)state;
	domain_up(f, &a, &e, 8);
	domain_up(f, &b, &other, 9);
	assert_int_equal(map_page(&a, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&a, NULL), VIOMMU_OK);
	f->script.decide = spoil_attach;
	victims_verdict = VERDICT_STATUS(VIOMMU_S_UNSUPP);
	assert_int_equal(viommu_driver_attach(&b, &e, &status), VIOMMU_E_REJECTED);
	assert_int_equal(status, VIOMMU_S_UNSUPP);
	victims_verdict = VERDICT_STATUS(0xc7);
	assert_int_equal(viommu_driver_attach(&b, &e, &status), VIOMMU_E_REJECTED);
	assert_int_equal(status, 0xc7);
	assert_int_equal(viommu_driver_detach(&e, &status), VIOMMU_E_REJECTED);
	assert_int_equal(status, 0xc7);
	f->script.decide = NULL;
	/* Still in a: maps are sent, a cannot go, b can once its own endpoint has left. */
	assert_int_equal(map_page(&a, 2), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&a, NULL), VIOMMU_OK);
	assert_record_is_model(f, &a);
	assert_int_equal(viommu_driver_domain_deinit(&a), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_detach(&other, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_domain_deinit(&b), VIOMMU_OK);
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_domain_deinit(&a), VIOMMU_OK);
	driver_teardown(f);
}

/* Reserved regions */

static const uint8_t two_regions[] = { /* RESERVED 0x8000..0x8fff, MSI fee00000..feefffff */
				       1,    0,    20,   0,    0, 0, 0, 0, 0,    0x80, 0,    0,    0, 0, 0, 0,
				       0xff, 0x8f, 0,    0,    0, 0, 0, 0, 1,    0,    20,   0,    1, 0, 0, 0,
				       0,    0,    0xe0, 0xfe, 0, 0, 0, 0, 0xff, 0xff, 0xef, 0xfe, 0, 0, 0, 0
};

/* IOMMU-DRV-RESV-01, INF-13 */
static void test_driver_map__reserved_region_of_an_endpoint__is_kept_free(void **state)
{
	static const struct {
		uint64_t first, last;
		enum viommu_result expected;
	} table[] = {
		{ 0x7000, 0x7fff, VIOMMU_OK },
		{ 0x9000, 0x9fff, VIOMMU_OK },
		{ 0x8000, 0x8fff, VIOMMU_E_RANGE },
		{ 0x7000, 0x8fff, VIOMMU_E_RANGE },
		{ 0x8000, 0x9fff, VIOMMU_E_RANGE },
		{ 0, 0xffff, VIOMMU_E_RANGE },
		{ 0xfee00000, 0xfee00fff, VIOMMU_E_RANGE },
		{ 0xfeeff000, 0xfeefffff, VIOMMU_E_RANGE },
		{ 0xfedff000, 0xfedfffff, VIOMMU_OK },
		{ 0xfef00000, 0xfef00fff, VIOMMU_OK },
	};
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e, plain;
	struct viommu_resv_region regions[2];

	(void)state;
	f->script.properties = two_regions;
	f->script.properties_len = sizeof two_regions;
	assert_int_equal(viommu_driver_endpoint_init(&e, &f->drv, 8, regions, 2), VIOMMU_OK);
	f->script.properties = NULL;
	domain_up(f, &d, &plain, 9);
	/* Among several endpoints one is enough, wherever it is in the list. */
	for (int order = 0; order < 2; order++) {
		if (order == 1)
			assert_int_equal(viommu_driver_detach(&plain, NULL), VIOMMU_OK);
		assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
		if (order == 1)
			assert_int_equal(viommu_driver_attach(&d, &plain, NULL), VIOMMU_OK);
		for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
			assert_int_equal(viommu_driver_map(&d, table[i].first, table[i].last, 0, RW),
					 table[i].expected);
			assert_int_equal(viommu_driver_unmap(&d, table[i].first, table[i].last), VIOMMU_OK);
			assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
		}
	}
	/* The union of all endpoints' regions counts, and only while they are in. */
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_map(&d, 0x7000, 0x8fff, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	f->script.count = 0;
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_E_RANGE);
	assert_int_equal(viommu_driver_unmap(&d, 0x7000, 0x8fff), VIOMMU_OK);
	/* Inside a region, at its last page, and right behind and before it. */
	assert_int_equal(viommu_driver_map(&d, 0xfee80000, 0xfee80fff, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_E_RANGE);
	assert_int_equal(viommu_driver_unmap(&d, 0xfee80000, 0xfee80fff), VIOMMU_OK);
	assert_int_equal(viommu_driver_map(&d, 0xfeeff000, 0xfef00fff, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_E_RANGE);
	assert_int_equal(viommu_driver_unmap(&d, 0xfeeff000, 0xfef00fff), VIOMMU_OK);
	assert_int_equal(script_count(f, VIOMMU_T_ATTACH), 0);
	assert_int_equal(viommu_driver_map(&d, 0xfef00000, 0xfef00fff, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_map(&d, 0x7000, 0x7fff, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
	driver_teardown(f);
}

/* Stop and start */

static void test_driver_stop__requests_in_flight__records_follow_the_contract(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain a, b;
	struct viommu_driver_endpoint ea, eb;

	(void)state;
	domain_up(f, &a, &ea, 8);
	domain_up(f, &b, &eb, 9);
	assert_int_equal(map_page(&a, 0), VIOMMU_OK);
	assert_int_equal(map_page(&a, 1), VIOMMU_OK);
	assert_int_equal(map_page(&a, 2), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&a, NULL), VIOMMU_OK);
	f->script.stalled = true;
	/* 1: its UNMAP is uncertain. 3: its MAP is uncertain. */
	assert_int_equal(unmap_pages(&a, 1, 1), VIOMMU_OK);
	assert_int_equal(map_page(&a, 3), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&a, NULL), VIOMMU_E_TIMEOUT);
	/* 2: unmapped, 4: mapped, both in flight; 5: both. */
	assert_int_equal(unmap_pages(&a, 2, 2), VIOMMU_OK);
	assert_int_equal(map_page(&a, 4), VIOMMU_OK);
	assert_int_equal(map_page(&a, 5), VIOMMU_OK);
	assert_int_equal(unmap_pages(&a, 5, 5), VIOMMU_OK);
	assert_int_equal(map_page(&b, 7), VIOMMU_OK);
	assert_int_equal(viommu_driver_stop(&f->drv), VIOMMU_OK);
	assert_true(is_mapped(&a, 0));
	assert_false(is_mapped(&a, 1));
	assert_false(is_mapped(&a, 2));
	assert_false(is_mapped(&a, 3));
	assert_true(is_mapped(&a, 4));
	assert_false(is_mapped(&a, 5));
	assert_true(is_mapped(&b, 7));

	f->script.stalled = false;
	f->step_count = 0;
	assert_int_equal(driver_start(f), VIOMMU_OK);
	f->script.count = 0;
	/* Endpoints are detached, domains are as they were. */
	assert_int_equal(viommu_driver_detach(&ea, NULL), VIOMMU_E_STATE);
	assert_int_equal(map_page(&a, 6), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&a, NULL), VIOMMU_OK);
	assert_int_equal(f->script.count, 0);
	assert_int_equal(viommu_driver_endpoint_init(&ea, &f->drv, 8, NULL, 0), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&a, &ea, NULL), VIOMMU_OK);
	assert_int_equal(script_count(f, VIOMMU_T_MAP), 3);
	assert_record_is_model(f, &a);
	assert_int_equal(viommu_driver_attach(&b, &eb, NULL), VIOMMU_OK);
	assert_record_is_model(f, &b);
	for (uint64_t i = 1; i < 4; i++)
		assert_int_equal(map_page(&a, i), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&a, NULL), VIOMMU_OK);
	assert_record_is_model(f, &a);
	assert_int_equal(viommu_driver_get_stats(&f->drv)->late, 0);
	driver_teardown(f);
}

/*
 * The device that comes back is another one: narrower ranges, fewer features. Nothing may go out that the specification
 * forbids with what is negotiated now; the fixture checks each request. Either start or attach has to refuse.
 */
static void test_driver_start__device_came_back_narrower__sends_nothing_it_must_not(void **state)
{
	(void)state;
	for (int what = 0; what < 5; what++) {
		struct driver_options o;
		struct driver_fixture *f;
		struct viommu_driver_domain d;
		struct viommu_driver_endpoint e;
		enum viommu_result result;

		driver_options_init(&o);
		o.config.granule_max = 0x10000;
		f = driver_up(&o);
		assert_int_equal(viommu_driver_domain_init(&d, &f->drv, 7, what == 3), VIOMMU_OK);
		endpoint_up(f, &e, 8);
		assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
		if (what != 3)
			assert_int_equal(viommu_driver_map(&d, 0x10000, 0x10fff, 0, RW | VIOMMU_MAP_F_MMIO), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
		assert_int_equal(viommu_driver_stop(&f->drv), VIOMMU_OK);
		switch (what) {
		case 0: /* IOMMU-DRV-OPS-05 */
			f->script.config.domain_last = 3;
			break;
		case 1: /* IOMMU-DRV-OPS-04 */
			f->script.config.input_range.last = 0xffff;
			break;
		case 2: /* IOMMU-DRV-MAP-07 */
			f->script.offered &= ~VIOMMU_F_MMIO;
			break;
		case 3:
			f->script.offered &= ~VIOMMU_F_BYPASS_CONFIG;
			break;
		default:
			f->script.config.page_size_mask = ~UINT64_C(0xffff);
			break;
		}
		result = driver_start(f);
		/* A record that was made with another granule. */
		if (what == 4)
			assert_int_equal(result, VIOMMU_E_UNSUPP);
		if (result == VIOMMU_OK) {
			result = viommu_driver_attach(&d, &e, NULL);
			assert_int_not_equal(result, VIOMMU_OK);
		}
		driver_teardown(f);
	}
}

/* The real device */

static void test_driver_attach__real_device__moves_and_replays(void **state)
{
	static const struct viommu_resv_region msi = { { 0xfee00000, 0xfeefffff }, VIOMMU_RESV_MEM_MSI };
	struct driver_options o;
	struct driver_fixture *f;
	struct viommu_driver_domain a, b, bypass;
	struct viommu_driver_endpoint e[2], unknown;
	struct viommu_resv_region regions[4];
	uint32_t count;
	uint64_t gpa;
	uint8_t status;

	(void)state;
	driver_options_init(&o);
	o.real = true;
	o.regions = &msi;
	o.region_count = 1;
	f = driver_up(&o);
	assert_int_equal(viommu_driver_endpoint_init(&e[0], &f->drv, REAL_FIRST_ENDPOINT, regions, 4), VIOMMU_OK);
	assert_non_null(viommu_driver_endpoint_regions(&e[0], &count));
	assert_int_equal(count, 1);
	assert_int_equal(regions[0].range.first, msi.range.first);
	assert_int_equal(viommu_driver_endpoint_init(&unknown, &f->drv, 99, regions, 4), VIOMMU_E_REJECTED);
	endpoint_up(f, &e[1], REAL_FIRST_ENDPOINT + 1);
	domain_any(f, &a);
	domain_any(f, &b);
	for (uint64_t i = 0; i < 200; i++)
		assert_int_equal(map_page(&a, i), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&a, &e[0], &status), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&a, &e[1], &status), VIOMMU_OK);
	assert_int_equal(viommu_driver_map(&a, 0xfee00000, 0xfee00fff, 0, RW), VIOMMU_E_RANGE);
	for (uint64_t i = 0; i < 200; i++) {
		assert_true(real_translate(f, 0, i * PAGE + 1, VIOMMU_ACCESS_WRITE, &gpa));
		assert_int_equal(gpa, (i + 16) * PAGE + 1);
		assert_true(real_translate(f, 1, i * PAGE, VIOMMU_ACCESS_READ, &gpa));
	}
	assert_int_equal(viommu_driver_attach(&b, &e[0], &status), VIOMMU_OK);
	assert_false(real_translate(f, 0, 0, VIOMMU_ACCESS_READ, &gpa));
	assert_true(real_translate(f, 1, 0, VIOMMU_ACCESS_READ, &gpa));
	assert_int_equal(viommu_driver_domain_init(&bypass, &f->drv, VIOMMU_DOMAIN_ANY, true), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&bypass, &e[0], &status), VIOMMU_OK);
	assert_true(real_translate(f, 0, 0x12345, VIOMMU_ACCESS_WRITE, &gpa));
	assert_int_equal(gpa, 0x12345);

	/* What is detached reaches nothing. */
	assert_int_equal(viommu_driver_detach(&e[0], &status), VIOMMU_OK);
	assert_false(real_translate(f, 0, 0x12345, VIOMMU_ACCESS_READ, &gpa));

	assert_int_equal(viommu_driver_stop(&f->drv), VIOMMU_OK);
	assert_false(real_translate(f, 1, 0, VIOMMU_ACCESS_READ, &gpa));
	assert_int_equal(driver_start(f), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&a, &e[1], &status), VIOMMU_OK);
	for (uint64_t i = 0; i < 200; i++)
		assert_true(real_translate(f, 1, i * PAGE, VIOMMU_ACCESS_READ, &gpa));
	driver_teardown(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_attach__sample_requests__are_these_bytes),
		cmocka_unit_test(test_driver_domain__ids__explicit_any_taken_and_outside),
		cmocka_unit_test(test_driver_domain__single_id__is_usable),
		cmocka_unit_test(test_driver_domain__ids_below_a_new_range__are_passed_over),
		cmocka_unit_test(test_driver_domain__deinit__refused_while_in_use),
		cmocka_unit_test(test_driver_domain__made_and_forgotten__gives_its_nodes_back),
		cmocka_unit_test(test_driver_domain__bypass__flag_on_the_wire_and_no_mappings),
		cmocka_unit_test(test_driver_domain__bypass_not_negotiated__is_refused),
		cmocka_unit_test(test_driver_map__domain_without_endpoint__sends_nothing_until_attach),
		cmocka_unit_test(test_driver_attach__replay__takes_one_kick_for_each_queue_full),
		cmocka_unit_test(test_driver_attach__replay_to_a_slow_device__takes_no_more_kicks),
		cmocka_unit_test(test_driver_attach__mapping_at_the_end_of_the_space__is_replayed_once),
		cmocka_unit_test(test_driver_attach__replay_fails__endpoint_is_detached_again),
		cmocka_unit_test(test_driver_attach__replay_without_status__is_no_success),
		cmocka_unit_test(test_driver_attach__failure_not_yet_reported__does_not_fail_the_attach),
		cmocka_unit_test(test_driver_attach__several_endpoints__domain_lives_until_the_last_leaves),
		cmocka_unit_test(test_driver_attach__move__leaves_the_old_domain),
		cmocka_unit_test(test_driver_attach__move_refused__all_is_as_before),
		cmocka_unit_test(test_driver_map__reserved_region_of_an_endpoint__is_kept_free),
		cmocka_unit_test(test_driver_stop__requests_in_flight__records_follow_the_contract),
		cmocka_unit_test(test_driver_start__device_came_back_narrower__sends_nothing_it_must_not),
		cmocka_unit_test(test_driver_attach__real_device__moves_and_replays),
	};

	return suite_run(tests);
}
