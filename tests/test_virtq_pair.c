/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtq_pair.c: both halves back to back over shared memory. Each chain has readable bytes that the device half
 * checks and writable ones that it fills; the driver half checks those, the length and the token. Notifications are
 * obeyed: a side that was not notified does not look, so a lost one shows as a standstill.
 */
#include "suite.h"
#include "virtq_ring.h"

#include "sim/random.h"

#define BUS LOW_GPA
#define SLOTS 1024u /* requests in flight at most */
#define SLOT_BYTES 256u
#define CAPACITY 4096u

struct request {
	uint32_t number;
	uint32_t readable_len, writable_len;
	uint32_t written;
	bool busy;
};

struct pair {
	struct guest guest;
	struct viommu_virtq_driver driver;
	struct viommu_virtq_device device;
	struct viommu_virtq_shadow shadow[VIOMMU_VIRTQ_SIZE_MAX];
	struct viommu_segment segments[CAPACITY];
	struct request requests[SLOTS];
	struct sim_random random;
	uint32_t size;
	uint32_t next_number;
	uint32_t completed;
	uint32_t notifications; /* in both directions */
	bool in_order;          /* negotiated: */
	uint32_t next_back;     /* the number of the request that has to come back next */
	bool kicked;            /* the device half has to look */
	bool interrupted;       /* the driver half has to look */
};

static struct pair pair;

static uint64_t slot_gpa(uint32_t slot)
{
	return LOW_GPA + LOW_LEN - SLOTS * SLOT_BYTES + slot * SLOT_BYTES;
}

/* Byte i of what request `number` carries, in either direction. */
static uint8_t pattern(uint32_t number, uint32_t i, bool from_device)
{
	return (uint8_t)(number * 31 + i * 7 + (from_device ? 0x80 : 0) + (number >> 8));
}

static void start(uint32_t size, uint64_t features, uint64_t seed)
{
	struct viommu_shared_memory shared = { pair.guest.low, BUS, VIOMMU_VIRTQ_DRIVER_SHARED(size) };
	struct viommu_virtq_layout layout;

	memset(&pair, 0, sizeof(pair));
	guest_init(&pair.guest);
	pair.random.state = seed;
	pair.size = size;
	pair.in_order = (features & VIOMMU_F_IN_ORDER) != 0;
	assert_int_equal(viommu_virtq_driver_init(&pair.driver, size, features, &shared, pair.shadow, &layout),
			 VIOMMU_OK);
	viommu_virtq_device_init(&pair.device, &pair.guest.memory);
	assert_int_equal(viommu_virtq_device_enable(&pair.device, &layout), VIOMMU_OK);
}

/* Cuts len bytes at gpa in random pieces, some of them empty. Returns how many. */
static uint32_t cut(struct viommu_bus_segment *pieces, uint32_t max, uint64_t gpa, uint32_t len)
{
	uint32_t count = 0;

	while (len > 0 && count + 1 < max && sim_random_below(&pair.random, 3) != 0) {
		uint32_t n = (uint32_t)sim_random_below(&pair.random, len + 1);

		pieces[count++] = (struct viommu_bus_segment){ gpa, n };
		gpa += n;
		len -= n;
	}
	if (len > 0)
		pieces[count++] = (struct viommu_bus_segment){ gpa, len };
	return count;
}

/* Adds one request if there is room. */
static bool driver_add(void)
{
	struct viommu_bus_segment pieces[16];
	uint32_t slot = (uint32_t)sim_random_below(&pair.random, SLOTS), max = pair.size < 8 ? pair.size : 8;
	struct request *r = &pair.requests[slot];
	uint32_t readable, writable;
	enum viommu_result result;

	if (r->busy)
		return false;
	r->number = pair.next_number;
	r->readable_len = (uint32_t)sim_random_below(&pair.random, 100);
	r->writable_len = 1 + (uint32_t)sim_random_below(&pair.random, 100);
	if (max == 1)
		r->readable_len = 0;
	readable = cut(pieces, max - 1, slot_gpa(slot), r->readable_len);
	writable = cut(pieces + readable, max - readable, slot_gpa(slot) + 128, r->writable_len);
	for (uint32_t i = 0; i < r->readable_len; i++)
		*guest_at(&pair.guest, slot_gpa(slot) + i) = pattern(r->number, i, false);
	memset(guest_at(&pair.guest, slot_gpa(slot) + 128), 0xdd, 128);
	result = viommu_virtq_driver_add(&pair.driver, pieces, readable, writable, r);
	if (result == VIOMMU_E_FULL)
		return false;
	assert_int_equal(result, VIOMMU_OK);
	r->busy = true;
	pair.next_number++;
	return true;
}

static void driver_publish(void)
{
	if (viommu_virtq_driver_publish(&pair.driver)) {
		pair.kicked = true;
		pair.notifications++;
	}
}

static void driver_complete(struct request *r, uint32_t written)
{
	const uint8_t *writable = guest_at(&pair.guest, slot_gpa((uint32_t)(r - pair.requests)) + 128);

	assert_true(r->busy);
	assert_int_equal(written, r->written);
	assert_true(!pair.in_order || r->number == pair.next_back++);
	for (uint32_t i = 0; i < 128; i++)
		assert_int_equal(writable[i], i < written ? pattern(r->number, i, true) : 0xdd);
	r->busy = false;
	pair.completed++;
}

/* What an interrupt handler does. */
static void driver_look(void)
{
	pair.interrupted = false;
	do {
		uint32_t written;
		void *token;

		while (viommu_virtq_driver_pop(&pair.driver, &token, &written) == VIOMMU_OK)
			driver_complete(token, written);
	} while (viommu_virtq_driver_arm(&pair.driver));
}

/* Checks what the driver sent and answers; the slot is known from the writable address. */
static uint32_t device_answer(const struct viommu_chain *c)
{
	const struct viommu_segment *s = c->segments;
	uint32_t offset = (uint32_t)(segment_at(&pair.guest, &s[c->readable]) - guest_at(&pair.guest, slot_gpa(0)));
	struct request *r = &pair.requests[offset / SLOT_BYTES];
	uint32_t i = 0, done = 0;

	assert_true(r->busy && c->writable > 0);
	assert_true(c->readable_len == r->readable_len && c->writable_len == r->writable_len);
	for (uint32_t k = 0; k < c->readable; k++) {
		const uint8_t *bytes = segment_at(&pair.guest, &s[k]);

		for (size_t b = 0; b < s[k].len; b++)
			assert_int_equal(bytes[b], pattern(r->number, i++, false));
	}
	assert_int_equal(i, r->readable_len);
	r->written = (uint32_t)sim_random_below(&pair.random, r->writable_len + 1);
	for (uint32_t k = c->readable; k < c->readable + c->writable; k++) {
		uint8_t *bytes = segment_at(&pair.guest, &s[k]);

		for (size_t b = 0; b < s[k].len && done < r->written; b++)
			bytes[b] = pattern(r->number, done++, true);
	}
	return r->written;
}

static void device_publish(void)
{
	if (viommu_virtq_device_publish(&pair.device)) {
		pair.interrupted = true;
		pair.notifications++;
	}
}

/* What an I/O thread does, with completions out of order if they may be. */
static void device_look(void)
{
	struct viommu_chain chain = { .segments = pair.segments, .capacity = CAPACITY };
	struct {
		uint16_t head;
		uint32_t written;
	} held[8];
	uint32_t count = 0;

	pair.kicked = false;
	do {
		while (viommu_virtq_device_pop(&pair.device, &chain) == VIOMMU_OK) {
			held[count].head = chain.head;
			held[count++].written = device_answer(&chain);
			while (count > 0 && (count == 8 || sim_random_below(&pair.random, 3) == 0)) {
				uint32_t k = pair.in_order ? 0 : (uint32_t)sim_random_below(&pair.random, count);

				assert_int_equal(viommu_virtq_device_push(&pair.device, held[k].head, held[k].written),
						 VIOMMU_OK);
				memmove(&held[k], &held[k + 1], (--count - k) * sizeof(held[0]));
			}
			if (sim_random_below(&pair.random, 4) == 0)
				device_publish();
		}
		for (uint32_t k = 0; k < count; k++)
			assert_int_equal(viommu_virtq_device_push(&pair.device, held[k].head, held[k].written),
					 VIOMMU_OK);
		count = 0;
		device_publish();
		assert_int_equal(viommu_virtq_device_state(&pair.device), VIOMMU_VIRTQ_READY);
	} while (viommu_virtq_device_arm(&pair.device));
}

/* Random batches until `chains` went round; then whatever is left. */
static void run(uint32_t size, uint64_t features, uint32_t chains)
{
	start(size, features, size + features);
	(void)viommu_virtq_driver_arm(&pair.driver);
	(void)viommu_virtq_device_arm(&pair.device);
	while (pair.completed < chains) {
		uint32_t batch = (uint32_t)sim_random_below(&pair.random, 20);

		while (batch > 0 && driver_add())
			batch--;
		driver_publish();
		if (pair.kicked && sim_random_below(&pair.random, 3) != 0)
			device_look();
		if (pair.interrupted && sim_random_below(&pair.random, 3) != 0)
			driver_look();
		if (pair.next_number % 64 == 0)
			assert_true(viommu_virtq_driver_check(&pair.driver) && viommu_virtq_device_check(&pair.device));
		/* Nobody was told anything, and yet something is waiting: a notification was lost. */
		if (!pair.kicked && !pair.interrupted)
			assert_int_equal(viommu_virtq_driver_in_flight(&pair.driver), 0);
	}
	while (pair.kicked || pair.interrupted) {
		device_look();
		driver_look();
	}
	assert_int_equal(viommu_virtq_driver_in_flight(&pair.driver), 0);
	assert_int_equal(pair.completed, pair.next_number);
	assert_int_equal(pair.driver.free_count, size);
	assert_int_equal(pair.driver.clamped, 0);
	assert_int_equal(pair.device.malformed, 0);
	if ((features & VIOMMU_F_EVENT_IDX) != 0 && size >= 256)
		assert_true(pair.notifications < pair.completed);
	guest_check_canaries(&pair.guest);
}

/* GEN-DRV-CLEANUP-01: what is with the device stays as it is while others come and go. */
static void test_pair__a_million_chains__every_byte_arrives(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 8, 64, 256, 32768 >> 4 };
	static const uint64_t features[] = { 0,
					     VIOMMU_F_INDIRECT_DESC,
					     VIOMMU_F_EVENT_IDX,
					     VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX,
					     VIOMMU_F_ORDER_PLATFORM | VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX,
					     VIOMMU_F_IN_ORDER,
					     VIOMMU_F_IN_ORDER | VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX };

	(void)state;
	for (unsigned f = 0; f < sizeof(features) / sizeof(features[0]); f++)
		for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
			run(sizes[s], features[f], sim_env_rounds(sizes[s] < 8 ? 20000 : 70000, 200));
}

/* The largest ring that there is, filled to the last entry, in one batch. */
static void test_pair__32768_chains_in_one_batch__all_there(void **state)
{
	static struct guest guest;
	static _Alignas(16) uint8_t memory[VIOMMU_VIRTQ_DRIVER_SHARED(VIOMMU_VIRTQ_SIZE_MAX)];
	const uint32_t size = VIOMMU_VIRTQ_SIZE_MAX;
	struct viommu_shared_memory shared = { memory, UINT64_C(0x2000000), sizeof(memory) };
	struct viommu_segment segments[4];
	struct viommu_chain chain = { .segments = segments, .capacity = 4 };
	struct viommu_virtq_layout layout;

	(void)state;
	guest_init(&guest);
	guest.regions[2] = (struct viommu_memory_region){ shared.addr, shared.addr + sizeof(memory) - 1, memory,
							  VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE };
	for (unsigned round = 0; round < 3; round++) {
		uint64_t features = VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX;

		assert_int_equal(viommu_virtq_driver_init(&pair.driver, size,
							  round < 2 ? features : VIOMMU_VIRTQ_FEATURES, &shared,
							  pair.shadow, &layout),
				 VIOMMU_OK);
		viommu_virtq_device_init(&pair.device, &guest.memory);
		assert_int_equal(viommu_virtq_device_enable(&pair.device, &layout), VIOMMU_OK);
		for (unsigned lap = 0; lap < 3; lap++) {
			for (uint32_t k = 0; k < size; k++) {
				struct viommu_bus_segment pieces[2] = { { DATA_GPA + k, 1 }, { DATA_GPA + k, 1 } };

				assert_int_equal(viommu_virtq_driver_add(&pair.driver, pieces, 1, 1, &memory[k]),
						 VIOMMU_OK);
			}
			assert_int_equal(viommu_virtq_driver_add(&pair.driver,
								 &(struct viommu_bus_segment){ DATA_GPA, 1 }, 1, 0,
								 memory),
					 VIOMMU_E_FULL);
			assert_true(viommu_virtq_driver_publish(&pair.driver));
			assert_true(viommu_virtq_driver_check(&pair.driver));
			for (uint32_t k = 0; k < size; k++) {
				assert_int_equal(viommu_virtq_device_pop(&pair.device, &chain), VIOMMU_OK);
				assert_ptr_equal(segment_at(&guest, &segments[1]), guest_at(&guest, DATA_GPA + k));
				assert_int_equal(viommu_virtq_device_push(&pair.device, chain.head, 1), VIOMMU_OK);
			}
			assert_int_equal(viommu_virtq_device_pop(&pair.device, &chain), VIOMMU_E_EMPTY);
			assert_true(viommu_virtq_device_publish(&pair.device));
			assert_false(viommu_virtq_device_arm(&pair.device));
			for (uint32_t k = 0; k < size; k++) {
				uint32_t written;
				void *token;

				assert_int_equal(viommu_virtq_driver_pop(&pair.driver, &token, &written), VIOMMU_OK);
				assert_ptr_equal(token, &memory[k]);
				assert_int_equal(written, 1);
			}
			assert_false(viommu_virtq_driver_arm(&pair.driver));
			assert_int_equal(pair.driver.free_count, size);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pair__a_million_chains__every_byte_arrives),
		cmocka_unit_test(test_pair__32768_chains_in_one_batch__all_there),
	};

	return suite_run(tests);
}
