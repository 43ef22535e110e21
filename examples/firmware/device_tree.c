/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * device_tree.c: the platform by a flattened device tree: of the node that is compatible with "pci-host-ecam-generic"
 * the properties reg, ranges, iommu-map and iommu-map-mask. #address-cells and #size-cells are 2 where it lies, as on
 * both machines.
 */
#include "memory.h"
#include "platform.h"

#define MAGIC 0xd00dfeedu
#define BEGIN_NODE 1u
#define END_NODE 2u
#define PROPERTY 3u
#define NOP 4u

#define COMPATIBLE "pci-host-ecam-generic"
#define SPACE_MASK 0x03000000u /* in the first cell of a PCI address */
#define SPACE_32 0x02000000u

struct tree {
	const uint8_t *structs;
	uint32_t structs_len;
	const char *strings;
	uint32_t strings_len;
	uint32_t at; /* in structs */
};

struct property {
	const uint8_t *value;
	uint32_t len;
};

/* What is looked for in a node. */
enum {
	COMPATIBLE_WITH,
	REG,
	RANGES,
	IOMMU_MAP,
	IOMMU_MAP_MASK,
	WANTED_COUNT
};
static const char *const wanted[WANTED_COUNT] = { "compatible", "reg", "ranges", "iommu-map", "iommu-map-mask" };

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t get64(const uint8_t *p)
{
	return (uint64_t)get32(p) << 32 | get32(p + 4);
}

/* Two texts, of which the first one ends before `room` bytes or is not equal. */
static bool equal(const char *text, uint32_t room, const char *other)
{
	for (uint32_t i = 0; i < room && text[i] == other[i]; i++) {
		if (text[i] == '\0')
			return true;
	}
	return false;
}

static bool open(struct tree *tree, const uint8_t *fdt)
{
	uint32_t total = get32(fdt + 4);
	uint32_t structs = get32(fdt + 8), strings = get32(fdt + 12);

	if (get32(fdt) != MAGIC || structs > total || strings > total || get32(fdt + 36) > total - structs)
		return false;
	*tree = (struct tree){ fdt + structs, get32(fdt + 36), (const char *)fdt + strings, total - strings, 0 };
	return true;
}

/* Moves on by `len` bytes and to the next word, if there are so many. */
static bool skip(struct tree *tree, uint32_t len)
{
	uint32_t left = tree->structs_len - tree->at;

	len = (len + 3) & ~3u;
	if (len > left)
		return false;
	tree->at += len;
	return true;
}

static bool next_word(struct tree *tree, uint32_t *word)
{
	uint32_t at = tree->at;

	if (!skip(tree, 4))
		return false;
	*word = get32(tree->structs + at);
	return true;
}

static bool next_property(struct tree *tree, struct property properties[WANTED_COUNT])
{
	uint32_t len, name, at;

	if (!next_word(tree, &len) || !next_word(tree, &name) || name > tree->strings_len)
		return false;
	at = tree->at;
	if (len > tree->structs_len || !skip(tree, len))
		return false;
	for (uint32_t i = 0; i < WANTED_COUNT; i++) {
		if (equal(tree->strings + name, tree->strings_len - name, wanted[i]))
			properties[i] = (struct property){ tree->structs + at, len };
	}
	return true;
}

static bool skip_name(struct tree *tree)
{
	uint32_t len = 0;

	while (len < tree->structs_len - tree->at && tree->structs[tree->at + len] != '\0')
		len++;
	return skip(tree, len + 1);
}

static bool is_bridge(const struct property properties[WANTED_COUNT])
{
	const struct property *p = &properties[COMPATIBLE_WITH];

	return p->value != NULL && equal((const char *)p->value, p->len, COMPATIBLE);
}

/* The properties of a node come before its children: at the begin or the end of a node all of one are known. */
static bool find_bridge(struct tree *tree, struct property properties[WANTED_COUNT])
{
	uint32_t word;

	memset(properties, 0, WANTED_COUNT * sizeof properties[0]);
	while (next_word(tree, &word)) {
		if (word == NOP)
			continue;
		if (word == PROPERTY) {
			if (!next_property(tree, properties))
				return false;
			continue;
		}
		if (is_bridge(properties))
			return true;
		memset(properties, 0, WANTED_COUNT * sizeof properties[0]);
		if (word != END_NODE && (word != BEGIN_NODE || !skip_name(tree)))
			return false;
	}
	return false;
}

/* The window for BARs of 32 bits: 3 cells of PCI address, 2 of the processor's, 2 of size. */
static void find_window(struct platform *platform, const struct property *ranges)
{
	platform->window.first = 1; /* empty */
	for (uint32_t i = 0; ranges->value != NULL && i + 28 <= ranges->len; i += 28) {
		const uint8_t *entry = ranges->value + i;
		uint64_t bus = get64(entry + 4), size = get64(entry + 20);

		/* Only one that is where it seems to be: addresses of BARs are used as they are. */
		if ((get32(entry) & SPACE_MASK) != SPACE_32 || get64(entry + 12) != bus || size == 0)
			continue;
		platform->window.first = bus;
		platform->window.last = bus + size - 1;
		return;
	}
}

enum viommu_result platform_find(struct platform *platform, const void *boot)
{
	struct property properties[WANTED_COUNT];
	struct tree tree;

	memset(platform, 0, sizeof *platform);
	platform->reach = UINT64_MAX;
	if (!open(&tree, boot))
		return VIOMMU_E_PEER;
	if (!find_bridge(&tree, properties) || properties[REG].len != 16)
		return VIOMMU_E_NOENT;
	platform->ecam = get64(properties[REG].value);
	platform->ecam_size = get64(properties[REG].value + 8);
	find_window(platform, &properties[RANGES]);
	platform->iommu_map = properties[IOMMU_MAP].value;
	platform->iommu_map_len = properties[IOMMU_MAP].len;
	platform->iommu_map_mask = VIOMMU_TOPOLOGY_DT_MASK_ALL;
	if (properties[IOMMU_MAP_MASK].value == NULL)
		return VIOMMU_OK;
	return viommu_topology_dt_mask_decode(properties[IOMMU_MAP_MASK].value, properties[IOMMU_MAP_MASK].len,
					      &platform->iommu_map_mask);
}

enum viommu_result platform_endpoint(const struct platform *platform, uint32_t function, uint32_t *endpoint)
{
	uint32_t phandle;

	if (platform->iommu_map == NULL)
		return VIOMMU_E_NOENT;
	return viommu_topology_dt_map_endpoint(platform->iommu_map, platform->iommu_map_len, platform->iommu_map_mask,
					       function & 0xffff, &phandle, endpoint);
}
