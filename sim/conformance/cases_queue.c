/* SPDX-License-Identifier: BSD-3-Clause */
/* cases_queue.c: what the chapter on split virtqueues asks of a device. */
#include "session.h"

#include <string.h>

#define RW (VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)
#define EP (c->target->endpoints[0])
#define D1 conf_domain(c, 1)
#define OUT (c->target->memory_addr + CONF_OUT_AT)
#define IN (c->target->memory_addr + CONF_IN_AT)

/* A device that has agreed to these ring features, or the case is absent. */
static bool with(struct conf *c, uint64_t ring, const char *what)
{
	if (!conf_start(c, CONF_CLASS_FEATURES | ring))
		return false;
	if ((c->negotiated & ring) != ring)
		conf_absent(c, what);
	return (c->negotiated & ring) == ring;
}

/* Cuts both parts into pieces of `cut` bytes. */
static uint32_t cut_up(const struct conf *c, const struct conf_message *m, uint32_t cut, struct conf_desc *descs)
{
	uint32_t count = 0;

	for (uint32_t part = 0; part < 2; part++) {
		uint32_t len = (uint32_t)(part == 0 ? m->len : m->in_len);

		for (uint32_t at = 0; at < len; at += cut, count++) {
			descs[count] = (struct conf_desc){ (part == 0 ? OUT : IN) + at, len - at < cut ? len - at : cut,
							   CONF_DESC_NEXT, (uint16_t)(count + 1) };
			if (part == 1)
				descs[count].flags |= CONF_DESC_WRITE;
		}
	}
	descs[count - 1].flags &= (uint16_t)~CONF_DESC_NEXT;
	return count;
}

static void any_layout(struct conf *c)
{
	struct conf_desc descs[CONF_DESCRIPTORS];

	for (uint32_t cut = 1; cut < 20 && conf_start(c, CONF_CLASS_FEATURES); cut++) {
		struct conf_message m = conf_attach(D1, EP, 0);
		int status = conf_ask_chain(c, &m, descs, cut_up(c, &m, cut, descs));

		(void)conf_check(c, status == VIOMMU_S_OK, "%s in pieces of %u", conf_status_name(status), cut);
	}
}

static void chain_limit(struct conf *c)
{
	struct conf_desc descs[CONF_DESCRIPTORS];
	struct conf_message m;

	if (!conf_start(c, CONF_CLASS_FEATURES))
		return;
	m = conf_map_pages(c, D1, 0, 1, 0, RW);
	conf_free(c, "a chain of 40 descriptors: %s",
		  conf_status_name(conf_ask_chain(c, &m, descs, cut_up(c, &m, 1, descs))));
}

static void readable_not_written(struct conf *c)
{
	struct conf_message m;

	if (!conf_start(c, CONF_CLASS_FEATURES))
		return;
	m = conf_attach(D1, EP, 0);
	(void)conf_expect(c, m, VIOMMU_S_OK);
	(void)conf_check(c, memcmp(c->target->memory + CONF_OUT_AT, m.bytes, m.len) == 0, "the request is written");
}

static void table_not_written(struct conf *c)
{
	if (!conf_start(c, CONF_CLASS_FEATURES))
		return;
	(void)conf_expect(c, conf_attach(D1, EP, 0), VIOMMU_S_OK);
	(void)conf_check(c, !c->table_changed, "the table is written");
}

/* `direct` descriptors, and the rest in a table. */
static int ask_indirect(struct conf *c, uint32_t direct, uint16_t more_flags)
{
	struct conf_message m = conf_attach(D1, EP, 0);
	struct conf_desc descs[8], chain[8];
	uint32_t count = cut_up(c, &m, 10, descs);
	uint8_t *table = c->target->memory + CONF_TABLE_AT;

	for (uint32_t i = direct; i < count; i++) {
		struct conf_desc d = descs[i];
		uint8_t bytes[16] = { (uint8_t)d.addr,
				      (uint8_t)(d.addr >> 8),
				      (uint8_t)(d.addr >> 16),
				      (uint8_t)(d.addr >> 24),
				      (uint8_t)(d.addr >> 32),
				      (uint8_t)(d.addr >> 40),
				      (uint8_t)(d.addr >> 48),
				      (uint8_t)(d.addr >> 56),
				      (uint8_t)d.len,
				      0,
				      0,
				      0,
				      (uint8_t)d.flags,
				      0,
				      (uint8_t)(i - direct + 1),
				      0 };

		memcpy(table + 16 * (size_t)(i - direct), bytes, 16);
	}
	memcpy(chain, descs, direct * sizeof(*descs));
	chain[direct] = (struct conf_desc){ c->target->memory_addr + CONF_TABLE_AT, 16 * (count - direct),
					    (uint16_t)(CONF_DESC_INDIRECT | more_flags), 0 };
	return conf_ask_chain(c, &m, chain, direct + 1);
}

static void indirect_write_flag(struct conf *c)
{
	int status;

	if (!with(c, VIOMMU_F_INDIRECT_DESC, "INDIRECT_DESC is not offered"))
		return;
	status = ask_indirect(c, 0, CONF_DESC_WRITE);
	(void)conf_check(c, status == VIOMMU_S_OK, "%s", conf_status_name(status));
}

static void indirect_mixed(struct conf *c)
{
	for (uint32_t direct = 0; direct < 3; direct++) {
		int status;

		if (!with(c, VIOMMU_F_INDIRECT_DESC, "INDIRECT_DESC is not offered"))
			return;
		status = ask_indirect(c, direct, 0);
		(void)conf_check(c, status == VIOMMU_S_OK, "%s with %u in front of the table", conf_status_name(status),
				 direct);
	}
}

/* Asks with these wishes of the driver, and is there a notification? */
static bool is_notified(struct conf *c, uint16_t flags, uint16_t used_event)
{
	struct conf_queue *q = &c->queues[VIOMMU_QUEUE_REQUEST];
	uint8_t seen;

	viommu_port_store16(q->avail, flags);
	viommu_port_store16(q->avail + 4 + 2 * (size_t)q->size, used_event);
	viommu_port_fence();
	(void)c->target->notifications(c->target->ctx);
	(void)conf_check(c, conf_ask(c, conf_attach(D1, EP, 0)) == VIOMMU_S_OK, "could not be tried");
	conf_idle(c);
	seen = c->target->notifications(c->target->ctx);
	return (seen & VIOMMU_INTERRUPT_USED) != 0;
}

static void used_event_ignored(struct conf *c)
{
	if (conf_start(c, CONF_CLASS_FEATURES))
		(void)conf_check(c, is_notified(c, 0, 0x4000), "no notification");
}

static void flag_suppresses(struct conf *c)
{
	if (conf_start(c, CONF_CLASS_FEATURES))
		(void)conf_check(c, !is_notified(c, 1, 0), "a notification");
}

static void flag_asks(struct conf *c)
{
	if (conf_start(c, CONF_CLASS_FEATURES))
		(void)conf_check(c, is_notified(c, 0, 0), "no notification");
}

#define EVENT_IDX_ABSENT "EVENT_IDX is not offered"

static void flag_ignored(struct conf *c)
{
	if (with(c, VIOMMU_F_EVENT_IDX, EVENT_IDX_ABSENT))
		(void)conf_check(c, is_notified(c, 1, 0), "no notification");
}

static void event_hit(struct conf *c)
{
	for (uint16_t i = 0; i < 3 && (i > 0 || with(c, VIOMMU_F_EVENT_IDX, EVENT_IDX_ABSENT)); i++)
		(void)conf_check(c, is_notified(c, 0, i), "no notification at index %u", i);
}

static void event_miss(struct conf *c)
{
	for (uint16_t i = 1; i < 3 && (i > 1 || with(c, VIOMMU_F_EVENT_IDX, EVENT_IDX_ABSENT)); i++) {
		/* The first entry after the begin may be told in any case: nobody has looked before. */
		(void)is_notified(c, 0, 0x4000);
		(void)conf_check(c, !is_notified(c, 0, 0x4000), "a notification");
	}
}

static void length_is_written(struct conf *c)
{
	if (!conf_start(c, CONF_CLASS_FEATURES))
		return;
	(void)conf_expect(c, conf_attach(D1, EP, 0), VIOMMU_S_OK);
	for (uint32_t i = 0; i < c->used && i < 4; i++)
		(void)conf_check(c, c->in[i] != CONF_FILL, "byte %u is as it was", i);
	(void)conf_check(c, c->used <= 4, "length %u of 4", c->used);
}

static uint16_t used_flags(struct conf *c, uint64_t ring)
{
	if (!conf_start(c, CONF_CLASS_FEATURES | ring))
		return 0;
	(void)conf_expect(c, conf_attach(D1, EP, 0), VIOMMU_S_OK);
	return viommu_port_load16(c->queues[VIOMMU_QUEUE_REQUEST].used);
}

static void used_flags_values(struct conf *c)
{
	uint16_t flags = used_flags(c, 0);

	(void)conf_check(c, flags <= 1, "%u", flags);
	conf_note(c, "used.flags %u", flags);
}

static void used_flags_hint(struct conf *c)
{
	conf_free(c, "used.flags %u", used_flags(c, 0));
}

static void used_flags_zero(struct conf *c)
{
	uint16_t flags = used_flags(c, VIOMMU_F_EVENT_IDX);

	if ((c->negotiated & VIOMMU_F_EVENT_IDX) == 0)
		conf_absent(c, EVENT_IDX_ABSENT);
	(void)conf_check(c, flags == 0, "%u", flags);
	conf_note(c, "used.flags %u", flags);
}

static void avail_event(struct conf *c)
{
	const struct conf_queue *q = &c->queues[VIOMMU_QUEUE_REQUEST];

	if (with(c, VIOMMU_F_EVENT_IDX, EVENT_IDX_ABSENT) && conf_expect(c, conf_attach(D1, EP, 0), VIOMMU_S_OK))
		conf_free(c, "avail_event %u after one request", viommu_port_load16(q->used + 4 + 8 * (size_t)q->size));
}

static void spurious_kicks(struct conf *c)
{
	if (!conf_start(c, CONF_CLASS_FEATURES))
		return;
	for (uint32_t i = 0; i < 8; i++)
		conf_kick(c, i % VIOMMU_QUEUE_COUNT);
	conf_idle(c);
	(void)conf_check(c, viommu_port_load16(c->queues[VIOMMU_QUEUE_REQUEST].used + 2) == 0,
			 "a used entry of nothing");
	(void)conf_expect(c, conf_attach(D1, EP, 0), VIOMMU_S_OK);
	(void)conf_check(c, (conf_status(c) & VIOMMU_STATUS_NEEDS_RESET) == 0, "the device needs a reset");
}

#define UNREACHED(rule, level, topic, why)                                                                             \
	{                                                                                                              \
		rule, level, topic, NULL, why                                                                          \
	}

const struct conf_case conf_queue_cases[] = {
	{ "VQ-DEV-FRAME-01", "MUST_NOT", "boundaries of descriptors matter", any_layout, NULL },
	{ "VQ-DEV-FRAME-02", "MAY", "a limit for chains", chain_limit, NULL },
	{ "VQ-DEV-DESC-01", "MUST_NOT", "readable bytes are written", readable_not_written, NULL },
	UNREACHED("VQ-DEV-DESC-02", "SHOULD_NOT", "writable bytes are read", "reads leave no trace"),
	UNREACHED("VQ-DEV-DESC-03", "MAY", "but for diagnostics", "reads leave no trace"),
	{ "VQ-DEV-DESC-04", "MUST_NOT", "the table is written", table_not_written, NULL },
	{ "VQ-DEV-INDIR-01", "MUST", "WRITE of a table's descriptor is ignored", indirect_write_flag, NULL },
	{ "VQ-DEV-INDIR-02", "MUST", "descriptors in front of a table", indirect_mixed, NULL },
	{ "VQ-DEV-USEDSUP-01", "MUST", "used_event is ignored without EVENT_IDX", used_event_ignored, NULL },
	{ "VQ-DEV-USEDSUP-02", "SHOULD_NOT", "avail.flags 1: notification", flag_suppresses, NULL },
	{ "VQ-DEV-USEDSUP-03", "MUST", "avail.flags 0: notification", flag_asks, NULL },
	{ "VQ-DEV-USEDSUP-04", "MUST", "with EVENT_IDX avail.flags is ignored", flag_ignored, NULL },
	{ "VQ-DEV-USEDSUP-05", "MUST", "used_event is met: notification", event_hit, NULL },
	{ "VQ-DEV-USEDSUP-06", "SHOULD_NOT", "used_event is missed: notification", event_miss, NULL },
	UNREACHED("VQ-DEV-USED-01", "MUST", "the length before the index",
		  "an order of stores does not show from here"),
	{ "VQ-DEV-USED-02", "MUST", "as many bytes written as the length says", length_is_written, NULL },
	UNREACHED("VQ-DEV-USED-03", "MAY", "more written than the length says",
		  "it takes a request that is answered so"),
	{ "VQ-DEV-AVAILSUP-01", "MUST", "used.flags is 0 or 1", used_flags_values, NULL },
	{ "VQ-DEV-AVAILSUP-02", "MAY", "used.flags 1 as a hint", used_flags_hint, NULL },
	{ "VQ-DEV-AVAILSUP-03", "MUST", "with EVENT_IDX used.flags is 0", used_flags_zero, NULL },
	{ "VQ-DEV-AVAILSUP-04", "MAY", "avail_event", avail_event, NULL },
	{ "VQ-DEV-AVAILSUP-05", "MUST", "kicks for nothing are tolerated", spurious_kicks, NULL },
	UNREACHED("VQ-DEV-IDX-01", "MAY", "access from avail.idx on", "reads leave no trace"),
	UNREACHED("VQ-DEV-NOTIFY-01", "MAY", "the device turns kicks off",
		  "see VQ-DEV-AVAILSUP-02 and VQ-DEV-AVAILSUP-04"),
	{ 0 },
};
