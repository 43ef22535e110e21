/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine.h"

#include <string.h>

#include "sim/env/env.h"

#define CHUNK 4096u

void sim_engine_init(struct sim_engine *engine, struct viommu_device *dev, struct viommu_endpoint *endpoint,
		     uint32_t id)
{
	memset(engine, 0, sizeof(*engine));
	engine->id = id;
	viommu_access_init(&engine->access, dev, endpoint);
	viommu_access_set_cache(&engine->access, &engine->cache);
}

void sim_engine_pattern(uint64_t seed, uint64_t offset, void *out, size_t len)
{
	uint8_t *bytes = out;

	for (size_t i = 0; i < len; i++) {
		uint64_t z = (seed ^ (offset + i)) * UINT64_C(0x9e3779b97f4a7c15);

		bytes[i] = (uint8_t)((z ^ (z >> 29)) >> 24);
	}
}

/* A section for one operation. */
static enum viommu_result begin(struct sim_engine *engine, struct viommu_access_token *token)
{
	sim_env_access();
	engine->moved = 0;
	return viommu_access_begin(&engine->access, token);
}

enum viommu_result sim_engine_read(struct sim_engine *engine, viommu_iova iova, void *dst, size_t len)
{
	struct viommu_access_token token;
	enum viommu_result r = begin(engine, &token);

	if (r != VIOMMU_OK)
		return r;
	r = viommu_access_read(&engine->access, iova, dst, len, &engine->moved);
	viommu_access_end(&engine->access, token);
	return r;
}

enum viommu_result sim_engine_write(struct sim_engine *engine, viommu_iova iova, const void *src, size_t len)
{
	struct viommu_access_token token;
	enum viommu_result r = begin(engine, &token);

	if (r != VIOMMU_OK)
		return r;
	r = viommu_access_write(&engine->access, iova, src, len, &engine->moved);
	viommu_access_end(&engine->access, token);
	return r;
}

/* What one of the long operations works on, and what it finds out. */
struct job {
	viommu_iova iova;
	uint64_t seed;    /* fill, verify */
	bool same;        /* verify, out */
};

/* Moves `len` bytes, at most a chunk, from `offset` on. *done: how many of them went through. */
typedef enum viommu_result (*move_chunk)(struct viommu_access *access, struct job *job, size_t offset, size_t len,
					 size_t *done);

/* All chunks in one section. */
static enum viommu_result move_all(struct sim_engine *engine, struct job *job, size_t len, move_chunk move)
{
	struct viommu_access_token token;
	enum viommu_result r = begin(engine, &token);

	if (r != VIOMMU_OK)
		return r;
	while (r == VIOMMU_OK && engine->moved < len) {
		size_t left = len - engine->moved;
		size_t done = 0;

		r = move(&engine->access, job, engine->moved, left < CHUNK ? left : CHUNK, &done);
		engine->moved += done;
	}
	viommu_access_end(&engine->access, token);
	return r;
}

static enum viommu_result fill_chunk(struct viommu_access *access, struct job *job, size_t offset, size_t len,
				     size_t *done)
{
	uint8_t chunk[CHUNK];

	sim_engine_pattern(job->seed, offset, chunk, len);
	return viommu_access_write(access, job->iova + offset, chunk, len, done);
}

enum viommu_result sim_engine_fill(struct sim_engine *engine, viommu_iova iova, size_t len, uint64_t seed)
{
	struct job job = { .iova = iova, .seed = seed };

	return move_all(engine, &job, len, fill_chunk);
}

static enum viommu_result verify_chunk(struct viommu_access *access, struct job *job, size_t offset, size_t len,
				       size_t *done)
{
	uint8_t chunk[CHUNK], expected[CHUNK];
	enum viommu_result r = viommu_access_read(access, job->iova + offset, chunk, len, done);

	sim_engine_pattern(job->seed, offset, expected, *done);
	if (memcmp(chunk, expected, *done) != 0)
		job->same = false;
	return r;
}

enum viommu_result sim_engine_verify(struct sim_engine *engine, viommu_iova iova, size_t len, uint64_t seed, bool *same)
{
	struct job job = { .iova = iova, .seed = seed, .same = true };
	enum viommu_result r = move_all(engine, &job, len, verify_chunk);

	*same = job.same;
	return r;
}

enum viommu_result sim_engine_copy(struct sim_engine *engine, viommu_iova to, viommu_iova from, size_t len)
{
	struct viommu_access_token token;
	enum viommu_result r = begin(engine, &token);

	if (r != VIOMMU_OK)
		return r;
	r = viommu_access_copy(&engine->access, to, from, len, &engine->moved);
	viommu_access_end(&engine->access, token);
	return r;
}

enum viommu_result sim_engine_translate(struct sim_engine *engine, viommu_iova iova, uint64_t len, uint32_t kind,
					struct viommu_translation *out)
{
	struct viommu_access_token token;
	enum viommu_result r = begin(engine, &token);

	if (r != VIOMMU_OK)
		return r;
	r = viommu_access_translate(&engine->access, iova, len, kind, out);
	viommu_access_end(&engine->access, token);
	return r;
}
