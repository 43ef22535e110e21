/* SPDX-License-Identifier: BSD-3-Clause */
/* test_pci_snapshot.c: save and restore of virtio-pci, the device's side. */
#include "pci_fixture.h"
#include "snapshot_bytes.h"

#include <viommu/snapshot.h>
#include <viommu/transport/snapshot.h>

/* In the bytes: see docs/snapshot.md. */
enum {
	SECTION_FUNCTION,
	SECTION_VECTORS,
	SECTION_FILE
};
#define AT_GENERATION 256u
#define AT_SHOWN 260u
#define AT_VECTOR(n) (16u * (n))
#define AT_SELECT 12u
#define AT_QUEUE(n) (24u + 32u * (n))
#define BAR_ADDRESS UINT64_C(0x4400004000)

static struct pci_world source, target;
static uint8_t saved[2048], again[2048];
static size_t saved_len;

static void save(void)
{
	assert_int_equal(viommu_pci_save(&source.pci, saved, sizeof(saved), &saved_len), VIOMMU_OK);
	assert_int_equal(saved_len, viommu_pci_save_size(&source.pci));
}

static enum viommu_result restore(void)
{
	enum viommu_result result = viommu_pci_restore(&target.pci, saved, saved_len);

	assert_true(viommu_pci_check(&target.pci) && target.line == target.pci.line);
	return result;
}

/* The registers themselves are as whoever owns them has restored them. */
static void restore_registers(void)
{
	target.regs.status = source.regs.status;
	target.regs.features = source.regs.features;
	target.regs.generation = source.regs.generation;
	memcpy(target.queues, source.queues, sizeof(target.queues));
}

/* Up, with a BAR somewhere, the configuration changed and read, and the message of queue 1 held back by its mask. */
static void setup_live(void)
{
	pci_setup(&source);
	set_config_space(&source, BAR(0), 4, (uint32_t)BAR_ADDRESS);
	set_config_space(&source, BAR(1), 4, (uint32_t)(BAR_ADDRESS >> 32));
	set_config_space(&source, 0x3c, 1, 11);
	pci_power(&source);
	pci_go_live(&source);
	pci_use_msix(&source);
	set_bar2(&source, ENTRY(2) + 12, 1);
	viommu_registers_interrupt(&source.regs, 1);
	viommu_registers_config_changed(&source.regs);
	(void)bar0(&source, CONFIG, 4);
	set_config_space(&source, CAP_PCI + 8, 4, CONFIG);
	set_config_space(&source, CAP_PCI + 12, 4, 2);
	save();
	pci_setup(&target);
	restore_registers();
}

static void assert_refused(enum viommu_result result)
{
	struct viommu_pci before = target.pci;
	struct viommu_pci_vector vectors[VECTORS];
	struct viommu_register_queue queues[QUEUES];

	memcpy(vectors, target.vectors, sizeof(vectors));
	memcpy(queues, target.queue_setup, sizeof(queues));
	assert_int_equal(restore(), result);
	assert_memory_equal(&target.pci, &before, sizeof(before));
	assert_memory_equal(target.vectors, vectors, sizeof(vectors));
	assert_memory_equal(target.queue_setup, queues, sizeof(queues));
	assert_int_equal(target.message_count + target.line_changes + target.bar_changes, 0);
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

static void test_pci_snapshot__restored__reads_the_same(void **state)
{
	struct viommu_range bar;
	size_t len;

	(void)state;
	setup_live();
	assert_int_equal(restore(), VIOMMU_OK);
	assert_int_equal(target.message_count, 0);
	assert_int_equal(target.bar_changes, 1);
	assert_true(viommu_pci_bar(&target.pci, 0, &bar) && bar.first == BAR_ADDRESS);
	assert_true(viommu_pci_is_bus_master(&target.pci));
	assert_int_equal(viommu_pci_save(&target.pci, again, sizeof(again), &len), VIOMMU_OK);
	assert_int_equal(len, saved_len);
	assert_memory_equal(again, saved, len);
	for (uint32_t at = 0; at < VIOMMU_PCI_CONFIG_SIZE; at += 4)
		assert_int_equal(config_space(&target, at, 4), config_space(&source, at, 4));
	for (uint32_t at = 0; at < VIOMMU_PCI_BAR_MSIX_SIZE; at += 4)
		assert_int_equal(bar2(&target, at), bar2(&source, at));
	for (uint32_t queue = 0; queue < QUEUES; queue++) {
		for (uint32_t at = 0; at < 0x40; at += 2)
			assert_int_equal(bar0(&target, at, 2), bar0(&source, at, 2));
		for (uint32_t at = 0; at < 0x40; at += 4)
			assert_int_equal(bar0(&target, at, 4), bar0(&source, at, 4));
		set_bar0(&target, SELECT, 2, 1 - queue);
		set_bar0(&source, SELECT, 2, 1 - queue);
	}
	assert_int_equal(bar0(&target, GENERATION, 1), 1);
	assert_int_equal(bar0(&target, ISR, 1), VIOMMU_INTERRUPT_CONFIG);
}

/* Once the mask goes, and not before; and it is gone then. */
static void test_pci_snapshot__message_was_held__sent_afterwards(void **state)
{
	(void)state;
	setup_live();
	assert_int_equal(restore(), VIOMMU_OK);
	assert_int_equal(bar2(&target, PENDING), 1u << 2);
	set_bar2(&target, ENTRY(2) + 12, 0);
	assert_int_equal(target.message_count, 1);
	assert_int_equal(target.messages[0].address, UINT64_C(0x100000000) + 16 * 2);
	assert_int_equal(target.messages[0].data, 0x1002);
	assert_int_equal(bar2(&target, PENDING), 0);
	viommu_registers_interrupt(&target.regs, 0);
	assert_int_equal(target.message_count, 2);
	assert_int_equal(target.messages[1].data, 0x1001);
}

/* What the configuration was when it was read last is known: the driver sees that it has changed since. */
static void test_pci_snapshot__configuration_changed_and_not_read__generation_moves(void **state)
{
	(void)state;
	setup_live();
	viommu_registers_config_changed(&source.regs);
	save();
	restore_registers();
	assert_int_equal(restore(), VIOMMU_OK);
	assert_int_equal(bar0(&target, GENERATION, 1), 1);
	(void)bar0(&target, CONFIG, 4);
	assert_int_equal(bar0(&target, GENERATION, 1), 2);
	(void)bar0(&target, CONFIG, 4);
	assert_int_equal(bar0(&target, GENERATION, 1), 2);
}

/* Without vectors, and with nobody who wants to hear of BARs. */
static void test_pci_snapshot__interrupt_by_line__line_is_high(void **state)
{
	struct viommu_pci_ops ops = pci_world_ops;
	struct viommu_pci_config config;

	(void)state;
	ops.bars_changed = NULL;
	pci_setup(&source);
	config = pci_world_config(&source);
	config.vector_count = 0;
	config.ops = &ops;
	pci_setup_with(&source, &config);
	pci_power(&source);
	pci_go_live(&source);
	viommu_registers_interrupt(&source.regs, 0);
	save();
	config = pci_world_config(&target);
	config.vector_count = 0;
	config.ops = &ops;
	pci_setup_with(&target, &config);
	restore_registers();
	assert_int_equal(restore(), VIOMMU_OK);
	assert_true(target.line);
	assert_int_equal(bar0(&target, ISR, 1), VIOMMU_INTERRUPT_USED);
	assert_false(target.line);
}

/* What the target was before is gone, its message too. */
static void test_pci_snapshot__target_was_in_use__nothing_of_it_left(void **state)
{
	(void)state;
	pci_setup(&source);
	save();
	pci_setup(&target);
	pci_power(&target);
	pci_go_live(&target);
	pci_use_msix(&target);
	set_bar2(&target, ENTRY(1) + 12, 1);
	viommu_registers_interrupt(&target.regs, 0);
	target.regs.status = 0;
	target.regs.features = 0;
	memcpy(target.queues, source.queues, sizeof(target.queues));
	assert_int_equal(restore(), VIOMMU_OK);
	assert_false(viommu_pci_is_bus_master(&target.pci));
	assert_false(target.vectors[1].pending);
	assert_int_equal(target.pci.file.queues[0].vector, NO_VECTOR);
	assert_int_equal(target.message_count, 0);
}

/* What version 1 wrote once: it is read for ever, and written as long as it is the same. */
static void test_pci_snapshot__of_version_1__read_and_written(void **state)
{
	size_t len;

	(void)state;
	setup_live();
	len = snapshot_golden("pci-1.bin", saved, saved_len, again, sizeof(again));
	assert_int_equal(len, saved_len);
	assert_memory_equal(again, saved, len);
	memcpy(saved, again, len);
	assert_int_equal(restore(), VIOMMU_OK);
}

static void test_pci_snapshot__any_bit_flipped_or_cut_off__refused(void **state)
{
	size_t whole;

	(void)state;
	setup_live();
	whole = saved_len;
	for (size_t bit = 0; bit < 8 * whole; bit++) {
		saved[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_refused(VIOMMU_E_PEER);
		saved[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (saved_len = 0; saved_len < whole; saved_len++)
		assert_refused(VIOMMU_E_PEER);
}

static void test_pci_snapshot__sections_that_do_not_fit__peer(void **state)
{
	size_t whole;

	(void)state;
	setup_live();
	whole = saved_len;
	for (size_t len = 24; len < whole; len += 4) {
		setup_live();
		saved_len = len;
		snapshot_mend(saved, saved_len);
		assert_refused(VIOMMU_E_PEER);
	}
	setup_live();
	assert_refused_with(snapshot_section(saved, SECTION_FUNCTION) - 12, 1, 'q', VIOMMU_E_PEER);
	assert_refused_with(snapshot_section(saved, SECTION_VECTORS) - 12, 1, 'q', VIOMMU_E_PEER);
	assert_refused_with(snapshot_section(saved, SECTION_FILE) - 12, 1, 'q', VIOMMU_E_PEER);
	assert_refused_with(saved + 8, 4, VIOMMU_SNAPSHOT_VERSION + 1, VIOMMU_E_ABI);
}

/* Every bit that a driver cannot store is compared. */
static void test_pci_snapshot__driver_was_shown_something_else__unsupp(void **state)
{
	struct viommu_pci_config config;
	uint8_t *function;

	(void)state;
	setup_live();
	function = snapshot_section(saved, SECTION_FUNCTION);
	for (uint32_t bit = 0; bit < 8 * VIOMMU_PCI_CONFIG_SIZE; bit++)
		if ((target.pci.writable[bit / 32] >> bit % 32 & 1) == 0)
			assert_refused_with(function + bit / 8, 1, function[bit / 8] ^ 1u << bit % 8, VIOMMU_E_UNSUPP);
	assert_refused_with(snapshot_section(saved, SECTION_FILE), 4, QUEUES + 1, VIOMMU_E_UNSUPP);
	config = pci_world_config(&target);
	config.vector_count = VECTORS - 1;
	pci_setup_with(&target, &config);
	assert_refused(VIOMMU_E_UNSUPP);
}

static void test_pci_snapshot__contradictions__peer(void **state)
{
	uint8_t *function, *vectors, *file;

	(void)state;
	setup_live();
	function = snapshot_section(saved, SECTION_FUNCTION);
	vectors = snapshot_section(saved, SECTION_VECTORS);
	file = snapshot_section(saved, SECTION_FILE);
	assert_refused_with(function + AT_SHOWN, 4, 0x100, VIOMMU_E_PEER);
	assert_refused_with(vectors + AT_VECTOR(0), 4, 1, VIOMMU_E_PEER);
	assert_refused_with(vectors + AT_VECTOR(0) + 12, 4, 4, VIOMMU_E_PEER);
	/* The message of vector 2 is pending, and nothing holds it; or messages are off. */
	assert_refused_with(vectors + AT_VECTOR(2) + 12, 4, 2, VIOMMU_E_PEER);
	assert_refused_with(function + MSIX_CONTROL, 2, snapshot_get(function + MSIX_CONTROL, 2) & ~(uint64_t)MSIX_ON,
			    VIOMMU_E_PEER);
	assert_refused_with(file + AT_QUEUE(0) + 4, 4, VECTORS, VIOMMU_E_PEER);
	assert_refused_with(file + AT_SELECT, 4, 0x10000, VIOMMU_E_PEER);
	/* Where it is in use, it is of the size that it is in use with; otherwise a power of two, or 0. */
	assert_refused_with(file + AT_QUEUE(1), 4, QUEUE_SIZE / 2, VIOMMU_E_PEER);
	viommu_virtq_device_reset(&target.queues[1]);
	assert_refused_with(file + AT_QUEUE(1), 4, 3, VIOMMU_E_PEER);
	snapshot_put(file + AT_QUEUE(1), 4, 0);
	snapshot_mend(saved, saved_len);
	assert_int_equal(restore(), VIOMMU_OK);
}

/* Whatever holds a message: the mask of its vector, that of all, or that the function is no bus master. */
static void test_pci_snapshot__message_held_by_each__restored(void **state)
{
	uint8_t *function, *vectors;

	(void)state;
	setup_live();
	function = snapshot_section(saved, SECTION_FUNCTION);
	vectors = snapshot_section(saved, SECTION_VECTORS);
	snapshot_put(vectors + AT_VECTOR(2) + 12, 4, 2);
	snapshot_put(function + MSIX_CONTROL, 2, snapshot_get(function + MSIX_CONTROL, 2) | MSIX_ALL_MASKED);
	snapshot_mend(saved, saved_len);
	assert_int_equal(restore(), VIOMMU_OK);
	snapshot_put(function + MSIX_CONTROL, 2, snapshot_get(function + MSIX_CONTROL, 2) & ~(uint64_t)MSIX_ALL_MASKED);
	snapshot_put(function + COMMAND, 2, MEMORY_ON);
	snapshot_mend(saved, saved_len);
	assert_int_equal(restore(), VIOMMU_OK);
	assert_int_equal(target.message_count, 0);
	set_config_space(&target, COMMAND, 2, MEMORY_ON | MASTER_ON);
	assert_int_equal(target.message_count, 1);
}

static void test_pci_snapshot__reset_goes_on__busy(void **state)
{
	(void)state;
	setup_live();
	source.fake.settled = false;
	set_bar0(&source, DEVICE_STATUS, 1, 0);
	assert_int_equal(viommu_pci_save(&source.pci, again, sizeof(again), &saved_len), VIOMMU_E_BUSY);
	setup_live();
	target.fake.settled = false;
	viommu_registers_set_status(&target.regs, 0);
	assert_refused(VIOMMU_E_BUSY);
	target.fake.settled = true;
	assert_int_equal(restore(), VIOMMU_OK);
}

static void test_pci_snapshot__too_little_room__nothing_written(void **state)
{
	size_t len = 1234;

	(void)state;
	setup_live();
	memset(again, 0xa5, sizeof(again));
	assert_int_equal(viommu_pci_save(&source.pci, again, saved_len - 1, &len), VIOMMU_E_FULL);
	assert_int_equal(len, 1234);
	for (size_t i = 0; i < sizeof(again); i++)
		assert_int_equal(again[i], 0xa5);
}

/* Bytes of somebody who knows how to make a checksum. What is accepted says the same when it is saved again. */
static void test_pci_snapshot__any_byte_another_one_and_mended__refused_or_as_it_says(void **state)
{
	static const uint8_t values[] = { 0, 1, 2, 3, 4, 8, 0x10, 0x20, 0x40, 0x7f, 0x80, 0xfe, 0xff };
	unsigned accepted = 0;
	size_t len;

	(void)state;
	setup_live();
	for (size_t at = 20; at < saved_len - 4; at++) {
		uint8_t before = saved[at];

		for (size_t i = 0; i < sizeof(values); i++) {
			saved[at] = values[i];
			snapshot_mend(saved, saved_len);
			if (restore() != VIOMMU_OK)
				continue;
			accepted++;
			assert_int_equal(viommu_pci_save(&target.pci, again, sizeof(again), &len), VIOMMU_OK);
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
		cmocka_unit_test(test_pci_snapshot__restored__reads_the_same),
		cmocka_unit_test(test_pci_snapshot__message_was_held__sent_afterwards),
		cmocka_unit_test(test_pci_snapshot__configuration_changed_and_not_read__generation_moves),
		cmocka_unit_test(test_pci_snapshot__interrupt_by_line__line_is_high),
		cmocka_unit_test(test_pci_snapshot__target_was_in_use__nothing_of_it_left),
		cmocka_unit_test(test_pci_snapshot__of_version_1__read_and_written),
		cmocka_unit_test(test_pci_snapshot__any_bit_flipped_or_cut_off__refused),
		cmocka_unit_test(test_pci_snapshot__sections_that_do_not_fit__peer),
		cmocka_unit_test(test_pci_snapshot__driver_was_shown_something_else__unsupp),
		cmocka_unit_test(test_pci_snapshot__contradictions__peer),
		cmocka_unit_test(test_pci_snapshot__message_held_by_each__restored),
		cmocka_unit_test(test_pci_snapshot__any_byte_another_one_and_mended__refused_or_as_it_says),
		cmocka_unit_test(test_pci_snapshot__reset_goes_on__busy),
		cmocka_unit_test(test_pci_snapshot__too_little_room__nothing_written),
	};

	return suite_run(tests);
}
