/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver.h: the virtio-iommu driver: bring-up, PROBE, domains, map, unmap, sync, events. Links into firmware, an RTOS
 * or a unikernel.
 *
 *        map, unmap                  attach, detach, probe                    fault hook
 *            | record, post                 | post, wait                          ^
 *     +------v------------------------------v-------------------------------------+------+
 *     | request slots: fixed, private; each has 64 bytes of shared memory                 |
 *     +------+----------------------------------------------------------------------------+
 *     seam B | add, publish, kick, pop: the library's virtqueue, or the embedder's own
 *     +------v------+
 *     | virtq.h     |   seam D: registers (transport/registers.h)
 *     +-------------+
 *
 * map and unmap only post. viommu_driver_sync publishes what was posted, kicks once, waits for what this caller posted,
 * and reports what failed. Strict unmap is unmap followed by sync; until then the range must not be reused.
 *
 * The record. Each domain keeps a record of its mappings in private memory; a device that loses them, or a domain whose
 * last endpoint leaves, gets them replayed at the next attach. A domain without endpoint does not exist for the device,
 * so map and unmap then change the record and send nothing. The record follows the device: a mapping leaves it when its
 * UNMAP is confirmed, and a MAP that the device refused is taken out again. When the outcome is not known (timeout, a
 * reply without status, a failed UNMAP) the range is UNCERTAIN: it stays in the record, is refused for reuse and
 * counted, until a later UNMAP of it is confirmed or the domain loses its last endpoint.
 *
 * Two memory areas. The private one is the driver's alone. The shared one holds rings, requests and event buffers; a
 * device that rewrites all of it at any time causes the errors named below and nothing else.
 *
 * Threads. Without lock hooks everything is one owner's. With them, functions marked "locked" may be called from any
 * thread; the lock is held for a bounded number of steps, and never while kicking, waiting or in the fault hook.
 */
#ifndef VIOMMU_DRIVER_H
#define VIOMMU_DRIVER_H

#include <viommu/map.h>
#include <viommu/transport/registers.h>
#include <viommu/virtq.h>
#include <viommu/wire.h>

#ifdef __cplusplus
extern "C" {
#endif

struct viommu_driver;
struct viommu_driver_domain;
struct viommu_driver_batch;

/* Hooks and configuration */

/* Seam B: the request and event queues. The library's own virtqueue is the default. `queue`: enum viommu_queue. */
struct viommu_queue_ops {
	uint32_t size; /* sizeof(struct viommu_queue_ops) */
	/* Adds a chain, readable pieces first. VIOMMU_E_FULL: no room. VIOMMU_E_BROKEN: dead. Lock held. */
	enum viommu_result (*add)(void *ctx, uint32_t queue, const struct viommu_bus_segment *segments,
				  uint32_t readable, uint32_t writable, void *token);
	/* Makes added chains visible; returns whether to kick. Lock held. */
	bool (*publish)(void *ctx, uint32_t queue);
	/* Notifies the device. Lock not held. */
	void (*kick)(void *ctx, uint32_t queue);
	/* Takes a used chain. VIOMMU_E_EMPTY: none. VIOMMU_E_BROKEN: dead. Lock held. */
	enum viommu_result (*pop)(void *ctx, uint32_t queue, void **token, uint32_t *written);
	/*
	 * Asks for a notification at the next used chain; returns whether there is one already. Lock held. NULL: the
	 * queue always notifies.
	 */
	bool (*arm)(void *ctx, uint32_t queue);
};

/* What went wrong with a MAP or an UNMAP. */
struct viommu_driver_failure {
	enum viommu_result result; /* REJECTED: see status. PEER: a reply without status. TIMEOUT. BROKEN */
	uint8_t type;              /* VIOMMU_T_MAP or _UNMAP */
	uint8_t status;            /* enum viommu_status, if REJECTED */
	bool uncertain;            /* the device may or may not have done it */
	viommu_iova first;
	viommu_iova last;
};

struct viommu_driver_ops {
	uint32_t size; /* sizeof(struct viommu_driver_ops) */
	/*
	 * Nothing has completed. Relax, sleep, yield, or run an in-process device; `attempt` counts from 0 since
	 * something last did. Anything but VIOMMU_OK gives up: the call that waits returns VIOMMU_E_TIMEOUT. Needed.
	 * Lock not held.
	 */
	enum viommu_result (*wait)(void *ctx, uint32_t attempt);
	/* Both or neither. May disable interrupts. */
	void (*lock)(void *ctx);
	void (*unlock)(void *ctx);
	/*
	 * A fault report of an endpoint whose owner has no hook (see viommu_driver_endpoint_set_fault). Lock not held;
	 * may call the driver. NULL: counted only.
	 */
	void (*fault)(void *ctx, const struct viommu_wire_fault *fault);
	/*
	 * Each MAP and UNMAP that failed, but for those of a replay, when it is found out. Lock held: must not call the
	 * driver. May be NULL.
	 */
	void (*failed)(void *ctx, struct viommu_driver_domain *domain, const struct viommu_driver_failure *failure);
	/*
	 * For machines whose DMA is not coherent: write back before the device reads, drop before we read. Both or
	 * neither. The device is then kicked for every publish. With the lock held, or by the owner in start.
	 */
	void (*clean)(void *ctx, void *shared, size_t len);
	void (*invalidate)(void *ctx, void *shared, size_t len);
};

struct viommu_driver_config {
	uint32_t size; /* sizeof(struct viommu_driver_config) */
	uint32_t queue_size; /* 0: 64. A power of two, 2 to 32768; a device with less gets its maximum */
	uint32_t event_count; /* 0: 16. A power of two; size of the event queue and number of event buffers */
	uint32_t probe_size_max; /* 0: 512. Room for PROBE replies */
	uint64_t features; /* accepted if offered and the registers can do it; VERSION_1 and MAP_UNMAP always are */
	uint64_t granule; /* 0: 4 KiB. The embedder's page size; the driver works with it or the device's, if larger */
	uint64_t granule_max; /* 0: the same as granule. A device whose granule is larger is given up */
	const struct viommu_driver_ops *ops; /* kept by pointer */
	void *ops_ctx;
};

#define VIOMMU_DRIVER_FEATURES											\
	(VIOMMU_F_INPUT_RANGE | VIOMMU_F_DOMAIN_RANGE | VIOMMU_F_MAP_UNMAP | VIOMMU_F_PROBE | VIOMMU_F_MMIO |	\
	 VIOMMU_F_BYPASS_CONFIG | VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX | VIOMMU_F_VERSION_1 |		\
	 VIOMMU_F_ACCESS_PLATFORM | VIOMMU_F_IN_ORDER | VIOMMU_F_ORDER_PLATFORM | VIOMMU_F_NOTIFICATION_DATA |	\
	 VIOMMU_F_RING_RESET)

/*
 * RING_RESET is accepted for what is to come: the driver resets no queue alone, and nobody else may reset one of its
 * queues while it runs.
 */
#define VIOMMU_DRIVER_CONFIG_INIT { .size = sizeof(struct viommu_driver_config), .features = VIOMMU_DRIVER_FEATURES }

/*
 * Objects. What is used most comes first in each, bytes before words before what is large: small processors reach it
 * with shorter instructions.
 */

/* Private: one request in flight. */
struct viommu_driver_slot {
	uint8_t state;
	uint8_t type;
	uint8_t status;
	bool recorded; /* the record changes with the outcome */
	enum viommu_result result;
	struct viommu_driver_domain *domain; /* of an asynchronous request */
	struct viommu_driver_slot *next;     /* in the domain, or in the free list */
	struct viommu_driver_slot *prev;
	struct viommu_driver_batch *batch; /* of which it is one; or NULL: its domain's next sync reports it */
	uint64_t ticket;
	viommu_iova first;
	viommu_iova last;
};

/* An endpoint as the driver knows it. The caller's memory, in place until it is detached for good. Private members. */
struct viommu_driver_endpoint {
	uint32_t id;
	bool uncertain; /* an ATTACH or DETACH without known outcome */
	struct viommu_driver *drv;
	struct viommu_driver_domain *domain; /* NULL: not attached */
	struct viommu_driver_endpoint *next; /* in the domain, or among those that it lost */
	struct viommu_resv_region *regions;  /* found by PROBE */
	struct viommu_driver_domain *claimed; /* an ATTACH to it has no known outcome */
	struct viommu_driver_domain *lost; /* it was there when the device was lost: recover attaches it again */
	uint32_t region_count;
	uint32_t life; /* of the driver, when this was last looked at */
	void (*fault)(void *ctx, const struct viommu_wire_fault *fault); /* its owner's; or NULL */
	void *fault_ctx;
};

/* A domain. The caller's memory, in place until viommu_driver_domain_deinit. Private members. */
struct viommu_driver_domain {
	uint32_t id;
	bool bypass;
	bool incomplete; /* the device does not have all of the record, and an endpoint is still here */
	struct viommu_driver *drv;
	struct viommu_driver_domain *next; /* all domains, by id */
	struct viommu_driver_endpoint *endpoints;
	struct viommu_driver_endpoint *lost; /* recover is to attach them again */
	struct viommu_driver_slot *oldest; /* its requests in flight, by ticket */
	struct viommu_driver_slot *newest;
	uint32_t failures; /* since the last sync */
	uint32_t claims;   /* endpoints that may be here without our knowing */
	uint32_t unmaps;   /* UNMAPs in flight */
	struct viommu_map map;
	struct viommu_driver_failure first_failure;
	struct viommu_range msi_window; /* last: 0 if there is none */
};

/* Counters, saturating. */
struct viommu_driver_stats {
	uint32_t requests[VIOMMU_T_COUNT]; /* posted, by type */
	uint32_t statuses[VIOMMU_S_COUNT]; /* of completed ones; [IOERR] also counts unknown values */
	uint32_t unanswered;  /* used length too short for a status, or none was written: 0xff stands there before */
	uint32_t kicks;       /* of the request queue */
	uint32_t faults;      /* reports delivered */
	uint32_t faults_bad;  /* reports dropped because they are malformed */
	uint32_t timeouts;
	uint32_t late;        /* completions after a timeout */
	uint32_t uncertain;   /* ranges that became UNCERTAIN */
};

enum viommu_driver_state {
	VIOMMU_DRIVER_STOPPED,
	VIOMMU_DRIVER_RUNNING,
	VIOMMU_DRIVER_FAILED /* the queue is broken, or the device needs a reset; recover, or stop and start */
};

/* The driver. Private members. */
struct viommu_driver {
	uint8_t state; /* enum viommu_driver_state */
	uint8_t granule_bits;
	const struct viommu_driver_ops *ops;
	void *ops_ctx;
	const struct viommu_queue_ops *queues;
	void *queues_ctx;
	struct viommu_driver_slot *slots;
	struct viommu_driver_slot *free_slots;
	struct viommu_driver_slot *probe_slot; /* whose reply goes to probe_memory; NULL: nobody's */
	struct viommu_driver_poster *waiters;  /* for slots, first come first served; NULL if any is free */
	struct viommu_driver_domain *domains;
	uint32_t queue_size;
	uint32_t slot_limit; /* slots in use: of the queue_size there are, those that fit into the device's queue */
	uint32_t life; /* counts stops */
	uint32_t event_count;
	uint32_t probe_size_max;
	uint8_t *probe_copy; /* private: the reply as it is judged */
	const struct viommu_register_ops *registers;
	void *registers_ctx;
	uint64_t features; /* negotiated */
	uint64_t next_ticket;
	struct viommu_shared_memory slot_memory;
	uint64_t features_wanted;
	uint64_t granule_min;
	uint64_t granule_max;
	struct viommu_driver_stats stats;
	struct viommu_wire_config config; /* as read from the device at start */
	struct viommu_shared_memory event_memory;
	struct viommu_shared_memory probe_memory;
	uint32_t used_at[VIOMMU_QUEUE_COUNT]; /* in these: what the device writes */
	struct viommu_virtq_shadow *shadows[VIOMMU_QUEUE_COUNT];
	struct viommu_shared_memory rings[VIOMMU_QUEUE_COUNT];
	struct viommu_virtq_driver virtqs[VIOMMU_QUEUE_COUNT];
	struct viommu_map_pool pool;
};

/* Bring-up */

/*
 * Bytes for viommu_driver_init. Private: without map nodes; add VIOMMU_MAP_NODE_SIZE for each (see map.h). Any thread.
 * Errors as init.
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_mem_size(const struct viommu_driver_config *config,
							   size_t *private_bytes, size_t *shared_bytes);

/*
 * The config is copied. Private memory of any alignment; what is left of it becomes map nodes. Shared memory aligned to
 * 16 in both address spaces, to 64 if there is a clean hook. Both are the driver's until it is stopped and not used any
 * more.
 * VIOMMU_E_ABI: a size is unknown. VIOMMU_E_ARG: sizes, granules (a power of two, at least 256), no wait hook, half of
 * a pair of hooks, misaligned shared memory. VIOMMU_E_NOMEM: an area is too small.
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_init(struct viommu_driver *drv,
						       const struct viommu_driver_config *config, void *mem, size_t len,
						       const struct viommu_shared_memory *shared);

/* More map nodes. VIOMMU_E_ARG, VIOMMU_E_FULL: as viommu_map_pool_add. Locked. */
VIOMMU_NODISCARD enum viommu_result viommu_driver_add_memory(struct viommu_driver *drv, void *mem, size_t len);

/*
 * Brings a device up through its registers, with the library's own virtqueues: reset, negotiate, read the
 * configuration, set the queues up, fill the event queue. ("Device Initialization") Domains that are there keep their
 * records, for devices that have the same granule.
 * VIOMMU_E_STATE: running. VIOMMU_E_ABI: size of registers. VIOMMU_E_UNSUPP: no VERSION_1 or MAP_UNMAP on offer,
 * FEATURES_OK refused, too few queue entries, a granule that is 0 or not that of the records, or not one granule in
 * input_range. VIOMMU_E_RANGE: the device's granule is larger than granule_max; no request was sent.
 * VIOMMU_E_NOMEM: probe_size is above probe_size_max. VIOMMU_E_PEER: ranges upside down, or a configuration that never
 * holds still, or a queue that the device does not take. VIOMMU_E_REJECTED, VIOMMU_E_ARG: as the queue_enable of the
 * registers, see there. After all of these FAILED is set in the status. VIOMMU_E_TIMEOUT: the device does not finish
 * its reset. Owner.
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_start(struct viommu_driver *drv,
							const struct viommu_register_ops *registers,
							void *registers_ctx);

/*
 * The same over queues that the embedder has brought up: `features` as negotiated, the configuration space as read. The
 * request queue takes at least queue_size chains of two pieces, the event queue event_count of one.
 * Errors as start; nothing is written to any register. Owner.
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_start_queues(struct viommu_driver *drv,
							       const struct viommu_queue_ops *queues,
							       void *queues_ctx, uint64_t features,
							       const uint8_t config[VIOMMU_WIRE_CONFIG_SIZE]);

/*
 * Resets the device (with start_queues: the embedder does that before) and forgets what was in flight. Endpoints are
 * detached, also those that recover has still to attach; domains keep their records. VIOMMU_E_TIMEOUT: the device does
 * not finish its reset, so it may still touch the shared memory; the driver has failed. Stop again to go on waiting.
 * Owner.
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_stop(struct viommu_driver *drv);

/* A device that fails, goes, or is handed over */

/*
 * Is the device as it was started? For a configuration change interrupt, or whenever a call has timed out. Reads the
 * status and the configuration, config.bypass excepted.
 * VIOMMU_E_BROKEN: it needs a reset, was reset by somebody, is gone (a bus without a device reads as ones), or broke a
 * queue earlier: from now on every call that would ask it returns this, and whoever waits stops. VIOMMU_E_PEER: the
 * configuration is another one, or never holds still; the driver goes on with what it has read at start, and recover
 * reads it again. VIOMMU_E_STATE: stopped, or the queues are the embedder's. Owner; registers.
 * ("Device Status Field", "Device Configuration Space")
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_look(struct viommu_driver *drv);

/*
 * Brings the device up again, whatever its state, and puts back what it had: reset, bring-up as by start, each endpoint
 * attached to the domain it was in, records replayed (after one UNMAP of everything: there are devices that keep domains
 * over a reset). A MAP in flight is one of the record, and replayed; an UNMAP in
 * flight is done, as the device has nothing any more; an endpoint whose ATTACH or DETACH has no known outcome is in no
 * domain; no range is UNCERTAIN. Failures not yet reported are still reported by the next sync. From the reset to its
 * ATTACH an endpoint reaches what config.bypass allows it. Not asked again: PROBE.
 *
 * VIOMMU_E_TIMEOUT before the reset is finished: the driver has failed, and nothing else has changed; the device may
 * still touch the shared memory.
 * Errors of start: stopped; the endpoints wait for another recover (attach and detach take one out, stop takes all).
 * VIOMMU_E_REJECTED, VIOMMU_E_RANGE, VIOMMU_E_UNSUPP, with the driver running: one endpoint, the first one of perhaps
 * several, is in no domain, for the reason that attach gives; all others are where they were.
 * VIOMMU_E_TIMEOUT, VIOMMU_E_PEER, VIOMMU_E_BROKEN, VIOMMU_E_PORT, VIOMMU_E_BUSY, with the driver failed: the device
 * failed again on the way; what is not attached yet waits for another recover.
 * VIOMMU_E_STATE: it was never started, or the queues are the embedder's.
 * viommu_driver_endpoint_domain tells of each endpoint. Owner; no other call meanwhile. Steps: endpoints and mappings.
 * ("Device Status Field", "Device Reset")
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_recover(struct viommu_driver *drv);

/* The same over queues of a device that the embedder has reset and brought up, as start_queues. Owner. */
VIOMMU_NODISCARD enum viommu_result viommu_driver_recover_queues(struct viommu_driver *drv,
								 const struct viommu_queue_ops *queues,
								 void *queues_ctx, uint64_t features,
								 const uint8_t config[VIOMMU_WIRE_CONFIG_SIZE]);

/*
 * The device was removed, and nothing touches the shared memory any more: as stop, without asking it. Records stay, for
 * the next device. Owner.
 */
void viommu_driver_abandon(struct viommu_driver *drv);

/* What endpoints reach when the driver has let go of them. */
enum viommu_driver_handover {
	VIOMMU_HANDOVER_KEEP,  /* what config.bypass says already */
	VIOMMU_HANDOVER_BLOCK, /* nothing: config.bypass becomes 0 before the first one is detached */
	VIOMMU_HANDOVER_BYPASS /* everything: it becomes 1 */
};

/*
 * Hands the device over to an operating system or the next kernel: waits for what is in flight, stores config.bypass,
 * detaches the endpoints, resets the device. The shared memory is the embedder's again. A device that fails on the way
 * is not asked any further, but reset; an ATTACH that it forgets only at the reset is no failure.
 * VIOMMU_E_STATE: stopped. VIOMMU_E_UNSUPP: config.bypass is to change, and the device does not have it, or its
 * registers are the embedder's; nothing was done. VIOMMU_E_PEER: config.bypass was stored and does not read so, as with
 * a device that was reset by somebody or is gone; nothing else was done: endpoints are not let go into what was not
 * asked for. KEEP does that all the same, or stop. VIOMMU_E_TIMEOUT: as stop; call that to go on waiting. Owner.
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_shutdown(struct viommu_driver *drv,
							   enum viommu_driver_handover handover);

/* What was negotiated. Valid while running. */
struct viommu_driver_limits {
	uint64_t features;
	uint64_t granule;
	struct viommu_range input_range; /* shrunk to the granule */
	uint32_t domain_first;
	uint32_t domain_last;
	uint32_t slots; /* requests that fit in flight */
};
void viommu_driver_get_limits(const struct viommu_driver *drv, struct viommu_driver_limits *out);

/* Endpoints and domains */

/*
 * An endpoint by its id, and a PROBE for it if that was negotiated. `regions` (capacity elements, the caller's memory,
 * as long as the endpoint) receives its reserved regions.
 * VIOMMU_E_STATE: not running. VIOMMU_E_REJECTED: the device does not know the endpoint, or failed. VIOMMU_E_PEER: the
 * reply makes no sense. VIOMMU_E_NOMEM: more regions than capacity. VIOMMU_E_BUSY: another PROBE is in flight, or
 * one that was given up.
 * VIOMMU_E_TIMEOUT, VIOMMU_E_BROKEN, VIOMMU_E_PORT. An endpoint whose init failed cannot be attached. Locked, waits.
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_endpoint_init(struct viommu_driver_endpoint *endpoint,
								struct viommu_driver *drv, uint32_t id,
								struct viommu_resv_region *regions, uint32_t capacity);

/*
 * Reports about this endpoint go to `fault`, from now on and as long as it is attached; others, and after NULL, to the
 * hook of the driver. Called like that one, by viommu_driver_process; one that has been looked up already may still be
 * called after this, or after a detach, on the thread that processes. An endpoint that was initialised. Locked.
 */
void viommu_driver_endpoint_set_fault(struct viommu_driver_endpoint *endpoint,
				      void (*fault)(void *ctx, const struct viommu_wire_fault *fault), void *ctx);

/* The regions found. Any thread. */
const struct viommu_resv_region *viommu_driver_endpoint_regions(const struct viommu_driver_endpoint *endpoint,
								uint32_t *count);

/* Any id that is free. */
#define VIOMMU_DOMAIN_ANY UINT64_MAX

/*
 * A domain, empty; the device hears of it when the first endpoint is attached. id: within domain_range, or ANY.
 * bypass: an identity domain, which cannot have mappings.
 * VIOMMU_E_STATE: not running. VIOMMU_E_RANGE: id outside domain_range. VIOMMU_E_EXISTS: the id is taken.
 * VIOMMU_E_FULL: no id is free. VIOMMU_E_UNSUPP: bypass without BYPASS_CONFIG. Locked. Steps: domains.
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_domain_init(struct viommu_driver_domain *domain,
							      struct viommu_driver *drv, uint64_t id, bool bypass);

/*
 * Forgets it, record and all, and sends nothing. VIOMMU_E_STATE: an endpoint is attached, or may be (an UNCERTAIN one),
 * or waits for recover, or requests are in flight. Locked.
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_domain_deinit(struct viommu_driver_domain *domain);

/*
 * Sets addresses aside for doorbells, where PROBE gives no MSI region and nothing else may come there: objects of dma.h
 * keep off but for those whose window is inside of it, and viommu_driver_map_identity leaves it out. It does no harm
 * where there is an MSI region. viommu_driver_map can map there. { 0, 0 }: none, as at first. It stays with the domain.
 * VIOMMU_E_ARG: first > last. VIOMMU_E_EXISTS: something is mapped there. Locked. Constant time.
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_domain_set_msi_window(struct viommu_driver_domain *domain,
									struct viommu_range window);

uint32_t viommu_driver_domain_id(const struct viommu_driver_domain *domain);

/*
 * Attaches an endpoint, taking it out of the domain it was in. If it is the domain's first one, all mappings of the
 * record are replayed, in ceil(mappings / slots) rounds; if one of them fails the endpoint is detached again, and is in
 * no domain.
 * VIOMMU_E_STATE: not running. VIOMMU_E_RANGE: a mapping of the domain overlaps a reserved region of the endpoint, or,
 * with a record from before a restart, the domain or a mapping is out of range now. VIOMMU_E_UNSUPP: so is a feature
 * that they need. VIOMMU_E_REJECTED: the device refused (*status says how, if not NULL). If it refused the ATTACH, all
 * is as before; viommu_driver_endpoint_domain tells. VIOMMU_E_BROKEN of a driver that has failed before: likewise, so
 * that recover puts it back. VIOMMU_E_PEER, VIOMMU_E_TIMEOUT, VIOMMU_E_BROKEN, VIOMMU_E_PORT: not known; the endpoint is UNCERTAIN: the next attach or detach begins with taking it out of wherever it may be.
 * VIOMMU_E_BUSY: there is another endpoint of which it is not known whether it is in the domain, or which could not be
 * detached after a replay that failed: attach or detach that one first.
 * Locked, waits; no other call on this domain or endpoint meanwhile.
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_attach(struct viommu_driver_domain *domain,
							 struct viommu_driver_endpoint *endpoint, uint8_t *status);

/* The domain it is in, as far as is known, or NULL. */
struct viommu_driver_domain *viommu_driver_endpoint_domain(const struct viommu_driver_endpoint *endpoint);

/*
 * Detaches it from its domain, or takes it out of those that wait for recover. VIOMMU_E_STATE: not attached, not
 * running. Other errors as attach, but that VIOMMU_E_BROKEN always leaves it UNCERTAIN: recover does not put back what
 * was to go. Locked, waits.
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_detach(struct viommu_driver_endpoint *endpoint, uint8_t *status);

/* Mappings */

/*
 * Posts a MAP of [first, last] to phys. flags: VIOMMU_MAP_F_*.
 * VIOMMU_E_STATE: not running, a bypass domain, or one of which the device's view is not known (see attach, BUSY).
 * VIOMMU_E_ARG: last < first, unknown flags, phys wraps.
 * VIOMMU_E_UNSUPP: MMIO was not negotiated. VIOMMU_E_RANGE: not aligned to the granule, outside input_range, or in a
 * reserved region of an attached endpoint. VIOMMU_E_EXISTS: overlaps a mapping, or an UNCERTAIN range. VIOMMU_E_NOMEM:
 * no map nodes.
 * VIOMMU_E_BROKEN: the queue is. VIOMMU_E_TIMEOUT: all slots are in flight, or an UNMAP of that range is, and did not
 * come back. VIOMMU_E_PORT: seam B has fewer descriptors than promised. Nothing is posted if it fails. Locked. Where
 * all slots are in flight threads get one in the order in which they came. Steps: one map operation, the reserved
 * regions of the domain's endpoints, and the domain's requests in flight if one of them is an UNMAP.
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_map(struct viommu_driver_domain *domain, viommu_iova first,
						      viommu_iova last, viommu_gpa phys, uint32_t flags);

/*
 * An identity domain for a device without BYPASS_CONFIG, or one that leaves out more: maps [first, last] to itself, but
 * for the granules that a reserved region of the domain's endpoints touches, or its MSI window, or a reserved region of
 * `joining`, which is about to be attached and may be NULL. All or nothing, and answered when it returns. Nothing to map is no error.
 * Errors as map and sync, and VIOMMU_E_EXISTS where something is mapped already. After a failure what was mapped by
 * then is unmapped again, as in viommu_driver_dma_map. Steps: for each piece that map has, and the regions. Locked,
 * waits; no other call on this domain meanwhile. ("PROBE request", property RESV_MEM)
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_map_identity(struct viommu_driver_domain *domain,
							       const struct viommu_driver_endpoint *joining,
							       viommu_iova first, viommu_iova last, uint32_t flags);

/*
 * Posts an UNMAP of all mappings in [first, last]; holes are no error.
 * Waits for an UNMAP in flight if this one would split what that one removes.
 * VIOMMU_E_STATE, VIOMMU_E_ARG, VIOMMU_E_TIMEOUT, VIOMMU_E_BROKEN, VIOMMU_E_PORT: as map. VIOMMU_E_RANGE: it would
 * split a mapping, or it leaves input_range. Locked.
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_unmap(struct viommu_driver_domain *domain, viommu_iova first,
							viommu_iova last);

/*
 * Publishes, kicks at most once, and waits for what was posted to this domain before the call.
 * Returns the result of the first request that failed since the last sync, with *failure (if not NULL) saying which;
 * the `failed` hook hears of each. VIOMMU_E_REJECTED, VIOMMU_E_PEER, VIOMMU_E_TIMEOUT, VIOMMU_E_BROKEN: see failure.
 * VIOMMU_E_STATE: not running. Locked, waits.
 */
VIOMMU_NODISCARD enum viommu_result viommu_driver_sync(struct viommu_driver_domain *domain,
						       struct viommu_driver_failure *failure);

/* Where an address leads by the record. VIOMMU_E_NOENT: it is not mapped. Bypass domains: identity. Locked. */
VIOMMU_NODISCARD enum viommu_result viommu_driver_iova_to_phys(struct viommu_driver_domain *domain, viommu_iova iova,
							       viommu_gpa *phys);

/* The mapping of the record that contains `from` or follows it: a walk, as viommu_map_next. Locked. */
bool viommu_driver_next_mapping(struct viommu_driver_domain *domain, viommu_iova from, struct viommu_mapping *out);

/* Events */

/*
 * Takes completions and at most `budget` fault reports, calls the fault hook of the endpoint's owner or the driver's,
 * and refills the event queue. Call it on an interrupt or from time to time. Returns whether there may be more; with a
 * budget of 0, true. Locked. Steps: requests in flight, and for each report the attached endpoints.
 */
bool viommu_driver_process(struct viommu_driver *drv, uint32_t budget);

const struct viommu_driver_stats *viommu_driver_get_stats(const struct viommu_driver *drv);

/*
 * See types.h; with the lock held, if there is one. An endpoint or a domain whose init succeeded, or an endpoint whose
 * init failed. Steps of _check: regions, endpoints of the domain; requests in flight, endpoints and mappings of the
 * domain; everything that the driver has.
 */
bool viommu_driver_endpoint_is_valid(const struct viommu_driver_endpoint *endpoint);
bool viommu_driver_endpoint_check(const struct viommu_driver_endpoint *endpoint);
bool viommu_driver_domain_is_valid(const struct viommu_driver_domain *domain);
bool viommu_driver_domain_check(const struct viommu_driver_domain *domain);
bool viommu_driver_is_valid(const struct viommu_driver *drv);
bool viommu_driver_check(const struct viommu_driver *drv);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_DRIVER_H */
