/* SPDX-License-Identifier: BSD-3-Clause */
/* The data path: sections, translation, copies, faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device_fixture.h"
#include "suite.h"

#define R VIOMMU_ACCESS_READ
#define W VIOMMU_ACCESS_WRITE
#define RW (R | W)

static const struct viommu_resv_region doorbell[] = { { { 0x8000, 0x8fff }, VIOMMU_RESV_MEM_RESERVED },
						      { { 0xfee00000, 0xfeefffff }, VIOMMU_RESV_MEM_MSI } };

/* Guest memory: two adjacent regions that are apart in the host, a hole, and a page that can only be read. */
static uint8_t ram_a[0x8000], ram_b[0x4000], rom[0x1000];
static const struct viommu_memory_region ram_regions[] = { { 0x10000, 0x17fff, ram_a, RW },
							   { 0x18000, 0x1bfff, ram_b, RW },
							   { 0x20000, 0x20fff, rom, R } };
static struct viommu_memory_table ram_table;
static const struct viommu_memory ram_memory = { &viommu_memory_table_ops, &ram_table };

/* All endpoints in domain 1; endpoint 3 has a doorbell. */
static void prepare(struct device_fixture *f)
{
	struct device_options options;
	uint32_t i;

	device_options_init(&options);
	options.regions[3] = doorbell;
	options.region_counts[3] = 2;
	options.config.memory = suite_memory(&ram_memory);
	assert_int_equal(viommu_memory_table_init(&ram_table, ram_regions, 3), VIOMMU_OK);
	device_setup(f, &options);
	for (i = 0; i < DEVICE_ENDPOINTS; i++)
		assert_int_equal(device_attach(f, 1, device_endpoint_id(i), 0), VIOMMU_S_OK);
	for (i = 0; i < sizeof(ram_a); i++)
		ram_a[i] = (uint8_t)(i * 7 + (i >> 8));
	for (i = 0; i < sizeof(ram_b); i++)
		ram_b[i] = (uint8_t)(i * 11 + (i >> 8) + 1);
	for (i = 0; i < sizeof(rom); i++)
		rom[i] = (uint8_t)(i * 13 + 2);
}

static uint8_t ram_at(uint64_t gpa)
{
	if (gpa < 0x18000)
		return ram_a[gpa - 0x10000];
	return gpa < 0x1c000 ? ram_b[gpa - 0x18000] : rom[gpa - 0x20000];
}

/* Sections */

static void test_translate__no_section__state(void **state)
{
	struct viommu_access_token token;
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	prepare(&f);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0x10000, RW), VIOMMU_S_OK);
	assert_int_equal(viommu_access_translate(&f.accesses[0], 0x1000, 1, R, &t), VIOMMU_E_STATE);
	assert_int_equal(viommu_access_begin(&f.accesses[1], &token),
			 VIOMMU_OK); /* that of another one does not count */
	assert_int_equal(viommu_access_translate(&f.accesses[0], 0x1000, 1, R, &t), VIOMMU_E_STATE);
	viommu_access_end(&f.accesses[1], token);
	assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
	assert_int_equal(viommu_access_translate(&f.accesses[0], 0x1000, 1, R, &t), VIOMMU_OK);
	viommu_access_end(&f.accesses[0], token);
	assert_int_equal(viommu_access_translate(&f.accesses[0], 0x1000, 1, R, &t), VIOMMU_E_STATE);
	device_teardown(&f);
}

static void test_translate__bad_arguments__arg(void **state)
{
	static const uint32_t kinds[] = { 0, 4, 5, 7, 0x80000001, 0xffffffff };
	struct viommu_translation t;
	struct device_fixture f;
	size_t i;

	(void)state;
	prepare(&f);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0x10000, RW), VIOMMU_S_OK);
	assert_int_equal(device_translate(&f, 0, 0x1000, 0, R, &t), VIOMMU_E_ARG);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		assert_int_equal(device_translate(&f, 0, 0x1000, 1, kinds[i], &t), VIOMMU_E_ARG);
	assert_int_equal(viommu_device_get_stats(&f.dev)->faults, 0);
	device_teardown(&f);
}

static void test_deinit__open_section__state(void **state)
{
	struct viommu_access_token token;
	struct viommu_access second;
	struct viommu_wire_fault fault;
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	prepare(&f);
	viommu_access_init(&second, &f.dev, f.endpoints[0]);
	assert_int_equal(viommu_access_begin(&second, &token), VIOMMU_OK);
	assert_int_equal(viommu_access_deinit(&second), VIOMMU_E_STATE);
	assert_int_equal(viommu_access_translate(&second, 0x1000, 1, R, &t), VIOMMU_E_FAULT);
	assert_int_equal(viommu_access_translate(&second, 0x1000, 1, R, &t), VIOMMU_E_FAULT);
	viommu_access_end(&second, token);
	assert_int_equal(device_translate(&f, 0, 0x3000, 1, R, &t), VIOMMU_E_FAULT);
	assert_int_equal(viommu_access_deinit(&second), VIOMMU_OK);
	memset(&second, 0xff, sizeof(second)); /* nothing looks at it any more */
	assert_int_equal(viommu_device_get_stats(&f.dev)->faults, 3);
	assert_int_equal(viommu_device_get_stats(&f.dev)->faults_lost, 2);
	assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_OK);
	assert_true(fault.address == 0x3000);
	assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_E_EMPTY);
	assert_int_equal(device_unmap(&f, 1, 0, UINT64_MAX), VIOMMU_S_OK);
	device_teardown(&f);
}

static void test_deinit__any_of_several__the_others_stay(void **state)
{
	struct viommu_access contexts[3];
	struct viommu_access_token token;
	struct viommu_wire_fault fault;
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	for (unsigned gone = 0; gone < 3; gone++) {
		prepare(&f);
		for (unsigned i = 0; i < 3; i++)
			viommu_access_init(&contexts[i], &f.dev, f.endpoints[0]);
		assert_int_equal(viommu_access_deinit(&contexts[gone]), VIOMMU_OK);
		memset(&contexts[gone], 0xff, sizeof(contexts[gone])); /* nothing looks at it any more */
		for (unsigned i = 0; i < 3; i++) {
			if (i == gone)
				continue;
			assert_int_equal(viommu_access_begin(&contexts[i], &token), VIOMMU_OK);
			assert_int_equal(viommu_access_translate(&contexts[i], i, 1, R, &t), VIOMMU_E_FAULT);
			viommu_access_end(&contexts[i], token);
			assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_OK);
			assert_true(fault.address == i);
		}
		device_teardown(&f);
	}
}

/* Translation */

/* The bytes on both sides of both ends. */
static void test_translate__edges_of_a_mapping__exact(void **state)
{
	static const struct {
		uint64_t first, last;
	} mappings[] = {
		{ 0x1000, 0x1fff },
		{ 0x10000, 0x2ffff },
		{ 0xf000, 0x100fff },
		{ 0x7ffffffffffff000, 0x8000000000000fff },
		{ 0xffffffffffffe000, 0xffffffffffffefff },
	};
	struct device_fixture f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(mappings) / sizeof(mappings[0]); i++) {
		uint64_t first = mappings[i].first, last = mappings[i].last;

		prepare(&f);
		assert_int_equal(device_map(&f, 1, first, last, 0x40000000, RW), VIOMMU_S_OK);
		assert_true(device_faults(&f, 0, first - 1, R, VIOMMU_FAULT_R_MAPPING));
		assert_true(device_reaches(&f, 0, first, RW, 0x40000000));
		assert_true(device_reaches(&f, 0, last, RW, 0x40000000 + (last - first)));
		assert_true(device_faults(&f, 0, last + 1, W, VIOMMU_FAULT_R_MAPPING));
		assert_true(device_faults(&f, 0, 0, R, VIOMMU_FAULT_R_MAPPING));
		assert_true(device_faults(&f, 0, UINT64_MAX, RW, VIOMMU_FAULT_R_MAPPING));
		device_teardown(&f);
	}
}

/*
 * Walks [iova, iova + length - 1] piece by piece. Every piece has to make progress, to stay inside what was asked, and
 * to be linear; returns the number of bytes before the first one that is not accessible.
 */
static uint64_t walk(struct device_fixture *f, uint64_t iova, uint64_t length, uint32_t kind,
		     uint64_t (*expected)(uint64_t iova))
{
	struct viommu_translation t;
	uint64_t done = 0;

	while (done < length && device_translate(f, 0, iova + done, length - done, kind, &t) == VIOMMU_OK) {
		assert_true(t.length >= 1 && t.length <= length - done);
		assert_true(t.gpa == expected(iova + done));
		assert_true(t.gpa + (t.length - 1) == expected(iova + done + (t.length - 1)));
		done += t.length;
	}
	device_drain_faults(f);
	return done;
}

/* A piecewise world: 0x10000..0x12fff linear, 0x13000..0x13fff elsewhere, a hole, 0x15000..0x15fff read-only. */
static uint64_t pieces(uint64_t iova)
{
	if (iova < 0x13000)
		return iova + 0x700000;
	return iova < 0x14000 ? iova - 0x13000 + 0x100000 : iova - 0x15000 + 0x200000;
}

/* Never past a mapping, and adjacent mappings are passable. */
static void test_translate__length_over_several_mappings__piecewise(void **state)
{
	struct viommu_translation t;
	struct device_fixture f;
	uint64_t start, length;

	(void)state;
	prepare(&f);
	assert_int_equal(device_map(&f, 1, 0x10000, 0x10fff, 0x710000, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x11000, 0x12fff, 0x711000, RW), VIOMMU_S_OK); /* goes on in both spaces */
	assert_int_equal(device_map(&f, 1, 0x13000, 0x13fff, 0x100000, RW), VIOMMU_S_OK); /* in one only */
	assert_int_equal(device_map(&f, 1, 0x15000, 0x15fff, 0x200000, R), VIOMMU_S_OK);
	for (start = 0x10000; start < 0x14000; start += 0x7ff) {
		for (length = 1; length < 0x6000; length += 0x3ff)
			assert_true(walk(&f, start, length, RW, pieces) ==
				    (start + length <= 0x14000 ? length : 0x14000 - start));
	}
	assert_true(walk(&f, 0x15800, 0x1000, R, pieces) == 0x800);
	assert_true(walk(&f, 0x15800, 0x1000, W, pieces) == 0);
	/* One byte beyond the end, and exactly at the end. */
	assert_int_equal(device_translate(&f, 0, 0x13fff, 2, R, &t), VIOMMU_OK);
	assert_true(t.length == 1);
	assert_int_equal(device_translate(&f, 0, 0x12fff, 2, R, &t), VIOMMU_OK);
	assert_true(t.length == 1 && t.gpa == 0x712fff);
	assert_int_equal(device_translate(&f, 0, 0x14000, 0x2000, R, &t), VIOMMU_E_FAULT); /* a hole, however long */
	device_teardown(&f);
}

/* The search for a longer piece is bounded: this much of the work that the comment promises is one lookup. */
static void test_translate__many_small_neighbours__a_few_at_a_time(void **state)
{
	static const uint64_t base = 0x100000;
	struct viommu_translation t;
	struct device_fixture f;
	uint64_t done = 0;
	unsigned calls = 0;

	(void)state;
	prepare(&f);
	for (uint64_t i = 0; i < 12; i++)
		assert_int_equal(
			device_map(&f, 1, base + i * 0x1000, base + i * 0x1000 + 0xfff, 0x40000 + i * 0x1000, RW),
			VIOMMU_S_OK);
	while (done < 0xc000) {
		assert_int_equal(device_translate(&f, 0, base + done, 0xc000 - done, RW, &t), VIOMMU_OK);
		assert_true(t.gpa == 0x40000 + done);
		assert_true(t.length == (0xc000 - done < 0x5000 ? 0xc000 - done : 0x5000));
		done += t.length;
		calls++;
	}
	assert_int_equal(calls, 3);
	device_teardown(&f);
}

/* Physical memory ends at 2^64 - 1: what is mapped to 0 behind it is another piece, though the addresses wrap to meet. */
static void test_translate__physical_end_of_the_space__separate_piece(void **state)
{
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	prepare(&f);
	assert_int_equal(device_map(&f, 1, 0x10000, 0x10fff, UINT64_MAX - 0xfff, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x11000, 0x11fff, 0, RW), VIOMMU_S_OK);
	assert_int_equal(device_translate(&f, 0, 0x10000, 0x2000, R, &t), VIOMMU_OK);
	assert_true(t.gpa == UINT64_MAX - 0xfff && t.length == 0x1000);
	device_teardown(&f);
}

/* A piece reaches at least to the end of the granule, or to the end of what was asked. */
static void test_translate__one_granule__in_one_piece(void **state)
{
	struct viommu_translation t;
	struct device_fixture f;
	uint64_t offset;

	(void)state;
	prepare(&f);
	assert_int_equal(device_map(&f, 1, 0x10000, 0x1ffff, 0x40000, RW), VIOMMU_S_OK);
	for (offset = 0; offset < 0x1000; offset += 0xff) {
		assert_int_equal(device_translate(&f, 0, 0x14000 + offset, 0x1000 - offset, RW, &t), VIOMMU_OK);
		assert_true(t.length == 0x1000 - offset);
		assert_true(t.gpa == 0x44000 + offset);
		assert_int_equal(t.flags, RW);
		assert_false(t.msi);
	}
	device_teardown(&f);
}

/* Neighbours with other permissions are not one piece, even if their memory is. */
static void test_translate__neighbour_with_other_flags__separate_piece(void **state)
{
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	prepare(&f);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0x11000, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x2000, 0x2fff, 0x12000, R), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x3000, 0x3fff, 0x13000, R | VIOMMU_MAP_F_MMIO), VIOMMU_S_OK);
	assert_int_equal(device_translate(&f, 0, 0x1000, 0x3000, R, &t), VIOMMU_OK);
	assert_int_equal(t.flags, RW);
	assert_true(t.length == 0x1000);
	assert_int_equal(device_translate(&f, 0, 0x1000, 0x3000, W, &t), VIOMMU_OK);
	assert_true(t.length == 0x1000);
	assert_int_equal(device_translate(&f, 0, 0x2000, 0x3000, R, &t), VIOMMU_OK);
	assert_int_equal(t.flags, R);
	assert_true(t.length == 0x1000);
	assert_int_equal(device_translate(&f, 0, 0x3000, 0x3000, R, &t), VIOMMU_OK);
	assert_int_equal(t.flags, R | VIOMMU_MAP_F_MMIO);
	assert_true(t.length == 0x1000);
	device_teardown(&f);
}

static uint64_t top(uint64_t iova)
{
	return iova - 0xffffffffffff0000 + 0x5000;
}

static void test_translate__end_of_the_address_space__length_is_cut(void **state)
{
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	prepare(&f);
	assert_int_equal(device_map(&f, 1, 0xffffffffffff0000, UINT64_MAX, 0x5000, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0, 0xfff, 0x15000, RW), VIOMMU_S_OK); /* not its neighbour */
	assert_int_equal(device_translate(&f, 0, UINT64_MAX, 1, RW, &t), VIOMMU_OK);
	assert_true(t.length == 1 && t.gpa == 0x14fff);
	assert_int_equal(device_translate(&f, 0, UINT64_MAX, UINT64_MAX, RW, &t), VIOMMU_OK);
	assert_true(t.length == 1 && t.gpa == 0x14fff);
	assert_int_equal(device_translate(&f, 0, UINT64_MAX - 1, 3, RW, &t), VIOMMU_OK);
	assert_true(t.length == 2);
	assert_int_equal(device_translate(&f, 0, 0xfffffffffffff000, 0x2000, RW, &t), VIOMMU_OK);
	assert_true(t.length == 0x1000);
	assert_true(walk(&f, 0xffffffffffff0000, 0x10000, RW, top) == 0x10000);
	device_teardown(&f);
}

static void test_translate__whole_space_mapped__every_length_works(void **state)
{
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	device_setup(&f, NULL);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0, UINT64_MAX, 0, RW), VIOMMU_S_OK);
	assert_int_equal(device_translate(&f, 0, 0, UINT64_MAX, RW, &t), VIOMMU_OK);
	assert_true(t.gpa == 0 && t.length >= 0x1000 && t.length <= UINT64_MAX);
	assert_int_equal(device_translate(&f, 0, 5, UINT64_MAX, RW, &t), VIOMMU_OK);
	assert_true(t.gpa == 5 && t.length >= 0xffb && t.length <= UINT64_MAX - 4);
	device_teardown(&f);
}

/* MSI */

/* IOMMU-DEV-RESV-05: outside of its own doorbell nothing happens. */
static void test_translate__msi_region__passes_while_attached(void **state)
{
	struct viommu_translation t;
	struct device_fixture f;
	uint32_t kind;

	(void)state;
	prepare(&f);
	for (kind = 1; kind < 4; kind++) {
		assert_int_equal(device_translate(&f, 3, 0xfee00010, 4, kind, &t), VIOMMU_OK);
		assert_true(t.gpa == 0xfee00010 && t.length == 4 && t.msi);
		assert_int_equal(t.flags, RW);
	}
	assert_int_equal(device_translate(&f, 3, 0xfeefffff, 100, W, &t), VIOMMU_OK);
	assert_true(t.gpa == 0xfeefffff && t.length == 1 && t.msi); /* not beyond the region */
	assert_true(device_faults(&f, 3, 0xfedfffff, W, VIOMMU_FAULT_R_MAPPING));
	assert_true(device_faults(&f, 3, 0xfef00000, W, VIOMMU_FAULT_R_MAPPING));
	assert_true(device_faults(&f, 3, 0x8000, W, VIOMMU_FAULT_R_MAPPING));     /* RESERVED does not pass */
	assert_true(device_faults(&f, 0, 0xfee00010, W, VIOMMU_FAULT_R_MAPPING)); /* its own endpoint only */
	assert_int_equal(device_detach(&f, 1, DEVICE_EP3), VIOMMU_S_OK);
	assert_true(device_faults(&f, 3, 0xfee00010, W, VIOMMU_FAULT_R_DOMAIN));
	device_teardown(&f);
}

static void test_translate__mapping_in_front_of_the_msi_region__stops_there(void **state)
{
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	prepare(&f);
	assert_int_equal(device_map(&f, 1, 0xfed00000, 0xfedfffff, 0xfed00000, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0xfef00000, 0xfeffffff, 0xfef00000, RW), VIOMMU_S_OK);
	assert_int_equal(device_translate(&f, 3, 0xfedffff0, 0x1000, W, &t), VIOMMU_OK);
	assert_true(t.length == 16 && !t.msi);
	assert_int_equal(device_translate(&f, 3, 0xfeeffff0, 0x1000, W, &t), VIOMMU_OK);
	assert_true(t.length == 16 && t.msi);
	device_teardown(&f);
}

/* Faults */

/* IOMMU-DEV-FAULT-03, IOMMU-DEV-MAP-07, INF-15. Each report has all its fields. */
static void test_fault__each_reason__reported(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0x10000, R), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x2000, 0x2fff, 0x10000, W), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x3000, 0x3fff, 0x10000, 0), VIOMMU_S_OK);
	assert_true(device_forbids(&f, 0, 0x1234, W, W));
	assert_true(device_forbids(&f, 0, 0x1234, RW, W));
	assert_true(device_forbids(&f, 0, 0x2345, R, R)); /* WRITE does not imply READ */
	assert_true(device_forbids(&f, 0, 0x2345, RW, R));
	assert_true(device_forbids(&f, 0, 0x3456, R, R));
	assert_true(device_forbids(&f, 0, 0x3456, W, W));
	assert_true(device_forbids(&f, 0, 0x3456, RW, RW));
	assert_true(device_faults(&f, 2, 0x8000000000000001, RW, VIOMMU_FAULT_R_MAPPING));
	assert_int_equal(device_detach(&f, 1, DEVICE_EP1), VIOMMU_S_OK);
	assert_true(device_faults(&f, 1, 0x1234, R, VIOMMU_FAULT_R_DOMAIN));
	assert_true(device_faults(&f, 1, UINT64_MAX, RW, VIOMMU_FAULT_R_DOMAIN));
	assert_int_equal(viommu_device_get_stats(&f.dev)->faults, 10);
	assert_int_equal(viommu_device_get_stats(&f.dev)->faults_lost, 0);
	device_teardown(&f);
}

/* An embedder that polls needs no hook, and may leave it out of its table. */
static void test_fault__no_hook__fetched_all_the_same(void **state)
{
	struct viommu_wire_fault fault;
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	prepare(&f);
	f.ops.work_pending = NULL;
	assert_int_equal(device_translate(&f, 0, 0x1000, 1, R, &t), VIOMMU_E_FAULT);
	f.dev.ops = NULL;
	assert_int_equal(device_translate(&f, 0, 0x2000, 1, R, &t), VIOMMU_E_FAULT);
	assert_int_equal(f.wakes, 0);
	assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_OK);
	assert_true(fault.address == 0x1000);
	assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_OK);
	assert_true(fault.address == 0x2000);
	device_teardown(&f);
}

static void test_fault__ring_full__oldest_kept_and_loss_counted(void **state)
{
	struct viommu_wire_fault fault;
	struct viommu_translation t;
	struct device_fixture f;
	uint32_t i, wakes;

	(void)state;
	prepare(&f);
	wakes = f.wakes;
	for (i = 0; i < VIOMMU_ACCESS_FAULTS + 3; i++)
		assert_int_equal(device_translate(&f, 0, i, 1, R, &t), VIOMMU_E_FAULT);
	assert_true(f.wakes > wakes);
	assert_int_equal(viommu_device_get_stats(&f.dev)->faults, VIOMMU_ACCESS_FAULTS + 3);
	assert_int_equal(viommu_device_get_stats(&f.dev)->faults_lost, 3);
	for (i = 0; i < VIOMMU_ACCESS_FAULTS; i++) {
		assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_OK);
		assert_true(fault.address == i);
	}
	assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_E_EMPTY);
	/* There is room again, at any position of the ring. */
	for (i = 0; i < 20; i++) {
		assert_int_equal(device_translate(&f, 0, 0x100 + i, 1, R, &t), VIOMMU_E_FAULT);
		assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_OK);
		assert_true(fault.address == 0x100 + i);
	}
	assert_int_equal(viommu_device_get_stats(&f.dev)->faults_lost, 3);
	device_teardown(&f);
}

static void test_fault__counters_at_the_top__go_on_from_0(void **state)
{
	struct viommu_wire_fault fault;
	struct viommu_translation t;
	struct device_fixture f;
	uint32_t i;

	(void)state;
	prepare(&f);
	f.accesses[0].fault_head = f.accesses[0].fault_tail = UINT32_MAX - 1; /* as after 2^32 reports */
	for (i = 0; i < VIOMMU_ACCESS_FAULTS + 1; i++)
		assert_int_equal(device_translate(&f, 0, i, 1, R, &t), VIOMMU_E_FAULT);
	assert_int_equal(viommu_device_get_stats(&f.dev)->faults_lost, 1);
	for (i = 0; i < VIOMMU_ACCESS_FAULTS; i++) {
		assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_OK);
		assert_true(fault.address == i);
	}
	assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_E_EMPTY);
	device_teardown(&f);
}

static void test_fault__several_endpoints__take_turns(void **state)
{
	struct viommu_wire_fault fault;
	struct viommu_translation t;
	struct device_fixture f;
	uint32_t i, k;

	(void)state;
	prepare(&f);
	for (i = 0; i < VIOMMU_ACCESS_FAULTS; i++)
		for (k = 0; k < DEVICE_ENDPOINTS; k++)
			assert_int_equal(device_translate(&f, k, i, 1, R, &t), VIOMMU_E_FAULT);
	for (i = 0; i < VIOMMU_ACCESS_FAULTS; i++) {
		uint32_t round = 0;

		for (k = 0; k < DEVICE_ENDPOINTS; k++) {
			uint32_t e;

			assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_OK);
			assert_true(fault.address == i); /* in order within an endpoint */
			for (e = 0; device_endpoint_id(e) != fault.endpoint; e++)
				assert_true(e + 1 < DEVICE_ENDPOINTS);
			round |= UINT32_C(1) << e;
		}
		assert_int_equal(round, 15); /* each of them once */
	}
	assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_E_EMPTY);
	device_teardown(&f);
}

/* Within one endpoint: three contexts that raise more than is ever fetched. */
static void test_fault__several_contexts__take_turns(void **state)
{
	struct viommu_access_token tokens[3];
	struct device_fixture f;
	struct viommu_access more[2], *contexts[3] = { &more[1], &more[0], &f.accesses[0] };
	unsigned counts[3] = { 0 };
	struct viommu_wire_fault fault;
	struct viommu_translation t;

	(void)state;
	device_setup(&f, NULL);
	for (unsigned i = 0; i < 2; i++)
		viommu_access_init(&more[i], &f.dev, f.endpoints[0]);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(viommu_access_begin(contexts[i], &tokens[i]), VIOMMU_OK);
	for (unsigned round = 0; round < 30; round++) {
		for (unsigned i = 0; i < 3; i++)
			(void)!viommu_access_translate(contexts[i], 0x1000 * (i + 1), 1, VIOMMU_ACCESS_READ, &t);
		assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_OK);
		counts[fault.address / 0x1000 - 1]++;
		assert_true(viommu_device_check(&f.dev));
	}
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(counts[i], 10);
		viommu_access_end(contexts[i], tokens[i]);
	}
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(viommu_access_deinit(&more[i]), VIOMMU_OK);
	device_teardown(&f);
}

/* One endpoint that faults all the time does not keep the report of another one back. */
static void test_fault__noisy_endpoint__others_get_through(void **state)
{
	struct viommu_wire_fault fault;
	struct viommu_translation t;
	struct device_fixture f;
	unsigned i;
	bool seen = false;

	(void)state;
	prepare(&f);
	for (i = 0; i < 10; i++)
		assert_int_equal(device_translate(&f, 0, 0, 1, R, &t), VIOMMU_E_FAULT);
	assert_int_equal(device_translate(&f, 2, 0x77, 1, R, &t), VIOMMU_E_FAULT);
	for (i = 0; i < DEVICE_ENDPOINTS && !seen; i++) {
		assert_int_equal(device_translate(&f, 0, 0, 1, R, &t), VIOMMU_E_FAULT);
		assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_OK);
		seen = fault.endpoint == DEVICE_EP2;
	}
	assert_true(seen);
	device_teardown(&f);
}

/* Copies */

static void test_read_write__across_mappings_and_regions__as_translated(void **state)
{
	uint8_t out[0x4000], in[0x4000];
	struct viommu_access_token token;
	struct device_fixture f;
	size_t done, i;

	(void)state;
	prepare(&f);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0x17000, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x2000, 0x2fff, 0x18000, RW), VIOMMU_S_OK); /* adjacent, other host memory */
	assert_int_equal(device_map(&f, 1, 0x3000, 0x3fff, 0x12000, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x5000, 0x6fff, 0x17000, RW), VIOMMU_S_OK); /* one mapping, two regions */
	assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
	assert_int_equal(viommu_access_read(&f.accesses[0], 0x1003, out, 0x2ff0, &done), VIOMMU_OK);
	assert_int_equal(done, 0x2ff0);
	for (i = 0; i < done; i++)
		assert_int_equal(out[i], ram_at((0x1003 + i < 0x3000 ? 0x16000u : 0xf000u) + 0x1003u + i));
	for (i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 3 + 5);
	assert_int_equal(viommu_access_write(&f.accesses[0], 0x5ffe, in, 5, &done), VIOMMU_OK);
	assert_int_equal(done, 5);
	for (i = 0; i < 5; i++)
		assert_int_equal(ram_at(0x17ffe + i), in[i]);
	assert_int_equal(ram_at(0x17ffd), (uint8_t)(0x7ffd * 7 + 0x7f)); /* and not a byte beside it */
	assert_int_equal(ram_at(0x18003), (uint8_t)(3 * 11 + 1));
	viommu_access_end(&f.accesses[0], token);
	device_teardown(&f);
}

static void test_read_write__unmapped_in_the_middle__fault_and_bytes_done(void **state)
{
	uint8_t bytes[0x2000];
	struct viommu_access_token token;
	struct viommu_wire_fault fault;
	struct device_fixture f;
	size_t done;

	(void)state;
	prepare(&f);
	memset(bytes, 0x5a, sizeof(bytes));
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0x10000, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x2000, 0x2fff, 0x12000, R), VIOMMU_S_OK);
	assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
	assert_int_equal(viommu_access_read(&f.accesses[0], 0x2f00, bytes, 0x200, &done), VIOMMU_E_FAULT);
	assert_int_equal(done, 0x100);
	assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_OK);
	assert_true(fault.address == 0x3000 && fault.reason == VIOMMU_FAULT_R_MAPPING);
	assert_int_equal(fault.flags, VIOMMU_FAULT_F_READ | VIOMMU_FAULT_F_ADDRESS);
	memset(bytes, 0x5a, sizeof(bytes));
	assert_int_equal(viommu_access_write(&f.accesses[0], 0x1f80, bytes, 0x100, &done), VIOMMU_E_FAULT);
	assert_int_equal(done, 0x80);
	assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_OK);
	assert_true(fault.address == 0x2000 && fault.reason == VIOMMU_FAULT_R_MAPPING);
	assert_int_equal(fault.flags, VIOMMU_FAULT_F_WRITE | VIOMMU_FAULT_F_ADDRESS);
	assert_int_equal(ram_at(0x10f80), 0x5a);
	assert_int_equal(ram_at(0x10fff), 0x5a);
	assert_int_equal(ram_at(0x12000), (uint8_t)(0x2000 * 7 + 0x20)); /* IOMMU-DEV-MAP-06 */
	assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_E_EMPTY);
	viommu_access_end(&f.accesses[0], token);
	device_teardown(&f);
}

/*
 * P3, from the embedder's side: the page is taken from the guest. Copies do not find it from then on, in sections of
 * before too; who has a pointer keeps it until the section ends, and only then the page is given away.
 */
static void test_read_write__memory_taken_away__settled_when_the_section_ends(void **state)
{
	static const struct viommu_memory_region without_b[] = { { 0x10000, 0x17fff, ram_a, RW },
								 { 0x20000, 0x20fff, rom, R } };
	struct viommu_access_token tokens[2];
	struct viommu_translation t;
	struct device_fixture f;
	uint8_t bytes[16], *page;
	size_t done;

	(void)state;
	prepare(&f);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0x18000, RW), VIOMMU_S_OK);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(viommu_access_begin(&f.accesses[i], &tokens[i]), VIOMMU_OK);
	assert_int_equal(viommu_access_translate(&f.accesses[1], 0x1000, 16, RW, &t), VIOMMU_OK);
	page = viommu_memory_pointer(&ram_memory, t.gpa, 16, RW);
	assert_ptr_equal(page, ram_b);

	assert_int_equal(viommu_memory_table_set(&ram_table, without_b, 2), VIOMMU_OK);
	viommu_device_memory_changed(&f.dev);
	assert_int_equal(viommu_access_write(&f.accesses[0], 0x1000, bytes, 1, &done), VIOMMU_E_PEER);
	assert_int_equal(viommu_access_read(&f.accesses[1], 0x1000, bytes, 1, &done), VIOMMU_E_PEER);
	assert_true(viommu_device_is_settled(&f.dev)); /* which is about resets */
	viommu_access_end(&f.accesses[0], tokens[0]);
	assert_false(viommu_device_memory_is_settled(&f.dev));
	page[0] = 1; /* still there */
	viommu_access_end(&f.accesses[1], tokens[1]);
	assert_true(viommu_device_memory_is_settled(&f.dev));

	assert_int_equal(viommu_memory_table_set(&ram_table, ram_regions, 3), VIOMMU_OK);
	assert_int_equal(viommu_access_begin(&f.accesses[0], &tokens[0]), VIOMMU_OK);
	assert_int_equal(viommu_access_read(&f.accesses[0], 0x1000, bytes, 16, &done), VIOMMU_OK);
	assert_memory_equal(bytes, ram_b, 16);
	viommu_access_end(&f.accesses[0], tokens[0]);
	device_teardown(&f);
}

/* The driver mapped what is not memory: its mistake, but nobody's fault report. */
static void test_read_write__no_memory_there__peer(void **state)
{
	uint8_t bytes[0x100];
	struct viommu_access_token token;
	struct device_fixture f;
	size_t done;

	(void)state;
	prepare(&f);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x2fff, 0x1b000, RW), VIOMMU_S_OK); /* the second page is a hole */
	assert_int_equal(device_map(&f, 1, 0x4000, 0x4fff, 0x20000, RW), VIOMMU_S_OK); /* rom */
	assert_int_equal(device_map(&f, 1, 0x5000, 0x5fff, 0xfffffffffffff000, RW), VIOMMU_S_OK);
	assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
	assert_int_equal(viommu_access_read(&f.accesses[0], 0x1fc0, bytes, 0x100, &done), VIOMMU_E_PEER);
	assert_int_equal(done, suite_memory_is_copied() ? 0 : 0x40); /* one call of the seam, which failed */
	assert_int_equal(viommu_access_write(&f.accesses[0], 0x2000, bytes, 1, &done), VIOMMU_E_PEER);
	assert_int_equal(done, 0);
	assert_int_equal(viommu_access_read(&f.accesses[0], 0x4fff, bytes, 1, &done), VIOMMU_OK);
	assert_int_equal(bytes[0], rom[0xfff]);
	assert_int_equal(viommu_access_write(&f.accesses[0], 0x4fff, bytes, 1, &done), VIOMMU_E_PEER);
	assert_int_equal(done, 0);
	assert_int_equal(viommu_access_read(&f.accesses[0], 0x5000, bytes, 0x100, &done), VIOMMU_E_PEER);
	assert_int_equal(done, 0);
	viommu_access_end(&f.accesses[0], token);
	assert_int_equal(viommu_access_begin(&f.accesses[3], &token), VIOMMU_OK);
	assert_int_equal(viommu_access_write(&f.accesses[3], 0xfee00000, bytes, 4, &done), VIOMMU_E_PEER);
	viommu_access_end(&f.accesses[3], token);
	assert_int_equal(viommu_device_get_stats(&f.dev)->faults, 0);
	device_teardown(&f);
}

static void test_read_write__bypass__identity(void **state)
{
	uint8_t bytes[16];
	struct viommu_access_token token;
	struct device_fixture f;
	size_t done;

	(void)state;
	prepare(&f);
	device_set_bypass(&f, 1);
	assert_int_equal(device_detach(&f, 1, DEVICE_EP0), VIOMMU_S_OK);
	assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
	assert_int_equal(viommu_access_read(&f.accesses[0], 0x17ff8, bytes, 16, &done), VIOMMU_OK);
	assert_int_equal(bytes[7], ram_at(0x17fff));
	assert_int_equal(bytes[8], ram_at(0x18000));
	viommu_access_end(&f.accesses[0], token);
	device_teardown(&f);
}

static void test_read_write__wrong_state__refused(void **state)
{
	uint8_t byte = 0;
	struct viommu_access_token token;
	struct device_fixture f;
	size_t done;

	(void)state;
	prepare(&f);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0x10000, RW), VIOMMU_S_OK);
	assert_int_equal(viommu_access_read(&f.accesses[0], 0x1000, &byte, 1, &done), VIOMMU_E_STATE); /* no section */
	assert_int_equal(viommu_access_write(&f.accesses[0], 0x1000, &byte, 1, &done), VIOMMU_E_STATE);
	assert_int_equal(ram_at(0x10000), 0);
	device_teardown(&f);

	device_setup(&f, NULL); /* no memory seam */
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0x10000, RW), VIOMMU_S_OK);
	assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
	assert_int_equal(viommu_access_read(&f.accesses[0], 0x1000, &byte, 1, &done), VIOMMU_E_STATE);
	assert_int_equal(viommu_access_write(&f.accesses[0], 0x1000, &byte, 1, &done), VIOMMU_E_STATE);
	viommu_access_end(&f.accesses[0], token);
	device_teardown(&f);
}

static void test_read_write__up_to_the_end_of_the_space__all_of_it(void **state)
{
	uint8_t bytes[64];
	struct viommu_access_token token;
	struct device_fixture f;
	size_t done;

	(void)state;
	prepare(&f);
	assert_int_equal(device_map(&f, 1, 0xfffffffffffff000, UINT64_MAX, 0x10000, RW), VIOMMU_S_OK);
	assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
	assert_int_equal(viommu_access_read(&f.accesses[0], UINT64_MAX - 63, bytes, 64, &done), VIOMMU_OK);
	assert_int_equal(done, 64);
	assert_int_equal(bytes[63], ram_at(0x10fff));
	assert_int_equal(viommu_access_write(&f.accesses[0], UINT64_MAX, bytes, 1, &done), VIOMMU_OK);
	assert_int_equal(done, 1);
	viommu_access_end(&f.accesses[0], token);
	device_teardown(&f);
}

/* A copy that runs past the last address never goes on at the first one. */
static void test_read_write__past_the_end_of_the_space__stops(void **state)
{
	uint8_t bytes[64];
	struct viommu_access_token token;
	struct device_fixture f;
	size_t done;

	(void)state;
	prepare(&f);
	memset(bytes, 0x5a, sizeof(bytes));
	assert_int_equal(device_map(&f, 1, 0xfffffffffffff000, UINT64_MAX, 0x10000, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0, 0xfff, 0x12000, RW), VIOMMU_S_OK);
	assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
	assert_int_not_equal(viommu_access_write(&f.accesses[0], UINT64_MAX - 15, bytes, 32, &done), VIOMMU_OK);
	assert_int_equal(done, 16);
	assert_int_equal(ram_at(0x10fff), 0x5a);
	assert_int_equal(ram_at(0x12000), (uint8_t)(0x2000 * 7 + 0x20));
	viommu_access_end(&f.accesses[0], token);
	device_teardown(&f);
}

/* Copies within the address space. */

static void test_copy__across_mappings__as_if_read_and_written(void **state)
{
	struct viommu_access_token token;
	struct device_fixture f;
	size_t done;

	(void)state;
	prepare(&f);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x2fff, 0x11000, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x3000, 0x3fff, 0x14000, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0xa000, 0xbfff, 0x19000, RW), VIOMMU_S_OK);
	assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
	assert_int_equal(viommu_access_copy(&f.accesses[0], 0xa010, 0x2f01, 0x101 + 0x123, &done), VIOMMU_OK);
	assert_int_equal(done, 0x101 + 0x123);
	for (uint64_t i = 0; i < 0x101 + 0x123; i++)
		assert_int_equal(ram_at(0x19010 + i), ram_at(i < 0xff ? 0x12f01 + i : 0x14000 + (i - 0xff)));
	assert_int_equal(viommu_access_copy(&f.accesses[0], 0xa000, 0x1000, 1, &done), VIOMMU_OK);
	assert_int_equal(done, 1);
	viommu_access_end(&f.accesses[0], token);
	device_teardown(&f);
}

static void test_copy__unmapped_on_either_side__fault_and_bytes_done(void **state)
{
	struct viommu_access_token token;
	struct viommu_wire_fault fault;
	struct device_fixture f;
	uint8_t behind;
	size_t done;

	(void)state;
	prepare(&f);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0x11000, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0xa000, 0xafff, 0x19000, RW), VIOMMU_S_OK);
	assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
	assert_int_equal(viommu_access_copy(&f.accesses[0], 0xa000, 0x1f80, 0x300, &done), VIOMMU_E_FAULT);
	assert_int_equal(done, 0x80); /* what could be read is there */
	assert_int_equal(ram_at(0x1907f), ram_at(0x11fff));
	assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_OK);
	assert_true(fault.address == 0x2000 && (fault.flags & VIOMMU_FAULT_F_READ) != 0);
	behind = ram_at(0x1a000);
	assert_int_equal(viommu_access_copy(&f.accesses[0], 0xaf80, 0x1000, 0x300, &done), VIOMMU_E_FAULT);
	assert_int_equal(done, 0x80);
	assert_int_equal(ram_at(0x1a000), behind);
	assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_OK);
	assert_true(fault.address == 0xb000 && (fault.flags & VIOMMU_FAULT_F_WRITE) != 0);
	assert_int_equal(viommu_access_copy(&f.accesses[0], 0xa000, 0x4000, 0x10, &done), VIOMMU_E_FAULT);
	assert_int_equal(done, 0);
	viommu_access_end(&f.accesses[0], token);
	device_teardown(&f);
}

static void test_copy__no_length_or_past_the_end__arg(void **state)
{
	struct viommu_access_token token;
	struct device_fixture f;
	size_t done = 77;

	(void)state;
	prepare(&f);
	assert_int_equal(device_map(&f, 1, 0xfffffffffffff000, UINT64_MAX, 0x10000, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0, 0xfff, 0x12000, RW), VIOMMU_S_OK);
	assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
	assert_int_equal(viommu_access_copy(&f.accesses[0], 0, 0x10, 0, &done), VIOMMU_E_ARG);
	assert_int_equal(done, 0);
	assert_int_equal(viommu_access_copy(&f.accesses[0], 0, UINT64_MAX - 15, 17, &done), VIOMMU_E_ARG);
	assert_int_equal(viommu_access_copy(&f.accesses[0], UINT64_MAX - 15, 0, 17, &done), VIOMMU_E_ARG);
	assert_int_equal(viommu_access_copy(&f.accesses[0], UINT64_MAX - 15, 0, 16, &done), VIOMMU_OK);
	assert_int_equal(viommu_access_copy(&f.accesses[0], 0x20, UINT64_MAX - 15, 16, &done), VIOMMU_OK);
	assert_int_equal(ram_at(0x1202f), ram_at(0x1200f));
	viommu_access_end(&f.accesses[0], token);
	device_teardown(&f);
}

static void test_fault__more_than_can_be_counted__stays_at_the_top(void **state)
{
	struct device_fixture f;
	struct viommu_access second;

	(void)state;
	prepare(&f);
	f.accesses[0].faults_raised = UINT32_MAX - 1;
	assert_true(device_faults(&f, 0, 0x7000, R, VIOMMU_FAULT_R_MAPPING));
	assert_true(device_faults(&f, 0, 0x7000, R, VIOMMU_FAULT_R_MAPPING));
	assert_true(device_faults(&f, 1, 0x7000, R, VIOMMU_FAULT_R_MAPPING));
	assert_true(viommu_device_get_stats(&f.dev)->faults == UINT32_MAX);
	viommu_access_init(&second, &f.dev, f.endpoints[2]);
	second.faults_lost = UINT32_MAX;
	assert_int_equal(viommu_access_deinit(&second), VIOMMU_OK);
	assert_true(viommu_device_get_stats(&f.dev)->faults_lost == UINT32_MAX);
	device_teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_translate__no_section__state),
		cmocka_unit_test(test_translate__bad_arguments__arg),
		cmocka_unit_test(test_deinit__open_section__state),
		cmocka_unit_test(test_deinit__any_of_several__the_others_stay),
		cmocka_unit_test(test_translate__edges_of_a_mapping__exact),
		cmocka_unit_test(test_translate__length_over_several_mappings__piecewise),
		cmocka_unit_test(test_translate__many_small_neighbours__a_few_at_a_time),
		cmocka_unit_test(test_translate__physical_end_of_the_space__separate_piece),
		cmocka_unit_test(test_translate__one_granule__in_one_piece),
		cmocka_unit_test(test_translate__neighbour_with_other_flags__separate_piece),
		cmocka_unit_test(test_translate__end_of_the_address_space__length_is_cut),
		cmocka_unit_test(test_translate__whole_space_mapped__every_length_works),
		cmocka_unit_test(test_translate__msi_region__passes_while_attached),
		cmocka_unit_test(test_translate__mapping_in_front_of_the_msi_region__stops_there),
		cmocka_unit_test(test_fault__each_reason__reported),
		cmocka_unit_test(test_fault__no_hook__fetched_all_the_same),
		cmocka_unit_test(test_fault__ring_full__oldest_kept_and_loss_counted),
		cmocka_unit_test(test_fault__counters_at_the_top__go_on_from_0),
		cmocka_unit_test(test_fault__several_endpoints__take_turns),
		cmocka_unit_test(test_fault__several_contexts__take_turns),
		cmocka_unit_test(test_fault__noisy_endpoint__others_get_through),
		cmocka_unit_test(test_read_write__across_mappings_and_regions__as_translated),
		cmocka_unit_test(test_read_write__unmapped_in_the_middle__fault_and_bytes_done),
		cmocka_unit_test(test_read_write__memory_taken_away__settled_when_the_section_ends),
		cmocka_unit_test(test_read_write__no_memory_there__peer),
		cmocka_unit_test(test_read_write__bypass__identity),
		cmocka_unit_test(test_read_write__wrong_state__refused),
		cmocka_unit_test(test_read_write__up_to_the_end_of_the_space__all_of_it),
		cmocka_unit_test(test_read_write__past_the_end_of_the_space__stops),
		cmocka_unit_test(test_copy__across_mappings__as_if_read_and_written),
		cmocka_unit_test(test_copy__unmapped_on_either_side__fault_and_bytes_done),
		cmocka_unit_test(test_copy__no_length_or_past_the_end__arg),
		cmocka_unit_test(test_fault__more_than_can_be_counted__stays_at_the_top),
	};

	return suite_run(tests);
}
