/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * access.h: the device's data path: what an endpoint's DMA goes through.
 *
 * A struct viommu_access is a context that names one endpoint; make one per endpoint and thread. Open a
 * section for each DMA, translate or copy inside it as often as wanted, and end it when the memory is no longer
 * touched, perhaps much later (asynchronous I/O). An UNMAP or DETACH that takes a translation away is completed only
 * after every section has ended that began before it and could use it. One that began later holds it up only if at that
 * moment sections of the same context were waited for that are older than the request: two rounds at most, and never a
 * stream of new ones.
 *
 * So a section left open delays the driver's requests for that endpoint's domain. If the endpoint leaves the domain
 * meanwhile, it is the domain that it left, besides the one that it is in; if it leaves a second one before that is
 * over, it may be any domain that some endpoint has left since. Requests for other domains do not wait, with these
 * limits: when max_pending requests wait, none is taken any more, of whichever domain; map nodes that were cut out, and
 * slots of domains that died, are not used before what waits for them is over, so a MAP or ATTACH may be answered with
 * NOMEM; a reset and the clearing of the bypass wait for all sections that lose something, memory that goes for all.
 *
 *     viommu_access_begin(&a, &token);
 *     while (len > 0 && viommu_access_translate(&a, iova, len, VIOMMU_ACCESS_READ, &t) == VIOMMU_OK)
 *             ... use t.length bytes at guest-physical t.gpa ...
 *     viommu_access_end(&a, token);
 *
 * Threads. viommu_access_init, _set_cache, _deinit, _is_valid and _check: owner of the device. viommu_access_end: any
 * thread. Everything else belongs to the one data thread of the context; it and the owner need not know of each other,
 * and neither takes a lock or waits. A translation answers, for each granule, what was so at a moment between call and
 * return; but while a request that takes something away is not done, sections that began before it may see the state
 * before or the one after, and of a domain that their endpoint is about to leave what is mapped there meanwhile.
 *
 * The data thread calls the memory seam (viommu_access_read, _write, _copy) and work_pending. Memory may be taken away
 * from under it: memory.h says how a table is changed, and what began earlier ends with its section. A context is
 * handed from one thread to another as any other memory is; a token likewise.
 *
 * Where VIOMMU_PORT_ATOMIC64 (port.h) is 0 all of this is the owner's.
 */
#ifndef VIOMMU_ACCESS_H
#define VIOMMU_ACCESS_H

#include <viommu/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Fault reports that a context keeps until next_fault fetches them. */
#define VIOMMU_ACCESS_FAULTS 4u

/*
 * What a context remembers of where granules lead, if it is given the memory for it: a translation that it finds there
 * costs a half to a fourth of one that goes to the map. It never says what the map would not say: what
 * an UNMAP, a DETACH, an ATTACH, the bypass or a reset takes away is forgotten in the same moment, and nothing else is.
 * Slots: a granule is remembered in one of them. Private members.
 */
#define VIOMMU_ACCESS_CACHE_SLOTS 256u
#define VIOMMU_ACCESS_NO_CACHE ((struct viommu_access_cache *)0)

struct viommu_access_slot {
	uint64_t generation; /* the owner's; the rest is the data thread's */
	uint64_t kept;       /* the generation at which it found the rest */
	uint64_t tag;        /* granule number, flags (7..0) */
	uint64_t last;       /* of the mapping, as far as was seen */
	uint64_t distance;   /* from iova to gpa */
};

struct viommu_access_cache {
	struct viommu_access_slot slots[VIOMMU_ACCESS_CACHE_SLOTS];
};

/*
 * Private members. First what the data thread works with, last what the owner does: what one of them writes is not next
 * to what the other one does.
 */
struct viommu_access {
	struct viommu_device *dev;
	struct viommu_endpoint *endpoint;
	struct viommu_access_cache *cache;
	uint32_t granule_bits;
	uint32_t current;     /* which count new sections join. The owner sets it */
	uint32_t open[2];     /* sections: two counts, so that new ones cannot keep old ones waiting. Any thread */
	uint32_t fault_head;  /* free-running */
	uint32_t faults_raised; /* as in struct viommu_device_stats */
	uint32_t faults_lost;
	struct viommu_wire_fault faults[VIOMMU_ACCESS_FAULTS];
	struct viommu_access *next; /* of the same endpoint */
	uint64_t flipped;     /* epoch at which `current` began to count: open[!current] began before it */
	uint64_t drained;     /* no section is open that could use what was taken away up to this epoch */
	uint32_t fault_tail;  /* free-running */
};

/* An open section. Copyable; end it exactly once. Private member. */
struct viommu_access_token {
	uint32_t phase;
};

/* Where a translation leads. */
struct viommu_translation {
	viommu_gpa gpa;
	uint64_t length; /* contiguous bytes from there, at least 1, at most what was asked; a lower bound */
	uint32_t flags;  /* VIOMMU_MAP_F_* of the mapping; READ | WRITE where nothing is translated */
	bool msi;        /* the endpoint's MSI doorbell, past a translating domain: gpa is not memory */
};

/* Binds a context to an endpoint that was not removed. The context stays in place until deinit. It has no cache. */
void viommu_access_init(struct viommu_access *access, struct viommu_device *dev, struct viommu_endpoint *endpoint);

/*
 * Gives the context a cache, empty, which stays in place until it gets another one, VIOMMU_ACCESS_NO_CACHE, or deinit.
 * The data thread does not use the context meanwhile. A library that was built with VIOMMU_ACCESS_CACHE as 0 makes no
 * use of it. Steps: slots.
 */
void viommu_access_set_cache(struct viommu_access *access, struct viommu_access_cache *cache);

/*
 * The data thread does not use the context any more, and whoever ended the last section needs it no longer, though it
 * may still be in the call. VIOMMU_E_STATE: a section is open. Faults not yet fetched are lost (counted). Steps:
 * contexts of the endpoint.
 */
VIOMMU_NODISCARD enum viommu_result viommu_access_deinit(struct viommu_access *access);

/* Opens a section. VIOMMU_E_FULL: 2^31 - 1 sections are open. */
VIOMMU_NODISCARD enum viommu_result viommu_access_begin(struct viommu_access *access,
							struct viommu_access_token *token);

/*
 * Ends it: what was done before this call is over. The context may be gone when it returns; the device may not. One
 * that has ended already is ignored, unless another one is open or ends at this moment.
 */
void viommu_access_end(struct viommu_access *access, struct viommu_access_token token);

/*
 * Translates the first piece of [iova, iova + length - 1] for `kind` (READ, WRITE, or both at once). A length that runs
 * past the end of the address space is cut there. Inside a section: one of this context that stays open until the call
 * returns. That some other one is open is seen as well, but does not protect.
 * VIOMMU_E_FAULT: the first byte is not accessible; a fault report was raised. VIOMMU_E_ARG: length or kind is 0 or
 * unknown.
 * VIOMMU_E_STATE: no section of the context is open. Steps: one lookup (map.h).
 */
VIOMMU_NODISCARD enum viommu_result viommu_access_translate(struct viommu_access *access, viommu_iova iova,
							    uint64_t length, uint32_t kind,
							    struct viommu_translation *out);

/*
 * Copies between the endpoint's address space and private memory, across mappings. Inside a section, as translate.
 * *done: bytes copied before an error.
 * Errors as translate; VIOMMU_E_ARG also if the bytes run past the end of the address space. VIOMMU_E_PEER: a
 * translation leads to where there is no memory (the driver's mistake; no fault is raised), or to the MSI doorbell.
 * VIOMMU_E_STATE: the device has no memory seam.
 */
VIOMMU_NODISCARD enum viommu_result viommu_access_read(struct viommu_access *access, viommu_iova iova, void *dst,
						       size_t len, size_t *done);
VIOMMU_NODISCARD enum viommu_result viommu_access_write(struct viommu_access *access, viommu_iova iova,
							const void *src, size_t len, size_t *done);

/*
 * The same from one place to another, in pieces of 256 bytes, in rising order. VIOMMU_E_ARG: also if `len` is 0, or one
 * of the two runs past the end of the address space; then nothing is copied.
 */
VIOMMU_NODISCARD enum viommu_result viommu_access_copy(struct viommu_access *access, viommu_iova to, viommu_iova from,
						       size_t len, size_t *done);

/* See types.h. Steps of _check: regions and access contexts of the endpoint, slots of the cache. */
bool viommu_access_is_valid(const struct viommu_access *access);
bool viommu_access_check(const struct viommu_access *access);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_ACCESS_H */
