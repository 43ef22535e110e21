/* SPDX-License-Identifier: BSD-3-Clause */
/* dirty.c: notes which pages are written to. */
#include <viommu/dirty.h>

#include "core.h"

#include "../internal.h"

#define WORD_BITS 32u

static bool log_is_valid(const struct viommu_dirty_log *log)
{
	uint64_t page;

	if (log->bits == NULL || log->pages == 0 || log->page_bits < 8 || log->page_bits > 32)
		return false;
	page = viommu_port_shl64(1, log->page_bits);
	if ((log->first & (page - 1)) != 0)
		return false;
	/* Counted in pages, so that a log may reach up to 2^64. */
	return log->pages - 1 <= viommu_port_shr64(UINT64_MAX - log->first, log->page_bits);
}

enum viommu_result viommu_device_set_dirty_log(struct viommu_device *dev, struct viommu_endpoint *endpoint,
					       struct viommu_dirty_log *log)
{
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	if (log != NULL && !log_is_valid(log))
		return VIOMMU_E_ARG;
	if (endpoint->is_removed)
		return VIOMMU_E_STATE;
	viommu_port_set_pointer(&endpoint->dirty_log, log);
	viommu_device_memory_changed(dev);
	return VIOMMU_OK;
}

/* Bits from `from` up to `to`, both included. Most are set already, by an earlier access: then nothing is stored. */
static void set_bits(uint32_t *word, uint32_t from, uint32_t to)
{
	uint32_t bits = (UINT32_MAX >> (WORD_BITS - 1 - (to - from))) << from;

	if ((~viommu_port_get32(word) & bits) != 0)
		(void)viommu_port_mark32(word, bits);
}

void viommu_i_dirty_note(struct viommu_dirty_log *log, viommu_gpa first, viommu_gpa last)
{
	uint64_t page, last_page;

	if (first < log->first) {
		viommu_port_set32(&log->outside, 1);
		if (last < log->first)
			return;
		first = log->first;
	}
	page = viommu_port_shr64(first - log->first, log->page_bits);
	last_page = viommu_port_shr64(last - log->first, log->page_bits);
	if (last_page >= log->pages) {
		viommu_port_set32(&log->outside, 1);
		if (page >= log->pages)
			return;
		last_page = log->pages - 1;
	}
	for (;;) {
		uint64_t word = page / WORD_BITS;
		bool ends = word == last_page / WORD_BITS;

		set_bits(&log->bits[word], (uint32_t)(page % WORD_BITS),
			 ends ? (uint32_t)(last_page % WORD_BITS) : WORD_BITS - 1);
		if (ends)
			return;
		page = (word + 1) * WORD_BITS;
	}
}
