/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_device.c: any driver, any endpoints, any order, at seam A, against a model made from the specification.
 *
 * The input is a program: four bytes choose the device, then one byte says what to do and the bytes behind it with
 * what. Bytes that are missing at the end are 0. The model is a list of mappings and the domain of each endpoint; it
 * foretells the status and used length of every request, the outcome of every translation and every fault report. For
 * revocations it knows which open sections must have ended before an answer, and which may delay it. Canaries lie
 * between the pieces of every buffer.
 *
 * What the model does not foretell: when map nodes run out (NOMEM is then accepted, if the device was given few), and
 * how long a piece a translation answers with (a lower and an upper bound are checked).
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <viommu/access.h>
#include <viommu/device.h>

#define ENDPOINTS 4u
#define DOMAIN_LAST 4u /* domain_range: 0 to 4 */
#define MAX_DOMAINS 3u
#define MAX_PENDING 3u
#define PROBE_SIZE 51u
#define SECTIONS 12u /* three for each endpoint */
#define CALLS 8u
#define ARENA 224u
#define PIECES 104u
#define MAPPINGS 512u
#define NODES_MANY 6000u
#define INPUT_MAX 3072u
#define PAGE UINT64_C(0x1000)
#define NOBODY UINT32_MAX
#define CANARY 0x5au

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define CHECK(e) ((e) ? (void)0 : fail(#e, __LINE__))

static void fail(const char *expression, int line)
{
	fprintf(stderr, "fuzz_device.c:%d: does not hold: %s\n", line, expression);
	abort();
}

struct input {
	const uint8_t *data;
	size_t left;
};

static uint8_t next8(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->data++;
}

/* The model */

struct mapping {
	uint64_t first, last, phys;
	uint64_t born;
	uint32_t domain, flags;
};

struct section {
	struct viommu_access_token token;
	uint32_t endpoint;
	bool open;
	uint64_t last_in[DOMAIN_LAST + 1]; /* when its endpoint left that domain; 0: it was not in it */
};

struct call {
	struct viommu_request request;
	struct viommu_segment readable[PIECES], writable[PIECES];
	uint8_t r_bytes[ARENA], w_bytes[2 * ARENA], r_before[ARENA], w_before[2 * ARENA];
	bool busy;        /* pending */
	uint32_t must;    /* sections, as a mask, that have to end before the answer */
	int status;       /* foretold; -1: unanswered */
	uint32_t written; /* foretold */
	uint32_t probed;  /* endpoint of a successful PROBE, or NOBODY */
};

struct fault_queue {
	struct viommu_wire_fault faults[VIOMMU_ACCESS_FAULTS];
	uint32_t count;
};

static struct {
	struct viommu_device dev;
	struct viommu_endpoint *endpoints[ENDPOINTS];
	struct viommu_access accesses[ENDPOINTS];
	struct section sections[SECTIONS];
	struct call calls[CALLS];
	/* the model */
	struct mapping mappings[MAPPINGS];
	uint32_t mapping_count;
	uint32_t domain_of[ENDPOINTS]; /* NOBODY: not attached */
	bool is_bypass[DOMAIN_LAST + 1];
	bool restless[ENDPOINTS]; /* changed its domain with a section open, and was not seen without one since */
	struct fault_queue faults[ENDPOINTS];
	uint64_t offered, negotiated, now;
	uint64_t input_first, input_last;
	uint32_t settle; /* sections that have to end before the device is settled */
	uint32_t pending;
	uint8_t bypass, initial_bypass;
	bool few_nodes;
} w;

static uint8_t memory[VIOMMU_DEVICE_MEM(ENDPOINTS, MAX_DOMAINS, NODES_MANY)];

static const struct viommu_resv_region regions2[] = { { { 0x3000, 0x3fff }, VIOMMU_RESV_MEM_RESERVED } };
static const struct viommu_resv_region regions3[] = { { { 0x5000, 0x5fff }, VIOMMU_RESV_MEM_MSI },
						      { { UINT64_MAX - 0x17ff, UINT64_MAX - 0x1000 },
							VIOMMU_RESV_MEM_RESERVED } };

static uint32_t regions_of(uint32_t endpoint, const struct viommu_resv_region **regions)
{
	*regions = endpoint == 2 ? regions2 : regions3;
	return endpoint == 2 ? 1 : endpoint == 3 ? 2 : 0;
}

static bool overlaps(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return a <= d && c <= b;
}

static uint32_t members(uint32_t domain)
{
	uint32_t n = 0;

	for (uint32_t e = 0; e < ENDPOINTS; e++)
		n += w.domain_of[e] == domain;
	return n;
}

static uint32_t domain_count(void)
{
	uint32_t n = 0;

	for (uint32_t d = 0; d <= DOMAIN_LAST; d++)
		n += members(d) != 0;
	return n;
}

static bool exists(uint32_t domain)
{
	return domain <= DOMAIN_LAST && members(domain) != 0;
}

static const struct mapping *mapping_at(uint32_t domain, uint64_t iova)
{
	for (uint32_t i = 0; i < w.mapping_count; i++)
		if (w.mappings[i].domain == domain && w.mappings[i].first <= iova && iova <= w.mappings[i].last)
			return &w.mappings[i];
	return NULL;
}

/* Removes what lies in the range completely. */
static void forget_mappings(uint32_t domain, uint64_t first, uint64_t last)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < w.mapping_count; i++) {
		const struct mapping *m = &w.mappings[i];

		if (m->domain != domain || m->first < first || m->last > last)
			w.mappings[kept++] = *m;
	}
	w.mapping_count = kept;
}

static bool touches_region(uint32_t endpoint, uint64_t first, uint64_t last)
{
	const struct viommu_resv_region *r;
	uint32_t count = regions_of(endpoint, &r);

	for (uint32_t i = 0; i < count; i++)
		if (overlaps(r[i].range.first, r[i].range.last, first, last))
			return true;
	return false;
}

static uint32_t open_sections_of(uint32_t endpoint)
{
	uint32_t mask = 0;

	for (uint32_t s = 0; s < SECTIONS; s++)
		if (w.sections[s].open && w.sections[s].endpoint == endpoint)
			mask |= UINT32_C(1) << s;
	return mask;
}

static uint32_t open_sections(void)
{
	uint32_t mask = 0;

	for (uint32_t e = 0; e < ENDPOINTS; e++)
		mask |= open_sections_of(e);
	return mask;
}

/* Sections that may delay a revocation in this domain: those of its members, and of endpoints on the move. */
static uint32_t may_delay(uint32_t domain)
{
	uint32_t mask = 0;

	for (uint32_t e = 0; e < ENDPOINTS; e++)
		if ((domain != NOBODY && w.domain_of[e] == domain) || w.restless[e])
			mask |= open_sections_of(e);
	return mask;
}

/* A revocation was accepted: the device had to look at everybody. */
static void come_to_rest(void)
{
	for (uint32_t e = 0; e < ENDPOINTS; e++)
		w.restless[e] = w.restless[e] && open_sections_of(e) != 0;
}

static bool has_mappings(uint32_t domain)
{
	for (uint32_t i = 0; i < w.mapping_count; i++)
		if (w.mappings[i].domain == domain)
			return true;
	return false;
}

/* Can the endpoint reach anything? */
static bool reaches_anything(uint32_t endpoint)
{
	uint32_t domain = w.domain_of[endpoint];

	if (domain == NOBODY)
		return w.bypass != 0;
	return w.is_bypass[domain] || has_mappings(domain);
}

static void leave(uint32_t endpoint)
{
	uint32_t domain = w.domain_of[endpoint];

	for (uint32_t s = 0; s < SECTIONS; s++) {
		struct section *section = &w.sections[s];

		if (section->open && section->endpoint == endpoint) {
			w.restless[endpoint] = true;
			if (domain != NOBODY)
				section->last_in[domain] = w.now;
		}
	}
	w.domain_of[endpoint] = NOBODY;
	if (domain != NOBODY && members(domain) == 0)
		forget_mappings(domain, 0, UINT64_MAX);
}

static void leave_bypass(uint32_t endpoint)
{
	w.settle |= open_sections_of(endpoint);
	w.restless[endpoint] = w.restless[endpoint] || open_sections_of(endpoint) != 0;
}

/* What a request is going to do. `may`: sections that may delay it. */
struct outcome {
	int status;
	uint32_t must, may;
};

static uint32_t get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static struct outcome model_attach(const uint8_t *r)
{
	uint32_t domain = get32(r + 4), endpoint = get32(r + 8), flags = get32(r + 12);
	bool bypass = (flags & 1) != 0, new_domain = !exists(domain);
	struct outcome o = { VIOMMU_S_INVAL, 0, 0 };
	uint32_t old;

	if (get32(r + 16) != 0 || flags > 1 || (bypass && (w.negotiated & VIOMMU_F_BYPASS_CONFIG) == 0))
		return o;
	o.status = endpoint >= ENDPOINTS ? VIOMMU_S_NOENT : domain > DOMAIN_LAST ? VIOMMU_S_RANGE : VIOMMU_S_OK;
	if (o.status == VIOMMU_S_OK && !new_domain && w.is_bypass[domain] != bypass)
		o.status = VIOMMU_S_INVAL;
	if (o.status != VIOMMU_S_OK)
		return o;
	if (w.domain_of[endpoint] == domain) {
		/* Nothing happens, but the move here may not be over. */
		if (w.restless[endpoint])
			o.may = may_delay(domain);
		return o;
	}
	for (uint32_t i = 0; i < w.mapping_count; i++)
		if (w.mappings[i].domain == domain && touches_region(endpoint, w.mappings[i].first, w.mappings[i].last))
			o.status = VIOMMU_S_UNSUPP;
	old = w.domain_of[endpoint];
	if (new_domain && domain_count() == MAX_DOMAINS && !(old != NOBODY && members(old) == 1))
		o.status = VIOMMU_S_NOMEM;
	if (o.status != VIOMMU_S_OK)
		return o;
	if (reaches_anything(endpoint))
		o.must = open_sections_of(endpoint);
	o.may = may_delay(old);
	if (old != NOBODY || w.bypass != 0 || w.restless[endpoint])
		o.may |= open_sections_of(endpoint);
	leave(endpoint);
	w.domain_of[endpoint] = domain;
	w.is_bypass[domain] = bypass;
	return o;
}

static struct outcome model_detach(const uint8_t *r)
{
	uint32_t domain = get32(r + 4), endpoint = get32(r + 8);
	struct outcome o = { VIOMMU_S_OK, 0, 0 };

	if (endpoint >= ENDPOINTS)
		o.status = VIOMMU_S_NOENT;
	else if (domain == NOBODY || w.domain_of[endpoint] != domain)
		o.status = VIOMMU_S_INVAL;
	if (o.status != VIOMMU_S_OK)
		return o;
	if (reaches_anything(endpoint))
		o.must = open_sections_of(endpoint);
	o.may = may_delay(domain);
	come_to_rest();
	leave(endpoint);
	return o;
}

static struct outcome model_map(const uint8_t *r)
{
	uint32_t domain = get32(r + 4), flags = get32(r + 32);
	uint64_t first = get64(r + 8), last = get64(r + 16), phys = get64(r + 24);
	struct outcome o = { VIOMMU_S_INVAL, 0, 0 };

	if ((flags & ~((w.negotiated & VIOMMU_F_MMIO) != 0 ? 7u : 3u)) != 0)
		return o;
	if (!exists(domain))
		o.status = VIOMMU_S_NOENT;
	if (!exists(domain) || w.is_bypass[domain] || last < first)
		return o;
	if (((first | phys | (last + 1)) & (PAGE - 1)) != 0 || first < w.input_first || last > w.input_last ||
	    phys + (last - first) < phys) {
		o.status = VIOMMU_S_RANGE;
		return o;
	}
	for (uint32_t e = 0; e < ENDPOINTS; e++)
		if (w.domain_of[e] == domain && touches_region(e, first, last))
			return o;
	for (uint32_t i = 0; i < w.mapping_count; i++)
		if (w.mappings[i].domain == domain && overlaps(w.mappings[i].first, w.mappings[i].last, first, last))
			return o;
	o.status = VIOMMU_S_OK;
	w.mappings[w.mapping_count++] = (struct mapping){ first, last, phys, w.now, domain, flags };
	return o;
}

static struct outcome model_unmap(const uint8_t *r)
{
	uint32_t domain = get32(r + 4);
	uint64_t first = get64(r + 8), last = get64(r + 16);
	struct outcome o = { VIOMMU_S_INVAL, 0, 0 };

	if (get32(r + 24) != 0)
		return o;
	if (!exists(domain))
		o.status = VIOMMU_S_NOENT;
	if (!exists(domain) || w.is_bypass[domain] || last < first)
		return o;
	o.status = VIOMMU_S_OK;
	for (uint32_t i = 0; i < w.mapping_count; i++) {
		const struct mapping *m = &w.mappings[i];

		if (m->domain != domain || !overlaps(m->first, m->last, first, last))
			continue;
		if (m->first < first || m->last > last)
			o.status = VIOMMU_S_RANGE;
		for (uint32_t s = 0; s < SECTIONS; s++) {
			const struct section *section = &w.sections[s];
			bool is_in = w.domain_of[section->endpoint] == domain;

			if (section->open && (is_in || section->last_in[domain] >= m->born))
				o.must |= UINT32_C(1) << s;
		}
	}
	if (o.status != VIOMMU_S_OK) {
		o.must = 0;
		return o;
	}
	o.may = may_delay(domain);
	come_to_rest();
	forget_mappings(domain, first, last);
	return o;
}

static struct outcome model_request(const uint8_t *r, size_t rlen, size_t wlen, uint32_t *written, uint32_t *probed)
{
	static const uint8_t sizes[] = { 0, 20, 20, 36, 28, 72 };
	struct outcome none = { -1, 0, 0 }, o = none;

	*written = 0;
	*probed = NOBODY;
	if (rlen < 4 || r[0] == 0 || r[0] > 5 || rlen < sizes[r[0]] || wlen < 4)
		return none;
	if ((r[0] == 3 || r[0] == 4) && (w.negotiated & VIOMMU_F_MAP_UNMAP) == 0)
		return none;
	if (r[0] == 5 && (w.offered & VIOMMU_F_PROBE) == 0)
		return none;
	*written = 4;
	switch (r[0]) {
	case 1:
		return model_attach(r);
	case 2:
		return model_detach(r);
	case 3:
		return model_map(r);
	case 4:
		return model_unmap(r);
	default:
		*written = wlen < PROBE_SIZE + 4 ? (uint32_t)wlen : PROBE_SIZE + 4;
		o.status = get32(r + 4) >= ENDPOINTS ? VIOMMU_S_NOENT
			   : wlen < PROBE_SIZE + 4   ? VIOMMU_S_INVAL
						     : VIOMMU_S_OK;
		if (o.status == VIOMMU_S_OK)
			*probed = get32(r + 4);
		return o;
	}
}

/* Buffers */

/* Cuts `len` bytes into pieces, with at least one canary between. */
static uint32_t cut(struct viommu_segment *segments, uint8_t *arena, size_t arena_len, const uint8_t *bytes, size_t len,
		    uint8_t how)
{
	size_t piece = (how & 15) == 0 ? len : (how & 15);
	size_t at = 1;
	uint32_t count = 0;

	memset(arena, CANARY, arena_len);
	while (len > 0) {
		size_t n = piece < len && count + 2 < PIECES ? piece : len;

		if ((how & 16) != 0 && count + 3 < PIECES) /* an empty one */
			segments[count++] = (struct viommu_segment){ arena + at, 0 };
		segments[count++] = (struct viommu_segment){ arena + at, n };
		if (bytes != NULL) {
			memcpy(arena + at, bytes, n);
			bytes += n;
		}
		at += n + 1;
		len -= n;
		CHECK(at <= arena_len);
	}
	return count;
}

/* The first `written` writable bytes into out; everything else has to be as it was. */
static void check_buffers(const struct call *c, size_t written, uint8_t *out)
{
	uint8_t now[sizeof(c->w_bytes)];
	const struct viommu_segment *s = c->writable;

	CHECK(memcmp(c->r_bytes, c->r_before, sizeof(c->r_bytes)) == 0);
	memcpy(now, c->w_bytes, sizeof(now));
	for (; written > 0; s++) {
		size_t n = s->len < written ? s->len : written;
		size_t at = (size_t)(s->base - c->w_bytes);

		memcpy(out, now + at, n);
		memcpy(now + at, c->w_before + at, n);
		out += n;
		written -= n;
	}
	CHECK(memcmp(now, c->w_before, sizeof(now)) == 0);
}

static void check_properties(const struct call *c, const uint8_t *area)
{
	const struct viommu_resv_region *r;
	uint32_t count = c->probed == NOBODY ? 0 : regions_of(c->probed, &r);
	size_t at = 0, len = c->written - 4;

	for (uint32_t i = 0; i < count; i++, at += 24) {
		CHECK(get32(area + at) == 0x00140001);
		CHECK(get32(area + at + 4) == r[i].subtype);
		CHECK(get64(area + at + 8) == r[i].range.first && get64(area + at + 16) == r[i].range.last);
	}
	for (; at < len; at++)
		CHECK(area[at] == 0);
}

static void check_answer(struct call *c)
{
	uint8_t out[2 * ARENA];

	CHECK(c->request.state == VIOMMU_REQUEST_DONE);
	CHECK(c->request.written == c->written);
	check_buffers(c, c->written, out);
	if (c->status < 0)
		return;
	CHECK(c->request.status == c->status);
	CHECK(get32(out + c->written - 4) == (uint32_t)c->status);
	check_properties(c, out);
}

/* Requests */

static void submit(const uint8_t *r, size_t rlen, size_t wlen, uint8_t how)
{
	struct call *c = w.calls;
	uint32_t mappings = w.mapping_count;
	struct outcome o;
	enum viommu_result result;

	while (c->busy)
		c++;
	memset(&c->request, 0, sizeof(c->request));
	c->request.readable = c->readable;
	c->request.readable_count = cut(c->readable, c->r_bytes, sizeof(c->r_bytes), r, rlen, how & 31);
	c->request.writable = c->writable;
	c->request.writable_count = cut(c->writable, c->w_bytes, sizeof(c->w_bytes), NULL, wlen, (uint8_t)(how >> 5));
	memcpy(c->r_before, c->r_bytes, sizeof(c->r_bytes));
	memcpy(c->w_before, c->w_bytes, sizeof(c->w_bytes));
	c->request.user = c;

	CHECK(viommu_device_is_busy(&w.dev) == (w.pending == MAX_PENDING));
	result = viommu_device_submit(&w.dev, &c->request);
	if (w.pending == MAX_PENDING) {
		CHECK(result == VIOMMU_E_BUSY && c->request.state == VIOMMU_REQUEST_IDLE);
		check_buffers(c, 0, NULL);
		return;
	}
	CHECK(result == VIOMMU_OK);
	o = model_request(r, rlen, wlen, &c->written, &c->probed);
	c->status = o.status;
	c->must = o.must;
	if (o.status == VIOMMU_S_OK && r[0] == VIOMMU_T_MAP && c->request.status == VIOMMU_S_NOMEM) {
		CHECK(w.few_nodes);
		c->status = VIOMMU_S_NOMEM;
		w.mapping_count = mappings;
	}
	if (c->request.state == VIOMMU_REQUEST_PENDING) {
		CHECK(o.may != 0);
		CHECK(viommu_device_submit(&w.dev, &c->request) != VIOMMU_OK);
		check_buffers(c, 0, NULL);
		c->busy = true;
		w.pending++;
		return;
	}
	CHECK(o.must == 0);
	check_answer(c);
}

/* Collects what is done; it may be nothing. */
static void next_done(void)
{
	struct viommu_request *request = viommu_device_next_done(&w.dev);
	struct call *c;

	if (request == NULL) {
		CHECK(open_sections() != 0 || w.pending == 0);
		return;
	}
	c = request->user;
	CHECK(request == &c->request && c->busy && (c->must & open_sections()) == 0);
	check_answer(c);
	c->busy = false;
	w.pending--;
}

/* An address near the interesting ones: eight pages at the bottom, eight at the top, and the gulf between. */
static uint64_t page_first(uint8_t v)
{
	uint32_t page = v % 17;

	return page <= 8 ? page * PAGE : 0 - (17 - page) * PAGE;
}

static uint64_t page_last(uint8_t v)
{
	return v % 17 == 16 ? UINT64_MAX : page_first((uint8_t)(v % 17 + 1)) - 1;
}

static void put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++, v >>= 8)
		p[i] = (uint8_t)v;
}

static void put64(uint8_t *p, uint64_t v)
{
	put32(p, (uint32_t)v);
	put32(p + 4, (uint32_t)(v >> 32));
}

/* A request of this type with small parameters; the quirks make it a bad one. */
static void run_request(struct input *in, uint8_t type)
{
	static const uint8_t sizes[] = { 0, 20, 20, 36, 28, 72 };
	uint8_t r[72] = { type };
	uint8_t ids = next8(in), a = next8(in), b = next8(in), more = next8(in), quirks = next8(in);
	uint64_t first = page_first(a), last = page_last(b);
	size_t rlen = sizes[type], wlen = type == VIOMMU_T_PROBE ? PROBE_SIZE + 4 : 4;

	if (last < first && (quirks & 8) == 0) {
		first = page_first(b);
		last = page_last(a);
	}
	first += (quirks & 1) != 0 ? (a >> 5) * 0x100u + 1 : 0;
	last -= (quirks & 2) != 0 ? (b >> 5) * 0x100u + 1 : 0;
	put32(r + 4, (ids & 15) % 7);
	if (type == VIOMMU_T_ATTACH || type == VIOMMU_T_DETACH) {
		put32(r + 8, (uint32_t)(ids >> 4) % 5);
		put32(r + 12, (quirks & 4) != 0 ? more : more & 1 & (more >> 1)); /* bypass now and then */
	} else if (type == VIOMMU_T_MAP || type == VIOMMU_T_UNMAP) {
		put64(r + 8, first);
		put64(r + 16, last);
		put32(r + 24, (quirks & 16) != 0 ? more : 0);
	}
	if (type == VIOMMU_T_MAP) {
		put64(r + 24,
		      (more >> 3) * PAGE + ((quirks & 16) != 0 ? 0x80 : 0) + ((quirks & 32) != 0 ? 0 - 8 * PAGE : 0));
		put32(r + 32, (quirks & 4) != 0 ? more : more & 7);
	}
	if ((quirks & 64) != 0) {
		r[1] = more; /* never looked at */
		if (type == VIOMMU_T_ATTACH || type == VIOMMU_T_DETACH)
			r[19] = b;
		wlen += more & 63;
	}
	if ((quirks & 128) != 0) {
		rlen -= (more & 8) != 0 ? 1 : 0;
		wlen = (size_t)(b & 63);
	}
	submit(r, rlen, wlen, next8(in));
}

static void run_raw(struct input *in)
{
	uint8_t r[96];
	size_t rlen = next8(in) % sizeof(r), wlen = next8(in) % 80u;

	for (size_t i = 0; i < rlen; i++)
		r[i] = next8(in);
	submit(r, rlen, wlen, next8(in));
}

/* Endpoints at work */

static void run_begin(struct input *in)
{
	uint32_t s = next8(in) % SECTIONS;
	struct section *section = &w.sections[s];

	if (section->open)
		return;
	section->endpoint = s % ENDPOINTS;
	memset(section->last_in, 0, sizeof(section->last_in));
	CHECK(viommu_access_begin(&w.accesses[section->endpoint], &section->token) == VIOMMU_OK);
	section->open = true;
}

static void end_section(uint32_t s)
{
	struct section *section = &w.sections[s];

	if (!section->open)
		return;
	viommu_access_end(&w.accesses[section->endpoint], section->token);
	section->open = false;
	w.settle &= ~(UINT32_C(1) << s);
	for (uint32_t i = 0; i < CALLS; i++)
		w.calls[i].must &= ~(UINT32_C(1) << s);
}

static void expect_fault(uint32_t endpoint, uint8_t reason, uint32_t kind, uint64_t iova)
{
	struct fault_queue *q = &w.faults[endpoint];

	if (q->count == VIOMMU_ACCESS_FAULTS)
		return; /* lost */
	q->faults[q->count++] = (struct viommu_wire_fault){ reason, kind | VIOMMU_FAULT_F_ADDRESS, endpoint, iova };
}

/* The last address of the piece that a translation of this mapping may answer with. */
static uint64_t piece_end(uint32_t domain, const struct mapping *m)
{
	uint64_t phys_last = m->phys + (m->last - m->first), last = m->last;
	uint32_t flags = m->flags;

	while (last != UINT64_MAX) {
		m = mapping_at(domain, last + 1);
		if (m == NULL || m->phys != phys_last + 1 || m->flags != flags)
			break;
		last = m->last;
		phys_last = m->phys + (m->last - m->first);
	}
	return last;
}

static void check_length(const struct viommu_translation *t, uint64_t iova, uint64_t length, uint64_t at_most)
{
	uint64_t granule_left = PAGE - (iova & (PAGE - 1));

	CHECK(t->length >= 1 && t->length <= length && t->length - 1 <= at_most - iova);
	CHECK(t->length >= granule_left || t->length == length || t->length - 1 == at_most - iova);
}

static void run_translate(struct input *in)
{
	uint8_t who = next8(in), where = next8(in), offset = next8(in), how = next8(in);
	uint32_t endpoint = who % ENDPOINTS, domain = w.domain_of[endpoint], kind = 1 + how % 3;
	uint64_t iova = page_first(where) + offset * 0x10u, length = 1 + (uint64_t)(how >> 2) * 0x333;
	struct viommu_access_token token;
	struct viommu_translation t;
	enum viommu_result result;
	const struct mapping *m = NULL;

	if ((who & 0x80) != 0)
		length = UINT64_MAX - (who & 0x7f);
	if ((who & 0x40) != 0)
		iova = page_last(where);
	CHECK(viommu_access_begin(&w.accesses[endpoint], &token) == VIOMMU_OK);
	result = viommu_access_translate(&w.accesses[endpoint], iova, length, kind, &t);
	viommu_access_end(&w.accesses[endpoint], token);

	if (domain == NOBODY && w.bypass == 0) {
		CHECK(result == VIOMMU_E_FAULT);
		expect_fault(endpoint, VIOMMU_FAULT_R_DOMAIN, kind, iova);
		return;
	}
	if (domain == NOBODY || w.is_bypass[domain]) {
		CHECK(result == VIOMMU_OK && t.gpa == iova && t.flags == 3);
		check_length(&t, iova, length, UINT64_MAX);
		return;
	}
	if (endpoint == 3 && iova >= 0x5000 && iova <= 0x5fff) {
		CHECK(result == VIOMMU_OK && t.gpa == iova && t.msi && t.flags == 3);
		check_length(&t, iova, length, 0x5fff);
		return;
	}
	m = mapping_at(domain, iova);
	if (m == NULL || (kind & ~m->flags) != 0) {
		CHECK(result == VIOMMU_E_FAULT);
		expect_fault(endpoint, VIOMMU_FAULT_R_MAPPING, m == NULL ? kind : kind & ~m->flags, iova);
		return;
	}
	CHECK(result == VIOMMU_OK && t.gpa == m->phys + (iova - m->first) && t.flags == m->flags && !t.msi);
	check_length(&t, iova, length, piece_end(domain, m));
}

static bool next_fault(void)
{
	struct viommu_wire_fault fault;
	struct fault_queue *q;
	uint32_t waiting = 0;

	for (uint32_t e = 0; e < ENDPOINTS; e++)
		waiting += w.faults[e].count;
	if (viommu_device_next_fault(&w.dev, &fault) != VIOMMU_OK) {
		CHECK(waiting == 0);
		return false;
	}
	CHECK(fault.endpoint < ENDPOINTS);
	q = &w.faults[fault.endpoint];
	CHECK(q->count > 0 && fault.reason == q->faults[0].reason && fault.flags == q->faults[0].flags &&
	      fault.address == q->faults[0].address);
	memmove(q->faults, q->faults + 1, --q->count * sizeof(q->faults[0]));
	return true;
}

/* Registers and resets */

static void run_reset(bool of_the_system)
{
	struct viommu_wire_fault fault;
	uint32_t i;

	for (i = 0; i < ENDPOINTS; i++)
		if (reaches_anything(i) && !(w.domain_of[i] == NOBODY && !(of_the_system && w.initial_bypass == 0)))
			w.settle |= open_sections_of(i);
	for (i = 0; i < ENDPOINTS; i++)
		leave(i);
	if (of_the_system) {
		w.bypass = w.initial_bypass;
		viommu_device_system_reset(&w.dev);
	} else {
		viommu_device_reset(&w.dev);
	}
	w.negotiated = 0;
	for (i = 0; i < CALLS; i++) { /* those that wait come back unanswered, at once */
		w.settle |= w.calls[i].busy ? w.calls[i].must & open_sections() : 0;
		w.calls[i].must = 0;
		w.calls[i].status = -1;
		w.calls[i].written = 0;
	}
	while (w.pending > 0) {
		uint32_t before = w.pending;

		next_done();
		CHECK(w.pending < before);
	}
	CHECK(viommu_device_next_done(&w.dev) == NULL);
	/* Reports of the old life may be gone or not. */
	while (viommu_device_next_fault(&w.dev, &fault) == VIOMMU_OK)
		CHECK(fault.endpoint < ENDPOINTS);
	for (i = 0; i < ENDPOINTS; i++)
		w.faults[i].count = 0;
}

static void check_settled(void)
{
	bool settled = viommu_device_is_settled(&w.dev);

	CHECK(!settled || w.settle == 0);
	CHECK(settled || open_sections() != 0);
}

static void run_config_write(struct input *in)
{
	uint8_t offset = next8(in), value = next8(in), byte;

	if ((offset & 0xc0) != 0) /* mostly where it counts */
		offset = VIOMMU_WIRE_CONFIG_BYPASS;
	viommu_device_config_write(&w.dev, offset, &value, 1);
	if (offset == VIOMMU_WIRE_CONFIG_BYPASS && value <= 1 && (w.negotiated & VIOMMU_F_BYPASS_CONFIG) != 0) {
		for (uint32_t e = 0; e < ENDPOINTS; e++)
			if (w.bypass == 1 && value == 0 && w.domain_of[e] == NOBODY)
				leave_bypass(e);
		w.bypass = value;
	}
	viommu_device_config_read(&w.dev, VIOMMU_WIRE_CONFIG_BYPASS, &byte, 1);
	CHECK(byte == w.bypass);
	check_settled();
}

static void run_negotiate(struct input *in)
{
	uint64_t features = next8(in);

	if ((features & ~w.offered) != 0) {
		CHECK(viommu_device_negotiate(&w.dev, features) == VIOMMU_E_ARG);
		return;
	}
	CHECK(viommu_device_negotiate(&w.dev, features) == VIOMMU_OK);
	w.negotiated = features;
}

/* The program */

static void setup(struct input *in)
{
	struct viommu_device_config config = VIOMMU_DEVICE_CONFIG_INIT;
	uint8_t options = next8(in), features = next8(in), negotiated = next8(in), nodes = next8(in);
	size_t bytes;

	memset(&w, 0, sizeof(w));
	w.offered = (features & VIOMMU_DEVICE_FEATURES) | VIOMMU_F_MAP_UNMAP | VIOMMU_F_DOMAIN_RANGE;
	w.few_nodes = nodes < 0x80;
	config.features = w.offered;
	config.max_endpoints = ENDPOINTS;
	config.max_domains = MAX_DOMAINS;
	config.max_pending = MAX_PENDING;
	config.domain_last = DOMAIN_LAST;
	config.probe_size = PROBE_SIZE;
	if ((options & 1) != 0) {
		config.input_range.first = 0x800;
		config.input_range.last = UINT64_MAX - 0x2000;
	}
	w.input_last = UINT64_MAX;
	if ((w.offered & VIOMMU_F_INPUT_RANGE) != 0) {
		w.input_first = config.input_range.first;
		w.input_last = config.input_range.last;
	}
	if ((w.offered & VIOMMU_F_BYPASS_CONFIG) != 0)
		config.bypass = (options >> 1) & 1;
	w.bypass = w.initial_bypass = config.bypass;
	CHECK(viommu_device_mem_size(&config, &bytes) == VIOMMU_OK);
	bytes += (w.few_nodes ? nodes % 64u : NODES_MANY) * VIOMMU_MAP_NODE_SIZE;
	CHECK(bytes <= sizeof(memory));
	CHECK(viommu_device_init(&w.dev, &config, memory, bytes) == VIOMMU_OK);
	for (uint32_t e = 0; e < ENDPOINTS; e++) {
		struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;

		endpoint.id = e;
		endpoint.region_count = regions_of(e, &endpoint.regions);
		CHECK(viommu_device_add_endpoint(&w.dev, &endpoint, &w.endpoints[e]) == VIOMMU_OK);
		viommu_access_init(&w.accesses[e], &w.dev, w.endpoints[e]);
		w.domain_of[e] = NOBODY;
	}
	w.negotiated = w.offered & (negotiated != 0 ? negotiated : 0xff);
	CHECK(viommu_device_negotiate(&w.dev, w.negotiated) == VIOMMU_OK);
}

static void run(struct input *in)
{
	uint8_t op = next8(in);

	w.now++;
	switch (op % 20) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4: /* the common ones twice */
		run_request(in, (uint8_t)(op % 20 + 1));
		break;
	case 5:
	case 6:
	case 7:
	case 8:
		run_request(in, (uint8_t)(op % 20 - 4));
		break;
	case 9:
		run_raw(in);
		break;
	case 10:
	case 11:
		run_translate(in);
		break;
	case 12:
		run_begin(in);
		break;
	case 13:
		end_section(next8(in) % SECTIONS);
		break;
	case 14:
		next_done();
		break;
	case 15:
		(void)next_fault();
		break;
	case 16:
		run_config_write(in);
		break;
	case 17:
		check_settled();
		(void)viommu_device_process(&w.dev, next8(in) % 8u);
		break;
	case 18:
		run_negotiate(in);
		break;
	default:
		run_reset((op & 32) != 0);
		check_settled();
		break;
	}
}

/* Everything comes to an end: requests, faults, and each map node back into the pool. */
static void finish(void)
{
	CHECK(viommu_device_check(&w.dev));
	for (uint32_t s = 0; s < SECTIONS; s++)
		end_section(s);
	while (w.pending > 0)
		next_done();
	while (next_fault())
		;
	run_reset(false);
	check_settled();
	while (viommu_device_process(&w.dev, 1000) > 0)
		;
	CHECK(viommu_map_pool_free(&w.dev.pool) == viommu_map_pool_total(&w.dev.pool));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len < INPUT_MAX ? len : INPUT_MAX };

	setup(&in);
	while (in.left > 0 && w.mapping_count < MAPPINGS) {
		run(&in);
		if (w.now % 8 == 0)
			CHECK(viommu_device_check(&w.dev));
	}
	finish();
	return 0;
}
