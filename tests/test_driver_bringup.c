/* SPDX-License-Identifier: BSD-3-Clause */
/* test_driver_bringup.c: memory, init, start, stop: which registers in which order, and when the driver gives up. */
#include "driver_fixture.h"
#include "suite.h"

#include "sim/env/env.h"

/* Init and memory */

static enum viommu_result wait_never(void *ctx, uint32_t attempt)
{
	(void)ctx;
	(void)attempt;
	return VIOMMU_E_TIMEOUT;
}

static void lock_nothing(void *ctx)
{
	(void)ctx;
}

static void clean_nothing(void *ctx, void *shared, size_t len)
{
	(void)ctx;
	(void)shared;
	(void)len;
}

static void assert_config(const struct viommu_driver_config *config, enum viommu_result expected)
{
	static struct viommu_driver drv;
	struct viommu_shared_memory shared = { .addr = 0 };
	size_t a, b;

	assert_int_equal(viommu_driver_mem_size(config, &a, &b), expected);
	if (expected != VIOMMU_OK)
		assert_int_equal(viommu_driver_init(&drv, config, &a, sizeof a, &shared), expected);
}

static void test_driver_init__configuration__is_judged(void **state)
{
	const struct viommu_driver_ops good = { .size = sizeof good, .wait = wait_never };
	const struct viommu_driver_config base = { .size = sizeof base,
						   .features = VIOMMU_DRIVER_FEATURES,
						   .ops = &good };
	struct viommu_driver_ops ops;
	struct viommu_driver_config c;
	static const uint32_t bad_sizes[] = { 1, 3, 65536, 0x80000000, UINT32_MAX };
	static const uint64_t bad_granules[] = { 1, 128, 0x1001, 3 * PAGE, UINT64_MAX };
	size_t private_bytes, shared_bytes;

	(void)state;
	assert_config(&base, VIOMMU_OK);
	c = base;
	c.size--;
	assert_config(&c, VIOMMU_E_ABI);
	ops = good;
	ops.size++;
	c = base;
	c.ops = &ops;
	assert_config(&c, VIOMMU_E_ABI);
	c.ops = NULL;
	assert_config(&c, VIOMMU_E_ARG);

	for (size_t i = 0; i < sizeof bad_sizes / sizeof bad_sizes[0]; i++) {
		c = base;
		c.queue_size = bad_sizes[i];
		assert_config(&c, VIOMMU_E_ARG);
		c = base;
		c.event_count = bad_sizes[i];
		assert_config(&c, bad_sizes[i] == 1 ? VIOMMU_OK : VIOMMU_E_ARG);
	}
	for (size_t i = 0; i < sizeof bad_granules / sizeof bad_granules[0]; i++) {
		c = base;
		c.granule = bad_granules[i];
		assert_config(&c, VIOMMU_E_ARG);
		c = base;
		c.granule_max = bad_granules[i];
		assert_config(&c, VIOMMU_E_ARG);
	}
	c = base;
	c.granule = 16 * PAGE;
	c.granule_max = PAGE;
	assert_config(&c, VIOMMU_E_ARG);
	for (unsigned bit = 0; bit < 64; bit++) {
		c = base;
		c.features = UINT64_C(1) << bit;
		assert_config(&c, (c.features & VIOMMU_DRIVER_FEATURES) != 0 ? VIOMMU_OK : VIOMMU_E_ARG);
	}
	c = base;
	c.probe_size_max = 0x10000000;
	assert_int_equal(viommu_driver_mem_size(&c, &private_bytes, &shared_bytes), VIOMMU_OK);
	assert_true(private_bytes > 0x10000000 && shared_bytes > 0x10000000);
	c.probe_size_max++;
	assert_config(&c, VIOMMU_E_ARG);
	c.probe_size_max = UINT32_MAX;
	assert_config(&c, VIOMMU_E_ARG);

	ops = good;
	c = base;
	c.ops = &ops;
	ops.wait = NULL;
	assert_config(&c, VIOMMU_E_ARG);
	ops = good;
	ops.lock = lock_nothing;
	assert_config(&c, VIOMMU_E_ARG);
	ops = good;
	ops.unlock = lock_nothing;
	assert_config(&c, VIOMMU_E_ARG);
	ops = good;
	ops.clean = clean_nothing;
	assert_config(&c, VIOMMU_E_ARG);
	ops = good;
	ops.invalidate = clean_nothing;
	assert_config(&c, VIOMMU_E_ARG);
}

static void test_driver_init__memory_one_byte_short_or_misaligned__is_refused(void **state)
{
	static const struct viommu_driver_ops ops = { .size = sizeof ops, .wait = wait_never };
	struct viommu_driver_config c = VIOMMU_DRIVER_CONFIG_INIT;
	static struct viommu_driver drv;
	static _Alignas(16) uint8_t shared_bytes[65536], private_bytes[65536];
	struct viommu_shared_memory shared = { shared_bytes, 0x1000, 0 };
	size_t priv;

	(void)state;
	c.ops = &ops;
	assert_int_equal(viommu_driver_mem_size(&c, &priv, &shared.len), VIOMMU_OK);
	assert_true(priv + 16 <= sizeof private_bytes && shared.len + 16 <= sizeof shared_bytes);
	assert_int_equal(viommu_driver_init(&drv, &c, private_bytes + 1, priv, &shared), VIOMMU_OK);
	assert_int_equal(viommu_driver_init(&drv, &c, private_bytes, priv - 1, &shared), VIOMMU_E_NOMEM);
	shared.len--;
	assert_int_equal(viommu_driver_init(&drv, &c, private_bytes, priv, &shared), VIOMMU_E_NOMEM);
	shared.len++;
	shared.base = shared_bytes + 8;
	assert_int_equal(viommu_driver_init(&drv, &c, private_bytes, priv, &shared), VIOMMU_E_ARG);
	shared.base = shared_bytes;
	shared.addr = 0x1004;
	assert_int_equal(viommu_driver_init(&drv, &c, private_bytes, priv, &shared), VIOMMU_E_ARG);
	/* The last byte of the bus is the last byte of the memory, and one further is none. */
	shared.addr = 0 - (uint64_t)shared.len;
	assert_int_equal(viommu_driver_init(&drv, &c, private_bytes, priv, &shared), VIOMMU_OK);
	shared.addr += 16;
	assert_int_equal(viommu_driver_init(&drv, &c, private_bytes, priv, &shared), VIOMMU_E_ARG);
}

static void test_driver_init__area_missing__is_refused(void **state)
{
	static const struct viommu_driver_ops ops = { .size = sizeof ops, .wait = wait_never };
	struct viommu_driver_config c = VIOMMU_DRIVER_CONFIG_INIT;
	static struct viommu_driver drv;
	static _Alignas(16) uint8_t shared_bytes[65536];
	struct viommu_shared_memory shared = { shared_bytes, 0x1000, sizeof shared_bytes };

	(void)state;
	c.ops = &ops;
	assert_int_equal(viommu_driver_init(&drv, &c, NULL, SIZE_MAX, &shared), VIOMMU_E_NOMEM);
	shared.base = NULL;
	assert_int_equal(viommu_driver_init(&drv, &c, shared_bytes, sizeof shared_bytes, &shared), VIOMMU_E_NOMEM);
}

/* Cache lines are 64 bytes, and belong to one side: with a clean hook the areas start at one. */
static void test_driver_init__clean_hook__alignment_of_a_cache_line(void **state)
{
	static const struct viommu_driver_ops plain = { .size = sizeof plain, .wait = wait_never };
	static const struct viommu_driver_ops cleaning = {
		.size = sizeof cleaning, .wait = wait_never, .clean = clean_nothing, .invalidate = clean_nothing
	};
	struct viommu_driver_config c = VIOMMU_DRIVER_CONFIG_INIT;
	static struct viommu_driver drv;
	static _Alignas(64) uint8_t shared_bytes[65536];
	static uint8_t private_bytes[65536];

	(void)state;
	for (size_t shift = 0; shift <= 64; shift += 16) {
		struct viommu_shared_memory host = { shared_bytes + shift, 0x1000, sizeof shared_bytes - 64 };
		struct viommu_shared_memory bus = { shared_bytes, 0x1000 + shift, sizeof shared_bytes - 64 };
		enum viommu_result expected = shift % 64 == 0 ? VIOMMU_OK : VIOMMU_E_ARG;

		c.ops = &cleaning;
		assert_int_equal(viommu_driver_init(&drv, &c, private_bytes, sizeof private_bytes, &host), expected);
		assert_int_equal(viommu_driver_init(&drv, &c, private_bytes, sizeof private_bytes, &bus), expected);
		c.ops = &plain;
		assert_int_equal(viommu_driver_init(&drv, &c, private_bytes, sizeof private_bytes, &host), VIOMMU_OK);
		assert_int_equal(viommu_driver_init(&drv, &c, private_bytes, sizeof private_bytes, &bus), VIOMMU_OK);
	}
}

/* Order */

/* Only what changes something, and what has to be seen in between. */
static void test_driver_start__honest_device__uses_registers_in_the_prescribed_order(void **state)
{
	struct driver_options o;
	struct driver_fixture *f;
	uint32_t at = 0;
	int stage = 0;
	bool checked = false, kicked = false;
	uint32_t enabled = 0;

	(void)state;
	driver_options_init(&o);
	f = driver_setup(&o);
	f->script.status = 0x0f; /* somebody was here before */
	f->script.reset_reads = 3;
	assert_int_equal(driver_start(f), VIOMMU_OK);

	/* GEN-DRV-INIT-01 and .1 to .8, GEN-DRV-STATUS-01, GEN-DRV-RESET-01, GEN-DRV-INIT-07 */
	for (at = 0; at < f->step_count; at++) {
		const struct register_step *s = &f->steps[at];

		switch (s->access) {
		case SET_STATUS:
			switch (stage) {
			case 0:
				assert_int_equal(s->a, 0);
				break;
			case 1:
				assert_int_equal(s->a, VIOMMU_STATUS_ACKNOWLEDGE);
				break;
			case 2:
				assert_int_equal(s->a, VIOMMU_STATUS_ACKNOWLEDGE | VIOMMU_STATUS_DRIVER);
				break;
			case 4:
				assert_int_equal(s->a, 11);
				break;
			case 5:
				assert_true(checked);
				assert_int_equal(enabled, 3);
				assert_int_equal(s->a, 15);
				break;
			default:
				fail();
			}
			stage++;
			break;
		case GET_STATUS:
			if (stage == 1) { /* polling until the reset is done */
				if (s->a != 0)
					assert_int_not_equal(f->steps[at + 1].access, SET_STATUS);
			}
			checked = checked || stage == 5;
			break;
		case GET_FEATURES:
			assert_int_equal(stage, 3);
			break;
		case SET_FEATURES:
			assert_int_equal(stage, 3);
			stage = 4;
			break;
		case QUEUE_ENABLE:
			assert_true(stage == 5 && checked);
			enabled |= 1u << s->a;
			break;
		case NOTIFY:
			assert_int_equal(stage, 6);
			kicked = true;
			break;
		case CONFIG_WRITE:
			fail();
			break;
		default:
			assert_true(stage >= 3);
			break;
		}
	}
	assert_int_equal(stage, 6);
	/* The event queue is full, and the device was told (INF-14). */
	assert_true(kicked);
	assert_int_equal(f->kicks[VIOMMU_QUEUE_REQUEST], 0);
	assert_int_equal(f->script.status, 15);
	driver_teardown(f);
}

static void test_driver_start__offer_with_unknown_bits__acknowledges_known_ones_only(void **state)
{
	struct driver_options o;
	struct driver_fixture *f;
	struct viommu_driver_limits limits;

	(void)state;
	driver_options_init(&o);
	/* GEN-DRV-FEAT-01, -04, -05, -08, GEN-DRV-RSVD-01, -03, -07, -10, IOMMU-DRV-FEAT-01 */
	o.offered = UINT64_MAX;
	f = driver_up(&o);
	/* Bits 0 to 2, 4 to 6 of the IOMMU; 28, 29, 32, 33, 35, 36, 38 and 40 of all devices. */
	assert_int_equal(f->script.accepted, UINT64_C(0x15b30000077));
	assert_int_equal(f->script.accepted, VIOMMU_DRIVER_FEATURES);
	viommu_driver_get_limits(&f->drv, &limits);
	assert_int_equal(limits.features, VIOMMU_DRIVER_FEATURES);
	/* GEN-DRV-RSVD-08: what was negotiated is what the queues do. */
	for (unsigned queue = 0; queue < VIOMMU_QUEUE_COUNT; queue++)
		assert_true(f->drv.virtqs[queue].order_platform && f->drv.virtqs[queue].in_order);
	driver_teardown(f);

	/* Each one alone is accepted if it is offered, and not if the embedder does not want it. */
	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t needed = VIOMMU_F_VERSION_1 | VIOMMU_F_MAP_UNMAP;

		driver_options_init(&o);
		o.offered = needed | UINT64_C(1) << bit;
		f = driver_up(&o);
		assert_int_equal(f->script.accepted, o.offered & VIOMMU_DRIVER_FEATURES);
		driver_teardown(f);
		o.config.features = 0;
		f = driver_up(&o);
		assert_int_equal(f->script.accepted, needed);
		driver_teardown(f);
	}
}

/* INF-24: the fixture looks at what each kick says. Registers that cannot say it have no such feature. */
static void test_driver_start__notification_data__kicks_carry_the_position_if_the_registers_can(void **state)
{
	struct viommu_register_ops without = fixture_register_ops;
	struct viommu_driver_domain domain;
	struct viommu_driver_endpoint endpoint;
	struct driver_options o;

	(void)state;
	without.notify_data = NULL;
	for (unsigned mode = 0; mode < 3; mode++) {
		bool able = mode == 0;
		struct driver_fixture *f;

		driver_options_init(&o);
		if (mode == 1)
			o.offered &= ~VIOMMU_F_NOTIFICATION_DATA;
		f = driver_setup(&o);
		assert_int_equal(viommu_driver_start(&f->drv, mode == 2 ? &without : &fixture_register_ops, f),
				 VIOMMU_OK);
		assert_int_equal((f->script.accepted & VIOMMU_F_NOTIFICATION_DATA) != 0, able);
		domain_up(f, &domain, &endpoint, 1);
		assert_true(f->kicks[VIOMMU_QUEUE_REQUEST] > 0 && f->kicks[VIOMMU_QUEUE_EVENT] > 0);
		assert_int_equal(f->kicks_with_data,
				 able ? f->kicks[VIOMMU_QUEUE_REQUEST] + f->kicks[VIOMMU_QUEUE_EVENT] : 0);
		driver_teardown(f);
	}
}

/* A queue can be reset only by registers that can begin it and tell when it is over. */
static void test_driver_start__ring_reset__accepted_if_the_registers_can(void **state)
{
	struct driver_options o;

	(void)state;
	for (unsigned mode = 0; mode < 3; mode++) {
		struct viommu_register_ops ops = fixture_register_ops;
		struct driver_fixture *f;

		if (mode == 1)
			ops.queue_reset = NULL;
		if (mode == 2)
			ops.queue_is_resetting = NULL;
		driver_options_init(&o);
		f = driver_setup(&o);
		assert_int_equal(viommu_driver_start(&f->drv, &ops, f), VIOMMU_OK);
		assert_int_equal((f->script.accepted & VIOMMU_F_RING_RESET) != 0, mode == 0);
		driver_teardown(f);
	}
}

/* Refusals */

struct refusal {
	const char *what;
	void (*spoil)(struct driver_options *o);
	void (*spoil_device)(struct driver_fixture *f);
	enum viommu_result expected;
};

static void no_version_1(struct driver_options *o)
{
	o->offered &= ~VIOMMU_F_VERSION_1;
}

static void no_map_unmap(struct driver_options *o)
{
	o->offered &= ~VIOMMU_F_MAP_UNMAP;
}

static void no_features_ok(struct driver_fixture *f)
{
	f->script.refuses_features = true;
}

static void granule_zero(struct driver_options *o)
{
	o->space.page_size_mask = 0;
}

static void granule_64k(struct driver_options *o)
{
	o->space.page_size_mask = ~UINT64_C(0xffff);
}

static void granule_huge(struct driver_options *o)
{
	o->space.page_size_mask = UINT64_C(1) << 63;
}

static void probe_size_above(struct driver_options *o)
{
	o->space.probe_size = 513;
}

static void probe_size_huge(struct driver_options *o)
{
	o->space.probe_size = 0xfffffff0;
}

static void input_upside_down(struct driver_options *o)
{
	o->space.input_range = (struct viommu_range){ 0x2000, 0x1000 };
}

static void domains_upside_down(struct driver_options *o)
{
	o->space.domain_first = 2;
	o->space.domain_last = 1;
}

static void no_request_queue(struct driver_fixture *f)
{
	f->script.queue_max[0] = 0;
}

static void no_event_queue(struct driver_fixture *f)
{
	f->script.queue_max[1] = 0;
}

static void one_entry(struct driver_fixture *f)
{
	f->script.queue_max[0] = 1;
}

static void one_entry_direct(struct driver_options *o)
{
	o->offered &= ~VIOMMU_F_INDIRECT_DESC;
	o->queue_max = 1;
}

static void never_settles(struct driver_fixture *f)
{
	f->script.never_settles = true;
}

static void refuses_queue(struct driver_fixture *f)
{
	f->script.refuses_queue = true;
}

/* Any result but success. */
#define ANY_ERROR VIOMMU_OK

static const struct refusal refusals[] = {
	{ "no VERSION_1", no_version_1, NULL, VIOMMU_E_UNSUPP },          /* GEN-DRV-RSVD-02, CONF-BOTH-01 */
	{ "no MAP_UNMAP", no_map_unmap, NULL, VIOMMU_E_UNSUPP },          /* GEN-DRV-FEAT-07, INF-02 */
	{ "FEATURES_OK refused", NULL, no_features_ok, VIOMMU_E_UNSUPP }, /* GEN-DRV-INIT-01.6 */
	{ "granule 0", granule_zero, NULL, VIOMMU_E_UNSUPP },
	{ "granule 64 KiB", granule_64k, NULL, VIOMMU_E_RANGE },
	{ "granule 2^63", granule_huge, NULL, VIOMMU_E_RANGE },
	{ "probe_size", probe_size_above, NULL, VIOMMU_E_NOMEM },
	{ "probe_size huge", probe_size_huge, NULL, VIOMMU_E_NOMEM },
	{ "input range", input_upside_down, NULL, VIOMMU_E_PEER },
	{ "domain range", domains_upside_down, NULL, VIOMMU_E_PEER },
	{ "no request queue", NULL, no_request_queue, VIOMMU_E_UNSUPP },
	{ "no event queue", NULL, no_event_queue, VIOMMU_E_UNSUPP },
	{ "one entry", one_entry_direct, NULL, VIOMMU_E_UNSUPP },
	/* VQ-DRV-INDIR-03: a chain of two does not go into a queue of one, not even through an indirect table. */
	{ "one entry, indirect", NULL, one_entry, VIOMMU_E_UNSUPP },
	{ "generation", NULL, never_settles, VIOMMU_E_PEER },
	{ "queue refused", NULL, refuses_queue, ANY_ERROR },
};

/* GEN-DRV-FEAT-03, GEN-DRV-INIT-05, -06: FAILED, and nothing after it. */
static void test_driver_start__unusable_device__is_given_up_with_failed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		const struct refusal *r = &refusals[i];
		struct viommu_driver_domain domain;
		struct viommu_driver_endpoint endpoint;
		struct driver_options o;
		struct driver_fixture *f;
		enum viommu_result result;

		driver_options_init(&o);
		if (r->spoil != NULL)
			r->spoil(&o);
		f = driver_setup(&o);
		if (r->spoil_device != NULL)
			r->spoil_device(f);
		result = driver_start(f);
		if (result == VIOMMU_OK || (r->expected != ANY_ERROR && result != r->expected))
			fail_msg("%s: %d instead of %d", r->what, result, r->expected);
		assert_int_not_equal(f->script.status & VIOMMU_STATUS_FAILED, 0);
		assert_int_equal(f->script.status & VIOMMU_STATUS_DRIVER_OK, 0);
		assert_int_equal(steps_of(f, NOTIFY), 0);
		assert_int_equal(f->steps[f->step_count - 1].access, SET_STATUS);
		assert_int_equal(viommu_driver_domain_init(&domain, &f->drv, VIOMMU_DOMAIN_ANY, false), VIOMMU_E_STATE);
		assert_int_equal(viommu_driver_endpoint_init(&endpoint, &f->drv, 8, NULL, 0), VIOMMU_E_STATE);

		/* GEN-DRV-STATUS-03: a better device is started with a reset, and works. */
		driver_options_init(&o);
		f->script.offered = o.offered;
		f->script.config = o.space;
		f->script.queue_max[0] = f->script.queue_max[1] = 256;
		f->script.refuses_features = f->script.never_settles = f->script.refuses_queue = false;
		f->step_count = 0;
		assert_int_equal(driver_start(f), VIOMMU_OK);
		assert_int_equal(f->steps[0].access, SET_STATUS);
		assert_int_equal(f->steps[0].a, 0);
		domain_up(f, &domain, &endpoint, 8);
		driver_teardown(f);
	}
}

static void test_driver_start__register_table_of_unknown_size__is_refused(void **state)
{
	struct driver_fixture *f = driver_setup(NULL);
	struct viommu_register_ops ops = fixture_register_ops;

	(void)state;
	ops.size--;
	assert_int_equal(viommu_driver_start(&f->drv, &ops, f), VIOMMU_E_ABI);
	assert_int_equal(f->step_count, 0);
	driver_teardown(f);
}

static void test_driver_start__running__is_refused_without_touching_the_device(void **state)
{
	struct driver_fixture *f = driver_up(NULL);

	(void)state;
	assert_int_equal(driver_start(f), VIOMMU_E_STATE);
	assert_int_equal(f->step_count, 0);
	driver_teardown(f);
}

/* GEN-DRV-RESET-01, PCI-DRV-COMMON-04 */
static void test_driver_start__reset_never_finishes__times_out(void **state)
{
	struct driver_fixture *f = driver_setup(NULL);

	(void)state;
	f->script.status = 15;
	f->script.reset_reads = UINT32_MAX;
	assert_int_equal(driver_start(f), VIOMMU_E_TIMEOUT);
	assert_int_equal(f->waits, FIXTURE_WAITS);
	/* Nothing but the reset was asked for. */
	assert_int_equal(steps_of(f, SET_STATUS), 1);
	assert_int_equal(steps_of(f, GET_FEATURES), 0);
	f->script.reset_reads = 2;
	assert_int_equal(driver_start(f), VIOMMU_OK);
	driver_teardown(f);
}

/* GEN-DRV-CONFIG-01, -02: what was read while the configuration changed does not count. */
static void test_driver_start__configuration_changes_while_read__reads_again(void **state)
{
	struct driver_options o;
	struct driver_fixture *f;
	struct viommu_driver_limits limits;

	(void)state;
	driver_options_init(&o);
	o.space.input_range = (struct viommu_range){ 0x10000, 0xffffff };
	o.space.domain_first = 3;
	o.space.domain_last = 9;
	f = driver_setup(&o);
	f->script.settles_after = 5;
	assert_int_equal(driver_start(f), VIOMMU_OK);
	viommu_driver_get_limits(&f->drv, &limits);
	assert_int_equal(limits.input_range.first, 0x10000);
	assert_int_equal(limits.input_range.last, 0xffffff);
	assert_int_equal(limits.domain_first, 3);
	assert_int_equal(limits.domain_last, 9);
	driver_teardown(f);
}

/* GEN-DRV-CONFIG-03, -04, -05: config_read of the fixture refuses what lies behind the end. */
static void test_driver_start__short_configuration_space__reads_no_further_than_features_need(void **state)
{
	static const struct {
		uint64_t features;
		uint32_t len;
	} table[] = {
		{ 0, 8 },
		{ VIOMMU_F_INPUT_RANGE, 24 },
		{ VIOMMU_F_DOMAIN_RANGE, 32 },
		{ VIOMMU_F_PROBE, 36 },
		{ VIOMMU_F_BYPASS_CONFIG, 37 },
		{ VIOMMU_F_MMIO, 8 },
		{ VIOMMU_F_INPUT_RANGE | VIOMMU_F_DOMAIN_RANGE, 32 },
		{ VIOMMU_DRIVER_FEATURES, 37 },
		{ VIOMMU_DRIVER_FEATURES, 0x10000 }, /* of a later revision */
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct driver_options o;
		struct driver_fixture *f;
		struct viommu_driver_limits limits;

		driver_options_init(&o);
		/* Fields without their feature are full of nonsense. */
		o.space.input_range = (struct viommu_range){ 0x7000, 0x6000 };
		o.space.domain_first = 7;
		o.space.domain_last = 6;
		o.space.probe_size = 0xffffffff;
		if ((table[i].features & VIOMMU_F_INPUT_RANGE) != 0)
			o.space.input_range = (struct viommu_range){ 0x1000, 0x8fff };
		if ((table[i].features & VIOMMU_F_DOMAIN_RANGE) != 0)
			o.space.domain_last = 7;
		if ((table[i].features & VIOMMU_F_PROBE) != 0)
			o.space.probe_size = 64;
		o.offered = table[i].features | VIOMMU_F_VERSION_1 | VIOMMU_F_MAP_UNMAP;
		f = driver_setup(&o);
		f->script.config_len = table[i].len;
		assert_int_equal(driver_start(f), VIOMMU_OK);
		viommu_driver_get_limits(&f->drv, &limits);
		if ((table[i].features & VIOMMU_F_INPUT_RANGE) != 0) {
			assert_int_equal(limits.input_range.first, 0x1000);
			assert_int_equal(limits.input_range.last, 0x8fff);
		} else {
			assert_int_equal(limits.input_range.first, 0);
			assert_true(limits.input_range.last == UINT64_MAX);
		}
		assert_int_equal(limits.domain_first, (table[i].features & VIOMMU_F_DOMAIN_RANGE) != 0 ? 7 : 0);
		assert_int_equal(limits.domain_last, (table[i].features & VIOMMU_F_DOMAIN_RANGE) != 0 ? 7 : UINT32_MAX);
		driver_teardown(f);
	}
}

/* Sizes and granules */

/* GEN-DRV-FEAT-06: without INDIRECT_DESC too */
static void test_driver_start__queue_sizes__follow_the_device_and_indirect(void **state)
{
	static const struct {
		uint32_t wanted, max, indirect_slots, direct_slots, ring;
	} table[] = {
		{ 0, 256, 64, 32, 64 },  { 64, 64, 64, 32, 64 }, { 64, 32, 32, 16, 32 },
		{ 64, 100, 64, 32, 64 }, { 64, 63, 32, 16, 32 }, { 64, 3, 2, 1, 2 },
		{ 64, 2, 2, 1, 2 },      { 2, 32768, 2, 1, 2 },  { 8, UINT32_MAX, 8, 4, 8 },
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof table / sizeof table[0]; i++) {
		bool indirect = i % 2 != 0;
		struct viommu_driver_domain domain;
		struct viommu_driver_endpoint endpoint;
		struct driver_options o;
		struct driver_fixture *f;
		struct viommu_driver_limits limits;

		driver_options_init(&o);
		if (!indirect)
			o.offered &= ~VIOMMU_F_INDIRECT_DESC;
		o.config.queue_size = table[i / 2].wanted;
		o.queue_max = table[i / 2].max;
		f = driver_up(&o);
		viommu_driver_get_limits(&f->drv, &limits);
		assert_int_equal(limits.slots, indirect ? table[i / 2].indirect_slots : table[i / 2].direct_slots);
		assert_int_equal(f->script.layouts[0].size, table[i / 2].ring);
		assert_int_equal(f->script.layouts[1].size, table[i / 2].max < 16 ? table[i / 2].ring : 16);

		/* That many requests go out without waiting, and one more waits for them. */
		domain_up(f, &domain, &endpoint, 8);
		f->waits = 0;
		for (uint32_t n = 0; n < limits.slots; n++)
			assert_int_equal(viommu_driver_map(&domain, n * PAGE, n * PAGE + PAGE - 1, 0, RW), VIOMMU_OK);
		assert_int_equal(f->waits, 0);
		assert_int_equal(viommu_driver_map(&domain, UINT64_C(1) << 40, (UINT64_C(1) << 40) + PAGE - 1, 0, RW),
				 VIOMMU_OK);
		assert_int_not_equal(f->waits, 0);
		assert_int_equal(viommu_driver_sync(&domain, NULL), VIOMMU_OK);
		assert_record_is_model(f, &domain);
		driver_teardown(f);
	}
}

/* As the fixture's, and the device asks at once for no kicks of that queue. */
static enum viommu_result enable_and_ask_for_quiet(void *ctx, uint32_t queue, const struct viommu_virtq_layout *layout)
{
	struct driver_fixture *f = ctx;
	enum viommu_result result = fixture_register_ops.queue_enable(ctx, queue, layout);

	if (queue == VIOMMU_QUEUE_EVENT)
		viommu_port_store16((uint8_t *)f->shared.base + (layout->used - f->shared.addr), 1);
	return result;
}

static void test_driver_start__device_wants_no_kicks__gets_none(void **state)
{
	struct viommu_register_ops registers = fixture_register_ops;
	struct driver_options o;
	struct driver_fixture *f;

	(void)state;
	registers.queue_enable = enable_and_ask_for_quiet;
	driver_options_init(&o);
	o.offered &= ~VIOMMU_F_EVENT_IDX;
	f = driver_setup(&o);
	assert_int_equal(viommu_driver_start(&f->drv, &registers, f), VIOMMU_OK);
	assert_int_equal(f->kicks[VIOMMU_QUEUE_EVENT], 0);
	driver_teardown(f);
	f = driver_up(&o);
	assert_int_equal(f->kicks[VIOMMU_QUEUE_EVENT], 1);
	driver_teardown(f);
}

static void test_driver_start__granules__the_larger_one_counts(void **state)
{
	static const struct {
		uint64_t mask, granule, granule_max, expected; /* 0: given up */
	} table[] = {
		{ UINT64_MAX, 0, 0, 0x1000 }, /* bytes */
		{ 0x200, 0, 0, 0x1000 },
		{ 0xfffff000, 0, 0, 0x1000 },
		{ 0x2000, 0, 0, 0 },
		{ 0x2000, 0x1000, 0x2000, 0x2000 },
		{ 0x10000, 0x1000, 0x2000, 0 },
		{ 0x10000, 0x1000, 0x10000, 0x10000 },
		{ UINT64_C(1) << 40, 0x1000, UINT64_C(1) << 40, UINT64_C(1) << 40 },
		{ 0x1000, 0x4000, 0, 0x4000 },
		{ 1, 0x100, 0, 0x100 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		uint64_t g = table[i].expected;
		struct viommu_driver_domain d;
		struct viommu_driver_endpoint e;
		struct driver_options o;
		struct driver_fixture *f;
		struct viommu_driver_limits limits;

		driver_options_init(&o);
		o.space.page_size_mask = table[i].mask;
		o.config.granule = table[i].granule;
		o.config.granule_max = table[i].granule_max;
		f = driver_setup(&o);
		assert_int_equal(driver_start(f), g != 0 ? VIOMMU_OK : VIOMMU_E_RANGE);
		if (g != 0) {
			viommu_driver_get_limits(&f->drv, &limits);
			assert_true(limits.granule == g);
			domain_up(f, &d, &e, 8);
			assert_int_equal(viommu_driver_map(&d, g, 2 * g - 1, 4 * g, RW), VIOMMU_OK);
			assert_int_equal(viommu_driver_map(&d, 2 * g, 2 * g + g / 2 - 1, 4 * g, RW), VIOMMU_E_RANGE);
			assert_int_equal(viommu_driver_map(&d, 2 * g + g / 2, 3 * g - 1, 4 * g, RW), VIOMMU_E_RANGE);
			assert_int_equal(viommu_driver_map(&d, 2 * g, 3 * g - 1, g / 2, RW), VIOMMU_E_RANGE);
			assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
			assert_record_is_model(f, &d);
		}
		driver_teardown(f);
	}
}

/* What the limits promise can be mapped, whatever the device says of its ranges. */
static void test_driver_limits__input_range__is_never_larger_than_the_devices(void **state)
{
	static const struct {
		struct viommu_range device, expected;
	} table[] = {
		{ { 0, UINT64_MAX }, { 0, UINT64_MAX } },
		{ { 1, UINT64_MAX }, { 0x1000, UINT64_MAX } },
		{ { 0, UINT64_MAX - 1 }, { 0, UINT64_MAX - 0x1000 } },
		{ { 0xfff, 0x3000 }, { 0x1000, 0x2fff } },
		{ { 0x1000, 0x1fff }, { 0x1000, 0x1fff } },
		{ { UINT64_MAX - 0xfff, UINT64_MAX }, { UINT64_MAX - 0xfff, UINT64_MAX } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct driver_options o;
		struct driver_fixture *f;
		struct viommu_driver_limits l;
		struct viommu_driver_domain d;
		struct viommu_driver_endpoint e;

		driver_options_init(&o);
		o.space.input_range = table[i].device;
		f = driver_up(&o);
		viommu_driver_get_limits(&f->drv, &l);
		assert_true(l.input_range.first == table[i].expected.first);
		assert_true(l.input_range.last == table[i].expected.last);
		domain_up(f, &d, &e, 8);
		assert_int_equal(viommu_driver_map(&d, l.input_range.first, l.input_range.last, 0, RW), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
		driver_teardown(f);
	}
}

/* A range without one whole granule: either no such device, or limits that do not promise what is outside it. */
static void test_driver_limits__input_range_below_a_granule__promises_nothing(void **state)
{
	static const struct viommu_range table[] = { { 0, 0xffe },
						     { 0x100, 0x200 },
						     { 0x800, 0x17ff },
						     { UINT64_MAX - 0x7ff, UINT64_MAX },
						     { UINT64_MAX - 1, UINT64_MAX - 1 } };

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct driver_options o;
		struct driver_fixture *f;
		struct viommu_driver_limits l;

		driver_options_init(&o);
		o.space.input_range = table[i];
		f = driver_setup(&o);
		if (driver_start(f) == VIOMMU_OK) {
			viommu_driver_get_limits(&f->drv, &l);
			if (l.input_range.first <= l.input_range.last &&
			    !viommu_range_contains(table[i], l.input_range))
				fail_msg("row %u: limits %llx..%llx", (unsigned)i,
					 (unsigned long long)l.input_range.first,
					 (unsigned long long)l.input_range.last);
		}
		driver_teardown(f);
	}
}

/* Stop */

/* GEN-DRV-CLEANUP-02 */
static void test_driver_stop__device_resets__is_stopped(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_up(f, &d, &e, 8);
	f->script.reset_reads = 3;
	f->step_count = 0;
	assert_int_equal(viommu_driver_stop(&f->drv), VIOMMU_OK);
	assert_int_equal(f->steps[0].access, SET_STATUS);
	assert_int_equal(f->steps[0].a, 0);
	assert_int_equal(f->script.status, 0);
	assert_int_equal(viommu_driver_map(&d, 0, PAGE - 1, 0, RW), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_unmap(&d, 0, PAGE - 1), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_E_STATE);
	assert_false(viommu_driver_process(&f->drv, 4));
	assert_int_equal(viommu_driver_domain_deinit(&d), VIOMMU_OK);
	driver_teardown(f);
}

/* GEN-DRV-CLEANUP-02: nothing is given back before the reset is done. */
static void test_driver_stop__reset_takes_long__can_be_asked_again(void **state)
{
	struct driver_fixture *f = driver_up(NULL);

	(void)state;
	f->script.reset_reads = UINT32_MAX;
	assert_int_equal(viommu_driver_stop(&f->drv), VIOMMU_E_TIMEOUT);
	assert_int_equal(driver_start(f), VIOMMU_E_STATE);
	f->script.reset_reads = 1;
	assert_int_equal(viommu_driver_stop(&f->drv), VIOMMU_OK);
	assert_int_equal(driver_start(f), VIOMMU_OK);
	driver_teardown(f);
}

/* Non-coherent memory */

/*
 * A machine with a cache in between: the driver's view is the shared memory, the device's is a copy. clean writes the
 * driver's own stores through, byte by byte; invalidate drops what the cache holds, stores that were not cleaned
 * included. (No false sharing: kinder than any machine.)
 */
struct cached {
	struct driver_fixture *f;
	uint8_t *device; /* the device's view */
	uint8_t *known;  /* the driver's view at the last transfer */
	size_t len;
};

static struct cached cached;

static void cache_clean(void *ctx, void *shared, size_t len)
{
	struct driver_fixture *f = ctx;
	uint8_t *cpu = f->shared.base;
	size_t at = (size_t)((uint8_t *)shared - cpu);

	(void)sim_env_call(SIM_ENV_CACHE, at, len);
	assert_true(at <= cached.len && len <= cached.len - at);
	for (size_t i = at; i < at + len; i++) {
		if (cpu[i] != cached.known[i])
			cached.device[i] = cached.known[i] = cpu[i];
	}
}

static void cache_invalidate(void *ctx, void *shared, size_t len)
{
	struct driver_fixture *f = ctx;
	uint8_t *cpu = f->shared.base;
	size_t at = (size_t)((uint8_t *)shared - cpu);

	(void)sim_env_call(SIM_ENV_CACHE, at, len);
	assert_true(at <= cached.len && len <= cached.len - at);
	for (size_t i = at; i < at + len; i++)
		cpu[i] = cached.known[i] = cached.device[i];
}

static void test_driver__memory_not_coherent__cleans_and_invalidates_what_it_has_to(void **state)
{
	struct driver_fixture *f;
	struct driver_options o;
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;
	const struct viommu_wire_fault fault = { VIOMMU_FAULT_R_MAPPING, VIOMMU_FAULT_F_READ, 8, 0 };

	(void)state;
	driver_options_init(&o);
	f = driver_setup(&o);
	f->ops.clean = cache_clean;
	f->ops.invalidate = cache_invalidate;
	f->has_own_hooks = true;
	cached = (struct cached){ f, sim_env_alloc(f->shared.len), sim_env_alloc(f->shared.len), f->shared.len };
	memset(cached.device, 0x77, cached.len);
	memcpy(cached.known, f->shared.base, cached.len);
	f->regions[0].host = cached.device;

	assert_int_equal(driver_start(f), VIOMMU_OK);
	domain_up(f, &d, &e, 8);
	for (uint32_t round = 0; round < 100; round++) {
		for (uint32_t i = 0; i < 5; i++)
			assert_int_equal(viommu_driver_map(&d, i * PAGE, i * PAGE + PAGE - 1, round * PAGE, RW),
					 VIOMMU_OK);
		/* Completions are looked for while requests wait to be published. */
		(void)viommu_driver_process(&f->drv, 4);
		assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
		assert_record_is_model(f, &d);
		assert_true(script_fault(f, &fault));
		assert_false(viommu_driver_process(&f->drv, 4));
		assert_int_equal(f->fault_count, round + 1);
		assert_int_equal(viommu_driver_unmap(&d, 0, 5 * PAGE - 1), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	}
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_OK);
	driver_teardown(f);
}

/* The real device */

static void test_driver_start__real_device__maps_and_translates(void **state)
{
	struct driver_options o;
	struct driver_fixture *f;
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;
	uint64_t gpa;

	(void)state;
	driver_options_init(&o);
	o.real = true;
	f = driver_up(&o);
	domain_up(f, &d, &e, REAL_FIRST_ENDPOINT);
	assert_int_equal(viommu_driver_map(&d, 0x5000, 0x6fff, 0xa000, VIOMMU_MAP_F_READ), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	assert_true(real_translate(f, 0, 0x6123, VIOMMU_ACCESS_READ, &gpa));
	assert_int_equal(gpa, 0xb123);
	assert_false(real_translate(f, 0, 0x6123, VIOMMU_ACCESS_WRITE, &gpa));
	assert_int_equal(viommu_driver_unmap(&d, 0x5000, 0x6fff), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	assert_false(real_translate(f, 0, 0x6123, VIOMMU_ACCESS_READ, &gpa));
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_stop(&f->drv), VIOMMU_OK);
	driver_teardown(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_init__configuration__is_judged),
		cmocka_unit_test(test_driver_init__memory_one_byte_short_or_misaligned__is_refused),
		cmocka_unit_test(test_driver_init__area_missing__is_refused),
		cmocka_unit_test(test_driver_init__clean_hook__alignment_of_a_cache_line),
		cmocka_unit_test(test_driver_start__honest_device__uses_registers_in_the_prescribed_order),
		cmocka_unit_test(test_driver_start__offer_with_unknown_bits__acknowledges_known_ones_only),
		cmocka_unit_test(test_driver_start__unusable_device__is_given_up_with_failed),
		cmocka_unit_test(test_driver_start__register_table_of_unknown_size__is_refused),
		cmocka_unit_test(test_driver_start__running__is_refused_without_touching_the_device),
		cmocka_unit_test(test_driver_start__reset_never_finishes__times_out),
		cmocka_unit_test(test_driver_start__configuration_changes_while_read__reads_again),
		cmocka_unit_test(test_driver_start__notification_data__kicks_carry_the_position_if_the_registers_can),
		cmocka_unit_test(test_driver_start__ring_reset__accepted_if_the_registers_can),
		cmocka_unit_test(test_driver_start__short_configuration_space__reads_no_further_than_features_need),
		cmocka_unit_test(test_driver_start__queue_sizes__follow_the_device_and_indirect),
		cmocka_unit_test(test_driver_start__device_wants_no_kicks__gets_none),
		cmocka_unit_test(test_driver_start__granules__the_larger_one_counts),
		cmocka_unit_test(test_driver_limits__input_range__is_never_larger_than_the_devices),
		cmocka_unit_test(test_driver_limits__input_range_below_a_granule__promises_nothing),
		cmocka_unit_test(test_driver_stop__device_resets__is_stopped),
		cmocka_unit_test(test_driver_stop__reset_takes_long__can_be_asked_again),
		cmocka_unit_test(test_driver__memory_not_coherent__cleans_and_invalidates_what_it_has_to),
		cmocka_unit_test(test_driver_start__real_device__maps_and_translates),
	};

	return suite_run(tests);
}
