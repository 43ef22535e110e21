/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * iommu.h: the function that is the IOMMU: the library's device, its pump, and the memory that both need. On command
 * there is another device in its place, with the state of the one before, while its guest goes on.
 */
#ifndef IOMMU_H
#define IOMMU_H

#include "function.h"
#include "options.h"
#include "record.h"

#include <stdio.h>
#include <viommu/device.h>
#include <viommu/pump.h>

/* What is exchanged. */
struct iommu_unit {
	struct viommu_device device;
	struct viommu_pump pump;
	struct viommu_memory_view view;
	struct viommu_endpoint *endpoints[OPTIONS_DISKS_MAX]; /* of the disks, in the order of the options */
	void *device_memory;
	void *pump_memory;
};

struct iommu {
	struct function function;
	struct iommu_unit units[2];
	struct iommu_unit *unit; /* the one in use */
	const struct options *options;
	struct record record;
	struct viommu_device_stats stats; /* of those before */
	struct viommu_pump_stats pump_stats;
	uint32_t swaps;
};

/* Listens, with an endpoint for each disk. False: it said why. The options stay. */
bool iommu_init(struct iommu *iommu, const struct options *options);

/*
 * On its thread: a device like this one that knows only what a snapshot of it says. `moved` is called when it is there:
 * when it returns nobody uses the endpoints of the old one any more. False: it said why.
 */
bool iommu_swap(struct iommu *iommu, void (*moved)(void *ctx), void *ctx);

/* After its thread has ended. False: the trace could not be written. */
void iommu_print_stats(struct iommu *iommu, FILE *out);
bool iommu_deinit(struct iommu *iommu);

#endif /* IOMMU_H */
