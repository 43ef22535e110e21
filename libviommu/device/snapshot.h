/* SPDX-License-Identifier: BSD-3-Clause */
/* snapshot.h: the sections of a device in a snapshot, for the snapshots that have more than these. */
#ifndef VIOMMU_DEVICE_SNAPSHOT_H
#define VIOMMU_DEVICE_SNAPSHOT_H

#include <viommu/device.h>

#include "../snapshot.h"

/* Bytes of all sections. */
uint64_t viommu_i_device_sections_size(const struct viommu_device *dev);
bool viommu_i_device_may_save(const struct viommu_device *dev);
void viommu_i_device_save_sections(const struct viommu_device *dev, struct viommu_i_save *s);

/* What a snapshot says, once it was found to be good. */
struct viommu_i_device_state {
	struct viommu_i_section endpoints;
	struct viommu_i_section domains;
	struct viommu_i_section mappings;
	uint64_t negotiated;
	uint8_t bypass;
};

/* VIOMMU_E_STATE, VIOMMU_E_BUSY: as viommu_device_restore. */
enum viommu_result viommu_i_device_may_restore(struct viommu_device *dev);
/* Takes the sections and judges them: what is wrong with them whatever memory there is. Changes nothing. */
enum viommu_result viommu_i_device_load_sections(const struct viommu_device *dev, struct viommu_i_load *l,
						 struct viommu_i_device_state *state);
/*
 * Makes the maps, aside, in slots of domains that are free. VIOMMU_E_BUSY: not enough of them are free;
 * VIOMMU_E_NOMEM; VIOMMU_E_PEER: mappings that no request could have made; VIOMMU_E_UNSUPP: mappings that endpoints
 * cannot have; what a back end refuses with. Then what was made is taken apart again. If it succeeds the other one has
 * to follow.
 */
enum viommu_result viommu_i_device_build(struct viommu_device *dev, const struct viommu_i_device_state *state);
void viommu_i_device_adopt(struct viommu_device *dev, const struct viommu_i_device_state *state);

#endif /* VIOMMU_DEVICE_SNAPSHOT_H */
