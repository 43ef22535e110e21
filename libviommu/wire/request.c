/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * request.c: the readable part of the five requests, and the tail of every reply.
 *
 *   offset    0      4          8          12         16         24            32      36
 *   ATTACH    head   domain     endpoint   flags      reserved
 *   DETACH    head   domain     endpoint   reserved (8)
 *   MAP       head   domain     virt_start            virt_end   phys_start    flags
 *   UNMAP     head   domain     virt_start            virt_end   reserved (4)
 *   PROBE     head   endpoint   reserved (64)
 */
#include <viommu/wire.h>

#include "../bytes.h"
#include "../internal.h"

size_t viommu_wire_request_size(uint8_t type)
{
	switch (type) {
	case VIOMMU_T_ATTACH:
	case VIOMMU_T_DETACH:
		return 20;
	case VIOMMU_T_MAP:
		return 36;
	case VIOMMU_T_UNMAP:
		return 28;
	case VIOMMU_T_PROBE:
		return VIOMMU_WIRE_REQUEST_MAX;
	default:
		return 0;
	}
}

enum viommu_result viommu_wire_request_decode(const uint8_t *bytes, size_t len, struct viommu_wire_request *out)
{
	size_t size = len < VIOMMU_WIRE_HEAD_SIZE ? 0 : viommu_wire_request_size(bytes[0]);

	if (size == 0 || len < size)
		return VIOMMU_E_PEER;

	*out = (struct viommu_wire_request){ .type = bytes[0] };
	switch (out->type) {
	case VIOMMU_T_ATTACH:
		out->u.attach.domain = viommu_i_get32(bytes + 4);
		out->u.attach.endpoint = viommu_i_get32(bytes + 8);
		out->u.attach.flags = viommu_i_get32(bytes + 12);
		out->u.attach.reserved = viommu_i_get32(bytes + 16);
		break;
	case VIOMMU_T_DETACH:
		out->u.detach.domain = viommu_i_get32(bytes + 4);
		out->u.detach.endpoint = viommu_i_get32(bytes + 8);
		break;
	case VIOMMU_T_MAP:
		out->u.map.domain = viommu_i_get32(bytes + 4);
		out->u.map.virt_start = viommu_i_get64(bytes + 8);
		out->u.map.virt_end = viommu_i_get64(bytes + 16);
		out->u.map.phys_start = viommu_i_get64(bytes + 24);
		out->u.map.flags = viommu_i_get32(bytes + 32);
		break;
	case VIOMMU_T_UNMAP:
		out->u.unmap.domain = viommu_i_get32(bytes + 4);
		out->u.unmap.virt_start = viommu_i_get64(bytes + 8);
		out->u.unmap.virt_end = viommu_i_get64(bytes + 16);
		out->u.unmap.reserved = viommu_i_get32(bytes + 24);
		break;
	default: /* PROBE: viommu_wire_request_size() knows no other */
		out->u.probe.endpoint = viommu_i_get32(bytes + 4);
		break;
	}
	return VIOMMU_OK;
}

size_t viommu_wire_request_encode(const struct viommu_wire_request *request, uint8_t *out, size_t cap)
{
	size_t size = viommu_wire_request_size(request->type);

	if (size == 0 || cap < size)
		return 0;

	memset(out, 0, size);
	out[0] = request->type;
	switch (request->type) {
	case VIOMMU_T_ATTACH:
		viommu_i_put32(out + 4, request->u.attach.domain);
		viommu_i_put32(out + 8, request->u.attach.endpoint);
		viommu_i_put32(out + 12, request->u.attach.flags);
		viommu_i_put32(out + 16, request->u.attach.reserved);
		break;
	case VIOMMU_T_DETACH:
		viommu_i_put32(out + 4, request->u.detach.domain);
		viommu_i_put32(out + 8, request->u.detach.endpoint);
		break;
	case VIOMMU_T_MAP:
		viommu_i_put32(out + 4, request->u.map.domain);
		viommu_i_put64(out + 8, request->u.map.virt_start);
		viommu_i_put64(out + 16, request->u.map.virt_end);
		viommu_i_put64(out + 24, request->u.map.phys_start);
		viommu_i_put32(out + 32, request->u.map.flags);
		break;
	case VIOMMU_T_UNMAP:
		viommu_i_put32(out + 4, request->u.unmap.domain);
		viommu_i_put64(out + 8, request->u.unmap.virt_start);
		viommu_i_put64(out + 16, request->u.unmap.virt_end);
		viommu_i_put32(out + 24, request->u.unmap.reserved);
		break;
	default: /* PROBE */
		viommu_i_put32(out + 4, request->u.probe.endpoint);
		break;
	}
	return size;
}

void viommu_wire_tail_encode(uint8_t status, uint8_t out[VIOMMU_WIRE_TAIL_SIZE])
{
	viommu_i_put32(out, status); /* one byte of status, three of reserved zeroes */
}

uint8_t viommu_wire_tail_decode(const uint8_t tail[VIOMMU_WIRE_TAIL_SIZE])
{
	return tail[0];
}
