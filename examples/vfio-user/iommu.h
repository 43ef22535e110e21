/* SPDX-License-Identifier: BSD-3-Clause */
/* iommu.h: the function that is the IOMMU: the library's device, its pump, and the memory that both need. */
#ifndef IOMMU_H
#define IOMMU_H

#include "function.h"
#include "options.h"
#include "record.h"

#include <stdio.h>
#include <viommu/device.h>
#include <viommu/pump.h>

struct iommu {
	struct function function;
	struct viommu_device device;
	struct viommu_pump pump;
	struct viommu_memory_view view;
	struct record record;
	uint64_t features; /* that are offered */
	void *device_memory;
	void *pump_memory;
};

/* Listens, and is ready for endpoints. False: it said why. */
bool iommu_init(struct iommu *iommu, const struct options *options);

/* An endpoint, before any thread runs. NULL: it said why. */
struct viommu_endpoint *iommu_add_endpoint(struct iommu *iommu, uint32_t id);

/* After its thread has ended. False: the trace could not be written. */
void iommu_print_stats(struct iommu *iommu, FILE *out);
bool iommu_deinit(struct iommu *iommu);

#endif /* IOMMU_H */
