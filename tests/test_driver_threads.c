/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_driver_threads.c: several threads on one driver with lock hooks, and the device in whoever waits. The two sides
 * share nothing but the rings, the requests and the order in which indices are stored and loaded: what is missing there
 * is a race, which ThreadSanitizer reports.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <viommu/dma.h>
#include <viommu/pump.h>

#include "suite.h"

#include "sim/env/env.h"

#define THREADS 3u
#define ROUNDS 400u
#define BATCH 4u
#define PAGE UINT64_C(0x1000)
#define BUS UINT64_C(0x100000)
#define NODES 512u

struct board {
	struct viommu_device dev;
	struct viommu_pump pump;
	struct viommu_driver drv;
	struct viommu_memory_region region;
	struct viommu_memory_table table;
	pthread_mutex_t device_lock; /* one owner of the device at a time */
	pthread_mutex_t driver_lock;
};

struct worker {
	struct board *board;
	pthread_t thread;
	struct viommu_driver_domain domain;
	struct viommu_driver_endpoint endpoint;
	uint32_t id;
	uint32_t failures;
};

static struct board board;

/* The device, from any thread */

static struct viommu_registers *own_device(void)
{
	pthread_mutex_lock(&board.device_lock);
	return viommu_pump_registers(&board.pump);
}

static void disown_device(void)
{
	pthread_mutex_unlock(&board.device_lock);
}

static uint8_t get_status(void *ctx)
{
	uint8_t status = viommu_registers_get_status(own_device());

	(void)ctx;
	disown_device();
	return status;
}

static void set_status(void *ctx, uint8_t status)
{
	(void)ctx;
	viommu_registers_set_status(own_device(), status);
	disown_device();
}

static uint64_t get_features(void *ctx)
{
	uint64_t features = viommu_registers_get_features(own_device());

	(void)ctx;
	disown_device();
	return features;
}

static void set_features(void *ctx, uint64_t features)
{
	(void)ctx;
	viommu_registers_set_features(own_device(), features);
	disown_device();
}

static uint32_t config_generation(void *ctx)
{
	uint32_t generation = viommu_registers_config_generation(own_device());

	(void)ctx;
	disown_device();
	return generation;
}

static void config_read(void *ctx, uint32_t offset, void *dst, uint32_t len)
{
	(void)ctx;
	viommu_registers_config_read(own_device(), offset, dst, len);
	disown_device();
}

static void config_write(void *ctx, uint32_t offset, const void *src, uint32_t len)
{
	(void)ctx;
	viommu_registers_config_write(own_device(), offset, src, len);
	disown_device();
}

static uint32_t queue_size_max(void *ctx, uint32_t queue)
{
	uint32_t size = viommu_registers_queue_size_max(own_device(), queue);

	(void)ctx;
	disown_device();
	return size;
}

static enum viommu_result queue_enable(void *ctx, uint32_t queue, const struct viommu_virtq_layout *layout)
{
	enum viommu_result result = viommu_registers_queue_enable(own_device(), queue, layout);

	(void)ctx;
	disown_device();
	return result;
}

static void notify(void *ctx, uint32_t queue)
{
	(void)ctx;
	(void)queue; /* the device looks whenever somebody waits */
}

static void notify_data(void *ctx, uint32_t queue, uint32_t data)
{
	(void)data;
	notify(ctx, queue);
}

static const struct viommu_register_ops register_ops = {
	.size = sizeof register_ops,
	.get_status = get_status,
	.set_status = set_status,
	.get_features = get_features,
	.set_features = set_features,
	.config_generation = config_generation,
	.config_read = config_read,
	.config_write = config_write,
	.queue_size_max = queue_size_max,
	.queue_enable = queue_enable,
	.notify = notify,
	.notify_data = notify_data,
};

/* The driver's hooks */

static enum viommu_result wait_for_device(void *ctx, uint32_t attempt)
{
	(void)ctx;
	(void)own_device();
	(void)viommu_pump_process(&board.pump, 8);
	disown_device();
	return attempt < 1000000 ? VIOMMU_OK : VIOMMU_E_TIMEOUT;
}

static void lock_driver(void *ctx)
{
	(void)ctx;
	pthread_mutex_lock(&board.driver_lock);
}

static void unlock_driver(void *ctx)
{
	(void)ctx;
	pthread_mutex_unlock(&board.driver_lock);
}

static const struct viommu_driver_ops driver_ops = {
	.size = sizeof driver_ops, .wait = wait_for_device, .lock = lock_driver, .unlock = unlock_driver
};

static void build_device(void)
{
	struct viommu_device_config dev = VIOMMU_DEVICE_CONFIG_INIT;
	struct viommu_pump_config pump = VIOMMU_PUMP_CONFIG_INIT;
	size_t len;

	assert_int_equal(viommu_device_mem_size(&dev, &len), VIOMMU_OK);
	len += NODES * VIOMMU_MAP_NODE_SIZE;
	assert_int_equal(viommu_device_init(&board.dev, &dev, sim_env_alloc(len), len), VIOMMU_OK);
	for (uint32_t i = 0; i < THREADS; i++) {
		struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;
		struct viommu_endpoint *handle;

		endpoint.id = i;
		assert_int_equal(viommu_device_add_endpoint(&board.dev, &endpoint, &handle), VIOMMU_OK);
	}
	pump.device = &board.dev;
	pump.ring_features = VIOMMU_VIRTQ_FEATURES;
	pump.memory = (struct viommu_memory){ &viommu_memory_table_ops, &board.table };
	assert_int_equal(viommu_pump_mem_size(&pump, &len), VIOMMU_OK);
	assert_int_equal(viommu_pump_init(&board.pump, &pump, sim_env_alloc(len), len), VIOMMU_OK);
}

static void build_driver(void)
{
	struct viommu_driver_config config = VIOMMU_DRIVER_CONFIG_INIT;
	struct viommu_shared_memory shared = { .addr = BUS };
	size_t len;

	config.ops = &driver_ops;
	config.queue_size = 16; /* so that threads wait for slots too */
	assert_int_equal(viommu_driver_mem_size(&config, &len, &shared.len), VIOMMU_OK);
	len += NODES * VIOMMU_MAP_NODE_SIZE;
	shared.base = sim_env_alloc(shared.len);
	board.region = (struct viommu_memory_region){ BUS, BUS + shared.len - 1, shared.base,
						      VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE };
	board.table = (struct viommu_memory_table){ .regions = &board.region, .count = 1 };
	assert_int_equal(viommu_driver_init(&board.drv, &config, sim_env_alloc(len), len, &shared), VIOMMU_OK);
}

/* Maps, syncs, looks, unmaps, syncs. What goes wrong is counted: cmocka's assertions are for one thread. */
static void *work(void *arg)
{
	struct worker *w = arg;
	struct viommu_resv_region none[1];
	enum viommu_result result;
	viommu_gpa phys;

	w->failures += viommu_driver_domain_init(&w->domain, &board.drv, w->id + 1, false) != VIOMMU_OK;
	do /* one PROBE at a time */
		result = viommu_driver_endpoint_init(&w->endpoint, &board.drv, w->id, none, 0);
	while (result == VIOMMU_E_BUSY && wait_for_device(NULL, 0) == VIOMMU_OK);
	w->failures += result != VIOMMU_OK;
	w->failures += viommu_driver_attach(&w->domain, &w->endpoint, NULL) != VIOMMU_OK;
	for (uint64_t round = 0; round < ROUNDS && w->failures == 0; round++) {
		for (uint64_t i = 0; i < BATCH; i++)
			w->failures += viommu_driver_map(&w->domain, i * PAGE, i * PAGE + PAGE - 1,
							 (round + w->id) * PAGE, VIOMMU_MAP_F_READ) != VIOMMU_OK;
		w->failures += viommu_driver_sync(&w->domain, NULL) != VIOMMU_OK;
		w->failures += viommu_driver_iova_to_phys(&w->domain, PAGE, &phys) != VIOMMU_OK ||
			       phys != (round + w->id) * PAGE;
		w->failures += viommu_driver_unmap(&w->domain, 0, BATCH * PAGE - 1) != VIOMMU_OK;
		w->failures += viommu_driver_sync(&w->domain, NULL) != VIOMMU_OK;
		(void)viommu_driver_process(&board.drv, 1);
	}
	w->failures += viommu_driver_detach(&w->endpoint, NULL) != VIOMMU_OK;
	w->failures += viommu_driver_domain_deinit(&w->domain) != VIOMMU_OK;
	return NULL;
}

static void board_up(void)
{
	memset(&board, 0, sizeof board);
	assert_int_equal(pthread_mutex_init(&board.device_lock, NULL), 0);
	assert_int_equal(pthread_mutex_init(&board.driver_lock, NULL), 0);
	build_driver();
	build_device();
	assert_int_equal(viommu_driver_start(&board.drv, &register_ops, NULL), VIOMMU_OK);
}

static void run_workers(struct worker *workers, void *(*what)(void *arg))
{
	for (uint32_t i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .board = &board, .id = i };
		assert_int_equal(pthread_create(&workers[i].thread, NULL, what, &workers[i]), 0);
	}
	for (uint32_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
	for (uint32_t i = 0; i < THREADS; i++)
		assert_int_equal(workers[i].failures, 0);
	assert_true(viommu_driver_check(&board.drv));
	assert_true(viommu_pump_check(&board.pump));
}

static void test_driver__several_threads__each_gets_its_own_answers(void **state)
{
	static struct worker workers[THREADS];

	(void)state;
	board_up();
	run_workers(workers, work);
	assert_int_equal(viommu_driver_stop(&board.drv), VIOMMU_OK);
}

/* Buffers: all threads on one domain, two of them with one object, and a window that is full now and then. */

#define GRANULES 14u

struct pool {
	struct viommu_driver_domain domain;
	struct viommu_driver_endpoint endpoint;
	struct viommu_driver_dma strict;
	struct viommu_driver_dma lazy;
	struct viommu_driver_dma doorbells;
	viommu_iova hints[2 * VIOMMU_DMA_CLASSES];
	struct viommu_range deferred[2];
};

static struct pool pool;

static bool leads_to(const struct viommu_dma_buffer *buffer)
{
	viommu_gpa phys;

	return viommu_driver_iova_to_phys(&pool.domain, buffer->iova, &phys) == VIOMMU_OK && phys == buffer->phys;
}

/*
 * What a thread has mapped leads to its own memory as long as it has it: nobody else was given the same addresses. It
 * goes away with one list, so that the others look for room while some of the list is confirmed.
 */
static void *use_buffers(void *arg)
{
	struct worker *w = arg;
	struct viommu_driver_dma *dma = w->id == 2 ? &pool.lazy : &pool.strict;

	for (uint64_t round = 0; round < ROUNDS && w->failures == 0; round++) {
		uint32_t count = 1 + (uint32_t)(round + w->id) % BATCH;
		struct viommu_dma_buffer list[BATCH];
		enum viommu_result result;
		struct viommu_dma_buffer doorbell = { .phys = (w->id + 1) * PAGE - 8, .len = 4 };

		for (uint32_t i = 0; i < count; i++) {
			uint64_t number = (w->id * ROUNDS + round) * BATCH + i;

			list[i] = (struct viommu_dma_buffer){ .phys = number * 4 * PAGE + 8, .len = 1 + i % 2 * PAGE };
		}
		do
			result = viommu_driver_dma_map(dma, list, count, VIOMMU_DMA_BIDIRECTIONAL);
		while (result == VIOMMU_E_FULL && viommu_driver_dma_flush(&pool.lazy, NULL) == VIOMMU_OK);
		w->failures += result != VIOMMU_OK;
		for (uint32_t i = 0; i < count && result == VIOMMU_OK; i++)
			w->failures += !leads_to(&list[i]);
		result = viommu_driver_dma_map_doorbell(&pool.doorbells, &pool.endpoint, &doorbell);
		w->failures += result != VIOMMU_OK || doorbell.iova < 2 * GRANULES * PAGE || !leads_to(&doorbell);
		for (uint32_t i = 0; i < count; i++)
			w->failures += !leads_to(&list[i]);
		w->failures += viommu_driver_dma_unmap(dma, list, count, VIOMMU_DMA_BIDIRECTIONAL) != VIOMMU_OK;
		result = viommu_driver_dma_unmap_doorbell(&pool.doorbells, &pool.endpoint, &doorbell);
		w->failures += result != VIOMMU_OK;
	}
	return NULL;
}

static void test_driver_dma__several_threads__nobody_gets_what_another_has(void **state)
{
	static struct worker workers[THREADS];
	struct viommu_dma_config c = VIOMMU_DMA_CONFIG_INIT;
	struct viommu_mapping m;

	(void)state;
	memset(&pool, 0, sizeof pool);
	board_up();
	assert_int_equal(viommu_driver_domain_init(&pool.domain, &board.drv, VIOMMU_DOMAIN_ANY, false), VIOMMU_OK);
	assert_int_equal(viommu_driver_endpoint_init(&pool.endpoint, &board.drv, 0, NULL, 0), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&pool.domain, &pool.endpoint, NULL), VIOMMU_OK);
	c.window = (struct viommu_range){ 2 * GRANULES * PAGE, (2 * GRANULES + THREADS) * PAGE - 1 };
	assert_int_equal(viommu_driver_dma_init(&pool.doorbells, &pool.domain, &c), VIOMMU_OK);
	/* Each can take all that the other one has freed. */
	c.window = (struct viommu_range){ PAGE, (GRANULES + 1) * PAGE - 1 };
	c.hints = pool.hints;
	c.hint_count = 2 * VIOMMU_DMA_CLASSES;
	assert_int_equal(viommu_driver_dma_init(&pool.strict, &pool.domain, &c), VIOMMU_OK);
	c.bottom_up = true;
	c.hints = NULL;
	c.hint_count = 0;
	c.deferred = pool.deferred;
	c.deferred_count = 2;
	assert_int_equal(viommu_driver_dma_init(&pool.lazy, &pool.domain, &c), VIOMMU_OK);
	run_workers(workers, use_buffers);
	assert_int_equal(viommu_driver_dma_flush(&pool.lazy, NULL), VIOMMU_OK);
	assert_false(viommu_driver_next_mapping(&pool.domain, 0, &m));
	assert_int_equal(viommu_driver_stop(&board.drv), VIOMMU_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver__several_threads__each_gets_its_own_answers),
		cmocka_unit_test(test_driver_dma__several_threads__nobody_gets_what_another_has),
	};

	return suite_run(tests);
}
