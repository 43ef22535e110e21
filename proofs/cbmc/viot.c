/* SPDX-License-Identifier: BSD-3-Clause */
/* viot.c: proofs of what reads a VIOT. The table is an object of just as many bytes as there are nodes up to `end`. */
#include "proof.h"

#include "../../libviommu/topology/viot.c"

/* A table that was judged. Its bytes may have changed since: they are anything. */
static struct viommu_topology_viot any_viot(void)
{
	struct viommu_topology_viot viot = { .first = nondet_u32(), .end = nondet_u32() };

	ASSUME(viot.first >= 48 && viot.first <= UINT16_MAX && viot.first <= viot.end);
	viot.bytes = malloc(viot.end);
	return viot;
}

static struct viommu_topology_place any_place(void)
{
	return (struct viommu_topology_place){
		.bus = nondet_bool() ? VIOMMU_TOPOLOGY_PCI : VIOMMU_TOPOLOGY_MMIO,
		.segment = nondet_u16(),
		.bdf = nondet_u16(),
		.base = nondet_u64(),
	};
}

static struct viommu_topology_range any_range(void)
{
	return (struct viommu_topology_range){
		.iommu = nondet_u32(),
		.endpoint = nondet_u32(),
		.first = any_place(),
		.last_segment = nondet_u16(),
		.last_bdf = nondet_u16(),
	};
}

/* What is true of each range that was read. */
static bool range_is_good(const struct viommu_topology_range *r)
{
	if (r->first.bus == VIOMMU_TOPOLOGY_MMIO)
		return true;
	return r->first.segment <= r->last_segment && r->first.bdf <= r->last_bdf &&
	       r->endpoint <= UINT32_MAX - ((uint32_t)(r->last_segment - r->first.segment) * 65536 +
					    (uint32_t)(r->last_bdf - r->first.bdf));
}

/* A node as node_at finds it. Its bytes are an object of their own. */
static void find_any_node(uint32_t left, struct node *out)
{
	out->type = nondet_u8();
	out->length = nondet_u16();
	ASSUME(out->length <= left && out->length >= size_of_type(out->type));
	out->bytes = malloc(out->length);
}

/* Proof of node_at. A node lies in the table, and has the bytes that its type asks for. */
void prove_viot_node_at(void)
{
	struct viommu_topology_viot viot = any_viot();
	uint32_t offset = nondet_u32();
	struct node n;
	bool found;

	ASSUME(offset >= viot.first && offset <= viot.end);
	found = node_at(&viot, offset, &n);
	PROVE(!found || (n.bytes == viot.bytes + offset && n.length <= viot.end - offset && n.length >= 4));
	PROVE(!found || n.length >= size_of_type(n.type));
	PROVE(!found || __CPROVER_r_ok(n.bytes, n.length));
	REACHABLE(found && n.length == UINT16_MAX && viot.end == UINT32_MAX);
	REACHABLE(found && n.type == VIOT_PCI_RANGE && n.length == 24 && offset + 24 == viot.end);
	REACHABLE(!found && viot.end - offset == 4);
	REACHABLE(!found && offset == viot.end);
}

static uint32_t nodes_left;

/* Stands for node_at in tables of less than 4 nodes. */
bool any_node_at(const struct viommu_topology_viot *viot, uint32_t offset, struct node *out)
{
	PROVE(offset >= viot->first && offset <= viot->end);
	if (viot->end - offset < 4 || nondet_bool())
		return false;
	find_any_node(viot->end - offset, out);
	ASSUME(nodes_left > 1 || out->length == viot->end - offset);
	nodes_left--;
	return true;
}

/*
 * Proof of find_iommu. With node_at as any_node_at. Unwind 5. Bound: up to 4 nodes. It begins where it was asked for.
 */
void prove_viot_find_iommu(void)
{
	struct viommu_topology_viot viot = any_viot();
	uint32_t offset = nondet_u16();
	uint32_t any = nondet_u32(), number = any;
	struct node n = { .bytes = NULL };
	enum viommu_result r;

	nodes_left = 4;
	r = find_iommu(&viot, offset, &number, &n);
	PROVE(r == VIOMMU_OK || r == VIOMMU_E_NOENT || r == VIOMMU_E_PEER);
	PROVE(r != VIOMMU_OK || (size_of_type(n.type) == 16 && n.length >= 16 && number <= 3));
	PROVE(r == VIOMMU_E_PEER || (offset >= viot.first && offset < viot.end));
	REACHABLE(r == VIOMMU_OK && number == 3);
	REACHABLE(r == VIOMMU_E_NOENT && offset == UINT16_MAX);
	REACHABLE(r == VIOMMU_E_PEER && nodes_left == 0);
	REACHABLE(r == VIOMMU_E_PEER && offset < 48);
}

/* Stands for find_iommu. */
enum viommu_result any_iommu(const struct viommu_topology_viot *viot, uint32_t offset, uint32_t *number,
			     struct node *out)
{
	(void)viot;
	PROVE(offset <= UINT16_MAX);
	*number = nondet_u32();
	out->type = nondet_bool() ? VIOT_PCI_IOMMU : VIOT_MMIO_IOMMU;
	out->length = 16;
	out->bytes = malloc(16);
	if (nondet_bool())
		return VIOMMU_OK;
	return nondet_bool() ? VIOMMU_E_NOENT : VIOMMU_E_PEER;
}

/*
 * Proof of decode_range, viommu_topology_viot_next, next_range. With node_at as any_node_at, find_iommu as any_iommu.
 * Unwind 5. Bound: up to 4 nodes. Each call moves on and stays in the table, or has changed nothing.
 */
void prove_viot_next(void)
{
	struct viommu_topology_viot viot = any_viot();
	uint32_t before = nondet_u32();
	uint32_t offset = before;
	struct viommu_topology_range any = any_range();
	struct viommu_topology_range out = any;
	struct viommu_topology_range decoded;
	struct node iommu, n;
	enum viommu_result r, d;

	ASSUME(before == 0 || (before >= viot.first && before <= viot.end));
	nodes_left = 4;
	r = viommu_topology_viot_next(&viot, &offset, &out);
	if (r == VIOMMU_OK) {
		PROVE(offset > before && offset <= viot.end && offset >= viot.first + 24);
		PROVE(range_is_good(&out));
	} else {
		PROVE(r == VIOMMU_E_EMPTY || r == VIOMMU_E_PEER);
		PROVE(offset == before && out.endpoint == any.endpoint && out.iommu == any.iommu &&
		      out.first.base == any.first.base && out.last_bdf == any.last_bdf);
	}
	find_any_node(UINT16_MAX, &n);
	ASSUME(is_range(&n));
	d = decode_range(&viot, &n, &decoded, &iommu);
	PROVE(d == VIOMMU_E_PEER || range_is_good(&decoded));
	REACHABLE(r == VIOMMU_OK && nodes_left == 0 && offset == UINT32_MAX && out.first.bus == VIOMMU_TOPOLOGY_PCI);
	REACHABLE(r == VIOMMU_OK && out.first.bus == VIOMMU_TOPOLOGY_MMIO);
	REACHABLE(r == VIOMMU_E_EMPTY && nodes_left == 0);
	REACHABLE(r == VIOMMU_E_PEER);
	REACHABLE(d == VIOMMU_OK && decoded.last_segment == UINT16_MAX && decoded.first.segment == 0);
}

/*
 * Proof of viommu_topology_viot_iommu, place_of. With node_at as any_node_at. Unwind 5. Bound: up to 4 nodes.
 * The one of that number; a call that fails has written nothing.
 */
void prove_viot_iommu(void)
{
	struct viommu_topology_viot viot = any_viot();
	uint32_t number = nondet_u32();
	struct viommu_topology_place any = any_place();
	struct viommu_topology_place out = any;
	struct viommu_topology_place place;
	struct node n;
	enum viommu_result r;

	nodes_left = 4;
	r = viommu_topology_viot_iommu(&viot, number, &out);
	PROVE(r == VIOMMU_OK || ((r == VIOMMU_E_NOENT || r == VIOMMU_E_PEER) && out.bus == any.bus &&
				 out.segment == any.segment && out.bdf == any.bdf && out.base == any.base));
	PROVE(r != VIOMMU_OK || number <= 3);
	find_any_node(UINT16_MAX, &n);
	ASSUME(is_iommu(&n));
	place = place_of(&n);
	PROVE(place.bus == VIOMMU_TOPOLOGY_PCI ? place.base == 0 : place.segment == 0 && place.bdf == 0);
	REACHABLE(r == VIOMMU_OK && number == 3);
	REACHABLE(r == VIOMMU_E_NOENT && number == UINT32_MAX && nodes_left == 0);
	REACHABLE(r == VIOMMU_E_PEER);
}

/* Proof of sums_up_to_0. Unwind 9. Bound: up to 8 bytes. It reads these bytes and no others. */
void prove_viot_sum(void)
{
	uint32_t len = nondet_u32();
	uint8_t *bytes;
	bool is_0;

	ASSUME(len <= 8);
	bytes = malloc(len);
	is_0 = sums_up_to_0(bytes, len);
	PROVE(len != 1 || is_0 == (bytes[0] == 0));
	PROVE(len != 2 || is_0 == ((uint8_t)(bytes[0] + bytes[1]) == 0));
	REACHABLE(is_0 && len == 8 && bytes[7] != 0);
	REACHABLE(!is_0 && len == 8);
	REACHABLE(is_0 && len == 0);
}

/* Stands for sums_up_to_0. */
bool any_sum(const uint8_t *bytes, uint32_t len)
{
	__CPROVER_assert(__CPROVER_r_ok(bytes, len), "what is summed up is there");
	return nondet_bool();
}

static uint32_t ranges_left;

/* Stands for viommu_topology_viot_next in tables of less than 4 ranges. */
enum viommu_result any_next(const struct viommu_topology_viot *viot, uint32_t *offset,
			    struct viommu_topology_range *out)
{
	uint32_t next = nondet_u32();

	PROVE(*offset == 0 || (*offset >= viot->first && *offset <= viot->end));
	if (ranges_left == 0 || nondet_bool())
		return nondet_bool() ? VIOMMU_E_EMPTY : VIOMMU_E_PEER;
	ranges_left--;
	ASSUME(next > *offset && next >= viot->first && next <= viot->end);
	*offset = next;
	*out = any_range();
	ASSUME(range_is_good(out));
	return VIOMMU_OK;
}

/* Stands for next_range, in the same way. */
enum viommu_result any_next_range(const struct viommu_topology_viot *viot, uint32_t *offset,
				  struct viommu_topology_range *out, struct node *iommu)
{
	uint32_t number;

	any_iommu(viot, 0, &number, iommu);
	return any_next(viot, offset, out);
}

/*
 * Proof of header_is_good, viommu_topology_viot_init. With node_at as any_node_at, sums_up_to_0 as any_sum,
 * viommu_topology_viot_next as any_next. Unwind 5. Bound: up to 4 nodes and 3 ranges. A table of any length lies in
 * the bytes that were given; one that is refused has written nothing.
 */
void prove_viot_init(void)
{
	size_t len = any_len();
	uint8_t *bytes = malloc(len);
	struct viommu_topology_viot viot = { .first = nondet_u32(), .end = nondet_u32() };
	struct viommu_topology_viot before = viot;
	enum viommu_result r;

	nodes_left = 4;
	ranges_left = 3;
	ASSUME(len < 38 || viommu_i_get16(bytes + 36) <= 4);
	r = viommu_topology_viot_init(&viot, bytes, len);
	if (r == VIOMMU_OK) {
		PROVE(viot.bytes == bytes && viot.first >= 48 && viot.first <= UINT16_MAX);
		PROVE(viot.end >= viot.first && viot.end <= len);
	} else {
		PROVE(r == VIOMMU_E_PEER);
		PROVE(viot.bytes == NULL && viot.first == before.first && viot.end == before.end);
	}
	REACHABLE(r == VIOMMU_OK && nodes_left == 0 && ranges_left == 0 && viot.end == len);
	REACHABLE(r == VIOMMU_OK && len == 48);
	REACHABLE(r == VIOMMU_E_PEER && ranges_left == 0);
	REACHABLE(r == VIOMMU_E_PEER && len == 47);
}

/*
 * Proof of viommu_topology_viot_endpoint. With next_range as any_next_range. Unwind 5. Bound: up to 3 ranges. Ids do
 * not wrap; a call that fails has written nothing.
 */
void prove_viot_endpoint(void)
{
	struct viommu_topology_viot viot = any_viot();
	struct viommu_topology_place device = any_place();
	uint32_t any = nondet_u32();
	uint32_t iommu = any, endpoint = any;
	enum viommu_result r;

	ranges_left = 3;
	r = viommu_topology_viot_endpoint(&viot, &device, &iommu, &endpoint);
	PROVE(r == VIOMMU_OK || ((r == VIOMMU_E_NOENT || r == VIOMMU_E_PEER) && iommu == any && endpoint == any));
	REACHABLE(r == VIOMMU_OK && ranges_left == 0 && endpoint == UINT32_MAX && device.bus == VIOMMU_TOPOLOGY_PCI);
	REACHABLE(r == VIOMMU_OK && device.bus == VIOMMU_TOPOLOGY_MMIO);
	REACHABLE(r == VIOMMU_E_NOENT);
	REACHABLE(r == VIOMMU_E_PEER);
}

/*
 * Proof of viommu_topology_viot_device. With viommu_topology_viot_next as any_next, next_range as any_next_range.
 * Unwind 5. Bound: up to 3 ranges, looked at twice. As above.
 */
void prove_viot_device(void)
{
	struct viommu_topology_viot viot = any_viot();
	uint32_t iommu = nondet_u32(), endpoint = nondet_u32();
	struct viommu_topology_place any = any_place();
	struct viommu_topology_place out = any;
	enum viommu_result r;

	ranges_left = 3;
	r = viommu_topology_viot_device(&viot, iommu, endpoint, &out);
	PROVE(r == VIOMMU_OK || ((r == VIOMMU_E_NOENT || r == VIOMMU_E_PEER) && out.bus == any.bus &&
				 out.segment == any.segment && out.bdf == any.bdf && out.base == any.base));
	REACHABLE(r == VIOMMU_OK && out.bus == VIOMMU_TOPOLOGY_PCI);
	REACHABLE(r == VIOMMU_OK && out.bus == VIOMMU_TOPOLOGY_MMIO);
	REACHABLE(r == VIOMMU_E_NOENT);
	REACHABLE(r == VIOMMU_E_PEER);
}
