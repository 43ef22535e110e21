/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_request.c: what a MAP and its UNMAP cost from end to end in one process: driver, virtqueue, pump, device, and
 * the whole way back. The argument is how many requests one sync carries; an iteration maps and unmaps that many
 * granules.
 */
#include "bench.h"
#include "sim/local.h"

#include <viommu/driver.h>
#include <viommu/pump.h>

#include <stdlib.h>

#define GRANULE UINT64_C(4096)
#define ENDPOINT 8u
#define IOVA_BASE UINT64_C(0x100000000)
#define SHARED_ADDR UINT64_C(0x80000000)
#define NODES 1024u
#define BUDGET 4096u /* steps of the pump per call */

struct request_bench {
	struct viommu_device dev;
	struct viommu_pump pump;
	struct viommu_driver drv;
	struct viommu_driver_endpoint endpoint;
	struct viommu_driver_domain domain;
	struct viommu_resv_region regions[1];
	struct viommu_memory_region ram;
	struct viommu_memory_table ram_table;
	struct sim_local local;
	void *device_mem;
	void *pump_mem;
	void *driver_mem;
	void *shared;
	uint32_t batch;
};

/* The device runs whenever the driver waits. */
static enum viommu_result wait_by_pumping(void *ctx, uint32_t attempt)
{
	struct request_bench *b = ctx;

	viommu_pump_process(&b->pump, BUDGET);
	return attempt < 1000 ? VIOMMU_OK : VIOMMU_E_TIMEOUT;
}

static const struct viommu_driver_ops driver_ops = { .size = sizeof(driver_ops), .wait = wait_by_pumping };

static bool start_device(struct request_bench *b)
{
	struct viommu_device_config config = VIOMMU_DEVICE_CONFIG_INIT;
	struct viommu_endpoint_config endpoint_config = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct viommu_endpoint *endpoint;
	size_t len;

	if (viommu_device_mem_size(&config, &len) != VIOMMU_OK)
		return false;
	len += NODES * VIOMMU_MAP_NODE_SIZE;
	b->device_mem = malloc(len);
	endpoint_config.id = ENDPOINT;
	return b->device_mem != NULL && viommu_device_init(&b->dev, &config, b->device_mem, len) == VIOMMU_OK &&
	       viommu_device_add_endpoint(&b->dev, &endpoint_config, &endpoint) == VIOMMU_OK;
}

static bool start_pump(struct request_bench *b)
{
	struct viommu_pump_config config = VIOMMU_PUMP_CONFIG_INIT;
	size_t len;

	b->ram_table = (struct viommu_memory_table){ .regions = &b->ram, .count = 1 };
	config.device = &b->dev;
	config.memory = (struct viommu_memory){ .ops = &viommu_memory_table_ops, .ctx = &b->ram_table };
	config.interrupts = &sim_local_interrupt_ops;
	config.interrupt_ctx = &b->local;
	if (viommu_pump_mem_size(&config, &len) != VIOMMU_OK)
		return false;
	b->pump_mem = malloc(len);
	if (b->pump_mem == NULL || viommu_pump_init(&b->pump, &config, b->pump_mem, len) != VIOMMU_OK)
		return false;
	b->local.registers = viommu_pump_registers(&b->pump);
	return true;
}

static bool start_driver(struct request_bench *b)
{
	struct viommu_driver_config config = VIOMMU_DRIVER_CONFIG_INIT;
	struct viommu_shared_memory shared = { .addr = SHARED_ADDR };
	size_t len;

	config.ops = &driver_ops;
	config.ops_ctx = b;
	if (viommu_driver_mem_size(&config, &len, &shared.len) != VIOMMU_OK)
		return false;
	len += NODES * VIOMMU_MAP_NODE_SIZE;
	b->driver_mem = malloc(len);
	b->shared = calloc(1, shared.len);
	shared.base = b->shared;
	b->ram = (struct viommu_memory_region){ .first = SHARED_ADDR,
						.last = SHARED_ADDR + shared.len - 1,
						.host = b->shared,
						.kind = VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE };
	return b->driver_mem != NULL && b->shared != NULL &&
	       viommu_driver_init(&b->drv, &config, b->driver_mem, len, &shared) == VIOMMU_OK &&
	       viommu_driver_start(&b->drv, &sim_local_register_ops, &b->local) == VIOMMU_OK &&
	       viommu_driver_endpoint_init(&b->endpoint, &b->drv, ENDPOINT, b->regions, 1) == VIOMMU_OK &&
	       viommu_driver_domain_init(&b->domain, &b->drv, VIOMMU_DOMAIN_ANY, false) == VIOMMU_OK &&
	       viommu_driver_attach(&b->domain, &b->endpoint, NULL) == VIOMMU_OK;
}

static void request_teardown(void *state)
{
	struct request_bench *b = state;

	free(b->shared);
	free(b->driver_mem);
	free(b->pump_mem);
	free(b->device_mem);
	free(b);
}

static void *request_setup(uint32_t batch)
{
	struct request_bench *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->batch = batch;
	if (start_device(b) && start_pump(b) && start_driver(b))
		return b;
	request_teardown(b);
	return NULL;
}

static bool request_run(void *state, uint64_t iterations)
{
	struct request_bench *b = state;
	const uint32_t flags = VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE;

	while (iterations-- > 0) {
		for (uint32_t i = 0; i < b->batch; i++) {
			const viommu_iova first = IOVA_BASE + i * GRANULE;

			if (viommu_driver_map(&b->domain, first, first + GRANULE - 1, first, flags) != VIOMMU_OK)
				return false;
		}
		if (viommu_driver_sync(&b->domain, NULL) != VIOMMU_OK)
			return false;
		for (uint32_t i = 0; i < b->batch; i++) {
			const viommu_iova first = IOVA_BASE + i * GRANULE;

			if (viommu_driver_unmap(&b->domain, first, first + GRANULE - 1) != VIOMMU_OK)
				return false;
		}
		if (viommu_driver_sync(&b->domain, NULL) != VIOMMU_OK)
			return false;
	}
	return true;
}

const struct bench_case bench_request_cases[] = {
	{ .name = "map_unmap",
	  .args = { 1, 32 },
	  .items_per_arg = 2, /* requests: a MAP and an UNMAP */
	  .setup = request_setup,
	  .run = request_run,
	  .teardown = request_teardown },
	{ .name = NULL },
};
