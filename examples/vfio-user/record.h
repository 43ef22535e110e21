/* SPDX-License-Identifier: BSD-3-Clause */
/* record.h: the requests that the device has executed, as a trace for viommu-sim replay. */
#ifndef RECORD_H
#define RECORD_H

#include "options.h"

#include <stdio.h>
#include <viommu/trace.h>

struct record {
	FILE *file; /* NULL: nothing is recorded */
	uint32_t count;
	struct {
		uint32_t endpoint;
		uint32_t domain;
	} attached[OPTIONS_DISKS_MAX];
};

/* False, with errno: the file cannot be made. A path that is NULL: nothing is recorded. */
bool record_open(struct record *record, const char *path);

/* The device's trace. */
void record_event(struct record *record, const struct viommu_trace_event *event);

/* False: not all of it could be written. */
bool record_close(struct record *record);

#endif /* RECORD_H */
