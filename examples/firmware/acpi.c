/* SPDX-License-Identifier: BSD-3-Clause */
/* acpi.c: the platform by ACPI: MCFG says where the PCI bus is, VIOT what is behind the IOMMU. */
#include "memory.h"
#include "platform.h"

#define START_INFO_MAGIC 0x336ec578u
#define START_INFO_RSDP 32
#define RSDP_RSDT 16
#define RSDP_REVISION 15
#define RSDP_XSDT 24
#define TABLE_LENGTH 4
#define TABLE_HEADER 36u
#define TABLE_MAX 0x10000u
#define MCFG_ENTRIES 44u

static uint32_t get32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof value);
	return value;
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof value);
	return value;
}

/* The bytes at a physical address: all that firmware wants to see is mapped to itself. */
static const uint8_t *at(uint64_t address)
{
	return (const uint8_t *)(uintptr_t)address;
}

/* The table with this signature, or NULL. Entries of the root have 4 or 8 bytes. */
static const uint8_t *find_table(const uint8_t *rsdp, const char *signature)
{
	uint32_t width = rsdp[RSDP_REVISION] >= 2 ? 8 : 4;
	const uint8_t *root = at(width == 8 ? get64(rsdp + RSDP_XSDT) : get32(rsdp + RSDP_RSDT));
	uint32_t end = get32(root + TABLE_LENGTH);

	if (end > TABLE_MAX)
		return NULL;
	for (uint32_t i = TABLE_HEADER; i + width <= end; i += width) {
		const uint8_t *table = at(width == 8 ? get64(root + i) : get32(root + i));

		if (memcmp(table, signature, 4) == 0)
			return table;
	}
	return NULL;
}

enum viommu_result platform_find(struct platform *platform, const void *boot)
{
	const uint8_t *info = boot;
	const uint8_t *rsdp, *mcfg, *viot;

	memset(platform, 0, sizeof *platform);
	platform->reach = UINT32_MAX; /* start.S maps no more */
	platform->window.first = 1;   /* the BIOS has placed them */
	if (get32(info) != START_INFO_MAGIC || get64(info + START_INFO_RSDP) == 0)
		return VIOMMU_E_PEER;
	rsdp = at(get64(info + START_INFO_RSDP));
	mcfg = find_table(rsdp, "MCFG");
	if (mcfg == NULL || get32(mcfg + TABLE_LENGTH) < MCFG_ENTRIES + 16)
		return VIOMMU_E_NOENT;
	/* The first entry: base, segment, first and last bus. */
	platform->ecam = get64(mcfg + MCFG_ENTRIES);
	platform->ecam_size = (uint64_t)(mcfg[MCFG_ENTRIES + 11] + 1u) << 20;
	viot = find_table(rsdp, "VIOT");
	if (viot == NULL)
		return VIOMMU_OK; /* no IOMMU, or nothing behind it */
	return viommu_topology_viot_init(&platform->viot, viot, get32(viot + TABLE_LENGTH));
}

enum viommu_result platform_endpoint(const struct platform *platform, uint32_t function, uint32_t *endpoint)
{
	const struct viommu_topology_place place = { .bus = VIOMMU_TOPOLOGY_PCI, .bdf = (uint16_t)function };
	uint32_t iommu;

	if (platform->viot.bytes == NULL)
		return VIOMMU_E_NOENT;
	return viommu_topology_viot_endpoint(&platform->viot, &place, &iommu, endpoint);
}
