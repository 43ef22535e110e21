/* SPDX-License-Identifier: BSD-3-Clause */
/* viommu.h: everything. Include the single headers to take less. */
#ifndef VIOMMU_VIOMMU_H
#define VIOMMU_VIOMMU_H

#include <viommu/access.h>
#include <viommu/backend.h>
#include <viommu/device.h>
#include <viommu/dirty.h>
#include <viommu/dma.h>
#include <viommu/driver.h>
#include <viommu/map.h>
#include <viommu/memory.h>
#include <viommu/port.h>
#include <viommu/pump.h>
#include <viommu/snapshot.h>
#include <viommu/topology.h>
#include <viommu/trace.h>
#include <viommu/transport/file.h>
#include <viommu/transport/mmio.h>
#include <viommu/transport/pci.h>
#include <viommu/transport/pci_driver.h>
#include <viommu/transport/registers.h>
#include <viommu/transport/snapshot.h>
#include <viommu/types.h>
#include <viommu/virtio.h>
#include <viommu/virtq.h>
#include <viommu/wire.h>

#endif /* VIOMMU_VIOMMU_H */
