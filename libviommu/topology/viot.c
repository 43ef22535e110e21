/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * viot.c: reads a VIOT. Every walk checks each node anew, so that bytes which change later lead to wrong answers, but
 * not out of the table.
 */
#include "viot.h"

#include "../bytes.h"

struct node {
	const uint8_t *bytes;
	uint8_t type;
	uint16_t length;
};

static uint32_t size_of_type(uint8_t type)
{
	switch (type) {
	case VIOT_PCI_RANGE:
	case VIOT_MMIO_ENDPOINT:
		return VIOT_RANGE_SIZE;
	case VIOT_PCI_IOMMU:
	case VIOT_MMIO_IOMMU:
		return VIOT_IOMMU_SIZE;
	default:
		return VIOT_NODE_SIZE_MIN;
	}
}

static bool is_range(const struct node *n)
{
	return size_of_type(n->type) == VIOT_RANGE_SIZE;
}

static bool is_iommu(const struct node *n)
{
	return size_of_type(n->type) == VIOT_IOMMU_SIZE;
}

/* The node at this offset, at most viot->end. False: there is not enough of it. */
static bool node_at(const struct viommu_topology_viot *viot, uint32_t offset, struct node *out)
{
	uint32_t left = viot->end - offset;

	if (left < VIOT_NODE_SIZE_MIN)
		return false;
	out->bytes = viot->bytes + offset;
	out->type = out->bytes[0];
	out->length = viommu_i_get16(out->bytes + 2);
	return out->length <= left && out->length >= size_of_type(out->type);
}

static struct viommu_topology_place place_of(const struct node *iommu)
{
	struct viommu_topology_place at = { .bus = VIOMMU_TOPOLOGY_MMIO };

	if (iommu->type == VIOT_PCI_IOMMU) {
		at.bus = VIOMMU_TOPOLOGY_PCI;
		at.segment = viommu_i_get16(iommu->bytes + 4);
		at.bdf = viommu_i_get16(iommu->bytes + 6);
	} else {
		at.base = viommu_i_get64(iommu->bytes + 8);
	}
	return at;
}

/* The IOMMU that begins at `offset`, and its number. VIOMMU_E_NOENT: a node of an unknown type begins there. */
static enum viommu_result find_iommu(const struct viommu_topology_viot *viot, uint32_t offset, uint32_t *number,
				     struct node *out)
{
	uint32_t at = viot->first;
	uint32_t count = 0;

	/* Nodes have at least 4 bytes, and offset is below 2^16. */
	while (at < viot->end && at <= offset) {
		if (!node_at(viot, at, out))
			return VIOMMU_E_PEER;
		if (at == offset) {
			*number = count;
			if (is_range(out))
				return VIOMMU_E_PEER;
			return is_iommu(out) ? VIOMMU_OK : VIOMMU_E_NOENT;
		}
		if (is_iommu(out))
			count++;
		at += out->length;
	}
	return VIOMMU_E_PEER;
}

/* A range, and its IOMMU. VIOMMU_E_NOENT: that is a node of an unknown type. */
static enum viommu_result decode_range(const struct viommu_topology_viot *viot, const struct node *n,
				       struct viommu_topology_range *out, struct node *iommu)
{
	*out = (struct viommu_topology_range){ .endpoint = viommu_i_get32(n->bytes + 4) };
	if (n->type == VIOT_PCI_RANGE) {
		out->first.bus = VIOMMU_TOPOLOGY_PCI;
		out->first.segment = viommu_i_get16(n->bytes + 8);
		out->last_segment = viommu_i_get16(n->bytes + 10);
		out->first.bdf = viommu_i_get16(n->bytes + 12);
		out->last_bdf = viommu_i_get16(n->bytes + 14);
		if (!viommu_i_topology_pci_range_is_good(out))
			return VIOMMU_E_PEER;
	} else {
		out->first.bus = VIOMMU_TOPOLOGY_MMIO;
		out->first.base = viommu_i_get64(n->bytes + 8);
	}
	return find_iommu(viot, viommu_i_get16(n->bytes + 16), &out->iommu, iommu);
}

/* The next range from *offset on, which moves behind it. */
static enum viommu_result next_range(const struct viommu_topology_viot *viot, uint32_t *offset,
				     struct viommu_topology_range *out, struct node *iommu)
{
	uint32_t at = *offset != 0 ? *offset : viot->first;
	struct node n;

	for (; at < viot->end; at += n.length) {
		enum viommu_result result;

		if (!node_at(viot, at, &n))
			return VIOMMU_E_PEER;
		if (!is_range(&n))
			continue;
		result = decode_range(viot, &n, out, iommu);
		if (result == VIOMMU_E_NOENT)
			continue;
		*offset = at + n.length;
		return result;
	}
	return VIOMMU_E_EMPTY;
}

static bool sums_up_to_0(const uint8_t *bytes, uint32_t len)
{
	unsigned sum = 0;

	for (uint32_t i = 0; i < len; i++)
		sum = (sum + bytes[i]) & 0xffu;
	return sum == 0;
}

/* Is there a table of this form, up to its last node? */
static bool header_is_good(const uint8_t *bytes, size_t len, struct viommu_topology_viot *out)
{
	uint32_t length, at;
	struct node n;

	if (len < VIOT_HEADER_SIZE || viommu_i_get32(bytes) != VIOT_SIGNATURE)
		return false;
	length = viommu_i_get32(bytes + 4);
	if (length > len || !sums_up_to_0(bytes, length))
		return false;
	at = viommu_i_get16(bytes + 38); /* between the two, length is not too small either */
	if (at < VIOT_HEADER_SIZE || at > length)
		return false;

	out->bytes = bytes;
	out->first = at;
	out->end = length;
	for (unsigned left = viommu_i_get16(bytes + 36); left > 0; left--) {
		if (!node_at(out, at, &n))
			return false;
		at += n.length;
	}
	out->end = at;
	return true;
}

enum viommu_result viommu_topology_viot_init(struct viommu_topology_viot *viot, const uint8_t *bytes, size_t len)
{
	struct viommu_topology_viot judged;
	struct viommu_topology_range range;
	uint32_t offset = 0;
	enum viommu_result result;

	if (!header_is_good(bytes, len, &judged))
		return VIOMMU_E_PEER;
	do
		result = viommu_topology_viot_next(&judged, &offset, &range);
	while (result == VIOMMU_OK);
	if (result != VIOMMU_E_EMPTY)
		return result;
	*viot = judged;
	return VIOMMU_OK;
}

enum viommu_result viommu_topology_viot_iommu(const struct viommu_topology_viot *viot, uint32_t number,
					      struct viommu_topology_place *out)
{
	struct node n;

	for (uint32_t at = viot->first; at < viot->end; at += n.length) {
		if (!node_at(viot, at, &n))
			return VIOMMU_E_PEER;
		if (!is_iommu(&n))
			continue;
		if (number == 0) {
			*out = place_of(&n);
			return VIOMMU_OK;
		}
		number--;
	}
	return VIOMMU_E_NOENT;
}

enum viommu_result viommu_topology_viot_next(const struct viommu_topology_viot *viot, uint32_t *offset,
					     struct viommu_topology_range *out)
{
	struct viommu_topology_range range;
	struct node iommu;
	uint32_t next = *offset;
	enum viommu_result result = next_range(viot, &next, &range, &iommu);

	if (result == VIOMMU_OK) {
		*offset = next;
		*out = range;
	}
	return result;
}

static bool range_holds(const struct viommu_topology_range *r, const struct viommu_topology_place *device)
{
	if (device->bus != r->first.bus)
		return false;
	if (device->bus == VIOMMU_TOPOLOGY_MMIO)
		return device->base == r->first.base;
	return device->segment >= r->first.segment && device->segment <= r->last_segment &&
	       device->bdf >= r->first.bdf && device->bdf <= r->last_bdf;
}

enum viommu_result viommu_topology_viot_endpoint(const struct viommu_topology_viot *viot,
						 const struct viommu_topology_place *device, uint32_t *iommu,
						 uint32_t *endpoint)
{
	struct viommu_topology_range r;
	struct viommu_topology_place owner;
	struct node node;
	uint32_t offset = 0;
	enum viommu_result result;

	do
		result = next_range(viot, &offset, &r, &node);
	while (result == VIOMMU_OK && !range_holds(&r, device));
	if (result != VIOMMU_OK)
		return result == VIOMMU_E_EMPTY ? VIOMMU_E_NOENT : result;
	owner = place_of(&node);
	if (viommu_i_topology_is_same_place(&owner, device))
		return VIOMMU_E_NOENT;

	*iommu = r.iommu;
	*endpoint = r.endpoint;
	if (device->bus == VIOMMU_TOPOLOGY_PCI)
		*endpoint +=
			(uint32_t)(device->segment - r.first.segment) << 16 | (uint32_t)(device->bdf - r.first.bdf);
	return VIOMMU_OK;
}

/* The device of the range that has this id. False: none. */
static bool range_device(const struct viommu_topology_range *r, uint32_t endpoint, struct viommu_topology_place *out)
{
	uint32_t segments, bdfs;

	if (endpoint < r->endpoint)
		return false;
	*out = r->first;
	if (r->first.bus == VIOMMU_TOPOLOGY_MMIO)
		return endpoint == r->endpoint;
	segments = (endpoint - r->endpoint) >> 16;
	bdfs = (endpoint - r->endpoint) & 0xffffu;
	out->segment = (uint16_t)(r->first.segment + segments);
	out->bdf = (uint16_t)(r->first.bdf + bdfs);
	return segments <= (uint32_t)(r->last_segment - r->first.segment) &&
	       bdfs <= (uint32_t)(r->last_bdf - r->first.bdf);
}

enum viommu_result viommu_topology_viot_device(const struct viommu_topology_viot *viot, uint32_t iommu,
					       uint32_t endpoint, struct viommu_topology_place *out)
{
	struct viommu_topology_range r;
	struct viommu_topology_place device;
	uint32_t offset = 0, its_iommu, its_endpoint;
	enum viommu_result result;

	do
		result = viommu_topology_viot_next(viot, &offset, &r);
	while (result == VIOMMU_OK && (r.iommu != iommu || !range_device(&r, endpoint, &device)));
	if (result != VIOMMU_OK)
		return result == VIOMMU_E_EMPTY ? VIOMMU_E_NOENT : result;

	/* An earlier range may have taken it away. */
	result = viommu_topology_viot_endpoint(viot, &device, &its_iommu, &its_endpoint);
	if (result != VIOMMU_OK)
		return result;
	if (its_iommu != iommu || its_endpoint != endpoint)
		return VIOMMU_E_NOENT;
	*out = device;
	return VIOMMU_OK;
}
