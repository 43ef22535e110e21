/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_pci.c: a virtio-iommu on the PCI bus, under any accesses to its configuration space and its BARs, with
 * requests in its rings all the while.
 *
 * A second copy of the configuration space and of the MSI-X table is kept, byte by byte, by what the guest stores and
 * by which bits of each byte can be stored. Configuration space has to read as that copy does; messages may leave only
 * when the copy says that nothing holds them, and only as an entry of its table; the line follows the copy and the ISR.
 * Of the device's registers it has the status, the driver's features and the vectors, by what was stored to them.
 * In the end a reset of the function has to make a device of it that answers a request and says so.
 */
#include <string.h>

#include <viommu/viommu.h>

#include "ops.h"
#include "targets.h"

#define CHECK SIM_OPS_CHECK

#define VECTORS 4u
#define RAM_LEN 0x4000u
#define RAM_BASE UINT64_C(0x10000)
#define QUEUE_MAX 16u
#define QUEUE_LEN 8u
#define SLOTS (QUEUE_LEN / 2)
#define RING(queue) (RAM_BASE + 0x400 * (queue))
#define AVAIL 0x100u
#define USED 0x200u
#define BUFFER(slot) (RAM_BASE + 0x1000 + 0x100 * (slot))
#define PUMP_MEMORY 0x10000u
#define SETTLE 64u

/* Configuration space */
#define COMMAND 0x04u
#define BAR0 0x10u
#define BAR2 0x18u
#define WINDOW 0x84u
#define MSIX_CONTROL 0x9au

/* BAR 0 */
#define DRIVER_SELECT 0x08u
#define DRIVER_FEATURES 0x0cu
#define CONFIG_VECTOR 0x10u
#define STATUS 0x14u
#define QUEUE_SELECT 0x16u
#define QUEUE_SIZE 0x18u
#define QUEUE_VECTOR 0x1au
#define QUEUE_ENABLE 0x1cu
#define QUEUE_DESC 0x20u
#define QUEUE_RESET 0x3au
#define NOTIFY 0x3000u

#define RUNNING (VIOMMU_STATUS_ACKNOWLEDGE | VIOMMU_STATUS_DRIVER | VIOMMU_STATUS_FEATURES_OK | VIOMMU_STATUS_DRIVER_OK)

#define RING_FEATURES (VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX | VIOMMU_F_RING_RESET)
#define OFFERED (VIOMMU_F_VERSION_1 | RING_FEATURES | VIOMMU_DEVICE_FEATURES)

/* The naive registers */
struct model {
	/* The data of the window may be from a read. Once such a byte was stored, only a reset makes sure. */
	bool is_sure;
	uint8_t status;
	uint64_t features;
	uint32_t driver_select, queue_select;
	uint32_t config_vector, queue_vectors[VIOMMU_QUEUE_COUNT];
};

struct entry {
	uint32_t word[4]; /* address, data, vector control */
};

struct world {
	uint8_t ram[RAM_LEN];
	struct viommu_memory_region region;
	struct viommu_memory_table table;
	struct viommu_device device;
	struct viommu_pump pump;
	struct viommu_pci pci;
	struct viommu_register_queue queues[VIOMMU_QUEUE_COUNT];
	struct viommu_pci_vector vectors[VECTORS];
	/* the copy */
	uint8_t image[256];
	struct entry entries[VECTORS];
	struct model model;
	bool line;
	uint32_t messages;
	uint32_t notifications;
	uint32_t slot;
};

static struct world w;

/* Apart, since they need not be cleared. */
static _Alignas(16) uint8_t device_memory[VIOMMU_DEVICE_MEM(2, 2, 16)];
static _Alignas(16) uint8_t pump_memory[PUMP_MEMORY];

/* The copy */

/* Which bits of a byte can be stored. */
static uint8_t writable(uint32_t offset)
{
	if (offset == COMMAND)
		return 0x06;
	if (offset == COMMAND + 1)
		return 0x04;
	if (offset == BAR0 + 1)
		return 0xc0;
	if (offset == BAR2 + 1)
		return 0xf0;
	if (offset == MSIX_CONTROL + 1)
		return 0xc0;
	if ((offset >= BAR0 + 2 && offset < BAR2) || (offset >= BAR2 + 2 && offset < BAR2 + 4))
		return 0xff;
	if (offset == 0x3c || offset == WINDOW - 12 || (offset >= WINDOW - 8 && offset < WINDOW + 4))
		return 0xff;
	return 0;
}

static uint64_t bytes_of(uint32_t offset, unsigned count)
{
	uint64_t value = 0;

	for (unsigned i = count; i > 0; i--)
		value = value << 8 | w.image[offset + i - 1];
	return value;
}

static bool is_master(void)
{
	return (w.image[COMMAND] & 4) != 0;
}

static bool has_msix(void)
{
	return (w.image[MSIX_CONTROL + 1] & 0x80) != 0;
}

static bool is_held(const struct entry *entry)
{
	return (w.image[MSIX_CONTROL + 1] & 0x40) != 0 || (entry->word[3] & 1) != 0 || !is_master();
}

static void store_entry(uint32_t offset, uint32_t value)
{
	if (offset >= 16 * VECTORS)
		return;
	offset /= 4;
	if (offset % 4 == 0)
		value &= ~3u;
	w.entries[offset / 4].word[offset % 4] = value;
}

static void forget_registers(void)
{
	w.model = (struct model){ .is_sure = true, .config_vector = VIOMMU_REGISTER_NO_VECTOR };
	for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++)
		w.model.queue_vectors[i] = VIOMMU_REGISTER_NO_VECTOR;
}

static bool has_ring_reset(void)
{
	return (w.model.status & VIOMMU_STATUS_FEATURES_OK) != 0 && (w.model.features & VIOMMU_F_RING_RESET) != 0;
}

/* No access section is ever open: a reset is over at once. */
static void store_status(uint8_t value)
{
	struct model *m = &w.model;
	uint8_t bits = value & (RUNNING | VIOMMU_STATUS_FAILED);
	bool is_acceptable = (m->features & ~OFFERED) == 0 && (m->features & VIOMMU_F_VERSION_1) != 0;

	if (value == 0) {
		forget_registers();
		return;
	}
	if ((m->status & VIOMMU_STATUS_FEATURES_OK) == 0 && !is_acceptable)
		bits &= (uint8_t)~VIOMMU_STATUS_FEATURES_OK;
	if (((m->status | bits) & VIOMMU_STATUS_FEATURES_OK) == 0)
		bits &= (uint8_t)~VIOMMU_STATUS_DRIVER_OK;
	m->status |= bits;
}

static uint32_t vector_of(uint32_t value)
{
	return value < VECTORS ? value : VIOMMU_REGISTER_NO_VECTOR;
}

/* A field takes stores of its own width. */
static void store_register(uint64_t offset, uint32_t width, uint32_t value)
{
	struct model *m = &w.model;

	if (offset == STATUS && width == 1) {
		store_status((uint8_t)value);
	} else if (offset == DRIVER_SELECT && width == 4) {
		m->driver_select = value;
	} else if (offset == DRIVER_FEATURES && width == 4) {
		if (m->driver_select <= 1 && (m->status & VIOMMU_STATUS_DRIVER) != 0 &&
		    (m->status & VIOMMU_STATUS_FEATURES_OK) == 0) {
			m->features &= ~(UINT64_C(0xffffffff) << 32 * m->driver_select);
			m->features |= (uint64_t)value << 32 * m->driver_select;
		}
	} else if (offset == CONFIG_VECTOR && width == 2) {
		m->config_vector = vector_of(value & 0xffff);
	} else if (offset == QUEUE_SELECT && width == 2) {
		m->queue_select = value & 0xffff;
	} else if (m->queue_select < VIOMMU_QUEUE_COUNT && width == 2) {
		if (offset == QUEUE_VECTOR)
			m->queue_vectors[m->queue_select] = vector_of(value & 0xffff);
		if (offset == QUEUE_RESET && (value & 0xffff) == 1 && has_ring_reset())
			m->queue_vectors[m->queue_select] = VIOMMU_REGISTER_NO_VECTOR;
	}
}

static void forget(void)
{
	for (uint32_t i = 0; i < 256; i++)
		w.image[i] &= (uint8_t)~writable(i);
	memset(w.entries, 0, sizeof w.entries);
	for (uint32_t i = 0; i < VECTORS; i++)
		w.entries[i].word[3] = 1;
	forget_registers();
}

/* What the device says */

static void msi(void *ctx, uint64_t address, uint32_t data)
{
	bool is_known = false;

	(void)ctx;
	CHECK(has_msix());
	for (uint32_t i = 0; i < VECTORS; i++) {
		const struct entry *e = &w.entries[i];

		is_known |= !is_held(e) && e->word[0] == (uint32_t)address && e->word[1] == address >> 32 &&
			    e->word[2] == data;
	}
	CHECK(is_known);
	w.messages++;
}

static void set_line(void *ctx, bool high)
{
	(void)ctx;
	CHECK(w.line != high);
	w.line = high;
}

static void notify(void *ctx, uint32_t queue, uint32_t value)
{
	(void)ctx;
	(void)value;
	CHECK(queue < VIOMMU_QUEUE_COUNT || queue == VIOMMU_REGISTER_NO_QUEUE);
	w.notifications++;
}

static const struct viommu_pci_ops pci_ops = {
	.size = sizeof pci_ops, .msi = msi, .set_line = set_line, .notify = notify
};

static void check_bar(uint32_t bar, uint64_t first, uint64_t len)
{
	struct viommu_range range;
	bool on = viommu_pci_bar(&w.pci, bar, &range);

	CHECK(on == ((w.image[COMMAND] & 2) != 0));
	if (on)
		CHECK(range.first == first && range.last == first + (len - 1));
}

/* Configuration space reads as the copy says. The window reads a register. */
static void check_image(uint32_t first, uint32_t last)
{
	bool isr = viommu_register_file_pending(&w.pci.file) != 0;

	for (uint32_t i = first; i <= last && i < 256; i++) {
		uint8_t status = i == 6 && isr && !has_msix() ? 8 : 0;

		if (i < WINDOW || i >= WINDOW + 4)
			CHECK(viommu_pci_config_read(&w.pci, i, 1) == (w.image[i] | status));
	}
}

static void check_registers(void)
{
	const struct model *m = &w.model;

	if (!m->is_sure || (w.image[COMMAND] & 2) == 0)
		return;
	CHECK(viommu_pci_bar_read(&w.pci, 0, STATUS, 1) == m->status);
	CHECK(viommu_pci_bar_read(&w.pci, 0, CONFIG_VECTOR, 2) == m->config_vector);
	CHECK(viommu_pci_bar_read(&w.pci, 0, QUEUE_SELECT, 2) == m->queue_select);
	if (m->queue_select < VIOMMU_QUEUE_COUNT)
		CHECK(viommu_pci_bar_read(&w.pci, 0, QUEUE_VECTOR, 2) == m->queue_vectors[m->queue_select]);
	if (m->driver_select <= 1)
		CHECK(viommu_pci_bar_read(&w.pci, 0, DRIVER_FEATURES, 4) ==
		      (uint32_t)(m->features >> 32 * m->driver_select));
}

static void check(void)
{
	bool isr = viommu_register_file_pending(&w.pci.file) != 0;

	CHECK(viommu_pci_check(&w.pci) && viommu_pump_check(&w.pump));
	CHECK(w.line == (isr && !has_msix() && (w.image[COMMAND + 1] & 4) == 0));
	for (uint32_t i = 0; i < VECTORS; i++) {
		if (w.vectors[i].pending)
			CHECK(has_msix() && is_held(&w.entries[i]));
	}
	check_bar(0, bytes_of(BAR0, 8) & ~UINT64_C(4), VIOMMU_PCI_BAR_VIRTIO_SIZE);
	check_bar(2, bytes_of(BAR2, 4), VIOMMU_PCI_BAR_MSIX_SIZE);
	CHECK(viommu_pci_is_bus_master(&w.pci) == is_master());
	check_registers();
}

/* The guest's accesses */

static bool is_natural(uint64_t offset, uint32_t width)
{
	return (width == 1 || width == 2 || width == 4) && offset % width == 0;
}

static bool fits(uint64_t value, uint32_t width)
{
	return width >= 8 || value >> 8 * width == 0;
}

static void config_read(uint32_t offset, uint32_t width)
{
	uint32_t value = viommu_pci_config_read(&w.pci, offset, width);

	if (offset >= 256 || !is_natural(offset, width))
		CHECK(value == UINT32_MAX);
	else
		CHECK(fits(value, width));
}

/* The window was stored to: of a piece of a structure in BAR 0 that is a store to it. */
static void store_window(uint32_t offset, uint32_t width)
{
	uint64_t at = bytes_of(WINDOW - 8, 4), len = bytes_of(WINDOW - 4, 4);

	if (w.image[WINDOW - 12] != 0 || len > 4 || !is_natural(at, (uint32_t)len))
		return;
	if (offset != WINDOW || width < len)
		w.model.is_sure = false;
	else
		store_register(at, (uint32_t)len, (uint32_t)bytes_of(WINDOW, (unsigned)len));
}

static void config_write(uint32_t offset, uint32_t width, uint32_t value)
{
	/* First the copy: messages may leave at once. */
	if (is_natural(offset, width) && offset < 256) {
		for (uint32_t i = 0; i < width; i++) {
			uint8_t bits = writable(offset + i);
			uint8_t byte = (uint8_t)(value >> 8 * i);

			w.image[offset + i] = (uint8_t)((w.image[offset + i] & ~bits) | (byte & bits));
		}
		if ((offset & ~3u) == WINDOW)
			store_window(offset, width);
	}
	w.notifications = 0;
	viommu_pci_config_write(&w.pci, offset, width, value);
	CHECK(w.notifications <= 1);
	if (offset < 256)
		check_image(offset & ~3u, offset | 3);
}

static void bar_read(uint32_t bar, uint64_t offset, uint32_t width)
{
	uint64_t value = viommu_pci_bar_read(&w.pci, bar, offset, width);

	if ((w.image[COMMAND] & 2) == 0 || (bar != 0 && bar != 2)) {
		CHECK(value == UINT64_MAX);
		return;
	}
	CHECK(fits(value, width));
	if (bar == 2 && width == 4 && offset % 4 == 0 && offset < 16 * VECTORS)
		CHECK(value == (w.entries[offset / 16].word[offset / 4 % 4] & (offset % 16 == 12 ? 1 : UINT32_MAX)));
}

static void bar_write(uint32_t bar, uint64_t offset, uint32_t width, uint64_t value)
{
	bool on = bar == 2 && (w.image[COMMAND] & 2) != 0 && offset < VIOMMU_PCI_BAR_MSIX_SIZE;

	if (on && width == 8 && offset % 8 == 0) {
		store_entry((uint32_t)offset, (uint32_t)value);
		store_entry((uint32_t)offset + 4, (uint32_t)(value >> 32));
	} else if (on && width == 4 && offset % 4 == 0) {
		store_entry((uint32_t)offset, (uint32_t)value);
	}
	if (bar == 0 && (w.image[COMMAND] & 2) != 0 && width == 8 && offset % 8 == 0) {
		store_register(offset, 4, (uint32_t)value);
		store_register(offset + 4, 4, (uint32_t)(value >> 32));
	} else if (bar == 0 && (w.image[COMMAND] & 2) != 0) {
		store_register(offset, width, (uint32_t)value);
	}
	w.notifications = 0;
	viommu_pci_bar_write(&w.pci, bar, offset, width, value);
	CHECK(w.notifications <= 1);
}

/* A driver that knows what it does */

static void store_ram(uint64_t gpa, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		w.ram[gpa - RAM_BASE + i] = (uint8_t)(value >> 8 * i);
}

static uint32_t load_ram(uint64_t gpa, unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint32_t)w.ram[gpa - RAM_BASE + i] << 8 * i;
	return value;
}

static void process(uint32_t budget)
{
	const uint8_t broken = VIOMMU_STATUS_NEEDS_RESET;

	if (is_master())
		(void)viommu_pump_process(&w.pump, budget);
	/* Whether a ring broke is left to the rings. It takes a driver that is up. */
	if ((w.model.status & VIOMMU_STATUS_DRIVER_OK) != 0)
		w.model.status |= viommu_registers_get_status(viommu_pump_registers(&w.pump)) & broken;
}

static void map_vectors(bool msix)
{
	bar_write(0, CONFIG_VECTOR, 2, msix ? 0 : VIOMMU_REGISTER_NO_VECTOR);
	for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++) {
		bar_write(0, QUEUE_SELECT, 2, i);
		bar_write(0, QUEUE_VECTOR, 2, msix ? i + 1 : VIOMMU_REGISTER_NO_VECTOR);
	}
}

static void set_up_queue(uint32_t queue)
{
	memset(w.ram + 0x400 * queue, 0, 0x400);
	bar_write(0, QUEUE_SELECT, 2, queue);
	bar_write(0, QUEUE_SIZE, 2, QUEUE_LEN);
	bar_write(0, QUEUE_DESC, 8, RING(queue));
	bar_write(0, QUEUE_DESC + 8, 8, RING(queue) + AVAIL);
	bar_write(0, QUEUE_DESC + 16, 8, RING(queue) + USED);
	bar_write(0, QUEUE_ENABLE, 2, 1);
}

/* Brings the device up, from whatever state it is in. */
static void live(bool msix)
{
	config_write(COMMAND, 2, 6);
	bar_write(0, STATUS, 1, 0);
	for (uint32_t i = 0; i < SETTLE && viommu_pci_bar_read(&w.pci, 0, STATUS, 1) != 0; i++)
		process(16);
	CHECK(viommu_pci_bar_read(&w.pci, 0, STATUS, 1) == 0);
	config_write(MSIX_CONTROL, 2, msix ? 0x8000 : 0);
	for (uint32_t i = 0; i < VECTORS; i++) {
		bar_write(2, 16 * i, 8, UINT64_C(0xfee00000) + 0x100 * i);
		bar_write(2, 16 * i + 8, 8, i);
	}
	bar_write(0, STATUS, 1, VIOMMU_STATUS_ACKNOWLEDGE | VIOMMU_STATUS_DRIVER);
	for (uint32_t half = 0; half < 2; half++) {
		bar_write(0, 0x0, 4, half);
		bar_write(0, 0x8, 4, half);
		/* Without EVENT_IDX: each answer is an interrupt. */
		bar_write(0, 0xc, 4, viommu_pci_bar_read(&w.pci, 0, 0x4, 4) & ~(uint64_t)VIOMMU_F_EVENT_IDX);
	}
	bar_write(0, STATUS, 1, RUNNING & ~VIOMMU_STATUS_DRIVER_OK);
	map_vectors(msix);
	for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++)
		set_up_queue(i);
	bar_write(0, STATUS, 1, RUNNING);
	w.slot = 0;
}

/* A request into the ring, whether or not there is one. The rest of the chain is four bytes for the tail. */
static uint64_t post(const uint8_t *bytes, size_t len)
{
	uint32_t slot = w.slot++ % SLOTS;
	uint64_t desc = RING(0) + 32 * slot;
	uint32_t index = load_ram(RING(0) + AVAIL + 2, 2);

	for (size_t i = 0; i < len; i++)
		store_ram(BUFFER(slot) + i, 1, bytes[i]);
	store_ram(desc, 8, BUFFER(slot));
	store_ram(desc + 8, 4, len);
	store_ram(desc + 12, 2, 1);
	store_ram(desc + 14, 2, 2 * slot + 1);
	store_ram(desc + 16, 8, BUFFER(slot) + 0x80);
	store_ram(desc + 24, 4, 4);
	store_ram(desc + 28, 2, 2);
	store_ram(RING(0) + AVAIL + 4 + 2 * (index % QUEUE_LEN), 2, 2 * slot);
	store_ram(RING(0) + AVAIL + 2, 2, index + 1);
	return BUFFER(slot) + 0x80;
}

/* Operations */

enum {
	CONFIG_READ,
	CONFIG_WRITE,
	BAR_READ,
	BAR_WRITE,
	LIVE,
	VECTOR,
	REQUEST,
	KICK,
	PROCESS,
	CHANGED,
	BROKEN,
	FUNCTION_RESET,
	SYSTEM_RESET,
	POKE,
	RESET_QUEUE
};

static const uint32_t widths[] = { 1, 2, 4, 8, 0, 3 };
static const uint32_t config_offsets[] = { COMMAND,  COMMAND + 1, 0x00, 0x06,         BAR0,
					   BAR0 + 4, BAR2,        0x1c, 0x34,         0x3c,
					   0x40,     0x74,        0x78, WINDOW - 8,   WINDOW - 4,
					   WINDOW,   WINDOW + 1,  0x98, MSIX_CONTROL, MSIX_CONTROL + 1,
					   0xfc,     0x100 };
static const uint32_t bar_offsets[] = { 0x00,   0x04,   0x08,   0x0c,   0x10,   0x12,   0x14,   0x15,   0x16,
					0x18,   0x1a,   0x1c,   0x1e,   0x20,   0x24,   0x28,   0x2c,   0x30,
					0x34,   0x38,   0x3a,   0x3c,   0x800,  0x804,  0x1000, 0x2000, 0x2004,
					0x2008, 0x2024, 0x2028, 0x3000, 0x3004, 0x3008, 0x3ffc };

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define PICK(name, list) SIM_OPS_ARG(name, SIM_OPS_PICK, COUNT(list), list)

static const struct sim_ops_verb verbs[] = {
	[CONFIG_READ] = { "config_read", { PICK("offset", config_offsets), PICK("width", widths) }, 2 },
	[CONFIG_WRITE] = { "config_write",
			   { PICK("offset", config_offsets), PICK("width", widths), { "value", SIM_OPS_U32, 0, NULL } },
			   6 },
	[BAR_READ] = { "bar_read",
		       { { "bar", SIM_OPS_U8, 4, NULL }, PICK("offset", bar_offsets), PICK("width", widths) },
		       3 },
	[BAR_WRITE] = { "bar_write",
			{ { "bar", SIM_OPS_U8, 4, NULL },
			  PICK("offset", bar_offsets),
			  PICK("width", widths),
			  { "value", SIM_OPS_U64, 0, NULL } },
			8 },
	[LIVE] = { "live", { { "msix", SIM_OPS_U8, 2, NULL } }, 3 },
	/* word: of the entry */
	[VECTOR] = { "vector",
		     { { "index", SIM_OPS_U8, VECTORS + 1, NULL },
		       { "word", SIM_OPS_U8, 4, NULL },
		       { "value", SIM_OPS_U32, 0, NULL } },
		     4 },
	[REQUEST] = { "request", { { "bytes", SIM_OPS_BYTES, 64, NULL } }, 4 },
	[KICK] = { "kick", { { "queue", SIM_OPS_U8, VIOMMU_QUEUE_COUNT, NULL } }, 1 },
	[PROCESS] = { "process", { { "budget", SIM_OPS_U8, 0, NULL } }, 5 },
	[CHANGED] = { "changed", { SIM_OPS_NO_ARGS }, 2 },
	[BROKEN] = { "broken", { SIM_OPS_NO_ARGS }, 1 },
	[FUNCTION_RESET] = { "function_reset", { SIM_OPS_NO_ARGS }, 1 },
	[SYSTEM_RESET] = { "system_reset", { SIM_OPS_NO_ARGS }, 1 },
	[POKE] = { "poke", { { "at", SIM_OPS_U16, RAM_LEN - 32, NULL }, { "bytes", SIM_OPS_BYTES, 32, NULL } }, 1 },
	[RESET_QUEUE] = { "reset_queue", { { "queue", SIM_OPS_U8, VIOMMU_QUEUE_COUNT, NULL } }, 2 },
};

/* If it was agreed on, the queue is as new, and no message of its own is left. */
static void reset_queue(uint32_t queue)
{
	const struct model *m = &w.model;
	bool is_expected = m->is_sure && (w.image[COMMAND] & 2) != 0 && has_ring_reset();
	uint32_t vector = m->queue_vectors[queue];

	bar_write(0, QUEUE_SELECT, 2, queue);
	bar_write(0, QUEUE_RESET, 2, 1);
	if (!is_expected)
		return;
	CHECK(viommu_pci_bar_read(&w.pci, 0, QUEUE_RESET, 2) == 0);
	CHECK(viommu_pci_bar_read(&w.pci, 0, QUEUE_ENABLE, 2) == 0);
	CHECK(viommu_pci_bar_read(&w.pci, 0, QUEUE_SIZE, 2) == QUEUE_MAX);
	CHECK(viommu_pci_bar_read(&w.pci, 0, QUEUE_DESC, 8) == 0);
	CHECK(viommu_pci_bar_read(&w.pci, 0, QUEUE_VECTOR, 2) == VIOMMU_REGISTER_NO_VECTOR);
	if (vector < VECTORS && vector != m->queue_vectors[1 - queue] && vector != m->config_vector)
		CHECK((viommu_pci_bar_read(&w.pci, 2, VIOMMU_PCI_BAR_MSIX_SIZE / 2, 4) >> vector & 1) == 0);
}

static void function_reset(void)
{
	forget();
	viommu_pci_reset(&w.pci);
	check_image(0, 255);
}

static void run(void *world, const struct sim_ops_op *op)
{
	const uint64_t *a = op->arg;

	(void)world;
	switch (op->verb) {
	case CONFIG_READ:
		config_read((uint32_t)a[0], (uint32_t)a[1]);
		break;
	case CONFIG_WRITE:
		config_write((uint32_t)a[0], (uint32_t)a[1], (uint32_t)a[2]);
		break;
	case BAR_READ:
		bar_read((uint32_t)a[0], a[1], (uint32_t)a[2]);
		break;
	case BAR_WRITE:
		bar_write((uint32_t)a[0], a[1], (uint32_t)a[2], a[3]);
		break;
	case LIVE:
		live(a[0] != 0);
		break;
	case VECTOR:
		bar_write(2, 16 * a[0] + 4 * a[1], 4, a[2]);
		break;
	case REQUEST:
		(void)post(op->bytes, op->len);
		break;
	case KICK:
		bar_write(0, NOTIFY + 4 * a[0], 2, a[0]);
		break;
	case PROCESS:
		process((uint32_t)a[0]);
		break;
	case CHANGED:
		viommu_registers_config_changed(viommu_pump_registers(&w.pump));
		break;
	case BROKEN:
		viommu_registers_needs_reset(viommu_pump_registers(&w.pump));
		w.model.status |= VIOMMU_STATUS_NEEDS_RESET;
		break;
	case FUNCTION_RESET:
		function_reset();
		break;
	case SYSTEM_RESET:
		viommu_pump_system_reset(&w.pump);
		function_reset();
		break;
	case RESET_QUEUE:
		reset_queue((uint32_t)a[0]);
		break;
	default:
		for (size_t i = 0; i < op->len; i++)
			store_ram(RAM_BASE + a[0] + i, 1, op->bytes[i]);
		break;
	}
	check();
}

static void make_device(void)
{
	struct viommu_device_config device = VIOMMU_DEVICE_CONFIG_INIT;
	struct viommu_pump_config pump = VIOMMU_PUMP_CONFIG_INIT;
	struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct viommu_endpoint *handle;

	device.max_endpoints = 2;
	device.max_domains = 2;
	CHECK(viommu_device_init(&w.device, &device, device_memory, sizeof device_memory) == VIOMMU_OK);
	endpoint.id = 8;
	CHECK(viommu_device_add_endpoint(&w.device, &endpoint, &handle) == VIOMMU_OK);
	w.region = (struct viommu_memory_region){ RAM_BASE, RAM_BASE + RAM_LEN - 1, w.ram, 3 };
	w.table = (struct viommu_memory_table){ .regions = &w.region, .count = 1 };
	pump.queue_size_max = QUEUE_MAX;
	pump.ring_features = RING_FEATURES;
	pump.device = &w.device;
	pump.memory = (struct viommu_memory){ &viommu_memory_table_ops, &w.table };
	pump.interrupts = &viommu_pci_interrupt_ops;
	pump.interrupt_ctx = &w.pci;
	CHECK(viommu_pump_init(&w.pump, &pump, pump_memory, sizeof pump_memory) == VIOMMU_OK);
}

static void *begin(void)
{
	struct viommu_pci_config config = VIOMMU_PCI_CONFIG_INIT;

	memset(&w, 0, sizeof w);
	make_device();
	config.registers = viommu_pump_registers(&w.pump);
	config.queues = w.queues;
	config.vectors = w.vectors;
	config.vector_count = VECTORS;
	config.ops = &pci_ops;
	CHECK(viommu_pci_init(&w.pci, &config) == VIOMMU_OK);
	for (uint32_t i = 0; i < 256; i++)
		w.image[i] = (uint8_t)viommu_pci_config_read(&w.pci, i, 1);
	forget();
	check();
	return &w;
}

/* Whatever it went through, after a reset the function works: once with messages, once with the line. */
static void end(void *world)
{
	static const uint8_t attach[20] = { 1, [4] = 1, [8] = 8 };

	(void)world;
	check_image(0, 255);
	function_reset();
	check();
	for (uint32_t msix = 0; msix < 2; msix++) {
		uint32_t before;
		uint64_t tail;

		live(msix != 0);
		before = w.messages;
		tail = post(attach, sizeof attach);
		bar_write(0, NOTIFY, 2, 0);
		process(64);
		check();
		CHECK(load_ram(RING(0) + USED + 2, 2) == 1 && load_ram(tail, 1) == VIOMMU_S_OK);
		CHECK(msix != 0 ? w.messages == before + 1 : w.line);
	}
}

const struct sim_ops_target sim_ops_pci = {
	.name = "pci",
	.verbs = verbs,
	.verb_count = sizeof verbs / sizeof verbs[0],
	.begin = begin,
	.run = run,
	.end = end,
};
