/* SPDX-License-Identifier: BSD-3-Clause */
/* mmio_device.c: the device's side of virtio-mmio: which register is where, and one interrupt line. */
#include <viommu/transport/mmio.h>

#include "core.h"
#include "snapshot.h"

#include "../internal.h"

/* What the driver may do to a register. */
#define READ 0x40u
#define WRITE 0x80u
#define WHICH 0x3fu

/* The line is high while something is pending. */
void viommu_i_mmio_update_line(struct viommu_mmio *mmio)
{
	bool high = viommu_register_file_pending(&mmio->file) != 0;

	if (high == mmio->line)
		return;
	mmio->line = high;
	mmio->ops->set_line(mmio->ops_ctx, high);
}

static void raise(struct viommu_mmio *mmio, uint8_t interrupt)
{
	viommu_register_file_raise(&mmio->file, interrupt);
	viommu_i_mmio_update_line(mmio);
	VIOMMU_ASSERT(viommu_mmio_is_valid(mmio));
}

static void on_used(void *ctx, uint32_t queue)
{
	(void)queue; /* one line for all */
	raise(ctx, VIOMMU_INTERRUPT_USED);
}

static void on_config(void *ctx)
{
	raise(ctx, VIOMMU_INTERRUPT_CONFIG);
}

static void on_reset(void *ctx)
{
	struct viommu_mmio *mmio = ctx;

	viommu_register_file_reset(&mmio->file);
	viommu_i_mmio_update_line(mmio);
	VIOMMU_ASSERT(viommu_mmio_is_valid(mmio));
}

/* What is pending may be for another queue: there is one bit for all. */
static void on_queue_reset(void *ctx, uint32_t queue)
{
	struct viommu_mmio *mmio = ctx;

	viommu_register_file_reset_queue(&mmio->file, queue);
}

const struct viommu_interrupt_ops viommu_mmio_interrupt_ops = {
	.size = sizeof viommu_mmio_interrupt_ops,
	.used = on_used,
	.config = on_config,
	.reset = on_reset,
	.queue_reset = on_queue_reset,
};

enum viommu_result viommu_mmio_init(struct viommu_mmio *mmio, const struct viommu_mmio_config *config)
{
	if (config->size != sizeof *config)
		return VIOMMU_E_ABI;
	if (config->ops == NULL || config->registers == NULL || config->queues == NULL || config->device_id == 0)
		return VIOMMU_E_ARG;
	if (config->ops->size != sizeof *config->ops)
		return VIOMMU_E_ABI;
	if (config->ops->set_line == NULL || config->ops->notify == NULL)
		return VIOMMU_E_ARG;
	if (config->registers->interrupts != &viommu_mmio_interrupt_ops || config->registers->interrupt_ctx != mmio)
		return VIOMMU_E_ARG;

	viommu_register_file_init(&mmio->file, config->registers, config->queues, 0);
	mmio->ops = config->ops;
	mmio->ops_ctx = config->ops_ctx;
	mmio->device_id = config->device_id;
	mmio->vendor_id = config->vendor_id;
	mmio->line = false;
	VIOMMU_ASSERT(viommu_mmio_is_valid(mmio));
	return VIOMMU_OK;
}

/* The register that all transports have at this offset, if the driver may do `access` to it. */
static enum viommu_register common_register(uint32_t offset, uint32_t access)
{
	static const uint8_t table[VIOMMU_MMIO_CONFIG / 4] = {
		[VIOMMU_MMIO_DEVICE_FEATURES / 4] = READ | VIOMMU_REGISTER_DEVICE_FEATURES,
		[VIOMMU_MMIO_DEVICE_FEATURES_SEL / 4] = WRITE | VIOMMU_REGISTER_DEVICE_FEATURES_SELECT,
		[VIOMMU_MMIO_DRIVER_FEATURES / 4] = WRITE | VIOMMU_REGISTER_DRIVER_FEATURES,
		[VIOMMU_MMIO_DRIVER_FEATURES_SEL / 4] = WRITE | VIOMMU_REGISTER_DRIVER_FEATURES_SELECT,
		[VIOMMU_MMIO_QUEUE_SEL / 4] = WRITE | VIOMMU_REGISTER_QUEUE_SELECT,
		[VIOMMU_MMIO_QUEUE_SIZE_MAX / 4] = READ | VIOMMU_REGISTER_QUEUE_SIZE_MAX,
		[VIOMMU_MMIO_QUEUE_SIZE / 4] = WRITE | VIOMMU_REGISTER_QUEUE_SIZE,
		[VIOMMU_MMIO_QUEUE_READY / 4] = READ | WRITE | VIOMMU_REGISTER_QUEUE_ENABLE,
		[VIOMMU_MMIO_QUEUE_RESET / 4] = READ | WRITE | VIOMMU_REGISTER_QUEUE_RESET,
		[VIOMMU_MMIO_STATUS / 4] = READ | WRITE | VIOMMU_REGISTER_STATUS,
		[VIOMMU_MMIO_QUEUE_DESC_LOW / 4] = WRITE | VIOMMU_REGISTER_QUEUE_DESC_LOW,
		[VIOMMU_MMIO_QUEUE_DESC_HIGH / 4] = WRITE | VIOMMU_REGISTER_QUEUE_DESC_HIGH,
		[VIOMMU_MMIO_QUEUE_DRIVER_LOW / 4] = WRITE | VIOMMU_REGISTER_QUEUE_AVAIL_LOW,
		[VIOMMU_MMIO_QUEUE_DRIVER_HIGH / 4] = WRITE | VIOMMU_REGISTER_QUEUE_AVAIL_HIGH,
		[VIOMMU_MMIO_QUEUE_DEVICE_LOW / 4] = WRITE | VIOMMU_REGISTER_QUEUE_USED_LOW,
		[VIOMMU_MMIO_QUEUE_DEVICE_HIGH / 4] = WRITE | VIOMMU_REGISTER_QUEUE_USED_HIGH,
		[VIOMMU_MMIO_CONFIG_GENERATION / 4] = READ | VIOMMU_REGISTER_CONFIG_GENERATION,
	};
	uint32_t entry = table[viommu_port_mask_index(offset, VIOMMU_MMIO_CONFIG) / 4];

	return (entry & access) != 0 ? (enum viommu_register)(entry & WHICH) : VIOMMU_REGISTER_NONE;
}

static uint32_t read_register(struct viommu_mmio *mmio, uint32_t offset)
{
	switch (offset) {
	case VIOMMU_MMIO_MAGIC_VALUE:
		return VIOMMU_MMIO_MAGIC;
	case VIOMMU_MMIO_VERSION:
		return VIOMMU_MMIO_VERSION_2;
	case VIOMMU_MMIO_DEVICE_ID:
		return mmio->device_id;
	case VIOMMU_MMIO_VENDOR_ID:
		return mmio->vendor_id;
	case VIOMMU_MMIO_INTERRUPT_STATUS:
		return viommu_register_file_pending(&mmio->file);
	case VIOMMU_MMIO_SHM_LEN_LOW:
	case VIOMMU_MMIO_SHM_LEN_HIGH:
	case VIOMMU_MMIO_SHM_BASE_LOW:
	case VIOMMU_MMIO_SHM_BASE_HIGH:
		return UINT32_MAX; /* there is no region of any number */
	default:
		return viommu_register_file_read(&mmio->file, common_register(offset, READ));
	}
}

static void write_register(struct viommu_mmio *mmio, uint32_t offset, uint32_t value)
{
	if (offset == VIOMMU_MMIO_INTERRUPT_ACK) {
		viommu_register_file_acknowledge(&mmio->file, (uint8_t)value);
		viommu_i_mmio_update_line(mmio);
	} else {
		viommu_register_file_write(&mmio->file, common_register(offset, WRITE), value);
	}
}

/* After everything else: the owner may do all of its work in there. */
static void tell_owner(const struct viommu_mmio *mmio, uint32_t offset, uint32_t value)
{
	uint32_t queue;

	if (offset >= VIOMMU_MMIO_CONFIG) {
		mmio->ops->notify(mmio->ops_ctx, VIOMMU_REGISTER_NO_QUEUE, 0);
		return;
	}
	switch (offset) {
	case VIOMMU_MMIO_QUEUE_NOTIFY:
		if (viommu_registers_notified(mmio->file.registers, value, &queue) == VIOMMU_OK)
			mmio->ops->notify(mmio->ops_ctx, queue, value);
		break;
	case VIOMMU_MMIO_STATUS:
	case VIOMMU_MMIO_QUEUE_READY:
	case VIOMMU_MMIO_QUEUE_RESET:
		mmio->ops->notify(mmio->ops_ctx, VIOMMU_REGISTER_NO_QUEUE, 0);
		break;
	default:
		break;
	}
}

uint64_t viommu_mmio_read(struct viommu_mmio *mmio, uint32_t offset, uint32_t width)
{
	uint8_t bytes[8] = { 0 };
	uint64_t value = 0;

	VIOMMU_ASSERT(viommu_mmio_is_valid(mmio));
	if (!viommu_i_is_natural(offset, width))
		return 0;
	if (offset < VIOMMU_MMIO_CONFIG)
		return width == 4 ? read_register(mmio, offset) : 0;
	viommu_registers_config_read(mmio->file.registers, offset - VIOMMU_MMIO_CONFIG, bytes, width);
	while (width > 0)
		value = value << 8 | bytes[--width];
	return value;
}

void viommu_mmio_write(struct viommu_mmio *mmio, uint32_t offset, uint32_t width, uint64_t value)
{
	uint8_t bytes[8];

	VIOMMU_ASSERT(viommu_mmio_is_valid(mmio));
	if (!viommu_i_is_natural(offset, width) || (offset < VIOMMU_MMIO_CONFIG && width != 4))
		return;
	if (offset < VIOMMU_MMIO_CONFIG) {
		write_register(mmio, offset, (uint32_t)value);
	} else {
		for (uint32_t i = 0; i < width; i++, value >>= 8)
			bytes[i] = (uint8_t)value;
		viommu_registers_config_write(mmio->file.registers, offset - VIOMMU_MMIO_CONFIG, bytes, width);
	}
	VIOMMU_ASSERT(viommu_mmio_is_valid(mmio));
	tell_owner(mmio, offset, (uint32_t)value);
}

bool viommu_mmio_is_valid(const struct viommu_mmio *mmio)
{
	if (!viommu_register_file_is_valid(&mmio->file) || mmio->ops == NULL || mmio->device_id == 0)
		return false;
	return mmio->file.registers->interrupts == &viommu_mmio_interrupt_ops &&
	       mmio->file.registers->interrupt_ctx == mmio &&
	       mmio->line == (viommu_register_file_pending(&mmio->file) != 0);
}

bool viommu_mmio_check(const struct viommu_mmio *mmio)
{
	return viommu_mmio_is_valid(mmio) && viommu_register_file_check(&mmio->file);
}
