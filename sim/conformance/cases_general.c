/* SPDX-License-Identifier: BSD-3-Clause */
/* cases_general.c: what is asked of any virtio device. */
#include "session.h"

#include <string.h>

#define EP (c->target->endpoints[0])
#define D1 conf_domain(c, 1)
#define KNOWN_FEATURES                                                                                                 \
	(UINT64_C(0x7f) | UINT64_C(0x3f) << 28 | UINT64_C(1) << 34 | UINT64_C(1) << 35 | UINT64_C(1) << 36 |           \
	 UINT64_C(3) << 38 | UINT64_C(1) << 40 | UINT64_C(1) << 43)
#define LEGACY_FEATURES (UINT64_C(1) << 24 | UINT64_C(1) << 27 | UINT64_C(1) << 30)
#define F_SUSPEND (UINT64_C(1) << 43)
#define F_SR_IOV (UINT64_C(1) << 37)
#define RING_FEATURES (VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX)

/* Posts an ATTACH and kicks. Is it left alone? */
static bool is_left_alone(struct conf *c)
{
	struct conf_message m = conf_attach(D1, EP, 0);
	struct conf_desc descs[2] = {
		{ c->target->memory_addr + CONF_OUT_AT, (uint32_t)m.len, CONF_DESC_NEXT, 1 },
		{ c->target->memory_addr + CONF_IN_AT, 4, CONF_DESC_WRITE, 0 },
	};
	uint8_t *in = c->target->memory + CONF_IN_AT;
	bool silent;

	(void)c->target->notifications(c->target->ctx);
	memcpy(c->target->memory + CONF_OUT_AT, m.bytes, m.len);
	memset(in, CONF_FILL, 4);
	conf_post(c, VIOMMU_QUEUE_REQUEST, 0, descs, 2);
	conf_kick(c, VIOMMU_QUEUE_REQUEST);
	conf_idle(c);
	silent = (c->target->notifications(c->target->ctx) & VIOMMU_INTERRUPT_USED) == 0;
	return silent && in[0] == CONF_FILL && in[3] == CONF_FILL &&
	       viommu_port_load16_acquire(c->queues[VIOMMU_QUEUE_REQUEST].used + 2) == c->queues[0].taken;
}

static void before_driver_ok(struct conf *c)
{
	if (!conf_negotiate(c, CONF_CLASS_FEATURES) || !conf_enable_queues(c, CONF_DESCRIPTORS))
		return;
	(void)conf_check(c, is_left_alone(c), "a request is carried out");
	conf_note(c, "status %#x, an ATTACH and a kick", conf_status(c));
}

/* An available index that no ring can hold. */
static bool break_ring(struct conf *c)
{
	if (!conf_start(c, CONF_CLASS_FEATURES))
		return false;
	(void)c->target->notifications(c->target->ctx);
	viommu_port_store16_release(c->queues[VIOMMU_QUEUE_REQUEST].avail + 2, 0x7000);
	conf_kick(c, VIOMMU_QUEUE_REQUEST);
	conf_idle(c);
	return true;
}

static void needs_reset(struct conf *c)
{
	if (break_ring(c))
		(void)conf_check(c, (conf_status(c) & VIOMMU_STATUS_NEEDS_RESET) != 0, "status %#x", conf_status(c));
	conf_note(c, "avail.idx 0x7000 in a ring of %u: status %#x", c->queues[0].size, conf_status(c));
}

static void needs_reset_notification(struct conf *c)
{
	uint8_t seen;

	if (!break_ring(c))
		return;
	seen = c->target->notifications(c->target->ctx);
	if ((conf_status(c) & VIOMMU_STATUS_NEEDS_RESET) == 0)
		conf_absent(c, "nothing found that makes the device need a reset");
	(void)conf_check(c, (seen & VIOMMU_INTERRUPT_CONFIG) != 0, "no notification");
	conf_note(c, "status %#x, notifications %#x", conf_status(c), seen);
}

static void subsets(struct conf *c)
{
	if (!conf_negotiate(c, UINT64_C(0x7f) | RING_FEATURES))
		return;
	for (uint32_t bit = 0; bit < 64; bit++) {
		if ((KNOWN_FEATURES >> bit & 1) != 0 && bit != 32 && bit != 34)
			(void)conf_negotiate(c, (UINT64_C(0x7f) | RING_FEATURES) & ~(UINT64_C(1) << bit));
	}
	(void)conf_negotiate(c, 0);
	conf_note(c, "of %#llx: all, each without one bit, VERSION_1 alone", (unsigned long long)c->offered);
}

static void refused_features(struct conf *c)
{
	uint64_t offered;
	void *ctx = c->target->registers_ctx;

	if (!conf_negotiate(c, CONF_CLASS_FEATURES))
		return;
	offered = c->offered;
	(void)conf_reset(c);
	conf_set_status(c, 3);
	c->target->registers->set_features(ctx, VIOMMU_F_VERSION_1 | UINT64_C(1) << 20);
	conf_set_status(c, 11);
	conf_note(c, "of %#llx: bit 20; status %#x", (unsigned long long)offered, conf_status(c));
	(void)conf_check(c, (conf_status(c) & VIOMMU_STATUS_FEATURES_OK) == 0, "FEATURES_OK stays");
}

static void unknown_features(struct conf *c)
{
	if (!conf_negotiate(c, CONF_CLASS_FEATURES))
		return;
	conf_note(c, "features %#llx", (unsigned long long)c->offered);
	(void)conf_check(c, (c->offered & ~(KNOWN_FEATURES | LEGACY_FEATURES)) == 0, "bits %#llx",
			 (unsigned long long)(c->offered & ~(KNOWN_FEATURES | LEGACY_FEATURES)));
}

static void again(struct conf *c)
{
	for (uint32_t i = 0; i < 3; i++)
		(void)conf_start(c, CONF_CLASS_FEATURES | RING_FEATURES);
}

static void reset_to_zero(struct conf *c)
{
	if (conf_start(c, CONF_CLASS_FEATURES))
		(void)conf_check(c, conf_reset(c), "status %#x", conf_status(c));
	conf_note(c, "status %#x after a reset", conf_status(c));
}

static void reset_is_quiet(struct conf *c)
{
	if (!conf_start(c, CONF_CLASS_FEATURES) || !conf_reset(c))
		return;
	(void)conf_check(c, is_left_alone(c), "a request is carried out");
	conf_note(c, "reset, an ATTACH and a kick");
}

static void early_reads(struct conf *c)
{
	uint8_t early[VIOMMU_WIRE_CONFIG_SIZE], late[VIOMMU_WIRE_CONFIG_SIZE];
	void *ctx = c->target->registers_ctx;

	if (!conf_reset(c))
		return;
	c->target->registers->config_read(ctx, 0, early, 37);
	if (!conf_negotiate(c, CONF_CLASS_FEATURES))
		return;
	c->target->registers->config_read(ctx, 0, late, 37);
	(void)conf_check(c, memcmp(early, late, 37) == 0, "other bytes than after FEATURES_OK");
	conf_note(c, "37 bytes read before and after");
}

static bool ring_reset(struct conf *c)
{
	const struct viommu_register_ops *ops = c->target->registers;
	void *ctx = c->target->registers_ctx;

	if (!conf_start(c, CONF_CLASS_FEATURES | VIOMMU_F_RING_RESET))
		return false;
	if ((c->negotiated & VIOMMU_F_RING_RESET) == 0 || ops->queue_reset == NULL) {
		conf_absent(c, "RING_RESET is not offered");
		return false;
	}
	if (!conf_set_up(c, conf_attach(D1, EP, 0)) ||
	    !conf_check(c, ops->queue_reset(ctx, VIOMMU_QUEUE_REQUEST) == VIOMMU_OK, "the queue cannot be reset"))
		return false;
	for (uint32_t i = 0; i < c->target->patience && ops->queue_is_resetting(ctx, VIOMMU_QUEUE_REQUEST); i++)
		(void)c->target->run(c->target->ctx);
	return conf_check(c, !ops->queue_is_resetting(ctx, VIOMMU_QUEUE_REQUEST), "the queue's reset does not end");
}

static void queue_is_quiet(struct conf *c)
{
	if (ring_reset(c))
		(void)conf_check(c, is_left_alone(c), "a request is carried out");
	conf_note(c, "queue reset, an ATTACH and a kick");
}

static void queue_begins_anew(struct conf *c)
{
	if (ring_reset(c) && conf_check(c, conf_enable_queue(c, 0, CONF_DESCRIPTORS), "it cannot be enabled again"))
		(void)conf_expect(c, conf_attach(D1, EP, 0), VIOMMU_S_OK);
}

static void queue_of_another_size(struct conf *c)
{
	if (!ring_reset(c) || !conf_check(c, conf_enable_queue(c, 0, 4), "it cannot be enabled again"))
		return;
	for (uint32_t i = 0; i < 12; i++)
		(void)conf_expect(c, conf_attach(D1, EP, 0), VIOMMU_S_OK);
}

static void suspend(struct conf *c)
{
	if (!conf_negotiate(c, CONF_CLASS_FEATURES))
		return;
	if ((c->offered & F_SUSPEND) == 0)
		conf_absent(c, "SUSPEND is not offered");
	else
		conf_unreached(c, "there is no test for SUSPEND");
}

static void version_1(struct conf *c)
{
	if (conf_negotiate(c, CONF_CLASS_FEATURES))
		(void)conf_check(c, (c->offered & VIOMMU_F_VERSION_1) != 0, "it is not");
	conf_note(c, "features %#llx", (unsigned long long)c->offered);
}

static void version_1_declined(struct conf *c)
{
	if (!conf_reset(c))
		return;
	conf_set_status(c, 3);
	c->target->registers->set_features(c->target->registers_ctx, VIOMMU_F_MAP_UNMAP);
	conf_set_status(c, 11);
	conf_free(c, (conf_status(c) & VIOMMU_STATUS_FEATURES_OK) != 0 ? "it runs without" : "it refuses");
}

static void in_order(struct conf *c)
{
	if (!conf_start(c, CONF_CLASS_FEATURES | VIOMMU_F_IN_ORDER))
		return;
	if ((c->negotiated & VIOMMU_F_IN_ORDER) == 0) {
		conf_absent(c, "IN_ORDER is not offered");
		return;
	}
	/* Buffers that can only be returned with length 0, so that all are taken in one go. */
	for (uint16_t i = 0; i < 16; i++) {
		struct conf_desc desc = { c->target->memory_addr + CONF_OUT_AT, 4, 0, 0 };

		conf_post(c, VIOMMU_QUEUE_REQUEST, (uint16_t)(15 - i), &desc, 1);
	}
	conf_kick(c, VIOMMU_QUEUE_REQUEST);
	for (uint16_t i = 0; i < 16; i++)
		(void)conf_check(c, conf_wait(c, VIOMMU_QUEUE_REQUEST) && c->used_id == 15 - i, "buffer %u is %u", i,
				 c->used_id);
	conf_note(c, "16 buffers");
}

static void sr_iov(struct conf *c)
{
	if (conf_negotiate(c, CONF_CLASS_FEATURES))
		(void)conf_check(c, (c->offered & F_SR_IOV) == 0, "it is");
	conf_note(c, "features %#llx", (unsigned long long)c->offered);
}

#define UNREACHED(rule, level, topic, why)                                                                             \
	{                                                                                                              \
		rule, level, topic, NULL, why                                                                          \
	}
#define SUSPEND(rule, level, topic)                                                                                    \
	{                                                                                                              \
		rule, level, topic, suspend, NULL                                                                      \
	}

const struct conf_case conf_general_cases[] = {
	{ "GEN-DEV-STATUS-01", "MUST_NOT", "work before DRIVER_OK", before_driver_ok, NULL },
	{ "GEN-DEV-STATUS-02", "SHOULD", "NEEDS_RESET for what only a reset mends", needs_reset, NULL },
	{ "GEN-DEV-STATUS-03", "MUST", "and a notification of it", needs_reset_notification, NULL },
	UNREACHED("GEN-DEV-FEAT-01", "MUST_NOT", "a bit without its prerequisite", "no bit of this class has one"),
	{ "GEN-DEV-FEAT-02", "SHOULD", "any subset of the offer", subsets, NULL },
	{ "GEN-DEV-FEAT-03", "MUST", "FEATURES_OK does not stay otherwise", refused_features, NULL },
	{ "GEN-DEV-FEAT-04", "MUST_NOT", "bits that nobody knows", unknown_features, NULL },
	{ "GEN-DEV-FEAT-05", "SHOULD_NOT", "refused after a reset", again, NULL },
	{ "GEN-DEV-RESET-01", "MUST", "status 0 after a reset", reset_to_zero, NULL },
	{ "GEN-DEV-RESET-02", "MUST_NOT", "work after a reset", reset_is_quiet, NULL },
	{ "GEN-DEV-CONFIG-01", "MUST", "configuration before FEATURES_OK", early_reads, NULL },
	{ "GEN-DEV-VQRESET-01", "MUST_NOT", "work of a queue that was reset", queue_is_quiet, NULL },
	{ "GEN-DEV-VQRESET-02", "MUST", "it begins anew", queue_begins_anew, NULL },
	{ "GEN-DEV-VQENABLE-01", "MUST", "with another size", queue_of_another_size, NULL },
	SUSPEND("GEN-DEV-SUSPEND-01", "MUST", "not before DRIVER_OK"),
	SUSPEND("GEN-DEV-SUSPEND-02", "SHOULD", "configuration is not written"),
	SUSPEND("GEN-DEV-SUSPEND-03", "MUST_NOT", "work"),
	SUSPEND("GEN-DEV-SUSPEND-04", "MUST_NOT", "notifications of the configuration"),
	SUSPEND("GEN-DEV-SUSPEND-05", "MUST", "they come at the end"),
	SUSPEND("GEN-DEV-SUSPEND-06", "MUST", "a request for it ends"),
	SUSPEND("GEN-DEV-SUSPEND-07", "MUST", "resuming ends"),
	SUSPEND("GEN-DEV-SUSPEND-08", "SHOULD", "queues are drained"),
	SUSPEND("GEN-DEV-SUSPEND-08.1", "SHOULD", "no more buffers"),
	SUSPEND("GEN-DEV-SUSPEND-08.2", "SHOULD", "all are used"),
	SUSPEND("GEN-DEV-SUSPEND-08.3", "SHOULD", "and notified"),
	{ "GEN-DEV-RSVD-01", "MUST", "VERSION_1 is offered", version_1, NULL },
	{ "GEN-DEV-RSVD-02", "MAY", "refuses without VERSION_1", version_1_declined, NULL },
	UNREACHED("GEN-DEV-RSVD-03", "SHOULD", "ACCESS_PLATFORM where it is needed", "what is needed does not show"),
	UNREACHED("GEN-DEV-RSVD-04", "MAY", "refuses without ACCESS_PLATFORM", "what is needed does not show"),
	{ "GEN-DEV-RSVD-05", "MUST", "IN_ORDER", in_order, NULL },
	UNREACHED("GEN-DEV-RSVD-06", "MAY", "refuses without ORDER_PLATFORM", "what is needed does not show"),
	UNREACHED("GEN-DEV-RSVD-07", "MAY", "slower without ORDER_PLATFORM", "what is needed does not show"),
	UNREACHED("GEN-DEV-RSVD-08", "SHOULD", "PCI cards offer both", "a card does not show"),
	UNREACHED("GEN-DEV-RSVD-09", "SHOULD", "SR_IOV with that capability", "the registers do not show it"),
	{ "GEN-DEV-RSVD-10", "MUST_NOT", "SR_IOV without it", sr_iov, NULL },
	{ 0 },
};
