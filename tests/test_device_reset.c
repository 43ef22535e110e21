/* SPDX-License-Identifier: BSD-3-Clause */
/* test_device_reset.c: a reset, and the bypass cleared or stored, with access sections open: when it has settled. */
#include "device_sections.h"
#include "suite.h"

static struct device_call calls[20];

/* Endpoints in bypass keep what they have: their sections have nothing to do with a reset by the driver. */
static void test_reset__sections_that_lose_nothing__settled_at_once(void **state)
{
	struct viommu_access_token token;
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.config.bypass = 1;
	prepare(&f, &options);
	token = begin(&f, 3); /* not attached */
	viommu_device_reset(&f.dev);
	assert_true(viommu_device_is_settled(&f.dev));
	end(&f, 3, token);
	device_teardown(&f);
}

/* A request is the caller's again when next_done returns it, and not before. */
static void test_reset__waiting_request_submitted_again__state(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token token;
	struct device_fixture f;
	int status;

	(void)state;
	prepare(&f, NULL);
	token = begin(&f, 0);
	assert_pending(&f, &calls[0], &unmap);
	viommu_device_reset(&f.dev);
	assert_int_equal(viommu_device_submit(&f.dev, &calls[0].request), VIOMMU_E_STATE);
	assert_ptr_equal(device_next_done(&f, &status), &calls[0]);
	assert_int_equal(status, DEVICE_UNANSWERED);
	device_call_free(&calls[0]);
	end(&f, 0, token);
	device_teardown(&f);
}

/* The next driver hears nothing of what the old one's sections ran into, before the reset or while it lasts. */
static void test_reset__faults_of_old_sections__dropped(void **state)
{
	struct viommu_access_token token;
	struct viommu_wire_fault fault;
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	for (unsigned asked = 0; asked < 2; asked++) {
		prepare(&f, NULL);
		token = begin(&f, 0);
		assert_int_equal(viommu_access_translate(&f.accesses[0], 0x5000, 1, RW, &t), VIOMMU_E_FAULT);
		viommu_device_reset(&f.dev);
		assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_E_EMPTY);
		assert_int_equal(viommu_access_translate(&f.accesses[0], 0x1000, 1, RW, &t), VIOMMU_E_FAULT);
		assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_E_EMPTY);
		end(&f, 0, token);
		if (asked)
			assert_true(viommu_device_is_settled(&f.dev));
		assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_E_EMPTY);
		assert_true(device_faults(&f, 0, 0x1000, RW, VIOMMU_FAULT_R_DOMAIN)); /* this one is new */
		device_teardown(&f);
	}
}

/* A store is not a new life. */
static void test_bypass_cleared__fault_meanwhile__stays(void **state)
{
	struct viommu_access_token token;
	struct device_options options;
	struct viommu_wire_fault fault;
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.config.bypass = 1;
	prepare(&f, &options);
	token = begin(&f, 3);
	device_set_bypass(&f, 0);
	assert_int_equal(viommu_access_translate(&f.accesses[3], 0x1000, 1, RW, &t), VIOMMU_E_FAULT);
	end(&f, 3, token);
	assert_true(viommu_device_is_settled(&f.dev));
	assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_OK);
	assert_int_equal(fault.endpoint, DEVICE_EP3);
	device_teardown(&f);
}

/* What a reset cut out is used again when its sections have ended, whether or not anybody asks about the reset. */
static void test_reset__sections_ended__map_nodes_come_back_by_themselves(void **state)
{
	struct viommu_access_token token;
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.nodes = 2;
	device_setup(&f, &options);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, UINT64_C(1) << 40, (UINT64_C(1) << 40) + 0xfff, 0, RW), VIOMMU_S_NOMEM);
	token = begin(&f, 0);
	viommu_device_reset(&f.dev);
	assert_int_equal(viommu_device_negotiate(&f.dev, VIOMMU_DEVICE_FEATURES), VIOMMU_OK);
	end(&f, 0, token);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0, RW), VIOMMU_S_OK);
	device_teardown(&f);
}

/* INF-01, and revoke before complete for the largest revocation of all. */
static void test_reset__open_section__settles_when_it_ends(void **state)
{
	struct viommu_access_token token;
	struct viommu_translation t;
	struct device_fixture f;
	uint32_t wakes;
	unsigned system;

	(void)state;
	for (system = 0; system < 2; system++) {
		prepare(&f, NULL);
		token = begin(&f, 0);
		if (system)
			viommu_device_system_reset(&f.dev);
		else
			viommu_device_reset(&f.dev);
		assert_false(viommu_device_is_settled(&f.dev));
		assert_int_equal(device_translate(&f, 0, 0x1000, 1, RW, &t), VIOMMU_E_FAULT);
		assert_false(viommu_device_is_settled(&f.dev));
		wakes = f.wakes;
		end(&f, 0, token);
		assert_true(f.wakes > wakes);
		assert_true(viommu_device_is_settled(&f.dev));
		token = begin(&f, 0); /* a new one does not unsettle it */
		assert_true(viommu_device_is_settled(&f.dev));
		end(&f, 0, token);
		device_teardown(&f);
	}
}

static void test_reset__waiting_requests__come_back_unanswered(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_wire_request detach = device_detach_request(1, DEVICE_EP0);
	struct viommu_access_token token;
	struct device_fixture f;
	struct device_call *call;
	int status;

	(void)state;
	prepare(&f, NULL);
	token = begin(&f, 0);
	assert_pending(&f, &calls[0], &unmap);
	assert_pending(&f, &calls[1], &detach);
	viommu_device_reset(&f.dev);
	assert_false(viommu_device_is_busy(&f.dev));
	while ((call = device_next_done(&f, &status)) != NULL) {
		assert_int_equal(status, DEVICE_UNANSWERED);
		device_call_free(call);
	}
	assert_int_equal(calls[0].writable_count, 0); /* both have been seen */
	assert_int_equal(calls[1].writable_count, 0);
	assert_false(viommu_device_is_settled(&f.dev));
	end(&f, 0, token);
	assert_true(viommu_device_is_settled(&f.dev));
	assert_null(device_next_done(&f, &status));
	device_teardown(&f);
}

/* What the old life cut out stays out of use until the reset has settled, and is good again after. */
static void test_reset__open_section__map_nodes_not_reused(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0, 0xfff);
	struct viommu_access_token token;
	struct device_options options;
	struct device_fixture f;
	uint64_t i, n;
	int status;

	(void)state;
	device_options_init(&options);
	options.nodes = 8;
	device_setup(&f, &options);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	for (n = 0; device_map(&f, 1, n << 40, (n << 40) + 0xfff, 0, RW) == VIOMMU_S_OK; n++)
		assert_true(n < 100);
	token = begin(&f, 0);
	assert_pending(&f, &calls[0], &unmap);
	viommu_device_reset(&f.dev);
	assert_ptr_equal(device_next_done(&f, &status), &calls[0]);
	assert_int_equal(status, DEVICE_UNANSWERED);
	device_call_free(&calls[0]);
	/* Even for an embedder that does not wait for the reset to settle. */
	assert_int_equal(viommu_device_negotiate(&f.dev, options.negotiate), VIOMMU_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_int_equal(viommu_device_process(&f.dev, 100), 0);
	assert_int_equal(device_map(&f, 1, 0, 0xfff, 0, RW), VIOMMU_S_NOMEM);
	assert_false(viommu_device_is_settled(&f.dev));
	end(&f, 0, token);
	assert_true(viommu_device_is_settled(&f.dev));
	for (i = 0; i < n; i++)
		assert_int_equal(device_map(&f, 1, i << 40, (i << 40) + 0xfff, 0, RW), VIOMMU_S_OK);
	device_teardown(&f);
}

/* A domain that died is left alone while an old section may read it; there are as many slots again. */
static void test_reset__open_section__domain_slots_not_reused(void **state)
{
	struct viommu_access_token token;
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.config.max_domains = 2;
	device_setup(&f, &options);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 2, DEVICE_EP1, 0), VIOMMU_S_OK);
	token = begin(&f, 0);
	viommu_device_reset(&f.dev);
	assert_int_equal(viommu_device_negotiate(&f.dev, options.negotiate), VIOMMU_OK);
	assert_int_equal(device_attach(&f, 3, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 4, DEVICE_EP2, 0), VIOMMU_S_OK);
	viommu_device_reset(&f.dev);
	assert_int_equal(viommu_device_negotiate(&f.dev, options.negotiate), VIOMMU_OK);
	assert_int_equal(device_attach(&f, 5, DEVICE_EP1, 0), VIOMMU_S_NOMEM);
	assert_true(viommu_device_check(&f.dev));
	end(&f, 0, token);
	assert_int_equal(device_attach(&f, 5, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 6, DEVICE_EP2, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 7, DEVICE_EP3, 0), VIOMMU_S_NOMEM); /* max_domains */
	device_teardown(&f);
}

static void test_bypass_cleared__open_section__settles_when_it_ends(void **state)
{
	struct viommu_access_token token;
	struct viommu_translation t;
	struct device_options options;
	struct device_fixture f;
	unsigned system;

	(void)state;
	device_options_init(&options);
	options.config.bypass = 1;
	for (system = 0; system < 2; system++) {
		if (system) /* a system reset clears it as well, if it was 0 in the beginning */
			options.config.bypass = 0;
		prepare(&f, &options);
		if (system)
			device_set_bypass(&f, 1);
		assert_true(viommu_device_is_settled(&f.dev)); /* setting it takes nothing away */
		token = begin(&f, 3);
		if (system)
			viommu_device_system_reset(&f.dev);
		else
			device_set_bypass(&f, 0);
		assert_int_equal(device_bypass(&f), 0);
		assert_false(viommu_device_is_settled(&f.dev));
		assert_int_equal(device_translate(&f, 3, 0x1000, 1, RW, &t), VIOMMU_E_FAULT);
		end(&f, 3, token);
		assert_true(viommu_device_is_settled(&f.dev));
		device_teardown(&f);
	}
}

/* What an endpoint began since, wherever it moved meanwhile, says nothing of what another one began before. */
static void test_bypass_cleared__another_endpoint_moves_on_and_on__waits_for_old_sections(void **state)
{
	struct viommu_wire_request attach[3];
	struct viommu_access_token bypass, first, second, third;
	struct device_call requests[3];
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.config.bypass = 1;
	prepare(&f, &options);
	for (uint32_t i = 0; i < 3; i++)
		attach[i] = device_attach_request(3 + i, DEVICE_EP2, 0);
	first = begin(&f, 2);
	assert_pending(&f, &requests[0], &attach[0]);
	assert_pending(&f, &requests[1], &attach[1]);
	bypass = begin(&f, 3);
	second = begin(&f, 2);
	device_set_bypass(&f, 0);
	end(&f, 2, first);
	assert_done(&f, &requests[0], VIOMMU_S_OK);
	third = begin(&f, 2);
	assert_pending(&f, &requests[2], &attach[2]);
	end(&f, 2, second);
	assert_done(&f, &requests[1], VIOMMU_S_OK);
	assert_false(viommu_device_is_settled(&f.dev));
	end(&f, 3, bypass);
	assert_true(viommu_device_is_settled(&f.dev));
	end(&f, 2, third);
	assert_done(&f, &requests[2], VIOMMU_S_OK);
	device_teardown(&f);
}

static void test_bypass_stored_again__open_section__nothing_to_settle(void **state)
{
	struct viommu_access_token token;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	token = begin(&f, 3);
	device_set_bypass(&f, 0); /* was 0 already */
	assert_true(viommu_device_is_settled(&f.dev));
	device_set_bypass(&f, 1);
	assert_true(viommu_device_is_settled(&f.dev));
	end(&f, 3, token);
	device_teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reset__sections_ended__map_nodes_come_back_by_themselves),
		cmocka_unit_test(test_reset__faults_of_old_sections__dropped),
		cmocka_unit_test(test_bypass_cleared__fault_meanwhile__stays),
		cmocka_unit_test(test_reset__sections_that_lose_nothing__settled_at_once),
		cmocka_unit_test(test_reset__waiting_request_submitted_again__state),
		cmocka_unit_test(test_reset__open_section__settles_when_it_ends),
		cmocka_unit_test(test_reset__waiting_requests__come_back_unanswered),
		cmocka_unit_test(test_reset__open_section__map_nodes_not_reused),
		cmocka_unit_test(test_reset__open_section__domain_slots_not_reused),
		cmocka_unit_test(test_bypass_cleared__open_section__settles_when_it_ends),
		cmocka_unit_test(test_bypass_cleared__another_endpoint_moves_on_and_on__waits_for_old_sections),
		cmocka_unit_test(test_bypass_stored_again__open_section__nothing_to_settle),
	};

	return suite_run(tests);
}
