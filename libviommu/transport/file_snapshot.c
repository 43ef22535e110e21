/* SPDX-License-Identifier: BSD-3-Clause */
/* file_snapshot.c: save and restore of the registers that all transports have. docs/snapshot.md. */
#include "snapshot.h"

#define TYPE_FILE SNAPSHOT_TYPE('f', 'i', 'l', 'e')

/* How many queues; selectors of features and queue; the vector of configuration changes; interrupts; the queues. */
#define FILE_DEVICE_SELECT 4u
#define FILE_DRIVER_SELECT 8u
#define FILE_QUEUE_SELECT 12u
#define FILE_VECTOR 16u
#define FILE_PENDING 20u
#define FILE_QUEUES 24u

/* A queue: size, vector, where its three parts are. */
#define QUEUE_VECTOR 4u
#define QUEUE_DESC 8u
#define QUEUE_AVAIL 16u
#define QUEUE_USED 24u
#define QUEUE_SIZE 32u

static uint64_t section_len(const struct viommu_register_file *file)
{
	return FILE_QUEUES + (uint64_t)file->registers->queue_count * QUEUE_SIZE;
}

uint64_t viommu_i_file_section_size(const struct viommu_register_file *file)
{
	return SNAPSHOT_SECTION + section_len(file);
}

void viommu_i_file_save(const struct viommu_register_file *file, struct viommu_i_save *s)
{
	viommu_i_save_section(s, TYPE_FILE, section_len(file));
	viommu_i_save32(s, file->registers->queue_count);
	viommu_i_save32(s, file->device_select);
	viommu_i_save32(s, file->driver_select);
	viommu_i_save32(s, file->queue_select);
	viommu_i_save32(s, file->config_vector);
	viommu_i_save32(s, file->pending);
	for (uint32_t i = 0; i < file->registers->queue_count; i++) {
		const struct viommu_register_queue *q = &file->queues[i];

		viommu_i_save32(s, q->layout.size);
		viommu_i_save32(s, q->vector);
		viommu_i_save64(s, q->layout.desc);
		viommu_i_save64(s, q->layout.avail);
		viommu_i_save64(s, q->layout.used);
	}
}

static const uint8_t *nth_queue(const uint8_t *bytes, uint32_t n)
{
	return bytes + FILE_QUEUES + (size_t)n * QUEUE_SIZE;
}

static bool vector_is_there(const struct viommu_register_file *file, uint32_t vector)
{
	return vector < file->vector_count || vector == VIOMMU_REGISTER_NO_VECTOR;
}

/* While it is in use, what the driver reads is where it is. */
static bool is_where_it_says(const struct viommu_virtq_device *q, const uint8_t *record)
{
	return q->state == VIOMMU_VIRTQ_OFF ||
	       (viommu_i_get32(record) == q->size && viommu_i_get64(record + QUEUE_DESC) == q->desc_gpa &&
		viommu_i_get64(record + QUEUE_AVAIL) == q->avail_gpa &&
		viommu_i_get64(record + QUEUE_USED) == q->used_gpa);
}

enum viommu_result viommu_i_file_judge(const struct viommu_register_file *file, struct viommu_i_load *l,
				       const uint8_t **bytes)
{
	struct viommu_i_section section;

	if (!viommu_i_load_section(l, TYPE_FILE, &section) || section.len < FILE_QUEUES || l->left != 0)
		return VIOMMU_E_PEER;
	if (viommu_i_get32(section.bytes) != file->registers->queue_count)
		return VIOMMU_E_UNSUPP;
	if (section.len != section_len(file) || !vector_is_there(file, viommu_i_get32(section.bytes + FILE_VECTOR)) ||
	    viommu_i_get32(section.bytes + FILE_PENDING) > (VIOMMU_INTERRUPT_USED | VIOMMU_INTERRUPT_CONFIG))
		return VIOMMU_E_PEER;
	for (uint32_t i = 0; i < file->registers->queue_count; i++) {
		const uint8_t *record = nth_queue(section.bytes, i);

		if (!vector_is_there(file, viommu_i_get32(record + QUEUE_VECTOR)) ||
		    !is_where_it_says(&file->registers->queues[i], record))
			return VIOMMU_E_PEER;
	}
	*bytes = section.bytes;
	return VIOMMU_OK;
}

void viommu_i_file_load(struct viommu_register_file *file, const uint8_t *bytes)
{
	file->device_select = viommu_i_get32(bytes + FILE_DEVICE_SELECT);
	file->driver_select = viommu_i_get32(bytes + FILE_DRIVER_SELECT);
	file->queue_select = viommu_i_file_queue_select(bytes);
	file->config_vector = (uint16_t)viommu_i_get32(bytes + FILE_VECTOR);
	file->pending = (uint8_t)viommu_i_get32(bytes + FILE_PENDING);
	for (uint32_t i = 0; i < file->registers->queue_count; i++) {
		const uint8_t *record = nth_queue(bytes, i);

		file->queues[i] = (struct viommu_register_queue){
			.layout.size = viommu_i_get32(record),
			.layout.desc = viommu_i_get64(record + QUEUE_DESC),
			.layout.avail = viommu_i_get64(record + QUEUE_AVAIL),
			.layout.used = viommu_i_get64(record + QUEUE_USED),
			.vector = (uint16_t)viommu_i_get32(record + QUEUE_VECTOR),
		};
	}
}

uint32_t viommu_i_file_queue_select(const uint8_t *bytes)
{
	return viommu_i_get32(bytes + FILE_QUEUE_SELECT);
}

uint32_t viommu_i_file_queue_size(const uint8_t *bytes, uint32_t queue)
{
	return viommu_i_get32(nth_queue(bytes, queue));
}
