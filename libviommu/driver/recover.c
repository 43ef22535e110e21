/* SPDX-License-Identifier: BSD-3-Clause */
/* recover.c: a device that fails and comes back, and one that is handed over. */
#include "core.h"

static bool is_same(const struct viommu_wire_config *a, const struct viommu_wire_config *b)
{
	return a->page_size_mask == b->page_size_mask && a->input_range.first == b->input_range.first &&
	       a->input_range.last == b->input_range.last && a->domain_first == b->domain_first &&
	       a->domain_last == b->domain_last && a->probe_size == b->probe_size;
}

static void fail(struct viommu_driver *drv)
{
	driver_lock(drv);
	drv->state = VIOMMU_DRIVER_FAILED;
	driver_unlock(drv);
}

enum viommu_result viommu_driver_look(struct viommu_driver *drv)
{
	struct viommu_wire_config config;
	enum viommu_driver_state state = driver_state(drv);
	enum viommu_result result;
	uint8_t status;

	if (state == VIOMMU_DRIVER_STOPPED || drv->registers == NULL)
		return VIOMMU_E_STATE;
	status = drv->registers->get_status(drv->registers_ctx);
	if (state == VIOMMU_DRIVER_FAILED || (status & VIOMMU_STATUS_NEEDS_RESET) != 0 ||
	    (status & VIOMMU_STATUS_DRIVER_OK) == 0) {
		fail(drv);
		return VIOMMU_E_BROKEN;
	}
	result = viommu_i_device_config(drv, drv->features, &config);
	if (result == VIOMMU_OK && !is_same(&config, &drv->config))
		result = VIOMMU_E_PEER;
	return result;
}

/* Is the device to blame, and not the one endpoint? */
static bool is_sick(enum viommu_result result)
{
	return result != VIOMMU_OK && result != VIOMMU_E_REJECTED && result != VIOMMU_E_RANGE &&
	       result != VIOMMU_E_UNSUPP;
}

/* The device failed while this one was attached again. What is certain is what the next recover goes by. */
static void lose_again(struct viommu_driver_domain *domain, struct viommu_driver_endpoint *endpoint)
{
	driver_lock(domain->drv);
	if (endpoint->domain != NULL)
		endpoint->uncertain = false;
	else
		viommu_i_endpoint_lose(endpoint, domain);
	domain->drv->state = VIOMMU_DRIVER_FAILED;
	driver_unlock(domain->drv);
}

static enum viommu_result attach_lost(struct viommu_driver *drv)
{
	enum viommu_result first = VIOMMU_OK;

	for (struct viommu_driver_domain *d = drv->domains; d != NULL; d = d->next) {
		while (d->lost != NULL) {
			struct viommu_driver_endpoint *endpoint = d->lost;
			uint8_t status;
			enum viommu_result result = viommu_i_driver_attach(d, endpoint, &status, true);

			if (is_sick(result)) {
				lose_again(d, endpoint);
				return result;
			}
			if (first == VIOMMU_OK)
				first = result;
		}
	}
	return first;
}

enum viommu_result viommu_driver_recover(struct viommu_driver *drv)
{
	enum viommu_result result;

	VIOMMU_ASSERT(viommu_driver_is_valid(drv));
	if (drv->registers == NULL)
		return VIOMMU_E_STATE;
	result = viommu_i_device_reset(drv);
	if (result != VIOMMU_OK)
		return result;
	viommu_i_driver_end_life(drv, true);
	result = viommu_i_device_start(drv);
	return result == VIOMMU_OK ? attach_lost(drv) : result;
}

enum viommu_result viommu_driver_recover_queues(struct viommu_driver *drv, const struct viommu_queue_ops *queues,
						void *queues_ctx, uint64_t features,
						const uint8_t config[VIOMMU_WIRE_CONFIG_SIZE])
{
	enum viommu_result result;

	VIOMMU_ASSERT(viommu_driver_is_valid(drv));
	viommu_i_driver_end_life(drv, true);
	result = viommu_driver_start_queues(drv, queues, queues_ctx, features, config);
	return result == VIOMMU_OK ? attach_lost(drv) : result;
}

/* Does the device have it then? One that somebody else has reset, say, ignores the store. */
static bool store_bypass(struct viommu_driver *drv, enum viommu_driver_handover handover)
{
	uint8_t bypass = handover == VIOMMU_HANDOVER_BYPASS;
	uint8_t found;

	if (handover == VIOMMU_HANDOVER_KEEP)
		return true;
	drv->registers->config_write(drv->registers_ctx, VIOMMU_WIRE_CONFIG_BYPASS, &bypass, 1);
	drv->registers->config_read(drv->registers_ctx, VIOMMU_WIRE_CONFIG_BYPASS, &found, 1);
	return (found & 1) == bypass;
}

/* One by one, though a reset detaches as well: not every device keeps to that. */
static void detach_all(struct viommu_driver *drv)
{
	enum viommu_result result = VIOMMU_OK;

	for (struct viommu_driver_domain *d = drv->domains; d != NULL; d = d->next) {
		struct viommu_driver_endpoint *endpoint = d->endpoints;

		while (endpoint != NULL && !is_sick(result)) {
			struct viommu_driver_endpoint *next = endpoint->next;

			result = viommu_driver_detach(endpoint, NULL);
			endpoint = next;
		}
	}
}

enum viommu_result viommu_driver_shutdown(struct viommu_driver *drv, enum viommu_driver_handover handover)
{
	VIOMMU_ASSERT(viommu_driver_is_valid(drv));
	if (drv->state == VIOMMU_DRIVER_STOPPED)
		return VIOMMU_E_STATE;
	if (handover != VIOMMU_HANDOVER_KEEP &&
	    (drv->registers == NULL || (drv->features & VIOMMU_F_BYPASS_CONFIG) == 0))
		return VIOMMU_E_UNSUPP;
	if (!store_bypass(drv, handover))
		return VIOMMU_E_PEER;
	detach_all(drv);
	return viommu_driver_stop(drv);
}
