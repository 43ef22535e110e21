/* SPDX-License-Identifier: BSD-3-Clause */
#include "viot_tables.h"

/* The IOMMU is 00:04.0, the functions of 00:05 are its endpoints 0x28 to 0x2f. Linux 6.12 and 7.3 take these bytes. */
const uint8_t golden[88] = {
	'V', 'I', 'O', 'T', 88, 0, 0, 0, 0, 0xfd, 'V', 'I', 'O', 'M', 'M', 'U', /* Length, revision, sum, OEM */
	'V', 'I', 'O', 'M', 'M', 'U', ' ', ' ', 1, 0, 0, 0, 'T', 'E', 'S', 'T', /* OEM table, its revision, creator */
	1, 0, 0, 0, 2, 0, 48, 0, 0, 0, 0, 0, 0, 0, 0, 0,                        /* its revision, 2 nodes from 48 on */
	3, 0, 16, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0,                     /* segment 0, 00:04.0 */
	1, 0, 24, 0, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x28, 0, 0x2f, 0,               /* ids from 0x28, segment 0, bdfs */
	48, 0, 0, 0, 0, 0, 0, 0,                                                /* output node */
};

const struct viommu_topology_place golden_iommu = AT_PCI(0, 0x20);
const struct viommu_topology_range golden_range = { .endpoint = 0x28, .first = AT_PCI(0, 0x28), .last_bdf = 0x2f };

struct viommu_topology_viot_config golden_config(void)
{
	struct viommu_topology_viot_config config = VIOMMU_TOPOLOGY_VIOT_CONFIG_INIT;

	memcpy(config.oem_id, "VIOMMU", 6);
	memcpy(config.oem_table_id, "VIOMMU  ", 8);
	config.oem_revision = 1;
	memcpy(config.creator_id, "TEST", 4);
	config.creator_revision = 1;
	config.iommus = &golden_iommu;
	config.iommu_count = 1;
	config.ranges = &golden_range;
	config.range_count = 1;
	return config;
}

/* Both buses, two segments, two IOMMUs. */
const struct viommu_topology_place wide_iommus[2] = { AT_MMIO(0x123456789abcdef0), AT_PCI(0x0102, 0x0304) };
const struct viommu_topology_range wide_ranges[3] = {
	{ .iommu = 1,
	  .endpoint = 0x11223344,
	  .first = AT_PCI(0x0102, 0x0304),
	  .last_segment = 0x0105,
	  .last_bdf = 0x0506 },
	{ .iommu = 0, .endpoint = 0x55667788, .first = AT_MMIO(0xfedcba9876543210) },
	{ .iommu = 0, .endpoint = 0, .first = AT_PCI(0, 0), .last_segment = 0, .last_bdf = 0xffff },
};

const uint8_t wide[152] = {
	'V', 'I', 'O', 'T', 152, 0, 0, 0, 0, 0x28, 'a', 'b', 'c', 'd', 'e', 'f', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H',
	0x44, 0x33, 0x22, 0x11, 'w', 'x', 'y', 'z', 0x88, 0x77, 0x66, 0x55, 5, 0, 48, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	4, 0, 16, 0, 0, 0, 0, 0, 0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12, /* 48 */
	3, 0, 16, 0, 0x02, 0x01, 0x04, 0x03, 0, 0, 0, 0, 0, 0, 0, 0,             /* 64 */
	1, 0, 24, 0, 0x44, 0x33, 0x22, 0x11, 0x02, 0x01, 0x05, 0x01, 0x04, 0x03, 0x06, 0x05, 64, 0, 0, 0, 0, 0, 0, 0,
	2, 0, 24, 0, 0x88, 0x77, 0x66, 0x55, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe, 48, 0, 0, 0, 0, 0, 0, 0,
	1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 48, 0, 0, 0, 0, 0, 0, 0,
};

struct viommu_topology_viot_config wide_config(void)
{
	struct viommu_topology_viot_config config = VIOMMU_TOPOLOGY_VIOT_CONFIG_INIT;

	memcpy(config.oem_id, "abcdef", 6);
	memcpy(config.oem_table_id, "ABCDEFGH", 8);
	config.oem_revision = 0x11223344;
	memcpy(config.creator_id, "wxyz", 4);
	config.creator_revision = 0x55667788;
	config.iommus = wide_iommus;
	config.iommu_count = COUNT(wide_iommus);
	config.ranges = wide_ranges;
	config.range_count = COUNT(wide_ranges);
	return config;
}

void mend_sum(uint8_t *table, size_t len)
{
	unsigned sum = 0;

	table[9] = 0;
	for (size_t i = 0; i < len; i++)
		sum += table[i];
	table[9] = (uint8_t)(0x100 - sum % 0x100);
}

void table_finish(struct table *t)
{
	t->bytes[4] = (uint8_t)t->len;
	t->bytes[5] = (uint8_t)(t->len >> 8);
	mend_sum(t->bytes, t->len);
}

struct table table_begin(void)
{
	struct table t = { .bytes = "VIOT", .len = HEADER };

	t.bytes[38] = HEADER;
	table_finish(&t);
	return t;
}

uint16_t table_add(struct table *t, const uint8_t *node, size_t len)
{
	size_t at = t->len;

	assert_true(len <= TABLE_MAX - at);
	memcpy(t->bytes + at, node, len);
	t->len += len;
	t->bytes[36]++;
	table_finish(t);
	return (uint16_t)at;
}

uint16_t add_iommu(struct table *t, uint8_t bdf)
{
	const uint8_t node[16] = { 3, 0, 16, 0, 0, 0, bdf };

	return table_add(t, node, sizeof node);
}

uint16_t add_range(struct table *t, uint8_t first, uint8_t last, uint8_t endpoint, uint16_t output)
{
	const uint8_t node[24] = { [0] = 1, [2] = 24, [4] = endpoint, [12] = first, [14] = last,
				   [16] = (uint8_t)output, (uint8_t)(output >> 8) };

	return table_add(t, node, sizeof node);
}

enum viommu_result judge(const uint8_t *bytes, size_t len, struct viommu_topology_viot *viot)
{
	const uint8_t *copy = exact_copy(bytes, len);
	enum viommu_result result;

	memset(viot, CANARY, sizeof *viot);
	result = viommu_topology_viot_init(viot, copy, len);
	if (result != VIOMMU_OK)
		assert_all_bytes(viot, CANARY, sizeof *viot);
	return result;
}

struct viommu_topology_viot judge_good(const struct table *t)
{
	struct viommu_topology_viot viot;

	assert_int_equal(judge(t->bytes, t->len, &viot), VIOMMU_OK);
	return viot;
}

void assert_bad(const struct table *t)
{
	struct viommu_topology_viot viot;

	assert_int_equal(judge(t->bytes, t->len, &viot), VIOMMU_E_PEER);
}

void assert_place(const struct viommu_topology_place *is, const struct viommu_topology_place *want)
{
	assert_int_equal(is->bus, want->bus);
	assert_int_equal(is->segment, want->segment);
	assert_int_equal(is->bdf, want->bdf);
	assert_int_equal(is->base, want->base);
}

void assert_range(const struct viommu_topology_range *is, const struct viommu_topology_range *want)
{
	assert_int_equal(is->iommu, want->iommu);
	assert_int_equal(is->endpoint, want->endpoint);
	assert_place(&is->first, &want->first);
	assert_int_equal(is->last_segment, want->last_segment);
	assert_int_equal(is->last_bdf, want->last_bdf);
}

void assert_endpoint(const struct viommu_topology_viot *viot, struct viommu_topology_place device, uint32_t want_iommu,
		     uint32_t want_endpoint)
{
	uint32_t iommu = 0xaaaaaaaa, endpoint = 0xaaaaaaaa;

	assert_int_equal(viommu_topology_viot_endpoint(viot, &device, &iommu, &endpoint), VIOMMU_OK);
	assert_int_equal(iommu, want_iommu);
	assert_int_equal(endpoint, want_endpoint);
}

void assert_no_endpoint(const struct viommu_topology_viot *viot, struct viommu_topology_place device)
{
	uint32_t iommu = 0xaaaaaaaa, endpoint = 0xaaaaaaaa;

	assert_int_equal(viommu_topology_viot_endpoint(viot, &device, &iommu, &endpoint), VIOMMU_E_NOENT);
	assert_int_equal(iommu, 0xaaaaaaaa);
	assert_int_equal(endpoint, 0xaaaaaaaa);
}

void assert_device(const struct viommu_topology_viot *viot, uint32_t iommu, uint32_t endpoint,
		   struct viommu_topology_place want)
{
	struct viommu_topology_place device;

	memset(&device, CANARY, sizeof device);
	assert_int_equal(viommu_topology_viot_device(viot, iommu, endpoint, &device), VIOMMU_OK);
	assert_place(&device, &want);
}

void assert_no_device(const struct viommu_topology_viot *viot, uint32_t iommu, uint32_t endpoint)
{
	struct viommu_topology_place device;

	memset(&device, CANARY, sizeof device);
	assert_int_equal(viommu_topology_viot_device(viot, iommu, endpoint, &device), VIOMMU_E_NOENT);
	assert_all_bytes(&device, CANARY, sizeof device);
}

struct viommu_topology_place pci(uint16_t segment, uint16_t bdf)
{
	return (struct viommu_topology_place)AT_PCI(segment, bdf);
}

struct viommu_topology_place mmio(uint64_t base)
{
	return (struct viommu_topology_place)AT_MMIO(base);
}
