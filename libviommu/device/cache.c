/* SPDX-License-Identifier: BSD-3-Clause */
/* cache.c: what contexts have kept of the map: the owner's half. cache.h says how it works. */
#include "cache.h"

#include "../internal.h"

void viommu_access_set_cache(struct viommu_access *access, struct viommu_access_cache *cache)
{
	VIOMMU_ASSERT(viommu_access_is_valid(access));
#if VIOMMU_ACCESS_CACHE
	access->cache = cache;
	if (cache == NULL)
		return;
	memset(cache, 0, sizeof *cache);
	/* Nothing was kept at this generation. */
	for (uint32_t i = 0; i < VIOMMU_ACCESS_CACHE_SLOTS; i++)
		viommu_port_set64(&cache->slots[i].generation, 2);
#else
	(void)access;
	(void)cache;
#endif
}

#if VIOMMU_ACCESS_CACHE

/* What was shut is opened at the next even generation; what was not, too. */
static void mark(struct viommu_access_slot *slot, bool shut)
{
	uint64_t generation = slot->generation | GENERATION_SHUT;

	viommu_port_set64(&slot->generation, shut ? generation : generation + 1);
}

static void mark_all(struct viommu_endpoint *endpoint, bool shut)
{
	for (struct viommu_access *a = endpoint->contexts; a != NULL; a = a->next) {
		for (uint32_t i = 0; a->cache != NULL && i < VIOMMU_ACCESS_CACHE_SLOTS; i++)
			mark(&a->cache->slots[i], shut);
	}
}

/* Granules [first, first + behind], which are fewer than there are slots. */
static void mark_some(struct viommu_endpoint *endpoint, uint64_t first, uint64_t behind, bool shut)
{
	for (struct viommu_access *a = endpoint->contexts; a != NULL; a = a->next) {
		for (uint32_t i = 0; a->cache != NULL && i <= behind; i++)
			mark(&a->cache->slots[cache_slot(first + i)], shut);
	}
}

static void mark_range(const struct viommu_device *dev, struct viommu_domain *domain, struct viommu_range range,
		       bool shut)
{
	uint64_t first = viommu_port_shr64(range.first, dev->granule_bits);
	uint64_t behind = viommu_port_shr64(range.last, dev->granule_bits) - first;

	for (struct viommu_endpoint *e = domain->endpoints; e != NULL; e = e->next) {
		if (behind < VIOMMU_ACCESS_CACHE_SLOTS)
			mark_some(e, first, behind, shut);
		else
			mark_all(e, shut);
	}
}

#else

static void mark_all(struct viommu_endpoint *endpoint, bool shut)
{
	(void)endpoint;
	(void)shut;
}

static void mark_range(const struct viommu_device *dev, struct viommu_domain *domain, struct viommu_range range,
		       bool shut)
{
	(void)dev;
	(void)domain;
	(void)range;
	(void)shut;
}

#endif

void viommu_i_cache_shut(struct viommu_endpoint *endpoint)
{
	mark_all(endpoint, true);
}

void viommu_i_cache_open(struct viommu_endpoint *endpoint)
{
	mark_all(endpoint, false);
}

void viommu_i_cache_shut_range(const struct viommu_device *dev, struct viommu_domain *domain, struct viommu_range range)
{
	mark_range(dev, domain, range, true);
}

void viommu_i_cache_open_range(const struct viommu_device *dev, struct viommu_domain *domain, struct viommu_range range)
{
	mark_range(dev, domain, range, false);
}
