/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts of a virtio device on the PCI bus: the line and the ISR, messages, and what holds them back. */
#include "pci_fixture.h"

static struct pci_world world;
static struct pci_world *const w = &world;

static void live(void)
{
	pci_setup(w);
	pci_power(w);
	pci_go_live(w);
}

static void live_with_msix(void)
{
	live();
	pci_use_msix(w);
}

static void interrupt(uint32_t queue)
{
	viommu_registers_interrupt(&w->regs, queue);
	assert_true(viommu_pci_check(&w->pci));
}

static void change_config(void)
{
	viommu_registers_config_changed(&w->regs);
	assert_true(viommu_pci_check(&w->pci));
}

/* Exactly one more message, that of vector `index` in pci_use_msix. */
static void assert_message(uint32_t index)
{
	assert_int_equal(w->message_count, 1);
	assert_int_equal(w->messages[0].address, UINT64_C(0x100000000) + 16 * index);
	assert_int_equal(w->messages[0].data, 0x1000 + index);
	w->message_count = 0;
}

static bool status_says_interrupt(void)
{
	return (config_space(w, STATUS, 2) & 8) != 0;
}

/* The line */

/* PCI-DEV-ISR-03 to -05 */
static void test_line__interrupt__high_until_the_isr_is_read(void **state)
{
	(void)state;
	live();
	assert_int_equal(bar0(w, ISR, 1), 0);
	interrupt(0);
	assert_true(w->line);
	assert_true(status_says_interrupt());
	interrupt(1);
	assert_int_equal(w->line_changes, 1);
	assert_int_equal(bar0(w, ISR, 1), VIOMMU_INTERRUPT_USED);
	assert_false(w->line);
	assert_false(status_says_interrupt());
	assert_int_equal(bar0(w, ISR, 1), 0);
	change_config();
	assert_true(w->line);
	interrupt(0);
	assert_int_equal(bar0(w, ISR, 1), VIOMMU_INTERRUPT_USED | VIOMMU_INTERRUPT_CONFIG);
	assert_false(w->line);
	assert_int_equal(w->message_count, 0);
}

static void test_line__isr_read_in_another_width__stays(void **state)
{
	(void)state;
	live();
	interrupt(0);
	assert_int_equal(bar0(w, ISR, 2), 0);
	assert_int_equal(bar0(w, ISR, 4), 0);
	assert_int_equal(bar0(w, ISR, 8), 0);
	assert_int_equal(bar0(w, ISR + 1, 1), 0);
	set_bar0(w, ISR, 1, 0xff);
	assert_true(w->line);
	assert_int_equal(bar0(w, ISR, 1), VIOMMU_INTERRUPT_USED);
}

static void test_line__disabled__low_and_still_pending(void **state)
{
	(void)state;
	live();
	set_config_space(w, COMMAND, 2, MEMORY_ON | MASTER_ON | INTX_OFF);
	interrupt(0);
	assert_false(w->line);
	assert_true(status_says_interrupt());
	set_config_space(w, COMMAND, 2, MEMORY_ON | MASTER_ON);
	assert_true(w->line);
	set_config_space(w, COMMAND, 2, MEMORY_ON | MASTER_ON | INTX_OFF);
	assert_false(w->line);
	assert_int_equal(bar0(w, ISR, 1), VIOMMU_INTERRUPT_USED);
	set_config_space(w, COMMAND, 2, MEMORY_ON | MASTER_ON);
	assert_false(w->line);
}

static void test_line__bus_master_off__as_usual(void **state)
{
	(void)state;
	live();
	set_config_space(w, COMMAND, 2, MEMORY_ON);
	interrupt(0);
	assert_true(w->line);
}

static void test_line__no_pin__only_the_isr(void **state)
{
	struct viommu_pci_ops ops = pci_world_ops;
	struct viommu_pci_config config = pci_world_config(w);

	(void)state;
	ops.set_line = NULL;
	config.ops = &ops;
	pci_setup_with(w, &config);
	pci_power(w);
	pci_go_live(w);
	interrupt(0);
	assert_true(status_says_interrupt());
	assert_int_equal(bar0(w, ISR, 1), VIOMMU_INTERRUPT_USED);
}

/* GEN-DEV-RESET-02 */
static void test_line__device_reset__low(void **state)
{
	(void)state;
	live();
	interrupt(0);
	w->fake.settled = false;
	set_bar0(w, DEVICE_STATUS, 1, 0);
	assert_false(w->line);
	assert_int_equal(bar0(w, ISR, 1), 0);
	change_config();
	assert_false(w->line);
}

static void test_line__function_reset__low(void **state)
{
	(void)state;
	live();
	interrupt(0);
	viommu_pci_reset(&w->pci);
	assert_false(w->line);
	assert_false(status_says_interrupt());
}

/* GEN-DEV-STATUS-03 */
static void test_line__needs_reset__configuration_interrupt(void **state)
{
	(void)state;
	live();
	viommu_registers_needs_reset(&w->regs);
	assert_true(w->line);
	assert_int_equal(bar0(w, ISR, 1), VIOMMU_INTERRUPT_CONFIG);
	assert_int_equal(bar0(w, DEVICE_STATUS, 1) & NEEDS_RESET, NEEDS_RESET);
}

/* Messages */

/* PCI-DEV-ISR-02 */
static void test_msix__interrupt__message_of_its_vector_and_no_line(void **state)
{
	(void)state;
	live_with_msix();
	interrupt(0);
	assert_message(1);
	interrupt(1);
	assert_message(2);
	change_config();
	assert_message(0);
	assert_int_equal(w->line_changes, 0);
	assert_false(status_says_interrupt());
	/* The queue's bit is not for messages; that of the configuration is. */
	assert_int_equal(bar0(w, ISR, 1), VIOMMU_INTERRUPT_CONFIG);
}

/* PCI-DEV-MSIX-03 and -04 */
static void test_msix__every_vector_in_the_table__can_be_mapped(void **state)
{
	(void)state;
	live_with_msix();
	set_bar0(w, SELECT, 2, 1);
	for (uint32_t i = 0; i <= UINT16_MAX; i++) {
		uint32_t expected = i < VECTORS ? i : NO_VECTOR;

		set_bar0(w, QUEUE_VECTOR, 2, i);
		set_bar0(w, CONFIG_VECTOR, 2, i);
		assert_int_equal(bar0(w, QUEUE_VECTOR, 2), expected);
		assert_int_equal(bar0(w, CONFIG_VECTOR, 2), expected);
		interrupt(1);
		if (i < VECTORS)
			assert_message(i);
		change_config();
		if (i < VECTORS)
			assert_message(i);
	}
	assert_int_equal(w->message_count, 0);
}

/* PCI-DEV-MSIX-06 */
static void test_msix__no_vector__silence(void **state)
{
	(void)state;
	live_with_msix();
	set_bar0(w, SELECT, 2, 0);
	set_bar0(w, QUEUE_VECTOR, 2, NO_VECTOR);
	set_bar0(w, CONFIG_VECTOR, 2, NO_VECTOR);
	interrupt(0);
	change_config();
	assert_int_equal(w->message_count, 0);
	assert_int_equal(w->line_changes, 0);
	assert_int_equal(bar2(w, PENDING), 0);
}

static void test_msix__vector_masked__pending_until_unmasked(void **state)
{
	(void)state;
	live_with_msix();
	set_bar0(w, SELECT, 2, 0);
	set_bar0(w, QUEUE_VECTOR, 2, 35);
	set_bar2(w, ENTRY(35) + 12, UINT32_MAX);
	assert_int_equal(bar2(w, ENTRY(35) + 12), 1);
	interrupt(0);
	interrupt(0);
	assert_int_equal(w->message_count, 0);
	assert_int_equal(bar2(w, PENDING), 0);
	assert_int_equal(bar2(w, PENDING + 4), 1u << 3);
	assert_int_equal(bar2(w, PENDING + 8), 0);
	set_bar2(w, PENDING + 4, 0); /* not the driver's */
	assert_int_equal(bar2(w, PENDING + 4), 1u << 3);
	/* The message is what the entry says when it is sent. */
	set_bar2(w, ENTRY(35), 0xdead0003);
	set_bar2(w, ENTRY(35) + 4, 0xbeef);
	set_bar2(w, ENTRY(35) + 8, 77);
	set_bar2(w, ENTRY(35) + 12, 0xfffffffe);
	assert_int_equal(w->message_count, 1); /* one for two */
	assert_int_equal(w->messages[0].address, UINT64_C(0xbeefdead0000));
	assert_int_equal(w->messages[0].data, 77);
	assert_int_equal(bar2(w, PENDING + 4), 0);
	set_bar2(w, ENTRY(35) + 12, 0);
	assert_int_equal(w->message_count, 1);
}

static void test_msix__function_masked__pending_until_unmasked(void **state)
{
	(void)state;
	live_with_msix();
	set_config_space(w, MSIX_CONTROL, 2, MSIX_ON | MSIX_ALL_MASKED);
	interrupt(0);
	interrupt(1);
	set_bar2(w, ENTRY(2) + 12, 1);
	assert_int_equal(w->message_count, 0);
	assert_int_equal(bar2(w, PENDING), 6);
	set_config_space(w, MSIX_CONTROL, 2, MSIX_ON);
	assert_message(1);
	assert_int_equal(bar2(w, PENDING), 4);
	set_bar2(w, ENTRY(2) + 12, 0);
	assert_message(2);
}

static void test_msix__bus_master_off__pending_until_on(void **state)
{
	(void)state;
	live_with_msix();
	set_config_space(w, COMMAND, 2, MEMORY_ON);
	interrupt(1);
	assert_int_equal(w->message_count, 0);
	assert_int_equal(bar2(w, PENDING), 4);
	set_config_space(w, COMMAND, 2, MEMORY_ON | INTX_OFF);
	assert_int_equal(w->message_count, 0);
	set_config_space(w, COMMAND, 2, MEMORY_ON | MASTER_ON);
	assert_message(2);
}

static void test_msix__disabled__pending_messages_are_forgotten(void **state)
{
	(void)state;
	live_with_msix();
	set_config_space(w, MSIX_CONTROL, 2, MSIX_ON | MSIX_ALL_MASKED);
	interrupt(0);
	change_config();
	set_config_space(w, MSIX_CONTROL, 2, 0);
	/* What the ISR says is for the line again. */
	assert_true(w->line);
	assert_int_equal(bar2(w, PENDING), 0);
	set_config_space(w, MSIX_CONTROL, 2, MSIX_ON);
	assert_false(w->line);
	assert_int_equal(w->message_count, 0);
	set_config_space(w, MSIX_CONTROL, 2, 0);
	assert_int_equal(bar0(w, ISR, 1), VIOMMU_INTERRUPT_CONFIG);
	interrupt(0);
	assert_true(w->line);
	assert_int_equal(w->message_count, 0);
}

/* PCI-DEV-MSIX-05. GEN-DEV-RESET-02 */
static void test_msix__device_reset__unmapped_and_nothing_pending(void **state)
{
	(void)state;
	live_with_msix();
	set_config_space(w, MSIX_CONTROL, 2, MSIX_ON | MSIX_ALL_MASKED);
	interrupt(0);
	set_bar0(w, DEVICE_STATUS, 1, 0);
	assert_int_equal(bar2(w, PENDING), 0);
	set_config_space(w, MSIX_CONTROL, 2, MSIX_ON);
	assert_int_equal(w->message_count, 0);
	assert_int_equal(bar0(w, CONFIG_VECTOR, 2), NO_VECTOR);
	assert_int_equal(bar0(w, QUEUE_VECTOR, 2), NO_VECTOR);
}

/* GEN-DEV-VQRESET-01, -02: not for this queue any more, but what is another's too is sent. */
static void test_msix__queue_reset__its_message_is_forgotten(void **state)
{
	static const struct {
		uint32_t config, other; /* vectors; queue 0 has 1 */
		bool sent;
	} shares[] = { { 0, 2, false }, { 1, 2, true }, { 0, 1, true }, { NO_VECTOR, NO_VECTOR, false } };

	(void)state;
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		pci_setup(w);
		w->regs.offered_ring |= VIOMMU_F_RING_RESET;
		pci_power(w);
		pci_go_live(w);
		pci_use_msix(w);
		set_bar0(w, CONFIG_VECTOR, 2, shares[i].config);
		set_bar0(w, QUEUE_VECTOR, 2, shares[i].other); /* of queue 1 */
		set_bar2(w, ENTRY(1) + 12, 1);
		set_bar2(w, ENTRY(39) + 12, 1);
		set_bar0(w, SELECT, 2, 0);
		interrupt(0);
		assert_int_equal(bar2(w, PENDING), 2);
		set_bar0(w, QUEUE_RESET, 2, 1);
		assert_int_equal(bar0(w, QUEUE_RESET, 2), 0);
		assert_int_equal(bar0(w, QUEUE_VECTOR, 2), NO_VECTOR);
		assert_int_equal(bar2(w, PENDING), shares[i].sent ? 2 : 0);
		set_bar2(w, ENTRY(1) + 12, 0);
		assert_int_equal(w->message_count, shares[i].sent);
		/* A queue that has no vector has no message either. */
		set_bar0(w, QUEUE_RESET, 2, 1);
		assert_int_equal(bar2(w, PENDING), 0);
	}
}

/* The structures of BAR 2 */

static bool is_entry(uint32_t offset, uint32_t width)
{
	return width == 4 && offset % 4 == 0 && offset < ENTRY(VECTORS);
}

static uint32_t entry_at_reset(uint32_t offset, uint32_t width)
{
	return is_entry(offset, width) && offset % 16 == 12 ? 1 : 0;
}

static void test_bar2__every_offset_and_width__table_or_nothing(void **state)
{
	static struct pci_world before;

	(void)state;
	pci_setup(w);
	pci_power(w);
	before = *w;
	for (uint32_t width = 0; width <= 17; width++) {
		for (uint32_t offset = 0; offset < 0x1010; offset++) {
			uint64_t expected = entry_at_reset(offset, width);
			bool is_double = width == 8 && offset % 8 == 0;

			if (is_double)
				expected = entry_at_reset(offset, 4) | (uint64_t)entry_at_reset(offset + 4, 4) << 32;
			assert_int_equal(viommu_pci_bar_read(&w->pci, 2, offset, width), expected);
			if (is_entry(offset, width) || is_double)
				continue;
			viommu_pci_bar_write(&w->pci, 2, offset, width, 0);
			assert_memory_equal(w, &before, sizeof(before));
		}
	}
}

static void test_bar2__every_entry__stores_its_fields(void **state)
{
	static const uint32_t stored[4] = { 0xfffffffc, UINT32_MAX, UINT32_MAX, 1 };

	(void)state;
	pci_setup(w);
	pci_power(w);
	for (uint32_t offset = 0; offset < ENTRY(VECTORS); offset += 4) {
		set_bar2(w, offset, 0);
		assert_int_equal(bar2(w, offset), 0);
		set_bar2(w, offset, UINT32_MAX);
		assert_int_equal(bar2(w, offset), stored[offset / 4 % 4]);
	}
	viommu_pci_bar_write(&w->pci, 2, ENTRY(1), 8, UINT64_C(0x1234567890abcdec));
	assert_int_equal(viommu_pci_bar_read(&w->pci, 2, ENTRY(1), 8), UINT64_C(0x1234567890abcdec));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line__interrupt__high_until_the_isr_is_read),
		cmocka_unit_test(test_line__isr_read_in_another_width__stays),
		cmocka_unit_test(test_line__disabled__low_and_still_pending),
		cmocka_unit_test(test_line__bus_master_off__as_usual),
		cmocka_unit_test(test_line__no_pin__only_the_isr),
		cmocka_unit_test(test_line__device_reset__low),
		cmocka_unit_test(test_line__function_reset__low),
		cmocka_unit_test(test_line__needs_reset__configuration_interrupt),
		cmocka_unit_test(test_msix__interrupt__message_of_its_vector_and_no_line),
		cmocka_unit_test(test_msix__every_vector_in_the_table__can_be_mapped),
		cmocka_unit_test(test_msix__no_vector__silence),
		cmocka_unit_test(test_msix__vector_masked__pending_until_unmasked),
		cmocka_unit_test(test_msix__function_masked__pending_until_unmasked),
		cmocka_unit_test(test_msix__bus_master_off__pending_until_on),
		cmocka_unit_test(test_msix__disabled__pending_messages_are_forgotten),
		cmocka_unit_test(test_msix__device_reset__unmapped_and_nothing_pending),
		cmocka_unit_test(test_msix__queue_reset__its_message_is_forgotten),
		cmocka_unit_test(test_bar2__every_offset_and_width__table_or_nothing),
		cmocka_unit_test(test_bar2__every_entry__stores_its_fields),
	};

	return suite_run(tests);
}
