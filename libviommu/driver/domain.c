/* SPDX-License-Identifier: BSD-3-Clause */
/* domain.c: domains, as the driver counts them. */
#include "core.h"

#include "../internal.h"

/* The link behind which a domain with this id belongs: all domains are in one list, by id. */
static struct viommu_driver_domain **link_for(struct viommu_driver *drv, uint32_t id)
{
	struct viommu_driver_domain **link = &drv->domains;

	while (*link != NULL && (*link)->id < id)
		link = &(*link)->next;
	return link;
}

/* The lowest id that no domain has. */
static bool free_id(const struct viommu_driver *drv, uint32_t *id)
{
	uint32_t candidate = drv->config.domain_first;

	for (const struct viommu_driver_domain *d = drv->domains; d != NULL && d->id <= candidate; d = d->next) {
		if (d->id < candidate)
			continue;
		if (candidate == drv->config.domain_last)
			return false;
		candidate++;
	}
	*id = candidate;
	return true;
}

static enum viommu_result choose_id(const struct viommu_driver *drv, uint64_t wanted, uint32_t *id)
{
	if (wanted == VIOMMU_DOMAIN_ANY)
		return free_id(drv, id) ? VIOMMU_OK : VIOMMU_E_FULL;
	if (wanted < drv->config.domain_first || wanted > drv->config.domain_last)
		return VIOMMU_E_RANGE;
	*id = (uint32_t)wanted;
	return VIOMMU_OK;
}

enum viommu_result viommu_driver_domain_init(struct viommu_driver_domain *domain, struct viommu_driver *drv,
					     uint64_t id, bool bypass)
{
	struct viommu_driver_domain **link;
	enum viommu_result result;
	uint32_t chosen;

	driver_lock(drv);
	if (drv->state != VIOMMU_DRIVER_RUNNING)
		result = VIOMMU_E_STATE;
	else if (bypass && (drv->features & VIOMMU_F_BYPASS_CONFIG) == 0)
		result = VIOMMU_E_UNSUPP;
	else
		result = choose_id(drv, id, &chosen);
	if (result == VIOMMU_OK) {
		link = link_for(drv, chosen);
		if (*link != NULL && (*link)->id == chosen) {
			result = VIOMMU_E_EXISTS;
		} else {
			memset(domain, 0, sizeof *domain);
			viommu_map_init(&domain->map, &drv->pool, drv->granule_bits);
			domain->drv = drv;
			domain->id = chosen;
			domain->bypass = bypass;
			domain->next = *link;
			*link = domain;
			VIOMMU_ASSERT(viommu_driver_domain_is_valid(domain));
		}
	}
	driver_unlock(drv);
	return result;
}

enum viommu_result viommu_driver_domain_deinit(struct viommu_driver_domain *domain)
{
	struct viommu_driver *drv = domain->drv;
	enum viommu_result result = VIOMMU_E_STATE;
	struct viommu_map_limbo limbo = { 0, 0 };

	driver_lock(drv);
	VIOMMU_ASSERT(viommu_driver_domain_is_valid(domain));
	if (domain->endpoints == NULL && domain->lost == NULL && domain->oldest == NULL && domain->claims == 0) {
		struct viommu_driver_domain **link = link_for(drv, domain->id);

		*link = domain->next;
		viommu_map_clear(&domain->map, &limbo);
		viommu_map_pool_retire(&drv->pool, &limbo);
		result = VIOMMU_OK;
	}
	driver_unlock(drv);
	return result;
}

enum viommu_result viommu_driver_domain_set_msi_window(struct viommu_driver_domain *domain, struct viommu_range window)
{
	enum viommu_result result = VIOMMU_OK;
	struct viommu_mapping m;

	if (window.first > window.last)
		return VIOMMU_E_ARG;
	driver_lock(domain->drv);
	VIOMMU_ASSERT(viommu_driver_domain_is_valid(domain));
	if (window.last != 0 && viommu_map_next(&domain->map, window.first, &m) && m.first <= window.last)
		result = VIOMMU_E_EXISTS;
	else
		domain->msi_window = window;
	driver_unlock(domain->drv);
	return result;
}

uint32_t viommu_driver_domain_id(const struct viommu_driver_domain *domain)
{
	return domain->id;
}
