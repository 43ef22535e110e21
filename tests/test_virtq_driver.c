/* SPDX-License-Identifier: BSD-3-Clause */
/* test_virtq_driver.c: the driver's half against a device that is written by hand, honest or not. */
#include "suite.h"
#include "virtq_ring.h"

#include "sim/random.h"

#define IND VIOMMU_F_INDIRECT_DESC
#define EVT VIOMMU_F_EVENT_IDX
#define DATA VIOMMU_F_NOTIFICATION_DATA
#define ORDER VIOMMU_F_IN_ORDER
#define BUS UINT64_C(0x7000000000) /* bus address of the shared memory: nothing may confuse it with a pointer */
#define SIZE_MAX_TESTED 32768u
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static _Alignas(16) uint8_t shared[VIOMMU_VIRTQ_DRIVER_SHARED(SIZE_MAX_TESTED) + 64];
static struct viommu_virtq_shadow shadow[SIZE_MAX_TESTED + 1];
static struct viommu_virtq_driver q;
static struct viommu_virtq_layout layout;
static uint8_t *desc, *avail, *used; /* as the device finds them */
static int tokens[SIZE_MAX_TESTED];  /* their addresses are the tokens */

static uint8_t *at(uint64_t bus)
{
	assert_true(bus >= BUS && bus < BUS + sizeof(shared));
	return shared + (bus - BUS);
}

static void check_canaries(void)
{
	assert_true(viommu_virtq_driver_check(&q));
	for (unsigned k = 0; k < 64; k++)
		assert_int_equal(shared[VIOMMU_VIRTQ_DRIVER_SHARED(q.size) + k], CANARY);
	for (unsigned k = 0; k < sizeof(shadow[0]); k++)
		assert_int_equal(((const uint8_t *)&shadow[q.size])[k], CANARY);
}

/* However the test ended: what is private is sound, nothing was written outside, and everything comes back. */
static void end_of_test(void *ctx)
{
	(void)ctx;
	check_canaries();
	while (viommu_virtq_driver_reclaim(&q) != NULL)
		;
}

static void start(uint32_t size, uint64_t features)
{
	const struct viommu_shared_memory memory = { shared, BUS, VIOMMU_VIRTQ_DRIVER_SHARED(size) };

	memset(shared, CANARY, VIOMMU_VIRTQ_DRIVER_SHARED(size) + 64);
	memset(&shadow[size], CANARY, sizeof(shadow[0]));
	assert_int_equal(viommu_virtq_driver_init(&q, size, features, &memory, shadow, &layout), VIOMMU_OK);
	desc = at(layout.desc);
	avail = at(layout.avail);
	used = at(layout.used);
	sim_env_on_end(end_of_test, &q);
}

static enum viommu_result add(uint32_t readable, uint32_t writable, void *token)
{
	static struct viommu_bus_segment segments[SIZE_MAX_TESTED + 2];

	for (uint32_t k = 0; k < readable + writable && k < COUNT(segments); k++)
		segments[k] = (struct viommu_bus_segment){ UINT64_C(0x123456789a0000) + k, 100 + k };
	return viommu_virtq_driver_add(&q, segments, readable, writable, token);
}

static void use(uint16_t index, uint32_t id, uint32_t len)
{
	uint8_t *entry = used + 4 + 8 * (index % q.size);

	put_le(entry, 4, id);
	put_le(entry + 4, 4, len);
	put_le(used + 2, 2, (uint16_t)(index + 1));
}

static uint16_t avail_index(void)
{
	return (uint16_t)get_le(avail + 2, 2);
}

static uint16_t avail_head(uint16_t index)
{
	return (uint16_t)get_le(avail + 4 + 2 * (index % q.size), 2);
}

/* Init */

/* VQ-DRV-LAYOUT-01, VQ-DRV-AVAILSUP-01, INF-19, INF-20 */
static void test_init__every_size__areas_aligned_disjoint_inside_and_zero(void **state)
{
	(void)state;
	for (uint32_t size = 1; size <= SIZE_MAX_TESTED; size *= 2) {
		uint64_t end = BUS + VIOMMU_VIRTQ_DRIVER_SHARED(size);

		start(size, IND | EVT);
		assert_int_equal(layout.size, size);
		assert_true((layout.features & (IND | EVT)) == (IND | EVT));
		assert_true(layout.desc % 16 == 0 && layout.avail % 2 == 0 && layout.used % 4 == 0);
		assert_true(layout.desc >= BUS && layout.desc + 16 * size <= layout.avail);
		assert_true(layout.avail + 6 + 2 * size <= layout.used);
		assert_true(layout.used + 6 + 8 * size <= end);
		assert_true(q.tables_addr >= layout.desc + 16 * size && q.tables_addr + 64 * size <= layout.avail);
		for (size_t k = 0; k < VIOMMU_VIRTQ_DRIVER_SHARED(size); k++)
			assert_int_equal(shared[k], 0);
		assert_int_equal(viommu_virtq_driver_in_flight(&q), 0);
		assert_true(VIOMMU_VIRTQ_DRIVER_PRIVATE(size) == size * sizeof(shadow[0]));
		check_canaries();
	}
}

static void test_init__bad_arguments__refused_and_nothing_touched(void **state)
{
	const size_t need = VIOMMU_VIRTQ_DRIVER_SHARED(8);
	const struct {
		uint32_t size;
		struct viommu_shared_memory memory;
	} rows[] = {
		{ 0, { shared, BUS, sizeof(shared) } },     { 3, { shared, BUS, sizeof(shared) } },
		{ 65536, { shared, BUS, sizeof(shared) } }, { UINT32_MAX, { shared, BUS, sizeof(shared) } },
		{ 8, { shared, BUS, need - 1 } },           { 8, { shared, BUS, 0 } },
		{ 8, { shared + 8, BUS, need } },           { 8, { shared + 1, BUS, need } },
		{ 8, { shared, BUS + 8, need } },           { 8, { shared, BUS + 1, need } },
		{ 8, { shared, UINT64_MAX - 15, need } },
	};
	struct viommu_virtq_driver before;

	(void)state;
	memset(&q, 0x11, sizeof(q));
	memset(shared, CANARY, need);
	memcpy(&before, &q, sizeof(q));
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(viommu_virtq_driver_init(&q, rows[i].size, 0, &rows[i].memory, shadow, &layout),
				 VIOMMU_E_ARG);
		assert_memory_equal(&before, &q, sizeof(q));
		for (size_t k = 0; k < need; k++)
			assert_int_equal(shared[k], CANARY);
	}
}

/* Add and publish */

/* VQ-DRV-FRAME-01, VQ-DRV-INDIR-02: what the device finds, for each number of pieces, with and without tables */
static void test_add__every_shape__chain_as_the_device_reads_it(void **state)
{
	(void)state;
	for (unsigned tables = 0; tables < 2; tables++) {
		for (uint32_t readable = 0; readable <= 8; readable++) {
			for (uint32_t writable = 0; readable + writable <= 8; writable++) {
				uint32_t count = readable + writable, entries = 8, index;
				const uint8_t *table;
				unsigned flags;

				start(8, tables ? IND : 0);
				if (count == 0) {
					assert_int_equal(add(0, 0, tokens), VIOMMU_E_ARG);
					continue;
				}
				assert_int_equal(add(readable, writable, tokens), VIOMMU_OK);
				assert_int_equal(viommu_virtq_driver_in_flight(&q), 1);
				table = desc;
				index = avail_head(0);
				flags = (unsigned)get_le(desc + 16 * index + 12, 2);
				/* VQ-DRV-INDIR-01: only when negotiated */
				assert_int_equal(flags & F_INDIRECT,
						 tables && count >= 2 && count <= 4 ? F_INDIRECT : 0);
				if ((flags & F_INDIRECT) != 0) {
					assert_int_equal(flags, F_INDIRECT); /* VQ-DRV-INDIR-04 */
					assert_int_equal(get_le(desc + 16 * index + 8, 4), 16 * count);
					table = at(get_le(desc + 16 * index, 8));
					assert_true(table >= desc + 16 * 8 && table + 64 <= avail);
					entries = count;
					index = 0;
				}
				for (uint32_t k = 0; k < count; k++) {
					const uint8_t *d = table + 16 * index;

					flags = (unsigned)get_le(d + 12, 2);
					assert_true(get_le(d, 8) == UINT64_C(0x123456789a0000) + k);
					assert_int_equal(get_le(d + 8, 4), 100 + k);
					assert_int_equal(flags,
							 (k < readable ? 0 : F_WRITE) | (k + 1 < count ? F_NEXT : 0));
					index = (uint32_t)get_le(d + 14, 2);
					assert_true(index < entries);
				}
				check_canaries();
			}
		}
	}
}

/* VQ-DRV-INDIR-03 */
static void test_add__bad_arguments__refused_and_nothing_changed(void **state)
{
	static const struct {
		uint32_t readable, writable;
		bool token;
	} rows[] = {
		{ 0, 0, true },
		{ 9, 0, true },
		{ 0, 9, true },
		{ 8, 1, true },
		{ 1, 8, true },
		{ UINT32_MAX, 1, true },
		{ 1, UINT32_MAX, true },
		{ UINT32_MAX, 9, true },
		{ 8, UINT32_MAX - 3, true },
		{ 1u << 31, 1u << 31, true },
		{ 1, 1, false },
	};
	struct viommu_virtq_driver before;

	(void)state;
	start(8, IND);
	before = q;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(add(rows[i].readable, rows[i].writable, rows[i].token ? tokens : NULL), VIOMMU_E_ARG);
	assert_memory_equal(&before, &q, sizeof(q));
	assert_int_equal(add(4, 4, tokens), VIOMMU_OK);
}

/* VQ-DRV-DESC-01: 2^32 bytes and no more; what the device may claim then is cut to 32 bits, not to 0 */
static void test_add__total_length__at_most_2_to_32(void **state)
{
	struct viommu_bus_segment segments[] = { { 0, UINT32_MAX }, { 0, 1 }, { 0, 1 } };
	uint32_t written;
	void *token;

	(void)state;
	start(8, 0);
	assert_int_equal(viommu_virtq_driver_add(&q, segments, 1, 2, tokens), VIOMMU_E_ARG);
	assert_int_equal(viommu_virtq_driver_add(&q, segments, 3, 0, tokens), VIOMMU_E_ARG);
	assert_int_equal(viommu_virtq_driver_add(&q, segments, 0, 2, tokens), VIOMMU_OK);
	assert_true(viommu_virtq_driver_publish(&q));
	use(0, avail_head(0), UINT32_MAX);
	assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
	assert_int_equal(written, UINT32_MAX);
	assert_int_equal(q.clamped, 0);
}

/* n descriptors with n - 1 free */
static void test_add__no_room__full_and_nothing_changed(void **state)
{
	struct viommu_virtq_driver before;
	uint32_t written;
	void *token;

	(void)state;
	start(8, 0);
	assert_int_equal(add(3, 0, &tokens[0]), VIOMMU_OK);
	assert_int_equal(add(0, 3, &tokens[1]), VIOMMU_OK);
	before = q;
	assert_int_equal(add(2, 1, &tokens[2]), VIOMMU_E_FULL);
	assert_memory_equal(&before, &q, sizeof(q));
	assert_int_equal(add(1, 1, &tokens[2]), VIOMMU_OK);
	assert_int_equal(add(1, 0, &tokens[3]), VIOMMU_E_FULL);
	assert_true(viommu_virtq_driver_publish(&q));
	use(0, avail_head(1), 0);
	assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
	assert_ptr_equal(token, &tokens[1]);
	assert_int_equal(add(2, 2, &tokens[3]), VIOMMU_E_FULL);
	assert_int_equal(add(2, 1, &tokens[3]), VIOMMU_OK);

	/* With tables a chain of up to four takes one descriptor; a longer one takes what it needs. */
	start(8, IND);
	for (unsigned k = 0; k < 4; k++)
		assert_int_equal(add(2, 2, &tokens[k]), VIOMMU_OK);
	assert_int_equal(add(4, 1, &tokens[4]), VIOMMU_E_FULL);
	for (unsigned k = 4; k < 8; k++)
		assert_int_equal(add(1, 1, &tokens[k]), VIOMMU_OK);
	assert_int_equal(add(1, 1, &tokens[8]), VIOMMU_E_FULL);
	assert_int_equal(viommu_virtq_driver_in_flight(&q), 8);
}

/* VQ-DRV-SUPPLY-01, VQ-DRV-RINGUPD-02, VQ-DRV-AVAIL-01 */
static void test_publish__batch__index_moves_once_and_forward(void **state)
{
	(void)state;
	start(8, 0);
	assert_false(viommu_virtq_driver_publish(&q));
	for (unsigned k = 0; k < 3; k++)
		assert_int_equal(add(1, 0, &tokens[k]), VIOMMU_OK);
	assert_int_equal(avail_index(), 0);
	assert_true(viommu_virtq_driver_publish(&q));
	assert_int_equal(avail_index(), 3);
	assert_false(viommu_virtq_driver_publish(&q));
	assert_int_equal(avail_index(), 3);
}

/* A batch of `batch` chains that were already waiting at `index`: add, publish, use, pop. Returns whether to kick. */
static bool cycle(uint16_t index, uint32_t batch)
{
	uint32_t written;
	void *token;
	bool kick;

	for (uint32_t k = 0; k < batch; k++)
		assert_int_equal(add(1, 0, &tokens[k]), VIOMMU_OK);
	kick = viommu_virtq_driver_publish(&q);
	assert_int_equal(avail_index(), (uint16_t)(index + batch));
	for (uint32_t k = 0; k < batch; k++)
		use((uint16_t)(index + k), avail_head((uint16_t)(index + k)), 0);
	for (uint32_t k = 0; k < batch; k++) {
		assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
		assert_ptr_equal(token, &tokens[k]);
	}
	assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_E_EMPTY); /* VQ-DRV-USEDSUP-05 */
	return kick;
}

/* VQ-DRV-AVAILSUP-02, -03, -04; VQ-DRV-USEDSUP-01 */
static void test_publish__flags_mode__asks_bit_0_only(void **state)
{
	static const uint16_t flags[] = { 0, 1, 2, 0xfffe, 0xffff };

	(void)state;
	start(8, 0);
	for (unsigned i = 0; i < 50; i++) {
		put_le(used, 2, flags[i % 5]);
		put_le(used + 4 + 64, 2, (uint16_t)(i + i / 5 % 3)); /* avail_event, ignored */
		assert_int_equal(cycle((uint16_t)i, 1), (flags[i % 5] & 1) == 0);
		assert_int_equal(get_le(avail, 2), 0);
	}
}

/* VQ-DRV-AVAILSUP-05, -06, -07; INF-20: around the wrap */
static void test_publish__event_mode__asks_whether_the_batch_passed_the_event(void **state)
{
	struct sim_random random = { 4 };

	(void)state;
	start(8, EVT);
	for (uint32_t index = 0; index < 140000;) {
		uint32_t batch = 1 + (uint32_t)sim_random_below(&random, 8);
		uint16_t event = (uint16_t)(index + sim_random_below(&random, 14) - 3);

		put_le(used, 2, index & 1); /* flags, ignored */
		put_le(used + 4 + 64, 2, event);
		assert_int_equal(cycle((uint16_t)index, batch), (uint16_t)(event - index) < batch);
		index += batch;
	}
}

/* INF-24: the index as the device sees it, all 16 bits of it, over two rounds of them */
static void test_notification__every_size_and_index__queue_and_position_if_negotiated(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 32768 };

	(void)state;
	for (unsigned i = 0; i < 2 * COUNT(sizes); i++) {
		uint32_t size = sizes[i / 2];
		bool with = i % 2 != 0;

		start(size, with ? DATA : 0);
		for (uint32_t index = 0; index <= 2 * 65536; index += size) {
			uint32_t position = with ? (uint32_t)(uint16_t)index << 16 : 0;

			assert_int_equal(viommu_virtq_driver_notification(&q, 0), position);
			assert_int_equal(viommu_virtq_driver_notification(&q, 0xfedc), position | 0xfedc);
			assert_true(cycle((uint16_t)index, size));
		}
		/* What was added is not there before it is published. */
		assert_int_equal(add(1, 0, tokens), VIOMMU_OK);
		assert_int_equal(viommu_virtq_driver_notification(&q, 1), with ? size << 16 | 1 : 1);
	}
}

/* VQ-DRV-USEDSUP-03, -04, VQ-DRV-RECV-01 */
static void test_arm__both_modes__event_index_or_nothing_written(void **state)
{
	(void)state;
	for (unsigned mode = 0; mode < 2; mode++) {
		start(8, mode ? EVT : 0);
		for (uint32_t i = 0; i < 70000; i++) {
			uint32_t written;
			void *token;

			assert_false(viommu_virtq_driver_arm(&q));
			assert_int_equal(get_le(avail + 4 + 16, 2), mode ? (uint16_t)i : 0);
			assert_int_equal(get_le(avail, 2), 0);
			assert_int_equal(add(1, 0, tokens), VIOMMU_OK);
			(void)viommu_virtq_driver_publish(&q);
			use((uint16_t)i, avail_head((uint16_t)i), 0);
			assert_true(viommu_virtq_driver_arm(&q));
			assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
		}
	}
}

/* Pop */

/* Everything fails from now on, until init. */
static void check_broken(void)
{
	uint32_t in_flight = viommu_virtq_driver_in_flight(&q), written = 77;
	void *token = &q;

	for (unsigned k = 0; k < 2; k++) {
		assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_E_BROKEN);
		put_le(used + 2, 2, q.seen); /* an index that looks right again does not help */
	}
	assert_ptr_equal(token, &q);
	assert_int_equal(written, 77);
	assert_int_equal(add(1, 0, tokens), VIOMMU_E_BROKEN);
	assert_false(viommu_virtq_driver_publish(&q));
	assert_false(viommu_virtq_driver_arm(&q));
	assert_int_equal(viommu_virtq_driver_in_flight(&q), in_flight);
	for (uint32_t k = 0; k < in_flight; k++)
		assert_non_null(viommu_virtq_driver_reclaim(&q));
	assert_null(viommu_virtq_driver_reclaim(&q));
	check_canaries();
}

/* Ids that name nothing in flight, in a build without any debug switch. */
static void test_pop__used_id__only_heads_in_flight(void **state)
{
	(void)state;
	for (uint32_t id = 0; id < 70000; id += id < 300 ? 1 : id < 65000 ? 997 : 1) {
		uint32_t written;
		void *token;
		enum viommu_result r;

		/* In flight: 0 (three descriptors), 3, 4. Published: not 4. Given back: 5. */
		start(8, 0);
		assert_int_equal(add(2, 1, &tokens[0]), VIOMMU_OK);
		assert_int_equal(add(1, 0, &tokens[3]), VIOMMU_OK);
		assert_int_equal(add(0, 1, &tokens[4]), VIOMMU_OK);
		assert_int_equal(add(0, 1, &tokens[5]), VIOMMU_OK);
		assert_true(viommu_virtq_driver_publish(&q));
		use(0, 4, 0);
		assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
		use(1, 5, 0);
		assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
		assert_int_equal(add(0, 1, &tokens[6]), VIOMMU_OK); /* free list: last in, first out */
		assert_int_equal(avail_head(4), 5);
		use(2, id, 1);
		r = viommu_virtq_driver_pop(&q, &token, &written);
		if (id == 0 || id == 3) {
			assert_int_equal(r, VIOMMU_OK);
			assert_ptr_equal(token, &tokens[id]);
			continue;
		}
		assert_int_equal(r, VIOMMU_E_BROKEN);
		check_broken();
	}
	for (unsigned bit = 16; bit < 32; bit++) { /* the id has 32 bits */
		uint32_t written;
		void *token;

		start(8, 0);
		assert_int_equal(add(1, 0, tokens), VIOMMU_OK);
		assert_true(viommu_virtq_driver_publish(&q));
		use(0, UINT32_C(1) << bit, 0);
		assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_E_BROKEN);
	}
}

static void test_pop__same_id_twice__broken(void **state)
{
	uint32_t written;
	void *token;

	(void)state;
	start(8, IND);
	assert_int_equal(add(1, 1, &tokens[0]), VIOMMU_OK);
	assert_int_equal(add(1, 1, &tokens[1]), VIOMMU_OK);
	assert_true(viommu_virtq_driver_publish(&q));
	use(0, avail_head(0), 4);
	use(1, avail_head(0), 4);
	assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
	assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_E_BROKEN);
	check_broken();
}

static void test_pop__every_used_index__more_than_published_is_broken(void **state)
{
	(void)state;
	for (uint32_t published = 0; published <= 8; published++) {
		for (uint32_t jump = 0; jump < 65536; jump++) {
			uint32_t written;
			void *token;

			if (jump == 0 || jump <= published + 1 || jump % 64 == 0 || jump > 65500) {
				start(8, 0);
				for (uint32_t k = 0; k < published; k++)
					assert_int_equal(add(0, 1, &tokens[k]), VIOMMU_OK);
				(void)viommu_virtq_driver_publish(&q);
				if (published < 8) /* added but not published does not count */
					assert_int_equal(add(0, 1, &tokens[8]), VIOMMU_OK);
			}
			put_le(used + 2, 2, jump);
			q.broken = false;
			if (jump == 0)
				assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_E_EMPTY);
			else if (jump <= published) /* the entries are all zero: head 0, given back once */
				assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
			else
				assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_E_BROKEN);
		}
	}
}

/* VQ-DRV-USED-01: a length that is too large is cut and counted, never passed on. */
static void test_pop__used_length__cut_to_the_writable_part(void **state)
{
	static const uint32_t lens[] = { 0, 1, 202, 203, 204, 1000, UINT32_MAX };
	uint32_t clamped = 0;

	(void)state;
	start(8, IND);
	for (uint16_t i = 0; i < COUNT(lens); i++) {
		uint32_t written;
		void *token;

		assert_int_equal(add(1, 2, tokens), VIOMMU_OK); /* 100 readable, 101 + 102 writable */
		(void)viommu_virtq_driver_publish(&q);
		use(i, avail_head(i), lens[i]);
		assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
		assert_int_equal(written, lens[i] < 203 ? lens[i] : 203);
		clamped += lens[i] > 203;
		assert_int_equal(q.clamped, clamped);
	}
	assert_int_equal(add(4, 0, tokens), VIOMMU_OK);
	q.clamped = UINT32_MAX;
	(void)viommu_virtq_driver_publish(&q);
	use(COUNT(lens), avail_head(COUNT(lens)), 1);
	{
		uint32_t written = 9;
		void *token;

		assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
		assert_int_equal(written, 0);
		assert_int_equal(q.clamped, UINT32_MAX);
	}
}

/* The device scribbles over all that the driver wrote; nothing of it is read back */
static void test_all__device_overwrites_descriptors_and_available_ring__no_effect(void **state)
{
	struct sim_random random = { 5 };
	uint16_t heads[64];
	int *posted[64] = { NULL };
	uint32_t in_flight = 0;
	uint16_t done = 0;

	(void)state;
	start(64, IND);
	for (unsigned round = 0; round < 200000; round++) {
		uint32_t readable = (uint32_t)sim_random_below(&random, 5),
			 writable = 1 + (uint32_t)sim_random_below(&random, 5);

		if (sim_random_below(&random, 2) == 0) {
			enum viommu_result r = add(readable, writable, &tokens[round % SIZE_MAX_TESTED]);

			if (r == VIOMMU_OK) {
				uint16_t head = avail_head((uint16_t)(q.added - 1));

				assert_true(head < 64 && posted[head] == NULL);
				posted[head] = &tokens[round % SIZE_MAX_TESTED];
				heads[in_flight++] = head;
				(void)viommu_virtq_driver_publish(&q);
			} else {
				assert_int_equal(r, VIOMMU_E_FULL);
			}
		} else if (in_flight != 0) {
			uint32_t which = (uint32_t)sim_random_below(&random, in_flight), written;
			uint16_t head = heads[which];
			void *token;

			use(done, head, 1);
			done = (uint16_t)(done + 1);
			assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
			assert_ptr_equal(token, posted[head]);
			posted[head] = NULL;
			heads[which] = heads[--in_flight];
		}
		/* desc, tables, avail: all in front of used */
		for (unsigned k = 0; k < 64; k++) {
			uint64_t at = sim_random_below(&random, (uint64_t)(used - shared));

			shared[at] = (uint8_t)sim_random_next(&random);
		}
		memset(avail, 0xff, 4);
		assert_int_equal(viommu_virtq_driver_in_flight(&q), in_flight);
	}
	check_canaries();
}

/* Goal: a device that rewrites all of the shared memory causes errors and nothing else. */
static void test_all__device_writes_anything_anywhere__in_bounds(void **state)
{
	struct sim_random random = { 6 };
	unsigned popped = 0, broken = 0;

	(void)state;
	for (unsigned round = 0; round < 60000; round++) {
		uint32_t size = 1u << sim_random_below(&random, 5);
		uint32_t in_flight;

		start(size, sim_random_next(&random));
		for (unsigned k = 0; k < 12; k++) {
			uint32_t written = 0;
			void *token = NULL;
			enum viommu_result r;

			uint32_t pieces = (uint32_t)sim_random_below(&random, 9);

			(void)add(pieces / 3, pieces % 3, &tokens[k]);
			(void)viommu_virtq_driver_publish(&q);
			for (size_t b = 0; b < VIOMMU_VIRTQ_DRIVER_SHARED(size);
			     b += 1 + (size_t)sim_random_below(&random, 16))
				shared[b] = (uint8_t)sim_random_next(&random);
			/* Mostly the oldest head, so that some get through. */
			for (uint32_t s = 0; s < size; s++)
				put_le(used + 4 + 8 * s, 4,
				       sim_random_below(&random, 4) == 0 ? sim_random_below(&random, size + 1)
									 : shadow[q.seen % size].posted);
			put_le(used + 2, 2, q.seen + (sim_random_below(&random, 8) == 0 ? 2u : 1u));
			r = viommu_virtq_driver_pop(&q, &token, &written);
			if (r == VIOMMU_OK) {
				assert_true(token >= (void *)tokens && token < (void *)(tokens + 12));
				assert_true(written <= 4 * 104);
				popped++;
			} else if (r == VIOMMU_E_BROKEN) {
				broken++;
			}
			(void)viommu_virtq_driver_arm(&q);
		}
		in_flight = viommu_virtq_driver_in_flight(&q);
		assert_true(in_flight <= size);
		while (viommu_virtq_driver_reclaim(&q) != NULL)
			in_flight--;
		assert_int_equal(in_flight, 0);
		if (round % 64 == 0)
			check_canaries();
	}
	assert_true(popped > 30000 && broken > 30000);
}

/* In order */

/* Chains of one to four pieces one behind the other: each descriptor is the one behind the last, round the table. */
static void check_round_the_table(uint32_t size, uint64_t features)
{
	uint32_t next = 0; /* descriptor */
	uint16_t index = 0;

	start(size, ORDER | features);
	for (uint32_t round = 0; round < 5 * size; round++) {
		uint32_t count = 1 + round % (size < 4 ? size : 4);
		bool indirect = (features & IND) != 0 && count >= 2;
		const uint8_t *table = desc;
		uint32_t place = next, entries = size, written;
		void *token;

		assert_int_equal(add(count - 1, 1, &tokens[0]), VIOMMU_OK);
		assert_int_equal(avail_head(index), next);
		if (indirect) {
			table = at(get_le(desc + 16 * next, 8));
			place = 0;
			entries = UINT32_MAX;
		}
		for (uint32_t k = 0; k < count; k++) {
			unsigned flags = (unsigned)get_le(table + 16 * place + 12, 2);

			assert_true(get_le(table + 16 * place, 8) == UINT64_C(0x123456789a0000) + k);
			assert_int_equal(flags & F_NEXT, k + 1 < count ? F_NEXT : 0);
			place = (place + 1) % entries;
			if ((flags & F_NEXT) != 0)
				assert_int_equal(get_le(table + 16 * (indirect ? k : (next + k) % size) + 14, 2),
						 place);
		}
		next = (next + (indirect ? 1 : count)) % size;
		assert_true(viommu_virtq_driver_publish(&q));
		use(index, avail_head(index), 1);
		assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
		index = (uint16_t)(index + 1);
	}
	assert_int_equal(q.free_count, size);
	check_canaries();
}

/* VQ-DRV-DESC-02, VQ-DRV-INDIR-05 */
static void test_add__in_order__descriptors_round_the_table(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 4, 8, 32768 };

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		check_round_the_table(sizes[i], 0);
		check_round_the_table(sizes[i], IND);
	}
}

/* What is free is behind what is in flight, also if that reaches over the end of the table. */
static void test_add__in_order_no_room__full_and_nothing_changed(void **state)
{
	struct viommu_virtq_driver before;
	uint32_t written;
	void *token;

	(void)state;
	start(8, ORDER);
	assert_int_equal(add(5, 0, &tokens[0]), VIOMMU_OK);
	assert_int_equal(add(2, 0, &tokens[1]), VIOMMU_OK);
	assert_true(viommu_virtq_driver_publish(&q));
	use(0, 0, 0);
	assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
	before = q;
	assert_int_equal(add(7, 0, &tokens[2]), VIOMMU_E_FULL);
	assert_memory_equal(&before, &q, sizeof(q));
	assert_int_equal(add(3, 3, &tokens[2]), VIOMMU_OK);
	assert_int_equal(avail_head(2), 7);
	assert_int_equal(add(1, 0, &tokens[3]), VIOMMU_E_FULL);
	check_canaries();
}

/* One used entry for `count` chains, the first of which went to `index`, as the specification places it. */
static void use_batch(uint16_t index, uint16_t count, uint32_t len)
{
	use(index, avail_head((uint16_t)(index + count - 1)), len);
	put_le(used + 2, 2, (uint16_t)(index + count));
}

/*
 * INF-18: batches of every length up to the queue's, around both wraps. The other entries of the used ring are never
 * looked at: they name nothing that there is.
 */
static void test_pop__in_order_batch__each_token_once_and_in_order(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 8, 32768 };

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		uint32_t size = sizes[i], total = 0;

		start(size, ORDER);
		memset(used + 4, 0xff, 8 * (size_t)size);
		for (uint32_t round = 0; total < 3 * 65536; round++) {
			uint32_t flight = 1 + round * 7 % size, batch = 0;

			if (round % 5 == 0)
				flight = size;
			for (uint32_t k = 0; k < flight; k++)
				assert_int_equal(add(0, 1, &tokens[k]), VIOMMU_OK);
			assert_true(viommu_virtq_driver_publish(&q));
			for (uint32_t k = 0; k < flight; k++) {
				uint32_t written;
				void *token;

				if (batch == 0) {
					assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_E_EMPTY);
					batch = 1 + round * 3 % (flight - k);
					if (round % 3 == 0)
						batch = flight - k;
					use_batch((uint16_t)(total + k), (uint16_t)batch, 7);
				}
				assert_int_equal(viommu_virtq_driver_in_flight(&q), flight - k);
				assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
				assert_ptr_equal(token, &tokens[k]);
				batch--;
				/* Skipped ones count as written completely. */
				assert_int_equal(written, batch == 0 ? 7 : 100);
			}
			memset(used + 4 + 8 * (total % size), 0xff, 8);
			assert_int_equal(q.free_count, size);
			total += flight;
		}
		assert_int_equal(q.clamped, 0);
		check_canaries();
	}
}

/* Of a batch only the last one has a length; one that is too long is cut and counted, once. */
static void test_pop__in_order_length__cut_for_the_last_only(void **state)
{
	uint32_t written;
	void *token;

	(void)state;
	start(8, ORDER);
	for (unsigned k = 0; k < 3; k++)
		assert_int_equal(add(1, k == 1 ? 0 : 1, &tokens[k]), VIOMMU_OK);
	assert_true(viommu_virtq_driver_publish(&q));
	use_batch(0, 3, UINT32_MAX);
	for (unsigned k = 0; k < 3; k++) {
		assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
		assert_ptr_equal(token, &tokens[k]);
		assert_int_equal(written, k == 1 ? 0 : 101);
		assert_int_equal(q.clamped, k == 2);
	}
}

/* Every id under every index, right or wrong: of what is in flight one up to the index, or nothing works any more. */
static void test_pop__in_order_lies__broken(void **state)
{
	unsigned good = 0;

	(void)state;
	for (uint32_t id = 0; id < 70000; id += id < 20 ? 1 : id < 65530 ? 997 : 1) {
		for (uint32_t index = 0; index < 65536; index += index < 20 ? 1 : index < 65530 ? 997 : 1) {
			enum viommu_result expected = VIOMMU_E_BROKEN;
			uint32_t written = 0;
			void *token = NULL;

			/* Heads 0 and 1 have come back, 2 (of two descriptors), 4 and 5 have not. 6: not published. */
			start(8, ORDER);
			for (unsigned k = 0; k < 5; k++)
				assert_int_equal(add(1, k == 2, &tokens[k]), VIOMMU_OK);
			assert_true(viommu_virtq_driver_publish(&q));
			assert_int_equal(add(1, 0, &tokens[5]), VIOMMU_OK);
			use_batch(0, 2, 0);
			assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
			assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
			put_le(used + 4 + 8 * 2, 4, id);
			put_le(used + 2, 2, index);
			if (index == 2)
				expected = VIOMMU_E_EMPTY;
			if ((id == 2 && index >= 3 && index <= 5) || (id == 4 && index >= 4 && index <= 5) ||
			    (id == 5 && index == 5))
				expected = VIOMMU_OK;
			assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), expected);
			good += expected == VIOMMU_OK;
			if (expected == VIOMMU_OK)
				assert_ptr_equal(token, &tokens[2]);
			else if (expected == VIOMMU_E_BROKEN)
				check_broken();
		}
	}
	assert_int_equal(good, 6);
}

/* What the device does to the ring while a batch is handed out comes too late for it, and counts afterwards. */
static void test_pop__in_order_ring_overwritten_within_a_batch__batch_goes_on(void **state)
{
	uint32_t written;
	void *token;

	(void)state;
	start(8, ORDER | EVT);
	for (unsigned k = 0; k < 4; k++)
		assert_int_equal(add(1, 1, &tokens[k]), VIOMMU_OK);
	assert_true(viommu_virtq_driver_publish(&q));
	use_batch(0, 3, 1);
	for (unsigned k = 0; k < 3; k++) {
		assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
		assert_ptr_equal(token, &tokens[k]);
		assert_int_equal(viommu_virtq_driver_in_flight(&q), 3 - k);
		memset(desc, 0xee, (size_t)(used - desc) + 6 + 8 * 8);
		/* There is more to take as long as there is, whatever the index says. */
		put_le(used + 2, 2, k < 2 ? 3 : 2);
		assert_true(viommu_virtq_driver_arm(&q));
	}
	assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_E_BROKEN);
	check_broken();
}

/* Reclaim */

static void test_reclaim__after_reset__each_token_once_and_the_queue_is_dead(void **state)
{
	bool seen[8] = { false };
	uint32_t written;
	void *token;

	(void)state;
	start(8, 0);
	for (unsigned k = 0; k < 5; k++)
		assert_int_equal(add(1, 0, &tokens[k]), VIOMMU_OK);
	(void)viommu_virtq_driver_publish(&q);
	assert_int_equal(add(1, 1, &tokens[5]), VIOMMU_OK); /* not published: in flight all the same */
	use(0, avail_head(2), 0);
	assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
	assert_ptr_equal(token, &tokens[2]);
	for (uint32_t left = 5; left > 0; left--) {
		assert_int_equal(viommu_virtq_driver_in_flight(&q), left);
		token = viommu_virtq_driver_reclaim(&q);
		assert_non_null(token);
		assert_false(seen[(int *)token - tokens]);
		seen[(int *)token - tokens] = true;
	}
	assert_false(seen[2]);
	assert_int_equal(viommu_virtq_driver_in_flight(&q), 0);
	assert_null(viommu_virtq_driver_reclaim(&q));
	assert_null(viommu_virtq_driver_reclaim(&q));
	assert_int_equal(add(1, 0, tokens), VIOMMU_E_BROKEN);
	start(8, 0);
	assert_int_equal(add(1, 0, tokens), VIOMMU_OK);
	assert_null((viommu_virtq_driver_reclaim(&q), viommu_virtq_driver_reclaim(&q)));
}

/* The rest of a batch is in flight like all others. */
static void test_reclaim__within_a_batch__each_token_once(void **state)
{
	uint32_t written;
	void *token;

	(void)state;
	start(8, ORDER);
	for (unsigned k = 0; k < 5; k++)
		assert_int_equal(add(1, 0, &tokens[k]), VIOMMU_OK);
	assert_true(viommu_virtq_driver_publish(&q));
	use_batch(0, 4, 0);
	assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_OK);
	for (uint32_t left = 4; left > 0; left--) {
		assert_int_equal(viommu_virtq_driver_in_flight(&q), left);
		assert_non_null(viommu_virtq_driver_reclaim(&q));
		assert_true(viommu_virtq_driver_check(&q));
	}
	assert_null(viommu_virtq_driver_reclaim(&q));
	assert_int_equal(viommu_virtq_driver_pop(&q, &token, &written), VIOMMU_E_BROKEN);
}

static void test_all__every_size_full__wraps_and_nothing_lost(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 8, 256, 32768 };

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(sizes); i++) {
		uint32_t size = sizes[i / 2];

		start(size, i % 2 == 0 ? 0 : VIOMMU_VIRTQ_FEATURES & ~EVT);
		for (uint32_t total = 0; total < 3 * 65536; total += size) {
			assert_true(cycle((uint16_t)total, size));
			assert_int_equal(viommu_virtq_driver_in_flight(&q), 0);
		}
		assert_int_equal(q.free_count, size);
		check_canaries();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init__every_size__areas_aligned_disjoint_inside_and_zero),
		cmocka_unit_test(test_init__bad_arguments__refused_and_nothing_touched),
		cmocka_unit_test(test_add__every_shape__chain_as_the_device_reads_it),
		cmocka_unit_test(test_add__bad_arguments__refused_and_nothing_changed),
		cmocka_unit_test(test_add__total_length__at_most_2_to_32),
		cmocka_unit_test(test_add__no_room__full_and_nothing_changed),
		cmocka_unit_test(test_publish__batch__index_moves_once_and_forward),
		cmocka_unit_test(test_publish__flags_mode__asks_bit_0_only),
		cmocka_unit_test(test_publish__event_mode__asks_whether_the_batch_passed_the_event),
		cmocka_unit_test(test_notification__every_size_and_index__queue_and_position_if_negotiated),
		cmocka_unit_test(test_arm__both_modes__event_index_or_nothing_written),
		cmocka_unit_test(test_pop__used_id__only_heads_in_flight),
		cmocka_unit_test(test_pop__same_id_twice__broken),
		cmocka_unit_test(test_pop__every_used_index__more_than_published_is_broken),
		cmocka_unit_test(test_pop__used_length__cut_to_the_writable_part),
		cmocka_unit_test(test_all__device_overwrites_descriptors_and_available_ring__no_effect),
		cmocka_unit_test(test_all__device_writes_anything_anywhere__in_bounds),
		cmocka_unit_test(test_add__in_order__descriptors_round_the_table),
		cmocka_unit_test(test_add__in_order_no_room__full_and_nothing_changed),
		cmocka_unit_test(test_pop__in_order_batch__each_token_once_and_in_order),
		cmocka_unit_test(test_pop__in_order_length__cut_for_the_last_only),
		cmocka_unit_test(test_pop__in_order_lies__broken),
		cmocka_unit_test(test_pop__in_order_ring_overwritten_within_a_batch__batch_goes_on),
		cmocka_unit_test(test_reclaim__within_a_batch__each_token_once),
		cmocka_unit_test(test_reclaim__after_reset__each_token_once_and_the_queue_is_dead),
		cmocka_unit_test(test_all__every_size_full__wraps_and_nothing_lost),
	};

	return suite_run(tests);
}
