/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * device.c: the device's half of the split virtqueue.
 *
 * A pop reads, each once: the available index, the head, and each descriptor as a whole. What is judged is the private
 * copy: a driver that changes the ring gets one of its own versions, never a mixture of checked and unchecked.
 */
#include <viommu/virtq.h>

#include "copied.h"
#include "layout.h"
#include "memory.h"

/* Where the walk along a chain stands. */
struct walk {
	const uint8_t *table; /* of descriptors; NULL: it is not in one piece in the host */
	viommu_gpa table_gpa;
	uint32_t entries; /* in the table */
	uint32_t index;   /* of the next descriptor: below entries */
	uint32_t data;    /* data descriptors so far */
	bool in_indirect;
	bool in_writable;
};

enum step {
	STEP_NEXT,
	STEP_END,
	STEP_MALFORMED
};

void viommu_virtq_device_init(struct viommu_virtq_device *q, const struct viommu_memory *memory)
{
	*q = (struct viommu_virtq_device){ .memory = *memory, .state = VIOMMU_VIRTQ_OFF };
}

void viommu_virtq_device_reset(struct viommu_virtq_device *q)
{
	q->state = VIOMMU_VIRTQ_OFF;
	q->reset = VIOMMU_VIRTQ_RESET_NONE;
}

enum viommu_virtq_state viommu_virtq_device_state(const struct viommu_virtq_device *q)
{
	return (enum viommu_virtq_state)q->state;
}

/* Does an area lie where it may? */
static bool area_is_valid(viommu_gpa gpa, uint32_t len, uint32_t align)
{
	return (gpa & (align - 1)) == 0 && len - 1 <= UINT64_MAX - gpa;
}

static bool layout_is_valid(const struct viommu_virtq_layout *layout)
{
	uint32_t size = layout->size;

	return viommu_virtq_size_is_valid(size) &&
	       area_is_valid(layout->desc, VIOMMU_VIRTQ_DESC_SIZE(size), VIOMMU_VIRTQ_DESC_ALIGN) &&
	       area_is_valid(layout->avail, VIOMMU_VIRTQ_AVAIL_SIZE(size), VIOMMU_VIRTQ_AVAIL_ALIGN) &&
	       area_is_valid(layout->used, VIOMMU_VIRTQ_USED_SIZE(size), VIOMMU_VIRTQ_USED_ALIGN);
}

/* The host address of an area, or NULL where there is none that is good for the accessors, which need the alignment. */
static void *find_area(const struct viommu_virtq_device *q, viommu_gpa gpa, uint32_t len, uint32_t align, uint32_t kind)
{
	void *host = viommu_memory_pointer(&q->memory, gpa, len, kind);

	return ((uintptr_t)host & (align - 1)) == 0 ? host : NULL;
}

/* Finds the ring in the host. False: it is not there in one piece each, and the seam has no other way to reach it. */
static bool find_ring(struct viommu_virtq_device *q)
{
	/* Descriptors are copied: any alignment will do. */
	q->desc = find_area(q, q->desc_gpa, VIOMMU_VIRTQ_DESC_SIZE(q->size), 1, VIOMMU_ACCESS_READ);
	q->avail = find_area(q, q->avail_gpa, VIOMMU_VIRTQ_AVAIL_SIZE(q->size), VIOMMU_VIRTQ_AVAIL_ALIGN,
			     VIOMMU_ACCESS_READ);
	q->used = find_area(q, q->used_gpa, VIOMMU_VIRTQ_USED_SIZE(q->size), VIOMMU_VIRTQ_USED_ALIGN,
			    VIOMMU_ACCESS_WRITE);
	if (q->desc != NULL && q->avail != NULL && q->used != NULL)
		return true;
	q->desc = NULL;
	q->avail = NULL;
	q->used = NULL;
	return q->memory.ops->read != NULL;
}

enum viommu_result viommu_virtq_device_enable(struct viommu_virtq_device *q, const struct viommu_virtq_layout *layout)
{
	q->state = VIOMMU_VIRTQ_OFF;
	if (!layout_is_valid(layout))
		return VIOMMU_E_PEER;
	q->desc_gpa = layout->desc;
	q->avail_gpa = layout->avail;
	q->used_gpa = layout->used;
	q->size = layout->size;
	if (!find_ring(q))
		return VIOMMU_E_PEER;
	q->popped = 0;
	q->pushed = 0;
	q->published = 0;
	q->indirect = (layout->features & VIOMMU_F_INDIRECT_DESC) != 0;
	q->event_idx = (layout->features & VIOMMU_F_EVENT_IDX) != 0;
	q->order_platform = (layout->features & VIOMMU_F_ORDER_PLATFORM) != 0;
	q->state = VIOMMU_VIRTQ_READY;
	q->reset = VIOMMU_VIRTQ_RESET_NONE;
	VIOMMU_ASSERT(viommu_virtq_device_is_valid(q));
	return VIOMMU_OK;
}

enum viommu_result viommu_virtq_device_memory_changed(struct viommu_virtq_device *q)
{
	VIOMMU_ASSERT(viommu_virtq_device_is_valid(q));
	if (q->state == VIOMMU_VIRTQ_OFF || find_ring(q))
		return VIOMMU_OK;
	/* There is nothing left to publish into. */
	q->pushed = q->popped;
	q->published = q->popped;
	q->state = VIOMMU_VIRTQ_BROKEN;
	VIOMMU_ASSERT(viommu_virtq_device_is_valid(q));
	return VIOMMU_E_BROKEN;
}

/* Appends what is in one piece at gpa, at most len bytes. Returns how many that were; 0: not memory, or no room. */
static uint64_t add_segment(const struct viommu_virtq_device *q, struct viommu_chain *chain, viommu_gpa gpa,
			    uint64_t len, bool writable)
{
	uint32_t count = chain->readable + chain->writable;
	uint8_t *base;

	if (count >= chain->capacity)
		return 0;
	base = viommu_i_memory_piece(&q->memory, gpa, writable ? VIOMMU_ACCESS_WRITE : VIOMMU_ACCESS_READ, &len);
	if (base == NULL && q->memory.ops->read == NULL)
		return 0;
	chain->segments[count] = (struct viommu_segment){ .base = base, .len = (size_t)len, .gpa = gpa };
	if (writable)
		chain->writable++;
	else
		chain->readable++;
	return len;
}

/* Appends what a data descriptor names. The loop is over the embedder's pieces and ends with the capacity. */
static bool add_data(const struct viommu_virtq_device *q, struct walk *w, struct viommu_chain *chain,
		     const struct viommu_i_desc *d)
{
	bool writable = (d->flags & VIOMMU_I_DESC_WRITE) != 0;
	uint64_t left = d->len;

	if (w->in_writable && !writable)
		return false;
	w->in_writable = writable;
	if (chain->readable_len + chain->writable_len + left > VIOMMU_I_CHAIN_LEN_MAX)
		return false;
	if (left != 0 && left - 1 > UINT64_MAX - d->addr)
		return false;
	if (writable)
		chain->writable_len += left;
	else
		chain->readable_len += left;
	while (left != 0) {
		uint64_t n = add_segment(q, chain, d->addr + (d->len - left), left, writable);

		if (n == 0)
			return false;
		left -= n;
	}
	return true;
}

/* The WRITE flag of the descriptor has no meaning. The table may have any alignment. */
static enum step enter_indirect(const struct viommu_virtq_device *q, struct walk *w, const struct viommu_i_desc *d)
{
	if (!q->indirect || w->in_indirect || (d->flags & VIOMMU_I_DESC_NEXT) != 0)
		return STEP_MALFORMED;
	if (d->len == 0 || d->len % VIOMMU_I_DESC_LEN != 0 || d->len - 1 > UINT64_MAX - d->addr)
		return STEP_MALFORMED;
	w->table = viommu_memory_pointer(&q->memory, d->addr, d->len, VIOMMU_ACCESS_READ);
	w->table_gpa = d->addr;
	w->entries = d->len / VIOMMU_I_DESC_LEN;
	w->index = 0;
	w->in_indirect = true;
	return STEP_NEXT;
}

static bool fetch_descriptor(const struct viommu_virtq_device *q, const struct walk *w, struct viommu_i_desc *d)
{
	uint32_t offset = VIOMMU_I_DESC_LEN * viommu_port_mask_index(w->index, w->entries);
	uint8_t raw[VIOMMU_I_DESC_LEN];

	if (w->table != NULL) {
		*d = viommu_i_desc_load(w->table + offset);
		return true;
	}
	if (viommu_memory_read(&q->memory, w->table_gpa + offset, raw, sizeof raw) != sizeof raw)
		return false;
	*d = viommu_i_desc_decode(raw);
	return true;
}

/*
 * One descriptor. A chain has at most `size` data descriptors and one that names an indirect table: nobody walks
 * further, whatever the links say.
 */
static enum step walk_step(const struct viommu_virtq_device *q, struct walk *w, struct viommu_chain *chain)
{
	struct viommu_i_desc d;

	chain->steps++;
	if (!fetch_descriptor(q, w, &d))
		return STEP_MALFORMED;
	if ((d.flags & VIOMMU_I_DESC_INDIRECT) != 0)
		return enter_indirect(q, w, &d);
	w->data++;
	if (!add_data(q, w, chain, &d))
		return STEP_MALFORMED;
	if ((d.flags & VIOMMU_I_DESC_NEXT) == 0)
		return STEP_END;
	if (d.next >= w->entries || w->data >= q->size)
		return STEP_MALFORMED;
	w->index = d.next;
	return STEP_NEXT;
}

static enum viommu_result break_queue(struct viommu_virtq_device *q)
{
	q->state = VIOMMU_VIRTQ_BROKEN;
	return VIOMMU_E_BROKEN;
}

static bool load_index(const struct viommu_virtq_device *q, uint16_t *index)
{
	if (q->avail == NULL)
		return viommu_i_copied_index(q, index);
	*index = viommu_i_index_load(q->avail + VIOMMU_I_RING_INDEX, q->order_platform);
	return true;
}

static bool load_entry(const struct viommu_virtq_device *q, uint16_t *head)
{
	uint32_t at = viommu_i_avail_entry(q->size, q->popped);

	if (q->avail == NULL)
		return viommu_i_copied_load(q, at, head);
	*head = viommu_port_load16(q->avail + at);
	return true;
}

/* Takes the next head. */
static enum viommu_result take_head(struct viommu_virtq_device *q, uint16_t *head)
{
	/*
	 * A descriptor is the driver's again when it sees the used entry. So what waits, what was popped, and what was
	 * pushed but not published are at most `size` together.
	 */
	uint16_t taken = (uint16_t)(q->popped - q->published);
	uint16_t waiting;
	uint16_t index;

	if (!load_index(q, &index))
		return break_queue(q);
	waiting = (uint16_t)(index - q->popped);
	if (waiting == 0)
		return VIOMMU_E_EMPTY;
	if (waiting > q->size - taken)
		return break_queue(q);
	if (!load_entry(q, &index) || index >= q->size)
		return break_queue(q);
	*head = (uint16_t)viommu_port_mask_index(index, q->size);
	q->popped = viommu_i_index_after(q->popped);
	VIOMMU_ASSERT(viommu_virtq_device_is_valid(q));
	return VIOMMU_OK;
}

static void clear_pieces(struct viommu_chain *chain)
{
	chain->readable = 0;
	chain->writable = 0;
	chain->readable_len = 0;
	chain->writable_len = 0;
}

enum viommu_result viommu_virtq_device_pop(struct viommu_virtq_device *q, struct viommu_chain *chain)
{
	struct walk w = { .table = q->desc, .table_gpa = q->desc_gpa, .entries = q->size };
	enum viommu_result r;
	enum step step;

	VIOMMU_ASSERT(viommu_virtq_device_is_valid(q));
	if (q->state == VIOMMU_VIRTQ_OFF)
		return VIOMMU_E_STATE;
	if (q->state == VIOMMU_VIRTQ_BROKEN)
		return VIOMMU_E_BROKEN;
	r = take_head(q, &chain->head);
	if (r != VIOMMU_OK)
		return r;

	w.index = chain->head;
	chain->steps = 0;
	clear_pieces(chain);
	do
		step = walk_step(q, &w, chain);
	while (step == STEP_NEXT);
	if (step == STEP_END)
		return VIOMMU_OK;
	clear_pieces(chain);
	viommu_count(&q->malformed);
	return VIOMMU_E_PEER;
}

enum viommu_result viommu_virtq_device_push(struct viommu_virtq_device *q, uint16_t head, uint32_t written)
{
	uint8_t *entry;

	VIOMMU_ASSERT(viommu_virtq_device_is_valid(q));
	if (q->state != VIOMMU_VIRTQ_READY || q->pushed == q->popped || head >= q->size)
		return VIOMMU_E_STATE;
	if (q->used == NULL)
		return viommu_i_copied_push(q, head, written);
	entry = q->used + viommu_i_used_entry(q->size, q->pushed);
	viommu_port_store32(entry + VIOMMU_I_USED_ID, head);
	viommu_port_store32(entry + VIOMMU_I_USED_LEN, written);
	q->pushed = viommu_i_index_after(q->pushed);
	VIOMMU_ASSERT(viommu_virtq_device_is_valid(q));
	return VIOMMU_OK;
}

bool viommu_virtq_device_publish(struct viommu_virtq_device *q)
{
	uint16_t before = q->published;

	VIOMMU_ASSERT(viommu_virtq_device_is_valid(q));
	/* What was finished before the driver broke the ring still goes out: only a queue that is off has no ring. */
	if (q->state == VIOMMU_VIRTQ_OFF || before == q->pushed)
		return false;
	q->published = q->pushed;
	VIOMMU_ASSERT(viommu_virtq_device_is_valid(q));
	if (q->used == NULL)
		return viommu_i_copied_publish(q, before);
	viommu_i_index_store(q->used + VIOMMU_I_RING_INDEX, q->published, q->order_platform);
	viommu_i_full_fence(q->order_platform);
	if (q->event_idx)
		return viommu_i_event_passed(viommu_port_load16(q->avail + viommu_i_used_event(q->size)), before,
					     q->published);
	return (viommu_port_load16(q->avail + VIOMMU_I_RING_FLAGS) & VIOMMU_I_RING_QUIET) == 0;
}

bool viommu_virtq_device_arm(struct viommu_virtq_device *q)
{
	VIOMMU_ASSERT(viommu_virtq_device_is_valid(q));
	if (q->state != VIOMMU_VIRTQ_READY)
		return false;
	if (q->used == NULL)
		return viommu_i_copied_arm(q);
	if (q->event_idx) {
		viommu_port_store16(q->used + viommu_i_avail_event(q->size), q->popped);
		viommu_i_full_fence(q->order_platform);
	}
	return viommu_i_index_load(q->avail + VIOMMU_I_RING_INDEX, q->order_platform) != q->popped;
}
