/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench.h: a benchmark as the C files of this folder describe it. harness.cc hands each to Google Benchmark, once per
 * argument, as "name/argument".
 */
#ifndef VIOMMU_BENCH_H
#define VIOMMU_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_ARGS_MAX 4u

struct bench_case {
	const char *name;
	uint32_t args[BENCH_ARGS_MAX]; /* sizes to run it with; ends with a 0 or when full */
	uint32_t items_per_arg;        /* items of one iteration: this times the argument; 0: one item */
	/* Everything that is not measured. NULL: it failed. */
	void *(*setup)(uint32_t arg);
	/* What is measured. False: it failed, or did not do what it should. */
	bool (*run)(void *state, uint64_t iterations);
	void (*teardown)(void *state);
};

/* Each ends with a case without a name. */
extern const struct bench_case bench_request_cases[];
extern const struct bench_case bench_translate_cases[];

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_BENCH_H */
