/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtq.h: the split virtqueue, both halves. Knows nothing of IOMMUs: any virtio device or driver can use it.
 *
 * The ring in three paragraphs. The driver owns a table of descriptors, each naming a piece of memory (address, length,
 * readable or writable by the device); descriptors are linked by `next` into chains, one chain per request, readable
 * pieces first. It puts the index of a chain's first descriptor (the head) into the available ring and moves the
 * available index. The device takes heads in that order, works, and puts {head, bytes written} into the used ring in
 * whatever order it finishes, and moves the used index. Indices run freely and wrap at 65536; the slot is index mod
 * size.
 *
 *      descriptor table (16 B each)     available ring (driver writes)      used ring (device writes)
 *     +----------------------------+   +-------+-----+------------------+  +-------+-----+--------------------------+
 *     | addr | len | flags | next  |   | flags | idx | head head head.. |  | flags | idx | {head,len} {head,len} .. |
 *     +----------------------------+   +-------+-----+------------------+  +-------+-----+--------------------------+
 *                                        used_event (2 B) behind it          avail_event (2 B) behind it
 *
 * A descriptor with the INDIRECT flag names a table of further descriptors in place of data, so that a chain takes one
 * slot. With EVENT_IDX each side writes behind its own ring the index at which it wants the next notification; without
 * it, a flag in that ring says "no notifications". Either way the order is: publish the index, full barrier, look
 * whether the other side wants to be told. Leave the barrier out and both sides go to sleep.
 *
 * Neither half believes the other. The device half reads each descriptor once, as a whole, bounds every index and the
 * length of every walk, and refuses what no honest driver does. The driver half keeps a private record of what it
 * posted and never reads its own descriptors back; a used entry is looked up in that record.
 *
 * Outcomes of bad input:
 *   malformed chain (loop, next out of range, writable before readable, nested INDIRECT, INDIRECT with NEXT, table
 *   length 0 or not a multiple of 16, INDIRECT not negotiated, memory that does not exist, more descriptors than the
 *   queue has entries, more pieces than the caller has room for, total length over 2^32)
 *                                                                 VIOMMU_E_PEER, with the head: give it back unused
 *   head out of range, index ahead by more than the ring holds, a ring that the memory seam fails to read or write
 *                                                                 VIOMMU_E_BROKEN, and again until the next enable
 *
 * Thread class of everything here: owner (of that half of that queue).
 */
#ifndef VIOMMU_VIRTQ_H
#define VIOMMU_VIRTQ_H

#include <viommu/memory.h>
#include <viommu/virtio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VIOMMU_VIRTQ_SIZE_MAX 32768u

/*
 * What both halves can do if it is negotiated. IN_ORDER: the device uses chains in the order in which they were made
 * available; the driver takes descriptors round the table, and one used entry may stand for all chains up to the one
 * that it names. With ORDER_PLATFORM their barriers are those for hardware (port.h), with NOTIFICATION_DATA a kick says
 * how far the available ring has come. RING_RESET needs nothing of them: they can be reset and start anew at any time.
 */
#define VIOMMU_VIRTQ_FEATURES											\
	(VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX | VIOMMU_F_IN_ORDER | VIOMMU_F_ORDER_PLATFORM |		\
	 VIOMMU_F_NOTIFICATION_DATA | VIOMMU_F_RING_RESET)

/* Bytes and alignment of the three areas for a queue of `size` entries. */
#define VIOMMU_VIRTQ_DESC_SIZE(size) (16u * (uint32_t)(size))
#define VIOMMU_VIRTQ_AVAIL_SIZE(size) (6u + 2u * (uint32_t)(size))
#define VIOMMU_VIRTQ_USED_SIZE(size) (6u + 8u * (uint32_t)(size))
#define VIOMMU_VIRTQ_DESC_ALIGN 16u
#define VIOMMU_VIRTQ_AVAIL_ALIGN 2u
#define VIOMMU_VIRTQ_USED_ALIGN 4u

/* A power of two from 1 to 32768? Any thread. */
static inline bool viommu_virtq_size_is_valid(uint32_t size)
{
	return size != 0 && size <= VIOMMU_VIRTQ_SIZE_MAX && (size & (size - 1)) == 0;
}

/* The device's half */

/* A piece of a request. */
struct viommu_segment {
	uint8_t *base; /* in host memory; NULL: there is no pointer, the memory seam's read and write have to do */
	size_t len;
	viommu_gpa gpa; /* where it is for the driver; looked at where base is NULL */
};

/* One request taken from the queue. Zero-length descriptors leave no segment; adjacent ones are not joined. */
struct viommu_chain {
	/* in */
	struct viommu_segment *segments; /* room for the pieces, readable ones first */
	uint32_t capacity;               /* more pieces are VIOMMU_E_PEER: at least the queue's size, at most 2^31 */
	/* out */
	uint32_t readable; /* segments[0 .. readable) */
	uint32_t writable; /* segments[readable .. readable + writable) */
	uint64_t readable_len;
	uint64_t writable_len;
	uint32_t steps; /* descriptors visited and pieces found in memory: what this pop cost */
	uint16_t head;
};

enum viommu_virtq_state {
	VIOMMU_VIRTQ_OFF,   /* not enabled, or reset */
	VIOMMU_VIRTQ_READY,
	VIOMMU_VIRTQ_BROKEN /* the driver broke the ring itself */
};

/* What became of a reset of this queue alone (RING_RESET), or goes on in one of the device. NONE unless it is off. */
enum viommu_virtq_reset {
	VIOMMU_VIRTQ_RESET_NONE,
	VIOMMU_VIRTQ_RESET_RUNNING, /* something that was taken from it is not over yet */
	VIOMMU_VIRTQ_RESET_DONE     /* it may be enabled again, also by a driver that is up */
};

/* Private members. */
struct viommu_virtq_device {
	struct viommu_memory memory;
	const uint8_t *desc; /* all three or none: then the ring is reached by the seam's read and write */
	const uint8_t *avail;
	uint8_t *used;
	viommu_gpa desc_gpa;
	viommu_gpa avail_gpa;
	viommu_gpa used_gpa;
	uint32_t size;
	uint16_t popped;    /* free-running: heads taken */
	uint16_t pushed;    /* free-running: used entries written */
	uint16_t published; /* the used index as the driver sees it */
	bool indirect;
	bool event_idx;
	bool order_platform;
	uint8_t state; /* enum viommu_virtq_state */
	uint8_t reset; /* enum viommu_virtq_reset, the registers' */
	uint32_t malformed; /* chains refused, saturating */
};

/* Where the driver put the queue, and the ring features that were negotiated. */
struct viommu_virtq_layout {
	uint32_t size;
	viommu_gpa desc;
	viommu_gpa avail;
	viommu_gpa used;
	uint64_t features; /* those of VIOMMU_VIRTQ_FEATURES count, the rest is ignored */
};

/* Off. `memory` is copied; what its ops have to have is in memory.h. */
void viommu_virtq_device_init(struct viommu_virtq_device *q, const struct viommu_memory *memory);

/*
 * Starts at index 0, from any state.
 * VIOMMU_E_PEER: bad size or alignment, an area wraps, or it is not contiguous memory and the seam has no read and
 * write. The queue is then off. Whether there is memory that only these reach shows when it is first accessed.
 */
VIOMMU_NODISCARD enum viommu_result viommu_virtq_device_enable(struct viommu_virtq_device *q,
							       const struct viommu_virtq_layout *layout);

/*
 * Off, from any state. Heads that were taken are forgotten: pushing them is refused until the next enable, and not to
 * be done after it, where the same numbers are other chains.
 */
void viommu_virtq_device_reset(struct viommu_virtq_device *q);

enum viommu_virtq_state viommu_virtq_device_state(const struct viommu_virtq_device *q);

/*
 * The memory seam answers differently from now on: finds the ring anew, in any state, and goes on where it is now. The
 * old place is not touched any more.
 * VIOMMU_E_BROKEN: it is not there (as enable would say) and the queue is broken; what was pushed and not yet published
 * is lost. A ring that is reached by read and write alone is found to be gone when it is next accessed. Chains that were
 * popped before keep their pointers: the old memory has to stay until these are pushed.
 */
VIOMMU_NODISCARD enum viommu_result viommu_virtq_device_memory_changed(struct viommu_virtq_device *q);

/*
 * Takes the next chain.
 * VIOMMU_E_EMPTY: none. VIOMMU_E_PEER: malformed; chain->head and ->steps are set, push it with length 0.
 * VIOMMU_E_BROKEN: see above. VIOMMU_E_STATE: the queue is off. Steps: at most size + 1 descriptors and `capacity`
 * pieces of memory, however long the descriptors are.
 */
VIOMMU_NODISCARD enum viommu_result viommu_virtq_device_pop(struct viommu_virtq_device *q, struct viommu_chain *chain);

/*
 * Writes a used entry for a head that pop returned, not yet visible to the driver. `written` counts from the first
 * writable byte. Heads from before a reset are not to be pushed after it. With IN_ORDER it is the caller's duty to push
 * in the order of pop, one entry for each: which heads are out is not remembered here.
 * VIOMMU_E_STATE: the queue is off or broken, no popped head is outstanding, or head is not below the queue's size.
 * VIOMMU_E_BROKEN: the memory seam fails now; from then on VIOMMU_E_STATE.
 */
VIOMMU_NODISCARD enum viommu_result viommu_virtq_device_push(struct viommu_virtq_device *q, uint16_t head,
							     uint32_t written);

/*
 * Makes all pushed entries visible. Returns whether the driver asked to be notified of any of them. If the seam fails
 * the queue is broken.
 */
bool viommu_virtq_device_publish(struct viommu_virtq_device *q);

/*
 * Asks for a kick at the next chain, after a pop returned EMPTY. Returns whether chains arrived in the meantime: then
 * go on popping. Without EVENT_IDX kicks are never suppressed and this is only the check.
 */
bool viommu_virtq_device_arm(struct viommu_virtq_device *q);

/* See types.h. Constant time, both of them. */
bool viommu_virtq_device_is_valid(const struct viommu_virtq_device *q);
bool viommu_virtq_device_check(const struct viommu_virtq_device *q);

/* The driver's half */

/* A piece of a request as the device will see it. */
struct viommu_bus_segment {
	uint64_t addr; /* bus address, as the device has to use it */
	uint32_t len;
};

/* Private. What is posted under one head, or a link of the free list. */
struct viommu_virtq_shadow {
	void *token;           /* NULL: not the head of anything in flight */
	uint32_t writable_len;
	uint16_t next;         /* in the chain or in the free list */
	uint16_t count;        /* descriptors of the chain */
	uint16_t tail;         /* the last of them */
	uint16_t posted;       /* of the slot with this index in the available ring: the head that was put there */
	uint16_t position;     /* free-running: when it was added */
	bool visible;          /* published: only then can the device have used it */
};

/* Private members. */
struct viommu_virtq_driver {
	bool event_idx;
	bool in_order;
	bool order_platform;
	bool notification_data;
	bool broken;
	uint16_t free_head;
	uint16_t added;     /* free-running: chains in the available ring */
	uint16_t published; /* the available index as the device sees it */
	uint16_t seen;      /* free-running: chains taken back */
	uint16_t batch;     /* with IN_ORDER: chains to be taken back before the next used entry is read */
	uint32_t batch_len; /* used length of the last of them */
	uint32_t size;
	uint32_t free_count;
	uint32_t reclaimed; /* heads below were given back by reclaim */
	uint8_t *desc;
	uint8_t *avail;
	uint8_t *used;
	uint8_t *tables; /* size tables of VIOMMU_VIRTQ_TABLE_ENTRIES descriptors, or NULL */
	uint64_t tables_addr;
	struct viommu_virtq_shadow *shadow;
	uint32_t clamped; /* used lengths beyond the buffer, saturating */
};

/* Descriptors of an indirect table. Longer chains take ring descriptors. */
#define VIOMMU_VIRTQ_TABLE_ENTRIES 4u

/*
 * Shared and private bytes that a queue of this size needs. The shared part has to be aligned to 16; where DMA is not
 * coherent, to 64, so that no cache line (of up to 64 bytes) holds bytes of both sides: the used ring, which only the
 * device writes, starts at VIOMMU_VIRTQ_DRIVER_USED_AT(size).
 */
#define VIOMMU_VIRTQ_DRIVER_USED_AT(size)									\
	((VIOMMU_VIRTQ_DESC_SIZE(size) * (1u + VIOMMU_VIRTQ_TABLE_ENTRIES) +					\
	  VIOMMU_VIRTQ_AVAIL_SIZE(size) + 63u) & ~63u)
#define VIOMMU_VIRTQ_DRIVER_SHARED(size)									\
	((size_t)VIOMMU_VIRTQ_DRIVER_USED_AT(size) + ((VIOMMU_VIRTQ_USED_SIZE(size) + 63u) & ~63u))
#define VIOMMU_VIRTQ_DRIVER_PRIVATE(size) (sizeof(struct viommu_virtq_shadow) * (size_t)(size))

/* Memory that both sides reach. */
struct viommu_shared_memory {
	void *base;
	uint64_t addr; /* bus address of base */
	size_t len;
};

/*
 * Lays the queue out in the first VIOMMU_VIRTQ_DRIVER_SHARED(size) bytes of `shared`, zeroes it, and starts at index 0.
 * *layout says where the device has to look. `shadow` has `size` elements. Both stay the queue's until it is not used
 * any more. VIOMMU_E_ARG: size is not a power of two up to 32768, shared is too small or misaligned (in either address
 * space).
 */
VIOMMU_NODISCARD enum viommu_result viommu_virtq_driver_init(struct viommu_virtq_driver *q, uint32_t size,
							     uint64_t features,
							     const struct viommu_shared_memory *shared,
							     struct viommu_virtq_shadow *shadow,
							     struct viommu_virtq_layout *layout);

/*
 * Adds a chain: `readable` segments, then `writable` ones. Not visible to the device before publish. `token` is not
 * NULL and comes back from pop. VIOMMU_E_ARG: no segments or more than size, more than 2^32 bytes, a NULL token.
 * VIOMMU_E_FULL: no room; publish and wait for used entries (a chain of too many bytes may be told this first).
 * VIOMMU_E_BROKEN. After an error free descriptors may hold other bytes than before; nothing leads to them.
 */
VIOMMU_NODISCARD enum viommu_result viommu_virtq_driver_add(struct viommu_virtq_driver *q,
							    const struct viommu_bus_segment *segments,
							    uint32_t readable, uint32_t writable, void *token);

/* Makes all added chains visible. Returns whether the device has to be kicked, which is the caller's to do. */
bool viommu_virtq_driver_publish(struct viommu_virtq_driver *q);

/*
 * What a kick of this queue, the queue_index-th of its device, writes: its index, and with NOTIFICATION_DATA in the
 * upper half the available index as published. ("Driver Notifications")
 */
uint32_t viommu_virtq_driver_notification(const struct viommu_virtq_driver *q, uint16_t queue_index);

/*
 * Takes the next chain that was used: its token, and the bytes written, cut to the length of the writable part. With
 * IN_ORDER one used entry may bring several, and those in front of the last count as written completely: what is in
 * them has to be judged by itself.
 * VIOMMU_E_EMPTY: none. VIOMMU_E_BROKEN: the index jumped, or the entry names nothing that is in flight, or with
 * IN_ORDER something that is behind the index; the same from then on for add and pop, until init.
 */
VIOMMU_NODISCARD enum viommu_result viommu_virtq_driver_pop(struct viommu_virtq_driver *q, void **token,
							    uint32_t *written);

/* Asks for a notification at the next used entry. Returns whether entries arrived in the meantime. */
bool viommu_virtq_driver_arm(struct viommu_virtq_driver *q);

/* Chains that were added and not yet published; chains that were added and not yet taken back. */
uint32_t viommu_virtq_driver_unpublished(const struct viommu_virtq_driver *q);
uint32_t viommu_virtq_driver_in_flight(const struct viommu_virtq_driver *q);

/*
 * After the device, or this queue, was reset: gives back the tokens of what was in flight, one per call, in no order.
 * NULL: no more. Steps: at most size per call. The queue is to be initialised anew.
 */
void *viommu_virtq_driver_reclaim(struct viommu_virtq_driver *q);

/* See types.h. Steps of _check: size. */
bool viommu_virtq_driver_is_valid(const struct viommu_virtq_driver *q);
bool viommu_virtq_driver_check(const struct viommu_virtq_driver *q);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_VIRTQ_H */
