/* SPDX-License-Identifier: BSD-3-Clause */
/* cases_stated.c: what the specification says of devices in passing, without a MUST. */
#include "session.h"

#define RW (VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)
#define EP (c->target->endpoints[0])
#define D1 conf_domain(c, 1)
#define D2 conf_domain(c, 2)
#define SEED 5

/* A device with its first endpoint in domain 1. */
static bool attached(struct conf *c)
{
	return conf_start(c, CONF_CLASS_FEATURES) && conf_set_up(c, conf_attach(D1, EP, 0));
}

/* The first endpoint writes: of what is on pages 0 to 3, this page alone changes; or none, if there are not as many. */
static void expect_write_to(struct conf *c, uint64_t page, uint64_t iova)
{
	for (uint64_t i = 0; i < 4; i++)
		conf_paint(c, i, 99);
	conf_dma_write(c, 0, iova);
	for (uint64_t i = 0; i < 4; i++)
		(void)conf_check(c, conf_is_painted(c, i, i == page ? SEED : 99),
				 i == page ? "a write does not arrive" : "a write arrives on another page");
}

static void reset_detaches(struct conf *c)
{
	if (!attached(c) || !conf_set_up(c, conf_map_pages(c, D1, 0, 1, 0, RW)) || !conf_start(c, CONF_CLASS_FEATURES))
		return;
	(void)conf_expect(c, conf_map_pages(c, D1, 1, 1, 1, RW), VIOMMU_S_NOENT);
}

/* Nothing behind the head, or not all of it. */
static void unparsable_unwritten(struct conf *c)
{
	struct conf_message message;

	if (!attached(c))
		return;
	message = conf_map_pages(c, D1, 0, 1, 0, RW);
	for (message.len = 4; message.len < 36; message.len += 16)
		(void)conf_expect(c, message, CONF_UNWRITTEN);
}

static void attach_makes_domain(struct conf *c)
{
	if (conf_start(c, CONF_CLASS_FEATURES) && conf_expect(c, conf_map_pages(c, D1, 0, 1, 0, RW), VIOMMU_S_NOENT) &&
	    conf_set_up(c, conf_attach(D1, EP, 0)))
		(void)conf_expect(c, conf_map_pages(c, D1, 0, 1, 0, RW), VIOMMU_S_OK);
}

static void domain_goes(struct conf *c)
{
	if (!attached(c) || !conf_set_up(c, conf_map_pages(c, D1, 0, 1, 0, RW)) || !conf_set_up(c, conf_detach(D1, EP)))
		return;
	(void)conf_expect(c, conf_map_pages(c, D1, 1, 1, 0, RW), VIOMMU_S_NOENT);
	if (conf_set_up(c, conf_attach(D1, EP, 0)))
		(void)conf_expect(c, conf_map_pages(c, D1, 0, 1, 0, RW), VIOMMU_S_OK);
}

/* The same address leads the endpoint of each domain to its own page. */
static void domains_are_apart(struct conf *c)
{
	if (!conf_has_dma(c, 2) || !conf_start(c, CONF_CLASS_FEATURES) || !conf_load_engine(c, 0, SEED) ||
	    !conf_set_up(c, conf_attach(D1, EP, 0)) || !conf_set_up(c, conf_attach(D2, c->target->endpoints[1], 0)) ||
	    !conf_set_up(c, conf_map_pages(c, D1, 0, 1, 1, RW)) || !conf_set_up(c, conf_map_pages(c, D2, 0, 2, 2, RW)))
		return;
	expect_write_to(c, 1, conf_iova(c, 0));
	expect_write_to(c, UINT64_MAX, conf_iova(c, 1));
}

static void mapping_is_linear(struct conf *c)
{
	if (!conf_has_dma(c, 1) || !conf_start(c, CONF_CLASS_FEATURES) || !conf_load_engine(c, 0, SEED) ||
	    !conf_set_up(c, conf_attach(D1, EP, 0)) || !conf_set_up(c, conf_map_pages(c, D1, 0, 3, 1, RW)))
		return;
	for (uint64_t n = 0; n < 3; n++)
		expect_write_to(c, n + 1, conf_iova(c, n));
}

static void input_range_is_kept(struct conf *c)
{
	uint64_t last;

	if (!attached(c))
		return;
	last = c->config.input_range.last;
	if (last == UINT64_MAX) {
		conf_absent(c, "all addresses are in input_range");
		return;
	}
	for (uint64_t below = 0; below < 2; below++) {
		int status = conf_ask(
			c, conf_map(D1, last + 1 - below * c->granule, last + c->granule, conf_phys(c, 0), RW));

		(void)conf_check(c, status > VIOMMU_S_OK, "%s", conf_status_name(status));
	}
}

/* Two mappings that a reader cannot tell from one: each goes alone, and is there until it does. */
static void mappings_are_whole(struct conf *c)
{
	if (!attached(c) || !conf_set_up(c, conf_map_pages(c, D1, 0, 4, 0, RW)) ||
	    !conf_set_up(c, conf_map_pages(c, D1, 4, 4, 4, RW)))
		return;
	(void)conf_expect(c, conf_unmap_pages(c, D1, 0, 4), VIOMMU_S_OK);
	(void)conf_expect(c, conf_map_pages(c, D1, 4, 1, 4, RW), VIOMMU_S_INVAL);
	(void)conf_expect(c, conf_unmap_pages(c, D1, 4, 4), VIOMMU_S_OK);
	(void)conf_expect(c, conf_map_pages(c, D1, 0, 8, 0, RW), VIOMMU_S_OK);
}

/* More faults than there are buffers. The device goes on, and so does the event queue once there are some. */
static void events_wait_or_drop(struct conf *c)
{
	uint8_t report[VIOMMU_WIRE_FAULT_SIZE];

	if (!conf_has_dma(c, 1) || !attached(c))
		return;
	for (uint32_t i = 0; i < 6; i++)
		conf_dma_write(c, 0, conf_iova(c, i));
	(void)conf_expect(c, conf_map_pages(c, D1, 0, 1, 0, RW), VIOMMU_S_OK);
	while (conf_take_event(c, report))
		;
	conf_give_events(c, 4, VIOMMU_WIRE_FAULT_SIZE);
	while (conf_take_event(c, report))
		;
	conf_give_events(c, 4, VIOMMU_WIRE_FAULT_SIZE);
	conf_dma_write(c, 0, conf_iova(c, 7));
	if (conf_check(c, conf_take_event(c, report), "no report, with buffers for it"))
		(void)conf_check(c, (report[8] | (uint32_t)report[9] << 8) == EP, "it names another endpoint");
}

static void bypass_is_identity(struct conf *c)
{
	if (!conf_has_dma(c, 1) || !conf_start(c, CONF_CLASS_FEATURES) || !conf_load_engine(c, 0, SEED))
		return;
	if ((c->negotiated & VIOMMU_F_BYPASS_CONFIG) == 0) {
		conf_absent(c, "BYPASS_CONFIG is not offered");
		return;
	}
	if (!conf_set_up(c, conf_attach(D1, EP, VIOMMU_ATTACH_F_BYPASS)))
		return;
	expect_write_to(c, 3, conf_phys(c, 3));
	if (!conf_set_up(c, conf_detach(D1, EP)))
		return;
	conf_set_bypass(c, 1);
	expect_write_to(c, 2, conf_phys(c, 2));
}

static void queue_size_is_a_power(struct conf *c)
{
	for (uint32_t queue = 0; queue < VIOMMU_QUEUE_COUNT; queue++) {
		uint32_t size = c->target->registers->queue_size_max(c->target->registers_ctx, queue);

		(void)conf_check(c, viommu_virtq_size_is_valid(size), "queue %u: %u", queue, size);
		conf_note(c, "queue %u: %u", queue, size);
	}
}

static void index_wraps(struct conf *c)
{
	if (!conf_start(c, CONF_CLASS_FEATURES))
		return;
	for (uint32_t i = 0; i < 65536 + 4 && !c->gone; i++) {
		if (!conf_expect(c, conf_detach(D1, c->target->unknown_endpoint), VIOMMU_S_NOENT))
			return;
	}
	(void)conf_check(c, c->queues[VIOMMU_QUEUE_REQUEST].taken == 4, "it does not");
}

static void served_until_reset(struct conf *c)
{
	for (int life = 0; life < 2; life++) {
		if (!attached(c) || !conf_reset(c))
			return;
	}
}

#define UNREACHED(rule, topic, why)                                                                                    \
	{                                                                                                              \
		rule, "STATED", topic, NULL, why                                                                       \
	}

const struct conf_case conf_stated_cases[] = {
	{ "INF-01", "STATED", "no endpoint is attached after a reset", reset_detaches, NULL },
	{ "INF-03", "STATED", "too short to be parsed: length 0", unparsable_unwritten, NULL },
	{ "INF-04", "STATED", "ATTACH makes the domain", attach_makes_domain, NULL },
	{ "INF-05", "STATED", "a domain goes with its last endpoint", domain_goes, NULL },
	{ "INF-06", "STATED", "domains do not see each other", domains_are_apart, NULL },
	{ "INF-07", "STATED", "a mapping is linear", mapping_is_linear, NULL },
	{ "INF-08", "STATED", "no MAP beyond input_range", input_range_is_kept, NULL },
	{ "INF-11", "STATED", "whole mappings are removed", mappings_are_whole, NULL },
	{ "INF-14", "STATED", "more faults than event buffers", events_wait_or_drop, NULL },
	UNREACHED("INF-15", "the closest reason", "there is no fault of another kind"),
	UNREACHED("INF-16", "NEEDS_RESET for other faults", "there is no fault of another kind"),
	{ "INF-17", "STATED", "bypass leads to the same address", bypass_is_identity, NULL },
	{ "INF-19", "STATED", "queue sizes are powers of two", queue_size_is_a_power, NULL },
	{ "INF-20", "STATED", "indices wrap at 65536", index_wraps, NULL },
	UNREACHED("INF-21", "notifications of the configuration", "it does not change by itself"),
	{ "INF-23", "STATED", "queues are served until the reset", served_until_reset, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};
