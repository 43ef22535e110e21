/* SPDX-License-Identifier: BSD-3-Clause */
/* test_virtq_peers.c: what other rings got wrong, as situations on one or both halves. */
#include "suite.h"
#include "virtq_device_fixture.h"

static struct viommu_virtq_driver driver;
static struct viommu_virtq_shadow shadow[8];

/* Both halves on one ring of 8. */
static void start_pair(uint64_t features)
{
	struct viommu_shared_memory shared = { guest.low, LOW_GPA, VIOMMU_VIRTQ_DRIVER_SHARED(8) };
	struct viommu_virtq_layout layout;

	assert_int_equal(viommu_virtq_driver_init(&driver, 8, features, &shared, shadow, &layout), VIOMMU_OK);
	viommu_virtq_device_init(&q, &guest.memory);
	assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
}

static void post(const struct viommu_bus_segment *pieces, uint32_t readable, uint32_t writable)
{
	sim_env_operation();
	assert_int_equal(viommu_virtq_driver_add(&driver, pieces, readable, writable, &driver), VIOMMU_OK);
	(void)viommu_virtq_driver_publish(&driver);
}

/* The device answers what it popped last. */
static void answer(uint32_t written)
{
	sim_env_operation();
	assert_int_equal(viommu_virtq_device_push(&q, chain.head, written), VIOMMU_OK);
	(void)viommu_virtq_device_publish(&q);
}

/* Returns the length that the driver was told. */
static uint32_t take(void)
{
	uint32_t written;
	void *token;

	sim_env_operation();
	assert_int_equal(viommu_virtq_driver_pop(&driver, &token, &written), VIOMMU_OK);
	assert_ptr_equal(token, &driver);
	return written;
}

/* In an emulator a guest posted the same request again and again, and the host ran out of memory. */
static void test_pop__same_head_again_without_answer__at_most_size_alive(void **state)
{
	(void)state;
	ring_enable(&ring, &guest, &q, 4, 0);
	ring_desc(&ring, 1, DATA_GPA, 1, 0, 0);
	for (unsigned k = 0; k < 4; k++) {
		ring_add(&ring, 1);
		assert_int_equal(pop(), VIOMMU_OK);
		assert_int_equal(chain.head, 1);
	}
	ring_add(&ring, 1);
	assert_int_equal(pop(), VIOMMU_E_BROKEN);
}

/* An emulator reported the room of the buffer as written, and the guest passed on what had been in it before. */
static void test_pair__device_writes_less_than_the_room__that_much_is_told(void **state)
{
	static const struct viommu_bus_segment room = { DATA_GPA, 64 };

	(void)state;
	start_pair(0);
	for (uint32_t n = 0; n <= 64; n++) {
		memset(guest_at(&guest, DATA_GPA), CANARY, 64);
		post(&room, 0, 1);
		assert_int_equal(pop(), VIOMMU_OK);
		assert_int_equal(chain.writable_len, 64);
		memset(segments[0].base, 0x11, n);
		answer(n);
		assert_int_equal(take(), n);
		for (uint32_t k = n; k < 64; k++)
			assert_int_equal(*guest_at(&guest, DATA_GPA + k), CANARY);
	}
}

/* A user-space switch kept waiting for a translation that had failed, and the queue never went on. */
static void test_pop__memory_gone_for_a_moment__only_that_chain_refused(void **state)
{
	(void)state;
	ring_enable(&ring, &guest, &q, 4, 0);
	check_good_chain(0);
	ring_desc(&ring, 2, DATA_GPA, 1, 0, 0);
	ring_add(&ring, 2);
	guest.table.count = 0;
	assert_int_equal(pop(), VIOMMU_E_PEER);
	assert_int_equal(chain.head, 2);
	assert_int_equal(pop(), VIOMMU_E_EMPTY);
	guest.table.count = 4;
	assert_int_equal(viommu_virtq_device_push(&q, 2, 0), VIOMMU_OK);
	(void)viommu_virtq_device_publish(&q);
	assert_int_equal(ring_used_len(&ring, 1), 0);
	check_good_chain(2);
}

/* A hypervisor counted the pieces of a chain from what the guest wrote, and took an answer of none for an array. */
static void test_pop__empty_pieces_and_no_room_for_any__accepted(void **state)
{
	(void)state;
	ring_enable(&ring, &guest, &q, 4, 0);
	ring_desc(&ring, 0, HOLE_GPA, 0, F_NEXT, 1);
	ring_desc(&ring, 1, HOLE_GPA, 0, F_WRITE, 0);
	ring_add(&ring, 0);
	chain.segments = NULL;
	chain.capacity = 0;
	assert_int_equal(pop(), VIOMMU_OK);
	assert_int_equal(chain.readable + chain.writable, 0);
	ring_desc(&ring, 2, DATA_GPA, 1, 0, 0);
	ring_add(&ring, 2);
	assert_int_equal(pop(), VIOMMU_E_PEER);
	assert_int_equal(chain.head, 2);
}

/* A small hypervisor let the size and the places of a queue be written while it ran, and wrote outside of the ring. */
static void test_enable__layout_changed_afterwards__no_effect(void **state)
{
	struct viommu_virtq_layout layout = ring_layout(4, EVT);

	(void)state;
	ring_init(&ring, &guest, 4);
	viommu_virtq_device_init(&q, &guest.memory);
	assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
	layout = (struct viommu_virtq_layout){ 0, HOLE_GPA, HOLE_GPA, HOLE_GPA, 0 };
	for (unsigned k = 0; k < 9; k++)
		check_good_chain(k % 4);
	sim_env_operation();
	assert_false(viommu_virtq_device_arm(&q));
	assert_int_equal(ring_avail_event(&ring), 9);
}

/* A monitor that was restored remembered at which entry it had notified last, and both sides slept. */
static void test_publish__queue_enabled_anew__notifies_from_the_first_entry(void **state)
{
	const struct viommu_virtq_layout layout = ring_layout(4, EVT);

	(void)state;
	for (unsigned used = 0; used < 12; used++) {
		ring_enable(&ring, &guest, &q, 4, EVT);
		for (unsigned k = 0; k < used; k++)
			check_good_chain(0);
		viommu_virtq_device_reset(&q);
		ring_init(&ring, &guest, 4);
		assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
		ring_set_used_event(&ring, 0);
		ring_desc(&ring, 1, DATA_GPA, 1, 0, 0);
		ring_add(&ring, 1);
		assert_int_equal(pop(), VIOMMU_OK);
		assert_int_equal(viommu_virtq_device_push(&q, 1, 0), VIOMMU_OK);
		assert_true(viommu_virtq_device_publish(&q));
	}
}

/* A tool for virtual machines took the number of a feature for its mask, and believed in features nobody offered. */
static void test_enable__each_feature_alone__stands_for_itself(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t feature = UINT64_C(1) << bit;

		ring_enable(&ring, &guest, &q, 4, feature);
		check_good_chain(0);
		sim_env_operation();
		assert_false(viommu_virtq_device_arm(&q));
		assert_int_equal(ring_avail_event(&ring), feature == EVT ? 1 : 0);
		table_desc(&guest, TABLE_GPA, 0, DATA_GPA, 1, 0, 0);
		ring_desc(&ring, 1, TABLE_GPA, 16, F_INDIRECT, 0);
		ring_add(&ring, 1);
		assert_int_equal(pop(), feature == IND ? VIOMMU_OK : VIOMMU_E_PEER);
	}
}

/* The same tool, as the driver's half would do it. */
static void test_init__each_feature_alone__stands_for_itself(void **state)
{
	static const struct viommu_bus_segment pieces[2] = { { DATA_GPA, 1 }, { DATA_GPA, 1 } };

	(void)state;
	sim_env_allow_aliases();
	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t feature = UINT64_C(1) << bit;

		start_pair(feature);
		post(pieces, 1, 1);
		assert_int_equal(get_le(driver.desc + 12, 2), feature == IND ? F_INDIRECT : F_NEXT);
		assert_int_equal(pop(), VIOMMU_OK);
		answer(0);
		(void)take();
		sim_env_operation();
		assert_false(viommu_virtq_driver_arm(&driver));
		assert_int_equal(get_le(driver.avail + 4 + 2 * 8, 2), feature == EVT ? 1 : 0);
	}
}

/* A library asked for room for one descriptor where a chain takes several: direct chains to the last descriptor. */
static void test_add__chain_longer_than_what_is_free__full_until_one_comes_back(void **state)
{
	static const struct viommu_bus_segment pieces[5] = {
		{ DATA_GPA, 1 }, { DATA_GPA, 1 }, { DATA_GPA, 1 }, { DATA_GPA, 1 }, { DATA_GPA, 1 }
	};

	(void)state;
	sim_env_allow_aliases();
	start_pair(0);
	for (unsigned round = 0; round < 20; round++) {
		post(pieces, 3, 0);
		post(pieces, 0, 1);
		assert_int_equal(viommu_virtq_driver_add(&driver, pieces, 5, 0, &driver), VIOMMU_E_FULL);
		assert_int_equal(pop(), VIOMMU_OK);
		answer(0);
		(void)take();
		post(pieces, 5, 0);
		for (unsigned k = 0; k < 2; k++) {
			assert_int_equal(pop(), VIOMMU_OK);
			assert_int_equal(chain.readable_len + chain.writable_len, k == 0 ? 1 : 5);
			answer(0);
			(void)take();
		}
		assert_true(viommu_virtq_driver_check(&driver));
	}
}

/* A server lost a bit of its tables in each cycle of requests that failed. */
static void test_pair__every_chain_refused__no_descriptor_lost(void **state)
{
	static const struct viommu_bus_segment holes[3] = { { HOLE_GPA, 1 }, { HOLE_GPA, 1 }, { HOLE_GPA, 1 } };

	(void)state;
	for (unsigned features = 0; features < 2; features++) {
		start_pair(features != 0 ? IND | EVT : 0);
		for (unsigned k = 0; k < 300; k++) {
			post(holes, 1 + k % 2, 1);
			assert_int_equal(pop(), VIOMMU_E_PEER);
			answer(0);
			assert_int_equal(take(), 0);
			assert_int_equal(driver.free_count, 8);
			assert_int_equal(viommu_virtq_driver_in_flight(&driver), 0);
		}
		assert_true(viommu_virtq_driver_check(&driver));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pop__same_head_again_without_answer__at_most_size_alive),
		TEST(test_pair__device_writes_less_than_the_room__that_much_is_told),
		TEST(test_pop__memory_gone_for_a_moment__only_that_chain_refused),
		TEST(test_pop__empty_pieces_and_no_room_for_any__accepted),
		TEST(test_enable__layout_changed_afterwards__no_effect),
		TEST(test_publish__queue_enabled_anew__notifies_from_the_first_entry),
		TEST(test_enable__each_feature_alone__stands_for_itself),
		TEST(test_init__each_feature_alone__stands_for_itself),
		TEST(test_add__chain_longer_than_what_is_free__full_until_one_comes_back),
		TEST(test_pair__every_chain_refused__no_descriptor_lost),
	};

	return suite_run(tests);
}
