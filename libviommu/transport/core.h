/* SPDX-License-Identifier: BSD-3-Clause */
/* core.h: what the files of this folder share. */
#ifndef VIOMMU_TRANSPORT_CORE_H
#define VIOMMU_TRANSPORT_CORE_H

#include <viommu/transport/registers.h>

#define RING_FEATURES VIOMMU_VIRTQ_FEATURES
#define DRIVER_BITS                                                                                                    \
	(VIOMMU_STATUS_ACKNOWLEDGE | VIOMMU_STATUS_DRIVER | VIOMMU_STATUS_DRIVER_OK | VIOMMU_STATUS_FEATURES_OK |      \
	 VIOMMU_STATUS_FAILED)

/* 1, 2, 4 or 8 bytes, naturally aligned. */
static inline bool viommu_i_is_natural(uint64_t offset, uint32_t width)
{
	return width != 0 && width <= 8 && (width & (width - 1)) == 0 && (offset & (width - 1)) == 0;
}

/*
 * The driver reads or writes a part of the configuration, in accesses of 1, 2 and 4 bytes: one for each field, if it is
 * one field or some of 4 or of 8 bytes.
 */
typedef uint32_t (*viommu_i_config_get)(const void *driver, uint32_t offset, uint32_t width);
typedef void (*viommu_i_config_set)(const void *driver, uint32_t offset, uint32_t width, uint32_t value);
void viommu_i_config_read(viommu_i_config_get get, const void *driver, uint32_t offset, void *dst, uint32_t len);
void viommu_i_config_write(viommu_i_config_set set, const void *driver, uint32_t offset, const void *src, uint32_t len);

#endif /* VIOMMU_TRANSPORT_CORE_H */
