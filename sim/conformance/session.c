/* SPDX-License-Identifier: BSD-3-Clause */
#include "session.h"

#include <stdarg.h>
#include <string.h>

#include "sim/names.h"

#define EVENT_BUFFERS 4u
#define EVENT_STRIDE 64u

/* Verdicts */

static void format_reason(struct conf *c, enum conf_verdict verdict, const char *format, va_list args)
{
	c->outcome->verdict = verdict;
	(void)vsnprintf(c->outcome->reason, sizeof(c->outcome->reason), format, args);
}

bool conf_check(struct conf *c, bool good, const char *format, ...)
{
	va_list args;

	c->checks++;
	if (good || c->outcome->verdict != CONF_HOLDS)
		return good;
	va_start(args, format);
	format_reason(c, CONF_FAILS, format, args);
	va_end(args);
	return false;
}

void conf_absent(struct conf *c, const char *why)
{
	if (c->outcome->verdict != CONF_HOLDS)
		return;
	c->outcome->verdict = CONF_ABSENT;
	(void)snprintf(c->outcome->reason, sizeof(c->outcome->reason), "%s", why);
}

void conf_unreached(struct conf *c, const char *why)
{
	conf_absent(c, why);
	if (c->outcome->verdict == CONF_ABSENT)
		c->outcome->verdict = CONF_UNREACHED;
}

void conf_free(struct conf *c, const char *format, ...)
{
	va_list args;

	if (c->outcome->verdict != CONF_HOLDS)
		return;
	va_start(args, format);
	format_reason(c, CONF_FREE, format, args);
	va_end(args);
}

void conf_note(struct conf *c, const char *format, ...)
{
	va_list args;

	if (c->outcome->verdict != CONF_HOLDS)
		return;
	va_start(args, format);
	(void)vsnprintf(c->outcome->evidence, sizeof(c->outcome->evidence), format, args);
	va_end(args);
}

/* Appends to a text of evidence. */
static void append(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void append(char *text, size_t size, const char *format, ...)
{
	size_t len = strlen(text);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text + len, size - len, format, args);
	va_end(args);
}

/* Bytes in hex; of zeroes at the end, if there are many, only how many. */
static void append_hex(char *text, size_t size, const uint8_t *bytes, size_t len)
{
	size_t shown = len;

	while (shown > 0 && bytes[shown - 1] == 0)
		shown--;
	if (len - shown < 24)
		shown = len;
	for (size_t i = 0; i < shown && i < 40; i++)
		append(text, size, "%s%02x", i > 0 && i % 4 == 0 ? " " : "", bytes[i]);
	if (shown > 40)
		append(text, size, " ...");
	if (len > shown)
		append(text, size, " (%zu times 00)", len - shown);
}

static void show_request(struct conf *c, const uint8_t *out, size_t out_len, size_t in_len, bool answered)
{
	char *text = c->outcome->evidence;
	size_t size = sizeof(c->outcome->evidence);

	if (c->outcome->verdict != CONF_HOLDS)
		return;
	text[0] = 0;
	append_hex(text, size, out, out_len);
	append(text, size, " -> ");
	if (!answered) {
		append(text, size, "no answer");
		return;
	}
	append(text, size, "length %u: ", c->used);
	append_hex(text, size, c->in, c->used < in_len ? c->used : in_len);
}

/* Registers */

static const struct viommu_register_ops *registers(const struct conf *c)
{
	return c->target->registers;
}

/* The device works; it may be gone. */
static bool step(struct conf *c)
{
	if (!c->gone && !c->target->run(c->target->ctx)) {
		c->gone = true;
		(void)conf_check(c, false, "the device is gone: %s", c->target->why);
	}
	return !c->gone;
}

uint8_t conf_status(struct conf *c)
{
	return registers(c)->get_status(c->target->registers_ctx);
}

void conf_set_status(struct conf *c, uint8_t status)
{
	registers(c)->set_status(c->target->registers_ctx, status);
}

uint8_t conf_bypass(struct conf *c)
{
	uint8_t bypass = 0;

	registers(c)->config_read(c->target->registers_ctx, VIOMMU_WIRE_CONFIG_BYPASS, &bypass, 1);
	return bypass;
}

void conf_set_bypass(struct conf *c, uint8_t bypass)
{
	registers(c)->config_write(c->target->registers_ctx, VIOMMU_WIRE_CONFIG_BYPASS, &bypass, 1);
	conf_idle(c);
}

void conf_kick(struct conf *c, uint32_t queue)
{
	registers(c)->notify(c->target->registers_ctx, queue);
}

void conf_idle(struct conf *c)
{
	for (uint32_t i = 0; i < c->target->patience && step(c); i++)
		;
}

/* Bring-up */

bool conf_reset(struct conf *c)
{
	conf_set_status(c, 0);
	for (uint32_t i = 0; i < c->target->patience && step(c); i++) {
		if (conf_status(c) == 0)
			return true;
	}
	return conf_status(c) == 0 && !c->gone;
}

/* Where mappings can be made: past what PROBE may call reserved on the machines that there are. */
#define PLACE UINT64_C(0x10000000)

bool conf_negotiate(struct conf *c, uint64_t features)
{
	uint8_t bytes[VIOMMU_WIRE_CONFIG_SIZE];
	void *ctx = c->target->registers_ctx;

	if (!conf_check(c, conf_reset(c), "a reset does not come to an end"))
		return false;
	conf_set_status(c, VIOMMU_STATUS_ACKNOWLEDGE);
	conf_set_status(c, VIOMMU_STATUS_ACKNOWLEDGE | VIOMMU_STATUS_DRIVER);
	c->offered = registers(c)->get_features(ctx);
	c->negotiated = c->offered & (features | VIOMMU_F_VERSION_1);
	registers(c)->set_features(ctx, c->negotiated);
	conf_set_status(c, VIOMMU_STATUS_ACKNOWLEDGE | VIOMMU_STATUS_DRIVER | VIOMMU_STATUS_FEATURES_OK);
	if (!conf_check(c, (conf_status(c) & VIOMMU_STATUS_FEATURES_OK) != 0, "features %#llx are not accepted",
			(unsigned long long)c->negotiated))
		return false;
	registers(c)->config_read(ctx, 0, bytes, sizeof(bytes));
	viommu_wire_config_decode(bytes, &c->config);
	c->granule = c->config.page_size_mask & (~c->config.page_size_mask + 1);
	if ((c->offered & VIOMMU_F_INPUT_RANGE) == 0)
		c->config.input_range = (struct viommu_range){ 0, UINT64_MAX };
	if ((c->offered & VIOMMU_F_DOMAIN_RANGE) == 0) {
		c->config.domain_first = 0;
		c->config.domain_last = UINT32_MAX;
	}
	if ((c->offered & VIOMMU_F_PROBE) == 0)
		c->config.probe_size = 0;
	c->iova = c->config.input_range.first > PLACE ? c->config.input_range.first : PLACE;
	return conf_check(c,
			  c->granule != 0 && c->granule <= 0x10000 && c->config.probe_size <= CONF_REPLY_MAX - 64 &&
				  c->config.domain_last - c->config.domain_first >= 8,
			  "granule %#llx, probe_size %u, domains %#x to %#x: not what these tests can use",
			  (unsigned long long)c->granule, c->config.probe_size, c->config.domain_first,
			  c->config.domain_last);
}

bool conf_enable_queue(struct conf *c, uint32_t queue, uint32_t size)
{
	struct conf_queue *q = &c->queues[queue];
	uint32_t at = CONF_QUEUE_AT + queue * 0x8000u;
	uint32_t most = registers(c)->queue_size_max(c->target->registers_ctx, queue);
	struct viommu_virtq_layout layout = { .features = c->negotiated };

	q->size = size < most ? size : most;
	q->desc = c->target->memory + at;
	q->avail = q->desc + 0x2000;
	q->used = q->desc + 0x4000;
	q->addr = c->target->memory_addr + at;
	q->added = 0;
	q->taken = 0;
	memset(q->desc, 0, 0x8000);
	layout.size = q->size;
	layout.desc = q->addr;
	layout.avail = q->addr + 0x2000;
	layout.used = q->addr + 0x4000;
	viommu_port_fence();
	return registers(c)->queue_enable(c->target->registers_ctx, queue, &layout) == VIOMMU_OK;
}

bool conf_enable_queues(struct conf *c, uint32_t size)
{
	bool good = true;

	for (uint32_t queue = 0; queue < VIOMMU_QUEUE_COUNT; queue++)
		good = conf_check(c, conf_enable_queue(c, queue, size), "queue %u cannot be enabled", queue) && good;
	return good;
}

void conf_driver_ok(struct conf *c)
{
	conf_set_status(c, VIOMMU_STATUS_ACKNOWLEDGE | VIOMMU_STATUS_DRIVER | VIOMMU_STATUS_FEATURES_OK |
				   VIOMMU_STATUS_DRIVER_OK);
	(void)c->target->notifications(c->target->ctx);
}

bool conf_start(struct conf *c, uint64_t features)
{
	if (!conf_negotiate(c, features) || !conf_enable_queues(c, CONF_DESCRIPTORS))
		return false;
	conf_driver_ok(c);
	conf_give_events(c, EVENT_BUFFERS, VIOMMU_WIRE_FAULT_SIZE);
	if ((c->negotiated & VIOMMU_F_BYPASS_CONFIG) != 0)
		conf_set_bypass(c, 0);
	return !c->gone;
}

/* Rings */

static void put16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)value;
	p[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *p, uint32_t value)
{
	put16(p, (uint16_t)value);
	put16(p + 2, (uint16_t)(value >> 16));
}

static void put64(uint8_t *p, uint64_t value)
{
	put32(p, (uint32_t)value);
	put32(p + 4, (uint32_t)(value >> 32));
}

static void put_desc(uint8_t *p, const struct conf_desc *desc)
{
	put64(p, desc->addr);
	put32(p + 8, desc->len);
	put16(p + 12, desc->flags);
	put16(p + 14, desc->next);
}

void conf_post(struct conf *c, uint32_t queue, uint16_t head, const struct conf_desc *descs, uint32_t count)
{
	struct conf_queue *q = &c->queues[queue];

	for (uint32_t i = 0; i < count; i++)
		put_desc(q->desc + 16 * ((size_t)(head + i) % q->size), &descs[i]);
	put16(q->avail + 4 + 2 * ((size_t)q->added % q->size), head);
	q->added = (uint16_t)(q->added + 1);
	viommu_port_store16_release(q->avail + 2, q->added);
	viommu_port_fence();
}

bool conf_wait(struct conf *c, uint32_t queue)
{
	struct conf_queue *q = &c->queues[queue];
	uint8_t entry[8];

	for (uint32_t i = 0; i <= c->target->patience; i++) {
		if (viommu_port_load16_acquire(q->used + 2) != q->taken) {
			memcpy(entry, q->used + 4 + 8 * ((size_t)q->taken % q->size), 8);
			q->taken = (uint16_t)(q->taken + 1);
			c->used_id = (uint16_t)(entry[0] | entry[1] << 8);
			c->used = entry[4] | (uint32_t)entry[5] << 8 | (uint32_t)entry[6] << 16 |
				  (uint32_t)entry[7] << 24;
			return true;
		}
		if (!step(c))
			return false;
	}
	return false;
}

/* Messages */

struct conf_message conf_attach(uint32_t domain, uint32_t endpoint, uint32_t flags)
{
	struct conf_message m = { .bytes = { VIOMMU_T_ATTACH }, .len = 20, .in_len = 4 };

	put32(m.bytes + 4, domain);
	put32(m.bytes + 8, endpoint);
	put32(m.bytes + 12, flags);
	return m;
}

struct conf_message conf_detach(uint32_t domain, uint32_t endpoint)
{
	struct conf_message m = conf_attach(domain, endpoint, 0);

	m.bytes[0] = VIOMMU_T_DETACH;
	return m;
}

struct conf_message conf_map(uint32_t domain, uint64_t first, uint64_t last, uint64_t phys, uint32_t flags)
{
	struct conf_message m = { .bytes = { VIOMMU_T_MAP }, .len = 36, .in_len = 4 };

	put32(m.bytes + 4, domain);
	put64(m.bytes + 8, first);
	put64(m.bytes + 16, last);
	put64(m.bytes + 24, phys);
	put32(m.bytes + 32, flags);
	return m;
}

struct conf_message conf_unmap(uint32_t domain, uint64_t first, uint64_t last)
{
	struct conf_message m = conf_map(domain, first, last, 0, 0);

	m.bytes[0] = VIOMMU_T_UNMAP;
	m.len = 28;
	return m;
}

struct conf_message conf_probe(const struct conf *c, uint32_t endpoint)
{
	struct conf_message m = { .bytes = { VIOMMU_T_PROBE }, .len = 72, .in_len = c->config.probe_size + 4 };

	put32(m.bytes + 4, endpoint);
	return m;
}

int conf_ask_chain(struct conf *c, const struct conf_message *message, const struct conf_desc *descs, uint32_t count)
{
	uint8_t *out = c->target->memory + CONF_OUT_AT, *in = c->target->memory + CONF_IN_AT;
	uint8_t table[16 * CONF_DESCRIPTORS];
	bool answered;

	memcpy(out, message->bytes, message->len);
	memset(in, CONF_FILL, CONF_REPLY_MAX);
	c->used = 0;
	conf_post(c, VIOMMU_QUEUE_REQUEST, 0, descs, count);
	memcpy(table, c->queues[VIOMMU_QUEUE_REQUEST].desc, 16 * (size_t)count);
	conf_kick(c, VIOMMU_QUEUE_REQUEST);
	answered = conf_wait(c, VIOMMU_QUEUE_REQUEST);
	if (answered && c->target->tamper != NULL)
		c->target->tamper(c->target->ctx, out, message->len, in, message->in_len, count, &c->used);
	memcpy(c->in, in, CONF_REPLY_MAX);
	c->table_changed = memcmp(table, c->queues[VIOMMU_QUEUE_REQUEST].desc, 16 * (size_t)count) != 0;
	show_request(c, message->bytes, message->len, message->in_len, answered);
	if (!answered)
		return CONF_NO_ANSWER;
	if (c->used == 0)
		return CONF_UNWRITTEN;
	/* What the status is of that is not covered by the length, nobody knows. */
	if (message->in_len < 4 || c->used != message->in_len)
		return CONF_ODD_LENGTH;
	return c->in[message->in_len - 4];
}

int conf_ask(struct conf *c, struct conf_message message)
{
	struct conf_desc descs[2] = {
		{ c->target->memory_addr + CONF_OUT_AT, (uint32_t)message.len, CONF_DESC_NEXT, 1 },
		{ c->target->memory_addr + CONF_IN_AT, (uint32_t)message.in_len, CONF_DESC_WRITE, 0 },
	};

	if (message.in_len == 0)
		descs[0].flags = 0;
	if (message.len == 0)
		return conf_ask_chain(c, &message, descs + 1, 1);
	return conf_ask_chain(c, &message, descs, message.in_len == 0 ? 1 : 2);
}

const char *conf_status_name(int status)
{
	if (status == CONF_UNWRITTEN)
		return "length 0";
	if (status == CONF_NO_ANSWER)
		return "no answer";
	if (status == CONF_ODD_LENGTH)
		return "an odd length";
	return sim_status_name((unsigned)status);
}

bool conf_expect(struct conf *c, struct conf_message message, int status)
{
	int found = conf_ask(c, message);

	return conf_check(c, found == status, "%s and not %s", conf_status_name(found), conf_status_name(status));
}

bool conf_set_up(struct conf *c, struct conf_message message)
{
	int found = conf_ask(c, message);

	return conf_check(c, found == VIOMMU_S_OK, "could not be tried: %s of %s", conf_status_name(found),
			  sim_request_name(message.bytes[0]));
}

uint32_t conf_domain(const struct conf *c, uint32_t n)
{
	return c->config.domain_first + n;
}

uint64_t conf_iova(const struct conf *c, uint64_t n)
{
	return c->iova + n * c->granule;
}

uint64_t conf_phys(const struct conf *c, uint64_t n)
{
	return c->target->memory_addr + CONF_PAGE_AT + n * c->granule;
}

uint8_t *conf_page(const struct conf *c, uint64_t n)
{
	return c->target->memory + CONF_PAGE_AT + n * c->granule;
}

struct conf_message conf_map_pages(const struct conf *c, uint32_t domain, uint64_t n, uint64_t count, uint64_t page,
				   uint32_t flags)
{
	return conf_map(domain, conf_iova(c, n), conf_iova(c, n + count) - 1, conf_phys(c, page), flags);
}

struct conf_message conf_unmap_pages(const struct conf *c, uint32_t domain, uint64_t n, uint64_t count)
{
	return conf_unmap(domain, conf_iova(c, n), conf_iova(c, n + count) - 1);
}

/* DMA */

bool conf_has_dma(struct conf *c, uint32_t endpoints)
{
	if (c->target->dma == NULL)
		conf_unreached(c, "no endpoint can be made to access memory");
	else if (c->target->endpoint_count < endpoints)
		conf_unreached(c, "there are not enough endpoints");
	else
		return true;
	return false;
}

static void dma(struct conf *c, uint32_t index, bool write, uint64_t iova)
{
	viommu_port_fence();
	c->target->dma(c->target->ctx, index, write, iova, CONF_DMA_LEN);
	(void)step(c);
	viommu_port_fence();
}

void conf_dma_read(struct conf *c, uint32_t index, uint64_t iova)
{
	dma(c, index, false, iova);
}

void conf_dma_write(struct conf *c, uint32_t index, uint64_t iova)
{
	dma(c, index, true, iova);
}

static uint8_t paint(uint8_t seed, uint32_t i)
{
	return (uint8_t)(seed + 7 * i);
}

void conf_paint(struct conf *c, uint64_t page, uint8_t seed)
{
	for (uint32_t i = 0; i < c->granule; i++)
		conf_page(c, page)[i] = paint(seed, i);
}

bool conf_is_painted(const struct conf *c, uint64_t page, uint8_t seed)
{
	for (uint32_t i = 0; i < CONF_DMA_LEN; i++) {
		if (conf_page(c, page)[i] != paint(seed, i))
			return false;
	}
	return true;
}

bool conf_load_engine(struct conf *c, uint32_t index, uint8_t seed)
{
	uint32_t domain = conf_domain(c, 3);

	if (!conf_set_up(c, conf_attach(domain, c->target->endpoints[index], 0)) ||
	    !conf_set_up(c, conf_map_pages(c, domain, 8, 1, 8, VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)))
		return false;
	conf_paint(c, 8, seed);
	conf_dma_read(c, index, conf_iova(c, 8));
	return true;
}

void conf_give_events(struct conf *c, uint32_t count, uint32_t len)
{
	struct conf_queue *q = &c->queues[VIOMMU_QUEUE_EVENT];

	for (uint32_t i = 0; i < count; i++) {
		uint16_t head = (uint16_t)(q->added % q->size);
		uint32_t at = CONF_EVENT_AT + head * EVENT_STRIDE;
		struct conf_desc desc = { c->target->memory_addr + at, len, CONF_DESC_WRITE, 0 };

		memset(c->target->memory + at, CONF_FILL, EVENT_STRIDE);
		conf_post(c, VIOMMU_QUEUE_EVENT, head, &desc, 1);
	}
	conf_kick(c, VIOMMU_QUEUE_EVENT);
}

bool conf_take_event(struct conf *c, uint8_t report[VIOMMU_WIRE_FAULT_SIZE])
{
	uint8_t *at;

	memset(report, 0, VIOMMU_WIRE_FAULT_SIZE);
	if (!conf_wait(c, VIOMMU_QUEUE_EVENT))
		return false;
	at = c->target->memory + CONF_EVENT_AT + c->used_id % CONF_DESCRIPTORS * EVENT_STRIDE;
	if (c->target->tamper != NULL)
		c->target->tamper(c->target->ctx, NULL, 0, at, VIOMMU_WIRE_FAULT_SIZE, 1, &c->used);
	memcpy(report, at, VIOMMU_WIRE_FAULT_SIZE);
	if (c->outcome->verdict == CONF_HOLDS) {
		(void)snprintf(c->outcome->evidence, sizeof(c->outcome->evidence), "event, length %u: ", c->used);
		append_hex(c->outcome->evidence, sizeof(c->outcome->evidence), report, VIOMMU_WIRE_FAULT_SIZE);
	}
	return true;
}
