/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_access_threads.c: DMA engines on threads of their own, while the owner of the device carries out requests that
 * take their memory away and give it to a secret. The bytes of guest memory are plain, so ThreadSanitizer reports every
 * one that is touched by both at a time; and a secret says that it is one, so each of them that crosses is seen
 * everywhere. tests/test_access_races.c has the same one step at a time.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <viommu/access.h>

#include "suite.h"

#include "sim/env/env.h"
#include "sim/random.h"

#define PAGE UINT64_C(0x1000)
#define RAM UINT64_C(0x40000000) /* guest-physical; IOVAs are far below, so bypass leads nowhere */
#define FRAMES 8u                /* for each engine, and as many pages where they can be mapped */
#define BYTES 64u /* of a frame for copies of an engine, and as many behind for those that go on elsewhere */
#define ENGINES 2u
#define ROUNDS 50000u
#define PATIENCE 20000000u /* looks, with a yield each: who is not woken until then never will be */
#define PENDING 4u

enum {
	SECRET = 0x5e,
	PUBLIC = 0x11,
	WRITTEN = 0x22
};

/* A copy that goes on behind the back of the engine's thread. */
struct flight {
	atomic_bool busy;
	struct viommu_access_token token;
	uint8_t *at;
};

struct engine {
	struct viommu_endpoint *endpoint;
	struct viommu_access access;
	struct viommu_access_cache cache;
	struct flight flight;
	pthread_t thread;
	uint64_t seed;
	uint64_t read, written, faulted, flown;
	uint64_t failures; /* cmocka's assertions are for one thread */
};

/* What the owner knows of a frame. */
enum state {
	HIDDEN, /* a secret is in it */
	SHARED, /* mapped */
	LEAVING /* the request that takes it away is pending */
};

struct job {
	struct viommu_request request;
	struct viommu_segment in, out;
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
	uint8_t tail[VIOMMU_WIRE_TAIL_SIZE];
	unsigned engine, first, count; /* frames that are free when it is done */
	bool busy;
};

static struct {
	struct viommu_device dev;
	struct viommu_memory_region all[ENGINES];                 /* the frames of each are a region */
	struct viommu_memory_region others[ENGINES][ENGINES - 1]; /* without those of one */
	struct viommu_memory_table table;
	struct engine engines[ENGINES];
	pthread_t lander;
	struct sim_random random;
	uint8_t *ram;
	enum state states[ENGINES][FRAMES];
	uint32_t domains[ENGINES];
	struct job jobs[PENDING];
	unsigned pending;
	uint64_t pended, crossed, sleeps, unplugged;
	atomic_bool awake;
	atomic_bool over;
} world;

static const struct viommu_memory memory = { &viommu_memory_table_ops, &world.table };

static uint8_t *frame(unsigned engine, unsigned i)
{
	return world.ram + (engine * FRAMES + i) * PAGE;
}

static void wake(void *ctx)
{
	(void)ctx;
	atomic_store(&world.awake, true);
}

static const struct viommu_device_ops ops = { .size = sizeof ops, .work_pending = wake };

/* The engines */

static bool may_be_seen(const uint8_t *bytes)
{
	for (unsigned i = 0; i < BYTES; i++)
		if (bytes[i] != PUBLIC && bytes[i] != WRITTEN)
			return false;
	return true;
}

static void one_copy(struct engine *e, struct sim_random *random, viommu_iova iova)
{
	uint8_t bytes[BYTES];
	size_t done;

	if (sim_random_below(random, 2) == 0) {
		if (viommu_access_read(&e->access, iova, bytes, BYTES, &done) == VIOMMU_OK) {
			e->read++;
			e->failures += !may_be_seen(bytes);
		} else {
			e->faulted++;
		}
	} else {
		memset(bytes, WRITTEN, BYTES);
		if (viommu_access_write(&e->access, iova, bytes, BYTES, &done) == VIOMMU_OK)
			e->written++;
		else
			e->faulted++;
	}
}

/* Finds out where it leads, and lets somebody else do the rest. */
static bool take_off(struct engine *e, viommu_iova iova, struct viommu_access_token token)
{
	struct viommu_translation t;
	uint8_t *at;

	if (atomic_load_explicit(&e->flight.busy, memory_order_acquire) ||
	    viommu_access_translate(&e->access, iova + BYTES, BYTES, VIOMMU_ACCESS_WRITE, &t) != VIOMMU_OK ||
	    t.gpa < RAM)
		return false;
	at = viommu_memory_pointer(&memory, t.gpa, BYTES, VIOMMU_ACCESS_WRITE);
	if (at == NULL)
		return false;
	e->flight.token = token;
	e->flight.at = at;
	atomic_store_explicit(&e->flight.busy, true, memory_order_release);
	e->flown++;
	return true;
}

static void *run_engine(void *arg)
{
	struct engine *e = arg;
	struct sim_random random = { e->seed };

	while (!atomic_load_explicit(&world.over, memory_order_relaxed)) {
		struct viommu_access_token token;
		viommu_iova iova = sim_random_below(&random, FRAMES) * PAGE;

		if (viommu_access_begin(&e->access, &token) != VIOMMU_OK) {
			e->failures++;
			return NULL;
		}
		if (sim_random_below(&random, 8) == 0 && take_off(e, iova, token))
			continue;
		for (uint64_t i = sim_random_below(&random, 4); i > 0; i--)
			one_copy(e, &random, iova);
		if (sim_random_below(&random, 16) == 0)
			sched_yield(); /* with the section open */
		viommu_access_end(&e->access, token);
	}
	return NULL;
}

/* Ends what others began. */
static void *run_lander(void *arg)
{
	struct sim_random random = { 77 };

	(void)arg;
	while (!atomic_load_explicit(&world.over, memory_order_relaxed)) {
		for (unsigned i = 0; i < ENGINES; i++) {
			struct engine *e = &world.engines[i];
			struct viommu_access_token token;

			if (!atomic_load_explicit(&e->flight.busy, memory_order_acquire))
				continue;
			if (sim_random_below(&random, 4) == 0)
				sched_yield();
			memset(e->flight.at, WRITTEN, BYTES);
			token = e->flight.token;
			atomic_store_explicit(&e->flight.busy, false, memory_order_release);
			viommu_access_end(&e->access, token);
		}
		sched_yield();
	}
	return NULL;
}

/* The owner */

/* The memory is the driver's again: nobody reads or writes it. */
static void hide(unsigned engine, unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++) {
		memset(frame(engine, i), SECRET, 2 * BYTES);
		world.states[engine][i] = HIDDEN;
	}
}

static void show(unsigned engine, unsigned i)
{
	for (unsigned at = 0; at < 2 * BYTES; at++)
		world.crossed += frame(engine, i)[at] != SECRET;
	memset(frame(engine, i), PUBLIC, 2 * BYTES);
	world.states[engine][i] = SHARED;
}

static void done(struct job *job)
{
	if (job->request.written != 0)
		assert_int_equal(job->tail[0], VIOMMU_S_OK);
	hide(job->engine, job->first, job->count);
	job->busy = false;
}

static void collect(void)
{
	struct viommu_request *request;

	while ((request = viommu_device_next_done(&world.dev)) != NULL) {
		world.pending--;
		done(request->user);
	}
}

/* Sleeps until it is woken, and no longer. */
static void sleep_and_collect(void)
{
	world.sleeps++;
	for (unsigned i = 0; !atomic_exchange(&world.awake, false); i++) {
		assert_true(i < PATIENCE);
		sched_yield();
	}
	collect();
}

static struct job *free_job(void)
{
	unsigned i = 0;

	while (world.pending == PENDING)
		sleep_and_collect();
	while (world.jobs[i].busy)
		i++;
	return &world.jobs[i];
}

/* Frames [first, first + count) are the driver's when it is done. */
static void submit(const struct viommu_wire_request *r, unsigned engine, unsigned first, unsigned count)
{
	struct job *job = free_job();

	job->engine = engine;
	job->first = first;
	job->count = count;
	job->busy = true;
	job->in.base = job->bytes;
	job->in.len = viommu_wire_request_encode(r, job->bytes, sizeof job->bytes);
	job->out.base = job->tail;
	job->out.len = sizeof job->tail;
	job->request.readable = &job->in;
	job->request.writable = &job->out;
	job->request.readable_count = 1;
	job->request.writable_count = 1;
	job->request.user = job;
	for (unsigned i = first; i < first + count; i++)
		world.states[engine][i] = LEAVING;
	assert_int_equal(viommu_device_submit(&world.dev, &job->request), VIOMMU_OK);
	if (job->request.state == VIOMMU_REQUEST_DONE) {
		done(job);
	} else {
		world.pending++;
		world.pended++;
	}
}

static void map(unsigned engine, unsigned i)
{
	struct viommu_wire_request r = { .type = VIOMMU_T_MAP };

	show(engine, i);
	r.u.map.domain = world.domains[engine];
	r.u.map.virt_start = i * PAGE;
	r.u.map.virt_end = i * PAGE + PAGE - 1;
	r.u.map.phys_start = RAM + (engine * FRAMES + i) * PAGE;
	r.u.map.flags = VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE;
	submit(&r, engine, 0, 0);
}

static void unmap(unsigned engine, unsigned i)
{
	struct viommu_wire_request r = { .type = VIOMMU_T_UNMAP };

	r.u.unmap.domain = world.domains[engine];
	r.u.unmap.virt_start = i * PAGE;
	r.u.unmap.virt_end = i * PAGE + PAGE - 1;
	submit(&r, engine, i, 1);
}

static void wait_for_all(void)
{
	while (world.pending > 0)
		sleep_and_collect();
}

/* To a new domain: the old one dies, and with it all mappings that are left. Or by way of none. */
static void leave(unsigned engine)
{
	struct viommu_wire_request r = { .type = VIOMMU_T_DETACH };

	wait_for_all();
	r.u.detach.domain = world.domains[engine];
	r.u.detach.endpoint = engine;
	submit(&r, engine, 0, FRAMES);
}

static void enter(unsigned engine)
{
	struct viommu_wire_request r = { .type = VIOMMU_T_ATTACH };
	bool moves = world.engines[engine].endpoint->domain != NULL;

	world.domains[engine] = (world.domains[engine] + ENGINES) % (8 * ENGINES);
	r.u.attach.domain = world.domains[engine];
	r.u.attach.endpoint = engine;
	submit(&r, engine, 0, moves ? FRAMES : 0);
}

static void move(unsigned engine, bool detach)
{
	wait_for_all();
	if (detach)
		leave(engine);
	enter(engine);
	wait_for_all();
}

static void attach_all(void)
{
	for (unsigned i = 0; i < ENGINES; i++) {
		struct viommu_wire_request r = { .type = VIOMMU_T_ATTACH };

		world.domains[i] = i;
		r.u.attach.domain = i;
		r.u.attach.endpoint = i;
		submit(&r, 0, 0, 0);
	}
}

static void settle(void)
{
	for (unsigned i = 0; !viommu_device_is_settled(&world.dev); i++) {
		assert_true(i < PATIENCE);
		sched_yield();
	}
}

static void reset(void)
{
	viommu_device_reset(&world.dev);
	settle();
	collect(); /* those that were cancelled */
	for (unsigned i = 0; i < ENGINES; i++)
		hide(i, 0, FRAMES);
	assert_int_equal(viommu_device_negotiate(&world.dev, VIOMMU_DEVICE_FEATURES), VIOMMU_OK);
	attach_all();
}

static void set_bypass(uint8_t value)
{
	viommu_device_config_write(&world.dev, VIOMMU_WIRE_CONFIG_BYPASS, &value, 1);
}

/*
 * An endpoint sees everything for a while, where there is nothing that it can reach: leaves its domain into the bypass
 * and comes back, or loses the bypass first.
 */
static void toggle_bypass(unsigned engine, bool lose)
{
	set_bypass(1);
	leave(engine);
	assert_ptr_equal(world.engines[engine].endpoint->view, &world.dev.everything);
	sched_yield();
	if (lose)
		set_bypass(0);
	enter(engine);
	set_bypass(0);
	settle();
	wait_for_all();
}

/* What is in all frames of the engine belongs to somebody else, whatever is mapped. */
static void unplug(unsigned engine)
{
	wait_for_all();
	assert_int_equal(viommu_memory_table_set(&world.table, world.others[engine], ENGINES - 1), VIOMMU_OK);
	viommu_device_memory_changed(&world.dev);
	for (unsigned i = 0; !viommu_device_memory_is_settled(&world.dev); i++) {
		assert_true(i < PATIENCE);
		sched_yield();
	}
	for (unsigned i = 0; i < FRAMES; i++)
		memset(frame(engine, i), SECRET, 2 * BYTES);
	world.unplugged++;
}

static void plug(unsigned engine)
{
	for (unsigned i = 0; i < FRAMES; i++) {
		if (world.states[engine][i] == SHARED)
			show(engine, i); /* which looks whether it is still the secret */
	}
	assert_int_equal(viommu_memory_table_set(&world.table, world.all, ENGINES), VIOMMU_OK);
}

static void unplug_and_plug(unsigned engine)
{
	unplug(engine);
	sched_yield(); /* they would like to go there */
	plug(engine);
}

static void owner_step(void)
{
	unsigned engine = (unsigned)sim_random_below(&world.random, ENGINES);
	unsigned i = (unsigned)sim_random_below(&world.random, FRAMES);
	uint64_t kind = sim_random_below(&world.random, 512);
	struct viommu_wire_fault fault;

	if (kind == 0)
		reset();
	else if (kind < 8)
		move(engine, kind % 2 == 0);
	else if (kind < 12)
		toggle_bypass(engine, kind % 2 == 0);
	else if (kind < 16)
		unplug_and_plug(engine);
	else if (world.states[engine][i] == HIDDEN)
		map(engine, i);
	else if (world.states[engine][i] == SHARED)
		unmap(engine, i);
	else
		sleep_and_collect();
	while (viommu_device_next_fault(&world.dev, &fault) == VIOMMU_OK)
		;
}

static void build(void)
{
	struct viommu_device_config config = VIOMMU_DEVICE_CONFIG_INIT;
	size_t len, ram = ENGINES * FRAMES * PAGE;

	memset(&world, 0, sizeof world);
	world.random.state = 1;
	world.ram = sim_env_alloc(ram);
	for (unsigned i = 0; i < ENGINES; i++) {
		const uint64_t first = RAM + i * FRAMES * PAGE;

		world.all[i] = (struct viommu_memory_region){ first, first + FRAMES * PAGE - 1, frame(i, 0),
							      VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE };
		for (unsigned without = 0; without < ENGINES; without++)
			if (without != i)
				world.others[without][i - (i > without)] = world.all[i];
	}
	assert_int_equal(viommu_memory_table_init(&world.table, world.all, ENGINES), VIOMMU_OK);
	config.max_endpoints = ENGINES;
	config.max_domains = ENGINES;
	config.max_pending = PENDING;
	config.memory = memory;
	config.ops = &ops;
	assert_int_equal(viommu_device_mem_size(&config, &len), VIOMMU_OK);
	len += 64 * VIOMMU_MAP_NODE_SIZE;
	assert_int_equal(viommu_device_init(&world.dev, &config, sim_env_alloc(len), len), VIOMMU_OK);
	assert_int_equal(viommu_device_negotiate(&world.dev, VIOMMU_DEVICE_FEATURES), VIOMMU_OK);
	for (unsigned i = 0; i < ENGINES; i++) {
		struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;
		struct engine *e = &world.engines[i];

		endpoint.id = i;
		assert_int_equal(viommu_device_add_endpoint(&world.dev, &endpoint, &e->endpoint), VIOMMU_OK);
		viommu_access_init(&e->access, &world.dev, e->endpoint);
		viommu_access_set_cache(&e->access, &e->cache);
		e->seed = i + 1;
		hide(i, 0, FRAMES);
	}
	attach_all();
}

static void test_dma__owner_takes_memory_away__no_byte_crosses(void **state)
{
	const struct viommu_device_stats *stats;

	(void)state;
	build();
	for (unsigned i = 0; i < ENGINES; i++)
		assert_int_equal(pthread_create(&world.engines[i].thread, NULL, run_engine, &world.engines[i]), 0);
	assert_int_equal(pthread_create(&world.lander, NULL, run_lander, NULL), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		owner_step();
		assert_int_equal(world.crossed, 0);
	}
	wait_for_all();
	atomic_store(&world.over, true);
	for (unsigned i = 0; i < ENGINES; i++)
		assert_int_equal(pthread_join(world.engines[i].thread, NULL), 0);
	assert_int_equal(pthread_join(world.lander, NULL), 0);

	assert_true(viommu_device_check(&world.dev));
	stats = viommu_device_get_stats(&world.dev);
	print_message("%u requests had to wait, %u faults of which %u were lost, %lu sleeps, unplugged %lu times\n",
		      stats->pended, stats->faults, stats->faults_lost, (unsigned long)world.sleeps,
		      (unsigned long)world.unplugged);
	assert_true(world.unplugged > 100);
	assert_int_equal(stats->pended, world.pended);
	assert_true(stats->pended > ROUNDS / 1000); /* or it showed nothing */
	for (unsigned i = 0; i < ENGINES; i++) {
		const struct engine *e = &world.engines[i];

		print_message("engine %u: %lu reads, %lu writes, %lu faults, %lu flights\n", i, (unsigned long)e->read,
			      (unsigned long)e->written, (unsigned long)e->faulted, (unsigned long)e->flown);
		assert_int_equal(e->failures, 0);
		assert_true(e->read > 100 && e->written > 100 && e->flown > 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dma__owner_takes_memory_away__no_byte_crosses),
	};

#if !VIOMMU_PORT_ATOMIC64
	printf("skipped: here all of the device belongs to one thread\n");
	return 77;
#endif
	return suite_run(tests);
}
