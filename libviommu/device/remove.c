/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * remove.c: endpoints that go. The slot of one that was removed is not used again before nobody has a context of it.
 *
 *     endpoint_ids.slots:   [ in use, in the order of their ids | removed | free ]
 *                                                          count    + removed_count
 *
 * Requests that wait for the endpoint may remember its slot when another one has it: contexts that began after the
 * request are clean, so they do not wait for that one.
 */
#include "core.h"

#include "../internal.h"

static void swap(uint32_t *slots, uint32_t i, uint32_t k)
{
	uint32_t slot = slots[i];

	slots[i] = slots[k];
	slots[k] = slot;
}

struct viommu_endpoint *viommu_i_endpoint_take(struct viommu_device *dev, uint32_t id)
{
	struct viommu_id_table *table = &dev->endpoint_ids;

	/* The first free slot changes places with the first removed one: insert takes what is behind those in use. */
	swap(table->slots, table->count, table->count + dev->removed_count);
	return &dev->endpoints[viommu_i_ids_insert(table, id)];
}

enum viommu_result viommu_device_remove_endpoint(struct viommu_device *dev, struct viommu_endpoint *endpoint)
{
	struct viommu_id_table *table = &dev->endpoint_ids;

	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	if (endpoint->is_removed)
		return VIOMMU_E_STATE;
	viommu_i_trace(dev, VIOMMU_TRACE_ENDPOINT_REMOVED, endpoint->id, 0, 0);
	viommu_i_backend_remove(dev, endpoint);
	endpoint->is_removed = true;
	endpoint->removed_from = endpoint->domain;
	viommu_i_grace_moves(dev, endpoint);
	viommu_i_endpoint_move(dev, endpoint, NULL, &endpoint->limbo);
	(void)viommu_i_grace_begin(dev); /* endpoint->moved */
	/* Its slot is the last one now; it goes behind the others that were removed. */
	viommu_i_ids_remove(table, endpoint->id);
	swap(table->slots, table->count + dev->removed_count, table->capacity - 1);
	dev->removed_count++;
	if (dev->fault_turn > table->count)
		dev->fault_turn = table->count;
	viommu_i_grace_advance(dev); /* from now on the end of the last section is told */
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	return VIOMMU_OK;
}

bool viommu_device_endpoint_is_gone(struct viommu_device *dev, struct viommu_endpoint *endpoint)
{
	struct viommu_id_table *table = &dev->endpoint_ids;
	uint32_t at = table->count;
	bool over;

	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	if (!endpoint->is_removed)
		return false;
	over = viommu_i_grace_is_over(dev, endpoint, endpoint->removed_from, endpoint->moved);
	viommu_i_grace_advance(dev); /* what is over by now is not on the move any more */
	if (over)
		viommu_map_pool_retire(&dev->pool, &endpoint->limbo);
	if (!over || endpoint->contexts != NULL)
		return false;
	VIOMMU_ASSERT(!endpoint->is_moving);
	while (&dev->endpoints[table->slots[at]] != endpoint)
		at++;
	dev->removed_count--;
	swap(table->slots, at, table->count + dev->removed_count);
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	return true;
}
