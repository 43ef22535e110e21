/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_map_threads.c: threads look up while the owner maps, unmaps and reuses nodes. ThreadSanitizer sees what is not
 * ordered; the answers are checked everywhere. tests/test_map_readers.c has the same one step at a time.
 *
 * Where a mapping leads says what it is: the map, the extent, and which generation of it. So every answer can be
 * judged by itself.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "map_oracle.h"
#include "suite.h"

#include "sim/env/env.h"
#include "sim/random.h"

#define PAGE UINT64_C(0x1000)
#define READERS 2u
#define NODES 60u /* hardly enough, so that they are reused at once */
#define ROUNDS 60000u

/* The grace period: what an embedder of map.h needs, as small as it can be */

struct reader {
	atomic_ullong section; /* 0: outside; else the epoch in which it began, or the one before */
	atomic_uint round;
	pthread_t thread;
	uint64_t seed;
	uint64_t hits;
	uint64_t misses;
	uint64_t failures; /* cmocka's assertions are for one thread */
};

static struct {
	struct reader readers[READERS];
	atomic_ullong epoch;
	atomic_uint round; /* of the owner */
	struct viommu_map_pool pool;
	struct viommu_map_limbo limbo;
	struct viommu_map maps[2];
	struct sim_random random;
	uint64_t recycled; /* nodes */
	uint64_t failures; /* of the owner: the readers need it until the end */
} world;

static void section_begin(struct reader *r)
{
	/* An exchange, so that it is before or after the owner's look: then it waits for us, or we see what it did. */
	(void)atomic_exchange(&r->section, atomic_load(&world.epoch));
}

static void section_end(struct reader *r)
{
	atomic_store_explicit(&r->section, 0, memory_order_release);
}

/* Waits until every section has ended that may have begun before, and takes the nodes back. */
static void recycle_nodes(void)
{
	uint64_t epoch = atomic_fetch_add(&world.epoch, 1) + 1;

	for (unsigned i = 0; i < READERS; i++) {
		for (;;) {
			uint64_t section = atomic_fetch_add(&world.readers[i].section, 0);

			if (section == 0 || section >= epoch)
				break;
			sched_yield();
		}
	}
	viommu_map_pool_retire(&world.pool, &world.limbo);
	world.recycled += viommu_map_pool_reclaim(&world.pool, UINT32_MAX);
}

/*
 * However few processors there are, and however busy: nobody gets further ahead than this, so that there is always
 * something to come in between. Relaxed, since it is not to order anything. Not within a section.
 */
#define AHEAD 16u

static unsigned round_of(atomic_uint *round)
{
	return atomic_load_explicit(round, memory_order_relaxed);
}

static void reader_goes_on(struct reader *r)
{
	unsigned round = atomic_fetch_add_explicit(&r->round, 1, memory_order_relaxed);

	while (round > round_of(&world.round) + AHEAD)
		sched_yield();
}

static void owner_goes_on(void)
{
	unsigned round = atomic_fetch_add_explicit(&world.round, 1, memory_order_relaxed);

	for (unsigned i = 0; i < READERS; i++)
		while (round > round_of(&world.readers[i].round) + AHEAD)
			sched_yield();
}

static void prepare(void)
{
	size_t len = NODES * VIOMMU_MAP_NODE_SIZE;

	memset(&world, 0, sizeof(world));
	world.epoch = 1;
	world.random.state = 1;
	viommu_map_pool_init(&world.pool);
	assert_int_equal(viommu_map_pool_add(&world.pool, sim_env_alloc(len), len), VIOMMU_OK);
	for (unsigned i = 0; i < 2; i++)
		viommu_map_init(&world.maps[i], &world.pool, 12);
}

static void start(void *(*read)(void *))
{
	for (unsigned i = 0; i < READERS; i++) {
		world.readers[i].seed = i + 1;
		assert_int_equal(pthread_create(&world.readers[i].thread, NULL, read, &world.readers[i]), 0);
	}
}

static void stop(void)
{
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(pthread_join(world.readers[i].thread, NULL), 0);
	for (unsigned i = 0; i < READERS; i++) {
		print_message("reader %u: %lu hits, %lu misses\n", i, (unsigned long)world.readers[i].hits,
			      (unsigned long)world.readers[i].misses);
		assert_int_equal(world.readers[i].failures, 0);
	}
	assert_int_equal(world.failures, 0);
	assert_true(viommu_map_check(&world.maps[0]));
	assert_true(viommu_map_check(&world.maps[1]));
	for (unsigned i = 0; i < 2; i++)
		viommu_map_clear(&world.maps[i], &world.limbo);
	recycle_nodes();
	assert_int_equal(viommu_map_pool_free(&world.pool), NODES);
}

/* What the owner does while readers run. */
static void must(enum viommu_result result)
{
	world.failures += result != VIOMMU_OK;
}

static uint32_t pick(struct sim_random *random, uint32_t n)
{
	return (uint32_t)sim_random_below(random, n);
}

/* Every answer is one that could be */

/* Neighbours in one node, across nodes and levels, far away; the same addresses in both maps. */
static const struct {
	uint64_t page;
	uint64_t count;
	bool stays; /* mapped as long as the readers run, in the first map */
} extents[] = {
	{ 0, 1, false },       { 1, 1, true },         { 2, 3, false },           { 5, 1, false },
	{ 6, 30, false },      { 36, 1, true },        { 40, 1, false },          { 47, 2, true },
	{ 49, 300, false },    { 0x1000, 16, false },  { 0x1010, 1, false },      { 0x1011, 1, true },
	{ 0x2000, 1, false },  { 0x10000, 1, false },  { 0x10100, 4096, false },  { 0x20000, 1, false },
	{ 0xabcdef, 1, true }, { 0xabce00, 1, false }, { 0xfffffffff, 1, false }, { 0xffffffffff, 2, false },
};
#define EXTENTS COUNT(extents)

static uint64_t generations[2][EXTENTS]; /* of the owner: 0, or that of the mapping that is there */
static uint64_t next_generation = 1;

static uint64_t first_of(size_t e)
{
	return extents[e].page * PAGE;
}

static uint64_t last_of(size_t e)
{
	return first_of(e) + (extents[e].count * PAGE - 1);
}

static uint64_t target(unsigned map, size_t e, uint64_t generation)
{
	return (uint64_t)map << 63 | (uint64_t)e << 56 | generation << 25;
}

static void map_extent(unsigned map, size_t e)
{
	uint64_t generation = next_generation++;
	struct viommu_map *m = &world.maps[map];
	uint32_t flags = generation & VIOMMU_MAP_FLAGS;

	if (viommu_map_insert(m, first_of(e), last_of(e), target(map, e, generation), flags) == VIOMMU_E_NOMEM) {
		recycle_nodes();
		must(viommu_map_insert(m, first_of(e), last_of(e), target(map, e, generation), flags));
	}
	generations[map][e] = generation;
}

static void unmap_extents(unsigned map, size_t from, size_t to)
{
	must(viommu_map_remove(&world.maps[map], first_of(from), last_of(to), &world.limbo));
	for (size_t e = from; e <= to; e++)
		generations[map][e] = 0;
}

/* All that do not stay, from e on: one request for several mappings, and whole subtrees with them. */
static void unmap_widely(unsigned map, size_t from)
{
	size_t to = from;

	while (to + 1 < EXTENTS && (map == 1 || !extents[to + 1].stays))
		to++;
	unmap_extents(map, from, to);
}

static void owner_step(void)
{
	unsigned map = pick(&world.random, 2);
	size_t e = pick(&world.random, EXTENTS);
	uint32_t kind = pick(&world.random, 64);

	if (map == 0 && extents[e].stays) {
		must(viommu_map_set_flags(&world.maps[0], first_of(e), last_of(e), kind % 16));
	} else if (kind == 0) {
		unmap_widely(map, e);
	} else if (kind == 1) {
		viommu_map_clear(&world.maps[1], &world.limbo);
		memset(generations[1], 0, sizeof(generations[1]));
	} else if (generations[map][e] != 0) {
		unmap_extents(map, e, e);
	} else {
		map_extent(map, e);
	}
}

/* newest: what this reader has seen of each extent. It never goes back in time. */
static bool answer_is_possible(unsigned map, size_t e, uint64_t iova, const struct viommu_mapping *m,
			       uint64_t newest[2][EXTENTS])
{
	uint64_t generation = (m->phys >> 25) & 0x7fffffff;

	if (m->phys != target(map, e, generation) + (iova - first_of(e)) || m->first != iova)
		return false;
	if (m->last < (iova | (PAGE - 1)) || m->last > last_of(e) || generation < newest[map][e])
		return false;
	newest[map][e] = generation;
	return (extents[e].stays && map == 0) || m->flags == (generation & VIOMMU_MAP_FLAGS);
}

static void *read_anything(void *arg)
{
	struct reader *r = arg;
	struct sim_random random = { r->seed };
	uint64_t newest[2][EXTENTS] = { { 0 } };

	for (unsigned round = 0; round < ROUNDS; round++) {
		section_begin(r);
		for (unsigned i = 0; i < 16; i++) {
			unsigned map = pick(&random, 2);
			size_t e = pick(&random, EXTENTS);
			uint64_t iova = first_of(e) + sim_random_below(&random, extents[e].count * PAGE);
			struct viommu_mapping m;

			if (!viommu_map_lookup(&world.maps[map], iova, &m)) {
				r->misses++;
				r->failures += map == 0 && extents[e].stays;
			} else {
				r->hits++;
				r->failures += !answer_is_possible(map, e, iova, &m, newest);
			}
			if (i == 8)
				sched_yield(); /* the owner may go on, but not take back what we may have seen */
		}
		section_end(r);
		reader_goes_on(r);
	}
	return NULL;
}

static void test_lookup__owner_recycles_all_the_time__every_answer_is_possible(void **state)
{
	(void)state;
	memset(generations, 0, sizeof(generations));
	next_generation = 1;
	prepare();
	for (size_t e = 0; e < EXTENTS; e++)
		map_extent(0, e);
	start(read_anything);
	for (unsigned round = 0; round < ROUNDS; round++) {
		owner_step();
		if (round % 64 == 0) /* and whenever there is none left */
			recycle_nodes();
		owner_goes_on();
	}
	stop();
	print_message("%lu nodes recycled\n", (unsigned long)world.recycled);
	assert_true(world.recycled > ROUNDS / 4);
}

/* Histories, per granule */

/* A lookup, or a change of the owner, as the clock on the wall saw it. value 0: not mapped. */
struct event {
	uint64_t begin;
	uint64_t end;
	uint64_t value;
};

static int by_begin(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	return (x->begin > y->begin) - (x->begin < y->begin);
}

#define EVENTS_MAX 32768u

/*
 * Can every read be given a moment between its begin and its end at which a register with one writer had that value?
 * writes[0] is what there was at first; the others follow each other. reads are sorted by begin. Each read is placed
 * behind the earliest write that fits: it fits what comes later best.
 */
static bool is_linearizable(const struct event *writes, size_t write_count, const struct event *reads, size_t count)
{
	static size_t placed[EVENTS_MAX];
	size_t over = 0; /* the last write that had ended when this read began */

	for (size_t i = 0; i < count; i++) {
		size_t at;

		while (over + 1 < write_count && writes[over + 1].end < reads[i].begin)
			over++;
		at = over;
		/* Not before what a read saw that had ended when this one began. Few overlap, so that few are looked at. */
		for (size_t k = i, behind = 0; k > 0 && behind < 64; k--) {
			if (reads[k - 1].end < reads[i].begin) {
				at = placed[k - 1] > at ? placed[k - 1] : at;
				behind++;
			}
		}
		while (at < write_count && writes[at].value != reads[i].value)
			at++;
		if (at == write_count || writes[at].begin > reads[i].end)
			return false;
		placed[i] = at;
	}
	return true;
}

static void test_history__made_by_hand__judged_right(void **state)
{
	static const struct event writes[] = { { 0, 0, 0 }, { 10, 20, 1 }, { 30, 40, 0 }, { 50, 60, 2 } };
	static const struct {
		bool good;
		struct event reads[2];
	} rows[] = {
		{ true, { { 1, 2, 0 }, { 25, 26, 1 } } },    { true, { { 11, 12, 0 }, { 13, 14, 1 } } },
		{ true, { { 11, 14, 1 }, { 12, 13, 0 } } },  /* they overlap */
		{ true, { { 5, 70, 2 }, { 6, 7, 0 } } },     /* so does this */
		{ false, { { 1, 2, 1 }, { 25, 26, 1 } } },   /* from the future */
		{ false, { { 1, 2, 0 }, { 21, 22, 0 } } },   /* stale */
		{ false, { { 11, 12, 1 }, { 13, 14, 0 } } }, /* back in time */
		{ false, { { 51, 52, 2 }, { 53, 54, 0 } } }, { false, { { 41, 42, 0 }, { 45, 46, 1 } } },
		{ false, { { 41, 42, 0 }, { 61, 62, 3 } } }, /* never written */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(is_linearizable(writes, COUNT(writes), rows[i].reads, 2), rows[i].good);
}

/* Granules that are watched share nodes with pages that come and go, so that the way to them changes all the time. */
static const uint64_t watched[] = { 3, 0x113, 0x1000 };
static const uint64_t others[] = { 4, 0x13, 0x114, 0x200, 0x1001, 0x1111, 0x10000, 0xfffff };
#define WATCHED COUNT(watched)
#define SAMPLE 10000u /* of each reader, of each granule */

static struct {
	atomic_ullong clock;
	struct event writes[WATCHED][1 + SAMPLE];
	size_t write_count[WATCHED];
	struct event reads[WATCHED][READERS * SAMPLE];
	bool is_mapped[COUNT(others)];
} history;

static void *read_watched(void *arg)
{
	struct reader *r = arg;
	size_t which = (size_t)(r - world.readers);

	for (size_t i = 0; i < SAMPLE; i++) {
		for (size_t k = 0; k < WATCHED; k++) {
			struct event *e = &history.reads[k][which * SAMPLE + i];
			struct viommu_mapping m;

			section_begin(r);
			e->begin = atomic_fetch_add(&history.clock, 1);
			e->value = viommu_map_lookup(&world.maps[0], watched[k] * PAGE, &m) ? m.phys / PAGE : 0;
			e->end = atomic_fetch_add(&history.clock, 1);
			section_end(r);
			r->hits += e->value != 0;
			r->misses += e->value == 0;
		}
		reader_goes_on(r);
	}
	return NULL;
}

static void write_watched(size_t k)
{
	size_t count = history.write_count[k];
	struct event *e = &history.writes[k][count];
	uint64_t first = watched[k] * PAGE, last = first + PAGE - 1;

	e->value = e[-1].value == 0 ? count + 1 : 0;
	e->begin = atomic_fetch_add(&history.clock, 1);
	if (e->value != 0)
		must(viommu_map_insert(&world.maps[0], first, last, e->value * PAGE, 0));
	else
		must(viommu_map_remove(&world.maps[0], first, last, &world.limbo));
	e->end = atomic_fetch_add(&history.clock, 1);
	history.write_count[k]++;
}

static void toggle_other(size_t k)
{
	uint64_t first = others[k] * PAGE, last = first + PAGE - 1;

	if (history.is_mapped[k])
		must(viommu_map_remove(&world.maps[0], first, last, &world.limbo));
	else
		must(viommu_map_insert(&world.maps[0], first, last, 0, 0));
	history.is_mapped[k] = !history.is_mapped[k];
}

static void test_lookup__histories_of_several_threads__linearizable_per_granule(void **state)
{
	(void)state;
	memset(&history, 0, sizeof(history));
	history.clock = 1;
	for (size_t k = 0; k < WATCHED; k++)
		history.write_count[k] = 1; /* not mapped */
	prepare();
	start(read_watched);
	for (unsigned round = 0; round < SAMPLE; round++) {
		toggle_other(pick(&world.random, COUNT(others)));
		write_watched(pick(&world.random, WATCHED));
		if (round % 4 == 0)
			recycle_nodes();
		owner_goes_on();
	}
	stop();
	for (unsigned i = 0; i < READERS; i++)
		assert_true(world.readers[i].hits > SAMPLE / 4 && world.readers[i].misses > SAMPLE / 4);
	for (size_t k = 0; k < WATCHED; k++) {
		qsort(history.reads[k], READERS * SAMPLE, sizeof(struct event), by_begin);
		assert_true(
			is_linearizable(history.writes[k], history.write_count[k], history.reads[k], READERS * SAMPLE));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookup__owner_recycles_all_the_time__every_answer_is_possible),
		cmocka_unit_test(test_history__made_by_hand__judged_right),
		cmocka_unit_test(test_lookup__histories_of_several_threads__linearizable_per_granule),
	};

#if !VIOMMU_PORT_ATOMIC64
	printf("skipped: this processor has no 64-bit accesses that other threads could read\n");
	return 77;
#endif
	return suite_run(tests);
}
