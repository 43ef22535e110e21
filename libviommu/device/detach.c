/* SPDX-License-Identifier: BSD-3-Clause */
/* detach.c: DETACH. */
#include "core.h"

uint8_t viommu_i_detach(struct viommu_device *dev, struct viommu_request *request, const struct viommu_wire_request *r)
{
	struct viommu_endpoint *endpoint = viommu_i_endpoint_find(dev, r->u.detach.endpoint);
	uint8_t status;

	if (endpoint == NULL)
		return VIOMMU_S_NOENT;
	if (endpoint->domain == NULL || endpoint->domain->id != r->u.detach.domain)
		return VIOMMU_S_INVAL;
	if (!viommu_i_backend_detach(dev, endpoint, &status))
		return status;
	request->endpoint = endpoint;
	request->domain = endpoint->domain;
	viommu_i_grace_moves(dev, endpoint);
	viommu_i_endpoint_move(dev, endpoint, NULL, &request->limbo);
	request->epoch = viommu_i_grace_begin(dev);
	return status;
}
