/* SPDX-License-Identifier: BSD-3-Clause */
/* pair_driver.c: the driver of the target `pair`: its hooks, its registers, and its calls while all goes well. */
#include "pair.h"

#define CHECK SIM_OPS_CHECK
#define EVENT_COUNT 4u
#define PATIENCE 3u
#define LOCKS_MAX 20000u

/* The driver's hooks */

bool pair_has_section(void)
{
	for (uint32_t i = 0; i < PAIR_SECTIONS; i++) {
		if (w->sections[i].open)
			return true;
	}
	return false;
}

static enum viommu_result hook_wait(void *ctx, uint32_t attempt)
{
	bool any = false;

	(void)ctx;
	CHECK(w->depth == 0);
	pair_tick();
	for (uint32_t i = 0; i < 3 && pair_device_step(); i++)
		any = true;
	w->idle = any || attempt == 0 ? 0 : w->idle + 1;
	if (w->idle < PATIENCE)
		return VIOMMU_OK;
	/* Nobody waits in vain but for a section to end, or because of the wire. */
	CHECK(w->meddled || pair_has_section());
	return VIOMMU_E_TIMEOUT;
}

static void hook_lock(void *ctx)
{
	(void)ctx;
	pair_tick();
	CHECK(w->depth == 0 && ++w->locks < LOCKS_MAX);
	w->depth++;
}

static void hook_unlock(void *ctx)
{
	(void)ctx;
	CHECK(w->depth == 1);
	w->depth--;
	pair_tick();
}

static void hook_fault(void *ctx, const struct viommu_wire_fault *fault)
{
	(void)ctx;
	CHECK(w->depth == 0);
	CHECK(w->meddled ||
	      (fault->endpoint - PAIR_FIRST_ENDPOINT < PAIR_ENDPOINTS && fault->reason != VIOMMU_FAULT_R_UNKNOWN));
	w->faults++;
}

bool pair_is_misled(void)
{
	for (uint32_t e = 0; e < PAIR_ENDPOINTS; e++) {
		if (w->misled[e])
			return true;
	}
	return false;
}

static void hook_failed(void *ctx, struct viommu_driver_domain *domain, const struct viommu_driver_failure *failure)
{
	(void)ctx;
	CHECK(w->depth == 1 && domain >= w->domains && domain < w->domains + PAIR_DOMAINS);
	if (w->meddled || w->delayed)
		return;
	/* Two honest sides run out of memory at most; one that was lied to maps over what is reserved. */
	CHECK(failure->result == VIOMMU_E_REJECTED);
	CHECK(failure->status == VIOMMU_S_NOMEM || (failure->status == VIOMMU_S_INVAL && pair_is_misled()));
}

static const struct viommu_driver_ops driver_ops = {
	.size = sizeof driver_ops,
	.wait = hook_wait,
	.lock = hook_lock,
	.unlock = hook_unlock,
	.fault = hook_fault,
	.failed = hook_failed,
};

/* Registers: those of the sim, and a step before each. */

static uint8_t get_status(void *ctx)
{
	pair_tick();
	return w->transport.register_ops->get_status(ctx);
}

/* Of an earlier life, which are still to be reported. */
static bool has_failures(void)
{
	for (uint32_t d = 0; d < PAIR_DOMAINS; d++) {
		if (w->made[d] && w->domains[d].failures > 0)
			return true;
	}
	return false;
}

static void set_status(void *ctx, uint8_t status)
{
	pair_tick();
	w->transport.register_ops->set_status(ctx, status);
	if (status != 0)
		return;
	/* Whatever still goes on: nobody translates by the old mappings from here on. */
	w->mapping_count = 0;
	for (uint32_t e = 0; e < PAIR_ENDPOINTS; e++)
		w->domain_of[e] = PAIR_NOWHERE;
	w->lost = false;
	for (uint32_t i = 0; i < PAIR_SECTIONS; i++)
		w->sections[i].used = false;
	if (w->recovering) {
		w->meddled = false;
		w->inherits = has_failures();
		w->delayed = pair_has_section() || w->inherits;
	}
	w->changed = true;
	pair_check_maps();
}

static void config_write(void *ctx, uint32_t offset, const void *src, uint32_t len)
{
	uint8_t now;

	pair_tick();
	CHECK(offset == VIOMMU_WIRE_CONFIG_BYPASS && len == 1);
	w->transport.register_ops->config_write(ctx, offset, src, len);
	/* Between the end of a life and the next one nothing is stored. */
	w->transport.register_ops->config_read(ctx, offset, &now, 1);
	w->bypass = now != 0;
}

static enum viommu_result queue_enable(void *ctx, uint32_t queue, const struct viommu_virtq_layout *layout)
{
	pair_tick();
	return w->transport.register_ops->queue_enable(ctx, queue, layout);
}

static void notify(void *ctx, uint32_t queue)
{
	CHECK(w->depth == 0);
	pair_tick();
	w->transport.register_ops->notify(ctx, queue);
}

static void notify_data(void *ctx, uint32_t queue, uint32_t data)
{
	CHECK(w->depth == 0);
	pair_tick();
	w->transport.register_ops->notify_data(ctx, queue, data);
}

static struct viommu_register_ops register_ops;

/* Calls of the driver */

void pair_begin_call(void)
{
	w->locks = 0;
	w->idle = 0;
	pair_tick();
}

enum viommu_result pair_end_call(enum viommu_result r, enum viommu_result own0, enum viommu_result own1,
				 enum viommu_result own2, enum viommu_result own3)
{
	CHECK(w->depth == 0);
	CHECK(r == VIOMMU_OK || r == VIOMMU_E_STATE || r == VIOMMU_E_TIMEOUT || r == VIOMMU_E_BROKEN || r == own0 ||
	      r == own1 || r == own2 || r == own3);
	CHECK(w->meddled || w->inherits || r != VIOMMU_E_BROKEN);
	CHECK(w->meddled || w->delayed || (r != VIOMMU_E_PEER && r != VIOMMU_E_TIMEOUT));
	return r;
}

enum viommu_result pair_start(uint64_t ring_features)
{
	enum viommu_result r;
	bool stopped = w->drv.state == VIOMMU_DRIVER_STOPPED;

	pair_begin_call();
	if (stopped) {
		w->drv.features_wanted = (VIOMMU_DRIVER_FEATURES & ~VIOMMU_VIRTQ_FEATURES) | ring_features;
		w->meddled = false;
		w->delayed = pair_has_section();
		w->inherits = false;
	}
	r = viommu_driver_start(&w->drv, &register_ops, w->transport.register_ctx);
	(void)pair_end_call(r, PAIR_NONE, PAIR_NONE, PAIR_NONE, PAIR_NONE);
	CHECK((r == VIOMMU_E_STATE) == !stopped);
	return r;
}

void pair_check_slots(void)
{
	uint32_t count = 0;

	for (const struct viommu_pump_slot *s = w->pump.free_slots; s != NULL; s = s->request.user)
		CHECK(++count <= PAIR_MAX_PENDING);
	CHECK(count == PAIR_MAX_PENDING);
}

enum viommu_result pair_stop(void)
{
	enum viommu_result r;

	pair_begin_call();
	r = viommu_driver_stop(&w->drv);
	CHECK(r == VIOMMU_OK || (r == VIOMMU_E_TIMEOUT && pair_has_section()));
	CHECK(w->depth == 0);
	if (r == VIOMMU_OK)
		pair_check_slots();
	else
		w->meddled = true; /* nobody is at the other end any more */
	return r;
}

enum viommu_result pair_domain_init(uint32_t d, bool bypass)
{
	enum viommu_result r;

	if (w->made[d])
		return VIOMMU_OK;
	pair_begin_call();
	r = viommu_driver_domain_init(&w->domains[d], &w->drv, d == 0 ? VIOMMU_DOMAIN_ANY : 7 * d, bypass);
	w->made[d] = r == VIOMMU_OK;
	return pair_end_call(r, VIOMMU_E_EXISTS, PAIR_NONE, PAIR_NONE, PAIR_NONE);
}

enum viommu_result pair_domain_deinit(uint32_t d)
{
	enum viommu_result r;

	if (!w->made[d])
		return VIOMMU_OK;
	pair_begin_call();
	r = viommu_driver_domain_deinit(&w->domains[d]);
	w->made[d] = r != VIOMMU_OK;
	for (uint32_t i = 0; i < PAIR_DMAS; i++)
		w->dmas[i].made = w->dmas[i].made && (w->dmas[i].domain != d || w->made[d]);
	return pair_end_call(r, PAIR_NONE, PAIR_NONE, PAIR_NONE, PAIR_NONE);
}

enum viommu_result pair_endpoint_init(uint32_t e)
{
	struct viommu_driver_endpoint *handle = &w->endpoints[e];
	enum viommu_result r;

	if (handle->drv != NULL &&
	    (handle->lost != NULL || (w->drv.life == handle->life && (handle->domain != NULL || handle->uncertain))))
		return VIOMMU_E_STATE;
	pair_begin_call();
	r = viommu_driver_endpoint_init(handle, &w->drv, PAIR_FIRST_ENDPOINT + e, w->regions[e], 2);
	(void)pair_end_call(r, VIOMMU_E_REJECTED, VIOMMU_E_PEER, VIOMMU_E_NOMEM, VIOMMU_E_BUSY);
	if (r == VIOMMU_OK)
		w->misled[e] = w->meddled;
	if (r == VIOMMU_OK && !w->meddled)
		CHECK(handle->region_count == (e == 1) &&
		      (e != 1 || handle->regions[0].range.first == pair_msi[0].range.first));
	return r;
}

void pair_check_agreement(uint32_t d)
{
	uint32_t id = viommu_driver_domain_id(&w->domains[d]), count = 0;
	struct viommu_mapping k;
	uint64_t from = 0;

	if (w->meddled || w->lost || w->domains[d].endpoints == NULL || w->delayed)
		return;
	for (uint32_t i = 0; i < w->mapping_count; i++) {
		if (w->mappings[i].domain != id)
			continue;
		count++;
		CHECK(viommu_driver_next_mapping(&w->domains[d], w->mappings[i].first, &k));
		CHECK(k.first == w->mappings[i].first && k.last == w->mappings[i].last &&
		      k.phys == w->mappings[i].phys && k.flags == w->mappings[i].flags);
	}
	while (viommu_driver_next_mapping(&w->domains[d], from, &k)) {
		CHECK(count-- > 0);
		from = k.last + 1;
	}
	CHECK(count == 0);
}

enum viommu_result pair_sync(uint32_t d)
{
	enum viommu_result r;

	if (!w->made[d])
		return VIOMMU_E_STATE;
	pair_begin_call();
	r = viommu_driver_sync(&w->domains[d], NULL);
	(void)pair_end_call(r, VIOMMU_E_REJECTED, VIOMMU_E_PEER, PAIR_NONE, PAIR_NONE);
	CHECK(w->domains[d].oldest == NULL || r == VIOMMU_E_STATE);
	if (r != VIOMMU_E_STATE)
		pair_check_agreement(d);
	return r;
}

enum viommu_result pair_attach(uint32_t d, uint32_t e)
{
	enum viommu_result r;

	if (!w->made[d] || w->endpoints[e].drv == NULL)
		return VIOMMU_E_STATE;
	pair_begin_call();
	r = viommu_driver_attach(&w->domains[d], &w->endpoints[e], NULL);
	if (r == VIOMMU_E_RANGE || r == VIOMMU_E_BUSY)
		return r;
	(void)pair_end_call(r, VIOMMU_E_REJECTED, VIOMMU_E_PEER, PAIR_NONE, PAIR_NONE);
	if (r == VIOMMU_OK)
		CHECK(viommu_driver_endpoint_domain(&w->endpoints[e]) == &w->domains[d]);
	return r;
}

enum viommu_result pair_detach(uint32_t e)
{
	enum viommu_result r;

	pair_begin_call();
	r = viommu_driver_detach(&w->endpoints[e], NULL);
	return pair_end_call(r, VIOMMU_E_REJECTED, VIOMMU_E_PEER, PAIR_NONE, PAIR_NONE);
}

enum viommu_result pair_map(uint32_t d, uint64_t first, uint64_t last, uint64_t phys, uint32_t flags)
{
	enum viommu_result r;

	if (!w->made[d])
		return VIOMMU_E_STATE;
	pair_begin_call();
	r = viommu_driver_map(&w->domains[d], first, last, phys, flags);
	if (r == VIOMMU_E_RANGE || r == VIOMMU_E_ARG)
		return r;
	return pair_end_call(r, VIOMMU_E_EXISTS, VIOMMU_E_NOMEM, PAIR_NONE, PAIR_NONE);
}

enum viommu_result pair_unmap(uint32_t d, uint64_t first, uint64_t last)
{
	enum viommu_result r;

	if (!w->made[d] || pair_is_deferred_by_others(d, NULL, (struct viommu_range){ first, last }))
		return VIOMMU_E_STATE;
	pair_begin_call();
	r = viommu_driver_unmap(&w->domains[d], first, last);
	return pair_end_call(r, VIOMMU_E_RANGE, VIOMMU_E_ARG, PAIR_NONE, PAIR_NONE);
}

void pair_make_driver(void)
{
	struct viommu_driver_config config = VIOMMU_DRIVER_CONFIG_INIT;
	struct viommu_shared_memory shared = { .base = w->shared.bytes, .addr = PAIR_SHARED_BUS };
	size_t len;

	register_ops = *w->transport.register_ops;
	register_ops.get_status = get_status;
	register_ops.set_status = set_status;
	register_ops.config_write = config_write;
	register_ops.queue_enable = queue_enable;
	register_ops.notify = notify;
	register_ops.notify_data = notify_data;

	config.queue_size = PAIR_QUEUE_SIZE;
	config.event_count = EVENT_COUNT;
	config.probe_size_max = PAIR_PROBE_SIZE;
	config.granule = PAIR_GRANULE;
	config.ops = &driver_ops;
	CHECK(viommu_driver_mem_size(&config, &len, &w->shared_len) == VIOMMU_OK);
	CHECK(w->shared_len + PAIR_CANARY_LEN <= PAIR_SHARED_MAX &&
	      len + PAIR_NODES * VIOMMU_MAP_NODE_SIZE <= sizeof w->drv_memory);
	shared.len = w->shared_len;
	CHECK(viommu_driver_init(&w->drv, &config, w->drv_memory, len + PAIR_NODES * VIOMMU_MAP_NODE_SIZE, &shared) ==
	      VIOMMU_OK);
}
