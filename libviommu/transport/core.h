/* SPDX-License-Identifier: BSD-3-Clause */
/* core.h: what the files of this folder share. */
#ifndef VIOMMU_TRANSPORT_CORE_H
#define VIOMMU_TRANSPORT_CORE_H

#include <viommu/transport/registers.h>

#define RING_FEATURES VIOMMU_VIRTQ_FEATURES
#define DRIVER_BITS                                                                                                    \
	(VIOMMU_STATUS_ACKNOWLEDGE | VIOMMU_STATUS_DRIVER | VIOMMU_STATUS_DRIVER_OK | VIOMMU_STATUS_FEATURES_OK |      \
	 VIOMMU_STATUS_FAILED)

#endif /* VIOMMU_TRANSPORT_CORE_H */
