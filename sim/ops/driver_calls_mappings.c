/* SPDX-License-Identifier: BSD-3-Clause */
/* driver_calls_mappings.c: map, unmap and sync, and identity mappings. */
#include "driver_calls.h"

#define CHECK SIM_OPS_CHECK
#define BLOCKERS (MODEL_ENDPOINTS * WORLD_REGIONS + 1)

enum viommu_result driver_calls_map(uint32_t d, uint64_t first, uint64_t last, uint64_t phys, uint32_t flags)
{
	struct model_mapping m = { first, last, phys, flags, false };
	bool wraps = last >= first && last - first > UINT64_MAX - phys;
	bool good_flags = (flags & ~7u) == 0;
	bool aligned = ((first | (last + 1) | phys) & (WORLD_PAGE - 1)) == 0;
	enum viommu_result r;

	if (!w->model.domains[d].made || w->model.domains[d].count >= MODEL_MAPPINGS - 4)
		return VIOMMU_E_STATE;
	w->model.domain = d;
	w->model.first = first;
	w->model.last = last;
	w->model.phys = phys;
	w->model.flags = flags;
	driver_calls_begin(CALL_MAP);
	r = viommu_driver_map(&w->domains[d], first, last, phys, flags);
	driver_calls_leave();
	switch (r) {
	case VIOMMU_OK:
		CHECK(driver_calls_is_running() && !w->model.domains[d].bypass && !driver_calls_is_unknown(d));
		CHECK(first <= last && !wraps && good_flags && aligned && driver_calls_is_in_range(first, last));
		CHECK((flags & VIOMMU_MAP_F_MMIO) == 0 || (w->model.limits.features & VIOMMU_F_MMIO) != 0);
		CHECK(!driver_model_is_reserved(&w->model, d, first, last));
		CHECK(!driver_model_overlaps(&w->model, d, first, last));
		driver_model_insert(&w->model, d, &m);
		break;
	case VIOMMU_E_ARG:
		CHECK(last < first || wraps || !good_flags);
		break;
	case VIOMMU_E_UNSUPP:
		CHECK((flags & VIOMMU_MAP_F_MMIO) != 0 && (w->model.limits.features & VIOMMU_F_MMIO) == 0);
		break;
	case VIOMMU_E_RANGE:
		CHECK(!aligned || !driver_calls_is_in_range(first, last) ||
		      driver_model_is_reserved(&w->model, d, first, last));
		break;
	case VIOMMU_E_EXISTS:
		CHECK(driver_model_overlaps(&w->model, d, first, last));
		break;
	case VIOMMU_E_NOMEM:
		CHECK(viommu_map_pool_free(&w->drv.pool) < 2 * VIOMMU_MAP_LEVELS + 2);
		break;
	default:
		driver_calls_check_common(d, r);
		break;
	}
	CHECK(w->model.posted == (r == VIOMMU_OK && w->domains[d].endpoints != NULL));
	driver_calls_end(r);
	return r;
}

enum viommu_result driver_calls_unmap(uint32_t d, uint64_t first, uint64_t last)
{
	enum viommu_result r;

	if (!w->model.domains[d].made ||
	    driver_calls_is_deferred_by_others(d, NULL, (struct viommu_range){ first, last }))
		return VIOMMU_E_STATE;
	w->model.domain = d;
	w->model.first = first;
	w->model.last = last;
	driver_calls_begin(CALL_UNMAP);
	r = viommu_driver_unmap(&w->domains[d], first, last);
	driver_calls_leave();
	switch (r) {
	case VIOMMU_OK:
		CHECK(driver_calls_is_running() && !w->model.domains[d].bypass && !driver_calls_is_unknown(d));
		CHECK(first <= last && driver_calls_is_in_range(first, last) &&
		      !driver_model_splits(&w->model, d, first, last));
		if (w->domains[d].endpoints == NULL)
			driver_model_remove(&w->model, d, first, last);
		break;
	case VIOMMU_E_ARG:
		CHECK(last < first);
		break;
	case VIOMMU_E_RANGE:
		CHECK(!driver_calls_is_in_range(first, last) || driver_model_splits(&w->model, d, first, last));
		break;
	default:
		driver_calls_check_common(d, r);
		break;
	}
	CHECK(w->model.posted == (r == VIOMMU_OK && w->domains[d].endpoints != NULL));
	driver_calls_end(r);
	return r;
}

enum viommu_result driver_calls_sync(uint32_t d)
{
	struct viommu_driver_failure failure = { 0 };
	const struct viommu_driver_failure *first = &w->model.domains[d].first_failure;
	enum viommu_result r;

	if (!w->model.domains[d].made)
		return VIOMMU_E_STATE;
	driver_calls_begin(CALL_OTHER);
	r = viommu_driver_sync(&w->domains[d], &failure);
	driver_calls_leave();
	CHECK(w->kicks[VIOMMU_QUEUE_REQUEST] <= 1);
	if (r == VIOMMU_E_STATE) {
		CHECK(w->drv.state == VIOMMU_DRIVER_STOPPED);
	} else {
		/* No status is lost, and nothing is waited for any more. */
		CHECK(!driver_model_in_flight(&w->model, d));
		CHECK(r == (w->model.domains[d].failures > 0 ? first->result : VIOMMU_OK));
		if (r != VIOMMU_OK)
			CHECK(failure.type == first->type && failure.status == first->status &&
			      failure.uncertain == first->uncertain && failure.first == first->first &&
			      failure.last == first->last);
		w->model.domains[d].failures = 0;
	}
	driver_model_check(&w->model, r);
	return r;
}

void driver_calls_set_window(uint32_t d, struct viommu_range window)
{
	enum viommu_result foretold = VIOMMU_OK, r;

	if (!w->model.domains[d].made)
		return;
	if (window.first > window.last)
		foretold = VIOMMU_E_ARG;
	else if (window.last != 0 && driver_model_overlaps(&w->model, d, window.first, window.last))
		foretold = VIOMMU_E_EXISTS;
	driver_calls_begin(CALL_OTHER);
	r = viommu_driver_domain_set_msi_window(&w->domains[d], window);
	driver_calls_leave();
	CHECK(r == foretold);
	if (r == VIOMMU_OK)
		w->model.domains[d].msi_window = window;
	driver_calls_end(r);
}

/* Identity */

struct blockers {
	struct viommu_range ranges[BLOCKERS];
	uint32_t count;
};

static void block(struct blockers *b, struct viommu_range range)
{
	b->ranges[b->count++] = (struct viommu_range){ range.first & ~(WORLD_PAGE - 1), range.last | (WORLD_PAGE - 1) };
}

/* What an identity mapping of this domain leaves out. joining: an endpoint, or ENDPOINTS. */
static void find_blockers(uint32_t d, uint32_t joining, struct blockers *b)
{
	b->count = 0;
	for (uint32_t e = 0; e < MODEL_ENDPOINTS; e++) {
		const struct viommu_driver_endpoint *handle = &w->endpoints[e];

		if (handle->drv == NULL || (e != joining && viommu_driver_endpoint_domain(handle) != &w->domains[d]))
			continue;
		for (uint32_t i = 0; i < handle->region_count; i++)
			block(b, handle->regions[i].range);
	}
	if (w->model.domains[d].msi_window.last != 0)
		block(b, w->model.domains[d].msi_window);
}

/* The first address from here on that is in none of them, and the last one behind it. False: there is none. */
static bool next_gap(const struct blockers *b, uint64_t *from, uint64_t *to)
{
	for (uint32_t i = 0; i < b->count;) {
		if (b->ranges[i].first > *from || b->ranges[i].last < *from) {
			i++;
			continue;
		}
		if (b->ranges[i].last == UINT64_MAX)
			return false;
		*from = b->ranges[i].last + 1;
		i = 0;
	}
	*to = UINT64_MAX;
	for (uint32_t i = 0; i < b->count; i++) {
		if (b->ranges[i].first > *from && b->ranges[i].first - 1 < *to)
			*to = b->ranges[i].first - 1;
	}
	return true;
}

static void wish_identity(uint32_t d, uint32_t joining, uint64_t first, uint64_t last, uint32_t flags)
{
	struct blockers b;
	uint64_t to;

	w->model.wish_count = 0;
	find_blockers(d, joining, &b);
	while (first <= last && next_gap(&b, &first, &to) && first <= last) {
		to = to < last ? to : last;
		CHECK(w->model.wish_count < MODEL_WISHES);
		w->model.wishes[w->model.wish_count++] =
			(struct model_wish){ .first = first, .extent = to - first, .phys = first, .flags = flags };
		if (to == last)
			return;
		first = to + 1;
	}
}

/* Does one of the wishes fail by itself? */
static bool is_refused(uint32_t d, bool (*refuses)(uint32_t d, const struct model_wish *wish))
{
	for (uint32_t i = 0; i < w->model.wish_count; i++) {
		if (refuses(d, &w->model.wishes[i]))
			return true;
	}
	return false;
}

static bool is_out(uint32_t d, const struct model_wish *wish)
{
	uint64_t last = wish->first + wish->extent;

	return ((wish->first | (last + 1)) & (WORLD_PAGE - 1)) != 0 || !driver_calls_is_in_range(wish->first, last) ||
	       driver_model_is_reserved(&w->model, d, wish->first, last);
}

static bool is_taken(uint32_t d, const struct model_wish *wish)
{
	return driver_model_overlaps(&w->model, d, wish->first, wish->first + wish->extent);
}

void driver_calls_grant_unsent(uint32_t d)
{
	for (uint32_t i = 0; i < w->model.wish_count; i++) {
		const struct model_wish *wish = &w->model.wishes[i];
		struct model_mapping m = { wish->first, wish->first + wish->extent, wish->phys, wish->flags, false };

		CHECK(!is_taken(d, wish));
		driver_model_insert(&w->model, d, &m);
	}
}

void driver_calls_map_identity(uint32_t d, uint32_t joining, uint64_t first, uint64_t last, uint32_t flags)
{
	const struct viommu_driver_endpoint *handle = joining < MODEL_ENDPOINTS ? &w->endpoints[joining] : NULL;
	bool was_taken;
	enum viommu_result r;

	if (!w->model.domains[d].made || w->model.domains[d].count >= MODEL_MAPPINGS - MODEL_WISHES)
		return;
	if (handle != NULL && handle->drv == NULL)
		return;
	w->model.domain = d;
	w->model.allowed_count = 0;
	wish_identity(d, joining, first, last, flags);
	was_taken = is_refused(d, is_taken);
	driver_calls_begin(CALL_MAPS);
	r = viommu_driver_map_identity(&w->domains[d], handle, first, last, flags);
	driver_calls_leave();
	switch (r) {
	case VIOMMU_OK:
		CHECK(first <= last);
		if (w->domains[d].endpoints == NULL)
			driver_calls_grant_unsent(d);
		else
			CHECK(w->model.granted == w->model.wish_count);
		break;
	case VIOMMU_E_ARG:
		CHECK(last < first || (flags & ~7u) != 0);
		break;
	case VIOMMU_E_UNSUPP:
		CHECK((flags & VIOMMU_MAP_F_MMIO) != 0 && (w->model.limits.features & VIOMMU_F_MMIO) == 0);
		break;
	case VIOMMU_E_RANGE:
		CHECK(is_refused(d, is_out));
		break;
	case VIOMMU_E_EXISTS:
		CHECK(was_taken);
		break;
	case VIOMMU_E_NOMEM:
		/* A piece that is taken back has its nodes again. */
		break;
	default:
		driver_calls_check_batch_result(d, r);
		break;
	}
	if (r != VIOMMU_OK)
		driver_calls_doubt_the_rest(d);
	driver_calls_end(r);
}

void driver_calls_look_up(uint32_t d, uint64_t iova)
{
	const struct model_domain *domain = &w->model.domains[d];
	viommu_gpa phys = 0;
	enum viommu_result r;

	if (!domain->made)
		return;
	driver_calls_begin(CALL_OTHER);
	r = viommu_driver_iova_to_phys(&w->domains[d], iova, &phys);
	driver_calls_leave();
	if (domain->bypass) {
		CHECK(r == VIOMMU_OK && phys == iova);
	} else {
		const struct model_mapping *hit = NULL;

		for (uint32_t i = 0; i < domain->count; i++) {
			if (domain->mappings[i].first <= iova && iova <= domain->mappings[i].last)
				hit = &domain->mappings[i];
		}
		CHECK(r == (hit != NULL ? VIOMMU_OK : VIOMMU_E_NOENT));
		CHECK(hit == NULL || phys == hit->phys + (iova - hit->first));
	}
	driver_calls_end(VIOMMU_OK);
}
