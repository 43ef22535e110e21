/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * layout.h: the bytes of the split ring (virtio 1.2 to 1.4, "Split Virtqueues"), for both halves.
 *
 * Offsets are from the start of an area. Encoding and decoding work on private memory.
 */
#ifndef VIOMMU_VIRTQ_LAYOUT_H
#define VIOMMU_VIRTQ_LAYOUT_H

#include <viommu/virtq.h>

#include "../bytes.h"

#define VIOMMU_I_DESC_LEN 16u

/* Flags of a descriptor. */
#define VIOMMU_I_DESC_NEXT 1u
#define VIOMMU_I_DESC_WRITE 2u
#define VIOMMU_I_DESC_INDIRECT 4u

/* The available and the used ring begin alike. */
#define VIOMMU_I_RING_FLAGS 0u
#define VIOMMU_I_RING_INDEX 2u
#define VIOMMU_I_RING_ENTRIES 4u

/* Bit 0 of either flags field: whoever writes the ring does not want to be notified. */
#define VIOMMU_I_RING_QUIET 1u

/* In an element of the used ring. */
#define VIOMMU_I_USED_ID 0u
#define VIOMMU_I_USED_LEN 4u

/* Bytes of a whole chain. ("The Virtqueue Descriptor Table") */
#define VIOMMU_I_CHAIN_LEN_MAX (UINT64_C(1) << 32)

struct viommu_i_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

/* Indices of both rings run freely: after 65535 comes 0. */
static inline uint16_t viommu_i_index_after(uint16_t index)
{
	return (uint16_t)(index + 1);
}

/*
 * index mod size, a power of two. After a bounds check on an index that a peer chose it changes nothing, and does what
 * viommu_port_mask_index does for other sizes.
 */
static inline uint32_t viommu_i_slot(uint32_t size, uint32_t index)
{
	return index & (size - 1);
}

/* Entries of the available ring; `index` runs freely. */
static inline uint32_t viommu_i_avail_entry(uint32_t size, uint16_t index)
{
	return VIOMMU_I_RING_ENTRIES + 2u * viommu_i_slot(size, index);
}

static inline uint32_t viommu_i_used_entry(uint32_t size, uint16_t index)
{
	return VIOMMU_I_RING_ENTRIES + 8u * viommu_i_slot(size, index);
}

/* Behind the available ring: the used index at which the driver wants to hear. */
static inline uint32_t viommu_i_used_event(uint32_t size)
{
	return VIOMMU_I_RING_ENTRIES + 2u * size;
}

/* Behind the used ring: the available index at which the device wants to hear. */
static inline uint32_t viommu_i_avail_event(uint32_t size)
{
	return VIOMMU_I_RING_ENTRIES + 8u * size;
}

/* Did the entry at index `event` go in while the index moved from `before` to `after`? All modulo 65536. */
static inline bool viommu_i_event_passed(uint16_t event, uint16_t before, uint16_t after)
{
	return (uint16_t)(after - event - 1) < (uint16_t)(after - before);
}

/* The three points where the order of accesses counts, SMP or (ORDER_PLATFORM) strong enough for hardware. */
static inline uint16_t viommu_i_index_load(const uint8_t *p, bool strong)
{
	return strong ? viommu_port_load16_acquire_strong(p) : viommu_port_load16_acquire(p);
}

static inline void viommu_i_index_store(uint8_t *p, uint16_t value, bool strong)
{
	if (strong)
		viommu_port_store16_release_strong(p, value);
	else
		viommu_port_store16_release(p, value);
}

static inline void viommu_i_full_fence(bool strong)
{
	if (strong)
		viommu_port_fence_strong();
	else
		viommu_port_fence();
}

static inline struct viommu_i_desc viommu_i_desc_decode(const uint8_t raw[VIOMMU_I_DESC_LEN])
{
	return (struct viommu_i_desc){
		.addr = viommu_i_get64(raw),
		.len = viommu_i_get32(raw + 8),
		.flags = viommu_i_get16(raw + 12),
		.next = viommu_i_get16(raw + 14),
	};
}

/* A descriptor in the peer's memory, of any alignment, read once. */
static inline struct viommu_i_desc viommu_i_desc_load(const uint8_t *peer)
{
	uint64_t low, high;

	viommu_port_load_pair(peer, &low, &high);
	return (struct viommu_i_desc){
		.addr = low,
		.len = (uint32_t)high,
		.flags = (uint16_t)(high >> 32),
		.next = (uint16_t)(high >> 48),
	};
}

static inline void viommu_i_desc_store(uint8_t *peer, struct viommu_i_desc d)
{
	viommu_port_store_pair(peer, d.addr, d.len | (uint64_t)(d.flags | (uint32_t)d.next << 16) << 32);
}

#endif /* VIOMMU_VIRTQ_LAYOUT_H */
