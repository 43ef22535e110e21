/* SPDX-License-Identifier: BSD-3-Clause */
/* Endpoints that go at run time, with requests pending and sections open, and that come again. */
#include "device_sections.h"
#include "suite.h"

static struct device_call calls[2];
static struct viommu_access context; /* the test may end before it is gone */

static void remove_endpoint(struct device_fixture *f, uint32_t index)
{
	assert_int_equal(viommu_device_remove_endpoint(&f->dev, f->endpoints[index]), VIOMMU_OK);
	assert_true(viommu_device_check(&f->dev));
}

static bool is_gone(struct device_fixture *f, uint32_t index)
{
	bool gone = viommu_device_endpoint_is_gone(&f->dev, f->endpoints[index]);

	assert_true(viommu_device_check(&f->dev));
	return gone;
}

static enum viommu_result add_again(struct device_fixture *f, uint32_t index)
{
	struct viommu_endpoint_config config = VIOMMU_ENDPOINT_CONFIG_INIT;
	enum viommu_result result;

	config.id = device_endpoint_id(index);
	result = viommu_device_add_endpoint(&f->dev, &config, &f->endpoints[index]);
	assert_true(viommu_device_check(&f->dev));
	return result;
}

static void leave(struct device_fixture *f, uint32_t index)
{
	assert_int_equal(viommu_access_deinit(&f->accesses[index]), VIOMMU_OK);
	assert_true(is_gone(f, index));
}

/* All of the fixture's endpoints are there again, as teardown wants it. */
static void come_back(struct device_fixture *f, uint32_t index)
{
	assert_int_equal(add_again(f, index), VIOMMU_OK);
	viommu_access_init(&f->accesses[index], &f->dev, f->endpoints[index]);
}

static void test_remove__endpoint_of_a_shared_domain__domain_stays(void **state)
{
	struct viommu_wire_request probe = device_probe_request(DEVICE_EP0);
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	assert_false(is_gone(&f, 0));
	remove_endpoint(&f, 0);
	assert_int_equal(viommu_device_remove_endpoint(&f.dev, f.endpoints[0]), VIOMMU_E_STATE);
	assert_int_equal(device_request(&f, &probe), VIOMMU_S_NOENT);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_NOENT);
	assert_int_equal(device_detach(&f, 1, DEVICE_EP0), VIOMMU_S_NOENT);
	assert_int_equal(device_translate(&f, 0, 0x1000, 1, VIOMMU_ACCESS_READ, &t), VIOMMU_E_FAULT);
	assert_true(device_reaches(&f, 1, 0x1000, RW, 0xa000));
	assert_int_equal(device_map(&f, 1, 0x8000, 0x8fff, 0, RW), VIOMMU_S_OK);
	assert_false(is_gone(&f, 0)); /* it has a context */
	leave(&f, 0);
	come_back(&f, 0);
	assert_true(device_faults(&f, 0, 0x1000, 1, VIOMMU_FAULT_R_DOMAIN)); /* nothing of what it had */
	device_teardown(&f);
}

static void test_remove__last_endpoint_of_a_domain__domain_and_nodes_go(void **state)
{
	struct device_fixture f;
	uint32_t nodes;

	(void)state;
	device_setup(&f, NULL);
	nodes = viommu_map_pool_free(&f.dev.pool);
	assert_int_equal(device_attach(&f, 2, DEVICE_EP2, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 2, 0x1000, 0x1fff, 0xc000, RW), VIOMMU_S_OK);
	remove_endpoint(&f, 2);
	assert_int_equal(device_map(&f, 2, 0x8000, 0x8fff, 0, RW), VIOMMU_S_NOENT);
	leave(&f, 2);
	while (viommu_device_process(&f.dev, 10) > 0)
		;
	assert_int_equal(viommu_map_pool_free(&f.dev.pool), nodes);
	come_back(&f, 2);
	device_teardown(&f);
}

/* Revoke before complete: what its section can use stays, and what waits for it is answered when it ends. */
static void test_remove__open_section__gone_after_it(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_wire_request detach = device_detach_request(1, DEVICE_EP0);
	struct viommu_access_token token;
	struct device_fixture f;
	uint32_t wakes;
	int status;

	(void)state;
	prepare(&f, NULL);
	token = begin(&f, 0);
	assert_pending(&f, &calls[0], &unmap);
	assert_pending(&f, &calls[1], &detach);
	remove_endpoint(&f, 0);
	assert_null(viommu_device_next_done(&f.dev));
	assert_false(is_gone(&f, 0));
	assert_int_equal(viommu_access_deinit(&f.accesses[0]), VIOMMU_E_STATE);
	wakes = f.wakes;
	end(&f, 0, token);
	assert_true(f.wakes > wakes);
	for (unsigned i = 0; i < 2; i++) {
		assert_ptr_equal(device_next_done(&f, &status), &calls[i]);
		assert_int_equal(status, VIOMMU_S_OK);
		device_call_free(&calls[i]);
	}
	leave(&f, 0);
	come_back(&f, 0);
	device_teardown(&f);
}

static void test_remove__open_section_and_domain_dies__nodes_wait(void **state)
{
	struct viommu_access_token token;
	struct device_fixture f;
	uint32_t nodes;

	(void)state;
	prepare(&f, NULL);
	token = begin(&f, 2);
	remove_endpoint(&f, 2);
	assert_int_equal(viommu_device_process(&f.dev, 10), 0);
	assert_false(is_gone(&f, 2));
	assert_int_equal(viommu_device_process(&f.dev, 10), 0);
	nodes = viommu_map_pool_free(&f.dev.pool);
	end(&f, 2, token);
	assert_false(is_gone(&f, 2)); /* but what it had is nobody's any more */
	assert_true(viommu_device_process(&f.dev, 10) > 0);
	assert_true(viommu_map_pool_free(&f.dev.pool) > nodes);
	leave(&f, 2);
	come_back(&f, 2);
	device_teardown(&f);
}

/* Another endpoint left the same domain a moment before, and its section may still look at the nodes. */
static void test_remove__section_of_one_that_left_the_domain__waited_for(void **state)
{
	struct viommu_wire_request detach = device_detach_request(1, DEVICE_EP1);
	struct viommu_access_token token;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	token = begin(&f, 1);
	assert_pending(&f, &calls[0], &detach);
	remove_endpoint(&f, 0);
	assert_int_equal(viommu_access_deinit(&f.accesses[0]), VIOMMU_OK);
	assert_false(is_gone(&f, 0));
	assert_int_equal(viommu_device_process(&f.dev, 10), 0);
	end(&f, 1, token);
	assert_true(is_gone(&f, 0));
	assert_done(&f, &calls[0], VIOMMU_S_OK);
	come_back(&f, 0);
	device_teardown(&f);
}

static void test_remove__same_id_added_at_once__takes_another_slot(void **state)
{
	struct device_options options;
	struct viommu_access_token token;
	struct viommu_endpoint *old;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.config.max_endpoints = DEVICE_ENDPOINTS + 1;
	prepare(&f, &options);
	old = f.endpoints[0];
	token = begin(&f, 0);
	remove_endpoint(&f, 0);
	assert_int_equal(add_again(&f, 0), VIOMMU_OK);
	assert_ptr_not_equal(f.endpoints[0], old);
	viommu_access_init(&context, &f.dev, f.endpoints[0]);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	/* The old one has nothing of it. */
	assert_null(f.accesses[0].endpoint->view);
	assert_false(viommu_device_endpoint_is_gone(&f.dev, old));
	end(&f, 0, token);
	assert_int_equal(viommu_access_deinit(&f.accesses[0]), VIOMMU_OK);
	assert_true(viommu_device_endpoint_is_gone(&f.dev, old));
	assert_int_equal(viommu_access_deinit(&context), VIOMMU_OK);
	viommu_access_init(&f.accesses[0], &f.dev, f.endpoints[0]);
	assert_true(device_reaches(&f, 0, 0x1000, RW, 0xa000));
	device_teardown(&f);
}

/* Slots of those that are not gone are not used, whichever goes first. */
static void test_remove__several_at_once__gone_in_any_order(void **state)
{
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.config.max_endpoints = DEVICE_ENDPOINTS;
	prepare(&f, &options);
	remove_endpoint(&f, 1);
	remove_endpoint(&f, 3);
	assert_int_equal(viommu_device_add_endpoint(&f.dev,
						    &(struct viommu_endpoint_config){
							    .size = sizeof(struct viommu_endpoint_config), .id = 77 },
						    &f.endpoints[0]),
			 VIOMMU_E_FULL);
	leave(&f, 3);
	come_back(&f, 3);
	assert_false(is_gone(&f, 1));
	leave(&f, 1);
	come_back(&f, 1);
	assert_true(device_reaches(&f, 0, 0x1000, RW, 0xa000));
	device_teardown(&f);
}

static void test_remove__bypass__blocked_at_once(void **state)
{
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	device_setup(&f, NULL);
	device_set_bypass(&f, 1);
	assert_true(device_reaches(&f, 3, 0x1000, RW, 0x1000));
	remove_endpoint(&f, 3);
	assert_int_equal(device_translate(&f, 3, 0x1000, 1, VIOMMU_ACCESS_READ, &t), VIOMMU_E_FAULT);
	device_set_bypass(&f, 0);
	device_set_bypass(&f, 1);
	assert_int_equal(device_translate(&f, 3, 0x1000, 1, VIOMMU_ACCESS_READ, &t), VIOMMU_E_FAULT);
	leave(&f, 3);
	come_back(&f, 3);
	device_teardown(&f);
}

/* Its reports name an id that may be another's by now. They stay in the counters. */
static void test_remove__reports_not_fetched__lost_and_counted(void **state)
{
	struct viommu_wire_fault fault;
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	device_setup(&f, NULL);
	assert_int_equal(device_translate(&f, 3, 0, 1, RW, &t), VIOMMU_E_FAULT);
	f.dev.fault_turn = DEVICE_ENDPOINTS; /* it was the last one's turn */
	remove_endpoint(&f, 3);
	assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_E_EMPTY);
	assert_int_equal(viommu_device_get_stats(&f.dev)->faults, 1);
	leave(&f, 3);
	assert_int_equal(viommu_device_get_stats(&f.dev)->faults, 1);
	assert_int_equal(viommu_device_get_stats(&f.dev)->faults_lost, 1);
	come_back(&f, 3);
	device_teardown(&f);
}

static void test_remove__open_section__holds_up_reset_and_memory(void **state)
{
	struct viommu_access_token token;
	struct device_fixture f;
	uint64_t since;

	(void)state;
	prepare(&f, NULL);
	token = begin(&f, 2);
	remove_endpoint(&f, 2);
	assert_ptr_equal(viommu_device_get_blocker(&f.dev, &since), &f.accesses[2]);
	viommu_device_memory_changed(&f.dev);
	viommu_device_reset(&f.dev);
	assert_false(viommu_device_memory_is_settled(&f.dev));
	assert_false(viommu_device_is_settled(&f.dev));
	assert_true(viommu_device_check(&f.dev));
	end(&f, 2, token);
	assert_true(viommu_device_memory_is_settled(&f.dev));
	assert_true(viommu_device_is_settled(&f.dev));
	leave(&f, 2);
	come_back(&f, 2);
	device_renegotiate(&f);
	device_teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_remove__endpoint_of_a_shared_domain__domain_stays),
		cmocka_unit_test(test_remove__last_endpoint_of_a_domain__domain_and_nodes_go),
		cmocka_unit_test(test_remove__open_section__gone_after_it),
		cmocka_unit_test(test_remove__open_section_and_domain_dies__nodes_wait),
		cmocka_unit_test(test_remove__section_of_one_that_left_the_domain__waited_for),
		cmocka_unit_test(test_remove__same_id_added_at_once__takes_another_slot),
		cmocka_unit_test(test_remove__several_at_once__gone_in_any_order),
		cmocka_unit_test(test_remove__bypass__blocked_at_once),
		cmocka_unit_test(test_remove__reports_not_fetched__lost_and_counted),
		cmocka_unit_test(test_remove__open_section__holds_up_reset_and_memory),
	};

	return suite_run(tests);
}
