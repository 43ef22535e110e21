/* SPDX-License-Identifier: BSD-3-Clause */
/* insert.c: making a mapping, all of it or nothing. */
#include "place.h"

/*
 * How many nodes several runs can need at most. Every run adds its node, where it is not there yet; the first run and
 * the one after the highest level may also need a node that joins them to what is in the tree.
 */
static uint32_t nodes_needed(uint64_t first, uint64_t last)
{
	uint32_t runs = 0;

	for (;;) {
		struct run r = next_run(first, last);

		runs++;
		if (r.last == last)
			return runs + 2;
		first = r.last + 1;
	}
}

enum viommu_result viommu_map_insert(struct viommu_map *map, viommu_iova first, viommu_iova last, viommu_gpa phys,
				     uint32_t flags)
{
	uint64_t below = viommu_port_shl64(1, map->granule_bits) - 1;
	uint64_t g = viommu_port_shr64(first, map->granule_bits);
	uint64_t end = viommu_port_shr64(last, map->granule_bits);
	uint64_t start = g;
	uint32_t nodes;
	struct place p;
	struct chunk c;
	struct run r;

	VIOMMU_ASSERT(viommu_map_is_valid(map));
	if (last < first || (flags & ~VIOMMU_MAP_FLAGS) != 0 || last - first > UINT64_MAX - phys)
		return VIOMMU_E_ARG;
	if (((first | ~last | phys) & below) != 0) /* the low bits of the last byte of a granule are all 1 */
		return VIOMMU_E_RANGE;
	r = next_run(g, end);
	if (!find_place(map, &r, &p))
		return VIOMMU_E_EXISTS;
	nodes = p.nodes; /* of a single run, as most mappings are, that is exact */
	if (r.last != end) {
		if (viommu_i_map_seek(map, r.last + 1, &c) && c.first <= end)
			return VIOMMU_E_EXISTS;
		nodes = nodes_needed(g, end);
	}
	if (!viommu_i_map_reserve(map->pool, nodes))
		return VIOMMU_E_NOMEM;

	for (;;) {
		uint64_t target = phys + viommu_port_shl64(g - start, map->granule_bits);

		put_run(map, &r, &p, target | flags | ENTRY_LEAF, g == start, r.last == end);
		if (r.last == end)
			break;
		g = r.last + 1;
		r = next_run(g, end);
		(void)find_place(map, &r, &p);
	}
	VIOMMU_ASSERT(viommu_map_is_valid(map));
	return VIOMMU_OK;
}
