/* SPDX-License-Identifier: BSD-3-Clause */
/* pair.h: the world of the target `pair`: driver and device, and the wire between them. See target_pair.c. */
#ifndef VIOMMU_SIM_OPS_PAIR_H
#define VIOMMU_SIM_OPS_PAIR_H

#include <viommu/access.h>
#include <viommu/dma.h>
#include <viommu/pump.h>

#include "../transport.h"
#include "ops.h"

#define PAIR_GRANULE 256u
#define PAIR_SHARED_BUS UINT64_C(0xfffff000) /* it crosses 4 GiB */
#define PAIR_SHARED_MAX 6144u
#define PAIR_DMA_BUS UINT64_C(0x20000)
#define PAIR_DMA_LEN 4096u
#define PAIR_LAST_IOVA ((UINT64_C(1) << 39) - 1)
#define PAIR_ENDPOINTS 3u
#define PAIR_FIRST_ENDPOINT 8u
#define PAIR_DOMAINS 3u
#define PAIR_NODES 96u
#define PAIR_MAPPINGS 256u
#define PAIR_QUEUE_SIZE 8u
#define PAIR_PROBE_SIZE 32u
#define PAIR_MAX_PENDING 2u
#define PAIR_MEDDLES 8u
#define PAIR_MEDDLE_BYTES 16u
#define PAIR_SECTIONS 4u
#define PAIR_CANARY_LEN 64u
#define PAIR_DMAS 2u
#define PAIR_LISTS 4u
#define PAIR_BUFFERS 3u
#define PAIR_HINTS VIOMMU_DMA_CLASSES
#define PAIR_DEFERRED 3u
#define PAIR_NOWHERE UINT64_MAX
#define PAIR_NONE VIOMMU_OK /* no result of a call's own */

struct pair_dma {
	bool made;
	uint32_t domain;
	struct viommu_driver_dma handle;
	viommu_iova hints[PAIR_HINTS];
	struct viommu_range deferred[PAIR_DEFERRED];
};

/* Buffers as the driver has filled them in, mapped or not any more. */
struct pair_list {
	bool made;
	uint32_t dma;
	uint32_t count, how;
	struct viommu_dma_buffer buffers[PAIR_BUFFERS];
};

struct pair_mapping {
	uint32_t domain, flags;
	uint64_t first, last, phys;
};

struct pair_meddle {
	uint32_t delay; /* steps */
	uint32_t at;
	uint32_t len;
	bool flip; /* exclusive or, not store */
	uint8_t bytes[PAIR_MEDDLE_BYTES];
};

/* An access section, and the last translation that it used. */
struct pair_section {
	bool open, used;
	struct viommu_access_token token;
	uint32_t endpoint;
	uint32_t domain;
	uint64_t iova;
	bool outdated; /* guest memory has changed since it began */
};

/* Bytes of guest memory. */
struct pair_place {
	uint64_t gpa, len;
};

struct pair_shared {
	_Alignas(64) uint8_t canary0[PAIR_CANARY_LEN];
	uint8_t bytes[PAIR_SHARED_MAX];
	uint8_t dma[PAIR_DMA_LEN];
	uint8_t canary1[PAIR_CANARY_LEN];
};

struct pair_world {
	struct pair_shared shared;
	size_t shared_len;
	/* the device */
	struct viommu_device dev;
	struct viommu_pump pump;
	struct sim_transport transport;
	struct viommu_endpoint *handles[PAIR_ENDPOINTS];
	struct viommu_access accesses[PAIR_ENDPOINTS];
	bool awake;
	uint8_t dev_memory[VIOMMU_DEVICE_MEM(PAIR_ENDPOINTS, PAIR_DOMAINS, PAIR_NODES)];
	uint8_t pump_memory[PAIR_MAX_PENDING * sizeof(struct viommu_pump_slot) + 64 * sizeof(struct viommu_segment) +
			    64];
	/* the driver */
	struct viommu_driver drv;
	struct viommu_driver_domain domains[PAIR_DOMAINS];
	bool made[PAIR_DOMAINS];
	struct viommu_driver_endpoint endpoints[PAIR_ENDPOINTS];
	struct viommu_resv_region regions[PAIR_ENDPOINTS][2];
	uint8_t drv_memory[PAIR_NODES * VIOMMU_MAP_NODE_SIZE + 8192];
	struct pair_dma dmas[PAIR_DMAS];
	struct pair_list lists[PAIR_LISTS];
	bool recovering;
	int depth;
	uint32_t locks, idle, faults;
	uint32_t operations;
	/* the wire */
	struct pair_meddle meddles[PAIR_MEDDLES];
	uint32_t meddle_count;
	struct pair_place meddled_at[PAIR_MEDDLES]; /* in this step of the device */
	uint32_t meddled_count;
	bool copied;   /* the device gets no pointers from now on */
	bool delayed;  /* since the last start a section was open: something may have timed out */
	bool inherits; /* since the last recover: a sync can report what failed before it */
	bool meddled;  /* since the last start: the wire is not as it should be */
	bool misled
		[PAIR_ENDPOINTS]; /* probed over such a wire: its reserved regions may not be known, after a restart too */
	/* by the requests that the device accepted */
	struct pair_mapping mappings[PAIR_MAPPINGS];
	uint32_t mapping_count;
	uint64_t domain_of[PAIR_ENDPOINTS]; /* or PAIR_NOWHERE */
	bool bypass_of[PAIR_ENDPOINTS];
	bool bypass;  /* config.bypass: endpoints in no domain reach everything */
	bool changed; /* since the maps were compared */
	bool lost;    /* what the device accepted is not known: the request was overwritten, or has no answer */
	struct pair_section sections[PAIR_SECTIONS];
};

extern struct pair_world pair_world;
static struct pair_world *const w = &pair_world;

/* pair_device.c */

/* The reserved region of endpoint 1. */
extern const struct viommu_resv_region pair_msi[1];
/* Something on the wire changes. */
void pair_apply(const struct pair_meddle *m);
/* Between two steps. */
void pair_tick(void);
/* Does an open section depend on what was taken away? */
bool pair_is_in_use(uint64_t domain, uint64_t first, uint64_t last);
/* Against the device's own maps. */
void pair_check_maps(void);
/* One request at most. Returns whether it did anything, or has more to do. */
bool pair_device_step(void);
void pair_make_device(void);

/* pair_driver.c */

bool pair_has_section(void);
/* Was an endpoint probed over a wire that lied? */
bool pair_is_misled(void);
void pair_begin_call(void);
/* One of the results that the header lists for every call that sends requests, or one of this call's own. */
enum viommu_result pair_end_call(enum viommu_result r, enum viommu_result own0, enum viommu_result own1,
				 enum viommu_result own2, enum viommu_result own3);
/* The device offers all ring features that there are, and the driver wants some. */
enum viommu_result pair_start(uint64_t ring_features);
void pair_check_slots(void);
enum viommu_result pair_stop(void);
enum viommu_result pair_domain_init(uint32_t d, bool bypass);
enum viommu_result pair_domain_deinit(uint32_t d);
enum viommu_result pair_endpoint_init(uint32_t e);
/* Both sides have the same mappings, if the wire was left alone and nothing is under way. */
void pair_check_agreement(uint32_t d);
enum viommu_result pair_sync(uint32_t d);
enum viommu_result pair_attach(uint32_t d, uint32_t e);
enum viommu_result pair_detach(uint32_t e);
enum viommu_result pair_map(uint32_t d, uint64_t first, uint64_t last, uint64_t phys, uint32_t flags);
enum viommu_result pair_unmap(uint32_t d, uint64_t first, uint64_t last);
void pair_make_driver(void);

/* pair_calls.c */

enum viommu_result pair_recover(void);
void pair_look(void);
void pair_shutdown(enum viommu_driver_handover handover);
void pair_set_window(uint32_t d, struct viommu_range window);
void pair_map_identity(uint32_t d, uint32_t joining, struct viommu_range range, uint32_t flags);
void pair_dma_init(uint32_t i, uint32_t d, bool bottom_up, uint32_t deferred, bool hints, struct viommu_range window);
/* What both sides know of a list that is mapped, and what the header says of its addresses. */
void pair_check_list(const struct pair_list *list, bool is_new);
enum viommu_result pair_dma_map(uint32_t i, uint32_t k, const struct pair_list *made);
/* What waits for a flush is nobody else's to unmap. */
bool pair_is_deferred_by_others(uint32_t d, const struct pair_dma *but, struct viommu_range range);
enum viommu_result pair_dma_unmap(uint32_t k);
void pair_dma_flush(uint32_t i);
void pair_process(uint32_t budget);

#endif /* VIOMMU_SIM_OPS_PAIR_H */
