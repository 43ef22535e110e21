/* SPDX-License-Identifier: BSD-3-Clause */
/* virtq_device.c: proofs of the device's half of the queue. */
#include "proof.h"

#include "../../libviommu/virtq/device.c"

/* An area may lie anywhere where it is aligned and does not wrap: what enable made sure of. */
static viommu_gpa any_area(uint32_t len, uint32_t align)
{
	viommu_gpa gpa = nondet_u64();

	ASSUME(gpa % align == 0 && len - 1 <= UINT64_MAX - gpa);
	return gpa;
}

/* A queue of any size in any state that is between two calls, and its ring: by pointers, by copies, or gone. */
static struct viommu_virtq_device any_queue(void)
{
	uint32_t size = any_queue_size();
	struct viommu_virtq_device q = {
		.memory = any_memory(),
		.desc_gpa = any_area(16 * size, 16),
		.avail_gpa = any_area(6 + 2 * size, 2),
		.used_gpa = any_area(6 + 8 * size, 4),
		.size = size,
		.popped = nondet_u16(),
		.pushed = nondet_u16(),
		.published = nondet_u16(),
		.indirect = nondet_bool(),
		.event_idx = nondet_bool(),
		.order_platform = nondet_bool(),
		.state = nondet_u8(),
		.reset = nondet_u8(),
		.malformed = nondet_u32(),
	};

	if (q.state == VIOMMU_VIRTQ_OFF) {
		q.size = nondet_u32(); /* and no ring */
		ASSUME(viommu_virtq_device_is_valid(&q));
		return q;
	}
	peer.strong = q.order_platform;
	seam.has_ring = true;
	seam.their_index = q.avail_gpa + 2;
	seam.our_index = q.used_gpa + 2;
	if (nondet_bool()) {
		ASSUME(viommu_virtq_device_is_valid(&q)); /* without pointers */
		return q;
	}
	q.desc = malloc(VIOMMU_VIRTQ_DESC_SIZE(size));
	q.avail = malloc(VIOMMU_VIRTQ_AVAIL_SIZE(size));
	q.used = malloc(VIOMMU_VIRTQ_USED_SIZE(size));
	peer_has(AREA_DESC, q.desc, VIOMMU_VIRTQ_DESC_SIZE(size), true, false);
	peer_has(AREA_AVAIL, q.avail, VIOMMU_VIRTQ_AVAIL_SIZE(size), true, false);
	peer_has(AREA_USED, q.used, VIOMMU_VIRTQ_USED_SIZE(size), false, true);
	peer.their_index = q.avail + 2;
	peer.our_index = q.used + 2;
	ASSUME(viommu_virtq_device_is_valid(&q));
	return q;
}

static struct viommu_virtq_device any_ready_queue(void)
{
	struct viommu_virtq_device q = any_queue();

	ASSUME(q.state == VIOMMU_VIRTQ_READY);
	return q;
}

/* Where in the ring an access was, by either way. */
static bool loaded16_at(const struct viommu_virtq_device *q, uint32_t offset)
{
	return q->avail != NULL ? peer.load16_at == q->avail + offset : seam.load16_at == q->avail_gpa + offset;
}

static bool stored16_at(const struct viommu_virtq_device *q, uint32_t offset)
{
	return q->used != NULL ? peer.store16_at == q->used + offset : seam.store16_at == q->used_gpa + offset;
}

static bool stored32_at(const struct viommu_virtq_device *q, uint32_t i, uint32_t offset)
{
	return q->used != NULL ? peer.store32_at[i] == q->used + offset : seam.store32_at[i] == q->used_gpa + offset;
}

static bool is_same(const struct viommu_virtq_device *a, const struct viommu_virtq_device *b)
{
	return a->memory.ops == b->memory.ops && a->memory.ctx == b->memory.ctx && a->desc == b->desc &&
	       a->avail == b->avail && a->used == b->used && a->desc_gpa == b->desc_gpa &&
	       a->avail_gpa == b->avail_gpa && a->used_gpa == b->used_gpa && a->size == b->size &&
	       a->popped == b->popped && a->pushed == b->pushed && a->published == b->published &&
	       a->indirect == b->indirect && a->event_idx == b->event_idx && a->order_platform == b->order_platform &&
	       a->state == b->state && a->reset == b->reset && a->malformed == b->malformed;
}

/*
 * Proof of take_head. A head below the size, from the slot of the index; more of them than the driver has descriptors
 * break the queue.
 */
void prove_take_head(void)
{
	struct viommu_virtq_device q = any_ready_queue();
	struct viommu_virtq_device expected = q;
	uint32_t any = nondet_u32();
	uint32_t taken = any;
	enum viommu_result r;
	uint16_t waiting, room;

	if (q.avail != NULL)
		peer_watch(AREA_AVAIL);
	r = take_head(&q, &taken);
	waiting = (uint16_t)(peer.index - expected.popped);
	room = (uint16_t)(expected.size - (uint16_t)(expected.popped - expected.published));
	PROVE((r == VIOMMU_E_EMPTY) == (!seam.index_failed && waiting == 0));
	PROVE((r == VIOMMU_OK) == (!seam.index_failed && waiting != 0 && waiting <= room && !seam.load16_failed &&
				   peer.load16 < expected.size));
	if (r == VIOMMU_OK) {
		PROVE(taken == peer.load16);
		PROVE(loaded16_at(&q, 4 + 2 * (expected.popped & (expected.size - 1))));
		expected.popped = (uint16_t)(expected.popped + 1);
	} else {
		PROVE(r == VIOMMU_E_EMPTY || r == VIOMMU_E_BROKEN);
		PROVE(taken == any);
	}
	if (r == VIOMMU_E_BROKEN)
		expected.state = VIOMMU_VIRTQ_BROKEN;
	PROVE(is_same(&q, &expected));
	PROVE(viommu_virtq_device_is_valid(&q));
	PROVE(peer.stores == 0 && peer.loads <= 2);
	REACHABLE(r == VIOMMU_OK && q.size == VIOMMU_VIRTQ_SIZE_MAX && q.popped == 0);
	REACHABLE(r == VIOMMU_OK && q.size == 1);
	REACHABLE(r == VIOMMU_OK && q.avail == NULL);
	REACHABLE(r == VIOMMU_E_BROKEN && seam.index_failed);
	REACHABLE(r == VIOMMU_E_BROKEN && seam.load16_failed);
	REACHABLE(r == VIOMMU_E_EMPTY);
	REACHABLE(r == VIOMMU_E_BROKEN && waiting > room);
	REACHABLE(r == VIOMMU_E_BROKEN && waiting <= room);
}

/* Room for any number of pieces up to 2^31; the rest is left from another chain. */
static struct viommu_chain any_chain(void)
{
	struct viommu_chain c = {
		.capacity = nondet_u32(),
		.readable = nondet_u32(),
		.writable = nondet_u32(),
		.readable_len = nondet_u64(),
		.writable_len = nondet_u64(),
		.steps = nondet_u32(),
		.head = nondet_u16(),
	};

	ASSUME(c.capacity <= UINT32_C(1) << 31);
	c.segments = malloc(sizeof(struct viommu_segment) * (size_t)c.capacity);
	return c;
}

static bool is_same_chain(const struct viommu_chain *a, const struct viommu_chain *b)
{
	return a->segments == b->segments && a->capacity == b->capacity && a->readable == b->readable &&
	       a->writable == b->writable && a->readable_len == b->readable_len && a->writable_len == b->writable_len &&
	       a->steps == b->steps && a->head == b->head;
}

static struct viommu_memory_region recent_region;

/* Where a walk looks first: nowhere, or a region with as much memory as it says. */
static const struct viommu_memory_region *any_recent(void)
{
	if (nondet_bool())
		return &viommu_i_memory_nowhere;
	recent_region =
		(struct viommu_memory_region){ .first = nondet_u64(), .last = nondet_u64(), .kind = nondet_u32() };
	ASSUME(recent_region.first <= recent_region.last);
	ASSUME(recent_region.last - recent_region.first < OBJECT_MAX);
	recent_region.host = malloc((size_t)(recent_region.last - recent_region.first) + 1);
	return &recent_region;
}

static bool is_indirect(const struct viommu_virtq_device *q, const struct walk *w)
{
	return w->steps_max > q->size;
}

/* Where a walk can stand between two steps. */
static bool walk_holds(const struct viommu_virtq_device *q, const struct walk *w, const struct viommu_chain *c)
{
	if (w->index >= w->entries || w->steps >= w->steps_max || w->steps_max > q->size + 1 || w->steps_max < q->size)
		return false;
	if (!is_indirect(q, w) && (w->table != q->desc || w->table_gpa != q->desc_gpa || w->entries != q->size))
		return false;
	if (w->pieces > c->capacity || w->len > (uint64_t)w->steps << 32)
		return false;
	if (w->kind != VIOMMU_ACCESS_WRITE)
		return w->kind == VIOMMU_ACCESS_READ;
	return c->readable <= w->pieces && c->readable_len <= w->len;
}

/* Any walk. The table is the queue's, or another one in one piece, or only within reach of the seam. */
static struct walk any_walk(const struct viommu_virtq_device *q)
{
	struct walk w = {
		.table = q->desc,
		.table_gpa = q->desc_gpa,
		.entries = q->size,
		.index = nondet_u32(),
		.steps = nondet_u32(),
		.steps_max = q->size,
		.recent = any_recent(),
		.pieces = nondet_u32(),
		.kind = nondet_bool() ? VIOMMU_ACCESS_READ : VIOMMU_ACCESS_WRITE,
		.len = nondet_u64(),
	};

	if (nondet_bool())
		return w;
	w.steps_max = q->size + 1;
	w.entries = nondet_u32();
	w.table_gpa = nondet_u64();
	ASSUME(w.entries != 0 && w.entries <= UINT32_MAX / 16 && 16 * w.entries - 1 <= UINT64_MAX - w.table_gpa);
	w.table = NULL;
	if (nondet_bool()) {
		w.table = malloc((size_t)16 * w.entries);
		peer_has(AREA_PIECE, w.table, (size_t)16 * w.entries, true, false);
	}
	return w;
}

static struct viommu_i_desc any_descriptor(void)
{
	return (struct viommu_i_desc){
		.addr = nondet_u64(),
		.len = nondet_u32(),
		.flags = nondet_u16(),
		.next = nondet_u16(),
	};
}

static bool is_same_walk(const struct walk *a, const struct walk *b)
{
	return a->table == b->table && a->table_gpa == b->table_gpa && a->entries == b->entries &&
	       a->index == b->index && a->steps == b->steps && a->steps_max == b->steps_max && a->recent == b->recent &&
	       a->pieces == b->pieces && a->kind == b->kind && a->len == b->len;
}

/* Stands for viommu_memory_read. */
size_t any_memory_read(const struct viommu_memory *memory, viommu_gpa gpa, void *dst, size_t len)
{
	size_t done = nondet_size();

	(void)memory;
	__CPROVER_assert(__CPROVER_w_ok(dst, len), "what is read has room");
	__CPROVER_havoc_slice(dst, len);
	ASSUME(done <= len);
	seam.reads++;
	seam.read_at = gpa;
	seam.read_len = len;
	seam.index_failed = done != len;
	return done;
}

/* Proof of fetch_descriptor. With viommu_memory_read as any_memory_read. Of a table that is not in one piece. */
void prove_fetch_descriptor_pieces(void)
{
	struct viommu_virtq_device q = any_ready_queue();
	struct viommu_virtq_device before = q;
	struct walk w = any_walk(&q);
	struct walk walk_before = w;
	struct viommu_i_desc d;
	bool fetched_it;

	ASSUME(w.index < w.entries && w.table == NULL);
	fetched_it = fetch_descriptor(&q, &w, &d);
	PROVE(is_same(&q, &before) && is_same_walk(&w, &walk_before));
	PROVE(peer.stores == 0 && peer.loads == 0 && seam.reads == 1);
	PROVE(seam.read_at == w.table_gpa + 16 * (uint64_t)w.index && seam.read_len == 16);
	/* What cannot be read is refused. */
	PROVE(fetched_it == !seam.index_failed);
	REACHABLE(w.index == UINT32_MAX / 16 - 1);
	REACHABLE(!is_indirect(&q, &w) && w.index == VIOMMU_VIRTQ_SIZE_MAX - 1);
	REACHABLE(seam.index_failed);
}

/* Proof of fetch_descriptor. The ring's, or one of a table in one piece: 16 bytes at the index, each loaded once. */
void prove_fetch_descriptor(void)
{
	struct viommu_virtq_device q = any_ready_queue();
	struct viommu_virtq_device before = q;
	struct walk w = any_walk(&q);
	struct walk walk_before = w;
	struct viommu_i_desc d;

	ASSUME(w.index < w.entries && w.table != NULL);
	peer_watch(is_indirect(&q, &w) ? AREA_PIECE : AREA_DESC);
	PROVE(fetch_descriptor(&q, &w, &d));
	PROVE(is_same(&q, &before) && is_same_walk(&w, &walk_before));
	PROVE(peer.loads == 1 && peer.stores == 0 && seam.calls == 0);
	PROVE((peer.watched_loads == 1) == (__CPROVER_POINTER_OFFSET(peer.watched) / 16 == w.index));
	REACHABLE(!is_indirect(&q, &w) && w.index == VIOMMU_VIRTQ_SIZE_MAX - 1 && peer.watched_loads == 0);
	REACHABLE(is_indirect(&q, &w) && w.index == UINT32_MAX / 16 - 1 && peer.watched_loads == 1);
}

/* Proof of enter_indirect. The table that is entered is memory that may be read, all of it; there is none within it. */
void prove_enter_indirect(void)
{
	struct viommu_virtq_device q = any_ready_queue();
	struct viommu_virtq_device before = q;
	struct walk w = any_walk(&q);
	struct walk walk_before = w;
	struct viommu_i_desc d = any_descriptor();
	bool wraps = d.len != 0 && d.addr > UINT64_MAX - (d.len - 1);
	enum step step;

	step = enter_indirect(&q, &w, &d);
	PROVE(is_same(&q, &before));
	PROVE(peer.loads == 0 && peer.stores == 0 && seam.calls <= 1);
	PROVE((step == STEP_NEXT) == (q.indirect && !is_indirect(&q, &walk_before) &&
				      (d.flags & VIOMMU_I_DESC_NEXT) == 0 && d.len != 0 && d.len % 16 == 0 && !wraps));
	if (step == STEP_NEXT) {
		PROVE(is_indirect(&q, &w) && w.steps_max == q.size + 1 && w.index == 0 && w.entries == d.len / 16);
		PROVE(w.entries != 0 && w.table_gpa == d.addr && w.steps == walk_before.steps);
		PROVE(w.pieces == walk_before.pieces && w.kind == walk_before.kind && w.len == walk_before.len);
		PROVE(seam.calls == 0 || (seam.kind == VIOMMU_ACCESS_READ && seam.gpa == d.addr && seam.len == d.len));
		PROVE(w.table == NULL || __CPROVER_r_ok(w.table, d.len));
	} else {
		PROVE(step == STEP_MALFORMED && is_same_walk(&w, &walk_before));
	}
	REACHABLE(step == STEP_NEXT && w.table != NULL && w.entries == UINT32_MAX / 16 && seam.calls == 1);
	REACHABLE(step == STEP_NEXT && w.table != NULL && seam.calls == 0 && d.addr + (d.len - 1) == w.recent->last);
	REACHABLE(step == STEP_NEXT && w.table == NULL);
	REACHABLE(step == STEP_MALFORMED && !q.indirect);
	REACHABLE(step == STEP_MALFORMED && wraps && q.indirect && !is_indirect(&q, &w));
}

/* Proof of append. A piece goes behind the others, into room that there is. */
void prove_append(void)
{
	struct viommu_chain c = any_chain();
	struct viommu_chain before = c;
	uint32_t count = nondet_u32();
	viommu_gpa gpa = nondet_u64();
	uint8_t *base = nondet_pointer();
	size_t len = nondet_size();
	bool appended;

	ASSUME(count <= c.capacity);
	appended = append(&c, count, gpa, base, len);
	PROVE(appended == (count < c.capacity) && is_same_chain(&c, &before));
	PROVE(!appended ||
	      (c.segments[count].base == base && c.segments[count].len == len && c.segments[count].gpa == gpa));
	REACHABLE(appended && count == (UINT32_C(1) << 31) - 1);
	REACHABLE(!appended && count == 0);
}

/*
 * Proof of append_by_seam. Unwind 5. Bound: room for 3 pieces behind any number of others: what ends the loop is that
 * it is used up. They are one behind the other, each as large as the seam has said, and all together what was asked
 * for.
 */
void prove_append_by_seam(void)
{
	struct viommu_virtq_device q = any_ready_queue();
	struct viommu_virtq_device before = q;
	struct viommu_chain c = any_chain();
	struct viommu_chain chain_before = c;
	uint32_t count = nondet_u32();
	viommu_gpa gpa = nondet_u64();
	uint32_t len = nondet_u32();
	uint32_t kind = nondet_bool() ? VIOMMU_ACCESS_READ : VIOMMU_ACCESS_WRITE;
	struct appended now;

	seam_has_one_object();
	ASSUME(count <= c.capacity && c.capacity - count <= 3);
	now = append_by_seam(&q, &c, count, gpa, len, kind);
	PROVE(is_same(&q, &before) && is_same_chain(&c, &chain_before));
	PROVE(peer.loads == 0 && peer.stores == 0);
	/* Each piece that it looked for was found, the last one perhaps excepted. */
	PROVE(now.count >= count && now.count <= c.capacity && seam.calls <= now.count - count + !now.all);
	PROVE(!now.all || (now.count == count) == (len == 0));
	PROVE(!now.all || len == 0 || len - 1 <= UINT64_MAX - gpa);
	PROVE(!now.all || len == 0 || q.memory.ops == &copies_only ||
	      (seam.kind == kind && seam.gpa + (seam.len - 1) == gpa + (len - 1)));
	REACHABLE(now.all && now.count - count == 3 && len == UINT32_MAX);
	REACHABLE(now.all && now.count == c.capacity && count == now.count && len == 0);
	REACHABLE(now.all && now.count != count && gpa + (len - 1) == UINT64_MAX);
	REACHABLE(now.all && now.count - count == 1 && q.memory.ops == &copies_only);
	REACHABLE(!now.all && seam.calls == 4);
	REACHABLE(!now.all && seam.calls == 0);
}

/* Stands for append_by_seam. */
struct appended any_append(const struct viommu_virtq_device *q, struct viommu_chain *chain, uint32_t count,
			   viommu_gpa gpa, uint32_t len, uint32_t kind)
{
	struct appended now = { .count = nondet_u32(), .all = nondet_bool() };

	(void)q;
	PROVE(count <= chain->capacity && (kind == VIOMMU_ACCESS_READ || kind == VIOMMU_ACCESS_WRITE));
	ASSUME(now.count >= count && now.count <= chain->capacity);
	ASSUME(!now.all || (now.count == count) == (len == 0));
	ASSUME(!now.all || len == 0 || len - 1 <= UINT64_MAX - gpa);
	seam.calls++;
	return now;
}

/* What one data descriptor does to a walk and a chain. */
static bool data_was_added(const struct walk *before, const struct walk *after, const struct viommu_chain *chain_before,
			   const struct viommu_chain *chain, const struct viommu_i_desc *d)
{
	struct walk w = *before;
	struct viommu_chain c = *chain_before;

	w.kind = (d->flags & VIOMMU_I_DESC_WRITE) != 0 ? VIOMMU_ACCESS_WRITE : VIOMMU_ACCESS_READ;
	if (w.kind != before->kind) {
		if (w.kind == VIOMMU_ACCESS_READ)
			return false;
		c.readable = before->pieces;
		c.readable_len = before->len;
	}
	w.len += d->len;
	w.pieces = after->pieces;
	return is_same_walk(after, &w) && is_same_chain(chain, &c) && w.pieces >= before->pieces &&
	       w.pieces <= c.capacity;
}

/* Stands for add_data, and returns what a proof below says that it can. */
bool any_data(const struct viommu_virtq_device *q, struct walk *w, struct viommu_chain *chain,
	      const struct viommu_i_desc *d)
{
	struct walk before = *w;
	struct viommu_chain chain_before = *chain;

	(void)q;
	PROVE(w->pieces <= chain->capacity && w->len <= UINT64_MAX - UINT32_MAX);
	w->pieces = nondet_u32();
	w->kind = nondet_u32();
	w->len = nondet_u64();
	chain->readable = nondet_u32();
	chain->readable_len = nondet_u64();
	ASSUME(w->pieces >= before.pieces && w->pieces <= chain->capacity);
	if (nondet_bool())
		return false;
	ASSUME(data_was_added(&before, w, &chain_before, chain, d));
	return true;
}

static struct viommu_segment appended_piece;

/* Stands for append. */
bool any_piece(struct viommu_chain *chain, uint32_t count, viommu_gpa gpa, uint8_t *base, uint64_t len)
{
	PROVE(count <= chain->capacity);
	appended_piece = (struct viommu_segment){ .base = base, .len = len, .gpa = gpa };
	return count < chain->capacity;
}

/*
 * Proof of add_data. With append as any_piece, append_by_seam as any_append. A piece of the region where most memory is, or what the seam
 * has: writable ones behind readable ones, within the room, with their length counted.
 */
void prove_add_data(void)
{
	struct viommu_virtq_device q = any_ready_queue();
	struct viommu_virtq_device before = q;
	struct viommu_chain c = any_chain();
	struct viommu_chain chain_before = c;
	struct walk w = any_walk(&q);
	struct walk walk_before = w;
	struct viommu_i_desc d = any_descriptor();
	bool added;

	ASSUME(walk_holds(&q, &w, &c));
	added = add_data(&q, &w, &c, &d);
	PROVE(!added || data_was_added(&walk_before, &w, &chain_before, &c, &d));
	PROVE(w.pieces >= walk_before.pieces && w.pieces <= c.capacity);
	PROVE(c.segments == chain_before.segments && c.capacity == chain_before.capacity);
	PROVE(is_same(&q, &before) && peer.loads == 0 && peer.stores == 0 && seam.calls <= 1);
	if (added && seam.calls == 0) {
		const struct viommu_segment *s = &appended_piece;

		PROVE(w.pieces == walk_before.pieces + 1 && d.len != 0 && s->gpa == d.addr && s->len == d.len);
		PROVE(s->base == (uint8_t *)w.recent->host + (d.addr - w.recent->first));
		PROVE(d.addr >= w.recent->first && d.addr + (d.len - 1) <= w.recent->last);
		PROVE((w.recent->kind & w.kind) != 0);
	}
	REACHABLE(added && seam.calls == 0 && w.pieces == UINT32_C(1) << 31);
	REACHABLE(added && seam.calls == 0 && d.addr + (d.len - 1) == w.recent->last && w.kind != walk_before.kind);
	REACHABLE(added && d.len == 0 && c.capacity == 0);
	REACHABLE(added && seam.calls == 1 && d.len == UINT32_MAX);
	REACHABLE(!added && seam.calls == 1);
	REACHABLE(!added && seam.calls == 0 && w.kind == VIOMMU_ACCESS_READ);
	REACHABLE(!added && seam.calls == 0 && w.kind == VIOMMU_ACCESS_WRITE && walk_before.pieces == c.capacity);
}

static struct viommu_i_desc fetched;

/* Stands for fetch_descriptor. */
bool any_fetch(const struct viommu_virtq_device *q, const struct walk *w, struct viommu_i_desc *d)
{
	(void)q;
	PROVE(w->index < w->entries);
	fetched = any_descriptor();
	*d = fetched;
	return nondet_bool();
}

/*
 * Proof of walk_step. With fetch_descriptor as any_fetch, add_data as any_data. What is true between two steps is kept,
 * and each step that is not the last counts: the walk ends after size + 1.
 */
void prove_walk_step(void)
{
	struct viommu_virtq_device q = any_ready_queue();
	struct viommu_virtq_device before = q;
	struct viommu_chain c = any_chain();
	struct viommu_chain chain_before = c;
	struct walk w = any_walk(&q);
	struct walk walk_before = w;
	enum step step;

	ASSUME(walk_holds(&q, &w, &c));
	step = walk_step(&q, &w, &c);
	PROVE(is_same(&q, &before));
	PROVE(w.steps == walk_before.steps + 1 && w.steps <= q.size + 1 && w.pieces <= c.capacity);
	PROVE(c.segments == chain_before.segments && c.capacity == chain_before.capacity &&
	      c.head == chain_before.head);
	if (step == STEP_NEXT)
		PROVE(walk_holds(&q, &w, &c) &&
		      (w.index == fetched.next || (fetched.flags & VIOMMU_I_DESC_INDIRECT) != 0));
	else if (step == STEP_END)
		PROVE(w.len <= (uint64_t)w.steps << 32 &&
		      (w.kind == VIOMMU_ACCESS_READ || (c.readable <= w.pieces && c.readable_len <= w.len)));
	else
		PROVE(step == STEP_MALFORMED);
	REACHABLE(step == STEP_NEXT && is_indirect(&q, &w) && !is_indirect(&q, &walk_before));
	REACHABLE(step == STEP_NEXT && !is_indirect(&q, &w) && w.index == VIOMMU_VIRTQ_SIZE_MAX - 1);
	REACHABLE(step == STEP_NEXT && is_indirect(&q, &walk_before) && w.steps == q.size);
	REACHABLE(step == STEP_END && w.steps == q.size + 1);
	REACHABLE(step == STEP_END && q.size == 1);
	REACHABLE(step == STEP_MALFORMED);
}

/*
 * Stands for a whole walk: what the proof of walk_step says that any number of steps can come to. Its first call is
 * made in a state that a walk can stand in.
 */
enum step any_steps(const struct viommu_virtq_device *q, struct walk *w, struct viommu_chain *chain)
{
	uint32_t before = w->steps;

	PROVE(walk_holds(q, w, chain));
	w->steps = nondet_u32();
	w->pieces = nondet_u32();
	w->kind = nondet_bool() ? VIOMMU_ACCESS_READ : VIOMMU_ACCESS_WRITE;
	w->len = nondet_u64();
	chain->readable = nondet_u32();
	chain->readable_len = nondet_u64();
	ASSUME(w->steps > before && w->steps <= q->size + 1 && w->pieces <= chain->capacity);
	if (nondet_bool())
		return STEP_MALFORMED;
	ASSUME(w->len <= (uint64_t)w->steps << 32);
	ASSUME(w->kind == VIOMMU_ACCESS_READ || (chain->readable <= w->pieces && chain->readable_len <= w->len));
	return STEP_END;
}

/* What is true of a chain that can be used. */
static bool chain_holds(const struct viommu_chain *c)
{
	return c->readable <= c->capacity && c->writable <= c->capacity - c->readable &&
	       c->readable_len <= VIOMMU_I_CHAIN_LEN_MAX && c->writable_len <= VIOMMU_I_CHAIN_LEN_MAX - c->readable_len;
}

/* What a pop may have done to the queue and to the chain, whatever it returned. */
static void prove_popped(enum viommu_result r, const struct viommu_virtq_device *q,
			 const struct viommu_virtq_device *before, const struct viommu_chain *c,
			 const struct viommu_chain *chain_before)
{
	struct viommu_virtq_device expected = *before;

	if (r == VIOMMU_OK || r == VIOMMU_E_PEER) {
		expected.popped = (uint16_t)(before->popped + 1);
		PROVE(c->head < q->size && c->steps >= 1 && c->steps <= q->size + 1 + c->capacity);
		PROVE(c->segments == chain_before->segments && c->capacity == chain_before->capacity);
		PROVE(chain_holds(c) && c->steps > c->readable + c->writable);
	} else {
		PROVE(r == VIOMMU_E_EMPTY || r == VIOMMU_E_BROKEN || r == VIOMMU_E_STATE);
		PROVE(is_same_chain(c, chain_before));
	}
	if (r == VIOMMU_E_PEER) {
		expected.malformed += before->malformed == UINT32_MAX ? 0 : 1;
		PROVE(c->readable == 0 && c->writable == 0 && c->readable_len == 0 && c->writable_len == 0);
	}
	if (r == VIOMMU_E_BROKEN)
		expected.state = VIOMMU_VIRTQ_BROKEN;
	PROVE((r == VIOMMU_E_STATE) == (before->state == VIOMMU_VIRTQ_OFF));
	PROVE(before->state != VIOMMU_VIRTQ_BROKEN || r == VIOMMU_E_BROKEN);
	PROVE(is_same(q, &expected) && viommu_virtq_device_is_valid(q));
	PROVE(peer.stores == 0);
}

/*
 * Proof of viommu_virtq_device_pop, walk_chain. With walk_step as any_steps. Unwind 2. What is returned, and that
 * nothing else has changed.
 */
void prove_device_pop(void)
{
	struct viommu_virtq_device q = any_queue();
	struct viommu_memory_table table = { .generation = nondet_u64() };
	struct viommu_memory_view view = { .table = &table, .generation = nondet_u64() };
	struct viommu_virtq_device before;
	struct viommu_chain c = any_chain();
	struct viommu_chain chain_before = c;
	enum viommu_result r;

	if (q.avail != NULL && nondet_bool())
		q.memory = (struct viommu_memory){ &viommu_memory_view_ops, &view };
	before = q;
	r = viommu_virtq_device_pop(&q, &c);
	prove_popped(r, &q, &before, &c, &chain_before);
	REACHABLE(r == VIOMMU_OK && c.steps == VIOMMU_VIRTQ_SIZE_MAX + 1 + (UINT32_C(1) << 31));
	REACHABLE(r == VIOMMU_OK && q.memory.ops == &viommu_memory_view_ops);
	REACHABLE(r == VIOMMU_OK && q.avail == NULL && c.readable_len + c.writable_len == VIOMMU_I_CHAIN_LEN_MAX);
	REACHABLE(r == VIOMMU_E_PEER && q.malformed == UINT32_MAX && before.malformed != UINT32_MAX);
	REACHABLE(r == VIOMMU_E_EMPTY);
	REACHABLE(r == VIOMMU_E_BROKEN && before.state == VIOMMU_VIRTQ_READY);
	REACHABLE(r == VIOMMU_E_BROKEN && before.state == VIOMMU_VIRTQ_BROKEN);
	REACHABLE(r == VIOMMU_E_STATE);
}

/*
 * Proof of viommu_virtq_device_pop. With fetch_descriptor as any_fetch, append_by_seam as any_append. Unwind 6.
 * Bound: queues of up to 4. The whole walk: that it ends is not assumed.
 */
void prove_device_pop_walk(void)
{
	struct viommu_virtq_device q = any_ready_queue();
	struct viommu_virtq_device before = q;
	struct viommu_chain c = any_chain();
	struct viommu_chain chain_before = c;
	enum viommu_result r;

	ASSUME(q.size <= 4);
	r = viommu_virtq_device_pop(&q, &c);
	prove_popped(r, &q, &before, &c, &chain_before);
	REACHABLE(r == VIOMMU_OK && c.steps == 5 && c.capacity == 0);
	REACHABLE(r == VIOMMU_OK && c.steps == 5 + c.capacity && c.capacity > 4);
	REACHABLE(r == VIOMMU_OK && c.readable == 1 && c.writable == 1);
	REACHABLE(r == VIOMMU_E_PEER && c.steps == 5 + c.capacity && c.capacity > 4);
}

/* Proof of viommu_virtq_device_push. The entry goes into its slot, and only if a chain is out. */
void prove_device_push(void)
{
	struct viommu_virtq_device q = any_queue();
	struct viommu_virtq_device expected = q;
	uint16_t head = nondet_u16();
	uint32_t written = nondet_u32();
	enum viommu_result r = viommu_virtq_device_push(&q, head, written);

	PROVE((r == VIOMMU_E_STATE) ==
	      (expected.state != VIOMMU_VIRTQ_READY || expected.pushed == expected.popped || head >= expected.size));
	PROVE((r == VIOMMU_E_BROKEN) == seam.write_failed);
	if (r == VIOMMU_OK) {
		uint32_t slot = 4 + 8 * (expected.pushed & (expected.size - 1));

		PROVE(peer.stores == 2 && peer.store32s == 2);
		PROVE(stored32_at(&q, 0, slot) && peer.store32[0] == head);
		PROVE(stored32_at(&q, 1, slot + 4) && peer.store32[1] == written);
		expected.pushed = (uint16_t)(expected.pushed + 1);
	} else if (r == VIOMMU_E_BROKEN) {
		expected.state = VIOMMU_VIRTQ_BROKEN;
	} else {
		PROVE(r == VIOMMU_E_STATE && peer.stores == 0);
	}
	PROVE(is_same(&q, &expected) && viommu_virtq_device_is_valid(&q));
	PROVE(peer.loads == 0);
	REACHABLE(r == VIOMMU_OK && head == VIOMMU_VIRTQ_SIZE_MAX - 1 && q.pushed == 0);
	REACHABLE(r == VIOMMU_OK && (uint16_t)(q.popped - q.published) == q.size);
	REACHABLE(r == VIOMMU_E_STATE && q.state == VIOMMU_VIRTQ_READY && q.pushed == q.popped);
	REACHABLE(r == VIOMMU_E_STATE && q.state == VIOMMU_VIRTQ_READY && head >= q.size);
	REACHABLE(r == VIOMMU_E_STATE && q.state == VIOMMU_VIRTQ_BROKEN);
	REACHABLE(r == VIOMMU_OK && q.used == NULL);
	REACHABLE(r == VIOMMU_E_BROKEN && peer.stores == 2);
}

/* Proof of viommu_virtq_device_publish. What was pushed and no more, then a barrier, then the look. */
void prove_device_publish(void)
{
	struct viommu_virtq_device q = any_queue();
	struct viommu_virtq_device before = q;
	struct viommu_virtq_device expected = q;
	bool goes_out = q.state != VIOMMU_VIRTQ_OFF && q.pushed != q.published;
	bool notify;

	if (q.avail != NULL)
		peer_watch(AREA_AVAIL);
	notify = viommu_virtq_device_publish(&q);
	if (goes_out) {
		/* Entries that went out, and how many of them are from the one on that the driver waits for. */
		uint16_t out = (uint16_t)(before.pushed - before.published);
		uint16_t from = (uint16_t)(peer.load16 - before.published);

		PROVE(peer.stores == 1 && stored16_at(&q, 2) && peer.store16 == before.pushed);
		PROVE(peer.loads == (seam.write_failed ? 0 : 1));
		PROVE(seam.write_failed || loaded16_at(&q, q.event_idx ? 4 + 2 * q.size : 0));
		if (seam.write_failed)
			PROVE(!notify);
		else
			PROVE(notify == (seam.load16_failed || (q.event_idx ? from < out : (peer.load16 & 1) == 0)));
		expected.published = before.pushed;
		if (seam.write_failed || seam.load16_failed)
			expected.state = VIOMMU_VIRTQ_BROKEN;
	} else {
		PROVE(!notify && peer.stores == 0 && peer.loads == 0);
	}
	PROVE(is_same(&q, &expected) && viommu_virtq_device_is_valid(&q));
	REACHABLE(notify && q.event_idx && (uint16_t)(before.pushed - before.published) == VIOMMU_VIRTQ_SIZE_MAX);
	REACHABLE(notify && !q.event_idx);
	REACHABLE(notify && q.used == NULL && q.state == VIOMMU_VIRTQ_READY);
	REACHABLE(notify && seam.load16_failed);
	REACHABLE(goes_out && seam.write_failed);
	REACHABLE(goes_out && !notify && q.event_idx && before.published > before.pushed);
	REACHABLE(goes_out && !notify && !q.event_idx && q.state == VIOMMU_VIRTQ_BROKEN);
	REACHABLE(!goes_out && q.state == VIOMMU_VIRTQ_OFF);
	REACHABLE(!goes_out && q.state == VIOMMU_VIRTQ_READY);
}

/* Proof of viommu_virtq_device_arm. The wish, a barrier, then the look. */
void prove_device_arm(void)
{
	struct viommu_virtq_device q = any_queue();
	struct viommu_virtq_device before = q;
	bool ready = q.state == VIOMMU_VIRTQ_READY;
	bool more = viommu_virtq_device_arm(&q);

	bool failed = seam.write_failed || seam.index_failed;

	if (failed)
		before.state = VIOMMU_VIRTQ_BROKEN;
	PROVE(is_same(&q, &before) && viommu_virtq_device_is_valid(&q));
	PROVE(peer.loads == (ready && !seam.write_failed ? 1 : 0));
	PROVE(peer.stores == (ready && q.event_idx ? 1 : 0));
	PROVE(more == (failed || (ready && peer.index != q.popped)));
	PROVE(peer.stores == 0 || (stored16_at(&q, 4 + 8 * q.size) && peer.store16 == q.popped));
	REACHABLE(!more && ready && q.event_idx && q.used == NULL);
	REACHABLE(more && seam.write_failed);
	REACHABLE(more && seam.index_failed);
	REACHABLE(more && q.event_idx && q.size == VIOMMU_VIRTQ_SIZE_MAX);
	REACHABLE(!more && ready && !q.event_idx);
	REACHABLE(!ready && q.state == VIOMMU_VIRTQ_BROKEN);
}

/* Proof of find_area. A pointer that the accessors can use, or none. */
void prove_find_area(void)
{
	struct viommu_virtq_device q = { .memory = any_memory() };
	viommu_gpa gpa = nondet_u64();
	uint32_t len = nondet_u32();
	uint32_t align = nondet_u32();
	void *area;

	ASSUME(align == 1 || align == 2 || align == 4);
	seam.any_alignment = true;
	area = find_area(&q, gpa, len, align, nondet_bool() ? VIOMMU_ACCESS_READ : VIOMMU_ACCESS_WRITE);
	PROVE(area == NULL || ((uintptr_t)area % align == 0 && len != 0 && __CPROVER_w_ok(area, len)));
	PROVE(area == NULL || (area == seam.piece && seam.gpa == gpa && seam.len == len));
	PROVE(seam.calls <= 1);
	REACHABLE(area != NULL && len == UINT32_MAX);
	REACHABLE(area == NULL && seam.calls == 1 && seam.piece != NULL && align == 4);
	REACHABLE(area == NULL && q.memory.ops == &copies_only);
}

/* Has it a ring that it can be used with? */
static bool has_ring(const struct viommu_virtq_device *q)
{
	if (q->desc == NULL && q->avail == NULL && q->used == NULL)
		return q->memory.ops != &pointers_only;
	return __CPROVER_r_ok(q->desc, 16 * q->size) && __CPROVER_r_ok(q->avail, 6 + 2 * q->size) &&
	       __CPROVER_w_ok(q->used, 6 + 8 * q->size);
}

/* Proof of viommu_virtq_device_enable, find_ring. From any state; any layout. What is ready has a ring. */
void prove_device_enable(void)
{
	struct viommu_virtq_device q = { .reset = nondet_u8(), .malformed = nondet_u32(), .popped = nondet_u16() };
	struct viommu_virtq_device expected;
	struct viommu_virtq_layout layout = {
		.size = nondet_u32(),
		.desc = nondet_u64(),
		.avail = nondet_u64(),
		.used = nondet_u64(),
		.features = nondet_u64(),
	};
	enum viommu_result r;

	q.memory = any_memory();
	ASSUME(q.reset <= VIOMMU_VIRTQ_RESET_DONE);
	seam.any_alignment = true;
	expected = q;
	q.state = nondet_u8();
	r = viommu_virtq_device_enable(&q, &layout);
	PROVE(viommu_virtq_device_is_valid(&q));
	PROVE(q.malformed == expected.malformed && q.memory.ops == expected.memory.ops &&
	      q.memory.ctx == expected.memory.ctx);
	if (r == VIOMMU_OK) {
		PROVE(q.state == VIOMMU_VIRTQ_READY && q.size == layout.size && has_ring(&q));
		PROVE(q.popped == 0 && q.pushed == 0 && q.published == 0);
		PROVE(q.indirect == ((layout.features >> 28 & 1) != 0));
		PROVE(q.event_idx == ((layout.features >> 29 & 1) != 0));
		PROVE(q.order_platform == ((layout.features >> 36 & 1) != 0));
		PROVE(q.reset == VIOMMU_VIRTQ_RESET_NONE);
		PROVE(q.desc_gpa == layout.desc && q.avail_gpa == layout.avail && q.used_gpa == layout.used);
		PROVE(layout.desc % 16 == 0 && layout.avail % 2 == 0 && layout.used % 4 == 0);
		PROVE(16 * q.size - 1 <= UINT64_MAX - layout.desc && 5 + 8 * q.size <= UINT64_MAX - layout.used &&
		      5 + 2 * q.size <= UINT64_MAX - layout.avail);
	} else {
		PROVE(r == VIOMMU_E_PEER && q.state == VIOMMU_VIRTQ_OFF);
	}
	PROVE(peer.loads == 0 && peer.stores == 0 && seam.calls <= 3);
	REACHABLE(r == VIOMMU_OK && q.size == VIOMMU_VIRTQ_SIZE_MAX && q.used != NULL);
	REACHABLE(r == VIOMMU_OK && q.size == 1 && layout.desc == UINT64_MAX - 15);
	REACHABLE(r == VIOMMU_OK && q.used == NULL && seam.calls == 3);
	REACHABLE(r == VIOMMU_E_PEER && seam.calls == 0);
	REACHABLE(r == VIOMMU_E_PEER && seam.calls == 3);
}

/* Proof of viommu_virtq_device_memory_changed. Pointers of before are gone; a ring that is gone is touched no more. */
void prove_device_memory_changed(void)
{
	struct viommu_virtq_device q = any_queue();
	struct viommu_virtq_device expected = q;
	enum viommu_result r;

	seam.any_alignment = true;
	r = viommu_virtq_device_memory_changed(&q);
	expected.desc = q.desc;
	expected.avail = q.avail;
	expected.used = q.used;
	if (r == VIOMMU_E_BROKEN) {
		expected.state = VIOMMU_VIRTQ_BROKEN;
		expected.pushed = expected.popped;
		expected.published = expected.popped;
	}
	PROVE(r == VIOMMU_OK || r == VIOMMU_E_BROKEN);
	PROVE(r != VIOMMU_OK || q.state == VIOMMU_VIRTQ_OFF || has_ring(&q));
	PROVE(is_same(&q, &expected) && viommu_virtq_device_is_valid(&q));
	PROVE(peer.loads == 0 && peer.stores == 0 && seam.calls <= 3);
	REACHABLE(r == VIOMMU_OK && q.state == VIOMMU_VIRTQ_READY && q.used != NULL);
	REACHABLE(r == VIOMMU_OK && q.state == VIOMMU_VIRTQ_BROKEN && q.used == NULL);
	REACHABLE(r == VIOMMU_OK && q.state == VIOMMU_VIRTQ_OFF);
	REACHABLE(r == VIOMMU_E_BROKEN && expected.popped != 0);
}
