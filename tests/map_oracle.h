/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * map_oracle.h: what an IOVA map is, said as simply as possible: a sorted array. The tests make every change to a map
 * and to its oracle, and compare every answer.
 */
#ifndef VIOMMU_TESTS_MAP_ORACLE_H
#define VIOMMU_TESTS_MAP_ORACLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <viommu/map.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TOP UINT64_MAX

/* What map.h promises about nodes. */
#define INSERT_NODES_MAX (2 * VIOMMU_MAP_LEVELS + 2)
#define INSERT_NODES_ONE_GRANULE 2u

#define ORACLE_MAX 256u

extern const unsigned granules[4];

struct oracle {
	uint64_t granule;
	size_t count;
	struct viommu_mapping at[ORACLE_MAX]; /* by address */
};

/* The mapping that contains `iova`. */
const struct viommu_mapping *oracle_find(const struct oracle *o, uint64_t iova);
enum viommu_result oracle_set_flags(struct oracle *o, uint64_t first, uint64_t last, uint32_t flags);

struct pair {
	struct viommu_map map;
	struct oracle oracle;
};

/* Pairs of a map and its oracle, and the pool of all the maps. */
struct bench {
	struct viommu_map_pool pool;
	struct viommu_map_limbo limbo;
	void *mem;
	struct pair *pairs;
	size_t count;
};

void bench_init(struct bench *b, size_t nodes, size_t count);
struct pair *bench_map(struct bench *b, size_t i, unsigned granule_bits);
void recycle(struct bench *b);

/* Whatever a test did: with all maps cleared every node comes back. */
void bench_done(struct bench *b);

void assert_lookup_agrees(const struct pair *p, uint64_t iova);
void assert_next_agrees(const struct pair *p, uint64_t from);

/* The walk of map.h's comment sees exactly what the oracle holds, and each mapping ends where it should. */
void assert_same_content(const struct pair *p);

/* Inserts into both. NOMEM is an answer only where the pool is as low as map.h says. */
enum viommu_result insert_mapping(struct bench *b, struct pair *p, const struct viommu_mapping *m);
enum viommu_result insert(struct bench *b, struct pair *p, uint64_t first, uint64_t last, uint64_t phys,
			  uint32_t flags);

/* Removes from both. */
enum viommu_result take_out(struct bench *b, struct pair *p, uint64_t first, uint64_t last);

#endif /* VIOMMU_TESTS_MAP_ORACLE_H */
