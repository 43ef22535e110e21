/* SPDX-License-Identifier: BSD-3-Clause */
#include "scripted.h"

#include <string.h>

#include "ops.h"

#define CHECK SIM_OPS_CHECK

#define F_NEXT 1u
#define F_WRITE 2u
#define F_INDIRECT 4u
#define CHAIN_MAX 8u
#define FEATURES_LATE (VIOMMU_STATUS_FEATURES_OK | VIOMMU_STATUS_DRIVER_OK)

/* Shared memory */

static uint8_t *at_bus(const struct scripted *s, uint64_t addr, uint64_t len)
{
	uint64_t offset = addr - s->bus;

	return offset < s->len && len <= s->len - offset ? s->shared + offset : NULL;
}

uint64_t scripted_load(const struct scripted *s, uint64_t addr, unsigned bytes)
{
	const uint8_t *p = at_bus(s, addr, bytes);
	uint64_t value = 0;

	for (unsigned i = 0; p != NULL && i < bytes; i++)
		value |= (uint64_t)p[i] << (8 * i);
	return value;
}

void scripted_store(struct scripted *s, uint64_t addr, unsigned bytes, uint64_t value)
{
	uint8_t *p = at_bus(s, addr, bytes);

	for (unsigned i = 0; p != NULL && i < bytes; i++)
		p[i] = (uint8_t)(value >> (8 * i));
}

static bool add_piece(const struct scripted *s, uint64_t at, struct scripted_chain *out)
{
	uint32_t len = (uint32_t)scripted_load(s, at + 8, 4);
	uint8_t *p = at_bus(s, scripted_load(s, at, 8), len);

	if (p == NULL)
		return false;
	if ((scripted_load(s, at + 12, 2) & F_WRITE) != 0) {
		out->reply = p;
		out->reply_len = len;
		return true;
	}
	if (len > sizeof out->request - out->request_len)
		return false;
	memcpy(out->request + out->request_len, p, len);
	out->request_len += len;
	return true;
}

bool scripted_chain(const struct scripted *s, uint32_t queue, uint16_t head, struct scripted_chain *out)
{
	uint64_t table = s->layouts[queue].desc;
	uint64_t index = head;

	out->request_len = 0;
	out->reply = NULL;
	out->reply_len = 0;
	for (uint32_t i = 0; i <= CHAIN_MAX; i++) {
		uint64_t at = table + 16 * index;
		uint64_t flags = scripted_load(s, at + 12, 2);

		if (at_bus(s, at, 16) == NULL)
			return false;
		if ((flags & F_INDIRECT) != 0) {
			table = scripted_load(s, at, 8);
			index = 0;
			continue;
		}
		if (!add_piece(s, at, out))
			return false;
		if ((flags & F_NEXT) == 0)
			return true;
		index = scripted_load(s, at + 14, 2);
	}
	return false;
}

void scripted_put_used(struct scripted *s, uint32_t queue, uint32_t id, uint32_t len, uint16_t steps)
{
	const struct viommu_virtq_layout *l = &s->layouts[queue];
	uint16_t index;

	if (!s->enabled[queue])
		return;
	index = (uint16_t)scripted_load(s, l->used + 2, 2);
	scripted_store(s, l->used + 4 + 8 * (index % l->size), 4, id);
	scripted_store(s, l->used + 8 + 8 * (index % l->size), 4, len);
	scripted_store(s, l->used + 2, 2, (uint64_t)index + steps);
}

/* Is there a chain that was not taken yet? A kick is asked for if there is not. */
static bool next_head(struct scripted *s, uint32_t queue, uint16_t *head)
{
	const struct viommu_virtq_layout *l = &s->layouts[queue];

	if (!s->enabled[queue])
		return false;
	if ((uint16_t)scripted_load(s, l->avail + 2, 2) == s->taken[queue]) {
		if ((s->accepted & VIOMMU_F_EVENT_IDX) != 0)
			scripted_store(s, l->used + 4 + 8 * l->size, 2, s->taken[queue]);
		return false;
	}
	*head = (uint16_t)scripted_load(s, l->avail + 4 + 2 * (s->taken[queue] % l->size), 2);
	s->taken[queue] = (uint16_t)(s->taken[queue] + 1);
	return true;
}

/* What is */

static bool has_members(const struct scripted *s, uint32_t domain)
{
	for (uint32_t e = 0; e < SCRIPTED_ENDPOINTS; e++) {
		if (s->domain_of[e] == domain)
			return true;
	}
	return false;
}

static void drop(struct scripted *s, uint32_t domain, uint64_t first, uint64_t last)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->mapping_count; i++) {
		const struct scripted_mapping *m = &s->mappings[i];

		if (m->domain != domain || m->first < first || m->last > last)
			s->mappings[kept++] = *m;
	}
	s->mapping_count = kept;
}

bool scripted_is_mapped(const struct scripted *s, uint32_t domain, uint64_t first, uint64_t last)
{
	for (uint32_t i = 0; i < s->mapping_count; i++) {
		const struct scripted_mapping *m = &s->mappings[i];

		if (m->domain == domain && m->first <= last && first <= m->last)
			return true;
	}
	return false;
}

static void leave(struct scripted *s, uint32_t e)
{
	uint64_t domain = s->domain_of[e];

	s->domain_of[e] = SCRIPTED_NOWHERE;
	if (domain != SCRIPTED_NOWHERE && !has_members(s, (uint32_t)domain))
		drop(s, (uint32_t)domain, 0, UINT64_MAX);
}

static uint8_t apply_attach(struct scripted *s, uint32_t domain, uint32_t e, uint32_t flags)
{
	if (e >= SCRIPTED_ENDPOINTS)
		return VIOMMU_S_NOENT;
	if (s->domain_of[e] == domain)
		return VIOMMU_S_OK;
	leave(s, e);
	s->domain_of[e] = domain;
	s->bypass_of[e] = (flags & VIOMMU_ATTACH_F_BYPASS) != 0;
	return VIOMMU_S_OK;
}

static uint8_t apply_detach(struct scripted *s, uint32_t domain, uint32_t e)
{
	if (e >= SCRIPTED_ENDPOINTS)
		return VIOMMU_S_NOENT;
	if (s->domain_of[e] != domain)
		return VIOMMU_S_INVAL;
	leave(s, e);
	return VIOMMU_S_OK;
}

/* A driver that was told no lies maps nothing twice, and splits nothing. */
static uint8_t apply_map(struct scripted *s, const struct viommu_wire_request *r)
{
	bool twice = scripted_is_mapped(s, r->u.map.domain, r->u.map.virt_start, r->u.map.virt_end);

	CHECK(s->lied || !twice);
	if (!has_members(s, r->u.map.domain))
		return VIOMMU_S_NOENT;
	if (twice)
		return VIOMMU_S_INVAL;
	if (s->mapping_count == SCRIPTED_MAPPINGS)
		return VIOMMU_S_NOMEM;
	s->mappings[s->mapping_count++] =
		(struct scripted_mapping){ r->u.map.domain, r->u.map.flags, r->u.map.virt_start, r->u.map.virt_end,
					   r->u.map.phys_start };
	return VIOMMU_S_OK;
}

static uint8_t apply_unmap(struct scripted *s, const struct viommu_wire_request *r)
{
	uint64_t first = r->u.unmap.virt_start, last = r->u.unmap.virt_end;

	if (!has_members(s, r->u.unmap.domain))
		return VIOMMU_S_NOENT;
	for (uint32_t i = 0; i < s->mapping_count; i++) {
		const struct scripted_mapping *m = &s->mappings[i];

		if (m->domain == r->u.unmap.domain && m->first <= last && first <= m->last)
			CHECK(s->lied || (first <= m->first && m->last <= last));
	}
	drop(s, r->u.unmap.domain, first, last);
	return VIOMMU_S_OK;
}

static uint8_t apply(struct scripted *s, const struct viommu_wire_request *r)
{
	switch (r->type) {
	case VIOMMU_T_ATTACH:
		return apply_attach(s, r->u.attach.domain, r->u.attach.endpoint - SCRIPTED_FIRST_ENDPOINT,
				    r->u.attach.flags);
	case VIOMMU_T_DETACH:
		return apply_detach(s, r->u.detach.domain, r->u.detach.endpoint - SCRIPTED_FIRST_ENDPOINT);
	case VIOMMU_T_MAP:
		return apply_map(s, r);
	case VIOMMU_T_UNMAP:
		return apply_unmap(s, r);
	default:
		return r->u.probe.endpoint - SCRIPTED_FIRST_ENDPOINT < SCRIPTED_ENDPOINTS ? VIOMMU_S_OK
											  : VIOMMU_S_NOENT;
	}
}

/* Would this "no" to a request that was not carried out be a lie? */
static bool is_false(const struct scripted *s, const struct viommu_wire_request *r, uint8_t status)
{
	uint32_t e = r->u.detach.endpoint - SCRIPTED_FIRST_ENDPOINT;

	if (status == VIOMMU_S_OK)
		return r->type != VIOMMU_T_PROBE;
	/* "It is not in that domain." */
	return r->type == VIOMMU_T_DETACH && (status == VIOMMU_S_INVAL || status == VIOMMU_S_NOENT) &&
	       e < SCRIPTED_ENDPOINTS && s->domain_of[e] == r->u.detach.domain;
}

static uint8_t execute(struct scripted *s, const struct viommu_wire_request *r, const struct scripted_plan *plan)
{
	uint8_t status;

	if (plan->effect == SCRIPTED_NOTHING) {
		s->lied |= is_false(s, r, plan->status);
		return plan->status;
	}
	status = apply(s, r);
	if (plan->effect == SCRIPTED_HONEST)
		return status;
	s->lied |= (status == VIOMMU_S_OK) != (plan->status == VIOMMU_S_OK) && r->type != VIOMMU_T_PROBE;
	return plan->status;
}

/* Answers */

static void answer(struct scripted *s, const struct scripted_held *h)
{
	static const uint32_t missing[] = { [SCRIPTED_ALL] = 0, [SCRIPTED_PART] = 1, [SCRIPTED_MORE] = 0u - 100u };
	uint32_t used = h->used == SCRIPTED_NONE ? 0 : h->reply_len - missing[h->used];

	if (h->reply != NULL && h->reply_len >= VIOMMU_WIRE_TAIL_SIZE) {
		uint32_t properties = h->reply_len - VIOMMU_WIRE_TAIL_SIZE;

		if (properties > 0)
			memset(h->reply, 0, properties);
		memcpy(h->reply, s->properties, properties < sizeof s->properties ? properties : sizeof s->properties);
		memset(h->reply + properties, 0xee, VIOMMU_WIRE_TAIL_SIZE);
		h->reply[properties] = h->status;
	}
	scripted_put_used(s, VIOMMU_QUEUE_REQUEST, h->head, used, 1);
}

static void take(struct scripted *s, uint16_t head)
{
	struct scripted_plan plan = { 0 };
	struct scripted_held h = { .head = head };
	struct viommu_wire_request r;
	struct scripted_chain c;

	if (s->plan_count > 0) {
		plan = s->plans[0];
		s->plan_count--;
		memmove(s->plans, s->plans + 1, s->plan_count * sizeof plan);
	}
	if (!scripted_chain(s, VIOMMU_QUEUE_REQUEST, head, &c) ||
	    viommu_wire_request_decode(c.request, c.request_len, &r) != VIOMMU_OK) {
		CHECK(s->lied);
		scripted_put_used(s, VIOMMU_QUEUE_REQUEST, head, 0, 1);
		return;
	}
	h.status = execute(s, &r, &plan);
	h.used = plan.used;
	h.reply = c.reply;
	h.reply_len = c.reply_len;
	if (!plan.hold || s->held_count == SCRIPTED_HELD) {
		answer(s, &h);
		return;
	}
	s->held[s->held_count++] = h;
	s->lazy = true;
}

void scripted_serve(struct scripted *s, uint32_t count)
{
	uint16_t head;

	if (s->mute)
		return;
	s->kicked = false;
	for (uint32_t i = 0; i < count; i++) {
		if (!next_head(s, VIOMMU_QUEUE_REQUEST, &head))
			return;
		take(s, head);
	}
	s->kicked = true; /* it has not seen the end */
}

void scripted_release(struct scripted *s, uint32_t which)
{
	struct scripted_held h;

	if (s->held_count == 0)
		return;
	which %= s->held_count;
	h = s->held[which];
	s->held_count--;
	memmove(&s->held[which], &s->held[which + 1], (s->held_count - which) * sizeof h);
	answer(s, &h);
}

bool scripted_event(struct scripted *s, const uint8_t *bytes, size_t len, uint32_t used)
{
	struct scripted_chain c;
	uint16_t head;

	if (!next_head(s, VIOMMU_QUEUE_EVENT, &head))
		return false;
	if (scripted_chain(s, VIOMMU_QUEUE_EVENT, head, &c) && c.reply != NULL)
		memcpy(c.reply, bytes, len < c.reply_len ? len : c.reply_len);
	else
		CHECK(s->lied);
	scripted_put_used(s, VIOMMU_QUEUE_EVENT, head, used, 1);
	return true;
}

/* Registers */

static void forget(struct scripted *s)
{
	for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++) {
		s->enabled[i] = false;
		s->taken[i] = 0;
	}
	for (uint32_t e = 0; e < SCRIPTED_ENDPOINTS; e++)
		s->domain_of[e] = SCRIPTED_NOWHERE;
	s->mapping_count = 0;
	s->held_count = 0;
	s->accepted = 0;
	s->forged = false;
	s->features_ok = false;
	s->kicked = false;
	s->lied = true; /* until the driver knows */
}

void scripted_remove(struct scripted *s)
{
	forget(s);
	s->resetting = 0;
	s->status = 0;
}

static uint8_t get_status(void *ctx)
{
	struct scripted *s = ctx;

	s->accesses++;
	if (s->resetting > 0 && s->resetting != SCRIPTED_FOREVER && --s->resetting == 0)
		s->status = 0;
	s->status_read = s->status;
	s->features_ok |= (s->status & VIOMMU_STATUS_FEATURES_OK) != 0;
	return s->status;
}

static void set_status(void *ctx, uint8_t status)
{
	struct scripted *s = ctx;

	s->accesses++;
	if (status == 0) {
		forget(s);
		s->resetting = s->reset_reads;
		s->status = s->resetting > 0 ? VIOMMU_STATUS_NEEDS_RESET : 0;
		return;
	}
	/* GEN-DRV-STATUS-02: bits are only added to what was read. */
	CHECK((s->status_read & ~status) == 0);
	if (s->refuses_features)
		status &= (uint8_t)~VIOMMU_STATUS_FEATURES_OK;
	s->status = status;
	if ((status & VIOMMU_STATUS_DRIVER_OK) != 0 && s->on_driver_ok != NULL)
		s->on_driver_ok(s->ctx);
}

static uint64_t get_features(void *ctx)
{
	struct scripted *s = ctx;

	s->accesses++;
	s->offered_read = s->offered;
	return s->offered;
}

static void set_features(void *ctx, uint64_t features)
{
	struct scripted *s = ctx;

	s->accesses++;
	/* GEN-DRV-FEAT-01, GEN-DRV-INIT-04 */
	CHECK((features & ~s->offered_read) == 0 && (s->forged || (s->status_read & FEATURES_LATE) == 0));
	s->accepted = features;
}

static uint32_t config_generation(void *ctx)
{
	struct scripted *s = ctx;

	s->accesses++;
	if (s->on_config != NULL)
		s->on_config(s->ctx);
	if (s->settle > 0) {
		s->generation++;
		if (s->settle != SCRIPTED_FOREVER)
			s->settle--;
	}
	return s->generation;
}

static void config_read(void *ctx, uint32_t offset, void *dst, uint32_t len)
{
	struct scripted *s = ctx;

	s->accesses++;
	CHECK(offset < sizeof s->config && len <= sizeof s->config - offset);
	memcpy(s->config_read + offset, s->config + offset, len);
	memcpy(dst, s->config + offset, len);
}

static void config_write(void *ctx, uint32_t offset, const void *src, uint32_t len)
{
	struct scripted *s = ctx;

	s->accesses++;
	/* IOMMU-DRV-CONFIG-02: the driver has no reason to, but for the one field that is there to be stored. */
	CHECK(offset == VIOMMU_WIRE_CONFIG_BYPASS && len == 1 && s->on_bypass != NULL);
	s->on_bypass(s->ctx);
	if (!s->keeps_bypass)
		memcpy(s->config + offset, src, len);
}

static uint32_t queue_size_max(void *ctx, uint32_t queue)
{
	struct scripted *s = ctx;

	s->accesses++;
	CHECK(queue < VIOMMU_QUEUE_COUNT);
	return s->queue_max[queue];
}

static bool is_inside(const struct scripted *s, uint64_t addr, uint64_t len, uint64_t align)
{
	return addr % align == 0 && at_bus(s, addr, len) != NULL;
}

static enum viommu_result queue_enable(void *ctx, uint32_t queue, const struct viommu_virtq_layout *layout)
{
	struct scripted *s = ctx;
	uint64_t size = layout->size;

	s->accesses++;
	CHECK(queue < VIOMMU_QUEUE_COUNT && size >= 1 && size <= s->queue_max[queue] && (size & (size - 1)) == 0);
	CHECK(s->features_ok);
	CHECK(is_inside(s, layout->desc, 16 * size, 16) && is_inside(s, layout->avail, 6 + 2 * size, 2) &&
	      is_inside(s, layout->used, 6 + 8 * size, 4));
	if (s->refuses_queue)
		return VIOMMU_E_PEER;
	s->layouts[queue] = *layout;
	s->enabled[queue] = true;
	s->taken[queue] = 0;
	return VIOMMU_OK;
}

static void notify(void *ctx, uint32_t queue)
{
	struct scripted *s = ctx;

	s->accesses++;
	CHECK(queue < VIOMMU_QUEUE_COUNT);
	s->kicked |= queue == VIOMMU_QUEUE_REQUEST;
	if (s->on_notify != NULL)
		s->on_notify(s->ctx, queue);
}

/*
 * The rest of what was written is for the driver's half alone to get right: the device has scribbled over the ring. And
 * what was accepted may be forgotten already, by a reset that the driver did not see the end of.
 */
static void notify_data(void *ctx, uint32_t queue, uint32_t data)
{
	CHECK((data & 0xffff) == queue);
	notify(ctx, queue);
}

const struct viommu_register_ops scripted_register_ops = {
	.size = sizeof scripted_register_ops,
	.get_status = get_status,
	.set_status = set_status,
	.get_features = get_features,
	.set_features = set_features,
	.config_generation = config_generation,
	.config_read = config_read,
	.config_write = config_write,
	.queue_size_max = queue_size_max,
	.queue_enable = queue_enable,
	.notify = notify,
	.notify_data = notify_data,
};

void scripted_calm(struct scripted *s)
{
	static const struct viommu_wire_config config = { .page_size_mask = ~UINT64_C(0xfff),
							  .input_range = { 0, UINT64_MAX },
							  .domain_last = UINT32_MAX,
							  .probe_size = SCRIPTED_PROPERTIES };

	viommu_wire_config_encode(&config, s->config);
	s->offered = VIOMMU_F_INPUT_RANGE | VIOMMU_F_DOMAIN_RANGE | VIOMMU_F_MAP_UNMAP | VIOMMU_F_PROBE |
		     VIOMMU_F_MMIO | VIOMMU_F_BYPASS_CONFIG | VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX |
		     VIOMMU_F_VERSION_1 | VIOMMU_F_ACCESS_PLATFORM | VIOMMU_F_ORDER_PLATFORM |
		     VIOMMU_F_NOTIFICATION_DATA;
	s->queue_max[VIOMMU_QUEUE_REQUEST] = 256;
	s->queue_max[VIOMMU_QUEUE_EVENT] = 256;
	s->settle = 0;
	s->reset_reads = 0;
	s->refuses_features = false;
	s->refuses_queue = false;
	s->mute = false;
	s->keeps_bypass = false;
	memset(s->properties, 0, sizeof s->properties);
	s->plan_count = 0;
}

void scripted_init(struct scripted *s, uint8_t *shared, uint64_t bus, size_t len)
{
	s->shared = shared;
	s->bus = bus;
	s->len = len;
	s->on_config = NULL;
	s->on_notify = NULL;
	s->on_driver_ok = NULL;
	s->on_bypass = NULL;
	s->status = 0;
	s->status_read = 0;
	s->generation = 0;
	s->resetting = 0;
	s->accesses = 0;
	memset(s->config_read, 0, sizeof s->config_read);
	scripted_calm(s);
	forget(s);
	s->lied = false;
	s->lazy = false;
}
