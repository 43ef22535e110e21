/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests as bytes: any cut, too short, too long, not known, not available. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device_fixture.h"
#include "suite.h"

static struct device_call call;

/* A domain 1 with endpoint 0 and one mapping: each request below then succeeds. */
static void prepare(struct device_fixture *f)
{
	device_renegotiate(f);
	assert_int_equal(device_attach(f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(f, 1, 0x1000, 0x1fff, 0xa000, 3), VIOMMU_S_OK);
}

/* One good request of each type. */
static struct viommu_wire_request sample(uint8_t type)
{
	switch (type) {
	case VIOMMU_T_ATTACH:
		return device_attach_request(2, DEVICE_EP1, 0);
	case VIOMMU_T_DETACH:
		return device_detach_request(1, DEVICE_EP0);
	case VIOMMU_T_MAP:
		return device_map_request(1, 0x2000, 0x2fff, 0xb000, 3);
	case VIOMMU_T_UNMAP:
		return device_unmap_request(1, 0x1000, 0x1fff);
	default:
		return device_probe_request(DEVICE_EP0);
	}
}

static size_t encode(uint8_t type, uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX])
{
	struct viommu_wire_request request = sample(type);

	return viommu_wire_request_encode(&request, bytes, VIOMMU_WIRE_REQUEST_MAX);
}

/* Has the sample done what it is for? */
static bool took_effect(struct device_fixture *f, uint8_t type)
{
	switch (type) {
	case VIOMMU_T_ATTACH:
		return device_faults(f, 1, 0x1000, 1, VIOMMU_FAULT_R_MAPPING);
	case VIOMMU_T_DETACH:
		return device_faults(f, 0, 0x1000, 1, VIOMMU_FAULT_R_DOMAIN);
	case VIOMMU_T_MAP:
		return device_reaches(f, 0, 0x2800, 3, 0xb800);
	case VIOMMU_T_UNMAP:
		return device_faults(f, 0, 0x1000, 1, VIOMMU_FAULT_R_MAPPING);
	default:
		return true;
	}
}

static size_t reply_size(uint8_t type)
{
	return type == VIOMMU_T_PROBE ? 64 + 4 : 4;
}

/* VQ-DEV-FRAME-01: two pieces, cut at every byte, on both sides. */
static void test_parse__cut_in_two_anywhere__same_answer(void **state)
{
	struct device_fixture f;
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
	size_t len, r, w;
	uint8_t type;

	(void)state;
	device_setup(&f, NULL);
	for (type = VIOMMU_T_ATTACH; type <= VIOMMU_T_PROBE; type++) {
		len = encode(type, bytes);
		for (r = 0; r <= len; r++) {
			for (w = 0; w <= reply_size(type); w++) {
				prepare(&f);
				device_call_init(&call);
				device_call_add_readable(&call, bytes, r);
				device_call_add_readable(&call, bytes + r, len - r);
				device_call_add_writable(&call, w);
				device_call_add_writable(&call, reply_size(type) - w);
				assert_int_equal(device_call_submit(&f, &call), VIOMMU_S_OK);
				assert_int_equal(call.request.type, type);
				device_call_free(&call);
				assert_true(took_effect(&f, type));
			}
		}
	}
	device_teardown(&f);
}

/* Pieces of 1 to 9 bytes; with 1, the four bytes of the tail are four pieces. */
static void test_parse__cut_in_small_pieces__same_answer(void **state)
{
	struct device_fixture f;
	struct viommu_wire_request request;
	uint8_t type;
	size_t cut;

	(void)state;
	device_setup(&f, NULL);
	for (type = VIOMMU_T_ATTACH; type <= VIOMMU_T_PROBE; type++) {
		for (cut = 1; cut < 10; cut++) {
			prepare(&f);
			request = sample(type);
			device_call_build(&call, &f, &request, cut);
			assert_int_equal(device_call_submit(&f, &call), VIOMMU_S_OK);
			device_call_free(&call);
			assert_true(took_effect(&f, type));
		}
	}
	device_teardown(&f);
}

static void test_parse__empty_pieces_between__same_answer(void **state)
{
	struct device_fixture f;
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
	size_t len, i;
	uint8_t type;

	(void)state;
	device_setup(&f, NULL);
	for (type = VIOMMU_T_ATTACH; type <= VIOMMU_T_PROBE; type++) {
		prepare(&f);
		len = encode(type, bytes);
		device_call_init(&call);
		for (i = 0; i < len; i++) {
			device_call_add_readable(&call, NULL, 0);
			device_call_add_readable(&call, bytes + i, 1);
		}
		for (i = 0; i < reply_size(type); i++) {
			device_call_add_writable(&call, 1);
			device_call_add_writable(&call, 0);
		}
		assert_int_equal(device_call_submit(&f, &call), VIOMMU_S_OK);
		device_call_free(&call);
		assert_true(took_effect(&f, type));
	}
	device_teardown(&f);
}

/* Submits R bytes and W bytes that cannot be answered, and looks whether anything changed. */
static void assert_unanswered(struct device_fixture *f, const uint8_t *bytes, size_t r, size_t w)
{
	struct device_view before, after;

	device_view_take(f, &before);
	device_call_init(&call);
	if (r != 0)
		device_call_add_readable(&call, bytes, r);
	if (w != 0)
		device_call_add_writable(&call, w);
	assert_int_equal(device_call_submit(f, &call), DEVICE_UNANSWERED);
	assert_int_equal(call.request.type, r >= VIOMMU_WIRE_HEAD_SIZE ? bytes[0] : 0);
	device_call_free(&call);
	device_view_take(f, &after);
	device_view_assert_equal(&before, &after);
}

/* INF-03 */
static void test_parse__readable_part_too_short__unanswered(void **state)
{
	struct device_fixture f;
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
	size_t len, r;
	uint8_t type;

	(void)state;
	device_setup(&f, NULL);
	prepare(&f);
	for (type = VIOMMU_T_ATTACH; type <= VIOMMU_T_PROBE; type++) {
		len = encode(type, bytes);
		for (r = 0; r < len; r++)
			assert_unanswered(&f, bytes, r, reply_size(type));
	}
	device_teardown(&f);
}

static void test_parse__no_room_for_a_tail__unanswered_and_no_effect(void **state)
{
	struct device_fixture f;
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
	size_t len, w;
	uint8_t type;

	(void)state;
	device_setup(&f, NULL);
	prepare(&f);
	for (type = VIOMMU_T_ATTACH; type <= VIOMMU_T_PROBE; type++) {
		len = encode(type, bytes);
		for (w = 0; w < VIOMMU_WIRE_TAIL_SIZE; w++)
			assert_unanswered(&f, bytes, len, w);
	}
	device_teardown(&f);
}

/* IOMMU-DEV-OPS-02, IOMMU-DEV-OPS-03 */
static void test_parse__unknown_type__unanswered(void **state)
{
	struct device_fixture f;
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
	unsigned type;

	(void)state;
	device_setup(&f, NULL);
	prepare(&f);
	memset(bytes, 0, sizeof(bytes));
	for (type = 0; type < 256; type++) {
		if (type >= VIOMMU_T_ATTACH && type <= VIOMMU_T_PROBE)
			continue;
		bytes[0] = (uint8_t)type;
		assert_unanswered(&f, bytes, sizeof(bytes), 68);
		assert_unanswered(&f, bytes, VIOMMU_WIRE_HEAD_SIZE, 4);
	}
	device_teardown(&f);
}

/* IOMMU-DEV-OPS-04, IOMMU-DEV-DETACH-01, IOMMU-DEV-PROBE-01: reserved bytes that the device has to ignore. */
static void test_parse__reserved_bytes_to_ignore__ignored(void **state)
{
	struct device_fixture f;
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
	size_t len, i;
	uint8_t type;

	(void)state;
	device_setup(&f, NULL);
	for (type = VIOMMU_T_ATTACH; type <= VIOMMU_T_PROBE; type++) {
		prepare(&f);
		len = encode(type, bytes);
		memset(bytes + 1, 0xff, 3);
		if (type == VIOMMU_T_DETACH)
			memset(bytes + 12, 0xff, 8);
		for (i = 8; type == VIOMMU_T_PROBE && i < len; i++)
			bytes[i] = 0xff;
		device_call_init(&call);
		device_call_add_readable(&call, bytes, len);
		device_call_add_writable(&call, reply_size(type));
		assert_int_equal(device_call_submit(&f, &call), VIOMMU_S_OK);
		device_call_free(&call);
		assert_true(took_effect(&f, type));
	}
	device_teardown(&f);
}

/* More bytes than the type needs: read and answered at their places, the rest is nobody's. */
static void test_parse__longer_than_needed__tail_at_its_place(void **state)
{
	struct device_fixture f;
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX], junk[300];
	size_t len, w, cut;
	uint8_t type;

	(void)state;
	device_setup(&f, NULL);
	memset(junk, 0xff, sizeof(junk));
	for (type = VIOMMU_T_ATTACH; type <= VIOMMU_T_PROBE; type++) {
		for (w = 1; w < 9; w++) {
			prepare(&f);
			len = encode(type, bytes);
			device_call_init(&call);
			device_call_add_readable(&call, bytes, len);
			device_call_add_readable(&call, junk, sizeof(junk));
			for (cut = 0; cut < 16; cut++) /* 16 w bytes behind the tail */
				device_call_add_writable(&call, cut == 0 ? w + reply_size(type) : w);
			assert_int_equal(device_call_submit(&f, &call), VIOMMU_S_OK);
			assert_int_equal(call.request.written, reply_size(type));
			device_call_free(&call);
			assert_true(took_effect(&f, type));
		}
	}
	device_teardown(&f);
}

/* Byte-exact samples of the specification's chapter, so that encoder and decoder cannot agree on a mistake. */
static void test_parse__samples__understood(void **state)
{
	static const uint8_t attach[20] = { 1, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0 };
	static const uint8_t map[36] = { 3, 0, 0, 0, 1, 0, 0, 0,    0, 0x10, 0, 0, 0, 0, 0, 0, 0xff, 0x1f,
					 0, 0, 0, 0, 0, 0, 0, 0xa0, 0, 0,    0, 0, 0, 0, 1, 0, 0,    0 };
	static const uint8_t unmap[28] = { 4, 0, 0, 0, 1, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0xff, 0x1f };
	static const uint8_t detach[20] = { 2, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0 };
	static const struct {
		const uint8_t *bytes;
		size_t len;
		uint8_t reason; /* of a fault at 0x1234, afterwards; 0: reaches 0xa234 */
	} steps[] = {
		{ attach, sizeof(attach), VIOMMU_FAULT_R_MAPPING },
		{ map, sizeof(map), 0 },
		{ unmap, sizeof(unmap), VIOMMU_FAULT_R_MAPPING },
		{ detach, sizeof(detach), VIOMMU_FAULT_R_DOMAIN },
	};
	struct device_fixture f;
	size_t i;

	(void)state;
	device_setup(&f, NULL);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		device_call_init(&call);
		device_call_add_readable(&call, steps[i].bytes, steps[i].len);
		device_call_add_writable(&call, 4);
		assert_int_equal(device_call_submit(&f, &call), VIOMMU_S_OK); /* IOMMU-DEV-OPS-01 */
		assert_int_equal(call.request.written, 4);
		device_call_free(&call);
		if (steps[i].reason != 0)
			assert_true(device_faults(&f, 0, 0x1234, 1, steps[i].reason));
		else
			assert_true(device_reaches(&f, 0, 0x1234, 1, 0xa234));
	}
	device_teardown(&f);
}

/* MAP and UNMAP hinge on negotiated, PROBE on offered. */
static void test_parse__request_not_available__unanswered(void **state)
{
	struct device_options options;
	struct device_fixture f;
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];

	(void)state;
	device_options_init(&options);
	options.config.features &= ~VIOMMU_F_PROBE; /* IOMMU-DEV-PROBE-03, IOMMU-DEV-PROBE-04 */
	options.negotiate = 0;
	device_setup(&f, &options);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_unanswered(&f, bytes, encode(VIOMMU_T_MAP, bytes), 4);
	assert_unanswered(&f, bytes, encode(VIOMMU_T_UNMAP, bytes), 4);
	assert_unanswered(&f, bytes, encode(VIOMMU_T_PROBE, bytes), 68);
	device_teardown(&f);
}

static void test_parse__nothing_negotiated__attach_detach_probe_work(void **state)
{
	struct device_options options;
	struct device_fixture f;
	struct viommu_wire_request probe = device_probe_request(DEVICE_EP0);

	(void)state;
	device_options_init(&options);
	options.negotiate = 0;
	device_setup(&f, &options);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_true(device_faults(&f, 0, 0, 1, VIOMMU_FAULT_R_MAPPING));
	assert_int_equal(device_request(&f, &probe), VIOMMU_S_OK);
	assert_int_equal(device_detach(&f, 1, DEVICE_EP0), VIOMMU_S_OK);
	assert_true(device_faults(&f, 0, 0, 1, VIOMMU_FAULT_R_DOMAIN));
	device_teardown(&f);
}

static void test_stats__answers_and_others__counted(void **state)
{
	struct device_fixture f;
	const struct viommu_device_stats *stats;
	uint8_t junk[4] = { 77, 0, 0, 0 };
	struct viommu_wire_request probe = device_probe_request(DEVICE_EP0);

	(void)state;
	device_setup(&f, NULL);
	stats = viommu_device_get_stats(&f.dev);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP_UNKNOWN, 0), VIOMMU_S_NOENT);
	assert_int_equal(device_map(&f, 1, 0, 0xfff, 0, 3), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0, 0xfff, 0, 3), VIOMMU_S_INVAL);
	assert_int_equal(device_map(&f, 1, 1, 0xfff, 0, 3), VIOMMU_S_RANGE);
	assert_int_equal(device_unmap(&f, 1, 0, 0xfff), VIOMMU_S_OK);
	assert_int_equal(device_detach(&f, 1, DEVICE_EP0), VIOMMU_S_OK);
	assert_int_equal(device_request(&f, &probe), VIOMMU_S_OK);
	assert_unanswered(&f, junk, 4, 4);
	assert_int_equal(stats->requests[VIOMMU_T_ATTACH], 2);
	assert_int_equal(stats->requests[VIOMMU_T_DETACH], 1);
	assert_int_equal(stats->requests[VIOMMU_T_MAP], 3);
	assert_int_equal(stats->requests[VIOMMU_T_UNMAP], 1);
	assert_int_equal(stats->requests[VIOMMU_T_PROBE], 1);
	assert_int_equal(stats->requests[0], 1);
	assert_int_equal(stats->statuses[VIOMMU_S_OK], 5);
	assert_int_equal(stats->statuses[VIOMMU_S_NOENT], 1);
	assert_int_equal(stats->statuses[VIOMMU_S_INVAL], 1);
	assert_int_equal(stats->statuses[VIOMMU_S_RANGE], 1);
	assert_int_equal(stats->unanswered, 1);
	assert_int_equal(stats->pended, 0);
	device_teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse__cut_in_two_anywhere__same_answer),
		cmocka_unit_test(test_parse__cut_in_small_pieces__same_answer),
		cmocka_unit_test(test_parse__empty_pieces_between__same_answer),
		cmocka_unit_test(test_parse__readable_part_too_short__unanswered),
		cmocka_unit_test(test_parse__no_room_for_a_tail__unanswered_and_no_effect),
		cmocka_unit_test(test_parse__unknown_type__unanswered),
		cmocka_unit_test(test_parse__reserved_bytes_to_ignore__ignored),
		cmocka_unit_test(test_parse__longer_than_needed__tail_at_its_place),
		cmocka_unit_test(test_parse__samples__understood),
		cmocka_unit_test(test_parse__request_not_available__unanswered),
		cmocka_unit_test(test_parse__nothing_negotiated__attach_detach_probe_work),
		cmocka_unit_test(test_stats__answers_and_others__counted),
	};

	return suite_run(tests);
}
