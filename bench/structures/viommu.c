/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * viommu.c: the library's own map.
 *
 * An unmap here also takes apart all nodes that it cut out. In the library that happens later and in portions; here it
 * has to be in the measured time, as it is for the others, which free each mapping in place.
 */
#include "structure.h"

#include <viommu/map.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define GRANULE_BITS 12u

struct own_map {
	struct viommu_map map;
	struct viommu_map_pool pool;
	struct viommu_map_limbo limbo;
	void *nodes;

	/* With a reader beside the owner. Its sections are on a cache line of their own. */
	_Alignas(64) atomic_ullong section; /* of the reader: odd while it is in one */
	_Alignas(64) struct viommu_map_limbo waiting;
	uint64_t seen; /* the section when `waiting` was filled */
	uint32_t unmaps;
};

/* How often the owner looks whether the reader has moved on: a look takes the cache line from it. */
#define UNMAPS_PER_LOOK 32u

void *bench_viommu_open(uint32_t mappings)
{
	/* Ample for every workload. What is not touched costs nothing. */
	const size_t len = ((size_t)mappings * 4 + 64) * VIOMMU_MAP_NODE_SIZE;
	struct own_map *m = aligned_alloc(64, sizeof(*m));

	if (m == NULL)
		abort();
	memset(m, 0, sizeof(*m));
	if ((m->nodes = malloc(len)) == NULL)
		abort();
	viommu_map_pool_init(&m->pool);
	if (viommu_map_pool_add(&m->pool, m->nodes, len) != VIOMMU_OK)
		abort();
	viommu_map_init(&m->map, &m->pool, GRANULE_BITS);
	return m;
}

void bench_viommu_close(void *s)
{
	struct own_map *m = s;

	free(m->nodes);
	free(m);
}

bool bench_viommu_map(void *s, uint64_t first, uint64_t last, uint64_t phys, uint32_t flags)
{
	struct own_map *m = s;
	const enum viommu_result result = viommu_map_insert(&m->map, first, last, phys, flags);

	if (result != VIOMMU_OK && result != VIOMMU_E_EXISTS)
		abort();
	return result == VIOMMU_OK;
}

bool bench_viommu_unmap(void *s, uint64_t first, uint64_t last)
{
	struct own_map *m = s;

	if (viommu_map_remove(&m->map, first, last, &m->limbo) != VIOMMU_OK)
		return false;
	viommu_map_pool_retire(&m->pool, &m->limbo);
	(void)viommu_map_pool_reclaim(&m->pool, UINT32_MAX);
	return true;
}

bool bench_viommu_lookup(void *s, uint64_t iova, uint64_t *phys, uint32_t *flags)
{
	const struct own_map *m = s;
	struct viommu_mapping found;

	if (!viommu_map_lookup(&m->map, iova, &found))
		return false;
	*phys = found.phys;
	*flags = found.flags;
	return true;
}

/* A section for each lookup, as for a DMA that asks once. */
bool bench_viommu_lookup_beside(void *s, uint64_t iova, uint64_t *phys, uint32_t *flags)
{
	struct own_map *m = s;
	const uint64_t section = atomic_load_explicit(&m->section, memory_order_relaxed) + 1;
	bool found;

	(void)atomic_exchange(&m->section, section); /* seen by the owner, or we see what it did */
	found = bench_viommu_lookup(s, iova, phys, flags);
	atomic_store_explicit(&m->section, section + 1, memory_order_release);
	return found;
}

/* What was cut out waits, some unmaps long, until the reader has left the section in which it may have seen it. */
static void look_at_reader(struct own_map *m)
{
	const uint64_t section = atomic_fetch_add(&m->section, 0);

	if (m->waiting.first == 0 || m->seen % 2 == 0 || section != m->seen) {
		viommu_map_pool_retire(&m->pool, &m->waiting);
		viommu_map_limbo_move(&m->pool, &m->waiting, &m->limbo);
		m->seen = section;
		(void)viommu_map_pool_reclaim(&m->pool, UINT32_MAX);
	}
}

bool bench_viommu_unmap_beside(void *s, uint64_t first, uint64_t last)
{
	struct own_map *m = s;

	if (viommu_map_remove(&m->map, first, last, &m->limbo) != VIOMMU_OK)
		return false;
	if (++m->unmaps % UNMAPS_PER_LOOK == 0)
		look_at_reader(m);
	return true;
}

uint64_t bench_viommu_bytes(const void *s)
{
	const struct own_map *m = s;

	return (uint64_t)(viommu_map_pool_total(&m->pool) - viommu_map_pool_free(&m->pool)) * VIOMMU_MAP_NODE_SIZE;
}
