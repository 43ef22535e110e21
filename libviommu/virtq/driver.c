/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver.c: the driver's half of the split virtqueue.
 *
 * Descriptors and the available ring are written and never read back: a device could have scribbled over them. The free
 * list and what is posted under each head are in the private shadow. Of the shared memory only the used ring is read,
 * and what it says is looked up in the shadow.
 */
#include <viommu/virtq.h>

#include "../internal.h"
#include "layout.h"

/* Bytes of an indirect table. */
#define TABLE_LEN (VIOMMU_VIRTQ_TABLE_ENTRIES * VIOMMU_I_DESC_LEN)

enum viommu_result viommu_virtq_driver_init(struct viommu_virtq_driver *q, uint32_t size, uint64_t features,
					    const struct viommu_shared_memory *shared,
					    struct viommu_virtq_shadow *shadow, struct viommu_virtq_layout *layout)
{
	uint8_t *base = shared->base;
	uint32_t tables, avail, used; /* offsets */

	if (!viommu_virtq_size_is_valid(size) || shared->len < VIOMMU_VIRTQ_DRIVER_SHARED(size))
		return VIOMMU_E_ARG;
	if (((uintptr_t)base & (VIOMMU_VIRTQ_DESC_ALIGN - 1)) != 0 ||
	    (shared->addr & (VIOMMU_VIRTQ_DESC_ALIGN - 1)) != 0 || shared->len - 1 > UINT64_MAX - shared->addr)
		return VIOMMU_E_ARG;

	tables = VIOMMU_VIRTQ_DESC_SIZE(size);
	avail = tables + VIOMMU_VIRTQ_TABLE_ENTRIES * VIOMMU_VIRTQ_DESC_SIZE(size);
	used = VIOMMU_VIRTQ_DRIVER_USED_AT(size);
	memset(base, 0, VIOMMU_VIRTQ_DRIVER_SHARED(size));
	*q = (struct viommu_virtq_driver){
		.desc = base,
		.avail = base + avail,
		.used = base + used,
		.tables = (features & VIOMMU_F_INDIRECT_DESC) != 0 ? base + tables : NULL,
		.tables_addr = shared->addr + tables,
		.shadow = shadow,
		.size = size,
		.free_count = size,
		.event_idx = (features & VIOMMU_F_EVENT_IDX) != 0,
		.in_order = (features & VIOMMU_F_IN_ORDER) != 0,
		.order_platform = (features & VIOMMU_F_ORDER_PLATFORM) != 0,
		.notification_data = (features & VIOMMU_F_NOTIFICATION_DATA) != 0,
	};
	for (uint32_t i = 0; i < size; i++)
		shadow[i] = (struct viommu_virtq_shadow){ .next = (uint16_t)(i + 1) };
	/* Chains that are added and come back in order take descriptors round the table, for ever. */
	if (q->in_order)
		shadow[size - 1].next = 0;
	*layout = (struct viommu_virtq_layout){
		.size = size,
		.desc = shared->addr,
		.avail = shared->addr + avail,
		.used = shared->addr + used,
		.features = features,
	};
	VIOMMU_ASSERT(viommu_virtq_driver_is_valid(q));
	return VIOMMU_OK;
}

/* A chain on its way into a table of descriptors. */
struct put {
	uint8_t *table;
	const struct viommu_virtq_shadow *links; /* from each of its descriptors to the next one, if they are linked */
	uint64_t len;                            /* of all segments so far */
	uint32_t index;                          /* of the next descriptor; in the end of the last one */
};

static inline void put_descriptor(struct put *p, const struct viommu_bus_segment *segment, uint32_t flags,
				  uint32_t next)
{
	struct viommu_i_desc d = {
		.addr = segment->addr,
		.len = segment->len,
		.flags = (uint16_t)flags,
		.next = (uint16_t)next,
	};

	viommu_i_desc_store(p->table + VIOMMU_I_DESC_LEN * p->index, d);
	p->len += d.len;
}

/* Puts a whole chain of at least one segment. Returns the length of its writable part. */
static inline uint64_t put_chain(struct put *p, bool linked, const struct viommu_bus_segment *segments,
				 uint32_t readable, uint32_t writable)
{
	uint32_t last = readable + writable - 1;
	uint32_t flags = VIOMMU_I_DESC_NEXT;
	uint64_t readable_len = 0;

	for (uint32_t i = 0;; i++) {
		uint32_t next;

		if (i == readable) {
			flags |= VIOMMU_I_DESC_WRITE;
			readable_len = p->len;
		}
		if (i == last)
			break;
		next = linked ? p->links[p->index].next : p->index + 1;
		put_descriptor(p, &segments[i], flags, next);
		p->index = next;
	}
	put_descriptor(p, &segments[last], flags & ~VIOMMU_I_DESC_NEXT, 0);
	return writable != 0 ? p->len - readable_len : 0;
}

/*
 * Takes the `count` free descriptors into which a chain was put, and offers it, to be published. That it is too long
 * shows only now: nothing leads to what was put into descriptors that are still free.
 */
static inline enum viommu_result offer(struct viommu_virtq_driver *q, const struct put *p, uint64_t writable_len,
				       uint32_t count, void *token)
{
	struct viommu_virtq_shadow *shadow = q->shadow;
	uint16_t head = q->free_head;
	struct viommu_virtq_shadow *s = &shadow[head];
	uint16_t added = q->added;

	if (p->len > VIOMMU_I_CHAIN_LEN_MAX)
		return VIOMMU_E_ARG;
	s->token = token;
	s->writable_len = writable_len > UINT32_MAX ? UINT32_MAX : (uint32_t)writable_len;
	s->count = (uint16_t)count;
	s->tail = (uint16_t)p->index;
	s->position = added;
	q->free_count -= count;
	q->free_head = shadow[p->index].next;
	shadow[viommu_i_slot(q->size, added)].posted = head;
	viommu_port_store16(q->avail + viommu_i_avail_entry(q->size, added), head);
	q->added = viommu_i_index_after(added);
	VIOMMU_ASSERT(viommu_virtq_driver_is_valid(q));
	return VIOMMU_OK;
}

/* In the table of the first free descriptor, which then refers to it. */
static VIOMMU_NOINLINE enum viommu_result add_indirect(struct viommu_virtq_driver *q,
						       const struct viommu_bus_segment *segments, uint32_t readable,
						       uint32_t writable, void *token)
{
	uint32_t head = q->free_head;
	uint32_t offset = TABLE_LEN * head;
	struct put p = { .table = q->tables + offset };
	uint64_t writable_len;

	if (q->free_count == 0)
		return VIOMMU_E_FULL;
	writable_len = put_chain(&p, false, segments, readable, writable);
	viommu_i_desc_store(q->desc + VIOMMU_I_DESC_LEN * head,
			    (struct viommu_i_desc){ .addr = q->tables_addr + offset,
						    .len = VIOMMU_I_DESC_LEN * (readable + writable),
						    .flags = VIOMMU_I_DESC_INDIRECT });
	p.index = head;
	return offer(q, &p, writable_len, 1, token);
}

/* In free descriptors, one for each segment, linked as they are. */
static VIOMMU_NOINLINE enum viommu_result add_direct(struct viommu_virtq_driver *q,
						     const struct viommu_bus_segment *segments, uint32_t readable,
						     uint32_t writable, void *token)
{
	struct put p = { .table = q->desc, .links = q->shadow, .index = q->free_head };
	uint64_t writable_len;

	if (q->free_count < readable + writable)
		return VIOMMU_E_FULL;
	writable_len = put_chain(&p, true, segments, readable, writable);
	return offer(q, &p, writable_len, readable + writable, token);
}

enum viommu_result viommu_virtq_driver_add(struct viommu_virtq_driver *q, const struct viommu_bus_segment *segments,
					   uint32_t readable, uint32_t writable, void *token)
{
	uint32_t count;

	VIOMMU_ASSERT(viommu_virtq_driver_is_valid(q));
	if (q->broken)
		return VIOMMU_E_BROKEN;
	if (token == NULL || readable > q->size || writable > q->size - readable)
		return VIOMMU_E_ARG;
	count = readable + writable;
	if (count == 0)
		return VIOMMU_E_ARG;
	if (q->tables != NULL && count >= 2 && count <= VIOMMU_VIRTQ_TABLE_ENTRIES)
		return add_indirect(q, segments, readable, writable, token);
	return add_direct(q, segments, readable, writable, token);
}

bool viommu_virtq_driver_publish(struct viommu_virtq_driver *q)
{
	struct viommu_virtq_shadow *shadow = q->shadow;
	uint32_t size = q->size;
	uint16_t before = q->published;
	uint16_t added = q->added;

	VIOMMU_ASSERT(viommu_virtq_driver_is_valid(q));
	if (q->broken || before == q->added)
		return false;
	for (uint16_t i = before; i != added; i = viommu_i_index_after(i))
		shadow[shadow[viommu_i_slot(size, i)].posted].visible = true;
	q->published = added;
	VIOMMU_ASSERT(viommu_virtq_driver_is_valid(q));
	viommu_i_index_store(q->avail + VIOMMU_I_RING_INDEX, q->published, q->order_platform);
	viommu_i_full_fence(q->order_platform);
	if (q->event_idx)
		return viommu_i_event_passed(viommu_port_load16(q->used + viommu_i_avail_event(q->size)), before,
					     q->published);
	return (viommu_port_load16(q->used + VIOMMU_I_RING_FLAGS) & VIOMMU_I_RING_QUIET) == 0;
}

uint32_t viommu_virtq_driver_notification(const struct viommu_virtq_driver *q, uint16_t queue_index)
{
	VIOMMU_ASSERT(viommu_virtq_driver_is_valid(q));
	/* The low 15 bits of the index are next_off, and the one above is next_wrap. */
	return q->notification_data ? (uint32_t)q->published << 16 | queue_index : queue_index;
}

static enum viommu_result break_ring(struct viommu_virtq_driver *q)
{
	q->broken = true;
	return VIOMMU_E_BROKEN;
}

/* The next used entry, of *ready: the head it names, which the device has, and the length. */
static inline enum viommu_result read_entry(struct viommu_virtq_driver *q, uint16_t *ready, uint32_t *head,
					    uint32_t *len)
{
	uint16_t seen = q->seen;
	const uint8_t *entry;
	uint32_t id;

	*ready = (uint16_t)(viommu_i_index_load(q->used + VIOMMU_I_RING_INDEX, q->order_platform) - seen);
	if (*ready == 0)
		return VIOMMU_E_EMPTY;
	if (*ready > (uint16_t)(q->published - seen))
		return break_ring(q);
	entry = q->used + viommu_i_used_entry(q->size, seen);
	id = viommu_port_load32(entry + VIOMMU_I_USED_ID);
	*len = viommu_port_load32(entry + VIOMMU_I_USED_LEN);
	if (id >= q->size)
		return break_ring(q);
	*head = viommu_i_slot(q->size, id);
	return q->shadow[*head].visible ? VIOMMU_OK : break_ring(q);
}

/* Hands a chain back to its owner, its length cut to what was asked for. Its descriptors count as free. */
static inline void hand_back(struct viommu_virtq_driver *q, struct viommu_virtq_shadow *s, uint32_t len, void **token,
			     uint32_t *written)
{
	if (len > s->writable_len) {
		viommu_count(&q->clamped);
		len = s->writable_len;
	}
	*token = s->token;
	*written = len;
	s->token = NULL;
	s->visible = false;
	q->free_count += s->count;
	q->seen = viommu_i_index_after(q->seen);
}

/* A used entry stands for all from the oldest chain to the one it names. */
static enum viommu_result begin_batch(struct viommu_virtq_driver *q)
{
	uint16_t ready, batch;
	uint32_t head, len;
	enum viommu_result r = read_entry(q, &ready, &head, &len);

	if (r != VIOMMU_OK)
		return r;
	batch = (uint16_t)(q->shadow[head].position - q->seen + 1);
	if (batch > ready)
		return break_ring(q);
	q->batch = batch;
	q->batch_len = len;
	return VIOMMU_OK;
}

/* The oldest chain. Only of the last one of a batch the length is known. */
static VIOMMU_NOINLINE enum viommu_result pop_in_order(struct viommu_virtq_driver *q, void **token, uint32_t *written)
{
	enum viommu_result r = q->batch == 0 ? begin_batch(q) : VIOMMU_OK;
	struct viommu_virtq_shadow *s;

	if (r != VIOMMU_OK)
		return r;
	s = &q->shadow[q->shadow[viommu_i_slot(q->size, q->seen)].posted];
	q->batch--;
	/* The descriptors are behind the last free one already. */
	hand_back(q, s, q->batch == 0 ? q->batch_len : s->writable_len, token, written);
	VIOMMU_ASSERT(viommu_virtq_driver_is_valid(q));
	return VIOMMU_OK;
}

enum viommu_result viommu_virtq_driver_pop(struct viommu_virtq_driver *q, void **token, uint32_t *written)
{
	struct viommu_virtq_shadow *s;
	enum viommu_result r;
	uint32_t head, len;
	uint16_t ready;

	VIOMMU_ASSERT(viommu_virtq_driver_is_valid(q));
	if (q->broken)
		return VIOMMU_E_BROKEN;
	if (q->in_order)
		return pop_in_order(q, token, written);
	r = read_entry(q, &ready, &head, &len);
	if (r != VIOMMU_OK)
		return r;
	s = &q->shadow[head];
	hand_back(q, s, len, token, written);
	q->shadow[s->tail].next = q->free_head;
	q->free_head = (uint16_t)head;
	VIOMMU_ASSERT(viommu_virtq_driver_is_valid(q));
	return VIOMMU_OK;
}

bool viommu_virtq_driver_arm(struct viommu_virtq_driver *q)
{
	VIOMMU_ASSERT(viommu_virtq_driver_is_valid(q));
	if (q->broken)
		return false;
	if (q->event_idx) {
		viommu_port_store16(q->avail + viommu_i_used_event(q->size), q->seen);
		viommu_i_full_fence(q->order_platform);
	}
	return viommu_i_index_load(q->used + VIOMMU_I_RING_INDEX, q->order_platform) != q->seen;
}

uint32_t viommu_virtq_driver_unpublished(const struct viommu_virtq_driver *q)
{
	return (uint16_t)(q->added - q->published);
}

uint32_t viommu_virtq_driver_in_flight(const struct viommu_virtq_driver *q)
{
	return (uint16_t)(q->added - q->seen);
}

void *viommu_virtq_driver_reclaim(struct viommu_virtq_driver *q)
{
	VIOMMU_ASSERT(viommu_virtq_driver_is_valid(q));
	/* Nothing is posted or taken from here on. */
	q->broken = true;
	for (; q->reclaimed < q->size; q->reclaimed++) {
		void *token = q->shadow[q->reclaimed].token;

		if (token != NULL) {
			q->shadow[q->reclaimed].token = NULL;
			q->seen = viommu_i_index_after(q->seen);
			return token;
		}
	}
	return NULL;
}
