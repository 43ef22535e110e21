/* SPDX-License-Identifier: BSD-3-Clause */
/* prover.h: makes the endpoints of a machine move bytes, and compares what happens with the oracle. Part of replay. */
#ifndef VIOMMU_SIM_PROVER_H
#define VIOMMU_SIM_PROVER_H

#include "replay.h"

/* Empties the line that a terminal's cursor is in. */
#define SIM_PROVER_CLEAR_LINE "\r\033[K"

struct sim_prover {
	struct sim_machine *machine;
	struct sim_oracle *oracle;
	struct sim_replay_result *result;
	const char *name; /* of the trace */
	FILE *log;
	FILE *progress; /* has to be cleared before the log is written; may be NULL */
	struct sim_random random;
	uint32_t turn; /* endpoint that is looked at first for the next proof */
};

/* Counts a disagreement, and writes it to the log if there were few so far. */
void sim_prover_disagree(struct sim_prover *prover, const struct sim_trace_line *line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A mapping was made, and still exists by the oracle. */
void sim_prover_mapped(struct sim_prover *prover, const struct sim_trace_line *line, uint32_t domain,
		       const struct sim_oracle_mapping *mapping);

/* A mapping was removed. */
void sim_prover_unmapped(struct sim_prover *prover, const struct sim_trace_line *line, uint32_t domain,
			 const struct sim_oracle_mapping *mapping);

/* One address lookup by an endpoint of the machine. */
void sim_prover_lookup(struct sim_prover *prover, const struct sim_trace_line *line, uint32_t endpoint, uint64_t iova,
		       uint32_t kind);

/* Every fault report that was expected has been taken: there must be none left. */
void sim_prover_quiet(struct sim_prover *prover, const struct sim_trace_line *line);

#endif /* VIOMMU_SIM_PROVER_H */
