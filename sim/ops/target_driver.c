/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_driver.c: the whole driver against a device that is scripted by the same stream (scripted.h). Operations are
 * calls of the driver, and what the device does: now, at a later call of the wait hook, or while the configuration is
 * read.
 *
 * driver_model.h foretells the records and the reports; here are the results of calls, the hooks (which lock is held,
 * how often they are called), the parts of the shared memory that are the device's to write, PROBE replies against a
 * second parser, fault reports, and what dma.h says of addresses.
 */
#include <string.h>

#include <viommu/dma.h>

#include "driver_model.h"
#include "targets.h"

#define CHECK SIM_OPS_CHECK

#define PAGE UINT64_C(0x1000)
#define BUS UINT64_C(0x7ffff000) /* of the shared memory: it crosses 2 GiB */
#define QUEUE_SIZE 8u
#define EVENT_COUNT 4u
#define EVENT_STRIDE 64u
#define NODES 64u
#define REGIONS 2u
#define CANARY_LEN 64u
#define CANARY 0x3cu
#define PATIENCE 3u /* fruitless attempts before the wait hook gives up */
#define LATER 8u
#define LATER_BYTES SCRIPTED_PROPERTIES
#define FAULTS 8u
#define WAITS_MAX 1000u
#define LOCKS_MAX 4000u
#define ACCESSES_MAX 400u
#define CHECK_EVERY 16u /* operations */
#define PRIVATE_MAX (NODES * VIOMMU_MAP_NODE_SIZE + 4096u)
#define SHARED_MAX 4096u
#define DMAS 2u
#define LISTS 4u
#define BUFFERS 3u
#define HINTS (2 * VIOMMU_DMA_CLASSES)
#define DEFERRED 3u
#define BLOCKERS (MODEL_ENDPOINTS * REGIONS + 1)

/* An operation of the device that was put off. */
struct later {
	struct sim_ops_op op;
	uint8_t bytes[LATER_BYTES];
};

struct later_list {
	struct later items[LATER];
	uint32_t count;
};

struct dma {
	bool made;
	uint32_t domain;
	struct viommu_driver_dma handle;
	struct viommu_dma_config config;
	viommu_iova hints[HINTS];
	struct viommu_range deferred[DEFERRED];
};

/* Buffers as the driver has filled them in, mapped or not any more. */
struct list {
	bool made;
	uint32_t dma;
	uint32_t count, how;
	struct viommu_dma_buffer buffers[BUFFERS];
};

struct shared {
	_Alignas(64) uint8_t canary0[CANARY_LEN];
	uint8_t bytes[SHARED_MAX];
};

struct world {
	struct shared shared;
	uint8_t private_memory[PRIVATE_MAX];
	struct viommu_driver drv;
	struct viommu_driver_domain domains[MODEL_DOMAINS];
	struct viommu_driver_endpoint endpoints[MODEL_ENDPOINTS];
	struct viommu_resv_region regions[MODEL_ENDPOINTS][REGIONS];
	struct scripted device;
	struct driver_model model;
	size_t shared_len;
	struct later_list at_wait, at_config;
	struct dma dmas[DMAS];
	struct list lists[LISTS];
	/* in this call */
	uint32_t waits, locks, kicks[VIOMMU_QUEUE_COUNT];
	uint32_t next_attempt;
	uint32_t idle;                /* attempts at which the device did nothing out of the ordinary */
	uint32_t cleans, invalidates; /* of buffers */
	bool starting;
	bool recovering, recovered;                     /* recover: not there yet; the device is up again */
	bool storing;                                   /* shutdown: config.bypass may be written */
	uint8_t config_before[VIOMMU_WIRE_CONFIG_SIZE]; /* as it was read at the last start */
	bool running;                                   /* the driver, not a hook */
	uint32_t operations;
	int depth;
	/* What is the device's to write, as it was when the driver began to run. */
	uint8_t used_before[VIOMMU_QUEUE_COUNT][6 + 8 * QUEUE_SIZE];
	uint8_t events_before[EVENT_COUNT * EVENT_STRIDE];
	/* reports that the driver has to hand on */
	struct viommu_wire_fault faults[FAULTS];
	uint32_t fault_count;
	bool faults_known;
};

static struct world w;

/* Running, and not */

static size_t used_len(uint32_t queue)
{
	return 6 + 8 * (size_t)w.device.layouts[queue].size;
}

static const uint8_t *used_at(uint32_t queue)
{
	return w.shared.bytes + (w.device.layouts[queue].used - BUS);
}

static void enter(void)
{
	CHECK(!w.running);
	w.running = true;
	driver_model_enter(&w.model);
	if (w.starting)
		return;
	for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++) {
		if (w.device.enabled[i])
			memcpy(w.used_before[i], used_at(i), used_len(i));
	}
	memcpy(w.events_before, w.drv.event_memory.base, sizeof w.events_before);
}

/* A buffer of the event queue is the device's, but for what the driver puts in where no report is yet. */
static void check_event(uint32_t buffer)
{
	const uint8_t *now = (const uint8_t *)w.drv.event_memory.base + buffer * EVENT_STRIDE;
	uint8_t *before = w.events_before + buffer * EVENT_STRIDE;

	if (memcmp(now, before, VIOMMU_WIRE_FAULT_SIZE) != 0)
		memset(before, 0xff, VIOMMU_WIRE_FAULT_SIZE);
	CHECK(memcmp(now, before, EVENT_STRIDE) == 0);
}

static void leave(void)
{
	CHECK(w.running);
	w.running = false;
	if (w.starting)
		return;
	driver_model_leave(&w.model);
	for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++)
		CHECK(!w.device.enabled[i] || memcmp(w.used_before[i], used_at(i), used_len(i)) == 0);
	for (uint32_t i = 0; i < EVENT_COUNT; i++)
		check_event(i);
}

static void begin_call(enum model_call call)
{
	w.waits = 0;
	w.locks = 0;
	w.kicks[0] = w.kicks[1] = 0;
	w.cleans = 0;
	w.invalidates = 0;
	w.next_attempt = 0;
	w.idle = 0;
	w.device.accesses = 0;
	driver_model_begin(&w.model, call);
	enter();
}

/* Behind leave(). */
static void end_call(enum viommu_result result)
{
	CHECK(w.depth == 0);
	CHECK(result != VIOMMU_E_TIMEOUT || w.model.gave_up);
	CHECK(result != VIOMMU_E_REJECTED || w.model.rejected);
	CHECK(result != VIOMMU_E_PORT && result != VIOMMU_E_ABI);
	driver_model_check(&w.model, result);
}

/* Behind a call that a broken queue made fail. */
static bool is_broken(void)
{
	return w.drv.state == VIOMMU_DRIVER_FAILED;
}

static bool is_running(void)
{
	return w.drv.state == VIOMMU_DRIVER_RUNNING;
}

/* The device's operations */

static void run_device(const struct sim_ops_op *op);

static void put_off(struct later_list *list, const struct sim_ops_op *op)
{
	struct later *l = &list->items[list->count];

	if (list->count == LATER)
		return;
	list->count++;
	l->op = *op;
	l->op.len = op->len < LATER_BYTES ? op->len : LATER_BYTES;
	memcpy(l->bytes, op->bytes, l->op.len);
}

static bool run_later(struct later_list *list)
{
	struct later l = list->items[0];

	if (list->count == 0)
		return false;
	list->count--;
	memmove(list->items, list->items + 1, list->count * sizeof l);
	l.op.bytes = l.bytes;
	run_device(&l.op);
	return true;
}

static void on_config(void *ctx)
{
	bool between = w.drv.state != VIOMMU_DRIVER_STOPPED;

	(void)ctx;
	if (between)
		leave();
	(void)run_later(&w.at_config);
	if (between)
		enter();
}

static void on_notify(void *ctx, uint32_t queue)
{
	(void)ctx;
	CHECK(w.depth == 0);
	w.kicks[queue]++;
}

/* Hooks of the driver */

/* May a driver that waits be left waiting? */
static bool is_excused(void)
{
	return w.device.lied || w.device.lazy || w.device.mute;
}

static enum viommu_result hook_wait(void *ctx, uint32_t attempt)
{
	bool busy;

	(void)ctx;
	CHECK(w.depth == 0);
	CHECK(attempt == 0 || attempt == w.next_attempt);
	CHECK(++w.waits < WAITS_MAX);
	w.next_attempt = attempt + 1;
	leave();
	busy = run_later(&w.at_wait);
	/* A device that was not kicked does not look. */
	if (!busy && w.device.kicked)
		scripted_serve(&w.device, UINT32_MAX);
	w.idle = busy || attempt == 0 ? 0 : w.idle + 1;
	if (w.idle == PATIENCE) {
		CHECK(is_excused());
		w.model.gave_up = true;
	}
	w.model.ran = true;
	enter();
	return w.idle == PATIENCE ? VIOMMU_E_TIMEOUT : VIOMMU_OK;
}

static void hook_lock(void *ctx)
{
	(void)ctx;
	CHECK(w.depth == 0);
	CHECK(++w.locks < LOCKS_MAX);
	w.depth++;
}

static void hook_unlock(void *ctx)
{
	(void)ctx;
	CHECK(w.depth == 1);
	w.depth--;
}

static void hook_fault(void *ctx, const struct viommu_wire_fault *fault)
{
	const struct viommu_wire_fault *expected = &w.faults[0];

	(void)ctx;
	CHECK(w.depth == 0);
	if (!w.faults_known)
		return;
	CHECK(w.fault_count > 0);
	CHECK(fault->reason == expected->reason && fault->flags == expected->flags &&
	      fault->endpoint == expected->endpoint && fault->address == expected->address);
	w.fault_count--;
	memmove(w.faults, w.faults + 1, w.fault_count * sizeof w.faults[0]);
}

static void hook_failed(void *ctx, struct viommu_driver_domain *domain, const struct viommu_driver_failure *failure)
{
	(void)ctx;
	CHECK(w.depth == 1);
	driver_model_failed(&w.model, (uint32_t)(domain - w.domains), failure);
}

static const struct viommu_driver_ops driver_ops = {
	.size = sizeof driver_ops,
	.wait = hook_wait,
	.lock = hook_lock,
	.unlock = hook_unlock,
	.fault = hook_fault,
	.failed = hook_failed,
};

/* Bring-up */

static void check_limits(void)
{
	const struct viommu_driver_limits *l = &w.model.limits;
	uint64_t needed = VIOMMU_F_VERSION_1 | VIOMMU_F_MAP_UNMAP;
	struct viommu_wire_config c;

	viommu_wire_config_decode(w.device.config_read, &c);
	CHECK(l->features == (w.device.offered_read & VIOMMU_DRIVER_FEATURES) && (l->features & needed) == needed);
	CHECK(w.device.features_ok);
	CHECK(l->granule == PAGE && (c.page_size_mask & (2 * PAGE - 1)) != 0);
	CHECK(l->input_range.first <= l->input_range.last && l->input_range.first % PAGE == 0);
	if ((l->features & VIOMMU_F_INPUT_RANGE) != 0)
		CHECK(l->input_range.first >= c.input_range.first && l->input_range.last <= c.input_range.last);
	if ((l->features & VIOMMU_F_DOMAIN_RANGE) != 0)
		CHECK(l->domain_first == c.domain_first && l->domain_last == c.domain_last);
	CHECK(l->domain_first <= l->domain_last && w.model.probe_size <= SCRIPTED_PROPERTIES);
	CHECK(l->slots >= 1 && l->slots <= w.model.size);
}

/* A life begins: the device is up, and nothing is in its queues. */
static void begin_life(void)
{
	w.device.lied = false;
	w.device.lazy = false;
	w.fault_count = 0;
	w.faults_known = true;
	memcpy(w.config_before, w.device.config_read, sizeof w.config_before);
	driver_model_started(&w.model);
	check_limits();
}

static enum viommu_result start(void)
{
	bool stopped = w.drv.state == VIOMMU_DRIVER_STOPPED;
	enum viommu_result r;

	w.starting = stopped;
	begin_call(CALL_OTHER);
	r = viommu_driver_start(&w.drv, &scripted_register_ops, &w.device);
	if (r != VIOMMU_OK) {
		leave();
		if (stopped)
			driver_model_not_started(&w.model);
		end_call(r);
		w.starting = false;
		CHECK(stopped ? r == VIOMMU_E_UNSUPP || r == VIOMMU_E_RANGE || r == VIOMMU_E_NOMEM ||
					r == VIOMMU_E_PEER || r == VIOMMU_E_TIMEOUT
			      : r == VIOMMU_E_STATE && w.device.accesses == 0);
		CHECK(r == VIOMMU_E_STATE || r == VIOMMU_E_TIMEOUT || (w.device.status & VIOMMU_STATUS_FAILED) != 0);
		return r;
	}
	CHECK(stopped && w.drv.state == VIOMMU_DRIVER_RUNNING);
	CHECK(w.kicks[VIOMMU_QUEUE_REQUEST] == 0);
	w.running = false;
	w.starting = false;
	begin_life();
	driver_model_check(&w.model, r);
	return r;
}

static enum viommu_result stop(void)
{
	enum viommu_result r;

	begin_call(CALL_OTHER);
	w.device.lied = true; /* when the reset begins, all is lost, and when it ends the driver knows */
	r = viommu_driver_stop(&w.drv);
	CHECK(r == VIOMMU_OK || r == VIOMMU_E_TIMEOUT);
	CHECK(w.device.accesses < ACCESSES_MAX);
	w.faults_known = false;
	if (r == VIOMMU_OK) {
		w.running = false;
		CHECK(w.drv.state == VIOMMU_DRIVER_STOPPED);
		driver_model_stopped(&w.model, false);
		driver_model_check(&w.model, r);
	} else {
		leave();
		end_call(r);
	}
	return r;
}

/* A device that fails, goes, or is handed over */

/* Everything of the old life is settled, and from here on the driver asks again. */
static void on_driver_ok(void *ctx)
{
	(void)ctx;
	/* A status that was changed behind its back can have the bit earlier. */
	if (!w.recovering || !w.device.enabled[VIOMMU_QUEUE_REQUEST] || !w.device.enabled[VIOMMU_QUEUE_EVENT])
		return;
	w.recovering = false;
	w.recovered = true;
	driver_model_stopped(&w.model, true);
	begin_life();
	w.running = false;
	enter();
}

/* Errors at which the device is to blame, and not one endpoint. */
static bool is_sick(enum viommu_result r)
{
	return r == VIOMMU_E_TIMEOUT || r == VIOMMU_E_PEER || r == VIOMMU_E_BROKEN || r == VIOMMU_E_BUSY;
}

static bool is_misfit_now(uint32_t d, uint32_t e);
static bool record_needs_feature(uint32_t d);

/* Who was in a domain is there again, or in none because of what it asked for, or waits. */
static void check_recovered(enum viommu_result r)
{
	bool misfit = false, unable = false;

	for (uint32_t e = 0; e < MODEL_ENDPOINTS; e++) {
		const struct viommu_driver_endpoint *handle = &w.endpoints[e];
		uint32_t d = w.model.lost[e];

		if (d == MODEL_NOTHING)
			continue;
		CHECK(handle->lost == NULL || (is_sick(r) && handle->lost == &w.domains[d]));
		CHECK(handle->domain == &w.domains[d] || (handle->domain == NULL && r != VIOMMU_OK));
		CHECK(!handle->uncertain || handle->lost != NULL || (handle->domain != NULL && r != VIOMMU_OK));
		misfit |= is_misfit_now(d, e);
		unable |= record_needs_feature(d);
		if (handle->lost == NULL)
			w.model.lost[e] = MODEL_NOTHING;
	}
	CHECK(r != VIOMMU_E_RANGE || misfit);
	CHECK(r != VIOMMU_E_UNSUPP || unable);
	CHECK(r != VIOMMU_E_PEER || w.model.unanswered);
	CHECK(!is_sick(r) || w.drv.state == VIOMMU_DRIVER_FAILED);
	CHECK(w.drv.state != VIOMMU_DRIVER_STOPPED);
}

static void check_start_error(enum viommu_result r)
{
	CHECK(r == VIOMMU_E_UNSUPP || r == VIOMMU_E_RANGE || r == VIOMMU_E_NOMEM || r == VIOMMU_E_PEER);
	CHECK((w.device.status & VIOMMU_STATUS_FAILED) != 0);
}

static enum viommu_result recover(void)
{
	bool was_started = w.drv.registers != NULL;
	enum viommu_result r;

	begin_call(CALL_RECOVER);
	w.recovering = was_started;
	w.recovered = false;
	w.device.lied |= was_started;
	r = viommu_driver_recover(&w.drv);
	if (w.recovered) {
		w.model.broken |= is_sick(r);
		leave();
		check_recovered(r);
		end_call(r);
		return r;
	}
	w.recovering = false;
	if (r == VIOMMU_E_TIMEOUT || r == VIOMMU_E_STATE) {
		/* Of the reset: nothing has changed. */
		CHECK((r == VIOMMU_E_STATE) == !was_started);
		w.faults_known &= !was_started;
		leave();
		end_call(r);
		return r;
	}
	check_start_error(r);
	w.running = false;
	w.faults_known = false;
	CHECK(w.drv.state == VIOMMU_DRIVER_STOPPED);
	driver_model_stopped(&w.model, true);
	driver_model_check(&w.model, r);
	return r;
}

/* Does the configuration differ from what was read at the last start, in a field that has a meaning? */
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
		if ((w.model.limits.features & fields[i].feature) == fields[i].feature &&
		    memcmp(w.config_before + fields[i].at, w.device.config_read + fields[i].at, fields[i].len) != 0)
			return true;
	}
	return false;
}

static void look(void)
{
	bool was_stopped = w.drv.state == VIOMMU_DRIVER_STOPPED;
	bool is_gone = is_broken() || (w.device.status & VIOMMU_STATUS_NEEDS_RESET) != 0 ||
		       (w.device.status & VIOMMU_STATUS_DRIVER_OK) == 0;
	bool moves = w.device.settle != 0 || w.at_config.count != 0;
	enum viommu_result r;

	begin_call(CALL_OTHER);
	r = viommu_driver_look(&w.drv);
	if (was_stopped) {
		CHECK(r == VIOMMU_E_STATE && w.device.accesses == 0);
	} else if (is_gone) {
		CHECK(r == VIOMMU_E_BROKEN && is_broken());
		w.model.broken = true;
	} else if (r == VIOMMU_OK) {
		CHECK(!config_has_changed());
	} else {
		CHECK(r == VIOMMU_E_PEER && (config_has_changed() || moves));
	}
	leave();
	CHECK(w.waits == 0 && w.kicks[VIOMMU_QUEUE_REQUEST] == 0);
	end_call(r);
}

static void abandon(void)
{
	begin_call(CALL_OTHER);
	scripted_remove(&w.device);
	w.faults_known = false;
	viommu_driver_abandon(&w.drv);
	CHECK(w.device.accesses == 0 && w.waits == 0);
	w.running = false;
	CHECK(w.drv.state == VIOMMU_DRIVER_STOPPED);
	driver_model_stopped(&w.model, false);
	driver_model_check(&w.model, VIOMMU_OK);
}

/* Before anybody is detached. */
static void on_bypass(void *ctx)
{
	(void)ctx;
	CHECK(w.storing && w.waits == 0);
	w.storing = false;
}

static void shutdown(enum viommu_driver_handover handover)
{
	bool was_stopped = w.drv.state == VIOMMU_DRIVER_STOPPED;
	bool stores = handover != VIOMMU_HANDOVER_KEEP;
	bool unable = stores && (w.model.limits.features & VIOMMU_F_BYPASS_CONFIG) == 0;
	uint8_t wanted = handover == VIOMMU_HANDOVER_BYPASS;
	enum viommu_result r;

	begin_call(CALL_SHUTDOWN);
	w.storing = stores && !was_stopped && !unable;
	r = viommu_driver_shutdown(&w.drv, handover);
	CHECK(!w.storing); /* it was stored, if that was due */
	if (r == VIOMMU_OK) {
		w.running = false;
		CHECK(!was_stopped && !unable && w.drv.state == VIOMMU_DRIVER_STOPPED);
		CHECK(!stores || (w.device.config_read[VIOMMU_WIRE_CONFIG_BYPASS] & 1) == wanted);
		w.faults_known = false;
		driver_model_stopped(&w.model, false);
		driver_model_check(&w.model, r);
		return;
	}
	if (r == VIOMMU_E_STATE)
		CHECK(was_stopped);
	else if (r == VIOMMU_E_UNSUPP)
		CHECK(unable && w.device.accesses == 0);
	else if (r == VIOMMU_E_PEER)
		CHECK(stores && (w.device.config_read[VIOMMU_WIRE_CONFIG_BYPASS] & 1) != wanted && w.waits == 0);
	else
		w.faults_known = false;
	leave();
	CHECK(r == VIOMMU_E_STATE || r == VIOMMU_E_UNSUPP || r == VIOMMU_E_PEER || r == VIOMMU_E_TIMEOUT);
	end_call(r);
}

/* Domains and endpoints */

static bool id_is_taken(uint64_t id)
{
	for (uint32_t d = 0; d < MODEL_DOMAINS; d++) {
		if (w.model.domains[d].made && w.model.domains[d].id == id)
			return true;
	}
	return false;
}

static enum viommu_result foretell_domain(uint64_t *id, bool bypass)
{
	const struct viommu_driver_limits *l = &w.model.limits;

	if (!is_running())
		return VIOMMU_E_STATE;
	if (bypass && (l->features & VIOMMU_F_BYPASS_CONFIG) == 0)
		return VIOMMU_E_UNSUPP;
	if (*id != VIOMMU_DOMAIN_ANY) {
		if (*id < l->domain_first || *id > l->domain_last)
			return VIOMMU_E_RANGE;
		return id_is_taken(*id) ? VIOMMU_E_EXISTS : VIOMMU_OK;
	}
	for (*id = l->domain_first; *id <= l->domain_last; ++*id) {
		if (!id_is_taken(*id))
			return VIOMMU_OK;
	}
	return VIOMMU_E_FULL;
}

static void domain_init(uint32_t d, uint64_t id, bool bypass)
{
	struct model_domain *model = &w.model.domains[d];
	uint64_t wanted = id;
	enum viommu_result foretold, r;

	if (model->made)
		return;
	foretold = foretell_domain(&id, bypass);
	begin_call(CALL_OTHER);
	r = viommu_driver_domain_init(&w.domains[d], &w.drv, wanted, bypass);
	leave();
	CHECK(r == foretold);
	if (r == VIOMMU_OK) {
		CHECK(viommu_driver_domain_id(&w.domains[d]) == id);
		model->made = true;
		model->bypass = bypass;
		model->id = (uint32_t)id;
		model->count = 0;
		model->failures = 0;
		model->msi_window = (struct viommu_range){ 0, 0 };
	}
	end_call(r);
}

/* Does an endpoint wait for recover to attach it here? */
static bool is_awaited(uint32_t d)
{
	for (uint32_t e = 0; e < MODEL_ENDPOINTS; e++) {
		if (w.model.lost[e] == d)
			return true;
	}
	return false;
}

static enum viommu_result domain_deinit(uint32_t d)
{
	bool free = driver_model_is_dead(&w.model, d) && !driver_model_in_flight(&w.model, d) && !is_awaited(d);
	enum viommu_result r;

	if (!w.model.domains[d].made)
		return VIOMMU_OK;
	begin_call(CALL_OTHER);
	r = viommu_driver_domain_deinit(&w.domains[d]);
	leave();
	CHECK(r == (free ? VIOMMU_OK : VIOMMU_E_STATE));
	if (free)
		w.model.domains[d].made = false;
	for (uint32_t i = 0; free && i < DMAS; i++)
		w.dmas[i].made = w.dmas[i].made && w.dmas[i].domain != d;
	end_call(r);
	return r;
}

/* The reserved regions of a reply, by a parser of its own. */
static enum viommu_result parse(const uint8_t *list, uint32_t len, uint32_t capacity, struct viommu_resv_region *out,
				uint32_t *count)
{
	*count = 0;
	for (uint32_t at = 0; at + 4 <= len;) {
		unsigned type = list[at] | (unsigned)list[at + 1] << 8;
		uint32_t length = list[at + 2] | (uint32_t)list[at + 3] << 8;
		struct viommu_resv_region region = { .range = { 0, 0 } };

		if ((type & 0xfff) == 0)
			return VIOMMU_OK;
		if (length > len - at - 4)
			return VIOMMU_E_PEER;
		if (type == VIOMMU_PROBE_T_RESV_MEM) {
			if (length < 20)
				return VIOMMU_E_PEER;
			for (unsigned i = 8; i-- > 0;) {
				region.range.first = region.range.first << 8 | list[at + 8 + i];
				region.range.last = region.range.last << 8 | list[at + 16 + i];
			}
			region.subtype = list[at + 4] == VIOMMU_RESV_MEM_MSI;
			if (region.range.last < region.range.first)
				return VIOMMU_E_PEER;
			if (*count == capacity)
				return VIOMMU_E_NOMEM;
			out[(*count)++] = region;
		}
		at += 4 + length;
	}
	return VIOMMU_OK;
}

static bool probe_is_stuck(void)
{
	for (uint32_t i = 0; i < MODEL_SLOTS; i++) {
		if (w.model.flights[i].used && w.model.flights[i].type == VIOMMU_T_PROBE)
			return true;
	}
	return false;
}

static void check_probe(uint32_t e, uint32_t capacity, enum viommu_result r)
{
	struct viommu_resv_region regions[REGIONS];
	const struct viommu_resv_region *found;
	uint32_t count = 0, found_count;
	enum viommu_result foretold = VIOMMU_OK;

	if ((w.model.limits.features & VIOMMU_F_PROBE) != 0) {
		CHECK(w.model.has_probe_reply);
		foretold = parse(w.model.probe_reply, w.model.probe_size, capacity, regions, &count);
	}
	CHECK(r == foretold);
	if (r != VIOMMU_OK)
		return;
	found = viommu_driver_endpoint_regions(&w.endpoints[e], &found_count);
	CHECK(found_count == count);
	for (uint32_t i = 0; i < count; i++)
		CHECK(found[i].range.first == regions[i].range.first && found[i].range.last == regions[i].range.last &&
		      found[i].subtype == regions[i].subtype);
}

static enum viommu_result endpoint_init(uint32_t e, uint32_t capacity)
{
	struct viommu_driver_endpoint *handle = &w.endpoints[e];
	bool was_stuck = probe_is_stuck();
	bool was_running = is_running();
	enum viommu_result r;

	if (handle->drv != NULL &&
	    (viommu_driver_endpoint_domain(handle) != NULL || w.model.may[e] != 0 || w.model.lost[e] != MODEL_NOTHING))
		return VIOMMU_E_STATE;
	w.model.endpoint = e;
	w.model.may[e] = 0;
	w.model.unsure[e] = false;
	begin_call(CALL_PROBE);
	r = viommu_driver_endpoint_init(handle, &w.drv, SCRIPTED_FIRST_ENDPOINT + e, w.regions[e], capacity);
	leave();
	switch (r) {
	case VIOMMU_E_STATE:
		CHECK(w.drv.state == VIOMMU_DRIVER_STOPPED);
		break;
	case VIOMMU_E_BROKEN:
		CHECK(is_broken());
		break;
	case VIOMMU_E_BUSY:
		CHECK(was_stuck);
		break;
	case VIOMMU_E_TIMEOUT:
	case VIOMMU_E_REJECTED:
		break;
	default:
		CHECK(was_running);
		if (r == VIOMMU_E_PEER && !w.model.has_probe_reply) {
			CHECK(w.model.unanswered);
			break;
		}
		check_probe(e, capacity, r);
		break;
	}
	end_call(r);
	CHECK((handle->drv != NULL) == (r == VIOMMU_OK));
	return r;
}

/* Is it unknown what the device has in this domain? */
static bool is_unknown(uint32_t d)
{
	return w.domains[d].incomplete || !(driver_model_is_alive(&w.model, d) || driver_model_is_dead(&w.model, d));
}

static bool regions_are_mapped(uint32_t d, uint32_t e)
{
	for (uint32_t i = 0; i < w.endpoints[e].region_count; i++) {
		if (driver_model_overlaps(&w.model, d, w.endpoints[e].regions[i].range.first,
					  w.endpoints[e].regions[i].range.last))
			return true;
	}
	return false;
}

static bool is_in_range(uint64_t first, uint64_t last)
{
	return first >= w.model.input_range.first && last <= w.model.input_range.last;
}

/* A record from before a restart that does not fit what the start brought. */
static bool record_is_misfit(uint32_t d)
{
	const struct viommu_driver_limits *l = &w.model.limits;
	const struct model_domain *domain = &w.model.domains[d];

	if (domain->id < l->domain_first || domain->id > l->domain_last)
		return true;
	for (uint32_t i = 0; i < domain->count; i++) {
		if (!is_in_range(domain->mappings[i].first, domain->mappings[i].last))
			return true;
	}
	return false;
}

static bool record_needs_feature(uint32_t d)
{
	const struct model_domain *domain = &w.model.domains[d];

	if (domain->bypass && (w.model.limits.features & VIOMMU_F_BYPASS_CONFIG) == 0)
		return true;
	for (uint32_t i = 0; i < domain->count; i++) {
		if ((domain->mappings[i].flags & VIOMMU_MAP_F_MMIO) != 0 &&
		    (w.model.limits.features & VIOMMU_F_MMIO) == 0)
			return true;
	}
	return false;
}

static bool is_misfit_now(uint32_t d, uint32_t e)
{
	return regions_are_mapped(d, e) || record_is_misfit(d);
}

static enum viommu_result attach(uint32_t d, uint32_t e)
{
	struct viommu_driver_endpoint *handle = &w.endpoints[e];
	bool was_first, was_misfit, was_unknown, was_unable;
	enum viommu_result r;
	uint8_t status = 0;

	if (!w.model.domains[d].made || handle->drv == NULL)
		return VIOMMU_E_STATE;
	w.model.domain = d;
	w.model.endpoint = e;
	was_misfit = is_misfit_now(d, e);
	was_unable = record_needs_feature(d);
	was_unknown = is_unknown(d);
	w.model.lost[e] = MODEL_NOTHING;
	begin_call(CALL_ATTACH);
	r = viommu_driver_attach(&w.domains[d], handle, &status);
	leave();
	was_first = w.model.replayed > 0;
	switch (r) {
	case VIOMMU_OK:
		/* Also if the queue broke just behind the answer. */
		CHECK(viommu_driver_endpoint_domain(handle) == &w.domains[d]);
		CHECK(w.model.may[e] == 1u << d);
		CHECK(!was_first || w.model.replayed == w.model.domains[d].count);
		break;
	case VIOMMU_E_STATE:
		CHECK(w.drv.state == VIOMMU_DRIVER_STOPPED);
		break;
	case VIOMMU_E_RANGE:
		CHECK(was_misfit);
		break;
	case VIOMMU_E_UNSUPP:
		CHECK(was_unable);
		break;
	case VIOMMU_E_BUSY:
		CHECK(was_unknown || is_unknown(d));
		break;
	case VIOMMU_E_BROKEN:
		CHECK(is_broken());
		break;
	case VIOMMU_E_PEER:
		CHECK(w.model.unanswered);
		break;
	default:
		CHECK(r == VIOMMU_E_REJECTED || r == VIOMMU_E_TIMEOUT);
		break;
	}
	end_call(r);
	return r;
}

static enum viommu_result detach(uint32_t e)
{
	struct viommu_driver_endpoint *handle = &w.endpoints[e];
	bool was_in = viommu_driver_endpoint_domain(handle) != NULL || w.model.unsure[e];
	bool was_lost;
	enum viommu_result r;
	uint8_t status;

	w.model.endpoint = e;
	begin_call(CALL_DETACH);
	r = viommu_driver_detach(handle, &status);
	leave();
	was_lost = w.model.lost[e] != MODEL_NOTHING;
	CHECK(!was_lost || r == VIOMMU_OK);
	w.model.lost[e] = MODEL_NOTHING;
	switch (r) {
	case VIOMMU_OK:
		/* One that was lost twice may be where the recover that failed has sent it. */
		CHECK((w.model.may[e] == 0 || (was_lost && is_broken())) &&
		      viommu_driver_endpoint_domain(handle) == NULL);
		break;
	case VIOMMU_E_STATE:
		CHECK(handle->drv == NULL || w.drv.state == VIOMMU_DRIVER_STOPPED || !was_in);
		break;
	case VIOMMU_E_BROKEN:
		CHECK(is_broken());
		break;
	case VIOMMU_E_PEER:
		CHECK(w.model.unanswered);
		break;
	default:
		CHECK(r == VIOMMU_E_REJECTED || r == VIOMMU_E_TIMEOUT);
		break;
	}
	end_call(r);
	return r;
}

/* Mappings */

static void check_state_result(uint32_t d)
{
	CHECK(w.drv.state == VIOMMU_DRIVER_STOPPED || w.model.domains[d].bypass || is_unknown(d));
}

/* What a call that posts may return whatever it is about. */
static void check_common(uint32_t d, enum viommu_result r)
{
	if (r == VIOMMU_E_STATE)
		check_state_result(d);
	else if (r == VIOMMU_E_BROKEN)
		CHECK(is_broken());
	else
		CHECK(r == VIOMMU_E_TIMEOUT);
}

static enum viommu_result map(uint32_t d, uint64_t first, uint64_t last, uint64_t phys, uint32_t flags)
{
	struct model_mapping m = { first, last, phys, flags, false };
	bool wraps = last >= first && last - first > UINT64_MAX - phys;
	bool good_flags = (flags & ~7u) == 0;
	bool aligned = ((first | (last + 1) | phys) & (PAGE - 1)) == 0;
	enum viommu_result r;

	if (!w.model.domains[d].made || w.model.domains[d].count >= MODEL_MAPPINGS - 4)
		return VIOMMU_E_STATE;
	w.model.domain = d;
	w.model.first = first;
	w.model.last = last;
	w.model.phys = phys;
	w.model.flags = flags;
	begin_call(CALL_MAP);
	r = viommu_driver_map(&w.domains[d], first, last, phys, flags);
	leave();
	switch (r) {
	case VIOMMU_OK:
		CHECK(is_running() && !w.model.domains[d].bypass && !is_unknown(d));
		CHECK(first <= last && !wraps && good_flags && aligned && is_in_range(first, last));
		CHECK((flags & VIOMMU_MAP_F_MMIO) == 0 || (w.model.limits.features & VIOMMU_F_MMIO) != 0);
		CHECK(!driver_model_is_reserved(&w.model, d, first, last));
		CHECK(!driver_model_overlaps(&w.model, d, first, last));
		driver_model_insert(&w.model, d, &m);
		break;
	case VIOMMU_E_ARG:
		CHECK(last < first || wraps || !good_flags);
		break;
	case VIOMMU_E_UNSUPP:
		CHECK((flags & VIOMMU_MAP_F_MMIO) != 0 && (w.model.limits.features & VIOMMU_F_MMIO) == 0);
		break;
	case VIOMMU_E_RANGE:
		CHECK(!aligned || !is_in_range(first, last) || driver_model_is_reserved(&w.model, d, first, last));
		break;
	case VIOMMU_E_EXISTS:
		CHECK(driver_model_overlaps(&w.model, d, first, last));
		break;
	case VIOMMU_E_NOMEM:
		CHECK(viommu_map_pool_free(&w.drv.pool) < 2 * VIOMMU_MAP_LEVELS + 2);
		break;
	default:
		check_common(d, r);
		break;
	}
	CHECK(w.model.posted == (r == VIOMMU_OK && w.domains[d].endpoints != NULL));
	end_call(r);
	return r;
}

static bool is_deferred(const struct dma *dma, struct viommu_range range)
{
	for (uint32_t i = 0; i < dma->handle.deferred_count; i++) {
		if (dma->deferred[i].first <= range.last && range.first <= dma->deferred[i].last)
			return true;
	}
	return false;
}

/* What waits for a flush is nobody else's to unmap. */
static bool is_deferred_by_others(uint32_t d, const struct dma *but, struct viommu_range range)
{
	for (uint32_t i = 0; i < DMAS; i++) {
		const struct dma *dma = &w.dmas[i];

		if (dma->made && dma != but && dma->domain == d && is_deferred(dma, range))
			return true;
	}
	return false;
}

static enum viommu_result unmap(uint32_t d, uint64_t first, uint64_t last)
{
	enum viommu_result r;

	if (!w.model.domains[d].made || is_deferred_by_others(d, NULL, (struct viommu_range){ first, last }))
		return VIOMMU_E_STATE;
	w.model.domain = d;
	w.model.first = first;
	w.model.last = last;
	begin_call(CALL_UNMAP);
	r = viommu_driver_unmap(&w.domains[d], first, last);
	leave();
	switch (r) {
	case VIOMMU_OK:
		CHECK(is_running() && !w.model.domains[d].bypass && !is_unknown(d));
		CHECK(first <= last && is_in_range(first, last) && !driver_model_splits(&w.model, d, first, last));
		if (w.domains[d].endpoints == NULL)
			driver_model_remove(&w.model, d, first, last);
		break;
	case VIOMMU_E_ARG:
		CHECK(last < first);
		break;
	case VIOMMU_E_RANGE:
		CHECK(!is_in_range(first, last) || driver_model_splits(&w.model, d, first, last));
		break;
	default:
		check_common(d, r);
		break;
	}
	CHECK(w.model.posted == (r == VIOMMU_OK && w.domains[d].endpoints != NULL));
	end_call(r);
	return r;
}

static enum viommu_result sync(uint32_t d)
{
	struct viommu_driver_failure failure = { 0 };
	const struct viommu_driver_failure *first = &w.model.domains[d].first_failure;
	enum viommu_result r;

	if (!w.model.domains[d].made)
		return VIOMMU_E_STATE;
	begin_call(CALL_OTHER);
	r = viommu_driver_sync(&w.domains[d], &failure);
	leave();
	CHECK(w.kicks[VIOMMU_QUEUE_REQUEST] <= 1);
	if (r == VIOMMU_E_STATE) {
		CHECK(w.drv.state == VIOMMU_DRIVER_STOPPED);
	} else {
		/* No status is lost, and nothing is waited for any more. */
		CHECK(!driver_model_in_flight(&w.model, d));
		CHECK(r == (w.model.domains[d].failures > 0 ? first->result : VIOMMU_OK));
		if (r != VIOMMU_OK)
			CHECK(failure.type == first->type && failure.status == first->status &&
			      failure.uncertain == first->uncertain && failure.first == first->first &&
			      failure.last == first->last);
		w.model.domains[d].failures = 0;
	}
	driver_model_check(&w.model, r);
	return r;
}

/* Of a call that waits for several requests of its own. */
static void check_batch_result(uint32_t d, enum viommu_result r)
{
	if (r == VIOMMU_E_REJECTED)
		CHECK(w.model.rejected);
	else if (r == VIOMMU_E_PEER)
		CHECK(w.model.unanswered);
	else
		check_common(d, r);
}

/* MAPs of a call that has failed: who could not be asked for again is UNCERTAIN. */
static void doubt_the_rest(uint32_t d)
{
	for (uint32_t i = w.model.allowed_before; i < w.model.allowed_count; i++) {
		if (w.model.allowed[i].first <= w.model.allowed[i].last)
			driver_model_doubt(&w.model, d, w.model.allowed[i].first, w.model.allowed[i].last);
	}
}

static void check_no_memory(void)
{
	CHECK(w.model.ran || viommu_map_pool_free(&w.drv.pool) < 2 * VIOMMU_MAP_LEVELS + 2);
}

static void set_window(uint32_t d, struct viommu_range window)
{
	enum viommu_result foretold = VIOMMU_OK, r;

	if (!w.model.domains[d].made)
		return;
	if (window.first > window.last)
		foretold = VIOMMU_E_ARG;
	else if (window.last != 0 && driver_model_overlaps(&w.model, d, window.first, window.last))
		foretold = VIOMMU_E_EXISTS;
	begin_call(CALL_OTHER);
	r = viommu_driver_domain_set_msi_window(&w.domains[d], window);
	leave();
	CHECK(r == foretold);
	if (r == VIOMMU_OK)
		w.model.domains[d].msi_window = window;
	end_call(r);
}

/* Identity */

struct blockers {
	struct viommu_range ranges[BLOCKERS];
	uint32_t count;
};

static void block(struct blockers *b, struct viommu_range range)
{
	b->ranges[b->count++] = (struct viommu_range){ range.first & ~(PAGE - 1), range.last | (PAGE - 1) };
}

/* What an identity mapping of this domain leaves out. joining: an endpoint, or ENDPOINTS. */
static void find_blockers(uint32_t d, uint32_t joining, struct blockers *b)
{
	b->count = 0;
	for (uint32_t e = 0; e < MODEL_ENDPOINTS; e++) {
		const struct viommu_driver_endpoint *handle = &w.endpoints[e];

		if (handle->drv == NULL || (e != joining && viommu_driver_endpoint_domain(handle) != &w.domains[d]))
			continue;
		for (uint32_t i = 0; i < handle->region_count; i++)
			block(b, handle->regions[i].range);
	}
	if (w.model.domains[d].msi_window.last != 0)
		block(b, w.model.domains[d].msi_window);
}

/* The first address from here on that is in none of them, and the last one behind it. False: there is none. */
static bool next_gap(const struct blockers *b, uint64_t *from, uint64_t *to)
{
	for (uint32_t i = 0; i < b->count;) {
		if (b->ranges[i].first > *from || b->ranges[i].last < *from) {
			i++;
			continue;
		}
		if (b->ranges[i].last == UINT64_MAX)
			return false;
		*from = b->ranges[i].last + 1;
		i = 0;
	}
	*to = UINT64_MAX;
	for (uint32_t i = 0; i < b->count; i++) {
		if (b->ranges[i].first > *from && b->ranges[i].first - 1 < *to)
			*to = b->ranges[i].first - 1;
	}
	return true;
}

static void wish_identity(uint32_t d, uint32_t joining, uint64_t first, uint64_t last, uint32_t flags)
{
	struct blockers b;
	uint64_t to;

	w.model.wish_count = 0;
	find_blockers(d, joining, &b);
	while (first <= last && next_gap(&b, &first, &to) && first <= last) {
		to = to < last ? to : last;
		CHECK(w.model.wish_count < MODEL_WISHES);
		w.model.wishes[w.model.wish_count++] =
			(struct model_wish){ .first = first, .extent = to - first, .phys = first, .flags = flags };
		if (to == last)
			return;
		first = to + 1;
	}
}

/* Does one of the wishes fail by itself? */
static bool is_refused(uint32_t d, bool (*refuses)(uint32_t d, const struct model_wish *wish))
{
	for (uint32_t i = 0; i < w.model.wish_count; i++) {
		if (refuses(d, &w.model.wishes[i]))
			return true;
	}
	return false;
}

static bool is_out(uint32_t d, const struct model_wish *wish)
{
	uint64_t last = wish->first + wish->extent;

	return ((wish->first | (last + 1)) & (PAGE - 1)) != 0 || !is_in_range(wish->first, last) ||
	       driver_model_is_reserved(&w.model, d, wish->first, last);
}

static bool is_taken(uint32_t d, const struct model_wish *wish)
{
	return driver_model_overlaps(&w.model, d, wish->first, wish->first + wish->extent);
}

/* With a domain that the device does not have, nothing is sent. */
static void grant_unsent(uint32_t d)
{
	for (uint32_t i = 0; i < w.model.wish_count; i++) {
		const struct model_wish *wish = &w.model.wishes[i];
		struct model_mapping m = { wish->first, wish->first + wish->extent, wish->phys, wish->flags, false };

		CHECK(!is_taken(d, wish));
		driver_model_insert(&w.model, d, &m);
	}
}

static void map_identity(uint32_t d, uint32_t joining, uint64_t first, uint64_t last, uint32_t flags)
{
	const struct viommu_driver_endpoint *handle = joining < MODEL_ENDPOINTS ? &w.endpoints[joining] : NULL;
	bool was_taken;
	enum viommu_result r;

	if (!w.model.domains[d].made || w.model.domains[d].count >= MODEL_MAPPINGS - MODEL_WISHES)
		return;
	if (handle != NULL && handle->drv == NULL)
		return;
	w.model.domain = d;
	w.model.allowed_count = 0;
	wish_identity(d, joining, first, last, flags);
	was_taken = is_refused(d, is_taken);
	begin_call(CALL_MAPS);
	r = viommu_driver_map_identity(&w.domains[d], handle, first, last, flags);
	leave();
	switch (r) {
	case VIOMMU_OK:
		CHECK(first <= last);
		if (w.domains[d].endpoints == NULL)
			grant_unsent(d);
		else
			CHECK(w.model.granted == w.model.wish_count);
		break;
	case VIOMMU_E_ARG:
		CHECK(last < first || (flags & ~7u) != 0);
		break;
	case VIOMMU_E_UNSUPP:
		CHECK((flags & VIOMMU_MAP_F_MMIO) != 0 && (w.model.limits.features & VIOMMU_F_MMIO) == 0);
		break;
	case VIOMMU_E_RANGE:
		CHECK(is_refused(d, is_out));
		break;
	case VIOMMU_E_EXISTS:
		CHECK(was_taken);
		break;
	case VIOMMU_E_NOMEM:
		/* A piece that is taken back has its nodes again. */
		break;
	default:
		check_batch_result(d, r);
		break;
	}
	if (r != VIOMMU_OK)
		doubt_the_rest(d);
	end_call(r);
}

/* DMA */

static void dma_hook_clean(void *ctx, const struct viommu_dma_buffer *buffer)
{
	(void)ctx;
	CHECK(w.depth == 0 && buffer->len != 0);
	w.cleans++;
}

static void dma_hook_invalidate(void *ctx, const struct viommu_dma_buffer *buffer)
{
	(void)ctx;
	CHECK(w.depth == 0 && buffer->len != 0);
	w.invalidates++;
}

static const struct viommu_dma_ops dma_ops = { .size = sizeof dma_ops,
					       .clean = dma_hook_clean,
					       .invalidate = dma_hook_invalidate };

static void dma_init(uint32_t i, uint32_t d, bool bottom_up, uint32_t deferred, bool hints, struct viommu_range window)
{
	struct dma *dma = &w.dmas[i];
	struct viommu_dma_config config = VIOMMU_DMA_CONFIG_INIT;
	enum viommu_result r;

	if (!w.model.domains[d].made || (dma->made && dma->handle.deferred_count > 0))
		return;
	config.bottom_up = bottom_up;
	config.window = window;
	config.hints = hints ? dma->hints : NULL;
	config.hint_count = hints ? HINTS : 0;
	config.deferred_count = deferred;
	config.deferred = dma->deferred;
	config.ops = &dma_ops;
	r = viommu_driver_dma_init(&dma->handle, &w.domains[d], &config);
	CHECK(r == (window.first > window.last ? VIOMMU_E_ARG : VIOMMU_OK));
	for (uint32_t k = 0; k < LISTS; k++)
		w.lists[k].made = w.lists[k].made && w.lists[k].dma != i;
	dma->made = r == VIOMMU_OK;
	dma->domain = d;
	dma->config = config;
}

/* Whole granules of so many bytes. */
static struct viommu_range granules(uint64_t from, uint64_t len)
{
	return (struct viommu_range){ from & ~(PAGE - 1), (from + (len - 1)) | (PAGE - 1) };
}

static bool buffers_are_bad(const struct list *list)
{
	if ((list->how & ~(7u | VIOMMU_DMA_COHERENT)) != 0 || (list->how & VIOMMU_DMA_BIDIRECTIONAL) == 0)
		return true;
	for (uint32_t i = 0; i < list->count; i++) {
		if (list->buffers[i].len == 0 ||
		    list->buffers[i].phys + (list->buffers[i].len - 1) < list->buffers[i].phys)
			return true;
	}
	return false;
}

static bool is_recorded(uint32_t d, struct viommu_range range)
{
	const struct model_domain *domain = &w.model.domains[d];

	for (uint32_t i = 0; i < domain->count; i++) {
		if (domain->mappings[i].first == range.first && domain->mappings[i].last == range.last)
			return true;
	}
	return false;
}

static void allow_deferred(const struct dma *dma)
{
	w.model.allowed_count = dma->handle.deferred_count;
	for (uint32_t i = 0; i < dma->handle.deferred_count; i++)
		w.model.allowed[i] = dma->deferred[i];
}

/* Behind a call: what was put off before it, and is not any more, is gone if there was nobody to be asked. */
static void settle_deferred(const struct dma *dma, uint32_t before)
{
	for (uint32_t i = 0; i < before && w.domains[dma->domain].endpoints == NULL; i++) {
		struct viommu_range range = w.model.allowed[i];

		/* One that does not fit a later start is let go of, and stays recorded. */
		if (!is_deferred(dma, range) && is_in_range(range.first, range.last) &&
		    !driver_model_splits(&w.model, dma->domain, range.first, range.last))
			driver_model_remove(&w.model, dma->domain, range.first, range.last);
	}
}

static void check_hooks(const struct list *list, bool cleans, bool invalidates)
{
	bool none = (list->how & VIOMMU_DMA_COHERENT) != 0;

	CHECK(w.cleans == (none || !cleans ? 0 : list->count));
	CHECK(w.invalidates == (none || !invalidates || (list->how & VIOMMU_DMA_FROM_DEVICE) == 0 ? 0 : list->count));
}

/* Room for an aligned range of this size? The slow way: behind each thing that is in the way. */
static bool has_room_at(const struct dma *dma, uint64_t from, uint64_t extent)
{
	const struct viommu_range *msi = &w.model.domains[dma->domain].msi_window;
	bool is_inside = msi->first <= w.model.window.first && w.model.window.last <= msi->last;
	uint64_t size = PAGE, last;

	while (size - 1 < extent)
		size *= 2;
	from = from == 0 ? 1 : from;
	if (from > UINT64_MAX - (size - 1))
		return false;
	from = (from + (size - 1)) & ~(size - 1);
	last = from + extent;
	return last >= from && from >= w.model.window.first && last <= w.model.window.last && is_in_range(from, last) &&
	       !driver_model_is_reserved(&w.model, dma->domain, from, last) &&
	       !driver_model_overlaps(&w.model, dma->domain, from, last) &&
	       (msi->last == 0 || is_inside || msi->first > last || msi->last < from);
}

static bool has_room(const struct dma *dma, uint64_t extent)
{
	const struct model_domain *domain = &w.model.domains[dma->domain];

	if (has_room_at(dma, w.model.window.first, extent) || has_room_at(dma, w.model.input_range.first, extent))
		return true;
	for (uint32_t i = 0; i < domain->count; i++) {
		if (has_room_at(dma, domain->mappings[i].last + 1, extent))
			return true;
	}
	for (uint32_t e = 0; e < MODEL_ENDPOINTS; e++) {
		for (uint32_t i = 0; w.endpoints[e].drv != NULL && i < w.endpoints[e].region_count; i++) {
			if (w.endpoints[e].regions[i].range.last != UINT64_MAX &&
			    has_room_at(dma, w.endpoints[e].regions[i].range.last + 1, extent))
				return true;
		}
	}
	return domain->msi_window.last != UINT64_MAX && has_room_at(dma, domain->msi_window.last + 1, extent);
}

/* What a list is to become. */
static void wish_buffers(const struct dma *dma, const struct list *list)
{
	w.model.domain = dma->domain;
	w.model.window = dma->config.window;
	w.model.wish_count = list->count;
	for (uint32_t i = 0; i < list->count; i++) {
		struct viommu_range range = granules(list->buffers[i].phys, list->buffers[i].len);

		w.model.wishes[i] = (struct model_wish){ .extent = range.last - range.first,
							 .phys = range.first,
							 .flags = list->how & 7u,
							 .anywhere = true };
	}
	allow_deferred(dma);
}

/* All of the list is mapped, and nothing else has come with it. */
static void check_mapped(const struct dma *dma, const struct list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		const struct viommu_dma_buffer *b = &list->buffers[i];
		struct model_wish *wish = &w.model.wishes[i];
		struct viommu_range range = granules(b->iova, b->len);

		CHECK(((b->iova ^ b->phys) & (PAGE - 1)) == 0 && range.last - range.first == wish->extent);
		wish->first = range.first;
		if (w.domains[dma->domain].endpoints == NULL)
			driver_model_check_place(&w.model, dma->domain, range.first, range.last);
		else
			CHECK(is_recorded(dma->domain, range));
	}
	if (w.domains[dma->domain].endpoints == NULL)
		grant_unsent(dma->domain);
	else
		CHECK(w.model.granted == list->count);
}

static void check_identical(const struct dma *dma, const struct list *list, enum viommu_result r)
{
	bool fits = true;

	for (uint32_t i = 0; i < list->count; i++) {
		const struct viommu_dma_buffer *b = &list->buffers[i];

		fits &= b->phys >= dma->config.window.first && b->phys + (b->len - 1) <= dma->config.window.last;
		CHECK(r != VIOMMU_OK || b->iova == b->phys);
	}
	CHECK(r == (fits ? VIOMMU_OK : VIOMMU_E_RANGE) && w.model.posted == 0);
}

static void check_dma_map(const struct dma *dma, const struct list *list, enum viommu_result r)
{
	switch (r) {
	case VIOMMU_OK:
		check_mapped(dma, list);
		break;
	case VIOMMU_E_FULL:
		/* If nothing has changed behind the search. */
		CHECK(!is_running() || w.model.ran || list->count > 1 || !has_room(dma, w.model.wishes[0].extent));
		break;
	case VIOMMU_E_UNSUPP:
		CHECK((list->how & VIOMMU_DMA_MMIO) != 0 && (w.model.limits.features & VIOMMU_F_MMIO) == 0);
		break;
	case VIOMMU_E_NOMEM:
		if (list->count == 1)
			check_no_memory();
		break;
	default:
		check_batch_result(dma->domain, r);
		break;
	}
	if (r != VIOMMU_OK)
		doubt_the_rest(dma->domain);
}

/* Maps a list that has no addresses yet. doorbell: of this endpoint, or NULL. */
static enum viommu_result list_map(uint32_t k, uint32_t i, const struct list *made,
				   const struct viommu_driver_endpoint *doorbell)
{
	struct dma *dma = &w.dmas[i];
	struct list *list = &w.lists[k];
	bool bad = buffers_are_bad(made);
	uint32_t before = dma->handle.deferred_count;
	enum viommu_result r;

	*list = *made;
	list->dma = i;
	wish_buffers(dma, list);
	begin_call(CALL_MAPS);
	if (doorbell != NULL)
		r = viommu_driver_dma_map_doorbell(&dma->handle, doorbell, &list->buffers[0]);
	else
		r = viommu_driver_dma_map(&dma->handle, list->buffers, list->count, list->how);
	leave();
	settle_deferred(dma, before);
	check_hooks(list, !bad, false);
	list->made = r == VIOMMU_OK;
	if (bad)
		CHECK(r == VIOMMU_E_ARG && w.model.posted == 0);
	else if (w.model.domains[dma->domain].bypass)
		check_identical(dma, list, r);
	else
		check_dma_map(dma, list, r);
	end_call(r);
	return r;
}

static bool has_space(uint32_t i)
{
	return w.dmas[i].made && w.model.domains[w.dmas[i].domain].count < MODEL_MAPPINGS - 4;
}

static void dma_map(uint32_t i, uint32_t k, uint32_t count, uint64_t phys, uint64_t len, uint64_t step, uint32_t how)
{
	struct list list = { .count = count, .how = how };

	if (!has_space(i))
		return;
	for (uint32_t n = 0; n < count; n++)
		list.buffers[n] = (struct viommu_dma_buffer){ .phys = phys + n * step, .len = len };
	(void)list_map(k, i, &list, NULL);
}

/* Is there a buffer that cannot be unmapped? */
static bool is_missing(const struct dma *dma, const struct list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		struct viommu_range range = granules(list->buffers[i].iova, list->buffers[i].len);

		if (!is_recorded(dma->domain, range) || is_deferred(dma, range))
			return true;
	}
	return false;
}

/* A record from before a restart that does not fit what the start brought. */
static bool is_beyond(const struct list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		struct viommu_range range = granules(list->buffers[i].iova, list->buffers[i].len);

		if (!is_in_range(range.first, range.last))
			return true;
	}
	return false;
}

static void check_dma_unmap(const struct dma *dma, const struct list *list, enum viommu_result r)
{
	bool strict = dma->config.deferred_count == 0;

	if (r != VIOMMU_OK) {
		check_batch_result(dma->domain, r);
		return;
	}
	for (uint32_t i = 0; i < list->count; i++) {
		struct viommu_range range = granules(list->buffers[i].iova, list->buffers[i].len);

		if (strict || (w.domains[dma->domain].endpoints == NULL && !is_deferred(dma, range)))
			driver_model_remove(&w.model, dma->domain, range.first, range.last);
	}
	CHECK(!strict || w.domains[dma->domain].endpoints == NULL || w.model.posted == list->count);
}

static enum viommu_result list_unmap(uint32_t k, const struct viommu_driver_endpoint *doorbell)
{
	struct list *list = &w.lists[k];
	struct dma *dma = &w.dmas[list->dma];
	bool lazy = dma->config.deferred_count != 0;
	bool was_missing = is_missing(dma, list);
	bool was_beyond = is_beyond(list);
	uint32_t before = dma->handle.deferred_count;
	enum viommu_result r;

	w.model.domain = dma->domain;
	allow_deferred(dma);
	for (uint32_t i = 0; i < list->count; i++)
		w.model.allowed[w.model.allowed_count++] = granules(list->buffers[i].iova, list->buffers[i].len);
	begin_call(lazy ? CALL_FLUSH : CALL_UNMAPS);
	if (doorbell != NULL)
		r = viommu_driver_dma_unmap_doorbell(&dma->handle, doorbell, &list->buffers[0]);
	else
		r = viommu_driver_dma_unmap(&dma->handle, list->buffers, list->count, list->how);
	leave();
	settle_deferred(dma, before);
	check_hooks(list, false, r == VIOMMU_OK && doorbell == NULL);
	if (w.model.domains[dma->domain].bypass)
		CHECK(r == VIOMMU_OK && w.model.posted == 0);
	else if (was_missing)
		/* Or another one of the list is out of range, which is said of the first that is either. */
		CHECK((r == VIOMMU_E_NOENT || r == VIOMMU_E_RANGE) && w.model.posted == 0);
	else if (w.drv.state != VIOMMU_DRIVER_STOPPED && was_beyond)
		CHECK(r == VIOMMU_E_RANGE && w.model.posted == 0);
	else if (w.drv.state == VIOMMU_DRIVER_STOPPED && r == VIOMMU_E_RANGE)
		CHECK(w.model.posted == 0); /* what a start that failed has read may be in force */
	else
		check_dma_unmap(dma, list, r);
	end_call(r);
	return r;
}

static bool is_usable(uint32_t k)
{
	const struct list *list = &w.lists[k];
	const struct dma *dma = &w.dmas[list->dma];

	if (!list->made || !dma->made)
		return false;
	for (uint32_t i = 0; i < list->count; i++) {
		if (is_deferred_by_others(dma->domain, dma, granules(list->buffers[i].iova, list->buffers[i].len)))
			return false;
	}
	return true;
}

static void dma_unmap(uint32_t k)
{
	if (is_usable(k))
		(void)list_unmap(k, NULL);
}

static void dma_flush(uint32_t i)
{
	struct dma *dma = &w.dmas[i];
	struct viommu_driver_failure failure = { 0 };
	struct model_domain *domain = &w.model.domains[dma->domain];
	bool was_stopped = w.drv.state == VIOMMU_DRIVER_STOPPED;
	uint32_t before = dma->handle.deferred_count;
	enum viommu_result r;

	if (!dma->made)
		return;
	w.model.domain = dma->domain;
	allow_deferred(dma);
	begin_call(CALL_FLUSH);
	r = viommu_driver_dma_flush(&dma->handle, &failure);
	leave();
	settle_deferred(dma, before);
	/* Either how sending ended, or what a sync reports. */
	if (r == VIOMMU_OK)
		CHECK(dma->handle.deferred_count == 0 && domain->failures == 0);
	else if (domain->failures == 0 || r != domain->first_failure.result)
		check_common(dma->domain, r);
	if (!was_stopped) {
		CHECK(!driver_model_in_flight(&w.model, dma->domain));
		domain->failures = 0;
	}
	driver_model_check(&w.model, r);
}

static bool is_passed(const struct viommu_driver_endpoint *handle, uint64_t phys, uint64_t len)
{
	for (uint32_t i = 0; i < handle->region_count; i++) {
		const struct viommu_resv_region *region = &handle->regions[i];

		if (region->subtype == VIOMMU_RESV_MEM_MSI && len != 0 && phys >= region->range.first &&
		    phys <= region->range.last && len - 1 <= region->range.last - phys)
			return true;
	}
	return false;
}

static bool is_member(uint32_t i, uint32_t e)
{
	return w.dmas[i].made && w.endpoints[e].drv != NULL &&
	       viommu_driver_endpoint_domain(&w.endpoints[e]) == &w.domains[w.dmas[i].domain];
}

static void doorbell_map(uint32_t i, uint32_t k, uint32_t e, uint64_t phys, uint64_t len)
{
	bool has_mmio = (w.model.limits.features & VIOMMU_F_MMIO) != 0;
	struct viommu_dma_buffer passed = { .phys = phys, .len = len };
	struct list list = { .count = 1,
			     .how = VIOMMU_DMA_FROM_DEVICE | VIOMMU_DMA_COHERENT | (has_mmio ? VIOMMU_DMA_MMIO : 0),
			     .buffers = { passed } };

	if (!has_space(i) || !is_member(i, e))
		return;
	if (!is_passed(&w.endpoints[e], phys, len)) {
		(void)list_map(k, i, &list, &w.endpoints[e]);
		return;
	}
	begin_call(CALL_OTHER);
	CHECK(viommu_driver_dma_map_doorbell(&w.dmas[i].handle, &w.endpoints[e], &passed) == VIOMMU_OK);
	CHECK(passed.iova == phys);
	CHECK(viommu_driver_dma_unmap_doorbell(&w.dmas[i].handle, &w.endpoints[e], &passed) == VIOMMU_OK);
	leave();
	end_call(VIOMMU_OK);
}

static void doorbell_unmap(uint32_t k, uint32_t e)
{
	const struct viommu_dma_buffer *b = &w.lists[k].buffers[0];

	if (is_usable(k) && w.lists[k].count == 1 && is_member(w.lists[k].dma, e) &&
	    !is_passed(&w.endpoints[e], b->phys, b->len))
		(void)list_unmap(k, &w.endpoints[e]);
}

static void look_up(uint32_t d, uint64_t iova)
{
	const struct model_domain *domain = &w.model.domains[d];
	viommu_gpa phys = 0;
	enum viommu_result r;

	if (!domain->made)
		return;
	begin_call(CALL_OTHER);
	r = viommu_driver_iova_to_phys(&w.domains[d], iova, &phys);
	leave();
	if (domain->bypass) {
		CHECK(r == VIOMMU_OK && phys == iova);
	} else {
		const struct model_mapping *hit = NULL;

		for (uint32_t i = 0; i < domain->count; i++) {
			if (domain->mappings[i].first <= iova && iova <= domain->mappings[i].last)
				hit = &domain->mappings[i];
		}
		CHECK(r == (hit != NULL ? VIOMMU_OK : VIOMMU_E_NOENT));
		CHECK(hit == NULL || phys == hit->phys + (iova - hit->first));
	}
	end_call(VIOMMU_OK);
}

static void process(uint32_t budget)
{
	uint32_t before = w.fault_count;
	bool more;

	begin_call(CALL_OTHER);
	more = viommu_driver_process(&w.drv, budget);
	leave();
	CHECK(w.waits == 0 && w.kicks[VIOMMU_QUEUE_REQUEST] == 0 && w.kicks[VIOMMU_QUEUE_EVENT] <= 1);
	CHECK(budget != 0 || more);
	CHECK(before - w.fault_count <= budget);
	CHECK(more || !is_running() || !w.faults_known || w.fault_count == 0);
	end_call(VIOMMU_OK);
}

/* The device */

/* A report as the driver has to hand it on, if it is well-formed. */
static void expect_fault(const uint8_t bytes[VIOMMU_WIRE_FAULT_SIZE], uint32_t used)
{
	struct viommu_wire_fault *f = &w.faults[w.fault_count];

	if (used < VIOMMU_WIRE_FAULT_SIZE || bytes[1] != 0 || bytes[2] != 0 || bytes[3] != 0 || !w.faults_known)
		return;
	CHECK(w.fault_count < FAULTS);
	*f = (struct viommu_wire_fault){ .reason = bytes[0] <= VIOMMU_FAULT_R_MAPPING ? bytes[0] : 0 };
	for (unsigned i = 8; i-- > 0;)
		f->address = f->address << 8 | bytes[16 + i];
	for (unsigned i = 4; i-- > 0;) {
		f->flags = f->flags << 8 | bytes[4 + i];
		f->endpoint = f->endpoint << 8 | bytes[8 + i];
	}
	f->flags &= VIOMMU_FAULT_F_READ | VIOMMU_FAULT_F_WRITE | VIOMMU_FAULT_F_ADDRESS;
	w.fault_count++;
}

static void device_event(const uint8_t *bytes, size_t len, uint32_t used)
{
	uint8_t report[VIOMMU_WIRE_FAULT_SIZE] = { 0 };

	memcpy(report, bytes, len < sizeof report ? len : sizeof report);
	if (scripted_event(&w.device, report, sizeof report, used))
		expect_fault(report, used);
}

static void device_lies(void)
{
	w.device.lied = true;
	w.faults_known = false;
}

static void device_scribbles(uint64_t at, const uint8_t *bytes, size_t len)
{
	device_lies();
	for (size_t i = 0; i < len && at + i < w.shared_len; i++)
		w.shared.bytes[at + i] = bytes[i];
}

static void device_config(uint64_t field, uint64_t value)
{
	static const struct {
		uint8_t at, len;
	} fields[] = { { 0, 8 }, { 8, 8 }, { 16, 8 }, { 24, 4 }, { 28, 4 }, { 32, 4 }, { 36, 1 } };

	for (unsigned i = 0; i < fields[field].len; i++)
		w.device.config[fields[field].at + i] = (uint8_t)(value >> (8 * i));
	if (w.device.settle < SCRIPTED_FOREVER - 1)
		w.device.settle++; /* a change is seen */
}

enum {
	START,
	STOP,
	DOMAIN_INIT,
	DOMAIN_DEINIT,
	ENDPOINT_INIT,
	ATTACH,
	DETACH,
	MAP,
	UNMAP,
	SYNC,
	PROCESS,
	LOOK_UP,
	PLAN, /* the device's from here on */
	SERVE,
	RELEASE,
	MUTE,
	EVENT,
	PROPERTIES,
	LIE,
	SCRIBBLE,
	STATUS,
	OFFER,
	CONFIG,
	MOOD,
	RECOVER, /* the driver's again: what came later is at the end, for inputs that are older */
	LOOK,
	ABANDON,
	SHUTDOWN,
	WINDOW,
	IDENTITY,
	DMA_INIT,
	DMA_MAP,
	DMA_UNMAP,
	DMA_FLUSH,
	DOORBELL,
	DOORBELL_UNMAP
};

static const char *const words_when[] = { "now", "wait", "config" };
static const char *const words_effect[] = { "honest", "nothing", "done" };
static const char *const words_used[] = { "all", "none", "part", "more" };
static const char *const words_no_yes[] = { "no", "yes" };
static const char *const words_queue[] = { "request", "event" };
static const char *const words_field[] = { "page_size_mask", "first",      "last",  "domain_first",
					   "domain_last",    "probe_size", "bypass" };
static const char *const words_mood[] = { "refuse_features", "accept_features", "refuse_queue",  "accept_queue",
					  "settle",          "reset",           "request_queue", "event_queue",
					  "keep_bypass",     "store_bypass" };
static const char *const words_handover[] = { "keep", "block", "bypass" };
static const uint32_t hows[] = { 3, 1, 2, 0x103, 5, 0x102, 0, 8 };

#define WHEN SIM_OPS_ARG("when", SIM_OPS_CHOICE, 3, words_when)
#define DOMAIN SIM_OPS_ARG("domain", SIM_OPS_U8, MODEL_DOMAINS, NULL)
#define ENDPOINT SIM_OPS_ARG("endpoint", SIM_OPS_U8, MODEL_ENDPOINTS, NULL)
#define DMA SIM_OPS_ARG("dma", SIM_OPS_U8, DMAS, NULL)
#define LIST SIM_OPS_ARG("list", SIM_OPS_U8, LISTS, NULL)

static const struct sim_ops_verb verbs[] = {
	[START] = { "start", { SIM_OPS_NO_ARGS }, 2 },
	[STOP] = { "stop", { SIM_OPS_NO_ARGS }, 1 },
	[DOMAIN_INIT] = { "domain",
			  { DOMAIN,
			    { "id", SIM_OPS_U64, 0, NULL },
			    { "any", SIM_OPS_CHOICE, 2, words_no_yes },
			    { "bypass", SIM_OPS_CHOICE, 2, words_no_yes } },
			  3 },
	[DOMAIN_DEINIT] = { "domain_deinit", { DOMAIN }, 1 },
	[ENDPOINT_INIT] = { "endpoint", { ENDPOINT, { "capacity", SIM_OPS_U8, REGIONS + 1, NULL } }, 3 },
	[ATTACH] = { "attach", { DOMAIN, ENDPOINT }, 5 },
	[DETACH] = { "detach", { ENDPOINT }, 3 },
	[MAP] = { "map",
		  { DOMAIN,
		    { "first", SIM_OPS_ADDRESS, 0, NULL },
		    { "pages", SIM_OPS_U64, 0, NULL },
		    { "phys", SIM_OPS_ADDRESS, 0, NULL },
		    { "flags", SIM_OPS_U8, 16, NULL } },
		  8 },
	[UNMAP] = { "unmap", { DOMAIN, { "first", SIM_OPS_ADDRESS, 0, NULL }, { "pages", SIM_OPS_U64, 0, NULL } }, 6 },
	[SYNC] = { "sync", { DOMAIN }, 5 },
	[PROCESS] = { "process", { { "budget", SIM_OPS_U8, 0, NULL } }, 2 },
	[LOOK_UP] = { "look_up", { DOMAIN, { "iova", SIM_OPS_ADDRESS, 0, NULL } }, 1 },
	[PLAN] = { "plan",
		   { WHEN,
		     { "effect", SIM_OPS_CHOICE, 3, words_effect },
		     { "status", SIM_OPS_U8, 0, NULL },
		     { "used", SIM_OPS_CHOICE, 4, words_used },
		     { "hold", SIM_OPS_CHOICE, 2, words_no_yes } },
		   6 },
	[SERVE] = { "serve", { WHEN, { "count", SIM_OPS_U8, 0, NULL } }, 3 },
	[RELEASE] = { "release", { WHEN, { "which", SIM_OPS_U8, 0, NULL } }, 4 },
	[MUTE] = { "mute", { WHEN, { "on", SIM_OPS_CHOICE, 2, words_no_yes } }, 2 },
	[EVENT] = { "event",
		    { WHEN,
		      { "used", SIM_OPS_U8, 64, NULL },
		      { "bytes", SIM_OPS_BYTES, VIOMMU_WIRE_FAULT_SIZE, NULL } },
		    2 },
	[PROPERTIES] = { "properties", { WHEN, { "bytes", SIM_OPS_BYTES, SCRIPTED_PROPERTIES, NULL } }, 1 },
	[LIE] = { "lie",
		  { WHEN,
		    { "queue", SIM_OPS_CHOICE, 2, words_queue },
		    { "id", SIM_OPS_U32, 0, NULL },
		    { "len", SIM_OPS_U32, 0, NULL },
		    { "steps", SIM_OPS_U16, 0, NULL } },
		  2 },
	[SCRIBBLE] = { "scribble",
		       { WHEN, { "at", SIM_OPS_U16, SHARED_MAX, NULL }, { "bytes", SIM_OPS_BYTES, 64, NULL } },
		       1 },
	[STATUS] = { "status", { WHEN, { "value", SIM_OPS_U8, 0, NULL } }, 1 },
	[OFFER] = { "offer", { WHEN, { "without", SIM_OPS_U64, 0, NULL } }, 1 },
	[CONFIG] = { "config",
		     { WHEN, { "field", SIM_OPS_CHOICE, 7, words_field }, { "value", SIM_OPS_ADDRESS, 0, NULL } },
		     1 },
	[MOOD] = { "mood", { WHEN, { "what", SIM_OPS_CHOICE, 10, words_mood }, { "value", SIM_OPS_U16, 0, NULL } }, 1 },
	[RECOVER] = { "recover", { SIM_OPS_NO_ARGS }, 3 },
	[LOOK] = { "look", { SIM_OPS_NO_ARGS }, 1 },
	[ABANDON] = { "abandon", { SIM_OPS_NO_ARGS }, 1 },
	[SHUTDOWN] = { "shutdown", { { "handover", SIM_OPS_CHOICE, 3, words_handover } }, 1 },
	/* last and pages of 0: none */
	[WINDOW] = { "window", { DOMAIN, { "first", SIM_OPS_FIRST, 0, NULL }, { "last", SIM_OPS_LAST, 0, NULL } }, 2 },
	/* joining: an endpoint, or 3 for none */
	[IDENTITY] = { "identity",
		       { DOMAIN,
			 { "joining", SIM_OPS_U8, MODEL_ENDPOINTS + 1, NULL },
			 { "first", SIM_OPS_FIRST, 0, NULL },
			 { "last", SIM_OPS_LAST, 0, NULL },
			 { "flags", SIM_OPS_U8, 16, NULL } },
		       3 },
	[DMA_INIT] = { "dma",
		       { DMA,
			 DOMAIN,
			 { "bottom_up", SIM_OPS_CHOICE, 2, words_no_yes },
			 { "deferred", SIM_OPS_U8, DEFERRED + 1, NULL },
			 { "hints", SIM_OPS_CHOICE, 2, words_no_yes },
			 { "first", SIM_OPS_FIRST, 0, NULL },
			 { "last", SIM_OPS_LAST, 0, NULL } },
		       5 },
	[DMA_MAP] = { "dma_map",
		      { DMA,
			LIST,
			{ "count", SIM_OPS_U8, BUFFERS + 1, NULL },
			{ "phys", SIM_OPS_ADDRESS, 0, NULL },
			{ "len", SIM_OPS_U32, 0, NULL },
			{ "step", SIM_OPS_U32, 0, NULL },
			{ "how", SIM_OPS_PICK, sizeof hows / sizeof hows[0], hows } },
		      9 },
	[DMA_UNMAP] = { "dma_unmap", { LIST }, 7 },
	[DMA_FLUSH] = { "dma_flush", { DMA }, 3 },
	[DOORBELL] = { "doorbell",
		       { DMA, LIST, ENDPOINT, { "phys", SIM_OPS_ADDRESS, 0, NULL }, { "len", SIM_OPS_U8, 0, NULL } },
		       1 },
	[DOORBELL_UNMAP] = { "doorbell_unmap", { LIST, ENDPOINT }, 1 },
};

static void device_mood(uint64_t what, uint64_t value)
{
	switch (what) {
	case 0:
	case 1:
		w.device.refuses_features = what == 0;
		break;
	case 2:
	case 3:
		w.device.refuses_queue = what == 2;
		break;
	case 4:
		w.device.settle = (uint8_t)value;
		break;
	case 5:
		w.device.reset_reads = (uint8_t)value;
		break;
	case 8:
	case 9:
		w.device.keeps_bypass = what == 8;
		break;
	default:
		w.device.queue_max[what - 6] = (uint16_t)value;
		break;
	}
}

static void run_device(const struct sim_ops_op *op)
{
	const uint64_t *a = op->arg;

	switch (op->verb) {
	case PLAN:
		if (w.device.plan_count < SCRIPTED_PLANS)
			w.device.plans[w.device.plan_count++] =
				(struct scripted_plan){ (uint8_t)a[1], (uint8_t)a[2], (uint8_t)a[3], a[4] != 0 };
		break;
	case SERVE:
		scripted_serve(&w.device, (uint32_t)a[1]);
		break;
	case RELEASE:
		scripted_release(&w.device, (uint32_t)a[1]);
		break;
	case MUTE:
		w.device.mute = a[1] != 0;
		w.device.lazy |= w.device.mute;
		break;
	case EVENT:
		device_event(op->bytes, op->len, (uint32_t)a[1]);
		break;
	case PROPERTIES:
		memset(w.device.properties, 0, sizeof w.device.properties);
		memcpy(w.device.properties, op->bytes, op->len);
		break;
	case LIE:
		device_lies();
		scripted_put_used(&w.device, (uint32_t)a[1], (uint32_t)a[2], (uint32_t)a[3], (uint16_t)a[4]);
		break;
	case SCRIBBLE:
		device_scribbles(a[1], op->bytes, op->len);
		break;
	case STATUS:
		w.device.status = (uint8_t)a[1];
		w.device.forged = true;
		break;
	case OFFER:
		w.device.offered &= ~a[1];
		break;
	case CONFIG:
		device_config(a[1], a[2]);
		break;
	default:
		device_mood(a[1], a[2]);
		break;
	}
}

static void run_driver(const struct sim_ops_op *op)
{
	const uint64_t *a = op->arg;

	switch (op->verb) {
	case START:
		(void)start();
		break;
	case STOP:
		(void)stop();
		break;
	case DOMAIN_INIT:
		domain_init((uint32_t)a[0], a[2] != 0 ? VIOMMU_DOMAIN_ANY : a[1], a[3] != 0);
		break;
	case DOMAIN_DEINIT:
		(void)domain_deinit((uint32_t)a[0]);
		break;
	case ENDPOINT_INIT:
		(void)endpoint_init((uint32_t)a[0], (uint32_t)a[1]);
		break;
	case ATTACH:
		(void)attach((uint32_t)a[0], (uint32_t)a[1]);
		break;
	case DETACH:
		(void)detach((uint32_t)a[0]);
		break;
	case MAP:
		(void)map((uint32_t)a[0], a[1], a[1] + a[2] * PAGE - 1, a[3], (uint32_t)a[4]);
		break;
	case UNMAP:
		(void)unmap((uint32_t)a[0], a[1], a[1] + a[2] * PAGE - 1);
		break;
	case SYNC:
		(void)sync((uint32_t)a[0]);
		break;
	case PROCESS:
		process((uint32_t)a[0]);
		break;
	default:
		look_up((uint32_t)a[0], a[1]);
		break;
	}
}

static void run_rest(const struct sim_ops_op *op)
{
	const uint64_t *a = op->arg;

	switch (op->verb) {
	case RECOVER:
		(void)recover();
		break;
	case LOOK:
		look();
		break;
	case ABANDON:
		abandon();
		break;
	case SHUTDOWN:
		shutdown((enum viommu_driver_handover)a[0]);
		break;
	case WINDOW:
		set_window((uint32_t)a[0], (struct viommu_range){ a[1], a[2] });
		break;
	case IDENTITY:
		map_identity((uint32_t)a[0], (uint32_t)a[1], a[2], a[3], (uint32_t)a[4]);
		break;
	case DMA_INIT:
		dma_init((uint32_t)a[0], (uint32_t)a[1], a[2] != 0, (uint32_t)a[3], a[4] != 0,
			 (struct viommu_range){ a[5], a[6] });
		break;
	case DMA_MAP:
		dma_map((uint32_t)a[0], (uint32_t)a[1], (uint32_t)a[2], a[3], a[4], a[5], (uint32_t)a[6]);
		break;
	case DMA_UNMAP:
		dma_unmap((uint32_t)a[0]);
		break;
	case DMA_FLUSH:
		dma_flush((uint32_t)a[0]);
		break;
	case DOORBELL:
		doorbell_map((uint32_t)a[0], (uint32_t)a[1], (uint32_t)a[2], a[3], a[4]);
		break;
	default:
		doorbell_unmap((uint32_t)a[0], (uint32_t)a[1]);
		break;
	}
}

static void check_canaries(void)
{
	for (uint32_t i = 0; i < CANARY_LEN; i++)
		CHECK(w.shared.canary0[i] == CANARY);
	for (size_t i = w.shared_len; i < w.shared_len + CANARY_LEN; i++)
		CHECK(w.shared.bytes[i] == CANARY);
}

/* Between calls, when nobody holds the lock. */
static void check_driver(void)
{
	CHECK(viommu_driver_check(&w.drv));
	for (uint32_t i = 0; i < MODEL_ENDPOINTS; i++)
		CHECK(viommu_driver_endpoint_check(&w.endpoints[i]));
	for (uint32_t i = 0; i < MODEL_ENDPOINTS; i++) {
		uint32_t d = w.model.lost[i];

		CHECK(w.endpoints[i].drv == NULL || w.endpoints[i].lost == (d == MODEL_NOTHING ? NULL : &w.domains[d]));
	}
}

static void run(void *world, const struct sim_ops_op *op)
{
	(void)world;
	if (op->verb < PLAN)
		run_driver(op);
	else if (op->verb >= RECOVER)
		run_rest(op);
	else if (op->arg[0] == 1)
		put_off(&w.at_wait, op);
	else if (op->arg[0] == 2)
		put_off(&w.at_config, op);
	else
		run_device(op);
	if (++w.operations % CHECK_EVERY == 0)
		check_driver();
}

static void *begin(void)
{
	struct viommu_driver_config config = VIOMMU_DRIVER_CONFIG_INIT;
	struct viommu_shared_memory shared = { .base = w.shared.bytes, .addr = BUS };
	size_t len;

	config.queue_size = QUEUE_SIZE;
	config.event_count = EVENT_COUNT;
	config.probe_size_max = SCRIPTED_PROPERTIES;
	config.ops = &driver_ops;
	CHECK(viommu_driver_mem_size(&config, &len, &w.shared_len) == VIOMMU_OK);
	CHECK(w.shared_len + CANARY_LEN <= SHARED_MAX && len + NODES * VIOMMU_MAP_NODE_SIZE <= PRIVATE_MAX);
	memset(&w.shared, CANARY, sizeof w.shared);
	memset(w.private_memory, 0xa5, len);
	memset(w.endpoints, 0, sizeof w.endpoints);
	w.at_wait.count = 0;
	w.at_config.count = 0;
	memset(w.dmas, 0, sizeof w.dmas);
	memset(w.lists, 0, sizeof w.lists);
	w.recovering = false;
	w.storing = false;
	w.depth = 0;
	w.running = false;
	w.starting = false;
	w.fault_count = 0;
	w.faults_known = false;
	w.operations = 0;
	shared.len = w.shared_len;
	CHECK(viommu_driver_init(&w.drv, &config, w.private_memory, len + NODES * VIOMMU_MAP_NODE_SIZE, &shared) ==
	      VIOMMU_OK);
	scripted_init(&w.device, w.shared.bytes, BUS, w.shared_len);
	w.device.on_config = on_config;
	w.device.on_notify = on_notify;
	w.device.on_driver_ok = on_driver_ok;
	w.device.on_bypass = on_bypass;
	w.model.drv = &w.drv;
	w.model.handles = w.domains;
	w.model.endpoint_handles = w.endpoints;
	w.model.device = &w.device;
	driver_model_reset(&w.model);
	return &w;
}

/* Nothing was lost: all map nodes are free once more, and all slots. */
static void check_balance(void)
{
	uint32_t slots = 0;

	(void)viommu_map_pool_reclaim(&w.drv.pool, UINT32_MAX);
	CHECK(viommu_map_pool_free(&w.drv.pool) == viommu_map_pool_total(&w.drv.pool));
	for (const struct viommu_driver_slot *s = w.drv.free_slots; s != NULL; s = s->next)
		CHECK(++slots <= w.model.limits.slots);
	CHECK(slots == w.model.limits.slots);
}

/* Whatever happened: with a device that has come to its senses, a fresh start works, and so does all the rest. */
static void end(void *world)
{
	static const uint8_t report[VIOMMU_WIRE_FAULT_SIZE] = { 2, [4] = 1, [5] = 1, [8] = 8, [17] = 0x10 };
	enum viommu_result r;

	(void)world;
	check_driver();
	w.at_wait.count = 0;
	w.at_config.count = 0;
	scripted_calm(&w.device);
	if (w.drv.registers != NULL) {
		r = recover();
		CHECK(r == VIOMMU_OK || r == VIOMMU_E_RANGE);
		check_driver();
	}
	CHECK(stop() == VIOMMU_OK);
	for (uint32_t d = 0; d < MODEL_DOMAINS; d++)
		CHECK(domain_deinit(d) == VIOMMU_OK);
	CHECK(start() == VIOMMU_OK);
	check_balance();
	domain_init(0, VIOMMU_DOMAIN_ANY, false);
	CHECK(endpoint_init(1, 1) == VIOMMU_OK);
	CHECK(map(0, 0, PAGE - 1, PAGE, 1) == VIOMMU_OK);
	CHECK(attach(0, 1) == VIOMMU_OK);
	CHECK(map(0, 4 * PAGE, 6 * PAGE - 1, 0, 3) == VIOMMU_OK);
	CHECK(sync(0) == VIOMMU_OK);
	CHECK(w.device.mapping_count == 2);
	CHECK(unmap(0, 0, 8 * PAGE - 1) == VIOMMU_OK);
	CHECK(sync(0) == VIOMMU_OK);
	CHECK(w.device.mapping_count == 0 && w.model.domains[0].count == 0);
	dma_init(0, 0, false, 0, true, (struct viommu_range){ 0, UINT32_MAX });
	dma_map(0, 0, BUFFERS, PAGE - 1, 2, 4 * PAGE, VIOMMU_DMA_BIDIRECTIONAL);
	CHECK(w.lists[0].made && w.device.mapping_count == BUFFERS && recover() == VIOMMU_OK);
	CHECK(w.device.mapping_count == BUFFERS && list_unmap(0, NULL) == VIOMMU_OK && w.device.mapping_count == 0);
	for (uint32_t i = 0; i < EVENT_COUNT + 1; i++) {
		device_event(report, sizeof report, sizeof report);
		CHECK(w.fault_count == 1);
		process(4);
	}
	CHECK(detach(1) == VIOMMU_OK && domain_deinit(0) == VIOMMU_OK);
	CHECK(w.device.domain_of[1] == SCRIPTED_NOWHERE);
	check_balance();
	check_driver();
	check_canaries();
}

const struct sim_ops_target sim_ops_driver = {
	.name = "driver",
	.verbs = verbs,
	.verb_count = sizeof verbs / sizeof verbs[0],
	.begin = begin,
	.run = run,
	.end = end,
};
