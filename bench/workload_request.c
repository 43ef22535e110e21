/* SPDX-License-Identifier: BSD-3-Clause */
/* workload_request.c: the structures behind requests and translations. README.md says what each workload is. */
#include "beside.h"
#include "pages.h"
#include "service.h"
#include "workload.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Pages that a second thread maps and unmaps, behind those of the others. */
#define OWNER_PAGES 64u

/* Pages that are mapped one after the other for a moment, in the same place. */
#define DMA_PAGES 4096u

struct request_state {
	struct bench_service service;
	struct bench_pages pages;
	struct viommu_access_cache cache; /* for the library's device, in some workloads */
	uint32_t hot;
	uint32_t next; /* of the ring */
	uint64_t zero; /* as in workload_map.c */
	pthread_t owner;
	pthread_mutex_t lock; /* around what cannot do without */
	atomic_bool over;
	bool failed;
};

static void request_teardown(void *state)
{
	struct request_state *s = state;

	bench_service_deinit(&s->service);
	bench_pages_deinit(&s->pages);
	free(s);
}

/* A service with half of 2n pages mapped, in random order. */
static void *request_setup(const struct bench_structure *structure, uint32_t n, struct bench_facts *facts)
{
	struct request_state *s = calloc(1, sizeof(*s));

	(void)facts;
	if (s == NULL || !bench_pages_init(&s->pages, n)) {
		free(s);
		return NULL;
	}
	if (bench_service_init(&s->service, structure, s->pages.live, n))
		return s;
	request_teardown(s);
	return NULL;
}

static void *ring_setup(const struct bench_structure *structure, uint32_t n, struct bench_facts *facts)
{
	struct request_state *s = request_setup(structure, n, facts);

	if (s == NULL || bench_service_add_ring(&s->service))
		return s;
	request_teardown(s);
	return NULL;
}

/* The same pages as churn-pair, so that the difference is the request. */
static bool request_run(void *state, uint64_t iterations)
{
	struct request_state *s = state;

	while (iterations-- > 0) {
		uint32_t out;
		uint32_t in;

		bench_pages_swap(&s->pages, &out, &in);
		if (!bench_service_unmap(&s->service, out) || !bench_service_map(&s->service, in))
			return false;
	}
	return true;
}

static bool ring_run(void *state, uint64_t iterations)
{
	struct request_state *s = state;

	while (iterations-- > 0) {
		uint32_t out;
		uint32_t in;

		bench_pages_swap(&s->pages, &out, &in);
		if (!bench_service_ring_unmap(&s->service, out) || !bench_service_ring_map(&s->service, in))
			return false;
	}
	return true;
}

/* The hot pages are any 64 of those that are mapped. */
static void *translate_setup(const struct bench_structure *structure, uint32_t n, struct bench_facts *facts)
{
	struct request_state *s = request_setup(structure, n, facts);

	if (s != NULL)
		s->hot = n > BENCH_HOT ? bench_below(&s->pages.random, n - BENCH_HOT) : 0;
	return s;
}

static void *cached_setup(const struct bench_structure *structure, uint32_t n, struct bench_facts *facts)
{
	struct request_state *s = translate_setup(structure, n, facts);

	if (s != NULL && s->service.map == NULL)
		viommu_access_set_cache(&s->service.access, &s->cache);
	return s;
}

static inline uint32_t hot_page(struct request_state *s)
{
	const uint32_t hot = s->pages.n < BENCH_HOT ? s->pages.n : BENCH_HOT;

	return s->pages.live[s->hot + bench_below(&s->pages.random, hot)];
}

/* As the endpoint's DMA does it: permission checked, and told how far it goes on. A section for so many of them. */
static bool translate_by_access(struct request_state *s, uint64_t iterations, uint32_t section)
{
	struct viommu_access *access = &s->service.access;
	struct viommu_access_token token;
	struct viommu_translation t;
	bool ok = true;

	while (iterations > 0 && ok) {
		if (viommu_access_begin(access, &token) != VIOMMU_OK)
			return false;
		for (uint32_t i = 0; i < section && iterations > 0 && ok; i++, iterations--) {
			const uint32_t page = hot_page(s);

			ok = viommu_access_translate(access, bench_iova(page) + s->zero, 8, VIOMMU_ACCESS_READ, &t) ==
				     VIOMMU_OK &&
			     t.gpa == bench_phys(page);
			s->zero = t.gpa >> 63;
		}
		viommu_access_end(access, token);
	}
	return ok;
}

static bool translate_one(struct request_state *s)
{
	const uint32_t page = hot_page(s);
	uint64_t phys;
	uint32_t flags;

	if (!s->service.structure->lookup(s->service.map, bench_iova(page) + s->zero, &phys, &flags) ||
	    phys != bench_phys(page) || (flags & VIOMMU_MAP_F_READ) == 0)
		return false;
	s->zero = phys >> 63;
	return true;
}

static bool translate_run(void *state, uint64_t iterations)
{
	struct request_state *s = state;
	bool ok = true;

	if (s->service.map == NULL)
		return translate_by_access(s, iterations, BENCH_HOT);
	while (iterations-- > 0 && ok)
		ok = translate_one(s);
	return ok;
}

static bool section_run(void *state, uint64_t iterations)
{
	struct request_state *s = state;

	return s->service.map == NULL ? translate_by_access(s, iterations, 1) : translate_run(state, iterations);
}

/* Where page leads, by a section of its own. */
static bool translate_page(struct request_state *s, uint32_t page)
{
	struct viommu_access_token token;
	struct viommu_translation t;
	uint64_t phys;
	uint32_t flags;
	bool ok;

	if (s->service.map != NULL) {
		ok = s->service.structure->lookup(s->service.map, bench_iova(page) + s->zero, &phys, &flags) &&
		     (flags & VIOMMU_MAP_F_READ) != 0;
	} else {
		if (viommu_access_begin(&s->service.access, &token) != VIOMMU_OK)
			return false;
		ok = viommu_access_translate(&s->service.access, bench_iova(page) + s->zero, 8, VIOMMU_ACCESS_READ,
					     &t) == VIOMMU_OK;
		phys = t.gpa;
		viommu_access_end(&s->service.access, token);
	}
	s->zero = phys >> 63;
	return ok && phys == bench_phys(page);
}

/* Buffers that are mapped, used four times and unmapped, and what is used in between: the rings, say. */
static bool dma_run(void *state, uint64_t iterations)
{
	struct request_state *s = state;
	bool ok = true;

	while (iterations-- > 0 && ok) {
		const uint32_t page = 2 * s->pages.n + s->next++ % DMA_PAGES;

		ok = bench_service_map(&s->service, page);
		for (uint32_t i = 0; i < 4 && ok; i++)
			ok = translate_page(s, page) && translate_page(s, s->pages.live[s->hot + i]);
		ok = ok && bench_service_unmap(&s->service, page);
	}
	return ok;
}

/* The library's device needs no lock, the others do. */
static bool beside_run(void *state, uint64_t iterations)
{
	struct request_state *s = state;
	bool ok = true;

	if (s->service.map == NULL)
		return translate_by_access(s, iterations, 1);
	while (iterations-- > 0 && ok) {
		pthread_mutex_lock(&s->lock);
		ok = translate_one(s);
		pthread_mutex_unlock(&s->lock);
	}
	return ok;
}

static void *own(void *arg)
{
	struct request_state *s = arg;
	const bool locks = s->service.map != NULL;

	s->failed = false;
	for (uint32_t i = 0; !atomic_load_explicit(&s->over, memory_order_relaxed); i++) {
		const uint32_t page = 2 * s->pages.n + i % OWNER_PAGES;

		if (locks)
			pthread_mutex_lock(&s->lock);
		if (!bench_service_map(&s->service, page) || !bench_service_unmap(&s->service, page))
			s->failed = true;
		if (locks)
			pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

static bool owner_start(void *state)
{
	struct request_state *s = state;

	atomic_store(&s->over, false);
	return pthread_mutex_init(&s->lock, NULL) == 0 && bench_beside_start(&s->owner, own, s);
}

static bool owner_stop(void *state)
{
	struct request_state *s = state;

	atomic_store(&s->over, true);
	return pthread_join(s->owner, NULL) == 0 && pthread_mutex_destroy(&s->lock) == 0 && !s->failed;
}

const struct bench_workload bench_request_workloads[] = {
	{ .name = "request-map-unmap", .setup = request_setup, .run = request_run, .teardown = request_teardown },
	{ .name = "ring-roundtrip", .setup = ring_setup, .run = ring_run, .teardown = request_teardown },
	{ .name = "translate-hot", .setup = translate_setup, .run = translate_run, .teardown = request_teardown },
	{ .name = "translate-cached", .setup = cached_setup, .run = translate_run, .teardown = request_teardown },
	{ .name = "translate-section", .setup = translate_setup, .run = section_run, .teardown = request_teardown },
	{ .name = "translate-beside-owner",
	  .setup = translate_setup,
	  .start = owner_start,
	  .run = beside_run,
	  .stop = owner_stop,
	  .teardown = request_teardown,
	  .waits = true },
	{ .name = "translate-cached-beside-owner",
	  .setup = cached_setup,
	  .start = owner_start,
	  .run = beside_run,
	  .stop = owner_stop,
	  .teardown = request_teardown,
	  .waits = true },
	{ .name = "dma-cycle", .setup = translate_setup, .run = dma_run, .teardown = request_teardown },
	{ .name = "dma-cycle-cached", .setup = cached_setup, .run = dma_run, .teardown = request_teardown },
	{ .name = NULL },
};
