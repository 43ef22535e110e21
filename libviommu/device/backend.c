/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backend.c: the back ends of endpoints, and what they have to agree to. backend.h says what that is.
 *
 * All that the device could refuse by itself is judged before the first of them is asked; but for the nodes of a MAP,
 * which are tried between prepare and commit. Back ends take away before the revocation is counted (grace.c), so that a
 * section that one of them opens for what it is slow at began earlier, and is waited for.
 *
 * One that broke has no pointer here any more: any hook may end with its own endpoint, or another one, broken.
 */
#include "core.h"

/* Asking one of them */

static enum viommu_result ask(struct viommu_endpoint *endpoint, struct viommu_backend_change *change)
{
	enum viommu_result result = VIOMMU_OK;

	change->endpoint = endpoint;
	if (endpoint->backend->prepare != NULL)
		result = endpoint->backend->prepare(endpoint->backend_ctx, change);
	return endpoint->backend != NULL ? result : VIOMMU_E_PORT;
}

/* The two that follow. It may have broken since it was asked. */
static void carry_out(struct viommu_endpoint *endpoint, struct viommu_backend_change *change)
{
	change->endpoint = endpoint;
	if (endpoint->backend != NULL)
		endpoint->backend->commit(endpoint->backend_ctx, change);
}

void viommu_i_backend_abort(struct viommu_endpoint *endpoint, struct viommu_backend_change *change)
{
	change->endpoint = endpoint;
	if (endpoint->backend != NULL && endpoint->backend->abort != NULL)
		endpoint->backend->abort(endpoint->backend_ctx, change);
}

/* What cannot be refused. It has not broken. */
static void force(struct viommu_endpoint *endpoint, struct viommu_backend_change *change)
{
	change->must = true;
	if (ask(endpoint, change) == VIOMMU_OK)
		carry_out(endpoint, change);
	else
		viommu_device_break_backend(change->dev, endpoint);
}

struct viommu_backend_change viommu_i_backend_change(struct viommu_device *dev, enum viommu_backend_type type)
{
	struct viommu_backend_change change = { .size = sizeof change, .type = (uint8_t)type, .dev = dev };

	return change;
}

static uint8_t status_of(enum viommu_result result)
{
	switch (result) {
	case VIOMMU_OK:
		return VIOMMU_S_OK;
	case VIOMMU_E_NOMEM:
	case VIOMMU_E_FULL:
		return VIOMMU_S_NOMEM;
	case VIOMMU_E_RANGE:
		return VIOMMU_S_RANGE;
	case VIOMMU_E_EXISTS:
		return VIOMMU_S_INVAL;
	case VIOMMU_E_UNSUPP:
		return VIOMMU_S_UNSUPP;
	default:
		return VIOMMU_S_DEVERR;
	}
}

/* One endpoint that moves */

/* What is in the map, one mapping after the other, until somebody refuses. They come with the move `with`. */
static enum viommu_result replay(const struct viommu_map *map, const struct viommu_backend_change *with,
				 bool committing)
{
	struct viommu_backend_change change = *with;
	enum viommu_result result = VIOMMU_OK;
	viommu_iova from = 0;

	change.type = VIOMMU_BACKEND_MAP;
	change.domain = 0;
	while (result == VIOMMU_OK && viommu_map_next(map, from, &change.mapping)) {
		if (committing)
			carry_out(change.endpoint, &change);
		else
			result = ask(change.endpoint, &change);
		if (change.mapping.last == UINT64_MAX)
			break;
		from = change.mapping.last + 1;
	}
	return result;
}

enum viommu_result viommu_i_backend_prepare(struct viommu_endpoint *endpoint, struct viommu_backend_change *change,
					    const struct viommu_map *map)
{
	enum viommu_result result = ask(endpoint, change);

	if (result != VIOMMU_OK || map == NULL)
		return result;
	result = replay(map, change, false);
	if (result != VIOMMU_OK)
		viommu_i_backend_abort(endpoint, change);
	return result;
}

void viommu_i_backend_commit(struct viommu_endpoint *endpoint, struct viommu_backend_change *change,
			     const struct viommu_map *map)
{
	carry_out(endpoint, change);
	if (map != NULL)
		(void)replay(map, change, true);
}

uint8_t viommu_i_backend_attach(struct viommu_device *dev, struct viommu_endpoint *endpoint, uint32_t id, bool bypass,
				const struct viommu_domain *domain)
{
	struct viommu_backend_change change = viommu_i_backend_change(dev, VIOMMU_BACKEND_ATTACH);
	const struct viommu_map *map = domain != NULL ? &domain->map : NULL;
	enum viommu_result result;

	if (endpoint->backend == NULL)
		return VIOMMU_S_OK;
	change.domain = id;
	change.bypass = bypass;
	result = viommu_i_backend_prepare(endpoint, &change, map);
	if (result != VIOMMU_OK)
		return status_of(result);
	viommu_i_backend_commit(endpoint, &change, map);
	return endpoint->backend != NULL ? VIOMMU_S_OK : VIOMMU_S_DEVERR;
}

bool viommu_i_backend_detach(struct viommu_device *dev, struct viommu_endpoint *endpoint, uint8_t *status)
{
	struct viommu_backend_change change = viommu_i_backend_change(dev, VIOMMU_BACKEND_DETACH);

	*status = VIOMMU_S_OK;
	if (endpoint->backend == NULL)
		return true;
	change.bypass = viommu_i_bypass_is_active(dev);
	*status = status_of(ask(endpoint, &change));
	if (*status != VIOMMU_S_OK)
		return false;
	carry_out(endpoint, &change);
	/* What was to be taken away is gone, however it went. */
	if (endpoint->backend == NULL)
		*status = VIOMMU_S_DEVERR;
	return true;
}

void viommu_i_backend_leave(struct viommu_device *dev, struct viommu_endpoint *endpoint, bool bypass)
{
	struct viommu_backend_change change = viommu_i_backend_change(dev, VIOMMU_BACKEND_DETACH);
	const void *view = bypass ? &dev->everything : NULL;

	change.bypass = bypass;
	if (endpoint->backend != NULL && endpoint->view != view)
		force(endpoint, &change);
}

static void forget(struct viommu_device *dev, struct viommu_endpoint *endpoint)
{
	endpoint->backend = NULL;
	dev->backends--;
}

void viommu_i_backend_remove(struct viommu_device *dev, struct viommu_endpoint *endpoint)
{
	viommu_i_backend_leave(dev, endpoint, false);
	if (endpoint->backend != NULL)
		forget(dev, endpoint);
}

/* All in a domain */

/* Those who agreed, the last one first, as far as `until`, which is not asked. */
static void give_up_all(struct viommu_endpoint *agreed, const struct viommu_endpoint *until,
			struct viommu_backend_change *change)
{
	for (; agreed != until; agreed = agreed->agreed)
		viommu_i_backend_abort(agreed, change);
}

static uint8_t ask_all(struct viommu_domain *domain, struct viommu_backend_change *change,
		       struct viommu_endpoint **agreed)
{
	enum viommu_result result;

	*agreed = NULL;
	for (struct viommu_endpoint *e = domain->endpoints; e != NULL; e = e->next) {
		if (e->backend == NULL)
			continue;
		result = ask(e, change);
		if (result != VIOMMU_OK) {
			give_up_all(*agreed, NULL, change);
			return status_of(result);
		}
		e->agreed = *agreed;
		*agreed = e;
	}
	return VIOMMU_S_OK;
}

static struct viommu_backend_change map_change(struct viommu_device *dev, const struct viommu_mapping *m)
{
	struct viommu_backend_change change = viommu_i_backend_change(dev, VIOMMU_BACKEND_MAP);

	change.mapping = *m;
	return change;
}

uint8_t viommu_i_backends_prepare_map(struct viommu_device *dev, struct viommu_domain *domain,
				      const struct viommu_mapping *m, struct viommu_endpoint **agreed)
{
	struct viommu_backend_change change = map_change(dev, m);

	return ask_all(domain, &change, agreed);
}

void viommu_i_backends_abort_map(struct viommu_device *dev, const struct viommu_mapping *m,
				 struct viommu_endpoint *agreed)
{
	struct viommu_backend_change change = map_change(dev, m);

	give_up_all(agreed, NULL, &change);
}

bool viommu_i_backends_commit_map(struct viommu_device *dev, struct viommu_domain *domain,
				  const struct viommu_mapping *m, struct viommu_endpoint *agreed)
{
	struct viommu_backend_change change = map_change(dev, m);
	struct viommu_backend_change undo = viommu_i_backend_change(dev, VIOMMU_BACKEND_UNMAP);
	uint32_t backends = dev->backends;
	struct viommu_endpoint *last = NULL;

	for (struct viommu_endpoint *e = domain->endpoints; e != NULL && dev->backends == backends; e = e->next) {
		carry_out(e, &change);
		last = e;
	}
	if (dev->backends == backends)
		return true;
	/* Up to the last one they have it, and give it back; those behind have not begun. */
	give_up_all(agreed, last, &change);
	undo.mapping.first = m->first;
	undo.mapping.last = m->last;
	for (struct viommu_endpoint *e = last; e != NULL; e = e->agreed) {
		if (e->backend != NULL)
			force(e, &undo);
	}
	return false;
}

/* Something is mapped in the range, and all of it lies inside. */
static bool can_unmap(const struct viommu_map *map, struct viommu_range range)
{
	struct viommu_mapping m;

	if (!viommu_map_next(map, range.first, &m) || m.first > range.last || m.first < range.first)
		return false;
	return !viommu_map_next(map, range.last, &m) || m.first > range.last || m.last <= range.last;
}

bool viommu_i_backends_unmap(struct viommu_device *dev, struct viommu_domain *domain, struct viommu_range range,
			     uint8_t *status)
{
	struct viommu_backend_change change = viommu_i_backend_change(dev, VIOMMU_BACKEND_UNMAP);
	uint32_t backends = dev->backends;
	struct viommu_endpoint *agreed;

	if (!can_unmap(&domain->map, range))
		return true;
	change.mapping.first = range.first;
	change.mapping.last = range.last;
	*status = ask_all(domain, &change, &agreed);
	if (*status != VIOMMU_S_OK)
		return false;
	for (struct viommu_endpoint *e = domain->endpoints; e != NULL; e = e->next)
		carry_out(e, &change);
	if (dev->backends != backends)
		*status = VIOMMU_S_DEVERR;
	return true;
}

/* The embedder's calls */

enum viommu_result viommu_device_set_backend(struct viommu_device *dev, struct viommu_endpoint *endpoint,
					     const struct viommu_backend_ops *ops, void *ctx)
{
	struct viommu_backend_change change = viommu_i_backend_change(dev, VIOMMU_BACKEND_DETACH);
	const struct viommu_domain *domain = endpoint->domain;
	const struct viommu_map *map = NULL;
	enum viommu_result result;

	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	if (ops != NULL && ops->size != sizeof *ops)
		return VIOMMU_E_ABI;
	if (ops != NULL && ops->commit == NULL)
		return VIOMMU_E_ARG;
	if (endpoint->backend != NULL || endpoint->is_removed)
		return VIOMMU_E_STATE;
	if (ops != NULL) {
		change.bypass = viommu_i_bypass_is_active(dev);
		if (domain != NULL) {
			change.type = VIOMMU_BACKEND_ATTACH;
			change.domain = domain->id;
			change.bypass = domain->bypass;
			map = &domain->map;
		}
		endpoint->backend = ops;
		endpoint->backend_ctx = ctx;
		dev->backends++;
		result = viommu_i_backend_prepare(endpoint, &change, map);
		if (result != VIOMMU_OK && endpoint->backend != NULL)
			forget(dev, endpoint);
		if (result != VIOMMU_OK)
			return result;
		viommu_i_backend_commit(endpoint, &change, map);
		if (endpoint->backend == NULL)
			return VIOMMU_E_PORT;
	}
	endpoint->is_blocked = false;
	viommu_i_endpoint_show(dev, endpoint);
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	return VIOMMU_OK;
}

void viommu_device_break_backend(struct viommu_device *dev, struct viommu_endpoint *endpoint)
{
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	if (endpoint->backend == NULL)
		return;
	forget(dev, endpoint);
	if (!endpoint->is_blocked) {
		endpoint->is_blocked = true;
		viommu_i_grace_moves(dev, endpoint);
		viommu_i_cache_shut(endpoint);
		viommu_i_endpoint_show(dev, endpoint);
		dev->settle_epoch = viommu_i_grace_begin(dev);
		(void)viommu_device_is_settled(dev); /* from now on the end of the last section is told */
	}
	viommu_i_trace(dev, VIOMMU_TRACE_BACKEND_BROKEN, endpoint->id, 0, 0);
	if (dev->ops != NULL && dev->ops->backend_broken != NULL)
		dev->ops->backend_broken(dev->ops_ctx, endpoint);
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
}

bool viommu_device_endpoint_is_broken(const struct viommu_device *dev, const struct viommu_endpoint *endpoint)
{
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	(void)dev;
	return endpoint->is_blocked;
}

bool viommu_device_next_mapping(const struct viommu_device *dev, const struct viommu_endpoint *endpoint,
				viommu_iova from, struct viommu_mapping *out)
{
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	(void)dev;
	return endpoint->domain != NULL && viommu_map_next(&endpoint->domain->map, from, out);
}
