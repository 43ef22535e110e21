/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * suite.h: runs the tests of a file in an environment of sim/env/env.h, which is chosen from outside:
 *
 *   VIOMMU_ENV      plain (the default), counting, fail-once, fail-always, reset, flip, reset-system, reset-queue
 *   VIOMMU_TEST     only the test of this name
 *   VIOMMU_POINT    only this point of it, with all output: what a failed sweep tells to look at
 *   VIOMMU_SWEEP    how much a sweep may spend on one test, in accesses and callbacks (default 2^21)
 *   VIOMMU_SHUFFLE  a number: the tests in an order made from it
 *   VIOMMU_TRANSPORT  between driver and device, see sim/transport.h
 *   VIOMMU_MEMORY   copied: the device side gets no pointers to guest memory, in suites that go through suite_memory
 *
 * plain and counting are one run. The others are sweeps: a run of each test for each point where something can happen
 * (of very long tests, for points evenly spread over it; the output says how many). From then on the body's assertions
 * may fail, since it expects a life without trouble; what has to hold is what is registered with sim_env_on_end, that
 * nothing crashes, and that the next undisturbed run passes.
 */
#ifndef VIOMMU_TESTS_SUITE_H
#define VIOMMU_TESTS_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The exit status of the program. */
int suite_run_tests(const char *file, const struct CMUnitTest *tests, size_t count);

#define suite_run(tests) suite_run_tests(__FILE__, tests, sizeof(tests) / sizeof((tests)[0]))

/* A number from the environment, or this one. What is out of range, or none, fails the test. */
uint64_t suite_number(const char *name, uint64_t otherwise, uint64_t least, uint64_t most);

struct viommu_memory; /* viommu/memory.h: not included, test_env has accessors of its own */

/* The memory seam for a device: `pointers`, which stay in place, or with VIOMMU_MEMORY=copied what copies from them. */
struct viommu_memory suite_memory(const struct viommu_memory *pointers);
bool suite_memory_is_copied(void);

#endif /* VIOMMU_TESTS_SUITE_H */
