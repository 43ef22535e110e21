/* SPDX-License-Identifier: BSD-3-Clause */
#include "service.h"

#include "pages.h"

#include <stdlib.h>
#include <string.h>

#define RING_SIZE 256u
#define RING_ADDR UINT64_C(0x80000000)
#define SLOT_SIZE 64u /* a request and, at its end, the tail */
#define TAIL_AT (SLOT_SIZE - VIOMMU_WIRE_TAIL_SIZE)
#define BUDGET 4096u /* steps of the pump per call */

/* The device of the library, at seam A. */

static bool submit(struct bench_service *s, uint8_t *bytes, size_t len, uint8_t *tail)
{
	struct viommu_segment readable = { .base = bytes, .len = len };
	struct viommu_segment writable = { .base = tail, .len = VIOMMU_WIRE_TAIL_SIZE };
	struct viommu_request *request = &s->request;

	request->readable = &readable;
	request->readable_count = 1;
	request->writable = &writable;
	request->writable_count = 1;
	if (viommu_device_submit(&s->dev, request) != VIOMMU_OK)
		return false;
	while (request->state != VIOMMU_REQUEST_DONE)
		(void)viommu_device_next_done(&s->dev); /* another thread has a section open, and will end it */
	(void)viommu_device_process(&s->dev, UINT32_MAX); /* as in structures/viommu.c: nothing is left for later */
	return request->written == VIOMMU_WIRE_TAIL_SIZE;
}

static bool start_device(struct bench_service *s, uint32_t n)
{
	struct viommu_device_config config = VIOMMU_DEVICE_CONFIG_INIT;
	struct viommu_endpoint_config endpoint_config = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct viommu_endpoint *endpoint;
	size_t len;

	if (viommu_device_mem_size(&config, &len) != VIOMMU_OK)
		return false;
	len += ((size_t)n * 2 + 64) * VIOMMU_MAP_NODE_SIZE;
	s->device_mem = malloc(len);
	endpoint_config.id = BENCH_ENDPOINT;
	if (s->device_mem == NULL || viommu_device_init(&s->dev, &config, s->device_mem, len) != VIOMMU_OK ||
	    viommu_device_add_endpoint(&s->dev, &endpoint_config, &endpoint) != VIOMMU_OK ||
	    viommu_device_negotiate(&s->dev, VIOMMU_DEVICE_FEATURES) != VIOMMU_OK)
		return false;
	viommu_access_init(&s->access, &s->dev, endpoint);
	return true;
}

/* The least that can be called a device. */

static uint8_t execute(struct bench_service *s, const struct viommu_wire_request *r)
{
	if (r->type == VIOMMU_T_MAP && r->u.map.domain == BENCH_DOMAIN) {
		const uint64_t below = BENCH_PAGE - 1;

		if (r->u.map.virt_end < r->u.map.virt_start)
			return VIOMMU_S_INVAL;
		if (((r->u.map.virt_start | (r->u.map.virt_end + 1) | r->u.map.phys_start) & below) != 0)
			return VIOMMU_S_RANGE;
		return s->structure->map(s->map, r->u.map.virt_start, r->u.map.virt_end, r->u.map.phys_start,
					 r->u.map.flags)
			       ? VIOMMU_S_OK
			       : VIOMMU_S_INVAL;
	}
	if (r->type == VIOMMU_T_UNMAP && r->u.unmap.domain == BENCH_DOMAIN) {
		if (r->u.unmap.virt_end < r->u.unmap.virt_start)
			return VIOMMU_S_INVAL;
		return s->structure->unmap(s->map, r->u.unmap.virt_start, r->u.unmap.virt_end) ? VIOMMU_S_OK
											       : VIOMMU_S_RANGE;
	}
	return VIOMMU_S_NOENT;
}

static bool answer(struct bench_service *s, const uint8_t *bytes, size_t len, uint8_t *tail)
{
	uint8_t copy[VIOMMU_WIRE_REQUEST_MAX];
	struct viommu_wire_request request;

	if (len > sizeof(copy))
		return false;
	memcpy(copy, bytes, len);
	if (viommu_wire_request_decode(copy, len, &request) != VIOMMU_OK)
		return false;
	viommu_wire_tail_encode(execute(s, &request), tail);
	return true;
}

/* Requests. */

static size_t encode_map(uint32_t page, uint8_t *out)
{
	struct viommu_wire_request map = { .type = VIOMMU_T_MAP };

	map.u.map.domain = BENCH_DOMAIN;
	map.u.map.flags = BENCH_FLAGS;
	map.u.map.virt_start = bench_iova(page);
	map.u.map.virt_end = map.u.map.virt_start + (BENCH_PAGE - 1);
	map.u.map.phys_start = bench_phys(page);
	return viommu_wire_request_encode(&map, out, VIOMMU_WIRE_REQUEST_MAX);
}

static size_t encode_unmap(uint32_t page, uint8_t *out)
{
	struct viommu_wire_request unmap = { .type = VIOMMU_T_UNMAP };

	unmap.u.unmap.domain = BENCH_DOMAIN;
	unmap.u.unmap.virt_start = bench_iova(page);
	unmap.u.unmap.virt_end = unmap.u.unmap.virt_start + (BENCH_PAGE - 1);
	return viommu_wire_request_encode(&unmap, out, VIOMMU_WIRE_REQUEST_MAX);
}

static bool send(struct bench_service *s, uint8_t *bytes, size_t len)
{
	uint8_t tail[VIOMMU_WIRE_TAIL_SIZE] = { 0xff };

	return (s->map == NULL ? submit(s, bytes, len, tail) : answer(s, bytes, len, tail)) && tail[0] == VIOMMU_S_OK;
}

bool bench_service_map(struct bench_service *s, uint32_t page)
{
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];

	return send(s, bytes, encode_map(page, bytes));
}

bool bench_service_unmap(struct bench_service *s, uint32_t page)
{
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];

	return send(s, bytes, encode_unmap(page, bytes));
}

static bool attach(struct bench_service *s)
{
	struct viommu_wire_request request = { .type = VIOMMU_T_ATTACH };
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];

	request.u.attach.domain = BENCH_DOMAIN;
	request.u.attach.endpoint = BENCH_ENDPOINT;
	return send(s, bytes, viommu_wire_request_encode(&request, bytes, sizeof(bytes)));
}

bool bench_service_init(struct bench_service *s, const struct bench_structure *structure, const uint32_t *pages,
			uint32_t n)
{
	memset(s, 0, sizeof(*s));
	s->structure = structure;
	if (structure != &bench_structures[0])
		s->map = structure->open(n);
	else if (!start_device(s, n) || !attach(s))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (!bench_service_map(s, pages[i]))
			return false;
	}
	return true;
}

void bench_service_deinit(struct bench_service *s)
{
	if (s->map != NULL)
		s->structure->close(s->map);
	free(s->ring.pump_mem);
	free(s->ring.segments);
	free(s->ring.shadow);
	free(s->ring.shared);
	free(s->device_mem);
}

/* The ring. */

/* The driver's first steps, by the registers. Mappings made at seam A before stay. */
static bool start_pump(struct bench_service *s, const struct viommu_virtq_layout *layout)
{
	struct bench_ring *r = &s->ring;
	struct viommu_pump_config config = VIOMMU_PUMP_CONFIG_INIT;
	struct viommu_registers *regs;
	size_t len;

	config.device = &s->dev;
	config.memory = r->memory;
	sim_transport_init(&r->transport, &sim_transport_local);
	config.interrupts = r->transport.interrupt_ops;
	config.interrupt_ctx = r->transport.interrupt_ctx;
	if (viommu_pump_mem_size(&config, &len) != VIOMMU_OK)
		return false;
	r->pump_mem = malloc(len);
	if (r->pump_mem == NULL || viommu_pump_init(&r->pump, &config, r->pump_mem, len) != VIOMMU_OK)
		return false;
	regs = viommu_pump_registers(&r->pump);
	viommu_registers_set_status(regs, VIOMMU_STATUS_ACKNOWLEDGE | VIOMMU_STATUS_DRIVER);
	viommu_registers_set_features(regs, layout->features | VIOMMU_F_VERSION_1 | VIOMMU_DEVICE_FEATURES);
	viommu_registers_set_status(regs, viommu_registers_get_status(regs) | VIOMMU_STATUS_FEATURES_OK);
	if (viommu_registers_queue_enable(regs, VIOMMU_QUEUE_REQUEST, layout) != VIOMMU_OK)
		return false;
	viommu_registers_set_status(regs, viommu_registers_get_status(regs) | VIOMMU_STATUS_DRIVER_OK);
	return viommu_registers_is_live(regs);
}

bool bench_service_add_ring(struct bench_service *s)
{
	const uint64_t features = VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX;
	struct bench_ring *r = &s->ring;
	struct viommu_shared_memory shared = { .addr = RING_ADDR };
	struct viommu_virtq_layout layout;

	r->request_at = VIOMMU_VIRTQ_DRIVER_SHARED(RING_SIZE);
	shared.len = r->request_at + SLOT_SIZE;
	shared.base = r->shared = aligned_alloc(64, (shared.len + 63) & ~(size_t)63);
	r->shadow = malloc(VIOMMU_VIRTQ_DRIVER_PRIVATE(RING_SIZE));
	r->segments = malloc(RING_SIZE * sizeof(*r->segments));
	if (r->shared == NULL || r->shadow == NULL || r->segments == NULL)
		return false;
	memset(r->shared, 0, shared.len);
	r->ram = (struct viommu_memory_region){ .first = RING_ADDR,
						.last = RING_ADDR + shared.len - 1,
						.host = r->shared,
						.kind = VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE };
	r->table = (struct viommu_memory_table){ .regions = &r->ram, .count = 1 };
	r->memory = (struct viommu_memory){ .ops = &viommu_memory_table_ops, .ctx = &r->table };
	if (viommu_virtq_driver_init(&r->driver, RING_SIZE, features, &shared, r->shadow, &layout) != VIOMMU_OK)
		return false;
	if (s->map == NULL)
		return start_pump(s, &layout);
	viommu_virtq_device_init(&r->device, &r->memory);
	return viommu_virtq_device_enable(&r->device, &layout) == VIOMMU_OK;
}

/* What the pump does, for the plain service. */
static bool serve_plainly(struct bench_service *s)
{
	struct bench_ring *r = &s->ring;
	struct viommu_chain chain = { .segments = r->segments, .capacity = RING_SIZE };

	do {
		while (viommu_virtq_device_pop(&r->device, &chain) == VIOMMU_OK) {
			const struct viommu_segment *in = &r->segments[0];
			const struct viommu_segment *out = &r->segments[chain.readable];

			if (chain.readable != 1 || chain.writable != 1 || out->len < VIOMMU_WIRE_TAIL_SIZE ||
			    !answer(s, in->base, in->len, out->base) ||
			    viommu_virtq_device_push(&r->device, chain.head, VIOMMU_WIRE_TAIL_SIZE) != VIOMMU_OK)
				return false;
		}
	} while (viommu_virtq_device_arm(&r->device));
	(void)viommu_virtq_device_publish(&r->device);
	return true;
}

static bool serve(struct bench_service *s)
{
	if (s->map != NULL)
		return serve_plainly(s);
	while (viommu_pump_process(&s->ring.pump, BUDGET))
		;
	return true;
}

/* The request, whose `len` bytes are in shared memory already, there and back. */
static bool round_trip(struct bench_service *s, size_t len)
{
	struct bench_ring *r = &s->ring;
	uint8_t *tail = r->shared + r->request_at + TAIL_AT;
	const struct viommu_bus_segment segments[2] = {
		{ RING_ADDR + r->request_at, (uint32_t)len },
		{ RING_ADDR + r->request_at + TAIL_AT, VIOMMU_WIRE_TAIL_SIZE },
	};
	uint32_t written;
	void *token;

	tail[0] = 0xff;
	if (viommu_virtq_driver_add(&r->driver, segments, 1, 1, r) != VIOMMU_OK)
		return false;
	if (viommu_virtq_driver_publish(&r->driver) && !serve(s))
		return false;
	return viommu_virtq_driver_pop(&r->driver, &token, &written) == VIOMMU_OK && token == r &&
	       written == VIOMMU_WIRE_TAIL_SIZE && tail[0] == VIOMMU_S_OK;
}

bool bench_service_ring_map(struct bench_service *s, uint32_t page)
{
	return round_trip(s, encode_map(page, s->ring.shared + s->ring.request_at));
}

bool bench_service_ring_unmap(struct bench_service *s, uint32_t page)
{
	return round_trip(s, encode_unmap(page, s->ring.shared + s->ring.request_at));
}
