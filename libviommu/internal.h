/* SPDX-License-Identifier: BSD-3-Clause */
/* internal.h: what every room of the library may use. The only undefined symbols of the core are these four. */
#ifndef VIOMMU_INTERNAL_H
#define VIOMMU_INTERNAL_H

#include <viommu/port.h>

void *memcpy(void *dst, const void *src, size_t len);
void *memmove(void *dst, const void *src, size_t len);
void *memset(void *dst, int value, size_t len);
int memcmp(const void *a, const void *b, size_t len);

/* The first multiple of `align` (a power of two) at or behind p. */
static inline uintptr_t viommu_i_align_up(uintptr_t p, uintptr_t align)
{
	return (p + align - 1) & ~(align - 1);
}

/* Does p point behind `count` elements of `size` bytes at base? Wraps: checks ask before they know that base is sane. */
static inline VIOMMU_WRAPS bool viommu_i_is_behind(const void *p, const void *base, uint32_t count, size_t size)
{
	return (uintptr_t)p == (uintptr_t)base + count * size;
}

/* Is p one of the `count` elements of `size` bytes at base? By search: small processors have no division. */
static inline bool viommu_i_is_element(const void *p, const void *base, uint32_t count, size_t size)
{
	uint32_t low = 0;
	uint32_t high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		uintptr_t at = (uintptr_t)base + middle * size;

		if (at == (uintptr_t)p)
			return true;
		if (at < (uintptr_t)p)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/*
 * For walks along lists that nobody has counted: shown one element after the other, it says when one comes again that
 * it has kept in mind, which it changes ever more rarely (Brent). Starts as zeroes.
 */
struct viommu_i_circle {
	const void *mark;
	uint32_t span;
	uint32_t left;
};

static inline bool viommu_i_circle_closes(struct viommu_i_circle *c, const void *element)
{
	if (element == c->mark)
		return true;
	if (c->left == 0) {
		c->mark = element;
		c->span = 2 * c->span + 1;
		c->left = c->span;
	}
	c->left--;
	return false;
}

/* The next value of a counter that runs freely, from the top on to 0. Returns the one before. */
static inline VIOMMU_WRAPS uint32_t viommu_i_step(uint32_t *counter)
{
	return (*counter)++;
}

/* How far such a counter has run ahead of another one. */
static inline VIOMMU_WRAPS uint32_t viommu_i_steps(uint32_t from, uint32_t to)
{
	return to - from;
}

#endif /* VIOMMU_INTERNAL_H */
