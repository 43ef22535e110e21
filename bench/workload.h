/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * workload.h: a workload as the C files of this folder describe it. harness.cc hands each to Google Benchmark, once for
 * every structure and every round, as "workload/structure/n/round:r"; one of rings once for all pairs of halves and
 * every round, with the length of a batch as n.
 */
#ifndef VIOMMU_BENCH_WORKLOAD_H
#define VIOMMU_BENCH_WORKLOAD_H

#include "rings/ring.h"
#include "structures/structure.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What setup has to tell about a workload. */
struct bench_facts {
	uint32_t operations;      /* in one iteration; 1 unless setup says otherwise */
	double bytes_per_mapping; /* 0: means nothing here */
};

struct bench_workload {
	const char *name;
	/* Everything that is measured in no iteration: the structure with n mappings. NULL: it failed. */
	void *(*setup)(const struct bench_structure *structure, uint32_t n, struct bench_facts *facts);
	/* Not measured, before each iteration. NULL: one iteration follows the other. */
	bool (*prepare)(void *state);
	/* What is measured. False: it failed, or an answer was not what it should be. */
	bool (*run)(void *state, uint64_t iterations);
	void (*teardown)(void *state);
	/*
	 * Not measured, around each call of run: another thread begins, and ends, to be busy beside it. NULL: there is
	 * none.
	 */
	bool (*start)(void *state);
	bool (*stop)(void *state);
	bool waits; /* for another thread: time is that on the wall */
};

/* What a ring is asked to do; one iteration is a batch. */
struct bench_ring_workload {
	const char *name;
	uint64_t features; /* of the ring */
	void *(*setup)(const struct bench_ring_workload *workload, const struct bench_ring_pair *pair, uint32_t batch,
		       struct bench_facts *facts);
	bool (*run)(void *state, uint64_t iterations);
	void (*teardown)(void *state);
	bool waits; /* for another thread: a repetition lasts so long by the clock on the wall */
};

/* Each ends with a workload without a name. */
extern const struct bench_workload bench_map_workloads[];
extern const struct bench_workload bench_reader_workloads[];
extern const struct bench_workload bench_replay_workloads[];
extern const struct bench_workload bench_request_workloads[];
extern const struct bench_ring_workload bench_ring_workloads[];

/*
 * Ways to drive a device. An operation is a MAP and an UNMAP, a batch of them an iteration. dear: kicks take as long as
 * leaving a guest does.
 */
#define BENCH_DRIVER_BATCH_MAX 64u
const char *bench_driver_name(uint32_t way); /* NULL: there are no more */
void *bench_driver_setup(uint32_t way, uint32_t batch, bool dear, struct bench_facts *facts);
bool bench_driver_run(void *state, uint64_t iterations);
void bench_driver_teardown(void *state);
bool bench_driver_start(void *state);
bool bench_driver_stop(void *state);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_BENCH_WORKLOAD_H */
