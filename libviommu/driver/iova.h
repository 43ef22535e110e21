/* SPDX-License-Identifier: BSD-3-Clause */
/* iova.h: addresses for buffers, as dma.c wants them. */
#ifndef VIOMMU_DRIVER_IOVA_H
#define VIOMMU_DRIVER_IOVA_H

#include <viommu/dma.h>

#include "core.h"

/*
 * Finds room for a mapping of m->last - m->first + 1 bytes, whole granules, and posts it: m->phys and m->flags as
 * given, m->first and m->last as found. FULL: there is no room. Others as viommu_i_try_map. Lock not held.
 */
enum viommu_result viommu_i_iova_map(struct viommu_driver_dma *dma, struct viommu_mapping *m,
				     struct viommu_driver_batch *batch);

/* [first, last] was freed, or soon will be. Lock held. */
void viommu_i_iova_hint(struct viommu_driver_dma *dma, viommu_iova first, viommu_iova last);

#endif /* VIOMMU_DRIVER_IOVA_H */
