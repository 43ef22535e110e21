/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver_calls.h: the world of the target `driver`, and its calls of the driver. Each of them calls one function of
 * driver.h or dma.h and checks all that can be foretold of it; an argument that makes no sense here is no call.
 */
#ifndef VIOMMU_SIM_OPS_DRIVER_CALLS_H
#define VIOMMU_SIM_OPS_DRIVER_CALLS_H

#include <viommu/dma.h>

#include "driver_model.h"
#include "ops.h"

#define WORLD_PAGE UINT64_C(0x1000)
#define WORLD_BUS UINT64_C(0x7ffff000) /* of the shared memory: it crosses 2 GiB */
#define WORLD_QUEUE_SIZE 8u
#define WORLD_EVENT_COUNT 4u
#define WORLD_EVENT_STRIDE 64u
#define WORLD_NODES 64u
#define WORLD_REGIONS 2u
#define WORLD_CANARY_LEN 64u
#define WORLD_LATER 8u
#define WORLD_LATER_BYTES SCRIPTED_PROPERTIES
#define WORLD_FAULTS 8u
#define WORLD_PRIVATE_MAX (WORLD_NODES * VIOMMU_MAP_NODE_SIZE + 4096u)
#define WORLD_SHARED_MAX 4096u
#define WORLD_DMAS 2u
#define WORLD_LISTS 4u
#define WORLD_BUFFERS 3u
#define WORLD_HINTS (2 * VIOMMU_DMA_CLASSES)
#define WORLD_DEFERRED 3u

/* An operation of the device that was put off. */
struct world_later {
	struct sim_ops_op op;
	uint8_t bytes[WORLD_LATER_BYTES];
};

struct world_later_list {
	struct world_later items[WORLD_LATER];
	uint32_t count;
};

struct world_dma {
	bool made;
	uint32_t domain;
	struct viommu_driver_dma handle;
	struct viommu_dma_config config;
	viommu_iova hints[WORLD_HINTS];
	struct viommu_range deferred[WORLD_DEFERRED];
};

/* Buffers as the driver has filled them in, mapped or not any more. */
struct world_list {
	bool made;
	uint32_t dma;
	uint32_t count, how;
	struct viommu_dma_buffer buffers[WORLD_BUFFERS];
};

struct world_shared {
	_Alignas(64) uint8_t canary0[WORLD_CANARY_LEN];
	uint8_t bytes[WORLD_SHARED_MAX];
};

struct driver_world {
	struct world_shared shared;
	uint8_t private_memory[WORLD_PRIVATE_MAX];
	struct viommu_driver drv;
	struct viommu_driver_domain domains[MODEL_DOMAINS];
	struct viommu_driver_endpoint endpoints[MODEL_ENDPOINTS];
	struct viommu_resv_region regions[MODEL_ENDPOINTS][WORLD_REGIONS];
	struct scripted device;
	struct driver_model model;
	size_t shared_len;
	struct world_later_list at_wait, at_config;
	struct world_dma dmas[WORLD_DMAS];
	struct world_list lists[WORLD_LISTS];
	/* in this call */
	uint32_t waits, locks, kicks[VIOMMU_QUEUE_COUNT];
	uint32_t next_attempt;
	uint32_t idle;                /* attempts at which the device did nothing out of the ordinary */
	uint32_t cleans, invalidates; /* of buffers */
	bool starting;
	bool recovering, recovered;                     /* recover: not there yet; the device is up again */
	bool storing;                                   /* shutdown: config.bypass may be written */
	uint8_t config_before[VIOMMU_WIRE_CONFIG_SIZE]; /* as it was read at the last start */
	bool running;                                   /* the driver, not a hook */
	uint32_t operations;
	int depth;
	/* What is the device's to write, as it was when the driver began to run. */
	uint8_t used_before[VIOMMU_QUEUE_COUNT][6 + 8 * WORLD_QUEUE_SIZE];
	uint8_t events_before[WORLD_EVENT_COUNT * WORLD_EVENT_STRIDE];
	/* reports that the driver has to hand on */
	struct viommu_wire_fault faults[WORLD_FAULTS];
	uint32_t fault_count;
	bool faults_known;
};

extern struct driver_world driver_world;
static struct driver_world *const w = &driver_world;

/* driver_calls.c */

extern const struct viommu_driver_ops driver_calls_ops;
/* The driver begins to run, and stops running: the device's part of the memory is as it was, the model looks. */
void driver_calls_enter(void);
void driver_calls_leave(void);
/* Around a call, with the two above. */
void driver_calls_begin(enum model_call call);
void driver_calls_end(enum viommu_result result);
/* Behind a call that a broken queue made fail. */
bool driver_calls_is_broken(void);
bool driver_calls_is_running(void);
/* Until the next call of a hook. */
void driver_calls_put_off(struct world_later_list *list, const struct sim_ops_op *op);
/* Of struct scripted. */
void driver_calls_on_config(void *ctx);
void driver_calls_on_notify(void *ctx, uint32_t queue);
/* Is it unknown what the device has in this domain? */
bool driver_calls_is_unknown(uint32_t d);
bool driver_calls_is_in_range(uint64_t first, uint64_t last);
bool driver_calls_record_needs_feature(uint32_t d);
bool driver_calls_is_misfit_now(uint32_t d, uint32_t e);
/* What a call that posts may return whatever it is about. */
void driver_calls_check_common(uint32_t d, enum viommu_result r);
/* Of a call that waits for several requests of its own. */
void driver_calls_check_batch_result(uint32_t d, enum viommu_result r);
/* MAPs of a call that has failed: who could not be asked for again is UNCERTAIN. */
void driver_calls_doubt_the_rest(uint32_t d);
void driver_calls_check_no_memory(void);

/* driver_calls_life.c */

enum viommu_result driver_calls_start(void);
enum viommu_result driver_calls_stop(void);
enum viommu_result driver_calls_recover(void);
void driver_calls_look(void);
void driver_calls_abandon(void);
void driver_calls_shutdown(enum viommu_driver_handover handover);
void driver_calls_process(uint32_t budget);
/* Of struct scripted. */
void driver_calls_on_driver_ok(void *ctx);
void driver_calls_on_bypass(void *ctx);

/* driver_calls_domains.c */

void driver_calls_domain_init(uint32_t d, uint64_t id, bool bypass);
enum viommu_result driver_calls_domain_deinit(uint32_t d);
enum viommu_result driver_calls_endpoint_init(uint32_t e, uint32_t capacity);
enum viommu_result driver_calls_attach(uint32_t d, uint32_t e);
enum viommu_result driver_calls_detach(uint32_t e);

/* driver_calls_mappings.c */

enum viommu_result driver_calls_map(uint32_t d, uint64_t first, uint64_t last, uint64_t phys, uint32_t flags);
enum viommu_result driver_calls_unmap(uint32_t d, uint64_t first, uint64_t last);
enum viommu_result driver_calls_sync(uint32_t d);
void driver_calls_set_window(uint32_t d, struct viommu_range window);
/* With a domain that the device does not have, nothing is sent. */
void driver_calls_grant_unsent(uint32_t d);
void driver_calls_map_identity(uint32_t d, uint32_t joining, uint64_t first, uint64_t last, uint32_t flags);
void driver_calls_look_up(uint32_t d, uint64_t iova);

/* driver_calls_dma.c */

/* What waits for a flush is nobody else's to unmap. */
bool driver_calls_is_deferred_by_others(uint32_t d, const struct world_dma *but, struct viommu_range range);
void driver_calls_dma_init(uint32_t i, uint32_t d, bool bottom_up, uint32_t deferred, bool hints,
			   struct viommu_range window);
void driver_calls_dma_map(uint32_t i, uint32_t k, uint32_t count, uint64_t phys, uint64_t len, uint64_t step,
			  uint32_t how);
enum viommu_result driver_calls_list_unmap(uint32_t k, const struct viommu_driver_endpoint *doorbell);
void driver_calls_dma_unmap(uint32_t k);
void driver_calls_dma_flush(uint32_t i);
void driver_calls_doorbell_map(uint32_t i, uint32_t k, uint32_t e, uint64_t phys, uint64_t len);
void driver_calls_doorbell_unmap(uint32_t k, uint32_t e);

/* target_driver.c */

void driver_calls_device_does(const struct sim_ops_op *op);

#endif /* VIOMMU_SIM_OPS_DRIVER_CALLS_H */
