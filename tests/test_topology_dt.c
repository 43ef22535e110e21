/* SPDX-License-Identifier: BSD-3-Clause */
/* test_topology_dt.c: iommu-map, iommu-map-mask and iommus of a device tree, and the look-ups in them. */
#include "suite.h"
#include "wire_bytes.h"

#include <viommu/topology.h>

#define ALL VIOMMU_TOPOLOGY_DT_MASK_ALL
#define ENTRIES_MAX 4u

/* As in the binding's example: all functions but 00:01.0, which is the IOMMU (and what has no name here). */
static const struct viommu_topology_dt_map golden_entries[] = {
	{ .rid_first = 0, .rid_last = 7, .phandle = 0x0a, .endpoint = 0 },
	{ .rid_first = 9, .rid_last = 0xffff, .phandle = 0x0a, .endpoint = 9 },
};
static const uint8_t golden[32] = {
	0, 0, 0, 0, 0, 0, 0, 0x0a, 0, 0, 0, 0, 0, 0, 0,    8,    /* 0 to 7 */
	0, 0, 0, 9, 0, 0, 0, 0x0a, 0, 0, 0, 9, 0, 0, 0xff, 0xf7, /* 9 to 0xffff */
};

/* Every byte of every field differs. */
static const struct viommu_topology_dt_map wide_entry = {
	.rid_first = 0x01020304, .rid_last = 0x1a1c1e20, .phandle = 0x21222324, .endpoint = 0x31323334
};
static const uint8_t wide[16] = { 1, 2, 3, 4, 0x21, 0x22, 0x23, 0x24, 0x31, 0x32, 0x33, 0x34, 0x19, 0x1a, 0x1b, 0x1d };

static void put_cell(uint8_t *p, uint32_t value)
{
	for (int i = 3; i >= 0; i--) {
		p[i] = (uint8_t)(value & 0xff);
		value >>= 8;
	}
}

static void put_entry(uint8_t *p, uint32_t rid, uint32_t phandle, uint32_t endpoint, uint32_t length)
{
	put_cell(p, rid);
	put_cell(p + 4, phandle);
	put_cell(p + 8, endpoint);
	put_cell(p + 12, length);
}

static void assert_entry(const struct viommu_topology_dt_map *is, const struct viommu_topology_dt_map *want)
{
	assert_int_equal(is->rid_first, want->rid_first);
	assert_int_equal(is->rid_last, want->rid_last);
	assert_int_equal(is->phandle, want->phandle);
	assert_int_equal(is->endpoint, want->endpoint);
}

/* What the first call of next says of the bytes at the end of their block. */
static enum viommu_result first_of(const uint8_t *map, size_t len)
{
	const uint8_t *copy = exact_copy(map, len);
	struct viommu_topology_dt_map e;
	size_t offset = 0;
	enum viommu_result result;

	memset(&e, CANARY, sizeof e);
	result = viommu_topology_dt_map_next(copy, len, &offset, &e);
	if (result != VIOMMU_OK) {
		assert_int_equal(offset, 0);
		assert_all_bytes(&e, CANARY, sizeof e);
	}
	return result;
}

static void assert_endpoint(const uint8_t *map, size_t len, uint32_t mask, uint32_t rid, uint32_t want_phandle,
			    uint32_t want_endpoint)
{
	uint32_t phandle = 0xaaaaaaaa, endpoint = 0xaaaaaaaa;

	assert_int_equal(viommu_topology_dt_map_endpoint(map, len, mask, rid, &phandle, &endpoint), VIOMMU_OK);
	assert_int_equal(phandle, want_phandle);
	assert_int_equal(endpoint, want_endpoint);
}

static void assert_no_endpoint(const uint8_t *map, size_t len, uint32_t mask, uint32_t rid, enum viommu_result want)
{
	uint32_t phandle = 0xaaaaaaaa, endpoint = 0xaaaaaaaa;

	assert_int_equal(viommu_topology_dt_map_endpoint(map, len, mask, rid, &phandle, &endpoint), want);
	assert_int_equal(phandle, 0xaaaaaaaa);
	assert_int_equal(endpoint, 0xaaaaaaaa);
}

static void assert_rid(const uint8_t *map, size_t len, uint32_t mask, uint32_t phandle, uint32_t endpoint,
		       uint32_t want)
{
	uint32_t rid = 0xaaaaaaaa;

	assert_int_equal(viommu_topology_dt_map_rid(map, len, mask, phandle, endpoint, &rid), VIOMMU_OK);
	assert_int_equal(rid, want);
}

static void assert_no_rid(const uint8_t *map, size_t len, uint32_t mask, uint32_t phandle, uint32_t endpoint,
			  enum viommu_result want)
{
	uint32_t rid = 0xaaaaaaaa;

	assert_int_equal(viommu_topology_dt_map_rid(map, len, mask, phandle, endpoint, &rid), want);
	assert_int_equal(rid, 0xaaaaaaaa);
}

/* Encoding. */

static void test_map_encode__entries__bytes_as_written_by_hand(void **state)
{
	uint8_t out[sizeof golden + 2];

	(void)state;
	assert_int_equal(VIOMMU_TOPOLOGY_DT_MAP_SIZE(2), sizeof golden);
	memset(out, CANARY, sizeof out);
	assert_int_equal(viommu_topology_dt_map_encode(golden_entries, 2, ALL, out + 1, sizeof golden), VIOMMU_OK);
	assert_memory_equal(out + 1, golden, sizeof golden);
	assert_int_equal(out[0], CANARY);
	assert_int_equal(out[sizeof out - 1], CANARY);
	assert_int_equal(viommu_topology_dt_map_encode(&wide_entry, 1, ALL, out, sizeof out), VIOMMU_OK);
	assert_memory_equal(out, wide, sizeof wide);
	assert_int_equal(viommu_topology_dt_map_encode(NULL, 0, ALL, NULL, 0), VIOMMU_OK);
}

static void test_map_encode__each_cap_that_is_too_small__nomem_and_nothing_written(void **state)
{
	uint8_t out[sizeof golden];

	(void)state;
	memset(out, CANARY, sizeof out);
	for (size_t cap = 0; cap < sizeof golden; cap++)
		assert_int_equal(viommu_topology_dt_map_encode(golden_entries, 2, ALL, out, cap), VIOMMU_E_NOMEM);
	assert_all_bytes(out, CANARY, sizeof out);
}

static void test_map_encode__descriptions__good_ones_and_no_others(void **state)
{
	static const struct {
		const char *what;
		enum viommu_result result;
		uint32_t mask;
		size_t count;
		struct viommu_topology_dt_map entries[2];
	} descriptions[] = {
		{ "one id", VIOMMU_OK, ALL, 1, { { 5, 5, 1, 7 } } },
		{ "upside down", VIOMMU_E_ARG, ALL, 1, { { 5, 4, 1, 7 } } },
		{ "2^32 ids", VIOMMU_E_ARG, ALL, 1, { { 0, 0xffffffff, 1, 0 } } },
		{ "2^32 - 1 ids", VIOMMU_OK, ALL, 1, { { 1, 0xffffffff, 1, 0 } } },
		{ "the same, up to the last endpoint", VIOMMU_OK, ALL, 1, { { 0, 0xfffffffe, 1, 1 } } },
		{ "the same, and one more", VIOMMU_E_ARG, ALL, 1, { { 0, 0xfffffffe, 1, 2 } } },
		{ "up to the last endpoint", VIOMMU_OK, ALL, 1, { { 8, 15, 1, 0xfffffff8 } } },
		{ "beyond it", VIOMMU_E_ARG, ALL, 1, { { 8, 15, 1, 0xfffffff9 } } },
		{ "phandle 0", VIOMMU_E_ARG, ALL, 1, { { 8, 15, 0, 0 } } },
		{ "phandle -1", VIOMMU_E_ARG, ALL, 1, { { 8, 15, 0xffffffff, 0 } } },
		{ "phandle -2", VIOMMU_OK, ALL, 1, { { 8, 15, 0xfffffffe, 0 } } },
		{ "within the mask", VIOMMU_OK, 0xfff8, 1, { { 8, 15, 1, 0 } } },
		{ "outside of the mask", VIOMMU_E_ARG, 0xfff0, 1, { { 8, 15, 1, 0 } } },
		{ "side by side", VIOMMU_OK, ALL, 2, { { 8, 15, 1, 0 }, { 16, 23, 2, 0 } } },
		{ "the other way round", VIOMMU_OK, ALL, 2, { { 16, 23, 1, 0 }, { 8, 15, 2, 0 } } },
		{ "one in common", VIOMMU_E_ARG, ALL, 2, { { 8, 16, 1, 0 }, { 16, 23, 2, 0 } } },
		{ "the other one", VIOMMU_E_ARG, ALL, 2, { { 16, 23, 1, 0 }, { 8, 16, 2, 0 } } },
		{ "the same endpoints", VIOMMU_OK, ALL, 2, { { 8, 15, 1, 0 }, { 16, 23, 1, 0 } } },
		{ "the second is wrong", VIOMMU_E_ARG, ALL, 2, { { 8, 15, 1, 0 }, { 16, 15, 1, 0 } } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(descriptions); i++) {
		uint8_t out[32];
		enum viommu_result result;

		memset(out, CANARY, sizeof out);
		result = viommu_topology_dt_map_encode(descriptions[i].entries, descriptions[i].count,
						       descriptions[i].mask, out, sizeof out);
		if (result != descriptions[i].result)
			fail_msg("%s: %d", descriptions[i].what, result);
		if (result != VIOMMU_OK)
			assert_all_bytes(out, CANARY, sizeof out);
		else
			assert_int_equal(first_of(out, VIOMMU_TOPOLOGY_DT_MAP_SIZE(descriptions[i].count)), VIOMMU_OK);
	}
}

/* Reading. */

static void test_map_next__golden_bytes__two_entries(void **state)
{
	struct viommu_topology_dt_map e;
	size_t offset = 0;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(viommu_topology_dt_map_next(golden, sizeof golden, &offset, &e), VIOMMU_OK);
		assert_entry(&e, &golden_entries[i]);
		assert_int_equal(offset, 16 * (i + 1));
	}
	assert_int_equal(viommu_topology_dt_map_next(golden, sizeof golden, &offset, &e), VIOMMU_E_EMPTY);
	assert_int_equal(offset, 32);
	offset = 0;
	assert_int_equal(viommu_topology_dt_map_next(wide, sizeof wide, &offset, &e), VIOMMU_OK);
	assert_entry(&e, &wide_entry);
}

/* An offset that is none gives no bytes that are not there. */
static void test_map_next__each_offset__whole_entries_or_none(void **state)
{
	const uint8_t *copy = exact_copy(golden, sizeof golden);
	struct viommu_topology_dt_map e;

	(void)state;
	for (size_t at = 17; at <= 40; at++) {
		size_t offset = at;

		assert_int_equal(viommu_topology_dt_map_next(copy, sizeof golden, &offset, &e), VIOMMU_E_EMPTY);
		assert_int_equal(offset, at);
	}
	for (size_t at = SIZE_MAX - 40; at != 0; at++) {
		size_t offset = at;

		assert_int_equal(viommu_topology_dt_map_next(copy, sizeof golden, &offset, &e), VIOMMU_E_EMPTY);
	}
}

static void test_map_next__each_truncation__whole_entries_or_peer(void **state)
{
	(void)state;
	for (size_t len = 0; len <= sizeof golden; len++)
		assert_int_equal(first_of(golden, len), len == 0        ? VIOMMU_E_EMPTY
							: len % 16 == 0 ? VIOMMU_OK
									: VIOMMU_E_PEER);
}

static void test_map_next__entries__good_ones_and_no_others(void **state)
{
	static const struct {
		const char *what;
		enum viommu_result result;
		uint32_t rid, phandle, endpoint, length;
	} entries[] = {
		{ "one", VIOMMU_OK, 8, 1, 0, 1 },
		{ "none", VIOMMU_E_PEER, 8, 1, 0, 0 },
		{ "up to the last id", VIOMMU_OK, 0xfffffff8, 1, 0, 8 },
		{ "beyond it", VIOMMU_E_PEER, 0xfffffff9, 1, 0, 8 },
		{ "up to the last endpoint", VIOMMU_OK, 8, 1, 0xfffffff8, 8 },
		{ "beyond that", VIOMMU_E_PEER, 8, 1, 0xfffffff9, 8 },
		{ "the longest", VIOMMU_OK, 1, 1, 1, 0xffffffff },
		{ "its id beyond", VIOMMU_E_PEER, 2, 1, 1, 0xffffffff },
		{ "its endpoint beyond", VIOMMU_E_PEER, 1, 1, 2, 0xffffffff },
		{ "phandle 0", VIOMMU_E_PEER, 8, 0, 0, 1 },
		{ "phandle -1", VIOMMU_E_PEER, 8, 0xffffffff, 0, 1 },
		{ "phandle -2", VIOMMU_OK, 8, 0xfffffffe, 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(entries); i++) {
		uint8_t bytes[16];
		enum viommu_result result;

		put_entry(bytes, entries[i].rid, entries[i].phandle, entries[i].endpoint, entries[i].length);
		result = first_of(bytes, sizeof bytes);
		if (result != entries[i].result)
			fail_msg("%s: %d", entries[i].what, result);
	}
}

/* Each byte in each of its values: entries or refused, and no read outside. */
static void test_map_next__each_byte_in_each_value__entries_or_refused(void **state)
{
	uint8_t *bytes = malloc(sizeof golden);

	(void)state;
	assert_non_null(bytes);
	for (unsigned run = 0; run < sizeof golden * 0x100; run++) {
		struct viommu_topology_dt_map e;
		size_t offset = 0, found = 0;
		uint32_t phandle, endpoint, rid;
		enum viommu_result result;

		memcpy(bytes, golden, sizeof golden);
		bytes[run / 0x100] = (uint8_t)run;
		while ((result = viommu_topology_dt_map_next(bytes, sizeof golden, &offset, &e)) == VIOMMU_OK)
			found++;
		assert_true(found == 2 ? result == VIOMMU_E_EMPTY : result == VIOMMU_E_PEER);
		result = viommu_topology_dt_map_endpoint(bytes, sizeof golden, ALL, 0x28, &phandle, &endpoint);
		if (result == VIOMMU_OK)
			result = viommu_topology_dt_map_rid(bytes, sizeof golden, ALL, phandle, endpoint, &rid);
		assert_true(result == VIOMMU_OK || result == VIOMMU_E_NOENT || result == VIOMMU_E_PEER);
	}
	free(bytes);
}

static void test_mask__bytes__one_cell(void **state)
{
	static const uint8_t bytes[4] = { 0x12, 0x34, 0x56, 0x78 };
	uint8_t out[6];
	uint32_t mask = 0xaaaaaaaa;

	(void)state;
	memset(out, CANARY, sizeof out);
	viommu_topology_dt_mask_encode(0x12345678, out + 1);
	assert_memory_equal(out + 1, bytes, 4);
	assert_int_equal(out[0], CANARY);
	assert_int_equal(out[5], CANARY);
	for (size_t len = 0; len <= 8; len++) {
		const uint8_t *copy = exact_copy(out, len < 6 ? len : 6);

		if (len != 4)
			assert_int_equal(viommu_topology_dt_mask_decode(copy, len, &mask), VIOMMU_E_PEER);
	}
	assert_int_equal(mask, 0xaaaaaaaa);
	assert_int_equal(viommu_topology_dt_mask_decode(bytes, 4, &mask), VIOMMU_OK);
	assert_int_equal(mask, 0x12345678);
}

/* Look-ups. */

static void test_map_endpoint__edges__inside_and_outside(void **state)
{
	(void)state;
	assert_endpoint(golden, sizeof golden, ALL, 0, 0x0a, 0);
	assert_endpoint(golden, sizeof golden, ALL, 7, 0x0a, 7);
	assert_no_endpoint(golden, sizeof golden, ALL, 8, VIOMMU_E_NOENT);
	assert_endpoint(golden, sizeof golden, ALL, 9, 0x0a, 9);
	assert_endpoint(golden, sizeof golden, ALL, 0xffff, 0x0a, 0xffff);
	assert_no_endpoint(golden, sizeof golden, ALL, 0x10000, VIOMMU_E_NOENT);
	assert_no_endpoint(golden, 0, ALL, 0, VIOMMU_E_NOENT);
	assert_no_endpoint(golden, 17, ALL, 0, VIOMMU_E_PEER);
	assert_endpoint(wide, sizeof wide, ALL, 0x01020306, 0x21222324, 0x31323336);
}

static void test_map_rid__edges__inside_and_outside(void **state)
{
	(void)state;
	assert_rid(golden, sizeof golden, ALL, 0x0a, 0, 0);
	assert_rid(golden, sizeof golden, ALL, 0x0a, 7, 7);
	assert_no_rid(golden, sizeof golden, ALL, 0x0a, 8, VIOMMU_E_NOENT);
	assert_rid(golden, sizeof golden, ALL, 0x0a, 0xffff, 0xffff);
	assert_no_rid(golden, sizeof golden, ALL, 0x0a, 0x10000, VIOMMU_E_NOENT);
	assert_no_rid(golden, sizeof golden, ALL, 0x0b, 7, VIOMMU_E_NOENT);
	assert_no_rid(golden, 17, ALL, 0x0a, 0, VIOMMU_E_PEER);
	assert_rid(wide, sizeof wide, ALL, 0x21222324, 0x31323336, 0x01020306);
	assert_no_rid(wide, sizeof wide, ALL, 0x21222324, 0x31323333, VIOMMU_E_NOENT);
}

static void test_map_lookup__every_requester_id__its_own_id_and_back(void **state)
{
	(void)state;
	for (uint32_t rid = 0; rid <= 0xffff; rid++) {
		if (rid == 8)
			continue;
		assert_endpoint(golden, sizeof golden, ALL, rid, 0x0a, rid);
		assert_rid(golden, sizeof golden, ALL, 0x0a, rid, rid);
	}
}

static void test_map_lookup__bad_entry__peer_unless_found_before(void **state)
{
	uint8_t map[32];

	(void)state;
	put_entry(map, 8, 1, 0x80, 8);
	put_entry(map + 16, 16, 1, 0x90, 0);
	assert_endpoint(map, sizeof map, ALL, 9, 1, 0x81);
	assert_no_endpoint(map, sizeof map, ALL, 16, VIOMMU_E_PEER);
	assert_rid(map, sizeof map, ALL, 1, 0x81, 9);
	assert_no_rid(map, sizeof map, ALL, 1, 0x90, VIOMMU_E_PEER);
}

static void test_map_lookup__mask__takes_bits_away(void **state)
{
	uint8_t map[16];

	(void)state;
	put_entry(map, 8, 1, 0x80, 16); /* devices 1 and 2; their functions share an id */
	assert_endpoint(map, sizeof map, 0xfff8, 8, 1, 0x80);
	assert_endpoint(map, sizeof map, 0xfff8, 15, 1, 0x80);
	assert_endpoint(map, sizeof map, 0xfff8, 16, 1, 0x88);
	assert_endpoint(map, sizeof map, 0xfff8, 0x10017, 1, 0x88);
	assert_no_endpoint(map, sizeof map, 0xfff8, 7, VIOMMU_E_NOENT);
	assert_no_endpoint(map, sizeof map, 0xfff8, 24, VIOMMU_E_NOENT);
	assert_rid(map, sizeof map, 0xfff8, 1, 0x80, 8);
	assert_rid(map, sizeof map, 0xfff8, 1, 0x88, 16);
	assert_no_rid(map, sizeof map, 0xfff8, 1, 0x81, VIOMMU_E_NOENT); /* nobody */
}

static void test_map_lookup__entries_overlap__the_first_one_counts(void **state)
{
	uint8_t map[48];

	(void)state;
	put_entry(map, 0x11, 1, 0x80, 1);
	put_entry(map + 16, 0x13, 2, 0x90, 2);
	put_entry(map + 32, 0x10, 1, 0x10, 16);
	assert_endpoint(map, sizeof map, ALL, 0x10, 1, 0x10);
	assert_endpoint(map, sizeof map, ALL, 0x11, 1, 0x80);
	assert_endpoint(map, sizeof map, ALL, 0x12, 1, 0x12);
	assert_endpoint(map, sizeof map, ALL, 0x14, 2, 0x91);
	assert_endpoint(map, sizeof map, ALL, 0x15, 1, 0x15);
	assert_rid(map, sizeof map, ALL, 1, 0x80, 0x11);
	assert_rid(map, sizeof map, ALL, 2, 0x91, 0x14);
	assert_rid(map, sizeof map, ALL, 1, 0x12, 0x12);
	assert_rid(map, sizeof map, ALL, 1, 0x15, 0x15);
	assert_no_rid(map, sizeof map, ALL, 1, 0x11, VIOMMU_E_NOENT);
	assert_no_rid(map, sizeof map, ALL, 1, 0x14, VIOMMU_E_NOENT);
}

/* Random maps, hostile ones among them, against a list of all requester ids. */
static void test_map__random_entries__as_a_list_says(void **state)
{
	static const uint32_t masks[] = { ALL, ALL, 0x3f, 0x3e, 0x38, 0 };
	struct sim_random rnd = { 4 };
	unsigned good = 0;

	(void)state;
	for (unsigned run = 0; run < 20000; run++) {
		uint32_t mask = masks[sim_random_below(&rnd, COUNT(masks))];
		size_t count = (size_t)sim_random_below(&rnd, ENTRIES_MAX + 1), len = 16 * count;
		struct viommu_topology_dt_map entries[ENTRIES_MAX], e;
		bool taken[64] = { false }, is_description = true;
		uint32_t phandles[64] = { 0 }, endpoints[64] = { 0 };
		uint8_t map[16 * ENTRIES_MAX], out[16 * ENTRIES_MAX];
		const uint8_t *copy;
		size_t offset = 0;

		for (size_t i = 0; i < count; i++) {
			uint32_t first = (uint32_t)sim_random_below(&rnd, 48);
			uint32_t length = 1 + (uint32_t)sim_random_below(&rnd, 16);
			uint32_t phandle = 1 + (uint32_t)sim_random_below(&rnd, 2);
			uint32_t endpoint = (uint32_t)sim_random_below(&rnd, 48);

			entries[i] = (struct viommu_topology_dt_map){ first, first + length - 1, phandle, endpoint };
			put_entry(map + 16 * i, first, phandle, endpoint, length);
			is_description = is_description && (first & ~mask) == 0;
			for (uint32_t rid = first; rid < first + length; rid++) {
				if (taken[rid]) {
					is_description = false;
					continue;
				}
				taken[rid] = true;
				phandles[rid] = phandle;
				endpoints[rid] = endpoint + rid - first;
			}
		}
		memset(out, CANARY, sizeof out);
		assert_int_equal(viommu_topology_dt_map_encode(entries, count, mask, out, sizeof out),
				 is_description ? VIOMMU_OK : VIOMMU_E_ARG);
		if (is_description) {
			good++;
			assert_memory_equal(out, map, len);
			assert_all_bytes(out + len, CANARY, sizeof out - len);
		} else {
			assert_all_bytes(out, CANARY, sizeof out);
		}

		copy = exact_copy(map, len);
		for (size_t i = 0; i < count; i++) {
			assert_int_equal(viommu_topology_dt_map_next(copy, len, &offset, &e), VIOMMU_OK);
			assert_entry(&e, &entries[i]);
		}
		assert_int_equal(viommu_topology_dt_map_next(copy, len, &offset, &e), VIOMMU_E_EMPTY);
		for (uint32_t rid = 0; rid < 64; rid++) {
			uint32_t masked = rid & mask;

			if (taken[masked])
				assert_endpoint(copy, len, mask, rid, phandles[masked], endpoints[masked]);
			else
				assert_no_endpoint(copy, len, mask, rid, VIOMMU_E_NOENT);
		}
		for (uint32_t id = 0; id < 2 * 64; id++) {
			uint32_t phandle = 1 + id % 2, endpoint = id / 2;
			size_t i = 0;
			uint32_t rid;

			while (i < count &&
			       (entries[i].phandle != phandle || entries[i].endpoint > endpoint ||
				entries[i].endpoint + entries[i].rid_last - entries[i].rid_first < endpoint))
				i++;
			rid = i < count ? entries[i].rid_first + endpoint - entries[i].endpoint : 0;
			if (i < count && (rid & mask) == rid && phandles[rid] == phandle && endpoints[rid] == endpoint)
				assert_rid(copy, len, mask, phandle, endpoint, rid);
			else
				assert_no_rid(copy, len, mask, phandle, endpoint, VIOMMU_E_NOENT);
		}
	}
	assert_true(good > 4000 && good < 16000);
}

/* iommus. */

static const struct viommu_topology_dt_iommu two_iommus[] = { { 0x01020304, 0x11121314 }, { 1, 0 } };
static const uint8_t two_iommus_bytes[16] = { 1, 2, 3, 4, 0x11, 0x12, 0x13, 0x14, 0, 0, 0, 1, 0, 0, 0, 0 };

static void test_iommus_encode__entries__bytes_as_written_by_hand(void **state)
{
	uint8_t out[sizeof two_iommus_bytes + 2];

	(void)state;
	assert_int_equal(VIOMMU_TOPOLOGY_DT_IOMMUS_SIZE(2), sizeof two_iommus_bytes);
	memset(out, CANARY, sizeof out);
	for (size_t cap = 0; cap < 16; cap++)
		assert_int_equal(viommu_topology_dt_iommus_encode(two_iommus, 2, out + 1, cap), VIOMMU_E_NOMEM);
	assert_all_bytes(out, CANARY, sizeof out);
	assert_int_equal(viommu_topology_dt_iommus_encode(two_iommus, 2, out + 1, 16), VIOMMU_OK);
	assert_memory_equal(out + 1, two_iommus_bytes, 16);
	assert_int_equal(out[0], CANARY);
	assert_int_equal(out[17], CANARY);
	assert_int_equal(viommu_topology_dt_iommus_encode(NULL, 0, NULL, 0), VIOMMU_OK);
}

static void test_iommus_encode__no_phandle__arg_and_nothing_written(void **state)
{
	static const uint32_t wrong[] = { 0, 0xffffffff };
	uint8_t out[16];

	(void)state;
	memset(out, CANARY, sizeof out);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct viommu_topology_dt_iommu entries[2] = { { 1, 2 }, { wrong[i], 2 } };

		assert_int_equal(viommu_topology_dt_iommus_encode(entries, 2, out, sizeof out), VIOMMU_E_ARG);
	}
	assert_all_bytes(out, CANARY, sizeof out);
}

static void test_iommus_next__bytes__entries(void **state)
{
	struct viommu_topology_dt_iommu e;
	size_t offset = 0;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(viommu_topology_dt_iommus_next(two_iommus_bytes, 16, &offset, &e), VIOMMU_OK);
		assert_int_equal(e.phandle, two_iommus[i].phandle);
		assert_int_equal(e.endpoint, two_iommus[i].endpoint);
		assert_int_equal(offset, 8 * (i + 1));
	}
	for (offset = 9; offset <= 40; offset++)
		assert_int_equal(viommu_topology_dt_iommus_next(two_iommus_bytes, 16, &offset, &e), VIOMMU_E_EMPTY);
	offset = SIZE_MAX;
	assert_int_equal(viommu_topology_dt_iommus_next(two_iommus_bytes, 16, &offset, &e), VIOMMU_E_EMPTY);
}

static void test_iommus_next__hostile_bytes__peer(void **state)
{
	static const uint32_t wrong[] = { 0, 0xffffffff };

	(void)state;
	for (size_t len = 0; len <= 16; len++) {
		const uint8_t *copy = exact_copy(two_iommus_bytes, len);
		struct viommu_topology_dt_iommu e;
		size_t offset = 0;
		enum viommu_result want = len == 0 ? VIOMMU_E_EMPTY : len % 8 == 0 ? VIOMMU_OK : VIOMMU_E_PEER;

		memset(&e, CANARY, sizeof e);
		assert_int_equal(viommu_topology_dt_iommus_next(copy, len, &offset, &e), want);
		assert_int_equal(offset, want == VIOMMU_OK ? 8 : 0);
		if (want != VIOMMU_OK)
			assert_all_bytes(&e, CANARY, sizeof e);
	}
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct viommu_topology_dt_iommu e;
		size_t offset = 0;
		uint8_t bytes[8] = { 0 };

		put_cell(bytes, wrong[i]);
		memset(&e, CANARY, sizeof e);
		assert_int_equal(viommu_topology_dt_iommus_next(bytes, sizeof bytes, &offset, &e), VIOMMU_E_PEER);
		assert_int_equal(offset, 0);
		assert_all_bytes(&e, CANARY, sizeof e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map_encode__entries__bytes_as_written_by_hand),
		cmocka_unit_test(test_map_encode__each_cap_that_is_too_small__nomem_and_nothing_written),
		cmocka_unit_test(test_map_encode__descriptions__good_ones_and_no_others),
		cmocka_unit_test(test_map_next__golden_bytes__two_entries),
		cmocka_unit_test(test_map_next__each_offset__whole_entries_or_none),
		cmocka_unit_test(test_map_next__each_truncation__whole_entries_or_peer),
		cmocka_unit_test(test_map_next__entries__good_ones_and_no_others),
		cmocka_unit_test(test_map_next__each_byte_in_each_value__entries_or_refused),
		cmocka_unit_test(test_mask__bytes__one_cell),
		cmocka_unit_test(test_map_endpoint__edges__inside_and_outside),
		cmocka_unit_test(test_map_rid__edges__inside_and_outside),
		cmocka_unit_test(test_map_lookup__every_requester_id__its_own_id_and_back),
		cmocka_unit_test(test_map_lookup__bad_entry__peer_unless_found_before),
		cmocka_unit_test(test_map_lookup__mask__takes_bits_away),
		cmocka_unit_test(test_map_lookup__entries_overlap__the_first_one_counts),
		cmocka_unit_test(test_map__random_entries__as_a_list_says),
		cmocka_unit_test(test_iommus_encode__entries__bytes_as_written_by_hand),
		cmocka_unit_test(test_iommus_encode__no_phandle__arg_and_nothing_written),
		cmocka_unit_test(test_iommus_next__bytes__entries),
		cmocka_unit_test(test_iommus_next__hostile_bytes__peer),
	};

	return suite_run(tests);
}
