/* SPDX-License-Identifier: BSD-3-Clause */
/* driver_calls_dma.c: what dma.h says of buffers and their addresses. */
#include "driver_calls.h"

#define CHECK SIM_OPS_CHECK

static bool is_deferred(const struct world_dma *dma, struct viommu_range range)
{
	for (uint32_t i = 0; i < dma->handle.deferred_count; i++) {
		if (dma->deferred[i].first <= range.last && range.first <= dma->deferred[i].last)
			return true;
	}
	return false;
}

bool driver_calls_is_deferred_by_others(uint32_t d, const struct world_dma *but, struct viommu_range range)
{
	for (uint32_t i = 0; i < WORLD_DMAS; i++) {
		const struct world_dma *dma = &w->dmas[i];

		if (dma->made && dma != but && dma->domain == d && is_deferred(dma, range))
			return true;
	}
	return false;
}

static void dma_hook_clean(void *ctx, const struct viommu_dma_buffer *buffer)
{
	(void)ctx;
	CHECK(w->depth == 0 && buffer->len != 0);
	w->cleans++;
}

static void dma_hook_invalidate(void *ctx, const struct viommu_dma_buffer *buffer)
{
	(void)ctx;
	CHECK(w->depth == 0 && buffer->len != 0);
	w->invalidates++;
}

static const struct viommu_dma_ops dma_ops = { .size = sizeof dma_ops,
					       .clean = dma_hook_clean,
					       .invalidate = dma_hook_invalidate };

void driver_calls_dma_init(uint32_t i, uint32_t d, bool bottom_up, uint32_t deferred, bool hints,
			   struct viommu_range window)
{
	struct world_dma *dma = &w->dmas[i];
	struct viommu_dma_config config = VIOMMU_DMA_CONFIG_INIT;
	enum viommu_result r;

	if (!w->model.domains[d].made || (dma->made && dma->handle.deferred_count > 0))
		return;
	config.bottom_up = bottom_up;
	config.window = window;
	config.hints = hints ? dma->hints : NULL;
	config.hint_count = hints ? WORLD_HINTS : 0;
	config.deferred_count = deferred;
	config.deferred = dma->deferred;
	config.ops = &dma_ops;
	r = viommu_driver_dma_init(&dma->handle, &w->domains[d], &config);
	CHECK(r == (window.first > window.last ? VIOMMU_E_ARG : VIOMMU_OK));
	for (uint32_t k = 0; k < WORLD_LISTS; k++)
		w->lists[k].made = w->lists[k].made && w->lists[k].dma != i;
	dma->made = r == VIOMMU_OK;
	dma->domain = d;
	dma->config = config;
}

/* Whole granules of so many bytes. */
static struct viommu_range granules(uint64_t from, uint64_t len)
{
	return (struct viommu_range){ from & ~(WORLD_PAGE - 1), (from + (len - 1)) | (WORLD_PAGE - 1) };
}

static bool buffers_are_bad(const struct world_list *list)
{
	if ((list->how & ~(7u | VIOMMU_DMA_COHERENT)) != 0 || (list->how & VIOMMU_DMA_BIDIRECTIONAL) == 0)
		return true;
	for (uint32_t i = 0; i < list->count; i++) {
		if (list->buffers[i].len == 0 ||
		    list->buffers[i].phys + (list->buffers[i].len - 1) < list->buffers[i].phys)
			return true;
	}
	return false;
}

static bool is_recorded(uint32_t d, struct viommu_range range)
{
	const struct model_domain *domain = &w->model.domains[d];

	for (uint32_t i = 0; i < domain->count; i++) {
		if (domain->mappings[i].first == range.first && domain->mappings[i].last == range.last)
			return true;
	}
	return false;
}

static void allow_deferred(const struct world_dma *dma)
{
	w->model.allowed_count = dma->handle.deferred_count;
	for (uint32_t i = 0; i < dma->handle.deferred_count; i++)
		w->model.allowed[i] = dma->deferred[i];
}

/* Behind a call: what was put off before it, and is not any more, is gone if there was nobody to be asked. */
static void settle_deferred(const struct world_dma *dma, uint32_t before)
{
	for (uint32_t i = 0; i < before && w->domains[dma->domain].endpoints == NULL; i++) {
		struct viommu_range range = w->model.allowed[i];

		/* One that does not fit a later start is let go of, and stays recorded. */
		if (!is_deferred(dma, range) && driver_calls_is_in_range(range.first, range.last) &&
		    !driver_model_splits(&w->model, dma->domain, range.first, range.last))
			driver_model_remove(&w->model, dma->domain, range.first, range.last);
	}
}

static void check_hooks(const struct world_list *list, bool cleans, bool invalidates)
{
	bool none = (list->how & VIOMMU_DMA_COHERENT) != 0;

	CHECK(w->cleans == (none || !cleans ? 0 : list->count));
	CHECK(w->invalidates == (none || !invalidates || (list->how & VIOMMU_DMA_FROM_DEVICE) == 0 ? 0 : list->count));
}

/* Room for an aligned range of this size? The slow way: behind each thing that is in the way. */
static bool has_room_at(const struct world_dma *dma, uint64_t from, uint64_t extent)
{
	const struct viommu_range *msi = &w->model.domains[dma->domain].msi_window;
	bool is_inside = msi->first <= w->model.window.first && w->model.window.last <= msi->last;
	uint64_t size = WORLD_PAGE, last;

	while (size - 1 < extent)
		size *= 2;
	from = from == 0 ? 1 : from;
	if (from > UINT64_MAX - (size - 1))
		return false;
	from = (from + (size - 1)) & ~(size - 1);
	last = from + extent;
	return last >= from && from >= w->model.window.first && last <= w->model.window.last &&
	       driver_calls_is_in_range(from, last) && !driver_model_is_reserved(&w->model, dma->domain, from, last) &&
	       !driver_model_overlaps(&w->model, dma->domain, from, last) &&
	       (msi->last == 0 || is_inside || msi->first > last || msi->last < from);
}

static bool has_room(const struct world_dma *dma, uint64_t extent)
{
	const struct model_domain *domain = &w->model.domains[dma->domain];

	if (has_room_at(dma, w->model.window.first, extent) || has_room_at(dma, w->model.input_range.first, extent))
		return true;
	for (uint32_t i = 0; i < domain->count; i++) {
		if (has_room_at(dma, domain->mappings[i].last + 1, extent))
			return true;
	}
	for (uint32_t e = 0; e < MODEL_ENDPOINTS; e++) {
		for (uint32_t i = 0; w->endpoints[e].drv != NULL && i < w->endpoints[e].region_count; i++) {
			if (w->endpoints[e].regions[i].range.last != UINT64_MAX &&
			    has_room_at(dma, w->endpoints[e].regions[i].range.last + 1, extent))
				return true;
		}
	}
	return domain->msi_window.last != UINT64_MAX && has_room_at(dma, domain->msi_window.last + 1, extent);
}

/* What a list is to become. */
static void wish_buffers(const struct world_dma *dma, const struct world_list *list)
{
	w->model.domain = dma->domain;
	w->model.window = dma->config.window;
	w->model.wish_count = list->count;
	for (uint32_t i = 0; i < list->count; i++) {
		struct viommu_range range = granules(list->buffers[i].phys, list->buffers[i].len);

		w->model.wishes[i] = (struct model_wish){ .extent = range.last - range.first,
							  .phys = range.first,
							  .flags = list->how & 7u,
							  .anywhere = true };
	}
	allow_deferred(dma);
}

/* All of the list is mapped, and nothing else has come with it. */
static void check_mapped(const struct world_dma *dma, const struct world_list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		const struct viommu_dma_buffer *b = &list->buffers[i];
		struct model_wish *wish = &w->model.wishes[i];
		struct viommu_range range = granules(b->iova, b->len);

		CHECK(((b->iova ^ b->phys) & (WORLD_PAGE - 1)) == 0 && range.last - range.first == wish->extent);
		wish->first = range.first;
		if (w->domains[dma->domain].endpoints == NULL)
			driver_model_check_place(&w->model, dma->domain, range.first, range.last);
		else
			CHECK(is_recorded(dma->domain, range));
	}
	if (w->domains[dma->domain].endpoints == NULL)
		driver_calls_grant_unsent(dma->domain);
	else
		CHECK(w->model.granted == list->count);
}

static void check_identical(const struct world_dma *dma, const struct world_list *list, enum viommu_result r)
{
	bool fits = true;

	for (uint32_t i = 0; i < list->count; i++) {
		const struct viommu_dma_buffer *b = &list->buffers[i];

		fits &= b->phys >= dma->config.window.first && b->phys + (b->len - 1) <= dma->config.window.last;
		CHECK(r != VIOMMU_OK || b->iova == b->phys);
	}
	CHECK(r == (fits ? VIOMMU_OK : VIOMMU_E_RANGE) && w->model.posted == 0);
}

static void check_dma_map(const struct world_dma *dma, const struct world_list *list, enum viommu_result r)
{
	switch (r) {
	case VIOMMU_OK:
		check_mapped(dma, list);
		break;
	case VIOMMU_E_FULL:
		/* If nothing has changed behind the search. */
		CHECK(!driver_calls_is_running() || w->model.ran || list->count > 1 ||
		      !has_room(dma, w->model.wishes[0].extent));
		break;
	case VIOMMU_E_UNSUPP:
		CHECK((list->how & VIOMMU_DMA_MMIO) != 0 && (w->model.limits.features & VIOMMU_F_MMIO) == 0);
		break;
	case VIOMMU_E_NOMEM:
		if (list->count == 1)
			driver_calls_check_no_memory();
		break;
	default:
		driver_calls_check_batch_result(dma->domain, r);
		break;
	}
	if (r != VIOMMU_OK)
		driver_calls_doubt_the_rest(dma->domain);
}

/* Maps a list that has no addresses yet. doorbell: of this endpoint, or NULL. */
static enum viommu_result list_map(uint32_t k, uint32_t i, const struct world_list *made,
				   const struct viommu_driver_endpoint *doorbell)
{
	struct world_dma *dma = &w->dmas[i];
	struct world_list *list = &w->lists[k];
	bool bad = buffers_are_bad(made);
	uint32_t before = dma->handle.deferred_count;
	enum viommu_result r;

	*list = *made;
	list->dma = i;
	wish_buffers(dma, list);
	driver_calls_begin(CALL_MAPS);
	if (doorbell != NULL)
		r = viommu_driver_dma_map_doorbell(&dma->handle, doorbell, &list->buffers[0]);
	else
		r = viommu_driver_dma_map(&dma->handle, list->buffers, list->count, list->how);
	driver_calls_leave();
	settle_deferred(dma, before);
	check_hooks(list, !bad, false);
	list->made = r == VIOMMU_OK;
	if (bad)
		CHECK(r == VIOMMU_E_ARG && w->model.posted == 0);
	else if (w->model.domains[dma->domain].bypass)
		check_identical(dma, list, r);
	else
		check_dma_map(dma, list, r);
	driver_calls_end(r);
	return r;
}

static bool has_space(uint32_t i)
{
	return w->dmas[i].made && w->model.domains[w->dmas[i].domain].count < MODEL_MAPPINGS - 4;
}

void driver_calls_dma_map(uint32_t i, uint32_t k, uint32_t count, uint64_t phys, uint64_t len, uint64_t step,
			  uint32_t how)
{
	struct world_list list = { .count = count, .how = how };

	if (!has_space(i))
		return;
	for (uint32_t n = 0; n < count; n++)
		list.buffers[n] = (struct viommu_dma_buffer){ .phys = phys + n * step, .len = len };
	(void)list_map(k, i, &list, NULL);
}

/* Is there a buffer that cannot be unmapped? */
static bool is_missing(const struct world_dma *dma, const struct world_list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		struct viommu_range range = granules(list->buffers[i].iova, list->buffers[i].len);

		if (!is_recorded(dma->domain, range) || is_deferred(dma, range))
			return true;
	}
	return false;
}

/* A record from before a restart that does not fit what the start brought. */
static bool is_beyond(const struct world_list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		struct viommu_range range = granules(list->buffers[i].iova, list->buffers[i].len);

		if (!driver_calls_is_in_range(range.first, range.last))
			return true;
	}
	return false;
}

static void check_dma_unmap(const struct world_dma *dma, const struct world_list *list, enum viommu_result r)
{
	bool strict = dma->config.deferred_count == 0;

	if (r != VIOMMU_OK) {
		driver_calls_check_batch_result(dma->domain, r);
		return;
	}
	for (uint32_t i = 0; i < list->count; i++) {
		struct viommu_range range = granules(list->buffers[i].iova, list->buffers[i].len);

		if (strict || (w->domains[dma->domain].endpoints == NULL && !is_deferred(dma, range)))
			driver_model_remove(&w->model, dma->domain, range.first, range.last);
	}
	CHECK(!strict || w->domains[dma->domain].endpoints == NULL || w->model.posted == list->count);
}

enum viommu_result driver_calls_list_unmap(uint32_t k, const struct viommu_driver_endpoint *doorbell)
{
	struct world_list *list = &w->lists[k];
	struct world_dma *dma = &w->dmas[list->dma];
	bool lazy = dma->config.deferred_count != 0;
	bool was_missing = is_missing(dma, list);
	bool was_beyond = is_beyond(list);
	uint32_t before = dma->handle.deferred_count;
	enum viommu_result r;

	w->model.domain = dma->domain;
	allow_deferred(dma);
	for (uint32_t i = 0; i < list->count; i++)
		w->model.allowed[w->model.allowed_count++] = granules(list->buffers[i].iova, list->buffers[i].len);
	driver_calls_begin(lazy ? CALL_FLUSH : CALL_UNMAPS);
	if (doorbell != NULL)
		r = viommu_driver_dma_unmap_doorbell(&dma->handle, doorbell, &list->buffers[0]);
	else
		r = viommu_driver_dma_unmap(&dma->handle, list->buffers, list->count, list->how);
	driver_calls_leave();
	settle_deferred(dma, before);
	check_hooks(list, false, r == VIOMMU_OK && doorbell == NULL);
	if (w->model.domains[dma->domain].bypass)
		CHECK(r == VIOMMU_OK && w->model.posted == 0);
	else if (was_missing)
		/* Or another one of the list is out of range, which is said of the first that is either. */
		CHECK((r == VIOMMU_E_NOENT || r == VIOMMU_E_RANGE) && w->model.posted == 0);
	else if (w->drv.state != VIOMMU_DRIVER_STOPPED && was_beyond)
		CHECK(r == VIOMMU_E_RANGE && w->model.posted == 0);
	else if (w->drv.state == VIOMMU_DRIVER_STOPPED && r == VIOMMU_E_RANGE)
		CHECK(w->model.posted == 0); /* what a start that failed has read may be in force */
	else
		check_dma_unmap(dma, list, r);
	driver_calls_end(r);
	return r;
}

static bool is_usable(uint32_t k)
{
	const struct world_list *list = &w->lists[k];
	const struct world_dma *dma = &w->dmas[list->dma];

	if (!list->made || !dma->made)
		return false;
	for (uint32_t i = 0; i < list->count; i++) {
		if (driver_calls_is_deferred_by_others(dma->domain, dma,
						       granules(list->buffers[i].iova, list->buffers[i].len)))
			return false;
	}
	return true;
}

void driver_calls_dma_unmap(uint32_t k)
{
	if (is_usable(k))
		(void)driver_calls_list_unmap(k, NULL);
}

void driver_calls_dma_flush(uint32_t i)
{
	struct world_dma *dma = &w->dmas[i];
	struct viommu_driver_failure failure = { 0 };
	struct model_domain *domain = &w->model.domains[dma->domain];
	bool was_stopped = w->drv.state == VIOMMU_DRIVER_STOPPED;
	uint32_t before = dma->handle.deferred_count;
	enum viommu_result r;

	if (!dma->made)
		return;
	w->model.domain = dma->domain;
	allow_deferred(dma);
	driver_calls_begin(CALL_FLUSH);
	r = viommu_driver_dma_flush(&dma->handle, &failure);
	driver_calls_leave();
	settle_deferred(dma, before);
	/* Either how sending ended, or what a sync reports. */
	if (r == VIOMMU_OK)
		CHECK(dma->handle.deferred_count == 0 && domain->failures == 0);
	else if (domain->failures == 0 || r != domain->first_failure.result)
		driver_calls_check_common(dma->domain, r);
	if (!was_stopped) {
		CHECK(!driver_model_in_flight(&w->model, dma->domain));
		domain->failures = 0;
	}
	driver_model_check(&w->model, r);
}

static bool is_passed(const struct viommu_driver_endpoint *handle, uint64_t phys, uint64_t len)
{
	for (uint32_t i = 0; i < handle->region_count; i++) {
		const struct viommu_resv_region *region = &handle->regions[i];

		if (region->subtype == VIOMMU_RESV_MEM_MSI && len != 0 && phys >= region->range.first &&
		    phys <= region->range.last && len - 1 <= region->range.last - phys)
			return true;
	}
	return false;
}

static bool is_member(uint32_t i, uint32_t e)
{
	return w->dmas[i].made && w->endpoints[e].drv != NULL &&
	       viommu_driver_endpoint_domain(&w->endpoints[e]) == &w->domains[w->dmas[i].domain];
}

void driver_calls_doorbell_map(uint32_t i, uint32_t k, uint32_t e, uint64_t phys, uint64_t len)
{
	bool has_mmio = (w->model.limits.features & VIOMMU_F_MMIO) != 0;
	struct viommu_dma_buffer passed = { .phys = phys, .len = len };
	struct world_list list = { .count = 1,
				   .how = VIOMMU_DMA_FROM_DEVICE | VIOMMU_DMA_COHERENT |
					  (has_mmio ? VIOMMU_DMA_MMIO : 0),
				   .buffers = { passed } };

	if (!has_space(i) || !is_member(i, e))
		return;
	if (!is_passed(&w->endpoints[e], phys, len)) {
		(void)list_map(k, i, &list, &w->endpoints[e]);
		return;
	}
	driver_calls_begin(CALL_OTHER);
	CHECK(viommu_driver_dma_map_doorbell(&w->dmas[i].handle, &w->endpoints[e], &passed) == VIOMMU_OK);
	CHECK(passed.iova == phys);
	CHECK(viommu_driver_dma_unmap_doorbell(&w->dmas[i].handle, &w->endpoints[e], &passed) == VIOMMU_OK);
	driver_calls_leave();
	driver_calls_end(VIOMMU_OK);
}

void driver_calls_doorbell_unmap(uint32_t k, uint32_t e)
{
	const struct viommu_dma_buffer *b = &w->lists[k].buffers[0];

	if (is_usable(k) && w->lists[k].count == 1 && is_member(w->lists[k].dma, e) &&
	    !is_passed(&w->endpoints[e], b->phys, b->len))
		(void)driver_calls_list_unmap(k, &w->endpoints[e]);
}
