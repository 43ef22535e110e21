/* SPDX-License-Identifier: BSD-3-Clause */
/* test_pump_events.c: fault reports on their way to the driver, with and without buffers for them. */
#include "pump_fixture.h"
#include "suite.h"

static void assert_report(const struct slot *s, uint32_t endpoint, uint64_t address)
{
	static const uint8_t head[8] = { VIOMMU_FAULT_R_DOMAIN, 0, 0, 0, 0x02, 0x01, 0, 0 };
	struct viommu_wire_fault fault;

	assert_non_null(s);
	assert_int_equal(s->written, VIOMMU_WIRE_FAULT_SIZE);
	assert_memory_equal(s->writable, head, sizeof(head)); /* IOMMU-DEV-FAULT-01, IOMMU-DEV-FAULT-02 */
	assert_int_equal(s->writable[12] | s->writable[13] | s->writable[14] | s->writable[15], 0);
	assert_int_equal(viommu_wire_fault_decode(s->writable, s->written, &fault), VIOMMU_OK);
	assert_int_equal(fault.endpoint, endpoint);
	assert_true(fault.address == address);
}

/* VQ-DEV-USED-02 */
static void test_events__buffers_there__one_report_each(void **state)
{
	struct world *w = &world;
	unsigned i;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	(void)post_event(w, 24);
	(void)post_event(w, 200); /* longer: 24 bytes of it */
	(void)post_event(w, 25);
	publish(w);
	process(w);
	assert_null(collect(w, VIOMMU_QUEUE_EVENT));
	raise_faults(w, 2, 2);
	process(w);
	assert_report(collect(w, VIOMMU_QUEUE_EVENT), DEVICE_EP2, 0x7000);
	assert_report(collect(w, VIOMMU_QUEUE_EVENT), DEVICE_EP2, 0x7001);
	assert_null(collect(w, VIOMMU_QUEUE_EVENT));
	assert_int_equal(w->transport.used[VIOMMU_QUEUE_EVENT], 1);
	assert_no_interrupt(w, VIOMMU_QUEUE_REQUEST);
	for (i = 0; i < 40; i++) { /* around the ring */
		(void)post_event(w, 24);
		publish(w);
		raise_faults(w, 3, 1);
		process(w);
		assert_report(collect(w, VIOMMU_QUEUE_EVENT), DEVICE_EP3, 0x7000);
	}
	assert_int_equal(viommu_pump_get_stats(&w->pump)->events, 42);
	assert_int_equal(viommu_pump_get_stats(&w->pump)->events_dropped, 0);
	teardown(w);
}

static void test_events__buffer_in_pieces__filled_across(void **state)
{
	struct world *w = &world;
	struct slot *s;
	struct viommu_bus_segment segments[3];

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	s = take_slot(w);
	segments[0].addr = s->addr + 256;
	segments[0].len = 1;
	segments[1].addr = s->addr + 257;
	segments[1].len = 16;
	segments[2].addr = s->addr + 273;
	segments[2].len = 7;
	assert_int_equal(viommu_virtq_driver_add(&w->queues[VIOMMU_QUEUE_EVENT], segments, 0, 3, s), VIOMMU_OK);
	publish(w);
	raise_faults(w, 0, 1);
	process(w);
	assert_report(collect(w, VIOMMU_QUEUE_EVENT), DEVICE_EP0, 0x7000);
	teardown(w);
}

/* IOMMU-DEV-FAULT-05: neither spilled into the next buffer nor cut. */
static void test_events__short_buffer__returned_empty_and_counted(void **state)
{
	struct world *w = &world;
	struct slot *s;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	(void)post_event(w, 23);
	(void)post_event(w, 1);
	(void)post_event(w, 24);
	publish(w);
	raise_faults(w, 0, 3);
	process(w);
	s = collect(w, VIOMMU_QUEUE_EVENT);
	assert_non_null(s);
	assert_int_equal(s->written, 0);
	s = collect(w, VIOMMU_QUEUE_EVENT);
	assert_non_null(s);
	assert_int_equal(s->written, 0);
	assert_report(collect(w, VIOMMU_QUEUE_EVENT), DEVICE_EP0, 0x7002); /* the first two are gone */
	assert_int_equal(viommu_pump_get_stats(&w->pump)->events_dropped, 2);
	assert_int_equal(viommu_pump_get_stats(&w->pump)->events, 1);
	assert_int_equal(viommu_registers_get_status(viommu_pump_registers(&w->pump)), ALIVE);
	teardown(w);
}

/* A buffer that is nowhere costs no report: the next one gets it. */
static void test_events__malformed_buffer__returned_and_the_next_one_used(void **state)
{
	struct viommu_bus_segment outside = { RAM_BASE + RAM_LEN - 2, 24 };
	struct world *w = &world;
	struct slot *nowhere;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	nowhere = take_slot(w);
	assert_int_equal(viommu_virtq_driver_add(&w->queues[VIOMMU_QUEUE_EVENT], &outside, 0, 1, nowhere), VIOMMU_OK);
	(void)post_event(w, 24);
	publish(w);
	raise_faults(w, 0, 1);
	process(w);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_EVENT), nowhere);
	assert_int_equal(nowhere->written, 0);
	assert_report(collect(w, VIOMMU_QUEUE_EVENT), DEVICE_EP0, 0x7000);
	assert_int_equal(viommu_pump_get_stats(&w->pump)->malformed, 1);
	assert_int_equal(viommu_pump_get_stats(&w->pump)->events, 1);
	assert_int_equal(viommu_pump_get_stats(&w->pump)->events_dropped, 0);
	teardown(w);
}

/* INF-14: reports wait in the contexts for buffers to come; those without room are lost, and every one is counted. */
static void test_events__no_buffers__backlog_then_lost_and_counted(void **state)
{
	struct world *w = &world;
	unsigned i;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	for (i = 0; i < 5; i++) {
		raise_faults(w, 0, 2);
		process(w); /* and does not spin */
	}
	for (i = 0; i < 10; i++)
		(void)post_event(w, 24);
	publish(w);
	process(w);
	for (i = 0; collect(w, VIOMMU_QUEUE_EVENT) != NULL; i++)
		;
	assert_int_equal(i, viommu_pump_get_stats(&w->pump)->events);
	assert_true(i >= 1);
	assert_int_equal(i + viommu_pump_get_stats(&w->pump)->events_dropped +
				 viommu_device_get_stats(&w->f.dev)->faults_lost,
			 10);
	/* And the next one gets through. */
	raise_faults(w, 1, 1);
	process(w);
	assert_report(collect(w, VIOMMU_QUEUE_EVENT), DEVICE_EP1, 0x7000);
	teardown(w);
}

/* It waited in the pump for a buffer of the driver that is gone. */
static void test_events__reset_while_one_waits__the_next_driver_gets_none(void **state)
{
	struct viommu_registers *regs = viommu_pump_registers(&world.pump);
	struct world *w = &world;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	raise_faults(w, 0, 1);
	process(w);
	viommu_registers_set_status(regs, 0);
	assert_int_equal(viommu_registers_get_status(regs), 0);
	bring_up(w, 0);
	(void)post_event(w, 24);
	publish(w);
	process(w);
	assert_null(collect(w, VIOMMU_QUEUE_EVENT));
	assert_int_equal(viommu_pump_get_stats(&w->pump)->events, 0);
	teardown(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events__buffers_there__one_report_each),
		cmocka_unit_test(test_events__buffer_in_pieces__filled_across),
		cmocka_unit_test(test_events__short_buffer__returned_empty_and_counted),
		cmocka_unit_test(test_events__malformed_buffer__returned_and_the_next_one_used),
		cmocka_unit_test(test_events__no_buffers__backlog_then_lost_and_counted),
		cmocka_unit_test(test_events__reset_while_one_waits__the_next_driver_gets_none),
	};

	return suite_run(tests);
}
