/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_wire.c: the bytes of requests, configuration space, fault reports and tails, as a peer may send them, and back
 * again.
 *
 * What is decoded is compared with what a table of offsets says of the same bytes; what is encoded with the bytes it was
 * decoded from. Bytes lie at the end of their block, so that a sanitizer sees a read behind them, and outputs are
 * surrounded by canaries.
 */
#include "canary.h"
#include "targets.h"

#include <string.h>

#include <viommu/wire.h>

#define ROOM 96u

struct world {
	uint8_t in[ROOM];
	uint8_t out[ROOM + 16];
};

static struct world the_world;

/* One field of a request: where it is on the wire, and where in the struct. */
struct field {
	uint8_t type, at, bytes;
	uint16_t member;
};

#define MEMBER(m) offsetof(struct viommu_wire_request, u.m)

static const struct field fields[] = {
	{ VIOMMU_T_ATTACH, 4, 4, MEMBER(attach.domain) },   { VIOMMU_T_ATTACH, 8, 4, MEMBER(attach.endpoint) },
	{ VIOMMU_T_ATTACH, 12, 4, MEMBER(attach.flags) },   { VIOMMU_T_ATTACH, 16, 4, MEMBER(attach.reserved) },
	{ VIOMMU_T_DETACH, 4, 4, MEMBER(detach.domain) },   { VIOMMU_T_DETACH, 8, 4, MEMBER(detach.endpoint) },
	{ VIOMMU_T_MAP, 4, 4, MEMBER(map.domain) },         { VIOMMU_T_MAP, 8, 8, MEMBER(map.virt_start) },
	{ VIOMMU_T_MAP, 16, 8, MEMBER(map.virt_end) },      { VIOMMU_T_MAP, 24, 8, MEMBER(map.phys_start) },
	{ VIOMMU_T_MAP, 32, 4, MEMBER(map.flags) },         { VIOMMU_T_UNMAP, 4, 4, MEMBER(unmap.domain) },
	{ VIOMMU_T_UNMAP, 8, 8, MEMBER(unmap.virt_start) }, { VIOMMU_T_UNMAP, 16, 8, MEMBER(unmap.virt_end) },
	{ VIOMMU_T_UNMAP, 24, 4, MEMBER(unmap.reserved) },  { VIOMMU_T_PROBE, 4, 4, MEMBER(probe.endpoint) },
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static const uint8_t sizes[VIOMMU_T_COUNT] = { 0, 20, 20, 36, 28, 72 };

static uint64_t number(const uint8_t *p, unsigned bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | p[bytes];
	return value;
}

static uint64_t member(const struct viommu_wire_request *request, const struct field *f)
{
	const uint8_t *p = (const uint8_t *)request + f->member;
	uint64_t wide = 0;
	uint32_t narrow = 0;

	memcpy(&wide, p, f->bytes == 8 ? 8 : 0);
	memcpy(&narrow, p, f->bytes == 4 ? 4 : 0);
	return f->bytes == 8 ? wide : narrow;
}

/* The bytes of an operation, with nothing behind them. */
static const uint8_t *place(struct world *w, const struct sim_ops_op *op, size_t *len)
{
	*len = op->len < ROOM ? op->len : ROOM;
	memcpy(w->in + ROOM - *len, op->bytes, *len);
	return w->in + ROOM - *len;
}

/* Encoding what was decoded gives the fields back, zeroes elsewhere, and nothing if there is a byte too few. */
static void check_encode(struct world *w, const struct viommu_wire_request *request, const uint8_t *bytes, size_t cap)
{
	uint8_t want[VIOMMU_WIRE_REQUEST_MAX] = { bytes[0] };
	size_t size = sizes[bytes[0]];

	for (size_t i = 0; i < FIELDS; i++)
		if (fields[i].type == bytes[0])
			memcpy(want + fields[i].at, bytes + fields[i].at, fields[i].bytes);
	memset(w->out, SIM_OPS_CANARY, sizeof(w->out));
	SIM_OPS_CHECK(viommu_wire_request_encode(request, w->out + 8, cap) == (cap < size ? 0 : size));
	if (cap < size)
		size = 0;
	SIM_OPS_CHECK(memcmp(w->out + 8, want, size) == 0);
	SIM_OPS_CHECK(sim_ops_is_canary(w->out, 8) && sim_ops_is_canary(w->out + 8 + size, sizeof(w->out) - 8 - size));
}

static void run_request(struct world *w, const struct sim_ops_op *op)
{
	struct viommu_wire_request request;
	size_t len, size;
	const uint8_t *bytes = place(w, op, &len);
	bool good;

	size = len >= 4 && bytes[0] < VIOMMU_T_COUNT ? sizes[bytes[0]] : 0;
	good = size != 0 && len >= size;
	memset(&request, SIM_OPS_CANARY, sizeof(request));
	SIM_OPS_CHECK((viommu_wire_request_decode(bytes, len, &request) == VIOMMU_OK) == good);
	if (!good) {
		SIM_OPS_CHECK(sim_ops_is_canary(&request, sizeof(request)));
		return;
	}
	SIM_OPS_CHECK(request.type == bytes[0] && viommu_wire_request_size(request.type) == size);
	for (size_t i = 0; i < FIELDS; i++)
		if (fields[i].type == request.type)
			SIM_OPS_CHECK(member(&request, &fields[i]) == number(bytes + fields[i].at, fields[i].bytes));
	check_encode(w, &request, bytes, (size_t)op->arg[1]);
}

static void run_config(struct world *w, const struct sim_ops_op *op)
{
	uint8_t bytes[VIOMMU_WIRE_CONFIG_SIZE] = { 0 };
	struct viommu_wire_config c;

	memcpy(bytes, op->bytes, op->len);
	viommu_wire_config_decode(bytes, &c);
	SIM_OPS_CHECK(c.page_size_mask == number(bytes, 8) && c.input_range.first == number(bytes + 8, 8) &&
		      c.input_range.last == number(bytes + 16, 8) && c.domain_first == number(bytes + 24, 4) &&
		      c.domain_last == number(bytes + 28, 4) && c.probe_size == number(bytes + 32, 4) &&
		      c.bypass == (bytes[36] & 1));
	memset(w->out, SIM_OPS_CANARY, sizeof(w->out));
	viommu_wire_config_encode(&c, w->out + 8);
	bytes[36] &= 1;
	memset(bytes + 37, 0, 3);
	SIM_OPS_CHECK(memcmp(w->out + 8, bytes, sizeof(bytes)) == 0);
	SIM_OPS_CHECK(sim_ops_is_canary(w->out, 8) && sim_ops_is_canary(w->out + 48, sizeof(w->out) - 48));
}

static void run_fault(struct world *w, const struct sim_ops_op *op)
{
	struct viommu_wire_fault f;
	size_t len;
	const uint8_t *bytes = place(w, op, &len);
	bool good = len >= 24 && number(bytes + 1, 3) == 0;
	uint8_t want[24] = { 0 };

	memset(&f, SIM_OPS_CANARY, sizeof(f));
	SIM_OPS_CHECK((viommu_wire_fault_decode(bytes, len, &f) == VIOMMU_OK) == good);
	if (!good) {
		SIM_OPS_CHECK(sim_ops_is_canary(&f, sizeof(f)));
		return;
	}
	SIM_OPS_CHECK(f.reason == (bytes[0] <= 2 ? bytes[0] : 0) && f.flags == (number(bytes + 4, 4) & 0x103) &&
		      f.endpoint == number(bytes + 8, 4) && f.address == number(bytes + 16, 8));
	want[0] = f.reason;
	want[4] = bytes[4] & 3;
	want[5] = bytes[5] & 1;
	memcpy(want + 8, bytes + 8, 4);
	memcpy(want + 16, bytes + 16, 8);
	memset(w->out, SIM_OPS_CANARY, sizeof(w->out));
	viommu_wire_fault_encode(&f, w->out + 8);
	SIM_OPS_CHECK(memcmp(w->out + 8, want, sizeof(want)) == 0);
	SIM_OPS_CHECK(sim_ops_is_canary(w->out, 8) && sim_ops_is_canary(w->out + 32, sizeof(w->out) - 32));
}

static void run_tail(const struct sim_ops_op *op)
{
	uint8_t tail[4] = { 0 }, out[6];

	memcpy(tail, op->bytes, op->len);
	SIM_OPS_CHECK(viommu_wire_tail_decode(tail) == tail[0]);
	memset(out, SIM_OPS_CANARY, sizeof(out));
	viommu_wire_tail_encode(tail[0], out + 1);
	SIM_OPS_CHECK(out[1] == tail[0] && number(out + 2, 3) == 0 && out[0] == SIM_OPS_CANARY &&
		      out[5] == SIM_OPS_CANARY);
}

enum verb {
	VERB_REQUEST,
	VERB_CONFIG,
	VERB_FAULT,
	VERB_TAIL
};

static const struct sim_ops_verb verbs[] = {
	[VERB_REQUEST] = { "request",
			   { { "bytes", SIM_OPS_BYTES, ROOM, NULL }, { "cap", SIM_OPS_U8, ROOM, NULL } },
			   4 },
	[VERB_CONFIG] = { "config", { { "bytes", SIM_OPS_BYTES, VIOMMU_WIRE_CONFIG_SIZE, NULL } }, 1 },
	[VERB_FAULT] = { "fault", { { "bytes", SIM_OPS_BYTES, 32, NULL } }, 2 },
	[VERB_TAIL] = { "tail", { { "bytes", SIM_OPS_BYTES, VIOMMU_WIRE_TAIL_SIZE, NULL } }, 1 },
};

static void *begin(void)
{
	return &the_world;
}

static void run(void *world, const struct sim_ops_op *op)
{
	switch ((enum verb)op->verb) {
	case VERB_REQUEST:
		run_request(world, op);
		break;
	case VERB_CONFIG:
		run_config(world, op);
		break;
	case VERB_FAULT:
		run_fault(world, op);
		break;
	case VERB_TAIL:
		run_tail(op);
		break;
	}
}

const struct sim_ops_target sim_ops_wire = {
	.name = "wire",
	.verbs = verbs,
	.verb_count = sizeof(verbs) / sizeof(verbs[0]),
	.begin = begin,
	.run = run,
};
