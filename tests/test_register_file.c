/* SPDX-License-Identifier: BSD-3-Clause */
/* test_register_file.c: what the register files of all transports have in common. */
#include "check_cases.h"
#include "register_fixture.h"
#include "suite.h"

#include <viommu/transport/file.h>

#define R(name) VIOMMU_REGISTER_##name
#define LAST R(QUEUE_USED_HIGH)
#define VECTORS 3u
#define NO_VECTOR VIOMMU_REGISTER_NO_VECTOR

static struct register_fixture fixture;
static struct viommu_register_file file;
static struct viommu_register_queue parts[REGISTER_QUEUES];

static void begin_reset(void *ctx)
{
	assert_ptr_equal(ctx, &file);
	viommu_register_file_reset(&file);
}

static void reset_queue(void *ctx, uint32_t queue)
{
	assert_ptr_equal(ctx, &file);
	viommu_register_file_reset_queue(&file, queue);
}

static const struct viommu_interrupt_ops interrupts = { .size = sizeof interrupts,
							.reset = begin_reset,
							.queue_reset = reset_queue };

static uint32_t get(enum viommu_register which)
{
	return viommu_register_file_read(&file, which);
}

static void set(enum viommu_register which, uint32_t value)
{
	viommu_register_file_write(&file, which, value);
	assert_true(viommu_register_file_check(&file));
}

static int make(void **state)
{
	(void)state;
	register_fixture_init(&fixture, &interrupts, &file);
	memset(parts, 0xa5, sizeof parts);
	memset(&file, 0xa5, sizeof file);
	viommu_register_file_init(&file, &fixture.regs, parts, VECTORS);
	assert_true(viommu_register_file_is_valid(&file) && viommu_register_file_check(&file));
	return 0;
}

static void select_queue(uint32_t queue)
{
	set(R(QUEUE_SELECT), queue);
}

static void agree_on(uint64_t features)
{
	set(R(STATUS), ACK_DRIVER);
	set(R(DRIVER_FEATURES_SELECT), 1);
	set(R(DRIVER_FEATURES), (uint32_t)((VIOMMU_F_VERSION_1 | features) >> 32));
	set(R(STATUS), AGREED);
	assert_int_equal(get(R(STATUS)), AGREED);
}

static void agree(void)
{
	agree_on(0);
}

static void lay_out(uint32_t queue)
{
	struct viommu_virtq_layout l = register_fixture_layout(queue);

	select_queue(queue);
	set(R(QUEUE_DESC_LOW), (uint32_t)l.desc);
	set(R(QUEUE_DESC_HIGH), (uint32_t)(l.desc >> 32));
	set(R(QUEUE_AVAIL_LOW), (uint32_t)l.avail);
	set(R(QUEUE_AVAIL_HIGH), (uint32_t)(l.avail >> 32));
	set(R(QUEUE_USED_LOW), (uint32_t)l.used);
	set(R(QUEUE_USED_HIGH), (uint32_t)(l.used >> 32));
}

static void enable(uint32_t queue)
{
	lay_out(queue);
	set(R(QUEUE_ENABLE), 1);
	assert_int_equal(get(R(QUEUE_ENABLE)), 1);
}

/* All that is stored of a queue before it is enabled. */
static const struct {
	enum viommu_register which;
	uint32_t fresh;
} queue_parts[] = {
	{ R(QUEUE_SIZE), REGISTER_QUEUE_SIZE },
	{ R(QUEUE_DESC_LOW), 0 },
	{ R(QUEUE_DESC_HIGH), 0 },
	{ R(QUEUE_AVAIL_LOW), 0 },
	{ R(QUEUE_AVAIL_HIGH), 0 },
	{ R(QUEUE_USED_LOW), 0 },
	{ R(QUEUE_USED_HIGH), 0 },
};

/* The selected queue, as the driver found it. */
static void assert_fresh_queue(void)
{
	assert_int_equal(get(R(QUEUE_ENABLE)), 0);
	assert_int_equal(get(R(QUEUE_RESET)), 0);
	assert_int_equal(get(R(QUEUE_VECTOR)), NO_VECTOR);
	assert_int_equal(viommu_register_file_queue_vector(&file, get(R(QUEUE_SELECT))), NO_VECTOR);
	assert_int_equal(get(R(QUEUE_SIZE_MAX)), REGISTER_QUEUE_SIZE);
	for (size_t i = 0; i < COUNT_OF(queue_parts); i++)
		assert_int_equal(get(queue_parts[i].which), queue_parts[i].fresh);
}

static void assert_fresh(void)
{
	assert_int_equal(get(R(NONE)), 0);
	assert_int_equal(get(R(DEVICE_FEATURES_SELECT)), 0);
	assert_int_equal(get(R(DRIVER_FEATURES_SELECT)), 0);
	assert_int_equal(get(R(DRIVER_FEATURES)), 0);
	assert_int_equal(get(R(STATUS)), 0);
	assert_int_equal(get(R(CONFIG_VECTOR)), NO_VECTOR);
	assert_int_equal(get(R(QUEUE_COUNT)), REGISTER_QUEUES);
	assert_int_equal(get(R(QUEUE_SELECT)), 0);
	assert_int_equal(viommu_register_file_pending(&file), 0);
	assert_int_equal(viommu_register_file_config_vector(&file), NO_VECTOR);
	for (uint32_t queue = 0; queue < REGISTER_QUEUES; queue++) {
		select_queue(queue);
		assert_fresh_queue();
	}
	select_queue(0);
}

static void test_register_file__after_init__nothing_selected_nothing_stored(void **state)
{
	(void)state;
	assert_fresh();
}

static void test_register_file__device_features__in_halves(void **state)
{
	const uint64_t offered = REGISTER_FEATURES | REGISTER_RING_FEATURES;

	(void)state;
	assert_int_equal(get(R(DEVICE_FEATURES)), (uint32_t)offered);
	set(R(DEVICE_FEATURES_SELECT), 1);
	assert_int_equal(get(R(DEVICE_FEATURES)), (uint32_t)(offered >> 32));
	assert_int_equal(get(R(DEVICE_FEATURES_SELECT)), 1);
	set(R(DEVICE_FEATURES_SELECT), 2);
	assert_int_equal(get(R(DEVICE_FEATURES)), 0);
	set(R(DEVICE_FEATURES_SELECT), UINT32_MAX);
	assert_int_equal(get(R(DEVICE_FEATURES)), 0);
	assert_true(get(R(DEVICE_FEATURES_SELECT)) == UINT32_MAX);
}

static void test_register_file__driver_features__in_halves_and_none_beyond(void **state)
{
	(void)state;
	set(R(STATUS), ACK_DRIVER);
	set(R(DRIVER_FEATURES), 0x12345678);
	set(R(DRIVER_FEATURES_SELECT), 1);
	assert_int_equal(get(R(DRIVER_FEATURES)), 0);
	set(R(DRIVER_FEATURES), 0xfedcba98);
	assert_true(get(R(DRIVER_FEATURES)) == 0xfedcba98);
	set(R(DRIVER_FEATURES_SELECT), 2);
	set(R(DRIVER_FEATURES), UINT32_MAX);
	assert_int_equal(get(R(DRIVER_FEATURES)), 0);
	assert_true(fixture.regs.features == UINT64_C(0xfedcba9812345678));
	set(R(DRIVER_FEATURES_SELECT), 0);
	assert_int_equal(get(R(DRIVER_FEATURES)), 0x12345678);
	set(R(DRIVER_FEATURES), 1);
	assert_true(fixture.regs.features == UINT64_C(0xfedcba9800000001));
}

/* Status has 8 bits; a register may have more, and only a 0 in all of them is a reset. */
static void test_register_file__status__only_zero_resets(void **state)
{
	(void)state;
	set(R(STATUS), ACK_DRIVER);
	set(R(STATUS), 0x100);
	assert_int_equal(fixture.fake.resets, 0);
	assert_int_equal(get(R(STATUS)), ACK_DRIVER);
	set(R(STATUS), 0xffffff00 | ACK_DRIVER | VIOMMU_STATUS_FAILED);
	assert_int_equal(get(R(STATUS)), ACK_DRIVER | VIOMMU_STATUS_FAILED);
	set(R(STATUS), 0);
	assert_int_equal(fixture.fake.resets, 1);
	assert_int_equal(get(R(STATUS)), 0);
}

static void test_register_file__read_only__stores_do_nothing(void **state)
{
	static const enum viommu_register which[] = { R(NONE), R(DEVICE_FEATURES), R(CONFIG_GENERATION), R(QUEUE_COUNT),
						      R(QUEUE_SIZE_MAX) };

	(void)state;
	viommu_registers_config_changed(&fixture.regs);
	for (size_t i = 0; i < COUNT_OF(which); i++) {
		uint32_t before = get(which[i]);

		set(which[i], before ^ 0xffff);
		assert_int_equal(get(which[i]), before);
		assert_fresh();
	}
	assert_int_equal(get(R(CONFIG_GENERATION)), 1);
}

static void test_register_file__parts_of_a_queue__each_its_own(void **state)
{
	(void)state;
	for (uint32_t queue = 0; queue < REGISTER_QUEUES; queue++) {
		select_queue(queue);
		assert_int_equal(get(R(QUEUE_SELECT)), queue);
		for (size_t i = 0; i < COUNT_OF(queue_parts); i++)
			set(queue_parts[i].which, (uint32_t)(0xc0de0000 + 0x100 * queue + i));
	}
	for (uint32_t queue = 0; queue < REGISTER_QUEUES; queue++) {
		select_queue(queue);
		for (size_t i = 0; i < COUNT_OF(queue_parts); i++)
			assert_true(get(queue_parts[i].which) == (uint32_t)(0xc0de0000 + 0x100 * queue + i));
	}
	set(R(STATUS), 0);
	assert_fresh();
}

static void test_register_file__no_such_queue__reads_0_and_stores_nothing(void **state)
{
	static const uint32_t queues[] = { REGISTER_QUEUES, 0x10000, UINT32_MAX };

	(void)state;
	agree();
	for (size_t i = 0; i < COUNT_OF(queues); i++) {
		for (enum viommu_register which = R(QUEUE_SIZE_MAX); which <= LAST; which++) {
			select_queue(queues[i]);
			set(which, 1);
			assert_int_equal(get(which), which == R(QUEUE_VECTOR) ? NO_VECTOR : 0);
			assert_true(get(R(QUEUE_SELECT)) == queues[i]);
		}
	}
	set(R(STATUS), 0);
	assert_fresh();
}

static void test_register_file__enabled_queue__parts_stay_as_they_are(void **state)
{
	struct viommu_virtq_layout l = register_fixture_layout(1);

	(void)state;
	agree();
	enable(1);
	for (size_t i = 0; i < COUNT_OF(queue_parts); i++) {
		uint32_t before = get(queue_parts[i].which);

		set(queue_parts[i].which, ~before);
		assert_true(get(queue_parts[i].which) == before);
	}
	assert_true(parts[1].layout.desc == l.desc && parts[1].layout.avail == l.avail &&
		    parts[1].layout.used == l.used && parts[1].layout.size == l.size);
	set(R(QUEUE_ENABLE), 1); /* again: nothing new */
	assert_int_equal(get(R(QUEUE_ENABLE)), 1);
	select_queue(0);
	assert_int_equal(get(R(QUEUE_ENABLE)), 0);
	set(R(QUEUE_SIZE), 8);
	assert_int_equal(get(R(QUEUE_SIZE)), 8);
}

static void test_register_file__parts_that_are_no_queue__not_enabled(void **state)
{
	static const struct {
		enum viommu_register which;
		uint32_t value;
	} wrong[] = {
		{ R(QUEUE_SIZE), 0 },       { R(QUEUE_SIZE), 3 },         { R(QUEUE_SIZE), 2 * REGISTER_QUEUE_SIZE },
		{ R(QUEUE_DESC_LOW), 8 },   { R(QUEUE_DESC_HIGH), 0 },    { R(QUEUE_AVAIL_LOW), 1 },
		{ R(QUEUE_AVAIL_HIGH), 7 }, { R(QUEUE_USED_HIGH), 0xff }, { R(QUEUE_USED_LOW), 2 },
	};

	(void)state;
	agree();
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		uint32_t right;

		lay_out(0);
		right = get(wrong[i].which);
		set(wrong[i].which, wrong[i].value);
		set(R(QUEUE_ENABLE), 1);
		assert_int_equal(get(R(QUEUE_ENABLE)), 0);
		set(wrong[i].which, right);
	}
	enable(0);
}

static void test_register_file__enable_before_agreement__nothing(void **state)
{
	(void)state;
	lay_out(0);
	set(R(QUEUE_ENABLE), 1);
	assert_int_equal(get(R(QUEUE_ENABLE)), 0);
	agree();
	set(R(QUEUE_ENABLE), 2);
	assert_int_equal(get(R(QUEUE_ENABLE)), 0);
	set(R(QUEUE_ENABLE), 1);
	assert_int_equal(get(R(QUEUE_ENABLE)), 1);
	set(R(QUEUE_ENABLE), 2);
	assert_int_equal(get(R(QUEUE_ENABLE)), 1);
}

static void test_register_file__disable__before_driver_ok_and_after_it(void **state)
{
	(void)state;
	agree();
	enable(0);
	set(R(QUEUE_ENABLE), 0);
	assert_int_equal(get(R(QUEUE_ENABLE)), 0);
	set(R(QUEUE_SIZE), 4);
	enable(0);
	assert_int_equal(get(R(QUEUE_SIZE)), 4);
	set(R(STATUS), RUNNING);
	fixture.fake.settled = false;
	set(R(QUEUE_ENABLE), 0);
	assert_int_equal(get(R(QUEUE_ENABLE)), 1); /* buffers may be in use, and the driver is told */
	assert_int_equal(get(R(QUEUE_RESET)), 0);
	fixture.fake.settled = true;
	assert_int_equal(get(R(QUEUE_ENABLE)), 0);
	assert_int_equal(get(R(QUEUE_SIZE)), 4);
	set(R(QUEUE_ENABLE), 1);
	assert_int_equal(get(R(QUEUE_ENABLE)), 1);
	select_queue(1);
	set(R(QUEUE_ENABLE), 0);
	assert_int_equal(get(R(QUEUE_ENABLE)), 0);
}

/* GEN-DEV-VQRESET-02: any state of the queue, before DRIVER_OK and after it, enabled or not. */
static void test_register_file__queue_reset__size_addresses_and_vector_as_new(void **state)
{
	(void)state;
	agree_on(VIOMMU_F_RING_RESET);
	for (unsigned round = 0; round < 4; round++) {
		for (uint32_t queue = 0; queue < REGISTER_QUEUES; queue++) {
			lay_out(queue);
			set(R(QUEUE_SIZE), 4);
			set(R(QUEUE_VECTOR), queue);
			if (round % 2 == 0)
				set(R(QUEUE_ENABLE), 1);
		}
		if (round == 2)
			set(R(STATUS), RUNNING);
		select_queue(1);
		set(R(QUEUE_RESET), 1);
		assert_fresh_queue();
		set(R(QUEUE_ENABLE), 1); /* where it was before: that is forgotten */
		assert_int_equal(get(R(QUEUE_ENABLE)), 0);
		select_queue(0); /* the other one is as it was */
		assert_int_equal(get(R(QUEUE_SIZE)), 4);
		assert_int_equal(get(R(QUEUE_VECTOR)), 0);
		assert_int_equal(get(R(QUEUE_ENABLE)), round % 2 == 0 || round == 3);
		if (round == 0)
			set(R(QUEUE_ENABLE), 0);
	}
	enable(1);
}

static void test_register_file__queue_reset_not_negotiated__parts_stay(void **state)
{
	(void)state;
	agree();
	lay_out(1);
	set(R(QUEUE_SIZE), 4);
	set(R(QUEUE_RESET), 1);
	assert_int_equal(get(R(QUEUE_SIZE)), 4);
	set(R(QUEUE_ENABLE), 1);
	assert_int_equal(get(R(QUEUE_ENABLE)), 1);
	set(R(QUEUE_RESET), 1);
	assert_int_equal(get(R(QUEUE_ENABLE)), 1);
	assert_int_equal(fixture.fake.queue_resets, 0);
}

static void test_register_file__uses_vector__of_a_queue_or_of_the_configuration(void **state)
{
	(void)state;
	assert_false(viommu_register_file_uses_vector(&file, 1));
	select_queue(1);
	set(R(QUEUE_VECTOR), 1);
	assert_true(viommu_register_file_uses_vector(&file, 1));
	assert_false(viommu_register_file_uses_vector(&file, 2));
	set(R(CONFIG_VECTOR), 2);
	assert_true(viommu_register_file_uses_vector(&file, 2));
}

static void test_register_file__vectors__those_that_are_there(void **state)
{
	static const uint32_t none[] = { VECTORS, 0xfffe, 0xffff, 0x10000, UINT32_MAX };

	(void)state;
	agree();
	enable(1);
	for (uint32_t v = 0; v < VECTORS; v++) {
		set(R(QUEUE_VECTOR), v);
		set(R(CONFIG_VECTOR), VECTORS - 1 - v);
		assert_int_equal(get(R(QUEUE_VECTOR)), v);
		assert_int_equal(get(R(CONFIG_VECTOR)), VECTORS - 1 - v);
		assert_int_equal(viommu_register_file_queue_vector(&file, 0), NO_VECTOR);
		assert_int_equal(viommu_register_file_queue_vector(&file, 1), v);
		assert_int_equal(viommu_register_file_config_vector(&file), VECTORS - 1 - v);
	}
	for (size_t i = 0; i < COUNT_OF(none); i++) {
		set(R(QUEUE_VECTOR), 0);
		set(R(CONFIG_VECTOR), 0);
		set(R(QUEUE_VECTOR), none[i]);
		set(R(CONFIG_VECTOR), none[i]);
		assert_int_equal(get(R(QUEUE_VECTOR)), NO_VECTOR);
		assert_int_equal(get(R(CONFIG_VECTOR)), NO_VECTOR);
	}
}

static void test_register_file__transport_without_vectors__never_one(void **state)
{
	(void)state;
	viommu_register_file_init(&file, &fixture.regs, parts, 0);
	set(R(CONFIG_VECTOR), 0);
	assert_int_equal(get(R(CONFIG_VECTOR)), NO_VECTOR);
}

/* Nothing of the new life begins before the old one has ended. */
static void test_register_file__reset_that_takes_long__nothing_is_stored_until_its_end(void **state)
{
	(void)state;
	agree();
	enable(0);
	set(R(QUEUE_VECTOR), 1);
	set(R(STATUS), RUNNING);
	fixture.fake.settled = false;
	set(R(STATUS), 0);
	for (enum viommu_register which = R(NONE); which <= LAST; which++)
		set(which, 1);
	assert_int_equal(get(R(STATUS)), VIOMMU_STATUS_NEEDS_RESET);
	assert_int_equal(get(R(QUEUE_ENABLE)), 1); /* the old queue: it may still be written to */
	assert_int_equal(get(R(QUEUE_SELECT)), 0);
	fixture.fake.settled = true;
	assert_fresh();
	agree();
	enable(1);
}

static void test_register_file__pending__added_and_taken(void **state)
{
	(void)state;
	viommu_register_file_raise(&file, VIOMMU_INTERRUPT_USED);
	assert_int_equal(viommu_register_file_pending(&file), VIOMMU_INTERRUPT_USED);
	viommu_register_file_raise(&file, VIOMMU_INTERRUPT_CONFIG);
	viommu_register_file_raise(&file, VIOMMU_INTERRUPT_CONFIG);
	assert_int_equal(viommu_register_file_pending(&file), 3);
	viommu_register_file_acknowledge(&file, VIOMMU_INTERRUPT_USED | 0xf0);
	assert_int_equal(viommu_register_file_pending(&file), VIOMMU_INTERRUPT_CONFIG);
	set(R(STATUS), 0);
	assert_int_equal(viommu_register_file_pending(&file), 0);
}

/* The checks */

static int make_busy(void **state)
{
	assert_int_equal(make(state), 0);
	agree();
	enable(1);
	set(R(QUEUE_VECTOR), 1);
	set(R(CONFIG_VECTOR), 2);
	set(R(STATUS), RUNNING);
	viommu_register_file_raise(&file, 3);
	check_protect(&file, sizeof file);
	check_protect(parts, sizeof parts);
	check_protect(&fixture, sizeof fixture);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	check_protect_none();
	return 0;
}

static bool file_is_valid(void)
{
	return viommu_register_file_is_valid(&file);
}

static bool file_check(void)
{
	return viommu_register_file_check(&file);
}

/* clang-format off */
#define CASES(X)												\
	X(AT_ONCE, no_registers, file.registers = NULL)								\
	X(AT_ONCE, no_queues, file.queues = NULL)								\
	X(AT_ONCE, too_many_vectors, file.vector_count = NO_VECTOR + 1)						\
	X(AT_ONCE, unknown_interrupt, file.pending |= 4)							\
	X(AT_ONCE, no_such_config_vector, file.config_vector = VECTORS)						\
	X(IN_DETAIL, registers_are_broken, fixture.regs.queue_count = 0)					\
	X(IN_DETAIL, no_such_queue_vector, parts[1].vector = VECTORS)
/* clang-format on */

CASES(DEFINE_CASE)

static void test_register_file_check__each_condition__is_seen(void **state)
{
	static const struct check_case cases[] = { CASES(LIST_CASE) };

	(void)state;
	check_run(cases, COUNT_OF(cases), file_is_valid, file_check);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_register_file__after_init__nothing_selected_nothing_stored, make),
		cmocka_unit_test_setup(test_register_file__device_features__in_halves, make),
		cmocka_unit_test_setup(test_register_file__driver_features__in_halves_and_none_beyond, make),
		cmocka_unit_test_setup(test_register_file__status__only_zero_resets, make),
		cmocka_unit_test_setup(test_register_file__read_only__stores_do_nothing, make),
		cmocka_unit_test_setup(test_register_file__parts_of_a_queue__each_its_own, make),
		cmocka_unit_test_setup(test_register_file__no_such_queue__reads_0_and_stores_nothing, make),
		cmocka_unit_test_setup(test_register_file__enabled_queue__parts_stay_as_they_are, make),
		cmocka_unit_test_setup(test_register_file__parts_that_are_no_queue__not_enabled, make),
		cmocka_unit_test_setup(test_register_file__enable_before_agreement__nothing, make),
		cmocka_unit_test_setup(test_register_file__disable__before_driver_ok_and_after_it, make),
		cmocka_unit_test_setup(test_register_file__queue_reset__size_addresses_and_vector_as_new, make),
		cmocka_unit_test_setup(test_register_file__queue_reset_not_negotiated__parts_stay, make),
		cmocka_unit_test_setup(test_register_file__uses_vector__of_a_queue_or_of_the_configuration, make),
		cmocka_unit_test_setup(test_register_file__vectors__those_that_are_there, make),
		cmocka_unit_test_setup(test_register_file__transport_without_vectors__never_one, make),
		cmocka_unit_test_setup(test_register_file__reset_that_takes_long__nothing_is_stored_until_its_end,
				       make),
		cmocka_unit_test_setup(test_register_file__pending__added_and_taken, make),
		cmocka_unit_test_setup_teardown(test_register_file_check__each_condition__is_seen, make_busy, unmake),
	};

	return suite_run(tests);
}
