/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * transport/file.h: what the register files of all transports have in common, the device's side.
 *
 * registers.h takes a queue or a set of features in one piece. A driver stores them bit by bit through a window of 8,
 * 16 or 32 bits: it selects half of the features, or a queue, and then stores the parts. This object keeps the
 * selectors and the parts, and knows what each register does; mmio.h and pci.h only know at which offset and in which
 * width it is.
 *
 *      offset, width --(mmio_device.c, pci_bar.c: a table)--> enum viommu_register --(file.c)--> viommu_registers_*
 *
 * What a driver may do wrong, and what comes of it: a selector beyond the features or the queues reads 0 and stores
 * nothing; the setup of a queue that is enabled is not changed; a queue whose parts make no queue does not become
 * enabled (QUEUE_ENABLE reads 0); a vector that is not there reads back as VIOMMU_REGISTER_NO_VECTOR. From the begin of
 * a reset to its end nothing is stored.
 *
 * A transport is told of resets and notifications by the registers: it is their viommu_interrupt_ops, and calls
 * viommu_register_file_reset, _reset_queue and _raise from there.
 *
 * Thread class of everything here: owner. Every function: bounded steps, no loop over what the driver stores (a reset
 * clears each queue's setup).
 */
#ifndef VIOMMU_TRANSPORT_FILE_H
#define VIOMMU_TRANSPORT_FILE_H

#include <viommu/transport/registers.h>

#ifdef __cplusplus
extern "C" {
#endif

/* No interrupt vector. ("MSI-X Vector Configuration") */
#define VIOMMU_REGISTER_NO_VECTOR 0xffffu

/*
 * In place of a queue, where an embedder is told that the device has to look and nobody kicked: a status or
 * configuration was stored, a queue was enabled, disabled or reset, or (PCI) bus mastering came on.
 */
#define VIOMMU_REGISTER_NO_QUEUE UINT32_MAX

/* The registers that every transport has, under whatever name. Those of a queue are the selected one's. */
enum viommu_register {
	VIOMMU_REGISTER_NONE, /* reads 0, stores nothing */
	VIOMMU_REGISTER_DEVICE_FEATURES_SELECT,
	VIOMMU_REGISTER_DEVICE_FEATURES, /* 32 bits of them */
	VIOMMU_REGISTER_DRIVER_FEATURES_SELECT,
	VIOMMU_REGISTER_DRIVER_FEATURES,
	VIOMMU_REGISTER_STATUS,
	VIOMMU_REGISTER_CONFIG_GENERATION,
	VIOMMU_REGISTER_CONFIG_VECTOR,
	VIOMMU_REGISTER_QUEUE_COUNT,
	VIOMMU_REGISTER_QUEUE_SELECT,
	VIOMMU_REGISTER_QUEUE_SIZE_MAX, /* 0: no such queue */
	VIOMMU_REGISTER_QUEUE_SIZE,     /* the same, until the driver stores less */
	VIOMMU_REGISTER_QUEUE_VECTOR,
	VIOMMU_REGISTER_QUEUE_ENABLE, /* storing 1 enables; 0 disables, and it reads 1 until that is done */
	VIOMMU_REGISTER_QUEUE_RESET,  /* storing 1 resets, with RING_RESET; reads 1 until that is done */
	VIOMMU_REGISTER_QUEUE_DESC_LOW,
	VIOMMU_REGISTER_QUEUE_DESC_HIGH,
	VIOMMU_REGISTER_QUEUE_AVAIL_LOW,
	VIOMMU_REGISTER_QUEUE_AVAIL_HIGH,
	VIOMMU_REGISTER_QUEUE_USED_LOW,
	VIOMMU_REGISTER_QUEUE_USED_HIGH
};

/* Private: a queue before it is enabled. */
struct viommu_register_queue {
	struct viommu_virtq_layout layout;
	uint16_t vector;
};

/* Private members. */
struct viommu_register_file {
	struct viommu_registers *registers;
	struct viommu_register_queue *queues; /* as many as the registers have */
	uint32_t device_select;
	uint32_t driver_select;
	uint32_t queue_select;
	uint32_t vector_count;
	uint16_t config_vector;
	uint8_t pending; /* VIOMMU_INTERRUPT_... */
};

/* What a driver finds in InterruptStatus or ISR. */
#define VIOMMU_INTERRUPT_USED 1u   /* used buffer notification */
#define VIOMMU_INTERRUPT_CONFIG 2u /* configuration change notification */

/*
 * `registers` is initialised, `queues` has as many elements as it has queues; both are kept by pointer. vector_count:
 * of interrupt vectors there are, 0 where a transport has none.
 */
void viommu_register_file_init(struct viommu_register_file *file, struct viommu_registers *registers,
			       struct viommu_register_queue *queues, uint32_t vector_count);

/* The value of a register. Reading one has no side effect but that a finished reset is noticed. */
uint32_t viommu_register_file_read(struct viommu_register_file *file, enum viommu_register which);

/* Stores `value`. What the register has no bits for is dropped, except in a selector, which then selects nothing. */
void viommu_register_file_write(struct viommu_register_file *file, enum viommu_register which, uint32_t value);

/* The registers have begun a reset: everything as after init. */
void viommu_register_file_reset(struct viommu_register_file *file);

/* They have reset this queue: its size, addresses and vector as after init. */
void viommu_register_file_reset_queue(struct viommu_register_file *file, uint32_t queue);

/* Adds to what is pending; takes from it, when the driver has said so. */
void viommu_register_file_raise(struct viommu_register_file *file, uint8_t interrupts);
void viommu_register_file_acknowledge(struct viommu_register_file *file, uint8_t interrupts);
uint8_t viommu_register_file_pending(const struct viommu_register_file *file);

/* The vector of a queue and of configuration changes, or VIOMMU_REGISTER_NO_VECTOR. */
uint32_t viommu_register_file_queue_vector(const struct viommu_register_file *file, uint32_t queue);
uint32_t viommu_register_file_config_vector(const struct viommu_register_file *file);

/* Is it the vector of anything now? Steps: the queues. */
bool viommu_register_file_uses_vector(const struct viommu_register_file *file, uint32_t vector);

/* See types.h. Steps of _check: the queues. It includes the registers. */
bool viommu_register_file_is_valid(const struct viommu_register_file *file);
bool viommu_register_file_check(const struct viommu_register_file *file);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_TRANSPORT_FILE_H */
