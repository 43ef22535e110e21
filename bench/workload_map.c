/* SPDX-License-Identifier: BSD-3-Clause */
/* workload_map.c: the structures by themselves. README.md says what each workload is. */
#include "pages.h"
#include "workload.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* Fills and wide unmaps are measured on so many maps at once that reading the clock does not matter. */
#define FILL_MAPPINGS 1600u
#define MAPS_MAX 16u

/* Pages that topdown-churn gives back before it takes new ones. */
#define TOPDOWN_BURST 8u

/* A mapping of any length. */
struct extent {
	uint64_t first;
	uint64_t last;
};

struct map_state {
	const struct bench_structure *structure;
	void *maps[MAPS_MAX];
	uint32_t map_count;
	uint32_t n;
	struct bench_pages pages;
	uint32_t *orders;       /* for each map: its pages as fill_random maps them */
	struct extent *extents; /* for each map: what fill_extents maps, and in which order */
	uint32_t next;          /* the page to go on with; ring: the oldest */
	uint32_t hot;           /* first of the hot pages */
	uint64_t zero;          /* 0, but not before the last answer is there */
	uint64_t sum;           /* keeps the answers alive */
};

/* What malloc has given out. */
static uint64_t malloc_bytes(void)
{
	const struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static bool map_page(const struct map_state *s, void *map, uint32_t page)
{
	const uint64_t first = bench_iova(page);

	return s->structure->map(map, first, first + (BENCH_PAGE - 1), bench_phys(page), BENCH_FLAGS);
}

static bool unmap_page(const struct map_state *s, void *map, uint32_t page)
{
	const uint64_t first = bench_iova(page);

	return s->structure->unmap(map, first, first + (BENCH_PAGE - 1));
}

/* The lookup of one page, checked. */
static inline bool page_is_found(struct map_state *s, uint32_t page, uint64_t offset)
{
	uint64_t phys;
	uint32_t flags;

	if (!s->structure->lookup(s->maps[0], bench_iova(page) + offset, &phys, &flags))
		return false;
	s->sum += phys + flags;
	s->zero = phys >> 63;
	return phys == bench_phys(page) + offset;
}

static bool fill_sequential(struct map_state *s, uint32_t which)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (!map_page(s, s->maps[which], i))
			return false;
	}
	return true;
}

/* As operating systems hand out addresses for DMA: from the top of their space down. */
static bool fill_topdown(struct map_state *s, uint32_t which)
{
	for (uint32_t i = s->n; i-- > 0;) {
		if (!map_page(s, s->maps[which], i))
			return false;
	}
	return true;
}

static bool fill_random(struct map_state *s, uint32_t which)
{
	const uint32_t *pages = s->orders + (size_t)which * s->n;

	for (uint32_t i = 0; i < s->n; i++) {
		if (!map_page(s, s->maps[which], pages[i]))
			return false;
	}
	return true;
}

static bool fill_extents(struct map_state *s, uint32_t which)
{
	const struct extent *extents = s->extents + (size_t)which * s->n;
	void *map = s->maps[which];

	for (uint32_t i = 0; i < s->n; i++) {
		if (!s->structure->map(map, extents[i].first, extents[i].last, bench_phys(i), BENCH_FLAGS))
			return false;
	}
	return true;
}

/*
 * A new order for each map. A processor that sees the same short sequence again and again learns it by heart, and
 * searches a tree of a hundred mappings as if all its branches went one way.
 */
static void shuffle_pages(struct map_state *s)
{
	for (uint32_t k = 0; k < s->map_count; k++) {
		uint32_t *pages = s->orders + (size_t)k * s->n;

		for (uint32_t i = s->n - 1; i > 0; i--) {
			const uint32_t j = bench_below(&s->pages.random, i + 1);
			const uint32_t page = pages[i];

			pages[i] = pages[j];
			pages[j] = page;
		}
	}
}

static void shuffle_extents(struct map_state *s)
{
	for (uint32_t k = 0; k < s->map_count; k++) {
		struct extent *extents = s->extents + (size_t)k * s->n;

		for (uint32_t i = s->n - 1; i > 0; i--) {
			const uint32_t j = bench_below(&s->pages.random, i + 1);
			const struct extent e = extents[i];

			extents[i] = extents[j];
			extents[j] = e;
		}
	}
}

/* 70 % of one page, 20 % of 2 to 16, 5 % of 512 and aligned, 5 % of 17 to 716; no page or one between them. */
static void lay_out_mixed(struct map_state *s, struct extent *extents)
{
	uint64_t page = 1;

	for (uint32_t i = 0; i < s->n; i++) {
		const uint32_t kind = bench_below(&s->pages.random, 100);
		uint64_t count = 512;

		if (kind < 70)
			count = 1;
		else if (kind < 90)
			count = 2 + bench_below(&s->pages.random, 15);
		else if (kind < 95)
			page = (page + 511) & ~UINT64_C(511);
		else
			count = 17 + bench_below(&s->pages.random, 700);
		extents[i].first = BENCH_IOVA_BASE + page * BENCH_PAGE;
		extents[i].last = extents[i].first + (count * BENCH_PAGE - 1);
		page += count + bench_below(&s->pages.random, 2);
	}
}

/* Different ones for different numbers, in no order that one would see. */
static uint32_t scatter(uint32_t number)
{
	number = (number ^ number >> 16) * 0x85ebca6b;
	number = (number ^ number >> 13) * 0xc2b2ae35;
	return number ^ number >> 16;
}

/* Single pages anywhere in 48 bits, never two of them in the same 64 KiB. */
static void lay_out_sparse(struct map_state *s, struct extent *extents)
{
	const uint32_t salt = (uint32_t)sim_random_next(&s->pages.random);

	for (uint32_t i = 0; i < s->n; i++) {
		extents[i].first = scatter(i ^ salt) * (16 * BENCH_PAGE);
		extents[i].last = extents[i].first + (BENCH_PAGE - 1);
	}
}

static bool prepare_orders(struct map_state *s)
{
	s->orders = malloc((size_t)s->n * s->map_count * sizeof(*s->orders));
	if (s->orders == NULL)
		return false;
	for (uint32_t k = 0; k < s->map_count; k++)
		memcpy(s->orders + (size_t)k * s->n, s->pages.live, s->n * sizeof(*s->orders));
	shuffle_pages(s);
	return true;
}

static bool prepare_extents(struct map_state *s, void (*lay_out)(struct map_state *, struct extent *))
{
	s->extents = malloc((size_t)s->n * s->map_count * sizeof(*s->extents));
	if (s->extents == NULL)
		return false;
	for (uint32_t k = 0; k < s->map_count; k++)
		lay_out(s, s->extents + (size_t)k * s->n);
	shuffle_extents(s);
	return true;
}

static void map_teardown(void *state)
{
	struct map_state *s = state;

	for (uint32_t i = 0; i < s->map_count && s->maps[i] != NULL; i++)
		s->structure->close(s->maps[i]);
	free(s->extents);
	free(s->orders);
	bench_pages_deinit(&s->pages);
	free(s);
}

/* `count` maps, filled: with the pages that `fill` knows, or with extents that lay_out makes. */
static struct map_state *filled(const struct bench_structure *structure, uint32_t n, uint32_t count,
				bool (*fill)(struct map_state *, uint32_t),
				void (*lay_out)(struct map_state *, struct extent *), struct bench_facts *facts)
{
	struct map_state *s = calloc(1, sizeof(*s));
	uint64_t bytes;
	bool ok;

	if (s == NULL || !bench_pages_init(&s->pages, n)) {
		free(s);
		return NULL;
	}
	s->structure = structure;
	s->n = n;
	s->map_count = count;
	s->hot = n > BENCH_HOT ? bench_below(&s->pages.random, n - BENCH_HOT) : 0;
	ok = (lay_out == NULL || prepare_extents(s, lay_out)) && (fill != fill_random || prepare_orders(s));
	bytes = malloc_bytes();
	for (uint32_t i = 0; ok && i < count; i++) {
		s->maps[i] = structure->open(n);
		ok = fill(s, i);
	}
	if (!ok) {
		map_teardown(s);
		return NULL;
	}
	bytes = structure->bytes != NULL ? structure->bytes(s->maps[0]) * count : malloc_bytes() - bytes;
	facts->bytes_per_mapping = (double)bytes / ((double)n * count);
	return s;
}

static void *dense_setup(const struct bench_structure *structure, uint32_t n, struct bench_facts *facts)
{
	return filled(structure, n, 1, fill_sequential, NULL, facts);
}

static void *topdown_setup(const struct bench_structure *structure, uint32_t n, struct bench_facts *facts)
{
	facts->operations = TOPDOWN_BURST;
	return filled(structure, n, 1, fill_topdown, NULL, facts);
}

static void *half_setup(const struct bench_structure *structure, uint32_t n, struct bench_facts *facts)
{
	return filled(structure, n, 1, fill_random, NULL, facts);
}

static void *mixed_setup(const struct bench_structure *structure, uint32_t n, struct bench_facts *facts)
{
	return filled(structure, n, 1, fill_extents, lay_out_mixed, facts);
}

static void *sparse_setup(const struct bench_structure *structure, uint32_t n, struct bench_facts *facts)
{
	return filled(structure, n, 1, fill_extents, lay_out_sparse, facts);
}

/* Several maps, of which every iteration fills or empties all. */
static void *many_setup(const struct bench_structure *structure, uint32_t n, struct bench_facts *facts,
			bool (*fill)(struct map_state *, uint32_t),
			void (*lay_out)(struct map_state *, struct extent *))
{
	const uint32_t count = n < FILL_MAPPINGS ? FILL_MAPPINGS / n : 1;

	facts->operations = n * count;
	return filled(structure, n, count, fill, lay_out, facts);
}

static void *fill_sequential_setup(const struct bench_structure *structure, uint32_t n, struct bench_facts *facts)
{
	return many_setup(structure, n, facts, fill_sequential, NULL);
}

static void *fill_topdown_setup(const struct bench_structure *structure, uint32_t n, struct bench_facts *facts)
{
	return many_setup(structure, n, facts, fill_topdown, NULL);
}

static void *fill_random_setup(const struct bench_structure *structure, uint32_t n, struct bench_facts *facts)
{
	return many_setup(structure, n, facts, fill_random, NULL);
}

static void *fill_mixed_setup(const struct bench_structure *structure, uint32_t n, struct bench_facts *facts)
{
	return many_setup(structure, n, facts, fill_extents, lay_out_mixed);
}

static void *fill_sparse_setup(const struct bench_structure *structure, uint32_t n, struct bench_facts *facts)
{
	return many_setup(structure, n, facts, fill_extents, lay_out_sparse);
}

static bool unmap_all(void *state)
{
	struct map_state *s = state;

	for (uint32_t i = 0; i < s->map_count; i++) {
		if (!s->structure->unmap(s->maps[i], 0, UINT64_MAX))
			return false;
	}
	return true;
}

static bool fill_all(struct map_state *s, bool (*fill)(struct map_state *, uint32_t))
{
	for (uint32_t i = 0; i < s->map_count; i++) {
		if (!fill(s, i))
			return false;
	}
	return true;
}

static bool fill_sequential_run(void *state, uint64_t iterations)
{
	return iterations == 1 && fill_all(state, fill_sequential);
}

static bool fill_topdown_run(void *state, uint64_t iterations)
{
	return iterations == 1 && fill_all(state, fill_topdown);
}

static bool fill_random_run(void *state, uint64_t iterations)
{
	return iterations == 1 && fill_all(state, fill_random);
}

static bool fill_extents_run(void *state, uint64_t iterations)
{
	return iterations == 1 && fill_all(state, fill_extents);
}

static bool fill_random_prepare(void *state)
{
	shuffle_pages(state);
	return unmap_all(state);
}

static bool fill_extents_prepare(void *state)
{
	shuffle_extents(state);
	return unmap_all(state);
}

static bool unmap_wide_prepare(void *state)
{
	return fill_random_prepare(state) && fill_all(state, fill_random);
}

static bool churn(struct map_state *s, void *map)
{
	uint32_t out;
	uint32_t in;

	bench_pages_swap(&s->pages, &out, &in);
	return unmap_page(s, map, out) && map_page(s, map, in);
}

/* After a fill and half as many churn pairs: what are neighbours in the space are none in memory. */
static bool unmap_churned_prepare(void *state)
{
	struct map_state *s = state;

	for (uint32_t k = 0; k < s->map_count; k++) {
		memcpy(s->orders + (size_t)k * s->n, s->pages.live, s->n * sizeof(*s->orders));
		if (!s->structure->unmap(s->maps[k], 0, UINT64_MAX) || !fill_random(s, k))
			return false;
		for (uint32_t i = 0; i < s->n / 2; i++) {
			if (!churn(s, s->maps[k]))
				return false;
		}
	}
	return true;
}

static bool unmap_wide_run(void *state, uint64_t iterations)
{
	return iterations == 1 && unmap_all(state);
}

/* The next address depends on the last answer, so that lookups cannot overlap. */
static bool lookup_random_run(void *state, uint64_t iterations)
{
	struct map_state *s = state;

	while (iterations-- > 0) {
		if (!page_is_found(s, bench_below(&s->pages.random, s->n), s->zero))
			return false;
	}
	return true;
}

/* The processor may begin with the next one before the last answer is there. */
static bool lookup_independent_run(void *state, uint64_t iterations)
{
	struct map_state *s = state;

	while (iterations-- > 0) {
		if (!page_is_found(s, bench_below(&s->pages.random, s->n), 0))
			return false;
	}
	return true;
}

static bool lookup_sequential_run(void *state, uint64_t iterations)
{
	struct map_state *s = state;

	while (iterations-- > 0) {
		if (!page_is_found(s, s->next, s->zero))
			return false;
		s->next = s->next + 1 < s->n ? s->next + 1 : 0;
	}
	return true;
}

static bool lookup_hot_run(void *state, uint64_t iterations)
{
	struct map_state *s = state;
	const uint32_t hot = s->n < BENCH_HOT ? s->n : BENCH_HOT;

	while (iterations-- > 0) {
		const bool is_hot = bench_below(&s->pages.random, 10) != 0;
		const uint32_t page =
			is_hot ? s->hot + bench_below(&s->pages.random, hot) : bench_below(&s->pages.random, s->n);

		if (!page_is_found(s, page, s->zero))
			return false;
	}
	return true;
}

static bool churn_run(void *state, uint64_t iterations)
{
	struct map_state *s = state;

	while (iterations-- > 0) {
		if (!churn(s, s->maps[0]))
			return false;
	}
	return true;
}

/* Some pages are given back, and then handed out again, the last one first. */
static bool topdown_run(void *state, uint64_t iterations)
{
	struct map_state *s = state;
	uint32_t burst[TOPDOWN_BURST];

	while (iterations-- > 0) {
		for (uint32_t i = 0; i < TOPDOWN_BURST; i++) {
			bool again;

			do {
				burst[i] = bench_below(&s->pages.random, s->n);
				again = false;
				for (uint32_t k = 0; k < i; k++)
					again = again || burst[k] == burst[i];
			} while (again);
			if (!unmap_page(s, s->maps[0], burst[i]))
				return false;
		}
		for (uint32_t i = TOPDOWN_BURST; i-- > 0;) {
			if (!map_page(s, s->maps[0], burst[i]))
				return false;
		}
	}
	return true;
}

/* pages.live and .spare are one array: a ring of 2n pages, the n behind the oldest are mapped. */
static bool ring_run(void *state, uint64_t iterations)
{
	struct map_state *s = state;

	while (iterations-- > 0) {
		const uint32_t newest = s->next + s->n < 2 * s->n ? s->next + s->n : s->next - s->n;
		const uint32_t page = s->pages.live[newest];

		if (!unmap_page(s, s->maps[0], s->pages.live[s->next]) || !map_page(s, s->maps[0], page))
			return false;
		for (uint32_t i = 0; i <= (s->next & 3); i++) {
			if (!page_is_found(s, page, i * 64 + s->zero))
				return false;
		}
		s->next = s->next + 1 < 2 * s->n ? s->next + 1 : 0;
	}
	return true;
}

static bool extents_lookup_run(void *state, uint64_t iterations)
{
	struct map_state *s = state;

	while (iterations-- > 0) {
		const uint32_t i = bench_below(&s->pages.random, s->n);
		const struct extent *e = &s->extents[i];
		const uint32_t pages = (uint32_t)((e->last - e->first + 1) / BENCH_PAGE);
		const uint64_t offset = bench_below(&s->pages.random, pages) * BENCH_PAGE + s->zero;
		uint64_t phys;
		uint32_t flags;

		if (!s->structure->lookup(s->maps[0], e->first + offset, &phys, &flags) ||
		    phys != bench_phys(i) + offset)
			return false;
		s->zero = phys >> 63;
		s->sum += phys + flags;
	}
	return true;
}

static bool extents_churn_run(void *state, uint64_t iterations)
{
	struct map_state *s = state;

	while (iterations-- > 0) {
		const uint32_t i = bench_below(&s->pages.random, s->n);
		const struct extent *e = &s->extents[i];

		if (!s->structure->unmap(s->maps[0], e->first, e->last) ||
		    !s->structure->map(s->maps[0], e->first, e->last, bench_phys(i), BENCH_FLAGS))
			return false;
	}
	return true;
}

#define STEADY(which, filled_by, ran_by)                                                                               \
	{                                                                                                              \
		.name = which, .setup = filled_by, .run = ran_by, .teardown = map_teardown                             \
	}
#define PREPARED(which, filled_by, prepared_by, ran_by)                                                                \
	{                                                                                                              \
		.name = which, .setup = filled_by, .prepare = prepared_by, .run = ran_by, .teardown = map_teardown     \
	}

const struct bench_workload bench_map_workloads[] = {
	PREPARED("fill-sequential", fill_sequential_setup, unmap_all, fill_sequential_run),
	PREPARED("fill-topdown", fill_topdown_setup, unmap_all, fill_topdown_run),
	PREPARED("fill-random", fill_random_setup, fill_random_prepare, fill_random_run),
	STEADY("lookup-random", dense_setup, lookup_random_run),
	STEADY("lookup-independent", dense_setup, lookup_independent_run),
	STEADY("lookup-sequential", dense_setup, lookup_sequential_run),
	STEADY("lookup-hot", dense_setup, lookup_hot_run),
	STEADY("churn-pair", half_setup, churn_run),
	STEADY("topdown-churn", topdown_setup, topdown_run),
	STEADY("ring-cycle", half_setup, ring_run),
	PREPARED("unmap-wide", fill_random_setup, unmap_wide_prepare, unmap_wide_run),
	PREPARED("unmap-churned", fill_random_setup, unmap_churned_prepare, unmap_wide_run),
	PREPARED("mixed-fill", fill_mixed_setup, fill_extents_prepare, fill_extents_run),
	STEADY("mixed-lookup", mixed_setup, extents_lookup_run),
	STEADY("mixed-churn", mixed_setup, extents_churn_run),
	PREPARED("sparse-fill", fill_sparse_setup, fill_extents_prepare, fill_extents_run),
	STEADY("sparse-lookup", sparse_setup, extents_lookup_run),
	STEADY("sparse-churn", sparse_setup, extents_churn_run),
	{ .name = NULL },
};
