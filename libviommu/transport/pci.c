/* SPDX-License-Identifier: BSD-3-Clause */
/* pci.c: a virtio device as a PCI function: what it is made of, its interrupts and its reset. */
#include "pci.h"

#include "../internal.h"

/* Interrupts */

/* A pending message stays where it is while one of these says so; nothing is lost. */
bool viommu_i_pci_is_held(const struct viommu_pci *pci, const struct viommu_pci_vector *vector)
{
	return (pci->config[AT_MSIX / 4] & MSIX_MASK) != 0 || vector->masked ||
	       !pci_command_has(pci, PCI_COMMAND_MASTER);
}

void viommu_i_pci_send(struct viommu_pci *pci, struct viommu_pci_vector *vector)
{
	if (!vector->pending || viommu_i_pci_is_held(pci, vector))
		return;
	vector->pending = false;
	pci->ops->msi(pci->ops_ctx, (uint64_t)vector->address_high << 32 | vector->address_low, vector->data);
}

void viommu_i_pci_send_all(struct viommu_pci *pci)
{
	for (uint32_t i = 0; i < pci->vector_count; i++)
		viommu_i_pci_send(pci, &pci->vectors[i]);
}

void viommu_i_pci_forget_messages(struct viommu_pci *pci)
{
	for (uint32_t i = 0; i < pci->vector_count; i++)
		pci->vectors[i].pending = false;
}

void viommu_i_pci_update_line(struct viommu_pci *pci)
{
	bool high = viommu_register_file_pending(&pci->file) != 0 && !pci_msix_is_on(pci) &&
		    !pci_command_has(pci, PCI_COMMAND_INTX_OFF);

	if (high == pci->line || pci->ops->set_line == NULL)
		return;
	pci->line = high;
	pci->ops->set_line(pci->ops_ctx, high);
}

static void message(struct viommu_pci *pci, uint32_t index)
{
	if (index == VIOMMU_REGISTER_NO_VECTOR)
		return;
	pci->vectors[index].pending = true;
	viommu_i_pci_send(pci, &pci->vectors[index]);
}

static void used(void *ctx, uint32_t queue)
{
	struct viommu_pci *pci = ctx;

	VIOMMU_ASSERT(viommu_pci_is_valid(pci));
	if (pci_msix_is_on(pci)) {
		message(pci, viommu_register_file_queue_vector(&pci->file, queue));
	} else {
		viommu_register_file_raise(&pci->file, VIOMMU_INTERRUPT_USED);
		viommu_i_pci_update_line(pci);
	}
}

static void config_changed(void *ctx)
{
	struct viommu_pci *pci = ctx;

	VIOMMU_ASSERT(viommu_pci_is_valid(pci));
	/* This bit of the ISR comes with messages too. */
	viommu_register_file_raise(&pci->file, VIOMMU_INTERRUPT_CONFIG);
	viommu_i_pci_update_line(pci);
	if (pci_msix_is_on(pci))
		message(pci, viommu_register_file_config_vector(&pci->file));
}

static void device_reset(void *ctx)
{
	struct viommu_pci *pci = ctx;

	viommu_register_file_reset(&pci->file);
	viommu_i_pci_forget_messages(pci);
	viommu_i_pci_update_line(pci);
}

/* A message of this queue that was held is not sent any more, unless it is another one's too. */
static void queue_reset(void *ctx, uint32_t queue)
{
	struct viommu_pci *pci = ctx;
	uint32_t vector = viommu_register_file_queue_vector(&pci->file, queue);

	viommu_register_file_reset_queue(&pci->file, queue);
	if (vector != VIOMMU_REGISTER_NO_VECTOR && !viommu_register_file_uses_vector(&pci->file, vector))
		pci->vectors[vector].pending = false;
	VIOMMU_ASSERT(viommu_pci_is_valid(pci));
}

const struct viommu_interrupt_ops viommu_pci_interrupt_ops = {
	.size = sizeof viommu_pci_interrupt_ops,
	.used = used,
	.config = config_changed,
	.reset = device_reset,
	.queue_reset = queue_reset,
};

/* Init and reset */

static void set(struct viommu_pci *pci, uint32_t offset, uint32_t value, uint32_t writable)
{
	pci->config[offset / 4] = value;
	pci->writable[offset / 4] = writable;
}

/* A structure of virtio in BAR 0. Returns where it is, for the link to it. */
static uint32_t add_capability(struct viommu_pci *pci, uint32_t at, uint32_t next, uint32_t type, uint32_t len,
			       struct viommu_range where)
{
	set(pci, at, PCI_CAP_VENDOR | next << 8 | len << 16 | type << 24, 0);
	set(pci, at + 4, VIOMMU_PCI_BAR_VIRTIO, 0);
	set(pci, at + 8, (uint32_t)where.first, 0);
	set(pci, at + 12, (uint32_t)(where.last - where.first) + 1, 0);
	return at;
}

static uint32_t add_msix(struct viommu_pci *pci)
{
	set(pci, PCI_BAR + 4 * VIOMMU_PCI_BAR_MSIX, 0, ~(VIOMMU_PCI_BAR_MSIX_SIZE - 1));
	set(pci, AT_MSIX, PCI_CAP_MSIX | (pci->vector_count - 1) << 16, MSIX_ENABLE | MSIX_MASK);
	set(pci, AT_MSIX + 4, VIOMMU_PCI_BAR_MSIX, 0);
	set(pci, AT_MSIX + 8, MSIX_PENDING | VIOMMU_PCI_BAR_MSIX, 0);
	return AT_MSIX;
}

static struct viommu_range piece(uint32_t first, uint32_t len)
{
	return (struct viommu_range){ first, first + len - 1 };
}

/* From the last one to the first. */
static void add_capabilities(struct viommu_pci *pci)
{
	uint32_t queues = pci->file.registers->queue_count;
	uint32_t next = 0;

	if (pci->vector_count != 0)
		next = add_msix(pci);
	if (pci->device_config_size != 0)
		next = add_capability(pci, AT_DEVICE, next, VIRTIO_CAP_DEVICE, VIRTIO_CAP_LEN,
				      piece(VIOMMU_PCI_DEVICE_OFFSET, pci->device_config_size));
	next = add_capability(pci, AT_PCI, next, VIRTIO_CAP_PCI, VIRTIO_CAP_LEN + 4, piece(0, 1));
	set(pci, AT_PCI_BAR, 0, 0xff);
	set(pci, AT_PCI_OFFSET, 0, UINT32_MAX);
	set(pci, AT_PCI_LENGTH, 0, UINT32_MAX);
	set(pci, AT_PCI_DATA, 0, UINT32_MAX);
	next = add_capability(pci, AT_NOTIFY, next, VIRTIO_CAP_NOTIFY, VIRTIO_CAP_LEN + 4,
			      piece(VIOMMU_PCI_NOTIFY_OFFSET, queues * VIOMMU_PCI_NOTIFY_MULTIPLIER));
	set(pci, AT_NOTIFY + VIRTIO_CAP_LEN, VIOMMU_PCI_NOTIFY_MULTIPLIER, 0);
	next = add_capability(pci, AT_ISR, next, VIRTIO_CAP_ISR, VIRTIO_CAP_LEN, piece(VIOMMU_PCI_ISR_OFFSET, 1));
	next = add_capability(pci, AT_COMMON, next, VIRTIO_CAP_COMMON, VIRTIO_CAP_LEN,
			      piece(VIOMMU_PCI_COMMON_OFFSET, COMMON_SIZE_RESET));
	set(pci, PCI_CAPABILITIES, next, 0);
}

static void build(struct viommu_pci *pci, const struct viommu_pci_config *config)
{
	uint32_t id = PCI_DEVICE_VIRTIO + config->device_id;
	uint32_t vendor = config->subsystem_vendor != 0 ? config->subsystem_vendor : PCI_VENDOR_VIRTIO;
	uint32_t subsystem = config->subsystem_id != 0 ? config->subsystem_id : id;

	set(pci, PCI_ID, PCI_VENDOR_VIRTIO | id << 16, 0);
	set(pci, PCI_COMMAND, PCI_STATUS_CAPABILITIES, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_OFF);
	set(pci, PCI_CLASS, config->class_code << 8 | 1, 0);
	set(pci, PCI_HEADER, config->is_multi_function ? PCI_HEADER_MULTI : 0, 0);
	set(pci, PCI_BAR, PCI_BAR_64, ~(VIOMMU_PCI_BAR_VIRTIO_SIZE - 1));
	set(pci, PCI_BAR + 4, 0, UINT32_MAX);
	set(pci, PCI_SUBSYSTEM, vendor | subsystem << 16, 0);
	set(pci, PCI_INTERRUPT, config->ops->set_line != NULL ? 0x100 : 0, 0xff);
	add_capabilities(pci);
}

static void clear_vectors(struct viommu_pci *pci)
{
	for (uint32_t i = 0; i < pci->vector_count; i++)
		pci->vectors[i] = (struct viommu_pci_vector){ .masked = true };
}

static bool id_is_valid(const struct viommu_pci_config *config)
{
	if (config->device_id == 0 || config->device_id > PCI_DEVICE_VIRTIO_MAX)
		return false;
	return config->subsystem_id == 0 || config->subsystem_id >= 0x40;
}

static bool is_wired(const struct viommu_pci *pci, const struct viommu_registers *registers)
{
	return registers->interrupts == &viommu_pci_interrupt_ops && registers->interrupt_ctx == pci;
}

static bool counts_are_valid(const struct viommu_pci_config *config)
{
	if (config->vector_count > VIOMMU_PCI_VECTORS_MAX ||
	    (config->vector_count != 0 && (config->vectors == NULL || config->ops->msi == NULL)))
		return false;
	return config->registers->queue_count <= VIOMMU_PCI_QUEUES_MAX &&
	       config->device_config_size <= VIOMMU_PCI_DEVICE_CONFIG_MAX && config->class_code <= 0xffffff;
}

enum viommu_result viommu_pci_init(struct viommu_pci *pci, const struct viommu_pci_config *config)
{
	if (config->size != sizeof *config)
		return VIOMMU_E_ABI;
	if (config->registers == NULL || config->queues == NULL || config->ops == NULL)
		return VIOMMU_E_ARG;
	if (config->ops->size != sizeof *config->ops)
		return VIOMMU_E_ABI;
	if (config->ops->notify == NULL || !id_is_valid(config) || !counts_are_valid(config) ||
	    !is_wired(pci, config->registers))
		return VIOMMU_E_ARG;

	memset(pci, 0, sizeof *pci);
	pci->ops = config->ops;
	pci->ops_ctx = config->ops_ctx;
	pci->vectors = config->vectors;
	pci->vector_count = config->vector_count;
	pci->device_config_size = config->device_config_size;
	pci->generation = viommu_registers_config_generation(config->registers);
	viommu_register_file_init(&pci->file, config->registers, config->queues, config->vector_count);
	clear_vectors(pci);
	build(pci, config);
	VIOMMU_ASSERT(viommu_pci_is_valid(pci));
	return VIOMMU_OK;
}

void viommu_pci_reset(struct viommu_pci *pci)
{
	bool moved = pci_command_has(pci, PCI_COMMAND_MEMORY);

	VIOMMU_ASSERT(viommu_pci_is_valid(pci));
	viommu_registers_set_status(pci->file.registers, 0);
	device_reset(pci); /* also if the registers were at it already */
	for (uint32_t i = 0; i < VIOMMU_PCI_CONFIG_SIZE / 4; i++)
		pci->config[i] &= ~pci->writable[i];
	clear_vectors(pci);
	VIOMMU_ASSERT(viommu_pci_is_valid(pci));
	if (moved && pci->ops->bars_changed != NULL)
		pci->ops->bars_changed(pci->ops_ctx);
}

/* Questions of the embedder */

bool viommu_pci_is_bus_master(const struct viommu_pci *pci)
{
	return pci_command_has(pci, PCI_COMMAND_MASTER);
}

bool viommu_i_pci_has_bar(const struct viommu_pci *pci, uint32_t bar)
{
	return bar == VIOMMU_PCI_BAR_VIRTIO || (bar == VIOMMU_PCI_BAR_MSIX && pci->vector_count != 0);
}

bool viommu_pci_bar(const struct viommu_pci *pci, uint32_t bar, struct viommu_range *range)
{
	const uint32_t *base = &pci->config[PCI_BAR / 4];

	VIOMMU_ASSERT(viommu_pci_is_valid(pci));
	if (!viommu_i_pci_has_bar(pci, bar) || !pci_command_has(pci, PCI_COMMAND_MEMORY))
		return false;
	if (bar == VIOMMU_PCI_BAR_MSIX) {
		range->first = base[VIOMMU_PCI_BAR_MSIX];
		range->last = range->first + VIOMMU_PCI_BAR_MSIX_SIZE - 1;
	} else {
		range->first = (uint64_t)base[1] << 32 | (base[0] & ~PCI_BAR_64);
		range->last = range->first + (VIOMMU_PCI_BAR_VIRTIO_SIZE - 1);
	}
	return true;
}
