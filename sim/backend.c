/* SPDX-License-Identifier: BSD-3-Clause */
#include "backend.h"

#include <string.h>

#include "env/env.h"

void sim_backend_init(struct sim_backend *b, struct sim_backend_fault *fault)
{
	memset(b, 0, sizeof(*b));
	b->fault = fault;
}

void sim_backend_share(struct sim_backend *b, struct sim_backend *with)
{
	b->container = with->container != NULL ? with->container : with;
	with->container = b;
}

static void expect(struct sim_backend *b, bool holds, const char *rule)
{
	if (!holds && b->violation == NULL)
		b->violation = rule;
}

/* Is it this call's turn to fail? */
static bool is_due(struct sim_backend *b, enum sim_backend_hook hook)
{
	struct sim_backend_fault *fault = b->fault;
	bool due;

	if (fault == NULL)
		return false;
	fault->calls[hook]++;
	due = fault->at != 0 && fault->hook == hook &&
	      (fault->on ? fault->calls[hook] >= fault->at : fault->calls[hook] == fault->at);
	fault->failed += due;
	return due;
}

/* What is left of it. A real one has to see to that when the embedder is told. */
void sim_backend_lose(struct sim_backend *b)
{
	b->has_broken = true;
	b->place = SIM_BACKEND_NOWHERE;
	b->count = 0;
	b->prepared_count = 0;
	b->committed_count = 0;
}

static void break_down(struct sim_backend *b, const struct viommu_backend_change *change)
{
	sim_backend_lose(b);
	viommu_device_break_backend(change->dev, change->endpoint);
}

static bool overlaps(const struct viommu_mapping *m, viommu_iova first, viommu_iova last)
{
	return m->first <= last && first <= m->last;
}

static bool is_same(const struct viommu_backend_change *a, const struct viommu_backend_change *b)
{
	return a->type == b->type && a->bypass == b->bypass && a->must == b->must && a->domain == b->domain &&
	       a->mapping.first == b->mapping.first && a->mapping.last == b->mapping.last &&
	       a->mapping.phys == b->mapping.phys && a->mapping.flags == b->mapping.flags && a->dev == b->dev &&
	       a->endpoint == b->endpoint;
}

/* Every call, whatever it is. */
static void expect_sane(struct sim_backend *b, const struct viommu_backend_change *change)
{
	if (b->endpoint == NULL)
		b->endpoint = change->endpoint;
	expect(b, change->size == sizeof(*change), "a change has a size");
	expect(b, change->endpoint == b->endpoint, "it is told of its own endpoint");
	expect(b, !b->has_broken, "after it broke it is left alone");
	expect(b, b->is_quick ? viommu_device_is_valid(change->dev) : viommu_device_check(change->dev),
	       "hooks see a device that is sound");
}

/* What will be there when all that was prepared is committed: is there anything in the range? */
static bool will_have(const struct sim_backend *b, viommu_iova first, viommu_iova last)
{
	bool stays = b->prepared_count == 0 || b->prepared[0].type == VIOMMU_BACKEND_MAP;

	for (uint32_t i = 0; stays && i < b->count; i++) {
		if (overlaps(&b->mappings[i], first, last))
			return true;
	}
	for (uint32_t i = 0; i < b->prepared_count; i++) {
		if (b->prepared[i].type == VIOMMU_BACKEND_MAP && overlaps(&b->prepared[i].mapping, first, last))
			return true;
	}
	return false;
}

static void judge_map(struct sim_backend *b, const struct viommu_mapping *m)
{
	bool translated = b->place == SIM_BACKEND_TRANSLATED;

	if (b->prepared_count != 0) {
		translated = b->prepared[0].type == VIOMMU_BACKEND_ATTACH && !b->prepared[0].bypass;
		expect(b, b->committed_count == 0, "MAPs are prepared before the ATTACH is committed");
	}
	expect(b, translated, "a MAP is for an endpoint that goes through a map");
	expect(b, m->first <= m->last, "ranges are the right way round");
	expect(b, !will_have(b, m->first, m->last), "a MAP does not overlap what is there");
	if (b->prepared_count > 1)
		expect(b, b->prepared[b->prepared_count - 1].mapping.last < m->first, "MAPs come in order");
}

static void judge_unmap(struct sim_backend *b, const struct viommu_mapping *range)
{
	uint32_t inside = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		const struct viommu_mapping *m = &b->mappings[i];

		if (!overlaps(m, range->first, range->last))
			continue;
		inside++;
		expect(b, range->first <= m->first && m->last <= range->last, "an UNMAP cuts no mapping");
	}
	expect(b, inside > 0, "an UNMAP takes something away");
}

static void judge(struct sim_backend *b, const struct viommu_backend_change *change)
{
	expect_sane(b, change);
	if (change->type == VIOMMU_BACKEND_MAP) {
		judge_map(b, &change->mapping);
		return;
	}
	expect(b, b->prepared_count == 0, "each change is committed or aborted");
	if (change->type == VIOMMU_BACKEND_UNMAP)
		judge_unmap(b, &change->mapping);
}

/* One address space: whatever another one has there. */
static bool collides(const struct sim_backend *b, const struct viommu_mapping *m)
{
	for (const struct sim_backend *o = b->container; o != NULL && o != b; o = o->container) {
		if (will_have(o, m->first, m->last))
			return true;
	}
	return false;
}

static enum viommu_result turn_down(struct sim_backend *b, const struct viommu_backend_change *change,
				    enum viommu_result refusal)
{
	b->refusals++;
	if (change->must)
		sim_backend_lose(b);
	return refusal != VIOMMU_OK ? refusal : VIOMMU_E_NOMEM;
}

static enum viommu_result backend_prepare(void *ctx, const struct viommu_backend_change *change)
{
	struct sim_backend *b = ctx;

	judge(b, change);
	if (is_due(b, SIM_BACKEND_PREPARE)) {
		if (b->fault->breaks)
			break_down(b, change);
		return turn_down(b, change, b->fault->refusal);
	}
	if (sim_env_call(SIM_ENV_BACKEND_PREPARE, change->type, change->mapping.first))
		return turn_down(b, change, VIOMMU_E_NOMEM);
	if (change->type == VIOMMU_BACKEND_MAP) {
		if (collides(b, &change->mapping))
			return turn_down(b, change, VIOMMU_E_EXISTS);
		/* Behind an ATTACH there is one place more, which it has itself. */
		if (b->prepared_count > SIM_BACKEND_MAPPINGS ||
		    (b->prepared_count == 0 && b->count == SIM_BACKEND_MAPPINGS))
			return turn_down(b, change, VIOMMU_E_NOMEM);
	}
	b->prepared[b->prepared_count++] = *change;
	return VIOMMU_OK;
}

static void move_to(struct sim_backend *b, enum sim_backend_place place, uint32_t domain)
{
	b->place = (uint8_t)place;
	b->domain = domain;
	b->count = 0;
}

static void drop_range(struct sim_backend *b, const struct viommu_mapping *range)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		if (!overlaps(&b->mappings[i], range->first, range->last))
			b->mappings[kept++] = b->mappings[i];
	}
	b->count = kept;
}

static void backend_commit(void *ctx, const struct viommu_backend_change *change)
{
	struct sim_backend *b = ctx;

	expect_sane(b, change);
	expect(b, b->committed_count < b->prepared_count && is_same(&b->prepared[b->committed_count], change),
	       "a commit follows its prepare");
	if (is_due(b, SIM_BACKEND_COMMIT) ||
	    sim_env_call(SIM_ENV_BACKEND_COMMIT, change->type, change->mapping.first)) {
		break_down(b, change);
		return;
	}
	switch (change->type) {
	case VIOMMU_BACKEND_ATTACH:
		move_to(b, change->bypass ? SIM_BACKEND_EVERYWHERE : SIM_BACKEND_TRANSLATED, change->domain);
		break;
	case VIOMMU_BACKEND_DETACH:
		move_to(b, change->bypass ? SIM_BACKEND_EVERYWHERE : SIM_BACKEND_NOWHERE, 0);
		break;
	case VIOMMU_BACKEND_MAP:
		b->mappings[b->count++] = change->mapping;
		break;
	default:
		drop_range(b, &change->mapping);
		break;
	}
	if (++b->committed_count == b->prepared_count) {
		b->prepared_count = 0;
		b->committed_count = 0;
	}
}

static void backend_abort(void *ctx, const struct viommu_backend_change *change)
{
	struct sim_backend *b = ctx;

	expect_sane(b, change);
	expect(b, b->prepared_count > 0 && b->committed_count == 0 && is_same(&b->prepared[0], change),
	       "an abort follows its prepare");
	b->prepared_count = 0;
	if (is_due(b, SIM_BACKEND_ABORT) || sim_env_call(SIM_ENV_BACKEND_ABORT, change->type, change->mapping.first))
		break_down(b, change);
}

const struct viommu_backend_ops sim_backend_ops = {
	.size = sizeof(struct viommu_backend_ops),
	.prepare = backend_prepare,
	.commit = backend_commit,
	.abort = backend_abort,
};

static bool has_mapping(const struct sim_backend *b, const struct viommu_mapping *m)
{
	for (uint32_t i = 0; i < b->count; i++) {
		const struct viommu_mapping *own = &b->mappings[i];

		if (own->first == m->first)
			return own->last == m->last && own->phys == m->phys && own->flags == m->flags;
	}
	return false;
}

bool sim_backend_agrees(const struct sim_backend *b, const struct viommu_device *dev)
{
	struct viommu_mapping m;
	uint32_t count = 0;
	viommu_iova from = 0;

	if (b->endpoint == NULL || b->violation != NULL || b->prepared_count != 0)
		return false;
	if (viommu_device_endpoint_is_broken(dev, b->endpoint) || b->has_broken)
		return b->has_broken && viommu_device_endpoint_is_broken(dev, b->endpoint) && b->count == 0 &&
		       b->place == SIM_BACKEND_NOWHERE;
	while (viommu_device_next_mapping(dev, b->endpoint, from, &m)) {
		if (!has_mapping(b, &m))
			return false;
		count++;
		if (m.last == UINT64_MAX)
			break;
		from = m.last + 1;
	}
	return count == b->count && (count == 0 || b->place == SIM_BACKEND_TRANSLATED);
}

bool sim_backend_reaches(const struct sim_backend *b, viommu_iova iova, viommu_gpa *gpa, uint32_t *flags)
{
	*gpa = iova;
	*flags = VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE;
	for (uint32_t i = 0; i < b->count; i++) {
		const struct viommu_mapping *m = &b->mappings[i];

		if (overlaps(m, iova, iova)) {
			*gpa = m->phys + (iova - m->first);
			*flags = m->flags;
			return true;
		}
	}
	return b->place == SIM_BACKEND_EVERYWHERE;
}
