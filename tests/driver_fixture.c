/* SPDX-License-Identifier: BSD-3-Clause */
#include "driver_fixture.h"

#include "env_memory.h"
#include "sim/env/env.h"

/* What an honest driver never does, and one that has just been lied to may. */
#define RULE(assertion)                                                                                                \
	do {                                                                                                           \
		if (!sim_env_has_fired())                                                                              \
			assertion;                                                                                     \
	} while (0)

/* Registers */

static void log_step(struct driver_fixture *f, enum register_access access, uint64_t a, uint64_t b)
{
	if (f->step_count < FIXTURE_STEPS)
		f->steps[f->step_count] = (struct register_step){ access, a, b };
	f->step_count++;
}

uint32_t steps_of(const struct driver_fixture *f, enum register_access access)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < f->step_count && i < FIXTURE_STEPS; i++)
		n += f->steps[i].access == access;
	return n;
}

static struct viommu_registers *registers_of(struct driver_fixture *f)
{
	return viommu_pump_registers(&f->real->pump);
}

/* What the driver does to the real device goes through a transport, which has its own calls of the environment. */
#define REAL(f, function, ...)                                                                                         \
	(f)->real->transport.register_ops->function((f)->real->transport.register_ctx, ##__VA_ARGS__)

static uint8_t status_now(struct driver_fixture *f)
{
	return f->real != NULL ? viommu_registers_get_status(registers_of(f)) : f->script.status;
}

static uint8_t reg_get_status(void *ctx)
{
	struct driver_fixture *f = ctx;
	uint8_t status;

	if (f->real == NULL && sim_env_call(SIM_ENV_REGISTER_GET, GET_STATUS, 0))
		return UINT8_MAX;
	status = f->real != NULL ? REAL(f, get_status) : f->script.status;
	if (f->real == NULL && f->script.resetting > 0) {
		if (f->script.resetting != UINT32_MAX)
			f->script.resetting--;
		if (f->script.resetting == 0)
			f->script.status = 0;
	}
	log_step(f, GET_STATUS, status, 0);
	return status;
}

void script_forget(struct driver_fixture *f)
{
	f->script.mapping_count = 0;
	f->script.endpoint_count = 0;
	f->script.held_count = 0;
}

static void script_set_status(struct driver_fixture *f, uint8_t status)
{
	struct script *s = &f->script;

	if (status == 0) {
		for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++)
			viommu_virtq_device_reset(&s->queues[i]);
		script_forget(f);
		s->accepted = 0;
		s->resetting = s->reset_reads;
		if (s->resetting == 0)
			s->status = 0;
		else
			s->status |= VIOMMU_STATUS_ACKNOWLEDGE;
		return;
	}
	if (s->refuses_features)
		status &= (uint8_t)~VIOMMU_STATUS_FEATURES_OK;
	s->status = status;
}

static void reg_set_status(void *ctx, uint8_t status)
{
	struct driver_fixture *f = ctx;

	log_step(f, SET_STATUS, status, 0);
	if (f->real == NULL && sim_env_call(SIM_ENV_REGISTER_SET, SET_STATUS, status))
		return;
	/* GEN-DRV-STATUS-02: bits are only added. */
	if (status != 0)
		RULE(assert_int_equal(status_now(f) & ~status, 0));
	if (f->real != NULL)
		REAL(f, set_status, status);
	else
		script_set_status(f, status);
}

static uint64_t reg_get_features(void *ctx)
{
	struct driver_fixture *f = ctx;

	log_step(f, GET_FEATURES, 0, 0);
	if (f->real != NULL)
		return REAL(f, get_features);
	return sim_env_call(SIM_ENV_REGISTER_GET, GET_FEATURES, 0) ? UINT64_MAX : f->script.offered;
}

static void reg_set_features(void *ctx, uint64_t features)
{
	struct driver_fixture *f = ctx;

	log_step(f, SET_FEATURES, features, 0);
	if (f->real == NULL && sim_env_call(SIM_ENV_REGISTER_SET, SET_FEATURES, features))
		return;
	/* GEN-DRV-INIT-04, INF-22: not after FEATURES_OK. */
	RULE(assert_int_equal(status_now(f) & VIOMMU_STATUS_FEATURES_OK, 0));
	if (f->real != NULL) {
		REAL(f, set_features, features);
		return;
	}
	/* GEN-DRV-FEAT-01 */
	RULE(assert_int_equal(features & ~f->script.offered, 0));
	f->script.accepted = features;
}

static uint32_t reg_generation(void *ctx)
{
	struct driver_fixture *f = ctx;

	log_step(f, GENERATION, 0, 0);
	if (f->real != NULL)
		return REAL(f, config_generation);
	if (sim_env_call(SIM_ENV_REGISTER_GET, GENERATION, 0))
		return UINT32_MAX;
	if (f->script.never_settles || f->script.settles_after > 0) {
		if (f->script.settles_after > 0)
			f->script.settles_after--;
		f->script.generation++;
	}
	return f->script.generation;
}

static void reg_config_read(void *ctx, uint32_t offset, void *dst, uint32_t len)
{
	struct driver_fixture *f = ctx;
	uint8_t bytes[VIOMMU_WIRE_CONFIG_SIZE];

	log_step(f, CONFIG_READ, offset, len);
	if (f->real != NULL) {
		REAL(f, config_read, offset, dst, len);
		return;
	}
	if (sim_env_call(SIM_ENV_REGISTER_GET, CONFIG_READ, offset)) {
		memset(dst, 0xff, len);
		return;
	}
	/* GEN-DRV-CONFIG-05: what the features do not need is not touched. */
	RULE(assert_true(offset + len <= f->script.config_len));
	assert_true(offset + len <= sizeof bytes);
	viommu_wire_config_encode(&f->script.config, bytes);
	/* Half of a change: the second look tells the rest. */
	if (f->script.settles_after > 0)
		memset(bytes, 0x55, sizeof bytes);
	memcpy(dst, bytes + offset, len);
}

static void reg_config_write(void *ctx, uint32_t offset, const void *src, uint32_t len)
{
	struct driver_fixture *f = ctx;
	uint8_t value = *(const uint8_t *)src;

	log_step(f, CONFIG_WRITE, offset, len);
	/* IOMMU-DRV-CONFIG-02, -03: bypass alone, with 0 or 1. */
	assert_int_equal(offset, VIOMMU_WIRE_CONFIG_BYPASS);
	assert_int_equal(len, 1);
	assert_in_range(value, 0, 1);
	if (f->real == NULL && sim_env_call(SIM_ENV_REGISTER_SET, CONFIG_WRITE, value))
		return;
	/* GEN-DRV-INIT-03: once the device lives, and has it. */
	RULE(assert_int_equal(status_now(f) & VIOMMU_STATUS_FEATURES_OK, VIOMMU_STATUS_FEATURES_OK));
	if (f->real != NULL) {
		REAL(f, config_write, offset, src, len);
		return;
	}
	RULE(assert_int_not_equal(f->script.accepted & VIOMMU_F_BYPASS_CONFIG, 0));
	if (!f->script.ignores_bypass)
		f->script.config.bypass = value;
}

static uint32_t reg_queue_size_max(void *ctx, uint32_t queue)
{
	struct driver_fixture *f = ctx;

	log_step(f, QUEUE_SIZE_MAX, queue, 0);
	assert_true(queue < VIOMMU_QUEUE_COUNT);
	if (f->real != NULL)
		return REAL(f, queue_size_max, queue);
	return sim_env_call(SIM_ENV_REGISTER_GET, QUEUE_SIZE_MAX, queue) ? UINT32_MAX : f->script.queue_max[queue];
}

static enum viommu_result reg_queue_enable(void *ctx, uint32_t queue, const struct viommu_virtq_layout *layout)
{
	struct driver_fixture *f = ctx;
	struct viommu_virtq_layout own = *layout;
	uint8_t status = status_now(f);

	log_step(f, QUEUE_ENABLE, queue, layout->size);
	assert_true(queue < VIOMMU_QUEUE_COUNT);
	RULE(assert_true((status & VIOMMU_STATUS_FEATURES_OK) != 0 && (status & VIOMMU_STATUS_DRIVER_OK) == 0));
	f->script.layouts[queue] = *layout;
	if (f->real != NULL)
		return REAL(f, queue_enable, queue, layout);
	if (sim_env_call(SIM_ENV_QUEUE_ENABLE, queue, layout->size))
		return VIOMMU_E_PEER;
	if (f->script.refuses_queue)
		return VIOMMU_E_PEER;
	RULE(assert_true(layout->size <= f->script.queue_max[queue]));
	own.features = f->script.accepted;
	return viommu_virtq_device_enable(&f->script.queues[queue], &own);
}

/* Does the device hear of it? */
static bool kick(struct driver_fixture *f, uint32_t queue)
{
	uint32_t before;

	if (f->real == NULL)
		return !sim_env_call(SIM_ENV_NOTIFY, queue, 0);
	before = f->real->transport.kicks[queue];
	REAL(f, notify, queue);
	return f->real->transport.kicks[queue] != before;
}

static void reg_notify(void *ctx, uint32_t queue)
{
	struct driver_fixture *f = ctx;

	log_step(f, NOTIFY, queue, 0);
	assert_true(queue < VIOMMU_QUEUE_COUNT);
	assert_int_equal(f->depth, 0);
	if (!kick(f, queue))
		return;
	/* GEN-DRV-INIT-07 */
	RULE(assert_int_not_equal(status_now(f) & VIOMMU_STATUS_DRIVER_OK, 0));
	f->kicks[queue]++;
	f->kicked = true;
}

/* INF-24 */
static void reg_notify_data(void *ctx, uint32_t queue, uint32_t data)
{
	struct driver_fixture *f = ctx;
	const uint8_t *avail = (uint8_t *)f->shared.base + (f->script.layouts[queue].avail - f->shared.addr);

	RULE(assert_int_equal(data, queue | (uint32_t)avail[2] << 16 | (uint32_t)avail[3] << 24));
	f->kicks_with_data++;
	reg_notify(ctx, queue);
}

/* The driver accepts RING_RESET, and has no reason to reset a queue alone. */
static enum viommu_result reg_queue_reset(void *ctx, uint32_t queue)
{
	(void)ctx;
	fail_msg("queue %u reset", (unsigned)queue);
	return VIOMMU_E_STATE;
}

static bool reg_queue_is_resetting(void *ctx, uint32_t queue)
{
	(void)ctx;
	fail_msg("reset of queue %u asked for", (unsigned)queue);
	return false;
}

const struct viommu_register_ops fixture_register_ops = {
	.size = sizeof fixture_register_ops,
	.get_status = reg_get_status,
	.set_status = reg_set_status,
	.get_features = reg_get_features,
	.set_features = reg_set_features,
	.config_generation = reg_generation,
	.config_read = reg_config_read,
	.config_write = reg_config_write,
	.queue_size_max = reg_queue_size_max,
	.queue_enable = reg_queue_enable,
	.notify = reg_notify,
	.notify_data = reg_notify_data,
	.queue_reset = reg_queue_reset,
	.queue_is_resetting = reg_queue_is_resetting,
};

/* The model */

static struct model_endpoint *model_endpoint(struct driver_fixture *f, uint32_t id)
{
	struct script *s = &f->script;

	for (uint32_t i = 0; i < s->endpoint_count; i++) {
		if (s->endpoints[i].id == id)
			return &s->endpoints[i];
	}
	if (s->endpoint_count == FIXTURE_ENDPOINTS && sim_env_has_fired())
		return &s->endpoints[0]; /* ids that the device made up */
	assert_true(s->endpoint_count < FIXTURE_ENDPOINTS);
	s->endpoints[s->endpoint_count] = (struct model_endpoint){ .id = id };
	return &s->endpoints[s->endpoint_count++];
}

static const struct model_endpoint *model_member(const struct driver_fixture *f, uint32_t domain)
{
	for (uint32_t i = 0; i < f->script.endpoint_count; i++) {
		if (f->script.endpoints[i].attached && f->script.endpoints[i].domain == domain)
			return &f->script.endpoints[i];
	}
	return NULL;
}

bool model_has(const struct driver_fixture *f, uint32_t domain)
{
	return model_member(f, domain) != NULL;
}

static void model_drop(struct driver_fixture *f, uint32_t domain, uint64_t first, uint64_t last)
{
	struct script *s = &f->script;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->mapping_count; i++) {
		const struct model_mapping *m = &s->mappings[i];

		if (m->domain != domain || m->first < first || m->last > last)
			s->mappings[kept++] = *m;
	}
	s->mapping_count = kept;
}

bool model_mapped(const struct driver_fixture *f, uint32_t domain, uint64_t iova)
{
	for (uint32_t i = 0; i < f->script.mapping_count; i++) {
		const struct model_mapping *m = &f->script.mappings[i];

		if (m->domain == domain && m->first <= iova && iova <= m->last)
			return true;
	}
	return false;
}

static void model_leave(struct driver_fixture *f, struct model_endpoint *e)
{
	e->attached = false;
	if (!model_has(f, e->domain))
		model_drop(f, e->domain, 0, UINT64_MAX);
}

static int model_attach(struct driver_fixture *f, uint32_t domain, uint32_t endpoint, uint32_t flags)
{
	struct model_endpoint *e = model_endpoint(f, endpoint);
	const struct model_endpoint *member = model_member(f, domain);
	bool bypass = (flags & VIOMMU_ATTACH_F_BYPASS) != 0;

	/* IOMMU-DRV-ATTACH-03, -04 */
	if (member != NULL)
		RULE(assert_int_equal(member->bypass, bypass));
	if (f->script.unknown_endpoints && endpoint > 0xff)
		return VIOMMU_S_NOENT;
	if (e->attached && e->domain == domain)
		return VIOMMU_S_OK;
	if (e->attached)
		model_leave(f, e);
	e->attached = true;
	e->domain = domain;
	e->bypass = bypass;
	return VIOMMU_S_OK;
}

static int model_detach(struct driver_fixture *f, uint32_t domain, uint32_t endpoint)
{
	struct model_endpoint *e = model_endpoint(f, endpoint);

	if (!e->attached || e->domain != domain)
		return VIOMMU_S_INVAL;
	model_leave(f, e);
	return VIOMMU_S_OK;
}

static int model_map(struct driver_fixture *f, uint32_t domain, const struct model_mapping *mapping)
{
	struct script *s = &f->script;
	const struct model_endpoint *member = model_member(f, domain);

	if (member == NULL)
		return VIOMMU_S_NOENT;
	RULE(assert_false(member->bypass)); /* IOMMU-DRV-MAP-02 */
	for (uint32_t i = 0; i < s->mapping_count; i++) {
		const struct model_mapping *m = &s->mappings[i];

		if (m->domain == domain && m->first <= mapping->last && mapping->first <= m->last)
			return VIOMMU_S_INVAL;
	}
	assert_true(s->mapping_count < FIXTURE_MAPPINGS);
	s->mappings[s->mapping_count++] = *mapping;
	return VIOMMU_S_OK;
}

static int model_unmap(struct driver_fixture *f, uint32_t domain, uint64_t first, uint64_t last)
{
	const struct model_endpoint *member = model_member(f, domain);

	if (member == NULL)
		return VIOMMU_S_NOENT;
	RULE(assert_false(member->bypass)); /* IOMMU-DRV-UNMAP-06 */
	for (uint32_t i = 0; i < f->script.mapping_count; i++) {
		const struct model_mapping *m = &f->script.mappings[i];

		/* IOMMU-DRV-UNMAP-04, -05 */
		if (m->domain == domain && m->first <= last && first <= m->last)
			RULE(assert_true(first <= m->first && m->last <= last));
	}
	model_drop(f, domain, first, last);
	return VIOMMU_S_OK;
}

static int model_apply(struct driver_fixture *f, const struct viommu_wire_request *r)
{
	struct model_mapping m;

	switch (r->type) {
	case VIOMMU_T_ATTACH:
		return model_attach(f, r->u.attach.domain, r->u.attach.endpoint, r->u.attach.flags);
	case VIOMMU_T_DETACH:
		return model_detach(f, r->u.detach.domain, r->u.detach.endpoint);
	case VIOMMU_T_MAP:
		m = (struct model_mapping){ r->u.map.domain, r->u.map.flags, r->u.map.virt_start, r->u.map.virt_end,
					    r->u.map.phys_start };
		return model_map(f, r->u.map.domain, &m);
	case VIOMMU_T_UNMAP:
		return model_unmap(f, r->u.unmap.domain, r->u.unmap.virt_start, r->u.unmap.virt_end);
	default:
		model_endpoint(f, r->u.probe.endpoint)->probed = true;
		return f->script.unknown_endpoints && r->u.probe.endpoint > 0xff ? VIOMMU_S_NOENT : VIOMMU_S_OK;
	}
}

/* Rules for every request */

static void check_domain(const struct driver_fixture *f, uint32_t domain)
{
	/* IOMMU-DRV-OPS-05 */
	if ((f->script.accepted & VIOMMU_F_DOMAIN_RANGE) != 0)
		assert_true(domain >= f->script.config.domain_first && domain <= f->script.config.domain_last);
}

static void check_range(const struct driver_fixture *f, uint64_t first, uint64_t last)
{
	/* IOMMU-DRV-MAP-03, IOMMU-DRV-OPS-04 */
	assert_true(first < last);
	if ((f->script.accepted & VIOMMU_F_INPUT_RANGE) != 0)
		assert_true(first >= f->script.config.input_range.first && last <= f->script.config.input_range.last);
}

static void check_request(struct driver_fixture *f, const struct seen_request *seen)
{
	const struct viommu_wire_request *r = &seen->request;
	uint32_t tail = r->type == VIOMMU_T_PROBE ? f->script.config.probe_size : 0;
	uint8_t again[VIOMMU_WIRE_REQUEST_MAX];
	struct viommu_wire_request clean = *r;

	/* IOMMU-DRV-PROBE-01: exactly probe_size. Nothing behind the request, no reserved byte but 0. */
	assert_int_equal(seen->writable, tail + VIOMMU_WIRE_TAIL_SIZE);
	assert_int_equal(seen->len, viommu_wire_request_size(r->type));
	if (r->type == VIOMMU_T_ATTACH)
		clean.u.attach.reserved = 0;
	if (r->type == VIOMMU_T_UNMAP)
		clean.u.unmap.reserved = 0;
	assert_int_equal(viommu_wire_request_encode(&clean, again, sizeof again), seen->len);
	assert_memory_equal(again, seen->bytes, seen->len);

	switch (r->type) {
	case VIOMMU_T_ATTACH:
		check_domain(f, r->u.attach.domain);
		if ((f->script.accepted & VIOMMU_F_BYPASS_CONFIG) == 0)
			assert_int_equal(r->u.attach.flags, 0);
		break;
	case VIOMMU_T_DETACH:
		check_domain(f, r->u.detach.domain);
		break;
	case VIOMMU_T_MAP:
		check_domain(f, r->u.map.domain);
		check_range(f, r->u.map.virt_start, r->u.map.virt_end);
		assert_int_equal(r->u.map.flags & ~7u, 0); /* IOMMU-DRV-MAP-01 */
		if ((f->script.accepted & VIOMMU_F_MMIO) == 0)
			assert_int_equal(r->u.map.flags & VIOMMU_MAP_F_MMIO, 0); /* IOMMU-DRV-MAP-07 */
		break;
	case VIOMMU_T_UNMAP:
		check_domain(f, r->u.unmap.domain);
		check_range(f, r->u.unmap.virt_start, r->u.unmap.virt_end);
		break;
	default:
		assert_int_not_equal(f->script.accepted & VIOMMU_F_PROBE, 0);
		break;
	}
}

/* The script */

static void put(const struct viommu_segment *segments, uint32_t count, size_t offset, const void *src, size_t len)
{
	const uint8_t *bytes = src;

	for (uint32_t i = 0; i < count && len > 0; i++) {
		size_t part;

		if (offset >= segments[i].len) {
			offset -= segments[i].len;
			continue;
		}
		part = segments[i].len - offset < len ? segments[i].len - offset : len;
		memcpy(segments[i].base + offset, bytes, part);
		bytes += part;
		len -= part;
		offset = 0;
	}
}

static void answer(struct driver_fixture *f, struct held_request *h)
{
	/* IOMMU-DRV-OPS-02: reserved bytes of a tail mean nothing. */
	uint8_t tail[VIOMMU_WIRE_TAIL_SIZE] = { (uint8_t)h->status, 0xee, 0xee, 0xee };
	static const uint8_t zeroes[4096];
	size_t properties = h->writable_len - sizeof tail;

	if (properties > 0) {
		put(h->writable, h->writable_count, 0, zeroes, properties < sizeof zeroes ? properties : sizeof zeroes);
		if (f->script.properties != NULL)
			put(h->writable, h->writable_count, 0, f->script.properties,
			    f->script.properties_len < properties ? f->script.properties_len : properties);
	}
	put(h->writable, h->writable_count, properties, tail, sizeof tail);
	h->answered = true;
	assert_int_equal(viommu_virtq_device_push(&f->script.queues[VIOMMU_QUEUE_REQUEST], h->head, h->used),
			 VIOMMU_OK);
	(void)viommu_virtq_device_publish(&f->script.queues[VIOMMU_QUEUE_REQUEST]);
}

void script_release(struct driver_fixture *f, uint32_t index)
{
	assert_true(index < f->script.held_count && !f->script.held[index].answered);
	answer(f, &f->script.held[index]);
}

void script_release_all(struct driver_fixture *f)
{
	for (uint32_t i = 0; i < f->script.held_count; i++) {
		if (!f->script.held[i].answered)
			script_release(f, i);
	}
}

/* False: what arrived is no request, which happens to bytes that changed on the way. */
static bool read_request(struct driver_fixture *f, const struct viommu_chain *chain, struct seen_request *seen)
{
	size_t at = 0;

	memset(seen, 0, sizeof *seen);
	if (sim_env_has_fired() && (chain->readable_len > sizeof seen->bytes || chain->writable > 4))
		return false;
	assert_true(chain->readable_len <= sizeof seen->bytes);
	for (uint32_t i = 0; i < chain->readable; i++) {
		memcpy(seen->bytes + at, chain->segments[i].base, chain->segments[i].len);
		at += chain->segments[i].len;
	}
	seen->len = (uint32_t)at;
	seen->writable = (uint32_t)chain->writable_len;
	if (sim_env_has_fired())
		return viommu_wire_request_decode(seen->bytes, at, &seen->request) == VIOMMU_OK &&
		       seen->writable >= VIOMMU_WIRE_TAIL_SIZE;
	assert_int_equal(viommu_wire_request_decode(seen->bytes, at, &seen->request), VIOMMU_OK);
	check_request(f, seen);
	return true;
}

static void give_back(struct driver_fixture *f, uint16_t head)
{
	assert_int_equal(viommu_virtq_device_push(&f->script.queues[VIOMMU_QUEUE_REQUEST], head, 0), VIOMMU_OK);
	(void)viommu_virtq_device_publish(&f->script.queues[VIOMMU_QUEUE_REQUEST]);
}

static void take(struct driver_fixture *f, const struct viommu_chain *chain)
{
	struct script *s = &f->script;
	struct verdict v = VERDICT_HONEST;
	struct held_request h = { .head = chain->head };
	struct seen_request seen;
	int by_model = 0;

	if (!read_request(f, chain, &seen)) {
		give_back(f, chain->head);
		return;
	}
	if (s->count < FIXTURE_LOG)
		s->log[s->count] = seen;
	if (s->decide != NULL)
		v = s->decide(f, &seen.request, s->count);
	s->count++;

	if (v.status == BY_MODEL || v.apply)
		by_model = model_apply(f, &seen.request);
	h.status = v.status == BY_MODEL ? by_model : v.status;
	h.writable_len = seen.writable;
	h.used = v.used == BY_MODEL ? seen.writable : (uint32_t)v.used;
	h.writable_count = chain->writable;
	assert_true(chain->writable <= 4);
	memcpy(h.writable, chain->segments + chain->readable, chain->writable * sizeof h.writable[0]);
	if (v.hold) {
		assert_true(s->held_count < FIXTURE_HELD);
		s->held[s->held_count++] = h;
	} else {
		answer(f, &h);
	}
}

static void script_run(struct driver_fixture *f)
{
	struct viommu_virtq_device *q = &f->script.queues[VIOMMU_QUEUE_REQUEST];
	struct viommu_segment segments[8];

	if (f->script.stalled || viommu_virtq_device_state(q) != VIOMMU_VIRTQ_READY)
		return;
	for (;;) {
		struct viommu_chain chain = { .segments = segments, .capacity = 8 };
		enum viommu_result result = viommu_virtq_device_pop(q, &chain);

		if (result == VIOMMU_E_EMPTY) {
			if (!viommu_virtq_device_arm(q))
				break;
			continue;
		}
		if (sim_env_has_fired() && result == VIOMMU_E_BROKEN)
			break;
		if (sim_env_has_fired() && result == VIOMMU_E_PEER) {
			give_back(f, chain.head);
			continue;
		}
		assert_int_equal(result, VIOMMU_OK);
		take(f, &chain);
	}
}

bool script_event(struct driver_fixture *f, const uint8_t *bytes, size_t len, uint32_t used)
{
	struct viommu_virtq_device *q = &f->script.queues[VIOMMU_QUEUE_EVENT];
	struct viommu_segment segments[8];
	struct viommu_chain chain = { .segments = segments, .capacity = 8 };
	enum viommu_result result = viommu_virtq_device_pop(q, &chain);

	if (result == VIOMMU_E_EMPTY)
		return false;
	assert_int_equal(result, VIOMMU_OK);
	assert_int_equal(chain.readable, 0);
	assert_int_equal(chain.writable_len, VIOMMU_WIRE_FAULT_SIZE);
	put(segments, chain.writable, 0, bytes, len);
	assert_int_equal(viommu_virtq_device_push(q, chain.head, used), VIOMMU_OK);
	(void)viommu_virtq_device_publish(q);
	return true;
}

bool script_fault(struct driver_fixture *f, const struct viommu_wire_fault *fault)
{
	uint8_t bytes[VIOMMU_WIRE_FAULT_SIZE];

	viommu_wire_fault_encode(fault, bytes);
	return script_event(f, bytes, sizeof bytes, sizeof bytes);
}

void script_lie(struct driver_fixture *f, uint32_t queue, uint32_t id, uint32_t len, uint16_t steps)
{
	const struct viommu_virtq_layout *l = &f->script.layouts[queue];
	uint8_t *used = (uint8_t *)f->shared.base + (l->used - f->shared.addr);
	uint16_t index = viommu_port_load16(used + 2);

	viommu_port_store32(used + 4 + 8u * (index & (l->size - 1)), id);
	viommu_port_store32(used + 8 + 8u * (index & (l->size - 1)), len);
	viommu_port_store16_release(used + 2, (uint16_t)(index + steps));
}

uint32_t script_count(const struct driver_fixture *f, uint8_t type)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < f->script.count && i < FIXTURE_LOG; i++)
		n += f->script.log[i].request.type == type;
	return n;
}

const struct seen_request *script_last(const struct driver_fixture *f)
{
	assert_true(f->script.count > 0 && f->script.count <= FIXTURE_LOG);
	return &f->script.log[f->script.count - 1];
}

uint32_t record_count(struct viommu_driver_domain *domain)
{
	struct viommu_mapping m;
	uint64_t from = 0;
	uint32_t n = 0;

	while (viommu_driver_next_mapping(domain, from, &m)) {
		n++;
		from = m.last + 1;
		if (from == 0)
			break;
	}
	return n;
}

void assert_record_is_model(struct driver_fixture *f, struct viommu_driver_domain *domain)
{
	uint32_t id = viommu_driver_domain_id(domain);
	uint32_t in_model = 0;

	for (uint32_t i = 0; i < f->script.mapping_count; i++) {
		const struct model_mapping *m = &f->script.mappings[i];
		struct viommu_mapping found;

		if (m->domain != id)
			continue;
		in_model++;
		assert_true(viommu_driver_next_mapping(domain, m->first, &found));
		assert_int_equal(found.first, m->first);
		assert_int_equal(found.last, m->last);
		assert_int_equal(found.phys, m->phys);
		assert_int_equal(found.flags, m->flags);
	}
	assert_int_equal(record_count(domain), in_model);
}

/* The real device */

bool real_translate(struct driver_fixture *f, uint32_t index, uint64_t iova, uint32_t kind, uint64_t *gpa)
{
	struct viommu_access *access = &f->real->accesses[index];
	struct viommu_access_token token;
	struct viommu_translation t;
	enum viommu_result result;

	sim_env_access();
	assert_int_equal(viommu_access_begin(access, &token), VIOMMU_OK);
	result = viommu_access_translate(access, iova, 1, kind, &t);
	viommu_access_end(access, token);
	if (result != VIOMMU_OK) {
		assert_int_equal(result, VIOMMU_E_FAULT);
		return false;
	}
	*gpa = t.gpa;
	return true;
}

static void real_up(struct driver_fixture *f, const struct driver_options *o)
{
	struct viommu_device_config dev = VIOMMU_DEVICE_CONFIG_INIT;
	struct viommu_pump_config pump = VIOMMU_PUMP_CONFIG_INIT;
	struct real_device *r = sim_env_zalloc(sizeof *r);
	size_t bytes;

	f->real = r;
	dev.features = o->offered & VIOMMU_DEVICE_FEATURES;
	dev.page_size_mask = o->space.page_size_mask;
	dev.input_range = o->space.input_range;
	dev.domain_first = o->space.domain_first;
	dev.domain_last = o->space.domain_last;
	dev.probe_size = o->space.probe_size;
	assert_int_equal(viommu_device_mem_size(&dev, &bytes), VIOMMU_OK);
	bytes += 4096 * VIOMMU_MAP_NODE_SIZE;
	r->dev_mem = sim_env_alloc(bytes);
	assert_int_equal(viommu_device_init(&r->dev, &dev, r->dev_mem, bytes), VIOMMU_OK);
	for (uint32_t i = 0; i < REAL_ENDPOINTS; i++) {
		struct viommu_endpoint_config e = VIOMMU_ENDPOINT_CONFIG_INIT;

		e.id = REAL_FIRST_ENDPOINT + i;
		e.regions = i == 0 ? o->regions : NULL;
		e.region_count = i == 0 ? o->region_count : 0;
		assert_int_equal(viommu_device_add_endpoint(&r->dev, &e, &r->endpoints[i]), VIOMMU_OK);
		viommu_access_init(&r->accesses[i], &r->dev, r->endpoints[i]);
	}
	pump.device = &r->dev;
	pump.memory = (struct viommu_memory){ &env_memory_ops, &f->table };
	pump.queue_size_max = o->queue_max;
	sim_transport_init(&r->transport, NULL);
	pump.interrupts = r->transport.interrupt_ops;
	pump.interrupt_ctx = r->transport.interrupt_ctx;
	assert_int_equal(viommu_pump_mem_size(&pump, &bytes), VIOMMU_OK);
	r->pump_mem = sim_env_alloc(bytes);
	assert_int_equal(viommu_pump_init(&r->pump, &pump, r->pump_mem, bytes), VIOMMU_OK);
	assert_int_equal(sim_transport_connect(&r->transport, viommu_pump_registers(&r->pump)), VIOMMU_OK);
	assert_int_equal(sim_transport_find_device(&r->transport), VIOMMU_OK);
}

void device_run(struct driver_fixture *f)
{
	sim_env_operation();
	if (f->real == NULL) {
		script_run(f);
		return;
	}
	while (viommu_pump_process(&f->real->pump, 64))
		;
	sim_transport_take_interrupts(&f->real->transport);
}

/* Driver's hooks */

static enum viommu_result hook_wait(void *ctx, uint32_t attempt)
{
	struct driver_fixture *f = ctx;

	assert_int_equal(f->depth, 0);
	assert_true(viommu_driver_check(&f->drv)); /* the lock is not held: other threads could call */
	if (sim_env_call(SIM_ENV_WAIT, attempt, 0))
		return VIOMMU_E_TIMEOUT;
	f->waits++;
	f->last_attempt = attempt;
	if (f->on_wait != NULL)
		f->on_wait(f);
	/* A device that is stalled has not lost the kick. */
	if ((f->kicked && !f->script.stalled) || f->real != NULL) {
		f->kicked = false;
		device_run(f);
	}
	return attempt + 1 < f->patience ? VIOMMU_OK : VIOMMU_E_TIMEOUT;
}

static void hook_lock(void *ctx)
{
	struct driver_fixture *f = ctx;

	assert_int_equal(f->depth, 0);
	(void)sim_env_call(SIM_ENV_LOCK, 1, 0);
	f->depth++;
	f->locked++;
}

static void hook_unlock(void *ctx)
{
	struct driver_fixture *f = ctx;

	assert_int_equal(f->depth, 1);
	(void)sim_env_call(SIM_ENV_LOCK, 0, 0);
	f->depth--;
}

static void hook_fault(void *ctx, const struct viommu_wire_fault *fault)
{
	struct driver_fixture *f = ctx;

	assert_int_equal(f->depth, 0);
	(void)sim_env_call(SIM_ENV_REPORT, fault->endpoint, fault->address);
	if (f->fault_count < sizeof f->faults / sizeof f->faults[0])
		f->faults[f->fault_count] = *fault;
	f->fault_count++;
	if (f->on_fault != NULL)
		f->on_fault(f, fault);
}

static void hook_failed(void *ctx, struct viommu_driver_domain *domain, const struct viommu_driver_failure *failure)
{
	struct driver_fixture *f = ctx;

	if (f->locks)
		assert_int_equal(f->depth, 1);
	(void)sim_env_call(SIM_ENV_REPORT, failure->first, failure->last);
	if (f->failure_count < sizeof f->failures / sizeof f->failures[0])
		f->failures[f->failure_count] = *failure;
	f->failure_count++;
	f->failed_domain = domain;
}

/* Making */

void driver_options_init(struct driver_options *options)
{
	*options = (struct driver_options){
		.config = VIOMMU_DRIVER_CONFIG_INIT,
		.nodes = 2048,
		.locks = true,
		/* Scripts answer in any order. */
		.offered = VIOMMU_DRIVER_FEATURES & ~VIOMMU_F_IN_ORDER,
		.space = { .page_size_mask = ~(PAGE - 1),
			   .input_range = { 0, UINT64_MAX },
			   .domain_last = UINT32_MAX,
			   .probe_size = 64 },
		.queue_max = 256,
	};
}

static void lay_out_memory(struct driver_fixture *f, const struct driver_options *o, uint64_t at)
{
	struct viommu_driver_config config = o->config;
	size_t private_bytes, shared_bytes;

	assert_int_equal(viommu_driver_mem_size(&config, &private_bytes, &shared_bytes), VIOMMU_OK);
	private_bytes += o->nodes * VIOMMU_MAP_NODE_SIZE;
	/* Odd, and exactly as long as it has to be: the address sanitizer watches both ends. */
	f->private_block = sim_env_alloc(private_bytes + 1);
	memset(f->private_block, 0xa5, private_bytes + 1);
	f->shared.base = sim_env_alloc(shared_bytes);
	memset(f->shared.base, 0xa5, shared_bytes);
	f->shared.addr = at;
	f->shared.len = shared_bytes;
	f->regions[0] = (struct viommu_memory_region){ at, at + shared_bytes - 1, f->shared.base,
						       VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE };
	f->memory = (struct viommu_memory){ &viommu_memory_table_ops, &f->table };
	assert_int_equal(
		viommu_driver_init(&f->drv, &config, (uint8_t *)f->private_block + 1, private_bytes, &f->shared),
		VIOMMU_OK);
}

void script_become_honest(struct driver_fixture *f)
{
	struct script *s = &f->script;
	const struct script *h = &f->honest;

	s->offered = h->offered;
	s->config = h->config;
	s->config_len = h->config_len;
	memcpy(s->queue_max, h->queue_max, sizeof s->queue_max);
	s->ignores_bypass = s->refuses_features = s->never_settles = s->stalled = false;
	s->refuses_queue = s->unknown_endpoints = false;
	s->settles_after = s->reset_reads = s->resetting = 0;
	s->decide = NULL;
	s->properties = NULL;
	f->on_wait = NULL;
	f->on_fault = NULL;
	f->patience = FIXTURE_WAITS;
}

/* Life with a device that works: attach, map, unmap, detach. */
static void live(struct driver_fixture *f)
{
	struct viommu_driver_domain *d = &f->last_domain;
	struct viommu_driver_endpoint *e = &f->last_endpoint;
	struct viommu_driver_limits l;
	enum viommu_result result;
	uint64_t at;

	viommu_driver_get_limits(&f->drv, &l);
	at = l.input_range.first;
	result = viommu_driver_domain_init(d, &f->drv, VIOMMU_DOMAIN_ANY, false);
	if (result == VIOMMU_E_FULL)
		return; /* the test's domains have all the ids there are */
	assert_int_equal(result, VIOMMU_OK);
	endpoint_up(f, e, REAL_FIRST_ENDPOINT + 1);
	assert_int_equal(viommu_driver_attach(d, e, NULL), VIOMMU_OK);
	result = viommu_driver_map(d, at, at + (l.granule - 1), 0, VIOMMU_MAP_F_READ);
	if (result != VIOMMU_E_NOMEM || viommu_map_pool_free(&f->drv.pool) > 1) {
		assert_int_equal(result, VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(d, NULL), VIOMMU_OK);
		assert_int_equal(record_count(d), 1);
		assert_int_equal(viommu_driver_unmap(d, at, at + (l.granule - 1)), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(d, NULL), VIOMMU_OK);
		assert_int_equal(record_count(d), 0);
	}
	assert_int_equal(viommu_driver_detach(e, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_domain_deinit(d), VIOMMU_OK);
}

/* With a device that behaves: all is as the record says, but for endpoints and domains that it does not have any more. */
static void recover(struct driver_fixture *f)
{
	enum viommu_result result = viommu_driver_recover(&f->drv);

	assert_true(viommu_driver_check(&f->drv));
	assert_int_not_equal(result, VIOMMU_E_TIMEOUT);
	for (const struct viommu_driver_domain *d = f->drv.domains; d != NULL && result == VIOMMU_OK; d = d->next)
		assert_null(d->lost);
}

/*
 * However the test ended: with a device that behaves the driver can recover, and be stopped and started, and then does
 * everything. Not with hooks of the test's own, nor with a device that a driver cannot use.
 */
static void end_of_test(void *ctx)
{
	struct driver_fixture *f = ctx;
	enum viommu_result result;

	assert_int_equal(f->depth, 0);
	assert_true(viommu_driver_check(&f->drv));
	if (f->real != NULL)
		assert_true(viommu_pump_check(&f->real->pump) && sim_transport_check(&f->real->transport));
	if (f->has_own_hooks)
		return;
	script_become_honest(f);
	recover(f);
	assert_int_equal(viommu_driver_stop(&f->drv), VIOMMU_OK);
	result = driver_start(f);
	if (result == VIOMMU_OK)
		live(f);
	else
		assert_true(result == VIOMMU_E_UNSUPP || result == VIOMMU_E_NOMEM || result == VIOMMU_E_PEER ||
			    result == VIOMMU_E_RANGE);
	assert_int_equal(f->depth, 0);
	assert_true(viommu_driver_check(&f->drv));
}

/* The device resets itself, as when somebody else wrote its status. */
static void surprise(void *ctx)
{
	struct driver_fixture *f = ctx;

	if (f->real != NULL)
		viommu_registers_set_status(registers_of(f), 0);
	else
		script_set_status(f, 0);
}

struct driver_fixture *driver_setup(const struct driver_options *options)
{
	struct driver_fixture *f = sim_env_zalloc(sizeof *f);
	struct driver_options o;

	driver_options_init(&o);
	if (options != NULL)
		o = *options;
	f->ops = (struct viommu_driver_ops){
		.size = sizeof f->ops, .wait = hook_wait, .fault = hook_fault, .failed = hook_failed
	};
	if (o.locks) {
		f->ops.lock = hook_lock;
		f->ops.unlock = hook_unlock;
	}
	f->locks = o.locks;
	f->patience = FIXTURE_WAITS;
	f->has_own_hooks = o.config.ops != NULL;
	if (!f->has_own_hooks) {
		o.config.ops = &f->ops;
		o.config.ops_ctx = f;
	}
	f->script.offered = o.offered;
	f->script.config = o.space;
	f->script.config_len = VIOMMU_WIRE_CONFIG_SIZE;
	lay_out_memory(f, &o, FIXTURE_BUS);
	f->table = (struct viommu_memory_table){ .regions = f->regions, .count = 1 };
	for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++) {
		f->script.queue_max[i] = o.queue_max;
		viommu_virtq_device_init(&f->script.queues[i], &f->memory);
	}
	f->honest = f->script;
	if (o.real)
		real_up(f, &o);
	sim_env_on_end(end_of_test, f);
	sim_env_on_reset(surprise, f, true);
	return f;
}

enum viommu_result driver_start(struct driver_fixture *f)
{
	return viommu_driver_start(&f->drv, &fixture_register_ops, f);
}

struct driver_fixture *driver_up(const struct driver_options *options)
{
	struct driver_fixture *f = driver_setup(options);

	assert_int_equal(driver_start(f), VIOMMU_OK);
	f->step_count = 0;
	return f;
}

void driver_replace(struct driver_fixture *f, const struct driver_options *options)
{
	struct driver_options o = *options;

	o.config.ops = &f->ops;
	o.config.ops_ctx = f;
	sim_env_free(f->private_block);
	f->replaced = f->shared.base;
	f->regions[1] = f->regions[0];
	lay_out_memory(f, &o, FIXTURE_BUS - UINT64_C(0x10000000));
	assert_int_equal(viommu_memory_table_set(&f->table, f->regions, 2), VIOMMU_OK);
}

void driver_teardown(struct driver_fixture *f)
{
	sim_env_end(end_of_test, f);
	if (f->real != NULL) {
		sim_env_free(f->real->dev_mem);
		sim_env_free(f->real->pump_mem);
		sim_env_free(f->real);
	}
	sim_env_free(f->private_block);
	sim_env_free(f->shared.base);
	sim_env_free(f->replaced);
	sim_env_free(f);
}

void endpoint_up(struct driver_fixture *f, struct viommu_driver_endpoint *endpoint, uint32_t id)
{
	static struct viommu_resv_region none[1];

	assert_int_equal(viommu_driver_endpoint_init(endpoint, &f->drv, id, none, 0), VIOMMU_OK);
}

void domain_up(struct driver_fixture *f, struct viommu_driver_domain *domain, struct viommu_driver_endpoint *endpoint,
	       uint32_t id)
{
	assert_int_equal(viommu_driver_domain_init(domain, &f->drv, VIOMMU_DOMAIN_ANY, false), VIOMMU_OK);
	endpoint_up(f, endpoint, id);
	assert_int_equal(viommu_driver_attach(domain, endpoint, NULL), VIOMMU_OK);
}
