/* SPDX-License-Identifier: BSD-3-Clause */
/* config.c: features and the configuration space. */
#include "core.h"

#include "../internal.h"

uint64_t viommu_device_features(const struct viommu_device *dev)
{
	return dev->features;
}

enum viommu_result viommu_device_negotiate(struct viommu_device *dev, uint64_t features)
{
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	if ((features & ~dev->features) != 0)
		return VIOMMU_E_ARG;
	dev->negotiated = features;
	viommu_i_trace(dev, VIOMMU_TRACE_NEGOTIATE, 0, 0, features);
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	return VIOMMU_OK;
}

void viommu_device_config_read(const struct viommu_device *dev, uint32_t offset, void *dst, uint32_t len)
{
	uint8_t bytes[VIOMMU_WIRE_CONFIG_SIZE];
	uint32_t n = 0;

	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	viommu_wire_config_encode(&dev->config, bytes);
	if (offset < sizeof bytes) {
		n = (uint32_t)sizeof bytes - offset;
		if (n > len)
			n = len;
		memcpy(dst, bytes + offset, n);
	}
	memset((uint8_t *)dst + n, 0, len - n);
}

void viommu_device_config_write(struct viommu_device *dev, uint32_t offset, const void *src, uint32_t len)
{
	uint8_t value;

	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	if ((dev->negotiated & VIOMMU_F_BYPASS_CONFIG) == 0)
		return;
	if (offset > VIOMMU_WIRE_CONFIG_BYPASS || VIOMMU_WIRE_CONFIG_BYPASS - offset >= len)
		return;
	value = ((const uint8_t *)src)[VIOMMU_WIRE_CONFIG_BYPASS - offset];
	if (value > 1 || value == dev->config.bypass)
		return;
	viommu_i_trace(dev, VIOMMU_TRACE_BYPASS, 0, value, 0);
	for (uint32_t i = 0; i < dev->endpoint_ids.count; i++) {
		if (viommu_i_endpoint_at(dev, i)->domain == NULL)
			viommu_i_backend_leave(dev, viommu_i_endpoint_at(dev, i), value != 0);
	}
	dev->config.bypass = value;
	for (uint32_t i = 0; i < dev->endpoint_ids.count; i++) {
		struct viommu_endpoint *endpoint = &dev->endpoints[dev->endpoint_ids.slots[i]];

		if (endpoint->domain != NULL)
			continue;
		viommu_i_endpoint_show(dev, endpoint);
		if (value == 0)
			viommu_i_grace_moves(dev, endpoint);
	}
	if (value == 0) {
		dev->settle_epoch = viommu_i_grace_begin(dev);
		(void)viommu_device_is_settled(dev); /* from now on the end of the last section is told */
	}
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
}
