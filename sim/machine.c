/* SPDX-License-Identifier: BSD-3-Clause */
#include "machine.h"

#include <stdlib.h>
#include <string.h>

#include "sim/env/env.h"

enum {
	MEMORY_DEVICE,
	MEMORY_PUMP,
	MEMORY_DRIVER
};

/* Steps the device may take while the driver waits: few, so that the two sides meet in many different states. */
#define WAIT_BUDGET 32u

#define PATIENCE_AFTER_TROUBLE 64u
#define SETTLE_ROUNDS 100000u
#define SETTLE_BUDGET 256u

const struct viommu_resv_region sim_machine_msi_region[1] = {
	{ .range = { UINT64_C(0xfee00000), UINT64_C(0xfeefffff) }, .subtype = VIOMMU_RESV_MEM_MSI },
};

/* Hooks */

static void work_pending(void *ctx)
{
	struct sim_machine *machine = ctx;

	(void)sim_env_call(SIM_ENV_WORK_PENDING, 0, 0);
	machine->awake = true;
}

static enum viommu_result wait(void *ctx, uint32_t attempt)
{
	struct sim_machine *machine = ctx;

	/* Nobody waits long for what has been lost on purpose. */
	if (sim_env_call(SIM_ENV_WAIT, attempt, 0) || attempt >= machine->wait_attempts ||
	    (sim_env_has_fired() && attempt >= PATIENCE_AFTER_TROUBLE))
		return VIOMMU_E_TIMEOUT;
	sim_machine_step(machine, 1 + (uint32_t)sim_random_below(&machine->random, WAIT_BUDGET));
	return VIOMMU_OK;
}

static void fault(void *ctx, const struct viommu_wire_fault *report)
{
	struct sim_machine *machine = ctx;

	(void)sim_env_call(SIM_ENV_REPORT, report->endpoint, report->address);
	if (machine->fault_head - machine->fault_tail == SIM_MACHINE_FAULTS)
		viommu_count(&machine->faults_lost);
	else
		machine->faults[machine->fault_head++ % SIM_MACHINE_FAULTS] = *report;
}

static void failed(void *ctx, struct viommu_driver_domain *domain, const struct viommu_driver_failure *failure)
{
	struct sim_machine *machine = ctx;
	struct sim_machine_failure *slot;

	(void)sim_env_call(SIM_ENV_REPORT, failure->first, failure->last);
	if (machine->failure_head - machine->failure_tail == SIM_MACHINE_FAILURES) {
		viommu_count(&machine->failures_lost);
		return;
	}
	slot = &machine->failures[machine->failure_head++ % SIM_MACHINE_FAILURES];
	slot->domain = domain;
	slot->what = *failure;
}

static void trace(void *ctx, const struct viommu_trace_event *event)
{
	const struct sim_machine *machine = ctx;

	if (machine->trace != NULL)
		machine->trace(machine->trace_ctx, event);
}

static const struct viommu_device_ops device_ops = {
	.size = sizeof(struct viommu_device_ops),
	.work_pending = work_pending,
	.trace = trace,
};

static const struct viommu_driver_ops driver_ops = {
	.size = sizeof(struct viommu_driver_ops),
	.wait = wait,
	.fault = fault,
	.failed = failed,
};

/* Wiring */

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static enum viommu_result add_endpoints(struct sim_machine *machine, const struct sim_machine_config *config)
{
	uint32_t count = config->endpoint_count;
	uint32_t *ids = malloc((count + (size_t)1) * sizeof(*ids));
	enum viommu_result r = VIOMMU_OK;

	machine->engines = calloc(count + (size_t)1, sizeof(*machine->engines));
	if (ids == NULL || machine->engines == NULL) {
		free(ids);
		return VIOMMU_E_NOMEM;
	}
	if (count > 0)
		memcpy(ids, config->endpoints, count * sizeof(*ids));
	qsort(ids, count, sizeof(*ids), compare_ids);
	for (uint32_t i = 0; i < count && r == VIOMMU_OK; i++) {
		struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;
		struct viommu_endpoint *handle;

		endpoint.id = ids[i];
		endpoint.regions = config->regions;
		endpoint.region_count = config->region_count;
		r = viommu_device_add_endpoint(&machine->device, &endpoint, &handle);
		if (r == VIOMMU_OK) {
			sim_engine_init(&machine->engines[i], &machine->device, handle, ids[i]);
			machine->engine_count = i + 1;
		}
	}
	free(ids);
	return r;
}

static enum viommu_result build_device(struct sim_machine *machine, const struct sim_machine_config *config)
{
	struct viommu_device_config device = VIOMMU_DEVICE_CONFIG_INIT;
	enum viommu_result r;
	size_t len;

	device.max_endpoints = config->endpoint_count;
	device.max_domains = config->max_domains != 0 ? config->max_domains : 16 + 2 * config->endpoint_count;
	device.max_pending = config->max_pending;
	device.features = config->features;
	device.page_size_mask = config->page_size_mask;
	device.input_range = config->input_range;
	device.domain_first = config->domain_first;
	device.domain_last = config->domain_last;
	device.bypass = config->bypass;
	device.memory = sim_ram_memory(&machine->ram);
	device.ops = &device_ops;
	device.ops_ctx = machine;
	r = viommu_device_mem_size(&device, &len);
	if (r != VIOMMU_OK)
		return r;
	len += (size_t)config->map_nodes * VIOMMU_MAP_NODE_SIZE;
	machine->memory[MEMORY_DEVICE] = malloc(len);
	if (machine->memory[MEMORY_DEVICE] == NULL)
		return VIOMMU_E_NOMEM;
	r = viommu_device_init(&machine->device, &device, machine->memory[MEMORY_DEVICE], len);
	if (r != VIOMMU_OK)
		return r;
	return add_endpoints(machine, config);
}

static enum viommu_result build_pump(struct sim_machine *machine, const struct sim_machine_config *config)
{
	struct viommu_pump_config pump = VIOMMU_PUMP_CONFIG_INIT;
	enum viommu_result r;
	size_t len;

	pump.queue_size_max = 256;
	if (pump.queue_size_max < config->queue_size)
		pump.queue_size_max = config->queue_size;
	if (pump.queue_size_max < config->event_count)
		pump.queue_size_max = config->event_count;
	pump.ring_features = config->ring_features;
	pump.device = &machine->device;
	pump.memory = sim_ram_memory(&machine->ram);
	pump.interrupts = machine->transport.interrupt_ops;
	pump.interrupt_ctx = machine->transport.interrupt_ctx;
	r = viommu_pump_mem_size(&pump, &len);
	if (r != VIOMMU_OK)
		return r;
	machine->memory[MEMORY_PUMP] = malloc(len);
	if (machine->memory[MEMORY_PUMP] == NULL)
		return VIOMMU_E_NOMEM;
	r = viommu_pump_init(&machine->pump, &pump, machine->memory[MEMORY_PUMP], len);
	return r;
}

static enum viommu_result connect_both(struct sim_machine *machine)
{
	enum viommu_result r = sim_transport_connect(&machine->transport, viommu_pump_registers(&machine->pump));

	return r == VIOMMU_OK ? sim_transport_find_device(&machine->transport) : r;
}

static enum viommu_result build_driver(struct sim_machine *machine, const struct sim_machine_config *config)
{
	struct viommu_driver_config driver = VIOMMU_DRIVER_CONFIG_INIT;
	struct viommu_shared_memory shared = { .addr = config->shared_base };
	enum viommu_result r;
	size_t len;

	driver.queue_size = config->queue_size;
	driver.event_count = config->event_count;
	driver.features = config->driver_features;
	driver.granule = config->granule;
	driver.granule_max = config->granule_max;
	driver.ops = &driver_ops;
	driver.ops_ctx = machine;
	r = viommu_driver_mem_size(&driver, &len, &shared.len);
	if (r != VIOMMU_OK)
		return r;
	len += (size_t)config->map_nodes * VIOMMU_MAP_NODE_SIZE;
	machine->memory[MEMORY_DRIVER] = malloc(len);
	shared.base = sim_ram_reserve(&machine->ram, shared.addr, shared.len);
	if (machine->memory[MEMORY_DRIVER] == NULL || shared.base == NULL)
		return VIOMMU_E_NOMEM;
	return viommu_driver_init(&machine->driver, &driver, machine->memory[MEMORY_DRIVER], len, &shared);
}

/* The device resets itself, or its queues, as when somebody else wrote its registers; or the machine did. */
static void surprise(void *ctx)
{
	struct sim_machine *machine = ctx;
	struct viommu_registers *regs = viommu_pump_registers(&machine->pump);

	switch (sim_env_reset_kind()) {
	case SIM_ENV_RESET_SYSTEM:
		viommu_pump_system_reset(&machine->pump);
		break;
	case SIM_ENV_RESET_QUEUE:
		for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++)
			if (viommu_registers_queue_reset(regs, i) != VIOMMU_OK &&
			    viommu_registers_queue_disable(regs, i) != VIOMMU_OK)
				sim_env_die("a queue cannot be stopped");
		break;
	default:
		viommu_registers_set_status(regs, 0);
	}
}

/* Whatever was done to it, the device can be reset. (The driver's domains may be gone by now.) */
static void stop_device(void *ctx)
{
	struct sim_machine *machine = ctx;
	struct viommu_registers *regs = viommu_pump_registers(&machine->pump);

	viommu_registers_set_status(regs, 0);
	for (uint32_t i = 0; i < SETTLE_ROUNDS && viommu_registers_get_status(regs) != 0; i++)
		(void)viommu_pump_process(&machine->pump, SETTLE_BUDGET);
	if (viommu_registers_get_status(regs) != 0 || !viommu_pump_check(&machine->pump))
		sim_env_die("the device of a machine is broken");
}

enum viommu_result sim_machine_init(struct sim_machine *machine, const struct sim_machine_config *config)
{
	enum viommu_result r;

	memset(machine, 0, sizeof(*machine));
	machine->random.state = config->seed;
	machine->wait_attempts = config->wait_attempts;
	machine->trace = config->trace;
	machine->trace_ctx = config->trace_ctx;
	sim_transport_init(&machine->transport, config->transport);
	r = sim_ram_init(&machine->ram, config->ram_last, config->ram_pieces);
	machine->ram.copied = config->ram_copied;
	if (r == VIOMMU_OK)
		r = build_device(machine, config);
	if (r == VIOMMU_OK)
		r = build_pump(machine, config);
	if (r == VIOMMU_OK)
		r = connect_both(machine);
	if (r == VIOMMU_OK)
		r = build_driver(machine, config);
	if (r != VIOMMU_OK) {
		sim_machine_deinit(machine);
	} else {
		sim_env_on_end(stop_device, machine);
		sim_env_on_reset(surprise, machine, true);
	}
	return r;
}

void sim_machine_deinit(struct sim_machine *machine)
{
	sim_env_end(stop_device, machine);
	for (size_t i = 0; i < sizeof(machine->memory) / sizeof(machine->memory[0]); i++)
		free(machine->memory[i]);
	free(machine->engines);
	sim_ram_deinit(&machine->ram);
	memset(machine, 0, sizeof(*machine));
}

/* Device, pump and the device's side of the transport anew, out of memory of their own. */
static enum viommu_result rebuild(struct sim_machine *machine, const struct sim_machine_config *config)
{
	enum viommu_result r;

	free(machine->engines);
	free(machine->memory[MEMORY_DEVICE]);
	free(machine->memory[MEMORY_PUMP]);
	machine->engines = NULL;
	machine->engine_count = 0;
	machine->memory[MEMORY_DEVICE] = NULL;
	machine->memory[MEMORY_PUMP] = NULL;
	r = build_device(machine, config);
	if (r == VIOMMU_OK)
		r = build_pump(machine, config);
	return r == VIOMMU_OK ? sim_transport_connect(&machine->transport, viommu_pump_registers(&machine->pump)) : r;
}

/* One behind the other: the pump with its device, and the transport. */
static enum viommu_result save_all(const struct sim_machine *machine, uint8_t *buf, size_t room, size_t *pump,
				   size_t *transport)
{
	enum viommu_result r = viommu_pump_save(&machine->pump, buf, room, pump);

	return r == VIOMMU_OK ? sim_transport_save(&machine->transport, buf + *pump, room - *pump, transport) : r;
}

static enum viommu_result restore_all(struct sim_machine *machine, const uint8_t *bytes, size_t pump, size_t transport)
{
	enum viommu_result r = viommu_pump_restore(&machine->pump, bytes, pump);

	return r == VIOMMU_OK ? sim_transport_restore(&machine->transport, bytes + pump, transport) : r;
}

enum viommu_result sim_machine_move(struct sim_machine *machine, const struct sim_machine_config *config, size_t *len)
{
	enum viommu_result r = VIOMMU_E_NOMEM;
	uint8_t *before, *after;
	size_t room, pump, transport, pump_after, transport_after;

	if (!sim_machine_settle(machine))
		return VIOMMU_E_STATE;
	room = (size_t)viommu_pump_save_size(&machine->pump) + SIM_TRANSPORT_SNAPSHOT;
	before = malloc(room);
	after = malloc(room);
	if (before != NULL && after != NULL)
		r = save_all(machine, before, room, &pump, &transport);
	if (r == VIOMMU_OK)
		r = rebuild(machine, config);
	if (r == VIOMMU_OK)
		r = restore_all(machine, before, pump, transport);
	if (r == VIOMMU_OK)
		r = save_all(machine, after, room, &pump_after, &transport_after);
	if (r == VIOMMU_OK &&
	    (pump_after != pump || transport_after != transport || memcmp(before, after, pump + transport) != 0))
		r = VIOMMU_E_STATE;
	if (r == VIOMMU_OK)
		*len = pump + transport;
	free(before);
	free(after);
	machine->awake = true;
	return r;
}

bool sim_machine_check(const struct sim_machine *machine)
{
	return viommu_pump_check(&machine->pump) && sim_transport_check(&machine->transport) &&
	       viommu_driver_check(&machine->driver);
}

enum viommu_result sim_machine_start(struct sim_machine *machine)
{
	return viommu_driver_start(&machine->driver, machine->transport.register_ops, machine->transport.register_ctx);
}

/* Use */

struct sim_engine *sim_machine_engine(struct sim_machine *machine, uint32_t endpoint)
{
	uint32_t low = 0, high = machine->engine_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (machine->engines[middle].id == endpoint)
			return &machine->engines[middle];
		if (machine->engines[middle].id < endpoint)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

bool sim_machine_step(struct sim_machine *machine, uint32_t budget)
{
	sim_env_operation();
	if (machine->transport.touched)
		machine->awake = true;
	machine->transport.touched = false;
	if (!machine->awake || machine->stalled || !sim_transport_may_run(&machine->transport))
		return false;
	/* Cleared first: what comes up during the call wakes it again. */
	machine->awake = false;
	if (viommu_pump_process(&machine->pump, budget))
		machine->awake = true;
	sim_transport_take_interrupts(&machine->transport);
	return machine->awake;
}

bool sim_machine_settle(struct sim_machine *machine)
{
	for (uint32_t i = 0; i < SETTLE_ROUNDS; i++) {
		bool more = sim_machine_step(machine, SETTLE_BUDGET);

		if (viommu_driver_process(&machine->driver, SETTLE_BUDGET))
			more = true;
		if (!more && !machine->transport.touched)
			return true;
	}
	return false;
}

bool sim_machine_take_fault(struct sim_machine *machine, struct viommu_wire_fault *out)
{
	if (machine->fault_head == machine->fault_tail)
		return false;
	*out = machine->faults[machine->fault_tail++ % SIM_MACHINE_FAULTS];
	return true;
}

bool sim_machine_take_failure(struct sim_machine *machine, struct sim_machine_failure *out)
{
	if (machine->failure_head == machine->failure_tail)
		return false;
	*out = machine->failures[machine->failure_tail++ % SIM_MACHINE_FAILURES];
	return true;
}
