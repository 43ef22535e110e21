/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * structures_check.c: do all structures say the same as a naive model? The model knows for each page of three windows
 * (at the bottom, across 4 GiB and at the top of the address space) which mapping it belongs to, and nothing else.
 *
 *     bench-structures [STEPS]
 */
#include "structure.h"

#include "sim/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE UINT64_C(4096)
#define WINDOW 1024u /* pages */
#define WINDOWS 3u
#define PAGES (WINDOW * WINDOWS)

struct mapping {
	uint64_t first;
	uint64_t last;
	uint64_t phys;
	uint32_t flags;
};

struct model {
	const struct mapping *page[PAGES]; /* NULL: not mapped */
	struct mapping at[PAGES];          /* by the number of its first page */
};

struct check {
	const struct bench_structure *structure;
	void *s;
	struct sim_random random;
	struct model model;
	uint64_t mapped, overlaps, unmapped, splits, hits, misses;
};

static const uint64_t window_base[WINDOWS] = { 0, UINT64_C(0x100000000) - WINDOW / 2 * PAGE,
					       UINT64_MAX - WINDOW *PAGE + 1 };

static uint64_t page_address(uint32_t page)
{
	return window_base[page / WINDOW] + page % WINDOW * PAGE;
}

static uint32_t pick(struct check *c, uint32_t n)
{
	return (uint32_t)sim_random_below(&c->random, n);
}

static bool model_map(struct model *m, uint32_t page, uint32_t count, uint64_t phys, uint32_t flags)
{
	struct mapping *made = &m->at[page];

	for (uint32_t i = 0; i < count; i++) {
		if (m->page[page + i] != NULL)
			return false;
	}
	*made = (struct mapping){ page_address(page), page_address(page) + (count * PAGE - 1), phys, flags };
	for (uint32_t i = 0; i < count; i++)
		m->page[page + i] = made;
	return true;
}

static bool model_unmap(struct model *m, uint64_t first, uint64_t last)
{
	for (uint32_t i = 0; i < PAGES; i++) {
		const struct mapping *a = m->page[i];

		if (a != NULL && a->first <= last && first <= a->last && (a->first < first || a->last > last))
			return false;
	}
	for (uint32_t i = 0; i < PAGES; i++) {
		if (m->page[i] != NULL && m->page[i]->first >= first && m->page[i]->last <= last)
			m->page[i] = NULL;
	}
	return true;
}

static bool step_map(struct check *c)
{
	static const uint32_t most[] = { 1, 1, 1, 4, 16, 600 };
	const uint32_t page = pick(c, PAGES);
	const uint32_t room = WINDOW - page % WINDOW;
	const uint64_t phys = sim_random_next(&c->random) >> 24 << 12;
	const uint32_t flags = pick(c, 8);
	uint32_t count = 1 + pick(c, most[pick(c, 6)]);
	bool expected;

	count = count < room ? count : room;
	expected = model_map(&c->model, page, count, phys, flags);
	c->mapped += expected;
	c->overlaps += !expected;
	return c->structure->map(c->s, page_address(page), page_address(page) + (count * PAGE - 1), phys, flags) ==
	       expected;
}

static bool step_unmap(struct check *c)
{
	const uint32_t a = pick(c, PAGES);
	const struct mapping *there = c->model.page[a];
	uint64_t first = page_address(a);
	uint64_t last = first + (PAGE - 1);
	bool expected;

	switch (pick(c, 8)) {
	case 0: /* a few pages, mapped or not */
		last = page_address(a - a % WINDOW + (a % WINDOW + pick(c, 40)) % WINDOW) + (PAGE - 1);
		if (last < first)
			return true;
		break;
	case 1: /* across windows, now and then everything */
		if (pick(c, 200) == 0) {
			first = pick(c, 2) != 0 ? 0 : page_address(pick(c, PAGES));
			last = UINT64_MAX;
		}
		break;
	case 2: /* not at the edges of pages */
		first += pick(c, 3);
		last -= pick(c, 3);
		break;
	default: /* a mapping, exactly */
		if (there != NULL) {
			first = there->first;
			last = there->last;
		}
		break;
	}
	expected = model_unmap(&c->model, first, last);
	c->unmapped += expected && there != NULL;
	c->splits += !expected;
	return c->structure->unmap(c->s, first, last) == expected;
}

static bool page_agrees(struct check *c, uint32_t page)
{
	const struct mapping *m = c->model.page[page];
	const uint64_t iova = page_address(page) + pick(c, PAGE);
	uint64_t phys = 0;
	uint32_t flags = 0;

	c->hits += m != NULL;
	c->misses += m == NULL;
	if (c->structure->lookup(c->s, iova, &phys, &flags) != (m != NULL))
		return false;
	return m == NULL || (phys == m->phys + (iova - m->first) && flags == m->flags);
}

static bool all_pages_agree(struct check *c)
{
	for (uint32_t i = 0; i < PAGES; i++) {
		if (!page_agrees(c, i))
			return false;
	}
	return true;
}

static bool step(struct check *c, uint64_t number)
{
	const uint32_t what = pick(c, 100);

	if (number % 5000 == 0 && !all_pages_agree(c))
		return false;
	if (what < 40)
		return step_map(c);
	if (what < 65)
		return step_unmap(c);
	return page_agrees(c, pick(c, PAGES));
}

static bool check(struct check *c, const struct bench_structure *structure, uint64_t steps)
{
	memset(c, 0, sizeof(*c));
	c->structure = structure;
	c->random.state = 1;
	c->s = structure->open(PAGES);
	for (uint64_t i = 0; i < steps; i++) {
		if (!step(c, i)) {
			printf("%s: step %" PRIu64 " differs from the model\n", structure->name, i);
			return false;
		}
	}
	if (!all_pages_agree(c)) {
		printf("%s: differs from the model at the end\n", structure->name);
		return false;
	}
	structure->close(c->s);
	printf("%s: %" PRIu64 " mapped, %" PRIu64 " overlaps, %" PRIu64 " unmapped, %" PRIu64
	       " refused to split, %" PRIu64 " hits, %" PRIu64 " misses\n",
	       structure->name, c->mapped, c->overlaps, c->unmapped, c->splits, c->hits, c->misses);
	/* Each outcome often enough for this to mean something. */
	return c->mapped * 20 >= steps && c->overlaps * 20 >= steps && c->unmapped * 20 >= steps &&
	       c->splits * 200 >= steps && c->hits * 20 >= steps && c->misses * 20 >= steps;
}

int main(int argc, char **argv)
{
	const uint64_t steps = argc > 1 ? strtoull(argv[1], NULL, 0) : 300000;
	static struct check c;
	bool ok = true;

	for (const struct bench_structure *s = bench_structures; s->name != NULL; s++)
		ok = check(&c, s, steps) && ok;
	return ok ? 0 : 1;
}
