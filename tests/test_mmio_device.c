/* SPDX-License-Identifier: BSD-3-Clause */
/* test_mmio_device.c: the device's side of virtio-mmio: every offset and width, one interrupt line, kicks. */
#include "check_cases.h"
#include "register_fixture.h"
#include "suite.h"

#include <viommu/transport/mmio.h>

#define R(name) VIOMMU_MMIO_##name
#define END (R(CONFIG) + REGISTER_CONFIG + 16)
#define VENDOR 0x55667788u
#define DEVICE 23u

static struct register_fixture fixture;
static struct viommu_mmio mmio;
static struct viommu_register_queue parts[REGISTER_QUEUES];

/* What the embedder has heard. */
static struct {
	bool line;
	uint32_t line_changes;
	uint32_t notifications;
	uint32_t queue;
	uint32_t value;
	uint8_t status; /* at the last notification */
	uint8_t config; /* its first byte, then too */
} heard;

static void set_line(void *ctx, bool high)
{
	assert_ptr_equal(ctx, &heard);
	assert_true(high != heard.line);
	heard.line = high;
	heard.line_changes++;
}

static void notify(void *ctx, uint32_t queue, uint32_t value)
{
	assert_ptr_equal(ctx, &heard);
	heard.notifications++;
	heard.queue = queue;
	heard.value = value;
	heard.status = viommu_registers_get_status(&fixture.regs);
	heard.config = fixture.fake.config[0];
}

static const struct viommu_mmio_ops ops = { .size = sizeof ops, .set_line = set_line, .notify = notify };

static struct viommu_mmio_config default_config(void)
{
	struct viommu_mmio_config config = VIOMMU_MMIO_CONFIG_INIT;

	config.vendor_id = VENDOR;
	config.registers = &fixture.regs;
	config.queues = parts;
	config.ops = &ops;
	config.ops_ctx = &heard;
	return config;
}

static int make(void **state)
{
	struct viommu_mmio_config config = default_config();

	(void)state;
	memset(&heard, 0, sizeof heard);
	memset(&mmio, 0xa5, sizeof mmio);
	register_fixture_init(&fixture, &viommu_mmio_interrupt_ops, &mmio);
	assert_int_equal(viommu_mmio_init(&mmio, &config), VIOMMU_OK);
	assert_true(viommu_mmio_is_valid(&mmio) && viommu_mmio_check(&mmio));
	assert_int_equal(heard.line_changes + heard.notifications, 0);
	return 0;
}

static uint64_t get(uint32_t offset)
{
	return viommu_mmio_read(&mmio, offset, 4);
}

static void set(uint32_t offset, uint64_t value)
{
	viommu_mmio_write(&mmio, offset, 4, value);
	assert_true(viommu_mmio_check(&mmio));
}

static void set_address(uint32_t low, uint64_t address)
{
	set(low, (uint32_t)address);
	set(low + 4, address >> 32);
}

/* The places of a queue, which is then the selected one. */
static void lay_out(uint32_t queue)
{
	struct viommu_virtq_layout l = register_fixture_layout(queue);

	set(R(QUEUE_SEL), queue);
	set_address(R(QUEUE_DESC_LOW), l.desc);
	set_address(R(QUEUE_DRIVER_LOW), l.avail);
	set_address(R(QUEUE_DEVICE_LOW), l.used);
}

/* A driver's way to DRIVER_OK, with both queues and these features of the upper half. */
static void go_live_with(uint64_t features)
{
	set(R(STATUS), ACK_ONLY);
	set(R(STATUS), ACK_DRIVER);
	set(R(DRIVER_FEATURES_SEL), 1);
	set(R(DRIVER_FEATURES), (VIOMMU_F_VERSION_1 | features) >> 32);
	set(R(STATUS), AGREED);
	for (uint32_t queue = 0; queue < REGISTER_QUEUES; queue++) {
		set(R(QUEUE_SEL), queue);
		assert_int_equal(get(R(QUEUE_READY)), 0);
		assert_int_equal(get(R(QUEUE_SIZE_MAX)), REGISTER_QUEUE_SIZE);
		set(R(QUEUE_SIZE), 8);
		lay_out(queue);
		set(R(QUEUE_READY), 1);
		assert_int_equal(get(R(QUEUE_READY)), 1);
	}
	set(R(STATUS), RUNNING);
	assert_int_equal(get(R(STATUS)), RUNNING);
	memset(&heard, 0, sizeof heard);
}

static void go_live(void)
{
	go_live_with(0);
}

/* Init */

static void test_mmio_init__wrong_configuration__refused(void **state)
{
	struct viommu_mmio_config good = default_config(), c = good;
	struct viommu_mmio_ops bad = ops;
	struct viommu_mmio other;

	(void)state;
	c.size--;
	assert_int_equal(viommu_mmio_init(&mmio, &c), VIOMMU_E_ABI);
	c = good;
	c.ops = NULL;
	assert_int_equal(viommu_mmio_init(&mmio, &c), VIOMMU_E_ARG);
	c = good;
	c.registers = NULL;
	assert_int_equal(viommu_mmio_init(&mmio, &c), VIOMMU_E_ARG);
	c = good;
	c.queues = NULL;
	assert_int_equal(viommu_mmio_init(&mmio, &c), VIOMMU_E_ARG);
	c = good;
	c.device_id = 0;
	assert_int_equal(viommu_mmio_init(&mmio, &c), VIOMMU_E_ARG);
	c = good;
	c.ops = &bad;
	bad.size++;
	assert_int_equal(viommu_mmio_init(&mmio, &c), VIOMMU_E_ABI);
	bad = ops;
	bad.set_line = NULL;
	assert_int_equal(viommu_mmio_init(&mmio, &c), VIOMMU_E_ARG);
	bad = ops;
	bad.notify = NULL;
	assert_int_equal(viommu_mmio_init(&mmio, &c), VIOMMU_E_ARG);
	assert_int_equal(viommu_mmio_init(&other, &good), VIOMMU_E_ARG); /* they interrupt `mmio` */
	assert_true(viommu_mmio_check(&mmio));
	register_fixture_init(&fixture, NULL, &mmio);
	assert_int_equal(viommu_mmio_init(&mmio, &good), VIOMMU_E_ARG);
}

/* The registers */

/* MMIO-DEV-REG-01, -02 */
static void test_mmio_device__identity__as_configured(void **state)
{
	struct viommu_mmio_config config = default_config();

	(void)state;
	assert_int_equal(get(0x000), 0x74726976);
	assert_int_equal(get(0x004), 2);
	assert_int_equal(get(0x008), DEVICE);
	assert_int_equal(get(0x00c), VENDOR);
	config.device_id = 0xfffffffe;
	config.vendor_id = 0;
	assert_int_equal(viommu_mmio_init(&mmio, &config), VIOMMU_OK);
	assert_true(get(0x008) == 0xfffffffe);
	assert_int_equal(get(0x00c), 0);
}

/* The table of the specification: what a driver may do where, with something to be seen in each register. */
struct place {
	uint16_t offset;
	bool readable, writable;
	uint32_t value; /* read, after prepare_all */
};

static const struct place places[] = {
	{ 0x000, true, false, 0x74726976 },
	{ 0x004, true, false, 2 },
	{ 0x008, true, false, DEVICE },
	{ 0x00c, true, false, VENDOR },
	{ 0x010, true, false, (uint32_t)(REGISTER_RING_FEATURES >> 32) },
	{ 0x014, false, true, 0 },
	{ 0x020, false, true, 0 },
	{ 0x024, false, true, 0 },
	{ 0x030, false, true, 0 },
	{ 0x034, true, false, REGISTER_QUEUE_SIZE },
	{ 0x038, false, true, 0 },
	{ 0x044, true, true, 1 },
	{ 0x050, false, true, 0 },
	{ 0x060, true, false, 3 },
	{ 0x064, false, true, 0 },
	{ 0x070, true, true, RUNNING },
	{ 0x080, false, true, 0 },
	{ 0x084, false, true, 0 },
	{ 0x090, false, true, 0 },
	{ 0x094, false, true, 0 },
	{ 0x0a0, false, true, 0 },
	{ 0x0a4, false, true, 0 },
	{ 0x0ac, false, true, 0 },
	{ 0x0b0, true, false, UINT32_MAX },
	{ 0x0b4, true, false, UINT32_MAX },
	{ 0x0b8, true, false, UINT32_MAX },
	{ 0x0bc, true, false, UINT32_MAX },
	{ 0x0c0, true, true, 0 },
	{ 0x0fc, true, false, 1 },
};

static const struct place *place_at(uint32_t offset)
{
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		if (places[i].offset == offset)
			return &places[i];
	}
	return NULL;
}

static void prepare_all(void)
{
	go_live();
	set(R(DEVICE_FEATURES_SEL), 1);
	set(R(QUEUE_SEL), 1);
	set(R(SHM_SEL), 7);
	viommu_registers_config_changed(&fixture.regs);
	viommu_registers_interrupt(&fixture.regs, 0);
	memset(&heard, 0, sizeof heard);
	heard.line = true;
}

static const uint32_t widths[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 32, 0x80000000, UINT32_MAX };

/* Little-endian bytes of the configuration space, whatever the processor. */
static uint64_t config_bytes(uint32_t at, uint32_t width)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < width; i++)
		value |= (uint64_t)(at + i < REGISTER_CONFIG ? 0x10 + at + i : 0) << (8 * i);
	return value;
}

static bool is_config_access(uint32_t offset, uint32_t width)
{
	return offset >= R(CONFIG) && (width == 1 || width == 2 || width == 4 || width == 8) && offset % width == 0;
}

static void test_mmio_device__read_at_every_offset_and_width__as_the_table_says(void **state)
{
	(void)state;
	prepare_all();
	for (uint32_t offset = 0; offset < END; offset++) {
		for (size_t i = 0; i < COUNT_OF(widths); i++) {
			const struct place *place = place_at(offset);
			uint64_t expected = 0;

			if (is_config_access(offset, widths[i]))
				expected = config_bytes(offset - R(CONFIG), widths[i]);
			else if (place != NULL && widths[i] == 4 && place->readable)
				expected = place->value;
			assert_true(viommu_mmio_read(&mmio, offset, widths[i]) == expected);
		}
	}
	assert_int_equal(heard.line_changes + heard.notifications, 0);
	assert_true(viommu_mmio_check(&mmio));
}

static void assert_parts_as(const struct viommu_register_queue *before)
{
	for (uint32_t i = 0; i < REGISTER_QUEUES; i++) {
		const struct viommu_virtq_layout *a = &before[i].layout, *b = &parts[i].layout;

		assert_true(a->size == b->size && a->desc == b->desc && a->avail == b->avail && a->used == b->used);
		assert_int_equal(before[i].vector, parts[i].vector);
	}
}

/* Nothing but registers that may be written, in their width, changes anything. */
static void test_mmio_device__write_at_every_other_offset_and_width__nothing(void **state)
{
	struct register_fixture fixture_before;
	struct viommu_register_queue parts_before[REGISTER_QUEUES];
	struct viommu_mmio before;
	uint32_t writes = 0;

	(void)state;
	prepare_all();
	set(R(SHM_SEL), 0);
	memcpy(&before, &mmio, sizeof before);
	memcpy(&fixture_before, &fixture, sizeof fixture_before);
	memcpy(parts_before, parts, sizeof parts_before);
	for (uint32_t offset = 0; offset < END; offset++) {
		for (size_t i = 0; i < COUNT_OF(widths); i++) {
			const struct place *place = place_at(offset);

			if (is_config_access(offset, widths[i]) || (place != NULL && widths[i] == 4 && place->writable))
				continue;
			viommu_mmio_write(&mmio, offset, widths[i], 0);
			viommu_mmio_write(&mmio, offset, widths[i], UINT64_MAX);
			writes++;
		}
	}
	assert_true(writes > 3000);
	assert_memory_equal(&before, &mmio, sizeof before);
	assert_memory_equal(&fixture_before, &fixture, sizeof fixture_before);
	assert_parts_as(parts_before);
	assert_int_equal(heard.line_changes + heard.notifications, 0);
}

/* Each register that can be written arrives where it belongs. */
static void test_mmio_device__writes__arrive(void **state)
{
	struct viommu_virtq_layout l = register_fixture_layout(1);

	(void)state;
	set(0x014, 1);
	assert_true(get(0x010) == (uint32_t)(REGISTER_RING_FEATURES >> 32));
	set(0x014, 0);
	assert_true(get(0x010) == (uint32_t)(REGISTER_RING_FEATURES | REGISTER_FEATURES));
	go_live();
	assert_int_equal(fixture.regs.features >> 32, VIOMMU_F_VERSION_1 >> 32);
	assert_int_equal(fixture.queues[1].size, 8);
	assert_int_equal(parts[1].layout.size, 8);
	assert_true(parts[1].layout.desc == l.desc && parts[1].layout.avail == l.avail &&
		    parts[1].layout.used == l.used);
	assert_int_equal(viommu_virtq_device_state(&fixture.queues[0]), VIOMMU_VIRTQ_READY);
	set(0x030, REGISTER_QUEUES);
	assert_int_equal(get(0x034), 0);
	assert_int_equal(get(0x044), 0);
	set(0x0fc, 9);
	assert_int_equal(get(0x0fc), 0);
	viommu_registers_config_changed(&fixture.regs); /* MMIO-DEV-REG-05 */
	assert_int_equal(get(0x0fc), 1);
}

/* All parts of the queue that is selected. */
static void store_queue(uint32_t value)
{
	static const uint32_t offsets[] = { R(QUEUE_SIZE),        R(QUEUE_DESC_LOW),    R(QUEUE_DESC_HIGH),
					    R(QUEUE_DRIVER_LOW),  R(QUEUE_DRIVER_HIGH), R(QUEUE_DEVICE_LOW),
					    R(QUEUE_DEVICE_HIGH), R(QUEUE_READY) };

	for (size_t i = 0; i < COUNT_OF(offsets); i++)
		viommu_mmio_write(&mmio, offsets[i], 4, value);
}

static void use_no_queue(uint32_t number)
{
	set(R(QUEUE_SEL), number);
	assert_int_equal(get(R(QUEUE_SIZE_MAX)), 0);
	store_queue(1);
	viommu_mmio_write(&mmio, R(QUEUE_NOTIFY), 4, number);
	assert_int_equal(get(R(QUEUE_READY)) + get(R(QUEUE_RESET)), 0);
}

/* An emulator took a queue number for an index that was negative, or too large once its upper half was cut off. */
static void test_mmio_device__every_queue_number__only_those_that_are_there(void **state)
{
	struct register_fixture fixture_before;
	struct viommu_register_queue parts_before[REGISTER_QUEUES];

	(void)state;
	go_live();
	memcpy(&fixture_before, &fixture, sizeof fixture_before);
	memcpy(parts_before, parts, sizeof parts_before);
	for (uint32_t number = REGISTER_QUEUES; number < 0x20000; number++)
		use_no_queue(number);
	for (uint32_t upper = 2; upper <= UINT16_MAX; upper++) {
		use_no_queue(upper << 16);
		use_no_queue(upper << 16 | 1);
		use_no_queue(upper << 16 | UINT16_MAX);
	}
	assert_memory_equal(&fixture_before, &fixture, sizeof fixture_before);
	assert_parts_as(parts_before);
	assert_int_equal(heard.line_changes, 0);
	assert_int_equal(heard.queue, VIOMMU_REGISTER_NO_QUEUE); /* stores to QUEUE_READY, and no kick */
}

/* A small hypervisor let a running queue be moved and resized, and wrote outside of it. */
static void test_mmio_device__queue_stored_after_driver_ok__stays_as_it_is(void **state)
{
	static const uint32_t values[] = { 1, 2, 4, 7, 9, 16, 0x8000, UINT32_MAX };
	struct register_fixture fixture_before;
	struct viommu_register_queue parts_before[REGISTER_QUEUES];

	(void)state;
	go_live();
	memcpy(&fixture_before, &fixture, sizeof fixture_before);
	memcpy(parts_before, parts, sizeof parts_before);
	for (uint32_t queue = 0; queue < REGISTER_QUEUES; queue++) {
		set(R(QUEUE_SEL), queue);
		for (size_t i = 0; i < COUNT_OF(values); i++)
			store_queue(values[i]);
		assert_int_equal(get(R(QUEUE_READY)), 1);
	}
	assert_memory_equal(&fixture_before, &fixture, sizeof fixture_before);
	assert_parts_as(parts_before);
}

static void test_mmio_device__bits_beyond_the_width__dropped(void **state)
{
	(void)state;
	set(R(STATUS), UINT64_C(0xdead00000000) | ACK_DRIVER);
	assert_int_equal(get(R(STATUS)), ACK_DRIVER);
	set(R(STATUS), UINT64_C(0xdead00000000)); /* a 0 */
	assert_int_equal(get(R(STATUS)), 0);
	viommu_mmio_write(&mmio, R(CONFIG), 1, 0x1ff);
	assert_int_equal(viommu_mmio_read(&mmio, R(CONFIG), 2), 0x11ff);
	viommu_mmio_write(&mmio, R(CONFIG) + 2, 2, 0xabcdef);
	assert_int_equal(get(R(CONFIG)), 0xcdef11ff);
}

static void test_mmio_device__shared_memory__no_region(void **state)
{
	static const uint32_t ids[] = { 0, 1, 255, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ids); i++) {
		set(R(SHM_SEL), ids[i]);
		for (uint32_t offset = R(SHM_LEN_LOW); offset <= R(SHM_BASE_HIGH); offset += 4)
			assert_true(get(offset) == UINT32_MAX);
	}
}

/* The configuration space */

/* GEN-DEV-CONFIG-01 */
static void test_mmio_config__any_width__little_endian(void **state)
{
	(void)state;
	assert_true(viommu_mmio_read(&mmio, R(CONFIG) + 8, 8) == UINT64_C(0x1f1e1d1c1b1a1918));
	for (uint32_t width = 1; width <= 8; width *= 2) {
		for (uint32_t at = 0; at + width <= REGISTER_CONFIG; at += width) {
			uint32_t writes = fixture.fake.config_writes;

			memset(fixture.fake.config, 0, sizeof fixture.fake.config);
			viommu_mmio_write(&mmio, R(CONFIG) + at, width, UINT64_C(0x8877665544332211));
			assert_int_equal(fixture.fake.config_writes, writes + 1);
			for (uint32_t i = 0; i < REGISTER_CONFIG; i++)
				assert_int_equal(fixture.fake.config[i],
						 i >= at && i < at + width ? 0x11 * (i - at + 1) : 0);
		}
	}
}

static void test_mmio_config__not_aligned__nothing(void **state)
{
	(void)state;
	for (uint32_t width = 2; width <= 8; width *= 2) {
		for (uint32_t at = 1; at < width; at++) {
			viommu_mmio_write(&mmio, R(CONFIG) + at, width, 0);
			assert_true(viommu_mmio_read(&mmio, R(CONFIG) + at, width) == 0);
		}
	}
	assert_int_equal(fixture.fake.config_writes, 0);
	assert_int_equal(heard.notifications, 0);
}

static void test_mmio_config__far_behind_the_end__0(void **state)
{
	static const uint32_t far[] = { R(CONFIG) + REGISTER_CONFIG, 0x1000, 0x7ffffff8, 0xfffffff8 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(far); i++) {
		for (uint32_t width = 1; width <= 8; width *= 2) {
			viommu_mmio_write(&mmio, far[i], width, UINT64_MAX);
			assert_true(viommu_mmio_read(&mmio, far[i], width) == 0);
		}
	}
	assert_true(viommu_mmio_read(&mmio, R(CONFIG), 4) == 0x13121110);
}

/* Kicks */

static void test_mmio_notify__kick__told_with_its_value(void **state)
{
	(void)state;
	go_live();
	set(R(QUEUE_NOTIFY), 1);
	assert_int_equal(heard.notifications, 1);
	assert_int_equal(heard.queue, 1);
	assert_int_equal(heard.value, 1);
	set(R(STATUS), 0);
	go_live_with(VIOMMU_F_NOTIFICATION_DATA);
	set(R(QUEUE_NOTIFY), 0x7fff0000);
	assert_int_equal(heard.notifications, 1);
	assert_int_equal(heard.queue, 0);
	assert_int_equal(heard.value, 0x7fff0000);
}

static void test_mmio_notify__no_such_queue__nobody_is_told(void **state)
{
	(void)state;
	go_live();
	set(R(QUEUE_NOTIFY), REGISTER_QUEUES);
	set(R(QUEUE_NOTIFY), 0xffff);
	set(R(QUEUE_NOTIFY), 0x10000); /* without NOTIFICATION_DATA this is no place in queue 0 */
	set(R(QUEUE_NOTIFY), UINT32_MAX);
	assert_int_equal(heard.notifications, 0);
}

static void test_mmio_notify__status_and_configuration__told_when_it_is_done(void **state)
{
	(void)state;
	set(R(STATUS), ACK_ONLY);
	assert_int_equal(heard.notifications, 1);
	assert_true(heard.queue == VIOMMU_REGISTER_NO_QUEUE);
	assert_int_equal(heard.status, ACK_ONLY);
	heard.queue = 0;
	viommu_mmio_write(&mmio, R(CONFIG), 1, 0xee);
	assert_int_equal(heard.notifications, 2);
	assert_true(heard.queue == VIOMMU_REGISTER_NO_QUEUE);
	assert_int_equal(heard.config, 0xee);
	set(R(QUEUE_SEL), 1);
	set(R(INTERRUPT_ACK), 3);
	(void)get(R(STATUS));
	assert_int_equal(heard.notifications, 2);
}

/* The line */

/* MMIO-DEV-REG-03, MMIO-DEV-INT-01 */
static void test_mmio_interrupt__pending__line_is_high_until_all_is_acknowledged(void **state)
{
	(void)state;
	go_live();
	viommu_registers_interrupt(&fixture.regs, 1);
	assert_int_equal(get(R(INTERRUPT_STATUS)), 1);
	assert_true(heard.line && heard.line_changes == 1);
	viommu_registers_interrupt(&fixture.regs, 0);
	viommu_registers_config_changed(&fixture.regs);
	assert_int_equal(get(R(INTERRUPT_STATUS)), 3);
	assert_true(heard.line && heard.line_changes == 1);
	set(R(INTERRUPT_ACK), 0);
	set(R(INTERRUPT_ACK), 0xfffffffc);
	assert_int_equal(get(R(INTERRUPT_STATUS)), 3);
	set(R(INTERRUPT_ACK), 1);
	assert_int_equal(get(R(INTERRUPT_STATUS)), 2);
	assert_true(heard.line && heard.line_changes == 1);
	set(R(INTERRUPT_ACK), 2);
	assert_int_equal(get(R(INTERRUPT_STATUS)), 0);
	assert_true(!heard.line && heard.line_changes == 2);
	set(R(INTERRUPT_ACK), 3);
	assert_int_equal(heard.line_changes, 2);
	assert_int_equal(get(R(INTERRUPT_STATUS)), 0);
}

/* GEN-DEV-STATUS-03 */
static void test_mmio_interrupt__needs_reset__configuration_change(void **state)
{
	(void)state;
	go_live();
	viommu_registers_needs_reset(&fixture.regs);
	assert_int_equal(get(R(INTERRUPT_STATUS)), 2);
	assert_int_equal(get(R(STATUS)), RUNNING | VIOMMU_STATUS_NEEDS_RESET);
	assert_true(heard.line);
}

/* Resets and queues */

/* MMIO-DEV-REG-04 */
static void test_mmio_reset__interrupts_and_queues__gone(void **state)
{
	(void)state;
	prepare_all();
	set(R(STATUS), 0);
	assert_true(!heard.line && heard.line_changes == 1);
	assert_int_equal(get(R(INTERRUPT_STATUS)), 0);
	assert_int_equal(get(R(STATUS)), 0);
	for (uint32_t queue = 0; queue < REGISTER_QUEUES; queue++) {
		set(R(QUEUE_SEL), queue);
		assert_int_equal(get(R(QUEUE_READY)), 0);
	}
	go_live(); /* from the start, with selectors and sizes as new */
}

static void test_mmio_reset__not_complete__says_so_and_stores_nothing(void **state)
{
	(void)state;
	prepare_all();
	fixture.fake.settled = false;
	set(R(STATUS), 0);
	assert_int_equal(get(R(STATUS)), VIOMMU_STATUS_NEEDS_RESET);
	assert_int_equal(get(R(INTERRUPT_STATUS)), 0);
	assert_false(heard.line);
	set(R(STATUS), RUNNING);
	assert_int_equal(get(R(STATUS)), VIOMMU_STATUS_NEEDS_RESET);
	set(R(QUEUE_READY), 1);
	viommu_mmio_write(&mmio, R(CONFIG), 1, 0xee);
	assert_int_equal(fixture.fake.config_writes, 0);
	assert_int_equal(get(R(QUEUE_READY)), 1); /* MMIO-DEV-REG-06: something may go on */
	assert_int_equal(get(R(QUEUE_RESET)), 0); /* MMIO-DEV-REG-07 */
	fixture.fake.settled = true;
	assert_int_equal(get(R(QUEUE_READY)), 0);
	assert_int_equal(get(R(STATUS)), 0);
	go_live();
}

/* MMIO-DEV-REG-06. The driver reads it back: it is 0 when nothing of the queue is going on any more. */
static void test_mmio_queue_ready__0__reads_1_until_the_queue_has_stopped(void **state)
{
	(void)state;
	go_live();
	fixture.fake.settled = false;
	set(R(QUEUE_READY), 0);
	assert_int_equal(heard.notifications, 1);
	assert_true(heard.queue == VIOMMU_REGISTER_NO_QUEUE);
	assert_int_equal(get(R(QUEUE_READY)), 1);
	assert_int_equal(get(R(QUEUE_RESET)), 0); /* not negotiated */
	assert_int_equal(viommu_virtq_device_state(&fixture.queues[1]), VIOMMU_VIRTQ_OFF);
	set(R(QUEUE_SIZE), 4); /* not before it has stopped */
	assert_int_equal(parts[1].layout.size, 8);
	set(R(QUEUE_READY), 1);
	assert_int_equal(viommu_virtq_device_state(&fixture.queues[1]), VIOMMU_VIRTQ_OFF);
	fixture.fake.settled = true;
	assert_int_equal(get(R(QUEUE_READY)), 0);
	set(R(QUEUE_SIZE), 4);
	set(R(QUEUE_READY), 1); /* where it was */
	assert_int_equal(get(R(QUEUE_READY)), 1);
	assert_int_equal(fixture.queues[1].size, 4);
	assert_int_equal(viommu_virtq_device_state(&fixture.queues[0]), VIOMMU_VIRTQ_READY);
}

/* MMIO-DEV-REG-07 to -10 */
static void test_mmio_queue_reset__negotiated__reads_1_until_it_is_done(void **state)
{
	(void)state;
	go_live_with(VIOMMU_F_RING_RESET);
	set(R(QUEUE_SEL), 1);
	assert_int_equal(get(R(QUEUE_RESET)), 0);
	set(R(QUEUE_RESET), 0);
	set(R(QUEUE_RESET), 2);
	assert_int_equal(fixture.fake.queue_resets, 0);
	fixture.fake.settled = false;
	heard.notifications = 0;
	set(R(QUEUE_RESET), 1);
	assert_int_equal(fixture.fake.queue_resets, 1);
	assert_int_equal(heard.notifications, 1);
	assert_true(heard.queue == VIOMMU_REGISTER_NO_QUEUE);
	assert_int_equal(get(R(QUEUE_RESET)), 1);
	set(R(QUEUE_READY), 1);
	assert_int_equal(viommu_virtq_device_state(&fixture.queues[1]), VIOMMU_VIRTQ_OFF);
	fixture.fake.settled = true;
	assert_int_equal(get(R(QUEUE_RESET)), 0);
	assert_int_equal(get(R(QUEUE_READY)), 0);
	set(R(QUEUE_READY), 1); /* nowhere: GEN-DEV-VQRESET-02 */
	assert_int_equal(get(R(QUEUE_READY)), 0);
	lay_out(1);
	assert_int_equal(parts[1].layout.size, REGISTER_QUEUE_SIZE);
	set(R(QUEUE_READY), 1);
	assert_int_equal(get(R(QUEUE_READY)), 1);
	assert_int_equal(get(R(QUEUE_RESET)), 0);
	set(R(QUEUE_SEL), 0);
	assert_int_equal(get(R(QUEUE_READY)), 1);
	set(R(QUEUE_SEL), REGISTER_QUEUES);
	set(R(QUEUE_RESET), 1);
	assert_int_equal(get(R(QUEUE_RESET)), 0);
	assert_int_equal(fixture.fake.queue_resets, 1);
	set(R(STATUS), 0);
	set(R(QUEUE_SEL), 1);
	assert_int_equal(get(R(QUEUE_RESET)), 0);
}

static void test_mmio_queue_reset__not_negotiated__reads_0(void **state)
{
	(void)state;
	go_live();
	assert_int_equal(get(R(QUEUE_RESET)), 0);
	set(R(QUEUE_RESET), 1);
	assert_int_equal(get(R(QUEUE_RESET)), 0);
	assert_int_equal(get(R(QUEUE_READY)), 1);
}

/* The checks */

static int make_busy(void **state)
{
	assert_int_equal(make(state), 0);
	prepare_all();
	check_protect(&mmio, sizeof mmio);
	check_protect(parts, sizeof parts);
	check_protect(&fixture, sizeof fixture);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	check_protect_none();
	return 0;
}

static bool mmio_is_valid(void)
{
	return viommu_mmio_is_valid(&mmio);
}

static bool mmio_check(void)
{
	return viommu_mmio_check(&mmio);
}

/* clang-format off */
#define CASES(X)												\
	X(AT_ONCE, file_is_not_valid, mmio.file.queues = NULL)							\
	X(AT_ONCE, no_ops, mmio.ops = NULL)									\
	X(AT_ONCE, placeholder, mmio.device_id = 0)								\
	X(AT_ONCE, registers_without_interrupts, fixture.regs.interrupts = NULL)				\
	X(AT_ONCE, registers_interrupt_somebody_else, fixture.regs.interrupt_ctx = NULL)			\
	X(AT_ONCE, line_is_low, mmio.line = false)								\
	X(AT_ONCE, line_is_high_for_nothing, mmio.file.pending = 0)						\
	X(IN_DETAIL, vectors, parts[1].vector = 0)
/* clang-format on */

CASES(DEFINE_CASE)

static void test_mmio_check__each_condition__is_seen(void **state)
{
	static const struct check_case cases[] = { CASES(LIST_CASE) };

	(void)state;
	check_run(cases, COUNT_OF(cases), mmio_is_valid, mmio_check);
}

#define TEST(f) cmocka_unit_test_setup(f, make)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_mmio_init__wrong_configuration__refused),
		TEST(test_mmio_device__identity__as_configured),
		TEST(test_mmio_device__read_at_every_offset_and_width__as_the_table_says),
		TEST(test_mmio_device__write_at_every_other_offset_and_width__nothing),
		TEST(test_mmio_device__writes__arrive),
		TEST(test_mmio_device__every_queue_number__only_those_that_are_there),
		TEST(test_mmio_device__queue_stored_after_driver_ok__stays_as_it_is),
		TEST(test_mmio_device__bits_beyond_the_width__dropped),
		TEST(test_mmio_device__shared_memory__no_region),
		TEST(test_mmio_config__any_width__little_endian),
		TEST(test_mmio_config__not_aligned__nothing),
		TEST(test_mmio_config__far_behind_the_end__0),
		TEST(test_mmio_notify__kick__told_with_its_value),
		TEST(test_mmio_notify__no_such_queue__nobody_is_told),
		TEST(test_mmio_notify__status_and_configuration__told_when_it_is_done),
		TEST(test_mmio_interrupt__pending__line_is_high_until_all_is_acknowledged),
		TEST(test_mmio_interrupt__needs_reset__configuration_change),
		TEST(test_mmio_reset__interrupts_and_queues__gone),
		TEST(test_mmio_reset__not_complete__says_so_and_stores_nothing),
		TEST(test_mmio_queue_ready__0__reads_1_until_the_queue_has_stopped),
		TEST(test_mmio_queue_reset__negotiated__reads_1_until_it_is_done),
		TEST(test_mmio_queue_reset__not_negotiated__reads_0),
		cmocka_unit_test_setup_teardown(test_mmio_check__each_condition__is_seen, make_busy, unmake),
	};

	return suite_run(tests);
}
