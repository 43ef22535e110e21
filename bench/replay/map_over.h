/* SPDX-License-Identifier: BSD-3-Clause */
/* map_over.h: what viommu/map.h declares, over a structure of the benchmarks. */
#ifndef VIOMMU_BENCH_MAP_OVER_H
#define VIOMMU_BENCH_MAP_OVER_H

#include "../structures/structure.h"

/* For all maps from now on. */
void bench_map_over(const struct bench_structure *structure);

#endif /* VIOMMU_BENCH_MAP_OVER_H */
