/* SPDX-License-Identifier: BSD-3-Clause */
/* The smallest program that includes every header, links the library and can tell whether it works. */
#include <viommu/viommu.h>

#include <stdio.h>

int main(void)
{
	struct viommu_wire_request request = { .type = VIOMMU_T_MAP };
	struct viommu_wire_request back;
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
	size_t len;

	request.u.map.domain = 7;
	request.u.map.virt_end = 0xfff;
	len = viommu_wire_request_encode(&request, bytes, sizeof(bytes));
	if (len == 0 || viommu_wire_request_decode(bytes, len, &back) != VIOMMU_OK || back.u.map.domain != 7)
		return 1;
	printf("a MAP request has %zu bytes\n", len);
	return 0;
}
