/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dma.h: buffers for endpoints: finds an IOVA, maps, and takes the mapping away again. Firmware needs nothing else
 * above the driver.
 *
 *      viommu_driver_dma_map(buffers) --> a range that is free in the domain's record, MAP, one kick, one wait
 *           |                                  ^
 *           | 1. hint: what was freed last     | 2. search: from where the last one ended, once around
 *           v                                  |
 *      magazines, one for each size class      the record itself (map.h), and the endpoints' reserved regions
 *
 * The record of the domain is the only book: a range is free if the record has no mapping there. So what an UNMAP still
 * takes away, and what is UNCERTAIN (driver.h), is not handed out before it is settled; what viommu_driver_map maps is
 * never handed out; and any number of these objects can be on one domain, one for each endpoint of another width, or
 * for each core. A magazine is nothing but addresses worth a look, and losing one costs time only.
 *
 * What an endpoint can reach. Mappings are made of whole granules: what shares the first and the last granule with a
 * buffer is within the endpoint's reach as long as the buffer is. Data that it must not see, or must not write, does
 * not belong there: give such endpoints whole granules.
 *
 * Strict and lazy. Without `deferred` memory an unmap that returns VIOMMU_OK has been confirmed: from then on no access
 * of an endpoint arrives, and the memory is the caller's again. With it unmap is lazy: it only notes the range. Until
 * the next flush (by viommu_driver_dma_flush, because the memory is full, or because a map finds no range or no map
 * node) the endpoints can still reach the old memory. So lazy is for endpoints that are trusted not to do so, and guards against their
 * errors later than strict. What it does not weaken: no range is handed out again, and none leaves the record, before
 * its UNMAP is confirmed. Call flush from a timer, to bound how long that is. What waits is the object's to unmap: not
 * viommu_driver_unmap's, nor that of an object without `deferred`.
 *
 * Several threads, if the driver has lock hooks, as in driver.h.
 */
#ifndef VIOMMU_DMA_H
#define VIOMMU_DMA_H

#include <viommu/driver.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the endpoint does with a buffer. The first three are bits of the MAP. */
#define VIOMMU_DMA_TO_DEVICE 1u   /* it reads */
#define VIOMMU_DMA_FROM_DEVICE 2u /* it writes */
#define VIOMMU_DMA_BIDIRECTIONAL 3u
#define VIOMMU_DMA_MMIO 4u         /* the buffer is device memory. Needs VIOMMU_F_MMIO */
#define VIOMMU_DMA_COHERENT 0x100u /* memory that is not cached, or snooped: no hook is called for it */

/* A buffer, or a piece of a list. */
struct viommu_dma_buffer {
	void *cpu;        /* where the CPU has it: for the hooks, else unused */
	viommu_gpa phys;  /* of any alignment */
	uint64_t len;     /* not 0 */
	viommu_iova iova; /* out: where the endpoint has it; with the same offset in the granule as phys */
};

/* For machines where DMA of endpoints is not coherent. Lock not held; on the caller's thread. */
struct viommu_dma_ops {
	uint32_t size; /* sizeof(struct viommu_dma_ops) */
	/* Writes back what the CPU's caches have of the buffer, so that nothing is left to be written. Needed. */
	void (*clean)(void *ctx, const struct viommu_dma_buffer *buffer);
	/* Drops it, before the CPU reads what the endpoint wrote. Lines that other data shares are lost too. Needed. */
	void (*invalidate)(void *ctx, const struct viommu_dma_buffer *buffer);
};

struct viommu_dma_config {
	uint32_t size;                 /* sizeof(struct viommu_dma_config) */
	bool bottom_up;                /* from the lowest addresses on; otherwise from the highest */
	struct viommu_range window;    /* addresses that the endpoints can put on the bus: 0 to 2^32 - 1 for 32 bits */
	viommu_iova *hints;            /* memory for the magazines, VIOMMU_DMA_CLASSES elements or more; or NULL */
	uint32_t hint_count;           /* elements; each class gets as many */
	uint32_t deferred_count;       /* elements; 0: strict */
	struct viommu_range *deferred; /* lazy: memory for what waits for a flush */
	const struct viommu_dma_ops *ops; /* kept by pointer; NULL: DMA is coherent */
	void *ops_ctx;
};

#define VIOMMU_DMA_CONFIG_INIT                                                                                         \
	{                                                                                                              \
		.size = sizeof(struct viommu_dma_config), .window = { 0, UINT64_MAX }                                  \
	}

/* Size classes: 1, 2, 4 ... 128 granules. What is larger has no magazine. */
#define VIOMMU_DMA_CLASSES 8u

/* Private members. */
struct viommu_driver_dma {
	struct viommu_driver_domain *domain;
	const struct viommu_dma_ops *ops;
	void *ops_ctx;
	struct viommu_range window;
	viommu_iova cursor; /* where the next search begins */
	viommu_iova *hints;
	uint32_t depth; /* of each magazine */
	uint32_t counts[VIOMMU_DMA_CLASSES];
	struct viommu_range *deferred;
	uint32_t deferred_max;
	uint32_t deferred_count;
	bool bottom_up;
};

/*
 * Buffers for the endpoints of a domain. The config is copied, its memory stays in place as long as the object. There
 * is nothing to be undone before either goes, but for a flush if it is lazy.
 * VIOMMU_E_ABI: a size is unknown. VIOMMU_E_ARG: an empty window, a count without memory, fewer hints than classes,
 * half of the hooks. Constant time. Owner of the object.
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_dma_init(struct viommu_driver_dma *dma,
							   struct viommu_driver_domain *domain,
							   const struct viommu_dma_config *config);

/*
 * Maps `count` buffers: all or none. how: VIOMMU_DMA_*. Each gets addresses of its own, aligned to its granules rounded
 * up to a power of two, within window and input_range, outside of the reserved regions of the domain's endpoints and of
 * its MSI window, unless the object's own window is inside of that. The granule at 0 is never handed out: it looks like no address. On return the device has answered: one kick and one wait
 * for as many requests as there are slots. In a bypass domain nothing is sent and iova is phys.
 * VIOMMU_E_ARG: len is 0, phys + len wraps, bits of `how`. VIOMMU_E_FULL: no such range is free. VIOMMU_E_RANGE:
 * bypass, and the buffer is outside of the window. VIOMMU_E_STATE, VIOMMU_E_UNSUPP, VIOMMU_E_NOMEM, VIOMMU_E_REJECTED,
 * VIOMMU_E_PEER, VIOMMU_E_TIMEOUT, VIOMMU_E_BROKEN, VIOMMU_E_PORT: as viommu_driver_map and _sync. What was mapped by
 * then is unmapped again, with a wait for all that is in flight for the domain. If that fails, the range is UNCERTAIN:
 * the domain's next sync reports it, unless the queue is broken, when nothing can be asked until a stop settles it.
 * Steps for a buffer: with a hint that is good, one look at the record and one map operation. Each hint that is not
 * good is forgotten. Otherwise at most two walks through what the record has in the window, from mapping to mapping;
 * the lock is held for 16 of them at a time. Each look also passes the reserved regions of the domain's endpoints.
 * Locked, waits. Specification: IOMMU device, "MAP request"; of reserved regions, "PROBE request".
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_dma_map(struct viommu_driver_dma *dma,
							  struct viommu_dma_buffer *buffers, uint32_t count,
							  uint32_t how);

/*
 * Takes them away again, with the same buffers and `how`. Strict: when it returns VIOMMU_OK the device has confirmed
 * it. Lazy: see above.
 * VIOMMU_E_ARG: as map. VIOMMU_E_NOENT: one of them is not mapped, or waits for a flush; nothing was done.
 * VIOMMU_E_STATE, VIOMMU_E_REJECTED, VIOMMU_E_PEER, VIOMMU_E_TIMEOUT, VIOMMU_E_BROKEN, VIOMMU_E_PORT: as
 * viommu_driver_unmap and _sync; what the device did not confirm may still be reached and is UNCERTAIN, or was not even
 * asked for. VIOMMU_E_RANGE: one is outside of the input_range of a later start; nothing was done. After a failure all
 * of the list is still recorded, what the device confirmed too, and nobody gets these addresses: call it again with the
 * same list. A list has each buffer once.
 * Steps: one map operation for each; lazy: and the ranges that wait. Locked, waits (lazy: if the memory is full).
 * Specification: IOMMU device, "UNMAP request".
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_dma_unmap(struct viommu_driver_dma *dma,
							    const struct viommu_dma_buffer *buffers, uint32_t count,
							    uint32_t how);

/*
 * Where this endpoint sends its messages (MSI) to reach a doorbell that is at doorbell->phys for the CPU: there, if the
 * domain is a bypass one or the endpoint's PROBE gave an MSI region with the whole doorbell in it; else at an address
 * that is mapped for it, for writes, as device memory where that was negotiated. An object with a small `window` of its
 * own makes that the software's MSI window; viommu_driver_domain_set_msi_window keeps other objects off. The endpoint is
 * one of the domain.
 * Errors as dma_map and dma_unmap. Locked, waits. ("PROBE request", property RESV_MEM, subtype MSI)
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_dma_map_doorbell(struct viommu_driver_dma *dma,
								   const struct viommu_driver_endpoint *endpoint,
								   struct viommu_dma_buffer *doorbell);
VIOMMU_NODISCARD enum viommu_result viommu_driver_dma_unmap_doorbell(struct viommu_driver_dma *dma,
								     const struct viommu_driver_endpoint *endpoint,
								     const struct viommu_dma_buffer *doorbell);

/*
 * While a buffer is mapped: before the CPU looks at what the endpoint wrote, and before the endpoint looks at what the
 * CPU wrote. Constant time but for the hook. Any thread.
 */
void viommu_driver_dma_for_cpu(const struct viommu_driver_dma *dma, const struct viommu_dma_buffer *buffer,
			       uint32_t how);
void viommu_driver_dma_for_device(const struct viommu_driver_dma *dma, const struct viommu_dma_buffer *buffer,
				  uint32_t how);

/*
 * Sends the UNMAPs that were put off, and waits for them, one kick for as many as there are slots.
 * Errors and reports as viommu_driver_sync, which it ends with. If it fails before everything was sent, the rest waits
 * for the next flush. Locked, waits.
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_dma_flush(struct viommu_driver_dma *dma,
							    struct viommu_driver_failure *failure);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_DMA_H */
