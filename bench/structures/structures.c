/* SPDX-License-Identifier: BSD-3-Clause */
/* structures.c: the list of them. */
#include "structure.h"

#define FUNCTIONS(of)                                                                                                  \
	.name = #of, .open = bench_##of##_open, .close = bench_##of##_close, .map = bench_##of##_map,                  \
	.unmap = bench_##of##_unmap, .lookup = bench_##of##_lookup

const struct bench_structure bench_structures[] = {
	{ FUNCTIONS(viommu), .mappings_max = UINT32_MAX, .lookup_beside = bench_viommu_lookup_beside,
	  .unmap_beside = bench_viommu_unmap_beside, .bytes = bench_viommu_bytes },
	{ FUNCTIONS(gtree), .mappings_max = UINT32_MAX },
#ifdef BENCH_HAVE_BTREEMAP
	{ FUNCTIONS(btreemap), .mappings_max = UINT32_MAX },
#endif
	{ FUNCTIONS(stdmap), .mappings_max = UINT32_MAX },
	{ FUNCTIONS(scan), .mappings_max = 10000 },
	{ .name = NULL },
};
