/* SPDX-License-Identifier: BSD-3-Clause */
/* queues.c: the library's own virtqueues behind seam B. */
#include "core.h"

static enum viommu_result own_add(void *ctx, uint32_t queue, const struct viommu_bus_segment *segments,
				  uint32_t readable, uint32_t writable, void *token)
{
	struct viommu_driver *drv = ctx;

	return viommu_virtq_driver_add(&drv->virtqs[queue], segments, readable, writable, token);
}

static bool own_publish(void *ctx, uint32_t queue)
{
	struct viommu_driver *drv = ctx;

	bool any = viommu_virtq_driver_unpublished(&drv->virtqs[queue]) > 0;
	bool kick;

	/* What is in front of the used ring is ours: first what the index covers, then the index. */
	driver_clean(drv, drv->rings[queue].base, drv->used_at[queue]);
	kick = viommu_virtq_driver_publish(&drv->virtqs[queue]);
	driver_clean(drv, drv->rings[queue].base, drv->used_at[queue]);
	/* Without coherent memory, what the device says about kicks may be old: better one too many. */
	return kick || (any && drv->ops->clean != NULL);
}

static void own_kick(void *ctx, uint32_t queue)
{
	struct viommu_driver *drv = ctx;
	uint32_t data;

	if ((drv->features & VIOMMU_F_NOTIFICATION_DATA) == 0) {
		drv->registers->notify(drv->registers_ctx, queue);
		return;
	}
	/* Where the queue is now: somebody else may have published more since this kick was decided. */
	driver_lock(drv);
	data = viommu_virtq_driver_notification(&drv->virtqs[queue], (uint16_t)queue);
	driver_unlock(drv);
	drv->registers->notify_data(drv->registers_ctx, queue, data);
}

static enum viommu_result own_pop(void *ctx, uint32_t queue, void **token, uint32_t *written)
{
	struct viommu_driver *drv = ctx;

	driver_invalidate(drv, (uint8_t *)drv->rings[queue].base + drv->used_at[queue],
			  drv->rings[queue].len - drv->used_at[queue]);
	return viommu_virtq_driver_pop(&drv->virtqs[queue], token, written);
}

static bool own_arm(void *ctx, uint32_t queue)
{
	struct viommu_driver *drv = ctx;
	bool more = viommu_virtq_driver_arm(&drv->virtqs[queue]);

	if (drv->ops->clean == NULL)
		return more;
	/* The wish has to reach the memory before the look at the used ring. */
	driver_clean(drv, drv->rings[queue].base, drv->used_at[queue]);
	driver_invalidate(drv, (uint8_t *)drv->rings[queue].base + drv->used_at[queue],
			  drv->rings[queue].len - drv->used_at[queue]);
	return viommu_virtq_driver_arm(&drv->virtqs[queue]);
}

const struct viommu_queue_ops viommu_i_own_queues = {
	.size = sizeof viommu_i_own_queues,
	.add = own_add,
	.publish = own_publish,
	.kick = own_kick,
	.pop = own_pop,
	.arm = own_arm,
};
