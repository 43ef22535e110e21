/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * grace.c: when may a request that took a translation away be answered? When every access section has ended that began
 * before, and could use it.
 *
 * The device counts revocations: its epoch. An access context has two counts of open sections, one that new sections
 * join and one that only drains. When the draining one is empty and there has been a revocation since, they swap: now
 * the sections open at this moment drain, and new ones cannot keep them waiting. `drained` is the epoch up to which
 * this context is clean.
 */
#include "core.h"

static void advance(const struct viommu_device *dev, struct viommu_access *access)
{
	if (access->open[access->current ^ 1] != 0)
		return;
	access->drained = access->flipped;
	if (access->flipped == dev->epoch)
		return;
	access->flipped = dev->epoch;
	if (access->open[access->current] == 0)
		access->drained = dev->epoch;
	else
		access->current ^= 1;
}

/* Is every context of the endpoint clean up to this epoch? */
static bool is_drained(const struct viommu_device *dev, struct viommu_endpoint *endpoint, uint64_t epoch)
{
	bool drained = true;

	for (struct viommu_access *a = endpoint->contexts; a != NULL; a = a->next) {
		advance(dev, a);
		drained = drained && a->drained >= epoch;
	}
	return drained;
}

uint64_t viommu_i_grace_begin(struct viommu_device *dev)
{
	return ++dev->epoch;
}

void viommu_i_grace_moved(struct viommu_device *dev, struct viommu_endpoint *endpoint, uint64_t epoch)
{
	endpoint->moved = epoch;
	if (!endpoint->is_moving) {
		endpoint->is_moving = true;
		endpoint->next_moving = dev->moving;
		dev->moving = endpoint;
	}
}

uint64_t viommu_i_grace_begin_endpoint(struct viommu_device *dev, struct viommu_endpoint *endpoint)
{
	uint64_t epoch = viommu_i_grace_begin(dev);

	viommu_i_grace_moved(dev, endpoint, epoch);
	return epoch;
}

/*
 * An endpoint that is on the move may have sections from any domain it has been in: whatever began before it moved has
 * to end, or at least what began before `epoch`. Those that have arrived leave the list.
 */
static bool movers_are_drained(struct viommu_device *dev, uint64_t epoch)
{
	struct viommu_endpoint **link = &dev->moving;
	bool drained = true;

	while (*link != NULL) {
		struct viommu_endpoint *e = *link;

		drained = is_drained(dev, e, e->moved < epoch ? e->moved : epoch) && drained;
		if (is_drained(dev, e, e->moved)) {
			e->is_moving = false;
			*link = e->next_moving;
		} else {
			link = &e->next_moving;
		}
	}
	return drained;
}

bool viommu_i_grace_is_over(struct viommu_device *dev, const struct viommu_request *request)
{
	const struct viommu_domain *domain = NULL;
	bool over;

	if (request->epoch == 0)
		return true;
	over = movers_are_drained(dev, request->epoch);
	if (request->in_domain)
		domain = viommu_i_domain_find(dev, request->domain);
	for (struct viommu_endpoint *e = domain != NULL ? domain->endpoints : NULL; e != NULL; e = e->next)
		over = is_drained(dev, e, request->epoch) && over;
	return over;
}

bool viommu_i_grace_is_awaited_by(const struct viommu_device *dev, struct viommu_endpoint *endpoint)
{
	return endpoint->is_moving && !is_drained(dev, endpoint, endpoint->moved);
}

bool viommu_i_grace_is_awaited(const struct viommu_device *dev)
{
	return dev->pending != NULL || dev->settle_epoch != 0 || dev->memory_epoch != 0;
}

bool viommu_device_is_settled(struct viommu_device *dev)
{
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	if (dev->settle_epoch != 0 && movers_are_drained(dev, dev->settle_epoch)) {
		dev->settle_epoch = 0;
		viommu_map_pool_retire(&dev->pool, &dev->limbo);
	}
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	return dev->settle_epoch == 0;
}

/* Memory is nobody's translation: whichever endpoint a section is of, it may have a pointer. */
static bool all_are_drained(struct viommu_device *dev, uint64_t epoch)
{
	bool drained = true;

	for (uint32_t i = 0; i < dev->endpoint_ids.count; i++)
		drained = is_drained(dev, &dev->endpoints[dev->endpoint_ids.slots[i]], epoch) && drained;
	return drained;
}

static bool is_pending_since_before(const struct viommu_device *dev, uint64_t epoch)
{
	const struct viommu_request *request = dev->pending;

	while (request != NULL && request->epoch > epoch)
		request = request->next;
	return request != NULL;
}

bool viommu_device_memory_is_settled(struct viommu_device *dev)
{
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	if (all_are_drained(dev, dev->memory_epoch) && !is_pending_since_before(dev, dev->memory_epoch))
		dev->memory_epoch = 0;
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	return dev->memory_epoch == 0;
}

void viommu_device_memory_changed(struct viommu_device *dev)
{
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	dev->memory_epoch = viommu_i_grace_begin(dev);
	(void)viommu_device_memory_is_settled(dev); /* sections that begin from now on are told apart */
}
