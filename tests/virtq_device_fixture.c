/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtq_device_fixture.h"

struct guest guest;
struct ring ring;
struct viommu_virtq_device q;
struct viommu_segment segments[CAPACITY];
struct viommu_chain chain;

/* However the test ended: enabled anew, the queue works. */
static void end_of_test(void *ctx)
{
	guest_init(&guest);
	ring_enable(ctx, &guest, &q, 4, 0);
	chain.segments = segments;
	chain.capacity = CAPACITY;
	check_good_chain(3);
}

/* The driver resets the device, which forgets the queue. */
static void surprise(void *ctx)
{
	(void)ctx;
	viommu_virtq_device_reset(&q);
}

int setup(void **state)
{
	(void)state;
	sim_env_on_end(end_of_test, &ring);
	sim_env_on_reset(surprise, &ring, false);
	guest_init(&guest);
	memset(&q, 0, sizeof(q));
	memset(&chain, 0, sizeof(chain));
	chain.segments = segments;
	chain.capacity = CAPACITY;
	return 0;
}

int teardown(void **state)
{
	(void)state;
	assert_true(viommu_virtq_device_check(&q));
	guest_check_canaries(&guest);
	return 0;
}

enum viommu_result pop(void)
{
	sim_env_operation();
	return viommu_virtq_device_pop(&q, &chain);
}

void check_good_chain(unsigned head)
{
	uint16_t used = ring_used_index(&ring);

	ring_desc(&ring, head, DATA_GPA, 1, 0, 0);
	ring_add(&ring, head);
	assert_int_equal(pop(), VIOMMU_OK);
	assert_int_equal(chain.head, head);
	assert_int_equal(chain.readable, 1);
	assert_int_equal(chain.writable, 0);
	assert_int_equal(viommu_virtq_device_push(&q, chain.head, 0), VIOMMU_OK);
	(void)viommu_virtq_device_publish(&q);
	assert_int_equal(ring_used_index(&ring), (uint16_t)(used + 1));
	assert_int_equal(ring_used_id(&ring, used), head);
}
