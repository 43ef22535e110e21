/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_topology.c: the ACPI table VIOT and the properties of a device tree, as anybody may have written them. What
 * the library reads is compared with readers that list everything first and look it up by search; what it writes is
 * read back by these. Bytes lie at the end of their block, so that a sanitizer sees a read behind them.
 */
#include "canary.h"
#include "targets.h"

#include <string.h>

#include <viommu/topology.h>

#define TABLE_MAX 512u
#define MAP_MAX 128u
#define DESCRIBED_MAX 6u
#define HEADER 48u
#define NODES_MAX (TABLE_MAX / 4)
#define TRUNCATIONS 24u /* at the end, that many bytes less */

struct world {
	struct viommu_topology_place iommus[DESCRIBED_MAX];
	struct viommu_topology_range ranges[DESCRIBED_MAX];
	uint32_t iommu_count, range_count;
	uint8_t table[TABLE_MAX];
	size_t len;
	uint8_t map[MAP_MAX];
	size_t map_len;
	uint32_t mask;
	uint8_t block[TABLE_MAX + HEADER]; /* a copy, at its end */
};

static struct world the_world;

static const uint8_t *place(struct world *w, const uint8_t *bytes, size_t len)
{
	memcpy(w->block + sizeof(w->block) - len, bytes, len);
	return w->block + sizeof(w->block) - len;
}

static uint64_t number(const uint8_t *p, unsigned bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0)
		value = value * 256 + p[bytes];
	return value;
}

static uint64_t cell(const uint8_t *p)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 4; i++)
		value = value * 256 + p[i];
	return value;
}

static void mend(struct world *w)
{
	uint8_t sum = 0;

	if (w->len < HEADER)
		return;
	w->table[4] = (uint8_t)w->len;
	w->table[5] = (uint8_t)(w->len / 256);
	w->table[6] = w->table[7] = w->table[9] = 0;
	for (size_t i = 0; i < w->len; i++)
		sum = (uint8_t)(sum + w->table[i]);
	w->table[9] = (uint8_t)(256 - sum);
}

/* The naive reader of VIOT */

struct naive_range {
	uint64_t iommu, endpoint, base;
	uint64_t segment, last_segment, bdf, last_bdf;
	bool is_pci;
};

struct naive {
	struct viommu_topology_place iommus[NODES_MAX];
	struct naive_range ranges[NODES_MAX];
	uint32_t iommu_count, range_count;
};

static bool naive_range_is_good(const struct naive_range *r)
{
	if (!r->is_pci)
		return true;
	return r->segment <= r->last_segment && r->bdf <= r->last_bdf &&
	       r->endpoint + (r->last_segment - r->segment) * 65536 + r->last_bdf - r->bdf < UINT64_C(0x100000000);
}

/* The offsets and IOMMU numbers of all nodes. Returns how many; -1: they are not all there. */
static int naive_list(const uint8_t *bytes, uint64_t length, uint64_t offsets[], uint64_t numbers[])
{
	static const uint64_t least[] = { 4, 24, 24, 16, 16 };
	uint64_t at = number(bytes + 38, 2), count = number(bytes + 36, 2), iommus = 0;

	if (at < 48 || at > length)
		return -1;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t type, size;

		if (length - at < 4)
			return -1;
		type = bytes[at];
		size = number(bytes + at + 2, 2);
		if (size < least[type < 5 ? type : 0] || size > length - at)
			return -1;
		offsets[i] = at;
		numbers[i] = iommus;
		if (type == 3 || type == 4)
			iommus++;
		at += size;
	}
	return (int)count;
}

static bool naive_read(struct naive *n, const uint8_t *bytes, size_t len)
{
	uint64_t offsets[NODES_MAX], numbers[NODES_MAX];
	uint8_t sum = 0;
	int count;

	n->iommu_count = 0;
	n->range_count = 0;
	if (len < 48 || memcmp(bytes, "VIOT", 4) != 0 || number(bytes + 4, 4) > len || number(bytes + 4, 4) < 48)
		return false;
	len = (size_t)number(bytes + 4, 4);
	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + bytes[i]);
	if (sum != 0)
		return false;
	count = naive_list(bytes, len, offsets, numbers);
	for (int i = 0; i < count; i++) {
		const uint8_t *node = bytes + offsets[i];
		struct naive_range r = { .endpoint = number(node + 4, 4) };
		int k = 0;

		if (node[0] == 3 || node[0] == 4) {
			struct viommu_topology_place *iommu = &n->iommus[n->iommu_count++];

			iommu->bus = node[0] == 3 ? VIOMMU_TOPOLOGY_PCI : VIOMMU_TOPOLOGY_MMIO;
			iommu->segment = (uint16_t)(node[0] == 3 ? number(node + 4, 2) : 0);
			iommu->bdf = (uint16_t)(node[0] == 3 ? number(node + 6, 2) : 0);
			iommu->base = node[0] == 3 ? 0 : number(node + 8, 8);
		}
		if (node[0] != 1 && node[0] != 2)
			continue;
		r.is_pci = node[0] == 1;
		if (r.is_pci) {
			r.segment = number(node + 8, 2);
			r.last_segment = number(node + 10, 2);
			r.bdf = number(node + 12, 2);
			r.last_bdf = number(node + 14, 2);
		} else {
			r.base = number(node + 8, 8);
		}
		while (k < count && offsets[k] != number(node + 16, 2))
			k++;
		if (!naive_range_is_good(&r) || k == count || bytes[offsets[k]] == 1 || bytes[offsets[k]] == 2)
			return false;
		r.iommu = numbers[k];
		if (bytes[offsets[k]] == 3 || bytes[offsets[k]] == 4)
			n->ranges[n->range_count++] = r;
	}
	return count >= 0;
}

static bool is_same_place(const struct viommu_topology_place *a, const struct viommu_topology_place *b)
{
	return a->bus == b->bus &&
	       (a->bus == VIOMMU_TOPOLOGY_PCI ? a->segment == b->segment && a->bdf == b->bdf : a->base == b->base);
}

static bool naive_endpoint(const struct naive *n, const struct viommu_topology_place *device, uint64_t *iommu,
			   uint64_t *endpoint)
{
	for (uint32_t i = 0; i < n->range_count; i++) {
		const struct naive_range *r = &n->ranges[i];

		if (device->bus != (r->is_pci ? VIOMMU_TOPOLOGY_PCI : VIOMMU_TOPOLOGY_MMIO))
			continue;
		if (r->is_pci ? device->segment < r->segment || device->segment > r->last_segment ||
					device->bdf < r->bdf || device->bdf > r->last_bdf
			      : device->base != r->base)
			continue;
		*iommu = r->iommu;
		*endpoint = r->endpoint;
		if (r->is_pci)
			*endpoint += (device->segment - r->segment) * 65536 + device->bdf - r->bdf;
		return !is_same_place(&n->iommus[r->iommu], device);
	}
	return false;
}

static bool naive_device(const struct naive *n, uint64_t iommu, uint64_t endpoint, struct viommu_topology_place *out)
{
	for (uint32_t i = 0; i < n->range_count; i++) {
		const struct naive_range *r = &n->ranges[i];
		uint64_t its_iommu, its_endpoint, segment, bdf;

		if (r->iommu != iommu || endpoint < r->endpoint)
			continue;
		segment = r->segment + (endpoint - r->endpoint) / 65536;
		bdf = r->bdf + (endpoint - r->endpoint) % 65536;
		if (r->is_pci ? segment > r->last_segment || bdf > r->last_bdf : endpoint != r->endpoint)
			continue;
		*out = (struct viommu_topology_place){ .bus = r->is_pci ? VIOMMU_TOPOLOGY_PCI : VIOMMU_TOPOLOGY_MMIO,
						       .segment = (uint16_t)segment,
						       .bdf = (uint16_t)bdf,
						       .base = r->base };
		return naive_endpoint(n, out, &its_iommu, &its_endpoint) && its_iommu == iommu &&
		       its_endpoint == endpoint;
	}
	return false;
}

/* The library against it */

static void check_device(const struct viommu_topology_viot *viot, const struct naive *n,
			 struct viommu_topology_place device)
{
	uint64_t want_iommu, want_endpoint;
	uint32_t iommu, endpoint;
	bool found = naive_endpoint(n, &device, &want_iommu, &want_endpoint);

	memset(&iommu, SIM_OPS_CANARY, sizeof(iommu));
	memset(&endpoint, SIM_OPS_CANARY, sizeof(endpoint));
	SIM_OPS_CHECK(viommu_topology_viot_endpoint(viot, &device, &iommu, &endpoint) ==
		      (found ? VIOMMU_OK : VIOMMU_E_NOENT));
	if (found)
		SIM_OPS_CHECK(iommu == want_iommu && endpoint == want_endpoint);
	else
		SIM_OPS_CHECK(sim_ops_is_canary(&iommu, sizeof(iommu)) &&
			      sim_ops_is_canary(&endpoint, sizeof(endpoint)));
}

static void check_id(const struct viommu_topology_viot *viot, const struct naive *n, uint64_t iommu, uint64_t endpoint)
{
	struct viommu_topology_place device, want;
	bool found = naive_device(n, (uint32_t)iommu, (uint32_t)endpoint, &want);

	memset(&device, SIM_OPS_CANARY, sizeof(device));
	SIM_OPS_CHECK(viommu_topology_viot_device(viot, (uint32_t)iommu, (uint32_t)endpoint, &device) ==
		      (found ? VIOMMU_OK : VIOMMU_E_NOENT));
	if (found)
		SIM_OPS_CHECK(is_same_place(&device, &want));
	else
		SIM_OPS_CHECK(sim_ops_is_canary(&device, sizeof(device)));
}

/* What lies on and beside the edges of a range. */
static void check_edges(const struct viommu_topology_viot *viot, const struct naive *n, const struct naive_range *r)
{
	struct viommu_topology_place device = { .bus = r->is_pci ? VIOMMU_TOPOLOGY_PCI : VIOMMU_TOPOLOGY_MMIO };
	uint64_t bdfs = r->last_bdf - r->bdf, top = r->endpoint + (r->last_segment - r->segment) * 65536 + bdfs;

	for (uint64_t i = 0; i < 9; i++) {
		uint64_t segment = i / 3 == 0 ? r->segment - 1 : i / 3 == 1 ? r->segment : r->last_segment + 1;
		uint64_t bdf = i % 3 == 0 ? r->bdf - 1 : i % 3 == 1 ? r->last_bdf : r->last_bdf + 1;

		device.segment = (uint16_t)segment;
		device.bdf = (uint16_t)bdf;
		device.base = r->base + i % 3 - 1;
		check_device(viot, n, device);
	}
	check_id(viot, n, r->iommu, r->endpoint - 1);
	check_id(viot, n, r->iommu, r->endpoint);
	check_id(viot, n, r->iommu, r->endpoint + bdfs);
	check_id(viot, n, r->iommu, r->endpoint + bdfs + 1);
	check_id(viot, n, r->iommu, top);
	check_id(viot, n, r->iommu, top + 1);
	check_id(viot, n, r->iommu, r->endpoint + 65536);
	check_id(viot, n, r->iommu + 1, r->endpoint);
}

static void check_walk(const struct viommu_topology_viot *viot, const struct naive *n)
{
	struct viommu_topology_range range;
	struct viommu_topology_place iommu;
	uint32_t offset = 0, before;

	for (uint32_t i = 0; i < n->range_count; i++) {
		const struct naive_range *r = &n->ranges[i];

		before = offset;
		SIM_OPS_CHECK(viommu_topology_viot_next(viot, &offset, &range) == VIOMMU_OK && offset > before);
		SIM_OPS_CHECK(range.iommu == r->iommu && range.endpoint == r->endpoint);
		SIM_OPS_CHECK((range.first.bus == VIOMMU_TOPOLOGY_PCI) == r->is_pci && range.first.base == r->base);
		SIM_OPS_CHECK(range.first.segment == r->segment && range.last_segment == r->last_segment);
		SIM_OPS_CHECK(range.first.bdf == r->bdf && range.last_bdf == r->last_bdf);
	}
	before = offset;
	SIM_OPS_CHECK(viommu_topology_viot_next(viot, &offset, &range) == VIOMMU_E_EMPTY && offset == before);
	for (uint32_t i = 0; i < n->iommu_count; i++) {
		SIM_OPS_CHECK(viommu_topology_viot_iommu(viot, i, &iommu) == VIOMMU_OK);
		SIM_OPS_CHECK(is_same_place(&iommu, &n->iommus[i]));
	}
	SIM_OPS_CHECK(viommu_topology_viot_iommu(viot, n->iommu_count, &iommu) == VIOMMU_E_NOENT);
}

/* Returns whether it is a table; then *n is what is in it. */
static bool judge(struct world *w, size_t len, struct viommu_topology_viot *viot, struct naive *n)
{
	const uint8_t *bytes = place(w, w->table, len);
	bool good = naive_read(n, bytes, len);

	memset(viot, SIM_OPS_CANARY, sizeof(*viot));
	SIM_OPS_CHECK(viommu_topology_viot_init(viot, bytes, len) == (good ? VIOMMU_OK : VIOMMU_E_PEER));
	if (!good)
		SIM_OPS_CHECK(sim_ops_is_canary(viot, sizeof(*viot)));
	return good;
}

static void check_table(struct world *w)
{
	static struct naive naive;
	struct viommu_topology_viot viot;

	if (!judge(w, w->len, &viot, &naive))
		return;
	check_walk(&viot, &naive);
	for (uint32_t i = 0; i < naive.range_count && i < DESCRIBED_MAX; i++)
		check_edges(&viot, &naive, &naive.ranges[i]);
	for (uint32_t i = 0; i < naive.iommu_count && i < DESCRIBED_MAX; i++)
		check_device(&viot, &naive, naive.iommus[i]);
}

/* Writing */

static bool is_bus(enum viommu_topology_bus bus)
{
	return bus == VIOMMU_TOPOLOGY_PCI || bus == VIOMMU_TOPOLOGY_MMIO;
}

static bool are_apart(uint16_t first, uint16_t last, uint16_t other_first, uint16_t other_last)
{
	return last < other_first || first > other_last;
}

static bool is_description(const struct world *w)
{
	for (uint32_t i = 0; i < w->iommu_count; i++)
		for (uint32_t k = 0; k < w->iommu_count; k++)
			if (!is_bus(w->iommus[i].bus) || (i != k && is_same_place(&w->iommus[i], &w->iommus[k])))
				return false;
	for (uint32_t i = 0; i < w->range_count; i++) {
		const struct viommu_topology_range *r = &w->ranges[i];
		struct naive_range wide = { .endpoint = r->endpoint,
					    .segment = r->first.segment,
					    .last_segment = r->last_segment,
					    .bdf = r->first.bdf,
					    .last_bdf = r->last_bdf,
					    .is_pci = r->first.bus == VIOMMU_TOPOLOGY_PCI };

		if (r->iommu >= w->iommu_count || !is_bus(r->first.bus) || !naive_range_is_good(&wide))
			return false;
		for (uint32_t k = 0; k < w->range_count; k++) {
			const struct viommu_topology_range *o = &w->ranges[k];

			if (i == k || r->first.bus != o->first.bus)
				continue;
			if (!wide.is_pci ? r->first.base == o->first.base
					 : !are_apart(r->first.segment, r->last_segment, o->first.segment,
						      o->last_segment) &&
						   !are_apart(r->first.bdf, r->last_bdf, o->first.bdf, o->last_bdf))
				return false;
		}
	}
	return true;
}

static void check_written(const struct world *w, const struct naive *n)
{
	SIM_OPS_CHECK(n->iommu_count == w->iommu_count && n->range_count == w->range_count);
	for (uint32_t i = 0; i < n->iommu_count; i++)
		SIM_OPS_CHECK(is_same_place(&n->iommus[i], &w->iommus[i]));
	for (uint32_t i = 0; i < n->range_count; i++) {
		const struct naive_range *is = &n->ranges[i];
		const struct viommu_topology_range *want = &w->ranges[i];

		SIM_OPS_CHECK(is->iommu == want->iommu && is->endpoint == want->endpoint);
		SIM_OPS_CHECK(is->is_pci == (want->first.bus == VIOMMU_TOPOLOGY_PCI));
		if (is->is_pci)
			SIM_OPS_CHECK(is->segment == want->first.segment && is->last_segment == want->last_segment &&
				      is->bdf == want->first.bdf && is->last_bdf == want->last_bdf);
		else
			SIM_OPS_CHECK(is->base == want->first.base);
	}
}

static void run_encode(struct world *w, size_t cap)
{
	static uint8_t out[TABLE_MAX];
	static struct naive naive;
	struct viommu_topology_viot viot;
	struct viommu_topology_viot_config config = VIOMMU_TOPOLOGY_VIOT_CONFIG_INIT;
	size_t size = VIOMMU_TOPOLOGY_VIOT_SIZE(w->iommu_count, w->range_count);
	enum viommu_result want = !is_description(w) ? VIOMMU_E_ARG : cap < size ? VIOMMU_E_NOMEM : VIOMMU_OK;

	memcpy(config.oem_id, "OEM-ID", 6);
	config.iommus = w->iommus;
	config.iommu_count = w->iommu_count;
	config.ranges = w->ranges;
	config.range_count = w->range_count;
	memset(out, SIM_OPS_CANARY, sizeof(out));
	SIM_OPS_CHECK(viommu_topology_viot_encode(&config, out, cap) == want);
	if (want != VIOMMU_OK)
		size = 0;
	SIM_OPS_CHECK(sim_ops_is_canary(out + size, sizeof(out) - size));
	if (want != VIOMMU_OK)
		return;
	memcpy(w->table, out, size);
	w->len = size;
	SIM_OPS_CHECK(judge(w, size, &viot, &naive));
	check_written(w, &naive);
	check_table(w);
}

/* Device tree */

struct naive_entry {
	uint64_t rid, phandle, endpoint, count;
};

static bool naive_entry(const uint8_t *p, struct naive_entry *e)
{
	*e = (struct naive_entry){ cell(p), cell(p + 4), cell(p + 8), cell(p + 12) };
	return e->phandle != 0 && e->phandle != UINT32_MAX && e->count != 0 &&
	       e->rid + e->count <= UINT64_C(0x100000000) && e->endpoint + e->count <= UINT64_C(0x100000000);
}

/* The first entry for this id. VIOMMU_E_PEER: there is a bad one before. */
static enum viommu_result naive_map(const uint8_t *map, size_t len, uint64_t rid, struct naive_entry *e)
{
	if (len % 16 != 0)
		return VIOMMU_E_PEER;
	for (size_t at = 0; at < len; at += 16) {
		if (!naive_entry(map + at, e))
			return VIOMMU_E_PEER;
		if (rid >= e->rid && rid < e->rid + e->count)
			return VIOMMU_OK;
	}
	return VIOMMU_E_NOENT;
}

static void check_rid(struct world *w, const uint8_t *map, uint32_t rid)
{
	struct naive_entry e;
	enum viommu_result want = naive_map(map, w->map_len, rid & w->mask, &e);
	uint32_t phandle = 7, endpoint = 9;

	SIM_OPS_CHECK(viommu_topology_dt_map_endpoint(map, w->map_len, w->mask, rid, &phandle, &endpoint) == want);
	if (want == VIOMMU_OK)
		SIM_OPS_CHECK(phandle == e.phandle && endpoint == e.endpoint + (rid & w->mask) - e.rid);
	else
		SIM_OPS_CHECK(phandle == 7 && endpoint == 9);
}

static void check_map_id(struct world *w, const uint8_t *map, uint32_t phandle, uint32_t endpoint)
{
	enum viommu_result want = w->map_len % 16 != 0 ? VIOMMU_E_PEER : VIOMMU_E_NOENT;
	struct naive_entry e, first;
	uint64_t rid = 0;
	uint32_t found = 5;

	for (size_t at = 0; want == VIOMMU_E_NOENT && at < w->map_len; at += 16) {
		if (!naive_entry(map + at, &e)) {
			want = VIOMMU_E_PEER;
		} else if (e.phandle == phandle && endpoint >= e.endpoint && endpoint < e.endpoint + e.count) {
			rid = e.rid + endpoint - e.endpoint;
			(void)naive_map(map, w->map_len, rid, &first);
			if ((rid & w->mask) == rid && first.phandle == phandle &&
			    first.endpoint + rid - first.rid == endpoint)
				want = VIOMMU_OK;
			break;
		}
	}
	SIM_OPS_CHECK(viommu_topology_dt_map_rid(map, w->map_len, w->mask, phandle, endpoint, &found) == want);
	SIM_OPS_CHECK(found == (want == VIOMMU_OK ? rid : 5));
}

/* All entries can be written again, unless they overlap or the mask forbids it. */
static void check_map_encode(const struct world *w, const struct viommu_topology_dt_map *entries, size_t count,
			     const uint8_t *map)
{
	uint8_t out[MAP_MAX + 1];
	bool good = true;

	for (size_t i = 0; i < count; i++) {
		good = good && (entries[i].rid_first & w->mask) == entries[i].rid_first;
		for (size_t k = i + 1; k < count; k++)
			good = good && (entries[i].rid_last < entries[k].rid_first ||
					entries[k].rid_last < entries[i].rid_first);
	}
	memset(out, SIM_OPS_CANARY, sizeof(out));
	SIM_OPS_CHECK(viommu_topology_dt_map_encode(entries, count, w->mask, out, sizeof(out)) ==
		      (good ? VIOMMU_OK : VIOMMU_E_ARG));
	if (!good)
		count = 0;
	SIM_OPS_CHECK(memcmp(out, map, 16 * count) == 0 &&
		      sim_ops_is_canary(out + 16 * count, sizeof(out) - 16 * count));
}

static void check_map(struct world *w, size_t len)
{
	const uint8_t *map = place(w, w->map, len);
	struct viommu_topology_dt_map entries[MAP_MAX / 16], e;
	struct naive_entry want;
	size_t offset = 0, count = 0;

	while (len % 16 == 0 && 16 * count < len && naive_entry(map + 16 * count, &want)) {
		SIM_OPS_CHECK(viommu_topology_dt_map_next(map, len, &offset, &e) == VIOMMU_OK);
		SIM_OPS_CHECK(e.rid_first == want.rid && e.rid_last == want.rid + want.count - 1);
		SIM_OPS_CHECK(e.phandle == want.phandle && e.endpoint == want.endpoint);
		entries[count++] = e;
		SIM_OPS_CHECK(offset == 16 * count);
	}
	memset(&e, SIM_OPS_CANARY, sizeof(e));
	SIM_OPS_CHECK(viommu_topology_dt_map_next(map, len, &offset, &e) ==
		      (16 * count == len ? VIOMMU_E_EMPTY : VIOMMU_E_PEER));
	SIM_OPS_CHECK(offset == 16 * count && sim_ops_is_canary(&e, sizeof(e)));
	check_map_encode(w, entries, count, map);
	for (size_t i = 0; len == w->map_len && i < count; i++) {
		check_rid(w, map, entries[i].rid_first);
		check_rid(w, map, entries[i].rid_last);
		check_rid(w, map, (uint32_t)(entries[i].rid_last + UINT64_C(1)));
		check_map_id(w, map, entries[i].phandle, entries[i].endpoint);
		check_map_id(w, map, entries[i].phandle, (uint32_t)(entries[i].endpoint - UINT64_C(1)));
		check_map_id(w, map, entries[i].phandle,
			     entries[i].endpoint + (entries[i].rid_last - entries[i].rid_first));
	}
}

/* The same bytes as iommus. */
static void check_iommus(struct world *w, size_t len)
{
	const uint8_t *iommus = place(w, w->map, len);
	struct viommu_topology_dt_iommu e;
	uint8_t out[9];
	size_t offset = 0, at = 0;

	while (len % 8 == 0 && at < len && cell(iommus + at) != 0 && cell(iommus + at) != UINT32_MAX) {
		SIM_OPS_CHECK(viommu_topology_dt_iommus_next(iommus, len, &offset, &e) == VIOMMU_OK);
		SIM_OPS_CHECK(e.phandle == cell(iommus + at) && e.endpoint == cell(iommus + at + 4));
		memset(out, SIM_OPS_CANARY, sizeof(out));
		SIM_OPS_CHECK(viommu_topology_dt_iommus_encode(&e, 1, out, sizeof(out)) == VIOMMU_OK);
		SIM_OPS_CHECK(memcmp(out, iommus + at, 8) == 0 && out[8] == SIM_OPS_CANARY);
		at += 8;
		SIM_OPS_CHECK(offset == at);
	}
	memset(&e, SIM_OPS_CANARY, sizeof(e));
	SIM_OPS_CHECK(viommu_topology_dt_iommus_next(iommus, len, &offset, &e) ==
		      (at == len ? VIOMMU_E_EMPTY : VIOMMU_E_PEER));
	SIM_OPS_CHECK(offset == at && sim_ops_is_canary(&e, sizeof(e)));
}

/* Operations */

enum verb {
	VERB_IOMMU,
	VERB_RANGE,
	VERB_ENCODE,
	VERB_WRITE,
	VERB_HEADER,
	VERB_NODE,
	VERB_RAW,
	VERB_POKE,
	VERB_CUT,
	VERB_JUDGE,
	VERB_DEVICE,
	VERB_ID,
	VERB_ENTRY,
	VERB_CELLS,
	VERB_MASK,
	VERB_RID,
	VERB_MAP_ID
};

static const uint32_t lies[] = { 0, 0, 0, 0, 0, 0, 1, 4, 8, 0x100, 0xffff, 0xfffc };
static const uint32_t masks[] = { UINT32_MAX, UINT32_MAX, 0xffff, 0xfff8, 0xff00, 0 };

static const char *const buses[] = { "pci", "mmio", "unknown" };

#define BUS SIM_OPS_ARG("bus", SIM_OPS_CHOICE, 3, buses)
#define SEGMENT SIM_OPS_ARG("segment", SIM_OPS_U16, 0x10000, NULL)
#define BDF SIM_OPS_ARG("bdf", SIM_OPS_U16, 0x10000, NULL)
#define BASE SIM_OPS_ARG("base", SIM_OPS_U64, 0, NULL)
#define PLACE BUS, SEGMENT, BDF, BASE

static const struct sim_ops_verb verbs[] = {
	[VERB_IOMMU] = { "iommu", { PLACE }, 2 },
	[VERB_RANGE] = { "range",
			 { PLACE,
			   { "last_segment", SIM_OPS_U16, 0x10000, NULL },
			   { "last_bdf", SIM_OPS_U16, 0x10000, NULL },
			   { "iommu", SIM_OPS_U8, 8, NULL },
			   { "endpoint", SIM_OPS_U32, 0, NULL } },
			 4 },
	[VERB_ENCODE] = { "encode", { { "cap", SIM_OPS_U16, TABLE_MAX, NULL } }, 2 },
	/* The table that encode would write if it did not refuse any description. */
	[VERB_WRITE] = { "write", { SIM_OPS_NO_ARGS }, 2 },
	/* An empty table, and what it says of its nodes. */
	[VERB_HEADER] = { "header", { { "count", SIM_OPS_U8, 0, NULL }, { "offset", SIM_OPS_U16, 0x10000, NULL } }, 1 },
	/* `more`: the length says so many bytes more than follow, modulo 2^16. Counted, and the sum is mended. */
	[VERB_NODE] = { "node",
			{ { "type", SIM_OPS_U8, 6, NULL },
			  { "more", SIM_OPS_PICK, 12, lies },
			  { "bytes", SIM_OPS_BYTES, 28, NULL } },
			6 },
	[VERB_RAW] = { "raw", { { "bytes", SIM_OPS_BYTES, 96, NULL } }, 2 },
	[VERB_POKE] = { "poke",
			{ { "at", SIM_OPS_U16, TABLE_MAX, NULL },
			  { "value", SIM_OPS_U8, 0, NULL },
			  { "mend", SIM_OPS_U8, 2, NULL } },
			4 },
	[VERB_CUT] = { "cut", { { "count", SIM_OPS_U8, 0, NULL }, { "mend", SIM_OPS_U8, 2, NULL } }, 1 },
	[VERB_JUDGE] = { "judge", { SIM_OPS_NO_ARGS }, 2 },
	[VERB_DEVICE] = { "device", { PLACE }, 2 },
	[VERB_ID] = { "id", { { "iommu", SIM_OPS_U32, 0, NULL }, { "endpoint", SIM_OPS_U32, 0, NULL } }, 2 },
	[VERB_ENTRY] = { "entry",
			 { { "rid", SIM_OPS_U32, 0, NULL },
			   { "phandle", SIM_OPS_U32, 0, NULL },
			   { "endpoint", SIM_OPS_U32, 0, NULL },
			   { "count", SIM_OPS_U32, 0, NULL } },
			 4 },
	[VERB_CELLS] = { "cells", { { "bytes", SIM_OPS_BYTES, 32, NULL } }, 1 },
	[VERB_MASK] = { "mask", { { "mask", SIM_OPS_PICK, 6, masks } }, 1 },
	[VERB_RID] = { "rid", { { "rid", SIM_OPS_U32, 0, NULL } }, 2 },
	[VERB_MAP_ID] = { "map_id", { { "phandle", SIM_OPS_U32, 0, NULL }, { "endpoint", SIM_OPS_U32, 0, NULL } }, 2 },
};

static void append(uint8_t *to, size_t *len, size_t cap, const void *bytes, size_t count)
{
	if (count > cap - *len)
		count = cap - *len;
	memcpy(to + *len, bytes, count);
	*len += count;
}

static struct viommu_topology_place place_of(const struct sim_ops_op *op)
{
	struct viommu_topology_place at;

	memset(&at, 0, sizeof(at));
	at.bus = (enum viommu_topology_bus)op->arg[0];
	if (at.bus == VIOMMU_TOPOLOGY_PCI) {
		at.segment = (uint16_t)op->arg[1];
		at.bdf = (uint16_t)op->arg[2];
	} else {
		at.base = op->arg[3];
	}
	return at;
}

static void run_range(struct world *w, const struct sim_ops_op *op)
{
	struct viommu_topology_range *r = &w->ranges[w->range_count];

	if (w->range_count == DESCRIBED_MAX)
		return;
	w->range_count++;
	memset(r, 0, sizeof(*r));
	r->first = place_of(op);
	r->last_segment = (uint16_t)op->arg[4];
	r->last_bdf = (uint16_t)op->arg[5];
	r->iommu = (uint32_t)op->arg[6];
	r->endpoint = (uint32_t)op->arg[7];
}

static void begin_table(struct world *w, uint8_t count, uint16_t offset)
{
	memset(w->table, 0, HEADER);
	memcpy(w->table, "VIOT", 4);
	w->table[36] = count;
	w->table[38] = (uint8_t)offset;
	w->table[39] = (uint8_t)(offset / 256);
	w->len = HEADER;
	mend(w);
}

static void put(uint8_t *p, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(value >> (8 * i));
}

static void run_write(struct world *w)
{
	begin_table(w, (uint8_t)(w->iommu_count + w->range_count), HEADER);
	for (uint32_t i = 0; i < w->iommu_count; i++) {
		const struct viommu_topology_place *at = &w->iommus[i];
		uint8_t node[16] = { at->bus == VIOMMU_TOPOLOGY_PCI ? 3 : 4, 0, 16 };

		put(node + 4, 2, at->segment);
		put(node + 6, 2, at->bdf);
		put(node + 8, 8, at->base);
		append(w->table, &w->len, TABLE_MAX, node, sizeof(node));
	}
	for (uint32_t i = 0; i < w->range_count; i++) {
		const struct viommu_topology_range *r = &w->ranges[i];
		uint8_t node[24] = { r->first.bus == VIOMMU_TOPOLOGY_PCI ? 1 : 2, 0, 24 };

		put(node + 4, 4, r->endpoint);
		put(node + 8, 8, r->first.base);
		if (r->first.bus == VIOMMU_TOPOLOGY_PCI) {
			put(node + 8, 2, r->first.segment);
			put(node + 10, 2, r->last_segment);
			put(node + 12, 2, r->first.bdf);
			put(node + 14, 2, r->last_bdf);
		}
		put(node + 16, 2, HEADER + 16 * r->iommu);
		append(w->table, &w->len, TABLE_MAX, node, sizeof(node));
	}
	mend(w);
	check_table(w);
}

static void run_node(struct world *w, const struct sim_ops_op *op)
{
	uint64_t length = 4 + op->len + op->arg[1];
	const uint8_t head[4] = { (uint8_t)op->arg[0], 0, (uint8_t)length, (uint8_t)(length / 256) };

	append(w->table, &w->len, TABLE_MAX, head, sizeof(head));
	append(w->table, &w->len, TABLE_MAX, op->bytes, op->len);
	if (w->len >= HEADER)
		w->table[36] = (uint8_t)(w->table[36] + 1);
	mend(w);
}

static void run_entry(struct world *w, const struct sim_ops_op *op)
{
	uint8_t entry[16];

	for (size_t i = 0; i < sizeof(entry); i++)
		entry[i] = (uint8_t)(op->arg[i / 4] >> (24 - 8 * (i % 4)));
	append(w->map, &w->map_len, MAP_MAX, entry, sizeof(entry));
}

/* A look-up in the table, if it is one. */
static void run_lookup(struct world *w, const struct sim_ops_op *op)
{
	static struct naive naive;
	struct viommu_topology_viot viot;

	if (!judge(w, w->len, &viot, &naive))
		return;
	if (op->verb == VERB_DEVICE)
		check_device(&viot, &naive, place_of(op));
	else
		check_id(&viot, &naive, op->arg[0], op->arg[1]);
}

static void run_mask(struct world *w, const struct sim_ops_op *op)
{
	uint8_t bytes[VIOMMU_TOPOLOGY_DT_MASK_SIZE];

	viommu_topology_dt_mask_encode((uint32_t)op->arg[0], bytes);
	SIM_OPS_CHECK(cell(bytes) == op->arg[0]);
	SIM_OPS_CHECK(viommu_topology_dt_mask_decode(bytes, sizeof(bytes), &w->mask) == VIOMMU_OK);
	SIM_OPS_CHECK(w->mask == op->arg[0]);
}

static void *begin(void)
{
	memset(&the_world, 0, sizeof(the_world));
	the_world.mask = UINT32_MAX;
	return &the_world;
}

static void run(void *world, const struct sim_ops_op *op)
{
	struct world *w = world;

	switch ((enum verb)op->verb) {
	case VERB_IOMMU:
		if (w->iommu_count < DESCRIBED_MAX)
			w->iommus[w->iommu_count++] = place_of(op);
		break;
	case VERB_RANGE:
		run_range(w, op);
		break;
	case VERB_ENCODE:
		run_encode(w, (size_t)op->arg[0]);
		break;
	case VERB_WRITE:
		run_write(w);
		break;
	case VERB_HEADER:
		begin_table(w, (uint8_t)op->arg[0], (uint16_t)op->arg[1]);
		break;
	case VERB_NODE:
		run_node(w, op);
		break;
	case VERB_RAW:
		append(w->table, &w->len, TABLE_MAX, op->bytes, op->len);
		break;
	case VERB_POKE:
		w->table[op->arg[0]] = (uint8_t)op->arg[1];
		if (op->arg[2] != 0)
			mend(w);
		break;
	case VERB_CUT:
		w->len -= op->arg[0] < w->len ? (size_t)op->arg[0] : w->len;
		if (op->arg[1] != 0)
			mend(w);
		break;
	case VERB_JUDGE:
		check_table(w);
		break;
	case VERB_DEVICE:
	case VERB_ID:
		run_lookup(w, op);
		break;
	case VERB_ENTRY:
		run_entry(w, op);
		break;
	case VERB_CELLS:
		append(w->map, &w->map_len, MAP_MAX, op->bytes, op->len);
		break;
	case VERB_MASK:
		run_mask(w, op);
		break;
	case VERB_RID:
		check_rid(w, place(w, w->map, w->map_len), (uint32_t)op->arg[0]);
		break;
	case VERB_MAP_ID:
		check_map_id(w, place(w, w->map, w->map_len), (uint32_t)op->arg[0], (uint32_t)op->arg[1]);
		break;
	}
}

/* The table and the properties, and the same without the last byte, without the last two, ... */
static void end(void *world)
{
	static struct naive naive;
	struct viommu_topology_viot viot;
	struct world *w = world;

	check_table(w);
	for (size_t less = 1; less <= w->len && less <= TRUNCATIONS; less++)
		(void)judge(w, w->len - less, &viot, &naive);
	for (size_t less = 0; less <= w->map_len && less <= TRUNCATIONS; less++) {
		check_map(w, w->map_len - less);
		check_iommus(w, w->map_len - less);
	}
}

const struct sim_ops_target sim_ops_topology = {
	.name = "topology",
	.verbs = verbs,
	.verb_count = sizeof(verbs) / sizeof(verbs[0]),
	.begin = begin,
	.run = run,
	.end = end,
};
