/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memory.h: guest memory as one client shares it, a table of regions for the library (viommu/memory.h).
 *
 * Nothing is unmapped under somebody's hands: each change makes the table look as it will be, then `changed` is called,
 * which returns when nothing uses the old one any more, and only then is memory unmapped.
 *
 * A client that arranges guest memory anew takes regions away and brings them back one by one, while its guest stands
 * still, and whoever looked at a ring in between would not find it. So what is taken away stays in the table at first:
 * memory is in flux, and nobody may look into it, until all of it is back or memory_apply is called. The change is one
 * then, without a hole.
 *
 * A client keeps the file, and can cut it short after we have mapped it. The signal that this brings is caught: zeroes
 * are there instead, and the client is found to be no good.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <viommu/memory.h>

#define MEMORY_REGIONS_MAX 256u

struct memory_piece {
	uint64_t first;
	uint64_t last;
	void *host;  /* NULL: the client shared an address, but no file */
	size_t size; /* of host */
	uint32_t kind;
};

struct guest_memory {
	struct viommu_memory_table table;
	struct viommu_memory_region regions[2][MEMORY_REGIONS_MAX]; /* the table's, and the next one's */
	unsigned current;
	struct memory_piece pieces[MEMORY_REGIONS_MAX]; /* sorted */
	uint32_t count;
	struct memory_piece gone[MEMORY_REGIONS_MAX]; /* taken away, and in the table still */
	uint32_t gone_count;
	void (*changed)(void *ctx);
	void *ctx;
};

/* Once, before any other call: the signal. */
void memory_catch_truncation(void);

void memory_init(struct guest_memory *memory, void (*changed)(void *ctx), void *ctx);

/* Adds a region; fd is -1 or stays the caller's. Returns 0 or an errno. */
int memory_map(struct guest_memory *memory, int fd, uint64_t offset, uint64_t address, uint64_t size, uint32_t kind);

/*
 * Takes the regions away that are in this range, which cuts none. Returns 0 or an errno. Nothing is done with the
 * memory at this time, nor until memory is not in flux any more.
 */
int memory_unmap(struct guest_memory *memory, uint64_t address, uint64_t size);

void memory_unmap_all(struct guest_memory *memory); /* the same with all of them */

/* Was memory taken away that is in the table still? */
bool memory_is_in_flux(const struct guest_memory *memory);

/* What was taken away is gone, whether or not all of it came back. */
void memory_apply(struct guest_memory *memory);

/* Did the client cut a file short that is mapped? */
bool memory_is_damaged(const struct guest_memory *memory);

/* Bytes mapped by all clients together. */
uint64_t memory_mapped(void);

#endif /* MEMORY_H */
