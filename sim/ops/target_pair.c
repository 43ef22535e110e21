/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_pair.c: driver and device back to back, both honest, over a wire that is not: operations change bytes of the
 * shared memory, at once or between any two steps of either side. A step is a hook of the driver (wait, lock, unlock),
 * a register, or the device asking for a piece of guest memory.
 *
 * The requests that the device accepts are read from the buffers in which it read them, and a list of mappings is kept
 * by them: what the device has mapped is that list, and translations lead where it says, whatever the driver meant.
 * A revocation is not answered while a section is open that has used the translation. Both sides have to stay within
 * their results and bounds, and after a reset everything works again, with all nodes and slots back. While nobody has
 * touched the wire since the last start, both sides have to agree as well.
 *
 * The device has pointers to guest memory, or it copies, and then each copy is a step. It is told of changes of guest
 * memory, and these are not settled while a section is open that is older.
 */
#include <string.h>

#include "pair.h"
#include "targets.h"

#define CHECK SIM_OPS_CHECK
#define PAGE UINT64_C(0x1000) /* of addresses in operations; the granule is smaller */
#define CANARY 0x66u
#define CHECK_EVERY 16u /* operations */

/* Accesses of endpoints */

static const struct pair_mapping *mapping_of(uint32_t e, uint64_t iova)
{
	for (uint32_t i = 0; i < w->mapping_count; i++) {
		const struct pair_mapping *m = &w->mappings[i];

		if (m->domain == w->domain_of[e] && m->first <= iova && iova <= m->last)
			return m;
	}
	return NULL;
}

/* Does this byte of the piece lead where the mapping that it is in says? */
static void check_byte(uint32_t e, uint64_t iova, uint32_t kind, uint64_t gpa)
{
	const struct pair_mapping *m = mapping_of(e, iova);

	CHECK(m != NULL && (m->flags & kind) == kind && gpa == m->phys + (iova - m->first));
}

/* In a section that is open. Returns whether it led anywhere. */
static bool translate(uint32_t e, uint64_t iova, uint32_t kind)
{
	bool doorbell = e == 1 && iova >= pair_msi[0].range.first && iova <= pair_msi[0].range.last;
	struct viommu_translation t;
	enum viommu_result r = viommu_access_translate(&w->accesses[e], iova, 4 * PAGE, kind, &t);
	const struct pair_mapping *m = mapping_of(e, iova);

	CHECK(r == VIOMMU_OK || r == VIOMMU_E_FAULT);
	if (w->lost)
		return false;
	if (w->domain_of[e] == PAIR_NOWHERE) {
		CHECK(w->bypass ? r == VIOMMU_OK && t.gpa == iova : r == VIOMMU_E_FAULT);
	} else if (w->bypass_of[e]) {
		CHECK(r == VIOMMU_OK && t.gpa == iova);
	} else if (doorbell) {
		CHECK(r == VIOMMU_OK && t.msi && t.gpa == iova && t.length - 1 <= pair_msi[0].range.last - iova);
	} else if (m != NULL && (m->flags & kind) == kind) {
		CHECK(r == VIOMMU_OK && t.length >= 1 && t.length <= 4 * PAGE);
		check_byte(e, iova, kind, t.gpa);
		check_byte(e, iova + (t.length - 1), kind, t.gpa + (t.length - 1));
		check_byte(e, iova + t.length / 2, kind, t.gpa + t.length / 2);
	} else {
		CHECK(r == VIOMMU_E_FAULT);
	}
	return r == VIOMMU_OK;
}

/* An address that is likely to mean something: around the ends of one of the mappings. */
static uint64_t pick(uint64_t which, uint64_t offset)
{
	const struct pair_mapping *m = &w->mappings[w->mapping_count != 0 ? which % w->mapping_count : 0];

	if (w->mapping_count == 0)
		return offset;
	return (offset & 1) != 0 ? m->last + 2 - (offset >> 1) : m->first - 2 + (offset >> 1);
}

static void access_once(uint32_t e, uint64_t iova, uint32_t kind)
{
	struct viommu_access_token token;

	CHECK(viommu_access_begin(&w->accesses[e], &token) == VIOMMU_OK);
	(void)translate(e, iova, kind);
	viommu_access_end(&w->accesses[e], token);
}

static void section_open(uint32_t i, uint32_t e, uint64_t iova, uint32_t kind)
{
	struct pair_section *s = &w->sections[i];

	if (s->open)
		return;
	CHECK(viommu_access_begin(&w->accesses[e], &s->token) == VIOMMU_OK);
	s->open = true;
	s->outdated = false;
	w->delayed = true;
	s->endpoint = e;
	s->iova = iova;
	s->used = translate(e, iova, kind) && !w->lost && w->domain_of[e] != PAIR_NOWHERE && !w->bypass_of[e];
	s->domain = s->used ? (uint32_t)w->domain_of[e] : 0;
}

static void section_close(uint32_t i)
{
	struct pair_section *s = &w->sections[i];

	if (s->open)
		viommu_access_end(&w->accesses[s->endpoint], s->token);
	s->open = false;
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
	STEP,
	ACCESS,
	OPEN,
	CLOSE,
	MEDDLE,
	FLIP,
	CHANGE,
	RECOVER, /* what came later is at the end, for inputs that are older */
	LOOK,
	SHUTDOWN,
	WINDOW,
	IDENTITY,
	DMA_INIT,
	DMA_MAP,
	DMA_UNMAP,
	DMA_FLUSH
};

/* Ring features besides those that everybody has; the number of a word is the set of them. */
static const uint64_t more_features[] = { VIOMMU_F_ORDER_PLATFORM, VIOMMU_F_NOTIFICATION_DATA, VIOMMU_F_IN_ORDER };
static const char *const words_features[] = { "usual", "platform",       "data",       "platform+data",
					      "order", "order+platform", "order+data", "order+platform+data" };

#define USUAL_FEATURES (VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX)

static uint64_t features_of(uint64_t set)
{
	uint64_t features = USUAL_FEATURES;

	for (unsigned i = 0; i < sizeof more_features / sizeof more_features[0]; i++)
		features |= (set >> i & 1) != 0 ? more_features[i] : 0;
	return features;
}

static const char *const words_memory[] = { "pointers", "copied" };
static const char *const words_no_yes[] = { "no", "yes" };
static const char *const words_kind[] = { "read", "write", "both" };
static const char *const words_handover[] = { "keep", "block", "bypass" };
static const uint32_t hows[] = { 3, 1, 2, 7, 0, 8 };

#define DOMAIN SIM_OPS_ARG("domain", SIM_OPS_U8, PAIR_DOMAINS, NULL)
#define ENDPOINT SIM_OPS_ARG("endpoint", SIM_OPS_U8, PAIR_ENDPOINTS, NULL)
#define FIRST SIM_OPS_ARG("first", SIM_OPS_FIRST, 0, NULL)
#define LAST SIM_OPS_ARG("last", SIM_OPS_LAST, 0, NULL)
#define DMA SIM_OPS_ARG("dma", SIM_OPS_U8, PAIR_DMAS, NULL)
#define LIST SIM_OPS_ARG("list", SIM_OPS_U8, PAIR_LISTS, NULL)
#define KIND SIM_OPS_ARG("kind", SIM_OPS_CHOICE, 3, words_kind)
#define WHICH SIM_OPS_ARG("which", SIM_OPS_U8, 0, NULL)
#define OFFSET SIM_OPS_ARG("offset", SIM_OPS_U16, 0, NULL)
#define SECTION SIM_OPS_ARG("section", SIM_OPS_U8, PAIR_SECTIONS, NULL)
#define DELAY SIM_OPS_ARG("delay", SIM_OPS_U8, 0, NULL)
#define PLACE SIM_OPS_ARG("at", SIM_OPS_U16, PAIR_SHARED_MAX, NULL)

static const struct sim_ops_verb verbs[] = {
	[START] = { "start",
		    { { "features", SIM_OPS_CHOICE, sizeof words_features / sizeof words_features[0], words_features },
		      { "memory", SIM_OPS_CHOICE, 2, words_memory } },
		    2 },
	[STOP] = { "stop", { SIM_OPS_NO_ARGS }, 1 },
	[DOMAIN_INIT] = { "domain", { DOMAIN, { "bypass", SIM_OPS_CHOICE, 2, words_no_yes } }, 2 },
	[DOMAIN_DEINIT] = { "domain_deinit", { DOMAIN }, 1 },
	[ENDPOINT_INIT] = { "endpoint", { ENDPOINT }, 2 },
	[ATTACH] = { "attach", { DOMAIN, ENDPOINT }, 5 },
	[DETACH] = { "detach", { ENDPOINT }, 3 },
	[MAP] = { "map",
		  { DOMAIN,
		    { "first", SIM_OPS_ADDRESS, 0, NULL },
		    { "pages", SIM_OPS_U32, 0, NULL },
		    { "phys", SIM_OPS_ADDRESS, 0, NULL },
		    { "flags", SIM_OPS_U8, 8, NULL } },
		  8 },
	[UNMAP] = { "unmap", { DOMAIN, { "first", SIM_OPS_ADDRESS, 0, NULL }, { "pages", SIM_OPS_U32, 0, NULL } }, 5 },
	[SYNC] = { "sync", { DOMAIN }, 5 },
	[PROCESS] = { "process", { { "budget", SIM_OPS_U8, 0, NULL } }, 2 },
	[STEP] = { "step", { { "count", SIM_OPS_U8, 16, NULL } }, 3 },
	[ACCESS] = { "access", { ENDPOINT, WHICH, OFFSET, KIND }, 4 },
	[OPEN] = { "open", { SECTION, ENDPOINT, WHICH, OFFSET, KIND }, 2 },
	[CLOSE] = { "close", { SECTION }, 2 },
	/* delay: that many steps */
	[MEDDLE] = { "meddle", { DELAY, PLACE, { "bytes", SIM_OPS_BYTES, PAIR_MEDDLE_BYTES, NULL } }, 5 },
	[FLIP] = { "flip", { DELAY, PLACE, { "mask", SIM_OPS_U8, 0, NULL } }, 5 },
	[CHANGE] = { "change", { SIM_OPS_NO_ARGS }, 1 },
	[RECOVER] = { "recover", { SIM_OPS_NO_ARGS }, 3 },
	[LOOK] = { "look", { SIM_OPS_NO_ARGS }, 1 },
	[SHUTDOWN] = { "shutdown", { { "handover", SIM_OPS_CHOICE, 3, words_handover } }, 1 },
	[WINDOW] = { "window", { DOMAIN, FIRST, LAST }, 2 },
	/* joining: an endpoint, or 3 for none */
	[IDENTITY] = { "identity",
		       { DOMAIN,
			 { "joining", SIM_OPS_U8, PAIR_ENDPOINTS + 1, NULL },
			 FIRST,
			 LAST,
			 { "flags", SIM_OPS_U8, 8, NULL } },
		       3 },
	[DMA_INIT] = { "dma",
		       { DMA,
			 DOMAIN,
			 { "bottom_up", SIM_OPS_CHOICE, 2, words_no_yes },
			 { "deferred", SIM_OPS_U8, PAIR_DEFERRED + 1, NULL },
			 { "hints", SIM_OPS_CHOICE, 2, words_no_yes },
			 FIRST,
			 LAST },
		       4 },
	[DMA_MAP] = { "dma_map",
		      { DMA,
			LIST,
			{ "count", SIM_OPS_U8, PAIR_BUFFERS + 1, NULL },
			{ "phys", SIM_OPS_ADDRESS, 0, NULL },
			{ "len", SIM_OPS_U16, 0, NULL },
			{ "step", SIM_OPS_U16, 0, NULL },
			{ "how", SIM_OPS_PICK, sizeof hows / sizeof hows[0], hows } },
		      8 },
	[DMA_UNMAP] = { "dma_unmap", { LIST }, 6 },
	[DMA_FLUSH] = { "dma_flush", { DMA }, 2 },
};

static void meddle(const struct sim_ops_op *op)
{
	struct pair_meddle m = { .delay = (uint32_t)op->arg[0], .at = (uint32_t)op->arg[1], .len = 1 };

	if (op->verb == MEDDLE) {
		m.len = (uint32_t)op->len;
		memcpy(m.bytes, op->bytes, op->len);
	} else {
		m.flip = true;
		m.bytes[0] = (uint8_t)op->arg[2];
	}
	if (m.delay == 0)
		pair_apply(&m);
	else if (w->meddle_count < PAIR_MEDDLES)
		w->meddles[w->meddle_count++] = m;
}

/* Nothing goes away, but the device cannot know. */
static void change_memory(void)
{
	viommu_pump_memory_changed(&w->pump);
	for (uint32_t i = 0; i < PAIR_SECTIONS; i++)
		w->sections[i].outdated = true;
}

static void check_memory(void)
{
	bool settled = viommu_device_memory_is_settled(&w->dev);

	for (uint32_t i = 0; i < PAIR_SECTIONS; i++)
		CHECK(!settled || !w->sections[i].open || !w->sections[i].outdated);
}

static void run_dma_map(const uint64_t *a)
{
	struct pair_list list = { .count = (uint32_t)a[2], .how = (uint32_t)a[6] };

	for (uint32_t n = 0; n < list.count; n++)
		list.buffers[n] = (struct viommu_dma_buffer){ .phys = a[3] + n * a[5], .len = a[4] };
	(void)pair_dma_map((uint32_t)a[0], (uint32_t)a[1], &list);
}

static void run_rest(const struct sim_ops_op *op)
{
	const uint64_t *a = op->arg;

	switch (op->verb) {
	case RECOVER:
		(void)pair_recover();
		break;
	case LOOK:
		pair_look();
		break;
	case SHUTDOWN:
		pair_shutdown((enum viommu_driver_handover)a[0]);
		break;
	case WINDOW:
		pair_set_window((uint32_t)a[0], (struct viommu_range){ a[1], a[2] });
		break;
	case IDENTITY:
		pair_map_identity((uint32_t)a[0], (uint32_t)a[1], (struct viommu_range){ a[2], a[3] }, (uint32_t)a[4]);
		break;
	case DMA_INIT:
		pair_dma_init((uint32_t)a[0], (uint32_t)a[1], a[2] != 0, (uint32_t)a[3], a[4] != 0,
			      (struct viommu_range){ a[5], a[6] });
		break;
	case DMA_MAP:
		run_dma_map(a);
		break;
	case DMA_UNMAP:
		(void)pair_dma_unmap((uint32_t)a[0]);
		break;
	default:
		pair_dma_flush((uint32_t)a[0]);
		break;
	}
}

static void run_other(const struct sim_ops_op *op)
{
	const uint64_t *a = op->arg;

	switch (op->verb) {
	case STEP:
		for (uint64_t i = 0; i <= a[0]; i++)
			(void)pair_device_step();
		break;
	case ACCESS:
		access_once((uint32_t)a[0], pick(a[1], a[2]), (uint32_t)a[3] + 1);
		break;
	case OPEN:
		section_open((uint32_t)a[0], (uint32_t)a[1], pick(a[2], a[3]), (uint32_t)a[4] + 1);
		break;
	case CLOSE:
		section_close((uint32_t)a[0]);
		break;
	case CHANGE:
		change_memory();
		break;
	default:
		meddle(op);
		break;
	}
}

/* Between calls, when nobody holds the lock. The pump's check is the device's, too. */
static void check_both(void)
{
	CHECK(viommu_pump_check(&w->pump) && sim_transport_check(&w->transport) && viommu_driver_check(&w->drv));
	for (uint32_t e = 0; e < PAIR_ENDPOINTS; e++)
		CHECK(viommu_driver_endpoint_check(&w->endpoints[e]) && viommu_access_check(&w->accesses[e]));
}

static void run(void *world, const struct sim_ops_op *op)
{
	const uint64_t *a = op->arg;

	(void)world;
	switch (op->verb) {
	case START:
		w->copied = a[1] != 0;
		(void)pair_start(features_of(a[0]));
		break;
	case STOP:
		(void)pair_stop();
		break;
	case DOMAIN_INIT:
		(void)pair_domain_init((uint32_t)a[0], a[1] != 0);
		break;
	case DOMAIN_DEINIT:
		(void)pair_domain_deinit((uint32_t)a[0]);
		break;
	case ENDPOINT_INIT:
		(void)pair_endpoint_init((uint32_t)a[0]);
		break;
	case ATTACH:
		(void)pair_attach((uint32_t)a[0], (uint32_t)a[1]);
		break;
	case DETACH:
		(void)pair_detach((uint32_t)a[0]);
		break;
	case MAP:
		(void)pair_map((uint32_t)a[0], a[1], a[1] + a[2] * PAGE - 1, a[3], (uint32_t)a[4]);
		break;
	case UNMAP:
		(void)pair_unmap((uint32_t)a[0], a[1], a[1] + a[2] * PAGE - 1);
		break;
	case SYNC:
		(void)pair_sync((uint32_t)a[0]);
		break;
	case PROCESS:
		pair_process((uint32_t)a[0]);
		break;
	default:
		if (op->verb >= RECOVER)
			run_rest(op);
		else
			run_other(op);
		break;
	}
	CHECK(w->depth == 0);
	pair_check_maps();
	check_memory();
	if (++w->operations % CHECK_EVERY == 0)
		check_both();
}

static void *begin(void)
{
	memset(&w->shared, CANARY, sizeof w->shared);
	memset(w->made, 0, sizeof w->made);
	memset(w->endpoints, 0, sizeof w->endpoints);
	memset(w->sections, 0, sizeof w->sections);
	memset(w->dmas, 0, sizeof w->dmas);
	memset(w->lists, 0, sizeof w->lists);
	w->recovering = false;
	w->bypass = false;
	w->awake = false;
	w->depth = 0;
	w->locks = 0;
	w->operations = 0;
	w->meddle_count = 0;
	w->meddled_count = 0;
	w->copied = false;
	w->meddled = false;
	w->delayed = false;
	w->inherits = false;
	w->lost = false;
	w->mapping_count = 0;
	for (uint32_t e = 0; e < PAIR_ENDPOINTS; e++) {
		w->domain_of[e] = PAIR_NOWHERE;
		w->misled[e] = false;
	}
	pair_make_device();
	pair_make_driver();
	return w;
}

/* The DMA of an endpoint moves bytes to where the mapping says. */
static void move_bytes(uint32_t e, uint64_t iova, uint64_t phys)
{
	static const uint8_t bytes[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct viommu_access_token token;
	size_t done;

	CHECK(viommu_access_begin(&w->accesses[e], &token) == VIOMMU_OK);
	CHECK(viommu_access_write(&w->accesses[e], iova, bytes, sizeof bytes, &done) == VIOMMU_OK);
	viommu_access_end(&w->accesses[e], token);
	CHECK(memcmp(w->shared.dma + (phys - PAIR_DMA_BUS), bytes, sizeof bytes) == 0);
}

static void check_faults(uint32_t e, uint64_t iova)
{
	uint32_t before;

	/* What was reported earlier first. */
	for (uint32_t i = 0; i < 4; i++) {
		(void)viommu_pump_process(&w->pump, 64);
		pair_process(16);
	}
	before = w->faults;
	access_once(e, iova, VIOMMU_ACCESS_READ);
	(void)viommu_pump_process(&w->pump, 64);
	pair_process(16);
	CHECK(w->faults == before + 1);
}

static void check_nodes(struct viommu_map_pool *pool)
{
	(void)viommu_map_pool_reclaim(pool, UINT32_MAX);
	CHECK(viommu_map_pool_free(pool) == viommu_map_pool_total(pool));
}

/* Whatever the wire did: after a reset everything works, and nothing is missing. */
static void end(void *world)
{
	struct pair_list list = { .count = 2,
				  .how = 3,
				  .buffers = { { .phys = PAIR_DMA_BUS + 7, .len = 8 },
					       { .phys = PAIR_DMA_BUS + 3 * PAIR_GRANULE, .len = 9 } } };
	uint32_t slots = 0;
	enum viommu_result r;

	(void)world;
	check_both();
	w->meddle_count = 0;
	for (uint32_t i = 0; i < PAIR_SECTIONS; i++)
		section_close(i);
	if (w->drv.registers != NULL) {
		r = pair_recover();
		CHECK(r == VIOMMU_OK || r == VIOMMU_E_REJECTED || r == VIOMMU_E_RANGE);
		check_both();
	}
	CHECK(pair_stop() == VIOMMU_OK);
	for (uint32_t d = 0; d < PAIR_DOMAINS; d++)
		CHECK(pair_domain_deinit(d) == VIOMMU_OK);
	CHECK(viommu_device_is_settled(&w->dev) && viommu_device_memory_is_settled(&w->dev));
	check_nodes(&w->dev.pool);
	check_nodes(&w->drv.pool);
	CHECK(w->dev.domain_ids.count == 0 && w->dev.pending_count == 0);
	CHECK(pair_start(VIOMMU_VIRTQ_FEATURES) == VIOMMU_OK && !w->meddled);
	CHECK(pair_domain_init(0, false) == VIOMMU_OK && pair_endpoint_init(0) == VIOMMU_OK &&
	      pair_endpoint_init(1) == VIOMMU_OK);
	CHECK(pair_attach(0, 0) == VIOMMU_OK);
	for (uint64_t i = 0; i < 4; i++)
		CHECK(pair_map(0, i * PAIR_GRANULE, (i + 1) * PAIR_GRANULE - 1, PAIR_DMA_BUS + (i ^ 1) * PAIR_GRANULE,
			       3) == VIOMMU_OK);
	CHECK(pair_sync(0) == VIOMMU_OK && pair_attach(0, 1) == VIOMMU_OK);
	move_bytes(0, 3 * PAIR_GRANULE, PAIR_DMA_BUS + 2 * PAIR_GRANULE);
	move_bytes(1, 2 * PAIR_GRANULE, PAIR_DMA_BUS + 3 * PAIR_GRANULE);
	CHECK(pair_unmap(0, 0, 4 * PAIR_GRANULE - 1) == VIOMMU_OK && pair_sync(0) == VIOMMU_OK);
	pair_check_maps();
	CHECK(w->mapping_count == 0);
	pair_dma_init(0, 0, false, 0, true, (struct viommu_range){ 0, UINT32_MAX });
	CHECK(pair_dma_map(0, 0, &list) == VIOMMU_OK && pair_recover() == VIOMMU_OK);
	pair_check_list(&w->lists[0], true);
	move_bytes(0, w->lists[0].buffers[0].iova, list.buffers[0].phys);
	move_bytes(1, w->lists[0].buffers[1].iova, list.buffers[1].phys);
	CHECK(pair_dma_unmap(0) == VIOMMU_OK && w->mapping_count == 0);
	check_faults(1, 0);
	CHECK(pair_detach(0) == VIOMMU_OK && pair_detach(1) == VIOMMU_OK && pair_domain_deinit(0) == VIOMMU_OK);
	for (const struct viommu_driver_slot *s = w->drv.free_slots; s != NULL; s = s->next)
		slots++;
	CHECK(slots == PAIR_QUEUE_SIZE);
	pair_check_slots();
	check_nodes(&w->drv.pool);
	(void)viommu_device_process(&w->dev, UINT32_MAX);
	check_nodes(&w->dev.pool);
	check_both();
	for (uint32_t i = 0; i < PAIR_CANARY_LEN; i++)
		CHECK(w->shared.canary0[i] == CANARY && w->shared.bytes[w->shared_len + i] == CANARY &&
		      w->shared.canary1[i] == CANARY);
}

const struct sim_ops_target sim_ops_pair = {
	.name = "pair",
	.verbs = verbs,
	.verb_count = sizeof verbs / sizeof verbs[0],
	.begin = begin,
	.run = run,
	.end = end,
};
