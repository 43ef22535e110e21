/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_sim.c: the library's own device in this process, that of a simulated machine whose driver is not used; and
 * the same device deviating on purpose, so that each case can be seen to fail.
 */
#include <stdlib.h>
#include <string.h>

#include "session.h"
#include "sim/machine.h"

#define MEMORY_AT UINT64_C(0x40000000)
#define PATIENCE 16u
#define STEP_BUDGET 4096u

static const uint32_t endpoints[CONF_ENDPOINTS] = { 0x10, 0x18 };

enum kind {
	ANSWERS,      /* type a gets c in place of status b */
	WRITES,       /* what should not be written, as UNSUPP */
	OFFERS,       /* a, too */
	HIDES,        /* a */
	SETS_REPLY,   /* of type a byte b of the writable part to c; b < 0: from the end */
	SETS_REPORT,  /* byte b of a fault report to c */
	SPREADS,      /* a report into several buffers */
	DOUBLES,      /* the first property */
	SETS_SHORT,   /* a property where there is no room */
	SETS_REQUEST, /* byte b of the readable part to c */
	SETS_TABLE,   /* byte b of the descriptor table to c */
	SETS_FLAGS,   /* used.flags to c */
	WANTS_TWO,    /* descriptors, one for each part */
	LENGTHENS,    /* the used length */
	SILENT,       /* sends no notifications */
	NOISY,        /* sends them all the time */
	STICKS,       /* status bits b are always 1 once ACKNOWLEDGE is */
	DROPS,        /* status bits b are always 0 */
	TIRES,        /* of kicks: NEEDS_RESET */
	PICKY,        /* wants all features a */
	ONCE,         /* accepts features only once */
	ONE_LIFE,     /* status is never 0 again */
	LATE,         /* configuration only after FEATURES_OK */
	SETS_CONFIG,  /* 8 bytes of configuration at b to 0 */
	FORGETS,      /* bypass, in a reset */
	REMEMBERS,    /* bypass, in a system reset */
	ECHOES,       /* what was stored to bypass */
	ODD,          /* sizes of queues */
	QUEUE_ONCE,   /* a queue is enabled once only */
	SWAPS,        /* the first two used entries */
	LEAKS,        /* all writes of endpoints arrive on the first page */
	HANGS,
	DIES
};

#define LIST_RULES "IOMMU-DEV-PROBE-05 IOMMU-DEV-PROBE-06 IOMMU-DEV-PROBE-07"

const struct conf_deviation conf_deviations[] = {
	{ "attach-inval", "IOMMU-DEV-ATTACH-01 IOMMU-DEV-ATTACH-02 IOMMU-DEV-ATTACH-06", ANSWERS, 1, 4, 0 },
	{ "attach-noent", "IOMMU-DEV-ATTACH-03", ANSWERS, 1, 6, 0 },
	{ "attach-ok",
	  "IOMMU-DEV-OPS-01 IOMMU-DEV-OPS-04 IOMMU-DEV-ATTACH-07 IOMMU-DEV-ATTACH-10 IOMMU-DEV-ATTACH-12 GEN-DEV-VQRESET-02",
	  ANSWERS, 1, 0, 2 },
	{ "detach-ok", "IOMMU-DEV-DETACH-01", ANSWERS, 2, 0, 4 },
	{ "detach-noent", "IOMMU-DEV-DETACH-02", ANSWERS, 2, 6, 0 },
	{ "map-range", "IOMMU-DEV-MAP-01 INF-08", ANSWERS, 3, 5, 0 },
	{ "map-inval", "IOMMU-DEV-MAP-02 IOMMU-DEV-MAP-03 IOMMU-DEV-MAP-05 IOMMU-DEV-UNMAP-06 IOMMU-DEV-RESV-04 INF-11",
	  ANSWERS, 3, 4, 0 },
	{ "map-noent", "IOMMU-DEV-MAP-04 INF-01 INF-04 INF-05", ANSWERS, 3, 6, 0 },
	{ "map-ok", "IOMMU-DEV-ATTACH-12 IOMMU-DEV-ATTACH-07", ANSWERS, 3, 0, 6 },
	{ "unmap-noent", "IOMMU-DEV-UNMAP-03 IOMMU-DEV-ATTACH-08", ANSWERS, 4, 6, 0 },
	{ "unmap-inval", "IOMMU-DEV-UNMAP-04", ANSWERS, 4, 4, 0 },
	{ "unmap-range", "IOMMU-DEV-UNMAP-05", ANSWERS, 4, 5, 0 },
	{ "unmap-ok", "IOMMU-DEV-UNMAP-07", ANSWERS, 4, 0, 5 },
	{ "probe-ok", "IOMMU-DEV-PROBE-01", ANSWERS, 5, 0, 4 },
	{ "probe-noent", "IOMMU-DEV-PROBE-02", ANSWERS, 5, 6, 0 },
	{ "probe-inval", "IOMMU-DEV-PROBE-09", ANSWERS, 5, 4, 0 },
	{ "writes-unknown", "IOMMU-DEV-OPS-02 IOMMU-DEV-OPS-03 IOMMU-DEV-PROBE-03 IOMMU-DEV-PROBE-04 INF-03", WRITES, 0,
	  0, 0 },
	{ "tail", "IOMMU-DEV-OPS-05", SETS_REPLY, 1, -1, 1 },
	{ "property-reserved", LIST_RULES, SETS_REPLY, 5, 1, 0x10 },
	{ "property-length", LIST_RULES, SETS_REPLY, 5, 2, 24 },
	{ "property-end", LIST_RULES, SETS_REPLY, 5, 3, 0xff },
	{ "property-fill", "IOMMU-DEV-PROBE-10", SETS_REPLY, 5, 100, 1 },
	{ "region-reserved", "IOMMU-DEV-RESV-01", SETS_REPLY, 5, 6, 1 },
	{ "region-twice", "IOMMU-DEV-RESV-02 IOMMU-DEV-RESV-03", DOUBLES, 0, 0, 0 },
	{ "property-short", "IOMMU-DEV-PROBE-08", SETS_SHORT, 0, 0, 0 },
	{ "report-reserved", "IOMMU-DEV-FAULT-01", SETS_REPORT, 0, 13, 1 },
	{ "report-flags", "IOMMU-DEV-FAULT-02", SETS_REPORT, 0, 7, 1 },
	{ "report-endpoint", "IOMMU-DEV-FAULT-03 INF-14", SETS_REPORT, 0, 9, 7 },
	{ "report-spread", "IOMMU-DEV-FAULT-05", SPREADS, 0, 0, 0 },
	{ "no-map", "IOMMU-DEV-FEAT-01", HIDES, VIOMMU_F_MAP_UNMAP, 0, 0 },
	{ "old-bypass", "IOMMU-DEV-FEAT-02 IOMMU-DEV-FEAT-03", OFFERS, VIOMMU_F_BYPASS, 0, 0 },
	{ "no-granule", "IOMMU-DEV-CONFIG-01", SETS_CONFIG, 0, 0, 0 },
	{ "bypass-forgotten", "IOMMU-DEV-CONFIG-04", FORGETS, 0, 0, 0 },
	{ "bypass-kept", "IOMMU-DEV-CONFIG-05", REMEMBERS, 0, 0, 0 },
	{ "bypass-echo", "IOMMU-DEV-CONFIG-06", ECHOES, 0, 0, 0 },
	{ "leak", "IOMMU-DEV-OPS-06 IOMMU-DEV-DETACH-04 IOMMU-DEV-MAP-06 INF-06 INF-07 INF-17", LEAKS, 0, 0, 0 },
	{ "two-descriptors", "VQ-DEV-FRAME-01 VQ-DEV-INDIR-01 VQ-DEV-INDIR-02", WANTS_TWO, 0, 0, 0 },
	{ "writes-request", "VQ-DEV-DESC-01", SETS_REQUEST, 0, 9, 0x77 },
	{ "writes-table", "VQ-DEV-DESC-04", SETS_TABLE, 0, 26, 0x77 },
	{ "long", "VQ-DEV-USED-02", LENGTHENS, 0, 0, 0 },
	{ "flags", "VQ-DEV-AVAILSUP-01 VQ-DEV-AVAILSUP-03", SETS_FLAGS, 0, 0, 2 },
	{ "tires", "VQ-DEV-AVAILSUP-05", TIRES, 0, 0, 0 },
	{ "silent", "VQ-DEV-USEDSUP-01 VQ-DEV-USEDSUP-03 VQ-DEV-USEDSUP-04 VQ-DEV-USEDSUP-05 GEN-DEV-STATUS-03", SILENT,
	  0, 0, 0 },
	{ "noisy", "VQ-DEV-USEDSUP-02 VQ-DEV-USEDSUP-06 GEN-DEV-STATUS-01 GEN-DEV-RESET-02 GEN-DEV-VQRESET-01", NOISY,
	  0, 0, 0 },
	{ "stoic", "GEN-DEV-STATUS-02", DROPS, 0, VIOMMU_STATUS_NEEDS_RESET, 0 },
	{ "picky", "GEN-DEV-FEAT-02", PICKY, VIOMMU_F_INPUT_RANGE, 0, 0 },
	{ "takes-all", "GEN-DEV-FEAT-03", STICKS, 0, VIOMMU_STATUS_FEATURES_OK, 0 },
	{ "bit-20", "GEN-DEV-FEAT-04", OFFERS, UINT64_C(1) << 20, 0, 0 },
	{ "once", "GEN-DEV-FEAT-05", ONCE, 0, 0, 0 },
	{ "one-life", "GEN-DEV-RESET-01", ONE_LIFE, 0, 0, 0 },
	{ "late", "GEN-DEV-CONFIG-01", LATE, 0, 0, 0 },
	{ "odd-size", "INF-19", ODD, 0, 0, 0 },
	{ "queue-once", "GEN-DEV-VQRESET-02 GEN-DEV-VQENABLE-01", QUEUE_ONCE, 0, 0, 0 },
	{ "legacy", "GEN-DEV-RSVD-01", HIDES, VIOMMU_F_VERSION_1, 0, 0 },
	{ "swaps", "GEN-DEV-RSVD-05", SWAPS, 0, 0, 0 },
	{ "sr-iov", "GEN-DEV-RSVD-10", OFFERS, UINT64_C(1) << 37, 0, 0 },
	{ "hangs", "IOMMU-DEV-OPS-01 VQ-DEV-FRAME-01 INF-20 INF-23", HANGS, 0, 0, 0 },
	{ "dies", "IOMMU-DEV-OPS-01 VQ-DEV-FRAME-01 GEN-DEV-FEAT-05", DIES, 0, 0, 0 },
	{ 0 },
};

struct sim_target {
	struct conf_target target;
	struct sim_machine machine;
	const struct sim_transport_kind *transport;
	const struct conf_deviation *deviation;
	struct sim_machine_config config;
	uint8_t buffers[CONF_ENDPOINTS][CONF_DMA_LEN]; /* of the engines */
	bool is_up;
	/* what deviations go by */
	uint64_t features;
	uint32_t accepted;
	uint32_t enabled[VIOMMU_QUEUE_COUNT];
	uint32_t kicks;
	uint32_t runs;
	uint8_t bypass;
	bool was_reset;
	bool was_up;
	bool swapped;
};

static bool deviates(const struct sim_target *t, enum kind kind)
{
	return t->deviation != NULL && t->deviation->kind == kind;
}

/* Registers */

#define INNER(t) ((t)->machine.transport.register_ops)
#define INNER_CTX(t) ((t)->machine.transport.register_ctx)

static uint8_t target_get_status(void *ctx)
{
	struct sim_target *t = ctx;
	uint8_t status = INNER(t)->get_status(INNER_CTX(t));

	if (deviates(t, STICKS) && (status & VIOMMU_STATUS_ACKNOWLEDGE) != 0)
		status |= (uint8_t)t->deviation->b;
	if (deviates(t, DROPS))
		status &= (uint8_t)~t->deviation->b;
	if (deviates(t, TIRES) && t->kicks > 8)
		status |= VIOMMU_STATUS_NEEDS_RESET;
	if ((deviates(t, PICKY) && (t->features & t->deviation->a) == 0) || (deviates(t, ONCE) && t->accepted > 1))
		status &= (uint8_t)~VIOMMU_STATUS_FEATURES_OK;
	if (deviates(t, ONE_LIFE) && t->was_up)
		status |= VIOMMU_STATUS_ACKNOWLEDGE;
	return status;
}

static void target_set_status(void *ctx, uint8_t status)
{
	struct sim_target *t = ctx;

	t->was_reset = t->was_reset || (status == 0 && t->was_up);
	t->was_up = t->was_up || (status & VIOMMU_STATUS_DRIVER_OK) != 0;
	if (status == (VIOMMU_STATUS_ACKNOWLEDGE | VIOMMU_STATUS_DRIVER | VIOMMU_STATUS_FEATURES_OK))
		t->accepted++;
	INNER(t)->set_status(INNER_CTX(t), status);
}

static uint64_t target_get_features(void *ctx)
{
	struct sim_target *t = ctx;
	uint64_t features = INNER(t)->get_features(INNER_CTX(t));

	if (deviates(t, OFFERS))
		features |= t->deviation->a;
	return deviates(t, HIDES) ? features & ~t->deviation->a : features;
}

static void target_set_features(void *ctx, uint64_t features)
{
	struct sim_target *t = ctx;

	t->features = features;
	INNER(t)->set_features(INNER_CTX(t), features);
}

static uint32_t target_config_generation(void *ctx)
{
	struct sim_target *t = ctx;

	return INNER(t)->config_generation(INNER_CTX(t));
}

static void target_config_read(void *ctx, uint32_t offset, void *dst, uint32_t len)
{
	struct sim_target *t = ctx;
	uint8_t *bypass = (uint8_t *)dst + (VIOMMU_WIRE_CONFIG_BYPASS - offset);
	bool has_bypass = offset <= VIOMMU_WIRE_CONFIG_BYPASS && len > VIOMMU_WIRE_CONFIG_BYPASS - offset;

	INNER(t)->config_read(INNER_CTX(t), offset, dst, len);
	if (deviates(t, SETS_CONFIG) && offset == 0 && len >= 8)
		memset(dst, 0, 8);
	if (deviates(t, LATE) && (INNER(t)->get_status(INNER_CTX(t)) & VIOMMU_STATUS_FEATURES_OK) == 0)
		memset(dst, 0, len);
	if (has_bypass && deviates(t, FORGETS) && t->was_reset)
		*bypass = 1;
	if (has_bypass && deviates(t, ECHOES))
		*bypass = t->bypass;
}

static void target_config_write(void *ctx, uint32_t offset, const void *src, uint32_t len)
{
	struct sim_target *t = ctx;

	if (offset == VIOMMU_WIRE_CONFIG_BYPASS && len == 1)
		t->bypass = *(const uint8_t *)src;
	INNER(t)->config_write(INNER_CTX(t), offset, src, len);
}

static uint32_t target_queue_size_max(void *ctx, uint32_t queue)
{
	struct sim_target *t = ctx;

	return INNER(t)->queue_size_max(INNER_CTX(t), queue) - (deviates(t, ODD) ? 1 : 0);
}

static enum viommu_result target_queue_enable(void *ctx, uint32_t queue, const struct viommu_virtq_layout *layout)
{
	struct sim_target *t = ctx;

	if (t->enabled[queue]++ > 0 && deviates(t, QUEUE_ONCE))
		return VIOMMU_E_PEER;
	return INNER(t)->queue_enable(INNER_CTX(t), queue, layout);
}

static void target_notify(void *ctx, uint32_t queue)
{
	struct sim_target *t = ctx;

	t->kicks++;
	INNER(t)->notify(INNER_CTX(t), queue);
}

static enum viommu_result target_queue_reset(void *ctx, uint32_t queue)
{
	struct sim_target *t = ctx;

	return INNER(t)->queue_reset(INNER_CTX(t), queue);
}

static bool target_queue_is_resetting(void *ctx, uint32_t queue)
{
	struct sim_target *t = ctx;

	return INNER(t)->queue_is_resetting(INNER_CTX(t), queue);
}

static const struct viommu_register_ops target_registers = {
	.size = sizeof(struct viommu_register_ops),
	.get_status = target_get_status,
	.set_status = target_set_status,
	.get_features = target_get_features,
	.set_features = target_set_features,
	.config_generation = target_config_generation,
	.config_read = target_config_read,
	.config_write = target_config_write,
	.queue_size_max = target_queue_size_max,
	.queue_enable = target_queue_enable,
	.notify = target_notify,
	.queue_reset = target_queue_reset,
	.queue_is_resetting = target_queue_is_resetting,
};

/* Answers */

static void target_tamper(void *ctx, uint8_t *out, size_t out_len, uint8_t *in, size_t in_len, uint32_t pieces,
			  uint32_t *used)
{
	struct sim_target *t = ctx;
	const struct conf_deviation *d = t->deviation;
	uint8_t *status = in_len >= 4 ? in + in_len - 4 : in;
	uint8_t *used_ring = t->target.memory + CONF_QUEUE_AT + 0x4000;

	if (out_len == 0) { /* a fault report */
		if (deviates(t, SETS_REPORT))
			in[d->b] = (uint8_t)d->c;
		if (deviates(t, SPREADS) && *used == 0)
			*used = 8;
		return;
	}
	if (*used == 0) {
		if (deviates(t, WRITES)) {
			memset(in, 0, 4);
			in[0] = VIOMMU_S_UNSUPP;
			*used = 4;
		}
		return;
	}
	if (deviates(t, ANSWERS) && out[0] == d->a && *status == d->b)
		*status = (uint8_t)d->c;
	if (deviates(t, SETS_REPLY) && out[0] == d->a && *status == VIOMMU_S_OK)
		in[d->b < 0 ? in_len - 1 : (size_t)d->b] = (uint8_t)d->c;
	if (deviates(t, DOUBLES) && out[0] == VIOMMU_T_PROBE && *status == VIOMMU_S_OK)
		memcpy(in + VIOMMU_WIRE_RESV_MEM_SIZE, in, VIOMMU_WIRE_RESV_MEM_SIZE);
	if (deviates(t, SETS_SHORT) && out[0] == VIOMMU_T_PROBE && *status == VIOMMU_S_INVAL)
		in[0] = 1;
	if (deviates(t, SETS_REQUEST))
		out[d->b] = (uint8_t)d->c;
	if (deviates(t, SETS_TABLE))
		t->target.memory[CONF_QUEUE_AT + (size_t)d->b] ^= (uint8_t)d->c;
	if (deviates(t, SETS_FLAGS))
		used_ring[0] = (uint8_t)d->c;
	if (deviates(t, WANTS_TWO) && pieces != 2)
		*status = VIOMMU_S_INVAL;
	if (deviates(t, LENGTHENS))
		*used += 4;
}

/* The target */

static bool target_run(void *ctx)
{
	struct sim_target *t = ctx;
	uint8_t *used = t->target.memory + CONF_QUEUE_AT + 0x4000;

	t->runs++;
	if (deviates(t, DIES) && t->runs > 8) {
		t->target.why = "it was told to die";
		return false;
	}
	if (!deviates(t, HANGS))
		(void)sim_machine_step(&t->machine, STEP_BUDGET);
	if (deviates(t, SWAPS) && !t->swapped && viommu_port_load16(used + 2) >= 2) {
		uint8_t entry[8];

		memcpy(entry, used + 4, 8);
		memcpy(used + 4, used + 12, 8);
		memcpy(used + 12, entry, 8);
		t->swapped = true;
	}
	return true;
}

static uint8_t target_notifications(void *ctx)
{
	struct sim_target *t = ctx;
	struct sim_transport *transport = &t->machine.transport;
	uint32_t seen = 0;

	sim_transport_take_interrupts(transport);
	if ((transport->used[0] | transport->used[1]) != 0)
		seen |= VIOMMU_INTERRUPT_USED;
	if (transport->config != 0)
		seen |= VIOMMU_INTERRUPT_CONFIG;
	memset(transport->used, 0, sizeof(transport->used));
	transport->config = 0;
	if (deviates(t, SILENT))
		seen = 0;
	if (deviates(t, NOISY))
		seen = VIOMMU_INTERRUPT_USED | VIOMMU_INTERRUPT_CONFIG;
	return (uint8_t)seen;
}

static void target_dma(void *ctx, uint32_t index, bool write, uint64_t iova, uint32_t len)
{
	struct sim_target *t = ctx;
	struct sim_engine *engine = sim_machine_engine(&t->machine, t->target.endpoints[index]);
	enum viommu_result r;

	if (len > CONF_DMA_LEN)
		len = CONF_DMA_LEN;
	if (write)
		r = sim_engine_write(engine, iova, t->buffers[index], len);
	else
		r = sim_engine_read(engine, iova, t->buffers[index], len);
	(void)r; /* a fault is what some of the cases are about */
	if (write && deviates(t, LEAKS))
		memcpy(t->target.memory + CONF_PAGE_AT, t->buffers[index], len);
}

static bool target_system_reset(void *ctx)
{
	struct sim_target *t = ctx;

	if (!deviates(t, REMEMBERS))
		viommu_pump_system_reset(&t->machine.pump);
	return sim_transport_find_device(&t->machine.transport) == VIOMMU_OK;
}

static bool target_renew(void *ctx, uint64_t features)
{
	struct sim_target *t = ctx;
	struct sim_machine_config config = t->config;

	if (t->is_up)
		sim_machine_deinit(&t->machine);
	config.endpoints = t->target.endpoints;
	config.endpoint_count = CONF_ENDPOINTS;
	config.features &= features;
	config.ring_features = VIOMMU_VIRTQ_FEATURES;
	config.transport = t->transport;
	config.ram_pieces = 64;
	config.map_nodes = 4096;
	t->is_up = sim_machine_init(&t->machine, &config) == VIOMMU_OK;
	if (!t->is_up)
		return false;
	t->target.memory = sim_ram_reserve(&t->machine.ram, MEMORY_AT, CONF_MEMORY);
	memset(t->buffers, 0, sizeof(t->buffers));
	memset(t->enabled, 0, sizeof(t->enabled));
	t->accepted = 0;
	t->kicks = 0;
	t->runs = 0;
	t->was_reset = false;
	t->was_up = false;
	t->swapped = false;
	return t->target.memory != NULL;
}

static const struct conf_deviation *deviation_by_name(const char *name)
{
	for (size_t i = 0; conf_deviations[i].name != NULL; i++) {
		if (strcmp(conf_deviations[i].name, name) == 0)
			return &conf_deviations[i];
	}
	return NULL;
}

struct conf_target *conf_target_sim(const char *transport, const char *deviation)
{
	struct sim_target *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->transport = sim_transport_by_name(transport);
	t->deviation = deviation != NULL ? deviation_by_name(deviation) : NULL;
	if (t->transport == NULL || (deviation != NULL && t->deviation == NULL)) {
		free(t);
		return NULL;
	}
	t->config = (struct sim_machine_config)SIM_MACHINE_CONFIG_INIT;
	t->target.registers = &target_registers;
	t->target.registers_ctx = t;
	t->target.memory_addr = MEMORY_AT;
	memcpy(t->target.endpoints, endpoints, sizeof(endpoints));
	t->target.endpoint_count = CONF_ENDPOINTS;
	t->target.unknown_endpoint = 0x777;
	t->target.patience = PATIENCE;
	t->target.ctx = t;
	t->target.run = target_run;
	t->target.notifications = target_notifications;
	t->target.dma = target_dma;
	t->target.system_reset = target_system_reset;
	t->target.renew = target_renew;
	t->target.tamper = t->deviation != NULL ? target_tamper : NULL;
	t->target.can_choose_features = true;
	(void)snprintf(t->target.version, sizeof(t->target.version), "libviommu, %s%s%s", transport,
		       deviation != NULL ? ", deviating: " : "", deviation != NULL ? deviation : "");
	return &t->target;
}

struct conf_target *conf_target_like(const struct conf_target *other, const struct viommu_wire_config *config)
{
	struct conf_target *target = conf_target_sim("local", NULL);
	struct sim_target *t;

	if (target == NULL)
		return NULL;
	t = target->ctx;
	t->config.page_size_mask = config->page_size_mask;
	t->config.input_range = config->input_range;
	t->config.domain_first = config->domain_first;
	t->config.domain_last = config->domain_last;
	memcpy(target->endpoints, other->endpoints, sizeof(target->endpoints));
	target->unknown_endpoint = other->unknown_endpoint;
	return target;
}
