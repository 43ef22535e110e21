/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config.c: the configuration space.
 *
 *   offset   0                8                   16                24       28      32           36       37
 *            page_size_mask   input_range.start   input_range.end   domain_range     probe_size   bypass   reserved (3)
 */
#include <viommu/wire.h>

#include "../bytes.h"
#include "../internal.h"

void viommu_wire_config_encode(const struct viommu_wire_config *config, uint8_t out[VIOMMU_WIRE_CONFIG_SIZE])
{
	memset(out, 0, VIOMMU_WIRE_CONFIG_SIZE);
	viommu_i_put64(out, config->page_size_mask);
	viommu_i_put64(out + 8, config->input_range.first);
	viommu_i_put64(out + 16, config->input_range.last);
	viommu_i_put32(out + 24, config->domain_first);
	viommu_i_put32(out + 28, config->domain_last);
	viommu_i_put32(out + 32, config->probe_size);
	out[VIOMMU_WIRE_CONFIG_BYPASS] = config->bypass;
}

void viommu_wire_config_decode(const uint8_t bytes[VIOMMU_WIRE_CONFIG_SIZE], struct viommu_wire_config *out)
{
	out->page_size_mask = viommu_i_get64(bytes);
	out->input_range.first = viommu_i_get64(bytes + 8);
	out->input_range.last = viommu_i_get64(bytes + 16);
	out->domain_first = viommu_i_get32(bytes + 24);
	out->domain_last = viommu_i_get32(bytes + 28);
	out->probe_size = viommu_i_get32(bytes + 32);
	out->bypass = bytes[VIOMMU_WIRE_CONFIG_BYPASS] & 1u;
}
