/* SPDX-License-Identifier: BSD-3-Clause */
#include "register_fixture.h"

#define QUEUE_ROOM 0x1000u

static uint8_t ram[REGISTER_QUEUES * QUEUE_ROOM] __attribute__((aligned(16)));
static const struct viommu_memory_region region = { REGISTER_RAM, REGISTER_RAM + sizeof ram - 1, ram, 3 };
static struct viommu_memory_table table = { .regions = &region, .count = 1 };

void register_fixture_init(struct register_fixture *f, const struct viommu_interrupt_ops *interrupts, void *ctx)
{
	const struct viommu_memory memory = { &viommu_memory_table_ops, &table };
	const struct viommu_registers_config config = {
		.size = sizeof config,
		.queue_count = REGISTER_QUEUES,
		.queue_size_max = REGISTER_QUEUE_SIZE,
		.queues = f->queues,
		.ring_features = REGISTER_RING_FEATURES & ~VIOMMU_F_VERSION_1,
		.device_class = &fake_class,
		.class_ctx = &f->fake,
		.interrupts = interrupts,
		.interrupt_ctx = ctx,
	};

	memset(f, 0, sizeof *f);
	f->fake.features = REGISTER_FEATURES;
	f->fake.queue_count = REGISTER_QUEUES;
	f->fake.settled = true;
	f->fake.config_size = REGISTER_CONFIG;
	for (uint32_t i = 0; i < REGISTER_CONFIG; i++)
		f->fake.config[i] = (uint8_t)(0x10 + i);
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
