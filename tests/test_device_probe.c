/* SPDX-License-Identifier: BSD-3-Clause */
/* PROBE: the property list, and where the status goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device_fixture.h"
#include "suite.h"

static struct device_call call;

static const struct viommu_resv_region regions[] = {
	{ { 0x1000, 0x1fff }, VIOMMU_RESV_MEM_RESERVED },
	{ { 0xfee00000, 0xfeefffff }, VIOMMU_RESV_MEM_MSI },
	{ { 0xffffffffff000000, UINT64_MAX }, VIOMMU_RESV_MEM_RESERVED },
};

/* IOMMU-DEV-PROBE-05 to -07, IOMMU-DEV-RESV-01 */
static const uint8_t properties[72] = {
	1, 0, 20, 0, 0,    0,    0,    0,    0,    0x10, 0,    0,    0,    0,    0,    0,    0xff, 0x1f,
	0, 0, 0,  0, 0,    0,    1,    0,    20,   0,    1,    0,    0,    0,    0,    0,    0xe0, 0xfe,
	0, 0, 0,  0, 0xff, 0xff, 0xef, 0xfe, 0,    0,    0,    0,    1,    0,    20,   0,    0,    0,
	0, 0, 0,  0, 0,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
};

static void setup(struct device_fixture *f, uint32_t probe_size)
{
	struct device_options options;

	device_options_init(&options);
	options.config.probe_size = probe_size;
	if (probe_size >= sizeof(properties)) {
		options.regions[0] = regions;
		options.region_counts[0] = 3;
	}
	device_setup(f, &options);
}

/* Sends a PROBE with a writable part of this length in pieces of `cut` bytes (0: one). */
static int probe(struct device_fixture *f, uint32_t endpoint, size_t writable, size_t cut)
{
	struct viommu_wire_request request = device_probe_request(endpoint);
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
	size_t len = viommu_wire_request_encode(&request, bytes, sizeof(bytes));
	size_t piece;

	device_call_init(&call);
	device_call_add_readable(&call, bytes, len);
	for (; writable > 0; writable -= piece) {
		piece = cut != 0 && cut < writable ? cut : writable;
		device_call_add_writable(&call, piece);
	}
	return device_call_submit(f, &call);
}

static void assert_zeroes(size_t from, size_t to)
{
	for (; from < to; from++)
		assert_int_equal(device_call_byte(&call, from), 0);
}

/* IOMMU-DEV-PROBE-10: the rest of the area is zeroes, and the status is behind all of it, aligned or not. */
static void test_probe__endpoint_with_regions__listed(void **state)
{
	static const uint32_t sizes[] = { 72, 73, 75, 76, 96, 512, 1111 };
	struct device_fixture f;
	size_t s, i, cut;

	(void)state;
	for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		setup(&f, sizes[s]);
		for (cut = 0; cut < 40; cut++) {
			assert_int_equal(probe(&f, DEVICE_EP0, sizes[s] + 4, cut), VIOMMU_S_OK);
			assert_int_equal(call.request.written, sizes[s] + 4);
			for (i = 0; i < sizeof(properties); i++)
				assert_int_equal(device_call_byte(&call, i), properties[i]);
			assert_zeroes(sizeof(properties), sizes[s]);
			device_call_free(&call);
		}
		device_teardown(&f);
	}
}

/* One that went and came again with other regions: nothing of the old one is told, or kept off. */
static void test_probe__endpoint_came_again_with_other_regions__these_are_told(void **state)
{
	static const struct viommu_resv_region other = { { 0xfee00000, 0xfeefffff }, VIOMMU_RESV_MEM_MSI };
	struct viommu_endpoint_config config = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct device_fixture f;

	(void)state;
	setup(&f, 72);
	assert_int_equal(viommu_device_remove_endpoint(&f.dev, f.endpoints[0]), VIOMMU_OK);
	assert_int_equal(viommu_access_deinit(&f.accesses[0]), VIOMMU_OK);
	assert_true(viommu_device_endpoint_is_gone(&f.dev, f.endpoints[0]));
	config.id = DEVICE_EP0;
	config.regions = &other;
	config.region_count = 1;
	assert_int_equal(viommu_device_add_endpoint(&f.dev, &config, &f.endpoints[0]), VIOMMU_OK);
	viommu_access_init(&f.accesses[0], &f.dev, f.endpoints[0]);
	assert_int_equal(probe(&f, DEVICE_EP0, 76, 0), VIOMMU_S_OK);
	for (size_t i = 0; i < 24; i++)
		assert_int_equal(device_call_byte(&call, i), properties[24 + i]);
	assert_zeroes(24, 72);
	device_call_free(&call);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0xa000, VIOMMU_MAP_F_READ), VIOMMU_S_OK);
	device_teardown(&f);
}

static void test_probe__endpoint_without_regions__zeroes(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 2, 3, 4, 24, 64, 511 };
	struct device_fixture f;
	size_t s;

	(void)state;
	for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		setup(&f, sizes[s]);
		assert_int_equal(probe(&f, DEVICE_EP1, sizes[s] + 4, 0), VIOMMU_S_OK);
		assert_int_equal(call.request.written, sizes[s] + 4);
		assert_zeroes(0, sizes[s]);
		device_call_free(&call);
		device_teardown(&f);
	}
}

/* IOMMU-DEV-PROBE-02 */
static void test_probe__unknown_endpoint__noent(void **state)
{
	struct device_fixture f;

	(void)state;
	setup(&f, 96);
	assert_int_equal(probe(&f, DEVICE_EP_UNKNOWN, 100, 0), VIOMMU_S_NOENT);
	assert_int_equal(call.request.written, 100);
	assert_zeroes(0, 96);
	device_call_free(&call);
	assert_int_equal(probe(&f, DEVICE_EP_UNKNOWN, 130, 7), VIOMMU_S_NOENT);
	assert_int_equal(call.request.written, 100);
	assert_zeroes(0, 96);
	device_call_free(&call);
	device_teardown(&f);
}

/* IOMMU-DEV-PROBE-08, IOMMU-DEV-PROBE-09, VQ-DEV-USED-02: every length of the writable part. */
static void test_probe__every_writable_length__status_where_it_belongs(void **state)
{
	static const size_t cuts[] = { 0, 1, 3, 50 };
	struct device_fixture f;
	size_t w, c, i;

	(void)state;
	setup(&f, 80);
	for (c = 0; c < sizeof(cuts) / sizeof(cuts[0]); c++) {
		for (w = 0; w < 100; w++) {
			int status = probe(&f, DEVICE_EP0, w, cuts[c]);

			if (w < 4) {
				assert_int_equal(status, DEVICE_UNANSWERED);
			} else if (w < 84) {
				assert_int_equal(status, VIOMMU_S_INVAL);
				assert_int_equal(call.request.written, w);
				assert_zeroes(0, w - 4);
			} else {
				assert_int_equal(status, VIOMMU_S_OK);
				assert_int_equal(call.request.written, 84);
				for (i = 0; i < sizeof(properties); i++)
					assert_int_equal(device_call_byte(&call, i), properties[i]);
				assert_zeroes(sizeof(properties), 80);
			}
			device_call_free(&call);
		}
	}
	device_teardown(&f);
}

/* The endpoint is looked at before the size of the area. */
static void test_probe__unknown_endpoint_and_small_area__noent(void **state)
{
	struct device_fixture f;

	(void)state;
	setup(&f, 80);
	assert_int_equal(probe(&f, DEVICE_EP_UNKNOWN, 40, 0), VIOMMU_S_NOENT);
	assert_int_equal(call.request.written, 40);
	assert_zeroes(0, 36);
	device_call_free(&call);
	device_teardown(&f);
}

static void test_probe__attached_endpoint__no_state_changes(void **state)
{
	struct viommu_wire_request request = device_probe_request(DEVICE_EP0);
	struct device_fixture f;

	(void)state;
	setup(&f, 80);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x2000, 0x2fff, 0xa000, 3), VIOMMU_S_OK);
	device_assert_refused(&f, &request, VIOMMU_S_OK); /* not refused, but it leaves no trace either */
	assert_int_equal(device_detach(&f, 1, DEVICE_EP0), VIOMMU_S_OK);
	device_teardown(&f);
}

/* The reply of one request must not colour the next one. */
static void test_probe__then_other_requests__own_answers(void **state)
{
	struct device_fixture f;

	(void)state;
	setup(&f, 512);
	assert_int_equal(probe(&f, DEVICE_EP0, 516, 0), VIOMMU_S_OK);
	device_call_free(&call);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(probe(&f, DEVICE_EP1, 516, 0), VIOMMU_S_OK);
	assert_zeroes(0, 512);
	device_call_free(&call);
	assert_int_equal(device_map(&f, 1, 0x2000, 0x2fff, 0, 3), VIOMMU_S_OK);
	assert_int_equal(device_unmap(&f, 1, 0x2000, 0x2fff), VIOMMU_S_OK);
	assert_int_equal(device_detach(&f, 1, DEVICE_EP0), VIOMMU_S_OK);
	device_teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe__endpoint_with_regions__listed),
		cmocka_unit_test(test_probe__endpoint_came_again_with_other_regions__these_are_told),
		cmocka_unit_test(test_probe__endpoint_without_regions__zeroes),
		cmocka_unit_test(test_probe__unknown_endpoint__noent),
		cmocka_unit_test(test_probe__every_writable_length__status_where_it_belongs),
		cmocka_unit_test(test_probe__unknown_endpoint_and_small_area__noent),
		cmocka_unit_test(test_probe__attached_endpoint__no_state_changes),
		cmocka_unit_test(test_probe__then_other_requests__own_answers),
	};

	return suite_run(tests);
}
