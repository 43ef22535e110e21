/* SPDX-License-Identifier: BSD-3-Clause */
/* pci_snapshot.c: save and restore of virtio-pci, the device's side. docs/snapshot.md. */
#include "pci.h"

#include "snapshot.h"

#include "../internal.h"

#define TYPE_PCI SNAPSHOT_TYPE('p', 'c', 'i', 'f')
#define TYPE_VECTORS SNAPSHOT_TYPE('m', 's', 'i', 'x')

/* The function: configuration space, generation when the configuration was last read, and as it was shown. */
#define PCI_GENERATION VIOMMU_PCI_CONFIG_SIZE
#define PCI_SHOWN (PCI_GENERATION + 4u)
#define PCI_SIZE (PCI_GENERATION + 8u)

/* A vector: address, data, and two bits. */
#define VECTOR_HIGH 4u
#define VECTOR_DATA 8u
#define VECTOR_BITS 12u
#define VECTOR_SIZE 16u
#define VECTOR_MASKED 1u
#define VECTOR_PENDING 2u

static uint64_t vectors_len(const struct viommu_pci *pci)
{
	return (uint64_t)pci->vector_count * VECTOR_SIZE;
}

uint64_t viommu_pci_save_size(const struct viommu_pci *pci)
{
	VIOMMU_ASSERT(viommu_pci_is_valid(pci));
	return SNAPSHOT_FRAME + SNAPSHOT_SECTION + PCI_SIZE + SNAPSHOT_SECTION + vectors_len(pci) +
	       viommu_i_file_section_size(&pci->file);
}

enum viommu_result viommu_pci_save(const struct viommu_pci *pci, void *buf, size_t len, size_t *written)
{
	struct viommu_i_save s;

	VIOMMU_ASSERT(viommu_pci_is_valid(pci));
	if (pci->file.registers->resetting)
		return VIOMMU_E_BUSY;
	if (viommu_i_save_begin(&s, buf, len, viommu_pci_save_size(pci)) != VIOMMU_OK)
		return VIOMMU_E_FULL;
	viommu_i_save_section(&s, TYPE_PCI, PCI_SIZE);
	for (uint32_t i = 0; i < VIOMMU_PCI_CONFIG_SIZE / 4; i++)
		viommu_i_save32(&s, pci->config[i]);
	viommu_i_save32(&s, pci->generation);
	viommu_i_save32(&s, pci->shown_generation);
	viommu_i_save_section(&s, TYPE_VECTORS, vectors_len(pci));
	for (uint32_t i = 0; i < pci->vector_count; i++) {
		const struct viommu_pci_vector *v = &pci->vectors[i];

		viommu_i_save32(&s, v->address_low);
		viommu_i_save32(&s, v->address_high);
		viommu_i_save32(&s, v->data);
		viommu_i_save32(&s, (v->masked ? VECTOR_MASKED : 0) | (v->pending ? VECTOR_PENDING : 0));
	}
	viommu_i_file_save(&pci->file, &s);
	*written = viommu_i_save_end(&s);
	return VIOMMU_OK;
}

/* What is to come. */
struct aside {
	const uint8_t *function;
	const uint8_t *vectors;
	const uint8_t *file;
};

static uint32_t config_of(const struct aside *aside, uint32_t offset)
{
	return viommu_i_get32(aside->function + offset);
}

/* All but the bits that a driver can store. */
static bool is_the_same_function(const struct viommu_pci *pci, const struct aside *aside)
{
	for (uint32_t i = 0; i < VIOMMU_PCI_CONFIG_SIZE / 4; i++) {
		if (((pci->config[i] ^ config_of(aside, 4 * i)) & ~pci->writable[i]) != 0)
			return false;
	}
	return true;
}

/* Messages wait for something, and only while there can be messages. */
static bool vector_is_valid(const struct aside *aside, const uint8_t *record)
{
	uint32_t bits = viommu_i_get32(record + VECTOR_BITS);
	uint32_t control = config_of(aside, AT_MSIX);
	bool held = (control & MSIX_MASK) != 0 || (bits & VECTOR_MASKED) != 0 ||
		    (config_of(aside, PCI_COMMAND) & PCI_COMMAND_MASTER) == 0;

	if (bits > (VECTOR_MASKED | VECTOR_PENDING) || (viommu_i_get32(record) & 3) != 0)
		return false;
	return (bits & VECTOR_PENDING) == 0 || ((control & MSIX_ENABLE) != 0 && held);
}

/* Registers of 16 bits; and a size that is none was stored as 0. */
static bool queues_are_valid(const struct viommu_pci *pci, const uint8_t *file)
{
	if (viommu_i_file_queue_select(file) > UINT16_MAX)
		return false;
	for (uint32_t i = 0; i < pci->file.registers->queue_count; i++) {
		uint32_t size = viommu_i_file_queue_size(file, i);

		if (size != 0 && !viommu_virtq_size_is_valid(size))
			return false;
	}
	return true;
}

static enum viommu_result judge(const struct viommu_pci *pci, struct viommu_i_load *l, struct aside *aside)
{
	enum viommu_result result;

	aside->function = viommu_i_load_fixed(l, TYPE_PCI, PCI_SIZE);
	if (aside->function == NULL)
		return VIOMMU_E_PEER;
	if (!is_the_same_function(pci, aside))
		return VIOMMU_E_UNSUPP;
	aside->vectors = viommu_i_load_fixed(l, TYPE_VECTORS, (size_t)vectors_len(pci));
	if (aside->vectors == NULL || viommu_i_get32(aside->function + PCI_SHOWN) > UINT8_MAX)
		return VIOMMU_E_PEER;
	for (uint32_t i = 0; i < pci->vector_count; i++) {
		if (!vector_is_valid(aside, aside->vectors + (size_t)i * VECTOR_SIZE))
			return VIOMMU_E_PEER;
	}
	result = viommu_i_file_judge(&pci->file, l, &aside->file);
	if (result == VIOMMU_OK && !queues_are_valid(pci, aside->file))
		result = VIOMMU_E_PEER;
	return result;
}

static void put_in_place(struct viommu_pci *pci, const struct aside *aside)
{
	for (uint32_t i = 0; i < VIOMMU_PCI_CONFIG_SIZE / 4; i++)
		pci->config[i] = config_of(aside, 4 * i);
	pci->generation = viommu_i_get32(aside->function + PCI_GENERATION);
	pci->shown_generation = (uint8_t)viommu_i_get32(aside->function + PCI_SHOWN);
	for (uint32_t i = 0; i < pci->vector_count; i++) {
		const uint8_t *record = aside->vectors + (size_t)i * VECTOR_SIZE;
		uint32_t bits = viommu_i_get32(record + VECTOR_BITS);

		pci->vectors[i] = (struct viommu_pci_vector){
			.address_low = viommu_i_get32(record),
			.address_high = viommu_i_get32(record + VECTOR_HIGH),
			.data = viommu_i_get32(record + VECTOR_DATA),
			.masked = (bits & VECTOR_MASKED) != 0,
			.pending = (bits & VECTOR_PENDING) != 0,
		};
	}
	viommu_i_file_load(&pci->file, aside->file);
}

enum viommu_result viommu_pci_restore(struct viommu_pci *pci, const void *bytes, size_t len)
{
	struct viommu_i_load l;
	struct aside aside;
	enum viommu_result result;

	VIOMMU_ASSERT(viommu_pci_is_valid(pci));
	if (viommu_registers_is_resetting(pci->file.registers))
		return VIOMMU_E_BUSY;
	result = viommu_i_load_begin(&l, bytes, len);
	if (result == VIOMMU_OK)
		result = judge(pci, &l, &aside);
	if (result != VIOMMU_OK)
		return result;
	put_in_place(pci, &aside);
	viommu_i_pci_update_line(pci);
	VIOMMU_ASSERT(viommu_pci_is_valid(pci));
	if (pci->ops->bars_changed != NULL)
		pci->ops->bars_changed(pci->ops_ctx);
	return VIOMMU_OK;
}
