/* SPDX-License-Identifier: BSD-3-Clause */
/* UNMAP: whole mappings or none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device_fixture.h"
#include "suite.h"

#define RW (VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)

/* A range in granules. `last` may be TOP: the last granule of the address space. */
struct span {
	uint64_t first, last;
};

#define TOP UINT64_MAX

static uint64_t span_first(struct span s, unsigned granule)
{
	return s.first == TOP ? 0 - (UINT64_C(1) << granule) : s.first << granule;
}

static uint64_t span_last(struct span s, unsigned granule)
{
	return s.last == TOP ? UINT64_MAX : ((s.last + 1) << granule) - 1;
}

struct unmap_case {
	const char *lesson;
	uint32_t count;
	struct span mappings[3];
	struct span range;
	int status;
	unsigned left; /* bit i: mapping i stays */
};

/* The two tables of the specification's reference, and some more of the same kind. */
static const struct unmap_case cases[] = {
	{ "1: nothing mapped is no error", 0, { { 0, 0 } }, { 0, 4 }, VIOMMU_S_OK, 0 }, /* IOMMU-DEV-UNMAP-07 */
	{ "2: exact hit", 1, { { 0, 9 } }, { 0, 9 }, VIOMMU_S_OK, 0 },
	{ "3: one UNMAP, several MAPs", 2, { { 0, 4 }, { 5, 9 } }, { 0, 9 }, VIOMMU_S_OK, 0 },
	{ "4: no splitting", 1, { { 0, 9 } }, { 0, 4 }, VIOMMU_S_RANGE, 1 }, /* IOMMU-DEV-UNMAP-05 */
	{ "5: adjacent MAPs are not merged", 2, { { 0, 4 }, { 5, 9 } }, { 0, 4 }, VIOMMU_S_OK, 2 }, /* INF-11 */
	{ "6: spill past the end", 1, { { 0, 4 } }, { 0, 9 }, VIOMMU_S_OK, 0 },
	{ "7: holes inside", 2, { { 0, 4 }, { 10, 14 } }, { 0, 14 }, VIOMMU_S_OK, 0 },
	{ "8: all or nothing", 2, { { 0, 4 }, { 5, 9 } }, { 0, 7 }, VIOMMU_S_RANGE, 3 }, /* IOMMU-DEV-UNMAP-06 */
	{ "9: split at the upper end", 1, { { 5, 9 } }, { 0, 7 }, VIOMMU_S_RANGE, 1 },
	{ "10: hole in the middle", 1, { { 0, 9 } }, { 3, 5 }, VIOMMU_S_RANGE, 1 },
	{ "11: split at the lower end", 1, { { 0, 9 } }, { 5, 14 }, VIOMMU_S_RANGE, 1 },
	{ "12: whole space", 2, { { 3, 4 }, { 100, 200 } }, { 0, TOP }, VIOMMU_S_OK, 0 },
	{ "12: whole space, both ends mapped", 2, { { 0, 0 }, { TOP, TOP } }, { 0, TOP }, VIOMMU_S_OK, 0 },
	{ "12: the whole space is one mapping", 1, { { 0, TOP } }, { 0, TOP }, VIOMMU_S_OK, 0 },
	{ "13: end + 1 wraps", 1, { { TOP, TOP } }, { TOP, TOP }, VIOMMU_S_OK, 0 },
	{ "13: end + 1 wraps, its neighbour stays", 2, { { TOP, TOP }, { 0, 3 } }, { 4, TOP }, VIOMMU_S_OK, 2 },
	{ "the whole space cannot be cut at the top", 1, { { 0, TOP } }, { TOP, TOP }, VIOMMU_S_RANGE, 1 },
	{ "nor at the bottom", 1, { { 0, TOP } }, { 0, 0 }, VIOMMU_S_RANGE, 1 },
	{ "the last of three is split", 3, { { 0, 0 }, { 1, 1 }, { 2, 3 } }, { 0, 2 }, VIOMMU_S_RANGE, 7 },
	{ "the first of three is split", 3, { { 0, 1 }, { 2, 2 }, { 3, 3 } }, { 1, 3 }, VIOMMU_S_RANGE, 7 },
	{ "the middle one of three", 3, { { 0, 4 }, { 5, 9 }, { 10, 14 } }, { 5, 9 }, VIOMMU_S_OK, 5 },
	{ "between two", 2, { { 0, 4 }, { 10, 14 } }, { 5, 9 }, VIOMMU_S_OK, 3 },
	{ "one granule of a long mapping", 1, { { 15, 300 } }, { 16, 16 }, VIOMMU_S_RANGE, 1 },
	{ "a power of 16 inside a long mapping", 1, { { 15, 600 } }, { 256, 511 }, VIOMMU_S_RANGE, 1 },
	{ "all but the first granule", 1, { { 15, 600 } }, { 16, 600 }, VIOMMU_S_RANGE, 1 },
	{ "all but the last granule", 1, { { 15, 600 } }, { 15, 599 }, VIOMMU_S_RANGE, 1 },
	{ "long ones, side by side", 2, { { 15, 600 }, { 601, 5000 } }, { 15, 600 }, VIOMMU_S_OK, 2 },
};

/* Aligned to the largest granule of the tests; the longest mappings start at 0 and leave no other choice. */
static uint64_t phys_of(uint32_t i)
{
	return (uint64_t)i << 48;
}

static void assert_mapping(struct device_fixture *f, const struct span *s, unsigned granule, uint32_t i, bool there)
{
	uint64_t first = span_first(*s, granule), last = span_last(*s, granule);
	uint64_t middle = first + (last - first) / 2;

	if (there) {
		assert_true(device_reaches(f, 0, first, RW, phys_of(i)));
		assert_true(device_reaches(f, 0, middle, RW, phys_of(i) + (middle - first)));
		assert_true(device_reaches(f, 0, last, RW, phys_of(i) + (last - first)));
	} else {
		assert_true(device_faults(f, 0, first, 1, VIOMMU_FAULT_R_MAPPING));
		assert_true(device_faults(f, 0, middle, 1, VIOMMU_FAULT_R_MAPPING));
		assert_true(device_faults(f, 0, last, 1, VIOMMU_FAULT_R_MAPPING));
	}
}

static void run_case(const struct unmap_case *c, unsigned granule)
{
	struct device_options options;
	struct device_fixture f;
	uint32_t i;
	int status;

	device_options_init(&options);
	options.config.page_size_mask = ~UINT64_C(0) << granule;
	device_setup(&f, &options);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	for (i = 0; i < c->count; i++)
		assert_int_equal(device_map(&f, 1, span_first(c->mappings[i], granule),
					    span_last(c->mappings[i], granule), phys_of(i), RW),
				 VIOMMU_S_OK);
	status = device_unmap(&f, 1, span_first(c->range, granule), span_last(c->range, granule));
	if (status != c->status)
		fail_msg("%s: status %d", c->lesson, status);
	for (i = 0; i < c->count; i++)
		assert_mapping(&f, &c->mappings[i], granule, i, (c->left >> i & 1) != 0);
	/* What is gone is really gone: its place can be mapped again. What stayed can be removed. */
	for (i = 0; i < c->count; i++) {
		uint64_t first = span_first(c->mappings[i], granule), last = span_last(c->mappings[i], granule);

		if ((c->left >> i & 1) != 0)
			assert_int_equal(device_unmap(&f, 1, first, last), VIOMMU_S_OK);
		assert_int_equal(device_map(&f, 1, first, last, 0, RW), VIOMMU_S_OK);
		assert_int_equal(device_unmap(&f, 1, first, last), VIOMMU_S_OK);
	}
	device_teardown(&f);
}

static void test_unmap__table__whole_mappings_or_none(void **state)
{
	static const unsigned granules[] = { 8, 12, 16, 30 };
	size_t i, g;

	(void)state;
	for (g = 0; g < sizeof(granules) / sizeof(granules[0]); g++)
		for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
			run_case(&cases[i], granules[g]);
}

/* Every range over a strip of 12 granules with five mappings and holes, against what the words of the table say. */
static void test_unmap__every_range_of_a_small_world__as_specified(void **state)
{
	static const struct span strip[] = { { 1, 1 }, { 2, 4 }, { 6, 7 }, { 8, 8 }, { 10, 10 } };
	struct device_fixture f;
	uint64_t first, last;
	uint32_t i;

	(void)state;
	device_setup(&f, NULL);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	for (first = 0; first < 12; first++) {
		for (last = first; last < 12; last++) {
			bool split = false;

			for (i = 0; i < 5; i++) {
				assert_int_equal(
					device_map(&f, 1, span_first(strip[i], 12), span_last(strip[i], 12), 0, RW),
					VIOMMU_S_OK);
				if (first <= strip[i].last && strip[i].first <= last)
					split = split || strip[i].first < first || last < strip[i].last;
			}
			assert_int_equal(device_unmap(&f, 1, first << 12, ((last + 1) << 12) - 1),
					 split ? VIOMMU_S_RANGE : VIOMMU_S_OK);
			for (i = 0; i < 5; i++)
				assert_mapping(&f, &strip[i], 12, 0,
					       split || last < strip[i].first || strip[i].last < first);
			assert_int_equal(device_unmap(&f, 1, 0, UINT64_MAX), VIOMMU_S_OK);
		}
	}
	device_teardown(&f);
}

/* There is no rule of alignment for UNMAP: what counts is whether a mapping is split. */
static void test_unmap__unaligned_range__judged_by_what_it_splits(void **state)
{
	static const struct {
		uint64_t first, last;
		int status;
		bool left;
	} ranges[] = {
		{ 0x1fff, 0x3000, VIOMMU_S_OK, false },       { 0x0001, 0x3001, VIOMMU_S_OK, false },
		{ 0x2001, 0x2fff, VIOMMU_S_RANGE, true },     { 0x2000, 0x2ffe, VIOMMU_S_RANGE, true },
		{ 0x2800, 0x2800, VIOMMU_S_RANGE, true },     { 0x2fff, 0x3000, VIOMMU_S_RANGE, true },
		{ 0x1fff, 0x2000, VIOMMU_S_RANGE, true },     { 0x3000, 0x3000, VIOMMU_S_OK, true },
		{ 0x1fff, 0x1fff, VIOMMU_S_OK, true },        { 0x1001, 0x1007, VIOMMU_S_OK, true },
		{ 0x2fff, UINT64_MAX, VIOMMU_S_RANGE, true }, { 0, 0x2ffe, VIOMMU_S_RANGE, true },
	};
	struct device_fixture f;
	size_t i;

	(void)state;
	device_setup(&f, NULL);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		assert_int_equal(device_map(&f, 1, 0x2000, 0x2fff, 0x9000, RW), VIOMMU_S_OK);
		assert_int_equal(device_unmap(&f, 1, ranges[i].first, ranges[i].last), ranges[i].status);
		assert_int_equal(device_reaches(&f, 0, 0x2fff, RW, 0x9fff), ranges[i].left);
		assert_int_equal(device_unmap(&f, 1, 0x2000, 0x2fff), VIOMMU_S_OK);
	}
	device_teardown(&f);
}

/* Endpoint 0 in domain 1 with one mapping, endpoint 1 in bypass domain 2. */
static void prepare(struct device_fixture *f, const struct device_options *options)
{
	device_setup(f, options);
	assert_int_equal(device_attach(f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(f, 1, 0x5000, 0x5fff, 0xa000, RW), VIOMMU_S_OK);
	assert_int_equal(device_attach(f, 2, DEVICE_EP1, VIOMMU_ATTACH_F_BYPASS), VIOMMU_S_OK);
}

static void assert_refused(struct device_fixture *f, uint32_t domain, uint64_t first, uint64_t last, int status)
{
	struct viommu_wire_request request = device_unmap_request(domain, first, last);

	device_assert_refused(f, &request, status);
}

/* IOMMU-DEV-UNMAP-01, IOMMU-DEV-UNMAP-02: both "may"; this device refuses and removes nothing. */
static void test_unmap__reserved_bytes__inval_and_nothing_removed(void **state)
{
	struct viommu_wire_request request = device_unmap_request(1, 0x5000, 0x5fff);
	struct device_fixture f;
	unsigned bit;

	(void)state;
	prepare(&f, NULL);
	for (bit = 0; bit < 32; bit++) {
		request.u.unmap.reserved = UINT32_C(1) << bit;
		device_assert_refused(&f, &request, VIOMMU_S_INVAL);
	}
	device_teardown(&f);
}

/* IOMMU-DEV-UNMAP-03 and row 14 */
static void test_unmap__no_such_domain__noent(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	assert_refused(&f, 0, 0, UINT64_MAX, VIOMMU_S_NOENT);
	assert_refused(&f, 3, 0x5000, 0x5fff, VIOMMU_S_NOENT);
	assert_refused(&f, 0xffffffff, 0x5fff, 0x5000, VIOMMU_S_NOENT);
	device_teardown(&f);
}

/* IOMMU-DEV-UNMAP-04 */
static void test_unmap__bypass_domain__inval(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	assert_refused(&f, 2, 0, UINT64_MAX, VIOMMU_S_INVAL);
	assert_refused(&f, 2, 0x5000, 0x5fff, VIOMMU_S_INVAL);
	device_teardown(&f);
}

static void test_unmap__end_below_start__inval(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	assert_refused(&f, 1, 0x6000, 0x5fff, VIOMMU_S_INVAL);
	assert_refused(&f, 1, 0x5fff, 0x5000, VIOMMU_S_INVAL);
	assert_refused(&f, 1, UINT64_MAX, 0, VIOMMU_S_INVAL);
	assert_refused(&f, 1, 1, 0, VIOMMU_S_INVAL);
	device_teardown(&f);
}

static void test_unmap__beyond_input_range__not_limited(void **state)
{
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.config.input_range.first = 0x2000;
	options.config.input_range.last = 0xffff;
	prepare(&f, &options);
	assert_int_equal(device_unmap(&f, 1, 0x100000, 0x1fffff), VIOMMU_S_OK);
	assert_int_equal(device_unmap(&f, 1, 0, 0x1fff), VIOMMU_S_OK);
	assert_true(device_reaches(&f, 0, 0x5000, RW, 0xa000));
	assert_int_equal(device_unmap(&f, 1, 0, UINT64_MAX), VIOMMU_S_OK);
	assert_true(device_faults(&f, 0, 0x5000, 1, VIOMMU_FAULT_R_MAPPING));
	device_teardown(&f);
}

static void test_unmap__other_domain__same_addresses_stay(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	assert_int_equal(device_attach(&f, 3, DEVICE_EP2, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 3, 0x5000, 0x5fff, 0xb000, RW), VIOMMU_S_OK);
	assert_int_equal(device_unmap(&f, 1, 0, UINT64_MAX), VIOMMU_S_OK);
	assert_true(device_faults(&f, 0, 0x5000, 1, VIOMMU_FAULT_R_MAPPING));
	assert_true(device_reaches(&f, 2, 0x5000, RW, 0xb000));
	device_teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unmap__table__whole_mappings_or_none),
		cmocka_unit_test(test_unmap__every_range_of_a_small_world__as_specified),
		cmocka_unit_test(test_unmap__unaligned_range__judged_by_what_it_splits),
		cmocka_unit_test(test_unmap__reserved_bytes__inval_and_nothing_removed),
		cmocka_unit_test(test_unmap__no_such_domain__noent),
		cmocka_unit_test(test_unmap__bypass_domain__inval),
		cmocka_unit_test(test_unmap__end_below_start__inval),
		cmocka_unit_test(test_unmap__beyond_input_range__not_limited),
		cmocka_unit_test(test_unmap__other_domain__same_addresses_stay),
	};

	return suite_run(tests);
}
