/* SPDX-License-Identifier: BSD-3-Clause */
/* unmap.c: UNMAP: whole mappings or nothing. Holes are no error, and the range is not limited by input_range. */
#include "core.h"

uint8_t viommu_i_unmap(struct viommu_device *dev, struct viommu_request *request, const struct viommu_wire_request *r)
{
	struct viommu_domain *domain;

	if (r->u.unmap.reserved != 0)
		return VIOMMU_S_INVAL;
	domain = viommu_i_domain_find(dev, r->u.unmap.domain);
	if (domain == NULL)
		return VIOMMU_S_NOENT;
	if (domain->bypass || r->u.unmap.virt_end < r->u.unmap.virt_start)
		return VIOMMU_S_INVAL;
	if (viommu_map_remove(&domain->map, r->u.unmap.virt_start, r->u.unmap.virt_end, &request->limbo) != VIOMMU_OK)
		return VIOMMU_S_RANGE;
	/*
	 * Also when there was nothing left to remove: an earlier UNMAP of the range may still be waiting, and this one
	 * says the same to the driver.
	 */
	request->epoch = viommu_i_grace_begin(dev);
	request->domain = domain->id;
	request->in_domain = true;
	return VIOMMU_S_OK;
}
