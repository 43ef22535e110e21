/* SPDX-License-Identifier: BSD-3-Clause */
/* file.c: selectors, and queues that are stored part by part, for all transports. */
#include <viommu/transport/file.h>

#include "../internal.h"

void viommu_register_file_reset_queue(struct viommu_register_file *file, uint32_t queue)
{
	VIOMMU_ASSERT(queue < file->registers->queue_count);
	file->queues[queue] = (struct viommu_register_queue){
		.layout.size = file->registers->queue_size_max,
		.vector = VIOMMU_REGISTER_NO_VECTOR,
	};
}

void viommu_register_file_reset(struct viommu_register_file *file)
{
	file->device_select = 0;
	file->driver_select = 0;
	file->queue_select = 0;
	file->config_vector = VIOMMU_REGISTER_NO_VECTOR;
	file->pending = 0;
	for (uint32_t i = 0; i < file->registers->queue_count; i++)
		viommu_register_file_reset_queue(file, i);
	VIOMMU_ASSERT(viommu_register_file_is_valid(file));
}

void viommu_register_file_init(struct viommu_register_file *file, struct viommu_registers *registers,
			       struct viommu_register_queue *queues, uint32_t vector_count)
{
	file->registers = registers;
	file->queues = queues;
	file->vector_count = vector_count;
	viommu_register_file_reset(file);
}

static uint32_t half(uint64_t bits, uint32_t select)
{
	if (select > 1)
		return 0;
	return (uint32_t)(select == 0 ? bits : bits >> 32);
}

static uint64_t with_half(uint64_t bits, uint32_t select, uint32_t value)
{
	if (select > 1)
		return bits;
	return select == 0 ? (bits & ~(uint64_t)UINT32_MAX) | value : (uint32_t)bits | (uint64_t)value << 32;
}

/* The selected queue, or NULL. */
static struct viommu_register_queue *selected(const struct viommu_register_file *file)
{
	uint32_t count = file->registers->queue_count;

	return file->queue_select < count ? &file->queues[viommu_port_mask_index(file->queue_select, count)] : NULL;
}

static uint64_t *queue_address(struct viommu_register_queue *q, enum viommu_register which)
{
	if (which <= VIOMMU_REGISTER_QUEUE_DESC_HIGH)
		return &q->layout.desc;
	return which <= VIOMMU_REGISTER_QUEUE_AVAIL_HIGH ? &q->layout.avail : &q->layout.used;
}

static uint32_t is_high(enum viommu_register which)
{
	return ((uint32_t)which - VIOMMU_REGISTER_QUEUE_DESC_LOW) & 1;
}

static uint32_t read_queue(struct viommu_register_file *file, enum viommu_register which)
{
	struct viommu_register_queue *q = selected(file);

	if (q == NULL)
		return which == VIOMMU_REGISTER_QUEUE_VECTOR ? VIOMMU_REGISTER_NO_VECTOR : 0;
	switch (which) {
	case VIOMMU_REGISTER_QUEUE_SIZE_MAX:
		return viommu_registers_queue_size_max(file->registers, file->queue_select);
	case VIOMMU_REGISTER_QUEUE_SIZE:
		return q->layout.size;
	case VIOMMU_REGISTER_QUEUE_VECTOR:
		return q->vector;
	case VIOMMU_REGISTER_QUEUE_ENABLE:
		return viommu_registers_queue_is_enabled(file->registers, file->queue_select);
	case VIOMMU_REGISTER_QUEUE_RESET:
		/* A queue that was disabled may be on its way there without this register. */
		return (file->registers->features & VIOMMU_F_RING_RESET) != 0 &&
		       viommu_registers_queue_is_resetting(file->registers, file->queue_select);
	default:
		return half(*queue_address(q, which), is_high(which));
	}
}

uint32_t viommu_register_file_read(struct viommu_register_file *file, enum viommu_register which)
{
	struct viommu_registers *regs = file->registers;

	VIOMMU_ASSERT(viommu_register_file_is_valid(file));
	switch (which) {
	case VIOMMU_REGISTER_NONE:
		return 0;
	case VIOMMU_REGISTER_DEVICE_FEATURES_SELECT:
		return file->device_select;
	case VIOMMU_REGISTER_DEVICE_FEATURES:
		return half(viommu_registers_get_features(regs), file->device_select);
	case VIOMMU_REGISTER_DRIVER_FEATURES_SELECT:
		return file->driver_select;
	case VIOMMU_REGISTER_DRIVER_FEATURES:
		return half(regs->features, file->driver_select);
	case VIOMMU_REGISTER_STATUS:
		return viommu_registers_get_status(regs);
	case VIOMMU_REGISTER_CONFIG_GENERATION:
		return viommu_registers_config_generation(regs);
	case VIOMMU_REGISTER_CONFIG_VECTOR:
		return file->config_vector;
	case VIOMMU_REGISTER_QUEUE_COUNT:
		return regs->queue_count;
	case VIOMMU_REGISTER_QUEUE_SELECT:
		return file->queue_select;
	default:
		return read_queue(file, which);
	}
}

static uint16_t vector(const struct viommu_register_file *file, uint32_t value)
{
	return (uint16_t)(value < file->vector_count ? value : VIOMMU_REGISTER_NO_VECTOR);
}

/* What came of it is there to be read. */
static void enable_queue(struct viommu_register_file *file, const struct viommu_register_queue *q, uint32_t value)
{
	if (value == 1)
		(void)!viommu_registers_queue_enable(file->registers, file->queue_select, &q->layout);
	else if (value == 0)
		(void)!viommu_registers_queue_disable(file->registers, file->queue_select);
}

/* Size or place of a queue. While it is enabled they stay what they are. */
static void lay_out_queue(struct viommu_register_file *file, struct viommu_register_queue *q,
			  enum viommu_register which, uint32_t value)
{
	uint64_t *address;

	if (viommu_registers_queue_is_enabled(file->registers, file->queue_select))
		return;
	if (which == VIOMMU_REGISTER_QUEUE_SIZE) {
		q->layout.size = value;
		return;
	}
	address = queue_address(q, which);
	*address = with_half(*address, is_high(which), value);
}

static void write_queue(struct viommu_register_file *file, enum viommu_register which, uint32_t value)
{
	struct viommu_register_queue *q = selected(file);

	if (q == NULL)
		return;
	switch (which) {
	case VIOMMU_REGISTER_QUEUE_SIZE_MAX:
		break;
	case VIOMMU_REGISTER_QUEUE_VECTOR:
		q->vector = vector(file, value);
		break;
	case VIOMMU_REGISTER_QUEUE_ENABLE:
		enable_queue(file, q, value);
		break;
	case VIOMMU_REGISTER_QUEUE_RESET:
		if (value == 1)
			(void)!viommu_registers_queue_reset(file->registers, file->queue_select);
		break;
	default:
		lay_out_queue(file, q, which, value);
	}
}

void viommu_register_file_write(struct viommu_register_file *file, enum viommu_register which, uint32_t value)
{
	struct viommu_registers *regs = file->registers;

	VIOMMU_ASSERT(viommu_register_file_is_valid(file));
	if (viommu_registers_is_resetting(regs))
		return;
	switch (which) {
	case VIOMMU_REGISTER_NONE:
	case VIOMMU_REGISTER_DEVICE_FEATURES:
	case VIOMMU_REGISTER_CONFIG_GENERATION:
	case VIOMMU_REGISTER_QUEUE_COUNT:
		break;
	case VIOMMU_REGISTER_DEVICE_FEATURES_SELECT:
		file->device_select = value;
		break;
	case VIOMMU_REGISTER_DRIVER_FEATURES_SELECT:
		file->driver_select = value;
		break;
	case VIOMMU_REGISTER_DRIVER_FEATURES:
		viommu_registers_set_features(regs, with_half(regs->features, file->driver_select, value));
		break;
	case VIOMMU_REGISTER_STATUS:
		/* Only a 0 is a 0. */
		if (value == 0 || (uint8_t)value != 0)
			viommu_registers_set_status(regs, (uint8_t)value);
		break;
	case VIOMMU_REGISTER_CONFIG_VECTOR:
		file->config_vector = vector(file, value);
		break;
	case VIOMMU_REGISTER_QUEUE_SELECT:
		file->queue_select = value;
		break;
	default:
		write_queue(file, which, value);
	}
	VIOMMU_ASSERT(viommu_register_file_is_valid(file));
}

void viommu_register_file_raise(struct viommu_register_file *file, uint8_t interrupts)
{
	file->pending |= interrupts;
	VIOMMU_ASSERT(viommu_register_file_is_valid(file));
}

void viommu_register_file_acknowledge(struct viommu_register_file *file, uint8_t interrupts)
{
	file->pending &= (uint8_t)~interrupts;
}

uint8_t viommu_register_file_pending(const struct viommu_register_file *file)
{
	return file->pending;
}

uint32_t viommu_register_file_queue_vector(const struct viommu_register_file *file, uint32_t queue)
{
	VIOMMU_ASSERT(queue < file->registers->queue_count);
	return file->queues[queue].vector;
}

uint32_t viommu_register_file_config_vector(const struct viommu_register_file *file)
{
	return file->config_vector;
}

bool viommu_register_file_uses_vector(const struct viommu_register_file *file, uint32_t vector)
{
	for (uint32_t i = 0; i < file->registers->queue_count; i++) {
		if (file->queues[i].vector == vector)
			return true;
	}
	return file->config_vector == vector;
}

static bool vector_is_valid(const struct viommu_register_file *file, uint16_t vector)
{
	return vector == VIOMMU_REGISTER_NO_VECTOR || vector < file->vector_count;
}

bool viommu_register_file_is_valid(const struct viommu_register_file *file)
{
	return file->registers != NULL && file->queues != NULL && file->vector_count <= VIOMMU_REGISTER_NO_VECTOR &&
	       (file->pending & ~(VIOMMU_INTERRUPT_USED | VIOMMU_INTERRUPT_CONFIG)) == 0 &&
	       vector_is_valid(file, file->config_vector);
}

bool viommu_register_file_check(const struct viommu_register_file *file)
{
	if (!viommu_register_file_is_valid(file) || !viommu_registers_check(file->registers))
		return false;
	for (uint32_t i = 0; i < file->registers->queue_count; i++) {
		if (!vector_is_valid(file, file->queues[i].vector))
			return false;
	}
	return true;
}
