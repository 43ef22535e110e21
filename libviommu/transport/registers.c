/* SPDX-License-Identifier: BSD-3-Clause */
/* registers.c: the device's side of the registers, for any device class and any transport. */
#include "core.h"

#include "../internal.h"

static bool can_stop_queues(const struct viommu_register_class *c)
{
	return c->queue_reset != NULL && c->queue_is_settled != NULL;
}

static bool class_is_complete(const struct viommu_register_class *c, bool ring_reset)
{
	if (ring_reset && !can_stop_queues(c))
		return false;
	return c->features != NULL && c->negotiate != NULL && c->config_read != NULL && c->config_write != NULL &&
	       c->reset != NULL && c->is_settled != NULL;
}

enum viommu_result viommu_registers_init(struct viommu_registers *regs, const struct viommu_registers_config *config)
{
	if (config->size != sizeof *config)
		return VIOMMU_E_ABI;
	if (config->queues == NULL || config->queue_count == 0 || !viommu_virtq_size_is_valid(config->queue_size_max) ||
	    (config->ring_features & ~RING_FEATURES) != 0 || config->device_class == NULL)
		return VIOMMU_E_ARG;
	if (config->device_class->size != sizeof *config->device_class ||
	    (config->interrupts != NULL && config->interrupts->size != sizeof *config->interrupts))
		return VIOMMU_E_ABI;
	if (!class_is_complete(config->device_class, (config->ring_features & VIOMMU_F_RING_RESET) != 0))
		return VIOMMU_E_ARG;

	memset(regs, 0, sizeof *regs);
	regs->device_class = config->device_class;
	regs->class_ctx = config->class_ctx;
	regs->interrupts = config->interrupts;
	regs->interrupt_ctx = config->interrupt_ctx;
	regs->queues = config->queues;
	regs->queue_count = config->queue_count;
	regs->queue_size_max = config->queue_size_max;
	regs->offered_ring = config->ring_features | VIOMMU_F_VERSION_1;
	VIOMMU_ASSERT(viommu_registers_is_valid(regs));
	return VIOMMU_OK;
}

uint64_t viommu_registers_get_features(const struct viommu_registers *regs)
{
	return regs->offered_ring | regs->device_class->features(regs->class_ctx);
}

void viommu_registers_set_features(struct viommu_registers *regs, uint64_t features)
{
	VIOMMU_ASSERT(viommu_registers_is_valid(regs));
	/* Between DRIVER and FEATURES_OK only; outside, what was agreed stands. */
	if ((regs->status & VIOMMU_STATUS_DRIVER) != 0 && (regs->status & VIOMMU_STATUS_FEATURES_OK) == 0)
		regs->features = features;
}

static void notify_config(const struct viommu_registers *regs)
{
	if ((regs->status & VIOMMU_STATUS_DRIVER_OK) != 0 && regs->interrupts != NULL &&
	    regs->interrupts->config != NULL)
		regs->interrupts->config(regs->interrupt_ctx);
}

static bool features_are_acceptable(struct viommu_registers *regs)
{
	uint64_t offered = viommu_registers_get_features(regs);

	return (regs->features & ~offered) == 0 && (regs->features & VIOMMU_F_VERSION_1) != 0 &&
	       regs->device_class->negotiate(regs->class_ctx, regs->features & ~regs->offered_ring) == VIOMMU_OK;
}

static void queues_off(struct viommu_registers *regs)
{
	for (uint32_t i = 0; i < regs->queue_count; i++)
		viommu_virtq_device_reset(&regs->queues[i]);
}

/*
 * The queues are off, but of those that were in use something may still be written into buffers: they do not read as
 * disabled before that is over.
 */
static void stop_all(struct viommu_registers *regs)
{
	bool was_up = (regs->status & VIOMMU_STATUS_DRIVER_OK) != 0;

	for (uint32_t i = 0; i < regs->queue_count; i++) {
		struct viommu_virtq_device *q = &regs->queues[i];
		bool in_use = q->reset == VIOMMU_VIRTQ_RESET_RUNNING ||
			      (was_up && viommu_virtq_device_state(q) != VIOMMU_VIRTQ_OFF);

		viommu_virtq_device_reset(q);
		if (in_use)
			q->reset = VIOMMU_VIRTQ_RESET_RUNNING;
	}
}

static void reset(struct viommu_registers *regs)
{
	stop_all(regs);
	regs->features = 0;
	regs->resetting = true;
	/*
	 * Not 0 before the reset is complete, and nothing that a driver which does not wait for 0 could take for the
	 * outcome of what it stores: this bit alone is never its own.
	 */
	regs->status = VIOMMU_STATUS_NEEDS_RESET;
	if (regs->interrupts != NULL && regs->interrupts->reset != NULL)
		regs->interrupts->reset(regs->interrupt_ctx);
	regs->device_class->reset(regs->class_ctx);
	(void)viommu_registers_get_status(regs);
}

uint8_t viommu_registers_get_status(struct viommu_registers *regs)
{
	VIOMMU_ASSERT(viommu_registers_is_valid(regs));
	if (regs->resetting && regs->device_class->is_settled(regs->class_ctx)) {
		regs->resetting = false;
		regs->status = 0;
		queues_off(regs);
	}
	return regs->status;
}

bool viommu_registers_is_resetting(struct viommu_registers *regs)
{
	(void)viommu_registers_get_status(regs);
	return regs->resetting;
}

void viommu_registers_set_status(struct viommu_registers *regs, uint8_t status)
{
	uint8_t added;

	VIOMMU_ASSERT(viommu_registers_is_valid(regs));
	if (viommu_registers_is_resetting(regs))
		return; /* also for another 0: nothing can have begun that it would have to end */
	if (status == 0) {
		reset(regs);
		return;
	}
	/* Bits are only added, and NEEDS_RESET is ours. */
	added = (uint8_t)(status & DRIVER_BITS & ~regs->status);
	if ((added & VIOMMU_STATUS_FEATURES_OK) != 0 && !features_are_acceptable(regs))
		added &= (uint8_t)~VIOMMU_STATUS_FEATURES_OK;
	if (((regs->status | added) & VIOMMU_STATUS_FEATURES_OK) == 0)
		added &= (uint8_t)~VIOMMU_STATUS_DRIVER_OK;
	regs->status |= added;
	VIOMMU_ASSERT(viommu_registers_is_valid(regs));
	/* Before DRIVER_OK nobody could be told of it. */
	if ((added & VIOMMU_STATUS_DRIVER_OK) != 0 && (regs->status & VIOMMU_STATUS_NEEDS_RESET) != 0)
		notify_config(regs);
}

void viommu_registers_config_changed(struct viommu_registers *regs)
{
	VIOMMU_ASSERT(viommu_registers_is_valid(regs));
	(void)viommu_i_step(&regs->generation);
	notify_config(regs);
}

uint32_t viommu_registers_config_generation(const struct viommu_registers *regs)
{
	return regs->generation;
}

void viommu_registers_config_read(const struct viommu_registers *regs, uint32_t offset, void *dst, uint32_t len)
{
	regs->device_class->config_read(regs->class_ctx, offset, dst, len);
}

void viommu_registers_config_write(struct viommu_registers *regs, uint32_t offset, const void *src, uint32_t len)
{
	VIOMMU_ASSERT(viommu_registers_is_valid(regs));
	if (!regs->resetting)
		regs->device_class->config_write(regs->class_ctx, offset, src, len);
}

uint32_t viommu_registers_queue_size_max(const struct viommu_registers *regs, uint32_t queue)
{
	return queue < regs->queue_count ? regs->queue_size_max : 0;
}

static struct viommu_virtq_device *find_queue(const struct viommu_registers *regs, uint32_t queue)
{
	return queue < regs->queue_count ? &regs->queues[viommu_port_mask_index(queue, regs->queue_count)] : NULL;
}

/* Before DRIVER_OK, and once each time that the queue was reset or disabled. */
static bool may_enable(const struct viommu_registers *regs, const struct viommu_virtq_device *q)
{
	if ((regs->status & VIOMMU_STATUS_FEATURES_OK) == 0 || viommu_virtq_device_state(q) != VIOMMU_VIRTQ_OFF)
		return false;
	return (regs->status & VIOMMU_STATUS_DRIVER_OK) == 0 || q->reset == VIOMMU_VIRTQ_RESET_DONE;
}

enum viommu_result viommu_registers_queue_enable(struct viommu_registers *regs, uint32_t queue,
						 const struct viommu_virtq_layout *layout)
{
	struct viommu_virtq_layout negotiated = *layout;
	struct viommu_virtq_device *q = find_queue(regs, queue);

	VIOMMU_ASSERT(viommu_registers_is_valid(regs));
	if (q == NULL)
		return VIOMMU_E_ARG;
	if (!may_enable(regs, q))
		return VIOMMU_E_STATE;
	if (layout->size > regs->queue_size_max)
		return VIOMMU_E_PEER;
	negotiated.features = regs->features;
	return viommu_virtq_device_enable(q, &negotiated);
}

/* The queue is off. Before DRIVER_OK nothing was taken from it; afterwards the class says when that is over. */
static void stop(struct viommu_registers *regs, uint32_t queue, struct viommu_virtq_device *q)
{
	viommu_virtq_device_reset(q);
	if ((regs->status & VIOMMU_STATUS_DRIVER_OK) == 0) {
		q->reset = VIOMMU_VIRTQ_RESET_DONE;
		return;
	}
	q->reset = VIOMMU_VIRTQ_RESET_RUNNING;
	regs->device_class->queue_reset(regs->class_ctx, queue);
	(void)viommu_registers_queue_is_resetting(regs, queue);
}

enum viommu_result viommu_registers_queue_disable(struct viommu_registers *regs, uint32_t queue)
{
	struct viommu_virtq_device *q = find_queue(regs, queue);

	VIOMMU_ASSERT(viommu_registers_is_valid(regs));
	if (q == NULL)
		return VIOMMU_E_ARG;
	if (viommu_virtq_device_state(q) == VIOMMU_VIRTQ_OFF)
		return VIOMMU_OK; /* perhaps still on its way there */
	if ((regs->status & VIOMMU_STATUS_DRIVER_OK) != 0 && !can_stop_queues(regs->device_class))
		return VIOMMU_E_STATE;
	stop(regs, queue, q);
	return VIOMMU_OK;
}

enum viommu_result viommu_registers_queue_reset(struct viommu_registers *regs, uint32_t queue)
{
	struct viommu_virtq_device *q = find_queue(regs, queue);

	VIOMMU_ASSERT(viommu_registers_is_valid(regs));
	if (q == NULL)
		return VIOMMU_E_ARG;
	/* What is stored before FEATURES_OK is not agreed. */
	if ((regs->status & VIOMMU_STATUS_FEATURES_OK) == 0 || (regs->features & VIOMMU_F_RING_RESET) == 0)
		return VIOMMU_E_STATE;
	if (!viommu_registers_queue_is_resetting(regs, queue))
		stop(regs, queue, q);
	if (regs->interrupts != NULL && regs->interrupts->queue_reset != NULL)
		regs->interrupts->queue_reset(regs->interrupt_ctx, queue);
	return VIOMMU_OK;
}

/* Is something that was taken from a queue still not over? If not, that is noticed. */
static bool is_stopping(const struct viommu_registers *regs, uint32_t queue, struct viommu_virtq_device *q)
{
	const struct viommu_register_class *c = regs->device_class;

	if (q->reset != VIOMMU_VIRTQ_RESET_RUNNING)
		return false;
	/* Who cannot stop one queue is here in a reset of the device, whose end is that of all of them. */
	if (!can_stop_queues(c) || !c->queue_is_settled(regs->class_ctx, queue))
		return true;
	q->reset = regs->resetting ? VIOMMU_VIRTQ_RESET_NONE : VIOMMU_VIRTQ_RESET_DONE;
	return false;
}

bool viommu_registers_queue_is_resetting(struct viommu_registers *regs, uint32_t queue)
{
	struct viommu_virtq_device *q = find_queue(regs, queue);

	VIOMMU_ASSERT(viommu_registers_is_valid(regs));
	/* "the device MUST present a 0 in queue_reset on reset" */
	return q != NULL && !regs->resetting && is_stopping(regs, queue, q);
}

bool viommu_registers_queue_is_enabled(struct viommu_registers *regs, uint32_t queue)
{
	struct viommu_virtq_device *q = find_queue(regs, queue);

	VIOMMU_ASSERT(viommu_registers_is_valid(regs));
	if (q == NULL)
		return false;
	(void)viommu_registers_get_status(regs); /* the end of a reset is the end of this, too */
	/* "The device MUST NOT access virtqueue contents when QueueReady is zero" */
	return viommu_virtq_device_state(q) != VIOMMU_VIRTQ_OFF || is_stopping(regs, queue, q);
}

enum viommu_result viommu_registers_notified(const struct viommu_registers *regs, uint32_t value, uint32_t *queue)
{
	VIOMMU_ASSERT(viommu_registers_is_valid(regs));
	/* What is stored before FEATURES_OK is not agreed. */
	if ((regs->status & VIOMMU_STATUS_FEATURES_OK) != 0 && (regs->features & VIOMMU_F_NOTIFICATION_DATA) != 0)
		value &= 0xffff;
	if (value >= regs->queue_count)
		return VIOMMU_E_ARG;
	*queue = viommu_port_mask_index(value, regs->queue_count);
	return VIOMMU_OK;
}

bool viommu_registers_is_live(const struct viommu_registers *regs)
{
	VIOMMU_ASSERT(viommu_registers_is_valid(regs));
	return (regs->status & VIOMMU_STATUS_DRIVER_OK) != 0 && (regs->status & VIOMMU_STATUS_NEEDS_RESET) == 0;
}

void viommu_registers_needs_reset(struct viommu_registers *regs)
{
	VIOMMU_ASSERT(viommu_registers_is_valid(regs));
	if ((regs->status & VIOMMU_STATUS_NEEDS_RESET) != 0)
		return; /* a reset may be going on */
	regs->status |= VIOMMU_STATUS_NEEDS_RESET;
	VIOMMU_ASSERT(viommu_registers_is_valid(regs));
	notify_config(regs);
}

void viommu_registers_interrupt(struct viommu_registers *regs, uint32_t queue)
{
	if (regs->interrupts != NULL && regs->interrupts->used != NULL)
		regs->interrupts->used(regs->interrupt_ctx, queue);
}
