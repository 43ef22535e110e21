/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_mmio.c: the device's side of virtio-mmio under a guest that reads and writes any register in any width, puts
 * anything into its rings, and lets accesses of endpoints hang so that a reset takes long. Behind the registers are the
 * pump and the device.
 *
 * A second set of registers, written from the specification and docs/decisions.md alone, foretells each value that is
 * read, whether the device is told of a store, and the level of the interrupt line. What is left to the rings (whether
 * a used buffer notification comes of a run of the pump) is taken over from the device, within what may happen there.
 * Memory changes in runs of the pump only, and in those only while the device is alive. At the end a reset and an
 * honest driver are all it takes for everything to work.
 */
#include <string.h>

#include <viommu/access.h>
#include <viommu/pump.h>
#include <viommu/transport/mmio.h>

#include "ops.h"
#include "targets.h"

#define CHECK SIM_OPS_CHECK

#define RAM UINT64_C(0x100001000) /* both halves of its addresses are something */
#define RAM_LEN 0x1000u
#define CANARY_LEN 64u
#define CANARY 0xc3u
#define QUEUE_MAX 32u
#define QUEUE_SIZE 16u    /* of the queues that the driver lays out by the book */
#define QUEUE_ROOM 0x400u /* for each; requests begin behind the last */
#define AVAIL_AT 0x200u
#define USED_AT 0x300u
#define SLOTS 8u
#define SLOT_LEN 0x80u
#define WRITABLE_AT 0x40u
#define ENDPOINTS 2u
#define FIRST_ENDPOINT 8u
#define DOMAINS 4u
#define NODES 64u
#define CHECK_EVERY 8u
#define MAX_PENDING 4u
#define ALL_DONE (16u * MAX_PENDING) /* a budget for as many requests that waited */
#define CONFIG_LEN 40u
#define VENDOR 0x12345678u

#define ACK_DRIVER (VIOMMU_STATUS_ACKNOWLEDGE | VIOMMU_STATUS_DRIVER)
#define AGREED (ACK_DRIVER | VIOMMU_STATUS_FEATURES_OK)
#define RUNNING (AGREED | VIOMMU_STATUS_DRIVER_OK)
#define RING_FEATURES (VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX | VIOMMU_F_RING_RESET)
#define OFFERED (VIOMMU_F_VERSION_1 | RING_FEATURES | VIOMMU_DEVICE_FEATURES)

/* The naive registers */

struct model_queue {
	uint64_t size, area[3]; /* descriptors, available, used */
	bool ready;
	bool renewed; /* may be set up although DRIVER_OK is set */
};

struct model {
	uint8_t status;
	bool resetting;
	uint64_t features;
	bool bypass;            /* config.bypass */
	bool bypass_negotiated; /* by the last FEATURES_OK */
	uint32_t device_sel, driver_sel, queue_sel;
	struct model_queue queues[VIOMMU_QUEUE_COUNT];
	bool may_wait; /* may there be requests that wait for an access section to end, and are answered then? */
	uint32_t events;
	uint32_t generation;
};

struct world {
	struct {
		uint8_t canary0[CANARY_LEN];
		_Alignas(64) uint8_t bytes[RAM_LEN];
		uint8_t canary1[CANARY_LEN];
	} ram;
	uint8_t before[RAM_LEN];
	struct viommu_device dev;
	struct viommu_pump pump;
	struct viommu_mmio mmio;
	struct viommu_register_queue parts[VIOMMU_QUEUE_COUNT];
	struct viommu_endpoint *endpoints[ENDPOINTS];
	struct viommu_access accesses[ENDPOINTS];
	struct viommu_access_token tokens[ENDPOINTS];
	bool open[ENDPOINTS];
	uint8_t dev_memory[VIOMMU_DEVICE_MEM(ENDPOINTS, DOMAINS, NODES)];
	uint8_t pump_memory[16384];
	struct model model;
	bool line;
	uint32_t notifications; /* told to the owner */
	uint32_t queue;         /* with the last one */
	uint32_t slot;          /* of the next request */
	uint32_t operations;
};

static struct world w;

static bool is_power_of_two(uint64_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static void model_reset(void)
{
	struct model *m = &w.model;

	m->resetting = true;
	m->status = VIOMMU_STATUS_NEEDS_RESET; /* until it is complete */
	m->features = 0;
	m->bypass_negotiated = false;
	m->may_wait = false;
	m->device_sel = m->driver_sel = m->queue_sel = 0;
	m->events = 0;
	for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++)
		m->queues[i] = (struct model_queue){ .size = QUEUE_MAX };
}

static bool in_ram(uint64_t at, uint64_t len, uint64_t align)
{
	return at % align == 0 && at >= RAM && at - RAM < RAM_LEN && len <= RAM_LEN - (at - RAM);
}

static bool is_queue(const struct model_queue *q)
{
	return is_power_of_two(q->size) && q->size <= QUEUE_MAX && in_ram(q->area[0], 16 * q->size, 16) &&
	       in_ram(q->area[1], 6 + 2 * q->size, 2) && in_ram(q->area[2], 6 + 8 * q->size, 4);
}

static void model_status(uint32_t value)
{
	struct model *m = &w.model;
	uint8_t bits = (uint8_t)value & (RUNNING | VIOMMU_STATUS_FAILED);

	if (value == 0) {
		model_reset();
		return;
	}
	if ((bits & VIOMMU_STATUS_FEATURES_OK) != 0 && (m->status & VIOMMU_STATUS_FEATURES_OK) == 0) {
		if ((m->features & ~OFFERED) != 0 || (m->features & VIOMMU_F_VERSION_1) == 0)
			bits &= (uint8_t)~VIOMMU_STATUS_FEATURES_OK;
		else
			m->bypass_negotiated = (m->features & VIOMMU_F_BYPASS_CONFIG) != 0;
	}
	if (((m->status | bits) & VIOMMU_STATUS_FEATURES_OK) == 0)
		bits &= (uint8_t)~VIOMMU_STATUS_DRIVER_OK;
	/* Before DRIVER_OK nobody could be told that a reset is needed. */
	if ((bits & ~m->status & VIOMMU_STATUS_DRIVER_OK) != 0 && (m->status & VIOMMU_STATUS_NEEDS_RESET) != 0)
		m->events |= VIOMMU_INTERRUPT_CONFIG;
	m->status |= bits;
}

static uint64_t put_half(uint64_t whole, uint32_t half, uint32_t value)
{
	uint64_t mask = UINT64_C(0xffffffff) << (32 * half);

	return (whole & ~mask) | (uint64_t)value << (32 * half);
}

static void model_write_queue(struct model_queue *q, uint32_t offset, uint32_t value)
{
	struct model *m = &w.model;

	if (offset == 0x044) {
		if (value == 0) {
			q->renewed |= q->ready;
			q->ready = false;
		}
		if (value == 1 && (m->status & VIOMMU_STATUS_FEATURES_OK) != 0 && !q->ready &&
		    ((m->status & VIOMMU_STATUS_DRIVER_OK) == 0 || q->renewed)) {
			q->ready = is_queue(q);
			q->renewed = !q->ready && q->renewed;
		}
		return;
	}
	if (offset == 0x0c0) {
		/* Nothing is ever going on that it had to wait for. */
		if (value == 1 && (m->status & VIOMMU_STATUS_FEATURES_OK) != 0 &&
		    (m->features & VIOMMU_F_RING_RESET) != 0)
			*q = (struct model_queue){ .size = QUEUE_MAX, .renewed = true };
		return;
	}
	if (q->ready)
		return;
	if (offset == 0x038)
		q->size = value;
	else if (offset >= 0x080 && offset <= 0x0a4 && offset % 16 <= 4)
		q->area[(offset - 0x080) / 16] = put_half(q->area[(offset - 0x080) / 16], offset % 16 / 4, value);
}

static void model_write(uint32_t offset, uint32_t value)
{
	struct model *m = &w.model;

	if (offset == 0x064)
		m->events &= ~value;
	if (m->resetting)
		return;
	switch (offset) {
	case 0x014:
		m->device_sel = value;
		break;
	case 0x020:
		if (m->driver_sel <= 1 && (m->status & VIOMMU_STATUS_DRIVER) != 0 &&
		    (m->status & VIOMMU_STATUS_FEATURES_OK) == 0)
			m->features = put_half(m->features, m->driver_sel, value);
		break;
	case 0x024:
		m->driver_sel = value;
		break;
	case 0x030:
		m->queue_sel = value;
		break;
	case 0x070:
		model_status(value);
		break;
	default:
		if (m->queue_sel < VIOMMU_QUEUE_COUNT)
			model_write_queue(&m->queues[m->queue_sel], offset, value);
	}
}

static uint32_t model_read(uint32_t offset)
{
	const struct model *m = &w.model;

	switch (offset) {
	case 0x000:
		return 0x74726976;
	case 0x004:
		return 2;
	case 0x008:
		return 23;
	case 0x00c:
		return VENDOR;
	case 0x010:
		return m->device_sel <= 1 ? (uint32_t)(OFFERED >> (32 * m->device_sel)) : 0;
	case 0x034:
		return m->queue_sel < VIOMMU_QUEUE_COUNT ? QUEUE_MAX : 0;
	case 0x044:
		return m->queue_sel < VIOMMU_QUEUE_COUNT && m->queues[m->queue_sel].ready;
	case 0x060:
		return m->events;
	case 0x070:
		return m->status;
	case 0x0b0:
	case 0x0b4:
	case 0x0b8:
	case 0x0bc:
		return UINT32_MAX;
	case 0x0fc:
		return m->generation;
	default:
		return 0;
	}
}

/* The configuration space: 4 KiB pages and more, everything else without a limit. */
static uint8_t model_config_byte(uint64_t at)
{
	if (at == 36)
		return w.model.bypass;
	if (at == 1)
		return 0xf0;
	if ((at >= 2 && at < 8) || (at >= 16 && at < 24) || (at >= 28 && at < 32))
		return 0xff;
	return at == 33 ? 2 : 0; /* probe_size 512 */
}

static uint64_t model_read_config(uint64_t at, uint32_t width)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < width; i++)
		value += (uint64_t)model_config_byte(at + i) << (8 * i);
	return value;
}

static void model_write_config(uint64_t at, uint32_t width, uint64_t value)
{
	if (w.model.resetting || !w.model.bypass_negotiated || at > 36 || at + width <= 36)
		return;
	value = value >> (8 * (36 - at)) & 0xff;
	if (value <= 1)
		w.model.bypass = value != 0;
}

/* The device's side */

static void *resolve(void *ctx, viommu_gpa gpa, uint32_t kind, uint64_t *len)
{
	(void)ctx;
	(void)kind;
	if (gpa < RAM || gpa - RAM >= RAM_LEN)
		return NULL;
	if (*len > RAM_LEN - (gpa - RAM))
		*len = RAM_LEN - (gpa - RAM);
	return w.ram.bytes + (gpa - RAM);
}

static const struct viommu_memory_ops memory_ops = { .size = sizeof memory_ops, .resolve = resolve };

static void set_line(void *ctx, bool high)
{
	CHECK(ctx == &w && high != w.line);
	w.line = high;
}

static void notify(void *ctx, uint32_t queue, uint32_t value)
{
	CHECK(ctx == &w && (queue == VIOMMU_REGISTER_NO_QUEUE || queue == (value & 0xffff)));
	w.notifications++;
	w.queue = queue;
}

static const struct viommu_mmio_ops mmio_ops = { .size = sizeof mmio_ops, .set_line = set_line, .notify = notify };

static bool has_section(void)
{
	return w.open[0] || w.open[1];
}

/* A reset that waits for accesses ends by itself; without them it never waits. */
static void notice_end_of_reset(void)
{
	bool resetting = viommu_registers_is_resetting(viommu_pump_registers(&w.pump));

	CHECK(!resetting || (w.model.resetting && has_section()));
	if (w.model.resetting && !resetting) {
		w.model.resetting = false;
		w.model.status = 0;
	}
}

static void check_world(void)
{
	notice_end_of_reset();
	CHECK(viommu_mmio_check(&w.mmio));
	CHECK(w.line == (w.model.events != 0));
	CHECK(viommu_mmio_read(&w.mmio, VIOMMU_MMIO_INTERRUPT_STATUS, 4) == w.model.events);
	CHECK(viommu_mmio_read(&w.mmio, VIOMMU_MMIO_STATUS, 4) == w.model.status);
	/* Of the queue that is selected, which is the first one after a reset. */
	CHECK(viommu_mmio_read(&w.mmio, VIOMMU_MMIO_QUEUE_SIZE_MAX, 4) == model_read(VIOMMU_MMIO_QUEUE_SIZE_MAX));
	CHECK(viommu_mmio_read(&w.mmio, VIOMMU_MMIO_QUEUE_READY, 4) == model_read(VIOMMU_MMIO_QUEUE_READY));
	for (uint32_t i = 0; i < CANARY_LEN; i++)
		CHECK(w.ram.canary0[i] == CANARY && w.ram.canary1[i] == CANARY);
}

/* What the guest does */

static bool is_access(uint64_t offset, uint64_t width)
{
	return (width == 1 || width == 2 || width == 4 || width == 8) && offset % width == 0;
}

static void remember_memory(void)
{
	memcpy(w.before, w.ram.bytes, RAM_LEN);
}

static void check_memory(void)
{
	CHECK(memcmp(w.before, w.ram.bytes, RAM_LEN) == 0);
}

static uint64_t read_any(uint32_t offset, uint32_t width)
{
	uint32_t notifications = w.notifications;
	uint64_t value, expected = 0;

	notice_end_of_reset();
	if (is_access(offset, width) && offset >= 0x100)
		expected = model_read_config(offset - 0x100, width);
	else if (is_access(offset, width) && width == 4)
		expected = model_read(offset);
	value = viommu_mmio_read(&w.mmio, offset, width);
	CHECK(value == expected && w.notifications == notifications);
	return value;
}

static void write_any(uint32_t offset, uint32_t width, uint64_t value)
{
	uint32_t expected = w.notifications;
	uint32_t queue = VIOMMU_REGISTER_NO_QUEUE;

	notice_end_of_reset();
	if (is_access(offset, width) && offset >= 0x100) {
		model_write_config(offset - 0x100, width, value);
		expected++;
	} else if (is_access(offset, width) && width == 4) {
		/* Of those that may not be written the model knows nothing either. */
		model_write(offset, (uint32_t)value);
		if (offset == 0x050)
			queue = (uint32_t)value; /* NOTIFICATION_DATA is not offered */
		if (offset == 0x044 || offset == 0x070 || offset == 0x0c0 ||
		    (offset == 0x050 && queue < VIOMMU_QUEUE_COUNT))
			expected++;
	}
	viommu_mmio_write(&w.mmio, offset, width, value);
	CHECK(w.notifications == expected);
	if (offset == 0x050 && width == 4 && queue < VIOMMU_QUEUE_COUNT)
		CHECK(w.queue == queue);
}

static void set(uint32_t offset, uint64_t value)
{
	write_any(offset, 4, value);
}

static void lay_out(uint32_t queue, uint64_t size, uint32_t shift)
{
	uint64_t at = RAM + (uint64_t)queue * QUEUE_ROOM + shift;
	const uint64_t areas[3] = { at, at + AVAIL_AT, at + USED_AT };

	set(0x030, queue);
	set(0x038, size);
	for (uint32_t i = 0; i < 3; i++) {
		set(0x080 + 16 * i, (uint32_t)areas[i]);
		set(0x084 + 16 * i, areas[i] >> 32);
	}
	set(0x044, 1);
	(void)read_any(0x044, 4);
}

static void negotiate(uint64_t features)
{
	set(0x070, VIOMMU_STATUS_ACKNOWLEDGE);
	set(0x070, ACK_DRIVER);
	set(0x024, 0);
	set(0x020, (uint32_t)features);
	set(0x024, 1);
	set(0x020, features >> 32);
	set(0x070, AGREED);
}

static void bring_up(uint64_t features)
{
	negotiate(features);
	for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++)
		lay_out(i, QUEUE_SIZE, 0);
	set(0x070, RUNNING);
}

static void store16(uint32_t at, uint32_t value)
{
	w.ram.bytes[at] = (uint8_t)value;
	w.ram.bytes[at + 1] = (uint8_t)(value >> 8);
}

static uint32_t load16(uint32_t at)
{
	return w.ram.bytes[at] | (uint32_t)w.ram.bytes[at + 1] << 8;
}

static void store_descriptor(uint32_t at, uint64_t address, uint32_t len, uint32_t flags, uint32_t next)
{
	for (uint32_t i = 0; i < 8; i++)
		w.ram.bytes[at + i] = (uint8_t)(address >> (8 * i));
	store16(at + 8, len);
	store16(at + 10, 0);
	store16(at + 12, flags);
	store16(at + 14, next);
}

/* Into the queue where the book has it, wherever the device thinks that it is. Returns where the slot is. */
static uint32_t post(uint32_t queue, const uint8_t *bytes, uint32_t readable, uint32_t writable)
{
	uint32_t slot = w.slot++ % SLOTS, base = queue * QUEUE_ROOM, head = 2 * slot;
	uint32_t at = VIOMMU_QUEUE_COUNT * QUEUE_ROOM + slot * SLOT_LEN, descriptor = base + 16 * head;
	uint32_t index = load16(base + AVAIL_AT + 2);

	memset(w.ram.bytes + at, 0xff, SLOT_LEN);
	if (readable != 0) {
		memcpy(w.ram.bytes + at, bytes, readable);
		store_descriptor(descriptor, RAM + at, readable, 1, head + 1);
		descriptor += 16;
	}
	store_descriptor(descriptor, RAM + at + WRITABLE_AT, writable, 2, 0);
	store16(base + AVAIL_AT + 4 + 2 * (index % QUEUE_SIZE), head);
	store16(base + AVAIL_AT + 2, index + 1);
	return at;
}

static uint32_t request(uint32_t type, uint32_t domain, uint32_t endpoint, uint64_t page)
{
	struct viommu_wire_request r = { .type = (uint8_t)type };
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];

	switch (type) {
	case VIOMMU_T_ATTACH:
		r.u.attach.domain = domain;
		r.u.attach.endpoint = endpoint;
		break;
	case VIOMMU_T_DETACH:
		r.u.detach.domain = domain;
		r.u.detach.endpoint = endpoint;
		break;
	case VIOMMU_T_MAP:
		r.u.map.domain = domain;
		r.u.map.flags = VIOMMU_MAP_F_READ;
		r.u.map.virt_start = page << 12;
		r.u.map.virt_end = r.u.map.virt_start + 0xfff;
		r.u.map.phys_start = 0xa000;
		break;
	default:
		r.type = VIOMMU_T_UNMAP;
		r.u.unmap.domain = domain;
		r.u.unmap.virt_start = 0;
		r.u.unmap.virt_end = UINT64_MAX;
		break;
	}
	return post(VIOMMU_QUEUE_REQUEST, bytes, (uint32_t)viommu_wire_request_encode(&r, bytes, sizeof bytes), 4);
}

/* What a request waits for is a section, and it waits only while it has a queue. */
static void model_process(uint32_t budget, bool live)
{
	struct model *m = &w.model;

	if (has_section())
		m->may_wait = (m->may_wait || live) && m->queues[VIOMMU_QUEUE_REQUEST].ready;
	else if (budget >= ALL_DONE)
		m->may_wait = false;
}

static void process(uint32_t budget)
{
	struct model *m = &w.model;
	bool live = (m->status & VIOMMU_STATUS_DRIVER_OK) != 0 && (m->status & VIOMMU_STATUS_NEEDS_RESET) == 0;
	bool has_queue = m->queues[0].ready || m->queues[1].ready;
	/* What was taken before the device needed a reset is answered all the same, if its queue was not reset. */
	bool idle = (!live && !m->may_wait) || !has_queue;
	uint32_t events;

	if (idle)
		remember_memory();
	(void)viommu_pump_process(&w.pump, budget);
	model_process(budget, live);
	if (idle)
		check_memory();
	/* Otherwise nothing is noticed that was not there before, as check_world sees. */
	if (!live || !has_queue)
		return;
	events = (uint32_t)viommu_mmio_read(&w.mmio, VIOMMU_MMIO_INTERRUPT_STATUS, 4);
	CHECK((events & ~3u) == 0 && (m->events & ~events) == 0);
	if ((viommu_mmio_read(&w.mmio, VIOMMU_MMIO_STATUS, 4) & VIOMMU_STATUS_NEEDS_RESET) != 0) {
		m->status |= VIOMMU_STATUS_NEEDS_RESET;
		m->events |= VIOMMU_INTERRUPT_CONFIG;
	}
	m->events |= events & VIOMMU_INTERRUPT_USED;
}

static void translate(uint32_t e, uint64_t iova, enum viommu_result expected)
{
	struct viommu_access_token token = w.tokens[e];
	struct viommu_translation t;
	enum viommu_result r;

	if (!w.open[e])
		CHECK(viommu_access_begin(&w.accesses[e], &token) == VIOMMU_OK);
	r = viommu_access_translate(&w.accesses[e], iova, 1, VIOMMU_ACCESS_READ, &t);
	CHECK(expected == VIOMMU_E_EMPTY || r == expected);
	if (!w.open[e])
		viommu_access_end(&w.accesses[e], token);
}

static void open_section(uint32_t e)
{
	if (w.open[e])
		return;
	CHECK(viommu_access_begin(&w.accesses[e], &w.tokens[e]) == VIOMMU_OK);
	w.open[e] = true;
}

static void close_section(uint32_t e)
{
	if (!w.open[e])
		return;
	viommu_access_end(&w.accesses[e], w.tokens[e]);
	w.open[e] = false;
}

/* What the device's owner does */

static void change_config(void)
{
	struct model *m = &w.model;

	viommu_registers_config_changed(viommu_pump_registers(&w.pump));
	m->generation++;
	if ((m->status & VIOMMU_STATUS_DRIVER_OK) != 0)
		m->events |= VIOMMU_INTERRUPT_CONFIG;
}

static void ask_for_reset(void)
{
	struct model *m = &w.model;

	viommu_registers_needs_reset(viommu_pump_registers(&w.pump));
	if ((m->status & VIOMMU_STATUS_NEEDS_RESET) != 0)
		return;
	m->status |= VIOMMU_STATUS_NEEDS_RESET;
	if ((m->status & VIOMMU_STATUS_DRIVER_OK) != 0)
		m->events |= VIOMMU_INTERRUPT_CONFIG;
}

static void reset_system(void)
{
	viommu_pump_system_reset(&w.pump);
	if (!w.model.resetting)
		model_reset();
	w.model.bypass = false; /* as configured */
}

/* Operations */

enum verb {
	VERB_READ,
	VERB_WRITE,
	VERB_QUEUE,
	VERB_NEGOTIATE,
	VERB_UP,
	VERB_RAM,
	VERB_REQUEST,
	VERB_EVENT,
	VERB_PROCESS,
	VERB_ACCESS,
	VERB_OPEN,
	VERB_CLOSE,
	VERB_CONFIG,
	VERB_NEEDS_RESET,
	VERB_SYSTEM_RESET,
	VERB_QUEUE_RESET
};

static const uint32_t offsets[] = {
	0x000, 0x004, 0x008, 0x00c, 0x010, 0x014, 0x020, 0x024, 0x030, 0x034, 0x038, 0x044, 0x044, 0x044,
	0x050, 0x050, 0x060, 0x064, 0x064, 0x070, 0x070, 0x070, 0x070, 0x080, 0x084, 0x090, 0x094, 0x0a0,
	0x0a4, 0x0ac, 0x0b0, 0x0b4, 0x0b8, 0x0bc, 0x0c0, 0x0fc, 0x100, 0x104, 0x108, 0x110, 0x118, 0x120,
	0x124, 0x124, 0x125, 0x127, 0x128, 0x102, 0x003, 0x028, 0x03c, 0x040, 0x072, 0x200,
};
#define OFFSETS (sizeof offsets / sizeof offsets[0])

static const uint32_t widths[] = { 4, 4, 4, 4, 4, 4, 4, 4, 1, 2, 8, 1, 0, 3, 16, 5 };
static const uint32_t sizes[] = { QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE, 1, 2, QUEUE_MAX, 2 * QUEUE_MAX, 0 };
static const uint32_t shifts[] = { 0, 0, 0, 0, 0, 0, 16, 1, 2, 4, 8, 0x400, 0xc00, 0x1000 };
static const char *const types[] = { "attach", "detach", "map", "unmap" };
static const char *const sets[] = { "all", "version_1", "event_idx", "none", "too_many" };

static const struct sim_ops_verb verbs[] = {
	[VERB_READ] = { "read",
			{ { "offset", SIM_OPS_PICK, OFFSETS, offsets }, { "width", SIM_OPS_PICK, 16, widths } },
			6 },
	[VERB_WRITE] = { "write",
			 { { "offset", SIM_OPS_PICK, OFFSETS, offsets },
			   { "width", SIM_OPS_PICK, 16, widths },
			   { "value", SIM_OPS_U64, 0, NULL } },
			 12 },
	[VERB_QUEUE] = { "queue",
			 { { "queue", SIM_OPS_U8, VIOMMU_QUEUE_COUNT, NULL },
			   { "size", SIM_OPS_PICK, 8, sizes },
			   { "shift", SIM_OPS_PICK, 14, shifts } },
			 2 },
	[VERB_NEGOTIATE] = { "negotiate", { { "features", SIM_OPS_CHOICE, 5, sets } }, 2 },
	[VERB_UP] = { "up", { { "features", SIM_OPS_CHOICE, 5, sets } }, 2 },
	[VERB_RAM] = { "ram", { { "offset", SIM_OPS_U16, RAM_LEN, NULL }, { "bytes", SIM_OPS_BYTES, 32, NULL } }, 2 },
	[VERB_REQUEST] = { "request",
			   { { "type", SIM_OPS_CHOICE, 4, types },
			     { "domain", SIM_OPS_U8, 4, NULL },
			     { "endpoint", SIM_OPS_U8, ENDPOINTS + 1, NULL },
			     { "page", SIM_OPS_U8, 8, NULL } },
			   4 },
	[VERB_EVENT] = { "event", { { "len", SIM_OPS_U8, 64, NULL } }, 2 },
	[VERB_PROCESS] = { "process", { { "budget", SIM_OPS_U8, 0, NULL } }, 5 },
	[VERB_ACCESS] = { "access",
			  { { "endpoint", SIM_OPS_U8, ENDPOINTS, NULL }, { "page", SIM_OPS_U8, 8, NULL } },
			  2 },
	[VERB_OPEN] = { "open", { { "endpoint", SIM_OPS_U8, ENDPOINTS, NULL } }, 1 },
	[VERB_CLOSE] = { "close", { { "endpoint", SIM_OPS_U8, ENDPOINTS, NULL } }, 1 },
	[VERB_CONFIG] = { "config", { SIM_OPS_NO_ARGS }, 1 },
	[VERB_NEEDS_RESET] = { "needs_reset", { SIM_OPS_NO_ARGS }, 1 },
	[VERB_SYSTEM_RESET] = { "system_reset", { SIM_OPS_NO_ARGS }, 1 },
	[VERB_QUEUE_RESET] = { "queue_reset", { { "queue", SIM_OPS_U8, VIOMMU_QUEUE_COUNT, NULL } }, 2 },
};

static uint64_t feature_set(uint64_t which)
{
	switch (which) {
	case 0:
		return OFFERED;
	case 1:
		return VIOMMU_F_VERSION_1;
	case 2:
		return VIOMMU_F_VERSION_1 | VIOMMU_F_EVENT_IDX | VIOMMU_F_MAP_UNMAP;
	case 3:
		return 0;
	default:
		return OFFERED | UINT64_C(1) << 41;
	}
}

static void store_bytes(uint64_t at, const uint8_t *bytes, size_t len)
{
	memcpy(w.ram.bytes + at, bytes, len < RAM_LEN - at ? len : (size_t)(RAM_LEN - at));
}

/* Accesses to registers leave memory alone. */
static void run_registers(const struct sim_ops_op *op)
{
	const uint64_t *a = op->arg;

	remember_memory();
	switch ((enum verb)op->verb) {
	case VERB_READ:
		(void)read_any((uint32_t)a[0], (uint32_t)a[1]);
		break;
	case VERB_WRITE:
		write_any((uint32_t)a[0], (uint32_t)a[1], a[2]);
		break;
	case VERB_QUEUE:
		lay_out((uint32_t)a[0], a[1], (uint32_t)a[2]);
		break;
	case VERB_NEGOTIATE:
		negotiate(feature_set(a[0]));
		break;
	case VERB_QUEUE_RESET:
		set(0x030, a[0]);
		set(0x0c0, 1);
		(void)read_any(0x0c0, 4);
		(void)read_any(0x044, 4);
		break;
	default:
		bring_up(feature_set(a[0]));
		break;
	}
	check_memory();
}

static void run(void *world, const struct sim_ops_op *op)
{
	const uint64_t *a = op->arg;

	(void)world;
	notice_end_of_reset();
	switch ((enum verb)op->verb) {
	case VERB_READ:
	case VERB_WRITE:
	case VERB_QUEUE:
	case VERB_NEGOTIATE:
	case VERB_UP:
	case VERB_QUEUE_RESET:
		run_registers(op);
		break;
	case VERB_RAM:
		store_bytes(a[0], op->bytes, op->len);
		break;
	case VERB_REQUEST:
		(void)request((uint32_t)a[0] + 1, (uint32_t)a[1], FIRST_ENDPOINT + (uint32_t)a[2], a[3]);
		break;
	case VERB_EVENT:
		(void)post(VIOMMU_QUEUE_EVENT, NULL, 0, (uint32_t)a[0]);
		break;
	case VERB_PROCESS:
		process((uint32_t)a[0]);
		break;
	case VERB_ACCESS:
		translate((uint32_t)a[0], a[1] << 12, VIOMMU_E_EMPTY);
		break;
	case VERB_OPEN:
		open_section((uint32_t)a[0]);
		break;
	case VERB_CLOSE:
		close_section((uint32_t)a[0]);
		break;
	case VERB_CONFIG:
		change_config();
		break;
	case VERB_NEEDS_RESET:
		ask_for_reset();
		break;
	case VERB_SYSTEM_RESET:
		reset_system();
		break;
	}
	check_world();
	if (++w.operations % CHECK_EVERY == 0)
		CHECK(viommu_pump_check(&w.pump));
}

/* The world */

static void *begin(void)
{
	struct viommu_device_config config = VIOMMU_DEVICE_CONFIG_INIT;
	struct viommu_pump_config pump = VIOMMU_PUMP_CONFIG_INIT;
	struct viommu_mmio_config mmio = VIOMMU_MMIO_CONFIG_INIT;
	struct viommu_memory memory = { &memory_ops, NULL };
	size_t len;

	memset(&w.ram, CANARY, sizeof w.ram);
	memset(w.ram.bytes, 0, RAM_LEN);
	memset(w.open, 0, sizeof w.open);
	memset(&w.model, 0, sizeof w.model);
	model_reset();
	w.model.resetting = false;
	w.model.status = 0;
	w.line = false;
	w.notifications = 0;
	w.slot = 0;
	w.operations = 0;
	config.max_endpoints = ENDPOINTS;
	config.max_domains = DOMAINS;
	config.max_pending = MAX_PENDING;
	config.page_size_mask = ~UINT64_C(0xfff);
	config.memory = memory;
	CHECK(viommu_device_init(&w.dev, &config, w.dev_memory, sizeof w.dev_memory) == VIOMMU_OK);
	for (uint32_t e = 0; e < ENDPOINTS; e++) {
		struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;

		endpoint.id = FIRST_ENDPOINT + e;
		CHECK(viommu_device_add_endpoint(&w.dev, &endpoint, &w.endpoints[e]) == VIOMMU_OK);
		viommu_access_init(&w.accesses[e], &w.dev, w.endpoints[e]);
	}
	pump.queue_size_max = QUEUE_MAX;
	pump.ring_features = RING_FEATURES;
	pump.device = &w.dev;
	pump.memory = memory;
	pump.interrupts = &viommu_mmio_interrupt_ops;
	pump.interrupt_ctx = &w.mmio;
	CHECK(viommu_pump_mem_size(&pump, &len) == VIOMMU_OK && len <= sizeof w.pump_memory);
	CHECK(viommu_pump_init(&w.pump, &pump, w.pump_memory, len) == VIOMMU_OK);
	mmio.vendor_id = VENDOR;
	mmio.registers = viommu_pump_registers(&w.pump);
	mmio.queues = w.parts;
	mmio.ops = &mmio_ops;
	mmio.ops_ctx = &w;
	CHECK(viommu_mmio_init(&w.mmio, &mmio) == VIOMMU_OK);
	check_world();
	return &w;
}

/* An honest driver, which is told of each answer. */
static void ask(uint32_t type, uint32_t domain, uint64_t page)
{
	uint32_t used = load16(USED_AT + 2);
	uint32_t at = request(type, domain, FIRST_ENDPOINT, page);

	set(0x050, VIOMMU_QUEUE_REQUEST);
	process(256);
	CHECK(load16(USED_AT + 2) == ((used + 1) & 0xffff));
	CHECK(w.ram.bytes[at + WRITABLE_AT] == VIOMMU_S_OK);
	CHECK(read_any(0x060, 4) == VIOMMU_INTERRUPT_USED && w.line);
	set(0x064, VIOMMU_INTERRUPT_USED);
	CHECK(!w.line);
	check_world();
}

static void end(void *world)
{
	(void)world;
	for (uint32_t e = 0; e < ENDPOINTS; e++)
		close_section(e);
	set(0x070, 0);
	CHECK(read_any(0x070, 4) == 0);
	check_world();
	CHECK(viommu_pump_check(&w.pump));
	memset(w.ram.bytes, 0, RAM_LEN);
	w.slot = 0;
	bring_up(VIOMMU_F_VERSION_1 | VIOMMU_F_MAP_UNMAP | VIOMMU_F_BYPASS_CONFIG);
	CHECK(read_any(0x070, 4) == RUNNING);
	ask(VIOMMU_T_ATTACH, 1, 0);
	ask(VIOMMU_T_MAP, 1, 5);
	translate(0, 0x5123, VIOMMU_OK);
	translate(0, 0x6123, VIOMMU_E_FAULT);
	ask(VIOMMU_T_UNMAP, 1, 0);
	translate(0, 0x5123, VIOMMU_E_FAULT);
}

const struct sim_ops_target sim_ops_mmio = {
	.name = "mmio",
	.verbs = verbs,
	.verb_count = sizeof verbs / sizeof verbs[0],
	.begin = begin,
	.run = run,
	.end = end,
};
