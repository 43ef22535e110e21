/* SPDX-License-Identifier: BSD-3-Clause */
/* check.c: what is always true of a driver, its domains and its endpoints, as long as nobody holds the lock. */
#include "core.h"

#include "../internal.h"
#include "../map/check.h"
#include "../regions.h"

/* The endpoint */

/* What a stop has not overtaken yet. After one, the claim may lead to a domain that is gone. */
static bool claim_is_valid(const struct viommu_driver_endpoint *endpoint)
{
	const struct viommu_driver_domain *claimed = endpoint->claimed;

	if (claimed == NULL || endpoint->life != endpoint->drv->life)
		return true;
	return endpoint->uncertain && claimed != endpoint->domain && claimed->claims != 0;
}

bool viommu_driver_endpoint_is_valid(const struct viommu_driver_endpoint *endpoint)
{
	const struct viommu_driver_domain *domain = endpoint->domain;

	if (endpoint->drv == NULL) /* its init failed */
		return domain == NULL && endpoint->claimed == NULL && endpoint->lost == NULL;
	if ((endpoint->region_count != 0 && endpoint->regions == NULL) || !claim_is_valid(endpoint))
		return false;
	if (endpoint->lost != NULL)
		return domain == NULL && endpoint->lost->drv == endpoint->drv;
	if (domain == NULL)
		return endpoint->next == NULL;
	return domain->drv == endpoint->drv && endpoint->life == endpoint->drv->life;
}

bool viommu_driver_endpoint_check(const struct viommu_driver_endpoint *endpoint)
{
	const struct viommu_driver_endpoint *e = endpoint;
	struct viommu_i_circle circle = { 0 };

	if (!viommu_driver_endpoint_is_valid(endpoint))
		return false;
	if (endpoint->domain != NULL)
		e = endpoint->domain->endpoints;
	else if (endpoint->lost != NULL)
		e = endpoint->lost->lost;
	for (uint32_t i = 0; i < endpoint->region_count; i++) {
		if (endpoint->regions[i].range.first > endpoint->regions[i].range.last)
			return false;
	}
	while (e != NULL && e != endpoint && !viommu_i_circle_closes(&circle, e))
		e = e->next;
	return e == endpoint;
}

/* The domain */

bool viommu_driver_domain_is_valid(const struct viommu_driver_domain *domain)
{
	bool is_idle = domain->oldest == NULL;

	if (domain->drv == NULL || domain->map.pool != &domain->drv->pool ||
	    domain->map.granule_bits != domain->drv->granule_bits || !viommu_map_is_valid(&domain->map))
		return false;
	if (is_idle != (domain->newest == NULL) || (domain->bypass && !(is_idle && viommu_map_is_empty(&domain->map))))
		return false;
	if (domain->incomplete && domain->endpoints == NULL && domain->claims == 0)
		return false;
	return domain->failures == 0 || domain->first_failure.result != VIOMMU_OK;
}

/* Does the record say of the range what a request in flight takes it to say? */
static bool record_agrees(const struct viommu_driver_domain *domain, const struct viommu_driver_slot *slot)
{
	struct viommu_mapping m;

	if (slot->type == VIOMMU_T_UNMAP)
		return !viommu_i_record_splits(domain, slot->first, slot->last);
	return !slot->recorded ||
	       (viommu_map_next(&domain->map, slot->first, &m) && m.first == slot->first && m.last == slot->last);
}

/* Tickets ascend, so that the walk has an end. */
static bool check_requests(const struct viommu_driver_domain *domain, uint32_t *posted)
{
	const struct viommu_driver *drv = domain->drv;
	const struct viommu_driver_slot *previous = NULL;
	uint64_t ticket = 0;
	uint32_t unmaps = 0;

	for (const struct viommu_driver_slot *s = domain->oldest; s != NULL; s = s->next) {
		if (!viommu_i_is_element(s, drv->slots, drv->slot_limit, sizeof *s) || s->state != SLOT_POSTED ||
		    s->domain != domain || s->prev != previous)
			return false;
		if (s->ticket <= ticket || (s->type != VIOMMU_T_MAP && s->type != VIOMMU_T_UNMAP) ||
		    !record_agrees(domain, s))
			return false;
		previous = s;
		ticket = s->ticket;
		unmaps += s->type == VIOMMU_T_UNMAP;
		++*posted;
	}
	return previous == domain->newest && unmaps == domain->unmaps;
}

static bool check_members(const struct viommu_driver_domain *domain)
{
	struct viommu_i_circle circle = { 0 };

	for (const struct viommu_driver_endpoint *e = domain->endpoints; e != NULL; e = e->next) {
		if (viommu_i_circle_closes(&circle, e) || e->domain != domain || !viommu_driver_endpoint_is_valid(e))
			return false;
		if (viommu_i_regions_are_mapped(e->regions, e->region_count, &domain->map))
			return false;
	}
	return true;
}

static bool check_lost(const struct viommu_driver_domain *domain)
{
	struct viommu_i_circle circle = { 0 };

	for (const struct viommu_driver_endpoint *e = domain->lost; e != NULL; e = e->next) {
		if (viommu_i_circle_closes(&circle, e) || e->lost != domain || !viommu_driver_endpoint_is_valid(e))
			return false;
	}
	return true;
}

/* Nothing is UNCERTAIN in a domain that the device does not have. */
static bool is_certain(const struct viommu_driver_domain *domain)
{
	struct viommu_mapping m;
	uint64_t from = 0;

	if (domain->endpoints != NULL || domain->claims != 0)
		return true;
	while (viommu_map_next(&domain->map, from, &m)) {
		if ((m.flags & MAPPING_UNCERTAIN) != 0)
			return false;
		if (m.last == UINT64_MAX)
			break;
		from = m.last + 1;
	}
	return true;
}

/* *nodes and *posted grow by what the domain has. */
static bool check_domain(const struct viommu_driver_domain *domain, uint32_t *nodes, uint32_t *posted)
{
	if (!viommu_driver_domain_is_valid(domain) || !viommu_i_map_count(&domain->map, nodes))
		return false;
	return check_requests(domain, posted) && check_members(domain) && check_lost(domain) && is_certain(domain);
}

bool viommu_driver_domain_check(const struct viommu_driver_domain *domain)
{
	uint32_t nodes = 0;
	uint32_t posted = 0;

	return check_domain(domain, &nodes, &posted);
}

/* The driver */

static bool sizes_are_valid(const struct viommu_driver *drv)
{
	return viommu_virtq_size_is_valid(drv->queue_size) && drv->queue_size >= 2 &&
	       viommu_virtq_size_is_valid(drv->event_count) && drv->slot_limit <= drv->queue_size;
}

static bool layout_is_valid(const struct viommu_driver *drv)
{
	struct viommu_virtq_shadow *const *shadows = drv->shadows;

	return viommu_i_is_behind(shadows[VIOMMU_QUEUE_REQUEST], drv->slots, drv->queue_size, sizeof *drv->slots) &&
	       viommu_i_is_behind(shadows[VIOMMU_QUEUE_EVENT], shadows[VIOMMU_QUEUE_REQUEST], drv->queue_size,
				  sizeof *shadows[0]) &&
	       viommu_i_is_behind(drv->probe_copy, shadows[VIOMMU_QUEUE_EVENT], drv->event_count, sizeof *shadows[0]);
}

static bool is_slot_or_null(const struct viommu_driver *drv, const struct viommu_driver_slot *slot)
{
	return slot == NULL || viommu_i_is_element(slot, drv->slots, drv->queue_size, sizeof *slot);
}

static bool limits_are_valid(const struct viommu_driver *drv)
{
	const struct viommu_wire_config *config = &drv->config;

	if (drv->granule_bits > 63 || driver_granule(drv) < drv->granule_min || driver_granule(drv) > drv->granule_max)
		return false;
	return config->input_range.first <= config->input_range.last && config->domain_first <= config->domain_last &&
	       config->probe_size <= drv->probe_size_max;
}

static bool has_own_queues(const struct viommu_driver *drv)
{
	return drv->state == VIOMMU_DRIVER_RUNNING && drv->queues == &viommu_i_own_queues;
}

static bool queue_is_valid(const struct viommu_virtq_driver *q)
{
	return viommu_virtq_driver_is_valid(q) && !q->broken;
}

bool viommu_driver_is_valid(const struct viommu_driver *drv)
{
	if (drv->ops == NULL || !sizes_are_valid(drv) || !layout_is_valid(drv))
		return false;
	if (!viommu_map_pool_is_valid(&drv->pool) || !is_slot_or_null(drv, drv->free_slots) ||
	    !is_slot_or_null(drv, drv->probe_slot) || (drv->waiters != NULL && drv->free_slots != NULL))
		return false;
	if (drv->state == VIOMMU_DRIVER_STOPPED)
		return true; /* the rest is from an earlier life, or from a start that failed */
	if (drv->state > VIOMMU_DRIVER_FAILED || drv->queues == NULL || drv->slot_limit == 0)
		return false;
	if ((drv->features & FEATURES_NEEDED) != FEATURES_NEEDED || !limits_are_valid(drv))
		return false;
	/* That a queue is broken is noticed by whoever breaks it. */
	return !has_own_queues(drv) ||
	       (queue_is_valid(&drv->virtqs[VIOMMU_QUEUE_REQUEST]) && queue_is_valid(&drv->virtqs[VIOMMU_QUEUE_EVENT]));
}

/* Wraps: behind the last of them the address can be 2^64. */
static VIOMMU_WRAPS bool follows(const struct viommu_shared_memory *b, const struct viommu_shared_memory *a)
{
	return (uintptr_t)b->base == (uintptr_t)a->base + a->len && b->addr == a->addr + a->len;
}

static bool shared_is_valid(const struct viommu_driver *drv)
{
	return follows(&drv->rings[VIOMMU_QUEUE_EVENT], &drv->rings[VIOMMU_QUEUE_REQUEST]) &&
	       follows(&drv->slot_memory, &drv->rings[VIOMMU_QUEUE_EVENT]) &&
	       follows(&drv->event_memory, &drv->slot_memory) && follows(&drv->probe_memory, &drv->event_memory);
}

/* Slots by state. */
struct tally {
	uint32_t states[SLOT_ABANDONED + 1];
};

static bool check_slot(const struct viommu_driver *drv, const struct viommu_driver_slot *slot, struct tally *t)
{
	bool is_probe = slot->state > SLOT_HELD && slot->type == VIOMMU_T_PROBE;

	if (slot->state > SLOT_ABANDONED || slot->ticket > drv->next_ticket || is_probe != (slot == drv->probe_slot))
		return false;
	t->states[slot->state]++;
	return true;
}

static bool check_slots(const struct viommu_driver *drv, struct tally *t)
{
	const struct viommu_driver_slot *slot = drv->free_slots;

	if (drv->probe_slot != NULL && !viommu_i_is_element(drv->probe_slot, drv->slots, drv->slot_limit, sizeof *slot))
		return false;
	for (uint32_t i = 0; i < drv->slot_limit; i++) {
		if (!check_slot(drv, &drv->slots[i], t))
			return false;
	}
	for (uint32_t i = 0; i < t->states[SLOT_FREE]; i++) {
		if (!viommu_i_is_element(slot, drv->slots, drv->slot_limit, sizeof *slot) || slot->state != SLOT_FREE)
			return false;
		slot = slot->next;
	}
	return slot == NULL;
}

static bool waits_for_queue(const struct viommu_driver *drv, const struct viommu_driver_slot *slot)
{
	return viommu_i_is_element(slot, drv->slots, drv->slot_limit, sizeof *slot) && slot->state > SLOT_HELD &&
	       slot->state != SLOT_FINISHED;
}

/*
 * Each chain in the request queue is for a slot that waits for it. All of the event queue is in flight, each chain with
 * the number of its buffer, from 1 on.
 */
static bool check_tokens(const struct viommu_driver *drv)
{
	for (uint32_t i = 0; i < drv->virtqs[VIOMMU_QUEUE_REQUEST].size; i++) {
		const struct viommu_driver_slot *slot = drv->shadows[VIOMMU_QUEUE_REQUEST][i].token;

		if (slot != NULL && !waits_for_queue(drv, slot))
			return false;
	}
	for (uint32_t i = 0; i < drv->virtqs[VIOMMU_QUEUE_EVENT].size; i++) {
		if ((uintptr_t)drv->shadows[VIOMMU_QUEUE_EVENT][i].token > drv->event_count)
			return false;
	}
	return true;
}

static bool check_queues(const struct viommu_driver *drv, const struct tally *t)
{
	const struct viommu_virtq_driver *requests = &drv->virtqs[VIOMMU_QUEUE_REQUEST];
	const struct viommu_virtq_driver *events = &drv->virtqs[VIOMMU_QUEUE_EVENT];
	uint32_t busy = t->states[SLOT_POSTED] + t->states[SLOT_WAITED] + t->states[SLOT_ABANDONED];

	if (requests->size > drv->queue_size || requests->shadow != drv->shadows[VIOMMU_QUEUE_REQUEST] ||
	    !viommu_virtq_driver_check(requests) || viommu_virtq_driver_in_flight(requests) != busy)
		return false;
	if (events->size > drv->event_count || events->shadow != drv->shadows[VIOMMU_QUEUE_EVENT] ||
	    !viommu_virtq_driver_check(events) || viommu_virtq_driver_in_flight(events) != events->size)
		return false;
	return check_tokens(drv);
}

/* Ids ascend, so that the walk has an end. */
static bool check_domains(const struct viommu_driver *drv, uint32_t *nodes, uint32_t *posted)
{
	uint64_t above = 0;

	for (const struct viommu_driver_domain *d = drv->domains; d != NULL; d = d->next) {
		if (d->drv != drv || d->id < above || !check_domain(d, nodes, posted))
			return false;
		above = (uint64_t)d->id + 1;
	}
	return true;
}

bool viommu_driver_check(const struct viommu_driver *drv)
{
	struct tally t = { { 0 } };
	uint32_t nodes = 0;
	uint32_t posted = 0;

	if (!viommu_driver_is_valid(drv) || !shared_is_valid(drv))
		return false;
	/* Before the first start nothing is in the slots. */
	if (drv->state != VIOMMU_DRIVER_STOPPED && !check_slots(drv, &t))
		return false;
	if (has_own_queues(drv) && !check_queues(drv, &t))
		return false;
	if (!viommu_i_map_pool_count(&drv->pool, &nodes) || !check_domains(drv, &nodes, &posted))
		return false;
	return posted == t.states[SLOT_POSTED] && nodes == viommu_map_pool_total(&drv->pool);
}
