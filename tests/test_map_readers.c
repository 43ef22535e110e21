/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_map_readers.c: readers of the IOVA map while its owner changes it, one step at a time. The library is built over
 * accessors of the test (sim/env/port.h): each load of a reader and each store of the owner is a point where the other
 * one may go on. tests/test_map_threads.c has the same with threads.
 */
#include "map_oracle.h"
#include "suite.h"

#include "sim/env/env.h"
#include "sim/env/port.h"
#include "sim/random.h"

/* One load for the root, one for each node, one for each neighbour: a lookup never begins anew. */
#define LOADS_MAX (1 + VIOMMU_MAP_LEVELS + VIOMMU_MAP_FANOUT - 1)

/* The owner runs between two loads of a lookup */

static struct {
	unsigned loads; /* of the lookup so far */
	unsigned at;    /* the owner runs before this load, from 1 */
	void (*owner)(void);
} between;

static uint64_t get_between(const uint64_t *p)
{
	if (++between.loads == between.at) {
		unsigned loads = between.loads;

		between.owner(); /* it reads through the same accessors */
		between.loads = loads;
		between.at = 0;
	}
	return *p;
}

static bool lookup_with_owner_at(const struct viommu_map *map, uint64_t iova, unsigned at, void (*owner)(void),
				 struct viommu_mapping *out)
{
	static const struct sim_env_own own = { get_between, sim_env_plain_set };
	bool found;

	between.loads = 0;
	between.at = at;
	between.owner = owner;
	sim_env_own = &own;
	found = viommu_map_lookup(map, iova, out);
	sim_env_own = &sim_env_plain_own;
	return found;
}

#define VICTIM_PHYS UINT64_C(0x10000)
#define OTHER_PHYS UINT64_C(0x666000)

static struct bench two_domains;
static bool retires_too_early;

/* Unmaps the page of the first domain, and maps the same page in the second one. */
static void reuse_in_another_domain(void)
{
	struct bench *b = &two_domains;

	assert_int_equal(take_out(b, &b->pairs[0], 0x5000, 0x5fff), VIOMMU_OK);
	if (retires_too_early)
		recycle(b);
	assert_int_equal(insert(b, &b->pairs[1], 0x5000, 0x5fff, OTHER_PHYS, 3), VIOMMU_OK);
}

/* How many of the points at which the owner can come in between hand the reader the other domain's memory. */
static unsigned leaks(void)
{
	unsigned count = 0;

	for (unsigned at = 1; at <= 2; at++) {
		struct bench *b = &two_domains;
		struct viommu_mapping out = { 0 };
		bool found;

		bench_init(b, 4, 2);
		(void)bench_map(b, 1, 12);
		assert_int_equal(insert(b, bench_map(b, 0, 12), 0x5000, 0x5fff, VICTIM_PHYS, 3), VIOMMU_OK);
		found = lookup_with_owner_at(&b->pairs[0].map, 0x5000, at, reuse_in_another_domain, &out);
		assert_int_equal(between.at, 0); /* it ran */
		if (found && out.phys == OTHER_PHYS)
			count++;
		else if (found)
			assert_int_equal(out.phys, VICTIM_PHYS);
		bench_done(b);
	}
	return count;
}

/* What the grace period is for. The node has the right prefix, the right level, and it is the wrong domain's. */
static void test_lookup__node_reused_by_another_domain__leaks_only_if_retired_too_early(void **state)
{
	(void)state;
	retires_too_early = false;
	assert_int_equal(leaks(), 0);
	retires_too_early = true;
	assert_int_equal(leaks(), 1);
}

static struct bench one_domain;

/* In place of the mapping of four pages: one of two, which begins the same, and another one, which leads elsewhere. */
static void remap_elsewhere(void)
{
	struct bench *b = &one_domain;

	assert_int_equal(take_out(b, b->pairs, 0x4000, 0x7fff), VIOMMU_OK);
	assert_int_equal(insert(b, b->pairs, 0x4000, 0x5fff, 0x80000, 3), VIOMMU_OK);
	assert_int_equal(insert(b, b->pairs, 0x6000, 0x7fff, OTHER_PHYS, 3), VIOMMU_OK);
}

static void test_lookup__neighbours_remapped_meanwhile__answer_ends_before_them(void **state)
{
	(void)state;
	for (unsigned at = 1; at <= 6; at++) {
		struct bench *b = &one_domain;
		struct viommu_mapping out;

		bench_init(b, 8, 1);
		assert_int_equal(insert(b, bench_map(b, 0, 12), 0x4000, 0x7fff, 0x80000, 3), VIOMMU_OK);
		assert_int_equal(insert(b, b->pairs, 0, 0xfff, 0, 0), VIOMMU_OK); /* keeps the node */
		assert_true(lookup_with_owner_at(&b->pairs->map, 0x4000, at, remap_elsewhere, &out));
		assert_int_equal(out.phys, 0x80000);
		/* 1: root, 2: first page, 3 to 5: its neighbours, 6: there is no such load. */
		assert_int_equal(out.last, at == 6 ? 0x7fff : at == 5 ? 0x6fff : 0x5fff);
		assert_int_equal(between.at, at == 6 ? at : 0);
		bench_done(b);
	}
}

static void change_flags(void)
{
	struct bench *b = &one_domain;

	assert_int_equal(viommu_map_set_flags(&b->pairs->map, 0x4000, 0x7fff, 1), VIOMMU_OK);
	assert_int_equal(oracle_set_flags(&b->pairs->oracle, 0x4000, 0x7fff, 1), VIOMMU_OK);
}

static void test_lookup__flags_change_meanwhile__one_value_for_all_of_the_answer(void **state)
{
	(void)state;
	for (unsigned at = 1; at <= 6; at++) {
		struct bench *b = &one_domain;
		struct viommu_mapping out;

		bench_init(b, 8, 1);
		assert_int_equal(insert(b, bench_map(b, 0, 12), 0x4000, 0x7fff, 0x80000, 3), VIOMMU_OK);
		assert_true(lookup_with_owner_at(&b->pairs->map, 0x4000, at, change_flags, &out));
		assert_int_equal(out.flags, at <= 2 ? 1 : 3);
		assert_int_equal(out.last, at <= 2 || at == 6 ? 0x7fff : 0x1fff + at * 0x1000);
		bench_done(b);
	}
}

/* Every interleaving of the loads of a lookup with the stores of the owner */

#define OPERATIONS 3u
#define STORES_MAX 512u
#define PAGE UINT64_C(0x1000)
#define WORLDS 400u
#define PROBES 12u     /* lookups in each */
#define RUNS_MAX 1000u /* interleavings of one lookup, in order */

/* What the owner did, in order. */
static struct {
	struct {
		uint64_t *p;
		uint64_t old;
		uint64_t value;
	} store[STORES_MAX];
	unsigned count;
	unsigned end[OPERATIONS + 1]; /* stores up to the end of each operation; [0]: 0 */
	struct oracle after[OPERATIONS + 1];
} owner;

static void set_recording(uint64_t *p, uint64_t value)
{
	assert_true(owner.count < STORES_MAX);
	owner.store[owner.count].p = p;
	owner.store[owner.count].old = *p;
	owner.store[owner.count++].value = value;
	*p = value;
}

/* One lookup, and how many stores arrive before each of its loads. */
static struct {
	unsigned arrived;
	unsigned first; /* stores that had arrived at the first load, and so may be all that the reader sees */
	unsigned loads;
	unsigned before[LOADS_MAX];
	unsigned chosen; /* loads for which before[] says how many; for the others none */
} reader;

static uint64_t get_interleaved(const uint64_t *p)
{
	unsigned more;

	assert_true(reader.loads < LOADS_MAX);
	if (reader.loads >= reader.chosen)
		reader.before[reader.loads] = 0;
	more = reader.before[reader.loads++];
	for (; more > 0; more--, reader.arrived++)
		*owner.store[reader.arrived].p = owner.store[reader.arrived].value;
	if (reader.loads == 1)
		reader.first = reader.arrived;
	return *p;
}

static void undo_stores(unsigned down_to)
{
	for (; reader.arrived > down_to; reader.arrived--)
		*owner.store[reader.arrived - 1].p = owner.store[reader.arrived - 1].old;
}

static bool agrees(const struct oracle *o, uint64_t page, const struct viommu_mapping *answer)
{
	const struct viommu_mapping *m = oracle_find(o, page);

	if (m == NULL || answer == NULL)
		return m == NULL && answer == NULL;
	return m->flags == answer->flags && m->phys + (page - m->first) == answer->phys + (page - answer->first);
}

/* Was that so at some moment between the first and the last load? answer: NULL for a miss. */
static bool was_true(uint64_t page, const struct viommu_mapping *answer)
{
	unsigned i = 0;

	while (i < OPERATIONS && owner.end[i + 1] <= reader.first)
		i++; /* operations that were over */
	for (; i <= OPERATIONS; i++) {
		if (agrees(&owner.after[i], page, answer))
			return true;
		if (owner.end[i] >= reader.arrived)
			break; /* what follows had not begun */
	}
	return false;
}

static void check_lookup(const struct viommu_map *map, uint64_t iova)
{
	struct viommu_mapping out;

	reader.arrived = 0;
	reader.loads = 0;
	if (!viommu_map_lookup(map, iova, &out)) {
		assert_true(was_true(iova, NULL));
		return;
	}
	assert_true(out.first == iova && out.last >= iova);
	for (uint64_t page = iova;; page += PAGE) {
		assert_true(was_true(page, &out));
		if (out.last - page < PAGE || page - iova > 80 * PAGE) /* of long ones the beginning */
			break;
	}
}

/* The next way to spread the stores over the loads. False: that was the last one. */
static bool next_interleaving(void)
{
	unsigned arrived = 0;

	for (unsigned i = 0; i < reader.loads; i++)
		arrived += reader.before[i];
	for (unsigned i = reader.loads; i > 0; i--) {
		if (arrived < owner.count) {
			reader.before[i - 1]++;
			reader.chosen = i;
			return true;
		}
		arrived -= reader.before[i - 1];
	}
	return false;
}

static void random_interleaving(struct sim_random *random)
{
	uint64_t arriving = sim_random_below(random, owner.count + 1u);

	memset(reader.before, 0, sizeof(reader.before));
	reader.chosen = reader.loads;
	for (; arriving > 0; arriving--)
		reader.before[sim_random_below(random, reader.chosen)]++;
}

static uint64_t interleavings;
static uint64_t sampled;

/* Where there are too many, as many again at random: the first ones in order are much alike. */
static void check_interleavings(const struct viommu_map *map, uint64_t iova, struct sim_random *random)
{
	unsigned runs = 0;
	bool more;

	reader.chosen = 0;
	do {
		check_lookup(map, iova);
		undo_stores(0);
		runs++;
		more = next_interleaving();
	} while (more && runs < RUNS_MAX);
	for (; more && runs < 2 * RUNS_MAX; runs++) {
		random_interleaving(random);
		check_lookup(map, iova);
		undo_stores(0);
	}
	interleavings += runs;
	sampled += more;
}

/* Few addresses, so that operations meet, and with them levels that are skipped, joined and filled. */
static uint64_t some_page(struct sim_random *random)
{
	static const uint64_t pages[] = { 0,   1,   2,   3,      15,     16,      17,         32,
					  255, 256, 257, 0x1000, 0x1001, 0x10000, 0xfffffffff };

	return pages[sim_random_below(random, COUNT(pages))] * PAGE;
}

static uint64_t some_last(struct sim_random *random, uint64_t first)
{
	static const uint64_t lengths[] = { 1, 1, 1, 2, 3, 16, 17, 256 };

	return first + lengths[sim_random_below(random, COUNT(lengths))] * PAGE - 1;
}

static void operate(struct bench *b, struct sim_random *random)
{
	struct pair *p = b->pairs;
	uint64_t kind = sim_random_below(random, 20);
	uint64_t first = some_page(random);
	uint64_t last = some_last(random, first);

	if (kind < 8) {
		uint64_t phys = sim_random_below(random, 1000) * PAGE;

		(void)insert(b, p, first, last, phys, (uint32_t)kind);
	} else if (kind < 12) {
		const struct viommu_mapping *m = oracle_find(&p->oracle, first);

		if (m != NULL)
			(void)take_out(b, p, m->first, m->last);
	} else if (kind < 16) {
		uint64_t other = some_page(random) + PAGE - 1;

		(void)take_out(b, p, first, first < other ? other : last);
	} else if (kind < 19) {
		const struct viommu_mapping *m = oracle_find(&p->oracle, first);

		if (m != NULL) {
			const struct viommu_mapping all = *m;

			assert_int_equal(viommu_map_set_flags(&p->map, all.first, all.last, 9), VIOMMU_OK);
			assert_int_equal(oracle_set_flags(&p->oracle, all.first, all.last, 9), VIOMMU_OK);
		}
	} else {
		viommu_map_clear(&p->map, &b->limbo);
		p->oracle.count = 0;
	}
}

/* A few mappings, then the operations that readers come across. Their stores are taken back, to arrive one by one. */
static void check_world(uint64_t seed)
{
	static const struct sim_env_own recording = { sim_env_plain_get, set_recording };
	static const struct sim_env_own interleaved = { get_interleaved, sim_env_plain_set };
	static const uint64_t pages[PROBES] = { 0, 1, 3, 16, 17, 31, 255, 256, 258, 0x1000, 0x10000, 0xfffffffff };
	struct sim_random random = { seed };
	struct bench b;

	bench_init(&b, 500, 1);
	(void)bench_map(&b, 0, 12);
	for (unsigned i = 0; i < 8; i++)
		operate(&b, &random);
	if (sim_random_below(&random, 2) == 0)
		recycle(&b); /* what the operations take was used before */

	owner.count = 0;
	owner.end[0] = 0;
	owner.after[0] = b.pairs->oracle;
	sim_env_own = &recording;
	for (unsigned i = 1; i <= OPERATIONS; i++) {
		operate(&b, &random);
		owner.end[i] = owner.count;
		owner.after[i] = b.pairs->oracle;
	}
	sim_env_own = &interleaved;
	reader.arrived = owner.count;
	undo_stores(0);
	for (size_t i = 0; i < PROBES; i++)
		check_interleavings(&b.pairs->map, pages[i] * PAGE, &random);
	sim_env_own = &sim_env_plain_own;
	for (; reader.arrived < owner.count; reader.arrived++)
		*owner.store[reader.arrived].p = owner.store[reader.arrived].value;
	assert_same_content(b.pairs);
	bench_done(&b);
}

static void test_lookup__every_interleaving_with_the_owner__each_granule_was_so_within_the_call(void **state)
{
	(void)state;
	interleavings = 0;
	sampled = 0;
	for (uint64_t seed = 1; seed <= WORLDS; seed++)
		check_world(seed);
	print_message("%lu interleavings, all of them for %lu lookups, a sample for %lu\n",
		      (unsigned long)interleavings, (unsigned long)(WORLDS * PROBES - sampled), (unsigned long)sampled);
	assert_true(interleavings > 1000000 && sampled < WORLDS * PROBES / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookup__node_reused_by_another_domain__leaks_only_if_retired_too_early),
		cmocka_unit_test(test_lookup__neighbours_remapped_meanwhile__answer_ends_before_them),
		cmocka_unit_test(test_lookup__flags_change_meanwhile__one_value_for_all_of_the_answer),
		cmocka_unit_test(test_lookup__every_interleaving_with_the_owner__each_granule_was_so_within_the_call),
	};

	return suite_run(tests);
}
