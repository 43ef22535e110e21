/* SPDX-License-Identifier: BSD-3-Clause */
/* report.h: the results of replays, as a table for people and as JSON for programs. */
#ifndef VIOMMU_SIM_REPORT_H
#define VIOMMU_SIM_REPORT_H

#include "replay.h"

struct sim_report_row {
	const char *file;
	struct sim_replay_result result;
};

/* Adds `more` to `total`: sums, but the maximum of max_live_mappings. */
void sim_report_add(struct sim_replay_result *total, const struct sim_replay_result *more);

/* A line per file, and one of totals if there are several. */
void sim_report_table(FILE *out, const struct sim_report_row *rows, size_t count);

/* One object: the totals, and the same members once more for each file in the array `files`. */
void sim_report_json(FILE *out, const struct sim_report_row *rows, size_t count);

#endif /* VIOMMU_SIM_REPORT_H */
