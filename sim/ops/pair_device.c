/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pair_device.c: the wire of the target `pair`, and its device: what it has accepted, by the requests where it read
 * them, against what it has mapped.
 */
#include "pair.h"

#include <string.h>

#define CHECK SIM_OPS_CHECK
#define QUEUE_MAX 16u

struct pair_world pair_world;

const struct viommu_resv_region pair_msi[1] = { { { 0x8000, 0x8fff }, VIOMMU_RESV_MEM_MSI } };

/* The wire */

void pair_apply(const struct pair_meddle *m)
{
	w->meddled = true;
	if (w->meddled_count < PAIR_MEDDLES)
		w->meddled_at[w->meddled_count++] = (struct pair_place){ PAIR_SHARED_BUS + m->at, m->len };
	for (uint32_t i = 0; i < m->len && m->at + i < w->shared_len; i++) {
		uint8_t *p = &w->shared.bytes[m->at + i];

		*p = m->flip ? *p ^ m->bytes[i] : m->bytes[i];
	}
}

void pair_tick(void)
{
	for (uint32_t i = 0; i < w->meddle_count;) {
		struct pair_meddle m = w->meddles[i];

		if (w->meddles[i].delay-- > 0) {
			i++;
			continue;
		}
		w->meddles[i] = w->meddles[--w->meddle_count];
		pair_apply(&m);
	}
}

static void *piece_at(viommu_gpa gpa, uint64_t *len)
{
	uint8_t *base = w->shared.dma;
	uint64_t offset = gpa - PAIR_DMA_BUS, size = PAIR_DMA_LEN;

	if (gpa - PAIR_SHARED_BUS < w->shared_len) {
		base = w->shared.bytes;
		offset = gpa - PAIR_SHARED_BUS;
		size = w->shared_len;
	}
	if (offset >= size)
		return NULL;
	if (*len > size - offset)
		*len = size - offset;
	return base + offset;
}

static void *resolve(void *ctx, viommu_gpa gpa, uint32_t kind, uint64_t *len)
{
	(void)ctx;
	(void)kind;
	if (w->copied)
		return NULL;
	pair_tick();
	return piece_at(gpa, len);
}

/* All of [gpa, gpa + len), or NULL. */
static void *all_at(viommu_gpa gpa, size_t len)
{
	uint64_t n = len;
	void *host = piece_at(gpa, &n);

	return n == len ? host : NULL;
}

static bool read(void *ctx, viommu_gpa gpa, void *dst, size_t len)
{
	const void *host = all_at(gpa, len);

	(void)ctx;
	pair_tick();
	if (host == NULL)
		return false;
	memcpy(dst, host, len);
	return true;
}

static bool write(void *ctx, viommu_gpa gpa, const void *src, size_t len)
{
	void *host = all_at(gpa, len);

	(void)ctx;
	pair_tick();
	if (host == NULL)
		return false;
	memcpy(host, src, len);
	return true;
}

static const struct viommu_memory_ops memory_ops = {
	.size = sizeof memory_ops, .resolve = resolve, .read = read, .write = write
};

/* What the device has accepted */

static bool has_members(uint32_t domain)
{
	for (uint32_t e = 0; e < PAIR_ENDPOINTS; e++) {
		if (w->domain_of[e] == domain)
			return true;
	}
	return false;
}

static void drop(uint32_t domain, uint64_t first, uint64_t last)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < w->mapping_count; i++) {
		const struct pair_mapping *m = &w->mappings[i];

		if (m->domain != domain || m->first < first || m->last > last)
			w->mappings[kept++] = *m;
	}
	w->mapping_count = kept;
}

static void leave_domain(uint32_t e)
{
	uint64_t domain = w->domain_of[e];

	w->domain_of[e] = PAIR_NOWHERE;
	if (domain != PAIR_NOWHERE && !has_members((uint32_t)domain))
		drop((uint32_t)domain, 0, UINT64_MAX);
}

bool pair_is_in_use(uint64_t domain, uint64_t first, uint64_t last)
{
	for (uint32_t i = 0; i < PAIR_SECTIONS; i++) {
		const struct pair_section *s = &w->sections[i];

		if (s->open && s->used && s->domain == domain && first <= s->iova && s->iova <= last)
			return true;
	}
	return false;
}

/* The same for an endpoint that leaves its domain. */
static bool is_using(uint32_t e)
{
	for (uint32_t i = 0; i < PAIR_SECTIONS; i++) {
		const struct pair_section *s = &w->sections[i];

		if (s->open && s->used && s->endpoint == e && s->domain == w->domain_of[e])
			return true;
	}
	return false;
}

static void accept_attach(const struct viommu_request *request, const struct viommu_wire_request *r)
{
	uint32_t e = r->u.attach.endpoint - PAIR_FIRST_ENDPOINT;
	bool bypass = (r->u.attach.flags & VIOMMU_ATTACH_F_BYPASS) != 0;

	CHECK(e < PAIR_ENDPOINTS && (r->u.attach.flags & ~VIOMMU_ATTACH_F_BYPASS) == 0 && r->u.attach.reserved == 0);
	if (w->domain_of[e] == r->u.attach.domain)
		return;
	for (uint32_t i = 0; i < PAIR_ENDPOINTS; i++)
		CHECK(w->domain_of[i] != r->u.attach.domain || w->bypass_of[i] == bypass);
	if (is_using(e))
		CHECK(request->state == VIOMMU_REQUEST_PENDING);
	leave_domain(e);
	w->domain_of[e] = r->u.attach.domain;
	w->bypass_of[e] = bypass;
}

static void accept_detach(const struct viommu_request *request, const struct viommu_wire_request *r)
{
	uint32_t e = r->u.detach.endpoint - PAIR_FIRST_ENDPOINT;

	CHECK(e < PAIR_ENDPOINTS && w->domain_of[e] == r->u.detach.domain);
	if (is_using(e))
		CHECK(request->state == VIOMMU_REQUEST_PENDING);
	leave_domain(e);
}

static void accept_map(const struct viommu_wire_request *r)
{
	uint64_t first = r->u.map.virt_start, last = r->u.map.virt_end, phys = r->u.map.phys_start;

	CHECK(first <= last && last <= PAIR_LAST_IOVA && ((first | (last + 1) | phys) & (PAIR_GRANULE - 1)) == 0);
	CHECK(phys + (last - first) >= phys && (r->u.map.flags & ~7u) == 0 && has_members(r->u.map.domain));
	for (uint32_t e = 0; e < PAIR_ENDPOINTS; e++)
		CHECK(w->domain_of[e] != r->u.map.domain ||
		      (!w->bypass_of[e] &&
		       (e != 1 || last < pair_msi[0].range.first || first > pair_msi[0].range.last)));
	for (uint32_t i = 0; i < w->mapping_count; i++)
		CHECK(w->mappings[i].domain != r->u.map.domain || w->mappings[i].last < first ||
		      w->mappings[i].first > last);
	CHECK(w->mapping_count < PAIR_MAPPINGS);
	w->mappings[w->mapping_count++] = (struct pair_mapping){ r->u.map.domain, r->u.map.flags, first, last, phys };
}

static void accept_unmap(const struct viommu_request *request, const struct viommu_wire_request *r)
{
	uint64_t first = r->u.unmap.virt_start, last = r->u.unmap.virt_end;
	uint32_t domain = r->u.unmap.domain;

	CHECK(first <= last && has_members(domain));
	for (uint32_t i = 0; i < w->mapping_count; i++) {
		const struct pair_mapping *m = &w->mappings[i];

		if (m->domain != domain || m->last < first || m->first > last)
			continue;
		CHECK(first <= m->first && m->last <= last);
		if (pair_is_in_use(domain, m->first, m->last))
			CHECK(request->state == VIOMMU_REQUEST_PENDING);
	}
	drop(domain, first, last);
}

static void accept(const struct viommu_request *request, const struct viommu_wire_request *r)
{
	switch (r->type) {
	case VIOMMU_T_ATTACH:
		accept_attach(request, r);
		break;
	case VIOMMU_T_DETACH:
		accept_detach(request, r);
		break;
	case VIOMMU_T_MAP:
		accept_map(r);
		break;
	case VIOMMU_T_UNMAP:
		accept_unmap(request, r);
		break;
	default:
		CHECK(r->type == VIOMMU_T_PROBE && r->u.probe.endpoint - PAIR_FIRST_ENDPOINT < PAIR_ENDPOINTS);
		break;
	}
}

static bool touches(const struct viommu_segment *a, uint64_t gpa, uint64_t len)
{
	return a->gpa - gpa < len || gpa - a->gpa < a->len;
}

/* Could the request be another one now than when the device read it? By what the device wrote, or by the wire. */
static bool is_overwritten(const struct viommu_request *request)
{
	for (uint32_t i = 0; i < request->readable_count; i++) {
		const struct viommu_segment *s = &request->readable[i];

		for (uint32_t k = 0; k < request->writable_count; k++) {
			if (touches(s, request->writable[k].gpa, request->writable[k].len))
				return true;
		}
		for (uint32_t q = 0; q < VIOMMU_QUEUE_COUNT; q++) {
			const struct viommu_virtq_device *queue = &w->pump.queues[q];

			if (touches(s, queue->used_gpa, VIOMMU_VIRTQ_USED_SIZE(queue->size)))
				return true;
		}
		for (uint32_t k = 0; k < w->meddled_count; k++) {
			if (touches(s, w->meddled_at[k].gpa, w->meddled_at[k].len))
				return true;
		}
	}
	return false;
}

/* A reply that has no memory to go to: whether the request was carried out, it does not say. */
static bool is_unanswerable(const struct viommu_request *request)
{
	for (uint32_t i = 0; i < request->writable_count; i++) {
		if (all_at(request->writable[i].gpa, (size_t)request->writable[i].len) == NULL)
			return true;
	}
	return false;
}

/* The request that the device has just taken, from the memory in which it found it. */
static void look_at(const struct viommu_request *request)
{
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
	struct viommu_wire_request r;
	size_t len = 0;

	if (request->written == 0) {
		w->lost |= is_unanswerable(request);
		return;
	}
	if (request->status != VIOMMU_S_OK)
		return;
	if (is_overwritten(request)) {
		w->lost = true;
		return;
	}
	for (uint32_t i = 0; i < request->readable_count; i++) {
		const struct viommu_segment *s = &request->readable[i];
		size_t n = s->len < sizeof bytes - len ? s->len : sizeof bytes - len;

		memcpy(bytes + len, all_at(s->gpa, n), n);
		len += n;
	}
	CHECK(viommu_wire_request_decode(bytes, len, &r) == VIOMMU_OK && r.type == request->type);
	w->changed = true;
	if (!w->lost)
		accept(request, &r);
}

void pair_check_maps(void)
{
	uint32_t found = 0;

	if (w->lost || !w->changed)
		return;
	w->changed = false;
	for (uint32_t e = 0; e < PAIR_ENDPOINTS; e++) {
		const struct viommu_domain *domain = w->handles[e]->domain;

		CHECK(w->domain_of[e] == (domain != NULL ? domain->id : PAIR_NOWHERE));
		CHECK(domain == NULL || domain->bypass == w->bypass_of[e]);
	}
	for (uint32_t i = 0; i < w->mapping_count; i++) {
		const struct pair_mapping *m = &w->mappings[i];
		const struct viommu_domain *domain = NULL;
		struct viommu_mapping k;

		for (uint32_t e = 0; e < PAIR_ENDPOINTS; e++) {
			if (w->domain_of[e] == m->domain)
				domain = w->handles[e]->domain;
		}
		CHECK(domain != NULL && viommu_map_next(&domain->map, m->first, &k));
		CHECK(k.first == m->first && k.last == m->last && k.phys == m->phys && k.flags == m->flags);
	}
	/* And nothing else. */
	for (uint32_t e = 0; e < PAIR_ENDPOINTS; e++) {
		const struct viommu_domain *domain = w->handles[e]->domain;
		struct viommu_mapping k = { .last = UINT64_MAX };
		uint64_t from = 0;
		bool counted = domain == NULL;

		for (uint32_t i = 0; i < e; i++)
			counted |= w->handles[i]->domain == domain;
		while (!counted && viommu_map_next(&domain->map, from, &k)) {
			found++;
			from = k.last + 1;
			if (from == 0)
				break;
		}
	}
	CHECK(found == w->mapping_count);
}

/* The device */

static uint32_t requests_seen(void)
{
	const struct viommu_device_stats *stats = viommu_device_get_stats(&w->dev);
	uint32_t sum = 0;

	for (uint32_t i = 0; i < VIOMMU_T_COUNT; i++)
		sum += stats->requests[i];
	return sum;
}

static void work_pending(void *ctx)
{
	(void)ctx;
	w->awake = true;
}

static const struct viommu_device_ops device_ops = { .size = sizeof device_ops, .work_pending = work_pending };

bool pair_device_step(void)
{
	const struct viommu_pump_slot *slot = w->pump.free_slots;
	uint32_t before = requests_seen();
	bool more;

	if (!w->awake && !w->transport.touched)
		return false;
	w->awake = false;
	w->transport.touched = false;
	w->meddled_count = 0;
	more = viommu_pump_process(&w->pump, 1);
	sim_transport_take_interrupts(&w->transport);
	if (more)
		w->awake = true;
	if (requests_seen() != before) {
		CHECK(requests_seen() == before + 1 && slot != NULL);
		look_at(&slot->request);
	}
	return more;
}

void pair_make_device(void)
{
	struct viommu_device_config config = VIOMMU_DEVICE_CONFIG_INIT;
	struct viommu_pump_config pump = VIOMMU_PUMP_CONFIG_INIT;
	struct viommu_memory memory = { &memory_ops, NULL };
	size_t len;

	config.max_endpoints = PAIR_ENDPOINTS;
	config.max_domains = PAIR_DOMAINS - 1; /* so that there can be one too many */
	config.max_pending = PAIR_MAX_PENDING;
	config.page_size_mask = ~(uint64_t)(PAIR_GRANULE - 1);
	config.input_range.last = PAIR_LAST_IOVA;
	config.probe_size = PAIR_PROBE_SIZE;
	config.memory = memory;
	config.ops = &device_ops;
	CHECK(viommu_device_init(&w->dev, &config, w->dev_memory, sizeof w->dev_memory) == VIOMMU_OK);
	for (uint32_t e = 0; e < PAIR_ENDPOINTS; e++) {
		struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;

		endpoint.id = PAIR_FIRST_ENDPOINT + e;
		endpoint.regions = e == 1 ? pair_msi : NULL;
		endpoint.region_count = e == 1;
		CHECK(viommu_device_add_endpoint(&w->dev, &endpoint, &w->handles[e]) == VIOMMU_OK);
		viommu_access_init(&w->accesses[e], &w->dev, w->handles[e]);
	}
	pump.queue_size_max = QUEUE_MAX;
	pump.ring_features = VIOMMU_VIRTQ_FEATURES;
	pump.device = &w->dev;
	pump.memory = memory;
	sim_transport_init(&w->transport, NULL);
	pump.interrupts = w->transport.interrupt_ops;
	pump.interrupt_ctx = w->transport.interrupt_ctx;
	CHECK(viommu_pump_mem_size(&pump, &len) == VIOMMU_OK && len <= sizeof w->pump_memory);
	CHECK(viommu_pump_init(&w->pump, &pump, w->pump_memory, len) == VIOMMU_OK);
	CHECK(sim_transport_connect(&w->transport, viommu_pump_registers(&w->pump)) == VIOMMU_OK);
	CHECK(sim_transport_find_device(&w->transport) == VIOMMU_OK);
}
