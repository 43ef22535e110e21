/* SPDX-License-Identifier: BSD-3-Clause */
/* snapshot_bytes.h: a snapshot that is changed and mended, with a checksum of its own making. */
#ifndef VIOMMU_TESTS_SNAPSHOT_BYTES_H
#define VIOMMU_TESTS_SNAPSHOT_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t snapshot_get(const uint8_t *p, unsigned bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | p[bytes];
	return value;
}

static inline void snapshot_put(uint8_t *p, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++, value >>= 8)
		p[i] = (uint8_t)value;
}

/* The length and the checksum are as they have to be. At least 24 bytes. */
static inline void snapshot_mend(uint8_t *bytes, size_t len)
{
	uint32_t crc = UINT32_MAX;

	snapshot_put(bytes + 12, 8, len);
	for (size_t i = 0; i < len - 4; i++) {
		crc ^= bytes[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = (crc & 1) != 0 ? crc >> 1 ^ UINT32_C(0xedb88320) : crc >> 1;
	}
	snapshot_put(bytes + len - 4, 4, ~crc);
}

/* What is in the n-th section, behind its head. Trusts the bytes. */
static inline uint8_t *snapshot_section(uint8_t *bytes, unsigned n)
{
	uint8_t *at = bytes + 20;

	while (n-- > 0)
		at += 12 + snapshot_get(at + 4, 8);
	return at + 12;
}

#endif /* VIOMMU_TESTS_SNAPSHOT_BYTES_H */
