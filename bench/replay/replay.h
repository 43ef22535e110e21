/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * replay.h: the library's device at seam A, which a recorded trace runs through. replay.c is in the program twice: over
 * the device as it is, and over the same device with a structure of the benchmarks in place of libviommu/map
 * (map_over.c). So both differ in the map and in nothing else.
 */
#ifndef VIOMMU_BENCH_REPLAY_H
#define VIOMMU_BENCH_REPLAY_H

#include "../structures/structure.h"

#include <viommu/wire.h>

/* One line of a trace. */
struct bench_replay_step {
	uint8_t request[VIOMMU_WIRE_REQUEST_MAX]; /* encoded; unless it is a lookup */
	uint32_t request_len;
	uint32_t written;  /* wanted: bytes of the reply, which ends with the status OK */
	uint32_t endpoint; /* of a lookup */
	uint32_t access;   /* VIOMMU_ACCESS_*; 0: no lookup */
	uint64_t iova;
	uint64_t gpa; /* wanted */
};

struct bench_replay_steps {
	struct bench_replay_step *steps;
	uint32_t count;
	uint32_t *endpoints;
	uint32_t endpoint_count;
	uint32_t nodes; /* ample for the library's map */
};

struct bench_replay_ops {
	/* A device with these endpoints. NULL: no memory. */
	void *(*open)(const struct bench_replay_steps *steps, const struct bench_structure *structure);
	void (*close)(void *replay);
	/* The device as it is after power-on. */
	void (*reset)(void *replay);
	/* All steps. False: an answer was not what it should be. */
	bool (*run)(void *replay);
};

extern const struct bench_replay_ops bench_replay, bench_replay_over;

#endif /* VIOMMU_BENCH_REPLAY_H */
