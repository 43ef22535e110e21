/* SPDX-License-Identifier: BSD-3-Clause */
/* test_virtq_device.c: the device's half against a driver that is written by hand, honest or not. */
#include "suite.h"
#include "virtq_device_fixture.h"

#include "sim/env/env.h"
#include "sim/random.h"

static const uint32_t sizes[] = { 1, 2, 8, 256, 32768 };

/* Enable and reset */

/* INF-19 */
static void test_enable__every_size__only_powers_of_two_to_32768(void **state)
{
	static const uint32_t large[] = { 65535, 65536, 65537, 1u << 17, 1u << 31, UINT32_MAX };

	(void)state;
	viommu_virtq_device_init(&q, &guest.memory);
	for (uint32_t size = 0; size <= 32769; size++) {
		struct viommu_virtq_layout layout = ring_layout(size, 0);
		bool good = false;

		for (uint32_t power = 1; power <= 32768; power *= 2)
			good = good || size == power;
		assert_int_equal(viommu_virtq_size_is_valid(size), good);
		assert_int_equal(viommu_virtq_device_enable(&q, &layout), good ? VIOMMU_OK : VIOMMU_E_PEER);
		assert_int_equal(viommu_virtq_device_state(&q), good ? VIOMMU_VIRTQ_READY : VIOMMU_VIRTQ_OFF);
	}
	for (size_t i = 0; i < COUNT(large); i++) {
		struct viommu_virtq_layout layout = ring_layout(large[i], 0);

		assert_false(viommu_virtq_size_is_valid(large[i]));
		assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_E_PEER);
	}
}

/* VQ-DRV-LAYOUT-01. Size 8: 128, 22 and 70 bytes. */
/* Without pointers it has to be aligned and must not wrap; the rest shows when it is read. */
static bool layout_does_without_pointers(const struct viommu_virtq_layout *l)
{
	return l->desc % 16 == 0 && l->avail % 2 == 0 && l->used % 4 == 0 && l->desc + 127 > l->desc &&
	       l->avail + 21 > l->avail && l->used + 69 > l->used;
}

static void test_enable__places_of_the_areas__aligned_and_contiguous_or_refused(void **state)
{
	static const struct {
		uint64_t desc, avail, used;
		bool good;
	} rows[] = {
		{ RING_DESC, RING_AVAIL, RING_USED, true },
		{ RING_DESC + 16, RING_AVAIL + 2, RING_USED + 4, true },
		{ RING_DESC + 1, RING_AVAIL, RING_USED, false },
		{ RING_DESC + 8, RING_AVAIL, RING_USED, false },
		{ RING_DESC, RING_AVAIL + 1, RING_USED, false },
		{ RING_DESC, RING_AVAIL, RING_USED + 1, false },
		{ RING_DESC, RING_AVAIL, RING_USED + 2, false },
		/* up to the last byte of a region, and one step behind */
		{ HOLE_GPA - 128, RING_AVAIL, RING_USED, true },
		{ HOLE_GPA - 112, RING_AVAIL, RING_USED, false },
		{ RING_DESC, HOLE_GPA - 22, RING_USED, true },
		{ RING_DESC, HOLE_GPA - 20, RING_USED, false },
		{ RING_DESC, RING_AVAIL, HOLE_GPA - 72, true },
		{ RING_DESC, RING_AVAIL, HOLE_GPA - 68, false },
		/* contiguous for the guest, not for the host */
		{ NEXT_GPA - 64, RING_AVAIL, RING_USED, false },
		{ RING_DESC, NEXT_GPA - 2, RING_USED, false },
		{ RING_DESC, RING_AVAIL, NEXT_GPA - 68, false },
		/* nothing there */
		{ HOLE_GPA, RING_AVAIL, RING_USED, false },
		{ RING_DESC, HOLE_GPA, RING_USED, false },
		{ RING_DESC, RING_AVAIL, HOLE_GPA, false },
		{ 0, RING_AVAIL, RING_USED, false },
		/* the device writes only the used ring */
		{ ROM_GPA, ROM_GPA + 256, RING_USED, true },
		{ RING_DESC, RING_AVAIL, ROM_GPA, false },
		/* the top of the address space */
		{ UINT64_MAX - 127, RING_AVAIL, RING_USED, true },
		{ UINT64_MAX - 111, RING_AVAIL, RING_USED, false },
		{ RING_DESC, UINT64_MAX - 1, RING_USED, false },
		{ RING_DESC, RING_AVAIL, UINT64_MAX - 3, false },
	};

	(void)state;
	viommu_virtq_device_init(&q, &guest.memory);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct viommu_virtq_layout layout = { 8, rows[i].desc, rows[i].avail, rows[i].used, 0 };
		bool good = suite_memory_is_copied() ? layout_does_without_pointers(&layout) : rows[i].good;
		enum viommu_result look = rows[i].avail == HOLE_GPA ? VIOMMU_E_BROKEN : VIOMMU_E_EMPTY;

		assert_int_equal(viommu_virtq_device_enable(&q, &layout), good ? VIOMMU_OK : VIOMMU_E_PEER);
		assert_int_equal(viommu_virtq_device_state(&q), good ? VIOMMU_VIRTQ_READY : VIOMMU_VIRTQ_OFF);
		assert_int_equal(pop(), good ? look : VIOMMU_E_STATE);
	}
}

static void test_enable__host_memory_misaligned__refused(void **state)
{
	struct viommu_virtq_layout layout = ring_layout(8, 0);

	(void)state;
	guest.memory = guest.pointers; /* is what this is about */
	guest.regions[0].host = guest.low + 1;
	guest.regions[0].last--;
	viommu_virtq_device_init(&q, &guest.memory);
	assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_E_PEER);
	guest.regions[0].host = guest.low + 2;
	guest.regions[0].last--;
	assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_E_PEER);
	layout.used += 2; /* aligned in the host, not for the guest */
	assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_E_PEER);
}

/* The accessors load and store halfwords of the one and words of the other; descriptors are copied. */
static void test_enable__one_area_misaligned_in_the_host__only_descriptors_may_be(void **state)
{
	struct viommu_virtq_layout layouts[3] = { ring_layout(8, 0), ring_layout(8, 0), ring_layout(8, 0) };

	(void)state;
	guest.memory = guest.pointers;
	guest.regions[1].host = guest.next + 1;
	guest.regions[1].last--;
	layouts[0].desc = NEXT_GPA;
	layouts[1].avail = NEXT_GPA;
	layouts[2].used = NEXT_GPA;
	viommu_virtq_device_init(&q, &guest.memory);
	assert_int_equal(viommu_virtq_device_enable(&q, &layouts[0]), VIOMMU_OK);
	assert_int_equal(viommu_virtq_device_enable(&q, &layouts[1]), VIOMMU_E_PEER);
	assert_int_equal(viommu_virtq_device_enable(&q, &layouts[2]), VIOMMU_E_PEER);
}

static void test_all__queue_is_off__refused_and_ring_untouched(void **state)
{
	static uint8_t before[LOW_LEN];

	(void)state;
	ring_enable(&ring, &guest, &q, 8, EVT | IND);
	ring_desc(&ring, 0, DATA_GPA, 4, F_WRITE, 0);
	ring_add(&ring, 0);
	ring_add(&ring, 0);
	assert_int_equal(pop(), VIOMMU_OK);
	for (int round = 0; round < 2; round++) {
		if (round == 0)
			viommu_virtq_device_reset(&q);
		else
			viommu_virtq_device_init(&q, &guest.memory);
		memcpy(before, guest.low, LOW_LEN);
		assert_int_equal(viommu_virtq_device_state(&q), VIOMMU_VIRTQ_OFF);
		assert_int_equal(pop(), VIOMMU_E_STATE);
		assert_int_equal(viommu_virtq_device_push(&q, 0, 0), VIOMMU_E_STATE);
		assert_false(viommu_virtq_device_publish(&q));
		assert_false(viommu_virtq_device_arm(&q));
		assert_memory_equal(before, guest.low, LOW_LEN);
	}
}

static void test_enable__after_use__starts_at_zero_and_forgets_heads(void **state)
{
	(void)state;
	ring_enable(&ring, &guest, &q, 8, 0);
	check_good_chain(0);
	ring_desc(&ring, 3, DATA_GPA, 4, F_WRITE, 0);
	ring_add(&ring, 3);
	assert_int_equal(pop(), VIOMMU_OK);
	assert_int_equal(viommu_virtq_device_push(&q, 3, 4), VIOMMU_OK);
	for (int round = 0; round < 2; round++) {
		struct viommu_virtq_layout layout = ring_layout(4, 0);

		ring_init(&ring, &guest, 4);
		if (round == 1)
			viommu_virtq_device_reset(&q);
		assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
		assert_int_equal(viommu_virtq_device_push(&q, 3, 4), VIOMMU_E_STATE);
		assert_false(viommu_virtq_device_publish(&q));
		assert_int_equal(ring_used_index(&ring), 0);
		assert_int_equal(pop(), VIOMMU_E_EMPTY);
		check_good_chain(2);
	}
}

/* Memory that changes */

static void move_low(uint8_t *host)
{
	guest.regions[0].host = host;
	assert_int_equal(viommu_memory_table_set(&guest.table, guest.regions, 4), VIOMMU_OK);
}

/* The ring is where its address leads to now, with all that is in it. */
static void test_memory_changed__ring_moved__goes_on_there(void **state)
{
	static _Alignas(16) uint8_t elsewhere[LOW_LEN];
	static uint8_t before[LOW_LEN];

	(void)state;
	ring_enable(&ring, &guest, &q, 8, 0);
	check_good_chain(0);
	ring_desc(&ring, 3, DATA_GPA, 4, F_WRITE, 0);
	ring_add(&ring, 3);
	assert_int_equal(pop(), VIOMMU_OK);
	assert_int_equal(viommu_virtq_device_push(&q, 3, 4), VIOMMU_OK);
	memcpy(before, guest.low, LOW_LEN);
	memcpy(elsewhere, guest.low, LOW_LEN);
	move_low(elsewhere);
	assert_int_equal(viommu_virtq_device_memory_changed(&q), VIOMMU_OK);
	assert_int_equal(viommu_virtq_device_state(&q), VIOMMU_VIRTQ_READY);
	assert_true(viommu_virtq_device_publish(&q));
	assert_int_equal(get_le(elsewhere + (RING_USED - LOW_GPA) + 2, 2), 2);
	assert_false(viommu_virtq_device_arm(&q));
	assert_memory_equal(before, guest.low, LOW_LEN);
	memcpy(guest.low, elsewhere, LOW_LEN);
	move_low(guest.low);
	assert_int_equal(viommu_virtq_device_memory_changed(&q), VIOMMU_OK);
	check_good_chain(2);
}

/* Whichever area it is, and whatever is going on: broken, and the old place is left alone. */
static void test_memory_changed__area_gone__broken_and_not_touched(void **state)
{
	static const uint64_t areas[] = { RING_DESC, RING_AVAIL, RING_USED };
	static uint8_t before[LOW_LEN];

	(void)state;
	guest.memory = guest.pointers; /* without pointers it shows when the ring is accessed: test_virtq_copied.c */
	for (unsigned i = 0; i < 2 * COUNT(areas); i++) {
		struct viommu_virtq_layout layout = ring_layout(8, EVT);
		struct viommu_memory_region regions[2];
		bool is_broken = i >= COUNT(areas);
		uint64_t at = areas[i % COUNT(areas)];

		ring_init(&ring, &guest, 8);
		viommu_virtq_device_init(&q, &guest.memory);
		assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
		for (unsigned k = 0; k < 3; k++) {
			ring_desc(&ring, k, DATA_GPA, 4, F_WRITE, 0);
			ring_add(&ring, k);
		}
		assert_int_equal(pop(), VIOMMU_OK);
		assert_int_equal(pop(), VIOMMU_OK);
		assert_int_equal(viommu_virtq_device_push(&q, 0, 4), VIOMMU_OK);
		if (is_broken) {
			ring_set_index(&ring, 77);
			assert_int_equal(pop(), VIOMMU_E_BROKEN);
		}
		memcpy(before, guest.low, LOW_LEN);
		regions[0] = (struct viommu_memory_region){ LOW_GPA, at + 15, guest.low, 3 };
		regions[1] = (struct viommu_memory_region){ at + 16, NEXT_GPA - 1, guest.low + (at + 16 - LOW_GPA), 3 };
		assert_int_equal(viommu_memory_table_set(&guest.table, regions, 2), VIOMMU_OK);
		assert_int_equal(viommu_virtq_device_memory_changed(&q), VIOMMU_E_BROKEN);
		assert_true(viommu_virtq_device_check(&q));
		assert_int_equal(viommu_virtq_device_state(&q), VIOMMU_VIRTQ_BROKEN);
		assert_int_equal(pop(), VIOMMU_E_BROKEN);
		assert_int_equal(viommu_virtq_device_push(&q, 1, 4), VIOMMU_E_STATE);
		assert_false(viommu_virtq_device_publish(&q));
		assert_false(viommu_virtq_device_arm(&q));
		assert_memory_equal(before, guest.low, LOW_LEN);

		/* Memory that comes back mends nothing, an enable does. */
		assert_int_equal(viommu_memory_table_set(&guest.table, guest.regions, 4), VIOMMU_OK);
		assert_int_equal(viommu_virtq_device_memory_changed(&q), VIOMMU_OK);
		assert_int_equal(pop(), VIOMMU_E_BROKEN);
		assert_false(viommu_virtq_device_publish(&q));
		assert_memory_equal(before, guest.low, LOW_LEN);
		ring_init(&ring, &guest, 8);
		assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
		check_good_chain(1);
	}
}

static void test_memory_changed__queue_off__stays_off(void **state)
{
	(void)state;
	viommu_virtq_device_init(&q, &guest.memory);
	assert_int_equal(viommu_virtq_device_memory_changed(&q), VIOMMU_OK);
	assert_int_equal(viommu_virtq_device_state(&q), VIOMMU_VIRTQ_OFF);
	assert_int_equal(pop(), VIOMMU_E_STATE);
}

/* Indices and accounting */

/* VQ-DEV-IDX-01: exactly full is legal, and nobody waits for a kick */
static void test_pop__ring_exactly_full__all_taken_then_empty(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		uint32_t size = sizes[i];

		ring_enable(&ring, &guest, &q, size, 0);
		for (int round = 0; round < 3; round++) {
			for (uint32_t k = 0; k < size; k++) {
				ring_desc(&ring, k, DATA_GPA, 1, 0, 0);
				ring_add(&ring, size - 1 - k);
			}
			for (uint32_t k = 0; k < size; k++) {
				assert_int_equal(pop(), VIOMMU_OK);
				assert_int_equal(chain.head, size - 1 - k);
			}
			assert_int_equal(pop(), VIOMMU_E_EMPTY);
			for (uint32_t k = 0; k < size; k++)
				assert_int_equal(viommu_virtq_device_push(&q, (uint16_t)k, 0), VIOMMU_OK);
			assert_int_equal(viommu_virtq_device_push(&q, 0, 0), VIOMMU_E_STATE);
			assert_true(viommu_virtq_device_publish(&q));
		}
	}
}

/* Every jump that is not one of 0..size breaks the queue, whatever is in flight */
static void test_pop__every_available_index__more_than_the_ring_holds_is_broken(void **state)
{
	static const uint32_t small[] = { 1, 2, 8, 32768 };

	(void)state;
	for (size_t i = 0; i < COUNT(small); i++) {
		uint32_t size = small[i];

		for (uint32_t in_flight = 0; in_flight <= (size < 3 ? size : 3); in_flight++) {
			for (uint32_t jump = 0; jump < 65536;
			     jump += size < 256 || jump > 65500 || jump < 40 ? 1 : 31) {
				struct viommu_virtq_layout layout = ring_layout(size, 0);
				enum viommu_result expected = VIOMMU_OK;

				if (jump == 0 || jump == 40)
					ring_init(&ring, &guest, size);
				ring_set_index(&ring, 0);
				viommu_virtq_device_init(&q, &guest.memory);
				assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
				for (uint32_t k = 0; k < in_flight; k++) {
					ring_add(&ring, k % size);
					assert_int_equal(pop(), VIOMMU_OK);
				}
				if (in_flight > 1) /* pushed, but the driver cannot know */
					assert_int_equal(viommu_virtq_device_push(&q, 0, 0), VIOMMU_OK);
				ring_set_index(&ring, (uint16_t)(in_flight + jump));
				if (jump == 0)
					expected = VIOMMU_E_EMPTY;
				else if (jump > size - in_flight)
					expected = VIOMMU_E_BROKEN;
				assert_int_equal(pop(), expected);
			}
		}
	}
}

/* The first one is `size`. */
static void test_pop__head_out_of_range__broken_until_enable(void **state)
{
	static const uint32_t heads[] = { 8, 9, 16, 255, 256, 32768, 65535 };

	(void)state;
	for (size_t i = 0; i < COUNT(heads); i++) {
		struct viommu_virtq_layout layout = ring_layout(8, 0);

		ring_enable(&ring, &guest, &q, 8, 0);
		ring_desc(&ring, 0, DATA_GPA, 4, F_WRITE, 0);
		ring_add(&ring, 0);
		ring_add(&ring, heads[i]);
		assert_int_equal(pop(), VIOMMU_OK);
		assert_int_equal(viommu_virtq_device_push(&q, 0, 4), VIOMMU_OK);
		assert_int_equal(pop(), VIOMMU_E_BROKEN);
		assert_int_equal(viommu_virtq_device_state(&q), VIOMMU_VIRTQ_BROKEN);

		/* Mending the ring does not help; what was done before still gets out. */
		put_le(ring.avail + 4 + 2, 2, 1);
		assert_int_equal(pop(), VIOMMU_E_BROKEN);
		assert_int_equal(viommu_virtq_device_push(&q, 0, 4), VIOMMU_E_STATE);
		assert_false(viommu_virtq_device_arm(&q));
		assert_true(viommu_virtq_device_publish(&q));
		assert_int_equal(ring_used_index(&ring), 1);

		ring_init(&ring, &guest, 8);
		assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
		check_good_chain(7);
	}
}

/* INF-20 */
static void test_all__indices_wrap_at_65536__nothing_lost(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * COUNT(sizes); i++) {
		uint32_t size = sizes[i / 2], batch = size < 3 ? size : size / 2 + 1;
		uint32_t total = 0;

		ring_enable(&ring, &guest, &q, size, i % 2 == 0 ? EVT : VIOMMU_VIRTQ_FEATURES);
		for (uint32_t k = 0; k < size; k++)
			ring_desc(&ring, k, DATA_GPA + k, 1, 0, 0);
		while (total < 3 * 65536u + 7) {
			for (uint32_t k = 0; k < batch; k++)
				ring_add(&ring, (total + k) % size);
			for (uint32_t k = 0; k < batch; k++) {
				assert_int_equal(pop(), VIOMMU_OK);
				assert_int_equal(chain.head, (total + k) % size);
				assert_int_equal(viommu_virtq_device_push(&q, chain.head, total + k), VIOMMU_OK);
			}
			assert_int_equal(pop(), VIOMMU_E_EMPTY);
			(void)viommu_virtq_device_publish(&q);
			assert_int_equal(ring_used_index(&ring), (uint16_t)(total + batch));
			for (uint32_t k = 0; k < batch; k++) {
				assert_int_equal(ring_used_id(&ring, (uint16_t)(total + k)), (total + k) % size);
				assert_int_equal(ring_used_len(&ring, (uint16_t)(total + k)), total + k);
			}
			assert_false(viommu_virtq_device_arm(&q));
			assert_int_equal(ring_avail_event(&ring), (uint16_t)(total + batch));
			total += batch;
		}
	}
}

/* Used ring, events */

/* VQ-DEV-USED-01, VQ-DEV-DESC-04 */
static void test_push__several__visible_at_publish_and_nothing_else_written(void **state)
{
	static uint8_t before[LOW_LEN];

	(void)state;
	ring_enable(&ring, &guest, &q, 8, 0);
	for (unsigned k = 0; k < 8; k++) {
		ring_desc(&ring, k, DATA_GPA + 16 * k, 16, F_WRITE, 0);
		ring_add(&ring, k);
		assert_int_equal(pop(), VIOMMU_OK);
	}
	memcpy(before, guest.low, LOW_LEN);
	assert_int_equal(viommu_virtq_device_push(&q, 5, 7), VIOMMU_OK);
	assert_int_equal(viommu_virtq_device_push(&q, 2, 0xfffffffeu), VIOMMU_OK);
	assert_int_equal(viommu_virtq_device_push(&q, 8, 0), VIOMMU_E_STATE); /* no such head */
	assert_int_equal(ring_used_index(&ring), 0);
	assert_true(viommu_virtq_device_publish(&q));
	assert_int_equal(ring_used_index(&ring), 2);
	assert_int_equal(ring_used_id(&ring, 0), 5);
	assert_int_equal(ring_used_len(&ring, 0), 7);
	assert_int_equal(ring_used_id(&ring, 1), 2);
	assert_int_equal(ring_used_len(&ring, 1), 0xfffffffeu);

	/* Only the used index and two elements have changed. */
	memset(ring.used + 2, 0, 2);
	memset(ring.used + 4, 0, 16);
	assert_memory_equal(before, guest.low, LOW_LEN);
}

/* VQ-DEV-USEDSUP-01, -02, -03 */
static void test_publish__flags_mode__asks_bit_0_only(void **state)
{
	(void)state;
	ring_enable(&ring, &guest, &q, 8, 0);
	assert_false(viommu_virtq_device_publish(&q));
	for (unsigned i = 0; i < 64; i++) {
		static const uint16_t flags[] = { 0, 1, 2, 0xfffe, 0xffff };

		put_le(ring.avail, 2, flags[i % COUNT(flags)]);
		ring_set_used_event(&ring, (uint16_t)(i + i / 5 % 3)); /* ignored, right or wrong */
		ring_add(&ring, 0);
		assert_int_equal(pop(), VIOMMU_OK);
		assert_false(viommu_virtq_device_publish(&q));
		assert_int_equal(viommu_virtq_device_push(&q, 0, 0), VIOMMU_OK);
		assert_int_equal(viommu_virtq_device_publish(&q), (flags[i % COUNT(flags)] & 1) == 0);
		assert_false(viommu_virtq_device_publish(&q)); /* nothing new */
	}
}

/* VQ-DEV-USEDSUP-04, -05, -06: any batch, any event index, around the wrap; not only the last entry of a batch */
static void test_publish__event_mode__asks_whether_the_batch_passed_the_event(void **state)
{
	struct sim_random random = { 2 };

	(void)state;
	ring_enable(&ring, &guest, &q, 8, EVT);
	for (uint32_t used = 0; used < 140000;) {
		uint32_t batch = 1 + (uint32_t)sim_random_below(&random, 8);
		uint16_t event = (uint16_t)(used + sim_random_below(&random, 14) - 3);
		bool wanted = false;

		for (uint32_t k = 0; k < batch; k++) {
			ring_add(&ring, k);
			assert_int_equal(pop(), VIOMMU_OK);
			assert_int_equal(viommu_virtq_device_push(&q, (uint16_t)k, 0), VIOMMU_OK);
			wanted = wanted || (uint16_t)(used + k) == event;
		}
		ring_set_used_event(&ring, event);
		put_le(ring.avail, 2, used & 1); /* ignored */
		assert_int_equal(viommu_virtq_device_publish(&q), wanted);
		assert_false(viommu_virtq_device_publish(&q));
		used += batch;
	}
}

/* The largest batch there is, and every event index. */
static void test_publish__event_mode_batch_of_32768__exact(void **state)
{
	(void)state;
	ring_enable(&ring, &guest, &q, 32768, EVT);
	for (uint32_t round = 0; round < 9; round++) {
		static const int32_t offsets[] = { -1, 0, 1, 16384, 32766, 32767, 32768, 32769, 40000 };
		uint32_t start = round * 32768;

		for (uint32_t k = 0; k < 32768; k++) {
			ring_add(&ring, k);
			assert_int_equal(pop(), VIOMMU_OK);
			assert_int_equal(viommu_virtq_device_push(&q, (uint16_t)k, 0), VIOMMU_OK);
		}
		ring_set_used_event(&ring, (uint16_t)(start + (uint32_t)offsets[round]));
		assert_int_equal(viommu_virtq_device_publish(&q), offsets[round] >= 0 && offsets[round] < 32768);
	}
}

/* VQ-DEV-AVAILSUP-01, -03, -04, -05 */
static void test_arm__both_modes__event_index_or_nothing_written(void **state)
{
	(void)state;
	for (unsigned mode = 0; mode < 2; mode++) {
		ring_enable(&ring, &guest, &q, 8, mode ? EVT : 0);
		put_le(ring.used + 4 + 64, 2, 0xabcd);
		assert_false(viommu_virtq_device_arm(&q));
		assert_int_equal(ring_avail_event(&ring), mode ? 0 : 0xabcd);
		for (unsigned k = 0; k < 5; k++) {
			ring_add(&ring, 0);
			assert_true(viommu_virtq_device_arm(&q)); /* something is there: go on popping */
			assert_int_equal(pop(), VIOMMU_OK);
			assert_int_equal(pop(), VIOMMU_E_EMPTY); /* a spurious kick */
			assert_false(viommu_virtq_device_arm(&q));
			assert_int_equal(ring_avail_event(&ring), mode ? k + 1 : 0xabcd);
			assert_int_equal(get_le(ring.used, 2), 0);
			assert_int_equal(viommu_virtq_device_push(&q, 0, 0), VIOMMU_OK);
			(void)viommu_virtq_device_publish(&q);
		}
	}
}

/* Anything */

/* Bytes that look enough like descriptors to get somewhere. */
static void random_descriptor(struct sim_random *random, uint8_t *p, uint32_t entries)
{
	static const uint64_t bases[] = { LOW_GPA, NEXT_GPA, HOLE_GPA, ROM_GPA, TOP_GPA, DATA_GPA, TABLE_GPA, 0 };
	uint64_t r = sim_random_next(random);
	uint32_t len = r & 1 ? (uint32_t)sim_random_below(random, 40) : (uint32_t)sim_random_below(random, 8) * 16;

	if ((r >> 1 & 15) == 0)
		len = (uint32_t)sim_random_next(random);
	desc_put(p, bases[r >> 8 & 7] + (r >> 16 & 63) - (r >> 22 & 31), len,
		 (r >> 32 & 31) == 0 ? (unsigned)(r >> 40) & 0xffff : (unsigned)(r >> 40) & 7,
		 (unsigned)(r >> 48) % (entries + 1));
	if ((r >> 3 & 31) == 0)
		p[r >> 60] = (uint8_t)(r >> 24);
}

static void check_popped(enum viommu_result r, uint32_t size)
{
	uint64_t len = 0;

	if (r == VIOMMU_E_PEER) {
		assert_true(chain.head < size && chain.steps >= 1 && chain.steps <= size + 1 + chain.capacity);
		return;
	}
	if (r != VIOMMU_OK)
		return;
	assert_true(chain.head < size && chain.steps > chain.readable + chain.writable &&
		    chain.steps <= size + 1 + chain.readable + chain.writable);
	assert_true(chain.readable + chain.writable <= chain.capacity);
	for (uint32_t k = 0; k < chain.readable + chain.writable; k++) {
		if (k == chain.readable) {
			assert_true(len == chain.readable_len);
			len = 0;
		}
		assert_true(segments[k].len != 0);
		len += segments[k].len;
		if (suite_memory_is_copied()) {
			assert_null(segments[k].base);
			assert_true(segments[k].len - 1 <= UINT64_MAX - segments[k].gpa);
			continue;
		}
		assert_true(guest_holds(&guest, segments[k].base, segments[k].len));
		if (k >= chain.readable)
			assert_false(segments[k].base >= guest.rom && segments[k].base < guest.rom + ROM_LEN);
	}
	assert_true(len == (chain.writable == 0 ? chain.readable_len : chain.writable_len));
}

static void push_or_not(uint16_t head)
{
	enum viommu_result r = viommu_virtq_device_push(&q, head, UINT32_MAX);

	assert_true(r == VIOMMU_OK || r == VIOMMU_E_STATE || (r == VIOMMU_E_BROKEN && suite_memory_is_copied()));
}

static void random_ring_state(struct sim_random *random)
{
	static const uint64_t places[] = {
		LOW_GPA, LOW_GPA + 0x100, NEXT_GPA - 0x40, HOLE_GPA - 0x40, ROM_GPA, TOP_GPA
	};
	uint32_t size = 1u << sim_random_below(random, 6);
	struct viommu_virtq_layout layout = ring_layout(size, sim_random_next(random));

	ring_init(&ring, &guest, size);
	for (uint32_t k = 0; k < size; k++) {
		random_descriptor(random, ring.desc + 16 * k, size);
		put_le(ring.avail + 4 + 2 * k, 2, sim_random_below(random, size + (sim_random_below(random, 8) == 0)));
	}
	for (unsigned k = 0; k < 4; k++)
		random_descriptor(random, guest_at(&guest, TABLE_GPA + 16 * k), 4);
	put_le(ring.avail, 2, sim_random_next(random));
	put_le(ring.avail + 2, 2,
	       sim_random_below(random, 8) == 0 ? sim_random_next(random) : sim_random_below(random, size + 1));
	if (sim_random_below(random, 8) == 0)
		layout.desc = places[sim_random_below(random, COUNT(places))] + 16 * sim_random_below(random, 5);
	if (sim_random_below(random, 8) == 0)
		layout.avail = places[sim_random_below(random, COUNT(places))] + sim_random_below(random, 64);
	if (sim_random_below(random, 8) == 0)
		layout.used = places[sim_random_below(random, COUNT(places))] + sim_random_below(random, 64);
	if (sim_random_below(random, 32) == 0)
		layout.size = (uint32_t)sim_random_next(random);
	chain.capacity = (uint32_t)sim_random_below(random, 2 * size + 1);
	if (viommu_virtq_device_enable(&q, &layout) != VIOMMU_OK)
		assert_int_equal(viommu_virtq_device_state(&q), VIOMMU_VIRTQ_OFF);
}

static void test_all__a_million_random_ring_states__in_bounds_and_usable_after_enable(void **state)
{
	struct sim_random random = { 3 };
	const uint32_t rounds = sim_env_rounds(1000000, 5000);
	unsigned outcomes[6] = { 0 };

	(void)state;
	sim_env_allow_aliases();
	viommu_virtq_device_init(&q, &guest.memory);
	for (unsigned round = 0; round < rounds; round++) {
		random_ring_state(&random);
		for (unsigned k = 0; k < 3; k++) {
			enum viommu_result r = pop();

			check_popped(r, q.size);
			outcomes[r == VIOMMU_OK         ? 0
				 : r == VIOMMU_E_PEER   ? 1
				 : r == VIOMMU_E_EMPTY  ? 2
				 : r == VIOMMU_E_BROKEN ? 3
							: 4]++;
			if (r == VIOMMU_OK && chain.writable != 0)
				outcomes[5]++;
			if ((round & 1) == 0)
				push_or_not((uint16_t)sim_random_next(&random));
			if (r == VIOMMU_OK || r == VIOMMU_E_PEER)
				push_or_not(chain.head);
			if ((round & 1) == 0)
				(void)viommu_virtq_device_publish(&q);
			(void)viommu_virtq_device_arm(&q);
		}
		assert_true((uint16_t)(q.popped - q.pushed) <= VIOMMU_VIRTQ_SIZE_MAX);
		if ((round & 63) == 0) {
			struct viommu_virtq_layout layout = ring_layout(4, IND);

			guest_check_canaries(&guest);
			ring_init(&ring, &guest, 4);
			chain.capacity = 4;
			assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
			check_good_chain(round / 64 % 4);
		}
	}
	/* The states were worth it. */
	for (unsigned k = 0; k < 6; k++)
		assert_true(outcomes[k] > rounds / 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_enable__every_size__only_powers_of_two_to_32768),
		TEST(test_enable__places_of_the_areas__aligned_and_contiguous_or_refused),
		TEST(test_enable__host_memory_misaligned__refused),
		TEST(test_enable__one_area_misaligned_in_the_host__only_descriptors_may_be),
		TEST(test_all__queue_is_off__refused_and_ring_untouched),
		TEST(test_enable__after_use__starts_at_zero_and_forgets_heads),
		TEST(test_memory_changed__ring_moved__goes_on_there),
		TEST(test_memory_changed__area_gone__broken_and_not_touched),
		TEST(test_memory_changed__queue_off__stays_off),
		TEST(test_pop__ring_exactly_full__all_taken_then_empty),
		TEST(test_pop__every_available_index__more_than_the_ring_holds_is_broken),
		TEST(test_pop__head_out_of_range__broken_until_enable),
		TEST(test_all__indices_wrap_at_65536__nothing_lost),
		TEST(test_push__several__visible_at_publish_and_nothing_else_written),
		TEST(test_publish__flags_mode__asks_bit_0_only),
		TEST(test_publish__event_mode__asks_whether_the_batch_passed_the_event),
		TEST(test_publish__event_mode_batch_of_32768__exact),
		TEST(test_arm__both_modes__event_index_or_nothing_written),
		TEST(test_all__a_million_random_ring_states__in_bounds_and_usable_after_enable),
	};

	return suite_run(tests);
}
