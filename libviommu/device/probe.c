/* SPDX-License-Identifier: BSD-3-Clause */
/* probe.c: PROBE: the properties of an endpoint, then zeroes, then the tail. */
#include "core.h"

uint8_t viommu_i_probe(struct viommu_device *dev, const struct viommu_wire_request *r, struct viommu_i_writer *w,
		       uint64_t area)
{
	const struct viommu_endpoint *endpoint = viommu_i_endpoint_find(dev, r->u.probe.endpoint);
	uint8_t status = VIOMMU_S_OK;

	if (endpoint == NULL)
		status = VIOMMU_S_NOENT;
	else if (area < dev->config.probe_size)
		status = VIOMMU_S_INVAL;
	for (uint32_t i = 0; status == VIOMMU_S_OK && i < endpoint->region_count; i++) {
		uint8_t property[VIOMMU_WIRE_RESV_MEM_SIZE];

		viommu_wire_resv_mem_encode(&endpoint->regions[i], property);
		viommu_i_write(w, property, sizeof property);
		area -= sizeof property; /* add_endpoint has seen to it that they fit */
	}
	/* The zeroes end the list, and make the used length that covers the status an honest one. */
	viommu_i_write_zeroes(w, area);
	return status;
}
