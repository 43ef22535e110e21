/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * grace.c: when may a request that took a translation away be answered? When every access section has ended that began
 * before, and could use it.
 *
 * The device counts revocations: its epoch. An access context has two counts of open sections, one that new sections
 * join and one that only drains. When the draining one is empty and there has been a revocation since, they swap: now
 * the sections open at this moment drain, and new ones cannot keep them waiting. `drained` is the epoch up to which
 * this context is clean: no section is open that could use what was taken away up to then.
 *
 * Data threads take no lock:
 *
 *     data thread                              owner
 *     -----------                              -----
 *     current --> c                            take away: map entries, endpoint->view
 *     open[c] += 1, full fence    (enter32)    full fence, epoch += 1            (grace_begin)
 *     view, map entries --> use                ... any number of times: open[!current] --> is it 0?
 *     open[c] -= 1                (leave32)    then: drained = flipped, flipped = epoch, current = !current
 *
 * Why that is enough. Let A be anything the owner took away, F its fence behind that, and R a read of a count, anywhere
 * behind F, that found it 0. Let S be a section in this count.
 *
 *   1. S ended before R: then all it did happened before R, since each leave32 is a release and R is an acquire, and
 *      nothing comes in between but other steps on the same count.
 *   2. S had not joined when R was read. Then the fence of S comes behind F: if it came before, R would have seen S.
 *      So S does not see what A took away, however long ago it looked at `current`. It is late, but it does no harm.
 *
 * There is no third case. It follows, whatever a data thread takes for `current`, and however late:
 *
 *   - When the draining count is found empty, all the sections in it that could use something from before its swap are
 *     over: `drained` may be set to `flipped`.
 *   - When it then becomes the current one, everything that will be in it comes after the fence of the last revocation:
 *     its sections can use nothing that was taken away up to `flipped`, which is the epoch of now.
 *
 * A change of guest memory is a revocation, too, and so is whatever else comes before grace_begin.
 *
 * Whose contexts a request has to see clean. What was in a domain can be used by sections that began while their
 * endpoint was in it. So an UNMAP waits for the endpoints that are in the domain, and for those that have left it, until
 * they arrive: until no section is open from before they moved. ATTACH and DETACH wait for their own endpoint and, since
 * they may have been the end of a domain, for others that have left the same one. Nobody waits for an endpoint that was
 * elsewhere, however long a section of it lasts.
 *
 *   - An endpoint on the move remembers which domain it left: its slot. One that leaves a second domain before it has
 *     arrived may have sections of both, and only says "several": that may be any domain, but nothing that began after
 *     the last endpoint left the domain in question. Without a domain there is nothing to remember: under bypass no
 *     domain is seen.
 *   - A slot means the same domain for as long as that matters. It is used again when all endpoints that were on the move
 *     are clean up to the death of the old domain: then no section is open that has seen that one, and whatever waits
 *     for them has got all it needs. Who still remembers the slot takes the new domain for the old one, and at worst
 *     waits for more than it has to.
 *
 * Who waits sets OPEN_AWAITED in the count, and whoever takes the last section out of it finds the bit in the very step
 * that does so: it calls work_pending. No wake-up can get lost between two steps, since there is one.
 *
 * proofs/spin/sections.pml has all of this as a model, which fails without each of the two fences, with an end that is
 * no release, and with a bit that is set in a step of its own.
 */
#include "core.h"

/*
 * Is the draining count empty? If it is not, the end of the last section in it will tell. A count is left without the
 * bit when it is found empty: it may be the current one again.
 */
static bool has_drained(struct viommu_access *access)
{
	uint32_t *open = &access->open[access->current ^ 1];

	if (viommu_port_get32(open) == 0)
		return true;
	if (viommu_port_mark32(open, OPEN_AWAITED) >= OPEN_SECTION)
		return false;
	(void)viommu_port_leave32(open, OPEN_AWAITED);
	return true;
}

/* Up to which epoch are all contexts of the endpoint clean? Looks no further than `epoch`. Two swaps at most. */
static uint64_t drain(const struct viommu_device *dev, struct viommu_endpoint *endpoint, uint64_t epoch)
{
	uint64_t drained = UINT64_MAX;

	for (struct viommu_access *a = endpoint->contexts; a != NULL; a = a->next) {
		while (a->drained < epoch && has_drained(a)) {
			a->drained = a->flipped;
			if (a->drained >= epoch)
				break;
			a->flipped = dev->epoch;
			viommu_port_set32(&a->current, a->current ^ 1);
		}
		if (a->drained < drained)
			drained = a->drained;
	}
	return drained;
}

static bool is_drained(const struct viommu_device *dev, struct viommu_endpoint *endpoint, uint64_t epoch)
{
	return drain(dev, endpoint, epoch) >= epoch;
}

void viommu_i_grace_moves(struct viommu_device *dev, struct viommu_endpoint *endpoint)
{
	struct viommu_domain *domain = endpoint->domain;

	endpoint->moved = dev->epoch + 1;
	if (domain != NULL) {
		domain->left_at = endpoint->moved;
		endpoint->left = endpoint->left == NULL || endpoint->left == domain ? domain : &dev->everything;
	}
	if (!endpoint->is_moving) {
		endpoint->is_moving = true;
		endpoint->next_moving = dev->moving;
		dev->moving = endpoint;
	}
}

uint64_t viommu_i_grace_begin(struct viommu_device *dev)
{
	viommu_port_own_fence();
	return ++dev->epoch;
}

/*
 * An endpoint that is on the move may have sections from where it was: whatever began before it moved has to end, or at
 * least what began before the epoch in question. Those that have arrived leave the list.
 *
 * A reset waits for all that move, and so does the slot of a domain that died, but for none that begin to move later:
 * what is true of it once stays true.
 */
void viommu_i_grace_advance(struct viommu_device *dev)
{
	struct viommu_endpoint **link = &dev->moving;
	uint64_t drained = dev->epoch;

	while (*link != NULL) {
		struct viommu_endpoint *e = *link;
		uint64_t clean = drain(dev, e, e->moved);

		if (clean >= e->moved) {
			e->is_moving = false;
			e->left = NULL;
			*link = e->next_moving;
		} else {
			if (clean < drained)
				drained = clean;
			link = &e->next_moving;
		}
	}
	dev->movers_drained = drained;
	if (drained > dev->dead_drained)
		dev->dead_drained = drained;
}

/*
 * Those that are in the domain, if they did not move there later. One that died since then has none, whoever has its
 * slot now.
 */
static bool members_are_drained(const struct viommu_device *dev, const struct viommu_domain *domain, uint64_t epoch)
{
	bool drained = true;

	if (domain->died >= epoch)
		return true;
	for (struct viommu_endpoint *e = domain->endpoints; e != NULL; e = e->next)
		drained = (e->moved > epoch || is_drained(dev, e, epoch)) && drained;
	return drained;
}

/* Those that were in the domain and are on the move: what they began there, they began before the last one left. */
static bool leavers_are_drained(const struct viommu_device *dev, const struct viommu_domain *domain, uint64_t epoch)
{
	bool drained = true;

	if (domain->left_at < epoch)
		epoch = domain->left_at;
	for (struct viommu_endpoint *e = dev->moving; e != NULL; e = e->next_moving) {
		if (e->left == domain || e->left == &dev->everything)
			drained = is_drained(dev, e, epoch) && drained;
	}
	return drained;
}

bool viommu_i_grace_is_over(const struct viommu_device *dev, struct viommu_endpoint *endpoint,
			    const struct viommu_domain *domain, uint64_t epoch)
{
	bool over = true;

	if (endpoint != NULL)
		over = is_drained(dev, endpoint, epoch);
	else if (domain != NULL)
		over = members_are_drained(dev, domain, epoch);
	if (domain != NULL)
		over = leavers_are_drained(dev, domain, epoch) && over;
	return over;
}

bool viommu_device_is_settled(struct viommu_device *dev)
{
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	viommu_i_grace_advance(dev);
	if (dev->settle_epoch != 0 && dev->settle_epoch <= dev->movers_drained) {
		dev->settle_epoch = 0;
		/* What old sections have raised by now, too, is not the next driver's. */
		if (dev->is_resetting)
			viommu_i_fault_forget(dev);
		dev->is_resetting = false;
		viommu_map_pool_retire(&dev->pool, &dev->limbo);
	}
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	return dev->settle_epoch == 0;
}

/* Since when: what drains began before its count did, at `flipped`. How clean a context is only says who asked last. */
struct viommu_access *viommu_device_get_blocker(const struct viommu_device *dev, uint64_t *since)
{
	struct viommu_access *oldest = NULL;

	for (uint32_t i = 0; i < viommu_i_endpoint_count(dev); i++) {
		for (struct viommu_access *a = viommu_i_endpoint_at(dev, i)->contexts; a != NULL; a = a->next) {
			uint32_t open = viommu_port_get32(&a->open[a->current ^ 1]);

			/* Without the bit it is one that is late, and does no harm; with nothing else there is none. */
			if ((open & OPEN_AWAITED) != 0 && open != OPEN_AWAITED &&
			    (oldest == NULL || a->flipped < oldest->flipped))
				oldest = a;
		}
	}
	if (oldest != NULL)
		*since = oldest->flipped;
	return oldest;
}

/* Memory is nobody's translation: whichever endpoint a section is of, it may have a pointer. */
static bool all_are_drained(struct viommu_device *dev, uint64_t epoch)
{
	bool drained = true;

	for (uint32_t i = 0; i < viommu_i_endpoint_count(dev); i++)
		drained = is_drained(dev, viommu_i_endpoint_at(dev, i), epoch) && drained;
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
