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

/* Where the walk along a chain stands. Its address goes to no function that is not inlined: it is in registers. */
struct walk {
	const uint8_t *table; /* of descriptors; NULL: no pointer to all of it, so they are copied one by one */
	viommu_gpa table_gpa;
	uint32_t entries;                          /* in the table */
	uint32_t index;                            /* of the next descriptor: below entries */
	uint32_t steps;                            /* descriptors so far */
	uint32_t steps_max;                        /* one more than the queue's size in an indirect table */
	const struct viommu_memory_region *recent; /* where most memory is; maybe nowhere */
	uint32_t pieces;                           /* of memory so far */
	uint32_t kind;                             /* of these the last one */
	uint64_t len;                              /* of all of them */
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

/* Appends a piece behind `count` others. False: there is no room. */
static inline bool append(struct viommu_chain *chain, uint32_t count, viommu_gpa gpa, uint8_t *base, uint64_t len)
{
	if (count >= chain->capacity)
		return false;
	chain->segments[count] = (struct viommu_segment){ .base = base, .len = (size_t)len, .gpa = gpa };
	return true;
}

struct appended {
	uint32_t count; /* of the pieces that there are then */
	bool all;       /* no: some of it is not memory, or there is no room */
};

/* Appends what the seam has at [gpa, gpa + len), in however many pieces: the loop ends with the capacity. */
static VIOMMU_NOINLINE struct appended append_by_seam(const struct viommu_virtq_device *q, struct viommu_chain *chain,
						      uint32_t count, viommu_gpa gpa, uint32_t len, uint32_t kind)
{
	struct appended done = { .count = count };
	uint64_t left = len;

	if (left != 0 && left - 1 > UINT64_MAX - gpa)
		return done;
	while (left != 0) {
		viommu_gpa at = gpa + (len - left);
		uint64_t n = left;
		uint8_t *base = viommu_i_memory_piece(&q->memory, at, kind, &n);

		if (base == NULL && q->memory.ops->read == NULL)
			return done;
		if (!append(chain, done.count, at, base, n))
			return done;
		done.count++;
		left -= n;
	}
	done.all = true;
	return done;
}

/* What was found so far is the readable part. */
static inline void end_readable(const struct walk *w, struct viommu_chain *chain)
{
	chain->readable = w->pieces;
	chain->readable_len = w->len;
}

/* Appends what a data descriptor names. */
static inline bool add_data(const struct viommu_virtq_device *q, struct walk *w, struct viommu_chain *chain,
			    const struct viommu_i_desc *d)
{
	uint32_t kind = (d->flags & VIOMMU_I_DESC_WRITE) != 0 ? VIOMMU_ACCESS_WRITE : VIOMMU_ACCESS_READ;
	struct appended appended;

	if (kind != w->kind) {
		if (kind == VIOMMU_ACCESS_READ)
			return false;
		w->kind = kind;
		end_readable(w, chain);
	}
	w->len += d->len;
	if (viommu_i_memory_is_in(w->recent, d->addr, d->len, kind)) {
		if (!append(chain, w->pieces, d->addr, viommu_i_memory_host(w->recent, d->addr), d->len))
			return false;
		w->pieces++;
		return true;
	}
	appended = append_by_seam(q, chain, w->pieces, d->addr, d->len, kind);
	w->pieces = appended.count;
	return appended.all;
}

/* The WRITE flag of the descriptor has no meaning. The table may have any alignment. */
static inline enum step enter_indirect(const struct viommu_virtq_device *q, struct walk *w,
				       const struct viommu_i_desc *d)
{
	bool nested = w->steps_max > q->size;

	if (!q->indirect || nested || (d->flags & VIOMMU_I_DESC_NEXT) != 0)
		return STEP_MALFORMED;
	if (d->len % VIOMMU_I_DESC_LEN != 0)
		return STEP_MALFORMED;
	if (viommu_i_memory_is_in(w->recent, d->addr, d->len, VIOMMU_ACCESS_READ))
		w->table = viommu_i_memory_host(w->recent, d->addr);
	else if (d->len == 0 || d->len - 1 > UINT64_MAX - d->addr)
		return STEP_MALFORMED;
	else
		w->table = viommu_memory_pointer(&q->memory, d->addr, d->len, VIOMMU_ACCESS_READ);
	w->table_gpa = d->addr;
	w->entries = d->len / VIOMMU_I_DESC_LEN;
	w->index = 0;
	w->steps_max++;
	return STEP_NEXT;
}

/* False: it cannot be read. */
static VIOMMU_NOINLINE bool read_descriptor(const struct viommu_virtq_device *q, viommu_gpa gpa,
					    uint8_t raw[VIOMMU_I_DESC_LEN])
{
	return viommu_memory_read(&q->memory, gpa, raw, VIOMMU_I_DESC_LEN) == VIOMMU_I_DESC_LEN;
}

/* False: there is none where the table should be. */
static inline bool fetch_descriptor(const struct viommu_virtq_device *q, const struct walk *w, struct viommu_i_desc *d)
{
	uint32_t offset = VIOMMU_I_DESC_LEN * w->index;
	uint8_t raw[VIOMMU_I_DESC_LEN];

	if (VIOMMU_LIKELY(w->table != NULL)) {
		*d = viommu_i_desc_load(w->table + offset);
		return true;
	}
	if (!read_descriptor(q, w->table_gpa + offset, raw))
		return false;
	*d = viommu_i_desc_decode(raw);
	return true;
}

/*
 * One descriptor. A chain has at most `size` data descriptors and one that names an indirect table: nobody walks
 * further, whatever the links say.
 */
static inline enum step walk_step(const struct viommu_virtq_device *q, struct walk *w, struct viommu_chain *chain)
{
	struct viommu_i_desc d;

	w->steps++;
	if (!fetch_descriptor(q, w, &d))
		return STEP_MALFORMED;
	if ((d.flags & VIOMMU_I_DESC_INDIRECT) != 0)
		return enter_indirect(q, w, &d);
	if (!add_data(q, w, chain, &d))
		return STEP_MALFORMED;
	if ((d.flags & VIOMMU_I_DESC_NEXT) == 0)
		return STEP_END;
	if (d.next >= w->entries || w->steps >= w->steps_max)
		return STEP_MALFORMED;
	w->index = viommu_port_mask_index(d.next, w->entries);
	return STEP_NEXT;
}

static enum viommu_result break_queue(struct viommu_virtq_device *q)
{
	q->state = VIOMMU_VIRTQ_BROKEN;
	return VIOMMU_E_BROKEN;
}

/* The results of the copying ways go through a variable of their own, or the others would go through memory as well. */
static inline bool load_index(const struct viommu_virtq_device *q, uint16_t *index)
{
	uint16_t copied;

	if (VIOMMU_LIKELY(q->avail != NULL)) {
		*index = viommu_i_index_load(q->avail + VIOMMU_I_RING_INDEX, q->order_platform);
		return true;
	}
	if (!viommu_i_copied_index(q, &copied))
		return false;
	*index = copied;
	return true;
}

static inline bool load_entry(const struct viommu_virtq_device *q, uint16_t *head)
{
	uint32_t at = viommu_i_avail_entry(q->size, q->popped);
	uint16_t copied;

	if (VIOMMU_LIKELY(q->avail != NULL)) {
		*head = viommu_port_load16(q->avail + at);
		return true;
	}
	if (!viommu_i_copied_load(q, at, &copied))
		return false;
	*head = copied;
	return true;
}

/* Takes the next head. */
static inline enum viommu_result take_head(struct viommu_virtq_device *q, uint32_t *head)
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
	*head = viommu_i_slot(q->size, index);
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

/* Walks from a head to the end, and says in *chain what was found. VIOMMU_E_PEER: what it says is not to be used. */
static inline enum viommu_result walk_chain(const struct viommu_virtq_device *q, uint32_t head,
					    struct viommu_chain *chain)
{
	struct walk w = {
		.table = q->desc,
		.table_gpa = q->desc_gpa,
		.recent = viommu_i_memory_recent(&q->memory),
		.kind = VIOMMU_ACCESS_READ,
		.entries = q->size,
		.index = head,
		.steps_max = q->size,
	};
	enum step step;

	do
		step = walk_step(q, &w, chain);
	while (step == STEP_NEXT);
	chain->steps = w.steps + w.pieces;
	if (step == STEP_MALFORMED || w.len > VIOMMU_I_CHAIN_LEN_MAX)
		return VIOMMU_E_PEER;
	if (w.kind == VIOMMU_ACCESS_READ)
		end_readable(&w, chain);
	chain->writable = w.pieces - chain->readable;
	chain->writable_len = w.len - chain->readable_len;
	return VIOMMU_OK;
}

enum viommu_result viommu_virtq_device_pop(struct viommu_virtq_device *q, struct viommu_chain *chain)
{
	enum viommu_result r;
	uint32_t head;

	VIOMMU_ASSERT(viommu_virtq_device_is_valid(q));
	if (q->state != VIOMMU_VIRTQ_READY)
		return q->state == VIOMMU_VIRTQ_OFF ? VIOMMU_E_STATE : VIOMMU_E_BROKEN;
	r = take_head(q, &head);
	if (r != VIOMMU_OK)
		return r;
	chain->head = (uint16_t)head;
	r = walk_chain(q, head, chain);
	if (r == VIOMMU_OK)
		return VIOMMU_OK;
	clear_pieces(chain);
	viommu_count(&q->malformed);
	return r;
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
