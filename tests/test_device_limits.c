/* SPDX-License-Identifier: BSD-3-Clause */
/* Endpoints that can do less than the device says of itself: domains take what all of theirs can do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device_fixture.h"
#include "suite.h"

#define RW (VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)
#define COARSE 20u
#define LOW 21u

static struct viommu_endpoint_config coarse_config(void)
{
	struct viommu_endpoint_config config = VIOMMU_ENDPOINT_CONFIG_INIT;

	config.id = COARSE;
	config.page_size_mask = ~UINT64_C(0xffff); /* 64 KiB */
	return config;
}

static struct viommu_endpoint_config low_config(uint64_t first, uint64_t last)
{
	struct viommu_endpoint_config config = VIOMMU_ENDPOINT_CONFIG_INIT;

	config.id = LOW;
	config.flags = VIOMMU_ENDPOINT_F_INPUT_RANGE;
	config.input_range = (struct viommu_range){ first, last };
	return config;
}

static enum viommu_result add(struct device_fixture *f, const struct viommu_endpoint_config *config)
{
	struct viommu_endpoint *handle;
	enum viommu_result result = viommu_device_add_endpoint(&f->dev, config, &handle);

	assert_true(viommu_device_check(&f->dev));
	return result;
}

static void setup(struct device_fixture *f, const struct viommu_endpoint_config *config)
{
	device_setup(f, NULL);
	assert_int_equal(add(f, config), VIOMMU_OK);
	assert_int_equal(device_attach(f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
}

/* IOMMU-DEV-MAP-01 */
static void test_limits__granule_of_a_member__map_refused_while_it_is_there(void **state)
{
	struct viommu_endpoint_config config = coarse_config();
	struct viommu_wire_request maps[] = {
		device_map_request(1, 0x1000, 0x1ffff, 0, RW),
		device_map_request(1, 0, 0xfff, 0, RW),
		device_map_request(1, 0, 0xffff, 0x1000, RW),
	};
	struct device_fixture f;

	(void)state;
	setup(&f, &config);
	assert_int_equal(device_attach(&f, 1, COARSE, 0), VIOMMU_S_OK);
	for (size_t i = 0; i < 3; i++)
		device_assert_refused(&f, &maps[i], VIOMMU_S_RANGE);
	assert_int_equal(device_map(&f, 1, 0x10000, 0x2ffff, 0x30000, RW), VIOMMU_S_OK);
	assert_true(viommu_device_check(&f.dev));
	assert_int_equal(device_detach(&f, 1, COARSE), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0, RW), VIOMMU_S_OK);
	assert_true(viommu_device_check(&f.dev));
	device_teardown(&f);
}

/* IOMMU-DEV-ATTACH-11 */
static void test_limits__granule_wider_than_the_domains__attach_only_if_empty(void **state)
{
	struct viommu_endpoint_config config = coarse_config();
	struct viommu_wire_request attach = device_attach_request(1, COARSE, 0);
	struct device_fixture f;

	(void)state;
	setup(&f, &config);
	assert_int_equal(device_map(&f, 1, 0x10000, 0x1ffff, 0, RW), VIOMMU_S_OK);
	device_assert_refused(&f, &attach, VIOMMU_S_UNSUPP);
	assert_int_equal(device_unmap(&f, 1, 0, UINT64_MAX), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 1, COARSE, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x10000, 0x1ffff, 0, RW), VIOMMU_S_OK);
	/* One more of the same kind finds what it needs. */
	config.id = LOW;
	assert_int_equal(add(&f, &config), VIOMMU_OK);
	assert_int_equal(device_attach(&f, 1, LOW, 0), VIOMMU_S_OK);
	assert_true(viommu_device_check(&f.dev));
	device_teardown(&f);
}

static void test_limits__range_of_a_member__map_refused_while_it_is_there(void **state)
{
	struct viommu_endpoint_config config = low_config(0x2000, 0x9fff);
	struct viommu_wire_request below = device_map_request(1, 0x1000, 0x2fff, 0, RW);
	struct viommu_wire_request above = device_map_request(1, 0x9000, 0xafff, 0, RW);
	struct device_fixture f;

	(void)state;
	setup(&f, &config);
	assert_int_equal(device_attach(&f, 1, LOW, 0), VIOMMU_S_OK);
	device_assert_refused(&f, &below, VIOMMU_S_RANGE);
	device_assert_refused(&f, &above, VIOMMU_S_RANGE);
	assert_int_equal(device_map(&f, 1, 0x2000, 0x9fff, 0, RW), VIOMMU_S_OK);
	assert_int_equal(device_detach(&f, 1, LOW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0xa000, 0xafff, 0, RW), VIOMMU_S_OK);
	device_teardown(&f);
}

/* Nothing is above a range that ends where the space does. */
static void test_limits__range_up_to_the_end__mappings_above_its_begin_fit(void **state)
{
	struct viommu_endpoint_config config = low_config(0x5000, UINT64_MAX);
	struct device_fixture f;

	(void)state;
	setup(&f, &config);
	assert_int_equal(device_map(&f, 1, 0x5000, 0x5fff, 0, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, UINT64_MAX - 0xfff, UINT64_MAX, 0, RW), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 1, LOW, 0), VIOMMU_S_OK);
	device_teardown(&f);
}

/* IOMMU-DEV-ATTACH-11 */
static void test_limits__mappings_outside_of_the_range__attach_refused(void **state)
{
	static const struct {
		uint64_t first, last;
		int status;
	} cases[] = {
		{ 0x5000, 0x6fff, VIOMMU_S_OK },     { 0x4000, 0x5fff, VIOMMU_S_UNSUPP }, /* partly below */
		{ 0x6000, 0x7fff, VIOMMU_S_UNSUPP },                                      /* partly above */
		{ 0, 0xfff, VIOMMU_S_UNSUPP },       { UINT64_MAX - 0xfff, UINT64_MAX, VIOMMU_S_UNSUPP },
	};
	struct viommu_endpoint_config config = low_config(0x5000, 0x6fff);
	struct viommu_wire_request attach = device_attach_request(1, LOW, 0);
	struct device_fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		setup(&f, &config);
		assert_int_equal(device_map(&f, 1, cases[i].first, cases[i].last, 0, RW), VIOMMU_S_OK);
		if (cases[i].status == VIOMMU_S_OK)
			assert_int_equal(device_attach(&f, 1, LOW, 0), VIOMMU_S_OK);
		else
			device_assert_refused(&f, &attach, cases[i].status);
		device_teardown(&f);
	}
}

/* What one can do the other one cannot: they may be together, but nothing can be mapped. */
static void test_limits__nothing_in_common__every_map_refused(void **state)
{
	struct viommu_endpoint_config config = low_config(0, 0xfff);
	struct viommu_wire_request low = device_map_request(1, 0, 0xfff, 0, RW);
	struct viommu_wire_request high = device_map_request(1, 0x1000, 0x1fff, 0, RW);
	struct device_fixture f;

	(void)state;
	setup(&f, &config);
	config.id = COARSE;
	config.input_range = (struct viommu_range){ 0x1000, UINT64_MAX };
	assert_int_equal(add(&f, &config), VIOMMU_OK);
	assert_int_equal(device_attach(&f, 1, LOW, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 1, COARSE, 0), VIOMMU_S_OK);
	device_assert_refused(&f, &low, VIOMMU_S_RANGE);
	device_assert_refused(&f, &high, VIOMMU_S_RANGE);
	/* By removal, too, the domain gets back what the endpoint took. */
	assert_int_equal(viommu_device_remove_endpoint(&f.dev, &f.dev.endpoints[4]), VIOMMU_OK);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0, RW), VIOMMU_S_OK);
	assert_true(viommu_device_check(&f.dev));
	assert_true(viommu_device_endpoint_is_gone(&f.dev, &f.dev.endpoints[4]));
	device_teardown(&f);
}

static void test_limits__finer_than_the_device__no_matter(void **state)
{
	struct viommu_endpoint_config config = coarse_config();
	struct viommu_wire_request half = device_map_request(1, 0x2000, 0x27ff, 0, RW);
	struct device_fixture f;

	(void)state;
	config.page_size_mask = ~UINT64_C(0xff);
	setup(&f, &config);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0, RW), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 1, COARSE, 0), VIOMMU_S_OK);
	device_assert_refused(&f, &half, VIOMMU_S_RANGE);
	device_teardown(&f);
}

static void test_limits__that_make_no_sense__endpoint_refused(void **state)
{
	struct viommu_endpoint_config upside_down = low_config(0x2000, 0x1fff);
	struct viommu_endpoint_config unknown = coarse_config();
	struct device_fixture f;

	(void)state;
	device_setup(&f, NULL);
	assert_int_equal(add(&f, &upside_down), VIOMMU_E_ARG);
	upside_down.flags = 0; /* it does not count */
	assert_int_equal(add(&f, &upside_down), VIOMMU_OK);
	unknown.flags = 2;
	assert_int_equal(add(&f, &unknown), VIOMMU_E_ARG);
	device_teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits__granule_of_a_member__map_refused_while_it_is_there),
		cmocka_unit_test(test_limits__granule_wider_than_the_domains__attach_only_if_empty),
		cmocka_unit_test(test_limits__range_of_a_member__map_refused_while_it_is_there),
		cmocka_unit_test(test_limits__mappings_outside_of_the_range__attach_refused),
		cmocka_unit_test(test_limits__range_up_to_the_end__mappings_above_its_begin_fit),
		cmocka_unit_test(test_limits__nothing_in_common__every_map_refused),
		cmocka_unit_test(test_limits__finer_than_the_device__no_matter),
		cmocka_unit_test(test_limits__that_make_no_sense__endpoint_refused),
	};

	return suite_run(tests);
}
