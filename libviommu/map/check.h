/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check.h: map checks that count nodes. Those of the maps, those in limbo, and those of the pool (free, never used,
 * retired) are viommu_map_pool_total, all together.
 *
 * Each adds to *nodes. False: something is wrong, and *nodes means nothing.
 */
#ifndef VIOMMU_MAP_CHECK_H
#define VIOMMU_MAP_CHECK_H

#include <viommu/map.h>

/* viommu_map_check, viommu_map_pool_check. */
bool viommu_i_map_count(const struct viommu_map *map, uint32_t *nodes);
bool viommu_i_map_pool_count(const struct viommu_map_pool *pool, uint32_t *nodes);

/* The pool has been checked. */
bool viommu_i_map_limbo_count(const struct viommu_map_pool *pool, const struct viommu_map_limbo *limbo,
			      uint32_t *nodes);

#endif /* VIOMMU_MAP_CHECK_H */
