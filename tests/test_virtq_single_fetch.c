/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtq_single_fetch.c: the virtqueue over accessors of the test (sim/env/port.h).
 *
 * First part: the accessors record each byte that is read, and may change it right after. Within one pop no byte of the
 * ring is read twice, so what was judged is what is used.
 *
 * Second part: the accessors are scheduling points of a model of two processors with store buffers. All interleavings
 * of publishing on one side and going to sleep on the other are run; nobody may sleep while something waits for him.
 * With the fences taken out the same search has to find the lost notification, or it proves nothing.
 */
#include "suite.h"
#include "virtq_ring.h"

#include "sim/env/env.h"
#include "sim/env/port.h"
#include "sim/random.h"

#define IND VIOMMU_F_INDIRECT_DESC
#define EVT VIOMMU_F_EVENT_IDX
#define PLATFORM VIOMMU_F_ORDER_PLATFORM

/* What the accessors do now. */
static struct sim_env_port port;

/* Stores of any kind so far. */
static unsigned stores;

static void counted_store(uint8_t *p, unsigned bytes, uint64_t value)
{
	stores++;
	put_le(p, bytes, value);
}

static void counted_copy_out(uint8_t *peer, const uint8_t *src, size_t len)
{
	stores++;
	memcpy(peer, src, len);
}

/* Recorded and changing peer memory */

static struct guest guest;
static struct ring ring;
static struct viommu_virtq_device q;
static struct viommu_segment segments[64];
static struct viommu_chain chain;
static uint8_t reads[LOW_LEN];  /* of each byte of guest.low since the last forget_reads */
static uintptr_t touched[1024]; /* where reads is not 0 */
static uint32_t touched_count;
static uint32_t read_count;
static uint32_t twice; /* bytes that were read again */
static struct sim_random random_bytes;
static bool change; /* each byte right after it was read */

static void record(const uint8_t *p, size_t len)
{
	for (size_t k = 0; k < len; k++) {
		uintptr_t offset = (uintptr_t)(p + k) - (uintptr_t)guest.low;

		assert_true(guest_holds(&guest, p + k, 1));
		read_count++;
		if (offset < LOW_LEN && reads[offset]++ != 0)
			twice++;
		else if (offset < LOW_LEN)
			touched[touched_count++ % 1024] = offset;
		if (change)
			((uint8_t *)(uintptr_t)p)[k] = (uint8_t)sim_random_next(&random_bytes);
	}
}

static uint64_t recording_load(const uint8_t *p, unsigned bytes)
{
	uint64_t value = get_le(p, bytes);

	record(p, bytes);
	return value;
}

static void recording_copy_in(uint8_t *dst, const uint8_t *peer, size_t len)
{
	memcpy(dst, peer, len);
	record(peer, len);
}

static void forget_reads(void)
{
	assert_true(touched_count <= 1024);
	while (touched_count > 0)
		reads[touched[--touched_count]] = 0;
	read_count = 0;
	twice = 0;
}

static int setup_recording(void **state)
{
	(void)state;
	guest_init(&guest);
	memset(reads, 0, sizeof(reads));
	touched_count = 0;
	port = sim_env_plain_port;
	port.load = recording_load;
	port.copy_in = recording_copy_in;
	port.store = counted_store;
	port.copy_out = counted_copy_out;
	sim_env_port = &port;
	change = false;
	random_bytes.state = 7;
	chain.segments = segments;
	chain.capacity = 64;
	return 0;
}

/* A chain of four: two direct, then two in a table; as the test knows it. */
static void add_good_chain(uint64_t table)
{
	ring_desc(&ring, 1, DATA_GPA, 10, F_NEXT, 3);
	ring_desc(&ring, 3, DATA_GPA + 100, 11, F_NEXT, 2);
	ring_desc(&ring, 2, table, 48, F_INDIRECT | F_WRITE, 1);
	table_desc(&guest, table, 0, DATA_GPA + 200, 12, F_NEXT, 2);
	table_desc(&guest, table, 2, DATA_GPA + 300, 13, F_WRITE, 0);
	ring_add(&ring, 1);
}

static void check_good_chain(void)
{
	assert_int_equal(chain.head, 1);
	assert_int_equal(chain.readable, 3);
	assert_int_equal(chain.writable, 1);
	assert_int_equal(chain.steps, 5 + 4);
	for (unsigned k = 0; k < 4; k++) {
		assert_ptr_equal(segments[k].base, guest_at(&guest, DATA_GPA + 100 * k));
		assert_int_equal(segments[k].len, 10 + k);
	}
}

static void test_pop__every_byte_recorded__none_read_twice(void **state)
{
	static const uint64_t tables[] = { TABLE_GPA, TABLE_GPA + 7, NEXT_GPA - 24, NEXT_GPA - 16 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		ring_enable(&ring, &guest, &q, 4, IND | EVT);
		for (unsigned lap = 0; lap < 6; lap++) {
			add_good_chain(tables[i]);
			forget_reads();
			assert_int_equal(viommu_virtq_device_pop(&q, &chain), VIOMMU_OK);
			check_good_chain();
			assert_int_equal(twice, 0);
			assert_int_equal(read_count, 2 + 2 + 5 * 16);
			forget_reads();
			assert_int_equal(viommu_virtq_device_pop(&q, &chain), VIOMMU_E_EMPTY);
			assert_int_equal(read_count, 2);
			assert_int_equal(viommu_virtq_device_push(&q, 1, 0), VIOMMU_OK);
			assert_int_equal(read_count, 2);
			(void)viommu_virtq_device_publish(&q);
			assert_int_equal(read_count, 4); /* the event index */
			(void)viommu_virtq_device_arm(&q);
			assert_int_equal(read_count, 6);
		}
	}
}

/* Every byte changes right after it was read; the chain is the one that was there before. */
static void test_pop__every_byte_changes_after_its_read__first_version_counts(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		change = false;
		forget_reads();
		ring_enable(&ring, &guest, &q, 4, IND | (round & 1 ? EVT : 0));
		add_good_chain(TABLE_GPA + round % 16);
		change = true;
		assert_int_equal(viommu_virtq_device_pop(&q, &chain), VIOMMU_OK);
		check_good_chain();
		guest_check_canaries(&guest);
	}
}

/* From then on anything: the ring is whatever the changes made of it. */
static void test_all__ring_changes_all_the_time__in_bounds_and_bounded(void **state)
{
	unsigned good = 0, peer = 0, broken = 0;

	(void)state;
	sim_env_allow_aliases();
	for (unsigned round = 0; round < 20000; round++) {
		change = false;
		ring_enable(&ring, &guest, &q, 8, sim_random_next(&random_bytes));
		for (unsigned k = 0; k < 8; k++) {
			uint64_t r = sim_random_next(&random_bytes);

			ring_desc(&ring, k, r & 1 ? TABLE_GPA : DATA_GPA, (uint32_t)(r >> 8 & 3) * 16,
				  (unsigned)(r >> 16 & 7), (unsigned)(r >> 32 & 7));
			desc_put(guest_at(&guest, TABLE_GPA + 16 * k), DATA_GPA, (uint32_t)(r >> 40 & 63),
				 (unsigned)(r >> 20 & 3), (unsigned)(r >> 48 & 7));
			ring_add(&ring, (unsigned)(r >> 52 & 7));
		}
		change = true;
		for (unsigned k = 0; k < 10; k++) {
			enum viommu_result r;

			forget_reads();
			r = viommu_virtq_device_pop(&q, &chain);
			assert_true(read_count <= 2 + 2 + 9 * 16);
			good += r == VIOMMU_OK;
			peer += r == VIOMMU_E_PEER;
			broken += r == VIOMMU_E_BROKEN;
			if (r == VIOMMU_OK || r == VIOMMU_E_PEER) {
				assert_true(chain.head < 8 && chain.steps <= 9 + chain.capacity);
				for (uint32_t s = 0; s < chain.readable + chain.writable; s++)
					assert_true(segments[s].len != 0 &&
						    guest_holds(&guest, segments[s].base, segments[s].len));
				assert_int_equal(viommu_virtq_device_push(&q, chain.head, 0), VIOMMU_OK);
			}
			(void)viommu_virtq_device_publish(&q);
			/* Leave the index believable now and then. */
			if ((sim_random_next(&random_bytes) & 3) != 0)
				put_le(ring.avail + 2, 2, (uint16_t)(q.popped + 1));
		}
		guest_check_canaries(&guest);
	}
	assert_true(good > 1000 && peer > 1000 && broken > 1000);
}

/*
 * The driver's half reads the used index, one element and the event index, each once, and nothing of what it wrote
 * itself.
 */
static void test_driver__every_byte_recorded__only_the_used_ring_once(void **state)
{
	struct viommu_shared_memory shared = { guest.low, LOW_GPA, VIOMMU_VIRTQ_DRIVER_SHARED(8) };
	struct viommu_bus_segment pieces[3] = { { DATA_GPA, 4 }, { DATA_GPA, 4 }, { DATA_GPA, 4 } };
	struct viommu_virtq_shadow shadow[8];
	struct viommu_virtq_driver driver;
	struct viommu_virtq_layout layout;
	uint8_t *used;
	void *token;

	(void)state;
	assert_int_equal(viommu_virtq_driver_init(&driver, 8, IND | EVT, &shared, shadow, &layout), VIOMMU_OK);
	used = guest_at(&guest, layout.used);
	for (uint16_t lap = 0; lap < 40; lap++) {
		uint32_t written;

		change = false;
		forget_reads();
		assert_int_equal(viommu_virtq_driver_add(&driver, pieces, 1, lap % 3, &guest), VIOMMU_OK);
		assert_int_equal(read_count, 0);
		put_le(used + 4 + 64, 2, lap);
		change = true;
		assert_true(viommu_virtq_driver_publish(&driver));
		assert_int_equal(read_count, 2);
		assert_int_equal(reads[used - guest.low + 4 + 64], 1);
		put_le(used + 2, 2, (uint16_t)(lap + 1));
		put_le(used + 4 + 8 * (lap % 8), 4, shadow[lap % 8].posted);
		put_le(used + 8 + 8 * (lap % 8), 4, 2);
		forget_reads();
		assert_int_equal(viommu_virtq_driver_pop(&driver, &token, &written), VIOMMU_OK);
		assert_int_equal(written, lap % 3 != 0 ? 2 : 0);
		assert_int_equal(read_count, 2 + 8);
		assert_int_equal(twice, 0);
		for (uint8_t *p = guest.low; p < used; p++)
			assert_int_equal(reads[p - guest.low], 0);
	}
}

/* One entry for a batch is read once, and nothing at all for the chains that come with it. */
static void test_driver__in_order_batch__index_and_entry_once_for_all(void **state)
{
	struct viommu_shared_memory shared = { guest.low, LOW_GPA, VIOMMU_VIRTQ_DRIVER_SHARED(8) };
	struct viommu_bus_segment piece = { DATA_GPA, 4 };
	struct viommu_virtq_shadow shadow[8];
	struct viommu_virtq_driver driver;
	struct viommu_virtq_layout layout;
	uint8_t *used;
	void *token;

	(void)state;
	assert_int_equal(viommu_virtq_driver_init(&driver, 8, VIOMMU_F_IN_ORDER, &shared, shadow, &layout), VIOMMU_OK);
	used = guest_at(&guest, layout.used);
	for (uint16_t lap = 0; lap < 40; lap += 4) {
		change = false;
		for (uint16_t k = 0; k < 4; k++)
			assert_int_equal(viommu_virtq_driver_add(&driver, &piece, 0, 1, &guest), VIOMMU_OK);
		(void)viommu_virtq_driver_publish(&driver);
		put_le(used + 2, 2, (uint16_t)(lap + 4));
		put_le(used + 4 + 8 * (lap % 8), 4, (lap + 3u) % 8);
		put_le(used + 8 + 8 * (lap % 8), 4, 2);
		change = true;
		for (uint16_t k = 0; k < 4; k++) {
			uint32_t written;

			forget_reads();
			assert_int_equal(viommu_virtq_driver_pop(&driver, &token, &written), VIOMMU_OK);
			assert_int_equal(written, k < 3 ? 4 : 2);
			assert_int_equal(read_count, k == 0 ? 2 + 8 : 0);
		}
	}
}

/*
 * VQ-DRV-IDX-01, VQ-DEV-USED-01: what an index shows is stored before it, and the index is stored with release. So the
 * index is the only store of a publish, and the ones before it store no index.
 */
static void test_publish__both_halves__stores_the_index_alone_and_with_release(void **state)
{
	struct viommu_shared_memory shared = { guest.low, LOW_GPA, VIOMMU_VIRTQ_DRIVER_SHARED(8) };
	struct viommu_bus_segment pieces[2] = { { DATA_GPA, 4 }, { DATA_GPA, 4 } };
	struct viommu_virtq_shadow shadow[8];
	struct viommu_virtq_driver driver;
	struct viommu_virtq_layout layout;

	(void)state;
	assert_int_equal(viommu_virtq_driver_init(&driver, 8, IND | EVT, &shared, shadow, &layout), VIOMMU_OK);
	viommu_virtq_device_init(&q, &guest.memory);
	assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
	sim_env_port_released = NULL;
	for (uint32_t k = 1; k <= 2; k++) {
		assert_int_equal(viommu_virtq_driver_add(&driver, pieces, 1, k - 1, &guest), VIOMMU_OK);
		assert_null(sim_env_port_released);
		assert_int_equal(get_le(driver.avail + 2, 2), 0);
	}
	stores = 0;
	(void)viommu_virtq_driver_publish(&driver);
	assert_ptr_equal(sim_env_port_released, driver.avail + 2);
	assert_int_equal(stores, 1);

	sim_env_port_released = NULL;
	for (uint32_t k = 1; k <= 2; k++) {
		assert_int_equal(viommu_virtq_device_pop(&q, &chain), VIOMMU_OK);
		assert_int_equal(viommu_virtq_device_push(&q, chain.head, 0), VIOMMU_OK);
		assert_null(sim_env_port_released);
		assert_int_equal(get_le(driver.used + 2, 2), 0);
	}
	stores = 0;
	(void)viommu_virtq_device_publish(&q);
	assert_ptr_equal(sim_env_port_released, driver.used + 2);
	assert_int_equal(stores, 1);
}

/* Indices, flags and event indices of the ring of 8 that both halves share; each is a halfword. */
static uintptr_t halfwords[6];
static uint64_t halfword_accesses;

/* A copy is none of these accesses, however long it is. */
static void check_access(const uint8_t *p, size_t len, bool is_copy)
{
	for (size_t i = 0; i < sizeof(halfwords) / sizeof(halfwords[0]); i++) {
		uintptr_t at = (uintptr_t)p;

		if (at >= halfwords[i] + 2 || halfwords[i] >= at + len)
			continue;
		assert_true(at == halfwords[i] && len == 2 && !is_copy);
		halfword_accesses++;
	}
}

static uint64_t whole_load(const uint8_t *p, unsigned bytes)
{
	check_access(p, bytes, false);
	return get_le(p, bytes);
}

static void whole_store(uint8_t *p, unsigned bytes, uint64_t value)
{
	check_access(p, bytes, false);
	put_le(p, bytes, value);
}

static void whole_copy_in(uint8_t *dst, const uint8_t *peer, size_t len)
{
	check_access(peer, len, true);
	memcpy(dst, peer, len);
}

static void whole_copy_out(uint8_t *peer, const uint8_t *src, size_t len)
{
	check_access(peer, len, true);
	memcpy(peer, src, len);
}

/*
 * A monitor copied an index bytewise, and saw half of the old one and half of the new one. What the other side stores at
 * any time is loaded and stored by accessors that are one access, and as a whole. (test_port.c: are they?)
 */
static void test_indices__both_halves__one_access_of_the_whole_halfword(void **state)
{
	struct viommu_shared_memory shared = { guest.low, LOW_GPA, VIOMMU_VIRTQ_DRIVER_SHARED(8) };
	struct viommu_bus_segment pieces[2] = { { DATA_GPA, 4 }, { DATA_GPA, 4 } };
	struct viommu_virtq_shadow shadow[8];
	struct viommu_virtq_driver driver;
	struct viommu_virtq_layout layout;

	(void)state;
	for (unsigned mode = 0; mode < 8; mode++) {
		uint64_t features = (mode & 1 ? EVT : 0) | (mode & 2 ? IND : 0) | (mode & 4 ? PLATFORM : 0);

		assert_int_equal(viommu_virtq_driver_init(&driver, 8, features, &shared, shadow, &layout), VIOMMU_OK);
		viommu_virtq_device_init(&q, &guest.memory);
		assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
		halfwords[0] = (uintptr_t)driver.avail; /* flags */
		halfwords[1] = (uintptr_t)driver.avail + 2;
		halfwords[2] = (uintptr_t)driver.avail + 4 + 2 * 8; /* behind the ring: the event index */
		halfwords[3] = (uintptr_t)driver.used;
		halfwords[4] = (uintptr_t)driver.used + 2;
		halfwords[5] = (uintptr_t)driver.used + 4 + 8 * 8;
		port.load = whole_load;
		port.store = whole_store;
		port.copy_in = whole_copy_in;
		port.copy_out = whole_copy_out;
		halfword_accesses = 0;
		for (unsigned lap = 0; lap < 20; lap++) {
			uint32_t written;
			void *token;

			assert_int_equal(viommu_virtq_driver_add(&driver, pieces, 1, 1, &guest), VIOMMU_OK);
			(void)viommu_virtq_driver_publish(&driver);
			assert_int_equal(viommu_virtq_device_pop(&q, &chain), VIOMMU_OK);
			assert_int_equal(viommu_virtq_device_push(&q, chain.head, 4), VIOMMU_OK);
			(void)viommu_virtq_device_arm(&q);
			(void)viommu_virtq_device_publish(&q);
			assert_int_equal(viommu_virtq_driver_pop(&driver, &token, &written), VIOMMU_OK);
			(void)viommu_virtq_driver_arm(&driver);
		}
		/* Two publishes store an index and load a wish, two pops and two arms load an index, and these say a wish. */
		assert_int_equal(halfword_accesses, 20 * (2 * 2 + 2 + 2 + (mode & 1 ? 2 : 0)));
	}
}

/* GEN-DRV-RSVD-08: each point where the order counts has the barrier that was negotiated, on both sides. */
static void test_order__with_and_without_platform__all_strong_or_none(void **state)
{
	struct viommu_shared_memory shared = { guest.low, LOW_GPA, VIOMMU_VIRTQ_DRIVER_SHARED(8) };
	struct viommu_bus_segment piece = { DATA_GPA, 4 };
	struct viommu_virtq_shadow shadow[8];
	struct viommu_virtq_driver driver;
	struct viommu_virtq_layout layout;

	(void)state;
	for (unsigned mode = 0; mode < 4; mode++) {
		bool strong = mode >= 2;
		uint64_t features = (mode % 2 ? EVT : 0) | (strong ? PLATFORM : 0);
		uint32_t written;
		void *token;

		assert_int_equal(viommu_virtq_driver_init(&driver, 8, features, &shared, shadow, &layout), VIOMMU_OK);
		viommu_virtq_device_init(&q, &guest.memory);
		assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
		memset(sim_env_port_ordered, 0, sizeof(sim_env_port_ordered));
		assert_int_equal(viommu_virtq_driver_add(&driver, &piece, 0, 1, &guest), VIOMMU_OK);
		sim_env_port_released = NULL;
		(void)viommu_virtq_driver_publish(&driver); /* release, fence */
		assert_ptr_equal(sim_env_port_released, driver.avail + 2);
		assert_int_equal(viommu_virtq_device_pop(&q, &chain), VIOMMU_OK); /* acquire */
		(void)viommu_virtq_device_arm(&q); /* fence if there is an event index, acquire */
		assert_int_equal(viommu_virtq_device_push(&q, chain.head, 4), VIOMMU_OK);
		(void)viommu_virtq_device_publish(&q); /* release, fence */
		assert_ptr_equal(sim_env_port_released, driver.used + 2);
		assert_int_equal(viommu_virtq_driver_pop(&driver, &token, &written), VIOMMU_OK); /* acquire */
		(void)viommu_virtq_driver_arm(&driver); /* fence if there is an event index, acquire */
		assert_int_equal(sim_env_port_ordered[strong], 2 + 1 + 1 + 2 + 1 + 1 + (mode % 2 ? 2 : 0));
		assert_int_equal(sim_env_port_ordered[!strong], 0);
	}
}

/* What a device that has no pointers to the ring does to it, a letter for each call, and F for a full barrier. */
static char order_log[32];

static void log_order(char what)
{
	size_t len = strlen(order_log);

	assert_true(len + 1 < sizeof(order_log));
	order_log[len] = what;
	order_log[len + 1] = '\0';
}

static bool ordered_read(void *ctx, viommu_gpa gpa, void *dst, size_t len)
{
	(void)ctx;
	log_order(gpa == RING_AVAIL + 2 ? 'i' : gpa == RING_AVAIL || gpa == RING_AVAIL + 12 ? 'w' : 'e');
	memcpy(dst, guest_at(&guest, gpa), len);
	return true;
}

static bool ordered_write(void *ctx, viommu_gpa gpa, const void *src, size_t len)
{
	(void)ctx;
	log_order(gpa == RING_USED + 2 ? 'I' : gpa == RING_USED + 36 ? 'W' : 'E');
	memcpy(guest_at(&guest, gpa), src, len);
	return true;
}

static void ordered_fence(void)
{
	log_order('F');
}

static void assert_order(const char *expected)
{
	assert_string_equal(order_log, expected);
	order_log[0] = '\0';
}

/*
 * Calls of the seam for i, index, e, entries and descriptors, and w, what the other side wishes to hear; in capitals
 * they store. An index is loaded before what it covers and stored after it, and stored before the wish is loaded.
 */
static void test_order__no_pointers_to_the_ring__a_full_barrier_between_the_calls(void **state)
{
	static const struct viommu_memory_ops ops = { .size = sizeof(ops),
						      .read = ordered_read,
						      .write = ordered_write };
	const struct viommu_memory memory = { &ops, NULL };

	(void)state;
	port.fence = ordered_fence;
	for (unsigned mode = 0; mode < 4; mode++) {
		bool strong = mode >= 2;
		struct viommu_virtq_layout layout = ring_layout(4, (mode % 2 ? EVT : 0) | (strong ? PLATFORM : 0));

		ring_init(&ring, &guest, 4);
		ring_desc(&ring, 1, DATA_GPA, 4, F_WRITE, 0);
		ring_add(&ring, 1);
		viommu_virtq_device_init(&q, &memory);
		assert_int_equal(viommu_virtq_device_enable(&q, &layout), VIOMMU_OK);
		memset(sim_env_port_ordered, 0, sizeof(sim_env_port_ordered));
		order_log[0] = '\0';
		assert_int_equal(viommu_virtq_device_pop(&q, &chain), VIOMMU_OK);
		assert_order("iFee");
		assert_int_equal(viommu_virtq_device_push(&q, 1, 4), VIOMMU_OK);
		assert_order("EE");
		assert_true(viommu_virtq_device_publish(&q));
		assert_order("FIFw");
		assert_false(viommu_virtq_device_arm(&q));
		assert_order(mode % 2 ? "WFiF" : "FiF");
		assert_int_equal(sim_env_port_ordered[strong], 5);
		assert_int_equal(sim_env_port_ordered[!strong], 0);
	}
}

/* Two processors, all orders */

/*
 * An actor is a function that does the same again if its loads return the same. To take its next step it is run from
 * the start over a log of what its accessors returned so far, does one new access, and is left by longjmp at the next.
 * Accesses to indices, flags and event indices are steps; the others happen along with the step before them.
 */
#define LOG_MAX 96
#define BUFFER_MAX 8
#define CHAINS 3u

struct actor {
	uint64_t log[LOG_MAX];
	unsigned logged;
	struct {
		uint8_t *p;
		uint64_t value;
	} buffer[BUFFER_MAX]; /* 16-bit stores on their way to memory, oldest first */
	unsigned buffered;
	bool finished; /* the consumer: asleep */
	uint32_t handled;
};

/* All that a schedule changes. `notified`: a notification is on its way to the consumer. */
struct world {
	_Alignas(16) uint8_t memory[512];
	struct actor actors[2];
	bool notified;
};

enum {
	PRODUCER,
	CONSUMER
};

static struct world world;

/* Both halves as they are before anything runs; each run of an actor begins with a copy. */
static struct viommu_virtq_driver driver0;
static struct viommu_virtq_device device0;
static struct viommu_virtq_shadow shadow0[4], shadow_run[4];
static struct viommu_memory_region world_region;
static struct viommu_memory_table world_table;

static struct {
	unsigned actor;
	unsigned at;  /* in its log */
	bool stepped; /* the one new step was done */
	jmp_buf leave;
	bool fences;
	bool driver_produces;
	unsigned long states, ends, lost;
} model;

#define STATES_MAX (1u << 20)

static uint64_t visited[STATES_MAX]; /* hashes of worlds; 0: free */

/* Queue of 4: the flags, the index and the event index of either ring. */
static bool is_step(const uint8_t *p)
{
	uintptr_t avail = (uintptr_t)p - (uintptr_t)driver0.avail, used = (uintptr_t)p - (uintptr_t)driver0.used;

	return avail == 0 || avail == 2 || avail == 4 + 2 * 4 || used == 0 || used == 2 || used == 4 + 8 * 4;
}

/* Before an access: true if it was done in an earlier run, and *value is what it returned. */
static bool replay(uint64_t *value, bool step)
{
	struct actor *a = &world.actors[model.actor];

	if (model.at < a->logged) {
		*value = a->log[model.at++];
		return true;
	}
	if (step && model.stepped)
		longjmp(model.leave, 1);
	if (step)
		model.stepped = true;
	return false;
}

static uint64_t keep(uint64_t value)
{
	struct actor *a = &world.actors[model.actor];

	assert_true(a->logged < LOG_MAX);
	a->log[a->logged++] = value;
	model.at = a->logged;
	return value;
}

static uint64_t model_load(const uint8_t *p, unsigned bytes)
{
	const struct actor *a = &world.actors[model.actor];
	uint64_t value;

	if (replay(&value, is_step(p)))
		return value;
	value = get_le(p, bytes);
	for (unsigned k = 0; k < a->buffered; k++) /* a processor sees its own stores at once */
		if (a->buffer[k].p == p)
			value = a->buffer[k].value;
	return keep(value);
}

static void flush_oldest(struct actor *a)
{
	put_le(a->buffer[0].p, 2, a->buffer[0].value);
	a->buffered--;
	memmove(&a->buffer[0], &a->buffer[1], a->buffered * sizeof(a->buffer[0]));
}

static void model_store(uint8_t *p, unsigned bytes, uint64_t value)
{
	struct actor *a = &world.actors[model.actor];
	uint64_t ignored;

	if (replay(&ignored, is_step(p)))
		return;
	(void)keep(0);
	if (bytes != 2) {
		put_le(p, bytes, value);
		return;
	}
	assert_true(a->buffered < BUFFER_MAX);
	a->buffer[a->buffered].p = p;
	a->buffer[a->buffered++].value = value;
}

static void model_copy_in(uint8_t *dst, const uint8_t *peer, size_t len)
{
	/* Only what does not change any more is read this way: no need to log it. */
	memcpy(dst, peer, len);
}

static void model_copy_out(uint8_t *peer, const uint8_t *src, size_t len)
{
	uint64_t ignored;

	if (!replay(&ignored, false)) {
		memcpy(peer, src, len);
		(void)keep(0);
	}
}

static void model_fence(void)
{
	struct actor *a = &world.actors[model.actor];
	uint64_t ignored;

	if (!model.fences || replay(&ignored, true))
		return;
	while (a->buffered > 0)
		flush_oldest(a);
	(void)keep(0);
}

/* The notification itself: a step like the others, behind all stores of its sender. */
static void notify(void)
{
	struct actor *a = &world.actors[model.actor];
	uint64_t ignored;

	if (replay(&ignored, true))
		return;
	while (a->buffered > 0)
		flush_oldest(a);
	world.notified = true;
	(void)keep(0);
}

/* Waits for a notification. */
static void sleep_until_notified(void)
{
	uint64_t ignored;

	if (replay(&ignored, true))
		return;
	if (!world.notified) {
		world.actors[model.actor].finished = true;
		longjmp(model.leave, 1);
	}
	world.notified = false;
	(void)keep(0);
}

static void run_driver_producer(void)
{
	struct viommu_virtq_driver d = driver0;

	memcpy(shadow_run, shadow0, sizeof(shadow0));
	for (unsigned k = 0; k < CHAINS; k++) {
		struct viommu_bus_segment piece = { LOW_GPA, 4 };

		assert_int_equal(viommu_virtq_driver_add(&d, &piece, 1, 0, &world), VIOMMU_OK);
		if (viommu_virtq_driver_publish(&d))
			notify();
	}
}

static void run_device_consumer(void)
{
	struct viommu_virtq_device d = device0;
	struct viommu_segment s[4];
	struct viommu_chain c = { .segments = s, .capacity = 4 };
	uint32_t handled = 0;

	for (;;) {
		do {
			while (viommu_virtq_device_pop(&d, &c) == VIOMMU_OK)
				world.actors[CONSUMER].handled = ++handled;
			assert_int_equal(viommu_virtq_device_state(&d), VIOMMU_VIRTQ_READY);
		} while (viommu_virtq_device_arm(&d));
		sleep_until_notified();
	}
}

static void run_device_producer(void)
{
	struct viommu_virtq_device d = device0;

	for (unsigned k = 0; k < CHAINS; k++) {
		assert_int_equal(viommu_virtq_device_push(&d, (uint16_t)k, 0), VIOMMU_OK);
		if (viommu_virtq_device_publish(&d))
			notify();
	}
}

static void run_driver_consumer(void)
{
	struct viommu_virtq_driver d = driver0;
	uint32_t handled = 0, written;
	void *token;

	memcpy(shadow_run, shadow0, sizeof(shadow0));
	for (;;) {
		do {
			while (viommu_virtq_driver_pop(&d, &token, &written) == VIOMMU_OK)
				world.actors[CONSUMER].handled = ++handled;
			assert_false(d.broken);
		} while (viommu_virtq_driver_arm(&d));
		sleep_until_notified();
	}
}

/* One step of one actor. */
static void step(unsigned actor)
{
	model.actor = actor;
	model.at = 0;
	model.stepped = false;
	if (setjmp(model.leave) != 0)
		return;
	if (actor == PRODUCER && model.driver_produces)
		run_driver_producer();
	else if (actor == PRODUCER)
		run_device_producer();
	else if (model.driver_produces)
		run_device_consumer();
	else
		run_driver_consumer();
	world.actors[model.actor].finished = true;
}

static uint64_t hash(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len-- > 0)
		h = (h ^ *p++) * UINT64_C(0x100000001b3);
	return h ^ h >> 29;
}

/* Was a world like this one here before? Schedules that differ in the order of independent steps meet again. */
static bool is_visited(void)
{
	uint64_t h = hash(world.notified, world.memory, sizeof(world.memory));
	uint32_t slot;

	for (unsigned k = 0; k < 2; k++) {
		const struct actor *a = &world.actors[k];

		h = hash(h, a->log, a->logged * sizeof(a->log[0]));
		h = hash(h, a->buffer, a->buffered * sizeof(a->buffer[0]));
		h = hash(h, &a->buffered, sizeof(a->buffered));
		h = hash(h, &a->finished, sizeof(a->finished));
	}
	h |= 1;
	for (slot = (uint32_t)(h >> 32) % STATES_MAX; visited[slot] != 0; slot = (slot + 1) % STATES_MAX)
		if (visited[slot] == h)
			return true;
	visited[slot] = h;
	model.states++;
	assert_true(model.states < STATES_MAX / 2);
	return false;
}

/* Every schedule from here on. The recursion is as deep as a schedule is long. */
static void explore(void)
{
	struct world before = world;
	const struct actor *p = &before.actors[PRODUCER], *c = &before.actors[CONSUMER];

	if (is_visited())
		return;
	/* Asleep with a notification on its way: awake again. */
	if (c->finished && before.notified) {
		world.actors[CONSUMER].finished = false;
		before = world;
	}
	if (p->finished && c->finished && p->buffered == 0 && c->buffered == 0) {
		model.ends++;
		model.lost += c->handled != CHAINS;
		return;
	}
	for (unsigned choice = 0; choice < 4; choice++) {
		const struct actor *a = &before.actors[choice & 1];

		if (choice < 2 ? a->finished : a->buffered == 0)
			continue;
		world = before;
		if (choice < 2)
			step(choice);
		else
			flush_oldest(&world.actors[choice & 1]);
		explore();
	}
	world = before;
}

static void prepare(bool driver_produces, uint64_t features, bool fences)
{
	struct viommu_shared_memory shared = { world.memory, LOW_GPA, sizeof(world.memory) };
	struct viommu_memory memory = { &viommu_memory_table_ops, &world_table };
	struct viommu_virtq_layout layout;

	memset(&world, 0, sizeof(world));
	port = sim_env_plain_port;
	sim_env_port = &port;
	world_region = (struct viommu_memory_region){ LOW_GPA, LOW_GPA + sizeof(world.memory) - 1, world.memory, 3 };
	world_table = (struct viommu_memory_table){ .regions = &world_region, .count = 1 };
	assert_int_equal(viommu_virtq_driver_init(&driver0, 4, features, &shared, shadow_run, &layout), VIOMMU_OK);
	viommu_virtq_device_init(&device0, &memory);
	assert_int_equal(viommu_virtq_device_enable(&device0, &layout), VIOMMU_OK);
	if (!driver_produces) { /* the chains are with the device already */
		for (unsigned k = 0; k < CHAINS; k++) {
			struct viommu_bus_segment piece = { LOW_GPA, 4 };

			assert_int_equal(viommu_virtq_driver_add(&driver0, &piece, 1, 0, &world), VIOMMU_OK);
		}
		(void)viommu_virtq_driver_publish(&driver0);
		device0.popped = CHAINS;
	}
	memcpy(shadow0, shadow_run, sizeof(shadow0));
	port.load = model_load;
	port.store = model_store;
	port.copy_in = model_copy_in;
	port.copy_out = model_copy_out;
	port.fence = model_fence;
	model.fences = fences;
	model.driver_produces = driver_produces;
	model.states = 0;
	model.ends = 0;
	model.lost = 0;
	memset(visited, 0, sizeof(visited));
}

/* VQ-DRV-NOTIFY-01, and the same on the other side and before going to sleep */
static void test_wakeup__all_interleavings__none_lost_and_fences_needed(void **state)
{
	(void)state;
	for (unsigned driver_produces = 0; driver_produces < 2; driver_produces++) {
		for (unsigned mode = 0; mode < 4; mode++) {
			uint64_t platform = mode < 2 ? 0 : PLATFORM;

			prepare(driver_produces != 0, platform | (mode % 2 ? EVT : 0), true);
			explore();
			print_message("%s produces, %s, %s barriers: %lu states, %lu ends\n",
				      driver_produces ? "driver" : "device", mode % 2 ? "event index" : "flags",
				      platform ? "strong" : "SMP", model.states, model.ends);
			assert_true(model.states > 500 && model.ends > 10);
			assert_int_equal(model.lost, 0);
			prepare(driver_produces != 0, platform | (mode % 2 ? EVT : 0), false);
			explore();
			assert_true(mode % 2 == 0 || model.lost > 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_pop__every_byte_recorded__none_read_twice, setup_recording),
		cmocka_unit_test_setup(test_pop__every_byte_changes_after_its_read__first_version_counts,
				       setup_recording),
		cmocka_unit_test_setup(test_all__ring_changes_all_the_time__in_bounds_and_bounded, setup_recording),
		cmocka_unit_test_setup(test_driver__every_byte_recorded__only_the_used_ring_once, setup_recording),
		cmocka_unit_test_setup(test_publish__both_halves__stores_the_index_alone_and_with_release,
				       setup_recording),
		cmocka_unit_test_setup(test_driver__in_order_batch__index_and_entry_once_for_all, setup_recording),
		cmocka_unit_test_setup(test_indices__both_halves__one_access_of_the_whole_halfword, setup_recording),
		cmocka_unit_test_setup(test_order__no_pointers_to_the_ring__a_full_barrier_between_the_calls,
				       setup_recording),
		cmocka_unit_test_setup(test_order__with_and_without_platform__all_strong_or_none, setup_recording),
		cmocka_unit_test(test_wakeup__all_interleavings__none_lost_and_fences_needed),
	};

	return suite_run(tests);
}
