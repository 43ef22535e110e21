/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * instructions.c: calls the hot functions of the library a known number of times under callgrind, which writes one
 * profile for each case. instructions.py runs it and counts.
 *
 *     instructions N
 *
 * N: pages that are mapped, densely. Prints "CASE CALLS" for each profile, or "CASE/PAIR CALLS" for what is counted
 * only to be compared with a case of rings.
 */
#include "pages.h"
#include "rings/trips.h"
#include "service.h"

#include <viommu/driver.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <valgrind/callgrind.h>

#define CALLS_MAX 500u
#define HOT_PAGES 16u
#define SHARED_ADDR UINT64_C(0x80000000)

/* Calls of each case: different pages, so not more than there are. */
static uint32_t calls;
static uint32_t chosen[CALLS_MAX];

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "instructions: %s failed\n", what);
	exit(1);
}

static void must(bool ok, const char *what)
{
	if (!ok)
		fail(what);
}

/* Everything between start and stop is counted, except what this file itself does: see instructions.py. */
#define START()                                                                                                        \
	do {                                                                                                           \
		CALLGRIND_START_INSTRUMENTATION;                                                                       \
		CALLGRIND_ZERO_STATS;                                                                                  \
	} while (0)
#define STOP_AFTER(name, times)                                                                                        \
	do {                                                                                                           \
		CALLGRIND_DUMP_STATS_AT(name);                                                                         \
		CALLGRIND_STOP_INSTRUMENTATION;                                                                        \
		printf("%s %u\n", name, times);                                                                        \
	} while (0)
#define STOP(name) STOP_AFTER(name, calls)

static uint32_t *dense_pages(uint32_t n)
{
	uint32_t *pages = malloc(n * sizeof(*pages));

	must(pages != NULL, "malloc");
	for (uint32_t i = 0; i < n; i++)
		pages[i] = i;
	return pages;
}

/* The first `calls` of the n pages in random order. */
static void choose(uint32_t *pages, uint32_t n)
{
	struct sim_random random = { BENCH_SEED };

	calls = n / 2 < CALLS_MAX ? n / 2 : CALLS_MAX;
	for (uint32_t i = 0; i < calls; i++) {
		const uint32_t j = i + bench_below(&random, n - i);
		const uint32_t page = pages[i];

		pages[i] = pages[j];
		pages[j] = page;
		chosen[i] = pages[i];
	}
}

static void count_map(uint32_t n)
{
	const size_t len = ((size_t)n * 2 + 64) * VIOMMU_MAP_NODE_SIZE;
	struct viommu_map_limbo limbo = { 0 };
	struct viommu_map_pool pool;
	struct viommu_map map;
	struct viommu_mapping out;
	void *nodes = malloc(len);
	bool ok = true;

	viommu_map_pool_init(&pool);
	must(nodes != NULL && viommu_map_pool_add(&pool, nodes, len) == VIOMMU_OK, "map pool");
	viommu_map_init(&map, &pool, 12);
	for (uint32_t i = 0; i < n; i++) {
		const uint64_t first = bench_iova(i);

		must(viommu_map_insert(&map, first, first + (BENCH_PAGE - 1), bench_phys(i), BENCH_FLAGS) == VIOMMU_OK,
		     "map fill");
	}

	START();
	for (uint32_t i = 0; i < calls; i++)
		ok = viommu_map_lookup(&map, bench_iova(chosen[i]), &out) && ok;
	STOP("map_lookup");

	/* With what the nodes that were cut out cost later. */
	START();
	for (uint32_t i = 0; i < calls; i++) {
		const uint64_t first = bench_iova(chosen[i]);

		ok = viommu_map_remove(&map, first, first + (BENCH_PAGE - 1), &limbo) == VIOMMU_OK && ok;
		viommu_map_pool_retire(&pool, &limbo);
		(void)viommu_map_pool_reclaim(&pool, UINT32_MAX);
	}
	STOP("map_remove");

	START();
	for (uint32_t i = 0; i < calls; i++) {
		const uint64_t first = bench_iova(chosen[i]);

		ok = viommu_map_insert(&map, first, first + (BENCH_PAGE - 1), bench_phys(i), BENCH_FLAGS) ==
			     VIOMMU_OK &&
		     ok;
	}
	STOP("map_insert");
	must(ok, "map");
	free(nodes);
}

static void count_device(const uint32_t *pages, uint32_t n)
{
	static struct bench_service s;
	static struct viommu_access_cache cache;
	struct viommu_access_token token;
	struct viommu_translation t;
	bool ok = true;

	must(bench_service_init(&s, &bench_structures[0], pages, n), "device");

	START();
	for (uint32_t i = 0; i < calls; i++) {
		ok = viommu_access_begin(&s.access, &token) == VIOMMU_OK &&
		     viommu_access_translate(&s.access, bench_iova(chosen[i]), 8, VIOMMU_ACCESS_READ, &t) ==
			     VIOMMU_OK &&
		     ok;
		viommu_access_end(&s.access, token);
	}
	STOP("access_translate");

	/* Of a few pages, again and again, by one who remembers them. */
	viommu_access_set_cache(&s.access, &cache);
	ok = viommu_access_begin(&s.access, &token) == VIOMMU_OK && ok;
	for (uint32_t i = 0; i < HOT_PAGES; i++)
		ok = viommu_access_translate(&s.access, bench_iova(i), 8, VIOMMU_ACCESS_READ, &t) == VIOMMU_OK && ok;
	START();
	for (uint32_t i = 0; i < calls; i++)
		ok = viommu_access_translate(&s.access, bench_iova(i % HOT_PAGES), 8, VIOMMU_ACCESS_READ, &t) ==
			     VIOMMU_OK &&
		     ok;
	STOP("access_translate_cached");
	viommu_access_end(&s.access, token);
	viommu_access_set_cache(&s.access, VIOMMU_ACCESS_NO_CACHE);

	START();
	for (uint32_t i = 0; i < calls; i++) {
		ok = viommu_access_begin(&s.access, &token) == VIOMMU_OK && ok;
		viommu_access_end(&s.access, token);
	}
	STOP("access_section");

	START();
	for (uint32_t i = 0; i < calls; i++)
		ok = bench_service_unmap(&s, chosen[i]) && ok;
	STOP("device_unmap");

	START();
	for (uint32_t i = 0; i < calls; i++)
		ok = bench_service_map(&s, chosen[i]) && ok;
	STOP("device_map");
	must(ok, "device");
	bench_service_deinit(&s);
}

#define REQUESTS 512u

/*
 * Requests through a ring and back, in one thread. Of the library that is a case; of the others, and of the library
 * with what an embedder adds to it, a figure to compare it with: CASE/PAIR.
 */
static void count_ring(const char *name, uint64_t features, uint32_t batch)
{
	for (const struct bench_ring_pair *pair = bench_ring_pairs; pair->name != NULL; pair++) {
		char beside[64];
		struct bench_trips t;
		bool ok;

		snprintf(beside, sizeof(beside), "%s/%s", name, pair->name);
		must(bench_trips_init(&t, pair, features, batch), beside);
		START();
		ok = bench_trips_run(&t, REQUESTS / batch);
		STOP_AFTER(beside, REQUESTS);
		must(ok, beside);
		if (pair == &bench_ring_pairs[0]) {
			START();
			ok = bench_trips_run(&t, REQUESTS / batch);
			STOP_AFTER(name, REQUESTS);
			must(ok, name);
		}
		bench_trips_deinit(&t);
	}
}

static void count_rings(void)
{
	const uint64_t indirect = VIOMMU_F_EVENT_IDX | VIOMMU_F_INDIRECT_DESC;

	count_ring("ring_direct_1", VIOMMU_F_EVENT_IDX, 1);
	count_ring("ring_direct_32", VIOMMU_F_EVENT_IDX, 32);
	count_ring("ring_indirect_1", indirect, 1);
	count_ring("ring_indirect_32", indirect, 32);
}

/* The whole way: driver, ring, pump, device, and back. */
struct column {
	struct viommu_device dev;
	struct viommu_pump pump;
	struct viommu_driver drv;
	struct viommu_driver_endpoint endpoint;
	struct viommu_driver_domain domain;
	struct viommu_resv_region regions[1];
	struct viommu_memory_region ram;
	struct viommu_memory_table table;
	struct sim_transport transport;
};

static struct column column;

/* The device runs whenever the driver waits. */
static enum viommu_result bench_wait(void *ctx, uint32_t attempt)
{
	struct column *c = ctx;

	while (viommu_pump_process(&c->pump, 4096))
		;
	return attempt < 2 ? VIOMMU_OK : VIOMMU_E_TIMEOUT;
}

static const struct viommu_driver_ops driver_ops = { .size = sizeof(driver_ops), .wait = bench_wait };

static bool start_column(struct column *c, uint32_t n)
{
	const size_t nodes = ((size_t)n * 2 + 64) * VIOMMU_MAP_NODE_SIZE;
	struct viommu_device_config device_config = VIOMMU_DEVICE_CONFIG_INIT;
	struct viommu_endpoint_config endpoint_config = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct viommu_pump_config pump_config = VIOMMU_PUMP_CONFIG_INIT;
	struct viommu_driver_config driver_config = VIOMMU_DRIVER_CONFIG_INIT;
	struct viommu_shared_memory shared = { .addr = SHARED_ADDR };
	struct viommu_endpoint *endpoint;
	size_t device_len, pump_len, driver_len;
	void *device_mem, *pump_mem, *driver_mem;

	endpoint_config.id = BENCH_ENDPOINT;
	driver_config.ops = &driver_ops;
	driver_config.ops_ctx = c;
	pump_config.device = &c->dev;
	pump_config.memory = (struct viommu_memory){ .ops = &viommu_memory_table_ops, .ctx = &c->table };
	sim_transport_init(&c->transport, &sim_transport_local);
	pump_config.interrupts = c->transport.interrupt_ops;
	pump_config.interrupt_ctx = c->transport.interrupt_ctx;
	if (viommu_device_mem_size(&device_config, &device_len) != VIOMMU_OK ||
	    viommu_driver_mem_size(&driver_config, &driver_len, &shared.len) != VIOMMU_OK)
		return false;
	device_mem = malloc(device_len += nodes);
	driver_mem = malloc(driver_len += nodes);
	shared.base = aligned_alloc(64, (shared.len + 63) & ~(size_t)63);
	if (device_mem == NULL || driver_mem == NULL || shared.base == NULL)
		return false;
	c->ram = (struct viommu_memory_region){ .first = SHARED_ADDR,
						.last = SHARED_ADDR + shared.len - 1,
						.host = shared.base,
						.kind = VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE };
	c->table = (struct viommu_memory_table){ .regions = &c->ram, .count = 1 };
	if (viommu_device_init(&c->dev, &device_config, device_mem, device_len) != VIOMMU_OK ||
	    viommu_device_add_endpoint(&c->dev, &endpoint_config, &endpoint) != VIOMMU_OK ||
	    viommu_pump_mem_size(&pump_config, &pump_len) != VIOMMU_OK || (pump_mem = malloc(pump_len)) == NULL ||
	    viommu_pump_init(&c->pump, &pump_config, pump_mem, pump_len) != VIOMMU_OK)
		return false;
	return sim_transport_connect(&c->transport, viommu_pump_registers(&c->pump)) == VIOMMU_OK &&
	       sim_transport_find_device(&c->transport) == VIOMMU_OK &&
	       viommu_driver_init(&c->drv, &driver_config, driver_mem, driver_len, &shared) == VIOMMU_OK &&
	       viommu_driver_start(&c->drv, c->transport.register_ops, c->transport.register_ctx) == VIOMMU_OK &&
	       viommu_driver_endpoint_init(&c->endpoint, &c->drv, BENCH_ENDPOINT, c->regions, 1) == VIOMMU_OK &&
	       viommu_driver_domain_init(&c->domain, &c->drv, VIOMMU_DOMAIN_ANY, false) == VIOMMU_OK;
}

static bool driver_map(struct column *c, uint32_t page)
{
	const uint64_t first = bench_iova(page);

	return viommu_driver_map(&c->domain, first, first + (BENCH_PAGE - 1), bench_phys(page), BENCH_FLAGS) ==
	       VIOMMU_OK;
}

static bool driver_unmap(struct column *c, uint32_t page)
{
	const uint64_t first = bench_iova(page);

	return viommu_driver_unmap(&c->domain, first, first + (BENCH_PAGE - 1)) == VIOMMU_OK;
}

static bool driver_sync(struct column *c)
{
	return viommu_driver_sync(&c->domain, NULL) == VIOMMU_OK;
}

static void count_driver(uint32_t n)
{
	struct column *c = &column;
	bool ok = true;

	must(start_column(c, n), "driver start");
	for (uint32_t i = 0; i < n; i++)
		must(driver_map(c, i), "driver fill");
	must(viommu_driver_attach(&c->domain, &c->endpoint, NULL) == VIOMMU_OK, "driver attach");

	START();
	for (uint32_t i = 0; i < calls; i++) {
		ok = driver_unmap(c, chosen[i]) && driver_sync(c) && ok;
		ok = driver_map(c, chosen[i]) && driver_sync(c) && ok;
	}
	STOP("driver_unmap_map");
	must(ok, "driver");
	/* What it uses is left to the end of the program. */
}

int main(int argc, char **argv)
{
	const uint32_t n = argc == 2 ? (uint32_t)strtoul(argv[1], NULL, 0) : 0;
	uint32_t *pages;

	if (n < 2) {
		fputs("usage: instructions N\n", stderr);
		return 2;
	}
	pages = dense_pages(n);
	choose(pages, n);
	count_map(n);
	count_device(pages, n);
	count_rings();
	count_driver(n);
	free(pages);
	return 0;
}
