/* SPDX-License-Identifier: BSD-3-Clause */
/* test_topology_encode.c: the ACPI table VIOT, written. */
#include "suite.h"
#include "viot_tables.h"

/* Bus, device and function. */

static void test_bdf__parts__packed_and_unpacked(void **state)
{
	(void)state;
	assert_int_equal(viommu_topology_bdf(0, 4, 0), 0x20);
	assert_int_equal(viommu_topology_bdf(0x12, 0x1f, 7), 0x12ff);
	assert_int_equal(viommu_topology_bdf(0xff, 0xff, 0xff), 0xffff);
	assert_int_equal(viommu_topology_bdf(1, 0x20, 8), 0x100);
	for (uint32_t bdf = 0; bdf <= 0xffff; bdf++) {
		uint8_t bus = viommu_topology_bdf_bus((uint16_t)bdf);
		uint8_t device = viommu_topology_bdf_device((uint16_t)bdf);
		uint8_t function = viommu_topology_bdf_function((uint16_t)bdf);

		assert_true(device < 32 && function < 8);
		assert_int_equal(bus * 256 + device * 8 + function, bdf);
		assert_int_equal(viommu_topology_bdf(bus, device, function), bdf);
	}
}

/* Encoding. */

static void test_encode__one_iommu_one_range__golden_bytes(void **state)
{
	struct viommu_topology_viot_config config = golden_config();
	uint8_t out[sizeof golden + 2];

	(void)state;
	assert_int_equal(VIOMMU_TOPOLOGY_VIOT_SIZE(1, 1), sizeof golden);
	memset(out, CANARY, sizeof out);
	assert_int_equal(viommu_topology_viot_encode(&config, out + 1, sizeof golden), VIOMMU_OK);
	assert_memory_equal(out + 1, golden, sizeof golden);
	assert_int_equal(out[0], CANARY);
	assert_int_equal(out[sizeof out - 1], CANARY);
}

static void test_encode__all_kinds_of_nodes__bytes_as_written_by_hand(void **state)
{
	struct viommu_topology_viot_config config = wide_config();
	uint8_t out[sizeof wide + 8];

	(void)state;
	memset(out, CANARY, sizeof out);
	assert_int_equal(viommu_topology_viot_encode(&config, out, sizeof out), VIOMMU_OK);
	assert_memory_equal(out, wide, sizeof wide);
	assert_all_bytes(out + sizeof wide, CANARY, 8);
}

static void test_encode__nothing__a_header(void **state)
{
	struct viommu_topology_viot_config config = VIOMMU_TOPOLOGY_VIOT_CONFIG_INIT;
	struct viommu_topology_viot viot;
	struct viommu_topology_place place;
	struct viommu_topology_range range;
	uint32_t offset = 0;
	uint8_t out[HEADER];

	(void)state;
	assert_int_equal(viommu_topology_viot_encode(&config, out, sizeof out), VIOMMU_OK);
	assert_int_equal(viommu_topology_viot_init(&viot, out, sizeof out), VIOMMU_OK);
	assert_int_equal(viommu_topology_viot_iommu(&viot, 0, &place), VIOMMU_E_NOENT);
	assert_int_equal(viommu_topology_viot_next(&viot, &offset, &range), VIOMMU_E_EMPTY);
}

static void test_encode__each_cap_that_is_too_small__nomem_and_nothing_written(void **state)
{
	struct viommu_topology_viot_config config = golden_config();
	uint8_t out[sizeof golden];

	(void)state;
	memset(out, CANARY, sizeof out);
	for (size_t cap = 0; cap < sizeof golden; cap++)
		assert_int_equal(viommu_topology_viot_encode(&config, out, cap), VIOMMU_E_NOMEM);
	assert_all_bytes(out, CANARY, sizeof out);
	assert_int_equal(viommu_topology_viot_encode(&config, NULL, 0), VIOMMU_E_NOMEM);
}

static void test_encode__unknown_struct_size__abi(void **state)
{
	struct viommu_topology_viot_config config = golden_config();
	uint8_t out[sizeof golden];

	(void)state;
	config.size--;
	assert_int_equal(viommu_topology_viot_encode(&config, out, sizeof out), VIOMMU_E_ABI);
}

/* A description with up to two of each, and whether it is one. */
struct description {
	const char *what;
	enum viommu_result result;
	uint32_t iommu_count, range_count;
	struct viommu_topology_place iommus[2];
	struct viommu_topology_range ranges[2];
};

#define RANGE(id, s, f, l) { .endpoint = (id), .first = AT_PCI(s, f), .last_segment = (s), .last_bdf = (l) }
#define SEGMENTS(id, s, t, f, l) { .endpoint = (id), .first = AT_PCI(s, f), .last_segment = (t), .last_bdf = (l) }
#define ONE(id, address) { .endpoint = (id), .first = AT_MMIO(address) }
#define ANY_IOMMU { AT_PCI(0, 1) }

static const struct description descriptions[] = {
	{ "unknown bus of an IOMMU", VIOMMU_E_ARG, 1, 0, { { .bus = (enum viommu_topology_bus)2 } }, { { 0 } } },
	{ "two PCI functions", VIOMMU_OK, 2, 0, { AT_PCI(0, 1), AT_PCI(0, 2) }, { { 0 } } },
	{ "two segments", VIOMMU_OK, 2, 0, { AT_PCI(0, 1), AT_PCI(1, 1) }, { { 0 } } },
	{ "the same PCI function", VIOMMU_E_ARG, 2, 0, { AT_PCI(1, 1), AT_PCI(1, 1) }, { { 0 } } },
	{ "two bases", VIOMMU_OK, 2, 0, { AT_MMIO(0x1000), AT_MMIO(0x2000) }, { { 0 } } },
	{ "the same base", VIOMMU_E_ARG, 2, 0, { AT_MMIO(0x1000), AT_MMIO(0x1000) }, { { 0 } } },
	{ "two buses", VIOMMU_OK, 2, 0, { AT_MMIO(0), AT_PCI(0, 0) }, { { 0 } } },

	{ "range without IOMMU", VIOMMU_E_ARG, 0, 1, { AT_PCI(0, 1) }, { RANGE(0, 0, 8, 8) } },
	{ "range with IOMMU 1 of 1", VIOMMU_E_ARG, 1, 1, ANY_IOMMU, { { .iommu = 1, .first = AT_PCI(0, 0) } } },
	{ "unknown bus of a range", VIOMMU_E_ARG, 1, 1, ANY_IOMMU, { { .first.bus = (enum viommu_topology_bus)2 } } },
	{ "bdfs upside down", VIOMMU_E_ARG, 1, 1, ANY_IOMMU, { RANGE(0, 0, 9, 8) } },
	{ "segments upside down", VIOMMU_E_ARG, 1, 1, ANY_IOMMU, { SEGMENTS(0, 1, 0, 8, 9) } },
	{ "ids up to the last one", VIOMMU_OK, 1, 1, ANY_IOMMU, { RANGE(0xfffffff8, 0, 8, 15) } },
	{ "ids beyond the last one", VIOMMU_E_ARG, 1, 1, ANY_IOMMU, { RANGE(0xfffffff9, 0, 8, 15) } },
	{ "everything", VIOMMU_OK, 1, 1, ANY_IOMMU, { SEGMENTS(0, 0, 0xffff, 0, 0xffff) } },
	{ "everything and one", VIOMMU_E_ARG, 1, 1, ANY_IOMMU, { SEGMENTS(1, 0, 0xffff, 0, 0xffff) } },
	{ "last id of a segment", VIOMMU_OK, 1, 1, ANY_IOMMU, { SEGMENTS(0xfffefffe, 0, 1, 8, 9) } },
	{ "beyond it", VIOMMU_E_ARG, 1, 1, ANY_IOMMU, { SEGMENTS(0xffff0000, 0, 1, 8, 9) } },
	{ "MMIO with the last id", VIOMMU_OK, 1, 1, ANY_IOMMU, { ONE(0xffffffff, 1) } },

	{ "ranges side by side", VIOMMU_OK, 1, 2, ANY_IOMMU, { RANGE(0, 0, 8, 15), RANGE(8, 0, 16, 23) } },
	{ "the other way round", VIOMMU_OK, 1, 2, ANY_IOMMU, { RANGE(8, 0, 16, 23), RANGE(0, 0, 8, 15) } },
	{ "a function in common", VIOMMU_E_ARG, 1, 2, ANY_IOMMU, { RANGE(0, 0, 8, 16), RANGE(20, 0, 16, 23) } },
	{ "a range in a range", VIOMMU_E_ARG, 1, 2, ANY_IOMMU, { RANGE(0, 0, 9, 9), RANGE(20, 0, 8, 23) } },
	{ "other segments", VIOMMU_OK, 1, 2, ANY_IOMMU, { RANGE(0, 0, 8, 15), RANGE(20, 1, 8, 15) } },
	{ "other segments before", VIOMMU_OK, 1, 2, ANY_IOMMU, { RANGE(0, 1, 8, 15), RANGE(20, 0, 8, 15) } },
	{ "a segment in common", VIOMMU_E_ARG, 1, 2, ANY_IOMMU, { SEGMENTS(0, 0, 2, 8, 8), RANGE(0, 2, 8, 8) } },
	{ "ids in common", VIOMMU_OK, 1, 2, ANY_IOMMU, { RANGE(0, 0, 8, 15), RANGE(0, 0, 16, 23) } },
	{ "PCI and MMIO", VIOMMU_OK, 1, 2, ANY_IOMMU, { RANGE(0, 0, 0, 15), ONE(20, 0) } },
	{ "MMIO and PCI", VIOMMU_OK, 1, 2, ANY_IOMMU, { ONE(20, 0), RANGE(0, 0, 0, 15) } },
	{ "MMIO twice", VIOMMU_OK, 1, 2, ANY_IOMMU, { ONE(20, 0x1000), ONE(21, 0x2000) } },
	{ "the same MMIO twice", VIOMMU_E_ARG, 1, 2, ANY_IOMMU, { ONE(20, 0x1000), ONE(21, 0x1000) } },
	{ "the IOMMU in the range", VIOMMU_OK, 1, 1, ANY_IOMMU, { RANGE(0, 0, 0, 15) } },
};

static void test_encode__descriptions__good_ones_and_no_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(descriptions); i++) {
		const struct description *d = &descriptions[i];
		struct viommu_topology_viot_config config = VIOMMU_TOPOLOGY_VIOT_CONFIG_INIT;
		struct viommu_topology_viot viot;
		size_t len = VIOMMU_TOPOLOGY_VIOT_SIZE(d->iommu_count, d->range_count);
		uint8_t out[TABLE_MAX];
		enum viommu_result result;

		config.iommus = d->iommus;
		config.iommu_count = d->iommu_count;
		config.ranges = d->ranges;
		config.range_count = d->range_count;
		memset(out, CANARY, sizeof out);
		result = viommu_topology_viot_encode(&config, out, sizeof out);
		if (result != d->result)
			fail_msg("%s: %d", d->what, result);
		if (result != VIOMMU_OK)
			assert_all_bytes(out, CANARY, sizeof out);
		else
			assert_int_equal(judge(out, len, &viot), VIOMMU_OK);
	}
}

/* Each IOMMU has to be within the reach of 16 bits. */
static void test_encode__most_iommus__the_last_one_can_be_named(void **state)
{
	uint32_t count = VIOMMU_TOPOLOGY_VIOT_IOMMUS_MAX;
	struct viommu_topology_place *iommus = calloc(count + 1, sizeof *iommus);
	struct viommu_topology_range range = { .iommu = count - 1, .endpoint = 7, .first = AT_MMIO(0x1000) };
	struct viommu_topology_viot_config config = VIOMMU_TOPOLOGY_VIOT_CONFIG_INIT;
	struct viommu_topology_viot viot;
	size_t len = VIOMMU_TOPOLOGY_VIOT_SIZE(count, 1);
	uint8_t *out = malloc(len);

	(void)state;
	assert_non_null(iommus);
	assert_non_null(out);
	for (uint32_t i = 0; i <= count; i++)
		iommus[i].bdf = (uint16_t)i;
	config.iommus = iommus;
	config.iommu_count = count;
	config.ranges = &range;
	config.range_count = 1;
	assert_int_equal(viommu_topology_viot_encode(&config, out, len), VIOMMU_OK);
	assert_int_equal(viommu_topology_viot_init(&viot, out, len), VIOMMU_OK);
	assert_endpoint(&viot, mmio(0x1000), count - 1, 7);
	config.iommu_count = count + 1;
	assert_int_equal(viommu_topology_viot_encode(&config, out, len), VIOMMU_E_ARG);
	free(out);
	free(iommus);
}

static void test_encode__more_nodes_than_can_be_counted__arg(void **state)
{
	struct viommu_topology_viot_config config = golden_config();
	uint8_t out[sizeof golden];

	(void)state;
	config.range_count = VIOMMU_TOPOLOGY_VIOT_NODES_MAX; /* refused before the first one is looked at */
	config.ranges = NULL;
	assert_int_equal(viommu_topology_viot_encode(&config, out, sizeof out), VIOMMU_E_ARG);
	config.range_count = UINT32_MAX;
	assert_int_equal(viommu_topology_viot_encode(&config, out, sizeof out), VIOMMU_E_ARG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bdf__parts__packed_and_unpacked),
		cmocka_unit_test(test_encode__one_iommu_one_range__golden_bytes),
		cmocka_unit_test(test_encode__all_kinds_of_nodes__bytes_as_written_by_hand),
		cmocka_unit_test(test_encode__nothing__a_header),
		cmocka_unit_test(test_encode__each_cap_that_is_too_small__nomem_and_nothing_written),
		cmocka_unit_test(test_encode__unknown_struct_size__abi),
		cmocka_unit_test(test_encode__descriptions__good_ones_and_no_others),
		cmocka_unit_test(test_encode__most_iommus__the_last_one_can_be_named),
		cmocka_unit_test(test_encode__more_nodes_than_can_be_counted__arg),
	};

	return suite_run(tests);
}
