/* SPDX-License-Identifier: BSD-3-Clause */
/* pages.h: which addresses the workloads map, and in which order. All of it follows from the seed. */
#ifndef VIOMMU_BENCH_PAGES_H
#define VIOMMU_BENCH_PAGES_H

#include "structures/structure.h"

#include "sim/random.h"

#define BENCH_PAGE UINT64_C(4096)
#define BENCH_IOVA_BASE UINT64_C(0x100000000)
#define BENCH_SEED 1u
#define BENCH_FLAGS 3u /* READ and WRITE */
#define BENCH_HOT 64u

/*
 * Page numbers 0 to 2n - 1, shuffled, as two halves: those that are mapped and those that are not. A churn swaps one of
 * each, so that half of the space stays mapped.
 */
struct bench_pages {
	uint32_t *live;
	uint32_t *spare;
	uint32_t n;
	struct sim_random random;
};

bool bench_pages_init(struct bench_pages *p, uint32_t n);
void bench_pages_deinit(struct bench_pages *p);

static inline uint64_t bench_iova(uint32_t page)
{
	return BENCH_IOVA_BASE + page * BENCH_PAGE;
}

/* Scattered, below 2^48. */
static inline uint64_t bench_phys(uint32_t page)
{
	return (page * UINT64_C(0x9e3779b1) & UINT64_C(0xfffffffff)) * BENCH_PAGE;
}

/* 0 to n - 1, without a division in the measured loop. */
static inline uint32_t bench_below(struct sim_random *random, uint32_t n)
{
	return (uint32_t)((sim_random_next(random) >> 32) * n >> 32);
}

/* A page that is mapped, and one that is not: they change places. */
static inline void bench_pages_swap(struct bench_pages *p, uint32_t *out, uint32_t *in)
{
	uint32_t *live = &p->live[bench_below(&p->random, p->n)];
	uint32_t *spare = &p->spare[bench_below(&p->random, p->n)];

	*out = *live;
	*in = *spare;
	*live = *in;
	*spare = *out;
}

#endif /* VIOMMU_BENCH_PAGES_H */
