/* SPDX-License-Identifier: BSD-3-Clause */
/* core.h: what the files of this folder share. Functions with a lock remark expect it that way. */
#ifndef VIOMMU_DRIVER_CORE_H
#define VIOMMU_DRIVER_CORE_H

#include <viommu/driver.h>

/* Without these a device is given up. */
#define FEATURES_NEEDED (VIOMMU_F_VERSION_1 | VIOMMU_F_MAP_UNMAP)

/* The fourth flag of a map entry: what the device has there is not known. */
#define MAPPING_UNCERTAIN 8u

/* Where things are in the shared memory of a slot, and of the one PROBE. */
#define SLOT_STRIDE 64u
#define SLOT_TAIL 48u
#define NO_STATUS 0xffu /* in a tail that the device has not written */
#define PROBE_REPLY 80u
#define EVENT_STRIDE 64u

enum slot_state {
	SLOT_FREE,
	SLOT_HELD,     /* given to a poster that has waited for one */
	SLOT_POSTED,   /* nobody waits for it; it is in its domain's list */
	SLOT_WAITED,   /* its poster waits */
	SLOT_FINISHED, /* its poster may look at result and status */
	SLOT_ABANDONED /* nobody wants the answer any more, but the device still has the memory */
};

/*
 * MAPs and UNMAPs that their poster waits for together. Others may be in flight for the domain meanwhile. A MAP of it
 * that is refused stays in the record until the poster unmaps it, and what an UNMAP of it took away until the poster
 * lets go of it: others could come there while it waits.
 */
struct viommu_driver_batch {
	uint32_t pending;
	uint32_t failures;
	struct viommu_driver_failure first_failure;
};

/* Somebody who is about to post requests, one after the other. Starts as zeroes, but for the batch. */
struct viommu_driver_poster {
	struct viommu_driver_batch *batch; /* that the requests will be of; or NULL */
	struct viommu_driver_slot *held;   /* for the next request; NULL: any that is free */
	struct viommu_driver_poster *next; /* who comes after this one, while both wait for a slot */
	uint32_t ticket;                   /* of the slot when it was given, the low half: has a stop taken it back? */
};

/* Every public function has its way through here, or checks the driver by itself. */
static inline void driver_lock(struct viommu_driver *drv)
{
	if (drv->ops->lock != NULL)
		drv->ops->lock(drv->ops_ctx);
	VIOMMU_ASSERT(viommu_driver_is_valid(drv));
}

static inline void driver_unlock(struct viommu_driver *drv)
{
	VIOMMU_ASSERT(viommu_driver_is_valid(drv));
	if (drv->ops->unlock != NULL)
		drv->ops->unlock(drv->ops_ctx);
}

static inline enum viommu_driver_state driver_state(struct viommu_driver *drv)
{
	enum viommu_driver_state state;

	driver_lock(drv);
	state = (enum viommu_driver_state)drv->state;
	driver_unlock(drv);
	return state;
}

/* Before the device reads what we wrote; before we read what the device wrote. */
static inline void driver_clean(struct viommu_driver *drv, void *shared, size_t len)
{
	if (drv->ops->clean != NULL)
		drv->ops->clean(drv->ops_ctx, shared, len);
}

static inline void driver_invalidate(struct viommu_driver *drv, void *shared, size_t len)
{
	if (drv->ops->invalidate != NULL)
		drv->ops->invalidate(drv->ops_ctx, shared, len);
}

static inline uint64_t driver_granule(const struct viommu_driver *drv)
{
	return viommu_port_shl64(1, drv->granule_bits);
}

/* bringup.c, lock not held */
/* A driver that was running has failed with that. TIMEOUT: the device may still touch the shared memory. */
enum viommu_result viommu_i_device_reset(struct viommu_driver *drv);
/* From a reset to DRIVER_OK. */
enum viommu_result viommu_i_device_start(struct viommu_driver *drv);
/* The configuration as these features have it be read. PEER: it never holds still. */
enum viommu_result viommu_i_device_config(struct viommu_driver *drv, uint64_t features, struct viommu_wire_config *out);
/* The driver is stopped. is_lost: who was certainly attached is to be attached again. */
void viommu_i_driver_end_life(struct viommu_driver *drv, bool is_lost);

/* driver.c: the input range in whole granules, of which it has one. */
struct viommu_range viommu_i_driver_input_range(const struct viommu_driver *drv);

/* slots.c, lock held */
/* Is there a slot for the poster? */
bool viommu_i_slot_is_there(const struct viommu_driver *drv, struct viommu_driver_poster *poster);
/* NULL: all in flight, or for others. */
struct viommu_driver_slot *viommu_i_slot_take(struct viommu_driver *drv, struct viommu_driver_poster *poster);
/* Goes to whoever has waited longest. */
void viommu_i_slot_release(struct viommu_driver *drv, struct viommu_driver_slot *slot);
void viommu_i_slots_reset(struct viommu_driver *drv); /* all free */
/* Writes the request into the slot's shared memory and adds it to the queue. On failure the slot is free again. */
enum viommu_result viommu_i_slot_post(struct viommu_driver *drv, struct viommu_driver_slot *slot,
				      const struct viommu_wire_request *request, enum slot_state state);
/* The same for a MAP of the domain that nobody waits for. */
enum viommu_result viommu_i_post_map(struct viommu_driver_domain *domain, struct viommu_driver_slot *slot,
				     const struct viommu_mapping *m);
/* Takes completions. Returns whether there were any. Steps: slots. */
bool viommu_i_reap(struct viommu_driver *drv);
/* Gives up on a request that nobody waits for: its outcome will never be known. */
void viommu_i_slot_give_up(struct viommu_driver *drv, struct viommu_driver_slot *slot, enum viommu_result why);

/* sync.c, lock not held */
/* Publishes, kicks, and waits until done(arg), which is called with the lock held. TIMEOUT, BROKEN. */
enum viommu_result viommu_i_wait(struct viommu_driver *drv, bool (*done)(void *arg), void *arg);
/*
 * Waits until the poster holds a slot. Whoever came to wait before it gets one before it, and nobody who comes later.
 * On failure it holds none.
 */
enum viommu_result viommu_i_wait_for_slot(struct viommu_driver *drv, struct viommu_driver_poster *poster);
/* The poster holds no slot any more, and waits for none. Steps: posters that wait. */
void viommu_i_poster_leave(struct viommu_driver *drv, struct viommu_driver_poster *poster);
/* Waits for what is in flight for this domain now. Leaves failures to be reported by sync. */
enum viommu_result viommu_i_wait_for_domain(struct viommu_driver_domain *domain);
/* Waits for a batch of requests of this domain. What became of the first one that failed, or OK. */
enum viommu_result viommu_i_wait_for_batch(struct viommu_driver_domain *domain, struct viommu_driver_batch *batch);
/* Posts a request and waits for its answer. probe_len: bytes of the properties, for PROBE. REJECTED: see *status. */
enum viommu_result viommu_i_call(struct viommu_driver *drv, const struct viommu_wire_request *request, uint8_t *status);

/* Of one that does not wait: only itself knows what it holds. */
static inline void poster_finish(struct viommu_driver *drv, struct viommu_driver_poster *poster)
{
	if (poster->held != NULL)
		viommu_i_poster_leave(drv, poster);
}

/* map.c */
/*
 * Record and post, with the lock held. FULL: no slot. BUSY: an UNMAP of the range is in flight.
 */
enum viommu_result viommu_i_try_map(struct viommu_driver_domain *domain, const struct viommu_mapping *m,
				    struct viommu_driver_poster *poster);
enum viommu_result viommu_i_try_unmap(struct viommu_driver_domain *domain, viommu_iova first, viommu_iova last,
				      struct viommu_driver_poster *poster);
/*
 * Waits for what a try ran into, without the lock. True: try again; false: *result is the last word, and the poster
 * holds no slot.
 */
bool viommu_i_wait_to_retry(struct viommu_driver_domain *domain, struct viommu_driver_poster *poster,
			    enum viommu_result *result);
/* Each tries until it is posted or refused. Lock not held. */
enum viommu_result viommu_i_driver_map(struct viommu_driver_domain *domain, const struct viommu_mapping *m,
				       struct viommu_driver_batch *batch);
enum viommu_result viommu_i_driver_unmap(struct viommu_driver_domain *domain, viommu_iova first, viommu_iova last,
					 struct viommu_driver_batch *batch);

/*
 * Unmaps one that a batch has mapped, or may have, and does not wait. What was refused, too: it is still recorded, so
 * that nobody else has come there, and there is nothing to tell one from the other by. What cannot even be asked for
 * stays UNCERTAIN. Lock not held.
 */
void viommu_i_take_back(struct viommu_driver_domain *domain, viommu_iova first, viommu_iova last);

/* record.c, lock held */
/* What a finished MAP or UNMAP means for the record of its domain. */
void viommu_i_record_settle(struct viommu_driver *drv, struct viommu_driver_slot *slot);
/* Would an UNMAP of [first, last] split a mapping of the record? */
bool viommu_i_record_splits(const struct viommu_driver_domain *domain, viommu_iova first, viommu_iova last);
/* Takes [first, last] out, which splits nothing. */
void viommu_i_record_remove(struct viommu_driver_domain *domain, viommu_iova first, viommu_iova last);
/* Marks what is in [first, last] as UNCERTAIN. False: nothing is there. */
bool viommu_i_record_doubt(struct viommu_driver_domain *domain, viommu_iova first, viommu_iova last);
/* Takes [first, last] out if it is one of a batch that the device has unmapped, and nobody else's by now. */
void viommu_i_record_let_go(struct viommu_driver_domain *domain, viommu_iova first, viommu_iova last);
/* The device has lost the domain: what was UNCERTAIN is certainly gone. Steps: mappings. */
void viommu_i_record_forget_uncertain(struct viommu_driver_domain *domain);

/* attach.c, lock not held */
/* wipes: the device may have kept the domain's mappings from before a reset, which go before the replay. */
enum viommu_result viommu_i_driver_attach(struct viommu_driver_domain *domain, struct viommu_driver_endpoint *endpoint,
					  uint8_t *status, bool wipes);

/* attach.c, lock held */
/* When nothing can be in the domain any more the device has lost it, and with it all that was UNCERTAIN. */
void viommu_i_domain_bury_if_dead(struct viommu_driver_domain *domain);
void viommu_i_driver_endpoint_leave(struct viommu_driver_endpoint *endpoint);
/* Recover is to attach it again, or need not any more. */
void viommu_i_endpoint_lose(struct viommu_driver_endpoint *endpoint, struct viommu_driver_domain *domain);
void viommu_i_endpoint_unlose(struct viommu_driver_endpoint *endpoint);
/*
 * Does the record say what the device has? Not if it is not certain whether the domain exists, or if a replay failed.
 * Steps: endpoints of the domain.
 */
bool viommu_i_domain_is_known(const struct viommu_driver_domain *domain);

/* Asks for a notification at the next completion or event; returns whether there is one already. Lock held. */
static inline bool driver_arm(struct viommu_driver *drv, enum viommu_queue queue)
{
	return drv->queues->arm != NULL && drv->queues->arm(drv->queues_ctx, queue);
}

/* queues.c: the library's own virtqueues behind seam B; ctx is the driver. */
extern const struct viommu_queue_ops viommu_i_own_queues;

/* events.c, lock held: gives all event buffers to the device. */
enum viommu_result viommu_i_events_fill(struct viommu_driver *drv);

#endif /* VIOMMU_DRIVER_CORE_H */
