/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_port.c: the accessors of port.h, as they are: one access each, while another thread stores. Halves of two stores
 * are seen here in most runs, and ThreadSanitizer reports what could be torn in each.
 */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include <viommu/port.h>

#include "suite.h"

#define ROUNDS 400000u
#define CHANGES 20000u

/* A number whose bytes are all the same: half of one and half of another are none. */
static const uint32_t words[] = { 0x00000000, 0xffffffff, 0x5a5a5a5a, 0xa5a5a5a5 };

static bool is_whole(uint32_t value, unsigned bytes)
{
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (value == (bytes == 2 ? (uint16_t)words[i] : words[i]))
			return true;
	}
	return false;
}

/* Two fields: one stored by the other thread, and one by this one, which the other loads. */
static struct {
	_Alignas(8) uint8_t there[4];
	_Alignas(8) uint8_t here[4];
	unsigned bytes;
	unsigned order; /* 0: relaxed, 1: acquire and release, 2: the strong ones */
	uint32_t torn;  /* seen by the other thread */
	uint32_t done;  /* by this one: no reason to go on */
} shared;

static void store(uint8_t *p, uint32_t value)
{
	if (shared.bytes == 4)
		viommu_port_store32(p, value);
	else if (shared.order == 0)
		viommu_port_store16(p, (uint16_t)value);
	else if (shared.order == 1)
		viommu_port_store16_release(p, (uint16_t)value);
	else
		viommu_port_store16_release_strong(p, (uint16_t)value);
}

static uint32_t load(const uint8_t *p)
{
	if (shared.bytes == 4)
		return viommu_port_load32(p);
	if (shared.order == 0)
		return viommu_port_load16(p);
	return shared.order == 1 ? viommu_port_load16_acquire(p) : viommu_port_load16_acquire_strong(p);
}

static void *other(void *ctx)
{
	for (unsigned i = 0; __atomic_load_n(&shared.done, __ATOMIC_ACQUIRE) == 0; i++) {
		store(shared.there, words[i % 4]);
		shared.torn += !is_whole(load(shared.here), shared.bytes);
	}
	return ctx;
}

static void test_load_and_store__another_thread_stores_meanwhile__old_or_new_and_no_mixture(void **state)
{
	static const struct {
		unsigned bytes, order;
	} rows[] = { { 2, 0 }, { 2, 1 }, { 2, 2 }, { 4, 0 } };

	(void)state;
	for (unsigned k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		unsigned torn = 0, changes = 0;
		uint32_t last = 0;
		pthread_t thread;

		memset(&shared, 0, sizeof(shared));
		shared.bytes = rows[k].bytes;
		shared.order = rows[k].order;
		assert_int_equal(pthread_create(&thread, NULL, other, NULL), 0);
		/* Until both have run side by side for a while, which on a busy machine takes longer. */
		for (unsigned i = 0; i < ROUNDS || (changes < CHANGES && i < 100 * ROUNDS); i++) {
			uint32_t value = load(shared.there);

			torn += !is_whole(value, shared.bytes);
			changes += value != last;
			last = value;
			store(shared.here, words[i % 4]);
		}
		__atomic_store_n(&shared.done, 1, __ATOMIC_RELEASE);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(torn, 0);
		assert_int_equal(shared.torn, 0);
		assert_true(changes > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load_and_store__another_thread_stores_meanwhile__old_or_new_and_no_mixture),
	};

	return suite_run(tests);
}
