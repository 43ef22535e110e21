/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * snapshot.c: the frame around a snapshot, and its sections. docs/snapshot.md.
 *
 *   offset   0       8         12       20          20 + n ...               length - 4
 *            magic   version   length   type (4), length n (8), bytes ...    checksum of all before
 */
#include "../snapshot.h"

#include "../internal.h"

/* A byte that ends text, and one that transfers as text would change: as PNG has it. */
static const uint8_t magic[8] = { 'v', 'i', 'o', 'm', 'm', 'u', 0x1a, 0x0a };

uint32_t viommu_i_snapshot_crc(uint32_t crc, const uint8_t *bytes, size_t len)
{
	/* For each value of the lower four bits what dividing by the polynomial, 0xedb88320, makes of them. */
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};

	crc = ~crc;
	for (size_t i = 0; i < len; i++) {
		crc ^= bytes[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

enum viommu_result viommu_i_save_begin(struct viommu_i_save *s, void *buf, size_t len, uint64_t total)
{
	if (len < total)
		return VIOMMU_E_FULL;
	s->start = buf;
	memcpy(s->start, magic, sizeof magic);
	s->at = s->start + sizeof magic;
	viommu_i_save32(s, SNAPSHOT_VERSION);
	viommu_i_save64(s, total);
	return VIOMMU_OK;
}

size_t viommu_i_save_end(struct viommu_i_save *s)
{
	viommu_i_save32(s, viommu_i_snapshot_crc(0, s->start, (size_t)(s->at - s->start)));
	VIOMMU_ASSERT((uint64_t)(s->at - s->start) == viommu_i_get64(s->start + 12));
	return (size_t)(s->at - s->start);
}

enum viommu_result viommu_i_load_begin(struct viommu_i_load *l, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	if (len < SNAPSHOT_FRAME || memcmp(p, magic, sizeof magic) != 0 || viommu_i_get64(p + 12) != len)
		return VIOMMU_E_PEER;
	if (viommu_i_get32(p + len - 4) != viommu_i_snapshot_crc(0, p, len - 4))
		return VIOMMU_E_PEER;
	if (viommu_i_get32(p + 8) != SNAPSHOT_VERSION)
		return VIOMMU_E_ABI;
	l->at = p + SNAPSHOT_HEAD;
	l->left = len - SNAPSHOT_FRAME;
	return VIOMMU_OK;
}

bool viommu_i_load_section(struct viommu_i_load *l, uint32_t type, struct viommu_i_section *out)
{
	uint64_t len;

	if (l->left < SNAPSHOT_SECTION || viommu_i_get32(l->at) != type)
		return false;
	len = viommu_i_get64(l->at + 4);
	if (len > l->left - SNAPSHOT_SECTION)
		return false;
	out->bytes = l->at + SNAPSHOT_SECTION;
	out->len = (size_t)len;
	l->at = out->bytes + out->len;
	l->left -= SNAPSHOT_SECTION + out->len;
	return true;
}

const uint8_t *viommu_i_load_fixed(struct viommu_i_load *l, uint32_t type, size_t len)
{
	struct viommu_i_section section;

	return viommu_i_load_section(l, type, &section) && section.len == len ? section.bytes : NULL;
}
