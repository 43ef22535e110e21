/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * node.h: entries and nodes of the IOVA map, for the files of this folder. The picture is in viommu/map.h.
 *
 * Memory orders. The root and the entries of nodes in the tree are what the owner writes while others read: it writes
 * them with viommu_port_set64 (release: who reads a table entry sees the node behind it complete, who reads a leaf what
 * the owner did before it mapped), readers read them with viommu_port_get64 (acquire). Prefixes are written before the
 * node is linked, and again only after the grace period, so they need no order of their own. Everything else is the
 * owner's alone; it reads its own entries plainly.
 */
#ifndef VIOMMU_MAP_NODE_H
#define VIOMMU_MAP_NODE_H

#include <viommu/map.h>

#define ENTRY_FLAGS UINT64_C(0x0f) /* leaf: the mapping's flags */
#define ENTRY_SHIFT UINT64_C(0x3f) /* table: 4 * the level of the child */
#define ENTRY_FIRST UINT64_C(0x10)
#define ENTRY_LAST UINT64_C(0x20)
#define ENTRY_LEAF UINT64_C(0x40)
#define ENTRY_TABLE UINT64_C(0x80)
#define ENTRY_VALUE (~UINT64_C(0xff)) /* leaf: phys; table: where the child is, shifted by 8 */

#define NO_NODE 0u /* indices start at 1 */

/*
 * A reader goes from entry to node by adding two numbers: an entry has the node's place in bytes, from the first slab
 * on. Lists have its index, with which it fits into 32 bits, and which comes from the entry by a division that is known
 * to leave no rest: times the inverse of 9 modulo 2^32.
 */
#define NODE_UNIT_BITS 4u
#define NODE_UNITS 9u
#define NODE_UNITS_INVERSE 0x38e38e39u
_Static_assert(NODE_UNITS << NODE_UNIT_BITS == VIOMMU_MAP_NODE_SIZE, "a node is so many units");
_Static_assert(VIOMMU_MAP_NODES_MAX < UINT32_MAX / NODE_UNITS, "all places fit");

/* In viommu_map_node.level of a node that was cut out while its one child stayed in the tree. */
#define NODE_ALONE 0x100u

/* The place of the node with this index. At most VIOMMU_MAP_NODES_MAX + 1. */
static inline uint64_t node_place(uint32_t index)
{
	return (uint64_t)(index * NODE_UNITS) << NODE_UNIT_BITS;
}

static inline uint64_t entry_table(uint32_t index, uint32_t level)
{
	return node_place(index) << 8 | 4 * level | ENTRY_TABLE;
}

/* Wraps: by design. Of an entry that is damaged it is any number. */
static inline VIOMMU_WRAPS uint32_t entry_index(uint64_t entry)
{
	return (uint32_t)(entry >> (8 + NODE_UNIT_BITS)) * NODE_UNITS_INVERSE;
}

static inline uint32_t entry_shift(uint64_t entry)
{
	return (uint32_t)(entry & ENTRY_SHIFT);
}

static inline uint32_t entry_level(uint64_t entry)
{
	return entry_shift(entry) >> 2;
}

/* Granules below one entry of a node at this level, less one: a mask. Level VIOMMU_MAP_LEVELS is the whole space. */
static inline uint64_t level_mask(uint32_t level)
{
	return viommu_port_shl64(1, 4 * level) - 1;
}

/* Which entry of a node at this level granule g belongs to. */
static inline uint32_t level_digit(uint64_t g, uint32_t level)
{
	return (uint32_t)viommu_port_shr64(g, 4 * level) & (VIOMMU_MAP_FANOUT - 1);
}

/* Is granule g below a node with this prefix and level? */
static inline bool level_covers(uint64_t prefix, uint32_t level, uint64_t g)
{
	return ((prefix ^ g) & ~level_mask(level + 1)) == 0;
}

/* A leaf entry as it was read, and where it is. */
struct chunk {
	struct viommu_map_node *node;
	uint64_t entry;
	uint64_t first; /* granules */
	uint64_t last;
	uint32_t slot;
	uint32_t level;
};

/*
 * The node at this place. For readers too: a place that can be read is in a slab that was complete before, and no slab
 * behind that one is looked at.
 */
static inline struct viommu_map_node *node_at_place(const struct viommu_map_slab *slab, uint64_t place)
{
	while (place - slab->first >= slab->size)
		slab++;
	return (struct viommu_map_node *)((unsigned char *)slab->nodes + (size_t)(place - slab->first));
}

/* The node that a table entry leads to. */
static inline struct viommu_map_node *entry_node(const struct viommu_map_pool *pool, uint64_t entry)
{
	VIOMMU_ASSERT((entry & ENTRY_TABLE) != 0);
	return node_at_place(pool->slabs, entry >> 8);
}

/* The node with this index. */
static inline struct viommu_map_node *viommu_i_map_node(const struct viommu_map_pool *pool, uint32_t index)
{
	VIOMMU_ASSERT(index != NO_NODE && index < pool->fresh);
	return node_at_place(pool->slabs, node_place(index));
}

/* Makes sure that `count` nodes can be taken, taking retired subtrees apart if need be. */
bool viommu_i_map_reserve(struct viommu_map_pool *pool, uint32_t count);

/* An empty node out of those reserved. */
uint32_t viommu_i_map_take(struct viommu_map_pool *pool);

/* Appends a node that was cut out, with what hangs below it unless it is NODE_ALONE. */
void viommu_i_map_limbo_add(const struct viommu_map_pool *pool, struct viommu_map_limbo *limbo, uint32_t index);

/* The chunk that contains granule g. At most VIOMMU_MAP_LEVELS nodes. */
bool viommu_i_map_find(const struct viommu_map *map, uint64_t g, struct chunk *out);

/* The chunk that contains granule g, or the first one behind it. At most 2 * VIOMMU_MAP_LEVELS nodes. */
bool viommu_i_map_seek(const struct viommu_map *map, uint64_t g, struct chunk *out);

#endif /* VIOMMU_MAP_NODE_H */
