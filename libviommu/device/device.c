/* SPDX-License-Identifier: BSD-3-Clause */
/* device.c: making a device, and resetting it. */
#include "core.h"

#include "../internal.h"
#include "../virtq/memory.h"

#define DEFAULT_COUNT 16u
#define DEFAULT_PAGE_SIZE_MASK (~UINT64_C(0xfff))

/* So that no size can wrap, not even where size_t has 32 bits. */
_Static_assert(VIOMMU_DEVICE_MEM(1, 1, 0) <= SIZE_MAX / 4 / VIOMMU_DEVICE_COUNT_MAX, "the limit is too high");

static uint32_t or_default(uint32_t value)
{
	return value != 0 ? value : DEFAULT_COUNT;
}

static uint64_t page_size_mask(const struct viommu_device_config *config)
{
	return config->page_size_mask != 0 ? config->page_size_mask : DEFAULT_PAGE_SIZE_MASK;
}

static enum viommu_result config_check(const struct viommu_device_config *config)
{
	enum viommu_result result = VIOMMU_OK;

	if (config->size != sizeof *config)
		return VIOMMU_E_ABI;
	if (config->ops != NULL && config->ops->size != sizeof *config->ops)
		return VIOMMU_E_ABI;
	if (config->memory.ops != NULL)
		result = viommu_i_memory_ops_check(config->memory.ops);
	if (result != VIOMMU_OK)
		return result;
	if ((config->features & ~VIOMMU_DEVICE_FEATURES) != 0 || config->bypass > 1)
		return VIOMMU_E_ARG;
	if ((page_size_mask(config) & (VIOMMU_MAP_GRANULE_MIN - 1)) != 0)
		return VIOMMU_E_ARG;
	if (config->input_range.first > config->input_range.last || config->domain_first > config->domain_last)
		return VIOMMU_E_ARG;
	if (config->max_endpoints > VIOMMU_DEVICE_COUNT_MAX || config->max_domains > VIOMMU_DEVICE_COUNT_MAX ||
	    config->max_pending > VIOMMU_DEVICE_COUNT_MAX)
		return VIOMMU_E_ARG;
	/* The reply to PROBE ends with a tail, and its length has to fit into the used ring. */
	if (config->probe_size > UINT32_MAX - VIOMMU_WIRE_TAIL_SIZE)
		return VIOMMU_E_ARG;
	return VIOMMU_OK;
}

enum viommu_result viommu_device_mem_size(const struct viommu_device_config *config, size_t *bytes)
{
	enum viommu_result result = config_check(config);

	if (result == VIOMMU_OK)
		*bytes = VIOMMU_DEVICE_MEM(or_default(config->max_endpoints), or_default(config->max_domains), 0);
	return result;
}

/* Slack for alignment, then the arrays in order of falling alignment. */
static void lay_out(struct viommu_device *dev, void *mem, size_t len)
{
	uintptr_t base = viommu_i_align_up((uintptr_t)mem, 16);
	uintptr_t end = (uintptr_t)mem + len;
	uint32_t domains = viommu_i_domain_slots(dev);
	uint32_t *ids;

	dev->domains = (struct viommu_domain *)base;
	memset(dev->domains, 0, domains * sizeof *dev->domains);
	base += domains * sizeof *dev->domains;
	dev->endpoints = (struct viommu_endpoint *)base;
	base += dev->max_endpoints * sizeof *dev->endpoints;
	ids = (uint32_t *)base;
	viommu_i_ids_init(&dev->domain_ids, ids, ids + domains, domains);
	ids += 2 * (size_t)domains;
	viommu_i_ids_init(&dev->endpoint_ids, ids, ids + dev->max_endpoints, dev->max_endpoints);
	base = (uintptr_t)(ids + 2 * (size_t)dev->max_endpoints);

	viommu_map_pool_init(&dev->pool);
	/* Too little for a node is no error: memory may be added later. */
	(void)!viommu_map_pool_add(&dev->pool, (void *)base, end - base);
}

enum viommu_result viommu_device_init(struct viommu_device *dev, const struct viommu_device_config *config, void *mem,
				      size_t len)
{
	size_t needed;
	enum viommu_result result = viommu_device_mem_size(config, &needed);

	if (result != VIOMMU_OK)
		return result;
	if (mem == NULL || len < needed)
		return VIOMMU_E_NOMEM;

	memset(dev, 0, sizeof *dev);
	dev->memory = config->memory;
	dev->ops = config->ops;
	dev->ops_ctx = config->ops_ctx;
	dev->max_endpoints = or_default(config->max_endpoints);
	dev->max_domains = or_default(config->max_domains);
	dev->max_pending = or_default(config->max_pending);
	dev->features = config->features;
	dev->initial_bypass = config->bypass;
	dev->granule_bits = viommu_port_ctz64(page_size_mask(config));
	dev->pending_end = &dev->pending;
	dev->done_end = &dev->done;
	/* Fields whose feature is not offered stay 0, and without a range everything is in range. */
	dev->config.page_size_mask = page_size_mask(config);
	if ((config->features & VIOMMU_F_INPUT_RANGE) != 0)
		dev->config.input_range = config->input_range;
	if ((config->features & VIOMMU_F_DOMAIN_RANGE) != 0) {
		dev->config.domain_first = config->domain_first;
		dev->config.domain_last = config->domain_last;
	}
	if ((config->features & VIOMMU_F_PROBE) != 0)
		dev->config.probe_size = config->probe_size;
	if ((config->features & VIOMMU_F_BYPASS_CONFIG) != 0)
		dev->config.bypass = config->bypass;
	dev->everything.bypass = true;
	dev->everything.left_at = UINT64_MAX; /* as "several domains" it is left all the time */
	lay_out(dev, mem, len);
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	return VIOMMU_OK;
}

enum viommu_result viommu_device_add_memory(struct viommu_device *dev, void *mem, size_t len)
{
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	return viommu_map_pool_add(&dev->pool, mem, len);
}

uint32_t viommu_device_process(struct viommu_device *dev, uint32_t budget)
{
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	return viommu_map_pool_reclaim(&dev->pool, budget);
}

/* All domains at once: one by one, each endpoint would be looked for in its domain. Nobody sees them any more. */
static void drop_domains(struct viommu_device *dev)
{
	for (uint32_t i = 0; i < dev->domain_ids.count; i++)
		viommu_i_domain_die(dev, &dev->domains[dev->domain_ids.slots[i]], &dev->limbo);
	viommu_i_ids_clear(&dev->domain_ids);
}

/* Takes from every endpoint what it has: its domain, and the bypass if that goes too. */
static void drop_translations(struct viommu_device *dev, bool bypass)
{
	for (uint32_t i = 0; i < dev->endpoint_ids.count; i++) {
		struct viommu_endpoint *endpoint = &dev->endpoints[dev->endpoint_ids.slots[i]];

		if (endpoint->domain != NULL || bypass)
			viommu_i_grace_moves(dev, endpoint);
		endpoint->domain = NULL;
		endpoint->next = NULL;
		viommu_i_cache_shut(endpoint);
		viommu_i_endpoint_show(dev, endpoint);
	}
	drop_domains(dev);
	dev->settle_epoch = viommu_i_grace_begin(dev);
}

/* Nobody waits for these any more, but what they cut out stays where it is until the sections have ended. */
static void cancel_pending(struct viommu_device *dev)
{
	while (dev->pending != NULL) {
		struct viommu_request *request = dev->pending;

		dev->pending = request->next;
		viommu_map_limbo_move(&dev->pool, &dev->limbo, &request->limbo);
		request->written = 0;
		request->next = NULL;
		*dev->done_end = request;
		dev->done_end = &request->next;
	}
	dev->pending_end = &dev->pending;
	dev->pending_count = 0;
}

/* Back ends first: what they are slow to take away is waited for. */
static void leave_all(struct viommu_device *dev, bool bypass)
{
	for (uint32_t i = 0; i < dev->endpoint_ids.count; i++)
		viommu_i_backend_leave(dev, viommu_i_endpoint_at(dev, i), bypass);
}

static void reset(struct viommu_device *dev, bool bypass)
{
	drop_translations(dev, bypass);
	cancel_pending(dev);
	dev->is_resetting = true;
	dev->negotiated = 0;
	(void)viommu_device_is_settled(dev); /* from now on the end of the last section is told */
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
}

void viommu_device_reset(struct viommu_device *dev)
{
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	viommu_i_trace(dev, VIOMMU_TRACE_RESET, 0, 0, 0);
	leave_all(dev, viommu_i_bypass_is_active(dev));
	reset(dev, false);
}

void viommu_device_system_reset(struct viommu_device *dev)
{
	bool loses_bypass = dev->config.bypass != 0 && dev->initial_bypass == 0;

	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	viommu_i_trace(dev, VIOMMU_TRACE_SYSTEM_RESET, 0, 0, 0);
	leave_all(dev, (dev->features & VIOMMU_F_BYPASS_CONFIG) != 0 && dev->initial_bypass != 0);
	if ((dev->features & VIOMMU_F_BYPASS_CONFIG) != 0)
		dev->config.bypass = dev->initial_bypass;
	reset(dev, loses_bypass);
}
