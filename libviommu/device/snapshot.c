/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * snapshot.c: save and restore of the device at seam A. docs/snapshot.md.
 *
 * A restore goes through the bytes twice. First everything is judged that does not depend on memory; then the maps are
 * built in slots of domains that nobody sees, which can still fail; and from there on nothing can, and endpoints are
 * moved into their domains as by an ATTACH.
 */
#include "snapshot.h"

#include <viommu/snapshot.h>

#include "../internal.h"
#include "../map/load.h"
#include "../regions.h"
#include "core.h"

#define TYPE_DEVICE SNAPSHOT_TYPE('d', 'e', 'v', 'i')
#define TYPE_ENDPOINTS SNAPSHOT_TYPE('e', 'n', 'd', 'p')
#define TYPE_DOMAINS SNAPSHOT_TYPE('d', 'o', 'm', 'a')
#define TYPE_MAPPINGS SNAPSHOT_TYPE('m', 'a', 'p', 's')

/* The section of the device: features offered, configuration space, features negotiated. */
#define DEVICE_SHOWN (8u + VIOMMU_WIRE_CONFIG_SIZE)
#define DEVICE_SIZE (DEVICE_SHOWN + 8u)
#define DEVICE_BYPASS (8u + VIOMMU_WIRE_CONFIG_BYPASS)

/* Records of the two sections that begin with an id, and are looked for by it. Ids ascend. */
#define RECORD_SIZE 16u

/* An endpoint: id, domain, is it attached, checksum of its reserved regions. */
#define ENDPOINT_DOMAIN 4u
#define ENDPOINT_ATTACHED 8u
#define ENDPOINT_REGIONS 12u

/* A domain: id, one of its endpoints, how many mappings it has. */
#define DOMAIN_MEMBER 4u
#define DOMAIN_MAPPINGS 8u
#define DOMAIN_IS_BYPASS UINT64_MAX /* in place of the number */

/* A mapping: first, last, phys, flags. Of the first domain in ascending order, then of the next one. */
#define MAPPING_SIZE 32u
#define MAPPING_LAST 8u
#define MAPPING_PHYS 16u
#define MAPPING_FLAGS 24u

/* Saving */

/* The mappings of a map, in order; they are written if `s` is not NULL. Returns how many. */
static uint64_t each_mapping(const struct viommu_map *map, struct viommu_i_save *s)
{
	struct viommu_mapping m;
	uint64_t count = 0;
	viommu_iova from = 0;

	while (viommu_map_next(map, from, &m)) {
		count++;
		if (s != NULL) {
			viommu_i_save64(s, m.first);
			viommu_i_save64(s, m.last);
			viommu_i_save64(s, m.phys);
			viommu_i_save64(s, m.flags);
		}
		if (m.last == UINT64_MAX)
			break;
		from = m.last + 1;
	}
	return count;
}

static const struct viommu_domain *nth_domain(const struct viommu_device *dev, uint32_t n)
{
	return &dev->domains[dev->domain_ids.slots[n]];
}

static uint64_t count_mappings(const struct viommu_device *dev)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < dev->domain_ids.count; i++)
		count += each_mapping(&nth_domain(dev, i)->map, NULL);
	return count;
}

static uint64_t sections_size(const struct viommu_device *dev, uint64_t mappings)
{
	return 4 * SNAPSHOT_SECTION + DEVICE_SIZE + (uint64_t)dev->endpoint_ids.count * RECORD_SIZE +
	       (uint64_t)dev->domain_ids.count * RECORD_SIZE + mappings * MAPPING_SIZE;
}

uint64_t viommu_i_device_sections_size(const struct viommu_device *dev)
{
	return sections_size(dev, count_mappings(dev));
}

/* Requests are carried out when they are submitted; but whoever made them has to be answered. */
static bool is_busy(const struct viommu_device *dev)
{
	return dev->pending != NULL || dev->done != NULL || dev->settle_epoch != 0;
}

bool viommu_i_device_may_save(const struct viommu_device *dev)
{
	return !is_busy(dev);
}

/* What the driver was shown, with this value of config.bypass. */
static void shown(const struct viommu_device *dev, uint8_t bypass, uint8_t out[DEVICE_SHOWN])
{
	struct viommu_wire_config config = dev->config;

	config.bypass = bypass;
	viommu_i_put64(out, dev->features);
	viommu_wire_config_encode(&config, out + 8);
}

/* Of what PROBE says about it. */
static uint32_t regions_checksum(const struct viommu_endpoint *endpoint)
{
	uint8_t bytes[VIOMMU_WIRE_RESV_MEM_SIZE];
	uint32_t crc = 0;

	for (uint32_t i = 0; i < endpoint->region_count; i++) {
		viommu_wire_resv_mem_encode(&endpoint->regions[i], bytes);
		crc = viommu_i_snapshot_crc(crc, bytes, sizeof bytes);
	}
	return crc;
}

static void save_endpoints(const struct viommu_device *dev, struct viommu_i_save *s)
{
	viommu_i_save_section(s, TYPE_ENDPOINTS, (uint64_t)dev->endpoint_ids.count * RECORD_SIZE);
	for (uint32_t i = 0; i < dev->endpoint_ids.count; i++) {
		const struct viommu_endpoint *e = &dev->endpoints[dev->endpoint_ids.slots[i]];

		viommu_i_save32(s, e->id);
		viommu_i_save32(s, e->domain != NULL ? e->domain->id : 0);
		viommu_i_save32(s, e->domain != NULL);
		viommu_i_save32(s, regions_checksum(e));
	}
}

/* The smallest id in the domain, which has an endpoint: so that it does not depend on who came first. */
static uint32_t first_member(const struct viommu_domain *domain)
{
	uint32_t id = domain->endpoints->id;

	for (const struct viommu_endpoint *e = domain->endpoints; e != NULL; e = e->next)
		id = e->id < id ? e->id : id;
	return id;
}

static void save_domains(const struct viommu_device *dev, struct viommu_i_save *s)
{
	viommu_i_save_section(s, TYPE_DOMAINS, (uint64_t)dev->domain_ids.count * RECORD_SIZE);
	for (uint32_t i = 0; i < dev->domain_ids.count; i++) {
		const struct viommu_domain *domain = nth_domain(dev, i);

		viommu_i_save32(s, domain->id);
		viommu_i_save32(s, first_member(domain));
		viommu_i_save64(s, domain->bypass ? DOMAIN_IS_BYPASS : each_mapping(&domain->map, NULL));
	}
}

void viommu_i_device_save_sections(const struct viommu_device *dev, struct viommu_i_save *s)
{
	viommu_i_save_section(s, TYPE_DEVICE, DEVICE_SIZE);
	shown(dev, dev->config.bypass, s->at);
	s->at += DEVICE_SHOWN;
	viommu_i_save64(s, dev->negotiated);
	save_endpoints(dev, s);
	save_domains(dev, s);
	viommu_i_save_section(s, TYPE_MAPPINGS, count_mappings(dev) * MAPPING_SIZE);
	for (uint32_t i = 0; i < dev->domain_ids.count; i++)
		(void)each_mapping(&nth_domain(dev, i)->map, s);
}

uint64_t viommu_device_save_size(const struct viommu_device *dev)
{
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	return SNAPSHOT_FRAME + viommu_i_device_sections_size(dev);
}

enum viommu_result viommu_device_save(const struct viommu_device *dev, void *buf, size_t len, size_t *written)
{
	struct viommu_i_save s;

	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	if (!viommu_i_device_may_save(dev))
		return VIOMMU_E_BUSY;
	if (viommu_i_save_begin(&s, buf, len, viommu_device_save_size(dev)) != VIOMMU_OK)
		return VIOMMU_E_FULL;
	viommu_i_device_save_sections(dev, &s);
	*written = viommu_i_save_end(&s);
	return VIOMMU_OK;
}

/* Judging */

/* The record with this id in a section of records that begin with one and ascend, or NULL. */
static const uint8_t *find_record(const struct viommu_i_section *section, uint32_t id)
{
	uint32_t low = 0;
	uint32_t high = (uint32_t)(section->len / RECORD_SIZE);

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const uint8_t *record = section->bytes + (size_t)middle * RECORD_SIZE;
		uint32_t found = viommu_i_get32(record);

		if (found == id)
			return record;
		if (found < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* Whole records, whose ids ascend. */
static bool ids_ascend(const struct viommu_i_section *section)
{
	if (section->len % RECORD_SIZE != 0)
		return false;
	for (size_t at = RECORD_SIZE; at < section->len; at += RECORD_SIZE) {
		if (viommu_i_get32(section->bytes + at) <= viommu_i_get32(section->bytes + at - RECORD_SIZE))
			return false;
	}
	return true;
}

static enum viommu_result judge_device(const struct viommu_device *dev, const uint8_t *bytes,
				       struct viommu_i_device_state *state)
{
	uint8_t expected[DEVICE_SHOWN];

	state->bypass = bytes[DEVICE_BYPASS];
	state->negotiated = viommu_i_get64(bytes + DEVICE_SHOWN);
	shown(dev, state->bypass, expected);
	if (memcmp(bytes, expected, sizeof expected) != 0)
		return VIOMMU_E_UNSUPP;
	if (state->bypass > ((dev->features & VIOMMU_F_BYPASS_CONFIG) != 0 ? 1 : 0) ||
	    (state->negotiated & ~dev->features) != 0)
		return VIOMMU_E_PEER;
	return VIOMMU_OK;
}

/* Is what the endpoint says about its domain in order, by itself and with the domains? */
static bool attachment_is_valid(const struct viommu_i_device_state *state, const uint8_t *record)
{
	uint32_t domain = viommu_i_get32(record + ENDPOINT_DOMAIN);

	if (viommu_i_get32(record + ENDPOINT_ATTACHED) == 0)
		return domain == 0;
	return viommu_i_get32(record + ENDPOINT_ATTACHED) == 1 && find_record(&state->domains, domain) != NULL;
}

static const struct viommu_endpoint *find_endpoint(const struct viommu_device *dev, uint32_t id)
{
	uint32_t slot = viommu_i_ids_find(&dev->endpoint_ids, id);

	return slot != NO_SLOT ? &dev->endpoints[slot] : NULL;
}

static enum viommu_result judge_endpoints(const struct viommu_device *dev, const struct viommu_i_device_state *state)
{
	for (size_t at = 0; at < state->endpoints.len; at += RECORD_SIZE) {
		const uint8_t *record = state->endpoints.bytes + at;
		const struct viommu_endpoint *endpoint = find_endpoint(dev, viommu_i_get32(record));

		if (!attachment_is_valid(state, record))
			return VIOMMU_E_PEER;
		if (endpoint == NULL)
			return VIOMMU_E_NOENT;
		if (viommu_i_get32(record + ENDPOINT_REGIONS) != regions_checksum(endpoint))
			return VIOMMU_E_UNSUPP;
	}
	return VIOMMU_OK;
}

static bool domain_is_valid(const struct viommu_device *dev, const struct viommu_i_device_state *state,
			    const uint8_t *record)
{
	const uint8_t *member = find_record(&state->endpoints, viommu_i_get32(record + DOMAIN_MEMBER));
	uint32_t id = viommu_i_get32(record);

	if (member == NULL || viommu_i_get32(member + ENDPOINT_ATTACHED) == 0 ||
	    viommu_i_get32(member + ENDPOINT_DOMAIN) != id)
		return false;
	if (viommu_i_get64(record + DOMAIN_MAPPINGS) == DOMAIN_IS_BYPASS &&
	    (dev->features & VIOMMU_F_BYPASS_CONFIG) == 0)
		return false;
	return (dev->features & VIOMMU_F_DOMAIN_RANGE) == 0 ||
	       (id >= dev->config.domain_first && id <= dev->config.domain_last);
}

/* Have the domains all mappings that there are, together? */
static bool domains_are_valid(const struct viommu_device *dev, const struct viommu_i_device_state *state)
{
	uint64_t left = state->mappings.len / MAPPING_SIZE;

	if (state->mappings.len % MAPPING_SIZE != 0)
		return false;
	for (size_t at = 0; at < state->domains.len; at += RECORD_SIZE) {
		const uint8_t *record = state->domains.bytes + at;
		uint64_t count = viommu_i_get64(record + DOMAIN_MAPPINGS);

		if (count == DOMAIN_IS_BYPASS)
			count = 0;
		if (count > left || !domain_is_valid(dev, state, record))
			return false;
		left -= count;
	}
	return left == 0;
}

enum viommu_result viommu_i_device_load_sections(const struct viommu_device *dev, struct viommu_i_load *l,
						 struct viommu_i_device_state *state)
{
	const uint8_t *device = viommu_i_load_fixed(l, TYPE_DEVICE, DEVICE_SIZE);
	enum viommu_result result;

	if (device == NULL || !viommu_i_load_section(l, TYPE_ENDPOINTS, &state->endpoints) ||
	    !viommu_i_load_section(l, TYPE_DOMAINS, &state->domains) ||
	    !viommu_i_load_section(l, TYPE_MAPPINGS, &state->mappings))
		return VIOMMU_E_PEER;
	if (!ids_ascend(&state->endpoints) || !ids_ascend(&state->domains))
		return VIOMMU_E_PEER;
	result = judge_device(dev, device, state);
	if (result == VIOMMU_OK)
		result = judge_endpoints(dev, state);
	if (result != VIOMMU_OK)
		return result;
	if (!domains_are_valid(dev, state))
		return VIOMMU_E_PEER;
	return state->domains.len / RECORD_SIZE > dev->max_domains ? VIOMMU_E_FULL : VIOMMU_OK;
}

/* Building, aside */

/* Could a MAP have made it, with what is offered? As viommu_i_map has it, and behind the mapping before it. */
static bool mapping_is_valid(const struct viommu_device *dev, const uint8_t *record, struct viommu_mapping *m)
{
	uint64_t known = VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE;
	uint64_t below = viommu_port_shl64(1, dev->granule_bits) - 1;
	uint64_t flags = viommu_i_get64(record + MAPPING_FLAGS);

	m->first = viommu_i_get64(record);
	m->last = viommu_i_get64(record + MAPPING_LAST);
	m->phys = viommu_i_get64(record + MAPPING_PHYS);
	m->flags = (uint32_t)flags;
	if ((dev->features & VIOMMU_F_MMIO) != 0)
		known |= VIOMMU_MAP_F_MMIO;
	if ((flags & ~known) != 0 || m->last < m->first || ((m->first | ~m->last | m->phys) & below) != 0)
		return false;
	if ((dev->features & VIOMMU_F_INPUT_RANGE) != 0 &&
	    !viommu_range_contains(dev->config.input_range, (struct viommu_range){ m->first, m->last }))
		return false;
	return m->last - m->first <= UINT64_MAX - m->phys;
}

/* The slots of domains are free, the one with this number comes next after so many. */
static struct viommu_domain *nth_free(const struct viommu_device *dev, size_t n)
{
	return &dev->domains[dev->domain_ids.slots[n]];
}

/* The next `count` mappings go into the domain's map. */
static enum viommu_result fill_map(const struct viommu_device *dev, struct viommu_domain *domain, const uint8_t *record,
				   uint64_t count)
{
	struct viommu_mapping m = { 0 };

	for (uint64_t i = 0; i < count; i++, record += MAPPING_SIZE) {
		viommu_iova behind = m.last;

		if (!mapping_is_valid(dev, record, &m) || (i > 0 && m.first <= behind))
			return VIOMMU_E_PEER;
		/* Others than those that made it may be able to do less. */
		if (!viommu_i_limits_allow(&domain->limits, (struct viommu_range){ m.first, m.last }, m.phys))
			return VIOMMU_E_UNSUPP;
		if (!viommu_i_map_load(&domain->map, &m))
			return VIOMMU_E_NOMEM;
	}
	return VIOMMU_OK;
}

static enum viommu_result fill_maps(struct viommu_device *dev, const struct viommu_i_device_state *state)
{
	const uint8_t *record = state->mappings.bytes;

	for (size_t at = 0, n = 0; at < state->domains.len; at += RECORD_SIZE, n++) {
		uint64_t count = viommu_i_get64(state->domains.bytes + at + DOMAIN_MAPPINGS);
		enum viommu_result result;

		if (count == DOMAIN_IS_BYPASS)
			continue;
		result = fill_map(dev, nth_free(dev, n), record, count);
		if (result != VIOMMU_OK)
			return result;
		record += (size_t)count * MAPPING_SIZE;
	}
	return VIOMMU_OK;
}

/* Which of the domains of the snapshot the endpoint is in; it is in one. */
static size_t domain_of(const struct viommu_i_device_state *state, const uint8_t *record)
{
	const uint8_t *domain = find_record(&state->domains, viommu_i_get32(record + ENDPOINT_DOMAIN));

	return (size_t)(domain - state->domains.bytes) / RECORD_SIZE;
}

/* Maps without mappings, and what those who will be in the domains can do. */
static void prepare_domains(struct viommu_device *dev, const struct viommu_i_device_state *state)
{
	for (size_t n = 0; n < state->domains.len / RECORD_SIZE; n++) {
		struct viommu_domain *domain = nth_free(dev, n);

		viommu_map_init(&domain->map, &dev->pool, dev->granule_bits);
		domain->endpoints = NULL;
		domain->limits = viommu_i_domain_limits(dev, domain);
	}
	for (size_t at = 0; at < state->endpoints.len; at += RECORD_SIZE) {
		const uint8_t *record = state->endpoints.bytes + at;

		if (viommu_i_get32(record + ENDPOINT_ATTACHED) != 0)
			viommu_i_limits_narrow(&nth_free(dev, domain_of(state, record))->limits,
					       &find_endpoint(dev, viommu_i_get32(record))->limits);
	}
}

static bool regions_are_free(const struct viommu_device *dev, const struct viommu_i_device_state *state)
{
	for (size_t at = 0; at < state->endpoints.len; at += RECORD_SIZE) {
		const uint8_t *record = state->endpoints.bytes + at;
		const struct viommu_endpoint *endpoint = find_endpoint(dev, viommu_i_get32(record));

		if (viommu_i_get32(record + ENDPOINT_ATTACHED) != 0 &&
		    viommu_i_regions_are_mapped(endpoint->regions, endpoint->region_count,
						&nth_free(dev, domain_of(state, record))->map))
			return false;
	}
	return true;
}

/* Where the endpoint will be, as its back end is told; returns what it finds mapped there, NULL: nothing. */
static const struct viommu_map *destination(struct viommu_device *dev, const struct viommu_i_device_state *state,
					    struct viommu_endpoint *endpoint, struct viommu_backend_change *change)
{
	const uint8_t *record = find_record(&state->endpoints, endpoint->id);
	const uint8_t *domain;

	*change = viommu_i_backend_change(dev, VIOMMU_BACKEND_DETACH);
	change->bypass = state->bypass != 0;
	if (record == NULL || viommu_i_get32(record + ENDPOINT_ATTACHED) == 0)
		return NULL;
	domain = find_record(&state->domains, viommu_i_get32(record + ENDPOINT_DOMAIN));
	change->type = VIOMMU_BACKEND_ATTACH;
	change->domain = viommu_i_get32(domain);
	change->bypass = viommu_i_get64(domain + DOMAIN_MAPPINGS) == DOMAIN_IS_BYPASS;
	return &nth_free(dev, domain_of(state, record))->map;
}

/* All endpoints that have a back end, or none. */
static enum viommu_result prepare_backends(struct viommu_device *dev, const struct viommu_i_device_state *state)
{
	enum viommu_result result = VIOMMU_OK;
	struct viommu_backend_change change;
	uint32_t i;

	for (i = 0; i < dev->endpoint_ids.count && result == VIOMMU_OK; i++) {
		struct viommu_endpoint *e = viommu_i_endpoint_at(dev, i);
		const struct viommu_map *map = destination(dev, state, e, &change);

		if (e->backend != NULL)
			result = viommu_i_backend_prepare(e, &change, map);
	}
	if (result == VIOMMU_OK)
		return VIOMMU_OK;
	/* The last one to be asked refused; the others agreed. */
	for (i--; i > 0; i--) {
		struct viommu_endpoint *e = viommu_i_endpoint_at(dev, i - 1);

		(void)destination(dev, state, e, &change);
		viommu_i_backend_abort(e, &change);
	}
	return result;
}

static void commit_backends(struct viommu_device *dev, const struct viommu_i_device_state *state)
{
	struct viommu_backend_change change;

	for (uint32_t i = 0; i < dev->endpoint_ids.count; i++) {
		struct viommu_endpoint *e = viommu_i_endpoint_at(dev, i);
		const struct viommu_map *map = destination(dev, state, e, &change);

		viommu_i_backend_commit(e, &change, map);
	}
}

enum viommu_result viommu_i_device_build(struct viommu_device *dev, const struct viommu_i_device_state *state)
{
	size_t count = state->domains.len / RECORD_SIZE;
	struct viommu_map_limbo limbo = { 0, 0 };
	enum viommu_result result;

	/* Sections of an endpoint that was removed may still read the slots of domains that died: the last one last. */
	if (count > 0 && nth_free(dev, count - 1)->died > dev->dead_drained)
		return VIOMMU_E_BUSY;
	prepare_domains(dev, state);
	result = fill_maps(dev, state);
	if (result == VIOMMU_OK && !regions_are_free(dev, state))
		result = VIOMMU_E_PEER;
	if (result == VIOMMU_OK)
		result = prepare_backends(dev, state);
	if (result == VIOMMU_OK)
		return VIOMMU_OK;
	/* Nobody has seen any of it: there is no grace period. */
	for (size_t n = 0; n < count; n++)
		viommu_map_clear(&nth_free(dev, n)->map, &limbo);
	viommu_map_pool_retire(&dev->pool, &limbo);
	(void)viommu_map_pool_reclaim(&dev->pool, UINT32_MAX);
	return result;
}

/* Becoming it */

enum viommu_result viommu_i_device_may_restore(struct viommu_device *dev)
{
	(void)viommu_device_is_settled(dev);
	if (is_busy(dev))
		return VIOMMU_E_BUSY;
	return dev->negotiated != 0 || dev->domain_ids.count != 0 ? VIOMMU_E_STATE : VIOMMU_OK;
}

static void adopt_domains(struct viommu_device *dev, const struct viommu_i_device_state *state)
{
	for (size_t at = 0; at < state->domains.len; at += RECORD_SIZE) {
		const uint8_t *record = state->domains.bytes + at;
		bool bypass = viommu_i_get64(record + DOMAIN_MAPPINGS) == DOMAIN_IS_BYPASS;
		/* Ids ascend: the next free slot is the one that comes next. */
		struct viommu_map map = nth_free(dev, dev->domain_ids.count)->map;

		viommu_i_domain_create(dev, viommu_i_get32(record), bypass)->map = map;
	}
}

static void adopt_endpoints(struct viommu_device *dev, const struct viommu_i_device_state *state)
{
	for (size_t at = 0; at < state->endpoints.len; at += RECORD_SIZE) {
		const uint8_t *record = state->endpoints.bytes + at;
		struct viommu_map_limbo limbo = { 0, 0 }; /* it leaves no domain */

		if (viommu_i_get32(record + ENDPOINT_ATTACHED) != 0)
			viommu_i_endpoint_move(dev, viommu_i_endpoint_find(dev, viommu_i_get32(record)),
					       viommu_i_domain_find(dev, viommu_i_get32(record + ENDPOINT_DOMAIN)),
					       &limbo);
	}
}

void viommu_i_device_adopt(struct viommu_device *dev, const struct viommu_i_device_state *state)
{
	bool revokes = viommu_i_bypass_is_active(dev);

	commit_backends(dev, state);
	dev->config.bypass = state->bypass;
	dev->negotiated = state->negotiated;
	for (uint32_t i = 0; i < dev->endpoint_ids.count; i++) {
		struct viommu_endpoint *endpoint = &dev->endpoints[dev->endpoint_ids.slots[i]];

		if (revokes)
			viommu_i_grace_moves(dev, endpoint);
		viommu_i_endpoint_show(dev, endpoint);
	}
	adopt_domains(dev, state);
	adopt_endpoints(dev, state);
	if (revokes) {
		dev->settle_epoch = viommu_i_grace_begin(dev);
		(void)viommu_device_is_settled(dev); /* from now on the end of the last section is told */
	}
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
}

enum viommu_result viommu_device_restore(struct viommu_device *dev, const void *bytes, size_t len)
{
	struct viommu_i_device_state state;
	struct viommu_i_load l;
	enum viommu_result result = viommu_i_device_may_restore(dev);

	if (result == VIOMMU_OK)
		result = viommu_i_load_begin(&l, bytes, len);
	if (result == VIOMMU_OK)
		result = viommu_i_device_load_sections(dev, &l, &state);
	if (result == VIOMMU_OK && l.left != 0)
		result = VIOMMU_E_PEER;
	if (result == VIOMMU_OK)
		result = viommu_i_device_build(dev, &state);
	if (result == VIOMMU_OK)
		viommu_i_device_adopt(dev, &state);
	return result;
}
