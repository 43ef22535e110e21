/* SPDX-License-Identifier: BSD-3-Clause */
/* env_memory.h: a table of regions as the memory seam, which answers NULL where the environment wants it to. */
#ifndef VIOMMU_TESTS_ENV_MEMORY_H
#define VIOMMU_TESTS_ENV_MEMORY_H

#include <viommu/memory.h>

#include "sim/env/env.h"

static inline void *env_memory_resolve(void *ctx, viommu_gpa gpa, uint32_t kind, uint64_t *len)
{
	return sim_env_call(SIM_ENV_RESOLVE, gpa, *len) ? NULL : viommu_memory_table_ops.resolve(ctx, gpa, kind, len);
}

/* ctx: the struct viommu_memory_table */
static const struct viommu_memory_ops env_memory_ops = { .size = sizeof env_memory_ops, .resolve = env_memory_resolve };

#endif /* VIOMMU_TESTS_ENV_MEMORY_H */
