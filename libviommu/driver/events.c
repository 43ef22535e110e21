/* SPDX-License-Identifier: BSD-3-Clause */
/* events.c: the event queue: always full of buffers, each of them for one fault report. */
#include "core.h"

#include "../internal.h"

/* Tokens are buffer numbers, counted from 1. */
static void *token_of(uint32_t buffer)
{
	return (void *)((uintptr_t)buffer + 1);
}

static uint8_t *memory_of(const struct viommu_driver *drv, uint32_t buffer)
{
	return (uint8_t *)drv->event_memory.base + (size_t)buffer * EVENT_STRIDE;
}

static enum viommu_result give(struct viommu_driver *drv, uint32_t buffer)
{
	struct viommu_bus_segment segment = { drv->event_memory.addr + (uint64_t)buffer * EVENT_STRIDE,
					      VIOMMU_WIRE_FAULT_SIZE };
	uint8_t no_report[VIOMMU_WIRE_FAULT_SIZE];

	/* A buffer that the device skips must not read as the report that was in it before: this is none. */
	memset(no_report, 0xff, sizeof no_report);
	viommu_port_copy_out(memory_of(drv, buffer), no_report, sizeof no_report);
	driver_clean(drv, memory_of(drv, buffer), VIOMMU_WIRE_FAULT_SIZE);
	return drv->queues->add(drv->queues_ctx, VIOMMU_QUEUE_EVENT, &segment, 0, 1, token_of(buffer));
}

enum viommu_result viommu_i_events_fill(struct viommu_driver *drv)
{
	enum viommu_result result = VIOMMU_OK;

	for (uint32_t i = 0; i < drv->event_count && result == VIOMMU_OK; i++)
		result = give(drv, i);
	/* A device with a shorter queue gets fewer buffers. */
	return result == VIOMMU_E_FULL ? VIOMMU_OK : result;
}

/* Takes one report and gives its buffer back to the device. EMPTY; PEER: malformed. Lock held. */
static enum viommu_result take(struct viommu_driver *drv, struct viommu_wire_fault *fault)
{
	uint8_t bytes[VIOMMU_WIRE_FAULT_SIZE];
	enum viommu_result result;
	uint32_t written, buffer;
	void *token;

	result = drv->queues->pop(drv->queues_ctx, VIOMMU_QUEUE_EVENT, &token, &written);
	if (result != VIOMMU_OK)
		return result;
	buffer = (uint32_t)((uintptr_t)token - 1);
	if (buffer >= drv->event_count)
		return VIOMMU_E_BROKEN;
	result = VIOMMU_E_PEER;
	/* Bytes behind the used length are not this report's: they are not even looked at. */
	if (written >= sizeof bytes) {
		driver_invalidate(drv, memory_of(drv, buffer), sizeof bytes);
		viommu_port_copy_in(bytes, memory_of(drv, buffer), sizeof bytes);
		result = viommu_wire_fault_decode(bytes, sizeof bytes, fault);
	}
	viommu_count(result == VIOMMU_OK ? &drv->stats.faults : &drv->stats.faults_bad);
	if (give(drv, buffer) == VIOMMU_E_BROKEN)
		drv->state = VIOMMU_DRIVER_FAILED;
	return result;
}

void viommu_driver_endpoint_set_fault(struct viommu_driver_endpoint *endpoint,
				      void (*fault)(void *ctx, const struct viommu_wire_fault *fault), void *ctx)
{
	driver_lock(endpoint->drv);
	endpoint->fault = fault;
	endpoint->fault_ctx = ctx;
	driver_unlock(endpoint->drv);
}

/* Whoever is to be told of a fault. */
struct owner {
	void (*fault)(void *ctx, const struct viommu_wire_fault *fault);
	void *ctx;
};

static struct owner owner_of(const struct viommu_driver *drv, uint32_t id)
{
	for (const struct viommu_driver_domain *d = drv->domains; d != NULL; d = d->next) {
		for (const struct viommu_driver_endpoint *e = d->endpoints; e != NULL; e = e->next) {
			if (e->id == id && e->fault != NULL)
				return (struct owner){ e->fault, e->fault_ctx };
		}
	}
	return (struct owner){ drv->ops->fault, drv->ops_ctx };
}

bool viommu_driver_process(struct viommu_driver *drv, uint32_t budget)
{
	enum viommu_result result = VIOMMU_OK;
	bool kick;

	driver_lock(drv);
	do
		(void)viommu_i_reap(drv);
	while (drv->state == VIOMMU_DRIVER_RUNNING && driver_arm(drv, VIOMMU_QUEUE_REQUEST));
	driver_unlock(drv);
	while (budget > 0) {
		struct viommu_wire_fault fault;
		struct owner owner = { 0 };

		driver_lock(drv);
		if (drv->state == VIOMMU_DRIVER_RUNNING) {
			result = take(drv, &fault);
			if (result == VIOMMU_E_EMPTY && driver_arm(drv, VIOMMU_QUEUE_EVENT))
				result = take(drv, &fault);
			if (result == VIOMMU_E_BROKEN)
				drv->state = VIOMMU_DRIVER_FAILED;
			if (result == VIOMMU_OK)
				owner = owner_of(drv, fault.endpoint);
		} else {
			result = VIOMMU_E_BROKEN;
		}
		driver_unlock(drv);
		if (result == VIOMMU_E_EMPTY || result == VIOMMU_E_BROKEN)
			break;
		if (owner.fault != NULL)
			owner.fault(owner.ctx, &fault);
		budget--;
	}
	driver_lock(drv);
	kick = drv->state == VIOMMU_DRIVER_RUNNING && drv->queues->publish(drv->queues_ctx, VIOMMU_QUEUE_EVENT);
	driver_unlock(drv);
	if (kick)
		drv->queues->kick(drv->queues_ctx, VIOMMU_QUEUE_EVENT);
	return budget == 0;
}
