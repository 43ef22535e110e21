/* SPDX-License-Identifier: BSD-3-Clause */
/* load.h: making a map of mappings that are known to be good. */
#ifndef VIOMMU_MAP_LOAD_H
#define VIOMMU_MAP_LOAD_H

#include <viommu/map.h>

/*
 * Adds a mapping that viommu_map_insert would take. It asks for no more nodes than it puts into the tree: what fitted
 * into so many once fits again, in any order. False: there are not enough, and a part of the mapping is in the map,
 * which is good for nothing but viommu_map_clear. Steps: as viommu_map_insert.
 */
bool viommu_i_map_load(struct viommu_map *map, const struct viommu_mapping *mapping);

#endif /* VIOMMU_MAP_LOAD_H */
