/* SPDX-License-Identifier: BSD-3-Clause */
/* test_check_registers.c: each condition of the checks of the registers. */
#include "check_cases.h"
#include "fake_class.h"

#define QUEUES 2u
#define SIZE 8u
#define BASE UINT64_C(0x10000)

static struct viommu_registers regs;
static struct viommu_virtq_device queues[QUEUES + 1]; /* the last one is not theirs */
static struct fake_class fake = { .features = 1, .queue_count = QUEUES };
static uint8_t ram[0x1000] __attribute__((aligned(16)));
static const struct viommu_memory_region region = { BASE, BASE + sizeof ram - 1, ram, 3 };
static struct viommu_memory_table table = { .regions = &region, .count = 1 };

#define ACK VIOMMU_STATUS_ACKNOWLEDGE
#define ACK_DRIVER (ACK | VIOMMU_STATUS_DRIVER)
#define AGREED (ACK_DRIVER | VIOMMU_STATUS_FEATURES_OK)
#define RUNNING (AGREED | VIOMMU_STATUS_DRIVER_OK)

static void is_sound(void)
{
	assert_true(viommu_registers_is_valid(&regs) && viommu_registers_check(&regs));
}

/* From nothing to DRIVER_OK, and sound at each step. */
static int make(void **state)
{
	const struct viommu_memory guest = { &viommu_memory_table_ops, &table };
	const struct viommu_virtq_layout layout = { SIZE, BASE, BASE + 0x400, BASE + 0x800, 0 };
	struct viommu_registers_config config = { .size = sizeof config };

	(void)state;
	fake.settled = false;
	queues[QUEUES].state = VIOMMU_VIRTQ_BROKEN + 1;
	for (unsigned i = 0; i < QUEUES; i++)
		viommu_virtq_device_init(&queues[i], &guest);
	config.queue_count = QUEUES;
	config.queue_size_max = SIZE;
	config.queues = queues;
	config.ring_features = VIOMMU_F_EVENT_IDX | VIOMMU_F_RING_RESET;
	config.device_class = &fake_class;
	config.class_ctx = &fake;
	assert_int_equal(viommu_registers_init(&regs, &config), VIOMMU_OK);
	is_sound();
	viommu_registers_set_status(&regs, ACK_DRIVER);
	is_sound();
	viommu_registers_set_features(&regs, VIOMMU_F_VERSION_1 | VIOMMU_F_EVENT_IDX | VIOMMU_F_RING_RESET | 1);
	is_sound();
	viommu_registers_set_status(&regs, AGREED);
	is_sound();
	assert_int_equal(viommu_registers_queue_enable(&regs, 1, &layout), VIOMMU_OK);
	viommu_registers_set_status(&regs, RUNNING);
	is_sound();
	check_protect(&regs, sizeof regs);
	check_protect(queues, sizeof queues);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	check_protect_none();
	return 0;
}

static bool registers_is_valid(void)
{
	return viommu_registers_is_valid(&regs);
}

static bool registers_check(void)
{
	return viommu_registers_check(&regs);
}

/* clang-format off */
#define CASES(X)												\
	X(AT_ONCE, no_class, regs.device_class = NULL)								\
	X(AT_ONCE, offers_what_it_does_not_have, regs.offered_ring |= 1)					\
	X(AT_ONCE, does_not_offer_version_1, regs.offered_ring &= ~VIOMMU_F_VERSION_1)				\
	X(AT_ONCE, no_queues, regs.queues = NULL)								\
	X(AT_ONCE, not_one_queue, regs.queue_count = 0)								\
	X(AT_ONCE, largest_size_not_a_power_of_two, regs.queue_size_max = 9)					\
	X(AT_ONCE, unknown_status_bit, regs.status |= 16)							\
	X(AT_ONCE, runs_without_agreement, regs.status &= (uint8_t)~VIOMMU_STATUS_FEATURES_OK)			\
	X(AT_ONCE, features_survive_a_reset, regs.resetting = true; regs.status = VIOMMU_STATUS_NEEDS_RESET)	\
	X(AT_ONCE, status_survives_a_reset, regs.resetting = true; regs.features = 0)				\
	X(AT_ONCE, features_without_driver, regs.status = ACK)							\
	X(AT_ONCE, agreement_without_version_1, regs.features = 1)						\
	X(IN_DETAIL, queue_reset_running_before_driver_ok, queues[0].reset = VIOMMU_VIRTQ_RESET_RUNNING;	\
	  regs.status = AGREED)											\
	X(IN_DETAIL, queue_reset_before_agreement, queues[1].state = VIOMMU_VIRTQ_OFF;				\
	  queues[0].reset = VIOMMU_VIRTQ_RESET_DONE; regs.status = ACK_DRIVER)					\
	X(IN_DETAIL, queue_is_not_valid, queues[1].size = 7)							\
	X(IN_DETAIL, queue_larger_than_allowed, regs.queue_size_max = SIZE / 2)					\
	X(IN_DETAIL, queue_on_before_agreement, regs.status = ACK_DRIVER)					\
	X(IN_DETAIL, queue_on_during_a_reset, regs.resetting = true; regs.features = 0;				\
	  regs.status = VIOMMU_STATUS_NEEDS_RESET)
/* clang-format on */

CASES(DEFINE_CASE)

static void test_registers_check__each_condition__is_seen(void **state)
{
	static const struct check_case cases[] = { CASES(LIST_CASE) };

	(void)state;
	check_run(cases, COUNT_OF(cases), registers_is_valid, registers_check);
}

static void test_registers_check__reset_that_takes_long__sound_all_the_time(void **state)
{
	(void)state;
	viommu_registers_needs_reset(&regs);
	is_sound();
	viommu_registers_set_status(&regs, 0);
	is_sound();
	assert_true(viommu_registers_queue_is_enabled(&regs, 1));
	is_sound();
	assert_int_not_equal(viommu_registers_get_status(&regs), 0);
	fake.settled = true;
	assert_int_equal(viommu_registers_get_status(&regs), 0);
	is_sound();
}

static void test_registers_check__queue_reset_that_takes_long__sound_all_the_time(void **state)
{
	(void)state;
	assert_int_equal(viommu_registers_queue_reset(&regs, 1), VIOMMU_OK);
	is_sound();
	fake.settled = true;
	assert_false(viommu_registers_queue_is_resetting(&regs, 1));
	is_sound();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_registers_check__each_condition__is_seen, make, unmake),
		cmocka_unit_test_setup_teardown(test_registers_check__queue_reset_that_takes_long__sound_all_the_time,
						make, unmake),
		cmocka_unit_test_setup_teardown(test_registers_check__reset_that_takes_long__sound_all_the_time, make,
						unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
