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

#include <viommu/access.h>
#include <viommu/dma.h>
#include <viommu/pump.h>

#include "../transport.h"
#include "targets.h"

#define CHECK SIM_OPS_CHECK

#define PAGE UINT64_C(0x1000) /* of addresses in operations; the granule is smaller */
#define GRANULE 256u
#define SHARED_BUS UINT64_C(0xfffff000) /* it crosses 4 GiB */
#define SHARED_MAX 6144u
#define DMA_BUS UINT64_C(0x20000)
#define DMA_LEN 4096u
#define LAST_IOVA ((UINT64_C(1) << 39) - 1)
#define ENDPOINTS 3u
#define FIRST_ENDPOINT 8u
#define DOMAINS 3u
#define NODES 96u
#define MAPPINGS 256u
#define QUEUE_SIZE 8u
#define QUEUE_MAX 16u
#define EVENT_COUNT 4u
#define PROBE_SIZE 32u
#define MAX_PENDING 2u
#define PATIENCE 3u
#define MEDDLES 8u
#define MEDDLE_BYTES 16u
#define LOCKS_MAX 20000u
#define SECTIONS 4u
#define CANARY_LEN 64u
#define CANARY 0x66u
#define CHECK_EVERY 16u /* operations */
#define DMAS 2u
#define LISTS 4u
#define BUFFERS 3u
#define HINTS VIOMMU_DMA_CLASSES
#define DEFERRED 3u

struct dma {
	bool made;
	uint32_t domain;
	struct viommu_driver_dma handle;
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

struct mapping {
	uint32_t domain, flags;
	uint64_t first, last, phys;
};

struct meddle {
	uint32_t delay; /* steps */
	uint32_t at;
	uint32_t len;
	bool flip; /* exclusive or, not store */
	uint8_t bytes[MEDDLE_BYTES];
};

/* An access section, and the last translation that it used. */
struct section {
	bool open, used;
	struct viommu_access_token token;
	uint32_t endpoint;
	uint32_t domain;
	uint64_t iova;
	bool outdated; /* guest memory has changed since it began */
};

/* Bytes of guest memory. */
struct place {
	uint64_t gpa, len;
};

struct shared {
	_Alignas(64) uint8_t canary0[CANARY_LEN];
	uint8_t bytes[SHARED_MAX];
	uint8_t dma[DMA_LEN];
	uint8_t canary1[CANARY_LEN];
};

struct world {
	struct shared shared;
	size_t shared_len;
	/* the device */
	struct viommu_device dev;
	struct viommu_pump pump;
	struct sim_transport transport;
	struct viommu_endpoint *handles[ENDPOINTS];
	struct viommu_access accesses[ENDPOINTS];
	bool awake;
	uint8_t dev_memory[VIOMMU_DEVICE_MEM(ENDPOINTS, DOMAINS, NODES)];
	uint8_t pump_memory[MAX_PENDING * sizeof(struct viommu_pump_slot) + 64 * sizeof(struct viommu_segment) + 64];
	/* the driver */
	struct viommu_driver drv;
	struct viommu_driver_domain domains[DOMAINS];
	bool made[DOMAINS];
	struct viommu_driver_endpoint endpoints[ENDPOINTS];
	struct viommu_resv_region regions[ENDPOINTS][2];
	uint8_t drv_memory[NODES * VIOMMU_MAP_NODE_SIZE + 8192];
	struct dma dmas[DMAS];
	struct list lists[LISTS];
	bool recovering;
	int depth;
	uint32_t locks, idle, faults;
	uint32_t operations;
	/* the wire */
	struct meddle meddles[MEDDLES];
	uint32_t meddle_count;
	struct place meddled_at[MEDDLES]; /* in this step of the device */
	uint32_t meddled_count;
	bool copied;   /* the device gets no pointers from now on */
	bool delayed;  /* since the last start a section was open: something may have timed out */
	bool inherits; /* since the last recover: a sync can report what failed before it */
	bool meddled;  /* since the last start: the wire is not as it should be */
	bool misled
		[ENDPOINTS]; /* probed over such a wire: its reserved regions may not be known, after a restart too */
	/* by the requests that the device accepted */
	struct mapping mappings[MAPPINGS];
	uint32_t mapping_count;
	uint64_t domain_of[ENDPOINTS]; /* or NOWHERE */
	bool bypass_of[ENDPOINTS];
	bool bypass;  /* config.bypass: endpoints in no domain reach everything */
	bool changed; /* since the maps were compared */
	bool lost;    /* what the device accepted is not known: the request was overwritten, or has no answer */
	struct section sections[SECTIONS];
};

#define NOWHERE UINT64_MAX

static struct world w;

static const struct viommu_resv_region msi[1] = { { { 0x8000, 0x8fff }, VIOMMU_RESV_MEM_MSI } };

/* The wire */

static void apply(const struct meddle *m)
{
	w.meddled = true;
	if (w.meddled_count < MEDDLES)
		w.meddled_at[w.meddled_count++] = (struct place){ SHARED_BUS + m->at, m->len };
	for (uint32_t i = 0; i < m->len && m->at + i < w.shared_len; i++) {
		uint8_t *p = &w.shared.bytes[m->at + i];

		*p = m->flip ? *p ^ m->bytes[i] : m->bytes[i];
	}
}

/* Between two steps. */
static void tick(void)
{
	for (uint32_t i = 0; i < w.meddle_count;) {
		struct meddle m = w.meddles[i];

		if (w.meddles[i].delay-- > 0) {
			i++;
			continue;
		}
		w.meddles[i] = w.meddles[--w.meddle_count];
		apply(&m);
	}
}

static void *piece_at(viommu_gpa gpa, uint64_t *len)
{
	uint8_t *base = w.shared.dma;
	uint64_t offset = gpa - DMA_BUS, size = DMA_LEN;

	if (gpa - SHARED_BUS < w.shared_len) {
		base = w.shared.bytes;
		offset = gpa - SHARED_BUS;
		size = w.shared_len;
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
	if (w.copied)
		return NULL;
	tick();
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
	tick();
	if (host == NULL)
		return false;
	memcpy(dst, host, len);
	return true;
}

static bool write(void *ctx, viommu_gpa gpa, const void *src, size_t len)
{
	void *host = all_at(gpa, len);

	(void)ctx;
	tick();
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
	for (uint32_t e = 0; e < ENDPOINTS; e++) {
		if (w.domain_of[e] == domain)
			return true;
	}
	return false;
}

static void drop(uint32_t domain, uint64_t first, uint64_t last)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < w.mapping_count; i++) {
		const struct mapping *m = &w.mappings[i];

		if (m->domain != domain || m->first < first || m->last > last)
			w.mappings[kept++] = *m;
	}
	w.mapping_count = kept;
}

static void leave_domain(uint32_t e)
{
	uint64_t domain = w.domain_of[e];

	w.domain_of[e] = NOWHERE;
	if (domain != NOWHERE && !has_members((uint32_t)domain))
		drop((uint32_t)domain, 0, UINT64_MAX);
}

/* Does an open section depend on what was taken away? */
static bool is_in_use(uint64_t domain, uint64_t first, uint64_t last)
{
	for (uint32_t i = 0; i < SECTIONS; i++) {
		const struct section *s = &w.sections[i];

		if (s->open && s->used && s->domain == domain && first <= s->iova && s->iova <= last)
			return true;
	}
	return false;
}

/* The same for an endpoint that leaves its domain. */
static bool is_using(uint32_t e)
{
	for (uint32_t i = 0; i < SECTIONS; i++) {
		const struct section *s = &w.sections[i];

		if (s->open && s->used && s->endpoint == e && s->domain == w.domain_of[e])
			return true;
	}
	return false;
}

static void accept_attach(const struct viommu_request *request, const struct viommu_wire_request *r)
{
	uint32_t e = r->u.attach.endpoint - FIRST_ENDPOINT;
	bool bypass = (r->u.attach.flags & VIOMMU_ATTACH_F_BYPASS) != 0;

	CHECK(e < ENDPOINTS && (r->u.attach.flags & ~VIOMMU_ATTACH_F_BYPASS) == 0 && r->u.attach.reserved == 0);
	if (w.domain_of[e] == r->u.attach.domain)
		return;
	for (uint32_t i = 0; i < ENDPOINTS; i++)
		CHECK(w.domain_of[i] != r->u.attach.domain || w.bypass_of[i] == bypass);
	if (is_using(e))
		CHECK(request->state == VIOMMU_REQUEST_PENDING);
	leave_domain(e);
	w.domain_of[e] = r->u.attach.domain;
	w.bypass_of[e] = bypass;
}

static void accept_detach(const struct viommu_request *request, const struct viommu_wire_request *r)
{
	uint32_t e = r->u.detach.endpoint - FIRST_ENDPOINT;

	CHECK(e < ENDPOINTS && w.domain_of[e] == r->u.detach.domain);
	if (is_using(e))
		CHECK(request->state == VIOMMU_REQUEST_PENDING);
	leave_domain(e);
}

static void accept_map(const struct viommu_wire_request *r)
{
	uint64_t first = r->u.map.virt_start, last = r->u.map.virt_end, phys = r->u.map.phys_start;

	CHECK(first <= last && last <= LAST_IOVA && ((first | (last + 1) | phys) & (GRANULE - 1)) == 0);
	CHECK(phys + (last - first) >= phys && (r->u.map.flags & ~7u) == 0 && has_members(r->u.map.domain));
	for (uint32_t e = 0; e < ENDPOINTS; e++)
		CHECK(w.domain_of[e] != r->u.map.domain ||
		      (!w.bypass_of[e] && (e != 1 || last < msi[0].range.first || first > msi[0].range.last)));
	for (uint32_t i = 0; i < w.mapping_count; i++)
		CHECK(w.mappings[i].domain != r->u.map.domain || w.mappings[i].last < first ||
		      w.mappings[i].first > last);
	CHECK(w.mapping_count < MAPPINGS);
	w.mappings[w.mapping_count++] = (struct mapping){ r->u.map.domain, r->u.map.flags, first, last, phys };
}

static void accept_unmap(const struct viommu_request *request, const struct viommu_wire_request *r)
{
	uint64_t first = r->u.unmap.virt_start, last = r->u.unmap.virt_end;
	uint32_t domain = r->u.unmap.domain;

	CHECK(first <= last && has_members(domain));
	for (uint32_t i = 0; i < w.mapping_count; i++) {
		const struct mapping *m = &w.mappings[i];

		if (m->domain != domain || m->last < first || m->first > last)
			continue;
		CHECK(first <= m->first && m->last <= last);
		if (is_in_use(domain, m->first, m->last))
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
		CHECK(r->type == VIOMMU_T_PROBE && r->u.probe.endpoint - FIRST_ENDPOINT < ENDPOINTS);
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
			const struct viommu_virtq_device *queue = &w.pump.queues[q];

			if (touches(s, queue->used_gpa, VIOMMU_VIRTQ_USED_SIZE(queue->size)))
				return true;
		}
		for (uint32_t k = 0; k < w.meddled_count; k++) {
			if (touches(s, w.meddled_at[k].gpa, w.meddled_at[k].len))
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
		w.lost |= is_unanswerable(request);
		return;
	}
	if (request->status != VIOMMU_S_OK)
		return;
	if (is_overwritten(request)) {
		w.lost = true;
		return;
	}
	for (uint32_t i = 0; i < request->readable_count; i++) {
		const struct viommu_segment *s = &request->readable[i];
		size_t n = s->len < sizeof bytes - len ? s->len : sizeof bytes - len;

		memcpy(bytes + len, all_at(s->gpa, n), n);
		len += n;
	}
	CHECK(viommu_wire_request_decode(bytes, len, &r) == VIOMMU_OK && r.type == request->type);
	w.changed = true;
	if (!w.lost)
		accept(request, &r);
}

/* Against the device's own maps. */
static void check_maps(void)
{
	uint32_t found = 0;

	if (w.lost || !w.changed)
		return;
	w.changed = false;
	for (uint32_t e = 0; e < ENDPOINTS; e++) {
		const struct viommu_domain *domain = w.handles[e]->domain;

		CHECK(w.domain_of[e] == (domain != NULL ? domain->id : NOWHERE));
		CHECK(domain == NULL || domain->bypass == w.bypass_of[e]);
	}
	for (uint32_t i = 0; i < w.mapping_count; i++) {
		const struct mapping *m = &w.mappings[i];
		const struct viommu_domain *domain = NULL;
		struct viommu_mapping k;

		for (uint32_t e = 0; e < ENDPOINTS; e++) {
			if (w.domain_of[e] == m->domain)
				domain = w.handles[e]->domain;
		}
		CHECK(domain != NULL && viommu_map_next(&domain->map, m->first, &k));
		CHECK(k.first == m->first && k.last == m->last && k.phys == m->phys && k.flags == m->flags);
	}
	/* And nothing else. */
	for (uint32_t e = 0; e < ENDPOINTS; e++) {
		const struct viommu_domain *domain = w.handles[e]->domain;
		struct viommu_mapping k = { .last = UINT64_MAX };
		uint64_t from = 0;
		bool counted = domain == NULL;

		for (uint32_t i = 0; i < e; i++)
			counted |= w.handles[i]->domain == domain;
		while (!counted && viommu_map_next(&domain->map, from, &k)) {
			found++;
			from = k.last + 1;
			if (from == 0)
				break;
		}
	}
	CHECK(found == w.mapping_count);
}

/* The device */

static uint32_t requests_seen(void)
{
	const struct viommu_device_stats *stats = viommu_device_get_stats(&w.dev);
	uint32_t sum = 0;

	for (uint32_t i = 0; i < VIOMMU_T_COUNT; i++)
		sum += stats->requests[i];
	return sum;
}

static void work_pending(void *ctx)
{
	(void)ctx;
	w.awake = true;
}

static const struct viommu_device_ops device_ops = { .size = sizeof device_ops, .work_pending = work_pending };

/* One request at most. Returns whether it did anything, or has more to do. */
static bool device_step(void)
{
	const struct viommu_pump_slot *slot = w.pump.free_slots;
	uint32_t before = requests_seen();
	bool more;

	if (!w.awake && !w.transport.touched)
		return false;
	w.awake = false;
	w.transport.touched = false;
	w.meddled_count = 0;
	more = viommu_pump_process(&w.pump, 1);
	sim_transport_take_interrupts(&w.transport);
	if (more)
		w.awake = true;
	if (requests_seen() != before) {
		CHECK(requests_seen() == before + 1 && slot != NULL);
		look_at(&slot->request);
	}
	return more;
}

/* The driver's hooks */

static bool has_section(void)
{
	for (uint32_t i = 0; i < SECTIONS; i++) {
		if (w.sections[i].open)
			return true;
	}
	return false;
}

static enum viommu_result hook_wait(void *ctx, uint32_t attempt)
{
	bool any = false;

	(void)ctx;
	CHECK(w.depth == 0);
	tick();
	for (uint32_t i = 0; i < 3 && device_step(); i++)
		any = true;
	w.idle = any || attempt == 0 ? 0 : w.idle + 1;
	if (w.idle < PATIENCE)
		return VIOMMU_OK;
	/* Nobody waits in vain but for a section to end, or because of the wire. */
	CHECK(w.meddled || has_section());
	return VIOMMU_E_TIMEOUT;
}

static void hook_lock(void *ctx)
{
	(void)ctx;
	tick();
	CHECK(w.depth == 0 && ++w.locks < LOCKS_MAX);
	w.depth++;
}

static void hook_unlock(void *ctx)
{
	(void)ctx;
	CHECK(w.depth == 1);
	w.depth--;
	tick();
}

static void hook_fault(void *ctx, const struct viommu_wire_fault *fault)
{
	(void)ctx;
	CHECK(w.depth == 0);
	CHECK(w.meddled || (fault->endpoint - FIRST_ENDPOINT < ENDPOINTS && fault->reason != VIOMMU_FAULT_R_UNKNOWN));
	w.faults++;
}

static bool is_misled(void)
{
	for (uint32_t e = 0; e < ENDPOINTS; e++) {
		if (w.misled[e])
			return true;
	}
	return false;
}

static void hook_failed(void *ctx, struct viommu_driver_domain *domain, const struct viommu_driver_failure *failure)
{
	(void)ctx;
	CHECK(w.depth == 1 && domain >= w.domains && domain < w.domains + DOMAINS);
	if (w.meddled || w.delayed)
		return;
	/* Two honest sides run out of memory at most; one that was lied to maps over what is reserved. */
	CHECK(failure->result == VIOMMU_E_REJECTED);
	CHECK(failure->status == VIOMMU_S_NOMEM || (failure->status == VIOMMU_S_INVAL && is_misled()));
}

static const struct viommu_driver_ops driver_ops = {
	.size = sizeof driver_ops,
	.wait = hook_wait,
	.lock = hook_lock,
	.unlock = hook_unlock,
	.fault = hook_fault,
	.failed = hook_failed,
};

/* Registers: those of the sim, and a step before each. */

static uint8_t get_status(void *ctx)
{
	tick();
	return w.transport.register_ops->get_status(ctx);
}

/* Of an earlier life, which are still to be reported. */
static bool has_failures(void)
{
	for (uint32_t d = 0; d < DOMAINS; d++) {
		if (w.made[d] && w.domains[d].failures > 0)
			return true;
	}
	return false;
}

static void set_status(void *ctx, uint8_t status)
{
	tick();
	w.transport.register_ops->set_status(ctx, status);
	if (status != 0)
		return;
	/* Whatever still goes on: nobody translates by the old mappings from here on. */
	w.mapping_count = 0;
	for (uint32_t e = 0; e < ENDPOINTS; e++)
		w.domain_of[e] = NOWHERE;
	w.lost = false;
	for (uint32_t i = 0; i < SECTIONS; i++)
		w.sections[i].used = false;
	if (w.recovering) {
		w.meddled = false;
		w.inherits = has_failures();
		w.delayed = has_section() || w.inherits;
	}
	w.changed = true;
	check_maps();
}

static void config_write(void *ctx, uint32_t offset, const void *src, uint32_t len)
{
	uint8_t now;

	tick();
	CHECK(offset == VIOMMU_WIRE_CONFIG_BYPASS && len == 1);
	w.transport.register_ops->config_write(ctx, offset, src, len);
	/* Between the end of a life and the next one nothing is stored. */
	w.transport.register_ops->config_read(ctx, offset, &now, 1);
	w.bypass = now != 0;
}

static enum viommu_result queue_enable(void *ctx, uint32_t queue, const struct viommu_virtq_layout *layout)
{
	tick();
	return w.transport.register_ops->queue_enable(ctx, queue, layout);
}

static void notify(void *ctx, uint32_t queue)
{
	CHECK(w.depth == 0);
	tick();
	w.transport.register_ops->notify(ctx, queue);
}

static void notify_data(void *ctx, uint32_t queue, uint32_t data)
{
	CHECK(w.depth == 0);
	tick();
	w.transport.register_ops->notify_data(ctx, queue, data);
}

static struct viommu_register_ops register_ops;

/* Calls of the driver */

static void begin_call(void)
{
	w.locks = 0;
	w.idle = 0;
	tick();
}

/* One of the results that the header lists for every call that sends requests, or one of this call's own. */
static enum viommu_result end_call(enum viommu_result r, enum viommu_result own0, enum viommu_result own1,
				   enum viommu_result own2, enum viommu_result own3)
{
	CHECK(w.depth == 0);
	CHECK(r == VIOMMU_OK || r == VIOMMU_E_STATE || r == VIOMMU_E_TIMEOUT || r == VIOMMU_E_BROKEN || r == own0 ||
	      r == own1 || r == own2 || r == own3);
	CHECK(w.meddled || w.inherits || r != VIOMMU_E_BROKEN);
	CHECK(w.meddled || w.delayed || (r != VIOMMU_E_PEER && r != VIOMMU_E_TIMEOUT));
	return r;
}

#define NONE VIOMMU_OK

/* The device offers all ring features that there are, and the driver wants some. */
static enum viommu_result start(uint64_t ring_features)
{
	enum viommu_result r;
	bool stopped = w.drv.state == VIOMMU_DRIVER_STOPPED;

	begin_call();
	if (stopped) {
		w.drv.features_wanted = (VIOMMU_DRIVER_FEATURES & ~VIOMMU_VIRTQ_FEATURES) | ring_features;
		w.meddled = false;
		w.delayed = has_section();
		w.inherits = false;
	}
	r = viommu_driver_start(&w.drv, &register_ops, w.transport.register_ctx);
	(void)end_call(r, NONE, NONE, NONE, NONE);
	CHECK((r == VIOMMU_E_STATE) == !stopped);
	return r;
}

static void check_slots(void)
{
	uint32_t count = 0;

	for (const struct viommu_pump_slot *s = w.pump.free_slots; s != NULL; s = s->request.user)
		CHECK(++count <= MAX_PENDING);
	CHECK(count == MAX_PENDING);
}

static enum viommu_result stop(void)
{
	enum viommu_result r;

	begin_call();
	r = viommu_driver_stop(&w.drv);
	CHECK(r == VIOMMU_OK || (r == VIOMMU_E_TIMEOUT && has_section()));
	CHECK(w.depth == 0);
	if (r == VIOMMU_OK)
		check_slots();
	else
		w.meddled = true; /* nobody is at the other end any more */
	return r;
}

static enum viommu_result domain_init(uint32_t d, bool bypass)
{
	enum viommu_result r;

	if (w.made[d])
		return VIOMMU_OK;
	begin_call();
	r = viommu_driver_domain_init(&w.domains[d], &w.drv, d == 0 ? VIOMMU_DOMAIN_ANY : 7 * d, bypass);
	w.made[d] = r == VIOMMU_OK;
	return end_call(r, VIOMMU_E_EXISTS, NONE, NONE, NONE);
}

static enum viommu_result domain_deinit(uint32_t d)
{
	enum viommu_result r;

	if (!w.made[d])
		return VIOMMU_OK;
	begin_call();
	r = viommu_driver_domain_deinit(&w.domains[d]);
	w.made[d] = r != VIOMMU_OK;
	for (uint32_t i = 0; i < DMAS; i++)
		w.dmas[i].made = w.dmas[i].made && (w.dmas[i].domain != d || w.made[d]);
	return end_call(r, NONE, NONE, NONE, NONE);
}

static enum viommu_result endpoint_init(uint32_t e)
{
	struct viommu_driver_endpoint *handle = &w.endpoints[e];
	enum viommu_result r;

	if (handle->drv != NULL &&
	    (handle->lost != NULL || (w.drv.life == handle->life && (handle->domain != NULL || handle->uncertain))))
		return VIOMMU_E_STATE;
	begin_call();
	r = viommu_driver_endpoint_init(handle, &w.drv, FIRST_ENDPOINT + e, w.regions[e], 2);
	(void)end_call(r, VIOMMU_E_REJECTED, VIOMMU_E_PEER, VIOMMU_E_NOMEM, VIOMMU_E_BUSY);
	if (r == VIOMMU_OK)
		w.misled[e] = w.meddled;
	if (r == VIOMMU_OK && !w.meddled)
		CHECK(handle->region_count == (e == 1) &&
		      (e != 1 || handle->regions[0].range.first == msi[0].range.first));
	return r;
}

/* Both sides have the same mappings, if the wire was left alone and nothing is under way. */
static void check_agreement(uint32_t d)
{
	uint32_t id = viommu_driver_domain_id(&w.domains[d]), count = 0;
	struct viommu_mapping k;
	uint64_t from = 0;

	if (w.meddled || w.lost || w.domains[d].endpoints == NULL || w.delayed)
		return;
	for (uint32_t i = 0; i < w.mapping_count; i++) {
		if (w.mappings[i].domain != id)
			continue;
		count++;
		CHECK(viommu_driver_next_mapping(&w.domains[d], w.mappings[i].first, &k));
		CHECK(k.first == w.mappings[i].first && k.last == w.mappings[i].last && k.phys == w.mappings[i].phys &&
		      k.flags == w.mappings[i].flags);
	}
	while (viommu_driver_next_mapping(&w.domains[d], from, &k)) {
		CHECK(count-- > 0);
		from = k.last + 1;
	}
	CHECK(count == 0);
}

static enum viommu_result sync(uint32_t d)
{
	enum viommu_result r;

	if (!w.made[d])
		return VIOMMU_E_STATE;
	begin_call();
	r = viommu_driver_sync(&w.domains[d], NULL);
	(void)end_call(r, VIOMMU_E_REJECTED, VIOMMU_E_PEER, NONE, NONE);
	CHECK(w.domains[d].oldest == NULL || r == VIOMMU_E_STATE);
	if (r != VIOMMU_E_STATE)
		check_agreement(d);
	return r;
}

static enum viommu_result attach(uint32_t d, uint32_t e)
{
	enum viommu_result r;

	if (!w.made[d] || w.endpoints[e].drv == NULL)
		return VIOMMU_E_STATE;
	begin_call();
	r = viommu_driver_attach(&w.domains[d], &w.endpoints[e], NULL);
	if (r == VIOMMU_E_RANGE || r == VIOMMU_E_BUSY)
		return r;
	(void)end_call(r, VIOMMU_E_REJECTED, VIOMMU_E_PEER, NONE, NONE);
	if (r == VIOMMU_OK)
		CHECK(viommu_driver_endpoint_domain(&w.endpoints[e]) == &w.domains[d]);
	return r;
}

static enum viommu_result detach(uint32_t e)
{
	enum viommu_result r;

	begin_call();
	r = viommu_driver_detach(&w.endpoints[e], NULL);
	return end_call(r, VIOMMU_E_REJECTED, VIOMMU_E_PEER, NONE, NONE);
}

static enum viommu_result map(uint32_t d, uint64_t first, uint64_t last, uint64_t phys, uint32_t flags)
{
	enum viommu_result r;

	if (!w.made[d])
		return VIOMMU_E_STATE;
	begin_call();
	r = viommu_driver_map(&w.domains[d], first, last, phys, flags);
	if (r == VIOMMU_E_RANGE || r == VIOMMU_E_ARG)
		return r;
	return end_call(r, VIOMMU_E_EXISTS, VIOMMU_E_NOMEM, NONE, NONE);
}

static bool is_deferred_by_others(uint32_t d, const struct dma *but, struct viommu_range range);

static enum viommu_result unmap(uint32_t d, uint64_t first, uint64_t last)
{
	enum viommu_result r;

	if (!w.made[d] || is_deferred_by_others(d, NULL, (struct viommu_range){ first, last }))
		return VIOMMU_E_STATE;
	begin_call();
	r = viommu_driver_unmap(&w.domains[d], first, last);
	return end_call(r, VIOMMU_E_RANGE, VIOMMU_E_ARG, NONE, NONE);
}

/* A device that fails, goes, or is handed over */

static struct viommu_driver_domain *place_of(uint32_t e)
{
	const struct viommu_driver_endpoint *handle = &w.endpoints[e];

	if (handle->drv == NULL || handle->lost != NULL)
		return handle->lost;
	return handle->uncertain && w.drv.life == handle->life ? NULL : handle->domain;
}

static enum viommu_result recover(void)
{
	struct viommu_driver_domain *places[ENDPOINTS];
	bool was_started = w.drv.registers != NULL;
	uint32_t life = w.drv.life;
	enum viommu_result r;

	for (uint32_t e = 0; e < ENDPOINTS; e++)
		places[e] = place_of(e);
	begin_call();
	w.recovering = true;
	r = viommu_driver_recover(&w.drv);
	w.recovering = false;
	CHECK(w.depth == 0 && (r == VIOMMU_E_STATE) == !was_started);
	if (r == VIOMMU_E_STATE)
		return r;
	if (w.drv.life == life) {
		CHECK(r == VIOMMU_E_TIMEOUT && has_section());
		w.meddled = true; /* as stop */
		return r;
	}
	for (uint32_t e = 0; e < ENDPOINTS; e++) {
		CHECK(r != VIOMMU_OK || w.endpoints[e].drv == NULL || w.endpoints[e].domain == places[e]);
		CHECK(w.endpoints[e].drv == NULL || w.endpoints[e].domain == NULL ||
		      w.endpoints[e].domain == places[e]);
	}
	/* What cannot be replayed: where nothing was told of reserved regions, or without memory. */
	if (r == VIOMMU_E_RANGE || r == VIOMMU_E_BUSY)
		CHECK(w.meddled || w.delayed || r == VIOMMU_E_RANGE);
	else
		(void)end_call(r, VIOMMU_E_REJECTED, VIOMMU_E_PEER, NONE, NONE);
	CHECK(r != VIOMMU_E_TIMEOUT || w.drv.state == VIOMMU_DRIVER_FAILED);
	/* It failed again, and nobody is asked any more. */
	if (w.drv.state == VIOMMU_DRIVER_FAILED) {
		CHECK(w.meddled || w.delayed);
		w.meddled = true;
	}
	for (uint32_t d = 0; d < DOMAINS && r == VIOMMU_OK; d++) {
		if (w.made[d])
			check_agreement(d);
	}
	return r;
}

static void look(void)
{
	bool was_running = w.drv.state == VIOMMU_DRIVER_RUNNING;
	enum viommu_result r;

	begin_call();
	r = viommu_driver_look(&w.drv);
	CHECK(w.depth == 0);
	CHECK((r == VIOMMU_E_STATE) == (w.drv.state == VIOMMU_DRIVER_STOPPED));
	CHECK(r == VIOMMU_OK || r == VIOMMU_E_STATE || r == VIOMMU_E_BROKEN);
	CHECK(!was_running || w.meddled || r == VIOMMU_OK);
}

static void shutdown(enum viommu_driver_handover handover)
{
	bool was_stopped = w.drv.state == VIOMMU_DRIVER_STOPPED;
	enum viommu_result r;

	begin_call();
	r = viommu_driver_shutdown(&w.drv, handover);
	CHECK(w.depth == 0 && (r == VIOMMU_E_STATE) == was_stopped);
	CHECK(r == VIOMMU_OK || r == VIOMMU_E_STATE || r == VIOMMU_E_PEER || (r == VIOMMU_E_TIMEOUT && has_section()));
	CHECK(w.meddled || r != VIOMMU_E_PEER);
	if (r == VIOMMU_OK) {
		check_slots();
		CHECK(handover == VIOMMU_HANDOVER_KEEP || w.bypass == (handover == VIOMMU_HANDOVER_BYPASS));
	} else if (r == VIOMMU_E_TIMEOUT) {
		w.meddled = true;
	}
}

static void set_window(uint32_t d, struct viommu_range window)
{
	enum viommu_result r;

	if (!w.made[d])
		return;
	begin_call();
	r = viommu_driver_domain_set_msi_window(&w.domains[d], window);
	CHECK(w.depth == 0 && (r == VIOMMU_E_ARG) == (window.first > window.last));
	CHECK(r == VIOMMU_OK || r == VIOMMU_E_ARG || r == VIOMMU_E_EXISTS);
}

/* What the device has there, if it is exactly this. */
static const struct mapping *exactly(uint32_t d, struct viommu_range range)
{
	for (uint32_t i = 0; i < w.mapping_count; i++) {
		const struct mapping *m = &w.mappings[i];

		if (m->domain == w.domains[d].id && m->first == range.first && m->last == range.last)
			return m;
	}
	return NULL;
}

static bool is_mapped(uint32_t d, struct viommu_range range)
{
	for (uint32_t i = 0; i < w.mapping_count; i++) {
		const struct mapping *m = &w.mappings[i];

		if (m->domain == w.domains[d].id && m->first <= range.last && range.first <= m->last)
			return true;
	}
	return false;
}

/* Does the device have what the driver believes that it has told it? */
static bool is_told(uint32_t d)
{
	return !w.meddled && !w.lost && w.domains[d].endpoints != NULL;
}

static enum viommu_result end_maps(enum viommu_result r)
{
	if (r == VIOMMU_E_ARG || r == VIOMMU_E_FULL || r == VIOMMU_E_NOMEM)
		return r;
	return end_call(r, VIOMMU_E_REJECTED, VIOMMU_E_PEER, VIOMMU_E_RANGE, VIOMMU_E_EXISTS);
}

static void map_identity(uint32_t d, uint32_t joining, struct viommu_range range, uint32_t flags)
{
	const struct viommu_driver_endpoint *handle = joining < ENDPOINTS ? &w.endpoints[joining] : NULL;
	enum viommu_result r;

	if (!w.made[d] || (handle != NULL && handle->drv == NULL))
		return;
	begin_call();
	r = end_maps(viommu_driver_map_identity(&w.domains[d], handle, range.first, range.last, flags));
	for (uint32_t i = 0; i < w.mapping_count && r == VIOMMU_OK && is_told(d); i++) {
		const struct mapping *m = &w.mappings[i];
		struct viommu_range there = { m->first, m->last };
		bool left_out = viommu_range_overlaps(there, w.domains[d].msi_window) ||
				viommu_range_overlaps(there, msi[0].range);

		CHECK(m->domain != w.domains[d].id || left_out || !viommu_range_overlaps(there, range) ||
		      m->phys == m->first);
	}
	if (r == VIOMMU_OK && is_told(d) && range.first % GRANULE == 0 &&
	    (w.domains[d].msi_window.last == 0 || w.domains[d].msi_window.first > range.first) && !is_misled() &&
	    range.first > msi[0].range.last)
		CHECK(is_mapped(d, (struct viommu_range){ range.first, range.first }));
}

static void dma_init(uint32_t i, uint32_t d, bool bottom_up, uint32_t deferred, bool hints, struct viommu_range window)
{
	struct dma *dma = &w.dmas[i];
	struct viommu_dma_config config = VIOMMU_DMA_CONFIG_INIT;

	if (!w.made[d] || (dma->made && dma->handle.deferred_count > 0))
		return;
	config.bottom_up = bottom_up;
	config.window = window;
	config.hints = hints ? dma->hints : NULL;
	config.hint_count = hints ? HINTS : 0;
	config.deferred_count = deferred;
	config.deferred = dma->deferred;
	dma->made = viommu_driver_dma_init(&dma->handle, &w.domains[d], &config) == VIOMMU_OK;
	dma->domain = d;
	CHECK(dma->made == (window.first <= window.last));
	for (uint32_t k = 0; k < LISTS; k++)
		w.lists[k].made = w.lists[k].made && w.lists[k].dma != i;
}

static struct viommu_range granules(uint64_t from, uint64_t len)
{
	return (struct viommu_range){ from & ~(uint64_t)(GRANULE - 1), (from + (len - 1)) | (GRANULE - 1) };
}

/* What both sides know of a list that is mapped, and what the header says of its addresses. */
static void check_list(const struct list *list, bool is_new)
{
	const struct dma *dma = &w.dmas[list->dma];
	const struct viommu_range *set_aside = &w.domains[dma->domain].msi_window;

	for (uint32_t i = 0; i < list->count; i++) {
		const struct viommu_dma_buffer *b = &list->buffers[i];
		struct viommu_range range = granules(b->iova, b->len);
		const struct mapping *m = exactly(dma->domain, range);

		CHECK(range.first != 0 && ((b->iova ^ b->phys) & (GRANULE - 1)) == 0 && range.last <= LAST_IOVA);
		CHECK(range.first >= dma->handle.window.first && range.last <= dma->handle.window.last);
		CHECK(!is_new || set_aside->last == 0 || viommu_range_contains(*set_aside, dma->handle.window) ||
		      !viommu_range_overlaps(*set_aside, range));
		for (uint32_t k = 0; k < i; k++) {
			struct viommu_range other = granules(list->buffers[k].iova, list->buffers[k].len);

			CHECK(other.last < range.first || range.last < other.first);
		}
		if (is_told(dma->domain))
			CHECK(m != NULL && m->phys + (b->iova - m->first) == b->phys && m->flags == (list->how & 7u));
	}
}

static enum viommu_result dma_map(uint32_t i, uint32_t k, const struct list *made)
{
	struct dma *dma = &w.dmas[i];
	struct list *list = &w.lists[k];
	enum viommu_result r;

	if (!dma->made)
		return VIOMMU_E_STATE;
	*list = *made;
	list->dma = i;
	begin_call();
	r = end_maps(viommu_driver_dma_map(&dma->handle, list->buffers, list->count, list->how));
	list->made = r == VIOMMU_OK && !w.domains[dma->domain].bypass;
	if (list->made)
		check_list(list, true);
	return r;
}

static bool is_deferred(const struct dma *dma, struct viommu_range range)
{
	for (uint32_t i = 0; i < dma->handle.deferred_count; i++) {
		if (viommu_range_overlaps(dma->deferred[i], range))
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

static enum viommu_result dma_unmap(uint32_t k)
{
	struct list *list = &w.lists[k];
	struct dma *dma = &w.dmas[list->dma];
	enum viommu_result r;

	if (!list->made || !dma->made)
		return VIOMMU_E_STATE;
	for (uint32_t i = 0; i < list->count; i++) {
		if (is_deferred_by_others(dma->domain, dma, granules(list->buffers[i].iova, list->buffers[i].len)))
			return VIOMMU_E_STATE;
	}
	begin_call();
	r = viommu_driver_dma_unmap(&dma->handle, list->buffers, list->count, list->how);
	(void)end_call(r, VIOMMU_E_REJECTED, VIOMMU_E_PEER, VIOMMU_E_NOENT, NONE);
	/* Strict, and confirmed: nothing arrives there any more. */
	for (uint32_t i = 0; i < list->count && r == VIOMMU_OK && dma->handle.deferred_max == 0; i++) {
		struct viommu_range range = granules(list->buffers[i].iova, list->buffers[i].len);

		CHECK(!is_told(dma->domain) || !is_mapped(dma->domain, range));
		CHECK(!is_told(dma->domain) || !is_in_use(w.domains[dma->domain].id, range.first, range.last));
	}
	return r;
}

static void dma_flush(uint32_t i)
{
	struct dma *dma = &w.dmas[i];
	enum viommu_result r;

	if (!dma->made)
		return;
	begin_call();
	r = viommu_driver_dma_flush(&dma->handle, NULL);
	(void)end_call(r, VIOMMU_E_REJECTED, VIOMMU_E_PEER, NONE, NONE);
	CHECK(r != VIOMMU_OK || dma->handle.deferred_count == 0);
	if (r == VIOMMU_OK)
		check_agreement(dma->domain);
}

static void process(uint32_t budget)
{
	begin_call();
	(void)viommu_driver_process(&w.drv, budget);
	CHECK(w.depth == 0);
}

/* Accesses of endpoints */

static const struct mapping *mapping_of(uint32_t e, uint64_t iova)
{
	for (uint32_t i = 0; i < w.mapping_count; i++) {
		const struct mapping *m = &w.mappings[i];

		if (m->domain == w.domain_of[e] && m->first <= iova && iova <= m->last)
			return m;
	}
	return NULL;
}

/* Does this byte of the piece lead where the mapping that it is in says? */
static void check_byte(uint32_t e, uint64_t iova, uint32_t kind, uint64_t gpa)
{
	const struct mapping *m = mapping_of(e, iova);

	CHECK(m != NULL && (m->flags & kind) == kind && gpa == m->phys + (iova - m->first));
}

/* In a section that is open. Returns whether it led anywhere. */
static bool translate(uint32_t e, uint64_t iova, uint32_t kind)
{
	bool doorbell = e == 1 && iova >= msi[0].range.first && iova <= msi[0].range.last;
	struct viommu_translation t;
	enum viommu_result r = viommu_access_translate(&w.accesses[e], iova, 4 * PAGE, kind, &t);
	const struct mapping *m = mapping_of(e, iova);

	CHECK(r == VIOMMU_OK || r == VIOMMU_E_FAULT);
	if (w.lost)
		return false;
	if (w.domain_of[e] == NOWHERE) {
		CHECK(w.bypass ? r == VIOMMU_OK && t.gpa == iova : r == VIOMMU_E_FAULT);
	} else if (w.bypass_of[e]) {
		CHECK(r == VIOMMU_OK && t.gpa == iova);
	} else if (doorbell) {
		CHECK(r == VIOMMU_OK && t.msi && t.gpa == iova && t.length - 1 <= msi[0].range.last - iova);
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
	const struct mapping *m = &w.mappings[w.mapping_count != 0 ? which % w.mapping_count : 0];

	if (w.mapping_count == 0)
		return offset;
	return (offset & 1) != 0 ? m->last + 2 - (offset >> 1) : m->first - 2 + (offset >> 1);
}

static void access_once(uint32_t e, uint64_t iova, uint32_t kind)
{
	struct viommu_access_token token;

	CHECK(viommu_access_begin(&w.accesses[e], &token) == VIOMMU_OK);
	(void)translate(e, iova, kind);
	viommu_access_end(&w.accesses[e], token);
}

static void section_open(uint32_t i, uint32_t e, uint64_t iova, uint32_t kind)
{
	struct section *s = &w.sections[i];

	if (s->open)
		return;
	CHECK(viommu_access_begin(&w.accesses[e], &s->token) == VIOMMU_OK);
	s->open = true;
	s->outdated = false;
	w.delayed = true;
	s->endpoint = e;
	s->iova = iova;
	s->used = translate(e, iova, kind) && !w.lost && w.domain_of[e] != NOWHERE && !w.bypass_of[e];
	s->domain = s->used ? (uint32_t)w.domain_of[e] : 0;
}

static void section_close(uint32_t i)
{
	struct section *s = &w.sections[i];

	if (s->open)
		viommu_access_end(&w.accesses[s->endpoint], s->token);
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

#define DOMAIN SIM_OPS_ARG("domain", SIM_OPS_U8, DOMAINS, NULL)
#define ENDPOINT SIM_OPS_ARG("endpoint", SIM_OPS_U8, ENDPOINTS, NULL)
#define FIRST SIM_OPS_ARG("first", SIM_OPS_FIRST, 0, NULL)
#define LAST SIM_OPS_ARG("last", SIM_OPS_LAST, 0, NULL)
#define DMA SIM_OPS_ARG("dma", SIM_OPS_U8, DMAS, NULL)
#define LIST SIM_OPS_ARG("list", SIM_OPS_U8, LISTS, NULL)
#define KIND SIM_OPS_ARG("kind", SIM_OPS_CHOICE, 3, words_kind)
#define WHICH SIM_OPS_ARG("which", SIM_OPS_U8, 0, NULL)
#define OFFSET SIM_OPS_ARG("offset", SIM_OPS_U16, 0, NULL)
#define SECTION SIM_OPS_ARG("section", SIM_OPS_U8, SECTIONS, NULL)
#define DELAY SIM_OPS_ARG("delay", SIM_OPS_U8, 0, NULL)
#define PLACE SIM_OPS_ARG("at", SIM_OPS_U16, SHARED_MAX, NULL)

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
	[MEDDLE] = { "meddle", { DELAY, PLACE, { "bytes", SIM_OPS_BYTES, MEDDLE_BYTES, NULL } }, 5 },
	[FLIP] = { "flip", { DELAY, PLACE, { "mask", SIM_OPS_U8, 0, NULL } }, 5 },
	[CHANGE] = { "change", { SIM_OPS_NO_ARGS }, 1 },
	[RECOVER] = { "recover", { SIM_OPS_NO_ARGS }, 3 },
	[LOOK] = { "look", { SIM_OPS_NO_ARGS }, 1 },
	[SHUTDOWN] = { "shutdown", { { "handover", SIM_OPS_CHOICE, 3, words_handover } }, 1 },
	[WINDOW] = { "window", { DOMAIN, FIRST, LAST }, 2 },
	/* joining: an endpoint, or 3 for none */
	[IDENTITY] = { "identity",
		       { DOMAIN,
			 { "joining", SIM_OPS_U8, ENDPOINTS + 1, NULL },
			 FIRST,
			 LAST,
			 { "flags", SIM_OPS_U8, 8, NULL } },
		       3 },
	[DMA_INIT] = { "dma",
		       { DMA,
			 DOMAIN,
			 { "bottom_up", SIM_OPS_CHOICE, 2, words_no_yes },
			 { "deferred", SIM_OPS_U8, DEFERRED + 1, NULL },
			 { "hints", SIM_OPS_CHOICE, 2, words_no_yes },
			 FIRST,
			 LAST },
		       4 },
	[DMA_MAP] = { "dma_map",
		      { DMA,
			LIST,
			{ "count", SIM_OPS_U8, BUFFERS + 1, NULL },
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
	struct meddle m = { .delay = (uint32_t)op->arg[0], .at = (uint32_t)op->arg[1], .len = 1 };

	if (op->verb == MEDDLE) {
		m.len = (uint32_t)op->len;
		memcpy(m.bytes, op->bytes, op->len);
	} else {
		m.flip = true;
		m.bytes[0] = (uint8_t)op->arg[2];
	}
	if (m.delay == 0)
		apply(&m);
	else if (w.meddle_count < MEDDLES)
		w.meddles[w.meddle_count++] = m;
}

/* Nothing goes away, but the device cannot know. */
static void change_memory(void)
{
	viommu_pump_memory_changed(&w.pump);
	for (uint32_t i = 0; i < SECTIONS; i++)
		w.sections[i].outdated = true;
}

static void check_memory(void)
{
	bool settled = viommu_device_memory_is_settled(&w.dev);

	for (uint32_t i = 0; i < SECTIONS; i++)
		CHECK(!settled || !w.sections[i].open || !w.sections[i].outdated);
}

static void run_dma_map(const uint64_t *a)
{
	struct list list = { .count = (uint32_t)a[2], .how = (uint32_t)a[6] };

	for (uint32_t n = 0; n < list.count; n++)
		list.buffers[n] = (struct viommu_dma_buffer){ .phys = a[3] + n * a[5], .len = a[4] };
	(void)dma_map((uint32_t)a[0], (uint32_t)a[1], &list);
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
	case SHUTDOWN:
		shutdown((enum viommu_driver_handover)a[0]);
		break;
	case WINDOW:
		set_window((uint32_t)a[0], (struct viommu_range){ a[1], a[2] });
		break;
	case IDENTITY:
		map_identity((uint32_t)a[0], (uint32_t)a[1], (struct viommu_range){ a[2], a[3] }, (uint32_t)a[4]);
		break;
	case DMA_INIT:
		dma_init((uint32_t)a[0], (uint32_t)a[1], a[2] != 0, (uint32_t)a[3], a[4] != 0,
			 (struct viommu_range){ a[5], a[6] });
		break;
	case DMA_MAP:
		run_dma_map(a);
		break;
	case DMA_UNMAP:
		(void)dma_unmap((uint32_t)a[0]);
		break;
	default:
		dma_flush((uint32_t)a[0]);
		break;
	}
}

static void run_other(const struct sim_ops_op *op)
{
	const uint64_t *a = op->arg;

	switch (op->verb) {
	case STEP:
		for (uint64_t i = 0; i <= a[0]; i++)
			(void)device_step();
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
	CHECK(viommu_pump_check(&w.pump) && sim_transport_check(&w.transport) && viommu_driver_check(&w.drv));
	for (uint32_t e = 0; e < ENDPOINTS; e++)
		CHECK(viommu_driver_endpoint_check(&w.endpoints[e]) && viommu_access_check(&w.accesses[e]));
}

static void run(void *world, const struct sim_ops_op *op)
{
	const uint64_t *a = op->arg;

	(void)world;
	switch (op->verb) {
	case START:
		w.copied = a[1] != 0;
		(void)start(features_of(a[0]));
		break;
	case STOP:
		(void)stop();
		break;
	case DOMAIN_INIT:
		(void)domain_init((uint32_t)a[0], a[1] != 0);
		break;
	case DOMAIN_DEINIT:
		(void)domain_deinit((uint32_t)a[0]);
		break;
	case ENDPOINT_INIT:
		(void)endpoint_init((uint32_t)a[0]);
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
		if (op->verb >= RECOVER)
			run_rest(op);
		else
			run_other(op);
		break;
	}
	CHECK(w.depth == 0);
	check_maps();
	check_memory();
	if (++w.operations % CHECK_EVERY == 0)
		check_both();
}

/* Making */

static void make_device(void)
{
	struct viommu_device_config config = VIOMMU_DEVICE_CONFIG_INIT;
	struct viommu_pump_config pump = VIOMMU_PUMP_CONFIG_INIT;
	struct viommu_memory memory = { &memory_ops, NULL };
	size_t len;

	config.max_endpoints = ENDPOINTS;
	config.max_domains = DOMAINS - 1; /* so that there can be one too many */
	config.max_pending = MAX_PENDING;
	config.page_size_mask = ~(uint64_t)(GRANULE - 1);
	config.input_range.last = LAST_IOVA;
	config.probe_size = PROBE_SIZE;
	config.memory = memory;
	config.ops = &device_ops;
	CHECK(viommu_device_init(&w.dev, &config, w.dev_memory, sizeof w.dev_memory) == VIOMMU_OK);
	for (uint32_t e = 0; e < ENDPOINTS; e++) {
		struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;

		endpoint.id = FIRST_ENDPOINT + e;
		endpoint.regions = e == 1 ? msi : NULL;
		endpoint.region_count = e == 1;
		CHECK(viommu_device_add_endpoint(&w.dev, &endpoint, &w.handles[e]) == VIOMMU_OK);
		viommu_access_init(&w.accesses[e], &w.dev, w.handles[e]);
	}
	pump.queue_size_max = QUEUE_MAX;
	pump.ring_features = VIOMMU_VIRTQ_FEATURES;
	pump.device = &w.dev;
	pump.memory = memory;
	sim_transport_init(&w.transport, NULL);
	pump.interrupts = w.transport.interrupt_ops;
	pump.interrupt_ctx = w.transport.interrupt_ctx;
	CHECK(viommu_pump_mem_size(&pump, &len) == VIOMMU_OK && len <= sizeof w.pump_memory);
	CHECK(viommu_pump_init(&w.pump, &pump, w.pump_memory, len) == VIOMMU_OK);
	CHECK(sim_transport_connect(&w.transport, viommu_pump_registers(&w.pump)) == VIOMMU_OK);
	CHECK(sim_transport_find_device(&w.transport) == VIOMMU_OK);
}

static void make_driver(void)
{
	struct viommu_driver_config config = VIOMMU_DRIVER_CONFIG_INIT;
	struct viommu_shared_memory shared = { .base = w.shared.bytes, .addr = SHARED_BUS };
	size_t len;

	config.queue_size = QUEUE_SIZE;
	config.event_count = EVENT_COUNT;
	config.probe_size_max = PROBE_SIZE;
	config.granule = GRANULE;
	config.ops = &driver_ops;
	CHECK(viommu_driver_mem_size(&config, &len, &w.shared_len) == VIOMMU_OK);
	CHECK(w.shared_len + CANARY_LEN <= SHARED_MAX && len + NODES * VIOMMU_MAP_NODE_SIZE <= sizeof w.drv_memory);
	shared.len = w.shared_len;
	CHECK(viommu_driver_init(&w.drv, &config, w.drv_memory, len + NODES * VIOMMU_MAP_NODE_SIZE, &shared) ==
	      VIOMMU_OK);
}

static void *begin(void)
{
	memset(&w.shared, CANARY, sizeof w.shared);
	memset(w.made, 0, sizeof w.made);
	memset(w.endpoints, 0, sizeof w.endpoints);
	memset(w.sections, 0, sizeof w.sections);
	memset(w.dmas, 0, sizeof w.dmas);
	memset(w.lists, 0, sizeof w.lists);
	w.recovering = false;
	w.bypass = false;
	w.awake = false;
	w.depth = 0;
	w.locks = 0;
	w.operations = 0;
	w.meddle_count = 0;
	w.meddled_count = 0;
	w.copied = false;
	w.meddled = false;
	w.delayed = false;
	w.inherits = false;
	w.lost = false;
	w.mapping_count = 0;
	for (uint32_t e = 0; e < ENDPOINTS; e++) {
		w.domain_of[e] = NOWHERE;
		w.misled[e] = false;
	}
	make_device();
	register_ops = *w.transport.register_ops;
	register_ops.get_status = get_status;
	register_ops.set_status = set_status;
	register_ops.config_write = config_write;
	register_ops.queue_enable = queue_enable;
	register_ops.notify = notify;
	register_ops.notify_data = notify_data;
	make_driver();
	return &w;
}

/* The DMA of an endpoint moves bytes to where the mapping says. */
static void move_bytes(uint32_t e, uint64_t iova, uint64_t phys)
{
	static const uint8_t bytes[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct viommu_access_token token;
	size_t done;

	CHECK(viommu_access_begin(&w.accesses[e], &token) == VIOMMU_OK);
	CHECK(viommu_access_write(&w.accesses[e], iova, bytes, sizeof bytes, &done) == VIOMMU_OK);
	viommu_access_end(&w.accesses[e], token);
	CHECK(memcmp(w.shared.dma + (phys - DMA_BUS), bytes, sizeof bytes) == 0);
}

static void check_faults(uint32_t e, uint64_t iova)
{
	uint32_t before;

	/* What was reported earlier first. */
	for (uint32_t i = 0; i < 4; i++) {
		(void)viommu_pump_process(&w.pump, 64);
		process(16);
	}
	before = w.faults;
	access_once(e, iova, VIOMMU_ACCESS_READ);
	(void)viommu_pump_process(&w.pump, 64);
	process(16);
	CHECK(w.faults == before + 1);
}

static void check_nodes(struct viommu_map_pool *pool)
{
	(void)viommu_map_pool_reclaim(pool, UINT32_MAX);
	CHECK(viommu_map_pool_free(pool) == viommu_map_pool_total(pool));
}

/* Whatever the wire did: after a reset everything works, and nothing is missing. */
static void end(void *world)
{
	struct list list = { .count = 2,
			     .how = 3,
			     .buffers = { { .phys = DMA_BUS + 7, .len = 8 },
					  { .phys = DMA_BUS + 3 * GRANULE, .len = 9 } } };
	uint32_t slots = 0;
	enum viommu_result r;

	(void)world;
	check_both();
	w.meddle_count = 0;
	for (uint32_t i = 0; i < SECTIONS; i++)
		section_close(i);
	if (w.drv.registers != NULL) {
		r = recover();
		CHECK(r == VIOMMU_OK || r == VIOMMU_E_REJECTED || r == VIOMMU_E_RANGE);
		check_both();
	}
	CHECK(stop() == VIOMMU_OK);
	for (uint32_t d = 0; d < DOMAINS; d++)
		CHECK(domain_deinit(d) == VIOMMU_OK);
	CHECK(viommu_device_is_settled(&w.dev) && viommu_device_memory_is_settled(&w.dev));
	check_nodes(&w.dev.pool);
	check_nodes(&w.drv.pool);
	CHECK(w.dev.domain_ids.count == 0 && w.dev.pending_count == 0);
	CHECK(start(VIOMMU_VIRTQ_FEATURES) == VIOMMU_OK && !w.meddled);
	CHECK(domain_init(0, false) == VIOMMU_OK && endpoint_init(0) == VIOMMU_OK && endpoint_init(1) == VIOMMU_OK);
	CHECK(attach(0, 0) == VIOMMU_OK);
	for (uint64_t i = 0; i < 4; i++)
		CHECK(map(0, i * GRANULE, (i + 1) * GRANULE - 1, DMA_BUS + (i ^ 1) * GRANULE, 3) == VIOMMU_OK);
	CHECK(sync(0) == VIOMMU_OK && attach(0, 1) == VIOMMU_OK);
	move_bytes(0, 3 * GRANULE, DMA_BUS + 2 * GRANULE);
	move_bytes(1, 2 * GRANULE, DMA_BUS + 3 * GRANULE);
	CHECK(unmap(0, 0, 4 * GRANULE - 1) == VIOMMU_OK && sync(0) == VIOMMU_OK);
	check_maps();
	CHECK(w.mapping_count == 0);
	dma_init(0, 0, false, 0, true, (struct viommu_range){ 0, UINT32_MAX });
	CHECK(dma_map(0, 0, &list) == VIOMMU_OK && recover() == VIOMMU_OK);
	check_list(&w.lists[0], true);
	move_bytes(0, w.lists[0].buffers[0].iova, list.buffers[0].phys);
	move_bytes(1, w.lists[0].buffers[1].iova, list.buffers[1].phys);
	CHECK(dma_unmap(0) == VIOMMU_OK && w.mapping_count == 0);
	check_faults(1, 0);
	CHECK(detach(0) == VIOMMU_OK && detach(1) == VIOMMU_OK && domain_deinit(0) == VIOMMU_OK);
	for (const struct viommu_driver_slot *s = w.drv.free_slots; s != NULL; s = s->next)
		slots++;
	CHECK(slots == QUEUE_SIZE);
	check_slots();
	check_nodes(&w.drv.pool);
	(void)viommu_device_process(&w.dev, UINT32_MAX);
	check_nodes(&w.dev.pool);
	check_both();
	for (uint32_t i = 0; i < CANARY_LEN; i++)
		CHECK(w.shared.canary0[i] == CANARY && w.shared.bytes[w.shared_len + i] == CANARY &&
		      w.shared.canary1[i] == CANARY);
}

const struct sim_ops_target sim_ops_pair = {
	.name = "pair",
	.verbs = verbs,
	.verb_count = sizeof verbs / sizeof verbs[0],
	.begin = begin,
	.run = run,
	.end = end,
};
