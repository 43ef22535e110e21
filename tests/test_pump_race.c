/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_pump_race.c: the driver posts at the worst moment: when the pump has found a queue empty and is about to sleep.
 *
 * With EVENT_IDX the pump passes a fence between asking for a kick and its last look at the queue: there the test lets
 * the driver run.
 */
#include "pump_fixture.h"
#include "suite.h"

#include "sim/env/port.h"

static unsigned fences; /* until the driver runs */
static void (*driver)(void);

static void fence(void)
{
	if (driver != NULL && --fences == 0) {
		void (*run)(void) = driver;

		driver = NULL; /* it passes fences of its own */
		run();
	}
}

static void run_driver_at_fence(unsigned number, void (*run)(void))
{
	static struct sim_env_port port;

	port = sim_env_plain_port;
	port.fence = fence;
	sim_env_port = &port;
	fences = number;
	driver = run;
}

static struct slot *posted;

static void post_request(void)
{
	struct viommu_wire_request attach = device_attach_request(1, DEVICE_EP0, 0);

	posted = post(&world, &attach);
	publish(&world);
}

static void post_event_buffer(void)
{
	posted = post_event(&world, 24);
	publish(&world);
}

static void test_process__request_posted_before_it_sleeps__is_served(void **state)
{
	struct world *w = &world;

	(void)state;
	setup(w, 0);
	bring_up(w, VIOMMU_F_EVENT_IDX);
	run_driver_at_fence(1, post_request); /* of the request queue, the only one it looks at */
	assert_false(viommu_pump_process(&w->pump, 100));
	assert_null(driver);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_REQUEST), posted);
	assert_int_equal(status_of(posted), VIOMMU_S_OK);
	teardown(w);
}

static void test_process__event_buffer_posted_before_it_sleeps__is_used(void **state)
{
	struct world *w = &world;

	(void)state;
	setup(w, 0);
	bring_up(w, VIOMMU_F_EVENT_IDX);
	raise_faults(w, 0, 1);
	run_driver_at_fence(2, post_event_buffer); /* first of the request queue, then of the event queue */
	assert_false(viommu_pump_process(&w->pump, 100));
	assert_null(driver);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_EVENT), posted);
	assert_int_equal(posted->written, VIOMMU_WIRE_FAULT_SIZE);
	assert_int_equal(viommu_pump_get_stats(&w->pump)->events, 1);
	teardown(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process__request_posted_before_it_sleeps__is_served),
		cmocka_unit_test(test_process__event_buffer_posted_before_it_sleeps__is_used),
	};

	return suite_run(tests);
}
