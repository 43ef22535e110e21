/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver_model.h: what a driver must conclude from what a device has told it, and no more.
 *
 * Whenever the driver stops running (in a hook, or when a call returns) the model reads the requests that it has posted
 * since from the ring, and before the driver goes on it reads the answers that lie in the shared memory. From these two
 * it foretells the record of each domain, which ranges are UNCERTAIN, what the `failed` hook and sync have to report,
 * and where each endpoint may be.
 *
 * It looks at three private counters of the driver's virtqueue: how many chains were added, published, and taken back.
 */
#ifndef VIOMMU_SIM_OPS_DRIVER_MODEL_H
#define VIOMMU_SIM_OPS_DRIVER_MODEL_H

#include <viommu/driver.h>

#include "scripted.h"

#define MODEL_DOMAINS 3u
#define MODEL_ENDPOINTS SCRIPTED_ENDPOINTS
#define MODEL_SLOTS 16u /* the largest request queue */
#define MODEL_MAPPINGS 96u
#define MODEL_NOTHING UINT32_MAX
#define MODEL_WISHES 16u
#define MODEL_ALLOWED 32u

/* The call that is running. */
enum model_call {
	CALL_OTHER, /* one that posts nothing */
	CALL_MAP,
	CALL_UNMAP,
	CALL_ATTACH,
	CALL_DETACH,
	CALL_PROBE,
	CALL_MAPS,   /* several, waited for together, and taken back if one fails */
	CALL_UNMAPS, /* the same; what they take away goes at the end */
	CALL_FLUSH,  /* UNMAPs that nobody waits for in particular */
	CALL_RECOVER,
	CALL_SHUTDOWN
};

struct model_mapping {
	uint64_t first, last, phys;
	uint32_t flags;
	bool uncertain;
};

/* A request that the driver has posted and not got back, by its head. */
struct model_flight {
	bool used;
	bool visible;  /* published */
	bool replay;   /* a MAP that changes no record */
	bool recorded; /* the record changes with the outcome */
	bool given_up;
	bool batch;  /* its poster waits for it, and reports it by itself */
	bool waited; /* nobody else will ever hear of it */
	uint8_t type;
	uint32_t domain;   /* index, or NOTHING */
	uint32_t endpoint; /* the same */
	uint64_t first, last;
	uint64_t ticket;
	const uint8_t *reply;
	uint32_t reply_len;
};

/* A mapping that the call is to make. */
struct model_wish {
	uint64_t first; /* if not anywhere */
	uint64_t extent, phys;
	uint32_t flags;
	bool anywhere;
};

struct model_domain {
	bool made, bypass;
	struct viommu_range msi_window; /* last: 0 if there is none */
	uint32_t id;
	struct model_mapping mappings[MODEL_MAPPINGS]; /* sorted */
	uint32_t count;
	uint32_t failures; /* since the last sync */
	struct viommu_driver_failure first_failure;
};

/* An entry of the used ring that the driver will see. */
struct model_arrival {
	uint32_t head;
	uint32_t written;
	uint8_t status;
};

struct driver_model {
	/* in */
	struct viommu_driver *drv;
	struct viommu_driver_domain *handles;            /* MODEL_DOMAINS */
	struct viommu_driver_endpoint *endpoint_handles; /* MODEL_ENDPOINTS */
	const struct scripted *device;
	/* in: the call that is running, and what it is about */
	enum model_call call;
	uint32_t domain, endpoint;
	uint64_t first, last, phys;
	uint32_t flags;
	struct model_wish wishes[MODEL_WISHES]; /* MAPS */
	uint32_t wish_count;
	struct viommu_range window;                 /* for those that go anywhere */
	struct viommu_range allowed[MODEL_ALLOWED]; /* MAPS, UNMAPS, FLUSH: what may be unmapped; MAPs join it */
	uint32_t allowed_count, allowed_before;     /* those that were there when the call began come first */
	/* out: what happened during it */
	bool gave_up, rejected, unanswered;
	uint32_t posted;  /* MAPs and UNMAPs */
	uint32_t granted; /* MAPs of the wishes */
	bool wiped;
	uint32_t replayed;
	uint32_t dirty; /* domains whose records may have changed, a mask */
	bool ran;       /* the device did */
	/* the model */
	struct model_domain domains[MODEL_DOMAINS];
	struct model_flight flights[MODEL_SLOTS];
	uint16_t ring[MODEL_SLOTS]; /* heads by their place in the available ring */
	uint32_t size;
	uint64_t ticket;
	uint16_t added, published, seen;
	uint32_t may[MODEL_ENDPOINTS];  /* domains it may be in, a mask */
	bool unsure[MODEL_ENDPOINTS];   /* an ATTACH or DETACH without known outcome */
	uint32_t lost[MODEL_ENDPOINTS]; /* the domain that recover is to attach it to, or NOTHING */
	struct viommu_driver_limits limits;
	uint32_t probe_size;
	struct viommu_range input_range; /* as the device has it: an UNMAP need not be aligned */
	struct model_arrival arrivals[MODEL_SLOTS];
	uint32_t arrival_count, settled; /* of them */
	bool breaks;                     /* behind the arrivals lies something that breaks the queue */
	bool broken;
	uint8_t probe_reply[SCRIPTED_PROPERTIES];
	bool has_probe_reply;
};

/* A driver that is not started, with no domain. The members marked "in" are kept. */
void driver_model_reset(struct driver_model *m);
/* It was started, was not although it tried, was stopped. */
void driver_model_started(struct driver_model *m);
void driver_model_not_started(struct driver_model *m);
/* recovers: who was certainly somewhere is to come there again. */
void driver_model_stopped(struct driver_model *m, bool recovers);

/* The driver begins to run, and stops running. */
void driver_model_enter(struct driver_model *m);
void driver_model_leave(struct driver_model *m);

/* In the `failed` hook. */
void driver_model_failed(struct driver_model *m, uint32_t domain, const struct viommu_driver_failure *failure);

void driver_model_begin(struct driver_model *m, enum model_call call);
/* Behind each call: the records are as foretold, and nothing is unknown to the driver that it has to know. */
void driver_model_check(struct driver_model *m, enum viommu_result result);

/* A mapping that is in the record without having been sent, or leaves it so. */
void driver_model_insert(struct driver_model *m, uint32_t domain, const struct model_mapping *mapping);
void driver_model_remove(struct driver_model *m, uint32_t domain, uint64_t first, uint64_t last);

/* What dma.h promises of an address that it chose. */
void driver_model_check_place(const struct driver_model *m, uint32_t domain, uint64_t first, uint64_t last);
/* A request of the batch that could not be taken back. */
void driver_model_doubt(struct driver_model *m, uint32_t domain, uint64_t first, uint64_t last);

bool driver_model_overlaps(const struct driver_model *m, uint32_t domain, uint64_t first, uint64_t last);
bool driver_model_splits(const struct driver_model *m, uint32_t domain, uint64_t first, uint64_t last);
/* Does the range meet a reserved region of an endpoint that is in this domain? */
bool driver_model_is_reserved(const struct driver_model *m, uint32_t domain, uint64_t first, uint64_t last);
/* Is a request of this domain in flight? */
bool driver_model_in_flight(const struct driver_model *m, uint32_t domain);
/* Nothing can be in it; something is for sure. */
bool driver_model_is_dead(const struct driver_model *m, uint32_t domain);
bool driver_model_is_alive(const struct driver_model *m, uint32_t domain);

#endif /* VIOMMU_SIM_OPS_DRIVER_MODEL_H */
