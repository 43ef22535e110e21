/* SPDX-License-Identifier: BSD-3-Clause */
/* pci_bar.c: the structures that a virtio device has in its BARs. */
#include "pci.h"

#include "../bytes.h"
#include "../internal.h"

/* Common configuration */

struct field {
	uint8_t offset;
	uint8_t width;
	uint8_t which; /* enum viommu_register */
};

static const struct field fields[] = {
	{ COMMON_DEVICE_FEATURES_SELECT, 4, VIOMMU_REGISTER_DEVICE_FEATURES_SELECT },
	{ COMMON_DEVICE_FEATURES, 4, VIOMMU_REGISTER_DEVICE_FEATURES },
	{ COMMON_DRIVER_FEATURES_SELECT, 4, VIOMMU_REGISTER_DRIVER_FEATURES_SELECT },
	{ COMMON_DRIVER_FEATURES, 4, VIOMMU_REGISTER_DRIVER_FEATURES },
	{ COMMON_CONFIG_VECTOR, 2, VIOMMU_REGISTER_CONFIG_VECTOR },
	{ COMMON_QUEUE_COUNT, 2, VIOMMU_REGISTER_QUEUE_COUNT },
	{ COMMON_STATUS, 1, VIOMMU_REGISTER_STATUS },
	{ COMMON_GENERATION, 1, VIOMMU_REGISTER_CONFIG_GENERATION },
	{ COMMON_QUEUE_SELECT, 2, VIOMMU_REGISTER_QUEUE_SELECT },
	{ COMMON_QUEUE_SIZE, 2, VIOMMU_REGISTER_QUEUE_SIZE },
	{ COMMON_QUEUE_VECTOR, 2, VIOMMU_REGISTER_QUEUE_VECTOR },
	{ COMMON_QUEUE_ENABLE, 2, VIOMMU_REGISTER_QUEUE_ENABLE },
	{ COMMON_QUEUE_DESC, 4, VIOMMU_REGISTER_QUEUE_DESC_LOW },
	{ COMMON_QUEUE_DESC + 4, 4, VIOMMU_REGISTER_QUEUE_DESC_HIGH },
	{ COMMON_QUEUE_AVAIL, 4, VIOMMU_REGISTER_QUEUE_AVAIL_LOW },
	{ COMMON_QUEUE_AVAIL + 4, 4, VIOMMU_REGISTER_QUEUE_AVAIL_HIGH },
	{ COMMON_QUEUE_USED, 4, VIOMMU_REGISTER_QUEUE_USED_LOW },
	{ COMMON_QUEUE_USED + 4, 4, VIOMMU_REGISTER_QUEUE_USED_HIGH },
	{ COMMON_QUEUE_RESET, 2, VIOMMU_REGISTER_QUEUE_RESET },
};

static enum viommu_register which_register(uint32_t offset, uint32_t width)
{
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		if (fields[i].offset == offset && fields[i].width == width)
			return (enum viommu_register)fields[i].which;
	}
	return VIOMMU_REGISTER_NONE;
}

/* Each queue has the place with its own number. */
static uint32_t read_notify_off(struct viommu_pci *pci)
{
	uint32_t queue = viommu_register_file_read(&pci->file, VIOMMU_REGISTER_QUEUE_SELECT);

	return queue < pci->file.registers->queue_count ? queue : 0;
}

static uint32_t read_common(struct viommu_pci *pci, uint32_t offset, uint32_t width)
{
	enum viommu_register which = which_register(offset, width);

	if (which == VIOMMU_REGISTER_CONFIG_GENERATION)
		return pci->shown_generation;
	if (offset == COMMON_QUEUE_NOTIFY_OFF && width == 2)
		return read_notify_off(pci);
	return viommu_register_file_read(&pci->file, which);
}

static void write_common(struct viommu_pci *pci, uint32_t offset, uint32_t width, uint32_t value,
			 struct viommu_i_pci_news *news)
{
	enum viommu_register which = which_register(offset, width);

	/* A size that is none makes the queue unavailable: what reads back is 0 or a power of two. */
	if (which == VIOMMU_REGISTER_QUEUE_SIZE && !viommu_virtq_size_is_valid(value))
		value = 0;
	viommu_register_file_write(&pci->file, which, value);
	if (which == VIOMMU_REGISTER_STATUS || which == VIOMMU_REGISTER_QUEUE_RESET ||
	    which == VIOMMU_REGISTER_QUEUE_ENABLE)
		*news = pci_look();
}

/* The other structures of virtio */

static uint32_t read_isr(struct viommu_pci *pci, uint32_t offset, uint32_t width)
{
	uint8_t pending = viommu_register_file_pending(&pci->file);

	if (offset != 0 || width != 1)
		return 0;
	viommu_register_file_acknowledge(&pci->file, pending);
	viommu_i_pci_update_line(pci);
	return pending;
}

static bool is_in_device_config(const struct viommu_pci *pci, uint32_t offset, uint32_t width)
{
	return offset < pci->device_config_size && width <= pci->device_config_size - offset;
}

static uint32_t read_device(struct viommu_pci *pci, uint32_t offset, uint32_t width)
{
	const struct viommu_registers *registers = pci->file.registers;
	uint32_t generation = viommu_registers_config_generation(registers);
	uint8_t bytes[4] = { 0 };

	if (!is_in_device_config(pci, offset, width))
		return 0;
	/* Eight bits come round; counted only when somebody looks they do not, in a driver's loop. */
	if (generation != pci->generation) {
		pci->generation = generation;
		pci->shown_generation = (uint8_t)((pci->shown_generation + 1u) & UINT8_MAX);
	}
	viommu_registers_config_read(registers, offset, bytes, width);
	return viommu_i_get32(bytes);
}

static void write_device(struct viommu_pci *pci, uint32_t offset, uint32_t width, uint32_t value,
			 struct viommu_i_pci_news *news)
{
	uint8_t bytes[4];

	if (!is_in_device_config(pci, offset, width))
		return;
	viommu_i_put32(bytes, value);
	viommu_registers_config_write(pci->file.registers, offset, bytes, width);
	*news = pci_look();
}

static void write_notify(const struct viommu_pci *pci, uint32_t offset, uint32_t width, uint32_t value,
			 struct viommu_i_pci_news *news)
{
	uint32_t queue = offset / VIOMMU_PCI_NOTIFY_MULTIPLIER;

	if (width != 1 && offset % VIOMMU_PCI_NOTIFY_MULTIPLIER == 0 && queue < pci->file.registers->queue_count)
		*news = (struct viommu_i_pci_news){ true, queue, value };
}

/* MSI-X */

static uint32_t read_vector(const struct viommu_pci_vector *vector, uint32_t offset)
{
	switch (offset % MSIX_ENTRY) {
	case 0:
		return vector->address_low;
	case 4:
		return vector->address_high;
	case 8:
		return vector->data;
	default:
		return vector->masked;
	}
}

static uint32_t read_pending(const struct viommu_pci *pci, uint32_t offset)
{
	uint32_t first = 8 * (offset - MSIX_PENDING);
	uint32_t bits = 0;

	for (uint32_t i = 0; i < 32 && first + i < pci->vector_count; i++)
		bits |= (uint32_t)pci->vectors[first + i].pending << i;
	return bits;
}

static uint32_t read_msix(const struct viommu_pci *pci, uint32_t offset, uint32_t width)
{
	uint32_t index = offset / MSIX_ENTRY;

	if (width != 4)
		return 0;
	if (offset >= MSIX_PENDING)
		return read_pending(pci, offset);
	return index < pci->vector_count ? read_vector(&pci->vectors[index], offset) : 0;
}

static void write_msix(struct viommu_pci *pci, uint32_t offset, uint32_t width, uint32_t value)
{
	uint32_t index = offset / MSIX_ENTRY;
	struct viommu_pci_vector *vector;

	if (width != 4 || index >= pci->vector_count)
		return;
	vector = &pci->vectors[viommu_port_mask_index(index, pci->vector_count)];
	switch (offset % MSIX_ENTRY) {
	case 0:
		vector->address_low = value & ~3u;
		break;
	case 4:
		vector->address_high = value;
		break;
	case 8:
		vector->data = value;
		break;
	default:
		vector->masked = (value & MSIX_ENTRY_MASKED) != 0;
		viommu_i_pci_send(pci, vector);
	}
}

/* Both BARs */

/* What page of BAR 0 is it? */
static uint32_t page(uint32_t offset)
{
	return offset & ~UINT32_C(0xfff);
}

static uint32_t size_of(uint32_t bar)
{
	return bar == VIOMMU_PCI_BAR_VIRTIO ? VIOMMU_PCI_BAR_VIRTIO_SIZE : VIOMMU_PCI_BAR_MSIX_SIZE;
}

uint32_t viommu_i_pci_read(struct viommu_pci *pci, uint32_t bar, uint64_t offset, uint32_t width)
{
	uint32_t at = (uint32_t)offset;

	if (offset >= size_of(bar) || !pci_is_natural(offset, width))
		return 0;
	if (bar == VIOMMU_PCI_BAR_MSIX)
		return read_msix(pci, at, width);
	switch (page(at)) {
	case VIOMMU_PCI_COMMON_OFFSET:
		return read_common(pci, at, width);
	case VIOMMU_PCI_ISR_OFFSET:
		return read_isr(pci, at - VIOMMU_PCI_ISR_OFFSET, width);
	case VIOMMU_PCI_DEVICE_OFFSET:
		return read_device(pci, at - VIOMMU_PCI_DEVICE_OFFSET, width);
	default:
		return 0; /* notifications */
	}
}

void viommu_i_pci_write(struct viommu_pci *pci, uint32_t bar, uint64_t offset, uint32_t width, uint32_t value,
			struct viommu_i_pci_news *news)
{
	uint32_t at = (uint32_t)offset;

	if (offset >= size_of(bar) || !pci_is_natural(offset, width))
		return;
	if (width < 4)
		value &= UINT32_MAX >> (32 - 8 * width);
	if (bar == VIOMMU_PCI_BAR_MSIX) {
		write_msix(pci, at, width, value);
		return;
	}
	switch (page(at)) {
	case VIOMMU_PCI_COMMON_OFFSET:
		write_common(pci, at, width, value, news);
		break;
	case VIOMMU_PCI_DEVICE_OFFSET:
		write_device(pci, at - VIOMMU_PCI_DEVICE_OFFSET, width, value, news);
		break;
	case VIOMMU_PCI_NOTIFY_OFFSET:
		write_notify(pci, at - VIOMMU_PCI_NOTIFY_OFFSET, width, value, news);
		break;
	default:
		break; /* ISR */
	}
}

static bool is_enabled(const struct viommu_pci *pci, uint32_t bar)
{
	return viommu_i_pci_has_bar(pci, bar) && pci_command_has(pci, PCI_COMMAND_MEMORY);
}

/* Are these 8 bytes two times 4? Not where notifications are: one store is not one of two queues. */
static bool is_double(uint32_t bar, uint64_t offset, uint32_t width)
{
	return width == 8 && offset % 8 == 0 && (bar != VIOMMU_PCI_BAR_VIRTIO || offset < VIOMMU_PCI_NOTIFY_OFFSET);
}

uint64_t viommu_pci_bar_read(struct viommu_pci *pci, uint32_t bar, uint64_t offset, uint32_t width)
{
	uint64_t low;

	VIOMMU_ASSERT(viommu_pci_is_valid(pci));
	if (!is_enabled(pci, bar))
		return UINT64_MAX;
	if (!is_double(bar, offset, width))
		return viommu_i_pci_read(pci, bar, offset, width);
	low = viommu_i_pci_read(pci, bar, offset, 4);
	return low | (uint64_t)viommu_i_pci_read(pci, bar, offset + 4, 4) << 32;
}

void viommu_pci_bar_write(struct viommu_pci *pci, uint32_t bar, uint64_t offset, uint32_t width, uint64_t value)
{
	struct viommu_i_pci_news news = { false, 0, 0 };

	VIOMMU_ASSERT(viommu_pci_is_valid(pci));
	if (!is_enabled(pci, bar))
		return;
	if (is_double(bar, offset, width)) {
		viommu_i_pci_write(pci, bar, offset, 4, (uint32_t)value, &news);
		viommu_i_pci_write(pci, bar, offset + 4, 4, (uint32_t)(value >> 32), &news);
	} else {
		viommu_i_pci_write(pci, bar, offset, width, (uint32_t)value, &news);
	}
	VIOMMU_ASSERT(viommu_pci_is_valid(pci));
	pci_tell_owner(pci, &news);
}
