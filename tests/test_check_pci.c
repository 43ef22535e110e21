/* SPDX-License-Identifier: BSD-3-Clause */
/* test_check_pci.c: each condition of the checks of a virtio device on the PCI bus. */
#include "check_cases.h"

#include "pci_fixture.h"

static struct pci_world world;
static const struct viommu_pci_ops no_messages = { .size = sizeof no_messages };

static bool pci_is_valid(void)
{
	return viommu_pci_is_valid(&world.pci);
}

static bool pci_check(void)
{
	return viommu_pci_check(&world.pci);
}

static int unmake(void **state)
{
	(void)state;
	check_protect_none();
	return 0;
}

/* A message of vector 1 waits, since all are masked; the line would be high without MSI-X. */
static int make(void **state)
{
	(void)state;
	pci_setup(&world);
	pci_power(&world);
	pci_use_msix(&world);
	pci_go_live(&world);
	set_config_space(&world, MSIX_CONTROL, 2, MSIX_ON | MSIX_ALL_MASKED);
	viommu_registers_interrupt(&world.regs, 0);
	viommu_registers_config_changed(&world.regs);
	check_protect(&world, sizeof world);
	return 0;
}

#define CASES(X)                                                                                                       \
	X(AT_ONCE, file, world.pci.file.pending = 4)                                                                   \
	X(AT_ONCE, no_ops, world.pci.ops = NULL)                                                                       \
	X(AT_ONCE, too_many_vectors, world.pci.vector_count = VIOMMU_PCI_VECTORS_MAX + 1)                              \
	X(AT_ONCE, other_vectors_than_the_registers, world.pci.vector_count--)                                         \
	X(AT_ONCE, no_table, world.pci.vectors = NULL)                                                                 \
	X(AT_ONCE, nobody_takes_messages, world.pci.ops = &no_messages)                                                \
	X(AT_ONCE, large_configuration, world.pci.device_config_size = VIOMMU_PCI_DEVICE_CONFIG_MAX + 1)               \
	X(AT_ONCE, line_with_messages, world.pci.line = true)                                                          \
	X(AT_ONCE, line_forgotten, world.pci.config[0x98 / 4] &= 0x7fffffff)                                           \
	X(IN_DETAIL, registers, world.regs.queue_size_max = 8)                                                         \
	X(IN_DETAIL, vendor, world.pci.config[0]++)                                                                    \
	X(IN_DETAIL, device_too_low, world.pci.config[0] = 0x10401af4)                                                 \
	X(IN_DETAIL, device_too_high, world.pci.config[0] = 0x10801af4)                                                \
	X(IN_DETAIL, no_capabilities, world.pci.config[0x34 / 4] = 0)                                                  \
	X(IN_DETAIL, message_that_nothing_holds, world.pci.config[0x98 / 4] &= 0xbfffffff)
CASES(DEFINE_CASE)

static void test_pci_check__each_condition__is_seen(void **state)
{
	static const struct check_case cases[] = { CASES(LIST_CASE) };

	(void)state;
	check_run(cases, COUNT_OF(cases), pci_is_valid, pci_check);
}

#define CASES_OF_THE_LINE(X)                                                                                           \
	X(AT_ONCE, line_low, world.pci.line = false)                                                                   \
	X(AT_ONCE, line_high_for_nothing, world.pci.file.pending = 0)                                                  \
	X(AT_ONCE, line_high_though_off, world.pci.config[1] |= INTX_OFF)                                              \
	X(AT_ONCE, line_high_without_pin, world.pci.ops = &no_messages)                                                \
	X(IN_DETAIL, message_without_msix, world.vectors[0].pending = true; world.vectors[0].masked = true)
CASES_OF_THE_LINE(DEFINE_CASE)

static void test_pci_check__line__each_condition_is_seen(void **state)
{
	static const struct check_case cases[] = { CASES_OF_THE_LINE(LIST_CASE) };

	(void)state;
	check_protect_none();
	pci_setup(&world);
	pci_power(&world);
	pci_go_live(&world);
	viommu_registers_interrupt(&world.regs, 0);
	check_protect(&world, sizeof world);
	check_run(cases, COUNT_OF(cases), pci_is_valid, pci_check);
}

static void test_pci_check__no_vectors__no_table_is_wanted(void **state)
{
	struct viommu_pci_config config = pci_world_config(&world);

	(void)state;
	config.vectors = NULL;
	config.vector_count = 0;
	pci_setup_with(&world, &config);
	assert_true(pci_is_valid() && pci_check());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pci_check__each_condition__is_seen, make, unmake),
		cmocka_unit_test_setup_teardown(test_pci_check__line__each_condition_is_seen, make, unmake),
		cmocka_unit_test(test_pci_check__no_vectors__no_table_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
