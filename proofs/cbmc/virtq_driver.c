/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtq_driver.c: proofs of the driver's half of the queue.
 *
 * The shadow holds anything, but for those elements that an operation comes by: of these a harness assumes what is true
 * of all (viommu_virtq_driver_check), which is the same as to assume it of all. Where an operation uses it by pointers
 * the queue has up to 8 entries; a shadow of 32768 is more than the model checker can be given. The ring has any size.
 */
#include "proof.h"

#include "../../libviommu/virtq/driver.c"

/* A queue of this size in any state that is between two calls, and its ring. */
static struct viommu_virtq_driver any_queue_of(uint32_t size, struct viommu_virtq_shadow *shadow)
{
	uint8_t *base = malloc(VIOMMU_VIRTQ_DRIVER_SHARED(size));
	struct viommu_virtq_driver q = {
		.desc = base,
		.avail = base + 16 * 5 * size,
		.used = base + VIOMMU_VIRTQ_DRIVER_USED_AT(size),
		.tables = nondet_bool() ? base + 16 * size : NULL,
		.tables_addr = nondet_u64(),
		.shadow = shadow,
		.size = size,
		.free_count = nondet_u32(),
		.reclaimed = nondet_u32(),
		.free_head = nondet_u16(),
		.added = nondet_u16(),
		.published = nondet_u16(),
		.seen = nondet_u16(),
		.batch = nondet_u16(),
		.batch_len = nondet_u32(),
		.event_idx = nondet_bool(),
		.in_order = nondet_bool(),
		.order_platform = nondet_bool(),
		.notification_data = nondet_bool(),
		.broken = nondet_bool(),
		.clamped = nondet_u32(),
	};

	peer_has(AREA_DESC, q.desc, 16 * 5 * size, false, true);
	peer_has(AREA_AVAIL, q.avail, 6 + 2 * size, false, true);
	peer_has(AREA_USED, q.used, 6 + 8 * size, true, false);
	peer.their_index = q.used + 2;
	peer.our_index = q.avail + 2;
	peer.strong = q.order_platform;
	ASSUME(viommu_virtq_driver_is_valid(&q));
	/* The tables are behind the descriptors, and init made sure that the whole of it does not wrap. */
	ASSUME(q.tables_addr <= UINT64_MAX - VIOMMU_VIRTQ_DRIVER_SHARED(size));
	return q;
}

static struct viommu_virtq_driver any_queue(void)
{
	uint32_t size = any_queue_size();

	return any_queue_of(size, malloc(sizeof(struct viommu_virtq_shadow) * size));
}

#define SMALL_QUEUE_MAX 8u

static struct viommu_virtq_shadow any_element(void)
{
	return (struct viommu_virtq_shadow){
		.token = nondet_pointer(),
		.writable_len = nondet_u32(),
		.next = nondet_u16(),
		.count = nondet_u16(),
		.tail = nondet_u16(),
		.posted = nondet_u16(),
		.position = nondet_u16(),
		.visible = nondet_bool(),
	};
}

static struct viommu_virtq_driver any_small_queue(struct viommu_virtq_shadow shadow[SMALL_QUEUE_MAX])
{
	uint32_t size = any_queue_size();

	ASSUME(size <= SMALL_QUEUE_MAX);
	for (uint32_t i = 0; i < SMALL_QUEUE_MAX; i++)
		shadow[i] = any_element();
	return any_queue_of(size, shadow);
}

static bool is_same(const struct viommu_virtq_driver *a, const struct viommu_virtq_driver *b)
{
	return a->desc == b->desc && a->avail == b->avail && a->used == b->used && a->tables == b->tables &&
	       a->tables_addr == b->tables_addr && a->shadow == b->shadow && a->size == b->size &&
	       a->free_count == b->free_count && a->reclaimed == b->reclaimed && a->free_head == b->free_head &&
	       a->added == b->added && a->published == b->published && a->seen == b->seen && a->batch == b->batch &&
	       a->batch_len == b->batch_len && a->event_idx == b->event_idx && a->in_order == b->in_order &&
	       a->order_platform == b->order_platform && a->notification_data == b->notification_data &&
	       a->broken == b->broken && a->clamped == b->clamped;
}

/* By value: the model checker finds its way in the array by an index, and not well by a pointer. */
static bool is_same_shadow(struct viommu_virtq_shadow a, struct viommu_virtq_shadow b)
{
	return a.token == b.token && a.writable_len == b.writable_len && a.next == b.next && a.count == b.count &&
	       a.tail == b.tail && a.posted == b.posted && a.position == b.position && !a.visible == !b.visible;
}

/* An element of the shadow, any one. */
static uint32_t any_index(const struct viommu_virtq_driver *q)
{
	uint32_t i = nondet_u32();

	ASSUME(i < q->size);
	return i;
}

/*
 * What is true of each element of the shadow. Of a head in flight: its chain is among the descriptors that are not
 * free, and leaves one at least to each other chain; it was added between those that were taken back and now.
 */
static bool head_holds(const struct viommu_virtq_driver *q, uint32_t head)
{
	const struct viommu_virtq_shadow *s = &q->shadow[head];
	uint16_t in_flight = (uint16_t)(q->added - q->seen);
	uint16_t place = (uint16_t)(s->position - q->seen);

	if (s->token == NULL)
		return !s->visible;
	if (q->in_order && (place >= in_flight || s->visible != (place < (uint16_t)(q->published - q->seen))))
		return false;
	return s->count >= 1 && s->count <= q->size - q->free_count && s->tail < q->size && in_flight != 0 &&
	       in_flight - 1u <= q->size - q->free_count - s->count;
}

/* With IN_ORDER: the oldest head in flight, if there is one. Otherwise any. */
static uint32_t assume_oldest(const struct viommu_virtq_driver *q)
{
	uint32_t head = q->shadow[q->seen & (q->size - 1)].posted;

	if (!q->in_order || q->added == q->seen)
		return any_index(q);
	ASSUME(head < q->size && q->shadow[head].token != NULL && q->shadow[head].position == q->seen);
	ASSUME(head_holds(q, head));
	return head;
}

/* Stands for hand_back where nothing may be handed back. */
void no_hand_back(struct viommu_virtq_driver *q, struct viommu_virtq_shadow *s, uint32_t len, void **token,
		  uint32_t *written)
{
	(void)q;
	(void)s;
	(void)len;
	(void)token;
	(void)written;
	__CPROVER_assert(false, "nothing is handed back");
	ASSUME(false);
}

/*
 * Proof of viommu_virtq_driver_pop. With hand_back as no_hand_back. From the index up to an id that names nothing:
 * where it looks, and that nothing but `broken` changes.
 */
void prove_driver_pop_ring(void)
{
	struct viommu_virtq_driver q = any_queue();
	struct viommu_virtq_driver expected = q;
	uint32_t written = nondet_u32();
	void *token;
	enum viommu_result r;
	uint16_t ready;

	ASSUME(q.batch == 0);
	peer.ids = q.size;
	peer.id = UINT32_MAX;
	peer_watch(AREA_USED);
	r = viommu_virtq_driver_pop(&q, &token, &written);
	ready = (uint16_t)(peer.index - q.seen);
	PROVE((r == VIOMMU_E_EMPTY) == (!expected.broken && ready == 0));
	PROVE(r == VIOMMU_E_EMPTY || r == VIOMMU_E_BROKEN);
	PROVE((peer.load32s != 0) == (!expected.broken && ready != 0 && ready <= (uint16_t)(q.published - q.seen)));
	PROVE(peer.load32s == 0 || (peer.load32_at[0] == q.used + 4 + 8 * (q.seen & (q.size - 1)) &&
				    peer.load32_at[1] == peer.load32_at[0] + 4));
	expected.broken = r == VIOMMU_E_BROKEN;
	PROVE(is_same(&q, &expected) && peer.stores == 0);
	REACHABLE(r == VIOMMU_E_BROKEN && peer.load32s != 0 && q.size == VIOMMU_VIRTQ_SIZE_MAX && q.seen == UINT16_MAX);
	REACHABLE(r == VIOMMU_E_BROKEN && peer.load32s != 0 && peer.load32[0] == q.size);
	REACHABLE(r == VIOMMU_E_BROKEN && peer.loads == 1);
	REACHABLE(r == VIOMMU_E_EMPTY);
}

/*
 * Proof of viommu_virtq_driver_pop. Unwind 9. Bound: queues of up to 8. In order or
 * not, in a batch or not: what is given back was posted and is visible, once, and no longer than posted.
 */
void prove_driver_pop(void)
{
	struct viommu_virtq_shadow shadow[SMALL_QUEUE_MAX];
	struct viommu_virtq_driver q = any_small_queue(shadow);
	struct viommu_virtq_driver before = q;
	struct viommu_virtq_driver expected = q;
	uint32_t named = any_index(&q); /* by the device, if it names one that exists */
	uint32_t other = any_index(&q);
	struct viommu_virtq_shadow n = q.shadow[named];
	struct viommu_virtq_shadow o = q.shadow[other];
	uint32_t oldest = assume_oldest(&q);
	uint32_t taken = q.in_order ? oldest : named;
	struct viommu_virtq_shadow s = q.shadow[taken];
	void *any_token = nondet_pointer(), *token = any_token;
	uint32_t any_written = nondet_u32(), written = any_written;
	uint16_t covered = (uint16_t)(n.position - before.seen + 1); /* chains, by an entry that names this one */
	bool looks = !q.broken && q.batch == 0;
	bool names_one;
	enum viommu_result r;
	uint16_t ready;

	ASSUME(head_holds(&q, named));
	peer.ids = q.size;
	peer.id = named;
	peer_watch(AREA_USED);
	r = viommu_virtq_driver_pop(&q, &token, &written);
	ready = (uint16_t)(peer.index - before.seen);
	names_one = ready != 0 && ready <= (uint16_t)(before.published - before.seen) && peer.load32[0] < q.size &&
		    n.token != NULL && n.visible && (!q.in_order || covered <= ready);
	PROVE(peer.stores == 0 && peer.loads <= 3 && (looks || peer.loads == 0));
	PROVE((r == VIOMMU_E_EMPTY) == (looks && ready == 0));
	PROVE((r == VIOMMU_OK) == (!before.broken && (!looks || names_one)));
	if (peer.load32s != 0) {
		const uint8_t *slot = q.used + 4 + 8 * (before.seen & (q.size - 1));

		PROVE(peer.load32s == 2 && peer.load32_at[0] == slot && peer.load32_at[1] == slot + 4);
	}
	if (r == VIOMMU_OK) {
		uint32_t len = looks ? peer.load32[1] : before.batch_len;

		if (q.in_order) {
			expected.batch = (uint16_t)((looks ? covered : before.batch) - 1);
			expected.batch_len = len;
			if (expected.batch != 0)
				len = s.writable_len;
		}
		PROVE(token == s.token && s.visible && s.token != NULL);
		PROVE(written == (len <= s.writable_len ? len : s.writable_len));
		PROVE(q.shadow[taken].token == NULL);
		if (len > s.writable_len && before.clamped != UINT32_MAX)
			expected.clamped++;
		expected.seen = (uint16_t)(before.seen + 1);
		if (!q.in_order)
			expected.free_head = (uint16_t)named;
		expected.free_count += s.count;
		if (other == taken) {
			o.token = NULL;
			o.visible = false;
		}
		if (!q.in_order && other == s.tail)
			o.next = before.free_head;
	} else {
		PROVE(r == VIOMMU_E_EMPTY || r == VIOMMU_E_BROKEN);
		PROVE(token == any_token && written == any_written);
		expected.broken = r == VIOMMU_E_BROKEN;
	}
	PROVE(is_same(&q, &expected) && is_same_shadow(q.shadow[other], o));
	PROVE(viommu_virtq_driver_is_valid(&q) && (r != VIOMMU_OK || head_holds(&q, taken)));
	REACHABLE(r == VIOMMU_OK && q.size == SMALL_QUEUE_MAX && q.seen == 0);
	REACHABLE(r == VIOMMU_OK && s.count == SMALL_QUEUE_MAX);
	REACHABLE(r == VIOMMU_OK && q.clamped != before.clamped && written == 0);
	REACHABLE(r == VIOMMU_OK && looks && q.batch == SMALL_QUEUE_MAX - 1);
	REACHABLE(r == VIOMMU_OK && !looks && q.batch == 0 && q.clamped != before.clamped);
	REACHABLE(r == VIOMMU_E_BROKEN && !before.broken && peer.load32s == 0);
	REACHABLE(r == VIOMMU_E_BROKEN && peer.load32s != 0 && peer.load32[0] >= q.size);
	REACHABLE(r == VIOMMU_E_BROKEN && peer.load32[0] == named && n.token != NULL && !n.visible);
	REACHABLE(r == VIOMMU_E_BROKEN && peer.load32[0] == named && n.visible && n.token != NULL && covered > ready);
	REACHABLE(r == VIOMMU_E_BROKEN && before.broken);
	REACHABLE(r == VIOMMU_E_EMPTY);
}

/* Proof of viommu_virtq_driver_publish. Unwind 3. Bound: up to 2 chains at once. They become visible, then the look. */
void prove_driver_publish(void)
{
	struct viommu_virtq_driver q = any_queue();
	struct viommu_virtq_driver before = q;
	struct viommu_virtq_driver expected = q;
	uint16_t out = (uint16_t)(q.added - q.published);
	uint32_t other = any_index(&q);
	struct viommu_virtq_shadow o = q.shadow[other];
	bool was_posted = false;
	bool kick;

	ASSUME(q.broken || out <= 2);
	for (uint16_t i = 0; !q.broken && i < out; i++) {
		uint16_t head = q.shadow[(q.published + i) & (q.size - 1)].posted;

		ASSUME(head < q.size); /* viommu_virtq_driver_check: unpublished_are_valid */
		was_posted = was_posted || head == other;
	}
	peer_watch(AREA_USED);
	kick = viommu_virtq_driver_publish(&q);
	if (before.broken || out == 0) {
		PROVE(!kick && peer.loads == 0 && peer.stores == 0);
	} else {
		uint16_t from = (uint16_t)(peer.load16 - before.published);

		PROVE(peer.stores == 1 && peer.store16_at == q.avail + 2 && peer.store16 == before.added);
		PROVE(peer.loads == 1);
		PROVE(peer.load16_at == q.used + (q.event_idx ? 4 + 8 * q.size : 0));
		PROVE(kick == (q.event_idx ? from < out : (peer.load16 & 1) == 0));
		expected.published = before.added;
		o.visible = o.visible || was_posted;
	}
	PROVE(is_same(&q, &expected) && is_same_shadow(q.shadow[other], o));
	PROVE(viommu_virtq_driver_is_valid(&q));
	REACHABLE(kick && q.event_idx && out == 2 && q.size == VIOMMU_VIRTQ_SIZE_MAX && q.published < before.published);
	REACHABLE(!kick && q.event_idx && !q.broken && out == 1);
	REACHABLE(kick && !q.event_idx);
	REACHABLE(!kick && !q.event_idx && !q.broken && out != 0);
	REACHABLE(before.broken);
	REACHABLE(!before.broken && out == 0);
}

/* Proof of viommu_virtq_driver_arm. The wish, a barrier, then the look. */
void prove_driver_arm(void)
{
	struct viommu_virtq_driver q = any_queue();
	struct viommu_virtq_driver before = q;
	bool more = viommu_virtq_driver_arm(&q);

	PROVE(is_same(&q, &before));
	PROVE(peer.loads == (q.broken ? 0 : 1) && peer.stores == (!q.broken && q.event_idx ? 1 : 0));
	PROVE(more == (!q.broken && peer.index != q.seen));
	PROVE(peer.stores == 0 || (peer.store16_at == q.avail + 4 + 2 * q.size && peer.store16 == q.seen));
	REACHABLE(more && q.event_idx && q.size == VIOMMU_VIRTQ_SIZE_MAX);
	REACHABLE(!more && !q.event_idx && !q.broken);
	REACHABLE(q.broken);
}

#define SEGMENTS_MAX 5u

/*
 * Proof of viommu_virtq_driver_add. Unwind 6. Bound: queues of up to 8; up to 5 segments, which are more than fit into
 * a table, and any number too many. What is put goes into free descriptors and their tables; what is refused changes nothing.
 */
void prove_driver_add(void)
{
	struct viommu_virtq_shadow shadow[SMALL_QUEUE_MAX]; /* any */
	struct viommu_bus_segment segments[SEGMENTS_MAX];   /* any */
	uint32_t size = 1u << (nondet_u8() & 3);
	struct viommu_virtq_driver q = any_queue_of(size, shadow);
	struct viommu_virtq_driver before = q;
	struct viommu_virtq_driver expected = q;
	uint32_t readable = nondet_u32();
	uint32_t writable = nondet_u32();
	uint64_t count = (uint64_t)readable + writable;
	bool indirect = q.tables != NULL && count >= 2 && count <= 4;
	uint32_t descriptors = indirect ? 1 : (uint32_t)count;
	void *token = nondet_pointer();
	uint32_t other = any_index(&q);
	uint32_t last = 0;
	struct viommu_virtq_shadow o = q.shadow[other];
	enum viommu_result r;

	ASSUME(count <= SEGMENTS_MAX || count > q.size);
	if (count <= SEGMENTS_MAX && descriptors <= q.free_count) {
		/* The free list, as far as it is used. */
		uint32_t next = q.free_head;

		for (uint32_t i = 0; i < descriptors; i++) {
			ASSUME(next < q.size);
			last = next;
			next = q.shadow[next].next;
		}
		ASSUME(next <= q.size - q.in_order);
		expected.free_head = (uint16_t)next;
		if (descriptors != 0)
			ASSUME(q.shadow[q.free_head].token == NULL && head_holds(&q, q.free_head));
		o = q.shadow[other];
	}
	r = viommu_virtq_driver_add(&q, segments, readable, writable, token);
	if (r == VIOMMU_OK) {
		struct viommu_virtq_shadow s = q.shadow[before.free_head];

		PROVE(token != NULL && count >= 1 && count <= q.size && descriptors <= before.free_count);
		PROVE(peer.stores == peer.copies_out + 1 && peer.copies_out == count + (indirect ? 1 : 0));
		PROVE(peer.store16_at == q.avail + 4 + 2 * (before.added & (q.size - 1)));
		PROVE(peer.store16 == before.free_head);
		PROVE(s.token == token && s.count == descriptors && s.tail == last && !s.visible);
		PROVE(writable != 0 || s.writable_len == 0);
		PROVE(q.shadow[before.added & (q.size - 1)].posted == before.free_head);
		expected.added = (uint16_t)(before.added + 1);
		expected.free_count -= descriptors;
		if (other == before.free_head) {
			o.token = token;
			o.count = (uint16_t)descriptors;
			o.tail = (uint16_t)last;
			o.visible = false;
			o.position = before.added;
			o.writable_len = s.writable_len;
		}
		if (other == (before.added & (q.size - 1)))
			o.posted = before.free_head;
	} else {
		PROVE(r == VIOMMU_E_ARG || r == VIOMMU_E_FULL || r == VIOMMU_E_BROKEN);
		PROVE(r != VIOMMU_E_FULL || descriptors > before.free_count);
		PROVE(peer.stores == peer.copies_out && (r == VIOMMU_E_ARG || peer.stores == 0));
		expected = before;
	}
	PROVE((r == VIOMMU_E_BROKEN) == before.broken);
	PROVE(is_same(&q, &expected) && is_same_shadow(q.shadow[other], o));
	PROVE(viommu_virtq_driver_is_valid(&q));
	PROVE(peer.loads == 0);
	REACHABLE(r == VIOMMU_OK && indirect && count == 4 && q.size == SMALL_QUEUE_MAX);
	REACHABLE(r == VIOMMU_OK && !indirect && count == SEGMENTS_MAX && q.free_count == 0);
	REACHABLE(r == VIOMMU_OK && q.size == 1 && q.added == 0);
	REACHABLE(r == VIOMMU_OK && count == 1 && q.shadow[before.free_head].writable_len == UINT32_MAX);
	REACHABLE(r == VIOMMU_E_FULL && before.free_count != 0);
	REACHABLE(r == VIOMMU_E_ARG && peer.stores != 0);
	REACHABLE(r == VIOMMU_E_ARG && count == UINT64_C(2) * UINT32_MAX);
	REACHABLE(r == VIOMMU_E_BROKEN);
}

/* Proof of viommu_virtq_driver_notification. The index of the queue, and with NOTIFICATION_DATA that of its ring. */
void prove_driver_notification(void)
{
	struct viommu_virtq_driver q = any_queue();
	struct viommu_virtq_driver before = q;
	uint16_t index = nondet_u16();
	uint32_t data = viommu_virtq_driver_notification(&q, index);

	PROVE(is_same(&q, &before) && peer.loads == 0 && peer.stores == 0);
	PROVE((data & 0xffff) == index && data >> 16 == (q.notification_data ? q.published : 0));
	REACHABLE(data == UINT32_MAX);
	REACHABLE(data == UINT16_MAX && q.published != 0);
}

/* Proof of viommu_virtq_driver_reclaim. Unwind 9. Bound: queues of up to 8. Each token once. */
void prove_driver_reclaim(void)
{
	struct viommu_virtq_shadow shadow[SMALL_QUEUE_MAX];
	struct viommu_virtq_driver q = any_small_queue(shadow);
	struct viommu_virtq_driver before = q;
	struct viommu_virtq_driver expected = q;
	uint32_t other = any_index(&q);
	struct viommu_virtq_shadow o = q.shadow[other];
	void *token;

	for (uint32_t i = q.reclaimed; i < q.size; i++)
		ASSUME(head_holds(&q, i));
	token = viommu_virtq_driver_reclaim(&q);
	PROVE(q.reclaimed >= before.reclaimed && q.reclaimed <= q.size);
	expected.reclaimed = q.reclaimed;
	expected.broken = true;
	if (token != NULL) {
		PROVE(q.reclaimed < q.size && q.shadow[q.reclaimed].token == NULL);
		expected.seen = (uint16_t)(before.seen + 1);
	} else {
		PROVE(q.reclaimed == q.size);
	}
	if (token != NULL && other == q.reclaimed) {
		PROVE(o.token == token);
		o.token = NULL;
	}
	PROVE(token == NULL || other < before.reclaimed || other >= q.reclaimed || o.token == NULL);
	PROVE(is_same(&q, &expected) && is_same_shadow(q.shadow[other], o));
	PROVE(viommu_virtq_driver_is_valid(&q));
	PROVE(peer.loads == 0 && peer.stores == 0);
	REACHABLE(token != NULL && q.reclaimed == SMALL_QUEUE_MAX - 1 && before.reclaimed == q.reclaimed - 3);
	REACHABLE(token == NULL && before.reclaimed == q.size);
}

/* Stands for memset of bytes that nobody looks at again. */
void *any_memset(void *dst, int value, size_t len)
{
	__CPROVER_assert(value == 0 && __CPROVER_w_ok(dst, len), "what is zeroed is there");
	return dst;
}

/*
 * Proof of viommu_virtq_driver_init. With memset as any_memset. Unwind 9. Bound: what is accepted has up to 8 entries.
 * Each area in the memory that was given and where it may be; what is refused changes nothing.
 */
void prove_driver_init(void)
{
	struct viommu_virtq_driver q = { .size = nondet_u32(), .added = nondet_u16() };
	struct viommu_virtq_driver before = q;
	uint32_t size = nondet_u32();
	uint64_t features = nondet_u64();
	struct viommu_shared_memory shared = { .addr = nondet_u64(), .len = nondet_size() };
	struct viommu_virtq_shadow shadow[SMALL_QUEUE_MAX];
	struct viommu_virtq_layout layout = { .size = nondet_u32(), .used = nondet_u64() };
	struct viommu_virtq_layout layout_before = layout;
	size_t skew = nondet_size();
	enum viommu_result r;

	ASSUME(shared.len < OBJECT_MAX - 16 && skew < 16 && shared.len != 0);
	ASSUME(!viommu_virtq_size_is_valid(size) || size <= SMALL_QUEUE_MAX ||
	       shared.len < VIOMMU_VIRTQ_DRIVER_SHARED(size));
	shared.base = (uint8_t *)malloc(shared.len + skew) + skew;
	r = viommu_virtq_driver_init(&q, size, features, &shared, shadow, &layout);
	if (r == VIOMMU_OK) {
		uint32_t i = any_index(&q);

		PROVE(viommu_virtq_driver_is_valid(&q));
		PROVE(q.size == size && q.free_count == size && q.free_head == 0 && !q.broken && q.reclaimed == 0);
		PROVE(q.added == 0 && q.published == 0 && q.seen == 0 && q.clamped == 0);
		PROVE(shadow[i].next == (q.in_order && i == size - 1 ? 0 : i + 1) && shadow[i].token == NULL);
		PROVE(q.event_idx == ((features >> 29 & 1) != 0) && (q.tables != NULL) == ((features >> 28 & 1) != 0));
		PROVE(q.in_order == ((features >> 35 & 1) != 0) && q.order_platform == ((features >> 36 & 1) != 0));
		PROVE(q.notification_data == ((features >> 38 & 1) != 0) && q.batch == 0);
		PROVE(layout.size == size && layout.features == features);
		PROVE(layout.desc == shared.addr && layout.desc % 16 == 0);
		PROVE(layout.avail - layout.desc == 80 * size && layout.avail % 2 == 0);
		PROVE(layout.used >= layout.avail + 6 + 2 * size && layout.used % 4 == 0);
		PROVE(layout.used + 6 + 8 * size - 1 - layout.desc < shared.len);
		PROVE(q.avail == (uint8_t *)shared.base + 80 * size);
		PROVE((uint64_t)(q.used - (uint8_t *)shared.base) == layout.used - layout.desc);
		PROVE(q.tables == NULL || q.tables_addr == layout.desc + 16 * size);
	} else {
		PROVE(r == VIOMMU_E_ARG);
		PROVE(is_same(&q, &before));
		PROVE(layout.size == layout_before.size && layout.used == layout_before.used);
	}
	REACHABLE(r == VIOMMU_OK && size == 1 && q.tables == NULL);
	REACHABLE(r == VIOMMU_OK && size == 8 && q.tables != NULL && shared.len == VIOMMU_VIRTQ_DRIVER_SHARED(8));
	REACHABLE(r == VIOMMU_E_ARG && size == VIOMMU_VIRTQ_SIZE_MAX);
	REACHABLE(r == VIOMMU_E_ARG && size == 8 && shared.len >= VIOMMU_VIRTQ_DRIVER_SHARED(8));
}
