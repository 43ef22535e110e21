/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtq_ring.h: a guest for the virtqueue tests. Guest memory of several regions with canaries between them, and a ring
 * in it that a test fills by hand, byte by byte, without the library's help.
 *
 *   gpa 0x0010000   low    2 MiB      rings, tables, buffers
 *       0x0210000   next   64 KiB     adjacent for the guest, elsewhere in the host
 *                   hole
 *       0x1000000   rom    4 KiB      read-only
 *                   hole
 *       2^64 - 4K   top    4 KiB      the last page of the address space
 */
#ifndef VIOMMU_TESTS_VIRTQ_RING_H
#define VIOMMU_TESTS_VIRTQ_RING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <viommu/virtq.h>
#include <viommu/wire.h>

#include "env_memory.h"
#include "suite.h"

#include "sim/env/env.h"

#define LOW_GPA UINT64_C(0x10000)
#define LOW_LEN 0x200000u
#define NEXT_GPA (LOW_GPA + LOW_LEN)
#define NEXT_LEN 0x10000u
#define HOLE_GPA (NEXT_GPA + NEXT_LEN)
#define ROM_GPA UINT64_C(0x1000000)
#define ROM_LEN 0x1000u
#define TOP_GPA UINT64_C(0xfffffffffffff000)
#define TOP_LEN 0x1000u

/* Where the ring is, for sizes up to 32768, and room behind it. */
#define RING_DESC (LOW_GPA)
#define RING_AVAIL (LOW_GPA + 0x80000u)
#define RING_USED (LOW_GPA + 0x98000u)
#define DATA_GPA (LOW_GPA + 0x100000u)
#define TABLE_GPA (LOW_GPA + 0x140000u)

#define F_NEXT 1u
#define F_WRITE 2u
#define F_INDIRECT 4u

#define CANARY 0xc5u
#define CANARY_LEN 64u

/* Host memory in another order than guest memory, so that nothing is adjacent by accident. */
struct guest {
	_Alignas(64) uint8_t canary0[CANARY_LEN];
	uint8_t next[NEXT_LEN];
	uint8_t canary1[CANARY_LEN];
	uint8_t top[TOP_LEN];
	uint8_t canary2[CANARY_LEN];
	uint8_t low[LOW_LEN];
	uint8_t canary3[CANARY_LEN];
	uint8_t rom[ROM_LEN];
	uint8_t canary4[CANARY_LEN];
	struct viommu_memory_region regions[4];
	struct viommu_memory_table table;
	struct viommu_memory pointers;
	struct viommu_memory memory; /* for the device: these, or copies (suite.h) */
};

static inline void guest_init(struct guest *g)
{
	memset(g, 0, sizeof(*g));
	memset(g->canary0, CANARY, CANARY_LEN);
	memset(g->canary1, CANARY, CANARY_LEN);
	memset(g->canary2, CANARY, CANARY_LEN);
	memset(g->canary3, CANARY, CANARY_LEN);
	memset(g->canary4, CANARY, CANARY_LEN);
	g->regions[0] = (struct viommu_memory_region){ LOW_GPA, LOW_GPA + LOW_LEN - 1, g->low,
						       VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE };
	g->regions[1] = (struct viommu_memory_region){ NEXT_GPA, NEXT_GPA + NEXT_LEN - 1, g->next,
						       VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE };
	g->regions[2] = (struct viommu_memory_region){ ROM_GPA, ROM_GPA + ROM_LEN - 1, g->rom, VIOMMU_ACCESS_READ };
	g->regions[3] =
		(struct viommu_memory_region){ TOP_GPA, UINT64_MAX, g->top, VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE };
	g->table = (struct viommu_memory_table){ .regions = g->regions, .count = 4 };
	g->pointers = (struct viommu_memory){ &env_memory_ops, &g->table };
	g->memory = suite_memory(&g->pointers);
}

static inline void guest_check_canaries(const struct guest *g)
{
	const uint8_t *canaries[] = { g->canary0, g->canary1, g->canary2, g->canary3, g->canary4 };

	for (size_t i = 0; i < sizeof(canaries) / sizeof(canaries[0]); i++)
		for (size_t k = 0; k < CANARY_LEN; k++)
			assert_int_equal(canaries[i][k], CANARY);
}

/* The host byte of a guest address, found without the library. */
static inline uint8_t *guest_at(struct guest *g, uint64_t gpa)
{
	if (gpa >= TOP_GPA)
		return g->top + (gpa - TOP_GPA);
	if (gpa >= ROM_GPA && gpa < ROM_GPA + ROM_LEN)
		return g->rom + (gpa - ROM_GPA);
	if (gpa >= NEXT_GPA && gpa < HOLE_GPA)
		return g->next + (gpa - NEXT_GPA);
	assert_true(gpa >= LOW_GPA && gpa < NEXT_GPA);
	return g->low + (gpa - LOW_GPA);
}

/* Where the bytes of a segment are, whether the device has a pointer to them or not. */
static inline uint8_t *segment_at(struct guest *g, const struct viommu_segment *s)
{
	if (suite_memory_is_copied())
		assert_null(s->base);
	return s->base != NULL ? s->base : guest_at(g, s->gpa);
}

static inline bool guest_holds(const struct guest *g, const void *p, size_t len)
{
	const struct {
		const uint8_t *base;
		size_t len;
	} areas[] = { { g->low, LOW_LEN }, { g->next, NEXT_LEN }, { g->rom, ROM_LEN }, { g->top, TOP_LEN } };

	for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
		uintptr_t offset = (uintptr_t)p - (uintptr_t)areas[i].base;

		if (offset < areas[i].len && len <= areas[i].len - offset)
			return true;
	}
	return false;
}

static inline void put_le(uint8_t *p, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(value >> (8 * i));
}

static inline uint64_t get_le(const uint8_t *p, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)p[i] << (8 * i);
	return value;
}

struct ring {
	struct guest *guest;
	uint32_t size;
	uint16_t added;
	uint8_t *desc;
	uint8_t *avail;
	uint8_t *used;
};

static inline struct viommu_virtq_layout ring_layout(uint32_t size, uint64_t features)
{
	return (struct viommu_virtq_layout){ size, RING_DESC, RING_AVAIL, RING_USED, features };
}

/* A clean ring at the usual place. */
static inline void ring_init(struct ring *r, struct guest *g, uint32_t size)
{
	*r = (struct ring){ g, size, 0, guest_at(g, RING_DESC), guest_at(g, RING_AVAIL), guest_at(g, RING_USED) };
	memset(r->desc, 0, 16u * size);
	memset(r->avail, 0, 6u + 2u * size);
	memset(r->used, 0, 6u + 8u * size);
}

static inline void desc_put(uint8_t *p, uint64_t addr, uint32_t len, unsigned flags, unsigned next)
{
	put_le(p, 8, addr);
	put_le(p + 8, 4, len);
	put_le(p + 12, 2, flags);
	put_le(p + 14, 2, next);
}

static inline void ring_desc(struct ring *r, uint32_t i, uint64_t addr, uint32_t len, unsigned flags, unsigned next)
{
	desc_put(r->desc + 16u * i, addr, len, flags, next);
}

/* Entry i of an indirect table at any guest address, even across regions. */
static inline void table_desc(struct guest *g, uint64_t table, uint32_t i, uint64_t addr, uint32_t len, unsigned flags,
			      unsigned next)
{
	uint8_t raw[16];

	desc_put(raw, addr, len, flags, next);
	for (unsigned k = 0; k < 16; k++)
		*guest_at(g, table + 16u * i + k) = raw[k];
}

static inline void ring_set_index(struct ring *r, uint16_t index)
{
	r->added = index;
	put_le(r->avail + 2, 2, index);
}

static inline void ring_add(struct ring *r, unsigned head)
{
	put_le(r->avail + 4 + 2 * (r->added % r->size), 2, head);
	ring_set_index(r, (uint16_t)(r->added + 1));
}

static inline uint16_t ring_used_index(const struct ring *r)
{
	return (uint16_t)get_le(r->used + 2, 2);
}

static inline uint32_t ring_used_id(const struct ring *r, uint16_t index)
{
	return (uint32_t)get_le(r->used + 4 + 8 * (index % r->size), 4);
}

static inline uint32_t ring_used_len(const struct ring *r, uint16_t index)
{
	return (uint32_t)get_le(r->used + 8 + 8 * (index % r->size), 4);
}

static inline void ring_set_used_event(struct ring *r, uint16_t event)
{
	put_le(r->avail + 4 + 2 * r->size, 2, event);
}

static inline uint16_t ring_avail_event(const struct ring *r)
{
	return (uint16_t)get_le(r->used + 4 + 8 * r->size, 2);
}

/* The device's half, ready on a clean ring. */
static inline void ring_enable(struct ring *r, struct guest *g, struct viommu_virtq_device *q, uint32_t size,
			       uint64_t features)
{
	struct viommu_virtq_layout layout = ring_layout(size, features);

	ring_init(r, g, size);
	viommu_virtq_device_init(q, &g->memory);
	assert_int_equal(viommu_virtq_device_enable(q, &layout), VIOMMU_OK);
}

#endif /* VIOMMU_TESTS_VIRTQ_RING_H */
