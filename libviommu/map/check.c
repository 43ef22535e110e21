/* SPDX-License-Identifier: BSD-3-Clause */
/* check.c: every invariant of the tree, for tests. */
#include "node.h"

/* What has been seen so far, in address order. */
struct progress {
	uint64_t end;  /* behind the last chunk */
	uint64_t phys; /* where the mapping goes on, if it is open */
	uint64_t flags;
	bool open; /* a mapping has had its FIRST and not yet its LAST */
};

static bool check_leaf(const struct viommu_map *map, const struct viommu_map_node *node, uint32_t slot,
		       struct progress *p)
{
	uint64_t entry = node->entry[slot];
	uint64_t first = node->prefix + viommu_port_shl64(slot, 4 * node->level);
	uint64_t bytes = viommu_port_shl64(viommu_port_shl64(1, 4 * node->level), map->granule_bits); /* 0: 2^64 */

	if ((entry & ENTRY_LEAF) == 0 || p->open == ((entry & ENTRY_FIRST) != 0))
		return false;
	if (p->open && (first != p->end || (entry & ENTRY_VALUE) != p->phys || (entry & ENTRY_FLAGS) != p->flags))
		return false;
	p->open = (entry & ENTRY_LAST) == 0;
	p->end = (first | level_mask(node->level)) + 1;
	p->phys = (entry & ENTRY_VALUE) + bytes;
	p->flags = entry & ENTRY_FLAGS;
	return true;
}

/* The node itself, seen from its parent: level and prefix fit, the count is right, a level that could be skipped is. */
static bool check_node(const struct viommu_map_node *node, uint64_t entry, const struct viommu_map_node *parent)
{
	uint32_t used = 0;
	uint32_t leaves = 0;

	for (uint32_t i = 0; i < VIOMMU_MAP_FANOUT; i++) {
		used += node->entry[i] != 0;
		leaves += (node->entry[i] & ENTRY_LEAF) != 0;
	}
	if (node->level != entry_level(entry) || (node->prefix & level_mask(node->level + 1)) != 0)
		return false;
	if (used != node->used || used == 0 || (used == 1 && leaves == 0))
		return false;
	return parent == NULL ||
	       (node->level < parent->level && level_covers(parent->prefix, parent->level, node->prefix));
}

bool viommu_map_check(const struct viommu_map *map)
{
	const struct viommu_map_node *path[VIOMMU_MAP_LEVELS];
	uint32_t slots[VIOMMU_MAP_LEVELS];
	struct progress p = { 0 };
	uint64_t entry = map->root;
	uint32_t depth = 0;

	while (entry != 0 || depth > 0) {
		if ((entry & ENTRY_TABLE) != 0) {
			const struct viommu_map_node *node = viommu_i_map_node(map->pool, entry_index(entry));

			if (depth == VIOMMU_MAP_LEVELS || !check_node(node, entry, depth > 0 ? path[depth - 1] : NULL))
				return false;
			if (depth > 0 && level_digit(node->prefix, path[depth - 1]->level) != slots[depth - 1] - 1)
				return false;
			path[depth] = node;
			slots[depth++] = 0;
		} else if (entry != 0 && !check_leaf(map, path[depth - 1], slots[depth - 1] - 1, &p)) {
			return false;
		}
		while (depth > 0 && slots[depth - 1] == VIOMMU_MAP_FANOUT)
			depth--;
		entry = depth > 0 ? path[depth - 1]->entry[slots[depth - 1]++] : 0;
	}
	return !p.open;
}
