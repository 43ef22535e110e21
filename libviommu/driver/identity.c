/* SPDX-License-Identifier: BSD-3-Clause */
/* identity.c: an identity domain by mappings, around what is reserved. */
#include "core.h"

/* What is to be mapped, from here on. */
struct rest {
	const struct viommu_driver_domain *domain;
	const struct viommu_driver_endpoint *joining;
	viommu_iova from;
	viommu_iova last;
};

/* In whole granules. */
static struct viommu_range granules_of(const struct viommu_driver *drv, struct viommu_range range)
{
	uint64_t below = driver_granule(drv) - 1;

	return (struct viommu_range){ range.first & ~below, range.last | below };
}

/* *nearest: the first that is in the way. */
static void look_at_range(const struct rest *rest, struct viommu_range range, struct viommu_range *nearest)
{
	struct viommu_range r = granules_of(rest->domain->drv, range);

	if (r.last >= rest->from && r.first <= rest->last && r.first < nearest->first)
		*nearest = r;
}

static void look_at(const struct rest *rest, const struct viommu_driver_endpoint *e, struct viommu_range *nearest)
{
	for (uint32_t i = 0; i < e->region_count; i++)
		look_at_range(rest, e->regions[i].range, nearest);
}

/* The next piece that nothing is in the way of. False: there is none. */
static bool next_piece(struct rest *rest, struct viommu_range *piece)
{
	for (;;) {
		/* None. A region there would not be a whole granule. */
		struct viommu_range nearest = { UINT64_MAX, UINT64_MAX };

		for (const struct viommu_driver_endpoint *e = rest->domain->endpoints; e != NULL; e = e->next)
			look_at(rest, e, &nearest);
		if (rest->joining != NULL)
			look_at(rest, rest->joining, &nearest);
		if (rest->domain->msi_window.last != 0)
			look_at_range(rest, rest->domain->msi_window, &nearest);
		*piece = (struct viommu_range){ rest->from, rest->last };
		if (nearest.first == UINT64_MAX)
			return true;
		if (nearest.first > rest->from) {
			piece->last = nearest.first - 1;
			return true;
		}
		if (nearest.last >= rest->last)
			return false;
		rest->from = nearest.last + 1;
	}
}

/* Behind a piece. False: that was the end. */
static bool go_on(struct rest *rest, const struct viommu_range *piece)
{
	if (piece->last == rest->last)
		return false;
	rest->from = piece->last + 1;
	return true;
}

static enum viommu_result post_all(struct viommu_driver_domain *domain, struct rest rest, uint32_t flags,
				   struct viommu_driver_batch *batch, uint32_t *posted)
{
	enum viommu_result result = VIOMMU_OK;
	struct viommu_range piece;
	bool more = next_piece(&rest, &piece);

	while (more) {
		struct viommu_mapping m = {
			.first = piece.first, .last = piece.last, .phys = piece.first, .flags = flags
		};

		result = viommu_i_driver_map(domain, &m, batch);
		if (result != VIOMMU_OK)
			break;
		++*posted;
		more = go_on(&rest, &piece) && next_piece(&rest, &piece);
	}
	return result;
}

/* The same pieces, as many as were posted. */
static void take_back(struct viommu_driver_domain *domain, struct rest rest, uint32_t posted)
{
	struct viommu_range piece;

	for (; posted > 0; posted--) {
		bool found = next_piece(&rest, &piece);

		VIOMMU_ASSERT(found);
		(void)found;
		viommu_i_take_back(domain, piece.first, piece.last);
		(void)go_on(&rest, &piece);
	}
	(void)viommu_i_wait_for_domain(domain);
}

enum viommu_result viommu_driver_map_identity(struct viommu_driver_domain *domain,
					      const struct viommu_driver_endpoint *joining, viommu_iova first,
					      viommu_iova last, uint32_t flags)
{
	struct rest rest = { domain, joining, first, last };
	struct viommu_driver_batch batch = { 0 };
	enum viommu_result result, waited;
	uint32_t posted = 0;

	if (last < first)
		return VIOMMU_E_ARG;
	result = post_all(domain, rest, flags, &batch, &posted);
	/* Also after a failure: nothing of it is left in flight. */
	waited = viommu_i_wait_for_batch(domain, &batch);
	if (result == VIOMMU_OK)
		result = waited;
	if (result != VIOMMU_OK)
		take_back(domain, rest, posted);
	return result;
}
