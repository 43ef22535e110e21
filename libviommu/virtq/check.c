/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check.c: what is always true of the two halves of a queue, and of a table of regions. Only private memory is looked
 * at, never the ring.
 */
#include <viommu/virtq.h>

#include "layout.h"

bool viommu_memory_table_is_valid(const struct viommu_memory_table *table)
{
	return table->generation % 2 == 0 ? table->regions != NULL || table->count == 0
					  : table->odd_regions != NULL || table->odd_count == 0;
}

bool viommu_memory_table_check(const struct viommu_memory_table *table)
{
	if (!viommu_memory_table_is_valid(table))
		return false;
	return table->generation % 2 == 0 ? viommu_memory_regions_are_valid(table->regions, table->count)
					  : viommu_memory_regions_are_valid(table->odd_regions, table->odd_count);
}

static bool is_aligned(const void *p, uintptr_t align)
{
	return ((uintptr_t)p & (align - 1)) == 0;
}

static bool areas_are_valid(const struct viommu_virtq_device *q)
{
	/* Where there is no pointer the seam copies. */
	if (q->desc == NULL && q->avail == NULL && q->used == NULL)
		return q->memory.ops->read != NULL;
	if (q->desc == NULL || q->avail == NULL || q->used == NULL)
		return false;
	return is_aligned(q->avail, VIOMMU_VIRTQ_AVAIL_ALIGN) && is_aligned(q->used, VIOMMU_VIRTQ_USED_ALIGN);
}

bool viommu_virtq_device_is_valid(const struct viommu_virtq_device *q)
{
	uint16_t taken = (uint16_t)(q->popped - q->published);
	uint16_t finished = (uint16_t)(q->pushed - q->published);

	if (q->state == VIOMMU_VIRTQ_OFF) /* what else there is may be left over from a failed enable */
		return q->reset <= VIOMMU_VIRTQ_RESET_DONE;
	if (q->state > VIOMMU_VIRTQ_BROKEN || q->reset != VIOMMU_VIRTQ_RESET_NONE || q->memory.ops == NULL ||
	    !viommu_virtq_size_is_valid(q->size))
		return false;
	if (taken > q->size || finished > taken)
		return false;
	/* Nothing is read from a broken ring, and nothing written if nothing was finished: it may be gone. */
	return areas_are_valid(q) || (q->state == VIOMMU_VIRTQ_BROKEN && finished == 0);
}

bool viommu_virtq_device_check(const struct viommu_virtq_device *q)
{
	return viommu_virtq_device_is_valid(q); /* it has no memory of its own besides */
}

/* All where init put them. Wraps: of the first of them only that can be said. */
static VIOMMU_WRAPS bool layout_is_valid(const struct viommu_virtq_driver *q)
{
	uintptr_t desc = (uintptr_t)q->desc;
	uintptr_t tables = desc + VIOMMU_VIRTQ_DESC_SIZE(q->size);

	if ((uintptr_t)q->avail != tables + VIOMMU_VIRTQ_TABLE_ENTRIES * VIOMMU_VIRTQ_DESC_SIZE(q->size))
		return false;
	if (q->tables != NULL && (uintptr_t)q->tables != tables)
		return false;
	return (uintptr_t)q->used == desc + VIOMMU_VIRTQ_DRIVER_USED_AT(q->size);
}

bool viommu_virtq_driver_is_valid(const struct viommu_virtq_driver *q)
{
	uint16_t in_flight = (uint16_t)(q->added - q->seen);
	uint16_t visible = (uint16_t)(q->published - q->seen);

	if (!viommu_virtq_size_is_valid(q->size) || !layout_is_valid(q) || q->shadow == NULL)
		return false;
	/* Each chain has at least one descriptor. */
	if (q->free_count > q->size || in_flight > q->size - q->free_count || q->reclaimed > q->size)
		return false;
	/* `size` ends the free list, but not the one that goes round. */
	if (q->free_head > q->size || (q->in_order && q->free_head == q->size))
		return false;
	if (q->batch != 0 && !q->in_order)
		return false;
	/* Reclaim takes back what was never published, or is in a batch. */
	return q->broken || (visible <= in_flight && q->batch <= visible);
}

/* What the shadow amounts to. */
struct tally {
	uint32_t descriptors;
	uint32_t indices; /* their sum */
	uint32_t heads;
	uint32_t visible;
};

/* `count` descriptors from `first` on; *last is the last of them, if there are any. */
static bool add_chain(const struct viommu_virtq_driver *q, uint32_t first, uint32_t count, struct tally *t,
		      uint32_t *last)
{
	uint32_t index = first;

	for (uint32_t i = 0; i < count; i++) {
		if (index >= q->size)
			return false;
		t->indices += index;
		*last = index;
		index = q->shadow[index].next;
	}
	t->descriptors += count;
	return true;
}

static bool add_head(const struct viommu_virtq_driver *q, uint32_t head, struct tally *t)
{
	uint32_t count = q->shadow[head].count;
	uint32_t last;

	t->heads++;
	t->visible += q->shadow[head].visible;
	/* Together the chains are not longer than the queue, which bounds the walk. */
	if (count == 0 || count > q->size - t->descriptors || !add_chain(q, head, count, t, &last))
		return false;
	return q->shadow[head].tail == last;
}

/* What was added and not published yet is in the available ring, and says so. */
static bool unpublished_are_valid(const struct viommu_virtq_driver *q)
{
	for (uint16_t i = q->published; i != q->added; i = viommu_i_index_after(i)) {
		uint32_t head = q->shadow[viommu_i_slot(q->size, i)].posted;

		if (head >= q->size || q->shadow[head].token == NULL || q->shadow[head].visible)
			return false;
	}
	return true;
}

/* Round the table one behind the other, up to the free ones; and each knows its place. */
static bool order_is_valid(const struct viommu_virtq_driver *q)
{
	uint32_t next = q->free_head + q->free_count;

	for (uint16_t i = q->seen; i != q->added; i = viommu_i_index_after(i)) {
		uint32_t head = viommu_i_slot(q->size, next);

		if (q->shadow[viommu_i_slot(q->size, i)].posted != head || q->shadow[head].position != i)
			return false;
		next += q->shadow[head].count;
	}
	return true;
}

bool viommu_virtq_driver_check(const struct viommu_virtq_driver *q)
{
	struct tally t = { 0 };
	uint32_t numbers = 0; /* the sum of the indices, if each is there once */
	uint32_t last;

	if (!viommu_virtq_driver_is_valid(q))
		return false;
	if (q->broken)
		return true; /* nothing is posted or taken any more */
	if (!add_chain(q, q->free_head, q->free_count, &t, &last))
		return false;
	for (uint32_t i = 0; i < q->size; i++) {
		numbers += i;
		if (q->shadow[i].token == NULL ? q->shadow[i].visible : !add_head(q, i, &t))
			return false;
	}
	if (t.descriptors != q->size || t.indices != numbers)
		return false;
	if (t.heads != (uint16_t)(q->added - q->seen) || t.visible != (uint16_t)(q->published - q->seen))
		return false;
	return unpublished_are_valid(q) && (!q->in_order || order_is_valid(q));
}
