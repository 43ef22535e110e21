/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scripted.h: a virtio-iommu device that does what an operation stream tells it to: answers by a naive model of its own,
 * or otherwise; late, in another order, or never; with lies in the used ring and in the registers. It reads and writes
 * the rings byte by byte and shares no code with the library but the decoding of requests.
 *
 * It keeps what is really mapped, for whoever wants to know whether the driver knows.
 */
#ifndef VIOMMU_SIM_OPS_SCRIPTED_H
#define VIOMMU_SIM_OPS_SCRIPTED_H

#include <viommu/transport/registers.h>
#include <viommu/wire.h>

#define SCRIPTED_ENDPOINTS 3u
#define SCRIPTED_FIRST_ENDPOINT 8u /* the others follow */
#define SCRIPTED_MAPPINGS 288u
#define SCRIPTED_PLANS 8u
#define SCRIPTED_HELD 16u
#define SCRIPTED_PROPERTIES 64u
#define SCRIPTED_FOREVER 255u
#define SCRIPTED_NOWHERE UINT64_MAX

/* What becomes of one request. */
struct scripted_plan {
	uint8_t effect; /* of enum scripted_effect */
	uint8_t status; /* unless HONEST */
	uint8_t used;   /* of enum scripted_used */
	bool hold;      /* answered when somebody says so */
};

enum scripted_effect {
	SCRIPTED_HONEST,
	SCRIPTED_NOTHING, /* nothing changes */
	SCRIPTED_DONE     /* what an honest device does, under another status */
};

enum scripted_used {
	SCRIPTED_ALL,
	SCRIPTED_NONE,
	SCRIPTED_PART, /* one byte less than it takes */
	SCRIPTED_MORE  /* than there is */
};

/* A chain as the device reads it. */
struct scripted_chain {
	uint8_t request[VIOMMU_WIRE_REQUEST_MAX];
	uint32_t request_len; /* more than there is room for is not copied */
	uint8_t *reply;
	uint32_t reply_len;
};

struct scripted_held {
	uint16_t head;
	uint8_t status;
	uint8_t used;
	uint8_t *reply;
	uint32_t reply_len;
};

struct scripted_mapping {
	uint32_t domain, flags;
	uint64_t first, last, phys;
};

struct scripted {
	/* in: the memory that it shares with the driver */
	uint8_t *shared;
	uint64_t bus;
	size_t len;
	/* in: how it behaves */
	uint64_t offered;
	uint8_t config[VIOMMU_WIRE_CONFIG_SIZE];
	uint16_t queue_max[VIOMMU_QUEUE_COUNT];
	uint8_t settle;      /* looks at the generation that still see it change; FOREVER: all */
	uint8_t reset_reads; /* of the status, before a reset is seen as finished; FOREVER: never */
	bool refuses_features, refuses_queue, mute;
	bool keeps_bypass;                       /* config.bypass is stored in vain */
	uint8_t properties[SCRIPTED_PROPERTIES]; /* of a PROBE reply */
	struct scripted_plan plans[SCRIPTED_PLANS];
	uint32_t plan_count;
	/* Called when the configuration is looked at; may change it. */
	void (*on_config)(void *ctx);
	void (*on_notify)(void *ctx, uint32_t queue);
	/* DRIVER_OK was set; config.bypass is about to be stored. */
	void (*on_driver_ok)(void *ctx);
	void (*on_bypass)(void *ctx);
	void *ctx;
	/* out */
	uint8_t status;
	uint8_t status_read; /* what the driver read last */
	bool forged;         /* the status was changed behind its back; in as well */
	bool features_ok;    /* it has read that bit since the reset */
	uint64_t offered_read;
	uint8_t config_read[VIOMMU_WIRE_CONFIG_SIZE]; /* what the driver read last of each byte */
	uint64_t accepted;
	bool kicked;
	bool lied;         /* since the last start: nobody can know what is mapped */
	bool lazy;         /* since the last start: some answers are late or missing */
	uint32_t accesses; /* of registers */
	struct viommu_virtq_layout layouts[VIOMMU_QUEUE_COUNT];
	bool enabled[VIOMMU_QUEUE_COUNT];
	uint16_t taken[VIOMMU_QUEUE_COUNT]; /* free-running: chains seen */
	struct scripted_held held[SCRIPTED_HELD];
	uint32_t held_count;
	/* What is. */
	uint64_t domain_of[SCRIPTED_ENDPOINTS]; /* or NOWHERE */
	bool bypass_of[SCRIPTED_ENDPOINTS];
	struct scripted_mapping mappings[SCRIPTED_MAPPINGS];
	uint32_t mapping_count;
	/* private */
	uint32_t generation;
	uint8_t resetting;
};

extern const struct viommu_register_ops scripted_register_ops; /* ctx: the device */

/* An honest device over this memory that was never touched. */
void scripted_init(struct scripted *s, uint8_t *shared, uint64_t bus, size_t len);
/* Honest from here on. What it has said and done stays. */
void scripted_calm(struct scripted *s);

/* It is taken away, and put back untouched. */
void scripted_remove(struct scripted *s);

/* Reads the chain that begins at `head`. False: that leads out of the memory, or is too long. */
bool scripted_chain(const struct scripted *s, uint32_t queue, uint16_t head, struct scripted_chain *out);

uint64_t scripted_load(const struct scripted *s, uint64_t addr, unsigned bytes);
void scripted_store(struct scripted *s, uint64_t addr, unsigned bytes, uint64_t value);

/* Takes at most `count` requests, as they were planned, if it is not mute; asks for a kick if it took all. */
void scripted_serve(struct scripted *s, uint32_t count);
/* Answers one that was held. */
void scripted_release(struct scripted *s, uint32_t which);
/* Puts bytes into the next event buffer. False: there is none. */
bool scripted_event(struct scripted *s, const uint8_t *bytes, size_t len, uint32_t used);
/* An entry of the used ring, true or not. */
void scripted_put_used(struct scripted *s, uint32_t queue, uint32_t id, uint32_t len, uint16_t steps);

bool scripted_is_mapped(const struct scripted *s, uint32_t domain, uint64_t first, uint64_t last);

#endif /* VIOMMU_SIM_OPS_SCRIPTED_H */
