/* SPDX-License-Identifier: BSD-3-Clause */
#include "trips.h"

#include "../beside.h"

#include <viommu/wire.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define LOW_SIZE 65536u
#define BASE_ADDR UINT64_C(0x100000000)
#define SPINS 10000u          /* until the processor is given away: the other thread may be waiting for it */
#define SPINS_MAX 1000000000u /* many seconds: there will be no answer */

static void encode_request(uint8_t bytes[BENCH_RING_REQUEST])
{
	struct viommu_wire_request map = { .type = VIOMMU_T_MAP };
	uint8_t request[VIOMMU_WIRE_REQUEST_MAX];

	map.u.map.domain = 1;
	map.u.map.virt_start = 0x1000;
	map.u.map.virt_end = 0x1fff;
	map.u.map.phys_start = 0x2000;
	map.u.map.flags = VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE;
	if (viommu_wire_request_encode(&map, request, sizeof request) != BENCH_RING_REQUEST)
		abort();
	memcpy(bytes, request, BENCH_RING_REQUEST);
}

bool bench_trips_init(struct bench_trips *t, const struct bench_ring_pair *pair, uint64_t features, uint32_t batch)
{
	const size_t rings = (VIOMMU_VIRTQ_DRIVER_SHARED(BENCH_RING_SIZE) + 4095) & ~(size_t)4095;
	const uint32_t kind = VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE;
	struct bench_ring_memory *m = &t->memory;

	*t = (struct bench_trips){ .pair = pair, .batch = batch };
	m->addr = BASE_ADDR;
	m->len = rings + BENCH_RING_BATCH_MAX * BENCH_RING_SLOT;
	m->base = aligned_alloc(4096, (m->len + LOW_SIZE + 4095) & ~(size_t)4095);
	if (m->base == NULL)
		return false;
	m->regions[0] = (struct viommu_memory_region){ 0, LOW_SIZE - 1, m->base + m->len, kind };
	m->regions[1] = (struct viommu_memory_region){ m->addr, m->addr + m->len - 1, m->base, kind };
	t->slots = m->base + rings;
	t->slots_addr = m->addr + rings;
	encode_request(t->request);
	t->driver = pair->driver->open(m, features, &t->layout);
	if (t->driver != NULL)
		t->device = pair->device->open(m, &t->layout);
	if (t->device != NULL && !pair->device->arm(t->device))
		return true;
	bench_trips_deinit(t);
	return false;
}

void bench_trips_deinit(struct bench_trips *t)
{
	if (t->device != NULL)
		t->pair->device->close(t->device);
	if (t->driver != NULL)
		t->pair->driver->close(t->driver);
	free(t->memory.base);
}

/* Adds a batch and publishes it. *kick: whether the device wants to know. */
static bool post(struct bench_trips *t, bool *kick)
{
	for (uint32_t i = 0; i < t->batch; i++) {
		uint8_t *slot = t->slots + (size_t)i * BENCH_RING_SLOT;
		const uint64_t addr = t->slots_addr + (uint64_t)i * BENCH_RING_SLOT;
		const struct viommu_bus_segment pieces[2] = {
			{ addr, BENCH_RING_REQUEST },
			{ addr + BENCH_RING_SLOT - BENCH_RING_TAIL, BENCH_RING_TAIL },
		};

		memcpy(slot, t->request, sizeof t->request);
		slot[BENCH_RING_SLOT - BENCH_RING_TAIL] = 0xff;
		if (t->pair->driver->add(t->driver, pieces, 1, 1, slot) != VIOMMU_OK)
			return false;
	}
	*kick = t->pair->driver->publish(t->driver);
	return true;
}

static bool is_answered(const uint8_t *slot, uint32_t written)
{
	return written == BENCH_RING_TAIL && slot[BENCH_RING_SLOT - BENCH_RING_TAIL] == VIOMMU_S_OK;
}

bool bench_trips_run(struct bench_trips *t, uint64_t batches)
{
	const struct bench_driver_ops *driver = t->pair->driver;
	const struct bench_device_ops *device = t->pair->device;

	while (batches-- > 0) {
		bool kick, interrupt;

		if (!post(t, &kick) || !kick)
			return false;
		do
			(void)device->serve(t->device, &interrupt);
		while (device->arm(t->device));
		for (uint32_t i = 0; i < t->batch; i++) {
			uint32_t written;
			void *slot;

			if (driver->pop(t->driver, &slot, &written) != VIOMMU_OK || !is_answered(slot, written))
				return false;
		}
	}
	return true;
}

struct server {
	const struct bench_device_ops *ops;
	void *device;
	bool stop; /* by atomic operations */
};

static void *serve(void *arg)
{
	struct server *s = arg;
	uint32_t idle = 0;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		bool interrupt;

		if (s->ops->serve(s->device, &interrupt) > 0)
			idle = 0;
		else if (++idle % SPINS == 0)
			sched_yield();
	}
	return NULL;
}

static bool run_against_server(struct bench_trips *t, uint64_t batches)
{
	while (batches-- > 0) {
		uint32_t done = 0, idle = 0;
		bool kick;

		if (!post(t, &kick))
			return false;
		while (done < t->batch) {
			uint32_t written;
			void *slot;

			if (t->pair->driver->pop(t->driver, &slot, &written) == VIOMMU_OK) {
				if (!is_answered(slot, written))
					return false;
				done++;
			} else if (++idle % SPINS == 0) {
				if (idle >= SPINS_MAX)
					return false;
				sched_yield();
			}
		}
	}
	return true;
}

bool bench_trips_run_threads(struct bench_trips *t, uint64_t batches)
{
	struct server server = { .ops = t->pair->device, .device = t->device };
	pthread_t thread;
	bool ok;

	if (!bench_beside_start(&thread, serve, &server))
		return false;
	ok = run_against_server(t, batches);
	__atomic_store_n(&server.stop, true, __ATOMIC_RELAXED);
	/* It never asked for a kick; the next one that runs in one thread waits for that. */
	return pthread_join(thread, NULL) == 0 && !t->pair->device->arm(t->device) && ok;
}
