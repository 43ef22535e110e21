/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * viot.h: the VIOT, as its reader and its writer know it.
 *
 *   offset   0           4        8          9          10       16             24             28        32
 *   header   signature   Length   revision   checksum   OEM id   OEM table id   OEM revision   creator   its revision
 *   36       node count (2)   node offset (2)   reserved (8)
 *
 *   offset           0      1          2        4                 8                     12          14      16
 *   PCI range        type   reserved   length   endpoint          first, last segment   first bdf   last    output node
 *   MMIO endpoint    type   reserved   length   endpoint          base (8)                                  output node
 *   PCI IOMMU        type   reserved   length   segment     bdf   reserved (8)
 *   MMIO IOMMU       type   reserved   length   reserved          base (8)
 */
#ifndef VIOMMU_TOPOLOGY_VIOT_H
#define VIOMMU_TOPOLOGY_VIOT_H

#include <viommu/topology.h>

#define VIOT_SIGNATURE UINT32_C(0x544f4956) /* "VIOT" */
#define VIOT_HEADER_SIZE 48u
#define VIOT_NODE_SIZE_MIN 4u

enum viot_type {
	VIOT_PCI_RANGE = 1,
	VIOT_MMIO_ENDPOINT = 2,
	VIOT_PCI_IOMMU = 3,
	VIOT_MMIO_IOMMU = 4
};
#define VIOT_IOMMU_SIZE 16u
#define VIOT_RANGE_SIZE 24u

/* Does first lie before last, in both directions, and do the ids of a PCI range stay within 32 bits? */
static inline bool viommu_i_topology_pci_range_is_good(const struct viommu_topology_range *r)
{
	if (r->last_segment < r->first.segment || r->last_bdf < r->first.bdf)
		return false;
	return r->endpoint <= UINT32_MAX - ((uint32_t)(r->last_segment - r->first.segment) << 16 |
					    (uint32_t)(r->last_bdf - r->first.bdf));
}

static inline bool viommu_i_topology_is_same_place(const struct viommu_topology_place *a,
						   const struct viommu_topology_place *b)
{
	if (a->bus != b->bus)
		return false;
	if (a->bus == VIOMMU_TOPOLOGY_PCI)
		return a->segment == b->segment && a->bdf == b->bdf;
	return a->base == b->base;
}

#endif /* VIOMMU_TOPOLOGY_VIOT_H */
