/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_map_random.c: long random runs of several maps on one pool, compared with the oracle.
 *
 * VIOMMU_MAP_STEPS says how many steps the last of the tests makes (default 200000), VIOMMU_MAP_SEED which ones.
 */
#include <time.h>

#include "map_oracle.h"
#include "suite.h"

#include "../sim/random.h"

struct run {
	struct bench bench;
	struct sim_random rnd;
	uint64_t step;
	uint32_t nomem;
	uint32_t done[5]; /* inserts, removes, set_flags, lookups that found something, clears */
};

/* An address that is likely to matter to this map; most of them on a granule. */
static uint64_t pick_address(struct run *r, const struct pair *p)
{
	static const uint64_t edges[] = { 0, 1, UINT64_C(1) << 32, UINT64_C(1) << 39, 0, UINT64_C(1) << 63 };
	uint64_t granule = p->oracle.granule, at;

	switch (sim_random_below(&r->rnd, 8)) {
	case 0:
		at = edges[sim_random_below(&r->rnd, COUNT(edges))];
		at = at == 1 ? granule : at;
		break;
	case 1:
	case 2:
		if (p->oracle.count != 0) {
			const struct viommu_mapping *m = &p->oracle.at[sim_random_below(&r->rnd, p->oracle.count)];

			at = sim_random_below(&r->rnd, 2) != 0 ? m->first : m->last + 1;
			break;
		}
		/* fall through */
	case 3:
		at = sim_random_next(&r->rnd) >> sim_random_below(&r->rnd, 64);
		break;
	default:
		at = sim_random_below(&r->rnd, 20000) * granule;
		break;
	}
	at += (sim_random_below(&r->rnd, 5) - 2) * granule;
	at &= ~(granule - 1);
	if (sim_random_below(&r->rnd, 32) == 0)
		at += sim_random_below(&r->rnd, granule);
	return at;
}

/* The last address of a range that starts at `first`. */
static uint64_t pick_last(struct run *r, const struct pair *p, uint64_t first)
{
	uint64_t granule = p->oracle.granule;

	switch (sim_random_below(&r->rnd, 16)) {
	case 0:
		return first - 1 + (granule << sim_random_below(&r->rnd, 32));
	case 1:
		return first - 1 + granule * (1 + (sim_random_next(&r->rnd) >> sim_random_below(&r->rnd, 64)));
	case 2:
		return pick_address(r, p) - 1;
	case 3:
		return first + sim_random_below(&r->rnd, granule * 2);
	case 4:
		return sim_random_below(&r->rnd, 16) == 0 ? TOP : first - 1 + granule;
	case 5:
	case 6:
	case 7:
		return first - 1 + granule;
	case 8:
	case 9:
		return first - 1 + granule * (1 + sim_random_below(&r->rnd, 32));
	default:
		return first - 1 + granule * (1 + sim_random_below(&r->rnd, 600));
	}
}

static uint64_t pick_phys(struct run *r, const struct pair *p, uint64_t first)
{
	const struct viommu_mapping *m = first != 0 ? oracle_find(&p->oracle, first - 1) : NULL;

	if (m != NULL && sim_random_below(&r->rnd, 2) != 0)
		return m->phys + (m->last - m->first) + 1; /* goes on behind the neighbour */
	if (sim_random_below(&r->rnd, 16) == 0)
		return pick_address(r, p);
	return (sim_random_next(&r->rnd) >> (8 + sim_random_below(&r->rnd, 40))) & ~(p->oracle.granule - 1);
}

static void step_insert(struct run *r, struct pair *p)
{
	struct viommu_mapping m = { .first = pick_address(r, p), .flags = (uint32_t)sim_random_below(&r->rnd, 16) };
	enum viommu_result result;

	if (p->oracle.count == ORACLE_MAX)
		return;
	m.last = pick_last(r, p, m.first);
	m.phys = pick_phys(r, p, m.first);
	if (sim_random_below(&r->rnd, 64) == 0)
		m.flags |= UINT32_C(0x10) << sim_random_below(&r->rnd, 28);
	if (sim_random_below(&r->rnd, 4096) == 0) {
		m.first = 0;
		m.last = TOP;
		m.phys = 0;
	}
	result = insert_mapping(&r->bench, p, &m);
	r->nomem += result == VIOMMU_E_NOMEM;
	r->done[0] += result == VIOMMU_OK;
	assert_lookup_agrees(p, m.first);
	assert_lookup_agrees(p, m.last);
}

static void step_remove(struct run *r, struct pair *p)
{
	uint64_t first = pick_address(r, p), last = first + sim_random_below(&r->rnd, 3 * p->oracle.granule);
	size_t count = p->oracle.count;

	if (sim_random_below(&r->rnd, 64) == 0) {
		last = pick_last(r, p, first);
	} else if (count != 0 && sim_random_below(&r->rnd, 4) != 0) {
		size_t a = (size_t)sim_random_below(&r->rnd, count);
		size_t most = count - a < 9 ? count - a : 9;
		size_t z = sim_random_below(&r->rnd, 8) != 0 ? a : a + (size_t)sim_random_below(&r->rnd, most);

		first = p->oracle.at[a].first;
		last = p->oracle.at[z].last;
		if (sim_random_below(&r->rnd, 4) == 0) /* over the gaps on both sides */
			first = a == 0 ? 0 : p->oracle.at[a - 1].last + 1;
		if (sim_random_below(&r->rnd, 4) == 0)
			last = z + 1 == count ? TOP : p->oracle.at[z + 1].first - 1;
	}
	r->done[1] += take_out(&r->bench, p, first, last) == VIOMMU_OK && p->oracle.count < count;
}

static void step_set_flags(struct run *r, struct pair *p)
{
	uint64_t first = pick_address(r, p), last = pick_last(r, p, first);
	uint32_t flags = (uint32_t)sim_random_below(&r->rnd, 17);
	enum viommu_result result;

	if (p->oracle.count != 0 && sim_random_below(&r->rnd, 2) != 0) {
		const struct viommu_mapping *m = &p->oracle.at[sim_random_below(&r->rnd, p->oracle.count)];

		first = m->first;
		last = m->last;
	}
	result = viommu_map_set_flags(&p->map, first, last, flags);
	assert_int_equal(result, oracle_set_flags(&p->oracle, first, last, flags));
	r->done[2] += result == VIOMMU_OK;
}

static void step(struct run *r, struct pair *p)
{
	bool filling = (r->step & 0x4000) == 0; /* up and down in turn */
	uint64_t at;

	switch (sim_random_below(&r->rnd, 16)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
		step_insert(r, p);
		break;
	case 5:
	case 6:
	case 7:
		if (filling)
			step_insert(r, p);
		else
			step_remove(r, p);
		break;
	case 8:
	case 9:
		step_remove(r, p);
		break;
	case 10:
		step_set_flags(r, p);
		break;
	case 11:
	case 12:
		assert_next_agrees(p, pick_address(r, p));
		break;
	default:
		at = pick_address(r, p);
		assert_lookup_agrees(p, at);
		assert_lookup_agrees(p, at - 1);
		r->done[3] += oracle_find(&p->oracle, at) != NULL;
		break;
	}
	if (sim_random_below(&r->rnd, 20000) == 0) {
		viommu_map_clear(&p->map, &r->bench.limbo);
		p->oracle.count = 0;
		r->done[4]++;
	}
	if (sim_random_below(&r->rnd, 32) == 0)
		viommu_map_pool_retire(&r->bench.pool, &r->bench.limbo);
	if (sim_random_below(&r->rnd, 8) == 0)
		(void)viommu_map_pool_reclaim(&r->bench.pool, (uint32_t)sim_random_below(&r->rnd, 40));
}

static void random_run(struct run *r, uint64_t seed, size_t nodes, size_t maps, uint64_t steps)
{
	memset(r, 0, sizeof(*r));
	r->rnd.state = seed;
	bench_init(&r->bench, nodes, maps);
	for (size_t i = 0; i < maps; i++)
		(void)bench_map(&r->bench, i, granules[(seed + i) % COUNT(granules)]);
	for (r->step = 0; r->step < steps; r->step++) {
		struct pair *p = &r->bench.pairs[sim_random_below(&r->rnd, maps)];

		step(r, p);
		if (r->step < 5000)
			assert_true(viommu_map_check(&p->map));
		if ((r->step % 256 == 0 && r->step < 400000) || r->step % 16384 == 0 || r->step + 1 == steps) {
			for (size_t i = 0; i < maps; i++)
				assert_same_content(&r->bench.pairs[i]);
		}
	}
	bench_done(&r->bench);
}

static void test_map__random_steps_with_a_large_pool__agrees_with_the_oracle(void **state)
{
	struct run r;

	(void)state;
	random_run(&r, 1, 60000, 4, 400000);
	/* It was a run worth the name: everything happened, often, and nothing for lack of nodes. */
	assert_int_equal(r.nomem, 0);
	assert_true(r.done[0] > 20000 && r.done[1] > 10000 && r.done[2] > 5000 && r.done[3] > 5000 && r.done[4] > 3);
}

static void test_map__random_steps_with_small_pools__nomem_changes_nothing(void **state)
{
	static const size_t nodes[] = { 1, 2, 3, 10, 20, 34, 60, 90 };

	(void)state;
	for (size_t i = 0; i < COUNT(nodes); i++) {
		struct run r;

		random_run(&r, 100 + i, nodes[i], 1 + i % 3, 20000);
		assert_true(r.nomem > 100);
		assert_true(r.done[0] > 100 || nodes[i] < INSERT_NODES_ONE_GRANULE);
	}
}

/* In episodes: other pools, other granules and other numbers of maps. */
static void test_map__as_many_steps_as_one_likes__agrees_with_the_oracle(void **state)
{
	static const size_t nodes[] = { 60000, 90, 2000, 60000, 300 };
	const uint64_t episode = 2000000;
	uint64_t steps = suite_number("VIOMMU_MAP_STEPS", 200000, 1, UINT64_MAX);
	uint64_t seed = suite_number("VIOMMU_MAP_SEED", 1000, 0, UINT64_MAX), changes = 0, said = 0;
	clock_t begin = clock();
	struct run r;

	(void)state;
	for (uint64_t done = 0, now; done < steps; done += now, seed++) {
		now = steps - done < episode ? steps - done : episode;
		random_run(&r, seed, nodes[seed % COUNT(nodes)], 1 + seed % 4, now);
		changes += r.done[0] + r.done[1] + r.done[2];
		if (done + now == steps || done + now - said >= 100 * episode) {
			said = done + now;
			print_message("%llu steps, %llu of them changes, %.0f s, next seed %llu\n",
				      (unsigned long long)said, (unsigned long long)changes,
				      (double)(clock() - begin) / CLOCKS_PER_SEC, (unsigned long long)seed + 1);
		}
	}
	assert_true(changes > steps / 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map__random_steps_with_a_large_pool__agrees_with_the_oracle),
		cmocka_unit_test(test_map__random_steps_with_small_pools__nomem_changes_nothing),
		cmocka_unit_test(test_map__as_many_steps_as_one_likes__agrees_with_the_oracle),
	};

	return suite_run(tests);
}
