/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wire.h: the bytes of virtio-iommu (virtio 1.2 to 1.4, "IOMMU device"), and nothing else.
 *
 * Encoders and decoders work byte by byte on private memory: any alignment, any byte order of the machine. They judge
 * form only (is there enough, is the type known); whether a request makes sense is for device/ to say.
 *
 *    readable by the device                       writable by the device
 *   +------+----------------------------------+  +-----------------------+------+
 *   | head | body                             |  | properties (PROBE)    | tail |
 *   | 4    | 16 ATTACH DETACH, 32 MAP,        |  | probe_size bytes      | 4    |
 *   |      | 24 UNMAP, 68 PROBE               |  | (nothing for others)  |      |
 *   +------+----------------------------------+  +-----------------------+------+
 *
 * All functions: any thread, no state, no failure unless stated, work bounded by the bytes passed in.
 */
#ifndef VIOMMU_WIRE_H
#define VIOMMU_WIRE_H

#include <viommu/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VIOMMU_DEVICE_ID 23u

/* Queue numbers. */
enum viommu_queue {
	VIOMMU_QUEUE_REQUEST = 0,
	VIOMMU_QUEUE_EVENT = 1,
	VIOMMU_QUEUE_COUNT = 2
};

/* Feature bits of the device class. */
#define VIOMMU_F_INPUT_RANGE (UINT64_C(1) << 0)
#define VIOMMU_F_DOMAIN_RANGE (UINT64_C(1) << 1)
#define VIOMMU_F_MAP_UNMAP (UINT64_C(1) << 2)
#define VIOMMU_F_BYPASS (UINT64_C(1) << 3) /* superseded by BYPASS_CONFIG; known, never offered */
#define VIOMMU_F_PROBE (UINT64_C(1) << 4)
#define VIOMMU_F_MMIO (UINT64_C(1) << 5)
#define VIOMMU_F_BYPASS_CONFIG (UINT64_C(1) << 6)

enum viommu_request_type {
	VIOMMU_T_ATTACH = 1,
	VIOMMU_T_DETACH = 2,
	VIOMMU_T_MAP = 3,
	VIOMMU_T_UNMAP = 4,
	VIOMMU_T_PROBE = 5
};
#define VIOMMU_T_COUNT 6 /* for tables indexed by type */

/* The status byte of a reply. Any other value is an error too. */
enum viommu_status {
	VIOMMU_S_OK = 0,
	VIOMMU_S_IOERR = 1,
	VIOMMU_S_UNSUPP = 2,
	VIOMMU_S_DEVERR = 3,
	VIOMMU_S_INVAL = 4,
	VIOMMU_S_RANGE = 5,
	VIOMMU_S_NOENT = 6,
	VIOMMU_S_FAULT = 7,
	VIOMMU_S_NOMEM = 8
};
#define VIOMMU_S_COUNT 9

#define VIOMMU_ATTACH_F_BYPASS 1u

#define VIOMMU_MAP_F_READ 1u
#define VIOMMU_MAP_F_WRITE 2u
#define VIOMMU_MAP_F_MMIO 4u

enum viommu_fault_reason {
	VIOMMU_FAULT_R_UNKNOWN = 0,
	VIOMMU_FAULT_R_DOMAIN = 1,
	VIOMMU_FAULT_R_MAPPING = 2
};
#define VIOMMU_FAULT_F_READ 0x001u
#define VIOMMU_FAULT_F_WRITE 0x002u
#define VIOMMU_FAULT_F_ADDRESS 0x100u

/* Sizes in bytes. */
#define VIOMMU_WIRE_HEAD_SIZE 4u
#define VIOMMU_WIRE_TAIL_SIZE 4u
#define VIOMMU_WIRE_REQUEST_MAX 72u /* the longest readable part (PROBE) */
#define VIOMMU_WIRE_CONFIG_SIZE 40u
#define VIOMMU_WIRE_CONFIG_BYPASS 36u /* offset of the one writable field */
#define VIOMMU_WIRE_PROPERTY_HEAD_SIZE 4u
#define VIOMMU_WIRE_RESV_MEM_SIZE 24u /* with its header */
#define VIOMMU_WIRE_FAULT_SIZE 24u

/*
 * A decoded request. Reserved bytes appear where the specification asks the device to judge them, and are 0 otherwise.
 */
struct viommu_wire_request {
	uint8_t type; /* enum viommu_request_type */
	union {
		struct {
			uint32_t domain;
			uint32_t endpoint;
			uint32_t flags;
			uint32_t reserved; /* has to be 0 */
		} attach;
		struct {
			uint32_t domain;
			uint32_t endpoint;
		} detach;
		struct {
			uint32_t domain;
			uint32_t flags;
			viommu_iova virt_start;
			viommu_iova virt_end; /* last address */
			viommu_gpa phys_start;
		} map;
		struct {
			uint32_t domain;
			uint32_t reserved; /* should be 0 */
			viommu_iova virt_start;
			viommu_iova virt_end; /* last address */
		} unmap;
		struct {
			uint32_t endpoint;
		} probe;
	} u;
};

/* Bytes of the readable part of a request of this type, head included; 0 for a type that is not known. */
size_t viommu_wire_request_size(uint8_t type);

/*
 * Reads a request from its readable bytes. Bytes behind the request are ignored; head.reserved, DETACH.reserved and
 * PROBE.reserved too, as the specification asks.
 * VIOMMU_E_PEER: no complete head, an unknown type, or fewer bytes than the type needs; *out is then unchanged.
 */
VIOMMU_NODISCARD enum viommu_result viommu_wire_request_decode(const uint8_t *bytes, size_t len,
							       struct viommu_wire_request *out);

/*
 * Writes the readable part, reserved bytes as zeroes (ATTACH and UNMAP: as given). Returns its size.
 * 0: unknown type, or cap is too small; nothing was written.
 */
size_t viommu_wire_request_encode(const struct viommu_wire_request *request, uint8_t *out, size_t cap);

/* The four bytes that end every reply: status, then zeroes. */
void viommu_wire_tail_encode(uint8_t status, uint8_t out[VIOMMU_WIRE_TAIL_SIZE]);

/* The status byte; the reserved bytes are ignored. */
uint8_t viommu_wire_tail_decode(const uint8_t tail[VIOMMU_WIRE_TAIL_SIZE]);

/* The configuration space. Fields whose feature is not offered carry no meaning. */
struct viommu_wire_config {
	uint64_t page_size_mask;
	struct viommu_range input_range;
	uint32_t domain_first;
	uint32_t domain_last;
	uint32_t probe_size;
	uint8_t bypass;
};

void viommu_wire_config_encode(const struct viommu_wire_config *config, uint8_t out[VIOMMU_WIRE_CONFIG_SIZE]);

/* bypass comes out as 0 or 1: the driver looks at bit 0 only. */
void viommu_wire_config_decode(const uint8_t bytes[VIOMMU_WIRE_CONFIG_SIZE], struct viommu_wire_config *out);

/* Property types and RESV_MEM subtypes. */
#define VIOMMU_PROBE_T_NONE 0u
#define VIOMMU_PROBE_T_RESV_MEM 1u
#define VIOMMU_RESV_MEM_RESERVED 0u
#define VIOMMU_RESV_MEM_MSI 1u

/* An address range of an endpoint that cannot be mapped. */
struct viommu_resv_region {
	struct viommu_range range;
	uint8_t subtype; /* VIOMMU_RESV_MEM_* */
};

/* One property of a PROBE reply. `value` points into the list. */
struct viommu_wire_property {
	uint16_t type;     /* the low 12 bits of the type field */
	uint8_t reserved;  /* the upper four: not 0 means "skip this one" */
	uint16_t length;   /* of value */
	const uint8_t *value;
};

/*
 * Walks a property list: call with *offset = 0, again until the result is not VIOMMU_OK. Each call that returns
 * VIOMMU_OK moves *offset forward by at least 4, so that a list of n bytes ends after n / 4 calls.
 * VIOMMU_E_EMPTY: the end (type 0, or fewer than 4 bytes left). VIOMMU_E_PEER: a property runs past the end of the
 * list.
 */
VIOMMU_NODISCARD enum viommu_result viommu_wire_property_next(const uint8_t *list, size_t len, size_t *offset,
							      struct viommu_wire_property *out);

/*
 * Reads a RESV_MEM property. An unknown subtype comes out as RESERVED, reserved bytes are ignored.
 * VIOMMU_E_PEER: another type, reserved header bits set, too short, or end < start.
 */
VIOMMU_NODISCARD enum viommu_result viommu_wire_resv_mem_decode(const struct viommu_wire_property *property,
								struct viommu_resv_region *out);

void viommu_wire_resv_mem_encode(const struct viommu_resv_region *region, uint8_t out[VIOMMU_WIRE_RESV_MEM_SIZE]);

/* A fault report. */
struct viommu_wire_fault {
	uint8_t reason; /* enum viommu_fault_reason */
	uint32_t flags; /* VIOMMU_FAULT_F_* */
	uint32_t endpoint;
	uint64_t address; /* if flags has FAULT_F_ADDRESS */
};

void viommu_wire_fault_encode(const struct viommu_wire_fault *fault, uint8_t out[VIOMMU_WIRE_FAULT_SIZE]);

/*
 * Reads a report. Unknown flags are masked out, an unknown reason becomes R_UNKNOWN, reserved1 is ignored.
 * VIOMMU_E_PEER: shorter than 24 bytes, or its first reserved bytes are not 0 (the whole report is to be dropped).
 */
VIOMMU_NODISCARD enum viommu_result viommu_wire_fault_decode(const uint8_t *bytes, size_t len,
							     struct viommu_wire_fault *out);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_WIRE_H */
