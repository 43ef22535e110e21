/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_driver_outcome.c: an ATTACH or DETACH of which nobody knows whether it was done, or whose way back fails: what
 * is uncertain then, and what settles it.
 */
#include "driver_pages.h"
#include "suite.h"

/* IOMMU-DRV-OPS-03, VQ-DRV-USED-01 */
static void test_driver_attach__no_status__is_not_taken_for_success(void **state)
{
	(void)state;
	for (uint32_t used = 0; used < 4; used++) {
		struct driver_fixture *f = driver_up(NULL);
		struct viommu_driver_domain d;
		struct viommu_driver_endpoint e;

		domain_any(f, &d);
		endpoint_up(f, &e, 8);
		f->script.decide = spoil_attach;
		victims_verdict = VERDICT_USED(used);
		assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_E_PEER);
		assert_int_equal(viommu_driver_get_stats(&f->drv)->unanswered, 1);
		/* Whatever the device has done, a success settles it. */
		f->script.decide = NULL;
		assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
		assert_int_equal(map_page(&d, 1), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
		assert_record_is_model(f, &d);
		f->script.decide = spoil_attach;
		assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_E_PEER);
		f->script.decide = NULL;
		/* The device has let go of it, and says so. */
		(void)!viommu_driver_detach(&e, NULL);
		assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
		driver_teardown(f);
	}
}

/* 0xff is what stands there before: the length alone makes no answer. */
static void test_driver_attach__status_not_written__is_without_outcome(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;
	uint8_t status = 0x5a;

	(void)state;
	domain_any(f, &d);
	endpoint_up(f, &e, 8);
	f->script.decide = spoil_attach;
	victims_verdict = VERDICT_STATUS(0xff);
	assert_int_equal(viommu_driver_attach(&d, &e, &status), VIOMMU_E_PEER);
	assert_int_not_equal(status, 0xff);
	assert_int_equal(viommu_driver_get_stats(&f->drv)->unanswered, 1);
	/* The highest that is one is a refusal. */
	victims_verdict = VERDICT_STATUS(0xfe);
	assert_int_equal(viommu_driver_attach(&d, &e, &status), VIOMMU_E_REJECTED);
	assert_int_equal(status, 0xfe);
	f->script.decide = NULL;
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
	driver_teardown(f);
}

/* Answers the second of two requests, in one used entry for both. */
static void skip_the_first(struct driver_fixture *f)
{
	static const uint8_t ok[VIOMMU_WIRE_TAIL_SIZE] = { VIOMMU_S_OK };
	struct viommu_virtq_device *q = &f->script.queues[VIOMMU_QUEUE_REQUEST];
	struct viommu_segment segments[4];
	struct viommu_chain chain = { .segments = segments, .capacity = 4 };

	f->on_wait = NULL;
	for (int i = 0; i < 2; i++)
		assert_int_equal(viommu_virtq_device_pop(q, &chain), VIOMMU_OK);
	assert_int_equal(segments[chain.readable].len, sizeof ok);
	viommu_port_copy_out(segments[chain.readable].base, ok, sizeof ok);
	/* The other entry is one that nobody reads. */
	for (int i = 0; i < 2; i++)
		assert_int_equal(viommu_virtq_device_push(q, chain.head, sizeof ok), VIOMMU_OK);
	(void)viommu_virtq_device_publish(q);
}

/* IN_ORDER lets a device answer for a request that it has never looked at. */
static void test_driver_sync__in_order_request_skipped__its_range_is_uncertain(void **state)
{
	struct viommu_driver_failure failure;
	struct driver_options o;
	struct one t;

	(void)state;
	driver_options_init(&o);
	o.offered |= VIOMMU_F_IN_ORDER;
	set_up(&t, &o);
	for (uint64_t page = 1; page <= 64; page++)
		assert_int_equal(map_page(&t.d, page), VIOMMU_OK);
	assert_int_equal(unmap_pages(&t.d, 1, 64), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK); /* each slot has had a status of OK */
	t.f->script.stalled = true;
	t.f->on_wait = skip_the_first;
	assert_int_equal(map_page(&t.d, 1), VIOMMU_OK);
	assert_int_equal(map_page(&t.d, 2), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, &failure), VIOMMU_E_PEER);
	assert_int_equal(failure.result, VIOMMU_E_PEER);
	assert_true(failure.uncertain);
	assert_true(failure.first == PAGE && failure.last == 2 * PAGE - 1);
	assert_int_equal(viommu_driver_get_stats(&t.f->drv)->unanswered, 1);
	assert_int_equal(map_page(&t.d, 1), VIOMMU_E_EXISTS); /* not free before a confirmed UNMAP */
	t.f->script.stalled = false;
	assert_int_equal(unmap_pages(&t.d, 1, 2), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_int_equal(record_count(&t.d), 0);
	driver_teardown(t.f);
}

static void test_driver_attach__silent_device__times_out_and_can_be_repeated(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_any(f, &d);
	assert_int_equal(map_page(&d, 1), VIOMMU_OK);
	endpoint_up(f, &e, 8);
	f->script.stalled = true;
	f->waits = 0;
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_E_TIMEOUT);
	assert_int_equal(f->waits, FIXTURE_WAITS);
	assert_int_equal(viommu_driver_get_stats(&f->drv)->timeouts, 1);
	f->script.stalled = false;
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_get_stats(&f->drv)->late, 1);
	assert_record_is_model(f, &d);
	f->script.stalled = true;
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_E_TIMEOUT);
	f->script.stalled = false;
	device_run(f);
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
	driver_teardown(f);
}

/*
 * An ATTACH that was not heard of may still come to pass. The id of its domain must not go to another domain before:
 * the endpoint would reach what is mapped there.
 */
static void test_driver_attach__no_outcome__domain_id_stays_taken(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain a, b;
	struct viommu_driver_endpoint e, other;

	(void)state;
	assert_int_equal(viommu_driver_domain_init(&a, &f->drv, 5, false), VIOMMU_OK);
	endpoint_up(f, &e, 8);
	endpoint_up(f, &other, 9);
	f->script.stalled = true;
	assert_int_equal(viommu_driver_attach(&a, &e, NULL), VIOMMU_E_TIMEOUT);
	assert_int_equal(viommu_driver_domain_deinit(&a), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_domain_init(&b, &f->drv, 5, false), VIOMMU_E_EXISTS);
	f->script.stalled = false;
	/* It has been attached by now; detaching settles that, and gives the id back. */
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_OK);
	assert_false(model_has(f, 5));
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_domain_deinit(&a), VIOMMU_OK);
	assert_int_equal(viommu_driver_domain_init(&b, &f->drv, 5, false), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&b, &other, NULL), VIOMMU_OK);
	driver_teardown(f);
}

/* A move without outcome: the endpoint may be in either domain, and is taken out of both. */
static void test_driver_attach__move_without_outcome__is_settled_by_the_next_attach(void **state)
{
	(void)state;
	for (int done = 0; done < 2; done++) {
		struct driver_fixture *f = driver_up(NULL);
		struct viommu_driver_domain a, b;
		struct viommu_driver_endpoint e;

		assert_int_equal(viommu_driver_domain_init(&b, &f->drv, 6, false), VIOMMU_OK);
		domain_up(f, &a, &e, 8);
		assert_int_equal(map_page(&a, 1), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&a, NULL), VIOMMU_OK);
		f->script.decide = spoil_attach;
		victims_verdict = VERDICT_USED(0);
		victims_verdict.status = VIOMMU_S_IOERR;
		victims_verdict.apply = done != 0;
		assert_int_equal(viommu_driver_attach(&b, &e, NULL), VIOMMU_E_PEER);
		f->script.decide = NULL;
		assert_int_equal(viommu_driver_attach(&a, &e, NULL), VIOMMU_OK);
		assert_record_is_model(f, &a);
		assert_true(is_mapped(&a, 1));
		assert_false(model_has(f, 6));
		assert_int_equal(viommu_driver_domain_deinit(&b), VIOMMU_OK);
		driver_teardown(f);
	}
}

/*
 * A DETACH that was done and not heard of: the next one is told that the endpoint has left, and that is what was asked.
 */
static void test_driver_detach__done_without_outcome__the_next_one_succeeds(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_up(f, &d, &e, 8);
	f->script.decide = spoil_attach;
	victims_verdict = VERDICT_USED(0);
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_E_PEER);
	f->script.decide = NULL;
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_domain_deinit(&d), VIOMMU_OK);
	driver_teardown(f);
}

/* A reset settles everything too. */
static void test_driver_attach__no_outcome_then_stop__nothing_is_left_of_it(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_any(f, &d);
	endpoint_up(f, &e, 8);
	f->script.stalled = true;
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_E_TIMEOUT);
	f->script.stalled = false;
	assert_int_equal(viommu_driver_stop(&f->drv), VIOMMU_OK);
	assert_int_equal(driver_start(f), VIOMMU_OK);
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_domain_deinit(&d), VIOMMU_OK);
	driver_teardown(f);
}

/*
 * The last endpoint has left, another one may be there: the device may still have the domain, so the range stays
 * UNCERTAIN. After a stop it certainly has not.
 */
static void test_driver_stop__uncertain_range_and_perhaps_an_endpoint__neither_is_left(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e, other;

	(void)state;
	domain_up(f, &d, &e, 8);
	endpoint_up(f, &other, 9);
	assert_int_equal(map_page(&d, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	f->script.stalled = true;
	assert_int_equal(unmap_pages(&d, 1, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_E_TIMEOUT);
	assert_int_equal(viommu_driver_attach(&d, &other, NULL), VIOMMU_E_TIMEOUT);
	f->script.stalled = false;
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_OK);
	assert_true(is_mapped(&d, 1));
	assert_int_equal(viommu_driver_stop(&f->drv), VIOMMU_OK);
	assert_false(is_mapped(&d, 1));
	assert_int_equal(driver_start(f), VIOMMU_OK);
	f->script.count = 0;
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
	assert_int_equal(script_count(f, VIOMMU_T_MAP), 0);
	assert_record_is_model(f, &d);
	driver_teardown(f);
}

static void test_driver_detach__uncertain_ranges__go_with_the_last_endpoint(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_up(f, &d, &e, 8);
	assert_int_equal(map_page(&d, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	f->script.stalled = true;
	assert_int_equal(map_page(&d, 2), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_E_TIMEOUT);
	f->script.stalled = false;
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_OK);
	assert_true(is_mapped(&d, 1));
	assert_false(is_mapped(&d, 2));
	assert_int_equal(map_page(&d, 2), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
	assert_record_is_model(f, &d);
	assert_int_equal(record_count(&d), 2);
	driver_teardown(f);
}

/* A mapping that ends with the address space ends the search for them, whether it goes or stays. */
static void test_driver_detach__mapping_at_the_end_of_the_space__goes_if_uncertain(void **state)
{
	(void)state;
	for (int uncertain = 0; uncertain < 2; uncertain++) {
		struct one t;

		set_up(&t, NULL);
		assert_int_equal(map_page(&t.d, 1), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
		t.f->script.stalled = uncertain != 0;
		assert_int_equal(viommu_driver_map(&t.d, UINT64_MAX - PAGE + 1, UINT64_MAX, 0, RW), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&t.d, NULL), uncertain ? VIOMMU_E_TIMEOUT : VIOMMU_OK);
		t.f->script.stalled = false;
		assert_int_equal(viommu_driver_detach(&t.e, NULL), VIOMMU_OK);
		assert_true(is_mapped(&t.d, 1));
		assert_int_equal(record_count(&t.d), uncertain ? 1 : 2);
		driver_teardown(t.f);
	}
}

/* What lies behind the range of an UNMAP is none of its business, and what was not mapped is not uncertain. */
static void test_driver_unmap__no_outcome__only_its_own_range_is_uncertain(void **state)
{
	(void)state;
	for (int hole = 0; hole < 2; hole++) {
		struct viommu_driver_failure failure;
		struct one t;

		set_up(&t, NULL);
		if (!hole)
			assert_int_equal(map_page(&t.d, 1), VIOMMU_OK);
		assert_int_equal(map_page(&t.d, 10), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
		victim = t.f->script.count;
		victims_verdict = VERDICT_USED(0);
		t.f->script.decide = spoil_one;
		assert_int_equal(unmap_pages(&t.d, 1, 5), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&t.d, &failure), VIOMMU_E_PEER);
		assert_int_equal(failure.uncertain, !hole);
		assert_int_equal(viommu_driver_get_stats(&t.f->drv)->uncertain, !hole);
		assert_int_equal(is_mapped(&t.d, 1), !hole);
		/* With the endpoint goes what is uncertain, and nothing else. */
		assert_int_equal(viommu_driver_detach(&t.e, NULL), VIOMMU_OK);
		assert_false(is_mapped(&t.d, 1));
		assert_true(is_mapped(&t.d, 10));
		assert_int_equal(record_count(&t.d), 1);
		driver_teardown(t.f);
	}
}

/*
 * The device did a DETACH and nobody heard of it: its domain is gone. Attached again, the endpoint gets all mappings
 * again. The same if the device never did it.
 */
static void test_driver_attach__after_a_detach_without_outcome__record_equals_the_device(void **state)
{
	(void)state;
	for (int done = 0; done < 2; done++) {
		struct driver_fixture *f = driver_up(NULL);
		struct viommu_driver_domain d;
		struct viommu_driver_endpoint e;

		domain_up(f, &d, &e, 8);
		assert_int_equal(map_page(&d, 1), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
		f->script.decide = spoil_attach;
		victims_verdict = VERDICT_USED(0);
		victims_verdict.status = VIOMMU_S_IOERR;
		victims_verdict.apply = done != 0;
		assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_E_PEER);
		assert_int_equal(model_has(f, viommu_driver_domain_id(&d)), !done);
		f->script.decide = NULL;
		assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
		assert_true(is_mapped(&d, 1));
		assert_record_is_model(f, &d);
		driver_teardown(f);
	}
}

/* The same, and then another endpoint: whether the domain still exists is known only when the first one is settled. */
static void test_driver_attach__other_endpoint_after_a_detach_without_outcome__waits_for_it(void **state)
{
	(void)state;
	for (int done = 0; done < 2; done++) {
		struct driver_fixture *f = driver_up(NULL);
		struct viommu_driver_domain d;
		struct viommu_driver_endpoint e, other;

		domain_up(f, &d, &e, 8);
		endpoint_up(f, &other, 9);
		assert_int_equal(map_page(&d, 1), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
		f->script.decide = spoil_attach;
		victims_verdict = VERDICT_USED(0);
		victims_verdict.status = VIOMMU_S_IOERR;
		victims_verdict.apply = done != 0;
		assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_E_PEER);
		f->script.decide = NULL;
		assert_int_equal(viommu_driver_attach(&d, &other, NULL), VIOMMU_E_BUSY);
		assert_int_equal(map_page(&d, 2), VIOMMU_E_STATE);
		assert_int_equal(unmap_pages(&d, 1, 1), VIOMMU_E_STATE);
		assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_OK);
		assert_int_equal(viommu_driver_attach(&d, &other, NULL), VIOMMU_OK);
		assert_true(is_mapped(&d, 1));
		assert_record_is_model(f, &d);
		driver_teardown(f);
	}
}

/* It does not leave the domain in between. */
static void test_driver_attach__to_the_same_domain__uncertain_ranges_stay_so(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_up(f, &d, &e, 8);
	f->script.stalled = true;
	assert_int_equal(map_page(&d, 2), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_E_TIMEOUT);
	f->script.stalled = false;
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
	assert_int_equal(map_page(&d, 2), VIOMMU_E_EXISTS);
	assert_record_is_model(f, &d);
	driver_teardown(f);
}

static struct verdict hold_and_refuse_maps(struct driver_fixture *f, const struct viommu_wire_request *r,
					   uint32_t number)
{
	struct verdict v = VERDICT_STATUS(VIOMMU_S_NOMEM);

	(void)f;
	(void)number;
	v.hold = true;
	return r->type == VIOMMU_T_MAP ? v : VERDICT_HONEST;
}

/*
 * What is not answered when an endpoint leaves is waited for, and then given up: its answer would come into another
 * life of the domain.
 */
static void test_driver_detach__map_not_answered__is_given_up_first(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_up(f, &d, &e, 8);
	f->script.decide = hold_and_refuse_maps;
	assert_int_equal(map_page(&d, 2), VIOMMU_OK);
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_E_TIMEOUT);
	/* The device has lost the domain, so there is nothing uncertain about the range. */
	assert_false(is_mapped(&d, 2));
	assert_int_equal(map_page(&d, 2), VIOMMU_OK);
	script_release_all(f); /* "no memory", for the first one */
	f->script.decide = NULL;
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
	assert_true(is_mapped(&d, 2));
	assert_record_is_model(f, &d);
	assert_int_equal(viommu_driver_get_stats(&f->drv)->late, 1);
	driver_teardown(f);
}

static struct viommu_driver_domain *theirs;

static void map_from_another_thread(struct driver_fixture *f)
{
	f->on_wait = NULL;
	assert_int_equal(map_page(theirs, 2), VIOMMU_OK);
}

static struct verdict hold_maps(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number)
{
	(void)f;
	(void)number;
	return r->type == VIOMMU_T_MAP ? VERDICT_HOLD : VERDICT_HONEST;
}

/*
 * Another thread maps while the DETACH of the last endpoint is under way: the domain is left with a request in flight.
 * It cannot go before that has an end, and what it becomes in its next life is not mixed up with it.
 */
static void test_driver_attach__map_of_the_last_life_not_answered__nothing_is_replayed(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_up(f, &d, &e, 8);
	assert_int_equal(map_page(&d, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	f->script.decide = hold_maps;
	theirs = &d;
	f->on_wait = map_from_another_thread;
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_domain_deinit(&d), VIOMMU_E_STATE);
	f->script.count = 0;
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_E_TIMEOUT);
	assert_null(viommu_driver_endpoint_domain(&e));
	assert_int_equal(script_count(f, VIOMMU_T_MAP), 1); /* theirs; page 1 was not sent */
	assert_false(model_has(f, viommu_driver_domain_id(&d)));
	/* The device has lost the domain again, so that its range is not uncertain. */
	assert_false(is_mapped(&d, 2));
	f->script.decide = NULL;
	script_release_all(f);
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
	assert_int_equal(record_count(&d), 1);
	assert_record_is_model(f, &d);
	driver_teardown(f);
}

static void stop_from_the_hook(struct driver_fixture *f)
{
	f->on_wait = NULL;
	assert_int_equal(viommu_driver_stop(&f->drv), VIOMMU_OK);
}

/* Nothing was sent, so nothing is uncertain: the domain is not claimed for an endpoint that may come. */
static void test_driver_attach__stopped_before_it_is_sent__claims_nothing(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain from, to;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_up(f, &from, &e, 8);
	domain_any(f, &to);
	f->script.decide = hold_maps;
	assert_int_equal(map_page(&from, 1), VIOMMU_OK);
	f->on_wait = stop_from_the_hook; /* while the move waits for that MAP */
	assert_int_equal(viommu_driver_attach(&to, &e, NULL), VIOMMU_E_STATE);
	assert_int_equal(script_count(f, VIOMMU_T_ATTACH), 1);
	assert_int_equal(viommu_driver_domain_deinit(&to), VIOMMU_OK);
	f->script.decide = NULL;
	assert_int_equal(driver_start(f), VIOMMU_OK);
	domain_any(f, &to);
	assert_int_equal(viommu_driver_attach(&to, &e, NULL), VIOMMU_OK);
	assert_ptr_equal(viommu_driver_endpoint_domain(&e), &to);
	driver_teardown(f);
}

static void (*unlock)(void *ctx);
static unsigned unlocks;

/* Another thread gets the lock next, and restarts the driver. */
static void unlock_to_another_thread(void *ctx)
{
	struct driver_fixture *f = ctx;

	unlock(ctx);
	if (--unlocks == 0)
		f->drv.state = VIOMMU_DRIVER_STOPPED;
}

/* The answer is about the driver as it was under the lock, not about what became of it right after. */
static void test_driver_attach__broken_and_stopped_meanwhile__is_broken(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_any(f, &d);
	endpoint_up(f, &e, 8);
	script_lie(f, VIOMMU_QUEUE_REQUEST, 0, 4, 1); /* nothing is in flight: the queue is broken */
	(void)viommu_driver_process(&f->drv, 1);
	unlock = f->ops.unlock;
	f->ops.unlock = unlock_to_another_thread;
	unlocks = 1;
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_E_BROKEN);
	assert_int_equal(unlocks, 0); /* it did happen */
	f->ops.unlock = unlock;
	driver_teardown(f);
}

/* The device executes it, and does not say so. */
static struct verdict swallow_attach_of_8(struct driver_fixture *f, const struct viommu_wire_request *r,
					  uint32_t number)
{
	(void)f;
	(void)number;
	return r->type == VIOMMU_T_ATTACH && r->u.attach.endpoint == 8 ? VERDICT_USED(0) : VERDICT_HONEST;
}

/*
 * An endpoint may be in the domain without our knowing, and the last one that we know of leaves: the mappings may live
 * on. Nothing may be called unmapped on the strength of the record alone.
 */
static void test_driver_unmap__endpoint_perhaps_still_there__is_not_taken_for_done(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint lost, other;

	(void)state;
	domain_any(f, &d);
	endpoint_up(f, &lost, 8);
	endpoint_up(f, &other, 9);
	f->script.decide = swallow_attach_of_8;
	assert_int_equal(viommu_driver_attach(&d, &lost, NULL), VIOMMU_E_PEER);
	f->script.decide = NULL;
	assert_int_equal(viommu_driver_attach(&d, &other, NULL), VIOMMU_E_BUSY);
	assert_int_equal(map_page(&d, 1), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_unmap(&d, 0, UINT64_C(0xffff)), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_detach(&lost, NULL), VIOMMU_OK);
	assert_false(model_has(f, viommu_driver_domain_id(&d)));
	assert_int_equal(map_page(&d, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&d, &other, NULL), VIOMMU_OK);
	assert_record_is_model(f, &d);

	/* The same while another endpoint is there, which then leaves. */
	f->script.decide = swallow_attach_of_8;
	assert_int_equal(viommu_driver_attach(&d, &lost, NULL), VIOMMU_E_PEER);
	f->script.decide = NULL;
	assert_int_equal(map_page(&d, 2), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_detach(&other, NULL), VIOMMU_OK);
	assert_true(model_has(f, viommu_driver_domain_id(&d)));
	assert_int_equal(viommu_driver_unmap(&d, PAGE, 3 * PAGE - 1), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_domain_deinit(&d), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_attach(&d, &lost, NULL), VIOMMU_OK);
	assert_record_is_model(f, &d);
	driver_teardown(f);
}

/* No memory for MAPs, and no way out. */
static struct verdict trap(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number)
{
	(void)f;
	(void)number;
	if (r->type == VIOMMU_T_MAP)
		return VERDICT_STATUS(VIOMMU_S_NOMEM);
	return r->type == VIOMMU_T_DETACH ? VERDICT_STATUS(VIOMMU_S_DEVERR) : VERDICT_HONEST;
}

/*
 * A replay fails and so does the way back: the device has only part of the record, and must not pass for having it all.
 */
static void test_driver_attach__replay_and_detach_fail__replays_the_next_time(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e, other;

	(void)state;
	domain_any(f, &d);
	endpoint_up(f, &e, 8);
	endpoint_up(f, &other, 9);
	for (uint64_t page = 1; page < 4; page++)
		assert_int_equal(map_page(&d, page), VIOMMU_OK);
	f->script.decide = trap;
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_E_REJECTED);
	assert_ptr_equal(viommu_driver_endpoint_domain(&e), &d);
	f->script.decide = NULL;
	assert_int_equal(viommu_driver_attach(&d, &other, NULL), VIOMMU_E_BUSY);
	assert_int_equal(map_page(&d, 5), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
	assert_int_equal(record_count(&d), 3);
	assert_record_is_model(f, &d);
	driver_teardown(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_attach__no_status__is_not_taken_for_success),
		cmocka_unit_test(test_driver_attach__status_not_written__is_without_outcome),
		cmocka_unit_test(test_driver_sync__in_order_request_skipped__its_range_is_uncertain),
		cmocka_unit_test(test_driver_attach__silent_device__times_out_and_can_be_repeated),
		cmocka_unit_test(test_driver_attach__no_outcome__domain_id_stays_taken),
		cmocka_unit_test(test_driver_attach__move_without_outcome__is_settled_by_the_next_attach),
		cmocka_unit_test(test_driver_detach__done_without_outcome__the_next_one_succeeds),
		cmocka_unit_test(test_driver_attach__no_outcome_then_stop__nothing_is_left_of_it),
		cmocka_unit_test(test_driver_stop__uncertain_range_and_perhaps_an_endpoint__neither_is_left),
		cmocka_unit_test(test_driver_detach__uncertain_ranges__go_with_the_last_endpoint),
		cmocka_unit_test(test_driver_detach__mapping_at_the_end_of_the_space__goes_if_uncertain),
		cmocka_unit_test(test_driver_unmap__no_outcome__only_its_own_range_is_uncertain),
		cmocka_unit_test(test_driver_attach__after_a_detach_without_outcome__record_equals_the_device),
		cmocka_unit_test(test_driver_attach__other_endpoint_after_a_detach_without_outcome__waits_for_it),
		cmocka_unit_test(test_driver_attach__to_the_same_domain__uncertain_ranges_stay_so),
		cmocka_unit_test(test_driver_detach__map_not_answered__is_given_up_first),
		cmocka_unit_test(test_driver_attach__map_of_the_last_life_not_answered__nothing_is_replayed),
		cmocka_unit_test(test_driver_attach__stopped_before_it_is_sent__claims_nothing),
		cmocka_unit_test(test_driver_attach__broken_and_stopped_meanwhile__is_broken),
		cmocka_unit_test(test_driver_unmap__endpoint_perhaps_still_there__is_not_taken_for_done),
		cmocka_unit_test(test_driver_attach__replay_and_detach_fail__replays_the_next_time),
	};

	return suite_run(tests);
}
