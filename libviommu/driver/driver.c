/* SPDX-License-Identifier: BSD-3-Clause */
/* driver.c: making a driver: what it needs, and where it goes. */
#include "core.h"

#include "../internal.h"

#define DEFAULT_QUEUE_SIZE 64u
#define DEFAULT_EVENT_COUNT 16u
#define DEFAULT_PROBE_SIZE 512u
#define DEFAULT_GRANULE 4096u
#define PROBE_SIZE_LIMIT 0x10000000u /* keeps sums within 32 bits */

static uint32_t or_default(uint32_t value, uint32_t by_default)
{
	return value != 0 ? value : by_default;
}

static uint64_t granule(const struct viommu_driver_config *config)
{
	return config->granule != 0 ? config->granule : DEFAULT_GRANULE;
}

static uint64_t granule_max(const struct viommu_driver_config *config)
{
	return config->granule_max != 0 ? config->granule_max : granule(config);
}

static bool is_granule(uint64_t g)
{
	return g >= VIOMMU_MAP_GRANULE_MIN && (g & (g - 1)) == 0;
}

static enum viommu_result ops_check(const struct viommu_driver_ops *ops)
{
	if (ops == NULL)
		return VIOMMU_E_ARG;
	if (ops->size != sizeof *ops)
		return VIOMMU_E_ABI;
	if (ops->wait == NULL || (ops->lock == NULL) != (ops->unlock == NULL) ||
	    (ops->clean == NULL) != (ops->invalidate == NULL))
		return VIOMMU_E_ARG;
	return VIOMMU_OK;
}

static enum viommu_result config_check(const struct viommu_driver_config *config)
{
	uint32_t queue_size = or_default(config->queue_size, DEFAULT_QUEUE_SIZE);

	if (config->size != sizeof *config)
		return VIOMMU_E_ABI;
	if (!viommu_virtq_size_is_valid(queue_size) || queue_size < 2 ||
	    !viommu_virtq_size_is_valid(or_default(config->event_count, DEFAULT_EVENT_COUNT)))
		return VIOMMU_E_ARG;
	if (config->probe_size_max > PROBE_SIZE_LIMIT || (config->features & ~VIOMMU_DRIVER_FEATURES) != 0)
		return VIOMMU_E_ARG;
	if (!is_granule(granule(config)) || !is_granule(granule_max(config)) || granule_max(config) < granule(config))
		return VIOMMU_E_ARG;
	return ops_check(config->ops);
}

/* Parts of the shared area do not share cache lines. */
static size_t line(size_t n)
{
	return (n + 63) & ~(size_t)63;
}

enum viommu_result viommu_driver_mem_size(const struct viommu_driver_config *config, size_t *private_bytes,
					  size_t *shared_bytes)
{
	enum viommu_result result = config_check(config);
	size_t queue_size, event_count, probe;

	if (result != VIOMMU_OK)
		return result;
	queue_size = or_default(config->queue_size, DEFAULT_QUEUE_SIZE);
	event_count = or_default(config->event_count, DEFAULT_EVENT_COUNT);
	probe = PROBE_REPLY + or_default(config->probe_size_max, DEFAULT_PROBE_SIZE) + VIOMMU_WIRE_TAIL_SIZE;
	*private_bytes = 16 + queue_size * sizeof(struct viommu_driver_slot) + VIOMMU_VIRTQ_DRIVER_PRIVATE(queue_size) +
			 VIOMMU_VIRTQ_DRIVER_PRIVATE(event_count) + line(probe);
	*shared_bytes = line(VIOMMU_VIRTQ_DRIVER_SHARED(queue_size)) + line(VIOMMU_VIRTQ_DRIVER_SHARED(event_count)) +
			queue_size * SLOT_STRIDE + event_count * EVENT_STRIDE + line(probe);
	return VIOMMU_OK;
}

/* Cuts `len` bytes off the front of what is left. Wraps: behind the last of them the address can be 2^64. */
static VIOMMU_WRAPS struct viommu_shared_memory cut(struct viommu_shared_memory *left, size_t len)
{
	struct viommu_shared_memory part = { left->base, left->addr, line(len) };

	left->base = (uint8_t *)left->base + part.len;
	left->addr += part.len;
	left->len -= part.len;
	return part;
}

static void lay_out_shared(struct viommu_driver *drv, const struct viommu_shared_memory *shared)
{
	struct viommu_shared_memory left = *shared;

	drv->rings[VIOMMU_QUEUE_REQUEST] = cut(&left, VIOMMU_VIRTQ_DRIVER_SHARED(drv->queue_size));
	drv->rings[VIOMMU_QUEUE_EVENT] = cut(&left, VIOMMU_VIRTQ_DRIVER_SHARED(drv->event_count));
	drv->slot_memory = cut(&left, (size_t)drv->queue_size * SLOT_STRIDE);
	drv->event_memory = cut(&left, (size_t)drv->event_count * EVENT_STRIDE);
	drv->probe_memory = cut(&left, PROBE_REPLY + drv->probe_size_max + VIOMMU_WIRE_TAIL_SIZE);
}

static void lay_out_private(struct viommu_driver *drv, void *mem, size_t len)
{
	uintptr_t base = viommu_i_align_up((uintptr_t)mem, 16);
	uintptr_t end = (uintptr_t)mem + len;

	drv->slots = (struct viommu_driver_slot *)base;
	base += drv->queue_size * sizeof *drv->slots;
	drv->shadows[VIOMMU_QUEUE_REQUEST] = (struct viommu_virtq_shadow *)base;
	base += VIOMMU_VIRTQ_DRIVER_PRIVATE(drv->queue_size);
	drv->shadows[VIOMMU_QUEUE_EVENT] = (struct viommu_virtq_shadow *)base;
	base += VIOMMU_VIRTQ_DRIVER_PRIVATE(drv->event_count);
	drv->probe_copy = (uint8_t *)base;
	base += line(drv->probe_size_max);
	viommu_map_pool_init(&drv->pool);
	/* Too little for a node is no error: memory may be added later. */
	(void)!viommu_map_pool_add(&drv->pool, (void *)base, end - base);
}

enum viommu_result viommu_driver_init(struct viommu_driver *drv, const struct viommu_driver_config *config, void *mem,
				      size_t len, const struct viommu_shared_memory *shared)
{
	size_t private_bytes, shared_bytes, align;
	enum viommu_result result = viommu_driver_mem_size(config, &private_bytes, &shared_bytes);

	if (result != VIOMMU_OK)
		return result;
	align = config->ops->clean != NULL ? 64 : 16;
	if (((uintptr_t)shared->base & (align - 1)) != 0 || (shared->addr & (align - 1)) != 0)
		return VIOMMU_E_ARG;
	if (mem == NULL || len < private_bytes || shared->base == NULL || shared->len < shared_bytes)
		return VIOMMU_E_NOMEM;
	if (shared->len - 1 > UINT64_MAX - shared->addr)
		return VIOMMU_E_ARG;

	memset(drv, 0, sizeof *drv);
	drv->ops = config->ops;
	drv->ops_ctx = config->ops_ctx;
	drv->queue_size = or_default(config->queue_size, DEFAULT_QUEUE_SIZE);
	drv->event_count = or_default(config->event_count, DEFAULT_EVENT_COUNT);
	drv->probe_size_max = or_default(config->probe_size_max, DEFAULT_PROBE_SIZE);
	drv->features_wanted = config->features | FEATURES_NEEDED;
	drv->granule_min = granule(config);
	drv->granule_max = granule_max(config);
	lay_out_shared(drv, shared);
	lay_out_private(drv, mem, len);
	VIOMMU_ASSERT(viommu_driver_is_valid(drv));
	return VIOMMU_OK;
}

enum viommu_result viommu_driver_add_memory(struct viommu_driver *drv, void *mem, size_t len)
{
	enum viommu_result result;

	driver_lock(drv);
	result = viommu_map_pool_add(&drv->pool, mem, len);
	driver_unlock(drv);
	return result;
}

const struct viommu_driver_stats *viommu_driver_get_stats(const struct viommu_driver *drv)
{
	return &drv->stats;
}

struct viommu_range viommu_i_driver_input_range(const struct viommu_driver *drv)
{
	uint64_t below = driver_granule(drv) - 1;
	struct viommu_range range = drv->config.input_range;

	range.first = (range.first + below) & ~below;
	/* The low bits of the last byte of a granule are all 1. */
	if ((~range.last & below) != 0)
		range.last = (range.last & ~below) - 1;
	return range;
}

void viommu_driver_get_limits(const struct viommu_driver *drv, struct viommu_driver_limits *out)
{
	out->features = drv->features;
	out->granule = driver_granule(drv);
	out->input_range = viommu_i_driver_input_range(drv);
	out->domain_first = drv->config.domain_first;
	out->domain_last = drv->config.domain_last;
	out->slots = drv->slot_limit;
}
