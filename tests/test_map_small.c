/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_map_small.c: all that can happen to a map in a small world: a window of a few granules, in which each range may
 * be mapped, to one of two places, and each range may be removed.
 *
 * From each content that there can be, each change is made; answers and content have to be the oracle's. And the nodes
 * have to be the same, one by one, as those of a map with this content that was made by inserts in the order of
 * addresses. So what came before leaves no trace: that all changes of all contents are right says that all sequences
 * of changes, however long, are.
 *
 * VIOMMU_MAP_SMALL is how many granules the window has (default 6, up to 10).
 */
#include "map_oracle.h"
#include "suite.h"

#include "../libviommu/map/node.h"

#define GRANULE UINT64_C(4096)
#define WINDOW_MAX 10u
#define NODES 256u

/* What a granule is, two bits of a content: nothing, the first one of a mapping to one place or the other, the next. */
enum {
	NOTHING,
	NEAR, /* of two neighbours that are both there, the one goes on where the other ends */
	AWAY,
	GOES_ON
};

struct world {
	struct bench bench; /* pair 0 is changed, pair 1 is made anew */
	uint64_t base;
	unsigned window;
	uint32_t contents, changes, refused;
};

static unsigned what_is(uint32_t content, unsigned i)
{
	return content >> (2 * i) & 3;
}

/* Does each mapping have a beginning? */
static bool is_content(uint32_t content, unsigned window)
{
	unsigned before = NOTHING;

	for (unsigned i = 0; i < window; i++) {
		if (what_is(content, i) == GOES_ON && before == NOTHING)
			return false;
		before = what_is(content, i);
	}
	return true;
}

static struct viommu_mapping mapping(const struct world *w, unsigned first, unsigned last, unsigned where)
{
	struct viommu_mapping m = { .first = w->base + first * GRANULE, .flags = 3 };

	m.last = w->base + last * GRANULE + (GRANULE - 1);
	m.phys = (UINT64_C(1) << 40) * (where == NEAR ? 1 : 2) + first * GRANULE;
	return m;
}

static void make(struct world *w, struct pair *p, uint32_t content)
{
	for (unsigned i = 0, last; i < w->window; i = last + 1) {
		struct viommu_mapping m;

		last = i;
		if (what_is(content, i) == NOTHING)
			continue;
		while (last + 1 < w->window && what_is(content, last + 1) == GOES_ON)
			last++;
		m = mapping(w, i, last, what_is(content, i));
		assert_int_equal(insert_mapping(&w->bench, p, &m), VIOMMU_OK);
	}
}

static void empty(struct world *w, struct pair *p)
{
	viommu_map_clear(&p->map, &w->bench.limbo);
	p->oracle.count = 0;
	recycle(&w->bench);
}

static uint32_t content_of(const struct world *w, const struct oracle *o)
{
	uint32_t content = 0;

	for (size_t i = 0; i < o->count; i++) {
		unsigned first = (unsigned)((o->at[i].first - w->base) / GRANULE);
		unsigned last = (unsigned)((o->at[i].last - w->base) / GRANULE);

		content |= (o->at[i].phys < UINT64_C(2) << 40 ? (uint32_t)NEAR : (uint32_t)AWAY) << (2 * first);
		while (++first <= last)
			content |= (uint32_t)GOES_ON << (2 * first);
	}
	return content;
}

/* Where a table lies in the pool is no part of it. */
static bool is_same(const struct viommu_map_pool *pool, uint64_t a, uint64_t b)
{
	const struct viommu_map_node *x, *y;

	if ((a & ENTRY_TABLE) == 0 || (b & ENTRY_TABLE) == 0)
		return a == b;
	x = viommu_i_map_node(pool, entry_index(a));
	y = viommu_i_map_node(pool, entry_index(b));
	if (entry_level(a) != entry_level(b) || x->prefix != y->prefix || x->level != y->level || x->used != y->used)
		return false;
	for (unsigned i = 0; i < VIOMMU_MAP_FANOUT; i++) {
		if (!is_same(pool, x->entry[i], y->entry[i]))
			return false;
	}
	return true;
}

static void judge(struct world *w)
{
	struct pair *p = &w->bench.pairs[0], *anew = &w->bench.pairs[1];

	for (unsigned i = 0; i < w->window; i++)
		assert_lookup_agrees(p, w->base + i * GRANULE);
	assert_same_content(p);
	assert_true(viommu_map_check(&p->map));
	make(w, anew, content_of(w, &p->oracle));
	assert_true(is_same(&w->bench.pool, p->map.root, anew->map.root));
	empty(w, anew);
}

/* where NOTHING removes. */
static void change(struct world *w, uint32_t content, unsigned first, unsigned last, unsigned where)
{
	struct viommu_mapping m = mapping(w, first, last, where);
	struct pair *p = &w->bench.pairs[0];
	enum viommu_result result;

	make(w, p, content);
	if (where == NOTHING)
		result = take_out(&w->bench, p, m.first, m.last);
	else
		result = insert_mapping(&w->bench, p, &m);
	w->changes++;
	w->refused += result != VIOMMU_OK;
	judge(w);
	empty(w, p);
}

static void explore(uint64_t base, unsigned window)
{
	struct world w = { .base = base, .window = window };

	bench_init(&w.bench, NODES, 2);
	(void)bench_map(&w.bench, 0, 12);
	(void)bench_map(&w.bench, 1, 12);
	for (uint32_t content = 0; content < UINT32_C(1) << (2 * window); content++) {
		if (!is_content(content, window))
			continue;
		w.contents++;
		for (unsigned first = 0; first < window; first++) {
			for (unsigned last = first; last < window; last++) {
				change(&w, content, first, last, NOTHING);
				change(&w, content, first, last, NEAR);
				change(&w, content, first, last, AWAY);
			}
		}
	}
	print_message("%u granules from %#llx: %u contents, %u changes, %u of them refused\n", window,
		      (unsigned long long)base, w.contents, w.changes, w.refused);
	/* With n granules: c(n) = c(n - 1) + 2 (c(n - 1) + ... + c(0)). */
	if (window == 6)
		assert_int_equal(w.contents, 2131);
	assert_true(w.refused < w.changes);
	bench_done(&w.bench);
}

static unsigned window(void)
{
	return (unsigned)suite_number("VIOMMU_MAP_SMALL", 6, 2, WINDOW_MAX);
}

static void test_small_world__begin_of_the_space__each_change_of_each_content(void **state)
{
	(void)state;
	explore(0, window());
}

/* Half of it in one node, half in the next. */
static void test_small_world__two_nodes__each_change_of_each_content(void **state)
{
	(void)state;
	explore((16 - window() / 2) * GRANULE, window());
}

/* Where the path from the root has seven levels in common, and then none. */
static void test_small_world__two_subtrees__each_change_of_each_content(void **state)
{
	(void)state;
	explore((UINT64_C(1) << 40) - window() / 2 * GRANULE, window());
}

static void test_small_world__end_of_the_space__each_change_of_each_content(void **state)
{
	(void)state;
	explore(0 - window() * GRANULE, window());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_world__begin_of_the_space__each_change_of_each_content),
		cmocka_unit_test(test_small_world__two_nodes__each_change_of_each_content),
		cmocka_unit_test(test_small_world__two_subtrees__each_change_of_each_content),
		cmocka_unit_test(test_small_world__end_of_the_space__each_change_of_each_content),
	};

	return suite_run(tests);
}
