/* SPDX-License-Identifier: BSD-3-Clause */
/* A program that finds the headers of the simulated machine and links it. */
#include "sim/random.h"

#include <viommu/viommu.h>

#include <stdio.h>

int main(void)
{
	struct sim_random random = { .state = 1 };

	printf("%u granules\n", (unsigned)sim_random_below(&random, VIOMMU_MAP_FANOUT));
	return 0;
}
