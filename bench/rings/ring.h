/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring.h: the two halves of a split virtqueue as the benchmarks see them: the library's, and what others write in their
 * place. rings_check.c says that all of them carry requests, and that those that claim to check do.
 *
 * A request is one the IOMMU knows, a MAP of 36 readable bytes, and 4 writable ones for its status. The device looks at
 * it with bench_ring_execute and does nothing else, so what is measured is the ring.
 */
#ifndef VIOMMU_BENCH_RING_H
#define VIOMMU_BENCH_RING_H

#include <viommu/virtq.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_RING_SIZE 256u
#define BENCH_RING_BATCH_MAX 32u
#define BENCH_RING_REQUEST 36u
#define BENCH_RING_TAIL 4u

/* The guest's memory: two regions, as the hole below 4 GiB makes them. What is used is all in the second one. */
struct bench_ring_memory {
	struct viommu_memory_region regions[2];
	uint8_t *base; /* of regions[1] */
	uint64_t addr;
	size_t len;
};

struct bench_driver_ops {
	/* Lays its rings out from the beginning of the memory, VIOMMU_VIRTQ_DRIVER_SHARED bytes. NULL: no memory. */
	void *(*open)(const struct bench_ring_memory *memory, uint64_t features, struct viommu_virtq_layout *layout);
	void (*close)(void *driver);
	/* As viommu_virtq_driver_add and viommu_virtq_driver_pop, so that none of them pays for another one's results. */
	enum viommu_result (*add)(void *driver, const struct viommu_bus_segment *pieces, uint32_t readable,
				  uint32_t writable, void *token);
	/* Whether the device has to be kicked. */
	bool (*publish)(void *driver);
	enum viommu_result (*pop)(void *driver, void **token, uint32_t *written);
};

struct bench_device_ops {
	void *(*open)(const struct bench_ring_memory *memory, const struct viommu_virtq_layout *layout);
	void (*close)(void *device);
	/*
	 * Takes all there is, executes and answers it: how many that was, and whether the driver has to be interrupted.
	 * A refused chain is answered with length 0.
	 */
	uint32_t (*serve)(void *device, bool *interrupt);
	/* Asks for a kick. Whether something came in the meantime. */
	bool (*arm)(void *device);
};

/* A driver and a device that talk to each other. */
struct bench_ring_pair {
	const char *name;
	const struct bench_driver_ops *driver;
	const struct bench_device_ops *device;
	bool checks; /* both believe nothing that the other one wrote */
};

/* Those of the library come first. Ends with one without a name. */
extern const struct bench_ring_pair bench_ring_pairs[];

extern const struct bench_driver_ops bench_library_driver, bench_plain_driver, bench_bare_driver;
extern const struct bench_device_ops bench_library_device, bench_in_place_device, bench_copying_device,
	bench_bare_device;

/* The status of a request: what a device has to look at in a MAP before it changes anything. */
uint8_t bench_ring_execute(const uint8_t *request, size_t len);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_BENCH_RING_H */
