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

static uint64_t total_len(const struct viommu_bus_segment *segments, uint32_t count)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < count; i++)
		total += segments[i].len;
	return total;
}

static void put_descriptor(uint8_t *table, uint32_t index, struct viommu_i_desc d)
{
	uint8_t raw[VIOMMU_I_DESC_LEN];

	viommu_i_desc_encode(raw, d);
	viommu_port_copy_out(table + VIOMMU_I_DESC_LEN * index, raw, sizeof raw);
}

/* A data descriptor for segment i of `readable` + `writable`. `next` counts if it is not the last. */
static struct viommu_i_desc describe(const struct viommu_bus_segment *segments, uint32_t i, uint32_t readable,
				     uint32_t writable, uint16_t next)
{
	struct viommu_i_desc d = {
		.addr = segments[i].addr,
		.len = segments[i].len,
		.flags = i < readable ? 0 : VIOMMU_I_DESC_WRITE,
	};

	if (i + 1 < readable + writable) {
		d.flags |= VIOMMU_I_DESC_NEXT;
		d.next = next;
	}
	return d;
}

/* Fills the head's table and refers to it. Returns the next free descriptor. */
static uint16_t put_indirect(struct viommu_virtq_driver *q, const struct viommu_bus_segment *segments,
			     uint32_t readable, uint32_t writable)
{
	uint32_t head = q->free_head;
	uint32_t offset = head * VIOMMU_VIRTQ_TABLE_ENTRIES * VIOMMU_I_DESC_LEN;
	uint8_t *table = q->tables + offset;

	for (uint32_t i = 0; i < readable + writable; i++)
		put_descriptor(table, i, describe(segments, i, readable, writable, (uint16_t)(i + 1)));
	put_descriptor(q->desc, head,
		       (struct viommu_i_desc){ .addr = q->tables_addr + offset,
					       .len = VIOMMU_I_DESC_LEN * (readable + writable),
					       .flags = VIOMMU_I_DESC_INDIRECT });
	return q->shadow[head].next;
}

/* Fills one free descriptor per segment, linked as they are in the free list. Returns the next free descriptor. */
static uint16_t put_direct(struct viommu_virtq_driver *q, const struct viommu_bus_segment *segments, uint32_t readable,
			   uint32_t writable)
{
	const struct viommu_virtq_shadow *shadow = q->shadow;
	uint8_t *desc = q->desc;
	uint16_t index = q->free_head;

	for (uint32_t i = 0; i < readable + writable; i++) {
		uint16_t next = shadow[index].next;

		put_descriptor(desc, index, describe(segments, i, readable, writable, next));
		index = next;
	}
	return index;
}

enum viommu_result viommu_virtq_driver_add(struct viommu_virtq_driver *q, const struct viommu_bus_segment *segments,
					   uint32_t readable, uint32_t writable, void *token)
{
	uint16_t head = q->free_head;
	uint64_t writable_len;
	uint32_t count;
	bool indirect;

	VIOMMU_ASSERT(viommu_virtq_driver_is_valid(q));
	if (q->broken)
		return VIOMMU_E_BROKEN;
	if (token == NULL || readable > q->size || writable > q->size - readable)
		return VIOMMU_E_ARG;
	count = readable + writable;
	writable_len = total_len(segments + readable, writable);
	if (count == 0 || total_len(segments, readable) + writable_len > VIOMMU_I_CHAIN_LEN_MAX)
		return VIOMMU_E_ARG;
	indirect = q->tables != NULL && count >= 2 && count <= VIOMMU_VIRTQ_TABLE_ENTRIES;
	if (q->free_count < (indirect ? 1 : count))
		return VIOMMU_E_FULL;

	if (indirect) {
		q->free_head = put_indirect(q, segments, readable, writable);
		count = 1;
	} else {
		q->free_head = put_direct(q, segments, readable, writable);
	}
	q->free_count -= count;
	q->shadow[head].token = token;
	q->shadow[head].writable_len = writable_len > UINT32_MAX ? UINT32_MAX : (uint32_t)writable_len;
	q->shadow[head].count = (uint16_t)count;
	q->shadow[head].position = q->added;
	q->shadow[head].visible = false;
	q->shadow[q->added & (q->size - 1)].posted = head;
	viommu_port_store16(q->avail + viommu_i_avail_entry(q->size, q->added), head);
	q->added = viommu_i_index_after(q->added);
	VIOMMU_ASSERT(viommu_virtq_driver_is_valid(q));
	return VIOMMU_OK;
}

bool viommu_virtq_driver_publish(struct viommu_virtq_driver *q)
{
	uint16_t before = q->published;

	VIOMMU_ASSERT(viommu_virtq_driver_is_valid(q));
	if (q->broken || before == q->added)
		return false;
	for (; q->published != q->added; q->published = viommu_i_index_after(q->published))
		q->shadow[q->shadow[q->published & (q->size - 1)].posted].visible = true;
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

/* Gives a chain's descriptors back. */
static void release_chain(struct viommu_virtq_driver *q, uint16_t head)
{
	uint16_t tail = head;

	q->free_count += q->shadow[head].count;
	q->shadow[head].token = NULL;
	if (q->in_order)
		return; /* they are behind the last free one already */
	for (uint16_t i = 1; i < q->shadow[head].count; i++)
		tail = q->shadow[tail].next;
	q->shadow[tail].next = q->free_head;
	q->free_head = head;
}

/* The next used entry. With IN_ORDER it stands for all from the oldest chain to the one it names. */
static enum viommu_result read_entry(struct viommu_virtq_driver *q, uint32_t *id, uint32_t *len)
{
	uint16_t ready = (uint16_t)(viommu_i_index_load(q->used + VIOMMU_I_RING_INDEX, q->order_platform) - q->seen);
	const uint8_t *entry;

	if (ready == 0)
		return VIOMMU_E_EMPTY;
	if (ready > (uint16_t)(q->published - q->seen))
		return break_ring(q);
	entry = q->used + viommu_i_used_entry(q->size, q->seen);
	*id = viommu_port_load32(entry + VIOMMU_I_USED_ID);
	*len = viommu_port_load32(entry + VIOMMU_I_USED_LEN);
	if (*id >= q->size)
		return break_ring(q);
	*id = viommu_port_mask_index(*id, q->size);
	if (q->shadow[*id].token == NULL || !q->shadow[*id].visible)
		return break_ring(q);
	if (q->in_order) {
		uint16_t batch = (uint16_t)(q->shadow[*id].position - q->seen + 1);

		if (batch > ready)
			return break_ring(q);
		q->batch = batch;
		q->batch_len = *len;
	}
	return VIOMMU_OK;
}

/* The oldest chain of the batch. Only of the last one the length is known. */
static void take_from_batch(struct viommu_virtq_driver *q, uint32_t *id, uint32_t *len)
{
	*id = q->shadow[q->seen & (q->size - 1)].posted;
	q->batch--;
	*len = q->batch == 0 ? q->batch_len : q->shadow[*id].writable_len;
}

enum viommu_result viommu_virtq_driver_pop(struct viommu_virtq_driver *q, void **token, uint32_t *written)
{
	struct viommu_virtq_shadow *s;
	uint32_t id = 0, len = 0;

	VIOMMU_ASSERT(viommu_virtq_driver_is_valid(q));
	if (q->broken)
		return VIOMMU_E_BROKEN;
	if (q->batch == 0) {
		enum viommu_result r = read_entry(q, &id, &len);

		if (r != VIOMMU_OK)
			return r;
	}
	if (q->in_order)
		take_from_batch(q, &id, &len);
	s = &q->shadow[id];
	if (len > s->writable_len) {
		viommu_count(&q->clamped);
		len = s->writable_len;
	}
	*token = s->token;
	*written = len;
	release_chain(q, (uint16_t)id);
	q->seen = viommu_i_index_after(q->seen);
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
