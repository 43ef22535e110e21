/* SPDX-License-Identifier: BSD-3-Clause */
/* unmap.c: UNMAP: whole mappings or nothing. Holes are no error, and the range is not limited by input_range. */
#include "core.h"

uint8_t viommu_i_unmap(struct viommu_device *dev, struct viommu_request *request, const struct viommu_wire_request *r)
{
	struct viommu_range range = { r->u.unmap.virt_start, r->u.unmap.virt_end };
	struct viommu_domain *domain;
	enum viommu_result result;
	uint8_t status = VIOMMU_S_OK;

	if (r->u.unmap.reserved != 0)
		return VIOMMU_S_INVAL;
	domain = viommu_i_domain_find(dev, r->u.unmap.domain);
	if (domain == NULL)
		return VIOMMU_S_NOENT;
	if (domain->bypass || range.last < range.first)
		return VIOMMU_S_INVAL;
	if (dev->backends != 0 && !viommu_i_backends_unmap(dev, domain, range, &status))
		return status;
	viommu_i_cache_shut_range(dev, domain, range);
	result = viommu_map_remove(&domain->map, range.first, range.last, &request->limbo);
	viommu_i_cache_open_range(dev, domain, range);
	if (result != VIOMMU_OK)
		return VIOMMU_S_RANGE;
	/*
	 * Also when there was nothing left to remove: an earlier UNMAP of the range may still be waiting, and this one
	 * says the same to the driver.
	 */
	request->epoch = viommu_i_grace_begin(dev);
	request->domain = domain;
	return status;
}
