/* SPDX-License-Identifier: BSD-3-Clause */
/* The registers of a virtio device, with a device class that is three variables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <viommu/transport/registers.h>

#include "suite.h"

#define OFFERED UINT64_C(0x2d) /* class bits of the fake */
#define VERSION_1 VIOMMU_F_VERSION_1
#define RAM 0x4000u
#define QUEUES 2u
#define QUEUE_SIZE 16u

#define ACKNOWLEDGE VIOMMU_STATUS_ACKNOWLEDGE
#define DRIVER VIOMMU_STATUS_DRIVER
#define DRIVER_OK VIOMMU_STATUS_DRIVER_OK
#define FEATURES_OK VIOMMU_STATUS_FEATURES_OK
#define NEEDS_RESET VIOMMU_STATUS_NEEDS_RESET
#define FAILED VIOMMU_STATUS_FAILED

struct world {
	struct viommu_registers regs;
	struct viommu_virtq_device queues[QUEUES];
	/* the class */
	uint64_t negotiated;
	enum viommu_result negotiate_result;
	unsigned negotiations, resets, queue_resets[QUEUES];
	bool settled;
	bool queue_settled[QUEUES]; /* or all is */
	bool queues_were_off; /* at the last reset */
	uint8_t config[8];
	uint32_t config_offset, config_len;
	/* the interrupts */
	unsigned used_interrupts[QUEUES], config_interrupts, reset_notices, queue_reset_notices[QUEUES];
};

static uint8_t ram[RAM] __attribute__((aligned(16)));
static const struct viommu_memory_region ram_region = { 0x1000, 0x1000 + RAM - 1, ram, 3 };
static struct viommu_memory_table ram_table = { .regions = &ram_region, .count = 1 };

static uint64_t fake_features(void *ctx)
{
	(void)ctx;
	return OFFERED;
}

static enum viommu_result fake_negotiate(void *ctx, uint64_t features)
{
	struct world *w = ctx;

	w->negotiations++;
	if (w->negotiate_result == VIOMMU_OK)
		w->negotiated = features;
	return w->negotiate_result;
}

static void fake_config_read(void *ctx, uint32_t offset, void *dst, uint32_t len)
{
	struct world *w = ctx;
	uint32_t i;

	w->config_offset = offset;
	w->config_len = len;
	for (i = 0; i < len; i++)
		((uint8_t *)dst)[i] = offset < 8 && i < 8 - offset ? w->config[offset + i] : 0;
}

static void fake_config_write(void *ctx, uint32_t offset, const void *src, uint32_t len)
{
	struct world *w = ctx;
	uint32_t i;

	w->config_offset = offset;
	w->config_len = len;
	for (i = 0; i < len; i++)
		if (offset < 8 && i < 8 - offset)
			w->config[offset + i] = ((const uint8_t *)src)[i];
}

static void fake_reset(void *ctx)
{
	struct world *w = ctx;
	uint32_t i;

	w->resets++;
	w->negotiated = 0;
	w->queues_were_off = true;
	for (i = 0; i < QUEUES; i++)
		w->queues_were_off = w->queues_were_off && viommu_virtq_device_state(&w->queues[i]) == VIOMMU_VIRTQ_OFF;
}

static bool fake_is_settled(void *ctx)
{
	struct world *w = ctx;

	return w->settled;
}

static void fake_queue_reset(void *ctx, uint32_t queue)
{
	struct world *w = ctx;

	assert_true(queue < QUEUES);
	w->queue_resets[queue]++;
	w->queues_were_off = viommu_virtq_device_state(&w->queues[queue]) == VIOMMU_VIRTQ_OFF;
}

static bool fake_queue_is_settled(void *ctx, uint32_t queue)
{
	struct world *w = ctx;

	assert_true(queue < QUEUES);
	return w->settled || w->queue_settled[queue];
}

static const struct viommu_register_class fake_class = {
	.size = sizeof(struct viommu_register_class),
	.features = fake_features,
	.negotiate = fake_negotiate,
	.config_read = fake_config_read,
	.config_write = fake_config_write,
	.reset = fake_reset,
	.is_settled = fake_is_settled,
	.queue_reset = fake_queue_reset,
	.queue_is_settled = fake_queue_is_settled,
};

static void fake_used(void *ctx, uint32_t queue)
{
	struct world *w = ctx;

	assert_true(queue < QUEUES);
	w->used_interrupts[queue]++;
}

static void fake_config_changed(void *ctx)
{
	struct world *w = ctx;

	w->config_interrupts++;
}

/* Before the class hears of it, and with the queues off. */
static void fake_reset_begins(void *ctx)
{
	struct world *w = ctx;

	assert_int_equal(w->resets, w->reset_notices);
	assert_int_equal(viommu_virtq_device_state(&w->queues[0]), VIOMMU_VIRTQ_OFF);
	w->reset_notices++;
}

static void fake_queue_was_reset(void *ctx, uint32_t queue)
{
	struct world *w = ctx;

	assert_int_equal(viommu_virtq_device_state(&w->queues[queue]), VIOMMU_VIRTQ_OFF);
	w->queue_reset_notices[queue]++;
}

static const struct viommu_interrupt_ops fake_interrupts = { .size = sizeof(struct viommu_interrupt_ops),
							     .used = fake_used,
							     .config = fake_config_changed,
							     .reset = fake_reset_begins,
							     .queue_reset = fake_queue_was_reset };

static struct viommu_registers_config default_config(struct world *w)
{
	struct viommu_registers_config config = {
		.size = sizeof(config),
		.queue_count = QUEUES,
		.queue_size_max = QUEUE_SIZE,
		.queues = w->queues,
		.ring_features = VIOMMU_VIRTQ_FEATURES,
		.device_class = &fake_class,
		.class_ctx = w,
		.interrupts = &fake_interrupts,
		.interrupt_ctx = w,
	};

	return config;
}

static void setup(struct world *w)
{
	struct viommu_memory memory = { &viommu_memory_table_ops, &ram_table };
	struct viommu_registers_config config = default_config(w);
	uint32_t i;

	memset(w, 0, sizeof(*w));
	w->settled = true;
	memset(ram, 0, sizeof(ram));
	for (i = 0; i < QUEUES; i++)
		viommu_virtq_device_init(&w->queues[i], &memory);
	assert_int_equal(viommu_registers_init(&w->regs, &config), VIOMMU_OK);
}

/* Up to FEATURES_OK; whether it stuck. */
static bool negotiate(struct world *w, uint64_t features)
{
	viommu_registers_set_status(&w->regs, ACKNOWLEDGE);
	viommu_registers_set_status(&w->regs, ACKNOWLEDGE | DRIVER);
	viommu_registers_set_features(&w->regs, features);
	viommu_registers_set_status(&w->regs, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	return (viommu_registers_get_status(&w->regs) & FEATURES_OK) != 0;
}

static void go_live(struct world *w)
{
	assert_true(negotiate(w, VERSION_1 | OFFERED));
	viommu_registers_set_status(&w->regs, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	assert_true(viommu_registers_is_live(&w->regs));
}

static struct viommu_virtq_layout layout(uint32_t size)
{
	struct viommu_virtq_layout l = { .size = size, .desc = 0x1000, .avail = 0x2000, .used = 0x3000 };

	return l;
}

static enum viommu_result enable(struct world *w, uint32_t queue)
{
	struct viommu_virtq_layout l = layout(QUEUE_SIZE);

	return viommu_registers_queue_enable(&w->regs, queue, &l);
}

/* Init */

static void test_init__unknown_struct_size__abi(void **state)
{
	static struct world w;
	struct viommu_registers_config config = default_config(&w);
	struct viommu_register_class device_class = fake_class;
	struct viommu_interrupt_ops interrupts = fake_interrupts;

	(void)state;
	config.size--;
	assert_int_equal(viommu_registers_init(&w.regs, &config), VIOMMU_E_ABI);
	config.size = 0;
	assert_int_equal(viommu_registers_init(&w.regs, &config), VIOMMU_E_ABI);
	config = default_config(&w);
	config.device_class = &device_class;
	device_class.size++;
	assert_int_equal(viommu_registers_init(&w.regs, &config), VIOMMU_E_ABI);
	config = default_config(&w);
	config.interrupts = &interrupts;
	interrupts.size = 0;
	assert_int_equal(viommu_registers_init(&w.regs, &config), VIOMMU_E_ABI);
}

/* GEN-DEV-FEAT-04, GEN-DEV-RSVD-10: SR_IOV is one of the ring features that cannot be offered. */
static void test_init__bad_configuration__arg(void **state)
{
	static const uint32_t sizes[] = { 0, 3, 24, 65535, 65536, 0x80000000 };
	static struct world w;
	struct viommu_registers_config config;
	unsigned i, bit;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		config = default_config(&w);
		config.queue_size_max = sizes[i];
		assert_int_equal(viommu_registers_init(&w.regs, &config), VIOMMU_E_ARG);
	}
	for (bit = 0; bit < 64; bit++) {
		uint64_t feature = UINT64_C(1) << bit;
		bool known = (feature & VIOMMU_VIRTQ_FEATURES) != 0;

		config = default_config(&w);
		config.ring_features = feature;
		assert_int_equal(viommu_registers_init(&w.regs, &config), known ? VIOMMU_OK : VIOMMU_E_ARG);
	}
	/* The last two are for RING_RESET. */
	for (i = 0; i < 8; i++) {
		struct viommu_register_class c = fake_class;

		c.features = i == 0 ? NULL : c.features;
		c.negotiate = i == 1 ? NULL : c.negotiate;
		c.config_read = i == 2 ? NULL : c.config_read;
		c.config_write = i == 3 ? NULL : c.config_write;
		c.reset = i == 4 ? NULL : c.reset;
		c.is_settled = i == 5 ? NULL : c.is_settled;
		c.queue_reset = i == 6 ? NULL : c.queue_reset;
		c.queue_is_settled = i == 7 ? NULL : c.queue_is_settled;
		config = default_config(&w);
		config.device_class = &c;
		assert_int_equal(viommu_registers_init(&w.regs, &config), VIOMMU_E_ARG);
		config.ring_features = 0;
		assert_int_equal(viommu_registers_init(&w.regs, &config), i < 6 ? VIOMMU_E_ARG : VIOMMU_OK);
	}
	config = default_config(&w);
	config.queues = NULL;
	assert_int_equal(viommu_registers_init(&w.regs, &config), VIOMMU_E_ARG);
	config = default_config(&w);
	config.queue_count = 0;
	assert_int_equal(viommu_registers_init(&w.regs, &config), VIOMMU_E_ARG);
	config = default_config(&w);
	config.device_class = NULL;
	assert_int_equal(viommu_registers_init(&w.regs, &config), VIOMMU_E_ARG);
	config = default_config(&w);
	config.queue_size_max = 32768;
	assert_int_equal(viommu_registers_init(&w.regs, &config), VIOMMU_OK);
}

/* GEN-DEV-RSVD-01 */
static void test_init__fresh__status_0_and_offer_complete(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	assert_int_equal(viommu_registers_get_status(&w.regs), 0);
	assert_true(viommu_registers_get_features(&w.regs) == (OFFERED | VERSION_1 | VIOMMU_VIRTQ_FEATURES));
	assert_int_equal(viommu_registers_queue_size_max(&w.regs, 0), QUEUE_SIZE);
	assert_int_equal(viommu_registers_queue_size_max(&w.regs, 1), QUEUE_SIZE);
	assert_int_equal(viommu_registers_queue_size_max(&w.regs, 2), 0);
	assert_int_equal(viommu_registers_queue_size_max(&w.regs, 0xffffffff), 0);
	assert_false(viommu_registers_is_live(&w.regs));
	assert_int_equal(w.negotiations + w.resets, 0);
}

/* Status */

static void test_status__bits__only_added(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	viommu_registers_set_status(&w.regs, ACKNOWLEDGE);
	assert_int_equal(viommu_registers_get_status(&w.regs), ACKNOWLEDGE);
	viommu_registers_set_status(&w.regs, DRIVER);
	assert_int_equal(viommu_registers_get_status(&w.regs), ACKNOWLEDGE | DRIVER);
	viommu_registers_set_features(&w.regs, VERSION_1);
	viommu_registers_set_status(&w.regs, FEATURES_OK);
	viommu_registers_set_status(&w.regs, ACKNOWLEDGE);
	assert_int_equal(viommu_registers_get_status(&w.regs), ACKNOWLEDGE | DRIVER | FEATURES_OK);
	viommu_registers_set_status(&w.regs, FAILED);
	assert_int_equal(viommu_registers_get_status(&w.regs), ACKNOWLEDGE | DRIVER | FEATURES_OK | FAILED);
	assert_int_equal(w.resets, 0);
}

static void test_status__driver_ok_without_features_ok__ignored(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	viommu_registers_set_status(&w.regs, ACKNOWLEDGE | DRIVER | DRIVER_OK);
	assert_int_equal(viommu_registers_get_status(&w.regs), ACKNOWLEDGE | DRIVER);
	assert_false(viommu_registers_is_live(&w.regs));
	/* Nor together with a FEATURES_OK that is refused. */
	viommu_registers_set_status(&w.regs, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	assert_int_equal(viommu_registers_get_status(&w.regs), ACKNOWLEDGE | DRIVER);
	assert_false(viommu_registers_is_live(&w.regs));
}

static void test_status__needs_reset_from_the_driver__ignored(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	viommu_registers_set_status(&w.regs, ACKNOWLEDGE | NEEDS_RESET);
	assert_int_equal(viommu_registers_get_status(&w.regs), ACKNOWLEDGE);
	go_live(&w);
	viommu_registers_set_status(&w.regs, 0xff & ~FAILED);
	assert_int_equal(viommu_registers_get_status(&w.regs) & NEEDS_RESET, 0);
	assert_true(viommu_registers_is_live(&w.regs));
}

/* Features */

/* GEN-DEV-FEAT-02 */
static void test_features_ok__subset_with_version_1__sticks(void **state)
{
	static const uint64_t good[] = {
		VERSION_1,
		VERSION_1 | 1,
		VERSION_1 | OFFERED,
		VERSION_1 | OFFERED | VIOMMU_VIRTQ_FEATURES,
	};
	static struct world w;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		setup(&w);
		assert_true(negotiate(&w, good[i]));
		assert_int_equal(w.negotiations, 1);
		assert_true(w.negotiated == (good[i] & OFFERED)); /* the class sees its own bits */
		assert_false(viommu_registers_is_live(&w.regs));
	}
}

/* GEN-DEV-RSVD-02, CONF-BOTH-01, GEN-DEV-FEAT-03 */
static void test_features_ok__no_version_1__refused(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	assert_false(negotiate(&w, OFFERED));
	assert_int_equal(viommu_registers_get_status(&w.regs), ACKNOWLEDGE | DRIVER);
	assert_int_equal(w.negotiations, 0);
	setup(&w);
	assert_false(negotiate(&w, 0));
}

/* GEN-DEV-FEAT-03 */
static void test_features_ok__any_bit_beyond_the_offer__refused(void **state)
{
	static struct world w;
	unsigned bit;

	(void)state;
	for (bit = 0; bit < 64; bit++) {
		uint64_t feature = UINT64_C(1) << bit;
		bool offered;

		setup(&w);
		offered = (viommu_registers_get_features(&w.regs) & feature) != 0;
		assert_int_equal(negotiate(&w, VERSION_1 | feature), offered);
		assert_int_equal(w.negotiations, offered);
	}
}

/* GEN-DEV-FEAT-03 */
static void test_features_ok__class_objects__refused_until_it_agrees(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	w.negotiate_result = VIOMMU_E_ARG;
	assert_false(negotiate(&w, VERSION_1 | 4));
	assert_int_equal(enable(&w, 0), VIOMMU_E_STATE);
	w.negotiate_result = VIOMMU_OK;
	assert_true(negotiate(&w, VERSION_1 | 1)); /* another attempt with other bits */
	assert_true(w.negotiated == 1);
}

static void test_features__before_driver__not_stored(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	viommu_registers_set_features(&w.regs, VERSION_1);
	viommu_registers_set_status(&w.regs, ACKNOWLEDGE);
	viommu_registers_set_features(&w.regs, VERSION_1);
	viommu_registers_set_status(&w.regs, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	assert_int_equal(viommu_registers_get_status(&w.regs), ACKNOWLEDGE | DRIVER);
	assert_int_equal(w.negotiations, 0);
	assert_true(negotiate(&w, VERSION_1));
}

/* INF-22 */
static void test_features__after_features_ok__frozen(void **state)
{
	static struct world w;
	struct viommu_virtq_layout l = layout(QUEUE_SIZE);

	(void)state;
	setup(&w);
	assert_true(negotiate(&w, VERSION_1 | 1 | VIOMMU_F_INDIRECT_DESC));
	viommu_registers_set_features(&w.regs, VERSION_1 | OFFERED | VIOMMU_F_EVENT_IDX);
	viommu_registers_set_status(&w.regs, ACKNOWLEDGE | DRIVER | FEATURES_OK); /* asks nobody again */
	assert_int_equal(w.negotiations, 1);
	assert_true(w.negotiated == 1);
	/* The layout says what it likes; the queue gets what was negotiated. */
	l.features = VIOMMU_F_EVENT_IDX;
	assert_int_equal(viommu_registers_queue_enable(&w.regs, 0, &l), VIOMMU_OK);
	assert_true(w.queues[0].indirect);
	assert_false(w.queues[0].event_idx);
}

/* Queues */

static void test_queue_enable__without_a_reset_of_it__between_features_ok_and_driver_ok(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	assert_int_equal(enable(&w, 0), VIOMMU_E_STATE);
	viommu_registers_set_status(&w.regs, ACKNOWLEDGE | DRIVER);
	assert_int_equal(enable(&w, 0), VIOMMU_E_STATE);
	assert_int_equal(viommu_virtq_device_state(&w.queues[0]), VIOMMU_VIRTQ_OFF);
	assert_true(negotiate(&w, VERSION_1));
	assert_int_equal(enable(&w, 0), VIOMMU_OK);
	assert_int_equal(viommu_virtq_device_state(&w.queues[0]), VIOMMU_VIRTQ_READY);
	assert_int_equal(enable(&w, 0), VIOMMU_E_STATE); /* is enabled already */
	viommu_registers_set_status(&w.regs, DRIVER_OK);
	assert_int_equal(enable(&w, 0), VIOMMU_E_STATE);
	assert_int_equal(enable(&w, 1), VIOMMU_E_STATE);
	assert_int_equal(viommu_virtq_device_state(&w.queues[1]), VIOMMU_VIRTQ_OFF);
}

/* Reset of one queue */

static void go_live_with_queues(struct world *w, uint64_t features)
{
	uint32_t i;

	setup(w);
	assert_true(negotiate(w, VERSION_1 | features));
	for (i = 0; i < QUEUES; i++)
		assert_int_equal(enable(w, i), VIOMMU_OK);
	viommu_registers_set_status(&w->regs, DRIVER_OK);
	assert_true(viommu_registers_is_live(&w->regs));
}

/* GEN-DEV-VQRESET-02, GEN-DEV-VQENABLE-01 */
static void test_queue_reset__settled_class__done_at_once_and_enabled_with_another_size(void **state)
{
	static struct world w;
	struct viommu_virtq_layout other = layout(QUEUE_SIZE / 2);
	struct viommu_chain chain = { .capacity = 0 };

	(void)state;
	go_live_with_queues(&w, VIOMMU_F_RING_RESET);
	ram[0x1002] = 1; /* a chain of no bytes in the available ring */
	assert_int_equal(viommu_virtq_device_pop(&w.queues[0], &chain), VIOMMU_OK);
	assert_int_equal(viommu_virtq_device_push(&w.queues[0], 0, 0), VIOMMU_OK);
	assert_true(viommu_registers_queue_is_enabled(&w.regs, 0));
	assert_int_equal(viommu_registers_queue_reset(&w.regs, 0), VIOMMU_OK);
	assert_int_equal(w.queue_resets[0], 1);
	assert_int_equal(w.queue_reset_notices[0], 1);
	assert_int_equal(w.queue_resets[1] + w.queue_reset_notices[1] + w.resets, 0);
	assert_true(w.queues_were_off);
	assert_false(viommu_registers_queue_is_resetting(&w.regs, 0));
	assert_false(viommu_registers_queue_is_enabled(&w.regs, 0));
	assert_true(viommu_registers_queue_is_enabled(&w.regs, 1));
	assert_true(viommu_registers_is_live(&w.regs));
	assert_int_equal(viommu_virtq_device_pop(&w.queues[0], &chain), VIOMMU_E_STATE);
	assert_false(viommu_virtq_device_publish(&w.queues[0])); /* what was pushed is forgotten */
	/* A layout that is no good may be followed by one that is. */
	other.desc++;
	assert_int_equal(viommu_registers_queue_enable(&w.regs, 0, &other), VIOMMU_E_PEER);
	other.desc--;
	ram[0x1002] = 0;
	assert_int_equal(viommu_registers_queue_enable(&w.regs, 0, &other), VIOMMU_OK);
	assert_int_equal(w.queues[0].size, QUEUE_SIZE / 2);
	assert_int_equal(viommu_virtq_device_pop(&w.queues[0], &chain), VIOMMU_E_EMPTY);
	assert_true(viommu_registers_queue_is_enabled(&w.regs, 0));
	/* Once. */
	assert_int_equal(viommu_registers_queue_enable(&w.regs, 0, &other), VIOMMU_E_STATE);
	assert_true(viommu_registers_check(&w.regs));
}

static void test_queue_reset__class_not_settled__resetting_and_not_enabled_before(void **state)
{
	static struct world w;

	(void)state;
	go_live_with_queues(&w, VIOMMU_F_RING_RESET);
	w.settled = false;
	assert_int_equal(viommu_registers_queue_reset(&w.regs, 1), VIOMMU_OK);
	assert_true(viommu_registers_queue_is_resetting(&w.regs, 1));
	assert_false(viommu_registers_queue_is_resetting(&w.regs, 0));
	assert_int_equal(enable(&w, 1), VIOMMU_E_STATE);
	assert_int_equal(viommu_registers_queue_reset(&w.regs, 1), VIOMMU_OK); /* it is being done */
	assert_int_equal(w.queue_resets[1], 1);
	assert_true(viommu_registers_check(&w.regs));
	w.settled = true;
	assert_int_equal(enable(&w, 1), VIOMMU_E_STATE); /* the driver has not looked yet */
	assert_false(viommu_registers_queue_is_resetting(&w.regs, 1));
	assert_true(viommu_registers_check(&w.regs));
	assert_int_equal(enable(&w, 1), VIOMMU_OK);
	assert_int_equal(viommu_registers_queue_reset(&w.regs, 1), VIOMMU_OK);
	assert_int_equal(w.queue_resets[1], 2);
}

/* "The device MUST reset the queue when 1 is written": it is one like any other, and there is nothing to wait for. */
static void test_queue_reset__queue_that_is_not_enabled__as_new(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	assert_true(negotiate(&w, VERSION_1 | VIOMMU_F_RING_RESET));
	w.settled = false; /* before DRIVER_OK nobody is asked */
	assert_int_equal(enable(&w, 0), VIOMMU_OK);
	for (uint32_t i = 0; i < QUEUES; i++) {
		assert_int_equal(viommu_registers_queue_reset(&w.regs, i), VIOMMU_OK);
		assert_false(viommu_registers_queue_is_enabled(&w.regs, i));
		assert_false(viommu_registers_queue_is_resetting(&w.regs, i));
		assert_int_equal(w.queue_resets[i], 0);
		assert_int_equal(w.queue_reset_notices[i], 1);
	}
	assert_int_equal(enable(&w, 0), VIOMMU_OK);
	viommu_registers_set_status(&w.regs, DRIVER_OK);
	w.settled = true;
	assert_int_equal(viommu_registers_queue_reset(&w.regs, 1), VIOMMU_OK);
	assert_int_equal(viommu_registers_queue_reset(&w.regs, 1), VIOMMU_OK);
	assert_int_equal(enable(&w, 1), VIOMMU_OK);
	assert_true(viommu_registers_check(&w.regs));
}

/* GEN-DEV-VQENABLE-01. "The driver MAY re-enable the queue": when, is up to it. */
static void test_queue_reset__before_driver_ok__enabled_again_after_it(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	assert_true(negotiate(&w, VERSION_1 | VIOMMU_F_RING_RESET));
	assert_int_equal(enable(&w, 0), VIOMMU_OK);
	for (uint32_t i = 0; i < QUEUES; i++)
		assert_int_equal(viommu_registers_queue_reset(&w.regs, i), VIOMMU_OK);
	assert_true(viommu_registers_check(&w.regs));
	viommu_registers_set_status(&w.regs, DRIVER_OK);
	assert_true(viommu_registers_check(&w.regs));
	for (uint32_t i = 0; i < QUEUES; i++) {
		assert_int_equal(enable(&w, i), VIOMMU_OK);
		assert_true(viommu_registers_queue_is_enabled(&w.regs, i));
	}
	assert_true(viommu_registers_check(&w.regs));
}

/* What was enabled again before DRIVER_OK has had its turn. */
static void test_queue_reset__before_driver_ok_and_enabled__not_once_more(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	assert_true(negotiate(&w, VERSION_1 | VIOMMU_F_RING_RESET));
	assert_int_equal(viommu_registers_queue_reset(&w.regs, 0), VIOMMU_OK);
	assert_int_equal(enable(&w, 0), VIOMMU_OK);
	viommu_registers_set_status(&w.regs, DRIVER_OK);
	assert_int_equal(enable(&w, 0), VIOMMU_E_STATE);
}

static void test_queue_reset__transport_that_does_not_care__nothing(void **state)
{
	static struct world w;
	struct viommu_interrupt_ops interrupts = fake_interrupts;

	(void)state;
	go_live_with_queues(&w, VIOMMU_F_RING_RESET);
	interrupts.queue_reset = NULL;
	w.regs.interrupts = &interrupts;
	assert_int_equal(viommu_registers_queue_reset(&w.regs, 0), VIOMMU_OK);
	w.regs.interrupts = NULL;
	assert_int_equal(viommu_registers_queue_reset(&w.regs, 1), VIOMMU_OK);
	assert_int_equal(w.queue_reset_notices[0] + w.queue_reset_notices[1], 0);
}

static void test_queue_reset__not_the_time__refused(void **state)
{
	static struct world w;

	(void)state;
	/* Not negotiated. */
	go_live_with_queues(&w, 0);
	assert_int_equal(viommu_registers_queue_reset(&w.regs, 0), VIOMMU_E_STATE);
	assert_true(viommu_registers_queue_is_enabled(&w.regs, 0));
	/* Not agreed yet; no such queue. */
	setup(&w);
	viommu_registers_set_status(&w.regs, ACKNOWLEDGE | DRIVER);
	viommu_registers_set_features(&w.regs, VERSION_1 | VIOMMU_F_RING_RESET);
	assert_int_equal(viommu_registers_queue_reset(&w.regs, 0), VIOMMU_E_STATE);
	assert_true(negotiate(&w, VERSION_1 | VIOMMU_F_RING_RESET));
	assert_int_equal(viommu_registers_queue_reset(&w.regs, QUEUES), VIOMMU_E_ARG);
	assert_int_equal(viommu_registers_queue_reset(&w.regs, UINT32_MAX), VIOMMU_E_ARG);
	assert_false(viommu_registers_queue_is_resetting(&w.regs, QUEUES));
	assert_false(viommu_registers_queue_is_enabled(&w.regs, QUEUES));
	assert_int_equal(w.queue_resets[0] + w.queue_resets[1], 0);
	assert_int_equal(w.queue_reset_notices[0] + w.queue_reset_notices[1], 0);
}

/* The reset of the device includes that of its queues, and what is over in the one is over in the other. */
static void test_queue_reset__device_reset_in_the_middle__nothing_is_left(void **state)
{
	static struct world w;

	(void)state;
	go_live_with_queues(&w, VIOMMU_F_RING_RESET);
	w.settled = false;
	assert_int_equal(viommu_registers_queue_reset(&w.regs, 0), VIOMMU_OK);
	viommu_registers_set_status(&w.regs, 0);
	assert_false(viommu_registers_queue_is_resetting(&w.regs, 0));
	assert_int_equal(viommu_registers_queue_reset(&w.regs, 0), VIOMMU_E_STATE);
	assert_int_equal(enable(&w, 0), VIOMMU_E_STATE);
	w.settled = true;
	assert_int_equal(viommu_registers_get_status(&w.regs), 0);
	assert_true(negotiate(&w, VERSION_1 | VIOMMU_F_RING_RESET));
	viommu_registers_set_status(&w.regs, DRIVER_OK);
	assert_int_equal(enable(&w, 0), VIOMMU_E_STATE); /* it was reset in another life */
}

static void test_queue_enable__no_such_queue__arg(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	assert_true(negotiate(&w, VERSION_1));
	assert_int_equal(enable(&w, 2), VIOMMU_E_ARG);
	assert_int_equal(enable(&w, 0x80000000), VIOMMU_E_ARG);
	assert_int_equal(enable(&w, 0xffffffff), VIOMMU_E_ARG);
}

/* An emulator took a queue number for an index that was negative. */
static void test_queues__every_function_with_a_number_too_large__no_queue(void **state)
{
	static const uint32_t numbers[] = { QUEUES,     0xff,       0x100,      0x8000,     0xffff,
					    0x10000,    0x10001,    0x7fffffff, 0x80000000, 0x80000001,
					    0xffff0000, 0xfffffffe, 0xffffffff };
	static struct world w, before;

	(void)state;
	go_live_with_queues(&w, VIOMMU_F_RING_RESET);
	before = w;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uint32_t queue = 77;

		assert_int_equal(viommu_registers_queue_size_max(&w.regs, numbers[i]), 0);
		assert_int_equal(enable(&w, numbers[i]), VIOMMU_E_ARG);
		assert_int_equal(viommu_registers_queue_disable(&w.regs, numbers[i]), VIOMMU_E_ARG);
		assert_int_equal(viommu_registers_queue_reset(&w.regs, numbers[i]), VIOMMU_E_ARG);
		assert_false(viommu_registers_queue_is_resetting(&w.regs, numbers[i]));
		assert_false(viommu_registers_queue_is_enabled(&w.regs, numbers[i]));
		assert_int_equal(viommu_registers_notified(&w.regs, numbers[i], &queue), VIOMMU_E_ARG);
		assert_int_equal(queue, 77);
	}
	assert_memory_equal(&w, &before, sizeof(before));
}

static void test_queue_enable__bad_layout__peer(void **state)
{
	static const struct viommu_virtq_layout bad[] = {
		{ .size = 0, .desc = 0x1000, .avail = 0x2000, .used = 0x3000 },
		{ .size = 3, .desc = 0x1000, .avail = 0x2000, .used = 0x3000 },
		{ .size = 32, .desc = 0x1000, .avail = 0x2000, .used = 0x3000 }, /* more than offered */
		{ .size = 65536, .desc = 0x1000, .avail = 0x2000, .used = 0x3000 },
		{ .size = 16, .desc = 0x1008, .avail = 0x2000, .used = 0x3000 },
		{ .size = 16, .desc = 0x1000, .avail = 0x2001, .used = 0x3000 },
		{ .size = 16, .desc = 0x1000, .avail = 0x2000, .used = 0x3002 },
		{ .size = 16, .desc = 0x0, .avail = 0x2000, .used = 0x3000 },
		{ .size = 16, .desc = 0x1000, .avail = 0x2000, .used = 0x4ff8 }, /* runs out of memory */
		{ .size = 16, .desc = 0xfffffffffffffff0, .avail = 0x2000, .used = 0x3000 },
	};
	static struct world w;
	size_t i;

	(void)state;
	setup(&w);
	assert_true(negotiate(&w, VERSION_1));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(viommu_registers_queue_enable(&w.regs, 0, &bad[i]), VIOMMU_E_PEER);
		assert_int_equal(viommu_virtq_device_state(&w.queues[0]), VIOMMU_VIRTQ_OFF);
	}
	assert_int_equal(enable(&w, 0), VIOMMU_OK); /* and it is not too late */
}

static void test_queue_enable__smaller_than_offered__accepted(void **state)
{
	static struct world w;
	struct viommu_virtq_layout l = layout(1);

	(void)state;
	setup(&w);
	assert_true(negotiate(&w, VERSION_1));
	assert_int_equal(viommu_registers_queue_enable(&w.regs, 0, &l), VIOMMU_OK);
	l = layout(8);
	assert_int_equal(viommu_registers_queue_enable(&w.regs, 1, &l), VIOMMU_OK);
}

/* Reset */

/* GEN-DEV-RESET-01 */
static void test_reset__settled_class__status_0_at_once(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	assert_true(negotiate(&w, VERSION_1 | 1));
	assert_int_equal(enable(&w, 0), VIOMMU_OK);
	assert_int_equal(enable(&w, 1), VIOMMU_OK);
	viommu_registers_set_status(&w.regs, DRIVER_OK);
	viommu_registers_set_status(&w.regs, 0);
	assert_int_equal(w.resets, 1);
	assert_true(w.queues_were_off);
	assert_int_equal(viommu_registers_get_status(&w.regs), 0);
	assert_false(viommu_registers_is_live(&w.regs));
	/* The old features are forgotten: VERSION_1 is missing now. */
	viommu_registers_set_status(&w.regs, ACKNOWLEDGE | DRIVER);
	viommu_registers_set_status(&w.regs, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	assert_int_equal(viommu_registers_get_status(&w.regs), ACKNOWLEDGE | DRIVER);
	assert_true(negotiate(&w, VERSION_1));
	assert_int_equal(enable(&w, 0), VIOMMU_OK);
}

/* GEN-DEV-RESET-01, -02, INF-23 */
static void test_reset__class_not_settled__status_is_not_0_before(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	go_live(&w);
	w.settled = false;
	viommu_registers_set_status(&w.regs, 0);
	assert_int_equal(w.resets, 1);
	assert_int_equal(viommu_registers_get_status(&w.regs), NEEDS_RESET);
	assert_int_equal(viommu_registers_get_status(&w.regs), NEEDS_RESET);
	assert_false(viommu_registers_is_live(&w.regs));
	assert_int_equal(enable(&w, 0), VIOMMU_E_STATE);
	/* An impatient driver gets nowhere, and is not told that it did: FEATURES_OK reads 0. */
	viommu_registers_set_features(&w.regs, VERSION_1);
	viommu_registers_set_status(&w.regs, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	assert_int_equal(viommu_registers_get_status(&w.regs), NEEDS_RESET);
	assert_false(viommu_registers_is_live(&w.regs));
	assert_int_equal(w.negotiations, 1);
	assert_int_equal(enable(&w, 0), VIOMMU_E_STATE);
	viommu_registers_set_status(&w.regs, 0); /* again: the reset that is going on is not begun anew */
	assert_int_equal(viommu_registers_get_status(&w.regs), NEEDS_RESET);
	assert_int_equal(w.resets, 1);
	w.settled = true;
	assert_int_equal(viommu_registers_get_status(&w.regs), 0);
	go_live(&w);
	assert_int_equal(enable(&w, 0), VIOMMU_E_STATE);
}

/*
 * MMIO-DEV-REG-06, PCI-DEV-COMMON-06: a ready bit is cleared by a reset, and while it is clear the device stays away
 * from the queue. So it is clear when nothing of this queue goes on any more, and that is when status reads 0, or before.
 */
static void test_reset__class_not_settled__queue_in_use_is_enabled_until_it_has_stopped(void **state)
{
	static struct world w;

	(void)state;
	go_live_with_queues(&w, VIOMMU_F_RING_RESET);
	w.settled = false;
	viommu_registers_set_status(&w.regs, 0);
	assert_true(w.queues_were_off);
	for (uint32_t i = 0; i < QUEUES; i++) {
		assert_true(viommu_registers_queue_is_enabled(&w.regs, i));
		assert_false(viommu_registers_queue_is_resetting(&w.regs, i)); /* MMIO-DEV-REG-07 */
	}
	assert_true(viommu_registers_check(&w.regs));
	w.queue_settled[0] = true;
	assert_false(viommu_registers_queue_is_enabled(&w.regs, 0));
	assert_true(viommu_registers_queue_is_enabled(&w.regs, 1));
	w.queue_settled[0] = false; /* it has been over */
	assert_false(viommu_registers_queue_is_enabled(&w.regs, 0));
	assert_int_equal(viommu_registers_get_status(&w.regs), NEEDS_RESET);
	assert_int_equal(enable(&w, 0), VIOMMU_E_STATE);
	assert_true(viommu_registers_check(&w.regs));
	w.settled = true; /* a look at a queue notices it as well */
	assert_false(viommu_registers_queue_is_enabled(&w.regs, 1));
	w.settled = false;
	assert_int_equal(viommu_registers_get_status(&w.regs), 0);
	assert_int_equal(w.queue_resets[0] + w.queue_resets[1], 0);
	/* Nothing of it in the next life. */
	assert_true(negotiate(&w, VERSION_1));
	viommu_registers_set_status(&w.regs, DRIVER_OK);
	for (uint32_t i = 0; i < QUEUES; i++) {
		assert_false(viommu_registers_queue_is_enabled(&w.regs, i));
		assert_int_equal(enable(&w, i), VIOMMU_E_STATE);
	}
}

/* Also if it was on its way to being off. What was never in use has nothing to stop. */
static void test_reset__class_not_settled__each_queue_by_what_it_was(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	assert_true(negotiate(&w, VERSION_1));
	assert_int_equal(enable(&w, 0), VIOMMU_OK);
	w.settled = false;
	viommu_registers_set_status(&w.regs, 0); /* before DRIVER_OK */
	assert_false(viommu_registers_queue_is_enabled(&w.regs, 0));
	w.settled = true;
	assert_int_equal(viommu_registers_get_status(&w.regs), 0);

	assert_true(negotiate(&w, VERSION_1));
	assert_int_equal(enable(&w, 0), VIOMMU_OK);
	viommu_registers_set_status(&w.regs, DRIVER_OK);
	w.settled = false;
	assert_int_equal(viommu_registers_queue_disable(&w.regs, 0), VIOMMU_OK);
	viommu_registers_set_status(&w.regs, 0);
	assert_true(viommu_registers_queue_is_enabled(&w.regs, 0));
	assert_false(viommu_registers_queue_is_enabled(&w.regs, 1));
	w.settled = true;
	assert_int_equal(viommu_registers_get_status(&w.regs), 0);
	assert_false(viommu_registers_queue_is_enabled(&w.regs, 0));
}

/* A class that cannot tell of one queue tells of all. */
static void test_reset__class_that_cannot_stop_a_queue__enabled_until_status_0(void **state)
{
	static struct world w;
	struct viommu_register_class no_reset = fake_class, no_look = fake_class;
	const struct viommu_register_class *unable[] = { &no_reset, &no_look };

	(void)state;
	no_reset.queue_reset = NULL;
	no_look.queue_is_settled = NULL;
	for (size_t i = 0; i < sizeof(unable) / sizeof(unable[0]); i++) {
		go_live_with_queues(&w, 0);
		w.regs.device_class = unable[i];
		w.settled = false;
		w.queue_settled[0] = true;
		viommu_registers_set_status(&w.regs, 0);
		assert_true(viommu_registers_queue_is_enabled(&w.regs, 0));
		assert_true(viommu_registers_check(&w.regs));
		w.settled = true;
		assert_int_equal(viommu_registers_get_status(&w.regs), 0);
		assert_false(viommu_registers_queue_is_enabled(&w.regs, 0));
	}
}

/* What the driver stores while the old life is still ending belongs to neither life. */
static void test_reset__class_not_settled__stores_are_ignored(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	viommu_registers_set_status(&w.regs, ACKNOWLEDGE | DRIVER);
	w.settled = false;
	viommu_registers_set_status(&w.regs, 0);
	viommu_registers_set_features(&w.regs, VERSION_1);
	viommu_registers_config_write(&w.regs, 6, "ab", 2);
	assert_int_equal(w.config_len, 0); /* the class did not hear of it */
	w.settled = true;
	assert_int_equal(viommu_registers_get_status(&w.regs), 0);
	viommu_registers_set_status(&w.regs, ACKNOWLEDGE | DRIVER);
	viommu_registers_set_status(&w.regs, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	assert_int_equal(viommu_registers_get_status(&w.regs), ACKNOWLEDGE | DRIVER); /* no VERSION_1 was stored */
	viommu_registers_config_write(&w.regs, 6, "ab", 2);
	assert_int_equal(w.config[6], 'a');
}

/* A reset that is going on needs no other one, and nobody is told of a life that has ended. */
static void test_reset__class_not_settled__device_raises_nothing(void **state)
{
	static struct world w;
	uint32_t generation;

	(void)state;
	setup(&w);
	go_live(&w);
	w.settled = false;
	viommu_registers_set_status(&w.regs, 0);
	generation = viommu_registers_config_generation(&w.regs);
	viommu_registers_config_changed(&w.regs);
	viommu_registers_needs_reset(&w.regs);
	assert_int_not_equal(viommu_registers_config_generation(&w.regs), generation);
	assert_int_equal(w.config_interrupts, 0);
	w.settled = true;
	assert_int_equal(viommu_registers_get_status(&w.regs), 0);
	go_live(&w);
}

static void test_reset__status_0_already_and_not_settled__not_0_before(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	w.settled = false;
	viommu_registers_set_status(&w.regs, 0);
	assert_int_equal(viommu_registers_get_status(&w.regs), NEEDS_RESET);
	w.settled = true;
	assert_int_equal(viommu_registers_get_status(&w.regs), 0);
	go_live(&w);
}

/* Once it has settled, what the class says later does not bring the old reset back. */
static void test_reset__settled_once__status_stays(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	viommu_registers_set_status(&w.regs, 0);
	assert_int_equal(viommu_registers_get_status(&w.regs), 0);
	w.settled = false; /* bypass 1 -> 0, for one */
	assert_int_equal(viommu_registers_get_status(&w.regs), 0);
	viommu_registers_set_status(&w.regs, ACKNOWLEDGE);
	assert_int_equal(viommu_registers_get_status(&w.regs), ACKNOWLEDGE);
	go_live(&w);
}

/* GEN-DEV-STATUS-03 */
static void test_needs_reset__live__flag_interrupt_and_no_service(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	go_live(&w);
	viommu_registers_needs_reset(&w.regs);
	assert_int_equal(viommu_registers_get_status(&w.regs),
			 ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK | NEEDS_RESET);
	assert_int_equal(w.config_interrupts, 1); /* INF-21 */
	assert_false(viommu_registers_is_live(&w.regs));
	viommu_registers_set_status(&w.regs, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK); /* does not clear it */
	assert_int_not_equal(viommu_registers_get_status(&w.regs) & NEEDS_RESET, 0);
	viommu_registers_set_status(&w.regs, 0);
	assert_int_equal(viommu_registers_get_status(&w.regs), 0);
	go_live(&w);
}

static void test_needs_reset__twice__one_interrupt(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	go_live(&w);
	viommu_registers_needs_reset(&w.regs);
	viommu_registers_needs_reset(&w.regs);
	assert_int_equal(w.config_interrupts, 1);
}

/* INF-21 */
static void test_config_changed__generation_and_interrupt(void **state)
{
	static struct world w;
	uint32_t generation;

	(void)state;
	setup(&w);
	generation = viommu_registers_config_generation(&w.regs);
	viommu_registers_config_changed(&w.regs);
	assert_int_not_equal(viommu_registers_config_generation(&w.regs), generation);
	assert_int_equal(w.config_interrupts, 0);
	go_live(&w);
	viommu_registers_config_changed(&w.regs);
	assert_int_equal(w.config_interrupts, 1);
}

static void test_needs_reset__before_driver_ok__interrupt_with_it(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	assert_true(negotiate(&w, VERSION_1));
	viommu_registers_needs_reset(&w.regs);
	assert_int_equal(viommu_registers_get_status(&w.regs), ACKNOWLEDGE | DRIVER | FEATURES_OK | NEEDS_RESET);
	assert_int_equal(w.config_interrupts, 0);
	viommu_registers_set_status(&w.regs, DRIVER_OK);
	assert_false(viommu_registers_is_live(&w.regs));
	assert_int_equal(w.config_interrupts, 1); /* or a driver that waits for one waits for ever */
	viommu_registers_set_status(&w.regs, DRIVER_OK);
	assert_int_equal(w.config_interrupts, 1);
}

/* Configuration and interrupts */

static void test_config__any_offset__passed_to_the_class(void **state)
{
	static struct world w;
	uint8_t bytes[8];
	uint32_t offset, len;

	(void)state;
	setup(&w);
	memcpy(w.config, "\1\2\3\4\5\6\7\10", 8);
	for (offset = 0; offset < 12; offset++) {
		for (len = 1; len <= 8; len++) {
			memset(bytes, 0xee, sizeof(bytes));
			viommu_registers_config_read(&w.regs, offset, bytes, len);
			assert_int_equal(w.config_offset, offset);
			assert_int_equal(w.config_len, len);
			assert_int_equal(bytes[0], offset < 8 ? offset + 1 : 0);
			if (len < 8)
				assert_int_equal(bytes[len], 0xee);
		}
	}
	viommu_registers_config_read(&w.regs, 0xffffffff, bytes, 8);
	assert_int_equal(bytes[0], 0);
	viommu_registers_config_write(&w.regs, 6, "ab", 2);
	assert_int_equal(w.config[6], 'a');
	assert_int_equal(w.config[7], 'b');
	viommu_registers_config_write(&w.regs, 0xfffffffe, "abcd", 4);
	assert_int_equal(w.config[0], 1);
}

static void test_interrupt__queue__forwarded(void **state)
{
	static struct world w;
	struct viommu_registers_config config;

	(void)state;
	setup(&w);
	go_live(&w);
	viommu_registers_interrupt(&w.regs, 1);
	assert_int_equal(w.used_interrupts[0], 0);
	assert_int_equal(w.used_interrupts[1], 1);
	viommu_registers_interrupt(&w.regs, 0);
	assert_int_equal(w.used_interrupts[0], 1);
	assert_int_equal(w.config_interrupts, 0);

	config = default_config(&w);
	config.interrupts = NULL; /* the driver polls */
	assert_int_equal(viommu_registers_init(&w.regs, &config), VIOMMU_OK);
	go_live(&w);
	viommu_registers_interrupt(&w.regs, 0);
	viommu_registers_needs_reset(&w.regs);
	assert_int_equal(w.used_interrupts[0], 1);
	assert_int_equal(w.config_interrupts, 0);
}

/* A transport may have one kind of interrupt and not the other. */
static void test_interrupt__hook_missing__the_other_one_works(void **state)
{
	static struct world w;
	struct viommu_interrupt_ops interrupts = fake_interrupts;
	struct viommu_registers_config config = default_config(&w);

	(void)state;
	setup(&w);
	config.interrupts = &interrupts;
	interrupts.used = NULL;
	assert_int_equal(viommu_registers_init(&w.regs, &config), VIOMMU_OK);
	go_live(&w);
	viommu_registers_interrupt(&w.regs, 0);
	viommu_registers_config_changed(&w.regs);
	assert_int_equal(w.used_interrupts[0], 0);
	assert_int_equal(w.config_interrupts, 1);
	interrupts.used = fake_used;
	interrupts.config = NULL;
	viommu_registers_interrupt(&w.regs, 0);
	viommu_registers_config_changed(&w.regs);
	assert_int_equal(w.used_interrupts[0], 1);
	assert_int_equal(w.config_interrupts, 1);
}

static void test_reset__transport__is_told_once(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	go_live(&w);
	w.settled = false;
	assert_false(viommu_registers_is_resetting(&w.regs));
	viommu_registers_set_status(&w.regs, 0);
	viommu_registers_set_status(&w.regs, 0); /* it is under way */
	assert_int_equal(w.reset_notices, 1);
	assert_true(viommu_registers_is_resetting(&w.regs));
	w.settled = true;
	assert_false(viommu_registers_is_resetting(&w.regs));
	assert_int_equal(w.reset_notices, 1);
}

static void test_reset__transport_that_does_not_care__nothing(void **state)
{
	static struct world w;
	struct viommu_interrupt_ops interrupts = fake_interrupts;
	struct viommu_registers_config config = default_config(&w);

	(void)state;
	setup(&w);
	interrupts.reset = NULL;
	config.interrupts = &interrupts;
	assert_int_equal(viommu_registers_init(&w.regs, &config), VIOMMU_OK);
	viommu_registers_set_status(&w.regs, 0);
	config.interrupts = NULL;
	assert_int_equal(viommu_registers_init(&w.regs, &config), VIOMMU_OK);
	viommu_registers_set_status(&w.regs, 0);
	assert_int_equal(w.reset_notices, 0);
	assert_int_equal(w.resets, 2);
}

static void test_queue_disable__before_driver_ok__set_up_anew(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	assert_int_equal(viommu_registers_queue_disable(&w.regs, QUEUES), VIOMMU_E_ARG);
	assert_int_equal(viommu_registers_queue_disable(&w.regs, 0), VIOMMU_OK); /* it is off */
	assert_true(negotiate(&w, VERSION_1));
	assert_int_equal(enable(&w, 0), VIOMMU_OK);
	assert_int_equal(enable(&w, 1), VIOMMU_OK);
	assert_int_equal(viommu_registers_queue_disable(&w.regs, 1), VIOMMU_OK);
	assert_true(viommu_registers_queue_is_enabled(&w.regs, 0));
	assert_false(viommu_registers_queue_is_enabled(&w.regs, 1));
	assert_false(viommu_registers_queue_is_enabled(&w.regs, QUEUES));
	assert_int_equal(enable(&w, 1), VIOMMU_OK);
	assert_true(viommu_registers_queue_is_enabled(&w.regs, 1));
}

static void test_queue_disable__before_driver_ok__enabled_again_after_it(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	assert_true(negotiate(&w, VERSION_1));
	assert_int_equal(enable(&w, 0), VIOMMU_OK);
	assert_int_equal(viommu_registers_queue_disable(&w.regs, 0), VIOMMU_OK);
	assert_int_equal(viommu_registers_queue_disable(&w.regs, 1), VIOMMU_OK); /* never enabled: nothing has happened */
	viommu_registers_set_status(&w.regs, DRIVER_OK);
	assert_int_equal(enable(&w, 1), VIOMMU_E_STATE);
	assert_int_equal(enable(&w, 0), VIOMMU_OK);
	assert_true(viommu_registers_check(&w.regs));
}

/* MMIO-DEV-REG-06 */
static void test_queue_disable__after_driver_ok__enabled_until_the_class_has_settled(void **state)
{
	static struct world w;

	(void)state;
	go_live_with_queues(&w, 0); /* it needs no feature */
	w.settled = false;
	assert_int_equal(viommu_registers_queue_disable(&w.regs, 0), VIOMMU_OK);
	assert_int_equal(w.queue_resets[0], 1);
	assert_int_equal(viommu_virtq_device_state(&w.queues[0]), VIOMMU_VIRTQ_OFF);
	assert_true(viommu_registers_queue_is_enabled(&w.regs, 0));
	assert_true(viommu_registers_check(&w.regs));
	assert_int_equal(viommu_registers_queue_disable(&w.regs, 0), VIOMMU_OK); /* it is being done */
	assert_int_equal(w.queue_resets[0], 1);
	assert_int_equal(enable(&w, 0), VIOMMU_E_STATE);
	w.settled = true;
	assert_false(viommu_registers_queue_is_enabled(&w.regs, 0));
	assert_true(viommu_registers_queue_is_enabled(&w.regs, 1));
	assert_int_equal(w.queue_reset_notices[0], 0); /* this was no reset */
	assert_int_equal(enable(&w, 0), VIOMMU_OK);
	assert_int_equal(viommu_registers_queue_disable(&w.regs, 0), VIOMMU_OK);
	assert_false(viommu_registers_queue_is_enabled(&w.regs, 0));
	assert_true(viommu_registers_is_live(&w.regs));
	assert_true(viommu_registers_check(&w.regs));
}

/* That a queue is disabled which never was enabled opens no way around "before DRIVER_OK". */
static void test_queue_disable__off_after_driver_ok__stays_so(void **state)
{
	static struct world w;

	(void)state;
	setup(&w);
	go_live(&w);
	assert_int_equal(viommu_registers_queue_disable(&w.regs, 0), VIOMMU_OK);
	assert_int_equal(w.queue_resets[0], 0);
	assert_int_equal(enable(&w, 0), VIOMMU_E_STATE);
}

static void test_queue_disable__class_that_cannot_stop_after_driver_ok__state(void **state)
{
	static struct world w;
	struct viommu_register_class no_reset = fake_class, no_look = fake_class;
	const struct viommu_register_class *unable[] = { &no_reset, &no_look };

	(void)state;
	no_reset.queue_reset = NULL;
	no_look.queue_is_settled = NULL;
	for (size_t i = 0; i < sizeof(unable) / sizeof(unable[0]); i++) {
		go_live_with_queues(&w, 0);
		w.regs.device_class = unable[i];
		assert_int_equal(viommu_registers_queue_disable(&w.regs, 0), VIOMMU_E_STATE);
		assert_true(viommu_registers_queue_is_enabled(&w.regs, 0));
		setup(&w);
		w.regs.device_class = unable[i];
		assert_true(negotiate(&w, VERSION_1));
		assert_int_equal(enable(&w, 0), VIOMMU_OK);
		assert_int_equal(viommu_registers_queue_disable(&w.regs, 0), VIOMMU_OK);
		assert_false(viommu_registers_queue_is_enabled(&w.regs, 0));
	}
}

static void test_notified__feature_stored_but_not_agreed__all_bits_name_the_queue(void **state)
{
	static struct world w;
	uint32_t queue = 77;

	(void)state;
	setup(&w);
	viommu_registers_set_status(&w.regs, ACKNOWLEDGE | DRIVER);
	viommu_registers_set_features(&w.regs, VERSION_1 | VIOMMU_F_NOTIFICATION_DATA);
	assert_int_equal(viommu_registers_notified(&w.regs, 0x10001, &queue), VIOMMU_E_ARG);
	assert_int_equal(viommu_registers_notified(&w.regs, 1, &queue), VIOMMU_OK);
	assert_int_equal(queue, 1);
}

/* INF-24: with NOTIFICATION_DATA the queue is in the lower half. Without, there is nothing else that it could be. */
static void test_notified__any_value__the_queue_or_nothing(void **state)
{
	static const struct {
		uint64_t feature;
		uint32_t value;
		uint32_t queue; /* QUEUES: none */
	} rows[] = {
		{ 0, 0, 0 },
		{ 0, 1, 1 },
		{ 0, QUEUES, QUEUES },
		{ 0, 0xffff, QUEUES },
		{ 0, 0x10000, QUEUES },
		{ 0, 0xffffffff, QUEUES },
		{ VIOMMU_F_NOTIFICATION_DATA, 0, 0 },
		{ VIOMMU_F_NOTIFICATION_DATA, 1, 1 },
		{ VIOMMU_F_NOTIFICATION_DATA, 0x10000, 0 },
		{ VIOMMU_F_NOTIFICATION_DATA, 0xffff0001, 1 },
		{ VIOMMU_F_NOTIFICATION_DATA, QUEUES, QUEUES },
		{ VIOMMU_F_NOTIFICATION_DATA, 0x1ffff, QUEUES },
		{ VIOMMU_F_NOTIFICATION_DATA, 0xffffffff, QUEUES },
	};
	static struct world w;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t queue = 77;

		setup(&w);
		assert_true(negotiate(&w, VERSION_1 | rows[i].feature));
		assert_int_equal(viommu_registers_notified(&w.regs, rows[i].value, &queue),
				 rows[i].queue < QUEUES ? VIOMMU_OK : VIOMMU_E_ARG);
		assert_int_equal(queue, rows[i].queue < QUEUES ? rows[i].queue : 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_notified__any_value__the_queue_or_nothing),
		cmocka_unit_test(test_notified__feature_stored_but_not_agreed__all_bits_name_the_queue),
		cmocka_unit_test(test_init__unknown_struct_size__abi),
		cmocka_unit_test(test_init__bad_configuration__arg),
		cmocka_unit_test(test_init__fresh__status_0_and_offer_complete),
		cmocka_unit_test(test_status__bits__only_added),
		cmocka_unit_test(test_status__driver_ok_without_features_ok__ignored),
		cmocka_unit_test(test_status__needs_reset_from_the_driver__ignored),
		cmocka_unit_test(test_features_ok__subset_with_version_1__sticks),
		cmocka_unit_test(test_features_ok__no_version_1__refused),
		cmocka_unit_test(test_features_ok__any_bit_beyond_the_offer__refused),
		cmocka_unit_test(test_features_ok__class_objects__refused_until_it_agrees),
		cmocka_unit_test(test_features__before_driver__not_stored),
		cmocka_unit_test(test_features__after_features_ok__frozen),
		cmocka_unit_test(test_queue_enable__without_a_reset_of_it__between_features_ok_and_driver_ok),
		cmocka_unit_test(test_queue_reset__settled_class__done_at_once_and_enabled_with_another_size),
		cmocka_unit_test(test_queue_reset__class_not_settled__resetting_and_not_enabled_before),
		cmocka_unit_test(test_queue_reset__queue_that_is_not_enabled__as_new),
		cmocka_unit_test(test_queue_reset__before_driver_ok__enabled_again_after_it),
		cmocka_unit_test(test_queue_reset__before_driver_ok_and_enabled__not_once_more),
		cmocka_unit_test(test_queue_reset__transport_that_does_not_care__nothing),
		cmocka_unit_test(test_queue_reset__not_the_time__refused),
		cmocka_unit_test(test_queue_reset__device_reset_in_the_middle__nothing_is_left),
		cmocka_unit_test(test_queue_enable__no_such_queue__arg),
		cmocka_unit_test(test_queues__every_function_with_a_number_too_large__no_queue),
		cmocka_unit_test(test_queue_enable__bad_layout__peer),
		cmocka_unit_test(test_queue_enable__smaller_than_offered__accepted),
		cmocka_unit_test(test_reset__settled_class__status_0_at_once),
		cmocka_unit_test(test_reset__class_not_settled__status_is_not_0_before),
		cmocka_unit_test(test_reset__class_not_settled__queue_in_use_is_enabled_until_it_has_stopped),
		cmocka_unit_test(test_reset__class_not_settled__each_queue_by_what_it_was),
		cmocka_unit_test(test_reset__class_that_cannot_stop_a_queue__enabled_until_status_0),
		cmocka_unit_test(test_reset__class_not_settled__stores_are_ignored),
		cmocka_unit_test(test_reset__class_not_settled__device_raises_nothing),
		cmocka_unit_test(test_reset__status_0_already_and_not_settled__not_0_before),
		cmocka_unit_test(test_reset__settled_once__status_stays),
		cmocka_unit_test(test_needs_reset__live__flag_interrupt_and_no_service),
		cmocka_unit_test(test_needs_reset__twice__one_interrupt),
		cmocka_unit_test(test_config_changed__generation_and_interrupt),
		cmocka_unit_test(test_needs_reset__before_driver_ok__interrupt_with_it),
		cmocka_unit_test(test_config__any_offset__passed_to_the_class),
		cmocka_unit_test(test_interrupt__queue__forwarded),
		cmocka_unit_test(test_interrupt__hook_missing__the_other_one_works),
		cmocka_unit_test(test_reset__transport__is_told_once),
		cmocka_unit_test(test_reset__transport_that_does_not_care__nothing),
		cmocka_unit_test(test_queue_disable__before_driver_ok__set_up_anew),
		cmocka_unit_test(test_queue_disable__before_driver_ok__enabled_again_after_it),
		cmocka_unit_test(test_queue_disable__after_driver_ok__enabled_until_the_class_has_settled),
		cmocka_unit_test(test_queue_disable__off_after_driver_ok__stays_so),
		cmocka_unit_test(test_queue_disable__class_that_cannot_stop_after_driver_ok__state),
	};

	return suite_run(tests);
}
