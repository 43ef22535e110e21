/* SPDX-License-Identifier: BSD-3-Clause */
/* driver_calls_domains.c: domains and endpoints, PROBE replies against a second parser, attach and detach. */
#include "driver_calls.h"

#define CHECK SIM_OPS_CHECK

static bool id_is_taken(uint64_t id)
{
	for (uint32_t d = 0; d < MODEL_DOMAINS; d++) {
		if (w->model.domains[d].made && w->model.domains[d].id == id)
			return true;
	}
	return false;
}

static enum viommu_result foretell_domain(uint64_t *id, bool bypass)
{
	const struct viommu_driver_limits *l = &w->model.limits;

	if (!driver_calls_is_running())
		return VIOMMU_E_STATE;
	if (bypass && (l->features & VIOMMU_F_BYPASS_CONFIG) == 0)
		return VIOMMU_E_UNSUPP;
	if (*id != VIOMMU_DOMAIN_ANY) {
		if (*id < l->domain_first || *id > l->domain_last)
			return VIOMMU_E_RANGE;
		return id_is_taken(*id) ? VIOMMU_E_EXISTS : VIOMMU_OK;
	}
	for (*id = l->domain_first; *id <= l->domain_last; ++*id) {
		if (!id_is_taken(*id))
			return VIOMMU_OK;
	}
	return VIOMMU_E_FULL;
}

void driver_calls_domain_init(uint32_t d, uint64_t id, bool bypass)
{
	struct model_domain *model = &w->model.domains[d];
	uint64_t wanted = id;
	enum viommu_result foretold, r;

	if (model->made)
		return;
	foretold = foretell_domain(&id, bypass);
	driver_calls_begin(CALL_OTHER);
	r = viommu_driver_domain_init(&w->domains[d], &w->drv, wanted, bypass);
	driver_calls_leave();
	CHECK(r == foretold);
	if (r == VIOMMU_OK) {
		CHECK(viommu_driver_domain_id(&w->domains[d]) == id);
		model->made = true;
		model->bypass = bypass;
		model->id = (uint32_t)id;
		model->count = 0;
		model->failures = 0;
		model->msi_window = (struct viommu_range){ 0, 0 };
	}
	driver_calls_end(r);
}

/* Does an endpoint wait for recover to attach it here? */
static bool is_awaited(uint32_t d)
{
	for (uint32_t e = 0; e < MODEL_ENDPOINTS; e++) {
		if (w->model.lost[e] == d)
			return true;
	}
	return false;
}

enum viommu_result driver_calls_domain_deinit(uint32_t d)
{
	bool free = driver_model_is_dead(&w->model, d) && !driver_model_in_flight(&w->model, d) && !is_awaited(d);
	enum viommu_result r;

	if (!w->model.domains[d].made)
		return VIOMMU_OK;
	driver_calls_begin(CALL_OTHER);
	r = viommu_driver_domain_deinit(&w->domains[d]);
	driver_calls_leave();
	CHECK(r == (free ? VIOMMU_OK : VIOMMU_E_STATE));
	if (free)
		w->model.domains[d].made = false;
	for (uint32_t i = 0; free && i < WORLD_DMAS; i++)
		w->dmas[i].made = w->dmas[i].made && w->dmas[i].domain != d;
	driver_calls_end(r);
	return r;
}

/* The reserved regions of a reply, by a parser of its own. */
static enum viommu_result parse(const uint8_t *list, uint32_t len, uint32_t capacity, struct viommu_resv_region *out,
				uint32_t *count)
{
	*count = 0;
	for (uint32_t at = 0; at + 4 <= len;) {
		unsigned type = list[at] | (unsigned)list[at + 1] << 8;
		uint32_t length = list[at + 2] | (uint32_t)list[at + 3] << 8;
		struct viommu_resv_region region = { .range = { 0, 0 } };

		if ((type & 0xfff) == 0)
			return VIOMMU_OK;
		if (length > len - at - 4)
			return VIOMMU_E_PEER;
		if (type == VIOMMU_PROBE_T_RESV_MEM) {
			if (length < 20)
				return VIOMMU_E_PEER;
			for (unsigned i = 8; i-- > 0;) {
				region.range.first = region.range.first << 8 | list[at + 8 + i];
				region.range.last = region.range.last << 8 | list[at + 16 + i];
			}
			region.subtype = list[at + 4] == VIOMMU_RESV_MEM_MSI;
			if (region.range.last < region.range.first)
				return VIOMMU_E_PEER;
			if (*count == capacity)
				return VIOMMU_E_NOMEM;
			out[(*count)++] = region;
		}
		at += 4 + length;
	}
	return VIOMMU_OK;
}

static bool probe_is_stuck(void)
{
	for (uint32_t i = 0; i < MODEL_SLOTS; i++) {
		if (w->model.flights[i].used && w->model.flights[i].type == VIOMMU_T_PROBE)
			return true;
	}
	return false;
}

static void check_probe(uint32_t e, uint32_t capacity, enum viommu_result r)
{
	struct viommu_resv_region regions[WORLD_REGIONS];
	const struct viommu_resv_region *found;
	uint32_t count = 0, found_count;
	enum viommu_result foretold = VIOMMU_OK;

	if ((w->model.limits.features & VIOMMU_F_PROBE) != 0) {
		CHECK(w->model.has_probe_reply);
		foretold = parse(w->model.probe_reply, w->model.probe_size, capacity, regions, &count);
	}
	CHECK(r == foretold);
	if (r != VIOMMU_OK)
		return;
	found = viommu_driver_endpoint_regions(&w->endpoints[e], &found_count);
	CHECK(found_count == count);
	for (uint32_t i = 0; i < count; i++)
		CHECK(found[i].range.first == regions[i].range.first && found[i].range.last == regions[i].range.last &&
		      found[i].subtype == regions[i].subtype);
}

enum viommu_result driver_calls_endpoint_init(uint32_t e, uint32_t capacity)
{
	struct viommu_driver_endpoint *handle = &w->endpoints[e];
	bool was_stuck = probe_is_stuck();
	bool was_running = driver_calls_is_running();
	enum viommu_result r;

	if (handle->drv != NULL && (viommu_driver_endpoint_domain(handle) != NULL || w->model.may[e] != 0 ||
				    w->model.lost[e] != MODEL_NOTHING))
		return VIOMMU_E_STATE;
	w->model.endpoint = e;
	w->model.may[e] = 0;
	w->model.unsure[e] = false;
	driver_calls_begin(CALL_PROBE);
	r = viommu_driver_endpoint_init(handle, &w->drv, SCRIPTED_FIRST_ENDPOINT + e, w->regions[e], capacity);
	driver_calls_leave();
	switch (r) {
	case VIOMMU_E_STATE:
		CHECK(w->drv.state == VIOMMU_DRIVER_STOPPED);
		break;
	case VIOMMU_E_BROKEN:
		CHECK(driver_calls_is_broken());
		break;
	case VIOMMU_E_BUSY:
		CHECK(was_stuck);
		break;
	case VIOMMU_E_TIMEOUT:
	case VIOMMU_E_REJECTED:
		break;
	default:
		CHECK(was_running);
		if (r == VIOMMU_E_PEER && !w->model.has_probe_reply) {
			CHECK(w->model.unanswered);
			break;
		}
		check_probe(e, capacity, r);
		break;
	}
	driver_calls_end(r);
	CHECK((handle->drv != NULL) == (r == VIOMMU_OK));
	return r;
}

/* Of a request that was sent, and not carried out for all the driver knows. */
static void check_answer(enum viommu_result r)
{
	if (r == VIOMMU_E_BROKEN)
		CHECK(driver_calls_is_broken());
	else if (r == VIOMMU_E_PEER)
		CHECK(w->model.unanswered);
	else
		CHECK(r == VIOMMU_E_REJECTED || r == VIOMMU_E_TIMEOUT);
}

enum viommu_result driver_calls_attach(uint32_t d, uint32_t e)
{
	struct viommu_driver_endpoint *handle = &w->endpoints[e];
	bool was_first, was_misfit, was_unknown, was_unable;
	enum viommu_result r;
	uint8_t status = 0;

	if (!w->model.domains[d].made || handle->drv == NULL)
		return VIOMMU_E_STATE;
	w->model.domain = d;
	w->model.endpoint = e;
	was_misfit = driver_calls_is_misfit_now(d, e);
	was_unable = driver_calls_record_needs_feature(d);
	was_unknown = driver_calls_is_unknown(d);
	w->model.lost[e] = MODEL_NOTHING;
	driver_calls_begin(CALL_ATTACH);
	r = viommu_driver_attach(&w->domains[d], handle, &status);
	driver_calls_leave();
	was_first = w->model.replayed > 0;
	switch (r) {
	case VIOMMU_OK:
		/* Also if the queue broke just behind the answer. */
		CHECK(viommu_driver_endpoint_domain(handle) == &w->domains[d]);
		CHECK(w->model.may[e] == 1u << d);
		CHECK(!was_first || w->model.replayed == w->model.domains[d].count);
		break;
	case VIOMMU_E_STATE:
		CHECK(w->drv.state == VIOMMU_DRIVER_STOPPED);
		break;
	case VIOMMU_E_RANGE:
		CHECK(was_misfit);
		break;
	case VIOMMU_E_UNSUPP:
		CHECK(was_unable);
		break;
	case VIOMMU_E_BUSY:
		CHECK(was_unknown || driver_calls_is_unknown(d));
		break;
	default:
		check_answer(r);
		break;
	}
	driver_calls_end(r);
	return r;
}

enum viommu_result driver_calls_detach(uint32_t e)
{
	struct viommu_driver_endpoint *handle = &w->endpoints[e];
	bool was_in = viommu_driver_endpoint_domain(handle) != NULL || w->model.unsure[e];
	bool was_lost;
	enum viommu_result r;
	uint8_t status;

	w->model.endpoint = e;
	driver_calls_begin(CALL_DETACH);
	r = viommu_driver_detach(handle, &status);
	driver_calls_leave();
	was_lost = w->model.lost[e] != MODEL_NOTHING;
	CHECK(!was_lost || r == VIOMMU_OK);
	w->model.lost[e] = MODEL_NOTHING;
	switch (r) {
	case VIOMMU_OK:
		/* One that was lost twice may be where the recover that failed has sent it. */
		CHECK((w->model.may[e] == 0 || (was_lost && driver_calls_is_broken())) &&
		      viommu_driver_endpoint_domain(handle) == NULL);
		break;
	case VIOMMU_E_STATE:
		CHECK(handle->drv == NULL || w->drv.state == VIOMMU_DRIVER_STOPPED || !was_in);
		break;
	default:
		check_answer(r);
		break;
	}
	driver_calls_end(r);
	return r;
}
