/* SPDX-License-Identifier: BSD-3-Clause */
/* copied.h: guest memory for a device side that gets no pointers to it. */
#ifndef VIOMMU_SIM_COPIED_H
#define VIOMMU_SIM_COPIED_H

#include <viommu/memory.h>

/*
 * The same memory by read and write alone, which fail where `pointers` has none, or when its resolve fails. Kept by
 * pointer. What is read counts as read by the environment (sim/env/env.h).
 */
struct viommu_memory sim_copied(const struct viommu_memory *pointers);

#endif /* VIOMMU_SIM_COPIED_H */
