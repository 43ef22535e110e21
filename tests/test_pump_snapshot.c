/* SPDX-License-Identifier: BSD-3-Clause */
/* test_pump_snapshot.c: save and restore of device, registers and queues, with a driver on the other side. */
#include <viommu/snapshot.h>

#include "pump_fixture.h"
#include "snapshot_bytes.h"
#include "suite.h"

#include "sim/env/env.h"

enum {
	SECTION_DEVICE,
	SECTION_ENDPOINTS,
	SECTION_DOMAINS,
	SECTION_MAPPINGS,
	SECTION_REGISTERS,
	SECTION_PUMP
};

/* In the registers' section, see docs/snapshot.md. */
#define AT_FEATURES 12u
#define AT_GENERATION 20u
#define AT_STATUS 24u
#define AT_QUEUE(n) (28u + 36u * (n))
#define AT_RESET 1u
#define AT_POPPED 2u
#define AT_PUSHED 4u
#define AT_PUBLISHED 6u
#define AT_SIZE 8u
#define AT_DESC 12u

static uint8_t saved[0x4000], again[0x4000];
static size_t saved_len;

static void save(const struct world *w)
{
	assert_int_equal(viommu_pump_save(&w->pump, saved, sizeof(saved), &saved_len), VIOMMU_OK);
	assert_int_equal(saved_len, viommu_pump_save_size(&w->pump));
}

/* As in another process: a pump that was made anew, over a device on which no driver has done anything. */
static void be_new(struct world *w)
{
	struct viommu_pump_config config = pump_config(w);
	size_t bytes;

	viommu_device_system_reset(&w->f.dev);
	assert_true(viommu_device_is_settled(&w->f.dev));
	config.ring_features = w->pump.registers.offered_ring & ~VIOMMU_F_VERSION_1;
	assert_int_equal(viommu_pump_mem_size(&config, &bytes), VIOMMU_OK);
	memset(w->pump_mem, 0x5a, bytes);
	memset(&w->pump, 0x5a, sizeof(w->pump));
	assert_int_equal(viommu_pump_init(&w->pump, &config, w->pump_mem, bytes), VIOMMU_OK);
}

static void restore(struct world *w)
{
	size_t len;

	assert_int_equal(viommu_pump_restore(&w->pump, saved, saved_len), VIOMMU_OK);
	assert_true(viommu_pump_check(&w->pump));
	assert_int_equal(viommu_pump_save(&w->pump, again, sizeof(again), &len), VIOMMU_OK);
	assert_int_equal(len, saved_len);
	assert_memory_equal(again, saved, len);
}

static void move(struct world *w)
{
	save(w);
	be_new(w);
	restore(w);
}

/* Nothing changes: neither the pump, nor what the endpoints see, nor guest memory. */
static void assert_refused(struct world *w, enum viommu_result result)
{
	static uint8_t ram_before[RAM_LEN];
	struct viommu_pump before = w->pump;

	memcpy(ram_before, ram, sizeof(ram));
	assert_int_equal(viommu_pump_restore(&w->pump, saved, saved_len), result);
	assert_memory_equal(&w->pump, &before, sizeof(before));
	assert_memory_equal(ram, ram_before, sizeof(ram));
	assert_int_equal(w->f.dev.negotiated, 0);
	assert_int_equal(w->f.dev.domain_ids.count, 0);
	assert_true(viommu_pump_check(&w->pump));
}

static void assert_refused_with(struct world *w, uint8_t *at, unsigned bytes, uint64_t value, enum viommu_result result)
{
	uint64_t before = snapshot_get(at, bytes);

	snapshot_put(at, bytes, value);
	snapshot_mend(saved, saved_len);
	assert_refused(w, result);
	snapshot_put(at, bytes, before);
	snapshot_mend(saved, saved_len);
}

static void test_pump_snapshot__restored__driver_notices_nothing(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct world *w = &world;
	struct slot *s;

	(void)state;
	setup(w, 0);
	bring_up(w, VIOMMU_F_EVENT_IDX);
	prepare_domains(w);
	move(w);
	assert_true(device_reaches(&w->f, 0, 0x1000, VIOMMU_ACCESS_READ, 0xa000));
	assert_int_equal(ask(w, &unmap), VIOMMU_S_OK);
	/* What was made available and not taken is done after the move. */
	s = post(w, &unmap);
	publish(w);
	move(w);
	process(w);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_REQUEST), s);
	assert_int_equal(status_of(s), VIOMMU_S_OK);
	teardown(w);
}

/* At each stage of the driver's life. */
static void test_pump_snapshot__driver_not_up_yet__goes_on(void **state)
{
	struct viommu_registers *regs;
	struct world *w = &world;

	(void)state;
	setup(w, 0);
	regs = viommu_pump_registers(&w->pump);
	move(w);
	viommu_registers_set_status(regs, VIOMMU_STATUS_ACKNOWLEDGE | VIOMMU_STATUS_DRIVER);
	viommu_registers_set_features(regs, UINT64_MAX); /* which are not agreed */
	move(w);
	assert_true(regs->features == UINT64_MAX);
	negotiate(w, 0);
	move(w);
	enable_queues(w, 0);
	move(w);
	assert_int_equal(viommu_registers_queue_disable(regs, VIOMMU_QUEUE_EVENT), VIOMMU_OK);
	move(w);
	assert_int_equal(viommu_registers_queue_enable(regs, VIOMMU_QUEUE_EVENT, &w->layouts[VIOMMU_QUEUE_EVENT]),
			 VIOMMU_OK);
	driver_ok(w);
	prepare_domains(w);
	teardown(w);
}

static void test_pump_snapshot__report_without_buffer__delivered_afterwards(void **state)
{
	struct viommu_wire_fault fault;
	struct world *w = &world;
	struct slot *event;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	prepare_domains(w);
	raise_faults(w, 1, 1);
	process(w);
	move(w);
	event = post_event(w, VIOMMU_WIRE_FAULT_SIZE);
	publish(w);
	process(w);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_EVENT), event);
	assert_int_equal(viommu_wire_fault_decode(event->writable, event->written, &fault), VIOMMU_OK);
	assert_int_equal(fault.endpoint, DEVICE_EP1);
	assert_true(fault.address == 0x7000);
	teardown(w);
}

#define ROUNDS 6u

/*
 * A driver that wants to be notified in some rounds, as `wants` has a bit for each, and gets one or two answers in each
 * of them; before the round of this number the device moves. Which rounds did it hear of?
 */
static uint32_t notified_rounds(uint64_t ring_features, uint32_t wants, unsigned moves_at)
{
	struct viommu_wire_request probe = device_probe_request(DEVICE_EP_UNKNOWN);
	struct world *w = &world;
	uint32_t heard = 0;

	setup(w, 0);
	bring_up(w, ring_features);
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned count = 1 + i % 2;

		if (ring_features == 0)
			w->queues[VIOMMU_QUEUE_REQUEST].avail[0] = (wants >> i & 1) == 0; /* "do not interrupt" */
		if ((wants >> i & 1) != 0)
			while (viommu_virtq_driver_arm(&w->queues[VIOMMU_QUEUE_REQUEST]))
				(void)collect(w, VIOMMU_QUEUE_REQUEST);
		w->transport.used[VIOMMU_QUEUE_REQUEST] = 0;
		for (unsigned k = 0; k < count; k++)
			post(w, &probe);
		publish(w);
		if (i == moves_at)
			move(w);
		process(w);
		heard |= (uint32_t)(w->transport.used[VIOMMU_QUEUE_REQUEST] != 0) << i;
		for (unsigned k = 0; k < count; k++)
			(void)collect(w, VIOMMU_QUEUE_REQUEST);
	}
	teardown(w);
	return heard;
}

/* Who sleeps is woken, by the device that moved as by the one that did not; and no less and no more often. */
static void assert_same_notifications(uint64_t ring_features)
{
	for (uint32_t wants = 0; wants < 1u << ROUNDS; wants++) {
		uint32_t expected = notified_rounds(ring_features, wants, ROUNDS);

		assert_int_equal(wants & ~expected, 0);
		if (ring_features == 0)
			assert_int_equal(wants, expected);
		for (unsigned moves_at = 0; moves_at < ROUNDS; moves_at++)
			assert_int_equal(notified_rounds(ring_features, wants, moves_at), expected);
	}
}

static void test_pump_snapshot__restore_with_event_index__same_notifications(void **state)
{
	(void)state;
	assert_same_notifications(VIOMMU_F_EVENT_IDX);
}

static void test_pump_snapshot__restore_with_flags__same_notifications(void **state)
{
	(void)state;
	assert_same_notifications(0);
}

/* Written into the used ring, and not yet shown: the driver sees it, and is told, when somebody publishes. */
static void test_pump_snapshot__restore_with_unpublished_answer__told_afterwards(void **state)
{
	struct viommu_wire_request probe = device_probe_request(DEVICE_EP_UNKNOWN);
	struct world *w = &world;
	struct viommu_virtq_device *q = &w->pump.queues[VIOMMU_QUEUE_REQUEST];
	struct viommu_segment segments[4];
	struct viommu_chain chain = { .segments = segments, .capacity = 4 };
	struct slot *s;

	(void)state;
	setup(w, 0);
	bring_up(w, VIOMMU_F_EVENT_IDX);
	(void)viommu_virtq_driver_arm(&w->queues[VIOMMU_QUEUE_REQUEST]);
	s = post(w, &probe);
	publish(w);
	assert_int_equal(viommu_virtq_device_pop(q, &chain), VIOMMU_OK);
	assert_int_equal(viommu_virtq_device_push(q, chain.head, 0), VIOMMU_OK);
	move(w);
	assert_null(collect(w, VIOMMU_QUEUE_REQUEST));
	process(w);
	assert_int_equal(w->transport.used[VIOMMU_QUEUE_REQUEST], 1);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_REQUEST), s);
	teardown(w);
}

/* The ring is broken, and stays so until the driver resets the device; nothing is done with it. */
static void test_pump_snapshot__broken_queue__broken_until_reset(void **state)
{
	struct world *w = &world;
	struct viommu_registers *regs = viommu_pump_registers(&w->pump);

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	w->queues[VIOMMU_QUEUE_REQUEST].avail[3] = 0x70; /* the index runs away */
	process(w);
	move(w);
	assert_int_equal(viommu_registers_get_status(regs), ALIVE | VIOMMU_STATUS_NEEDS_RESET);
	assert_true(viommu_registers_queue_is_enabled(regs, VIOMMU_QUEUE_REQUEST));
	assert_false(viommu_pump_process(&w->pump, 100));
	teardown(w);
}

static void test_pump_snapshot__something_half_done__busy(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token token;
	struct world *w = &world;
	size_t len;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	prepare_domains(w);
	assert_int_equal(viommu_access_begin(&w->f.accesses[0], &token), VIOMMU_OK);
	post(w, &unmap);
	publish(w);
	process(w);
	assert_int_equal(viommu_pump_save(&w->pump, again, sizeof(again), &len), VIOMMU_E_BUSY);
	viommu_registers_set_status(viommu_pump_registers(&w->pump), 0);
	viommu_access_end(&w->f.accesses[0], token);
	(void)viommu_pump_process(&w->pump, 100);
	/* It is over, and the registers have not noticed. */
	assert_int_equal(viommu_pump_save(&w->pump, again, sizeof(again), &len), VIOMMU_E_BUSY);
	assert_int_equal(viommu_registers_get_status(viommu_pump_registers(&w->pump)), 0);
	assert_int_equal(viommu_pump_save(&w->pump, again, sizeof(again), &len), VIOMMU_OK);
	assert_int_equal(viommu_pump_save(&w->pump, again, len - 1, &len), VIOMMU_E_FULL);
	teardown(w);
}

/* The driver does not ask when a bypass is over that it has ended, so the pump does. */
static void test_pump_snapshot__bypass_ends__busy_until_processed(void **state)
{
	static const uint8_t on = 1, off = 0;
	struct viommu_registers *regs = viommu_pump_registers(&world.pump);
	struct viommu_access_token token;
	struct world *w = &world;
	size_t len;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	viommu_registers_config_write(regs, VIOMMU_WIRE_CONFIG_BYPASS, &on, 1);
	assert_int_equal(viommu_access_begin(&w->f.accesses[0], &token), VIOMMU_OK);
	viommu_registers_config_write(regs, VIOMMU_WIRE_CONFIG_BYPASS, &off, 1);
	process(w);
	assert_int_equal(viommu_pump_save(&w->pump, again, sizeof(again), &len), VIOMMU_E_BUSY);
	viommu_access_end(&w->f.accesses[0], token);
	process(w);
	save(w);
	teardown(w);
}

static void test_pump_snapshot__driver_was_there__state(void **state)
{
	struct world *w = &world;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	prepare_domains(w);
	save(w);
	assert_int_equal(viommu_pump_restore(&w->pump, saved, saved_len), VIOMMU_E_STATE);
	be_new(w);
	viommu_registers_set_status(viommu_pump_registers(&w->pump), VIOMMU_STATUS_ACKNOWLEDGE);
	assert_int_equal(viommu_pump_restore(&w->pump, saved, saved_len), VIOMMU_E_STATE);
	be_new(w);
	restore(w);
	teardown(w);
}

/* A driver that is up, with domains; the target is new. */
static struct world *setup_move(void)
{
	struct world *w = &world;

	setup(w, 0);
	bring_up(w, 0);
	prepare_domains(w);
	raise_faults(w, 1, 1);
	process(w);
	save(w);
	be_new(w);
	return w;
}

/* What version 1 wrote once, on a little-endian machine. */
static void test_pump_snapshot__of_version_1__read_and_written(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct world *w = setup_move();

	(void)state;
	saved_len = snapshot_golden("pump-1.bin", saved, saved_len, again, sizeof(again));
	memcpy(saved, again, saved_len);
	restore(w);
	/* The ring is as it was then. */
	assert_int_equal(ask(w, &unmap), VIOMMU_S_OK);
	teardown(w);
}

static void test_pump_snapshot__bytes_that_are_no_snapshot_of_it__peer(void **state)
{
	struct world *w = setup_move();
	size_t whole = saved_len;

	(void)state;
	for (size_t bit = 0; bit < 8 * saved_len; bit++) {
		saved[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(viommu_pump_restore(&w->pump, saved, saved_len), VIOMMU_E_PEER);
		saved[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	memcpy(again, saved, whole);
	for (saved_len = 24; saved_len < whole; saved_len++) {
		memcpy(saved, again, whole);
		snapshot_mend(saved, saved_len);
		assert_refused(w, VIOMMU_E_PEER);
	}
	memcpy(saved, again, whole);
	saved_len = whole + 4;
	snapshot_mend(saved, saved_len);
	assert_refused(w, VIOMMU_E_PEER);
	saved_len = whole;
	snapshot_mend(saved, saved_len);
	/* Neither is one of the device alone, nor the other way round. */
	assert_int_equal(viommu_device_restore(&w->f.dev, saved, saved_len), VIOMMU_E_PEER);
	assert_int_equal(viommu_device_save(&w->f.dev, again, sizeof(again), &whole), VIOMMU_OK);
	assert_int_equal(viommu_pump_restore(&w->pump, again, whole), VIOMMU_E_PEER);
	restore(w);
	teardown(w);
}

static void test_pump_snapshot__driver_was_shown_something_else__unsupp(void **state)
{
	struct world *w = setup_move();
	uint8_t *r = snapshot_section(saved, SECTION_REGISTERS);

	(void)state;
	assert_refused_with(w, r, 8, snapshot_get(r, 8) ^ VIOMMU_F_IN_ORDER, VIOMMU_E_UNSUPP);
	assert_refused_with(w, r + 8, 4, 2 * QUEUE_SIZE, VIOMMU_E_UNSUPP);
	assert_refused_with(w, snapshot_section(saved, SECTION_DEVICE), 1, 0, VIOMMU_E_UNSUPP);
	teardown(w);
}

static void test_pump_snapshot__too_few_nodes__nothing_changed(void **state)
{
	struct world *w = setup_move();
	struct viommu_map_limbo limbo = { 0, 0 };
	uint64_t at = 0;
	struct viommu_map map;

	(void)state;
	/* All nodes are taken, by a map that nobody sees. */
	viommu_map_init(&map, &w->f.dev.pool, 12);
	while (viommu_map_insert(&map, at, at + 0xfff, 0, 1) == VIOMMU_OK)
		at += UINT64_C(1) << 24;
	assert_int_equal(viommu_pump_restore(&w->pump, saved, saved_len), VIOMMU_E_NOMEM);
	assert_int_equal(w->f.dev.negotiated, 0);
	assert_int_equal(viommu_registers_get_status(&w->pump.registers), 0);
	viommu_map_clear(&map, &limbo);
	viommu_map_pool_retire(&w->f.dev.pool, &limbo);
	restore(w);
	teardown(w);
}

static void test_pump_snapshot__registers_that_contradict__peer(void **state)
{
	struct world *w = setup_move();
	uint8_t *r = snapshot_section(saved, SECTION_REGISTERS);

	(void)state;
	assert_refused_with(w, r + AT_STATUS, 4, 0x100 | ALIVE, VIOMMU_E_PEER);
	assert_refused_with(w, r + AT_STATUS, 4, ALIVE & ~VIOMMU_STATUS_FEATURES_OK, VIOMMU_E_PEER);
	assert_refused_with(w, r + AT_STATUS, 4, 0x10 | ALIVE, VIOMMU_E_PEER);
	/* Not agreed, but the device has agreed; agreed, and not offered; agreed, but the device to something else. */
	for (unsigned queue = 0; queue < VIOMMU_QUEUE_COUNT; queue++)
		r[AT_QUEUE(queue)] = VIOMMU_VIRTQ_OFF;
	assert_refused_with(w, r + AT_STATUS, 4, VIOMMU_STATUS_DRIVER, VIOMMU_E_PEER);
	assert_refused_with(w, r + AT_FEATURES, 8, snapshot_get(r + AT_FEATURES, 8) | VIOMMU_F_IN_ORDER, VIOMMU_E_PEER);
	assert_refused_with(w, r + AT_FEATURES, 8, snapshot_get(r + AT_FEATURES, 8) & ~VIOMMU_F_PROBE, VIOMMU_E_PEER);
	teardown(w);
}

static void test_pump_snapshot__queues_that_contradict__refused(void **state)
{
	struct world *w = setup_move();
	uint8_t *q = snapshot_section(saved, SECTION_REGISTERS) + AT_QUEUE(VIOMMU_QUEUE_REQUEST);
	uint64_t popped = snapshot_get(q + AT_POPPED, 2);

	(void)state;
	assert_refused_with(w, q, 1, 3, VIOMMU_E_PEER);
	assert_refused_with(w, q + AT_RESET, 1, VIOMMU_VIRTQ_RESET_DONE, VIOMMU_E_PEER);
	assert_refused_with(w, q + AT_POPPED, 2, popped + 1, VIOMMU_E_PEER);
	assert_refused_with(w, q + AT_PUBLISHED, 2, popped - QUEUE_SIZE - 1, VIOMMU_E_PEER);
	assert_refused_with(w, q + AT_SIZE, 4, 24, VIOMMU_E_NOENT);
	assert_refused_with(w, q + AT_SIZE, 4, 2 * QUEUE_SIZE, VIOMMU_E_PEER);
	assert_refused_with(w, q + AT_DESC, 8, snapshot_get(q + AT_DESC, 8) + 8, VIOMMU_E_NOENT);
	if (!suite_memory_is_copied())
		assert_refused_with(w, q + AT_DESC, 8, RAM_BASE + RAM_LEN, VIOMMU_E_NOENT);
	teardown(w);
}

static void test_pump_snapshot__report_that_is_none__peer(void **state)
{
	struct world *w = setup_move();
	uint8_t *p = snapshot_section(saved, SECTION_PUMP);

	(void)state;
	assert_refused_with(w, p, 4, 2, VIOMMU_E_PEER);
	assert_refused_with(w, p + 5, 1, 1, VIOMMU_E_PEER);
	restore(w);
	teardown(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pump_snapshot__restored__driver_notices_nothing),
		cmocka_unit_test(test_pump_snapshot__driver_not_up_yet__goes_on),
		cmocka_unit_test(test_pump_snapshot__report_without_buffer__delivered_afterwards),
		cmocka_unit_test(test_pump_snapshot__restore_with_event_index__same_notifications),
		cmocka_unit_test(test_pump_snapshot__restore_with_flags__same_notifications),
		cmocka_unit_test(test_pump_snapshot__restore_with_unpublished_answer__told_afterwards),
		cmocka_unit_test(test_pump_snapshot__broken_queue__broken_until_reset),
		cmocka_unit_test(test_pump_snapshot__something_half_done__busy),
		cmocka_unit_test(test_pump_snapshot__bypass_ends__busy_until_processed),
		cmocka_unit_test(test_pump_snapshot__driver_was_there__state),
		cmocka_unit_test(test_pump_snapshot__of_version_1__read_and_written),
		cmocka_unit_test(test_pump_snapshot__bytes_that_are_no_snapshot_of_it__peer),
		cmocka_unit_test(test_pump_snapshot__driver_was_shown_something_else__unsupp),
		cmocka_unit_test(test_pump_snapshot__too_few_nodes__nothing_changed),
		cmocka_unit_test(test_pump_snapshot__registers_that_contradict__peer),
		cmocka_unit_test(test_pump_snapshot__queues_that_contradict__refused),
		cmocka_unit_test(test_pump_snapshot__report_that_is_none__peer),
	};

	return suite_run(tests);
}
