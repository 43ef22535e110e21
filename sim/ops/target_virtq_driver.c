/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_virtq_driver.c: the driver's half of the virtqueue against a device that writes what it likes, wherever it
 * likes, into the shared memory.
 *
 * The model knows what was posted: for each head the token, the writable length and the descriptors it took. Each
 * call's outcome is foretold from that and from the used ring, and from nothing else: so what the device did to the
 * descriptors and the available ring has no influence, or the foretelling fails. Right after add the chain is read back
 * as an honest device would, and has to say what was asked. Each call may write its own fields only.
 */
#include <string.h>

#include <viommu/virtq.h>
#include <viommu/wire.h>

#include "targets.h"

#define CHECK SIM_OPS_CHECK

#define SIZE_MAX_LOG 4u
#define ENTRIES_MAX (1u << SIZE_MAX_LOG)
#define SHARED_LEN VIOMMU_VIRTQ_DRIVER_SHARED(ENTRIES_MAX)
#define BUS UINT64_C(0xfffffff0) /* it crosses 4 GiB */
#define CANARY_LEN 64u
#define CANARY 0xc3u
#define SEGMENTS 20u /* more than the largest queue has descriptors */

#define F_NEXT 1u
#define F_WRITE 2u
#define F_INDIRECT 4u

/* A chain that was added and has not come back. */
struct posted {
	const void *token; /* NULL: this is not the head of one */
	uint64_t writable_len;
	uint32_t descriptors;
	uint16_t index[ENTRIES_MAX]; /* of these */
	bool visible;
};

struct shared {
	_Alignas(64) uint8_t canary0[CANARY_LEN];
	uint8_t bytes[SHARED_LEN];
	uint8_t canary1[CANARY_LEN];
};

struct world {
	struct shared now, before;
	struct viommu_virtq_driver q;
	struct viommu_virtq_shadow shadow[ENTRIES_MAX];
	struct viommu_virtq_layout layout;
	/* the model */
	bool on, broken;
	uint32_t size;
	bool indirect, event_idx, notification_data, in_order;
	uint64_t next_descriptor; /* in_order: the one to be taken next */
	uint16_t batch;           /* in_order: so many are still to come back before the used ring is read again */
	uint64_t batch_len;
	struct posted posted[ENTRIES_MAX]; /* by head */
	uint16_t ring[ENTRIES_MAX];        /* heads by their place in the available ring */
	bool taken[ENTRIES_MAX];           /* descriptors of the queue's table that belong to something in flight */
	uint32_t free_count;
	uint16_t added, published, seen;
	uint32_t in_flight;
	uint32_t next_token;
	uint32_t clamped;
	struct viommu_bus_segment segments[SEGMENTS];
	char tokens[65536]; /* their addresses */
};

static struct world w;

/* Shared memory */

static uint8_t *at_bus(uint64_t addr)
{
	return w.now.bytes + (addr - BUS);
}

static uint64_t load(uint64_t addr, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)at_bus(addr)[i] << (8 * i);
	return value;
}

static void device_store(uint64_t offset, const uint8_t *src, size_t len)
{
	for (size_t i = 0; i < len && offset + i < SHARED_LEN; i++)
		w.now.bytes[offset + i] = src[i];
}

static void device_store_number(uint64_t addr, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		at_bus(addr)[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t used_index_at(void)
{
	return w.layout.used + 2;
}

/* The driver may have changed these bytes. */
static void allow(uint64_t addr, uint64_t len)
{
	memcpy(w.before.bytes + (addr - BUS), at_bus(addr), (size_t)len);
}

static void check_untouched(void)
{
	CHECK(memcmp(&w.before, &w.now, sizeof w.now) == 0);
}

/* The calls */

static void init(uint32_t log, uint32_t features, uint32_t more)
{
	struct viommu_shared_memory shared = { w.now.bytes, BUS, VIOMMU_VIRTQ_DRIVER_SHARED(1u << log) };
	uint64_t bits = ((features & 1) != 0 ? VIOMMU_F_INDIRECT_DESC : 0) |
			((features & 2) != 0 ? VIOMMU_F_EVENT_IDX : 0) |
			((more & 1) != 0 ? VIOMMU_F_ORDER_PLATFORM : 0) |
			((more & 2) != 0 ? VIOMMU_F_NOTIFICATION_DATA : 0) | ((more & 4) != 0 ? VIOMMU_F_IN_ORDER : 0);
	uint32_t size = 1u << log;

	CHECK(viommu_virtq_driver_init(&w.q, size, bits, &shared, w.shadow, &w.layout) == VIOMMU_OK);
	w.on = true;
	w.broken = false;
	w.size = size;
	w.indirect = (features & 1) != 0;
	w.event_idx = (features & 2) != 0;
	w.notification_data = (more & 2) != 0;
	w.in_order = (more & 4) != 0;
	w.next_descriptor = 0;
	w.batch = 0;
	memset(w.posted, 0, sizeof w.posted);
	memset(w.taken, 0, sizeof w.taken);
	w.free_count = size;
	w.added = w.published = w.seen = 0;
	w.in_flight = 0;
	w.clamped = 0;
	/* All of it, and nothing behind it, is the queue's, and zeroes. */
	for (size_t i = 0; i < shared.len; i++)
		CHECK(w.now.bytes[i] == 0);
	allow(BUS, shared.len);
	CHECK(w.layout.size == size && w.layout.features == bits);
	CHECK(w.layout.desc % 16 == 0 && w.layout.avail % 2 == 0 && w.layout.used % 4 == 0);
	CHECK(w.layout.desc >= BUS && w.layout.avail >= w.layout.desc + 16 * size);
	CHECK(w.layout.used >= w.layout.avail + 6 + 2 * size);
	CHECK(w.layout.used + 6 + 8 * size <= BUS + shared.len);
}

/* Reads descriptor `index` of a table as a device would, and compares it. Returns where it leads. */
static uint64_t check_descriptor(uint64_t table, uint64_t index, uint32_t i, uint32_t readable, uint32_t count)
{
	uint64_t at = table + 16 * index;
	unsigned flags = (i >= readable ? F_WRITE : 0) | (i + 1 < count ? F_NEXT : 0);

	CHECK(load(at, 8) == w.segments[i].addr && load(at + 8, 4) == w.segments[i].len && load(at + 12, 2) == flags);
	allow(at, 16);
	return load(at + 14, 2);
}

static void take_descriptor(uint16_t head, uint64_t index)
{
	CHECK(index < w.size && !w.taken[index]);
	/* VQ-DRV-DESC-02 */
	CHECK(!w.in_order || index == w.next_descriptor++ % w.size);
	w.taken[index] = true;
	w.posted[head].index[w.posted[head].descriptors++] = (uint16_t)index;
}

static void check_indirect(uint16_t head, uint32_t readable, uint32_t count)
{
	uint64_t at = w.layout.desc + 16 * head;
	uint64_t table = load(at, 8);
	uint64_t index = 0;

	take_descriptor(head, head);
	CHECK(load(at + 8, 4) == 16 * count && load(at + 12, 2) == F_INDIRECT);
	/* Its own table, which no other head uses. */
	CHECK(table == w.layout.desc + 16 * w.size + VIOMMU_VIRTQ_TABLE_ENTRIES * 16u * head);
	allow(at, 16);
	for (uint32_t i = 0; i < count; i++) {
		CHECK(index < count);
		index = check_descriptor(table, index, i, readable, count);
	}
}

static void check_direct(uint16_t head, uint32_t readable, uint32_t count)
{
	uint64_t index = head;

	for (uint32_t i = 0; i < count; i++) {
		take_descriptor(head, index);
		index = check_descriptor(w.layout.desc, index, i, readable, count);
	}
}

static bool fits(uint32_t readable, uint32_t writable)
{
	return readable <= w.size && writable <= w.size && readable + writable <= w.size && readable + writable != 0;
}

static bool is_too_long(uint32_t count)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < count; i++)
		total += w.segments[i].len;
	return total > UINT64_C(1) << 32;
}

static void add(uint32_t readable, uint32_t writable, uint32_t len, bool with_token)
{
	void *token = with_token ? &w.tokens[w.next_token % sizeof w.tokens] : NULL;
	bool indirect = w.indirect && readable + writable >= 2 && readable + writable <= VIOMMU_VIRTQ_TABLE_ENTRIES;
	uint32_t needed = indirect ? 1 : readable + writable;
	enum viommu_result foretold = VIOMMU_OK;
	uint64_t entry;
	uint16_t head;

	for (uint32_t i = 0; i < SEGMENTS; i++)
		w.segments[i] = (struct viommu_bus_segment){ UINT64_C(0x123456789000) * i + w.next_token, len + i };
	if (w.broken)
		foretold = VIOMMU_E_BROKEN;
	else if (!with_token || !fits(readable, writable))
		foretold = VIOMMU_E_ARG;
	else if (w.free_count < needed)
		foretold = VIOMMU_E_FULL;
	else if (is_too_long(readable + writable))
		foretold = VIOMMU_E_ARG; /* only looked at where there is room */
	CHECK(viommu_virtq_driver_add(&w.q, w.segments, readable, writable, token) == foretold);
	/* It is found out while free descriptors are written. */
	if (foretold == VIOMMU_E_ARG)
		allow(w.layout.desc, w.layout.avail - w.layout.desc);
	if (foretold != VIOMMU_OK)
		return;
	w.next_token++;
	entry = w.layout.avail + 4 + 2 * (w.added % w.size);
	head = (uint16_t)load(entry, 2);
	allow(entry, 2);
	CHECK(head < w.size && w.posted[head].token == NULL);
	w.posted[head] = (struct posted){ .token = token };
	if (indirect)
		check_indirect(head, readable, readable + writable);
	else
		check_direct(head, readable, readable + writable);
	CHECK(w.posted[head].descriptors == needed);
	for (uint32_t i = 0; i < writable; i++)
		w.posted[head].writable_len += w.segments[readable + i].len;
	w.ring[w.added % w.size] = head;
	w.free_count -= needed;
	w.added++;
	w.in_flight++;
}

/* Is the index that the device waits for among those that are new? */
static bool wants_to_hear(uint16_t before)
{
	uint64_t event = load(w.layout.used + 4 + 8 * w.size, 2);

	if (!w.event_idx)
		return (load(w.layout.used, 2) & 1) == 0;
	for (uint16_t i = before; i != w.published; i++) {
		if (i == event)
			return true;
	}
	return false;
}

static void publish(void)
{
	bool kick = viommu_virtq_driver_publish(&w.q);
	uint16_t before = w.published;

	if (w.broken || before == w.added) {
		CHECK(!kick);
		return;
	}
	for (; w.published != w.added; w.published++)
		w.posted[w.ring[w.published % w.size]].visible = true;
	CHECK(load(w.layout.avail + 2, 2) == w.published);
	allow(w.layout.avail + 2, 2);
	CHECK(kick == wants_to_hear(before));
}

/* What the head took is free again. */
static void come_back(uint32_t head)
{
	for (uint32_t i = 0; i < w.posted[head].descriptors; i++)
		w.taken[w.posted[head].index[i]] = false;
	w.free_count += w.posted[head].descriptors;
	w.posted[head].token = NULL;
	w.in_flight--;
}

static enum viommu_result foretell_pop(uint32_t *id, uint64_t *len)
{
	uint16_t ready = (uint16_t)(load(used_index_at(), 2) - w.seen);
	uint64_t entry = w.layout.used + 4 + 8 * (w.seen % w.size);

	if (w.broken)
		return VIOMMU_E_BROKEN;
	if (w.batch > 0)
		return VIOMMU_OK;
	if (ready == 0)
		return VIOMMU_E_EMPTY;
	/* More than the device has been shown, less what has come back. */
	if (ready > (uint16_t)(w.published - w.seen))
		return VIOMMU_E_BROKEN;
	*id = (uint32_t)load(entry, 4);
	*len = load(entry + 4, 4);
	if (*id >= w.size || w.posted[*id].token == NULL || !w.posted[*id].visible)
		return VIOMMU_E_BROKEN;
	if (w.in_order) {
		/* It stands for all up to it, and those have to be in front of the index. */
		while (w.ring[(uint16_t)(w.seen + w.batch++) % w.size] != *id)
			;
		if (w.batch > ready)
			return VIOMMU_E_BROKEN;
		w.batch_len = *len;
	}
	return VIOMMU_OK;
}

static void pop(void)
{
	uint32_t id = 0, written = 0;
	uint64_t len = 0;
	enum viommu_result foretold = foretell_pop(&id, &len);
	void *token = NULL;

	CHECK(viommu_virtq_driver_pop(&w.q, &token, &written) == foretold);
	if (foretold == VIOMMU_E_BROKEN)
		w.broken = true;
	if (foretold != VIOMMU_OK)
		return;
	if (w.in_order) {
		id = w.ring[w.seen % w.size];
		w.batch--;
		/* Those in front of the last one are as good as written completely. */
		len = w.batch == 0 ? w.batch_len : UINT32_MAX;
		if (w.batch > 0 && len > w.posted[id].writable_len)
			len = w.posted[id].writable_len;
	}
	CHECK(token == w.posted[id].token);
	w.clamped += len > w.posted[id].writable_len;
	CHECK(written == (len > w.posted[id].writable_len ? w.posted[id].writable_len : len));
	CHECK(w.q.clamped == w.clamped);
	w.seen++;
	come_back(id);
}

static void arm(void)
{
	bool more = viommu_virtq_driver_arm(&w.q);

	if (w.broken) {
		CHECK(!more);
		return;
	}
	if (w.event_idx) {
		CHECK(load(w.layout.avail + 4 + 2 * w.size, 2) == w.seen);
		allow(w.layout.avail + 4 + 2 * w.size, 2);
	}
	CHECK(more == (load(used_index_at(), 2) != w.seen));
}

/* Each token that is out comes back once, in any order. */
static void reclaim_one(void)
{
	const void *token = viommu_virtq_driver_reclaim(&w.q);
	uint32_t head = 0;

	w.broken = true;
	if (w.in_flight == 0) {
		CHECK(token == NULL);
		return;
	}
	CHECK(token != NULL);
	while (head < w.size && w.posted[head].token != token)
		head++;
	CHECK(head < w.size);
	w.posted[head].token = NULL;
	w.in_flight--;
	w.seen++;
}

/* The device's side */

/* An entry in the used ring, honest or not. */
static void put_used(uint64_t id, uint64_t len, uint64_t steps)
{
	uint64_t index = load(used_index_at(), 2);

	device_store_number(w.layout.used + 4 + 8 * (index % w.size), 4, id);
	device_store_number(w.layout.used + 8 + 8 * (index % w.size), 4, len);
	device_store_number(used_index_at(), 2, index + steps);
}

/* Finishes one of the chains that it can know of, or, if the order has to be kept, all up to one. */
static void complete(uint64_t which, uint64_t len)
{
	uint16_t used = (uint16_t)load(used_index_at(), 2);
	uint16_t waiting = (uint16_t)(w.published - used);

	if (w.in_order && waiting != 0) {
		uint16_t batch = (uint16_t)(which % waiting + 1);

		put_used(w.ring[(uint16_t)(used + batch - 1) % w.size], len, batch);
		return;
	}
	if (w.in_order)
		return;
	for (uint32_t i = 0; i < w.size; i++) {
		uint32_t head = (uint32_t)(which + i) % w.size;

		if (w.posted[head].token != NULL && w.posted[head].visible) {
			put_used(head, len, 1);
			return;
		}
	}
}

enum {
	INIT,
	ADD,
	PUBLISH,
	POP,
	ARM,
	RECLAIM,
	COMPLETE,
	USED,
	INDEX,
	EVENT,
	FLAGS,
	POKE
};

/* The number of a word is the set of features, by the bits in init(). */
static const char *const feature_words[] = { "none", "indirect", "event", "both" };
static const char *const more_words[] = { "none",  "platform",       "data",       "platform+data",
					  "order", "order+platform", "order+data", "order+platform+data" };
static const char *const yes_no[] = { "yes", "no" };

static const struct sim_ops_verb verbs[] = {
	[INIT] = { "init",
		   { { "log", SIM_OPS_U8, SIZE_MAX_LOG + 1, NULL },
		     { "features", SIM_OPS_CHOICE, 4, feature_words },
		     { "more", SIM_OPS_CHOICE, 8, more_words } },
		   1 },
	[ADD] = { "add",
		  { { "readable", SIM_OPS_U8, SEGMENTS / 2, NULL },
		    { "writable", SIM_OPS_U8, SEGMENTS / 2, NULL },
		    { "len", SIM_OPS_U32, 0, NULL },
		    { "token", SIM_OPS_CHOICE, 2, yes_no } },
		  5 },
	[PUBLISH] = { "publish", { SIM_OPS_NO_ARGS }, 4 },
	[POP] = { "pop", { SIM_OPS_NO_ARGS }, 4 },
	[ARM] = { "arm", { SIM_OPS_NO_ARGS }, 1 },
	[RECLAIM] = { "reclaim", { SIM_OPS_NO_ARGS }, 1 },
	[COMPLETE] = { "complete", { { "which", SIM_OPS_U8, 0, NULL }, { "len", SIM_OPS_U32, 0, NULL } }, 5 },
	[USED] = { "used",
		   { { "id", SIM_OPS_U32, 0, NULL },
		     { "len", SIM_OPS_U32, 0, NULL },
		     { "steps", SIM_OPS_U16, 0, NULL } },
		   1 },
	[INDEX] = { "index", { { "value", SIM_OPS_U16, 0, NULL } }, 1 },
	[EVENT] = { "event", { { "value", SIM_OPS_U16, 0, NULL } }, 1 },
	[FLAGS] = { "flags", { { "value", SIM_OPS_U16, 0, NULL } }, 1 },
	[POKE] = { "poke", { { "at", SIM_OPS_U16, SHARED_LEN, NULL }, { "bytes", SIM_OPS_BYTES, 64, NULL } }, 2 },
};

static void run_driver(const struct sim_ops_op *op)
{
	const uint64_t *a = op->arg;

	w.before = w.now;
	switch (op->verb) {
	case INIT:
		init((uint32_t)a[0], (uint32_t)a[1], (uint32_t)a[2]);
		break;
	case ADD:
		add((uint32_t)a[0], (uint32_t)a[1], (uint32_t)a[2], a[3] == 0);
		break;
	case PUBLISH:
		publish();
		break;
	case POP:
		pop();
		break;
	case ARM:
		arm();
		break;
	default:
		reclaim_one();
		break;
	}
	check_untouched();
	/* What a kick says of it. */
	CHECK(viommu_virtq_driver_notification(&w.q, 0x1234) ==
	      (w.notification_data ? w.published * UINT32_C(0x10000) + 0x1234 : 0x1234));
	CHECK(viommu_virtq_driver_in_flight(&w.q) == w.in_flight);
	CHECK(viommu_virtq_driver_unpublished(&w.q) == (uint16_t)(w.added - w.published));
	CHECK(viommu_virtq_driver_check(&w.q));
}

static void run(void *world, const struct sim_ops_op *op)
{
	const uint64_t *a = op->arg;

	(void)world;
	switch (op->verb) {
	case COMPLETE:
		complete(a[0], a[1]);
		break;
	case USED:
		put_used(a[0], a[1], a[2]);
		break;
	case INDEX:
		device_store_number(used_index_at(), 2, a[0]);
		break;
	case EVENT:
		device_store_number(w.layout.used + 4 + 8 * w.size, 2, a[0]);
		break;
	case FLAGS:
		device_store_number(w.layout.used, 2, a[0]);
		break;
	case POKE:
		device_store(a[0], op->bytes, op->len);
		break;
	default:
		run_driver(op);
		break;
	}
}

static void *begin(void)
{
	memset(&w.now, 0x99, sizeof w.now);
	memset(w.now.canary0, CANARY, CANARY_LEN);
	memset(w.now.canary1, CANARY, CANARY_LEN);
	w.before = w.now;
	w.next_token = 0;
	init(3, 1, 0);
	return &w;
}

/* All that is still out comes back, once; then the queue can be set up anew, and works. */
static void end(void *world)
{
	(void)world;
	w.before = w.now;
	while (w.in_flight > 0)
		reclaim_one();
	reclaim_one();
	add(1, 1, 4, true);
	pop();
	check_untouched();
	init(2, 3, w.next_token % 8);
	for (uint32_t i = 0; i < 4; i++)
		add(1, 1, 4, true);
	CHECK(w.free_count == 0);
	publish();
	for (uint64_t i = 0; i < 4; i++)
		complete(i, 4);
	for (uint32_t i = 0; i < 4; i++)
		pop();
	CHECK(w.in_flight == 0 && w.free_count == 4 && !w.broken);
	allow(BUS, SHARED_LEN);
	check_untouched();
}

const struct sim_ops_target sim_ops_virtq_driver = {
	.name = "virtq_driver",
	.verbs = verbs,
	.verb_count = sizeof verbs / sizeof verbs[0],
	.begin = begin,
	.run = run,
	.end = end,
};
