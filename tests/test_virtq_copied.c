/* SPDX-License-Identifier: BSD-3-Clause */
/* test_virtq_copied.c: the device's half of a ring to which the memory seam gives no pointers: call by call. */
#include "suite.h"
#include "virtq_ring.h"

#define EVT VIOMMU_F_EVENT_IDX
#define IND VIOMMU_F_INDIRECT_DESC
#define CALLS 32u

static struct guest guest;
static struct ring ring;
static struct viommu_virtq_device q;
static struct viommu_segment segments[8];
static struct viommu_chain chain;

/* What the device asked of the seam since forget_calls, and which of these calls fails. */
struct call {
	char what; /* 'r', 'w' */
	uint64_t gpa;
	size_t len;
};
static struct call calls[CALLS];
static unsigned call_count, failing_call;

static void forget_calls(unsigned failing)
{
	call_count = 0;
	failing_call = failing;
}

static bool log_call(char what, uint64_t gpa, size_t len)
{
	assert_true(call_count < CALLS);
	calls[call_count++] = (struct call){ what, gpa, len };
	return call_count != failing_call;
}

static bool log_read(void *ctx, viommu_gpa gpa, void *dst, size_t len)
{
	return log_call('r', gpa, len) && viommu_memory_read(ctx, gpa, dst, len) == len;
}

static bool log_write(void *ctx, viommu_gpa gpa, const void *src, size_t len)
{
	return log_call('w', gpa, len) && viommu_memory_write(ctx, gpa, src, len) == len;
}

static const struct viommu_memory_ops log_ops = { .size = sizeof log_ops, .read = log_read, .write = log_write };
static const struct viommu_memory log_memory = { &log_ops, &guest.pointers };

static void assert_calls(const struct call *expected, unsigned count)
{
	assert_int_equal(call_count, count);
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(calls[i].what, expected[i].what);
		assert_true(calls[i].gpa == expected[i].gpa);
		assert_int_equal(calls[i].len, expected[i].len);
	}
	forget_calls(0);
}

#define ASSERT_CALLS(...)                                                                                              \
	assert_calls((const struct call[]){ __VA_ARGS__ },                                                             \
		     sizeof((const struct call[]){ __VA_ARGS__ }) / sizeof(struct call))

static void enable(const struct viommu_memory *memory, uint64_t features)
{
	struct viommu_virtq_layout layout = ring_layout(4, features);

	guest_init(&guest);
	ring_init(&ring, &guest, 4);
	viommu_virtq_device_init(&q, memory);
	assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
	chain.segments = segments;
	chain.capacity = 8;
	forget_calls(0);
}

static enum viommu_result pop(void)
{
	sim_env_operation();
	return viommu_virtq_device_pop(&q, &chain);
}

/* Enabling asks for nothing; then each field is one call, of its own size, in the order of the protocol. */
static void test_ring__one_request__each_field_one_call(void **state)
{
	(void)state;
	for (unsigned event_idx = 0; event_idx < 2; event_idx++) {
		uint64_t wish = RING_AVAIL + (event_idx ? 4 + 2 * 4 : 0);

		enable(&log_memory, event_idx ? EVT | IND : IND);
		ring_desc(&ring, 2, TABLE_GPA, 32, F_INDIRECT, 0);
		table_desc(&guest, TABLE_GPA, 0, DATA_GPA, 36, F_NEXT, 1);
		table_desc(&guest, TABLE_GPA, 1, DATA_GPA + 64, 4, F_WRITE, 0);
		ring_add(&ring, 2);
		assert_int_equal(pop(), VIOMMU_OK);
		ASSERT_CALLS({ 'r', RING_AVAIL + 2, 2 }, { 'r', RING_AVAIL + 4, 2 }, { 'r', RING_DESC + 32, 16 },
			     { 'r', TABLE_GPA, 16 }, { 'r', TABLE_GPA + 16, 16 });
		assert_int_equal(chain.readable, 1);
		assert_int_equal(chain.writable, 1);
		assert_null(segments[0].base);
		assert_true(segments[0].gpa == DATA_GPA && segments[0].len == 36);
		assert_null(segments[1].base);
		assert_true(segments[1].gpa == DATA_GPA + 64 && segments[1].len == 4);

		assert_int_equal(viommu_virtq_device_push(&q, 2, 4), VIOMMU_OK);
		ASSERT_CALLS({ 'w', RING_USED + 4, 4 }, { 'w', RING_USED + 8, 4 });
		assert_int_equal(ring_used_index(&ring), 0);
		assert_true(viommu_virtq_device_publish(&q));
		ASSERT_CALLS({ 'w', RING_USED + 2, 2 }, { 'r', wish, 2 });
		assert_int_equal(ring_used_index(&ring), 1);
		assert_int_equal(ring_used_id(&ring, 0), 2);
		assert_int_equal(ring_used_len(&ring, 0), 4);

		assert_int_equal(pop(), VIOMMU_E_EMPTY);
		ASSERT_CALLS({ 'r', RING_AVAIL + 2, 2 });
		assert_false(viommu_virtq_device_arm(&q));
		if (event_idx)
			ASSERT_CALLS({ 'w', RING_USED + 4 + 8 * 4, 2 }, { 'r', RING_AVAIL + 2, 2 });
		else
			ASSERT_CALLS({ 'r', RING_AVAIL + 2, 2 });
		ring_add(&ring, 2);
		assert_true(viommu_virtq_device_arm(&q));
		if (event_idx)
			assert_int_equal(ring_avail_event(&ring), 1);
	}
}

static void test_publish__without_pointers__as_the_driver_wishes(void **state)
{
	(void)state;
	for (unsigned event_idx = 0; event_idx < 2; event_idx++) {
		for (unsigned wanted = 0; wanted < 2; wanted++) {
			enable(&log_memory, event_idx ? EVT : 0);
			ring_desc(&ring, 0, DATA_GPA, 1, 0, 0);
			ring_add(&ring, 0);
			assert_int_equal(pop(), VIOMMU_OK);
			put_le(ring.avail, 2, wanted ? 0 : 1);
			ring_set_used_event(&ring, wanted ? 0 : 1);
			assert_int_equal(viommu_virtq_device_push(&q, 0, 0), VIOMMU_OK);
			assert_int_equal(viommu_virtq_device_publish(&q), wanted);
		}
	}
}

/* A chain that is waiting, one that was popped, and one that was pushed; then the n-th call of one operation fails. */
static void prepare_failure(uint64_t features, unsigned failing)
{
	enable(&log_memory, features);
	for (unsigned i = 0; i < 3; i++)
		ring_desc(&ring, i, DATA_GPA, 1, 0, 0);
	ring_add(&ring, 0);
	ring_add(&ring, 1);
	ring_add(&ring, 2);
	assert_int_equal(pop(), VIOMMU_OK);
	assert_int_equal(pop(), VIOMMU_OK);
	assert_int_equal(viommu_virtq_device_push(&q, 0, 0), VIOMMU_OK);
	forget_calls(failing);
}

static void assert_broken(void)
{
	struct viommu_virtq_layout layout = ring_layout(4, 0);

	assert_true(viommu_virtq_device_check(&q));
	assert_int_equal(viommu_virtq_device_state(&q), VIOMMU_VIRTQ_BROKEN);
	forget_calls(0);
	assert_int_equal(pop(), VIOMMU_E_BROKEN);
	assert_int_equal(viommu_virtq_device_push(&q, 1, 0), VIOMMU_E_STATE);
	assert_false(viommu_virtq_device_arm(&q));
	assert_int_equal(call_count, 0);
	ring_init(&ring, &guest, 4);
	assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
	ring_add(&ring, 3);
	assert_int_equal(pop(), VIOMMU_OK);
}

static void test_ring__seam_fails__broken_and_no_answer_twice(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 2; n++) {
		prepare_failure(0, n); /* the index, the head */
		assert_int_equal(pop(), VIOMMU_E_BROKEN);
		assert_broken();
		prepare_failure(0, n); /* id, length */
		assert_int_equal(viommu_virtq_device_push(&q, 1, 0), VIOMMU_E_BROKEN);
		assert_broken();
		prepare_failure(EVT,
				n); /* the used index; the driver's wish, which might have been for a notification */
		assert_int_equal(viommu_virtq_device_publish(&q), n == 2);
		assert_int_equal(ring_used_index(&ring), n - 1);
		assert_broken();
		prepare_failure(EVT, n); /* avail_event, the index: whoever armed is to look again, and hears of it */
		assert_true(viommu_virtq_device_arm(&q));
		assert_broken();
	}
	prepare_failure(0, 1);
	assert_true(viommu_virtq_device_arm(&q));
	assert_broken();
}

/* It need not be the ring that is gone: the chain is given back as any that is malformed. */
static void test_pop__descriptor_cannot_be_read__malformed(void **state)
{
	(void)state;
	prepare_failure(0, 3);
	assert_int_equal(pop(), VIOMMU_E_PEER);
	assert_int_equal(chain.head, 2);
	assert_int_equal(viommu_virtq_device_state(&q), VIOMMU_VIRTQ_READY);
	assert_int_equal(viommu_virtq_device_push(&q, 2, 0), VIOMMU_OK);
}

/* Pointers and callbacks: the ring by pointer only if all of it is, and a buffer by pointer up to where they end. */
static void *low_resolve(void *ctx, viommu_gpa gpa, uint32_t kind, uint64_t *len)
{
	return gpa < NEXT_GPA ? guest.pointers.ops->resolve(((struct viommu_memory *)ctx)->ctx, gpa, kind, len) : NULL;
}

static const struct viommu_memory_ops mixed_ops = {
	.size = sizeof mixed_ops, .resolve = low_resolve, .read = log_read, .write = log_write
};
static const struct viommu_memory mixed_memory = { &mixed_ops, &guest.pointers };

static void test_enable__some_areas_without_pointer__all_copied(void **state)
{
	const struct {
		uint64_t desc, avail, used;
		bool copied;
	} rows[] = {
		{ RING_DESC, RING_AVAIL, RING_USED, false },
		{ NEXT_GPA, RING_AVAIL, RING_USED, true },
		{ RING_DESC, NEXT_GPA - 2, RING_USED, true },
		{ RING_DESC, RING_AVAIL, NEXT_GPA, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct viommu_virtq_layout layout = { 4, rows[i].desc, rows[i].avail, rows[i].used, 0 };

		enable(&mixed_memory, 0);
		assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
		assert_true(viommu_virtq_device_check(&q));
		desc_put(guest_at(&guest, rows[i].desc), DATA_GPA, 1, 0, 0);
		put_le(guest_at(&guest, rows[i].avail + 2), 2, 1);
		assert_int_equal(pop(), VIOMMU_OK);
		assert_int_equal(viommu_virtq_device_push(&q, 0, 0), VIOMMU_OK);
		assert_true(viommu_virtq_device_publish(&q));
		assert_int_equal(get_le(guest_at(&guest, rows[i].used + 2), 2), 1);
		assert_int_equal(call_count != 0, rows[i].copied);
	}
}

/* A ring that loses its pointers goes on without, as long as the seam copies. */
static void test_memory_changed__no_pointer_any_more__copied(void **state)
{
	struct viommu_memory_region kept = { TOP_GPA, UINT64_MAX, guest.top, 3 };
	struct viommu_memory_table pointers;
	struct viommu_memory behind = { &viommu_memory_table_ops, &pointers };
	const struct viommu_memory mixed = { &mixed_ops, &behind };

	(void)state;
	enable(&mixed_memory, 0);
	assert_int_equal(viommu_memory_table_init(&pointers, guest.regions, 4), VIOMMU_OK);
	viommu_virtq_device_init(&q, &mixed);
	assert_int_equal(
		viommu_virtq_device_enable(&q, &(struct viommu_virtq_layout){ 4, RING_DESC, RING_AVAIL, RING_USED, 0 }),
		VIOMMU_OK);
	assert_int_equal(viommu_virtq_device_memory_changed(&q), VIOMMU_OK);
	assert_int_equal(pop(), VIOMMU_E_EMPTY);
	assert_int_equal(call_count, 0);
	assert_int_equal(viommu_memory_table_set(&pointers, &kept, 1), VIOMMU_OK);
	assert_int_equal(viommu_virtq_device_memory_changed(&q), VIOMMU_OK);
	assert_int_equal(pop(), VIOMMU_E_BROKEN); /* `behind` has none of it either */
	ASSERT_CALLS({ 'r', RING_AVAIL + 2, 2 });
}

static void test_enable__host_memory_misaligned__copied(void **state)
{
	struct viommu_virtq_layout layout = ring_layout(4, 0);

	(void)state;
	enable(&mixed_memory, 0);
	guest.regions[0].host = guest.low + 1;
	guest.regions[0].last--;
	assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
	assert_int_equal(pop(), VIOMMU_E_EMPTY);
	ASSERT_CALLS({ 'r', RING_AVAIL + 2, 2 });
}

static void test_pop__buffer_partly_without_pointer__pieces_of_both_kinds(void **state)
{
	(void)state;
	enable(&mixed_memory, 0);
	ring_desc(&ring, 0, NEXT_GPA - 8, 24, F_WRITE, 0);
	ring_add(&ring, 0);
	assert_int_equal(pop(), VIOMMU_OK);
	assert_int_equal(chain.writable, 2);
	assert_ptr_equal(segments[0].base, guest.low + LOW_LEN - 8);
	assert_int_equal(segments[0].len, 8);
	assert_null(segments[1].base);
	assert_true(segments[1].gpa == NEXT_GPA && segments[1].len == 16);
	assert_int_equal(call_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring__one_request__each_field_one_call),
		cmocka_unit_test(test_publish__without_pointers__as_the_driver_wishes),
		cmocka_unit_test(test_ring__seam_fails__broken_and_no_answer_twice),
		cmocka_unit_test(test_pop__descriptor_cannot_be_read__malformed),
		cmocka_unit_test(test_enable__some_areas_without_pointer__all_copied),
		cmocka_unit_test(test_memory_changed__no_pointer_any_more__copied),
		cmocka_unit_test(test_enable__host_memory_misaligned__copied),
		cmocka_unit_test(test_pop__buffer_partly_without_pointer__pieces_of_both_kinds),
	};

	return suite_run(tests);
}
