/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * device.h: the virtio-iommu device: endpoints, domains, requests, faults. Links into a hypervisor.
 *
 *     endpoint's DMA --> access.h: begin, translate, end          faults --> next_fault --> event queue
 *                              |                                     ^
 *                     +--------v-------------------------------------+--------+
 *                     | endpoints --> domains --> IOVA maps (map.h)           |
 *                     +--------^----------------------------------------------+
 *     seam A: submit(request) -+- next_done()
 *
 * This header is seam A. A VMM with its own virtqueues calls it directly: for each buffer of the request queue fill a
 * struct viommu_request with the readable and the writable pieces, submit it, and return the buffer with `written`
 * bytes when it is done. pump.h does just that over the library's own virtqueue.
 *
 * Seam A is asynchronous. A request changes the state of the device before submit returns, in the order of submission:
 * accesses that begin from then on see the new state. But a request that takes a translation away (UNMAP, DETACH, a
 * moving ATTACH) is not done while an access section that began earlier could still use the old one; it stays PENDING,
 * and comes back from next_done. So when the driver sees the used entry, the memory behind the mapping is its own
 * again.
 *
 * A section that never ends keeps the requests of its endpoint's domain PENDING, which stats.pended counts; access.h
 * says what happens if the endpoint leaves it. Requests of other domains go on until max_pending; then submit says
 * VIOMMU_E_BUSY, and nothing is lost. Who holds it all up, viommu_device_get_blocker says.
 *
 * Thread class of everything here: owner, except where stated. Data threads (access.h) run beside it.
 */
#ifndef VIOMMU_DEVICE_H
#define VIOMMU_DEVICE_H

#include <viommu/map.h>
#include <viommu/memory.h>
#include <viommu/trace.h>
#include <viommu/virtq.h>
#include <viommu/wire.h>

#ifdef __cplusplus
extern "C" {
#endif

struct viommu_access;
struct viommu_backend_ops;
struct viommu_device;
struct viommu_endpoint;

/* Configuration */

struct viommu_device_ops {
	uint32_t size; /* sizeof(struct viommu_device_ops) */
	/*
	 * There is something to do: a fault to fetch, or a request, a reset or a change of guest memory that may be
	 * done by now. Only wakes: must not call back into the library, must not block. Called while an access section
	 * ends or a fault is raised, on the thread that does so: at least once after the last section has ended that
	 * was waited for, and after each report. Then fetch done requests until there are none, ask again for what was
	 * not settled, and fetch faults until there are none: or, since they may be raised as fast as they are fetched,
	 * so many, and come back after other work without being called. NULL: the owner polls.
	 */
	void (*work_pending)(void *ctx);
	/*
	 * The endpoint is blocked from now on, since its back end broke (backend.h): make sure that nothing passes the
	 * back end any more, however it has failed. Called within the call that this happens in; what a hook of a back
	 * end may call, may be called here, too. NULL: nobody has to be told.
	 */
	void (*backend_broken)(void *ctx, struct viommu_endpoint *endpoint);
	/* Something happened (trace.h). On the owner's thread; must not call back. NULL: costs nothing but a look at it. */
	void (*trace)(void *ctx, const struct viommu_trace_event *event);
};

/* The most of max_endpoints, max_domains and max_pending. */
#define VIOMMU_DEVICE_COUNT_MAX 0x100000u

struct viommu_device_config {
	uint32_t size; /* sizeof(struct viommu_device_config) */
	uint32_t max_endpoints; /* 0: 16 */
	uint32_t max_domains;   /* 0: 16. At the limit, or if as many that died are still read, ATTACH answers NOMEM */
	uint32_t max_pending;   /* 0: 16. Requests waiting for a grace period; more are refused with VIOMMU_E_BUSY */
	uint64_t features;      /* offered, VIOMMU_F_* of the device class; BYPASS is refused */
	uint64_t page_size_mask; /* 0: 4 KiB and larger. Lowest bit: the granule, at least VIOMMU_MAP_GRANULE_MIN */
	struct viommu_range input_range; /* if F_INPUT_RANGE */
	uint32_t domain_first;  /* if F_DOMAIN_RANGE */
	uint32_t domain_last;
	uint32_t probe_size;    /* if F_PROBE: bytes for properties; 0 is legal and leaves no room for any */
	uint8_t bypass;         /* if F_BYPASS_CONFIG: initial value of config.bypass, 0 or 1 */
	/* For viommu_access_read and _write; ops NULL: these return VIOMMU_E_STATE. VIOMMU_E_ARG: see memory.h. */
	struct viommu_memory memory;
	const struct viommu_device_ops *ops; /* kept by pointer; may be NULL */
	void *ops_ctx;
};

#define VIOMMU_DEVICE_FEATURES											\
	(VIOMMU_F_INPUT_RANGE | VIOMMU_F_DOMAIN_RANGE | VIOMMU_F_MAP_UNMAP | VIOMMU_F_PROBE | VIOMMU_F_MMIO |	\
	 VIOMMU_F_BYPASS_CONFIG)

/* Everything offered, whole 64-bit space, all domain ids, 512 bytes of properties, no bypass. */
#define VIOMMU_DEVICE_CONFIG_INIT										\
	{													\
		.size = sizeof(struct viommu_device_config), .features = VIOMMU_DEVICE_FEATURES,		\
		.input_range = { 0, UINT64_MAX }, .domain_last = UINT32_MAX, .probe_size = 512			\
	}

/* viommu_endpoint_config.flags */
#define VIOMMU_ENDPOINT_F_INPUT_RANGE 1u /* input_range counts */
#define VIOMMU_ENDPOINT_FLAGS VIOMMU_ENDPOINT_F_INPUT_RANGE

struct viommu_endpoint_config {
	uint32_t size; /* sizeof(struct viommu_endpoint_config) */
	uint32_t id;   /* as the driver knows it (PCI: requester id) */
	/*
	 * Ranges that cannot be mapped, kept by pointer, sorted, not overlapping, at most one MSI region. Accesses to
	 * the MSI region pass a translating domain untranslated.
	 */
	const struct viommu_resv_region *regions;
	uint32_t region_count;
	uint32_t flags; /* VIOMMU_ENDPOINT_F_* */
	/*
	 * What is behind the endpoint may be able to do less than the device says of itself: pages of these sizes only
	 * (the lowest bit is a granule; 0, and one that is finer than the device's: no matter), and addresses of this
	 * range only. A domain takes MAPs that all its endpoints can do; the driver cannot be told of these limits, so
	 * give the device's own configuration what its first endpoints have in common.
	 */
	uint64_t page_size_mask;
	struct viommu_range input_range;
	const struct viommu_backend_ops *backend; /* NULL: none. Otherwise as viommu_device_set_backend (backend.h) */
	void *backend_ctx;
};
#define VIOMMU_ENDPOINT_CONFIG_INIT { .size = sizeof(struct viommu_endpoint_config) }

/* The request */

enum viommu_request_state {
	VIOMMU_REQUEST_IDLE,    /* the caller's */
	VIOMMU_REQUEST_PENDING, /* the device's, until next_done returns it */
	VIOMMU_REQUEST_DONE     /* the caller's again; the members marked "out" are valid */
};

/* Where the four bytes of a tail go: at most one piece per byte. Private. */
#define VIOMMU_REQUEST_TAIL_PIECES 4u

/*
 * One request, owned by the caller, untouched and in place from submit until it is DONE. The two vectors are read
 * inside submit only; `memory` and the bytes that `writable` names have to stay usable until the request is done, or
 * viommu_device_forget_replies. Zero it before first use.
 */
struct viommu_request {
	/* in */
	const struct viommu_segment *readable;
	const struct viommu_segment *writable;
	uint32_t readable_count;
	uint32_t writable_count;
	const struct viommu_memory *memory; /* for segments whose base is NULL; if there is none it may be NULL */
	void *user; /* yours */
	/* out */
	/*
	 * Used length: bytes from the first writable one. 0: not a request, or its reply was forgotten, or could not be
	 * written because `memory` failed: then the request may have been carried out, and nobody is told how it ended.
	 */
	uint32_t written;
	uint8_t status;   /* enum viommu_status as written; meaningless if written is 0 */
	uint8_t state;    /* enum viommu_request_state */
	uint8_t type;     /* as the driver wrote it, for statistics; 0 if there was no complete head */
	/* private */
	uint8_t tail_count;
	uint64_t epoch;  /* of the revocation; 0: took nothing away */
	struct viommu_endpoint *endpoint; /* which it waits for; NULL: for those that are in `domain` */
	const struct viommu_domain *domain; /* and for those on the move from there; as viommu_endpoint.left */
	struct viommu_request *next;
	struct viommu_segment tail[VIOMMU_REQUEST_TAIL_PIECES];
	struct viommu_map_limbo limbo;
};

/* The device */

/* Counters, saturating. */
struct viommu_device_stats {
	uint32_t requests[VIOMMU_T_COUNT]; /* by type; [0]: not a request */
	uint32_t statuses[VIOMMU_S_COUNT];
	uint32_t unanswered;    /* returned with length 0 */
	uint32_t faults;        /* raised */
	uint32_t faults_lost;   /* of these, no room in the context's ring */
	uint32_t pended;        /* requests that had to wait for an access section */
};

/* Private: an index of 32-bit ids, sorted. */
struct viommu_id_table {
	uint32_t *ids;
	uint32_t *slots;
	uint32_t count;
	uint32_t capacity;
};

/* Private: which mappings can be made. */
struct viommu_limits {
	uint64_t below; /* bits below the granule */
	struct viommu_range range;
};

/* Private. */
struct viommu_endpoint {
	const struct viommu_resv_region *regions;
	const void *view; /* what data threads see: the domain whose map they go through; NULL: nothing */
	const void *dirty_log; /* what data threads note their writes in; NULL: nothing */
	struct viommu_access *contexts;
	struct viommu_domain *domain;  /* NULL: not attached */
	struct viommu_endpoint *next;  /* in the domain */
	struct viommu_endpoint *next_moving;
	const struct viommu_domain *left; /* sections from there may be open; NULL: none, &everything: several */
	uint64_t moved; /* epoch at which its translations were last taken away as a whole */
	uint32_t region_count;
	uint32_t id;
	bool is_moving; /* sections from before `moved` may be open */
	bool is_removed;
	bool is_blocked; /* its back end broke */
	const struct viommu_backend_ops *backend; /* NULL: none that works */
	void *backend_ctx;
	struct viommu_endpoint *agreed; /* the one whose back end was asked before */
	const struct viommu_domain *removed_from; /* NULL: it was in none */
	struct viommu_map_limbo limbo; /* what its removal cut out */
	struct viommu_limits limits;
};

/* Private. */
struct viommu_domain {
	struct viommu_map map;
	struct viommu_limits limits; /* of the device and all its endpoints */
	struct viommu_endpoint *endpoints;
	uint64_t left_at; /* epoch at which an endpoint last went */
	uint64_t died; /* of the last one; 0: it never lived */
	uint32_t id;
	bool bypass;
};

/* The device. Private members. */
struct viommu_device {
	struct viommu_memory memory;
	const struct viommu_device_ops *ops;
	void *ops_ctx;
	struct viommu_endpoint *endpoints;
	struct viommu_domain *domains;
	struct viommu_domain everything; /* the view of endpoints without a domain while bypass is active */
	struct viommu_id_table endpoint_ids;
	struct viommu_id_table domain_ids;
	struct viommu_map_pool pool;
	struct viommu_endpoint *moving;
	struct viommu_request *pending;      /* in order of submission */
	struct viommu_request **pending_end;
	struct viommu_request *done;
	struct viommu_request **done_end;
	struct viommu_wire_config config;
	uint64_t features;   /* offered */
	uint64_t negotiated;
	uint64_t epoch;         /* counts revocations */
	uint64_t movers_drained; /* no section of an endpoint on the move could use what went up to this epoch */
	uint64_t dead_drained;   /* domains that died up to this epoch are not read any more */
	uint64_t settle_epoch;  /* of the last reset or bypass 1 -> 0 whose sections have not all ended; 0: none */
	bool is_resetting;      /* settle_epoch is of a reset, and reports are still of the time before it */
	uint64_t memory_epoch;  /* of the last change of guest memory, likewise */
	struct viommu_map_limbo limbo; /* what a reset cut out */
	uint32_t backends;      /* that work */
	uint32_t removed_count; /* endpoints that are not gone yet: the slots behind those of endpoint_ids */
	uint32_t max_endpoints;
	uint32_t max_domains;
	uint32_t max_pending;
	uint32_t pending_count;
	uint32_t fault_turn; /* endpoint whose faults are looked at next */
	uint8_t initial_bypass;
	unsigned granule_bits;
	uint32_t faults_before;      /* of contexts that are gone, as in stats */
	uint32_t faults_lost_before;
	struct viommu_device_stats stats;
};

/* Memory for a static array: what viommu_device_mem_size answers, plus room for `nodes` map nodes. */
#define VIOMMU_DEVICE_MEM(max_endpoints, max_domains, nodes)							\
	(32u + (size_t)(max_endpoints) * (sizeof(struct viommu_endpoint) + 8u) +				\
	 (size_t)(max_domains) * 2u * (sizeof(struct viommu_domain) + 8u) +					\
	 (size_t)(nodes) * VIOMMU_MAP_NODE_SIZE)

/*
 * The smallest memory for this configuration, without map nodes: add VIOMMU_MAP_NODE_SIZE for each (a mapping of one
 * granule takes at most two; densely mapped ones share). Any thread.
 * VIOMMU_E_ABI, VIOMMU_E_ARG: as viommu_device_init.
 */
VIOMMU_NODISCARD enum viommu_result viommu_device_mem_size(const struct viommu_device_config *config, size_t *bytes);

/*
 * A device without endpoints. The config is copied; mem (any alignment) is the device's until it is not used any more.
 * What is left of it becomes map nodes.
 * VIOMMU_E_ABI: size of the config or ops is unknown. VIOMMU_E_ARG: a feature or field that the library does not allow
 * (see the members), first above last. VIOMMU_E_NOMEM: mem is too small.
 */
VIOMMU_NODISCARD enum viommu_result viommu_device_init(struct viommu_device *dev,
						       const struct viommu_device_config *config, void *mem,
						       size_t len);

/* More map nodes, at any time. VIOMMU_E_ARG, VIOMMU_E_FULL: as viommu_map_pool_add. */
VIOMMU_NODISCARD enum viommu_result viommu_device_add_memory(struct viommu_device *dev, void *mem, size_t len);

/*
 * Adds an endpoint; *handle names it for access.h.
 * VIOMMU_E_EXISTS: the id is taken. VIOMMU_E_FULL: max_endpoints, with those removed and not gone. VIOMMU_E_ARG: bad
 * regions, or their properties do not fit into probe_size; unknown flags; input_range upside down. VIOMMU_E_ABI.
 * With a back end also what viommu_device_set_backend returns; then there is no such endpoint.
 */
VIOMMU_NODISCARD enum viommu_result viommu_device_add_endpoint(struct viommu_device *dev,
							       const struct viommu_endpoint_config *config,
							       struct viommu_endpoint **handle);

/*
 * Takes an endpoint away, at any time, with requests pending and sections open. It leaves its domain, which dies if it
 * was the last one there, and the driver's requests do not find it any more. What its contexts look up is refused;
 * reports of it that were not fetched are lost (counted, when the context goes), for they name an id that may be
 * another's by then. Requests that are PENDING are answered as they would have been. Its id may be added again at once,
 * if there is another slot: give max_endpoints one more than there are endpoints at a time for that.
 *
 * The removal is complete when viommu_device_endpoint_is_gone says so. Until then the regions that it was added with,
 * and what its sections use, stay in place. What the embedder has to do: see to it that its sections end, and deinit
 * its contexts (access.h). VIOMMU_E_STATE: it was removed before; nothing happened.
 * Steps: as DETACH (viommu_device_submit), endpoints, endpoints on the move.
 */
VIOMMU_NODISCARD enum viommu_result viommu_device_remove_endpoint(struct viommu_device *dev,
								  struct viommu_endpoint *endpoint);

/*
 * Have all sections ended that could use what the removed endpoint had, and has it no context any more? Ask when
 * work_pending was called, and after the last deinit. With the answer true its slot is free and the handle is nobody's:
 * do not ask again. An endpoint that was not removed is not gone. Steps: contexts of the endpoint, and of endpoints on
 * the move; removed endpoints.
 */
bool viommu_device_endpoint_is_gone(struct viommu_device *dev, struct viommu_endpoint *endpoint);

/* Seam A */

/*
 * Executes a request. On VIOMMU_OK its state is DONE or PENDING. A request that is no good is DONE with a status, or
 * with written = 0 if it cannot be parsed; that is no error of this call.
 * VIOMMU_E_BUSY: max_pending requests are waiting; nothing happened. VIOMMU_E_STATE: the request is pending already.
 * Steps: segments; one map operation (map.h); the access contexts of the domain and of endpoints on the move. UNMAP:
 * also, in the cache of each context of the domain, a slot for each granule, at most all; ATTACH, DETACH: all slots of
 * the endpoint's. MAP: also the reserved regions of the domain's endpoints. ATTACH, DETACH: also endpoints and domains,
 * and a search of the map for each reserved region. PROBE: also probe_size bytes. With back ends also their hooks, for
 * each endpoint of the domain, and of an ATTACH for each of its mappings.
 */
VIOMMU_NODISCARD enum viommu_result viommu_device_submit(struct viommu_device *dev, struct viommu_request *request);

/*
 * The next request that was PENDING and is now DONE, or NULL. In no particular order between domains.
 * Steps: pending requests times the access contexts of their domains and of endpoints on the move.
 */
struct viommu_request *viommu_device_next_done(struct viommu_device *dev);

/*
 * The buffers of all requests that are PENDING are not the device's any more, since the queue that they came from was
 * reset, for one. The requests go on waiting for their sections, and next_done returns them when those have ended, but
 * with written = 0, and nothing is written. Steps: pending requests.
 */
void viommu_device_forget_replies(struct viommu_device *dev);

/* Would submit be refused with VIOMMU_E_BUSY? */
bool viommu_device_is_busy(const struct viommu_device *dev);

/*
 * Takes retired map nodes apart, at most `budget` of them. Returns how many steps were used. MAP does it on demand too.
 */
uint32_t viommu_device_process(struct viommu_device *dev, uint32_t budget);

/* The next fault report for the driver. VIOMMU_E_EMPTY. Endpoints take turns, and the contexts of each. Steps: both. */
VIOMMU_NODISCARD enum viommu_result viommu_device_next_fault(struct viommu_device *dev,
							     struct viommu_wire_fault *out);

/* What the registers need to do */

/* Offered bits of the device class. */
uint64_t viommu_device_features(const struct viommu_device *dev);

/* The driver has set FEATURES_OK with these bits. VIOMMU_E_ARG: bits that were not offered; nothing changed. */
VIOMMU_NODISCARD enum viommu_result viommu_device_negotiate(struct viommu_device *dev, uint64_t features);

/* Reads the configuration space. Bytes behind its end read as 0. */
void viommu_device_config_read(const struct viommu_device *dev, uint32_t offset, void *dst, uint32_t len);

/*
 * A store by the driver. Only `bypass`, only with BYPASS_CONFIG negotiated, only 0 and 1; anything else is ignored.
 * Clearing it revokes: the store is complete when viommu_device_is_settled says so.
 */
void viommu_device_config_write(struct viommu_device *dev, uint32_t offset, const void *src, uint32_t len);

/*
 * Virtio device reset: no endpoint is attached, no domain exists, nothing is negotiated; config.bypass stays. Pending
 * requests come back from next_done with written = 0. The reset is complete, and status may read 0, when
 * viommu_device_is_settled says so: it waits for sections that lose something, not for others. Reports raised until
 * then and not yet fetched are dropped, and next_fault has none. Steps: endpoints, domains, access contexts and
 * the slots of their caches, pending requests.
 */
void viommu_device_reset(struct viommu_device *dev);

/* The same, and config.bypass is as configured. For a reset of the whole machine. */
void viommu_device_system_reset(struct viommu_device *dev);

/* Have all access sections ended that began before the last reset or bypass 1 -> 0? Steps: access contexts. */
bool viommu_device_is_settled(struct viommu_device *dev);

/*
 * The access context that has been holding up a request, a reset or a change of guest memory for the longest time;
 * NULL: none. *since: when that began, in revocations of all kinds that the device has seen. The library has no clock:
 * who asks again later and gets the same context and the same *since knows that a section has been open all the time.
 * If others have taken the place of the one that was waited for, it is another number. Steps: endpoints, access
 * contexts.
 */
struct viommu_access *viommu_device_get_blocker(const struct viommu_device *dev, uint64_t *since);

/* Guest memory that changes */

/*
 * Memory was taken away, restricted, or is at another place in the host (the same bytes: what is still written at the
 * old place has to be seen at the new one, as where a file is mapped a second time): call this once the seams answer
 * accordingly (a pump: pump.h does it). New memory alone needs no call. What begins from now on does not meet the old
 * memory: translations lead where they led, but there is no pointer and no copy any more; requests submitted from now
 * on must not have segments in it. What began before may go on using it: access sections, and requests that are
 * PENDING, whose tails are written into it when they are done. When that is over, which viommu_device_memory_is_settled
 * says, the old memory may be released. Steps: as viommu_device_memory_is_settled.
 */
void viommu_device_memory_changed(struct viommu_device *dev);

/*
 * Have all access sections ended that were open at the last change, and have all requests come back from next_done that
 * were pending then, also those of viommu_device_forget_replies? Ask when work_pending was called, after next_done (or
 * viommu_pump_process) had its turn. Sections that began later count only if older ones of their context were waited
 * for when they began (access.h), and requests of the driver do not wait for the change. Steps: endpoints, access
 * contexts, pending requests.
 */
bool viommu_device_memory_is_settled(struct viommu_device *dev);

/* The counters as of now. Steps: endpoints, access contexts. */
const struct viommu_device_stats *viommu_device_get_stats(struct viommu_device *dev);

/*
 * See types.h. Of a request: while its owner is the device, and afterwards. Steps of _check: pieces of the tail;
 * regions and access contexts of the endpoint; everything that the device has.
 */
bool viommu_request_is_valid(const struct viommu_request *request);
bool viommu_request_check(const struct viommu_request *request);
bool viommu_endpoint_is_valid(const struct viommu_endpoint *endpoint);
bool viommu_endpoint_check(const struct viommu_endpoint *endpoint);
bool viommu_device_is_valid(const struct viommu_device *dev);
bool viommu_device_check(const struct viommu_device *dev);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_DEVICE_H */
