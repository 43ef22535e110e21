/* SPDX-License-Identifier: BSD-3-Clause */
/* pci_check.c: what is always true of a virtio device on the PCI bus, whatever the driver has stored. */
#include "pci.h"

/* Does the line say what it has to, or nothing where there is none? */
static bool line_is_valid(const struct viommu_pci *pci)
{
	bool high = pci->file.pending != 0 && !pci_msix_is_on(pci) && !pci_command_has(pci, PCI_COMMAND_INTX_OFF);

	return pci->line == (high && pci->ops->set_line != NULL);
}

bool viommu_pci_is_valid(const struct viommu_pci *pci)
{
	if (!viommu_register_file_is_valid(&pci->file) || pci->ops == NULL)
		return false;
	if (pci->vector_count > VIOMMU_PCI_VECTORS_MAX || pci->vector_count != pci->file.vector_count)
		return false;
	if (pci->vector_count != 0 && (pci->vectors == NULL || pci->ops->msi == NULL))
		return false;
	return pci->device_config_size <= VIOMMU_PCI_DEVICE_CONFIG_MAX && line_is_valid(pci);
}

/* What a driver finds first is what it looks for. */
static bool header_is_valid(const struct viommu_pci *pci)
{
	uint32_t id = pci->config[PCI_ID / 4] >> 16;

	return (uint16_t)pci->config[PCI_ID / 4] == PCI_VENDOR_VIRTIO && id > PCI_DEVICE_VIRTIO &&
	       id <= PCI_DEVICE_VIRTIO + PCI_DEVICE_VIRTIO_MAX && pci->config[PCI_CAPABILITIES / 4] == AT_COMMON;
}

bool viommu_pci_check(const struct viommu_pci *pci)
{
	if (!viommu_pci_is_valid(pci) || !viommu_register_file_check(&pci->file) || !header_is_valid(pci))
		return false;
	for (uint32_t i = 0; i < pci->vector_count; i++) {
		const struct viommu_pci_vector *v = &pci->vectors[i];

		/* Messages wait for something, and only while there can be messages. */
		if (v->pending && (!pci_msix_is_on(pci) || !viommu_i_pci_is_held(pci, v)))
			return false;
	}
	return true;
}
