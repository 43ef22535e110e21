/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_driver.c: the whole driver against a device that is scripted by the same stream (scripted.h). Operations are
 * calls of the driver, and what the device does: now, at a later call of the wait hook, or while the configuration is
 * read.
 *
 * driver_model.h foretells the records and the reports; driver_calls.h has the results of calls, the hooks (which lock
 * is held, how often they are called), the parts of the shared memory that are the device's to write, PROBE replies
 * against a second parser, and what dma.h says of addresses; here are the operations, and what the device does.
 */
#include <string.h>

#include "driver_calls.h"
#include "targets.h"

#define CHECK SIM_OPS_CHECK
#define CANARY 0x3cu
#define CHECK_EVERY 16u /* operations */

/* The device */

/* A report as the driver has to hand it on, if it is well-formed. */
static void expect_fault(const uint8_t bytes[VIOMMU_WIRE_FAULT_SIZE], uint32_t used)
{
	struct viommu_wire_fault *f = &w->faults[w->fault_count];

	if (used < VIOMMU_WIRE_FAULT_SIZE || bytes[1] != 0 || bytes[2] != 0 || bytes[3] != 0 || !w->faults_known)
		return;
	CHECK(w->fault_count < WORLD_FAULTS);
	*f = (struct viommu_wire_fault){ .reason = bytes[0] <= VIOMMU_FAULT_R_MAPPING ? bytes[0] : 0 };
	for (unsigned i = 8; i-- > 0;)
		f->address = f->address << 8 | bytes[16 + i];
	for (unsigned i = 4; i-- > 0;) {
		f->flags = f->flags << 8 | bytes[4 + i];
		f->endpoint = f->endpoint << 8 | bytes[8 + i];
	}
	f->flags &= VIOMMU_FAULT_F_READ | VIOMMU_FAULT_F_WRITE | VIOMMU_FAULT_F_ADDRESS;
	w->fault_count++;
}

static void device_event(const uint8_t *bytes, size_t len, uint32_t used)
{
	uint8_t report[VIOMMU_WIRE_FAULT_SIZE] = { 0 };

	memcpy(report, bytes, len < sizeof report ? len : sizeof report);
	if (scripted_event(&w->device, report, sizeof report, used))
		expect_fault(report, used);
}

static void device_lies(void)
{
	w->device.lied = true;
	w->faults_known = false;
}

static void device_scribbles(uint64_t at, const uint8_t *bytes, size_t len)
{
	device_lies();
	for (size_t i = 0; i < len && at + i < w->shared_len; i++)
		w->shared.bytes[at + i] = bytes[i];
}

static void device_config(uint64_t field, uint64_t value)
{
	static const struct {
		uint8_t at, len;
	} fields[] = { { 0, 8 }, { 8, 8 }, { 16, 8 }, { 24, 4 }, { 28, 4 }, { 32, 4 }, { 36, 1 } };

	for (unsigned i = 0; i < fields[field].len; i++)
		w->device.config[fields[field].at + i] = (uint8_t)(value >> (8 * i));
	if (w->device.settle < SCRIPTED_FOREVER - 1)
		w->device.settle++; /* a change is seen */
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
#define DMA SIM_OPS_ARG("dma", SIM_OPS_U8, WORLD_DMAS, NULL)
#define LIST SIM_OPS_ARG("list", SIM_OPS_U8, WORLD_LISTS, NULL)

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
	[ENDPOINT_INIT] = { "endpoint", { ENDPOINT, { "capacity", SIM_OPS_U8, WORLD_REGIONS + 1, NULL } }, 3 },
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
		       { WHEN, { "at", SIM_OPS_U16, WORLD_SHARED_MAX, NULL }, { "bytes", SIM_OPS_BYTES, 64, NULL } },
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
			 { "deferred", SIM_OPS_U8, WORLD_DEFERRED + 1, NULL },
			 { "hints", SIM_OPS_CHOICE, 2, words_no_yes },
			 { "first", SIM_OPS_FIRST, 0, NULL },
			 { "last", SIM_OPS_LAST, 0, NULL } },
		       5 },
	[DMA_MAP] = { "dma_map",
		      { DMA,
			LIST,
			{ "count", SIM_OPS_U8, WORLD_BUFFERS + 1, NULL },
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
		w->device.refuses_features = what == 0;
		break;
	case 2:
	case 3:
		w->device.refuses_queue = what == 2;
		break;
	case 4:
		w->device.settle = (uint8_t)value;
		break;
	case 5:
		w->device.reset_reads = (uint8_t)value;
		break;
	case 8:
	case 9:
		w->device.keeps_bypass = what == 8;
		break;
	default:
		w->device.queue_max[what - 6] = (uint16_t)value;
		break;
	}
}

void driver_calls_device_does(const struct sim_ops_op *op)
{
	const uint64_t *a = op->arg;

	switch (op->verb) {
	case PLAN:
		if (w->device.plan_count < SCRIPTED_PLANS)
			w->device.plans[w->device.plan_count++] =
				(struct scripted_plan){ (uint8_t)a[1], (uint8_t)a[2], (uint8_t)a[3], a[4] != 0 };
		break;
	case SERVE:
		scripted_serve(&w->device, (uint32_t)a[1]);
		break;
	case RELEASE:
		scripted_release(&w->device, (uint32_t)a[1]);
		break;
	case MUTE:
		w->device.mute = a[1] != 0;
		w->device.lazy |= w->device.mute;
		break;
	case EVENT:
		device_event(op->bytes, op->len, (uint32_t)a[1]);
		break;
	case PROPERTIES:
		memset(w->device.properties, 0, sizeof w->device.properties);
		memcpy(w->device.properties, op->bytes, op->len);
		break;
	case LIE:
		device_lies();
		scripted_put_used(&w->device, (uint32_t)a[1], (uint32_t)a[2], (uint32_t)a[3], (uint16_t)a[4]);
		break;
	case SCRIBBLE:
		device_scribbles(a[1], op->bytes, op->len);
		break;
	case STATUS:
		w->device.status = (uint8_t)a[1];
		w->device.forged = true;
		break;
	case OFFER:
		w->device.offered &= ~a[1];
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
		(void)driver_calls_start();
		break;
	case STOP:
		(void)driver_calls_stop();
		break;
	case DOMAIN_INIT:
		driver_calls_domain_init((uint32_t)a[0], a[2] != 0 ? VIOMMU_DOMAIN_ANY : a[1], a[3] != 0);
		break;
	case DOMAIN_DEINIT:
		(void)driver_calls_domain_deinit((uint32_t)a[0]);
		break;
	case ENDPOINT_INIT:
		(void)driver_calls_endpoint_init((uint32_t)a[0], (uint32_t)a[1]);
		break;
	case ATTACH:
		(void)driver_calls_attach((uint32_t)a[0], (uint32_t)a[1]);
		break;
	case DETACH:
		(void)driver_calls_detach((uint32_t)a[0]);
		break;
	case MAP:
		(void)driver_calls_map((uint32_t)a[0], a[1], a[1] + a[2] * WORLD_PAGE - 1, a[3], (uint32_t)a[4]);
		break;
	case UNMAP:
		(void)driver_calls_unmap((uint32_t)a[0], a[1], a[1] + a[2] * WORLD_PAGE - 1);
		break;
	case SYNC:
		(void)driver_calls_sync((uint32_t)a[0]);
		break;
	case PROCESS:
		driver_calls_process((uint32_t)a[0]);
		break;
	default:
		driver_calls_look_up((uint32_t)a[0], a[1]);
		break;
	}
}

static void run_rest(const struct sim_ops_op *op)
{
	const uint64_t *a = op->arg;

	switch (op->verb) {
	case RECOVER:
		(void)driver_calls_recover();
		break;
	case LOOK:
		driver_calls_look();
		break;
	case ABANDON:
		driver_calls_abandon();
		break;
	case SHUTDOWN:
		driver_calls_shutdown((enum viommu_driver_handover)a[0]);
		break;
	case WINDOW:
		driver_calls_set_window((uint32_t)a[0], (struct viommu_range){ a[1], a[2] });
		break;
	case IDENTITY:
		driver_calls_map_identity((uint32_t)a[0], (uint32_t)a[1], a[2], a[3], (uint32_t)a[4]);
		break;
	case DMA_INIT:
		driver_calls_dma_init((uint32_t)a[0], (uint32_t)a[1], a[2] != 0, (uint32_t)a[3], a[4] != 0,
				      (struct viommu_range){ a[5], a[6] });
		break;
	case DMA_MAP:
		driver_calls_dma_map((uint32_t)a[0], (uint32_t)a[1], (uint32_t)a[2], a[3], a[4], a[5], (uint32_t)a[6]);
		break;
	case DMA_UNMAP:
		driver_calls_dma_unmap((uint32_t)a[0]);
		break;
	case DMA_FLUSH:
		driver_calls_dma_flush((uint32_t)a[0]);
		break;
	case DOORBELL:
		driver_calls_doorbell_map((uint32_t)a[0], (uint32_t)a[1], (uint32_t)a[2], a[3], a[4]);
		break;
	default:
		driver_calls_doorbell_unmap((uint32_t)a[0], (uint32_t)a[1]);
		break;
	}
}

static void check_canaries(void)
{
	for (uint32_t i = 0; i < WORLD_CANARY_LEN; i++)
		CHECK(w->shared.canary0[i] == CANARY);
	for (size_t i = w->shared_len; i < w->shared_len + WORLD_CANARY_LEN; i++)
		CHECK(w->shared.bytes[i] == CANARY);
}

/* Between calls, when nobody holds the lock. */
static void check_driver(void)
{
	CHECK(viommu_driver_check(&w->drv));
	for (uint32_t i = 0; i < MODEL_ENDPOINTS; i++)
		CHECK(viommu_driver_endpoint_check(&w->endpoints[i]));
	for (uint32_t i = 0; i < MODEL_ENDPOINTS; i++) {
		uint32_t d = w->model.lost[i];

		CHECK(w->endpoints[i].drv == NULL ||
		      w->endpoints[i].lost == (d == MODEL_NOTHING ? NULL : &w->domains[d]));
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
		driver_calls_put_off(&w->at_wait, op);
	else if (op->arg[0] == 2)
		driver_calls_put_off(&w->at_config, op);
	else
		driver_calls_device_does(op);
	if (++w->operations % CHECK_EVERY == 0)
		check_driver();
}

static void *begin(void)
{
	struct viommu_driver_config config = VIOMMU_DRIVER_CONFIG_INIT;
	struct viommu_shared_memory shared = { .base = w->shared.bytes, .addr = WORLD_BUS };
	size_t len;

	config.queue_size = WORLD_QUEUE_SIZE;
	config.event_count = WORLD_EVENT_COUNT;
	config.probe_size_max = SCRIPTED_PROPERTIES;
	config.ops = &driver_calls_ops;
	CHECK(viommu_driver_mem_size(&config, &len, &w->shared_len) == VIOMMU_OK);
	CHECK(w->shared_len + WORLD_CANARY_LEN <= WORLD_SHARED_MAX &&
	      len + WORLD_NODES * VIOMMU_MAP_NODE_SIZE <= WORLD_PRIVATE_MAX);
	memset(&w->shared, CANARY, sizeof w->shared);
	memset(w->private_memory, 0xa5, len);
	memset(w->endpoints, 0, sizeof w->endpoints);
	w->at_wait.count = 0;
	w->at_config.count = 0;
	memset(w->dmas, 0, sizeof w->dmas);
	memset(w->lists, 0, sizeof w->lists);
	w->recovering = false;
	w->storing = false;
	w->depth = 0;
	w->running = false;
	w->starting = false;
	w->fault_count = 0;
	w->faults_known = false;
	w->operations = 0;
	shared.len = w->shared_len;
	CHECK(viommu_driver_init(&w->drv, &config, w->private_memory, len + WORLD_NODES * VIOMMU_MAP_NODE_SIZE,
				 &shared) == VIOMMU_OK);
	scripted_init(&w->device, w->shared.bytes, WORLD_BUS, w->shared_len);
	w->device.on_config = driver_calls_on_config;
	w->device.on_notify = driver_calls_on_notify;
	w->device.on_driver_ok = driver_calls_on_driver_ok;
	w->device.on_bypass = driver_calls_on_bypass;
	w->model.drv = &w->drv;
	w->model.handles = w->domains;
	w->model.endpoint_handles = w->endpoints;
	w->model.device = &w->device;
	driver_model_reset(&w->model);
	return w;
}

/* Nothing was lost: all map nodes are free once more, and all slots. */
static void check_balance(void)
{
	uint32_t slots = 0;

	(void)viommu_map_pool_reclaim(&w->drv.pool, UINT32_MAX);
	CHECK(viommu_map_pool_free(&w->drv.pool) == viommu_map_pool_total(&w->drv.pool));
	for (const struct viommu_driver_slot *s = w->drv.free_slots; s != NULL; s = s->next)
		CHECK(++slots <= w->model.limits.slots);
	CHECK(slots == w->model.limits.slots);
}

/* Whatever happened: with a device that has come to its senses, a fresh start works, and so does all the rest. */
static void end(void *world)
{
	static const uint8_t report[VIOMMU_WIRE_FAULT_SIZE] = { 2, [4] = 1, [5] = 1, [8] = 8, [17] = 0x10 };
	enum viommu_result r;

	(void)world;
	check_driver();
	w->at_wait.count = 0;
	w->at_config.count = 0;
	scripted_calm(&w->device);
	if (w->drv.registers != NULL) {
		r = driver_calls_recover();
		CHECK(r == VIOMMU_OK || r == VIOMMU_E_RANGE);
		check_driver();
	}
	CHECK(driver_calls_stop() == VIOMMU_OK);
	for (uint32_t d = 0; d < MODEL_DOMAINS; d++)
		CHECK(driver_calls_domain_deinit(d) == VIOMMU_OK);
	CHECK(driver_calls_start() == VIOMMU_OK);
	check_balance();
	driver_calls_domain_init(0, VIOMMU_DOMAIN_ANY, false);
	CHECK(driver_calls_endpoint_init(1, 1) == VIOMMU_OK);
	CHECK(driver_calls_map(0, 0, WORLD_PAGE - 1, WORLD_PAGE, 1) == VIOMMU_OK);
	CHECK(driver_calls_attach(0, 1) == VIOMMU_OK);
	CHECK(driver_calls_map(0, 4 * WORLD_PAGE, 6 * WORLD_PAGE - 1, 0, 3) == VIOMMU_OK);
	CHECK(driver_calls_sync(0) == VIOMMU_OK);
	CHECK(w->device.mapping_count == 2);
	CHECK(driver_calls_unmap(0, 0, 8 * WORLD_PAGE - 1) == VIOMMU_OK);
	CHECK(driver_calls_sync(0) == VIOMMU_OK);
	CHECK(w->device.mapping_count == 0 && w->model.domains[0].count == 0);
	driver_calls_dma_init(0, 0, false, 0, true, (struct viommu_range){ 0, UINT32_MAX });
	driver_calls_dma_map(0, 0, WORLD_BUFFERS, WORLD_PAGE - 1, 2, 4 * WORLD_PAGE, VIOMMU_DMA_BIDIRECTIONAL);
	CHECK(w->lists[0].made && w->device.mapping_count == WORLD_BUFFERS && driver_calls_recover() == VIOMMU_OK);
	CHECK(w->device.mapping_count == WORLD_BUFFERS && driver_calls_list_unmap(0, NULL) == VIOMMU_OK &&
	      w->device.mapping_count == 0);
	for (uint32_t i = 0; i < WORLD_EVENT_COUNT + 1; i++) {
		device_event(report, sizeof report, sizeof report);
		CHECK(w->fault_count == 1);
		driver_calls_process(4);
	}
	CHECK(driver_calls_detach(1) == VIOMMU_OK && driver_calls_domain_deinit(0) == VIOMMU_OK);
	CHECK(w->device.domain_of[1] == SCRIPTED_NOWHERE);
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
