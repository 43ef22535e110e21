/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * snapshot_bytes.h: a snapshot that is changed and mended, with a checksum of its own making; and those of
 * tests/snapshots, which later versions have to read, and to write as long as theirs is the same version.
 */
#ifndef VIOMMU_TESTS_SNAPSHOT_BYTES_H
#define VIOMMU_TESTS_SNAPSHOT_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
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

/* The checksum is as it has to be. */
static inline void snapshot_seal(uint8_t *bytes, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len - 4; i++) {
		crc ^= bytes[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = (crc & 1) != 0 ? crc >> 1 ^ UINT32_C(0xedb88320) : crc >> 1;
	}
	snapshot_put(bytes + len - 4, 4, ~crc);
}

/* And the length. At least 24 bytes. */
static inline void snapshot_mend(uint8_t *bytes, size_t len)
{
	snapshot_put(bytes + 12, 8, len);
	snapshot_seal(bytes, len);
}

/* What is in the n-th section, behind its head. Trusts the bytes. */
static inline uint8_t *snapshot_section(uint8_t *bytes, unsigned n)
{
	uint8_t *at = bytes + 20;

	while (n-- > 0)
		at += 12 + snapshot_get(at + 4, 8);
	return at + 12;
}

/*
 * Reads tests/snapshots/NAME. Returns how many bytes it has, 0: it is not there, or too long. With VIOMMU_GOLDEN=write
 * it is first made of these bytes: when there is a new version.
 */
static inline size_t snapshot_golden(const char *name, const uint8_t *bytes, size_t len, uint8_t *out, size_t room)
{
	const char *order = getenv("VIOMMU_GOLDEN");
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "tests/snapshots/%s", name);
	if (order != NULL && strcmp(order, "write") == 0) {
		file = fopen(path, "wb");
		if (file == NULL || fwrite(bytes, 1, len, file) != len || fclose(file) != 0)
			return 0;
	}
	file = fopen(path, "rb");
	if (file == NULL)
		return 0;
	len = fread(out, 1, room, file);
	fclose(file);
	return len < room ? len : 0;
}

#endif /* VIOMMU_TESTS_SNAPSHOT_BYTES_H */
