/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_main.c: one target of sim/ops as a libFuzzer program. VIOMMU_FUZZ_TARGET is its struct. */
#include "sim/ops/targets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	sim_ops_run(&VIOMMU_FUZZ_TARGET, data, len);
	return 0;
}
