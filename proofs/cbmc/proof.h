/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * proof.h: what the harnesses share: the peer's memory as a stub that answers anything, and the words to write a proof.
 *
 * The library is built with VIOMMU_PORT_EXTERN, and the accessors are the functions below. A load returns any value,
 * each time anew: one proof covers all that a peer can have written, and all that it changes in the meantime. So is a
 * read through the memory seam, which fails as it likes. What an accessor may touch is said by the harness in `peer`;
 * everything else is a failed proof, and so are
 *
 *   - a misaligned field, or one that is not in an area of the peer's in one piece;
 *   - a store to where only the other side writes;
 *   - a peer's index that is not loaded with acquire, an own one that is not stored with release, and these orders
 *     wasted on anything else;
 *   - with ORDER_PLATFORM a plain one of these, or a plain barrier, and a strong one without;
 *   - a load after a store with no full barrier in between: the lost wake-up;
 *   - a second load of the byte that the harness watches (any one: it is chosen by nobody).
 */
#ifndef VIOMMU_PROOF_H
#define VIOMMU_PROOF_H

#include <stdlib.h>

#include <viommu/virtq.h>
#include <viommu/wire.h>

#include "../../libviommu/internal.h"
#include "../../libviommu/virtq/layout.h"
#include "../../libviommu/virtq/memory.h"

/* Any value: functions without a body. */
bool nondet_bool(void);
uint8_t nondet_u8(void);
uint16_t nondet_u16(void);
uint32_t nondet_u32(void);
uint64_t nondet_u64(void);
size_t nondet_size(void);
void *nondet_pointer(void);

#define OBJECT_MAX (PTRDIFF_MAX / 512)

#define ASSUME(e) __CPROVER_assume(e)
#define PROVE(e) __CPROVER_assert(e, #e)

/* That some run comes here with e true. It is proved by the failure of its opposite. */
#define REACHABLE(e) __CPROVER_assert(!(e), "reachable: " #e)

/* What only a bug of the library can violate is not violated. */
void proof_assertion(const char *expression)
{
	(void)expression;
	__CPROVER_assert(false, "VIOMMU_ASSERT");
}

enum {
	AREA_DESC,
	AREA_AVAIL,
	AREA_USED,
	AREA_PIECE, /* what the memory seam answered last */
	AREA_COUNT
};

struct area {
	const uint8_t *base;
	size_t len;
	bool readable;
	bool writable;
};

static struct {
	struct area area[AREA_COUNT];
	const uint8_t *their_index; /* only they write it */
	const uint8_t *our_index;   /* only we write it */
	bool strong;                /* ORDER_PLATFORM */
	const uint8_t *watched;     /* any byte, or NULL */
	uint32_t watched_loads;
	bool store_is_pending; /* no full barrier since */
	/* The first load of 32 bits is `id`, which stands for any below this, or not below this; 0: it is anything. */
	uint32_t ids;
	uint32_t id;
	/* What was done, for harnesses to compare. */
	uint32_t loads;
	uint32_t stores;
	uint16_t index;  /* last load with acquire */
	uint16_t load16; /* last load without */
	const uint8_t *load16_at;
	uint32_t load32[2];
	const uint8_t *load32_at[2];
	uint16_t store16;
	const uint8_t *store16_at;
	uint32_t store32[2];
	const uint8_t *store32_at[2];
	uint32_t load32s;
	uint32_t store32s;
	uint32_t copies_out;
	const uint8_t *copy_out_at; /* the last one */
} peer;

static void peer_has(unsigned which, const void *base, size_t len, bool readable, bool writable)
{
	peer.area[which] = (struct area){ .base = base, .len = len, .readable = readable, .writable = writable };
}

/* Any byte of an area. */
static void peer_watch(unsigned which)
{
	size_t offset = nondet_size();

	ASSUME(offset < peer.area[which].len);
	peer.watched = peer.area[which].base + offset;
}

static bool lies_in(const struct area *a, const void *p, size_t len)
{
	if (a->base == NULL || !__CPROVER_same_object(p, a->base) || len > a->len)
		return false;
	return __CPROVER_POINTER_OFFSET(p) >= __CPROVER_POINTER_OFFSET(a->base) &&
	       __CPROVER_POINTER_OFFSET(p) - __CPROVER_POINTER_OFFSET(a->base) <= a->len - len;
}

/* Without loops: they would need bounds of their own. */
static bool may_read(const void *p, size_t len)
{
	const struct area *a = peer.area;

	return (a[AREA_DESC].readable && lies_in(&a[AREA_DESC], p, len)) ||
	       (a[AREA_AVAIL].readable && lies_in(&a[AREA_AVAIL], p, len)) ||
	       (a[AREA_USED].readable && lies_in(&a[AREA_USED], p, len)) ||
	       (a[AREA_PIECE].readable && lies_in(&a[AREA_PIECE], p, len));
}

static bool may_write(const void *p, size_t len)
{
	const struct area *a = peer.area;

	return (a[AREA_DESC].writable && lies_in(&a[AREA_DESC], p, len)) ||
	       (a[AREA_AVAIL].writable && lies_in(&a[AREA_AVAIL], p, len)) ||
	       (a[AREA_USED].writable && lies_in(&a[AREA_USED], p, len)) ||
	       (a[AREA_PIECE].writable && lies_in(&a[AREA_PIECE], p, len));
}

static bool is_aligned_to(const void *p, uintptr_t align)
{
	return ((uintptr_t)p & (align - 1)) == 0;
}

static void note_load(const void *p, size_t len)
{
	__CPROVER_assert(may_read(p, len), "the load lies in memory of the peer");
	__CPROVER_assert(!peer.store_is_pending, "a full barrier separates the load from the store before");
	peer.loads++;
	if (peer.watched != NULL && __CPROVER_same_object(p, peer.watched) &&
	    __CPROVER_POINTER_OFFSET(p) <= __CPROVER_POINTER_OFFSET(peer.watched) &&
	    __CPROVER_POINTER_OFFSET(peer.watched) - __CPROVER_POINTER_OFFSET(p) < len) {
		peer.watched_loads++;
		__CPROVER_assert(peer.watched_loads <= 1, "no byte is loaded twice");
	}
}

static void note_store(const void *p, size_t len)
{
	__CPROVER_assert(may_write(p, len), "the store lies in memory that is ours to write");
	peer.stores++;
}

uint16_t viommu_port_load16(const void *p)
{
	__CPROVER_assert(is_aligned_to(p, 2), "the load is aligned");
	__CPROVER_assert(p != peer.their_index, "the index is loaded with acquire");
	note_load(p, 2);
	peer.load16 = nondet_u16();
	peer.load16_at = p;
	return peer.load16;
}

static uint16_t proof_load_index(const void *p, bool strong)
{
	__CPROVER_assert(strong == peer.strong, "the order is as strong as it was negotiated");
	__CPROVER_assert(p == peer.their_index, "what is loaded with acquire is the index");
	note_load(p, 2);
	peer.index = nondet_u16();
	return peer.index;
}

uint16_t viommu_port_load16_acquire(const void *p)
{
	return proof_load_index(p, false);
}

uint16_t viommu_port_load16_acquire_strong(const void *p)
{
	return proof_load_index(p, true);
}

uint32_t viommu_port_load32(const void *p)
{
	__CPROVER_assert(is_aligned_to(p, 4), "the load is aligned");
	note_load(p, 4);
	PROVE(peer.load32s < 2);
	peer.load32[peer.load32s & 1] = nondet_u32();
	ASSUME(peer.load32s != 0 || peer.load32[0] >= peer.ids || peer.load32[0] == peer.id);
	peer.load32_at[peer.load32s & 1] = p;
	return peer.load32[peer.load32s++ & 1];
}

void viommu_port_store16(void *p, uint16_t value)
{
	__CPROVER_assert(is_aligned_to(p, 2), "the store is aligned");
	__CPROVER_assert(p != peer.our_index, "the index is stored with release");
	note_store(p, 2);
	peer.store_is_pending = true;
	peer.store16 = value;
	peer.store16_at = p;
}

static void proof_store_index(void *p, uint16_t value, bool strong)
{
	__CPROVER_assert(strong == peer.strong, "the order is as strong as it was negotiated");
	__CPROVER_assert(p == peer.our_index, "what is stored with release is the index");
	note_store(p, 2);
	peer.store_is_pending = true;
	peer.store16 = value;
	peer.store16_at = p;
}

void viommu_port_store16_release(void *p, uint16_t value)
{
	proof_store_index(p, value, false);
}

void viommu_port_store16_release_strong(void *p, uint16_t value)
{
	proof_store_index(p, value, true);
}

void viommu_port_store32(void *p, uint32_t value)
{
	__CPROVER_assert(is_aligned_to(p, 4), "the store is aligned");
	note_store(p, 4);
	PROVE(peer.store32s < 2);
	peer.store32[peer.store32s & 1] = value;
	peer.store32_at[peer.store32s & 1] = p;
	peer.store32s++;
}

void viommu_port_copy_in(void *dst, const void *from, size_t len)
{
	__CPROVER_assert(__CPROVER_w_ok(dst, len), "the copy has room");
	note_load(from, len);
	__CPROVER_havoc_slice(dst, len);
}

void viommu_port_copy_out(void *to, const void *src, size_t len)
{
	__CPROVER_assert(__CPROVER_r_ok(src, len), "what is copied is there");
	note_store(to, len);
	peer.copies_out++;
	peer.copy_out_at = to;
}

/*
 * The memory seam. It answers what memory.h allows, and also lies about the length: nothing, or more than was asked
 * for. What it was asked has to be sensible. Reads and writes through it are counted with the loads and stores.
 */
static struct {
	uint32_t calls;
	uint32_t last_call; /* from this one on it gives all that was asked for, or NULL; 0: never */
	viommu_gpa gpa;
	uint64_t len;
	uint32_t kind;
	uint64_t piece_len;
	uint8_t *piece;
	size_t host_len;
	uint8_t *host; /* where all pieces are; NULL: each has an object of its own */
	bool any_alignment;
	/* Reads and writes. */
	uint32_t reads;
	uint32_t writes;
	viommu_gpa read_at; /* the last one */
	size_t read_len;
	viommu_gpa watched; /* any byte */
	uint32_t watched_reads;
	/* Of a ring that is reached by these alone. Accesses of 2 and 4 bytes go where `peer` has those by pointers. */
	bool has_ring;
	viommu_gpa their_index;
	viommu_gpa our_index;
	bool acquire_is_due; /* no full barrier since the index was read */
	bool was_released;   /* a full barrier, and no other write since */
	bool index_failed;
	bool load16_failed;
	bool write_failed;
	viommu_gpa load16_at;
	viommu_gpa store16_at;
	viommu_gpa store32_at[2];
} seam;

static void *proof_resolve(void *ctx, viommu_gpa gpa, uint32_t kind, uint64_t *len)
{
	uint64_t want = *len;
	uint64_t got = nondet_u64();
	uint64_t piece;
	size_t skew = 0;
	bool have = nondet_bool();

	(void)ctx;
	__CPROVER_assert(want != 0, "the seam is asked for something");
	__CPROVER_assert(want - 1 <= UINT64_MAX - gpa, "what the seam is asked for does not wrap");
	__CPROVER_assert(kind == VIOMMU_ACCESS_READ || kind == VIOMMU_ACCESS_WRITE, "the kind of access is known");
	seam.calls++;
	ASSUME(seam.last_call == 0 || seam.calls < seam.last_call || got >= want || got == 0 || !have);
	seam.gpa = gpa;
	seam.len = want;
	seam.kind = kind;
	*len = got;
	if (!have)
		return NULL;
	piece = got < want ? got : want;
	/* An object is smaller than what the model checker has offsets for. */
	ASSUME(seam.host != NULL ? piece <= seam.host_len : piece < OBJECT_MAX - 16);
	if (seam.any_alignment) {
		skew = nondet_size();
		ASSUME(skew < 16);
	}
	seam.piece_len = piece;
	seam.piece = seam.host != NULL ? seam.host : (uint8_t *)malloc((size_t)piece + skew) + skew;
	peer_has(AREA_PIECE, seam.piece, (size_t)piece, kind == VIOMMU_ACCESS_READ, kind == VIOMMU_ACCESS_WRITE);
	return seam.piece;
}

static bool proof_read(void *ctx, viommu_gpa gpa, void *dst, size_t len)
{
	bool done = nondet_bool();
	uint16_t value = nondet_u16();

	(void)ctx;
	__CPROVER_assert(len != 0 && len - 1 <= UINT64_MAX - gpa, "what is read through the seam does not wrap");
	__CPROVER_assert(__CPROVER_w_ok(dst, len), "what is read through the seam has room");
	__CPROVER_assert(!peer.store_is_pending, "a full barrier separates the read from the write before");
	__CPROVER_assert(!seam.acquire_is_due, "a full barrier separates the read from that of the index");
	peer.loads++;
	seam.reads++;
	seam.read_at = gpa;
	seam.read_len = len;
	if (seam.watched >= gpa && seam.watched - gpa < len) {
		seam.watched_reads++;
		__CPROVER_assert(seam.watched_reads <= 1, "no byte is read twice");
	}
	if (!seam.has_ring || len != 2) {
		__CPROVER_havoc_slice(dst, len);
		return done;
	}
	((uint8_t *)dst)[0] = (uint8_t)value;
	((uint8_t *)dst)[1] = (uint8_t)(value >> 8);
	if (gpa == seam.their_index) {
		peer.index = value;
		seam.index_failed = !done;
		seam.acquire_is_due = true;
	} else {
		peer.load16 = value;
		seam.load16_at = gpa;
		seam.load16_failed = !done;
	}
	return done;
}

static bool proof_write(void *ctx, viommu_gpa gpa, const void *src, size_t len)
{
	bool done = nondet_bool();

	(void)ctx;
	__CPROVER_assert(len != 0 && len - 1 <= UINT64_MAX - gpa, "what is written through the seam does not wrap");
	__CPROVER_assert(__CPROVER_r_ok(src, len), "what is written through the seam is there");
	peer.stores++;
	peer.store_is_pending = true;
	seam.writes++;
	seam.write_failed = seam.write_failed || !done;
	if (!seam.has_ring)
		return done;
	__CPROVER_assert(len == 2 || len == 4, "a field of the ring is written at once");
	__CPROVER_assert((gpa & (len - 1)) == 0, "the write is aligned");
	__CPROVER_assert(gpa != seam.our_index || seam.was_released, "a full barrier goes before the index");
	seam.was_released = false;
	if (len == 2) {
		peer.store16 = viommu_i_get16(src);
		seam.store16_at = gpa;
	} else {
		PROVE(peer.store32s < 2);
		peer.store32[peer.store32s & 1] = viommu_i_get32(src);
		seam.store32_at[peer.store32s & 1] = gpa;
		peer.store32s++;
	}
	return done;
}

static const struct viommu_memory_ops pointers_only = {
	.size = sizeof(struct viommu_memory_ops),
	.resolve = proof_resolve,
};

static const struct viommu_memory_ops copies_only = {
	.size = sizeof(struct viommu_memory_ops),
	.read = proof_read,
	.write = proof_write,
};

static const struct viommu_memory_ops pointers_and_copies = {
	.size = sizeof(struct viommu_memory_ops),
	.resolve = proof_resolve,
	.read = proof_read,
	.write = proof_write,
};

static struct viommu_memory any_memory(void)
{
	struct viommu_memory m = { .ops = &pointers_only, .ctx = nondet_pointer() };

	if (nondet_bool())
		m.ops = nondet_bool() ? &copies_only : &pointers_and_copies;
	seam.watched = nondet_u64();
	return m;
}

/* All pieces from one object. It is as good where they are not to be told apart, and faster. */
static void seam_has_one_object(void)
{
	seam.host_len = nondet_size();
	ASSUME(seam.host_len < OBJECT_MAX);
	seam.host = malloc(seam.host_len);
}

/* The library's own numbers, of which a proof has one thread. */
uint64_t viommu_port_get64(const uint64_t *p)
{
	return *p;
}

void viommu_port_set64(uint64_t *p, uint64_t value)
{
	*p = value;
}

uint32_t viommu_port_get32(const uint32_t *p)
{
	return *p;
}

void viommu_port_set32(uint32_t *p, uint32_t value)
{
	*p = value;
}

const void *viommu_port_get_pointer(const void *const *p)
{
	return *p;
}

void viommu_port_set_pointer(const void **p, const void *value)
{
	*p = value;
}

static void proof_fence(bool strong)
{
	__CPROVER_assert(strong == peer.strong, "the barrier is as strong as it was negotiated");
	peer.store_is_pending = false;
	seam.acquire_is_due = false;
	seam.was_released = true;
}

void viommu_port_fence(void)
{
	proof_fence(false);
}

void viommu_port_fence_strong(void)
{
	proof_fence(true);
}

/* Any number of bytes that an object can have. */
static size_t any_len(void)
{
	size_t len = nondet_size();

	ASSUME(len < OBJECT_MAX);
	return len;
}

/* Any size that a queue can have. */
static uint32_t any_queue_size(void)
{
	uint32_t size = nondet_u32();

	ASSUME(viommu_virtq_size_is_valid(size));
	return size;
}

#endif /* VIOMMU_PROOF_H */
