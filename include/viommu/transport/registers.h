/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * transport/registers.h: seam D, the registers of a virtio device, as each side sees them.
 *
 *   struct viommu_register_ops   what a driver can do to a device: status, features, configuration, queues, notify.
 *                                Each transport implements it once for the driver side.
 *   struct viommu_registers      the device's side: the state behind those registers and its rules. Each transport
 *                                decodes its own register file into calls of viommu_registers_*.
 *
 * Nothing here knows that the device is an IOMMU: the device class plugs in through struct viommu_register_class.
 *
 * Rules kept by the device's side, whatever the driver stores: FEATURES_OK sticks only if the driver's bits are a
 * subset of the offer, contain VERSION_1 and suit the class; no bit changes after it. A queue is set up only after
 * FEATURES_OK and before DRIVER_OK; later once each time that it was reset or disabled by itself, before DRIVER_OK or
 * after it. Status bits are only added; writing 0 resets, and status reads 0 once nothing of the old life is going on
 * any more, and NEEDS_RESET alone until then. DRIVER_OK without FEATURES_OK is ignored. NEEDS_RESET is the device's
 * alone.
 *
 * Order of init on the device's side: the device class, then the registers (viommu_pump_init makes those of an IOMMU),
 * then the transport, which gets the registers and was named to them as interrupt_ctx. Until the transport is there
 * nothing may be called that can reach it: of the registers only their init, of the pump only viommu_pump_init and
 * viommu_pump_registers. A reset of the machine is such a call, too.
 *
 * Thread class of everything here: owner. For the device's side that is the owner of the device: a VMM whose processors
 * are threads takes the same lock around the accesses of its guest, viommu_pump_process and access sections, or hands
 * all of them to one thread. The operations of interrupts are called inside of such calls. What an embedder may do
 * without it is to notice a kick and to remember it; it says nothing that a look at the queue does not.
 */
#ifndef VIOMMU_TRANSPORT_REGISTERS_H
#define VIOMMU_TRANSPORT_REGISTERS_H

#include <viommu/virtq.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The driver's view */

/* Any of these may be called by the driver's functions whenever its comment says "registers". None may call back. */
struct viommu_register_ops {
	uint32_t size; /* sizeof(struct viommu_register_ops) */
	uint8_t (*get_status)(void *ctx);
	void (*set_status)(void *ctx, uint8_t status); /* 0 starts a reset: poll get_status for 0 */
	uint64_t (*get_features)(void *ctx);
	void (*set_features)(void *ctx, uint64_t features);
	uint32_t (*config_generation)(void *ctx);
	void (*config_read)(void *ctx, uint32_t offset, void *dst, uint32_t len);
	void (*config_write)(void *ctx, uint32_t offset, const void *src, uint32_t len);
	uint32_t (*queue_size_max)(void *ctx, uint32_t queue); /* 0: no such queue */
	/*
	 * VIOMMU_E_PEER: the device does not take it. VIOMMU_E_REJECTED: it does not take the interrupt vector.
	 * VIOMMU_E_ARG: the transport was made for fewer queues. Others are passed on to the caller as they are.
	 */
	enum viommu_result (*queue_enable)(void *ctx, uint32_t queue, const struct viommu_virtq_layout *layout);
	void (*notify)(void *ctx, uint32_t queue); /* kick; not called with the driver's lock held */
	/*
	 * The same if NOTIFICATION_DATA was negotiated: `data` is what to write, the queue's index in the lower half.
	 * NULL: the driver does not accept NOTIFICATION_DATA.
	 */
	void (*notify_data)(void *ctx, uint32_t queue, uint32_t data);
	/*
	 * If RING_RESET was negotiated: begins the reset of one queue, and tells whether it is still going on. Until it
	 * is not, the queue's memory is the device's; then queue_enable may be called for it again. One of them NULL:
	 * the driver does not accept RING_RESET.
	 */
	enum viommu_result (*queue_reset)(void *ctx, uint32_t queue);
	bool (*queue_is_resetting)(void *ctx, uint32_t queue);
};

/* The device's side */

/* The device class behind the registers. */
struct viommu_register_class {
	uint32_t size; /* sizeof(struct viommu_register_class) */
	uint64_t (*features)(void *ctx); /* offered, class bits only */
	/* FEATURES_OK is about to be set: VIOMMU_OK accepts the class bits. */
	enum viommu_result (*negotiate)(void *ctx, uint64_t features);
	void (*config_read)(void *ctx, uint32_t offset, void *dst, uint32_t len);
	void (*config_write)(void *ctx, uint32_t offset, const void *src, uint32_t len);
	/* The queues are off already; for each of them it is a queue_reset as well, which is not called. */
	void (*reset)(void *ctx);
	bool (*is_settled)(void *ctx); /* is the last reset complete? */
	/*
	 * This queue was reset or disabled, and is off already: what was taken from it is not to be answered, and
	 * nothing more is to be done because of it. The other one tells whether the last of that is over, so that
	 * nothing can still be written into the queue's buffers: a look, which must not write there itself. It is
	 * asked during a reset of the device, too. Needed if RING_RESET is offered. One of them NULL: a driver cannot
	 * disable a queue after DRIVER_OK, and in a reset of the device none counts as over before all is.
	 */
	void (*queue_reset)(void *ctx, uint32_t queue);
	bool (*queue_is_settled)(void *ctx, uint32_t queue);
};

/* The transport's interrupts. */
struct viommu_interrupt_ops {
	uint32_t size; /* sizeof(struct viommu_interrupt_ops) */
	void (*used)(void *ctx, uint32_t queue); /* used buffer notification. Must not call back */
	void (*config)(void *ctx);               /* configuration change notification. Must not call back */
	/* A reset begins: what is pending is gone. Must not call back. NULL: not of interest. */
	void (*reset)(void *ctx);
	/*
	 * This queue was reset by RING_RESET: its setup is as at the begin, and no notification of it is sent any more.
	 * Must not call back. NULL: not of interest.
	 */
	void (*queue_reset)(void *ctx, uint32_t queue);
};

/* Private members. */
struct viommu_registers {
	const struct viommu_register_class *device_class;
	void *class_ctx;
	const struct viommu_interrupt_ops *interrupts;
	void *interrupt_ctx;
	struct viommu_virtq_device *queues;
	uint64_t offered_ring; /* bits that are not the class's */
	uint64_t features;     /* as stored by the driver */
	uint32_t queue_count;
	uint32_t queue_size_max;
	uint32_t generation;
	uint8_t status;
	bool resetting; /* status 0 was stored and the class has not settled yet */
};

struct viommu_registers_config {
	uint32_t size; /* sizeof(struct viommu_registers_config) */
	uint32_t queue_count;
	uint32_t queue_size_max; /* a power of two up to VIOMMU_VIRTQ_SIZE_MAX */
	struct viommu_virtq_device *queues; /* queue_count of them, initialised; the caller's memory */
	uint64_t ring_features; /* offered besides the class's and VERSION_1: some of VIOMMU_VIRTQ_FEATURES */
	const struct viommu_register_class *device_class; /* kept by pointer, and so are the interrupts */
	void *class_ctx;
	const struct viommu_interrupt_ops *interrupts; /* NULL: the driver polls */
	void *interrupt_ctx;
};

/* VIOMMU_E_ABI: a size is unknown. VIOMMU_E_ARG: queue sizes, ring features, a missing class function. */
VIOMMU_NODISCARD enum viommu_result viommu_registers_init(struct viommu_registers *regs,
							  const struct viommu_registers_config *config);

uint8_t viommu_registers_get_status(struct viommu_registers *regs);
void viommu_registers_set_status(struct viommu_registers *regs, uint8_t status);
uint64_t viommu_registers_get_features(const struct viommu_registers *regs);
void viommu_registers_set_features(struct viommu_registers *regs, uint64_t features);
uint32_t viommu_registers_config_generation(const struct viommu_registers *regs);
void viommu_registers_config_read(const struct viommu_registers *regs, uint32_t offset, void *dst, uint32_t len);
void viommu_registers_config_write(struct viommu_registers *regs, uint32_t offset, const void *src, uint32_t len);
uint32_t viommu_registers_queue_size_max(const struct viommu_registers *regs, uint32_t queue);

/*
 * The driver enables a queue; the features in *layout are replaced by the negotiated ones.
 * VIOMMU_E_ARG: no such queue. VIOMMU_E_STATE: enabled already; FEATURES_OK is missing; or DRIVER_OK is set, and it is
 * not because of a reset or of being disabled that this queue is off. VIOMMU_E_PEER: as viommu_virtq_device_enable, or
 * larger than queue_size_max.
 */
VIOMMU_NODISCARD enum viommu_result viommu_registers_queue_enable(struct viommu_registers *regs, uint32_t queue,
								  const struct viommu_virtq_layout *layout);

/*
 * The driver takes that back: the queue is off and may be set up anew. After DRIVER_OK buffers may be in use: then it
 * counts as enabled until the class says that nothing can be written into them any more. VIOMMU_E_ARG: no such queue.
 * VIOMMU_E_STATE: it may be in use, and the class cannot stop it; nothing has happened.
 */
VIOMMU_NODISCARD enum viommu_result viommu_registers_queue_disable(struct viommu_registers *regs, uint32_t queue);

/* Between the begin of a reset and its end, which this notices. The driver's stores have no effect then. */
bool viommu_registers_is_resetting(struct viommu_registers *regs);

/*
 * The driver resets one queue, which is off from then on, in whatever state it was. ("Virtqueue Reset")
 * VIOMMU_E_ARG: no such queue. VIOMMU_E_STATE: RING_RESET was not negotiated; nothing has happened. While a reset of it
 * is going on the class is not told again.
 */
VIOMMU_NODISCARD enum viommu_result viommu_registers_queue_reset(struct viommu_registers *regs, uint32_t queue);

/*
 * What queue_reset reads as: is one going on? False for a queue that there is not, and in a reset of the device. May
 * complete it, as get_status does.
 */
bool viommu_registers_queue_is_resetting(struct viommu_registers *regs, uint32_t queue);

/*
 * What queue_enable reads as: is it on, or on its way to being off, so that something may still be written into its
 * buffers? Also in a reset of the device. False for a queue that there is not. May complete a reset, of the queue or of
 * the device, as the two others do.
 */
bool viommu_registers_queue_is_enabled(struct viommu_registers *regs, uint32_t queue);

/*
 * The driver has written `value` to be noticed: *queue is the one it means, which has to be looked at. With
 * NOTIFICATION_DATA that is in the lower half; the rest says where the driver is, and is not used: it is in the ring,
 * too. Whoever keeps it all the same has to expect it to go back: positions begin anew when the device or the queue was
 * reset, kicks from before may arrive afterwards, and those of several processors in any order; and a driver may write
 * what it likes. VIOMMU_E_ARG: no such queue; nothing is to be done.
 */
VIOMMU_NODISCARD enum viommu_result viommu_registers_notified(const struct viommu_registers *regs, uint32_t value,
							      uint32_t *queue);

/* DRIVER_OK, and neither a reset nor NEEDS_RESET in the way: queues may be served. */
bool viommu_registers_is_live(const struct viommu_registers *regs);

/* The class has changed its configuration by itself: a new generation, and a notification if DRIVER_OK is set. */
void viommu_registers_config_changed(struct viommu_registers *regs);

/* Status bits the device raises: NEEDS_RESET, with a configuration change notification if DRIVER_OK is set. */
void viommu_registers_needs_reset(struct viommu_registers *regs);

/* A used buffer notification. */
void viommu_registers_interrupt(struct viommu_registers *regs, uint32_t queue);

/* See types.h. Steps of _check: the queues. */
bool viommu_registers_is_valid(const struct viommu_registers *regs);
bool viommu_registers_check(const struct viommu_registers *regs);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_TRANSPORT_REGISTERS_H */
