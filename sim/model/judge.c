/* SPDX-License-Identifier: BSD-3-Clause */
#include "judge.h"

/* The mapping of the domain that begins at this address. */
static const struct sim_model_mapping *beginning_at(const struct sim_model *m, uint32_t domain, uint64_t iova)
{
	for (uint32_t i = 0; i < m->mapping_count; i++)
		if (m->mappings[i].domain == domain && m->mappings[i].first == iova)
			return &m->mappings[i];
	return NULL;
}

/* The last address up to which everything leads to what follows, with the same flags. */
static uint64_t last_contiguous(const struct sim_model *m, uint32_t index, uint64_t iova)
{
	const struct sim_model_endpoint *endpoint = &m->endpoints[index];
	const struct sim_model_mapping *at, *next;

	if (!endpoint->attached || endpoint->bypass)
		return UINT64_MAX;
	for (uint32_t i = 0; i < endpoint->region_count; i++)
		if (endpoint->regions[i].msi && endpoint->regions[i].first <= iova && iova <= endpoint->regions[i].last)
			return endpoint->regions[i].last;
	for (at = m->mappings; at->domain != endpoint->domain || iova < at->first || iova > at->last; at++)
		;
	while (at->last != UINT64_MAX && at->phys + (at->last - at->first) != UINT64_MAX) {
		next = beginning_at(m, endpoint->domain, at->last + 1);
		if (next == NULL || next->flags != at->flags || next->phys != at->phys + (at->last - at->first) + 1)
			break;
		at = next;
	}
	return at->last;
}

/* At least to the end of the granule, if so much was asked for and is there. */
static bool length_is_right(const struct sim_model *m, const struct sim_access *a, uint64_t length)
{
	uint64_t granule = m->page_size_mask & (~m->page_size_mask + 1);
	uint64_t in_granule = granule - a->iova % granule;
	uint64_t last = last_contiguous(m, a->index, a->iova);

	if (length < 1 || length > a->length || length - 1 > last - a->iova)
		return false;
	return length >= in_granule || length == a->length || length - 1 == last - a->iova;
}

enum sim_verdict sim_judge_translation(const struct sim_model *m, const struct sim_access *a, enum viommu_result result,
				       const struct viommu_translation *t, struct viommu_wire_fault *fault)
{
	struct sim_model_access want = sim_model_translate(m, a->index, a->iova, a->kind);

	if (result != (want.allowed ? VIOMMU_OK : VIOMMU_E_FAULT))
		return SIM_VERDICT_WRONG;
	if (!want.allowed) {
		*fault =
			(struct viommu_wire_fault){ want.reason, want.fault_flags, m->endpoints[a->index].id, a->iova };
		return SIM_VERDICT_FAULT;
	}
	if (t->gpa != want.gpa || t->flags != want.flags || t->msi != want.msi || !length_is_right(m, a, t->length))
		return SIM_VERDICT_WRONG;
	return SIM_VERDICT_RIGHT;
}

bool sim_judge_same_fault(const struct viommu_wire_fault *a, const struct viommu_wire_fault *b)
{
	return a->reason == b->reason && a->flags == b->flags && a->endpoint == b->endpoint && a->address == b->address;
}

static bool is_number(const uint8_t *p, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		if (p[i] != (uint8_t)(value >> (8 * i)))
			return false;
	return true;
}

bool sim_judge_config(const struct sim_model *m, const uint8_t bytes[VIOMMU_WIRE_CONFIG_SIZE])
{
	if (!is_number(bytes, m->page_size_mask, 8) || bytes[36] > 1 || !is_number(bytes + 37, 0, 3))
		return false;
	if ((m->offered & SIM_MODEL_F_INPUT_RANGE) != 0 &&
	    (!is_number(bytes + 8, m->input_first, 8) || !is_number(bytes + 16, m->input_last, 8)))
		return false;
	if ((m->offered & SIM_MODEL_F_DOMAIN_RANGE) != 0 &&
	    (!is_number(bytes + 24, m->domain_first, 4) || !is_number(bytes + 28, m->domain_last, 4)))
		return false;
	if ((m->offered & SIM_MODEL_F_PROBE) != 0 && !is_number(bytes + 32, m->probe_size, 4))
		return false;
	return (m->offered & SIM_MODEL_F_BYPASS_CONFIG) == 0 || bytes[36] == m->bypass;
}
