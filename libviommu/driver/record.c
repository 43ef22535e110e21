/* SPDX-License-Identifier: BSD-3-Clause */
/* record.c: the record of a domain's mappings follows the device: it changes when an outcome is known. */
#include "core.h"

#include "../map/known.h"

void viommu_i_record_remove(struct viommu_driver_domain *domain, viommu_iova first, viommu_iova last)
{
	struct viommu_map_limbo limbo = { 0, 0 };

	/* Nothing to remove is fine; a split was ruled out when the request was posted. */
	viommu_i_map_cut(&domain->map, first, last, &limbo);
	/* Only the holder of the lock reads the record: no grace period. */
	viommu_map_pool_retire(&domain->drv->pool, &limbo);
}

bool viommu_i_record_splits(const struct viommu_driver_domain *domain, viommu_iova first, viommu_iova last)
{
	struct viommu_mapping m;

	if (viommu_map_next(&domain->map, first, &m) && m.first < first)
		return true;
	return viommu_map_next(&domain->map, last, &m) && m.first <= last && m.last > last;
}

/* Returns whether anything is there. */
static bool mark(struct viommu_driver_domain *domain, viommu_iova first, viommu_iova last)
{
	return viommu_i_map_mark(&domain->map, first, last, VIOMMU_MAP_FLAGS, MAPPING_UNCERTAIN);
}

bool viommu_i_record_doubt(struct viommu_driver_domain *domain, viommu_iova first, viommu_iova last)
{
	bool any = mark(domain, first, last);

	if (any)
		viommu_count(&domain->drv->stats.uncertain);
	return any;
}

void viommu_i_record_let_go(struct viommu_driver_domain *domain, viommu_iova first, viommu_iova last)
{
	struct viommu_mapping m;

	if (viommu_map_next(&domain->map, first, &m) && m.first == first && m.last == last &&
	    (m.flags & MAPPING_UNCERTAIN) != 0)
		viommu_i_record_remove(domain, first, last);
}

void viommu_i_record_forget_uncertain(struct viommu_driver_domain *domain)
{
	viommu_iova from = 0;
	struct viommu_mapping m;

	while (viommu_map_next(&domain->map, from, &m)) {
		if ((m.flags & MAPPING_UNCERTAIN) != 0)
			viommu_i_record_remove(domain, m.first, m.last);
		if (m.last == UINT64_MAX)
			break;
		from = m.last + 1;
	}
}

/*
 * A confirmed UNMAP speaks for MAPs of its range that were posted before it and are not answered yet: whatever becomes
 * of them, the range is free, and may have been mapped anew by the time their answer arrives.
 */
static void supersede_older_maps(const struct viommu_driver_slot *unmap)
{
	struct viommu_range range = { unmap->first, unmap->last };
	struct viommu_driver_slot *s = unmap->domain->oldest;

	for (; s != NULL && s->ticket < unmap->ticket; s = s->next) {
		/* An older UNMAP still speaks for the part of its range that is not ours. */
		if (s->type == VIOMMU_T_MAP && viommu_range_overlaps(range, (struct viommu_range){ s->first, s->last }))
			s->recorded = false;
	}
}

/* Not inline: what it tells about would lie on the stack under all of a settlement. */
static VIOMMU_NOINLINE void report(struct viommu_driver *drv, const struct viommu_driver_slot *slot, bool uncertain)
{
	struct viommu_driver_domain *domain = slot->domain;
	uint32_t *failures = slot->batch != NULL ? &slot->batch->failures : &domain->failures;
	struct viommu_driver_failure failure = {
		.result = slot->result,
		.type = slot->type,
		.status = slot->result == VIOMMU_E_REJECTED ? slot->status : (uint8_t)VIOMMU_S_OK,
		.uncertain = uncertain,
		.first = slot->first,
		.last = slot->last,
	};

	if (*failures == 0)
		*(slot->batch != NULL ? &slot->batch->first_failure : &domain->first_failure) = failure;
	viommu_count(failures);
	if (drv->ops->failed != NULL)
		drv->ops->failed(drv->ops_ctx, domain, &failure);
}

void viommu_i_record_settle(struct viommu_driver *drv, struct viommu_driver_slot *slot)
{
	bool is_map = slot->type == VIOMMU_T_MAP;
	bool uncertain = false;

	if (slot->result == VIOMMU_OK) {
		if (!is_map) {
			if (slot->batch == NULL)
				viommu_i_record_remove(slot->domain, slot->first, slot->last);
			else
				(void)mark(slot->domain, slot->first, slot->last); /* its poster lets go of it */
			supersede_older_maps(slot);
		}
		return;
	}
	if (is_map && slot->result == VIOMMU_E_REJECTED) {
		/* A definite no: the device has nothing there. The poster of a batch lets go of the range by itself. */
		if (slot->recorded && slot->batch == NULL)
			viommu_i_record_remove(slot->domain, slot->first, slot->last);
	} else if (slot->recorded) {
		uncertain = viommu_i_record_doubt(slot->domain, slot->first, slot->last);
	}
	report(drv, slot, uncertain);
}
