/* SPDX-License-Identifier: BSD-3-Clause */
/* test_topology_viot.c: the ACPI table VIOT, judged and read. */
#include "suite.h"
#include "viot_tables.h"

/* Reading. */

static void test_init__golden_bytes__one_iommu_one_range(void **state)
{
	struct viommu_topology_viot viot;
	struct viommu_topology_place iommu;
	struct viommu_topology_range range;
	uint32_t offset = 0;

	(void)state;
	assert_int_equal(judge(golden, sizeof golden, &viot), VIOMMU_OK);
	assert_int_equal(viommu_topology_viot_iommu(&viot, 0, &iommu), VIOMMU_OK);
	assert_place(&iommu, &golden_iommu);
	assert_int_equal(viommu_topology_viot_iommu(&viot, 1, &iommu), VIOMMU_E_NOENT);
	assert_int_equal(viommu_topology_viot_iommu(&viot, UINT32_MAX, &iommu), VIOMMU_E_NOENT);
	assert_int_equal(viommu_topology_viot_next(&viot, &offset, &range), VIOMMU_OK);
	assert_range(&range, &golden_range);
	assert_int_equal(viommu_topology_viot_next(&viot, &offset, &range), VIOMMU_E_EMPTY);
	assert_int_equal(viommu_topology_viot_next(&viot, &offset, &range), VIOMMU_E_EMPTY);
	offset = UINT32_MAX;
	assert_int_equal(viommu_topology_viot_next(&viot, &offset, &range), VIOMMU_E_EMPTY);
}

static void test_init__all_kinds_of_nodes__what_was_written(void **state)
{
	struct viommu_topology_viot viot;
	struct viommu_topology_place iommu;
	struct viommu_topology_range range;
	uint32_t offset = 0;

	(void)state;
	assert_int_equal(judge(wide, sizeof wide, &viot), VIOMMU_OK);
	for (uint32_t i = 0; i < COUNT(wide_iommus); i++) {
		assert_int_equal(viommu_topology_viot_iommu(&viot, i, &iommu), VIOMMU_OK);
		assert_place(&iommu, &wide_iommus[i]);
	}
	for (uint32_t i = 0; i < COUNT(wide_ranges); i++) {
		assert_int_equal(viommu_topology_viot_next(&viot, &offset, &range), VIOMMU_OK);
		assert_range(&range, &wide_ranges[i]);
	}
	assert_int_equal(viommu_topology_viot_next(&viot, &offset, &range), VIOMMU_E_EMPTY);
}

static void test_init__each_truncation__refused(void **state)
{
	struct viommu_topology_viot viot;

	(void)state;
	for (size_t len = 0; len < sizeof golden; len++)
		assert_int_equal(judge(golden, len, &viot), VIOMMU_E_PEER);
}

/* The table says so itself: shorter, with a sum that is right. */
static void test_init__each_shorter_length__refused(void **state)
{
	struct viommu_topology_viot viot;
	uint8_t bytes[sizeof golden];

	(void)state;
	memcpy(bytes, golden, sizeof golden);
	for (uint8_t len = 0; len < sizeof golden; len++) {
		bytes[4] = len;
		mend_sum(bytes, len > 9 ? len : sizeof golden);
		assert_int_equal(judge(bytes, len, &viot), VIOMMU_E_PEER);
		assert_int_equal(judge(bytes, sizeof golden, &viot), VIOMMU_E_PEER);
	}
}

static void test_init__bytes_behind_the_table__ignored(void **state)
{
	struct viommu_topology_viot viot;
	uint8_t bytes[sizeof golden + 5];

	(void)state;
	memcpy(bytes, golden, sizeof golden);
	memset(bytes + sizeof golden, CANARY, 5);
	assert_int_equal(judge(bytes, sizeof bytes, &viot), VIOMMU_OK);
	assert_endpoint(&viot, pci(0, 0x28), 0, 0x28);
}

static void test_init__header__each_wrong_field_is_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} wrong[] = {
		{ 0, 'v' },  { 3, 'U' },  { 4, 89 },   { 5, 1 },    { 7, 0x80 }, /* signature, Length */
		{ 36, 3 },   { 37, 1 },                                          /* count */
		{ 38, 0 },   { 38, 47 },  { 38, 49 },  { 38, 89 },  { 39, 1 },   /* node offset */
		{ 48, 1 },   { 50, 3 },   { 50, 15 },  { 50, 17 },  { 51, 1 },   /* the IOMMU's type and length */
		{ 50, 0 },   { 66, 23 },  { 66, 25 },                            /* the range's length */
		{ 76, 0x30 }, { 72, 1 },                                         /* first above last */
		{ 80, 0 },   { 80, 47 },  { 80, 49 },  { 80, 64 },  { 80, 88 },  { 81, 1 }, /* output node */
	};
	struct viommu_topology_viot viot;

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		uint8_t bytes[sizeof golden];

		memcpy(bytes, golden, sizeof golden);
		bytes[wrong[i].at] = wrong[i].value;
		mend_sum(bytes, sizeof golden);
		if (judge(bytes, sizeof bytes, &viot) != VIOMMU_E_PEER)
			fail_msg("byte %zu as %u was taken", wrong[i].at, wrong[i].value);
	}
}

static void test_init__sum_is_not_0__refused(void **state)
{
	struct viommu_topology_viot viot;
	uint8_t bytes[sizeof golden];

	(void)state;
	for (unsigned more = 1; more < 0x100; more++) {
		memcpy(bytes, golden, sizeof golden);
		bytes[9] = (uint8_t)(bytes[9] + more);
		assert_int_equal(judge(bytes, sizeof bytes, &viot), VIOMMU_E_PEER);
	}
}

static void test_init__what_is_reserved_or_new__ignored(void **state)
{
	static const uint8_t at[] = { 8, 40, 47, 49, 56, 63, 65, 82, 87 };
	struct viommu_topology_viot viot;
	uint8_t bytes[sizeof golden];

	(void)state;
	memcpy(bytes, golden, sizeof golden);
	for (size_t i = 0; i < COUNT(at); i++)
		bytes[at[i]] = 0xff;
	mend_sum(bytes, sizeof golden);
	assert_int_equal(judge(bytes, sizeof bytes, &viot), VIOMMU_OK);
	assert_endpoint(&viot, pci(0, 0x2f), 0, 0x2f);
	assert_device(&viot, 0, 0x2f, pci(0, 0x2f));
}

static void test_init__ids_beyond_32_bits__refused(void **state)
{
	struct table t = table_begin();
	uint16_t iommu = add_iommu(&t, 8);
	uint16_t at = add_range(&t, 0, 3, 0xfc, iommu);

	(void)state;
	memset(t.bytes + at + 5, 0xff, 3);
	table_finish(&t);
	(void)judge_good(&t);
	t.bytes[at + 14] = 4;
	table_finish(&t);
	assert_bad(&t);
}

static void test_init__longer_nodes__the_known_part_counts(void **state)
{
	const uint8_t iommu[19] = { 3, 0, 19, 0, 0, 0, 8, 0, [16] = 0xff, 0xff, 0xff };
	const uint8_t range[25] = { [0] = 1, [2] = 25, [4] = 40, [12] = 16, [14] = 17, [16] = HEADER, [24] = 0xff };
	struct table t = table_begin();
	struct viommu_topology_viot viot;

	(void)state;
	assert_int_equal(table_add(&t, iommu, sizeof iommu), HEADER);
	(void)table_add(&t, range, sizeof range);
	viot = judge_good(&t);
	assert_endpoint(&viot, pci(0, 17), 0, 41);
}

static void test_init__nodes_elsewhere__node_offset_counts(void **state)
{
	struct table t = table_begin();
	struct viommu_topology_viot viot;
	uint16_t iommu;

	(void)state;
	memset(t.bytes + t.len, CANARY, 3);
	t.len += 3;
	t.bytes[38] = (uint8_t)t.len;
	iommu = add_iommu(&t, 8);
	(void)add_range(&t, 16, 17, 40, iommu);
	viot = judge_good(&t);
	assert_endpoint(&viot, pci(0, 17), 0, 41);
}

static void test_init__more_nodes_than_are_counted__ignored(void **state)
{
	struct table t = table_begin();
	struct viommu_topology_viot viot;
	uint16_t iommu = add_iommu(&t, 8);

	(void)state;
	(void)add_range(&t, 16, 17, 40, iommu);
	(void)add_range(&t, 32, 33, 50, 1); /* would be wrong */
	t.bytes[36]--;
	table_finish(&t);
	viot = judge_good(&t);
	assert_endpoint(&viot, pci(0, 17), 0, 41);
	assert_no_endpoint(&viot, pci(0, 32));
}

static void test_init__unknown_types__skipped(void **state)
{
	static const uint8_t unknown[][7] = { { 0, 0, 4 }, { 5, 0, 7, 0, 1, 2, 3 }, { 0xff, 0, 5 } };
	struct table t = table_begin();
	struct viommu_topology_viot viot;
	struct viommu_topology_place place;
	uint16_t iommu;

	(void)state;
	for (size_t i = 0; i < COUNT(unknown); i++)
		(void)table_add(&t, unknown[i], unknown[i][2]);
	(void)add_iommu(&t, 1);
	(void)table_add(&t, unknown[0], 4);
	iommu = add_iommu(&t, 8);
	(void)add_range(&t, 16, 17, 40, iommu);
	(void)table_add(&t, unknown[1], 7);
	viot = judge_good(&t);
	assert_endpoint(&viot, pci(0, 17), 1, 41);
	assert_int_equal(viommu_topology_viot_iommu(&viot, 1, &place), VIOMMU_OK);
	assert_int_equal(place.bdf, 8);
	assert_int_equal(viommu_topology_viot_iommu(&viot, 2, &place), VIOMMU_E_NOENT);
}

static void test_init__unknown_type_without_room_for_a_length__refused(void **state)
{
	static const uint8_t unknown[4] = { 9, 0, 4, 0 };
	struct table t = table_begin();

	(void)state;
	(void)table_add(&t, unknown, 4);
	(void)judge_good(&t);
	t.bytes[HEADER + 2] = 3;
	table_finish(&t);
	assert_bad(&t);
	t.len--; /* fewer than 4 bytes left */
	table_finish(&t);
	assert_bad(&t);
}

/* A type of IOMMU that is not known yet must not make the others unusable. */
static void test_init__range_of_an_unknown_node__skipped(void **state)
{
	static const uint8_t unknown[4] = { 9, 0, 4, 0 };
	struct table t = table_begin();
	struct viommu_topology_viot viot;
	struct viommu_topology_range range;
	uint32_t offset = 0;
	uint16_t at = table_add(&t, unknown, 4);
	uint16_t iommu = add_iommu(&t, 8);

	(void)state;
	(void)add_range(&t, 16, 17, 40, at);
	(void)add_range(&t, 17, 19, 50, iommu);
	viot = judge_good(&t);
	assert_no_endpoint(&viot, pci(0, 16));
	assert_endpoint(&viot, pci(0, 17), 0, 50);
	assert_no_device(&viot, 0, 40);
	assert_int_equal(viommu_topology_viot_next(&viot, &offset, &range), VIOMMU_OK);
	assert_int_equal(range.first.bdf, 17);
	assert_int_equal(viommu_topology_viot_next(&viot, &offset, &range), VIOMMU_E_EMPTY);
}

static void test_init__output_node_behind_the_range__found(void **state)
{
	struct table t = table_begin();
	struct viommu_topology_viot viot;

	(void)state;
	(void)add_range(&t, 16, 17, 40, HEADER + 24);
	(void)add_iommu(&t, 8);
	viot = judge_good(&t);
	assert_endpoint(&viot, pci(0, 17), 0, 41);
}

static void test_init__nodes_in_the_header__refused(void **state)
{
	struct table t = table_begin();
	uint16_t iommu = add_iommu(&t, 8);

	(void)state;
	(void)add_range(&t, 16, 17, 40, iommu);
	t.bytes[40] = 9; /* an unknown node that ends where the header does */
	t.bytes[42] = 8;
	t.bytes[36]++;
	t.bytes[38] = 40;
	table_finish(&t);
	assert_bad(&t);
}

static void test_init__output_node_between_two_iommus__refused(void **state)
{
	struct table t = table_begin();
	uint16_t first = add_iommu(&t, 8);
	uint16_t second = add_iommu(&t, 9);
	uint16_t range = add_range(&t, 16, 17, 40, first);

	(void)state;
	for (uint16_t at = HEADER - 1; at <= second + 1; at++) {
		struct viommu_topology_viot viot;

		t.bytes[range + 16] = (uint8_t)at;
		table_finish(&t);
		assert_int_equal(judge(t.bytes, t.len, &viot),
				 at == first || at == second ? VIOMMU_OK : VIOMMU_E_PEER);
	}
}

static void test_init__output_node_is_a_range__refused(void **state)
{
	struct table t = table_begin();

	(void)state;
	(void)add_iommu(&t, 8);
	(void)add_range(&t, 16, 17, 40, HEADER + 16);
	assert_bad(&t);
}

/* Each byte in each of its values, with the sum as it is and mended: a table or none, and no read outside of it. */
static void test_init__each_byte_in_each_value__table_or_refused(void **state)
{
	uint8_t *bytes = malloc(sizeof golden);
	unsigned taken = 0;

	(void)state;
	assert_non_null(bytes);
	for (unsigned run = 0; run < 2 * sizeof golden * 0x100; run++) {
		bool mended = run % 2 != 0;
		size_t at = run / 2 / 0x100;
		struct viommu_topology_viot viot;
		struct viommu_topology_range range;
		struct viommu_topology_place place = pci(0, 0x28);
		uint32_t offset = 0, iommu, endpoint;
		enum viommu_result result;

		memcpy(bytes, golden, sizeof golden);
		bytes[at] = (uint8_t)(run / 2);
		if (mended)
			mend_sum(bytes, sizeof golden);
		result = viommu_topology_viot_init(&viot, bytes, sizeof golden);
		if (result != VIOMMU_OK) {
			assert_int_equal(result, VIOMMU_E_PEER);
			assert_true(mended || bytes[at] != golden[at]);
			continue;
		}
		taken++;
		/* Without mending only the byte that was there before has the right sum. */
		assert_true(mended || bytes[at] == golden[at]);
		while ((result = viommu_topology_viot_next(&viot, &offset, &range)) == VIOMMU_OK)
			assert_int_equal(range.iommu, 0);
		assert_int_equal(result, VIOMMU_E_EMPTY);
		result = viommu_topology_viot_endpoint(&viot, &place, &iommu, &endpoint);
		assert_true(result == VIOMMU_OK || result == VIOMMU_E_NOENT);
		if (result == VIOMMU_OK)
			assert_int_equal(viommu_topology_viot_device(&viot, iommu, endpoint, &place), VIOMMU_OK);
		result = viommu_topology_viot_iommu(&viot, 0, &place);
		assert_true(result == VIOMMU_OK || result == VIOMMU_E_NOENT);
	}
	/* Each byte once as it was, and more than 10,000 with another value and a sum that fits. */
	assert_true(taken > 88 + 10000);
	free(bytes);
}

/* Should the bytes change after they were judged, then nothing is read outside of them, and no walk goes on. */
static void test_viot__bytes_change_after_init__peer(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		enum viommu_result iommu, next, endpoint, device;
	} changes[] = {
		{ 50, 0, VIOMMU_E_PEER, VIOMMU_E_PEER, VIOMMU_E_PEER, VIOMMU_E_PEER },      /* the IOMMU's length */
		{ 51, 0xff, VIOMMU_E_PEER, VIOMMU_E_PEER, VIOMMU_E_PEER, VIOMMU_E_PEER },
		{ 66, 0xff, VIOMMU_E_PEER, VIOMMU_E_PEER, VIOMMU_E_PEER, VIOMMU_E_PEER },  /* the range's */
		{ 50, 40, VIOMMU_E_NOENT, VIOMMU_E_EMPTY, VIOMMU_E_NOENT, VIOMMU_E_NOENT }, /* one node in all */
		{ 80, 88, VIOMMU_E_NOENT, VIOMMU_E_PEER, VIOMMU_E_PEER, VIOMMU_E_PEER },    /* output node */
		{ 80, 89, VIOMMU_E_NOENT, VIOMMU_E_PEER, VIOMMU_E_PEER, VIOMMU_E_PEER },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(changes); i++) {
		uint8_t *bytes = exact_copy(golden, sizeof golden);
		struct viommu_topology_viot viot;
		struct viommu_topology_place place = pci(0, 0x28), found;
		struct viommu_topology_range range;
		uint32_t offset = 0, iommu, endpoint;

		assert_int_equal(viommu_topology_viot_init(&viot, bytes, sizeof golden), VIOMMU_OK);
		bytes[changes[i].at] = changes[i].value;
		memset(&range, CANARY, sizeof range);
		memset(&found, CANARY, sizeof found);
		assert_int_equal(viommu_topology_viot_iommu(&viot, 1, &found), changes[i].iommu);
		assert_int_equal(viommu_topology_viot_next(&viot, &offset, &range), changes[i].next);
		assert_int_equal(viommu_topology_viot_endpoint(&viot, &place, &iommu, &endpoint), changes[i].endpoint);
		assert_int_equal(viommu_topology_viot_device(&viot, 0, 0x28, &found), changes[i].device);
		assert_int_equal(offset, 0);
		assert_all_bytes(&range, CANARY, sizeof range);
		assert_all_bytes(&found, CANARY, sizeof found);
	}
}

/* The same for a walk that is already behind the node which is changed. */
static void test_next__iommu_changes_during_the_walk__peer(void **state)
{
	struct table t = table_begin();
	struct viommu_topology_viot viot;
	struct viommu_topology_range range;
	uint32_t offset = 0, before;
	uint16_t iommu = add_iommu(&t, 8);

	(void)state;
	(void)add_range(&t, 16, 17, 40, iommu);
	(void)add_range(&t, 18, 19, 50, iommu);
	assert_int_equal(viommu_topology_viot_init(&viot, t.bytes, t.len), VIOMMU_OK);
	assert_int_equal(viommu_topology_viot_next(&viot, &offset, &range), VIOMMU_OK);
	before = offset;
	t.bytes[iommu + 2] = 0;
	assert_int_equal(viommu_topology_viot_next(&viot, &offset, &range), VIOMMU_E_PEER);
	assert_int_equal(offset, before);
	assert_int_equal(range.endpoint, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init__golden_bytes__one_iommu_one_range),
		cmocka_unit_test(test_init__all_kinds_of_nodes__what_was_written),
		cmocka_unit_test(test_init__each_truncation__refused),
		cmocka_unit_test(test_init__each_shorter_length__refused),
		cmocka_unit_test(test_init__bytes_behind_the_table__ignored),
		cmocka_unit_test(test_init__header__each_wrong_field_is_refused),
		cmocka_unit_test(test_init__sum_is_not_0__refused),
		cmocka_unit_test(test_init__what_is_reserved_or_new__ignored),
		cmocka_unit_test(test_init__ids_beyond_32_bits__refused),
		cmocka_unit_test(test_init__longer_nodes__the_known_part_counts),
		cmocka_unit_test(test_init__nodes_elsewhere__node_offset_counts),
		cmocka_unit_test(test_init__more_nodes_than_are_counted__ignored),
		cmocka_unit_test(test_init__unknown_types__skipped),
		cmocka_unit_test(test_init__unknown_type_without_room_for_a_length__refused),
		cmocka_unit_test(test_init__range_of_an_unknown_node__skipped),
		cmocka_unit_test(test_init__output_node_behind_the_range__found),
		cmocka_unit_test(test_init__nodes_in_the_header__refused),
		cmocka_unit_test(test_init__output_node_between_two_iommus__refused),
		cmocka_unit_test(test_init__output_node_is_a_range__refused),
		cmocka_unit_test(test_init__each_byte_in_each_value__table_or_refused),
		cmocka_unit_test(test_viot__bytes_change_after_init__peer),
		cmocka_unit_test(test_next__iommu_changes_during_the_walk__peer),
	};

	return suite_run(tests);
}
