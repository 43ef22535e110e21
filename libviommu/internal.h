/* SPDX-License-Identifier: BSD-3-Clause */
/* internal.h: what every room of the library may use. The only undefined symbols of the core are these four. */
#ifndef VIOMMU_INTERNAL_H
#define VIOMMU_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

void *memcpy(void *dst, const void *src, size_t len);
void *memmove(void *dst, const void *src, size_t len);
void *memset(void *dst, int value, size_t len);
int memcmp(const void *a, const void *b, size_t len);

/* The first multiple of `align` (a power of two) at or behind p. */
static inline uintptr_t viommu_i_align_up(uintptr_t p, uintptr_t align)
{
	return (p + align - 1) & ~(align - 1);
}

#endif /* VIOMMU_INTERNAL_H */
