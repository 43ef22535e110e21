/* SPDX-License-Identifier: BSD-3-Clause */
/* load.c: making a mapping of which it is known that it can be made. */
#include "load.h"

#include "place.h"

bool viommu_i_map_load(struct viommu_map *map, const struct viommu_mapping *mapping)
{
	uint64_t start = viommu_port_shr64(mapping->first, map->granule_bits);
	uint64_t end = viommu_port_shr64(mapping->last, map->granule_bits);
	uint64_t g = start;

	for (;;) {
		uint64_t target = mapping->phys + viommu_port_shl64(g - start, map->granule_bits);
		struct run r = next_run(g, end);
		struct place p;

		(void)find_place(map, &r, &p);
		if (!viommu_i_map_reserve(map->pool, p.nodes))
			return false;
		put_run(map, &r, &p, target | mapping->flags | ENTRY_LEAF, g == start, r.last == end);
		if (r.last == end)
			return true;
		g = r.last + 1;
	}
}
