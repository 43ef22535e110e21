/* SPDX-License-Identifier: BSD-3-Clause */
#include "targets.h"

const struct sim_ops_target *const sim_ops_targets[] = {
	&sim_ops_device,
	&sim_ops_driver,
	&sim_ops_mmio,
	&sim_ops_pair,
	&sim_ops_pci,
	&sim_ops_probe,
	&sim_ops_snapshot,
	&sim_ops_topology,
	&sim_ops_virtq_device,
	&sim_ops_virtq_driver,
	&sim_ops_wire,
	NULL,
};
