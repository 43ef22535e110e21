/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * compare.c: the same random requests to a device and to the library's own, made to look like it. Answers have to be
 * the same to the byte; a difference that a rule explains is counted with that rule, and any other one is told.
 *
 * Requests go over the ring in batches, so that a device behind a slow bus can be asked a million times. What an answer
 * changed is seen in later answers: which ranges overlap, which can be unmapped, which domains exist. Where the two
 * have agreed to differ they may not be in the same state any more: both are reset then.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"
#include "sim/names.h"
#include "sim/random.h"

#define BATCH 32u
#define EPISODE 64u /* batches between two resets */
#define OUT_AT 0x40000u
#define OUT_STRIDE 128u
#define IN_AT 0x50000u
#define IN_STRIDE 1024u
#define PLACES 24u /* granules where most mappings are */
#define DOMAINS 4u
#define TOLD 8u /* differences that are written in full */
#define MSI_FIRST UINT64_C(0xfee00000)
#define MSI_LAST UINT64_C(0xfeefffff)

enum {
	THEIRS,
	OURS
};

struct answer {
	bool used;
	uint32_t len;
	uint8_t bytes[IN_STRIDE];
};

/* Of an endpoint. */
struct membership {
	bool attached;
	uint32_t domain;
};

struct compare {
	struct conf side[2];
	struct conf_outcome outcome[2];
	struct sim_random random;
	struct conf_message messages[BATCH];
	uint32_t count; /* of messages */
	struct answer answers[2][BATCH];
	struct conf_comparison *result;
	struct membership now[CONF_ENDPOINTS];  /* by the answers that were judged */
	struct membership then[CONF_ENDPOINTS]; /* by the requests that were thought up */
	bool parted;                            /* the two may be in different states */
};

/* Endpoints and domains */

static uint64_t get(const uint8_t *p, unsigned bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | p[bytes];
	return value;
}

/* An ATTACH or DETACH changes who is where. */
static void follow(const struct compare *p, struct membership *members, const uint8_t *request)
{
	if (request[0] != VIOMMU_T_ATTACH && request[0] != VIOMMU_T_DETACH)
		return;
	for (uint32_t i = 0; i < CONF_ENDPOINTS; i++) {
		if (p->side[OURS].target->endpoints[i] == get(request + 8, 4)) {
			members[i].attached = request[0] == VIOMMU_T_ATTACH;
			members[i].domain = (uint32_t)get(request + 4, 4);
		}
	}
}

/* Is the endpoint of an ATTACH in its domain already, and nobody else? */
static bool is_alone_in(const struct compare *p, const struct membership *members, const uint8_t *attach)
{
	uint32_t others = 0;
	bool is_in = false;

	for (uint32_t i = 0; i < CONF_ENDPOINTS; i++) {
		if (!members[i].attached || members[i].domain != get(attach + 4, 4))
			continue;
		if (p->side[OURS].target->endpoints[i] == get(attach + 8, 4))
			is_in = true;
		else
			others++;
	}
	return is_in && others == 0;
}

/* Requests */

static uint64_t below(struct compare *p, uint64_t n)
{
	return sim_random_below(&p->random, n);
}

static bool one_in(struct compare *p, uint64_t n)
{
	return below(p, n) == 0;
}

static uint32_t domain(struct compare *p)
{
	if (one_in(p, 64))
		return p->side[OURS].config.domain_last;
	return conf_domain(&p->side[OURS], (uint32_t)below(p, DOMAINS));
}

static uint32_t endpoint(struct compare *p)
{
	const struct conf_target *target = p->side[OURS].target;

	if (one_in(p, 32))
		return target->unknown_endpoint;
	return target->endpoints[below(p, target->endpoint_count)];
}

/* The first byte of a granule. */
static uint64_t place(struct compare *p)
{
	const struct conf *c = &p->side[OURS];

	switch (below(p, 64)) {
	case 0:
		return 0;
	case 1:
		return (c->config.input_range.last - c->granule + 1) & ~(c->granule - 1);
	case 2:
		return MSI_FIRST & ~(c->granule - 1);
	case 3:
		return sim_random_next(&p->random) & c->config.input_range.last & ~(c->granule - 1);
	default:
		return conf_iova(c, below(p, PLACES));
	}
}

static uint64_t granules(struct compare *p)
{
	return (one_in(p, 64) ? UINT64_C(1) << below(p, 40) : 1 + below(p, one_in(p, 4) ? PLACES : 3)) *
	       p->side[OURS].granule;
}

static struct conf_message random_map(struct compare *p)
{
	uint64_t first = place(p), last = first + granules(p) - 1;
	uint64_t phys = conf_phys(&p->side[OURS], below(p, 16));
	uint32_t flags = 1 + (uint32_t)below(p, 3), which = domain(p);

	if (last < first)
		last = UINT64_MAX;
	return conf_map(which, first, last, phys, flags);
}

static struct conf_message random_unmap(struct compare *p)
{
	uint64_t first = place(p), last = first + granules(p) - 1;
	uint32_t which = domain(p);

	if (one_in(p, 16)) {
		first = 0;
		last = UINT64_MAX;
	}
	if (last < first)
		last = UINT64_MAX;
	return conf_unmap(which, first, last);
}

/* One field is not what it should be. */
static void spoil(struct compare *p, struct conf_message *message)
{
	uint32_t at;

	switch (below(p, 3)) {
	case 0: /* a byte */
		at = (uint32_t)below(p, message->len);
		message->bytes[at] = (uint8_t)sim_random_next(&p->random);
		break;
	case 1: /* a bit */
		at = (uint32_t)below(p, message->len);
		message->bytes[at] ^= (uint8_t)(1u << below(p, 8));
		break;
	default: /* more, or fewer, readable bytes, but a head */
		message->len = 4 + (size_t)below(p, message->len + 8);
		break;
	}
	/* QEMU 7.2 does not survive a PROBE without room. */
	if (message->bytes[0] == VIOMMU_T_PROBE)
		message->in_len = p->side[OURS].config.probe_size + 4;
}

static struct conf_message random_message(struct compare *p)
{
	struct conf_message message;
	uint32_t first, second;
	uint64_t kind = below(p, 32);

	if (kind < 14) {
		message = random_map(p);
	} else if (kind < 24) {
		message = random_unmap(p);
	} else if (kind < 31) {
		first = domain(p);
		second = endpoint(p);
		message = conf_attach(first, second, one_in(p, 32) ? VIOMMU_ATTACH_F_BYPASS : 0);
		/* Seldom what the two may take in different ways: see may_part. */
		if (kind >= 28 || (is_alone_in(p, p->then, message.bytes) && !one_in(p, 64)))
			message = conf_detach(first, second);
		follow(p, p->then, message.bytes);
	} else {
		message = conf_probe(&p->side[OURS], endpoint(p));
	}
	if (one_in(p, 12))
		spoil(p, &message);
	return message;
}

static bool is_upside_down(const uint8_t *request)
{
	return (request[0] == VIOMMU_T_MAP || request[0] == VIOMMU_T_UNMAP) &&
	       get(request + 8, 8) > get(request + 16, 8);
}

/* A batch. A range whose end is before its begin comes last: QEMU may take it, and hangs in what comes behind it. */
static void think_up(struct compare *p)
{
	memcpy(p->then, p->now, sizeof(p->then));
	p->count = 0;
	do
		p->messages[p->count] = random_message(p);
	while (!is_upside_down(p->messages[p->count++].bytes) && p->count < BATCH);
}

/* The ring */

/* For devices that deviate on purpose. */
static void tamper(struct conf *c, const struct conf_message *m, uint32_t index)
{
	c->target->tamper(c->target->ctx, c->target->memory + OUT_AT + OUT_STRIDE * index, m->len,
			  c->target->memory + IN_AT + IN_STRIDE * index, m->in_len, 2, &c->used);
}

/* The batch, to one of them. False: it is gone, or does not answer. */
static bool ask(struct compare *p, uint32_t side)
{
	struct conf *c = &p->side[side];
	uint8_t *memory = c->target->memory;
	uint64_t addr = c->target->memory_addr;

	for (uint32_t i = 0; i < p->count; i++) {
		const struct conf_message *m = &p->messages[i];
		struct conf_desc descs[2] = {
			{ addr + OUT_AT + OUT_STRIDE * i, (uint32_t)m->len, CONF_DESC_NEXT, (uint16_t)(2 * i + 1) },
			{ addr + IN_AT + IN_STRIDE * i, (uint32_t)m->in_len, CONF_DESC_WRITE, 0 },
		};

		memcpy(memory + OUT_AT + OUT_STRIDE * i, m->bytes, m->len);
		memset(memory + IN_AT + IN_STRIDE * i, CONF_FILL, IN_STRIDE);
		conf_post(c, VIOMMU_QUEUE_REQUEST, (uint16_t)(2 * i), descs, 2);
		p->answers[side][i].used = false;
	}
	conf_kick(c, VIOMMU_QUEUE_REQUEST);
	for (uint32_t i = 0; i < p->count; i++) {
		struct answer *a;

		if (!conf_wait(c, VIOMMU_QUEUE_REQUEST) || c->used_id % 2 != 0 || c->used_id >= 2 * p->count)
			return false;
		a = &p->answers[side][c->used_id / 2];
		if (a->used)
			return false;
		a->used = true;
		if (c->target->tamper != NULL)
			tamper(c, &p->messages[c->used_id / 2], c->used_id / 2);
		a->len = c->used;
		memcpy(a->bytes, memory + IN_AT + IN_STRIDE * (size_t)(c->used_id / 2), IN_STRIDE);
	}
	return true;
}

/* Judgment */

static int status_of(const struct conf_message *m, const struct answer *a)
{
	if (a->len == 0)
		return CONF_UNWRITTEN;
	return a->len == m->in_len ? a->bytes[m->in_len - 4] : CONF_ODD_LENGTH;
}

static bool same(const struct conf_message *m, const struct answer *a, const struct answer *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len == 0 ? 0 : m->in_len) == 0;
}

/* What is behind the fields of the request, if it has as many bytes. */
static size_t size_of(uint8_t type)
{
	static const uint8_t sizes[VIOMMU_T_COUNT] = { 0, 20, 20, 36, 28, 72 };

	return type < VIOMMU_T_COUNT ? sizes[type] : 0;
}

static bool is_unaligned(const struct compare *p, const uint8_t *map)
{
	uint64_t mask = p->side[OURS].granule - 1;

	return ((get(map + 8, 8) | (get(map + 16, 8) + 1) | get(map + 24, 8)) & mask) != 0;
}

static bool meets_msi(const uint8_t *map)
{
	return get(map + 8, 8) <= MSI_LAST && get(map + 16, 8) >= MSI_FIRST;
}

/* Is a domain with this number there, by the answers so far? */
static bool domain_exists(const struct compare *p, uint32_t id)
{
	for (uint32_t i = 0; i < CONF_ENDPOINTS; i++) {
		if (p->now[i].attached && p->now[i].domain == id)
			return true;
	}
	return false;
}

static bool endpoint_exists(const struct compare *p, uint32_t id)
{
	const struct conf_target *target = p->side[OURS].target;

	for (uint32_t i = 0; i < target->endpoint_count; i++) {
		if (target->endpoints[i] == id)
			return true;
	}
	return false;
}

static bool is_attached(const struct compare *p, const uint8_t *attach)
{
	for (uint32_t i = 0; i < CONF_ENDPOINTS; i++) {
		if (p->now[i].attached && p->side[OURS].target->endpoints[i] == get(attach + 8, 4))
			return true;
	}
	return false;
}

/* Does it name something that is not there, and has another fault, too? Nobody says which one counts. */
static bool has_two_faults(const struct compare *p, const uint8_t *request, int theirs, int ours)
{
	bool is_missing = request[0] == VIOMMU_T_ATTACH ? !endpoint_exists(p, (uint32_t)get(request + 8, 4))
							: !domain_exists(p, (uint32_t)get(request + 4, 4));

	return is_missing && theirs > VIOMMU_S_OK && ours > VIOMMU_S_OK &&
	       (theirs == VIOMMU_S_NOENT) != (ours == VIOMMU_S_NOENT);
}

/* The rule by which the answers may differ, or NULL. */
static const char *explain(const struct compare *p, const struct conf_message *m, int theirs, int ours)
{
	const uint8_t *request = m->bytes;
	uint8_t type = request[0];

	if (size_of(type) == 0)
		return ours == CONF_UNWRITTEN && theirs != CONF_UNWRITTEN ? "IOMMU-DEV-OPS-03" : NULL;
	if (m->len < size_of(type))
		return ours == CONF_UNWRITTEN && theirs == VIOMMU_S_INVAL ? "INF-03" : NULL;
	if (type == VIOMMU_T_ATTACH && get(request + 16, 4) != 0)
		return ours == VIOMMU_S_INVAL ? "IOMMU-DEV-ATTACH-01" : NULL;
	if (type == VIOMMU_T_ATTACH && ours == VIOMMU_S_NOENT && theirs == VIOMMU_S_OK)
		return "IOMMU-DEV-ATTACH-03";
	if (type == VIOMMU_T_DETACH && ours == VIOMMU_S_NOENT && theirs == VIOMMU_S_INVAL &&
	    !endpoint_exists(p, (uint32_t)get(request + 8, 4)))
		return "IOMMU-DEV-DETACH-02";
	if (type == VIOMMU_T_PROBE && ours == VIOMMU_S_NOENT && theirs == VIOMMU_S_OK)
		return "IOMMU-DEV-PROBE-02";
	if (type == VIOMMU_T_ATTACH && ours == VIOMMU_S_INVAL && theirs == VIOMMU_S_OK &&
	    is_alone_in(p, p->now, request))
		return "IOMMU-DEV-ATTACH-06";
	if (type == VIOMMU_T_UNMAP && get(request + 24, 4) != 0)
		return ours == VIOMMU_S_INVAL ? "IOMMU-DEV-UNMAP-01" : NULL;
	if (is_upside_down(request) && (ours == VIOMMU_S_INVAL || ours == VIOMMU_S_RANGE))
		return "upside down";
	if (type == VIOMMU_T_DETACH && ours == VIOMMU_S_INVAL && theirs == VIOMMU_S_NOENT)
		return "IOMMU-DEV-DETACH-03";
	if (type == VIOMMU_T_MAP && ours == VIOMMU_S_RANGE && is_unaligned(p, request))
		return "IOMMU-DEV-MAP-01";
	if (type == VIOMMU_T_MAP && ours == VIOMMU_S_RANGE &&
	    get(request + 16, 8) > p->side[OURS].config.input_range.last)
		return "INF-08";
	if (type == VIOMMU_T_MAP && ours == VIOMMU_S_INVAL && theirs == VIOMMU_S_OK && meets_msi(request))
		return "IOMMU-DEV-RESV-04";
	if (has_two_faults(p, request, theirs, ours))
		return "two faults";
	return NULL;
}

static void tell(const struct compare *p, uint32_t i)
{
	const struct conf_message *m = &p->messages[i];

	printf("%s, %u writable bytes: ", sim_request_name(m->bytes[0]), (unsigned)m->in_len);
	for (size_t b = 0; b < m->len && b < 40; b++)
		printf("%s%02x", b != 0 && b % 4 == 0 ? " " : "", m->bytes[b]);
	printf("\n  theirs %s, ours %s\n", conf_status_name(status_of(m, &p->answers[THEIRS][i])),
	       conf_status_name(status_of(m, &p->answers[OURS][i])));
}

static void count(struct conf_comparison *result, const char *rule)
{
	uint32_t i = 0;

	while (result->rules[i].rule != NULL && strcmp(result->rules[i].rule, rule) != 0)
		i++;
	result->rules[i].rule = rule;
	result->rules[i].count++;
}

/*
 * The same answer, and perhaps not the same state. QEMU takes an ATTACH for DETACH and ATTACH before it looks whether
 * the endpoint is in that domain already, or whether there is anything to refuse; and an UNMAP that would split a
 * mapping may have removed others.
 */
static bool may_part(const struct compare *p, const struct conf_message *m, int status)
{
	if (m->bytes[0] == VIOMMU_T_UNMAP)
		return status == VIOMMU_S_RANGE;
	if (m->bytes[0] != VIOMMU_T_ATTACH)
		return false;
	return status == VIOMMU_S_OK ? is_alone_in(p, p->now, m->bytes) : is_attached(p, m->bytes);
}

static void judge(struct compare *p)
{
	for (uint32_t i = 0; i < p->count && !p->parted; i++) {
		const struct conf_message *m = &p->messages[i];
		int theirs = status_of(m, &p->answers[THEIRS][i]), ours = status_of(m, &p->answers[OURS][i]);
		const char *rule;

		p->result->requests++;
		if (m->bytes[0] < VIOMMU_T_COUNT)
			p->result->answers[m->bytes[0]][ours >= 0 && ours < VIOMMU_S_COUNT ? ours : VIOMMU_S_COUNT]++;
		if (same(m, &p->answers[THEIRS][i], &p->answers[OURS][i])) {
			p->parted = may_part(p, m, ours);
			p->result->partings += p->parted;
			if (ours == VIOMMU_S_OK)
				follow(p, p->now, m->bytes);
			continue;
		}
		p->parted = (theirs == VIOMMU_S_OK) != (ours == VIOMMU_S_OK) || may_part(p, m, theirs);
		rule = explain(p, m, theirs, ours);
		if (rule != NULL)
			count(p->result, rule);
		else if (p->result->unexplained++ < TOLD)
			tell(p, i);
	}
}

static bool start(struct compare *p, uint32_t side)
{
	struct conf_target *target = p->side[side].target;

	memset(&p->side[side], 0, sizeof(p->side[side]));
	p->side[side].target = target;
	p->side[side].outcome = &p->outcome[side];
	return conf_start(&p->side[side], CONF_CLASS_FEATURES);
}

/* Is none of the domains there that requests name? */
static bool is_empty(struct conf *c)
{
	for (uint32_t n = 0; n <= DOMAINS; n++) {
		uint32_t id = n < DOMAINS ? conf_domain(c, n) : c->config.domain_last;

		if (conf_ask(c, conf_unmap(id, c->iova, c->iova + c->granule - 1)) != VIOMMU_S_NOENT)
			return false;
	}
	return true;
}

/* Takes out whoever may be in a domain: the endpoints, and whatever the last requests have called one. */
static void detach_all(struct compare *p, struct conf *c)
{
	for (uint32_t n = 0; n <= DOMAINS; n++) {
		for (uint32_t i = 0; i < c->target->endpoint_count; i++)
			(void)conf_ask(c, conf_detach(n < DOMAINS ? conf_domain(c, n) : c->config.domain_last,
						      c->target->endpoints[i]));
	}
	for (uint32_t i = 0; i < p->count; i++) {
		const uint8_t *request = p->messages[i].bytes;

		if (request[0] == VIOMMU_T_ATTACH)
			(void)conf_ask(c, conf_detach((uint32_t)get(request + 4, 4), (uint32_t)get(request + 8, 4)));
	}
}

/* From a reset on. Where endpoints stay attached all the same (INF-01) they are detached, or there is a new device. */
static bool begin(struct compare *p, uint32_t side)
{
	struct conf *c = &p->side[side];

	if (!start(p, side))
		return false;
	if (is_empty(c))
		return true;
	count(p->result, "INF-01");
	detach_all(p, c);
	return is_empty(c) || (c->target->renew(c->target->ctx, UINT64_MAX) && start(p, side));
}

static bool failed(struct compare *p, uint32_t side)
{
	const char *reason = p->outcome[side].reason;

	snprintf(p->result->why, sizeof(p->result->why), "%s: %s", side == OURS ? "ours" : "theirs",
		 reason[0] != 0 ? reason : "requests are not answered");
	return false;
}

static bool episode(struct compare *p)
{
	for (uint32_t side = 0; side < 2; side++) {
		if (!begin(p, side))
			return failed(p, side);
	}
	p->parted = false;
	memset(p->now, 0, sizeof(p->now));
	for (uint32_t batch = 0; batch < EPISODE && !p->parted && p->result->requests < p->result->wanted; batch++) {
		think_up(p);
		for (uint32_t side = 0; side < 2; side++) {
			if (!ask(p, side))
				return failed(p, side);
		}
		judge(p);
	}
	return true;
}

bool conf_compare(struct conf_target *theirs, uint64_t requests, uint64_t seed, struct conf_comparison *result)
{
	static struct compare p; /* too large for a stack */

	memset(result, 0, sizeof(*result));
	result->wanted = requests;
	p.result = result;
	p.random.state = seed;
	p.side[THEIRS].target = theirs;
	if (!theirs->renew(theirs->ctx, UINT64_MAX) || !start(&p, THEIRS))
		return failed(&p, THEIRS);
	p.side[OURS].target = conf_target_like(theirs, &p.side[THEIRS].config);
	if (p.side[OURS].target == NULL ||
	    !p.side[OURS].target->renew(p.side[OURS].target->ctx, p.side[THEIRS].offered))
		return failed(&p, OURS);
	while (result->requests < requests) {
		if (!episode(&p))
			return false;
	}
	return true;
}
