/* SPDX-License-Identifier: BSD-3-Clause */
/* mmio_snapshot.c: save and restore of virtio-mmio, the device's side. docs/snapshot.md. */
#include "snapshot.h"

#include "../internal.h"

#define TYPE_MMIO SNAPSHOT_TYPE('m', 'm', 'i', 'o')
#define MMIO_SIZE 8u /* device id, vendor id */

uint64_t viommu_mmio_save_size(const struct viommu_mmio *mmio)
{
	VIOMMU_ASSERT(viommu_mmio_is_valid(mmio));
	return SNAPSHOT_FRAME + SNAPSHOT_SECTION + MMIO_SIZE + viommu_i_file_section_size(&mmio->file);
}

enum viommu_result viommu_mmio_save(const struct viommu_mmio *mmio, void *buf, size_t len, size_t *written)
{
	struct viommu_i_save s;

	VIOMMU_ASSERT(viommu_mmio_is_valid(mmio));
	if (mmio->file.registers->resetting)
		return VIOMMU_E_BUSY;
	if (viommu_i_save_begin(&s, buf, len, viommu_mmio_save_size(mmio)) != VIOMMU_OK)
		return VIOMMU_E_FULL;
	viommu_i_save_section(&s, TYPE_MMIO, MMIO_SIZE);
	viommu_i_save32(&s, mmio->device_id);
	viommu_i_save32(&s, mmio->vendor_id);
	viommu_i_file_save(&mmio->file, &s);
	*written = viommu_i_save_end(&s);
	return VIOMMU_OK;
}

static enum viommu_result judge(const struct viommu_mmio *mmio, struct viommu_i_load *l, const uint8_t **file)
{
	const uint8_t *ids = viommu_i_load_fixed(l, TYPE_MMIO, MMIO_SIZE);

	if (ids == NULL)
		return VIOMMU_E_PEER;
	if (viommu_i_get32(ids) != mmio->device_id || viommu_i_get32(ids + 4) != mmio->vendor_id)
		return VIOMMU_E_UNSUPP;
	return viommu_i_file_judge(&mmio->file, l, file);
}

enum viommu_result viommu_mmio_restore(struct viommu_mmio *mmio, const void *bytes, size_t len)
{
	struct viommu_i_load l;
	const uint8_t *file;
	enum viommu_result result;

	VIOMMU_ASSERT(viommu_mmio_is_valid(mmio));
	if (viommu_registers_is_resetting(mmio->file.registers))
		return VIOMMU_E_BUSY;
	result = viommu_i_load_begin(&l, bytes, len);
	if (result == VIOMMU_OK)
		result = judge(mmio, &l, &file);
	if (result != VIOMMU_OK)
		return result;
	viommu_i_file_load(&mmio->file, file);
	viommu_i_mmio_update_line(mmio);
	VIOMMU_ASSERT(viommu_mmio_is_valid(mmio));
	return VIOMMU_OK;
}
