/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * platform.h: what the machine says about itself: where the PCI bus is, and which endpoint of the IOMMU a function is.
 * acpi.c reads it from tables, device_tree.c from a device tree.
 */
#ifndef FIRMWARE_PLATFORM_H
#define FIRMWARE_PLATFORM_H

#include <viommu/topology.h>
#include <viommu/transport/pci_driver.h>

struct platform {
	uint64_t ecam; /* configuration space: 4 KiB for each function */
	uint64_t ecam_size;
	uint64_t reach;                  /* the last address at which a BAR can be accessed */
	struct viommu_pci_window window; /* where BARs may be put; empty: whoever ran before has done it */
	/* Private. */
	struct viommu_topology_viot viot;
	const uint8_t *iommu_map;
	uint32_t iommu_map_len;
	uint32_t iommu_map_mask;
};

/* `boot`: what firmware_main got. VIOMMU_E_NOENT: no PCI bus. VIOMMU_E_PEER: tables that make no sense. */
VIOMMU_NODISCARD enum viommu_result platform_find(struct platform *platform, const void *boot);

/* The endpoint id of a function. VIOMMU_E_NOENT: it is not behind the IOMMU. */
VIOMMU_NODISCARD enum viommu_result platform_endpoint(const struct platform *platform, uint32_t function,
						      uint32_t *endpoint);

#endif /* FIRMWARE_PLATFORM_H */
