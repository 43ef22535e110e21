/* SPDX-License-Identifier: BSD-3-Clause */
/* trips.h: requests that go through a ring and back, in batches: what is measured, counted and checked. */
#ifndef VIOMMU_BENCH_TRIPS_H
#define VIOMMU_BENCH_TRIPS_H

#include "ring.h"

#define BENCH_RING_SLOT 64u /* a request and, at its end, the tail */

struct bench_trips {
	const struct bench_ring_pair *pair;
	struct bench_ring_memory memory;
	struct viommu_virtq_layout layout;
	void *driver;
	void *device;
	uint8_t *slots; /* one for each request of a batch */
	uint64_t slots_addr;
	uint32_t batch;
	uint8_t request[BENCH_RING_REQUEST];
};

/* The rings and one that uses them, with the ring features of `features`. False: no memory, or refused. */
bool bench_trips_init(struct bench_trips *t, const struct bench_ring_pair *pair, uint64_t features, uint32_t batch);
void bench_trips_deinit(struct bench_trips *t);

/* In this thread: `batches` batches, each published at once. False: an answer was not what it should be. */
bool bench_trips_run(struct bench_trips *t, uint64_t batches);

/* The same with the device in a thread of its own. Both poll, nobody is kicked. */
bool bench_trips_run_threads(struct bench_trips *t, uint64_t batches);

#endif /* VIOMMU_BENCH_TRIPS_H */
