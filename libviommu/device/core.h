/* SPDX-License-Identifier: BSD-3-Clause */
/* core.h: what the files of this folder share. */
#ifndef VIOMMU_DEVICE_CORE_H
#define VIOMMU_DEVICE_CORE_H

#include <viommu/access.h>
#include <viommu/backend.h>
#include <viommu/device.h>

#define NO_SLOT UINT32_MAX

/* viommu_access.open[]: a section, and in the lowest bit that the owner waits for the last of them to end. */
#define OPEN_SECTION 2u
#define OPEN_AWAITED 1u

/*
 * ids.c: a sorted index from id to slot. slots[] is always a permutation: those behind `count` are free, the one that
 * was free for the longest time first.
 */
void viommu_i_ids_init(struct viommu_id_table *table, uint32_t *ids, uint32_t *slots, uint32_t capacity);
uint32_t viommu_i_ids_find(const struct viommu_id_table *table, uint32_t id); /* slot or NO_SLOT; O(log count) */
uint32_t viommu_i_ids_insert(struct viommu_id_table *table, uint32_t id); /* the slot; not full, id is new; O(count) */
void viommu_i_ids_remove(struct viommu_id_table *table, uint32_t id);     /* id is there; O(capacity) */
void viommu_i_ids_clear(struct viommu_id_table *table);                   /* O(capacity) */

/* endpoint.c */
/* Ranges the right way round, sorted, not overlapping; one MSI region at most. Steps: count. */
bool viommu_i_regions_are_valid(const struct viommu_resv_region *regions, uint32_t count);
/* With those that were removed and are not gone yet: they have contexts. */
static inline uint32_t viommu_i_endpoint_count(const struct viommu_device *dev)
{
	return dev->endpoint_ids.count + dev->removed_count;
}
static inline struct viommu_endpoint *viommu_i_endpoint_at(const struct viommu_device *dev, uint32_t i)
{
	return &dev->endpoints[dev->endpoint_ids.slots[i]];
}
/* remove.c: a slot for a new endpoint. There is one, and the id is free. */
struct viommu_endpoint *viommu_i_endpoint_take(struct viommu_device *dev, uint32_t id);
struct viommu_endpoint *viommu_i_endpoint_find(struct viommu_device *dev, uint32_t id);
struct viommu_domain *viommu_i_domain_find(struct viommu_device *dev, uint32_t id);
/*
 * Data threads may still read a domain that died. For each one that may live there is a second slot, so that those of
 * the dead are left alone until nobody does.
 */
static inline uint32_t viommu_i_domain_slots(const struct viommu_device *dev)
{
	return 2 * dev->max_domains;
}
/* May the slot that viommu_i_domain_create would take be used again? */
bool viommu_i_domain_slot_is_free(const struct viommu_device *dev);
/* What the device and the domain's endpoints can do. Steps: these. */
struct viommu_limits viommu_i_domain_limits(const struct viommu_device *dev, const struct viommu_domain *domain);
void viommu_i_limits_narrow(struct viommu_limits *limits, const struct viommu_limits *by);
/* The low bits of the last byte of a granule are all 1. */
static inline bool viommu_i_limits_allow(const struct viommu_limits *limits, struct viommu_range range, uint64_t phys)
{
	return ((range.first | ~range.last | phys) & limits->below) == 0 && viommu_range_contains(limits->range, range);
}
/*
 * Can the endpoint do all that the domain maps? One with a granule that the domain does not ask for yet only fits if
 * nothing is mapped. Steps: two searches of the map.
 */
bool viommu_i_endpoint_fits(const struct viommu_endpoint *endpoint, const struct viommu_domain *domain);
/* A new domain without endpoints. There is room and the id is free. */
struct viommu_domain *viommu_i_domain_create(struct viommu_device *dev, uint32_t id, bool bypass);
/* No endpoint sees it any more: its mappings go to *limbo, and it dies with the next revocation. */
void viommu_i_domain_die(struct viommu_device *dev, struct viommu_domain *domain, struct viommu_map_limbo *limbo);
/*
 * Takes the endpoint out of its domain, if it is in one, and into another one, which it is not in, or NULL. It sees the
 * new one first; then a domain left empty dies. So what both of them map alike is there all the time.
 */
void viommu_i_endpoint_move(struct viommu_device *dev, struct viommu_endpoint *endpoint, struct viommu_domain *domain,
			    struct viommu_map_limbo *limbo);
/*
 * What data threads see of an endpoint depends on its domain, and without one on the bypass. Each change of it is one
 * store, so that they never see what no request asked for: to move is not to be outside of all domains in between.
 * Before one that takes something away, the caches are shut.
 */
const void *viommu_i_endpoint_view(const struct viommu_device *dev, const struct viommu_endpoint *endpoint);
void viommu_i_endpoint_show(const struct viommu_device *dev, struct viommu_endpoint *endpoint);

/*
 * cache.c: whoever takes something away shuts the caches of those who could see it, before the first of it goes, and
 * opens them when all of it is gone: in between contexts go to the map, and keep nothing.
 */
void viommu_i_cache_shut(struct viommu_endpoint *endpoint); /* viommu_i_endpoint_show opens it */
void viommu_i_cache_open(struct viommu_endpoint *endpoint);
void viommu_i_cache_shut_range(const struct viommu_device *dev, struct viommu_domain *domain,
			       struct viommu_range range);
void viommu_i_cache_open_range(const struct viommu_device *dev, struct viommu_domain *domain,
			       struct viommu_range range);

/* trace.c. r NULL: it could not be parsed. The first three only if somebody wants to know. */
static inline bool viommu_i_is_traced(const struct viommu_device *dev)
{
	return dev->ops != NULL && dev->ops->trace != NULL;
}
void viommu_i_trace_request(const struct viommu_device *dev, const struct viommu_request *request,
			    const struct viommu_wire_request *r);
void viommu_i_trace_done(const struct viommu_device *dev, const struct viommu_request *request);
void viommu_i_trace_fault(const struct viommu_device *dev, const struct viommu_wire_fault *fault);
void viommu_i_trace(const struct viommu_device *dev, uint16_t id, uint32_t endpoint, uint32_t flags, uint64_t first);

/* dirty.c: [first, last] was translated for a write. Any thread. */
struct viommu_dirty_log;
void viommu_i_dirty_note(struct viommu_dirty_log *log, viommu_gpa first, viommu_gpa last);

/* One file per request type. Each returns the status; *request gets what was taken away (epoch, limbo). */
uint8_t viommu_i_attach(struct viommu_device *dev, struct viommu_request *request, const struct viommu_wire_request *r);
uint8_t viommu_i_detach(struct viommu_device *dev, struct viommu_request *request, const struct viommu_wire_request *r);
uint8_t viommu_i_map(struct viommu_device *dev, struct viommu_request *request, const struct viommu_wire_request *r);
uint8_t viommu_i_unmap(struct viommu_device *dev, struct viommu_request *request, const struct viommu_wire_request *r);

/* Where the next byte of a reply goes. The caller has made sure that there are as many as it writes. */
struct viommu_i_writer {
	const struct viommu_segment *segment;
	size_t at;                          /* in it */
	const struct viommu_memory *memory; /* for segments without a pointer */
	bool failed;                        /* some of it could not be written */
};
void viommu_i_write(struct viommu_i_writer *w, const uint8_t *bytes, size_t len);
void viommu_i_write_zeroes(struct viommu_i_writer *w, uint64_t len);
/* Writes to the beginning of a segment, which is as long at least. False: by callback, and that failed. */
bool viommu_i_write_segment(const struct viommu_memory *memory, const struct viommu_segment *segment,
			    const uint8_t *bytes, size_t len);

/*
 * backend.c: what the back ends of endpoints have to agree to. Where a status is answered, all but VIOMMU_S_OK say that
 * nothing has changed in any of them, and one may be blocked by now; where there is a bool, false says that.
 */
struct viommu_backend_change viommu_i_backend_change(struct viommu_device *dev, enum viommu_backend_type type);
/*
 * One endpoint to where `change` says, and there it finds this map (NULL: nothing). It has a back end, or had one when
 * it was prepared.
 */
enum viommu_result viommu_i_backend_prepare(struct viommu_endpoint *endpoint, struct viommu_backend_change *change,
					    const struct viommu_map *map);
void viommu_i_backend_commit(struct viommu_endpoint *endpoint, struct viommu_backend_change *change,
			     const struct viommu_map *map);
void viommu_i_backend_abort(struct viommu_endpoint *endpoint, struct viommu_backend_change *change);
/* One endpoint to another domain; NULL: to one that there is not yet. */
uint8_t viommu_i_backend_attach(struct viommu_device *dev, struct viommu_endpoint *endpoint, uint32_t id, bool bypass,
				const struct viommu_domain *domain);
/* Out of its domain. True: do it, and answer *status, which is not VIOMMU_S_OK if the back end broke. */
bool viommu_i_backend_detach(struct viommu_device *dev, struct viommu_endpoint *endpoint, uint8_t *status);
/* Is to be in no domain, and have the bypass or not. Cannot be refused. */
void viommu_i_backend_leave(struct viommu_device *dev, struct viommu_endpoint *endpoint, bool bypass);
void viommu_i_backend_remove(struct viommu_device *dev, struct viommu_endpoint *endpoint);
/* All in a domain: whoever agreed gets one of the other two. Commit is false if one broke: then none has the mapping. */
uint8_t viommu_i_backends_prepare_map(struct viommu_device *dev, struct viommu_domain *domain,
				      const struct viommu_mapping *m, struct viommu_endpoint **agreed);
void viommu_i_backends_abort_map(struct viommu_device *dev, const struct viommu_mapping *m,
				 struct viommu_endpoint *agreed);
bool viommu_i_backends_commit_map(struct viommu_device *dev, struct viommu_domain *domain,
				  const struct viommu_mapping *m, struct viommu_endpoint *agreed);
/* As detach. The range may be one that the map refuses; then nobody is asked. */
bool viommu_i_backends_unmap(struct viommu_device *dev, struct viommu_domain *domain, struct viommu_range range,
			     uint8_t *status);

/* PROBE takes nothing away, but writes: all `area` bytes in front of the tail. */
uint8_t viommu_i_probe(struct viommu_device *dev, const struct viommu_wire_request *r, struct viommu_i_writer *w,
		       uint64_t area);

/* grace.c */
/* In the revocation that comes next this endpoint loses all its translations. It is still where it was. */
void viommu_i_grace_moves(struct viommu_device *dev, struct viommu_endpoint *endpoint);
/* Translations have been taken away just now, all of them: the epoch that waiting requests have to see drained. */
uint64_t viommu_i_grace_begin(struct viommu_device *dev);
/* Looks which endpoints have arrived: have no section any more from before they moved. Steps: their contexts. */
void viommu_i_grace_advance(struct viommu_device *dev);
/*
 * Have all sections ended that could use what was taken away at this epoch: from the endpoint, or if that is NULL from
 * all in the domain, and from those on the move out of the domain? Steps: contexts of the domain, endpoints on the
 * move, theirs.
 */
bool viommu_i_grace_is_over(const struct viommu_device *dev, struct viommu_endpoint *endpoint,
			    const struct viommu_domain *domain, uint64_t epoch);

/* endpoint.c: does an unattached endpoint reach all memory? */
bool viommu_i_bypass_is_active(const struct viommu_device *dev);

/* fault.c */
void viommu_i_fault_raise(struct viommu_access *access, uint8_t reason, uint32_t kind, viommu_iova iova);
void viommu_i_fault_forget(struct viommu_device *dev);
/* The context goes: its reports are lost, its counters are the device's. */
void viommu_i_fault_leave(struct viommu_access *access);
void viommu_i_work_pending(struct viommu_device *dev);

#endif /* VIOMMU_DEVICE_CORE_H */
