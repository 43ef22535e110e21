/* SPDX-License-Identifier: BSD-3-Clause */
/* ids.c: sparse 32-bit ids, chosen by the driver or the embedder, to small slot numbers. */
#include "core.h"

#include "../internal.h"

void viommu_i_ids_init(struct viommu_id_table *table, uint32_t *ids, uint32_t *slots, uint32_t capacity)
{
	table->ids = ids;
	table->slots = slots;
	table->count = 0;
	table->capacity = capacity;
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

	memmove(&table->ids[at], &table->ids[at + 1], (table->count - at - (size_t)1) * sizeof *table->ids);
	memmove(&table->slots[at], &table->slots[at + 1], (table->capacity - at - (size_t)1) * sizeof *table->slots);
	table->count--;
	table->slots[table->capacity - 1] = slot;
}

static void reverse(uint32_t *first, uint32_t count)
{
	for (uint32_t i = 0; i < count / 2; i++) {
		uint32_t slot = first[i];

		first[i] = first[count - 1 - i];
		first[count - 1 - i] = slot;
	}
}

void viommu_i_ids_clear(struct viommu_id_table *table)
{
	/* Those in use go behind those that are free: three times the other way round is once round the corner. */
	reverse(table->slots, table->count);
	reverse(table->slots + table->count, table->capacity - table->count);
	reverse(table->slots, table->capacity);
	table->count = 0;
}
