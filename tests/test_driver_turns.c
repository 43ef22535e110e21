/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_driver_turns.c: who finds all slots taken gets one in turn, however many others want one; and whatever else
 * happens while it waits, no slot is lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <viommu/dma.h>

#include "../libviommu/driver/core.h"
#include "driver_board.h"
#include "suite.h"

/* All slots are taken, by the other thread's domain, and the device sees it. */
static struct board *board_full(uint32_t pace)
{
	struct board *b = &board;

	board_up(b, 1);
	flood(b);
	assert_null(b->drv.free_slots);
	b->pace = pace;
	b->rounds = 0;
	return b;
}

/* The device answers all that it sees, and every slot is free: none is held by anybody. */
static void all_free(struct board *b)
{
	uint32_t free = 0;

	b->other = NULL;
	b->pace = SLOTS;
	sync_domain(&b->domains[0]);
	(void)!viommu_driver_sync(&b->domains[1], NULL);
	for (const struct viommu_driver_slot *s = b->drv.free_slots; s != NULL; s = s->next)
		free++;
	assert_int_equal(free, SLOTS);
	assert_null(b->drv.waiters);
	board_down(b);
}

/* Turns */

static void test_driver_turns__other_thread_floods__map_gets_the_next_slot(void **state)
{
	struct board *b = board_full(1);

	(void)state;
	b->other = flood;
	map_page(b->domains, 0);
	assert_int_equal(b->rounds, 1);
	all_free(b);
}

static void test_driver_turns__other_thread_floods__unmap_gets_the_next_slot(void **state)
{
	struct board *b = &board;

	(void)state;
	board_up(b, 1);
	map_page(b->domains, 0);
	sync_domain(b->domains);
	flood(b);
	b->rounds = 0;
	b->other = flood;
	unmap_page(b->domains, 0);
	assert_int_equal(b->rounds, 1);
	all_free(b);
}

/* One round for a slot, and one for each request that was in front of it. */
static void test_driver_turns__other_thread_floods__detach_gets_the_next_slot(void **state)
{
	struct board *b = board_full(1);

	(void)state;
	b->other = flood;
	assert_int_equal(viommu_driver_detach(b->endpoints, NULL), VIOMMU_OK);
	assert_int_equal(b->rounds, SLOTS + 1);
	all_free(b);
}

/* A slot at a time, and for each of them all that is in front of its request. */
static void test_driver_turns__other_thread_floods__replay_has_its_share(void **state)
{
	struct board *b = &board;

	(void)state;
	board_up(b, 1);
	for (uint32_t i = 0; i < 4; i++)
		map_page(b->domains, i * PAGE);
	sync_domain(b->domains);
	assert_int_equal(viommu_driver_detach(b->endpoints, NULL), VIOMMU_OK);
	flood(b);
	b->rounds = 0;
	b->other = flood;
	assert_int_equal(viommu_driver_attach(b->domains, b->endpoints, NULL), VIOMMU_OK);
	assert_in_range(b->rounds, SLOTS, 5 * (SLOTS + 1)); /* ATTACH and four MAPs */
	all_free(b);
}

static void test_driver_turns__other_thread_floods__buffer_is_mapped(void **state)
{
	struct viommu_dma_config config = VIOMMU_DMA_CONFIG_INIT;
	struct viommu_dma_buffer buffer = { .phys = 0x5000, .len = 64 };
	struct board *b = board_full(1);
	struct viommu_driver_dma dma;

	(void)state;
	assert_int_equal(viommu_driver_dma_init(&dma, b->domains, &config), VIOMMU_OK);
	b->other = flood;
	assert_int_equal(viommu_driver_dma_map(&dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	assert_int_equal(b->rounds, SLOTS + 1);
	all_free(b);
}

/* Runs inside of the first one's wait, before anything is answered. */
static void come_second(struct board *b)
{
	b->other = NULL;
	b->pace = 1;
	map_page(b->domains, PAGE);
	assert_int_equal(b->rounds, 3); /* the first answer, in the second round, was for the first one */
}

static void test_driver_turns__two_wait__who_came_first_is_first(void **state)
{
	struct board *b = board_full(0);

	(void)state;
	b->other = come_second;
	map_page(b->domains, 0);
	assert_int_equal(b->rounds, 3);
	all_free(b);
}

/* Three wait, one inside of the wait of the other, and the one in the middle gives up. */
static void leave_in_the_middle(struct board *b)
{
	struct viommu_driver_poster *first = b->drv.waiters;
	struct viommu_driver_poster *second = first->next;
	struct viommu_driver_poster *third = second->next;

	b->other = NULL;
	assert_null(third->next);
	viommu_i_poster_leave(&b->drv, second);
	assert_ptr_equal(b->drv.waiters, first);
	assert_ptr_equal(first->next, third);
	b->pace = SLOTS;
}

static void come_third(struct board *b)
{
	b->other = leave_in_the_middle;
	b->other_runs = false;
	map_page(b->domains, 2 * PAGE);
}

static void come_second_of_three(struct board *b)
{
	b->other = come_third;
	b->other_runs = false;
	/* It was taken out of the list for it: nobody will ever give it a slot. */
	assert_int_equal(viommu_driver_map(b->domains, PAGE, 2 * PAGE - 1, 0, VIOMMU_MAP_F_READ), VIOMMU_E_TIMEOUT);
}

static void test_driver_turns__one_in_the_middle_gives_up__others_keep_their_turns(void **state)
{
	struct board *b = board_full(0);

	(void)state;
	b->other = come_second_of_three;
	map_page(b->domains, 0);
	all_free(b);
}

/* As many as there are slots are in front of the one that waits, get one each, post, and never publish. */
static void post_in_front(struct board *b)
{
	struct viommu_mapping m = { .flags = VIOMMU_MAP_F_READ };

	b->other = NULL;
	for (uint32_t i = 0; i < SLOTS; i++) {
		struct viommu_driver_poster poster = { .next = b->drv.waiters };

		b->drv.waiters = &poster;
		board_answer(b);
		(void)viommu_driver_process(&b->drv, 0);
		m.first = (i + 1) * PAGE;
		m.last = m.first + (PAGE - 1);
		assert_int_equal(viommu_i_try_map(b->domains, &m, &poster), VIOMMU_OK);
	}
	b->pace = 1;
}

static void test_driver_turns__those_in_front_never_sync__wait_ends(void **state)
{
	struct board *b = board_full(0);

	(void)state;
	b->other = post_in_front;
	map_page(b->domains, 0);
	assert_int_equal(b->rounds, 2);
	all_free(b);
}

/* What may happen meanwhile */

static void test_driver_turns__device_is_silent__nobody_waits_any_more(void **state)
{
	struct board *b = board_full(0);

	(void)state;
	assert_int_equal(viommu_driver_map(b->domains, 0, PAGE - 1, 0, VIOMMU_MAP_F_READ), VIOMMU_E_TIMEOUT);
	assert_null(b->drv.waiters);
	all_free(b);
}

/* The other thread sees the answer, and that is when the wait ends. */
static void answer_at_last(struct board *b)
{
	if (b->rounds != 3)
		return;
	board_answer(b);
	(void)viommu_driver_process(&b->drv, 0);
	b->gives_up = true;
}

static void test_driver_turns__slot_comes_as_the_wait_ends__is_used(void **state)
{
	struct board *b = board_full(0);

	(void)state;
	b->other = answer_at_last;
	map_page(b->domains, 0);
	assert_int_equal(b->rounds, 3);
	b->gives_up = false;
	all_free(b);
}

static void give_up_now(struct board *b)
{
	b->gives_up = true;
}

/* The device answers in the round in which the hook gives up. Nothing is in doubt. */
static void test_driver_turns__answer_comes_as_the_wait_ends__is_one(void **state)
{
	struct board *b = &board;

	(void)state;
	board_up(b, 1);
	map_page(b->domains, 0);
	b->other = give_up_now;
	sync_domain(b->domains);
	assert_int_equal(viommu_driver_get_stats(&b->drv)->timeouts, 0);
	b->gives_up = false;
	all_free(b);
}

/* There is a mapping by then: the slot goes to whoever is next. */
static void map_the_same(struct board *b)
{
	b->other = NULL;
	board_answer(b);
	map_page(b->domains, 0);
}

static void test_driver_turns__refused_by_then__slot_is_not_kept(void **state)
{
	struct board *b = board_full(1);

	(void)state;
	b->other = map_the_same;
	assert_int_equal(viommu_driver_map(b->domains, 0, PAGE - 1, 0, VIOMMU_MAP_F_READ), VIOMMU_E_EXISTS);
	all_free(b);
}

static void map_the_page_behind(struct board *b)
{
	b->other = NULL;
	board_answer(b);
	map_page(b->domains, PAGE);
}

static void test_driver_turns__no_room_by_then__slot_is_not_kept(void **state)
{
	struct viommu_dma_config config = VIOMMU_DMA_CONFIG_INIT;
	struct viommu_dma_buffer buffer = { .phys = 0x5000, .len = 64 };
	struct board *b = board_full(1);
	struct viommu_driver_dma dma;

	(void)state;
	config.window = (struct viommu_range){ PAGE, 2 * PAGE - 1 };
	assert_int_equal(viommu_driver_dma_init(&dma, b->domains, &config), VIOMMU_OK);
	b->other = map_the_page_behind;
	assert_int_equal(viommu_driver_dma_map(&dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_FULL);
	all_free(b);
}

/* What was to be replayed next, and last, is gone by then. */
static void unmap_what_is_replayed(struct board *b)
{
	if (b->domains[0].oldest == NULL) {
		flood(b);
		return;
	}
	b->other = NULL;
	b->pace = SLOTS;
	unmap_page(b->domains, PAGE);
	sync_domain(b->domains);
}

static void test_driver_turns__nothing_to_replay_by_then__slot_is_not_kept(void **state)
{
	struct board *b = &board;

	(void)state;
	board_up(b, 1);
	map_page(b->domains, 0); /* for the slot of the ATTACH */
	map_page(b->domains, PAGE);
	sync_domain(b->domains);
	assert_int_equal(viommu_driver_detach(b->endpoints, NULL), VIOMMU_OK);
	b->other = unmap_what_is_replayed;
	assert_int_equal(viommu_driver_attach(b->domains, b->endpoints, NULL), VIOMMU_OK);
	assert_null(b->other);
	unmap_page(b->domains, 0);
	sync_domain(b->domains);
	assert_true(viommu_map_is_empty(&b->domains[0].map));
	all_free(b);
}

static void restart(struct board *b)
{
	b->other = NULL;
	b->pace = 1;
	assert_int_equal(viommu_driver_stop(&b->drv), VIOMMU_OK);
	board_start(b);
}

static void restart_when_it_has_a_slot(struct board *b)
{
	board_answer(b);
	(void)viommu_driver_process(&b->drv, 0);
	restart(b);
}

/* Every slot is free then, also the one that was held: there is that, or another one, for who waits. */
static void test_driver_turns__driver_restarted_by_then__goes_on_with_what_is_there(void **state)
{
	(void)state;
	for (int held = 0; held < 2; held++) {
		struct board *b = board_full(0);

		b->other = held ? restart_when_it_has_a_slot : restart;
		assert_int_equal(viommu_driver_detach(b->endpoints, NULL), VIOMMU_OK);
		assert_int_equal(b->rounds, 2);
		all_free(b);
	}
}

/* Nobody is attached any more, so that no slot is needed: what was held before is not given back a second time. */
static void test_driver_turns__driver_restarted_and_nothing_to_post__slots_are_all_there(void **state)
{
	struct board *b = board_full(0);

	(void)state;
	b->other = restart_when_it_has_a_slot;
	map_page(b->domains, 0);
	all_free(b);
}

static void fail_when_it_has_a_slot(struct board *b)
{
	board_answer(b);
	(void)viommu_driver_process(&b->drv, 0);
	b->drv.state = VIOMMU_DRIVER_FAILED;
}

static void test_driver_turns__driver_fails_by_then__slot_is_not_kept(void **state)
{
	struct board *b = board_full(0);

	(void)state;
	b->other = fail_when_it_has_a_slot;
	assert_int_equal(viommu_driver_detach(b->endpoints, NULL), VIOMMU_E_BROKEN);
	b->drv.state = VIOMMU_DRIVER_RUNNING;
	all_free(b);
}

/*
 * Of two buffers that are unmapped together the first one is answered for: the other thread unmaps it once more, maps
 * there, and gets no status. What is there is not the buffer's any more.
 */
static void map_over_the_first(struct board *b)
{
	struct viommu_mapping m;

	if (viommu_map_lookup(&b->domains[0].map, 16 * PAGE, &m) && (m.flags & MAPPING_UNCERTAIN) == 0)
		return;
	b->other = NULL;
	b->pace = SLOTS;
	unmap_page(b->domains, 16 * PAGE);
	sync_domain(b->domains);
	assert_int_equal(viommu_driver_map(b->domains, 16 * PAGE, 18 * PAGE - 1, 0, VIOMMU_MAP_F_READ), VIOMMU_OK);
	b->status = NO_STATUS;
	assert_int_equal(viommu_driver_sync(b->domains, NULL), VIOMMU_E_PEER);
	b->status = VIOMMU_S_OK;
}

static void test_driver_turns__other_maps_where_a_buffer_was__mapping_stays(void **state)
{
	struct viommu_dma_buffer buffers[] = { { .phys = 0x5000, .len = 64 }, { .phys = 0x9000, .len = 64 } };
	struct viommu_dma_config config = VIOMMU_DMA_CONFIG_INIT;
	struct viommu_driver_dma dma;
	struct viommu_mapping m;
	struct board *b = &board;

	(void)state;
	board_up(b, 1);
	config.window.last = 17 * PAGE - 1;
	assert_int_equal(viommu_driver_dma_init(&dma, b->domains, &config), VIOMMU_OK);
	assert_int_equal(viommu_driver_dma_map(&dma, buffers, 2, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	assert_int_equal(buffers[0].iova, 16 * PAGE);
	b->other = map_over_the_first;
	assert_int_equal(viommu_driver_dma_unmap(&dma, buffers, 2, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	assert_null(b->other);
	assert_true(viommu_driver_next_mapping(b->domains, 0, &m));
	assert_int_equal(m.first, 16 * PAGE);
	assert_int_equal(m.last, 18 * PAGE - 1);
	all_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_turns__other_thread_floods__map_gets_the_next_slot),
		cmocka_unit_test(test_driver_turns__other_thread_floods__unmap_gets_the_next_slot),
		cmocka_unit_test(test_driver_turns__other_thread_floods__detach_gets_the_next_slot),
		cmocka_unit_test(test_driver_turns__other_thread_floods__replay_has_its_share),
		cmocka_unit_test(test_driver_turns__other_thread_floods__buffer_is_mapped),
		cmocka_unit_test(test_driver_turns__two_wait__who_came_first_is_first),
		cmocka_unit_test(test_driver_turns__one_in_the_middle_gives_up__others_keep_their_turns),
		cmocka_unit_test(test_driver_turns__those_in_front_never_sync__wait_ends),
		cmocka_unit_test(test_driver_turns__device_is_silent__nobody_waits_any_more),
		cmocka_unit_test(test_driver_turns__slot_comes_as_the_wait_ends__is_used),
		cmocka_unit_test(test_driver_turns__answer_comes_as_the_wait_ends__is_one),
		cmocka_unit_test(test_driver_turns__refused_by_then__slot_is_not_kept),
		cmocka_unit_test(test_driver_turns__no_room_by_then__slot_is_not_kept),
		cmocka_unit_test(test_driver_turns__nothing_to_replay_by_then__slot_is_not_kept),
		cmocka_unit_test(test_driver_turns__driver_restarted_by_then__goes_on_with_what_is_there),
		cmocka_unit_test(test_driver_turns__driver_restarted_and_nothing_to_post__slots_are_all_there),
		cmocka_unit_test(test_driver_turns__driver_fails_by_then__slot_is_not_kept),
		cmocka_unit_test(test_driver_turns__other_maps_where_a_buffer_was__mapping_stays),
	};

	return suite_run(tests);
}
