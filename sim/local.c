/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * local.c: the shortest transport there is: the driver's register operations are calls of the device's registers, in
 * the same process.
 */
#include "transport.h"

#include <string.h>

#include "sim/env/env.h"

static uint8_t local_get_status(void *ctx)
{
	struct sim_transport *t = ctx;

	if (sim_env_call(SIM_ENV_REGISTER_GET, 0, 0))
		return UINT8_MAX;
	return viommu_registers_get_status(t->registers);
}

static void local_set_status(void *ctx, uint8_t status)
{
	struct sim_transport *t = ctx;

	if (sim_env_call(SIM_ENV_REGISTER_SET, 0, status))
		return;
	t->touched = true;
	viommu_registers_set_status(t->registers, status);
}

static uint64_t local_get_features(void *ctx)
{
	struct sim_transport *t = ctx;

	if (sim_env_call(SIM_ENV_REGISTER_GET, 1, 0))
		return UINT64_MAX;
	return viommu_registers_get_features(t->registers);
}

static void local_set_features(void *ctx, uint64_t features)
{
	struct sim_transport *t = ctx;

	if (!sim_env_call(SIM_ENV_REGISTER_SET, 1, features))
		viommu_registers_set_features(t->registers, features);
}

static uint32_t local_config_generation(void *ctx)
{
	struct sim_transport *t = ctx;

	if (sim_env_call(SIM_ENV_REGISTER_GET, 2, 0))
		return UINT32_MAX;
	return viommu_registers_config_generation(t->registers);
}

static void local_config_read(void *ctx, uint32_t offset, void *dst, uint32_t len)
{
	struct sim_transport *t = ctx;

	if (sim_env_call(SIM_ENV_REGISTER_GET, 3, offset))
		memset(dst, 0xff, len);
	else
		viommu_registers_config_read(t->registers, offset, dst, len);
}

static void local_config_write(void *ctx, uint32_t offset, const void *src, uint32_t len)
{
	struct sim_transport *t = ctx;

	if (sim_env_call(SIM_ENV_REGISTER_SET, 3, offset))
		return;
	t->touched = true;
	viommu_registers_config_write(t->registers, offset, src, len);
}

static uint32_t local_queue_size_max(void *ctx, uint32_t queue)
{
	struct sim_transport *t = ctx;

	if (sim_env_call(SIM_ENV_REGISTER_GET, 4, queue))
		return UINT32_MAX;
	return viommu_registers_queue_size_max(t->registers, queue);
}

static enum viommu_result local_queue_enable(void *ctx, uint32_t queue, const struct viommu_virtq_layout *layout)
{
	struct sim_transport *t = ctx;

	if (sim_env_call(SIM_ENV_QUEUE_ENABLE, queue, layout->size))
		return VIOMMU_E_PEER;
	return viommu_registers_queue_enable(t->registers, queue, layout);
}

static enum viommu_result local_queue_reset(void *ctx, uint32_t queue)
{
	struct sim_transport *t = ctx;

	if (sim_env_call(SIM_ENV_REGISTER_SET, 5, queue))
		return VIOMMU_E_STATE;
	t->touched = true;
	return viommu_registers_queue_reset(t->registers, queue);
}

static bool local_queue_is_resetting(void *ctx, uint32_t queue)
{
	struct sim_transport *t = ctx;

	if (sim_env_call(SIM_ENV_REGISTER_GET, 5, queue))
		return true;
	return viommu_registers_queue_is_resetting(t->registers, queue);
}

static void local_notify(void *ctx, uint32_t queue)
{
	struct sim_transport *t = ctx;

	if (sim_env_call(SIM_ENV_NOTIFY, queue, 0))
		return;
	sim_transport_kicked(t, queue);
}

/* As in a transport only the data travel, and the device's side decodes them. */
static void local_notify_data(void *ctx, uint32_t queue, uint32_t data)
{
	struct sim_transport *t = ctx;

	if (viommu_registers_notified(t->registers, data, &queue) == VIOMMU_OK)
		local_notify(ctx, queue);
}

static const struct viommu_register_ops register_ops = {
	.size = sizeof(struct viommu_register_ops),
	.get_status = local_get_status,
	.set_status = local_set_status,
	.get_features = local_get_features,
	.set_features = local_set_features,
	.config_generation = local_config_generation,
	.config_read = local_config_read,
	.config_write = local_config_write,
	.queue_size_max = local_queue_size_max,
	.queue_enable = local_queue_enable,
	.notify = local_notify,
	.notify_data = local_notify_data,
	.queue_reset = local_queue_reset,
	.queue_is_resetting = local_queue_is_resetting,
};

static void used_interrupt(void *ctx, uint32_t queue)
{
	struct sim_transport *t = ctx;

	(void)sim_env_call(SIM_ENV_INTERRUPT, queue, 0);
	sim_transport_used(t, queue);
}

static void config_interrupt(void *ctx)
{
	struct sim_transport *t = ctx;

	(void)sim_env_call(SIM_ENV_INTERRUPT, UINT32_MAX, 0);
	sim_transport_config(t);
}

static const struct viommu_interrupt_ops interrupt_ops = {
	.size = sizeof(struct viommu_interrupt_ops),
	.used = used_interrupt,
	.config = config_interrupt,
};

static void init(struct sim_transport *t)
{
	t->interrupt_ops = &interrupt_ops;
	t->interrupt_ctx = t;
}

static enum viommu_result connect(struct sim_transport *t)
{
	(void)t;
	return VIOMMU_OK;
}

static enum viommu_result find_device(struct sim_transport *t)
{
	t->register_ops = &register_ops;
	t->register_ctx = t;
	return VIOMMU_OK;
}

const struct sim_transport_kind sim_transport_local = {
	.name = "local",
	.init = init,
	.connect = connect,
	.find_device = find_device,
};
