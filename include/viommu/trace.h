/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trace.h: what a device was asked, and what happened to it: viommu_device_ops.trace is told of each event, in order.
 * An event is a struct of fixed members, so that it can be kept as it is; sim/trace.h makes lines of text of
 * requests, in the form that viommu-sim replays.
 *
 * Not told: translations, which are made on other threads and many.
 */
#ifndef VIOMMU_TRACE_H
#define VIOMMU_TRACE_H

#include <viommu/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers stay what they are. Members that an event does not name are 0. */
enum viommu_trace_id {
	/*
	 * A request was executed. type: enum viommu_request_type, 0 if it could not be parsed; status: enum
	 * viommu_status; pending, unanswered. ATTACH: domain, endpoint, flags, and in `first` the reserved bytes. DETACH:
	 * domain, endpoint. MAP: domain, first, last, phys, flags. UNMAP: domain, first, last, and in `flags` the
	 * reserved bytes. PROBE: endpoint.
	 */
	VIOMMU_TRACE_REQUEST = 1,
	VIOMMU_TRACE_DONE = 2,      /* one that was pending is answered: type, status; unanswered */
	VIOMMU_TRACE_NEGOTIATE = 3, /* first: features */
	VIOMMU_TRACE_BYPASS = 4,    /* the driver stored it. flags: the new value */
	VIOMMU_TRACE_RESET = 5,
	VIOMMU_TRACE_SYSTEM_RESET = 6,
	VIOMMU_TRACE_FAULT = 7,            /* a report was fetched. type: reason; endpoint, flags, first: address */
	VIOMMU_TRACE_ENDPOINT_ADDED = 8,   /* endpoint */
	VIOMMU_TRACE_ENDPOINT_REMOVED = 9, /* endpoint */
	VIOMMU_TRACE_BACKEND_BROKEN = 10   /* endpoint */
};

struct viommu_trace_event {
	uint16_t id; /* enum viommu_trace_id */
	uint8_t type;
	uint8_t status;
	bool pending;    /* an access section has to end before it is answered */
	bool unanswered; /* used length 0 */
	uint32_t domain;
	uint32_t endpoint;
	uint32_t flags;
	uint64_t first;
	uint64_t last;
	uint64_t phys;
};

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_TRACE_H */
