/* SPDX-License-Identifier: BSD-3-Clause */
/* rings.c: the list of them, and what all devices do with a request. */
#include "ring.h"

#include "split.h"

const struct bench_ring_pair bench_ring_pairs[] = {
	{ "viommu", &bench_library_driver, &bench_library_device, true },
	{ "viommu-device", &bench_plain_driver, &bench_library_device, true },
	{ "copying", &bench_plain_driver, &bench_copying_device, true },
	{ "in-place", &bench_plain_driver, &bench_in_place_device, true },
	{ "unchecked", &bench_bare_driver, &bench_bare_device, false },
	{ .name = NULL },
};

uint8_t bench_ring_execute(const uint8_t *request, size_t len)
{
	const uint64_t below = 4095;
	uint64_t first, last, phys;
	uint32_t flags;

	if (len < BENCH_RING_REQUEST || request[0] != VIOMMU_T_MAP)
		return VIOMMU_S_UNSUPP;
	first = split_get64(request + 8);
	last = split_get64(request + 16);
	phys = split_get64(request + 24);
	flags = viommu_port_load32(request + 32);
	if (last < first || (flags & ~7u) != 0)
		return VIOMMU_S_INVAL;
	return ((first | (last + 1) | phys) & below) != 0 ? VIOMMU_S_RANGE : VIOMMU_S_OK;
}
