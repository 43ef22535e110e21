/* SPDX-License-Identifier: BSD-3-Clause */
/* memory.h: the memory seam as the rooms of the device side call it. */
#ifndef VIOMMU_VIRTQ_MEMORY_H
#define VIOMMU_VIRTQ_MEMORY_H

#include <viommu/memory.h>

/* VIOMMU_E_ABI: the size is unknown. VIOMMU_E_ARG: read without write, write without read, or nothing at all. */
enum viommu_result viommu_i_memory_ops_check(const struct viommu_memory_ops *ops);

/*
 * The beginning of guest memory [gpa, gpa + *len) that is in one piece in the host. Asks the seam once, and makes sure
 * of what it answers: at least 1 byte, at most what was asked for, or NULL. *len > 0 and gpa + *len - 1 does not wrap.
 */
static inline void *viommu_i_memory_piece(const struct viommu_memory *memory, viommu_gpa gpa, uint32_t kind,
					  uint64_t *len)
{
	uint64_t got = *len;
	void *host;

	if (memory->ops->resolve == NULL)
		return NULL;
	host = memory->ops->resolve(memory->ctx, gpa, kind, &got);
	if (host == NULL || got == 0)
		return NULL;
	if (got < *len)
		*len = got;
	return host;
}

/* Without any memory. */
extern const struct viommu_memory_region viommu_i_memory_nowhere;

/*
 * Where a view found something last; nowhere, if that is not known or the seam is no view. Most of what a driver names
 * is in one region, and to look there costs less than to call the seam. It changes with what the seam is asked for.
 */
static inline const struct viommu_memory_region *viommu_i_memory_recent(const struct viommu_memory *memory)
{
	const struct viommu_memory_view *view = memory->ctx;

	if (VIOMMU_LIKELY(memory->ops == &viommu_memory_view_ops &&
			  view->generation == viommu_port_get64(&view->table->generation)))
		return &view->recent;
	return &viommu_i_memory_nowhere;
}

/* Is [gpa, gpa + len) in this region, and allowed what `kind` says, one bit? No bytes at all are nowhere. */
static inline VIOMMU_WRAPS bool viommu_i_memory_is_in(const struct viommu_memory_region *r, viommu_gpa gpa,
						      uint64_t len, uint32_t kind)
{
	return gpa >= r->first && gpa <= r->last && len - 1 <= r->last - gpa && (kind & r->kind) != 0;
}

static inline uint8_t *viommu_i_memory_host(const struct viommu_memory_region *r, viommu_gpa gpa)
{
	return (uint8_t *)r->host + (size_t)(gpa - r->first);
}

/* Without a pointer, by the seam's read and write. False also if it has none. As they say in memory.h. */
bool viommu_i_memory_fetch(const struct viommu_memory *memory, viommu_gpa gpa, void *dst, size_t len);
bool viommu_i_memory_store(const struct viommu_memory *memory, viommu_gpa gpa, const void *src, size_t len);

#endif /* VIOMMU_VIRTQ_MEMORY_H */
