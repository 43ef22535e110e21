/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pump_fixture.h: the device above its rings, and the driver's half of the queues in the same process: what a driver
 * posts here, the pump answers.
 */
#ifndef VIOMMU_TESTS_PUMP_FIXTURE_H
#define VIOMMU_TESTS_PUMP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <viommu/pump.h>

#include "device_fixture.h"
#include "sim/transport.h"

#define RAM_BASE UINT64_C(0x100000)
#define RAM_LEN 0x20000u
#define QUEUE_SIZE 16u
#define RING_LEN 0x4000u /* for each queue */
#define SLOTS 64u
#define SLOT_LEN 512u
#define RW (VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)
#define ALIVE (VIOMMU_STATUS_ACKNOWLEDGE | VIOMMU_STATUS_DRIVER | VIOMMU_STATUS_FEATURES_OK | VIOMMU_STATUS_DRIVER_OK)

/* A buffer of the driver: 256 readable and 256 writable bytes. */
struct slot {
	uint8_t *readable;
	uint8_t *writable;
	uint64_t addr;
	uint32_t written; /* used length */
	bool used;
};

struct world {
	struct device_fixture f;
	struct viommu_pump pump;
	void *pump_mem;
	struct viommu_virtq_driver queues[VIOMMU_QUEUE_COUNT];
	struct viommu_virtq_layout layouts[VIOMMU_QUEUE_COUNT];
	struct viommu_virtq_shadow shadows[VIOMMU_QUEUE_COUNT][QUEUE_SIZE];
	struct slot slots[SLOTS];
	uint32_t next_slot;
	struct sim_transport transport; /* the one that VIOMMU_TRANSPORT names */
};

/* The memory that both see, at RAM_BASE of the bus: one region, unless a test changes the table. */
extern uint8_t ram[RAM_LEN];
extern const struct viommu_memory_region ram_region;
extern struct viommu_memory_table ram_table;
extern struct world world;

struct viommu_pump_config pump_config(struct world *w);
void setup(struct world *w, uint32_t max_pending);
void teardown(struct world *w);

/* Whatever is to do. The number of calls is bounded: the pump may not say "more" for ever. */
void process(struct world *w);

/* One call of the pump, and the driver's interrupt routine. */
bool step(struct world *w, uint32_t budget);

/* No interrupt of this queue. Where all have one line that cannot be seen. */
void assert_no_interrupt(const struct world *w, uint32_t queue);

/* The driver's life; bring_up is all of it. */
void negotiate(struct world *w, uint64_t ring_features);
void enable_queues(struct world *w, uint64_t ring_features);
void driver_ok(struct world *w);
void bring_up(struct world *w, uint64_t ring_features);

/* The driver's requests and event buffers; the device sees them once they are published. */
struct slot *take_slot(struct world *w);
struct slot *post_bytes(struct world *w, size_t readable, size_t writable);
struct slot *post(struct world *w, const struct viommu_wire_request *request);
struct slot *post_event(struct world *w, uint32_t len);
void publish(struct world *w);

/* The next buffer that came back, in the order of the used ring. NULL: none. */
struct slot *collect(struct world *w, uint32_t queue);

int status_of(const struct slot *s);

/* One request, start to end. */
int ask(struct world *w, const struct viommu_wire_request *request);

/* Endpoint 0 in domain 1 and endpoint 1 in domain 2, each with a page at 0x1000. */
void prepare_domains(struct world *w);

/* In place of setup: all of that over a device that offers every ring feature. */
void setup_with_domains(struct world *w, uint32_t max_pending, uint64_t ring_features);

/* Accesses of the endpoint with this index that fault, each at another address. */
void raise_faults(struct world *w, uint32_t index, unsigned count);

#endif /* VIOMMU_TESTS_PUMP_FIXTURE_H */
