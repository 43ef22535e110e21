/* SPDX-License-Identifier: BSD-3-Clause */
/* What the embedder is told of what happens to a device: each event, with all that it says, and in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <viommu/backend.h>

#include "device_fixture.h"
#include "suite.h"

#define RW (VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)
#define EVENTS 16u

static struct viommu_trace_event events[EVENTS];
static uint32_t count; /* since the last look */

static void keep(void *ctx, const struct viommu_trace_event *event)
{
	(void)ctx;
	if (count < EVENTS)
		events[count] = *event;
	count++;
}

static void prepare(struct device_fixture *f)
{
	device_setup(f, NULL);
	f->ops.trace = keep;
	count = 0;
}

static void assert_event(const struct viommu_trace_event *event, const struct viommu_trace_event *expected)
{
	assert_int_equal(event->id, expected->id);
	assert_int_equal(event->type, expected->type);
	assert_int_equal(event->status, expected->status);
	assert_int_equal(event->pending, expected->pending);
	assert_int_equal(event->unanswered, expected->unanswered);
	assert_int_equal(event->domain, expected->domain);
	assert_int_equal(event->endpoint, expected->endpoint);
	assert_int_equal(event->flags, expected->flags);
	assert_int_equal(event->first, expected->first);
	assert_int_equal(event->last, expected->last);
	assert_int_equal(event->phys, expected->phys);
}

/* One event since the last look, and this one. */
#define assert_told(...)                                                                                               \
	do {                                                                                                           \
		const struct viommu_trace_event expected_ = { __VA_ARGS__ };                                           \
                                                                                                                       \
		assert_int_equal(count, 1);                                                                            \
		assert_event(&events[0], &expected_);                                                                  \
		count = 0;                                                                                             \
	} while (0)

static void test_trace__requests__with_their_fields_and_status(void **state)
{
	struct viommu_wire_request attach = device_attach_request(3, DEVICE_EP1, 0);
	struct viommu_wire_request unmap = device_unmap_request(3, 0x4000, 0x4fff);
	struct viommu_wire_request probe = device_probe_request(DEVICE_EP3);
	struct device_fixture f;

	(void)state;
	prepare(&f);
	assert_int_equal(device_attach(&f, 3, DEVICE_EP0, VIOMMU_ATTACH_F_BYPASS), VIOMMU_S_OK);
	assert_told(.id = VIOMMU_TRACE_REQUEST, .type = VIOMMU_T_ATTACH, .domain = 3, .endpoint = DEVICE_EP0,
		    .flags = VIOMMU_ATTACH_F_BYPASS);
	attach.u.attach.reserved = 0x55;
	assert_int_equal(device_request(&f, &attach), VIOMMU_S_INVAL);
	assert_told(.id = VIOMMU_TRACE_REQUEST, .type = VIOMMU_T_ATTACH, .status = VIOMMU_S_INVAL, .domain = 3,
		    .endpoint = DEVICE_EP1, .first = 0x55);
	assert_int_equal(device_detach(&f, 3, DEVICE_EP0), VIOMMU_S_OK);
	assert_told(.id = VIOMMU_TRACE_REQUEST, .type = VIOMMU_T_DETACH, .domain = 3, .endpoint = DEVICE_EP0);
	assert_int_equal(device_map(&f, 3, 0x1000, 0x2fff, 0x7000, RW), VIOMMU_S_NOENT);
	assert_told(.id = VIOMMU_TRACE_REQUEST, .type = VIOMMU_T_MAP, .status = VIOMMU_S_NOENT, .domain = 3,
		    .first = 0x1000, .last = 0x2fff, .phys = 0x7000, .flags = RW);
	unmap.u.unmap.reserved = 0x66;
	assert_int_equal(device_request(&f, &unmap), VIOMMU_S_INVAL);
	assert_told(.id = VIOMMU_TRACE_REQUEST, .type = VIOMMU_T_UNMAP, .status = VIOMMU_S_INVAL, .domain = 3,
		    .first = 0x4000, .last = 0x4fff, .flags = 0x66);
	assert_int_equal(device_request(&f, &probe), VIOMMU_S_OK);
	assert_told(.id = VIOMMU_TRACE_REQUEST, .type = VIOMMU_T_PROBE, .endpoint = DEVICE_EP3);
	device_teardown(&f);
}

static void test_trace__no_answer__said(void **state)
{
	const struct viommu_wire_request map = device_map_request(1, 0, 0xfff, 0x5000, RW);
	static const uint8_t nonsense[4] = { 0x7f };
	struct device_fixture f;
	struct device_call call;

	(void)state;
	prepare(&f);
	device_call_init(&call);
	device_call_add_readable(&call, nonsense, sizeof(nonsense));
	device_call_add_writable(&call, 4);
	assert_int_equal(device_call_submit(&f, &call), DEVICE_UNANSWERED);
	assert_told(.id = VIOMMU_TRACE_REQUEST, .unanswered = true);
	device_call_free(&call);

	assert_int_equal(viommu_device_negotiate(&f.dev, 0), VIOMMU_OK);
	assert_told(.id = VIOMMU_TRACE_NEGOTIATE);
	device_call_init(&call);
	device_call_build(&call, &f, &map, 0);
	call.request.status = VIOMMU_S_RANGE; /* of its last use */
	assert_int_equal(device_call_submit(&f, &call), DEVICE_UNANSWERED);
	device_call_free(&call);
	assert_told(.id = VIOMMU_TRACE_REQUEST, .type = VIOMMU_T_MAP, .unanswered = true, .domain = 1, .last = 0xfff,
		    .phys = 0x5000, .flags = RW);
	device_renegotiate(&f);
	device_teardown(&f);
}

static void test_trace__request_that_waits__told_twice(void **state)
{
	const struct viommu_wire_request unmap = device_unmap_request(1, 0, 0xfff);
	struct viommu_access_token token;
	struct device_fixture f;
	struct device_call call;
	int status;

	(void)state;
	prepare(&f);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0, 0xfff, 0, RW), VIOMMU_S_OK);
	assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
	count = 0;
	assert_int_equal(device_start(&f, &call, &unmap), DEVICE_PENDING);
	assert_told(.id = VIOMMU_TRACE_REQUEST, .type = VIOMMU_T_UNMAP, .pending = true, .domain = 1, .last = 0xfff);
	assert_null(device_next_done(&f, &status));
	assert_int_equal(count, 0);
	viommu_access_end(&f.accesses[0], token);
	assert_ptr_equal(device_next_done(&f, &status), &call);
	assert_told(.id = VIOMMU_TRACE_DONE, .type = VIOMMU_T_UNMAP);
	device_call_free(&call);
	device_teardown(&f);
}

/* One that a reset has ended, and one whose queue was reset. */
static void test_trace__request_that_is_not_answered_any_more__said(void **state)
{
	const struct viommu_wire_request unmap = device_unmap_request(1, 0, 0xfff);
	struct viommu_access_token token;
	struct device_fixture f;
	struct device_call call;

	(void)state;
	for (int forget = 0; forget < 2; forget++) {
		prepare(&f);
		assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
		assert_int_equal(device_map(&f, 1, 0, 0xfff, 0, RW), VIOMMU_S_OK);
		assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
		assert_int_equal(device_start(&f, &call, &unmap), DEVICE_PENDING);
		if (forget != 0)
			viommu_device_forget_replies(&f.dev);
		else
			viommu_device_reset(&f.dev);
		viommu_access_end(&f.accesses[0], token);
		count = 0;
		assert_ptr_equal(viommu_device_next_done(&f.dev), &call.request);
		assert_told(.id = VIOMMU_TRACE_DONE, .type = VIOMMU_T_UNMAP, .unanswered = true);
		device_call_free(&call);
		device_renegotiate(&f);
		device_teardown(&f);
	}
}

static void test_trace__fault__when_it_is_fetched(void **state)
{
	struct viommu_access_token token;
	struct viommu_translation t;
	struct viommu_wire_fault fault;
	struct device_fixture f;

	(void)state;
	prepare(&f);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP1, 0), VIOMMU_S_OK);
	count = 0;
	assert_int_equal(viommu_access_begin(&f.accesses[1], &token), VIOMMU_OK);
	assert_int_equal(viommu_access_translate(&f.accesses[1], 0x1234, 1, VIOMMU_ACCESS_WRITE, &t), VIOMMU_E_FAULT);
	viommu_access_end(&f.accesses[1], token);
	assert_int_equal(count, 0);
	assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_OK);
	assert_told(.id = VIOMMU_TRACE_FAULT, .type = VIOMMU_FAULT_R_MAPPING, .endpoint = DEVICE_EP1,
		    .flags = VIOMMU_FAULT_F_WRITE | VIOMMU_FAULT_F_ADDRESS, .first = 0x1234);
	assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_E_EMPTY);
	assert_int_equal(count, 0);
	device_teardown(&f);
}

static void test_trace__registers_and_resets__told(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f);
	device_set_bypass(&f, 1);
	assert_told(.id = VIOMMU_TRACE_BYPASS, .flags = 1);
	device_set_bypass(&f, 1);
	assert_int_equal(count, 0); /* nothing has changed */
	device_set_bypass(&f, 0);
	assert_told(.id = VIOMMU_TRACE_BYPASS);
	viommu_device_reset(&f.dev);
	assert_told(.id = VIOMMU_TRACE_RESET);
	viommu_device_system_reset(&f.dev);
	assert_told(.id = VIOMMU_TRACE_SYSTEM_RESET);
	assert_int_equal(viommu_device_negotiate(&f.dev, VIOMMU_F_MAP_UNMAP), VIOMMU_OK);
	assert_told(.id = VIOMMU_TRACE_NEGOTIATE, .first = VIOMMU_F_MAP_UNMAP);
	device_renegotiate(&f);
	device_teardown(&f);
}

static void agree(void *ctx, const struct viommu_backend_change *change)
{
	(void)ctx;
	(void)change;
}

static void test_trace__endpoints__told(void **state)
{
	static const struct viommu_backend_ops ops = { .size = sizeof(ops), .commit = agree };
	struct viommu_endpoint_config config = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct device_fixture f;

	(void)state;
	prepare(&f);
	assert_int_equal(viommu_device_set_backend(&f.dev, f.endpoints[1], &ops, NULL), VIOMMU_OK);
	assert_int_equal(count, 0);
	viommu_device_break_backend(&f.dev, f.endpoints[1]);
	assert_told(.id = VIOMMU_TRACE_BACKEND_BROKEN, .endpoint = DEVICE_EP1);
	assert_int_equal(viommu_device_set_backend(&f.dev, f.endpoints[1], NULL, NULL), VIOMMU_OK);
	assert_int_equal(viommu_access_deinit(&f.accesses[0]), VIOMMU_OK);
	assert_int_equal(viommu_device_remove_endpoint(&f.dev, f.endpoints[0]), VIOMMU_OK);
	assert_told(.id = VIOMMU_TRACE_ENDPOINT_REMOVED, .endpoint = DEVICE_EP0);
	assert_true(viommu_device_endpoint_is_gone(&f.dev, f.endpoints[0]));
	config.id = DEVICE_EP0;
	assert_int_equal(viommu_device_add_endpoint(&f.dev, &config, &f.endpoints[0]), VIOMMU_OK);
	assert_told(.id = VIOMMU_TRACE_ENDPOINT_ADDED, .endpoint = DEVICE_EP0);
	viommu_access_init(&f.accesses[0], &f.dev, f.endpoints[0]);
	device_teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trace__requests__with_their_fields_and_status),
		cmocka_unit_test(test_trace__no_answer__said),
		cmocka_unit_test(test_trace__request_that_waits__told_twice),
		cmocka_unit_test(test_trace__request_that_is_not_answered_any_more__said),
		cmocka_unit_test(test_trace__fault__when_it_is_fetched),
		cmocka_unit_test(test_trace__registers_and_resets__told),
		cmocka_unit_test(test_trace__endpoints__told),
	};

	return suite_run(tests);
}
