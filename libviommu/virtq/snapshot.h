/* SPDX-License-Identifier: BSD-3-Clause */
/* snapshot.h: the device's half of a queue in a snapshot. docs/snapshot.md. */
#ifndef VIOMMU_VIRTQ_SNAPSHOT_H
#define VIOMMU_VIRTQ_SNAPSHOT_H

#include <viommu/virtq.h>

#include "../snapshot.h"

#define VIOMMU_I_VIRTQ_RECORD 36u

void viommu_i_virtq_save(const struct viommu_virtq_device *q, struct viommu_i_save *s);

/*
 * Makes a queue of the record, with these ring features, out of one that is initialised; afterwards it is to be checked
 * (viommu_virtq_device_check). VIOMMU_E_PEER: there is no such state. VIOMMU_E_NOENT: there is no memory where its ring
 * should be, or it cannot be there.
 */
enum viommu_result viommu_i_virtq_load(struct viommu_virtq_device *q, const uint8_t *record, uint64_t features);

#endif /* VIOMMU_VIRTQ_SNAPSHOT_H */
