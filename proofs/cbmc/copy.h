/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * copy.h: what stands for __builtin_memcpy in all that is proved: one assignment where the length is that of a field.
 */
#ifndef VIOMMU_PROOF_COPY_H
#define VIOMMU_PROOF_COPY_H

#include <stdint.h>
#include <string.h>

struct proof_bytes2 {
	uint8_t bytes[2];
};

struct proof_bytes4 {
	uint8_t bytes[4];
};

struct proof_bytes8 {
	uint8_t bytes[8];
};

static inline void *proof_copy(void *dst, const void *src, size_t len)
{
	switch (len) {
	case 2:
		*(struct proof_bytes2 *)dst = *(const struct proof_bytes2 *)src;
		return dst;
	case 4:
		*(struct proof_bytes4 *)dst = *(const struct proof_bytes4 *)src;
		return dst;
	case 8:
		*(struct proof_bytes8 *)dst = *(const struct proof_bytes8 *)src;
		return dst;
	default:
		return memcpy(dst, src, len);
	}
}

#endif /* VIOMMU_PROOF_COPY_H */
