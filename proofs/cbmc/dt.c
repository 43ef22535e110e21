/* SPDX-License-Identifier: BSD-3-Clause */
/* dt.c: proofs of what reads and writes the properties of a device tree. Sizes as in wire.c. */
#include "proof.h"

#include "../../libviommu/topology/dt.c"

static bool is_same_map(const struct viommu_topology_dt_map *a, const struct viommu_topology_dt_map *b)
{
	return a->rid_first == b->rid_first && a->rid_last == b->rid_last && a->phandle == b->phandle &&
	       a->endpoint == b->endpoint;
}

static struct viommu_topology_dt_map any_map(void)
{
	return (struct viommu_topology_dt_map){
		.rid_first = nondet_u32(),
		.rid_last = nondet_u32(),
		.phandle = nondet_u32(),
		.endpoint = nondet_u32(),
	};
}

/* What is true of each entry that was read. */
static bool map_holds(const struct viommu_topology_dt_map *e)
{
	return e->rid_first <= e->rid_last && e->endpoint <= UINT32_MAX - (e->rid_last - e->rid_first) &&
	       e->phandle != 0 && e->phandle != UINT32_MAX;
}

/*
 * Proof of viommu_topology_dt_map_next. One step from any place of a property of any length: on by 16 and not past the
 * end, or nothing has changed.
 */
void prove_dt_map_next(void)
{
	size_t len = any_len();
	uint8_t *map = malloc(len);
	size_t before = nondet_size();
	size_t offset = before;
	struct viommu_topology_dt_map out = any_map();
	struct viommu_topology_dt_map out_before = out;
	enum viommu_result r = viommu_topology_dt_map_next(map, len, &offset, &out);

	if (r == VIOMMU_OK) {
		PROVE(len % 16 == 0 && before <= len && offset <= len && offset - before == 16);
		PROVE(map_holds(&out) && out.rid_first == viommu_i_get_be32(map + before));
	} else {
		PROVE(r == VIOMMU_E_EMPTY || r == VIOMMU_E_PEER);
		PROVE(offset == before && is_same_map(&out, &out_before));
	}
	REACHABLE(r == VIOMMU_OK && offset == len && out.rid_last == UINT32_MAX && out.rid_first == 1);
	REACHABLE(r == VIOMMU_OK && out.endpoint == UINT32_MAX);
	REACHABLE(r == VIOMMU_E_EMPTY && before == len + 1);
	REACHABLE(r == VIOMMU_E_EMPTY && before < len);
	REACHABLE(r == VIOMMU_E_PEER && len % 16 == 0);
	REACHABLE(r == VIOMMU_E_PEER && len == 15);
}

/* Proof of viommu_topology_dt_iommus_next. The same of the other property: on by 8, or nothing has changed. */
void prove_dt_iommus_next(void)
{
	size_t len = any_len();
	uint8_t *iommus = malloc(len);
	size_t before = nondet_size();
	size_t offset = before;
	struct viommu_topology_dt_iommu out = { .phandle = nondet_u32(), .endpoint = nondet_u32() };
	struct viommu_topology_dt_iommu out_before = out;
	enum viommu_result r = viommu_topology_dt_iommus_next(iommus, len, &offset, &out);

	if (r == VIOMMU_OK) {
		PROVE(len % 8 == 0 && before <= len && offset <= len && offset - before == 8);
		PROVE(out.phandle != 0 && out.phandle != UINT32_MAX);
		PROVE(out.endpoint == viommu_i_get_be32(iommus + before + 4));
	} else {
		PROVE(r == VIOMMU_E_EMPTY || r == VIOMMU_E_PEER);
		PROVE(offset == before && out.phandle == out_before.phandle && out.endpoint == out_before.endpoint);
	}
	REACHABLE(r == VIOMMU_OK && offset == len);
	REACHABLE(r == VIOMMU_E_EMPTY && before == len + 1);
	REACHABLE(r == VIOMMU_E_EMPTY && before < len);
	REACHABLE(r == VIOMMU_E_PEER && len % 8 == 0);
	REACHABLE(r == VIOMMU_E_PEER && len == 7);
}

/*
 * Proof of viommu_topology_dt_mask_encode, viommu_topology_dt_mask_decode. What was encoded is decoded; 4 bytes or
 * none.
 */
void prove_dt_mask(void)
{
	uint8_t *bytes = malloc(VIOMMU_TOPOLOGY_DT_MASK_SIZE);
	size_t len = any_len();
	uint8_t *any = malloc(len);
	uint32_t mask = nondet_u32();
	uint32_t again, out = mask;
	enum viommu_result r = viommu_topology_dt_mask_decode(any, len, &out);

	PROVE((r == VIOMMU_OK) == (len == 4) && (r == VIOMMU_OK || (r == VIOMMU_E_PEER && out == mask)));
	viommu_topology_dt_mask_encode(mask, bytes);
	PROVE(viommu_topology_dt_mask_decode(bytes, VIOMMU_TOPOLOGY_DT_MASK_SIZE, &again) == VIOMMU_OK);
	PROVE(again == mask);
	REACHABLE(r == VIOMMU_OK);
	REACHABLE(r == VIOMMU_E_PEER && len == 3);
}

/*
 * Proof of viommu_topology_dt_map_endpoint, viommu_topology_dt_map_rid. Unwind 3. Bound: up to 2 entries. What an id
 * was found for leads back to that id, and a call that fails has written nothing.
 */
void prove_dt_map_find(void)
{
	size_t len = any_len();
	uint8_t map[32];
	uint32_t mask = nondet_u32();
	uint32_t asked_phandle = nondet_u32(), asked_endpoint = nondet_u32();
	uint32_t any = nondet_u32(), rid = any, phandle = any, endpoint = any;
	enum viommu_result r, back;

	ASSUME(len <= sizeof map);
	r = viommu_topology_dt_map_rid(map, len, mask, asked_phandle, asked_endpoint, &rid);
	PROVE(r == VIOMMU_OK || ((r == VIOMMU_E_NOENT || r == VIOMMU_E_PEER) && rid == any));
	back = viommu_topology_dt_map_endpoint(map, len, mask, rid, &phandle, &endpoint);
	PROVE(back == VIOMMU_OK ||
	      ((back == VIOMMU_E_NOENT || back == VIOMMU_E_PEER) && phandle == any && endpoint == any));
	PROVE(r != VIOMMU_OK ||
	      ((rid & ~mask) == 0 && back == VIOMMU_OK && phandle == asked_phandle && endpoint == asked_endpoint));
	REACHABLE(r == VIOMMU_OK && len == 32 && viommu_i_get_be32(map + 4) != phandle);
	REACHABLE(r == VIOMMU_E_NOENT && len == 32 && back == VIOMMU_OK);
	REACHABLE(r == VIOMMU_E_PEER && len == 32);
	REACHABLE(back == VIOMMU_E_NOENT && len == 0);
}

#define ENTRIES_MAX 2u

/*
 * Proof of viommu_topology_dt_map_encode, viommu_topology_dt_map_next. Unwind 3. Bound: up to 2 entries. What was
 * encoded is read, and nothing else was written; nothing at all if it fails.
 */
void prove_dt_map_round_trip(void)
{
	struct viommu_topology_dt_map entries[ENTRIES_MAX] = { any_map(), any_map() };
	size_t count = nondet_size();
	size_t cap = any_len();
	size_t watched = nondet_size();
	uint8_t *out = malloc(cap);
	uint32_t mask = nondet_u32();
	uint8_t before = 0;
	enum viommu_result r;

	ASSUME(count <= ENTRIES_MAX);
	if (watched < cap)
		before = out[watched];
	r = viommu_topology_dt_map_encode(entries, count, mask, out, cap);
	PROVE(r == VIOMMU_OK || r == VIOMMU_E_ARG || (r == VIOMMU_E_NOMEM && cap < 16 * count));
	PROVE(watched >= cap || (r == VIOMMU_OK && watched < 16 * count) || out[watched] == before);
	if (r == VIOMMU_OK && count != 0) {
		size_t i = nondet_size();
		size_t offset;
		struct viommu_topology_dt_map again;

		ASSUME(i < count);
		offset = 16 * i;
		PROVE(viommu_topology_dt_map_next(out, 16 * count, &offset, &again) == VIOMMU_OK);
		PROVE(is_same_map(&again, &entries[i]));
	}
	REACHABLE(r == VIOMMU_OK && count == ENTRIES_MAX && cap == 16 * ENTRIES_MAX);
	REACHABLE(r == VIOMMU_OK && count == 0 && cap == 0);
	REACHABLE(r == VIOMMU_E_NOMEM && cap == 31);
	REACHABLE(r == VIOMMU_E_ARG);
}

/*
 * Proof of viommu_topology_dt_iommus_encode, viommu_topology_dt_iommus_next. Unwind 3. Bound: up to 2 entries. The
 * same.
 */
void prove_dt_iommus_round_trip(void)
{
	struct viommu_topology_dt_iommu entries[ENTRIES_MAX] = { { nondet_u32(), nondet_u32() },
								 { nondet_u32(), nondet_u32() } };
	size_t count = nondet_size();
	size_t cap = any_len();
	size_t watched = nondet_size();
	uint8_t *out = malloc(cap);
	uint8_t before = 0;
	enum viommu_result r;

	ASSUME(count <= ENTRIES_MAX);
	if (watched < cap)
		before = out[watched];
	r = viommu_topology_dt_iommus_encode(entries, count, out, cap);
	PROVE(r == VIOMMU_OK || r == VIOMMU_E_ARG || (r == VIOMMU_E_NOMEM && cap < 8 * count));
	PROVE(watched >= cap || (r == VIOMMU_OK && watched < 8 * count) || out[watched] == before);
	if (r == VIOMMU_OK && count != 0) {
		size_t i = nondet_size();
		size_t offset;
		struct viommu_topology_dt_iommu again;

		ASSUME(i < count);
		offset = 8 * i;
		PROVE(viommu_topology_dt_iommus_next(out, 8 * count, &offset, &again) == VIOMMU_OK);
		PROVE(again.phandle == entries[i].phandle && again.endpoint == entries[i].endpoint);
	}
	REACHABLE(r == VIOMMU_OK && count == ENTRIES_MAX && cap == 8 * ENTRIES_MAX);
	REACHABLE(r == VIOMMU_E_NOMEM && cap == 15);
	REACHABLE(r == VIOMMU_E_ARG);
}
