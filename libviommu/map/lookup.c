/* SPDX-License-Identifier: BSD-3-Clause */
/* lookup.c: finding what is mapped. */
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

bool viommu_i_map_find(const struct viommu_map *map, uint64_t g, struct chunk *out)
{
	uint64_t entry = map->root;

	/*
	 * Follow the digits of g down. Levels that were skipped are not compared on the way: the prefix of the last
	 * node settles all of them at once.
	 */
	out->node = NULL;
	while ((entry & ENTRY_TABLE) != 0) {
		out->level = entry_level(entry);
		out->node = viommu_i_map_node(map->pool, entry_index(entry));
		out->slot = level_digit(g, out->level);
		entry = out->node->entry[out->slot];
	}
	if (entry == 0 || !level_covers(out->node->prefix, out->level, g))
		return false;
	out->first = g & ~level_mask(out->level);
	out->last = g | level_mask(out->level);
	return true;
}

/* The first chunk below an entry: the chunk *out itself, if it is a leaf. Every node has at least one entry. */
static void leftmost(const struct viommu_map *map, uint64_t entry, struct chunk *out)
{
	while ((entry & ENTRY_TABLE) != 0) {
		out->level = entry_level(entry);
		out->node = viommu_i_map_node(map->pool, entry_index(entry));
		out->slot = 0;
		while (out->node->entry[out->slot] == 0)
			out->slot++;
		entry = out->node->entry[out->slot];
	}
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
	struct chunk later = { .node = NULL }; /* the nearest entry behind the path so far */

	while ((entry & ENTRY_TABLE) != 0) {
		uint32_t level = entry_level(entry);
		struct viommu_map_node *node = viommu_i_map_node(map->pool, entry_index(entry));
		uint32_t slot;

		if (!level_covers(node->prefix, level, g)) {
			if (node->prefix < g)
				break; /* all of it lies before g */
			leftmost(map, entry, out);
			return true;
		}
		slot = next_slot(node, level_digit(g, level) + 1);
		if (slot < VIOMMU_MAP_FANOUT)
			later = (struct chunk){ .node = node, .slot = slot, .level = level };
		out->node = node;
		out->slot = level_digit(g, level);
		out->level = level;
		entry = node->entry[out->slot];
	}
	if ((entry & ENTRY_LEAF) != 0) {
		out->first = g & ~level_mask(out->level);
		out->last = g | level_mask(out->level);
		return true;
	}
	if (later.node == NULL)
		return false;
	*out = later;
	leftmost(map, chunk_entry(&later), out);
	return true;
}

/* The last address of granule g. */
static viommu_iova granule_end(const struct viommu_map *map, uint64_t g)
{
	return viommu_port_shl64(g, map->granule_bits) | (viommu_port_shl64(1, map->granule_bits) - 1);
}

bool viommu_map_lookup(const struct viommu_map *map, viommu_iova iova, struct viommu_mapping *out)
{
	uint64_t g = viommu_port_shr64(iova, map->granule_bits);
	struct chunk c;
	uint64_t entry;
	uint32_t slot;

	VIOMMU_ASSERT(viommu_map_is_valid(map));
	if (!viommu_i_map_find(map, g, &c))
		return false;
	entry = chunk_entry(&c);
	out->first = iova;
	out->phys = (entry & ENTRY_VALUE) + (iova - viommu_port_shl64(c.first, map->granule_bits));
	out->flags = (uint32_t)(entry & ENTRY_FLAGS);
	/* Neighbours in the node that go on with the same mapping. */
	slot = c.slot;
	while ((c.node->entry[slot] & ENTRY_LAST) == 0 && slot + 1 < VIOMMU_MAP_FANOUT &&
	       (c.node->entry[slot + 1] & ENTRY_LEAF) != 0)
		slot++;
	out->last = granule_end(map, c.last + viommu_port_shl64(slot - c.slot, 4 * c.level));
	return true;
}

bool viommu_map_next(const struct viommu_map *map, viommu_iova from, struct viommu_mapping *out)
{
	struct chunk head;
	struct chunk tail;
	uint64_t entry;

	VIOMMU_ASSERT(viommu_map_is_valid(map));
	if (!viommu_i_map_seek(map, viommu_port_shr64(from, map->granule_bits), &head))
		return false;
	tail = head;
	while ((chunk_entry(&head) & ENTRY_FIRST) == 0)
		(void)viommu_i_map_find(map, head.first - 1, &head);
	while ((chunk_entry(&tail) & ENTRY_LAST) == 0)
		(void)viommu_i_map_find(map, tail.last + 1, &tail);
	entry = chunk_entry(&head);
	out->first = viommu_port_shl64(head.first, map->granule_bits);
	out->last = granule_end(map, tail.last);
	out->phys = entry & ENTRY_VALUE;
	out->flags = (uint32_t)(entry & ENTRY_FLAGS);
	return true;
}

enum viommu_result viommu_map_set_flags(struct viommu_map *map, viommu_iova first, viommu_iova last, uint32_t flags)
{
	struct viommu_mapping m;
	struct chunk c;
	uint64_t g;

	VIOMMU_ASSERT(viommu_map_is_valid(map));
	if ((flags & ~VIOMMU_MAP_FLAGS) != 0)
		return VIOMMU_E_ARG;
	if (!viommu_map_next(map, first, &m) || m.first != first || m.last != last)
		return VIOMMU_E_NOENT;
	g = viommu_port_shr64(first, map->granule_bits);
	do {
		uint64_t *entry;

		(void)viommu_i_map_find(map, g, &c);
		entry = &c.node->entry[c.slot];
		*entry = (*entry & ~ENTRY_FLAGS) | flags;
		g = c.last + 1;
	} while ((chunk_entry(&c) & ENTRY_LAST) == 0);
	return VIOMMU_OK;
}
