/* SPDX-License-Identifier: BSD-3-Clause */
/* memory.c: guest-physical memory through the embedder's callbacks, and the ready-made table of regions. */
#include <viommu/memory.h>

#include "memory.h"

enum viommu_result viommu_i_memory_ops_check(const struct viommu_memory_ops *ops)
{
	if (ops->size != sizeof *ops)
		return VIOMMU_E_ABI;
	if ((ops->read == NULL) != (ops->write == NULL))
		return VIOMMU_E_ARG;
	return ops->resolve == NULL && ops->read == NULL ? VIOMMU_E_ARG : VIOMMU_OK;
}

const struct viommu_memory_region viommu_i_memory_nowhere = { .first = 1, .last = 0 };

void *viommu_memory_pointer(const struct viommu_memory *memory, viommu_gpa gpa, uint64_t len, uint32_t kind)
{
	uint64_t got = len;
	void *host;

	if (len == 0 || len - 1 > UINT64_MAX - gpa)
		return NULL;
	host = viommu_i_memory_piece(memory, gpa, kind, &got);
	return got == len ? host : NULL;
}

bool viommu_i_memory_fetch(const struct viommu_memory *memory, viommu_gpa gpa, void *dst, size_t len)
{
	return memory->ops->read != NULL && memory->ops->read(memory->ctx, gpa, dst, len);
}

bool viommu_i_memory_store(const struct viommu_memory *memory, viommu_gpa gpa, const void *src, size_t len)
{
	return memory->ops->write != NULL && memory->ops->write(memory->ctx, gpa, src, len);
}

/* How much of [gpa, gpa + len) lies below the top of the address space: there is no memory behind it. */
static size_t cut_at_top(viommu_gpa gpa, size_t len)
{
	uint64_t below = UINT64_MAX - gpa; /* bytes behind the first one */

	return len != 0 && len - 1 > below ? (size_t)below + 1 : len;
}

size_t viommu_memory_read(const struct viommu_memory *memory, viommu_gpa gpa, void *dst, size_t len)
{
	size_t want = cut_at_top(gpa, len);
	size_t done = 0;

	while (done < want) {
		uint64_t n = want - done;
		const void *host = viommu_i_memory_piece(memory, gpa + done, VIOMMU_ACCESS_READ, &n);

		if (host == NULL)
			break;
		viommu_port_copy_in((uint8_t *)dst + done, host, (size_t)n);
		done += (size_t)n;
	}
	if (done < want && viommu_i_memory_fetch(memory, gpa + done, (uint8_t *)dst + done, want - done))
		return want;
	return done;
}

size_t viommu_memory_write(const struct viommu_memory *memory, viommu_gpa gpa, const void *src, size_t len)
{
	size_t want = cut_at_top(gpa, len);
	size_t done = 0;

	while (done < want) {
		uint64_t n = want - done;
		void *host = viommu_i_memory_piece(memory, gpa + done, VIOMMU_ACCESS_WRITE, &n);

		if (host == NULL)
			break;
		viommu_port_copy_out(host, (const uint8_t *)src + done, (size_t)n);
		done += (size_t)n;
	}
	if (done < want && viommu_i_memory_store(memory, gpa + done, (const uint8_t *)src + done, want - done))
		return want;
	return done;
}

/* The regions of a table at one of its generations. */
struct table_state {
	const struct viommu_memory_region *regions;
	uint32_t count;
	uint64_t generation;
};

/* A pointer to regions is one to anything else, for those who set it while others get it. */
static const void *const *regions_at(const struct viommu_memory_region *const *p)
{
	return (const void *const *)p;
}

/*
 * Even generations have one place in the table, odd ones the other. What was got from either is of one generation if
 * this has not passed meanwhile: its place is written again for the one after the next. So nobody waits for who sets
 * it, and whoever begins anew does so because it was set meanwhile.
 */
static struct table_state table_state(const struct viommu_memory_table *table)
{
	struct table_state state;

	do {
		bool odd;

		state.generation = viommu_port_get64(&table->generation);
		odd = (state.generation & 1) != 0;
		state.regions = viommu_port_get_pointer(regions_at(odd ? &table->odd_regions : &table->regions));
		state.count = viommu_port_get32(odd ? &table->odd_count : &table->count);
	} while (viommu_port_get64(&table->generation) != state.generation);
	return state;
}

/* The region that holds gpa, or NULL. */
static const struct viommu_memory_region *find_region(const struct table_state *state, viommu_gpa gpa)
{
	uint32_t begin = 0;
	uint32_t end = state->count;

	while (begin < end) {
		uint32_t middle = begin + (end - begin) / 2;
		const struct viommu_memory_region *r = &state->regions[middle];

		if (gpa < r->first)
			end = middle;
		else if (gpa > r->last)
			begin = middle + 1;
		else
			return r;
	}
	return NULL;
}

/* What the region says of gpa, which is in it. */
static void *resolve_in(const struct viommu_memory_region *r, viommu_gpa gpa, uint32_t kind, uint64_t *len)
{
	if ((kind & ~r->kind) != 0)
		return NULL;
	if (*len - 1 > r->last - gpa)
		*len = r->last - gpa + 1;
	return viommu_i_memory_host(r, gpa);
}

static void *table_resolve(void *ctx, viommu_gpa gpa, uint32_t kind, uint64_t *len)
{
	const struct table_state state = table_state(ctx);
	const struct viommu_memory_region *r = find_region(&state, gpa);

	return r != NULL ? resolve_in(r, gpa, kind, len) : NULL;
}

const struct viommu_memory_ops viommu_memory_table_ops = {
	.size = sizeof(struct viommu_memory_ops),
	.resolve = table_resolve,
};

static bool region_is_valid(const struct viommu_memory_region *r)
{
	if (r->first > r->last || r->last - r->first > UINTPTR_MAX - (uintptr_t)r->host)
		return false;
	return r->host != NULL &&
	       (r->kind == VIOMMU_ACCESS_READ || r->kind == (VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE));
}

bool viommu_memory_regions_are_valid(const struct viommu_memory_region *regions, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!region_is_valid(&regions[i]) || (i > 0 && regions[i].first <= regions[i - 1].last))
			return false;
	}
	return true;
}

static bool are_a_table(const struct viommu_memory_region *regions, uint32_t count)
{
	return (regions != NULL || count == 0) && viommu_memory_regions_are_valid(regions, count);
}

enum viommu_result viommu_memory_table_init(struct viommu_memory_table *table,
					    const struct viommu_memory_region *regions, uint32_t count)
{
	*table = (struct viommu_memory_table){ .regions = regions, .count = count };
	return are_a_table(regions, count) ? VIOMMU_OK : VIOMMU_E_ARG;
}

enum viommu_result viommu_memory_table_set(struct viommu_memory_table *table,
					   const struct viommu_memory_region *regions, uint32_t count)
{
	uint64_t generation = table->generation + 1;
	bool odd = (generation & 1) != 0;

	if (!are_a_table(regions, count))
		return VIOMMU_E_ARG;
	viommu_port_set_pointer((const void **)regions_at(odd ? &table->odd_regions : &table->regions), regions);
	viommu_port_set32(odd ? &table->odd_count : &table->count, count);
	viommu_port_set64(&table->generation, generation);
	VIOMMU_ASSERT(viommu_memory_table_is_valid(table));
	return VIOMMU_OK;
}

void viommu_memory_view_init(struct viommu_memory_view *view, const struct viommu_memory_table *table)
{
	*view = (struct viommu_memory_view){ .table = table, .recent = viommu_i_memory_nowhere };
}

static void *view_resolve(void *ctx, viommu_gpa gpa, uint32_t kind, uint64_t *len)
{
	struct viommu_memory_view *view = ctx;

	if (view->generation != viommu_port_get64(&view->table->generation) || gpa < view->recent.first ||
	    gpa > view->recent.last) {
		const struct table_state state = table_state(view->table);
		const struct viommu_memory_region *r = find_region(&state, gpa);

		if (r == NULL)
			return NULL;
		view->recent = *r;
		view->generation = state.generation;
	}
	return resolve_in(&view->recent, gpa, kind, len);
}

const struct viommu_memory_ops viommu_memory_view_ops = {
	.size = sizeof(struct viommu_memory_ops),
	.resolve = view_resolve,
};
