/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memory.h: seam C, guest-physical memory as the device side sees it.
 *
 * The device reaches the rings, the requests and (through access.h) an endpoint's buffers only by asking this seam for
 * a pointer, or, where there is none, to have bytes copied. The embedder answers from whatever it has: a table of
 * regions (struct viommu_memory_table below), its own memory slots, pages made on demand, or the read and write
 * functions of its address space.
 *
 * Threads. The callbacks run on the thread that called the library: for rings and requests that is the owner of the
 * pump and the device, for viommu_access_read and _write the owner of the access context. So a seam whose callbacks are
 * one thread's, such as a view, is for one of them, or for all if they are one thread. A table is for all of them, also
 * while its owner changes it.
 *
 * Memory that goes away: first the seam answers without it, then the owner of the device says so, and when that has
 * settled nothing uses it any more (memory_changed in pump.h and device.h). A pointer that was found in an access
 * section stays good until that section ends. docs/memory.md has programs for all this.
 */
#ifndef VIOMMU_MEMORY_H
#define VIOMMU_MEMORY_H

#include <viommu/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct viommu_memory_ops {
	uint32_t size; /* sizeof(struct viommu_memory_ops) */
	/*
	 * The host address of guest-physical `gpa` for this kind of access (VIOMMU_ACCESS_READ, _WRITE or both), or
	 * NULL where there is no memory or that access is not allowed. *len: in, the bytes wanted (at least 1); out,
	 * how many of them are contiguous at the returned pointer (at least 1, at most what was wanted). Must not block
	 * or call back into the library. The pointer has to stay usable until the embedder has said that memory changed
	 * (viommu_pump_memory_changed, viommu_device_memory_changed) and viommu_device_memory_is_settled. NULL if read
	 * and write are all there is.
	 */
	void *(*resolve)(void *ctx, viommu_gpa gpa, uint32_t kind, uint64_t *len);
	/*
	 * Both or none. Copy between guest memory and private memory; called where resolve is NULL or answers NULL, but
	 * they have to reach all memory: a ring that is not in one piece in the host goes through them as a whole.
	 * len > 0, and gpa + len - 1 does not wrap. False: there is no memory, or the access is not allowed, for at
	 * least one of the bytes; the others may have been copied. Must not block or call back into the library.
	 *
	 * The driver may store to the same bytes at the same time. So: each byte of guest memory is read or written
	 * once per call. 2 and 4 bytes at a multiple of their number are one access, which does not tear. What a call
	 * did has taken effect when it returns, as an ordinary load or store of this thread has: the library puts its
	 * own barriers (full ones, see port.h) between the calls. A callback that hands the access on, to another
	 * thread or over a bus, waits until it is carried out.
	 */
	bool (*read)(void *ctx, viommu_gpa gpa, void *dst, size_t len);
	bool (*write)(void *ctx, viommu_gpa gpa, const void *src, size_t len);
};

/* Copied where it is given; ops and ctx are kept by pointer. */
struct viommu_memory {
	const struct viommu_memory_ops *ops;
	void *ctx;
};

/*
 * A pointer to len bytes in one piece, or NULL: not memory, not allowed, not contiguous in the host, reached by read
 * and write alone, or gpa + len - 1 wraps. len > 0. Any thread that may call resolve. One call of resolve.
 */
void *viommu_memory_pointer(const struct viommu_memory *memory, viommu_gpa gpa, uint64_t len, uint32_t kind);

/*
 * Copies between guest memory and private memory, across pieces. Returns the bytes copied: fewer than len if it met a
 * hole. From the first byte that has no pointer on the rest is one call of read or write, and does not count if that
 * fails. Any thread that may call resolve. One call of resolve per piece.
 */
size_t viommu_memory_read(const struct viommu_memory *memory, viommu_gpa gpa, void *dst, size_t len);
size_t viommu_memory_write(const struct viommu_memory *memory, viommu_gpa gpa, const void *src, size_t len);

/* A ready-made answer: a table of regions. */

struct viommu_memory_region {
	viommu_gpa first;
	viommu_gpa last;
	void *host;    /* of first */
	uint32_t kind; /* what is allowed: VIOMMU_ACCESS_READ, or READ | WRITE */
};

/*
 * The regions are the caller's memory, sorted by address; they do not overlap, and are not joined where they touch. A
 * table that never changes may be initialised with its first two members alone. One that changes is changed by its
 * owner with viommu_memory_table_set, and not in place, while any number of threads resolve in it. A device that has
 * used the old regions is told of it with viommu_pump_memory_changed (pump.h), or viommu_device_memory_changed
 * (device.h) where there is no pump. The old array stays as it is until the device was told, also where nothing was
 * taken away, and viommu_device_memory_is_settled.
 *
 * Where VIOMMU_PORT_ATOMIC64 (port.h) is 0 all of this is one thread's.
 */
struct viommu_memory_table {
	const struct viommu_memory_region *regions; /* until it is set for the first time */
	uint32_t count;
	uint32_t odd_count; /* private, as the next one */
	const struct viommu_memory_region *odd_regions;
	uint64_t generation; /* out: another one after each change; a pointer found before it may lead nowhere now */
};

/*
 * Are these sorted, the right way round, without overlap, allowed to be read at least, and does each lie somewhere in
 * the host without wrapping there? Any thread. Steps: count.
 */
bool viommu_memory_regions_are_valid(const struct viommu_memory_region *regions, uint32_t count);

/*
 * Starts with these regions, which may be none. Views of it are initialised after it, and it is not initialised again
 * as long as there are any. VIOMMU_E_ARG: they are not valid, and the table is not to be used. Owner. Steps: count.
 */
VIOMMU_NODISCARD enum viommu_result viommu_memory_table_init(struct viommu_memory_table *table,
							     const struct viommu_memory_region *regions,
							     uint32_t count);

/*
 * From now on it is these regions, in another array than before. Who resolves meanwhile gets an answer from either.
 * VIOMMU_E_ARG: they are not valid; the old ones stay. Owner. Steps: count.
 */
VIOMMU_NODISCARD enum viommu_result viommu_memory_table_set(struct viommu_memory_table *table,
							    const struct viommu_memory_region *regions, uint32_t count);

/* See types.h. Steps of _check: count. */
bool viommu_memory_table_is_valid(const struct viommu_memory_table *table);
bool viommu_memory_table_check(const struct viommu_memory_table *table);

/*
 * ops for a struct viommu_memory whose ctx is a struct viommu_memory_table. Any thread; no locks. Steps: log2(count),
 * and one look at the table for each time that it is set meanwhile.
 */
extern const struct viommu_memory_ops viommu_memory_table_ops;

/*
 * One user's look at a table: remembers the region it found last, for as long as the table stays as it is. Each thread
 * that resolves has a view of its own; a device whose accesses run on several threads gets the table. The best seam for
 * a queue, which looks into that region by itself: no call for each descriptor. Private members.
 */
struct viommu_memory_view {
	const struct viommu_memory_table *table;
	struct viommu_memory_region recent; /* found last, at this generation; first > last: none yet */
	uint64_t generation;
};

/* The table is kept by pointer. Owner of the view. */
void viommu_memory_view_init(struct viommu_memory_view *view, const struct viommu_memory_table *table);

/*
 * ops for a struct viommu_memory whose ctx is a struct viommu_memory_view. Answers as the table's. Owner of the view.
 * Steps: one in the region found last, else log2(count).
 */
extern const struct viommu_memory_ops viommu_memory_view_ops;

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_MEMORY_H */
