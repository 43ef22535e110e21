/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_driver_tiny.c: a driver's life in as little memory as a small processor has: one queue with 16 entries, one
 * event buffer, and an arena of 4 KiB for all that is private, map nodes too. The shared memory is as large as
 * viommu_driver_mem_size says, and not a byte larger. What a Cortex-M0 needs is less: its pointers are half as long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <viommu/dma.h>

#include "suite.h"

#include "sim/machine.h"

#define ARENA 4096u
#define ENTRIES 16u
#define PAGE UINT64_C(0x1000)
#define RAM UINT64_C(0x80000000)
#define BUFFERS (RAM + 0x10000)
#define PAGES 64u

static struct sim_machine board;
static uint8_t arena[ARENA];
static const uint32_t nic = 0x10;

struct tiny {
	struct viommu_driver drv;
	struct viommu_driver_endpoint endpoint;
	struct viommu_driver_domain domain;
	struct viommu_resv_region regions[2];
	struct viommu_driver_dma dma;
	struct viommu_wire_fault fault;
	uint32_t faults;
	uint8_t *ram;
};

static enum viommu_result wait_for_device(void *ctx, uint32_t attempt)
{
	(void)ctx;
	return sim_machine_step(&board, 100) || attempt < 1000 ? VIOMMU_OK : VIOMMU_E_TIMEOUT;
}

static void on_fault(void *ctx, const struct viommu_wire_fault *fault)
{
	struct tiny *t = ctx;

	t->fault = *fault;
	t->faults++;
}

static const struct viommu_driver_ops ops = { .size = sizeof ops, .wait = wait_for_device, .fault = on_fault };

static void tiny_up(struct tiny *t, uint64_t ring_features)
{
	struct sim_machine_config with = SIM_MACHINE_CONFIG_INIT;
	struct viommu_driver_config config = VIOMMU_DRIVER_CONFIG_INIT;
	struct viommu_shared_memory shared = { .addr = RAM };
	size_t private_bytes;

	memset(t, 0, sizeof *t);
	with.endpoints = &nic;
	with.endpoint_count = 1;
	with.queue_size = ENTRIES;
	with.ring_features = ring_features;
	assert_int_equal(sim_machine_init(&board, &with), VIOMMU_OK);
	t->ram = sim_ram_reserve(&board.ram, RAM, 0x10000 + PAGES * PAGE);
	assert_non_null(t->ram);

	config.ops = &ops;
	config.ops_ctx = t;
	config.queue_size = ENTRIES;
	config.event_count = 1;
	assert_int_equal(viommu_driver_mem_size(&config, &private_bytes, &shared.len), VIOMMU_OK);
	assert_int_equal(shared.len, 3456); /* docs/porting.md says so */
	shared.base = t->ram;
	assert_int_equal(viommu_driver_init(&t->drv, &config, arena, sizeof arena, &shared), VIOMMU_OK);
}

static void start(struct tiny *t)
{
	assert_int_equal(viommu_driver_start(&t->drv, board.transport.register_ops, board.transport.register_ctx),
			 VIOMMU_OK);
	assert_int_equal(viommu_driver_endpoint_init(&t->endpoint, &t->drv, nic, t->regions, 2), VIOMMU_OK);
}

static void domain_up(struct tiny *t)
{
	struct viommu_dma_config config = VIOMMU_DMA_CONFIG_INIT;

	config.window = (struct viommu_range){ 0, UINT32_MAX };
	assert_int_equal(viommu_driver_domain_init(&t->domain, &t->drv, VIOMMU_DOMAIN_ANY, false), VIOMMU_OK);
	assert_int_equal(viommu_driver_dma_init(&t->dma, &t->domain, &config), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&t->domain, &t->endpoint, NULL), VIOMMU_OK);
}

static void tiny_down(struct tiny *t)
{
	assert_int_equal(viommu_driver_stop(&t->drv), VIOMMU_OK);
	assert_true(viommu_driver_check(&t->drv));
	assert_true(sim_machine_check(&board));
	sim_machine_deinit(&board);
}

/* Does the endpoint write these bytes of the buffer to the memory behind it? */
static bool reaches(const struct tiny *t, const struct viommu_dma_buffer *buffer)
{
	static const char bytes[] = "packet";
	uint8_t *at = t->ram + (buffer->phys - RAM);

	memset(at, 0, sizeof bytes);
	return sim_engine_write(sim_machine_engine(&board, nic), buffer->iova, bytes, sizeof bytes) == VIOMMU_OK &&
	       memcmp(at, bytes, sizeof bytes) == 0;
}

static struct viommu_dma_buffer page_buffer(uint32_t page)
{
	return (struct viommu_dma_buffer){ .phys = BUFFERS + page * PAGE, .len = PAGE };
}

/* From the start to the end: buffers, a fault, more buffers than there is memory for, a restart with what is mapped. */
static void live(uint64_t ring_features)
{
	struct viommu_dma_buffer buffers[PAGES];
	struct viommu_dma_buffer list[8];
	struct viommu_driver_limits limits;
	uint32_t count = 0;
	enum viommu_result result;
	struct tiny t;

	tiny_up(&t, ring_features);
	start(&t);
	viommu_driver_get_limits(&t.drv, &limits);
	assert_int_equal(limits.slots, ring_features != 0 ? ENTRIES : ENTRIES / 2);
	domain_up(&t);

	/* A buffer for a while, and a fault behind it. */
	buffers[0] = page_buffer(0);
	assert_int_equal(viommu_driver_dma_map(&t.dma, buffers, 1, VIOMMU_DMA_FROM_DEVICE), VIOMMU_OK);
	assert_true(reaches(&t, &buffers[0]));
	assert_int_equal(viommu_driver_dma_unmap(&t.dma, buffers, 1, VIOMMU_DMA_FROM_DEVICE), VIOMMU_OK);
	assert_false(reaches(&t, &buffers[0]));
	for (uint32_t i = 0; i < 100 && t.faults == 0; i++) {
		(void)sim_machine_step(&board, 100);
		(void)viommu_driver_process(&t.drv, 4);
	}
	assert_int_equal(t.faults, 1);
	assert_int_equal(t.fault.endpoint, nic);
	assert_int_equal(t.fault.address, buffers[0].iova);

	/* As many as there are nodes for; the one that does not fit changes nothing, and what is there works. */
	do {
		buffers[count] = page_buffer(count);
		result = viommu_driver_dma_map(&t.dma, &buffers[count], 1, VIOMMU_DMA_FROM_DEVICE);
		count += result == VIOMMU_OK;
	} while (result == VIOMMU_OK && count < PAGES);
	assert_in_range(count, 16, PAGES);
	for (uint32_t i = 0; i < count; i++)
		assert_true(reaches(&t, &buffers[i]));

	/* A restart, and what is mapped is replayed, in more rounds than one if there are more than slots. */
	assert_int_equal(viommu_driver_stop(&t.drv), VIOMMU_OK);
	start(&t);
	assert_int_equal(viommu_driver_attach(&t.domain, &t.endpoint, NULL), VIOMMU_OK);
	for (uint32_t i = 0; i < count; i++)
		assert_true(reaches(&t, &buffers[i]));
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(viommu_driver_dma_unmap(&t.dma, &buffers[i], 1, VIOMMU_DMA_FROM_DEVICE), VIOMMU_OK);

	/* Lists, again and again: nothing of the arena is lost. */
	for (uint32_t round = 0; round < 1000; round++) {
		for (uint32_t i = 0; i < 8; i++)
			list[i] = page_buffer((round + 3 * i) % PAGES);
		assert_int_equal(viommu_driver_dma_map(&t.dma, list, 8, VIOMMU_DMA_FROM_DEVICE), VIOMMU_OK);
		assert_true(reaches(&t, &list[round % 8]));
		assert_int_equal(viommu_driver_dma_unmap(&t.dma, list, 8, VIOMMU_DMA_FROM_DEVICE), VIOMMU_OK);
	}
	assert_int_equal(viommu_driver_detach(&t.endpoint, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_domain_deinit(&t.domain), VIOMMU_OK);
	tiny_down(&t);
}

static void test_driver_tiny__16_entries_and_4_kib__a_whole_life(void **state)
{
	(void)state;
	live(VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX);
}

static void test_driver_tiny__no_ring_features__half_the_slots_and_the_same_life(void **state)
{
	(void)state;
	live(0);
}

/* Requests that nobody waits for, three times as many as fit: the caller waits for room, and nothing is lost. */
static void test_driver_tiny__more_requests_than_slots__all_arrive(void **state)
{
	uint32_t mapped = 0;
	struct viommu_mapping m;
	struct tiny t;

	(void)state;
	tiny_up(&t, 0);
	start(&t);
	domain_up(&t);
	for (uint32_t i = 0; i < 3 * ENTRIES; i++)
		assert_int_equal(viommu_driver_map(&t.domain, i * PAGE, i * PAGE + (PAGE - 1), BUFFERS + i * PAGE,
						   VIOMMU_MAP_F_WRITE),
				 VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.domain, NULL), VIOMMU_OK);
	for (viommu_iova from = 0; viommu_driver_next_mapping(&t.domain, from, &m); from = m.last + 1) {
		struct viommu_dma_buffer buffer = { .phys = m.phys, .len = PAGE, .iova = m.first };

		assert_true(reaches(&t, &buffer));
		mapped++;
	}
	assert_int_equal(mapped, 3 * ENTRIES);
	assert_in_range(viommu_driver_get_stats(&t.drv)->kicks, 1, 3 * ENTRIES / 4);
	tiny_down(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_tiny__16_entries_and_4_kib__a_whole_life),
		cmocka_unit_test(test_driver_tiny__no_ring_features__half_the_slots_and_the_same_life),
		cmocka_unit_test(test_driver_tiny__more_requests_than_slots__all_arrive),
	};

	return suite_run(tests);
}
