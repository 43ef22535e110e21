/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * local.h: the shortest transport there is: the driver's register operations are calls of the device's registers, in
 * the same process. Interrupts and kicks are recorded, nothing happens by itself.
 */
#ifndef VIOMMU_SIM_LOCAL_H
#define VIOMMU_SIM_LOCAL_H

#include <viommu/transport/registers.h>

/* Members marked "out" may be read and cleared at any time. */
struct sim_local {
	struct viommu_registers *registers; /* of the pump */
	bool touched;                       /* out: the driver kicked or stored to a register: the device has to look */
	uint32_t kicks[VIOMMU_QUEUE_COUNT]; /* out: notifications by the driver */
	uint32_t used[VIOMMU_QUEUE_COUNT];  /* out: used buffer notifications by the device */
	uint32_t config;                    /* out: configuration change notifications by the device */
};

/* ctx of both: a struct sim_local. A kick or an interrupt of a queue that does not exist is not recorded. */
extern const struct viommu_register_ops sim_local_register_ops;
extern const struct viommu_interrupt_ops sim_local_interrupt_ops;

#endif /* VIOMMU_SIM_LOCAL_H */
