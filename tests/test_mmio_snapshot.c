/* SPDX-License-Identifier: BSD-3-Clause */
/* test_mmio_snapshot.c: save and restore of virtio-mmio, the device's side. */
#include "register_fixture.h"
#include "snapshot_bytes.h"
#include "suite.h"

#include <viommu/snapshot.h>
#include <viommu/transport/snapshot.h>

#define R(name) VIOMMU_MMIO_##name
#define VENDOR 0x55667788u

/* In the bytes: see docs/snapshot.md. */
enum {
	SECTION_MMIO,
	SECTION_FILE
};
#define AT_CONFIG_VECTOR 16u
#define AT_PENDING 20u
#define AT_QUEUE(n) (24u + 32u * (n))

struct side {
	struct register_fixture fixture;
	struct viommu_mmio mmio;
	struct viommu_register_queue parts[REGISTER_QUEUES];
	bool line;
	uint32_t line_changes;
};

static struct side source, target;
static uint8_t saved[512], again[512];
static size_t saved_len;

static void set_line(void *ctx, bool high)
{
	struct side *side = ctx;

	assert_true(high != side->line);
	side->line = high;
	side->line_changes++;
}

static void notify(void *ctx, uint32_t queue, uint32_t value)
{
	(void)ctx;
	(void)queue;
	(void)value;
}

static const struct viommu_mmio_ops ops = { .size = sizeof ops, .set_line = set_line, .notify = notify };

static void make(struct side *side, uint32_t device_id, uint32_t vendor_id)
{
	struct viommu_mmio_config config = VIOMMU_MMIO_CONFIG_INIT;

	memset(side, 0, sizeof *side);
	register_fixture_init(&side->fixture, &viommu_mmio_interrupt_ops, &side->mmio);
	config.device_id = device_id;
	config.vendor_id = vendor_id;
	config.registers = &side->fixture.regs;
	config.queues = side->parts;
	config.ops = &ops;
	config.ops_ctx = side;
	assert_int_equal(viommu_mmio_init(&side->mmio, &config), VIOMMU_OK);
}

static uint32_t get(struct side *side, uint32_t offset)
{
	return (uint32_t)viommu_mmio_read(&side->mmio, offset, 4);
}

static void set(struct side *side, uint32_t offset, uint32_t value)
{
	viommu_mmio_write(&side->mmio, offset, 4, value);
	assert_true(viommu_mmio_check(&side->mmio));
}

static void save(struct side *side)
{
	assert_int_equal(viommu_mmio_save(&side->mmio, saved, sizeof saved, &saved_len), VIOMMU_OK);
	assert_int_equal(saved_len, viommu_mmio_save_size(&side->mmio));
}

static enum viommu_result restore(void)
{
	enum viommu_result result = viommu_mmio_restore(&target.mmio, saved, saved_len);

	assert_true(viommu_mmio_check(&target.mmio) && target.line == target.mmio.line);
	return result;
}

/* Up, with queue 1 enabled, queue 0 half stored and selected, upper halves selected, both interrupts waiting. */
static void live(struct side *side)
{
	struct viommu_virtq_layout layout = register_fixture_layout(1);

	set(side, R(STATUS), ACK_ONLY);
	set(side, R(STATUS), ACK_DRIVER);
	set(side, R(DEVICE_FEATURES_SEL), 1);
	set(side, R(DRIVER_FEATURES_SEL), 1);
	set(side, R(DRIVER_FEATURES), get(side, R(DEVICE_FEATURES)));
	set(side, R(STATUS), AGREED);
	set(side, R(QUEUE_SEL), 1);
	set(side, R(QUEUE_DESC_LOW), (uint32_t)layout.desc);
	set(side, R(QUEUE_DESC_HIGH), (uint32_t)(layout.desc >> 32));
	set(side, R(QUEUE_DRIVER_LOW), (uint32_t)layout.avail);
	set(side, R(QUEUE_DRIVER_HIGH), (uint32_t)(layout.avail >> 32));
	set(side, R(QUEUE_DEVICE_LOW), (uint32_t)layout.used);
	set(side, R(QUEUE_DEVICE_HIGH), (uint32_t)(layout.used >> 32));
	set(side, R(QUEUE_READY), 1);
	assert_int_equal(get(side, R(QUEUE_READY)), 1);
	set(side, R(STATUS), RUNNING);
	set(side, R(QUEUE_SEL), 0);
	set(side, R(QUEUE_SIZE), 4);
	set(side, R(QUEUE_DRIVER_LOW), 0x1230);
	viommu_registers_interrupt(&side->fixture.regs, 1);
	viommu_registers_config_changed(&side->fixture.regs);
}

/* The registers themselves are as whoever owns them has restored them. */
static void setup(void)
{
	make(&source, VIOMMU_DEVICE_ID, VENDOR);
	live(&source);
	save(&source);
	make(&target, VIOMMU_DEVICE_ID, VENDOR);
	target.fixture.regs.status = source.fixture.regs.status;
	target.fixture.regs.features = source.fixture.regs.features;
	target.fixture.regs.generation = source.fixture.regs.generation;
	memcpy(target.fixture.queues, source.fixture.queues, sizeof target.fixture.queues);
}

static void assert_refused(enum viommu_result result)
{
	struct viommu_mmio before = target.mmio;
	struct viommu_register_queue parts[REGISTER_QUEUES];

	memcpy(parts, target.parts, sizeof parts);
	assert_int_equal(restore(), result);
	assert_memory_equal(&target.mmio, &before, sizeof before);
	assert_memory_equal(target.parts, parts, sizeof parts);
	assert_int_equal(target.line_changes, 0);
}

static void assert_refused_with(uint8_t *at, unsigned bytes, uint64_t value, enum viommu_result result)
{
	uint64_t before = snapshot_get(at, bytes);

	snapshot_put(at, bytes, value);
	snapshot_mend(saved, saved_len);
	assert_refused(result);
	snapshot_put(at, bytes, before);
	snapshot_mend(saved, saved_len);
}

static void test_mmio_snapshot__restored__reads_the_same(void **state)
{
	size_t len;

	(void)state;
	setup();
	assert_int_equal(restore(), VIOMMU_OK);
	assert_int_equal(target.line_changes, 1);
	assert_true(target.line);
	assert_int_equal(viommu_mmio_save(&target.mmio, again, sizeof again, &len), VIOMMU_OK);
	assert_int_equal(len, saved_len);
	assert_memory_equal(again, saved, len);
	for (uint32_t queue = 0; queue < REGISTER_QUEUES; queue++) {
		for (uint32_t offset = 0; offset < R(CONFIG) + REGISTER_CONFIG; offset += 4)
			assert_int_equal(get(&target, offset), get(&source, offset));
		set(&source, R(QUEUE_SEL), 1 - queue);
		set(&target, R(QUEUE_SEL), 1 - queue);
	}
}

/* A register that was stored half is stored to the end; and the line falls when all is acknowledged. */
static void test_mmio_snapshot__restored__driver_goes_on(void **state)
{
	(void)state;
	setup();
	assert_int_equal(restore(), VIOMMU_OK);
	assert_int_equal(target.parts[0].layout.avail, 0x1230);
	set(&target, R(QUEUE_DRIVER_HIGH), 0x5);
	assert_int_equal(target.parts[0].layout.avail, UINT64_C(0x500001230));
	assert_int_equal(target.parts[0].layout.size, 4);
	assert_int_equal(get(&target, R(INTERRUPT_STATUS)), VIOMMU_INTERRUPT_USED | VIOMMU_INTERRUPT_CONFIG);
	set(&target, R(INTERRUPT_ACK), VIOMMU_INTERRUPT_USED);
	assert_true(target.line);
	set(&target, R(INTERRUPT_ACK), VIOMMU_INTERRUPT_CONFIG);
	assert_false(target.line);
}

/* What the target was before is gone: so is its interrupt. */
static void test_mmio_snapshot__target_was_in_use__nothing_of_it_left(void **state)
{
	(void)state;
	make(&source, VIOMMU_DEVICE_ID, VENDOR);
	save(&source);
	make(&target, VIOMMU_DEVICE_ID, VENDOR);
	target.fixture.regs.status = ACK_ONLY;
	viommu_registers_interrupt(&target.fixture.regs, 0);
	set(&target, R(QUEUE_SEL), 1);
	set(&target, R(QUEUE_SIZE), 2);
	assert_int_equal(restore(), VIOMMU_OK);
	assert_false(target.line);
	assert_int_equal(target.line_changes, 2);
	assert_int_equal(target.mmio.file.queue_select, 0);
	assert_int_equal(target.parts[1].layout.size, REGISTER_QUEUE_SIZE);
}

/* What version 1 wrote once: it is read for ever, and written as long as it is the same. */
static void test_mmio_snapshot__of_version_1__read_and_written(void **state)
{
	size_t len;

	(void)state;
	setup();
	len = snapshot_golden("mmio-1.bin", saved, saved_len, again, sizeof again);
	assert_int_equal(len, saved_len);
	assert_memory_equal(again, saved, len);
	memcpy(saved, again, len);
	assert_int_equal(restore(), VIOMMU_OK);
}

static void test_mmio_snapshot__any_bit_flipped_or_cut_off__refused(void **state)
{
	size_t whole;

	(void)state;
	setup();
	whole = saved_len;
	for (size_t bit = 0; bit < 8 * whole; bit++) {
		saved[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_refused(VIOMMU_E_PEER);
		saved[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (saved_len = 0; saved_len < whole; saved_len++)
		assert_refused(VIOMMU_E_PEER);
}

/* Cut off and mended: the sections do not fit. */
static void test_mmio_snapshot__sections_that_do_not_fit__peer(void **state)
{
	size_t whole;

	(void)state;
	setup();
	whole = saved_len;
	for (size_t len = 24; len < whole; len += 4) {
		setup();
		saved_len = len;
		snapshot_mend(saved, saved_len);
		assert_refused(VIOMMU_E_PEER);
	}
	/* The last section is shorter, for itself; too short for its head; longer; and there is another one. */
	setup();
	saved_len -= 4;
	snapshot_put(snapshot_section(saved, SECTION_FILE) - 8, 8, 24 + 64 - 4);
	snapshot_mend(saved, saved_len);
	assert_refused(VIOMMU_E_PEER);
	setup();
	saved_len -= 68;
	snapshot_put(snapshot_section(saved, SECTION_FILE) - 8, 8, 20);
	snapshot_mend(saved, saved_len);
	assert_refused(VIOMMU_E_PEER);
	setup();
	saved_len -= 88;
	snapshot_put(snapshot_section(saved, SECTION_FILE) - 8, 8, 0);
	snapshot_mend(saved, saved_len);
	assert_refused(VIOMMU_E_PEER);
	setup();
	saved_len += 4;
	snapshot_put(snapshot_section(saved, SECTION_FILE) - 8, 8, 24 + 64 + 4);
	snapshot_mend(saved, saved_len);
	assert_refused(VIOMMU_E_PEER);
	setup();
	saved_len += 4;
	snapshot_mend(saved, saved_len);
	assert_refused(VIOMMU_E_PEER);
	setup();
	assert_refused_with(snapshot_section(saved, SECTION_FILE) - 12, 1, 'g', VIOMMU_E_PEER);
	assert_refused_with(snapshot_section(saved, SECTION_MMIO) - 12, 1, 'n', VIOMMU_E_PEER);
	assert_refused_with(saved + 8, 4, VIOMMU_SNAPSHOT_VERSION + 1, VIOMMU_E_ABI);
}

static void test_mmio_snapshot__driver_was_shown_something_else__unsupp(void **state)
{
	(void)state;
	setup();
	make(&target, VIOMMU_DEVICE_ID, VENDOR + 1);
	assert_refused(VIOMMU_E_UNSUPP);
	make(&target, VIOMMU_DEVICE_ID + 1, VENDOR);
	assert_refused(VIOMMU_E_UNSUPP);
	setup();
	assert_refused_with(snapshot_section(saved, SECTION_FILE), 4, REGISTER_QUEUES + 1, VIOMMU_E_UNSUPP);
}

static void test_mmio_snapshot__contradictions__peer(void **state)
{
	uint8_t *file;

	(void)state;
	setup();
	file = snapshot_section(saved, SECTION_FILE);
	assert_refused_with(file + AT_CONFIG_VECTOR, 4, 0, VIOMMU_E_PEER); /* there are no vectors */
	assert_refused_with(file + AT_CONFIG_VECTOR, 4, 0x1ffff, VIOMMU_E_PEER);
	assert_refused_with(file + AT_PENDING, 4, 4, VIOMMU_E_PEER);
	assert_refused_with(file + AT_QUEUE(0) + 4, 4, 0, VIOMMU_E_PEER);
	assert_refused_with(file + AT_QUEUE(1) + 4, 4, 0x1ffff, VIOMMU_E_PEER);
	/* Queue 1 is in use: it is where it is. Queue 0 is not. */
	assert_refused_with(file + AT_QUEUE(1), 4, 8, VIOMMU_E_PEER);
	assert_refused_with(file + AT_QUEUE(1) + 8, 8, 0, VIOMMU_E_PEER);
	assert_refused_with(file + AT_QUEUE(1) + 16, 8, 0, VIOMMU_E_PEER);
	assert_refused_with(file + AT_QUEUE(1) + 24, 8, 0, VIOMMU_E_PEER);
	snapshot_put(file + AT_QUEUE(0) + 8, 8, 0x77777);
	snapshot_mend(saved, saved_len);
	assert_int_equal(restore(), VIOMMU_OK);
}

static void test_mmio_snapshot__reset_goes_on__busy(void **state)
{
	(void)state;
	setup();
	source.fixture.fake.settled = false;
	set(&source, R(STATUS), 0);
	assert_int_equal(viommu_mmio_save(&source.mmio, again, sizeof again, &saved_len), VIOMMU_E_BUSY);
	setup();
	target.fixture.fake.settled = false;
	set(&target, R(STATUS), 0);
	assert_refused(VIOMMU_E_BUSY);
	target.fixture.fake.settled = true;
	assert_int_equal(restore(), VIOMMU_OK);
}

static void test_mmio_snapshot__too_little_room__nothing_written(void **state)
{
	size_t len = 1234;

	(void)state;
	setup();
	memset(again, 0xa5, sizeof again);
	assert_int_equal(viommu_mmio_save(&source.mmio, again, saved_len - 1, &len), VIOMMU_E_FULL);
	assert_int_equal(len, 1234);
	for (size_t i = 0; i < sizeof again; i++)
		assert_int_equal(again[i], 0xa5);
}

/* Bytes of somebody who knows how to make a checksum. What is accepted says the same when it is saved again. */
static void test_mmio_snapshot__any_byte_another_one_and_mended__refused_or_as_it_says(void **state)
{
	static const uint8_t values[] = { 0, 1, 2, 3, 4, 8, 0x10, 0x20, 0x40, 0x7f, 0x80, 0xfe, 0xff };
	unsigned accepted = 0;
	size_t len;

	(void)state;
	setup();
	for (size_t at = 20; at < saved_len - 4; at++) {
		uint8_t before = saved[at];

		for (size_t i = 0; i < sizeof(values); i++) {
			saved[at] = values[i];
			snapshot_mend(saved, saved_len);
			if (restore() != VIOMMU_OK)
				continue;
			accepted++;
			assert_int_equal(viommu_mmio_save(&target.mmio, again, sizeof(again), &len), VIOMMU_OK);
			assert_int_equal(len, saved_len);
			assert_memory_equal(again, saved, len);
		}
		saved[at] = before;
	}
	assert_true(accepted > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mmio_snapshot__restored__reads_the_same),
		cmocka_unit_test(test_mmio_snapshot__restored__driver_goes_on),
		cmocka_unit_test(test_mmio_snapshot__target_was_in_use__nothing_of_it_left),
		cmocka_unit_test(test_mmio_snapshot__of_version_1__read_and_written),
		cmocka_unit_test(test_mmio_snapshot__any_bit_flipped_or_cut_off__refused),
		cmocka_unit_test(test_mmio_snapshot__sections_that_do_not_fit__peer),
		cmocka_unit_test(test_mmio_snapshot__driver_was_shown_something_else__unsupp),
		cmocka_unit_test(test_mmio_snapshot__contradictions__peer),
		cmocka_unit_test(test_mmio_snapshot__any_byte_another_one_and_mended__refused_or_as_it_says),
		cmocka_unit_test(test_mmio_snapshot__reset_goes_on__busy),
		cmocka_unit_test(test_mmio_snapshot__too_little_room__nothing_written),
	};

	return suite_run(tests);
}
