/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * machine.h: the simulated machine: guest memory, a virtio-iommu device with endpoints behind it, and a driver, wired
 * together in one thread. Everything that happens is decided by the calls that are made and by the seed.
 *
 *      driver --- transport.h: registers, kicks ---> pump --> device <-- access --- engines, one per endpoint
 *        |                                             |                               |
 *        +--- shared area: rings, requests ------------+------------ ram.h ------------+
 *
 * The device works when somebody lets it: in the driver's wait hook, in step, and in settle. It does so only if it was
 * woken, by a kick, a store to a register, or its own work_pending hook; so a notification that one side owes the other
 * and forgets is a call that times out.
 *
 *     struct sim_machine_config config = SIM_MACHINE_CONFIG_INIT;
 *     static const uint32_t ids[] = { 0x08, 0x10 };
 *
 *     config.endpoints = ids;
 *     config.endpoint_count = 2;
 *     if (sim_machine_init(&machine, &config) == VIOMMU_OK && sim_machine_start(&machine) == VIOMMU_OK)
 *             ... viommu_driver_endpoint_init(&endpoint, &machine.driver, 0x08, regions, 1) ...
 *     sim_machine_deinit(&machine);
 */
#ifndef VIOMMU_SIM_MACHINE_H
#define VIOMMU_SIM_MACHINE_H

#include <viommu/viommu.h>

#include "engine.h"
#include "ram.h"
#include "random.h"
#include "transport.h"

/* Fault reports and failed requests that the machine keeps until they are taken. */
#define SIM_MACHINE_FAULTS 1024u
#define SIM_MACHINE_FAILURES 1024u

/* fee00000 to feefffff, where x86 machines have their MSI doorbell: the one reserved region by default. */
extern const struct viommu_resv_region sim_machine_msi_region[1];

struct sim_machine_config {
	const uint32_t *endpoints; /* ids, in any order, all different; copied */
	uint32_t endpoint_count;
	const struct viommu_resv_region *regions; /* of every endpoint; kept by pointer */
	uint32_t region_count;

	/* The device. See device.h and pump.h. */
	uint64_t features; /* of the device class, offered */
	uint64_t ring_features;
	uint64_t page_size_mask;
	struct viommu_range input_range;
	uint32_t domain_first;
	uint32_t domain_last;
	uint32_t max_domains; /* 0: 16 and two for each endpoint */
	uint32_t max_pending; /* 0: the library's default */
	uint8_t bypass;

	/* The driver. See driver.h. */
	uint64_t driver_features;
	uint64_t granule; /* 0: the library's default, and so on */
	uint64_t granule_max;
	uint32_t queue_size; /* the device allows as many for both queues, and at least 256 */
	uint32_t event_count;

	/* The machine. */
	const struct sim_transport_kind *transport; /* NULL: see sim_transport_default */
	uint64_t seed;
	viommu_gpa shared_base; /* of the driver's shared area, a multiple of 16 */
	viommu_gpa ram_last;    /* there is no memory above it */
	uint32_t ram_pieces;    /* at most; 2 MiB each */
	bool ram_copied;        /* the device gets no pointers to it: read and write alone */
	uint32_t map_nodes;     /* for each side */
	uint32_t wait_attempts; /* fruitless ones before the wait hook gives up */
	/* Told of what happens to the device, see trace.h of the library. NULL: nobody is. */
	void (*trace)(void *ctx, const struct viommu_trace_event *event);
	void *trace_ctx;
};

/* 39 bits of addresses, pages of 4 KiB and more, bypass at the start, rings at 1 TiB. Endpoints are for you to add. */
#define SIM_MACHINE_CONFIG_INIT                                                                                        \
	{                                                                                                              \
		.regions = sim_machine_msi_region, .region_count = 1, .features = VIOMMU_DEVICE_FEATURES,              \
		.ring_features = VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX,                                          \
		.page_size_mask = UINT64_C(0xfffffffffffff000), .input_range = { 0, UINT64_C(0x7fffffffff) },          \
		.domain_last = UINT32_MAX, .bypass = 1, .driver_features = VIOMMU_DRIVER_FEATURES, .seed = 1,          \
		.shared_base = UINT64_C(1) << 40, .ram_last = UINT64_MAX, .ram_pieces = 16384, .map_nodes = 65536,     \
		.wait_attempts = 10000                                                                                 \
	}

/* A request of the driver that failed and that its `failed` hook heard of. */
struct sim_machine_failure {
	struct viommu_driver_domain *domain;
	struct viommu_driver_failure what;
};

/* The parts may be used directly, with the calls of their own headers. */
struct sim_machine {
	struct sim_ram ram;
	struct sim_transport transport;
	struct viommu_device device;
	struct viommu_pump pump;
	struct viommu_driver driver;
	struct sim_engine *engines; /* by ascending endpoint id */
	uint32_t engine_count;
	struct sim_random random;
	uint32_t faults_lost;   /* out: reports that found the list full */
	uint32_t failures_lost; /* out: the same for failed requests */
	bool stalled;           /* in: the device does nothing; whoever waits for it gives up in the end */
	/* private */
	bool awake;
	uint32_t wait_attempts;
	void (*trace)(void *ctx, const struct viommu_trace_event *event);
	void *trace_ctx;
	uint32_t fault_head; /* free-running */
	uint32_t fault_tail;
	uint32_t failure_head;
	uint32_t failure_tail;
	struct viommu_wire_fault faults[SIM_MACHINE_FAULTS];
	struct sim_machine_failure failures[SIM_MACHINE_FAILURES];
	void *memory[3]; /* of the device, the pump and the driver */
};

/*
 * Builds the machine, with the device not yet brought up. Large: better not on the stack. In place until deinit.
 * VIOMMU_E_NOMEM: malloc failed, or the shared area does not fit at its place. Other errors come from the library.
 */
VIOMMU_NODISCARD enum viommu_result sim_machine_init(struct sim_machine *machine,
						     const struct sim_machine_config *config);

/* Gives everything back, whatever state it is in. A struct of zeroes is all right too. */
void sim_machine_deinit(struct sim_machine *machine);

/* What is always true of the library's objects in it: pump, with the device; transport; driver. */
bool sim_machine_check(const struct sim_machine *machine);

/*
 * Puts a device, a pump and the device's side of the transport that are made anew, with this configuration, in the place
 * of those that there are, restored from snapshots of these; driver and guest memory stay. *len: bytes of both. Lets both
 * sides work first, so that no fault report is left. VIOMMU_E_STATE: they do not come to rest, or a snapshot of what
 * was restored is another one; VIOMMU_E_NOMEM: malloc failed, and the machine is as it was or fit for deinit only. Other
 * errors come from the library.
 */
VIOMMU_NODISCARD enum viommu_result sim_machine_move(struct sim_machine *machine,
						     const struct sim_machine_config *config, size_t *len);

/* The driver brings the device up. Errors as viommu_driver_start. */
VIOMMU_NODISCARD enum viommu_result sim_machine_start(struct sim_machine *machine);

/* The engine of an endpoint, or NULL. */
struct sim_engine *sim_machine_engine(struct sim_machine *machine, uint32_t endpoint);

/* Lets the device work for about `budget` steps if something woke it. Returns whether there is more to do. */
bool sim_machine_step(struct sim_machine *machine, uint32_t budget);

/*
 * Lets both sides work until nothing is left to do, so that every fault report has reached the list.
 * False: it did not come to rest within a bound that no honest pair needs.
 */
VIOMMU_NODISCARD bool sim_machine_settle(struct sim_machine *machine);

/* Takes the oldest fault report that reached the driver, or the oldest failed request. False: there is none. */
bool sim_machine_take_fault(struct sim_machine *machine, struct viommu_wire_fault *out);
bool sim_machine_take_failure(struct sim_machine *machine, struct sim_machine_failure *out);

#endif /* VIOMMU_SIM_MACHINE_H */
