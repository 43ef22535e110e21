/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_device.c: any driver, any endpoints, any order, at seam A, against the reference model.
 *
 * The model foretells the status and used length of every request, each byte that is written, the outcome of every
 * translation, every fault report and the configuration space. For revocations it knows which open sections must have
 * ended before an answer, and which may delay it. Bytes around and between the pieces of every buffer have to stay as
 * they were. At the end all map nodes are back in the pool.
 *
 * What the model does not foretell: when map nodes run out. NOMEM is then accepted, if the device was given few. And
 * when there is no slot for a new domain because open sections may still read so many that died.
 */
#include "target_device.h"

#include <string.h>

#include "../model/grace.h"
#include "../model/judge.h"

#define ENDPOINTS SIM_OPS_DEVICE_ENDPOINTS
#define SLOTS SIM_OPS_DEVICE_SLOTS
#define RESERVED SIM_OPS_DEVICE_RESERVED
#define ROOM SIM_OPS_DEVICE_ROOM
#define MAX_DOMAINS 4u
#define MAX_PENDING 3u
#define SECTIONS 12u /* three for each endpoint */
#define CALLS (MAX_PENDING + 1)
#define BYTES_MAX 128u /* of a readable part */
#define PIECES 128u
#define ARENA (ROOM + 2 * PIECES)
#define NODES_MANY 16384u
#define MAPPINGS_PLENTY 512u /* that many do not exhaust NODES_MANY */
#define PROBE_SIZE_MAX 512u

const uint32_t sim_ops_device_ids[ENDPOINTS] = { 8, 9, 0, 0xffffffff };

/* Aligned and not, next to each other, at both ends. */
const struct viommu_range sim_ops_device_reserved[RESERVED] = {
	{ 0, 0xff },
	{ 0x3000, 0x3fff },
	{ 0x4000, 0x4fff },
	{ 0x20010, 0x2ffff },
	{ 0xfee00000, 0xfeefffff },
	{ 0xffffffff, UINT64_C(0x100000000) },
	{ UINT64_C(0x7ffffff000), UINT64_C(0x8000000fff) },
	{ UINT64_MAX - 0xffff, UINT64_MAX },
};

/* One part of a buffer: pieces with at least one byte between them that belongs to nobody. */
struct part {
	struct viommu_segment pieces[PIECES];
	uint32_t count;
	size_t end; /* of what is used in the arena */
	uint8_t arena[ARENA];
	uint8_t want[ARENA]; /* what it has to be */
};

struct call {
	struct viommu_request request;
	struct part readable, writable;
	uint8_t bytes[BYTES_MAX];
	size_t len;
	bool busy; /* pending */
	bool answered;
	bool stale; /* who it named is not there any more: the same request again is about somebody else */
	uint8_t status;
	uint32_t must; /* sections, as a mask, that have to end before the answer */
	size_t used;
};

struct fault_queue {
	struct viommu_wire_fault faults[VIOMMU_ACCESS_FAULTS];
	uint32_t count;
};

/* A place for an endpoint, the same one as in the model. */
struct slot {
	struct viommu_endpoint *handle; /* NULL: nobody is here */
	struct viommu_access access;
	struct viommu_access_cache cache;
	struct viommu_resv_region regions[SIM_MODEL_REGIONS];
	struct fault_queue faults;
	bool has_context;
	/* of one that was removed */
	uint32_t must;  /* sections that have to end before it is gone */
	bool awaited;   /* there were some when it was asked, and since then the device has called work_pending ... */
	uint32_t wakes; /* ... if there were so many calls then */
};

struct world {
	struct viommu_device dev;
	struct slot slots[SLOTS + 1]; /* nobody is ever in the last one */
	uint32_t slot_of[ENDPOINTS];  /* where the id was last, or that one */
	struct viommu_access_token tokens[SECTIONS];
	struct sim_grace grace;
	/* of those that are added next: see the verbs `regions` and `limits` */
	uint32_t next_regions[ENDPOINTS], next_msi[ENDPOINTS];
	uint64_t next_page_sizes[ENDPOINTS], next_input_first[ENDPOINTS], next_input_last[ENDPOINTS];
	uint32_t pending;
	uint32_t ops;
	bool few_nodes;
	bool swept;     /* all mappings were looked at since the last answer */
	bool resetting; /* reports that sections of the old life raise will be forgotten */
	bool woken;     /* the device has called work_pending since all that was done was collected */
	uint32_t wakes;
	sim_ops_device_counts counts;
	struct sim_ops_device_traffic traffic;
	/* from here on not cleared, for it is much */
	struct sim_model model;
	struct call calls[CALLS];
};

static struct world the_world;
static uint8_t memory[VIOMMU_DEVICE_MEM(SLOTS, MAX_DOMAINS, NODES_MANY)];

const struct sim_model *sim_ops_device_model(const void *world)
{
	return &((const struct world *)world)->model;
}

const sim_ops_device_counts *sim_ops_device_answers(const void *world)
{
	return &((const struct world *)world)->counts;
}

const struct sim_ops_device_traffic *sim_ops_device_traffic(const void *world)
{
	return &((const struct world *)world)->traffic;
}

static uint32_t index_of(uint64_t id)
{
	uint32_t i = 0;

	while (i < ENDPOINTS && sim_ops_device_ids[i] != id)
		i++;
	return i;
}

static bool is_there(const struct world *w, uint32_t slot)
{
	return w->slots[slot].handle != NULL && !w->model.endpoints[slot].removed;
}

static void work_pending(void *ctx)
{
	struct world *w = ctx;

	w->woken = true;
	w->wakes++;
}

static const struct viommu_device_ops device_ops = { .size = sizeof(device_ops), .work_pending = work_pending };

static void check_config(const struct world *w)
{
	uint8_t bytes[VIOMMU_WIRE_CONFIG_SIZE];

	viommu_device_config_read(&w->dev, 0, bytes, sizeof(bytes));
	SIM_OPS_CHECK(sim_judge_config(&w->model, bytes));
}

static void check_maps(const struct world *w)
{
	for (uint32_t i = 0; i < w->dev.domain_ids.count; i++)
		SIM_OPS_CHECK(viommu_map_check(&w->dev.domains[w->dev.domain_ids.slots[i]].map));
}

/* Requests */

static void put(uint8_t *p, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++, value >>= 8)
		p[i] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/*
 * Cuts `len` bytes into pieces. how: bits 4..0 the length of each piece, 0 for all of it; bit 5: an empty piece before
 * each; bit 6: the first piece is one byte; bit 7: see submit().
 */
static void cut(struct part *part, size_t len, uint8_t how)
{
	size_t piece = (how & 31) == 0 ? len : how & 31;

	part->count = 0;
	part->end = 1;
	while (len > 0) {
		size_t n = part->count == 0 && (how & 64) != 0 ? 1 : piece < len ? piece : len;

		if (part->count + 3 > PIECES)
			n = len;
		if ((how & 32) != 0 && part->count + 4 < PIECES)
			part->pieces[part->count++] = (struct viommu_segment){ .base = part->arena + part->end };
		part->pieces[part->count++] = (struct viommu_segment){ .base = part->arena + part->end, .len = n };
		part->end += n + 1;
		len -= n;
	}
	SIM_OPS_CHECK(part->end <= ARENA && part->count <= PIECES);
	memset(part->arena, 0xa5, part->end);
	memset(part->want, 0xa5, part->end);
}

/* The bytes of the part, put into this copy of its arena. */
static void scatter(const struct part *part, uint8_t *arena, const uint8_t *bytes, size_t len)
{
	for (uint32_t i = 0; len > 0; i++) {
		size_t n = part->pieces[i].len < len ? part->pieces[i].len : len;

		memcpy(arena + (part->pieces[i].base - part->arena), bytes, n);
		bytes += n;
		len -= n;
	}
}

static bool is_as_wanted(const struct part *part)
{
	return memcmp(part->arena, part->want, part->end) == 0;
}

static void check_answer(struct world *w, struct call *c)
{
	uint8_t type = c->len < 4 ? 0 : c->bytes[0];

	SIM_OPS_CHECK(c->request.state == VIOMMU_REQUEST_DONE && c->request.type == type);
	SIM_OPS_CHECK(c->request.written == c->used);
	SIM_OPS_CHECK(!c->answered || c->request.status == c->status);
	SIM_OPS_CHECK(is_as_wanted(&c->readable) && is_as_wanted(&c->writable));
	w->counts[type < VIOMMU_T_COUNT ? type : 0][c->answered ? c->status : VIOMMU_S_COUNT]++;
}

/* For want of a slot that nobody reads, perhaps. */
static bool is_refused_domain(const struct world *w, const struct call *c)
{
	return c->len > 0 && c->bytes[0] == VIOMMU_T_ATTACH && c->request.status == VIOMMU_S_NOMEM &&
	       w->grace.open != 0;
}

/* The next domain of this id is another one: who unmaps the same there does not wait for this one. */
static void forget_dead_domains(struct world *w)
{
	for (uint32_t i = 0; i < CALLS; i++) {
		struct call *c = &w->calls[i];
		bool lives = false;

		if (!c->busy || c->bytes[0] != VIOMMU_T_UNMAP)
			continue;
		for (uint32_t k = 0; k < SLOTS; k++)
			lives = lives ||
				(w->model.endpoints[k].attached && w->model.endpoints[k].domain == get32(c->bytes + 4));
		c->stale = c->stale || !lives;
	}
}

/* Asks the model; but the device may have run out of nodes, or of slots. */
static struct sim_grace_wait foretell(struct world *w, struct call *c, size_t room)
{
	static struct sim_model_reply reply;
	uint32_t mappings = w->model.mapping_count;
	struct sim_grace_wait wait;

	w->model.max_domains = is_refused_domain(w, c) ? 0 : w->dev.max_domains;
	wait = sim_grace_request(&w->grace, &w->model, c->bytes, c->len, room, &reply);
	w->model.max_domains = w->dev.max_domains;
	if (w->model.mapping_count > mappings && c->request.status == VIOMMU_S_NOMEM) {
		SIM_OPS_CHECK(w->few_nodes || mappings >= MAPPINGS_PLENTY);
		w->model.mapping_count = mappings;
		reply.status = VIOMMU_S_NOMEM;
		reply.bytes[0] = VIOMMU_S_NOMEM;
	}
	w->swept = w->swept && !reply.answered;
	c->answered = reply.answered;
	c->status = reply.status;
	c->used = reply.used;
	/* The same request once more waits for what the first one waits for. */
	for (uint32_t i = 0; i < CALLS && reply.answered && reply.status == VIOMMU_S_OK; i++)
		if (w->calls[i].busy && !w->calls[i].stale && w->calls[i].len >= 20 && c->len >= 20 &&
		    memcmp(w->calls[i].bytes, c->bytes, w->calls[i].len < c->len ? w->calls[i].len : c->len) == 0)
			wait.must |= w->calls[i].must;
	c->must = wait.must;
	c->stale = false;
	forget_dead_domains(w);
	scatter(&c->writable, c->writable.want, reply.bytes, reply.used);
	return wait;
}

static struct call *idle_call(struct world *w)
{
	struct call *c = w->calls;

	while (c->busy)
		c++;
	return c;
}

/* Takes apart what can be. False: more may become so at any time, for a reset has not settled. */
static bool reclaim_all(struct world *w)
{
	bool settled = viommu_device_is_settled(&w->dev);

	while (viommu_device_process(&w->dev, 1000) > 0)
		;
	return settled;
}

/*
 * `shape`: arguments that all requests have: how the readable part is cut, how the writable one, and its room. Bit 7 of
 * the second: all nodes are taken apart first, so that those of a request that has to wait would be seen.
 */
static void submit(struct world *w, const uint8_t *bytes, size_t len, size_t room, const uint64_t *shape)
{
	struct call *c = idle_call(w);
	struct sim_grace_wait wait;
	enum viommu_result result;
	bool reclaimed;

	if (w->model.mapping_count == SIM_MODEL_MAPPINGS)
		return;
	reclaimed = (shape[1] & 128) != 0 && reclaim_all(w);
	c->len = len < BYTES_MAX ? len : BYTES_MAX;
	memcpy(c->bytes, bytes, c->len);
	cut(&c->readable, c->len, (uint8_t)shape[0]);
	cut(&c->writable, room, (uint8_t)shape[1]);
	scatter(&c->readable, c->readable.arena, c->bytes, c->len);
	memcpy(c->readable.want, c->readable.arena, c->readable.end);
	memset(&c->request, 0, sizeof(c->request));
	c->request.readable = c->readable.pieces;
	c->request.readable_count = c->readable.count;
	c->request.writable = c->writable.pieces;
	c->request.writable_count = c->writable.count;
	c->request.user = c;

	SIM_OPS_CHECK(viommu_device_is_busy(&w->dev) == (w->pending == MAX_PENDING));
	result = viommu_device_submit(&w->dev, &c->request);
	if (w->pending == MAX_PENDING) {
		SIM_OPS_CHECK(result == VIOMMU_E_BUSY && c->request.state == VIOMMU_REQUEST_IDLE);
		SIM_OPS_CHECK(is_as_wanted(&c->readable) && is_as_wanted(&c->writable));
		return;
	}
	SIM_OPS_CHECK(result == VIOMMU_OK);
	if (c->request.state == VIOMMU_REQUEST_PENDING) {
		/* Nothing is written so far, and somebody may still use what was cut out. */
		SIM_OPS_CHECK(is_as_wanted(&c->writable));
		SIM_OPS_CHECK(!reclaimed || viommu_device_process(&w->dev, 1) == 0);
	}
	wait = foretell(w, c, room);
	if (c->request.state == VIOMMU_REQUEST_PENDING) {
		SIM_OPS_CHECK(wait.may != 0);
		SIM_OPS_CHECK(viommu_device_submit(&w->dev, &c->request) == VIOMMU_E_STATE);
		c->busy = true;
		w->pending++;
		return;
	}
	SIM_OPS_CHECK(wait.must == 0);
	check_answer(w, c);
}

/* `at`: of the first argument of the shape. Room is what the request needs, or one less than what the argument says. */
static void submit_typed(struct world *w, const struct sim_ops_op *op, const uint8_t *bytes, size_t len, unsigned at)
{
	size_t room = bytes[0] == VIOMMU_T_PROBE ? w->model.probe_size + 4u : 4u;

	submit(w, bytes, len, op->arg[at + 2] != 0 ? (size_t)op->arg[at + 2] - 1 : room, &op->arg[at]);
}

static void run_attach(struct world *w, const struct sim_ops_op *op)
{
	uint8_t r[20] = { VIOMMU_T_ATTACH };

	for (unsigned i = 0; i < 4; i++)
		put(r + 4 + 4 * i, op->arg[i], 4);
	submit_typed(w, op, r, sizeof(r), 4);
}

static void run_detach(struct world *w, const struct sim_ops_op *op)
{
	uint8_t r[20] = { VIOMMU_T_DETACH };

	put(r + 4, op->arg[0], 4);
	put(r + 8, op->arg[1], 4);
	submit_typed(w, op, r, sizeof(r), 2);
}

static void run_map(struct world *w, const struct sim_ops_op *op)
{
	uint8_t r[36] = { VIOMMU_T_MAP };

	put(r + 4, op->arg[0], 4);
	put(r + 8, op->arg[1], 8);
	put(r + 16, op->arg[2], 8);
	put(r + 24, op->arg[3], 8);
	put(r + 32, op->arg[4], 4);
	submit_typed(w, op, r, sizeof(r), 5);
}

static void run_unmap(struct world *w, const struct sim_ops_op *op)
{
	uint8_t r[28] = { VIOMMU_T_UNMAP };

	put(r + 4, op->arg[0], 4);
	put(r + 8, op->arg[1], 8);
	put(r + 16, op->arg[2], 8);
	put(r + 24, op->arg[3], 4);
	submit_typed(w, op, r, sizeof(r), 4);
}

static void run_probe(struct world *w, const struct sim_ops_op *op)
{
	uint8_t r[72] = { VIOMMU_T_PROBE };

	put(r + 4, op->arg[0], 4);
	submit_typed(w, op, r, sizeof(r), 1);
}

/* Collects one request that is done; there may be none. */
static bool next_done(struct world *w)
{
	struct viommu_request *request = viommu_device_next_done(&w->dev);
	struct call *c;

	if (request == NULL) {
		SIM_OPS_CHECK(w->grace.open != 0 || w->pending == 0);
		w->woken = false;
		return false;
	}
	c = request->user;
	SIM_OPS_CHECK(request == &c->request && c->busy && (c->must & w->grace.open) == 0);
	check_answer(w, c);
	c->busy = false;
	w->pending--;
	return true;
}

/* Endpoints at work */

/* Of those that were removed, too, while they have a context. */
static void begin_section(struct world *w, uint32_t s)
{
	uint32_t slot = w->slot_of[s % ENDPOINTS];

	if ((w->grace.open >> s & 1) != 0 || !w->slots[slot].has_context)
		return;
	SIM_OPS_CHECK(viommu_access_begin(&w->slots[slot].access, &w->tokens[s]) == VIOMMU_OK);
	sim_grace_begin(&w->grace, &w->model, s, slot);
}

static void end_section(struct world *w, uint32_t s)
{
	if ((w->grace.open >> s & 1) == 0)
		return;
	viommu_access_end(&w->slots[w->grace.endpoints[s]].access, w->tokens[s]);
	sim_grace_end(&w->grace, &w->model, s);
	for (uint32_t i = 0; i < CALLS; i++)
		w->calls[i].must &= w->grace.open;
	for (uint32_t i = 0; i < SLOTS; i++) {
		w->slots[i].must &= w->grace.open;
		SIM_OPS_CHECK(!w->slots[i].awaited || w->grace.open != 0 || w->wakes != w->slots[i].wakes);
	}
	SIM_OPS_CHECK(w->woken || w->grace.open != 0 || w->pending == 0);
}

/* A reset that has settled takes the reports with it that were raised until then. */
static void settle(struct world *w)
{
	if (!w->resetting || !viommu_device_is_settled(&w->dev))
		return;
	w->resetting = false;
	for (uint32_t i = 0; i < SLOTS; i++)
		w->slots[i].faults.count = 0;
}

static void translate(struct world *w, const struct sim_access *access)
{
	struct fault_queue *q = &w->slots[access->index].faults;
	struct viommu_access *context = &w->slots[access->index].access;
	struct viommu_access_token token;
	struct viommu_translation t;
	struct viommu_wire_fault fault;
	enum viommu_result result;
	enum sim_verdict verdict;
	uint32_t wakes;

	settle(w);
	wakes = w->wakes;
	SIM_OPS_CHECK(viommu_access_begin(context, &token) == VIOMMU_OK);
	result = viommu_access_translate(context, access->iova, access->length, access->kind, &t);
	verdict = sim_judge_translation(&w->model, access, result, &t, &fault);
	SIM_OPS_CHECK(verdict != SIM_VERDICT_WRONG);
	if (verdict == SIM_VERDICT_FAULT && is_there(w, access->index) && q->count < VIOMMU_ACCESS_FAULTS) {
		q->faults[q->count++] = fault;
		SIM_OPS_CHECK(w->wakes != wakes);
	}
	viommu_access_end(context, token);
}

static bool next_fault(struct world *w)
{
	struct viommu_wire_fault fault;
	struct fault_queue *q;
	uint32_t waiting = 0, index;

	settle(w);
	for (uint32_t i = 0; i < SLOTS && !w->resetting; i++)
		waiting += w->slots[i].faults.count;
	if (viommu_device_next_fault(&w->dev, &fault) != VIOMMU_OK) {
		SIM_OPS_CHECK(waiting == 0);
		return false;
	}
	index = index_of(fault.endpoint);
	SIM_OPS_CHECK(index < ENDPOINTS && !w->resetting && is_there(w, w->slot_of[index]));
	q = &w->slots[w->slot_of[index]].faults;
	SIM_OPS_CHECK(q->count > 0 && sim_judge_same_fault(&fault, &q->faults[0]));
	memmove(q->faults, q->faults + 1, --q->count * sizeof(q->faults[0]));
	return true;
}

static void fetch_faults(struct world *w)
{
	while (next_fault(w))
		;
}

/* Length 0 is as long as it goes, which no text can say. */
static struct sim_access access_of(uint32_t index, uint64_t iova, uint64_t length, uint64_t kind)
{
	return (struct sim_access){ index, 1 + (uint32_t)kind, iova, length != 0 ? length : UINT64_MAX };
}

static void run_translate(struct world *w, const struct sim_ops_op *op)
{
	uint32_t index = index_of(op->arg[0]), slot = index < ENDPOINTS ? w->slot_of[index] : 0;
	struct sim_access access = access_of(slot, op->arg[1], op->arg[2], op->arg[3]);

	if (index < ENDPOINTS && w->slots[slot].has_context)
		translate(w, &access);
}

/* All endpoints, also those that were removed and have a context, and every report is fetched. */
static void look(struct world *w, uint64_t iova, uint64_t length, uint64_t kind)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		struct sim_access access = access_of(i, iova, length, kind);

		if (w->slots[i].has_context)
			translate(w, &access);
	}
	fetch_faults(w);
}

/* At the ends of every mapping. Once: nothing has changed if no request was answered since the last time. */
static void run_sweep(struct world *w)
{
	for (uint32_t i = 0; i < w->model.mapping_count && !w->swept; i++) {
		look(w, w->model.mappings[i].first - 1, 1, 0);
		look(w, w->model.mappings[i].first, 0, 0);
		look(w, w->model.mappings[i].last, 0x1001, 1);
		look(w, w->model.mappings[i].last + 1, 1, 2);
	}
	w->swept = true;
}

/* Registers and resets */

static void check_settled(struct world *w)
{
	bool settled = viommu_device_is_settled(&w->dev);

	SIM_OPS_CHECK(!settled || w->grace.settle == 0);
	SIM_OPS_CHECK(settled || w->grace.open != 0);
}

static void run_store(struct world *w, const struct sim_ops_op *op)
{
	uint8_t value = (uint8_t)op->arg[1];

	settle(w); /* one that clears config.bypass may have the device wait again */
	viommu_device_config_write(&w->dev, (uint32_t)op->arg[0], &value, 1);
	sim_grace_config_write(&w->grace, &w->model, (uint32_t)op->arg[0], value);
	check_config(w);
	check_settled(w);
}

static void run_negotiate(struct world *w, uint64_t features)
{
	bool good = sim_model_negotiate(&w->model, features);

	SIM_OPS_CHECK(viommu_device_negotiate(&w->dev, features) == (good ? VIOMMU_OK : VIOMMU_E_ARG));
}

static void run_reset(struct world *w, bool of_the_system)
{
	if (of_the_system)
		viommu_device_system_reset(&w->dev);
	else
		viommu_device_reset(&w->dev);
	sim_grace_reset(&w->grace, &w->model, of_the_system);
	for (uint32_t i = 0; i < CALLS; i++) {
		struct call *c = &w->calls[i];

		/* Those that wait come back at once, unanswered; what they took away is waited for all the same. */
		if (c->busy)
			w->grace.settle |= c->must & w->grace.open;
		c->must = 0;
		c->answered = false;
		c->used = 0;
		memset(c->writable.want, 0xa5, c->writable.end);
	}
	for (uint32_t left = w->pending; left > 0; left--)
		SIM_OPS_CHECK(next_done(w));
	SIM_OPS_CHECK(viommu_device_next_done(&w->dev) == NULL);
	w->resetting = true; /* reports of the old life are not shown any more; see settle */
	SIM_OPS_CHECK(!next_fault(w));
	check_config(w);
	check_settled(w);
}

/* Endpoints that go, and come again */

/* What `regions` and `limits` say of it, as far as the device lets an endpoint be like that, and where it is to be. */
static struct viommu_endpoint_config endpoint_config(struct world *w, uint32_t index, struct slot *slot)
{
	struct viommu_endpoint_config config = VIOMMU_ENDPOINT_CONFIG_INIT;
	uint32_t max = (w->model.offered & SIM_MODEL_F_PROBE) != 0 ? w->model.probe_size / 24 : SIM_MODEL_REGIONS;

	config.id = sim_ops_device_ids[index];
	config.regions = slot->regions;
	for (uint32_t i = 0; i < RESERVED && config.region_count < SIM_MODEL_REGIONS; i++)
		if ((w->next_regions[index] >> i & 1) != 0)
			slot->regions[config.region_count++] =
				(struct viommu_resv_region){ sim_ops_device_reserved[i],
							     i == w->next_msi[index] ? VIOMMU_RESV_MEM_MSI
										     : VIOMMU_RESV_MEM_RESERVED };
	config.page_size_mask = w->next_page_sizes[index];
	config.input_range = (struct viommu_range){ w->next_input_first[index], w->next_input_last[index] };
	if (config.input_range.first != 0 || config.input_range.last != 0)
		config.flags = VIOMMU_ENDPOINT_F_INPUT_RANGE;
	if (config.region_count > max || config.input_range.first > config.input_range.last) {
		SIM_OPS_CHECK(viommu_device_add_endpoint(&w->dev, &config, &slot->handle) == VIOMMU_E_ARG);
		SIM_OPS_CHECK(slot->handle == NULL);
		config.region_count = config.region_count > max ? 0 : config.region_count;
		config.input_range.last = UINT64_MAX;
	}
	return config;
}

static void add_endpoint(struct world *w, uint32_t index, uint32_t at)
{
	struct slot *slot = &w->slots[at];
	struct viommu_endpoint_config config;
	struct sim_model_endpoint e = { 0 };

	memset(slot, 0, sizeof(*slot));
	config = endpoint_config(w, index, slot);
	e.id = config.id;
	e.page_size_mask = config.page_size_mask;
	e.input_first = config.input_range.first;
	e.input_last = (config.flags & VIOMMU_ENDPOINT_F_INPUT_RANGE) != 0 ? config.input_range.last : 0;
	for (; e.region_count < config.region_count; e.region_count++) {
		const struct viommu_resv_region *r = &slot->regions[e.region_count];

		e.regions[e.region_count] =
			(struct sim_model_region){ r->range.first, r->range.last, r->subtype == VIOMMU_RESV_MEM_MSI };
	}
	SIM_OPS_CHECK(viommu_device_add_endpoint(&w->dev, &config, &slot->handle) == VIOMMU_OK);
	sim_grace_add_endpoint(&w->grace, &w->model, at, &e);
	viommu_access_init(&slot->access, &w->dev, slot->handle);
	viommu_access_set_cache(&slot->access, &slot->cache);
	slot->has_context = true;
	w->slot_of[index] = at;
}

/* With nothing special about it. */
static void refuse_endpoint(struct world *w, uint32_t index, enum viommu_result result)
{
	struct viommu_endpoint_config config = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct viommu_endpoint *handle = NULL;

	config.id = sim_ops_device_ids[index];
	SIM_OPS_CHECK(viommu_device_add_endpoint(&w->dev, &config, &handle) == result && handle == NULL);
}

static void run_remove(struct world *w, uint32_t index)
{
	uint32_t at = index < ENDPOINTS ? w->slot_of[index] : 0;
	struct slot *slot = &w->slots[at];

	if (index == ENDPOINTS || slot->handle == NULL)
		return;
	if (!is_there(w, at)) {
		SIM_OPS_CHECK(viommu_device_remove_endpoint(&w->dev, slot->handle) == VIOMMU_E_STATE);
		return;
	}
	SIM_OPS_CHECK(!viommu_device_endpoint_is_gone(&w->dev, slot->handle));
	w->traffic.removed++;
	w->traffic.with_pending += w->pending > 0;
	slot->wakes = w->wakes;
	SIM_OPS_CHECK(viommu_device_remove_endpoint(&w->dev, slot->handle) == VIOMMU_OK);
	slot->must = sim_grace_remove_endpoint(&w->grace, &w->model, at);
	slot->awaited = slot->must != 0;
	slot->faults.count = 0; /* nobody hears of them */
	for (uint32_t i = 0; i < CALLS; i++)
		w->calls[i].stale = w->calls[i].stale || get32(w->calls[i].bytes + 8) == sim_ops_device_ids[index];
	forget_dead_domains(w);
	w->swept = false;
}

/* Its context goes as soon as that can be. */
static void ask_gone(struct world *w, uint32_t at)
{
	struct slot *slot = &w->slots[at];
	bool has_sections = sim_grace_sections(&w->grace, at) != 0;

	if (slot->handle == NULL)
		return;
	if (is_there(w, at)) {
		SIM_OPS_CHECK(!viommu_device_endpoint_is_gone(&w->dev, slot->handle));
		return;
	}
	if (slot->has_context) {
		SIM_OPS_CHECK(viommu_access_deinit(&slot->access) == (has_sections ? VIOMMU_E_STATE : VIOMMU_OK));
		slot->has_context = has_sections;
	}
	slot->wakes = w->wakes;
	if (!viommu_device_endpoint_is_gone(&w->dev, slot->handle)) {
		SIM_OPS_CHECK(has_sections || sim_grace_movers(&w->grace, &w->model) != 0);
		slot->awaited = slot->must != 0;
		w->traffic.waited++;
		return;
	}
	SIM_OPS_CHECK(slot->must == 0 && !has_sections);
	for (uint32_t i = 0; i < ENDPOINTS; i++)
		if (w->slot_of[i] == at)
			w->slot_of[i] = SLOTS;
	slot->handle = NULL;
	slot->awaited = false;
}

static void run_add(struct world *w, uint32_t index)
{
	uint32_t free = 0;

	if (index == ENDPOINTS)
		return;
	while (free < SLOTS && w->slots[free].handle != NULL)
		free++;
	if (is_there(w, w->slot_of[index])) {
		refuse_endpoint(w, index, VIOMMU_E_EXISTS);
	} else if (free == SLOTS) {
		refuse_endpoint(w, index, VIOMMU_E_FULL);
	} else {
		add_endpoint(w, index, free);
		w->traffic.added++;
		w->swept = false;
	}
}

/* Everything comes to an end: requests, reports, and each map node goes back into the pool. */
static void finish(void *world)
{
	struct world *w = world;

	SIM_OPS_CHECK(viommu_device_check(&w->dev));
	for (uint32_t s = 0; s < SECTIONS; s++)
		end_section(w, s);
	while (w->pending > 0)
		SIM_OPS_CHECK(next_done(w));
	fetch_faults(w);
	for (uint32_t i = 0; i < SLOTS; i++)
		ask_gone(w, i);
	for (uint32_t i = 0; i < SLOTS; i++)
		SIM_OPS_CHECK(w->slots[i].handle == NULL || is_there(w, i));
	run_reset(w, false);
	while (viommu_device_process(&w->dev, 1000) > 0)
		;
	SIM_OPS_CHECK(viommu_map_pool_free(&w->dev.pool) == viommu_map_pool_total(&w->dev.pool));
}

/* Making a device */

enum device_arg {
	ARG_FEATURES,
	ARG_MASK,
	ARG_INPUT_FIRST,
	ARG_INPUT_LAST,
	ARG_DOMAIN_FIRST,
	ARG_DOMAIN_LAST,
	ARG_PROBE_SIZE,
	ARG_BYPASS,
	ARG_DOMAINS,
	ARG_NODES
};

static struct viommu_device_config config_of(struct world *w, const uint64_t *arg)
{
	struct viommu_device_config config = VIOMMU_DEVICE_CONFIG_INIT;

	config.max_endpoints = SLOTS;
	config.max_domains = arg[ARG_DOMAINS] != 0 ? (uint32_t)arg[ARG_DOMAINS] : MAX_DOMAINS;
	config.max_pending = MAX_PENDING;
	config.features = arg[ARG_FEATURES];
	config.page_size_mask = arg[ARG_MASK];
	config.input_range = (struct viommu_range){ arg[ARG_INPUT_FIRST], arg[ARG_INPUT_LAST] };
	config.domain_first = (uint32_t)arg[ARG_DOMAIN_FIRST];
	config.domain_last = (uint32_t)arg[ARG_DOMAIN_LAST];
	config.probe_size = (uint32_t)arg[ARG_PROBE_SIZE];
	config.bypass = (uint8_t)arg[ARG_BYPASS];
	config.ops = &device_ops;
	config.ops_ctx = w;
	return config;
}

static bool is_legal(const uint64_t *arg)
{
	return (arg[ARG_FEATURES] & ~UINT64_C(0x77)) == 0 && (arg[ARG_MASK] & 0xff) == 0 &&
	       arg[ARG_INPUT_FIRST] <= arg[ARG_INPUT_LAST] && arg[ARG_DOMAIN_FIRST] <= arg[ARG_DOMAIN_LAST];
}

static void describe(struct sim_model *m, const struct viommu_device_config *config)
{
	memset(m, 0, offsetof(struct sim_model, mappings));
	m->offered = config->features;
	m->page_size_mask = config->page_size_mask != 0 ? config->page_size_mask : ~UINT64_C(0xfff);
	m->input_first = config->input_range.first;
	m->input_last = config->input_range.last;
	m->domain_first = config->domain_first;
	m->domain_last = config->domain_last;
	m->probe_size = config->probe_size;
	m->max_domains = config->max_domains;
	m->initial_bypass = config->bypass;
	m->endpoint_count = SLOTS;
	for (uint32_t i = 0; i < SLOTS; i++)
		m->endpoints[i].removed = true;
}

/* The nodes are what the argument says, less one; 0: many. */
static void make_device(struct world *w, const uint64_t *arg)
{
	struct viommu_device_config config = config_of(w, arg);
	size_t len, nodes = arg[ARG_NODES] != 0 ? (size_t)arg[ARG_NODES] - 1 : NODES_MANY;

	SIM_OPS_CHECK((viommu_device_mem_size(&config, &len) == VIOMMU_OK) == is_legal(arg));
	if (!is_legal(arg))
		return;
	len += nodes * VIOMMU_MAP_NODE_SIZE;
	SIM_OPS_CHECK(len <= sizeof(memory));
	SIM_OPS_CHECK(viommu_device_init(&w->dev, &config, memory, len) == VIOMMU_OK);
	describe(&w->model, &config);
	memset(&w->grace, 0, sizeof(w->grace));
	memset(w->slots, 0, sizeof(w->slots));
	w->few_nodes = nodes < NODES_MANY;
	for (uint32_t i = 0; i < ENDPOINTS; i++)
		add_endpoint(w, i, i);
	sim_model_system_reset(&w->model);
	run_negotiate(w, w->model.offered);
	check_config(w);
}

static void run_device(struct world *w, const struct sim_ops_op *op)
{
	if (is_legal(op->arg))
		finish(w);
	make_device(w, op->arg);
}

static void run_regions(struct world *w, const struct sim_ops_op *op)
{
	uint32_t index = index_of(op->arg[0]);

	if (index == ENDPOINTS)
		return;
	w->next_regions[index] = (uint32_t)op->arg[1];
	w->next_msi[index] = (uint32_t)op->arg[2];
}

static void run_limits(struct world *w, const struct sim_ops_op *op)
{
	uint32_t index = index_of(op->arg[0]);

	if (index == ENDPOINTS)
		return;
	w->next_page_sizes[index] = op->arg[1];
	w->next_input_first[index] = op->arg[2];
	w->next_input_last[index] = op->arg[3];
}

static void *begin(void)
{
	static const uint64_t usual[] = { 0x77, 0, 0, UINT64_MAX, 0, 5, 51, 0, 3, 0 };
	struct world *w = &the_world;

	memset(w, 0, offsetof(struct world, model));
	for (uint32_t i = 0; i < CALLS; i++)
		w->calls[i].busy = false;
	w->next_regions[2] = 1u << 1;
	w->next_regions[3] = 1u << 2 | 1u << 7;
	w->next_msi[0] = w->next_msi[1] = w->next_msi[2] = RESERVED;
	w->next_msi[3] = 2;
	make_device(w, usual);
	return w;
}

/* The table */

static const uint32_t ids[] = { 8, 9, 0, 0xffffffff, 7 };
static const uint32_t domains[] = { 1, 2, 3, 4, 0, 5, 6, 9, 0xffffffff };
static const uint32_t offsets[] = { 36, 36, 36, 36, 35, 37, 0, 39, 40, 0xffffffff };
static const uint32_t map_flags[] = { 3, 1, 2, 0, 7, 5, 3, 8 };
static const uint32_t attach_flags[] = { 0, 0, 0, 0, 1, 1, 2 };
static const uint32_t mostly_zero[] = { 0, 0, 0, 0, 0, 0, 0, 1, 0x1000000 };
static const char *const kinds[] = { "read", "write", "both" };
static const char *const resets[] = { "driver", "system" };

#define DOMAIN SIM_OPS_ARG("domain", SIM_OPS_PICK, 9, domains)
#define ENDPOINT SIM_OPS_ARG("endpoint", SIM_OPS_PICK, 5, ids)
#define FIRST SIM_OPS_ARG("first", SIM_OPS_ADDRESS, 0, NULL)
#define LAST SIM_OPS_ARG("last", SIM_OPS_ADDRESS, 0, NULL)
#define LENGTH SIM_OPS_ARG("length", SIM_OPS_U64, 0, NULL)
#define KIND SIM_OPS_ARG("kind", SIM_OPS_CHOICE, 3, kinds)
#define SECTION SIM_OPS_ARG("section", SIM_OPS_U8, SECTIONS, NULL)
/* How the readable part is cut, how the writable one, and how many bytes it has, plus one. */
#define CUT SIM_OPS_ARG("cut", SIM_OPS_U8, 0, NULL)
#define CUT_REPLY SIM_OPS_ARG("cut_reply", SIM_OPS_U8, 0, NULL)
#define SIZE_OF_REPLY SIM_OPS_ARG("room", SIM_OPS_U16, ROOM, NULL)
#define SHAPE CUT, CUT_REPLY, SIZE_OF_REPLY

static const struct sim_ops_verb verbs[] = {
	[SIM_OPS_DEVICE_ATTACH] = { "attach",
				    { DOMAIN,
				      ENDPOINT,
				      { "flags", SIM_OPS_PICK, 7, attach_flags },
				      { "reserved", SIM_OPS_PICK, 9, mostly_zero },
				      SHAPE },
				    6 },
	[SIM_OPS_DEVICE_DETACH] = { "detach", { DOMAIN, ENDPOINT, SHAPE }, 4 },
	[SIM_OPS_DEVICE_MAP] = { "map",
				 { DOMAIN,
				   FIRST,
				   LAST,
				   { "phys", SIM_OPS_FIRST, 0, NULL },
				   { "flags", SIM_OPS_PICK, 8, map_flags },
				   SHAPE },
				 8 },
	[SIM_OPS_DEVICE_UNMAP] = { "unmap",
				   { DOMAIN, FIRST, LAST, { "reserved", SIM_OPS_PICK, 9, mostly_zero }, SHAPE },
				   5 },
	[SIM_OPS_DEVICE_PROBE] = { "probe", { ENDPOINT, SHAPE }, 1 },
	[SIM_OPS_DEVICE_RAW] = { "raw", { { "bytes", SIM_OPS_BYTES, BYTES_MAX, NULL }, SHAPE }, 1 },
	[SIM_OPS_DEVICE_TRANSLATE] = { "translate", { ENDPOINT, { "at", SIM_OPS_ADDRESS, 0, NULL }, LENGTH, KIND }, 6 },
	[SIM_OPS_DEVICE_LOOK] = { "look", { { "at", SIM_OPS_ADDRESS, 0, NULL }, LENGTH, KIND }, 3 },
	[SIM_OPS_DEVICE_SWEEP] = { "sweep", { SIM_OPS_NO_ARGS }, 1 },
	[SIM_OPS_DEVICE_BEGIN] = { "begin", { SECTION }, 5 },
	[SIM_OPS_DEVICE_END] = { "end", { SECTION }, 5 },
	[SIM_OPS_DEVICE_DONE] = { "done", { SIM_OPS_NO_ARGS }, 4 },
	[SIM_OPS_DEVICE_FAULTS] = { "faults", { { "count", SIM_OPS_U8, 0, NULL } }, 2 },
	[SIM_OPS_DEVICE_STORE] = { "store",
				   { { "offset", SIM_OPS_PICK, 10, offsets }, { "value", SIM_OPS_U8, 0, NULL } },
				   3 },
	[SIM_OPS_DEVICE_NEGOTIATE] = { "negotiate", { { "features", SIM_OPS_U64, 0, NULL } }, 1 },
	[SIM_OPS_DEVICE_RESET] = { "reset", { { "by", SIM_OPS_CHOICE, 2, resets } }, 1 },
	[SIM_OPS_DEVICE_PROCESS] = { "process", { { "budget", SIM_OPS_U8, 0, NULL } }, 2 },
	[SIM_OPS_DEVICE_REGIONS] = { "regions",
				     { ENDPOINT,
				       { "which", SIM_OPS_U16, 1u << RESERVED, NULL },
				       { "msi", SIM_OPS_U8, RESERVED + 1, NULL } },
				     1 },
	[SIM_OPS_DEVICE_DEVICE] = { "device",
				    { { "features", SIM_OPS_U64, 0, NULL },
				      { "page_sizes", SIM_OPS_U64, 0, NULL },
				      { "input_first", SIM_OPS_FIRST, 0, NULL },
				      { "input_last", SIM_OPS_LAST, 0, NULL },
				      { "domain_first", SIM_OPS_PICK, 9, domains },
				      { "domain_last", SIM_OPS_PICK, 9, domains },
				      { "probe_size", SIM_OPS_U16, PROBE_SIZE_MAX + 1, NULL },
				      { "bypass", SIM_OPS_U8, 2, NULL },
				      { "domains", SIM_OPS_U8, MAX_DOMAINS + 1, NULL },
				      { "nodes", SIM_OPS_U16, NODES_MANY + 1, NULL } },
				    1 },
	[SIM_OPS_DEVICE_LIMITS] = { "limits", { ENDPOINT, { "page_sizes", SIM_OPS_U64, 0, NULL }, FIRST, LAST }, 1 },
	[SIM_OPS_DEVICE_REMOVE] = { "remove", { ENDPOINT }, 2 },
	[SIM_OPS_DEVICE_ADD] = { "add", { ENDPOINT }, 2 },
	[SIM_OPS_DEVICE_GONE] = { "gone", { SIM_OPS_ARG("slot", SIM_OPS_U8, SLOTS, NULL) }, 3 },
};

static void run(void *world, const struct sim_ops_op *op)
{
	struct world *w = world;

	switch ((enum sim_ops_device_verb)op->verb) {
	case SIM_OPS_DEVICE_ATTACH:
		run_attach(w, op);
		break;
	case SIM_OPS_DEVICE_DETACH:
		run_detach(w, op);
		break;
	case SIM_OPS_DEVICE_MAP:
		run_map(w, op);
		break;
	case SIM_OPS_DEVICE_UNMAP:
		run_unmap(w, op);
		break;
	case SIM_OPS_DEVICE_PROBE:
		run_probe(w, op);
		break;
	case SIM_OPS_DEVICE_RAW:
		submit(w, op->bytes, op->len, op->arg[3] != 0 ? (size_t)op->arg[3] - 1 : 4, &op->arg[1]);
		break;
	case SIM_OPS_DEVICE_TRANSLATE:
		run_translate(w, op);
		break;
	case SIM_OPS_DEVICE_LOOK:
		look(w, op->arg[0], op->arg[1], op->arg[2]);
		break;
	case SIM_OPS_DEVICE_SWEEP:
		run_sweep(w);
		break;
	case SIM_OPS_DEVICE_BEGIN:
		begin_section(w, (uint32_t)op->arg[0]);
		break;
	case SIM_OPS_DEVICE_END:
		end_section(w, (uint32_t)op->arg[0]);
		break;
	case SIM_OPS_DEVICE_DONE:
		(void)next_done(w);
		break;
	case SIM_OPS_DEVICE_FAULTS:
		for (uint64_t i = 0; i <= op->arg[0] && next_fault(w); i++)
			;
		break;
	case SIM_OPS_DEVICE_STORE:
		run_store(w, op);
		break;
	case SIM_OPS_DEVICE_NEGOTIATE:
		run_negotiate(w, op->arg[0]);
		break;
	case SIM_OPS_DEVICE_RESET:
		run_reset(w, op->arg[0] == 1);
		break;
	case SIM_OPS_DEVICE_PROCESS:
		check_settled(w);
		(void)viommu_device_process(&w->dev, (uint32_t)op->arg[0]);
		break;
	case SIM_OPS_DEVICE_REGIONS:
		run_regions(w, op);
		break;
	case SIM_OPS_DEVICE_DEVICE:
		run_device(w, op);
		break;
	case SIM_OPS_DEVICE_LIMITS:
		run_limits(w, op);
		break;
	case SIM_OPS_DEVICE_REMOVE:
		run_remove(w, index_of(op->arg[0]));
		break;
	case SIM_OPS_DEVICE_ADD:
		run_add(w, index_of(op->arg[0]));
		break;
	case SIM_OPS_DEVICE_GONE:
		ask_gone(w, (uint32_t)op->arg[0]);
		break;
	}
	if (++w->ops % 8 == 0)
		check_maps(w);
	if (w->ops % 64 == 0) /* it looks at much */
		SIM_OPS_CHECK(viommu_device_check(&w->dev));
}

const struct sim_ops_target sim_ops_device = {
	.name = "device",
	.verbs = verbs,
	.verb_count = sizeof(verbs) / sizeof(verbs[0]),
	.begin = begin,
	.run = run,
	.end = finish,
};
