/* SPDX-License-Identifier: BSD-3-Clause */
/* regions.h: ranges of an endpoint that cannot be mapped, against what is mapped or is to be. For both sides. */
#ifndef VIOMMU_REGIONS_H
#define VIOMMU_REGIONS_H

#include <viommu/map.h>
#include <viommu/wire.h>

static inline bool viommu_i_regions_overlap(const struct viommu_resv_region *regions, uint32_t count,
					    struct viommu_range range)
{
	for (uint32_t i = 0; i < count; i++) {
		if (viommu_range_overlaps(regions[i].range, range))
			return true;
	}
	return false;
}

/* Is anything mapped in one of them? */
static inline bool viommu_i_regions_are_mapped(const struct viommu_resv_region *regions, uint32_t count,
					       const struct viommu_map *map)
{
	for (uint32_t i = 0; i < count; i++) {
		struct viommu_mapping m;

		if (viommu_map_next(map, regions[i].range.first, &m) && m.first <= regions[i].range.last)
			return true;
	}
	return false;
}

#endif /* VIOMMU_REGIONS_H */
