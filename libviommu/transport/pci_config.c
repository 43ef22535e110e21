/* SPDX-License-Identifier: BSD-3-Clause */
/* pci_config.c: the configuration space of a virtio device. */
#include "pci.h"

#include "../internal.h"

/*
 * The window into BAR 0. A driver has to name a piece of a structure there; anything else reads 0 and stores nothing.
 * ("PCI configuration access capability")
 */
static bool window_is_open(const struct viommu_pci *pci)
{
	return pci->config[AT_PCI_BAR / 4] == VIOMMU_PCI_BAR_VIRTIO &&
	       pci_is_natural(pci->config[AT_PCI_OFFSET / 4], pci->config[AT_PCI_LENGTH / 4]);
}

static uint32_t low_bytes(uint32_t width)
{
	return UINT32_MAX >> (32 - 8 * width);
}

static void read_window(struct viommu_pci *pci)
{
	uint32_t width = pci->config[AT_PCI_LENGTH / 4];
	uint32_t *data = &pci->config[AT_PCI_DATA / 4];
	uint32_t value;

	if (!window_is_open(pci)) {
		*data = 0;
		return;
	}
	value = viommu_i_pci_read(pci, VIOMMU_PCI_BAR_VIRTIO, pci->config[AT_PCI_OFFSET / 4], width);
	*data = (*data & ~low_bytes(width)) | (value & low_bytes(width));
}

static void write_window(struct viommu_pci *pci, struct viommu_i_pci_news *news)
{
	if (window_is_open(pci))
		viommu_i_pci_write(pci, VIOMMU_PCI_BAR_VIRTIO, pci->config[AT_PCI_OFFSET / 4],
				   pci->config[AT_PCI_LENGTH / 4], pci->config[AT_PCI_DATA / 4], news);
}

uint32_t viommu_pci_config_read(struct viommu_pci *pci, uint32_t offset, uint32_t width)
{
	uint32_t at = offset & ~3u;
	uint32_t value;

	VIOMMU_ASSERT(viommu_pci_is_valid(pci));
	if (offset >= VIOMMU_PCI_CONFIG_SIZE || !pci_is_natural(offset, width))
		return UINT32_MAX;
	if (at == AT_PCI_DATA)
		read_window(pci);
	value = pci->config[at / 4];
	if (at == PCI_COMMAND && viommu_register_file_pending(&pci->file) != 0 && !pci_msix_is_on(pci))
		value |= PCI_STATUS_INTERRUPT;
	return value >> 8 * (offset & 3) & low_bytes(width);
}

static void bars_changed(const struct viommu_pci *pci)
{
	if (pci->ops->bars_changed != NULL)
		pci->ops->bars_changed(pci->ops_ctx);
}

static void command_stored(struct viommu_pci *pci, uint32_t changed, struct viommu_i_pci_news *news)
{
	viommu_i_pci_update_line(pci);
	if ((changed & PCI_COMMAND_MEMORY) != 0)
		bars_changed(pci);
	if ((changed & PCI_COMMAND_MASTER) == 0 || !pci_command_has(pci, PCI_COMMAND_MASTER))
		return;
	/* What had to wait. */
	if (pci_msix_is_on(pci))
		viommu_i_pci_send_all(pci);
	*news = pci_look();
}

static void msix_stored(struct viommu_pci *pci)
{
	if (pci_msix_is_on(pci))
		viommu_i_pci_send_all(pci);
	else
		viommu_i_pci_forget_messages(pci);
	viommu_i_pci_update_line(pci);
}

static void bar_stored(const struct viommu_pci *pci, uint32_t changed)
{
	if (changed != 0 && pci_command_has(pci, PCI_COMMAND_MEMORY))
		bars_changed(pci);
}

void viommu_pci_config_write(struct viommu_pci *pci, uint32_t offset, uint32_t width, uint32_t value)
{
	uint32_t at = offset & ~3u;
	uint32_t shift = 8 * (offset & 3);
	struct viommu_i_pci_news news = { false, 0, 0 };
	uint32_t *stored;
	uint32_t changed;

	VIOMMU_ASSERT(viommu_pci_is_valid(pci));
	if (offset >= VIOMMU_PCI_CONFIG_SIZE || !pci_is_natural(offset, width))
		return;
	stored = &pci->config[at / 4];
	value = (value & low_bytes(width)) << shift;
	changed = (*stored ^ value) & pci->writable[at / 4] & low_bytes(width) << shift;
	*stored ^= changed;
	switch (at) {
	case PCI_COMMAND:
		command_stored(pci, changed, &news);
		break;
	case PCI_BAR + 4 * VIOMMU_PCI_BAR_VIRTIO:
	case PCI_BAR + 4 * VIOMMU_PCI_BAR_VIRTIO + 4:
	case PCI_BAR + 4 * VIOMMU_PCI_BAR_MSIX:
		bar_stored(pci, changed);
		break;
	case AT_MSIX:
		msix_stored(pci);
		break;
	case AT_PCI_DATA:
		write_window(pci, &news);
		break;
	default:
		break;
	}
	VIOMMU_ASSERT(viommu_pci_is_valid(pci));
	pci_tell_owner(pci, &news);
}
