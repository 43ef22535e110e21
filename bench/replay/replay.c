/* SPDX-License-Identifier: BSD-3-Clause */
#include "replay.h"

#include "map_over.h"

#include <viommu/access.h>
#include <viommu/device.h>

#include <stdlib.h>
#include <string.h>

#define REPLY_MAX 1024u

struct replay {
	const struct bench_replay_steps *steps;
	const struct bench_structure *structure;
	struct viommu_device dev;
	struct viommu_request request;
	struct viommu_access *access; /* for each endpoint */
	void *mem;
};

/* Which of the maps is meant, where there is a choice. */
static void choose(const struct replay *r)
{
#ifdef BENCH_REPLAY_OVER
	bench_map_over(r->structure);
#else
	(void)r;
#endif
}

static void reset(void *replay)
{
	struct replay *r = replay;

	choose(r);
	viommu_device_reset(&r->dev);
	(void)viommu_device_process(&r->dev, UINT32_MAX);
	if (viommu_device_negotiate(&r->dev, VIOMMU_DEVICE_FEATURES) != VIOMMU_OK)
		abort();
}

static void close_replay(void *replay)
{
	struct replay *r = replay;

	reset(r);
	free(r->access);
	free(r->mem);
	free(r);
}

static bool start(struct replay *r)
{
	struct viommu_device_config config = VIOMMU_DEVICE_CONFIG_INIT;
	struct viommu_endpoint_config endpoint_config = VIOMMU_ENDPOINT_CONFIG_INIT;
	const struct bench_replay_steps *steps = r->steps;
	size_t len;

	config.max_endpoints = steps->endpoint_count;
	if (viommu_device_mem_size(&config, &len) != VIOMMU_OK)
		return false;
	len += (size_t)steps->nodes * VIOMMU_MAP_NODE_SIZE;
	r->mem = malloc(len);
	r->access = calloc(steps->endpoint_count, sizeof(*r->access));
	if (r->mem == NULL || r->access == NULL || viommu_device_init(&r->dev, &config, r->mem, len) != VIOMMU_OK)
		return false;
	for (uint32_t i = 0; i < steps->endpoint_count; i++) {
		struct viommu_endpoint *endpoint;

		endpoint_config.id = steps->endpoints[i];
		if (viommu_device_add_endpoint(&r->dev, &endpoint_config, &endpoint) != VIOMMU_OK)
			return false;
		viommu_access_init(&r->access[i], &r->dev, endpoint);
	}
	return true;
}

static void *open_replay(const struct bench_replay_steps *steps, const struct bench_structure *structure)
{
	struct replay *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->steps = steps;
	r->structure = structure;
	if (start(r))
		return r;
	free(r->access);
	free(r->mem);
	free(r);
	return NULL;
}

static bool submit(struct replay *r, const struct bench_replay_step *step)
{
	uint8_t reply[REPLY_MAX];
	struct viommu_segment readable = { .base = (uint8_t *)step->request, .len = step->request_len };
	struct viommu_segment writable = { .base = reply, .len = step->written };
	struct viommu_request *request = &r->request;

	request->readable = &readable;
	request->readable_count = 1;
	request->writable = &writable;
	request->writable_count = 1;
	reply[step->written - VIOMMU_WIRE_TAIL_SIZE] = 0xff;
	if (viommu_device_submit(&r->dev, request) != VIOMMU_OK || request->state != VIOMMU_REQUEST_DONE)
		return false;
	(void)viommu_device_process(&r->dev, UINT32_MAX); /* as in structures/viommu.c: nothing is left for later */
	return request->written == step->written && reply[step->written - VIOMMU_WIRE_TAIL_SIZE] == VIOMMU_S_OK;
}

/* A section for each lookup, as for a DMA of one piece. */
static bool look_up(struct replay *r, const struct bench_replay_step *step)
{
	struct viommu_access *access = &r->access[step->endpoint];
	struct viommu_access_token token;
	struct viommu_translation t;
	bool ok;

	if (viommu_access_begin(access, &token) != VIOMMU_OK)
		return false;
	ok = viommu_access_translate(access, step->iova, 1, step->access, &t) == VIOMMU_OK && t.gpa == step->gpa;
	viommu_access_end(access, token);
	return ok;
}

static bool run(void *replay)
{
	struct replay *r = replay;

	choose(r);
	for (uint32_t i = 0; i < r->steps->count; i++) {
		const struct bench_replay_step *step = &r->steps->steps[i];

		if (!(step->access != 0 ? look_up(r, step) : submit(r, step)))
			return false;
	}
	return true;
}

#ifdef BENCH_REPLAY_OVER
const struct bench_replay_ops bench_replay_over = { open_replay, close_replay, reset, run };
#else
const struct bench_replay_ops bench_replay = { open_replay, close_replay, reset, run };
#endif
