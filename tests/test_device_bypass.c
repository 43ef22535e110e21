/* SPDX-License-Identifier: BSD-3-Clause */
/* Who reaches memory untranslated: config.bypass, bypass domains, resets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device_fixture.h"
#include "suite.h"

#define RW (VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)

enum attachment {
	UNATTACHED,
	TRANSLATED,
	BYPASS_DOMAIN
};

struct bypass_case {
	bool offered, negotiated;
	uint8_t bypass;
	enum attachment attachment;
	bool through;
};

/* The rows of the specification's table for a device that does not offer the old F_BYPASS. */
static const struct bypass_case cases[] = {
	{ true, true, 0, UNATTACHED, false },   { true, false, 0, UNATTACHED, false },
	{ true, true, 1, UNATTACHED, true },    { true, false, 1, UNATTACHED, true },
	{ false, false, 0, UNATTACHED, false }, { true, true, 0, TRANSLATED, false },
	{ true, true, 1, TRANSLATED, false },   { true, false, 1, TRANSLATED, false },
	{ false, false, 0, TRANSLATED, false }, { true, true, 0, BYPASS_DOMAIN, true },
	{ true, true, 1, BYPASS_DOMAIN, true },
};

static void assert_through(struct device_fixture *f, uint32_t index, bool through, uint8_t reason)
{
	static const uint64_t addresses[] = { 0, 0x1fff, 0xfee00000, 0x8000000000000000, UINT64_MAX };
	struct viommu_translation t;
	size_t i;
	uint32_t kind;

	for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		for (kind = 1; kind < 4; kind++) {
			if (!through) {
				assert_true(device_faults(f, index, addresses[i], kind, reason));
				continue;
			}
			assert_int_equal(device_translate(f, index, addresses[i], 1, kind, &t), VIOMMU_OK);
			assert_true(t.gpa == addresses[i]);
			assert_int_equal(t.flags, RW);
			assert_false(t.msi);
		}
	}
}

/* IOMMU-DEV-OPS-06, INF-17 */
static void test_bypass__table__as_specified(void **state)
{
	struct device_options options;
	struct device_fixture f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct bypass_case *c = &cases[i];

		device_options_init(&options);
		options.config.bypass = c->bypass;
		if (!c->offered)
			options.config.features &= ~VIOMMU_F_BYPASS_CONFIG;
		if (!c->negotiated)
			options.negotiate &= ~VIOMMU_F_BYPASS_CONFIG;
		device_setup(&f, &options);
		if (c->attachment != UNATTACHED)
			assert_int_equal(device_attach(&f, 1, DEVICE_EP0, c->attachment == BYPASS_DOMAIN), VIOMMU_S_OK);
		assert_through(&f, 0, c->through,
			       c->attachment == UNATTACHED ? VIOMMU_FAULT_R_DOMAIN : VIOMMU_FAULT_R_MAPPING);
		device_teardown(&f);
	}
}

/* IOMMU-DEV-CONFIG-03 */
static void test_bypass__nothing_negotiated_yet__field_counts(void **state)
{
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.negotiate = 0;
	options.config.bypass = 1;
	device_setup(&f, &options);
	assert_through(&f, 0, true, 0);
	assert_int_equal(device_bypass(&f), 1);
	device_teardown(&f);
}

static void test_bypass__length__up_to_the_end_of_the_space(void **state)
{
	struct viommu_translation t;
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.config.bypass = 1;
	device_setup(&f, &options);
	assert_int_equal(device_translate(&f, 0, 0x1234, UINT64_MAX, 3, &t), VIOMMU_OK);
	assert_true(t.gpa == 0x1234 && t.length >= 1 && t.length <= UINT64_MAX - 0x1233);
	assert_int_equal(device_translate(&f, 0, UINT64_MAX, UINT64_MAX, 3, &t), VIOMMU_OK);
	assert_true(t.gpa == UINT64_MAX && t.length == 1);
	assert_int_equal(device_translate(&f, 0, UINT64_MAX - 9, 11, 3, &t), VIOMMU_OK);
	assert_true(t.gpa == UINT64_MAX - 9 && t.length >= 1 && t.length <= 10);
	device_teardown(&f);
}

/* IOMMU-DRV-CONFIG-01, IOMMU-DEV-CONFIG-06; a store acts at once, and on unattached endpoints only. */
static void test_bypass_write__negotiated__0_and_1_only(void **state)
{
	struct device_fixture f;
	unsigned value;

	(void)state;
	device_setup(&f, NULL);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 2, DEVICE_EP2, 1), VIOMMU_S_OK);
	device_set_bypass(&f, 1);
	assert_int_equal(device_bypass(&f), 1);
	assert_through(&f, 0, true, 0);
	assert_through(&f, 1, false, VIOMMU_FAULT_R_MAPPING);
	assert_through(&f, 2, true, 0);
	for (value = 2; value < 256; value++) {
		device_set_bypass(&f, (uint8_t)value);
		assert_int_equal(device_bypass(&f), 1);
	}
	device_set_bypass(&f, 0);
	assert_int_equal(device_bypass(&f), 0);
	assert_true(viommu_device_is_settled(&f.dev));
	assert_through(&f, 0, false, VIOMMU_FAULT_R_DOMAIN);
	assert_through(&f, 1, false, VIOMMU_FAULT_R_MAPPING);
	assert_through(&f, 2, true, 0);
	for (value = 2; value < 256; value++) {
		device_set_bypass(&f, (uint8_t)value);
		assert_int_equal(device_bypass(&f), 0);
	}
	device_teardown(&f);
}

static void test_bypass_write__not_negotiated__ignored(void **state)
{
	struct device_options options;
	struct device_fixture f;
	uint8_t initial;

	(void)state;
	for (initial = 0; initial < 2; initial++) {
		device_options_init(&options);
		options.negotiate &= ~VIOMMU_F_BYPASS_CONFIG;
		options.config.bypass = initial;
		device_setup(&f, &options);
		device_set_bypass(&f, initial ^ 1);
		assert_int_equal(device_bypass(&f), initial);
		assert_through(&f, 0, initial == 1, VIOMMU_FAULT_R_DOMAIN);
		device_teardown(&f);
	}
	options.config.features &= ~VIOMMU_F_BYPASS_CONFIG;
	options.config.bypass = 0;
	device_setup(&f, &options);
	device_set_bypass(&f, 1);
	assert_through(&f, 0, false, VIOMMU_FAULT_R_DOMAIN);
	device_teardown(&f);
}

static void test_bypass_write__part_of_a_wider_store__field_alone_counts(void **state)
{
	static const uint8_t wide[4] = { 1, 0xff, 0xff, 0xff };
	struct device_fixture f;
	uint8_t after[4];

	(void)state;
	device_setup(&f, NULL);
	/* Whatever the device makes of a store wider than the field, nothing but the field may show it. */
	viommu_device_config_write(&f.dev, VIOMMU_WIRE_CONFIG_BYPASS, wide, 4);
	viommu_device_config_read(&f.dev, VIOMMU_WIRE_CONFIG_BYPASS, after, 4);
	assert_true(after[0] <= 1);
	assert_int_equal(after[1] | after[2] | after[3], 0);
	device_teardown(&f);
}

/* IOMMU-DEV-CONFIG-04, IOMMU-DEV-CONFIG-05 */
static void test_bypass__resets__kept_by_one_restored_by_the_other(void **state)
{
	struct device_options options;
	struct device_fixture f;
	uint8_t initial;

	(void)state;
	for (initial = 0; initial < 2; initial++) {
		device_options_init(&options);
		options.config.bypass = initial;
		device_setup(&f, &options);
		assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
		device_set_bypass(&f, initial ^ 1);
		viommu_device_reset(&f.dev);
		assert_int_equal(device_bypass(&f), initial ^ 1);
		assert_through(&f, 0, initial == 0, VIOMMU_FAULT_R_DOMAIN);
		device_set_bypass(&f, initial); /* no longer negotiated */
		assert_int_equal(device_bypass(&f), initial ^ 1);
		viommu_device_system_reset(&f.dev);
		assert_true(viommu_device_is_settled(&f.dev));
		assert_int_equal(device_bypass(&f), initial);
		assert_through(&f, 0, initial == 1, VIOMMU_FAULT_R_DOMAIN);
		device_teardown(&f);
	}
}

static void test_system_reset__anything_attached__all_gone(void **state)
{
	struct device_fixture f;

	(void)state;
	device_setup(&f, NULL);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0xa000, RW), VIOMMU_S_OK);
	viommu_device_system_reset(&f.dev);
	assert_through(&f, 0, false, VIOMMU_FAULT_R_DOMAIN);
	assert_int_equal(viommu_device_negotiate(&f.dev, VIOMMU_F_MAP_UNMAP), VIOMMU_OK);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0xa000, RW), VIOMMU_S_NOENT);
	device_teardown(&f);
}

/* A device that starts in bypass stays in it: the reset takes nothing from an endpoint that only used that. */
static void test_system_reset__bypass_from_the_start__nothing_to_wait_for(void **state)
{
	struct viommu_access_token token;
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.config.bypass = 1;
	device_setup(&f, &options);
	assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
	viommu_device_system_reset(&f.dev);
	assert_true(viommu_device_is_settled(&f.dev));
	assert_int_equal(device_bypass(&f), 1);
	assert_through(&f, 0, true, 0);
	viommu_access_end(&f.accesses[0], token);
	device_teardown(&f);
}

/* A device that does not offer BYPASS_CONFIG has no bypass, whatever its configuration says, and a reset brings none. */
static void test_system_reset__bypass_not_offered__there_is_none(void **state)
{
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.config.features &= ~VIOMMU_F_BYPASS_CONFIG;
	options.negotiate = options.config.features;
	options.config.bypass = 1;
	device_setup(&f, &options);
	assert_int_equal(device_bypass(&f), 0);
	viommu_device_system_reset(&f.dev);
	assert_int_equal(device_bypass(&f), 0);
	assert_through(&f, 0, false, VIOMMU_FAULT_R_DOMAIN);
	device_teardown(&f);
}

/* With bypass active a DETACH opens all of memory, and an ATTACH closes it. */
static void test_bypass__attach_and_detach__close_and_open(void **state)
{
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.config.bypass = 1;
	device_setup(&f, &options);
	assert_through(&f, 0, true, 0);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_through(&f, 0, false, VIOMMU_FAULT_R_MAPPING);
	assert_int_equal(device_detach(&f, 1, DEVICE_EP0), VIOMMU_S_OK);
	assert_through(&f, 0, true, 0);
	device_teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bypass__table__as_specified),
		cmocka_unit_test(test_bypass__nothing_negotiated_yet__field_counts),
		cmocka_unit_test(test_bypass__length__up_to_the_end_of_the_space),
		cmocka_unit_test(test_bypass_write__negotiated__0_and_1_only),
		cmocka_unit_test(test_bypass_write__not_negotiated__ignored),
		cmocka_unit_test(test_bypass_write__part_of_a_wider_store__field_alone_counts),
		cmocka_unit_test(test_bypass__resets__kept_by_one_restored_by_the_other),
		cmocka_unit_test(test_system_reset__anything_attached__all_gone),
		cmocka_unit_test(test_system_reset__bypass_from_the_start__nothing_to_wait_for),
		cmocka_unit_test(test_system_reset__bypass_not_offered__there_is_none),
		cmocka_unit_test(test_bypass__attach_and_detach__close_and_open),
	};

	return suite_run(tests);
}
