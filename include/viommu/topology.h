/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * topology.h: which endpoints are behind which IOMMU, as firmware tells it to an operating system.
 *
 * The requests of a driver name endpoints by their ids, and nothing in virtio says which device an id is. Platforms say
 * it, in one of two ways; a VMM writes them, whoever drives the IOMMU reads them:
 *
 *   ACPI          the table VIOT (ACPI 6.5, "Virtual I/O Translation Table"), little-endian
 *   device tree   the properties iommu-map of a PCI host bridge and iommus of any other device, big-endian
 *
 *   VIOT   +--------+-------+-------+-- ... --+-------+-------+-- ... --+
 *          | header | IOMMU | IOMMU |         | range | range |         |     output node: offset of an IOMMU
 *          | 48     | 16    | 16    |         | 24    | 24    |         |
 *          +--------+-------+-------+-- ... --+-------+-------+-- ... --+
 *                       ^                         | output node
 *                       +-------------------------+
 *
 * Readers take bytes from anybody: they never read outside of `len`, allocate nothing and always come to an end. The
 * bytes are private memory: what a peer could change between two reads is copied first. (If they change all the same,
 * answers are wrong, and still no read is outside.) Work is told in nodes or entries looked at.
 *
 * A device has at most one endpoint id; of two ranges that hold it, the first one counts. An id belongs to one IOMMU:
 * two IOMMUs may use the same one for different devices. An IOMMU is not an endpoint of itself, even where a range
 * covers it.
 *
 * All functions: any thread, no state but what they are given. A call that fails has written nothing.
 */
#ifndef VIOMMU_TOPOLOGY_H
#define VIOMMU_TOPOLOGY_H

#include <viommu/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* PCI: bus, device and function in 16 bits, which is a requester id too. Bits that have no place are cut off. */

static inline uint16_t viommu_topology_bdf(uint8_t bus, uint8_t device, uint8_t function)
{
	return (uint16_t)((unsigned)bus << 8 | (device & 0x1fu) << 3 | (function & 7u));
}

static inline uint8_t viommu_topology_bdf_bus(uint16_t bdf)
{
	return (uint8_t)(bdf >> 8);
}

static inline uint8_t viommu_topology_bdf_device(uint16_t bdf)
{
	return bdf >> 3 & 0x1f;
}

static inline uint8_t viommu_topology_bdf_function(uint16_t bdf)
{
	return bdf & 7;
}

enum viommu_topology_bus {
	VIOMMU_TOPOLOGY_PCI,
	VIOMMU_TOPOLOGY_MMIO
};

/* Where a device is. Members of the other bus carry no meaning, and come out as 0. */
struct viommu_topology_place {
	enum viommu_topology_bus bus;
	uint16_t segment; /* PCI */
	uint16_t bdf;     /* PCI */
	uint64_t base;    /* MMIO: physical address of the first register */
};

/*
 * Endpoints of one IOMMU. MMIO: the device at first.base. PCI: in each segment from first.segment to last_segment the
 * functions from first.bdf to last_bdf. The id of a function is
 *
 *     endpoint + ((segment - first.segment) << 16) + (bdf - first.bdf)
 */
struct viommu_topology_range {
	uint32_t iommu;    /* its number: IOMMUs of a table are counted from 0 */
	uint32_t endpoint; /* the id of the first one */
	struct viommu_topology_place first;
	uint16_t last_segment; /* PCI */
	uint16_t last_bdf;     /* PCI */
};

/* ACPI */

#define VIOMMU_TOPOLOGY_VIOT_IOMMUS_MAX 4093u  /* a range names its IOMMU by 16 bits of offset */
#define VIOMMU_TOPOLOGY_VIOT_NODES_MAX 0xffffu /* IOMMUs and ranges */

struct viommu_topology_viot_config {
	uint32_t size; /* sizeof(struct viommu_topology_viot_config) */
	/* Into the header as they are: ASCII, padded with spaces, says ACPI. */
	uint8_t oem_id[6];
	uint8_t oem_table_id[8];
	uint32_t oem_revision;
	uint8_t creator_id[4];
	uint32_t creator_revision;
	const struct viommu_topology_place *iommus; /* NULL if there are none, like the next one */
	uint32_t iommu_count;
	const struct viommu_topology_range *ranges;
	uint32_t range_count;
};

#define VIOMMU_TOPOLOGY_VIOT_CONFIG_INIT { .size = sizeof(struct viommu_topology_viot_config) }

/* Bytes of a table: for the Length of its header, and for a static array. */
#define VIOMMU_TOPOLOGY_VIOT_SIZE(iommu_count, range_count)							\
	(48u + (size_t)(iommu_count) * 16u + (size_t)(range_count) * 24u)

/*
 * Writes a table of revision 0 with its checksum: first the IOMMUs, then the ranges, VIOMMU_TOPOLOGY_VIOT_SIZE bytes.
 * VIOMMU_E_ABI: config->size is unknown. VIOMMU_E_ARG: too many; an unknown bus; two IOMMUs in one place; a range of
 * which first is above last, whose ids go beyond 2^32, whose IOMMU is not there, or that covers a device of another
 * one. VIOMMU_E_NOMEM: cap is too small.
 * Work: each pair of IOMMUs and each pair of ranges is compared once.
 */
VIOMMU_NODISCARD enum viommu_result viommu_topology_viot_encode(const struct viommu_topology_viot_config *config,
								uint8_t *out, size_t cap);

/* A table that was judged. */
struct viommu_topology_viot {
	const uint8_t *bytes;
	uint32_t first; /* offset of the first node */
	uint32_t end;   /* and behind the last one */
};

/*
 * Judges a table. The bytes are used by the functions below, too. Bytes behind its Length are ignored; so are its
 * revision (later ones have to add to this one), reserved fields, what nodes have behind the fields known here, and
 * nodes of unknown types, with the ranges that name one as their IOMMU.
 * VIOMMU_E_PEER: fewer than 48 bytes, or than Length says; another signature; a Length below 48; a sum of bytes that is
 * not 0; a node offset below 48 or above Length; a node that is shorter than its type asks for (4 if that is unknown)
 * or that goes beyond Length; a range of which first is above last, whose ids go beyond 2^32, or whose output node is
 * not where a node begins that is an IOMMU.
 * Work: each node once, and for each range the nodes up to its IOMMU, which are 16,372 at most.
 */
VIOMMU_NODISCARD enum viommu_result viommu_topology_viot_init(struct viommu_topology_viot *viot, const uint8_t *bytes,
							      size_t len);

/*
 * Where the IOMMU of this number is.
 * VIOMMU_E_NOENT: there are not so many. VIOMMU_E_PEER: the bytes have changed. Work: each node once.
 */
VIOMMU_NODISCARD enum viommu_result viommu_topology_viot_iommu(const struct viommu_topology_viot *viot, uint32_t number,
							       struct viommu_topology_place *out);

/*
 * The ranges, one after the other: call with *offset = 0, again until the result is not VIOMMU_OK. Each call that
 * returns VIOMMU_OK moves *offset forward.
 * VIOMMU_E_EMPTY: the end. VIOMMU_E_PEER: the bytes have changed. Work: as viommu_topology_viot_init, all calls
 * together.
 */
VIOMMU_NODISCARD enum viommu_result viommu_topology_viot_next(const struct viommu_topology_viot *viot, uint32_t *offset,
							      struct viommu_topology_range *out);

/*
 * Which endpoint a device is, of which IOMMU.
 * VIOMMU_E_NOENT: of none, or it is the IOMMU. VIOMMU_E_PEER: the bytes have changed. Work: as
 * viommu_topology_viot_init.
 */
VIOMMU_NODISCARD enum viommu_result viommu_topology_viot_endpoint(const struct viommu_topology_viot *viot,
								  const struct viommu_topology_place *device,
								  uint32_t *iommu, uint32_t *endpoint);

/*
 * Which device an endpoint is: the one that viommu_topology_viot_endpoint answers with this IOMMU and id. Should
 * several have the same id, that of the first range.
 * VIOMMU_E_NOENT: the id is in no range, or another range has taken away the device that it is in the first of them.
 * VIOMMU_E_PEER: the bytes have changed. Work: twice that of viommu_topology_viot_init.
 */
VIOMMU_NODISCARD enum viommu_result viommu_topology_viot_device(const struct viommu_topology_viot *viot, uint32_t iommu,
								uint32_t endpoint, struct viommu_topology_place *out);

/*
 * Device tree: the values of properties. IOMMUs are named by their phandles, which are neither 0 nor 0xffffffff, and
 * have #iommu-cells = 1, as the binding of virtio-iommu demands. Requester ids of PCI are BDFs; the segment is that of
 * the host bridge.
 */

/* An entry of iommu-map. The id of a device is endpoint + (rid - rid_first). */
struct viommu_topology_dt_map {
	uint32_t rid_first;
	uint32_t rid_last; /* all of 32 bits in one entry have no encoding */
	uint32_t phandle;
	uint32_t endpoint;
};

#define VIOMMU_TOPOLOGY_DT_MAP_SIZE(count) ((size_t)(count) * 16u)

/* iommu-map-mask is taken from a requester id before it is looked up. This one, if there is no such property. */
#define VIOMMU_TOPOLOGY_DT_MASK_ALL UINT32_MAX
#define VIOMMU_TOPOLOGY_DT_MASK_SIZE 4u

/*
 * Writes the value of iommu-map for use with this mask, VIOMMU_TOPOLOGY_DT_MAP_SIZE bytes.
 * VIOMMU_E_ARG: rid_last below rid_first, or 2^32 ids; endpoint ids that go beyond 2^32; a phandle that is none;
 * a rid_first with bits that the mask takes away (Linux refuses that); ids that two entries have. VIOMMU_E_NOMEM: cap
 * is too small.
 * Work: each pair of entries is compared once.
 */
VIOMMU_NODISCARD enum viommu_result viommu_topology_dt_map_encode(const struct viommu_topology_dt_map *entries,
								  size_t count, uint32_t mask, uint8_t *out,
								  size_t cap);

/* The value of iommu-map-mask. */
void viommu_topology_dt_mask_encode(uint32_t mask, uint8_t out[VIOMMU_TOPOLOGY_DT_MASK_SIZE]);

/* VIOMMU_E_PEER: another length than 4. */
VIOMMU_NODISCARD enum viommu_result viommu_topology_dt_mask_decode(const uint8_t *value, size_t len, uint32_t *mask);

/*
 * The entries of an iommu-map, one after the other: call with *offset = 0, again until the result is not VIOMMU_OK.
 * Each call that returns VIOMMU_OK moves *offset forward by 16.
 * VIOMMU_E_EMPTY: the end. VIOMMU_E_PEER: len is not a multiple of 16; an entry for no ids, or whose ids of either kind
 * go beyond 2^32; a phandle that is none. Work: one entry.
 */
VIOMMU_NODISCARD enum viommu_result viommu_topology_dt_map_next(const uint8_t *map, size_t len, size_t *offset,
								struct viommu_topology_dt_map *out);

/*
 * Which endpoint the device with this requester id is, of which IOMMU.
 * VIOMMU_E_NOENT: of none. VIOMMU_E_PEER: as viommu_topology_dt_map_next; entries behind the one that counts are not
 * looked at. Work: each entry once.
 */
VIOMMU_NODISCARD enum viommu_result viommu_topology_dt_map_endpoint(const uint8_t *map, size_t len, uint32_t mask,
								    uint32_t rid, uint32_t *phandle,
								    uint32_t *endpoint);

/*
 * Which requester id an endpoint has: the one that viommu_topology_dt_map_endpoint answers with this IOMMU and id, and
 * in which the bits outside of the mask are 0. Should several have the same id, that of the first entry.
 * VIOMMU_E_NOENT: the id is in no entry, or the first of them has it for a requester id that is another's or that the
 * mask leaves nobody. VIOMMU_E_PEER: as viommu_topology_dt_map_endpoint. Work: each entry twice.
 */
VIOMMU_NODISCARD enum viommu_result viommu_topology_dt_map_rid(const uint8_t *map, size_t len, uint32_t mask,
							       uint32_t phandle, uint32_t endpoint, uint32_t *rid);

/* An entry of iommus: the device is this endpoint of that IOMMU. */
struct viommu_topology_dt_iommu {
	uint32_t phandle;
	uint32_t endpoint;
};

#define VIOMMU_TOPOLOGY_DT_IOMMUS_SIZE(count) ((size_t)(count) * 8u)

/*
 * Writes the value of iommus, VIOMMU_TOPOLOGY_DT_IOMMUS_SIZE bytes.
 * VIOMMU_E_ARG: a phandle that is none. VIOMMU_E_NOMEM: cap is too small.
 */
VIOMMU_NODISCARD enum viommu_result viommu_topology_dt_iommus_encode(const struct viommu_topology_dt_iommu *entries,
								     size_t count, uint8_t *out, size_t cap);

/*
 * The entries of iommus, one after the other: call with *offset = 0, again until the result is not VIOMMU_OK. Each call
 * that returns VIOMMU_OK moves *offset forward by 8.
 * VIOMMU_E_EMPTY: the end. VIOMMU_E_PEER: len is not a multiple of 8; a phandle that is none. Work: one entry.
 */
VIOMMU_NODISCARD enum viommu_result viommu_topology_dt_iommus_next(const uint8_t *iommus, size_t len, size_t *offset,
								   struct viommu_topology_dt_iommu *out);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_TOPOLOGY_H */
