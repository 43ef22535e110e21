/* SPDX-License-Identifier: BSD-3-Clause */
/* sync.c: waiting: publish, kick outside the lock, and never for longer than the wait hook allows. */
#include "core.h"

#include "../internal.h"

enum viommu_result viommu_i_wait(struct viommu_driver *drv, bool (*done)(void *arg), void *arg)
{
	bool published = false;
	bool over = false;
	uint32_t attempt = 0;

	for (;;) {
		bool kick = false;
		bool ready = false;
		bool finished, dead, waits;

		driver_lock(drv);
		if (viommu_i_reap(drv))
			attempt = 0;
		finished = done(arg);
		dead = drv->state != VIOMMU_DRIVER_RUNNING;
		waits = !finished && !dead && !over;
		/* Who waits for a slot waits also for those in front, who may post and never sync. */
		if (waits && (!published || drv->waiters != NULL)) {
			kick = drv->queues->publish(drv->queues_ctx, VIOMMU_QUEUE_REQUEST);
			if (kick)
				viommu_count(&drv->stats.kicks);
			published = true;
		}
		/* From here on somebody may sleep until the device notifies. */
		if (waits)
			ready = driver_arm(drv, VIOMMU_QUEUE_REQUEST);
		driver_unlock(drv);
		if (finished)
			return VIOMMU_OK;
		if (dead)
			return VIOMMU_E_BROKEN;
		if (over)
			return VIOMMU_E_TIMEOUT;
		if (kick)
			drv->queues->kick(drv->queues_ctx, VIOMMU_QUEUE_REQUEST);
		if (ready)
			continue;
		/* What came while it gave up still counts. */
		over = drv->ops->wait(drv->ops_ctx, viommu_i_step(&attempt)) != VIOMMU_OK;
	}
}

static bool has_slot(void *arg)
{
	const struct viommu_driver_poster *poster = arg;

	return poster->held != NULL;
}

/* A point in a domain's sequence of requests. */
struct until {
	const struct viommu_driver_domain *domain;
	uint64_t ticket;
};

static bool has_passed(void *arg)
{
	const struct until *until = arg;
	const struct viommu_driver_slot *oldest = until->domain->oldest;

	return oldest == NULL || oldest->ticket > until->ticket;
}

static VIOMMU_NOINLINE struct until now(struct viommu_driver_domain *domain)
{
	struct until until = { .domain = domain };

	driver_lock(domain->drv);
	until.ticket = domain->drv->next_ticket;
	driver_unlock(domain->drv);
	return until;
}

/* What did not come in time will not be waited for again. */
static VIOMMU_NOINLINE void give_up(struct viommu_driver_domain *domain, const struct until *until,
				    enum viommu_result why)
{
	struct viommu_driver *drv = domain->drv;

	driver_lock(drv);
	if (why == VIOMMU_E_TIMEOUT)
		viommu_count(&drv->stats.timeouts);
	while (!has_passed((void *)(uintptr_t)until))
		viommu_i_slot_give_up(drv, domain->oldest, why);
	driver_unlock(drv);
}

enum viommu_result viommu_i_wait_for_domain(struct viommu_driver_domain *domain)
{
	struct until until = now(domain);
	enum viommu_result result = viommu_i_wait(domain->drv, has_passed, &until);

	if (result != VIOMMU_OK)
		give_up(domain, &until, result);
	return result;
}

static bool batch_is_done(void *arg)
{
	const struct viommu_driver_batch *batch = arg;

	return batch->pending == 0;
}

enum viommu_result viommu_i_wait_for_batch(struct viommu_driver_domain *domain, struct viommu_driver_batch *batch)
{
	struct viommu_driver *drv = domain->drv;
	enum viommu_result result = viommu_i_wait(drv, batch_is_done, batch);

	if (result != VIOMMU_OK) {
		struct viommu_driver_slot *next;

		driver_lock(drv);
		if (result == VIOMMU_E_TIMEOUT)
			viommu_count(&drv->stats.timeouts);
		for (struct viommu_driver_slot *s = domain->oldest; s != NULL; s = next) {
			next = s->next;
			if (s->batch == batch)
				viommu_i_slot_give_up(drv, s, result);
		}
		driver_unlock(drv);
	}
	/* How it went is in the batch: a request that was given up is a failed one. */
	return batch->failures > 0 ? batch->first_failure.result : VIOMMU_OK;
}

/* Where it is among those that wait, or the end. */
static struct viommu_driver_poster **link_to(struct viommu_driver *drv, const struct viommu_driver_poster *poster)
{
	struct viommu_driver_poster **link = &drv->waiters;

	while (*link != NULL && *link != poster)
		link = &(*link)->next;
	return link;
}

/* Behind all others. A slot that is free is for the first of them. */
static void begin_to_wait(struct viommu_driver *drv, struct viommu_driver_poster *poster)
{
	struct viommu_driver_slot *slot;

	driver_lock(drv);
	slot = drv->free_slots;
	poster->next = NULL;
	*link_to(drv, poster) = poster;
	if (slot != NULL) {
		drv->free_slots = slot->next;
		viommu_i_slot_release(drv, slot);
	}
	driver_unlock(drv);
}

void viommu_i_poster_leave(struct viommu_driver *drv, struct viommu_driver_poster *poster)
{
	struct viommu_driver_poster **link;

	driver_lock(drv);
	link = link_to(drv, poster);
	if (*link != NULL)
		*link = poster->next;
	if (viommu_i_slot_is_there(drv, poster) && poster->held != NULL)
		viommu_i_slot_release(drv, poster->held);
	poster->held = NULL;
	driver_unlock(drv);
}

enum viommu_result viommu_i_wait_for_slot(struct viommu_driver *drv, struct viommu_driver_poster *poster)
{
	enum viommu_result result;

	begin_to_wait(drv, poster);
	result = viommu_i_wait(drv, has_slot, poster);
	if (result != VIOMMU_OK)
		viommu_i_poster_leave(drv, poster);
	return result;
}

enum viommu_result viommu_driver_sync(struct viommu_driver_domain *domain, struct viommu_driver_failure *failure)
{
	struct viommu_driver *drv = domain->drv;
	enum viommu_result result = VIOMMU_OK;

	if (driver_state(drv) == VIOMMU_DRIVER_STOPPED)
		return VIOMMU_E_STATE;
	/* How it went is in the domain: a request that was given up is a failed one. */
	(void)viommu_i_wait_for_domain(domain);
	driver_lock(drv);
	if (domain->failures > 0) {
		result = domain->first_failure.result;
		if (failure != NULL)
			*failure = domain->first_failure;
		domain->failures = 0;
	}
	VIOMMU_ASSERT(viommu_driver_domain_is_valid(domain));
	driver_unlock(drv);
	return result;
}

static bool is_finished(void *arg)
{
	const struct viommu_driver_slot *slot = arg;

	return slot->state == SLOT_FINISHED;
}

/* Posts a request of our own, with the lock held. FULL: no slot. BUSY: another PROBE has the memory for its reply. */
static enum viommu_result try_call(struct viommu_driver *drv, const struct viommu_wire_request *request,
				   struct viommu_driver_poster *poster, struct viommu_driver_slot **out)
{
	bool is_probe = request->type == VIOMMU_T_PROBE;

	if (drv->state != VIOMMU_DRIVER_RUNNING)
		return drv->state == VIOMMU_DRIVER_FAILED ? VIOMMU_E_BROKEN : VIOMMU_E_STATE;
	if (is_probe && drv->probe_slot != NULL)
		return VIOMMU_E_BUSY;
	*out = viommu_i_slot_take(drv, poster);
	if (*out == NULL)
		return VIOMMU_E_FULL;
	if (is_probe)
		drv->probe_slot = *out; /* until it is released, at once if it cannot be posted */
	return viommu_i_slot_post(drv, *out, request, SLOT_WAITED);
}

static enum viommu_result post(struct viommu_driver *drv, const struct viommu_wire_request *request,
			       struct viommu_driver_slot **out)
{
	struct viommu_driver_poster poster = { 0 };
	enum viommu_result result;

	do {
		driver_lock(drv);
		result = try_call(drv, request, &poster, out);
		driver_unlock(drv);
	} while (result == VIOMMU_E_FULL && (result = viommu_i_wait_for_slot(drv, &poster)) == VIOMMU_OK);
	poster_finish(drv, &poster);
	return result;
}

enum viommu_result viommu_i_call(struct viommu_driver *drv, const struct viommu_wire_request *request, uint8_t *status)
{
	struct viommu_driver_slot *slot = NULL;
	enum viommu_result result = post(drv, request, &slot);

	if (result != VIOMMU_OK)
		return result;
	result = viommu_i_wait(drv, is_finished, slot);
	driver_lock(drv);
	if (slot->state == SLOT_FINISHED) {
		result = slot->result;
		*status = slot->status;
		/* A PROBE's slot stays with its poster, who still has to read the reply. */
		if (request->type != VIOMMU_T_PROBE)
			viommu_i_slot_release(drv, slot);
	} else {
		if (result == VIOMMU_E_TIMEOUT)
			viommu_count(&drv->stats.timeouts);
		viommu_i_slot_give_up(drv, slot, result);
	}
	driver_unlock(drv);
	return result;
}
