/* SPDX-License-Identifier: BSD-3-Clause */
/* split.h: the split ring as structs laid over shared memory, for the halves that are not the library's. */
#ifndef VIOMMU_BENCH_SPLIT_H
#define VIOMMU_BENCH_SPLIT_H

#include "ring.h"

#include <viommu/wire.h>

#include <stdlib.h>
#include <string.h>

#define SPLIT_NEXT 1u
#define SPLIT_WRITE 2u
#define SPLIT_INDIRECT 4u
#define SPLIT_QUIET 1u
#define SPLIT_TABLE 4u /* descriptors of an indirect table */

struct split_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct split_avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[BENCH_RING_SIZE];
	uint16_t used_event;
};

struct split_used_entry {
	uint32_t id;
	uint32_t len;
};

struct split_used {
	uint16_t flags;
	uint16_t idx;
	struct split_used_entry ring[BENCH_RING_SIZE];
	uint16_t avail_event;
};

static inline uint64_t split_get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return viommu_port_le64(v);
}

/* The host address of [addr, addr + len) if that is not empty and lies in one region, or NULL. */
static inline uint8_t *split_host(const struct bench_ring_memory *memory, uint64_t addr, uint64_t len)
{
	for (uint32_t i = 0; i < 2; i++) {
		const struct viommu_memory_region *r = &memory->regions[i];

		if (addr >= r->first && addr <= r->last)
			return len - 1 <= r->last - addr ? (uint8_t *)r->host + (addr - r->first) : NULL;
	}
	return NULL;
}

/* Did the index pass `event` on its way from `before` to `after`? */
static inline bool split_passed(uint16_t event, uint16_t before, uint16_t after)
{
	return (uint16_t)(after - event - 1) < (uint16_t)(after - before);
}

#endif /* VIOMMU_BENCH_SPLIT_H */
