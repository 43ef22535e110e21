/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_translate.c: what an endpoint's DMA costs: translations of random addresses in a domain with n mappings of one
 * granule each, all of which hit. The next address depends on the last answer, so that lookups cannot overlap.
 */
#include "bench.h"

#include <viommu/access.h>

#include <stdlib.h>

#define GRANULE UINT64_C(4096)
#define ENDPOINT 8u
#define DOMAIN 1u
#define IOVA_BASE UINT64_C(0x100000000)
#define GPA_BASE UINT64_C(0x40000000)

struct translate_bench {
	struct viommu_device dev;
	struct viommu_access access;
	void *mem;
	uint64_t random;
	uint32_t mappings;
};

/* Sends one request through seam A. */
static bool request_is_ok(struct viommu_device *dev, const struct viommu_wire_request *wire)
{
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
	uint8_t tail[VIOMMU_WIRE_TAIL_SIZE];
	struct viommu_segment readable = { .base = bytes };
	struct viommu_segment writable = { .base = tail, .len = sizeof(tail) };
	struct viommu_request request = {
		.readable = &readable, .writable = &writable, .readable_count = 1, .writable_count = 1
	};

	readable.len = viommu_wire_request_encode(wire, bytes, sizeof(bytes));
	return viommu_device_submit(dev, &request) == VIOMMU_OK && request.state == VIOMMU_REQUEST_DONE &&
	       request.written == sizeof(tail) && request.status == VIOMMU_S_OK;
}

static bool map_all(struct translate_bench *b)
{
	struct viommu_wire_request attach = { .type = VIOMMU_T_ATTACH };
	struct viommu_wire_request map = { .type = VIOMMU_T_MAP };

	attach.u.attach.domain = DOMAIN;
	attach.u.attach.endpoint = ENDPOINT;
	if (!request_is_ok(&b->dev, &attach))
		return false;

	map.u.map.domain = DOMAIN;
	map.u.map.flags = VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE;
	for (uint32_t i = 0; i < b->mappings; i++) {
		map.u.map.virt_start = IOVA_BASE + i * GRANULE;
		map.u.map.virt_end = map.u.map.virt_start + GRANULE - 1;
		map.u.map.phys_start = GPA_BASE + i * GRANULE;
		if (!request_is_ok(&b->dev, &map))
			return false;
	}
	return true;
}

static bool start(struct translate_bench *b)
{
	struct viommu_device_config config = VIOMMU_DEVICE_CONFIG_INIT;
	struct viommu_endpoint_config endpoint_config = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct viommu_endpoint *endpoint;
	size_t len;

	if (viommu_device_mem_size(&config, &len) != VIOMMU_OK)
		return false;
	/* Dense mappings share nodes, 16 to one; the nodes above them are fewer than those. */
	len += (b->mappings / 4 + 64) * VIOMMU_MAP_NODE_SIZE;
	b->mem = malloc(len);
	endpoint_config.id = ENDPOINT;
	if (b->mem == NULL || viommu_device_init(&b->dev, &config, b->mem, len) != VIOMMU_OK ||
	    viommu_device_add_endpoint(&b->dev, &endpoint_config, &endpoint) != VIOMMU_OK ||
	    viommu_device_negotiate(&b->dev, VIOMMU_DEVICE_FEATURES) != VIOMMU_OK)
		return false;
	viommu_access_init(&b->access, &b->dev, endpoint);
	return map_all(b);
}

static void translate_teardown(void *state)
{
	struct translate_bench *b = state;

	free(b->mem);
	free(b);
}

static void *translate_setup(uint32_t mappings)
{
	struct translate_bench *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->mappings = mappings;
	b->random = 1;
	if (start(b))
		return b;
	translate_teardown(b);
	return NULL;
}

/* One translation, and a check that its answer is right. */
static inline bool translate_one(struct translate_bench *b)
{
	struct viommu_translation t;
	uint64_t page;

	b->random = b->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	page = ((b->random >> 32) * b->mappings) >> 32;
	if (viommu_access_translate(&b->access, IOVA_BASE + page * GRANULE, 8, VIOMMU_ACCESS_READ, &t) != VIOMMU_OK ||
	    t.gpa != GPA_BASE + page * GRANULE)
		return false;
	b->random += t.gpa >> 63; /* 0, but not before the answer is there */
	return true;
}

/* Many translations in one section: a queue's worth of descriptors. */
static bool translate_run(void *state, uint64_t iterations)
{
	struct translate_bench *b = state;
	struct viommu_access_token token;
	bool ok = true;

	if (viommu_access_begin(&b->access, &token) != VIOMMU_OK)
		return false;
	while (iterations-- > 0 && ok)
		ok = translate_one(b);
	viommu_access_end(&b->access, token);
	return ok;
}

/* A section for each: a single DMA. */
static bool section_run(void *state, uint64_t iterations)
{
	struct translate_bench *b = state;
	struct viommu_access_token token;
	bool ok = true;

	while (iterations-- > 0 && ok) {
		if (viommu_access_begin(&b->access, &token) != VIOMMU_OK)
			return false;
		ok = translate_one(b);
		viommu_access_end(&b->access, token);
	}
	return ok;
}

const struct bench_case bench_translate_cases[] = {
	{ .name = "translate",
	  .args = { 100, 10000, 1000000 },
	  .setup = translate_setup,
	  .run = translate_run,
	  .teardown = translate_teardown },
	{ .name = "section_translate",
	  .args = { 100, 10000, 1000000 },
	  .setup = translate_setup,
	  .run = section_run,
	  .teardown = translate_teardown },
	{ .name = NULL },
};
