/* SPDX-License-Identifier: BSD-3-Clause */
/* pool.c: nodes: donated in slabs, taken, cut out, retired, taken apart. */
#include "node.h"

#include "../internal.h"

_Static_assert(sizeof(struct viommu_map_node) == VIOMMU_MAP_NODE_SIZE, "the size is published");

#define NODE_ALIGN 8u

void viommu_map_pool_init(struct viommu_map_pool *pool)
{
	memset(pool, 0, sizeof *pool);
	pool->fresh = NO_NODE + 1;
}

/* len / VIOMMU_MAP_NODE_SIZE, by hand: small processors have no instruction for it, and the core calls no helpers. */
static size_t whole_nodes(size_t len)
{
	size_t count = 0;

	for (unsigned bits = 8 * sizeof len - 8; bits > 0; bits--) {
		if (len >> (bits - 1) >= VIOMMU_MAP_NODE_SIZE) {
			len -= (size_t)VIOMMU_MAP_NODE_SIZE << (bits - 1);
			count |= (size_t)1 << (bits - 1);
		}
	}
	return count;
}

enum viommu_result viommu_map_pool_add(struct viommu_map_pool *pool, void *mem, size_t len)
{
	uintptr_t base = (uintptr_t)mem;
	size_t skip = (size_t)(viommu_i_align_up(base, NODE_ALIGN) - base);
	struct viommu_map_slab *slab = &pool->slabs[pool->slab_count];
	size_t room = VIOMMU_MAP_NODES_MAX - pool->total;
	size_t count;

	VIOMMU_ASSERT(viommu_map_pool_is_valid(pool));
	if (len < skip + VIOMMU_MAP_NODE_SIZE)
		return VIOMMU_E_ARG;
	if (pool->slab_count == VIOMMU_MAP_SLABS_MAX || room == 0)
		return VIOMMU_E_FULL;
	count = whole_nodes(len - skip);
	if (count > room)
		count = room;
	slab->nodes = (struct viommu_map_node *)(base + skip);
	slab->first = node_place(pool->total + 1);
	slab->size = node_place((uint32_t)count);
	pool->slab_count++;
	pool->total += (uint32_t)count;
	VIOMMU_ASSERT(viommu_map_pool_is_valid(pool));
	return VIOMMU_OK;
}

static uint32_t never_used(const struct viommu_map_pool *pool)
{
	return pool->total - (pool->fresh - 1);
}

uint32_t viommu_map_pool_free(const struct viommu_map_pool *pool)
{
	return pool->free_count + never_used(pool);
}

uint32_t viommu_map_pool_total(const struct viommu_map_pool *pool)
{
	return pool->total;
}

bool viommu_i_map_reserve(struct viommu_map_pool *pool, uint32_t count)
{
	uint32_t ready = viommu_map_pool_free(pool);

	if (ready < count)
		ready += viommu_map_pool_reclaim(pool, count - ready);
	return ready >= count;
}

uint32_t viommu_i_map_take(struct viommu_map_pool *pool)
{
	uint32_t index = pool->free_list;
	struct viommu_map_node *node;

	VIOMMU_ASSERT(viommu_map_pool_free(pool) > 0);
	if (index == NO_NODE) {
		index = pool->fresh++;
		node = viommu_i_map_node(pool, index);
	} else {
		node = viommu_i_map_node(pool, index);
		pool->free_list = node->used;
		pool->free_count--;
	}
	memset(node, 0, sizeof *node);
	return index;
}

void viommu_i_map_limbo_add(const struct viommu_map_pool *pool, struct viommu_map_limbo *limbo, uint32_t index)
{
	viommu_i_map_node(pool, index)->used = limbo->first;
	limbo->first = index;
	if (limbo->last == NO_NODE)
		limbo->last = index;
}

void viommu_map_pool_retire(struct viommu_map_pool *pool, struct viommu_map_limbo *limbo)
{
	VIOMMU_ASSERT(viommu_map_pool_is_valid(pool));
	if (limbo->first == NO_NODE)
		return;
	viommu_i_map_node(pool, limbo->last)->used = pool->reclaim;
	pool->reclaim = limbo->first;
	limbo->first = NO_NODE;
	limbo->last = NO_NODE;
}

void viommu_map_limbo_move(const struct viommu_map_pool *pool, struct viommu_map_limbo *to,
			   struct viommu_map_limbo *from)
{
	VIOMMU_ASSERT(viommu_map_pool_is_valid(pool));
	if (from->first == NO_NODE)
		return;
	viommu_i_map_node(pool, from->last)->used = to->first;
	if (to->last == NO_NODE)
		to->last = from->last;
	to->first = from->first;
	from->first = NO_NODE;
	from->last = NO_NODE;
}

/* Level 0, where most nodes are, has leaves only. */
static bool has_children(const struct viommu_map_node *node)
{
	return node->level != 0 && (node->level & NODE_ALONE) == 0;
}

uint32_t viommu_map_pool_reclaim(struct viommu_map_pool *pool, uint32_t budget)
{
	uint32_t freed = 0;

	VIOMMU_ASSERT(viommu_map_pool_is_valid(pool));
	while (freed < budget && pool->reclaim != NO_NODE) {
		uint32_t index = pool->reclaim;
		struct viommu_map_node *node = viommu_i_map_node(pool, index);
		uint32_t slots = has_children(node) ? VIOMMU_MAP_FANOUT : 0;

		pool->reclaim = node->used;
		for (uint32_t i = 0; i < slots; i++) {
			if ((node->entry[i] & ENTRY_TABLE) != 0) {
				uint32_t child = entry_index(node->entry[i]);

				viommu_i_map_node(pool, child)->used = pool->reclaim;
				pool->reclaim = child;
			}
		}
		node->used = pool->free_list;
		pool->free_list = index;
		pool->free_count++;
		freed++;
	}
	VIOMMU_ASSERT(viommu_map_pool_is_valid(pool));
	return freed;
}
