/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * transport/pci.h: a virtio device as a PCI function, the device's side. ("Virtio Over PCI Bus"; without the legacy
 * interface.) The driver's side is pci_driver.h.
 *
 *      guest's driver                                              pump.h, or another device class
 *         |   |                                                       | struct viommu_registers
 *         |   +-- configuration space: viommu_pci_config_read, _write v
 *         +------ BAR 0, BAR 2: viommu_pci_bar_read, _write ----> struct viommu_pci
 *         <------ msi, or set_line <----------------------------------+
 *
 * A VMM puts this on its bus: it hands over the accesses of its guest, and is told of interrupts, of kicks, and of
 * where the guest has put the BARs. What it shows:
 *
 *      configuration space   256 bytes: header, the capabilities of virtio, MSI-X if there are vectors
 *      BAR 0 and 1           64-bit memory, 16 KiB: common configuration at 0, ISR at 0x1000, the device's
 *                            configuration at 0x2000, notifications at 0x3000: 4 bytes for each queue
 *      BAR 2                 32-bit memory, 4 KiB: MSI-X table at 0, pending bits at 0x800; without vectors not there
 *
 * Each page of BAR 0 is of one kind, so that a VMM can have the kicks of one page, and nothing else, in its fast path.
 *
 * Every offset and every width has an outcome. Configuration space takes naturally aligned accesses of 1, 2 and 4
 * bytes; everything else there, and all behind its 256 bytes, reads as ones and stores nothing. The BARs take 1, 2, 4
 * and 8 bytes, naturally aligned, where 8 are two times 4, the lower ones first. Fields of the common configuration
 * take their own width only (those of 64 bits: 4), the MSI-X structures 4, notifications 2 and 4, but not two times 4;
 * what is not a field reads 0 and stores nothing. While the guest has memory space disabled, BARs read as ones and
 * store nothing.
 *
 * Bus mastering. While it is off a function must not touch memory: so do not call viommu_pump_process then
 * (viommu_pci_is_bus_master says so). Messages are accesses to memory too: they wait until it is on.
 *
 * Resets. Storing 0 as status resets the device behind the registers, and unmaps the vectors; BARs, command and the
 * MSI-X table stay. A reset of the function or of the bus is viommu_pci_reset. For a reset of the machine first call
 * viommu_pump_system_reset, for the sake of config.bypass, and then viommu_pci_reset.
 *
 * Thread class of everything here: owner, see registers.h.
 */
#ifndef VIOMMU_TRANSPORT_PCI_H
#define VIOMMU_TRANSPORT_PCI_H

#include <viommu/transport/file.h>
#include <viommu/wire.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VIOMMU_PCI_CONFIG_SIZE 256u
#define VIOMMU_PCI_VECTORS_MAX 128u
#define VIOMMU_PCI_QUEUES_MAX 1024u
#define VIOMMU_PCI_DEVICE_CONFIG_MAX 0x1000u

/* The BARs, by number, and how large they are. */
#define VIOMMU_PCI_BAR_VIRTIO 0u
#define VIOMMU_PCI_BAR_MSIX 2u
#define VIOMMU_PCI_BAR_VIRTIO_SIZE 0x4000u
#define VIOMMU_PCI_BAR_MSIX_SIZE 0x1000u

/* What is where in BAR 0, for a VMM that lets its kernel take the kicks. */
#define VIOMMU_PCI_COMMON_OFFSET 0x0000u
#define VIOMMU_PCI_ISR_OFFSET 0x1000u
#define VIOMMU_PCI_DEVICE_OFFSET 0x2000u
#define VIOMMU_PCI_NOTIFY_OFFSET 0x3000u
#define VIOMMU_PCI_NOTIFY_MULTIPLIER 4u

struct viommu_pci_ops {
	uint32_t size; /* sizeof(struct viommu_pci_ops) */
	/* A message: store the 32 bits of `data` at `address`. NULL if there are no vectors. Must not call back. */
	void (*msi)(void *ctx, uint64_t address, uint32_t data);
	/*
	 * The level of INTA#, called when it changes; low after init. NULL: the function has no interrupt pin. Must not
	 * call back.
	 */
	void (*set_line)(void *ctx, bool high);
	/*
	 * The device has to look: the driver kicked `queue`, with the bytes of `value`; or it stored a status or a
	 * configuration, enabled, disabled or reset a queue, or switched bus mastering on, and `queue` is
	 * VIOMMU_REGISTER_NO_QUEUE. Called last in viommu_pci_bar_write and _config_write, at most once. May call
	 * viommu_pump_process at once (see "Bus mastering"), or wake the thread that does; must not call viommu_pci_*,
	 * except for viommu_pci_is_bus_master.
	 */
	void (*notify)(void *ctx, uint32_t queue, uint32_t value);
	/* A BAR, or whether there are any, may have changed: ask viommu_pci_bar. NULL: not of interest. */
	void (*bars_changed)(void *ctx);
};

struct viommu_pci_config {
	uint32_t size;               /* sizeof(struct viommu_pci_config) */
	uint16_t device_id;          /* of virtio: VIOMMU_DEVICE_ID, or that of another class; 1 to 63 */
	uint16_t subsystem_vendor;   /* 0: 0x1af4 */
	uint16_t subsystem_id;       /* 0: as the PCI device id. Not below 0x40, which are legacy devices */
	uint32_t class_code;         /* base class << 16 | sub-class << 8 | interface */
	bool is_multi_function;      /* function 0 of several */
	uint32_t device_config_size; /* bytes of the configuration of the device class; 0: it has none */
	/*
	 * Initialised, with viommu_pci_interrupt_ops as interrupts and the struct viommu_pci as their ctx. Kept by
	 * pointer, and so are the others.
	 */
	struct viommu_registers *registers;
	struct viommu_register_queue *queues; /* as many as the registers have; the caller's memory, any content */
	struct viommu_pci_vector *vectors;    /* the caller's memory, any content; NULL: no MSI-X */
	uint32_t vector_count;                /* up to VIOMMU_PCI_VECTORS_MAX. 2 to 1 + queues make sense */
	const struct viommu_pci_ops *ops;
	void *ops_ctx;
};
/* An IOMMU: base system peripheral 8, 6, with the configuration of virtio-iommu. */
#define VIOMMU_PCI_CONFIG_INIT                                                                                         \
	{                                                                                                              \
		.size = sizeof(struct viommu_pci_config), .device_id = VIOMMU_DEVICE_ID, .class_code = 0x080600,       \
		.device_config_size = VIOMMU_WIRE_CONFIG_SIZE                                                          \
	}

/* Private: an entry of the MSI-X table. */
struct viommu_pci_vector {
	uint32_t address_low;
	uint32_t address_high;
	uint32_t data;
	bool masked;
	bool pending;
};

/* Private members. */
struct viommu_pci {
	struct viommu_register_file file;
	const struct viommu_pci_ops *ops;
	void *ops_ctx;
	struct viommu_pci_vector *vectors;
	uint32_t vector_count;
	uint32_t device_config_size;
	uint32_t generation; /* of the registers, when the configuration was last read */
	uint8_t shown_generation;
	bool line;
	uint32_t config[VIOMMU_PCI_CONFIG_SIZE / 4];
	uint32_t writable[VIOMMU_PCI_CONFIG_SIZE / 4]; /* bits that the driver can store; 0 after a reset */
};

/*
 * For the configuration of the registers, or of the pump. ctx: the struct viommu_pci, which is initialised after them,
 * and before anything else is called on them: see "Order of init" in registers.h.
 */
extern const struct viommu_interrupt_ops viommu_pci_interrupt_ops;

/*
 * VIOMMU_E_ABI: a size is unknown. VIOMMU_E_ARG: a count or an id outside of what is said above, a NULL that may not be
 * one, registers that interrupt somebody else.
 */
VIOMMU_NODISCARD enum viommu_result viommu_pci_init(struct viommu_pci *pci, const struct viommu_pci_config *config);

/* A reset of the function: the device is reset, and the configuration space and the MSI-X table are as after init. */
void viommu_pci_reset(struct viommu_pci *pci);

/*
 * An access of the driver to the configuration space. Values are those of the little-endian bytes, as a little-endian
 * processor has them in a register; the lower `width` bytes of them count. Steps: the vectors, and what the device
 * class does when it is reset or its configuration changes.
 */
uint32_t viommu_pci_config_read(struct viommu_pci *pci, uint32_t offset, uint32_t width);
void viommu_pci_config_write(struct viommu_pci *pci, uint32_t offset, uint32_t width, uint32_t value);

/* An access of the driver to a BAR: 0 or 2; to others as to one that is not enabled. Steps: as above. */
uint64_t viommu_pci_bar_read(struct viommu_pci *pci, uint32_t bar, uint64_t offset, uint32_t width);
void viommu_pci_bar_write(struct viommu_pci *pci, uint32_t bar, uint64_t offset, uint32_t width, uint64_t value);

/*
 * Where the guest has put a BAR. False, and *range as it was: nowhere, because memory space is disabled or there is no
 * such BAR. While a guest looks how large a BAR is, its place may be anywhere; the last byte is never beyond 2^64 - 1.
 */
bool viommu_pci_bar(const struct viommu_pci *pci, uint32_t bar, struct viommu_range *range);

/* May the device touch memory now? */
bool viommu_pci_is_bus_master(const struct viommu_pci *pci);

/* See types.h. Steps of _check: the queues, the vectors and the configuration space. It includes the registers. */
bool viommu_pci_is_valid(const struct viommu_pci *pci);
bool viommu_pci_check(const struct viommu_pci *pci);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_TRANSPORT_PCI_H */
