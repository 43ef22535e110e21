/* SPDX-License-Identifier: BSD-3-Clause */
/* ids.c: sparse 32-bit ids, chosen by the driver or the embedder, to small slot numbers. */
#include "core.h"

#include "../internal.h"

void viommu_i_ids_init(struct viommu_id_table *table, uint32_t *ids, uint32_t *slots, uint32_t capacity)
{
	table->ids = ids;
	table->slots = slots;
	table->count = 0;
	for (uint32_t i = 0; i < capacity; i++)
		slots[i] = i;
}

/* The place of the id, or where it would go. */
static uint32_t place(const struct viommu_id_table *table, uint32_t id)
{
	uint32_t low = 0;
	uint32_t high = table->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (table->ids[middle] < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32_t viommu_i_ids_find(const struct viommu_id_table *table, uint32_t id)
{
	uint32_t at = place(table, id);

	return at < table->count && table->ids[at] == id ? table->slots[at] : NO_SLOT;
}

uint32_t viommu_i_ids_insert(struct viommu_id_table *table, uint32_t id)
{
	uint32_t at = place(table, id);
	uint32_t slot = table->slots[table->count];
	size_t behind = table->count - at;

	memmove(&table->ids[at + 1], &table->ids[at], behind * sizeof *table->ids);
	memmove(&table->slots[at + 1], &table->slots[at], behind * sizeof *table->slots);
	table->ids[at] = id;
	table->slots[at] = slot;
	table->count++;
	return slot;
}

void viommu_i_ids_remove(struct viommu_id_table *table, uint32_t id)
{
	uint32_t at = place(table, id);
	uint32_t slot = table->slots[at];
	size_t behind = table->count - at - 1;

	memmove(&table->ids[at], &table->ids[at + 1], behind * sizeof *table->ids);
	memmove(&table->slots[at], &table->slots[at + 1], behind * sizeof *table->slots);
	table->count--;
	table->slots[table->count] = slot;
}
