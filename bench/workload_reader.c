/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * workload_reader.c: lookups in one thread, alone and while another one maps and unmaps as fast as it can. README.md
 * says what each workload is.
 */
#include "beside.h"
#include "pages.h"
#include "workload.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Even pages stay mapped: the reader asks for these. Odd ones come and go. */
struct reader_state {
	const struct bench_structure *structure;
	void *map;
	uint32_t n;
	struct sim_random random;
	uint64_t zero;        /* 0, but not before the last answer is there */
	pthread_mutex_t lock; /* of structures that have no readers of their own */

	/* The writer's */
	uint8_t *mapped; /* of the n odd pages */
	struct sim_random writer_random;
	pthread_t writer;
	atomic_bool runs;
	atomic_bool ends;
	bool failed;
};

static bool map_page(struct reader_state *s, uint32_t page)
{
	const uint64_t first = bench_iova(page);

	return s->structure->map(s->map, first, first + (BENCH_PAGE - 1), bench_phys(page), BENCH_FLAGS);
}

static bool toggle_page(struct reader_state *s)
{
	const struct bench_structure *structure = s->structure;
	const uint32_t i = bench_below(&s->writer_random, s->n);
	const uint64_t first = bench_iova(2 * i + 1);
	const bool mapped = s->mapped[i];

	s->mapped[i] = !mapped;
	if (!mapped)
		return map_page(s, 2 * i + 1);
	return (structure->unmap_beside != NULL ? structure->unmap_beside : structure->unmap)(s->map, first,
											      first + (BENCH_PAGE - 1));
}

static bool write_once(struct reader_state *s)
{
	bool ok;

	if (s->structure->lookup_beside != NULL)
		return toggle_page(s);
	pthread_mutex_lock(&s->lock);
	ok = toggle_page(s);
	pthread_mutex_unlock(&s->lock);
	return ok;
}

static bool read_once(struct reader_state *s, uint64_t iova, uint64_t *phys, uint32_t *flags)
{
	bool found;

	if (s->structure->lookup_beside != NULL)
		return s->structure->lookup_beside(s->map, iova, phys, flags);
	pthread_mutex_lock(&s->lock);
	found = s->structure->lookup(s->map, iova, phys, flags);
	pthread_mutex_unlock(&s->lock);
	return found;
}

static void *write_on(void *state)
{
	struct reader_state *s = state;

	do {
		s->failed = !write_once(s) || s->failed;
		atomic_store_explicit(&s->runs, true, memory_order_relaxed);
	} while (!atomic_load_explicit(&s->ends, memory_order_relaxed));
	return NULL;
}

static void reader_teardown(void *state)
{
	struct reader_state *s = state;

	if (s->map != NULL)
		s->structure->close(s->map);
	pthread_mutex_destroy(&s->lock);
	free(s->mapped);
	free(s);
}

static void *reader_setup(const struct bench_structure *structure, uint32_t n, struct bench_facts *facts)
{
	struct reader_state *s = calloc(1, sizeof(*s));
	bool ok;

	(void)facts;
	if (s == NULL || pthread_mutex_init(&s->lock, NULL) != 0) {
		free(s);
		return NULL;
	}
	s->structure = structure;
	s->n = n;
	s->random.state = BENCH_SEED;
	s->writer_random.state = BENCH_SEED + 1;
	s->mapped = calloc(n, sizeof(*s->mapped));
	s->map = structure->open(2 * n);
	ok = s->mapped != NULL;
	for (uint32_t i = 0; ok && i < n; i++) {
		ok = map_page(s, 2 * i);
		if (ok && i % 2 != 0) { /* half of those that come and go, as it will be on average */
			s->mapped[i] = true;
			ok = map_page(s, 2 * i + 1);
		}
	}
	if (ok)
		return s;
	reader_teardown(s);
	return NULL;
}

/* The next address depends on the last answer. */
static bool read_pages(void *state, uint64_t iterations)
{
	struct reader_state *s = state;

	while (iterations-- > 0) {
		const uint32_t page = 2 * bench_below(&s->random, s->n);
		uint64_t phys;
		uint32_t flags;

		if (!read_once(s, bench_iova(page) + s->zero, &phys, &flags) || phys != bench_phys(page) ||
		    flags != BENCH_FLAGS)
			return false;
		s->zero = phys >> 63;
	}
	return true;
}

static bool start_writer(void *state)
{
	struct reader_state *s = state;

	s->ends = false;
	s->runs = false;
	if (!bench_beside_start(&s->writer, write_on, s))
		return false;
	while (!s->runs)
		sched_yield();
	return true;
}

static bool stop_writer(void *state)
{
	struct reader_state *s = state;

	s->ends = true;
	return pthread_join(s->writer, NULL) == 0 && !s->failed;
}

const struct bench_workload bench_reader_workloads[] = {
	{ .name = "read-alone", .setup = reader_setup, .run = read_pages, .teardown = reader_teardown, .waits = true },
	{ .name = "read-beside-writer",
	  .setup = reader_setup,
	  .run = read_pages,
	  .teardown = reader_teardown,
	  .start = start_writer,
	  .stop = stop_writer,
	  .waits = true },
	{ .name = NULL },
};
