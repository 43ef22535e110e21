/* SPDX-License-Identifier: BSD-3-Clause */
#include "device_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/env/env.h"

/* Map nodes with which one mapping fits for sure. */
#define NODES_TO_LIVE 2u

/* The device */

static const uint32_t endpoint_ids[DEVICE_ENDPOINTS] = { DEVICE_EP0, DEVICE_EP1, DEVICE_EP2, DEVICE_EP3 };

uint32_t device_endpoint_id(uint32_t index)
{
	return endpoint_ids[index];
}

static void count_wake(void *ctx)
{
	struct device_fixture *f = ctx;

	(void)sim_env_call(SIM_ENV_WORK_PENDING, 0, 0);
	f->wakes++;
}

void device_options_init(struct device_options *options)
{
	static const struct viommu_device_config config = VIOMMU_DEVICE_CONFIG_INIT;

	memset(options, 0, sizeof(*options));
	options->config = config;
	options->config.probe_size = 64;
	options->negotiate = config.features;
	options->nodes = 256;
}

static void end_sections(struct viommu_access *access)
{
	for (uint32_t phase = 0; phase < 2; phase++) {
		/* However many, the last one ends them all. They are counted above the lowest bit. */
		if (access->open[phase] > 1) {
			access->open[phase] = 2 + access->open[phase] % 2;
			viommu_access_end(access, (struct viommu_access_token){ phase });
		}
	}
}

void device_end_sections(struct device_fixture *f)
{
	for (uint32_t i = 0; i < DEVICE_ENDPOINTS; i++) {
		for (struct viommu_access *a = f->endpoints[i]->contexts; a != NULL; a = a->next)
			end_sections(a);
	}
}

/* A range that endpoint 0 can have mapped with this configuration: one granule, or none. */
static bool find_range(const struct device_fixture *f, struct viommu_range *out)
{
	const struct viommu_device *dev = &f->dev;
	uint64_t granule = UINT64_C(1) << dev->granule_bits;
	uint64_t at = 0, last = UINT64_MAX;

	if ((dev->negotiated & VIOMMU_F_INPUT_RANGE) != 0) {
		at = (dev->config.input_range.first + granule - 1) & ~(granule - 1);
		last = dev->config.input_range.last;
	}
	for (uint32_t i = 0; i < f->endpoints[0]->region_count; i++) {
		const struct viommu_range *r = &f->endpoints[0]->regions[i].range;

		if (r->first <= at + (granule - 1) && at <= r->last)
			at = (r->last & ~(granule - 1)) + granule;
	}
	*out = (struct viommu_range){ at, at + (granule - 1) };
	return out->first <= out->last && out->last <= last;
}

/* Life as a driver expects it: attach, map, reach, unmap, fault, detach. */
static void live(struct device_fixture *f)
{
	uint32_t domain = (f->dev.negotiated & VIOMMU_F_DOMAIN_RANGE) != 0 ? f->dev.config.domain_first : 1;
	struct viommu_range range;
	int status;

	assert_int_equal(device_attach(f, domain, DEVICE_EP0, 0), VIOMMU_S_OK);
	if (find_range(f, &range)) {
		status = device_map(f, domain, range.first, range.last, 0, VIOMMU_MAP_F_READ);
		if (viommu_map_pool_total(&f->dev.pool) >= NODES_TO_LIVE)
			assert_int_equal(status, VIOMMU_S_OK);
		else
			assert_true(status == VIOMMU_S_OK || status == VIOMMU_S_NOMEM);
		if (status == VIOMMU_S_OK) {
			assert_true(device_reaches(f, 0, range.last, VIOMMU_ACCESS_READ, range.last - range.first));
			assert_int_equal(device_unmap(f, domain, range.first, range.last), VIOMMU_S_OK);
		}
		assert_true(device_faults(f, 0, range.first, VIOMMU_ACCESS_READ, VIOMMU_FAULT_R_MAPPING));
	}
	assert_int_equal(device_detach(f, domain, DEVICE_EP0), VIOMMU_S_OK);
}

/* The context of endpoint 0 may be gone, or be one of an endpoint that was removed. */
static bool has_context(const struct device_fixture *f, const struct viommu_endpoint *endpoint)
{
	const struct viommu_access *a = endpoint->contexts;

	while (a != NULL && a != &f->accesses[0])
		a = a->next;
	return a != NULL;
}

static bool has_endpoint(const struct device_fixture *f, uint32_t id)
{
	uint32_t i = 0;

	while (i < f->dev.endpoint_ids.count && f->dev.endpoint_ids.ids[i] != id)
		i++;
	return i < f->dev.endpoint_ids.count;
}

/* Endpoint 0 is there, whatever the test did to it, and has its context. */
static void revive(struct device_fixture *f)
{
	struct viommu_endpoint_config config = VIOMMU_ENDPOINT_CONFIG_INIT;

	if (f->accesses[0].endpoint->is_removed && has_context(f, f->accesses[0].endpoint)) {
		end_sections(&f->accesses[0]);
		assert_int_equal(viommu_access_deinit(&f->accesses[0]), VIOMMU_OK);
	}
	config.id = DEVICE_EP0;
	if (!has_endpoint(f, DEVICE_EP0))
		assert_int_equal(viommu_device_add_endpoint(&f->dev, &config, &f->endpoints[0]), VIOMMU_OK);
	if (!has_context(f, f->endpoints[0]))
		viommu_access_init(&f->accesses[0], &f->dev, f->endpoints[0]);
}

/* However the test ended: a reset brings everything back, and the device works. */
static void end_of_test(void *ctx)
{
	struct device_fixture *f = ctx;

	assert_true(viommu_device_check(&f->dev));
	device_end_sections(f);
	revive(f);
	viommu_device_reset(&f->dev);
	while (viommu_device_next_done(&f->dev) != NULL)
		;
	assert_int_equal(f->dev.pending_count, 0);
	assert_true(viommu_device_is_settled(&f->dev));
	assert_int_equal(viommu_device_negotiate(&f->dev, viommu_device_features(&f->dev)), VIOMMU_OK);
	live(f);
	assert_true(viommu_device_check(&f->dev));
}

/*
 * A driver resets the device, or it is reset with the machine, and the next one negotiates as soon as it can. Or a queue
 * was reset: nobody waits for answers any more.
 */
static void surprise(void *ctx)
{
	struct device_fixture *f = ctx;
	uint64_t features = viommu_device_features(&f->dev);

	if (sim_env_reset_kind() == SIM_ENV_RESET_QUEUE) {
		viommu_device_forget_replies(&f->dev);
		return;
	}
	if (sim_env_reset_kind() == SIM_ENV_RESET_SYSTEM) {
		viommu_device_system_reset(&f->dev);
		assert_int_equal(device_bypass(f), f->dev.initial_bypass);
	} else {
		viommu_device_reset(&f->dev);
	}
	assert_int_equal(f->dev.domain_ids.count + f->dev.pending_count, 0);
	if (viommu_device_is_settled(&f->dev))
		assert_int_equal(viommu_device_negotiate(&f->dev, features), VIOMMU_OK);
}

void device_setup(struct device_fixture *f, const struct device_options *options)
{
	struct device_options defaults;
	struct viommu_device_config config;
	size_t bytes;
	uint32_t i;

	if (options == NULL) {
		device_options_init(&defaults);
		options = &defaults;
	}
	memset(f, 0, sizeof(*f));
	f->ops.size = sizeof(f->ops);
	f->ops.work_pending = count_wake;
	config = options->config;
	config.ops = &f->ops;
	config.ops_ctx = f;
	assert_int_equal(viommu_device_mem_size(&config, &bytes), VIOMMU_OK);
	bytes += (size_t)options->nodes * VIOMMU_MAP_NODE_SIZE;
	f->mem = sim_env_alloc(bytes);
	assert_int_equal(viommu_device_init(&f->dev, &config, f->mem, bytes), VIOMMU_OK);
	for (i = 0; i < DEVICE_ENDPOINTS; i++) {
		struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;

		endpoint.id = endpoint_ids[i];
		endpoint.regions = options->regions[i];
		endpoint.region_count = options->region_counts[i];
		assert_int_equal(viommu_device_add_endpoint(&f->dev, &endpoint, &f->endpoints[i]), VIOMMU_OK);
		viommu_access_init(&f->accesses[i], &f->dev, f->endpoints[i]);
		viommu_access_set_cache(&f->accesses[i], &f->caches[i]);
	}
	assert_int_equal(viommu_device_negotiate(&f->dev, options->negotiate), VIOMMU_OK);
	sim_env_on_end(end_of_test, f);
	sim_env_on_reset(surprise, f, false);
}

void device_teardown(struct device_fixture *f)
{
	sim_env_end(end_of_test, f);
	sim_env_free(f->mem);
	f->mem = NULL;
}

void device_renegotiate(struct device_fixture *f)
{
	uint64_t features = viommu_device_features(&f->dev);

	viommu_device_reset(&f->dev);
	assert_true(viommu_device_is_settled(&f->dev));
	assert_int_equal(viommu_device_negotiate(&f->dev, features), VIOMMU_OK);
}

uint8_t device_bypass(const struct device_fixture *f)
{
	uint8_t value;

	viommu_device_config_read(&f->dev, VIOMMU_WIRE_CONFIG_BYPASS, &value, 1);
	return value;
}

void device_set_bypass(struct device_fixture *f, uint8_t value)
{
	viommu_device_config_write(&f->dev, VIOMMU_WIRE_CONFIG_BYPASS, &value, 1);
}

/* The requests */

struct viommu_wire_request device_attach_request(uint32_t domain, uint32_t endpoint, uint32_t flags)
{
	struct viommu_wire_request r;

	memset(&r, 0, sizeof(r));
	r.type = VIOMMU_T_ATTACH;
	r.u.attach.domain = domain;
	r.u.attach.endpoint = endpoint;
	r.u.attach.flags = flags;
	return r;
}

struct viommu_wire_request device_detach_request(uint32_t domain, uint32_t endpoint)
{
	struct viommu_wire_request r;

	memset(&r, 0, sizeof(r));
	r.type = VIOMMU_T_DETACH;
	r.u.detach.domain = domain;
	r.u.detach.endpoint = endpoint;
	return r;
}

struct viommu_wire_request device_map_request(uint32_t domain, uint64_t first, uint64_t last, uint64_t phys,
					      uint32_t flags)
{
	struct viommu_wire_request r;

	memset(&r, 0, sizeof(r));
	r.type = VIOMMU_T_MAP;
	r.u.map.domain = domain;
	r.u.map.virt_start = first;
	r.u.map.virt_end = last;
	r.u.map.phys_start = phys;
	r.u.map.flags = flags;
	return r;
}

struct viommu_wire_request device_unmap_request(uint32_t domain, uint64_t first, uint64_t last)
{
	struct viommu_wire_request r;

	memset(&r, 0, sizeof(r));
	r.type = VIOMMU_T_UNMAP;
	r.u.unmap.domain = domain;
	r.u.unmap.virt_start = first;
	r.u.unmap.virt_end = last;
	return r;
}

struct viommu_wire_request device_probe_request(uint32_t endpoint)
{
	struct viommu_wire_request r;

	memset(&r, 0, sizeof(r));
	r.type = VIOMMU_T_PROBE;
	r.u.probe.endpoint = endpoint;
	return r;
}

uint8_t device_call_canary(size_t offset)
{
	return (uint8_t)(0xa5u ^ (offset * 7u));
}

void device_call_init(struct device_call *call)
{
	memset(&call->request, 0, sizeof(call->request));
	call->readable_count = 0;
	call->writable_count = 0;
	call->readable_len = 0;
	call->writable_len = 0;
}

void device_call_free(struct device_call *call)
{
	uint32_t i;

	for (i = 0; i < call->readable_count; i++) {
		sim_env_free(call->readable[i].base);
		sim_env_free(call->originals[i]);
	}
	for (i = 0; i < call->writable_count; i++)
		sim_env_free(call->writable[i].base);
	device_call_init(call);
}

void device_call_add_readable(struct device_call *call, const uint8_t *bytes, size_t len)
{
	struct viommu_segment *segment = &call->readable[call->readable_count];
	uint8_t *original = sim_env_alloc(len != 0 ? len : 1);

	assert_true(call->readable_count < DEVICE_CALL_SEGMENTS);
	segment->base = sim_env_alloc(len);
	segment->len = len;
	if (len != 0) {
		memcpy(segment->base, bytes, len);
		memcpy(original, bytes, len);
	}
	call->originals[call->readable_count++] = original;
	call->readable_len += len;
}

void device_call_add_writable(struct device_call *call, size_t len)
{
	struct viommu_segment *segment = &call->writable[call->writable_count];
	size_t i;

	assert_true(call->writable_count < DEVICE_CALL_SEGMENTS);
	segment->base = sim_env_alloc(len);
	segment->len = len;
	for (i = 0; i < len; i++)
		segment->base[i] = device_call_canary(call->writable_len + i);
	call->writable_count++;
	call->writable_len += len;
}

static uint32_t probe_size(const struct device_fixture *f)
{
	uint8_t bytes[VIOMMU_WIRE_CONFIG_SIZE];
	struct viommu_wire_config config;

	viommu_device_config_read(&f->dev, 0, bytes, sizeof(bytes));
	viommu_wire_config_decode(bytes, &config);
	return config.probe_size;
}

static size_t nominal_reply(const struct device_fixture *f, uint8_t type)
{
	return type == VIOMMU_T_PROBE ? (size_t)probe_size(f) + VIOMMU_WIRE_TAIL_SIZE : VIOMMU_WIRE_TAIL_SIZE;
}

void device_call_build(struct device_call *call, const struct device_fixture *f,
		       const struct viommu_wire_request *request, size_t cut)
{
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
	size_t len = viommu_wire_request_encode(request, bytes, sizeof(bytes));
	size_t reply = nominal_reply(f, request->type);
	size_t i;

	assert_true(len > 0);
	device_call_init(call);
	for (i = 0; i < len; i += cut != 0 ? cut : len)
		device_call_add_readable(call, bytes + i, cut != 0 && cut < len - i ? cut : len - i);
	for (i = 0; i < reply; i += cut != 0 ? cut : reply)
		device_call_add_writable(call, cut != 0 && cut < reply - i ? cut : reply - i);
}

uint8_t device_call_byte(const struct device_call *call, size_t offset)
{
	uint32_t i;

	for (i = 0; i < call->writable_count; i++) {
		if (offset < call->writable[i].len)
			return call->writable[i].base[offset];
		offset -= call->writable[i].len;
	}
	fail_msg("offset behind the writable part");
	return 0;
}

/* VQ-DEV-DESC-01: the readable part is as it was. */
static void assert_untouched(const struct device_call *call, size_t from)
{
	size_t offset = 0;
	uint32_t i;
	size_t k;

	for (i = 0; i < call->readable_count; i++)
		if (call->readable[i].len != 0)
			assert_memory_equal(call->readable[i].base, call->originals[i], call->readable[i].len);
	for (i = 0; i < call->writable_count; i++)
		for (k = 0; k < call->writable[i].len; k++, offset++)
			if (offset >= from && call->writable[i].base[k] != device_call_canary(offset))
				fail_msg("byte %u of the writable part was written", (unsigned)offset);
}

void device_call_assert_unwritten(const struct device_call *call)
{
	assert_untouched(call, 0);
}

int device_call_judge(const struct device_fixture *f, const struct device_call *call)
{
	const struct viommu_request *request = &call->request;
	size_t nominal, tail;

	assert_int_equal(request->state, VIOMMU_REQUEST_DONE);
	assert_true(request->written <= call->writable_len);
	assert_untouched(call, request->written);
	if (request->written == 0)
		return DEVICE_UNANSWERED;
	nominal = nominal_reply(f, request->type);
	assert_int_equal(request->written, nominal < call->writable_len ? nominal : call->writable_len);
	tail = request->written - VIOMMU_WIRE_TAIL_SIZE;
	assert_int_equal(device_call_byte(call, tail), request->status);
	/* IOMMU-DEV-OPS-05 */
	assert_int_equal(device_call_byte(call, tail + 1), 0);
	assert_int_equal(device_call_byte(call, tail + 2), 0);
	assert_int_equal(device_call_byte(call, tail + 3), 0);
	return request->status;
}

int device_call_submit(struct device_fixture *f, struct device_call *call)
{
	call->request.readable = call->readable;
	call->request.readable_count = call->readable_count;
	call->request.writable = call->writable;
	call->request.writable_count = call->writable_count;
	call->request.user = call;
	sim_env_operation();
	assert_int_equal(viommu_device_submit(&f->dev, &call->request), VIOMMU_OK);
	if (call->request.state == VIOMMU_REQUEST_PENDING) {
		device_call_assert_unwritten(call);
		return DEVICE_PENDING;
	}
	return device_call_judge(f, call);
}

int device_start(struct device_fixture *f, struct device_call *call, const struct viommu_wire_request *request)
{
	device_call_build(call, f, request, 0);
	return device_call_submit(f, call);
}

struct device_call *device_next_done(struct device_fixture *f, int *status)
{
	struct viommu_request *request = viommu_device_next_done(&f->dev);
	struct device_call *call;

	if (request == NULL)
		return NULL;
	call = request->user;
	assert_ptr_equal(&call->request, request);
	*status = device_call_judge(f, call);
	return call;
}

int device_request(struct device_fixture *f, const struct viommu_wire_request *request)
{
	struct device_call call;
	int status = device_start(f, &call, request);

	assert_int_not_equal(status, DEVICE_PENDING);
	device_call_free(&call);
	return status;
}

int device_attach(struct device_fixture *f, uint32_t domain, uint32_t endpoint, uint32_t flags)
{
	struct viommu_wire_request r = device_attach_request(domain, endpoint, flags);

	return device_request(f, &r);
}

int device_detach(struct device_fixture *f, uint32_t domain, uint32_t endpoint)
{
	struct viommu_wire_request r = device_detach_request(domain, endpoint);

	return device_request(f, &r);
}

int device_map(struct device_fixture *f, uint32_t domain, uint64_t first, uint64_t last, uint64_t phys, uint32_t flags)
{
	struct viommu_wire_request r = device_map_request(domain, first, last, phys, flags);

	return device_request(f, &r);
}

int device_unmap(struct device_fixture *f, uint32_t domain, uint64_t first, uint64_t last)
{
	struct viommu_wire_request r = device_unmap_request(domain, first, last);

	return device_request(f, &r);
}

void device_assert_refused(struct device_fixture *f, const struct viommu_wire_request *request, int status)
{
	struct device_view before, after;

	device_view_take(f, &before);
	assert_int_equal(device_request(f, request), status);
	device_view_take(f, &after);
	device_view_assert_equal(&before, &after);
}

/* What can be reached */

enum viommu_result device_translate(struct device_fixture *f, uint32_t index, uint64_t iova, uint64_t length,
				    uint32_t kind, struct viommu_translation *out)
{
	struct viommu_access_token token;
	enum viommu_result result;

	sim_env_access();
	assert_int_equal(viommu_access_begin(&f->accesses[index], &token), VIOMMU_OK);
	result = viommu_access_translate(&f->accesses[index], iova, length, kind, out);
	viommu_access_end(&f->accesses[index], token);
	return result;
}

bool device_reaches(struct device_fixture *f, uint32_t index, uint64_t iova, uint32_t kind, uint64_t gpa)
{
	struct viommu_translation t;

	if (device_translate(f, index, iova, 1, kind, &t) != VIOMMU_OK) {
		device_drain_faults(f);
		return false;
	}
	return t.gpa == gpa && t.length == 1;
}

static bool faults(struct device_fixture *f, uint32_t index, uint64_t iova, uint32_t kind, uint8_t reason,
		   uint32_t flags)
{
	struct viommu_wire_fault fault;
	struct viommu_translation t;

	device_drain_faults(f);
	if (device_translate(f, index, iova, 1, kind, &t) != VIOMMU_E_FAULT)
		return false;
	assert_int_equal(viommu_device_next_fault(&f->dev, &fault), VIOMMU_OK);
	assert_int_equal(fault.endpoint, endpoint_ids[index]);
	assert_int_equal(fault.flags, flags | VIOMMU_FAULT_F_ADDRESS);
	assert_true(fault.address == iova);
	assert_int_equal(viommu_device_next_fault(&f->dev, &fault), VIOMMU_E_EMPTY);
	return fault.reason == reason;
}

bool device_faults(struct device_fixture *f, uint32_t index, uint64_t iova, uint32_t kind, uint8_t reason)
{
	return faults(f, index, iova, kind, reason, kind);
}

bool device_forbids(struct device_fixture *f, uint32_t index, uint64_t iova, uint32_t kind, uint32_t forbidden)
{
	return faults(f, index, iova, kind, VIOMMU_FAULT_R_MAPPING, forbidden);
}

void device_drain_faults(struct device_fixture *f)
{
	struct viommu_wire_fault fault;

	while (viommu_device_next_fault(&f->dev, &fault) == VIOMMU_OK)
		;
}

/* Pages 0 to 31, both sides of some borders, and the ends of the address space. */
static uint64_t view_address(uint32_t i)
{
	static const uint64_t far[DEVICE_VIEW_ADDRESSES - 32] = {
		0x0fff,
		0x1fff,
		0x10fff,
		0xfedfffff,
		0xfee00000,
		0xfeefffff,
		0xfef00000,
		0xffffffff,
		0x100000000,
		0x7fffffffffffffff,
		0x8000000000000000,
		0xffffffffffffdfff,
		0xffffffffffffe000,
		0xffffffffffffefff,
		0xfffffffffffff000,
		0xffffffffffffffff,
	};

	return i < 32 ? (uint64_t)i * DEVICE_PAGE : far[i - 32];
}

static void view_cell(struct device_fixture *f, uint32_t index, uint64_t iova, uint32_t kind,
		      struct device_view_cell *cell)
{
	struct viommu_translation t;
	struct viommu_wire_fault fault;

	cell->result = device_translate(f, index, iova, 1, kind, &t);
	if (cell->result == VIOMMU_OK) {
		cell->gpa = t.gpa;
		cell->flags = t.flags;
		cell->msi = t.msi;
	} else {
		assert_int_equal(cell->result, VIOMMU_E_FAULT);
		assert_int_equal(viommu_device_next_fault(&f->dev, &fault), VIOMMU_OK);
		cell->reason = fault.reason;
	}
}

void device_view_take(struct device_fixture *f, struct device_view *view)
{
	uint32_t e, a, k;

	sim_env_pause(true);
	memset(view, 0, sizeof(*view));
	device_drain_faults(f);
	for (e = 0; e < DEVICE_ENDPOINTS; e++)
		for (a = 0; a < DEVICE_VIEW_ADDRESSES; a++)
			for (k = 0; k < 2; k++)
				view_cell(f, e, view_address(a), k == 0 ? VIOMMU_ACCESS_READ : VIOMMU_ACCESS_WRITE,
					  &view->cells[e][a][k]);
	viommu_device_config_read(&f->dev, 0, view->config, sizeof(view->config));
	sim_env_pause(false);
}

void device_view_assert_equal(const struct device_view *a, const struct device_view *b)
{
	assert_memory_equal(a->config, b->config, sizeof(a->config));
	assert_memory_equal(a->cells, b->cells, sizeof(a->cells));
}
