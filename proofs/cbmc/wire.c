/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wire.c: proofs of what reads and writes the bytes on the wire. They work on private copies: nobody changes them.
 *
 * An input is an object of just as many bytes as were announced, with anything in them, and an output of just as many
 * as there is room for.
 */
#include "proof.h"

static uint8_t type_size(uint8_t type)
{
	if (type == VIOMMU_T_ATTACH || type == VIOMMU_T_DETACH)
		return 20;
	if (type == VIOMMU_T_MAP)
		return 36;
	if (type == VIOMMU_T_UNMAP)
		return 28;
	return type == VIOMMU_T_PROBE ? 72 : 0;
}

static struct viommu_wire_request any_request(void)
{
	struct viommu_wire_request r = { .type = nondet_u8() };

	switch (r.type) {
	case VIOMMU_T_ATTACH:
		r.u.attach.domain = nondet_u32();
		r.u.attach.endpoint = nondet_u32();
		r.u.attach.flags = nondet_u32();
		r.u.attach.reserved = nondet_u32();
		break;
	case VIOMMU_T_DETACH:
		r.u.detach.domain = nondet_u32();
		r.u.detach.endpoint = nondet_u32();
		break;
	case VIOMMU_T_MAP:
		r.u.map.domain = nondet_u32();
		r.u.map.flags = nondet_u32();
		r.u.map.virt_start = nondet_u64();
		r.u.map.virt_end = nondet_u64();
		r.u.map.phys_start = nondet_u64();
		break;
	case VIOMMU_T_UNMAP:
		r.u.unmap.domain = nondet_u32();
		r.u.unmap.reserved = nondet_u32();
		r.u.unmap.virt_start = nondet_u64();
		r.u.unmap.virt_end = nondet_u64();
		break;
	default:
		r.u.probe.endpoint = nondet_u32();
		break;
	}
	return r;
}

static bool is_same_request(const struct viommu_wire_request *a, const struct viommu_wire_request *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case VIOMMU_T_ATTACH:
		return a->u.attach.domain == b->u.attach.domain && a->u.attach.endpoint == b->u.attach.endpoint &&
		       a->u.attach.flags == b->u.attach.flags && a->u.attach.reserved == b->u.attach.reserved;
	case VIOMMU_T_DETACH:
		return a->u.detach.domain == b->u.detach.domain && a->u.detach.endpoint == b->u.detach.endpoint;
	case VIOMMU_T_MAP:
		return a->u.map.domain == b->u.map.domain && a->u.map.flags == b->u.map.flags &&
		       a->u.map.virt_start == b->u.map.virt_start && a->u.map.virt_end == b->u.map.virt_end &&
		       a->u.map.phys_start == b->u.map.phys_start;
	case VIOMMU_T_UNMAP:
		return a->u.unmap.domain == b->u.unmap.domain && a->u.unmap.reserved == b->u.unmap.reserved &&
		       a->u.unmap.virt_start == b->u.unmap.virt_start && a->u.unmap.virt_end == b->u.unmap.virt_end;
	default:
		return a->u.probe.endpoint == b->u.probe.endpoint;
	}
}

/* Proof of viommu_wire_request_decode. A request that is complete, or nothing is written. */
void prove_request_decode(void)
{
	size_t len = any_len();
	uint8_t *bytes = malloc(len);
	uint8_t type = len != 0 ? bytes[0] : 0;
	struct viommu_wire_request before = any_request();
	struct viommu_wire_request out = before;
	enum viommu_result r = viommu_wire_request_decode(bytes, len, &out);

	PROVE((r == VIOMMU_OK) == (type_size(type) != 0 && len >= type_size(type)));
	PROVE(r == VIOMMU_OK ? out.type == type : r == VIOMMU_E_PEER && is_same_request(&out, &before));
	REACHABLE(r == VIOMMU_OK && type == VIOMMU_T_ATTACH && len == 20);
	REACHABLE(r == VIOMMU_OK && type == VIOMMU_T_DETACH && len == 20);
	REACHABLE(r == VIOMMU_OK && type == VIOMMU_T_MAP && len == 36);
	REACHABLE(r == VIOMMU_OK && type == VIOMMU_T_UNMAP && len == 28);
	REACHABLE(r == VIOMMU_OK && type == VIOMMU_T_PROBE && len == 72);
	REACHABLE(r == VIOMMU_OK && len == OBJECT_MAX - 1);
	REACHABLE(r == VIOMMU_E_PEER && len == 0);
	REACHABLE(r == VIOMMU_E_PEER && type == VIOMMU_T_MAP && len == 35);
}

/* Proof of viommu_wire_request_encode. Nothing behind the request is written, and nothing at all if it fails. */
void prove_request_encode(void)
{
	size_t cap = any_len();
	size_t watched = nondet_size();
	uint8_t *out = malloc(cap);
	uint8_t before = 0;
	struct viommu_wire_request request = any_request();
	size_t size;

	if (watched < cap)
		before = out[watched];
	size = viommu_wire_request_encode(&request, out, cap);
	PROVE(size == (cap < type_size(request.type) ? 0 : type_size(request.type)));
	PROVE(watched >= cap || watched < size || out[watched] == before);
	REACHABLE(size == 72 && cap == 72);
	REACHABLE(size == 20 && watched == 20 && cap > 20);
	REACHABLE(size == 0 && request.type == VIOMMU_T_PROBE && cap == 71);
	REACHABLE(size == 0 && type_size(request.type) == 0);
}

/* Proof of viommu_wire_request_encode, viommu_wire_request_decode. What was encoded is decoded. */
void prove_request_round_trip(void)
{
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
	struct viommu_wire_request request = any_request();
	struct viommu_wire_request again;
	size_t size = viommu_wire_request_encode(&request, bytes, sizeof bytes);

	if (size == 0)
		return;
	PROVE(viommu_wire_request_decode(bytes, size, &again) == VIOMMU_OK);
	PROVE(is_same_request(&again, &request));
	REACHABLE(again.type == VIOMMU_T_ATTACH);
	REACHABLE(again.type == VIOMMU_T_DETACH);
	REACHABLE(again.type == VIOMMU_T_MAP);
	REACHABLE(again.type == VIOMMU_T_UNMAP);
	REACHABLE(again.type == VIOMMU_T_PROBE);
}

/* Proof of viommu_wire_tail_encode, viommu_wire_tail_decode. What was encoded is decoded. */
void prove_tail(void)
{
	uint8_t bytes[VIOMMU_WIRE_TAIL_SIZE];
	uint8_t status = nondet_u8();

	viommu_wire_tail_encode(status, bytes);
	PROVE(bytes[0] == status && bytes[1] == 0 && bytes[2] == 0 && bytes[3] == 0);
	PROVE(viommu_wire_tail_decode(bytes) == status);
	REACHABLE(status == UINT8_MAX);
}

/* Proof of viommu_wire_config_decode. Any bytes; of the flag one bit. */
void prove_config_decode(void)
{
	uint8_t *bytes = malloc(VIOMMU_WIRE_CONFIG_SIZE);
	struct viommu_wire_config config;

	viommu_wire_config_decode(bytes, &config);
	PROVE(config.bypass == (bytes[36] & 1));
	PROVE(config.probe_size == viommu_i_get32(bytes + 32));
	REACHABLE(config.bypass == 1 && bytes[36] == UINT8_MAX);
	REACHABLE(config.page_size_mask == UINT64_MAX);
}

/* Proof of viommu_wire_config_encode, viommu_wire_config_decode. What was encoded is decoded. */
void prove_config_round_trip(void)
{
	uint8_t *bytes = malloc(VIOMMU_WIRE_CONFIG_SIZE);
	struct viommu_wire_config again;
	struct viommu_wire_config config = {
		.page_size_mask = nondet_u64(),
		.input_range = { .first = nondet_u64(), .last = nondet_u64() },
		.domain_first = nondet_u32(),
		.domain_last = nondet_u32(),
		.probe_size = nondet_u32(),
		.bypass = nondet_bool() ? 1 : 0,
	};

	viommu_wire_config_encode(&config, bytes);
	PROVE(bytes[37] == 0 && bytes[38] == 0 && bytes[39] == 0);
	viommu_wire_config_decode(bytes, &again);
	PROVE(again.page_size_mask == config.page_size_mask && again.input_range.first == config.input_range.first &&
	      again.input_range.last == config.input_range.last && again.domain_first == config.domain_first &&
	      again.domain_last == config.domain_last && again.probe_size == config.probe_size &&
	      again.bypass == config.bypass);
	REACHABLE(again.bypass == 1);
}

/* Proof of viommu_wire_fault_decode. A report that is complete, or nothing is written. */
void prove_fault_decode(void)
{
	size_t len = any_len();
	uint8_t *bytes = malloc(len);
	struct viommu_wire_fault before = {
		.reason = nondet_u8(), .flags = nondet_u32(), .endpoint = nondet_u32(), .address = nondet_u64()
	};
	struct viommu_wire_fault out = before;
	enum viommu_result r = viommu_wire_fault_decode(bytes, len, &out);

	if (r == VIOMMU_OK) {
		PROVE(len >= 24 && bytes[1] == 0 && bytes[2] == 0 && bytes[3] == 0);
		PROVE(out.reason == (bytes[0] <= 2 ? bytes[0] : 0));
		PROVE((out.flags & ~UINT32_C(0x103)) == 0);
	} else {
		PROVE(r == VIOMMU_E_PEER);
		PROVE(len < 24 || bytes[1] != 0 || bytes[2] != 0 || bytes[3] != 0);
		PROVE(out.reason == before.reason && out.flags == before.flags && out.endpoint == before.endpoint &&
		      out.address == before.address);
	}
	REACHABLE(r == VIOMMU_OK && len == 24);
	REACHABLE(r == VIOMMU_E_PEER && len == 23);
	REACHABLE(r == VIOMMU_E_PEER && len == 24);
}

/* Proof of viommu_wire_fault_encode, viommu_wire_fault_decode. What was encoded is decoded. */
void prove_fault_round_trip(void)
{
	uint8_t *bytes = malloc(VIOMMU_WIRE_FAULT_SIZE);
	struct viommu_wire_fault again;
	struct viommu_wire_fault fault = {
		.reason = nondet_u8(), .flags = nondet_u32(), .endpoint = nondet_u32(), .address = nondet_u64()
	};

	ASSUME(fault.reason <= VIOMMU_FAULT_R_MAPPING && (fault.flags & ~UINT32_C(0x103)) == 0);
	viommu_wire_fault_encode(&fault, bytes);
	PROVE(viommu_wire_fault_decode(bytes, VIOMMU_WIRE_FAULT_SIZE, &again) == VIOMMU_OK);
	PROVE(again.reason == fault.reason && again.flags == fault.flags && again.endpoint == fault.endpoint &&
	      again.address == fault.address);
	REACHABLE(again.flags == 0x103 && again.reason == VIOMMU_FAULT_R_MAPPING);
}

/*
 * Proof of viommu_wire_property_next. One step from any place of a list of any length: it goes on by 4 at least, and
 * not past the end, so that all of them come to an end.
 */
void prove_property_next(void)
{
	size_t len = any_len();
	uint8_t *list = malloc(len);
	size_t before = nondet_size();
	size_t offset = before;
	uint8_t mark = 0;
	struct viommu_wire_property out = { .type = nondet_u16(), .length = nondet_u16(), .value = &mark };
	struct viommu_wire_property out_before = out;
	enum viommu_result r = viommu_wire_property_next(list, len, &offset, &out);

	if (r == VIOMMU_OK) {
		PROVE(before <= len && offset > before && offset <= len);
		PROVE(offset - before == 4 + (size_t)out.length);
		PROVE(out.value == list + before + 4);
		PROVE(out.type != 0 && out.type <= 0xfff && out.reserved <= 0xf);
	} else {
		PROVE(r == VIOMMU_E_EMPTY || r == VIOMMU_E_PEER);
		PROVE(offset == before);
		PROVE(out.type == out_before.type && out.length == out_before.length && out.value == out_before.value);
	}
	REACHABLE(r == VIOMMU_OK && offset == len && out.length == UINT16_MAX);
	REACHABLE(r == VIOMMU_OK && out.length == 0 && before == 0);
	REACHABLE(r == VIOMMU_E_EMPTY && before == len + 1);
	REACHABLE(r == VIOMMU_E_EMPTY && len == 0);
	REACHABLE(r == VIOMMU_E_EMPTY && before < len && len - before >= 4);
	REACHABLE(r == VIOMMU_E_PEER);
}

/*
 * Proof of viommu_wire_property_next, viommu_wire_resv_mem_decode. Unwind 6. Bound: lists of up to 16 bytes. All of
 * it.
 */
void prove_property_list(void)
{
	size_t len = any_len();
	uint8_t *list = malloc(len);
	size_t offset = 0;
	uint32_t count = 0;
	struct viommu_wire_property p;
	struct viommu_resv_region region;

	ASSUME(len <= 16);
	while (viommu_wire_property_next(list, len, &offset, &p) == VIOMMU_OK) {
		PROVE(viommu_wire_resv_mem_decode(&p, &region) == VIOMMU_E_PEER); /* which has 24 */
		count++;
	}
	PROVE(count <= 4);
	REACHABLE(count == 4);
	REACHABLE(count == 0 && len == 16);
}

/* Proof of viommu_wire_resv_mem_decode. A region that is the right way round, or nothing is written. */
void prove_resv_mem_decode(void)
{
	struct viommu_wire_property p = { .type = nondet_u16(), .reserved = nondet_u8(), .length = nondet_u16() };
	struct viommu_resv_region before = { .range = { .first = nondet_u64(), .last = nondet_u64() },
					     .subtype = nondet_u8() };
	struct viommu_resv_region out = before;
	enum viommu_result r;

	p.value = malloc(p.length);
	r = viommu_wire_resv_mem_decode(&p, &out);
	if (r == VIOMMU_OK) {
		PROVE(p.type == 1 && p.reserved == 0 && p.length >= 20);
		PROVE(out.range.first <= out.range.last && out.subtype <= 1);
	} else {
		PROVE(r == VIOMMU_E_PEER);
		PROVE(out.range.first == before.range.first && out.range.last == before.range.last &&
		      out.subtype == before.subtype);
	}
	REACHABLE(r == VIOMMU_OK && p.length == 20 && out.subtype == 1);
	REACHABLE(r == VIOMMU_OK && p.length == UINT16_MAX && out.range.last == UINT64_MAX);
	REACHABLE(r == VIOMMU_E_PEER && p.length == 0);
	REACHABLE(r == VIOMMU_E_PEER && p.length == 20 && p.type == 1 && p.reserved == 0);
}

/*
 * Proof of viommu_wire_resv_mem_encode, viommu_wire_property_next, viommu_wire_resv_mem_decode. What was encoded is
 * found and decoded.
 */
void prove_resv_mem_round_trip(void)
{
	uint8_t *bytes = malloc(VIOMMU_WIRE_RESV_MEM_SIZE);
	size_t offset = 0;
	struct viommu_resv_region region = { .range = { .first = nondet_u64(), .last = nondet_u64() },
					     .subtype = nondet_bool() ? 1 : 0 };
	struct viommu_resv_region again;
	struct viommu_wire_property p;

	ASSUME(region.range.first <= region.range.last);
	viommu_wire_resv_mem_encode(&region, bytes);
	PROVE(viommu_wire_property_next(bytes, VIOMMU_WIRE_RESV_MEM_SIZE, &offset, &p) == VIOMMU_OK);
	PROVE(offset == VIOMMU_WIRE_RESV_MEM_SIZE);
	PROVE(viommu_wire_resv_mem_decode(&p, &again) == VIOMMU_OK);
	PROVE(again.range.first == region.range.first && again.range.last == region.range.last &&
	      again.subtype == region.subtype);
	REACHABLE(again.subtype == 1 && again.range.first == 0 && again.range.last == UINT64_MAX);
}
