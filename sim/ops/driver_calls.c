/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver_calls.c: what all calls of the target `driver` have in common: the hooks, what is checked around each call,
 * and what the model says of a domain.
 */
#include "driver_calls.h"

#include <string.h>

#define CHECK SIM_OPS_CHECK
#define PATIENCE 3u /* fruitless attempts before the wait hook gives up */
#define WAITS_MAX 1000u
#define LOCKS_MAX 4000u

struct driver_world driver_world;

/* Running, and not */

static size_t used_len(uint32_t queue)
{
	return 6 + 8 * (size_t)w->device.layouts[queue].size;
}

static const uint8_t *used_at(uint32_t queue)
{
	return w->shared.bytes + (w->device.layouts[queue].used - WORLD_BUS);
}

void driver_calls_enter(void)
{
	CHECK(!w->running);
	w->running = true;
	driver_model_enter(&w->model);
	if (w->starting)
		return;
	for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++) {
		if (w->device.enabled[i])
			memcpy(w->used_before[i], used_at(i), used_len(i));
	}
	memcpy(w->events_before, w->drv.event_memory.base, sizeof w->events_before);
}

/* A buffer of the event queue is the device's, but for what the driver puts in where no report is yet. */
static void check_event(uint32_t buffer)
{
	const uint8_t *now = (const uint8_t *)w->drv.event_memory.base + buffer * WORLD_EVENT_STRIDE;
	uint8_t *before = w->events_before + buffer * WORLD_EVENT_STRIDE;

	if (memcmp(now, before, VIOMMU_WIRE_FAULT_SIZE) != 0)
		memset(before, 0xff, VIOMMU_WIRE_FAULT_SIZE);
	CHECK(memcmp(now, before, WORLD_EVENT_STRIDE) == 0);
}

void driver_calls_leave(void)
{
	CHECK(w->running);
	w->running = false;
	if (w->starting)
		return;
	driver_model_leave(&w->model);
	for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++)
		CHECK(!w->device.enabled[i] || memcmp(w->used_before[i], used_at(i), used_len(i)) == 0);
	for (uint32_t i = 0; i < WORLD_EVENT_COUNT; i++)
		check_event(i);
}

void driver_calls_begin(enum model_call call)
{
	w->waits = 0;
	w->locks = 0;
	w->kicks[0] = w->kicks[1] = 0;
	w->cleans = 0;
	w->invalidates = 0;
	w->next_attempt = 0;
	w->idle = 0;
	w->device.accesses = 0;
	driver_model_begin(&w->model, call);
	driver_calls_enter();
}

void driver_calls_end(enum viommu_result result)
{
	CHECK(w->depth == 0);
	CHECK(result != VIOMMU_E_TIMEOUT || w->model.gave_up);
	CHECK(result != VIOMMU_E_REJECTED || w->model.rejected);
	CHECK(result != VIOMMU_E_PORT && result != VIOMMU_E_ABI);
	driver_model_check(&w->model, result);
}

bool driver_calls_is_broken(void)
{
	return w->drv.state == VIOMMU_DRIVER_FAILED;
}

bool driver_calls_is_running(void)
{
	return w->drv.state == VIOMMU_DRIVER_RUNNING;
}

/* The device's operations */

void driver_calls_put_off(struct world_later_list *list, const struct sim_ops_op *op)
{
	struct world_later *l = &list->items[list->count];

	if (list->count == WORLD_LATER)
		return;
	list->count++;
	l->op = *op;
	l->op.len = op->len < WORLD_LATER_BYTES ? op->len : WORLD_LATER_BYTES;
	memcpy(l->bytes, op->bytes, l->op.len);
}

static bool run_later(struct world_later_list *list)
{
	struct world_later l = list->items[0];

	if (list->count == 0)
		return false;
	list->count--;
	memmove(list->items, list->items + 1, list->count * sizeof l);
	l.op.bytes = l.bytes;
	driver_calls_device_does(&l.op);
	return true;
}

void driver_calls_on_config(void *ctx)
{
	bool between = w->drv.state != VIOMMU_DRIVER_STOPPED;

	(void)ctx;
	if (between)
		driver_calls_leave();
	(void)run_later(&w->at_config);
	if (between)
		driver_calls_enter();
}

void driver_calls_on_notify(void *ctx, uint32_t queue)
{
	(void)ctx;
	CHECK(w->depth == 0);
	w->kicks[queue]++;
}

/* Hooks of the driver */

/* May a driver that waits be left waiting? */
static bool is_excused(void)
{
	return w->device.lied || w->device.lazy || w->device.mute;
}

static enum viommu_result hook_wait(void *ctx, uint32_t attempt)
{
	bool busy;

	(void)ctx;
	CHECK(w->depth == 0);
	CHECK(attempt == 0 || attempt == w->next_attempt);
	CHECK(++w->waits < WAITS_MAX);
	w->next_attempt = attempt + 1;
	driver_calls_leave();
	busy = run_later(&w->at_wait);
	/* A device that was not kicked does not look. */
	if (!busy && w->device.kicked)
		scripted_serve(&w->device, UINT32_MAX);
	w->idle = busy || attempt == 0 ? 0 : w->idle + 1;
	if (w->idle == PATIENCE) {
		CHECK(is_excused());
		w->model.gave_up = true;
	}
	w->model.ran = true;
	driver_calls_enter();
	return w->idle == PATIENCE ? VIOMMU_E_TIMEOUT : VIOMMU_OK;
}

static void hook_lock(void *ctx)
{
	(void)ctx;
	CHECK(w->depth == 0);
	CHECK(++w->locks < LOCKS_MAX);
	w->depth++;
}

static void hook_unlock(void *ctx)
{
	(void)ctx;
	CHECK(w->depth == 1);
	w->depth--;
}

static void hook_fault(void *ctx, const struct viommu_wire_fault *fault)
{
	const struct viommu_wire_fault *expected = &w->faults[0];

	(void)ctx;
	CHECK(w->depth == 0);
	if (!w->faults_known)
		return;
	CHECK(w->fault_count > 0);
	CHECK(fault->reason == expected->reason && fault->flags == expected->flags &&
	      fault->endpoint == expected->endpoint && fault->address == expected->address);
	w->fault_count--;
	memmove(w->faults, w->faults + 1, w->fault_count * sizeof w->faults[0]);
}

static void hook_failed(void *ctx, struct viommu_driver_domain *domain, const struct viommu_driver_failure *failure)
{
	(void)ctx;
	CHECK(w->depth == 1);
	driver_model_failed(&w->model, (uint32_t)(domain - w->domains), failure);
}

const struct viommu_driver_ops driver_calls_ops = {
	.size = sizeof driver_calls_ops,
	.wait = hook_wait,
	.lock = hook_lock,
	.unlock = hook_unlock,
	.fault = hook_fault,
	.failed = hook_failed,
};

/* What the model says of a domain, and what a call may return for it */

bool driver_calls_is_unknown(uint32_t d)
{
	return w->domains[d].incomplete || !(driver_model_is_alive(&w->model, d) || driver_model_is_dead(&w->model, d));
}

static bool regions_are_mapped(uint32_t d, uint32_t e)
{
	for (uint32_t i = 0; i < w->endpoints[e].region_count; i++) {
		if (driver_model_overlaps(&w->model, d, w->endpoints[e].regions[i].range.first,
					  w->endpoints[e].regions[i].range.last))
			return true;
	}
	return false;
}

bool driver_calls_is_in_range(uint64_t first, uint64_t last)
{
	return first >= w->model.input_range.first && last <= w->model.input_range.last;
}

/* A record from before a restart that does not fit what the start brought. */
static bool record_is_misfit(uint32_t d)
{
	const struct viommu_driver_limits *l = &w->model.limits;
	const struct model_domain *domain = &w->model.domains[d];

	if (domain->id < l->domain_first || domain->id > l->domain_last)
		return true;
	for (uint32_t i = 0; i < domain->count; i++) {
		if (!driver_calls_is_in_range(domain->mappings[i].first, domain->mappings[i].last))
			return true;
	}
	return false;
}

bool driver_calls_record_needs_feature(uint32_t d)
{
	const struct model_domain *domain = &w->model.domains[d];

	if (domain->bypass && (w->model.limits.features & VIOMMU_F_BYPASS_CONFIG) == 0)
		return true;
	for (uint32_t i = 0; i < domain->count; i++) {
		if ((domain->mappings[i].flags & VIOMMU_MAP_F_MMIO) != 0 &&
		    (w->model.limits.features & VIOMMU_F_MMIO) == 0)
			return true;
	}
	return false;
}

bool driver_calls_is_misfit_now(uint32_t d, uint32_t e)
{
	return regions_are_mapped(d, e) || record_is_misfit(d);
}

static void check_state_result(uint32_t d)
{
	CHECK(w->drv.state == VIOMMU_DRIVER_STOPPED || w->model.domains[d].bypass || driver_calls_is_unknown(d));
}

void driver_calls_check_common(uint32_t d, enum viommu_result r)
{
	if (r == VIOMMU_E_STATE)
		check_state_result(d);
	else if (r == VIOMMU_E_BROKEN)
		CHECK(driver_calls_is_broken());
	else
		CHECK(r == VIOMMU_E_TIMEOUT);
}

void driver_calls_check_batch_result(uint32_t d, enum viommu_result r)
{
	if (r == VIOMMU_E_REJECTED)
		CHECK(w->model.rejected);
	else if (r == VIOMMU_E_PEER)
		CHECK(w->model.unanswered);
	else
		driver_calls_check_common(d, r);
}

void driver_calls_doubt_the_rest(uint32_t d)
{
	for (uint32_t i = w->model.allowed_before; i < w->model.allowed_count; i++) {
		if (w->model.allowed[i].first <= w->model.allowed[i].last)
			driver_model_doubt(&w->model, d, w->model.allowed[i].first, w->model.allowed[i].last);
	}
}

void driver_calls_check_no_memory(void)
{
	CHECK(w->model.ran || viommu_map_pool_free(&w->drv.pool) < 2 * VIOMMU_MAP_LEVELS + 2);
}
