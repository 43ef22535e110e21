/* SPDX-License-Identifier: BSD-3-Clause */
/* test_check_pump.c: each condition of the checks of a pump. */
#include "check_cases.h"
#include "pump_fixture.h"

#define PENDING 2u
#define MAX_PENDING 4u

static struct viommu_access_token token;

/* Two requests wait for an access section. */
static int make(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_pump_config config = pump_config(&world);
	size_t bytes;

	(void)state;
	setup(&world, MAX_PENDING);
	bring_up(&world, 0);
	prepare_domains(&world);
	assert_int_equal(viommu_access_begin(&world.f.accesses[0], &token), VIOMMU_OK);
	(void)post_event(&world, VIOMMU_WIRE_FAULT_SIZE);
	for (unsigned i = 0; i < PENDING; i++)
		(void)post(&world, &unmap);
	publish(&world);
	process(&world);
	raise_faults(&world, 1, 1);
	process(&world);
	assert_int_equal(world.f.dev.pending_count, PENDING);
	assert_int_equal(viommu_pump_mem_size(&config, &bytes), VIOMMU_OK);
	check_protect(&world.pump, sizeof world.pump);
	check_protect(&world.f.dev, sizeof world.f.dev);
	check_protect(world.pump_mem, bytes);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	check_protect_none();
	viommu_access_end(&world.f.accesses[0], token);
	process(&world);
	teardown(&world);
	return 0;
}

static bool pump_is_valid(void)
{
	return viommu_pump_is_valid(&world.pump);
}

static bool pump_check(void)
{
	return viommu_pump_check(&world.pump);
}

#define PUMP (world.pump)
#define SLOT(i) (world.pump.slots[i])
#define REQUESTS (world.pump.queues[VIOMMU_QUEUE_REQUEST])
#define EVENTS (world.pump.queues[VIOMMU_QUEUE_EVENT])

static void *misaligned(void *p)
{
	return (uint8_t *)p + 8;
}

/* clang-format off */
#define CASES(X)												\
	X(AT_ONCE, registers_are_not_valid, PUMP.registers.features = 0)					\
	X(AT_ONCE, registers_of_other_queues, PUMP.registers.queues++)						\
	X(AT_ONCE, registers_of_fewer_queues, PUMP.registers.queue_count = 1)					\
	X(AT_ONCE, registers_of_another_pump, PUMP.registers.class_ctx = NULL)					\
	X(AT_ONCE, no_device, PUMP.device = NULL)								\
	X(AT_ONCE, device_is_not_valid, world.f.dev.initial_bypass = 2)						\
	X(AT_ONCE, fewer_slots_than_may_be_pending, world.f.dev.max_pending++)					\
	X(AT_ONCE, no_segments, PUMP.segment_count = 0)								\
	X(AT_ONCE, segments_elsewhere, PUMP.segments++)								\
	X(IN_DETAIL, queue_is_not_valid, EVENTS.size = 3)							\
	X(IN_DETAIL, device_is_not_valid_in_detail, world.f.dev.pool.slabs[0].first++)				\
	X(IN_DETAIL, head_behind_the_end, SLOT(1).head = QUEUE_SIZE)						\
	X(IN_DETAIL, chain_without_slot, REQUESTS.pushed--; REQUESTS.published--)				\
	X(IN_DETAIL, slots_without_queue, REQUESTS.state = VIOMMU_VIRTQ_OFF)					\
	X(IN_DETAIL, free_slot_that_is_none, PUMP.free_slots = misaligned(PUMP.free_slots))			\
	X(IN_DETAIL, free_slot_that_is_in_use, PUMP.free_slots = &SLOT(0))					\
	X(IN_DETAIL, free_slots_too_few, PUMP.free_slots = SLOT(2).request.user)				\
	X(IN_DETAIL, free_slots_in_a_circle, SLOT(3).request.user = &SLOT(2))					\
	X(IN_DETAIL, slot_that_the_device_does_not_know, SLOT(2).request.state = VIOMMU_REQUEST_PENDING;	\
	  PUMP.free_slots = &SLOT(3); REQUESTS.pushed--; REQUESTS.published--)					\
	X(IN_DETAIL, event_buffer_taken_and_kept, EVENTS.pushed--; EVENTS.published--)
/* clang-format on */

/* In order: 0 waits, 1 and 2 are held behind it, and 3 is free. */
/* clang-format off */
#define ORDER_CASES(X)												\
	X(IN_DETAIL, held_one_with_the_device, SLOT(1).request.state = VIOMMU_REQUEST_PENDING)			\
	X(IN_DETAIL, held_one_lost, SLOT(1).held = false)							\
	X(IN_DETAIL, held_without_order, PUMP.registers.features &= ~VIOMMU_F_IN_ORDER; PUMP.oldest = NULL)	\
	X(IN_DETAIL, order_that_was_not_negotiated, PUMP.registers.features &= ~VIOMMU_F_IN_ORDER)		\
	X(IN_DETAIL, free_slot_that_is_held, PUMP.free_slots = &SLOT(1))					\
	X(IN_DETAIL, oldest_is_done, PUMP.oldest = &SLOT(1))							\
	X(IN_DETAIL, oldest_is_none, PUMP.oldest = misaligned(PUMP.oldest))					\
	X(IN_DETAIL, order_empty, PUMP.oldest = NULL)								\
	X(IN_DETAIL, order_with_a_free_one, SLOT(0).next = &SLOT(3))						\
	X(IN_DETAIL, order_with_an_orphan, SLOT(0).is_orphan = true; REQUESTS.pushed++; REQUESTS.published++;	\
	  SLOT(1).next = NULL; PUMP.newest = &SLOT(1))								\
	X(IN_DETAIL, order_in_a_circle, SLOT(2).next = &SLOT(0))						\
	X(IN_DETAIL, order_with_another_end, PUMP.newest = &SLOT(1))						\
	X(IN_DETAIL, order_too_short, SLOT(1).next = NULL)
/* clang-format on */

CASES(DEFINE_CASE)
ORDER_CASES(DEFINE_CASE)

static void test_pump_check__each_condition__is_seen(void **state)
{
	static const struct check_case cases[] = { CASES(LIST_CASE) };

	(void)state;
	check_run(cases, COUNT_OF(cases), pump_is_valid, pump_check);
}

static int make_in_order(void **state)
{
	struct viommu_wire_request unmap1 = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_wire_request unmap2 = device_unmap_request(2, 0x1000, 0x1fff);
	struct viommu_pump_config config = pump_config(&world);
	size_t bytes;

	(void)state;
	setup(&world, MAX_PENDING);
	config.ring_features = VIOMMU_VIRTQ_FEATURES;
	assert_int_equal(viommu_pump_mem_size(&config, &bytes), VIOMMU_OK);
	assert_int_equal(viommu_pump_init(&PUMP, &config, world.pump_mem, bytes), VIOMMU_OK);
	bring_up(&world, VIOMMU_F_IN_ORDER);
	prepare_domains(&world);
	assert_int_equal(viommu_access_begin(&world.f.accesses[0], &token), VIOMMU_OK);
	(void)post(&world, &unmap1);
	(void)post(&world, &unmap2);
	(void)post(&world, &unmap2);
	publish(&world);
	process(&world);
	assert_true(!SLOT(0).held && SLOT(1).held && SLOT(2).held);
	check_protect(&world.pump, sizeof world.pump);
	check_protect(&world.f.dev, sizeof world.f.dev);
	check_protect(world.pump_mem, bytes);
	return 0;
}

static void test_pump_check__in_order_each_condition__is_seen(void **state)
{
	static const struct check_case cases[] = { ORDER_CASES(LIST_CASE) };

	(void)state;
	check_run(cases, COUNT_OF(cases), pump_is_valid, pump_check);
}

/* A queue that was reset has forgotten what still waits in the device, and nothing is held back for it. */
static void test_pump_check__queue_reset_while_requests_wait__sound(void **state)
{
	(void)state;
	PUMP.registers.offered_ring |= VIOMMU_F_RING_RESET;
	PUMP.registers.features |= VIOMMU_F_RING_RESET;
	assert_int_equal(viommu_registers_queue_reset(&PUMP.registers, VIOMMU_QUEUE_REQUEST), VIOMMU_OK);
	assert_true(SLOT(0).is_orphan);
	assert_true(pump_check());
	SLOT(0).head = QUEUE_SIZE; /* of a queue that may be smaller by now */
	assert_true(pump_check());
	SLOT(0).is_orphan = false;
	assert_false(pump_check());
	SLOT(0).is_orphan = true;
	SLOT(3).is_orphan = true; /* it is free */
	assert_false(pump_check());
	SLOT(3).is_orphan = false;
	SLOT(0).held = true;
	SLOT(0).request.state = VIOMMU_REQUEST_DONE;
	assert_false(pump_check());
	SLOT(0).held = false;
	SLOT(0).request.state = VIOMMU_REQUEST_PENDING;
	PUMP.oldest = &SLOT(0);
	assert_false(pump_check());
	PUMP.oldest = NULL;
	assert_true(pump_check());
}

/* Two requests with the same head are the driver's mistake, not the pump's. */
static void test_pump_check__head_twice__sound(void **state)
{
	(void)state;
	SLOT(1).head = SLOT(0).head;
	assert_true(pump_check());
}

/* The device was reset behind the pump's back: what was pending is to be fetched, and still has its slots. */
static void test_pump_check__requests_cancelled__sound(void **state)
{
	(void)state;
	viommu_device_reset(&world.f.dev);
	assert_true(pump_check());
	viommu_pump_system_reset(&PUMP);
	assert_true(pump_check());
}

/* Answers do not get into a broken ring: there may be fewer requests than it knows of, and not more. */
static void test_pump_check__ring_broken__no_more_requests_than_were_taken(void **state)
{
	(void)state;
	REQUESTS.popped++;
	assert_false(pump_check());
	REQUESTS.state = VIOMMU_VIRTQ_BROKEN;
	assert_true(pump_check());
	REQUESTS.popped = (uint16_t)(REQUESTS.pushed + PENDING - 1);
	assert_false(pump_check());
	REQUESTS.popped = REQUESTS.pushed; /* its memory is gone */
	assert_true(pump_check());
}

/* The one buffer whose answer broke the ring. */
static void test_pump_check__event_ring_broken__one_buffer_at_most(void **state)
{
	(void)state;
	EVENTS.popped++;
	assert_false(pump_check());
	EVENTS.state = VIOMMU_VIRTQ_BROKEN;
	assert_true(pump_check());
	EVENTS.popped++;
	assert_false(pump_check());
	EVENTS.popped--;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pump_check__each_condition__is_seen, make, unmake),
		cmocka_unit_test_setup_teardown(test_pump_check__in_order_each_condition__is_seen, make_in_order,
						unmake),
		cmocka_unit_test_setup_teardown(test_pump_check__queue_reset_while_requests_wait__sound, make, unmake),
		cmocka_unit_test_setup_teardown(test_pump_check__queue_reset_while_requests_wait__sound, make_in_order,
						unmake),
		cmocka_unit_test_setup_teardown(test_pump_check__head_twice__sound, make, unmake),
		cmocka_unit_test_setup_teardown(test_pump_check__requests_cancelled__sound, make, unmake),
		cmocka_unit_test_setup_teardown(test_pump_check__ring_broken__no_more_requests_than_were_taken, make,
						unmake),
		cmocka_unit_test_setup_teardown(test_pump_check__event_ring_broken__one_buffer_at_most, make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
