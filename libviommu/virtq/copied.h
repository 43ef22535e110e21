/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * copied.h: the device's half of a ring to which there are no pointers: what device.c does to it, by the seam's read
 * and write. A call of these that fails breaks the queue.
 */
#ifndef VIOMMU_VIRTQ_COPIED_H
#define VIOMMU_VIRTQ_COPIED_H

#include <viommu/virtq.h>

/* A field of the available ring; its index, and nothing after it is read earlier. False: the seam failed. */
bool viommu_i_copied_load(const struct viommu_virtq_device *q, uint32_t offset, uint16_t *value);
bool viommu_i_copied_index(const struct viommu_virtq_device *q, uint16_t *index);

/* The rest of the functions of these names. The queue is in a state in which they go on. */
enum viommu_result viommu_i_copied_push(struct viommu_virtq_device *q, uint16_t head, uint32_t written);
bool viommu_i_copied_publish(struct viommu_virtq_device *q, uint16_t before);
bool viommu_i_copied_arm(struct viommu_virtq_device *q);

#endif /* VIOMMU_VIRTQ_COPIED_H */
