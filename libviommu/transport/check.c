/* SPDX-License-Identifier: BSD-3-Clause */
/* check.c: what is always true of the registers, whatever the driver has stored. */
#include "core.h"

static bool has(const struct viommu_registers *regs, uint8_t bits)
{
	return (regs->status & bits) != 0;
}

static bool config_is_valid(const struct viommu_registers *regs)
{
	if (regs->device_class == NULL || (regs->offered_ring & ~RING_FEATURES) != VIOMMU_F_VERSION_1)
		return false;
	return regs->queues != NULL && regs->queue_count != 0 && viommu_virtq_size_is_valid(regs->queue_size_max);
}

bool viommu_registers_is_valid(const struct viommu_registers *regs)
{
	if (!config_is_valid(regs) || has(regs, (uint8_t) ~(DRIVER_BITS | VIOMMU_STATUS_NEEDS_RESET)))
		return false;
	if (has(regs, VIOMMU_STATUS_DRIVER_OK) && !has(regs, VIOMMU_STATUS_FEATURES_OK))
		return false;
	/* A reset forgets everything at once; that it is not complete is what the status still says. */
	if (regs->resetting)
		return regs->features == 0 && regs->status == VIOMMU_STATUS_NEEDS_RESET;
	if (!has(regs, VIOMMU_STATUS_DRIVER) && regs->features != 0)
		return false;
	return !has(regs, VIOMMU_STATUS_FEATURES_OK) || (regs->features & VIOMMU_F_VERSION_1) != 0;
}

/* What became of the reset of a queue. Something of it can go on only once the driver was up. */
static bool queue_reset_is_valid(const struct viommu_registers *regs, const struct viommu_virtq_device *q)
{
	if (q->reset == VIOMMU_VIRTQ_RESET_RUNNING)
		return regs->resetting || has(regs, VIOMMU_STATUS_DRIVER_OK);
	return q->reset == VIOMMU_VIRTQ_RESET_NONE || has(regs, VIOMMU_STATUS_FEATURES_OK);
}

bool viommu_registers_check(const struct viommu_registers *regs)
{
	bool may_run = has(regs, VIOMMU_STATUS_FEATURES_OK);

	if (!viommu_registers_is_valid(regs))
		return false;
	for (uint32_t i = 0; i < regs->queue_count; i++) {
		const struct viommu_virtq_device *q = &regs->queues[i];

		if (!viommu_virtq_device_check(q))
			return false;
		if (q->state != VIOMMU_VIRTQ_OFF && (!may_run || q->size > regs->queue_size_max))
			return false;
		if (!queue_reset_is_valid(regs, q))
			return false;
	}
	return true;
}
