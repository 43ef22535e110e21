/* SPDX-License-Identifier: BSD-3-Clause */
/* check.c: what is always true of a device, of what it is made of, and of the pump above it. */
#include "core.h"

#include <viommu/pump.h>

#include "../internal.h"
#include "../map/check.h"
#include "../regions.h"

/* The request */

static bool limbo_is_valid(const struct viommu_map_limbo *limbo)
{
	return (limbo->first == 0) == (limbo->last == 0);
}

bool viommu_request_is_valid(const struct viommu_request *request)
{
	if (request->state > VIOMMU_REQUEST_DONE || request->tail_count > VIOMMU_REQUEST_TAIL_PIECES)
		return false;
	if (request->state == VIOMMU_REQUEST_PENDING)
		return request->epoch != 0 && (request->tail_count != 0 || request->written == 0) &&
		       limbo_is_valid(&request->limbo);
	return request->limbo.first == 0 && request->limbo.last == 0;
}

bool viommu_request_check(const struct viommu_request *request)
{
	size_t left = VIOMMU_WIRE_TAIL_SIZE;

	if (!viommu_request_is_valid(request))
		return false;
	for (uint32_t i = 0; i < request->tail_count; i++) {
		if (request->tail[i].len == 0 || request->tail[i].len > left)
			return false;
		left -= request->tail[i].len;
	}
	return request->tail_count == 0 || left == 0;
}

/* The access context */

bool viommu_access_is_valid(const struct viommu_access *access)
{
	if (access->dev == NULL || access->endpoint == NULL || access->current > 1)
		return false;
	/* What is open is not judged: a section that is late is in the draining count, with nothing to wait for. */
	if (access->drained > access->flipped || access->flipped > access->dev->epoch)
		return false;
	return viommu_i_steps(access->fault_tail, viommu_port_get32(&access->fault_head)) <= VIOMMU_ACCESS_FAULTS;
}

/* Open, since nothing is being taken away, and ahead of what was never kept. */
static bool cache_is_valid(const struct viommu_access_cache *cache)
{
	for (uint32_t i = 0; i < VIOMMU_ACCESS_CACHE_SLOTS; i++) {
		if (cache->slots[i].generation == 0 || cache->slots[i].generation % 2 != 0)
			return false;
	}
	return true;
}

bool viommu_access_check(const struct viommu_access *access)
{
	const struct viommu_access *a;

	if (!viommu_access_is_valid(access) ||
	    !viommu_i_is_element(access->endpoint, access->dev->endpoints, access->dev->max_endpoints,
				 sizeof *access->endpoint) ||
	    !viommu_endpoint_check(access->endpoint) || (access->cache != NULL && !cache_is_valid(access->cache)))
		return false;
	a = access->endpoint->contexts;
	while (a != NULL && a != access)
		a = a->next;
	return a == access;
}

/* The endpoint */

bool viommu_endpoint_is_valid(const struct viommu_endpoint *endpoint)
{
	if (endpoint->region_count != 0 && endpoint->regions == NULL)
		return false;
	if (endpoint->domain == NULL && endpoint->next != NULL)
		return false;
	if (endpoint->is_removed ? endpoint->domain != NULL : endpoint->limbo.first != 0)
		return false;
	if (endpoint->is_removed && endpoint->backend != NULL)
		return false;
	return endpoint->is_moving ? endpoint->moved != 0 : endpoint->left == NULL;
}

static bool contexts_are_valid(const struct viommu_endpoint *endpoint, const struct viommu_device *dev)
{
	struct viommu_i_circle circle = { 0 };

	for (const struct viommu_access *a = endpoint->contexts; a != NULL; a = a->next) {
		if (viommu_i_circle_closes(&circle, a) || a->endpoint != endpoint || a->dev != dev ||
		    !viommu_access_is_valid(a))
			return false;
	}
	return true;
}

bool viommu_endpoint_check(const struct viommu_endpoint *endpoint)
{
	const struct viommu_access *first = endpoint->contexts;

	if (!viommu_endpoint_is_valid(endpoint) ||
	    !viommu_i_regions_are_valid(endpoint->regions, endpoint->region_count))
		return false;
	return contexts_are_valid(endpoint, first != NULL ? first->dev : NULL);
}

/* The device */

static bool layout_is_valid(const struct viommu_device *dev)
{
	const struct viommu_id_table *d = &dev->domain_ids;
	const struct viommu_id_table *e = &dev->endpoint_ids;

	if (!viommu_i_is_behind(dev->endpoints, dev->domains, viommu_i_domain_slots(dev), sizeof *dev->domains) ||
	    !viommu_i_is_behind(d->ids, dev->endpoints, dev->max_endpoints, sizeof *dev->endpoints))
		return false;
	if (d->capacity != viommu_i_domain_slots(dev) || e->capacity != dev->max_endpoints)
		return false;
	return viommu_i_is_behind(d->slots, d->ids, d->capacity, sizeof *d->ids) &&
	       viommu_i_is_behind(e->ids, d->slots, d->capacity, sizeof *d->slots) &&
	       viommu_i_is_behind(e->slots, e->ids, e->capacity, sizeof *e->ids);
}

static bool features_are_valid(const struct viommu_device *dev)
{
	uint8_t bypass_max = (dev->features & VIOMMU_F_BYPASS_CONFIG) != 0 ? 1 : 0;

	return (dev->features & ~VIOMMU_DEVICE_FEATURES) == 0 && (dev->negotiated & ~dev->features) == 0 &&
	       dev->config.bypass <= bypass_max && dev->initial_bypass <= 1;
}

static bool config_is_valid(const struct viommu_device *dev)
{
	const struct viommu_wire_config *config = &dev->config;

	return dev->granule_bits >= 8 && dev->granule_bits == viommu_port_ctz64(config->page_size_mask) &&
	       config->input_range.first <= config->input_range.last && config->domain_first <= config->domain_last;
}

static bool counts_are_valid(const struct viommu_device *dev)
{
	return dev->endpoint_ids.count <= dev->max_endpoints &&
	       dev->removed_count <= dev->max_endpoints - dev->endpoint_ids.count &&
	       dev->backends <= dev->endpoint_ids.count &&
	       dev->domain_ids.count <= dev->max_domains && dev->pending_count <= dev->max_pending &&
	       dev->fault_turn <= dev->endpoint_ids.count;
}

static bool lists_are_valid(const struct viommu_device *dev)
{
	return (dev->pending_count == 0) == (dev->pending == NULL) &&
	       (dev->pending_count == 0) == (dev->pending_end == &dev->pending) &&
	       (dev->done == NULL) == (dev->done_end == &dev->done);
}

bool viommu_device_is_valid(const struct viommu_device *dev)
{
	if (!layout_is_valid(dev) || !counts_are_valid(dev) || !lists_are_valid(dev))
		return false;
	if (!features_are_valid(dev) || !config_is_valid(dev) || !viommu_map_pool_is_valid(&dev->pool))
		return false;
	if (!dev->everything.bypass)
		return false;
	if (dev->settle_epoch == 0 && dev->is_resetting)
		return false;
	/* What a reset cut out waits for as long as the reset does. */
	return dev->settle_epoch <= dev->epoch && dev->memory_epoch <= dev->epoch &&
	       dev->movers_drained <= dev->dead_drained && dev->dead_drained <= dev->epoch &&
	       limbo_is_valid(&dev->limbo) && (dev->settle_epoch != 0 || dev->limbo.first == 0);
}

/* Ids ascend. Each slot is there once: together the numbers are those from 0 on, and ids in use are never the same. */
static bool ids_are_valid(const struct viommu_id_table *table)
{
	uint64_t slots = 0, numbers = 0; /* sums, which do not wrap */

	for (uint32_t i = 0; i < table->capacity; i++) {
		if (table->slots[i] >= table->capacity)
			return false;
		if (i > 0 && i < table->count && table->ids[i - 1] >= table->ids[i])
			return false;
		slots += table->slots[i];
		numbers += i;
	}
	return slots == numbers;
}

/* What was found in the endpoints, and has to be found again in lists; and nodes found in maps and limbos. */
struct tally {
	uint32_t members;
	uint32_t movers;
	uint32_t nodes;
	uint32_t backends;
};

/* What an endpoint has left, or a request waits for: a slot, several, or none. */
static bool is_domain(const struct viommu_device *dev, const struct viommu_domain *domain)
{
	return domain == NULL || domain == &dev->everything ||
	       viommu_i_is_element(domain, dev->domains, viommu_i_domain_slots(dev), sizeof *domain);
}

static bool check_endpoints(const struct viommu_device *dev, struct tally *t)
{
	for (uint32_t i = 0; i < viommu_i_endpoint_count(dev); i++) {
		const struct viommu_endpoint *e = viommu_i_endpoint_at(dev, i);

		if (e->is_removed != (i >= dev->endpoint_ids.count) ||
		    (!e->is_removed && e->id != dev->endpoint_ids.ids[i]))
			return false;
		if (e->moved > dev->epoch || !viommu_endpoint_check(e) || !is_domain(dev, e->removed_from) ||
		    !viommu_i_map_limbo_count(&dev->pool, &e->limbo, &t->nodes))
			return false;
		if (e->contexts != NULL && e->contexts->dev != dev)
			return false;
		if (e->view != viommu_i_endpoint_view(dev, e) || !is_domain(dev, e->left))
			return false;
		t->members += e->domain != NULL;
		t->movers += e->is_moving;
		t->backends += e->backend != NULL;
	}
	return t->backends == dev->backends;
}

static bool is_endpoint(const struct viommu_device *dev, const struct viommu_endpoint *endpoint)
{
	return viommu_i_is_element(endpoint, dev->endpoints, dev->max_endpoints, sizeof *endpoint);
}

static bool check_moving(const struct viommu_device *dev, struct tally *t)
{
	for (const struct viommu_endpoint *e = dev->moving; e != NULL; e = e->next_moving) {
		if (t->movers == 0 || !is_endpoint(dev, e) || !e->is_moving)
			return false;
		t->movers--;
	}
	return t->movers == 0;
}

static bool limits_are_equal(struct viommu_limits a, struct viommu_limits b)
{
	return a.below == b.below && a.range.first == b.range.first && a.range.last == b.range.last;
}

/* What a MAP was allowed, or an ATTACH was, all members can do. */
static bool mappings_are_possible(const struct viommu_domain *domain)
{
	struct viommu_mapping m;
	viommu_iova from = 0;

	while (viommu_map_next(&domain->map, from, &m)) {
		if (!viommu_i_limits_allow(&domain->limits, (struct viommu_range){ m.first, m.last }, m.phys))
			return false;
		if (m.last == UINT64_MAX)
			break;
		from = m.last + 1;
	}
	return true;
}

static bool check_domain(const struct viommu_device *dev, const struct viommu_domain *domain, struct tally *t)
{
	if (domain->map.pool != &dev->pool || domain->map.granule_bits != dev->granule_bits ||
	    !viommu_i_map_count(&domain->map, &t->nodes))
		return false;
	if (domain->endpoints == NULL || (domain->bypass && !viommu_map_is_empty(&domain->map)))
		return false;
	if (domain->left_at < domain->died || domain->left_at > dev->epoch)
		return false;
	for (const struct viommu_endpoint *e = domain->endpoints; e != NULL; e = e->next) {
		if (t->members == 0 || !is_endpoint(dev, e) || e->domain != domain)
			return false;
		if (viommu_i_regions_are_mapped(e->regions, e->region_count, &domain->map))
			return false;
		t->members--;
	}
	return limits_are_equal(domain->limits, viommu_i_domain_limits(dev, domain)) && mappings_are_possible(domain);
}

static bool check_domains(const struct viommu_device *dev, struct tally *t)
{
	for (uint32_t i = 0; i < dev->domain_ids.count; i++) {
		const struct viommu_domain *domain = &dev->domains[dev->domain_ids.slots[i]];

		if (domain->id != dev->domain_ids.ids[i] || !check_domain(dev, domain, t))
			return false;
	}
	return t->members == 0;
}

/* Domains that died, the first to die first. */
static bool check_dead(const struct viommu_device *dev)
{
	uint64_t died = 0;

	for (uint32_t i = dev->domain_ids.count; i < dev->domain_ids.capacity; i++) {
		const struct viommu_domain *domain = &dev->domains[dev->domain_ids.slots[i]];

		if (domain->died < died || domain->left_at != domain->died)
			return false;
		died = domain->died;
	}
	return died <= dev->epoch;
}

static bool check_pending(const struct viommu_device *dev, struct tally *t)
{
	struct viommu_request *const *link = &dev->pending;

	for (uint32_t i = 0; i < dev->pending_count; i++) {
		const struct viommu_request *r = *link;

		if (r == NULL || r->state != VIOMMU_REQUEST_PENDING || !viommu_request_check(r))
			return false;
		if ((r->endpoint != NULL && !is_endpoint(dev, r->endpoint)) || !is_domain(dev, r->domain))
			return false;
		if (r->epoch > dev->epoch || !viommu_i_map_limbo_count(&dev->pool, &r->limbo, &t->nodes))
			return false;
		link = &r->next;
	}
	return *link == NULL && dev->pending_end == link;
}

/* Only what a reset cancelled is here: all others are done when next_done finds them. */
static bool check_done(const struct viommu_device *dev)
{
	struct viommu_i_circle circle = { 0 };
	struct viommu_request *const *link = &dev->done;

	for (; *link != NULL; link = &(*link)->next) {
		const struct viommu_request *r = *link;

		if (viommu_i_circle_closes(&circle, r) || !viommu_request_check(r))
			return false;
		if (r->state != VIOMMU_REQUEST_PENDING || r->written != 0 || r->limbo.first != 0)
			return false;
	}
	return dev->done_end == link;
}

bool viommu_device_check(const struct viommu_device *dev)
{
	struct tally t = { 0 };

	if (!viommu_device_is_valid(dev) || !ids_are_valid(&dev->endpoint_ids) || !ids_are_valid(&dev->domain_ids))
		return false;
	if (!viommu_i_map_pool_count(&dev->pool, &t.nodes) || !check_endpoints(dev, &t) || !check_moving(dev, &t) ||
	    !check_domains(dev, &t) || !check_dead(dev))
		return false;
	if (!check_pending(dev, &t) || !check_done(dev))
		return false;
	return viommu_i_map_limbo_count(&dev->pool, &dev->limbo, &t.nodes) &&
	       t.nodes == viommu_map_pool_total(&dev->pool);
}

/* The pump */

bool viommu_pump_is_valid(const struct viommu_pump *pump)
{
	const struct viommu_registers *regs = &pump->registers;

	if (!viommu_registers_is_valid(regs) || regs->queues != pump->queues ||
	    regs->queue_count != VIOMMU_QUEUE_COUNT || regs->class_ctx != pump)
		return false;
	if (pump->device == NULL || !viommu_device_is_valid(pump->device))
		return false;
	return pump->slot_count == pump->device->max_pending && pump->segment_count != 0 &&
	       viommu_i_is_behind(pump->segments, pump->slots, pump->slot_count, sizeof *pump->slots);
}

/* Chains that were taken and not answered, as far as the ring knows. */
static uint32_t unanswered(const struct viommu_virtq_device *q)
{
	return q->state == VIOMMU_VIRTQ_OFF ? 0 : (uint16_t)(q->popped - q->pushed);
}

/* Can there be `count` requests of this queue that wait? */
static bool is_unanswered(const struct viommu_virtq_device *q, uint32_t count)
{
	uint32_t taken = unanswered(q);

	if (q->state != VIOMMU_VIRTQ_BROKEN)
		return count == taken;
	/* Answers do not get into the ring any more, and it has forgotten all if its memory is gone. */
	return count <= taken || taken == 0;
}

/* An event buffer is given back at once. If that is what broke the ring, it was the last one. */
static bool no_event_is_kept(const struct viommu_virtq_device *q)
{
	return unanswered(q) <= (q->state == VIOMMU_VIRTQ_BROKEN ? 1u : 0u);
}

/* With the device, or held back until it is its turn. */
static bool is_in_use(const struct viommu_pump_slot *slot)
{
	return slot->request.state == VIOMMU_REQUEST_PENDING || slot->held;
}

/* What the slots amount to. */
struct slots {
	uint32_t in_use;
	uint32_t held;
	uint32_t orphans;
};

/* Two requests may well have the same head: that is up to the driver. */
static bool count_slots(const struct viommu_pump *pump, struct slots *s)
{
	const struct viommu_virtq_device *q = &pump->queues[VIOMMU_QUEUE_REQUEST];

	*s = (struct slots){ 0 };
	for (uint32_t i = 0; i < pump->slot_count; i++) {
		const struct viommu_pump_slot *slot = &pump->slots[i];

		/* With the device, held back, or neither. */
		if (slot->held && slot->request.state == VIOMMU_REQUEST_PENDING)
			return false;
		if (slot->is_orphan && slot->request.state != VIOMMU_REQUEST_PENDING)
			return false;
		s->in_use += is_in_use(slot);
		s->held += slot->held;
		s->orphans += slot->is_orphan;
		if (is_in_use(slot) && !slot->is_orphan && slot->head >= q->size)
			return false;
	}
	return is_unanswered(q, s->in_use - s->orphans);
}

static bool check_free_slots(const struct viommu_pump *pump, uint32_t count)
{
	const struct viommu_pump_slot *slot = pump->free_slots;

	for (uint32_t i = 0; i < count; i++) {
		if (!viommu_i_is_element(slot, pump->slots, pump->slot_count, sizeof *slot) || is_in_use(slot))
			return false;
		slot = slot->request.user;
	}
	return slot == NULL;
}

/*
 * With IN_ORDER all that are in use, and still have a queue, are in a list. The first of them is not done: it would
 * have been answered.
 */
static bool check_order(const struct viommu_pump *pump, const struct slots *s)
{
	const struct viommu_pump_slot *slot = pump->oldest;
	const struct viommu_pump_slot *last = pump->newest;

	if ((pump->registers.features & VIOMMU_F_IN_ORDER) == 0 ||
	    pump->queues[VIOMMU_QUEUE_REQUEST].state == VIOMMU_VIRTQ_OFF)
		return slot == NULL && s->held == 0;
	if (slot != NULL && slot->held)
		return false;
	for (uint32_t i = s->orphans; i < s->in_use; i++) {
		if (!viommu_i_is_element(slot, pump->slots, pump->slot_count, sizeof *slot) || !is_in_use(slot) ||
		    slot->is_orphan)
			return false;
		last = slot;
		slot = slot->next;
	}
	return slot == NULL && last == pump->newest;
}

/* Nobody but the pump uses the device's seam A. */
static uint32_t count_requests(const struct viommu_device *dev)
{
	uint32_t count = dev->pending_count;

	for (const struct viommu_request *r = dev->done; r != NULL; r = r->next)
		count++;
	return count;
}

bool viommu_pump_check(const struct viommu_pump *pump)
{
	struct slots s;

	if (!viommu_pump_is_valid(pump) || !viommu_registers_check(&pump->registers) ||
	    !viommu_device_check(pump->device))
		return false;
	if (!count_slots(pump, &s) || !check_free_slots(pump, pump->slot_count - s.in_use) || !check_order(pump, &s))
		return false;
	return s.in_use - s.held == count_requests(pump->device) && no_event_is_kept(&pump->queues[VIOMMU_QUEUE_EVENT]);
}
