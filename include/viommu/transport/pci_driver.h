/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * transport/pci_driver.h: virtio-pci, the driver's side, without the legacy interface; and what firmware without a PCI
 * stack of its own needs to get there. The device's side is pci.h.
 *
 *      struct viommu_pci_accessors bus = { .size = sizeof bus, ... your four functions ... };
 *
 *      viommu_pci_find(&bus, ctx, 0, 0xffff, VIOMMU_DEVICE_ID, &function)  where is it?           } firmware only;
 *      viommu_pci_read_bars(&bus, ctx, function, bars)                     how large are its BARs? } others fill in
 *      viommu_pci_place_bars(&bus, ctx, function, bars, windows, 2)        put them somewhere      } bars by what they
 *      viommu_pci_enable(&bus, ctx, function, false)                       memory space on         } know anyway
 *      viommu_pci_driver_init(&pci, &config)                               find the structures in them
 *      viommu_driver_start(&driver, &viommu_pci_driver_ops, &pci)
 *
 * A function is written as one number: segment << 16 | bus << 8 | device << 3 | function. Nothing here looks for
 * bridges or numbers buses: that has been done, or the device is on bus 0, as an IOMMU usually is.
 *
 * Nothing that a device shows is trusted. Lists of capabilities have an end after 48 of them; structures count only
 * inside of a BAR; no access leaves what was found to be the BAR. What a device can achieve is an error.
 *
 * Thread class of everything here: owner, except for viommu_pci_driver_ops.notify and .notify_data, which any thread
 * may call.
 */
#ifndef VIOMMU_TRANSPORT_PCI_DRIVER_H
#define VIOMMU_TRANSPORT_PCI_DRIVER_H

#include <viommu/transport/file.h>
#include <viommu/wire.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VIOMMU_PCI_BARS 6u

/* A base address register. */
struct viommu_pci_bar {
	uint64_t address;
	uint64_t size; /* in bytes; 0: not there, I/O space, or the upper half of the one before: not to be used */
	uint8_t number;
	bool is_64;
	bool is_prefetchable;
};

/*
 * Accesses to the bus. Values are those of the little-endian bytes, as a little-endian processor has them in a
 * register. What was stored to memory before a write is visible to the device before that write is; what the device
 * stored to memory before it answers a read is visible after it. None may call back.
 */
struct viommu_pci_accessors {
	uint32_t size; /* sizeof(struct viommu_pci_accessors) */
	/* 32 bits of configuration space, at a multiple of 4 below 256. All ones: nobody answers. */
	uint32_t (*config_read)(void *ctx, uint32_t function, uint32_t offset);
	void (*config_write)(void *ctx, uint32_t function, uint32_t offset, uint32_t value);
	/* `width` is 1, 2 or 4, `offset` a multiple of it, inside the BAR. Go by the number or by the address of it. */
	uint32_t (*bar_read)(void *ctx, const struct viommu_pci_bar *bar, uint32_t offset, uint32_t width);
	void (*bar_write)(void *ctx, const struct viommu_pci_bar *bar, uint32_t offset, uint32_t width, uint32_t value);
};

/* For firmware: from nothing to BARs that have a place */

/*
 * Looks at the functions from `first` to `last`, both included, for a virtio device of this id. To go on, start behind
 * the one that was found. VIOMMU_E_ABI: unknown size. VIOMMU_E_ARG: no accessors for configuration space, first > last,
 * device id not 1 to 63. VIOMMU_E_NOENT: there is none. Steps: two reads for each device, one for each function.
 */
VIOMMU_NODISCARD enum viommu_result viommu_pci_find(const struct viommu_pci_accessors *accessors, void *ctx,
						    uint32_t first, uint32_t last, uint32_t device_id,
						    uint32_t *function);

/*
 * Size and place of each BAR. Memory and I/O space are off meanwhile and as before afterwards, and so are the BARs.
 * VIOMMU_E_ABI: unknown size. VIOMMU_E_ARG: no accessors for configuration space. VIOMMU_E_PEER: this is a bridge, or
 * something else that has no six BARs. 22 reads and 20 writes at most.
 */
VIOMMU_NODISCARD enum viommu_result viommu_pci_read_bars(const struct viommu_pci_accessors *accessors, void *ctx,
							 uint32_t function,
							 struct viommu_pci_bar bars[VIOMMU_PCI_BARS]);

/* Bus addresses that lead to a device, both ends included; empty if first > last. */
struct viommu_pci_window {
	uint64_t first;
	uint64_t last;
	bool is_prefetchable; /* takes BARs that are prefetchable, and no others */
};

/*
 * Gives each BAR of memory space a place in the first window that has one, at a multiple of its size, below 4 GiB
 * unless it has 64 bits, and takes it from the window. Memory space is off afterwards. VIOMMU_E_ABI: unknown size.
 * VIOMMU_E_ARG: no accessors for configuration space; a BAR whose number is not its place in the array, whose size is
 * no power of two from 16 on or, with 32 bits, above 2^31, or that needs the next one's register. VIOMMU_E_NOMEM: one
 * has no place. Nothing has changed then. VIOMMU_E_PEER: the function does not take it; its BARs may be anywhere,
 * memory space is off, and bars and windows have not changed. Steps: the windows, for each BAR, and 26 accesses.
 */
VIOMMU_NODISCARD enum viommu_result viommu_pci_place_bars(const struct viommu_pci_accessors *accessors, void *ctx,
							  uint32_t function,
							  struct viommu_pci_bar bars[VIOMMU_PCI_BARS],
							  struct viommu_pci_window *windows, uint32_t window_count);

/*
 * Memory space on; INTx on or off; bus mastering off, since a device that somebody left running would go on with old
 * rings. viommu_pci_driver_ops turn it on when a queue is enabled, which is after the device was reset.
 * VIOMMU_E_ABI: unknown size. VIOMMU_E_ARG: no accessors for configuration space. VIOMMU_E_PEER: the function does not
 * take it.
 */
VIOMMU_NODISCARD enum viommu_result viommu_pci_enable(const struct viommu_pci_accessors *accessors, void *ctx,
						      uint32_t function, bool intx);

/* The driver */

/* Private: what a driver has to know about a queue. */
struct viommu_pci_driver_queue {
	uint32_t notify_offset;
	uint16_t vector;
};

struct viommu_pci_driver_config {
	uint32_t size; /* sizeof(struct viommu_pci_driver_config) */
	uint32_t function;
	uint32_t device_id;                           /* what the caller has a driver for; 1 to 63 */
	uint32_t device_config_least;                 /* bytes of its configuration that the driver cannot do without */
	const struct viommu_pci_bar *bars;            /* six, by their number, copied */
	struct viommu_pci_driver_queue *queues;       /* the caller's memory; any content */
	uint32_t queue_count;                         /* how many the driver uses */
	const struct viommu_pci_accessors *accessors; /* kept by pointer */
	void *ctx;
};
#define VIOMMU_PCI_DRIVER_CONFIG_INIT                                                                                  \
	{                                                                                                              \
		.size = sizeof(struct viommu_pci_driver_config), .device_id = VIOMMU_DEVICE_ID,                        \
		.device_config_least = 8                                                                               \
	}

/* Private: where a structure is; length 0: nowhere. */
struct viommu_pci_structure {
	uint32_t bar;
	uint32_t offset;
	uint32_t length;
};

/* Private members. */
struct viommu_pci_driver {
	const struct viommu_pci_accessors *accessors;
	void *ctx;
	uint32_t function;
	struct viommu_pci_bar bars[VIOMMU_PCI_BARS];
	struct viommu_pci_structure common;
	struct viommu_pci_structure notify;
	struct viommu_pci_structure isr;
	struct viommu_pci_structure device;
	struct viommu_pci_structure msix; /* the table */
	uint32_t msix_at;                 /* the capability */
	uint32_t notify_multiplier;       /* 0 or a power of two */
	struct viommu_pci_driver_queue *queues;
	uint32_t queue_count;
	uint16_t config_vector;
};

/*
 * Looks for the structures of virtio; the first one of each kind that can be used is. It cannot be used if its
 * capability is too short, its BAR is none, it lies or begins outside of it, is too short or misaligned, or if the
 * multiplier of its notifications is neither 0 nor a power of two. Structures may lie across each other.
 * MSI-X that somebody has left on is switched off: its messages would be stores to wherever they wanted them.
 * VIOMMU_E_ABI: a size is unknown. VIOMMU_E_ARG: a NULL, no queues, an id out of range, a BAR with another's number.
 * VIOMMU_E_NOENT: nobody answers.
 * VIOMMU_E_UNSUPP: another kind of device, or what is needed of the structures is not there, as in a legacy one.
 * VIOMMU_E_PEER: the list of capabilities has no end, or leads into the header. At most 5 reads for each of 48
 * capabilities, 5 more, and 1 write.
 */
VIOMMU_NODISCARD enum viommu_result viommu_pci_driver_init(struct viommu_pci_driver *pci,
							   const struct viommu_pci_driver_config *config);

/*
 * For viommu_driver_start; ctx: the struct viommu_pci_driver, initialised. queue_enable returns VIOMMU_E_ARG for a
 * queue beyond queue_count; VIOMMU_E_PEER if the device has it in use already, does not take the size, has the place
 * for its notifications outside of the structure, does not become bus master, or does not say that it is enabled
 * afterwards; VIOMMU_E_REJECTED if the device does not take a vector. config_read makes one access for each field, if
 * called for one field or for some of 4 or 8 bytes; behind the end of the device's configuration it reads 0 and
 * config_write stores nothing. The loop over the generation is the caller's.
 */
extern const struct viommu_register_ops viommu_pci_driver_ops;

/*
 * Without MSI-X: to be called on an interrupt, or from time to time. Returns what has happened, VIOMMU_INTERRUPT_USED
 * and _CONFIG or 0, and has acknowledged it: the caller looks at the queues after this, not before. One read.
 */
uint8_t viommu_pci_driver_interrupt(struct viommu_pci_driver *pci);

/* How many vectors the device has; 0: no MSI-X, or not with a table that can be used. */
uint32_t viommu_pci_driver_vector_count(const struct viommu_pci_driver *pci);

/*
 * Switches MSI-X on, with these vectors: they are mapped, and read back, when viommu_driver_start enables the queues.
 * VIOMMU_REGISTER_NO_VECTOR: no interrupts of that kind. queue_vectors: queue_count of them, copied; NULL: MSI-X is
 * switched off, config_vector does not matter. To be called while the driver is stopped.
 * VIOMMU_E_UNSUPP: there is no MSI-X. VIOMMU_E_RANGE: one of the vectors is not there; nothing has changed.
 */
VIOMMU_NODISCARD enum viommu_result viommu_pci_driver_use_vectors(struct viommu_pci_driver *pci, uint16_t config_vector,
								  const uint16_t *queue_vectors);

/* What a vector sends where, and whether it does: entries are masked after a reset. VIOMMU_E_RANGE: no such vector. */
VIOMMU_NODISCARD enum viommu_result viommu_pci_driver_set_vector(struct viommu_pci_driver *pci, uint32_t vector,
								 uint64_t address, uint32_t data, bool masked);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_TRANSPORT_PCI_DRIVER_H */
