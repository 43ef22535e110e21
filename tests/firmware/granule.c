/* SPDX-License-Identifier: BSD-3-Clause */
/* granule.c: as examples/firmware/bus.c, but the register page_size_mask has nothing below 64 KiB. */
#include "bus.h"

enum viommu_result __real_viommu_pci_driver_init(struct viommu_pci_driver *pci,
						 const struct viommu_pci_driver_config *config);
enum viommu_result __wrap_viommu_pci_driver_init(struct viommu_pci_driver *pci,
						 const struct viommu_pci_driver_config *config);

static const struct viommu_pci_driver *driver;

static uint32_t bar_read(void *ctx, const struct viommu_pci_bar *bar, uint32_t offset, uint32_t width)
{
	uint32_t value = bus_accessors.bar_read(ctx, bar, offset, width);

	if (bar->number == driver->device.bar && offset == driver->device.offset)
		value &= 0xffff0000;
	return value;
}

enum viommu_result __wrap_viommu_pci_driver_init(struct viommu_pci_driver *pci,
						 const struct viommu_pci_driver_config *config)
{
	static struct viommu_pci_accessors bus;
	struct viommu_pci_driver_config other = *config;

	bus = bus_accessors;
	bus.bar_read = bar_read;
	other.accessors = &bus;
	driver = pci;
	return __real_viommu_pci_driver_init(pci, &other);
}
