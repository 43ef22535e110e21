/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mmio.c: virtio-mmio between driver and device: each access of the driver's side is one of the register file. The
 * interrupt line is looked at when the driver takes its interrupts.
 */
#include "transport.h"

#include "sim/env/env.h"

/* The bus */

static uint32_t bus_read(void *ctx, uint32_t offset, uint32_t width)
{
	struct sim_transport *t = ctx;
	uint64_t value;

	if (sim_env_call(SIM_ENV_REGISTER_GET, offset, width))
		return UINT32_MAX >> (32 - 8 * width);
	value = viommu_mmio_read(&t->mmio.device, offset, width);
	if (value >> (8 * width) != 0)
		sim_env_die("a register is wider than the access");
	return (uint32_t)value;
}

static enum sim_env_site site_of(uint32_t offset)
{
	if (offset == VIOMMU_MMIO_QUEUE_NOTIFY)
		return SIM_ENV_NOTIFY;
	return offset == VIOMMU_MMIO_QUEUE_READY ? SIM_ENV_QUEUE_ENABLE : SIM_ENV_REGISTER_SET;
}

static void bus_write(void *ctx, uint32_t offset, uint32_t width, uint32_t value)
{
	struct sim_transport *t = ctx;

	if (!sim_env_call(site_of(offset), offset, value))
		viommu_mmio_write(&t->mmio.device, offset, width, value);
}

static const struct viommu_mmio_accessors accessors = {
	.size = sizeof(struct viommu_mmio_accessors),
	.read = bus_read,
	.write = bus_write,
};

/* The device's side */

static void set_line(void *ctx, bool high)
{
	struct sim_transport *t = ctx;

	(void)sim_env_call(SIM_ENV_INTERRUPT, high, 0);
	if (t->mmio.line == high)
		sim_env_die("the interrupt line is where it is said to go");
	t->mmio.line = high;
}

static void on_notify(void *ctx, uint32_t queue, uint32_t value)
{
	(void)value;
	sim_transport_kicked(ctx, queue);
}

static const struct viommu_mmio_ops ops = {
	.size = sizeof(struct viommu_mmio_ops),
	.set_line = set_line,
	.notify = on_notify,
};

static void init(struct sim_transport *t)
{
	t->interrupt_ops = &viommu_mmio_interrupt_ops;
	t->interrupt_ctx = &t->mmio.device;
}

static enum viommu_result connect(struct sim_transport *t)
{
	struct viommu_mmio_config config = VIOMMU_MMIO_CONFIG_INIT;

	config.registers = t->registers;
	config.queues = t->mmio.queues;
	config.ops = &ops;
	config.ops_ctx = t;
	return viommu_mmio_init(&t->mmio.device, &config);
}

static bool check(const struct sim_transport *t)
{
	return viommu_mmio_check(&t->mmio.device) && t->mmio.line == t->mmio.device.line;
}

static enum viommu_result save(const struct sim_transport *t, void *buf, size_t len, size_t *written)
{
	return viommu_mmio_save(&t->mmio.device, buf, len, written);
}

static enum viommu_result restore(struct sim_transport *t, const void *bytes, size_t len)
{
	t->mmio.line = false; /* as that of any device that is new */
	return viommu_mmio_restore(&t->mmio.device, bytes, len);
}

/* The driver's side */

static enum viommu_result find_device(struct sim_transport *t)
{
	t->register_ops = &viommu_mmio_driver_ops;
	t->register_ctx = &t->mmio.driver;
	return viommu_mmio_driver_init(&t->mmio.driver, &accessors, t, VIOMMU_DEVICE_ID);
}

static void take_interrupts(struct sim_transport *t)
{
	uint8_t happened;

	if (!t->mmio.line)
		return;
	happened = viommu_mmio_driver_interrupt(&t->mmio.driver);
	/* One line for all queues: each may have something. */
	for (uint32_t queue = 0; queue < VIOMMU_QUEUE_COUNT && (happened & VIOMMU_INTERRUPT_USED) != 0; queue++)
		sim_transport_used(t, queue);
	if ((happened & VIOMMU_INTERRUPT_CONFIG) != 0)
		sim_transport_config(t);
	if (t->mmio.line && !sim_env_has_fired())
		sim_env_die("an interrupt that was acknowledged is still there");
}

const struct sim_transport_kind sim_transport_mmio = {
	.name = "mmio",
	.one_line = true,
	.init = init,
	.connect = connect,
	.find_device = find_device,
	.take_interrupts = take_interrupts,
	.check = check,
	.save = save,
	.restore = restore,
};
