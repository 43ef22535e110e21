/* SPDX-License-Identifier: BSD-3-Clause */
/* iommu.h: the IOMMU of the machine, and a device behind it that has an address space of its own. */
#ifndef FIRMWARE_IOMMU_H
#define FIRMWARE_IOMMU_H

#include <viommu/dma.h>

#include "platform.h"

/* A device and its address space. In place until iommu_remove. */
struct iommu_device {
	struct viommu_driver_endpoint endpoint;
	struct viommu_driver_domain domain;
	struct viommu_driver_dma dma;
	struct viommu_resv_region regions[4];
};

/* Finds the IOMMU and brings it up. Fails for good if there is none that will do. */
void iommu_start(struct platform *platform);

/* Resets it. Whatever runs next finds it as after power-on. */
void iommu_stop(void);

/* From here on the function sees its mappings and nothing else. Fails for good if it is not behind the IOMMU. */
void iommu_add(struct platform *platform, struct iommu_device *device, uint32_t function);
void iommu_remove(struct iommu_device *device);

/*
 * Gives the device a buffer, at buffer->iova, and takes it back. What shares its first and its last page is within the
 * device's reach as well. how: VIOMMU_DMA_*.
 */
void dma_map(struct iommu_device *device, struct viommu_dma_buffer *buffer, void *memory, size_t len, uint32_t how);
void dma_unmap(struct iommu_device *device, const struct viommu_dma_buffer *buffer, uint32_t how);

/*
 * Waits for a fault report, prints it, and drops those behind it: a device may cause one for each few bytes of the same
 * access. False: none came.
 */
bool iommu_take_fault(struct viommu_wire_fault *fault);

#endif /* FIRMWARE_IOMMU_H */
