/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cache.h: what an access context has found in the map lately, so that it need not go there again: the IOTLB.
 *
 * A slot for each granule number modulo their count. A slot is two things: what the data thread keeps there, which
 * nobody else looks at, and a generation, which the owner sets and the data thread gets:
 *
 *     data thread                                        owner
 *     -----------                                        -----
 *     g = generation                                     generation: even -> odd                     (shut)
 *     kept at g? then that is the answer                 take away: map entries, endpoint->view
 *     view, map --> answer                               generation: odd -> even, a new one          (open)
 *     if g is even, and it is mapped: keep it, at g      then the fence and the epoch, as grace.c says
 *
 * So what is kept counts for one generation of its slot, and this is got before anything that the answer hangs on.
 *
 *   1. An answer that was kept at g is not used once the data thread can see that something was taken away from there:
 *      it left the map after the generation became odd, and the generations only rise.
 *   2. Nothing old is kept under a new generation: to get that is to see all that was taken away before it was set.
 *      While it is odd, what is found may be of before or after, and nobody could tell which; so it is not kept.
 *   3. So a hit is what the map said at the moment when the generation was got, and granules stay linearizable, through
 *      all contexts: who does not find the granule any more has seen the removal, and the odd generation with it.
 *   4. And a section that begins behind the fence of a revocation, as grace.c has it, does not see what was kept
 *      before. Older ones may, until they see the generation, and are waited for as if they had been to the map.
 *
 * A mapping goes as a whole or not at all, and comes with all its granules' generations: so one granule's slot answers
 * for as much of the mapping as was found from there. That nothing is mapped is not kept, so MAP has nothing to do. Nor
 * is what an endpoint sees without a map: the bypass, the MSI region (where nothing can be mapped).
 *
 * A generation is one slot's, not a domain's: what is unmapped elsewhere, or in other domains, costs this one nothing,
 * and another granule of the same slot had been thrown out when the unmapped one was found.
 */
#ifndef VIOMMU_DEVICE_CACHE_H
#define VIOMMU_DEVICE_CACHE_H

#include "core.h"

/* 0: the code is not there, and caches that contexts are given are left alone. No layout depends on it. */
#ifndef VIOMMU_ACCESS_CACHE
#define VIOMMU_ACCESS_CACHE 1
#endif

/* In a slot's generation: something is being taken away. */
#define GENERATION_SHUT 1u

#if VIOMMU_ACCESS_CACHE

#define SLOT_BITS 8u
_Static_assert(1u << SLOT_BITS == VIOMMU_ACCESS_CACHE_SLOTS, "a slot is chosen by so many bits");

/*
 * As many neighbours as there are slots have one each, if the first of them is a multiple of that, and so have as many
 * granules at a distance of a power of two, up to that of the slots. More would not be worth its half a nanosecond.
 */
static inline uint32_t cache_slot(uint64_t granule)
{
	uint32_t low = (uint32_t)granule;

	return (low ^ low >> SLOT_BITS) & (VIOMMU_ACCESS_CACHE_SLOTS - 1);
}

/* Where something is kept, and at which generation. */
struct cache_place {
	struct viommu_access_slot *slot; /* NULL: nowhere */
	uint64_t granule;
	uint64_t generation;
};

static inline struct cache_place cache_place(const struct viommu_access *access, viommu_iova iova)
{
	struct cache_place p = { NULL, 0, 0 };

	if (access->cache != NULL) {
		p.granule = viommu_port_shr64(iova, access->granule_bits);
		p.slot = &access->cache->slots[cache_slot(p.granule)];
		p.generation = viommu_port_get64(&p.slot->generation);
	}
	return p;
}

/*
 * Is it remembered where all of [iova, iova + length - 1] leads, and is this kind of access allowed? Wraps: addresses
 * are as far apart as they were, in either direction.
 */
static inline VIOMMU_WRAPS bool cache_hits(const struct viommu_access *access, viommu_iova iova, uint64_t length,
					   uint32_t kind, struct viommu_translation *out)
{
	struct cache_place p = cache_place(access, iova);

	if (p.slot == NULL || p.slot->kept != p.generation || p.slot->tag >> 8 != p.granule)
		return false;
	if (length - 1 > p.slot->last - iova || (kind & ~(uint32_t)p.slot->tag) != 0)
		return false;
	out->gpa = iova + p.slot->distance;
	out->length = length;
	out->flags = (uint32_t)p.slot->tag & VIOMMU_MAP_FLAGS;
	out->msi = false;
	return true;
}

/*
 * The map was asked after the place was looked at, and said this. A granule number has 56 bits at most. Wraps: as
 * above.
 */
static inline VIOMMU_WRAPS void cache_keep(const struct cache_place *p, const struct viommu_mapping *m)
{
	struct viommu_access_slot *slot = p->slot;

	if (slot == NULL || (p->generation & GENERATION_SHUT) != 0)
		return;
	slot->kept = p->generation;
	slot->tag = p->granule << 8 | m->flags;
	slot->last = m->last;
	slot->distance = m->phys - m->first;
}

#else

struct cache_place {
	char unused;
};

static inline struct cache_place cache_place(const struct viommu_access *access, viommu_iova iova)
{
	(void)access;
	(void)iova;
	return (struct cache_place){ 0 };
}

static inline bool cache_hits(const struct viommu_access *access, viommu_iova iova, uint64_t length, uint32_t kind,
			      struct viommu_translation *out)
{
	(void)access;
	(void)iova;
	(void)length;
	(void)kind;
	(void)out;
	return false;
}

static inline void cache_keep(const struct cache_place *p, const struct viommu_mapping *m)
{
	(void)p;
	(void)m;
}

#endif

#endif /* VIOMMU_DEVICE_CACHE_H */
