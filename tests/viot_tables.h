/* SPDX-License-Identifier: BSD-3-Clause */
/* viot_tables.h: what the tests of the ACPI table VIOT share: tables, and what is asked of them. */
#ifndef VIOMMU_TESTS_VIOT_TABLES_H
#define VIOMMU_TESTS_VIOT_TABLES_H

#include "wire_bytes.h"

#include <viommu/topology.h>

#define HEADER 48u
#define TABLE_MAX 512u

#define AT_PCI(s, f) { .bus = VIOMMU_TOPOLOGY_PCI, .segment = (s), .bdf = (f) }
#define AT_MMIO(address) { .bus = VIOMMU_TOPOLOGY_MMIO, .base = (address) }

/* One IOMMU and one range, as a real kernel has taken it; and all kinds of nodes. With what they were made from. */
extern const uint8_t golden[88];
extern const struct viommu_topology_place golden_iommu;
extern const struct viommu_topology_range golden_range;
struct viommu_topology_viot_config golden_config(void);
extern const uint8_t wide[152];
extern const struct viommu_topology_place wide_iommus[2];
extern const struct viommu_topology_range wide_ranges[3];
struct viommu_topology_viot_config wide_config(void);

/* A table of nodes, one after the other. */
struct table {
	uint8_t bytes[TABLE_MAX];
	size_t len;
};

/* Makes the sum of the table's first `len` bytes 0. */
void mend_sum(uint8_t *table, size_t len);
/* Its Length and its sum. */
void table_finish(struct table *t);
struct table table_begin(void);
/* These return the offset of the node. */
uint16_t table_add(struct table *t, const uint8_t *node, size_t len);
uint16_t add_iommu(struct table *t, uint8_t bdf);
uint16_t add_range(struct table *t, uint8_t first, uint8_t last, uint8_t endpoint, uint16_t output);

struct viommu_topology_place pci(uint16_t segment, uint16_t bdf);
struct viommu_topology_place mmio(uint64_t base);

/* Has the library judge a table that ends where its block ends. */
enum viommu_result judge(const uint8_t *bytes, size_t len, struct viommu_topology_viot *viot);
struct viommu_topology_viot judge_good(const struct table *t);
void assert_bad(const struct table *t);

void assert_place(const struct viommu_topology_place *is, const struct viommu_topology_place *want);
void assert_range(const struct viommu_topology_range *is, const struct viommu_topology_range *want);

/* Look-ups. What finds nothing has to leave what it was given as it was. */
void assert_endpoint(const struct viommu_topology_viot *viot, struct viommu_topology_place device, uint32_t want_iommu,
		     uint32_t want_endpoint);
void assert_no_endpoint(const struct viommu_topology_viot *viot, struct viommu_topology_place device);
void assert_device(const struct viommu_topology_viot *viot, uint32_t iommu, uint32_t endpoint,
		   struct viommu_topology_place want);
void assert_no_device(const struct viommu_topology_viot *viot, uint32_t iommu, uint32_t endpoint);

#endif /* VIOMMU_TESTS_VIOT_TABLES_H */
