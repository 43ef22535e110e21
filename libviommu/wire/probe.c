/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * probe.c: the property list of a PROBE reply.
 *
 *   offset     0                       2        4         5              8       16
 *   property   type (12), reserved (4) length   value ...
 *   RESV_MEM   1                       20       subtype   reserved (3)   start   end
 */
#include <viommu/wire.h>

#include "../bytes.h"
#include "../internal.h"

/* Of the value, without the header. */
#define RESV_MEM_LENGTH (VIOMMU_WIRE_RESV_MEM_SIZE - VIOMMU_WIRE_PROPERTY_HEAD_SIZE)

enum viommu_result viommu_wire_property_next(const uint8_t *list, size_t len, size_t *offset,
					     struct viommu_wire_property *out)
{
	const uint8_t *head;
	size_t left;
	uint16_t type, length;

	if (*offset > len || len - *offset < VIOMMU_WIRE_PROPERTY_HEAD_SIZE)
		return VIOMMU_E_EMPTY;
	head = list + *offset;
	left = len - *offset - VIOMMU_WIRE_PROPERTY_HEAD_SIZE;

	/* Type 0 ends the list whatever its reserved bits and its length say. */
	type = viommu_i_get16(head);
	if ((type & 0xfffu) == VIOMMU_PROBE_T_NONE)
		return VIOMMU_E_EMPTY;
	length = viommu_i_get16(head + 2);
	if (length > left)
		return VIOMMU_E_PEER;

	out->type = type & 0xfffu;
	out->reserved = (uint8_t)(type >> 12);
	out->length = length;
	out->value = head + VIOMMU_WIRE_PROPERTY_HEAD_SIZE;
	*offset += VIOMMU_WIRE_PROPERTY_HEAD_SIZE + (size_t)length;
	return VIOMMU_OK;
}

enum viommu_result viommu_wire_resv_mem_decode(const struct viommu_wire_property *property,
					       struct viommu_resv_region *out)
{
	struct viommu_range range;

	if (property->type != VIOMMU_PROBE_T_RESV_MEM || property->reserved != 0 || property->length < RESV_MEM_LENGTH)
		return VIOMMU_E_PEER;
	range.first = viommu_i_get64(property->value + 4);
	range.last = viommu_i_get64(property->value + 12);
	if (range.last < range.first)
		return VIOMMU_E_PEER;

	out->range = range;
	out->subtype = property->value[0] == VIOMMU_RESV_MEM_MSI ? VIOMMU_RESV_MEM_MSI : VIOMMU_RESV_MEM_RESERVED;
	return VIOMMU_OK;
}

void viommu_wire_resv_mem_encode(const struct viommu_resv_region *region, uint8_t out[VIOMMU_WIRE_RESV_MEM_SIZE])
{
	memset(out, 0, VIOMMU_WIRE_RESV_MEM_SIZE);
	viommu_i_put16(out, VIOMMU_PROBE_T_RESV_MEM);
	viommu_i_put16(out + 2, RESV_MEM_LENGTH);
	out[4] = region->subtype;
	viommu_i_put64(out + 8, region->range.first);
	viommu_i_put64(out + 16, region->range.last);
}
