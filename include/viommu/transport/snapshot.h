/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * transport/snapshot.h: the device's side of a transport as bytes: what ../snapshot.h does for the device and its
 * queues, for the registers in front of them. docs/snapshot.md has the format, which has the same frame.
 *
 *      save:       viommu_pump_save, viommu_pci_save                 in any order
 *      restore:    viommu_pump_restore, then viommu_pci_restore      into a pump and a transport that are made anew
 *
 * In it is all that the driver has stored and can read: selectors, the parts of queues, interrupts that are pending; for
 * PCI command, BARs, the MSI-X table with its pending bits, and the window of the configuration space. Not in it: what
 * the registers have (status, features, the queues themselves), and what the embedder knows of lines and messages.
 *
 * A restore judges all bytes before it changes anything; afterwards nothing is left of what the transport was before,
 * whatever that was. Then it calls the embedder: set_line if the level of the line is another one now, and for PCI
 * bars_changed. No message is sent: those that are pending are held, as they were.
 *
 * The pump comes first, since the place of each queue that is in use is compared with what the driver has stored. Between
 * the two nothing is to happen, and viommu_pump_process is called after both. If the second one is refused, reset the
 * first one (viommu_pump_system_reset), or throw it away.
 *
 * Thread class: owner. `buf` and `bytes` may have any alignment.
 */
#ifndef VIOMMU_TRANSPORT_SNAPSHOT_H
#define VIOMMU_TRANSPORT_SNAPSHOT_H

#include <viommu/transport/mmio.h>
#include <viommu/transport/pci.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that a save writes, which are always as many for the same configuration. Steps: fixed. */
uint64_t viommu_mmio_save_size(const struct viommu_mmio *mmio);
uint64_t viommu_pci_save_size(const struct viommu_pci *pci);

/*
 * Writes *written bytes. VIOMMU_E_BUSY: a reset of the registers goes on. VIOMMU_E_FULL: `len` is less than save_size
 * says. Nothing is written then. Steps: the bytes.
 */
VIOMMU_NODISCARD enum viommu_result viommu_mmio_save(const struct viommu_mmio *mmio, void *buf, size_t len,
						     size_t *written);
VIOMMU_NODISCARD enum viommu_result viommu_pci_save(const struct viommu_pci *pci, void *buf, size_t len,
						    size_t *written);

/*
 * On an error nothing has changed, and nobody was called:
 * VIOMMU_E_BUSY: a reset of the registers goes on.
 * VIOMMU_E_PEER: damaged, cut off, no snapshot of such a transport, or in contradiction with itself or the registers.
 * VIOMMU_E_ABI: of another version of the format.
 * VIOMMU_E_UNSUPP: the driver was shown something else: ids, how many queues or vectors there are, what else is
 * configured of the function.
 * Steps: the bytes, twice.
 */
VIOMMU_NODISCARD enum viommu_result viommu_mmio_restore(struct viommu_mmio *mmio, const void *bytes, size_t len);
VIOMMU_NODISCARD enum viommu_result viommu_pci_restore(struct viommu_pci *pci, const void *bytes, size_t len);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_TRANSPORT_SNAPSHOT_H */
