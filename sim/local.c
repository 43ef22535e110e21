/* SPDX-License-Identifier: BSD-3-Clause */
#include "local.h"

#include <string.h>

#include "sim/env/env.h"

static uint8_t get_status(void *ctx)
{
	struct sim_local *local = ctx;

	if (sim_env_call(SIM_ENV_REGISTER_GET, 0, 0))
		return UINT8_MAX;
	return viommu_registers_get_status(local->registers);
}

static void set_status(void *ctx, uint8_t status)
{
	struct sim_local *local = ctx;

	if (sim_env_call(SIM_ENV_REGISTER_SET, 0, status))
		return;
	local->touched = true;
	viommu_registers_set_status(local->registers, status);
}

static uint64_t get_features(void *ctx)
{
	struct sim_local *local = ctx;

	if (sim_env_call(SIM_ENV_REGISTER_GET, 1, 0))
		return UINT64_MAX;
	return viommu_registers_get_features(local->registers);
}

static void set_features(void *ctx, uint64_t features)
{
	struct sim_local *local = ctx;

	if (!sim_env_call(SIM_ENV_REGISTER_SET, 1, features))
		viommu_registers_set_features(local->registers, features);
}

static uint32_t config_generation(void *ctx)
{
	struct sim_local *local = ctx;

	if (sim_env_call(SIM_ENV_REGISTER_GET, 2, 0))
		return UINT32_MAX;
	return viommu_registers_config_generation(local->registers);
}

static void config_read(void *ctx, uint32_t offset, void *dst, uint32_t len)
{
	struct sim_local *local = ctx;

	if (sim_env_call(SIM_ENV_REGISTER_GET, 3, offset))
		memset(dst, 0xff, len);
	else
		viommu_registers_config_read(local->registers, offset, dst, len);
}

static void config_write(void *ctx, uint32_t offset, const void *src, uint32_t len)
{
	struct sim_local *local = ctx;

	if (sim_env_call(SIM_ENV_REGISTER_SET, 3, offset))
		return;
	local->touched = true;
	viommu_registers_config_write(local->registers, offset, src, len);
}

static uint32_t queue_size_max(void *ctx, uint32_t queue)
{
	struct sim_local *local = ctx;

	if (sim_env_call(SIM_ENV_REGISTER_GET, 4, queue))
		return UINT32_MAX;
	return viommu_registers_queue_size_max(local->registers, queue);
}

static enum viommu_result queue_enable(void *ctx, uint32_t queue, const struct viommu_virtq_layout *layout)
{
	struct sim_local *local = ctx;

	if (sim_env_call(SIM_ENV_QUEUE_ENABLE, queue, layout->size))
		return VIOMMU_E_PEER;
	return viommu_registers_queue_enable(local->registers, queue, layout);
}

static void notify(void *ctx, uint32_t queue)
{
	struct sim_local *local = ctx;

	if (sim_env_call(SIM_ENV_NOTIFY, queue, 0))
		return;
	local->touched = true;
	if (queue < VIOMMU_QUEUE_COUNT)
		viommu_count(&local->kicks[queue]);
}

const struct viommu_register_ops sim_local_register_ops = {
	.size = sizeof(struct viommu_register_ops),
	.get_status = get_status,
	.set_status = set_status,
	.get_features = get_features,
	.set_features = set_features,
	.config_generation = config_generation,
	.config_read = config_read,
	.config_write = config_write,
	.queue_size_max = queue_size_max,
	.queue_enable = queue_enable,
	.notify = notify,
};

static void used_interrupt(void *ctx, uint32_t queue)
{
	struct sim_local *local = ctx;

	(void)sim_env_call(SIM_ENV_INTERRUPT, queue, 0);
	if (queue < VIOMMU_QUEUE_COUNT)
		viommu_count(&local->used[queue]);
}

static void config_interrupt(void *ctx)
{
	struct sim_local *local = ctx;

	(void)sim_env_call(SIM_ENV_INTERRUPT, UINT32_MAX, 0);
	viommu_count(&local->config);
}

const struct viommu_interrupt_ops sim_local_interrupt_ops = {
	.size = sizeof(struct viommu_interrupt_ops),
	.used = used_interrupt,
	.config = config_interrupt,
};
