/* SPDX-License-Identifier: BSD-3-Clause */
/* bus.h: the PCI bus: how to reach it, and how to make a function ready for its driver. */
#ifndef FIRMWARE_BUS_H
#define FIRMWARE_BUS_H

#include "platform.h"

/* A function whose BARs can be accessed. */
struct bus_function {
	uint32_t number;
	struct viommu_pci_bar bars[VIOMMU_PCI_BARS];
};

/* For the library; ctx: the struct platform. */
extern const struct viommu_pci_accessors bus_accessors;

/* Looks on bus 0 for a function with this id, device << 16 | vendor, as in its first register. */
bool bus_find(struct platform *platform, uint32_t id, uint32_t *number);

/*
 * Sizes the BARs of a function, gives them a place if nobody has done so, and switches memory space on, but not bus
 * mastering: no DMA before the IOMMU is there. Fails for good if there is no place.
 */
void bus_prepare(struct platform *platform, uint32_t number, struct bus_function *function);

/* From here on the function may do DMA. */
void bus_allow_dma(struct platform *platform, uint32_t number, bool allow);

#endif /* FIRMWARE_BUS_H */
