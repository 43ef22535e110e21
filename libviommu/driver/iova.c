/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * iova.c: where there is room in a domain: the record says it, and nothing else. A search goes through what is left of
 * a window, from one end; what is in the way takes its part of the window, and all behind it.
 */
#include "iova.h"

#include "../internal.h"

#define LOOKS 16u /* with the lock held */

struct search {
	struct viommu_range whole; /* where it may be */
	viommu_iova low;           /* what is left of that, if low <= high */
	viommu_iova high;
	uint64_t extent; /* bytes, less one */
	uint64_t align;  /* bits that are 0 in the first address */
	uint32_t order;
	bool around; /* it began anew at the end of the window */
	bool over;   /* there is no room */
};

/* The class of so many bytes: 2^order granules hold them. The alignment is all ones. */
static uint32_t classify(const struct viommu_driver *drv, uint64_t extent, uint64_t *align)
{
	uint32_t order = 0;

	*align = driver_granule(drv) - 1;
	while (*align < extent) {
		*align = *align << 1 | 1;
		order++;
	}
	return order;
}

static VIOMMU_NOINLINE void begin(const struct viommu_driver_dma *dma, uint64_t extent, struct search *s)
{
	const struct viommu_driver *drv = dma->domain->drv;
	struct viommu_range whole = drv->config.input_range;

	if (whole.first < dma->window.first)
		whole.first = dma->window.first;
	if (whole.first == 0)
		whole.first = 1; /* the granule at 0 is not whole any more */
	if (whole.last > dma->window.last)
		whole.last = dma->window.last;
	s->whole = whole;
	s->low = whole.first;
	s->high = whole.last;
	if (dma->bottom_up && s->low < dma->cursor)
		s->low = dma->cursor;
	if (!dma->bottom_up && s->high > dma->cursor)
		s->high = dma->cursor;
	s->extent = extent;
	s->order = classify(drv, extent, &s->align);
	s->around = false;
	s->over = false;
}

/* The next place in what is left. False: none. */
static VIOMMU_NOINLINE bool place(const struct viommu_driver_dma *dma, const struct search *s, viommu_iova *first)
{
	if (s->low > s->high || s->high - s->low < s->extent)
		return false;
	if (!dma->bottom_up) {
		*first = (s->high - s->extent) & ~s->align;
		return *first >= s->low;
	}
	if (s->align > UINT64_MAX - s->low)
		return false;
	*first = (s->low + s->align) & ~s->align;
	return *first <= s->high - s->extent;
}

/* What is in the way? */
static bool is_blocked(const struct viommu_driver_dma *dma, struct viommu_range range, struct viommu_range *blocker)
{
	const struct viommu_driver_domain *domain = dma->domain;
	struct viommu_mapping m;

	/* Without an MSI window it is the byte at 0, which is in nobody's way. */
	*blocker = domain->msi_window;
	if (viommu_range_overlaps(*blocker, range) && !viommu_range_contains(*blocker, dma->window))
		return true;

	for (const struct viommu_driver_endpoint *e = domain->endpoints; e != NULL; e = e->next) {
		for (uint32_t i = 0; i < e->region_count; i++) {
			*blocker = e->regions[i].range;
			if (viommu_range_overlaps(*blocker, range))
				return true;
		}
	}
	if (!viommu_map_next(&domain->map, range.first, &m) || m.first > range.last)
		return false;
	*blocker = (struct viommu_range){ m.first, m.last };
	return true;
}

static void cut(const struct viommu_driver_dma *dma, struct search *s, const struct viommu_range *blocker)
{
	bool left = dma->bottom_up ? blocker->last < s->high : blocker->first > s->low;

	if (!left) {
		s->high = 0; /* low is above that */
		return;
	}
	if (dma->bottom_up)
		s->low = blocker->last + 1;
	else
		s->high = blocker->first - 1;
}

static enum viommu_result claim(struct viommu_driver_dma *dma, const struct search *s, viommu_iova first,
				struct viommu_mapping *m, struct viommu_driver_poster *poster)
{
	m->first = first;
	m->last = first + s->extent;
	return viommu_i_try_map(dma->domain, m, poster);
}

/* A hint is good if a search could have come to it. */
static bool is_good(const struct viommu_driver_dma *dma, const struct search *s, viommu_iova first)
{
	struct viommu_range blocker;

	if ((first & s->align) != 0 || first < s->whole.first || s->whole.last < first ||
	    s->whole.last - first < s->extent)
		return false;
	return !is_blocked(dma, (struct viommu_range){ first, first + s->extent }, &blocker);
}

/* EXISTS: no hint was good. One that cannot be used just now stays. */
static VIOMMU_NOINLINE enum viommu_result try_hints(struct viommu_driver_dma *dma, const struct search *s,
						    struct viommu_mapping *m, struct viommu_driver_poster *poster)
{
	uint32_t magazine = s->order * dma->depth; /* where it begins */
	uint32_t *count;

	if (s->order >= VIOMMU_DMA_CLASSES)
		return VIOMMU_E_EXISTS;
	count = &dma->counts[s->order];
	for (; *count > 0; --*count) {
		viommu_iova first = dma->hints[magazine + *count - 1];

		if (is_good(dma, s, first)) {
			enum viommu_result result = claim(dma, s, first, m, poster);

			*count -= result == VIOMMU_OK;
			return result;
		}
	}
	return VIOMMU_E_EXISTS;
}

/* EXISTS: not found yet. FULL, and over is not set: no slot. */
static VIOMMU_NOINLINE enum viommu_result look_on(struct viommu_driver_dma *dma, struct search *s,
						  struct viommu_mapping *m, struct viommu_driver_poster *poster)
{
	struct viommu_range blocker;
	enum viommu_result result;
	viommu_iova first;

	for (uint32_t looks = 0; looks < LOOKS; looks++) {
		if (!place(dma, s, &first)) {
			s->over = s->around;
			if (s->over)
				return VIOMMU_E_FULL;
			s->around = true;
			s->low = s->whole.first;
			s->high = s->whole.last;
			continue;
		}
		if (is_blocked(dma, (struct viommu_range){ first, first + s->extent }, &blocker)) {
			cut(dma, s, &blocker);
			continue;
		}
		result = claim(dma, s, first, m, poster);
		if (result == VIOMMU_OK)
			dma->cursor = dma->bottom_up ? m->last : m->first; /* and that byte is taken */
		return result;
	}
	return VIOMMU_E_EXISTS;
}

enum viommu_result viommu_i_iova_map(struct viommu_driver_dma *dma, struct viommu_mapping *m,
				     struct viommu_driver_batch *batch)
{
	struct viommu_driver_poster poster = { .batch = batch };
	struct viommu_driver_domain *domain = dma->domain;
	enum viommu_result result;
	struct search s;

	driver_lock(domain->drv);
	begin(dma, m->last - m->first, &s);
	driver_unlock(domain->drv);
	do {
		driver_lock(domain->drv);
		VIOMMU_ASSERT(viommu_driver_domain_is_valid(domain));
		result = try_hints(dma, &s, m, &poster);
		if (result == VIOMMU_E_EXISTS)
			result = look_on(dma, &s, m, &poster);
		if (s.over)
			result = VIOMMU_E_NOENT; /* FULL would be waited for */
		driver_unlock(domain->drv);
	} while (result == VIOMMU_E_EXISTS || viommu_i_wait_to_retry(domain, &poster, &result));
	return s.over ? VIOMMU_E_FULL : result;
}

void viommu_i_iova_hint(struct viommu_driver_dma *dma, viommu_iova first, viommu_iova last)
{
	uint64_t align;
	uint32_t order = classify(dma->domain->drv, last - first, &align);

	if (order < VIOMMU_DMA_CLASSES && dma->counts[order] < dma->depth)
		dma->hints[order * dma->depth + dma->counts[order]++] = first;
}
