/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_backend_sweep.c: each call of each hook goes wrong, once and from then on, in random streams of requests and in a
 * recorded one. After each request three have to agree on what every endpoint reaches: the device, whose accesses are
 * translated; the guest, who knows what was answered (sim/model); and each back end, which knows what it was told.
 *
 * VIOMMU_BACKEND_SWEEP=N: N random streams instead of a few, and all calls of the recorded one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <viommu/access.h>
#include <viommu/snapshot.h>

#include "sim/backend.h"
#include "sim/model/model.h"
#include "sim/random.h"
#include "sim/trace.h"
#include "suite.h"

#define PAGE UINT64_C(0x1000)
#define PAGES 8u /* that random requests are about */
#define ENDPOINTS SIM_MODEL_ENDPOINTS
#define NODES 8192u
#define STREAM 96u
#define STREAMS 16u
#define TRACE_POINTS 40u /* calls of the recorded stream that fail, of each kind */
#define PROBE_SIZE 64u
#define TAIL VIOMMU_WIRE_TAIL_SIZE

/* The stream */

enum verb {
	REQUEST,
	RESET,
	BYPASS,
	LOSE,    /* the back end of `index`, from outside */
	MEND,    /* a new one */
	REPLACE, /* the endpoint goes, and comes again */
	RESTORE  /* all of it saved, gone and restored */
};

struct item {
	enum verb verb;
	uint32_t index; /* endpoint; BYPASS: the value */
	bool section;   /* one of the endpoint is open when the request comes */
	struct viommu_wire_request request;
};

struct stream {
	struct item *items;
	uint32_t count;
	uint32_t ids[ENDPOINTS];
	uint32_t id_count;
	bool shared;   /* the first two endpoints are in one address space */
	uint32_t look; /* after how many items all have to agree, if nothing failed */
};

/* The device, and the others */

static struct viommu_device dev;
static struct viommu_endpoint *endpoints[ENDPOINTS];
static struct viommu_access accesses[ENDPOINTS];
static struct sim_backend backends[ENDPOINTS];
static struct sim_backend_fault fault;
static struct viommu_device_ops ops;
static struct sim_model model, trial;
static bool blocked[ENDPOINTS];
static uint32_t endpoint_count;
static uint32_t told;
static void *mem;
static uint64_t runs, requests, failures;

static void be_told(void *ctx, struct viommu_endpoint *endpoint)
{
	(void)ctx;
	told++;
	for (uint32_t i = 0; i < endpoint_count; i++) {
		if (endpoints[i] == endpoint)
			blocked[i] = true;
	}
}

static void negotiate(void)
{
	assert_int_equal(viommu_device_negotiate(&dev, viommu_device_features(&dev)), VIOMMU_OK);
	assert_true(sim_model_negotiate(&model, viommu_device_features(&dev)));
}

static void setup_model(const struct viommu_device_config *config, const struct stream *s)
{
	memset(&model, 0, sizeof(model));
	model.offered = config->features;
	model.page_size_mask = ~UINT64_C(0xfff);
	model.input_last = UINT64_MAX;
	model.domain_last = UINT32_MAX;
	model.probe_size = config->probe_size;
	model.max_domains = config->max_domains;
	model.endpoint_count = s->id_count;
	for (uint32_t i = 0; i < s->id_count; i++)
		model.endpoints[i].id = s->ids[i];
	sim_model_system_reset(&model);
}

static void setup(const struct stream *s)
{
	struct viommu_device_config config = VIOMMU_DEVICE_CONFIG_INIT;
	size_t bytes;

	ops = (struct viommu_device_ops){ .size = sizeof(ops), .backend_broken = be_told };
	config.ops = &ops;
	config.probe_size = PROBE_SIZE;
	config.max_domains = ENDPOINTS;
	config.max_endpoints = ENDPOINTS;
	assert_int_equal(viommu_device_mem_size(&config, &bytes), VIOMMU_OK);
	bytes += (size_t)NODES * VIOMMU_MAP_NODE_SIZE;
	mem = malloc(bytes);
	assert_non_null(mem);
	assert_int_equal(viommu_device_init(&dev, &config, mem, bytes), VIOMMU_OK);
	memset(&fault, 0, sizeof(fault));
	memset(blocked, 0, sizeof(blocked));
	endpoint_count = s->id_count;
	for (uint32_t i = 0; i < s->id_count; i++) {
		struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;

		sim_backend_init(&backends[i], &fault);
		backends[i].is_quick = s->look > 1;
		endpoint.id = s->ids[i];
		endpoint.backend = &sim_backend_ops;
		endpoint.backend_ctx = &backends[i];
		assert_int_equal(viommu_device_add_endpoint(&dev, &endpoint, &endpoints[i]), VIOMMU_OK);
		viommu_access_init(&accesses[i], &dev, endpoints[i]);
	}
	if (s->shared)
		sim_backend_share(&backends[0], &backends[1]);
	memset(fault.calls, 0, sizeof(fault.calls));
	setup_model(&config, s);
	negotiate();
}

/* Only those mappings that there are. */
static void copy_model(struct sim_model *to, const struct sim_model *from)
{
	memcpy(to, from, offsetof(struct sim_model, mappings) + from->mapping_count * sizeof(from->mappings[0]));
}

/* Do all agree? */

static void agree_at(uint32_t i, uint64_t iova)
{
	struct sim_model_access guest = sim_model_translate(&model, i, iova, VIOMMU_ACCESS_READ);
	bool allowed = guest.allowed && !blocked[i];
	struct viommu_access_token token;
	struct viommu_translation t;
	enum viommu_result result;
	viommu_gpa gpa;
	uint32_t flags;
	bool reaches = sim_backend_reaches(&backends[i], iova, &gpa, &flags) && (flags & VIOMMU_ACCESS_READ) != 0;

	assert_int_equal(viommu_access_begin(&accesses[i], &token), VIOMMU_OK);
	result = viommu_access_translate(&accesses[i], iova, 1, VIOMMU_ACCESS_READ, &t);
	viommu_access_end(&accesses[i], token);
	assert_int_equal(result == VIOMMU_OK, allowed);
	assert_int_equal(reaches, allowed);
	if (allowed) {
		assert_int_equal(t.gpa, guest.gpa);
		assert_int_equal(gpa, guest.gpa);
	}
}

static void agree(void)
{
	struct viommu_wire_fault report;

	assert_true(viommu_device_check(&dev));
	for (uint32_t i = 0; i < endpoint_count; i++) {
		if (backends[i].violation != NULL)
			fail_msg("endpoint %u: not so: %s", i, backends[i].violation);
		assert_int_equal(viommu_device_endpoint_is_broken(&dev, endpoints[i]), blocked[i]);
		assert_true(sim_backend_agrees(&backends[i], &dev));
		for (uint64_t page = 0; page < PAGES; page++)
			agree_at(i, page * PAGE);
		/* Where the driver last mapped something. */
		if (model.mapping_count > 0) {
			agree_at(i, model.mappings[model.mapping_count - 1].first);
			agree_at(i, model.mappings[model.mapping_count - 1].last);
		}
		while (viommu_device_next_fault(&dev, &report) == VIOMMU_OK)
			;
	}
}

/* One item */

static uint64_t refusals(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < endpoint_count; i++)
		sum += backends[i].refusals;
	return sum;
}

static bool is_blocked(uint32_t id)
{
	for (uint32_t i = 0; i < endpoint_count; i++) {
		if (endpoints[i]->id == id)
			return blocked[i];
	}
	return false;
}

static uint8_t submit(const struct item *item, const uint8_t *bytes, size_t len, size_t room)
{
	uint8_t in[VIOMMU_WIRE_REQUEST_MAX], out[PROBE_SIZE + TAIL];
	struct viommu_segment readable = { .base = in, .len = len };
	struct viommu_segment writable = { .base = out, .len = room };
	struct viommu_request r = {
		.readable = &readable, .writable = &writable, .readable_count = 1, .writable_count = 1
	};
	struct viommu_access_token token;

	memcpy(in, bytes, len);
	if (item->section)
		assert_int_equal(viommu_access_begin(&accesses[item->index], &token), VIOMMU_OK);
	assert_int_equal(viommu_device_submit(&dev, &r), VIOMMU_OK);
	if (item->section)
		viommu_access_end(&accesses[item->index], token);
	if (r.state == VIOMMU_REQUEST_PENDING)
		assert_ptr_equal(viommu_device_next_done(&dev), &r);
	assert_int_equal(r.written, room);
	return r.status;
}

/* What the guest makes of an answer that it would not have got without back ends. */
static void judge_failure(const struct viommu_wire_request *r, uint8_t status, bool broke, bool injected)
{
	bool takes = r->type == VIOMMU_T_UNMAP || r->type == VIOMMU_T_DETACH;

	if (broke && fault.hook != SIM_BACKEND_ABORT) {
		assert_int_equal(status, VIOMMU_S_DEVERR);
		if (takes && fault.hook == SIM_BACKEND_COMMIT)
			copy_model(&model, &trial);
	} else if (injected && fault.hook == SIM_BACKEND_PREPARE) {
		assert_int_equal(status, VIOMMU_S_NOMEM);
	} else {
		assert_true(status == VIOMMU_S_INVAL || status == VIOMMU_S_NOMEM); /* of themselves */
	}
}

static void do_request(const struct item *item)
{
	const struct viommu_wire_request *r = &item->request;
	size_t room = r->type == VIOMMU_T_PROBE ? PROBE_SIZE + TAIL : TAIL;
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
	size_t len = viommu_wire_request_encode(r, bytes, sizeof(bytes));
	bool was_blocked = r->type == VIOMMU_T_ATTACH && is_blocked(r->u.attach.endpoint);
	uint32_t told_before = told;
	uint64_t refused_before = refusals(), failed_before = fault.failed;
	struct sim_model_reply expected;
	uint8_t status;

	copy_model(&trial, &model);
	sim_model_request(&trial, bytes, len, room, &expected);
	assert_true(expected.answered);
	status = submit(item, bytes, len, room);
	requests++;
	if (told != told_before || refusals() != refused_before) {
		/* Nobody is asked about what the device refuses. */
		assert_int_equal(expected.status, VIOMMU_S_OK);
		judge_failure(r, status, told != told_before, fault.failed != failed_before);
	} else if (was_blocked && status == VIOMMU_S_DEVERR) {
		assert_true(expected.status == VIOMMU_S_OK || expected.status == VIOMMU_S_UNSUPP ||
			    expected.status == VIOMMU_S_NOMEM);
	} else {
		assert_false(was_blocked && status == VIOMMU_S_OK);
		assert_int_equal(status, expected.status);
		copy_model(&model, &trial);
	}
}

static void renew(const struct stream *s, uint32_t index)
{
	sim_backend_init(&backends[index], &fault);
	backends[index].is_quick = s->look > 1;
	if (s->shared && index < 2) {
		backends[1 - index].container = NULL;
		sim_backend_share(&backends[index], &backends[1 - index]);
	}
}

static void mend(const struct stream *s, uint32_t index)
{
	struct sim_backend *b = &backends[index];

	if (!blocked[index])
		return;
	renew(s, index);
	if (viommu_device_set_backend(&dev, endpoints[index], &sim_backend_ops, b) == VIOMMU_OK)
		blocked[index] = false;
	else
		sim_backend_lose(b);
}

static enum viommu_result add(const struct stream *s, uint32_t index)
{
	struct viommu_endpoint_config config = VIOMMU_ENDPOINT_CONFIG_INIT;

	renew(s, index);
	config.id = s->ids[index];
	config.backend = &sim_backend_ops;
	config.backend_ctx = &backends[index];
	return viommu_device_add_endpoint(&dev, &config, &endpoints[index]);
}

static void replace(const struct stream *s, uint32_t index)
{
	struct viommu_wire_request r = { .type = VIOMMU_T_DETACH };
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
	struct sim_model_reply expected;
	uint64_t at;

	r.u.detach.endpoint = s->ids[index];
	r.u.detach.domain = model.endpoints[index].domain;
	if (model.endpoints[index].attached)
		sim_model_request(&model, bytes, viommu_wire_request_encode(&r, bytes, sizeof(bytes)), TAIL, &expected);
	assert_int_equal(viommu_access_deinit(&accesses[index]), VIOMMU_OK);
	assert_int_equal(viommu_device_remove_endpoint(&dev, endpoints[index]), VIOMMU_OK);
	assert_int_equal(backends[index].place, SIM_BACKEND_NOWHERE);
	assert_true(viommu_device_endpoint_is_gone(&dev, endpoints[index]));
	endpoints[index] = NULL;
	if (add(s, index) != VIOMMU_OK) {
		assert_true(viommu_device_check(&dev));
		at = fault.at;
		fault.at = 0;
		assert_int_equal(add(s, index), VIOMMU_OK);
		fault.at = at;
	}
	blocked[index] = false;
	viommu_access_init(&accesses[index], &dev, endpoints[index]);
}

static void restore(const struct stream *s)
{
	static uint8_t bytes[0x1000];
	uint64_t refused_before;
	size_t len;

	assert_int_equal(viommu_device_save(&dev, bytes, sizeof(bytes), &len), VIOMMU_OK);
	copy_model(&trial, &model);
	viommu_device_system_reset(&dev);
	sim_model_system_reset(&model);
	agree();
	for (uint32_t i = 0; i < endpoint_count; i++)
		backends[i].is_quick = true;
	refused_before = refusals();
	if (viommu_device_restore(&dev, bytes, len) == VIOMMU_OK) {
		assert_int_equal(refusals(), refused_before);
		copy_model(&model, &trial);
	} else {
		assert_true(refusals() != refused_before);
		negotiate();
	}
	for (uint32_t i = 0; i < endpoint_count; i++)
		backends[i].is_quick = s->look > 1;
}

static void do_item(const struct stream *s, const struct item *item)
{
	uint8_t bypass = (uint8_t)item->index;

	switch (item->verb) {
	case REQUEST:
		do_request(item);
		break;
	case RESET:
		viommu_device_reset(&dev);
		sim_model_reset(&model);
		negotiate();
		break;
	case BYPASS:
		viommu_device_config_write(&dev, VIOMMU_WIRE_CONFIG_BYPASS, &bypass, 1);
		sim_model_config_write(&model, VIOMMU_WIRE_CONFIG_BYPASS, bypass);
		break;
	case LOSE:
		sim_backend_lose(&backends[item->index]);
		viommu_device_break_backend(&dev, endpoints[item->index]);
		break;
	case MEND:
		mend(s, item->index);
		break;
	case REPLACE:
		replace(s, item->index);
		break;
	default:
		restore(s);
		break;
	}
	assert_true(viommu_device_is_settled(&dev));
}

/* The whole stream, with what is in *plan going wrong. */
static void run(const struct stream *s, const struct sim_backend_fault *plan)
{
	setup(s);
	fault = *plan;
	for (uint32_t i = 0; i < s->count; i++) {
		uint32_t told_before = told;
		uint64_t refused_before = refusals();

		do_item(s, &s->items[i]);
		if (i % s->look == 0 || i + 1 == s->count || told != told_before || refusals() != refused_before)
			agree();
	}
	for (uint32_t i = 0; i < endpoint_count; i++)
		assert_int_equal(viommu_access_deinit(&accesses[i]), VIOMMU_OK);
	runs++;
	failures += fault.failed;
	free(mem);
}

/* Fails each call that there is without failures, or so many of them, evenly spread. */
static void sweep(const struct stream *s, uint64_t points)
{
	static const struct sim_backend_fault kinds[] = {
		{ .hook = SIM_BACKEND_PREPARE },
		{ .hook = SIM_BACKEND_PREPARE, .breaks = true },
		{ .hook = SIM_BACKEND_COMMIT },
		{ .hook = SIM_BACKEND_ABORT },
	};
	struct sim_backend_fault plan = { 0 };
	uint64_t calls[SIM_BACKEND_HOOKS];

	run(s, &plan);
	memcpy(calls, fault.calls, sizeof(calls));
	for (size_t kind = 0; kind < 2 * sizeof(kinds) / sizeof(kinds[0]); kind++) {
		uint64_t all = calls[kinds[kind / 2].hook];
		uint64_t step = all / points + 1;

		plan = kinds[kind / 2];
		plan.on = kind % 2 != 0;
		for (plan.at = 1; plan.at <= all; plan.at += step)
			run(s, &plan);
	}
}

/* Random streams */

static struct viommu_wire_request random_request(struct sim_random *random)
{
	struct viommu_wire_request r = { 0 };
	uint32_t domain = 1 + (uint32_t)sim_random_below(random, 3);
	uint32_t endpoint = 0x10 + (uint32_t)sim_random_below(random, 5); /* one of them unknown */
	uint64_t first = sim_random_below(random, PAGES);
	uint64_t pages = 1 + sim_random_below(random, 3);
	uint64_t phys = sim_random_below(random, 64);
	uint64_t dice = sim_random_below(random, 20);

	if (dice < 9) {
		r.type = VIOMMU_T_MAP;
		r.u.map.domain = domain;
		r.u.map.virt_start = first * PAGE;
		r.u.map.virt_end = (first + pages) * PAGE - 1;
		r.u.map.phys_start = phys * PAGE;
		r.u.map.flags = dice < 8 ? VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE : VIOMMU_MAP_F_WRITE;
	} else if (dice < 13) {
		r.type = VIOMMU_T_UNMAP;
		r.u.unmap.domain = domain;
		r.u.unmap.virt_start = dice == 12 ? 0 : first * PAGE;
		r.u.unmap.virt_end = dice == 12 ? UINT64_MAX : (first + pages) * PAGE - 1;
	} else if (dice < 18) {
		r.type = VIOMMU_T_ATTACH;
		r.u.attach.domain = domain;
		r.u.attach.endpoint = endpoint;
		r.u.attach.flags = dice == 17 ? VIOMMU_ATTACH_F_BYPASS : 0;
	} else {
		r.type = VIOMMU_T_DETACH;
		r.u.detach.domain = domain;
		r.u.detach.endpoint = endpoint;
	}
	return r;
}

static void fill(struct stream *s, struct sim_random *random)
{
	for (uint32_t i = 0; i < s->count; i++) {
		struct item *item = &s->items[i];
		uint64_t dice = sim_random_below(random, 32);

		*item = (struct item){ .verb = REQUEST };
		item->index = (uint32_t)sim_random_below(random, s->id_count);
		item->section = sim_random_below(random, 4) == 0;
		item->request = random_request(random);
		if (i < 8) { /* to begin with, everybody is somewhere */
			if (i % 2 == 0) {
				item->request = (struct viommu_wire_request){ .type = VIOMMU_T_ATTACH };
				item->request.u.attach.domain = 1 + i / 6;
				item->request.u.attach.endpoint = 0x10 + i / 2;
			}
		} else if (dice == 0) {
			item->verb = RESET;
		} else if (dice == 1) {
			item->verb = BYPASS;
			item->index %= 2;
		} else if (dice == 2) {
			item->verb = LOSE;
		} else if (dice < 5) {
			item->verb = MEND;
		} else if (dice == 5) {
			item->verb = REPLACE;
		} else if (dice == 6) {
			item->verb = RESTORE;
		}
	}
}

static uint32_t many(void)
{
	const char *text = getenv("VIOMMU_BACKEND_SWEEP");

	return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

static void report(const char *what)
{
	print_message("%s: %llu runs, %llu requests, %llu failures\n", what, (unsigned long long)runs,
		      (unsigned long long)requests, (unsigned long long)failures);
	assert_true(runs > 100 && failures > runs / 2);
	runs = requests = failures = 0;
}

static void test_backends__each_call_fails_in_random_streams__all_agree(void **state)
{
	uint32_t streams = many() != 0 ? many() : STREAMS;
	struct item items[STREAM];
	struct stream s = { .items = items, .count = STREAM, .id_count = 4, .look = 1 };

	(void)state;
	for (uint32_t i = 0; i < s.id_count; i++)
		s.ids[i] = 0x10 + i;
	for (uint32_t seed = 1; seed <= streams; seed++) {
		struct sim_random random = { seed };

		s.shared = seed % 2 == 0;
		fill(&s, &random);
		sweep(&s, UINT64_MAX);
	}
	report("random streams");
}

/* A recorded one */

static struct viommu_wire_request request_of(const struct sim_trace_line *line)
{
	struct viommu_wire_request r = { 0 };

	switch (line->type) {
	case 'A':
		r.type = VIOMMU_T_ATTACH;
		r.u.attach.domain = line->domain;
		r.u.attach.endpoint = line->endpoint;
		r.u.attach.flags = line->flags;
		break;
	case 'D':
		r.type = VIOMMU_T_DETACH;
		r.u.detach.domain = line->domain;
		r.u.detach.endpoint = line->endpoint;
		break;
	case 'M':
		r.type = VIOMMU_T_MAP;
		r.u.map.domain = line->domain;
		r.u.map.virt_start = line->first;
		r.u.map.virt_end = line->last;
		r.u.map.phys_start = line->phys;
		r.u.map.flags = line->flags;
		break;
	case 'U':
		r.type = VIOMMU_T_UNMAP;
		r.u.unmap.domain = line->domain;
		r.u.unmap.virt_start = line->first;
		r.u.unmap.virt_end = line->last;
		break;
	default:
		r.type = VIOMMU_T_PROBE;
		r.u.probe.endpoint = line->endpoint;
		break;
	}
	return r;
}

static void test_backends__calls_fail_in_a_recorded_stream__all_agree(void **state)
{
	struct stream s = { .look = 64 };
	struct sim_trace trace;
	struct sim_error error;
	uint32_t *ids;

	(void)state;
	if (!sim_trace_load(&trace, "sim/traces/boot.txt.gz", &error))
		fail_msg("%s", error.text);
	ids = sim_trace_endpoints(&trace, &s.id_count);
	assert_non_null(ids);
	assert_true(s.id_count <= ENDPOINTS);
	memcpy(s.ids, ids, s.id_count * sizeof(*ids));
	free(ids);
	s.items = calloc(trace.count, sizeof(*s.items));
	assert_non_null(s.items);
	for (size_t i = 0; i < trace.count; i++) {
		if (trace.lines[i].type != 'T')
			s.items[s.count++] = (struct item){ .verb = REQUEST, .request = request_of(&trace.lines[i]) };
	}
	sweep(&s, many() != 0 ? UINT64_MAX : TRACE_POINTS);
	report("boot");
	free(s.items);
	sim_trace_deinit(&trace);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backends__each_call_fails_in_random_streams__all_agree),
		cmocka_unit_test(test_backends__calls_fail_in_a_recorded_stream__all_agree),
	};

	return suite_run(tests);
}
