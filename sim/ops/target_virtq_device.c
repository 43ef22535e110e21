/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_virtq_device.c: the device's half of the virtqueue under any ring memory.
 *
 * Guest memory is two regions of 2 KiB, adjacent for the guest and not in the host, a hole, and a region that the
 * device may only read, with canaries around each; and far away more than 4 GiB that the device may only write, which
 * exist by their length alone. A second copy of all of it is kept by what the guest does and by
 * what the device is allowed to write, and the two have to be the same after each call.
 *
 * Before each call its outcome is foretold from that copy alone: a naive walk along the chain says which pieces a pop
 * has to bring, how many descriptors it looks at, or that the chain is no good; the indices say when the ring is broken
 * and when the driver wants to hear.
 */
#include <string.h>

#include <viommu/virtq.h>
#include <viommu/wire.h>

#include "ops.h"
#include "targets.h"

#define CHECK SIM_OPS_CHECK

#define REGION_LEN 2048u
#define BASE UINT64_C(0x1000)
#define ROM UINT64_C(0x3000) /* behind BASE */
#define REACH 0x3840u        /* offsets from BASE that operations name: a little behind the end of the last region */
#define VAST (UINT64_C(1) << 40)
#define VAST_LEN (UINT64_C(1) << 34)
#define VAST_PIECE (1u << 20) /* it is there for pieces that are longer, so that no ring fits */
#define CANARY_LEN 64u
#define CANARY 0x5au
#define QUEUE_MAX 1024u /* more cannot be enabled in this memory */
#define CAPACITY 96u
#define PIECES (CAPACITY + 1)

#define F_NEXT 1u
#define F_WRITE 2u
#define F_INDIRECT 4u

/* The host's order is not the guest's. */
struct bytes {
	_Alignas(16) uint8_t canary0[CANARY_LEN];
	uint8_t second[REGION_LEN];
	uint8_t canary1[CANARY_LEN];
	uint8_t rom[REGION_LEN];
	uint8_t canary2[CANARY_LEN];
	uint8_t first[REGION_LEN];
	uint8_t canary3[CANARY_LEN];
};

struct piece {
	const uint8_t *host; /* in world.host */
	uint64_t len;
	bool writable;
};

/* What a walk along a chain has to bring. */
struct walk {
	bool good;
	uint32_t steps;
	uint32_t count;
	uint64_t readable_len, writable_len;
	struct piece pieces[PIECES];
};

struct world {
	struct bytes host, expected;
	struct viommu_virtq_device q;
	struct viommu_virtq_layout layout;
	enum viommu_virtq_state state;
	uint32_t chop; /* the seam gives at most so many bytes at once; 0: all there are */
	uint16_t popped, pushed, published;
	uint32_t outstanding;
	uint16_t heads[QUEUE_MAX];
	struct viommu_segment segments[CAPACITY];
	struct walk walk;
};

static struct world w;
static uint8_t vast;

/* Memory */

static uint8_t *region_of(struct bytes *b, uint64_t gpa, uint64_t *offset)
{
	if (gpa - BASE < REGION_LEN) {
		*offset = gpa - BASE;
		return b->first;
	}
	if (gpa - BASE < 2 * REGION_LEN) {
		*offset = gpa - BASE - REGION_LEN;
		return b->second;
	}
	*offset = gpa - BASE - ROM;
	return gpa >= BASE + ROM && gpa - BASE - ROM < REGION_LEN ? b->rom : NULL;
}

static uint8_t *byte_at(struct bytes *b, uint64_t gpa)
{
	uint64_t offset;
	uint8_t *region = region_of(b, gpa, &offset);

	if (gpa - VAST < VAST_LEN)
		return &vast;
	return region != NULL ? region + offset : NULL;
}

/* How many of `want` bytes the device gets in one piece at gpa. 0: none. */
static uint64_t piece_at(uint64_t gpa, uint64_t want, uint32_t kind)
{
	uint64_t offset, got;
	const uint8_t *region = region_of(&w.host, gpa, &offset);

	if (kind == VIOMMU_ACCESS_WRITE && gpa - VAST < VAST_LEN && want > VAST_PIECE) {
		got = VAST_LEN - (gpa - VAST);
		if (w.chop != 0)
			got = w.chop;
		return got < want ? got : want;
	}
	if (region == NULL || ((kind & VIOMMU_ACCESS_WRITE) != 0 && region == w.host.rom))
		return 0;
	got = REGION_LEN - offset;
	if (w.chop != 0 && got > w.chop)
		got = w.chop;
	return got < want ? got : want;
}

static void *resolve(void *ctx, viommu_gpa gpa, uint32_t kind, uint64_t *len)
{
	(void)ctx;
	*len = piece_at(gpa, *len, kind);
	return *len != 0 ? byte_at(&w.host, gpa) : NULL;
}

static const struct viommu_memory_ops memory_ops = { .size = sizeof memory_ops, .resolve = resolve };

/* What the guest stores; into the region that the device may only read, too. */
static void guest_store(uint64_t gpa, const uint8_t *src, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t *host = byte_at(&w.host, gpa + i), *expected = byte_at(&w.expected, gpa + i);

		if (host != NULL && host != &vast)
			*host = *expected = src[i];
	}
}

static void guest_store_number(uint64_t gpa, unsigned bytes, uint64_t value)
{
	uint8_t raw[8];

	for (unsigned i = 0; i < bytes; i++)
		raw[i] = (uint8_t)(value >> (8 * i));
	guest_store(gpa, raw, bytes);
}

/* What the device is expected to store. */
static void expect_number(uint64_t gpa, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		*byte_at(&w.expected, gpa + i) = (uint8_t)(value >> (8 * i));
}

static uint64_t load(uint64_t gpa, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)*byte_at(&w.expected, gpa + i) << (8 * i);
	return value;
}

/* The naive walk */

static bool add_data(uint64_t gpa, uint64_t len, bool writable, uint32_t capacity)
{
	uint64_t *total = writable ? &w.walk.writable_len : &w.walk.readable_len;

	if (w.walk.readable_len + w.walk.writable_len + len > UINT64_C(1) << 32)
		return false;
	*total += len;
	while (len > 0) {
		uint64_t n = piece_at(gpa, len, writable ? VIOMMU_ACCESS_WRITE : VIOMMU_ACCESS_READ);

		if (n == 0 || w.walk.count == capacity)
			return false;
		w.walk.pieces[w.walk.count++] = (struct piece){ byte_at(&w.host, gpa), n, writable };
		gpa += n;
		len -= n;
	}
	return true;
}

static bool descriptor_is_there(uint64_t gpa)
{
	for (unsigned i = 0; i < 16; i++) {
		if (gpa + i < gpa || piece_at(gpa + i, 1, VIOMMU_ACCESS_READ) == 0)
			return false;
	}
	return true;
}

/* Follows the chain from its head, over at most as many data descriptors as the queue has entries. */
static bool follow(uint16_t head, uint32_t capacity)
{
	uint64_t table = w.layout.desc, entries = w.layout.size, index = head;
	bool indirect = false, was_writable = false;
	uint32_t data = 0;

	for (;;) {
		uint64_t at = table + 16 * index, addr;
		uint32_t len;
		unsigned flags, next;

		w.walk.steps++;
		if (!descriptor_is_there(at))
			return false;
		addr = load(at, 8);
		len = (uint32_t)load(at + 8, 4);
		flags = (unsigned)load(at + 12, 2);
		next = (unsigned)load(at + 14, 2);
		if ((flags & F_INDIRECT) != 0) {
			if ((w.layout.features & VIOMMU_F_INDIRECT_DESC) == 0 || indirect || (flags & F_NEXT) != 0)
				return false;
			if (len == 0 || len % 16 != 0 || addr + (len - 1) < addr)
				return false;
			indirect = true;
			table = addr;
			entries = len / 16;
			index = 0;
			continue;
		}
		/* A descriptor without bytes counts too. */
		if (was_writable && (flags & F_WRITE) == 0)
			return false;
		was_writable = (flags & F_WRITE) != 0;
		if (len != 0 && addr + (len - 1) < addr)
			return false;
		if (!add_data(addr, len, was_writable, capacity))
			return false;
		data++;
		if ((flags & F_NEXT) == 0)
			return true;
		if (next >= entries || data == w.layout.size)
			return false;
		index = next;
	}
}

static void foretell_chain(uint16_t head, uint32_t capacity)
{
	w.walk.steps = 0;
	w.walk.count = 0;
	w.walk.readable_len = 0;
	w.walk.writable_len = 0;
	w.walk.good = follow(head, capacity);
}

/* The calls */

/* Does the area lie in one piece of memory, where it has to be? */
static bool area_is_good(uint64_t gpa, uint64_t len, uint64_t align, uint32_t kind)
{
	return gpa % align == 0 && piece_at(gpa, len, kind) == len;
}

static void enable(const struct viommu_virtq_layout *layout)
{
	uint64_t size = layout->size;
	bool good = size != 0 && size <= 32768 && (size & (size - 1)) == 0 &&
		    area_is_good(layout->desc, 16 * size, 16, VIOMMU_ACCESS_READ) &&
		    area_is_good(layout->avail, 6 + 2 * size, 2, VIOMMU_ACCESS_READ) &&
		    area_is_good(layout->used, 6 + 8 * size, 4, VIOMMU_ACCESS_WRITE);

	CHECK(viommu_virtq_device_enable(&w.q, layout) == (good ? VIOMMU_OK : VIOMMU_E_PEER));
	w.state = good ? VIOMMU_VIRTQ_READY : VIOMMU_VIRTQ_OFF;
	w.layout = *layout;
	w.popped = w.pushed = w.published = 0;
	w.outstanding = 0;
}

/* What a pop has to return; with a chain foretold in w.walk if that is OK or PEER. */
static enum viommu_result foretell_pop(uint32_t capacity, uint16_t *head)
{
	uint16_t waiting;
	uint32_t size = w.layout.size;

	if (w.state != VIOMMU_VIRTQ_READY)
		return w.state == VIOMMU_VIRTQ_OFF ? VIOMMU_E_STATE : VIOMMU_E_BROKEN;
	waiting = (uint16_t)(load(w.layout.avail + 2, 2) - w.popped);
	if (waiting == 0)
		return VIOMMU_E_EMPTY;
	/* Until the driver has seen the used entry its descriptors are not free for another chain. */
	if (waiting + (uint16_t)(w.popped - w.published) > size)
		return VIOMMU_E_BROKEN;
	*head = (uint16_t)load(w.layout.avail + 4 + 2 * (w.popped % size), 2);
	if (*head >= size)
		return VIOMMU_E_BROKEN;
	foretell_chain(*head, capacity);
	return w.walk.good ? VIOMMU_OK : VIOMMU_E_PEER;
}

/* The device does with a chain what devices do: it writes all that it may. */
static void use_chain(const struct viommu_chain *c)
{
	uint32_t readable = 0;

	for (uint32_t i = 0; i < w.walk.count; i++)
		readable += !w.walk.pieces[i].writable;
	CHECK(c->readable == readable && c->writable == w.walk.count - readable);
	CHECK(c->readable_len == w.walk.readable_len && c->writable_len == w.walk.writable_len);
	for (uint32_t i = 0; i < w.walk.count; i++) {
		const struct piece *p = &w.walk.pieces[i];

		CHECK(c->segments[i].base == p->host && c->segments[i].len == p->len);
		if (p->writable && p->host != &vast) {
			memset(c->segments[i].base, c->head ^ 0xa5, c->segments[i].len);
			memset((uint8_t *)&w.expected + (p->host - (const uint8_t *)&w.host), c->head ^ 0xa5,
			       (size_t)p->len);
		}
	}
}

static void pop(uint32_t capacity)
{
	struct viommu_chain c = { .segments = w.segments, .capacity = capacity };
	uint16_t head = 0;
	enum viommu_result foretold = foretell_pop(capacity, &head);

	CHECK(viommu_virtq_device_pop(&w.q, &c) == foretold);
	if (foretold == VIOMMU_E_BROKEN)
		w.state = VIOMMU_VIRTQ_BROKEN;
	if (foretold != VIOMMU_OK && foretold != VIOMMU_E_PEER)
		return;
	CHECK(c.head == head);
	CHECK(c.steps == w.walk.steps && c.steps <= w.layout.size + 1);
	CHECK(w.outstanding < w.layout.size);
	w.popped++;
	w.heads[w.outstanding++] = head;
	if (foretold == VIOMMU_OK)
		use_chain(&c);
	else
		CHECK(c.readable == 0 && c.writable == 0);
}

/* One of the heads that are out, or, if there are none, any number. */
static void push(uint32_t which, uint32_t written)
{
	uint32_t i = w.outstanding != 0 ? which % w.outstanding : 0;
	uint16_t head = w.outstanding != 0 ? w.heads[i] : (uint16_t)which;
	bool good = w.state == VIOMMU_VIRTQ_READY && w.outstanding != 0;

	CHECK(viommu_virtq_device_push(&w.q, head, written) == (good ? VIOMMU_OK : VIOMMU_E_STATE));
	if (!good)
		return;
	expect_number(w.layout.used + 4 + 8 * (w.pushed % w.layout.size), 4, head);
	expect_number(w.layout.used + 8 + 8 * (w.pushed % w.layout.size), 4, written);
	w.pushed++;
	w.heads[i] = w.heads[--w.outstanding];
}

/* Is the index the driver waits for among those that are new? */
static bool wants_to_hear(uint16_t before)
{
	uint64_t flags = load(w.layout.avail, 2);
	uint64_t event = load(w.layout.avail + 4 + 2 * w.layout.size, 2);

	if ((w.layout.features & VIOMMU_F_EVENT_IDX) == 0)
		return (flags & 1) == 0;
	for (uint16_t i = before; i != w.pushed; i++) {
		if (i == event)
			return true;
	}
	return false;
}

static void publish(void)
{
	bool notify = viommu_virtq_device_publish(&w.q);
	uint16_t before = w.published;

	if (w.state == VIOMMU_VIRTQ_OFF || before == w.pushed) {
		CHECK(!notify);
		return;
	}
	w.published = w.pushed;
	expect_number(w.layout.used + 2, 2, w.published);
	CHECK(notify == wants_to_hear(before));
}

static void arm(void)
{
	bool more = viommu_virtq_device_arm(&w.q);

	if (w.state != VIOMMU_VIRTQ_READY) {
		CHECK(!more);
		return;
	}
	if ((w.layout.features & VIOMMU_F_EVENT_IDX) != 0)
		expect_number(w.layout.used + 4 + 8 * w.layout.size, 2, w.popped);
	CHECK(more == (load(w.layout.avail + 2, 2) != w.popped));
}

/* The guest's side */

static void put_descriptor(uint64_t gpa, uint64_t addr, uint64_t len, uint64_t flags, uint64_t next)
{
	guest_store_number(gpa, 8, addr);
	guest_store_number(gpa + 8, 4, len);
	guest_store_number(gpa + 12, 2, flags);
	guest_store_number(gpa + 14, 2, next);
}

/* Puts a head where the device looks next but for those that wait already, and moves the index. */
static void offer(uint64_t head)
{
	uint64_t index_at = w.layout.avail + 2;
	uint64_t index;

	if (w.state == VIOMMU_VIRTQ_OFF)
		return;
	index = load(index_at, 2);
	guest_store_number(w.layout.avail + 4 + 2 * (index % w.layout.size), 2, head);
	guest_store_number(index_at, 2, index + 1);
}

enum {
	ENABLE,
	ENABLE_AT,
	RESET,
	POP,
	PUSH,
	PUBLISH,
	ARM,
	CHOP,
	DESC,
	DESC_FAR,
	OFFER,
	INDEX,
	EVENT,
	EVENT_AHEAD,
	FLAGS,
	POKE
};

/* The number of a word is the set of features, by the bits in layout_of(). */
static const char *const feature_words[] = { "none",     "indirect",          "event",          "both",
					     "platform", "indirect+platform", "event+platform", "both+platform" };

#define OFFSET(name) SIM_OPS_ARG(name, SIM_OPS_U16, REACH, NULL)
#define FEATURES SIM_OPS_ARG("features", SIM_OPS_CHOICE, 8, feature_words)

static const struct sim_ops_verb verbs[] = {
	[ENABLE] = { "enable",
		     { { "size", SIM_OPS_U16, 0, NULL }, OFFSET("desc"), OFFSET("avail"), OFFSET("used"), FEATURES },
		     1 },
	[ENABLE_AT] = { "enable_at",
			{ { "size", SIM_OPS_U32, 0, NULL },
			  { "desc", SIM_OPS_ADDRESS, 0, NULL },
			  { "avail", SIM_OPS_ADDRESS, 0, NULL },
			  { "used", SIM_OPS_ADDRESS, 0, NULL },
			  FEATURES },
			1 },
	[RESET] = { "reset", { SIM_OPS_NO_ARGS }, 1 },
	/* capacity 0: as much as there is */
	[POP] = { "pop", { { "capacity", SIM_OPS_U8, CAPACITY, NULL } }, 4 },
	[PUSH] = { "push", { { "which", SIM_OPS_U16, 0, NULL }, { "written", SIM_OPS_U32, 0, NULL } }, 3 },
	[PUBLISH] = { "publish", { SIM_OPS_NO_ARGS }, 2 },
	[ARM] = { "arm", { SIM_OPS_NO_ARGS }, 2 },
	[CHOP] = { "chop", { { "len", SIM_OPS_U16, REGION_LEN, NULL } }, 1 },
	/* table: of descriptors, by its offset; 0: the queue's own */
	[DESC] = { "desc",
		   { OFFSET("table"),
		     { "index", SIM_OPS_U16, 0, NULL },
		     OFFSET("at"),
		     { "len", SIM_OPS_U32, 0, NULL },
		     { "flags", SIM_OPS_U16, 0, NULL },
		     { "next", SIM_OPS_U16, 0, NULL } },
		   5 },
	[DESC_FAR] = { "desc_far",
		       { OFFSET("table"),
			 { "index", SIM_OPS_U16, 0, NULL },
			 { "addr", SIM_OPS_ADDRESS, 0, NULL },
			 { "len", SIM_OPS_U32, 0, NULL },
			 { "flags", SIM_OPS_U16, 0, NULL },
			 { "next", SIM_OPS_U16, 0, NULL } },
		       1 },
	[OFFER] = { "offer", { { "head", SIM_OPS_U16, 0, NULL } }, 5 },
	[INDEX] = { "index", { { "value", SIM_OPS_U16, 0, NULL } }, 1 },
	[EVENT] = { "event", { { "value", SIM_OPS_U16, 0, NULL } }, 1 },
	/* The driver waits for the used entry that is so many behind those that it can see. */
	[EVENT_AHEAD] = { "event_ahead", { { "count", SIM_OPS_U8, 8, NULL } }, 2 },
	[FLAGS] = { "flags", { { "value", SIM_OPS_U16, 0, NULL } }, 1 },
	[POKE] = { "poke", { OFFSET("at"), { "bytes", SIM_OPS_BYTES, 48, NULL } }, 1 },
};

static struct viommu_virtq_layout layout_of(const struct sim_ops_op *op, uint64_t base)
{
	return (struct viommu_virtq_layout){
		.size = (uint32_t)op->arg[0],
		.desc = base + op->arg[1],
		.avail = base + op->arg[2],
		.used = base + op->arg[3],
		.features = ((op->arg[4] & 1) != 0 ? VIOMMU_F_INDIRECT_DESC : 0) |
			    ((op->arg[4] & 2) != 0 ? VIOMMU_F_EVENT_IDX : 0) |
			    ((op->arg[4] & 4) != 0 ? VIOMMU_F_ORDER_PLATFORM : 0),
	};
}

static void run(void *world, const struct sim_ops_op *op)
{
	const uint64_t *a = op->arg;
	struct viommu_virtq_layout layout;
	uint64_t table = a[0] != 0 ? BASE + a[0] : w.layout.desc;

	(void)world;
	switch (op->verb) {
	case ENABLE:
	case ENABLE_AT:
		layout = layout_of(op, op->verb == ENABLE ? BASE : 0);
		enable(&layout);
		break;
	case RESET:
		viommu_virtq_device_reset(&w.q);
		w.state = VIOMMU_VIRTQ_OFF;
		break;
	case POP:
		pop(a[0] != 0 ? (uint32_t)a[0] : CAPACITY);
		break;
	case PUSH:
		push((uint32_t)a[0], (uint32_t)a[1]);
		break;
	case PUBLISH:
		publish();
		break;
	case ARM:
		arm();
		break;
	case CHOP:
		w.chop = (uint32_t)a[0];
		break;
	case DESC:
		put_descriptor(table + 16 * a[1], BASE + a[2], a[3], a[4], a[5]);
		break;
	case DESC_FAR:
		put_descriptor(table + 16 * a[1], a[2], a[3], a[4], a[5]);
		break;
	case OFFER:
		offer(a[0]);
		break;
	case INDEX:
		if (w.state != VIOMMU_VIRTQ_OFF)
			guest_store_number(w.layout.avail + 2, 2, a[0]);
		break;
	case EVENT:
		if (w.state != VIOMMU_VIRTQ_OFF)
			guest_store_number(w.layout.avail + 4 + 2 * w.layout.size, 2, a[0]);
		break;
	case EVENT_AHEAD:
		if (w.state != VIOMMU_VIRTQ_OFF)
			guest_store_number(w.layout.avail + 4 + 2 * w.layout.size, 2, (uint16_t)(w.published + a[0]));
		break;
	case FLAGS:
		if (w.state != VIOMMU_VIRTQ_OFF)
			guest_store_number(w.layout.avail, 2, a[0]);
		break;
	default:
		guest_store(BASE + a[0], op->bytes, op->len);
		break;
	}
	CHECK(viommu_virtq_device_state(&w.q) == w.state);
	CHECK(viommu_virtq_device_check(&w.q));
	CHECK(memcmp(&w.host, &w.expected, sizeof w.host) == 0);
}

static void *begin(void)
{
	struct viommu_memory memory = { &memory_ops, NULL };

	memset(&w.host, 0, sizeof w.host);
	memset(w.host.canary0, CANARY, CANARY_LEN);
	memset(w.host.canary1, CANARY, CANARY_LEN);
	memset(w.host.canary2, CANARY, CANARY_LEN);
	memset(w.host.canary3, CANARY, CANARY_LEN);
	w.expected = w.host;
	w.state = VIOMMU_VIRTQ_OFF;
	w.layout = (struct viommu_virtq_layout){ .size = 1, .desc = BASE };
	w.chop = 0;
	w.popped = w.pushed = w.published = 0;
	w.outstanding = 0;
	viommu_virtq_device_init(&w.q, &memory);
	return &w;
}

/* Whatever it went through, the queue works once it is set up anew. */
static void end(void *world)
{
	static const struct viommu_virtq_layout layout = {
		.size = 4, .desc = BASE, .avail = BASE + 0x80, .used = BASE + 0xa0, .features = VIOMMU_F_EVENT_IDX
	};

	(void)world;
	w.chop = 0;
	enable(&layout);
	guest_store_number(layout.avail, 2, 0);
	guest_store_number(layout.avail + 2, 2, 0);
	guest_store_number(layout.avail + 12, 2, 0);
	put_descriptor(layout.desc + 16, BASE + 0x200, 20, F_NEXT, 3);
	put_descriptor(layout.desc + 48, BASE + 0x300, 4, F_WRITE, 0);
	offer(1);
	pop(CAPACITY);
	CHECK(w.outstanding == 1 && w.walk.good);
	push(0, 4);
	publish();
	CHECK(memcmp(&w.host, &w.expected, sizeof w.host) == 0);
}

const struct sim_ops_target sim_ops_virtq_device = {
	.name = "virtq_device",
	.verbs = verbs,
	.verb_count = sizeof verbs / sizeof verbs[0],
	.begin = begin,
	.run = run,
	.end = end,
};
