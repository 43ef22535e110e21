/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rings_check.c: what is compared does the same: every pair carries requests in each form, further than the indices go,
 * in one thread and in two; and those that claim to check refuse what is not right. "unchecked" does not claim to.
 */
#include "split.h"
#include "trips.h"

#include <stdio.h>

#define FEATURES (VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX)

static const char *name;
static int failures;

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", name, what);
	failures++;
}

static void check_trips(const struct bench_ring_pair *pair, uint64_t features)
{
	struct bench_trips t;

	check(bench_trips_init(&t, pair, features, 1), "start");
	check(bench_trips_run(&t, 70000), "one at a time");
	bench_trips_deinit(&t);
	check(bench_trips_init(&t, pair, features, BENCH_RING_BATCH_MAX), "start");
	check(bench_trips_run(&t, 3000), "in batches");
	check(bench_trips_run_threads(&t, 100), "in two threads");
	check(bench_trips_run(&t, 10), "after the thread");
	bench_trips_deinit(&t);
}

/* A chain that no honest driver posts: the first descriptors. */
struct bad_chain {
	const char *what;
	struct split_desc desc[3];
};

#define MEMORY UINT64_C(0x100000000)
#define REQUEST (MEMORY + 0x4000) /* in tables that nobody uses here */
#define TAIL (REQUEST + BENCH_RING_REQUEST)
#define TABLE (REQUEST + 64)
#define NOWHERE (MEMORY >> 1)

static const struct bad_chain bad_chains[] = {
	{ "memory that does not exist", { { NOWHERE, 36, SPLIT_NEXT, 1 }, { TAIL, 4, SPLIT_WRITE, 0 } } },
	{ "memory behind the end", { { REQUEST, 1 << 30, SPLIT_NEXT, 1 }, { TAIL, 4, SPLIT_WRITE, 0 } } },
	{ "a circle", { { REQUEST, 36, SPLIT_NEXT, 1 }, { TAIL, 4, SPLIT_WRITE | SPLIT_NEXT, 1 } } },
	{ "next out of range", { { REQUEST, 36, SPLIT_NEXT, BENCH_RING_SIZE } } },
	{ "readable behind writable",
	  { { REQUEST, 36, SPLIT_NEXT, 1 }, { TAIL, 4, SPLIT_WRITE | SPLIT_NEXT, 2 }, { REQUEST, 4, 0, 0 } } },
	{ "a table of no length", { { TABLE, 0, SPLIT_INDIRECT, 0 } } },
	{ "a table cut in the middle", { { TABLE, 40, SPLIT_INDIRECT, 0 } } },
	{ "a table shorter than its chain", { { TABLE, 16, SPLIT_INDIRECT, 0 } } },
	{ "a table outside of memory", { { NOWHERE, 32, SPLIT_INDIRECT, 0 } } },
	{ "a table in itself", { { MEMORY, 16, SPLIT_INDIRECT, 0 } } },
};

static const struct bad_chain good_chain = { "a good chain", { { TABLE, 32, SPLIT_INDIRECT, 0 } } };

static void put(const struct bench_trips *t, uint64_t addr, struct split_desc d)
{
	struct split_desc raw = { viommu_port_le64(d.addr), viommu_port_le32(d.len), viommu_port_le16(d.flags),
				  viommu_port_le16(d.next) };

	memcpy(split_host(&t->memory, addr, sizeof raw), &raw, sizeof raw);
}

/* What was written for a chain. It would be the whole tail if the device looked away: the rest is as it should be. */
static uint32_t written_for(const struct bench_ring_pair *pair, const struct bad_chain *chain)
{
	struct bench_trips t;
	struct split_avail *avail;
	const struct split_used *used;
	uint32_t written;
	bool interrupt;

	check(bench_trips_init(&t, pair, FEATURES, 1), "start");
	avail = (void *)split_host(&t.memory, t.layout.avail, 1);
	used = (void *)split_host(&t.memory, t.layout.used, 1);
	memcpy(split_host(&t.memory, REQUEST, sizeof t.request), t.request, sizeof t.request);
	for (uint32_t i = 0; i < 3; i++)
		put(&t, MEMORY + 16 * i, chain->desc[i]);
	put(&t, MEMORY + 16 * BENCH_RING_SIZE, (struct split_desc){ TAIL, 4, SPLIT_WRITE, 0 });
	put(&t, TABLE, (struct split_desc){ REQUEST, 36, SPLIT_NEXT, 1 });
	put(&t, TABLE + 16, (struct split_desc){ TAIL, 4, SPLIT_WRITE, 0 });
	viommu_port_store16(&avail->idx, 1);
	check(pair->device->serve(t.device, &interrupt) == 1 && viommu_port_load16(&used->idx) == 1, chain->what);
	written = viommu_port_load32(&used->ring[0].len);
	bench_trips_deinit(&t);
	return written;
}

/* A head that cannot be, or an index that is too far ahead: then the device takes no more. */
static void check_broken(const struct bench_ring_pair *pair, uint16_t head, uint16_t index)
{
	struct bench_trips t;
	struct split_avail *avail;
	bool interrupt;

	check(bench_trips_init(&t, pair, FEATURES, 1), "start");
	avail = (void *)split_host(&t.memory, t.layout.avail, 1);
	viommu_port_store16(&avail->ring[0], head);
	viommu_port_store16(&avail->idx, index);
	check(pair->device->serve(t.device, &interrupt) == 0, "available ring that cannot be");
	bench_trips_deinit(&t);
}

static void check_driver(const struct bench_ring_pair *pair, uint32_t id)
{
	struct viommu_bus_segment piece = { REQUEST, 4 };
	struct bench_trips t;
	struct split_used *used;
	uint32_t written;
	void *token;

	check(bench_trips_init(&t, pair, FEATURES, 1), "start");
	used = (void *)split_host(&t.memory, t.layout.used, 1);
	check(pair->driver->add(t.driver, &piece, 1, 0, &t) == VIOMMU_OK, "add");
	(void)pair->driver->publish(t.driver);
	viommu_port_store32(&used->ring[0].id, id);
	viommu_port_store16(&used->idx, 1);
	check(pair->driver->pop(t.driver, &token, &written) != VIOMMU_OK, "used entry that cannot be");
	bench_trips_deinit(&t);
}

int main(void)
{
	for (const struct bench_ring_pair *pair = bench_ring_pairs; pair->name != NULL; pair++) {
		name = pair->name;
		check_trips(pair, 0);
		check_trips(pair, VIOMMU_F_INDIRECT_DESC);
		check_trips(pair, VIOMMU_F_EVENT_IDX);
		check_trips(pair, FEATURES);
		if (!pair->checks)
			continue;
		for (size_t i = 0; i < sizeof bad_chains / sizeof bad_chains[0]; i++)
			check(written_for(pair, &bad_chains[i]) == 0, bad_chains[i].what);
		check(written_for(pair, &good_chain) == BENCH_RING_TAIL, good_chain.what);
		check_broken(pair, BENCH_RING_SIZE, 1);
		check_broken(pair, 0, BENCH_RING_SIZE + 1);
		check_driver(pair, 1);
		check_driver(pair, BENCH_RING_SIZE);
	}
	return failures != 0;
}
