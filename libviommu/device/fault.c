/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault.c: reports wait in the context that raised them until the owner fetches them; endpoints take turns, and of each
 * of them its contexts. One thread puts them in, the owner takes them out: each of the two indices has one writer. The
 * counters of a context are its thread's, too, and added up when somebody asks.
 */
#include "core.h"

#include "../internal.h"

void viommu_i_work_pending(struct viommu_device *dev)
{
	if (dev->ops != NULL && dev->ops->work_pending != NULL)
		dev->ops->work_pending(dev->ops_ctx);
}

/* One thread counts, another one may look. */
static void count(uint32_t *counter)
{
	uint32_t value = *counter;

	viommu_count(&value);
	viommu_port_set32(counter, value);
}

void viommu_i_fault_raise(struct viommu_access *access, uint8_t reason, uint32_t kind, viommu_iova iova)
{
	uint32_t head = access->fault_head;
	struct viommu_wire_fault *fault = &access->faults[head % VIOMMU_ACCESS_FAULTS];

	count(&access->faults_raised);
	if (viommu_i_steps(viommu_port_get32(&access->fault_tail), head) == VIOMMU_ACCESS_FAULTS) {
		count(&access->faults_lost);
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
	(void)viommu_i_step(&head);
	viommu_port_set32(&access->fault_head, head);
	viommu_i_work_pending(access->dev);
}

/* The oldest report of the context, if there is one. */
static bool fetch(struct viommu_access *access, struct viommu_wire_fault *out)
{
	uint32_t tail = access->fault_tail;

	if (viommu_port_get32(&access->fault_head) == tail)
		return false;
	*out = access->faults[viommu_i_step(&tail) % VIOMMU_ACCESS_FAULTS];
	viommu_port_set32(&access->fault_tail, tail);
	return true;
}

/* The context goes to the end of the list of its endpoint: next time it is the turn of others. */
static void put_last(struct viommu_access **link)
{
	struct viommu_access *a = *link;

	*link = a->next;
	while (*link != NULL)
		link = &(*link)->next;
	*link = a;
	a->next = NULL;
}

enum viommu_result viommu_device_next_fault(struct viommu_device *dev, struct viommu_wire_fault *out)
{
	uint32_t count = dev->endpoint_ids.count;

	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	if (dev->is_resetting && !viommu_device_is_settled(dev))
		return VIOMMU_E_EMPTY;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t turn = dev->fault_turn < count ? dev->fault_turn : 0;
		struct viommu_endpoint *endpoint = &dev->endpoints[dev->endpoint_ids.slots[turn]];

		dev->fault_turn = turn + 1;
		for (struct viommu_access **link = &endpoint->contexts; *link != NULL; link = &(*link)->next) {
			if (fetch(*link, out)) {
				put_last(link);
				if (viommu_i_is_traced(dev))
					viommu_i_trace_fault(dev, out);
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
			viommu_port_set32(&a->fault_tail, viommu_port_get32(&a->fault_head));
	}
}

static void add(uint32_t *counter, uint32_t n)
{
	*counter = n < UINT32_MAX - *counter ? *counter + n : UINT32_MAX;
}

void viommu_i_fault_leave(struct viommu_access *access)
{
	struct viommu_device *dev = access->dev;

	add(&dev->faults_before, access->faults_raised);
	add(&dev->faults_lost_before, access->faults_lost);
	add(&dev->faults_lost_before, viommu_i_steps(access->fault_tail, access->fault_head));
}

const struct viommu_device_stats *viommu_device_get_stats(struct viommu_device *dev)
{
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	dev->stats.faults = dev->faults_before;
	dev->stats.faults_lost = dev->faults_lost_before;
	for (uint32_t i = 0; i < viommu_i_endpoint_count(dev); i++) {
		for (struct viommu_access *a = viommu_i_endpoint_at(dev, i)->contexts; a != NULL; a = a->next) {
			add(&dev->stats.faults, viommu_port_get32(&a->faults_raised));
			add(&dev->stats.faults_lost, viommu_port_get32(&a->faults_lost));
		}
	}
	return &dev->stats;
}
