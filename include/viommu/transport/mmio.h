/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * transport/mmio.h: virtio-mmio, version 2, both sides. ("Virtio Over MMIO")
 *
 *       driver.h                                                            pump.h, or another device class
 *          | struct viommu_register_ops                                        | struct viommu_registers
 *     struct viommu_mmio_driver                                           struct viommu_mmio
 *          | read, write: your accessors                                       ^ viommu_mmio_read, viommu_mmio_write
 *          +----------> bus: loads and stores of 1, 2 and 4 bytes -------------+
 *                 <---------- one interrupt line: set_line <-------------------+
 *
 * The region is 0x100 bytes of registers and then the configuration space of the device: 0x200 bytes are customary and
 * enough for an IOMMU. Nothing here knows that the device is one.
 *
 * Device side. A VMM calls viommu_mmio_read and _write for each access of its guest to the region. Every offset and
 * every width has an outcome: what is not a register, not readable, not writable, not aligned or not of the width that
 * it should have reads 0 and stores nothing; the registers of shared memory say that there is none.
 *
 * Driver side. Firmware gives two functions that access the region, looks with viommu_mmio_driver_init what is there,
 * and hands viommu_mmio_driver_ops to viommu_driver_start. Whatever the device answers, no function here does more than
 * a fixed number of accesses.
 *
 * Thread class of everything here: owner (device's side: see registers.h), except for viommu_mmio_driver_ops.notify and
 * .notify_data, which any thread may call, also at the same time: the accessors have to stand that.
 */
#ifndef VIOMMU_TRANSPORT_MMIO_H
#define VIOMMU_TRANSPORT_MMIO_H

#include <viommu/transport/file.h>
#include <viommu/wire.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Offsets of the registers, which have 32 bits each. ("MMIO Device Register Layout") */
#define VIOMMU_MMIO_MAGIC_VALUE 0x000u
#define VIOMMU_MMIO_VERSION 0x004u
#define VIOMMU_MMIO_DEVICE_ID 0x008u
#define VIOMMU_MMIO_VENDOR_ID 0x00cu
#define VIOMMU_MMIO_DEVICE_FEATURES 0x010u
#define VIOMMU_MMIO_DEVICE_FEATURES_SEL 0x014u
#define VIOMMU_MMIO_DRIVER_FEATURES 0x020u
#define VIOMMU_MMIO_DRIVER_FEATURES_SEL 0x024u
#define VIOMMU_MMIO_QUEUE_SEL 0x030u
#define VIOMMU_MMIO_QUEUE_SIZE_MAX 0x034u
#define VIOMMU_MMIO_QUEUE_SIZE 0x038u
#define VIOMMU_MMIO_QUEUE_READY 0x044u
#define VIOMMU_MMIO_QUEUE_NOTIFY 0x050u
#define VIOMMU_MMIO_INTERRUPT_STATUS 0x060u
#define VIOMMU_MMIO_INTERRUPT_ACK 0x064u
#define VIOMMU_MMIO_STATUS 0x070u
#define VIOMMU_MMIO_QUEUE_DESC_LOW 0x080u
#define VIOMMU_MMIO_QUEUE_DESC_HIGH 0x084u
#define VIOMMU_MMIO_QUEUE_DRIVER_LOW 0x090u
#define VIOMMU_MMIO_QUEUE_DRIVER_HIGH 0x094u
#define VIOMMU_MMIO_QUEUE_DEVICE_LOW 0x0a0u
#define VIOMMU_MMIO_QUEUE_DEVICE_HIGH 0x0a4u
#define VIOMMU_MMIO_SHM_SEL 0x0acu
#define VIOMMU_MMIO_SHM_LEN_LOW 0x0b0u
#define VIOMMU_MMIO_SHM_LEN_HIGH 0x0b4u
#define VIOMMU_MMIO_SHM_BASE_LOW 0x0b8u
#define VIOMMU_MMIO_SHM_BASE_HIGH 0x0bcu
#define VIOMMU_MMIO_QUEUE_RESET 0x0c0u
#define VIOMMU_MMIO_CONFIG_GENERATION 0x0fcu
#define VIOMMU_MMIO_CONFIG 0x100u /* and behind: the configuration space */

#define VIOMMU_MMIO_MAGIC 0x74726976u /* "virt" */
#define VIOMMU_MMIO_VERSION_2 2u

/* The device's side */

struct viommu_mmio_ops {
	uint32_t size; /* sizeof(struct viommu_mmio_ops) */
	/* The level of the interrupt line. Called when it changes; low after init. Must not call back. */
	void (*set_line)(void *ctx, bool high);
	/*
	 * The device has to look: the driver kicked `queue`, and stored `value` to do so (which is the queue, and with
	 * NOTIFICATION_DATA the place in it too); or it stored a status or configuration, enabled, disabled or reset a
	 * queue, and `queue` is VIOMMU_REGISTER_NO_QUEUE. As to the place see viommu_registers_notified. Called last in
	 * viommu_mmio_write, at most once. May call viommu_pump_process at once, or wake the thread that does; must not
	 * call viommu_mmio_*.
	 */
	void (*notify)(void *ctx, uint32_t queue, uint32_t value);
};

struct viommu_mmio_config {
	uint32_t size; /* sizeof(struct viommu_mmio_config) */
	uint32_t device_id; /* VIOMMU_DEVICE_ID, or that of another device class */
	uint32_t vendor_id; /* anything; 0 is nobody */
	/*
	 * Initialised, with viommu_mmio_interrupt_ops as interrupts and the struct viommu_mmio as their ctx. Kept by
	 * pointer, and so are the others.
	 */
	struct viommu_registers *registers;
	struct viommu_register_queue *queues; /* as many as the registers have; the caller's memory, any content */
	const struct viommu_mmio_ops *ops;
	void *ops_ctx;
};
#define VIOMMU_MMIO_CONFIG_INIT { .size = sizeof(struct viommu_mmio_config), .device_id = VIOMMU_DEVICE_ID }

/* Private members. */
struct viommu_mmio {
	struct viommu_register_file file;
	const struct viommu_mmio_ops *ops;
	void *ops_ctx;
	uint32_t device_id;
	uint32_t vendor_id;
	bool line;
};

/*
 * For the configuration of the registers, or of the pump. ctx: the struct viommu_mmio, which is initialised after them,
 * and before anything else is called on them: see "Order of init" in registers.h.
 */
extern const struct viommu_interrupt_ops viommu_mmio_interrupt_ops;

/* VIOMMU_E_ABI: a size is unknown. VIOMMU_E_ARG: a NULL, device id 0, registers that interrupt somebody else. */
VIOMMU_NODISCARD enum viommu_result viommu_mmio_init(struct viommu_mmio *mmio, const struct viommu_mmio_config *config);

/*
 * An access of the driver, `offset` bytes into the region, `width` bytes long. Values are those of the little-endian
 * bytes, as a little-endian processor has them in a register; of `value` the lower `width` bytes count. Registers take
 * 4 bytes; the configuration space takes 1, 2, 4 and 8, naturally aligned. Steps: fixed, but for what the device class
 * does when it is reset or its configuration changes.
 */
uint64_t viommu_mmio_read(struct viommu_mmio *mmio, uint32_t offset, uint32_t width);
void viommu_mmio_write(struct viommu_mmio *mmio, uint32_t offset, uint32_t width, uint64_t value);

/* See types.h. Steps of _check: the queues. It includes the registers. */
bool viommu_mmio_is_valid(const struct viommu_mmio *mmio);
bool viommu_mmio_check(const struct viommu_mmio *mmio);

/* The driver's side */

/*
 * Accesses to the region: naturally aligned, one access each, `width` 1, 2 or 4, values as above. What was stored to
 * memory before a write is visible to the device before that write is; what the device stored to memory before it
 * answers a read is visible after it. None may call back.
 */
struct viommu_mmio_accessors {
	uint32_t size; /* sizeof(struct viommu_mmio_accessors) */
	uint32_t (*read)(void *ctx, uint32_t offset, uint32_t width);
	void (*write)(void *ctx, uint32_t offset, uint32_t width, uint32_t value);
};

/* Private members. */
struct viommu_mmio_driver {
	const struct viommu_mmio_accessors *accessors;
	void *ctx;
};

/*
 * Looks what is there. The accessors are kept by pointer; `device_id` is what the caller has a driver for, not 0.
 * VIOMMU_E_ABI: a size is unknown. VIOMMU_E_ARG: an accessor is missing, device id 0.
 * Not an error of anybody's, but nothing to be used: VIOMMU_E_NOENT: a placeholder without a device, of which nobody
 * need hear; VIOMMU_E_UNSUPP: another kind of device. VIOMMU_E_PEER: no virtio-mmio of version 2. At most 3 reads.
 */
VIOMMU_NODISCARD enum viommu_result viommu_mmio_driver_init(struct viommu_mmio_driver *mmio,
							    const struct viommu_mmio_accessors *accessors, void *ctx,
							    uint32_t device_id);

/*
 * For viommu_driver_start; ctx: the struct viommu_mmio_driver, initialised. queue_enable returns VIOMMU_E_PEER if the
 * device has the queue in use already, or does not say that it is ready afterwards. config_read and _write make one
 * access for each field if they are called for one field, or for some of 4 or of 8 bytes. The loop over the generation
 * is the caller's.
 */
extern const struct viommu_register_ops viommu_mmio_driver_ops;

/*
 * To be called on an interrupt. Returns what has happened, VIOMMU_INTERRUPT_USED and _CONFIG or 0 (somebody else on the
 * same line, or nothing any more), and has acknowledged it: the caller looks at the queues after this, not before. At
 * most one read and one write.
 */
uint8_t viommu_mmio_driver_interrupt(struct viommu_mmio_driver *mmio);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_TRANSPORT_MMIO_H */
