/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pump_snapshot.c: save and restore of the device with its queues and registers. docs/snapshot.md.
 *
 * Registers and queues are made aside, and judged by their own checks; then the device, which is the last that can be
 * refused; then they are put in place.
 */
#include <viommu/pump.h>
#include <viommu/snapshot.h>

#include "../internal.h"
#include "../virtq/snapshot.h"
#include "snapshot.h"

#define TYPE_REGISTERS SNAPSHOT_TYPE('r', 'e', 'g', 's')
#define TYPE_PUMP SNAPSHOT_TYPE('p', 'u', 'm', 'p')

/* Offered features, largest queue: what the driver was shown. Then its features, generation, status, the queues. */
#define REGISTERS_SHOWN 12u
#define REGISTERS_FEATURES 12u
#define REGISTERS_GENERATION 20u
#define REGISTERS_STATUS 24u
#define REGISTERS_QUEUES 28u
#define REGISTERS_SIZE (REGISTERS_QUEUES + VIOMMU_QUEUE_COUNT * VIOMMU_I_VIRTQ_RECORD)

/* Is there a report that waits for a buffer, and the report as the driver would get it. */
#define PUMP_FAULT 4u
#define PUMP_SIZE (PUMP_FAULT + VIOMMU_WIRE_FAULT_SIZE)

uint64_t viommu_pump_save_size(const struct viommu_pump *pump)
{
	VIOMMU_ASSERT(viommu_pump_is_valid(pump));
	return SNAPSHOT_FRAME + viommu_i_device_sections_size(pump->device) + SNAPSHOT_SECTION + REGISTERS_SIZE +
	       SNAPSHOT_SECTION + PUMP_SIZE;
}

static void shown(const struct viommu_registers *regs, uint8_t out[REGISTERS_SHOWN])
{
	viommu_i_put64(out, viommu_registers_get_features(regs));
	viommu_i_put32(out + 8, regs->queue_size_max);
}

static void save_registers(const struct viommu_registers *regs, struct viommu_i_save *s)
{
	viommu_i_save_section(s, TYPE_REGISTERS, REGISTERS_SIZE);
	shown(regs, s->at);
	s->at += REGISTERS_SHOWN;
	viommu_i_save64(s, regs->features);
	viommu_i_save32(s, regs->generation);
	viommu_i_save32(s, regs->status);
	for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++)
		viommu_i_virtq_save(&regs->queues[i], s);
}

static void save_pump(const struct viommu_pump *pump, struct viommu_i_save *s)
{
	static const struct viommu_wire_fault none;

	viommu_i_save_section(s, TYPE_PUMP, PUMP_SIZE);
	viommu_i_save32(s, pump->has_fault);
	viommu_wire_fault_encode(pump->has_fault ? &pump->fault : &none, s->at);
	s->at += VIOMMU_WIRE_FAULT_SIZE;
}

enum viommu_result viommu_pump_save(const struct viommu_pump *pump, void *buf, size_t len, size_t *written)
{
	struct viommu_i_save s;

	VIOMMU_ASSERT(viommu_pump_is_valid(pump));
	/* Without requests that are pending nothing is held back either: the oldest in the order is always pending. */
	if (!viommu_i_device_may_save(pump->device) || pump->registers.resetting)
		return VIOMMU_E_BUSY;
	if (viommu_i_save_begin(&s, buf, len, viommu_pump_save_size(pump)) != VIOMMU_OK)
		return VIOMMU_E_FULL;
	viommu_i_device_save_sections(pump->device, &s);
	save_registers(&pump->registers, &s);
	save_pump(pump, &s);
	*written = viommu_i_save_end(&s);
	return VIOMMU_OK;
}

/* What is to come, aside. */
struct aside {
	struct viommu_i_device_state device;
	struct viommu_registers registers; /* with the queues that follow */
	struct viommu_virtq_device queues[VIOMMU_QUEUE_COUNT];
	struct viommu_wire_fault fault;
	bool has_fault;
};

/* The class knows what was agreed once it was, and not before. */
static bool is_agreed(const struct viommu_registers *regs, uint64_t negotiated)
{
	if ((regs->status & VIOMMU_STATUS_FEATURES_OK) == 0)
		return negotiated == 0;
	return (regs->features & ~viommu_registers_get_features(regs)) == 0 &&
	       negotiated == (regs->features & ~regs->offered_ring);
}

static enum viommu_result load_registers(struct aside *aside, const uint8_t *bytes)
{
	struct viommu_registers *regs = &aside->registers;
	uint8_t expected[REGISTERS_SHOWN];
	uint32_t status = viommu_i_get32(bytes + REGISTERS_STATUS);

	shown(regs, expected);
	if (memcmp(bytes, expected, sizeof expected) != 0)
		return VIOMMU_E_UNSUPP;
	regs->features = viommu_i_get64(bytes + REGISTERS_FEATURES);
	regs->generation = viommu_i_get32(bytes + REGISTERS_GENERATION);
	regs->status = (uint8_t)status;
	for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++) {
		struct viommu_virtq_device *q = &aside->queues[i];
		enum viommu_result result =
			viommu_i_virtq_load(q, bytes + REGISTERS_QUEUES + i * VIOMMU_I_VIRTQ_RECORD, regs->features);

		if (result != VIOMMU_OK)
			return result;
		/* Every chain that was taken was answered. */
		if (q->state == VIOMMU_VIRTQ_READY && q->popped != q->pushed)
			return VIOMMU_E_PEER;
	}
	if (status > UINT8_MAX || !viommu_registers_check(regs) || !is_agreed(regs, aside->device.negotiated))
		return VIOMMU_E_PEER;
	return VIOMMU_OK;
}

static enum viommu_result load_pump(struct aside *aside, const uint8_t *bytes)
{
	uint32_t has_fault = viommu_i_get32(bytes);

	if (has_fault > 1 ||
	    viommu_wire_fault_decode(bytes + PUMP_FAULT, VIOMMU_WIRE_FAULT_SIZE, &aside->fault) != VIOMMU_OK)
		return VIOMMU_E_PEER;
	aside->has_fault = has_fault == 1;
	return VIOMMU_OK;
}

static enum viommu_result load(const struct viommu_pump *pump, struct viommu_i_load *l, struct aside *aside)
{
	enum viommu_result result = viommu_i_device_load_sections(pump->device, l, &aside->device);
	const uint8_t *registers, *rest;

	if (result != VIOMMU_OK)
		return result;
	registers = viommu_i_load_fixed(l, TYPE_REGISTERS, REGISTERS_SIZE);
	rest = viommu_i_load_fixed(l, TYPE_PUMP, PUMP_SIZE);
	if (registers == NULL || rest == NULL || l->left != 0)
		return VIOMMU_E_PEER;
	aside->registers = pump->registers;
	aside->registers.queues = aside->queues;
	memcpy(aside->queues, pump->queues, sizeof aside->queues);
	result = load_pump(aside, rest);
	return result == VIOMMU_OK ? load_registers(aside, registers) : result;
}

static void put_in_place(struct viommu_pump *pump, const struct aside *aside)
{
	viommu_i_device_adopt(pump->device, &aside->device);
	pump->registers = aside->registers;
	pump->registers.queues = pump->queues;
	memcpy(pump->queues, aside->queues, sizeof aside->queues);
	pump->fault = aside->fault;
	pump->has_fault = aside->has_fault;
	VIOMMU_ASSERT(viommu_pump_is_valid(pump));
}

enum viommu_result viommu_pump_restore(struct viommu_pump *pump, const void *bytes, size_t len)
{
	struct aside aside;
	struct viommu_i_load l;
	enum viommu_result result;

	VIOMMU_ASSERT(viommu_pump_is_valid(pump));
	result = viommu_i_device_may_restore(pump->device);
	if (result == VIOMMU_OK && viommu_registers_get_status(&pump->registers) != 0)
		result = VIOMMU_E_STATE;
	if (result == VIOMMU_OK)
		result = viommu_i_load_begin(&l, bytes, len);
	if (result == VIOMMU_OK)
		result = load(pump, &l, &aside);
	if (result == VIOMMU_OK)
		result = viommu_i_device_build(pump->device, &aside.device);
	if (result == VIOMMU_OK)
		put_in_place(pump, &aside);
	return result;
}
