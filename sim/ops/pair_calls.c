/* SPDX-License-Identifier: BSD-3-Clause */
/* pair_calls.c: calls of the driver for recovery and hand-over, identity mappings, and buffers for DMA. */
#include "pair.h"

#define CHECK SIM_OPS_CHECK

/* A device that fails, goes, or is handed over */

static struct viommu_driver_domain *place_of(uint32_t e)
{
	const struct viommu_driver_endpoint *handle = &w->endpoints[e];

	if (handle->drv == NULL || handle->lost != NULL)
		return handle->lost;
	return handle->uncertain && w->drv.life == handle->life ? NULL : handle->domain;
}

enum viommu_result pair_recover(void)
{
	struct viommu_driver_domain *places[PAIR_ENDPOINTS];
	bool was_started = w->drv.registers != NULL;
	uint32_t life = w->drv.life;
	enum viommu_result r;

	for (uint32_t e = 0; e < PAIR_ENDPOINTS; e++)
		places[e] = place_of(e);
	pair_begin_call();
	w->recovering = true;
	r = viommu_driver_recover(&w->drv);
	w->recovering = false;
	CHECK(w->depth == 0 && (r == VIOMMU_E_STATE) == !was_started);
	if (r == VIOMMU_E_STATE)
		return r;
	if (w->drv.life == life) {
		CHECK(r == VIOMMU_E_TIMEOUT && pair_has_section());
		w->meddled = true; /* as stop */
		return r;
	}
	for (uint32_t e = 0; e < PAIR_ENDPOINTS; e++) {
		CHECK(r != VIOMMU_OK || w->endpoints[e].drv == NULL || w->endpoints[e].domain == places[e]);
		CHECK(w->endpoints[e].drv == NULL || w->endpoints[e].domain == NULL ||
		      w->endpoints[e].domain == places[e]);
	}
	/* What cannot be replayed: where nothing was told of reserved regions, or without memory. */
	if (r == VIOMMU_E_RANGE || r == VIOMMU_E_BUSY)
		CHECK(w->meddled || w->delayed || r == VIOMMU_E_RANGE);
	else
		(void)pair_end_call(r, VIOMMU_E_REJECTED, VIOMMU_E_PEER, PAIR_NONE, PAIR_NONE);
	CHECK(r != VIOMMU_E_TIMEOUT || w->drv.state == VIOMMU_DRIVER_FAILED);
	/* It failed again, and nobody is asked any more. */
	if (w->drv.state == VIOMMU_DRIVER_FAILED) {
		CHECK(w->meddled || w->delayed);
		w->meddled = true;
	}
	for (uint32_t d = 0; d < PAIR_DOMAINS && r == VIOMMU_OK; d++) {
		if (w->made[d])
			pair_check_agreement(d);
	}
	return r;
}

void pair_look(void)
{
	bool was_running = w->drv.state == VIOMMU_DRIVER_RUNNING;
	enum viommu_result r;

	pair_begin_call();
	r = viommu_driver_look(&w->drv);
	CHECK(w->depth == 0);
	CHECK((r == VIOMMU_E_STATE) == (w->drv.state == VIOMMU_DRIVER_STOPPED));
	CHECK(r == VIOMMU_OK || r == VIOMMU_E_STATE || r == VIOMMU_E_BROKEN);
	CHECK(!was_running || w->meddled || r == VIOMMU_OK);
}

void pair_shutdown(enum viommu_driver_handover handover)
{
	bool was_stopped = w->drv.state == VIOMMU_DRIVER_STOPPED;
	enum viommu_result r;

	pair_begin_call();
	r = viommu_driver_shutdown(&w->drv, handover);
	CHECK(w->depth == 0 && (r == VIOMMU_E_STATE) == was_stopped);
	CHECK(r == VIOMMU_OK || r == VIOMMU_E_STATE || r == VIOMMU_E_PEER ||
	      (r == VIOMMU_E_TIMEOUT && pair_has_section()));
	CHECK(w->meddled || r != VIOMMU_E_PEER);
	if (r == VIOMMU_OK) {
		pair_check_slots();
		CHECK(handover == VIOMMU_HANDOVER_KEEP || w->bypass == (handover == VIOMMU_HANDOVER_BYPASS));
	} else if (r == VIOMMU_E_TIMEOUT) {
		w->meddled = true;
	}
}

void pair_set_window(uint32_t d, struct viommu_range window)
{
	enum viommu_result r;

	if (!w->made[d])
		return;
	pair_begin_call();
	r = viommu_driver_domain_set_msi_window(&w->domains[d], window);
	CHECK(w->depth == 0 && (r == VIOMMU_E_ARG) == (window.first > window.last));
	CHECK(r == VIOMMU_OK || r == VIOMMU_E_ARG || r == VIOMMU_E_EXISTS);
}

/* What the device has there, if it is exactly this. */
static const struct pair_mapping *exactly(uint32_t d, struct viommu_range range)
{
	for (uint32_t i = 0; i < w->mapping_count; i++) {
		const struct pair_mapping *m = &w->mappings[i];

		if (m->domain == w->domains[d].id && m->first == range.first && m->last == range.last)
			return m;
	}
	return NULL;
}

static bool is_mapped(uint32_t d, struct viommu_range range)
{
	for (uint32_t i = 0; i < w->mapping_count; i++) {
		const struct pair_mapping *m = &w->mappings[i];

		if (m->domain == w->domains[d].id && m->first <= range.last && range.first <= m->last)
			return true;
	}
	return false;
}

/* Does the device have what the driver believes that it has told it? */
static bool is_told(uint32_t d)
{
	return !w->meddled && !w->lost && w->domains[d].endpoints != NULL;
}

static enum viommu_result end_maps(enum viommu_result r)
{
	if (r == VIOMMU_E_ARG || r == VIOMMU_E_FULL || r == VIOMMU_E_NOMEM)
		return r;
	return pair_end_call(r, VIOMMU_E_REJECTED, VIOMMU_E_PEER, VIOMMU_E_RANGE, VIOMMU_E_EXISTS);
}

void pair_map_identity(uint32_t d, uint32_t joining, struct viommu_range range, uint32_t flags)
{
	const struct viommu_driver_endpoint *handle = joining < PAIR_ENDPOINTS ? &w->endpoints[joining] : NULL;
	enum viommu_result r;

	if (!w->made[d] || (handle != NULL && handle->drv == NULL))
		return;
	pair_begin_call();
	r = end_maps(viommu_driver_map_identity(&w->domains[d], handle, range.first, range.last, flags));
	for (uint32_t i = 0; i < w->mapping_count && r == VIOMMU_OK && is_told(d); i++) {
		const struct pair_mapping *m = &w->mappings[i];
		struct viommu_range there = { m->first, m->last };
		bool left_out = viommu_range_overlaps(there, w->domains[d].msi_window) ||
				viommu_range_overlaps(there, pair_msi[0].range);

		CHECK(m->domain != w->domains[d].id || left_out || !viommu_range_overlaps(there, range) ||
		      m->phys == m->first);
	}
	if (r == VIOMMU_OK && is_told(d) && range.first % PAIR_GRANULE == 0 &&
	    (w->domains[d].msi_window.last == 0 || w->domains[d].msi_window.first > range.first) && !pair_is_misled() &&
	    range.first > pair_msi[0].range.last)
		CHECK(is_mapped(d, (struct viommu_range){ range.first, range.first }));
}

void pair_dma_init(uint32_t i, uint32_t d, bool bottom_up, uint32_t deferred, bool hints, struct viommu_range window)
{
	struct pair_dma *dma = &w->dmas[i];
	struct viommu_dma_config config = VIOMMU_DMA_CONFIG_INIT;

	if (!w->made[d] || (dma->made && dma->handle.deferred_count > 0))
		return;
	config.bottom_up = bottom_up;
	config.window = window;
	config.hints = hints ? dma->hints : NULL;
	config.hint_count = hints ? PAIR_HINTS : 0;
	config.deferred_count = deferred;
	config.deferred = dma->deferred;
	dma->made = viommu_driver_dma_init(&dma->handle, &w->domains[d], &config) == VIOMMU_OK;
	dma->domain = d;
	CHECK(dma->made == (window.first <= window.last));
	for (uint32_t k = 0; k < PAIR_LISTS; k++)
		w->lists[k].made = w->lists[k].made && w->lists[k].dma != i;
}

static struct viommu_range granules(uint64_t from, uint64_t len)
{
	return (struct viommu_range){ from & ~(uint64_t)(PAIR_GRANULE - 1), (from + (len - 1)) | (PAIR_GRANULE - 1) };
}

void pair_check_list(const struct pair_list *list, bool is_new)
{
	const struct pair_dma *dma = &w->dmas[list->dma];
	const struct viommu_range *set_aside = &w->domains[dma->domain].msi_window;

	for (uint32_t i = 0; i < list->count; i++) {
		const struct viommu_dma_buffer *b = &list->buffers[i];
		struct viommu_range range = granules(b->iova, b->len);
		const struct pair_mapping *m = exactly(dma->domain, range);

		CHECK(range.first != 0 && ((b->iova ^ b->phys) & (PAIR_GRANULE - 1)) == 0 &&
		      range.last <= PAIR_LAST_IOVA);
		CHECK(range.first >= dma->handle.window.first && range.last <= dma->handle.window.last);
		CHECK(!is_new || set_aside->last == 0 || viommu_range_contains(*set_aside, dma->handle.window) ||
		      !viommu_range_overlaps(*set_aside, range));
		for (uint32_t k = 0; k < i; k++) {
			struct viommu_range other = granules(list->buffers[k].iova, list->buffers[k].len);

			CHECK(other.last < range.first || range.last < other.first);
		}
		if (is_told(dma->domain))
			CHECK(m != NULL && m->phys + (b->iova - m->first) == b->phys && m->flags == (list->how & 7u));
	}
}

enum viommu_result pair_dma_map(uint32_t i, uint32_t k, const struct pair_list *made)
{
	struct pair_dma *dma = &w->dmas[i];
	struct pair_list *list = &w->lists[k];
	enum viommu_result r;

	if (!dma->made)
		return VIOMMU_E_STATE;
	*list = *made;
	list->dma = i;
	pair_begin_call();
	r = end_maps(viommu_driver_dma_map(&dma->handle, list->buffers, list->count, list->how));
	list->made = r == VIOMMU_OK && !w->domains[dma->domain].bypass;
	if (list->made)
		pair_check_list(list, true);
	return r;
}

static bool is_deferred(const struct pair_dma *dma, struct viommu_range range)
{
	for (uint32_t i = 0; i < dma->handle.deferred_count; i++) {
		if (viommu_range_overlaps(dma->deferred[i], range))
			return true;
	}
	return false;
}

bool pair_is_deferred_by_others(uint32_t d, const struct pair_dma *but, struct viommu_range range)
{
	for (uint32_t i = 0; i < PAIR_DMAS; i++) {
		const struct pair_dma *dma = &w->dmas[i];

		if (dma->made && dma != but && dma->domain == d && is_deferred(dma, range))
			return true;
	}
	return false;
}

enum viommu_result pair_dma_unmap(uint32_t k)
{
	struct pair_list *list = &w->lists[k];
	struct pair_dma *dma = &w->dmas[list->dma];
	enum viommu_result r;

	if (!list->made || !dma->made)
		return VIOMMU_E_STATE;
	for (uint32_t i = 0; i < list->count; i++) {
		if (pair_is_deferred_by_others(dma->domain, dma, granules(list->buffers[i].iova, list->buffers[i].len)))
			return VIOMMU_E_STATE;
	}
	pair_begin_call();
	r = viommu_driver_dma_unmap(&dma->handle, list->buffers, list->count, list->how);
	(void)pair_end_call(r, VIOMMU_E_REJECTED, VIOMMU_E_PEER, VIOMMU_E_NOENT, PAIR_NONE);
	/* Strict, and confirmed: nothing arrives there any more. */
	for (uint32_t i = 0; i < list->count && r == VIOMMU_OK && dma->handle.deferred_max == 0; i++) {
		struct viommu_range range = granules(list->buffers[i].iova, list->buffers[i].len);

		CHECK(!is_told(dma->domain) || !is_mapped(dma->domain, range));
		CHECK(!is_told(dma->domain) || !pair_is_in_use(w->domains[dma->domain].id, range.first, range.last));
	}
	return r;
}

void pair_dma_flush(uint32_t i)
{
	struct pair_dma *dma = &w->dmas[i];
	enum viommu_result r;

	if (!dma->made)
		return;
	pair_begin_call();
	r = viommu_driver_dma_flush(&dma->handle, NULL);
	(void)pair_end_call(r, VIOMMU_E_REJECTED, VIOMMU_E_PEER, PAIR_NONE, PAIR_NONE);
	CHECK(r != VIOMMU_OK || dma->handle.deferred_count == 0);
	if (r == VIOMMU_OK)
		pair_check_agreement(dma->domain);
}

void pair_process(uint32_t budget)
{
	pair_begin_call();
	(void)viommu_driver_process(&w->drv, budget);
	CHECK(w->depth == 0);
}
