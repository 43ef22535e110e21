/* SPDX-License-Identifier: BSD-3-Clause */
/* dma.c: buffers: map all or none, unmap at once or put off. */
#include "iova.h"

#include "../internal.h"

#define MAP_FLAGS (VIOMMU_DMA_BIDIRECTIONAL | VIOMMU_DMA_MMIO)

enum viommu_result viommu_driver_dma_init(struct viommu_driver_dma *dma, struct viommu_driver_domain *domain,
					  const struct viommu_dma_config *config)
{
	if (config->size != sizeof *config || (config->ops != NULL && config->ops->size != sizeof *config->ops))
		return VIOMMU_E_ABI;
	if (config->window.first > config->window.last || (config->deferred_count != 0 && config->deferred == NULL))
		return VIOMMU_E_ARG;
	if (config->hint_count != 0 && (config->hints == NULL || config->hint_count < VIOMMU_DMA_CLASSES))
		return VIOMMU_E_ARG;
	if (config->ops != NULL && (config->ops->clean == NULL || config->ops->invalidate == NULL))
		return VIOMMU_E_ARG;
	memset(dma, 0, sizeof *dma);
	dma->domain = domain;
	dma->ops = config->ops;
	dma->ops_ctx = config->ops_ctx;
	dma->window = config->window;
	dma->bottom_up = config->bottom_up;
	dma->cursor = config->bottom_up ? config->window.first : config->window.last;
	dma->hints = config->hints;
	dma->depth = config->hint_count / VIOMMU_DMA_CLASSES;
	dma->deferred = config->deferred;
	dma->deferred_max = config->deferred_count;
	return VIOMMU_OK;
}

static bool has_hooks(const struct viommu_driver_dma *dma, uint32_t how)
{
	return dma->ops != NULL && (how & VIOMMU_DMA_COHERENT) == 0;
}

void viommu_driver_dma_for_cpu(const struct viommu_driver_dma *dma, const struct viommu_dma_buffer *buffer,
			       uint32_t how)
{
	if (has_hooks(dma, how) && (how & VIOMMU_DMA_FROM_DEVICE) != 0)
		dma->ops->invalidate(dma->ops_ctx, buffer);
}

/* Also what only the endpoint writes: a line that is written back later would cover that. */
void viommu_driver_dma_for_device(const struct viommu_driver_dma *dma, const struct viommu_dma_buffer *buffer,
				  uint32_t how)
{
	if (has_hooks(dma, how))
		dma->ops->clean(dma->ops_ctx, buffer);
}

static enum viommu_result buffers_check(const struct viommu_dma_buffer *buffers, uint32_t count, uint32_t how)
{
	if ((how & ~(MAP_FLAGS | VIOMMU_DMA_COHERENT)) != 0 || (how & VIOMMU_DMA_BIDIRECTIONAL) == 0)
		return VIOMMU_E_ARG;
	for (uint32_t i = 0; i < count; i++) {
		if (buffers[i].len == 0 || buffers[i].len - 1 > UINT64_MAX - buffers[i].phys)
			return VIOMMU_E_ARG;
	}
	return VIOMMU_OK;
}

/* The granules of so many bytes from an address on. Wraps: a caller's iova may be anything. */
static VIOMMU_WRAPS struct viommu_range granules(const struct viommu_driver_dma *dma, uint64_t from, uint64_t len)
{
	uint64_t below = driver_granule(dma->domain->drv) - 1;

	return (struct viommu_range){ from & ~below, (from + len - 1) | below };
}

static struct viommu_range range_of(const struct viommu_driver_dma *dma, const struct viommu_dma_buffer *buffer)
{
	return granules(dma, buffer->iova, buffer->len);
}

/* Map */

static enum viommu_result map_identically(const struct viommu_driver_dma *dma, struct viommu_dma_buffer *buffers,
					  uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct viommu_range range = { buffers[i].phys, buffers[i].phys + (buffers[i].len - 1) };

		if (!viommu_range_contains(dma->window, range))
			return VIOMMU_E_RANGE;
		buffers[i].iova = buffers[i].phys;
	}
	return VIOMMU_OK;
}

/* Posts what was put off. How it went is reported by the next sync. */
static enum viommu_result send_deferred(struct viommu_driver_dma *dma)
{
	struct viommu_driver_domain *domain = dma->domain;
	struct viommu_driver_poster poster = { 0 };
	enum viommu_result result;

	do {
		driver_lock(domain->drv);
		result = VIOMMU_E_EMPTY;
		if (dma->deferred_count > 0) {
			const struct viommu_range *range = &dma->deferred[dma->deferred_count - 1];

			result = viommu_i_try_unmap(domain, range->first, range->last, &poster);
			if (result == VIOMMU_OK)
				viommu_i_iova_hint(dma, range->first, range->last);
			/* One that does not fit the record any more must not be in the way of the others. */
			dma->deferred_count -= result == VIOMMU_OK || result == VIOMMU_E_RANGE;
		}
		driver_unlock(domain->drv);
	} while (result == VIOMMU_OK || result == VIOMMU_E_RANGE || viommu_i_wait_to_retry(domain, &poster, &result));
	return result == VIOMMU_E_EMPTY ? VIOMMU_OK : result;
}

static bool has_deferred(const struct viommu_driver_dma *dma)
{
	bool has;

	driver_lock(dma->domain->drv);
	has = dma->deferred_count > 0;
	driver_unlock(dma->domain->drv);
	return has;
}

static enum viommu_result map_one(struct viommu_driver_dma *dma, struct viommu_dma_buffer *buffer, uint32_t how,
				  struct viommu_driver_batch *batch)
{
	struct viommu_range range = granules(dma, buffer->phys, buffer->len);
	struct viommu_mapping m = {
		.first = range.first, .last = range.last, .phys = range.first, .flags = how & MAP_FLAGS
	};
	enum viommu_result result = viommu_i_iova_map(dma, &m, batch);

	/* What was put off may be in the way, or have the nodes. */
	if ((result == VIOMMU_E_FULL || result == VIOMMU_E_NOMEM) && has_deferred(dma)) {
		result = send_deferred(dma);
		if (result == VIOMMU_OK)
			result = viommu_i_wait_for_domain(dma->domain);
		m.first = range.first;
		m.last = range.last;
		if (result == VIOMMU_OK)
			result = viommu_i_iova_map(dma, &m, batch);
	}
	if (result == VIOMMU_OK)
		buffer->iova = m.first | (buffer->phys - range.first);
	return result;
}

/* Is exactly this recorded? With the lock held. */
static bool is_recorded(const struct viommu_driver_domain *domain, struct viommu_range range)
{
	struct viommu_mapping m;

	return viommu_map_next(&domain->map, range.first, &m) && m.first == range.first && m.last == range.last;
}

static void take_back(struct viommu_driver_dma *dma, const struct viommu_dma_buffer *buffers, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct viommu_range range = range_of(dma, &buffers[i]);

		viommu_i_take_back(dma->domain, range.first, range.last);
	}
	(void)viommu_i_wait_for_domain(dma->domain);
}

enum viommu_result viommu_driver_dma_map(struct viommu_driver_dma *dma, struct viommu_dma_buffer *buffers,
					 uint32_t count, uint32_t how)
{
	enum viommu_result result = buffers_check(buffers, count, how);
	struct viommu_driver_batch batch = { 0 };
	enum viommu_result waited;
	uint32_t done = 0;

	if (result != VIOMMU_OK)
		return result;
	for (uint32_t i = 0; i < count; i++)
		viommu_driver_dma_for_device(dma, &buffers[i], how);
	if (dma->domain->bypass)
		return map_identically(dma, buffers, count);
	for (; done < count && result == VIOMMU_OK; done += result == VIOMMU_OK)
		result = map_one(dma, &buffers[done], how, &batch);
	/* Also after a failure: nothing of it is left in flight. */
	waited = viommu_i_wait_for_batch(dma->domain, &batch);
	if (result == VIOMMU_OK)
		result = waited;
	if (result != VIOMMU_OK)
		take_back(dma, buffers, done);
	return result;
}

/* Unmap */

static bool is_deferred(const struct viommu_driver_dma *dma, struct viommu_range range)
{
	for (uint32_t i = 0; i < dma->deferred_count; i++) {
		if (viommu_range_overlaps(dma->deferred[i], range))
			return true;
	}
	return false;
}

static VIOMMU_NOINLINE enum viommu_result unmap_check(const struct viommu_driver_dma *dma,
						      const struct viommu_dma_buffer *buffers, uint32_t count)
{
	enum viommu_result result = VIOMMU_OK;

	for (uint32_t i = 0; i < count && result == VIOMMU_OK; i++) {
		struct viommu_range range = range_of(dma, &buffers[i]);

		driver_lock(dma->domain->drv);
		if (!is_recorded(dma->domain, range) || is_deferred(dma, range))
			result = VIOMMU_E_NOENT;
		else if (!viommu_range_contains(dma->domain->drv->config.input_range, range))
			result = VIOMMU_E_RANGE;
		driver_unlock(dma->domain->drv);
	}
	return result;
}

static VIOMMU_NOINLINE enum viommu_result unmap_strictly(struct viommu_driver_dma *dma,
							 const struct viommu_dma_buffer *buffers, uint32_t count)
{
	struct viommu_driver_domain *domain = dma->domain;
	struct viommu_driver_batch batch = { 0 };
	enum viommu_result result = VIOMMU_OK;
	enum viommu_result waited;

	for (uint32_t i = 0; i < count && result == VIOMMU_OK; i++) {
		struct viommu_range range = range_of(dma, &buffers[i]);

		result = viommu_i_driver_unmap(domain, range.first, range.last, &batch);
	}
	waited = viommu_i_wait_for_batch(domain, &batch);
	if (result == VIOMMU_OK)
		result = waited;
	for (uint32_t i = 0; i < count && result == VIOMMU_OK; i++) {
		struct viommu_range range = range_of(dma, &buffers[i]);

		driver_lock(domain->drv);
		viommu_i_record_let_go(domain, range.first, range.last);
		viommu_i_iova_hint(dma, range.first, range.last);
		driver_unlock(domain->drv);
	}
	return result;
}

static VIOMMU_NOINLINE enum viommu_result defer(struct viommu_driver_dma *dma, const struct viommu_dma_buffer *buffer)
{
	struct viommu_range range = range_of(dma, buffer);
	enum viommu_result result;
	bool full;

	driver_lock(dma->domain->drv);
	full = dma->deferred_count == dma->deferred_max;
	if (!full)
		dma->deferred[dma->deferred_count++] = range;
	driver_unlock(dma->domain->drv);
	if (!full)
		return VIOMMU_OK;
	/* This one goes with those that make room: whatever others put off meanwhile, there is an end to it. */
	result = viommu_driver_unmap(dma->domain, range.first, range.last);
	if (result == VIOMMU_OK)
		result = send_deferred(dma);
	if (result == VIOMMU_OK)
		(void)viommu_i_wait_for_domain(dma->domain); /* a failure is for the next sync to report */
	return result;
}

enum viommu_result viommu_driver_dma_unmap(struct viommu_driver_dma *dma, const struct viommu_dma_buffer *buffers,
					   uint32_t count, uint32_t how)
{
	enum viommu_result result = buffers_check(buffers, count, how);

	if (result == VIOMMU_OK && !dma->domain->bypass) {
		result = unmap_check(dma, buffers, count);
		if (result == VIOMMU_OK && dma->deferred_max == 0)
			result = unmap_strictly(dma, buffers, count);
		for (uint32_t i = 0; i < count && result == VIOMMU_OK && dma->deferred_max != 0; i++)
			result = defer(dma, &buffers[i]);
	}
	for (uint32_t i = 0; i < count && result == VIOMMU_OK; i++)
		viommu_driver_dma_for_cpu(dma, &buffers[i], how);
	return result;
}

enum viommu_result viommu_driver_dma_flush(struct viommu_driver_dma *dma, struct viommu_driver_failure *failure)
{
	enum viommu_result sent = send_deferred(dma);
	enum viommu_result result = viommu_driver_sync(dma->domain, failure);

	return sent != VIOMMU_OK ? sent : result;
}

/* Doorbells */

static bool passes(const struct viommu_driver_endpoint *endpoint, const struct viommu_dma_buffer *doorbell)
{
	for (uint32_t i = 0; i < endpoint->region_count; i++) {
		const struct viommu_resv_region *region = &endpoint->regions[i];

		if (region->subtype == VIOMMU_RESV_MEM_MSI && doorbell->phys >= region->range.first &&
		    doorbell->phys <= region->range.last && doorbell->len != 0 &&
		    doorbell->len - 1 <= region->range.last - doorbell->phys)
			return true;
	}
	return false;
}

/* Nothing caches a doorbell. */
static uint32_t doorbell_flags(const struct viommu_driver_dma *dma)
{
	bool has_mmio = (dma->domain->drv->features & VIOMMU_F_MMIO) != 0;

	return VIOMMU_DMA_FROM_DEVICE | VIOMMU_DMA_COHERENT | (has_mmio ? VIOMMU_DMA_MMIO : 0);
}

enum viommu_result viommu_driver_dma_map_doorbell(struct viommu_driver_dma *dma,
						  const struct viommu_driver_endpoint *endpoint,
						  struct viommu_dma_buffer *doorbell)
{
	if (!passes(endpoint, doorbell))
		return viommu_driver_dma_map(dma, doorbell, 1, doorbell_flags(dma));
	doorbell->iova = doorbell->phys;
	return VIOMMU_OK;
}

enum viommu_result viommu_driver_dma_unmap_doorbell(struct viommu_driver_dma *dma,
						    const struct viommu_driver_endpoint *endpoint,
						    const struct viommu_dma_buffer *doorbell)
{
	if (passes(endpoint, doorbell))
		return VIOMMU_OK;
	return viommu_driver_dma_unmap(dma, doorbell, 1, doorbell_flags(dma));
}
