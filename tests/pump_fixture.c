/* SPDX-License-Identifier: BSD-3-Clause */
#include "pump_fixture.h"

#include "env_memory.h"
#include "suite.h"

#include "sim/env/env.h"

uint8_t ram[RAM_LEN] __attribute__((aligned(16)));
const struct viommu_memory_region ram_region = { RAM_BASE, RAM_BASE + RAM_LEN - 1, ram, 3 };
struct viommu_memory_table ram_table;
struct world world;

static const struct viommu_memory ram_memory = { &env_memory_ops, &ram_table };

struct viommu_pump_config pump_config(struct world *w)
{
	struct viommu_pump_config config = VIOMMU_PUMP_CONFIG_INIT;

	config.queue_size_max = QUEUE_SIZE;
	config.device = &w->f.dev;
	config.memory = suite_memory(&ram_memory);
	config.interrupts = w->transport.interrupt_ops;
	config.interrupt_ctx = w->transport.interrupt_ctx;
	return config;
}

/* The driver's life */

void negotiate(struct world *w, uint64_t ring_features)
{
	const struct viommu_register_ops *regs = w->transport.register_ops;
	void *ctx = w->transport.register_ctx;

	regs->set_status(ctx, VIOMMU_STATUS_ACKNOWLEDGE);
	regs->set_status(ctx, VIOMMU_STATUS_ACKNOWLEDGE | VIOMMU_STATUS_DRIVER);
	regs->set_features(ctx, VIOMMU_F_VERSION_1 | VIOMMU_DEVICE_FEATURES | ring_features);
	regs->set_status(ctx, ALIVE & ~VIOMMU_STATUS_DRIVER_OK);
	assert_true((regs->get_status(ctx) & VIOMMU_STATUS_FEATURES_OK) != 0);
}

void enable_queues(struct world *w, uint64_t ring_features)
{
	uint32_t i;

	for (i = 0; i < VIOMMU_QUEUE_COUNT; i++) {
		struct viommu_shared_memory shared = { ram + i * RING_LEN, RAM_BASE + i * RING_LEN, RING_LEN };

		assert_int_equal(viommu_virtq_driver_init(&w->queues[i], QUEUE_SIZE, ring_features, &shared,
							  w->shadows[i], &w->layouts[i]),
				 VIOMMU_OK);
		assert_int_equal(w->transport.register_ops->queue_enable(w->transport.register_ctx, i, &w->layouts[i]),
				 VIOMMU_OK);
	}
}

void driver_ok(struct world *w)
{
	w->transport.register_ops->set_status(w->transport.register_ctx, ALIVE);
	assert_int_equal(w->transport.register_ops->get_status(w->transport.register_ctx), ALIVE);
}

void bring_up(struct world *w, uint64_t ring_features)
{
	negotiate(w, ring_features);
	enable_queues(w, ring_features);
	driver_ok(w);
	w->next_slot = 0;
	memset(w->transport.used, 0, sizeof(w->transport.used));
	w->transport.config = 0;
}

/* However the test ended: the driver's reset is all it takes, and the next driver can do everything. */
static void end_of_test(void *ctx)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0, UINT64_MAX);
	struct world *w = ctx;
	struct slot *event;

	assert_true(viommu_pump_check(&w->pump) && sim_transport_check(&w->transport));
	assert_int_equal(viommu_memory_table_set(&ram_table, &ram_region, 1), VIOMMU_OK);
	device_end_sections(&w->f);
	viommu_registers_set_status(viommu_pump_registers(&w->pump), 0);
	process(w);
	assert_int_equal(viommu_registers_get_status(viommu_pump_registers(&w->pump)), 0);
	bring_up(w, VIOMMU_F_EVENT_IDX);
	prepare_domains(w);
	event = post_event(w, VIOMMU_WIRE_FAULT_SIZE);
	publish(w);
	assert_true(device_reaches(&w->f, 0, 0x1000, VIOMMU_ACCESS_READ, 0xa000));
	assert_int_equal(ask(w, &unmap), VIOMMU_S_OK);
	raise_faults(w, 0, 1);
	process(w);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_EVENT), event);
	assert_true(viommu_pump_check(&w->pump));
}

/* By itself if that was agreed, otherwise it is disabled. Those that are off by then are enabled anew. */
static void surprise_queues(struct world *w)
{
	struct viommu_registers *regs = viommu_pump_registers(&w->pump);

	for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++) {
		if (viommu_registers_queue_reset(regs, i) != VIOMMU_OK)
			assert_int_equal(viommu_registers_queue_disable(regs, i), VIOMMU_OK);
		assert_true(viommu_pump_check(&w->pump) && sim_transport_check(&w->transport));
		if (!viommu_registers_queue_is_enabled(regs, i))
			(void)!viommu_registers_queue_enable(regs, i, &w->layouts[i]);
	}
}

/* The driver resets the device, or it is reset with the machine, and starts anew as soon as it may. */
static void surprise(void *ctx)
{
	struct world *w = ctx;

	if (sim_env_reset_kind() == SIM_ENV_RESET_QUEUE) {
		surprise_queues(w);
		return;
	}
	if (sim_env_reset_kind() == SIM_ENV_RESET_SYSTEM)
		viommu_pump_system_reset(&w->pump);
	else
		viommu_registers_set_status(viommu_pump_registers(&w->pump), 0);
	assert_false(viommu_registers_is_live(viommu_pump_registers(&w->pump)));
	if (viommu_registers_get_status(viommu_pump_registers(&w->pump)) == 0)
		bring_up(w, 0);
}

void setup(struct world *w, uint32_t max_pending)
{
	struct viommu_pump_config config;
	struct device_options options;
	size_t bytes;

	memset(w, 0, sizeof(*w));
	sim_transport_init(&w->transport, NULL);
	config = pump_config(w);
	memset(ram, 0, sizeof(ram));
	assert_int_equal(viommu_memory_table_init(&ram_table, &ram_region, 1), VIOMMU_OK);
	device_options_init(&options);
	options.negotiate = 0;
	options.config.max_pending = max_pending;
	device_setup(&w->f, &options);
	assert_int_equal(viommu_pump_mem_size(&config, &bytes), VIOMMU_OK);
	w->pump_mem = sim_env_alloc(bytes);
	assert_int_equal(viommu_pump_init(&w->pump, &config, w->pump_mem, bytes), VIOMMU_OK);
	assert_int_equal(sim_transport_connect(&w->transport, viommu_pump_registers(&w->pump)), VIOMMU_OK);
	assert_int_equal(sim_transport_find_device(&w->transport), VIOMMU_OK);
	sim_env_on_end(end_of_test, w);
	sim_env_on_reset(surprise, w, false);
}

void teardown(struct world *w)
{
	sim_env_end(end_of_test, w);
	sim_env_free(w->pump_mem);
	device_teardown(&w->f);
}

bool step(struct world *w, uint32_t budget)
{
	bool more = viommu_pump_process(&w->pump, budget);

	sim_transport_take_interrupts(&w->transport);
	return more;
}

void process(struct world *w)
{
	unsigned calls = 0;

	sim_env_operation();
	while (step(w, 100))
		assert_true(++calls < 100);
}

void assert_no_interrupt(const struct world *w, uint32_t queue)
{
	if (!w->transport.kind->one_line)
		assert_int_equal(w->transport.used[queue], 0);
}

/* The driver's requests */

struct slot *take_slot(struct world *w)
{
	struct slot *s = &w->slots[w->next_slot];
	size_t at = VIOMMU_QUEUE_COUNT * RING_LEN + w->next_slot * SLOT_LEN;
	size_t i;

	w->next_slot = (w->next_slot + 1) % SLOTS;
	s->readable = ram + at;
	s->writable = ram + at + 256;
	s->addr = RAM_BASE + at;
	s->used = false;
	for (i = 0; i < 256; i++)
		s->writable[i] = device_call_canary(i);
	return s;
}

struct slot *post_bytes(struct world *w, size_t readable, size_t writable)
{
	struct slot *s = take_slot(w);
	struct viommu_bus_segment segments[2] = { { s->addr, (uint32_t)readable },
						  { s->addr + 256, (uint32_t)writable } };

	assert_int_equal(viommu_virtq_driver_add(&w->queues[VIOMMU_QUEUE_REQUEST], segments + (readable == 0),
						 readable != 0, writable != 0, s),
			 VIOMMU_OK);
	return s;
}

struct slot *post(struct world *w, const struct viommu_wire_request *request)
{
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
	size_t len = viommu_wire_request_encode(request, bytes, sizeof(bytes));
	struct slot *s = post_bytes(w, len, request->type == VIOMMU_T_PROBE ? 64 + 4 : 4);

	memcpy(s->readable, bytes, len);
	return s;
}

struct slot *post_event(struct world *w, uint32_t len)
{
	struct slot *s = take_slot(w);
	struct viommu_bus_segment segment = { s->addr + 256, len };

	assert_int_equal(viommu_virtq_driver_add(&w->queues[VIOMMU_QUEUE_EVENT], &segment, 0, 1, s), VIOMMU_OK);
	return s;
}

void publish(struct world *w)
{
	(void)!viommu_virtq_driver_publish(&w->queues[VIOMMU_QUEUE_REQUEST]);
	(void)!viommu_virtq_driver_publish(&w->queues[VIOMMU_QUEUE_EVENT]);
}

struct slot *collect(struct world *w, uint32_t queue)
{
	void *token;
	uint32_t written;
	struct slot *s;
	size_t i;

	if (viommu_virtq_driver_pop(&w->queues[queue], &token, &written) != VIOMMU_OK)
		return NULL;
	s = token;
	s->written = written;
	s->used = true;
	for (i = written; i < 256; i++)
		assert_int_equal(s->writable[i], device_call_canary(i));
	return s;
}

int status_of(const struct slot *s)
{
	assert_true(s->used);
	return s->written == 0 ? DEVICE_UNANSWERED : s->writable[s->written - 4];
}

int ask(struct world *w, const struct viommu_wire_request *request)
{
	struct slot *s = post(w, request);

	publish(w);
	process(w);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_REQUEST), s);
	assert_null(collect(w, VIOMMU_QUEUE_REQUEST));
	return status_of(s);
}

void prepare_domains(struct world *w)
{
	struct viommu_wire_request requests[] = {
		device_attach_request(1, DEVICE_EP0, 0),
		device_map_request(1, 0x1000, 0x1fff, 0xa000, RW),
		device_attach_request(2, DEVICE_EP1, 0),
		device_map_request(2, 0x1000, 0x1fff, 0xb000, RW),
	};
	size_t i;

	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		assert_int_equal(ask(w, &requests[i]), VIOMMU_S_OK);
}

void raise_faults(struct world *w, uint32_t index, unsigned count)
{
	struct viommu_translation t;
	unsigned i;

	for (i = 0; i < count; i++)
		assert_int_equal(device_translate(&w->f, index, 0x7000 + i, 1, 2, &t), VIOMMU_E_FAULT);
}

void setup_with_domains(struct world *w, uint32_t max_pending, uint64_t ring_features)
{
	struct viommu_pump_config config = pump_config(w);
	size_t bytes;

	setup(w, max_pending);
	config.ring_features = VIOMMU_VIRTQ_FEATURES;
	assert_int_equal(viommu_pump_mem_size(&config, &bytes), VIOMMU_OK);
	assert_int_equal(viommu_pump_init(&w->pump, &config, w->pump_mem, bytes), VIOMMU_OK);
	bring_up(w, ring_features);
	prepare_domains(w);
}
