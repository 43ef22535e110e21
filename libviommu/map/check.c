/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check.c: what is always true of pools and maps. Says so of bytes that are all wrong, too: an index is judged before
 * it is followed, and every walk has a bound.
 */
#include "check.h"
#include "node.h"

bool viommu_map_pool_is_valid(const struct viommu_map_pool *pool)
{
	if (pool->slab_count > VIOMMU_MAP_SLABS_MAX || pool->fresh > (uint64_t)pool->total + 1)
		return false;
	if (pool->free_list >= pool->fresh || pool->reclaim >= pool->fresh || pool->free_count >= pool->fresh)
		return false;
	return (pool->free_count == 0) == (pool->free_list == NO_NODE);
}

bool viommu_map_is_valid(const struct viommu_map *map)
{
	if (map->pool == NULL || map->granule_bits < 8 || map->granule_bits > 63)
		return false;
	if (!viommu_map_pool_is_valid(map->pool))
		return false;
	return map->root == 0 || ((map->root & ENTRY_TABLE) != 0 && entry_index(map->root) < map->pool->fresh);
}

static bool slabs_are_valid(const struct viommu_map_pool *pool)
{
	uint64_t next = node_place(NO_NODE + 1); /* a sum, which does not wrap */

	for (uint32_t i = 0; i < pool->slab_count; i++) {
		if (pool->slabs[i].nodes == NULL || pool->slabs[i].first != next)
			return false;
		next += pool->slabs[i].size;
	}
	return pool->total <= VIOMMU_MAP_NODES_MAX && next == node_place(pool->total + 1);
}

/* The node, if it has ever been used. The slabs are valid. */
static const struct viommu_map_node *node_at(const struct viommu_map_pool *pool, uint32_t index)
{
	return index != NO_NODE && index < pool->fresh ? viommu_i_map_node(pool, index) : NULL;
}

/* A walk down from one node, entry by entry, in the order of addresses. Levels fall on the way, so it has an end. */
struct walk {
	const struct viommu_map_pool *pool;
	const struct viommu_map_node *path[VIOMMU_MAP_LEVELS];
	uint8_t next[VIOMMU_MAP_LEVELS]; /* slot to be looked at, of each node of the path */
	uint32_t depth;
	uint32_t nodes; /* seen so far */
};

static void push(struct walk *w, const struct viommu_map_node *node)
{
	w->path[w->depth] = node;
	w->next[w->depth++] = 0;
	w->nodes++;
}

/* The next entry that is not 0. 0: that was the last one. */
static uint64_t next_entry(struct walk *w)
{
	while (w->depth > 0) {
		uint32_t top = w->depth - 1;
		uint64_t entry;

		if (w->next[top] == VIOMMU_MAP_FANOUT) {
			w->depth = top;
			continue;
		}
		entry = w->path[top]->entry[w->next[top]++];
		if (entry != 0)
			return entry;
	}
	return 0;
}

/* The count of entries is right, the node does not begin in the middle of its span, and it is needed at all. */
static bool node_is_valid(const struct viommu_map_node *node)
{
	uint32_t used = 0;
	uint32_t leaves = 0;

	for (uint32_t i = 0; i < VIOMMU_MAP_FANOUT; i++) {
		used += node->entry[i] != 0;
		leaves += (node->entry[i] & ENTRY_LEAF) != 0;
	}
	if (used != node->used || (node->prefix & level_mask(node->level + 1)) != 0)
		return false;
	return used > 1 || leaves > 0;
}

/* Is the node below the slot that the walk has just come from? Levels may be skipped. */
static bool is_in_place(const struct walk *w, const struct viommu_map_node *node)
{
	const struct viommu_map_node *parent;

	if (w->depth == 0)
		return node->level < VIOMMU_MAP_LEVELS;
	parent = w->path[w->depth - 1];
	return node->level < parent->level && level_covers(parent->prefix, parent->level, node->prefix) &&
	       level_digit(node->prefix, parent->level) + 1 == w->next[w->depth - 1];
}

/* Follows an entry to a node. */
static bool descend(struct walk *w, uint64_t entry)
{
	uint32_t index = entry_index(entry);
	const struct viommu_map_node *node = node_at(w->pool, index);

	if (node == NULL || entry != entry_table(index, entry_level(entry)) || node->level != entry_level(entry))
		return false;
	if (!is_in_place(w, node) || !node_is_valid(node))
		return false;
	push(w, node);
	return true;
}

/* What has been seen of the mappings so far. */
struct progress {
	uint64_t end;  /* behind the last chunk */
	uint64_t phys; /* where the mapping goes on, if it is open */
	uint64_t flags;
	bool open; /* a mapping has had its FIRST and not yet its LAST */
};

/* The chunk itself: inside both address spaces, on whole granules. `more`: its bytes behind the first one. */
static bool chunk_is_valid(const struct viommu_map *map, uint64_t entry, uint64_t last, uint64_t more)
{
	uint64_t phys = entry & ENTRY_VALUE;

	if ((entry & ENTRY_LEAF) == 0 || last > viommu_port_shr64(UINT64_MAX, map->granule_bits))
		return false;
	return (phys & (viommu_port_shl64(1, map->granule_bits) - 1)) == 0 && phys <= UINT64_MAX - more;
}

/*
 * Chunks of one mapping follow each other, here and there, and have the same flags. Wraps: the address behind a mapping
 * can be 2^64.
 */
static VIOMMU_WRAPS bool check_leaf(const struct viommu_map *map, const struct walk *w, uint64_t entry,
				    struct progress *p)
{
	const struct viommu_map_node *node = w->path[w->depth - 1];
	uint64_t first = node->prefix + viommu_port_shl64(w->next[w->depth - 1] - 1u, 4 * node->level);
	uint64_t bytes = viommu_port_shl64(viommu_port_shl64(1, 4 * node->level), map->granule_bits); /* 0: 2^64 */

	if (!chunk_is_valid(map, entry, first | level_mask(node->level), bytes - 1) ||
	    p->open == ((entry & ENTRY_FIRST) != 0))
		return false;
	if (p->open && (first != p->end || (entry & ENTRY_VALUE) != p->phys || (entry & ENTRY_FLAGS) != p->flags))
		return false;
	p->open = (entry & ENTRY_LAST) == 0;
	p->end = (first | level_mask(node->level)) + 1;
	p->phys = (entry & ENTRY_VALUE) + bytes;
	p->flags = entry & ENTRY_FLAGS;
	return true;
}

bool viommu_i_map_count(const struct viommu_map *map, uint32_t *nodes)
{
	struct walk w = { .pool = map->pool };
	struct progress p = { 0 };

	if (!viommu_map_is_valid(map) || !slabs_are_valid(map->pool))
		return false;
	for (uint64_t entry = map->root; entry != 0; entry = next_entry(&w)) {
		bool is_table = (entry & ENTRY_TABLE) != 0;

		if (is_table ? !descend(&w, entry) : !check_leaf(map, &w, entry, &p))
			return false;
	}
	*nodes += w.nodes;
	return !p.open;
}

bool viommu_map_check(const struct viommu_map *map)
{
	uint32_t nodes = 0;

	return viommu_i_map_count(map, &nodes);
}

/* A node that was cut out, and what is below it. Nobody looks up anything in it any more: only its shape matters. */
static bool count_subtree(const struct viommu_map_pool *pool, const struct viommu_map_node *node, uint32_t *nodes)
{
	struct walk w = { .pool = pool };
	bool is_alone = (node->level & NODE_ALONE) != 0;

	if (!is_alone && !is_in_place(&w, node))
		return false;
	push(&w, node);
	for (uint64_t entry = is_alone ? 0 : next_entry(&w); entry != 0; entry = next_entry(&w)) {
		if ((entry & ENTRY_TABLE) != 0 && !descend(&w, entry))
			return false;
	}
	*nodes += w.nodes;
	return true;
}

/* A list of such nodes; *last: the last of them. A list that leads in a circle has more nodes than there are. */
static bool count_list(const struct viommu_map_pool *pool, uint32_t first, uint32_t *last, uint32_t *nodes)
{
	*last = NO_NODE;
	for (uint32_t index = first; index != NO_NODE;) {
		const struct viommu_map_node *node = node_at(pool, index);

		if (node == NULL || !count_subtree(pool, node, nodes) || *nodes > pool->total)
			return false;
		*last = index;
		index = node->used;
	}
	return true;
}

bool viommu_i_map_limbo_count(const struct viommu_map_pool *pool, const struct viommu_map_limbo *limbo, uint32_t *nodes)
{
	uint32_t last;

	return count_list(pool, limbo->first, &last, nodes) && last == limbo->last;
}

static bool free_list_is_valid(const struct viommu_map_pool *pool)
{
	uint32_t index = pool->free_list;

	for (uint32_t i = 0; i < pool->free_count; i++) {
		const struct viommu_map_node *node = node_at(pool, index);

		if (node == NULL)
			return false;
		index = node->used;
	}
	return index == NO_NODE;
}

bool viommu_i_map_pool_count(const struct viommu_map_pool *pool, uint32_t *nodes)
{
	uint32_t last;

	if (!viommu_map_pool_is_valid(pool) || !slabs_are_valid(pool) || !free_list_is_valid(pool))
		return false;
	*nodes += viommu_map_pool_free(pool);
	return count_list(pool, pool->reclaim, &last, nodes);
}

bool viommu_map_pool_check(const struct viommu_map_pool *pool)
{
	uint32_t nodes = 0;

	return viommu_i_map_pool_count(pool, &nodes);
}
