/* SPDX-License-Identifier: BSD-3-Clause */
/* library.c: the halves of the library, as an embedder calls them. */
#include "ring.h"

#include <stdlib.h>

struct library_driver {
	struct viommu_virtq_driver q;
	struct viommu_virtq_shadow shadow[BENCH_RING_SIZE];
};

static void *library_driver_open(const struct bench_ring_memory *memory, uint64_t features,
				 struct viommu_virtq_layout *layout)
{
	const struct viommu_shared_memory shared = { memory->base, memory->addr, memory->len };
	struct library_driver *d = calloc(1, sizeof(*d));

	if (d != NULL &&
	    viommu_virtq_driver_init(&d->q, BENCH_RING_SIZE, features, &shared, d->shadow, layout) == VIOMMU_OK)
		return d;
	free(d);
	return NULL;
}

static enum viommu_result library_driver_add(void *driver, const struct viommu_bus_segment *pieces, uint32_t readable,
					     uint32_t writable, void *token)
{
	struct library_driver *d = driver;

	return viommu_virtq_driver_add(&d->q, pieces, readable, writable, token);
}

static bool library_driver_publish(void *driver)
{
	struct library_driver *d = driver;

	return viommu_virtq_driver_publish(&d->q);
}

static enum viommu_result library_driver_pop(void *driver, void **token, uint32_t *written)
{
	struct library_driver *d = driver;

	return viommu_virtq_driver_pop(&d->q, token, written);
}

const struct bench_driver_ops bench_library_driver = {
	.open = library_driver_open,
	.close = free,
	.add = library_driver_add,
	.publish = library_driver_publish,
	.pop = library_driver_pop,
};

struct library_device {
	struct viommu_virtq_device q;
	struct viommu_memory_table table;
	struct viommu_memory_view view;
	struct viommu_segment segments[BENCH_RING_SIZE];
};

static void *library_device_open(const struct bench_ring_memory *memory, const struct viommu_virtq_layout *layout)
{
	struct library_device *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->table = (struct viommu_memory_table){ .regions = memory->regions, .count = 2 };
	viommu_memory_view_init(&d->view, &d->table);
	viommu_virtq_device_init(&d->q, &(struct viommu_memory){ .ops = &viommu_memory_view_ops, .ctx = &d->view });
	if (viommu_virtq_device_enable(&d->q, layout) == VIOMMU_OK)
		return d;
	free(d);
	return NULL;
}

/* As the library's device has it: copied once, before anything in it is judged. */
static size_t library_gather(const struct viommu_chain *chain, uint8_t bytes[BENCH_RING_REQUEST])
{
	size_t len = 0;

	/* Hardly any driver cuts a request, and a length that the compiler knows makes a few loads and stores of it. */
	if (chain->readable > 0 && chain->segments[0].len >= BENCH_RING_REQUEST) {
		viommu_port_copy_in(bytes, chain->segments[0].base, BENCH_RING_REQUEST);
		return BENCH_RING_REQUEST;
	}
	for (uint32_t i = 0; i < chain->readable && len < BENCH_RING_REQUEST; i++) {
		size_t n = chain->segments[i].len;

		if (n > BENCH_RING_REQUEST - len)
			n = BENCH_RING_REQUEST - len;
		viommu_port_copy_in(bytes + len, chain->segments[i].base, n);
		len += n;
	}
	return len;
}

/* Returns the bytes written. */
static uint32_t library_answer(const struct viommu_chain *chain)
{
	const struct viommu_segment *tail = &chain->segments[chain->readable];
	uint8_t answer[BENCH_RING_TAIL] = { 0 };
	uint8_t bytes[BENCH_RING_REQUEST];

	if (chain->writable != 1 || tail->len < sizeof answer)
		return 0;
	answer[0] = bench_ring_execute(bytes, library_gather(chain, bytes));
	viommu_port_copy_out(tail->base, answer, sizeof answer);
	return sizeof answer;
}

static uint32_t library_device_serve(void *device, bool *interrupt)
{
	struct library_device *d = device;
	struct viommu_chain chain = { .segments = d->segments, .capacity = BENCH_RING_SIZE };
	enum viommu_result r;
	uint32_t n = 0;

	while ((r = viommu_virtq_device_pop(&d->q, &chain)) == VIOMMU_OK || r == VIOMMU_E_PEER) {
		const uint32_t written = r == VIOMMU_OK ? library_answer(&chain) : 0;

		if (viommu_virtq_device_push(&d->q, chain.head, written) != VIOMMU_OK)
			break;
		n++;
	}
	*interrupt = viommu_virtq_device_publish(&d->q);
	return n;
}

static bool library_device_arm(void *device)
{
	struct library_device *d = device;

	return viommu_virtq_device_arm(&d->q);
}

const struct bench_device_ops bench_library_device = {
	.open = library_device_open,
	.close = free,
	.serve = library_device_serve,
	.arm = library_device_arm,
};
