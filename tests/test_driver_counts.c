/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_driver_counts.c: what many threads on one driver cost each other, in numbers that do not depend on a clock: kicks
 * for a request, operations of the queue while the lock is held, and rounds of waiting while somebody else never stops
 * posting.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "driver_board.h"
#include "suite.h"

#define BATCH 32u
#define ROUNDS 100u

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
