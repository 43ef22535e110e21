/* SPDX-License-Identifier: BSD-3-Clause */
/* lookup.c: finding what is mapped. */
#include "known.h"

#include "node.h"

void viommu_map_init(struct viommu_map *map, struct viommu_map_pool *pool, unsigned granule_bits)
{
	map->root = 0;
	map->pool = pool;
	map->granule_bits = granule_bits;
}

bool viommu_map_is_empty(const struct viommu_map *map)
{
	VIOMMU_ASSERT(viommu_map_is_valid(map));
	return map->root == 0;
}

/* Where a reader's way ended. */
struct end {
	struct viommu_map_node *node;
	uint64_t entry;
	uint32_t slot;
	uint32_t shift; /* 4 * level */
};

/*
 * Follows the digits of g down. Levels that were skipped are not compared on the way: the prefix of the last node
 * settles all of them at once. Any thread: see map.h for why what it finds, or does not find, is right.
 */
static inline bool walk(const struct viommu_map *map, uint64_t g, struct end *out)
{
	const struct viommu_map_slab *slabs = map->pool->slabs;
	uint64_t entry = viommu_port_get64(&map->root);
	struct viommu_map_node *node = NULL;
	uint32_t shift = 0;
	uint32_t slot = 0;

	while ((entry & ENTRY_TABLE) != 0) {
		shift = entry_shift(entry);
		slot = (uint32_t)viommu_port_shr64(g, shift) & (VIOMMU_MAP_FANOUT - 1);
		node = node_at_place(slabs, entry >> 8);
		entry = viommu_port_get64(&node->entry[slot]);
	}
	out->node = node;
	out->entry = entry;
	out->slot = slot;
	out->shift = shift;
	return entry != 0 && viommu_port_shr64(node->prefix ^ g, shift) < VIOMMU_MAP_FANOUT;
}

bool viommu_i_map_find(const struct viommu_map *map, uint64_t g, struct chunk *out)
{
	struct end end;

	if (!walk(map, g, &end))
		return false;
	out->node = end.node;
	out->entry = end.entry;
	out->slot = end.slot;
	out->level = end.shift >> 2;
	out->first = g & ~level_mask(out->level);
	out->last = g | level_mask(out->level);
	return true;
}

/* The first chunk at or below an entry, which is in *out: its node, slot and level. Every node has an entry. */
static void leftmost(const struct viommu_map *map, uint64_t entry, struct chunk *out)
{
	while ((entry & ENTRY_TABLE) != 0) {
		out->level = entry_level(entry);
		out->node = entry_node(map->pool, entry);
		out->slot = 0;
		while (out->node->entry[out->slot] == 0)
			out->slot++;
		entry = out->node->entry[out->slot];
	}
	out->entry = entry;
	out->first = out->node->prefix + viommu_port_shl64(out->slot, 4 * out->level);
	out->last = out->first | level_mask(out->level);
}

/* The first entry of the node at or behind this slot that is not 0, or VIOMMU_MAP_FANOUT. */
static uint32_t next_slot(const struct viommu_map_node *node, uint32_t slot)
{
	while (slot < VIOMMU_MAP_FANOUT && node->entry[slot] == 0)
		slot++;
	return slot;
}

bool viommu_i_map_seek(const struct viommu_map *map, uint64_t g, struct chunk *out)
{
	uint64_t entry = map->root;
	struct viommu_map_node *later = NULL; /* in which the nearest entry behind the path so far is */
	uint32_t later_slot = 0;

	while ((entry & ENTRY_TABLE) != 0) {
		uint32_t level = entry_level(entry);
		struct viommu_map_node *node = entry_node(map->pool, entry);
		uint32_t slot;

		if (!level_covers(node->prefix, level, g)) {
			if (node->prefix < g)
				break; /* all of it lies before g */
			leftmost(map, entry, out);
			return true;
		}
		slot = next_slot(node, level_digit(g, level) + 1);
		if (slot < VIOMMU_MAP_FANOUT) {
			later = node;
			later_slot = slot;
		}
		out->node = node;
		out->slot = level_digit(g, level);
		out->level = level;
		entry = node->entry[out->slot];
	}
	if ((entry & ENTRY_LEAF) != 0) {
		out->entry = entry;
		out->first = g & ~level_mask(out->level);
		out->last = g | level_mask(out->level);
		return true;
	}
	if (later == NULL)
		return false;
	out->node = later;
	out->slot = later_slot;
	out->level = later->level;
	leftmost(map, later->entry[later_slot], out);
	return true;
}

/* The last address of granule g. */
static viommu_iova granule_end(const struct viommu_map *map, uint64_t g)
{
	return viommu_port_shl64(g, map->granule_bits) | (viommu_port_shl64(1, map->granule_bits) - 1);
}

/*
 * Makes the answer longer by the neighbours that go on with the same mapping, each of so many bytes. They may have
 * changed since the entry was read: only what says what that mapping says there counts. A mapping that goes on does not
 * wrap.
 */
static void go_on(const struct end *end, uint64_t bytes, struct viommu_mapping *out)
{
	uint64_t entry = end->entry & ~ENTRY_FIRST;

	for (uint32_t slot = end->slot + 1; slot < VIOMMU_MAP_FANOUT && (entry & ENTRY_LAST) == 0; slot++) {
		uint64_t next = viommu_port_get64(&end->node->entry[slot]);

		if ((next & ~ENTRY_LAST) != entry + bytes)
			break;
		out->last += bytes;
		entry = next;
	}
}

bool viommu_map_lookup(const struct viommu_map *map, viommu_iova iova, struct viommu_mapping *out)
{
	uint64_t below; /* bytes of the chunk, less one */
	struct end end;

	VIOMMU_ASSERT(map->granule_bits >= 8 && map->granule_bits <= 63); /* the rest is changing */
	if (!walk(map, viommu_port_shr64(iova, map->granule_bits), &end))
		return false;
	below = ~viommu_port_shl64(viommu_port_shl64(UINT64_MAX, end.shift), map->granule_bits);
	out->first = iova;
	out->last = iova | below;
	out->phys = (end.entry & ENTRY_VALUE) + (iova & below);
	out->flags = (uint32_t)(end.entry & ENTRY_FLAGS);
	if ((end.entry & ENTRY_LAST) == 0)
		go_on(&end, below + 1, out);
	return true;
}

bool viommu_map_next(const struct viommu_map *map, viommu_iova from, struct viommu_mapping *out)
{
	struct chunk c;
	uint64_t tail;
	bool more;

	VIOMMU_ASSERT(viommu_map_is_valid(map));
	if (!viommu_i_map_seek(map, viommu_port_shr64(from, map->granule_bits), &c))
		return false;
	tail = c.last;
	more = (c.entry & ENTRY_LAST) == 0;
	while ((c.entry & ENTRY_FIRST) == 0)
		(void)viommu_i_map_find(map, c.first - 1, &c);
	out->first = viommu_port_shl64(c.first, map->granule_bits);
	out->phys = c.entry & ENTRY_VALUE;
	out->flags = (uint32_t)(c.entry & ENTRY_FLAGS);
	while (more) {
		(void)viommu_i_map_find(map, tail + 1, &c);
		tail = c.last;
		more = (c.entry & ENTRY_LAST) == 0;
	}
	out->last = granule_end(map, tail);
	return true;
}

bool viommu_i_map_mark(struct viommu_map *map, viommu_iova first, viommu_iova last, uint32_t kept, uint32_t flags)
{
	uint64_t g = viommu_port_shr64(first, map->granule_bits);
	uint64_t end = viommu_port_shr64(last, map->granule_bits);
	bool any = false;
	struct chunk c;

	while (viommu_i_map_seek(map, g, &c) && c.first <= end) {
		viommu_port_set64(&c.node->entry[c.slot], (c.entry & (~ENTRY_FLAGS | kept)) | flags);
		any = true;
		if (c.last >= end)
			break;
		g = c.last + 1;
	}
	return any;
}

enum viommu_result viommu_map_set_flags(struct viommu_map *map, viommu_iova first, viommu_iova last, uint32_t flags)
{
	struct chunk c;

	VIOMMU_ASSERT(viommu_map_is_valid(map));
	if ((flags & ~VIOMMU_MAP_FLAGS) != 0)
		return VIOMMU_E_ARG;
	if (!viommu_i_map_find(map, viommu_port_shr64(first, map->granule_bits), &c) || (c.entry & ENTRY_FIRST) == 0 ||
	    viommu_port_shl64(c.first, map->granule_bits) != first)
		return VIOMMU_E_NOENT;
	while ((c.entry & ENTRY_LAST) == 0)
		(void)viommu_i_map_find(map, c.last + 1, &c);
	if (granule_end(map, c.last) != last)
		return VIOMMU_E_NOENT;
	(void)viommu_i_map_mark(map, first, last, 0, flags);
	return VIOMMU_OK;
}
