/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * map.h: the IOVA map of one domain, used by both sides: [first, last] -> physical address and flags.
 *
 * A path-compressed radix tree over granule numbers (iova >> granule bits), 16 children per node. A mapping is cut into
 * aligned power-of-16 chunks, each of them one 8-byte entry in the node of its level:
 *
 *      leaf   phys, without its low 8 bits (63..8) | TABLE=0 | LEAF=1 | LAST | FIRST | flags (3..0)
 *      table  where the child is, in bytes (43..8) | TABLE=1 | LEAF=0 | 4 * its level (5..0)
 *
 *      root --> node level 2 [ . . t . . ]           a node at level L spans 16^(L+1) granules and knows its own first
 *                                |                   granule ("prefix"), so levels with a single child are skipped;
 *                        node level 0 [ F - - L . FL ]
 *                                       a mapping of 4 granules, and a neighbour of one: FIRST and LAST keep them apart
 *
 * So a lookup is one dependent load per level, adjacent mappings stay distinct without a record each, and an UNMAP cuts
 * out whole subtrees.
 *
 * Memory: nodes of VIOMMU_MAP_NODE_SIZE bytes from a pool that several maps share, fed with slabs by the embedder.
 * Nodes that an unmap cut out are not free yet: somebody may still be reading them. They go to a `limbo` that the
 * caller keeps until the grace period is over and then gives back to the pool, which takes such subtrees apart a few
 * nodes at a time.
 *
 * Bounds. With N = VIOMMU_MAP_LEVELS = 14: lookup visits at most N nodes and 15 neighbours in the last one, each once:
 * it never begins anew, whatever the owner does meanwhile. insert takes at most 2N + 2 nodes, decided before the first
 * write, in at most 2N steps of N nodes each, and writes at most 32 N entries. remove walks down at most three paths of
 * N nodes and notes the root of each subtree that it cuts out, at most 16 for each node of a path; what hangs below
 * these roots costs nothing. A mapping of one granule needs at most 2 nodes; one of n granules at most 2 h + 2, where h
 * is the number of hexadecimal digits of n. A mapping whose chunks are of one size and in one node, as that of one
 * granule is, is made in one walk and asks for exactly the nodes that it takes: 0, 1 or 2. One that is a single chunk
 * is removed in one walk.
 *
 * Thread class of everything here: owner of the pool; but viommu_map_lookup may be called from any thread, also while
 * the owner changes the map or gives the pool more memory. (Where VIOMMU_PORT_ATOMIC64 is 0 it is the owner's, too.)
 *
 * Readers take no lock and write nothing. What they need is the grace period: a reader opens a section before it looks
 * up and ends it when it no longer uses the answer, and the owner retires a limbo when
 *
 *   - every section has ended that began before the limbo was filled, and their ends happen before the retire, and
 *   - the filling happens before the first lookup of every other section.
 *
 * Then each granule of an answer was mapped as it says, or the granule of a miss was not mapped, at some moment between
 * call and return; and whoever has seen a change, or has heard of it, never again sees what was before. (Granules are
 * linearizable; mappings are not: that of several chunks comes and goes chunk by chunk.) For, a moment being one
 * between two stores of the owner:
 *
 *   1. A node that is in the tree does not change but for its entries, each by one store. A node that was cut out does
 *      not change at all until it is retired: it says for ever what was true when it left.
 *   2. At every moment each mapped granule is found from the root. A node is complete before the store that links it;
 *      what is skipped, because it has a single child, is cut out by the store that links the child in its place.
 *   3. So each entry that a reader reads stood in the tree at a moment within the call: when it was read or, if its
 *      node had been cut out by then, just before that. Of the root that is plain; and the node that such an entry
 *      leads to was in the tree at that moment, so what is read in it stood there at that moment or a later one.
 *   4. A hit. What hangs below an entry spans no more than its slot. So if the last node spans the granule, all nodes
 *      on the way do, and at the moment of its entry the granule was mapped as that says.
 *   5. A miss. Take the entry that is empty, or the one that led to the first node that does not span the granule. At
 *      its moment the tree had nothing but this where the granule would be. So no miss has to be doubted, and there is
 *      nothing to be tried again.
 *
 * All of this hangs on 1. A node that is reused too early may be that of another domain with the same prefix, which
 * hands the reader of one domain the memory of another.
 */
#ifndef VIOMMU_MAP_H
#define VIOMMU_MAP_H

#include <viommu/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VIOMMU_MAP_FANOUT 16u
#define VIOMMU_MAP_LEVELS 14u       /* 56 bits of granule number, 4 a level */
#define VIOMMU_MAP_FLAGS 0xfu       /* flags that an entry can hold */
#define VIOMMU_MAP_GRANULE_MIN 256u /* the low 8 bits of an entry are taken */

/* Private. */
struct viommu_map_node {
	uint64_t prefix; /* first granule number below this node */
	uint32_t used;   /* owner: entries that are not 0; once cut out: the next in its list */
	uint32_t level;  /* owner: readers have it from the entry that led here */
	uint64_t entry[VIOMMU_MAP_FANOUT];
};
#define VIOMMU_MAP_NODE_SIZE 144u

#define VIOMMU_MAP_SLABS_MAX 16u
#define VIOMMU_MAP_NODES_MAX 400000000u /* of a pool: 53 GiB */

struct viommu_map_slab {
	struct viommu_map_node *nodes;
	uint64_t
		first; /* where nodes[0] is, if all slabs are one behind the other: as table entries say it; in bytes */
	uint64_t size;
};

/* The nodes of all maps of one device or driver. Private members. */
struct viommu_map_pool {
	struct viommu_map_slab slabs[VIOMMU_MAP_SLABS_MAX];
	uint32_t slab_count;
	uint32_t fresh;      /* next node that was never used */
	uint32_t total;      /* nodes in all slabs */
	uint32_t free_list;  /* of single nodes */
	uint32_t free_count; /* in free_list */
	uint32_t reclaim;    /* subtrees whose grace period is over */
};

/* Subtrees cut out of maps and not yet reusable. {0, 0} is empty. Private members. */
struct viommu_map_limbo {
	uint32_t first;
	uint32_t last;
};

/* One domain's map. Private members. */
struct viommu_map {
	uint64_t root;
	struct viommu_map_pool *pool;
	unsigned granule_bits;
};

/* One mapping as made by one insert, or the part of one that a lookup found. */
struct viommu_mapping {
	viommu_iova first;
	viommu_iova last;
	viommu_gpa phys; /* of first */
	uint32_t flags;
};

/* An empty pool. */
void viommu_map_pool_init(struct viommu_map_pool *pool);

/*
 * Gives memory to the pool for good (until the pool is no longer used). Any alignment, any length: what does not fill a
 * node is left over. VIOMMU_E_ARG: not room for one node. VIOMMU_E_FULL: VIOMMU_MAP_SLABS_MAX slabs or
 * VIOMMU_MAP_NODES_MAX nodes already; what is beyond these is left over, too.
 */
VIOMMU_NODISCARD enum viommu_result viommu_map_pool_add(struct viommu_map_pool *pool, void *mem, size_t len);

/* Nodes ready for use at once, and nodes in all. The rest is in maps, in limbo, or waiting to be taken apart. */
uint32_t viommu_map_pool_free(const struct viommu_map_pool *pool);
uint32_t viommu_map_pool_total(const struct viommu_map_pool *pool);

/* The grace period of these subtrees is over: they may be taken apart. Empties the limbo. Constant time. */
void viommu_map_pool_retire(struct viommu_map_pool *pool, struct viommu_map_limbo *limbo);

/* Moves what is in `from` to `to`. Constant time. */
void viommu_map_limbo_move(const struct viommu_map_pool *pool, struct viommu_map_limbo *to,
			   struct viommu_map_limbo *from);

/* Takes retired subtrees apart, at most `budget` nodes of 16 entries each. Returns how many nodes became free. */
uint32_t viommu_map_pool_reclaim(struct viommu_map_pool *pool, uint32_t budget);

/* An empty map with a granule of 2^granule_bits bytes, 8 <= granule_bits <= 63. The pool outlives the map. */
void viommu_map_init(struct viommu_map *map, struct viommu_map_pool *pool, unsigned granule_bits);

bool viommu_map_is_empty(const struct viommu_map *map);

/*
 * Maps [first, last] to phys, phys + last - first.
 * VIOMMU_E_ARG: last < first, flags beyond VIOMMU_MAP_FLAGS, or phys + (last - first) wraps.
 * VIOMMU_E_RANGE: first, last + 1 or phys is not a multiple of the granule.
 * VIOMMU_E_EXISTS: overlaps a mapping. VIOMMU_E_NOMEM: the pool does not have enough nodes, retired ones included; or,
 * if the chunks are of several sizes or in several nodes, it may not have enough.
 */
VIOMMU_NODISCARD enum viommu_result viommu_map_insert(struct viommu_map *map, viommu_iova first, viommu_iova last,
						      viommu_gpa phys, uint32_t flags);

/*
 * Removes all mappings inside [first, last], which need not be aligned. What was cut out is added to *limbo.
 * VIOMMU_E_ARG: last < first. VIOMMU_E_RANGE: a mapping lies only partly inside; nothing is removed.
 */
VIOMMU_NODISCARD enum viommu_result viommu_map_remove(struct viommu_map *map, viommu_iova first, viommu_iova last,
						      struct viommu_map_limbo *limbo);

/* Removes everything. */
void viommu_map_clear(struct viommu_map *map, struct viommu_map_limbo *limbo);

/*
 * The chunk around iova: *out gets first = iova, last = a lower bound of how far the same mapping goes on (at least to
 * the end of the granule), phys of iova, flags. False: not mapped. Any thread, within a section: see the top of this
 * file. What follows in the node and was remapped meanwhile counts only if it leads where the mapping would go on.
 */
bool viommu_map_lookup(const struct viommu_map *map, viommu_iova iova, struct viommu_mapping *out);

/*
 * The whole mapping that contains `from`, or else the first one behind it. False: none. Steps: at most 2N nodes to find
 * it, and N for each of its chunks. Walk a range with from = out->last + 1, and stop when that wraps to 0.
 */
bool viommu_map_next(const struct viommu_map *map, viommu_iova from, struct viommu_mapping *out);

/* Sets the flags of the mapping that is exactly [first, last]. VIOMMU_E_NOENT: there is none. VIOMMU_E_ARG: flags. */
VIOMMU_NODISCARD enum viommu_result viommu_map_set_flags(struct viommu_map *map, viommu_iova first, viommu_iova last,
							 uint32_t flags);

/* See types.h. Steps of _check: the slabs; free and retired nodes of the pool, all nodes of the map. */
bool viommu_map_pool_is_valid(const struct viommu_map_pool *pool);
bool viommu_map_pool_check(const struct viommu_map_pool *pool);
bool viommu_map_is_valid(const struct viommu_map *map);
bool viommu_map_check(const struct viommu_map *map);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_MAP_H */
