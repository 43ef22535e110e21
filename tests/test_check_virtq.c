/* SPDX-License-Identifier: BSD-3-Clause */
/* test_check_virtq.c: each condition of the checks of both halves of a queue. */
#include "check_cases.h"

#include <viommu/virtq.h>
#include <viommu/wire.h>

#define SIZE 8u
#define BASE UINT64_C(0x10000)

static uint8_t shared[VIOMMU_VIRTQ_DRIVER_SHARED(SIZE)] __attribute__((aligned(64)));
static struct viommu_virtq_shadow shadow[SIZE];
static struct viommu_virtq_driver drv;
static struct viommu_virtq_device dev;
static const struct viommu_memory_region region = { BASE, BASE + sizeof shared - 1, shared, 3 };
static struct viommu_memory_table table = { .regions = &region, .count = 1 };

/*
 * Four chains: 0 in flight, 1 and 2 of two direct descriptors each (1-2 and 3-4), 5 not published. 6 and 7 are free.
 * The device has taken two, finished one, and published none.
 */
static int make(void **state)
{
	static const struct viommu_bus_segment two[2] = { { BASE, 1 }, { BASE, 1 } };
	const struct viommu_shared_memory memory = { shared, BASE, sizeof shared };
	const struct viommu_memory guest = { &viommu_memory_table_ops, &table };
	struct viommu_segment segments[4];
	struct viommu_chain chain = { .segments = segments, .capacity = 4 };
	struct viommu_virtq_layout layout;

	void *token;
	uint32_t written;

	(void)state;
	assert_int_equal(viommu_virtq_driver_init(&drv, SIZE, 0, &memory, shadow, &layout), VIOMMU_OK);
	viommu_virtq_device_init(&dev, &guest);
	assert_int_equal(viommu_virtq_device_enable(&dev, &layout), VIOMMU_OK);
	/* One goes round, so that no index is 0; it leaves the free list as it was. */
	assert_int_equal(viommu_virtq_driver_add(&drv, two, 1, 0, shared), VIOMMU_OK);
	(void)viommu_virtq_driver_publish(&drv);
	assert_int_equal(viommu_virtq_device_pop(&dev, &chain), VIOMMU_OK);
	assert_int_equal(viommu_virtq_device_push(&dev, chain.head, 0), VIOMMU_OK);
	(void)viommu_virtq_device_publish(&dev);
	assert_int_equal(viommu_virtq_driver_pop(&drv, &token, &written), VIOMMU_OK);
	assert_int_equal(viommu_virtq_driver_add(&drv, two, 1, 0, shared), VIOMMU_OK);
	assert_int_equal(viommu_virtq_driver_add(&drv, two, 1, 1, shared), VIOMMU_OK);
	assert_int_equal(viommu_virtq_driver_add(&drv, two, 1, 1, shared), VIOMMU_OK);
	(void)viommu_virtq_driver_publish(&drv);
	assert_int_equal(viommu_virtq_driver_add(&drv, two, 1, 0, shared), VIOMMU_OK);
	assert_int_equal(viommu_virtq_device_pop(&dev, &chain), VIOMMU_OK);
	assert_int_equal(viommu_virtq_device_pop(&dev, &chain), VIOMMU_OK);
	assert_int_equal(viommu_virtq_device_push(&dev, chain.head, 0), VIOMMU_OK);
	check_protect(shadow, sizeof shadow);
	check_protect(&drv, sizeof drv);
	check_protect(&dev, sizeof dev);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	check_protect_none();
	return 0;
}

static bool device_is_valid(void)
{
	return viommu_virtq_device_is_valid(&dev);
}

static bool device_check(void)
{
	return viommu_virtq_device_check(&dev);
}

static bool driver_is_valid(void)
{
	return viommu_virtq_driver_is_valid(&drv);
}

static bool driver_check(void)
{
	return viommu_virtq_driver_check(&drv);
}

/* clang-format off */
#define DEVICE_CASES(X)												\
	X(AT_ONCE, unknown_state, dev.state = VIOMMU_VIRTQ_BROKEN + 1)						\
	X(AT_ONCE, reset_and_on, dev.reset = VIOMMU_VIRTQ_RESET_DONE)						\
	X(AT_ONCE, unknown_kind_of_reset, dev.state = VIOMMU_VIRTQ_OFF; dev.reset = 3)				\
	X(AT_ONCE, no_guest_memory, dev.memory.ops = NULL)							\
	X(AT_ONCE, size_not_a_power_of_two, dev.size = 7)							\
	X(AT_ONCE, no_descriptors, dev.desc = NULL)								\
	X(AT_ONCE, no_available_ring, dev.avail = NULL)								\
	X(AT_ONCE, no_used_ring, dev.used = NULL)								\
	X(AT_ONCE, used_ring_alone, dev.desc = NULL; dev.avail = NULL)						\
	X(AT_ONCE, no_ring_and_no_callbacks, dev.desc = NULL; dev.avail = NULL; dev.used = NULL)		\
	X(AT_ONCE, gone_with_something_to_publish, dev.state = VIOMMU_VIRTQ_BROKEN; dev.used = NULL)		\
	X(AT_ONCE, available_ring_misaligned, dev.avail++)							\
	X(AT_ONCE, used_ring_misaligned, dev.used += 2)								\
	X(AT_ONCE, more_taken_than_there_can_be, dev.popped = (uint16_t)(dev.published + SIZE + 1))		\
	X(AT_ONCE, more_finished_than_taken, dev.pushed = (uint16_t)(dev.popped + 1))

#define DRIVER_CASES(X)												\
	X(AT_ONCE, driver_size_not_a_power_of_two, drv.size = 0)						\
	X(AT_ONCE, available_ring_elsewhere, drv.avail += 2)							\
	X(AT_ONCE, used_ring_elsewhere, drv.used += 4)								\
	X(AT_ONCE, tables_elsewhere, drv.tables = drv.desc)							\
	X(AT_ONCE, no_shadow, drv.shadow = NULL)								\
	X(AT_ONCE, more_free_than_there_are, drv.free_count = SIZE + 1)						\
	X(AT_ONCE, more_in_flight_than_are_not_free, drv.free_count = SIZE - 3)					\
	X(AT_ONCE, more_reclaimed_than_there_are, drv.reclaimed = SIZE + 1)					\
	X(AT_ONCE, free_head_behind_the_end, drv.free_head = SIZE + 1)						\
	X(AT_ONCE, more_published_than_added, drv.published = (uint16_t)(drv.added + 1))			\
	X(IN_DETAIL, free_list_leads_outside, shadow[6].next = SIZE)						\
	X(IN_DETAIL, free_list_with_a_head, drv.free_head = 0)							\
	X(IN_DETAIL, free_list_in_a_circle, shadow[6].next = 6)							\
	X(IN_DETAIL, free_list_with_one_of_a_chain, shadow[6].next = 4)						\
	X(IN_DETAIL, chain_without_descriptors, shadow[0].count = 0)						\
	X(IN_DETAIL, chain_longer_than_the_rest, shadow[5].count = 7)						\
	X(IN_DETAIL, chain_through_another_head, shadow[1].next = 3)						\
	X(IN_DETAIL, chain_leads_outside, shadow[3].next = SIZE)						\
	X(IN_DETAIL, chain_with_one_of_another, shadow[1].next = 4)						\
	X(IN_DETAIL, chain_shorter_than_it_was, shadow[1].count = 1; shadow[1].tail = 1)			\
	X(IN_DETAIL, chain_lost, shadow[0].token = NULL)							\
	X(IN_DETAIL, chain_that_ends_elsewhere, shadow[0].tail = 6)						\
	X(IN_DETAIL, one_that_was_not_added, drv.seen--)							\
	X(IN_DETAIL, one_visible_too_many, shadow[5].visible = true)						\
	X(IN_DETAIL, wrong_one_visible, shadow[5].visible = true; shadow[0].visible = false)			\
	X(IN_DETAIL, free_one_visible, shadow[6].visible = true)						\
	X(IN_DETAIL, posted_head_outside, shadow[4].posted = SIZE)						\
	X(IN_DETAIL, posted_head_is_free, shadow[4].posted = 6)
/* clang-format on */

/* In order: 7 and 0 of a chain in flight, 1 of one in the same batch, 2 of one that is not. 3 to 6 are free. */
/* clang-format off */
#define ORDER_CASES(X)												\
	X(AT_ONCE, batch_longer_than_what_is_visible, drv.batch = 4)						\
	X(AT_ONCE, batch_without_order, drv.in_order = false)							\
	X(AT_ONCE, free_head_is_none, drv.free_head = SIZE)							\
	X(IN_DETAIL, posted_out_of_order, shadow[7].posted = 1; shadow[0].posted = 7)				\
	X(IN_DETAIL, position_of_another, shadow[1].position++)							\
	X(IN_DETAIL, free_ones_elsewhere, drv.free_head++)
/* clang-format on */

DEVICE_CASES(DEFINE_CASE)
ORDER_CASES(DEFINE_CASE)
DRIVER_CASES(DEFINE_CASE)

static void test_virtq_device_check__each_condition__is_seen(void **state)
{
	static const struct check_case cases[] = { DEVICE_CASES(LIST_CASE) };

	(void)state;
	check_run(cases, COUNT_OF(cases), device_is_valid, device_check);
	dev.popped = (uint16_t)(dev.published + SIZE); /* all of them taken, and finished */
	dev.pushed = dev.popped;
	assert_true(device_check());
	dev.state = VIOMMU_VIRTQ_BROKEN;
	assert_true(device_check());
	dev.published = dev.pushed;
	dev.used = NULL; /* gone, and nobody needs it */
	assert_true(device_check());
	viommu_virtq_device_reset(&dev);
	dev.size = 7;
	assert_true(device_is_valid()); /* off: nothing counts */
}

static void test_virtq_driver_check__each_condition__is_seen(void **state)
{
	static const struct check_case cases[] = { DRIVER_CASES(LIST_CASE) };

	(void)state;
	check_run(cases, COUNT_OF(cases), driver_is_valid, driver_check);
}

static int make_in_order(void **state)
{
	static const struct viommu_bus_segment two[2] = { { BASE, 1 }, { BASE, 1 } };
	const struct viommu_shared_memory memory = { shared, BASE, sizeof shared };
	const struct viommu_memory guest = { &viommu_memory_table_ops, &table };
	struct viommu_virtq_layout layout;
	uint8_t *used;
	uint32_t written;
	void *token;

	(void)state;
	viommu_virtq_device_init(&dev, &guest);
	assert_int_equal(viommu_virtq_driver_init(&drv, SIZE, VIOMMU_F_IN_ORDER, &memory, shadow, &layout), VIOMMU_OK);
	used = shared + (layout.used - BASE);
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(viommu_virtq_driver_add(&drv, two, 1, 0, shared), VIOMMU_OK);
	(void)viommu_virtq_driver_publish(&drv);
	used[2] = 7;
	used[4] = 5; /* 0 to 5; 6 comes with the next */
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(viommu_virtq_driver_pop(&drv, &token, &written), VIOMMU_OK);
	assert_int_equal(viommu_virtq_driver_add(&drv, two, 1, 1, shared), VIOMMU_OK);
	assert_int_equal(viommu_virtq_driver_add(&drv, two, 1, 0, shared), VIOMMU_OK);
	assert_int_equal(viommu_virtq_driver_add(&drv, two, 1, 0, shared), VIOMMU_OK);
	(void)viommu_virtq_driver_publish(&drv);
	used[2] = 9;
	used[4 + 8 * 6] = 1; /* 6, 7 with 0, and 1 */
	assert_int_equal(viommu_virtq_driver_pop(&drv, &token, &written), VIOMMU_OK);
	assert_int_equal(drv.batch, 2);
	check_protect(shadow, sizeof shadow);
	check_protect(&drv, sizeof drv);
	check_protect(&dev, sizeof dev);
	return 0;
}

static void test_virtq_driver_check__in_order_each_condition__is_seen(void **state)
{
	static const struct check_case cases[] = { ORDER_CASES(LIST_CASE) };

	(void)state;
	check_run(cases, COUNT_OF(cases), driver_is_valid, driver_check);
	assert_non_null(viommu_virtq_driver_reclaim(&drv)); /* of the batch */
	assert_true(driver_check());
}

/* Tables for indirect descriptors are there or not. */
static void test_virtq_driver_check__indirect_or_direct__sound(void **state)
{
	static const struct viommu_bus_segment two[2] = { { BASE, 1 }, { BASE, 1 } };
	const struct viommu_shared_memory memory = { shared, BASE, sizeof shared };
	struct viommu_virtq_layout layout;

	(void)state;
	assert_int_equal(viommu_virtq_driver_init(&drv, SIZE, VIOMMU_F_INDIRECT_DESC, &memory, shadow, &layout),
			 VIOMMU_OK);
	assert_true(driver_check());
	for (unsigned i = 0; i < SIZE; i++) {
		assert_int_equal(viommu_virtq_driver_add(&drv, two, 1, 1, shared), VIOMMU_OK);
		assert_true(driver_check());
	}
}

/* Also what was never published comes back, so that the indices do not fit any more. */
static void test_virtq_driver_check__tokens_taken_back__sound(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		assert_non_null(viommu_virtq_driver_reclaim(&drv));
		assert_true(driver_check());
	}
	assert_null(viommu_virtq_driver_reclaim(&drv));
	assert_true(driver_check());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_virtq_device_check__each_condition__is_seen, make, unmake),
		cmocka_unit_test_setup_teardown(test_virtq_driver_check__each_condition__is_seen, make, unmake),
		cmocka_unit_test_setup_teardown(test_virtq_driver_check__in_order_each_condition__is_seen,
						make_in_order, unmake),
		cmocka_unit_test_setup_teardown(test_virtq_driver_check__indirect_or_direct__sound, make, unmake),
		cmocka_unit_test_setup_teardown(test_virtq_driver_check__tokens_taken_back__sound, make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
