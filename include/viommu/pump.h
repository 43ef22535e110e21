/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pump.h: the device above its rings. Moves requests from the request queue into seam A (device.h), answers back into
 * the used ring, and fault reports into buffers of the event queue.
 *
 *      request queue --pop--> submit --+-- DONE -----------> push --> publish once per call, one interrupt decision
 *                                      +-- PENDING ... next_done --^
 *      next_fault --------------------------------> event queue
 *
 * With IN_ORDER, what is done goes on to push when all requests that came before it have. Until then it holds one of
 * the slots that requests have to wait in, so that a request that waits for long stops the queue after max_pending
 * others, and holds back the answers of all that came after it, those of other domains too: offer IN_ORDER where access
 * sections are short.
 *
 * viommu_pump_process is all there is to call: when the driver kicks, when work_pending fires, or in a polling loop.
 *
 * Seam A of the device is the pump's from init on: nobody else submits or fetches.
 *
 * Thread class of everything here: owner of the device.
 */
#ifndef VIOMMU_PUMP_H
#define VIOMMU_PUMP_H

#include <viommu/device.h>
#include <viommu/transport/registers.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VIOMMU_PUMP_SEGMENTS_MAX 0x1000000u

struct viommu_pump_config {
	uint32_t size; /* sizeof(struct viommu_pump_config) */
	uint32_t queue_size_max; /* 0: 256. Both queues */
	/*
	 * Pieces of one request. A chain of more is taken for malformed, so this has to allow for descriptors that lie
	 * across pieces of host memory. At most VIOMMU_PUMP_SEGMENTS_MAX. 0: two for each descriptor, and one for every
	 * 4 KiB of a PROBE reply.
	 */
	uint32_t max_segments;
	uint64_t ring_features;  /* offered: some of VIOMMU_VIRTQ_FEATURES */
	struct viommu_device *device; /* initialised, kept by pointer */
	struct viommu_memory memory;  /* where the rings and the requests are */
	/* Kept by pointer; NULL: the driver polls. See "Order of init" in registers.h. */
	const struct viommu_interrupt_ops *interrupts;
	void *interrupt_ctx;
};
#define VIOMMU_PUMP_CONFIG_INIT											\
	{													\
		.size = sizeof(struct viommu_pump_config),							\
		.ring_features = VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX					\
	}

/* Private: a request that came from the ring. */
struct viommu_pump_slot {
	struct viommu_request request; /* user: the next free slot */
	struct viommu_pump_slot *next; /* IN_ORDER: the one that was taken after this */
	uint32_t written;
	uint16_t head;
	bool held; /* done, and waits for its turn */
	bool is_orphan; /* with the device, and its queue was reset: there is nobody to answer */
};

/* Counters, saturating. */
struct viommu_pump_stats {
	uint32_t malformed;      /* chains that were no requests, and event buffers that could not be written */
	uint32_t events;         /* fault reports delivered */
	uint32_t events_dropped; /* no buffer, or one that was too short */
};

/* Private members. */
struct viommu_pump {
	struct viommu_registers registers;
	struct viommu_virtq_device queues[VIOMMU_QUEUE_COUNT];
	struct viommu_device *device;
	struct viommu_segment *segments;
	struct viommu_pump_slot *slots;
	struct viommu_pump_slot *free_slots;
	struct viommu_pump_slot *oldest; /* IN_ORDER: requests not in the used ring yet, in their order */
	struct viommu_pump_slot *newest;
	uint32_t segment_count;
	uint32_t slot_count;
	struct viommu_wire_fault fault; /* waits for a buffer, if has_fault */
	bool has_fault;
	struct viommu_pump_stats stats;
};

/* Bytes for viommu_pump_init. Any thread. Errors as there. */
VIOMMU_NODISCARD enum viommu_result viommu_pump_mem_size(const struct viommu_pump_config *config, size_t *bytes);

/*
 * VIOMMU_E_ABI: a size is unknown. VIOMMU_E_ARG: queue size, segments, ring features, no device, no memory or one
 * without callbacks (memory.h).
 * VIOMMU_E_NOMEM: mem is too small. mem (any alignment) is the pump's until it is not used any more.
 */
VIOMMU_NODISCARD enum viommu_result viommu_pump_init(struct viommu_pump *pump, const struct viommu_pump_config *config,
						     void *mem, size_t len);

/* The registers, for the transport. */
struct viommu_registers *viommu_pump_registers(struct viommu_pump *pump);

/*
 * Does at most about `budget` steps of work (descriptors and their pieces of memory, requests, reports, map nodes to be
 * taken apart). What runs over is one chain, of at most size + 1 descriptors and max_segments pieces, with its request:
 * see viommu_device_submit. Returns whether there is more to do right away. False: everything is done, waits for an
 * access section to end, or waits for the driver, from whom a kick was requested. A driver that broke the ring gets
 * NEEDS_RESET. A driver with two processors can see to it that there is always more to do: whoever calls this again and
 * again in the guest's own time does so a fixed number of times. budget is not 0.
 */
bool viommu_pump_process(struct viommu_pump *pump, uint32_t budget);

/* Reset of the whole machine: as a device reset by the driver, and config.bypass is as configured. */
void viommu_pump_system_reset(struct viommu_pump *pump);

/*
 * Guest memory was taken away, restricted or mapped elsewhere, as for viommu_device_memory_changed (device.h), which
 * this calls:
 * viommu_device_memory_is_settled says when the old memory may be released, and viommu_pump_process brings it about. A
 * ring that is elsewhere in the host now is used there. A ring that is gone is not touched any more: the driver gets
 * NEEDS_RESET, at once or, if there are no pointers to it, when it is next accessed. Requests whose buffers are gone are
 * malformed, those that were taken before excepted.
 */
void viommu_pump_memory_changed(struct viommu_pump *pump);

const struct viommu_pump_stats *viommu_pump_get_stats(const struct viommu_pump *pump);

/* See types.h. _check includes the device. Steps: what the device's needs, and the slots. */
bool viommu_pump_is_valid(const struct viommu_pump *pump);
bool viommu_pump_check(const struct viommu_pump *pump);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_PUMP_H */
