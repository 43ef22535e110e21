/* SPDX-License-Identifier: BSD-3-Clause */
/* pump.c: between the rings and seam A. */
#include "core.h"

#include <viommu/pump.h>

#include "../internal.h"
#include "../virtq/memory.h"

#define DEFAULT_QUEUE_SIZE 256u
#define HOST_PAGE 4096u

/* So that no size can wrap, not even where size_t has 32 bits. The default of max_segments is below the limit. */
_Static_assert(sizeof(struct viommu_pump_slot) <= SIZE_MAX / 4 / VIOMMU_DEVICE_COUNT_MAX, "the limit is too high");
_Static_assert(sizeof(struct viommu_segment) <= SIZE_MAX / 4 / VIOMMU_PUMP_SEGMENTS_MAX, "the limit is too high");
_Static_assert(2 * VIOMMU_VIRTQ_SIZE_MAX + UINT32_MAX / HOST_PAGE <= VIOMMU_PUMP_SEGMENTS_MAX, "the limit is too low");

static uint32_t queue_size_max(const struct viommu_pump_config *config)
{
	return config->queue_size_max != 0 ? config->queue_size_max : DEFAULT_QUEUE_SIZE;
}

/* Each descriptor may lie across two host pages; only the area of a PROBE can lie across many. */
static uint32_t max_segments(const struct viommu_pump_config *config)
{
	if (config->max_segments != 0)
		return config->max_segments;
	return 2 * queue_size_max(config) + config->device->config.probe_size / HOST_PAGE;
}

enum viommu_result viommu_pump_mem_size(const struct viommu_pump_config *config, size_t *bytes)
{
	enum viommu_result result;

	if (config->size != sizeof *config)
		return VIOMMU_E_ABI;
	if (config->device == NULL || config->memory.ops == NULL ||
	    !viommu_virtq_size_is_valid(queue_size_max(config)) || config->max_segments > VIOMMU_PUMP_SEGMENTS_MAX)
		return VIOMMU_E_ARG;
	result = viommu_i_memory_ops_check(config->memory.ops);
	if (result != VIOMMU_OK)
		return result;
	*bytes = 16 + config->device->max_pending * sizeof(struct viommu_pump_slot) +
		 max_segments(config) * sizeof(struct viommu_segment);
	return VIOMMU_OK;
}

/* What the registers ask of the device class. */

static uint64_t class_features(void *ctx)
{
	return viommu_device_features(((struct viommu_pump *)ctx)->device);
}

static enum viommu_result class_negotiate(void *ctx, uint64_t features)
{
	return viommu_device_negotiate(((struct viommu_pump *)ctx)->device, features);
}

static void class_config_read(void *ctx, uint32_t offset, void *dst, uint32_t len)
{
	viommu_device_config_read(((struct viommu_pump *)ctx)->device, offset, dst, len);
}

static void class_config_write(void *ctx, uint32_t offset, const void *src, uint32_t len)
{
	viommu_device_config_write(((struct viommu_pump *)ctx)->device, offset, src, len);
}

static void slot_free(struct viommu_pump *pump, struct viommu_pump_slot *slot)
{
	slot->held = false;
	slot->is_orphan = false;
	slot->request.user = pump->free_slots;
	pump->free_slots = slot;
}

/* What is done is not answered any more. */
static void drop_done(struct viommu_pump *pump)
{
	struct viommu_request *request;

	while ((request = viommu_device_next_done(pump->device)) != NULL)
		slot_free(pump, (struct viommu_pump_slot *)request);
}

static void drop_held(struct viommu_pump *pump)
{
	for (struct viommu_pump_slot *slot = pump->slots; slot < pump->slots + pump->slot_count; slot++) {
		if (slot->held)
			slot_free(pump, slot);
	}
	pump->oldest = NULL;
}

static void class_reset(void *ctx)
{
	struct viommu_pump *pump = ctx;

	viommu_device_reset(pump->device);
	drop_done(pump);
	drop_held(pump);
	pump->has_fault = false;
}

/*
 * Requests that wait for access sections do so as before: they were carried out. But nothing is written for them any
 * more. Of the event queue nothing is kept: a report is in one of its buffers, or still in the pump.
 */
static void class_queue_reset(void *ctx, uint32_t queue)
{
	struct viommu_pump *pump = ctx;

	if (queue != VIOMMU_QUEUE_REQUEST)
		return;
	drop_held(pump);
	viommu_device_forget_replies(pump->device);
	for (uint32_t i = 0; i < pump->slot_count; i++)
		pump->slots[i].is_orphan = pump->slots[i].request.state == VIOMMU_REQUEST_PENDING;
}

static bool class_queue_is_settled(void *ctx, uint32_t queue)
{
	(void)ctx;
	(void)queue;
	return true;
}

static bool class_is_settled(void *ctx)
{
	return viommu_device_is_settled(((struct viommu_pump *)ctx)->device);
}

static const struct viommu_register_class iommu_class = {
	.size = sizeof iommu_class,
	.features = class_features,
	.negotiate = class_negotiate,
	.config_read = class_config_read,
	.config_write = class_config_write,
	.reset = class_reset,
	.is_settled = class_is_settled,
	.queue_reset = class_queue_reset,
	.queue_is_settled = class_queue_is_settled,
};

enum viommu_result viommu_pump_init(struct viommu_pump *pump, const struct viommu_pump_config *config, void *mem,
				    size_t len)
{
	struct viommu_registers_config registers = { .size = sizeof registers };
	struct viommu_registers checked;
	size_t needed;
	enum viommu_result result = viommu_pump_mem_size(config, &needed);

	if (result != VIOMMU_OK)
		return result;
	registers.queue_count = VIOMMU_QUEUE_COUNT;
	registers.queue_size_max = queue_size_max(config);
	registers.queues = pump->queues;
	registers.ring_features = config->ring_features;
	registers.device_class = &iommu_class;
	registers.class_ctx = pump;
	registers.interrupts = config->interrupts;
	registers.interrupt_ctx = config->interrupt_ctx;
	result = viommu_registers_init(&checked, &registers);
	if (result != VIOMMU_OK)
		return result;
	if (mem == NULL || len < needed)
		return VIOMMU_E_NOMEM;

	memset(pump, 0, sizeof *pump);
	pump->registers = checked;
	pump->device = config->device;
	pump->slot_count = config->device->max_pending;
	pump->slots = (struct viommu_pump_slot *)viommu_i_align_up((uintptr_t)mem, 16);
	pump->segments = (struct viommu_segment *)(pump->slots + pump->slot_count);
	pump->segment_count = max_segments(config);
	memset(pump->slots, 0, pump->slot_count * sizeof *pump->slots);
	for (uint32_t left = pump->slot_count; left > 0; left--)
		slot_free(pump, &pump->slots[left - 1]);
	for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++)
		viommu_virtq_device_init(&pump->queues[i], &config->memory);
	VIOMMU_ASSERT(viommu_pump_is_valid(pump));
	return VIOMMU_OK;
}

struct viommu_registers *viommu_pump_registers(struct viommu_pump *pump)
{
	return &pump->registers;
}

const struct viommu_pump_stats *viommu_pump_get_stats(const struct viommu_pump *pump)
{
	return &pump->stats;
}

void viommu_pump_system_reset(struct viommu_pump *pump)
{
	VIOMMU_ASSERT(viommu_pump_is_valid(pump));
	/* The device first: then the registers wait for all that it took away, the bypass included. */
	viommu_device_system_reset(pump->device);
	viommu_registers_set_status(&pump->registers, 0);
	VIOMMU_ASSERT(viommu_pump_is_valid(pump));
}

void viommu_pump_memory_changed(struct viommu_pump *pump)
{
	VIOMMU_ASSERT(viommu_pump_is_valid(pump));
	for (uint32_t queue = 0; queue < VIOMMU_QUEUE_COUNT; queue++) {
		if (viommu_virtq_device_memory_changed(&pump->queues[queue]) != VIOMMU_OK)
			viommu_registers_needs_reset(&pump->registers);
	}
	viommu_device_memory_changed(pump->device);
	VIOMMU_ASSERT(viommu_pump_is_valid(pump));
}

/* Takes up to *budget steps away. */
static void spend(uint32_t *budget, uint32_t steps)
{
	*budget = steps < *budget ? *budget - steps : 0;
}

static void answer(struct viommu_pump *pump, uint32_t queue, uint16_t head, uint32_t written)
{
	/* The head was popped since the queue was enabled. If the ring is broken by now, process says so at its end. */
	(void)!viommu_virtq_device_push(&pump->queues[queue], head, written);
}

static bool is_in_order(const struct viommu_pump *pump)
{
	return (pump->registers.features & VIOMMU_F_IN_ORDER) != 0;
}

/* For a chain of the request queue. There is one: nothing is taken from the queue otherwise. */
static struct viommu_pump_slot *slot_take(struct viommu_pump *pump, uint16_t head)
{
	struct viommu_pump_slot *slot = pump->free_slots;

	pump->free_slots = slot->request.user;
	slot->head = head;
	slot->next = NULL;
	if (is_in_order(pump)) {
		if (pump->oldest == NULL)
			pump->oldest = slot;
		else
			pump->newest->next = slot;
		pump->newest = slot;
	}
	return slot;
}

/* Answers a request, and with IN_ORDER those that waited behind it; or it waits for its own turn. */
static void finish(struct viommu_pump *pump, struct viommu_pump_slot *slot, uint32_t written)
{
	if (!is_in_order(pump)) {
		answer(pump, VIOMMU_QUEUE_REQUEST, slot->head, written);
		slot_free(pump, slot);
		return;
	}
	slot->held = true;
	slot->written = written;
	/* Each of them was paid for when it was taken. */
	while (pump->oldest != NULL && pump->oldest->held) {
		slot = pump->oldest;
		pump->oldest = slot->next;
		answer(pump, VIOMMU_QUEUE_REQUEST, slot->head, slot->written);
		slot_free(pump, slot);
	}
}

/* Requests that had to wait and need not any more. */
static void pump_done(struct viommu_pump *pump, uint32_t *budget)
{
	struct viommu_request *request;

	while (*budget > 0 && (request = viommu_device_next_done(pump->device)) != NULL) {
		struct viommu_pump_slot *slot = (struct viommu_pump_slot *)request;

		if (slot->is_orphan)
			slot_free(pump, slot);
		else
			finish(pump, slot, request->written);
		spend(budget, 1);
	}
}

static void submit(struct viommu_pump *pump, const struct viommu_chain *chain)
{
	struct viommu_pump_slot *slot = slot_take(pump, chain->head);
	struct viommu_request *request = &slot->request;

	request->readable = chain->segments;
	request->readable_count = chain->readable;
	request->writable = chain->segments + chain->readable;
	request->writable_count = chain->writable;
	request->memory = &pump->queues[VIOMMU_QUEUE_REQUEST].memory;
	/* Cannot fail: the slot was free, and there are as many as the device lets wait. */
	VIOMMU_ASSERT(!viommu_device_is_busy(pump->device));
	(void)!viommu_device_submit(pump->device, request);
	if (request->state == VIOMMU_REQUEST_DONE)
		finish(pump, slot, request->written);
}

/* What came of a look at a queue. */
enum look {
	LOOK_AGAIN,  /* took something */
	LOOK_NOTHING /* nothing there (a kick was asked for), no room, or the ring is broken */
};

/* The next chain of a queue, or nothing; malformed ones are given back at once. `chain->segments` is set up here. */
static enum look take(struct viommu_pump *pump, uint32_t queue, struct viommu_chain *chain, bool *taken)
{
	struct viommu_virtq_device *q = &pump->queues[queue];

	*taken = false;
	chain->segments = pump->segments;
	chain->capacity = pump->segment_count;
	chain->steps = 0;
	switch (viommu_virtq_device_pop(q, chain)) {
	case VIOMMU_OK:
		*taken = true;
		return LOOK_AGAIN;
	case VIOMMU_E_PEER:
		viommu_count(&pump->stats.malformed);
		if (queue == VIOMMU_QUEUE_REQUEST)
			finish(pump, slot_take(pump, chain->head), 0);
		else
			answer(pump, queue, chain->head, 0);
		return LOOK_AGAIN;
	case VIOMMU_E_EMPTY:
		return viommu_virtq_device_arm(q) ? LOOK_AGAIN : LOOK_NOTHING;
	case VIOMMU_E_BROKEN:
		viommu_registers_needs_reset(&pump->registers);
		return LOOK_NOTHING;
	default:
		return LOOK_NOTHING; /* this queue was not enabled */
	}
}

static bool pump_requests(struct viommu_pump *pump, uint32_t *budget)
{
	struct viommu_chain chain;
	bool taken;

	while (*budget > 0) {
		if (pump->free_slots == NULL)
			return false;
		if (take(pump, VIOMMU_QUEUE_REQUEST, &chain, &taken) == LOOK_NOTHING)
			return false;
		if (taken)
			submit(pump, &chain);
		spend(budget, chain.steps + 1);
	}
	return true;
}

/* Puts the report into the buffer, if it fits: a report is never spread over two. */
static void deliver(struct viommu_pump *pump, const struct viommu_chain *chain)
{
	uint8_t bytes[VIOMMU_WIRE_FAULT_SIZE];
	const struct viommu_segment *s = chain->segments + chain->readable;
	size_t done = 0;

	if (chain->writable_len < sizeof bytes) {
		pump->has_fault = false;
		viommu_count(&pump->stats.events_dropped);
		answer(pump, VIOMMU_QUEUE_EVENT, chain->head, 0);
		return;
	}
	viommu_wire_fault_encode(&pump->fault, bytes);
	for (; done < sizeof bytes; s++) {
		size_t n = s->len < sizeof bytes - done ? s->len : sizeof bytes - done;

		if (!viommu_i_write_segment(&pump->queues[VIOMMU_QUEUE_EVENT].memory, s, bytes + done, n)) {
			/* There is no memory: a malformed chain, and the report waits for the next buffer. */
			viommu_count(&pump->stats.malformed);
			answer(pump, VIOMMU_QUEUE_EVENT, chain->head, 0);
			return;
		}
		done += n;
	}
	pump->has_fault = false;
	viommu_count(&pump->stats.events);
	answer(pump, VIOMMU_QUEUE_EVENT, chain->head, sizeof bytes);
}

static bool pump_faults(struct viommu_pump *pump, uint32_t *budget)
{
	struct viommu_chain chain;
	bool taken;

	while (*budget > 0) {
		if (!pump->has_fault)
			pump->has_fault = viommu_device_next_fault(pump->device, &pump->fault) == VIOMMU_OK;
		if (!pump->has_fault || take(pump, VIOMMU_QUEUE_EVENT, &chain, &taken) == LOOK_NOTHING)
			return false;
		if (taken)
			deliver(pump, &chain);
		spend(budget, chain.steps + 1);
	}
	return true;
}

bool viommu_pump_process(struct viommu_pump *pump, uint32_t budget)
{
	bool more = false;

	VIOMMU_ASSERT(viommu_pump_is_valid(pump));
	(void)viommu_device_is_settled(pump->device); /* after bypass 1 to 0 nobody else asks */
	/* Also if nobody will hear of these requests any more: guest memory that goes away waits for them. */
	pump_done(pump, &budget);
	if (!viommu_registers_is_live(&pump->registers))
		return budget == 0;
	more |= pump_requests(pump, &budget);
	if (viommu_registers_is_live(&pump->registers))
		more |= pump_faults(pump, &budget);
	spend(&budget, viommu_device_process(pump->device, budget));
	for (uint32_t queue = 0; queue < VIOMMU_QUEUE_COUNT; queue++) {
		if (viommu_virtq_device_publish(&pump->queues[queue]))
			viommu_registers_interrupt(&pump->registers, queue);
		/*
		 * What breaks a ring when a chain is taken was told there. A used ring that cannot be written breaks in
		 * push or in publish, and perhaps nobody looks at this queue again.
		 */
		if (viommu_virtq_device_state(&pump->queues[queue]) == VIOMMU_VIRTQ_BROKEN)
			viommu_registers_needs_reset(&pump->registers);
	}
	VIOMMU_ASSERT(viommu_pump_is_valid(pump));
	return more || budget == 0;
}
