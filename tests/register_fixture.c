/* SPDX-License-Identifier: BSD-3-Clause */
#include "register_fixture.h"

#define QUEUE_ROOM 0x1000u

static uint8_t ram[REGISTER_QUEUES * QUEUE_ROOM] __attribute__((aligned(16)));
static const struct viommu_memory_region region = { REGISTER_RAM, REGISTER_RAM + sizeof ram - 1, ram, 3 };
static struct viommu_memory_table table = { .regions = &region, .count = 1 };

static uint64_t class_features(void *ctx)
{
	(void)ctx;
	return REGISTER_FEATURES;
}

static enum viommu_result class_negotiate(void *ctx, uint64_t features)
{
	(void)ctx;
	assert_int_equal(features & ~REGISTER_FEATURES, 0);
	return VIOMMU_OK;
}

static void class_config_read(void *ctx, uint32_t offset, void *dst, uint32_t len)
{
	const struct register_fixture *f = ctx;

	for (uint32_t i = 0; i < len; i++)
		((uint8_t *)dst)[i] = (uint64_t)offset + i < REGISTER_CONFIG ? f->config[offset + i] : 0;
}

static void class_config_write(void *ctx, uint32_t offset, const void *src, uint32_t len)
{
	struct register_fixture *f = ctx;

	f->config_writes++;
	for (uint32_t i = 0; i < len; i++) {
		if ((uint64_t)offset + i < REGISTER_CONFIG)
			f->config[offset + i] = ((const uint8_t *)src)[i];
	}
}

static void class_reset(void *ctx)
{
	struct register_fixture *f = ctx;

	f->resets++;
}

static bool class_is_settled(void *ctx)
{
	return ((const struct register_fixture *)ctx)->settled;
}

static void class_queue_reset(void *ctx, uint32_t queue)
{
	struct register_fixture *f = ctx;

	assert_true(queue < REGISTER_QUEUES);
	f->queue_resets++;
}

static bool class_queue_is_settled(void *ctx, uint32_t queue)
{
	assert_true(queue < REGISTER_QUEUES);
	return ((const struct register_fixture *)ctx)->settled;
}

static const struct viommu_register_class device_class = {
	.size = sizeof(struct viommu_register_class),
	.features = class_features,
	.negotiate = class_negotiate,
	.config_read = class_config_read,
	.config_write = class_config_write,
	.reset = class_reset,
	.is_settled = class_is_settled,
	.queue_reset = class_queue_reset,
	.queue_is_settled = class_queue_is_settled,
};

void register_fixture_init(struct register_fixture *f, const struct viommu_interrupt_ops *interrupts, void *ctx)
{
	const struct viommu_memory memory = { &viommu_memory_table_ops, &table };
	const struct viommu_registers_config config = {
		.size = sizeof config,
		.queue_count = REGISTER_QUEUES,
		.queue_size_max = REGISTER_QUEUE_SIZE,
		.queues = f->queues,
		.ring_features = REGISTER_RING_FEATURES & ~VIOMMU_F_VERSION_1,
		.device_class = &device_class,
		.class_ctx = f,
		.interrupts = interrupts,
		.interrupt_ctx = ctx,
	};

	memset(f, 0, sizeof *f);
	f->settled = true;
	for (uint32_t i = 0; i < REGISTER_CONFIG; i++)
		f->config[i] = (uint8_t)(0x10 + i);
	for (uint32_t i = 0; i < REGISTER_QUEUES; i++)
		viommu_virtq_device_init(&f->queues[i], &memory);
	assert_int_equal(viommu_registers_init(&f->regs, &config), VIOMMU_OK);
}

struct viommu_virtq_layout register_fixture_layout(uint32_t queue)
{
	const uint64_t at = REGISTER_RAM + (uint64_t)queue * QUEUE_ROOM;

	return (struct viommu_virtq_layout){
		.size = REGISTER_QUEUE_SIZE, .desc = at, .avail = at + 0x400, .used = at + 0x800
	};
}
