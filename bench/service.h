/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * service.h: something that answers MAP and UNMAP requests of one domain and translates, at seam A or behind a ring.
 * For the library's own structure that is the library's device. For any other it is the least that can be called a
 * device: the request is copied once and decoded with the library's decoder, the structure changed, the tail written;
 * no domains, endpoints, reserved regions or access sections. So the comparison is in the others' favour.
 */
#ifndef VIOMMU_BENCH_SERVICE_H
#define VIOMMU_BENCH_SERVICE_H

#include "structures/structure.h"

#include "sim/transport.h"

#include <viommu/access.h>
#include <viommu/pump.h>

#define BENCH_DOMAIN 1u
#define BENCH_ENDPOINT 8u

/* A request queue and what serves it. */
struct bench_ring {
	struct viommu_virtq_driver driver;
	struct viommu_virtq_device device; /* serves the plain service; the library's device has its pump */
	struct viommu_virtq_shadow *shadow;
	struct viommu_segment *segments;
	uint8_t *shared; /* the rings, then the request and its tail */
	size_t request_at;
	struct viommu_memory_region ram;
	struct viommu_memory_table table;
	struct viommu_memory memory;
	struct viommu_pump pump;
	struct sim_transport transport;
	void *pump_mem;
};

struct bench_service {
	const struct bench_structure *structure;
	void *map; /* NULL: the library's device serves */
	struct viommu_device dev;
	struct viommu_request request;
	struct viommu_access access;
	void *device_mem;
	struct bench_ring ring;
};

/* With n pages mapped already, those of `pages`. */
bool bench_service_init(struct bench_service *s, const struct bench_structure *structure, const uint32_t *pages,
			uint32_t n);

/* Puts a ring in front of it. */
bool bench_service_add_ring(struct bench_service *s);
void bench_service_deinit(struct bench_service *s);

/* Maps or unmaps one page by a request at seam A. */
bool bench_service_map(struct bench_service *s, uint32_t page);
bool bench_service_unmap(struct bench_service *s, uint32_t page);

/* The same through the ring, and back. */
bool bench_service_ring_map(struct bench_service *s, uint32_t page);
bool bench_service_ring_unmap(struct bench_service *s, uint32_t page);

#endif /* VIOMMU_BENCH_SERVICE_H */
