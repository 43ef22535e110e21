/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * copied.c: the device's half of a ring to which there are no pointers. Each field is one call of the seam, in the
 * order in which device.c accesses it; where that acquires or releases, there is a full barrier between the calls.
 */
#include "copied.h"

#include "layout.h"
#include "memory.h"

bool viommu_i_copied_load(const struct viommu_virtq_device *q, uint32_t offset, uint16_t *value)
{
	uint8_t raw[2];

	if (!viommu_i_memory_fetch(&q->memory, q->avail_gpa + offset, raw, sizeof raw))
		return false;
	*value = viommu_i_get16(raw);
	return true;
}

bool viommu_i_copied_index(const struct viommu_virtq_device *q, uint16_t *index)
{
	bool loaded = viommu_i_copied_load(q, VIOMMU_I_RING_INDEX, index);

	viommu_i_full_fence(q->order_platform);
	return loaded;
}

static bool store16(const struct viommu_virtq_device *q, uint32_t offset, uint16_t value)
{
	uint8_t raw[2];

	viommu_i_put16(raw, value);
	return viommu_i_memory_store(&q->memory, q->used_gpa + offset, raw, sizeof raw);
}

static bool store32(const struct viommu_virtq_device *q, uint32_t offset, uint32_t value)
{
	uint8_t raw[4];

	viommu_i_put32(raw, value);
	return viommu_i_memory_store(&q->memory, q->used_gpa + offset, raw, sizeof raw);
}

enum viommu_result viommu_i_copied_push(struct viommu_virtq_device *q, uint16_t head, uint32_t written)
{
	uint32_t entry = viommu_i_used_entry(q->size, q->pushed);

	if (!store32(q, entry + VIOMMU_I_USED_ID, head) || !store32(q, entry + VIOMMU_I_USED_LEN, written)) {
		q->state = VIOMMU_VIRTQ_BROKEN;
		return VIOMMU_E_BROKEN;
	}
	q->pushed = viommu_i_index_after(q->pushed);
	VIOMMU_ASSERT(viommu_virtq_device_is_valid(q));
	return VIOMMU_OK;
}

bool viommu_i_copied_publish(struct viommu_virtq_device *q, uint16_t before)
{
	uint16_t wish;

	viommu_i_full_fence(q->order_platform);
	if (!store16(q, VIOMMU_I_RING_INDEX, q->published)) {
		q->state = VIOMMU_VIRTQ_BROKEN;
		return false;
	}
	viommu_i_full_fence(q->order_platform);
	if (!viommu_i_copied_load(q, q->event_idx ? viommu_i_used_event(q->size) : VIOMMU_I_RING_FLAGS, &wish)) {
		q->state = VIOMMU_VIRTQ_BROKEN;
		return true; /* nobody knows, and a notification too many does no harm */
	}
	return q->event_idx ? viommu_i_event_passed(wish, before, q->published) : (wish & VIOMMU_I_RING_QUIET) == 0;
}

bool viommu_i_copied_arm(struct viommu_virtq_device *q)
{
	uint16_t index;
	bool armed = !q->event_idx || store16(q, viommu_i_avail_event(q->size), q->popped);

	viommu_i_full_fence(q->order_platform);
	if (!armed || !viommu_i_copied_index(q, &index)) {
		q->state = VIOMMU_VIRTQ_BROKEN;
		return true; /* so that somebody pops, and hears of it */
	}
	return index != q->popped;
}
