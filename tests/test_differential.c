/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device against model/model.h: the same random requests to both, and every answer, every writable byte, every
 * translation and every fault report has to be the same. First at seam A, then through driver, rings and registers.
 *
 * VIOMMU_DIFFERENTIAL_REQUESTS says how many requests (a tenth as many calls of the driver), VIOMMU_DIFFERENTIAL_SEED
 * which ones. A difference prints what is needed to see it again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"
#include "suite.h"
#include "sim/env/env.h"
#include "sim/machine.h"

#define REQUESTS UINT64_C(2000000)
#define SEED UINT64_C(1)
#define EPISODE 2000u /* requests to one device */
#define SWEEP 256u    /* requests between two looks at everything */
#define ENDPOINTS 4u
#define ENDPOINT_UNKNOWN 7u
#define NODES 16384u
#define RW (VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)

static const uint32_t endpoint_ids[ENDPOINTS] = { 8, 9, 0, 0xffffffff };

static uint64_t number_from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL && *text != '\0' ? strtoull(text, NULL, 0) : otherwise;
}

/* What both tests have in common */

/* A stream of random numbers, the model, and what to say about the place where it differs. */
struct stream {
	struct sim_random random;
	uint64_t seed;
	uint64_t number; /* of the request or call */
	struct model model;
	const struct model *mapped; /* whose mappings are looked at for the next address */
	uint8_t bytes[128];         /* of the request */
	size_t len;
	size_t room;        /* writable bytes */
	uint64_t recent[4]; /* addresses at the edges of the last range */
	uint32_t crowded;   /* mappings that are enough */
};

static bool one_in(struct stream *s, uint64_t n)
{
	return sim_random_below(&s->random, n) == 0;
}

static uint64_t below(struct stream *s, uint64_t n)
{
	return sim_random_below(&s->random, n);
}

static void differ(const struct stream *s, const char *format, ...)
{
	va_list args;

	print_error("seed %llu, request %llu, %u writable bytes, readable:", (unsigned long long)s->seed,
		    (unsigned long long)s->number, (unsigned)s->room);
	for (size_t i = 0; i < s->len; i++)
		print_error("%s%02x", i % 4 == 0 ? " " : "", s->bytes[i]);
	print_error(
		"\npage_size_mask %llx, input %llx..%llx, domains %x..%x, offered %llx, negotiated %llx, bypass %u\n",
		(unsigned long long)s->model.page_size_mask, (unsigned long long)s->model.input_first,
		(unsigned long long)s->model.input_last, s->model.domain_first, s->model.domain_last,
		(unsigned long long)s->model.offered, (unsigned long long)s->model.negotiated, s->model.bypass);
	va_start(args, format);
	vprint_error(format, args);
	va_end(args);
	print_error("\n");
	fail();
}

static uint64_t granule(const struct model *m)
{
	return m->page_size_mask & (~m->page_size_mask + 1);
}

static void put32(uint8_t *p, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(value >> (8 * i));
}

static void put64(uint8_t *p, uint64_t value)
{
	put32(p, (uint32_t)value);
	put32(p + 4, (uint32_t)(value >> 32));
}

/* Reserved ranges as an endpoint may have them, ascending: aligned and not, next to each other, at both ends. */
static const struct viommu_range reserved[] = {
	{ 0, 0xff },
	{ 0x3000, 0x3fff },
	{ 0x4000, 0x4fff },
	{ 0x20010, 0x2ffff },
	{ 0xfee00000, 0xfeefffff },
	{ 0xffffffff, UINT64_C(0x100000000) },
	{ UINT64_C(0x7ffffff000), UINT64_C(0x8000000fff) },
	{ UINT64_MAX - 0xffff, UINT64_MAX },
};
#define RESERVED (sizeof(reserved) / sizeof(reserved[0]))

static void random_regions(struct stream *s, struct model_endpoint *endpoint)
{
	uint64_t msi = below(s, 2 * RESERVED);
	uint32_t max = s->model.probe_size / VIOMMU_WIRE_RESV_MEM_SIZE;

	if (max > MODEL_REGIONS)
		max = MODEL_REGIONS;
	for (uint32_t i = 0; i < RESERVED && endpoint->region_count < max; i++)
		if (one_in(s, 4))
			endpoint->regions[endpoint->region_count++] =
				(struct model_region){ reserved[i].first, reserved[i].last, i == msi };
}

/* Everything but the endpoints' regions. */
static void random_device(struct stream *s)
{
	static const unsigned shifts[] = { 8, 8, 12, 12, 12, 16, 16, 30, 63 };
	static const struct viommu_range inputs[] = {
		{ 0, UINT64_MAX },
		{ 0, UINT64_C(0x7fffffffff) },
		{ 0x2345, UINT64_MAX - 0x6789 },
		{ 0x10000, UINT64_C(0x10000ffff) },
	};
	static const uint32_t domains[][2] = { { 0, UINT32_MAX }, { 5, 5 }, { 3, 9 } };
	static const uint32_t probe_sizes[] = { 0, 24, 51, 96, 512 };
	unsigned shift = shifts[below(s, 9)];
	uint64_t input = below(s, 4), domain = below(s, 3);
	struct model *m = &s->model;

	memset(m, 0, sizeof(*m));
	m->offered = VIOMMU_DEVICE_FEATURES;
	if (one_in(s, 2))
		m->offered &= sim_random_next(&s->random) | (one_in(s, 16) ? 0 : VIOMMU_F_MAP_UNMAP);
	m->page_size_mask = UINT64_C(1) << shift;
	if (one_in(s, 2))
		m->page_size_mask |= sim_random_next(&s->random) & ~(m->page_size_mask - 1);
	m->input_first = inputs[input].first;
	m->input_last = inputs[input].last;
	m->domain_first = domains[domain][0];
	m->domain_last = domains[domain][1];
	m->probe_size = probe_sizes[below(s, 5)];
	m->initial_bypass = m->offered & VIOMMU_F_BYPASS_CONFIG ? (uint8_t)below(s, 2) : 0;
	m->endpoint_count = ENDPOINTS;
	for (uint32_t i = 0; i < ENDPOINTS; i++)
		m->endpoints[i].id = endpoint_ids[i];
	s->crowded = one_in(s, 32) ? 300 : 16;
}

/* An address at which something changes, or right beside it. */
static uint64_t random_address(struct stream *s)
{
	const struct model *m = s->mapped;
	const struct model_mapping *mapping;
	uint64_t at, g = granule(m);

	switch (below(s, 8)) {
	case 0:
		at = (const uint64_t[]){ 0, UINT64_C(1) << 32, UINT64_C(1) << 39, UINT64_C(1) << 63 }[below(s, 4)];
		break;
	case 1:
		at = one_in(s, 2) ? m->input_first : m->input_last + 1;
		break;
	case 2:
		at = one_in(s, 2) ? reserved[below(s, RESERVED)].first : reserved[below(s, RESERVED)].last + 1;
		break;
	case 3:
		at = one_in(s, 8) ? sim_random_next(&s->random) : m->input_first + g * below(s, 64);
		break;
	default:
		if (m->mapping_count == 0) {
			at = m->input_first + g * below(s, 64);
			break;
		}
		mapping = &m->mappings[below(s, m->mapping_count)];
		at = one_in(s, 2) ? mapping->first : mapping->last + 1;
		break;
	}
	if (one_in(s, 4))
		at += (below(s, 7) - 3) * g;
	if (one_in(s, 16))
		at += below(s, 3) - 1;
	return at;
}

static uint64_t random_granules(struct stream *s)
{
	switch (below(s, 8)) {
	case 0:
		return UINT64_C(1) << below(s, 56);
	case 1:
		return 16 + below(s, 3) - 1;
	case 2:
		return 1 + (sim_random_next(&s->random) >> (8 + below(s, 56)));
	case 3:
	case 4:
		return 1 + below(s, 20);
	default:
		return 1;
	}
}

/* For MAP: mostly what can be mapped. */
static void random_new_range(struct stream *s, uint64_t *first, uint64_t *last, uint64_t *phys)
{
	uint64_t g = granule(&s->model), mask = ~(g - 1), size = random_granules(s) * g;

	*first = random_address(s) & mask;
	if (one_in(s, 16))
		size = UINT64_MAX - *first + 1;
	*last = *first + size - 1;
	if (*last < *first && !one_in(s, 16))
		*last = UINT64_MAX;
	*phys = sim_random_next(&s->random) & mask;
	if (one_in(s, 4))
		*phys = below(s, 64) * g;
	if (s->mapped->mapping_count > 0 &&
	    one_in(s, 4)) { /* goes on where another mapping ends, perhaps around 2^64 */
		const struct model_mapping *m = &s->mapped->mappings[below(s, s->mapped->mapping_count)];

		*phys = m->phys + (*first - m->first);
	}
	if (one_in(s, 16) || UINT64_MAX - *phys < *last - *first)
		*phys = (UINT64_MAX - (*last - *first) + (one_in(s, 16) ? g : 0)) & mask;
	if (one_in(s, 32))
		*first += 1 + below(s, g - 1);
	if (one_in(s, 32))
		*last -= 1 + below(s, g - 1);
	if (one_in(s, 32))
		*phys += 1 + below(s, g - 1);
}

/* For UNMAP: mostly what has been mapped. */
static void random_old_range(struct stream *s, uint64_t *first, uint64_t *last)
{
	const struct model *m = s->mapped;

	*first = random_address(s);
	*last = random_address(s) - 1;
	if (m->mapping_count > 0 && !one_in(s, 4)) {
		const struct model_mapping *a = &m->mappings[below(s, m->mapping_count)];
		const struct model_mapping *b = one_in(s, 2) ? a : &m->mappings[below(s, m->mapping_count)];

		*first = a->first;
		*last = b->last;
		if (one_in(s, 8))
			*first += (below(s, 3) - 1) * (one_in(s, 2) ? 1 : granule(m));
		if (one_in(s, 8))
			*last += (below(s, 3) - 1) * (one_in(s, 2) ? 1 : granule(m));
	}
	if (*last < *first && !one_in(s, 8)) {
		uint64_t swap = *first;

		*first = *last;
		*last = swap;
	}
	if (one_in(s, m->mapping_count > s->crowded ? 4 : 256)) {
		*first = 0;
		*last = UINT64_MAX;
	}
}

static void remember_range(struct stream *s, uint64_t first, uint64_t last)
{
	s->recent[0] = first - 1;
	s->recent[1] = first;
	s->recent[2] = last;
	s->recent[3] = last + 1;
}

/* Compares one translation with the model. Returns whether it faulted, with what the report has to be. */
static bool compare_translation(struct stream *s, uint32_t index, struct viommu_access *access, uint64_t iova,
				struct viommu_wire_fault *fault)
{
	uint32_t kind = 1 + (uint32_t)below(s, 3);
	uint64_t length = (const uint64_t[]){ 1, 1, 0x1001, UINT64_MAX }[below(s, 4)];
	struct model_access want = model_translate(&s->model, index, iova, kind), end;
	struct viommu_access_token token;
	struct viommu_translation t;
	enum viommu_result r;

	assert_int_equal(viommu_access_begin(access, &token), VIOMMU_OK);
	r = viommu_access_translate(access, iova, length, kind, &t);
	viommu_access_end(access, token);
	if (r != (want.allowed ? VIOMMU_OK : VIOMMU_E_FAULT))
		differ(s, "endpoint %u, address %llx, kind %u: result %d, the model %s (gpa %llx, reason %u)", index,
		       (unsigned long long)iova, kind, r, want.allowed ? "allows it" : "does not",
		       (unsigned long long)want.gpa, want.reason);
	if (!want.allowed) {
		*fault = (struct viommu_wire_fault){ want.reason, want.fault_flags, endpoint_ids[index], iova };
		return true;
	}
	if (t.gpa != want.gpa || t.flags != want.flags || t.msi != want.msi)
		differ(s, "endpoint %u, address %llx, kind %u: gpa %llx flags %x msi %d, the model: %llx %x %d", index,
		       (unsigned long long)iova, kind, (unsigned long long)t.gpa, t.flags, t.msi,
		       (unsigned long long)want.gpa, want.flags, want.msi);
	if (t.length < 1 || t.length > length || t.length - 1 > UINT64_MAX - iova || t.length - 1 > UINT64_MAX - t.gpa)
		differ(s, "endpoint %u, address %llx: %llx bytes for %llx", index, (unsigned long long)iova,
		       (unsigned long long)t.length, (unsigned long long)length);
	end = model_translate(&s->model, index, iova + (t.length - 1), kind);
	if (!end.allowed || end.gpa != t.gpa + (t.length - 1) || end.flags != t.flags || end.msi != t.msi)
		differ(s, "endpoint %u, address %llx: %llx bytes, but the last one does not belong to it", index,
		       (unsigned long long)iova, (unsigned long long)t.length);
	return false;
}

static bool same_fault(const struct viommu_wire_fault *a, const struct viommu_wire_fault *b)
{
	return a->reason == b->reason && a->flags == b->flags && a->endpoint == b->endpoint && a->address == b->address;
}

/* Seam A */

#define PIECES 96u
#define ARENA 1024u

/* A readable or writable part: pieces with at least one byte between them. */
struct part {
	uint8_t arena[ARENA];
	size_t end; /* of what is used in the arena */
	struct viommu_segment pieces[PIECES];
	uint32_t count;
};

struct bench {
	struct stream s;
	struct viommu_device dev;
	struct viommu_endpoint *endpoints[ENDPOINTS];
	struct viommu_access accesses[ENDPOINTS];
	struct viommu_resv_region regions[ENDPOINTS][MODEL_REGIONS];
	void *mem;
	struct part readable;
	struct part writable;
	uint8_t expected[ARENA];                             /* the arena of the writable part afterwards */
	uint32_t counts[VIOMMU_T_COUNT][VIOMMU_S_COUNT + 1]; /* the last one: unanswered */
};

static void bench_config(const struct model *m, struct viommu_device_config *config)
{
	*config = (struct viommu_device_config)VIOMMU_DEVICE_CONFIG_INIT;
	config->max_endpoints = ENDPOINTS;
	config->max_domains = ENDPOINTS; /* which cannot be too few */
	config->features = m->offered;
	config->page_size_mask = m->page_size_mask;
	config->input_range = (struct viommu_range){ m->input_first, m->input_last };
	config->domain_first = m->domain_first;
	config->domain_last = m->domain_last;
	config->probe_size = m->probe_size;
	config->bypass = m->initial_bypass;
}

static void bench_negotiate(struct bench *b)
{
	uint64_t features = b->s.model.offered;

	if (one_in(&b->s, 32))
		return;
	if (one_in(&b->s, 4))
		features &= sim_random_next(&b->s.random) | (one_in(&b->s, 4) ? 0 : VIOMMU_F_MAP_UNMAP);
	if (one_in(&b->s, 4)) {
		uint64_t wrong = features | UINT64_C(1) << below(&b->s, 64);

		if ((viommu_device_negotiate(&b->dev, wrong) == VIOMMU_OK) != model_negotiate(&b->s.model, wrong))
			differ(&b->s, "negotiation of %llx", (unsigned long long)wrong);
		if (b->s.model.negotiated != 0)
			return;
	}
	assert_int_equal(viommu_device_negotiate(&b->dev, features), VIOMMU_OK);
	assert_true(model_negotiate(&b->s.model, features));
}

static void compare_config(struct bench *b)
{
	const struct model *m = &b->s.model;
	uint8_t bytes[VIOMMU_WIRE_CONFIG_SIZE], want[VIOMMU_WIRE_CONFIG_SIZE] = { 0 };
	bool same;

	put64(want, m->page_size_mask);
	put64(want + 8, m->input_first);
	put64(want + 16, m->input_last);
	put32(want + 24, m->domain_first);
	put32(want + 28, m->domain_last);
	put32(want + 32, m->probe_size);
	want[36] = m->bypass;
	viommu_device_config_read(&b->dev, 0, bytes, sizeof(bytes));
	same = memcmp(bytes, want, 8) == 0 && memcmp(bytes + 37, want + 37, 3) == 0 && bytes[36] <= 1;
	if ((m->offered & VIOMMU_F_INPUT_RANGE) && memcmp(bytes + 8, want + 8, 16) != 0)
		same = false;
	if ((m->offered & VIOMMU_F_DOMAIN_RANGE) && memcmp(bytes + 24, want + 24, 8) != 0)
		same = false;
	if ((m->offered & VIOMMU_F_PROBE) && memcmp(bytes + 32, want + 32, 4) != 0)
		same = false;
	if ((m->offered & VIOMMU_F_BYPASS_CONFIG) && bytes[36] != want[36])
		same = false;
	if (!same)
		differ(&b->s, "configuration space; its bypass is %u", bytes[36]);
}

static void bench_setup(struct bench *b)
{
	struct viommu_device_config config;
	size_t len;

	random_device(&b->s);
	b->s.mapped = &b->s.model;
	bench_config(&b->s.model, &config);
	assert_int_equal(viommu_device_mem_size(&config, &len), VIOMMU_OK);
	len += (size_t)NODES * VIOMMU_MAP_NODE_SIZE;
	b->mem = malloc(len);
	assert_non_null(b->mem);
	assert_int_equal(viommu_device_init(&b->dev, &config, b->mem, len), VIOMMU_OK);
	for (uint32_t i = 0; i < ENDPOINTS; i++) {
		struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;
		struct model_endpoint *e = &b->s.model.endpoints[i];

		random_regions(&b->s, e);
		for (uint32_t k = 0; k < e->region_count; k++) {
			b->regions[i][k].range = (struct viommu_range){ e->regions[k].first, e->regions[k].last };
			b->regions[i][k].subtype = e->regions[k].msi ? VIOMMU_RESV_MEM_MSI : VIOMMU_RESV_MEM_RESERVED;
		}
		endpoint.id = e->id;
		endpoint.regions = b->regions[i];
		endpoint.region_count = e->region_count;
		assert_int_equal(viommu_device_add_endpoint(&b->dev, &endpoint, &b->endpoints[i]), VIOMMU_OK);
		viommu_access_init(&b->accesses[i], &b->dev, b->endpoints[i]);
	}
	model_system_reset(&b->s.model);
	bench_negotiate(b);
	compare_config(b);
}

/* The reports that are there have to be this one, if any, and no other. */
static void compare_fault(struct bench *b, const struct viommu_wire_fault *want)
{
	struct viommu_wire_fault fault;

	if (want != NULL && viommu_device_next_fault(&b->dev, &fault) != VIOMMU_OK)
		differ(&b->s, "no fault report for endpoint %x, address %llx", want->endpoint,
		       (unsigned long long)want->address);
	if (want != NULL && !same_fault(&fault, want))
		differ(&b->s, "fault: reason %u flags %x endpoint %x address %llx, the model: %u %x %x %llx",
		       fault.reason, fault.flags, fault.endpoint, (unsigned long long)fault.address, want->reason,
		       want->flags, want->endpoint, (unsigned long long)want->address);
	if (viommu_device_next_fault(&b->dev, &fault) != VIOMMU_E_EMPTY)
		differ(&b->s, "a fault report for nothing: endpoint %x, address %llx", fault.endpoint,
		       (unsigned long long)fault.address);
}

static void compare_address(struct bench *b, uint32_t index, uint64_t iova)
{
	struct viommu_wire_fault fault;

	if (compare_translation(&b->s, index, &b->accesses[index], iova, &fault))
		compare_fault(b, &fault);
}

static void compare_everything(struct bench *b)
{
	static const uint64_t fixed[] = { 0, UINT64_C(1) << 32, UINT64_C(1) << 39, UINT64_C(1) << 63 };
	const struct model *m = &b->s.model;

	for (uint32_t i = 0; i < ENDPOINTS; i++) {
		for (uint32_t k = 0; k < 8; k++)
			compare_address(b, i, fixed[k / 2] - k % 2);
		for (uint32_t k = 0; k < RESERVED; k++) {
			compare_address(b, i, reserved[k].first - below(&b->s, 2));
			compare_address(b, i, reserved[k].last + below(&b->s, 2));
		}
		for (uint32_t k = 0; k < m->mapping_count; k++) {
			compare_address(b, i, m->mappings[k].first - 1);
			compare_address(b, i, m->mappings[k].first);
			compare_address(b, i, m->mappings[k].last);
			compare_address(b, i, m->mappings[k].last + 1);
		}
	}
}

/* Lays `len` bytes out in pieces, in one, in a few, or one byte each. */
static void lay_out(struct stream *s, struct part *part, size_t len)
{
	uint64_t way = below(s, 8);

	part->count = 0;
	part->end = 1;
	while (len > 0 || (part->count == 0 && way < 4)) {
		size_t piece = len;

		if (way == 0 && part->count + len <= PIECES)
			piece = 1;
		else if (way < 4 && part->count < 12)
			piece = (size_t)below(s, len + 1);
		if (piece > len)
			piece = len;
		part->pieces[part->count].base = part->arena + part->end;
		part->pieces[part->count++].len = piece;
		part->end += piece + 1 + (size_t)below(s, 2);
		len -= piece;
	}
	for (size_t i = 0; i < part->end; i++)
		part->arena[i] = (uint8_t)(0xa5u ^ (i * 7u));
}

/* The bytes of the part, put into this copy of its arena. */
static void scatter(const struct part *part, uint8_t *arena, const uint8_t *bytes, size_t len)
{
	for (uint32_t i = 0; i < part->count && len > 0; i++) {
		size_t n = part->pieces[i].len < len ? part->pieces[i].len : len;

		memcpy(arena + (part->pieces[i].base - part->arena), bytes, n);
		bytes += n;
		len -= n;
	}
}

static void compare_reply(struct bench *b, const struct viommu_request *request, const struct model_reply *want)
{
	const struct stream *s = &b->s;
	uint8_t type = s->len < 4 ? 0 : s->bytes[0];

	b->counts[type < VIOMMU_T_COUNT ? type : 0][want->answered ? want->status : VIOMMU_S_COUNT]++;
	if (request->state != VIOMMU_REQUEST_DONE || request->type != type)
		differ(s, "state %u, type %u", request->state, request->type);
	if (request->written != want->used)
		differ(s, "used length %u (status %u), the model %u (status %u)", request->written, request->status,
		       (unsigned)want->used, want->status);
	if (want->answered && request->status != want->status)
		differ(s, "status %u, the model %u", request->status, want->status);
	scatter(&b->writable, b->expected, want->bytes, want->used);
	for (size_t i = 0; i < b->writable.end; i++)
		if (b->writable.arena[i] != b->expected[i])
			differ(s, "byte %u of the writable arena is %02x, the model %02x", (unsigned)i,
			       b->writable.arena[i], b->expected[i]);
}

static void submit(struct bench *b)
{
	struct stream *s = &b->s;
	struct viommu_request request;
	static struct model_reply want;
	static uint8_t before[ARENA];

	lay_out(s, &b->readable, s->len);
	lay_out(s, &b->writable, s->room);
	scatter(&b->readable, b->readable.arena, s->bytes, s->len);
	memcpy(before, b->readable.arena, b->readable.end);
	memcpy(b->expected, b->writable.arena, b->writable.end);
	memset(&request, 0, sizeof(request));
	request.readable = b->readable.pieces;
	request.readable_count = b->readable.count;
	request.writable = b->writable.pieces;
	request.writable_count = b->writable.count;
	sim_env_operation();
	if (viommu_device_submit(&b->dev, &request) != VIOMMU_OK)
		differ(s, "submit failed");
	model_request(&s->model, s->bytes, s->len, s->room, &want);
	compare_reply(b, &request, &want);
	assert_memory_equal(before, b->readable.arena, b->readable.end);
}

/* Mostly one that exists; one in `n` times likely a new one. */
static uint32_t random_domain(struct stream *s, uint64_t n)
{
	const struct model *m = &s->model;

	for (uint32_t i = 0; i < 3 && !one_in(s, n); i++) {
		const struct model_endpoint *e = &m->endpoints[below(s, m->endpoint_count)];

		if (e->attached)
			return e->domain;
	}
	switch (below(s, 8)) {
	case 0:
		return m->domain_last + 1;
	case 1:
		return m->domain_first - 1;
	case 2:
		return m->domain_last;
	default:
		return m->domain_first + (uint32_t)below(s, m->domain_last - m->domain_first > 5 ? 6 : 1);
	}
}

static uint32_t random_endpoint(struct stream *s)
{
	return one_in(s, 32) ? ENDPOINT_UNKNOWN : endpoint_ids[below(s, ENDPOINTS)];
}

static void noise(struct stream *s, uint64_t n, size_t offset, size_t len)
{
	if (one_in(s, n))
		s->bytes[offset + below(s, len)] = (uint8_t)sim_random_next(&s->random);
}

static void random_attach_or_detach(struct stream *s)
{
	uint32_t endpoint = random_endpoint(s), domain = random_domain(s, 4);

	s->len = 20;
	put32(s->bytes + 8, endpoint);
	if (s->bytes[0] == VIOMMU_T_DETACH) {
		for (uint32_t i = 0; i < ENDPOINTS; i++)
			if (s->model.endpoints[i].id == endpoint && s->model.endpoints[i].attached && one_in(s, 2))
				domain = s->model.endpoints[i].domain;
		noise(s, 4, 12, 8);
	} else {
		bool bypass = one_in(s, 8);

		for (uint32_t i = 0; i < ENDPOINTS; i++)
			if (s->model.endpoints[i].attached && s->model.endpoints[i].domain == domain && !one_in(s, 8))
				bypass = s->model.endpoints[i].bypass;
		put32(s->bytes + 12, bypass);
		noise(s, 32, 12, 4);
		noise(s, 32, 16, 4);
	}
	put32(s->bytes + 4, domain);
	for (uint32_t i = 0; i < 4; i++)
		s->recent[i] = random_address(s);
}

static void random_map(struct stream *s)
{
	uint64_t first, last, phys;

	random_new_range(s, &first, &last, &phys);
	remember_range(s, first, last);
	s->len = 36;
	put32(s->bytes + 4, random_domain(s, 16));
	put64(s->bytes + 8, first);
	put64(s->bytes + 16, last);
	put64(s->bytes + 24, phys);
	put32(s->bytes + 32, one_in(s, 2) ? RW : (uint32_t)below(s, one_in(s, 2) ? 8 : 4));
	noise(s, 32, 32, 4);
}

static void random_unmap(struct stream *s)
{
	uint64_t first, last;

	random_old_range(s, &first, &last);
	remember_range(s, first, last);
	s->len = 28;
	put32(s->bytes + 4, random_domain(s, 16));
	put64(s->bytes + 8, first);
	put64(s->bytes + 16, last);
	noise(s, 32, 24, 4);
}

static void random_request(struct stream *s)
{
	static const uint8_t types[] = { 1, 1, 1, 2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 5 };
	bool crowded = s->model.mapping_count > s->crowded;

	memset(s->bytes, 0, sizeof(s->bytes));
	s->bytes[0] = types[below(s, sizeof(types))];
	if (crowded && s->bytes[0] == VIOMMU_T_MAP)
		s->bytes[0] = VIOMMU_T_UNMAP;
	s->room = 4;
	if (s->bytes[0] == VIOMMU_T_MAP) {
		random_map(s);
	} else if (s->bytes[0] == VIOMMU_T_UNMAP) {
		random_unmap(s);
	} else if (s->bytes[0] == VIOMMU_T_PROBE) {
		s->len = 72;
		s->room = s->model.probe_size + 4;
		put32(s->bytes + 4, random_endpoint(s));
		noise(s, 4, 8, 64);
	} else {
		random_attach_or_detach(s);
	}
	noise(s, 8, 1, 3);
	noise(s, 64, 0, 1);
	noise(s, 64, 0, s->len);
	if (one_in(s, 32))
		s->len = (size_t)below(s, one_in(s, 2) ? s->len : sizeof(s->bytes));
	if (one_in(s, 16))
		s->room = (size_t)below(s, s->room + (one_in(s, 2) ? 0 : 40));
}

/* What a driver or a VMM does besides requests. */
static void between_requests(struct bench *b)
{
	struct stream *s = &b->s;

	if (one_in(s, 64)) {
		uint8_t value = (const uint8_t[]){ 0, 0, 1, 1, 2, 3, 128, 255 }[below(s, 8)];
		uint32_t offset = one_in(s, 4) ? (uint32_t)below(s, 44) : VIOMMU_WIRE_CONFIG_BYPASS;

		viommu_device_config_write(&b->dev, offset, &value, 1);
		model_config_write(&s->model, offset, value);
		compare_config(b);
	}
	if (one_in(s, 1000)) {
		struct viommu_wire_fault lost;

		(void)compare_translation(s, 0, &b->accesses[0], random_address(s), &lost);
		if (one_in(s, 4)) {
			viommu_device_system_reset(&b->dev);
			model_system_reset(&s->model);
		} else {
			viommu_device_reset(&b->dev);
			model_reset(&s->model);
		}
		assert_true(viommu_device_is_settled(&b->dev));
		compare_fault(b, NULL);
		compare_config(b);
		bench_negotiate(b);
	}
}

/* Each answer that the device can give has been given, and not only as a freak. */
static void assert_variety(const struct bench *b, uint64_t requests)
{
	static const uint8_t answers[][2] = {
		{ 0, 9 }, { 1, 0 }, { 1, 2 }, { 1, 4 }, { 1, 5 }, { 1, 6 }, { 1, 9 }, { 2, 0 }, { 2, 4 },
		{ 2, 6 }, { 2, 9 }, { 3, 0 }, { 3, 4 }, { 3, 5 }, { 3, 6 }, { 3, 9 }, { 4, 0 }, { 4, 4 },
		{ 4, 5 }, { 4, 6 }, { 4, 9 }, { 5, 0 }, { 5, 4 }, { 5, 6 }, { 5, 9 },
	};

	if (requests < 1000000)
		return;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (b->counts[answers[i][0]][answers[i][1]] < requests / 10000)
			fail_msg("type %u was answered with status %u only %u times", answers[i][0], answers[i][1],
				 b->counts[answers[i][0]][answers[i][1]]);
}

static void test_differential__random_requests__device_is_as_the_model(void **state)
{
	static struct bench b;
	uint64_t requests = number_from_environment("VIOMMU_DIFFERENTIAL_REQUESTS", REQUESTS);

	(void)state;
	memset(&b, 0, sizeof(b));
	b.s.seed = number_from_environment("VIOMMU_DIFFERENTIAL_SEED", SEED);
	b.s.random.state = b.s.seed;
	for (b.s.number = 0; b.s.number < requests; b.s.number++) {
		if (b.s.number % EPISODE == 0) {
			free(b.mem);
			bench_setup(&b);
		}
		between_requests(&b);
		random_request(&b.s);
		submit(&b);
		for (uint32_t i = 0; i < ENDPOINTS; i++) {
			compare_address(&b, i, b.s.recent[below(&b.s, 2)]);
			compare_address(&b, i, b.s.recent[2 + below(&b.s, 2)]);
			compare_address(&b, i, random_address(&b.s));
		}
		if (b.s.number % SWEEP == 0) {
			compare_everything(&b);
			assert_true(viommu_device_check(&b.dev));
		}
	}
	free(b.mem);
	b.mem = NULL;
	assert_variety(&b, requests);
}

/* The whole column */

#define DOMAINS 3u

/*
 * The record of the driver is a model too: each of its endpoints stands for one domain of the driver and never leaves
 * it, so that the mappings stay when the device's domain is gone.
 */
struct column {
	struct stream s;
	struct model record;
	struct sim_machine machine;
	struct viommu_driver_endpoint endpoints[ENDPOINTS];
	struct viommu_driver_domain domains[DOMAINS];
	bool exists[DOMAINS];
	struct viommu_resv_region regions[MODEL_REGIONS];
	struct viommu_resv_region found[ENDPOINTS][MODEL_REGIONS];
	uint32_t done[8];    /* calls that succeeded, by kind */
	uint32_t refused[8]; /* and that did not */
};

enum column_call {
	CALL_ATTACH,
	CALL_DETACH,
	CALL_MAP,
	CALL_UNMAP,
	CALL_DOMAIN,
	CALL_RESTART
};

/* What a model answers to the request in s->bytes. */
static bool accepts(struct stream *s, struct model *m)
{
	static struct model_reply reply;

	s->room = 4;
	model_request(m, s->bytes, s->len, s->room, &reply);
	return reply.answered && reply.status == VIOMMU_S_OK;
}

static void put_range(struct stream *s, uint8_t type, uint32_t domain, uint64_t first, uint64_t last)
{
	memset(s->bytes, 0, sizeof(s->bytes));
	s->bytes[0] = type;
	put32(s->bytes + 4, domain);
	put64(s->bytes + 8, first);
	put64(s->bytes + 16, last);
	s->len = type == VIOMMU_T_MAP ? 36 : 28;
}

static void put_endpoint(struct stream *s, uint8_t type, uint32_t domain, uint32_t endpoint, bool bypass)
{
	memset(s->bytes, 0, sizeof(s->bytes));
	s->bytes[0] = type;
	put32(s->bytes + 4, domain);
	put32(s->bytes + 8, endpoint);
	put32(s->bytes + 12, bypass);
	s->len = 20;
}

static bool is_populated(const struct column *c, uint32_t domain)
{
	for (uint32_t i = 0; i < ENDPOINTS; i++)
		if (c->s.model.endpoints[i].attached && c->s.model.endpoints[i].domain == domain)
			return true;
	return false;
}

/* The call did what the model did, and if not, it was refused before anything was sent. */
static void judge(struct column *c, enum column_call call, enum viommu_result r, bool expected)
{
	if (r == VIOMMU_OK)
		c->done[call]++;
	else
		c->refused[call]++;
	if (expected ? r != VIOMMU_OK : viommu_result_class(r) != VIOMMU_CLASS_CALLER)
		differ(&c->s, "call %d returned %d, the model %s", (int)call, r, expected ? "does it" : "does not");
}

static void call_attach(struct column *c)
{
	uint32_t e = (uint32_t)below(&c->s, ENDPOINTS), d = (uint32_t)below(&c->s, DOMAINS), domain;
	bool populated, expected = true;
	enum viommu_result r;
	uint8_t status;

	if (!c->exists[d])
		return;
	domain = viommu_driver_domain_id(&c->domains[d]);
	populated = is_populated(c, domain);
	put_endpoint(&c->s, VIOMMU_T_ATTACH, domain, endpoint_ids[e], c->record.endpoints[d].bypass);
	for (uint32_t i = 0; i < c->record.mapping_count && !populated; i++)
		for (uint32_t k = 0; k < c->s.model.endpoints[e].region_count; k++)
			if (c->record.mappings[i].domain == d &&
			    c->record.mappings[i].first <= c->s.model.endpoints[e].regions[k].last &&
			    c->s.model.endpoints[e].regions[k].first <= c->record.mappings[i].last)
				expected = false;
	r = viommu_driver_attach(&c->domains[d], &c->endpoints[e], &status);
	if (expected && !accepts(&c->s, &c->s.model))
		differ(&c->s, "the model refuses an attach of the driver (result %d)", r);
	judge(c, CALL_ATTACH, r, expected);
	for (uint32_t i = 0; i < c->record.mapping_count && expected && !populated; i++) {
		const struct model_mapping *m = &c->record.mappings[i];

		if (m->domain != d)
			continue;
		put_range(&c->s, VIOMMU_T_MAP, domain, m->first, m->last);
		put64(c->s.bytes + 24, m->phys);
		put32(c->s.bytes + 32, m->flags);
		if (!accepts(&c->s, &c->s.model))
			differ(&c->s, "the model refuses a replay");
	}
}

static void call_detach(struct column *c)
{
	uint32_t e = (uint32_t)below(&c->s, ENDPOINTS);
	enum viommu_result r;
	uint8_t status;

	put_endpoint(&c->s, VIOMMU_T_DETACH, c->s.model.endpoints[e].domain, endpoint_ids[e], false);
	r = viommu_driver_detach(&c->endpoints[e], &status);
	judge(c, CALL_DETACH, r, accepts(&c->s, &c->s.model));
}

static void call_map(struct column *c)
{
	uint32_t d = (uint32_t)below(&c->s, DOMAINS), domain, flags;
	uint64_t first, last, phys;
	bool expected;

	if (!c->exists[d] || c->record.mapping_count > c->s.crowded)
		return;
	domain = viommu_driver_domain_id(&c->domains[d]);
	random_new_range(&c->s, &first, &last, &phys);
	flags = one_in(&c->s, 2) ? RW : (uint32_t)below(&c->s, one_in(&c->s, 4) ? 10 : 4);
	remember_range(&c->s, first, last);
	put_range(&c->s, VIOMMU_T_MAP, d, first, last);
	put64(c->s.bytes + 24, phys);
	put32(c->s.bytes + 32, flags);
	expected = accepts(&c->s, &c->record);
	if (expected && is_populated(c, domain)) {
		put32(c->s.bytes + 4, domain);
		expected = accepts(&c->s, &c->s.model);
		if (!expected)
			c->record.mapping_count--;
	}
	judge(c, CALL_MAP, viommu_driver_map(&c->domains[d], first, last, phys, flags), expected);
}

static void call_unmap(struct column *c)
{
	uint32_t d = (uint32_t)below(&c->s, DOMAINS), domain;
	struct viommu_driver_limits limits;
	uint64_t first, last;
	bool expected;

	if (!c->exists[d])
		return;
	domain = viommu_driver_domain_id(&c->domains[d]);
	viommu_driver_get_limits(&c->machine.driver, &limits);
	random_old_range(&c->s, &first, &last);
	if (first == 0 && last == UINT64_MAX) {
		first = limits.input_range.first;
		last = limits.input_range.last;
	}
	remember_range(&c->s, first, last);
	put_range(&c->s, VIOMMU_T_UNMAP, d, first, last);
	expected = first >= limits.input_range.first && last <= limits.input_range.last;
	/* Not to be asked of the device at all, though it would do it. */
	if (!expected && first <= last &&
	    (!(c->s.model.offered & VIOMMU_F_INPUT_RANGE) ||
	     (first >= c->s.model.input_first && last <= c->s.model.input_last)))
		return;
	if (expected)
		expected = accepts(&c->s, &c->record);
	if (expected && is_populated(c, domain)) {
		put32(c->s.bytes + 4, domain);
		if (!accepts(&c->s, &c->s.model))
			differ(&c->s, "the model refuses an unmap that its record takes");
	}
	judge(c, CALL_UNMAP, viommu_driver_unmap(&c->domains[d], first, last), expected);
}

static void sync_all(struct column *c)
{
	struct sim_machine_failure failure;

	for (uint32_t d = 0; d < DOMAINS; d++)
		if (c->exists[d] && viommu_driver_sync(&c->domains[d], NULL) != VIOMMU_OK)
			differ(&c->s, "a request of domain %u failed", d);
	if (sim_machine_take_failure(&c->machine, &failure))
		differ(&c->s, "a request failed: type %u, status %u, %llx..%llx", failure.what.type,
		       failure.what.status, (unsigned long long)failure.what.first,
		       (unsigned long long)failure.what.last);
}

/* An id that is free, in range, or not. */
static void make_domain(struct column *c, uint32_t d)
{
	const struct model *m = &c->s.model;
	bool ranged = m->offered & VIOMMU_F_DOMAIN_RANGE, bypass = one_in(&c->s, 8), expected = true;
	uint64_t id = one_in(&c->s, 2) ? VIOMMU_DOMAIN_ANY : random_domain(&c->s, 2), others = 0;

	for (uint32_t i = 0; i < DOMAINS; i++) {
		if (!c->exists[i])
			continue;
		others++;
		if (viommu_driver_domain_id(&c->domains[i]) == id)
			expected = false;
	}
	if (id == VIOMMU_DOMAIN_ANY)
		expected = !ranged || others <= m->domain_last - m->domain_first;
	else if (ranged && (id < m->domain_first || id > m->domain_last))
		expected = false;
	if (bypass && !(m->negotiated & VIOMMU_F_BYPASS_CONFIG))
		expected = false;
	put_endpoint(&c->s, VIOMMU_T_ATTACH, d, d, bypass);
	c->exists[d] = viommu_driver_domain_init(&c->domains[d], &c->machine.driver, id, bypass) == VIOMMU_OK;
	if (c->exists[d] != expected)
		differ(&c->s, "domain %llx, others %u: %d", (unsigned long long)id, (unsigned)others, c->exists[d]);
	if (c->exists[d] && !accepts(&c->s, &c->record))
		differ(&c->s, "the record has no place for a domain");
}

static void call_domain(struct column *c)
{
	uint32_t d = (uint32_t)below(&c->s, DOMAINS);

	sync_all(c);
	if (c->exists[d]) {
		bool expected = !is_populated(c, viommu_driver_domain_id(&c->domains[d]));

		put_endpoint(&c->s, VIOMMU_T_DETACH, d, d, false);
		judge(c, CALL_DOMAIN, viommu_driver_domain_deinit(&c->domains[d]), expected);
		if (!expected)
			return;
		c->exists[d] = false;
		if (!accepts(&c->s, &c->record))
			differ(&c->s, "the record lost a domain");
	}
	make_domain(c, d);
}

static void start(struct column *c)
{
	struct model *m = &c->s.model;

	assert_int_equal(sim_machine_start(&c->machine), VIOMMU_OK);
	assert_true(model_negotiate(m, m->offered));
}

static void call_restart(struct column *c)
{
	sync_all(c);
	judge(c, CALL_RESTART, viommu_driver_stop(&c->machine.driver), true);
	model_reset(&c->s.model);
	start(c);
}

/* After all that was posted is done. Reports that the driver gets are those of the model, in some order. */
static void compare_column(struct column *c)
{
	struct viommu_wire_fault want[3 * ENDPOINTS], fault;
	uint32_t count = 0;

	sync_all(c);
	for (uint32_t i = 0; i < 3 * ENDPOINTS; i++) {
		uint64_t iova = i < 2 * ENDPOINTS ? c->s.recent[below(&c->s, 4)] : random_address(&c->s);
		struct sim_engine *engine = sim_machine_engine(&c->machine, endpoint_ids[i % ENDPOINTS]);

		if (compare_translation(&c->s, i % ENDPOINTS, &engine->access, iova, &want[count]))
			count++;
	}
	if (!sim_machine_settle(&c->machine))
		differ(&c->s, "the machine does not come to rest");
	while (sim_machine_take_fault(&c->machine, &fault)) {
		uint32_t i = 0;

		while (i < count && !same_fault(&fault, &want[i]))
			i++;
		if (i == count)
			differ(&c->s, "a fault report for nothing: endpoint %x, address %llx", fault.endpoint,
			       (unsigned long long)fault.address);
		want[i] = want[--count];
	}
	if (count > 0)
		differ(&c->s, "no fault report for endpoint %x, address %llx", want[0].endpoint,
		       (unsigned long long)want[0].address);
}

/* The driver's own answer, from its record. */
static void compare_record(struct column *c)
{
	uint32_t d = (uint32_t)below(&c->s, DOMAINS);
	uint64_t iova = random_address(&c->s), phys = 0;
	struct model_access want;
	enum viommu_result r;

	if (!c->exists[d])
		return;
	sync_all(c);
	want = model_translate(&c->record, d, iova, 0);
	r = viommu_driver_iova_to_phys(&c->domains[d], iova, &phys);
	if (want.allowed ? r != VIOMMU_OK || phys != want.gpa : r != VIOMMU_E_NOENT)
		differ(&c->s, "address %llx of the record: %d, %llx", (unsigned long long)iova, r,
		       (unsigned long long)phys);
}

static void column_model(struct column *c)
{
	struct model *m = &c->s.model, *record = &c->record;

	random_device(&c->s);
	m->offered |= VIOMMU_F_MAP_UNMAP;
	m->probe_size = 512;
	if (granule(m) > 0x10000)
		m->page_size_mask = 0x1000;
	if (m->offered & VIOMMU_F_PROBE)
		random_regions(&c->s, &m->endpoints[0]);
	for (uint32_t i = 0; i < ENDPOINTS; i++) {
		m->endpoints[i] = m->endpoints[0];
		m->endpoints[i].id = endpoint_ids[i];
	}
	*record = *m;
	record->offered &= ~(uint64_t)(VIOMMU_F_DOMAIN_RANGE | VIOMMU_F_PROBE);
	record->endpoint_count = DOMAINS;
	for (uint32_t i = 0; i < DOMAINS; i++) {
		record->endpoints[i].id = i;
		record->endpoints[i].region_count = 0;
	}
	model_system_reset(m);
	model_system_reset(record);
	record->negotiated = record->offered;
	c->s.mapped = record;
}

static void column_setup(struct column *c)
{
	struct sim_machine_config config = SIM_MACHINE_CONFIG_INIT;
	struct model *m = &c->s.model;

	column_model(c);
	for (uint32_t i = 0; i < m->endpoints[0].region_count; i++) {
		const struct model_region *region = &m->endpoints[0].regions[i];

		c->regions[i].range = (struct viommu_range){ region->first, region->last };
		c->regions[i].subtype = region->msi ? VIOMMU_RESV_MEM_MSI : VIOMMU_RESV_MEM_RESERVED;
	}
	config.endpoints = endpoint_ids;
	config.endpoint_count = ENDPOINTS;
	config.regions = c->regions;
	config.region_count = m->endpoints[0].region_count;
	config.features = m->offered;
	config.page_size_mask = m->page_size_mask;
	config.input_range = (struct viommu_range){ m->input_first, m->input_last };
	config.domain_first = m->domain_first;
	config.domain_last = m->domain_last;
	config.max_domains = ENDPOINTS;
	config.bypass = m->initial_bypass;
	config.granule = granule(m);
	config.granule_max = granule(m);
	config.queue_size = (const uint32_t[]){ 0, 2, 4, 16 }[below(&c->s, 4)];
	if (one_in(&c->s, 2))
		config.ring_features &= sim_random_next(&c->s.random);
	config.seed = sim_random_next(&c->s.random);
	config.map_nodes = NODES;
	assert_int_equal(sim_machine_init(&c->machine, &config), VIOMMU_OK);
	start(c);
	for (uint32_t i = 0; i < ENDPOINTS; i++)
		assert_int_equal(viommu_driver_endpoint_init(&c->endpoints[i], &c->machine.driver, endpoint_ids[i],
							     c->found[i], MODEL_REGIONS),
				 VIOMMU_OK);
	memset(c->exists, 0, sizeof(c->exists));
	for (uint32_t d = 0; d < DOMAINS; d++)
		make_domain(c, d);
}

static void random_call(struct column *c)
{
	uint64_t kind = below(&c->s, 64);

	if (one_in(&c->s, 256))
		call_domain(c);
	else if (one_in(&c->s, 1000))
		call_restart(c);
	else if (kind < 4)
		call_attach(c);
	else if (kind < 6)
		call_detach(c);
	else if (kind < 42)
		call_map(c);
	else
		call_unmap(c);
}

static void test_differential__random_calls_of_the_driver__column_is_as_the_model(void **state)
{
	static struct column c;
	uint64_t calls = number_from_environment("VIOMMU_DIFFERENTIAL_REQUESTS", REQUESTS) / 10;

	(void)state;
	memset(&c, 0, sizeof(c));
	c.s.seed = number_from_environment("VIOMMU_DIFFERENTIAL_SEED", SEED);
	c.s.random.state = c.s.seed;
	for (c.s.number = 0; c.s.number < calls; c.s.number++) {
		if (c.s.number % EPISODE == 0) {
			sim_machine_deinit(&c.machine);
			column_setup(&c);
		}
		random_call(&c);
		if (one_in(&c.s, 4))
			sim_machine_step(&c.machine, (uint32_t)below(&c.s, 32));
		if (one_in(&c.s, 4))
			compare_column(&c);
		if (one_in(&c.s, 8))
			compare_record(&c);
		if (c.s.number % SWEEP == 0)
			assert_true(sim_machine_check(&c.machine));
	}
	sim_machine_deinit(&c.machine);
	for (int i = CALL_ATTACH; i <= CALL_RESTART && calls >= 100000; i++)
		if (c.done[i] < calls / 10000 || (i != CALL_RESTART && c.refused[i] < calls / 10000))
			fail_msg("call %d: %u succeeded, %u refused", i, c.done[i], c.refused[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_differential__random_requests__device_is_as_the_model),
		cmocka_unit_test(test_differential__random_calls_of_the_driver__column_is_as_the_model),
	};

	return suite_run(tests);
}
