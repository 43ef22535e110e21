/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * place.h: a mapping goes into the tree run by run: what a run is, where it goes, and putting it there. For insert.c and
 * load.c; in each of them the compiler makes one piece of all this and its caller.
 */
#ifndef VIOMMU_MAP_PLACE_H
#define VIOMMU_MAP_PLACE_H

#include "node.h"

/* Consecutive chunks of one level within one node: what one write step puts in. Granules. */
struct run {
	uint64_t first;
	uint64_t last;
	uint32_t level;
	uint32_t count;
};

/* The longest run that starts at `first` and does not go beyond `last`. Steps: VIOMMU_MAP_LEVELS. */
static inline struct run next_run(uint64_t first, uint64_t last)
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

/* Where a run goes. */
struct place {
	uint64_t *ref;                /* its first slot; or, if nodes have to be made, where they will hang */
	struct viommu_map_node *node; /* in which that is; NULL: it is the root */
	uint32_t nodes;               /* to be made: one that joins two ways, the run's own, both or none */
	uint32_t level;               /* of the first of these */
};

static inline bool slots_are_empty(const uint64_t *slots, uint32_t count)
{
	uint64_t any = 0;

	for (uint32_t i = 0; i < count; i++)
		any |= slots[i];
	return any == 0;
}

/* The place of a run where the way down leads to a node that it does not go through. False: that node lies in it. */
static inline bool find_join(const struct run *r, const struct viommu_map_node *other, struct place *p)
{
	p->level = other->level;
	if (p->level < r->level) {
		if (r->first <= other->prefix && other->prefix <= r->last)
			return false;
		p->level = r->level;
	}
	while (!level_covers(other->prefix, p->level, r->first))
		p->level++;
	p->nodes = p->level > r->level ? 2 : 1;
	return true;
}

/* False: something is mapped there. Changes nothing. Steps: VIOMMU_MAP_LEVELS. */
static inline bool find_place(struct viommu_map *map, const struct run *r, struct place *p)
{
	p->ref = &map->root;
	p->node = NULL;
	while ((*p->ref & ENTRY_TABLE) != 0) {
		struct viommu_map_node *node = entry_node(map->pool, *p->ref);
		uint32_t level = entry_level(*p->ref);

		if (level < r->level || !level_covers(node->prefix, level, r->first))
			return find_join(r, node, p);
		p->node = node;
		p->ref = &node->entry[level_digit(r->first, level)];
		if (level == r->level) {
			p->nodes = 0;
			return slots_are_empty(p->ref, r->count);
		}
	}
	p->nodes = 1;
	p->level = r->level;
	return *p->ref == 0;
}

/* A new node at this level in place of *ref, with what *ref led to below it. */
static inline struct viommu_map_node *join(struct viommu_map *map, uint64_t *ref, uint64_t g, uint32_t level)
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

/* Makes the nodes that the place needs, from above: each is in the tree, and the tree whole, before the next. */
static inline void make_nodes(struct viommu_map *map, const struct run *r, struct place *p)
{
	for (; p->nodes > 0; p->nodes--) {
		if (p->node != NULL && *p->ref == 0)
			p->node->used++;
		p->node = join(map, p->ref, r->first, p->level);
		p->ref = &p->node->entry[level_digit(r->first, p->level)];
		p->level = r->level;
	}
}

/* Wraps: the entry behind the last one is not used. */
static inline VIOMMU_WRAPS void put_run(struct viommu_map *map, const struct run *r, struct place *p, uint64_t entry,
					bool head, bool tail)
{
	/* Two shifts: a chunk can be the whole space, which one shift by 64 must not make. Its step, 0, is not used. */
	uint64_t step = viommu_port_shl64(viommu_port_shl64(1, 4 * r->level), map->granule_bits);

	make_nodes(map, r, p);
	p->node->used += r->count;
	for (uint32_t i = 0; i < r->count; i++, entry += step) {
		uint64_t edges = (head && i == 0 ? ENTRY_FIRST : 0) | (tail && i + 1 == r->count ? ENTRY_LAST : 0);

		VIOMMU_ASSERT(p->ref[i] == 0);
		viommu_port_set64(&p->ref[i], entry | edges);
	}
}

#endif /* VIOMMU_MAP_PLACE_H */
