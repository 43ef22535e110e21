/* SPDX-License-Identifier: BSD-3-Clause */
/* viot_encode.c: writes a VIOT. */
#include "viot.h"

#include "../bytes.h"
#include "../internal.h"

#define VIOT_REVISION 0

static bool bus_is_known(enum viommu_topology_bus bus)
{
	return bus == VIOMMU_TOPOLOGY_PCI || bus == VIOMMU_TOPOLOGY_MMIO;
}

static bool iommus_are_good(const struct viommu_topology_viot_config *c)
{
	for (uint32_t i = 0; i < c->iommu_count; i++) {
		if (!bus_is_known(c->iommus[i].bus))
			return false;
		for (uint32_t k = 0; k < i; k++)
			if (viommu_i_topology_is_same_place(&c->iommus[i], &c->iommus[k]))
				return false;
	}
	return true;
}

static bool meet(uint16_t first, uint16_t last, uint16_t other_first, uint16_t other_last)
{
	return first <= other_last && other_first <= last;
}

/* Is there a device in both? */
static bool ranges_overlap(const struct viommu_topology_range *a, const struct viommu_topology_range *b)
{
	if (a->first.bus == VIOMMU_TOPOLOGY_MMIO || b->first.bus == VIOMMU_TOPOLOGY_MMIO)
		return viommu_i_topology_is_same_place(&a->first, &b->first);
	return meet(a->first.segment, a->last_segment, b->first.segment, b->last_segment) &&
	       meet(a->first.bdf, a->last_bdf, b->first.bdf, b->last_bdf);
}

static bool ranges_are_good(const struct viommu_topology_viot_config *c)
{
	for (uint32_t i = 0; i < c->range_count; i++) {
		const struct viommu_topology_range *r = &c->ranges[i];

		if (r->iommu >= c->iommu_count || !bus_is_known(r->first.bus))
			return false;
		if (r->first.bus == VIOMMU_TOPOLOGY_PCI && !viommu_i_topology_pci_range_is_good(r))
			return false;
		for (uint32_t k = 0; k < i; k++)
			if (ranges_overlap(r, &c->ranges[k]))
				return false;
	}
	return true;
}

static void put_head(uint8_t *node, enum viot_type type, uint16_t size)
{
	node[0] = (uint8_t)type;
	viommu_i_put16(node + 2, size);
}

static void put_iommu(uint8_t *node, const struct viommu_topology_place *at)
{
	if (at->bus == VIOMMU_TOPOLOGY_PCI) {
		put_head(node, VIOT_PCI_IOMMU, VIOT_IOMMU_SIZE);
		viommu_i_put16(node + 4, at->segment);
		viommu_i_put16(node + 6, at->bdf);
	} else {
		put_head(node, VIOT_MMIO_IOMMU, VIOT_IOMMU_SIZE);
		viommu_i_put64(node + 8, at->base);
	}
}

static void put_range(uint8_t *node, const struct viommu_topology_range *r)
{
	if (r->first.bus == VIOMMU_TOPOLOGY_PCI) {
		put_head(node, VIOT_PCI_RANGE, VIOT_RANGE_SIZE);
		viommu_i_put16(node + 8, r->first.segment);
		viommu_i_put16(node + 10, r->last_segment);
		viommu_i_put16(node + 12, r->first.bdf);
		viommu_i_put16(node + 14, r->last_bdf);
	} else {
		put_head(node, VIOT_MMIO_ENDPOINT, VIOT_RANGE_SIZE);
		viommu_i_put64(node + 8, r->first.base);
	}
	viommu_i_put32(node + 4, r->endpoint);
	viommu_i_put16(node + 16, (uint16_t)(VIOT_HEADER_SIZE + r->iommu * VIOT_IOMMU_SIZE));
}

/* What the sum of all bytes lacks to a multiple of 256. */
static uint8_t checksum(const uint8_t *table, size_t len)
{
	unsigned sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (sum + table[i]) & 0xffu;
	return (uint8_t)((0x100u - sum) & 0xffu);
}

enum viommu_result viommu_topology_viot_encode(const struct viommu_topology_viot_config *config, uint8_t *out,
					       size_t cap)
{
	size_t size;
	uint8_t *node;

	if (config->size != sizeof *config)
		return VIOMMU_E_ABI;
	if (config->iommu_count > VIOMMU_TOPOLOGY_VIOT_IOMMUS_MAX ||
	    config->range_count > VIOMMU_TOPOLOGY_VIOT_NODES_MAX - config->iommu_count)
		return VIOMMU_E_ARG;
	if (!iommus_are_good(config) || !ranges_are_good(config))
		return VIOMMU_E_ARG;
	size = VIOMMU_TOPOLOGY_VIOT_SIZE(config->iommu_count, config->range_count);
	if (cap < size)
		return VIOMMU_E_NOMEM;

	memset(out, 0, size);
	viommu_i_put32(out, VIOT_SIGNATURE);
	viommu_i_put32(out + 4, (uint32_t)size);
	out[8] = VIOT_REVISION;
	memcpy(out + 10, config->oem_id, 6);
	memcpy(out + 16, config->oem_table_id, 8);
	viommu_i_put32(out + 24, config->oem_revision);
	memcpy(out + 28, config->creator_id, 4);
	viommu_i_put32(out + 32, config->creator_revision);
	viommu_i_put16(out + 36, (uint16_t)(config->iommu_count + config->range_count));
	viommu_i_put16(out + 38, VIOT_HEADER_SIZE);
	node = out + VIOT_HEADER_SIZE;
	for (uint32_t i = 0; i < config->iommu_count; i++, node += VIOT_IOMMU_SIZE)
		put_iommu(node, &config->iommus[i]);
	for (uint32_t i = 0; i < config->range_count; i++, node += VIOT_RANGE_SIZE)
		put_range(node, &config->ranges[i]);
	out[9] = checksum(out, size);
	return VIOMMU_OK;
}
