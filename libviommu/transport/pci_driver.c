/* SPDX-License-Identifier: BSD-3-Clause */
/* pci_driver.c: the driver's side of virtio-pci: finds the structures of virtio and drives a device through them. */
#include <viommu/transport/pci_driver.h>

#include "../internal.h"
#include "pci.h"

/* As many as there is room for behind the header. */
#define CAPABILITIES_MAX ((VIOMMU_PCI_CONFIG_SIZE - 64) / 4)

/* Discovery */

static uint32_t config_get(const struct viommu_pci_driver *pci, uint32_t offset)
{
	return pci->accessors->config_read(pci->ctx, pci->function, offset);
}

/* A capability, by its first register. */
struct capability {
	uint32_t at;
	uint32_t id;
	uint32_t next;
	uint32_t upper; /* half of that register */
};

static struct capability read_capability(const struct viommu_pci_driver *pci, uint32_t at)
{
	uint32_t first = config_get(pci, at);

	return (struct capability){ at, first & 0xff, first >> 8 & 0xfc, first >> 16 };
}

/* Takes the piece over that lies in the BAR, if there is one and it is large enough. */
static void locate(const struct viommu_pci_driver *pci, struct viommu_pci_structure *s, uint32_t bar, uint32_t offset,
		   uint32_t length, uint32_t least)
{
	uint64_t size;

	if (bar >= VIOMMU_PCI_BARS)
		return;
	size = pci->bars[bar].size;
	if (size > UINT32_MAX)
		size = UINT32_MAX;
	if (offset >= size)
		return;
	if (length > size - offset)
		length = (uint32_t)(size - offset);
	if (length >= least)
		*s = (struct viommu_pci_structure){ bar, offset, length };
}

/* What has to be true of a structure that can be used. */
struct kind {
	struct viommu_pci_structure *structure;
	uint32_t len; /* of the capability */
	uint32_t least;
	uint32_t align;
};

static struct kind kind_of(struct viommu_pci_driver *pci, uint32_t type)
{
	switch (type) {
	case VIRTIO_CAP_COMMON:
		return (struct kind){ &pci->common, VIRTIO_CAP_LEN, COMMON_SIZE, 4 };
	case VIRTIO_CAP_NOTIFY:
		return (struct kind){ &pci->notify, VIRTIO_CAP_LEN + 4, 2, 2 };
	case VIRTIO_CAP_ISR:
		return (struct kind){ &pci->isr, VIRTIO_CAP_LEN, 1, 1 };
	case VIRTIO_CAP_DEVICE:
		return (struct kind){ &pci->device, VIRTIO_CAP_LEN, 1, 4 };
	default:
		return (struct kind){ NULL, 0, 0, 0 };
	}
}

static void consider_virtio(struct viommu_pci_driver *pci, const struct capability *cap)
{
	struct kind kind = kind_of(pci, cap->upper >> 8);
	uint32_t multiplier = 0;
	uint32_t offset;

	if (kind.structure == NULL || kind.structure->length != 0)
		return;
	if ((cap->upper & 0xff) < kind.len || cap->at > VIOMMU_PCI_CONFIG_SIZE - kind.len)
		return;
	offset = config_get(pci, cap->at + 8);
	if ((offset & (kind.align - 1)) != 0)
		return;
	if (kind.structure == &pci->notify) {
		multiplier = config_get(pci, cap->at + VIRTIO_CAP_LEN);
		if (multiplier != 0 && (multiplier & (multiplier - 1)) != 0)
			return;
		pci->notify_multiplier = multiplier;
	}
	locate(pci, kind.structure, config_get(pci, cap->at + 4) & 0xff, offset, config_get(pci, cap->at + 12),
	       kind.least);
}

static void consider_msix(struct viommu_pci_driver *pci, const struct capability *cap)
{
	uint32_t length = ((cap->upper & 0x7ff) + 1) * MSIX_ENTRY;
	uint32_t table;

	if (pci->msix.length != 0 || cap->at > VIOMMU_PCI_CONFIG_SIZE - PCI_CAP_MSIX_LEN)
		return;
	table = config_get(pci, cap->at + 4);
	locate(pci, &pci->msix, table & 7, table & ~7u, length, length);
	pci->msix_at = cap->at;
}

static enum viommu_result walk(struct viommu_pci_driver *pci)
{
	uint32_t at = config_get(pci, PCI_CAPABILITIES) & 0xfc;

	for (uint32_t left = CAPABILITIES_MAX; at != 0; left--) {
		struct capability cap;

		if (at < 64 || left == 0)
			return VIOMMU_E_PEER;
		cap = read_capability(pci, at);
		if (cap.id == PCI_CAP_VENDOR)
			consider_virtio(pci, &cap);
		else if (cap.id == PCI_CAP_MSIX)
			consider_msix(pci, &cap);
		at = cap.next;
	}
	return VIOMMU_OK;
}

static enum viommu_result look(struct viommu_pci_driver *pci, const struct viommu_pci_driver_config *config)
{
	uint32_t id = config_get(pci, PCI_ID);
	enum viommu_result result;

	if (id == UINT32_MAX)
		return VIOMMU_E_NOENT;
	if (id != (PCI_VENDOR_VIRTIO | (PCI_DEVICE_VIRTIO + config->device_id) << 16) ||
	    (config_get(pci, PCI_COMMAND) & PCI_STATUS_CAPABILITIES) == 0)
		return VIOMMU_E_UNSUPP;
	result = walk(pci);
	if (result != VIOMMU_OK)
		return result;
	if (pci->common.length == 0 || pci->notify.length == 0 || pci->isr.length == 0 ||
	    pci->device.length < config->device_config_least)
		return VIOMMU_E_UNSUPP;
	return VIOMMU_OK;
}

static bool accessors_are_complete(const struct viommu_pci_accessors *a)
{
	return a->config_read != NULL && a->config_write != NULL && a->bar_read != NULL && a->bar_write != NULL;
}

static bool config_is_valid(const struct viommu_pci_driver_config *config)
{
	if (config->bars == NULL || config->queues == NULL || config->accessors == NULL)
		return false;
	/* By the number an accessor may know which one is meant. */
	for (uint32_t i = 0; i < VIOMMU_PCI_BARS; i++) {
		if (config->bars[i].size != 0 && config->bars[i].number != i)
			return false;
	}
	return config->queue_count != 0 && config->device_id != 0 && config->device_id <= PCI_DEVICE_VIRTIO_MAX;
}

static void switch_msix(const struct viommu_pci_driver *pci, uint32_t on)
{
	uint32_t control = config_get(pci, pci->msix_at) & ~(MSIX_ENABLE | MSIX_MASK);

	pci->accessors->config_write(pci->ctx, pci->function, pci->msix_at, control | on);
}

/* By whoever had the function before: it would go on storing to places that are somebody else's now. */
static bool msix_was_left_on(const struct viommu_pci_driver *pci)
{
	return pci->msix_at != 0 && (config_get(pci, pci->msix_at) & MSIX_ENABLE) != 0;
}

enum viommu_result viommu_pci_driver_init(struct viommu_pci_driver *pci, const struct viommu_pci_driver_config *config)
{
	struct viommu_pci_driver found;
	enum viommu_result result;

	if (config->size != sizeof *config)
		return VIOMMU_E_ABI;
	if (!config_is_valid(config))
		return VIOMMU_E_ARG;
	if (config->accessors->size != sizeof *config->accessors)
		return VIOMMU_E_ABI;
	if (!accessors_are_complete(config->accessors))
		return VIOMMU_E_ARG;
	memset(&found, 0, sizeof found);
	found.accessors = config->accessors;
	found.ctx = config->ctx;
	found.function = config->function;
	memcpy(found.bars, config->bars, sizeof found.bars);
	found.queues = config->queues;
	found.queue_count = config->queue_count;
	found.config_vector = VIOMMU_REGISTER_NO_VECTOR;
	result = look(&found, config);
	if (result != VIOMMU_OK)
		return result;
	if (msix_was_left_on(&found))
		switch_msix(&found, 0);
	for (uint32_t i = 0; i < found.queue_count; i++)
		found.queues[i] = (struct viommu_pci_driver_queue){ found.notify.offset, VIOMMU_REGISTER_NO_VECTOR };
	*pci = found;
	return VIOMMU_OK;
}

/* Registers */

static uint32_t get(const struct viommu_pci_driver *pci, const struct viommu_pci_structure *s, uint32_t offset,
		    uint32_t width)
{
	return pci->accessors->bar_read(pci->ctx, &pci->bars[s->bar], s->offset + offset, width);
}

static void set(const struct viommu_pci_driver *pci, const struct viommu_pci_structure *s, uint32_t offset,
		uint32_t width, uint32_t value)
{
	pci->accessors->bar_write(pci->ctx, &pci->bars[s->bar], s->offset + offset, width, value);
}

static uint32_t common_get(const struct viommu_pci_driver *pci, uint32_t offset, uint32_t width)
{
	return get(pci, &pci->common, offset, width);
}

static void common_set(const struct viommu_pci_driver *pci, uint32_t offset, uint32_t width, uint32_t value)
{
	set(pci, &pci->common, offset, width, value);
}

static uint8_t get_status(void *ctx)
{
	return (uint8_t)common_get(ctx, COMMON_STATUS, 1);
}

static void set_status(void *ctx, uint8_t status)
{
	common_set(ctx, COMMON_STATUS, 1, status);
}

static uint64_t get_features(void *ctx)
{
	const struct viommu_pci_driver *pci = ctx;
	uint64_t high;
	uint32_t low;

	common_set(ctx, COMMON_DEVICE_FEATURES_SELECT, 4, 0);
	low = common_get(ctx, COMMON_DEVICE_FEATURES, 4);
	common_set(ctx, COMMON_DEVICE_FEATURES_SELECT, 4, 1);
	high = common_get(ctx, COMMON_DEVICE_FEATURES, 4);
	/* On offer without the register for it: as if it were not. */
	if (pci->common.length < COMMON_SIZE_RESET)
		high &= ~(VIOMMU_F_RING_RESET >> 32);
	return high << 32 | low;
}

static void set_features(void *ctx, uint64_t features)
{
	common_set(ctx, COMMON_DRIVER_FEATURES_SELECT, 4, 0);
	common_set(ctx, COMMON_DRIVER_FEATURES, 4, (uint32_t)features);
	common_set(ctx, COMMON_DRIVER_FEATURES_SELECT, 4, 1);
	common_set(ctx, COMMON_DRIVER_FEATURES, 4, (uint32_t)(features >> 32));
}

static uint32_t config_generation(void *ctx)
{
	return common_get(ctx, COMMON_GENERATION, 1);
}

static bool is_in_config(const struct viommu_pci_driver *pci, uint32_t offset, uint32_t len)
{
	return offset <= pci->device.length && len <= pci->device.length - offset;
}
static uint32_t device_get(const void *driver, uint32_t offset, uint32_t width)
{
	const struct viommu_pci_driver *pci = driver;

	return get(pci, &pci->device, offset, width);
}

static void device_set(const void *driver, uint32_t offset, uint32_t width, uint32_t value)
{
	const struct viommu_pci_driver *pci = driver;

	set(pci, &pci->device, offset, width, value);
}

static void config_read(void *ctx, uint32_t offset, void *dst, uint32_t len)
{
	if (is_in_config(ctx, offset, len))
		viommu_i_config_read(device_get, ctx, offset, dst, len);
	else
		memset(dst, 0, len);
}

static void config_write(void *ctx, uint32_t offset, const void *src, uint32_t len)
{
	if (is_in_config(ctx, offset, len))
		viommu_i_config_write(device_set, ctx, offset, src, len);
}

/* Queues */

static void select_queue(const struct viommu_pci_driver *pci, uint32_t queue)
{
	common_set(pci, COMMON_QUEUE_SELECT, 2, queue);
}

static uint32_t queue_size_max(void *ctx, uint32_t queue)
{
	select_queue(ctx, queue);
	return common_get(ctx, COMMON_QUEUE_SIZE, 2);
}

static void set_address(const struct viommu_pci_driver *pci, uint32_t offset, uint64_t address)
{
	common_set(pci, offset, 4, (uint32_t)address);
	common_set(pci, offset + 4, 4, (uint32_t)(address >> 32));
}

/* "After mapping an event to vector, the driver MUST verify success by reading the Vector field value" */
static bool map_vector(const struct viommu_pci_driver *pci, uint32_t offset, uint16_t vector)
{
	if (vector == VIOMMU_REGISTER_NO_VECTOR)
		return true;
	common_set(pci, offset, 2, vector);
	return common_get(pci, offset, 2) == vector;
}

/* Where the selected queue wants its notifications, `width` bytes; false: not in the structure that is for them. */
static bool find_notify(const struct viommu_pci_driver *pci, uint32_t width, uint32_t *offset)
{
	uint32_t place = common_get(pci, COMMON_QUEUE_NOTIFY_OFF, 2);
	unsigned shift;

	if (pci->notify.length < width)
		return false;
	*offset = pci->notify.offset;
	if (pci->notify_multiplier != 0) {
		shift = viommu_port_ctz64(pci->notify_multiplier);
		if (place > (pci->notify.length - width) >> shift)
			return false;
		*offset += place << shift;
	}
	return (*offset & (width - 1)) == 0; /* a small multiplier may lead anywhere */
}

/*
 * Bus mastering on, where it has to be at the latest: the device was reset by now, and cannot go on with rings that
 * somebody left it.
 */
static bool become_master(const struct viommu_pci_driver *pci)
{
	uint32_t command = config_get(pci, PCI_COMMAND);

	if ((command & PCI_COMMAND_MASTER) != 0)
		return true;
	/* The status, in the upper half, is cleared by ones. */
	pci->accessors->config_write(pci->ctx, pci->function, PCI_COMMAND, (command & 0xffff) | PCI_COMMAND_MASTER);
	return (config_get(pci, PCI_COMMAND) & PCI_COMMAND_MASTER) != 0;
}

static enum viommu_result queue_enable(void *ctx, uint32_t queue, const struct viommu_virtq_layout *layout)
{
	const struct viommu_pci_driver *pci = ctx;
	uint32_t notify_width = (layout->features & VIOMMU_F_NOTIFICATION_DATA) != 0 ? 4 : 2;
	uint32_t offset;

	if (queue >= pci->queue_count)
		return VIOMMU_E_ARG;
	select_queue(pci, queue);
	if (common_get(pci, COMMON_QUEUE_ENABLE, 2) != 0)
		return VIOMMU_E_PEER;
	common_set(pci, COMMON_QUEUE_SIZE, 2, layout->size);
	if (common_get(pci, COMMON_QUEUE_SIZE, 2) != layout->size || !find_notify(pci, notify_width, &offset))
		return VIOMMU_E_PEER;
	if (!map_vector(pci, COMMON_CONFIG_VECTOR, pci->config_vector) ||
	    !map_vector(pci, COMMON_QUEUE_VECTOR, pci->queues[queue].vector))
		return VIOMMU_E_REJECTED;
	if (!become_master(pci))
		return VIOMMU_E_PEER;
	set_address(pci, COMMON_QUEUE_DESC, layout->desc);
	set_address(pci, COMMON_QUEUE_AVAIL, layout->avail);
	set_address(pci, COMMON_QUEUE_USED, layout->used);
	common_set(pci, COMMON_QUEUE_ENABLE, 2, 1);
	if (common_get(pci, COMMON_QUEUE_ENABLE, 2) != 1)
		return VIOMMU_E_PEER;
	pci->queues[queue].notify_offset = offset;
	return VIOMMU_OK;
}

static void notify(void *ctx, uint32_t queue)
{
	const struct viommu_pci_driver *pci = ctx;

	VIOMMU_ASSERT(queue < pci->queue_count); /* it was enabled */
	pci->accessors->bar_write(pci->ctx, &pci->bars[pci->notify.bar], pci->queues[queue].notify_offset, 2, queue);
}

static void notify_data(void *ctx, uint32_t queue, uint32_t data)
{
	const struct viommu_pci_driver *pci = ctx;

	VIOMMU_ASSERT(queue < pci->queue_count);
	pci->accessors->bar_write(pci->ctx, &pci->bars[pci->notify.bar], pci->queues[queue].notify_offset, 4, data);
}

static enum viommu_result queue_reset(void *ctx, uint32_t queue)
{
	const struct viommu_pci_driver *pci = ctx;

	if (pci->common.length < COMMON_SIZE_RESET)
		return VIOMMU_E_PEER; /* it should not have offered this */
	select_queue(pci, queue);
	common_set(pci, COMMON_QUEUE_RESET, 2, 1);
	return VIOMMU_OK;
}

static bool queue_is_resetting(void *ctx, uint32_t queue)
{
	const struct viommu_pci_driver *pci = ctx;

	if (pci->common.length < COMMON_SIZE_RESET)
		return true;
	select_queue(pci, queue);
	return common_get(pci, COMMON_QUEUE_RESET, 2) != 0;
}

const struct viommu_register_ops viommu_pci_driver_ops = {
	.size = sizeof viommu_pci_driver_ops,
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

/* Interrupts */

uint8_t viommu_pci_driver_interrupt(struct viommu_pci_driver *pci)
{
	return (uint8_t)(get(pci, &pci->isr, 0, 1) & (VIOMMU_INTERRUPT_USED | VIOMMU_INTERRUPT_CONFIG));
}

uint32_t viommu_pci_driver_vector_count(const struct viommu_pci_driver *pci)
{
	return pci->msix.length / MSIX_ENTRY;
}

static bool vector_is_valid(const struct viommu_pci_driver *pci, uint16_t vector)
{
	return vector == VIOMMU_REGISTER_NO_VECTOR || vector < viommu_pci_driver_vector_count(pci);
}

enum viommu_result viommu_pci_driver_use_vectors(struct viommu_pci_driver *pci, uint16_t config_vector,
						 const uint16_t *queue_vectors)
{
	if (viommu_pci_driver_vector_count(pci) == 0)
		return VIOMMU_E_UNSUPP;
	if (queue_vectors == NULL)
		config_vector = VIOMMU_REGISTER_NO_VECTOR;
	if (!vector_is_valid(pci, config_vector))
		return VIOMMU_E_RANGE;
	for (uint32_t i = 0; queue_vectors != NULL && i < pci->queue_count; i++) {
		if (!vector_is_valid(pci, queue_vectors[i]))
			return VIOMMU_E_RANGE;
	}
	pci->config_vector = config_vector;
	for (uint32_t i = 0; i < pci->queue_count; i++)
		pci->queues[i].vector = queue_vectors != NULL ? queue_vectors[i] : VIOMMU_REGISTER_NO_VECTOR;
	switch_msix(pci, queue_vectors != NULL ? MSIX_ENABLE : 0);
	return VIOMMU_OK;
}

enum viommu_result viommu_pci_driver_set_vector(struct viommu_pci_driver *pci, uint32_t vector, uint64_t address,
						uint32_t data, bool masked)
{
	uint32_t entry;

	if (vector >= viommu_pci_driver_vector_count(pci))
		return VIOMMU_E_RANGE;
	entry = vector * MSIX_ENTRY;
	/* Nobody sends half an entry. */
	set(pci, &pci->msix, entry + 12, 4, MSIX_ENTRY_MASKED);
	set(pci, &pci->msix, entry, 4, (uint32_t)address);
	set(pci, &pci->msix, entry + 4, 4, (uint32_t)(address >> 32));
	set(pci, &pci->msix, entry + 8, 4, data);
	if (!masked)
		set(pci, &pci->msix, entry + 12, 4, 0);
	return VIOMMU_OK;
}
