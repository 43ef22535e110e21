/* SPDX-License-Identifier: BSD-3-Clause */
/* test_env.c: the environment itself: what it counts, when it strikes, and that it would notice. */
#include <string.h>

#include "suite.h"

#include "sim/env/env.h"

/* The accessors as the library sees them in this program; port.h would give us the inline ones. */
uint16_t env_load16(const void *p) __asm__("viommu_port_load16");
uint16_t env_load16_acquire(const void *p) __asm__("viommu_port_load16_acquire");
uint32_t env_load32(const void *p) __asm__("viommu_port_load32");
void env_store16(void *p, uint16_t value) __asm__("viommu_port_store16");
void env_store32(void *p, uint32_t value) __asm__("viommu_port_store32");
void env_copy_in(void *dst, const void *peer, size_t len) __asm__("viommu_port_copy_in");
void env_copy_out(void *peer, const void *src, size_t len) __asm__("viommu_port_copy_out");
void env_fence(void) __asm__("viommu_port_fence");

static _Alignas(8) uint8_t memory[64];

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(memory); i++)
		memory[i] = (uint8_t)(i + 1);
	return 0;
}

static void test_accessors__little_endian__on_every_machine(void **state)
{
	uint8_t copy[3] = { 0 };

	(void)state;
	sim_env_begin(SIM_ENV_PLAIN, 0);
	assert_int_equal(env_load16(memory + 2), 0x0403);
	assert_int_equal(env_load16_acquire(memory + 4), 0x0605);
	assert_int_equal(env_load32(memory + 4), 0x08070605);
	env_store16(memory + 6, 0xa1b2);
	assert_int_equal(memory[6], 0xb2);
	assert_int_equal(memory[7], 0xa1);
	env_store32(memory + 8, 0x01020304);
	assert_int_equal(memory[8], 4);
	assert_int_equal(memory[11], 1);
	env_copy_in(copy, memory + 13, 3);
	assert_int_equal(copy[2], 16);
	env_copy_out(memory + 33, copy, 3);
	assert_int_equal(memory[35], 16);
	assert_int_equal(sim_env_events(), 7);
}

/* Only what is read again counts, by bytes, and only until the next look at an index. */
static void test_counting__second_read__is_noticed(void **state)
{
	uint8_t copy[8];

	(void)state;
	sim_env_begin(SIM_ENV_COUNTING, 0);
	(void)env_load16_acquire(memory);
	(void)env_load16(memory + 2);
	env_copy_in(copy, memory + 4, 8);
	assert_int_equal(sim_env_read_again(), 0);
	(void)env_load32(memory + 8); /* a part of the copy */
	assert_int_equal(sim_env_read_again(), 4);
	(void)env_load16(memory + 2);
	assert_int_equal(sim_env_read_again(), 6);
	(void)env_load16_acquire(memory); /* a new look */
	(void)env_load16(memory + 2);
	assert_int_equal(sim_env_read_again(), 6);
	env_fence();
	(void)env_load16(memory + 2);
	sim_env_operation();
	(void)env_load16(memory + 2);
	sim_env_access();
	(void)env_load16(memory + 2);
	assert_int_equal(sim_env_read_again(), 6);
	sim_env_allow_aliases();
	assert_int_equal(sim_env_read_again(), 0);
	sim_env_begin(SIM_ENV_PLAIN, 0);
}

static void test_flip__nth_read__that_byte_changes_afterwards(void **state)
{
	(void)state;
	for (uint64_t at = 1; at <= 4; at++) {
		unsigned changed = 0;

		(void)setup(NULL);
		sim_env_begin(SIM_ENV_FLIP, at);
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(env_load32(memory + 4 * i), 0x04030201 + i * 0x04040404);
		for (unsigned i = 0; i < sizeof(memory); i++) {
			if (memory[i] != i + 1) {
				changed++;
				assert_int_equal(i / 4, at - 1);
			}
		}
		assert_int_equal(changed, 1);
		assert_true(sim_env_has_fired());
		assert_int_equal(sim_env_points(), 4);
	}
	sim_env_begin(SIM_ENV_PLAIN, 0);
}

static void test_fail__nth_call__once_or_from_then_on(void **state)
{
	(void)state;
	for (uint64_t at = 0; at <= 6; at++) {
		sim_env_begin(SIM_ENV_FAIL_ONCE, at);
		for (uint64_t i = 1; i <= 5; i++) {
			assert_int_equal(sim_env_call(SIM_ENV_WAIT, 0, 0), i == at);
			assert_false(sim_env_call(SIM_ENV_LOCK, 0, 0)); /* cannot fail */
		}
		assert_int_equal(sim_env_has_fired(), at >= 1 && at <= 5);
		assert_int_equal(sim_env_points(), 5);
		sim_env_begin(SIM_ENV_FAIL_ALWAYS, at);
		for (uint64_t i = 1; i <= 5; i++)
			assert_int_equal(sim_env_call(SIM_ENV_RESOLVE, 0, 0), at != 0 && i >= at);
	}
	sim_env_begin(SIM_ENV_PLAIN, 0);
	assert_false(sim_env_call(SIM_ENV_WAIT, 0, 0));
}

static unsigned resets;

static void count_reset(void *ctx)
{
	(void)ctx;
	resets++;
}

/* Inside a callback of the device a reset waits until the fixture is back; inside one of the driver it need not. */
static void test_reset__in_a_callback__now_or_at_the_next_operation(void **state)
{
	(void)state;
	resets = 0;
	sim_env_begin(SIM_ENV_RESET, 2);
	sim_env_on_reset(count_reset, &resets, true);
	sim_env_operation();
	assert_false(sim_env_call(SIM_ENV_RESOLVE, 0, 0));
	assert_int_equal(resets, 0);
	sim_env_operation();
	assert_int_equal(resets, 1);
	sim_env_operation();
	assert_int_equal(resets, 1);

	sim_env_begin(SIM_ENV_RESET, 1);
	sim_env_on_reset(count_reset, &resets, true);
	assert_false(sim_env_call(SIM_ENV_WAIT, 0, 0));
	assert_int_equal(resets, 2);

	sim_env_begin(SIM_ENV_RESET, 1);
	sim_env_on_reset(count_reset, &resets, false);
	assert_false(sim_env_call(SIM_ENV_WAIT, 0, 0));
	assert_int_equal(resets, 2);
	sim_env_operation();
	assert_int_equal(resets, 3);

	sim_env_begin(SIM_ENV_RESET, 1);
	sim_env_on_reset(count_reset, &resets, true);
	sim_env_no_reset(&resets);
	sim_env_operation();
	assert_int_equal(resets, 3);
	assert_false(sim_env_has_fired());
	sim_env_begin(SIM_ENV_PLAIN, 0);
}

static void nothing(void *ctx)
{
	(void)ctx;
}

/* Each thing that is part of the trace: what was called, with what, what was read and written, in which order. */
static uint64_t trace_of(enum sim_env_site site, uint64_t a, uint64_t b, uint16_t read, bool before)
{
	sim_env_begin(SIM_ENV_PLAIN, 0);
	memory[0] = (uint8_t)read;
	memory[1] = (uint8_t)(read >> 8);
	if (before)
		(void)env_load16(memory);
	(void)sim_env_call(site, a, b);
	if (!before)
		(void)env_load16(memory);
	return sim_env_trace();
}

static void test_trace__any_difference__shows(void **state)
{
	const uint64_t trace = trace_of(SIM_ENV_WAIT, 1, 2, 3, false);

	(void)state;
	assert_int_equal(trace, trace_of(SIM_ENV_WAIT, 1, 2, 3, false));
	assert_int_not_equal(trace, trace_of(SIM_ENV_LOCK, 1, 2, 3, false));
	assert_int_not_equal(trace, trace_of(SIM_ENV_WAIT, 2, 2, 3, false));
	assert_int_not_equal(trace, trace_of(SIM_ENV_WAIT, 1, 1, 3, false));
	assert_int_not_equal(trace, trace_of(SIM_ENV_WAIT, 1, 2, 0x103, false));
	assert_int_not_equal(trace, trace_of(SIM_ENV_WAIT, 1, 2, 3, true));
	sim_env_pause(true);
	assert_false(sim_env_call(SIM_ENV_WAIT, 1, 2));
	(void)env_load16(memory);
	env_store16(memory, 1);
	env_fence();
	sim_env_pause(false);
	assert_int_equal(sim_env_events(), 2);
}

static unsigned order[4];
static unsigned ends;

static void note_end(void *ctx)
{
	assert_true(sim_env_is_ending());
	order[ends++] = *(unsigned *)ctx;
}

static void test_end__objects__checked_once_in_reverse_order_undisturbed(void **state)
{
	static unsigned ids[3] = { 1, 2, 3 };

	(void)state;
	ends = 0;
	sim_env_begin(SIM_ENV_FAIL_ALWAYS, 1);
	for (unsigned i = 0; i < 3; i++)
		sim_env_on_end(note_end, &ids[i]);
	sim_env_on_end(note_end, &ids[0]); /* again: the last one counts */
	sim_env_on_end(nothing, &ids[0]);
	assert_int_equal(sim_env_promises(), 5);
	sim_env_end(note_end, &ids[1]);
	assert_false(sim_env_is_ending());
	assert_true(sim_env_call(SIM_ENV_WAIT, 0, 0));
	sim_env_check_end();
	assert_false(sim_env_call(SIM_ENV_WAIT, 0, 0));
	assert_int_equal(ends, 3);
	assert_int_equal(order[0], 2);
	assert_int_equal(order[1], 1);
	assert_int_equal(order[2], 3);
	sim_env_begin(SIM_ENV_PLAIN, 0);
}

static void count_step(void *ctx)
{
	++*(unsigned *)ctx;
}

static void test_step__every_access_and_callback__is_one(void **state)
{
	unsigned steps = 0;

	(void)state;
	sim_env_begin(SIM_ENV_PLAIN, 0);
	sim_env_on_step(count_step, &steps);
	(void)env_load16(memory);
	env_store16(memory, 1);
	env_fence();
	env_copy_in(memory + 8, memory, 4);
	env_copy_out(memory, memory + 8, 4);
	(void)sim_env_call(SIM_ENV_WAIT, 0, 0);
	assert_int_equal(steps, 6);
	sim_env_on_step(NULL, NULL);
	sim_env_operation();
	assert_int_equal(steps, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_accessors__little_endian__on_every_machine, setup),
		cmocka_unit_test_setup(test_counting__second_read__is_noticed, setup),
		cmocka_unit_test_setup(test_flip__nth_read__that_byte_changes_afterwards, setup),
		cmocka_unit_test(test_fail__nth_call__once_or_from_then_on),
		cmocka_unit_test(test_reset__in_a_callback__now_or_at_the_next_operation),
		cmocka_unit_test(test_trace__any_difference__shows),
		cmocka_unit_test(test_end__objects__checked_once_in_reverse_order_undisturbed),
		cmocka_unit_test(test_step__every_access_and_callback__is_one),
	};

	return suite_run(tests);
}
