/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pci_driver.c: proofs of how a driver finds its way in a PCI function. The function is the peer: what it shows in its
 * configuration space and its registers is anything, each time anew.
 */
#include "proof.h"

#include "../../libviommu/transport/pci_driver.c"

static uint32_t reads;

static uint32_t any_config_read(void *ctx, uint32_t function, uint32_t offset)
{
	(void)ctx;
	(void)function;
	PROVE(offset % 4 == 0 && offset < 256);
	reads++;
	return nondet_u32();
}

static const struct viommu_pci_accessors any_accessors = {
	.size = sizeof any_accessors,
	.config_read = any_config_read,
};

/* Lies it in its BAR, aligned and large enough? */
static bool lies_in_bar(const struct viommu_pci_driver *pci, const struct viommu_pci_structure *s, uint32_t least,
			uint32_t align)
{
	if (s->length < least || s->bar >= VIOMMU_PCI_BARS || s->offset % align != 0)
		return false;
	return s->offset < pci->bars[s->bar].size && s->length <= pci->bars[s->bar].size - s->offset;
}

/* What is true of the structures that were found so far. */
static bool finds_hold(const struct viommu_pci_driver *pci)
{
	uint32_t m = pci->notify_multiplier;

	if ((pci->common.length != 0 && !lies_in_bar(pci, &pci->common, 56, 4)) ||
	    (pci->notify.length != 0 && !lies_in_bar(pci, &pci->notify, 2, 2)) ||
	    (pci->isr.length != 0 && !lies_in_bar(pci, &pci->isr, 1, 1)) ||
	    (pci->device.length != 0 && !lies_in_bar(pci, &pci->device, 1, 4)))
		return false;
	if (pci->msix.length != 0 &&
	    (!lies_in_bar(pci, &pci->msix, 16, 8) || pci->msix.length % 16 != 0 || pci->msix_at > 256 - 12))
		return false;
	return (m == 0 || (m & (m - 1)) == 0) && pci->msix_at % 4 == 0;
}

static struct viommu_pci_structure any_structure(void)
{
	return (struct viommu_pci_structure){ nondet_u32(), nondet_u32(), nondet_u32() };
}

static void find_anything(struct viommu_pci_driver *pci)
{
	pci->common = any_structure();
	pci->notify = any_structure();
	pci->isr = any_structure();
	pci->device = any_structure();
	pci->msix = any_structure();
	pci->msix_at = nondet_u32();
	pci->notify_multiplier = nondet_u32();
	ASSUME(finds_hold(pci));
}

static void have_any_bars(struct viommu_pci_bar bars[VIOMMU_PCI_BARS])
{
	for (uint32_t i = 0; i < VIOMMU_PCI_BARS; i++)
		bars[i] = (struct viommu_pci_bar){ .address = nondet_u64(), .size = nondet_u64() };
}

/*
 * Proof of consider_virtio, consider_msix. Unwind 7. One capability, whatever is in it, at any place of the
 * configuration space: what is taken lies in its BAR, and what was found before stays.
 */
void prove_pci_capability(void)
{
	struct viommu_pci_driver pci = { .accessors = &any_accessors };
	struct capability cap = { .at = nondet_u8(), .id = nondet_u8(), .next = nondet_u8(), .upper = nondet_u16() };
	struct viommu_pci_driver before;

	have_any_bars(pci.bars);
	find_anything(&pci);
	ASSUME(cap.at >= 64 && cap.at % 4 == 0);
	before = pci;
	if (cap.id == PCI_CAP_VENDOR)
		consider_virtio(&pci, &cap);
	else if (cap.id == PCI_CAP_MSIX)
		consider_msix(&pci, &cap);
	PROVE(finds_hold(&pci) && reads <= 4);
	PROVE(before.common.length == 0 || pci.common.offset == before.common.offset);
	PROVE(before.notify.length == 0 ||
	      (pci.notify.offset == before.notify.offset && pci.notify_multiplier == before.notify_multiplier));
	REACHABLE(pci.common.length == UINT32_MAX && before.common.length == 0);
	REACHABLE(before.notify.length == 0 && pci.notify.length != 0 && pci.notify_multiplier == UINT32_C(1) << 31);
	REACHABLE(before.msix.length == 0 && pci.msix.length == 2048 * 16 && pci.msix.offset == UINT32_MAX - 7 - 32768);
	REACHABLE(reads == 0 && cap.id == PCI_CAP_VENDOR && cap.upper >> 8 == VIRTIO_CAP_NOTIFY && cap.at == 240);
	REACHABLE(reads == 3 && pci.isr.length == 0 && cap.upper >> 8 == VIRTIO_CAP_ISR);
}

/* Stands for consider_virtio and consider_msix. */
void any_consider(struct viommu_pci_driver *pci, const struct capability *cap)
{
	(void)pci;
	PROVE(cap->at >= 64 && cap->at < 256 && cap->at % 4 == 0 && cap->upper <= UINT16_MAX);
}

/*
 * Proof of walk. With consider_virtio as any_consider, consider_msix as any_consider. Unwind 50. Any list of
 * capabilities comes to an end, and no step of it leaves the configuration space.
 */
void prove_pci_walk(void)
{
	struct viommu_pci_driver pci = { .accessors = &any_accessors };
	enum viommu_result r = walk(&pci);

	PROVE((r == VIOMMU_OK || r == VIOMMU_E_PEER) && reads <= 1 + 48);
	REACHABLE(r == VIOMMU_OK && reads == 1 + 48);
	REACHABLE(r == VIOMMU_OK && reads == 1);
	REACHABLE(r == VIOMMU_E_PEER && reads == 1 + 48);
	REACHABLE(r == VIOMMU_E_PEER && reads == 1);
}
