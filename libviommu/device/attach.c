/* SPDX-License-Identifier: BSD-3-Clause */
/* attach.c: ATTACH. Everything is checked before anything changes. */
#include "core.h"

#include "../regions.h"

/* May there be one more domain, or does the endpoint leave one empty? And is there a slot that nobody reads? */
static bool has_room(const struct viommu_device *dev, const struct viommu_endpoint *endpoint)
{
	const struct viommu_domain *old = endpoint->domain;

	if (dev->domain_ids.count == dev->max_domains &&
	    (old == NULL || old->endpoints != endpoint || endpoint->next != NULL))
		return false;
	return viommu_i_domain_slot_is_free(dev);
}

uint8_t viommu_i_attach(struct viommu_device *dev, struct viommu_request *request, const struct viommu_wire_request *r)
{
	uint32_t known = (dev->negotiated & VIOMMU_F_BYPASS_CONFIG) != 0 ? VIOMMU_ATTACH_F_BYPASS : 0;
	bool bypass = (r->u.attach.flags & VIOMMU_ATTACH_F_BYPASS) != 0;
	struct viommu_endpoint *endpoint;
	struct viommu_domain *domain;
	bool revokes;
	uint8_t status;

	if (r->u.attach.reserved != 0 || (r->u.attach.flags & ~known) != 0)
		return VIOMMU_S_INVAL;
	endpoint = viommu_i_endpoint_find(dev, r->u.attach.endpoint);
	if (endpoint == NULL)
		return VIOMMU_S_NOENT;
	if ((dev->features & VIOMMU_F_DOMAIN_RANGE) != 0 &&
	    (r->u.attach.domain < dev->config.domain_first || r->u.attach.domain > dev->config.domain_last))
		return VIOMMU_S_RANGE;
	domain = viommu_i_domain_find(dev, r->u.attach.domain);
	if (domain != NULL && domain->bypass != bypass)
		return VIOMMU_S_INVAL;
	if (endpoint->is_blocked)
		return VIOMMU_S_DEVERR;
	if (domain != NULL && domain == endpoint->domain) {
		/* It is there already: no detach, the mappings stay. But the move here may not be over. */
		if (endpoint->is_moving) {
			request->endpoint = endpoint;
			request->domain = endpoint->left;
			request->epoch = endpoint->moved;
		}
		return VIOMMU_S_OK;
	}
	if (domain != NULL && (viommu_i_regions_are_mapped(endpoint->regions, endpoint->region_count, &domain->map) ||
			       !viommu_i_endpoint_fits(endpoint, domain)))
		return VIOMMU_S_UNSUPP;
	if (domain == NULL && !has_room(dev, endpoint))
		return VIOMMU_S_NOMEM;
	status = viommu_i_backend_attach(dev, endpoint, r->u.attach.domain, bypass, domain);
	if (status != VIOMMU_S_OK)
		return status;

	/*
	 * Also an endpoint without a domain can lose something: the bypass, now or by a store that has not settled.
	 * This request is where the driver learns that it is over.
	 */
	revokes = endpoint->domain != NULL || viommu_i_bypass_is_active(dev) || endpoint->is_moving;
	if (revokes) {
		request->endpoint = endpoint;
		request->domain = endpoint->domain;
		viommu_i_grace_moves(dev, endpoint);
	}
	if (domain == NULL)
		domain = viommu_i_domain_create(dev, r->u.attach.domain, bypass);
	viommu_i_endpoint_move(dev, endpoint, domain, &request->limbo);
	if (revokes)
		request->epoch = viommu_i_grace_begin(dev);
	return VIOMMU_S_OK;
}
