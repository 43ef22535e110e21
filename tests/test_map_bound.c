/* SPDX-License-Identifier: BSD-3-Clause */
/* test_map_bound.c: how many nodes mappings need at most, as map.h promises it, in layouts made to need many. */
#include "map_oracle.h"
#include "suite.h"

#include "../sim/random.h"

#include "sim/env/env.h"

#define GRANULE_BITS 8u
#define LONE_LEVELS 10u
#define LONE (1u << LONE_LEVELS)
#define LIVE_MAX 64u

static uint32_t in_use(const struct bench *b)
{
	return viommu_map_pool_total(&b->pool) - viommu_map_pool_free(&b->pool);
}

/* What map.h says that a mapping of so many granules needs at most. */
static uint32_t nodes_at_most(uint64_t n)
{
	uint32_t digits = 1;

	if (n == 1)
		return INSERT_NODES_ONE_GRANULE;
	while (n >>= 4)
		digits++;
	return 2 * digits + 2;
}

/* Single granules, of which at each of the levels above the lowest half have digit 0, half have digit 1. */
static uint64_t lone_granule(uint32_t number)
{
	uint64_t g = 0;

	for (uint32_t i = 0; i < LONE_LEVELS; i++)
		g |= (uint64_t)(number >> i & 1) << (4 * (i + 1));
	return g << GRANULE_BITS;
}

/*
 * Each in a node of its own, and each node above has two children: one node less than two for each, which are the 288
 * bytes that are published. With every other one gone, the nodes that nothing needs any more are gone, too.
 */
static void test_map_nodes__lone_granules_branch_at_every_level__two_nodes_each(void **state)
{
	const uint64_t last = (UINT64_C(1) << GRANULE_BITS) - 1;
	struct viommu_mapping out;
	struct bench b;
	struct pair *p;

	(void)state;
	bench_init(&b, 2 * LONE - 1, 1);
	p = bench_map(&b, 0, GRANULE_BITS);
	for (uint32_t i = 0; i < LONE; i++) {
		const uint64_t first = lone_granule(i);

		assert_int_equal(viommu_map_insert(&p->map, first, first + last, (uint64_t)i << GRANULE_BITS, 1),
				 VIOMMU_OK);
		assert_true(in_use(&b) < 2 * (i + 1));
	}
	assert_int_equal(in_use(&b), 2 * LONE - 1);
	assert_true(viommu_map_check(&p->map));
	for (uint32_t i = 0; i < LONE; i++) {
		assert_true(viommu_map_lookup(&p->map, lone_granule(i), &out));
		assert_int_equal(out.phys, (uint64_t)i << GRANULE_BITS);
	}
	for (uint32_t i = 0; i < LONE; i += 2) {
		const uint64_t first = lone_granule(i);

		assert_int_equal(viommu_map_remove(&p->map, first, first + last, &b.limbo), VIOMMU_OK);
	}
	recycle(&b);
	assert_int_equal(in_use(&b), LONE - 1);
	assert_true(viommu_map_check(&p->map));
	bench_done(&b);
}

/* All of the space but its first and its last granule: edges on every level. */
static void test_map_nodes__edges_at_every_level__within_the_bound(void **state)
{
	const uint64_t granule = UINT64_C(1) << GRANULE_BITS;
	struct bench b;
	struct pair *p;

	(void)state;
	bench_init(&b, 2 * VIOMMU_MAP_LEVELS + 2, 1);
	p = bench_map(&b, 0, GRANULE_BITS);
	assert_int_equal(viommu_map_insert(&p->map, granule, TOP - granule, 0, 1), VIOMMU_OK);
	assert_int_equal(in_use(&b), 2 * VIOMMU_MAP_LEVELS - 1);
	assert_true(viommu_map_check(&p->map));
	bench_done(&b);
}

/* A mapping of any length, anywhere in a space of any size. */
static void choose(struct sim_random *rnd, uint64_t *first, uint64_t *last)
{
	const unsigned space = 4 + (unsigned)sim_random_below(rnd, 53);
	const uint64_t g = sim_random_next(rnd) >> (64 - space);
	const uint64_t more = sim_random_next(rnd) >> (64 - space) >> sim_random_below(rnd, space);

	*first = g << GRANULE_BITS;
	*last = ((g + more) << GRANULE_BITS) + ((UINT64_C(1) << GRANULE_BITS) - 1);
}

/* However they came to be there: all mappings together need no more than each of them is granted. */
static void test_map_nodes__mappings_of_all_lengths_come_and_go__within_the_sum_of_their_bounds(void **state)
{
	struct viommu_mapping live[LIVE_MAX];
	struct sim_random rnd = { 11 };
	uint32_t bound = 0, count = 0, full = 0;
	struct bench b;
	struct pair *p;

	(void)state;
	bench_init(&b, LIVE_MAX * INSERT_NODES_MAX + INSERT_NODES_MAX, 1);
	p = bench_map(&b, 0, GRANULE_BITS);
	for (uint32_t step = 0; step < 20000; step++) {
		/* Now and then nearly all go, so that what is left was once among many. */
		const uint32_t wanted = step % 500 < 400 ? LIVE_MAX : 4;
		uint64_t first, last;

		if (count < wanted && (step % 500 < 400 || count == 0)) {
			choose(&rnd, &first, &last);
			if (last > first && viommu_map_insert(&p->map, first, last, 0, 1) == VIOMMU_OK) {
				live[count++] = (struct viommu_mapping){ .first = first, .last = last };
				bound += nodes_at_most(((last - first) >> GRANULE_BITS) + 1);
			}
		} else {
			const uint32_t i = (uint32_t)sim_random_below(&rnd, count);

			first = live[i].first;
			last = live[i].last;
			assert_int_equal(viommu_map_remove(&p->map, first, last, &b.limbo), VIOMMU_OK);
			bound -= nodes_at_most(((last - first) >> GRANULE_BITS) + 1);
			live[i] = live[--count];
			recycle(&b);
		}
		assert_true(in_use(&b) <= bound);
		full += count == LIVE_MAX;
	}
	assert_true(full > 1000);
	bench_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map_nodes__lone_granules_branch_at_every_level__two_nodes_each),
		cmocka_unit_test(test_map_nodes__edges_at_every_level__within_the_bound),
		cmocka_unit_test(test_map_nodes__mappings_of_all_lengths_come_and_go__within_the_sum_of_their_bounds),
	};

	return suite_run(tests);
}
