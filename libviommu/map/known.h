/* SPDX-License-Identifier: BSD-3-Clause */
/* known.h: for callers that know what is mapped in a range: nothing that reaches beyond it. Owner of the map. */
#ifndef VIOMMU_MAP_KNOWN_H
#define VIOMMU_MAP_KNOWN_H

#include <viommu/map.h>

/* As viommu_map_remove. */
void viommu_i_map_cut(struct viommu_map *map, viommu_iova first, viommu_iova last, struct viommu_map_limbo *limbo);

/* Of all that is there: these flags instead of those that are not to be kept. False: nothing is. Steps: chunks. */
bool viommu_i_map_mark(struct viommu_map *map, viommu_iova first, viommu_iova last, uint32_t kept, uint32_t flags);

#endif /* VIOMMU_MAP_KNOWN_H */
