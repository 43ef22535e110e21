/* SPDX-License-Identifier: BSD-3-Clause */
/* fault.c: reports wait in the context that raised them until the owner fetches them; endpoints take turns. */
#include "core.h"

#include "../internal.h"

void viommu_i_work_pending(struct viommu_device *dev)
{
	if (dev->ops != NULL && dev->ops->work_pending != NULL)
		dev->ops->work_pending(dev->ops_ctx);
}

void viommu_i_fault_raise(struct viommu_access *access, uint8_t reason, uint32_t kind, viommu_iova iova)
{
	struct viommu_wire_fault *fault = &access->faults[access->fault_head % VIOMMU_ACCESS_FAULTS];
	struct viommu_device *dev = access->dev;

	viommu_count(&dev->stats.faults);
	if (viommu_i_steps(access->fault_tail, access->fault_head) == VIOMMU_ACCESS_FAULTS) {
		viommu_count(&dev->stats.faults_lost);
		return;
	}
	fault->reason = reason;
	fault->flags = VIOMMU_FAULT_F_ADDRESS;
	if ((kind & VIOMMU_ACCESS_READ) != 0)
		fault->flags |= VIOMMU_FAULT_F_READ;
	if ((kind & VIOMMU_ACCESS_WRITE) != 0)
		fault->flags |= VIOMMU_FAULT_F_WRITE;
	fault->endpoint = access->endpoint->id;
	fault->address = iova;
	(void)viommu_i_step(&access->fault_head);
	viommu_i_work_pending(dev);
}

enum viommu_result viommu_device_next_fault(struct viommu_device *dev, struct viommu_wire_fault *out)
{
	uint32_t count = dev->endpoint_ids.count;

	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	for (uint32_t i = 0; i < count; i++) {
		uint32_t turn = dev->fault_turn < count ? dev->fault_turn : 0;
		struct viommu_endpoint *endpoint = &dev->endpoints[dev->endpoint_ids.slots[turn]];

		dev->fault_turn = turn + 1;
		for (struct viommu_access *a = endpoint->contexts; a != NULL; a = a->next) {
			if (a->fault_tail != a->fault_head) {
				*out = a->faults[viommu_i_step(&a->fault_tail) % VIOMMU_ACCESS_FAULTS];
				return VIOMMU_OK;
			}
		}
	}
	return VIOMMU_E_EMPTY;
}

void viommu_i_fault_forget(struct viommu_device *dev)
{
	for (uint32_t i = 0; i < dev->endpoint_ids.count; i++) {
		struct viommu_endpoint *endpoint = &dev->endpoints[dev->endpoint_ids.slots[i]];

		for (struct viommu_access *a = endpoint->contexts; a != NULL; a = a->next)
			a->fault_tail = a->fault_head;
	}
}
