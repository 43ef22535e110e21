/* SPDX-License-Identifier: BSD-3-Clause */
/* snapshot.h: the registers that all transports have, as a section of a snapshot. docs/snapshot.md. */
#ifndef VIOMMU_TRANSPORT_SNAPSHOT_CORE_H
#define VIOMMU_TRANSPORT_SNAPSHOT_CORE_H

#include <viommu/transport/snapshot.h>

#include "../snapshot.h"

/* The section with its head. */
uint64_t viommu_i_file_section_size(const struct viommu_register_file *file);
void viommu_i_file_save(const struct viommu_register_file *file, struct viommu_i_save *s);

/*
 * Takes the section, which is the last one, and judges it. VIOMMU_E_UNSUPP: another number of queues; VIOMMU_E_PEER.
 * *bytes: what is in it. Changes nothing.
 */
enum viommu_result viommu_i_file_judge(const struct viommu_register_file *file, struct viommu_i_load *l,
				       const uint8_t **bytes);
void viommu_i_file_load(struct viommu_register_file *file, const uint8_t *bytes);

/* Of one that was judged to be good: the selected queue, and the size of each. */
uint32_t viommu_i_file_queue_select(const uint8_t *bytes);
uint32_t viommu_i_file_queue_size(const uint8_t *bytes, uint32_t queue);

/* mmio_device.c: what is pending has changed. */
void viommu_i_mmio_update_line(struct viommu_mmio *mmio);

#endif /* VIOMMU_TRANSPORT_SNAPSHOT_CORE_H */
