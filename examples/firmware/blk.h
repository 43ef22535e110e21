/* SPDX-License-Identifier: BSD-3-Clause */
/* blk.h: a disk: virtio-blk over the library's virtqueue and virtio-pci, with each address an IOVA. */
#ifndef FIRMWARE_BLK_H
#define FIRMWARE_BLK_H

#include "bus.h"
#include "iommu.h"

#define BLK_DEVICE_ID 2u
#define BLK_SECTOR 512u

struct blk {
	struct viommu_pci_driver pci;
	struct viommu_pci_driver_queue pci_queue;
	struct viommu_virtq_driver queue;
	struct iommu_device *iommu;
	struct viommu_dma_buffer shared; /* where the disk sees ring and request */
	uint64_t sectors;
};

/*
 * Brings the disk up, which becomes a bus master. `iommu`: the function's, added already. There is room for one disk.
 * Fails for good if the disk would go past the IOMMU.
 */
void blk_start(struct platform *platform, struct blk *blk, const struct bus_function *function,
	       struct iommu_device *iommu);

/* Resets it. */
void blk_stop(struct blk *blk);

/* Reads whole sectors to an address of the disk's. False: the disk fails, or wants a reset. */
bool blk_read(struct blk *blk, uint64_t sector, uint64_t iova, uint32_t len);

#endif /* FIRMWARE_BLK_H */
