/* SPDX-License-Identifier: BSD-3-Clause */
/* test_check_map.c: each condition of viommu_map_pool_is_valid, viommu_map_is_valid and the two checks. */
#include "check_cases.h"

#include "../libviommu/map/check.h"
#include "../libviommu/map/node.h"

#define PAGE UINT64_C(0x1000)
#define FIRST_SLAB 24u
#define SECOND_SLAB 40u

static struct viommu_map_node memory[FIRST_SLAB + SECOND_SLAB + 1]; /* a gap between the slabs */
static struct viommu_map_pool pool;
static struct viommu_map map;   /* several levels */
static struct viommu_map small; /* one node */
static struct viommu_map_limbo limbo;

static struct viommu_map_node *node(uint32_t index)
{
	return index <= FIRST_SLAB ? &memory[index - 1] : &memory[index];
}

static struct viommu_map_node *below(uint64_t entry)
{
	return node(entry_index(entry));
}

static void insert(struct viommu_map *m, uint64_t first_page, uint64_t last_page, uint64_t phys_page)
{
	assert_int_equal(viommu_map_insert(m, first_page * PAGE, last_page * PAGE + PAGE - 1, phys_page * PAGE, 3),
			 VIOMMU_OK);
}

static void take_out(struct viommu_map *m, uint64_t first_page, uint64_t last_page)
{
	assert_int_equal(viommu_map_remove(m, first_page * PAGE, last_page * PAGE + PAGE - 1, &limbo), VIOMMU_OK);
}

/* Of the pages of `map`: */
#define PAGES_IN_ROW 0x100u /* three, one mapping */
#define PAGES_BLOCK 0x110u  /* sixteen, one chunk */
#define PAGE_ALONE 0x2003u  /* first child of its parent */
#define PAGE_SECOND 0x2013u

static int make(void **state)
{
	(void)state;
	memset(memory, 0, sizeof memory);
	memset(&limbo, 0, sizeof limbo);
	viommu_map_pool_init(&pool);
	assert_int_equal(viommu_map_pool_add(&pool, memory, FIRST_SLAB * VIOMMU_MAP_NODE_SIZE), VIOMMU_OK);
	assert_int_equal(viommu_map_pool_add(&pool, memory + FIRST_SLAB + 1, SECOND_SLAB * VIOMMU_MAP_NODE_SIZE),
			 VIOMMU_OK);
	viommu_map_init(&map, &pool, 12);
	viommu_map_init(&small, &pool, 12);
	/* Some that are free again, from both slabs. */
	for (uint64_t i = 0; i < 20; i++)
		insert(&small, i << 16, i << 16, i);
	viommu_map_clear(&small, &limbo);
	viommu_map_pool_retire(&pool, &limbo);
	(void)viommu_map_pool_reclaim(&pool, UINT32_MAX);
	/* Some that are retired: two trees. */
	for (int i = 0; i < 2; i++) {
		insert(&small, 1, 1, 1);
		insert(&small, 0x11, 0x11, 1);
		viommu_map_clear(&small, &limbo);
	}
	viommu_map_pool_retire(&pool, &limbo);
	/* Some in limbo: a tree, an empty node, and one that was left with a single child. */
	insert(&small, 1, 1, 1);
	insert(&small, 0x11, 0x11, 1);
	insert(&small, 0x111, 0x111, 1);
	viommu_map_clear(&small, &limbo);
	insert(&small, 1, 1, 1);
	insert(&small, 0x11, 0x11, 1);
	take_out(&small, 0x11, 0x11);
	/* Some in use. */
	insert(&map, PAGES_IN_ROW, PAGES_IN_ROW + 2, 0x50);
	insert(&map, PAGES_BLOCK, PAGES_BLOCK + 15, 0x60);
	insert(&map, PAGE_ALONE, PAGE_ALONE, 0x70);
	insert(&map, PAGE_SECOND, PAGE_SECOND, 0x71);

	check_protect(memory, sizeof memory);
	check_protect(&pool, sizeof pool);
	check_protect(&map, sizeof map);
	check_protect(&small, sizeof small);
	check_protect(&limbo, sizeof limbo);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	check_protect_none();
	return 0;
}

/* The leaf of a page and the node that it is in. */
static struct viommu_map_node *node_of(const struct viommu_map *m, uint64_t page)
{
	uint64_t entry = m->root;
	struct viommu_map_node *n = NULL;

	while ((entry & ENTRY_TABLE) != 0) {
		n = below(entry);
		entry = n->entry[level_digit(page, n->level)];
	}
	return n;
}

static uint64_t *leaf_of(const struct viommu_map *m, uint64_t page)
{
	struct viommu_map_node *n = node_of(m, page);

	return &n->entry[level_digit(page, n->level)];
}

/* The parent of PAGE_ALONE and PAGE_SECOND. */
static struct viommu_map_node *parent(void)
{
	struct viommu_map_node *n = below(map.root);

	while (n->level > 1)
		n = below(n->entry[level_digit(PAGE_ALONE, n->level)]);
	return n;
}

static bool pool_is_valid(void)
{
	return viommu_map_pool_is_valid(&pool);
}

static bool pool_check(void)
{
	return viommu_map_pool_check(&pool);
}

static bool map_is_valid(void)
{
	return viommu_map_is_valid(&map) && viommu_map_is_valid(&small);
}

static bool map_check(void)
{
	return viommu_map_check(&map) && viommu_map_check(&small);
}

static bool all_nodes(void)
{
	uint32_t nodes = 0;

	return viommu_i_map_pool_count(&pool, &nodes) && viommu_i_map_count(&map, &nodes) &&
	       viommu_i_map_count(&small, &nodes) && viommu_i_map_limbo_count(&pool, &limbo, &nodes) &&
	       nodes == viommu_map_pool_total(&pool);
}

/* clang-format off */
#define POOL_CASES(X)												\
	X(AT_ONCE, too_many_slabs, pool.slab_count = VIOMMU_MAP_SLABS_MAX + 1)					\
	X(AT_ONCE, fresh_nodes_begin_at_nothing, pool.fresh = 0)						\
	X(AT_ONCE, fresh_nodes_begin_behind_the_end, pool.fresh = pool.total + 2)				\
	X(AT_ONCE, more_free_nodes_than_were_used, pool.free_count = pool.fresh)				\
	X(AT_ONCE, free_list_without_nodes, pool.free_count = 0)						\
	X(AT_ONCE, free_nodes_without_list, pool.free_list = NO_NODE)						\
	X(AT_ONCE, free_list_begins_in_fresh_nodes, pool.free_list = pool.fresh)				\
	X(AT_ONCE, retired_list_begins_in_fresh_nodes, pool.reclaim = pool.fresh)				\
	X(IN_DETAIL, slab_nowhere, pool.slabs[1].nodes = NULL)							\
	X(IN_DETAIL, slab_begins_at_another_index, pool.slabs[0].first++)					\
	X(IN_DETAIL, slab_overlaps_the_next_one, pool.slabs[0].size++)						\
	X(IN_DETAIL, last_slab_has_fewer_nodes, pool.slabs[1].size -= VIOMMU_MAP_NODE_SIZE)		\
	X(IN_DETAIL, total_is_not_that_of_the_slabs, pool.total++)						\
	X(IN_DETAIL, more_nodes_than_indices, pool.total = UINT32_MAX)						\
	X(IN_DETAIL, free_list_too_long, pool.free_count--)							\
	X(IN_DETAIL, free_list_too_short, pool.free_count++)							\
	X(IN_DETAIL, free_list_leads_in_a_circle, node(pool.free_list)->used = pool.free_list)			\
	X(IN_DETAIL, free_list_leads_to_fresh_nodes, node(pool.free_list)->used = pool.fresh)			\
	X(IN_DETAIL, retired_list_leads_in_a_circle, node(pool.reclaim)->used = pool.reclaim)			\
	X(IN_DETAIL, retired_list_leads_to_fresh_nodes, node(pool.reclaim)->used = pool.fresh)			\
	X(IN_DETAIL, retired_node_above_all_levels, node(pool.reclaim)->level = VIOMMU_MAP_LEVELS)		\
	X(IN_DETAIL, retired_node_with_a_child_nowhere, node(pool.reclaim)->entry[0] = entry_table(pool.fresh, 0)) \
	X(IN_DETAIL, retired_node_is_its_own_child,								\
	  node(pool.reclaim)->entry[0] = entry_table(pool.reclaim, node(pool.reclaim)->level))

/* Nodes that are counted in the wrong place, or not at all. The counts are not part of the public checks. */
#define NODE_CASES(X)												\
	X(IN_DETAIL, limbo_begins_nowhere, limbo.first = pool.fresh)						\
	X(IN_DETAIL, limbo_begins_with_its_second, limbo.first = node(limbo.first)->used)			\
	X(IN_DETAIL, limbo_ends_elsewhere, limbo.last = limbo.first)						\
	X(IN_DETAIL, limbo_is_lost, limbo = (struct viommu_map_limbo){ 0, 0 })					\
	X(IN_DETAIL, limbo_with_a_node_above_all_levels,							\
	  node(node(limbo.first)->used)->level = VIOMMU_MAP_LEVELS)						\
	X(IN_DETAIL, limbo_leads_in_a_circle, node(limbo.last)->used = limbo.first)				\
	X(IN_DETAIL, map_is_lost, small.root = 0)								\
	X(IN_DETAIL, map_is_there_twice, small.root = map.root)							\
	X(IN_DETAIL, node_that_kept_its_child_in_the_map,							\
	  node(node(limbo.first)->used)->level &= ~NODE_ALONE; node(limbo.first)->level &= ~NODE_ALONE)

#define MAP_CASES(X)												\
	X(AT_ONCE, map_without_pool, map.pool = NULL)								\
	X(AT_ONCE, granule_too_small, map.granule_bits = 7)							\
	X(AT_ONCE, granule_too_large, map.granule_bits = 64)							\
	X(AT_ONCE, pool_is_not_valid, pool.free_count = 0)							\
	X(AT_ONCE, root_is_a_leaf, map.root = *leaf_of(&map, PAGE_ALONE))					\
	X(AT_ONCE, root_was_never_used, map.root = entry_table(pool.fresh, 0))					\
	X(IN_DETAIL, slabs_are_not_valid, pool.slabs[1].nodes = NULL)						\
	X(IN_DETAIL, root_is_no_node, map.root = entry_table(NO_NODE, 0))					\
	X(IN_DETAIL, root_above_all_levels, below(small.root)->level = 14;					\
	  small.root = entry_table(entry_index(small.root), 14))						\
	X(IN_DETAIL, child_was_never_used, parent()->entry[0] = entry_table(pool.fresh, 0))			\
	X(IN_DETAIL, table_with_bits_of_a_leaf, parent()->entry[0] |= ENTRY_FIRST)				\
	X(IN_DETAIL, table_with_too_large_an_index, parent()->entry[0] |= UINT64_C(1) << 40)			\
	X(IN_DETAIL, table_names_another_level, below(parent()->entry[0])->level = 1)				\
	X(IN_DETAIL, child_of_the_level_of_its_parent, below(parent()->entry[0])->level = 1;			\
	  parent()->entry[0] |= 4)										\
	X(IN_DETAIL, child_outside_of_its_parent, below(parent()->entry[1])->prefix ^= 0x1000)			\
	X(IN_DETAIL, child_of_another_slot, parent()->entry[2] = parent()->entry[1]; parent()->entry[1] = 0)	\
	X(IN_DETAIL, entries_miscounted, parent()->used++)							\
	X(IN_DETAIL, node_begins_in_its_middle, below(small.root)->prefix ^= 1)					\
	X(IN_DETAIL, node_without_entries, *leaf_of(&small, 1) = 0; below(small.root)->used = 0)		\
	X(IN_DETAIL, node_with_nothing_but_a_child, parent()->entry[1] = 0; parent()->used = 1)			\
	X(IN_DETAIL, entry_that_is_nothing, *leaf_of(&map, PAGE_ALONE) = PAGE;					\
	  node_of(&map, PAGE_ALONE)->entry[0] = ENTRY_LEAF | ENTRY_FIRST | ENTRY_LAST;				\
	  node_of(&map, PAGE_ALONE)->used = 2)									\
	X(IN_DETAIL, chunk_above_the_address_space, below(small.root)->prefix = UINT64_C(1) << 52)		\
	X(IN_DETAIL, chunk_to_a_part_of_a_page, *leaf_of(&map, PAGE_ALONE) |= 0x800)				\
	X(IN_DETAIL, chunk_to_beyond_the_end, *leaf_of(&map, PAGES_BLOCK) |= ENTRY_VALUE << 4)			\
	X(IN_DETAIL, mapping_without_beginning, *leaf_of(&map, PAGE_ALONE) &= ~ENTRY_FIRST)			\
	X(IN_DETAIL, mapping_in_a_mapping, *leaf_of(&map, PAGES_IN_ROW + 1) |= ENTRY_FIRST)			\
	X(IN_DETAIL, mapping_without_end, *leaf_of(&small, 1) &= ~ENTRY_LAST)					\
	X(IN_DETAIL, mapping_with_a_hole, *leaf_of(&map, PAGES_IN_ROW + 3) = *leaf_of(&map, PAGES_IN_ROW + 2);	\
	  *leaf_of(&map, PAGES_IN_ROW + 2) = 0)									\
	X(IN_DETAIL, mapping_that_leads_to_two_places, *leaf_of(&map, PAGES_IN_ROW + 1) ^= PAGE << 8)		\
	X(IN_DETAIL, mapping_with_two_kinds_of_flags, *leaf_of(&map, PAGES_IN_ROW + 1) ^= 1)
/* clang-format on */

POOL_CASES(DEFINE_CASE)
NODE_CASES(DEFINE_CASE)
MAP_CASES(DEFINE_CASE)

static void test_map_pool_check__each_condition__is_seen(void **state)
{
	static const struct check_case cases[] = { POOL_CASES(LIST_CASE) };

	(void)state;
	check_run(cases, COUNT_OF(cases), pool_is_valid, pool_check);
}

static void test_map_count__nodes_lost_or_there_twice__is_seen(void **state)
{
	static const struct check_case cases[] = { NODE_CASES(LIST_CASE) };

	(void)state;
	check_run(cases, COUNT_OF(cases), pool_is_valid, all_nodes);
}

static void test_map_check__each_condition__is_seen(void **state)
{
	static const struct check_case cases[] = { MAP_CASES(LIST_CASE) };

	(void)state;
	check_run(cases, COUNT_OF(cases), map_is_valid, map_check);
}

/* The smallest and the largest granule, the whole space, the last address, every node of every slab. */
static void test_map_check__at_the_limits__sound(void **state)
{
	static const unsigned granules[] = { 8, 12, 63 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(granules); i++) {
		uint64_t granule = UINT64_C(1) << granules[i];

		viommu_map_init(&small, &pool, granules[i]);
		assert_int_equal(viommu_map_insert(&small, 0, UINT64_MAX, 0, 15), VIOMMU_OK);
		assert_true(map_is_valid() && map_check());
		viommu_map_clear(&small, &limbo);
		assert_int_equal(viommu_map_insert(&small, 0 - granule, UINT64_MAX, 0 - granule, 15), VIOMMU_OK);
		assert_true(map_check());
		viommu_map_clear(&small, &limbo);
	}
	viommu_map_init(&small, &pool, 12);
	insert(&small, 7, 0x12344, 1); /* chunks of many sizes */
	assert_true(map_check());
	viommu_map_clear(&small, &limbo);
	viommu_map_pool_retire(&pool, &limbo);
	for (uint32_t i = 2; i < VIOMMU_MAP_SLABS_MAX; i++) {
		static struct viommu_map_node more[VIOMMU_MAP_SLABS_MAX];

		assert_int_equal(viommu_map_pool_add(&pool, &more[i], VIOMMU_MAP_NODE_SIZE), VIOMMU_OK);
		assert_true(pool_check());
	}
	for (uint64_t i = 0; viommu_map_pool_free(&pool) != 0; i++) {
		if (viommu_map_insert(&small, i << 40, (i << 40) + PAGE - 1, 0, 0) != VIOMMU_OK)
			break;
		assert_true(map_check() && pool_check());
	}
	assert_int_equal(pool.fresh - 1, pool.total);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_map_pool_check__each_condition__is_seen, make, unmake),
		cmocka_unit_test_setup_teardown(test_map_count__nodes_lost_or_there_twice__is_seen, make, unmake),
		cmocka_unit_test_setup_teardown(test_map_check__each_condition__is_seen, make, unmake),
		cmocka_unit_test_setup_teardown(test_map_check__at_the_limits__sound, make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
