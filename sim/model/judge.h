/* SPDX-License-Identifier: BSD-3-Clause */
/* judge.h: is a translation of the device what the model says? */
#ifndef VIOMMU_SIM_MODEL_JUDGE_H
#define VIOMMU_SIM_MODEL_JUDGE_H

#include <viommu/access.h>

#include "model.h"

/* A request for a translation, by the endpoint at this index. */
struct sim_access {
	uint32_t index;
	uint32_t kind;
	uint64_t iova;
	uint64_t length;
};

enum sim_verdict {
	SIM_VERDICT_RIGHT,
	SIM_VERDICT_FAULT, /* right, and it raises *fault */
	SIM_VERDICT_WRONG
};

/* `result` and *t are what viommu_access_translate() answered. */
enum sim_verdict sim_judge_translation(const struct sim_model *m, const struct sim_access *access,
				       enum viommu_result result, const struct viommu_translation *t,
				       struct viommu_wire_fault *fault);

bool sim_judge_same_fault(const struct viommu_wire_fault *a, const struct viommu_wire_fault *b);

/*
 * Is the configuration space right? Fields whose feature is not offered carry no meaning, except that bypass is a bit.
 */
bool sim_judge_config(const struct sim_model *m, const uint8_t bytes[VIOMMU_WIRE_CONFIG_SIZE]);

#endif /* VIOMMU_SIM_MODEL_JUDGE_H */
