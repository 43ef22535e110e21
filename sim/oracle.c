/* SPDX-License-Identifier: BSD-3-Clause */
#include "oracle.h"

#include <stdlib.h>
#include <string.h>

bool sim_oracle_init(struct sim_oracle *oracle, const struct sim_oracle_config *config, const uint32_t *endpoints,
		     uint32_t count)
{
	memset(oracle, 0, sizeof(*oracle));
	oracle->config = *config;
	oracle->endpoints = calloc(count + (size_t)1, sizeof(*oracle->endpoints));
	/* Each domain has an endpoint, and a moving endpoint is in two for a moment. */
	oracle->domains = calloc(count + (size_t)1, sizeof(*oracle->domains));
	if (oracle->endpoints == NULL || oracle->domains == NULL) {
		sim_oracle_deinit(oracle);
		return false;
	}
	for (uint32_t i = 0; i < count; i++)
		oracle->endpoints[i].id = endpoints[i];
	oracle->endpoint_count = count;
	return true;
}

void sim_oracle_deinit(struct sim_oracle *oracle)
{
	for (uint32_t i = 0; i < oracle->domain_count; i++)
		free(oracle->domains[i].mappings);
	free(oracle->domains);
	free(oracle->endpoints);
	memset(oracle, 0, sizeof(*oracle));
}

static struct sim_oracle_endpoint *find_endpoint(const struct sim_oracle *oracle, uint32_t id)
{
	uint32_t low = 0, high = oracle->endpoint_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (oracle->endpoints[middle].id == id)
			return &oracle->endpoints[middle];
		if (oracle->endpoints[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* Index of the first domain whose id is not below this one. */
static uint32_t domain_position(const struct sim_oracle *oracle, uint32_t id)
{
	uint32_t low = 0, high = oracle->domain_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (oracle->domains[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct sim_oracle_domain *find_domain(const struct sim_oracle *oracle, uint32_t id)
{
	uint32_t at = domain_position(oracle, id);

	return at < oracle->domain_count && oracle->domains[at].id == id ? &oracle->domains[at] : NULL;
}

/* Index of the first mapping that ends at or behind `address`. */
static size_t mapping_position(const struct sim_oracle_domain *domain, uint64_t address)
{
	size_t low = 0, high = domain->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (domain->mappings[middle].last < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Endpoints and domains */

enum viommu_status sim_oracle_probe(const struct sim_oracle *oracle, uint32_t endpoint)
{
	return find_endpoint(oracle, endpoint) != NULL ? VIOMMU_S_OK : VIOMMU_S_NOENT;
}

/* The endpoint leaves its domain, which is gone with its mappings if that was the last one. */
static void leave(struct sim_oracle *oracle, struct sim_oracle_endpoint *endpoint)
{
	uint32_t at = domain_position(oracle, endpoint->domain);

	endpoint->attached = false;
	if (--oracle->domains[at].endpoints > 0)
		return;
	oracle->live -= oracle->domains[at].count;
	free(oracle->domains[at].mappings);
	oracle->domain_count--;
	memmove(&oracle->domains[at], &oracle->domains[at + 1], (oracle->domain_count - at) * sizeof(*oracle->domains));
}

/* An ATTACH to the domain it is in already changes nothing. */
static void enter(struct sim_oracle *oracle, struct sim_oracle_endpoint *endpoint, uint32_t id, bool bypass)
{
	uint32_t at;

	if (endpoint->attached && endpoint->domain == id)
		return;
	if (endpoint->attached)
		leave(oracle, endpoint);
	at = domain_position(oracle, id);
	if (at == oracle->domain_count || oracle->domains[at].id != id) {
		memmove(&oracle->domains[at + 1], &oracle->domains[at],
			(oracle->domain_count - at) * sizeof(*oracle->domains));
		oracle->domain_count++;
		memset(&oracle->domains[at], 0, sizeof(oracle->domains[at]));
		oracle->domains[at].id = id;
		oracle->domains[at].bypass = bypass;
	}
	oracle->domains[at].endpoints++;
	endpoint->attached = true;
	endpoint->domain = id;
}

enum viommu_status sim_oracle_attach(struct sim_oracle *oracle, uint32_t domain, uint32_t endpoint, uint32_t flags)
{
	struct sim_oracle_endpoint *e = find_endpoint(oracle, endpoint);
	struct sim_oracle_domain *d = find_domain(oracle, domain);
	bool bypass = (flags & VIOMMU_ATTACH_F_BYPASS) != 0;

	if ((flags & ~VIOMMU_ATTACH_F_BYPASS) != 0)
		return VIOMMU_S_INVAL;
	if (e == NULL)
		return VIOMMU_S_NOENT;
	if (d != NULL && d->bypass != bypass)
		return VIOMMU_S_INVAL;
	enter(oracle, e, domain, bypass);
	return VIOMMU_S_OK;
}

enum viommu_status sim_oracle_detach(struct sim_oracle *oracle, uint32_t domain, uint32_t endpoint)
{
	struct sim_oracle_endpoint *e = find_endpoint(oracle, endpoint);

	if (e == NULL)
		return VIOMMU_S_NOENT;
	if (!e->attached || e->domain != domain)
		return VIOMMU_S_INVAL;
	leave(oracle, e);
	return VIOMMU_S_OK;
}

/* Mappings */

static bool overlaps(uint64_t first, uint64_t last, const struct viommu_range *range)
{
	return first <= range->last && range->first <= last;
}

static bool is_inside(uint64_t first, uint64_t last, const struct viommu_range *range)
{
	return range->first <= first && last <= range->last;
}

/* What is wrong with the numbers of a MAP, whatever is mapped already. */
static enum viommu_status judge(const struct sim_oracle *oracle, const struct sim_oracle_mapping *mapping)
{
	uint64_t below = oracle->config.granule - 1;

	if ((mapping->flags & ~(VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE | VIOMMU_MAP_F_MMIO)) != 0)
		return VIOMMU_S_INVAL;
	if (mapping->last < mapping->first)
		return VIOMMU_S_INVAL;
	/* last + 1 may be 0: the end of the address space is a multiple of everything. */
	if (((mapping->first | mapping->phys | (mapping->last + 1)) & below) != 0)
		return VIOMMU_S_RANGE;
	if (!is_inside(mapping->first, mapping->last, &oracle->config.input_range))
		return VIOMMU_S_RANGE;
	if (mapping->phys + (mapping->last - mapping->first) < mapping->phys)
		return VIOMMU_S_RANGE;
	if (overlaps(mapping->first, mapping->last, &oracle->config.msi))
		return VIOMMU_S_INVAL;
	return VIOMMU_S_OK;
}

enum viommu_status sim_oracle_map(struct sim_oracle *oracle, uint32_t domain, const struct sim_oracle_mapping *mapping)
{
	struct sim_oracle_domain *d = find_domain(oracle, domain);
	enum viommu_status status = judge(oracle, mapping);
	size_t at;

	if (d == NULL)
		return VIOMMU_S_NOENT;
	if (d->bypass)
		return VIOMMU_S_INVAL;
	if (status != VIOMMU_S_OK)
		return status;
	at = mapping_position(d, mapping->first);
	if (at < d->count && d->mappings[at].first <= mapping->last)
		return VIOMMU_S_INVAL;
	if (d->count == d->room) {
		size_t room = d->room == 0 ? 64 : 2 * d->room;
		struct sim_oracle_mapping *grown = realloc(d->mappings, room * sizeof(*grown));

		if (grown == NULL)
			return VIOMMU_S_NOMEM;
		d->mappings = grown;
		d->room = room;
	}
	memmove(&d->mappings[at + 1], &d->mappings[at], (d->count - at) * sizeof(*d->mappings));
	d->mappings[at] = *mapping;
	d->count++;
	oracle->live++;
	return VIOMMU_S_OK;
}

const struct sim_oracle_mapping *sim_oracle_overlaps(const struct sim_oracle *oracle, uint32_t domain, uint64_t first,
						     uint64_t last, size_t *count)
{
	const struct sim_oracle_domain *d = find_domain(oracle, domain);
	size_t from, to;

	*count = 0;
	if (d == NULL || last < first)
		return NULL;
	from = mapping_position(d, first);
	for (to = from; to < d->count && d->mappings[to].first <= last; to++)
		;
	*count = to - from;
	return *count > 0 ? &d->mappings[from] : NULL;
}

enum viommu_status sim_oracle_unmap(struct sim_oracle *oracle, uint32_t domain, uint64_t first, uint64_t last)
{
	struct sim_oracle_domain *d = find_domain(oracle, domain);
	const struct sim_oracle_mapping *hit;
	size_t count, at;

	if (d == NULL)
		return VIOMMU_S_NOENT;
	if (d->bypass || last < first)
		return VIOMMU_S_INVAL;
	if (!is_inside(first, last, &oracle->config.input_range))
		return VIOMMU_S_RANGE;
	hit = sim_oracle_overlaps(oracle, domain, first, last, &count);
	if (hit == NULL)
		return VIOMMU_S_OK;
	if (hit[0].first < first || hit[count - 1].last > last)
		return VIOMMU_S_RANGE;
	at = (size_t)(hit - d->mappings);
	memmove(&d->mappings[at], &d->mappings[at + count], (d->count - at - count) * sizeof(*d->mappings));
	d->count -= count;
	oracle->live -= count;
	return VIOMMU_S_OK;
}

struct sim_oracle_answer sim_oracle_translate(const struct sim_oracle *oracle, uint32_t endpoint, uint64_t iova,
					      uint32_t kind)
{
	const struct sim_oracle_endpoint *e = find_endpoint(oracle, endpoint);
	struct sim_oracle_answer no = { .reason = VIOMMU_FAULT_R_DOMAIN, .refused = kind };
	struct sim_oracle_answer same = { .ok = true, .gpa = iova };
	const struct sim_oracle_domain *d;
	size_t at;

	if (e == NULL || !e->attached)
		return e != NULL && oracle->config.bypass ? same : no;
	d = find_domain(oracle, e->domain);
	if (d->bypass)
		return same;
	same.msi = true;
	if (overlaps(iova, iova, &oracle->config.msi))
		return same;
	no.reason = VIOMMU_FAULT_R_MAPPING;
	at = mapping_position(d, iova);
	if (at == d->count || d->mappings[at].first > iova)
		return no;
	no.refused = kind & ~d->mappings[at].flags;
	if (no.refused != 0)
		return no;
	return (struct sim_oracle_answer){ .ok = true, .gpa = d->mappings[at].phys + (iova - d->mappings[at].first) };
}
