/* SPDX-License-Identifier: BSD-3-Clause */
/* no_map_unmap.c: as examples/firmware/bus.c, but the register of features is without MAP_UNMAP. */
#include "bus.h"

#define FEATURE_SELECT 0u
#define FEATURES 4u

enum viommu_result __real_viommu_pci_driver_init(struct viommu_pci_driver *pci,
						 const struct viommu_pci_driver_config *config);
enum viommu_result __wrap_viommu_pci_driver_init(struct viommu_pci_driver *pci,
						 const struct viommu_pci_driver_config *config);

static const struct viommu_pci_driver *driver;
static uint32_t selected;

static bool is_register(const struct viommu_pci_bar *bar, uint32_t offset, uint32_t which)
{
	return bar->number == driver->common.bar && offset == driver->common.offset + which;
}

static uint32_t bar_read(void *ctx, const struct viommu_pci_bar *bar, uint32_t offset, uint32_t width)
{
	uint32_t value = bus_accessors.bar_read(ctx, bar, offset, width);

	if (selected == 0 && is_register(bar, offset, FEATURES))
		value &= ~(uint32_t)VIOMMU_F_MAP_UNMAP;
	return value;
}

static void bar_write(void *ctx, const struct viommu_pci_bar *bar, uint32_t offset, uint32_t width, uint32_t value)
{
	if (is_register(bar, offset, FEATURE_SELECT))
		selected = value;
	bus_accessors.bar_write(ctx, bar, offset, width, value);
}

enum viommu_result __wrap_viommu_pci_driver_init(struct viommu_pci_driver *pci,
						 const struct viommu_pci_driver_config *config)
{
	static struct viommu_pci_accessors bus;
	struct viommu_pci_driver_config other = *config;

	bus = bus_accessors;
	bus.bar_read = bar_read;
	bus.bar_write = bar_write;
	other.accessors = &bus;
	driver = pci;
	return __real_viommu_pci_driver_init(pci, &other);
}
