/* SPDX-License-Identifier: BSD-3-Clause */
/* options.h: the command line. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <viommu/wire.h>

#define OPTIONS_DISKS_MAX 32u

struct options {
	const char *iommu_path;
	uint32_t disk_count;
	struct {
		const char *path;
		uint32_t endpoint;
		const char *file; /* NULL: memory */
	} disks[OPTIONS_DISKS_MAX];
	uint64_t features;
	uint64_t page_size_mask;
	struct viommu_range input_range;
	uint32_t domain_first;
	uint32_t domain_last;
	uint64_t disk_size; /* of disks in memory */
	uint32_t threads;   /* of each disk */
	const char *trace;  /* NULL: none */
	bool boot_bypass;
	bool stats;
	bool sabotage;
};

/* 0: go on; otherwise exit, with *status; it has said why. */
int options_parse(struct options *options, int argc, char **argv, int *status);

#endif /* OPTIONS_H */
