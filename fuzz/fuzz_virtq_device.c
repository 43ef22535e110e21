/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_virtq_device.c: any driver at the device's half of the virtqueue.
 *
 * The input is a program: one byte says what to do, the bytes behind it with what. Guest memory is two regions of
 * 2 KiB, adjacent for the guest and not in the host, a hole, and a read-only region; canaries lie around each. Bytes
 * that are missing at the end are 0.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <viommu/virtq.h>
#include <viommu/wire.h>

#define REGION_LEN 2048u
#define BASE UINT64_C(0x1000)
#define ROM_BASE UINT64_C(0x4000)
#define CAPACITY 96u
#define CANARY 0x5au

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct input {
	const uint8_t *data;
	size_t left;
};

/* The host's order is not the guest's. */
static struct {
	_Alignas(16) uint8_t canary0[64];
	uint8_t second[REGION_LEN];
	uint8_t canary1[64];
	uint8_t rom[REGION_LEN];
	uint8_t canary2[64];
	uint8_t first[REGION_LEN];
	uint8_t canary3[64];
} host;

static const struct viommu_memory_region regions[] = {
	{ BASE, BASE + REGION_LEN - 1, host.first, VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE },
	{ BASE + REGION_LEN, BASE + 2 * REGION_LEN - 1, host.second, VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE },
	{ ROM_BASE, ROM_BASE + REGION_LEN - 1, host.rom, VIOMMU_ACCESS_READ },
};

static struct viommu_memory_table table = { regions, sizeof(regions) / sizeof(regions[0]) };

/* What the harness knows without the library. */
struct model {
	struct viommu_virtq_device q;
	struct viommu_virtq_layout layout;
	enum viommu_virtq_state state;
	uint32_t outstanding; /* popped, not pushed */
	uint32_t unpublished; /* pushed, not published */
	uint16_t used_index;
	uint16_t heads[VIOMMU_VIRTQ_SIZE_MAX];
	struct viommu_segment segments[CAPACITY];
};

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "broken promise: %s\n", what);
	abort();
}

static uint64_t take(struct input *in, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes && in->left > 0; i++, in->left--)
		value |= (uint64_t)*in->data++ << (8 * i);
	return value;
}

/* A guest address that is likely to be of use. */
static uint64_t take_address(struct input *in)
{
	uint64_t value = take(in, 2);

	return (value & 0xc000) == 0xc000 ? take(in, 8) : BASE + (value & 0x3fff);
}

static uint8_t *writable_byte(uint64_t gpa)
{
	if (gpa - BASE < REGION_LEN)
		return host.first + (gpa - BASE);
	if (gpa - BASE < 2 * REGION_LEN)
		return host.second + (gpa - BASE - REGION_LEN);
	return gpa - ROM_BASE < REGION_LEN ? host.rom + (gpa - ROM_BASE) : NULL;
}

/* What the guest stores; into the read-only page too, which is read-only for the device. */
static void poke(uint64_t gpa, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++) {
		uint8_t *p = writable_byte(gpa + i);

		if (p != NULL)
			*p = (uint8_t)(value >> (8 * i));
	}
}

static uint16_t peek16(uint64_t gpa)
{
	const uint8_t *low = writable_byte(gpa), *high = writable_byte(gpa + 1);

	if (low == NULL || high == NULL)
		return 0;
	return (uint16_t)(*low | *high << 8);
}

static bool is_inside(const uint8_t *p, size_t len, bool writable)
{
	const uint8_t *bases[] = { host.first, host.second, host.rom };

	for (unsigned i = 0; i < (writable ? 2u : 3u); i++) {
		uintptr_t offset = (uintptr_t)p - (uintptr_t)bases[i];

		if (offset < REGION_LEN && len <= REGION_LEN - offset)
			return true;
	}
	return false;
}

static void check_canaries(void)
{
	const uint8_t *canaries[] = { host.canary0, host.canary1, host.canary2, host.canary3 };

	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = 0; k < 64; k++)
			check(canaries[i][k] == CANARY, "a byte outside guest memory was written");
}

static void do_enable(struct model *m, struct input *in)
{
	uint64_t shape = take(in, 1);
	struct viommu_virtq_layout layout = {
		.size = (shape & 0x80) == 0 ? 1u << (shape & 7) : (uint32_t)take(in, 4),
		.features =
			((shape & 8) != 0 ? VIOMMU_F_INDIRECT_DESC : 0) | ((shape & 16) != 0 ? VIOMMU_F_EVENT_IDX : 0),
	};
	enum viommu_result r;

	layout.desc = take_address(in);
	layout.avail = take_address(in);
	layout.used = take_address(in);
	if ((shape & 0x20) == 0) { /* mostly aligned */
		layout.desc &= ~UINT64_C(15);
		layout.avail &= ~UINT64_C(1);
		layout.used &= ~UINT64_C(3);
	}
	m->layout = layout;
	r = viommu_virtq_device_enable(&m->q, &layout);
	check(r == VIOMMU_OK || r == VIOMMU_E_PEER, "result of enable");
	m->state = r == VIOMMU_OK ? VIOMMU_VIRTQ_READY : VIOMMU_VIRTQ_OFF;
	m->outstanding = 0;
	m->unpublished = 0;
	m->used_index = 0;
	if (r != VIOMMU_OK)
		return;
	check(viommu_virtq_size_is_valid(layout.size), "size");
	check(layout.desc % 16 == 0 && layout.avail % 2 == 0 && layout.used % 4 == 0, "alignment");
	check(layout.used < ROM_BASE && writable_byte(layout.used + 5 + 8 * layout.size) != NULL, "used ring");
	check(writable_byte(layout.desc + 16 * layout.size - 1) != NULL, "descriptor table");
	check(writable_byte(layout.avail + 5 + 2 * layout.size) != NULL, "available ring");
}

static void check_chain(const struct viommu_chain *c)
{
	uint64_t readable_len = 0, writable_len = 0;

	check(c->readable <= c->capacity && c->writable <= c->capacity - c->readable, "more segments than room");
	for (uint32_t i = 0; i < c->readable + c->writable; i++) {
		bool writable = i >= c->readable;

		check(c->segments[i].len != 0, "empty segment");
		check(is_inside(c->segments[i].base, c->segments[i].len, writable), "segment outside guest memory");
		*(writable ? &writable_len : &readable_len) += c->segments[i].len;
		if (writable) /* as a device does */
			memset(c->segments[i].base, c->head, c->segments[i].len);
	}
	check(readable_len == c->readable_len && writable_len == c->writable_len, "lengths");
	check(readable_len + writable_len <= UINT64_C(1) << 32, "total length");
}

static void do_pop(struct model *m, struct input *in)
{
	struct viommu_chain c = { .segments = m->segments, .capacity = CAPACITY };
	uint32_t size = m->layout.size;
	enum viommu_result r;

	if ((take(in, 1) & 1) != 0)
		c.capacity = (uint32_t)take(in, 1) % CAPACITY;
	r = viommu_virtq_device_pop(&m->q, &c);
	if (m->state != VIOMMU_VIRTQ_READY) {
		check(r == (m->state == VIOMMU_VIRTQ_OFF ? VIOMMU_E_STATE : VIOMMU_E_BROKEN),
		      "pop of a queue that is not ready");
		return;
	}
	if (r == VIOMMU_E_BROKEN) {
		m->state = VIOMMU_VIRTQ_BROKEN;
		return;
	}
	if (r == VIOMMU_E_EMPTY)
		return;
	check(r == VIOMMU_OK || r == VIOMMU_E_PEER, "result of pop");
	check(c.head < size, "head");
	check(c.steps >= 1 && c.steps <= size + 1, "steps");
	check(m->outstanding + m->unpublished < size, "more in flight than the ring holds");
	m->heads[m->outstanding++] = c.head;
	if (r == VIOMMU_OK)
		check_chain(&c);
}

static void do_push(struct model *m, struct input *in)
{
	uint64_t which = take(in, 1);
	uint32_t i = m->outstanding != 0 ? (uint32_t)which % m->outstanding : 0;
	enum viommu_result r = viommu_virtq_device_push(&m->q, m->outstanding != 0 ? m->heads[i] : (uint16_t)which,
							(uint32_t)take(in, 2));

	check(r == (m->state == VIOMMU_VIRTQ_READY && m->outstanding != 0 ? VIOMMU_OK : VIOMMU_E_STATE),
	      "result of push");
	if (r == VIOMMU_OK) {
		m->heads[i] = m->heads[--m->outstanding];
		m->unpublished++;
	}
}

static void do_publish(struct model *m)
{
	bool notify = viommu_virtq_device_publish(&m->q);

	if (m->state == VIOMMU_VIRTQ_OFF || m->unpublished == 0) {
		check(!notify, "notification without anything new");
		return;
	}
	m->used_index = (uint16_t)(m->used_index + m->unpublished);
	m->unpublished = 0;
	check(peek16(m->layout.used + 2) == m->used_index, "used index");
}

static void do_arm(struct model *m)
{
	bool more = viommu_virtq_device_arm(&m->q);

	check(!more || m->state == VIOMMU_VIRTQ_READY, "arm of a queue that is not ready");
}

/* The guest's side: a descriptor, a head, or bytes. */
static void do_descriptor(struct model *m, struct input *in)
{
	uint64_t where = take(in, 1);
	uint64_t gpa = (where & 0x80) == 0 ? m->layout.desc + 16 * where : take_address(in);

	poke(gpa, 8, take_address(in));
	poke(gpa + 8, 4, (where & 0x40) == 0 ? take(in, 1) : take(in, 4));
	poke(gpa + 12, 2, take(in, 1));
	poke(gpa + 14, 2, take(in, 1));
}

static void do_head(struct model *m, struct input *in)
{
	uint64_t index_at = m->layout.avail + 2;
	uint16_t index = peek16(index_at);

	if (!viommu_virtq_size_is_valid(m->layout.size))
		return;
	poke(m->layout.avail + 4 + 2 * (index & (m->layout.size - 1)), 2, take(in, 1));
	poke(index_at, 2, index + 1u);
}

static void do_bytes(struct input *in)
{
	uint64_t gpa = take_address(in);
	uint64_t count = take(in, 1) % 32;

	for (; count > 0; count--, gpa++)
		poke(gpa, 1, take(in, 1));
}

static void do_one(struct model *m, struct input *in)
{
	switch (take(in, 1) % 10) {
	case 0:
		do_enable(m, in);
		break;
	case 1:
	case 2:
		do_pop(m, in);
		break;
	case 3:
		do_push(m, in);
		break;
	case 4:
		do_publish(m);
		break;
	case 5:
		do_arm(m);
		break;
	case 6:
		do_descriptor(m, in);
		break;
	case 7:
		do_head(m, in);
		break;
	case 8:
		do_bytes(in);
		break;
	default:
		if ((take(in, 1) & 7) == 0) {
			viommu_virtq_device_reset(&m->q);
			m->state = VIOMMU_VIRTQ_OFF;
		}
	}
	check(viommu_virtq_device_state(&m->q) == m->state, "state");
	check(viommu_virtq_device_check(&m->q), "what is always true");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct model m;
	struct input in = { data, len };
	struct viommu_memory memory = { &viommu_memory_table_ops, &table };

	memset(&host, 0, sizeof(host));
	memset(host.canary0, CANARY, sizeof(host.canary0));
	memset(host.canary1, CANARY, sizeof(host.canary1));
	memset(host.canary2, CANARY, sizeof(host.canary2));
	memset(host.canary3, CANARY, sizeof(host.canary3));
	m.state = VIOMMU_VIRTQ_OFF;
	m.layout = (struct viommu_virtq_layout){ .size = 1, .desc = BASE };
	m.outstanding = 0;
	m.unpublished = 0;
	viommu_virtq_device_init(&m.q, &memory);
	while (in.left > 0)
		do_one(&m, &in);
	check_canaries();
	return 0;
}
