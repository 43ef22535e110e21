/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * snapshot.c: the device's half of a queue in a snapshot.
 *
 *   offset   0       1       2        4        6           8      12     20      28
 *            state   reset   popped   pushed   published   size   desc   avail   used
 *
 * What the driver was told last is `published`: from there on, publish looks whether it wants to hear of an entry. There
 * is no other position that could be left behind, and all else that decides is in the ring.
 */
#include "snapshot.h"

void viommu_i_virtq_save(const struct viommu_virtq_device *q, struct viommu_i_save *s)
{
	bool has_ring = q->state != VIOMMU_VIRTQ_OFF;
	/* Of one that is broken nothing is left to be done: its ring is not touched again before it is reset. */
	bool runs = q->state == VIOMMU_VIRTQ_READY;

	*s->at++ = q->state;
	*s->at++ = q->reset;
	viommu_i_save16(s, runs ? q->popped : 0);
	viommu_i_save16(s, runs ? q->pushed : 0);
	viommu_i_save16(s, runs ? q->published : 0);
	viommu_i_save32(s, has_ring ? q->size : 0);
	viommu_i_save64(s, has_ring ? q->desc_gpa : 0);
	viommu_i_save64(s, has_ring ? q->avail_gpa : 0);
	viommu_i_save64(s, has_ring ? q->used_gpa : 0);
}

static void load_broken(struct viommu_virtq_device *q, const struct viommu_virtq_layout *layout)
{
	struct viommu_memory memory = q->memory;

	viommu_virtq_device_init(q, &memory);
	q->size = layout->size;
	q->desc_gpa = layout->desc;
	q->avail_gpa = layout->avail;
	q->used_gpa = layout->used;
	q->state = VIOMMU_VIRTQ_BROKEN;
}

enum viommu_result viommu_i_virtq_load(struct viommu_virtq_device *q, const uint8_t *record, uint64_t features)
{
	struct viommu_virtq_layout layout = {
		.size = viommu_i_get32(record + 8),
		.desc = viommu_i_get64(record + 12),
		.avail = viommu_i_get64(record + 20),
		.used = viommu_i_get64(record + 28),
		.features = features,
	};

	switch (record[0]) {
	case VIOMMU_VIRTQ_OFF:
		viommu_virtq_device_reset(q);
		break;
	case VIOMMU_VIRTQ_READY:
		if (viommu_virtq_device_enable(q, &layout) != VIOMMU_OK)
			return VIOMMU_E_NOENT;
		q->popped = viommu_i_get16(record + 2);
		q->pushed = viommu_i_get16(record + 4);
		q->published = viommu_i_get16(record + 6);
		break;
	case VIOMMU_VIRTQ_BROKEN:
		load_broken(q, &layout);
		break;
	default:
		return VIOMMU_E_PEER;
	}
	q->reset = record[1];
	return VIOMMU_OK;
}
