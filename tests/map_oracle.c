/* SPDX-License-Identifier: BSD-3-Clause */
#include "map_oracle.h"

#include "sim/env/env.h"

const unsigned granules[4] = { 8, 12, 16, 21 };

static bool overlaps(const struct viommu_mapping *m, uint64_t first, uint64_t last)
{
	return m->first <= last && first <= m->last;
}

static enum viommu_result oracle_insert(struct oracle *o, const struct viommu_mapping *m)
{
	size_t i = 0;

	if (m->last < m->first || m->flags > 15 || m->phys + (m->last - m->first) < m->phys)
		return VIOMMU_E_ARG;
	if (m->first % o->granule != 0 || (m->last + 1) % o->granule != 0 || m->phys % o->granule != 0)
		return VIOMMU_E_RANGE;
	for (size_t k = 0; k < o->count; k++) {
		if (overlaps(&o->at[k], m->first, m->last))
			return VIOMMU_E_EXISTS;
	}
	assert_true(o->count < ORACLE_MAX);
	while (i < o->count && o->at[i].first < m->first)
		i++;
	memmove(&o->at[i + 1], &o->at[i], (o->count - i) * sizeof(o->at[0]));
	o->at[i] = *m;
	o->count++;
	return VIOMMU_OK;
}

static enum viommu_result oracle_remove(struct oracle *o, uint64_t first, uint64_t last)
{
	size_t left = 0;

	if (last < first)
		return VIOMMU_E_ARG;
	for (size_t i = 0; i < o->count; i++) {
		if (overlaps(&o->at[i], first, last) && (o->at[i].first < first || o->at[i].last > last))
			return VIOMMU_E_RANGE;
	}
	for (size_t i = 0; i < o->count; i++) {
		if (!overlaps(&o->at[i], first, last))
			o->at[left++] = o->at[i];
	}
	o->count = left;
	return VIOMMU_OK;
}

/* The mapping that contains `from`, or the first one behind it. */
static const struct viommu_mapping *oracle_next(const struct oracle *o, uint64_t from)
{
	for (size_t i = 0; i < o->count; i++) {
		if (o->at[i].last >= from)
			return &o->at[i];
	}
	return NULL;
}

const struct viommu_mapping *oracle_find(const struct oracle *o, uint64_t iova)
{
	const struct viommu_mapping *m = oracle_next(o, iova);

	return m != NULL && m->first <= iova ? m : NULL;
}

enum viommu_result oracle_set_flags(struct oracle *o, uint64_t first, uint64_t last, uint32_t flags)
{
	if (flags > 15)
		return VIOMMU_E_ARG;
	for (size_t i = 0; i < o->count; i++) {
		if (o->at[i].first == first && o->at[i].last == last) {
			o->at[i].flags = flags;
			return VIOMMU_OK;
		}
	}
	return VIOMMU_E_NOENT;
}

void bench_init(struct bench *b, size_t nodes, size_t count)
{
	memset(b, 0, sizeof(*b));
	b->mem = sim_env_zalloc(nodes * VIOMMU_MAP_NODE_SIZE);
	b->pairs = sim_env_zalloc(count * sizeof(*b->pairs));
	b->count = count;
	viommu_map_pool_init(&b->pool);
	assert_int_equal(viommu_map_pool_add(&b->pool, b->mem, nodes * VIOMMU_MAP_NODE_SIZE), VIOMMU_OK);
	assert_int_equal(viommu_map_pool_total(&b->pool), nodes);
	assert_int_equal(viommu_map_pool_free(&b->pool), nodes);
}

struct pair *bench_map(struct bench *b, size_t i, unsigned granule_bits)
{
	struct pair *p = &b->pairs[i];

	viommu_map_init(&p->map, &b->pool, granule_bits);
	p->oracle.granule = UINT64_C(1) << granule_bits;
	p->oracle.count = 0;
	assert_true(viommu_map_is_empty(&p->map));
	assert_true(viommu_map_check(&p->map));
	return p;
}

void recycle(struct bench *b)
{
	viommu_map_pool_retire(&b->pool, &b->limbo);
	assert_int_equal(b->limbo.first, 0);
	assert_int_equal(b->limbo.last, 0);
	assert_true(viommu_map_pool_check(&b->pool));
	(void)viommu_map_pool_reclaim(&b->pool, UINT32_MAX);
	assert_true(viommu_map_pool_check(&b->pool));
}

void bench_done(struct bench *b)
{
	for (size_t i = 0; i < b->count; i++) {
		viommu_map_clear(&b->pairs[i].map, &b->limbo);
		assert_true(viommu_map_is_empty(&b->pairs[i].map));
		assert_true(viommu_map_check(&b->pairs[i].map));
	}
	recycle(b);
	assert_int_equal(viommu_map_pool_free(&b->pool), viommu_map_pool_total(&b->pool));
	assert_int_equal(viommu_map_pool_reclaim(&b->pool, UINT32_MAX), 0);
	sim_env_free(b->pairs);
	sim_env_free(b->mem);
}

void assert_lookup_agrees(const struct pair *p, uint64_t iova)
{
	const struct viommu_mapping *m = oracle_find(&p->oracle, iova);
	struct viommu_mapping out;

	assert_int_equal(viommu_map_lookup(&p->map, iova, &out), m != NULL);
	if (m == NULL)
		return;
	assert_int_equal(out.first, iova);
	assert_int_equal(out.phys, m->phys + (iova - m->first));
	assert_int_equal(out.flags, m->flags);
	assert_true(out.last >= (iova | (p->oracle.granule - 1)));
	assert_true(out.last <= m->last);
}

void assert_next_agrees(const struct pair *p, uint64_t from)
{
	const struct viommu_mapping *m = oracle_next(&p->oracle, from);
	struct viommu_mapping out;

	assert_int_equal(viommu_map_next(&p->map, from, &out), m != NULL);
	if (m == NULL)
		return;
	assert_int_equal(out.first, m->first);
	assert_int_equal(out.last, m->last);
	assert_int_equal(out.phys, m->phys);
	assert_int_equal(out.flags, m->flags);
}

void assert_same_content(const struct pair *p)
{
	struct viommu_mapping out = { .last = TOP };
	size_t found = 0;

	assert_true(viommu_map_check(&p->map));
	assert_true(viommu_map_pool_check(p->map.pool));
	assert_int_equal(viommu_map_is_empty(&p->map), p->oracle.count == 0);
	while (viommu_map_next(&p->map, out.last + 1, &out)) {
		const struct viommu_mapping *m = &p->oracle.at[found];

		assert_true(found < p->oracle.count);
		assert_int_equal(out.first, m->first);
		assert_int_equal(out.last, m->last);
		assert_int_equal(out.phys, m->phys);
		assert_int_equal(out.flags, m->flags);
		assert_lookup_agrees(p, m->first - 1);
		assert_lookup_agrees(p, m->first);
		assert_lookup_agrees(p, m->last);
		assert_lookup_agrees(p, m->last + 1);
		found++;
		if (out.last == TOP)
			break;
	}
	assert_int_equal(found, p->oracle.count);
}

enum viommu_result insert_mapping(struct bench *b, struct pair *p, const struct viommu_mapping *m)
{
	uint32_t free_before = viommu_map_pool_free(&b->pool), free_after;
	enum viommu_result r = viommu_map_insert(&p->map, m->first, m->last, m->phys, m->flags);
	bool one_granule = m->last - m->first < p->oracle.granule;
	uint32_t most = one_granule ? INSERT_NODES_ONE_GRANULE : INSERT_NODES_MAX;

	free_after = viommu_map_pool_free(&b->pool);
	if (r == VIOMMU_E_NOMEM) {
		struct oracle copy = p->oracle;

		assert_int_equal(oracle_insert(&copy, m), VIOMMU_OK);
		assert_true(free_after >= free_before);
		(void)viommu_map_pool_reclaim(&b->pool, UINT32_MAX); /* retired nodes do not excuse it */
		assert_true(viommu_map_pool_free(&b->pool) < most);
		return r;
	}
	assert_int_equal(r, oracle_insert(&p->oracle, m));
	if (r != VIOMMU_OK)
		assert_int_equal(free_after, free_before);
	else if (free_before >= most)
		assert_true(free_before - free_after <= most);
	return r;
}

enum viommu_result insert(struct bench *b, struct pair *p, uint64_t first, uint64_t last, uint64_t phys, uint32_t flags)
{
	const struct viommu_mapping m = { .first = first, .last = last, .phys = phys, .flags = flags };

	return insert_mapping(b, p, &m);
}

enum viommu_result take_out(struct bench *b, struct pair *p, uint64_t first, uint64_t last)
{
	uint32_t free_before = viommu_map_pool_free(&b->pool);
	struct viommu_map_limbo limbo_before = b->limbo;
	enum viommu_result r = viommu_map_remove(&p->map, first, last, &b->limbo);

	assert_int_equal(r, oracle_remove(&p->oracle, first, last));
	/* What was cut out is in limbo, not in the pool. */
	assert_int_equal(viommu_map_pool_free(&b->pool), free_before);
	if (r != VIOMMU_OK)
		assert_memory_equal(&b->limbo, &limbo_before, sizeof(limbo_before));
	return r;
}
