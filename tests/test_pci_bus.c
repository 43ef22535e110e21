/* SPDX-License-Identifier: BSD-3-Clause */
/* What firmware without a PCI stack needs: to find a virtio device, and to give its BARs a place. */
#include "pci_fixture.h"

#include <viommu/transport/pci_driver.h>

#include "sim/random.h"

#define VIRTIO_IOMMU 0x10571af4u
#define OTHER 0x12348086u
#define FUNCTIONS 6u
#define MULTI 0x800000u

/* Functions of 64 registers each; what can be stored is in `writable`. */
struct function {
	uint32_t number;
	uint32_t config[64];
	uint32_t writable[64];
};

static struct function functions[FUNCTIONS];
static uint32_t function_count;
static unsigned reads, writes;
static bool decoded_while_sized; /* a BAR was moved with memory or I/O space on */
static struct viommu_pci_bar bars[VIOMMU_PCI_BARS];
static int context;

static struct function *function_at(uint32_t number)
{
	for (uint32_t i = 0; i < function_count; i++) {
		if (functions[i].number == number)
			return &functions[i];
	}
	return NULL;
}

static uint32_t config_read(void *ctx, uint32_t number, uint32_t offset)
{
	struct function *f = function_at(number);

	assert_ptr_equal(ctx, &context);
	assert_true(offset % 4 == 0 && offset < 256);
	reads++;
	return f != NULL ? f->config[offset / 4] : UINT32_MAX;
}

static void config_write(void *ctx, uint32_t number, uint32_t offset, uint32_t value)
{
	struct function *f = function_at(number);

	assert_ptr_equal(ctx, &context);
	assert_non_null(f);
	assert_true(offset % 4 == 0 && offset < 256);
	writes++;
	if (offset == COMMAND)
		assert_int_equal(value >> 16, 0); /* ones would clear bits of the status */
	if (offset >= BAR(0) && offset <= BAR(5) && (f->config[1] & 3) != 0)
		decoded_while_sized = true;
	offset /= 4;
	f->config[offset] = (f->config[offset] & ~f->writable[offset]) | (value & f->writable[offset]);
}

static const struct viommu_pci_accessors accessors = {
	.size = sizeof(struct viommu_pci_accessors),
	.config_read = config_read,
	.config_write = config_write,
};

static struct function *add(uint32_t number, uint32_t id, uint32_t header)
{
	struct function *f = &functions[function_count++];

	assert_true(function_count <= FUNCTIONS);
	memset(f, 0, sizeof(*f));
	f->number = number;
	f->config[0] = id;
	f->config[3] = header;
	f->writable[1] = 0x407;
	return f;
}

static void setup(void)
{
	function_count = 0;
	reads = 0;
	writes = 0;
	decoded_while_sized = false;
}

static enum viommu_result find(uint32_t first, uint32_t last, uint32_t *function)
{
	return viommu_pci_find(&accessors, &context, first, last, VIOMMU_DEVICE_ID, function);
}

/* Find */

static void test_find__wrong_arguments__refused(void **state)
{
	struct viommu_pci_accessors other = accessors;
	uint32_t function;

	(void)state;
	setup();
	other.size = 0;
	assert_int_equal(viommu_pci_find(&other, &context, 0, 1, 23, &function), VIOMMU_E_ABI);
	other = accessors;
	other.config_read = NULL;
	assert_int_equal(viommu_pci_find(&other, &context, 0, 1, 23, &function), VIOMMU_E_ARG);
	assert_int_equal(find(1, 0, &function), VIOMMU_E_ARG);
	assert_int_equal(viommu_pci_find(&accessors, &context, 0, 1, 0, &function), VIOMMU_E_ARG);
	assert_int_equal(viommu_pci_find(&accessors, &context, 0, 1, 64, &function), VIOMMU_E_ARG);
	assert_int_equal(reads, 0);
}

static void test_find__empty_bus__none_and_bounded(void **state)
{
	uint32_t function = 77;

	(void)state;
	setup();
	assert_int_equal(find(0, 0xffff, &function), VIOMMU_E_NOENT);
	assert_int_equal(function, 77);
	assert_true(reads <= 2 * 0x2000); /* functions that cannot be there are not asked */
	assert_int_equal(find(UINT32_MAX, UINT32_MAX, &function), VIOMMU_E_NOENT);
	assert_int_equal(find(UINT32_MAX - 9, UINT32_MAX, &function), VIOMMU_E_NOENT);
}

/* PCI-DRV-ID-01 */
static void test_find__several_devices__one_after_the_other(void **state)
{
	uint32_t function;

	(void)state;
	setup();
	add(0x0008, OTHER, 0);
	add(0x0018, VIRTIO_IOMMU, 0);
	add(0x0120, 0x10541af4, 0);
	add(0x50040, VIRTIO_IOMMU, 0);
	assert_int_equal(find(0, 0x5ffff, &function), VIOMMU_OK);
	assert_int_equal(function, 0x18);
	assert_int_equal(find(0x19, 0x5ffff, &function), VIOMMU_OK);
	assert_int_equal(function, 0x50040);
	assert_int_equal(find(0x50041, 0x5ffff, &function), VIOMMU_E_NOENT);
	assert_int_equal(find(0, 0x18, &function), VIOMMU_OK);
	assert_int_equal(find(0, 0x17, &function), VIOMMU_E_NOENT);
	assert_int_equal(viommu_pci_find(&accessors, &context, 0, 0xffff, 20, &function), VIOMMU_OK);
	assert_int_equal(function, 0x120);
	assert_int_equal(writes, 0);
}

/* A device of one function may answer for the others too; those are not there. */
static void test_find__functions_of_a_device__only_if_it_has_several(void **state)
{
	uint32_t function;

	(void)state;
	setup();
	add(0x10, OTHER, 0);
	add(0x13, VIRTIO_IOMMU, 0);
	assert_int_equal(find(0, 0xff, &function), VIOMMU_E_NOENT);
	assert_int_equal(find(0x13, 0xff, &function), VIOMMU_E_NOENT);
	functions[0].config[3] = MULTI;
	assert_int_equal(find(0, 0xff, &function), VIOMMU_OK);
	assert_int_equal(function, 0x13);
	assert_int_equal(find(0x13, 0x13, &function), VIOMMU_OK);
	functions[0].config[0] = UINT32_MAX;
	assert_int_equal(find(0, 0xff, &function), VIOMMU_E_NOENT);
}

/* BARs */

/* None of them touches the bus without what it needs. */
static void test_bus__accessors_missing_or_unknown__refused(void **state)
{
	static const struct {
		size_t offset; /* of the function that is missing; 0: the size is unknown */
		enum viommu_result result;
	} wrong[] = {
		{ 0, VIOMMU_E_ABI },
		{ offsetof(struct viommu_pci_accessors, config_read), VIOMMU_E_ARG },
		{ offsetof(struct viommu_pci_accessors, config_write), VIOMMU_E_ARG },
	};

	(void)state;
	setup();
	memset(bars, 0, sizeof(bars));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct viommu_pci_accessors other = accessors;

		if (wrong[i].offset == 0)
			other.size--;
		else
			memset((char *)&other + wrong[i].offset, 0, sizeof(other.config_read));
		assert_int_equal(viommu_pci_read_bars(&other, &context, 0x10, bars), wrong[i].result);
		assert_int_equal(viommu_pci_place_bars(&other, &context, 0x10, bars, NULL, 0), wrong[i].result);
		assert_int_equal(viommu_pci_enable(&other, &context, 0x10, false), wrong[i].result);
	}
	assert_int_equal(reads + writes, 0);
}

/* BAR 0 of 64 bits and 16 KiB, BAR 2 of 32 bits, 4 KiB and prefetchable, BAR 3 of I/O space, BAR 4 as given. */
static struct function *with_bars(uint32_t bar4, uint32_t writable4, uint32_t bar5, uint32_t writable5)
{
	struct function *f = add(0x10, VIRTIO_IOMMU, 0);

	f->config[4] = 0x80000004;
	f->config[5] = 0x1;
	f->config[6] = 0x90000008;
	f->config[7] = 0xc001;
	f->config[8] = bar4;
	f->config[9] = bar5;
	f->writable[4] = 0xffffc000;
	f->writable[5] = 0xffffffff;
	f->writable[6] = 0xfffff000;
	f->writable[7] = 0xffffffe0;
	f->writable[8] = writable4;
	f->writable[9] = writable5;
	return f;
}

static enum viommu_result read_bars(void)
{
	memset(bars, 0xa5, sizeof(bars));
	return viommu_pci_read_bars(&accessors, &context, 0x10, bars);
}

static void assert_bar(uint32_t i, uint64_t address, uint64_t size, bool is_64, bool is_prefetchable)
{
	assert_int_equal(bars[i].number, i);
	assert_int_equal(bars[i].size, size);
	if (size == 0)
		return;
	assert_int_equal(bars[i].address, address);
	assert_int_equal(bars[i].is_64, is_64);
	assert_int_equal(bars[i].is_prefetchable, is_prefetchable);
}

static void test_read_bars__each_kind__size_and_place(void **state)
{
	struct function *f;
	struct function before;

	(void)state;
	setup();
	f = with_bars(0xc, 0, 0x6, 0xfffffffe);
	f->config[1] = 0x00100407;
	before = *f;
	assert_int_equal(read_bars(), VIOMMU_OK);
	assert_bar(0, UINT64_C(0x180000000), 0x4000, true, false);
	assert_bar(1, 0, 0, false, false);
	assert_bar(2, 0x90000000, 0x1000, false, true);
	assert_bar(3, 0, 0, false, false);
	assert_bar(4, UINT64_C(0x600000000), UINT64_C(0x200000000), true, true);
	assert_bar(5, 0, 0, false, false);
	assert_memory_equal(f, &before, sizeof(before));
	assert_false(decoded_while_sized);
	assert_true(reads <= 22 && writes <= 20);
}

static void test_read_bars__odd_ones__not_to_be_used(void **state)
{
	struct function *f;

	(void)state;
	/* Half a BAR of 64 bits; types that are reserved; nothing at all. */
	setup();
	f = with_bars(0, 0, 0x4, 0xfffff000);
	assert_int_equal(read_bars(), VIOMMU_OK);
	assert_bar(4, 0, 0, false, false);
	assert_bar(5, 0, 0, false, false);
	f->config[8] = 0x2;
	f->writable[8] = 0xfffff000;
	f->config[9] = 0x6;
	assert_int_equal(read_bars(), VIOMMU_OK);
	assert_bar(4, 0, 0, false, false);
	assert_bar(5, 0, 0, false, false);
	/* The smallest ones. */
	f->config[8] = 0;
	f->writable[8] = 0xfffffff0;
	assert_int_equal(read_bars(), VIOMMU_OK);
	assert_bar(4, 0, 16, false, false);
	f->config[8] = 0x4;
	f->writable[8] = 0;
	f->writable[9] = 0;
	f->config[9] = 0;
	assert_int_equal(read_bars(), VIOMMU_OK);
	assert_bar(4, 0, 0, true, false);
	f->writable[9] = 0x80000000;
	assert_int_equal(read_bars(), VIOMMU_OK);
	assert_bar(4, 0, UINT64_C(1) << 63, true, false);
}

static void test_read_bars__bridge__peer(void **state)
{
	(void)state;
	setup();
	with_bars(0, 0, 0, 0)->config[3] = 0x10000;
	assert_int_equal(read_bars(), VIOMMU_E_PEER);
	assert_int_equal(writes, 0);
	functions[0].config[3] = MULTI | 0xff00ffff;
	assert_int_equal(read_bars(), VIOMMU_OK);
}

/* Places */

static enum viommu_result place(struct viommu_pci_window *windows, uint32_t count)
{
	return viommu_pci_place_bars(&accessors, &context, 0x10, bars, windows, count);
}

static void test_place_bars__one_window__aligned_and_taken_from_it(void **state)
{
	struct viommu_pci_window window = { 0xe0001000, 0xe00fffff, false };
	struct function *f;

	(void)state;
	setup();
	f = with_bars(0, 0xffffff00, 0, 0);
	f->config[1] = 0x7;
	assert_int_equal(read_bars(), VIOMMU_OK);
	f->config[1] = 0x7;
	assert_int_equal(place(&window, 1), VIOMMU_OK);
	assert_int_equal(bars[0].address, 0xe0004000);
	assert_int_equal(bars[2].address, 0xe0008000);
	assert_int_equal(bars[4].address, 0xe0009000);
	assert_int_equal(window.first, 0xe0009100);
	assert_int_equal(window.last, 0xe00fffff);
	assert_int_equal(f->config[4], 0xe0004004);
	assert_int_equal(f->config[5], 0);
	assert_int_equal(f->config[6], 0xe0008008);
	assert_int_equal(f->config[7], 0xc001); /* I/O space is not placed */
	assert_int_equal(f->config[8], 0xe0009000);
	assert_int_equal(f->config[1], 0x5); /* memory space is off */
	assert_false(decoded_while_sized && (f->config[1] & 2) != 0);
}

static void test_place_bars__kinds_of_windows__each_takes_its_own(void **state)
{
	struct viommu_pci_window windows[] = {
		{ 1, 0, false }, /* empty */
		{ UINT64_C(0x8000000000), UINT64_C(0x80ffffffff), true },
		{ UINT64_C(0xfff00000), UINT64_C(0x4fffffffff), false },
	};
	struct function *f;

	(void)state;
	setup();
	/* BAR 2 is prefetchable and has 32 bits: above 4 GiB it has no place, and the other window takes any. */
	f = with_bars(0xc, 0xf0000000, 0, 0xffffffff);
	assert_int_equal(read_bars(), VIOMMU_OK);
	assert_int_equal(place(windows, 3), VIOMMU_OK);
	assert_int_equal(bars[0].address, 0xfff00000);
	assert_int_equal(bars[2].address, 0xfff04000);
	assert_int_equal(bars[4].address, UINT64_C(0x8000000000));
	assert_int_equal(f->config[9], 0x80);
	assert_int_equal(windows[0].first, 1);
	assert_int_equal(windows[1].first, UINT64_C(0x8010000000));
	assert_int_equal(windows[2].first, 0xfff05000);
}

static void test_place_bars__exactly_full_window__empty_afterwards(void **state)
{
	struct viommu_pci_window windows[] = {
		{ UINT64_MAX - 0x3fff, UINT64_MAX, false },
		{ 0xfffff000, 0xffffffff, false },
	};

	(void)state;
	setup();
	with_bars(0, 0, 0, 0);
	assert_int_equal(read_bars(), VIOMMU_OK);
	assert_int_equal(place(windows, 2), VIOMMU_OK);
	assert_int_equal(bars[0].address, UINT64_MAX - 0x3fff);
	assert_int_equal(bars[2].address, 0xfffff000);
	assert_true(windows[0].first > windows[0].last);
	assert_true(windows[1].first > windows[1].last);
	assert_int_equal(place(windows, 2), VIOMMU_E_NOMEM);
}

static void test_place_bars__no_room__nothing_changed(void **state)
{
	/* Each has room for BAR 0, and none for BAR 2 after it. */
	static const struct viommu_pci_window tight[] = {
		{ 0xe0000000, 0xe0003fff, false },
		{ 0xe0000001, 0xe0007fff, false },
		{ UINT64_C(0x100000000), UINT64_MAX, false },
		{ 0xffffc000, UINT64_MAX, false },
		{ UINT64_MAX - 0x3fff, UINT64_MAX, false },
	};
	/* And these not even for BAR 0. */
	static const struct viommu_pci_window too_small[] = {
		{ 0xe0000000, 0xe0003ffe, false },          { 0xe0000001, 0xe0007ffe, false },
		{ UINT64_MAX - 0x3ffe, UINT64_MAX, false }, { 0xe0000001, 0xe0000002, false },
		{ 0xe0000000, 0xe000ffff, true },           { 5, 4, false },
	};
	struct viommu_pci_window window;
	struct viommu_pci_bar bars_before[VIOMMU_PCI_BARS];
	struct function before;

	(void)state;
	setup();
	with_bars(0, 0, 0, 0);
	assert_int_equal(read_bars(), VIOMMU_OK);
	bars[2].is_prefetchable = true;
	memcpy(bars_before, bars, sizeof(bars));
	before = functions[0];
	for (size_t i = 0; i < sizeof(tight) / sizeof(tight[0]) + sizeof(too_small) / sizeof(too_small[0]); i++) {
		bool first = i < sizeof(tight) / sizeof(tight[0]);
		const struct viommu_pci_window *w =
			first ? &tight[i] : &too_small[i - sizeof(tight) / sizeof(tight[0])];

		window = *w;
		assert_int_equal(place(&window, 1), VIOMMU_E_NOMEM);
		assert_int_equal(window.first, w->first);
		assert_int_equal(window.last, w->last);
		assert_memory_equal(bars, bars_before, sizeof(bars));
		assert_memory_equal(&functions[0], &before, sizeof(before));
	}
	assert_int_equal(place(NULL, 0), VIOMMU_E_NOMEM);
}

static void test_place_bars__bars_that_cannot_be__arg_and_nothing_touched(void **state)
{
	static const struct viommu_pci_bar wrong[] = {
		{ .number = 3, .size = 0x1000 },
		{ .number = 4, .size = 0x1800 },
		{ .number = 4, .size = UINT64_MAX },
		{ .number = 4, .size = 8 },
		{ .number = 4, .size = 1 },
		{ .number = 4, .size = UINT64_C(0x100000000) },
		{ .number = 4, .size = 0x1000, .is_64 = true }, /* BAR 5 is one, too */
		{ .number = 200, .size = 0x1000 },
	};
	struct viommu_pci_window window = { 0, UINT64_MAX, false };

	(void)state;
	setup();
	with_bars(0, 0xfffff000, 0, 0xfffff000);
	for (size_t i = 0; i <= sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(read_bars(), VIOMMU_OK);
		if (i < sizeof(wrong) / sizeof(wrong[0]))
			bars[4] = wrong[i];
		else
			bars[5].is_64 = true; /* there is no register behind it */
		reads = writes = 0;
		assert_int_equal(place(&window, 1), VIOMMU_E_ARG);
		assert_int_equal(reads + writes, 0);
		assert_true(window.first == 0 && window.last == UINT64_MAX);
	}
	/* What is not to be used may say anything; the largest and the smallest ones that there are. */
	assert_int_equal(read_bars(), VIOMMU_OK);
	bars[3] = (struct viommu_pci_bar){ .number = 77, .is_64 = true };
	bars[4].size = UINT64_C(1) << 31;
	bars[5].size = 16;
	assert_int_not_equal(place(&window, 1), VIOMMU_E_ARG);
}

/* A BAR that cannot be stored to any more, each half of each. */
static void test_place_bars__function_does_not_take_it__peer(void **state)
{
	static const uint32_t stuck[] = { 4, 5, 6 };

	(void)state;
	for (size_t i = 0; i < sizeof(stuck) / sizeof(stuck[0]); i++) {
		struct viommu_pci_window windows[] = { { UINT64_C(0x700000000), UINT64_C(0x7ffffffff), false },
						       { 0xe0000000, 0xe0ffffff, false } };
		struct viommu_pci_bar bars_before[VIOMMU_PCI_BARS];

		setup();
		with_bars(0, 0, 0, 0);
		assert_int_equal(read_bars(), VIOMMU_OK);
		memcpy(bars_before, bars, sizeof(bars));
		functions[0].writable[stuck[i]] = 0;
		assert_int_equal(place(windows, 2), VIOMMU_E_PEER);
		assert_memory_equal(bars, bars_before, sizeof(bars));
		assert_int_equal(windows[0].first, UINT64_C(0x700000000));
		assert_int_equal(windows[1].first, 0xe0000000);
		assert_int_equal(functions[0].config[1] & 2, 0);
	}
}

static void test_place_bars__random_windows__inside_aligned_and_apart(void **state)
{
	struct sim_random random = { 99 };
	unsigned placed = 0;

	(void)state;
	for (unsigned run = 0; run < 20000; run++) {
		struct viommu_pci_window windows[3], before[3];

		setup();
		memset(windows, 0, sizeof(windows)); /* the bytes between the members are compared, too */
		with_bars(0xc, UINT32_MAX << (4 + sim_random_below(&random, 28)), 0, UINT32_MAX);
		assert_int_equal(read_bars(), VIOMMU_OK);
		for (unsigned i = 0; i < 3; i++) {
			windows[i].first = sim_random_next(&random);
			windows[i].first >>= sim_random_below(&random, 60);
			windows[i].last = sim_random_next(&random);
			windows[i].last >>= sim_random_below(&random, 60);
			windows[i].last += windows[i].first;
			windows[i].is_prefetchable = sim_random_below(&random, 2) != 0;
		}
		memcpy(before, windows, sizeof(before));
		if (place(windows, 3) != VIOMMU_OK) {
			assert_memory_equal(before, windows, sizeof(before));
			continue;
		}
		placed++;
		for (unsigned i = 0; i < VIOMMU_PCI_BARS; i++) {
			uint64_t last = bars[i].address + bars[i].size - 1;
			bool inside = false;

			if (bars[i].size == 0)
				continue;
			assert_int_equal(bars[i].address & (bars[i].size - 1), 0);
			assert_true(bars[i].is_64 || last <= UINT32_MAX);
			for (unsigned k = 0; k < 3; k++) {
				inside |= before[k].first <= bars[i].address && last <= before[k].last &&
					  (!before[k].is_prefetchable || bars[i].is_prefetchable);
				/* What is left is free. */
				assert_true(windows[k].first > windows[k].last || last < windows[k].first ||
					    windows[k].last < bars[i].address || !inside || k > 0);
			}
			assert_true(inside);
		}
	}
	assert_true(placed > 1000);
}

/* Enable */

static void test_enable__command__memory_and_intx_and_no_bus_master(void **state)
{
	(void)state;
	setup();
	add(0x10, VIRTIO_IOMMU, 0)->config[1] = 0xffff0000;
	assert_int_equal(viommu_pci_enable(&accessors, &context, 0x10, false), VIOMMU_OK);
	assert_int_equal(functions[0].config[1] & 0xffff, 0x402);
	functions[0].config[1] |= 0x004; /* as somebody may have left it */
	assert_int_equal(viommu_pci_enable(&accessors, &context, 0x10, true), VIOMMU_OK);
	assert_int_equal(functions[0].config[1] & 0xffff, 0x002);
	functions[0].config[1] = 0;
	functions[0].writable[1] = 0x404;
	assert_int_equal(viommu_pci_enable(&accessors, &context, 0x10, true), VIOMMU_E_PEER);
}

/* The library's own device. */

static struct pci_world world;

static uint32_t world_read(void *ctx, uint32_t number, uint32_t offset)
{
	(void)ctx;
	return number == 0x20 ? viommu_pci_config_read(&world.pci, offset, 4) : UINT32_MAX;
}

static void world_write(void *ctx, uint32_t number, uint32_t offset, uint32_t value)
{
	(void)ctx;
	assert_int_equal(number, 0x20);
	viommu_pci_config_write(&world.pci, offset, 4, value);
}

static void test_bus__own_device__found_and_placed(void **state)
{
	const struct viommu_pci_accessors bus = { sizeof(bus), world_read, world_write, NULL, NULL };
	struct viommu_pci_window window = { 0xc0000000, 0xc000ffff, false };
	struct viommu_range range;
	uint32_t function;

	(void)state;
	pci_setup(&world);
	assert_int_equal(viommu_pci_find(&bus, NULL, 0, 0xffff, VIOMMU_DEVICE_ID, &function), VIOMMU_OK);
	assert_int_equal(viommu_pci_read_bars(&bus, NULL, function, bars), VIOMMU_OK);
	assert_bar(0, 0, VIOMMU_PCI_BAR_VIRTIO_SIZE, true, false);
	assert_bar(2, 0, VIOMMU_PCI_BAR_MSIX_SIZE, false, false);
	assert_int_equal(viommu_pci_place_bars(&bus, NULL, function, bars, &window, 1), VIOMMU_OK);
	assert_int_equal(world.bar_changes, 0);
	assert_int_equal(viommu_pci_enable(&bus, NULL, function, true), VIOMMU_OK);
	assert_false(viommu_pci_is_bus_master(&world.pci));
	assert_true(viommu_pci_bar(&world.pci, 0, &range));
	assert_int_equal(range.first, 0xc0000000);
	assert_true(viommu_pci_bar(&world.pci, 2, &range));
	assert_int_equal(range.first, 0xc0004000);
	assert_true(viommu_pci_check(&world.pci));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find__wrong_arguments__refused),
		cmocka_unit_test(test_find__empty_bus__none_and_bounded),
		cmocka_unit_test(test_find__several_devices__one_after_the_other),
		cmocka_unit_test(test_find__functions_of_a_device__only_if_it_has_several),
		cmocka_unit_test(test_bus__accessors_missing_or_unknown__refused),
		cmocka_unit_test(test_read_bars__each_kind__size_and_place),
		cmocka_unit_test(test_read_bars__odd_ones__not_to_be_used),
		cmocka_unit_test(test_read_bars__bridge__peer),
		cmocka_unit_test(test_place_bars__one_window__aligned_and_taken_from_it),
		cmocka_unit_test(test_place_bars__kinds_of_windows__each_takes_its_own),
		cmocka_unit_test(test_place_bars__exactly_full_window__empty_afterwards),
		cmocka_unit_test(test_place_bars__no_room__nothing_changed),
		cmocka_unit_test(test_place_bars__bars_that_cannot_be__arg_and_nothing_touched),
		cmocka_unit_test(test_place_bars__function_does_not_take_it__peer),
		cmocka_unit_test(test_place_bars__random_windows__inside_aligned_and_apart),
		cmocka_unit_test(test_enable__command__memory_and_intx_and_no_bus_master),
		cmocka_unit_test(test_bus__own_device__found_and_placed),
	};

	return suite_run(tests);
}
