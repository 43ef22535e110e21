/* SPDX-License-Identifier: BSD-3-Clause */
#include "model.h"

#include <string.h>

#define S_OK 0
#define S_UNSUPP 2
#define S_INVAL 4
#define S_RANGE 5
#define S_NOENT 6
#define S_NOMEM 8

#define R_DOMAIN 1
#define R_MAPPING 2
#define FAULT_HAS_ADDRESS 0x100u

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] + (uint32_t)p[1] * 0x100u + (uint32_t)p[2] * 0x10000u + (uint32_t)p[3] * 0x1000000u;
}

static uint64_t le64(const uint8_t *p)
{
	return le32(p) + le32(p + 4) * UINT64_C(0x100000000);
}

static void put64(uint8_t *p, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(value >> (8 * i));
}

static bool overlap(uint64_t first, uint64_t last, uint64_t other_first, uint64_t other_last)
{
	return first <= other_last && other_first <= last;
}

static struct sim_model_endpoint *find_endpoint(struct sim_model *m, uint32_t id)
{
	for (uint32_t i = 0; i < m->endpoint_count; i++)
		if (m->endpoints[i].id == id && !m->endpoints[i].removed)
			return &m->endpoints[i];
	return NULL;
}

/* Any endpoint of the domain; NULL: there is no such domain. */
static struct sim_model_endpoint *find_member(struct sim_model *m, uint32_t domain)
{
	for (uint32_t i = 0; i < m->endpoint_count; i++)
		if (m->endpoints[i].attached && m->endpoints[i].domain == domain)
			return &m->endpoints[i];
	return NULL;
}

static bool hits_region(const struct sim_model_endpoint *endpoint, uint64_t first, uint64_t last)
{
	for (uint32_t i = 0; i < endpoint->region_count; i++)
		if (overlap(first, last, endpoint->regions[i].first, endpoint->regions[i].last))
			return true;
	return false;
}

static uint64_t granule_of(uint64_t page_size_mask)
{
	return page_size_mask & (~page_size_mask + 1);
}

/* The coarsest granule of the device and the endpoints of the domain. */
static uint64_t granule_of_domain(const struct sim_model *m, uint32_t domain)
{
	uint64_t granule = granule_of(m->page_size_mask);

	for (uint32_t i = 0; i < m->endpoint_count; i++)
		if (m->endpoints[i].attached && m->endpoints[i].domain == domain &&
		    granule_of(m->endpoints[i].page_size_mask) > granule)
			granule = granule_of(m->endpoints[i].page_size_mask);
	return granule;
}

static bool is_in_range(const struct sim_model_endpoint *endpoint, uint64_t first, uint64_t last)
{
	if (endpoint->input_first == 0 && endpoint->input_last == 0)
		return true;
	return endpoint->input_first <= first && last <= endpoint->input_last;
}

/*
 * Can the endpoint have what is mapped in the domain? With a granule that is coarser than that of the domain it can have
 * nothing, aligned or not.
 */
static bool can_have(const struct sim_model *m, const struct sim_model_endpoint *endpoint, uint32_t domain)
{
	bool is_coarser = granule_of(endpoint->page_size_mask) > granule_of_domain(m, domain);

	for (uint32_t i = 0; i < m->mapping_count; i++) {
		const struct sim_model_mapping *mapping = &m->mappings[i];

		if (mapping->domain == domain && (is_coarser || hits_region(endpoint, mapping->first, mapping->last) ||
						  !is_in_range(endpoint, mapping->first, mapping->last)))
			return false;
	}
	return true;
}

/* Removes the domain's mappings that lie in the range. */
static void remove_mappings(struct sim_model *m, uint32_t domain, uint64_t first, uint64_t last)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m->mapping_count; i++)
		if (m->mappings[i].domain != domain || m->mappings[i].first < first || m->mappings[i].last > last)
			m->mappings[kept++] = m->mappings[i];
	m->mapping_count = kept;
}

/* A domain ends with its last endpoint. */
static void leave(struct sim_model *m, struct sim_model_endpoint *endpoint)
{
	endpoint->attached = false;
	if (find_member(m, endpoint->domain) == NULL)
		remove_mappings(m, endpoint->domain, 0, UINT64_MAX);
}

/* Can there be one more domain, once the endpoint has left its own? */
static bool has_room(const struct sim_model *m, const struct sim_model_endpoint *leaving)
{
	uint32_t domains = 0;

	for (uint32_t i = 0; i < m->endpoint_count; i++) {
		bool first = m->endpoints[i].attached && &m->endpoints[i] != leaving;

		for (uint32_t k = 0; k < i; k++)
			if (m->endpoints[k].attached && &m->endpoints[k] != leaving &&
			    m->endpoints[k].domain == m->endpoints[i].domain)
				first = false;
		domains += first;
	}
	return domains < m->max_domains;
}

static int attach(struct sim_model *m, const uint8_t *r)
{
	uint32_t domain = le32(r + 4), flags = le32(r + 12);
	struct sim_model_endpoint *endpoint = find_endpoint(m, le32(r + 8));
	struct sim_model_endpoint *member = find_member(m, domain);
	bool bypass = flags == 1;

	if (le32(r + 16) != 0 || flags > 1 || (bypass && !(m->negotiated & SIM_MODEL_F_BYPASS_CONFIG)))
		return S_INVAL; /* IOMMU-DEV-ATTACH-01, -02 */
	if (endpoint == NULL)
		return S_NOENT; /* IOMMU-DEV-ATTACH-03 */
	if ((m->offered & SIM_MODEL_F_DOMAIN_RANGE) && (domain < m->domain_first || domain > m->domain_last))
		return S_RANGE;
	if (member != NULL && member->bypass != bypass)
		return S_INVAL; /* IOMMU-DEV-ATTACH-06 */
	if (endpoint->attached && endpoint->domain == domain)
		return S_OK;
	if (!can_have(m, endpoint, domain))
		return S_UNSUPP; /* IOMMU-DEV-ATTACH-11 */
	if (member == NULL && !has_room(m, endpoint))
		return S_NOMEM;
	if (endpoint->attached)
		leave(m, endpoint); /* IOMMU-DEV-ATTACH-07, -08 */
	endpoint->attached = true;
	endpoint->bypass = bypass;
	endpoint->domain = domain;
	return S_OK;
}

static int detach(struct sim_model *m, const uint8_t *r)
{
	struct sim_model_endpoint *endpoint = find_endpoint(m, le32(r + 8));

	if (endpoint == NULL)
		return S_NOENT; /* IOMMU-DEV-DETACH-02 */
	if (!endpoint->attached || endpoint->domain != le32(r + 4))
		return S_INVAL; /* IOMMU-DEV-DETACH-03 */
	leave(m, endpoint);
	return S_OK;
}

static int map(struct sim_model *m, const uint8_t *r)
{
	uint32_t domain = le32(r + 4), flags = le32(r + 32);
	uint64_t first = le64(r + 8), last = le64(r + 16), phys = le64(r + 24);
	uint64_t granule = granule_of_domain(m, domain);
	struct sim_model_endpoint *member = find_member(m, domain);

	if (flags > 7 || (flags > 3 && !(m->negotiated & SIM_MODEL_F_MMIO)))
		return S_INVAL; /* IOMMU-DEV-MAP-03 */
	if (member == NULL)
		return S_NOENT; /* IOMMU-DEV-MAP-04 */
	if (member->bypass || last < first)
		return S_INVAL; /* IOMMU-DEV-MAP-05 */
	if (first % granule != 0 || phys % granule != 0 || (last + 1) % granule != 0)
		return S_RANGE; /* IOMMU-DEV-MAP-01 */
	if ((m->offered & SIM_MODEL_F_INPUT_RANGE) && (first < m->input_first || last > m->input_last))
		return S_RANGE;
	for (uint32_t i = 0; i < m->endpoint_count; i++)
		if (m->endpoints[i].attached && m->endpoints[i].domain == domain &&
		    !is_in_range(&m->endpoints[i], first, last))
			return S_RANGE;
	if (last - first > UINT64_MAX - phys)
		return S_RANGE;
	for (uint32_t i = 0; i < m->endpoint_count; i++)
		if (m->endpoints[i].attached && m->endpoints[i].domain == domain &&
		    hits_region(&m->endpoints[i], first, last))
			return S_INVAL; /* IOMMU-DEV-RESV-04 */
	for (uint32_t i = 0; i < m->mapping_count; i++)
		if (m->mappings[i].domain == domain && overlap(first, last, m->mappings[i].first, m->mappings[i].last))
			return S_INVAL; /* IOMMU-DEV-MAP-02 */
	m->mappings[m->mapping_count++] = (struct sim_model_mapping){ domain, flags, first, last, phys, 0 };
	return S_OK;
}

static int unmap(struct sim_model *m, const uint8_t *r)
{
	uint32_t domain = le32(r + 4);
	uint64_t first = le64(r + 8), last = le64(r + 16);
	struct sim_model_endpoint *member = find_member(m, domain);

	if (le32(r + 24) != 0)
		return S_INVAL; /* IOMMU-DEV-UNMAP-01 */
	if (member == NULL)
		return S_NOENT; /* IOMMU-DEV-UNMAP-03 */
	if (member->bypass || last < first)
		return S_INVAL; /* IOMMU-DEV-UNMAP-04 */
	for (uint32_t i = 0; i < m->mapping_count; i++)
		if (m->mappings[i].domain == domain &&
		    overlap(first, last, m->mappings[i].first, m->mappings[i].last) &&
		    (m->mappings[i].first < first || m->mappings[i].last > last))
			return S_RANGE;          /* IOMMU-DEV-UNMAP-05, -06 */
	remove_mappings(m, domain, first, last); /* IOMMU-DEV-UNMAP-07 */
	return S_OK;
}

/* Fills `properties` if it succeeds. */
static int probe(struct sim_model *m, const uint8_t *r, size_t room, uint8_t *properties)
{
	struct sim_model_endpoint *endpoint = find_endpoint(m, le32(r + 4));

	if (endpoint == NULL)
		return S_NOENT; /* IOMMU-DEV-PROBE-02 */
	if (room < m->probe_size)
		return S_INVAL; /* IOMMU-DEV-PROBE-08, -09 */
	for (uint32_t i = 0; i < endpoint->region_count; i++) {
		uint8_t *property = properties + 24 * i;

		property[0] = 1;
		property[2] = 20;
		property[4] = endpoint->regions[i].msi;
		put64(property + 8, endpoint->regions[i].first);
		put64(property + 16, endpoint->regions[i].last);
	}
	return S_OK;
}

/* Length of the readable part; 0: there is no such request. */
static size_t request_size(const struct sim_model *m, uint8_t type)
{
	static const size_t sizes[] = { 0, 20, 20, 36, 28, 72 };

	if ((type == 3 || type == 4) && !(m->negotiated & SIM_MODEL_F_MAP_UNMAP))
		return 0;
	if (type == 5 && !(m->offered & SIM_MODEL_F_PROBE))
		return 0;                   /* IOMMU-DEV-PROBE-03, -04 */
	return type <= 5 ? sizes[type] : 0; /* IOMMU-DEV-OPS-02, -03 */
}

void sim_model_request(struct sim_model *m, const uint8_t *r, size_t readable_len, size_t writable_len,
		       struct sim_model_reply *reply)
{
	size_t size = readable_len < 4 ? 0 : request_size(m, r[0]), tail = 0;
	int status;

	memset(reply, 0, sizeof(*reply));
	if (size == 0 || readable_len < size || writable_len < 4)
		return;
	if (r[0] == 5)
		tail = writable_len - 4 < m->probe_size ? writable_len - 4 : m->probe_size;
	status = r[0] == 1   ? attach(m, r)
		 : r[0] == 2 ? detach(m, r)
		 : r[0] == 3 ? map(m, r)
		 : r[0] == 4 ? unmap(m, r)
			     : probe(m, r, tail, reply->bytes);
	reply->answered = true;
	reply->status = (uint8_t)status;
	reply->bytes[tail] = (uint8_t)status;
	reply->used = tail + 4;
}

static struct sim_model_access allow(uint64_t gpa, uint32_t flags, bool msi)
{
	return (struct sim_model_access){ .allowed = true, .gpa = gpa, .flags = flags, .msi = msi };
}

static struct sim_model_access refuse(uint8_t reason, uint32_t kind)
{
	return (struct sim_model_access){ .reason = reason, .fault_flags = kind | FAULT_HAS_ADDRESS };
}

struct sim_model_access sim_model_translate(const struct sim_model *m, uint32_t index, uint64_t iova, uint32_t kind)
{
	const struct sim_model_endpoint *endpoint = &m->endpoints[index];

	if (endpoint->removed)
		return refuse(R_DOMAIN, kind);
	if (!endpoint->attached) {
		if ((m->offered & SIM_MODEL_F_BYPASS_CONFIG) && m->bypass)
			return allow(iova, 3, false);
		return refuse(R_DOMAIN, kind);
	}
	if (endpoint->bypass)
		return allow(iova, 3, false);
	for (uint32_t i = 0; i < endpoint->region_count; i++)
		if (endpoint->regions[i].msi && iova >= endpoint->regions[i].first && iova <= endpoint->regions[i].last)
			return allow(iova, 3, true);
	for (uint32_t i = 0; i < m->mapping_count; i++) {
		const struct sim_model_mapping *mapping = &m->mappings[i];

		if (mapping->domain != endpoint->domain || iova < mapping->first || iova > mapping->last)
			continue;
		if (kind & ~mapping->flags)
			return refuse(R_MAPPING, kind & ~mapping->flags);
		return allow(mapping->phys + (iova - mapping->first), mapping->flags, false);
	}
	return refuse(R_MAPPING, kind);
}

void sim_model_reset(struct sim_model *m)
{
	for (uint32_t i = 0; i < m->endpoint_count; i++)
		m->endpoints[i].attached = false;
	m->mapping_count = 0;
	m->negotiated = 0;
}

void sim_model_system_reset(struct sim_model *m)
{
	sim_model_reset(m);
	m->bypass = m->offered & SIM_MODEL_F_BYPASS_CONFIG ? m->initial_bypass : 0;
}

void sim_model_remove_endpoint(struct sim_model *m, uint32_t index)
{
	if (m->endpoints[index].attached)
		leave(m, &m->endpoints[index]);
	m->endpoints[index].removed = true;
}

void sim_model_add_endpoint(struct sim_model *m, uint32_t index, const struct sim_model_endpoint *endpoint)
{
	m->endpoints[index] = *endpoint;
	m->endpoints[index].attached = false;
	m->endpoints[index].removed = false;
}

bool sim_model_negotiate(struct sim_model *m, uint64_t features)
{
	if (features & ~m->offered)
		return false;
	m->negotiated = features;
	return true;
}

void sim_model_config_write(struct sim_model *m, uint32_t offset, uint8_t value)
{
	if (offset == 36 && value <= 1 && (m->negotiated & SIM_MODEL_F_BYPASS_CONFIG))
		m->bypass = value;
}
