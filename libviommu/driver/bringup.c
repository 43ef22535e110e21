/* SPDX-License-Identifier: BSD-3-Clause */
/* bringup.c: from reset to DRIVER_OK, and back. */
#include "core.h"

#include "../internal.h"

#define GENERATION_TRIES 16

static void add_status(struct viommu_driver *drv, uint8_t bits)
{
	uint8_t status = drv->registers->get_status(drv->registers_ctx);

	drv->registers->set_status(drv->registers_ctx, status | bits);
}

/* A reset is finished when status reads 0, and not before. */
enum viommu_result viommu_i_device_reset(struct viommu_driver *drv)
{
	uint32_t attempt = 0;

	drv->registers->set_status(drv->registers_ctx, 0);
	driver_lock(drv);
	if (drv->state == VIOMMU_DRIVER_RUNNING)
		drv->state = VIOMMU_DRIVER_FAILED;
	driver_unlock(drv);
	while (drv->registers->get_status(drv->registers_ctx) != 0) {
		if (drv->ops->wait(drv->ops_ctx, viommu_i_step(&attempt)) != VIOMMU_OK)
			return VIOMMU_E_TIMEOUT;
	}
	return VIOMMU_OK;
}

static enum viommu_result negotiate(struct viommu_driver *drv, uint64_t *features)
{
	uint64_t offered = drv->registers->get_features(drv->registers_ctx);

	if (drv->registers->notify_data == NULL)
		offered &= ~VIOMMU_F_NOTIFICATION_DATA;
	if (drv->registers->queue_reset == NULL || drv->registers->queue_is_resetting == NULL)
		offered &= ~VIOMMU_F_RING_RESET;
	*features = offered & drv->features_wanted;
	if ((*features & FEATURES_NEEDED) != FEATURES_NEEDED)
		return VIOMMU_E_UNSUPP;
	drv->registers->set_features(drv->registers_ctx, *features);
	add_status(drv, VIOMMU_STATUS_FEATURES_OK);
	if ((drv->registers->get_status(drv->registers_ctx) & VIOMMU_STATUS_FEATURES_OK) == 0)
		return VIOMMU_E_UNSUPP;
	return VIOMMU_OK;
}

/* The fields that the features give a meaning; the space may end behind the last of them. */
static void read_fields(struct viommu_driver *drv, uint64_t features, uint8_t bytes[VIOMMU_WIRE_CONFIG_SIZE])
{
	static const struct {
		uint64_t feature;
		uint8_t offset;
		uint8_t len;
	} fields[] = {
		{ 0, 0, 8 },
		{ VIOMMU_F_INPUT_RANGE, 8, 16 },
		{ VIOMMU_F_DOMAIN_RANGE, 24, 8 },
		{ VIOMMU_F_PROBE, 32, 4 },
		{ VIOMMU_F_BYPASS_CONFIG, VIOMMU_WIRE_CONFIG_BYPASS, 1 },
	};

	memset(bytes, 0, VIOMMU_WIRE_CONFIG_SIZE);
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		if ((features & fields[i].feature) == fields[i].feature)
			drv->registers->config_read(drv->registers_ctx, fields[i].offset, bytes + fields[i].offset,
						    fields[i].len);
	}
}

/* A field that no feature gives a meaning says nothing. */
static void understand(uint64_t features, const uint8_t bytes[VIOMMU_WIRE_CONFIG_SIZE], struct viommu_wire_config *out)
{
	viommu_wire_config_decode(bytes, out);
	if ((features & VIOMMU_F_INPUT_RANGE) == 0)
		out->input_range = (struct viommu_range){ 0, UINT64_MAX };
	if ((features & VIOMMU_F_DOMAIN_RANGE) == 0) {
		out->domain_first = 0;
		out->domain_last = UINT32_MAX;
	}
	if ((features & VIOMMU_F_PROBE) == 0)
		out->probe_size = 0;
}

enum viommu_result viommu_i_device_config(struct viommu_driver *drv, uint64_t features, struct viommu_wire_config *out)
{
	for (int i = 0; i < GENERATION_TRIES; i++) {
		uint32_t before = drv->registers->config_generation(drv->registers_ctx);
		uint8_t bytes[VIOMMU_WIRE_CONFIG_SIZE];

		read_fields(drv, features, bytes);
		if (drv->registers->config_generation(drv->registers_ctx) == before) {
			understand(features, bytes, out);
			return VIOMMU_OK;
		}
	}
	return VIOMMU_E_PEER;
}

/* Is there one whole granule in the range? */
static bool has_granule(struct viommu_range range, uint64_t granule)
{
	uint64_t skipped = (granule - (range.first & (granule - 1))) & (granule - 1);

	return skipped <= range.last - range.first && range.last - range.first - skipped >= granule - 1;
}

/* Judges the configuration and takes it over. Nothing changes unless it is acceptable. */
static enum viommu_result configure(struct viommu_driver *drv, uint64_t features,
				    const struct viommu_wire_config *config)
{
	uint64_t granule;

	if (config->page_size_mask == 0)
		return VIOMMU_E_UNSUPP;
	granule = config->page_size_mask & ~(config->page_size_mask - 1); /* the lowest bit of it */
	if (granule < drv->granule_min)
		granule = drv->granule_min;
	if (granule > drv->granule_max)
		return VIOMMU_E_RANGE;
	/* Records made with another granule cannot be replayed. */
	if (drv->domains != NULL && granule != driver_granule(drv))
		return VIOMMU_E_UNSUPP;
	if (config->input_range.first > config->input_range.last || config->domain_first > config->domain_last)
		return VIOMMU_E_PEER;
	if (!has_granule(config->input_range, granule))
		return VIOMMU_E_UNSUPP;
	if (config->probe_size > drv->probe_size_max)
		return VIOMMU_E_NOMEM;
	drv->config = *config;
	drv->features = features;
	drv->granule_bits = (uint8_t)viommu_port_ctz64(granule);
	return VIOMMU_OK;
}

/* The largest power of two that neither side minds. */
static uint32_t queue_size(struct viommu_driver *drv, uint32_t queue, uint32_t wanted)
{
	uint32_t max = drv->registers->queue_size_max(drv->registers_ctx, queue);

	while (wanted > max)
		wanted /= 2;
	return wanted;
}

static enum viommu_result set_up_queue(struct viommu_driver *drv, uint32_t queue, uint32_t size)
{
	struct viommu_virtq_layout layout;
	enum viommu_result result;

	result = viommu_virtq_driver_init(&drv->virtqs[queue], size, drv->features, &drv->rings[queue],
					  drv->shadows[queue], &layout);
	/* Init has judged the memory, and a part of a power of two is one. */
	VIOMMU_ASSERT(result == VIOMMU_OK);
	(void)result;
	drv->used_at[queue] = (uint32_t)(layout.used - layout.desc);
	driver_clean(drv, drv->rings[queue].base, drv->rings[queue].len);
	return drv->registers->queue_enable(drv->registers_ctx, queue, &layout);
}

static enum viommu_result set_up_queues(struct viommu_driver *drv)
{
	uint32_t requests = queue_size(drv, VIOMMU_QUEUE_REQUEST, drv->queue_size);
	uint32_t events = queue_size(drv, VIOMMU_QUEUE_EVENT, drv->event_count);
	bool indirect = (drv->features & VIOMMU_F_INDIRECT_DESC) != 0;
	enum viommu_result result;

	/* A request has two pieces, and no chain may be longer than the queue, not even in an indirect table. */
	if (requests < 2 || events == 0)
		return VIOMMU_E_UNSUPP;
	drv->slot_limit = indirect ? requests : requests / 2;
	result = set_up_queue(drv, VIOMMU_QUEUE_REQUEST, requests);
	if (result == VIOMMU_OK)
		result = set_up_queue(drv, VIOMMU_QUEUE_EVENT, events);
	return result;
}

static enum viommu_result bring_up(struct viommu_driver *drv)
{
	struct viommu_wire_config config;
	uint64_t features;
	enum viommu_result result;

	add_status(drv, VIOMMU_STATUS_ACKNOWLEDGE);
	add_status(drv, VIOMMU_STATUS_DRIVER);
	result = negotiate(drv, &features);
	if (result == VIOMMU_OK)
		result = viommu_i_device_config(drv, features, &config);
	if (result == VIOMMU_OK)
		result = configure(drv, features, &config);
	if (result == VIOMMU_OK)
		result = set_up_queues(drv);
	if (result == VIOMMU_OK)
		result = viommu_i_events_fill(drv);
	return result;
}

enum viommu_result viommu_i_device_start(struct viommu_driver *drv)
{
	enum viommu_result result;
	bool kick;

	drv->queues = &viommu_i_own_queues;
	drv->queues_ctx = drv;
	result = bring_up(drv);
	if (result != VIOMMU_OK) {
		add_status(drv, VIOMMU_STATUS_FAILED);
		return result;
	}
	viommu_i_slots_reset(drv);
	/* Buffers may be published before DRIVER_OK, but nobody is kicked before it. */
	kick = drv->queues->publish(drv->queues_ctx, VIOMMU_QUEUE_EVENT);
	add_status(drv, VIOMMU_STATUS_DRIVER_OK);
	drv->state = VIOMMU_DRIVER_RUNNING;
	VIOMMU_ASSERT(viommu_driver_is_valid(drv));
	if (kick)
		drv->queues->kick(drv->queues_ctx, VIOMMU_QUEUE_EVENT);
	return VIOMMU_OK;
}

enum viommu_result viommu_driver_start(struct viommu_driver *drv, const struct viommu_register_ops *registers,
				       void *registers_ctx)
{
	enum viommu_result result;

	VIOMMU_ASSERT(viommu_driver_is_valid(drv));
	if (registers->size != sizeof *registers)
		return VIOMMU_E_ABI;
	if (drv->state != VIOMMU_DRIVER_STOPPED)
		return VIOMMU_E_STATE;
	drv->registers = registers;
	drv->registers_ctx = registers_ctx;
	result = viommu_i_device_reset(drv);
	return result == VIOMMU_OK ? viommu_i_device_start(drv) : result;
}

enum viommu_result viommu_driver_start_queues(struct viommu_driver *drv, const struct viommu_queue_ops *queues,
					      void *queues_ctx, uint64_t features,
					      const uint8_t config[VIOMMU_WIRE_CONFIG_SIZE])
{
	struct viommu_wire_config understood;
	enum viommu_result result;

	VIOMMU_ASSERT(viommu_driver_is_valid(drv));
	if (queues->size != sizeof *queues)
		return VIOMMU_E_ABI;
	if (drv->state != VIOMMU_DRIVER_STOPPED)
		return VIOMMU_E_STATE;
	if ((features & FEATURES_NEEDED) != FEATURES_NEEDED)
		return VIOMMU_E_UNSUPP;
	drv->registers = NULL;
	drv->queues = queues;
	drv->queues_ctx = queues_ctx;
	understand(features, config, &understood);
	result = configure(drv, features, &understood);
	if (result != VIOMMU_OK)
		return result;
	drv->slot_limit = drv->queue_size;
	viommu_i_slots_reset(drv);
	result = viommu_i_events_fill(drv);
	if (result != VIOMMU_OK)
		return result;
	drv->state = VIOMMU_DRIVER_RUNNING;
	VIOMMU_ASSERT(viommu_driver_is_valid(drv));
	if (queues->publish(queues_ctx, VIOMMU_QUEUE_EVENT))
		queues->kick(queues_ctx, VIOMMU_QUEUE_EVENT);
	return VIOMMU_OK;
}

/* The device has nothing any more: requests without an answer are settled by that. */
static void settle_requests(struct viommu_driver_domain *domain)
{
	for (const struct viommu_driver_slot *s = domain->oldest; s != NULL; s = s->next) {
		if (s->type == VIOMMU_T_UNMAP)
			viommu_i_record_remove(domain, s->first, s->last);
	}
	domain->oldest = NULL;
	domain->newest = NULL;
	domain->claims = 0;
	domain->unmaps = 0;
}

static void lose_endpoints(struct viommu_driver_domain *domain)
{
	while (domain->endpoints != NULL) {
		struct viommu_driver_endpoint *endpoint = domain->endpoints;
		bool was_certain = !endpoint->uncertain;

		endpoint->uncertain = false;
		viommu_i_driver_endpoint_leave(endpoint);
		if (was_certain)
			viommu_i_endpoint_lose(endpoint, domain);
	}
	/* Also if the last endpoint left before, and only a claim was in the way. */
	viommu_i_domain_bury_if_dead(domain);
}

void viommu_i_driver_end_life(struct viommu_driver *drv, bool is_lost)
{
	driver_lock(drv);
	for (struct viommu_driver_domain *d = drv->domains; d != NULL; d = d->next) {
		settle_requests(d);
		lose_endpoints(d);
		if (is_lost)
			continue;
		d->failures = 0;
		while (d->lost != NULL)
			viommu_i_endpoint_unlose(d->lost);
	}
	viommu_i_slots_reset(drv);
	(void)viommu_i_step(&drv->life);
	drv->state = VIOMMU_DRIVER_STOPPED;
	driver_unlock(drv);
}

enum viommu_result viommu_driver_stop(struct viommu_driver *drv)
{
	enum viommu_result result = VIOMMU_OK;

	VIOMMU_ASSERT(viommu_driver_is_valid(drv));
	if (drv->registers != NULL)
		result = viommu_i_device_reset(drv);
	if (result == VIOMMU_OK)
		viommu_i_driver_end_life(drv, false);
	return result;
}

void viommu_driver_abandon(struct viommu_driver *drv)
{
	VIOMMU_ASSERT(viommu_driver_is_valid(drv));
	viommu_i_driver_end_life(drv, false);
}
