/* SPDX-License-Identifier: BSD-3-Clause */
/* bus.c: configuration space is memory (ECAM), and so are BARs, at the addresses that devices have for them. */
#include "bus.h"

#include "console.h"

#define FUNCTION_SIZE 4096u
#define COMMAND 4u
#define COMMAND_MASTER 4u
#define LAST_OF_BUS_0 0xffu

/* Loads before what comes after them, and stores after what comes before them, as the device sees it. */
static uint32_t load(uintptr_t at, uint32_t width)
{
	uint32_t value = width == 1   ? *(volatile uint8_t *)at
			 : width == 2 ? *(volatile uint16_t *)at
				      : *(volatile uint32_t *)at;

	viommu_port_fence_strong();
	return value;
}

static void store(uintptr_t at, uint32_t width, uint32_t value)
{
	viommu_port_fence_strong();
	if (width == 1)
		*(volatile uint8_t *)at = (uint8_t)value;
	else if (width == 2)
		*(volatile uint16_t *)at = (uint16_t)value;
	else
		*(volatile uint32_t *)at = value;
}

static uint32_t config_read(void *ctx, uint32_t function, uint32_t offset)
{
	const struct platform *platform = ctx;
	uint64_t at = (uint64_t)function * FUNCTION_SIZE + offset;

	return at < platform->ecam_size ? load((uintptr_t)(platform->ecam + at), 4) : UINT32_MAX;
}

static void config_write(void *ctx, uint32_t function, uint32_t offset, uint32_t value)
{
	const struct platform *platform = ctx;
	uint64_t at = (uint64_t)function * FUNCTION_SIZE + offset;

	if (at < platform->ecam_size)
		store((uintptr_t)(platform->ecam + at), 4, value);
}

static uint32_t bar_read(void *ctx, const struct viommu_pci_bar *bar, uint32_t offset, uint32_t width)
{
	(void)ctx;
	return load((uintptr_t)(bar->address + offset), width);
}

static void bar_write(void *ctx, const struct viommu_pci_bar *bar, uint32_t offset, uint32_t width, uint32_t value)
{
	(void)ctx;
	store((uintptr_t)(bar->address + offset), width, value);
}

const struct viommu_pci_accessors bus_accessors = {
	.size = sizeof bus_accessors,
	.config_read = config_read,
	.config_write = config_write,
	.bar_read = bar_read,
	.bar_write = bar_write,
};

bool bus_find(struct platform *platform, uint32_t id, uint32_t *number)
{
	for (*number = 0; *number <= LAST_OF_BUS_0; ++*number) {
		if (config_read(platform, *number, 0) == id)
			return true;
	}
	return false;
}

/* Is one of them where the processor cannot go, or nowhere? */
static bool must_be_placed(const struct platform *platform, const struct bus_function *function)
{
	for (uint32_t i = 0; i < VIOMMU_PCI_BARS; i++) {
		const struct viommu_pci_bar *bar = &function->bars[i];

		if (bar->size != 0 && (bar->address == 0 || bar->address > platform->reach ||
				       bar->size - 1 > platform->reach - bar->address))
			return true;
	}
	return false;
}

void bus_prepare(struct platform *platform, uint32_t number, struct bus_function *function)
{
	bool place;

	function->number = number;
	need(viommu_pci_read_bars(&bus_accessors, platform, number, function->bars), "sizing the BARs");
	place = must_be_placed(platform, function);
	put("  ");
	put_function(number);
	put(place ? ": BARs placed by us\n" : ": BARs placed before us\n");
	if (place)
		need(viommu_pci_place_bars(&bus_accessors, platform, number, function->bars, &platform->window, 1),
		     "a place for the BARs");
	need(viommu_pci_enable(&bus_accessors, platform, number, false), "memory space");
}

void bus_allow_dma(struct platform *platform, uint32_t number, bool allow)
{
	/* The status, in the upper half, is cleared by ones. */
	uint32_t command = config_read(platform, number, COMMAND) & 0xffff & ~COMMAND_MASTER;

	config_write(platform, number, COMMAND, command | (allow ? COMMAND_MASTER : 0));
}
