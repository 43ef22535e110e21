/* SPDX-License-Identifier: BSD-3-Clause */
/* test_machine.c: the simulated machine: its memory, its engines, its faults and interrupts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "suite.h"

#include "sim/env/env.h"
#include "sim/machine.h"

#define SIZE_OF(array) (sizeof(array) / sizeof((array)[0]))

static void test_ram__across_pieces_and_at_the_ends__bytes_come_back(void **state)
{
	static const viommu_gpa places[] = { 0, SIM_RAM_PIECE_SIZE - 3, UINT64_C(1) << 50, UINT64_MAX - 7 };
	struct sim_ram ram;

	(void)state;
	assert_int_equal(sim_ram_init(&ram, UINT64_MAX, 8), VIOMMU_OK);
	for (size_t i = 0; i < SIZE_OF(places); i++) {
		uint8_t put[8] = { 1, 2, 3, 4, 5, 6, 7, (uint8_t)i }, got[8] = { 0 };

		assert_true(sim_ram_read(&ram, places[i], got, 8));
		assert_int_equal(got[0], 0);
		assert_true(sim_ram_write(&ram, places[i], put, 8));
		assert_true(sim_ram_read(&ram, places[i], got, 8));
		assert_memory_equal(put, got, 8);
	}
	assert_false(ram.exhausted);
	sim_ram_deinit(&ram);
}

static void test_ram__too_many_pieces__no_memory_and_said_so(void **state)
{
	struct sim_ram ram;
	uint8_t byte = 0;

	(void)state;
	assert_int_equal(sim_ram_init(&ram, UINT64_MAX, 0), VIOMMU_E_ARG);
	assert_int_equal(sim_ram_init(&ram, UINT64_MAX, 2), VIOMMU_OK);
	assert_true(sim_ram_write(&ram, 0, &byte, 1));
	assert_true(sim_ram_write(&ram, SIM_RAM_PIECE_SIZE * 5, &byte, 1));
	assert_false(sim_ram_write(&ram, SIM_RAM_PIECE_SIZE, &byte, 1));
	assert_true(ram.exhausted);
	assert_true(sim_ram_write(&ram, SIM_RAM_PIECE_SIZE * 5 + 1, &byte, 1));
	sim_ram_deinit(&ram);
}

static void test_ram__end_of_memory__nothing_above(void **state)
{
	struct sim_ram ram;
	struct viommu_memory memory;
	uint64_t len = 16;
	uint8_t bytes[2] = { 0 };

	(void)state;
	assert_int_equal(sim_ram_init(&ram, 0xffff, 2), VIOMMU_OK);
	memory = sim_ram_memory(&ram);
	assert_non_null(memory.ops->resolve(memory.ctx, 0xfff8, VIOMMU_ACCESS_READ, &len));
	assert_int_equal(len, 8);
	assert_true(sim_ram_read(&ram, 0xfffe, bytes, 2));
	assert_false(sim_ram_read(&ram, 0xffff, bytes, 2));
	assert_false(ram.exhausted);
	sim_ram_deinit(&ram);
}

static void test_ram__rules__hold_for_the_device_alone(void **state)
{
	const uint32_t r = VIOMMU_ACCESS_READ, w = VIOMMU_ACCESS_WRITE;
	static const uint8_t zeroes[16];
	struct viommu_memory memory;
	struct sim_ram ram;
	uint8_t bytes[16];

	(void)state;
	sim_env_allow_aliases();
	for (int copied = 0; copied < 2; copied++) {
		assert_int_equal(sim_ram_init(&ram, UINT64_MAX, 2), VIOMMU_OK);
		ram.copied = copied != 0;
		memory = sim_ram_memory(&ram);
		assert_int_equal(sim_ram_restrict(&ram, 0x1000, 0x1fff, 0), VIOMMU_OK);
		assert_int_equal(sim_ram_restrict(&ram, 0x2000, 0x2fff, r), VIOMMU_OK);
		assert_int_equal(viommu_memory_pointer(&memory, 0xff0, 16, r | w) != NULL, !copied);
		assert_int_equal(viommu_memory_write(&memory, 0xff0, zeroes, 16), 16);
		assert_int_equal(viommu_memory_write(&memory, 0xff8, zeroes, 16), copied ? 0 : 8);
		assert_int_equal(viommu_memory_read(&memory, 0x1ff8, bytes, 16), 0);
		assert_int_equal(viommu_memory_read(&memory, 0x2000, bytes, 16), 16);
		assert_int_equal(viommu_memory_write(&memory, 0x2000, zeroes, 16), 0);
		assert_int_equal(viommu_memory_write(&memory, 0x3000, zeroes, 16), 16);
		assert_true(sim_ram_write(&ram, 0x1ff8, zeroes, 16));
		assert_int_equal(sim_ram_restrict(&ram, 0x1800, 0x1fff, r | w), VIOMMU_OK);
		assert_int_equal(viommu_memory_write(&memory, 0x1800, zeroes, 16), 16);
		assert_int_equal(viommu_memory_read(&memory, 0x17ff, bytes, 1), 0);
		for (unsigned i = 3; i < SIM_RAM_RULES; i++)
			assert_int_equal(sim_ram_restrict(&ram, 0, 0, r | w), VIOMMU_OK);
		assert_int_equal(sim_ram_restrict(&ram, 0, 0, r | w), VIOMMU_E_FULL);
		sim_ram_deinit(&ram);
	}
}

static void test_ram__reserved_area__contiguous_once(void **state)
{
	const viommu_gpa base = 3 * SIM_RAM_PIECE_SIZE + 64;
	const uint64_t size = 2 * SIM_RAM_PIECE_SIZE;
	struct viommu_memory memory;
	struct sim_ram ram;
	uint64_t len = size;
	uint8_t *host;

	(void)state;
	assert_int_equal(sim_ram_init(&ram, UINT64_MAX, 8), VIOMMU_OK);
	memory = sim_ram_memory(&ram);
	host = sim_ram_reserve(&ram, base, size);
	assert_non_null(host);
	assert_ptr_equal(memory.ops->resolve(memory.ctx, base, VIOMMU_ACCESS_READ, &len), host);
	assert_true(len == size);
	assert_null(sim_ram_reserve(&ram, base + size, 64));                  /* exists already */
	assert_null(sim_ram_reserve(&ram, 2 * SIM_RAM_PIECE_SIZE, size));     /* the second half does */
	assert_null(sim_ram_reserve(&ram, 6 * SIM_RAM_PIECE_SIZE, 6 * size)); /* too much */
	assert_null(sim_ram_reserve(&ram, UINT64_MAX, 2));                    /* no such memory */
	assert_non_null(sim_ram_reserve(&ram, 6 * SIM_RAM_PIECE_SIZE, 1));
	sim_ram_deinit(&ram);
}

static const uint32_t endpoint_ids[] = { 0x18, 8, 0x10 };

/* A machine that is up, with endpoint 8 in domain 1. */
struct fixture {
	struct sim_machine machine;
	struct viommu_driver_endpoint endpoint;
	struct viommu_driver_domain domain;
	struct viommu_resv_region regions[2];
};

/* However the test ended: driver and device start anew, and bytes arrive. */
static void end_of_test(void *ctx)
{
	struct fixture *f = ctx;
	struct sim_engine *engine = sim_machine_engine(&f->machine, 8);
	struct viommu_driver_limits limits;
	bool same;

	f->machine.stalled = false;
	assert_true(sim_machine_check(&f->machine));
	assert_int_equal(viommu_driver_stop(&f->machine.driver), VIOMMU_OK);
	assert_int_equal(sim_machine_start(&f->machine), VIOMMU_OK);
	assert_int_equal(viommu_driver_endpoint_init(&f->endpoint, &f->machine.driver, 8, f->regions, 2), VIOMMU_OK);
	if (f->machine.driver.domains == NULL)
		assert_int_equal(viommu_driver_domain_init(&f->domain, &f->machine.driver, 1, false), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&f->domain, &f->endpoint, NULL), VIOMMU_OK);
	viommu_driver_get_limits(&f->machine.driver, &limits);
	assert_int_equal(viommu_driver_unmap(&f->domain, limits.input_range.first, limits.input_range.last), VIOMMU_OK);
	assert_int_equal(viommu_driver_map(&f->domain, 0x1000, 0x1fff, 0x5000, 3), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&f->domain, NULL), VIOMMU_OK);
	assert_int_equal(sim_engine_fill(engine, 0x1000, 64, 1), VIOMMU_OK);
	assert_int_equal(sim_engine_verify(engine, 0x1000, 64, 1, &same), VIOMMU_OK);
	assert_true(same);
	sim_machine_deinit(&f->machine);
}

static int start_machine(void **state)
{
	struct sim_machine_config config = SIM_MACHINE_CONFIG_INIT;
	struct fixture *f = sim_env_zalloc(sizeof(*f));

	config.endpoints = endpoint_ids;
	config.endpoint_count = SIZE_OF(endpoint_ids);
	config.ram_copied = suite_memory_is_copied();
	assert_int_equal(sim_machine_init(&f->machine, &config), VIOMMU_OK);
	sim_env_on_end(end_of_test, f);
	assert_int_equal(sim_machine_start(&f->machine), VIOMMU_OK);
	assert_int_equal(viommu_driver_endpoint_init(&f->endpoint, &f->machine.driver, 8, f->regions, 2), VIOMMU_OK);
	assert_int_equal(viommu_driver_domain_init(&f->domain, &f->machine.driver, 1, false), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&f->domain, &f->endpoint, NULL), VIOMMU_OK);
	*state = f;
	return 0;
}

static int stop_machine(void **state)
{
	(void)state; /* end_of_test does it, however far the test came */
	return 0;
}

static void map(struct fixture *f, viommu_iova first, viommu_iova last, viommu_gpa phys)
{
	assert_int_equal(viommu_driver_map(&f->domain, first, last, phys, 3), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&f->domain, NULL), VIOMMU_OK);
}

static void test_machine__engines__by_id(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->machine.engine_count, 3);
	for (size_t i = 0; i < SIZE_OF(endpoint_ids); i++)
		assert_int_equal(sim_machine_engine(&f->machine, endpoint_ids[i])->id, endpoint_ids[i]);
	assert_null(sim_machine_engine(&f->machine, 9));
	assert_null(sim_machine_engine(&f->machine, UINT32_MAX));
}

static void test_machine__engine_over_two_mappings__bytes_at_their_places(void **state)
{
	struct fixture *f = *state;
	struct sim_engine *engine = sim_machine_engine(&f->machine, 8);
	uint8_t expected[0x1ff0], got[0x2000];
	bool same;

	map(f, 0x1000, 0x1fff, 0x9000);
	map(f, 0x2000, 0x2fff, 0x4000);
	map(f, 0x100000, 0x101fff, 0x20000);
	/* Not at the start of a granule, so that the pieces which the engine moves at once lie across the border. */
	assert_int_equal(sim_engine_fill(engine, 0x1008, 0x1ff0, 77), VIOMMU_OK);
	assert_int_equal(engine->moved, 0x1ff0);
	sim_engine_pattern(77, 0, expected, sizeof(expected));
	assert_true(sim_ram_read(&f->machine.ram, 0x9000, got, 0x1000));
	assert_true(sim_ram_read(&f->machine.ram, 0x4000, got + 0x1000, 0x1000));
	assert_memory_equal(got + 8, expected, sizeof(expected));

	assert_int_equal(sim_engine_copy(engine, 0x100000, 0x1008, 0x1ff0), VIOMMU_OK);
	assert_int_equal(sim_engine_verify(engine, 0x100000, 0x1ff0, 77, &same), VIOMMU_OK);
	assert_true(same);
	got[0] = (uint8_t)~expected[0x1fef];
	assert_true(sim_ram_write(&f->machine.ram, 0x21fef, got, 1));
	assert_int_equal(sim_engine_verify(engine, 0x100000, 0x1ff0, 77, &same), VIOMMU_OK);
	assert_false(same);

	/* Past the end: what was allowed is moved, then it faults. */
	assert_int_equal(sim_engine_copy(engine, 0x101000, 0x1800, 0x1800), VIOMMU_E_FAULT);
	assert_int_equal(engine->moved, 0x1000);
	assert_int_equal(sim_engine_copy(engine, 0x100000, 0x2800, 0x1800), VIOMMU_E_FAULT);
	assert_int_equal(engine->moved, 0x800);
	assert_int_equal(sim_engine_read(engine, 0x2ff0, got, 32), VIOMMU_E_FAULT);
	assert_int_equal(engine->moved, 16);
}

static void test_machine__fault__reaches_the_list(void **state)
{
	struct fixture *f = *state;
	struct viommu_wire_fault fault;
	uint8_t byte = 0;

	assert_false(sim_machine_take_fault(&f->machine, &fault));
	assert_int_equal(sim_engine_write(sim_machine_engine(&f->machine, 8), 0x123456, &byte, 1), VIOMMU_E_FAULT);
	assert_true(sim_machine_settle(&f->machine));
	assert_true(sim_machine_take_fault(&f->machine, &fault));
	assert_int_equal(fault.endpoint, 8);
	assert_true(fault.address == 0x123456);
	assert_int_equal(fault.reason, VIOMMU_FAULT_R_MAPPING);
	assert_int_equal(fault.flags, VIOMMU_FAULT_F_WRITE | VIOMMU_FAULT_F_ADDRESS);
	assert_false(sim_machine_take_fault(&f->machine, &fault));
}

/*
 * The driver asks for the next interrupt each time before it could go to sleep: with the event index, a driver that
 * forgot would hear of the first completion and then of nothing for 65535 more.
 */
static void test_machine__every_sync_and_every_fault__interrupt(void **state)
{
	struct fixture *f = *state;
	uint8_t byte = 0;

	for (uint32_t round = 0; round < 50; round++) {
		memset(f->machine.transport.used, 0, sizeof f->machine.transport.used);
		assert_int_equal(viommu_driver_map(&f->domain, 0, 0xfff, 0, 3), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&f->domain, NULL), VIOMMU_OK);
		assert_true(f->machine.transport.used[VIOMMU_QUEUE_REQUEST] >= 1);
		assert_int_equal(viommu_driver_unmap(&f->domain, 0, 0xfff), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&f->domain, NULL), VIOMMU_OK);
		assert_true(f->machine.transport.used[VIOMMU_QUEUE_REQUEST] >= 2);
		assert_int_equal(sim_engine_write(sim_machine_engine(&f->machine, 8), 0x123456, &byte, 1),
				 VIOMMU_E_FAULT);
		assert_true(sim_machine_settle(&f->machine));
		assert_true(f->machine.transport.used[VIOMMU_QUEUE_EVENT] >= 1);
	}
}

static void test_machine__stalled_device__driver_gives_up(void **state)
{
	struct fixture *f = *state;
	struct sim_machine_failure failure;

	f->machine.stalled = true;
	assert_int_equal(viommu_driver_map(&f->domain, 0, 0xfff, 0, 3), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&f->domain, NULL), VIOMMU_E_TIMEOUT);
	assert_true(sim_machine_take_failure(&f->machine, &failure));
	assert_ptr_equal(failure.domain, &f->domain);
	assert_int_equal(failure.what.result, VIOMMU_E_TIMEOUT);
	assert_false(sim_machine_take_failure(&f->machine, &failure));
}

static void no_notify(void *ctx, uint32_t queue)
{
	(void)ctx;
	(void)queue;
}

/* A device that nobody kicks sleeps, so that a kick which was forgotten is found. */
static void test_machine__kicks_lost__driver_gives_up(void **state)
{
	struct sim_machine_config config = SIM_MACHINE_CONFIG_INIT;
	struct viommu_register_ops mute;
	struct sim_machine *machine = sim_env_zalloc(sizeof(*machine));
	struct viommu_driver_endpoint endpoint;
	struct viommu_resv_region region;

	(void)state;
	assert_non_null(machine);
	config.endpoints = endpoint_ids;
	config.endpoint_count = SIZE_OF(endpoint_ids);
	config.ram_copied = suite_memory_is_copied();
	assert_int_equal(sim_machine_init(machine, &config), VIOMMU_OK);
	mute = *machine->transport.register_ops;
	mute.notify = no_notify;
	assert_int_equal(viommu_driver_start(&machine->driver, &mute, machine->transport.register_ctx), VIOMMU_OK);
	assert_true(sim_machine_settle(machine));
	assert_int_equal(viommu_driver_endpoint_init(&endpoint, &machine->driver, 8, &region, 1), VIOMMU_E_TIMEOUT);
	machine->transport.touched = true;
	assert_true(sim_machine_settle(machine));
	assert_int_equal(viommu_driver_get_stats(&machine->driver)->late, 1);
	sim_machine_deinit(machine);
	sim_env_free(machine);
}

/* The whole machine with each ring feature alone, with all of them, and with none. */
static void test_machine__any_ring_features__work_and_are_what_was_offered(void **state)
{
	static const uint64_t features[] = {
		0,
		VIOMMU_F_INDIRECT_DESC,
		VIOMMU_F_EVENT_IDX,
		VIOMMU_F_IN_ORDER,
		VIOMMU_F_ORDER_PLATFORM,
		VIOMMU_F_NOTIFICATION_DATA,
		VIOMMU_F_RING_RESET,
		VIOMMU_F_IN_ORDER | VIOMMU_F_INDIRECT_DESC,
		VIOMMU_VIRTQ_FEATURES,
	};

	(void)state;
	for (size_t i = 0; i < SIZE_OF(features); i++) {
		struct sim_machine_config config = SIM_MACHINE_CONFIG_INIT;
		struct sim_machine *machine = sim_env_zalloc(sizeof(*machine));
		struct viommu_driver_endpoint endpoint;
		struct viommu_driver_domain domain;
		struct viommu_driver_limits limits;
		struct viommu_wire_fault fault;
		struct viommu_resv_region regions[2];

		assert_non_null(machine);
		config.endpoints = endpoint_ids;
		config.endpoint_count = SIZE_OF(endpoint_ids);
		config.ring_features = features[i];
		assert_int_equal(sim_machine_init(machine, &config), VIOMMU_OK);
		assert_int_equal(sim_machine_start(machine), VIOMMU_OK);
		viommu_driver_get_limits(&machine->driver, &limits);
		assert_true((limits.features & VIOMMU_VIRTQ_FEATURES) == features[i]);
		assert_int_equal(viommu_driver_endpoint_init(&endpoint, &machine->driver, 8, regions, 2), VIOMMU_OK);
		assert_int_equal(viommu_driver_domain_init(&domain, &machine->driver, 1, false), VIOMMU_OK);
		assert_int_equal(viommu_driver_attach(&domain, &endpoint, NULL), VIOMMU_OK);
		for (uint64_t round = 0; round < 3; round++) {
			for (uint64_t page = 0; page < 20; page++)
				assert_int_equal(viommu_driver_map(&domain, page << 12, (page << 12) + 0xfff,
								   (page ^ round) << 12, 3),
						 VIOMMU_OK);
			assert_int_equal(viommu_driver_sync(&domain, NULL), VIOMMU_OK);
			assert_int_equal(sim_engine_fill(sim_machine_engine(machine, 8), 0, 20 << 12, round),
					 VIOMMU_OK);
			assert_int_equal(viommu_driver_unmap(&domain, 0, (20 << 12) - 1), VIOMMU_OK);
			assert_int_equal(viommu_driver_sync(&domain, NULL), VIOMMU_OK);
			assert_int_equal(sim_engine_fill(sim_machine_engine(machine, 8), 0x3000, 8, round),
					 VIOMMU_E_FAULT);
			assert_true(sim_machine_settle(machine));
			assert_true(sim_machine_take_fault(machine, &fault));
		}
		assert_true(machine->transport.kicks[VIOMMU_QUEUE_REQUEST] > 0);
		assert_true(sim_machine_check(machine));
		sim_machine_deinit(machine);
		sim_env_free(machine);
	}
}

/* The event queue is reset through the registers as the driver has them, and the driver comes up again with both. */
static void test_machine__queue_reset_through_the_registers__confirmed_and_over(void **state)
{
	struct sim_machine_config config = SIM_MACHINE_CONFIG_INIT;
	struct sim_machine *machine = sim_env_zalloc(sizeof(*machine));
	const struct viommu_register_ops *ops;
	void *ctx;

	(void)state;
	assert_non_null(machine);
	config.endpoints = endpoint_ids;
	config.endpoint_count = SIZE_OF(endpoint_ids);
	config.ring_features |= VIOMMU_F_RING_RESET;
	assert_int_equal(sim_machine_init(machine, &config), VIOMMU_OK);
	ops = machine->transport.register_ops;
	ctx = machine->transport.register_ctx;
	(void)!ops->queue_reset(ctx, VIOMMU_QUEUE_EVENT); /* nothing is agreed yet: no effect */
	assert_int_equal(viommu_virtq_device_state(&machine->pump.queues[VIOMMU_QUEUE_EVENT]), VIOMMU_VIRTQ_OFF);
	assert_false(ops->queue_is_resetting(ctx, VIOMMU_QUEUE_EVENT));
	assert_int_equal(sim_machine_start(machine), VIOMMU_OK);
	assert_int_equal(ops->queue_reset(ctx, VIOMMU_QUEUE_EVENT), VIOMMU_OK);
	assert_false(ops->queue_is_resetting(ctx, VIOMMU_QUEUE_EVENT));
	assert_int_equal(viommu_virtq_device_state(&machine->pump.queues[VIOMMU_QUEUE_EVENT]), VIOMMU_VIRTQ_OFF);
	assert_true(sim_machine_check(machine));
	assert_int_equal(viommu_driver_stop(&machine->driver), VIOMMU_OK);
	assert_int_equal(sim_machine_start(machine), VIOMMU_OK);
	assert_int_equal(viommu_virtq_device_state(&machine->pump.queues[VIOMMU_QUEUE_EVENT]), VIOMMU_VIRTQ_READY);
	sim_machine_deinit(machine);
	sim_env_free(machine);
}

static void test_machine__no_room_for_the_shared_area__nothing_left_behind(void **state)
{
	struct sim_machine_config config = SIM_MACHINE_CONFIG_INIT;
	struct sim_machine *machine = sim_env_zalloc(sizeof(*machine));

	(void)state;
	assert_non_null(machine);
	config.shared_base = UINT64_MAX - 15;
	assert_int_equal(sim_machine_init(machine, &config), VIOMMU_E_NOMEM);
	assert_null(machine->engines);
	sim_machine_deinit(machine); /* harmless */
	sim_env_free(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ram__across_pieces_and_at_the_ends__bytes_come_back),
		cmocka_unit_test(test_ram__too_many_pieces__no_memory_and_said_so),
		cmocka_unit_test(test_ram__end_of_memory__nothing_above),
		cmocka_unit_test(test_ram__rules__hold_for_the_device_alone),
		cmocka_unit_test(test_ram__reserved_area__contiguous_once),
		cmocka_unit_test_setup_teardown(test_machine__engines__by_id, start_machine, stop_machine),
		cmocka_unit_test_setup_teardown(test_machine__engine_over_two_mappings__bytes_at_their_places,
						start_machine, stop_machine),
		cmocka_unit_test_setup_teardown(test_machine__fault__reaches_the_list, start_machine, stop_machine),
		cmocka_unit_test_setup_teardown(test_machine__every_sync_and_every_fault__interrupt, start_machine,
						stop_machine),
		cmocka_unit_test_setup_teardown(test_machine__stalled_device__driver_gives_up, start_machine,
						stop_machine),
		cmocka_unit_test(test_machine__kicks_lost__driver_gives_up),
		cmocka_unit_test(test_machine__any_ring_features__work_and_are_what_was_offered),
		cmocka_unit_test(test_machine__queue_reset_through_the_registers__confirmed_and_over),
		cmocka_unit_test(test_machine__no_room_for_the_shared_area__nothing_left_behind),
	};

	return suite_run(tests);
}
