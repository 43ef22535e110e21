/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * message.h: the messages of vfio-user that a client needs to run a PCI function, and how they lie in memory: in the
 * order of the processor's bytes, as both sides are on one machine.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdint.h>

#define MESSAGE_DATA_MAX 4096u /* bytes of a region in one message: what we tell the client */
#define MESSAGE_MAX (MESSAGE_DATA_MAX + 64u)
#define MESSAGE_FDS_MAX 8u

enum message_command {
	MESSAGE_VERSION = 1,
	MESSAGE_DMA_MAP = 2,
	MESSAGE_DMA_UNMAP = 3,
	MESSAGE_DEVICE_GET_INFO = 4,
	MESSAGE_REGION_GET_INFO = 5,
	MESSAGE_IRQ_GET_INFO = 7,
	MESSAGE_IRQ_SET = 8,
	MESSAGE_REGION_READ = 9,
	MESSAGE_REGION_WRITE = 10,
	MESSAGE_DEVICE_RESET = 13
};

#define MESSAGE_TYPE_MASK 0xfu /* 0: a command, 1: a reply */
#define MESSAGE_REPLY 0x1u
#define MESSAGE_NO_REPLY 0x10u
#define MESSAGE_ERROR 0x20u

struct message_header {
	uint16_t id;
	uint16_t command;
	uint32_t size; /* of everything, this header included */
	uint32_t flags;
	uint32_t error; /* an errno, with MESSAGE_ERROR */
};

struct message_version {
	uint16_t major;
	uint16_t minor; /* followed by JSON, which ends with a 0 */
};

#define MESSAGE_DMA_READ 1u
#define MESSAGE_DMA_WRITE 2u
#define MESSAGE_DMA_KNOWN 0x7u /* 4: may be mmapped */

struct message_dma_map {
	uint32_t argsz;
	uint32_t flags;
	uint64_t offset; /* in the file */
	uint64_t address;
	uint64_t size;
};

#define MESSAGE_UNMAP_ALL 2u

struct message_dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t address;
	uint64_t size;
};

#define MESSAGE_DEVICE_RESETS 1u
#define MESSAGE_DEVICE_PCI 2u

struct message_device_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t regions;
	uint32_t irqs;
};

enum message_region {
	MESSAGE_REGION_BAR0 = 0, /* to BAR 5 */
	MESSAGE_REGION_ROM = 6,
	MESSAGE_REGION_CONFIG = 7,
	MESSAGE_REGION_VGA = 8,
	MESSAGE_REGION_COUNT = 9
};

#define MESSAGE_REGION_READABLE 1u
#define MESSAGE_REGION_WRITABLE 2u

struct message_region_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t capabilities;
	uint64_t size;
	uint64_t offset;
};

enum message_irq {
	MESSAGE_IRQ_PIN = 0,
	MESSAGE_IRQ_MSI = 1,
	MESSAGE_IRQ_MSIX = 2,
	MESSAGE_IRQ_COUNT = 5
};

#define MESSAGE_IRQ_EVENTFD 1u
#define MESSAGE_IRQ_MASKABLE 2u
#define MESSAGE_IRQ_AUTOMASKED 4u

struct message_irq_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
};

/* What comes with IRQ_SET, one of these, and what it is for, one of those. */
#define MESSAGE_IRQ_DATA_NONE 0x1u
#define MESSAGE_IRQ_DATA_BOOL 0x2u
#define MESSAGE_IRQ_DATA_EVENTFD 0x4u
#define MESSAGE_IRQ_MASK 0x8u
#define MESSAGE_IRQ_UNMASK 0x10u
#define MESSAGE_IRQ_TRIGGER 0x20u

struct message_irq_set {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t start;
	uint32_t count; /* followed by the data, a byte for each with DATA_BOOL */
};

struct message_region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count; /* followed by the data */
};

_Static_assert(sizeof(struct message_header) == 16, "as on the wire");
_Static_assert(sizeof(struct message_dma_map) == 32, "as on the wire");
_Static_assert(sizeof(struct message_dma_unmap) == 24, "as on the wire");
_Static_assert(sizeof(struct message_region_info) == 32, "as on the wire");
_Static_assert(sizeof(struct message_irq_set) == 20, "as on the wire");
_Static_assert(sizeof(struct message_region_access) == 16, "as on the wire");

#endif /* MESSAGE_H */
