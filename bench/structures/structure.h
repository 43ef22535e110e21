/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * structure.h: an IOVA map as the benchmarks see it: the library's own, and what peers use in its place. All of them
 * keep the same contract behind the same calls; structures_check.c compares each with a naive model.
 *
 *     map     makes [first, last] -> phys, or answers false if it overlaps a mapping
 *     unmap   removes all mappings inside [first, last], or answers false if one lies only partly inside
 *     lookup  where iova leads, and the flags of its mapping; false if it is not mapped
 *
 * A false answer has changed nothing. Running out of memory ends the program. first, last + 1 and phys of a map are
 * multiples of 4096.
 */
#ifndef VIOMMU_BENCH_STRUCTURE_H
#define VIOMMU_BENCH_STRUCTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench_structure {
	const char *name;
	uint32_t mappings_max; /* with more it would take too long */
	/* An empty one, with memory for this many mappings if it needs to know. */
	void *(*open)(uint32_t mappings);
	void (*close)(void *s);
	bool (*map)(void *s, uint64_t first, uint64_t last, uint64_t phys, uint32_t flags);
	bool (*unmap)(void *s, uint64_t first, uint64_t last);
	bool (*lookup)(void *s, uint64_t iova, uint64_t *phys, uint32_t *flags);
	/*
	 * The same for one thread that looks up beside another one that maps and unmaps. NULL: they need a lock around
	 * each call.
	 */
	bool (*lookup_beside)(void *s, uint64_t iova, uint64_t *phys, uint32_t *flags);
	bool (*unmap_beside)(void *s, uint64_t first, uint64_t last);
	/* Bytes that the mappings take. NULL: they are all in malloc's books. */
	uint64_t (*bytes)(const void *s);
};

/* The library's own comes first. Ends with one without a name. */
extern const struct bench_structure bench_structures[];

/* The functions of one structure, as its file defines them. */
#define BENCH_STRUCTURE_FUNCTIONS(name)                                                                                \
	void *bench_##name##_open(uint32_t mappings);                                                                  \
	void bench_##name##_close(void *s);                                                                            \
	bool bench_##name##_map(void *s, uint64_t first, uint64_t last, uint64_t phys, uint32_t flags);                \
	bool bench_##name##_unmap(void *s, uint64_t first, uint64_t last);                                             \
	bool bench_##name##_lookup(void *s, uint64_t iova, uint64_t *phys, uint32_t *flags)

BENCH_STRUCTURE_FUNCTIONS(viommu);
BENCH_STRUCTURE_FUNCTIONS(gtree);
BENCH_STRUCTURE_FUNCTIONS(btreemap);
BENCH_STRUCTURE_FUNCTIONS(stdmap);
BENCH_STRUCTURE_FUNCTIONS(scan);

bool bench_viommu_lookup_beside(void *s, uint64_t iova, uint64_t *phys, uint32_t *flags);
bool bench_viommu_unmap_beside(void *s, uint64_t first, uint64_t last);
uint64_t bench_viommu_bytes(const void *s);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_BENCH_STRUCTURE_H */
