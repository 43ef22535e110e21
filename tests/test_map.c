/* SPDX-License-Identifier: BSD-3-Clause */
/* test_map.c: what an IOVA map answers, compared with the oracle. */
#include "map_oracle.h"
#include "suite.h"

/* UNMAP by the specification's examples and what follows from them. */

#define LAST_GRANULE (-1) /* counted from the end of the space */

struct row {
	int mappings;
	int64_t a[2], b[2]; /* first and last granule; negative: from the end */
	int64_t cut[2];
	enum viommu_result result;
	bool a_left, b_left;
};

/* IOMMU-DEV-UNMAP-05, IOMMU-DEV-UNMAP-06, IOMMU-DEV-UNMAP-07, INF-11 */
static const struct row rows[] = {
	{ 0, { 0, 0 }, { 0, 0 }, { 0, 4 }, VIOMMU_OK, false, false },      /* nothing mapped is no error */
	{ 1, { 0, 9 }, { 0, 0 }, { 0, 9 }, VIOMMU_OK, false, false },      /* exact hit */
	{ 2, { 0, 4 }, { 5, 9 }, { 0, 9 }, VIOMMU_OK, false, false },      /* one request covers several */
	{ 1, { 0, 9 }, { 0, 0 }, { 0, 4 }, VIOMMU_E_RANGE, true, false },  /* no splitting */
	{ 2, { 0, 4 }, { 5, 9 }, { 0, 4 }, VIOMMU_OK, false, true },       /* adjacent ones are never merged */
	{ 1, { 0, 4 }, { 0, 0 }, { 0, 9 }, VIOMMU_OK, false, false },      /* spill past the end */
	{ 2, { 0, 4 }, { 10, 14 }, { 0, 14 }, VIOMMU_OK, false, false },   /* holes inside */
	{ 2, { 0, 4 }, { 5, 9 }, { 0, 7 }, VIOMMU_E_RANGE, true, true },   /* all or nothing */
	{ 1, { 5, 9 }, { 0, 0 }, { 0, 7 }, VIOMMU_E_RANGE, true, false },  /* split at the upper end */
	{ 1, { 0, 9 }, { 0, 0 }, { 3, 5 }, VIOMMU_E_RANGE, true, false },  /* hole in the middle */
	{ 1, { 0, 9 }, { 0, 0 }, { 5, 14 }, VIOMMU_E_RANGE, true, false }, /* split at the lower end */
	{ 2, { 7, 80 }, { -300, -200 }, { 0, LAST_GRANULE }, VIOMMU_OK, false, false },       /* the length is 2^64 */
	{ 1, { -5, LAST_GRANULE }, { 0, 0 }, { -5, LAST_GRANULE }, VIOMMU_OK, false, false }, /* end + 1 is 0 */
	/* More of the same kind. */
	{ 2, { 0, 0 }, { LAST_GRANULE, LAST_GRANULE }, { 1, -2 }, VIOMMU_OK, true, true },
	{ 1, { 0, LAST_GRANULE }, { 0, 0 }, { 0, -2 }, VIOMMU_E_RANGE, true, false },
	{ 1, { 0, LAST_GRANULE }, { 0, 0 }, { 1, LAST_GRANULE }, VIOMMU_E_RANGE, true, false },
	{ 2, { 16, 31 }, { 32, 47 }, { 16, 31 }, VIOMMU_OK, false, true },
	{ 2, { 15, 16 }, { 17, 33 }, { 17, 33 }, VIOMMU_OK, true, false },
	{ 2, { 3, 500 }, { 501, 9000 }, { 501, 9000 }, VIOMMU_OK, true, false },
	{ 2, { 3, 500 }, { 501, 9000 }, { 3, 8999 }, VIOMMU_E_RANGE, true, true },
};

static uint64_t granule_first(const struct pair *p, int64_t g, uint64_t base)
{
	return g < 0 ? (uint64_t)g * p->oracle.granule : (base + (uint64_t)g) * p->oracle.granule;
}

static uint64_t granule_last(const struct pair *p, int64_t g, uint64_t base)
{
	return granule_first(p, g, base) + (p->oracle.granule - 1);
}

static void run_row(const struct row *row, unsigned granule_bits, uint64_t base)
{
	struct bench b;
	struct pair *p;
	uint64_t a, c;

	bench_init(&b, 100, 1);
	p = bench_map(&b, 0, granule_bits);
	a = granule_first(p, row->a[0], base);
	c = granule_first(p, row->b[0], base);
	if (row->mappings > 0) /* phys and flags go on from a to b wherever the two touch */
		assert_int_equal(insert(&b, p, a, granule_last(p, row->a[1], base), 0, 3), VIOMMU_OK);
	if (row->mappings > 1)
		assert_int_equal(insert(&b, p, c, granule_last(p, row->b[1], base), c - a, 3), VIOMMU_OK);
	assert_same_content(p);

	assert_int_equal(viommu_map_remove(&p->map, granule_first(p, row->cut[0], base),
					   granule_last(p, row->cut[1], base), &b.limbo),
			 row->result);
	p->oracle.count = 0;
	if (row->a_left)
		p->oracle.at[p->oracle.count++] =
			(struct viommu_mapping){ .first = a, .last = granule_last(p, row->a[1], base), .flags = 3 };
	if (row->b_left)
		p->oracle.at[p->oracle.count++] = (struct viommu_mapping){
			.first = c, .last = granule_last(p, row->b[1], base), .phys = c - a, .flags = 3
		};
	assert_same_content(p);
	bench_done(&b);
}

static void test_map_remove__examples_of_the_specification__as_tabled(void **state)
{
	static const uint64_t bases[] = { 0, 1, 11, 15, 16, 250, 4090, UINT64_C(0xfffffffb) };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		bool absolute = rows[i].a[1] < 0 || rows[i].b[1] < 0 || rows[i].cut[1] < 0;

		for (size_t g = 0; g < COUNT(granules); g++) {
			for (size_t k = 0; k < (absolute ? 1 : COUNT(bases)); k++)
				run_row(&rows[i], granules[g], bases[k]);
		}
	}
}

/* UNMAP has no alignment rule: not aligned ranges split something, or are harmless. */
static void test_map_remove__range_not_aligned__range_if_it_splits_else_ok(void **state)
{
	struct bench b;
	struct pair *p;

	(void)state;
	bench_init(&b, 100, 1);
	p = bench_map(&b, 0, 12);
	assert_int_equal(insert(&b, p, 0x5000, 0x8fff, 0x10000, 1), VIOMMU_OK);
	assert_int_equal(take_out(&b, p, 0x5001, 0x8fff), VIOMMU_E_RANGE);
	assert_int_equal(take_out(&b, p, 0x5000, 0x8ffe), VIOMMU_E_RANGE);
	assert_int_equal(take_out(&b, p, 0x8fff, TOP), VIOMMU_E_RANGE);
	assert_int_equal(take_out(&b, p, 0, 0x5000), VIOMMU_E_RANGE);
	assert_int_equal(take_out(&b, p, 0x6123, 0x6123), VIOMMU_E_RANGE);
	assert_same_content(p);
	assert_int_equal(take_out(&b, p, 0, 0x4fff), VIOMMU_OK);
	assert_int_equal(take_out(&b, p, 1, 2), VIOMMU_OK);
	assert_int_equal(take_out(&b, p, 0x4fff, 0x4fff), VIOMMU_OK);
	assert_int_equal(take_out(&b, p, 0x9000, 0x9000), VIOMMU_OK);
	assert_int_equal(take_out(&b, p, 0x9001, TOP - 1), VIOMMU_OK);
	assert_same_content(p);
	assert_int_equal(p->oracle.count, 1);
	assert_int_equal(take_out(&b, p, 0x4fff, 0x9000), VIOMMU_OK);
	assert_true(viommu_map_is_empty(&p->map));
	bench_done(&b);
}

static void test_map_remove__last_before_first__arg(void **state)
{
	struct bench b;
	struct pair *p;

	(void)state;
	bench_init(&b, 100, 1);
	p = bench_map(&b, 0, 12);
	assert_int_equal(take_out(&b, p, 1, 0), VIOMMU_E_ARG);
	assert_int_equal(insert(&b, p, 0, TOP, 0, 1), VIOMMU_OK);
	assert_int_equal(take_out(&b, p, 1, 0), VIOMMU_E_ARG);
	assert_int_equal(take_out(&b, p, TOP, 0), VIOMMU_E_ARG);
	assert_int_equal(take_out(&b, p, 0x2000, 0x1fff), VIOMMU_E_ARG);
	assert_same_content(p);
	bench_done(&b);
}

/* Insert. */

/* IOMMU-DEV-MAP-01 */
static void test_map_insert__bad_arguments__refused_and_unchanged(void **state)
{
	static const struct {
		uint64_t first, last, phys;
		uint32_t flags;
		enum viommu_result result;
	} cases[] = {
		/* in a map of 64 KiB granules */
		{ 0x20000, 0x1ffff, 0, 1, VIOMMU_E_ARG },
		{ 0x20000, 0x10000, 0, 1, VIOMMU_E_ARG },
		{ TOP, 0, 0, 1, VIOMMU_E_ARG },
		{ 0x20000, 0x2ffff, 0, 0x10, VIOMMU_E_ARG },
		{ 0x20000, 0x2ffff, 0, UINT32_C(0x80000000), VIOMMU_E_ARG },
		{ 0x20000, 0x3ffff, TOP - 0xffff, 1, VIOMMU_E_ARG },
		{ 0, TOP, 0x10000, 1, VIOMMU_E_ARG },
		{ 0, TOP - 0x10000, 0x20000, 1, VIOMMU_E_ARG },
		{ 0x20001, 0x2ffff, 0, 1, VIOMMU_E_RANGE },
		{ 0x21000, 0x2ffff, 0, 1, VIOMMU_E_RANGE },
		{ 0x20000, 0x2fffe, 0, 1, VIOMMU_E_RANGE },
		{ 0x20000, 0x30000, 0, 1, VIOMMU_E_RANGE },
		{ 0x20000, 0x20fff, 0, 1, VIOMMU_E_RANGE },
		{ 0x20000, 0x20000, 0, 1, VIOMMU_E_RANGE },
		{ 0x20000, 0x2ffff, 1, 1, VIOMMU_E_RANGE },
		{ 0x20000, 0x2ffff, 0x8000, 1, VIOMMU_E_RANGE },
		{ TOP - 0xfffe, TOP, 0, 1, VIOMMU_E_RANGE },
		{ TOP - 0xffff, TOP - 1, 0, 1, VIOMMU_E_RANGE },
		/* Just good. */
		{ 0x20000, 0x2ffff, TOP - 0xffff, 0, VIOMMU_OK },
		{ 0x30000, 0x4ffff, TOP - 0x1ffff, 15, VIOMMU_OK },
		{ TOP - 0xffff, TOP, TOP - 0xffff, 2, VIOMMU_OK },
		{ 0, 0xffff, 0, 4, VIOMMU_OK },
		{ 0x50000, TOP - 0x10000, 0x60000, 8, VIOMMU_OK },
	};
	struct bench b;
	struct pair *p;

	(void)state;
	bench_init(&b, 200, 1);
	p = bench_map(&b, 0, 16);
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(insert(&b, p, cases[i].first, cases[i].last, cases[i].phys, cases[i].flags),
				 cases[i].result);
		assert_same_content(p);
	}
	bench_done(&b);
}

static void test_map_insert__first_and_last_granule_and_whole_space__found_at_every_edge(void **state)
{
	(void)state;
	for (unsigned bits = 8; bits <= 63; bits++) {
		uint64_t granule = UINT64_C(1) << bits;
		struct bench b;
		struct pair *p;

		bench_init(&b, 100, 1);
		p = bench_map(&b, 0, bits);
		assert_int_equal(insert(&b, p, 0, granule - 1, TOP - granule + 1, 1), VIOMMU_OK);
		assert_int_equal(insert(&b, p, TOP - granule + 1, TOP, 0, 2), VIOMMU_OK);
		assert_same_content(p);
		assert_int_equal(insert(&b, p, 0, TOP, 0, 3), VIOMMU_E_EXISTS);
		assert_int_equal(take_out(&b, p, 0, granule - 1), VIOMMU_OK);
		assert_int_equal(insert(&b, p, 0, TOP, 0, 3), VIOMMU_E_EXISTS);
		assert_same_content(p);
		assert_int_equal(take_out(&b, p, granule, TOP), VIOMMU_OK);

		assert_int_equal(insert(&b, p, 0, TOP, 0, 3), VIOMMU_OK);
		assert_same_content(p);
		for (uint64_t iova = 1; iova != 0; iova <<= 1) {
			assert_lookup_agrees(p, iova);
			assert_lookup_agrees(p, iova - 1);
			assert_lookup_agrees(p, 0 - iova);
			assert_next_agrees(p, iova);
		}
		assert_int_equal(insert(&b, p, 0, granule - 1, 0, 1), VIOMMU_E_EXISTS);
		assert_int_equal(insert(&b, p, TOP - granule + 1, TOP, 0, 1), VIOMMU_E_EXISTS);
		if (bits < 63)
			assert_int_equal(take_out(&b, p, granule, TOP - granule), VIOMMU_E_RANGE);
		assert_int_equal(take_out(&b, p, 0, TOP), VIOMMU_OK);
		assert_true(viommu_map_is_empty(&p->map));

		/* All but the first granule, and all but the last. */
		assert_int_equal(insert(&b, p, granule, TOP, 0, 3), VIOMMU_OK);
		assert_same_content(p);
		assert_int_equal(take_out(&b, p, granule, TOP), VIOMMU_OK);
		assert_int_equal(insert(&b, p, 0, TOP - granule, granule, 3), VIOMMU_OK);
		assert_same_content(p);
		bench_done(&b);
	}
}

static const uint64_t sizes[] = { 1,
				  2,
				  3,
				  15,
				  16,
				  17,
				  31,
				  32,
				  33,
				  240,
				  255,
				  256,
				  257,
				  600,
				  4095,
				  4096,
				  4097,
				  65536,
				  UINT64_C(0x100001),
				  UINT64_C(0xfffffff),
				  UINT64_C(0x10000000) };
static const uint64_t starts[] = { 1,
				   2,
				   7,
				   15,
				   16,
				   17,
				   255,
				   256,
				   257,
				   4095,
				   4096,
				   UINT64_C(0xffff),
				   UINT64_C(0x10000),
				   UINT64_C(0xfffff),
				   UINT64_C(0x100000),
				   UINT64_C(0x7ffffff),
				   UINT64_C(0x8000000) };

/* IOMMU-DEV-MAP-02 */
static void test_map_insert__overlap_at_each_edge__exists_and_unchanged(void **state)
{
	(void)state;
	for (size_t g = 0; g < COUNT(granules); g++) {
		for (size_t s = 0; s < COUNT(starts); s++) {
			for (size_t n = 0; n < COUNT(sizes); n++) {
				uint64_t granule = UINT64_C(1) << granules[g];
				uint64_t first = starts[s] * granule, last = (starts[s] + sizes[n]) * granule - 1;
				uint64_t mid = (starts[s] + sizes[n] / 2) * granule;
				struct bench b;
				struct pair *p;

				bench_init(&b, 200, 1);
				p = bench_map(&b, 0, granules[g]);
				assert_int_equal(insert(&b, p, first, last, 0, 1), VIOMMU_OK);
				assert_int_equal(insert(&b, p, first, last, 0, 1), VIOMMU_E_EXISTS);
				assert_int_equal(insert(&b, p, first, first + granule - 1, 0, 1), VIOMMU_E_EXISTS);
				assert_int_equal(insert(&b, p, last - granule + 1, last, 0, 1), VIOMMU_E_EXISTS);
				assert_int_equal(insert(&b, p, mid, mid + granule - 1, 0, 1), VIOMMU_E_EXISTS);
				assert_int_equal(insert(&b, p, 0, first + granule - 1, 0, 1), VIOMMU_E_EXISTS);
				assert_int_equal(insert(&b, p, last - granule + 1, TOP, 0, 1), VIOMMU_E_EXISTS);
				assert_int_equal(insert(&b, p, first - granule, last + granule, 0, 1), VIOMMU_E_EXISTS);
				assert_int_equal(insert(&b, p, 0, TOP, 0, 1), VIOMMU_E_EXISTS);
				assert_same_content(p);
				/* The gaps on both sides are exactly as large as they look. */
				assert_int_equal(insert(&b, p, 0, first - 1, 0, 1), VIOMMU_OK);
				assert_int_equal(insert(&b, p, last + 1, TOP, 0, 1), VIOMMU_OK);
				assert_same_content(p);
				bench_done(&b);
			}
		}
	}
}

/* Two neighbours that would be one if anybody merged them: the addresses and the flags go on. */
static void test_map_insert__adjacent_and_contiguous__stay_distinct(void **state)
{
	(void)state;
	for (size_t s = 0; s < COUNT(starts); s++) {
		for (size_t n = 0; n < COUNT(sizes); n++) {
			uint64_t a = starts[s] << 12, mid = (starts[s] + sizes[n]) << 12;
			uint64_t end = ((starts[s] + 2 * sizes[n]) << 12) - 1;
			struct bench b;
			struct pair *p;

			bench_init(&b, 200, 1);
			p = bench_map(&b, 0, 12);
			assert_int_equal(insert(&b, p, mid, end, mid, 3), VIOMMU_OK);
			assert_int_equal(insert(&b, p, a, mid - 1, a, 3), VIOMMU_OK);
			assert_same_content(p);
			assert_next_agrees(p, mid - 1);
			assert_int_equal(take_out(&b, p, a, end - 0x1000), sizes[n] == 1 ? VIOMMU_OK : VIOMMU_E_RANGE);
			if (sizes[n] != 1)
				assert_int_equal(take_out(&b, p, a, mid - 1), VIOMMU_OK);
			assert_same_content(p);
			assert_int_equal(p->oracle.count, 1);
			assert_int_equal(insert(&b, p, a, mid - 1, a, 3), VIOMMU_OK);
			assert_int_equal(take_out(&b, p, mid, end), VIOMMU_OK);
			assert_same_content(p);
			bench_done(&b);
		}
	}
}

/* Lookup and next. */

static void test_map_lookup__around_a_mapping__first_to_last_and_nothing_else(void **state)
{
	(void)state;
	for (size_t g = 0; g < COUNT(granules); g++) {
		for (size_t s = 0; s < COUNT(starts); s++) {
			for (size_t n = 0; n < COUNT(sizes); n++) {
				uint64_t first = starts[s] << granules[g];
				uint64_t last = first + (sizes[n] << granules[g]) - 1;
				struct viommu_mapping out;
				struct bench b;
				struct pair *p;
				uint64_t at;

				bench_init(&b, 100, 1);
				p = bench_map(&b, 0, granules[g]);
				assert_int_equal(insert(&b, p, first, last, UINT64_C(0xabc) << 40, 2), VIOMMU_OK);
				assert_false(viommu_map_lookup(&p->map, first - 1, &out));
				assert_true(viommu_map_lookup(&p->map, first, &out));
				assert_true(viommu_map_lookup(&p->map, last, &out));
				assert_int_equal(out.last, last);
				assert_false(viommu_map_lookup(&p->map, last + 1, &out));
				assert_false(viommu_map_lookup(&p->map, 0, &out));
				assert_false(viommu_map_lookup(&p->map, TOP, &out));

				/* From chunk to chunk, each seen from its second byte, up to the last byte. */
				at = first + 1;
				for (uint32_t steps = 0;; steps++) {
					assert_true(steps <= INSERT_NODES_MAX * VIOMMU_MAP_FANOUT);
					assert_lookup_agrees(p, at);
					assert_true(viommu_map_lookup(&p->map, at, &out));
					if (out.last == last)
						break;
					at = out.last + 1;
				}
				bench_done(&b);
			}
		}
	}
}

static void test_map_next__from_anywhere__whole_mapping_or_the_first_behind(void **state)
{
	struct viommu_mapping out;
	struct bench b;
	struct pair *p;

	(void)state;
	bench_init(&b, 300, 1);
	p = bench_map(&b, 0, 12);
	assert_false(viommu_map_next(&p->map, 0, &out));
	assert_false(viommu_map_next(&p->map, TOP, &out));
	assert_int_equal(insert(&b, p, 0x7000, 0x12345fff, 0x1000, 1), VIOMMU_OK);
	assert_int_equal(insert(&b, p, 0x12346000, 0x12346fff, 0x2000, 2), VIOMMU_OK);
	assert_int_equal(insert(&b, p, UINT64_C(1) << 50, (UINT64_C(1) << 50) + 0xfffff, 0x3000, 3), VIOMMU_OK);
	for (unsigned shift = 0; shift < 64; shift++) {
		for (uint64_t d = 0; d < 3; d++) {
			assert_next_agrees(p, (UINT64_C(1) << shift) - 1 + d);
			assert_next_agrees(p, 0x12345fff + ((UINT64_C(1) << shift) - 1 + d));
		}
	}
	assert_next_agrees(p, 0);
	assert_next_agrees(p, TOP);
	assert_false(viommu_map_next(&p->map, (UINT64_C(1) << 50) + 0x100000, &out));
	assert_int_equal(insert(&b, p, TOP - 0xfff, TOP, 0x4000, 4), VIOMMU_OK);
	assert_next_agrees(p, (UINT64_C(1) << 50) + 0x100000);
	assert_next_agrees(p, TOP);
	assert_same_content(p);
	bench_done(&b);
}

static void test_map_set_flags__exact_mapping__all_of_it_and_only_it(void **state)
{
	(void)state;
	for (size_t s = 0; s < COUNT(starts); s++) {
		for (size_t n = 0; n < COUNT(sizes); n++) {
			uint64_t a = starts[s] << 12, last = ((starts[s] + sizes[n]) << 12) - 1;
			struct viommu_mapping out;
			struct bench b;
			struct pair *p;

			bench_init(&b, 200, 1);
			p = bench_map(&b, 0, 12);
			assert_int_equal(insert(&b, p, a - 0x1000, a - 1, 0, 5), VIOMMU_OK);
			assert_int_equal(insert(&b, p, a, last, 0x1000, 5), VIOMMU_OK);
			assert_int_equal(insert(&b, p, last + 1, last + 0x1000, 0x7000, 5), VIOMMU_OK);
			for (uint32_t flags = 0; flags < 16; flags++) {
				assert_int_equal(viommu_map_set_flags(&p->map, a, last, flags), VIOMMU_OK);
				assert_int_equal(oracle_set_flags(&p->oracle, a, last, flags), VIOMMU_OK);
				assert_same_content(p);
				for (uint64_t at = a; at - 1 != last; at = out.last + 1) {
					assert_lookup_agrees(p, at);
					assert_true(viommu_map_lookup(&p->map, at, &out));
				}
			}
			bench_done(&b);
		}
	}
}

static void test_map_set_flags__anything_else__noent_or_arg_and_unchanged(void **state)
{
	static const struct {
		uint64_t first, last;
		uint32_t flags;
		enum viommu_result result;
	} cases[] = {
		{ 0x5000, 0x8fff, 0x10, VIOMMU_E_ARG }, { 0x5000, 0x8fff, UINT32_MAX, VIOMMU_E_ARG },
		{ 0x1000, 0x1fff, 1, VIOMMU_E_NOENT },  { 0x5000, 0x7fff, 1, VIOMMU_E_NOENT },
		{ 0x6000, 0x8fff, 1, VIOMMU_E_NOENT },  { 0x4000, 0x8fff, 1, VIOMMU_E_NOENT },
		{ 0x5000, 0x9fff, 1, VIOMMU_E_NOENT },  { 0x5001, 0x8fff, 1, VIOMMU_E_NOENT },
		{ 0x5000, 0x8ffe, 1, VIOMMU_E_NOENT },  { 0x5000, 0xafff, 1, VIOMMU_E_NOENT }, /* two mappings */
		{ 0xa000, 0xafff, 1, VIOMMU_E_NOENT },  { 0x8fff, 0x5000, 1, VIOMMU_E_NOENT },
		{ 0, TOP, 1, VIOMMU_E_NOENT },
	};
	struct bench b;
	struct pair *p;

	(void)state;
	bench_init(&b, 100, 1);
	p = bench_map(&b, 0, 12);
	assert_int_equal(viommu_map_set_flags(&p->map, 0, TOP, 0), VIOMMU_E_NOENT);
	assert_int_equal(insert(&b, p, 0x5000, 0x8fff, 0x5000, 7), VIOMMU_OK);
	assert_int_equal(insert(&b, p, 0x9000, 0xafff, 0x9000, 7), VIOMMU_OK);
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(viommu_map_set_flags(&p->map, cases[i].first, cases[i].last, cases[i].flags),
				 cases[i].result);
		assert_same_content(p);
	}
	bench_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map_remove__examples_of_the_specification__as_tabled),
		cmocka_unit_test(test_map_remove__range_not_aligned__range_if_it_splits_else_ok),
		cmocka_unit_test(test_map_remove__last_before_first__arg),
		cmocka_unit_test(test_map_insert__bad_arguments__refused_and_unchanged),
		cmocka_unit_test(test_map_insert__first_and_last_granule_and_whole_space__found_at_every_edge),
		cmocka_unit_test(test_map_insert__overlap_at_each_edge__exists_and_unchanged),
		cmocka_unit_test(test_map_insert__adjacent_and_contiguous__stay_distinct),
		cmocka_unit_test(test_map_lookup__around_a_mapping__first_to_last_and_nothing_else),
		cmocka_unit_test(test_map_next__from_anywhere__whole_mapping_or_the_first_behind),
		cmocka_unit_test(test_map_set_flags__exact_mapping__all_of_it_and_only_it),
		cmocka_unit_test(test_map_set_flags__anything_else__noent_or_arg_and_unchanged),
	};

	return suite_run(tests);
}
