/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_driver_counts.c: what many threads on one driver cost each other, in numbers that do not depend on a clock: kicks
 * for a request, operations of the queue while the lock is held, and rounds of waiting while somebody else never stops
 * posting. The queues are seam B's: arrays, and a device that answers what it is let answer, the oldest first.
 *
 * There is one thread. The other one is in the hooks: it runs where a second processor could, when the lock is free.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <viommu/driver.h>

#include "suite.h"

#define PAGE UINT64_C(0x1000)
#define SLOTS 64u
#define BATCH 32u
#define ROUNDS 100u
#define BUS UINT64_C(0x100000)

struct board {
	struct viommu_driver drv;
	struct viommu_shared_memory shared;
	/* The queue: added and answered are free-running. */
	struct {
		void *token;
		uint8_t *tail;
	} chains[SLOTS];
	uint32_t added;
	uint32_t visible;
	uint32_t answered;
	uint32_t popped;
	uint32_t pace; /* requests that the device answers in a round */
	/* What is counted. */
	uint32_t requests;
	uint32_t kicks;
	uint32_t rounds;
	uint32_t hold; /* operations since the lock was taken */
	uint32_t longest;
	bool locked;
	/* Whoever else there is. */
	void (*other)(struct board *b);
	bool other_runs;
	struct viommu_driver_domain domains[2];
	struct viommu_driver_endpoint endpoints[2];
	struct viommu_driver_domain *flooded; /* by the other one */
	viommu_iova next;                     /* and where */
};

static struct board board;
static uint8_t shared_memory[64 * 1024] __attribute__((aligned(64)));
static uint8_t private_memory[64 * 1024];

/* The queue and the device */

static enum viommu_result queue_add(void *ctx, uint32_t queue, const struct viommu_bus_segment *segments,
				    uint32_t readable, uint32_t writable, void *token)
{
	struct board *b = ctx;
	const struct viommu_bus_segment *last = &segments[readable + writable - 1];

	b->hold++;
	if (queue == VIOMMU_QUEUE_EVENT)
		return VIOMMU_OK;
	assert_in_range(b->added - b->popped, 0, SLOTS - 1);
	b->chains[b->added % SLOTS].token = token;
	b->chains[b->added % SLOTS].tail = (uint8_t *)b->shared.base + (last->addr - b->shared.addr) + last->len - 4;
	b->added++;
	b->requests++;
	return VIOMMU_OK;
}

static bool queue_publish(void *ctx, uint32_t queue)
{
	struct board *b = ctx;
	bool any = queue == VIOMMU_QUEUE_REQUEST && b->visible != b->added;

	b->hold++;
	if (any)
		b->visible = b->added;
	return any;
}

static void queue_kick(void *ctx, uint32_t queue)
{
	struct board *b = ctx;

	(void)queue;
	assert_false(b->locked);
	b->kicks++;
}

static enum viommu_result queue_pop(void *ctx, uint32_t queue, void **token, uint32_t *written)
{
	struct board *b = ctx;

	b->hold++;
	if (queue == VIOMMU_QUEUE_EVENT || b->popped == b->answered)
		return VIOMMU_E_EMPTY;
	*token = b->chains[b->popped++ % SLOTS].token;
	*written = 4;
	return VIOMMU_OK;
}

static bool queue_arm(void *ctx, uint32_t queue)
{
	struct board *b = ctx;

	b->hold++;
	return queue == VIOMMU_QUEUE_REQUEST && b->popped != b->answered;
}

static const struct viommu_queue_ops queue_ops = {
	.size = sizeof queue_ops,
	.add = queue_add,
	.publish = queue_publish,
	.kick = queue_kick,
	.pop = queue_pop,
	.arm = queue_arm,
};

/* The hooks */

static void let_other_run(struct board *b)
{
	if (b->other == NULL || b->other_runs)
		return;
	b->other_runs = true;
	b->other(b);
	b->other_runs = false;
}

static enum viommu_result hook_wait(void *ctx, uint32_t attempt)
{
	struct board *b = ctx;

	assert_false(b->locked);
	if (attempt > 1000)
		return VIOMMU_E_TIMEOUT;
	b->rounds++;
	for (uint32_t i = 0; i < b->pace && b->answered != b->visible; i++)
		memset(b->chains[b->answered++ % SLOTS].tail, 0, 4);
	let_other_run(b);
	return VIOMMU_OK;
}

static void hook_lock(void *ctx)
{
	struct board *b = ctx;

	assert_false(b->locked);
	b->locked = true;
	b->hold = 0;
}

static void hook_unlock(void *ctx)
{
	struct board *b = ctx;

	b->locked = false;
	if (b->hold > b->longest)
		b->longest = b->hold;
}

static const struct viommu_driver_ops ops = {
	.size = sizeof ops, .wait = hook_wait, .lock = hook_lock, .unlock = hook_unlock
};

static void board_up(struct board *b, uint32_t pace)
{
	const struct viommu_wire_config space = { .page_size_mask = ~(PAGE - 1),
						  .input_range = { 0, UINT64_MAX },
						  .domain_last = UINT32_MAX };
	struct viommu_driver_config config = VIOMMU_DRIVER_CONFIG_INIT;
	uint8_t bytes[VIOMMU_WIRE_CONFIG_SIZE];
	size_t len;

	memset(b, 0, sizeof *b);
	b->pace = pace;
	b->shared = (struct viommu_shared_memory){ shared_memory, BUS, sizeof shared_memory };
	config.ops = &ops;
	config.ops_ctx = b;
	config.queue_size = SLOTS;
	assert_int_equal(viommu_driver_mem_size(&config, &len, &len), VIOMMU_OK);
	assert_int_equal(viommu_driver_init(&b->drv, &config, private_memory, sizeof private_memory, &b->shared),
			 VIOMMU_OK);
	viommu_wire_config_encode(&space, bytes);
	assert_int_equal(
		viommu_driver_start_queues(&b->drv, &queue_ops, b, VIOMMU_F_VERSION_1 | VIOMMU_F_MAP_UNMAP, bytes),
		VIOMMU_OK);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(viommu_driver_endpoint_init(&b->endpoints[i], &b->drv, i, NULL, 0), VIOMMU_OK);
		assert_int_equal(viommu_driver_domain_init(&b->domains[i], &b->drv, VIOMMU_DOMAIN_ANY, false),
				 VIOMMU_OK);
		assert_int_equal(viommu_driver_attach(&b->domains[i], &b->endpoints[i], NULL), VIOMMU_OK);
	}
	b->flooded = &b->domains[1];
	b->next = 1024 * PAGE;
	b->requests = 0;
	b->kicks = 0;
	b->rounds = 0;
	b->longest = 0;
}

static void board_down(struct board *b)
{
	b->other = NULL;
	assert_true(viommu_driver_check(&b->drv));
	assert_int_equal(viommu_driver_stop(&b->drv), VIOMMU_OK);
}

static void map_page(struct viommu_driver_domain *domain, viommu_iova iova)
{
	assert_int_equal(viommu_driver_map(domain, iova, iova + (PAGE - 1), iova, VIOMMU_MAP_F_READ), VIOMMU_OK);
}

static void unmap_page(struct viommu_driver_domain *domain, viommu_iova iova)
{
	assert_int_equal(viommu_driver_unmap(domain, iova, iova + (PAGE - 1)), VIOMMU_OK);
}

static void sync_domain(struct viommu_driver_domain *domain)
{
	assert_int_equal(viommu_driver_sync(domain, NULL), VIOMMU_OK);
}

/* Kicks */

static void test_driver_counts__strict__a_kick_for_each_request(void **state)
{
	struct board *b = &board;

	(void)state;
	board_up(b, SLOTS);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		map_page(b->domains, i * PAGE);
		sync_domain(b->domains);
		unmap_page(b->domains, i * PAGE);
		sync_domain(b->domains);
	}
	assert_int_equal(b->requests, 2 * ROUNDS);
	assert_int_equal(b->kicks, b->requests);
	board_down(b);
}

/* Both halves of a pair in one batch: at most one kick for 16 requests is asked for. */
static void test_driver_counts__batches_of_32__a_kick_for_32_requests(void **state)
{
	struct board *b = &board;

	(void)state;
	board_up(b, SLOTS);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		for (uint32_t i = 0; i < BATCH; i++)
			map_page(b->domains, i * PAGE);
		sync_domain(b->domains);
		for (uint32_t i = 0; i < BATCH; i++)
			unmap_page(b->domains, i * PAGE);
		sync_domain(b->domains);
	}
	assert_int_equal(b->requests, 2 * BATCH * ROUNDS);
	assert_in_range(b->kicks, 1, b->requests / 16);
	assert_int_equal(b->kicks, b->requests / BATCH);
	assert_int_equal(b->kicks, viommu_driver_get_stats(&b->drv)->kicks - 2); /* and that of each ATTACH */
	board_down(b);
}

/* More than there are slots without a sync: each time that the queue is full it is one kick for all of it. */
static void test_driver_counts__never_synced__a_kick_for_a_full_queue(void **state)
{
	struct board *b = &board;

	(void)state;
	board_up(b, 1);
	for (uint32_t i = 0; i < 3 * SLOTS; i++)
		map_page(b->domains, i * PAGE);
	sync_domain(b->domains);
	assert_int_equal(b->kicks, 3);
	board_down(b);
}

/* The lock */

/* A look at each slot's answer, one look that finds nothing, publish, arm. */
static void test_driver_counts__queue_full_of_answers__lock_is_held_for_slots_and_three_operations(void **state)
{
	struct board *b = &board;

	(void)state;
	board_up(b, SLOTS);
	for (uint32_t i = 0; i < SLOTS; i++)
		map_page(b->domains, i * PAGE);
	assert_int_equal(b->longest, 1); /* to post is to add */
	sync_domain(b->domains);
	assert_in_range(b->longest, SLOTS, SLOTS + 3);
	board_down(b);
}

/* However long the device takes: the lock is never held while somebody waits for it. */
static void test_driver_counts__slow_device__lock_is_held_for_one_round(void **state)
{
	struct board *b = &board;

	(void)state;
	board_up(b, 1);
	for (uint32_t i = 0; i < SLOTS; i++)
		map_page(b->domains, i * PAGE);
	sync_domain(b->domains);
	assert_in_range(b->rounds, SLOTS, 2 * SLOTS);
	assert_in_range(b->longest, 1, 4); /* an answer, none, publish, arm */
	board_down(b);
}

/* A flood */

/* Takes each slot that is free, and has the device see it at once. */
static void flood(struct board *b)
{
	while (b->drv.free_slots != NULL && b->added - b->popped < SLOTS) {
		map_page(b->flooded, b->next);
		b->next += PAGE;
		if ((b->next & (64 * PAGE - 1)) == 0)
			b->next += 64 * PAGE; /* keeps one node for many */
	}
	b->visible = b->added;
}

/* What was posted before the sync counts, and nothing after it. */
static void test_driver_counts__other_thread_floods__sync_waits_for_its_own(void **state)
{
	struct board *b = &board;

	(void)state;
	board_up(b, 1);
	for (uint32_t i = 0; i < 8; i++)
		map_page(b->domains, i * PAGE);
	b->other = flood;
	sync_domain(b->domains);
	assert_true(b->domains[0].oldest == NULL);
	assert_int_equal(b->rounds, 8);
	assert_in_range(b->requests, SLOTS, 2 * SLOTS); /* there was a flood */
	board_down(b);
}

/* The same in one domain: tickets tell what was there before the sync. */
static void test_driver_counts__other_thread_floods_same_domain__sync_waits_for_its_own(void **state)
{
	struct board *b = &board;

	(void)state;
	board_up(b, 1);
	for (uint32_t i = 0; i < 8; i++)
		map_page(b->domains, i * PAGE);
	b->flooded = b->domains;
	b->other = flood;
	sync_domain(b->domains);
	assert_non_null(b->domains[0].oldest);
	assert_int_equal(b->rounds, 8);
	board_down(b);
}

/* With a full queue in front of it: that many more, and no more. */
static void test_driver_counts__flood_before_and_after__sync_waits_for_what_is_in_front(void **state)
{
	struct board *b = &board;

	(void)state;
	board_up(b, 1);
	for (uint32_t i = 0; i < SLOTS - 4; i++)
		map_page(&b->domains[1], i * PAGE);
	for (uint32_t i = 0; i < 4; i++)
		map_page(b->domains, i * PAGE);
	b->other = flood;
	sync_domain(b->domains);
	assert_int_equal(b->rounds, SLOTS);
	board_down(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_counts__strict__a_kick_for_each_request),
		cmocka_unit_test(test_driver_counts__batches_of_32__a_kick_for_32_requests),
		cmocka_unit_test(test_driver_counts__never_synced__a_kick_for_a_full_queue),
		cmocka_unit_test(
			test_driver_counts__queue_full_of_answers__lock_is_held_for_slots_and_three_operations),
		cmocka_unit_test(test_driver_counts__slow_device__lock_is_held_for_one_round),
		cmocka_unit_test(test_driver_counts__other_thread_floods__sync_waits_for_its_own),
		cmocka_unit_test(test_driver_counts__other_thread_floods_same_domain__sync_waits_for_its_own),
		cmocka_unit_test(test_driver_counts__flood_before_and_after__sync_waits_for_what_is_in_front),
	};

	return suite_run(tests);
}
