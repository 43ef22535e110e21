/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver_calls_life.c: the driver is started and stopped, looks at its queues, recovers from a device that failed, and
 * hands it over.
 */
#include "driver_calls.h"

#include <string.h>

#define CHECK SIM_OPS_CHECK
#define ACCESSES_MAX 400u

/* Bring-up */

static void check_limits(void)
{
	const struct viommu_driver_limits *l = &w->model.limits;
	uint64_t needed = VIOMMU_F_VERSION_1 | VIOMMU_F_MAP_UNMAP;
	struct viommu_wire_config c;

	viommu_wire_config_decode(w->device.config_read, &c);
	CHECK(l->features == (w->device.offered_read & VIOMMU_DRIVER_FEATURES) && (l->features & needed) == needed);
	CHECK(w->device.features_ok);
	CHECK(l->granule == WORLD_PAGE && (c.page_size_mask & (2 * WORLD_PAGE - 1)) != 0);
	CHECK(l->input_range.first <= l->input_range.last && l->input_range.first % WORLD_PAGE == 0);
	if ((l->features & VIOMMU_F_INPUT_RANGE) != 0)
		CHECK(l->input_range.first >= c.input_range.first && l->input_range.last <= c.input_range.last);
	if ((l->features & VIOMMU_F_DOMAIN_RANGE) != 0)
		CHECK(l->domain_first == c.domain_first && l->domain_last == c.domain_last);
	CHECK(l->domain_first <= l->domain_last && w->model.probe_size <= SCRIPTED_PROPERTIES);
	CHECK(l->slots >= 1 && l->slots <= w->model.size);
}

/* A life begins: the device is up, and nothing is in its queues. */
static void begin_life(void)
{
	w->device.lied = false;
	w->device.lazy = false;
	w->fault_count = 0;
	w->faults_known = true;
	memcpy(w->config_before, w->device.config_read, sizeof w->config_before);
	driver_model_started(&w->model);
	check_limits();
}

enum viommu_result driver_calls_start(void)
{
	bool stopped = w->drv.state == VIOMMU_DRIVER_STOPPED;
	enum viommu_result r;

	w->starting = stopped;
	driver_calls_begin(CALL_OTHER);
	r = viommu_driver_start(&w->drv, &scripted_register_ops, &w->device);
	if (r != VIOMMU_OK) {
		driver_calls_leave();
		if (stopped)
			driver_model_not_started(&w->model);
		driver_calls_end(r);
		w->starting = false;
		CHECK(stopped ? r == VIOMMU_E_UNSUPP || r == VIOMMU_E_RANGE || r == VIOMMU_E_NOMEM ||
					r == VIOMMU_E_PEER || r == VIOMMU_E_TIMEOUT
			      : r == VIOMMU_E_STATE && w->device.accesses == 0);
		CHECK(r == VIOMMU_E_STATE || r == VIOMMU_E_TIMEOUT || (w->device.status & VIOMMU_STATUS_FAILED) != 0);
		return r;
	}
	CHECK(stopped && w->drv.state == VIOMMU_DRIVER_RUNNING);
	CHECK(w->kicks[VIOMMU_QUEUE_REQUEST] == 0);
	w->running = false;
	w->starting = false;
	begin_life();
	driver_model_check(&w->model, r);
	return r;
}

enum viommu_result driver_calls_stop(void)
{
	enum viommu_result r;

	driver_calls_begin(CALL_OTHER);
	w->device.lied = true; /* when the reset begins, all is lost, and when it ends the driver knows */
	r = viommu_driver_stop(&w->drv);
	CHECK(r == VIOMMU_OK || r == VIOMMU_E_TIMEOUT);
	CHECK(w->device.accesses < ACCESSES_MAX);
	w->faults_known = false;
	if (r == VIOMMU_OK) {
		w->running = false;
		CHECK(w->drv.state == VIOMMU_DRIVER_STOPPED);
		driver_model_stopped(&w->model, false);
		driver_model_check(&w->model, r);
	} else {
		driver_calls_leave();
		driver_calls_end(r);
	}
	return r;
}

/* A device that fails, goes, or is handed over */

/* Everything of the old life is settled, and from here on the driver asks again. */
void driver_calls_on_driver_ok(void *ctx)
{
	(void)ctx;
	/* A status that was changed behind its back can have the bit earlier. */
	if (!w->recovering || !w->device.enabled[VIOMMU_QUEUE_REQUEST] || !w->device.enabled[VIOMMU_QUEUE_EVENT])
		return;
	w->recovering = false;
	w->recovered = true;
	driver_model_stopped(&w->model, true);
	begin_life();
	w->running = false;
	driver_calls_enter();
}

/* Errors at which the device is to blame, and not one endpoint. */
static bool is_sick(enum viommu_result r)
{
	return r == VIOMMU_E_TIMEOUT || r == VIOMMU_E_PEER || r == VIOMMU_E_BROKEN || r == VIOMMU_E_BUSY;
}

/* Who was in a domain is there again, or in none because of what it asked for, or waits. */
static void check_recovered(enum viommu_result r)
{
	bool misfit = false, unable = false;

	for (uint32_t e = 0; e < MODEL_ENDPOINTS; e++) {
		const struct viommu_driver_endpoint *handle = &w->endpoints[e];
		uint32_t d = w->model.lost[e];

		if (d == MODEL_NOTHING)
			continue;
		CHECK(handle->lost == NULL || (is_sick(r) && handle->lost == &w->domains[d]));
		CHECK(handle->domain == &w->domains[d] || (handle->domain == NULL && r != VIOMMU_OK));
		CHECK(!handle->uncertain || handle->lost != NULL || (handle->domain != NULL && r != VIOMMU_OK));
		misfit |= driver_calls_is_misfit_now(d, e);
		unable |= driver_calls_record_needs_feature(d);
		if (handle->lost == NULL)
			w->model.lost[e] = MODEL_NOTHING;
	}
	CHECK(r != VIOMMU_E_RANGE || misfit);
	CHECK(r != VIOMMU_E_UNSUPP || unable);
	CHECK(r != VIOMMU_E_PEER || w->model.unanswered);
	CHECK(!is_sick(r) || w->drv.state == VIOMMU_DRIVER_FAILED);
	CHECK(w->drv.state != VIOMMU_DRIVER_STOPPED);
}

static void check_start_error(enum viommu_result r)
{
	CHECK(r == VIOMMU_E_UNSUPP || r == VIOMMU_E_RANGE || r == VIOMMU_E_NOMEM || r == VIOMMU_E_PEER);
	CHECK((w->device.status & VIOMMU_STATUS_FAILED) != 0);
}

enum viommu_result driver_calls_recover(void)
{
	bool was_started = w->drv.registers != NULL;
	enum viommu_result r;

	driver_calls_begin(CALL_RECOVER);
	w->recovering = was_started;
	w->recovered = false;
	w->device.lied |= was_started;
	r = viommu_driver_recover(&w->drv);
	if (w->recovered) {
		w->model.broken |= is_sick(r);
		driver_calls_leave();
		check_recovered(r);
		driver_calls_end(r);
		return r;
	}
	w->recovering = false;
	if (r == VIOMMU_E_TIMEOUT || r == VIOMMU_E_STATE) {
		/* Of the reset: nothing has changed. */
		CHECK((r == VIOMMU_E_STATE) == !was_started);
		w->faults_known &= !was_started;
		driver_calls_leave();
		driver_calls_end(r);
		return r;
	}
	check_start_error(r);
	w->running = false;
	w->faults_known = false;
	CHECK(w->drv.state == VIOMMU_DRIVER_STOPPED);
	driver_model_stopped(&w->model, true);
	driver_model_check(&w->model, r);
	return r;
}

/* Does the configuration differ from what was read at the last driver_calls_start, in a field that has a meaning? */
static bool config_has_changed(void)
{
	static const struct {
		uint64_t feature;
		uint8_t at, len;
	} fields[] = { { 0, 0, 8 },
		       { VIOMMU_F_INPUT_RANGE, 8, 16 },
		       { VIOMMU_F_DOMAIN_RANGE, 24, 8 },
		       { VIOMMU_F_PROBE, 32, 4 } };

	for (unsigned i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		if ((w->model.limits.features & fields[i].feature) == fields[i].feature &&
		    memcmp(w->config_before + fields[i].at, w->device.config_read + fields[i].at, fields[i].len) != 0)
			return true;
	}
	return false;
}

void driver_calls_look(void)
{
	bool was_stopped = w->drv.state == VIOMMU_DRIVER_STOPPED;
	bool is_gone = driver_calls_is_broken() || (w->device.status & VIOMMU_STATUS_NEEDS_RESET) != 0 ||
		       (w->device.status & VIOMMU_STATUS_DRIVER_OK) == 0;
	bool moves = w->device.settle != 0 || w->at_config.count != 0;
	enum viommu_result r;

	driver_calls_begin(CALL_OTHER);
	r = viommu_driver_look(&w->drv);
	if (was_stopped) {
		CHECK(r == VIOMMU_E_STATE && w->device.accesses == 0);
	} else if (is_gone) {
		CHECK(r == VIOMMU_E_BROKEN && driver_calls_is_broken());
		w->model.broken = true;
	} else if (r == VIOMMU_OK) {
		CHECK(!config_has_changed());
	} else {
		CHECK(r == VIOMMU_E_PEER && (config_has_changed() || moves));
	}
	driver_calls_leave();
	CHECK(w->waits == 0 && w->kicks[VIOMMU_QUEUE_REQUEST] == 0);
	driver_calls_end(r);
}

void driver_calls_abandon(void)
{
	driver_calls_begin(CALL_OTHER);
	scripted_remove(&w->device);
	w->faults_known = false;
	viommu_driver_abandon(&w->drv);
	CHECK(w->device.accesses == 0 && w->waits == 0);
	w->running = false;
	CHECK(w->drv.state == VIOMMU_DRIVER_STOPPED);
	driver_model_stopped(&w->model, false);
	driver_model_check(&w->model, VIOMMU_OK);
}

/* Before anybody is detached. */
void driver_calls_on_bypass(void *ctx)
{
	(void)ctx;
	CHECK(w->storing && w->waits == 0);
	w->storing = false;
}

void driver_calls_shutdown(enum viommu_driver_handover handover)
{
	bool was_stopped = w->drv.state == VIOMMU_DRIVER_STOPPED;
	bool stores = handover != VIOMMU_HANDOVER_KEEP;
	bool unable = stores && (w->model.limits.features & VIOMMU_F_BYPASS_CONFIG) == 0;
	uint8_t wanted = handover == VIOMMU_HANDOVER_BYPASS;
	enum viommu_result r;

	driver_calls_begin(CALL_SHUTDOWN);
	w->storing = stores && !was_stopped && !unable;
	r = viommu_driver_shutdown(&w->drv, handover);
	CHECK(!w->storing); /* it was stored, if that was due */
	if (r == VIOMMU_OK) {
		w->running = false;
		CHECK(!was_stopped && !unable && w->drv.state == VIOMMU_DRIVER_STOPPED);
		CHECK(!stores || (w->device.config_read[VIOMMU_WIRE_CONFIG_BYPASS] & 1) == wanted);
		w->faults_known = false;
		driver_model_stopped(&w->model, false);
		driver_model_check(&w->model, r);
		return;
	}
	if (r == VIOMMU_E_STATE)
		CHECK(was_stopped);
	else if (r == VIOMMU_E_UNSUPP)
		CHECK(unable && w->device.accesses == 0);
	else if (r == VIOMMU_E_PEER)
		CHECK(stores && (w->device.config_read[VIOMMU_WIRE_CONFIG_BYPASS] & 1) != wanted && w->waits == 0);
	else
		w->faults_known = false;
	driver_calls_leave();
	CHECK(r == VIOMMU_E_STATE || r == VIOMMU_E_UNSUPP || r == VIOMMU_E_PEER || r == VIOMMU_E_TIMEOUT);
	driver_calls_end(r);
}

void driver_calls_process(uint32_t budget)
{
	uint32_t before = w->fault_count;
	bool more;

	driver_calls_begin(CALL_OTHER);
	more = viommu_driver_process(&w->drv, budget);
	driver_calls_leave();
	CHECK(w->waits == 0 && w->kicks[VIOMMU_QUEUE_REQUEST] == 0 && w->kicks[VIOMMU_QUEUE_EVENT] <= 1);
	CHECK(budget != 0 || more);
	CHECK(before - w->fault_count <= budget);
	CHECK(more || !driver_calls_is_running() || !w->faults_known || w->fault_count == 0);
	driver_calls_end(VIOMMU_OK);
}
