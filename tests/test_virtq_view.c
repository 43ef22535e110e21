/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtq_view.c: the device's half over a view of a table of regions, where a pop looks into the region that was
 * found last by itself, before it asks the seam.
 */
#include "suite.h"
#include "virtq_device_fixture.h"

#include "sim/random.h"

static struct viommu_memory_view view;
static const struct viommu_memory viewed = { &viommu_memory_view_ops, &view };

/* A queue of 4 over the view. */
static void enable(uint64_t features)
{
	struct viommu_virtq_layout layout = ring_layout(4, features);

	ring_init(&ring, &guest, 4);
	viommu_memory_view_init(&view, &guest.table);
	viommu_virtq_device_init(&q, &viewed);
	assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
}

/* The table is looked through for the last time: from now on there is the region that holds gpa and no other. */
static void keep_only(uint64_t gpa)
{
	assert_non_null(viommu_memory_pointer(&viewed, gpa, 1, VIOMMU_ACCESS_READ));
	guest.table.count = 0;
}

static void test_pop__region_found_last__no_search_and_nothing_beyond(void **state)
{
	static const struct {
		uint64_t region, gpa;
		uint32_t len;
		unsigned flags;
		unsigned pieces; /* 9: malformed */
	} rows[] = {
		{ LOW_GPA, LOW_GPA, LOW_LEN, F_WRITE, 1 },
		{ LOW_GPA, NEXT_GPA - 1, 1, 0, 1 },
		{ LOW_GPA, DATA_GPA, 0, F_WRITE, 0 },
		{ LOW_GPA, LOW_GPA - 1, 0, 0, 0 },
		{ LOW_GPA, LOW_GPA - 1, 1, 0, 9 },
		{ LOW_GPA, LOW_GPA - 1, 2, F_WRITE, 9 },
		{ LOW_GPA, NEXT_GPA, 1, 0, 9 },
		{ LOW_GPA, NEXT_GPA - 1, UINT32_MAX, 0, 9 },
		{ LOW_GPA, 0, 1, 0, 9 },
		{ LOW_GPA, UINT64_MAX, 1, 0, 9 },
		{ ROM_GPA, ROM_GPA, ROM_LEN, 0, 1 },
		{ ROM_GPA, ROM_GPA, 1, F_WRITE, 9 },
		{ TOP_GPA, TOP_GPA, TOP_LEN, F_WRITE, 1 },
		{ TOP_GPA, UINT64_MAX, 1, 0, 1 },
		{ TOP_GPA, UINT64_MAX, 2, 0, 9 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		guest_init(&guest);
		enable(0);
		ring_desc(&ring, 0, rows[i].gpa, rows[i].len, rows[i].flags, 0);
		ring_add(&ring, 0);
		keep_only(rows[i].region);
		assert_int_equal(pop(), rows[i].pieces == 9 ? VIOMMU_E_PEER : VIOMMU_OK);
		if (rows[i].pieces == 9)
			continue;
		assert_int_equal(chain.readable + chain.writable, rows[i].pieces);
		assert_int_equal(chain.readable_len, rows[i].flags == 0 ? rows[i].len : 0);
		assert_int_equal(chain.writable_len, rows[i].flags != 0 ? rows[i].len : 0);
		if (rows[i].pieces == 1) {
			assert_ptr_equal(segments[0].base, guest_at(&guest, rows[i].gpa));
			assert_int_equal(segments[0].len, rows[i].len);
			assert_true(segments[0].gpa == rows[i].gpa);
		}
	}
	/* As nothing was found there before. */
	viommu_memory_view_init(&view, &guest.table);
	ring_desc(&ring, 0, 0, 1, 0, 0);
	ring_add(&ring, 0);
	assert_int_equal(pop(), VIOMMU_E_PEER);
}

static void test_pop__capacity_in_the_region_found_last__one_piece_more_is_refused(void **state)
{
	(void)state;
	for (uint32_t capacity = 0; capacity < 4; capacity++) {
		enable(0);
		ring_desc(&ring, 0, DATA_GPA, 1, F_NEXT, 1);
		ring_desc(&ring, 1, DATA_GPA, 1, F_NEXT | F_WRITE, 2);
		ring_desc(&ring, 2, DATA_GPA, 1, F_WRITE, 0);
		ring_add(&ring, 0);
		memset(segments, 0, sizeof(segments[0]) * 8);
		chain.capacity = capacity;
		assert_int_equal(pop(), capacity == 3 ? VIOMMU_OK : VIOMMU_E_PEER);
		for (uint32_t k = capacity; k < 8; k++)
			assert_null(segments[k].base);
	}
}

static void test_pop__table_in_the_region_found_last__read_there(void **state)
{
	(void)state;
	enable(IND);
	ring_desc(&ring, 0, TABLE_GPA + 3, 32, F_INDIRECT, 0);
	table_desc(&guest, TABLE_GPA + 3, 0, DATA_GPA, 36, F_NEXT, 1);
	table_desc(&guest, TABLE_GPA + 3, 1, DATA_GPA + 60, 4, F_WRITE, 0);
	ring_desc(&ring, 1, TABLE_GPA, 0, F_INDIRECT, 0);
	ring_desc(&ring, 2, NEXT_GPA - 8, 16, F_INDIRECT, 0);
	for (unsigned i = 0; i < 3; i++)
		ring_add(&ring, i);
	keep_only(LOW_GPA);
	assert_int_equal(pop(), VIOMMU_OK);
	assert_int_equal(chain.steps, 3 + 2);
	assert_ptr_equal(segments[0].base, guest_at(&guest, DATA_GPA));
	assert_ptr_equal(segments[1].base, guest_at(&guest, DATA_GPA + 60));
	assert_int_equal(pop(), VIOMMU_E_PEER);
	assert_int_equal(chain.steps, 1);
	assert_int_equal(pop(), VIOMMU_E_PEER); /* the second half of the table is not there any more */
	assert_int_equal(chain.steps, 2);
}

/* The ring stays where it is, what it names moves. */
static void test_pop__table_of_regions_changes__only_the_new_memory(void **state)
{
	const uint32_t both = VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE;
	const struct viommu_memory_region moved[] = {
		{ LOW_GPA, DATA_GPA - 1, guest.low, both },
		{ DATA_GPA, DATA_GPA + 99, guest.next, both },
	};
	const struct viommu_memory_region gone[] = { { LOW_GPA, DATA_GPA - 1, guest.low, both } };

	(void)state;
	enable(0);
	ring_desc(&ring, 0, DATA_GPA + 1, 9, F_WRITE, 0);
	for (unsigned i = 0; i < 4; i++)
		ring_add(&ring, 0);
	assert_int_equal(pop(), VIOMMU_OK);
	assert_ptr_equal(segments[0].base, guest_at(&guest, DATA_GPA + 1));
	assert_int_equal(viommu_memory_table_set(&guest.table, moved, 2), VIOMMU_OK);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pop(), VIOMMU_OK);
		assert_ptr_equal(segments[0].base, guest.next + 1);
	}
	assert_int_equal(viommu_memory_table_set(&guest.table, gone, 1), VIOMMU_OK);
	assert_int_equal(pop(), VIOMMU_E_PEER);
}

/* Addresses about the borders of regions. */
static uint64_t random_gpa(struct sim_random *random)
{
	static const uint64_t about[] = {
		LOW_GPA, NEXT_GPA, HOLE_GPA, ROM_GPA, ROM_GPA + ROM_LEN, DATA_GPA, TOP_GPA, 0
	};
	uint64_t gpa = about[sim_random_below(random, COUNT(about))];

	return gpa + sim_random_below(random, 64) - 32;
}

/* What a descriptor says. One number after the other: arguments of a call have no order. */
struct drawn {
	uint64_t gpa;
	uint32_t len;
	unsigned next; /* F_NEXT or not */
};

static struct drawn draw(struct sim_random *random)
{
	struct drawn d;

	d.gpa = random_gpa(random);
	d.len = (uint32_t)sim_random_below(random, 40);
	d.next = (unsigned)sim_random_below(random, 2);
	return d;
}

static void check_same(const struct viommu_chain *other, const struct viommu_segment *theirs)
{
	assert_int_equal(chain.head, other->head);
	assert_int_equal(chain.steps, other->steps);
	assert_int_equal(chain.readable, other->readable);
	assert_int_equal(chain.writable, other->writable);
	assert_true(chain.readable_len == other->readable_len && chain.writable_len == other->writable_len);
	for (uint32_t i = 0; i < chain.readable + chain.writable; i++) {
		assert_ptr_equal(segments[i].base, theirs[i].base);
		assert_int_equal(segments[i].len, theirs[i].len);
	}
}

static void test_pop__random_chains__as_without_a_view(void **state)
{
	const struct viommu_memory plain = { &viommu_memory_table_ops, &guest.table };
	struct viommu_virtq_layout layout = ring_layout(4, IND);
	struct viommu_segment theirs[16];
	struct viommu_chain other = { .segments = theirs, .capacity = 6 };
	struct sim_random random = { 11 };
	struct viommu_virtq_device p;
	unsigned good = 0;

	(void)state;
	chain.capacity = 6;
	enable(IND);
	viommu_virtq_device_init(&p, &plain);
	assert_int_equal(viommu_virtq_device_enable(&p, &layout), VIOMMU_OK);
	for (unsigned round = 0; round < 40000; round++) {
		uint64_t table = sim_random_below(&random, 4) == 0 ? NEXT_GPA - 40 : TABLE_GPA;
		enum viommu_result r;

		for (unsigned k = 0; k < 4; k++) {
			unsigned writable = k >= 2 ? F_WRITE : 0;
			struct drawn d = draw(&random);

			if (sim_random_below(&random, 6) == 0)
				ring_desc(&ring, k, table, 48, F_INDIRECT, k + 1);
			else
				ring_desc(&ring, k, d.gpa, d.len, writable | d.next, k + 1);
			d = draw(&random);
			table_desc(&guest, table, k, d.gpa, d.len, writable | d.next, k + 1);
		}
		ring_add(&ring, (unsigned)sim_random_below(&random, 4));
		r = pop();
		assert_int_equal(viommu_virtq_device_pop(&p, &other), r);
		check_same(&other, theirs);
		good += r == VIOMMU_OK;
		assert_int_equal(viommu_virtq_device_push(&q, chain.head, 0), VIOMMU_OK);
		assert_int_equal(viommu_virtq_device_push(&p, chain.head, 0), VIOMMU_OK);
		(void)viommu_virtq_device_publish(&q);
		(void)viommu_virtq_device_publish(&p);
	}
	assert_true(good > 5000 && good < 35000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pop__region_found_last__no_search_and_nothing_beyond),
		TEST(test_pop__capacity_in_the_region_found_last__one_piece_more_is_refused),
		TEST(test_pop__table_in_the_region_found_last__read_there),
		TEST(test_pop__table_of_regions_changes__only_the_new_memory),
		TEST(test_pop__random_chains__as_without_a_view),
	};

	return suite_run(tests);
}
