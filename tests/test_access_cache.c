/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_access_cache.c: what an access context remembers: that it is used, that it says what the map says, and that it
 * is forgotten with what it came from. test_access_races.c has the owner in the middle of it.
 */
#include "device_sections.h"
#include "suite.h"

#include "sim/random.h"

#include <stdio.h>

#define PAGE UINT64_C(0x1000)
#define R VIOMMU_ACCESS_READ
#define W VIOMMU_ACCESS_WRITE

/* Does endpoint i get an answer although its view is not there to be asked? */
static bool is_remembered(struct device_fixture *f, uint32_t i, uint64_t iova, uint32_t kind)
{
	struct viommu_endpoint *e = f->endpoints[i];
	const void *view = e->view;
	struct viommu_translation t;
	enum viommu_result result;

	e->view = NULL;
	result = device_translate(f, i, iova, 1, kind, &t);
	e->view = view;
	if (result != VIOMMU_OK)
		device_drain_faults(f);
	return result == VIOMMU_OK;
}

/* Goes there once, so that it is remembered. */
static void warm(struct device_fixture *f, uint32_t i, uint64_t iova, uint64_t gpa)
{
	assert_true(device_reaches(f, i, iova, R, gpa));
	assert_true(is_remembered(f, i, iova, R));
}

/* Remembered */

static void test_translate__again__is_remembered(void **state)
{
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	assert_false(is_remembered(&f, 0, 0x1000, R));
	warm(&f, 0, 0x1234, 0xa234);
	assert_true(device_reaches(&f, 0, 0x1000, R, 0xa000));
	assert_int_equal(device_translate(&f, 0, 0x1ff0, 16, RW, &t), VIOMMU_OK);
	assert_true(t.gpa == 0xaff0 && t.length == 16 && t.flags == RW && !t.msi);
	device_teardown(&f);
}

/* Up to a granule in front of what was found, and up to the end of what was seen behind it. */
static void test_translate__large_mapping__remembered_up_to_its_end(void **state)
{
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	assert_int_equal(device_map(&f, 1, 0x100000, 0x10ffff, 0x500000, RW), VIOMMU_S_OK);
	warm(&f, 0, 0x102800, 0x502800);
	f.endpoints[0]->view = NULL;
	assert_int_equal(device_translate(&f, 0, 0x102000, 0xe000, R, &t), VIOMMU_OK);
	assert_true(t.gpa == 0x502000 && t.length == 0xe000);
	assert_int_equal(device_translate(&f, 0, 0x102000, 0xe001, R, &t), VIOMMU_E_FAULT);
	assert_int_equal(device_translate(&f, 0, 0x101fff, 1, R, &t), VIOMMU_E_FAULT);
	f.endpoints[0]->view = f.endpoints[0]->domain;
	device_drain_faults(&f);
	device_teardown(&f);
}

/* What is longer than what is remembered gets the answer that it would get without. */
static void test_translate__longer_than_remembered__the_map_is_asked(void **state)
{
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	warm(&f, 0, 0x1000, 0xa000);
	assert_int_equal(device_translate(&f, 0, 0x1000, 0x1800, R, &t), VIOMMU_OK);
	assert_true(t.gpa == 0xa000 && t.length == 0x1800); /* over two mappings, one behind the other */
	assert_int_equal(device_unmap(&f, 1, 0x2000, 0x2fff), VIOMMU_S_OK);
	assert_int_equal(device_translate(&f, 0, 0x1000, 0x1800, R, &t), VIOMMU_OK);
	assert_true(t.gpa == 0xa000 && t.length == 0x1000);
	device_teardown(&f);
}

static void test_translate__same_slot__one_pushes_the_other_out(void **state)
{
	struct device_fixture f;
	uint64_t other = 0x1000 + (UINT64_C(1) << 33) * PAGE;

	(void)state;
	prepare(&f, NULL);
	assert_int_equal(device_map(&f, 1, other, other + PAGE - 1, 0xe000, RW), VIOMMU_S_OK);
	warm(&f, 0, 0x1000, 0xa000);
	warm(&f, 0, other, 0xe000);
	assert_false(is_remembered(&f, 0, 0x1000, R));
	warm(&f, 0, 0x1000, 0xa000);
	assert_false(is_remembered(&f, 0, other, R));
	device_teardown(&f);
}

/* As many pages in a row as there are slots; and as many that are a power of two apart. */
static void test_translate__pages_at_any_distance__all_remembered(void **state)
{
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.nodes = 4096;
	prepare(&f, &options);
	for (unsigned shift = 0; shift <= 8; shift++) {
		uint64_t distance = PAGE << shift;

		for (uint64_t i = 0; i < VIOMMU_ACCESS_CACHE_SLOTS; i++) {
			uint64_t at = (UINT64_C(1) << 40) + i * distance;

			assert_int_equal(device_map(&f, 1, at, at + PAGE - 1, (i + 1) * PAGE, RW), VIOMMU_S_OK);
			assert_true(device_reaches(&f, 0, at, R, (i + 1) * PAGE));
		}
		for (uint64_t i = 0; i < VIOMMU_ACCESS_CACHE_SLOTS; i++)
			assert_true(is_remembered(&f, 0, (UINT64_C(1) << 40) + i * distance, R));
		assert_int_equal(device_unmap(&f, 1, UINT64_C(1) << 40, UINT64_MAX), VIOMMU_S_OK);
	}
	device_teardown(&f);
}

static void test_translate__last_granule_of_the_space__remembered(void **state)
{
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	assert_int_equal(device_map(&f, 1, UINT64_MAX - 0xfff, UINT64_MAX, 0x3000, RW), VIOMMU_S_OK);
	warm(&f, 0, UINT64_MAX, 0x3fff);
	assert_int_equal(device_translate(&f, 0, UINT64_MAX - 1, 0x1000, R, &t), VIOMMU_OK);
	assert_true(t.gpa == 0x3ffe && t.length == 2);
	device_teardown(&f);
}

/* The smallest granule there is: its number has 56 bits. */
static void test_translate__small_granules__told_apart(void **state)
{
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.config.page_size_mask = ~UINT64_C(0xff);
	device_setup(&f, &options);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, UINT64_MAX - 0xff, UINT64_MAX, 0x300, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, UINT64_MAX - 0x1ff, UINT64_MAX - 0x100, 0x800, R), VIOMMU_S_OK);
	warm(&f, 0, UINT64_MAX - 0xff, 0x300);
	warm(&f, 0, UINT64_MAX - 0x1ff, 0x800);
	assert_true(device_reaches(&f, 0, UINT64_MAX, W, 0x3ff));
	assert_true(device_forbids(&f, 0, UINT64_MAX - 0x100, W, W));
	device_teardown(&f);
}

/* Never remembered */

static void test_translate__kind_not_allowed__fault_each_time(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	assert_int_equal(device_map(&f, 1, 0x5000, 0x5fff, 0xe000, R), VIOMMU_S_OK);
	warm(&f, 0, 0x5000, 0xe000);
	assert_true(device_forbids(&f, 0, 0x5000, W, W));
	assert_true(device_forbids(&f, 0, 0x5000, RW, W));
	assert_true(is_remembered(&f, 0, 0x5000, R));
	assert_false(is_remembered(&f, 0, 0x5000, W));
	assert_int_equal(device_map(&f, 1, 0x6000, 0x6fff, 0xf000, W), VIOMMU_S_OK);
	assert_true(device_reaches(&f, 0, 0x6000, W, 0xf000));
	assert_true(device_forbids(&f, 0, 0x6000, R, R));
	device_teardown(&f);
}

/* A fault is none any more as soon as there is a mapping. */
static void test_translate__nothing_mapped__not_remembered(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	assert_true(device_faults(&f, 0, 0x7000, R, VIOMMU_FAULT_R_MAPPING));
	assert_int_equal(device_map(&f, 1, 0x7000, 0x7fff, 0xe000, RW), VIOMMU_S_OK);
	assert_true(device_reaches(&f, 0, 0x7000, R, 0xe000));
	device_teardown(&f);
}

static void test_translate__bypass__not_remembered(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	device_set_bypass(&f, 1);
	assert_true(device_reaches(&f, 3, 0x1000, RW, 0x1000));
	assert_false(is_remembered(&f, 3, 0x1000, R));
	device_set_bypass(&f, 0);
	assert_true(device_faults(&f, 3, 0x1000, R, VIOMMU_FAULT_R_DOMAIN));
	assert_int_equal(device_attach(&f, 3, DEVICE_EP3, VIOMMU_ATTACH_F_BYPASS), VIOMMU_S_OK);
	assert_true(device_reaches(&f, 3, 0x1000, RW, 0x1000));
	assert_false(is_remembered(&f, 3, 0x1000, R));
	device_teardown(&f);
}

static void test_translate__msi_region__not_remembered(void **state)
{
	static const struct viommu_resv_region msi = { { 0xfee00000, 0xfeefffff }, VIOMMU_RESV_MEM_MSI };
	struct device_options options;
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.regions[0] = &msi;
	options.region_counts[0] = 1;
	prepare(&f, &options);
	assert_int_equal(device_translate(&f, 0, 0xfee00000, 4, W, &t), VIOMMU_OK);
	assert_true(t.msi);
	assert_false(is_remembered(&f, 0, 0xfee00000, W));
	assert_int_equal(device_detach(&f, 1, DEVICE_EP0), VIOMMU_S_OK);
	assert_true(device_faults(&f, 0, 0xfee00000, W, VIOMMU_FAULT_R_DOMAIN));
	device_teardown(&f);
}

/* Forgotten: by UNMAP, and by whatever else takes away */

static void test_unmap__remembered__fault(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	warm(&f, 0, 0x1000, 0xa000);
	warm(&f, 1, 0x1000, 0xa000);
	assert_int_equal(device_unmap(&f, 1, 0x1000, 0x1fff), VIOMMU_S_OK);
	assert_true(device_faults(&f, 0, 0x1000, R, VIOMMU_FAULT_R_MAPPING));
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0xe000, RW), VIOMMU_S_OK);
	assert_true(device_reaches(&f, 0, 0x1000, R, 0xe000));
	assert_true(device_reaches(&f, 1, 0x1000, R, 0xe000));
	device_teardown(&f);
}

/* The mapping was found from a granule that the UNMAP does not begin with, nor end. */
static void test_unmap__found_from_the_middle__fault(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	for (uint64_t at = 0x100000; at < 0x110000; at += PAGE) {
		assert_int_equal(device_map(&f, 1, 0x100000, 0x10ffff, 0x500000, RW), VIOMMU_S_OK);
		warm(&f, 0, at, at + 0x400000);
		assert_int_equal(device_unmap(&f, 1, 0x100000, 0x10ffff), VIOMMU_S_OK);
		assert_true(device_faults(&f, 0, at, R, VIOMMU_FAULT_R_MAPPING));
	}
	device_teardown(&f);
}

/* Around the number of slots: granule by granule, or all at once. */
static void test_unmap__of_any_width__all_of_it_is_forgotten(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	for (uint64_t pages = VIOMMU_ACCESS_CACHE_SLOTS - 2; pages <= VIOMMU_ACCESS_CACHE_SLOTS + 2; pages++) {
		uint64_t first = 0x100000 + pages * PAGE; /* no multiple of anything */
		uint64_t last = first + pages * PAGE - 1;

		for (uint64_t i = 0; i < pages; i++) {
			assert_int_equal(device_map(&f, 1, first, last, 0x500000, RW), VIOMMU_S_OK);
			warm(&f, 0, first + i * PAGE, 0x500000 + i * PAGE);
			assert_int_equal(device_unmap(&f, 1, first, last), VIOMMU_S_OK);
			assert_true(device_faults(&f, 0, first + i * PAGE, R, VIOMMU_FAULT_R_MAPPING));
		}
	}
	warm(&f, 0, 0x1000, 0xa000);
	assert_int_equal(device_unmap(&f, 1, 0, UINT64_MAX), VIOMMU_S_OK);
	assert_true(device_faults(&f, 0, 0x1000, R, VIOMMU_FAULT_R_MAPPING));
	device_teardown(&f);
}

static void test_unmap__refused__answers_stay(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	assert_int_equal(device_map(&f, 1, 0x100000, 0x10ffff, 0x500000, RW), VIOMMU_S_OK);
	warm(&f, 0, 0x101000, 0x501000);
	assert_int_equal(device_unmap(&f, 1, 0x101000, 0x101fff), VIOMMU_S_RANGE);
	assert_true(device_reaches(&f, 0, 0x101000, R, 0x501000));
	warm(&f, 0, 0x101000, 0x501000);
	device_teardown(&f);
}

static void test_unmap__elsewhere__still_remembered(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	warm(&f, 0, 0x1000, 0xa000);
	warm(&f, 2, 0x1000, 0xc000);
	assert_int_equal(device_unmap(&f, 1, 0x2000, 0x2fff), VIOMMU_S_OK); /* the neighbour */
	assert_int_equal(device_unmap(&f, 2, 0x1000, 0x1fff), VIOMMU_S_OK); /* the other domain */
	assert_true(is_remembered(&f, 0, 0x1000, R));
	assert_int_equal(device_unmap(&f, 2, 0, UINT64_MAX), VIOMMU_S_OK);
	assert_int_equal(device_detach(&f, 2, DEVICE_EP2), VIOMMU_S_OK);
	assert_int_equal(device_detach(&f, 1, DEVICE_EP1), VIOMMU_S_OK);
	assert_true(is_remembered(&f, 0, 0x1000, R));
	device_teardown(&f);
}

static void test_detach__remembered__fault(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	warm(&f, 0, 0x1000, 0xa000);
	assert_int_equal(device_detach(&f, 1, DEVICE_EP0), VIOMMU_S_OK); /* the domain lives on */
	assert_true(device_faults(&f, 0, 0x1000, R, VIOMMU_FAULT_R_DOMAIN));
	warm(&f, 2, 0x1000, 0xc000);
	assert_int_equal(device_detach(&f, 2, DEVICE_EP2), VIOMMU_S_OK); /* this one dies */
	assert_true(device_faults(&f, 2, 0x1000, R, VIOMMU_FAULT_R_DOMAIN));
	assert_int_equal(device_attach(&f, 2, DEVICE_EP2, 0), VIOMMU_S_OK);
	assert_true(device_faults(&f, 2, 0x1000, R, VIOMMU_FAULT_R_MAPPING));
	device_teardown(&f);
}

static void test_attach__moves__answers_are_the_other_domain_s(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	warm(&f, 0, 0x1000, 0xa000);
	warm(&f, 0, 0x2000, 0xb000);
	assert_int_equal(device_attach(&f, 2, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_true(device_reaches(&f, 0, 0x1000, R, 0xc000));
	assert_true(device_faults(&f, 0, 0x2000, R, VIOMMU_FAULT_R_MAPPING));
	assert_int_equal(device_unmap(&f, 1, 0x1000, 0x1fff), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_true(device_faults(&f, 0, 0x1000, R, VIOMMU_FAULT_R_MAPPING));
	assert_true(device_reaches(&f, 0, 0x2000, R, 0xb000));
	device_teardown(&f);
}

static void test_attach__to_a_bypass_domain_and_back__forgotten(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	warm(&f, 0, 0x1000, 0xa000);
	assert_int_equal(device_attach(&f, 5, DEVICE_EP0, VIOMMU_ATTACH_F_BYPASS), VIOMMU_S_OK);
	assert_true(device_reaches(&f, 0, 0x1000, R, 0x1000));
	assert_int_equal(device_detach(&f, 5, DEVICE_EP0), VIOMMU_S_OK);
	assert_true(device_faults(&f, 0, 0x1000, R, VIOMMU_FAULT_R_DOMAIN));
	device_teardown(&f);
}

static void reset_forgets(void (*reset)(struct viommu_device *dev))
{
	struct device_fixture f;

	prepare(&f, NULL);
	for (uint32_t i = 0; i < 3; i++)
		warm(&f, i, 0x1000, i == 2 ? 0xc000 : 0xa000);
	reset(&f.dev);
	assert_true(viommu_device_is_settled(&f.dev));
	for (uint32_t i = 0; i < 3; i++)
		assert_true(device_faults(&f, i, 0x1000, R, VIOMMU_FAULT_R_DOMAIN));
	assert_int_equal(viommu_device_negotiate(&f.dev, VIOMMU_DEVICE_FEATURES), VIOMMU_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_true(device_faults(&f, 0, 0x1000, R, VIOMMU_FAULT_R_MAPPING));
	device_teardown(&f);
}

static void test_reset__remembered__fault(void **state)
{
	(void)state;
	reset_forgets(viommu_device_reset);
	reset_forgets(viommu_device_system_reset);
}

/* A section of before sees the new state, too, once it asks again; and the request is done when it has ended. */
static void test_unmap__section_is_open__forgotten_at_once(void **state)
{
	struct viommu_access_token token;
	struct viommu_translation t;
	struct device_call call;
	struct viommu_wire_request request = device_unmap_request(1, 0x1000, 0x1fff);
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	token = begin(&f, 0);
	assert_int_equal(viommu_access_translate(&f.accesses[0], 0x1000, 1, R, &t), VIOMMU_OK);
	assert_pending(&f, &call, &request);
	assert_int_equal(viommu_access_translate(&f.accesses[0], 0x1000, 1, R, &t), VIOMMU_E_FAULT);
	assert_none_done(&f, &call);
	end(&f, 0, token);
	assert_done(&f, &call, VIOMMU_S_OK);
	device_teardown(&f);
}

/* The cache itself */

static void test_set_cache__none__works_without(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	warm(&f, 0, 0x1000, 0xa000);
	viommu_access_set_cache(&f.accesses[0], VIOMMU_ACCESS_NO_CACHE);
	assert_true(device_reaches(&f, 0, 0x1000, R, 0xa000));
	assert_false(is_remembered(&f, 0, 0x1000, R));
	viommu_access_set_cache(&f.accesses[0], &f.caches[0]);
	warm(&f, 0, 0x1000, 0xa000);
	viommu_access_set_cache(&f.accesses[0], VIOMMU_ACCESS_NO_CACHE);
	assert_int_equal(device_unmap(&f, 1, 0x1000, 0x1fff), VIOMMU_S_OK);
	viommu_access_set_cache(&f.accesses[0], &f.caches[0]); /* empty, whatever it held */
	assert_true(device_faults(&f, 0, 0x1000, R, VIOMMU_FAULT_R_MAPPING));
	warm(&f, 0, 0x2000, 0xb000);
	device_teardown(&f);
}

static void test_translate__no_section__state_even_if_remembered(void **state)
{
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	warm(&f, 0, 0x1000, 0xa000);
	assert_int_equal(viommu_access_translate(&f.accesses[0], 0x1000, 1, R, &t), VIOMMU_E_STATE);
	device_teardown(&f);
}

/* How often it is of use */

static bool look_up(struct device_fixture *f, uint64_t page, unsigned *hits)
{
	bool hit = is_remembered(f, 0, page * PAGE, R);

	*hits += hit;
	return device_reaches(f, 0, page * PAGE, R, (page ^ 0x100000) * PAGE);
}

/* Pages that are mapped, used four times each and unmapped, and four others that are used all the time in between. */
static void test_ring__map_translate_unmap__seven_of_eight_remembered(void **state)
{
	enum {
		CYCLES = 8192,
		HOT = 4
	};
	struct device_options options;
	struct device_fixture f;
	unsigned hits = 0;

	(void)state;
	device_options_init(&options);
	options.nodes = 1024;
	prepare(&f, &options);
	for (uint64_t page = 0x800; page < 0x800 + HOT; page++)
		assert_int_equal(device_map(&f, 1, page * PAGE, page * PAGE + PAGE - 1, (page ^ 0x100000) * PAGE, RW),
				 VIOMMU_S_OK);
	for (uint64_t cycle = 0; cycle < CYCLES; cycle++) {
		uint64_t page = 0x1010 + cycle % 4096;
		uint64_t at = page * PAGE;

		assert_int_equal(device_map(&f, 1, at, at + PAGE - 1, (page ^ 0x100000) * PAGE, RW), VIOMMU_S_OK);
		for (uint64_t i = 0; i < HOT; i++)
			assert_true(look_up(&f, page, &hits) && look_up(&f, 0x800 + i, &hits));
		assert_int_equal(device_unmap(&f, 1, at, at + PAGE - 1), VIOMMU_S_OK);
	}
	printf("%u.%02u of 8 are remembered\n", hits / CYCLES, hits % CYCLES * 100 / CYCLES);
	assert_true(hits * 10 >= CYCLES * 68);
	device_teardown(&f);
}

/* Beside one that has no memory */

static void assert_same(struct device_fixture *f, struct viommu_access *plain, uint64_t iova, uint64_t length,
			uint32_t kind)
{
	struct viommu_translation a = { 0 }, b = { 0 };
	struct viommu_access_token token;
	enum viommu_result with = device_translate(f, 0, iova, length, kind, &a);

	assert_int_equal(viommu_access_begin(plain, &token), VIOMMU_OK);
	assert_int_equal(viommu_access_translate(plain, iova, length, kind, &b), with);
	viommu_access_end(plain, token);
	assert_true(a.gpa == b.gpa && a.length == b.length && a.flags == b.flags && a.msi == b.msi);
	device_drain_faults(f);
}

static void test_random__with_and_without__same_answers(void **state)
{
	struct sim_random random = { 5 };
	struct device_options options;
	struct viommu_access plain;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.nodes = 1024;
	prepare(&f, &options);
	viommu_access_init(&plain, &f.dev, f.endpoints[0]);
	for (unsigned round = 0; round < 20000; round++) {
		uint64_t first = sim_random_below(&random, 96) * PAGE;
		uint64_t last =
			first + (sim_random_below(&random, 4) != 0 ? 1 : sim_random_below(&random, 80) + 1) * PAGE - 1;
		uint32_t domain = 1 + (uint32_t)sim_random_below(&random, 2);
		uint64_t phys = sim_random_below(&random, 1 << 20) * PAGE;
		uint32_t flags = 1 + (uint32_t)sim_random_below(&random, 3);

		switch (sim_random_below(&random, 64)) {
		case 0:
			(void)device_attach(&f, domain, DEVICE_EP0, 0);
			break;
		case 1:
			(void)device_detach(&f, domain, DEVICE_EP0);
			break;
		case 2:
			device_set_bypass(&f, (uint8_t)sim_random_below(&random, 2));
			break;
		default:
			if (sim_random_below(&random, 3) == 0)
				(void)device_unmap(&f, domain, first, last);
			else
				(void)device_map(&f, domain, first, last, phys, flags);
		}
		/* One number after the other: arguments of a call have no order. */
		for (unsigned i = 0; i < 4; i++) {
			uint64_t iova = sim_random_below(&random, 180 * PAGE);
			uint64_t longest = sim_random_below(&random, 2) != 0 ? 64 : 8 * PAGE;
			uint64_t len = 1 + sim_random_below(&random, longest);

			assert_same(&f, &plain, iova, len, 1 + (uint32_t)sim_random_below(&random, 3));
		}
	}
	assert_int_equal(viommu_access_deinit(&plain), VIOMMU_OK);
	device_teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_translate__again__is_remembered),
		cmocka_unit_test(test_translate__large_mapping__remembered_up_to_its_end),
		cmocka_unit_test(test_translate__longer_than_remembered__the_map_is_asked),
		cmocka_unit_test(test_translate__same_slot__one_pushes_the_other_out),
		cmocka_unit_test(test_translate__pages_at_any_distance__all_remembered),
		cmocka_unit_test(test_translate__last_granule_of_the_space__remembered),
		cmocka_unit_test(test_translate__small_granules__told_apart),
		cmocka_unit_test(test_translate__kind_not_allowed__fault_each_time),
		cmocka_unit_test(test_translate__nothing_mapped__not_remembered),
		cmocka_unit_test(test_translate__bypass__not_remembered),
		cmocka_unit_test(test_translate__msi_region__not_remembered),
		cmocka_unit_test(test_unmap__remembered__fault),
		cmocka_unit_test(test_unmap__found_from_the_middle__fault),
		cmocka_unit_test(test_unmap__of_any_width__all_of_it_is_forgotten),
		cmocka_unit_test(test_unmap__refused__answers_stay),
		cmocka_unit_test(test_unmap__elsewhere__still_remembered),
		cmocka_unit_test(test_detach__remembered__fault),
		cmocka_unit_test(test_attach__moves__answers_are_the_other_domain_s),
		cmocka_unit_test(test_attach__to_a_bypass_domain_and_back__forgotten),
		cmocka_unit_test(test_reset__remembered__fault),
		cmocka_unit_test(test_unmap__section_is_open__forgotten_at_once),
		cmocka_unit_test(test_set_cache__none__works_without),
		cmocka_unit_test(test_translate__no_section__state_even_if_remembered),
		cmocka_unit_test(test_ring__map_translate_unmap__seven_of_eight_remembered),
		cmocka_unit_test(test_random__with_and_without__same_answers),
	};

	return suite_run(tests);
}
