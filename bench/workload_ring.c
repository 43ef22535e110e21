/* SPDX-License-Identifier: BSD-3-Clause */
/* workload_ring.c: requests through a ring, with nothing behind it. README.md says what each workload is. */
#include "rings/trips.h"
#include "workload.h"

#include <viommu/wire.h>

#include <stdlib.h>

static void *ring_setup(const struct bench_ring_workload *workload, const struct bench_ring_pair *pair, uint32_t batch,
			struct bench_facts *facts)
{
	struct bench_trips *t = malloc(sizeof(*t));

	if (t != NULL && bench_trips_init(t, pair, workload->features, batch)) {
		facts->operations = batch;
		return t;
	}
	free(t);
	return NULL;
}

static void ring_teardown(void *state)
{
	bench_trips_deinit(state);
	free(state);
}

static bool ring_run(void *state, uint64_t iterations)
{
	return bench_trips_run(state, iterations);
}

static bool ring_run_threads(void *state, uint64_t iterations)
{
	return bench_trips_run_threads(state, iterations);
}

#define RING(which, with)                                                                                              \
	{                                                                                                              \
		.name = which, .features = with, .setup = ring_setup, .run = ring_run, .teardown = ring_teardown       \
	}
#define THREADS(which, with)                                                                                           \
	{                                                                                                              \
		.name = which, .features = with, .setup = ring_setup, .run = ring_run_threads,                         \
		.teardown = ring_teardown, .waits = true                                                               \
	}
#define EVENT VIOMMU_F_EVENT_IDX
#define INDIRECT VIOMMU_F_INDIRECT_DESC

const struct bench_ring_workload bench_ring_workloads[] = {
	RING("direct", 0),
	RING("direct-event", EVENT),
	RING("indirect", INDIRECT),
	RING("indirect-event", INDIRECT | EVENT),
	THREADS("threads-direct", 0),
	THREADS("threads-direct-event", EVENT),
	THREADS("threads-indirect", INDIRECT),
	THREADS("threads-indirect-event", INDIRECT | EVENT),
	{ .name = NULL },
};
