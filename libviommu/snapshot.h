/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * snapshot.h: the frame and the sections of a snapshot, for all rooms that write one. docs/snapshot.md has the bytes.
 *
 * Writing: what is to be written was measured before, and there is room for it. Reading: whatever the bytes say, nothing
 * outside of them is touched; a section is given out as a whole, once its length is known to be right.
 */
#ifndef VIOMMU_I_SNAPSHOT_H
#define VIOMMU_I_SNAPSHOT_H

#include <viommu/types.h>

#include "bytes.h"

/* The frame: magic, version, length in front, the checksum behind. */
#define SNAPSHOT_HEAD 20u
#define SNAPSHOT_FRAME (SNAPSHOT_HEAD + 4u)
#define SNAPSHOT_VERSION 1u

/* In front of each section: its type, and its length without this. */
#define SNAPSHOT_SECTION 12u
#define SNAPSHOT_TYPE(a, b, c, d) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

/* CRC-32 as of IEEE 802.3, zip and PNG. `crc` is what came of the bytes before, 0 at the begin. */
uint32_t viommu_i_snapshot_crc(uint32_t crc, const uint8_t *bytes, size_t len);

/* Where the next byte goes. */
struct viommu_i_save {
	uint8_t *start;
	uint8_t *at;
};

static inline void viommu_i_save16(struct viommu_i_save *s, uint16_t value)
{
	viommu_i_put16(s->at, value);
	s->at += 2;
}

static inline void viommu_i_save32(struct viommu_i_save *s, uint32_t value)
{
	viommu_i_put32(s->at, value);
	s->at += 4;
}

static inline void viommu_i_save64(struct viommu_i_save *s, uint64_t value)
{
	viommu_i_put64(s->at, value);
	s->at += 8;
}

/*
 * A snapshot of `total` bytes, frame included. VIOMMU_E_FULL: the buffer has not so many; nothing is written then, and
 * *s is not set.
 */
enum viommu_result viommu_i_save_begin(struct viommu_i_save *s, void *buf, size_t len, uint64_t total);
static inline void viommu_i_save_section(struct viommu_i_save *s, uint32_t type, uint64_t len)
{
	viommu_i_save32(s, type);
	viommu_i_save64(s, len);
}
/* The checksum. Returns the length of all. */
size_t viommu_i_save_end(struct viommu_i_save *s);

/* What is left to be read. */
struct viommu_i_load {
	const uint8_t *at;
	size_t left;
};

/* A section, or what is left of one. */
struct viommu_i_section {
	const uint8_t *bytes;
	size_t len;
};

/*
 * Judges the frame. VIOMMU_E_PEER: not a snapshot, cut off, longer than it says, or damaged. VIOMMU_E_ABI: all right,
 * but of a version that this library does not read.
 */
enum viommu_result viommu_i_load_begin(struct viommu_i_load *l, const void *bytes, size_t len);

/* The next section, which has to be of this type. False: it is not, or runs over the end. */
bool viommu_i_load_section(struct viommu_i_load *l, uint32_t type, struct viommu_i_section *out);

/* The same, and of this length. NULL: it is not. */
const uint8_t *viommu_i_load_fixed(struct viommu_i_load *l, uint32_t type, size_t len);

#endif /* VIOMMU_I_SNAPSHOT_H */
