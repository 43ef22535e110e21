/* SPDX-License-Identifier: BSD-3-Clause */
/* test_driver_recover.c: a device that needs a reset, dies, goes and comes back, and one that is handed over. */
#include "driver_fixture.h"
#include "driver_pages.h"
#include "suite.h"

#include "sim/env/env.h"

#define PAGES 100u

/* Two domains with mappings, one of them with two endpoints, and an identity domain. */
struct house {
	struct driver_fixture *f;
	struct viommu_driver_domain a;
	struct viommu_driver_domain b;
	struct viommu_driver_domain bypass;
	struct viommu_driver_endpoint ea[2];
	struct viommu_driver_endpoint eb;
	struct viommu_driver_endpoint ebypass;
};

static void move_in(struct house *h, const struct driver_options *options)
{
	h->f = driver_up(options);
	domain_up(h->f, &h->a, &h->ea[0], 8);
	endpoint_up(h->f, &h->ea[1], 9);
	assert_int_equal(viommu_driver_attach(&h->a, &h->ea[1], NULL), VIOMMU_OK);
	domain_up(h->f, &h->b, &h->eb, 10);
	assert_int_equal(viommu_driver_domain_init(&h->bypass, &h->f->drv, VIOMMU_DOMAIN_ANY, true), VIOMMU_OK);
	endpoint_up(h->f, &h->ebypass, 11);
	assert_int_equal(viommu_driver_attach(&h->bypass, &h->ebypass, NULL), VIOMMU_OK);
	for (uint64_t i = 0; i < PAGES; i++)
		assert_int_equal(map_page(&h->a, 2 * i), VIOMMU_OK);
	assert_int_equal(map_page(&h->b, 7), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&h->a, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&h->b, NULL), VIOMMU_OK);
	h->f->script.count = 0;
	h->f->step_count = 0;
}

/* By the driver's account and by that of the device. */
static void assert_all_is_back(struct house *h)
{
	assert_ptr_equal(viommu_driver_endpoint_domain(&h->ea[0]), &h->a);
	assert_ptr_equal(viommu_driver_endpoint_domain(&h->ea[1]), &h->a);
	assert_ptr_equal(viommu_driver_endpoint_domain(&h->eb), &h->b);
	assert_ptr_equal(viommu_driver_endpoint_domain(&h->ebypass), &h->bypass);
	assert_int_equal(record_count(&h->a), PAGES);
	assert_int_equal(record_count(&h->b), 1);
	assert_record_is_model(h->f, &h->a);
	assert_record_is_model(h->f, &h->b);
	assert_int_equal(h->f->script.endpoint_count, 4);
	for (uint32_t i = 0; i < 4; i++) {
		const struct model_endpoint *e = &h->f->script.endpoints[i];

		assert_true(e->attached);
		assert_int_equal(e->bypass, e->id == 11);
		assert_int_equal(e->domain, e->id == 10 ? h->b.id : e->id == 11 ? h->bypass.id : h->a.id);
	}
}

/* Recover */

static void test_driver_recover__device_works__all_is_put_back(void **state)
{
	struct house h;
	uint32_t kicks;

	(void)state;
	move_in(&h, NULL);
	kicks = h.f->kicks[VIOMMU_QUEUE_REQUEST];
	assert_int_equal(viommu_driver_recover(&h.f->drv), VIOMMU_OK);
	assert_all_is_back(&h);
	/* GEN-DRV-RESET-01: one reset, and the whole of the bring-up again. */
	assert_int_equal(h.f->steps[0].access, SET_STATUS);
	assert_int_equal(h.f->steps[0].a, 0);
	assert_int_equal(steps_of(h.f, QUEUE_ENABLE), 2);
	/* Nothing is asked again but what the device has lost. */
	assert_int_equal(script_count(h.f, VIOMMU_T_PROBE), 0);
	assert_int_equal(script_count(h.f, VIOMMU_T_ATTACH), 4);
	assert_int_equal(script_count(h.f, VIOMMU_T_MAP), PAGES + 1);
	assert_int_equal(script_count(h.f, VIOMMU_T_DETACH), 0);
	/* And what it may have kept is wiped: of the domains that have mappings, once each. */
	assert_int_equal(script_count(h.f, VIOMMU_T_UNMAP), 2);
	/* In ceil(n / slots) rounds: 64 slots. */
	assert_int_equal(h.f->kicks[VIOMMU_QUEUE_REQUEST] - kicks, 4 + 2 + 2 + 1);
	/* Endpoints in the order in which they came. */
	assert_int_equal(h.f->script.log[0].request.u.attach.endpoint, 8);
	driver_teardown(h.f);
}

static void test_driver_recover__real_device__endpoints_reach_what_they_reached(void **state)
{
	struct driver_options o;
	struct driver_fixture *f;
	struct viommu_driver_domain a, b;
	struct viommu_driver_endpoint e[3];
	uint64_t gpa;

	(void)state;
	driver_options_init(&o);
	o.real = true;
	f = driver_up(&o);
	domain_up(f, &a, &e[0], REAL_FIRST_ENDPOINT);
	domain_up(f, &b, &e[1], REAL_FIRST_ENDPOINT + 1);
	endpoint_up(f, &e[2], REAL_FIRST_ENDPOINT + 2);
	assert_int_equal(viommu_driver_attach(&a, &e[2], NULL), VIOMMU_OK);
	for (uint64_t i = 0; i < 200; i++)
		assert_int_equal(map_page(&a, i), VIOMMU_OK);
	assert_int_equal(map_page(&b, 1000), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&a, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&b, NULL), VIOMMU_OK);
	viommu_registers_needs_reset(viommu_pump_registers(&f->real->pump));
	assert_int_equal(viommu_driver_look(&f->drv), VIOMMU_E_BROKEN);
	assert_int_equal(viommu_driver_recover(&f->drv), VIOMMU_OK);
	assert_int_equal(viommu_driver_look(&f->drv), VIOMMU_OK);
	for (uint64_t i = 0; i < 200; i++) {
		assert_true(real_translate(f, 0, i * PAGE + 1, VIOMMU_ACCESS_WRITE, &gpa));
		assert_int_equal(gpa, (i + 16) * PAGE + 1);
		assert_true(real_translate(f, 2, i * PAGE, VIOMMU_ACCESS_READ, &gpa));
		assert_false(real_translate(f, 1, i * PAGE, VIOMMU_ACCESS_READ, &gpa));
	}
	assert_true(real_translate(f, 1, 1000 * PAGE, VIOMMU_ACCESS_READ, &gpa));
	driver_teardown(f);
}

/* The record is what counts: an UNMAP in flight is done, a MAP in flight is replayed, and nothing is UNCERTAIN. */
static void test_driver_recover__requests_in_flight__are_settled(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_up(f, &d, &e, 8);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(map_page(&d, i), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	f->script.stalled = true;
	/* 1: its UNMAP is uncertain. 3: its MAP is. */
	assert_int_equal(unmap_pages(&d, 1, 1), VIOMMU_OK);
	assert_int_equal(map_page(&d, 3), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_E_TIMEOUT);
	/* 2: unmapped, 4: mapped, both in flight. */
	assert_int_equal(unmap_pages(&d, 2, 2), VIOMMU_OK);
	assert_int_equal(map_page(&d, 4), VIOMMU_OK);
	f->script.stalled = false;
	f->script.count = 0;
	/* GEN-DRV-STATUS-04 */
	assert_int_equal(viommu_driver_recover(&f->drv), VIOMMU_OK);
	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(is_mapped(&d, i), i == 0 || i == 4);
	assert_int_equal(script_count(f, VIOMMU_T_MAP), 2);
	assert_record_is_model(f, &d);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	for (uint64_t i = 1; i < 4; i++)
		assert_int_equal(map_page(&d, i), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	assert_record_is_model(f, &d);
	driver_teardown(f);
}

/* As QEMU since version 10: endpoints and mappings stay, and a MAP over one that is there is refused. */
static struct verdict keep_over_reset(struct driver_fixture *f, const struct viommu_wire_request *request,
				      uint32_t number)
{
	static bool is_kept;

	(void)f;
	if (number == 0)
		is_kept = true;
	if (request->type == VIOMMU_T_UNMAP && request->u.unmap.virt_start == 0 &&
	    request->u.unmap.virt_end == UINT64_MAX)
		is_kept = false;
	return is_kept && request->type == VIOMMU_T_MAP ? VERDICT_STATUS(VIOMMU_S_INVAL) : VERDICT_HONEST;
}

static void test_driver_recover__device_has_kept_mappings__they_are_wiped_first(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_up(f, &d, &e, 8);
	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(map_page(&d, i), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	f->script.count = 0;
	f->script.decide = keep_over_reset;
	assert_int_equal(viommu_driver_recover(&f->drv), VIOMMU_OK);
	assert_int_equal(record_count(&d), 5);
	assert_record_is_model(f, &d);
	driver_teardown(f);
}

static struct verdict refuse_unmap(struct driver_fixture *f, const struct viommu_wire_request *request, uint32_t number)
{
	(void)f;
	(void)number;
	return request->type == VIOMMU_T_UNMAP ? VERDICT_STATUS(VIOMMU_S_RANGE) : VERDICT_HONEST;
}

static void test_driver_recover__device_will_not_wipe__the_replay_judges(void **state)
{
	struct house h;

	(void)state;
	move_in(&h, NULL);
	h.f->script.decide = refuse_unmap;
	assert_int_equal(viommu_driver_recover(&h.f->drv), VIOMMU_OK);
	assert_all_is_back(&h);
	driver_teardown(h.f);
}

static struct verdict refuse_page_5(struct driver_fixture *f, const struct viommu_wire_request *request,
				    uint32_t number)
{
	(void)f;
	(void)number;
	if (request->type == VIOMMU_T_MAP && request->u.map.virt_start == 5 * PAGE)
		return VERDICT_STATUS(VIOMMU_S_INVAL);
	return VERDICT_HONEST;
}

static void test_driver_recover__failure_not_reported_yet__is_reported_by_the_next_sync(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_failure failure;
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_up(f, &d, &e, 8);
	f->script.decide = refuse_page_5;
	assert_int_equal(map_page(&d, 5), VIOMMU_OK);
	/* Answered, and noticed by somebody else than its own sync. */
	device_run(f);
	(void)viommu_driver_process(&f->drv, 0);
	f->kicked = true;
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_recover(&f->drv), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, &failure), VIOMMU_E_REJECTED);
	assert_int_equal(failure.first, 5 * PAGE);
	assert_false(is_mapped(&d, 5));
	driver_teardown(f);
}

/* Nor does anybody ask a device that may be reset by now. */
static void test_driver_recover__reset_takes_long__has_failed_and_lost_nothing(void **state)
{
	struct house h;

	(void)state;
	move_in(&h, NULL);
	h.f->script.reset_reads = UINT32_MAX;
	assert_int_equal(viommu_driver_recover(&h.f->drv), VIOMMU_E_TIMEOUT);
	assert_ptr_equal(viommu_driver_endpoint_domain(&h.ea[0]), &h.a);
	assert_int_equal(steps_of(h.f, SET_FEATURES), 0);
	assert_int_equal(map_page(&h.a, 1), VIOMMU_E_BROKEN);
	assert_int_equal(viommu_driver_stop(&h.f->drv), VIOMMU_E_TIMEOUT);
	assert_int_equal(h.f->script.count, 0);
	h.f->script.reset_reads = 3;
	h.f->script.resetting = 0;
	assert_int_equal(viommu_driver_recover(&h.f->drv), VIOMMU_OK);
	assert_all_is_back(&h);
	driver_teardown(h.f);
}

/* Until a recover succeeds the endpoints wait for it; who does not want one of them back takes it out. */
static void test_driver_recover__features_refused__endpoints_wait_for_another_one(void **state)
{
	struct house h;

	(void)state;
	move_in(&h, NULL);
	h.f->script.refuses_features = true;
	assert_int_equal(viommu_driver_recover(&h.f->drv), VIOMMU_E_UNSUPP);
	assert_int_equal(h.f->script.status & VIOMMU_STATUS_FAILED, VIOMMU_STATUS_FAILED);
	assert_int_equal(viommu_driver_look(&h.f->drv), VIOMMU_E_STATE);
	assert_null(viommu_driver_endpoint_domain(&h.ea[0]));
	assert_null(viommu_driver_endpoint_domain(&h.ebypass));
	assert_int_equal(map_page(&h.a, 1), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_domain_deinit(&h.b), VIOMMU_E_STATE);
	assert_true(viommu_driver_endpoint_check(&h.ea[1]));
	assert_int_equal(viommu_driver_recover(&h.f->drv), VIOMMU_E_UNSUPP);
	/* Taken out: nothing is sent, and it is in no domain. Out of the middle of a list, too. */
	assert_int_equal(viommu_driver_detach(&h.eb, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_detach(&h.eb, NULL), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_domain_deinit(&h.b), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&h.a, &h.ea[1], NULL), VIOMMU_E_STATE);
	assert_int_equal(h.f->script.count, 0);
	h.f->script.refuses_features = false;
	assert_int_equal(viommu_driver_recover(&h.f->drv), VIOMMU_OK);
	assert_ptr_equal(viommu_driver_endpoint_domain(&h.ea[0]), &h.a);
	assert_null(viommu_driver_endpoint_domain(&h.ea[1]));
	assert_null(viommu_driver_endpoint_domain(&h.eb));
	assert_ptr_equal(viommu_driver_endpoint_domain(&h.ebypass), &h.bypass);
	assert_int_equal(script_count(h.f, VIOMMU_T_ATTACH), 2);
	assert_record_is_model(h.f, &h.a);
	driver_teardown(h.f);
}

static void test_driver_recover__stopped_in_between__endpoints_wait_no_longer(void **state)
{
	struct house h;

	(void)state;
	move_in(&h, NULL);
	h.f->script.refuses_features = true;
	assert_int_equal(viommu_driver_recover(&h.f->drv), VIOMMU_E_UNSUPP);
	assert_int_equal(viommu_driver_stop(&h.f->drv), VIOMMU_OK);
	h.f->script.refuses_features = false;
	assert_int_equal(viommu_driver_recover(&h.f->drv), VIOMMU_OK);
	assert_int_equal(h.f->script.count, 0);
	assert_null(viommu_driver_endpoint_domain(&h.ea[0]));
	assert_int_equal(viommu_driver_domain_deinit(&h.bypass), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&h.a, &h.ea[1], NULL), VIOMMU_OK);
	assert_record_is_model(h.f, &h.a);
	driver_teardown(h.f);
}

static struct verdict refuse_endpoint_8(struct driver_fixture *f, const struct viommu_wire_request *request,
					uint32_t number)
{
	(void)f;
	(void)number;
	if (request->type == VIOMMU_T_ATTACH && request->u.attach.endpoint == 8)
		return VERDICT_STATUS(VIOMMU_S_NOENT);
	return VERDICT_HONEST;
}

static void test_driver_recover__one_endpoint_is_gone__the_others_are_back(void **state)
{
	struct house h;

	(void)state;
	move_in(&h, NULL);
	h.f->script.decide = refuse_endpoint_8;
	assert_int_equal(viommu_driver_recover(&h.f->drv), VIOMMU_E_REJECTED);
	assert_null(viommu_driver_endpoint_domain(&h.ea[0]));
	assert_ptr_equal(viommu_driver_endpoint_domain(&h.ea[1]), &h.a);
	assert_ptr_equal(viommu_driver_endpoint_domain(&h.eb), &h.b);
	assert_ptr_equal(viommu_driver_endpoint_domain(&h.ebypass), &h.bypass);
	assert_record_is_model(h.f, &h.a);
	assert_record_is_model(h.f, &h.b);
	/* It waits for nothing: the driver runs, and the next recover does not ask for it. */
	h.f->script.decide = NULL;
	h.f->script.count = 0;
	assert_int_equal(viommu_driver_recover(&h.f->drv), VIOMMU_OK);
	assert_int_equal(script_count(h.f, VIOMMU_T_ATTACH), 3);
	assert_int_equal(viommu_driver_attach(&h.a, &h.ea[0], NULL), VIOMMU_OK);
	assert_all_is_back(&h);
	driver_teardown(h.f);
}

static struct verdict refuse_page_14(struct driver_fixture *f, const struct viommu_wire_request *request,
				     uint32_t number)
{
	(void)f;
	(void)number;
	if (request->type == VIOMMU_T_MAP && request->u.map.virt_start == 14 * PAGE)
		return VERDICT_STATUS(VIOMMU_S_NOMEM);
	return VERDICT_HONEST;
}

static void test_driver_recover__replay_refused__its_endpoints_are_in_no_domain(void **state)
{
	struct house h;

	(void)state;
	move_in(&h, NULL);
	h.f->script.decide = refuse_page_14;
	assert_int_equal(viommu_driver_recover(&h.f->drv), VIOMMU_E_REJECTED);
	assert_null(viommu_driver_endpoint_domain(&h.ea[0]));
	assert_null(viommu_driver_endpoint_domain(&h.ea[1]));
	assert_false(model_has(h.f, h.a.id));
	assert_ptr_equal(viommu_driver_endpoint_domain(&h.eb), &h.b);
	h.f->script.decide = NULL;
	assert_int_equal(viommu_driver_attach(&h.a, &h.ea[0], NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&h.a, &h.ea[1], NULL), VIOMMU_OK);
	assert_all_is_back(&h);
	driver_teardown(h.f);
}

/* The device that comes back can do less: that is one domain's trouble, not that of all. */
static void test_driver_recover__device_is_another_one__what_does_not_fit_stays_out(void **state)
{
	struct house h;

	(void)state;
	move_in(&h, NULL);
	h.f->script.config.input_range.last = 8 * PAGE - 1;
	assert_int_equal(viommu_driver_recover(&h.f->drv), VIOMMU_E_RANGE);
	assert_null(viommu_driver_endpoint_domain(&h.ea[0]));
	assert_ptr_equal(viommu_driver_endpoint_domain(&h.eb), &h.b);
	h.f->script.offered &= ~VIOMMU_F_BYPASS_CONFIG;
	assert_int_equal(viommu_driver_recover(&h.f->drv), VIOMMU_E_UNSUPP);
	assert_null(viommu_driver_endpoint_domain(&h.ebypass));
	assert_ptr_equal(viommu_driver_endpoint_domain(&h.eb), &h.b);
	assert_int_equal(viommu_driver_look(&h.f->drv), VIOMMU_OK);
	assert_record_is_model(h.f, &h.b);
	driver_teardown(h.f);
}

/* An endpoint of which it is not known where it is was being moved by its owner, who was told: it is in no domain. */
static void test_driver_recover__endpoint_in_doubt__is_in_no_domain(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain a, b;
	struct viommu_driver_endpoint attaching, detaching, certain;

	(void)state;
	domain_up(f, &a, &detaching, 8);
	endpoint_up(f, &attaching, 9);
	domain_up(f, &b, &certain, 10);
	assert_int_equal(map_page(&a, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&a, NULL), VIOMMU_OK);
	f->script.stalled = true;
	assert_int_equal(viommu_driver_attach(&b, &attaching, NULL), VIOMMU_E_TIMEOUT);
	assert_int_equal(viommu_driver_detach(&detaching, NULL), VIOMMU_E_TIMEOUT);
	f->script.stalled = false;
	f->script.count = 0;
	assert_int_equal(viommu_driver_recover(&f->drv), VIOMMU_OK);
	assert_int_equal(script_count(f, VIOMMU_T_ATTACH), 1);
	assert_null(viommu_driver_endpoint_domain(&attaching));
	assert_null(viommu_driver_endpoint_domain(&detaching));
	assert_ptr_equal(viommu_driver_endpoint_domain(&certain), &b);
	assert_int_equal(record_count(&a), 1);
	/* Both begin anew, without a DETACH to find out where they are. */
	assert_int_equal(viommu_driver_attach(&a, &attaching, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&a, &detaching, NULL), VIOMMU_OK);
	assert_int_equal(script_count(f, VIOMMU_T_DETACH), 0);
	assert_record_is_model(f, &a);
	driver_teardown(f);
}

/* Nothing was sent, so recover still knows where everybody was; and who was to go does not come back. */
static void test_driver_recover__attach_and_detach_after_it_failed__first_one_changes_nothing(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain a, b;
	struct viommu_driver_endpoint staying, leaving;

	(void)state;
	domain_up(f, &a, &staying, 8);
	domain_up(f, &b, &leaving, 9);
	f->script.status |= VIOMMU_STATUS_NEEDS_RESET;
	assert_int_equal(viommu_driver_look(&f->drv), VIOMMU_E_BROKEN);
	f->script.count = 0;
	assert_int_equal(viommu_driver_attach(&b, &staying, NULL), VIOMMU_E_BROKEN);
	assert_int_equal(viommu_driver_detach(&leaving, NULL), VIOMMU_E_BROKEN);
	assert_int_equal(f->script.count, 0);
	assert_ptr_equal(viommu_driver_endpoint_domain(&staying), &a);
	assert_int_equal(viommu_driver_recover(&f->drv), VIOMMU_OK);
	assert_ptr_equal(viommu_driver_endpoint_domain(&staying), &a);
	assert_null(viommu_driver_endpoint_domain(&leaving));
	driver_teardown(f);
}

/* How the device fails again. */
enum death {
	SILENCE,
	NO_STATUS_WRITTEN,
	BROKEN_RING,
	DEATHS
};

static uint32_t dies_at;
static enum death death;

static struct verdict die(struct driver_fixture *f, const struct viommu_wire_request *request, uint32_t number)
{
	(void)request;
	if (number < dies_at)
		return VERDICT_HONEST;
	if (death == BROKEN_RING && number == dies_at)
		script_lie(f, VIOMMU_QUEUE_REQUEST, 0xffffffff, 0, 300);
	return death == NO_STATUS_WRITTEN ? VERDICT_USED(0) : VERDICT_HOLD;
}

/* At each request of a recover the device dies again; the next one puts everything back, from wherever that was. */
static void test_driver_recover__device_dies_again_at_any_request__the_next_one_puts_all_back(void **state)
{
	(void)state;
	for (death = 0; death < DEATHS; death++) {
		for (dies_at = 0; dies_at < 4 + 2 + PAGES + 1; dies_at++) {
			enum viommu_result result;
			struct house h;

			move_in(&h, NULL);
			h.f->script.decide = die;
			result = viommu_driver_recover(&h.f->drv);
			assert_int_equal(result, death == SILENCE             ? VIOMMU_E_TIMEOUT
						 : death == NO_STATUS_WRITTEN ? VIOMMU_E_PEER
									      : VIOMMU_E_BROKEN);
			assert_int_equal(map_page(&h.a, 1), VIOMMU_E_BROKEN);
			assert_int_equal(viommu_driver_look(&h.f->drv), VIOMMU_E_BROKEN);
			h.f->script.decide = NULL;
			assert_int_equal(viommu_driver_recover(&h.f->drv), VIOMMU_OK);
			assert_all_is_back(&h);
			driver_teardown(h.f);
		}
	}
}

static void test_driver_recover__never_started__state(void **state)
{
	struct driver_fixture *f = driver_setup(NULL);

	(void)state;
	assert_int_equal(viommu_driver_recover(&f->drv), VIOMMU_E_STATE);
	assert_int_equal(f->step_count, 0);
	assert_int_equal(driver_start(f), VIOMMU_OK);
	driver_teardown(f);
}

/* Look */

static void test_driver_look__device_works__ok_and_only_reads(void **state)
{
	struct driver_fixture *f = driver_setup(NULL);

	(void)state;
	assert_int_equal(viommu_driver_look(&f->drv), VIOMMU_E_STATE);
	assert_int_equal(driver_start(f), VIOMMU_OK);
	f->step_count = 0;
	assert_int_equal(viommu_driver_look(&f->drv), VIOMMU_OK);
	f->script.config.bypass ^= 1;
	assert_int_equal(viommu_driver_look(&f->drv), VIOMMU_OK);
	assert_int_equal(steps_of(f, SET_STATUS) + steps_of(f, CONFIG_WRITE) + steps_of(f, NOTIFY), 0);
	driver_teardown(f);
}

static void test_driver_look__needs_reset_or_gone__every_call_is_broken_until_recovered(void **state)
{
	static const uint8_t statuses[] = {
		VIOMMU_STATUS_ACKNOWLEDGE | VIOMMU_STATUS_DRIVER | VIOMMU_STATUS_FEATURES_OK | VIOMMU_STATUS_DRIVER_OK |
			VIOMMU_STATUS_NEEDS_RESET,
		0,    /* somebody reset it */
		0xff, /* nobody is there */
	};

	(void)state;
	for (size_t i = 0; i < sizeof statuses; i++) {
		struct viommu_driver_endpoint another;
		struct house h;

		move_in(&h, NULL);
		h.f->script.status = statuses[i];
		assert_int_equal(viommu_driver_look(&h.f->drv), VIOMMU_E_BROKEN);
		assert_int_equal(map_page(&h.a, 1), VIOMMU_E_BROKEN);
		assert_int_equal(unmap_pages(&h.a, 0, 0), VIOMMU_E_BROKEN);
		assert_int_equal(viommu_driver_attach(&h.b, &h.ea[0], NULL), VIOMMU_E_BROKEN);
		assert_int_equal(viommu_driver_endpoint_init(&another, &h.f->drv, 12, NULL, 0), VIOMMU_E_BROKEN);
		assert_int_equal(viommu_driver_look(&h.f->drv), VIOMMU_E_BROKEN);
		h.f->script.status = 0;
		assert_int_equal(viommu_driver_attach(&h.b, &h.ea[0], NULL), VIOMMU_E_BROKEN);
		assert_int_equal(viommu_driver_recover(&h.f->drv), VIOMMU_OK);
		assert_int_equal(viommu_driver_look(&h.f->drv), VIOMMU_OK);
		driver_teardown(h.f);
	}
}

/* Whoever waits for the device is told by a look in the meantime. */
static void look_in_between(struct driver_fixture *f)
{
	f->script.status |= VIOMMU_STATUS_NEEDS_RESET;
	assert_int_equal(viommu_driver_look(&f->drv), VIOMMU_E_BROKEN);
}

static void test_driver_look__somebody_waits__is_told(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_up(f, &d, &e, 8);
	f->script.stalled = true;
	f->patience = UINT32_MAX;
	f->on_wait = look_in_between;
	assert_int_equal(map_page(&d, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_E_BROKEN);
	f->on_wait = NULL;
	f->patience = FIXTURE_WAITS;
	f->script.stalled = false;
	/* Its MAP has no known outcome, and is not put back. */
	assert_int_equal(viommu_driver_recover(&f->drv), VIOMMU_OK);
	assert_int_equal(record_count(&d), 0);
	assert_record_is_model(f, &d);
	driver_teardown(f);
}

static void test_driver_look__configuration_is_another_one__peer_until_recovered(void **state)
{
	(void)state;
	for (int what = 0; what < 7; what++) {
		struct driver_fixture *f = driver_up(NULL);
		struct viommu_wire_config *c = &f->script.config;
		struct viommu_driver_limits limits;

		switch (what) {
		case 0:
			c->page_size_mask &= ~(UINT64_C(1) << 63);
			break;
		case 1:
			c->input_range.first = PAGE;
			break;
		case 2:
			c->input_range.last = 0xffffffff;
			break;
		case 3:
			c->domain_first = 1;
			break;
		case 4:
			c->domain_last = 7;
			break;
		case 5:
			c->probe_size = 128;
			break;
		default:
			f->script.never_settles = true;
			break;
		}
		assert_int_equal(viommu_driver_look(&f->drv), VIOMMU_E_PEER);
		viommu_driver_get_limits(&f->drv, &limits);
		assert_int_equal(limits.domain_last, UINT32_MAX);
		assert_int_equal(limits.input_range.last, UINT64_MAX);
		f->script.never_settles = false;
		assert_int_equal(viommu_driver_recover(&f->drv), VIOMMU_OK);
		assert_int_equal(viommu_driver_look(&f->drv), VIOMMU_OK);
		viommu_driver_get_limits(&f->drv, &limits);
		assert_int_equal(limits.domain_last, what == 4 ? 7 : UINT32_MAX);
		driver_teardown(f);
	}
}

/* A field that no negotiated feature gives a meaning says nothing, whatever it reads as. */
static void test_driver_look__fields_without_a_feature__are_not_compared(void **state)
{
	struct driver_options o;
	struct driver_fixture *f;

	(void)state;
	driver_options_init(&o);
	o.offered &= ~(VIOMMU_F_INPUT_RANGE | VIOMMU_F_DOMAIN_RANGE | VIOMMU_F_PROBE);
	f = driver_up(&o);
	f->script.config.input_range.last = 5;
	f->script.config.domain_last = 5;
	f->script.config.probe_size = 5;
	assert_int_equal(viommu_driver_look(&f->drv), VIOMMU_OK);
	driver_teardown(f);
}

/* Abandon */

static void test_driver_abandon__device_was_removed__nothing_is_asked_and_records_stay(void **state)
{
	struct house h;

	(void)state;
	move_in(&h, NULL);
	assert_int_equal(map_page(&h.b, 8), VIOMMU_OK);
	viommu_driver_abandon(&h.f->drv);
	assert_int_equal(h.f->step_count, 0);
	assert_null(viommu_driver_endpoint_domain(&h.ea[0]));
	assert_int_equal(viommu_driver_detach(&h.ea[0], NULL), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_look(&h.f->drv), VIOMMU_E_STATE);
	/* Another one is plugged in. */
	assert_int_equal(driver_start(h.f), VIOMMU_OK);
	assert_int_equal(h.f->script.count, 0);
	assert_int_equal(viommu_driver_attach(&h.b, &h.eb, NULL), VIOMMU_OK);
	assert_int_equal(record_count(&h.b), 2);
	assert_record_is_model(h.f, &h.b);
	driver_teardown(h.f);
}

/* Shutdown */

static void test_driver_shutdown__keep__detaches_all_and_resets(void **state)
{
	struct house h;

	(void)state;
	move_in(&h, NULL);
	h.f->script.config.bypass = 1;
	assert_int_equal(map_page(&h.b, 8), VIOMMU_OK);
	assert_int_equal(viommu_driver_shutdown(&h.f->drv, VIOMMU_HANDOVER_KEEP), VIOMMU_OK);
	/* What was in flight is answered first; each endpoint is detached, and that is all. */
	assert_int_equal(h.f->script.count, 5);
	assert_int_equal(h.f->script.log[0].request.type + h.f->script.log[1].request.type +
				 h.f->script.log[2].request.type,
			 VIOMMU_T_DETACH + VIOMMU_T_DETACH + VIOMMU_T_MAP);
	assert_int_equal(script_count(h.f, VIOMMU_T_DETACH), 4);
	assert_int_equal(steps_of(h.f, CONFIG_WRITE), 0);
	assert_int_equal(h.f->script.config.bypass, 1);
	assert_int_equal(h.f->script.status, 0);
	assert_int_equal(viommu_driver_shutdown(&h.f->drv, VIOMMU_HANDOVER_KEEP), VIOMMU_E_STATE);
	/* The driver's own records are still there, should it come back. */
	assert_int_equal(driver_start(h.f), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&h.a, &h.ea[0], NULL), VIOMMU_OK);
	assert_record_is_model(h.f, &h.a);
	driver_teardown(h.f);
}

/* IOMMU-DRV-CONFIG-01, IOMMU-DRV-CONFIG-03: 0 or 1, in one byte, and before anything is detached. */
static void test_driver_shutdown__block_and_bypass__are_stored_first(void **state)
{
	(void)state;
	for (int bypass = 0; bypass < 2; bypass++) {
		enum viommu_driver_handover handover = bypass ? VIOMMU_HANDOVER_BYPASS : VIOMMU_HANDOVER_BLOCK;
		struct house h;

		move_in(&h, NULL);
		h.f->script.config.bypass = !bypass;
		assert_int_equal(viommu_driver_shutdown(&h.f->drv, handover), VIOMMU_OK);
		assert_int_equal(steps_of(h.f, CONFIG_WRITE), 1);
		assert_int_equal(h.f->steps[0].access, CONFIG_WRITE);
		assert_int_equal(h.f->steps[0].a, VIOMMU_WIRE_CONFIG_BYPASS);
		assert_int_equal(h.f->steps[0].b, 1);
		assert_int_equal(h.f->script.config.bypass, bypass);
		driver_teardown(h.f);
	}
}

static void test_driver_shutdown__no_bypass_to_store__unsupp_and_nothing_done(void **state)
{
	struct driver_options o;
	struct driver_fixture *f;
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	driver_options_init(&o);
	o.offered &= ~VIOMMU_F_BYPASS_CONFIG;
	f = driver_up(&o);
	domain_up(f, &d, &e, 8);
	f->script.count = 0;
	f->step_count = 0;
	/* IOMMU-DRV-CONFIG-02 */
	assert_int_equal(viommu_driver_shutdown(&f->drv, VIOMMU_HANDOVER_BLOCK), VIOMMU_E_UNSUPP);
	assert_int_equal(viommu_driver_shutdown(&f->drv, VIOMMU_HANDOVER_BYPASS), VIOMMU_E_UNSUPP);
	assert_int_equal(f->script.count + f->step_count, 0);
	assert_ptr_equal(viommu_driver_endpoint_domain(&e), &d);
	assert_int_equal(viommu_driver_shutdown(&f->drv, VIOMMU_HANDOVER_KEEP), VIOMMU_OK);
	assert_null(viommu_driver_endpoint_domain(&e));
	driver_teardown(f);
}

/* IOMMU-DRV-CONFIG-04: only bit 0 is looked at. Who asks for blocked endpoints must not get a device in bypass. */
static void test_driver_shutdown__bypass_is_not_taken__peer_and_nobody_is_let_go(void **state)
{
	static const struct {
		enum viommu_driver_handover handover;
		uint8_t found;
		enum viommu_result expected;
	} table[] = {
		{ VIOMMU_HANDOVER_BLOCK, 0x01, VIOMMU_E_PEER }, { VIOMMU_HANDOVER_BLOCK, 0xff, VIOMMU_E_PEER },
		{ VIOMMU_HANDOVER_BLOCK, 0xfe, VIOMMU_OK },     { VIOMMU_HANDOVER_BYPASS, 0xfe, VIOMMU_E_PEER },
		{ VIOMMU_HANDOVER_BYPASS, 0xff, VIOMMU_OK },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct house h;

		move_in(&h, NULL);
		h.f->script.ignores_bypass = true;
		h.f->script.config.bypass = table[i].found;
		assert_int_equal(viommu_driver_shutdown(&h.f->drv, table[i].handover), table[i].expected);
		if (table[i].expected != VIOMMU_OK) {
			assert_int_equal(h.f->script.count, 0);
			assert_ptr_equal(viommu_driver_endpoint_domain(&h.ea[0]), &h.a);
			assert_record_is_model(h.f, &h.a);
			assert_int_equal(viommu_driver_shutdown(&h.f->drv, VIOMMU_HANDOVER_KEEP), VIOMMU_OK);
		}
		assert_null(viommu_driver_endpoint_domain(&h.ea[0]));
		driver_teardown(h.f);
	}
}

/* A device that does not answer is asked once, and reset; one that refuses is asked for the others, too. */
static void test_driver_shutdown__device_fails_on_the_way__is_reset_all_the_same(void **state)
{
	struct house h;

	(void)state;
	move_in(&h, NULL);
	h.f->script.stalled = true;
	assert_int_equal(viommu_driver_shutdown(&h.f->drv, VIOMMU_HANDOVER_BLOCK), VIOMMU_OK);
	assert_int_equal(viommu_driver_get_stats(&h.f->drv)->requests[VIOMMU_T_DETACH], 1);
	assert_int_equal(h.f->script.status, 0);
	assert_null(viommu_driver_endpoint_domain(&h.ea[0]));
	driver_teardown(h.f);

	move_in(&h, NULL);
	script_forget(h.f); /* it knows of no endpoint any more */
	assert_int_equal(viommu_driver_shutdown(&h.f->drv, VIOMMU_HANDOVER_KEEP), VIOMMU_OK);
	assert_int_equal(script_count(h.f, VIOMMU_T_DETACH), 4);
	assert_null(viommu_driver_endpoint_domain(&h.ebypass));
	driver_teardown(h.f);

	move_in(&h, NULL);
	h.f->script.reset_reads = UINT32_MAX;
	assert_int_equal(viommu_driver_shutdown(&h.f->drv, VIOMMU_HANDOVER_KEEP), VIOMMU_E_TIMEOUT);
	h.f->script.reset_reads = h.f->script.resetting = 0;
	h.f->script.status = 0;
	assert_int_equal(viommu_driver_stop(&h.f->drv), VIOMMU_OK);
	driver_teardown(h.f);
}

/* The next kernel: another driver, in memory of its own. What the first one left there is not touched any more. */
static void test_driver_shutdown__then_a_second_driver__starts_on_the_same_device(void **state)
{
	(void)state;
	for (int bypass = 0; bypass < 2; bypass++) {
		enum viommu_driver_handover handover = bypass ? VIOMMU_HANDOVER_BYPASS : VIOMMU_HANDOVER_BLOCK;
		struct driver_options o;
		struct driver_fixture *f;
		struct viommu_driver_domain d;
		struct viommu_driver_endpoint e;
		const uint8_t *left;
		size_t len;
		uint64_t gpa;

		driver_options_init(&o);
		o.real = true;
		f = driver_up(&o);
		domain_up(f, &d, &e, REAL_FIRST_ENDPOINT);
		assert_int_equal(map_page(&d, 3), VIOMMU_OK);
		assert_int_equal(viommu_driver_shutdown(&f->drv, handover), VIOMMU_OK);
		/* GEN-DRV-CLEANUP-02: the device has no use any more for what was shared. */
		left = f->shared.base;
		len = f->shared.len;
		memset(f->shared.base, 0x5a, len);
		device_run(f);
		assert_int_equal(real_translate(f, 0, 3 * PAGE, VIOMMU_ACCESS_READ, &gpa), bypass);

		driver_replace(f, &o);
		assert_int_equal(driver_start(f), VIOMMU_OK);
		assert_int_equal(real_translate(f, 0, 3 * PAGE, VIOMMU_ACCESS_READ, &gpa), bypass);
		if (bypass)
			assert_int_equal(gpa, 3 * PAGE);
		domain_up(f, &d, &e, REAL_FIRST_ENDPOINT);
		assert_false(real_translate(f, 0, 3 * PAGE, VIOMMU_ACCESS_READ, &gpa));
		assert_int_equal(map_page(&d, 5), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
		assert_true(real_translate(f, 0, 5 * PAGE, VIOMMU_ACCESS_READ, &gpa));
		assert_int_equal(gpa, 21 * PAGE);
		for (size_t i = 0; i < len; i++)
			assert_int_equal(left[i], 0x5a);
		driver_teardown(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_recover__device_works__all_is_put_back),
		cmocka_unit_test(test_driver_recover__real_device__endpoints_reach_what_they_reached),
		cmocka_unit_test(test_driver_recover__requests_in_flight__are_settled),
		cmocka_unit_test(test_driver_recover__device_has_kept_mappings__they_are_wiped_first),
		cmocka_unit_test(test_driver_recover__device_will_not_wipe__the_replay_judges),
		cmocka_unit_test(test_driver_recover__failure_not_reported_yet__is_reported_by_the_next_sync),
		cmocka_unit_test(test_driver_recover__reset_takes_long__has_failed_and_lost_nothing),
		cmocka_unit_test(test_driver_recover__features_refused__endpoints_wait_for_another_one),
		cmocka_unit_test(test_driver_recover__stopped_in_between__endpoints_wait_no_longer),
		cmocka_unit_test(test_driver_recover__one_endpoint_is_gone__the_others_are_back),
		cmocka_unit_test(test_driver_recover__replay_refused__its_endpoints_are_in_no_domain),
		cmocka_unit_test(test_driver_recover__device_is_another_one__what_does_not_fit_stays_out),
		cmocka_unit_test(test_driver_recover__endpoint_in_doubt__is_in_no_domain),
		cmocka_unit_test(test_driver_recover__attach_and_detach_after_it_failed__first_one_changes_nothing),
		cmocka_unit_test(test_driver_recover__device_dies_again_at_any_request__the_next_one_puts_all_back),
		cmocka_unit_test(test_driver_recover__never_started__state),
		cmocka_unit_test(test_driver_look__device_works__ok_and_only_reads),
		cmocka_unit_test(test_driver_look__needs_reset_or_gone__every_call_is_broken_until_recovered),
		cmocka_unit_test(test_driver_look__somebody_waits__is_told),
		cmocka_unit_test(test_driver_look__configuration_is_another_one__peer_until_recovered),
		cmocka_unit_test(test_driver_look__fields_without_a_feature__are_not_compared),
		cmocka_unit_test(test_driver_abandon__device_was_removed__nothing_is_asked_and_records_stay),
		cmocka_unit_test(test_driver_shutdown__keep__detaches_all_and_resets),
		cmocka_unit_test(test_driver_shutdown__block_and_bypass__are_stored_first),
		cmocka_unit_test(test_driver_shutdown__bypass_is_not_taken__peer_and_nobody_is_let_go),
		cmocka_unit_test(test_driver_shutdown__no_bypass_to_store__unsupp_and_nothing_done),
		cmocka_unit_test(test_driver_shutdown__device_fails_on_the_way__is_reset_all_the_same),
		cmocka_unit_test(test_driver_shutdown__then_a_second_driver__starts_on_the_same_device),
	};

	return suite_run(tests);
}
