/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memory.h: seam C, guest-physical memory as the device side sees it.
 *
 * The device reaches the rings, the requests and (through access.h) an endpoint's buffers only by asking this seam for
 * a pointer. The embedder answers from whatever it has: a fixed table (struct viommu_memory_table below), its own
 * memory slots, or pages made on demand.
 */
#ifndef VIOMMU_MEMORY_H
#define VIOMMU_MEMORY_H

#include <viommu/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct viommu_memory_ops {
	uint32_t size; /* sizeof(struct viommu_memory_ops) */
	/*
	 * The host address of guest-physical `gpa` for this kind of access (VIOMMU_ACCESS_READ, _WRITE or both), or
	 * NULL where there is no memory or that access is not allowed. *len: in, the bytes wanted (at least 1); out,
	 * how many of them are contiguous at the returned pointer (at least 1, at most what was wanted). Must not block
	 * or call back into the library. The pointer has to stay usable until the embedder has been told that nothing
	 * in flight can still use it.
	 */
	void *(*resolve)(void *ctx, viommu_gpa gpa, uint32_t kind, uint64_t *len);
};

/* Copied where it is given; ops and ctx are kept by pointer. */
struct viommu_memory {
	const struct viommu_memory_ops *ops;
	void *ctx;
};

/*
 * A pointer to len bytes in one piece, or NULL: not memory, not allowed, not contiguous in the host, or gpa + len - 1
 * wraps. len > 0. Any thread that may call resolve. One call of resolve.
 */
void *viommu_memory_pointer(const struct viommu_memory *memory, viommu_gpa gpa, uint64_t len, uint32_t kind);

/*
 * Copies between guest memory and private memory, across pieces. Returns the bytes copied: fewer than len if it met a
 * hole. Any thread that may call resolve. One call of resolve per piece.
 */
size_t viommu_memory_read(const struct viommu_memory *memory, viommu_gpa gpa, void *dst, size_t len);
size_t viommu_memory_write(const struct viommu_memory *memory, viommu_gpa gpa, const void *src, size_t len);

/* A ready-made answer: a caller-owned table of regions that do not overlap, sorted by address. */
struct viommu_memory_region {
	viommu_gpa first;
	viommu_gpa last;
	void *host;    /* of first */
	uint32_t kind; /* what is allowed: VIOMMU_ACCESS_READ, or READ | WRITE */
};

struct viommu_memory_table {
	const struct viommu_memory_region *regions;
	uint32_t count;
};

/* ops for a struct viommu_memory whose ctx is a struct viommu_memory_table. Regions are not joined. O(log count). */
extern const struct viommu_memory_ops viommu_memory_table_ops;

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_MEMORY_H */
