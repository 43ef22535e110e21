/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dt.c: the properties of a device tree that say who is behind an IOMMU. All fields are cells: 4 bytes, big-endian.
 *
 *   offset      0           4          8          12
 *   iommu-map   rid_first   phandle    endpoint   how many
 *   iommus      phandle     endpoint
 */
#include <viommu/topology.h>

#include "../bytes.h"

#define MAP_ENTRY_SIZE VIOMMU_TOPOLOGY_DT_MAP_SIZE(1)
#define IOMMUS_ENTRY_SIZE VIOMMU_TOPOLOGY_DT_IOMMUS_SIZE(1)

static bool is_phandle(uint32_t value)
{
	return value != 0 && value != UINT32_MAX;
}

/* Also of what the length of an entry is made from: it fits into a cell. */
static bool map_entry_is_good(const struct viommu_topology_dt_map *e, uint32_t mask)
{
	if (e->rid_last < e->rid_first || e->rid_last - e->rid_first == UINT32_MAX)
		return false;
	return e->endpoint <= UINT32_MAX - (e->rid_last - e->rid_first) && is_phandle(e->phandle) &&
	       (e->rid_first & ~mask) == 0;
}

enum viommu_result viommu_topology_dt_map_encode(const struct viommu_topology_dt_map *entries, size_t count,
						 uint32_t mask, uint8_t *out, size_t cap)
{
	for (size_t i = 0; i < count; i++) {
		const struct viommu_topology_dt_map *e = &entries[i];

		if (!map_entry_is_good(e, mask))
			return VIOMMU_E_ARG;
		for (size_t k = 0; k < i; k++)
			if (e->rid_first <= entries[k].rid_last && entries[k].rid_first <= e->rid_last)
				return VIOMMU_E_ARG;
	}
	/* The entries are in memory, and as large as what is made of them: this does not overflow. */
	if (cap < VIOMMU_TOPOLOGY_DT_MAP_SIZE(count))
		return VIOMMU_E_NOMEM;

	for (size_t i = 0; i < count; i++) {
		uint8_t *p = out + VIOMMU_TOPOLOGY_DT_MAP_SIZE(i);

		viommu_i_put_be32(p, entries[i].rid_first);
		viommu_i_put_be32(p + 4, entries[i].phandle);
		viommu_i_put_be32(p + 8, entries[i].endpoint);
		viommu_i_put_be32(p + 12, entries[i].rid_last - entries[i].rid_first + 1);
	}
	return VIOMMU_OK;
}

void viommu_topology_dt_mask_encode(uint32_t mask, uint8_t out[VIOMMU_TOPOLOGY_DT_MASK_SIZE])
{
	viommu_i_put_be32(out, mask);
}

enum viommu_result viommu_topology_dt_mask_decode(const uint8_t *value, size_t len, uint32_t *mask)
{
	if (len != VIOMMU_TOPOLOGY_DT_MASK_SIZE)
		return VIOMMU_E_PEER;
	*mask = viommu_i_get_be32(value);
	return VIOMMU_OK;
}

enum viommu_result viommu_topology_dt_map_next(const uint8_t *map, size_t len, size_t *offset,
					       struct viommu_topology_dt_map *out)
{
	struct viommu_topology_dt_map e;
	uint32_t beyond_first;

	if (len % MAP_ENTRY_SIZE != 0)
		return VIOMMU_E_PEER;
	if (*offset > len || len - *offset < MAP_ENTRY_SIZE)
		return VIOMMU_E_EMPTY;
	map += *offset;
	e.rid_first = viommu_i_get_be32(map);
	e.phandle = viommu_i_get_be32(map + 4);
	e.endpoint = viommu_i_get_be32(map + 8);
	beyond_first = viommu_i_get_be32(map + 12);
	if (beyond_first == 0 || !is_phandle(e.phandle))
		return VIOMMU_E_PEER;
	beyond_first--;
	if (e.rid_first > UINT32_MAX - beyond_first || e.endpoint > UINT32_MAX - beyond_first)
		return VIOMMU_E_PEER;
	e.rid_last = e.rid_first + beyond_first;

	*out = e;
	*offset += MAP_ENTRY_SIZE;
	return VIOMMU_OK;
}

enum viommu_result viommu_topology_dt_map_endpoint(const uint8_t *map, size_t len, uint32_t mask, uint32_t rid,
						   uint32_t *phandle, uint32_t *endpoint)
{
	struct viommu_topology_dt_map e;
	size_t offset = 0;
	enum viommu_result result;

	rid &= mask;
	do
		result = viommu_topology_dt_map_next(map, len, &offset, &e);
	while (result == VIOMMU_OK && (rid < e.rid_first || rid > e.rid_last));
	if (result != VIOMMU_OK)
		return result == VIOMMU_E_EMPTY ? VIOMMU_E_NOENT : result;
	*phandle = e.phandle;
	*endpoint = e.endpoint + (rid - e.rid_first);
	return VIOMMU_OK;
}

/* Has this entry the id? */
static bool map_entry_holds(const struct viommu_topology_dt_map *e, uint32_t phandle, uint32_t endpoint)
{
	return e->phandle == phandle && endpoint >= e->endpoint && endpoint - e->endpoint <= e->rid_last - e->rid_first;
}

/* Does one of the entries before `end`, all of which are good, hold this requester id? */
static bool is_taken(const uint8_t *map, size_t end, uint32_t rid)
{
	for (size_t at = 0; at < end; at += MAP_ENTRY_SIZE) {
		uint32_t first = viommu_i_get_be32(map + at);

		if (rid >= first && rid - first < viommu_i_get_be32(map + at + 12))
			return true;
	}
	return false;
}

enum viommu_result viommu_topology_dt_map_rid(const uint8_t *map, size_t len, uint32_t mask, uint32_t phandle,
					      uint32_t endpoint, uint32_t *rid)
{
	struct viommu_topology_dt_map e;
	size_t offset = 0;
	uint32_t found;
	enum viommu_result result;

	do
		result = viommu_topology_dt_map_next(map, len, &offset, &e);
	while (result == VIOMMU_OK && !map_entry_holds(&e, phandle, endpoint));
	if (result != VIOMMU_OK)
		return result == VIOMMU_E_EMPTY ? VIOMMU_E_NOENT : result;
	found = e.rid_first + (endpoint - e.endpoint);
	if ((found & ~mask) != 0 || is_taken(map, offset - MAP_ENTRY_SIZE, found))
		return VIOMMU_E_NOENT;
	*rid = found;
	return VIOMMU_OK;
}

enum viommu_result viommu_topology_dt_iommus_encode(const struct viommu_topology_dt_iommu *entries, size_t count,
						    uint8_t *out, size_t cap)
{
	for (size_t i = 0; i < count; i++)
		if (!is_phandle(entries[i].phandle))
			return VIOMMU_E_ARG;
	/* As above. */
	if (cap < VIOMMU_TOPOLOGY_DT_IOMMUS_SIZE(count))
		return VIOMMU_E_NOMEM;

	for (size_t i = 0; i < count; i++) {
		uint8_t *p = out + VIOMMU_TOPOLOGY_DT_IOMMUS_SIZE(i);

		viommu_i_put_be32(p, entries[i].phandle);
		viommu_i_put_be32(p + 4, entries[i].endpoint);
	}
	return VIOMMU_OK;
}

enum viommu_result viommu_topology_dt_iommus_next(const uint8_t *iommus, size_t len, size_t *offset,
						  struct viommu_topology_dt_iommu *out)
{
	struct viommu_topology_dt_iommu e;

	if (len % IOMMUS_ENTRY_SIZE != 0)
		return VIOMMU_E_PEER;
	if (*offset > len || len - *offset < IOMMUS_ENTRY_SIZE)
		return VIOMMU_E_EMPTY;
	e.phandle = viommu_i_get_be32(iommus + *offset);
	e.endpoint = viommu_i_get_be32(iommus + *offset + 4);
	if (!is_phandle(e.phandle))
		return VIOMMU_E_PEER;

	*out = e;
	*offset += IOMMUS_ENTRY_SIZE;
	return VIOMMU_OK;
}
