/* SPDX-License-Identifier: BSD-3-Clause */
/* canary.h: what memory is filled with to see later what of it was written. */
#ifndef VIOMMU_SIM_OPS_CANARY_H
#define VIOMMU_SIM_OPS_CANARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_OPS_CANARY 0xa5u

/* Is it all as it was filled? */
static inline bool sim_ops_is_canary(const void *p, size_t len)
{
	const uint8_t *bytes = p;

	for (size_t i = 0; i < len; i++)
		if (bytes[i] != SIM_OPS_CANARY)
			return false;
	return true;
}

#endif /* VIOMMU_SIM_OPS_CANARY_H */
