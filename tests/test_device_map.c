/* SPDX-License-Identifier: BSD-3-Clause */
/* MAP: each precondition with its status, and that a refusal changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device_fixture.h"
#include "suite.h"

#define R VIOMMU_MAP_F_READ
#define W VIOMMU_MAP_F_WRITE
#define RW (R | W)

/* Endpoint 0 in domain 1, which has a mapping at 0x5000; endpoint 1 in bypass domain 2. */
static void prepare(struct device_fixture *f, const struct device_options *options)
{
	device_setup(f, options);
	assert_int_equal(device_attach(f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(f, 1, 0x5000, 0x5fff, 0xa000, RW), VIOMMU_S_OK);
	assert_int_equal(device_attach(f, 2, DEVICE_EP1, VIOMMU_ATTACH_F_BYPASS), VIOMMU_S_OK);
}

struct map_case {
	uint32_t domain;
	uint32_t flags;
	uint64_t first, last, phys;
	int status;
};

static void assert_refused(struct device_fixture *f, const struct map_case *c)
{
	struct viommu_wire_request request = device_map_request(c->domain, c->first, c->last, c->phys, c->flags);

	device_assert_refused(f, &request, c->status);
}

/* INF-07: linear, for every length. */
static void test_map__accepted__linear(void **state)
{
	static const struct {
		uint64_t first, last, phys;
	} cases[] = {
		{ 0, 0xfff, 0 },
		{ 0x1000, 0x4fff, 0x123456789000 },
		{ 0xf000, 0x30fff, 0x7000 },
		{ 0, UINT64_MAX, 0 }, /* the whole space: a length that does not fit 64 bits */
		{ 0, 0xffffffffffffefff, 0x1000 },
		{ 0x1000, UINT64_MAX, 0 },
		{ 0xfffffffffffff000, UINT64_MAX, 0x5000 },
		{ 0xffffffff00000000, UINT64_MAX, 0xffffffff00000000 },
		{ 0, 0x7fffffffffffffff, 0x8000000000000000 },
		{ 0x0fffffffff000, 0x1000000001fff, 0x3000 },
	};
	struct device_fixture f;
	uint64_t middle;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t first = cases[i].first, last = cases[i].last, phys = cases[i].phys;

		device_setup(&f, NULL);
		assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
		assert_int_equal(device_map(&f, 1, first, last, phys, RW), VIOMMU_S_OK);
		middle = first + (last - first) / 2;
		assert_true(device_reaches(&f, 0, first, RW, phys));
		assert_true(device_reaches(&f, 0, first + 1, RW, phys + 1));
		assert_true(device_reaches(&f, 0, middle, RW, phys + (middle - first)));
		assert_true(device_reaches(&f, 0, last, RW, phys + (last - first)));
		if (first != 0)
			assert_true(device_faults(&f, 0, first - 1, R, VIOMMU_FAULT_R_MAPPING));
		if (last != UINT64_MAX)
			assert_true(device_faults(&f, 0, last + 1, R, VIOMMU_FAULT_R_MAPPING));
		device_teardown(&f);
	}
}

/* IOMMU-DEV-MAP-03 */
static void test_map__unknown_flag__inval(void **state)
{
	struct map_case c = { .domain = 1, .first = 0x1000, .last = 0x1fff, .status = VIOMMU_S_INVAL };
	struct device_fixture f;
	unsigned bit;

	(void)state;
	prepare(&f, NULL);
	for (bit = 3; bit < 32; bit++) {
		c.domain = 1;
		c.flags = UINT32_C(1) << bit;
		assert_refused(&f, &c);
		c.flags |= RW;
		assert_refused(&f, &c);
		c.domain = 99; /* flags come first */
		assert_refused(&f, &c);
	}
	device_teardown(&f);
}

static void test_map__mmio_flag__hinges_on_negotiation(void **state)
{
	struct map_case c = { 1, RW | VIOMMU_MAP_F_MMIO, 0x1000, 0x1fff, 0x7000, VIOMMU_S_INVAL };
	struct viommu_translation t;
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.negotiate &= ~VIOMMU_F_MMIO;
	prepare(&f, &options);
	assert_refused(&f, &c);
	device_teardown(&f);

	prepare(&f, NULL);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0x7000, R | VIOMMU_MAP_F_MMIO), VIOMMU_S_OK);
	assert_int_equal(device_translate(&f, 0, 0x1000, 1, R, &t), VIOMMU_OK);
	assert_int_equal(t.flags, R | VIOMMU_MAP_F_MMIO);
	device_teardown(&f);
}

/* IOMMU-DEV-MAP-04 */
static void test_map__no_such_domain__noent(void **state)
{
	static const struct map_case cases[] = {
		{ 0, RW, 0x1000, 0x1fff, 0, VIOMMU_S_NOENT },
		{ 3, RW, 0x1000, 0x1fff, 0, VIOMMU_S_NOENT },
		{ 0xffffffff, RW, 0x1000, 0x1fff, 0, VIOMMU_S_NOENT },
		{ 3, RW, 0x1fff, 0x1000, 0, VIOMMU_S_NOENT },
		{ 3, RW, 1, 2, 3, VIOMMU_S_NOENT },
		{ 3, RW, 0x1000, UINT64_MAX, ~0ull, VIOMMU_S_NOENT },
	};
	struct device_fixture f;
	size_t i;

	(void)state;
	prepare(&f, NULL);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_refused(&f, &cases[i]);
		assert_int_equal(device_map(&f, cases[i].domain, 0, 0xfff, 0, R), VIOMMU_S_NOENT); /* nor created */
	}
	device_teardown(&f);
}

/* IOMMU-DEV-MAP-05 */
static void test_map__bypass_domain__inval(void **state)
{
	static const struct map_case cases[] = {
		{ 2, RW, 0x1000, 0x1fff, 0, VIOMMU_S_INVAL },
		{ 2, RW, 0x1001, 0x1fff, 0, VIOMMU_S_INVAL }, /* ahead of the alignment */
		{ 2, RW, 0x1000, UINT64_MAX, 0x1000, VIOMMU_S_INVAL },
	};
	struct device_fixture f;
	size_t i;

	(void)state;
	prepare(&f, NULL);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_refused(&f, &cases[i]);
	device_teardown(&f);
}

static void test_map__end_below_start__inval(void **state)
{
	static const struct map_case cases[] = {
		{ 1, RW, 0x2000, 0x1fff, 0, VIOMMU_S_INVAL }, /* size 0, aligned */
		{ 1, RW, 0x2000, 0x0fff, 0, VIOMMU_S_INVAL },
		{ 1, RW, 0x2001, 0x1000, 0, VIOMMU_S_INVAL }, /* ahead of the alignment */
		{ 1, RW, UINT64_MAX, 0, 0, VIOMMU_S_INVAL },
		{ 1, RW, 0xfffffffffffff000, 0xfff, 0, VIOMMU_S_INVAL },
	};
	struct device_fixture f;
	size_t i;

	(void)state;
	prepare(&f, NULL);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_refused(&f, &cases[i]);
	device_teardown(&f);
}

/* IOMMU-DEV-MAP-01 */
static void test_map__off_the_granule__range(void **state)
{
	static const unsigned granules[] = { 8, 12, 16, 21, 40, 63 };
	struct device_options options;
	struct device_fixture f;
	unsigned bit;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(granules) / sizeof(granules[0]); i++) {
		uint64_t g = UINT64_C(1) << granules[i];

		device_options_init(&options);
		options.config.page_size_mask = g;
		device_setup(&f, &options);
		assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
		for (bit = 0; bit < granules[i]; bit++) {
			uint64_t off = UINT64_C(1) << bit;
			struct map_case start = { 1, RW, off, g - 1, 0, VIOMMU_S_RANGE };
			struct map_case end = { 1, RW, 0, g - 1 + off, 0, VIOMMU_S_RANGE };
			struct map_case phys = { 1, RW, 0, g - 1, off, VIOMMU_S_RANGE };
			struct map_case all = { 1, RW, off, g - 1 + off, off, VIOMMU_S_RANGE };

			assert_refused(&f, &start);
			assert_refused(&f, &end);
			assert_refused(&f, &phys);
			assert_refused(&f, &all);
		}
		assert_int_equal(device_map(&f, 1, 0, g - 1, g, RW), VIOMMU_S_OK);
		assert_int_equal(device_map(&f, 1, 0 - g, UINT64_MAX, 0, RW), VIOMMU_S_OK); /* end + 1 wraps to 0 */
		assert_true(device_reaches(&f, 0, UINT64_MAX, RW, g - 1));
		device_teardown(&f);
	}
}

static void test_map__single_byte__range(void **state)
{
	static const struct map_case cases[] = {
		{ 1, RW, 0x1000, 0x1000, 0, VIOMMU_S_RANGE },
		{ 1, RW, 0x1fff, 0x1fff, 0, VIOMMU_S_RANGE },
		{ 1, RW, UINT64_MAX, UINT64_MAX, 0, VIOMMU_S_RANGE },
		{ 1, RW, 0, 0, 0, VIOMMU_S_RANGE },
	};
	struct device_fixture f;
	size_t i;

	(void)state;
	prepare(&f, NULL);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_refused(&f, &cases[i]);
	device_teardown(&f);
}

/* INF-08 */
static void test_map__outside_input_range__range(void **state)
{
	static const struct map_case cases[] = {
		{ 1, RW, 0x1000, 0x1fff, 0, VIOMMU_S_RANGE },
		{ 1, RW, 0x1000, 0x2fff, 0, VIOMMU_S_RANGE },
		{ 1, RW, 0xf000, 0x10fff, 0, VIOMMU_S_RANGE },
		{ 1, RW, 0x10000, 0x10fff, 0, VIOMMU_S_RANGE },
		{ 1, RW, 0, UINT64_MAX, 0, VIOMMU_S_RANGE },
		{ 1, RW, 0xffffffffffff0000, UINT64_MAX, 0, VIOMMU_S_RANGE },
		{ 1, RW, 0x1000, 0x5fff, 0, VIOMMU_S_RANGE }, /* ahead of the overlap */
	};
	struct device_options options;
	struct device_fixture f;
	size_t i;
	unsigned negotiated;

	(void)state;
	for (negotiated = 0; negotiated < 2; negotiated++) { /* enforced in any case */
		device_options_init(&options);
		options.config.input_range.first = 0x2000;
		options.config.input_range.last = 0xffff;
		if (negotiated == 0)
			options.negotiate &= ~VIOMMU_F_INPUT_RANGE;
		prepare(&f, &options);
		for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
			assert_refused(&f, &cases[i]);
		assert_int_equal(device_map(&f, 1, 0x2000, 0x2fff, 0, RW), VIOMMU_S_OK);
		assert_int_equal(device_map(&f, 1, 0xf000, 0xffff, 0, RW), VIOMMU_S_OK);
		device_teardown(&f);
	}
	/* A range that is not offered does not count. */
	options.config.features &= ~VIOMMU_F_INPUT_RANGE;
	options.negotiate &= ~VIOMMU_F_INPUT_RANGE;
	prepare(&f, &options);
	assert_int_equal(device_map(&f, 1, 0x10000, 0x10fff, 0, RW), VIOMMU_S_OK);
	device_teardown(&f);
}

static void test_map__unaligned_input_range__bounds_are_exact(void **state)
{
	static const struct map_case below = { 1, RW, 0x2000, 0x2fff, 0, VIOMMU_S_RANGE };
	static const struct map_case above = { 1, RW, 0x6000, 0x6fff, 0, VIOMMU_S_RANGE };
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.config.input_range.first = 0x2001;
	options.config.input_range.last = 0x6ffe;
	prepare(&f, &options);
	assert_refused(&f, &below);
	assert_refused(&f, &above);
	assert_int_equal(device_map(&f, 1, 0x3000, 0x4fff, 0, RW), VIOMMU_S_OK);
	device_teardown(&f);
}

static void test_map__physical_range_wraps__range(void **state)
{
	static const struct map_case cases[] = {
		{ 1, RW, 0x1000, 0x2fff, 0xfffffffffffff000, VIOMMU_S_RANGE },
		{ 1, RW, 0, UINT64_MAX, 0x1000, VIOMMU_S_RANGE },
		{ 1, RW, 0, UINT64_MAX, 0xfffffffffffff000, VIOMMU_S_RANGE },
		{ 1, RW, 0x1000, UINT64_MAX, 0x2000, VIOMMU_S_RANGE },
		{ 1, RW, 0x4000, 0x5fff, 0xfffffffffffff000, VIOMMU_S_RANGE }, /* ahead of the overlap */
	};
	struct device_fixture f;
	size_t i;

	(void)state;
	prepare(&f, NULL);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_refused(&f, &cases[i]);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0xfffffffffffff000, RW), VIOMMU_S_OK);
	assert_true(device_reaches(&f, 0, 0x1fff, RW, UINT64_MAX));
	device_teardown(&f);
}

/* IOMMU-DEV-RESV-04: over a region of any endpoint in the domain. */
static void test_map__reserved_region__inval(void **state)
{
	static const struct viommu_resv_region regions0[] = { { { 0x3000, 0x3fff }, VIOMMU_RESV_MEM_RESERVED },
							      { { 0x7800, 0x78ff }, VIOMMU_RESV_MEM_RESERVED } };
	static const struct viommu_resv_region regions1[] = { { { 0xfee00000, 0xfeefffff }, VIOMMU_RESV_MEM_MSI } };
	static const struct map_case cases[] = {
		{ 1, RW, 0x3000, 0x3fff, 0, VIOMMU_S_INVAL },
		{ 1, RW, 0x2000, 0x3fff, 0, VIOMMU_S_INVAL },
		{ 1, RW, 0x3000, 0x4fff, 0, VIOMMU_S_INVAL },
		{ 1, RW, 0x7000, 0x7fff, 0, VIOMMU_S_INVAL },
		{ 1, RW, 0, UINT64_MAX, 0, VIOMMU_S_INVAL },
		{ 1, RW, 0xfee00000, 0xfee00fff, 0, VIOMMU_S_INVAL },
		{ 1, RW, 0xfeeff000, 0xfeefffff, 0, VIOMMU_S_INVAL },
		{ 1, RW, 0xfedff000, 0xfee00fff, 0, VIOMMU_S_INVAL },
		{ 1, RW, 0xfeeff000, 0xfef00fff, 0, VIOMMU_S_INVAL },
		{ 1, RW, 0x8000, 0xffffffff, 0, VIOMMU_S_INVAL },
	};
	struct device_options options;
	struct device_fixture f;
	size_t i;

	(void)state;
	device_options_init(&options);
	options.regions[0] = regions0;
	options.region_counts[0] = 2;
	options.regions[1] = regions1;
	options.region_counts[1] = 1;
	device_setup(&f, &options);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP2, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 4, DEVICE_EP3, 0), VIOMMU_S_OK);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_refused(&f, &cases[i]);
		/* A domain without these endpoints does not care. */
		assert_int_equal(device_map(&f, 4, cases[i].first, cases[i].last, 0, RW), VIOMMU_S_OK);
		assert_int_equal(device_unmap(&f, 4, 0, UINT64_MAX), VIOMMU_S_OK);
	}
	assert_int_equal(device_map(&f, 1, 0x2000, 0x2fff, 0, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x4000, 0x6fff, 0, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x8000, 0xfedfffff, 0, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0xfef00000, UINT64_MAX, 0, RW), VIOMMU_S_OK);
	assert_int_equal(device_unmap(&f, 1, 0, UINT64_MAX), VIOMMU_S_OK);
	/* The regions leave with their endpoint. */
	assert_int_equal(device_detach(&f, 1, DEVICE_EP1), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0xfee00000, 0xfeefffff, 0, RW), VIOMMU_S_OK);
	device_teardown(&f);
}

/* IOMMU-DEV-MAP-02 */
static void test_map__overlap__inval_and_nothing_replaced(void **state)
{
	static const struct map_case cases[] = {
		{ 1, RW, 0x5000, 0x5fff, 0xa000, VIOMMU_S_INVAL }, /* the very same */
		{ 1, R, 0x5000, 0x5fff, 0xb000, VIOMMU_S_INVAL },  { 1, R, 0x4000, 0x5fff, 0xb000, VIOMMU_S_INVAL },
		{ 1, R, 0x5000, 0x6fff, 0xb000, VIOMMU_S_INVAL },  { 1, R, 0x4000, 0x6fff, 0xb000, VIOMMU_S_INVAL },
		{ 1, R, 0, 0xffffff, 0, VIOMMU_S_INVAL },          { 1, R, 0, UINT64_MAX, 0, VIOMMU_S_INVAL },
	};
	struct device_fixture f;
	size_t i;

	(void)state;
	prepare(&f, NULL);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_refused(&f, &cases[i]);
	assert_int_equal(device_map(&f, 1, 0x4000, 0x4fff, 0, R), VIOMMU_S_OK); /* neighbours are welcome */
	assert_int_equal(device_map(&f, 1, 0x6000, 0x6fff, 0, R), VIOMMU_S_OK);
	device_teardown(&f);
}

/* A smaller mapping inside a larger one, at each place of it. */
static void test_map__inside_a_large_mapping__inval(void **state)
{
	struct map_case c = { 1, R, 0, 0, 0, VIOMMU_S_INVAL };
	struct device_fixture f;

	(void)state;
	device_setup(&f, NULL);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0xf000, 0x112fff, 0x100000, RW), VIOMMU_S_OK);
	for (c.first = 0xf000; c.first <= 0x112000; c.first += 0x1000) {
		c.last = c.first + 0xfff;
		assert_int_equal(device_map(&f, 1, c.first, c.last, 0, R), VIOMMU_S_INVAL);
	}
	c.first = 0x40000;
	c.last = 0x4ffff;
	assert_refused(&f, &c);
	device_teardown(&f);
}

static void test_map__no_nodes_left__nomem(void **state)
{
	struct map_case full = { 1, RW, 0, 0, 0x1000, VIOMMU_S_NOMEM };
	struct map_case overlap = { 1, RW, 0, 0x1fff, 0x1000, VIOMMU_S_INVAL };
	struct device_options options;
	struct device_fixture f;
	uint64_t i;
	int status;

	(void)state;
	device_options_init(&options);
	options.nodes = 7;
	device_setup(&f, &options);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	for (i = 0; (status = device_map(&f, 1, i << 44, (i << 44) + 0xfff, i << 20, RW)) == VIOMMU_S_OK; i++)
		assert_true(i < 100);
	assert_int_equal(status, VIOMMU_S_NOMEM);
	assert_true(i >= 3); /* two nodes each at most, and init may need one for alignment */
	full.first = i << 44;
	full.last = full.first + 0xfff;
	assert_refused(&f, &full);
	assert_refused(&f, &overlap); /* the overlap comes first */
	assert_true(device_reaches(&f, 0, (i - 1) << 44, RW, (i - 1) << 20));
	/* Nodes that an UNMAP set free are good again, without a word to `process`. */
	assert_int_equal(device_unmap(&f, 1, 0, 0xfff), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, full.first, full.last, 0x1000, RW), VIOMMU_S_OK);
	assert_true(device_reaches(&f, 0, full.first, RW, 0x1000));
	device_teardown(&f);
}

/* Fill and empty for ever with few nodes, in patterns that leave the nodes in different levels. */
static void test_map__many_times_with_few_nodes__none_is_lost(void **state)
{
	struct device_options options;
	struct device_fixture f;
	uint64_t round, i, stride;

	(void)state;
	device_options_init(&options);
	options.nodes = 40;
	device_setup(&f, &options);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	for (round = 0; round < 200; round++) {
		stride = UINT64_C(0x1000) << (round % 50);
		for (i = 0; i < 4; i++)
			assert_int_equal(device_map(&f, 1, i * stride, i * stride + 0xfff, 0, RW), VIOMMU_S_OK);
		if (round % 3 == 0) {
			assert_int_equal(device_unmap(&f, 1, 0, UINT64_MAX), VIOMMU_S_OK);
		} else {
			for (i = 0; i < 4; i++)
				assert_int_equal(device_unmap(&f, 1, i * stride, i * stride + 0xfff), VIOMMU_S_OK);
		}
	}
	device_teardown(&f);
}

/* IOMMU-DEV-MAP-06, -07; flags are as given, none implies another. */
static void test_map__permissions__as_given(void **state)
{
	struct device_fixture f;
	uint32_t flags, kind;

	(void)state;
	device_setup(&f, NULL);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	for (flags = 0; flags < 8; flags++)
		assert_int_equal(
			device_map(&f, 1, flags * 0x1000, flags * 0x1000 + 0xfff, 0x40000 + flags * 0x1000, flags),
			VIOMMU_S_OK);
	for (flags = 0; flags < 8; flags++) {
		for (kind = 1; kind < 4; kind++) {
			uint64_t iova = flags * 0x1000 + 0x10;

			if ((kind & ~flags) == 0)
				assert_true(device_reaches(&f, 0, iova, kind, 0x40000 + iova));
			else
				assert_true(device_forbids(&f, 0, iova, kind, kind & ~flags));
		}
	}
	device_teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map__accepted__linear),
		cmocka_unit_test(test_map__unknown_flag__inval),
		cmocka_unit_test(test_map__mmio_flag__hinges_on_negotiation),
		cmocka_unit_test(test_map__no_such_domain__noent),
		cmocka_unit_test(test_map__bypass_domain__inval),
		cmocka_unit_test(test_map__end_below_start__inval),
		cmocka_unit_test(test_map__off_the_granule__range),
		cmocka_unit_test(test_map__single_byte__range),
		cmocka_unit_test(test_map__outside_input_range__range),
		cmocka_unit_test(test_map__unaligned_input_range__bounds_are_exact),
		cmocka_unit_test(test_map__physical_range_wraps__range),
		cmocka_unit_test(test_map__reserved_region__inval),
		cmocka_unit_test(test_map__overlap__inval_and_nothing_replaced),
		cmocka_unit_test(test_map__inside_a_large_mapping__inval),
		cmocka_unit_test(test_map__no_nodes_left__nomem),
		cmocka_unit_test(test_map__many_times_with_few_nodes__none_is_lost),
		cmocka_unit_test(test_map__permissions__as_given),
	};

	return suite_run(tests);
}
