/* SPDX-License-Identifier: BSD-3-Clause */
/* config.c: the driver's accesses to the configuration of a device, for all transports. */
#include "core.h"

/* The widest access that a place allows with so much left: for one field its own width, 4 for one of 8 bytes. */
static uint32_t config_width(uint32_t offset, uint32_t left)
{
	if ((offset & 3) == 0 && left >= 4)
		return 4;
	return (offset & 1) == 0 && left >= 2 ? 2 : 1;
}

void viommu_i_config_read(viommu_i_config_get get, const void *driver, uint32_t offset, void *dst, uint32_t len)
{
	uint8_t *bytes = dst;

	for (uint32_t at = 0; at < len;) {
		uint32_t width = config_width(offset + at, len - at);
		uint32_t value = get(driver, offset + at, width);

		for (; width > 0; width--, value >>= 8)
			bytes[at++] = (uint8_t)value;
	}
}

void viommu_i_config_write(viommu_i_config_set set, const void *driver, uint32_t offset, const void *src, uint32_t len)
{
	const uint8_t *bytes = src;
	uint32_t width;

	for (uint32_t at = 0; at < len; at += width) {
		uint32_t value = 0;

		width = config_width(offset + at, len - at);
		for (uint32_t i = width; i > 0; i--)
			value = value << 8 | bytes[at + i - 1];
		set(driver, offset + at, width, value);
	}
}
