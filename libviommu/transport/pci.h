/* SPDX-License-Identifier: BSD-3-Clause */
/* pci.h: the numbers of PCI and of virtio over it, and what the files of the device's side share. */
#ifndef VIOMMU_TRANSPORT_PCI_CORE_H
#define VIOMMU_TRANSPORT_PCI_CORE_H

#include <viommu/transport/pci.h>

#include "core.h"

#define PCI_VENDOR_VIRTIO 0x1af4u
#define PCI_DEVICE_VIRTIO 0x1040u /* plus the device id of virtio */
#define PCI_DEVICE_VIRTIO_MAX 63u

/* Configuration space, by offset. Registers of 32 bits. */
#define PCI_ID 0x00u
#define PCI_COMMAND 0x04u /* and status, in the upper half */
#define PCI_CLASS 0x08u   /* and revision */
#define PCI_HEADER 0x0cu  /* its type, in the third byte */
#define PCI_HEADER_MULTI 0x800000u
#define PCI_HEADER_TYPE 0x7f0000u
#define PCI_BAR 0x10u
#define PCI_SUBSYSTEM 0x2cu
#define PCI_CAPABILITIES 0x34u
#define PCI_INTERRUPT 0x3cu

#define PCI_COMMAND_IO 0x1u
#define PCI_COMMAND_MEMORY 0x2u
#define PCI_COMMAND_MASTER 0x4u
#define PCI_COMMAND_INTX_OFF 0x400u
#define PCI_STATUS_INTERRUPT 0x80000u
#define PCI_STATUS_CAPABILITIES 0x100000u

#define PCI_BARS 6u
#define PCI_BAR_IO 0x1u
#define PCI_BAR_TYPE 0x6u
#define PCI_BAR_64 0x4u
#define PCI_BAR_PREFETCHABLE 0x8u
#define PCI_BAR_SIZE_MIN 16u /* of memory */

/* MSI-X. ("MSI-X Capability and Table Structures" of PCI) */
#define PCI_CAP_MSIX 0x11u
#define PCI_CAP_MSIX_LEN 12u
#define MSIX_ENABLE 0x80000000u /* in the first register of the capability */
#define MSIX_MASK 0x40000000u
#define MSIX_ENTRY 16u
#define MSIX_ENTRY_MASKED 1u

/* Capabilities of virtio. ("Virtio Structure PCI Capabilities") */
#define PCI_CAP_VENDOR 0x09u
#define VIRTIO_CAP_LEN 16u
#define VIRTIO_CAP_COMMON 1u
#define VIRTIO_CAP_NOTIFY 2u /* with the multiplier behind it */
#define VIRTIO_CAP_ISR 3u
#define VIRTIO_CAP_DEVICE 4u
#define VIRTIO_CAP_PCI 5u /* with 4 bytes of data behind it */

/* Common configuration. ("Common configuration structure layout") */
#define COMMON_DEVICE_FEATURES_SELECT 0x00u
#define COMMON_DEVICE_FEATURES 0x04u
#define COMMON_DRIVER_FEATURES_SELECT 0x08u
#define COMMON_DRIVER_FEATURES 0x0cu
#define COMMON_CONFIG_VECTOR 0x10u
#define COMMON_QUEUE_COUNT 0x12u
#define COMMON_STATUS 0x14u
#define COMMON_GENERATION 0x15u
#define COMMON_QUEUE_SELECT 0x16u
#define COMMON_QUEUE_SIZE 0x18u
#define COMMON_QUEUE_VECTOR 0x1au
#define COMMON_QUEUE_ENABLE 0x1cu
#define COMMON_QUEUE_NOTIFY_OFF 0x1eu
#define COMMON_QUEUE_DESC 0x20u
#define COMMON_QUEUE_AVAIL 0x28u
#define COMMON_QUEUE_USED 0x30u
#define COMMON_SIZE 0x38u /* what a driver needs of it */
#define COMMON_QUEUE_RESET 0x3au
#define COMMON_SIZE_RESET 0x3cu /* with the reset of queues, as our device has it */

/* Where the device's side has its capabilities. */
#define AT_COMMON 0x40u
#define AT_ISR 0x50u
#define AT_NOTIFY 0x60u
#define AT_PCI 0x74u
#define AT_PCI_BAR (AT_PCI + 4)
#define AT_PCI_OFFSET (AT_PCI + 8)
#define AT_PCI_LENGTH (AT_PCI + 12)
#define AT_PCI_DATA (AT_PCI + 16)
#define AT_DEVICE 0x88u
#define AT_MSIX 0x98u

/* Where BAR 2 has the pending bits. */
#define MSIX_PENDING 0x800u

_Static_assert(VIOMMU_PCI_VECTORS_MAX *MSIX_ENTRY <= MSIX_PENDING, "the table runs into the pending bits");
_Static_assert(VIOMMU_PCI_QUEUES_MAX *VIOMMU_PCI_NOTIFY_MULTIPLIER <=
		       VIOMMU_PCI_BAR_VIRTIO_SIZE - VIOMMU_PCI_NOTIFY_OFFSET,
	       "the notifications run out of the BAR");

static inline bool pci_command_has(const struct viommu_pci *pci, uint32_t bit)
{
	return (pci->config[PCI_COMMAND / 4] & bit) != 0;
}

static inline bool pci_msix_is_on(const struct viommu_pci *pci)
{
	return (pci->config[AT_MSIX / 4] & MSIX_ENABLE) != 0;
}

static inline bool pci_is_natural(uint64_t offset, uint32_t width)
{
	return width <= 4 && viommu_i_is_natural(offset, width);
}

/* Not now, or not to this driver. */
bool viommu_i_pci_is_held(const struct viommu_pci *pci, const struct viommu_pci_vector *vector);

/* Whatever has decided over the line or over messages has changed. */
void viommu_i_pci_update_line(struct viommu_pci *pci);
void viommu_i_pci_send(struct viommu_pci *pci, struct viommu_pci_vector *vector);
void viommu_i_pci_send_all(struct viommu_pci *pci);
void viommu_i_pci_forget_messages(struct viommu_pci *pci);

/* Is there such a BAR? */
bool viommu_i_pci_has_bar(const struct viommu_pci *pci, uint32_t bar);

/* What the owner of the device is told of a store, after everything else: it may do all of its work in there. */
struct viommu_i_pci_news {
	bool is_there;
	uint32_t queue;
	uint32_t value;
};

static inline struct viommu_i_pci_news pci_look(void)
{
	return (struct viommu_i_pci_news){ true, VIOMMU_REGISTER_NO_QUEUE, 0 };
}

static inline void pci_tell_owner(const struct viommu_pci *pci, const struct viommu_i_pci_news *news)
{
	if (news->is_there)
		pci->ops->notify(pci->ops_ctx, news->queue, news->value);
}

/*
 * Accesses of 1, 2 or 4 bytes to a BAR that is there, whether or not it is enabled. *news stays as it was if there is
 * nothing to tell.
 */
uint32_t viommu_i_pci_read(struct viommu_pci *pci, uint32_t bar, uint64_t offset, uint32_t width);
void viommu_i_pci_write(struct viommu_pci *pci, uint32_t bar, uint64_t offset, uint32_t width, uint32_t value,
			struct viommu_i_pci_news *news);

#endif /* VIOMMU_TRANSPORT_PCI_CORE_H */
