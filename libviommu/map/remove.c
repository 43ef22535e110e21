/* SPDX-License-Identifier: BSD-3-Clause */
/* remove.c: cutting mappings out. Work is along the two edges of the range; whole subtrees between them just leave. */
#include "known.h"

#include "node.h"

/* Drops an entry that lies inside the range completely. */
static void drop(struct viommu_map *map, struct viommu_map_node *node, uint32_t slot, struct viommu_map_limbo *limbo)
{
	uint64_t entry = node->entry[slot];

	if ((entry & ENTRY_TABLE) != 0)
		viommu_i_map_limbo_add(map->pool, limbo, entry_index(entry));
	viommu_port_set64(&node->entry[slot], 0);
	node->used--;
}

/*
 * Drops what lies inside [a, b] in one node. Returns the slot of the one entry that lies inside partly and has to be
 * looked into, or VIOMMU_MAP_FANOUT.
 */
static uint32_t drop_covered(struct viommu_map *map, struct viommu_map_node *node, uint64_t a, uint64_t b,
			     struct viommu_map_limbo *limbo)
{
	uint64_t node_last = node->prefix | level_mask(node->level + 1);
	uint32_t from = a > node->prefix ? level_digit(a, node->level) : 0;
	uint32_t to = b < node_last ? level_digit(b, node->level) : VIOMMU_MAP_FANOUT - 1;
	uint32_t partly = VIOMMU_MAP_FANOUT;

	for (uint32_t slot = from; slot <= to; slot++) {
		uint64_t first = node->prefix + viommu_port_shl64(slot, 4 * node->level);

		if (node->entry[slot] == 0)
			continue;
		if (a <= first && (first | level_mask(node->level)) <= b)
			drop(map, node, slot, limbo);
		else
			partly = slot;
	}
	VIOMMU_ASSERT(partly == VIOMMU_MAP_FANOUT || (node->entry[partly] & ENTRY_TABLE) != 0);
	return partly;
}

/*
 * A node without entries leaves; one with a single node below it is skipped from now on. parent is NULL for the root,
 * and where the node has entries. Returns whether the node is still in the tree.
 */
static bool tidy(struct viommu_map *map, uint64_t *ref, struct viommu_map_node *parent, struct viommu_map_limbo *limbo)
{
	uint32_t index = entry_index(*ref);
	struct viommu_map_node *node = viommu_i_map_node(map->pool, index);
	uint32_t slot = 0;

	if (node->used > 1)
		return true;
	if (node->used == 0) {
		viommu_port_set64(ref, 0);
		if (parent != NULL)
			parent->used--;
		viommu_i_map_limbo_add(map->pool, limbo, index);
		return false;
	}
	while (node->entry[slot] == 0)
		slot++;
	if ((node->entry[slot] & ENTRY_TABLE) == 0)
		return true;
	viommu_port_set64(ref, node->entry[slot]);
	node->level |= NODE_ALONE;
	viommu_i_map_limbo_add(map->pool, limbo, index);
	return false;
}

/*
 * Cuts [a, b], of which at most one edge is not the edge of a chunk in the tree: the walk down is a single path. A node
 * that stays on it has another entry, so that of those above one that leaves at most the next one is skipped.
 */
static void cut_path(struct viommu_map *map, uint64_t a, uint64_t b, struct viommu_map_limbo *limbo)
{
	struct viommu_map_node *parent = NULL;
	uint64_t *above = NULL; /* leads to the parent */
	uint64_t *ref = &map->root;

	while (*ref != 0) {
		struct viommu_map_node *node = entry_node(map->pool, *ref);
		uint64_t node_last = node->prefix | level_mask(node->level + 1);
		uint32_t partly;

		if (b < node->prefix || node_last < a)
			break;
		partly = drop_covered(map, node, a, b, limbo);
		if (!tidy(map, ref, parent, limbo))
			continue; /* with what took its place */
		if (partly == VIOMMU_MAP_FANOUT)
			break;
		parent = node;
		above = ref;
		ref = &node->entry[partly];
	}
	if (parent != NULL)
		(void)tidy(map, above, NULL, limbo);
}

static void cut(struct viommu_map *map, uint64_t a, uint64_t b, struct viommu_map_limbo *limbo)
{
	uint32_t level = 0;
	uint64_t left, right;

	/*
	 * The level at which a and b part: there, a's chunk is the left edge, b's the right edge, between them all is
	 * whole.
	 */
	while (!level_covers(a, level, b))
		level++;
	/* All of a block one level up may be a single chunk there, which has no edges below. */
	if (level == 0 || ((a | ~b) & level_mask(level + 1)) == 0) {
		cut_path(map, a, b, limbo);
		return;
	}
	left = a | level_mask(level);
	right = b & ~level_mask(level);
	cut_path(map, a, left, limbo);
	if (left + 1 < right)
		cut_path(map, left + 1, right - 1, limbo);
	cut_path(map, right, b, limbo);
}

/*
 * What is asked most often: granules a to b are one chunk, and that is all of its mapping. It goes in one walk, and no
 * node above the first one that keeps two entries changes. False: it is not so, and nothing was changed. In line: it is
 * nearly all that viommu_map_remove does then.
 */
static VIOMMU_INLINE bool cut_chunk(struct viommu_map *map, uint64_t a, uint64_t b, struct viommu_map_limbo *limbo)
{
	struct viommu_map_node *node = NULL;
	struct viommu_map_node *parent = NULL;
	uint64_t *to_node = NULL;
	uint64_t *to_parent = NULL;
	uint64_t *ref = &map->root;
	uint32_t level = 0;

	while ((*ref & ENTRY_TABLE) != 0) {
		to_parent = to_node;
		to_node = ref;
		parent = node;
		level = entry_level(*ref);
		node = entry_node(map->pool, *ref);
		ref = &node->entry[level_digit(a, level)];
	}
	/* The prefix of the last node settles for the skipped levels, too, whether it is the way to a. */
	if ((~*ref & (ENTRY_FIRST | ENTRY_LAST)) != 0 || !level_covers(node->prefix, level, a))
		return false;
	if ((a & level_mask(level)) != 0 || b != (a | level_mask(level)))
		return false;
	drop(map, node, level_digit(a, level), limbo);
	if (node->used <= 1 && !tidy(map, to_node, parent, limbo) && parent != NULL)
		(void)tidy(map, to_parent, NULL, limbo);
	return true;
}

/* So that what it needs does not lie on the driver's stack under a cut along two edges. */
static VIOMMU_NOINLINE bool cut_chunk_apart(struct viommu_map *map, uint64_t a, uint64_t b,
					    struct viommu_map_limbo *limbo)
{
	return cut_chunk(map, a, b, limbo);
}

/*
 * Would a mapping be split at this edge of a range, ENTRY_FIRST or ENTRY_LAST, that is at granule g? in_granule: the
 * edge is not even one of the granule.
 */
static VIOMMU_NOINLINE bool splits(const struct viommu_map *map, uint64_t g, uint64_t edge, bool in_granule)
{
	struct chunk c;

	if (!viommu_i_map_find(map, g, &c))
		return false;
	return in_granule || (edge == ENTRY_FIRST ? c.first : c.last) != g || (c.entry & edge) == 0;
}

/* Would mappings be split by taking [first, last] out? */
static bool is_splitting(const struct viommu_map *map, viommu_iova first, viommu_iova last)
{
	uint64_t below = viommu_port_shl64(1, map->granule_bits) - 1;

	return splits(map, viommu_port_shr64(first, map->granule_bits), ENTRY_FIRST, (first & below) != 0) ||
	       splits(map, viommu_port_shr64(last, map->granule_bits), ENTRY_LAST, (~last & below) != 0);
}

void viommu_i_map_cut(struct viommu_map *map, viommu_iova first, viommu_iova last, struct viommu_map_limbo *limbo)
{
	uint64_t a = viommu_port_shr64(first, map->granule_bits);
	uint64_t b = viommu_port_shr64(last, map->granule_bits);

	VIOMMU_ASSERT(!is_splitting(map, first, last));
	if (!cut_chunk_apart(map, a, b, limbo) && map->root != 0)
		cut(map, a, b, limbo);
	VIOMMU_ASSERT(viommu_map_is_valid(map));
}

enum viommu_result viommu_map_remove(struct viommu_map *map, viommu_iova first, viommu_iova last,
				     struct viommu_map_limbo *limbo)
{
	uint64_t below = viommu_port_shl64(1, map->granule_bits) - 1;
	uint64_t a = viommu_port_shr64(first, map->granule_bits);
	uint64_t b = viommu_port_shr64(last, map->granule_bits);

	VIOMMU_ASSERT(viommu_map_is_valid(map));
	if (last < first)
		return VIOMMU_E_ARG;
	if (((first | ~last) & below) == 0 && cut_chunk(map, a, b, limbo))
		return VIOMMU_OK;
	if (is_splitting(map, first, last))
		return VIOMMU_E_RANGE;
	viommu_i_map_cut(map, first, last, limbo);
	return VIOMMU_OK;
}

void viommu_map_clear(struct viommu_map *map, struct viommu_map_limbo *limbo)
{
	VIOMMU_ASSERT(viommu_map_is_valid(map));
	if (map->root != 0)
		viommu_i_map_limbo_add(map->pool, limbo, entry_index(map->root));
	viommu_port_set64(&map->root, 0);
}
