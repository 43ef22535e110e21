/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * workload_driver.c: what a driver takes for a MAP and an UNMAP, all the way to the device and back. The library's, in
 * three ways to use it, and one-lock: a request at a time, posted, kicked and spun for under a single lock, which is
 * how the first drivers of this device did it. That one has the library's own ring, record and encoder, and none of its
 * checks. The same device for all, which runs in whoever waits. A kick is a call, which costs next to nothing, or takes
 * as long as an exit to a hypervisor may.
 */
#define _POSIX_C_SOURCE 200809L /* clocks */
#include "beside.h"
#include "workload.h"

#include "sim/transport.h"

#include <viommu/driver.h>
#include <viommu/pump.h>

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGE UINT64_C(0x1000)
#define PHYS UINT64_C(0x100000000)
#define SHARED_ADDR UINT64_C(0x80000000)
#define NODES 1024u
#define FLAGS (VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)
#define EXIT_NS 2000 /* of a kick that leaves the guest */
#define TAIL 48u     /* of a request, behind it */

struct column;

struct worker {
	struct column *column;
	struct viommu_driver_endpoint endpoint;
	struct viommu_driver_domain domain;
	struct viommu_resv_region regions[1];
};

struct column {
	const struct bench_driver *way;
	uint32_t batch;
	bool dear; /* kicks */
	struct viommu_device dev;
	struct viommu_pump pump;
	struct viommu_driver drv;
	struct viommu_memory_region ram;
	struct viommu_memory_table table;
	struct sim_transport transport;
	struct viommu_register_ops registers; /* with the kick that is wanted */
	void *memory[4];
	struct worker workers[2];
	pthread_mutex_t device_lock;
	pthread_mutex_t driver_lock;
	pthread_t thread;
	uint32_t stop;
	bool beside_ok;
};

static bool let_device_run(struct column *c)
{
	if (pthread_mutex_trylock(&c->device_lock) != 0) {
		sched_yield(); /* it is running for somebody else */
		return false;
	}
	(void)viommu_pump_process(&c->pump, 4096);
	pthread_mutex_unlock(&c->device_lock);
	return true;
}

/* To the pump a kick says nothing that it would not see by itself: it looks at the queue whenever it runs. */
static void cheap_kick(void *ctx, uint32_t queue)
{
	(void)ctx;
	(void)queue;
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void dear_kick(void *ctx, uint32_t queue)
{
	const int64_t end = now() + EXIT_NS;

	(void)ctx;
	(void)queue;
	while (now() < end)
		;
}

/* The hooks of the library's driver */

static enum viommu_result hook_wait(void *ctx, uint32_t attempt)
{
	(void)let_device_run(ctx);
	return attempt < 10000000 ? VIOMMU_OK : VIOMMU_E_TIMEOUT;
}

static void hook_lock(void *ctx)
{
	struct column *c = ctx;

	pthread_mutex_lock(&c->driver_lock);
}

static void hook_unlock(void *ctx)
{
	struct column *c = ctx;

	pthread_mutex_unlock(&c->driver_lock);
}

static const struct viommu_driver_ops driver_ops = {
	.size = sizeof(driver_ops), .wait = hook_wait, .lock = hook_lock, .unlock = hook_unlock
};

/* The ways: each maps and unmaps `batch` pages. */

static viommu_iova page_of(uint32_t i)
{
	return (viommu_iova)i * PAGE;
}

static bool map(struct worker *w, uint32_t i)
{
	return viommu_driver_map(&w->domain, page_of(i), page_of(i) + (PAGE - 1), PHYS + page_of(i), FLAGS) ==
	       VIOMMU_OK;
}

static bool unmap(struct worker *w, uint32_t i)
{
	return viommu_driver_unmap(&w->domain, page_of(i), page_of(i) + (PAGE - 1)) == VIOMMU_OK;
}

static bool sync_up(struct worker *w)
{
	return viommu_driver_sync(&w->domain, NULL) == VIOMMU_OK;
}

static bool run_strict(struct worker *w)
{
	bool ok = true;

	for (uint32_t i = 0; i < w->column->batch; i++)
		ok = map(w, i) && sync_up(w) && unmap(w, i) && sync_up(w) && ok;
	return ok;
}

/* A buffer can be used when its MAP is done; what was unmapped is forgotten together. */
static bool run_lazy(struct worker *w)
{
	bool ok = true;

	for (uint32_t i = 0; i < w->column->batch; i++)
		ok = map(w, i) && sync_up(w) && ok;
	for (uint32_t i = 0; i < w->column->batch; i++)
		ok = unmap(w, i) && ok;
	return sync_up(w) && ok;
}

static bool run_batched(struct worker *w)
{
	bool ok = true;

	for (uint32_t i = 0; i < w->column->batch; i++)
		ok = map(w, i) && ok;
	ok = sync_up(w) && ok;
	for (uint32_t i = 0; i < w->column->batch; i++)
		ok = unmap(w, i) && ok;
	return sync_up(w) && ok;
}

/* The request in the queue, the kick and the answer, all of it with the lock held. */
static bool one_request(struct column *c, const struct viommu_wire_request *request)
{
	struct viommu_virtq_driver *q = &c->drv.virtqs[VIOMMU_QUEUE_REQUEST];
	uint8_t *at = c->drv.slot_memory.base;
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
	const size_t len = viommu_wire_request_encode(request, bytes, sizeof(bytes));
	const struct viommu_bus_segment segments[2] = { { c->drv.slot_memory.addr, (uint32_t)len },
							{ c->drv.slot_memory.addr + TAIL, VIOMMU_WIRE_TAIL_SIZE } };
	uint32_t written;
	void *token;

	viommu_port_copy_out(at, bytes, len);
	at[TAIL] = 0xff;
	if (viommu_virtq_driver_add(q, segments, 1, 1, at) != VIOMMU_OK)
		return false;
	if (viommu_virtq_driver_publish(q))
		c->registers.notify(c->transport.register_ctx, VIOMMU_QUEUE_REQUEST);
	for (;;) {
		const enum viommu_result result = viommu_virtq_driver_pop(q, &token, &written);

		if (result == VIOMMU_OK)
			return token == at && written >= VIOMMU_WIRE_TAIL_SIZE && at[TAIL] == VIOMMU_S_OK;
		if (result != VIOMMU_E_EMPTY)
			return false;
		(void)let_device_run(c);
	}
}

static bool one_map(struct worker *w, uint32_t i)
{
	struct column *c = w->column;
	const struct viommu_wire_request request = {
		.type = VIOMMU_T_MAP,
		.u.map = { .domain = w->domain.id,
			   .flags = FLAGS,
			   .virt_start = page_of(i),
			   .virt_end = page_of(i) + (PAGE - 1),
			   .phys_start = PHYS + page_of(i) },
	};
	bool ok;

	pthread_mutex_lock(&c->driver_lock);
	ok = viommu_map_insert(&w->domain.map, page_of(i), page_of(i) + (PAGE - 1), PHYS + page_of(i), FLAGS) ==
		     VIOMMU_OK &&
	     one_request(c, &request);
	pthread_mutex_unlock(&c->driver_lock);
	return ok;
}

static bool one_unmap(struct worker *w, uint32_t i)
{
	struct column *c = w->column;
	const struct viommu_wire_request request = {
		.type = VIOMMU_T_UNMAP,
		.u.unmap = { .domain = w->domain.id, .virt_start = page_of(i), .virt_end = page_of(i) + (PAGE - 1) },
	};
	struct viommu_map_limbo limbo = { 0, 0 };
	bool ok;

	pthread_mutex_lock(&c->driver_lock);
	ok = viommu_map_remove(&w->domain.map, page_of(i), page_of(i) + (PAGE - 1), &limbo) == VIOMMU_OK &&
	     one_request(c, &request);
	viommu_map_pool_retire(&c->drv.pool, &limbo);
	pthread_mutex_unlock(&c->driver_lock);
	return ok;
}

static bool run_one_lock(struct worker *w)
{
	bool ok = true;

	for (uint32_t i = 0; i < w->column->batch; i++)
		ok = one_map(w, i) && one_unmap(w, i) && ok;
	return ok;
}

struct bench_driver {
	const char *name;
	bool (*run)(struct worker *w);
};

static const struct bench_driver ways[] = {
	{ "viommu", run_strict },
	{ "viommu-lazy", run_lazy },
	{ "viommu-batched", run_batched },
	{ "one-lock", run_one_lock },
};

const char *bench_driver_name(uint32_t way)
{
	return way < sizeof(ways) / sizeof(ways[0]) ? ways[way].name : NULL;
}

/* What is below all of them */

static bool add_worker(struct column *c, uint32_t i)
{
	struct worker *w = &c->workers[i];

	w->column = c;
	return viommu_driver_endpoint_init(&w->endpoint, &c->drv, i, w->regions, 1) == VIOMMU_OK &&
	       viommu_driver_domain_init(&w->domain, &c->drv, VIOMMU_DOMAIN_ANY, false) == VIOMMU_OK &&
	       viommu_driver_attach(&w->domain, &w->endpoint, NULL) == VIOMMU_OK;
}

static bool start_device(struct column *c)
{
	struct viommu_device_config config = VIOMMU_DEVICE_CONFIG_INIT;
	struct viommu_pump_config pump = VIOMMU_PUMP_CONFIG_INIT;
	struct viommu_endpoint *endpoint;
	size_t len;

	if (viommu_device_mem_size(&config, &len) != VIOMMU_OK)
		return false;
	len += (size_t)NODES * VIOMMU_MAP_NODE_SIZE;
	c->memory[0] = malloc(len);
	if (c->memory[0] == NULL || viommu_device_init(&c->dev, &config, c->memory[0], len) != VIOMMU_OK)
		return false;
	for (uint32_t i = 0; i < 2; i++) {
		struct viommu_endpoint_config behind = VIOMMU_ENDPOINT_CONFIG_INIT;

		behind.id = i;
		if (viommu_device_add_endpoint(&c->dev, &behind, &endpoint) != VIOMMU_OK)
			return false;
	}
	sim_transport_init(&c->transport, &sim_transport_local);
	pump.device = &c->dev;
	pump.memory = (struct viommu_memory){ .ops = &viommu_memory_table_ops, .ctx = &c->table };
	pump.interrupts = c->transport.interrupt_ops;
	pump.interrupt_ctx = c->transport.interrupt_ctx;
	if (viommu_pump_mem_size(&pump, &len) != VIOMMU_OK || (c->memory[1] = malloc(len)) == NULL)
		return false;
	return viommu_pump_init(&c->pump, &pump, c->memory[1], len) == VIOMMU_OK &&
	       sim_transport_connect(&c->transport, viommu_pump_registers(&c->pump)) == VIOMMU_OK &&
	       sim_transport_find_device(&c->transport) == VIOMMU_OK;
}

static bool start_driver(struct column *c)
{
	struct viommu_driver_config config = VIOMMU_DRIVER_CONFIG_INIT;
	struct viommu_shared_memory shared = { .addr = SHARED_ADDR };
	size_t len;

	config.ops = &driver_ops;
	config.ops_ctx = c;
	config.features &= ~VIOMMU_F_NOTIFICATION_DATA;
	c->registers = *c->transport.register_ops;
	c->registers.notify = c->dear ? dear_kick : cheap_kick;
	if (viommu_driver_mem_size(&config, &len, &shared.len) != VIOMMU_OK)
		return false;
	len += (size_t)NODES * VIOMMU_MAP_NODE_SIZE;
	c->memory[2] = malloc(len);
	c->memory[3] = aligned_alloc(64, (shared.len + 63) & ~(size_t)63);
	if (c->memory[2] == NULL || c->memory[3] == NULL)
		return false;
	shared.base = c->memory[3];
	c->ram = (struct viommu_memory_region){ .first = SHARED_ADDR,
						.last = SHARED_ADDR + shared.len - 1,
						.host = shared.base,
						.kind = VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE };
	c->table = (struct viommu_memory_table){ .regions = &c->ram, .count = 1 };
	return viommu_driver_init(&c->drv, &config, c->memory[2], len, &shared) == VIOMMU_OK &&
	       viommu_driver_start(&c->drv, &c->registers, c->transport.register_ctx) == VIOMMU_OK;
}

void bench_driver_teardown(void *state)
{
	struct column *c = state;

	for (size_t i = 0; i < sizeof(c->memory) / sizeof(c->memory[0]); i++)
		free(c->memory[i]);
	free(c);
}

void *bench_driver_setup(uint32_t way, uint32_t batch, bool dear, struct bench_facts *facts)
{
	struct column *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->way = &ways[way];
	c->batch = batch;
	c->dear = dear;
	facts->operations = batch;
	pthread_mutex_init(&c->device_lock, NULL);
	pthread_mutex_init(&c->driver_lock, NULL);
	if (start_device(c) && start_driver(c) && add_worker(c, 0) && add_worker(c, 1))
		return c;
	bench_driver_teardown(c);
	return NULL;
}

bool bench_driver_run(void *state, uint64_t iterations)
{
	struct column *c = state;
	bool ok = true;

	while (iterations-- > 0)
		ok = c->way->run(&c->workers[0]) && ok;
	return ok;
}

static void *run_beside(void *arg)
{
	struct column *c = arg;

	while (__atomic_load_n(&c->stop, __ATOMIC_RELAXED) == 0)
		c->beside_ok = c->way->run(&c->workers[1]) && c->beside_ok;
	return NULL;
}

bool bench_driver_start(void *state)
{
	struct column *c = state;

	c->stop = 0;
	c->beside_ok = true;
	return bench_beside_start(&c->thread, run_beside, c);
}

bool bench_driver_stop(void *state)
{
	struct column *c = state;

	__atomic_store_n(&c->stop, 1, __ATOMIC_RELAXED);
	return pthread_join(c->thread, NULL) == 0 && c->beside_ok;
}
