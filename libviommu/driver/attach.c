/* SPDX-License-Identifier: BSD-3-Clause */
/* attach.c: attach with replay, and detach. */
#include "core.h"

#include "../regions.h"

void viommu_i_domain_bury_if_dead(struct viommu_driver_domain *domain)
{
	if (domain->endpoints == NULL && domain->claims == 0) {
		viommu_i_record_forget_uncertain(domain);
		domain->incomplete = false;
	}
}

void viommu_i_driver_endpoint_leave(struct viommu_driver_endpoint *endpoint)
{
	struct viommu_driver_domain *domain = endpoint->domain;
	struct viommu_driver_endpoint **link = &domain->endpoints;

	while (*link != endpoint)
		link = &(*link)->next;
	*link = endpoint->next;
	endpoint->domain = NULL;
	endpoint->next = NULL;
	viommu_i_domain_bury_if_dead(domain);
}

void viommu_i_endpoint_lose(struct viommu_driver_endpoint *endpoint, struct viommu_driver_domain *domain)
{
	endpoint->lost = domain;
	endpoint->next = domain->lost;
	domain->lost = endpoint;
}

void viommu_i_endpoint_unlose(struct viommu_driver_endpoint *endpoint)
{
	struct viommu_driver_endpoint **link;

	if (endpoint->lost == NULL)
		return;
	link = &endpoint->lost->lost;
	while (*link != endpoint)
		link = &(*link)->next;
	*link = endpoint->next;
	endpoint->lost = NULL;
	endpoint->next = NULL;
}

/* Is there an endpoint of which it is certain that it is in the domain? */
static bool has_certain_endpoint(const struct viommu_driver_domain *domain)
{
	const struct viommu_driver_endpoint *e = domain->endpoints;

	while (e != NULL && e->uncertain)
		e = e->next;
	return e != NULL;
}

bool viommu_i_domain_is_known(const struct viommu_driver_domain *domain)
{
	if (domain->incomplete)
		return false;
	/* With a DETACH without outcome the device may have lost the domain, or not. */
	return has_certain_endpoint(domain) || (domain->endpoints == NULL && domain->claims == 0);
}

static void join(struct viommu_driver_endpoint *endpoint, struct viommu_driver_domain *domain)
{
	if (endpoint->domain == domain)
		return;
	if (endpoint->domain != NULL)
		viommu_i_driver_endpoint_leave(endpoint);
	endpoint->domain = domain;
	endpoint->next = domain->endpoints;
	domain->endpoints = endpoint;
}

/* Posts one mapping of the record again. FULL: no slot. RANGE, UNSUPP: it does not fit what the last start brought. */
static enum viommu_result post_again(struct viommu_driver_domain *domain, const struct viommu_mapping *m,
				     struct viommu_driver_poster *poster)
{
	struct viommu_driver *drv = domain->drv;
	struct viommu_driver_slot *slot;

	if (!viommu_range_contains(drv->config.input_range, (struct viommu_range){ m->first, m->last }))
		return VIOMMU_E_RANGE;
	if ((m->flags & VIOMMU_MAP_F_MMIO) != 0 && (drv->features & VIOMMU_F_MMIO) == 0)
		return VIOMMU_E_UNSUPP;
	slot = viommu_i_slot_take(drv, poster);
	if (slot == NULL)
		return VIOMMU_E_FULL;
	return viommu_i_post_map(domain, slot, m);
}

/* Sends the whole record, slots at a time, and waits. */
static enum viommu_result send_record(struct viommu_driver_domain *domain)
{
	struct viommu_driver *drv = domain->drv;
	enum viommu_result result = VIOMMU_OK;
	struct viommu_driver_poster poster = { 0 };
	enum viommu_result waited;
	viommu_iova from = 0;
	struct viommu_mapping m = { 0 };
	bool more = true;

	while (result == VIOMMU_OK && more) {
		driver_lock(drv);
		more = viommu_map_next(&domain->map, from, &m);
		if (more)
			result = post_again(domain, &m, &poster);
		driver_unlock(drv);
		if (result == VIOMMU_E_FULL) {
			(void)viommu_i_wait_to_retry(domain, &poster, &result);
			continue;
		}
		more = more && m.last != UINT64_MAX;
		if (more)
			from = m.last + 1;
	}
	poster_finish(drv, &poster);
	/* Also after a failure: nothing of this domain is left in flight. */
	waited = viommu_i_wait_for_domain(domain);
	return result != VIOMMU_OK ? result : waited;
}

/* All of a domain that a device may have kept over a reset, against the rules. What it says of that is not of interest. */
static VIOMMU_NOINLINE enum viommu_result wipe(struct viommu_driver_domain *domain)
{
	struct viommu_driver *drv = domain->drv;
	struct viommu_range all = viommu_i_driver_input_range(drv);
	struct viommu_wire_request request = {
		.type = VIOMMU_T_UNMAP,
		.u.unmap = { .domain = domain->id, .virt_start = all.first, .virt_end = all.last },
	};
	enum viommu_result result;
	uint8_t status;

	result = viommu_i_call(drv, &request, &status);
	return result == VIOMMU_E_REJECTED ? VIOMMU_OK : result;
}

/* The failures of the replay are its own; what failed earlier is for the caller's next sync to report. */
static enum viommu_result replay(struct viommu_driver_domain *domain, uint8_t *status)
{
	enum viommu_result result = viommu_i_wait_for_domain(domain);
	struct viommu_driver_failure earlier = domain->first_failure;
	uint32_t failures = domain->failures;

	domain->failures = 0;
	if (result == VIOMMU_OK)
		result = send_record(domain);
	if (domain->failures > 0) {
		result = domain->first_failure.result;
		*status = domain->first_failure.status;
	}
	domain->failures = failures;
	domain->first_failure = earlier;
	return result;
}

/*
 * One DETACH, and nothing concluded from it. What is in flight for the domain is answered or given up before: an answer
 * that came after the domain's death would be about another life.
 */
static enum viommu_result send_detach(const struct viommu_driver_endpoint *endpoint,
				      struct viommu_driver_domain *domain, uint8_t *status)
{
	struct viommu_wire_request request = {
		.type = VIOMMU_T_DETACH,
		.u.detach = { .domain = domain->id, .endpoint = endpoint->id },
	};

	(void)viommu_i_wait_for_domain(domain);
	return viommu_i_call(endpoint->drv, &request, status);
}

static void leave(struct viommu_driver_endpoint *endpoint)
{
	driver_lock(endpoint->drv);
	if (endpoint->domain != NULL)
		viommu_i_driver_endpoint_leave(endpoint);
	endpoint->uncertain = false;
	VIOMMU_ASSERT(viommu_driver_endpoint_is_valid(endpoint));
	driver_unlock(endpoint->drv);
}

/* An ATTACH to this domain has no outcome: until it has, the domain's id stays taken. */
static void claim(struct viommu_driver_endpoint *endpoint, struct viommu_driver_domain *domain)
{
	driver_lock(endpoint->drv);
	endpoint->claimed = domain;
	endpoint->uncertain = true;
	domain->claims++;
	VIOMMU_ASSERT(viommu_driver_endpoint_is_valid(endpoint));
	driver_unlock(endpoint->drv);
}

static void drop_claim(struct viommu_driver_endpoint *endpoint)
{
	driver_lock(endpoint->drv);
	endpoint->claimed->claims--;
	viommu_i_domain_bury_if_dead(endpoint->claimed);
	endpoint->claimed = NULL;
	driver_unlock(endpoint->drv);
}

/* "Not in that domain", or gone altogether. */
static bool has_left(enum viommu_result result, uint8_t status)
{
	return result == VIOMMU_E_REJECTED && (status == VIOMMU_S_INVAL || status == VIOMMU_S_NOENT);
}

/*
 * After an ATTACH or DETACH without outcome: takes the endpoint out of wherever it may be, so that what comes next
 * starts from something certain. Requests take effect in order: an answer here is also one for what was sent before.
 */
static enum viommu_result settle(struct viommu_driver_endpoint *endpoint, uint8_t *status)
{
	enum viommu_result result;

	if (endpoint->claimed != NULL) {
		result = send_detach(endpoint, endpoint->claimed, status);
		if (result != VIOMMU_OK && !has_left(result, *status))
			return result;
		drop_claim(endpoint);
	}
	/* Also after a success: a device is free to answer OK for a domain that the endpoint is not in. */
	if (endpoint->domain != NULL) {
		result = send_detach(endpoint, endpoint->domain, status);
		if (result != VIOMMU_OK && !has_left(result, *status))
			return result;
	}
	leave(endpoint);
	return VIOMMU_OK;
}

static enum viommu_result detach(struct viommu_driver_endpoint *endpoint, uint8_t *status)
{
	enum viommu_result result;

	if (endpoint->uncertain)
		return settle(endpoint, status);
	result = send_detach(endpoint, endpoint->domain, status);
	if (result == VIOMMU_OK)
		leave(endpoint);
	else if (result != VIOMMU_E_REJECTED)
		endpoint->uncertain = true;
	return result;
}

/* A stop has settled everything. */
static void refresh(struct viommu_driver_endpoint *endpoint)
{
	if (endpoint->life != endpoint->drv->life) {
		endpoint->life = endpoint->drv->life;
		endpoint->claimed = NULL;
		endpoint->uncertain = false;
	}
}

static enum viommu_result attach_check(const struct viommu_driver_domain *domain,
				       const struct viommu_driver_endpoint *endpoint)
{
	const struct viommu_driver *drv = domain->drv;

	if (drv->state != VIOMMU_DRIVER_RUNNING)
		return drv->state == VIOMMU_DRIVER_FAILED ? VIOMMU_E_BROKEN : VIOMMU_E_STATE;
	if (domain->bypass && (drv->features & VIOMMU_F_BYPASS_CONFIG) == 0)
		return VIOMMU_E_UNSUPP;
	if (domain->id < drv->config.domain_first || domain->id > drv->config.domain_last)
		return VIOMMU_E_RANGE;
	if (viommu_i_regions_are_mapped(endpoint->regions, endpoint->region_count, &domain->map))
		return VIOMMU_E_RANGE;
	return VIOMMU_OK;
}

/* ATTACH, and the conclusions. *first: the device has just made the domain. */
static enum viommu_result send_attach(struct viommu_driver_domain *domain, struct viommu_driver_endpoint *endpoint,
				      uint8_t *status, bool *first)
{
	struct viommu_wire_request request = {
		.type = VIOMMU_T_ATTACH,
		.u.attach = { .domain = domain->id,
			      .endpoint = endpoint->id,
			      .flags = domain->bypass ? VIOMMU_ATTACH_F_BYPASS : 0 },
	};
	enum viommu_result result = viommu_i_call(domain->drv, &request, status);

	*first = false;
	if (result == VIOMMU_OK) {
		driver_lock(domain->drv);
		*first = domain->endpoints == NULL;
		join(endpoint, domain);
		VIOMMU_ASSERT(viommu_driver_endpoint_is_valid(endpoint));
		driver_unlock(domain->drv);
	} else if (result != VIOMMU_E_REJECTED && result != VIOMMU_E_STATE && endpoint->domain != domain) {
		claim(endpoint, domain);
	}
	return result;
}

enum viommu_result viommu_i_driver_attach(struct viommu_driver_domain *domain, struct viommu_driver_endpoint *endpoint,
					  uint8_t *status, bool wipes)
{
	enum viommu_result result;
	uint8_t ignored;
	bool first;

	if (endpoint->drv != domain->drv)
		return VIOMMU_E_STATE;
	refresh(endpoint);
	driver_lock(domain->drv);
	VIOMMU_ASSERT(viommu_driver_domain_is_valid(domain));
	VIOMMU_ASSERT(viommu_driver_endpoint_is_valid(endpoint));
	viommu_i_endpoint_unlose(endpoint);
	result = attach_check(domain, endpoint);
	driver_unlock(domain->drv);
	if (result == VIOMMU_OK && endpoint->uncertain)
		result = settle(endpoint, status);
	if (result == VIOMMU_OK && !viommu_i_domain_is_known(domain))
		result = VIOMMU_E_BUSY;
	if (result == VIOMMU_OK && endpoint->domain != NULL && endpoint->domain != domain)
		(void)viommu_i_wait_for_domain(endpoint->domain); /* as before a DETACH */
	if (result == VIOMMU_OK)
		result = send_attach(domain, endpoint, status, &first);
	if (result != VIOMMU_OK || !first)
		return result;

	if (wipes && !domain->bypass)
		result = wipe(domain);
	if (result == VIOMMU_OK)
		result = replay(domain, status);
	if (result != VIOMMU_OK && detach(endpoint, &ignored) != VIOMMU_OK) {
		driver_lock(domain->drv);
		endpoint->uncertain = true;
		domain->incomplete = true;
		driver_unlock(domain->drv);
	}
	return result;
}

enum viommu_result viommu_driver_attach(struct viommu_driver_domain *domain, struct viommu_driver_endpoint *endpoint,
					uint8_t *status)
{
	uint8_t ignored;

	return viommu_i_driver_attach(domain, endpoint, status != NULL ? status : &ignored, false);
}

struct viommu_driver_domain *viommu_driver_endpoint_domain(const struct viommu_driver_endpoint *endpoint)
{
	return endpoint->domain;
}

enum viommu_result viommu_driver_detach(struct viommu_driver_endpoint *endpoint, uint8_t *status)
{
	uint8_t ignored;

	if (endpoint->drv == NULL)
		return VIOMMU_E_STATE;
	refresh(endpoint);
	if (endpoint->lost != NULL) {
		driver_lock(endpoint->drv);
		viommu_i_endpoint_unlose(endpoint);
		driver_unlock(endpoint->drv);
		return VIOMMU_OK;
	}
	if (driver_state(endpoint->drv) == VIOMMU_DRIVER_STOPPED || (endpoint->domain == NULL && !endpoint->uncertain))
		return VIOMMU_E_STATE;
	return detach(endpoint, status != NULL ? status : &ignored);
}
