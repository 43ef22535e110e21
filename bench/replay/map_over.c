/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * map_over.c: the functions of viommu/map.h that the device calls, over a structure of the benchmarks. It is in
 * viommu_map.root, from the first insert to the clear. Nothing is ever in limbo: what is removed is gone at once, since
 * no reader comes beside the owner here.
 */
#include "map_over.h"

#include <viommu/map.h>

#include <stdlib.h>

static const struct bench_structure *over;

void bench_map_over(const struct bench_structure *structure)
{
	over = structure;
}

static void *structure_of(const struct viommu_map *map)
{
	return (void *)(uintptr_t)map->root;
}

void viommu_map_pool_init(struct viommu_map_pool *pool)
{
	*pool = (struct viommu_map_pool){ .total = 0 };
}

enum viommu_result viommu_map_pool_add(struct viommu_map_pool *pool, void *mem, size_t len)
{
	(void)pool;
	(void)mem;
	(void)len;
	return VIOMMU_OK;
}

void viommu_map_pool_retire(struct viommu_map_pool *pool, struct viommu_map_limbo *limbo)
{
	(void)pool;
	(void)limbo;
}

void viommu_map_limbo_move(const struct viommu_map_pool *pool, struct viommu_map_limbo *to,
			   struct viommu_map_limbo *from)
{
	(void)pool;
	(void)to;
	(void)from;
}

uint32_t viommu_map_pool_reclaim(struct viommu_map_pool *pool, uint32_t budget)
{
	(void)pool;
	(void)budget;
	return 0;
}

void viommu_map_init(struct viommu_map *map, struct viommu_map_pool *pool, unsigned granule_bits)
{
	*map = (struct viommu_map){ .pool = pool, .granule_bits = granule_bits };
}

enum viommu_result viommu_map_insert(struct viommu_map *map, viommu_iova first, viommu_iova last, viommu_gpa phys,
				     uint32_t flags)
{
	const uint64_t below = (UINT64_C(1) << map->granule_bits) - 1;

	if (last < first || (flags & ~VIOMMU_MAP_FLAGS) != 0 || last - first > UINT64_MAX - phys)
		return VIOMMU_E_ARG;
	if (((first | ~last | phys) & below) != 0)
		return VIOMMU_E_RANGE;
	if (map->root == 0)
		map->root = (uintptr_t)over->open(0);
	return over->map(structure_of(map), first, last, phys, flags) ? VIOMMU_OK : VIOMMU_E_EXISTS;
}

enum viommu_result viommu_map_remove(struct viommu_map *map, viommu_iova first, viommu_iova last,
				     struct viommu_map_limbo *limbo)
{
	(void)limbo;
	if (last < first)
		return VIOMMU_E_ARG;
	return map->root == 0 || over->unmap(structure_of(map), first, last) ? VIOMMU_OK : VIOMMU_E_RANGE;
}

void viommu_map_clear(struct viommu_map *map, struct viommu_map_limbo *limbo)
{
	(void)limbo;
	if (map->root != 0)
		over->close(structure_of(map));
	map->root = 0;
}

bool viommu_map_lookup(const struct viommu_map *map, viommu_iova iova, struct viommu_mapping *out)
{
	if (map->root == 0 || !over->lookup(structure_of(map), iova, &out->phys, &out->flags))
		return false;
	out->first = iova;
	out->last = iova | ((UINT64_C(1) << map->granule_bits) - 1);
	return true;
}

/* Asked only for the reserved regions of an endpoint: there are none here. */
bool viommu_map_next(const struct viommu_map *map, viommu_iova from, struct viommu_mapping *out)
{
	(void)map;
	(void)from;
	(void)out;
	abort();
}
