/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * replay.h: runs a trace through the driver, the virtqueue and the device of a simulated machine, and proves each step.
 *
 *     trace line --+--> driver --> virtqueue --> device        does it do what the oracle says it must?
 *                  +--> oracle                                 DMA through the new state; fault reports, one by one
 *
 * What is proved. After a MAP, an endpoint of the domain (they take turns) moves bytes through the beginning, the end
 * and, in a larger mapping, some place between them; they are looked for at the physical address, in each direction
 * that the mapping allows, and a direction that it forbids has to fault. After an UNMAP the first and the last byte
 * of each mapping that it removed have to fault. After an ATTACH or DETACH the endpoint looks up a mapping of the
 * domain it left, and of the one it came into. Every fault has to reach the driver with reason, endpoint, address and
 * flags; none may be missing, and none may come that nobody expects.
 *
 * Where the trace format leaves room: a domain whose last endpoint leaves is dropped by the driver too, and starts
 * empty when its number comes again. A line that the driver refuses without asking the device agrees with any refusal
 * of the oracle.
 */
#ifndef VIOMMU_SIM_REPLAY_H
#define VIOMMU_SIM_REPLAY_H

#include <stdio.h>

#include "machine.h"
#include "oracle.h"
#include "trace.h"

#define SIM_REPLAY_BATCH_MAX 65536u
#define SIM_REPLAY_REPORTS 20u /* disagreements that are written to the log */

struct sim_replay_options {
	uint64_t seed;
	uint32_t batch; /* MAPs, or UNMAPs, of one domain that are posted before one sync; 1 to SIM_REPLAY_BATCH_MAX */
	uint32_t queue_size;                        /* as struct sim_machine_config */
	bool ram_copied;                            /* the same */
	uint32_t snapshot_every; /* lines, between which the device is saved and a new one restored; 0: never */
	uint32_t recover_every;  /* lines, between which the device fails and the driver recovers; 0: never */
	const struct sim_transport_kind *transport; /* NULL: see sim_transport_default */
	FILE *log;                                  /* where disagreements go; NULL: they are only counted */
	FILE *record; /* where each request goes that the device has executed, as a trace; NULL: nowhere */
	FILE *progress;                             /* where a line is kept up to date; NULL: nowhere */
	/* Called when a line is done and not yet proved, so that a test can make something go wrong. May be NULL. */
	void (*disturb)(void *ctx, struct sim_machine *machine, struct sim_oracle *oracle,
			const struct sim_trace_line *line);
	void *disturb_ctx;
};
#define SIM_REPLAY_OPTIONS_INIT                                                                                        \
	{                                                                                                              \
		.seed = 1, .batch = 1, .queue_size = 64                                                                \
	}

struct sim_replay_result {
	uint64_t requests[VIOMMU_T_COUNT]; /* lines of the trace, by type */
	uint64_t statuses[VIOMMU_S_COUNT]; /* answers of the device */
	uint64_t translations;             /* T lines */
	uint64_t dma_checks;               /* accesses that were made and judged, besides those of T lines */
	uint64_t faults_expected;
	uint64_t faults_seen;
	uint64_t disagreements;
	uint64_t max_live_mappings; /* of all domains together */
	uint64_t kicks;             /* of the request queue */
	uint64_t snapshots;         /* from which a device was restored */
	uint64_t max_snapshot;      /* bytes of the largest of them */
	uint64_t recoveries;        /* of the driver, from a device that had lost everything */
	double seconds;
};

/*
 * Runs the whole trace on a machine of its own. Disagreements do not stop it.
 * False: it could not be run, or not to the end (no memory, a device that does not start); *error says why.
 */
bool sim_replay_run(const struct sim_trace *trace, const struct sim_replay_options *options,
		    struct sim_replay_result *result, struct sim_error *error);

#endif /* VIOMMU_SIM_REPLAY_H */
