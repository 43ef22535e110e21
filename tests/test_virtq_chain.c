/* SPDX-License-Identifier: BSD-3-Clause */
/* test_virtq_chain.c: chains of descriptors as the device's half reads them, well made or not. */
#include "suite.h"
#include "virtq_device_fixture.h"

#include "sim/env/env.h"

/* Good chains */

/* VQ-DEV-FRAME-01: 36 readable and 4 writable bytes (a MAP), cut in two at every byte, and byte by byte */
static void test_pop__cut_at_every_byte__same_bytes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40; i++)
		*guest_at(&guest, DATA_GPA + i) = (uint8_t)(i + 1);
	for (unsigned indirect = 0; indirect < 2; indirect++) {
		for (unsigned cut = 0; cut <= 40 + 1; cut++) {
			uint8_t bytes[40];
			unsigned n = 0, total = 0, i;

			ring_enable(&ring, &guest, &q, 64, indirect ? IND : 0);
			for (i = 0; i < 40;) {
				bool writable = i >= 36;
				unsigned end = cut == 41                          ? i + 1
					       : !writable && cut > i && cut < 36 ? cut
					       : writable && cut > i              ? cut
					       : writable                         ? 40
										  : 36;
				unsigned flags = (writable ? F_WRITE : 0) | (end < 40 ? F_NEXT : 0);

				if (indirect)
					table_desc(&guest, TABLE_GPA, n, DATA_GPA + i, end - i, flags, n + 1);
				else
					ring_desc(&ring, n, DATA_GPA + i, end - i, flags, n + 1);
				n++;
				i = end;
			}
			if (indirect)
				ring_desc(&ring, 0, TABLE_GPA, 16 * n, F_INDIRECT, 0);
			ring_add(&ring, 0);
			assert_int_equal(pop(), VIOMMU_OK);
			assert_int_equal(chain.readable_len, 36);
			assert_int_equal(chain.writable_len, 4);
			assert_int_equal(chain.readable + chain.writable, n);
			assert_int_equal(chain.steps, 2 * n + indirect);
			for (i = 0; i < n; i++) {
				assert_true(i < chain.readable ? total < 36 : total >= 36);
				memcpy(bytes + total, segment_at(&guest, &segments[i]), segments[i].len);
				total += (unsigned)segments[i].len;
			}
			for (i = 0; i < 40; i++)
				assert_int_equal(bytes[i], i + 1);
		}
	}
}

/* VQ-DEV-FRAME-02: exactly `size` data descriptors; direct, indirect, and mixed in all proportions (VQ-DEV-INDIR-02) */
static void test_pop__size_data_descriptors__accepted_and_one_more_refused(void **state)
{
	static const uint32_t few[] = { 1, 2, 8, 256 };

	(void)state;
	for (size_t i = 0; i < COUNT(few); i++) {
		uint32_t size = few[i];

		for (uint32_t direct = 0; direct < size; direct++) {
			for (uint32_t extra = 0; extra < 2; extra++) {
				uint32_t inside = size - direct + extra;

				ring_enable(&ring, &guest, &q, size, IND);
				for (uint32_t k = 0; k < direct; k++)
					ring_desc(&ring, k, DATA_GPA + k, 1, F_NEXT, k + 1);
				/* The WRITE flag on the way means nothing: VQ-DEV-INDIR-01. */
				ring_desc(&ring, direct, TABLE_GPA, 16 * inside, F_INDIRECT | F_WRITE, 0);
				for (uint32_t k = 0; k < inside; k++)
					table_desc(&guest, TABLE_GPA, k, DATA_GPA + direct + k, 1,
						   k + 1 < inside ? F_NEXT : 0, k + 1);
				ring_add(&ring, 0);
				assert_int_equal(pop(), extra ? VIOMMU_E_PEER : VIOMMU_OK);
				assert_int_equal(chain.steps, size + 1 + size);
				if (extra)
					continue;
				assert_int_equal(chain.readable, size);
				for (uint32_t k = 0; k < size; k++)
					assert_ptr_equal(segment_at(&guest, &segments[k]),
							 guest_at(&guest, DATA_GPA + k));
			}
		}
		/* without a table */
		ring_enable(&ring, &guest, &q, size, 0);
		for (uint32_t k = 0; k < size; k++)
			ring_desc(&ring, k, DATA_GPA, 1, k + 1 < size ? F_NEXT : 0, k + 1);
		ring_add(&ring, 0);
		assert_int_equal(pop(), VIOMMU_OK);
		assert_int_equal(chain.readable, size);
		assert_int_equal(chain.steps, size + size);
	}
}

static void test_pop__size_32768_direct_chain__accepted(void **state)
{
	(void)state;
	ring_enable(&ring, &guest, &q, 32768, 0);
	for (uint32_t k = 0; k < 32768; k++)
		ring_desc(&ring, 32767 - k, DATA_GPA + k, 1, F_WRITE | (k < 32767 ? F_NEXT : 0), 32766 - k);
	ring_add(&ring, 32767);
	assert_int_equal(pop(), VIOMMU_OK);
	assert_int_equal(chain.writable, 32768);
	assert_int_equal(chain.writable_len, 32768);
}

/* No segment, no loop, and the address does not matter. */
static void test_pop__zero_length_at_each_position__legal_and_without_segment(void **state)
{
	(void)state;
	for (unsigned zeroes = 0; zeroes < 16; zeroes++) {
		unsigned readable = 0, writable = 0;

		ring_enable(&ring, &guest, &q, 4, 0);
		for (unsigned k = 0; k < 4; k++) {
			bool zero = (zeroes >> k & 1) != 0;

			ring_desc(&ring, k, zero ? HOLE_GPA : DATA_GPA + k, zero ? 0 : 1,
				  (k >= 2 ? F_WRITE : 0) | (k < 3 ? F_NEXT : 0), k + 1);
			readable += !zero && k < 2;
			writable += !zero && k >= 2;
		}
		ring_add(&ring, 0);
		assert_int_equal(pop(), VIOMMU_OK);
		assert_int_equal(chain.readable, readable);
		assert_int_equal(chain.writable, writable);
		assert_int_equal(chain.readable_len, readable);
		assert_int_equal(chain.writable_len, writable);
		for (unsigned k = 0; k < readable + writable; k++)
			assert_int_equal(segments[k].len, 1);
	}
}

/* Any alignment of the table; one over a seam of host memory is read where it is. */
static void test_pop__indirect_table_anywhere__read_correctly(void **state)
{
	(void)state;
	for (uint64_t table = NEXT_GPA - 64; table <= NEXT_GPA + 16; table++) {
		ring_enable(&ring, &guest, &q, 4, IND);
		table_desc(&guest, table, 0, DATA_GPA, 3, F_NEXT, 2);
		table_desc(&guest, table, 1, HOLE_GPA, 1, F_INDIRECT, 9); /* not on the way */
		table_desc(&guest, table, 2, DATA_GPA + 5, 7, F_WRITE, 0xffff);
		ring_desc(&ring, 3, table, 48, F_INDIRECT, 77);
		ring_add(&ring, 3);
		assert_int_equal(pop(), VIOMMU_OK);
		assert_int_equal(chain.head, 3);
		assert_int_equal(chain.readable, 1);
		assert_int_equal(chain.writable, 1);
		assert_ptr_equal(segment_at(&guest, &segments[0]), guest_at(&guest, DATA_GPA));
		assert_int_equal(segments[0].len, 3);
		assert_ptr_equal(segment_at(&guest, &segments[1]), guest_at(&guest, DATA_GPA + 5));
		assert_int_equal(segments[1].len, 7);
		guest_check_canaries(&guest);
	}
}

static void test_pop__table_longer_than_the_queue__only_the_chain_counts(void **state)
{
	(void)state;
	ring_enable(&ring, &guest, &q, 2, IND);
	table_desc(&guest, TABLE_GPA, 0, DATA_GPA, 1, F_NEXT, 99);
	table_desc(&guest, TABLE_GPA, 99, DATA_GPA, 1, F_WRITE, 0);
	ring_desc(&ring, 0, TABLE_GPA, 1600, F_INDIRECT, 0);
	ring_add(&ring, 0);
	assert_int_equal(pop(), VIOMMU_OK);
	assert_int_equal(chain.readable, 1);
	assert_int_equal(chain.writable, 1);
}

/* The end is the top of a region; a seam is inside of a buffer; the last byte of the address space. */
static void test_pop__buffers_at_borders__split_in_pieces(void **state)
{
	static const struct {
		uint64_t gpa;
		uint32_t len;
		unsigned flags;
		unsigned pieces; /* 0: malformed. Without pointers: one, and only what wraps is malformed */
	} rows[] = {
		{ NEXT_GPA - 8, 8, 0, 1 },
		{ NEXT_GPA - 8, 9, 0, 2 },
		{ NEXT_GPA - 8, 9, F_WRITE, 2 },
		{ LOW_GPA, LOW_LEN + NEXT_LEN, F_WRITE, 2 },
		{ LOW_GPA, LOW_LEN + NEXT_LEN + 1, 0, 0 },
		{ HOLE_GPA - 8, 8, 0, 1 },
		{ HOLE_GPA - 8, 9, 0, 0 },
		{ HOLE_GPA, 1, 0, 0 },
		{ LOW_GPA - 1, 2, 0, 0 },
		{ LOW_GPA - 1, 1, 0, 0 },
		{ ROM_GPA, ROM_LEN, 0, 1 },
		{ ROM_GPA, 1, F_WRITE, 0 },
		{ UINT64_MAX, 1, F_WRITE, 1 },
		{ UINT64_MAX, 2, F_WRITE, 0 },
		{ TOP_GPA, TOP_LEN, 0, 1 },
		{ TOP_GPA, UINT32_MAX, 0, 0 },
		{ LOW_GPA, UINT32_MAX, 0, 0 },
		{ 0, UINT32_MAX, F_WRITE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		unsigned pieces = rows[i].pieces;

		if (suite_memory_is_copied())
			pieces = rows[i].gpa + (rows[i].len - 1) < rows[i].gpa ? 0 : 1;
		ring_enable(&ring, &guest, &q, 2, 0);
		ring_desc(&ring, 1, rows[i].gpa, rows[i].len, rows[i].flags, 0);
		ring_add(&ring, 1);
		assert_int_equal(pop(), pieces != 0 ? VIOMMU_OK : VIOMMU_E_PEER);
		assert_int_equal(chain.readable, rows[i].flags == 0 ? pieces : 0);
		assert_int_equal(chain.writable, rows[i].flags != 0 ? pieces : 0);
		assert_true(chain.readable_len + chain.writable_len == (pieces != 0 ? rows[i].len : 0));
		if (pieces != 0)
			assert_true(segments[0].gpa == rows[i].gpa);
		if (pieces != 0 && rows[i].pieces != 0)
			assert_ptr_equal(segment_at(&guest, &segments[0]), guest_at(&guest, rows[i].gpa));
		if (pieces == 2) {
			assert_true(segments[1].gpa == NEXT_GPA);
			assert_int_equal(segments[0].len, NEXT_GPA - rows[i].gpa);
			assert_ptr_equal(segments[1].base, guest.next);
			assert_int_equal(segments[1].len, rows[i].len - segments[0].len);
		}
	}
}

/* VQ-DEV-FRAME-02: the count is bounded by what the caller has room for */
static void test_pop__capacity__one_piece_more_is_refused(void **state)
{
	(void)state;
	for (uint32_t capacity = 0; capacity < 5; capacity++) {
		ring_enable(&ring, &guest, &q, 4, 0);
		ring_desc(&ring, 0, DATA_GPA, 1, F_NEXT, 1);
		ring_desc(&ring, 1, NEXT_GPA - 1, 2, F_NEXT | F_WRITE, 2); /* two pieces */
		ring_desc(&ring, 2, DATA_GPA, 0, F_NEXT | F_WRITE, 3);
		ring_desc(&ring, 3, DATA_GPA, 1, F_WRITE, 0);
		ring_add(&ring, 0);
		memset(segments, 0, sizeof(segments[0]) * 8);
		chain.capacity = capacity;
		assert_int_equal(pop(), capacity >= (suite_memory_is_copied() ? 3 : 4) ? VIOMMU_OK : VIOMMU_E_PEER);
		for (uint32_t k = capacity; k < 8; k++)
			assert_int_equal(segments[k].len, 0);
	}
}

/* Memory of which no more than a page is in one piece; the ring, below it, is not. */
static uint64_t pages_resolved;

static void *resolve_pages(void *ctx, viommu_gpa gpa, uint32_t kind, uint64_t *len)
{
	(void)kind;
	if (gpa >= LOW_GPA && gpa < NEXT_GPA)
		return guest.low + (gpa - LOW_GPA);
	pages_resolved++;
	*len = 4096 - gpa % 4096;
	return ctx;
}

/* One descriptor of up to 4 GiB costs its pieces, and no more of them than there is room for are looked for. */
static void test_pop__descriptor_over_many_pieces__each_is_a_step(void **state)
{
	static const struct viommu_memory_ops ops = { .size = sizeof(ops), .resolve = resolve_pages };
	static const struct {
		uint32_t len, pieces;
		bool fits;
	} rows[] = {
		{ 4096, 1, true },         { 4097, 2, true },
		{ 4096 * 512, 512, true }, { 4096 * 512 + 1, 512, false },
		{ 1 << 30, 512, false },   { UINT32_MAX, 512, false },
	};
	const struct viommu_memory pointers = { &ops, guest.next }, memory = suite_memory(&pointers);
	struct viommu_virtq_layout layout = ring_layout(4, IND);

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(rows); i++) {
		bool copied = suite_memory_is_copied(), indirect = i % 2 != 0;
		uint32_t pieces = copied ? 1 : rows[i / 2].pieces;

		ring_init(&ring, &guest, 4);
		viommu_virtq_device_init(&q, &memory);
		assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
		ring_desc(&ring, 0, TABLE_GPA, 16, F_INDIRECT, 0);
		if (indirect)
			table_desc(&guest, TABLE_GPA, 0, 1 << 30, rows[i / 2].len, F_WRITE, 0);
		else
			ring_desc(&ring, 0, 1 << 30, rows[i / 2].len, F_WRITE, 0);
		ring_add(&ring, 0);
		chain.capacity = 512;
		pages_resolved = 0;
		assert_int_equal(pop(), copied || rows[i / 2].fits ? VIOMMU_OK : VIOMMU_E_PEER);
		assert_int_equal(chain.steps, 1 + indirect + pieces);
		if (!copied)
			assert_int_equal(pages_resolved, pieces + !rows[i / 2].fits);
	}
}

/* Bad chains */

struct bad {
	const char *name;
	struct {
		uint64_t addr;
		uint32_t len;
		unsigned flags, next;
	} ring[3], table[3];
	bool no_indirect;
	uint32_t steps; /* descriptors and pieces */
};

#define A DATA_GPA
#define T TABLE_GPA
#define BAD_BUFFERS 4u /* at the end */

/* Queue of 4; the head is descriptor 0; descriptor 3 leads to nowhere. */
static const struct bad bad_chains[] = {
	/* in circles */
	{ "self loop", { { A, 1, F_NEXT, 0 } }, { { 0 } }, false, 8 },
	{ "self loop of zero length", { { A, 0, F_NEXT, 0 } }, { { 0 } }, false, 4 },
	{ "loop of two", { { A, 1, F_NEXT, 1 }, { A, 1, F_NEXT, 0 } }, { { 0 } }, false, 8 },
	{ "loop in a table", { { T, 48, F_INDIRECT, 0 } }, { { A, 1, F_NEXT, 1 }, { A, 1, F_NEXT, 0 } }, false, 9 },
	{ "table refers to the ring's table", { { LOW_GPA, 16, F_INDIRECT, 0 } }, { { 0 } }, false, 2 },
	/* behind the end of a table */
	{ "next == size", { { A, 1, F_NEXT, 4 } }, { { 0 } }, false, 2 },
	{ "next == 65535", { { A, 1, F_NEXT, 65535 } }, { { 0 } }, false, 2 },
	{ "next == entries of the table", { { T, 32, F_INDIRECT, 0 } }, { { A, 1, F_NEXT, 2 } }, false, 3 },
	/* VQ-DRV-FRAME-01 */
	{ "writable first", { { A, 1, F_WRITE | F_NEXT, 1 }, { A, 1, 0, 0 } }, { { 0 } }, false, 3 },
	{ "empty writable first", { { A, 0, F_WRITE | F_NEXT, 1 }, { A, 1, 0, 0 } }, { { 0 } }, false, 2 },
	{ "writable first in a table",
	  { { T, 32, F_INDIRECT, 0 } },
	  { { A, 1, F_WRITE | F_NEXT, 1 }, { A, 1, 0, 0 } },
	  false,
	  4 },
	{ "writable before a table",
	  { { A, 1, F_WRITE | F_NEXT, 1 }, { T, 16, F_INDIRECT, 0 } },
	  { { A, 1, 0, 0 } },
	  false,
	  4 },
	/* VQ-DRV-INDIR-01, -02, -04 */
	{ "not negotiated", { { T, 16, F_INDIRECT, 0 } }, { { A, 1, 0, 0 } }, true, 1 },
	{ "nested", { { T, 32, F_INDIRECT, 0 } }, { { A, 1, F_NEXT, 1 }, { T, 16, F_INDIRECT, 0 } }, false, 4 },
	{ "nested at once", { { T, 16, F_INDIRECT, 0 } }, { { T, 16, F_INDIRECT, 0 } }, false, 2 },
	{ "with NEXT", { { T, 16, F_INDIRECT | F_NEXT, 1 }, { A, 1, 0, 0 } }, { { A, 1, 0, 0 } }, false, 1 },
	/* the table itself */
	{ "length 0", { { T, 0, F_INDIRECT, 0 } }, { { A, 1, 0, 0 } }, false, 1 },
	{ "length 1", { { T, 1, F_INDIRECT, 0 } }, { { A, 1, 0, 0 } }, false, 1 },
	{ "length 15", { { T, 15, F_INDIRECT, 0 } }, { { A, 1, 0, 0 } }, false, 1 },
	{ "length 17", { { T, 17, F_INDIRECT, 0 } }, { { A, 1, 0, 0 } }, false, 1 },
	{ "length 2^32 - 1", { { T, UINT32_MAX, F_INDIRECT, 0 } }, { { A, 1, 0, 0 } }, false, 1 },
	{ "in a hole", { { HOLE_GPA, 16, F_INDIRECT, 0 } }, { { 0 } }, false, 2 },
	{ "half in a hole", { { HOLE_GPA - 8, 16, F_INDIRECT, 0 } }, { { 0 } }, false, 2 },
	{ "over the top", { { UINT64_MAX - 14, 16, F_INDIRECT, 0 } }, { { 0 } }, false, 1 },
	{ "far over the top", { { UINT64_MAX - 15, 32, F_INDIRECT, 0 } }, { { 0 } }, false, 1 },
	/* buffers */
	{ "buffer over the top", { { UINT64_MAX, 2, 0, 0 } }, { { 0 } }, false, 1 },
	/* without pointers these show when the buffers are used */
	{ "buffer in a hole", { { HOLE_GPA, 1, 0, 0 } }, { { 0 } }, false, 1 },
	{ "second one in a hole", { { A, 1, F_NEXT, 1 }, { HOLE_GPA, 1, 0, 0 } }, { { 0 } }, false, 3 },
	{ "buffer into a hole", { { HOLE_GPA - 1, 2, F_WRITE, 0 } }, { { 0 } }, false, 2 },
	{ "writable in read-only memory", { { ROM_GPA, 1, F_WRITE, 0 } }, { { 0 } }, false, 1 },
};

static void lay_bad(const struct bad *bad)
{
	ring_enable(&ring, &guest, &q, 4, bad->no_indirect ? 0 : IND);
	for (unsigned k = 0; k < 3; k++) {
		ring_desc(&ring, k, bad->ring[k].addr, bad->ring[k].len, bad->ring[k].flags, bad->ring[k].next);
		table_desc(&guest, T, k, bad->table[k].addr, bad->table[k].len, bad->table[k].flags,
			   bad->table[k].next);
	}
	ring_desc(&ring, 3, HOLE_GPA, 1, F_NEXT, 3);
}

/* VQ-DRV-INDIR-03: refused once, given back once, and the next good chain works */
static void test_pop__malformed_chain__peer_with_head_and_the_queue_lives(void **state)
{
	const size_t count = COUNT(bad_chains) - (suite_memory_is_copied() ? BAD_BUFFERS : 0);

	(void)state;
	sim_env_allow_aliases();
	for (size_t i = 0; i < count; i++) {
		lay_bad(&bad_chains[i]);
		ring_add(&ring, 0);
		chain.head = 99;
		if (pop() != VIOMMU_E_PEER || chain.steps != bad_chains[i].steps)
			fail_msg("%s: steps %u", bad_chains[i].name, (unsigned)chain.steps);
		assert_int_equal(chain.head, 0);
		assert_int_equal(chain.readable + chain.writable, 0);
		assert_true(chain.readable_len == 0 && chain.writable_len == 0);
		assert_int_equal(q.malformed, 1);
		assert_int_equal(viommu_virtq_device_state(&q), VIOMMU_VIRTQ_READY);
		assert_int_equal(pop(), VIOMMU_E_EMPTY);
		assert_int_equal(viommu_virtq_device_push(&q, chain.head, 0), VIOMMU_OK);
		assert_true(viommu_virtq_device_publish(&q));
		assert_int_equal(ring_used_index(&ring), 1);
		assert_int_equal(ring_used_id(&ring, 0), 0);
		assert_int_equal(ring_used_len(&ring, 0), 0);
		check_good_chain(2);
	}
}

/* `next` without NEXT and unknown flags mean nothing */
static void test_pop__garbage_where_nothing_counts__accepted(void **state)
{
	(void)state;
	ring_enable(&ring, &guest, &q, 4, IND);
	ring_desc(&ring, 0, A, 1, 0xfff8u | F_NEXT, 1);
	ring_desc(&ring, 1, A, 1, 0xfff8u | F_WRITE, 0xffff);
	ring_add(&ring, 0);
	assert_int_equal(pop(), VIOMMU_OK);
	assert_int_equal(chain.readable, 1);
	assert_int_equal(chain.writable, 1);
}

/* Memory wherever it is asked for, 4 GiB and more; never touched. */
static void *endless_resolve(void *ctx, viommu_gpa gpa, uint32_t kind, uint64_t *len)
{
	(void)kind;
	(void)len;
	return gpa >= LOW_GPA && gpa < NEXT_GPA ? guest.low + (gpa - LOW_GPA) : ctx;
}

/* VQ-DRV-DESC-01: exactly 2^32 bytes are legal, one more is not */
static void test_pop__total_length__at_most_2_to_32(void **state)
{
	static const struct viommu_memory_ops ops = { .size = sizeof(ops), .resolve = endless_resolve };
	const struct viommu_memory pointers = { &ops, guest.next }, memory = suite_memory(&pointers);
	const uint64_t far = UINT64_C(0x100000000);

	(void)state;
	for (unsigned extra = 0; extra < 2; extra++) {
		for (unsigned writable = 0; writable < 2; writable++) {
			struct viommu_virtq_layout layout = ring_layout(4, 0);

			ring_init(&ring, &guest, 4);
			viommu_virtq_device_init(&q, &memory);
			assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
			ring_desc(&ring, 0, far, UINT32_MAX, F_NEXT, 1);
			ring_desc(&ring, 1, far, 1, F_NEXT | (writable ? F_WRITE : 0), 2);
			ring_desc(&ring, 2, far, extra, F_WRITE, 0);
			ring_add(&ring, 0);
			assert_int_equal(pop(), extra ? VIOMMU_E_PEER : VIOMMU_OK);
			if (!extra)
				assert_true(chain.readable_len + chain.writable_len == UINT64_C(1) << 32);
		}
	}
}

/* An end behind 2^64 is wrong even where memory is everywhere. */
static void test_pop__address_plus_length_wraps__peer(void **state)
{
	static const struct viommu_memory_ops ops = { .size = sizeof(ops), .resolve = endless_resolve };
	const struct viommu_memory pointers = { &ops, guest.next }, memory = suite_memory(&pointers);
	struct viommu_virtq_layout layout = ring_layout(4, IND);

	(void)state;
	for (uint32_t len = 1; len < 40; len++) {
		for (unsigned table = 0; table < 2; table++) {
			uint64_t gpa = UINT64_MAX - 15;

			ring_init(&ring, &guest, 4);
			viommu_virtq_device_init(&q, &memory);
			assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
			ring_desc(&ring, 0, gpa, table ? 16 * len : len, table ? F_INDIRECT : F_WRITE, 0);
			ring_add(&ring, 0);
			assert_int_equal(pop(), len <= (table ? 1 : 16) ? VIOMMU_OK : VIOMMU_E_PEER);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pop__cut_at_every_byte__same_bytes),
		TEST(test_pop__size_data_descriptors__accepted_and_one_more_refused),
		TEST(test_pop__size_32768_direct_chain__accepted),
		TEST(test_pop__zero_length_at_each_position__legal_and_without_segment),
		TEST(test_pop__indirect_table_anywhere__read_correctly),
		TEST(test_pop__table_longer_than_the_queue__only_the_chain_counts),
		TEST(test_pop__buffers_at_borders__split_in_pieces),
		TEST(test_pop__capacity__one_piece_more_is_refused),
		TEST(test_pop__descriptor_over_many_pieces__each_is_a_step),
		TEST(test_pop__malformed_chain__peer_with_head_and_the_queue_lives),
		TEST(test_pop__garbage_where_nothing_counts__accepted),
		TEST(test_pop__total_length__at_most_2_to_32),
		TEST(test_pop__address_plus_length_wraps__peer),
	};

	return suite_run(tests);
}
