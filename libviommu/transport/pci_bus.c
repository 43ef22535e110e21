/* SPDX-License-Identifier: BSD-3-Clause */
/* pci_bus.c: for firmware without a PCI stack: finds a virtio device and gives its BARs a place. */
#include <viommu/transport/pci_driver.h>

#include "../internal.h"
#include "pci.h"

struct bus {
	const struct viommu_pci_accessors *accessors;
	void *ctx;
	uint32_t function;
};

static uint32_t get(const struct bus *bus, uint32_t offset)
{
	return bus->accessors->config_read(bus->ctx, bus->function, offset);
}

static void set(const struct bus *bus, uint32_t offset, uint32_t value)
{
	bus->accessors->config_write(bus->ctx, bus->function, offset, value);
}

/* The status, in the upper half, is cleared by ones. */
static void set_command(const struct bus *bus, uint32_t command)
{
	set(bus, PCI_COMMAND, command & 0xffff);
}

/* For what stores to configuration space; the BARs are not accessed. */
static enum viommu_result accessors_check(const struct viommu_pci_accessors *accessors)
{
	if (accessors->size != sizeof *accessors)
		return VIOMMU_E_ABI;
	return accessors->config_read != NULL && accessors->config_write != NULL ? VIOMMU_OK : VIOMMU_E_ARG;
}

/* Find */

/* Is function 0 of this device all there is of it? */
static bool is_single(struct bus bus)
{
	bus.function &= ~7u;
	return get(&bus, PCI_ID) == UINT32_MAX || (get(&bus, PCI_HEADER) & PCI_HEADER_MULTI) == 0;
}

enum viommu_result viommu_pci_find(const struct viommu_pci_accessors *accessors, void *ctx, uint32_t first,
				   uint32_t last, uint32_t device_id, uint32_t *function)
{
	struct bus bus = { accessors, ctx, first };
	bool single = false;

	if (accessors->size != sizeof *accessors)
		return VIOMMU_E_ABI;
	if (accessors->config_read == NULL || first > last || device_id == 0 || device_id > PCI_DEVICE_VIRTIO_MAX)
		return VIOMMU_E_ARG;
	for (;; bus.function++) {
		uint32_t at = bus.function & 7;

		if (at == 0 || bus.function == first)
			single = is_single(bus);
		if ((at == 0 || !single) &&
		    get(&bus, PCI_ID) == (PCI_VENDOR_VIRTIO | (PCI_DEVICE_VIRTIO + device_id) << 16)) {
			*function = bus.function;
			return VIOMMU_OK;
		}
		if (bus.function == last)
			return VIOMMU_E_NOENT;
	}
}

/* BARs */

/* What of a BAR can be stored, and what is stored there. */
static uint32_t probe(const struct bus *bus, uint32_t number, uint32_t *stored)
{
	uint32_t offset = PCI_BAR + 4 * number;
	uint32_t mask;

	*stored = get(bus, offset);
	set(bus, offset, UINT32_MAX);
	mask = get(bus, offset);
	set(bus, offset, *stored);
	return mask;
}

/* One BAR. Returns how many registers it has. */
static uint32_t read_bar(const struct bus *bus, uint32_t number, struct viommu_pci_bar *bar)
{
	uint32_t low, high = 0;
	uint64_t mask = probe(bus, number, &low);
	uint32_t type = low & PCI_BAR_TYPE;

	*bar = (struct viommu_pci_bar){ .number = (uint8_t)number };
	if ((low & PCI_BAR_IO) != 0)
		return 1;
	mask &= ~UINT64_C(0xf);
	if (type == PCI_BAR_64 && number < VIOMMU_PCI_BARS - 1)
		mask |= (uint64_t)probe(bus, number + 1, &high) << 32;
	else if (type != 0)
		return 1; /* a type that there is not, or half a BAR */
	bar->is_64 = type == PCI_BAR_64;
	bar->is_prefetchable = (low & PCI_BAR_PREFETCHABLE) != 0;
	bar->address = (uint64_t)high << 32 | (low & ~0xfu);
	if (mask != 0)
		bar->size = mask & ~(mask - 1);
	return bar->is_64 ? 2 : 1;
}

enum viommu_result viommu_pci_read_bars(const struct viommu_pci_accessors *accessors, void *ctx, uint32_t function,
					struct viommu_pci_bar bars[VIOMMU_PCI_BARS])
{
	struct bus bus = { accessors, ctx, function };
	uint32_t command;
	enum viommu_result result = accessors_check(accessors);

	if (result != VIOMMU_OK)
		return result;
	if ((get(&bus, PCI_HEADER) & PCI_HEADER_TYPE) != 0)
		return VIOMMU_E_PEER;
	for (uint32_t i = 0; i < VIOMMU_PCI_BARS; i++)
		bars[i] = (struct viommu_pci_bar){ .number = (uint8_t)i };
	command = get(&bus, PCI_COMMAND);
	set_command(&bus, command & ~(PCI_COMMAND_MEMORY | PCI_COMMAND_IO));
	for (uint32_t i = 0; i < VIOMMU_PCI_BARS;)
		i += read_bar(&bus, i, &bars[i]);
	set_command(&bus, command);
	return VIOMMU_OK;
}

static bool is_power_of_two(uint64_t n)
{
	return (n & (n - 1)) == 0;
}

/* Is this what read_bars can have found? */
static bool bar_is_valid(const struct viommu_pci_bar bars[VIOMMU_PCI_BARS], uint32_t i)
{
	const struct viommu_pci_bar *bar = &bars[i];

	if (bar->size == 0)
		return true;
	if (bar->number != i || bar->size < PCI_BAR_SIZE_MIN || !is_power_of_two(bar->size))
		return false;
	if (!bar->is_64)
		return bar->size <= UINT32_MAX;
	return i < VIOMMU_PCI_BARS - 1 && bars[i + 1].size == 0;
}

/* A piece of a window. */
struct place {
	struct viommu_pci_window *window;
	struct viommu_pci_window before;
	uint64_t address;
};

static bool window_is_for(const struct viommu_pci_window *window, const struct viommu_pci_bar *bar)
{
	return window->first <= window->last && (!window->is_prefetchable || bar->is_prefetchable);
}

/* The first multiple of the BAR's size in the window that has room for it. */
static bool window_has_room(const struct viommu_pci_window *window, const struct viommu_pci_bar *bar, uint64_t *address)
{
	uint64_t top = bar->size - 1; /* a power of two, less one */
	uint64_t last = window->last;

	if (!bar->is_64 && last > UINT32_MAX)
		last = UINT32_MAX;
	if (window->first > last || window->first > UINT64_MAX - top)
		return false;
	*address = (window->first + top) & ~top;
	return *address <= last && last - *address >= top;
}

static bool take(struct viommu_pci_window *windows, uint32_t count, const struct viommu_pci_bar *bar,
		 struct place *place)
{
	for (uint32_t i = 0; i < count; i++) {
		struct viommu_pci_window *window = &windows[i];
		uint64_t last;

		if (!window_is_for(window, bar) || !window_has_room(window, bar, &place->address))
			continue;
		place->window = window;
		place->before = *window;
		last = place->address + (bar->size - 1);
		if (last == window->last) {
			window->first = UINT64_MAX; /* empty */
			window->last = 0;
		} else {
			window->first = last + 1;
		}
		return true;
	}
	return false;
}

/* In the order of taking, backwards. */
static void give_back(const struct place *places, uint32_t count)
{
	for (uint32_t i = count; i > 0; i--) {
		if (places[i - 1].window != NULL)
			*places[i - 1].window = places[i - 1].before;
	}
}

/* Whether the function takes it. */
static bool store_address(const struct bus *bus, const struct viommu_pci_bar *bar, uint64_t address)
{
	uint32_t offset = PCI_BAR + 4 * bar->number;
	uint64_t taken;

	set(bus, offset, (uint32_t)address);
	if (bar->is_64)
		set(bus, offset + 4, (uint32_t)(address >> 32));
	taken = get(bus, offset) & ~0xfu;
	if (bar->is_64)
		taken |= (uint64_t)get(bus, offset + 4) << 32;
	return taken == address;
}

enum viommu_result viommu_pci_place_bars(const struct viommu_pci_accessors *accessors, void *ctx, uint32_t function,
					 struct viommu_pci_bar bars[VIOMMU_PCI_BARS], struct viommu_pci_window *windows,
					 uint32_t window_count)
{
	struct bus bus = { accessors, ctx, function };
	struct place places[VIOMMU_PCI_BARS];
	enum viommu_result result = accessors_check(accessors);

	if (result != VIOMMU_OK)
		return result;
	for (uint32_t i = 0; i < VIOMMU_PCI_BARS; i++) {
		if (!bar_is_valid(bars, i))
			return VIOMMU_E_ARG;
	}
	for (uint32_t i = 0; i < VIOMMU_PCI_BARS; i++) {
		places[i].window = NULL;
		if (bars[i].size != 0 && !take(windows, window_count, &bars[i], &places[i])) {
			give_back(places, i);
			return VIOMMU_E_NOMEM;
		}
	}
	set_command(&bus, get(&bus, PCI_COMMAND) & ~PCI_COMMAND_MEMORY);
	for (uint32_t i = 0; i < VIOMMU_PCI_BARS; i++) {
		if (places[i].window != NULL && !store_address(&bus, &bars[i], places[i].address)) {
			give_back(places, VIOMMU_PCI_BARS);
			return VIOMMU_E_PEER;
		}
	}
	for (uint32_t i = 0; i < VIOMMU_PCI_BARS; i++) {
		if (places[i].window != NULL)
			bars[i].address = places[i].address;
	}
	return VIOMMU_OK;
}

enum viommu_result viommu_pci_enable(const struct viommu_pci_accessors *accessors, void *ctx, uint32_t function,
				     bool intx)
{
	struct bus bus = { accessors, ctx, function };
	enum viommu_result result = accessors_check(accessors);
	uint32_t command;

	if (result != VIOMMU_OK)
		return result;
	command = get(&bus, PCI_COMMAND) & ~(PCI_COMMAND_MASTER | PCI_COMMAND_INTX_OFF);
	if (!intx)
		command |= PCI_COMMAND_INTX_OFF;
	set_command(&bus, command | PCI_COMMAND_MEMORY);
	return (get(&bus, PCI_COMMAND) & PCI_COMMAND_MEMORY) != 0 ? VIOMMU_OK : VIOMMU_E_PEER;
}
