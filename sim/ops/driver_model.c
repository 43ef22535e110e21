/* SPDX-License-Identifier: BSD-3-Clause */
#include "driver_model.h"

#include <string.h>

#include "ops.h"

#define CHECK SIM_OPS_CHECK
#define UNCERTAIN 8u /* the flag of an entry in the driver's record */

static const struct viommu_virtq_driver *queue(const struct driver_model *m)
{
	return &m->drv->virtqs[VIOMMU_QUEUE_REQUEST];
}

/* The record */

static bool overlaps(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return a <= d && c <= b;
}

bool driver_model_overlaps(const struct driver_model *m, uint32_t domain, uint64_t first, uint64_t last)
{
	const struct model_domain *d = &m->domains[domain];

	for (uint32_t i = 0; i < d->count; i++) {
		if (overlaps(d->mappings[i].first, d->mappings[i].last, first, last))
			return true;
	}
	return false;
}

bool driver_model_splits(const struct driver_model *m, uint32_t domain, uint64_t first, uint64_t last)
{
	const struct model_domain *d = &m->domains[domain];

	for (uint32_t i = 0; i < d->count; i++) {
		const struct model_mapping *k = &d->mappings[i];

		if (overlaps(k->first, k->last, first, last) && (k->first < first || k->last > last))
			return true;
	}
	return false;
}

void driver_model_insert(struct driver_model *m, uint32_t domain, const struct model_mapping *mapping)
{
	struct model_domain *d = &m->domains[domain];
	uint32_t at = d->count;

	CHECK(d->count < MODEL_MAPPINGS);
	m->dirty |= 1u << domain;
	while (at > 0 && d->mappings[at - 1].first > mapping->first) {
		d->mappings[at] = d->mappings[at - 1];
		at--;
	}
	d->mappings[at] = *mapping;
	d->count++;
}

static void keep(struct model_domain *d, bool (*stays)(const struct model_mapping *m, uint64_t first, uint64_t last),
		 uint64_t first, uint64_t last)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < d->count; i++) {
		if (stays(&d->mappings[i], first, last))
			d->mappings[kept++] = d->mappings[i];
	}
	d->count = kept;
}

static bool is_outside(const struct model_mapping *m, uint64_t first, uint64_t last)
{
	return m->first < first || m->last > last;
}

static bool is_certain(const struct model_mapping *m, uint64_t first, uint64_t last)
{
	(void)first;
	(void)last;
	return !m->uncertain;
}

void driver_model_remove(struct driver_model *m, uint32_t domain, uint64_t first, uint64_t last)
{
	m->dirty |= 1u << domain;
	keep(&m->domains[domain], is_outside, first, last);
}

static bool mark(struct driver_model *m, uint32_t domain, uint64_t first, uint64_t last)
{
	struct model_domain *d = &m->domains[domain];
	bool any = false;

	m->dirty |= 1u << domain;
	for (uint32_t i = 0; i < d->count; i++) {
		if (overlaps(d->mappings[i].first, d->mappings[i].last, first, last)) {
			d->mappings[i].uncertain = true;
			any = true;
		}
	}
	return any;
}

/* Where endpoints may be */

bool driver_model_is_dead(const struct driver_model *m, uint32_t domain)
{
	for (uint32_t e = 0; e < MODEL_ENDPOINTS; e++) {
		if ((m->may[e] & 1u << domain) != 0)
			return false;
	}
	return true;
}

bool driver_model_is_alive(const struct driver_model *m, uint32_t domain)
{
	for (uint32_t e = 0; e < MODEL_ENDPOINTS; e++) {
		if (m->may[e] == 1u << domain && !m->unsure[e])
			return true;
	}
	return false;
}

static void set_may(struct driver_model *m, uint32_t e, uint32_t may)
{
	uint32_t before = m->may[e];

	m->may[e] = may;
	if (may == 0)
		m->unsure[e] = false;
	/* A domain that nothing can be in is gone, with all that may have been in it. */
	for (uint32_t d = 0; d < MODEL_DOMAINS; d++) {
		if ((before & ~may & 1u << d) != 0 && driver_model_is_dead(m, d)) {
			keep(&m->domains[d], is_certain, 0, 0);
			m->dirty |= 1u << d;
		}
	}
}

bool driver_model_is_reserved(const struct driver_model *m, uint32_t domain, uint64_t first, uint64_t last)
{
	for (uint32_t e = 0; e < MODEL_ENDPOINTS; e++) {
		const struct viommu_driver_endpoint *handle = &m->endpoint_handles[e];

		if (handle->drv == NULL || viommu_driver_endpoint_domain(handle) != &m->handles[domain])
			continue;
		for (uint32_t i = 0; i < handle->region_count; i++) {
			if (overlaps(handle->regions[i].range.first, handle->regions[i].range.last, first, last))
				return true;
		}
	}
	return false;
}

bool driver_model_in_flight(const struct driver_model *m, uint32_t domain)
{
	for (uint32_t i = 0; i < MODEL_SLOTS; i++) {
		const struct model_flight *f = &m->flights[i];

		if (f->used && !f->given_up && !f->waited && f->domain == domain &&
		    (f->type == VIOMMU_T_MAP || f->type == VIOMMU_T_UNMAP))
			return true;
	}
	return false;
}

void driver_model_doubt(struct driver_model *m, uint32_t domain, uint64_t first, uint64_t last)
{
	(void)mark(m, domain, first, last);
}

void driver_model_check_place(const struct driver_model *m, uint32_t domain, uint64_t first, uint64_t last)
{
	const struct viommu_range *msi = &m->domains[domain].msi_window;
	bool is_inside = msi->first <= m->window.first && m->window.last <= msi->last;
	uint64_t size = m->limits.granule;

	while (size - 1 < last - first)
		size *= 2;
	CHECK(first != 0 && (first & (size - 1)) == 0);
	CHECK(first >= m->window.first && last <= m->window.last);
	CHECK(first >= m->limits.input_range.first && last <= m->limits.input_range.last);
	CHECK(!driver_model_is_reserved(m, domain, first, last));
	CHECK(msi->last == 0 || is_inside || !overlaps(msi->first, msi->last, first, last));
}

/* Requests as the driver posts them */

static uint32_t domain_by_id(const struct driver_model *m, uint32_t id)
{
	for (uint32_t d = 0; d < MODEL_DOMAINS; d++) {
		if (m->domains[d].made && m->domains[d].id == id)
			return d;
	}
	return MODEL_NOTHING;
}

/* Form, and the rules that the specification has for drivers. */
static void check_form(const struct driver_model *m, const struct scripted_chain *c,
		       const struct viommu_wire_request *r)
{
	uint32_t tail = r->type == VIOMMU_T_PROBE ? m->probe_size : 0;
	struct viommu_wire_request clean = *r;
	uint8_t again[VIOMMU_WIRE_REQUEST_MAX];

	CHECK(c->reply != NULL && c->reply_len == tail + VIOMMU_WIRE_TAIL_SIZE);
	if (r->type == VIOMMU_T_ATTACH)
		clean.u.attach.reserved = 0;
	if (r->type == VIOMMU_T_UNMAP)
		clean.u.unmap.reserved = 0;
	CHECK(viommu_wire_request_encode(&clean, again, sizeof again) == c->request_len);
	CHECK(memcmp(again, c->request, c->request_len) == 0);
	/* A reply that nobody writes does not read as success. */
	CHECK(c->reply[tail] != VIOMMU_S_OK);
}

static bool is_in_input_range(const struct driver_model *m, uint64_t first, uint64_t last)
{
	return first <= last && m->input_range.first <= first && last <= m->input_range.last;
}

/* The next one that was wished for. */
static void grant(struct driver_model *m, const struct model_flight *f, const struct viommu_wire_request *r)
{
	const struct model_wish *wish = &m->wishes[m->granted];
	struct model_mapping mapping = { f->first, f->last, r->u.map.phys_start, r->u.map.flags, false };

	CHECK(m->granted < m->wish_count);
	CHECK(f->last - f->first == wish->extent && mapping.phys == wish->phys && mapping.flags == wish->flags);
	if (wish->anywhere)
		driver_model_check_place(m, f->domain, f->first, f->last);
	else
		CHECK(f->first == wish->first);
	CHECK(!driver_model_overlaps(m, f->domain, f->first, f->last));
	driver_model_insert(m, f->domain, &mapping);
	CHECK(m->allowed_count < MODEL_ALLOWED);
	m->allowed[m->allowed_count++] = (struct viommu_range){ f->first, f->last };
	m->granted++;
}

static void post_map(struct driver_model *m, struct model_flight *f, const struct viommu_wire_request *r)
{
	struct model_domain *d = &m->domains[f->domain];
	uint64_t granule = m->limits.granule;

	f->first = r->u.map.virt_start;
	f->last = r->u.map.virt_end;
	CHECK(!d->bypass);
	CHECK(f->domain == m->domain);
	CHECK(((f->first | (f->last + 1) | r->u.map.phys_start) & (granule - 1)) == 0);
	CHECK(is_in_input_range(m, f->first, f->last));
	CHECK((r->u.map.flags & ~(VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE | VIOMMU_MAP_F_MMIO)) == 0);
	CHECK((r->u.map.flags & VIOMMU_MAP_F_MMIO) == 0 || (m->limits.features & VIOMMU_F_MMIO) != 0);
	CHECK(!driver_model_is_reserved(m, f->domain, f->first, f->last));
	if (m->call == CALL_MAP) {
		CHECK(m->posted == 0 && f->first == m->first && f->last == m->last && r->u.map.phys_start == m->phys &&
		      r->u.map.flags == m->flags);
		f->recorded = true;
		m->posted++;
	} else if (m->call == CALL_MAPS) {
		f->recorded = true;
		f->batch = true;
		m->posted++;
		grant(m, f, r);
	} else {
		/* The record, from its beginning. */
		CHECK(m->call == CALL_ATTACH || (m->call == CALL_RECOVER && m->wiped));
		CHECK(m->replayed < d->count);
		CHECK(f->first == d->mappings[m->replayed].first && f->last == d->mappings[m->replayed].last &&
		      r->u.map.phys_start == d->mappings[m->replayed].phys &&
		      r->u.map.flags == d->mappings[m->replayed].flags);
		f->replay = true;
		m->replayed++;
	}
}

static void take_allowed(struct driver_model *m, struct model_flight *f)
{
	uint32_t i = 0;

	CHECK(m->call == CALL_MAPS || m->call == CALL_UNMAPS || m->call == CALL_FLUSH);
	while (i < m->allowed_count && (m->allowed[i].first != f->first || m->allowed[i].last != f->last))
		i++;
	CHECK(i < m->allowed_count);
	m->allowed[i] = (struct viommu_range){ 1, 0 }; /* no mapping */
	f->batch = m->call == CALL_UNMAPS;
}

static void post_unmap(struct driver_model *m, struct model_flight *f, const struct viommu_wire_request *r)
{
	f->first = r->u.unmap.virt_start;
	f->last = r->u.unmap.virt_end;
	CHECK(f->domain == m->domain && !m->domains[f->domain].bypass);
	CHECK(is_in_input_range(m, f->first, f->last));
	if (m->call == CALL_RECOVER) {
		/* All of it, once, between the ATTACH and the replay. */
		CHECK(!m->wiped && m->replayed == 0 && f->first == m->limits.input_range.first &&
		      f->last == m->limits.input_range.last);
		m->wiped = true;
		f->waited = true;
		return;
	}
	f->recorded = true;
	CHECK(!driver_model_splits(m, f->domain, f->first, f->last));
	if (m->call == CALL_UNMAP)
		CHECK(m->posted == 0 && f->first == m->first && f->last == m->last);
	else
		take_allowed(m, f);
	m->posted++;
}

static void post_waited(struct driver_model *m, struct model_flight *f, const struct viommu_wire_request *r)
{
	uint32_t id = r->type == VIOMMU_T_ATTACH   ? r->u.attach.endpoint
		      : r->type == VIOMMU_T_DETACH ? r->u.detach.endpoint
						   : r->u.probe.endpoint;

	f->endpoint = id - SCRIPTED_FIRST_ENDPOINT;
	if (m->call == CALL_RECOVER && r->type == VIOMMU_T_ATTACH) {
		m->endpoint = f->endpoint;
		m->domain = f->domain;
		m->replayed = 0;
		m->wiped = false;
		CHECK(f->endpoint < MODEL_ENDPOINTS && m->lost[f->endpoint] == f->domain);
	}
	if (m->call == CALL_SHUTDOWN)
		m->endpoint = f->endpoint;
	CHECK(f->endpoint < MODEL_ENDPOINTS && f->endpoint == m->endpoint);
	switch (r->type) {
	case VIOMMU_T_ATTACH:
		CHECK((m->call == CALL_ATTACH || m->call == CALL_RECOVER) && f->domain == m->domain);
		CHECK(r->u.attach.flags == (m->domains[f->domain].bypass ? VIOMMU_ATTACH_F_BYPASS : 0));
		CHECK(!m->unsure[f->endpoint]);
		break;
	case VIOMMU_T_DETACH:
		CHECK(m->call == CALL_ATTACH || m->call == CALL_DETACH || m->call == CALL_RECOVER ||
		      m->call == CALL_SHUTDOWN);
		break;
	default:
		CHECK(m->call == CALL_PROBE && (m->limits.features & VIOMMU_F_PROBE) != 0);
		break;
	}
}

/* One that was added to the ring since the driver began to run: nobody else can have touched it. */
static void observe(struct driver_model *m)
{
	const struct viommu_virtq_layout *l = &m->device->layouts[VIOMMU_QUEUE_REQUEST];
	uint16_t head = (uint16_t)scripted_load(m->device, l->avail + 4 + 2 * (m->added % m->size), 2);
	struct model_flight *f = &m->flights[head % MODEL_SLOTS];
	struct viommu_wire_request r;
	struct scripted_chain c;

	CHECK(head < m->size && !f->used);
	CHECK(scripted_chain(m->device, VIOMMU_QUEUE_REQUEST, head, &c));
	CHECK(viommu_wire_request_decode(c.request, c.request_len, &r) == VIOMMU_OK);
	check_form(m, &c, &r);
	*f = (struct model_flight){ .used = true,
				    .type = r.type,
				    .domain = MODEL_NOTHING,
				    .endpoint = MODEL_NOTHING,
				    .ticket = ++m->ticket,
				    .reply = c.reply,
				    .reply_len = c.reply_len };
	m->ring[m->added % m->size] = head;
	m->added++;
	if (r.type != VIOMMU_T_PROBE) {
		/* It is the first field of the body of all of them. */
		f->domain = domain_by_id(m, r.u.attach.domain);
		CHECK(f->domain != MODEL_NOTHING);
		CHECK(r.u.attach.domain >= m->limits.domain_first && r.u.attach.domain <= m->limits.domain_last);
	}
	if (r.type == VIOMMU_T_MAP)
		post_map(m, f, &r);
	else if (r.type == VIOMMU_T_UNMAP)
		post_unmap(m, f, &r);
	else
		post_waited(m, f, &r);
}

/* Answers */

static void note_failure(struct driver_model *m, const struct model_flight *f,
			 const struct viommu_driver_failure *failure)
{
	struct model_domain *d = &m->domains[f->domain];

	/* Those of a replay are attach's own, and those of a batch its poster's. */
	if (f->replay || f->batch)
		return;
	if (d->failures == 0)
		d->first_failure = *failure;
	d->failures++;
}

/* A confirmed UNMAP speaks for older MAPs of its range, whatever becomes of them. */
static void supersede(struct driver_model *m, const struct model_flight *unmap)
{
	for (uint32_t i = 0; i < MODEL_SLOTS; i++) {
		struct model_flight *f = &m->flights[i];

		if (f->used && f->type == VIOMMU_T_MAP && f->domain == unmap->domain && f->ticket < unmap->ticket &&
		    overlaps(f->first, f->last, unmap->first, unmap->last))
			f->recorded = false;
	}
}

/* What an outcome means for the record. Returns whether something became UNCERTAIN. */
static bool conclude(struct driver_model *m, const struct model_flight *f, enum viommu_result result)
{
	if (!f->recorded)
		return false;
	if (f->type == VIOMMU_T_UNMAP && result == VIOMMU_OK) {
		/* Of a batch it is the poster's to take out. */
		if (f->batch)
			(void)mark(m, f->domain, f->first, f->last);
		else
			driver_model_remove(m, f->domain, f->first, f->last);
		supersede(m, f);
		return false;
	}
	if (result == VIOMMU_OK)
		return false;
	if (f->type == VIOMMU_T_MAP && result == VIOMMU_E_REJECTED) {
		if (!f->batch)
			driver_model_remove(m, f->domain, f->first, f->last);
		return false;
	}
	return mark(m, f->domain, f->first, f->last);
}

static void settle_waited(struct driver_model *m, const struct model_flight *f, enum viommu_result result,
			  uint8_t status)
{
	uint32_t bit = f->domain != MODEL_NOTHING ? 1u << f->domain : 0;
	bool left = status == VIOMMU_S_INVAL || status == VIOMMU_S_NOENT;

	if (f->type == VIOMMU_T_PROBE)
		return;
	if (result == VIOMMU_E_PEER) {
		m->unsure[f->endpoint] =
			m->unsure[f->endpoint] || f->type == VIOMMU_T_DETACH || (m->may[f->endpoint] & bit) == 0;
		set_may(m, f->endpoint, m->may[f->endpoint] | bit);
	} else if (f->type == VIOMMU_T_ATTACH && result == VIOMMU_OK) {
		set_may(m, f->endpoint, bit);
	} else if (f->type == VIOMMU_T_DETACH && (result == VIOMMU_OK || (left && m->unsure[f->endpoint]))) {
		set_may(m, f->endpoint, m->may[f->endpoint] & ~bit);
	}
}

/* Takes one arrival. Returns whether the `failed` hook has to hear of it, with what. */
static bool settle(struct driver_model *m, uint32_t *domain, struct viommu_driver_failure *failure)
{
	const struct model_arrival *a = &m->arrivals[m->settled++];
	struct model_flight f = m->flights[a->head];
	enum viommu_result result = VIOMMU_OK;

	if (a->written < f.reply_len || a->status == 0xff)
		result = VIOMMU_E_PEER;
	else if (a->status != VIOMMU_S_OK)
		result = VIOMMU_E_REJECTED;
	m->flights[a->head].used = false;
	if (f.given_up)
		return false;
	m->rejected |= result == VIOMMU_E_REJECTED;
	m->unanswered |= result == VIOMMU_E_PEER;
	if (f.waited)
		return false;
	if (f.type != VIOMMU_T_MAP && f.type != VIOMMU_T_UNMAP) {
		settle_waited(m, &f, result, a->status);
		return false;
	}
	*domain = f.domain;
	*failure = (struct viommu_driver_failure){ .result = result,
						   .type = f.type,
						   .status = result == VIOMMU_E_REJECTED ? a->status : VIOMMU_S_OK,
						   .uncertain = conclude(m, &f, result),
						   .first = f.first,
						   .last = f.last };
	if (result == VIOMMU_OK)
		return false;
	note_failure(m, &f, failure);
	return true;
}

static bool is_same(const struct viommu_driver_failure *a, const struct viommu_driver_failure *b)
{
	return a->result == b->result && a->type == b->type && a->status == b->status && a->uncertain == b->uncertain &&
	       a->first == b->first && a->last == b->last;
}

static bool is_waited_for(const struct model_flight *f, uint32_t domain, bool of_batch)
{
	return f->used && !f->given_up && !f->waited && f->domain == domain && (f->batch || !of_batch) &&
	       (f->type == VIOMMU_T_MAP || f->type == VIOMMU_T_UNMAP);
}

/* The oldest of a domain, or of a batch in it. */
static struct model_flight *oldest_of(struct driver_model *m, uint32_t domain, bool of_batch)
{
	struct model_flight *oldest = NULL;

	for (uint32_t i = 0; i < MODEL_SLOTS; i++) {
		struct model_flight *f = &m->flights[i];

		if (is_waited_for(f, domain, of_batch) && (oldest == NULL || f->ticket < oldest->ticket))
			oldest = f;
	}
	return oldest;
}

/* Who waits for a batch gives up no more than that; who waits for a domain, all of it. By what the driver has left. */
static bool is_of_batch(const struct driver_model *m, uint32_t domain)
{
	uint32_t left = 0, known = 0;

	for (const struct viommu_driver_slot *s = m->handles[domain].oldest; s != NULL; s = s->next)
		left += s->batch != NULL;
	for (uint32_t i = 0; i < MODEL_SLOTS; i++)
		known += is_waited_for(&m->flights[i], domain, true);
	CHECK(known == left || known == left + 1);
	return known != left;
}

/* Something that was given up: the oldest that is waited for. */
static void give_up(struct driver_model *m, uint32_t domain, const struct viommu_driver_failure *failure)
{
	struct model_flight *oldest = oldest_of(m, domain, is_of_batch(m, domain));

	CHECK(oldest != NULL && oldest->type == failure->type && oldest->first == failure->first &&
	      oldest->last == failure->last && failure->status == VIOMMU_S_OK);
	CHECK(failure->result == VIOMMU_E_BROKEN ? m->broken : m->gave_up);
	CHECK(failure->uncertain == conclude(m, oldest, failure->result));
	oldest->given_up = true;
	note_failure(m, oldest, failure);
}

/* Has the driver met what breaks its queue? */
static void look_for_break(struct driver_model *m)
{
	if (m->broken || m->drv->state != VIOMMU_DRIVER_FAILED)
		return;
	/* Of the event queue nothing is foretold if the device told lies. */
	CHECK((m->breaks && m->seen == queue(m)->seen) || m->device->lied);
	m->broken = true;
}

void driver_model_failed(struct driver_model *m, uint32_t domain, const struct viommu_driver_failure *failure)
{
	struct viommu_driver_failure expected;
	uint32_t of;

	while (m->seen != queue(m)->seen) {
		CHECK(m->settled < m->arrival_count);
		m->seen++;
		if (settle(m, &of, &expected)) {
			CHECK(of == domain && is_same(&expected, failure));
			return;
		}
	}
	look_for_break(m);
	/* Requests of this very run can be given up. */
	while (m->added != queue(m)->added)
		observe(m);
	CHECK(failure->result == VIOMMU_E_TIMEOUT || failure->result == VIOMMU_E_BROKEN);
	give_up(m, domain, failure);
}

/* The two ends of a run */

void driver_model_enter(struct driver_model *m)
{
	const struct viommu_virtq_layout *l = &m->device->layouts[VIOMMU_QUEUE_REQUEST];
	bool here[MODEL_SLOTS] = { false };
	uint16_t ready;

	m->arrival_count = 0;
	m->settled = 0;
	m->breaks = false;
	if (m->drv->state != VIOMMU_DRIVER_RUNNING)
		return;
	for (; m->published != queue(m)->published; m->published++)
		m->flights[m->ring[m->published % m->size]].visible = true;
	ready = (uint16_t)(scripted_load(m->device, l->used + 2, 2) - m->seen);
	if (ready > (uint16_t)(m->published - m->seen)) {
		m->breaks = true;
		return;
	}
	for (uint16_t i = 0; i < ready; i++) {
		uint64_t entry = l->used + 4 + 8 * ((uint16_t)(m->seen + i) % m->size);
		struct model_arrival a = { (uint32_t)scripted_load(m->device, entry, 4),
					   (uint32_t)scripted_load(m->device, entry + 4, 4), 0 };
		const struct model_flight *f;

		m->breaks =
			a.head >= m->size || !m->flights[a.head].used || !m->flights[a.head].visible || here[a.head];
		if (m->breaks)
			return;
		here[a.head] = true;
		f = &m->flights[a.head];
		a.status = f->reply[f->reply_len - VIOMMU_WIRE_TAIL_SIZE];
		if (f->type == VIOMMU_T_PROBE && !f->given_up) {
			memcpy(m->probe_reply, f->reply, f->reply_len - VIOMMU_WIRE_TAIL_SIZE);
			m->has_probe_reply = a.written >= f->reply_len && a.status == VIOMMU_S_OK;
		}
		m->arrivals[m->arrival_count++] = a;
	}
}

void driver_model_leave(struct driver_model *m)
{
	struct viommu_driver_failure failure;
	uint32_t domain;

	m->ran |= m->arrival_count > 0;
	while (m->seen != queue(m)->seen) {
		CHECK(m->settled < m->arrival_count);
		m->seen++;
		CHECK(!settle(m, &domain, &failure)); /* nobody heard of it */
	}
	look_for_break(m);
	while (m->added != queue(m)->added)
		observe(m);
}

/* Calls */

void driver_model_begin(struct driver_model *m, enum model_call call)
{
	m->call = call;
	m->gave_up = false;
	m->rejected = false;
	m->unanswered = false;
	m->posted = 0;
	m->replayed = 0;
	m->granted = 0;
	m->allowed_before = m->allowed_count;
	m->wiped = false;
	m->dirty = call == CALL_OTHER || call == CALL_PROBE ? 0 : 1u << m->domain;
	m->ran = false;
	m->has_probe_reply = false;
}

static void check_record(const struct driver_model *m, uint32_t d)
{
	struct viommu_mapping found;
	uint64_t from = 0;

	for (uint32_t i = 0; i < m->domains[d].count; i++) {
		const struct model_mapping *k = &m->domains[d].mappings[i];

		CHECK(viommu_map_next(&m->handles[d].map, from, &found));
		CHECK(found.first == k->first && found.last == k->last && found.phys == k->phys &&
		      found.flags == (k->flags | (k->uncertain ? UNCERTAIN : 0)));
		from = k->last + 1;
	}
	CHECK((from == 0 && m->domains[d].count > 0) || !viommu_map_next(&m->handles[d].map, from, &found));
}

/* The driver's own opinion of where an endpoint may be is at least as pessimistic. */
static void check_endpoint(struct driver_model *m, uint32_t e, enum viommu_result result)
{
	const struct viommu_driver_endpoint *handle = &m->endpoint_handles[e];
	uint32_t own = 0;

	if (handle->drv == NULL || m->drv->state == VIOMMU_DRIVER_STOPPED)
		return;
	for (uint32_t d = 0; d < MODEL_DOMAINS; d++) {
		if (handle->domain == &m->handles[d] ||
		    (handle->life == m->drv->life && handle->claimed == &m->handles[d]))
			own |= 1u << d;
	}
	CHECK((m->may[e] & ~own) == 0);
	/* After a recover that failed it waits for the next one, and nobody will be asked before. */
	CHECK(!m->unsure[e] || handle->uncertain || (m->call == CALL_RECOVER && m->drv->state == VIOMMU_DRIVER_FAILED));
	m->unsure[e] = handle->life == m->drv->life && handle->uncertain;
	if (own != m->may[e]) {
		/* A request that could not be posted counts as one without outcome. */
		CHECK(e == m->endpoint || m->call == CALL_RECOVER);
		CHECK(result == VIOMMU_E_TIMEOUT || result == VIOMMU_E_BROKEN);
		m->may[e] = own;
	}
}

/* Against what the device really has, if it told no lies. */
static void check_truth(const struct driver_model *m)
{
	const struct scripted *s = m->device;

	for (uint32_t e = 0; e < MODEL_ENDPOINTS; e++) {
		uint32_t d;

		if (s->domain_of[e] == SCRIPTED_NOWHERE)
			continue;
		d = domain_by_id(m, (uint32_t)s->domain_of[e]);
		CHECK(d != MODEL_NOTHING && (m->may[e] & 1u << d) != 0);
	}
	/* What it may do with memory is in the record: never reported unmapped. */
	for (uint32_t i = 0; i < s->mapping_count; i++) {
		const struct scripted_mapping *t = &s->mappings[i];
		uint32_t d = domain_by_id(m, t->domain), k = 0;

		CHECK(d != MODEL_NOTHING);
		while (k < m->domains[d].count && m->domains[d].mappings[k].first != t->first)
			k++;
		CHECK(k < m->domains[d].count && m->domains[d].mappings[k].last == t->last &&
		      m->domains[d].mappings[k].phys == t->phys && m->domains[d].mappings[k].flags == t->flags);
	}
	/* And what the record is certain of, the device has. */
	for (uint32_t d = 0; d < MODEL_DOMAINS; d++) {
		if (!m->domains[d].made || !driver_model_is_alive(m, d) || m->handles[d].incomplete ||
		    driver_model_in_flight(m, d))
			continue;
		for (uint32_t k = 0; k < m->domains[d].count; k++) {
			const struct model_mapping *c = &m->domains[d].mappings[k];

			CHECK(c->uncertain || scripted_is_mapped(s, m->domains[d].id, c->first, c->last));
		}
	}
}

void driver_model_check(struct driver_model *m, enum viommu_result result)
{
	/* What its poster does not wait for any more has no outcome. */
	for (uint32_t i = 0; i < MODEL_SLOTS; i++) {
		struct model_flight *f = &m->flights[i];

		if (!f->used || f->given_up ||
		    (!f->waited && !f->batch && (f->type == VIOMMU_T_MAP || f->type == VIOMMU_T_UNMAP)))
			continue;
		/* A batch is settled when its call returns. */
		CHECK((m->gave_up || m->broken) && !f->batch);
		f->given_up = true;
		if (f->type != VIOMMU_T_PROBE && !f->waited)
			settle_waited(m, f, VIOMMU_E_PEER, 0);
	}
	for (uint32_t d = 0; d < MODEL_DOMAINS; d++) {
		if (m->domains[d].made && (m->dirty & 1u << d) != 0)
			check_record(m, d);
	}
	for (uint32_t e = 0; e < MODEL_ENDPOINTS; e++)
		check_endpoint(m, e, result);
	if (m->ran && !m->device->lied && m->drv->state != VIOMMU_DRIVER_STOPPED)
		check_truth(m);
}

void driver_model_started(struct driver_model *m)
{
	struct viommu_wire_config config;

	m->size = queue(m)->size;
	m->added = m->published = m->seen = 0;
	m->arrival_count = m->settled = 0;
	m->breaks = m->broken = false;
	viommu_driver_get_limits(m->drv, &m->limits);
	viommu_wire_config_decode(m->device->config_read, &config);
	m->input_range = (struct viommu_range){ 0, UINT64_MAX };
	if ((m->limits.features & VIOMMU_F_INPUT_RANGE) != 0)
		m->input_range = config.input_range;
	m->probe_size = (m->limits.features & VIOMMU_F_PROBE) != 0 ? config.probe_size : 0;
}

void driver_model_not_started(struct driver_model *m)
{
	m->added = queue(m)->added;
	m->seen = queue(m)->seen;
	m->published = queue(m)->published;
}

static void lose(struct driver_model *m, uint32_t e, bool recovers)
{
	if (!recovers)
		m->lost[e] = MODEL_NOTHING;
	for (uint32_t d = 0; recovers && d < MODEL_DOMAINS; d++) {
		if (m->may[e] == 1u << d && !m->unsure[e])
			m->lost[e] = d;
	}
}

void driver_model_stopped(struct driver_model *m, bool recovers)
{
	for (uint32_t i = 0; i < MODEL_SLOTS; i++) {
		struct model_flight *f = &m->flights[i];

		/* The device has lost all of it: as good as confirmed. */
		if (f->used && !f->given_up && !f->waited && f->type == VIOMMU_T_UNMAP)
			driver_model_remove(m, f->domain, f->first, f->last);
		f->used = false;
	}
	for (uint32_t d = 0; d < MODEL_DOMAINS; d++) {
		keep(&m->domains[d], is_certain, 0, 0);
		if (!recovers)
			m->domains[d].failures = 0;
		m->dirty |= 1u << d;
	}
	for (uint32_t e = 0; e < MODEL_ENDPOINTS; e++)
		lose(m, e, recovers);
	memset(m->may, 0, sizeof m->may);
	memset(m->unsure, 0, sizeof m->unsure);
	m->broken = false;
	driver_model_not_started(m);
}

void driver_model_reset(struct driver_model *m)
{
	for (uint32_t d = 0; d < MODEL_DOMAINS; d++) {
		m->domains[d].made = false;
		m->domains[d].count = 0;
	}
	for (uint32_t e = 0; e < MODEL_ENDPOINTS; e++)
		m->lost[e] = MODEL_NOTHING;
	memset(m->flights, 0, sizeof m->flights);
	memset(m->may, 0, sizeof m->may);
	memset(m->unsure, 0, sizeof m->unsure);
	m->added = m->published = m->seen = 0;
	m->arrival_count = m->settled = 0;
	m->breaks = m->broken = false;
	m->ticket = 0;
	m->domain = 0;
	m->endpoint = 0;
}
