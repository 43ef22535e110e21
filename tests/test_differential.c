/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device against sim/model: random operations for the target `device` of sim/ops, which compares every answer, every
 * writable byte, every translation and every fault report. Then the same through driver, rings and registers.
 *
 * VIOMMU_DIFFERENTIAL_REQUESTS says how many requests (a tenth as many calls of the driver), VIOMMU_DIFFERENTIAL_SEED
 * which ones. A difference prints what is needed to see it again: at seam A a stream for `viommu-sim ops`.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "sim/env/env.h"
#include "sim/machine.h"
#include "sim/model/judge.h"
#include "sim/ops/target_device.h"
#include "suite.h"

#define REQUESTS UINT64_C(2000000)
#define SEED UINT64_C(1)
#define EPISODE 2000u /* requests to one device */
#define PROGRESS UINT64_C(100000000)
#define SWEEP 256u /* requests between two looks at everything */
#define ENDPOINTS SIM_OPS_DEVICE_ENDPOINTS
#define endpoint_ids sim_ops_device_ids
#define ENDPOINT_UNKNOWN 7u
#define NODES 16384u
#define RW (VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)

/* What both tests have in common */

/* CPU time, so that other programs do not count. */
static void report_rate(uint64_t count, const char *what, clock_t since)
{
	double seconds = (double)(clock() - since) / CLOCKS_PER_SEC;

	print_message("%llu %s in %.1f s, %.0f a second\n", (unsigned long long)count, what, seconds,
		      (double)count / (seconds > 0 ? seconds : 1));
}

/* A stream of random numbers, the model, and what to say about the place where it differs. */
struct stream {
	struct sim_random random;
	uint64_t seed;
	uint64_t number; /* of the request or call */
	const struct sim_model *model;
	const struct sim_model *mapped; /* whose mappings are looked at for the next address */
	uint8_t bytes[128];             /* of the request */
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
		(unsigned long long)s->model->page_size_mask, (unsigned long long)s->model->input_first,
		(unsigned long long)s->model->input_last, s->model->domain_first, s->model->domain_last,
		(unsigned long long)s->model->offered, (unsigned long long)s->model->negotiated, s->model->bypass);
	va_start(args, format);
	vprint_error(format, args);
	va_end(args);
	print_error("\n");
	fail();
}

static uint64_t granule(const struct sim_model *m)
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

#define RESERVED SIM_OPS_DEVICE_RESERVED

static void random_regions(struct stream *s, struct sim_model *m, struct sim_model_endpoint *endpoint)
{
	uint64_t msi = below(s, 2 * RESERVED);
	uint32_t max = m->probe_size / VIOMMU_WIRE_RESV_MEM_SIZE;

	if (max > SIM_MODEL_REGIONS)
		max = SIM_MODEL_REGIONS;
	for (uint32_t i = 0; i < RESERVED && endpoint->region_count < max; i++)
		if (one_in(s, 4))
			endpoint->regions[endpoint->region_count++] =
				(struct sim_model_region){ sim_ops_device_reserved[i].first,
							   sim_ops_device_reserved[i].last, i == msi };
}

/* Everything but the endpoints' regions. */
static void random_device(struct stream *s, struct sim_model *m)
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
	m->max_domains = ENDPOINTS; /* which cannot be too few */
	m->endpoint_count = ENDPOINTS;
	for (uint32_t i = 0; i < ENDPOINTS; i++)
		m->endpoints[i].id = endpoint_ids[i];
	s->crowded = one_in(s, 32) ? 300 : 16;
}

/* An address at which something changes, or right beside it. */
static uint64_t random_address(struct stream *s)
{
	const struct sim_model *m = s->mapped;
	const struct sim_model_mapping *mapping;
	uint64_t at, g = granule(m);

	switch (below(s, 8)) {
	case 0:
		at = (const uint64_t[]){ 0, UINT64_C(1) << 32, UINT64_C(1) << 39, UINT64_C(1) << 63 }[below(s, 4)];
		break;
	case 1:
		at = one_in(s, 2) ? m->input_first : m->input_last + 1;
		break;
	case 2:
		at = one_in(s, 2) ? sim_ops_device_reserved[below(s, RESERVED)].first
				  : sim_ops_device_reserved[below(s, RESERVED)].last + 1;
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
	uint64_t g = granule(s->model), mask = ~(g - 1), size = random_granules(s) * g;

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
		const struct sim_model_mapping *m = &s->mapped->mappings[below(s, s->mapped->mapping_count)];

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
	const struct sim_model *m = s->mapped;

	*first = random_address(s);
	*last = random_address(s) - 1;
	if (m->mapping_count > 0 && !one_in(s, 4)) {
		const struct sim_model_mapping *a = &m->mappings[below(s, m->mapping_count)];
		const struct sim_model_mapping *b = one_in(s, 2) ? a : &m->mappings[below(s, m->mapping_count)];

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

/* Seam A */

#define RECORD_MAX (4u << 20)

struct bench {
	struct stream s;
	struct sim_ops_session session;
	uint8_t record[RECORD_MAX];
	bool has_sections; /* in this episode */
	bool has_traffic;  /* endpoints come and go */
	struct sim_ops_device_traffic traffic;
	uint32_t counts[VIOMMU_T_COUNT][VIOMMU_S_COUNT + 1]; /* the last one: unanswered */
};

static void perform(struct bench *b, enum sim_ops_device_verb verb, const uint64_t *args, size_t count)
{
	struct sim_ops_op op = { .verb = (uint8_t)verb };

	memcpy(op.arg, args, count * sizeof(*args));
	sim_ops_perform(&b->session, &op);
}

#define PERFORM(b, verb, ...)                                                                                          \
	perform(b, SIM_OPS_DEVICE_##verb, (const uint64_t[]){ __VA_ARGS__ },                                           \
		sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

static void bench_negotiate(struct bench *b)
{
	struct stream *s = &b->s;
	uint64_t features = s->model->offered;

	if (one_in(s, 32)) {
		PERFORM(b, NEGOTIATE, 0);
		return;
	}
	if (one_in(s, 4))
		features &= sim_random_next(&s->random) | (one_in(s, 4) ? 0 : VIOMMU_F_MAP_UNMAP);
	PERFORM(b, NEGOTIATE, features);
	if (one_in(s, 4))
		PERFORM(b, NEGOTIATE, features | UINT64_C(1) << below(s, 64));
}

/* Where something happens behind the model's back, as in most environments, it has to differ: then this is no news. */
static void on_failure(const char *file, int line, const char *expression)
{
	if (!sim_env_has_fired())
		sim_ops_tell(file, line, expression);
	fail_msg("%s:%d: does not hold: %s", file, line, expression);
}

/* What this endpoint is like when it is added next. */
static void random_endpoint_limits(struct bench *b, uint32_t id)
{
	static const struct viommu_range ranges[] = {
		{ 0, UINT64_MAX },
		{ 0, UINT32_MAX },
		{ 0x10000, UINT64_C(0x7fffffffff) },
		{ UINT64_C(1) << 32, UINT64_MAX },
		{ 0x3000, 0x23fff },
	};
	struct stream *s = &b->s;
	uint64_t which = sim_random_next(&s->random) & sim_random_next(&s->random);
	uint64_t msi = below(s, RESERVED + 1), page_sizes = 0, range = 0;

	PERFORM(b, REGIONS, id, which & ((1u << RESERVED) - 1), msi);
	if (one_in(s, 4))
		page_sizes = UINT64_C(1) << (8 + below(s, 12));
	if (one_in(s, 4))
		range = below(s, 5);
	PERFORM(b, LIMITS, id, page_sizes, ranges[range].first, ranges[range].last);
}

static void bench_begin(struct bench *b)
{
	static struct sim_model m;
	struct stream *s = &b->s;

	sim_ops_begin(&b->session, &sim_ops_device, b->record, sizeof(b->record));
	s->model = s->mapped = sim_ops_device_model(b->session.world);
	b->has_sections = one_in(s, 4);
	b->has_traffic = one_in(s, 2);
	random_device(s, &m);
	for (uint32_t i = 0; i < ENDPOINTS; i++)
		random_endpoint_limits(b, endpoint_ids[i]);
	PERFORM(b, DEVICE, m.offered, m.page_size_mask, m.input_first, m.input_last, m.domain_first, m.domain_last,
		m.probe_size, m.initial_bypass);
	bench_negotiate(b);
}

static void bench_end(struct bench *b)
{
	const sim_ops_device_counts *counts = sim_ops_device_answers(b->session.world);

	const struct sim_ops_device_traffic *traffic = sim_ops_device_traffic(b->session.world);

	sim_ops_end(&b->session);
	b->traffic.removed += traffic->removed;
	b->traffic.with_pending += traffic->with_pending;
	b->traffic.waited += traffic->waited;
	b->traffic.added += traffic->added;
	for (uint32_t t = 0; t < VIOMMU_T_COUNT; t++)
		for (uint32_t i = 0; i <= VIOMMU_S_COUNT; i++)
			b->counts[t][i] += (*counts)[t][i];
}

static uint64_t get(const uint8_t *p, unsigned bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | p[bytes];
	return value;
}

/* The request as a typed operation if there is one that says the same, for it is easier to read. */
static void submit(struct bench *b)
{
	struct stream *s = &b->s;
	const uint8_t *r = s->bytes;
	uint64_t cuts[2] = { 0, 0 }, room = s->room + 1;
	struct sim_ops_op raw = { .verb = SIM_OPS_DEVICE_RAW, .bytes = s->bytes, .len = s->len };

	sim_env_operation();
	for (unsigned i = 0; i < 2; i++)
		if (one_in(s, 2))
			cuts[i] = one_in(s, 4) ? 1 : sim_random_next(&s->random) & 0xff;
	if (get(r + 1, 3) == 0 && s->len == 20 && r[0] == VIOMMU_T_ATTACH) {
		PERFORM(b, ATTACH, get(r + 4, 4), get(r + 8, 4), get(r + 12, 4), get(r + 16, 4), cuts[0], cuts[1],
			room);
	} else if (get(r + 1, 3) == 0 && s->len == 20 && r[0] == VIOMMU_T_DETACH && get(r + 12, 8) == 0) {
		PERFORM(b, DETACH, get(r + 4, 4), get(r + 8, 4), cuts[0], cuts[1], room);
	} else if (get(r + 1, 3) == 0 && s->len == 36 && r[0] == VIOMMU_T_MAP) {
		PERFORM(b, MAP, get(r + 4, 4), get(r + 8, 8), get(r + 16, 8), get(r + 24, 8), get(r + 32, 4), cuts[0],
			cuts[1], room);
	} else if (get(r + 1, 3) == 0 && s->len == 28 && r[0] == VIOMMU_T_UNMAP) {
		PERFORM(b, UNMAP, get(r + 4, 4), get(r + 8, 8), get(r + 16, 8), get(r + 24, 4), cuts[0], cuts[1], room);
	} else {
		raw.arg[1] = cuts[0];
		raw.arg[2] = cuts[1];
		raw.arg[3] = room;
		sim_ops_perform(&b->session, &raw);
	}
}

static void look(struct bench *b, uint64_t iova)
{
	static const uint64_t lengths[] = { 1, 1, 0x1001, 0 };

	PERFORM(b, LOOK, iova, lengths[below(&b->s, 4)], below(&b->s, 3));
}

static void look_everywhere(struct bench *b)
{
	static const uint64_t fixed[] = { 0, UINT64_C(1) << 32, UINT64_C(1) << 39, UINT64_C(1) << 63 };

	for (uint32_t k = 0; k < 8; k++)
		look(b, fixed[k / 2] - k % 2);
	for (uint32_t k = 0; k < RESERVED; k++) {
		look(b, sim_ops_device_reserved[k].first - below(&b->s, 2));
		look(b, sim_ops_device_reserved[k].last + below(&b->s, 2));
	}
	PERFORM(b, SWEEP, 0);
}

/* Mostly one that exists; one in `n` times likely a new one. */
static uint32_t random_domain(struct stream *s, uint64_t n)
{
	const struct sim_model *m = s->model;

	for (uint32_t i = 0; i < 3 && !one_in(s, n); i++) {
		const struct sim_model_endpoint *e = &m->endpoints[below(s, m->endpoint_count)];

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
		for (uint32_t i = 0; i < s->model->endpoint_count; i++)
			if (s->model->endpoints[i].id == endpoint && s->model->endpoints[i].attached && one_in(s, 2))
				domain = s->model->endpoints[i].domain;
		noise(s, 4, 12, 8);
	} else {
		bool bypass = one_in(s, 8);

		for (uint32_t i = 0; i < s->model->endpoint_count; i++)
			if (s->model->endpoints[i].attached && s->model->endpoints[i].domain == domain && !one_in(s, 8))
				bypass = s->model->endpoints[i].bypass;
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
	bool crowded = s->model->mapping_count > s->crowded;

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
		s->room = s->model->probe_size + 4;
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

/* One goes, with whatever waits at this moment; and sooner or later it is back, as it was or not. */
static void traffic(struct bench *b)
{
	struct stream *s = &b->s;
	uint32_t id = endpoint_ids[below(s, ENDPOINTS)];

	if (one_in(s, 256))
		PERFORM(b, REMOVE, id);
	if (one_in(s, 64)) {
		if (one_in(s, 2))
			random_endpoint_limits(b, id);
		PERFORM(b, ADD, id);
	}
	if (one_in(s, 16))
		PERFORM(b, GONE, below(s, SIM_OPS_DEVICE_SLOTS));
}

/* What a driver, a VMM or an endpoint does besides requests. */
static void between_requests(struct bench *b)
{
	struct stream *s = &b->s;

	if (one_in(s, 64)) {
		uint64_t value = (const uint8_t[]){ 0, 0, 1, 1, 2, 3, 128, 255 }[below(s, 8)];

		PERFORM(b, STORE, one_in(s, 4) ? below(s, 44) : VIOMMU_WIRE_CONFIG_BYPASS, value);
	}
	if (one_in(s, 1000)) {
		PERFORM(b, TRANSLATE, endpoint_ids[below(s, ENDPOINTS)], random_address(s), 1, below(s, 3));
		PERFORM(b, RESET, one_in(s, 4));
		bench_negotiate(b);
	}
	if (b->has_traffic)
		traffic(b);
	if (!b->has_sections)
		return;
	if (one_in(s, 16))
		PERFORM(b, BEGIN, below(s, 12));
	if (one_in(s, 4))
		PERFORM(b, END, below(s, 12));
	if (one_in(s, 2))
		PERFORM(b, DONE, 0);
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
	if (b->traffic.removed < requests / 1000 || b->traffic.added < requests / 1000 ||
	    b->traffic.with_pending < requests / 100000 || b->traffic.waited < requests / 100000)
		fail_msg("%u endpoints were removed, %u with a request pending, %u added; %u times it was not over",
			 b->traffic.removed, b->traffic.with_pending, b->traffic.added, b->traffic.waited);
}

static void test_differential__random_requests__device_is_as_the_model(void **state)
{
	static struct bench b;
	uint64_t requests = suite_number("VIOMMU_DIFFERENTIAL_REQUESTS", REQUESTS, 0, UINT64_MAX);
	clock_t since = clock();

	(void)state;
	sim_ops_on_failure(on_failure);
	memset(&b, 0, sizeof(b));
	b.s.seed = suite_number("VIOMMU_DIFFERENTIAL_SEED", SEED, 0, UINT64_MAX);
	b.s.random.state = b.s.seed;
	for (b.s.number = 0; b.s.number < requests; b.s.number++) {
		if (b.s.number % EPISODE == 0) {
			if (b.s.number > 0)
				bench_end(&b);
			bench_begin(&b);
		}
		if (b.s.number % PROGRESS == 0 && b.s.number > 0)
			report_rate(b.s.number, "requests so far", since);
		between_requests(&b);
		random_request(&b.s);
		submit(&b);
		look(&b, b.s.recent[below(&b.s, 2)]);
		look(&b, b.s.recent[2 + below(&b.s, 2)]);
		look(&b, random_address(&b.s));
		if (b.s.number % SWEEP == 0)
			look_everywhere(&b);
	}
	if (requests > 0)
		bench_end(&b);
	assert_variety(&b, requests);
	report_rate(requests, "requests", since);
}

/* The whole column */

#define DOMAINS 3u

/*
 * The record of the driver is a model too: each of its endpoints stands for one domain of the driver and never leaves
 * it, so that the mappings stay when the device's domain is gone.
 */
struct column {
	struct stream s;
	struct sim_model model;
	struct sim_model record;
	struct sim_machine machine;
	struct viommu_driver_endpoint endpoints[ENDPOINTS];
	struct viommu_driver_domain domains[DOMAINS];
	bool exists[DOMAINS];
	struct viommu_resv_region regions[SIM_MODEL_REGIONS];
	struct viommu_resv_region found[ENDPOINTS][SIM_MODEL_REGIONS];
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
static bool accepts(struct stream *s, struct sim_model *m)
{
	static struct sim_model_reply reply;

	s->room = 4;
	sim_model_request(m, s->bytes, s->len, s->room, &reply);
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
		if (c->model.endpoints[i].attached && c->model.endpoints[i].domain == domain)
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
		for (uint32_t k = 0; k < c->model.endpoints[e].region_count; k++)
			if (c->record.mappings[i].domain == d &&
			    c->record.mappings[i].first <= c->model.endpoints[e].regions[k].last &&
			    c->model.endpoints[e].regions[k].first <= c->record.mappings[i].last)
				expected = false;
	r = viommu_driver_attach(&c->domains[d], &c->endpoints[e], &status);
	if (expected && !accepts(&c->s, &c->model))
		differ(&c->s, "the model refuses an attach of the driver (result %d)", r);
	judge(c, CALL_ATTACH, r, expected);
	for (uint32_t i = 0; i < c->record.mapping_count && expected && !populated; i++) {
		const struct sim_model_mapping *m = &c->record.mappings[i];

		if (m->domain != d)
			continue;
		put_range(&c->s, VIOMMU_T_MAP, domain, m->first, m->last);
		put64(c->s.bytes + 24, m->phys);
		put32(c->s.bytes + 32, m->flags);
		if (!accepts(&c->s, &c->model))
			differ(&c->s, "the model refuses a replay");
	}
}

static void call_detach(struct column *c)
{
	uint32_t e = (uint32_t)below(&c->s, ENDPOINTS);
	enum viommu_result r;
	uint8_t status;

	put_endpoint(&c->s, VIOMMU_T_DETACH, c->model.endpoints[e].domain, endpoint_ids[e], false);
	r = viommu_driver_detach(&c->endpoints[e], &status);
	judge(c, CALL_DETACH, r, accepts(&c->s, &c->model));
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
		expected = accepts(&c->s, &c->model);
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
	    (!(c->model.offered & VIOMMU_F_INPUT_RANGE) ||
	     (first >= c->model.input_first && last <= c->model.input_last)))
		return;
	if (expected)
		expected = accepts(&c->s, &c->record);
	if (expected && is_populated(c, domain)) {
		put32(c->s.bytes + 4, domain);
		if (!accepts(&c->s, &c->model))
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
	const struct sim_model *m = &c->model;
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
	struct sim_model *m = &c->model;

	assert_int_equal(sim_machine_start(&c->machine), VIOMMU_OK);
	assert_true(sim_model_negotiate(m, m->offered));
}

static void call_restart(struct column *c)
{
	sync_all(c);
	judge(c, CALL_RESTART, viommu_driver_stop(&c->machine.driver), true);
	sim_model_reset(&c->model);
	start(c);
}

/* Whether it faulted, with what the report has to be. */
static bool compare_translation(struct column *c, uint32_t index, struct viommu_access *access, uint64_t iova,
				struct viommu_wire_fault *fault)
{
	struct sim_access a = { index, 1 + (uint32_t)below(&c->s, 3), iova, 1 };
	struct viommu_access_token token;
	struct viommu_translation t = { 0 };
	enum sim_verdict verdict;
	enum viommu_result r;

	a.length = (const uint64_t[]){ 1, 1, 0x1001, UINT64_MAX }[below(&c->s, 4)];
	assert_int_equal(viommu_access_begin(access, &token), VIOMMU_OK);
	r = viommu_access_translate(access, iova, a.length, a.kind, &t);
	viommu_access_end(access, token);
	verdict = sim_judge_translation(&c->model, &a, r, &t, fault);
	if (verdict == SIM_VERDICT_WRONG)
		differ(&c->s,
		       "endpoint %u, address %llx, kind %u, length %llx: result %d, gpa %llx flags %x msi %d length %llx",
		       index, (unsigned long long)iova, a.kind, (unsigned long long)a.length, r,
		       (unsigned long long)t.gpa, t.flags, t.msi, (unsigned long long)t.length);
	return verdict == SIM_VERDICT_FAULT;
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

		if (compare_translation(c, i % ENDPOINTS, &engine->access, iova, &want[count]))
			count++;
	}
	if (!sim_machine_settle(&c->machine))
		differ(&c->s, "the machine does not come to rest");
	while (sim_machine_take_fault(&c->machine, &fault)) {
		uint32_t i = 0;

		while (i < count && !sim_judge_same_fault(&fault, &want[i]))
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
	struct sim_model_access want;
	enum viommu_result r;

	if (!c->exists[d])
		return;
	sync_all(c);
	want = sim_model_translate(&c->record, d, iova, 0);
	r = viommu_driver_iova_to_phys(&c->domains[d], iova, &phys);
	if (want.allowed ? r != VIOMMU_OK || phys != want.gpa : r != VIOMMU_E_NOENT)
		differ(&c->s, "address %llx of the record: %d, %llx", (unsigned long long)iova, r,
		       (unsigned long long)phys);
}

static void column_model(struct column *c)
{
	struct sim_model *m = &c->model, *record = &c->record;

	random_device(&c->s, m);
	m->offered |= VIOMMU_F_MAP_UNMAP;
	m->probe_size = 512;
	if (granule(m) > 0x10000)
		m->page_size_mask = 0x1000;
	if (m->offered & VIOMMU_F_PROBE)
		random_regions(&c->s, m, &m->endpoints[0]);
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
	sim_model_system_reset(m);
	sim_model_system_reset(record);
	record->negotiated = record->offered;
	c->s.model = m;
	c->s.mapped = record;
}

static void column_setup(struct column *c)
{
	struct sim_machine_config config = SIM_MACHINE_CONFIG_INIT;
	struct sim_model *m = &c->model;

	column_model(c);
	for (uint32_t i = 0; i < m->endpoints[0].region_count; i++) {
		const struct sim_model_region *region = &m->endpoints[0].regions[i];

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
							     c->found[i], SIM_MODEL_REGIONS),
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
	uint64_t calls = suite_number("VIOMMU_DIFFERENTIAL_REQUESTS", REQUESTS, 0, UINT64_MAX) / 10;
	clock_t since = clock();

	(void)state;
	memset(&c, 0, sizeof(c));
	c.s.seed = suite_number("VIOMMU_DIFFERENTIAL_SEED", SEED, 0, UINT64_MAX);
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
	report_rate(calls, "calls", since);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_differential__random_requests__device_is_as_the_model),
		cmocka_unit_test(test_differential__random_calls_of_the_driver__column_is_as_the_model),
	};

	return suite_run(tests);
}
