/* SPDX-License-Identifier: BSD-3-Clause */
/* random.h: repeatable random numbers (splitmix64) for the sim, the tests and the benchmarks. */
#ifndef VIOMMU_SIM_RANDOM_H
#define VIOMMU_SIM_RANDOM_H

#include <stdint.h>

struct sim_random {
	uint64_t state; /* the seed; any value */
};

static inline uint64_t sim_random_next(struct sim_random *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 to n - 1; n > 0. */
static inline uint64_t sim_random_below(struct sim_random *r, uint64_t n)
{
	return sim_random_next(r) % n;
}

#endif /* VIOMMU_SIM_RANDOM_H */
