/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver.c: proofs of what the driver itself reads of what a device wrote: the tail of a reply, a report, and the
 * reply to a PROBE. The ring that says where they are is in virtq_driver.c, and what understands the copies in wire.c.
 *
 * What may be read is an area of just these bytes, and everything else is a failed proof.
 */
#include "proof.h"

#include "../../libviommu/driver/endpoint.c"
#include "../../libviommu/driver/events.c"
#include "../../libviommu/driver/slots.c"

/* In place of check.c: the state is the one that the harness says. */
bool viommu_driver_is_valid(const struct viommu_driver *drv)
{
	return drv->ops != NULL;
}

static const struct viommu_driver_ops no_hooks = { .size = sizeof no_hooks };

/*
 * Proof of read_status. Any slot of any number of them, any request in it, any used length: the status is
 * read if the length says that it is there, as the four bytes behind the reply, once, and is none otherwise.
 */
void prove_driver_read_status(void)
{
	struct viommu_driver drv = { .ops = &no_hooks };
	uint32_t slots = nondet_u32(), index = nondet_u32(), written = nondet_u32(), tail = 0;
	uint8_t *reply, status;

	ASSUME(slots >= 1 && slots <= 32768 && index < slots);
	drv.config.probe_size = nondet_u32();
	ASSUME(drv.config.probe_size <= UINT32_MAX - PROBE_REPLY - VIOMMU_WIRE_TAIL_SIZE);
	drv.slots = malloc(slots * sizeof *drv.slots);
	drv.slot_memory.base = malloc((size_t)slots * SLOT_STRIDE);
	drv.probe_memory.base = malloc((size_t)PROBE_REPLY + drv.config.probe_size + VIOMMU_WIRE_TAIL_SIZE);
	ASSUME(drv.slots != NULL && drv.slot_memory.base != NULL && drv.probe_memory.base != NULL);
	if (drv.slots[index].type == VIOMMU_T_PROBE) {
		tail = drv.config.probe_size;
		reply = (uint8_t *)drv.probe_memory.base + PROBE_REPLY;
	} else {
		reply = (uint8_t *)drv.slot_memory.base + (size_t)index * SLOT_STRIDE + SLOT_TAIL;
	}
	peer_has(AREA_DESC, reply + tail, VIOMMU_WIRE_TAIL_SIZE, true, false);
	status = read_status(&drv, &drv.slots[index], written);
	PROVE(peer.loads == (written >= tail + VIOMMU_WIRE_TAIL_SIZE ? 1 : 0) && peer.stores == 0);
	PROVE(peer.loads == 1 || status == NO_STATUS);
	REACHABLE(peer.loads == 1 && index == 32767 && status == 0x77);
	REACHABLE(peer.loads == 1 && tail == 61 && status == VIOMMU_S_OK);
	REACHABLE(peer.loads == 0 && tail == 0 && written == 3);
	REACHABLE(peer.loads == 0 && tail == 64 && written == 67);
}

static void *token;
static uint32_t used_length;
static enum viommu_result popped;
static uint32_t added;

static enum viommu_result any_pop(void *ctx, uint32_t queue, void **out, uint32_t *written)
{
	(void)ctx;
	PROVE(queue == VIOMMU_QUEUE_EVENT);
	*out = token;
	*written = used_length;
	return popped;
}

static enum viommu_result any_add(void *ctx, uint32_t queue, const struct viommu_bus_segment *segments,
				  uint32_t readable, uint32_t writable, void *of)
{
	(void)ctx;
	PROVE(queue == VIOMMU_QUEUE_EVENT && readable == 0 && writable == 1);
	PROVE(segments[0].len == VIOMMU_WIRE_FAULT_SIZE && of == token);
	added++;
	return nondet_bool() ? VIOMMU_OK : VIOMMU_E_BROKEN;
}

static const struct viommu_queue_ops any_queues = { .size = sizeof any_queues, .add = any_add, .pop = any_pop };

/*
 * Proof of take. Any token, any used length, any number of buffers: a report is read if the length
 * says that all of it is there, from the buffer that came back and once, and that buffer goes back once.
 */
void prove_driver_take_report(void)
{
	struct viommu_driver drv = { .ops = &no_hooks, .queues = &any_queues, .state = VIOMMU_DRIVER_RUNNING };
	struct viommu_wire_fault fault;
	enum viommu_result result;
	uint32_t buffer = nondet_u32();
	bool is_ours;

	drv.event_count = nondet_u32();
	ASSUME(drv.event_count >= 1 && drv.event_count <= 32768);
	drv.event_memory.base = malloc((size_t)drv.event_count * EVENT_STRIDE);
	ASSUME(drv.event_memory.base != NULL);
	token = (void *)((uintptr_t)buffer + 1);
	used_length = nondet_u32();
	popped = nondet_bool() ? VIOMMU_OK : nondet_bool() ? VIOMMU_E_EMPTY : VIOMMU_E_BROKEN;
	is_ours = popped == VIOMMU_OK && buffer < drv.event_count;
	if (is_ours)
		peer_has(AREA_DESC, (uint8_t *)drv.event_memory.base + (size_t)buffer * EVENT_STRIDE,
			 VIOMMU_WIRE_FAULT_SIZE, true, true);
	result = take(&drv, &fault);
	PROVE(peer.loads == (is_ours && used_length >= VIOMMU_WIRE_FAULT_SIZE ? 1 : 0));
	PROVE(peer.stores == (is_ours ? 1 : 0) && added == (is_ours ? 1 : 0));
	PROVE(is_ours || result == (popped == VIOMMU_OK ? VIOMMU_E_BROKEN : popped));
	PROVE(result != VIOMMU_OK || (peer.loads == 1 && fault.reason <= VIOMMU_FAULT_R_MAPPING));
	PROVE(drv.stats.faults == (result == VIOMMU_OK ? 1 : 0));
	PROVE(drv.stats.faults_bad == (is_ours && result != VIOMMU_OK ? 1 : 0));
	REACHABLE(result == VIOMMU_OK && buffer == 32767 && used_length == UINT32_MAX);
	REACHABLE(result == VIOMMU_E_PEER && used_length == VIOMMU_WIRE_FAULT_SIZE - 1);
	REACHABLE(result == VIOMMU_E_PEER && used_length == VIOMMU_WIRE_FAULT_SIZE);
	REACHABLE(result == VIOMMU_E_BROKEN && popped == VIOMMU_OK && buffer == UINT32_MAX);
	REACHABLE(result == VIOMMU_E_EMPTY);
}

static enum viommu_result call_result;
static uint32_t parsed;

/* Stands for viommu_i_call, which leaves a slot with a reply to its poster. */
enum viommu_result any_call(struct viommu_driver *drv, const struct viommu_wire_request *request, uint8_t *status)
{
	PROVE(request->type == VIOMMU_T_PROBE);
	*status = nondet_u8();
	drv->probe_slot = &drv->slots[0];
	return call_result;
}

/* Stands for parse, which property_list is the proof of: it is given the private copy. */
enum viommu_result any_parse(struct viommu_driver_endpoint *endpoint, const uint8_t *list, size_t len,
			     uint32_t capacity)
{
	(void)capacity;
	PROVE(list == endpoint->drv->probe_copy && len == endpoint->drv->config.probe_size);
	parsed++;
	return nondet_bool() ? VIOMMU_OK : VIOMMU_E_PEER;
}

/*
 * Proof of probe. With viommu_i_call as any_call, parse as any_parse. Any probe_size: the reply is copied once, all of
 * it and nothing besides, if there is one; what is judged is the copy; and the slot comes back if it is ours.
 */
void prove_driver_probe_reply(void)
{
	struct viommu_driver drv = { .ops = &no_hooks, .state = VIOMMU_DRIVER_RUNNING };
	struct viommu_driver_endpoint endpoint = { .drv = &drv };
	enum viommu_result result;

	drv.config.probe_size = nondet_u32();
	ASSUME(drv.config.probe_size >= 1 && drv.config.probe_size <= UINT32_MAX - PROBE_REPLY - VIOMMU_WIRE_TAIL_SIZE);
	drv.slots = malloc(sizeof *drv.slots);
	drv.probe_copy = malloc(drv.config.probe_size);
	drv.probe_memory.base = malloc((size_t)PROBE_REPLY + drv.config.probe_size + VIOMMU_WIRE_TAIL_SIZE);
	ASSUME(drv.slots != NULL && drv.probe_copy != NULL && drv.probe_memory.base != NULL);
	peer_has(AREA_DESC, (uint8_t *)drv.probe_memory.base + PROBE_REPLY, drv.config.probe_size, true, false);
	call_result = (enum viommu_result[]){ VIOMMU_OK,        VIOMMU_E_REJECTED, VIOMMU_E_PEER,
					      VIOMMU_E_TIMEOUT, VIOMMU_E_BUSY,     VIOMMU_E_BROKEN }[nondet_u8() % 6];
	result = probe(&endpoint, nondet_u32());
	PROVE(peer.loads == (call_result == VIOMMU_OK ? 1 : 0) && parsed == peer.loads && peer.stores == 0);
	PROVE(call_result == VIOMMU_OK || result == call_result);
	PROVE((drv.free_slots == drv.slots) ==
	      (call_result == VIOMMU_OK || call_result == VIOMMU_E_REJECTED || call_result == VIOMMU_E_PEER));
	REACHABLE(result == VIOMMU_OK && drv.config.probe_size == 61);
	REACHABLE(result == VIOMMU_E_PEER && call_result == VIOMMU_OK && drv.config.probe_size == UINT32_C(1) << 31);
	REACHABLE(result == VIOMMU_E_TIMEOUT);
}
