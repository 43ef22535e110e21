/* SPDX-License-Identifier: BSD-3-Clause */
/* map.c: MAP. */
#include "core.h"

#include "../regions.h"

static bool is_reserved(const struct viommu_domain *domain, struct viommu_range range)
{
	for (const struct viommu_endpoint *e = domain->endpoints; e != NULL; e = e->next) {
		if (viommu_i_regions_overlap(e->regions, e->region_count, range))
			return true;
	}
	return false;
}

static uint8_t insert(struct viommu_domain *domain, const struct viommu_wire_request *r)
{
	enum viommu_result result = viommu_map_insert(&domain->map, r->u.map.virt_start, r->u.map.virt_end,
						      r->u.map.phys_start, r->u.map.flags);

	if (result == VIOMMU_OK)
		return VIOMMU_S_OK;
	if (result == VIOMMU_E_EXISTS)
		return VIOMMU_S_INVAL;
	VIOMMU_ASSERT(result == VIOMMU_E_NOMEM); /* order, alignment, flags and end were judged before */
	return VIOMMU_S_NOMEM;
}

/* As above, and in all back ends. */
static uint8_t insert_everywhere(struct viommu_device *dev, struct viommu_request *request,
				 struct viommu_domain *domain, const struct viommu_wire_request *r)
{
	struct viommu_range range = { r->u.map.virt_start, r->u.map.virt_end };
	struct viommu_mapping m = { range.first, range.last, r->u.map.phys_start, r->u.map.flags };
	struct viommu_mapping there;
	struct viommu_endpoint *agreed;
	uint8_t status;

	if (viommu_map_next(&domain->map, range.first, &there) && there.first <= range.last)
		return VIOMMU_S_INVAL;
	status = viommu_i_backends_prepare_map(dev, domain, &m, &agreed);
	if (status != VIOMMU_S_OK)
		return status;
	status = insert(domain, r);
	if (status != VIOMMU_S_OK) {
		viommu_i_backends_abort_map(dev, &m, agreed);
		return status;
	}
	if (viommu_i_backends_commit_map(dev, domain, &m, agreed))
		return VIOMMU_S_OK;
	/* One broke. The mapping has been there for a moment: the driver hears that it is not when nobody uses it. */
	viommu_i_cache_shut_range(dev, domain, range);
	(void)!viommu_map_remove(&domain->map, range.first, range.last, &request->limbo);
	viommu_i_cache_open_range(dev, domain, range);
	request->epoch = viommu_i_grace_begin(dev);
	request->domain = domain;
	return VIOMMU_S_DEVERR;
}

uint8_t viommu_i_map(struct viommu_device *dev, struct viommu_request *request, const struct viommu_wire_request *r)
{
	uint32_t known = VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE;
	struct viommu_range range = { r->u.map.virt_start, r->u.map.virt_end };
	struct viommu_domain *domain;

	if ((dev->negotiated & VIOMMU_F_MMIO) != 0)
		known |= VIOMMU_MAP_F_MMIO;
	if ((r->u.map.flags & ~known) != 0)
		return VIOMMU_S_INVAL;
	domain = viommu_i_domain_find(dev, r->u.map.domain);
	if (domain == NULL)
		return VIOMMU_S_NOENT;
	if (domain->bypass || range.last < range.first)
		return VIOMMU_S_INVAL;
	if (!viommu_i_limits_allow(&domain->limits, range, r->u.map.phys_start))
		return VIOMMU_S_RANGE;
	if (range.last - range.first > UINT64_MAX - r->u.map.phys_start)
		return VIOMMU_S_RANGE;
	if (is_reserved(domain, range))
		return VIOMMU_S_INVAL;
	return dev->backends == 0 ? insert(domain, r) : insert_everywhere(dev, request, domain, r);
}
