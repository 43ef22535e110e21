/* SPDX-License-Identifier: BSD-3-Clause */
/* test_memory.c: the memory seam, its helpers and the table of regions. */
#include "suite.h"
#include "virtq_ring.h"

#include "sim/random.h"

#define R VIOMMU_ACCESS_READ
#define W VIOMMU_ACCESS_WRITE

static struct guest guest;

static int setup(void **state)
{
	(void)state;
	guest_init(&guest);
	return 0;
}

/* The whole range is judged, and neighbours in the guest are not neighbours in the host. */
static void test_pointer__table_of_ranges__only_whole_pieces(void **state)
{
	static const struct {
		uint64_t gpa;
		uint64_t len;
		uint32_t kind;
		bool found;
	} rows[] = {
		{ LOW_GPA, 1, R, true },
		{ LOW_GPA, 1, W, true },
		{ LOW_GPA, LOW_LEN, R | W, true },
		{ LOW_GPA, (uint64_t)LOW_LEN + 1, R, false },
		{ LOW_GPA - 1, 1, R, false },
		{ LOW_GPA - 1, 2, R, false },
		{ 0, 1, R, false },
		{ NEXT_GPA - 1, 1, R, true },
		{ NEXT_GPA - 1, 2, R, false },
		{ NEXT_GPA, NEXT_LEN, W, true },
		{ HOLE_GPA - 1, 1, R, true },
		{ HOLE_GPA - 1, 2, R, false },
		{ HOLE_GPA, 1, R, false },
		{ ROM_GPA - 1, 1, R, false },
		{ ROM_GPA, ROM_LEN, R, true },
		{ ROM_GPA, 1, W, false },
		{ ROM_GPA, 1, R | W, false },
		{ ROM_GPA + ROM_LEN, 1, R, false },
		{ TOP_GPA - 1, 1, R, false },
		{ TOP_GPA, TOP_LEN, R | W, true },
		{ UINT64_MAX, 1, R, true },
		{ UINT64_MAX, 2, R, false },
		{ TOP_GPA, (uint64_t)TOP_LEN + 1, R, false },
		{ UINT64_MAX, UINT64_MAX, R, false },
		{ LOW_GPA, UINT64_MAX, R, false },
		{ LOW_GPA, 0, R, false },
		{ 0, 0, R, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		void *p = viommu_memory_pointer(&guest.memory, rows[i].gpa, rows[i].len, rows[i].kind);

		if (rows[i].found)
			assert_ptr_equal(p, guest_at(&guest, rows[i].gpa));
		else
			assert_null(p);
	}
}

static void test_copy__every_length_around_the_borders__stops_at_the_hole(void **state)
{
	static const struct {
		uint64_t border;
		uint64_t end; /* of memory behind it, 0: 2^64 */
		uint64_t before;
	} rows[] = {
		{ NEXT_GPA, HOLE_GPA, 40 }, /* across a seam */
		{ HOLE_GPA, HOLE_GPA, 40 }, /* into the hole */
		{ ROM_GPA + ROM_LEN, ROM_GPA + ROM_LEN, 40 },
		{ 0, 0, 40 }, /* the top of the address space does not wrap to 0 */
	};
	uint8_t expected[80], copy[80];

	(void)state;
	for (unsigned i = 0; i < LOW_LEN; i++)
		guest.low[i] = (uint8_t)(i * 7 + (i >> 8));
	for (unsigned i = 0; i < NEXT_LEN; i++)
		guest.next[i] = (uint8_t)(i * 5 + 1);
	for (unsigned i = 0; i < TOP_LEN; i++)
		guest.rom[i] = guest.top[i] = (uint8_t)(i * 3 + 2);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (uint64_t before = 1; before <= rows[i].before; before++) {
			for (size_t len = 0; len <= sizeof(copy); len++) {
				uint64_t gpa = rows[i].border - before;
				uint64_t there = rows[i].end - gpa;
				size_t fits = len < there ? len : (size_t)there;

				sim_env_operation();
				memset(copy, 0xee, sizeof(copy));
				memset(expected, 0xee, sizeof(expected));
				for (size_t k = 0; k < fits; k++)
					expected[k] = *guest_at(&guest, gpa + k);
				assert_int_equal(viommu_memory_read(&guest.memory, gpa, copy, len), fits);
				assert_memory_equal(copy, expected, sizeof(copy));
			}
		}
	}
	assert_int_equal(viommu_memory_read(&guest.memory, HOLE_GPA, copy, 1), 0);
}

static void test_write__across_a_seam__every_byte_in_its_region(void **state)
{
	uint8_t data[64];

	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i + 1);
	for (uint64_t before = 0; before <= sizeof(data); before++) {
		guest_init(&guest);
		assert_int_equal(viommu_memory_write(&guest.memory, NEXT_GPA - before, data, sizeof(data)),
				 sizeof(data));
		for (unsigned i = 0; i < sizeof(data); i++)
			assert_int_equal(*guest_at(&guest, NEXT_GPA - before + i), data[i]);
		assert_int_equal(*guest_at(&guest, NEXT_GPA - before - 1), 0);
		assert_int_equal(*guest_at(&guest, NEXT_GPA - before + sizeof(data)), 0);
		guest_check_canaries(&guest);
	}
	assert_int_equal(viommu_memory_write(&guest.memory, UINT64_MAX - 3, data, sizeof(data)), 4);
	assert_memory_equal(guest.top + TOP_LEN - 4, data, 4);
	assert_int_equal(viommu_memory_write(&guest.memory, HOLE_GPA - 3, data, sizeof(data)), 3);
	guest_check_canaries(&guest);
}

static void test_write__read_only_region__nothing_written(void **state)
{
	(void)state;
	assert_int_equal(viommu_memory_write(&guest.memory, ROM_GPA, "x", 1), 0);
	assert_int_equal(guest.rom[0], 0);
}

static void test_table__one_region_of_the_whole_space__length_does_not_wrap(void **state)
{
	static uint8_t byte;
	const struct viommu_memory_region region = { 0, UINT64_MAX, &byte, R };
	struct viommu_memory_table table = { .regions = &region, .count = 1 };
	uint64_t len = UINT64_MAX;

	(void)state;
	assert_ptr_equal(viommu_memory_table_ops.resolve(&table, 0, R, &len), &byte);
	assert_true(len == UINT64_MAX);
	len = 1;
	assert_non_null(viommu_memory_table_ops.resolve(&table, 0, R, &len));
	assert_true(len == 1);
	assert_null(viommu_memory_pointer(&(struct viommu_memory){ &viommu_memory_table_ops, &table }, 0, 0, R));
	table.count = 0;
	assert_null(viommu_memory_table_ops.resolve(&table, 0, R, &len));
}

static void test_table_init__regions_that_are_no_table__refused(void **state)
{
	static uint8_t host[64];
	const struct {
		struct viommu_memory_region regions[2];
		bool valid;
	} rows[] = {
		{ { { 0, 31, host, R }, { 32, 63, host + 32, R | W } }, true },
		{ { { 0, 0, host, R }, { UINT64_MAX, UINT64_MAX, host, R } }, true },
		{ { { 0, 31, host, R }, { 31, 63, host + 32, R } }, false }, /* overlap */
		{ { { 32, 63, host, R }, { 0, 31, host, R } }, false },      /* not sorted */
		{ { { 0, 31, host, R }, { 0, 31, host, R } }, false },
		{ { { 1, 0, host, R }, { 32, 63, host, R } }, false },
		{ { { 0, 31, NULL, R }, { 32, 63, host, R } }, false },
		{ { { 0, 31, host, R }, { 32, 63, host, 0 } }, false },
		{ { { 0, 31, host, R }, { 32, 63, host, W } }, false },
		{ { { 0, 31, host, R }, { 32, 63, host, 7 } }, false },
		{ { { 0, 31, host, R }, { 32, 32 + (uint64_t)(UINTPTR_MAX - (uintptr_t)host), host, R } }, true },
		{ { { 0, 31, host, R }, { 32, 33 + (uint64_t)(UINTPTR_MAX - (uintptr_t)host), host, R } }, false },
		{ { { 0, 31, host, R }, { 32, UINT64_MAX, host, R } }, false }, /* wraps in the host */
	};
	const struct viommu_memory_region one = { 0, 63, host, R };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct viommu_memory_table table;
		struct viommu_memory_table in_place = { .regions = rows[i].regions, .count = 2 };
		uint64_t len = 1;
		enum viommu_result expected = rows[i].valid ? VIOMMU_OK : VIOMMU_E_ARG;

		assert_int_equal(viommu_memory_regions_are_valid(rows[i].regions, 2), rows[i].valid);
		assert_int_equal(viommu_memory_table_init(&table, rows[i].regions, 2), expected);
		assert_int_equal(viommu_memory_table_check(&in_place), rows[i].valid);
		assert_int_equal(viommu_memory_table_init(&table, &one, 1), VIOMMU_OK);
		assert_int_equal(viommu_memory_table_set(&table, rows[i].regions, 2), expected);
		if (!rows[i].valid)
			assert_ptr_equal(viommu_memory_table_ops.resolve(&table, 63, R, &len), host + 63);
		assert_int_equal(table.generation, rows[i].valid ? 1 : 0);
		assert_true(viommu_memory_table_check(&table));
	}
}

static void test_table__no_regions__no_memory(void **state)
{
	struct viommu_memory_table table;
	uint64_t len = 1;

	(void)state;
	assert_int_equal(viommu_memory_table_init(&table, NULL, 0), VIOMMU_OK);
	assert_true(viommu_memory_table_check(&table));
	assert_null(viommu_memory_table_ops.resolve(&table, 0, R, &len));
	assert_int_equal(viommu_memory_table_init(&table, NULL, 1), VIOMMU_E_ARG);
	table.count = 1;
	assert_false(viommu_memory_table_is_valid(&table));
	assert_false(viommu_memory_table_check(&table));
}

/* Every other generation is in another place. */
static void test_table_check__each_generation__judged_where_it_is(void **state)
{
	static uint8_t host[64];
	const struct viommu_memory_region regions[] = { { 0, 31, host, R }, { 32, 63, host + 32, R } };
	const struct viommu_memory_region bad[] = { { 32, 63, host, R }, { 0, 31, host, R } };
	struct viommu_memory_table table;

	(void)state;
	assert_int_equal(viommu_memory_table_init(&table, regions, 2), VIOMMU_OK);
	for (unsigned i = 1; i < 5; i++) {
		struct viommu_memory_table broken;

		assert_int_equal(viommu_memory_table_set(&table, i % 2 != 0 ? NULL : regions, i % 2 != 0 ? 0 : 2),
				 VIOMMU_OK);
		assert_true(viommu_memory_table_check(&table));
		broken = table;
		*(i % 2 != 0 ? &broken.odd_regions : &broken.regions) = NULL;
		*(i % 2 != 0 ? &broken.odd_count : &broken.count) = 1;
		assert_false(viommu_memory_table_is_valid(&broken));
		broken = table;
		*(i % 2 != 0 ? &broken.odd_regions : &broken.regions) = bad;
		*(i % 2 != 0 ? &broken.odd_count : &broken.count) = 2;
		assert_true(viommu_memory_table_is_valid(&broken));
		assert_false(viommu_memory_table_check(&broken));
		broken = table;
		*(i % 2 == 0 ? &broken.odd_regions : &broken.regions) = bad; /* not looked at */
		assert_true(viommu_memory_table_check(&broken));
	}
}

/* The region found last is asked first, and never after it has gone, moved or become read-only. */
static void test_view__table_changes__no_answer_of_before(void **state)
{
	static uint8_t host[2][64];
	const struct viommu_memory_region before[] = { { 0, 63, host[0], R | W }, { 100, 163, host[1], R } };
	const struct viommu_memory_region moved[] = { { 0, 63, host[1], R } };
	const struct viommu_memory_region gone[] = { { 100, 163, host[1], R } };
	struct viommu_memory_table table;
	struct viommu_memory_view views[2];
	struct viommu_memory a = { &viommu_memory_view_ops, &views[0] }, b = { &viommu_memory_view_ops, &views[1] };

	(void)state;
	assert_int_equal(viommu_memory_table_init(&table, before, 2), VIOMMU_OK);
	viommu_memory_view_init(&views[0], &table);
	viommu_memory_view_init(&views[1], &table);
	assert_ptr_equal(viommu_memory_pointer(&a, 1, 63, W), host[0] + 1);
	assert_ptr_equal(viommu_memory_pointer(&b, 100, 1, R), host[1]);
	assert_null(viommu_memory_pointer(&b, 100, 1, W));
	assert_null(viommu_memory_pointer(&b, 99, 1, R));
	assert_ptr_equal(viommu_memory_pointer(&b, 163, 1, R), host[1] + 63);
	assert_null(viommu_memory_pointer(&b, 163, 2, R));
	assert_ptr_equal(viommu_memory_pointer(&b, 63, 1, R), host[0] + 63);
	assert_null(viommu_memory_pointer(&b, 64, 1, R));

	assert_int_equal(viommu_memory_table_set(&table, moved, 1), VIOMMU_OK);
	assert_ptr_equal(viommu_memory_pointer(&a, 1, 1, R), host[1] + 1);
	assert_null(viommu_memory_pointer(&a, 1, 1, W));
	assert_int_equal(viommu_memory_table_set(&table, gone, 1), VIOMMU_OK);
	assert_null(viommu_memory_pointer(&a, 1, 1, R));
	assert_null(viommu_memory_pointer(&b, 1, 1, R));
	assert_int_equal(viommu_memory_table_set(&table, before, 2), VIOMMU_OK);
	assert_ptr_equal(viommu_memory_pointer(&a, 1, 1, W), host[0] + 1);
}

/* Nothing but the region found last is looked at: the others may as well not be there. */
static void test_view__same_region_again__no_search(void **state)
{
	static uint8_t host[64];
	const struct viommu_memory_region regions[] = { { 0, 31, host, R }, { 40, 63, host + 40, R } };
	struct viommu_memory_table table;
	struct viommu_memory_view view;
	const struct viommu_memory memory = { &viommu_memory_view_ops, &view };

	(void)state;
	assert_int_equal(viommu_memory_table_init(&table, regions, 2), VIOMMU_OK);
	viommu_memory_view_init(&view, &table);
	assert_ptr_equal(viommu_memory_pointer(&memory, 40, 1, R), host + 40);
	table.count = 0;
	assert_ptr_equal(viommu_memory_pointer(&memory, 41, 20, R), host + 41);
	assert_null(viommu_memory_pointer(&memory, 0, 1, R));
}

/* And a view, which remembers the region it found last, says the same. */
static void test_table__random_regions__as_a_linear_search_says(void **state)
{
	static uint8_t host[4096];
	struct viommu_memory_region regions[16];
	struct sim_random random = { 1 };
	struct viommu_memory_table changing;
	struct viommu_memory_view view;

	(void)state;
	assert_int_equal(viommu_memory_table_init(&changing, NULL, 0), VIOMMU_OK);
	viommu_memory_view_init(&view, &changing);
	for (int round = 0; round < 20000; round++) {
		struct viommu_memory_table table = { .regions = regions,
						     .count = (uint32_t)sim_random_below(&random, 17) };
		uint64_t at = sim_random_below(&random, 4);

		for (uint32_t i = 0; i < table.count; i++) {
			uint64_t len = 1 + sim_random_below(&random, 6);

			regions[i] = (struct viommu_memory_region){ at, at + len - 1, host + at,
								    sim_random_below(&random, 2) == 0 ? R : R | W };
			at += len + sim_random_below(&random, 3);
		}
		assert_int_equal(viommu_memory_table_set(&changing, regions, table.count), VIOMMU_OK);
		for (uint64_t gpa = 0; gpa < at + 4; gpa++) {
			uint32_t kind = 1 + (uint32_t)sim_random_below(&random, 3);
			uint64_t want = 1 + sim_random_below(&random, 10), len = want, seen = want;
			const struct viommu_memory_region *found = NULL;
			void *p = viommu_memory_table_ops.resolve(&table, gpa, kind, &len);

			for (uint32_t i = 0; i < table.count; i++)
				if (gpa >= regions[i].first && gpa <= regions[i].last &&
				    (regions[i].kind & kind) == kind)
					found = &regions[i];
			assert_ptr_equal(viommu_memory_view_ops.resolve(&view, gpa, kind, &seen), p);
			assert_true(seen == len);
			if (found == NULL) {
				assert_null(p);
				continue;
			}
			assert_ptr_equal(p, host + gpa);
			assert_true(len == (want < found->last - gpa + 1 ? want : found->last - gpa + 1));
		}
	}
}

/* An embedder's resolve that answers outside its contract must not make a copy run on, or for ever. */
static uint64_t odd_len;

static void *odd_resolve(void *ctx, viommu_gpa gpa, uint32_t kind, uint64_t *len)
{
	(void)gpa;
	(void)kind;
	*len = odd_len;
	return ctx;
}

static void test_copy__resolve_answers_zero_or_too_much__ends_in_bounds(void **state)
{
	static const struct viommu_memory_ops ops = { .size = sizeof(ops), .resolve = odd_resolve };
	uint8_t host[4] = { 1, 2, 3, 4 };
	uint8_t copy[4] = { 0 };
	const struct viommu_memory memory = { &ops, host };

	(void)state;
	odd_len = 0;
	assert_int_equal(viommu_memory_read(&memory, 0, copy, 4), 0);
	assert_int_equal(viommu_memory_write(&memory, 0, copy, 4), 0);
	assert_null(viommu_memory_pointer(&memory, 0, 4, R));
	odd_len = UINT64_MAX;
	assert_int_equal(viommu_memory_read(&memory, 0, copy, 4), 4);
	assert_memory_equal(copy, host, 4);
	assert_ptr_equal(viommu_memory_pointer(&memory, 0, 4, R), host);
	assert_ptr_equal(viommu_memory_pointer(&memory, UINT64_MAX - 3, 4, R), host);
	assert_null(viommu_memory_pointer(&memory, UINT64_MAX - 2, 4, R)); /* wraps, whatever resolve would say */
	sim_env_operation();
	assert_int_equal(viommu_memory_read(&memory, UINT64_MAX - 1, copy, 4), 2);
	assert_int_equal(viommu_memory_write(&memory, UINT64_MAX - 1, copy, 4), 2);
	assert_null(viommu_memory_pointer(&memory, 0, 0, R));
	odd_len = 1; /* one byte per call, always the same one */
	sim_env_allow_aliases();
	assert_int_equal(viommu_memory_read(&memory, 0, copy, 4), 4);
	assert_int_equal(copy[3], 1);
	assert_null(viommu_memory_pointer(&memory, 0, 4, R));
}

/* Pointers to the low region alone; all of it by copies, which are counted, and none if `failing`. */
static struct {
	unsigned calls;
	uint64_t gpa;
	size_t len;
	bool failing;
} copies;

static void *low_resolve(void *ctx, viommu_gpa gpa, uint32_t kind, uint64_t *len)
{
	return gpa < NEXT_GPA ? viommu_memory_table_ops.resolve(ctx, gpa, kind, len) : NULL;
}

static bool note_copy(viommu_gpa gpa, size_t len)
{
	copies.calls++;
	copies.gpa = gpa;
	copies.len = len;
	return !copies.failing;
}

static bool copy_read(void *ctx, viommu_gpa gpa, void *dst, size_t len)
{
	(void)ctx;
	return note_copy(gpa, len) && viommu_memory_read(&guest.pointers, gpa, dst, len) == len;
}

static bool copy_write(void *ctx, viommu_gpa gpa, const void *src, size_t len)
{
	(void)ctx;
	return note_copy(gpa, len) && viommu_memory_write(&guest.pointers, gpa, src, len) == len;
}

static void test_copy__no_pointer_from_some_byte_on__the_rest_in_one_call(void **state)
{
	const struct viommu_memory_ops both = {
		.size = sizeof both, .resolve = low_resolve, .read = copy_read, .write = copy_write
	};
	const struct viommu_memory memory = { &both, &guest.table };
	uint8_t data[32], copy[32];

	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i + 1);
	for (unsigned before = 0; before <= sizeof(data); before++) {
		uint64_t gpa = NEXT_GPA - before;

		for (int failing = 0; failing < 2; failing++) {
			size_t done = failing ? before : sizeof(data);

			sim_env_operation();
			memset(&copies, 0, sizeof(copies));
			copies.failing = failing != 0;
			assert_int_equal(viommu_memory_write(&memory, gpa, data, sizeof(data)), done);
			assert_int_equal(copies.calls, before < sizeof(data));
			memset(copy, 0, sizeof(copy));
			assert_int_equal(viommu_memory_read(&memory, gpa, copy, sizeof(copy)), done);
			assert_memory_equal(copy, data, done);
			assert_int_equal(copies.calls, 2 * (before < sizeof(data)));
			if (before < sizeof(data)) {
				assert_true(copies.gpa == NEXT_GPA);
				assert_int_equal(copies.len, sizeof(data) - before);
			}
		}
	}
	guest_check_canaries(&guest);
}

static void test_copy__callbacks_alone__no_pointer_and_nothing_beyond_the_top(void **state)
{
	const struct viommu_memory_ops alone = { .size = sizeof alone, .read = copy_read, .write = copy_write };
	const struct viommu_memory memory = { &alone, NULL };
	uint8_t copy[8];

	(void)state;
	memset(&copies, 0, sizeof(copies));
	assert_null(viommu_memory_pointer(&memory, LOW_GPA, 1, R));
	assert_int_equal(viommu_memory_read(&memory, LOW_GPA, copy, 0), 0);
	assert_int_equal(viommu_memory_write(&memory, LOW_GPA, copy, 0), 0);
	assert_int_equal(copies.calls, 0);
	assert_int_equal(viommu_memory_read(&memory, UINT64_MAX - 3, copy, 8), 4);
	assert_int_equal(copies.len, 4);
	assert_int_equal(viommu_memory_read(&memory, HOLE_GPA - 4, copy, 8), 0);
	assert_int_equal(viommu_memory_write(&memory, ROM_GPA, copy, 8), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_pointer__table_of_ranges__only_whole_pieces, setup),
		cmocka_unit_test_setup(test_copy__every_length_around_the_borders__stops_at_the_hole, setup),
		cmocka_unit_test_setup(test_write__across_a_seam__every_byte_in_its_region, setup),
		cmocka_unit_test_setup(test_write__read_only_region__nothing_written, setup),
		cmocka_unit_test(test_table__one_region_of_the_whole_space__length_does_not_wrap),
		cmocka_unit_test(test_table_init__regions_that_are_no_table__refused),
		cmocka_unit_test(test_table_check__each_generation__judged_where_it_is),
		cmocka_unit_test(test_table__no_regions__no_memory),
		cmocka_unit_test(test_view__table_changes__no_answer_of_before),
		cmocka_unit_test(test_view__same_region_again__no_search),
		cmocka_unit_test(test_table__random_regions__as_a_linear_search_says),
		cmocka_unit_test_setup(test_copy__no_pointer_from_some_byte_on__the_rest_in_one_call, setup),
		cmocka_unit_test_setup(test_copy__callbacks_alone__no_pointer_and_nothing_beyond_the_top, setup),
		cmocka_unit_test(test_copy__resolve_answers_zero_or_too_much__ends_in_bounds),
	};

	return suite_run(tests);
}
