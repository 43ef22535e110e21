/* SPDX-License-Identifier: BSD-3-Clause */
/* test_pump.c: the device above its rings: requests, interrupts, what waits, and the end of a life. */
#include "pump_fixture.h"
#include "suite.h"

#include "sim/env/env.h"

/* init */

static void test_init__bad_configuration__refused(void **state)
{
	struct world *w = &world;
	struct viommu_pump_config config;
	struct viommu_memory_ops memory = { .size = sizeof(memory) + 1 };
	size_t bytes, needed;

	(void)state;
	setup(w, 0);
	config = pump_config(w);
	assert_int_equal(viommu_pump_mem_size(&config, &bytes), VIOMMU_OK);
	assert_int_equal(viommu_pump_init(&w->pump, &config, w->pump_mem, bytes - 1), VIOMMU_E_NOMEM);
	config.size++;
	assert_int_equal(viommu_pump_init(&w->pump, &config, w->pump_mem, bytes), VIOMMU_E_ABI);
	assert_int_equal(viommu_pump_mem_size(&config, &bytes), VIOMMU_E_ABI);
	config = pump_config(w);
	config.queue_size_max = 24;
	assert_int_equal(viommu_pump_mem_size(&config, &needed), VIOMMU_E_ARG);
	assert_int_equal(viommu_pump_init(&w->pump, &config, w->pump_mem, bytes), VIOMMU_E_ARG);
	config = pump_config(w);
	config.queue_size_max = 65536;
	assert_int_equal(viommu_pump_init(&w->pump, &config, w->pump_mem, bytes), VIOMMU_E_ARG);
	config = pump_config(w);
	config.ring_features = VIOMMU_F_VERSION_1;
	assert_int_equal(viommu_pump_init(&w->pump, &config, w->pump_mem, bytes), VIOMMU_E_ARG);
	config = pump_config(w);
	config.device = NULL;
	assert_int_equal(viommu_pump_init(&w->pump, &config, w->pump_mem, bytes), VIOMMU_E_ARG);
	config = pump_config(w);
	config.memory.ops = NULL;
	assert_int_equal(viommu_pump_init(&w->pump, &config, w->pump_mem, bytes), VIOMMU_E_ARG);
	config.memory.ops = &memory;
	assert_int_equal(viommu_pump_init(&w->pump, &config, w->pump_mem, bytes), VIOMMU_E_ABI);
	memory.size--; /* and no callback */
	assert_int_equal(viommu_pump_init(&w->pump, &config, w->pump_mem, bytes), VIOMMU_E_ARG);
	config = pump_config(w);
	config.max_segments = VIOMMU_PUMP_SEGMENTS_MAX;
	assert_int_equal(viommu_pump_mem_size(&config, &needed), VIOMMU_OK);
	assert_true(needed >= VIOMMU_PUMP_SEGMENTS_MAX * sizeof(struct viommu_segment));
	config.max_segments++;
	assert_int_equal(viommu_pump_init(&w->pump, &config, w->pump_mem, bytes), VIOMMU_E_ARG);
	config = pump_config(w);
	assert_int_equal(viommu_pump_init(&w->pump, &config, NULL, bytes), VIOMMU_E_NOMEM);
	teardown(w);
}

static void test_init__any_alignment__mem_size_is_enough(void **state)
{
	struct world *w = &world;
	struct viommu_pump_config config;
	struct viommu_wire_request attach = device_attach_request(1, DEVICE_EP0, 0);
	size_t bytes, shift;

	(void)state;
	for (shift = 0; shift < 16; shift++) {
		setup(w, 0);
		config = pump_config(w);
		assert_int_equal(viommu_pump_mem_size(&config, &bytes), VIOMMU_OK);
		sim_env_free(w->pump_mem);
		w->pump_mem = sim_env_alloc(bytes + shift);
		assert_int_equal(viommu_pump_init(&w->pump, &config, (uint8_t *)w->pump_mem + shift, bytes), VIOMMU_OK);
		bring_up(w, 0);
		assert_int_equal(ask(w, &attach), VIOMMU_S_OK);
		teardown(w);
	}
}

static void test_init__default_queue_size__256(void **state)
{
	struct world *w = &world;
	struct viommu_pump_config config;
	size_t bytes;
	void *mem;

	(void)state;
	setup(w, 0);
	config = pump_config(w);
	config.queue_size_max = 0;
	assert_int_equal(viommu_pump_mem_size(&config, &bytes), VIOMMU_OK);
	mem = sim_env_alloc(bytes);
	assert_int_equal(viommu_pump_init(&w->pump, &config, mem, bytes), VIOMMU_OK);
	sim_env_free(w->pump_mem);
	w->pump_mem = mem;
	assert_int_equal(viommu_registers_queue_size_max(viommu_pump_registers(&w->pump), 0), 256);
	assert_int_equal(viommu_registers_queue_size_max(viommu_pump_registers(&w->pump), 1), 256);
	assert_int_equal(viommu_registers_queue_size_max(viommu_pump_registers(&w->pump), 2), 0);
	assert_true(viommu_registers_get_features(viommu_pump_registers(&w->pump)) ==
		    (VIOMMU_DEVICE_FEATURES | VIOMMU_F_VERSION_1 | VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX));
	teardown(w);
}

/* Each descriptor may lie across two pieces of host memory, and the area of a PROBE across one more every 4 KiB. */
static void test_init__default_max_segments__for_descriptors_and_a_probe(void **state)
{
	static uint8_t memory[VIOMMU_DEVICE_MEM(1, 1, 16)];
	struct viommu_device_config large = VIOMMU_DEVICE_CONFIG_INIT;
	struct viommu_device device;
	struct viommu_pump_config config;
	struct world *w = &world;
	size_t bytes, named;

	(void)state;
	setup(w, 0);
	large.max_endpoints = 1;
	large.max_domains = 1;
	large.probe_size = 3 * 4096;
	assert_int_equal(viommu_device_init(&device, &large, memory, sizeof(memory)), VIOMMU_OK);
	config = pump_config(w);
	config.device = &device;
	assert_int_equal(viommu_pump_mem_size(&config, &bytes), VIOMMU_OK);
	config.max_segments = 2 * QUEUE_SIZE + 3;
	assert_int_equal(viommu_pump_mem_size(&config, &named), VIOMMU_OK);
	assert_int_equal(bytes, named);
	teardown(w);
}

/* What the embedder allows for is what a request may have; a longer chain costs the driver that request and no other. */
static void test_init__max_segments__longer_chains_are_malformed(void **state)
{
	struct viommu_wire_request attach = device_attach_request(1, DEVICE_EP0, 0);
	struct viommu_bus_segment pieces[3];
	struct viommu_pump_config config;
	struct world *w = &world;
	struct slot *s;
	size_t bytes;

	(void)state;
	setup(w, 0);
	config = pump_config(w);
	config.max_segments = 2;
	assert_int_equal(viommu_pump_mem_size(&config, &bytes), VIOMMU_OK);
	sim_env_free(w->pump_mem);
	w->pump_mem = sim_env_alloc(bytes);
	assert_int_equal(viommu_pump_init(&w->pump, &config, w->pump_mem, bytes), VIOMMU_OK);
	bring_up(w, 0);
	assert_int_equal(ask(w, &attach), VIOMMU_S_OK);
	s = take_slot(w);
	pieces[0] = (struct viommu_bus_segment){ s->addr, 8 };
	pieces[1] = (struct viommu_bus_segment){ s->addr + 8, 12 };
	pieces[2] = (struct viommu_bus_segment){ s->addr + 256, 4 };
	(void)viommu_wire_request_encode(&attach, s->readable, 256);
	assert_int_equal(viommu_virtq_driver_add(&w->queues[VIOMMU_QUEUE_REQUEST], pieces, 2, 1, s), VIOMMU_OK);
	publish(w);
	process(w);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_REQUEST), s);
	assert_int_equal(s->written, 0);
	assert_int_equal(viommu_pump_get_stats(&w->pump)->malformed, 1);
	assert_int_equal(ask(w, &attach), VIOMMU_S_OK);
	teardown(w);
}

/* requests */

static void test_requests__each_type__answered(void **state)
{
	static const uint64_t features[] = { 0, VIOMMU_F_INDIRECT_DESC, VIOMMU_F_EVENT_IDX,
					     VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX };
	struct viommu_wire_request requests[] = {
		device_attach_request(1, DEVICE_EP0, 0), device_map_request(1, 0x1000, 0x1fff, 0xa000, RW),
		device_probe_request(DEVICE_EP0),        device_unmap_request(1, 0x1000, 0x1fff),
		device_detach_request(1, DEVICE_EP0),
	};
	static const uint32_t written[] = { 4, 4, 68, 4, 4 };
	struct world *w = &world;
	size_t i, k, round;

	(void)state;
	for (k = 0; k < 4; k++) {
		setup(w, 0);
		bring_up(w, features[k]);
		for (round = 0; round < 20; round++) { /* around the ring several times */
			for (i = 0; i < 5; i++) {
				assert_int_equal(ask(w, &requests[i]), VIOMMU_S_OK);
				assert_int_equal(w->slots[(w->next_slot + SLOTS - 1) % SLOTS].written, written[i]);
			}
		}
		assert_int_equal(viommu_pump_get_stats(&w->pump)->malformed, 0);
		teardown(w);
	}
}

static void test_requests__a_full_ring_in_one_kick__all_answered_in_order(void **state)
{
	struct viommu_wire_request attach = device_attach_request(1, DEVICE_EP0, 0);
	struct viommu_wire_request map;
	struct world *w = &world;
	struct slot *slots[QUEUE_SIZE];
	unsigned i;

	(void)state;
	setup(w, 0);
	bring_up(w, VIOMMU_F_INDIRECT_DESC); /* one descriptor each */
	slots[0] = post(w, &attach);
	for (i = 1; i < QUEUE_SIZE; i++) {
		map = device_map_request(1, i * 0x1000, i * 0x1000 + 0xfff, i * 0x1000, RW);
		slots[i] = post(w, &map);
	}
	publish(w);
	process(w);
	for (i = 0; i < QUEUE_SIZE; i++) {
		assert_ptr_equal(collect(w, VIOMMU_QUEUE_REQUEST), slots[i]);
		assert_int_equal(status_of(slots[i]), VIOMMU_S_OK);
	}
	teardown(w);
}

/*
 * A monitor copied as many bytes as the guest said into a struct of its stack. All that is behind the request, and all
 * the room behind the answer, up to the whole memory: the struct counts and nothing else.
 */
static void test_requests__longer_than_any_struct__only_the_struct_counts(void **state)
{
	struct viommu_wire_request requests[] = {
		device_attach_request(1, DEVICE_EP0, 0), device_map_request(1, 0x1000, 0x1fff, 0xa000, RW),
		device_probe_request(DEVICE_EP0),        device_unmap_request(1, 0x1000, 0x1fff),
		device_detach_request(1, DEVICE_EP0),
	};
	static const uint32_t written[] = { 4, 4, 68, 4, 4 };
	static const uint32_t extra[] = { 1, 3, 4, 60, 200, 255, 256, 4095, 0x10000 };
	static uint8_t before[RAM_LEN];
	struct world *w = &world;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	for (size_t k = 0; k < sizeof(extra) / sizeof(extra[0]); k++) {
		for (size_t i = 0; i < 5; i++) {
			struct slot *s = take_slot(w);
			uint32_t len = (uint32_t)viommu_wire_request_encode(&requests[i], s->readable, 256);
			uint32_t offset = (uint32_t)(s->writable - ram);
			struct viommu_bus_segment pieces[2] = { { s->addr, len + extra[k] },
								{ s->addr + 256, written[i] + extra[k] } };

			memset(s->readable + len, 0xff, 256 - len);
			assert_int_equal(viommu_virtq_driver_add(&w->queues[0], pieces, 1, 1, s), VIOMMU_OK);
			memcpy(before, ram, sizeof(before));
			publish(w);
			process(w);
			assert_ptr_equal(collect(w, VIOMMU_QUEUE_REQUEST), s);
			assert_int_equal(s->written, written[i]);
			assert_int_equal(status_of(s), VIOMMU_S_OK);
			/* Behind the rings only the answer has changed. */
			assert_memory_equal(before + 2 * RING_LEN, ram + 2 * RING_LEN, offset - 2 * RING_LEN);
			offset += written[i];
			assert_memory_equal(before + offset, ram + offset, RAM_LEN - offset);
		}
	}
	teardown(w);
}

/* IOMMU-DEV-OPS-03 and malformed chains: returned, with length 0, and the next request is fine. */
static void test_requests__no_request__returned_with_length_0(void **state)
{
	struct viommu_wire_request attach = device_attach_request(1, DEVICE_EP0, 0);
	struct world *w = &world;
	struct slot *unknown, *empty, *nowhere, *no_tail, *events;
	struct viommu_bus_segment outside = { RAM_BASE + RAM_LEN - 2, 4 };
	struct viommu_bus_segment self;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	unknown = post_bytes(w, 72, 68);
	unknown->readable[0] = 99;
	empty = post_bytes(w, 0, 4);
	no_tail = post_bytes(w, 20, 0);
	nowhere = take_slot(w);
	assert_int_equal(viommu_virtq_driver_add(&w->queues[0], &outside, 0, 1, nowhere), VIOMMU_OK);
	events = take_slot(w);
	self.addr = UINT64_MAX - 1;
	self.len = 4;
	assert_int_equal(viommu_virtq_driver_add(&w->queues[0], &self, 1, 0, events), VIOMMU_OK);
	publish(w);
	process(w);
	assert_ptr_equal(collect(w, 0), unknown);
	assert_ptr_equal(collect(w, 0), empty);
	assert_ptr_equal(collect(w, 0), no_tail);
	assert_ptr_equal(collect(w, 0), nowhere);
	assert_ptr_equal(collect(w, 0), events);
	assert_int_equal(unknown->written + empty->written + no_tail->written + nowhere->written + events->written, 0);
	/* Without pointers the device takes the tail that is nowhere for one that is missing. */
	assert_int_equal(viommu_pump_get_stats(&w->pump)->malformed, suite_memory_is_copied() ? 1 : 2);
	assert_int_equal(viommu_device_get_stats(&w->f.dev)->unanswered, suite_memory_is_copied() ? 4 : 3);
	assert_int_equal(ask(w, &attach), VIOMMU_S_OK);
	assert_int_equal(viommu_registers_get_status(viommu_pump_registers(&w->pump)), ALIVE);
	teardown(w);
}

/* GEN-DEV-STATUS-01, INF-23 */
static void test_requests__before_driver_ok__not_consumed(void **state)
{
	struct viommu_wire_request attach = device_attach_request(1, DEVICE_EP0, 0);
	struct viommu_translation t;
	struct world *w = &world;
	struct slot *s, *event;

	(void)state;
	setup(w, 0);
	assert_false(viommu_pump_process(&w->pump, 100));
	negotiate(w, 0);
	enable_queues(w, 0);
	s = post(w, &attach);
	event = post_event(w, 24);
	publish(w);
	assert_int_equal(device_translate(&w->f, 0, 0x1000, 1, 1, &t), VIOMMU_E_FAULT);
	assert_false(viommu_pump_process(&w->pump, 100));
	assert_null(collect(w, VIOMMU_QUEUE_REQUEST));
	assert_null(collect(w, VIOMMU_QUEUE_EVENT));
	assert_int_equal(w->transport.used[0] + w->transport.used[1], 0);
	driver_ok(w);
	process(w);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_REQUEST), s);
	assert_int_equal(status_of(s), VIOMMU_S_OK);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_EVENT), event);
	teardown(w);
}

/* A driver that goes live without one of the queues gets what the other one can do. */
static void test_queues__one_not_enabled__the_other_one_works(void **state)
{
	struct viommu_wire_request attach = device_attach_request(1, DEVICE_EP0, 0);
	struct world *w = &world;

	(void)state;
	for (uint32_t missing = 0; missing < VIOMMU_QUEUE_COUNT; missing++) {
		setup(w, 0);
		negotiate(w, 0);
		enable_queues(w, 0);
		viommu_virtq_device_reset(&w->pump.queues[missing]);
		driver_ok(w);
		raise_faults(w, 0, 1);
		if (missing == VIOMMU_QUEUE_EVENT) {
			assert_int_equal(ask(w, &attach), VIOMMU_S_OK);
		} else {
			(void)post_event(w, 24);
			publish(w);
			process(w);
			assert_non_null(collect(w, VIOMMU_QUEUE_EVENT));
		}
		assert_false(viommu_pump_process(&w->pump, 100));
		assert_int_equal(viommu_registers_get_status(viommu_pump_registers(&w->pump)), ALIVE);
		assert_no_interrupt(w, missing);
		teardown(w);
	}
}

static void test_requests__small_budget__work_in_portions(void **state)
{
	struct viommu_wire_request attach = device_attach_request(1, DEVICE_EP0, 0);
	struct world *w = &world;
	unsigned done = 0, calls = 0, first;
	bool more;

	(void)state;
	setup(w, 0);
	bring_up(w, VIOMMU_F_INDIRECT_DESC);
	for (first = 0; first < 12; first++)
		(void)post(w, &attach);
	publish(w);
	more = viommu_pump_process(&w->pump, 3);
	assert_true(more);
	while (collect(w, VIOMMU_QUEUE_REQUEST) != NULL)
		done++;
	assert_true(done < 6);
	while (more) {
		more = viommu_pump_process(&w->pump, 3);
		assert_true(++calls < 100);
	}
	while (collect(w, VIOMMU_QUEUE_REQUEST) != NULL)
		done++;
	assert_int_equal(done, 12);
	assert_true(calls >= 3);
	teardown(w);
}

/* A request that lies over many regions is one of few: its pieces are paid for, and the next one has to wait. */
static void test_requests__many_small_regions__pieces_are_paid_for(void **state)
{
	struct viommu_wire_request attach = device_attach_request(1, DEVICE_EP0, 0);
	struct viommu_memory_region regions[22];
	struct world *w = &world;
	const struct slot *s;
	bool more;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	s = post(w, &attach);
	(void)post(w, &attach);
	publish(w);
	for (uint32_t i = 0; i < 22; i++) {
		uint64_t first = i == 0 ? 0 : s->addr - RAM_BASE + i - 1;
		uint64_t last = i == 21 ? RAM_LEN - 1 : s->addr - RAM_BASE + i - 1 - (i == 0);

		regions[i] = (struct viommu_memory_region){ RAM_BASE + first, RAM_BASE + last, ram + first, 3 };
	}
	assert_int_equal(viommu_memory_table_set(&ram_table, regions, 22), VIOMMU_OK);
	/* 2 descriptors, 20 pieces of the request and 1 of the reply, and the request */
	more = viommu_pump_process(&w->pump, 24);
	assert_true(more != suite_memory_is_copied());
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_REQUEST), s);
	assert_true((collect(w, VIOMMU_QUEUE_REQUEST) != NULL) == suite_memory_is_copied());
	process(w);
	assert_true((collect(w, VIOMMU_QUEUE_REQUEST) != NULL) != suite_memory_is_copied());
	teardown(w);
}

static void test_requests__nodes_to_take_apart__done_within_the_budget(void **state)
{
	struct viommu_wire_request r = device_attach_request(1, DEVICE_EP0, 0);
	struct world *w = &world;
	struct viommu_map_pool *pool = &w->f.dev.pool;
	uint64_t i;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	assert_int_equal(ask(w, &r), VIOMMU_S_OK);
	for (i = 0; i < 60; i++) {
		r = device_map_request(1, i << 30, (i << 30) + 0xfff, 0, RW);
		assert_int_equal(ask(w, &r), VIOMMU_S_OK);
	}
	assert_true(viommu_map_pool_free(pool) < viommu_map_pool_total(pool));
	r = device_unmap_request(1, 0, UINT64_MAX);
	assert_int_equal(ask(w, &r), VIOMMU_S_OK);
	assert_int_equal(viommu_map_pool_free(pool), viommu_map_pool_total(pool));
	teardown(w);
}

/* A budget that is used up to the last step says so, whatever it was used for. */
static void test_requests__budget_used_up_by_nodes__more_is_said(void **state)
{
	struct viommu_wire_request r = device_attach_request(1, DEVICE_EP0, 0);
	struct viommu_map_pool *pool = &world.f.dev.pool;
	struct world *w = &world;
	uint32_t before;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	assert_int_equal(ask(w, &r), VIOMMU_S_OK);
	for (uint64_t i = 0; i < 10; i++) {
		r = device_map_request(1, i << 30, (i << 30) + 0xfff, 0, RW);
		assert_int_equal(ask(w, &r), VIOMMU_S_OK);
	}
	assert_int_equal(device_unmap(&w->f, 1, 0, UINT64_MAX), VIOMMU_S_OK); /* not the pump's: nothing is reclaimed */
	before = viommu_map_pool_free(pool);
	assert_true(viommu_pump_process(&w->pump, 3));
	assert_int_equal(viommu_map_pool_free(pool), before + 3);
	process(w);
	assert_int_equal(viommu_map_pool_free(pool), viommu_map_pool_total(pool));
	teardown(w);
}

/* notifications */

static void test_interrupt__batch__one_for_all(void **state)
{
	struct viommu_wire_request attach = device_attach_request(1, DEVICE_EP0, 0);
	struct world *w = &world;
	unsigned i, k;

	(void)state;
	for (k = 0; k < 2; k++) {
		setup(w, 0);
		bring_up(w, k == 0 ? 0 : VIOMMU_F_EVENT_IDX);
		for (i = 0; i < 5; i++)
			(void)post(w, &attach);
		publish(w);
		(void)step(w, 1000);
		assert_int_equal(w->transport.used[VIOMMU_QUEUE_REQUEST], 1);
		assert_no_interrupt(w, VIOMMU_QUEUE_EVENT);
		assert_false(step(w, 1000)); /* nothing new, no interrupt */
		assert_int_equal(w->transport.used[VIOMMU_QUEUE_REQUEST], 1);
		teardown(w);
	}
}

/*
 * VQ-DEV-USEDSUP-05, VQ-DEV-USEDSUP-06: nobody asked, nobody is told; and the pump asks for kicks before it sleeps:
 * VQ-DEV-NOTIFY-01.
 */
static void test_interrupt__event_idx__as_asked(void **state)
{
	struct viommu_wire_request attach = device_attach_request(1, DEVICE_EP0, 0);
	struct viommu_virtq_driver *q = &world.queues[VIOMMU_QUEUE_REQUEST];
	struct world *w = &world;
	unsigned i;

	(void)state;
	setup(w, 0);
	bring_up(w, VIOMMU_F_EVENT_IDX);
	for (i = 0; i < 40; i++) {
		bool armed = i % 2 == 0;
		unsigned before = w->transport.used[0];

		if (armed)
			assert_false(viommu_virtq_driver_arm(q));
		(void)post(w, &attach);
		assert_true(viommu_virtq_driver_publish(q)); /* the device sleeps: a kick is needed */
		process(w);
		assert_int_equal(w->transport.used[0], before + armed);
		assert_non_null(collect(w, 0));
	}
	/* A second chain while the first one has not been looked at needs no second kick. */
	(void)post(w, &attach);
	assert_true(viommu_virtq_driver_publish(q));
	(void)post(w, &attach);
	assert_false(viommu_virtq_driver_publish(q));
	process(w);
	assert_non_null(collect(w, 0));
	assert_non_null(collect(w, 0));
	teardown(w);
}

/* pending */

static void test_pending__other_domain_goes_on__answers_out_of_order(void **state)
{
	struct viommu_wire_request unmap1 = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_wire_request unmap2 = device_unmap_request(2, 0x1000, 0x1fff);
	struct viommu_access_token token;
	struct world *w = &world;
	struct slot *first, *second;

	(void)state;
	setup(w, 0);
	bring_up(w, VIOMMU_F_EVENT_IDX);
	prepare_domains(w);
	assert_int_equal(viommu_access_begin(&w->f.accesses[0], &token), VIOMMU_OK);
	first = post(w, &unmap1);
	second = post(w, &unmap2);
	publish(w);
	process(w);
	assert_ptr_equal(collect(w, 0), second);
	assert_int_equal(status_of(second), VIOMMU_S_OK);
	assert_null(collect(w, 0));
	assert_false(viommu_pump_process(&w->pump, 100)); /* waits without spinning */
	assert_null(collect(w, 0));
	assert_int_equal(first->writable[0], device_call_canary(0));
	viommu_access_end(&w->f.accesses[0], token);
	assert_false(viommu_virtq_driver_arm(&w->queues[0]));
	w->transport.used[0] = 0;
	process(w);
	assert_ptr_equal(collect(w, 0), first);
	assert_int_equal(status_of(first), VIOMMU_S_OK);
	assert_int_equal(w->transport.used[0], 1);
	teardown(w);
}

/* When as many wait as may, the rest stays in the ring; nothing is lost. */
static void test_pending__more_than_max_pending__all_answered_in_the_end(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token token;
	struct world *w = &world;
	struct slot *slots[6];
	unsigned i;

	(void)state;
	setup(w, 2);
	bring_up(w, 0);
	prepare_domains(w);
	assert_int_equal(viommu_access_begin(&w->f.accesses[0], &token), VIOMMU_OK);
	for (i = 0; i < 6; i++)
		slots[i] = post(w, &unmap);
	publish(w);
	process(w);
	assert_null(collect(w, 0));
	viommu_access_end(&w->f.accesses[0], token);
	process(w);
	for (i = 0; i < 6; i++) {
		assert_non_null(collect(w, 0));
		assert_int_equal(status_of(slots[i]), VIOMMU_S_OK);
	}
	assert_null(collect(w, 0));
	teardown(w);
}

static void test_pending__many_done_at_once__answered_within_the_budget(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token token;
	struct world *w = &world;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	prepare_domains(w);
	assert_int_equal(viommu_access_begin(&w->f.accesses[0], &token), VIOMMU_OK);
	for (unsigned i = 0; i < 3; i++)
		(void)post(w, &unmap);
	publish(w);
	process(w);
	viommu_access_end(&w->f.accesses[0], token);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(viommu_pump_process(&w->pump, 1));
		assert_non_null(collect(w, VIOMMU_QUEUE_REQUEST));
		assert_null(collect(w, VIOMMU_QUEUE_REQUEST));
	}
	process(w);
	assert_null(collect(w, VIOMMU_QUEUE_REQUEST));
	teardown(w);
}

/* Misuse and reset */

static uint8_t *avail_index(struct world *w, uint32_t queue)
{
	return ram + (w->layouts[queue].avail - RAM_BASE) + 2;
}

/* GEN-DEV-STATUS-02, -03, INF-16, INF-23 */
static void test_broken_ring__either_queue__needs_reset_and_recovery(void **state)
{
	struct viommu_wire_request attach = device_attach_request(1, DEVICE_EP0, 0);
	struct viommu_registers *regs = viommu_pump_registers(&world.pump);
	struct world *w = &world;
	uint32_t queue;

	(void)state;
	for (queue = 0; queue < VIOMMU_QUEUE_COUNT; queue++) {
		setup(w, 0);
		bring_up(w, 0);
		assert_int_equal(ask(w, &attach), VIOMMU_S_OK);
		avail_index(w, queue)[0] =
			(uint8_t)(avail_index(w, queue)[0] + QUEUE_SIZE + 1); /* more than it holds */
		raise_faults(w, 1, 1); /* so that there is a reason to look at the event queue */
		process(w);
		assert_int_equal(viommu_registers_get_status(regs), ALIVE | VIOMMU_STATUS_NEEDS_RESET);
		assert_int_equal(w->transport.config, 1);
		/* Nothing is served any more, and the interrupt does not repeat. */
		(void)post(w, &attach);
		publish(w);
		assert_false(viommu_pump_process(&w->pump, 100));
		assert_null(collect(w, 0));
		assert_int_equal(w->transport.config, 1);
		/* The driver's own reset is all it takes. */
		viommu_registers_set_status(regs, 0);
		assert_int_equal(viommu_registers_get_status(regs), 0);
		bring_up(w, 0);
		assert_int_equal(ask(w, &attach), VIOMMU_S_OK);
		teardown(w);
	}
}

/* The event queue comes second in a call, and its ring is sound: all the same nothing is delivered any more. */
static void test_broken_ring__request_queue__event_queue_stops_in_the_same_call(void **state)
{
	struct world *w = &world;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	(void)post_event(w, VIOMMU_WIRE_FAULT_SIZE);
	publish(w);
	avail_index(w, VIOMMU_QUEUE_REQUEST)[0] = QUEUE_SIZE + 1;
	raise_faults(w, 1, 1);
	process(w);
	assert_int_equal(viommu_registers_get_status(viommu_pump_registers(&w->pump)),
			 ALIVE | VIOMMU_STATUS_NEEDS_RESET);
	assert_null(collect(w, VIOMMU_QUEUE_EVENT));
	assert_int_equal(viommu_pump_get_stats(&w->pump)->events, 0);
	assert_int_equal(w->transport.used[VIOMMU_QUEUE_EVENT], 0);
	teardown(w);
}

/* GEN-DEV-RESET-02, GEN-DEV-FEAT-05: ten lives, and the same features in each */
static void test_reset__waiting_requests__never_reach_the_next_life(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_registers *regs = viommu_pump_registers(&world.pump);
	struct viommu_access_token token;
	struct world *w = &world;
	unsigned life, i;

	(void)state;
	setup(w, 0);
	for (life = 0; life < 10; life++) { /* more requests in all than there are slots */
		bring_up(w, life % 2 == 0 ? 0 : VIOMMU_F_EVENT_IDX);
		prepare_domains(w);
		assert_int_equal(viommu_access_begin(&w->f.accesses[0], &token), VIOMMU_OK);
		for (i = 0; i < 5; i++)
			(void)post(w, &unmap);
		publish(w);
		process(w);
		assert_null(collect(w, 0));
		viommu_registers_set_status(regs, 0);
		assert_int_not_equal(viommu_registers_get_status(regs), 0); /* a section is open */
		assert_false(viommu_registers_queue_is_enabled(regs, VIOMMU_QUEUE_REQUEST)); /* MMIO-DEV-REG-06 */
		memset(ram, 0xee,
		       sizeof(ram)); /* the driver may do what it likes with its memory only after status 0 */
		if (life % 3 != 0)
			process(w);
		assert_int_not_equal(viommu_registers_get_status(regs), 0);
		viommu_access_end(&w->f.accesses[0], token);
		if (life % 3 == 1)
			process(w);
		assert_int_equal(viommu_registers_get_status(regs), 0);
		memset(w->transport.used, 0, sizeof(w->transport.used));
		process(w);
		assert_int_equal(w->transport.used[0] + w->transport.used[1] + w->transport.config, 0);
		for (i = 0; i < RAM_LEN; i++)
			assert_int_equal(ram[i], 0xee); /* nothing of the old life is written any more */
	}
	bring_up(w, 0);
	prepare_domains(w);
	teardown(w);
}

/* IOMMU-DEV-CONFIG-05, through the registers and past them. */
static void test_system_reset__live_device__bypass_as_configured(void **state)
{
	struct viommu_wire_request attach = device_attach_request(1, DEVICE_EP0, 0);
	struct viommu_registers *regs = viommu_pump_registers(&world.pump);
	struct world *w = &world;
	uint8_t value = 1;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	viommu_registers_config_write(regs, VIOMMU_WIRE_CONFIG_BYPASS, &value, 1);
	viommu_registers_set_status(regs, 0);
	assert_int_equal(viommu_registers_get_status(regs), 0);
	assert_int_equal(device_bypass(&w->f), 1);
	bring_up(w, 0);
	assert_int_equal(ask(w, &attach), VIOMMU_S_OK);
	viommu_pump_system_reset(&w->pump);
	assert_int_equal(viommu_registers_get_status(regs), 0);
	assert_int_equal(device_bypass(&w->f), 0);
	assert_true(device_faults(&w->f, 0, 0x1000, 1, VIOMMU_FAULT_R_DOMAIN));
	bring_up(w, 0);
	assert_int_equal(ask(w, &attach), VIOMMU_S_OK);
	teardown(w);
}

/* The driver knows what it stored, and one byte is never seen in part. */
static void test_config__the_driver_stores_bypass__no_generation_and_no_interrupt(void **state)
{
	static const uint8_t on = 1;
	struct viommu_registers *regs = viommu_pump_registers(&world.pump);
	struct world *w = &world;
	uint32_t generation;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	generation = viommu_registers_config_generation(regs);
	viommu_registers_config_write(regs, VIOMMU_WIRE_CONFIG_BYPASS, &on, 1);
	sim_transport_take_interrupts(&w->transport);
	assert_int_equal(device_bypass(&w->f), 1);
	assert_int_equal(viommu_registers_config_generation(regs), generation);
	assert_int_equal(w->transport.config, 0);
	teardown(w);
}

/* After 1 to 0 the driver does not ask when that is complete. The pump does, or each section would wake it for ever. */
static void test_process__bypass_has_ended__sections_wake_nobody(void **state)
{
	static const uint8_t on = 1, off = 0;
	struct viommu_registers *regs = viommu_pump_registers(&world.pump);
	struct viommu_access_token token;
	struct world *w = &world;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	viommu_registers_config_write(regs, VIOMMU_WIRE_CONFIG_BYPASS, &on, 1);
	assert_int_equal(viommu_access_begin(&w->f.accesses[0], &token), VIOMMU_OK);
	viommu_registers_config_write(regs, VIOMMU_WIRE_CONFIG_BYPASS, &off, 1);
	viommu_access_end(&w->f.accesses[0], token);
	assert_int_equal(w->f.wakes, 1);
	process(w);
	assert_int_equal(viommu_access_begin(&w->f.accesses[0], &token), VIOMMU_OK);
	viommu_access_end(&w->f.accesses[0], token);
	assert_int_equal(w->f.wakes, 1);
	teardown(w);
}

/* The bypass goes with the machine's reset, and status may not say 0 while an endpoint is still using it. */
static void test_system_reset__open_section_in_bypass__status_waits(void **state)
{
	struct viommu_registers *regs = viommu_pump_registers(&world.pump);
	struct viommu_access_token token;
	struct world *w = &world;
	uint8_t value = 1;

	(void)state;
	setup(w, 0);
	bring_up(w, 0);
	viommu_registers_config_write(regs, VIOMMU_WIRE_CONFIG_BYPASS, &value, 1);
	viommu_registers_set_status(regs, 0);
	assert_int_equal(viommu_registers_get_status(regs), 0);
	assert_int_equal(viommu_access_begin(&w->f.accesses[0], &token), VIOMMU_OK);
	viommu_pump_system_reset(&w->pump);
	assert_int_not_equal(viommu_registers_get_status(regs), 0);
	viommu_access_end(&w->f.accesses[0], token);
	assert_int_equal(viommu_registers_get_status(regs), 0);
	bring_up(w, 0);
	teardown(w);
}

/* in order */

/*
 * GEN-DEV-RSVD-05: what can be done is done at once, and what came first is answered first. A chain that is no request
 * waits for its turn as well; the fault reports are in order by themselves.
 */
static void test_in_order__first_one_waits__others_are_done_and_answered_after_it(void **state)
{
	struct viommu_wire_request unmap1 = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_wire_request unmap2 = device_unmap_request(2, 0x1000, 0x1fff);
	struct viommu_bus_segment outside = { RAM_BASE + RAM_LEN - 2, 4 };
	struct viommu_access_token token;
	struct world *w = &world;
	struct slot *slots[4], *events[2];
	unsigned i;

	(void)state;
	setup_with_domains(w, 0, VIOMMU_F_IN_ORDER | VIOMMU_F_EVENT_IDX);
	assert_int_equal(viommu_access_begin(&w->f.accesses[0], &token), VIOMMU_OK);
	slots[0] = post(w, &unmap1);
	slots[1] = post(w, &unmap2);
	slots[2] = take_slot(w);
	assert_int_equal(viommu_virtq_driver_add(&w->queues[0], &outside, 0, 1, slots[2]), VIOMMU_OK);
	slots[3] = post_bytes(w, 1, 4);
	events[0] = post_event(w, VIOMMU_WIRE_FAULT_SIZE);
	events[1] = post_event(w, VIOMMU_WIRE_FAULT_SIZE);
	publish(w);
	raise_faults(w, 0, 2);
	assert_false(viommu_virtq_driver_arm(&w->queues[0]));
	w->transport.used[0] = 0;
	process(w);
	assert_false(device_reaches(&w->f, 1, 0x1000, VIOMMU_ACCESS_READ, 0xb000)); /* the second one was carried out */
	assert_null(collect(w, VIOMMU_QUEUE_REQUEST));
	assert_no_interrupt(w, VIOMMU_QUEUE_REQUEST);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_EVENT), events[0]);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_EVENT), events[1]);
	assert_true(viommu_pump_check(&w->pump));
	w->transport.used[0] = 0;
	viommu_access_end(&w->f.accesses[0], token);
	process(w);
	for (i = 0; i < 4; i++) {
		assert_ptr_equal(collect(w, VIOMMU_QUEUE_REQUEST), slots[i]);
		assert_int_equal(status_of(slots[i]), i < 2 ? VIOMMU_S_OK : DEVICE_UNANSWERED);
	}
	assert_int_equal(w->transport.used[0], 1);
	assert_true(viommu_pump_check(&w->pump));
	teardown(w);
}

/* Two that wait for different sections, and the later section ends first. */
static void test_in_order__later_one_ends_first__still_answered_later(void **state)
{
	struct viommu_wire_request unmap1 = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_wire_request unmap2 = device_unmap_request(2, 0x1000, 0x1fff);
	struct viommu_access_token tokens[2];
	struct world *w = &world;
	struct slot *slots[2];

	(void)state;
	setup_with_domains(w, 0, VIOMMU_F_IN_ORDER);
	assert_int_equal(viommu_access_begin(&w->f.accesses[0], &tokens[0]), VIOMMU_OK);
	assert_int_equal(viommu_access_begin(&w->f.accesses[1], &tokens[1]), VIOMMU_OK);
	slots[0] = post(w, &unmap1);
	slots[1] = post(w, &unmap2);
	publish(w);
	process(w);
	viommu_access_end(&w->f.accesses[1], tokens[1]);
	process(w);
	assert_null(collect(w, VIOMMU_QUEUE_REQUEST));
	assert_int_equal(w->f.dev.pending_count, 1);
	assert_true(viommu_pump_check(&w->pump));
	viommu_access_end(&w->f.accesses[0], tokens[0]);
	process(w);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_REQUEST), slots[0]);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_REQUEST), slots[1]);
	teardown(w);
}

/* What is held back takes part in the limit: the rest stays in the ring, and nothing is lost. */
static void test_in_order__more_than_max_pending__all_answered_in_the_end(void **state)
{
	struct viommu_wire_request unmap1 = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_wire_request map2;
	struct viommu_access_token token;
	struct world *w = &world;
	struct slot *slots[8];
	unsigned i;

	(void)state;
	setup_with_domains(w, 3, VIOMMU_F_IN_ORDER);
	assert_int_equal(viommu_access_begin(&w->f.accesses[0], &token), VIOMMU_OK);
	slots[0] = post(w, &unmap1);
	for (i = 1; i < 8; i++) {
		map2 = device_map_request(2, 0x1000u + 0x1000u * i, 0x1fffu + 0x1000u * i, 0xc000, RW);
		slots[i] = post(w, &map2);
	}
	publish(w);
	process(w);
	assert_false(viommu_pump_process(&w->pump, 100)); /* waits without spinning */
	assert_true(device_reaches(&w->f, 1, 0x3000, VIOMMU_ACCESS_READ, 0xc000));
	assert_false(device_reaches(&w->f, 1, 0x4000, VIOMMU_ACCESS_READ, 0xc000)); /* the fourth */
	assert_true(viommu_pump_check(&w->pump));
	viommu_access_end(&w->f.accesses[0], token);
	process(w);
	for (i = 0; i < 8; i++) {
		assert_ptr_equal(collect(w, VIOMMU_QUEUE_REQUEST), slots[i]);
		assert_int_equal(status_of(slots[i]), VIOMMU_S_OK);
	}
	teardown(w);
}

/* Neither what waits nor what is held back reaches the next life, and all slots are there again. */
static void test_in_order__reset_while_held__next_life_is_complete(void **state)
{
	struct viommu_wire_request unmap1 = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_wire_request unmap2 = device_unmap_request(2, 0x1000, 0x1fff);
	struct viommu_registers *regs = viommu_pump_registers(&world.pump);
	struct viommu_access_token token;
	struct world *w = &world;
	unsigned i, life;

	(void)state;
	setup_with_domains(w, 3, VIOMMU_F_IN_ORDER);
	for (life = 0; life < 4; life++) {
		assert_int_equal(viommu_access_begin(&w->f.accesses[0], &token), VIOMMU_OK);
		(void)post(w, &unmap1);
		for (i = 0; i < 5; i++)
			(void)post(w, &unmap2);
		publish(w);
		process(w);
		viommu_registers_set_status(regs, 0);
		assert_int_not_equal(viommu_registers_get_status(regs), 0);
		assert_true(viommu_pump_check(&w->pump));
		viommu_access_end(&w->f.accesses[0], token);
		assert_int_equal(viommu_registers_get_status(regs), 0);
		/* With the feature and without. */
		bring_up(w, life % 2 == 0 ? 0 : VIOMMU_F_IN_ORDER);
		prepare_domains(w);
		assert_true(viommu_pump_check(&w->pump));
	}
	teardown(w);
}

/* Reset of one queue */

/* The driver takes its buffers back and sets the queue up again, smaller. */
static void renew_queue(struct world *w, uint32_t queue, uint64_t ring_features)
{
	struct viommu_shared_memory shared = { ram + queue * RING_LEN, RAM_BASE + queue * RING_LEN, RING_LEN };

	while (viommu_virtq_driver_reclaim(&w->queues[queue]) != NULL)
		;
	assert_int_equal(viommu_virtq_driver_init(&w->queues[queue], QUEUE_SIZE / 2, ring_features, &shared,
						  w->shadows[queue], &w->layouts[queue]),
			 VIOMMU_OK);
	assert_int_equal(viommu_registers_queue_enable(viommu_pump_registers(&w->pump), queue, &w->layouts[queue]),
			 VIOMMU_OK);
}

/*
 * GEN-DEV-VQRESET-01, -02, GEN-DEV-VQENABLE-01. The reset is complete at once, although requests were carried out already
 * and wait for a section: nothing is written to the old buffers any more, whoever looks at what and when the section
 * ends. What was not taken is never carried out.
 */
static void test_queue_reset__requests_wait_or_are_held__complete_and_never_answered(void **state)
{
	struct viommu_wire_request attach = device_attach_request(3, DEVICE_EP1, 0);
	struct viommu_registers *regs = viommu_pump_registers(&world.pump);
	struct viommu_access_token token;
	struct world *w = &world;

	(void)state;
	for (unsigned mode = 0; mode < 4; mode++) {
		uint64_t features = VIOMMU_F_RING_RESET | (mode < 2 ? 0 : VIOMMU_F_IN_ORDER);
		uint8_t before[RAM_LEN];

		setup_with_domains(w, 2, features);
		for (unsigned life = 0; life < 3; life++) {
			struct viommu_wire_request unmap1 = device_unmap_request(1, 0x1000, 0x1fff);
			struct viommu_wire_request unmap2 = device_unmap_request(2, 0x1000, 0x1fff);
			struct slot *old, *renewed = NULL;

			assert_int_equal(viommu_access_begin(&w->f.accesses[0], &token), VIOMMU_OK);
			old = post(w, &unmap1);
			(void)post(w, &unmap2);
			publish(w);
			process(w);
			assert_int_equal(w->f.dev.pending_count, 1);
			while (collect(w, VIOMMU_QUEUE_REQUEST) != NULL)
				;
			(void)post(w, &attach);
			publish(w);
			w->transport.used[0] = 0;
			assert_int_equal(viommu_registers_queue_reset(regs, VIOMMU_QUEUE_REQUEST), VIOMMU_OK);
			assert_false(viommu_registers_queue_is_resetting(regs, VIOMMU_QUEUE_REQUEST));
			assert_true(viommu_pump_check(&w->pump));
			memset(ram, 0x77, RING_LEN);
			memset(ram + 2 * RING_LEN, 0x77, RAM_LEN - 2 * RING_LEN);
			memcpy(before, ram, RAM_LEN);
			process(w);
			assert_int_equal(w->f.dev.pending_count, 1);
			if (mode % 2 == 0) {
				viommu_access_end(&w->f.accesses[0], token);
				assert_false(viommu_registers_queue_is_resetting(regs, VIOMMU_QUEUE_REQUEST));
				process(w);
			}
			assert_memory_equal(ram, before, RAM_LEN);
			assert_no_interrupt(w, VIOMMU_QUEUE_REQUEST);
			assert_true(viommu_pump_check(&w->pump));
			renew_queue(w, VIOMMU_QUEUE_REQUEST, features);
			if (mode % 2 != 0) {
				/* The section goes on: it may still use what was taken away, as the driver learns. */
				renewed = post(w, &unmap1);
				publish(w);
				process(w);
				assert_null(collect(w, VIOMMU_QUEUE_REQUEST));
				assert_int_equal(w->f.dev.pending_count, 2);
				assert_true(viommu_pump_check(&w->pump));
				viommu_access_end(&w->f.accesses[0], token);
				process(w);
				assert_ptr_equal(collect(w, VIOMMU_QUEUE_REQUEST), renewed);
				assert_null(collect(w, VIOMMU_QUEUE_REQUEST));
				assert_int_equal(status_of(renewed), VIOMMU_S_OK);
			}
			assert_int_equal(w->f.dev.pending_count, 0);
			assert_int_equal(old->writable[0], 0x77);
			/* Both domains are there, and empty: endpoint 1 was never moved. */
			unmap1 = device_map_request(1, 0x1000, 0x1fff, 0xa000, RW);
			assert_int_equal(ask(w, &unmap1), VIOMMU_S_OK);
			unmap2 = device_map_request(2, 0x1000, 0x1fff, 0xb000, RW);
			assert_int_equal(ask(w, &unmap2), VIOMMU_S_OK);
			assert_true(device_reaches(&w->f, 1, 0x1000, VIOMMU_ACCESS_READ, 0xb000));
		}
		teardown(w);
	}
}

/* A report that found no buffer before the reset is delivered to a buffer of the new queue. The other queue goes on. */
static void test_queue_reset__event_queue__reports_wait_for_the_new_one(void **state)
{
	struct viommu_wire_request unmap1 = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_wire_request unmap2 = device_unmap_request(2, 0x1000, 0x1fff);
	struct viommu_registers *regs = viommu_pump_registers(&world.pump);
	struct viommu_access_token token;
	struct world *w = &world;
	struct slot *event, *waits;

	(void)state;
	setup_with_domains(w, 0, VIOMMU_F_RING_RESET | VIOMMU_F_EVENT_IDX);
	raise_faults(w, 0, 1);
	assert_int_equal(viommu_access_begin(&w->f.accesses[0], &token), VIOMMU_OK);
	waits = post(w, &unmap1);
	publish(w);
	process(w);
	(void)post_event(w, VIOMMU_WIRE_FAULT_SIZE);
	publish(w);
	assert_int_equal(viommu_registers_queue_reset(regs, VIOMMU_QUEUE_EVENT), VIOMMU_OK);
	assert_false(viommu_registers_queue_is_resetting(regs, VIOMMU_QUEUE_EVENT));
	process(w);
	assert_null(collect(w, VIOMMU_QUEUE_EVENT));
	assert_no_interrupt(w, VIOMMU_QUEUE_EVENT);
	assert_int_equal(ask(w, &unmap2), VIOMMU_S_OK);
	/* The other queue's is still answered when its section ends. */
	viommu_access_end(&w->f.accesses[0], token);
	process(w);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_REQUEST), waits);
	assert_int_equal(status_of(waits), VIOMMU_S_OK);
	renew_queue(w, VIOMMU_QUEUE_EVENT, VIOMMU_F_RING_RESET | VIOMMU_F_EVENT_IDX);
	event = post_event(w, VIOMMU_WIRE_FAULT_SIZE);
	publish(w);
	process(w);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_EVENT), event);
	assert_int_equal(event->written, VIOMMU_WIRE_FAULT_SIZE);
	teardown(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init__bad_configuration__refused),
		cmocka_unit_test(test_init__any_alignment__mem_size_is_enough),
		cmocka_unit_test(test_init__default_queue_size__256),
		cmocka_unit_test(test_init__default_max_segments__for_descriptors_and_a_probe),
		cmocka_unit_test(test_init__max_segments__longer_chains_are_malformed),
		cmocka_unit_test(test_requests__each_type__answered),
		cmocka_unit_test(test_requests__longer_than_any_struct__only_the_struct_counts),
		cmocka_unit_test(test_requests__a_full_ring_in_one_kick__all_answered_in_order),
		cmocka_unit_test(test_requests__no_request__returned_with_length_0),
		cmocka_unit_test(test_requests__before_driver_ok__not_consumed),
		cmocka_unit_test(test_queues__one_not_enabled__the_other_one_works),
		cmocka_unit_test(test_requests__small_budget__work_in_portions),
		cmocka_unit_test(test_requests__many_small_regions__pieces_are_paid_for),
		cmocka_unit_test(test_requests__nodes_to_take_apart__done_within_the_budget),
		cmocka_unit_test(test_requests__budget_used_up_by_nodes__more_is_said),
		cmocka_unit_test(test_interrupt__batch__one_for_all),
		cmocka_unit_test(test_interrupt__event_idx__as_asked),
		cmocka_unit_test(test_pending__other_domain_goes_on__answers_out_of_order),
		cmocka_unit_test(test_pending__more_than_max_pending__all_answered_in_the_end),
		cmocka_unit_test(test_pending__many_done_at_once__answered_within_the_budget),
		cmocka_unit_test(test_in_order__first_one_waits__others_are_done_and_answered_after_it),
		cmocka_unit_test(test_in_order__later_one_ends_first__still_answered_later),
		cmocka_unit_test(test_in_order__more_than_max_pending__all_answered_in_the_end),
		cmocka_unit_test(test_in_order__reset_while_held__next_life_is_complete),
		cmocka_unit_test(test_queue_reset__requests_wait_or_are_held__complete_and_never_answered),
		cmocka_unit_test(test_queue_reset__event_queue__reports_wait_for_the_new_one),
		cmocka_unit_test(test_broken_ring__either_queue__needs_reset_and_recovery),
		cmocka_unit_test(test_broken_ring__request_queue__event_queue_stops_in_the_same_call),
		cmocka_unit_test(test_reset__waiting_requests__never_reach_the_next_life),
		cmocka_unit_test(test_config__the_driver_stores_bypass__no_generation_and_no_interrupt),
		cmocka_unit_test(test_process__bypass_has_ended__sections_wake_nobody),
		cmocka_unit_test(test_system_reset__live_device__bypass_as_configured),
		cmocka_unit_test(test_system_reset__open_section_in_bypass__status_waits),
	};

	return suite_run(tests);
}
