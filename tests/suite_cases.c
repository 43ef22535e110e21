/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Suites that are broken in one way each, and one that is not, for suite_selftest: does the runner of suite.h see it?
 * The argument says which.
 */
#include "suite.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <viommu/memory.h>

#include "sim/env/env.h"

#define CALLS 3

static bool failed;      /* a callback, in this run */
static bool ever_failed; /* in any run */
static int runs;

static void call_some(void)
{
	failed = false;
	for (int i = 0; i < CALLS; i++)
		failed |= sim_env_call(SIM_ENV_WAIT, 0, 0);
	ever_failed |= failed;
	runs++;
}

static void holds(void *ctx)
{
	(void)ctx;
	assert_true(true);
}

static void holds_undisturbed(void *ctx)
{
	(void)ctx;
	assert_false(failed);
}

static void test_good(void **state)
{
	(void)state;
	sim_env_on_end(holds, NULL);
	call_some();
	assert_false(failed); /* a body may give up */
}

static void test_broken_promise(void **state)
{
	(void)state;
	sim_env_on_end(holds_undisturbed, NULL);
	call_some();
}

static void test_broken_after_abort(void **state)
{
	(void)state;
	sim_env_on_end(holds_undisturbed, NULL);
	call_some();
	assert_false(failed);
}

static int tear_down(void **state)
{
	(void)state;
	return failed ? -1 : 0;
}

static void test_crash(void **state)
{
	(void)state;
	sim_env_on_end(holds, NULL);
	call_some();
	if (failed)
		raise(SIGSEGV);
}

/* Fewer callbacks each time, so that the last point is gone when its turn comes. */
static void test_not_the_same_each_time(void **state)
{
	(void)state;
	sim_env_on_end(holds, NULL);
	for (int i = runs++; i < CALLS; i++)
		(void)sim_env_call(SIM_ENV_WAIT, 0, 0);
}

static void test_stays_behind(void **state)
{
	(void)state;
	sim_env_on_end(holds, NULL);
	assert_false(ever_failed);
	call_some();
}

static void test_promises_nothing(void **state)
{
	(void)state;
	call_some();
}

static void test_nothing_happens(void **state)
{
	(void)state;
	sim_env_on_end(holds, NULL);
}

static void test_fails_by_itself(void **state)
{
	(void)state;
	sim_env_on_end(holds, NULL);
	call_some();
	fail();
}

/* By the library, whose accessors are the environment's. */
static void read_shared(void)
{
	static uint8_t shared[2];
	static const struct viommu_memory_region region = { 0, sizeof(shared) - 1, shared, VIOMMU_ACCESS_READ };
	static struct viommu_memory_table table = { .regions = &region, .count = 1 };
	static const struct viommu_memory memory = { &viommu_memory_table_ops, &table };
	uint8_t copy[sizeof(shared)];

	assert_int_equal(viommu_memory_read(&memory, 0, copy, sizeof(copy)), sizeof(copy));
}

static void test_reads_once(void **state)
{
	(void)state;
	read_shared();
}

static void test_reads_twice(void **state)
{
	(void)state;
	read_shared();
	read_shared();
}

static const struct CMUnitTest cases[] = {
	{ "good", test_good, NULL, NULL, NULL },
	{ "broken_promise", test_broken_promise, NULL, NULL, NULL },
	{ "broken_after_abort", test_broken_after_abort, NULL, NULL, NULL },
	{ "broken_in_teardown", test_good, NULL, tear_down, NULL },
	{ "crash", test_crash, NULL, NULL, NULL },
	{ "not_the_same_each_time", test_not_the_same_each_time, NULL, NULL, NULL },
	{ "stays_behind", test_stays_behind, NULL, NULL, NULL },
	{ "promises_nothing", test_promises_nothing, NULL, NULL, NULL },
	{ "nothing_happens", test_nothing_happens, NULL, NULL, NULL },
	{ "fails_by_itself", test_fails_by_itself, NULL, NULL, NULL },
	{ "reads_once", test_reads_once, NULL, NULL, NULL },
	{ "reads_twice", test_reads_twice, NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(argv[1], cases[i].name) == 0)
			return suite_run_tests(__FILE__, &cases[i], 1);
	}
	fprintf(stderr, "suite_cases: no such case\n");
	return 2;
}
