/* SPDX-License-Identifier: BSD-3-Clause */
/* trace.c: tells the embedder what happens, if he wants to know. */
#include <viommu/trace.h>

#include "core.h"

static void tell(const struct viommu_device *dev, const struct viommu_trace_event *event)
{
	dev->ops->trace(dev->ops_ctx, event);
}

static void describe(struct viommu_trace_event *event, const struct viommu_wire_request *r)
{
	switch (r->type) {
	case VIOMMU_T_ATTACH:
		event->domain = r->u.attach.domain;
		event->endpoint = r->u.attach.endpoint;
		event->flags = r->u.attach.flags;
		event->first = r->u.attach.reserved;
		break;
	case VIOMMU_T_DETACH:
		event->domain = r->u.detach.domain;
		event->endpoint = r->u.detach.endpoint;
		break;
	case VIOMMU_T_MAP:
		event->domain = r->u.map.domain;
		event->first = r->u.map.virt_start;
		event->last = r->u.map.virt_end;
		event->phys = r->u.map.phys_start;
		event->flags = r->u.map.flags;
		break;
	case VIOMMU_T_UNMAP:
		event->domain = r->u.unmap.domain;
		event->first = r->u.unmap.virt_start;
		event->last = r->u.unmap.virt_end;
		event->flags = r->u.unmap.reserved;
		break;
	default:
		event->endpoint = r->u.probe.endpoint;
		break;
	}
}

void viommu_i_trace_request(const struct viommu_device *dev, const struct viommu_request *request,
			    const struct viommu_wire_request *r)
{
	struct viommu_trace_event event = { .id = VIOMMU_TRACE_REQUEST };

	event.pending = request->state == VIOMMU_REQUEST_PENDING;
	event.unanswered = request->written == 0;
	if (r != NULL) {
		event.type = r->type;
		event.status = event.unanswered ? 0 : request->status;
		describe(&event, r);
	}
	tell(dev, &event);
}

void viommu_i_trace_done(const struct viommu_device *dev, const struct viommu_request *request)
{
	struct viommu_trace_event event = { .id = VIOMMU_TRACE_DONE, .type = request->type };

	event.unanswered = request->written == 0;
	event.status = event.unanswered ? 0 : request->status;
	tell(dev, &event);
}

void viommu_i_trace_fault(const struct viommu_device *dev, const struct viommu_wire_fault *fault)
{
	struct viommu_trace_event event = { .id = VIOMMU_TRACE_FAULT, .type = fault->reason };

	event.endpoint = fault->endpoint;
	event.flags = fault->flags;
	event.first = fault->address;
	tell(dev, &event);
}

void viommu_i_trace(const struct viommu_device *dev, uint16_t id, uint32_t endpoint, uint32_t flags, uint64_t first)
{
	struct viommu_trace_event event = { .id = id, .endpoint = endpoint, .flags = flags, .first = first };

	if (viommu_i_is_traced(dev))
		tell(dev, &event);
}
