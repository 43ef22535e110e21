/* SPDX-License-Identifier: BSD-3-Clause */
/* no_bars.c: nobody has placed the BARs, and the machine does not say where they could be. */
#include "platform.h"

enum viommu_result __real_platform_find(struct platform *platform, const void *boot);
enum viommu_result __wrap_platform_find(struct platform *platform, const void *boot);
enum viommu_result __real_viommu_pci_read_bars(const struct viommu_pci_accessors *accessors, void *ctx,
					       uint32_t function, struct viommu_pci_bar bars[VIOMMU_PCI_BARS]);
enum viommu_result __wrap_viommu_pci_read_bars(const struct viommu_pci_accessors *accessors, void *ctx,
					       uint32_t function, struct viommu_pci_bar bars[VIOMMU_PCI_BARS]);

enum viommu_result __wrap_platform_find(struct platform *platform, const void *boot)
{
	enum viommu_result result = __real_platform_find(platform, boot);

	platform->window = (struct viommu_pci_window){ .first = 1 };
	return result;
}

enum viommu_result __wrap_viommu_pci_read_bars(const struct viommu_pci_accessors *accessors, void *ctx,
					       uint32_t function, struct viommu_pci_bar bars[VIOMMU_PCI_BARS])
{
	enum viommu_result result = __real_viommu_pci_read_bars(accessors, ctx, function, bars);

	for (uint32_t i = 0; i < VIOMMU_PCI_BARS; i++)
		bars[i].address = 0;
	return result;
}
