/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci_fixture.h"

static uint8_t ram[RAM_SIZE] __attribute__((aligned(16)));
static const struct viommu_memory_region ram_region = { RAM_FIRST, RAM_FIRST + RAM_SIZE - 1, ram, 3 };
static struct viommu_memory_table ram_table = { .regions = &ram_region, .count = 1 };

static void msi(void *ctx, uint64_t address, uint32_t data)
{
	struct pci_world *w = ctx;

	assert_true(w->message_count < MESSAGES);
	w->messages[w->message_count++] = (struct pci_message){ address, data };
}

static void set_line(void *ctx, bool high)
{
	struct pci_world *w = ctx;

	assert_int_not_equal(w->line, high); /* called when it changes */
	w->line = high;
	w->line_changes++;
}

static void notify(void *ctx, uint32_t queue, uint32_t value)
{
	struct pci_world *w = ctx;

	assert_true(viommu_pci_check(&w->pci)); /* the store is over */
	if (queue == NO_QUEUE) {
		assert_int_equal(value, 0);
		w->looks++;
		memcpy(w->config_seen, w->fake.config, CONFIG_SIZE);
		return;
	}
	assert_true(queue < QUEUES);
	w->kicks++;
	w->kicked = queue;
	w->kick_value = value;
}

static void bars_changed(void *ctx)
{
	struct pci_world *w = ctx;

	w->bar_changes++;
}

const struct viommu_pci_ops pci_world_ops = {
	.size = sizeof(struct viommu_pci_ops),
	.msi = msi,
	.set_line = set_line,
	.notify = notify,
	.bars_changed = bars_changed,
};

struct viommu_registers_config pci_world_registers(struct pci_world *w)
{
	struct viommu_registers_config config = {
		.size = sizeof(config),
		.queue_count = QUEUES,
		.queue_size_max = QUEUE_SIZE,
		.queues = w->queues,
		.ring_features = VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX,
		.device_class = &fake_class,
		.class_ctx = &w->fake,
		.interrupts = &viommu_pci_interrupt_ops,
		.interrupt_ctx = &w->pci,
	};

	return config;
}

struct viommu_pci_config pci_world_config(struct pci_world *w)
{
	struct viommu_pci_config config = VIOMMU_PCI_CONFIG_INIT;

	config.device_config_size = CONFIG_SIZE;
	config.registers = &w->regs;
	config.queues = w->queue_setup;
	config.vectors = w->vectors;
	config.vector_count = VECTORS;
	config.ops = &pci_world_ops;
	config.ops_ctx = w;
	return config;
}

void pci_setup_with(struct pci_world *w, const struct viommu_pci_config *config)
{
	struct viommu_memory memory = { &viommu_memory_table_ops, &ram_table };
	struct viommu_registers_config registers = pci_world_registers(w);
	struct viommu_pci_config copy = *config; /* it may point into *w, but not be there */

	memset(w, 0xa5, sizeof(*w));
	memset((char *)w + offsetof(struct pci_world, fake), 0, sizeof(*w) - offsetof(struct pci_world, fake));
	w->fake.features = OFFERED;
	w->fake.queue_count = QUEUES;
	w->fake.settled = true;
	w->fake.is_bounded = true;
	w->fake.config_size = CONFIG_SIZE;
	for (uint32_t i = 0; i < CONFIG_SIZE; i++)
		w->fake.config[i] = (uint8_t)(0x11 * (i + 1));
	for (uint32_t i = 0; i < QUEUES; i++)
		viommu_virtq_device_init(&w->queues[i], &memory);
	assert_int_equal(viommu_registers_init(&w->regs, &registers), VIOMMU_OK);
	assert_int_equal(viommu_pci_init(&w->pci, &copy), VIOMMU_OK);
	assert_true(viommu_pci_check(&w->pci));
}

void pci_setup(struct pci_world *w)
{
	struct viommu_pci_config config = pci_world_config(w);

	pci_setup_with(w, &config);
}

static void check(const struct pci_world *w)
{
	assert_true(viommu_pci_check(&w->pci));
}

static uint64_t low_bytes(uint64_t value, uint32_t width)
{
	return width < 8 ? value & ((UINT64_C(1) << 8 * width) - 1) : value;
}

uint32_t bar0(struct pci_world *w, uint64_t offset, uint32_t width)
{
	uint32_t value = (uint32_t)low_bytes(viommu_pci_bar_read(&w->pci, 0, offset, width), width);

	check(w);
	return value;
}

void set_bar0(struct pci_world *w, uint64_t offset, uint32_t width, uint64_t value)
{
	viommu_pci_bar_write(&w->pci, 0, offset, width, value);
	check(w);
}

uint32_t bar2(struct pci_world *w, uint64_t offset)
{
	uint32_t value = (uint32_t)viommu_pci_bar_read(&w->pci, 2, offset, 4);

	check(w);
	return value;
}

void set_bar2(struct pci_world *w, uint64_t offset, uint32_t value)
{
	viommu_pci_bar_write(&w->pci, 2, offset, 4, value);
	check(w);
}

uint32_t config_space(struct pci_world *w, uint32_t offset, uint32_t width)
{
	uint32_t value = viommu_pci_config_read(&w->pci, offset, width);

	check(w);
	return value;
}

void set_config_space(struct pci_world *w, uint32_t offset, uint32_t width, uint32_t value)
{
	viommu_pci_config_write(&w->pci, offset, width, value);
	check(w);
}

void pci_power(struct pci_world *w)
{
	set_config_space(w, COMMAND, 2, MEMORY_ON | MASTER_ON);
	w->looks = 0;
	w->bar_changes = 0;
}

void pci_negotiate(struct pci_world *w)
{
	set_bar0(w, DEVICE_STATUS, 1, ACKNOWLEDGE);
	set_bar0(w, DEVICE_STATUS, 1, ACKNOWLEDGE | DRIVER);
	for (uint32_t half = 0; half < 2; half++) {
		set_bar0(w, FEATURES_SELECT, 4, half);
		set_bar0(w, DRIVER_FEATURES_SELECT, 4, half);
		set_bar0(w, DRIVER_FEATURES, 4, bar0(w, FEATURES, 4));
	}
	set_bar0(w, DEVICE_STATUS, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	assert_int_equal(bar0(w, DEVICE_STATUS, 1), ACKNOWLEDGE | DRIVER | FEATURES_OK);
}

void pci_enable_queue(struct pci_world *w, uint32_t queue)
{
	uint64_t at = RAM_FIRST + 0x1000 * queue;

	set_bar0(w, SELECT, 2, queue);
	set_bar0(w, SIZE, 2, QUEUE_SIZE);
	set_bar0(w, DESC, 8, at);
	set_bar0(w, AVAIL, 4, at + 0x400);
	set_bar0(w, AVAIL + 4, 4, 0);
	set_bar0(w, USED, 8, at + 0x800);
	set_bar0(w, ENABLE, 2, 1);
	assert_int_equal(bar0(w, ENABLE, 2), 1);
}

void pci_go_live(struct pci_world *w)
{
	pci_negotiate(w);
	for (uint32_t i = 0; i < QUEUES; i++)
		pci_enable_queue(w, i);
	set_bar0(w, DEVICE_STATUS, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	assert_true(viommu_registers_is_live(&w->regs));
}

void pci_use_msix(struct pci_world *w)
{
	set_config_space(w, MSIX_CONTROL, 2, MSIX_ON);
	for (uint32_t i = 0; i < VECTORS; i++) {
		set_bar2(w, ENTRY(i), 16 * i);
		set_bar2(w, ENTRY(i) + 4, 1);
		set_bar2(w, ENTRY(i) + 8, 0x1000 + i);
		set_bar2(w, ENTRY(i) + 12, 0);
	}
	set_bar0(w, CONFIG_VECTOR, 2, 0);
	for (uint32_t i = 0; i < QUEUES; i++) {
		set_bar0(w, SELECT, 2, i);
		set_bar0(w, QUEUE_VECTOR, 2, i + 1);
	}
}
