/* SPDX-License-Identifier: BSD-3-Clause */
/* target_device.h: what is inside a world of the target `device`, for who thinks up operations that make sense in it. */
#ifndef VIOMMU_SIM_OPS_TARGET_DEVICE_H
#define VIOMMU_SIM_OPS_TARGET_DEVICE_H

#include <viommu/wire.h>

#include "../model/model.h"
#include "targets.h"

#define SIM_OPS_DEVICE_ENDPOINTS 4u
#define SIM_OPS_DEVICE_SLOTS 6u /* for those that were removed, besides: the model has as many endpoints */
#define SIM_OPS_DEVICE_RESERVED 8u
#define SIM_OPS_DEVICE_ROOM 1024u /* of the writable part, at most */

enum sim_ops_device_verb {
	SIM_OPS_DEVICE_ATTACH,
	SIM_OPS_DEVICE_DETACH,
	SIM_OPS_DEVICE_MAP,
	SIM_OPS_DEVICE_UNMAP,
	SIM_OPS_DEVICE_PROBE,
	SIM_OPS_DEVICE_RAW,
	SIM_OPS_DEVICE_TRANSLATE,
	SIM_OPS_DEVICE_LOOK,
	SIM_OPS_DEVICE_SWEEP,
	SIM_OPS_DEVICE_BEGIN,
	SIM_OPS_DEVICE_END,
	SIM_OPS_DEVICE_DONE,
	SIM_OPS_DEVICE_FAULTS,
	SIM_OPS_DEVICE_STORE,
	SIM_OPS_DEVICE_NEGOTIATE,
	SIM_OPS_DEVICE_RESET,
	SIM_OPS_DEVICE_PROCESS,
	SIM_OPS_DEVICE_REGIONS,
	SIM_OPS_DEVICE_DEVICE,
	SIM_OPS_DEVICE_LIMITS,
	SIM_OPS_DEVICE_REMOVE,
	SIM_OPS_DEVICE_ADD,
	SIM_OPS_DEVICE_GONE
};

/* The ids of the endpoints, and ranges that they may have reserved, ascending. */
extern const uint32_t sim_ops_device_ids[SIM_OPS_DEVICE_ENDPOINTS];
extern const struct viommu_range sim_ops_device_reserved[SIM_OPS_DEVICE_RESERVED];

const struct sim_model *sim_ops_device_model(const void *world);

/* How often each type was answered with each status since begin(); VIOMMU_S_COUNT: unanswered. */
typedef uint32_t sim_ops_device_counts[VIOMMU_T_COUNT][VIOMMU_S_COUNT + 1];
const sim_ops_device_counts *sim_ops_device_answers(const void *world);

/* Endpoints that came and went since begin(). */
struct sim_ops_device_traffic {
	uint32_t removed;
	uint32_t with_pending; /* while a request waited */
	uint32_t waited;       /* was not gone because of open sections */
	uint32_t added;        /* again */
};
const struct sim_ops_device_traffic *sim_ops_device_traffic(const void *world);

#endif /* VIOMMU_SIM_OPS_TARGET_DEVICE_H */
