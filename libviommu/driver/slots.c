/* SPDX-License-Identifier: BSD-3-Clause */
/* slots.c: requests in flight. A slot is private; the device sees only the 64 shared bytes that go with it. */
#include "core.h"

#include "../internal.h"

static uint32_t index_of(const struct viommu_driver *drv, const struct viommu_driver_slot *slot)
{
	return (uint32_t)(slot - drv->slots);
}

void viommu_i_slots_reset(struct viommu_driver *drv)
{
	memset(drv->slots, 0, drv->queue_size * sizeof *drv->slots);
	drv->free_slots = NULL;
	drv->probe_slot = NULL;
	for (uint32_t left = drv->slot_limit; left > 0; left--)
		viommu_i_slot_release(drv, &drv->slots[left - 1]);
}

bool viommu_i_slot_is_there(const struct viommu_driver *drv, struct viommu_driver_poster *poster)
{
	if (poster->held != NULL && (uint32_t)poster->held->ticket != poster->ticket)
		poster->held = NULL;
	return poster->held != NULL || drv->free_slots != NULL;
}

struct viommu_driver_slot *viommu_i_slot_take(struct viommu_driver *drv, struct viommu_driver_poster *poster)
{
	struct viommu_driver_slot *slot;

	if (!viommu_i_slot_is_there(drv, poster))
		return NULL;
	slot = poster->held;
	poster->held = NULL;
	if (slot == NULL) {
		slot = drv->free_slots;
		drv->free_slots = slot->next;
	}
	memset(slot, 0, sizeof *slot);
	return slot;
}

void viommu_i_slot_release(struct viommu_driver *drv, struct viommu_driver_slot *slot)
{
	struct viommu_driver_poster *first = drv->waiters;

	if (drv->probe_slot == slot)
		drv->probe_slot = NULL;
	if (first != NULL) {
		slot->state = SLOT_HELD;
		slot->ticket = ++drv->next_ticket;
		first->ticket = (uint32_t)slot->ticket;
		first->held = slot;
		drv->waiters = first->next;
		return;
	}
	slot->state = SLOT_FREE;
	slot->next = drv->free_slots;
	drv->free_slots = slot;
}

static void domain_append(struct viommu_driver_slot *slot)
{
	struct viommu_driver_domain *domain = slot->domain;

	domain->unmaps += slot->type == VIOMMU_T_UNMAP;
	if (slot->batch != NULL)
		slot->batch->pending++;
	slot->next = NULL;
	slot->prev = domain->newest;
	if (domain->newest != NULL)
		domain->newest->next = slot;
	else
		domain->oldest = slot;
	domain->newest = slot;
}

static void domain_unlink(struct viommu_driver_slot *slot)
{
	struct viommu_driver_domain *domain = slot->domain;

	domain->unmaps -= slot->type == VIOMMU_T_UNMAP;
	if (slot->batch != NULL)
		slot->batch->pending--;
	if (slot->prev != NULL)
		slot->prev->next = slot->next;
	else
		domain->oldest = slot->next;
	if (slot->next != NULL)
		slot->next->prev = slot->prev;
	else
		domain->newest = slot->prev;
}

/* Where the request, and its reply, of this slot are in shared memory. */
struct place {
	uint8_t *request;
	uint64_t request_addr;
	uint8_t *reply;
	uint64_t reply_addr;
	uint32_t tail; /* offset in the reply */
};

static struct place place_of(const struct viommu_driver *drv, const struct viommu_driver_slot *slot)
{
	size_t offset = (size_t)index_of(drv, slot) * SLOT_STRIDE;
	struct place p;

	if (slot->type == VIOMMU_T_PROBE) {
		p.request = drv->probe_memory.base;
		p.request_addr = drv->probe_memory.addr;
		p.reply = p.request + PROBE_REPLY;
		p.reply_addr = p.request_addr + PROBE_REPLY;
		p.tail = drv->config.probe_size;
	} else {
		p.request = (uint8_t *)drv->slot_memory.base + offset;
		p.request_addr = drv->slot_memory.addr + offset;
		p.reply = p.request + SLOT_TAIL;
		p.reply_addr = p.request_addr + SLOT_TAIL;
		p.tail = 0;
	}
	return p;
}

/*
 * Writes a request, and a reply that the device has not written: it must not read as an answer. Not inline, as what is
 * needed for it would lie on the stack under the queue.
 */
static VIOMMU_NOINLINE void write_request(struct viommu_driver *drv, const struct viommu_driver_slot *slot,
					  const struct viommu_wire_request *request,
					  struct viommu_bus_segment segments[2])
{
	static const uint8_t no_status[VIOMMU_WIRE_TAIL_SIZE] = { NO_STATUS, NO_STATUS, NO_STATUS, NO_STATUS };
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
	size_t len = viommu_wire_request_encode(request, bytes, sizeof bytes);
	struct place p = place_of(drv, slot);

	viommu_port_copy_out(p.request, bytes, len);
	viommu_port_copy_out(p.reply + p.tail, no_status, sizeof no_status);
	driver_clean(drv, p.request, len);
	driver_clean(drv, p.reply, p.tail + VIOMMU_WIRE_TAIL_SIZE);
	segments[0] = (struct viommu_bus_segment){ p.request_addr, (uint32_t)len };
	segments[1] = (struct viommu_bus_segment){ p.reply_addr, p.tail + VIOMMU_WIRE_TAIL_SIZE };
}

enum viommu_result viommu_i_slot_post(struct viommu_driver *drv, struct viommu_driver_slot *slot,
				      const struct viommu_wire_request *request, enum slot_state state)
{
	struct viommu_bus_segment segments[2];
	enum viommu_result result;

	slot->type = request->type;
	write_request(drv, slot, request, segments);
	result = drv->queues->add(drv->queues_ctx, VIOMMU_QUEUE_REQUEST, segments, 1, 1, slot);
	if (result != VIOMMU_OK) {
		if (result == VIOMMU_E_BROKEN)
			drv->state = VIOMMU_DRIVER_FAILED;
		viommu_i_slot_release(drv, slot);
		/* There is a descriptor for each slot: a queue behind seam B that says FULL is too small. */
		return result == VIOMMU_E_BROKEN ? result : VIOMMU_E_PORT;
	}
	slot->state = (uint8_t)state;
	slot->ticket = ++drv->next_ticket;
	if (state == SLOT_POSTED)
		domain_append(slot);
	viommu_count(&drv->stats.requests[slot->type]);
	return VIOMMU_OK;
}

enum viommu_result viommu_i_post_map(struct viommu_driver_domain *domain, struct viommu_driver_slot *slot,
				     const struct viommu_mapping *m)
{
	struct viommu_wire_request request = {
		.type = VIOMMU_T_MAP,
		.u.map = { .domain = domain->id,
			   .flags = m->flags & ~MAPPING_UNCERTAIN,
			   .virt_start = m->first,
			   .virt_end = m->last,
			   .phys_start = m->phys },
	};

	slot->domain = domain;
	slot->first = m->first;
	slot->last = m->last;
	return viommu_i_slot_post(domain->drv, slot, &request, SLOT_POSTED);
}

/* The length first, and the status only if the length says that there is one. */
static uint8_t read_status(struct viommu_driver *drv, const struct viommu_driver_slot *slot, uint32_t written)
{
	uint8_t tail[VIOMMU_WIRE_TAIL_SIZE];
	struct place p = place_of(drv, slot);

	if (written < p.tail + VIOMMU_WIRE_TAIL_SIZE)
		return NO_STATUS;
	driver_invalidate(drv, p.reply, p.tail + VIOMMU_WIRE_TAIL_SIZE);
	viommu_port_copy_in(tail, p.reply + p.tail, sizeof tail);
	return viommu_wire_tail_decode(tail);
}

/* What the device answered. With IN_ORDER the length of a skipped request is not its own: only the status tells. */
static void read_answer(struct viommu_driver *drv, struct viommu_driver_slot *slot, uint32_t written)
{
	uint8_t status = read_status(drv, slot, written);

	if (status == NO_STATUS) {
		viommu_count(&drv->stats.unanswered);
		slot->result = VIOMMU_E_PEER;
		return;
	}
	slot->status = status;
	slot->result = slot->status == VIOMMU_S_OK ? VIOMMU_OK : VIOMMU_E_REJECTED;
	viommu_count(&drv->stats.statuses[slot->status < VIOMMU_S_COUNT ? slot->status : VIOMMU_S_IOERR]);
}

static void complete(struct viommu_driver *drv, struct viommu_driver_slot *slot, uint32_t written)
{
	switch (slot->state) {
	case SLOT_POSTED:
		read_answer(drv, slot, written);
		domain_unlink(slot);
		viommu_i_record_settle(drv, slot);
		viommu_i_slot_release(drv, slot);
		break;
	case SLOT_WAITED:
		read_answer(drv, slot, written);
		slot->state = SLOT_FINISHED;
		break;
	case SLOT_ABANDONED:
		viommu_count(&drv->stats.late);
		viommu_i_slot_release(drv, slot);
		break;
	default:
		/*
		 * FREE, HELD or FINISHED. The queue gives a token back once; one behind seam B that does not is beyond
		 * trust.
		 */
		drv->state = VIOMMU_DRIVER_FAILED;
		break;
	}
}

bool viommu_i_reap(struct viommu_driver *drv)
{
	bool any = false;

	for (uint32_t i = 0; i < drv->slot_limit && drv->state == VIOMMU_DRIVER_RUNNING; i++) {
		void *token;
		uint32_t written;
		enum viommu_result result = drv->queues->pop(drv->queues_ctx, VIOMMU_QUEUE_REQUEST, &token, &written);

		if (result == VIOMMU_E_EMPTY)
			break;
		if (result != VIOMMU_OK) {
			drv->state = VIOMMU_DRIVER_FAILED;
			break;
		}
		complete(drv, token, written);
		any = true;
	}
	return any;
}

void viommu_i_slot_give_up(struct viommu_driver *drv, struct viommu_driver_slot *slot, enum viommu_result why)
{
	if (slot->state == SLOT_POSTED) {
		slot->result = why;
		domain_unlink(slot);
		viommu_i_record_settle(drv, slot);
		slot->domain = NULL;
	}
	slot->state = SLOT_ABANDONED;
}
