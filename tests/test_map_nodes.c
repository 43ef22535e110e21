/* SPDX-License-Identifier: BSD-3-Clause */
/* test_map_nodes.c: the pool, what happens without nodes, what old readers see, and the checker of the tree. */
#include "map_oracle.h"
#include "suite.h"

#include "../libviommu/map/node.h"
#include "../sim/random.h"

#include "sim/env/env.h"

/* The pool. */

static void test_map_pool__memory_of_any_length_and_alignment__whole_nodes_inside_it(void **state)
{
	(void)state;
	for (size_t shift = 0; shift < 16; shift++) {
		for (size_t len = 0; len <= 3 * VIOMMU_MAP_NODE_SIZE + 8; len++) {
			/* Ends where the memory ends, so that a sanitizer sees one node too many. */
			uint8_t *mem = sim_env_alloc(shift + len + (shift + len == 0));
			size_t skip = -(uintptr_t)(mem + shift) & 7; /* to the first aligned byte */
			struct viommu_map_pool pool;
			enum viommu_result r;
			uint32_t total;

			assert_non_null(mem);
			viommu_map_pool_init(&pool);
			r = viommu_map_pool_add(&pool, mem + shift, len);
			total = viommu_map_pool_total(&pool);
			assert_int_equal(r, total != 0 ? VIOMMU_OK : VIOMMU_E_ARG);
			assert_int_equal(total, len < skip ? 0 : (len - skip) / VIOMMU_MAP_NODE_SIZE);
			if (total >= 2) {
				struct viommu_map_limbo limbo = { 0, 0 };
				struct viommu_map map;

				viommu_map_init(&map, &pool, 8);
				assert_int_equal(viommu_map_insert(&map, 0, 255, 0, 0), VIOMMU_OK);
				if (total >= 3) /* one node is taken, two more: all of the memory is written */
					assert_int_equal(viommu_map_insert(&map, TOP - 255, TOP, 0, 0), VIOMMU_OK);
				viommu_map_clear(&map, &limbo);
			}
			sim_env_free(mem);
		}
	}
}

static void test_map_pool__many_slabs__added_up_until_full(void **state)
{
	struct viommu_map_limbo limbo = { 0, 0 };
	uint8_t *mem[VIOMMU_MAP_SLABS_MAX + 1];
	struct viommu_map_pool pool;
	struct viommu_map map;
	uint32_t total = 0;

	(void)state;
	viommu_map_pool_init(&pool);
	assert_int_equal(viommu_map_pool_total(&pool), 0);
	assert_int_equal(viommu_map_pool_free(&pool), 0);
	viommu_map_init(&map, &pool, 12);
	assert_int_equal(viommu_map_insert(&map, 0, 0xfff, 0, 0), VIOMMU_E_NOMEM);
	for (uint32_t i = 0; i <= VIOMMU_MAP_SLABS_MAX; i++) {
		uint32_t nodes = 1 + i % 3;

		mem[i] = sim_env_alloc(nodes * VIOMMU_MAP_NODE_SIZE);
		assert_non_null(mem[i]);
		assert_int_equal(viommu_map_pool_add(&pool, mem[i], VIOMMU_MAP_NODE_SIZE - 1), VIOMMU_E_ARG);
		if (i < VIOMMU_MAP_SLABS_MAX) {
			assert_int_equal(viommu_map_pool_add(&pool, mem[i], nodes * VIOMMU_MAP_NODE_SIZE), VIOMMU_OK);
			total += nodes;
		} else {
			assert_int_equal(viommu_map_pool_add(&pool, mem[i], nodes * VIOMMU_MAP_NODE_SIZE),
					 VIOMMU_E_FULL);
		}
		assert_int_equal(viommu_map_pool_total(&pool), total);
		assert_int_equal(viommu_map_pool_free(&pool), total);
	}
	/* Every node of every slab can be used, twice. */
	for (int round = 0; round < 2; round++) {
		uint64_t n = 0;

		while (viommu_map_insert(&map, n << 32, (n << 32) + 0xfff, n << 12, 3) == VIOMMU_OK)
			n++;
		assert_true(n > total / 3 && viommu_map_pool_free(&pool) < 2);
		for (uint64_t i = 0; i < n; i++) {
			struct viommu_mapping out;

			assert_true(viommu_map_lookup(&map, i << 32, &out));
			assert_int_equal(out.phys, i << 12);
		}
		assert_true(viommu_map_check(&map));
		viommu_map_clear(&map, &limbo);
		viommu_map_pool_retire(&pool, &limbo);
		assert_true(viommu_map_pool_reclaim(&pool, UINT32_MAX) > 0);
		assert_int_equal(viommu_map_pool_free(&pool), total);
	}
	for (uint32_t i = 0; i <= VIOMMU_MAP_SLABS_MAX; i++)
		sim_env_free(mem[i]);
}

static void test_map_pool__reclaim_with_a_budget__never_more_and_all_in_the_end(void **state)
{
	struct bench b;
	struct pair *p;
	uint32_t in_use, freed = 0;

	(void)state;
	bench_init(&b, 500, 1);
	p = bench_map(&b, 0, 12);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(insert(&b, p, i << 30, (i << 30) + 0xfff, 0, 1), VIOMMU_OK);
	in_use = 500 - viommu_map_pool_free(&b.pool);
	assert_true(in_use >= 100);
	assert_int_equal(viommu_map_pool_reclaim(&b.pool, UINT32_MAX), 0); /* nothing is retired */

	viommu_map_clear(&p->map, &b.limbo);
	p->oracle.count = 0;
	assert_int_equal(viommu_map_pool_reclaim(&b.pool, UINT32_MAX), 0); /* the grace period goes on */
	assert_int_equal(viommu_map_pool_free(&b.pool), 500 - in_use);

	viommu_map_pool_retire(&b.pool, &b.limbo);
	assert_int_equal(viommu_map_pool_reclaim(&b.pool, 0), 0);
	for (uint32_t budget = 1; freed < in_use; budget++) {
		uint32_t n = viommu_map_pool_reclaim(&b.pool, budget);

		assert_true(n > 0 && n <= budget);
		freed += n;
		assert_int_equal(viommu_map_pool_free(&b.pool), 500 - in_use + freed);
	}
	assert_int_equal(freed, in_use);
	bench_done(&b);
}

static void test_map_pool__empty_limbo_retired__nothing_happens(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, 10, 1);
	(void)bench_map(&b, 0, 12);
	for (int i = 0; i < 3; i++)
		recycle(&b);
	viommu_map_clear(&b.pairs[0].map, &b.limbo);
	assert_int_equal(b.limbo.first, 0);
	assert_int_equal(viommu_map_remove(&b.pairs[0].map, 0, TOP, &b.limbo), VIOMMU_OK);
	assert_int_equal(b.limbo.first, 0);
	bench_done(&b);
}

static void test_map_limbo__moved_into_an_empty_and_a_full_one__all_nodes_come_back(void **state)
{
	struct viommu_map_limbo first = { 0, 0 }, second = { 0, 0 }, all = { 0, 0 };
	struct bench b;
	struct pair *p;

	(void)state;
	bench_init(&b, 40, 1);
	p = bench_map(&b, 0, 12);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(viommu_map_insert(&p->map, i << 30, (i << 30) + 0xfff, 0, 1), VIOMMU_OK);
	assert_int_equal(viommu_map_remove(&p->map, 0, (UINT64_C(4) << 30) - 1, &first), VIOMMU_OK);
	viommu_map_clear(&p->map, &second);
	viommu_map_limbo_move(&b.pool, &all, &first);
	assert_int_equal(first.first | first.last, 0);
	viommu_map_limbo_move(&b.pool, &all, &first); /* there is nothing in it any more */
	viommu_map_limbo_move(&b.pool, &all, &second);
	assert_int_equal(second.first | second.last, 0);
	viommu_map_pool_retire(&b.pool, &all);
	(void)viommu_map_pool_reclaim(&b.pool, UINT32_MAX);
	assert_int_equal(viommu_map_pool_free(&b.pool), 40);
	bench_done(&b);
}

#if SIZE_MAX > UINT32_MAX
/* Indices have 32 bits. The memory is not touched before it is needed, so that there need not be any here. */
static void test_map_pool__more_nodes_than_it_can_have__cut_then_full(void **state)
{
	uint8_t *nowhere = (uint8_t *)(uintptr_t)0x10000;
	struct viommu_map_pool pool;

	(void)state;
	viommu_map_pool_init(&pool);
	assert_int_equal(viommu_map_pool_add(&pool, nowhere, 2 * VIOMMU_MAP_NODE_SIZE), VIOMMU_OK);
	assert_int_equal(viommu_map_pool_add(&pool, nowhere, (size_t)VIOMMU_MAP_NODE_SIZE << 32), VIOMMU_OK);
	assert_true(viommu_map_pool_total(&pool) == VIOMMU_MAP_NODES_MAX);
	assert_int_equal(viommu_map_pool_add(&pool, nowhere, VIOMMU_MAP_NODE_SIZE), VIOMMU_E_FULL);
	assert_true(viommu_map_pool_total(&pool) == VIOMMU_MAP_NODES_MAX);
	/* One less than the limit is not cut. */
	viommu_map_pool_init(&pool);
	assert_int_equal(viommu_map_pool_add(&pool, nowhere, VIOMMU_MAP_NODE_SIZE * ((size_t)VIOMMU_MAP_NODES_MAX - 1)),
			 VIOMMU_OK);
	assert_true(viommu_map_pool_total(&pool) == VIOMMU_MAP_NODES_MAX - 1);
	assert_int_equal(viommu_map_pool_add(&pool, nowhere, 2 * VIOMMU_MAP_NODE_SIZE), VIOMMU_OK);
	assert_true(viommu_map_pool_total(&pool) == VIOMMU_MAP_NODES_MAX);
}
#endif

/* Running out of nodes. */

/* The mapping with the most chunks: all but the first and the last granule. */
static void test_map_insert__pool_of_any_size__all_or_nothing(void **state)
{
	uint32_t enough = 0;

	(void)state;
	for (uint32_t nodes = 1; nodes <= INSERT_NODES_MAX; nodes++) {
		struct bench b;
		struct pair *p;
		enum viommu_result r;

		bench_init(&b, nodes, 1);
		p = bench_map(&b, 0, 8);
		r = insert(&b, p, 256, TOP - 256, 0, 3);
		if (r == VIOMMU_OK && enough == 0)
			enough = nodes;
		assert_int_equal(r, enough != 0 ? VIOMMU_OK : VIOMMU_E_NOMEM);
		assert_same_content(p);
		if (r == VIOMMU_E_NOMEM)
			assert_int_equal(viommu_map_pool_free(&b.pool), nodes);
		if (nodes >= INSERT_NODES_ONE_GRANULE && r == VIOMMU_E_NOMEM) {
			assert_int_equal(insert(&b, p, 256, 511, 0, 3), VIOMMU_OK);
			assert_same_content(p);
		}
		bench_done(&b);
	}
	assert_true(enough > 2);
}

/* Beside a mapping at 0x10000, with so many nodes left. */
static enum viommu_result insert_with_free(uint32_t nodes, uint64_t first, uint64_t last)
{
	enum viommu_result r;
	struct bench b;
	struct pair *p;

	bench_init(&b, 1 + nodes, 1);
	p = bench_map(&b, 0, 12);
	assert_int_equal(insert(&b, p, 0x10000, 0x10fff, 0x5000, 3), VIOMMU_OK);
	assert_int_equal(viommu_map_pool_free(&b.pool), nodes);
	r = insert(&b, p, first, last, 0, 3);
	assert_int_equal(viommu_map_pool_free(&b.pool), r == VIOMMU_OK ? 0 : nodes);
	assert_same_content(p);
	bench_done(&b);
	return r;
}

/* Chunks of one size in one node: neither a node too many is asked for, nor one too few. */
static void test_map_insert__chunks_of_one_node__needs_what_it_takes(void **state)
{
	(void)state;
	/* In the node that is there; in a new one above it; in a node of its own and one that joins it. */
	assert_int_equal(insert_with_free(0, 0x11000, 0x1ffff), VIOMMU_OK);
	assert_int_equal(insert_with_free(0, 0x20000, 0x3ffff), VIOMMU_E_NOMEM);
	assert_int_equal(insert_with_free(1, 0x20000, 0x3ffff), VIOMMU_OK);
	assert_int_equal(insert_with_free(1, 0x20000, 0x20fff), VIOMMU_E_NOMEM);
	assert_int_equal(insert_with_free(2, 0x20000, 0x20fff), VIOMMU_OK);
}

static void test_map_insert__pool_used_up__nomem_unchanged_and_life_goes_on(void **state)
{
	(void)state;
	for (size_t nodes = 2; nodes < 60; nodes++) {
		uint64_t n = 0;
		struct bench b;
		struct pair *p;

		bench_init(&b, nodes, 1);
		p = bench_map(&b, 0, 12);
		while (insert(&b, p, n << 28, (n << 28) + 0xfff, n << 12, 3) == VIOMMU_OK)
			n++;
		assert_true(n > 0);
		assert_same_content(p);
		/* Each mapping has a node of its own: two of them make room for one insert. */
		for (uint64_t victim = 0; victim + 1 < n; victim++) {
			uint64_t one = victim << 28, two = (victim + 1) << 28;

			(void)take_out(&b, p, one, one + 0xfff);
			(void)take_out(&b, p, two, two + 0xfff);
			/* No node comes back before its grace period is over. One that is left may be enough. */
			(void)viommu_map_pool_reclaim(&b.pool, UINT32_MAX);
			if (viommu_map_pool_free(&b.pool) == 0)
				assert_int_equal(insert(&b, p, one, one + 0xfff, 0, 1), VIOMMU_E_NOMEM);
			assert_same_content(p);
			viommu_map_pool_retire(&b.pool, &b.limbo);
			assert_int_equal(insert(&b, p, one, one + 0xfff, 0, 1), VIOMMU_OK);
			assert_same_content(p);
			(void)insert(&b, p, two, two + 0xfff, 0, 1);
			assert_same_content(p);
		}
		assert_int_equal(take_out(&b, p, 0, TOP), VIOMMU_OK);
		recycle(&b);
		assert_int_equal(viommu_map_pool_free(&b.pool), nodes);
		for (uint64_t i = 0; i < n; i++)
			assert_int_equal(insert(&b, p, i << 28, (i << 28) + 0xfff, 0, 3), VIOMMU_OK);
		bench_done(&b);
	}
}

/* Limbo: somebody may still be reading what was cut out. */

/*
 * Map 0 is cleared while a reader still holds its root; map 1 then takes every node it can get, with the same addresses
 * and other targets. The reader has to go on seeing map 0, and may see map 1's memory under no circumstances.
 */
static void test_map_limbo__nodes_not_retired__old_reader_sees_old_content(void **state)
{
	struct viommu_map_node *old;
	struct viommu_map reader;
	struct bench b;
	struct pair *p, *q;
	uint32_t in_use;
	uint64_t n = 0;

	(void)state;
	bench_init(&b, 300, 2);
	p = bench_map(&b, 0, 12);
	q = bench_map(&b, 1, 12);
	for (uint64_t i = 0; i < 50; i++)
		assert_int_equal(insert(&b, p, i << 24, (i << 24) + 0x6fff, (0xa00000 | i) << 16, 1), VIOMMU_OK);
	in_use = 300 - viommu_map_pool_free(&b.pool);
	old = sim_env_alloc(in_use * sizeof(*old));
	assert_non_null(old);
	memcpy(old, b.mem, in_use * sizeof(*old)); /* a new pool hands out its nodes in order, or the next line fails */
	assert_int_equal(((struct viommu_map_node *)b.mem)[in_use].used, 0);

	reader = p->map;
	viommu_map_clear(&p->map, &b.limbo);
	assert_true(viommu_map_is_empty(&p->map));
	assert_int_equal(viommu_map_pool_free(&b.pool), 300 - in_use);
	while (viommu_map_insert(&q->map, n << 24, (n << 24) + 0x6fff, UINT64_C(0xb0) << 40, 2) == VIOMMU_OK)
		n++;
	assert_true(n >= 50);
	for (uint64_t i = 0; i < 50; i++) {
		struct viommu_mapping out;

		assert_true(viommu_map_lookup(&reader, (i << 24) + 0x6fff, &out));
		assert_int_equal(out.phys, ((0xa00000 | i) << 16) + 0x6fff);
		assert_false(viommu_map_lookup(&reader, (i << 24) + 0x7000, &out));
	}
	for (uint32_t i = 0; i < in_use; i++) {
		const struct viommu_map_node *node = (struct viommu_map_node *)b.mem + i;

		assert_int_equal(node->prefix, old[i].prefix);
		assert_memory_equal(node->entry, old[i].entry, sizeof(old[i].entry));
	}
	/* Only now may they be used again, and an insert that needs them takes them apart by itself. */
	assert_int_equal(viommu_map_insert(&q->map, n << 24, (n << 24) + 0x6fff, 0, 2), VIOMMU_E_NOMEM);
	viommu_map_pool_retire(&b.pool, &b.limbo);
	assert_int_equal(viommu_map_insert(&q->map, n << 24, (n << 24) + 0x6fff, 0, 2), VIOMMU_OK);
	assert_true(viommu_map_check(&q->map));
	sim_env_free(old);
	bench_done(&b);
}

/* The same in the middle of a live map: an old reader sees what was removed as it was, or unmapped. */
static void test_map_limbo__parts_removed__old_reader_sees_old_content_or_nothing(void **state)
{
	struct sim_random rnd = { 7 };

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct oracle *before = sim_env_alloc(sizeof(*before));
		struct viommu_map reader;
		struct bench b;
		struct pair *p, *q;
		uint64_t n = 0;

		assert_non_null(before);
		bench_init(&b, 400, 2);
		p = bench_map(&b, 0, 12);
		q = bench_map(&b, 1, 12);
		for (uint64_t i = 0; i < 40; i++) {
			uint64_t first = sim_random_below(&rnd, 2000) << (12 + 4 * sim_random_below(&rnd, 3));

			(void)insert(&b, p, first, first + ((1 + sim_random_below(&rnd, 40)) << 12) - 1, first, 1);
		}
		*before = p->oracle;
		reader = p->map;
		for (int i = 0; i < 4; i++) {
			size_t a = (size_t)sim_random_below(&rnd, p->oracle.count);
			size_t z =
				a + (size_t)sim_random_below(&rnd, p->oracle.count - a < 6 ? p->oracle.count - a : 6);

			assert_int_equal(take_out(&b, p, p->oracle.at[a].first, p->oracle.at[z].last), VIOMMU_OK);
		}
		assert_same_content(p);
		while (viommu_map_insert(&q->map, n << 16, (n << 16) + 0x1fff, UINT64_C(0xb0) << 40, 2) == VIOMMU_OK)
			n++;
		assert_same_content(p);
		for (size_t i = 0; i < before->count; i++) {
			const struct viommu_mapping *m = &before->at[i];
			struct viommu_mapping out;

			if (viommu_map_lookup(&reader, m->last, &out))
				assert_int_equal(out.phys, m->phys + (m->last - m->first));
			else
				assert_null(oracle_find(&p->oracle, m->last));
		}
		bench_done(&b);
		sim_env_free(before);
	}
}

/* The checker itself: it is worth as much as what it finds. */

static struct viommu_map_node *node_of(const struct bench *b, uint32_t index)
{
	return (struct viommu_map_node *)b->mem + (index - 1);
}

static void assert_found(const struct pair *p, struct viommu_map_node *node, const struct viommu_map_node *sound)
{
	assert_false(viommu_map_check(&p->map));
	*node = *sound;
	assert_true(viommu_map_check(&p->map));
}

static void assert_broken_entry_found(const struct pair *p, struct viommu_map_node *node, uint32_t slot)
{
	const struct viommu_map_node sound = *node;
	uint64_t entry = node->entry[slot];

	if (entry == 0) {
		node->entry[slot] = ENTRY_LEAF | ENTRY_FIRST | ENTRY_LAST; /* one too many for `used` */
		assert_found(p, node, &sound);
		return;
	}
	node->entry[slot] = 0;
	assert_found(p, node, &sound);
	if ((entry & ENTRY_TABLE) != 0) {
		node->entry[slot] ^= 4; /* the child's level */
		assert_found(p, node, &sound);
		return;
	}
	node->entry[slot] ^= ENTRY_FIRST;
	assert_found(p, node, &sound);
	node->entry[slot] ^= ENTRY_LAST;
	assert_found(p, node, &sound);
	node->entry[slot] ^= ENTRY_LEAF;
	assert_found(p, node, &sound);
	if ((entry & ENTRY_FIRST) != 0 && (entry & ENTRY_LAST) != 0)
		return; /* a mapping of one chunk may lead anywhere */
	node->entry[slot] ^= 2;
	assert_found(p, node, &sound);
	node->entry[slot] ^= 0x1000;
	assert_found(p, node, &sound);
}

static void test_map_check__any_invariant_broken__false(void **state)
{
	struct bench b;
	struct pair *p;
	uint32_t in_use;

	(void)state;
	bench_init(&b, 100, 1);
	p = bench_map(&b, 0, 12);
	assert_int_equal(insert(&b, p, 0x7000, 0x12344fff, 0x1000, 1), VIOMMU_OK);
	assert_int_equal(insert(&b, p, 0x12345000, 0x12345fff, 0x12340000, 1), VIOMMU_OK);
	assert_int_equal(insert(&b, p, 0x12347000, 0x12348fff, 0x2000, 1), VIOMMU_OK);
	assert_int_equal(insert(&b, p, UINT64_C(1) << 50, (UINT64_C(1) << 50) + 0xfff, 0x3000, 1), VIOMMU_OK);
	in_use = 100 - viommu_map_pool_free(&b.pool);
	for (uint32_t index = 1; index <= in_use; index++) {
		struct viommu_map_node *node = node_of(&b, index);
		const struct viommu_map_node sound = *node;

		node->used++;
		assert_found(p, node, &sound);
		node->used--;
		assert_found(p, node, &sound);
		node->level++;
		assert_found(p, node, &sound);
		node->prefix++;
		assert_found(p, node, &sound);
		node->prefix ^= UINT64_C(1) << 48;
		assert_found(p, node, &sound);
		memset(node->entry, 0, sizeof(node->entry));
		node->used = 0;
		assert_found(p, node, &sound);
		for (uint32_t slot = 0; slot < VIOMMU_MAP_FANOUT; slot++)
			assert_broken_entry_found(p, node, slot);
	}
	bench_done(&b);
}

/* Children in each other's places: the counts are right, the prefixes are not. */
static void test_map_check__children_swapped_or_at_the_wrong_slot__false(void **state)
{
	struct viommu_map_node *top, sound;
	struct bench b;
	struct pair *p;

	(void)state;
	bench_init(&b, 10, 1);
	p = bench_map(&b, 0, 12);
	assert_int_equal(insert(&b, p, 0x3000, 0x3fff, 0, 1), VIOMMU_OK);
	assert_int_equal(insert(&b, p, 0x13000, 0x13fff, 0, 1), VIOMMU_OK);
	top = node_of(&b, entry_index(p->map.root));
	sound = *top;
	assert_int_equal(top->used, 2);
	top->entry[0] = sound.entry[1];
	top->entry[1] = sound.entry[0];
	assert_found(p, top, &sound);
	top->entry[5] = sound.entry[1];
	top->entry[1] = 0;
	assert_found(p, top, &sound);
	/* A node with one child only should have been skipped. */
	top->entry[1] = 0;
	top->used = 1;
	assert_found(p, top, &sound);
	bench_done(&b);
}

/* All counts and flags are right, and so is the target; only the addresses do not follow each other. */
static void test_map_check__hole_in_a_mapping__false(void **state)
{
	struct viommu_map_node *node, sound;
	struct bench b;
	struct pair *p;

	(void)state;
	bench_init(&b, 10, 1);
	p = bench_map(&b, 0, 12);
	assert_int_equal(insert(&b, p, 0x3000, 0x6fff, 0x8000, 1), VIOMMU_OK);
	node = node_of(&b, entry_index(p->map.root));
	sound = *node;
	for (uint32_t slot = 4; slot < 6; slot++)
		node->entry[slot] = node->entry[slot + 1] - 0x1000;
	node->entry[6] = 0;
	node->used--;
	assert_true(viommu_map_check(&p->map)); /* a mapping of three */
	node->entry[6] = node->entry[5];
	node->entry[5] = 0;
	assert_found(p, node, &sound);
	bench_done(&b);
}

/* A child that spans as much as its parent, though it fits its entry, its slot and its content. */
static void test_map_check__child_at_its_parents_level__false(void **state)
{
	struct viommu_map_node *top, *child, sound_top, sound_child;
	struct bench b;
	struct pair *p;

	(void)state;
	bench_init(&b, 10, 1);
	p = bench_map(&b, 0, 12);
	assert_int_equal(insert(&b, p, 0x3000, 0x3fff, 0, 1), VIOMMU_OK);
	assert_int_equal(insert(&b, p, 0x13000, 0x13fff, 0, 1), VIOMMU_OK);
	top = node_of(&b, entry_index(p->map.root));
	child = node_of(&b, entry_index(top->entry[0]));
	sound_top = *top;
	sound_child = *child;
	assert_int_equal(child->prefix, 0);
	child->level = top->level;
	top->entry[0] = entry_table(entry_index(top->entry[0]), top->level);
	assert_false(viommu_map_check(&p->map));
	*child = sound_child;
	assert_found(p, top, &sound_top);
	bench_done(&b);
}

/* Levels fall, and yet the walk would leave its path: the root is above the highest level there is. */
static void test_map_check__more_levels_than_there_are__false(void **state)
{
	struct bench b;
	struct pair *p;

	(void)state;
	bench_init(&b, VIOMMU_MAP_LEVELS + 1, 1);
	p = bench_map(&b, 0, 8);
	for (uint32_t level = 0; level <= VIOMMU_MAP_LEVELS; level++) {
		struct viommu_map_node *node = node_of(&b, level + 1);

		*node = (struct viommu_map_node){ .level = level, .used = 2 };
		node->entry[0] = level > 0 ? entry_table(level, level - 1) : ENTRY_LEAF | ENTRY_FIRST | ENTRY_LAST;
		node->entry[1] = ENTRY_LEAF | ENTRY_FIRST | ENTRY_LAST;
	}
	b.pool.fresh = VIOMMU_MAP_LEVELS + 2; /* as if the pool had handed them out */
	p->map.root = entry_table(VIOMMU_MAP_LEVELS, VIOMMU_MAP_LEVELS - 1);
	assert_true(viommu_map_check(&p->map));
	p->map.root = entry_table(VIOMMU_MAP_LEVELS + 1, VIOMMU_MAP_LEVELS);
	assert_false(viommu_map_check(&p->map));
	p->map.root = 0;
	b.pool.fresh = 1;
	bench_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map_pool__memory_of_any_length_and_alignment__whole_nodes_inside_it),
		cmocka_unit_test(test_map_pool__many_slabs__added_up_until_full),
		cmocka_unit_test(test_map_pool__reclaim_with_a_budget__never_more_and_all_in_the_end),
		cmocka_unit_test(test_map_pool__empty_limbo_retired__nothing_happens),
		cmocka_unit_test(test_map_limbo__moved_into_an_empty_and_a_full_one__all_nodes_come_back),
#if SIZE_MAX > UINT32_MAX
		cmocka_unit_test(test_map_pool__more_nodes_than_it_can_have__cut_then_full),
#endif
		cmocka_unit_test(test_map_insert__pool_of_any_size__all_or_nothing),
		cmocka_unit_test(test_map_insert__chunks_of_one_node__needs_what_it_takes),
		cmocka_unit_test(test_map_insert__pool_used_up__nomem_unchanged_and_life_goes_on),
		cmocka_unit_test(test_map_limbo__nodes_not_retired__old_reader_sees_old_content),
		cmocka_unit_test(test_map_limbo__parts_removed__old_reader_sees_old_content_or_nothing),
		cmocka_unit_test(test_map_check__any_invariant_broken__false),
		cmocka_unit_test(test_map_check__children_swapped_or_at_the_wrong_slot__false),
		cmocka_unit_test(test_map_check__hole_in_a_mapping__false),
		cmocka_unit_test(test_map_check__child_at_its_parents_level__false),
		cmocka_unit_test(test_map_check__more_levels_than_there_are__false),
	};

	return suite_run(tests);
}
