/* SPDX-License-Identifier: BSD-3-Clause */
/* access.c: the data path: sections, translation, and copies through it. */
#include "cache.h"

#include "../internal.h"

/* How many lookups one translation spends on finding a longer contiguous piece. */
#define CONTIGUOUS_LOOKUPS 4

/* As many as can be counted, beside the bit. */
#define OPEN_MAX (UINT32_MAX - OPEN_AWAITED)

/* A copy within the address space goes through this much of the stack. */
#define COPY_BYTES 256u

#define IDENTITY_FLAGS (VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)

void viommu_access_init(struct viommu_access *access, struct viommu_device *dev, struct viommu_endpoint *endpoint)
{
	VIOMMU_ASSERT(viommu_endpoint_is_valid(endpoint) && !endpoint->is_removed);
	memset(access, 0, sizeof *access);
	access->dev = dev;
	access->endpoint = endpoint;
	access->granule_bits = dev->granule_bits;
	access->flipped = dev->epoch;
	access->drained = dev->epoch;
	access->next = endpoint->contexts;
	endpoint->contexts = access;
	VIOMMU_ASSERT(viommu_access_is_valid(access));
}

/* For whoever opened it: others may end other ones at this moment. */
static bool has_section(const struct viommu_access *access)
{
	return (viommu_port_get32(&access->open[0]) | viommu_port_get32(&access->open[1])) >= OPEN_SECTION;
}

enum viommu_result viommu_access_deinit(struct viommu_access *access)
{
	struct viommu_access **link = &access->endpoint->contexts;

	VIOMMU_ASSERT(viommu_access_is_valid(access));
	if (has_section(access))
		return VIOMMU_E_STATE;
	viommu_i_fault_leave(access);
	while (*link != access)
		link = &(*link)->next;
	*link = access->next;
	return VIOMMU_OK;
}

enum viommu_result viommu_access_begin(struct viommu_access *access, struct viommu_access_token *token)
{
	uint32_t phase = viommu_port_get32(&access->current);

	VIOMMU_ASSERT(phase <= 1); /* the owner's members are its own */
	if (viommu_port_get32(&access->open[phase]) >= OPEN_MAX)
		return VIOMMU_E_FULL;
	token->phase = phase;
	viommu_port_enter32(&access->open[phase], OPEN_SECTION);
	return VIOMMU_OK;
}

void viommu_access_end(struct viommu_access *access, struct viommu_access_token token)
{
	uint32_t *open = &access->open[token.phase & 1];
	struct viommu_device *dev = access->dev; /* once the last section has ended, the context may be gone */

	if (viommu_port_get32(open) < OPEN_SECTION)
		return;
	if (viommu_port_leave32(open, OPEN_SECTION) == OPEN_AWAITED)
		viommu_i_work_pending(dev);
}

/* The MSI region of the endpoint, if iova is in it. */
static const struct viommu_resv_region *doorbell(const struct viommu_endpoint *endpoint, viommu_iova iova)
{
	for (uint32_t i = 0; i < endpoint->region_count; i++) {
		const struct viommu_resv_region *r = &endpoint->regions[i];

		if (r->subtype == VIOMMU_RESV_MEM_MSI && r->range.first <= iova && iova <= r->range.last)
			return r;
	}
	return NULL;
}

/* [iova, last] leads to gpa. It is no longer than what was asked for, so its length is one that fits. */
static void set_piece(struct viommu_translation *out, viommu_iova iova, viommu_iova last, viommu_gpa gpa,
		      uint32_t flags)
{
	out->gpa = gpa;
	out->length = last - iova + 1;
	out->flags = flags;
	out->msi = false;
}

/* Goes on behind *m while what follows is mapped to what follows, with the same flags. */
static void extend(const struct viommu_map *map, struct viommu_mapping *m, viommu_iova last)
{
	for (int i = 0; i < CONTIGUOUS_LOOKUPS && m->last < last; i++) {
		struct viommu_mapping more;

		if (m->phys + (m->last - m->first) == UINT64_MAX)
			return; /* what follows at 0 is not contiguous */
		if (!viommu_map_lookup(map, m->last + 1, &more) || more.flags != m->flags ||
		    more.phys != m->phys + (m->last - m->first) + 1)
			return;
		m->last = more.last;
	}
}

static VIOMMU_NOINLINE enum viommu_result note(const void *log, const struct viommu_translation *t)
{
	viommu_i_dirty_note((struct viommu_dirty_log *)(uintptr_t)log, t->gpa, t->gpa + (t->length - 1));
	return VIOMMU_OK;
}

/* An answer that leads to memory: what may be written is noted, if somebody wants to know. */
static enum viommu_result answer(const struct viommu_access *access, uint32_t kind, const struct viommu_translation *t)
{
	const void *log;

	if ((kind & VIOMMU_ACCESS_WRITE) == 0)
		return VIOMMU_OK;
	log = viommu_port_get_pointer(&access->endpoint->dirty_log);
	return log != NULL ? note(log, t) : VIOMMU_OK;
}

/* What nobody remembers: by way of what the endpoint sees now. */
static VIOMMU_NOINLINE enum viommu_result look(struct viommu_access *access, viommu_iova iova, uint64_t length,
					       uint32_t kind, struct viommu_translation *out)
{
	/* The place first, and with it its generation: before anything that the answer hangs on. */
	struct cache_place place = cache_place(access, iova);
	const struct viommu_endpoint *endpoint = access->endpoint;
	const struct viommu_domain *domain = viommu_port_get_pointer(&endpoint->view);
	viommu_iova last = length - 1 > UINT64_MAX - iova ? UINT64_MAX : iova + (length - 1);
	const struct viommu_resv_region *msi;
	struct viommu_mapping m = { 0 };

	if (domain == NULL) {
		viommu_i_fault_raise(access, VIOMMU_FAULT_R_DOMAIN, kind, iova);
		return VIOMMU_E_FAULT;
	}
	if (domain->bypass) {
		set_piece(out, iova, last, iova, IDENTITY_FLAGS);
		return answer(access, kind, out);
	}
	msi = doorbell(endpoint, iova);
	if (msi != NULL) {
		set_piece(out, iova, last < msi->range.last ? last : msi->range.last, iova, IDENTITY_FLAGS);
		out->msi = true;
		return VIOMMU_OK; /* a write to it is none to memory */
	}
	if (!viommu_map_lookup(&domain->map, iova, &m) || (kind & ~m.flags) != 0) {
		viommu_i_fault_raise(access, VIOMMU_FAULT_R_MAPPING, kind & ~m.flags, iova);
		return VIOMMU_E_FAULT;
	}
	cache_keep(&place, &m); /* this mapping alone */
	extend(&domain->map, &m, last);
	set_piece(out, iova, last < m.last ? last : m.last, m.phys, m.flags);
	return answer(access, kind, out);
}

enum viommu_result viommu_access_translate(struct viommu_access *access, viommu_iova iova, uint64_t length,
					   uint32_t kind, struct viommu_translation *out)
{
	if (length == 0 || kind == 0 || (kind & ~(uint32_t)(VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE)) != 0)
		return VIOMMU_E_ARG;
	if (!has_section(access))
		return VIOMMU_E_STATE;
	if (cache_hits(access, iova, length, kind, out))
		return answer(access, kind, out);
	return look(access, iova, length, kind, out);
}

/* What a copy does to one piece. */
static size_t copy_piece(const struct viommu_memory *memory, viommu_gpa gpa, uint8_t *bytes, size_t len, uint32_t kind)
{
	if (kind == VIOMMU_ACCESS_READ)
		return viommu_memory_read(memory, gpa, bytes, len);
	return viommu_memory_write(memory, gpa, bytes, len);
}

static enum viommu_result copy(struct viommu_access *access, viommu_iova iova, uint8_t *bytes, size_t len,
			       uint32_t kind, size_t *done)
{
	const struct viommu_memory *memory = &access->dev->memory;

	*done = 0;
	if (memory->ops == NULL)
		return VIOMMU_E_STATE;
	for (;;) {
		struct viommu_translation t;
		enum viommu_result result = viommu_access_translate(access, iova, len - *done, kind, &t);
		size_t n;

		if (result != VIOMMU_OK)
			return result;
		if (t.msi)
			return VIOMMU_E_PEER;
		n = copy_piece(memory, t.gpa, bytes + *done, (size_t)t.length, kind);
		*done += n;
		if (n < t.length)
			return VIOMMU_E_PEER;
		if (*done == len)
			return VIOMMU_OK;
		/* Behind the end of the address space there is nothing: a copy never goes on at 0. */
		if (iova > UINT64_MAX - t.length)
			return VIOMMU_E_ARG;
		iova += t.length;
	}
}

enum viommu_result viommu_access_read(struct viommu_access *access, viommu_iova iova, void *dst, size_t len,
				      size_t *done)
{
	return copy(access, iova, dst, len, VIOMMU_ACCESS_READ, done);
}

enum viommu_result viommu_access_write(struct viommu_access *access, viommu_iova iova, const void *src, size_t len,
				       size_t *done)
{
	/* The bytes are only read: copy_piece passes them on to a write. */
	return copy(access, iova, (uint8_t *)(uintptr_t)src, len, VIOMMU_ACCESS_WRITE, done);
}

static bool runs_past_the_end(viommu_iova iova, size_t len)
{
	return len - 1 > UINT64_MAX - iova;
}

enum viommu_result viommu_access_copy(struct viommu_access *access, viommu_iova to, viommu_iova from, size_t len,
				      size_t *done)
{
	uint8_t bytes[COPY_BYTES];
	enum viommu_result result;

	*done = 0;
	if (len == 0 || runs_past_the_end(to, len) || runs_past_the_end(from, len))
		return VIOMMU_E_ARG;
	do {
		size_t left = len - *done;
		size_t n;

		result = viommu_access_read(access, from + *done, bytes, left < COPY_BYTES ? left : COPY_BYTES, &n);
		/* What could be read is written, whatever comes behind it. */
		if (n > 0) {
			enum viommu_result written = viommu_access_write(access, to + *done, bytes, n, &n);

			*done += n;
			if (written != VIOMMU_OK)
				return written;
		}
	} while (result == VIOMMU_OK && *done < len);
	return result;
}
