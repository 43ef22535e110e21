/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * map.c: proofs of the IOVA map, step by step. A step is shown of any node, any entry, any number that can be there
 * between two steps; what is true then is assumed of what the step finds, and proved of what it leaves.
 *
 * A pool has any number of nodes. A step looks at few of them: only those are there, each under an index that may be
 * any other than the others'.
 */
#include "proof.h"

#include "../../libviommu/map/insert.c"
#include "../../libviommu/map/load.c"
#include "../../libviommu/map/lookup.c"
#include "../../libviommu/map/pool.c"
#include "../../libviommu/map/remove.c"

#define GRANULES_MAX (UINT64_MAX >> 8) /* the last granule number */
#define TOP (VIOMMU_MAP_LEVELS - 1)

struct viommu_map_node nondet_node(void);

/* The nodes that a step may look at. An object each, or the model checker would take them for one. */
static struct {
	uint32_t index[2];
	uint32_t count;
} known;

static struct viommu_map_node node0, node1;

static uint32_t any_index(const struct viommu_map_pool *pool)
{
	uint32_t index = nondet_u32();

	ASSUME(index != NO_NODE && index < pool->fresh);
	return index;
}

/* One more node, with anything in it. */
static struct viommu_map_node *know(uint32_t index)
{
	struct viommu_map_node *node = known.count == 0 ? &node0 : &node1;

	PROVE(known.count < 2);
	ASSUME(known.count == 0 || index != known.index[0]);
	known.index[known.count++] = index;
	*node = nondet_node();
	return node;
}

/*
 * How an entry says an index is shown by prove_map_entry. To all else it makes no difference, and the model checker is
 * slow at multiplying, so that elsewhere these stand for entry_table, entry_index.
 */
uint64_t plain_table(uint32_t index, uint32_t level)
{
	return (uint64_t)index << 12 | 4 * level | ENTRY_TABLE;
}

uint32_t plain_index(uint64_t entry)
{
	return (uint32_t)(entry >> 12);
}

/* Stands for viommu_i_map_node. */
struct viommu_map_node *known_node(const struct viommu_map_pool *pool, uint32_t index)
{
	__CPROVER_assert(index != NO_NODE && index < pool->fresh, "the index is one of the pool's");
	if (index == known.index[0])
		return &node0;
	__CPROVER_assert(known.count > 1 && index == known.index[1], "the node is one that this step may look at");
	ASSUME(known.count > 1 && index == known.index[1]);
	return &node1;
}

static struct viommu_map_pool any_pool(void)
{
	struct viommu_map_pool pool = {
		.fresh = nondet_u32(),
		.total = nondet_u32(),
		.free_list = nondet_u32(),
		.free_count = nondet_u32(),
		.reclaim = nondet_u32(),
	};

	ASSUME(pool.total <= VIOMMU_MAP_NODES_MAX && pool.fresh >= 1 && viommu_map_pool_is_valid(&pool));
	return pool;
}

static struct viommu_map any_map(struct viommu_map_pool *pool)
{
	struct viommu_map map = { .root = nondet_u64(), .pool = pool, .granule_bits = nondet_u32() };

	ASSUME(map.granule_bits >= 8 && map.granule_bits <= 63);
	return map;
}

/* What any entry of a node at this level is, and at VIOMMU_MAP_LEVELS the root. */
static bool entry_holds(const struct viommu_map_pool *pool, uint64_t entry, uint32_t above)
{
	uint32_t index = plain_index(entry);

	if (entry == 0)
		return true;
	if ((entry & ENTRY_TABLE) == 0)
		return (entry & ENTRY_LEAF) != 0 && above != VIOMMU_MAP_LEVELS;
	return entry_level(entry) < above && index != NO_NODE && index < pool->fresh &&
	       entry == plain_table(index, entry_level(entry));
}

static uint32_t used_slots(const struct viommu_map_node *node)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < VIOMMU_MAP_FANOUT; i++)
		used += node->entry[i] != 0;
	return used;
}

static bool node_holds(const struct viommu_map_node *node)
{
	return node->level < VIOMMU_MAP_LEVELS && node->prefix <= GRANULES_MAX &&
	       (node->prefix & level_mask(node->level + 1)) == 0;
}

static uint64_t node_end(const struct viommu_map_node *node)
{
	return node->prefix | level_mask(node->level + 1);
}

static bool is_same_node(const struct viommu_map_node *a, const struct viommu_map_node *b)
{
	for (uint32_t i = 0; i < VIOMMU_MAP_FANOUT; i++) {
		if (a->entry[i] != b->entry[i])
			return false;
	}
	return a->prefix == b->prefix && a->used == b->used && a->level == b->level;
}

/*
 * Proof of entry_table, entry_index, node_place. What was put into an entry is in it; the index, as multiplying by the
 * one factor undoes what the other does.
 */
void prove_map_entry(void)
{
	uint32_t index = nondet_u32();
	uint32_t level = nondet_u32();
	uint64_t entry;

	ASSUME(index != NO_NODE && index <= VIOMMU_MAP_NODES_MAX && level < VIOMMU_MAP_LEVELS);
	entry = entry_table(index, level);
	PROVE(entry_level(entry) == level && entry_shift(entry) == 4 * level);
	PROVE(entry >> 8 == node_place(index) && (entry & (ENTRY_TABLE | ENTRY_LEAF)) == ENTRY_TABLE);
	PROVE(entry >> (8 + NODE_UNIT_BITS) == (uint64_t)index * NODE_UNITS);
	PROVE((uint32_t)(UINT64_C(1) * NODE_UNITS * NODE_UNITS_INVERSE) == 1);
	PROVE(entry_index(plain_table(1, level)) == NODE_UNITS_INVERSE);
	REACHABLE(index == VIOMMU_MAP_NODES_MAX && level == TOP);
}

/* Proof of whole_nodes. Unwind 57. Of as many bytes as an object can have: as many as fit. */
void prove_map_whole_nodes(void)
{
	size_t len = nondet_size();
	size_t count;

	ASSUME(len <= PTRDIFF_MAX);
	count = whole_nodes(len);
	PROVE(count <= PTRDIFF_MAX / VIOMMU_MAP_NODE_SIZE && count * VIOMMU_MAP_NODE_SIZE <= len);
	PROVE(len - count * VIOMMU_MAP_NODE_SIZE < VIOMMU_MAP_NODE_SIZE);
	REACHABLE(count == 0 && len == VIOMMU_MAP_NODE_SIZE - 1);
	REACHABLE(len == PTRDIFF_MAX);
}

/* Stands for whole_nodes: what prove_map_whole_nodes shows. */
size_t any_whole_nodes(size_t len)
{
	size_t count = nondet_size();

	ASSUME(count <= PTRDIFF_MAX / VIOMMU_MAP_NODE_SIZE && count * VIOMMU_MAP_NODE_SIZE <= len);
	ASSUME(len - count * VIOMMU_MAP_NODE_SIZE < VIOMMU_MAP_NODE_SIZE);
	return count;
}

/*
 * Proof of viommu_map_pool_add. With whole_nodes as any_whole_nodes. Bound: memory of up to 64 KiB. Any of it: its
 * nodes lie in it, aligned, and behind those that are there; what is refused has changed nothing.
 */
void prove_map_pool_add(void)
{
	struct viommu_map_pool pool = any_pool();
	size_t len = any_len();
	uint8_t *mem = malloc(len);
	size_t skew = nondet_size();
	struct viommu_map_pool before;
	struct viommu_map_slab slab;
	enum viommu_result r;

	ASSUME(len <= UINT16_MAX && skew <= 8 && skew <= len);
	pool.slab_count = nondet_u32();
	ASSUME(viommu_map_pool_is_valid(&pool));
	before = pool;
	r = viommu_map_pool_add(&pool, mem + skew, len - skew);
	if (r == VIOMMU_OK) {
		uint32_t added = pool.total - before.total;

		slab = pool.slabs[before.slab_count];
		PROVE(pool.slab_count == before.slab_count + 1 && pool.total <= VIOMMU_MAP_NODES_MAX);
		PROVE(added != 0 && slab.first == node_place(before.total + 1) && slab.size == node_place(added));
		PROVE(__CPROVER_rw_ok(slab.nodes, slab.size) && is_aligned_to(slab.nodes, 8));
		PROVE(viommu_map_pool_free(&pool) == viommu_map_pool_free(&before) + added);
		PROVE(viommu_map_pool_total(&pool) == pool.total);
	} else {
		PROVE(r == VIOMMU_E_ARG || r == VIOMMU_E_FULL);
		PROVE(pool.slab_count == before.slab_count && pool.total == before.total);
	}
	REACHABLE(r == VIOMMU_OK && pool.total == VIOMMU_MAP_NODES_MAX && before.total + 100 < pool.total);
	REACHABLE(r == VIOMMU_OK && skew != 0 && pool.total == before.total + 1);
	REACHABLE(r == VIOMMU_OK && pool.slab_count == VIOMMU_MAP_SLABS_MAX);
	REACHABLE(r == VIOMMU_E_FULL && pool.slab_count < VIOMMU_MAP_SLABS_MAX);
	REACHABLE(r == VIOMMU_E_FULL && pool.total < VIOMMU_MAP_NODES_MAX);
	REACHABLE(r == VIOMMU_E_ARG);
}

/*
 * Proof of viommu_i_map_take. With viommu_i_map_node as known_node. Unwind 17. From any pool: a node of the pool's,
 * all 0, and one less is free.
 */
void prove_map_take(void)
{
	struct viommu_map_pool pool = any_pool();
	uint32_t free = viommu_map_pool_free(&pool);
	uint32_t list = pool.free_list;
	uint32_t next = NO_NODE;
	uint32_t index;

	ASSUME(free != 0);
	if (list == NO_NODE) {
		(void)know(pool.fresh);
	} else {
		/* The next one of the list, if there is one. */
		next = know(list)->used;
		ASSUME(next < pool.fresh && (next == NO_NODE) == (pool.free_count == 1));
	}
	index = viommu_i_map_take(&pool);
	PROVE(index == known.index[0] && index < pool.fresh && viommu_map_pool_free(&pool) == free - 1);
	PROVE(used_slots(&node0) == 0 && node0.used == 0 && node0.level == 0);
	PROVE(pool.free_list == next && viommu_map_pool_is_valid(&pool));
	REACHABLE(list == NO_NODE && pool.fresh == VIOMMU_MAP_NODES_MAX + 1);
	REACHABLE(list != NO_NODE && next == NO_NODE);
	REACHABLE(list != NO_NODE && next != NO_NODE);
}

static uint32_t freed; /* by any_reclaim */

/* Stands for viommu_map_pool_reclaim: what prove_map_reclaim shows, so many times. */
uint32_t any_reclaim(struct viommu_map_pool *pool, uint32_t budget)
{
	freed = nondet_u32();
	ASSUME(freed <= budget && freed <= pool->fresh - 1 - pool->free_count);
	pool->free_count += freed;
	return freed;
}

/* Proof of viommu_i_map_reserve. With viommu_map_pool_reclaim as any_reclaim. True: so many can be taken. */
void prove_map_reserve(void)
{
	struct viommu_map_pool pool = any_pool();
	uint32_t count = nondet_u32();
	uint32_t free = viommu_map_pool_free(&pool);
	bool enough = viommu_i_map_reserve(&pool, count);

	PROVE(enough == (viommu_map_pool_free(&pool) >= count));
	PROVE(free < count || freed == 0);
	REACHABLE(enough && freed != 0);
	REACHABLE(enough && free == count);
	REACHABLE(!enough && freed != 0);
}

static struct {
	uint32_t top;
	struct viommu_map_node node;
	struct viommu_map_node child; /* the last one */
	uint32_t children;
	uint32_t reclaim; /* behind that one */
} apart;

/* Stands for viommu_i_map_node: one node, and its children one after the other. */
struct viommu_map_node *node_apart(const struct viommu_map_pool *pool, uint32_t index)
{
	__CPROVER_assert(index != NO_NODE && index < pool->fresh, "the index is one of the pool's");
	if (index == apart.top)
		return &apart.node;
	__CPROVER_assert(apart.children == 0 || apart.child.used == apart.reclaim, "the list goes on");
	apart.reclaim = pool->reclaim;
	apart.children++;
	return &apart.child;
}

/*
 * Proof of viommu_map_pool_reclaim. With viommu_i_map_node as node_apart, entry_index as plain_index. Unwind 17.
 * Bound: a budget of 1, which is one turn of the loop. The node becomes free, and its children are in its place; those
 * of one that left alone stay.
 */
void prove_map_reclaim(void)
{
	struct viommu_map_pool pool = any_pool();
	struct viommu_map_pool before = pool;
	uint32_t tables = 0;
	uint32_t last = NO_NODE;
	bool alone;
	uint32_t next;
	uint32_t n;

	apart.top = pool.reclaim;
	apart.node = nondet_node();
	next = apart.node.used;
	alone = (apart.node.level & NODE_ALONE) != 0;
	/* A retired node is not free, the one behind it is retired, too, and its children are neither. */
	ASSUME(apart.top == NO_NODE || pool.free_count < pool.fresh - 1);
	ASSUME(next < pool.fresh);
	for (uint32_t i = 0; i < VIOMMU_MAP_FANOUT; i++) {
		uint64_t entry = apart.node.entry[i];

		ASSUME(entry_holds(&pool, entry, apart.node.level & (NODE_ALONE - 1)));
		ASSUME((entry & ENTRY_TABLE) == 0 || plain_index(entry) != apart.top);
		if ((entry & ENTRY_TABLE) != 0) {
			tables++;
			last = plain_index(entry);
		}
	}
	n = viommu_map_pool_reclaim(&pool, 1);
	if (apart.top == NO_NODE) {
		PROVE(n == 0 && pool.free_count == before.free_count && pool.reclaim == before.reclaim);
	} else {
		PROVE(n == 1 && pool.free_count == before.free_count + 1 && pool.free_list == apart.top);
		PROVE(apart.node.used == before.free_list);
		PROVE(apart.children == (alone ? 0 : tables));
		PROVE(pool.reclaim == (apart.children != 0 ? last : next));
		PROVE(apart.children == 0 || apart.child.used == apart.reclaim);
		PROVE(apart.children != 1 || apart.reclaim == next);
	}
	PROVE(pool.fresh == before.fresh && pool.total == before.total);
	REACHABLE(n == 1 && apart.children == VIOMMU_MAP_FANOUT);
	REACHABLE(n == 1 && apart.children == 0 && tables == 1);
	REACHABLE(n == 1 && pool.reclaim == NO_NODE);
	REACHABLE(n == 0);
}

/*
 * Proof of viommu_i_map_limbo_add, viommu_map_limbo_move, viommu_map_pool_retire. With viommu_i_map_node as
 * known_node. Nothing gets lost: the first of one list is behind the last of the other.
 */
void prove_map_limbo(void)
{
	struct viommu_map_pool pool = any_pool();
	struct viommu_map_limbo limbo = { NO_NODE, NO_NODE };
	struct viommu_map_limbo to = { NO_NODE, NO_NODE };
	uint32_t index = any_index(&pool);
	uint32_t reclaim = pool.reclaim;
	uint32_t tail = any_index(&pool);
	bool first_one = nondet_bool();
	struct viommu_map_node *added = know(index);
	struct viommu_map_node *last = know(tail);
	uint32_t first;

	last->used = NO_NODE;
	if (!first_one) {
		limbo.first = any_index(&pool);
		limbo.last = tail;
		ASSUME(limbo.first != index);
	} else {
		last = added;
		tail = index;
	}
	first = limbo.first;
	viommu_i_map_limbo_add(&pool, &limbo, index);
	PROVE(limbo.first == index && added->used == first && limbo.last == tail);
	PROVE(last->used == NO_NODE);
	if (nondet_bool()) {
		uint32_t others = any_index(&pool);
		bool empty = nondet_bool();

		if (!empty) {
			to.first = others;
			to.last = any_index(&pool);
		}
		viommu_map_limbo_move(&pool, &to, &limbo);
		PROVE(to.first == index && last->used == (empty ? NO_NODE : others));
		PROVE(!empty || to.last == tail);
		PROVE(limbo.first == NO_NODE && limbo.last == NO_NODE);
		viommu_map_limbo_move(&pool, &to, &limbo);
		PROVE(to.first == index);
		REACHABLE(empty && !first_one);
		REACHABLE(!empty && first_one);
	} else {
		viommu_map_pool_retire(&pool, &limbo);
		PROVE(pool.reclaim == index && last->used == reclaim);
		PROVE(limbo.first == NO_NODE && limbo.last == NO_NODE);
		viommu_map_pool_retire(&pool, &limbo);
		PROVE(pool.reclaim == index);
		REACHABLE(!first_one && reclaim != NO_NODE);
		REACHABLE(first_one && reclaim == NO_NODE);
	}
}

/* What next_run makes of [first, last]. */
static bool run_holds(const struct run *r, uint64_t first, uint64_t last)
{
	uint64_t end = first | level_mask(r->level + 1); /* of the node that it goes into */

	if (r->first != first || r->level > TOP || (first & level_mask(r->level)) != 0 || r->count == 0)
		return false;
	if (r->last < first || r->last > last || r->last > end)
		return false;
	if (r->count > VIOMMU_MAP_FANOUT - level_digit(first, r->level) ||
	    r->last - first != viommu_port_shl64(r->count, 4 * r->level) - 1)
		return false;
	return r->last == end || last - r->last <= level_mask(r->level);
}

/* The next larger chunk would not begin there, or not end there. */
static bool run_is_high(const struct run *r, uint64_t last)
{
	return r->level == TOP || (r->first & level_mask(r->level + 1)) != 0 ||
	       last - r->first < level_mask(r->level + 1);
}

/*
 * Proof of next_run. Unwind 15. Any granules: whole chunks of the highest level that fits, in one node, as many as
 * there are.
 */
void prove_map_next_run(void)
{
	uint64_t first = nondet_u64();
	uint64_t last = nondet_u64();
	struct run r;

	ASSUME(first <= last && last <= GRANULES_MAX);
	r = next_run(first, last);
	PROVE(run_holds(&r, first, last));
	PROVE(run_is_high(&r, last));
	REACHABLE(r.level == TOP && r.count == VIOMMU_MAP_FANOUT);
	REACHABLE(r.level == TOP && r.last < last);
	REACHABLE(r.level == 0 && r.count == VIOMMU_MAP_FANOUT - 1 && r.last == last);
	REACHABLE(r.level == 3 && r.last < last && r.count == 1);
}

static struct run any_run(void)
{
	struct run r = { nondet_u64(), nondet_u64(), nondet_u32(), nondet_u32() };

	ASSUME(r.level <= TOP && r.last <= GRANULES_MAX && r.first <= r.last && run_holds(&r, r.first, r.last));
	return r;
}

static struct viommu_map_node any_tree_node(uint32_t level)
{
	struct viommu_map_node node = nondet_node();

	ASSUME(node.level == level && node_holds(&node));
	return node;
}

/*
 * Proof of find_join. Unwind 15. A run, and any node below it or beside it: either that begins within the run, or
 * there is a level, not below either, at which both are in one node.
 */
void prove_map_find_join(void)
{
	struct run r = any_run();
	struct viommu_map_node other = any_tree_node(nondet_u32());
	struct place p = { 0 };
	bool found;

	ASSUME(other.level < r.level || !level_covers(other.prefix, other.level, r.first));
	found = find_join(&r, &other, &p);
	PROVE(found == (node_end(&other) < r.first || r.last < other.prefix));
	if (found) {
		PROVE(p.level <= TOP && p.level >= r.level && p.level >= other.level);
		PROVE(level_covers(other.prefix, p.level, r.first));
		PROVE(p.level == r.level || level_digit(other.prefix, p.level) != level_digit(r.first, p.level));
		PROVE(p.nodes == (p.level == r.level ? 1 : 2));
	}
	REACHABLE(found && p.nodes == 2 && p.level == TOP && other.level == 0);
	REACHABLE(found && p.nodes == 1 && other.prefix > r.last);
	REACHABLE(!found && other.prefix == r.first);
	REACHABLE(!found && node_end(&other) == r.last);
}

static struct {
	uint64_t g; /* to which granule */
	uint32_t depth;
	uint32_t level; /* of the last one; before the first, VIOMMU_MAP_LEVELS */
	bool joins;
} way;

/* Stands for entry_node: one node after the other, down to a granule. Of the last two something is still known. */
struct viommu_map_node *node_on_the_way(const struct viommu_map_pool *pool, uint64_t entry)
{
	struct viommu_map_node *node = way.depth % 2 == 0 ? &node0 : &node1;
	uint32_t slot;

	__CPROVER_assert((entry & ENTRY_TABLE) != 0 && plain_index(entry) < pool->fresh, "the entry leads to a node");
	__CPROVER_assert(way.depth < VIOMMU_MAP_LEVELS && entry_level(entry) < way.level, "levels fall");
	*node = any_tree_node(entry_level(entry));
	slot = level_digit(way.g, node->level);
	ASSUME(entry_holds(pool, node->entry[slot], node->level));
	way.level = node->level;
	way.depth++;
	return node;
}

/* Stands for find_join: what prove_map_find_join shows. */
bool any_join(const struct run *r, const struct viommu_map_node *other, struct place *p)
{
	__CPROVER_assert(other->level < r->level || !level_covers(other->prefix, other->level, r->first),
			 "the way does not go through this node");
	way.joins = true;
	p->nodes = nondet_bool() ? 1 : 2;
	p->level = nondet_u32();
	ASSUME(p->level <= TOP && p->level >= r->level && (p->nodes == 1) == (p->level == r->level));
	return node_end(other) < r->first || r->last < other->prefix;
}

static struct {
	const uint64_t *slots;
	uint32_t count;
	bool empty;
} looked_at;

/* Stands for slots_are_empty: what prove_map_slots shows. */
bool any_slots(const uint64_t *slots, uint32_t count)
{
	__CPROVER_assert(count <= VIOMMU_MAP_FANOUT && __CPROVER_r_ok(slots, count * sizeof *slots),
			 "the slots are there");
	looked_at.slots = slots;
	looked_at.count = count;
	looked_at.empty = nondet_bool();
	return looked_at.empty;
}

/* Proof of slots_are_empty. Unwind 17. All of so many, and no others. */
void prove_map_slots(void)
{
	uint64_t slots[VIOMMU_MAP_FANOUT];
	uint32_t count = nondet_u32();
	uint32_t any = nondet_u32();
	bool empty;

	ASSUME(count <= VIOMMU_MAP_FANOUT && any < count);
	empty = slots_are_empty(slots, count);
	PROVE(!empty || slots[any] == 0);
	PROVE(empty || count != 1 || slots[0] != 0);
	REACHABLE(empty && count == VIOMMU_MAP_FANOUT);
	REACHABLE(!empty && slots[0] == 0);
}

/*
 * Proof of find_place. With entry_node as node_on_the_way, find_join as any_join, slots_are_empty as any_slots,
 * entry_index as plain_index. Unwind 17. In any tree: down no more than VIOMMU_MAP_LEVELS nodes to slots that are
 * those of the run, and empty, or to where its nodes have to be made.
 */
void prove_map_find_place(void)
{
	struct viommu_map_pool pool = any_pool();
	struct viommu_map map = any_map(&pool);
	struct run r = any_run();
	struct viommu_map_node *last;
	struct place p;
	bool found;

	way.g = r.first;
	way.level = VIOMMU_MAP_LEVELS;
	ASSUME(entry_holds(&pool, map.root, VIOMMU_MAP_LEVELS));
	found = find_place(&map, &r, &p);
	last = p.node;
	if (last == NULL)
		PROVE(p.ref == &map.root);
	else
		PROVE(p.ref == &last->entry[level_digit(r.first, last->level)] && last->level >= r.level &&
		      level_covers(last->prefix, last->level, r.first));
	if (looked_at.slots != NULL) {
		PROVE(looked_at.slots == p.ref && looked_at.count == r.count && last->level == r.level);
		PROVE(found == looked_at.empty && p.nodes == 0);
		PROVE(level_digit(r.first, r.level) + r.count <= VIOMMU_MAP_FANOUT);
	} else if (found && !way.joins) {
		PROVE(p.nodes == 1 && p.level == r.level && *p.ref == 0);
	}
	if (found)
		PROVE(p.nodes <= 2 && (!way.joins || (*p.ref & ENTRY_TABLE) != 0));
	REACHABLE(found && way.depth == VIOMMU_MAP_LEVELS && p.nodes == 0);
	REACHABLE(found && way.joins && p.nodes == 2 && last == NULL);
	REACHABLE(found && way.depth == 0);
	REACHABLE(!found && way.joins);
	REACHABLE(!found && !way.joins && (*p.ref & ENTRY_LEAF) != 0 && last->level == r.level + 1);
	REACHABLE(!found && looked_at.slots != NULL);
}

static struct {
	uint32_t count;
	uint32_t index; /* the last one */
} cut_out;

/* Stands for viommu_i_map_limbo_add. */
void note_limbo(const struct viommu_map_pool *pool, struct viommu_map_limbo *limbo, uint32_t index)
{
	(void)limbo;
	__CPROVER_assert(index != NO_NODE && index < pool->fresh, "the index is one of the pool's");
	cut_out.count++;
	cut_out.index = index;
}

/*
 * Proof of tidy. With viommu_i_map_node as known_node, viommu_i_map_limbo_add as note_limbo, entry_index as
 * plain_index. Unwind 17. Any node, anywhere: it leaves if it has no entries, or one that leads to a node, which takes
 * its place; the others are as they were, and so is what readers see of one that left.
 */
void prove_map_tidy(void)
{
	struct viommu_map_pool pool = any_pool();
	struct viommu_map map = any_map(&pool);
	uint32_t index = any_index(&pool);
	uint32_t above = any_index(&pool);
	struct viommu_map_limbo limbo = { NO_NODE, NO_NODE };
	struct viommu_map_node *parent = NULL;
	struct viommu_map_node *node = know(index);
	struct viommu_map_node before;
	uint64_t *ref = &map.root;
	uint32_t level = nondet_u32();
	uint32_t parents = 0;
	uint32_t slot;

	ASSUME(node_holds(node) && node->used == used_slots(node));
	if (nondet_bool()) {
		parent = know(above);
		slot = nondet_u32();
		ASSUME(slot < VIOMMU_MAP_FANOUT);
		ref = &parent->entry[slot];
	}
	*ref = plain_table(index, node->level);
	if (parent != NULL) {
		parent->used = used_slots(parent);
		parents = parent->used;
	}
	for (uint32_t i = 0; i < VIOMMU_MAP_FANOUT; i++)
		ASSUME(entry_holds(&pool, node->entry[i], node->level));
	before = *node;
	level = node->level;
	tidy(&map, ref, parent, &limbo);
	if (cut_out.count == 0) {
		PROVE(*ref == plain_table(index, level) && is_same_node(node, &before));
		PROVE(node->used != 0);
	} else {
		PROVE(cut_out.count == 1 && cut_out.index == index && before.used <= 1);
		PROVE(before.used == 0 ? *ref == 0 : (*ref & ENTRY_TABLE) != 0 && entry_level(*ref) < level);
		PROVE(node->level == (before.used == 0 ? level : (level | NODE_ALONE)));
		node->level = level;
		PROVE(is_same_node(node, &before));
	}
	PROVE(parent == NULL || parent->used == used_slots(parent));
	REACHABLE(cut_out.count == 1 && before.used == 0 && parent == NULL);
	REACHABLE(cut_out.count == 1 && before.used == 0 && parent != NULL && parents == 1);
	REACHABLE(cut_out.count == 1 && before.used == 1 && parent != NULL);
	REACHABLE(cut_out.count == 0 && before.used == 1);
	REACHABLE(cut_out.count == 0 && before.used == VIOMMU_MAP_FANOUT);
}

static struct {
	const struct viommu_map *map;
	uint32_t level; /* of the last node; before the first, VIOMMU_MAP_LEVELS */
	uint32_t loads;
	uint64_t entry; /* the last one */
} reader;

/* Stands for node_at_place: a node of which the owner may be changing the entries. */
struct viommu_map_node *node_read(const struct viommu_map_slab *slabs, uint64_t place)
{
	__CPROVER_assert(slabs == reader.map->pool->slabs && place == reader.entry >> 8, "it is where the entry says");
	return &node0;
}

/* Stands for viommu_port_get64: anything that can be there at this moment. */
uint64_t entry_read(const uint64_t *p)
{
	uint64_t entry = nondet_u64();

	if (reader.loads == 0)
		__CPROVER_assert(p == &reader.map->root, "the way begins at the root");
	else
		__CPROVER_assert(__CPROVER_same_object(p, &node0) && p >= node0.entry &&
					 p < node0.entry + VIOMMU_MAP_FANOUT && is_aligned_to(p, 8),
				 "it is one of the node's");
	ASSUME((entry & ENTRY_TABLE) != 0 ? entry_level(entry) < reader.level && entry_shift(entry) % 4 == 0
					  : entry == 0 || ((entry & ENTRY_LEAF) != 0 && reader.loads != 0));
	if ((entry & ENTRY_TABLE) != 0)
		reader.level = entry_level(entry);
	reader.loads++;
	reader.entry = entry;
	return entry;
}

/*
 * Proof of walk. With node_at_place as node_read, viommu_port_get64 as entry_read. Unwind 15. Whatever the owner does
 * meanwhile: the root, no more than VIOMMU_MAP_LEVELS nodes, each entry loaded once, and the last one is what it says.
 */
void prove_map_walk(void)
{
	struct viommu_map_pool pool = { .slab_count = nondet_u32() };
	struct viommu_map map = any_map(&pool);
	uint64_t g = nondet_u64();
	struct end end;
	bool found;

	ASSUME(g <= GRANULES_MAX);
	node0 = nondet_node();
	reader.map = &map;
	reader.level = VIOMMU_MAP_LEVELS;
	found = walk(&map, g, &end);
	PROVE(reader.loads >= 1 && reader.loads <= 1 + VIOMMU_MAP_LEVELS);
	PROVE(end.entry == reader.entry && (end.entry & ENTRY_TABLE) == 0);
	if (end.node != NULL)
		PROVE(end.node == &node0 && end.shift == 4 * reader.level && end.slot == level_digit(g, reader.level));
	if (found) {
		PROVE(end.node != NULL && (end.entry & ENTRY_LEAF) != 0);
		PROVE(level_covers(node0.prefix, reader.level, g));
	}
	REACHABLE(found && reader.loads == 1 + VIOMMU_MAP_LEVELS);
	REACHABLE(found && reader.loads == 2 && reader.level == TOP);
	REACHABLE(!found && end.entry != 0);
	REACHABLE(!found && reader.loads == 1);
}
