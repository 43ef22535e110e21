/* SPDX-License-Identifier: BSD-3-Clause */
/* test_driver_async.c: map, unmap, sync while answers are late, missing, or in another order than the requests. */
#include "driver_pages.h"
#include "suite.h"

#include "sim/random.h"

/* Silence */

static void test_driver_sync__device_falls_silent__times_out_and_recovers(void **state)
{
	struct one t;
	struct viommu_driver_failure failure;
	const struct viommu_driver_stats *stats;

	(void)state;
	set_up(&t, NULL);
	stats = viommu_driver_get_stats(&t.f->drv);
	assert_int_equal(map_page(&t.d, 0), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	t.f->script.stalled = true;
	t.f->waits = 0;
	assert_int_equal(map_page(&t.d, 1), VIOMMU_OK);
	assert_int_equal(map_page(&t.d, 2), VIOMMU_OK);
	assert_int_equal(unmap_pages(&t.d, 0, 0), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, &failure), VIOMMU_E_TIMEOUT);
	assert_int_equal(t.f->waits, FIXTURE_WAITS);
	assert_int_equal(failure.result, VIOMMU_E_TIMEOUT);
	assert_int_equal(failure.type, VIOMMU_T_MAP);
	assert_true(failure.uncertain);
	assert_int_equal(failure.first, PAGE);
	assert_int_equal(t.f->failure_count, 3);
	assert_int_equal(stats->timeouts, 1);
	assert_int_equal(stats->uncertain, 3);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(map_page(&t.d, i), VIOMMU_E_EXISTS);
	assert_int_equal(record_count(&t.d), 3);
	/* Nothing is left to wait for. */
	t.f->waits = 0;
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_int_equal(t.f->waits, 0);

	/* It wakes up and answers all of it. Late answers change nothing. */
	t.f->script.stalled = false;
	device_run(t.f);
	(void)viommu_driver_process(&t.f->drv, 1);
	assert_int_equal(stats->late, 3);
	assert_int_equal(record_count(&t.d), 3);
	assert_int_equal(t.f->failure_count, 3);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_int_equal(unmap_pages(&t.d, 0, 2), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_record_is_model(t.f, &t.d);
	for (uint64_t i = 0; i < 300; i++)
		assert_int_equal(map_page(&t.d, i), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_record_is_model(t.f, &t.d);
	driver_teardown(t.f);
}

/* GEN-DRV-STATUS-04: what was in flight may have been done or not, and never will be; a stop and a start end it. */
static void test_driver_sync__device_needs_reset__times_out_and_a_restart_helps(void **state)
{
	struct driver_options o;
	struct viommu_driver_failure failure;
	struct viommu_registers *regs;
	uint64_t gpa;
	struct one t;

	(void)state;
	driver_options_init(&o);
	o.real = true;
	set_up(&t, &o);
	regs = viommu_pump_registers(&t.f->real->pump);
	assert_int_equal(map_page(&t.d, 0), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	viommu_registers_needs_reset(regs);
	t.f->waits = 0;
	assert_int_equal(unmap_pages(&t.d, 0, 0), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, &failure), VIOMMU_E_TIMEOUT);
	assert_int_equal(t.f->waits, FIXTURE_WAITS);
	assert_true(failure.uncertain);
	assert_int_equal(map_page(&t.d, 0), VIOMMU_E_EXISTS);

	assert_int_equal(viommu_driver_stop(&t.f->drv), VIOMMU_OK);
	assert_int_equal(driver_start(t.f), VIOMMU_OK);
	assert_int_equal(viommu_registers_get_status(regs) & VIOMMU_STATUS_NEEDS_RESET, 0);
	assert_int_equal(map_page(&t.d, 0), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&t.d, &t.e, NULL), VIOMMU_OK);
	assert_true(real_translate(t.f, 0, 0, VIOMMU_ACCESS_READ, &gpa));
	assert_int_equal(gpa, 16 * PAGE);
	driver_teardown(t.f);
}

static void test_driver_map__silent_device_and_full_queue__times_out_and_posts_nothing(void **state)
{
	struct one t;
	struct viommu_driver_failure failure;
	struct viommu_driver_limits l;

	(void)state;
	set_up(&t, NULL);
	viommu_driver_get_limits(&t.f->drv, &l);
	t.f->script.stalled = true;
	for (uint64_t i = 0; i < l.slots; i++)
		assert_int_equal(map_page(&t.d, i), VIOMMU_OK);
	assert_int_equal(map_page(&t.d, l.slots), VIOMMU_E_TIMEOUT);
	assert_false(is_mapped(&t.d, l.slots));
	assert_int_equal(unmap_pages(&t.d, 0, l.slots), VIOMMU_E_TIMEOUT);
	assert_int_equal(viommu_driver_sync(&t.d, &failure), VIOMMU_E_TIMEOUT);
	assert_int_equal(failure.first, 0);
	assert_int_equal(t.f->failure_count, l.slots);
	assert_int_equal(viommu_driver_attach(&t.d, &t.e, NULL), VIOMMU_E_TIMEOUT);
	t.f->script.stalled = false;
	assert_int_equal(unmap_pages(&t.d, 0, l.slots), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_int_equal(record_count(&t.d), 0);
	assert_record_is_model(t.f, &t.d);
	assert_int_equal(viommu_driver_get_stats(&t.f->drv)->late, l.slots);
	driver_teardown(t.f);
}

/* Progress starts the count of attempts anew: slow is not dead. */
static struct verdict hold_all(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number)
{
	(void)f;
	(void)r;
	(void)number;
	return VERDICT_HOLD;
}

static void release_next_every_third(struct driver_fixture *f)
{
	if (f->waits % 3 != 0)
		return;
	for (uint32_t i = 0; i < f->script.held_count; i++) {
		if (!f->script.held[i].answered) {
			script_release(f, i);
			return;
		}
	}
}

static void test_driver_sync__slow_device__is_waited_for(void **state)
{
	struct one t;

	(void)state;
	set_up(&t, NULL);
	t.f->script.decide = hold_all;
	t.f->on_wait = release_next_every_third;
	for (uint64_t i = 0; i < 40; i++)
		assert_int_equal(map_page(&t.d, i), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_true(t.f->waits > 3 * 39);
	assert_true(t.f->last_attempt < 4);
	assert_record_is_model(t.f, &t.d);
	driver_teardown(t.f);
}

/* Overlaps */

static void test_driver_map__over_an_unmap_in_flight__waits_for_it(void **state)
{
	struct one t;

	(void)state;
	set_up(&t, NULL);
	assert_int_equal(map_page(&t.d, 3), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_int_equal(unmap_pages(&t.d, 3, 3), VIOMMU_OK);
	assert_int_equal(map_page(&t.d, 3), VIOMMU_OK);
	/* The UNMAP is through, the MAP is not out. */
	assert_int_equal(script_count(t.f, VIOMMU_T_UNMAP), 1);
	assert_int_equal(script_count(t.f, VIOMMU_T_MAP), 1);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_record_is_model(t.f, &t.d);
	assert_true(is_mapped(&t.d, 3));

	/* It fails: the range is not free after all. */
	assert_int_equal(unmap_pages(&t.d, 3, 3), VIOMMU_OK);
	victim = t.f->script.count;
	victims_verdict = VERDICT_STATUS(VIOMMU_S_IOERR);
	t.f->script.decide = spoil_one;
	assert_int_equal(map_page(&t.d, 3), VIOMMU_E_EXISTS);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_E_REJECTED);
	assert_record_is_model(t.f, &t.d);

	/* It is not answered: the same, and the failure is not lost. */
	assert_int_equal(unmap_pages(&t.d, 3, 3), VIOMMU_OK);
	t.f->script.stalled = true;
	assert_int_equal(map_page(&t.d, 3), VIOMMU_E_TIMEOUT);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_E_TIMEOUT);
	assert_int_equal(map_page(&t.d, 3), VIOMMU_E_EXISTS);
	driver_teardown(t.f);
}

/*
 * The UNMAP reaches over a hole, and something is mapped into the hole before its answer is in. The answer must not
 * take the new mapping out of the record: the device made it after the UNMAP.
 */
static void test_driver_map__into_a_hole_of_an_unmap_in_flight__stays_recorded(void **state)
{
	struct one t;

	(void)state;
	set_up(&t, NULL);
	assert_int_equal(map_page(&t.d, 0), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_int_equal(unmap_pages(&t.d, 0, 15), VIOMMU_OK);
	assert_int_equal(map_page(&t.d, 5), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_true(model_mapped(t.f, viommu_driver_domain_id(&t.d), 5 * PAGE));
	assert_record_is_model(t.f, &t.d);
	driver_teardown(t.f);
}

/* The same with a new mapping across the end of the UNMAP. */
static void test_driver_map__across_the_end_of_an_unmap_in_flight__record_follows_the_device(void **state)
{
	struct one t;

	(void)state;
	set_up(&t, NULL);
	assert_int_equal(map_page(&t.d, 0), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_int_equal(unmap_pages(&t.d, 0, 15), VIOMMU_OK);
	assert_int_equal(viommu_driver_map(&t.d, 15 * PAGE, 17 * PAGE - 1, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_record_is_model(t.f, &t.d);
	driver_teardown(t.f);
}

/* The same with an UNMAP that fails: the new mapping is certain. */
static void test_driver_map__into_a_hole_of_a_failing_unmap__is_not_uncertain(void **state)
{
	struct one t;

	(void)state;
	set_up(&t, NULL);
	assert_int_equal(map_page(&t.d, 0), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	victim = t.f->script.count;
	victims_verdict = VERDICT_STATUS(VIOMMU_S_DEVERR);
	t.f->script.decide = spoil_one;
	assert_int_equal(unmap_pages(&t.d, 0, 15), VIOMMU_OK);
	assert_int_equal(map_page(&t.d, 5), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_E_REJECTED);
	assert_record_is_model(t.f, &t.d);
	/* The domain loses its last endpoint: what was uncertain goes, the new one stays. */
	assert_int_equal(viommu_driver_detach(&t.e, NULL), VIOMMU_OK);
	assert_false(is_mapped(&t.d, 0));
	assert_true(is_mapped(&t.d, 5));
	driver_teardown(t.f);
}

/* A mapping that the range would split is on its way out: that is no split. */
static void test_driver_unmap__inside_an_unmap_in_flight__waits_for_it(void **state)
{
	struct one t;

	(void)state;
	set_up(&t, NULL);
	assert_int_equal(viommu_driver_map(&t.d, 0, 4 * PAGE - 1, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_int_equal(unmap_pages(&t.d, 0, 3), VIOMMU_OK);
	assert_int_equal(unmap_pages(&t.d, 1, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_record_is_model(t.f, &t.d);
	assert_int_equal(viommu_driver_map(&t.d, 0, 4 * PAGE - 1, 0, RW), VIOMMU_OK);
	assert_int_equal(unmap_pages(&t.d, 1, 1), VIOMMU_E_RANGE);
	driver_teardown(t.f);
}

static void test_driver_unmap__of_a_map_in_flight__follows_it(void **state)
{
	struct one t;

	(void)state;
	set_up(&t, NULL);
	for (int round = 0; round < 20; round++) {
		assert_int_equal(map_page(&t.d, 3), VIOMMU_OK);
		assert_int_equal(unmap_pages(&t.d, 3, 3), VIOMMU_OK);
		assert_int_equal(unmap_pages(&t.d, 0, 7), VIOMMU_OK);
	}
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_record_is_model(t.f, &t.d);
	assert_int_equal(record_count(&t.d), 0);

	/* The MAP is refused, the UNMAP behind it finds nothing. */
	victim = t.f->script.count;
	victims_verdict = VERDICT_STATUS(VIOMMU_S_NOMEM);
	t.f->script.decide = spoil_one;
	assert_int_equal(map_page(&t.d, 3), VIOMMU_OK);
	assert_int_equal(unmap_pages(&t.d, 3, 3), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_E_REJECTED);
	assert_int_equal(record_count(&t.d), 0);
	driver_teardown(t.f);
}

/* Any order */

static struct sim_random shuffle;

static void release_one_at_random(struct driver_fixture *f)
{
	uint32_t open[FIXTURE_HELD], n = 0;

	for (uint32_t i = 0; i < f->script.held_count; i++) {
		if (!f->script.held[i].answered)
			open[n++] = i;
	}
	if (n > 0)
		script_release(f, open[sim_random_below(&shuffle, n)]);
	else
		f->script.held_count = 0;
}

static struct verdict hold_and_reject_some(struct driver_fixture *f, const struct viommu_wire_request *r,
					   uint32_t number)
{
	struct verdict v = VERDICT_HOLD;

	(void)f;
	(void)number;
	if (r->type == VIOMMU_T_MAP && sim_random_below(&shuffle, 8) == 0)
		v.status = VIOMMU_S_NOMEM;
	return v;
}

static struct verdict hold_and_reject_first(struct driver_fixture *f, const struct viommu_wire_request *r,
					    uint32_t number)
{
	struct verdict v = VERDICT_HOLD;

	(void)f;
	(void)r;
	if (number == 0)
		v.status = VIOMMU_S_NOMEM;
	return v;
}

/*
 * A MAP, the UNMAP behind it, and the answer to the UNMAP first. The range is mapped anew before the answer to the
 * first MAP arrives: it says no, and that is not about the new mapping.
 */
static void test_driver_sync__old_map_refused_late__leaves_the_new_one_alone(void **state)
{
	struct one t;
	struct viommu_driver_domain other;
	struct viommu_driver_endpoint endpoint;

	(void)state;
	set_up(&t, NULL);
	t.f->script.decide = hold_and_reject_first;
	assert_int_equal(map_page(&t.d, 3), VIOMMU_OK);
	assert_int_equal(unmap_pages(&t.d, 3, 3), VIOMMU_OK);
	/* Somebody else's wait makes them visible. */
	assert_int_equal(viommu_driver_domain_init(&other, &t.f->drv, VIOMMU_DOMAIN_ANY, false), VIOMMU_OK);
	assert_int_equal(viommu_driver_endpoint_init(&endpoint, &t.f->drv, 9, NULL, 0), VIOMMU_E_TIMEOUT);
	assert_int_equal(t.f->script.held_count, 3);
	script_release(t.f, 1);
	(void)viommu_driver_process(&t.f->drv, 1);
	assert_false(is_mapped(&t.d, 3));
	assert_int_equal(map_page(&t.d, 3), VIOMMU_OK);
	t.f->script.decide = NULL;
	script_release(t.f, 0);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_E_REJECTED);
	assert_true(is_mapped(&t.d, 3));
	assert_record_is_model(t.f, &t.d);
	driver_teardown(t.f);
}

/* The device works in order and answers in any: the record is the device's all the same. */
static void test_driver_sync__answers_in_any_order__record_equals_the_device(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct one t;
		bool rejected = false;

		set_up(&t, NULL);
		shuffle.state = seed;
		t.f->script.decide = hold_and_reject_some;
		t.f->on_wait = release_one_at_random;
		for (int i = 0; i < 120; i++) {
			uint64_t page = sim_random_below(&shuffle, 16);
			uint64_t pages = 1 + sim_random_below(&shuffle, 4);
			enum viommu_result result;

			switch (sim_random_below(&shuffle, 8)) {
			case 0:
				result = viommu_driver_sync(&t.d, NULL);
				assert_true(result == VIOMMU_OK || result == VIOMMU_E_REJECTED);
				assert_record_is_model(t.f, &t.d);
				rejected = rejected || result != VIOMMU_OK;
				break;
			case 1:
			case 2:
				result = unmap_pages(&t.d, page, page + pages - 1);
				assert_true(result == VIOMMU_OK || result == VIOMMU_E_RANGE);
				break;
			default:
				result = viommu_driver_map(&t.d, page * PAGE, (page + pages) * PAGE - 1,
							   sim_random_below(&shuffle, 100) * PAGE, RW);
				assert_true(result == VIOMMU_OK || result == VIOMMU_E_EXISTS);
				break;
			}
		}
		(void)!viommu_driver_sync(&t.d, NULL);
		assert_record_is_model(t.f, &t.d);
		assert_int_equal(viommu_driver_get_stats(&t.f->drv)->uncertain, 0);
		driver_teardown(t.f);
	}
}

static struct verdict hold_unmaps(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number)
{
	(void)f;
	(void)number;
	return r->type == VIOMMU_T_UNMAP ? VERDICT_HOLD : VERDICT_HONEST;
}

static void release_last_to_first(struct driver_fixture *f)
{
	for (uint32_t i = f->script.held_count; i-- > 0;) {
		if (!f->script.held[i].answered) {
			script_release(f, i);
			return;
		}
	}
}

/* Two UNMAPs overlap, and the second is answered first: the first one still frees what is its alone. */
static void test_driver_unmap__overlapping_ones_answered_backwards__both_take_effect(void **state)
{
	struct one t;

	(void)state;
	set_up(&t, NULL);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(map_page(&t.d, i), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	t.f->script.decide = hold_unmaps;
	t.f->on_wait = release_last_to_first;
	assert_int_equal(unmap_pages(&t.d, 0, 5), VIOMMU_OK);
	assert_int_equal(unmap_pages(&t.d, 4, 7), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_int_equal(record_count(&t.d), 2);
	assert_record_is_model(t.f, &t.d);
	driver_teardown(t.f);
}

/* A device that answers one at a time is not kicked for each slot that becomes free. */
static void test_driver_map__queue_full_and_slow_device__kicks_once_a_round(void **state)
{
	struct one t;

	(void)state;
	set_up(&t, NULL);
	t.f->script.decide = hold_all;
	t.f->on_wait = release_first;
	for (uint64_t i = 0; i < 4 * 64; i++)
		assert_int_equal(map_page(&t.d, i), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_int_equal(t.f->kicks[VIOMMU_QUEUE_REQUEST], 4);
	assert_record_is_model(t.f, &t.d);
	driver_teardown(t.f);
}

static void test_driver_sync__waits_for_its_own_requests_only(void **state)
{
	struct one t;
	struct viommu_driver_domain other;
	struct viommu_driver_endpoint endpoint;

	(void)state;
	set_up(&t, NULL);
	domain_up(t.f, &other, &endpoint, 9);
	t.f->script.decide = hold_all;
	assert_int_equal(map_page(&t.d, 0), VIOMMU_OK);
	t.f->patience = 1;
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_E_TIMEOUT);
	t.f->script.decide = NULL;
	t.f->patience = FIXTURE_WAITS;
	assert_int_equal(viommu_driver_map(&other, 0, PAGE - 1, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&other, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_get_stats(&t.f->drv)->late, 0);
	driver_teardown(t.f);
}

/* Another thread, as it were: it adds requests whenever the first one waits. */
static struct viommu_driver_domain *intruded;
static uint64_t intruders_page;

static void map_another(struct driver_fixture *f)
{
	if (f->waits == 4)
		script_release_all(f);
	if (intruders_page < 10000) {
		assert_int_equal(
			viommu_driver_map(intruded, intruders_page * PAGE, intruders_page * PAGE + PAGE - 1, 0, RW),
			VIOMMU_OK);
		intruders_page++;
	}
}

static void test_driver_sync__others_keep_adding__does_not_wait_for_them(void **state)
{
	struct one t;

	(void)state;
	set_up(&t, NULL);
	intruded = &t.d;
	intruders_page = 100;
	t.f->on_wait = map_another;
	t.f->script.decide = hold_all;
	assert_int_equal(map_page(&t.d, 0), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_int_equal(intruders_page, 104);
	/* Nor does it publish what they added. */
	assert_int_equal(t.f->kicks[VIOMMU_QUEUE_REQUEST], 1);
	assert_int_equal(t.f->script.count, 1);
	t.f->on_wait = NULL;
	t.f->script.decide = NULL;
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_record_is_model(t.f, &t.d);
	driver_teardown(t.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_sync__device_falls_silent__times_out_and_recovers),
		cmocka_unit_test(test_driver_sync__device_needs_reset__times_out_and_a_restart_helps),
		cmocka_unit_test(test_driver_map__silent_device_and_full_queue__times_out_and_posts_nothing),
		cmocka_unit_test(test_driver_sync__slow_device__is_waited_for),
		cmocka_unit_test(test_driver_map__over_an_unmap_in_flight__waits_for_it),
		cmocka_unit_test(test_driver_map__into_a_hole_of_an_unmap_in_flight__stays_recorded),
		cmocka_unit_test(test_driver_map__across_the_end_of_an_unmap_in_flight__record_follows_the_device),
		cmocka_unit_test(test_driver_map__into_a_hole_of_a_failing_unmap__is_not_uncertain),
		cmocka_unit_test(test_driver_unmap__inside_an_unmap_in_flight__waits_for_it),
		cmocka_unit_test(test_driver_unmap__of_a_map_in_flight__follows_it),
		cmocka_unit_test(test_driver_sync__old_map_refused_late__leaves_the_new_one_alone),
		cmocka_unit_test(test_driver_sync__answers_in_any_order__record_equals_the_device),
		cmocka_unit_test(test_driver_unmap__overlapping_ones_answered_backwards__both_take_effect),
		cmocka_unit_test(test_driver_map__queue_full_and_slow_device__kicks_once_a_round),
		cmocka_unit_test(test_driver_sync__waits_for_its_own_requests_only),
		cmocka_unit_test(test_driver_sync__others_keep_adding__does_not_wait_for_them),
	};

	return suite_run(tests);
}
