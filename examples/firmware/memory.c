/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memory.c: the four functions that the library and the compiler ask for. Byte by byte: right everywhere. To be built
 * with -fno-tree-loop-distribute-patterns, or gcc finds that a loop of this kind is a memcpy, and calls it.
 */
#include "memory.h"

void *memcpy(void *dst, const void *src, size_t len)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	for (size_t i = 0; i < len; i++)
		d[i] = s[i];
	return dst;
}

void *memmove(void *dst, const void *src, size_t len)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	if ((uintptr_t)d <= (uintptr_t)s)
		return memcpy(dst, src, len);
	for (size_t i = len; i > 0; i--)
		d[i - 1] = s[i - 1];
	return dst;
}

void *memset(void *dst, int value, size_t len)
{
	uint8_t *d = dst;

	for (size_t i = 0; i < len; i++)
		d[i] = (uint8_t)value;
	return dst;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const uint8_t *x = a, *y = b;

	for (size_t i = 0; i < len; i++) {
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	}
	return 0;
}
