/* SPDX-License-Identifier: BSD-3-Clause */
/* map.c: map and unmap: check, record, post. */
#include "core.h"

#include "../regions.h"

static enum viommu_result state_check(const struct viommu_driver_domain *domain)
{
	if (domain->drv->state == VIOMMU_DRIVER_FAILED)
		return VIOMMU_E_BROKEN;
	if (domain->drv->state != VIOMMU_DRIVER_RUNNING || domain->bypass || !viommu_i_domain_is_known(domain))
		return VIOMMU_E_STATE;
	return VIOMMU_OK;
}

static bool is_reserved(const struct viommu_driver_domain *domain, struct viommu_range range)
{
	for (const struct viommu_driver_endpoint *e = domain->endpoints; e != NULL; e = e->next) {
		if (viommu_i_regions_overlap(e->regions, e->region_count, range))
			return true;
	}
	return false;
}

/* Is a request in flight that may yet free some of this range? */
static bool is_being_unmapped(const struct viommu_driver_domain *domain, struct viommu_range range)
{
	const struct viommu_driver_slot *s = domain->unmaps > 0 ? domain->oldest : NULL;

	for (; s != NULL; s = s->next) {
		struct viommu_range other = { s->first, s->last };

		if (s->type == VIOMMU_T_UNMAP && viommu_range_overlaps(range, other))
			return true;
	}
	return false;
}

static VIOMMU_NOINLINE enum viommu_result map_check(const struct viommu_driver_domain *domain,
						    const struct viommu_mapping *m)
{
	const struct viommu_driver *drv = domain->drv;
	struct viommu_range range = { m->first, m->last };
	enum viommu_result result = state_check(domain);

	if (result != VIOMMU_OK)
		return result;
	if (m->last < m->first || m->last - m->first > UINT64_MAX - m->phys ||
	    (m->flags & ~(VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE | VIOMMU_MAP_F_MMIO)) != 0)
		return VIOMMU_E_ARG;
	if ((m->flags & VIOMMU_MAP_F_MMIO) != 0 && (drv->features & VIOMMU_F_MMIO) == 0)
		return VIOMMU_E_UNSUPP;
	if (((m->first | ~m->last | m->phys) & (driver_granule(drv) - 1)) != 0)
		return VIOMMU_E_RANGE;
	if (!viommu_range_contains(drv->config.input_range, range) || is_reserved(domain, range))
		return VIOMMU_E_RANGE;
	return VIOMMU_OK;
}

enum viommu_result viommu_i_try_map(struct viommu_driver_domain *domain, const struct viommu_mapping *m,
				    struct viommu_driver_poster *poster)
{
	struct viommu_driver *drv = domain->drv;
	struct viommu_driver_slot *slot;
	enum viommu_result result = map_check(domain, m);

	if (result != VIOMMU_OK)
		return result;
	if (domain->endpoints != NULL && !viommu_i_slot_is_there(drv, poster))
		return VIOMMU_E_FULL;
	/*
	 * Holes of an UNMAP in flight too: its answer settles all of its range, and must not meet what came after it.
	 */
	if (is_being_unmapped(domain, (struct viommu_range){ m->first, m->last }))
		return VIOMMU_E_BUSY;
	result = viommu_map_insert(&domain->map, m->first, m->last, m->phys, m->flags);
	if (result != VIOMMU_OK || domain->endpoints == NULL)
		return result;

	slot = viommu_i_slot_take(drv, poster);
	slot->recorded = true;
	slot->batch = poster->batch;
	result = viommu_i_post_map(domain, slot, m);
	if (result != VIOMMU_OK)
		viommu_i_record_remove(domain, m->first, m->last);
	return result;
}

bool viommu_i_wait_to_retry(struct viommu_driver_domain *domain, struct viommu_driver_poster *poster,
			    enum viommu_result *result)
{
	bool needs_slot = *result == VIOMMU_E_FULL;

	if (needs_slot || *result == VIOMMU_E_BUSY) {
		/* All of the domain's at once: refilling the queue one by one would kick for each. */
		*result = viommu_i_wait_for_domain(domain);
		if (*result == VIOMMU_OK && needs_slot)
			*result = viommu_i_wait_for_slot(domain->drv, poster);
		if (*result == VIOMMU_OK)
			return true;
	}
	poster_finish(domain->drv, poster);
	return false;
}

enum viommu_result viommu_i_driver_map(struct viommu_driver_domain *domain, const struct viommu_mapping *m,
				       struct viommu_driver_batch *batch)
{
	struct viommu_driver_poster poster = { .batch = batch };
	enum viommu_result result;

	do {
		driver_lock(domain->drv);
		VIOMMU_ASSERT(viommu_driver_domain_is_valid(domain));
		result = viommu_i_try_map(domain, m, &poster);
		VIOMMU_ASSERT(viommu_driver_domain_is_valid(domain));
		driver_unlock(domain->drv);
	} while (viommu_i_wait_to_retry(domain, &poster, &result));
	return result;
}

enum viommu_result viommu_driver_map(struct viommu_driver_domain *domain, viommu_iova first, viommu_iova last,
				     viommu_gpa phys, uint32_t flags)
{
	struct viommu_mapping m = { .first = first, .last = last, .phys = phys, .flags = flags };

	return viommu_i_driver_map(domain, &m, NULL);
}

static enum viommu_result unmap_check(const struct viommu_driver_domain *domain, viommu_iova first, viommu_iova last)
{
	enum viommu_result result = state_check(domain);

	if (result != VIOMMU_OK)
		return result;
	if (last < first)
		return VIOMMU_E_ARG;
	if (!viommu_range_contains(domain->drv->config.input_range, (struct viommu_range){ first, last }))
		return VIOMMU_E_RANGE;
	if (!viommu_i_record_splits(domain, first, last))
		return VIOMMU_OK;
	/* What would be split may be on its way out. */
	return is_being_unmapped(domain, (struct viommu_range){ first, last }) ? VIOMMU_E_BUSY : VIOMMU_E_RANGE;
}

enum viommu_result viommu_i_try_unmap(struct viommu_driver_domain *domain, viommu_iova first, viommu_iova last,
				      struct viommu_driver_poster *poster)
{
	struct viommu_driver *drv = domain->drv;
	struct viommu_wire_request request = {
		.type = VIOMMU_T_UNMAP,
		.u.unmap = { .domain = domain->id, .virt_start = first, .virt_end = last },
	};
	struct viommu_driver_slot *slot;
	enum viommu_result result = unmap_check(domain, first, last);

	if (result != VIOMMU_OK)
		return result;
	if (domain->endpoints == NULL) {
		viommu_i_record_remove(domain, first, last);
		return VIOMMU_OK;
	}
	slot = viommu_i_slot_take(drv, poster);
	if (slot == NULL)
		return VIOMMU_E_FULL;
	slot->domain = domain;
	slot->batch = poster->batch;
	slot->first = first;
	slot->last = last;
	slot->recorded = true;
	return viommu_i_slot_post(drv, slot, &request, SLOT_POSTED);
}

enum viommu_result viommu_i_driver_unmap(struct viommu_driver_domain *domain, viommu_iova first, viommu_iova last,
					 struct viommu_driver_batch *batch)
{
	struct viommu_driver_poster poster = { .batch = batch };
	enum viommu_result result;

	do {
		driver_lock(domain->drv);
		VIOMMU_ASSERT(viommu_driver_domain_is_valid(domain));
		result = viommu_i_try_unmap(domain, first, last, &poster);
		VIOMMU_ASSERT(viommu_driver_domain_is_valid(domain));
		driver_unlock(domain->drv);
	} while (viommu_i_wait_to_retry(domain, &poster, &result));
	return result;
}

enum viommu_result viommu_driver_unmap(struct viommu_driver_domain *domain, viommu_iova first, viommu_iova last)
{
	return viommu_i_driver_unmap(domain, first, last, NULL);
}

void viommu_i_take_back(struct viommu_driver_domain *domain, viommu_iova first, viommu_iova last)
{
	if (viommu_driver_unmap(domain, first, last) == VIOMMU_OK)
		return;
	driver_lock(domain->drv);
	(void)viommu_i_record_doubt(domain, first, last);
	/* The device was not even asked, and has nothing, if it does not have the domain. */
	viommu_i_domain_bury_if_dead(domain);
	driver_unlock(domain->drv);
}

enum viommu_result viommu_driver_iova_to_phys(struct viommu_driver_domain *domain, viommu_iova iova, viommu_gpa *phys)
{
	enum viommu_result result = VIOMMU_OK;
	struct viommu_mapping m;

	driver_lock(domain->drv);
	VIOMMU_ASSERT(viommu_driver_domain_is_valid(domain));
	if (domain->bypass)
		*phys = iova;
	else if (viommu_map_lookup(&domain->map, iova, &m))
		*phys = m.phys;
	else
		result = VIOMMU_E_NOENT;
	driver_unlock(domain->drv);
	return result;
}

bool viommu_driver_next_mapping(struct viommu_driver_domain *domain, viommu_iova from, struct viommu_mapping *out)
{
	bool found;

	driver_lock(domain->drv);
	VIOMMU_ASSERT(viommu_driver_domain_is_valid(domain));
	found = viommu_map_next(&domain->map, from, out);
	driver_unlock(domain->drv);
	if (found)
		out->flags &= ~MAPPING_UNCERTAIN;
	return found;
}
