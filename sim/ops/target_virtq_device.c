/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_virtq_device.c: the device's half of the virtqueue under any ring memory.
 *
 * Guest memory is two regions of 2 KiB, adjacent for the guest and not in the host, a hole, and a region that the
 * device may only read, with canaries around each; and far away more than 4 GiB that the device may only write, which
 * exist by their length alone. The seam gives pointers, or it copies, or it copies where there is no pointer. Regions go
 * away and come back, and the adjacent ones change places in the host, while the queue runs. A second copy of all of it
 * is kept by what the guest does and by what the device is allowed to write, and the two have to be the same after each
 * call.
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

enum seam {
	POINTERS,
	COPIES,
	BOTH
};

struct piece {
	const uint8_t *host; /* in world.host; NULL: the device gets no pointer */
	uint64_t gpa;
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
	enum seam seam;
	bool copied;     /* the ring is reached by copies */
	uint32_t absent; /* bits: the first, the second, the one that the device may only read */
	bool swapped;    /* the first two are in each other's place in the host */
	uint32_t chop;   /* the seam gives at most so many bytes at once; 0: all there are */
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
	uint64_t from = gpa - BASE;
	uint32_t region = from < REGION_LEN ? 0 : from < 2 * REGION_LEN ? 1 : 2;

	*offset = from - (region == 2 ? ROM : region * REGION_LEN);
	if (*offset >= REGION_LEN || (w.absent >> region & 1) != 0)
		return NULL;
	if (region == 2)
		return b->rom;
	return (region == 1) != w.swapped ? b->second : b->first;
}

static uint8_t *byte_at(struct bytes *b, uint64_t gpa)
{
	uint64_t offset;
	uint8_t *region = region_of(b, gpa, &offset);

	if (gpa - VAST < VAST_LEN)
		return &vast;
	return region != NULL ? region + offset : NULL;
}

/* Can all these bytes be copied? */
static bool is_there(uint64_t gpa, uint64_t len, uint32_t kind)
{
	for (uint64_t i = 0; i < len; i++) {
		uint64_t offset;
		const uint8_t *region = region_of(&w.host, gpa + i, &offset);

		if (gpa + i < gpa || region == NULL || (kind == VIOMMU_ACCESS_WRITE && region == w.host.rom))
			return false;
	}
	return true;
}

/* How many of `want` bytes the device gets in one piece at gpa. 0: none. */
static uint64_t piece_at(uint64_t gpa, uint64_t want, uint32_t kind)
{
	uint64_t offset, got;
	const uint8_t *region = region_of(&w.host, gpa, &offset);

	if (w.seam == COPIES)
		return 0;
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

static bool read(void *ctx, viommu_gpa gpa, void *dst, size_t len)
{
	uint8_t *to = dst;

	(void)ctx;
	CHECK(w.seam != POINTERS && len > 0);
	if (!is_there(gpa, len, VIOMMU_ACCESS_READ))
		return false;
	for (size_t i = 0; i < len; i++)
		to[i] = *byte_at(&w.host, gpa + i);
	return true;
}

static bool write(void *ctx, viommu_gpa gpa, const void *src, size_t len)
{
	const uint8_t *from = src;

	(void)ctx;
	CHECK(w.seam != POINTERS && len > 0);
	if (!is_there(gpa, len, VIOMMU_ACCESS_WRITE))
		return false;
	for (size_t i = 0; i < len; i++)
		*byte_at(&w.host, gpa + i) = from[i];
	return true;
}

static const struct viommu_memory_ops memory_ops[] = {
	[POINTERS] = { .size = sizeof memory_ops[0], .resolve = resolve },
	[COPIES] = { .size = sizeof memory_ops[0], .read = read, .write = write },
	[BOTH] = { .size = sizeof memory_ops[0], .resolve = resolve, .read = read, .write = write },
};

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

	*total += len;
	while (len > 0) {
		uint64_t n = piece_at(gpa, len, writable ? VIOMMU_ACCESS_WRITE : VIOMMU_ACCESS_READ);
		const uint8_t *host = n != 0 ? byte_at(&w.host, gpa) : NULL;

		if (w.walk.count == capacity || (n == 0 && w.seam == POINTERS))
			return false;
		if (n == 0)
			n = len; /* whether it is there shows when it is copied */
		w.walk.pieces[w.walk.count++] = (struct piece){ host, gpa, n, writable };
		gpa += n;
		len -= n;
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
		if (!is_there(at, 16, VIOMMU_ACCESS_READ))
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
			return w.walk.readable_len + w.walk.writable_len <= UINT64_C(1) << 32;
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

/* Does the area lie where it may? */
static bool area_is_good(uint64_t gpa, uint64_t len, uint64_t align)
{
	return gpa % align == 0 && gpa + (len - 1) >= gpa;
}

static bool layout_is_good(void)
{
	uint64_t size = w.layout.size;

	return size != 0 && size <= 32768 && (size & (size - 1)) == 0 && area_is_good(w.layout.desc, 16 * size, 16) &&
	       area_is_good(w.layout.avail, 6 + 2 * size, 2) && area_is_good(w.layout.used, 6 + 8 * size, 4);
}

/* Does each area of the ring lie in one piece, to which there is a pointer? If not: is there another way to it? */
static bool find_ring(void)
{
	uint64_t size = w.layout.size;

	w.copied = piece_at(w.layout.desc, 16 * size, VIOMMU_ACCESS_READ) != 16 * size ||
		   piece_at(w.layout.avail, 6 + 2 * size, VIOMMU_ACCESS_READ) != 6 + 2 * size ||
		   piece_at(w.layout.used, 6 + 8 * size, VIOMMU_ACCESS_WRITE) != 6 + 8 * size;
	return !w.copied || w.seam != POINTERS;
}

static void enable(const struct viommu_virtq_layout *layout)
{
	bool good;

	w.layout = *layout;
	good = layout_is_good() && find_ring();
	CHECK(viommu_virtq_device_enable(&w.q, layout) == (good ? VIOMMU_OK : VIOMMU_E_PEER));
	w.state = good ? VIOMMU_VIRTQ_READY : VIOMMU_VIRTQ_OFF;
	w.popped = w.pushed = w.published = 0;
	w.outstanding = 0;
}

/* Another seam, for a queue that begins anew. */
static void set_seam(enum seam seam)
{
	struct viommu_memory memory = { &memory_ops[seam], NULL };

	w.seam = seam;
	w.state = VIOMMU_VIRTQ_OFF;
	viommu_virtq_device_init(&w.q, &memory);
}

static void swap_regions(struct bytes *b)
{
	uint8_t first[REGION_LEN];

	memcpy(first, b->first, REGION_LEN);
	memcpy(b->first, b->second, REGION_LEN);
	memcpy(b->second, first, REGION_LEN);
}

/* Regions are there or not from now on, and perhaps elsewhere. */
static void change_memory(uint32_t absent, bool swap)
{
	bool good;

	w.absent = absent;
	if (swap) {
		w.swapped = !w.swapped;
		swap_regions(&w.host);
		swap_regions(&w.expected);
	}
	good = w.state == VIOMMU_VIRTQ_OFF || find_ring();
	CHECK(viommu_virtq_device_memory_changed(&w.q) == (good ? VIOMMU_OK : VIOMMU_E_BROKEN));
	if (good)
		return;
	w.state = VIOMMU_VIRTQ_BROKEN;
	w.pushed = w.published = w.popped; /* nothing is left to publish, and nowhere to do it */
}

/* A field of a ring that has to be copied and is not there breaks the queue. */
static bool reaches(uint64_t gpa, uint64_t len, uint32_t kind)
{
	if (!w.copied || is_there(gpa, len, kind))
		return true;
	w.state = VIOMMU_VIRTQ_BROKEN;
	return false;
}

/* What a pop has to return; with a chain foretold in w.walk if that is OK or PEER. */
static enum viommu_result foretell_pop(uint32_t capacity, uint16_t *head)
{
	uint16_t waiting;
	uint32_t size = w.layout.size;

	if (w.state != VIOMMU_VIRTQ_READY)
		return w.state == VIOMMU_VIRTQ_OFF ? VIOMMU_E_STATE : VIOMMU_E_BROKEN;
	if (!reaches(w.layout.avail + 2, 2, VIOMMU_ACCESS_READ))
		return VIOMMU_E_BROKEN;
	waiting = (uint16_t)(load(w.layout.avail + 2, 2) - w.popped);
	if (waiting == 0)
		return VIOMMU_E_EMPTY;
	/* Until the driver has seen the used entry its descriptors are not free for another chain. */
	if (waiting + (uint16_t)(w.popped - w.published) > size)
		return VIOMMU_E_BROKEN;
	if (!reaches(w.layout.avail + 4 + 2 * (w.popped % size), 2, VIOMMU_ACCESS_READ))
		return VIOMMU_E_BROKEN;
	*head = (uint16_t)load(w.layout.avail + 4 + 2 * (w.popped % size), 2);
	if (*head >= size)
		return VIOMMU_E_BROKEN;
	foretell_chain(*head, capacity);
	return w.walk.good ? VIOMMU_OK : VIOMMU_E_PEER;
}

/* Writes all of a piece, as devices do. */
static void fill(const struct piece *p, uint8_t value)
{
	uint8_t bytes[3 * REGION_LEN]; /* no more than that can be copied */
	uint8_t *host = (uint8_t *)&w.host;

	if (p->host == &vast || p->len > sizeof bytes)
		return;
	memset(bytes, value, (size_t)p->len);
	if (p->host != NULL) {
		memcpy(host + (p->host - host), bytes, (size_t)p->len);
	} else {
		bool good = is_there(p->gpa, p->len, VIOMMU_ACCESS_WRITE);

		CHECK(viommu_memory_write(&w.q.memory, p->gpa, bytes, (size_t)p->len) == (good ? p->len : 0));
		if (!good)
			return;
	}
	for (uint64_t i = 0; i < p->len; i++)
		*byte_at(&w.expected, p->gpa + i) = value;
}

static void use_chain(const struct viommu_chain *c)
{
	uint32_t readable = 0;

	for (uint32_t i = 0; i < w.walk.count; i++)
		readable += !w.walk.pieces[i].writable;
	CHECK(c->readable == readable && c->writable == w.walk.count - readable);
	CHECK(c->readable_len == w.walk.readable_len && c->writable_len == w.walk.writable_len);
	for (uint32_t i = 0; i < w.walk.count; i++) {
		const struct piece *p = &w.walk.pieces[i];

		CHECK(c->segments[i].base == p->host && c->segments[i].gpa == p->gpa && c->segments[i].len == p->len);
		if (p->writable)
			fill(p, (uint8_t)(c->head ^ 0xa5));
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
	/* What each of them cost: a descriptor that was read, and a piece that was found. */
	CHECK(c.steps == w.walk.steps + w.walk.count && w.walk.steps <= w.layout.size + 1);
	CHECK(w.walk.count <= capacity);
	CHECK(w.outstanding < w.layout.size);
	w.popped++;
	w.heads[w.outstanding++] = head;
	if (foretold == VIOMMU_OK)
		use_chain(&c);
	else
		CHECK(c.readable == 0 && c.writable == 0);
}

/* What a push has to return, and what it stores. */
static enum viommu_result foretell_push(uint16_t head, uint32_t written)
{
	uint64_t at;

	if (w.state != VIOMMU_VIRTQ_READY || w.outstanding == 0)
		return VIOMMU_E_STATE;
	at = w.layout.used + 4 + 8 * (w.pushed % w.layout.size);
	if (!reaches(at, 4, VIOMMU_ACCESS_WRITE))
		return VIOMMU_E_BROKEN;
	expect_number(at, 4, head);
	if (!reaches(at + 4, 4, VIOMMU_ACCESS_WRITE))
		return VIOMMU_E_BROKEN;
	expect_number(at + 4, 4, written);
	return VIOMMU_OK;
}

/* One of the heads that are out, or, if there are none, any number. */
static void push(uint32_t which, uint32_t written)
{
	uint32_t i = w.outstanding != 0 ? which % w.outstanding : 0;
	uint16_t head = w.outstanding != 0 ? w.heads[i] : (uint16_t)which;
	enum viommu_result foretold = foretell_push(head, written);

	CHECK(viommu_virtq_device_push(&w.q, head, written) == foretold);
	if (foretold != VIOMMU_OK)
		return;
	w.pushed++;
	w.heads[i] = w.heads[--w.outstanding];
}

/* Is the index the driver waits for among those that are new? */
static bool wants_to_hear(uint16_t before)
{
	bool has_event = (w.layout.features & VIOMMU_F_EVENT_IDX) != 0;
	uint64_t at = w.layout.avail + (has_event ? 4 + 2 * w.layout.size : 0);
	uint64_t wish;

	if (!reaches(at, 2, VIOMMU_ACCESS_READ))
		return true; /* nobody knows */
	wish = load(at, 2);
	if (!has_event)
		return (wish & 1) == 0;
	for (uint16_t i = before; i != w.pushed; i++) {
		if (i == wish)
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
	if (!reaches(w.layout.used + 2, 2, VIOMMU_ACCESS_WRITE)) {
		CHECK(!notify);
		return;
	}
	expect_number(w.layout.used + 2, 2, w.published);
	CHECK(notify == wants_to_hear(before));
}

static void arm(void)
{
	bool more = viommu_virtq_device_arm(&w.q);
	uint64_t event = w.layout.used + 4 + 8 * w.layout.size;

	if (w.state != VIOMMU_VIRTQ_READY) {
		CHECK(!more);
		return;
	}
	if ((w.layout.features & VIOMMU_F_EVENT_IDX) != 0) {
		if (!reaches(event, 2, VIOMMU_ACCESS_WRITE)) {
			CHECK(more);
			return;
		}
		expect_number(event, 2, w.popped);
	}
	CHECK(more == (!reaches(w.layout.avail + 2, 2, VIOMMU_ACCESS_READ) || load(w.layout.avail + 2, 2) != w.popped));
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

	if (w.state == VIOMMU_VIRTQ_OFF || !is_there(index_at, 2, VIOMMU_ACCESS_READ))
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
	POKE,
	SEAM,
	MEMORY
};

/* The number of a word is the set of features, by the bits in layout_of(). */
static const char *const feature_words[] = { "none",     "indirect",          "event",          "both",
					     "platform", "indirect+platform", "event+platform", "both+platform" };

static const char *const seam_words[] = { "pointers", "copies", "both" };

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
	[SEAM] = { "seam", { { "kind", SIM_OPS_CHOICE, 3, seam_words } }, 1 },
	[MEMORY] = { "memory", { { "absent", SIM_OPS_U8, 7, NULL }, { "swap", SIM_OPS_U8, 1, NULL } }, 1 },
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
	case SEAM:
		set_seam((enum seam)a[0]);
		break;
	case MEMORY:
		change_memory((uint32_t)a[0], a[1] != 0);
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
	memset(&w.host, 0, sizeof w.host);
	memset(w.host.canary0, CANARY, CANARY_LEN);
	memset(w.host.canary1, CANARY, CANARY_LEN);
	memset(w.host.canary2, CANARY, CANARY_LEN);
	memset(w.host.canary3, CANARY, CANARY_LEN);
	w.expected = w.host;
	w.layout = (struct viommu_virtq_layout){ .size = 1, .desc = BASE };
	w.absent = 0;
	w.swapped = false;
	w.chop = 0;
	w.popped = w.pushed = w.published = 0;
	w.outstanding = 0;
	set_seam(POINTERS);
	return &w;
}

/* Whatever it went through, the queue works once it is set up anew. */
static void end(void *world)
{
	static const struct viommu_virtq_layout layout = {
		.size = 4, .desc = BASE, .avail = BASE + 0x80, .used = BASE + 0xa0, .features = VIOMMU_F_EVENT_IDX
	};

	(void)world;
	w.absent = 0;
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
