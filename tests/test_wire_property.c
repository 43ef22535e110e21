/* SPDX-License-Identifier: BSD-3-Clause */
/* test_wire_property.c: the property lists of PROBE, and RESV_MEM. */
#include "suite.h"
#include "wire_bytes.h"

#include "sim/env/env.h"

/* Property lists. */

struct walk {
	const char *what;
	size_t len;
	uint8_t list[64];
	size_t count;
	struct {
		uint16_t type;
		uint8_t reserved;
		uint16_t length;
		size_t value_at;
	} found[4];
	enum viommu_result end;
};

#define MSI_VALUE 1, 0, 0, 0, 0, 0, 0xe0, 0xfe, 0, 0, 0, 0, 0xff, 0xff, 0xef, 0xfe, 0, 0, 0, 0
#define MSI_PROPERTY 1, 0, 20, 0, MSI_VALUE

static const struct walk walks[] = {
	{ .what = "empty", .len = 0, .end = VIOMMU_E_EMPTY },
	{ .what = "1 byte", .len = 1, .list = { 1 }, .end = VIOMMU_E_EMPTY },
	{ .what = "3 bytes", .len = 3, .list = { 1, 0, 1 }, .end = VIOMMU_E_EMPTY },
	{ .what = "exactly a header",
	  .len = 4,
	  .list = { 1, 0, 0, 0 },
	  .count = 1,
	  .found = { { 1, 0, 0, 4 } },
	  .end = VIOMMU_E_EMPTY },
	{ .what = "exactly a header that wants a byte", .len = 4, .list = { 1, 0, 1, 0 }, .end = VIOMMU_E_PEER },
	{ .what = "header and its byte",
	  .len = 5,
	  .list = { 1, 0, 1, 0, 9 },
	  .count = 1,
	  .found = { { 1, 0, 1, 4 } },
	  .end = VIOMMU_E_EMPTY },
	{ .what = "terminator", .len = 8, .list = { 0, 0, 0, 0, 1, 0, 0, 0 }, .end = VIOMMU_E_EMPTY }, /* INF-12 */
	{ .what = "terminator with a length", .len = 8, .list = { 0, 0, 4, 0, 1, 0, 0, 0 }, .end = VIOMMU_E_EMPTY },
	{ .what = "terminator with a length past the end",
	  .len = 4,
	  .list = { 0, 0, 0xff, 0xff },
	  .end = VIOMMU_E_EMPTY },
	{ .what = "type 0x1000 is type 0", .len = 8, .list = { 0x00, 0x10, 0, 0, 1, 0, 0, 0 }, .end = VIOMMU_E_EMPTY },
	{ .what = "type 0xf000 is type 0", .len = 8, .list = { 0x00, 0xf0, 0, 0, 1, 0, 0, 0 }, .end = VIOMMU_E_EMPTY },
	{ .what = "length one past the end",
	  .len = 12,
	  .list = { 7, 0, 0, 0, 7, 0, 5, 0, 1, 2, 3, 4 },
	  .count = 1,
	  .found = { { 7, 0, 0, 4 } },
	  .end = VIOMMU_E_PEER },
	{ .what = "length up to the end",
	  .len = 12,
	  .list = { 7, 0, 0, 0, 7, 0, 4, 0, 1, 2, 3, 4 },
	  .count = 2,
	  .found = { { 7, 0, 0, 4 }, { 7, 0, 4, 8 } },
	  .end = VIOMMU_E_EMPTY },
	{ .what = "length 0xffff", .len = 64, .list = { 1, 0, 0xff, 0xff }, .end = VIOMMU_E_PEER },
	{ .what = "length in the second byte", .len = 64, .list = { 1, 0, 0, 1 }, .end = VIOMMU_E_PEER },
	{ .what = "all type bits",
	  .len = 4,
	  .list = { 0xff, 0x0f, 0, 0 },
	  .count = 1,
	  .found = { { 0xfff, 0, 0, 4 } },
	  .end = VIOMMU_E_EMPTY },
	/* IOMMU-DRV-PROBE-05, IOMMU-DRV-PROBE-06 */
	{ .what = "each reserved bit",
	  .len = 18,
	  .list = { 1, 0x10, 0, 0, 1, 0x20, 1, 0, 9, 1, 0x40, 0, 0, 0xff, 0xff, 0, 0, 9 },
	  .count = 4,
	  .found = { { 1, 1, 0, 4 }, { 1, 2, 1, 8 }, { 1, 4, 0, 13 }, { 0xfff, 15, 0, 17 } },
	  .end = VIOMMU_E_EMPTY },
	/* IOMMU-DRV-PROBE-03, IOMMU-DRV-PROBE-04, IOMMU-DEV-PROBE-07: the stride comes from the length, no padding. */
	{ .what = "unknown types, then RESV_MEM",
	  .len = 40,
	  .list = { 2, 0, 3, 0, 9, 9, 9, 0x34, 0x02, 5, 0, 9, 9, 9, 9, 9, MSI_PROPERTY },
	  .count = 3,
	  .found = { { 2, 0, 3, 4 }, { 0x234, 0, 5, 11 }, { 1, 0, 20, 20 } },
	  .end = VIOMMU_E_EMPTY },
	{ .what = "RESV_MEM, zero fill",
	  .len = 32,
	  .list = { MSI_PROPERTY },
	  .count = 1,
	  .found = { { 1, 0, 20, 4 } },
	  .end = VIOMMU_E_EMPTY },
	{ .what = "RESV_MEM, 1 byte of something",
	  .len = 25,
	  .list = { MSI_PROPERTY, 1 },
	  .count = 1,
	  .found = { { 1, 0, 20, 4 } },
	  .end = VIOMMU_E_EMPTY },
	{ .what = "RESV_MEM, 3 bytes of something",
	  .len = 27,
	  .list = { MSI_PROPERTY, 1, 0, 9 },
	  .count = 1,
	  .found = { { 1, 0, 20, 4 } },
	  .end = VIOMMU_E_EMPTY },
	{ .what = "RESV_MEM, header in odd bytes",
	  .len = 29,
	  .list = { MSI_PROPERTY, 9, 0, 2, 0, 9 },
	  .count = 1,
	  .found = { { 1, 0, 20, 4 } },
	  .end = VIOMMU_E_PEER },
};

static void assert_walk(const struct walk *w, const uint8_t *list)
{
	struct viommu_wire_property property;
	size_t offset = 0, at;

	for (size_t i = 0; i < w->count; i++) {
		memset(&property, CANARY, sizeof(property));
		assert_int_equal(viommu_wire_property_next(list, w->len, &offset, &property), VIOMMU_OK);
		assert_int_equal(property.type, w->found[i].type);
		assert_int_equal(property.reserved, w->found[i].reserved);
		assert_int_equal(property.length, w->found[i].length);
		assert_ptr_equal(property.value, list + w->found[i].value_at);
		assert_int_equal(offset, w->found[i].value_at + w->found[i].length);
	}
	/* The end stays the end, and changes nothing. */
	memset(&property, CANARY, sizeof(property));
	at = offset;
	for (int again = 0; again < 2; again++) {
		assert_int_equal(viommu_wire_property_next(list, w->len, &offset, &property), w->end);
		assert_int_equal(offset, at);
		assert_all_bytes(&property, CANARY, sizeof(property));
	}
}

static void test_wire_property__list_by_example__found_and_ended(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(walks); i++) {
		uint8_t *list = exact_copy(walks[i].list, walks[i].len);

		assert_walk(&walks[i], list);
		sim_env_free(list);
	}
}

static void test_wire_property__offset_at_or_behind_the_end__empty(void **state)
{
	static const uint8_t list[8] = { 1, 0, 0, 0, 1, 0, 0, 0 };
	static const size_t offsets[] = { 5, 6, 7, 8, 9, SIZE_MAX - 4, SIZE_MAX - 3, SIZE_MAX };

	(void)state;
	for (size_t i = 0; i < COUNT(offsets); i++) {
		struct viommu_wire_property property;
		size_t offset = offsets[i];

		assert_int_equal(viommu_wire_property_next(list, sizeof(list), &offset, &property), VIOMMU_E_EMPTY);
		assert_int_equal(offset, offsets[i]);
	}
}

static void test_wire_property__last_one_truncated_at_every_byte__peer_or_end(void **state)
{
	static const uint8_t full[31] = { 7, 0, 3, 0, 9, 9, 9, MSI_PROPERTY };

	(void)state;
	for (size_t len = 0; len <= sizeof(full); len++) {
		struct walk w = { .len = len, .found = { { 7, 0, 3, 4 }, { 1, 0, 20, 11 } } };
		uint8_t *list = exact_copy(full, len);

		if (len < 4)
			w.end = VIOMMU_E_EMPTY;
		else if (len < 7)
			w.end = VIOMMU_E_PEER;
		else if (len < 11)
			w.count = 1, w.end = VIOMMU_E_EMPTY;
		else if (len < 31)
			w.count = 1, w.end = VIOMMU_E_PEER;
		else
			w.count = 2, w.end = VIOMMU_E_EMPTY;
		assert_walk(&w, list);
		sim_env_free(list);
	}
}

static void test_wire_property__at_every_alignment__same_result(void **state)
{
	uint64_t aligned[10];

	(void)state;
	for (size_t i = 0; i < COUNT(walks); i++) {
		for (size_t shift = 0; shift < 8; shift++) {
			uint8_t *list = (uint8_t *)aligned + shift;

			memset(aligned, 0xff, sizeof(aligned));
			memcpy(list, walks[i].list, walks[i].len);
			assert_walk(&walks[i], list);
		}
	}
}

/* Random lists, biased towards headers that nearly make sense, in memory that ends with them. */
static void test_wire_property__random_lists__stays_inside_and_advances(void **state)
{
	struct sim_random rnd = { 3 };
	size_t found = 0, ends[2] = { 0, 0 };

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint8_t bytes[256];
		size_t len = (size_t)sim_random_below(&rnd, sizeof(bytes)), offset = 0, calls = 0;
		struct viommu_wire_property property;
		enum viommu_result r;
		uint8_t *list;

		fill_random(&rnd, bytes, sizeof(bytes));
		for (size_t at = 0; at + 4 <= len && (i & 1) != 0; at += 4 + bytes[at + 2]) {
			bytes[at] = (uint8_t)(1 + sim_random_below(&rnd, 3));
			bytes[at + 1] &= sim_random_below(&rnd, 4) != 0 ? 0 : 0xff;
			bytes[at + 2] = (uint8_t)sim_random_below(&rnd, 32);
			bytes[at + 3] = 0;
		}
		list = exact_copy(bytes, len);
		for (;;) {
			struct viommu_resv_region region;
			size_t before = offset;
			uint8_t sum = 0;

			r = viommu_wire_property_next(list, len, &offset, &property);
			if (r != VIOMMU_OK)
				break;
			calls++;
			assert_true(offset >= before + 4 && offset <= len);
			assert_ptr_equal(property.value, list + before + 4);
			assert_int_equal(property.length, offset - before - 4);
			for (size_t k = 0; k < property.length; k++)
				sum = (uint8_t)(sum + property.value[k]);
			(void)sum;
			found += viommu_wire_resv_mem_decode(&property, &region) == VIOMMU_OK;
		}
		assert_true(r == VIOMMU_E_EMPTY || r == VIOMMU_E_PEER);
		assert_true(calls <= len / 4);
		ends[r == VIOMMU_E_EMPTY]++;
		sim_env_free(list);
	}
	/* The bias works: all three outcomes were there. */
	assert_true(found > 100 && ends[0] > 100 && ends[1] > 100);
}

/* RESV_MEM. */

static const uint8_t msi_property[VIOMMU_WIRE_RESV_MEM_SIZE] = { MSI_PROPERTY };

/* Decodes the one property in `bytes`, which end with it. */
static enum viommu_result resv_decode(const uint8_t *bytes, size_t len, struct viommu_resv_region *out)
{
	uint8_t *list = exact_copy(bytes, len);
	struct viommu_wire_property property;
	enum viommu_result r;
	size_t offset = 0;

	assert_int_equal(viommu_wire_property_next(list, len, &offset, &property), VIOMMU_OK);
	r = viommu_wire_resv_mem_decode(&property, out);
	sim_env_free(list);
	return r;
}

static void assert_resv_decodes(const uint8_t *bytes, size_t len, uint64_t first, uint64_t last, uint8_t subtype)
{
	struct viommu_resv_region out;

	memset(&out, CANARY, sizeof(out));
	assert_int_equal(resv_decode(bytes, len, &out), VIOMMU_OK);
	assert_int_equal(out.range.first, first);
	assert_int_equal(out.range.last, last);
	assert_int_equal(out.subtype, subtype);
}

static void assert_resv_refused(const uint8_t *bytes, size_t len)
{
	struct viommu_resv_region out;

	memset(&out, CANARY, sizeof(out));
	assert_int_equal(resv_decode(bytes, len, &out), VIOMMU_E_PEER);
	assert_all_bytes(&out, CANARY, sizeof(out));
}

/* IOMMU-DEV-PROBE-05, IOMMU-DEV-PROBE-06, IOMMU-DEV-RESV-01 */
static void test_wire_resv_mem__msi_doorbell__golden_bytes(void **state)
{
	static const struct viommu_resv_region doorbell = {
		.range = { 0xfee00000, 0xfeefffff },
		.subtype = VIOMMU_RESV_MEM_MSI,
	};
	uint8_t out[VIOMMU_WIRE_RESV_MEM_SIZE + 8];

	(void)state;
	memset(out, CANARY, sizeof(out));
	viommu_wire_resv_mem_encode(&doorbell, out);
	assert_memory_equal(out, msi_property, sizeof(msi_property));
	assert_all_bytes(out + sizeof(msi_property), CANARY, 8);
	assert_resv_decodes(msi_property, sizeof(msi_property), 0xfee00000, 0xfeefffff, VIOMMU_RESV_MEM_MSI);
}

static void test_wire_resv_mem__every_byte_differs__every_field_at_its_offset(void **state)
{
	static const struct viommu_resv_region region = {
		.range = { 0x8887868584838281, 0x9897969594939291 },
		.subtype = VIOMMU_RESV_MEM_RESERVED,
	};
	static const uint8_t bytes[VIOMMU_WIRE_RESV_MEM_SIZE] = {
		1,    0,    20,   0,    0,    0,    0,    0,    0x81, 0x82, 0x83, 0x84,
		0x85, 0x86, 0x87, 0x88, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
	};
	uint8_t out[VIOMMU_WIRE_RESV_MEM_SIZE];

	(void)state;
	viommu_wire_resv_mem_encode(&region, out);
	assert_memory_equal(out, bytes, sizeof(bytes));
	assert_resv_decodes(bytes, sizeof(bytes), region.range.first, region.range.last, region.subtype);
}

/* IOMMU-DRV-RESV-03 */
static void test_wire_resv_mem__unknown_subtype__reserved(void **state)
{
	(void)state;
	for (unsigned subtype = 0; subtype <= 255; subtype++) {
		uint8_t bytes[VIOMMU_WIRE_RESV_MEM_SIZE] = { MSI_PROPERTY };

		bytes[4] = (uint8_t)subtype;
		assert_resv_decodes(bytes, sizeof(bytes), 0xfee00000, 0xfeefffff,
				    subtype == 1 ? VIOMMU_RESV_MEM_MSI : VIOMMU_RESV_MEM_RESERVED);
	}
}

/* IOMMU-DRV-RESV-02 */
static void test_wire_resv_mem__reserved_bytes_not_zero__ignored(void **state)
{
	(void)state;
	for (size_t at = 5; at <= 7; at++) {
		uint8_t bytes[VIOMMU_WIRE_RESV_MEM_SIZE] = { MSI_PROPERTY };

		bytes[at] = 0xff;
		assert_resv_decodes(bytes, sizeof(bytes), 0xfee00000, 0xfeefffff, VIOMMU_RESV_MEM_MSI);
	}
}

/* IOMMU-DRV-PROBE-05 */
static void test_wire_resv_mem__header_reserved_bit_or_other_type__peer(void **state)
{
	(void)state;
	for (unsigned reserved = 1; reserved <= 15; reserved++) {
		uint8_t bytes[VIOMMU_WIRE_RESV_MEM_SIZE] = { MSI_PROPERTY };

		bytes[1] = (uint8_t)(reserved << 4);
		assert_resv_refused(bytes, sizeof(bytes));
	}
	for (unsigned type = 2; type <= 0xfff; type++) {
		uint8_t bytes[VIOMMU_WIRE_RESV_MEM_SIZE] = { MSI_PROPERTY };

		bytes[0] = (uint8_t)type;
		bytes[1] = (uint8_t)(type >> 8);
		assert_resv_refused(bytes, sizeof(bytes));
	}
}

static void test_wire_resv_mem__too_short__peer_and_value_not_read(void **state)
{
	(void)state;
	for (size_t length = 0; length < 20; length++) {
		uint8_t bytes[VIOMMU_WIRE_RESV_MEM_SIZE] = { MSI_PROPERTY };

		bytes[2] = (uint8_t)length;
		assert_resv_refused(bytes, 4 + length);
	}
}

static void test_wire_resv_mem__longer_than_expected__known_prefix_is_read(void **state)
{
	(void)state;
	for (size_t length = 20; length < 40; length++) {
		uint8_t bytes[64] = { MSI_PROPERTY };

		memset(bytes + 24, 0xff, sizeof(bytes) - 24);
		bytes[2] = (uint8_t)length;
		assert_resv_decodes(bytes, 4 + length, 0xfee00000, 0xfeefffff, VIOMMU_RESV_MEM_MSI);
	}
}

static void test_wire_resv_mem__range_edges__end_before_start_is_peer(void **state)
{
	static const struct {
		uint64_t first;
		uint64_t last;
		bool ok;
	} cases[] = {
		{ 0, 0, true },
		{ 0, UINT64_MAX, true },
		{ UINT64_MAX, UINT64_MAX, true },
		{ 0x1000, 0x1000, true },
		{ 0x1000, 0x0fff, false },
		{ 1, 0, false },
		{ UINT64_MAX, 0, false },
		{ UINT64_MAX, UINT64_MAX - 1, false },
		{ UINT64_C(1) << 32, UINT32_MAX, false },
		{ UINT32_MAX, UINT64_C(1) << 32, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct viommu_resv_region region = { .range = { cases[i].first, cases[i].last } };
		uint8_t bytes[VIOMMU_WIRE_RESV_MEM_SIZE];

		viommu_wire_resv_mem_encode(&region, bytes);
		if (cases[i].ok)
			assert_resv_decodes(bytes, sizeof(bytes), cases[i].first, cases[i].last, 0);
		else
			assert_resv_refused(bytes, sizeof(bytes));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wire_property__list_by_example__found_and_ended),
		cmocka_unit_test(test_wire_property__offset_at_or_behind_the_end__empty),
		cmocka_unit_test(test_wire_property__last_one_truncated_at_every_byte__peer_or_end),
		cmocka_unit_test(test_wire_property__at_every_alignment__same_result),
		cmocka_unit_test(test_wire_property__random_lists__stays_inside_and_advances),
		cmocka_unit_test(test_wire_resv_mem__msi_doorbell__golden_bytes),
		cmocka_unit_test(test_wire_resv_mem__every_byte_differs__every_field_at_its_offset),
		cmocka_unit_test(test_wire_resv_mem__unknown_subtype__reserved),
		cmocka_unit_test(test_wire_resv_mem__reserved_bytes_not_zero__ignored),
		cmocka_unit_test(test_wire_resv_mem__header_reserved_bit_or_other_type__peer),
		cmocka_unit_test(test_wire_resv_mem__too_short__peer_and_value_not_read),
		cmocka_unit_test(test_wire_resv_mem__longer_than_expected__known_prefix_is_read),
		cmocka_unit_test(test_wire_resv_mem__range_edges__end_before_start_is_peer),
	};

	return suite_run(tests);
}
