/* SPDX-License-Identifier: BSD-3-Clause */
/* insert.c: making a mapping, all of it or nothing. */
#include "node.h"

/* Consecutive chunks of one level within one node: what one write step puts in. Granules. */
struct run {
	uint64_t first;
	uint64_t last;
	uint32_t level;
	uint32_t count;
};

/* The longest run that starts at `first` and does not go beyond `last`. Steps: VIOMMU_MAP_LEVELS. */
static struct run next_run(uint64_t first, uint64_t last)
{
	struct run r = { .first = first };
	uint64_t chunks;

	while (r.level + 1 < VIOMMU_MAP_LEVELS && (first & level_mask(r.level + 1)) == 0 &&
	       last - first >= level_mask(r.level + 1))
		r.level++;
	r.count = VIOMMU_MAP_FANOUT - level_digit(first, r.level);
	chunks = viommu_port_shr64(last - first + 1, 4 * r.level);
	if (chunks < r.count)
		r.count = (uint32_t)chunks;
	r.last = first + viommu_port_shl64(r.count, 4 * r.level) - 1;
	return r;
}

/*
 * How many nodes an insert can need at most. Every run adds its node, where it is not there yet; the first run and the
 * one after the highest level may also need a node that joins them to what is in the tree.
 */
static uint32_t nodes_needed(uint64_t first, uint64_t last)
{
	uint32_t runs = 0;

	for (;;) {
		struct run r = next_run(first, last);

		runs++;
		if (r.last == last)
			return runs + (runs == 1 ? 1u : 2u);
		first = r.last + 1;
	}
}

/* A new node at this level in place of *ref, with what *ref led to below it. */
static struct viommu_map_node *join(struct viommu_map *map, uint64_t *ref, uint64_t g, uint32_t level)
{
	uint64_t below = *ref;
	uint32_t index = viommu_i_map_take(map->pool);
	struct viommu_map_node *node = viommu_i_map_node(map->pool, index);

	node->level = level;
	node->prefix = g & ~level_mask(level + 1);
	if (below != 0) {
		const struct viommu_map_node *child = entry_node(map->pool, below);

		node->entry[level_digit(child->prefix, level)] = below;
		node->used = 1;
	}
	viommu_port_set64(ref, entry_table(index, level));
	return node;
}

/*
 * The node that holds, or is to hold, chunks of this level around granule g. Steps: VIOMMU_MAP_LEVELS, takes up to 2
 * nodes.
 */
static struct viommu_map_node *node_for(struct viommu_map *map, uint64_t g, uint32_t level)
{
	uint64_t *ref = &map->root;

	for (;;) {
		struct viommu_map_node *node;
		uint32_t here = level;

		if (*ref == 0)
			return join(map, ref, g, level);
		node = entry_node(map->pool, *ref);
		if (here < node->level)
			here = node->level;
		while (!level_covers(node->prefix, here, g))
			here++;
		if (here > node->level)
			node = join(map, ref, g, here);
		if (here == level)
			return node;
		ref = &node->entry[level_digit(g, here)];
		if (*ref == 0)
			node->used++;
	}
}

/* Wraps: the entry behind the last one is not used. */
static VIOMMU_WRAPS void put_run(struct viommu_map *map, const struct run *r, uint64_t entry, bool head, bool tail)
{
	struct viommu_map_node *node = node_for(map, r->first, r->level);
	uint32_t slot = level_digit(r->first, r->level);
	/* Two shifts: a chunk can be the whole space, which one shift by 64 must not make. Its step, 0, is not used. */
	uint64_t step = viommu_port_shl64(viommu_port_shl64(1, 4 * r->level), map->granule_bits);

	node->used += r->count;
	for (uint32_t i = 0; i < r->count; i++, entry += step) {
		uint64_t edges = (head && i == 0 ? ENTRY_FIRST : 0) | (tail && i + 1 == r->count ? ENTRY_LAST : 0);

		VIOMMU_ASSERT(node->entry[slot + i] == 0);
		viommu_port_set64(&node->entry[slot + i], entry | edges);
	}
}

enum viommu_result viommu_map_insert(struct viommu_map *map, viommu_iova first, viommu_iova last, viommu_gpa phys,
				     uint32_t flags)
{
	uint64_t below = viommu_port_shl64(1, map->granule_bits) - 1;
	uint64_t g = viommu_port_shr64(first, map->granule_bits);
	uint64_t end = viommu_port_shr64(last, map->granule_bits);
	uint64_t start = g;
	struct chunk c;

	VIOMMU_ASSERT(viommu_map_is_valid(map));
	if (last < first || (flags & ~VIOMMU_MAP_FLAGS) != 0 || last - first > UINT64_MAX - phys)
		return VIOMMU_E_ARG;
	if (((first | ~last | phys) & below) != 0) /* the low bits of the last byte of a granule are all 1 */
		return VIOMMU_E_RANGE;
	if (viommu_i_map_seek(map, g, &c) && c.first <= end)
		return VIOMMU_E_EXISTS;
	if (!viommu_i_map_reserve(map->pool, nodes_needed(g, end)))
		return VIOMMU_E_NOMEM;

	for (;;) {
		struct run r = next_run(g, end);
		uint64_t target = phys + viommu_port_shl64(g - start, map->granule_bits);

		put_run(map, &r, target | flags | ENTRY_LEAF, g == start, r.last == end);
		if (r.last == end)
			break;
		g = r.last + 1;
	}
	VIOMMU_ASSERT(viommu_map_is_valid(map));
	return VIOMMU_OK;
}
