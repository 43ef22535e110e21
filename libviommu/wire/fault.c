/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault.c: a report on the event queue.
 *
 *   offset   0        1              4       8          12          16
 *            reason   reserved (3)   flags   endpoint   reserved1   address
 */
#include <viommu/wire.h>

#include "../bytes.h"
#include "../internal.h"

#define KNOWN_FLAGS (VIOMMU_FAULT_F_READ | VIOMMU_FAULT_F_WRITE | VIOMMU_FAULT_F_ADDRESS)

void viommu_wire_fault_encode(const struct viommu_wire_fault *fault, uint8_t out[VIOMMU_WIRE_FAULT_SIZE])
{
	memset(out, 0, VIOMMU_WIRE_FAULT_SIZE);
	out[0] = fault->reason;
	viommu_i_put32(out + 4, fault->flags);
	viommu_i_put32(out + 8, fault->endpoint);
	viommu_i_put64(out + 16, fault->address);
}

enum viommu_result viommu_wire_fault_decode(const uint8_t *bytes, size_t len, struct viommu_wire_fault *out)
{
	if (len < VIOMMU_WIRE_FAULT_SIZE || (bytes[1] | bytes[2] | bytes[3]) != 0)
		return VIOMMU_E_PEER;

	out->reason = bytes[0] <= VIOMMU_FAULT_R_MAPPING ? bytes[0] : VIOMMU_FAULT_R_UNKNOWN;
	out->flags = viommu_i_get32(bytes + 4) & KNOWN_FLAGS;
	out->endpoint = viommu_i_get32(bytes + 8);
	out->address = viommu_i_get64(bytes + 16);
	return VIOMMU_OK;
}
