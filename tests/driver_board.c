/* SPDX-License-Identifier: BSD-3-Clause */
/* driver_board.c: see driver_board.h. */
#include "driver_board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define BUS UINT64_C(0x100000)

struct board board;
static uint8_t shared_memory[64 * 1024] __attribute__((aligned(64)));
static uint8_t private_memory[64 * 1024];

/* The queue and the device */

static enum viommu_result queue_add(void *ctx, uint32_t queue, const struct viommu_bus_segment *segments,
				    uint32_t readable, uint32_t writable, void *token)
{
	struct board *b = ctx;
	const struct viommu_bus_segment *last = &segments[readable + writable - 1];

	b->hold++;
	if (queue == VIOMMU_QUEUE_EVENT)
		return VIOMMU_OK;
	assert_in_range(b->added - b->popped, 0, SLOTS - 1);
	b->chains[b->added % SLOTS].token = token;
	b->chains[b->added % SLOTS].tail = (uint8_t *)b->shared.base + (last->addr - b->shared.addr) + last->len - 4;
	b->added++;
	b->requests++;
	return VIOMMU_OK;
}

static bool queue_publish(void *ctx, uint32_t queue)
{
	struct board *b = ctx;
	bool any = queue == VIOMMU_QUEUE_REQUEST && b->visible != b->added;

	b->hold++;
	if (any)
		b->visible = b->added;
	return any;
}

static void queue_kick(void *ctx, uint32_t queue)
{
	struct board *b = ctx;

	(void)queue;
	assert_false(b->locked);
	b->kicks++;
}

static enum viommu_result queue_pop(void *ctx, uint32_t queue, void **token, uint32_t *written)
{
	struct board *b = ctx;

	b->hold++;
	if (queue == VIOMMU_QUEUE_EVENT || b->popped == b->answered)
		return VIOMMU_E_EMPTY;
	*token = b->chains[b->popped++ % SLOTS].token;
	*written = 4;
	return VIOMMU_OK;
}

static bool queue_arm(void *ctx, uint32_t queue)
{
	struct board *b = ctx;

	b->hold++;
	return queue == VIOMMU_QUEUE_REQUEST && b->popped != b->answered;
}

static const struct viommu_queue_ops queue_ops = {
	.size = sizeof queue_ops,
	.add = queue_add,
	.publish = queue_publish,
	.kick = queue_kick,
	.pop = queue_pop,
	.arm = queue_arm,
};

/* The hooks */

static void let_other_run(struct board *b)
{
	if (b->other == NULL || b->other_runs)
		return;
	b->other_runs = true;
	b->other(b);
	b->other_runs = false;
}

void board_answer(struct board *b)
{
	uint8_t *tail = b->chains[b->answered++ % SLOTS].tail;

	memset(tail, 0, 4);
	tail[0] = b->status;
}

static enum viommu_result hook_wait(void *ctx, uint32_t attempt)
{
	struct board *b = ctx;

	assert_false(b->locked);
	if (attempt > 1000)
		return VIOMMU_E_TIMEOUT;
	b->rounds++;
	for (uint32_t i = 0; i < b->pace && b->answered != b->visible; i++)
		board_answer(b);
	let_other_run(b);
	return b->gives_up ? VIOMMU_E_TIMEOUT : VIOMMU_OK;
}

static void hook_lock(void *ctx)
{
	struct board *b = ctx;

	assert_false(b->locked);
	b->locked = true;
	b->hold = 0;
}

static void hook_unlock(void *ctx)
{
	struct board *b = ctx;

	b->locked = false;
	if (b->hold > b->longest)
		b->longest = b->hold;
}

static const struct viommu_driver_ops ops = {
	.size = sizeof ops, .wait = hook_wait, .lock = hook_lock, .unlock = hook_unlock
};

void board_start(struct board *b)
{
	const struct viommu_wire_config space = { .page_size_mask = ~(PAGE - 1),
						  .input_range = { 0, UINT64_MAX },
						  .domain_last = UINT32_MAX };
	uint8_t bytes[VIOMMU_WIRE_CONFIG_SIZE];

	b->added = 0;
	b->visible = 0;
	b->answered = 0;
	b->popped = 0;
	viommu_wire_config_encode(&space, bytes);
	assert_int_equal(
		viommu_driver_start_queues(&b->drv, &queue_ops, b, VIOMMU_F_VERSION_1 | VIOMMU_F_MAP_UNMAP, bytes),
		VIOMMU_OK);
}

void board_up(struct board *b, uint32_t pace)
{
	struct viommu_driver_config config = VIOMMU_DRIVER_CONFIG_INIT;
	size_t len;

	memset(b, 0, sizeof *b);
	b->pace = pace;
	b->shared = (struct viommu_shared_memory){ shared_memory, BUS, sizeof shared_memory };
	config.ops = &ops;
	config.ops_ctx = b;
	config.queue_size = SLOTS;
	assert_int_equal(viommu_driver_mem_size(&config, &len, &len), VIOMMU_OK);
	assert_int_equal(viommu_driver_init(&b->drv, &config, private_memory, sizeof private_memory, &b->shared),
			 VIOMMU_OK);
	board_start(b);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(viommu_driver_endpoint_init(&b->endpoints[i], &b->drv, i, NULL, 0), VIOMMU_OK);
		assert_int_equal(viommu_driver_domain_init(&b->domains[i], &b->drv, VIOMMU_DOMAIN_ANY, false),
				 VIOMMU_OK);
		assert_int_equal(viommu_driver_attach(&b->domains[i], &b->endpoints[i], NULL), VIOMMU_OK);
	}
	b->flooded = &b->domains[1];
	b->next = 1024 * PAGE;
	b->requests = 0;
	b->kicks = 0;
	b->rounds = 0;
	b->longest = 0;
}

void board_down(struct board *b)
{
	b->other = NULL;
	assert_true(viommu_driver_check(&b->drv));
	assert_int_equal(viommu_driver_stop(&b->drv), VIOMMU_OK);
}

void map_page(struct viommu_driver_domain *domain, viommu_iova iova)
{
	assert_int_equal(viommu_driver_map(domain, iova, iova + (PAGE - 1), iova, VIOMMU_MAP_F_READ), VIOMMU_OK);
}

void unmap_page(struct viommu_driver_domain *domain, viommu_iova iova)
{
	assert_int_equal(viommu_driver_unmap(domain, iova, iova + (PAGE - 1)), VIOMMU_OK);
}

void sync_domain(struct viommu_driver_domain *domain)
{
	assert_int_equal(viommu_driver_sync(domain, NULL), VIOMMU_OK);
}

void flood(struct board *b)
{
	while (b->drv.free_slots != NULL && b->added - b->popped < SLOTS) {
		map_page(b->flooded, b->next);
		b->next += PAGE;
		if ((b->next & (64 * PAGE - 1)) == 0)
			b->next += 64 * PAGE; /* keeps one node for many */
	}
	b->visible = b->added;
}
