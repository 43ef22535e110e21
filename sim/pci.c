/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pci.c: virtio-pci between driver and device, as firmware and a bus would have it: the driver's side finds the
 * function, gives its BARs a place and its vectors a message, and reaches it by addresses; what no BAR has claimed
 * answers nobody.
 */
#include "transport.h"

#include "sim/env/env.h"

#define FUNCTION 0x10u /* 00:02.0 */
#define DOORBELL UINT64_C(0x1fee00000)

/* Vectors, by what they are for. The data of each message is its number. */
enum {
	VECTOR_CONFIG,
	VECTOR_QUEUES
};
_Static_assert(VECTOR_QUEUES + VIOMMU_QUEUE_COUNT == SIM_PCI_VECTORS, "the sim has another number of vectors");

/* The bus */

static uint32_t space_read(void *ctx, uint32_t function, uint32_t offset)
{
	struct sim_transport *t = ctx;

	if (function != FUNCTION || sim_env_call(SIM_ENV_REGISTER_GET, function, offset))
		return UINT32_MAX;
	return viommu_pci_config_read(&t->pci.device, offset, 4);
}

static void space_write(void *ctx, uint32_t function, uint32_t offset, uint32_t value)
{
	struct sim_transport *t = ctx;

	if (function == FUNCTION && !sim_env_call(SIM_ENV_REGISTER_SET, offset, value))
		viommu_pci_config_write(&t->pci.device, offset, 4, value);
}

/* Which BAR of the device answers at this address? */
static bool decode(const struct sim_transport *t, uint64_t address, uint32_t width, uint32_t *bar, uint64_t *offset)
{
	struct viommu_range range;

	for (*bar = 0; *bar < VIOMMU_PCI_BARS; ++*bar) {
		if (viommu_pci_bar(&t->pci.device, *bar, &range) && range.first <= address && address <= range.last &&
		    width - 1 <= range.last - address) {
			*offset = address - range.first;
			return true;
		}
	}
	if (!sim_env_has_fired())
		sim_env_die("the driver has missed its device");
	return false;
}

static uint32_t bar_read(void *ctx, const struct viommu_pci_bar *bar, uint32_t offset, uint32_t width)
{
	struct sim_transport *t = ctx;
	uint32_t nobody = UINT32_MAX >> (32 - 8 * width);
	uint32_t number;
	uint64_t at, value;

	if (sim_env_call(SIM_ENV_REGISTER_GET, bar->number, offset) ||
	    !decode(t, bar->address + offset, width, &number, &at))
		return nobody;
	value = viommu_pci_bar_read(&t->pci.device, number, at, width);
	if ((value & ~(uint64_t)nobody) != 0)
		sim_env_die("a register is wider than the access");
	return (uint32_t)value;
}

static void bar_write(void *ctx, const struct viommu_pci_bar *bar, uint32_t offset, uint32_t width, uint32_t value)
{
	struct sim_transport *t = ctx;
	bool kick = bar->number == VIOMMU_PCI_BAR_VIRTIO && offset >= VIOMMU_PCI_NOTIFY_OFFSET;
	uint32_t number;
	uint64_t at;

	if (sim_env_call(kick ? SIM_ENV_NOTIFY : SIM_ENV_REGISTER_SET, offset, value) ||
	    !decode(t, bar->address + offset, width, &number, &at))
		return;
	viommu_pci_bar_write(&t->pci.device, number, at, width, value);
}

static const struct viommu_pci_accessors accessors = {
	.size = sizeof(struct viommu_pci_accessors),
	.config_read = space_read,
	.config_write = space_write,
	.bar_read = bar_read,
	.bar_write = bar_write,
};

/* The device's side */

static void msi(void *ctx, uint64_t address, uint32_t data)
{
	struct sim_transport *t = ctx;

	(void)sim_env_call(SIM_ENV_INTERRUPT, address, data);
	if (address != DOORBELL || data >= SIM_PCI_VECTORS) {
		if (!sim_env_has_fired())
			sim_env_die("a message goes where nobody waits for it");
		return;
	}
	if (data == VECTOR_CONFIG)
		sim_transport_config(t);
	else
		sim_transport_used(t, data - VECTOR_QUEUES);
}

static void on_notify(void *ctx, uint32_t queue, uint32_t value)
{
	if (queue != VIOMMU_REGISTER_NO_QUEUE && (value & 0xffff) != queue && !sim_env_has_fired())
		sim_env_die("a kick says another queue than its place does");
	sim_transport_kicked(ctx, queue);
}

static const struct viommu_pci_ops ops = {
	.size = sizeof(struct viommu_pci_ops),
	.msi = msi,
	.notify = on_notify,
};

static void init(struct sim_transport *t)
{
	t->interrupt_ops = &viommu_pci_interrupt_ops;
	t->interrupt_ctx = &t->pci.device;
}

static enum viommu_result connect(struct sim_transport *t)
{
	struct viommu_pci_config config = VIOMMU_PCI_CONFIG_INIT;

	config.registers = t->registers;
	config.queues = t->pci.queues;
	config.vectors = t->pci.vectors;
	config.vector_count = SIM_PCI_VECTORS;
	config.ops = &ops;
	config.ops_ctx = t;
	return viommu_pci_init(&t->pci.device, &config);
}

static bool may_run(const struct sim_transport *t)
{
	return viommu_pci_is_bus_master(&t->pci.device);
}

static bool check(const struct sim_transport *t)
{
	return viommu_pci_check(&t->pci.device);
}

static enum viommu_result save(const struct sim_transport *t, void *buf, size_t len, size_t *written)
{
	return viommu_pci_save(&t->pci.device, buf, len, written);
}

static enum viommu_result restore(struct sim_transport *t, const void *bytes, size_t len)
{
	return viommu_pci_restore(&t->pci.device, bytes, len);
}

/* The driver's side */

/* From the bus to a function that answers at its addresses. */
static enum viommu_result power_up(struct sim_transport *t, struct viommu_pci_bar bars[VIOMMU_PCI_BARS],
				   uint32_t *function)
{
	struct viommu_pci_window window = { 0xe0001000, 0xefffffff, false };
	enum viommu_result r = viommu_pci_find(&accessors, t, 0, 0xff, VIOMMU_DEVICE_ID, function);

	if (r == VIOMMU_OK)
		r = viommu_pci_read_bars(&accessors, t, *function, bars);
	if (r == VIOMMU_OK)
		r = viommu_pci_place_bars(&accessors, t, *function, bars, &window, 1);
	if (r == VIOMMU_OK)
		r = viommu_pci_enable(&accessors, t, *function, false);
	return r;
}

static enum viommu_result set_up_vectors(struct sim_transport *t)
{
	uint16_t queue_vectors[VIOMMU_QUEUE_COUNT];
	enum viommu_result r;

	for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++)
		queue_vectors[i] = (uint16_t)(VECTOR_QUEUES + i);
	r = viommu_pci_driver_use_vectors(&t->pci.driver, VECTOR_CONFIG, queue_vectors);
	for (uint32_t i = 0; i < SIM_PCI_VECTORS && r == VIOMMU_OK; i++)
		r = viommu_pci_driver_set_vector(&t->pci.driver, i, DOORBELL, i, false);
	return r;
}

static enum viommu_result find_device(struct sim_transport *t)
{
	struct viommu_pci_driver_config config = VIOMMU_PCI_DRIVER_CONFIG_INIT;
	struct viommu_pci_bar bars[VIOMMU_PCI_BARS];
	enum viommu_result r = power_up(t, bars, &config.function);

	if (r != VIOMMU_OK)
		return r;
	config.bars = bars;
	config.queues = t->pci.driver_queues;
	config.queue_count = VIOMMU_QUEUE_COUNT;
	config.accessors = &accessors;
	config.ctx = t;
	r = viommu_pci_driver_init(&t->pci.driver, &config);
	if (r != VIOMMU_OK)
		return r;
	t->register_ops = &viommu_pci_driver_ops;
	t->register_ctx = &t->pci.driver;
	return set_up_vectors(t);
}

const struct sim_transport_kind sim_transport_pci = {
	.name = "pci",
	.init = init,
	.connect = connect,
	.find_device = find_device,
	.may_run = may_run,
	.check = check,
	.save = save,
	.restore = restore,
};
