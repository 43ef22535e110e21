/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio.h: numbers that all virtio devices share, as far as they matter to a split virtqueue and its registers. */
#ifndef VIOMMU_VIRTIO_H
#define VIOMMU_VIRTIO_H

#include <viommu/types.h>

/* "Reserved Feature Bits" */
#define VIOMMU_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define VIOMMU_F_EVENT_IDX (UINT64_C(1) << 29)
#define VIOMMU_F_VERSION_1 (UINT64_C(1) << 32)
#define VIOMMU_F_ACCESS_PLATFORM (UINT64_C(1) << 33)
#define VIOMMU_F_IN_ORDER (UINT64_C(1) << 35)
#define VIOMMU_F_ORDER_PLATFORM (UINT64_C(1) << 36)
#define VIOMMU_F_NOTIFICATION_DATA (UINT64_C(1) << 38)
#define VIOMMU_F_RING_RESET (UINT64_C(1) << 40)

/* "Device Status Field" */
enum viommu_device_status {
	VIOMMU_STATUS_ACKNOWLEDGE = 1,
	VIOMMU_STATUS_DRIVER = 2,
	VIOMMU_STATUS_DRIVER_OK = 4,
	VIOMMU_STATUS_FEATURES_OK = 8,
	VIOMMU_STATUS_NEEDS_RESET = 64,
	VIOMMU_STATUS_FAILED = 128
};

#endif /* VIOMMU_VIRTIO_H */
