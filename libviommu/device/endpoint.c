/* SPDX-License-Identifier: BSD-3-Clause */
/* endpoint.c: endpoints and the domains that live and die with them. */
#include "core.h"

#include "../internal.h"

bool viommu_i_regions_are_valid(const struct viommu_resv_region *regions, uint32_t count)
{
	uint32_t msi = 0;

	if (regions == NULL && count > 0)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (regions[i].range.first > regions[i].range.last || regions[i].subtype > VIOMMU_RESV_MEM_MSI)
			return false;
		if (i > 0 && regions[i].range.first <= regions[i - 1].range.last)
			return false;
		msi += regions[i].subtype == VIOMMU_RESV_MEM_MSI;
	}
	return msi <= 1;
}

static struct viommu_limits limits_of(const struct viommu_endpoint_config *config)
{
	struct viommu_limits limits = { 0, { 0, UINT64_MAX } };

	if (config->page_size_mask != 0)
		limits.below = viommu_port_shl64(1, viommu_port_ctz64(config->page_size_mask)) - 1;
	if ((config->flags & VIOMMU_ENDPOINT_F_INPUT_RANGE) != 0)
		limits.range = config->input_range;
	return limits;
}

enum viommu_result viommu_device_add_endpoint(struct viommu_device *dev, const struct viommu_endpoint_config *config,
					      struct viommu_endpoint **handle)
{
	struct viommu_endpoint *endpoint;
	enum viommu_result result;

	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	if (config->size != sizeof *config)
		return VIOMMU_E_ABI;
	/* The count first: one that cannot be right is not walked. */
	if ((dev->features & VIOMMU_F_PROBE) != 0 &&
	    (config->region_count > UINT32_MAX / VIOMMU_WIRE_RESV_MEM_SIZE ||
	     config->region_count * VIOMMU_WIRE_RESV_MEM_SIZE > dev->config.probe_size))
		return VIOMMU_E_ARG;
	if (!viommu_i_regions_are_valid(config->regions, config->region_count))
		return VIOMMU_E_ARG;
	if ((config->flags & ~VIOMMU_ENDPOINT_FLAGS) != 0 || ((config->flags & VIOMMU_ENDPOINT_F_INPUT_RANGE) != 0 &&
							      config->input_range.first > config->input_range.last))
		return VIOMMU_E_ARG;
	if (viommu_i_endpoint_find(dev, config->id) != NULL)
		return VIOMMU_E_EXISTS;
	if (viommu_i_endpoint_count(dev) == dev->max_endpoints)
		return VIOMMU_E_FULL;

	endpoint = viommu_i_endpoint_take(dev, config->id);
	memset(endpoint, 0, sizeof *endpoint);
	endpoint->id = config->id;
	endpoint->regions = config->regions;
	endpoint->region_count = config->region_count;
	endpoint->limits = limits_of(config);
	viommu_i_endpoint_show(dev, endpoint);
	result = viommu_device_set_backend(dev, endpoint, config->backend, config->backend_ctx);
	if (result != VIOMMU_OK) {
		/* Nobody has a context of it: it is gone at once. */
		(void)!viommu_device_remove_endpoint(dev, endpoint);
		(void)viommu_device_endpoint_is_gone(dev, endpoint);
		return result;
	}
	*handle = endpoint;
	viommu_i_trace(dev, VIOMMU_TRACE_ENDPOINT_ADDED, config->id, 0, 0);
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	return VIOMMU_OK;
}

struct viommu_endpoint *viommu_i_endpoint_find(struct viommu_device *dev, uint32_t id)
{
	uint32_t slot = viommu_i_ids_find(&dev->endpoint_ids, id);

	return slot != NO_SLOT ? &dev->endpoints[slot] : NULL;
}

struct viommu_domain *viommu_i_domain_find(struct viommu_device *dev, uint32_t id)
{
	uint32_t slot = viommu_i_ids_find(&dev->domain_ids, id);

	return slot != NO_SLOT ? &dev->domains[slot] : NULL;
}

bool viommu_i_domain_slot_is_free(const struct viommu_device *dev)
{
	return dev->domains[dev->domain_ids.slots[dev->domain_ids.count]].died <= dev->dead_drained;
}

/* What both can do; that may be nothing: then the range is upside down, and contains no other. */
void viommu_i_limits_narrow(struct viommu_limits *limits, const struct viommu_limits *by)
{
	limits->below |= by->below;
	if (by->range.first > limits->range.first)
		limits->range.first = by->range.first;
	if (by->range.last < limits->range.last)
		limits->range.last = by->range.last;
}

struct viommu_limits viommu_i_domain_limits(const struct viommu_device *dev, const struct viommu_domain *domain)
{
	struct viommu_limits limits = { viommu_port_shl64(1, dev->granule_bits) - 1, { 0, UINT64_MAX } };

	if ((dev->features & VIOMMU_F_INPUT_RANGE) != 0)
		limits.range = dev->config.input_range;
	for (const struct viommu_endpoint *e = domain->endpoints; e != NULL; e = e->next)
		viommu_i_limits_narrow(&limits, &e->limits);
	return limits;
}

bool viommu_i_endpoint_fits(const struct viommu_endpoint *endpoint, const struct viommu_domain *domain)
{
	const struct viommu_limits *limits = &endpoint->limits;
	struct viommu_mapping m;

	if ((limits->below & ~domain->limits.below) == 0 && viommu_range_contains(limits->range, domain->limits.range))
		return true; /* it asks for nothing that the domain does not */
	if (!viommu_map_next(&domain->map, 0, &m))
		return true;
	/* Not each mapping is looked at: there may be any number of them. */
	if ((limits->below & ~domain->limits.below) != 0 || m.first < limits->range.first)
		return false;
	return limits->range.last == UINT64_MAX || !viommu_map_next(&domain->map, limits->range.last + 1, &m);
}

struct viommu_domain *viommu_i_domain_create(struct viommu_device *dev, uint32_t id, bool bypass)
{
	struct viommu_domain *domain = &dev->domains[viommu_i_ids_insert(&dev->domain_ids, id)];

	VIOMMU_ASSERT(domain->died <= dev->dead_drained); /* nobody reads it any more */
	viommu_map_init(&domain->map, &dev->pool, dev->granule_bits);
	domain->endpoints = NULL;
	domain->limits = viommu_i_domain_limits(dev, domain);
	domain->id = id;
	domain->bypass = bypass;
	return domain;
}

void viommu_i_domain_die(struct viommu_device *dev, struct viommu_domain *domain, struct viommu_map_limbo *limbo)
{
	viommu_map_clear(&domain->map, limbo);
	domain->endpoints = NULL;
	domain->died = dev->epoch + 1;
}

bool viommu_i_bypass_is_active(const struct viommu_device *dev)
{
	return (dev->features & VIOMMU_F_BYPASS_CONFIG) != 0 && dev->config.bypass != 0;
}

const void *viommu_i_endpoint_view(const struct viommu_device *dev, const struct viommu_endpoint *endpoint)
{
	if (endpoint->is_blocked)
		return NULL;
	if (endpoint->domain == NULL && !endpoint->is_removed && viommu_i_bypass_is_active(dev))
		return &dev->everything;
	return endpoint->domain;
}

void viommu_i_endpoint_show(const struct viommu_device *dev, struct viommu_endpoint *endpoint)
{
	viommu_port_set_pointer(&endpoint->view, viommu_i_endpoint_view(dev, endpoint));
	viommu_i_cache_open(endpoint);
}

/* Out of the list of its domain. */
static void unlink_member(struct viommu_endpoint *endpoint)
{
	struct viommu_endpoint **link = &endpoint->domain->endpoints;

	while (*link != endpoint)
		link = &(*link)->next;
	*link = endpoint->next;
	endpoint->next = NULL;
}

void viommu_i_endpoint_move(struct viommu_device *dev, struct viommu_endpoint *endpoint, struct viommu_domain *domain,
			    struct viommu_map_limbo *limbo)
{
	struct viommu_domain *old = endpoint->domain;

	if (old != NULL)
		unlink_member(endpoint);
	endpoint->domain = domain;
	if (domain != NULL) {
		endpoint->next = domain->endpoints;
		domain->endpoints = endpoint;
		viommu_i_limits_narrow(&domain->limits, &endpoint->limits);
	}
	if (old != NULL)
		old->limits = viommu_i_domain_limits(dev, old);
	viommu_i_cache_shut(endpoint);
	viommu_i_endpoint_show(dev, endpoint);
	if (old != NULL && old->endpoints == NULL) {
		viommu_i_domain_die(dev, old, limbo);
		viommu_i_ids_remove(&dev->domain_ids, old->id);
	}
}
