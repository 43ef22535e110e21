/* SPDX-License-Identifier: BSD-3-Clause */
/* endpoint.c: PROBE, and what its reply says. The reply is hostile bytes. */
#include "core.h"

#include "../internal.h"

static enum viommu_result parse(struct viommu_driver_endpoint *endpoint, const uint8_t *list, size_t len,
				uint32_t capacity)
{
	size_t offset = 0;

	for (;;) {
		struct viommu_wire_property property;
		struct viommu_resv_region region;
		enum viommu_result result = viommu_wire_property_next(list, len, &offset, &property);

		if (result == VIOMMU_E_EMPTY)
			return VIOMMU_OK;
		if (result != VIOMMU_OK)
			return result;
		if (property.type != VIOMMU_PROBE_T_RESV_MEM || property.reserved != 0)
			continue;
		/* A range that makes no sense is one that we cannot keep off: no endpoint rather than a wrong one. */
		if (viommu_wire_resv_mem_decode(&property, &region) != VIOMMU_OK)
			return VIOMMU_E_PEER;
		if (endpoint->region_count == capacity)
			return VIOMMU_E_NOMEM;
		endpoint->regions[endpoint->region_count++] = region;
	}
}

static enum viommu_result probe(struct viommu_driver_endpoint *endpoint, uint32_t capacity)
{
	struct viommu_driver *drv = endpoint->drv;
	struct viommu_wire_request request = { .type = VIOMMU_T_PROBE, .u.probe.endpoint = endpoint->id };
	const uint8_t *reply = (const uint8_t *)drv->probe_memory.base + PROBE_REPLY;
	enum viommu_result result;
	uint8_t status;
	bool answered;

	result = viommu_i_call(drv, &request, &status);
	answered = result == VIOMMU_OK || result == VIOMMU_E_REJECTED || result == VIOMMU_E_PEER;
	if (result == VIOMMU_OK) {
		/* The device can still write to the reply: what is judged is a copy. */
		viommu_port_copy_in(drv->probe_copy, reply, drv->config.probe_size);
		result = parse(endpoint, drv->probe_copy, drv->config.probe_size, capacity);
	}
	/* Without an answer the slot is not ours to release: abandoned, or another thread's. */
	if (answered) {
		driver_lock(drv);
		VIOMMU_ASSERT(drv->probe_slot != NULL); /* since it was posted nobody but us lets go of it */
		viommu_i_slot_release(drv, drv->probe_slot);
		driver_unlock(drv);
	}
	return result;
}

enum viommu_result viommu_driver_endpoint_init(struct viommu_driver_endpoint *endpoint, struct viommu_driver *drv,
					       uint32_t id, struct viommu_resv_region *regions, uint32_t capacity)
{
	enum viommu_driver_state state = driver_state(drv);
	enum viommu_result result = VIOMMU_OK;

	memset(endpoint, 0, sizeof *endpoint);
	if (state != VIOMMU_DRIVER_RUNNING)
		return state == VIOMMU_DRIVER_FAILED ? VIOMMU_E_BROKEN : VIOMMU_E_STATE;
	endpoint->drv = drv;
	endpoint->id = id;
	endpoint->regions = regions;
	if ((drv->features & VIOMMU_F_PROBE) != 0)
		result = probe(endpoint, capacity);
	/* What it must keep off is not known: such an endpoint is nobody's. */
	if (result != VIOMMU_OK)
		endpoint->drv = NULL;
	return result;
}

const struct viommu_resv_region *viommu_driver_endpoint_regions(const struct viommu_driver_endpoint *endpoint,
								uint32_t *count)
{
	*count = endpoint->region_count;
	return endpoint->regions;
}
