/* SPDX-License-Identifier: BSD-3-Clause */
/* targets.h: all targets, one file each. */
#ifndef VIOMMU_SIM_OPS_TARGETS_H
#define VIOMMU_SIM_OPS_TARGETS_H

#include "ops.h"

extern const struct sim_ops_target sim_ops_device;
extern const struct sim_ops_target sim_ops_driver;
extern const struct sim_ops_target sim_ops_mmio;
extern const struct sim_ops_target sim_ops_pair;
extern const struct sim_ops_target sim_ops_pci;
extern const struct sim_ops_target sim_ops_probe;
extern const struct sim_ops_target sim_ops_snapshot;
extern const struct sim_ops_target sim_ops_topology;
extern const struct sim_ops_target sim_ops_virtq_device;
extern const struct sim_ops_target sim_ops_virtq_driver;
extern const struct sim_ops_target sim_ops_wire;

#endif /* VIOMMU_SIM_OPS_TARGETS_H */
