/* SPDX-License-Identifier: BSD-3-Clause */
/* mmio_driver.c: the driver's side of virtio-mmio: the operations of a driver made of accesses of 1, 2 and 4 bytes. */
#include <viommu/transport/mmio.h>

#include "core.h"

#include "../internal.h"

static uint32_t get(const struct viommu_mmio_driver *mmio, uint32_t offset)
{
	return mmio->accessors->read(mmio->ctx, offset, 4);
}

static void set(const struct viommu_mmio_driver *mmio, uint32_t offset, uint32_t value)
{
	mmio->accessors->write(mmio->ctx, offset, 4, value);
}

enum viommu_result viommu_mmio_driver_init(struct viommu_mmio_driver *mmio,
					   const struct viommu_mmio_accessors *accessors, void *ctx, uint32_t device_id)
{
	struct viommu_mmio_driver found = { accessors, ctx };
	uint32_t id;

	if (accessors->size != sizeof *accessors)
		return VIOMMU_E_ABI;
	if (accessors->read == NULL || accessors->write == NULL || device_id == 0)
		return VIOMMU_E_ARG;
	if (get(&found, VIOMMU_MMIO_MAGIC_VALUE) != VIOMMU_MMIO_MAGIC ||
	    get(&found, VIOMMU_MMIO_VERSION) != VIOMMU_MMIO_VERSION_2)
		return VIOMMU_E_PEER;
	id = get(&found, VIOMMU_MMIO_DEVICE_ID);
	if (id == 0)
		return VIOMMU_E_NOENT;
	if (id != device_id)
		return VIOMMU_E_UNSUPP;
	*mmio = found;
	return VIOMMU_OK;
}

uint8_t viommu_mmio_driver_interrupt(struct viommu_mmio_driver *mmio)
{
	uint32_t happened = get(mmio, VIOMMU_MMIO_INTERRUPT_STATUS) & (VIOMMU_INTERRUPT_USED | VIOMMU_INTERRUPT_CONFIG);

	/* Before anybody looks at what has happened: acknowledged later, it could swallow what happens meanwhile. */
	if (happened != 0)
		set(mmio, VIOMMU_MMIO_INTERRUPT_ACK, happened);
	return (uint8_t)happened;
}

static uint8_t get_status(void *ctx)
{
	return (uint8_t)get(ctx, VIOMMU_MMIO_STATUS);
}

static void set_status(void *ctx, uint8_t status)
{
	set(ctx, VIOMMU_MMIO_STATUS, status);
}

static uint64_t get_features(void *ctx)
{
	uint32_t low;

	set(ctx, VIOMMU_MMIO_DEVICE_FEATURES_SEL, 0);
	low = get(ctx, VIOMMU_MMIO_DEVICE_FEATURES);
	set(ctx, VIOMMU_MMIO_DEVICE_FEATURES_SEL, 1);
	return (uint64_t)get(ctx, VIOMMU_MMIO_DEVICE_FEATURES) << 32 | low;
}

static void set_features(void *ctx, uint64_t features)
{
	set(ctx, VIOMMU_MMIO_DRIVER_FEATURES_SEL, 0);
	set(ctx, VIOMMU_MMIO_DRIVER_FEATURES, (uint32_t)features);
	set(ctx, VIOMMU_MMIO_DRIVER_FEATURES_SEL, 1);
	set(ctx, VIOMMU_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32));
}

static uint32_t config_generation(void *ctx)
{
	return get(ctx, VIOMMU_MMIO_CONFIG_GENERATION);
}

static uint32_t config_get(const void *driver, uint32_t offset, uint32_t width)
{
	const struct viommu_mmio_driver *mmio = driver;

	return mmio->accessors->read(mmio->ctx, VIOMMU_MMIO_CONFIG + offset, width);
}

static void config_set(const void *driver, uint32_t offset, uint32_t width, uint32_t value)
{
	const struct viommu_mmio_driver *mmio = driver;

	mmio->accessors->write(mmio->ctx, VIOMMU_MMIO_CONFIG + offset, width, value);
}

static void config_read(void *ctx, uint32_t offset, void *dst, uint32_t len)
{
	viommu_i_config_read(config_get, ctx, offset, dst, len);
}

static void config_write(void *ctx, uint32_t offset, const void *src, uint32_t len)
{
	viommu_i_config_write(config_set, ctx, offset, src, len);
}

static uint32_t queue_size_max(void *ctx, uint32_t queue)
{
	set(ctx, VIOMMU_MMIO_QUEUE_SEL, queue);
	return get(ctx, VIOMMU_MMIO_QUEUE_SIZE_MAX);
}

static void set_address(const struct viommu_mmio_driver *mmio, uint32_t low, uint64_t address)
{
	set(mmio, low, (uint32_t)address);
	set(mmio, low + 4, (uint32_t)(address >> 32));
}

static enum viommu_result queue_enable(void *ctx, uint32_t queue, const struct viommu_virtq_layout *layout)
{
	set(ctx, VIOMMU_MMIO_QUEUE_SEL, queue);
	if (get(ctx, VIOMMU_MMIO_QUEUE_READY) != 0)
		return VIOMMU_E_PEER;
	set(ctx, VIOMMU_MMIO_QUEUE_SIZE, layout->size);
	set_address(ctx, VIOMMU_MMIO_QUEUE_DESC_LOW, layout->desc);
	set_address(ctx, VIOMMU_MMIO_QUEUE_DRIVER_LOW, layout->avail);
	set_address(ctx, VIOMMU_MMIO_QUEUE_DEVICE_LOW, layout->used);
	set(ctx, VIOMMU_MMIO_QUEUE_READY, 1);
	return get(ctx, VIOMMU_MMIO_QUEUE_READY) == 1 ? VIOMMU_OK : VIOMMU_E_PEER;
}

static void notify(void *ctx, uint32_t queue)
{
	set(ctx, VIOMMU_MMIO_QUEUE_NOTIFY, queue);
}

static void notify_data(void *ctx, uint32_t queue, uint32_t data)
{
	(void)queue; /* the data say it */
	set(ctx, VIOMMU_MMIO_QUEUE_NOTIFY, data);
}

static enum viommu_result queue_reset(void *ctx, uint32_t queue)
{
	set(ctx, VIOMMU_MMIO_QUEUE_SEL, queue);
	set(ctx, VIOMMU_MMIO_QUEUE_RESET, 1);
	return VIOMMU_OK;
}

static bool queue_is_resetting(void *ctx, uint32_t queue)
{
	set(ctx, VIOMMU_MMIO_QUEUE_SEL, queue);
	return get(ctx, VIOMMU_MMIO_QUEUE_RESET) != 0;
}

const struct viommu_register_ops viommu_mmio_driver_ops = {
	.size = sizeof viommu_mmio_driver_ops,
	.get_status = get_status,
	.set_status = set_status,
	.get_features = get_features,
	.set_features = set_features,
	.config_generation = config_generation,
	.config_read = config_read,
	.config_write = config_write,
	.queue_size_max = queue_size_max,
	.queue_enable = queue_enable,
	.notify = notify,
	.notify_data = notify_data,
	.queue_reset = queue_reset,
	.queue_is_resetting = queue_is_resetting,
};
