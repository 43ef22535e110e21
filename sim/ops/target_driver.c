/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_driver.c: the whole driver against a device that is scripted by the same stream (scripted.h). Operations are
 * calls of the driver, and what the device does: now, at a later call of the wait hook, or while the configuration is
 * read.
 *
 * driver_model.h foretells the records and the reports; here are the results of calls, the hooks (which lock is held,
 * how often they are called), the parts of the shared memory that are the device's to write, PROBE replies against a
 * second parser, and fault reports.
 */
#include <string.h>

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

/* An operation of the device that was put off. */
struct later {
	struct sim_ops_op op;
	uint8_t bytes[LATER_BYTES];
};

struct later_list {
	struct later items[LATER];
	uint32_t count;
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
	/* in this call */
	uint32_t waits, locks, kicks[VIOMMU_QUEUE_COUNT];
	uint32_t next_attempt;
	uint32_t idle; /* attempts at which the device did nothing out of the ordinary */
	bool starting;
	bool running; /* the driver, not a hook */
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
	(void)ctx;
	(void)run_later(&w.at_config);
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
	w.device.lied = false;
	w.device.lazy = false;
	w.fault_count = 0;
	w.faults_known = true;
	driver_model_started(&w.model);
	check_limits();
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
		driver_model_stopped(&w.model);
		driver_model_check(&w.model, r);
	} else {
		leave();
		end_call(r);
	}
	return r;
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
	}
	end_call(r);
}

static enum viommu_result domain_deinit(uint32_t d)
{
	bool free = driver_model_is_dead(&w.model, d) && !driver_model_in_flight(&w.model, d);
	enum viommu_result r;

	if (!w.model.domains[d].made)
		return VIOMMU_OK;
	begin_call(CALL_OTHER);
	r = viommu_driver_domain_deinit(&w.domains[d]);
	leave();
	CHECK(r == (free ? VIOMMU_OK : VIOMMU_E_STATE));
	if (free)
		w.model.domains[d].made = false;
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

	if (handle->drv != NULL && (viommu_driver_endpoint_domain(handle) != NULL || w.model.may[e] != 0))
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
	was_misfit = regions_are_mapped(d, e) || record_is_misfit(d);
	was_unable = record_needs_feature(d);
	was_unknown = is_unknown(d);
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
	enum viommu_result r;
	uint8_t status;

	w.model.endpoint = e;
	begin_call(CALL_DETACH);
	r = viommu_driver_detach(handle, &status);
	leave();
	switch (r) {
	case VIOMMU_OK:
		CHECK(w.model.may[e] == 0 && viommu_driver_endpoint_domain(handle) == NULL);
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

static enum viommu_result unmap(uint32_t d, uint64_t first, uint64_t last)
{
	enum viommu_result r;

	if (!w.model.domains[d].made)
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
	MOOD
};

static const char *const words_when[] = { "now", "wait", "config" };
static const char *const words_effect[] = { "honest", "nothing", "done" };
static const char *const words_used[] = { "all", "none", "part", "more" };
static const char *const words_no_yes[] = { "no", "yes" };
static const char *const words_queue[] = { "request", "event" };
static const char *const words_field[] = { "page_size_mask", "first",      "last",  "domain_first",
					   "domain_last",    "probe_size", "bypass" };
static const char *const words_mood[] = { "refuse_features", "accept_features", "refuse_queue",  "accept_queue",
					  "settle",          "reset",           "request_queue", "event_queue" };

#define WHEN SIM_OPS_ARG("when", SIM_OPS_CHOICE, 3, words_when)
#define DOMAIN SIM_OPS_ARG("domain", SIM_OPS_U8, MODEL_DOMAINS, NULL)
#define ENDPOINT SIM_OPS_ARG("endpoint", SIM_OPS_U8, MODEL_ENDPOINTS, NULL)

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
	[MOOD] = { "mood", { WHEN, { "what", SIM_OPS_CHOICE, 8, words_mood }, { "value", SIM_OPS_U16, 0, NULL } }, 1 },
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
}

static void run(void *world, const struct sim_ops_op *op)
{
	(void)world;
	if (op->verb < PLAN)
		run_driver(op);
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

	(void)world;
	check_driver();
	w.at_wait.count = 0;
	w.at_config.count = 0;
	scripted_calm(&w.device);
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
