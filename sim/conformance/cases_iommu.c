/* SPDX-License-Identifier: BSD-3-Clause */
/* cases_iommu.c: what the chapter on the IOMMU device asks of a device. */
#include "session.h"

#include <string.h>

#define RW (VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)
#define EP (c->target->endpoints[0])
#define D1 conf_domain(c, 1)
#define D2 conf_domain(c, 2)
#define D3 conf_domain(c, 3)

/* A device with its first endpoint in domain 1. */
static bool attached(struct conf *c)
{
	return conf_start(c, CONF_CLASS_FEATURES) && conf_set_up(c, conf_attach(D1, EP, 0));
}

/* And in that domain granules 0 to 3 are one mapping. */
static bool mapped(struct conf *c)
{
	return attached(c) && conf_set_up(c, conf_map_pages(c, D1, 0, 4, 0, RW));
}

/* A device whose domain 1 is a bypass domain. */
static bool bypassing(struct conf *c)
{
	if (!conf_start(c, CONF_CLASS_FEATURES))
		return false;
	if ((c->negotiated & VIOMMU_F_BYPASS_CONFIG) == 0) {
		conf_absent(c, "BYPASS_CONFIG is not offered");
		return false;
	}
	return conf_set_up(c, conf_attach(D1, EP, VIOMMU_ATTACH_F_BYPASS));
}

/* Feature bits and configuration */

static void map_unmap_offered(struct conf *c)
{
	if (conf_start(c, CONF_CLASS_FEATURES))
		(void)conf_check(c, (c->offered & VIOMMU_F_MAP_UNMAP) != 0, "it is not");
	conf_note(c, "features %#llx", (unsigned long long)c->offered);
}

static void bypass_not_offered(struct conf *c)
{
	if (conf_start(c, CONF_CLASS_FEATURES))
		(void)conf_check(c, (c->offered & VIOMMU_F_BYPASS) == 0, "it is");
	conf_note(c, "features %#llx", (unsigned long long)c->offered);
}

static void one_bypass_offered(struct conf *c)
{
	if (conf_start(c, CONF_CLASS_FEATURES))
		(void)conf_check(c,
				 (c->offered & (VIOMMU_F_BYPASS | VIOMMU_F_BYPASS_CONFIG)) !=
					 (VIOMMU_F_BYPASS | VIOMMU_F_BYPASS_CONFIG),
				 "both are");
	conf_note(c, "features %#llx", (unsigned long long)c->offered);
}

static void mask_not_zero(struct conf *c)
{
	(void)conf_negotiate(c, CONF_CLASS_FEATURES);
	conf_note(c, "page_size_mask %#llx", (unsigned long long)c->config.page_size_mask);
	(void)conf_check(c, c->config.page_size_mask != 0, "it is 0");
}

static void mask_hints(struct conf *c)
{
	if (conf_start(c, CONF_CLASS_FEATURES))
		conf_free(c, "page_size_mask %#llx", (unsigned long long)c->config.page_size_mask);
}

static bool has_bypass_config(struct conf *c)
{
	if (!conf_start(c, CONF_CLASS_FEATURES))
		return false;
	if ((c->negotiated & VIOMMU_F_BYPASS_CONFIG) == 0)
		conf_absent(c, "BYPASS_CONFIG is not offered");
	return (c->negotiated & VIOMMU_F_BYPASS_CONFIG) != 0;
}

static void initial_bypass(struct conf *c)
{
	if (!conf_reset(c) || !c->target->renew(c->target->ctx, UINT64_MAX) || !conf_negotiate(c, CONF_CLASS_FEATURES))
		return;
	if ((c->offered & VIOMMU_F_BYPASS_CONFIG) == 0)
		conf_absent(c, "BYPASS_CONFIG is not offered");
	conf_free(c, "bypass is %u at the beginning", conf_bypass(c));
}

static void bypass_survives_reset(struct conf *c)
{
	for (uint8_t bypass = 0; bypass < 2 && has_bypass_config(c); bypass++) {
		conf_set_bypass(c, bypass);
		(void)conf_check(c, conf_bypass(c) == bypass, "%u cannot be stored", bypass);
		if (!conf_negotiate(c, CONF_CLASS_FEATURES))
			return;
		(void)conf_check(c, conf_bypass(c) == bypass, "%u is not %u any more", bypass, bypass);
	}
	conf_note(c, "bypass 0 and 1 stored, reset, read");
}

static void bypass_in_system_reset(struct conf *c)
{
	uint8_t initial;

	if (c->target->system_reset == NULL) {
		conf_unreached(c, "the machine cannot be reset from here");
		return;
	}
	if (!c->target->renew(c->target->ctx, UINT64_MAX) || !conf_negotiate(c, CONF_CLASS_FEATURES))
		return;
	initial = conf_bypass(c);
	if (!has_bypass_config(c))
		return;
	conf_set_bypass(c, !initial);
	if (!conf_check(c, c->target->system_reset(c->target->ctx), "no system reset") ||
	    !conf_negotiate(c, CONF_CLASS_FEATURES))
		return;
	(void)conf_check(c, conf_bypass(c) == initial, "%u after the reset and %u before", conf_bypass(c), initial);
	conf_note(c, "bypass %u, stored %u, system reset, read %u", initial, !initial, conf_bypass(c));
}

static void bypass_is_boolean(struct conf *c)
{
	static const uint8_t stores[] = { 2, 3, 0x80, 0xff };

	if (!has_bypass_config(c))
		return;
	for (size_t i = 0; i < sizeof(stores); i++) {
		conf_set_bypass(c, stores[i]);
		(void)conf_check(c, conf_bypass(c) <= 1, "%u was stored and %u is read", stores[i], conf_bypass(c));
	}
	conf_note(c, "stored 2, 3, 128 and 255");
}

/* Requests in general */

static void success_is_ok(struct conf *c)
{
	if (conf_start(c, CONF_CLASS_FEATURES))
		(void)conf_expect(c, conf_attach(D1, EP, 0), VIOMMU_S_OK);
}

static int ask_unknown_type(struct conf *c)
{
	struct conf_message m = conf_map_pages(c, D1, 0, 1, 0, RW);

	m.bytes[0] = 0x7f;
	return conf_ask(c, m);
}

static bool is_unwritten(const struct conf *c, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (c->in[i] != CONF_FILL)
			return false;
	}
	return true;
}

static void unknown_type_unwritten(struct conf *c)
{
	if (!attached(c))
		return;
	(void)conf_check(c, ask_unknown_type(c) != CONF_NO_ANSWER, "no answer");
	(void)conf_check(c, is_unwritten(c, 4), "the buffer was written");
}

static void unknown_type_length(struct conf *c)
{
	int status;

	if (!attached(c))
		return;
	status = ask_unknown_type(c);
	(void)conf_check(c, status == CONF_UNWRITTEN, "length %u", c->used);
}

static void head_reserved_ignored(struct conf *c)
{
	struct conf_message m;

	if (!conf_start(c, CONF_CLASS_FEATURES))
		return;
	m = conf_attach(D1, EP, 0);
	memset(m.bytes + 1, 0xff, 3);
	(void)conf_expect(c, m, VIOMMU_S_OK);
}

static void tail_reserved_zero(struct conf *c)
{
	if (!attached(c))
		return;
	(void)conf_check(c, c->in[1] == 0 && c->in[2] == 0 && c->in[3] == 0, "they are not");
}

static void unattached_is_blocked(struct conf *c)
{
	if (!conf_has_dma(c, 1) || !has_bypass_config(c) || !conf_load_engine(c, 0, 1) ||
	    !conf_set_up(c, conf_detach(D3, EP)))
		return;
	conf_paint(c, 0, 99);
	conf_dma_write(c, 0, conf_phys(c, 0));
	(void)conf_check(c, conf_is_painted(c, 0, 99), "it has written");
	conf_note(c, "bypass 0; the unattached endpoint wrote to %#llx", (unsigned long long)conf_phys(c, 0));
}

/* ATTACH */

static void attach_reserved(struct conf *c)
{
	for (size_t i = 16; i < 20 && conf_start(c, CONF_CLASS_FEATURES); i++) {
		struct conf_message m = conf_attach(D1, EP, 0);

		m.bytes[i] = 1;
		(void)conf_expect(c, m, VIOMMU_S_INVAL);
	}
}

static void attach_unknown_flag(struct conf *c)
{
	if (!conf_start(c, CONF_CLASS_FEATURES))
		return;
	(void)conf_expect(c, conf_attach(D1, EP, 2), VIOMMU_S_INVAL);
	(void)conf_expect(c, conf_attach(D1, EP, 0x80000000), VIOMMU_S_INVAL);
}

static void attach_unknown_endpoint(struct conf *c)
{
	if (!conf_start(c, CONF_CLASS_FEATURES))
		return;
	(void)conf_expect(c, conf_attach(D1, c->target->unknown_endpoint, 0), VIOMMU_S_NOENT);
	/* Ids have 32 bits, all of which count. */
	for (uint32_t bit = 16; bit < 32; bit += 5)
		(void)conf_expect(c, conf_attach(D1, EP | UINT32_C(1) << bit, 0), VIOMMU_S_NOENT);
}

/* ATTACHes another endpoint to a domain that has one. Returns the status, or CONF_NO_ANSWER if that cannot be tried. */
static int share(struct conf *c)
{
	if (c->target->endpoint_count < 2) {
		conf_unreached(c, "there is one endpoint only");
		return CONF_NO_ANSWER;
	}
	return attached(c) ? conf_ask(c, conf_attach(D1, c->target->endpoints[1], 0)) : CONF_NO_ANSWER;
}

static void attach_shared(struct conf *c)
{
	int status = share(c);

	conf_free(c, "%s", conf_status_name(status));
}

static void attach_share_refused(struct conf *c)
{
	int status = share(c);

	if (status == VIOMMU_S_OK)
		conf_absent(c, "domains can be shared");
	(void)conf_check(c, status == VIOMMU_S_UNSUPP, "%s and not UNSUPP", conf_status_name(status));
}

static void attach_bypass_mismatch(struct conf *c)
{
	if (c->target->endpoint_count < 2) {
		conf_unreached(c, "there is one endpoint only");
		return;
	}
	if (bypassing(c))
		(void)conf_expect(c, conf_attach(D1, c->target->endpoints[1], 0), VIOMMU_S_INVAL);
	if (c->outcome->verdict == CONF_HOLDS && attached(c))
		(void)conf_expect(c, conf_attach(D1, c->target->endpoints[1], VIOMMU_ATTACH_F_BYPASS), VIOMMU_S_INVAL);
}

static void attach_moves(struct conf *c)
{
	if (attached(c) && conf_expect(c, conf_attach(D2, EP, 0), VIOMMU_S_OK))
		(void)conf_expect(c, conf_map_pages(c, D2, 0, 1, 0, RW), VIOMMU_S_OK);
}

static void attach_moves_like_detach(struct conf *c)
{
	if (mapped(c) && conf_set_up(c, conf_attach(D2, EP, 0)))
		(void)conf_expect(c, conf_unmap_pages(c, D1, 0, 4), VIOMMU_S_NOENT);
}

static void attach_move_refused(struct conf *c)
{
	int status;

	if (!attached(c))
		return;
	status = conf_ask(c, conf_attach(D2, EP, 0));
	if (status == VIOMMU_S_OK)
		conf_absent(c, "endpoints can be moved");
	(void)conf_check(c, status == VIOMMU_S_UNSUPP, "%s and not UNSUPP", conf_status_name(status));
}

static void attach_compatible(struct conf *c)
{
	int status = share(c);

	(void)conf_check(c, status == VIOMMU_S_OK, "%s and not OK", conf_status_name(status));
}

static void attach_takes_effect(struct conf *c)
{
	if (attached(c))
		(void)conf_expect(c, conf_map_pages(c, D1, 0, 1, 0, RW), VIOMMU_S_OK);
}

/* DETACH */

static void detach_reserved(struct conf *c)
{
	struct conf_message m;

	if (!attached(c))
		return;
	m = conf_detach(D1, EP);
	memset(m.bytes + 12, 0xff, 8);
	(void)conf_expect(c, m, VIOMMU_S_OK);
}

static void detach_unknown_endpoint(struct conf *c)
{
	if (attached(c))
		(void)conf_expect(c, conf_detach(D1, c->target->unknown_endpoint), VIOMMU_S_NOENT);
}

static void detach_wrong_domain(struct conf *c)
{
	if (attached(c))
		conf_free(c, "%s", conf_status_name(conf_ask(c, conf_detach(D2, EP))));
}

static void detach_takes_effect(struct conf *c)
{
	if (!conf_has_dma(c, 1) || !has_bypass_config(c) || !conf_load_engine(c, 0, 2) ||
	    !conf_set_up(c, conf_map_pages(c, D3, 0, 1, 0, RW)))
		return;
	conf_paint(c, 0, 99);
	conf_dma_write(c, 0, conf_iova(c, 0));
	(void)conf_check(c, conf_is_painted(c, 0, 2), "could not be tried: DMA does not arrive");
	if (!conf_set_up(c, conf_detach(D3, EP)))
		return;
	conf_paint(c, 0, 99);
	conf_dma_write(c, 0, conf_iova(c, 0));
	(void)conf_check(c, conf_is_painted(c, 0, 99), "a write still arrives");
}

/* MAP */

static void map_unaligned(struct conf *c)
{
	uint64_t a, b, p;

	if (!attached(c))
		return;
	a = conf_iova(c, 0);
	b = conf_iova(c, 1) - 1;
	p = conf_phys(c, 0);
	if (c->granule == 1)
		conf_absent(c, "everything is aligned to 1");
	(void)conf_expect(c, conf_map(D1, a + c->granule / 2, b, p, RW), VIOMMU_S_RANGE);
	(void)conf_expect(c, conf_map(D1, a, b - c->granule / 2, p, RW), VIOMMU_S_RANGE);
	(void)conf_expect(c, conf_map(D1, a, b, p + c->granule / 2, RW), VIOMMU_S_RANGE);
}

static void map_overlap(struct conf *c)
{
	if (!mapped(c))
		return;
	(void)conf_expect(c, conf_map_pages(c, D1, 0, 4, 4, RW), VIOMMU_S_INVAL);
	(void)conf_expect(c, conf_map_pages(c, D1, 1, 1, 4, RW), VIOMMU_S_INVAL);
	(void)conf_expect(c, conf_map_pages(c, D1, 3, 2, 4, RW), VIOMMU_S_INVAL);
}

static void map_unknown_flag(struct conf *c)
{
	if (!attached(c))
		return;
	(void)conf_expect(c, conf_map_pages(c, D1, 0, 1, 0, RW | 8), VIOMMU_S_INVAL);
	(void)conf_expect(c, conf_map_pages(c, D1, 0, 1, 0, RW | 0x80000000), VIOMMU_S_INVAL);
}

static void map_unknown_domain(struct conf *c)
{
	if (attached(c))
		(void)conf_expect(c, conf_map_pages(c, D2, 0, 1, 0, RW), VIOMMU_S_NOENT);
}

static void map_bypass_domain(struct conf *c)
{
	if (bypassing(c))
		(void)conf_expect(c, conf_map_pages(c, D1, 0, 1, 0, RW), VIOMMU_S_INVAL);
}

static void map_read_only(struct conf *c)
{
	if (!conf_has_dma(c, 1) || !conf_start(c, CONF_CLASS_FEATURES) || !conf_load_engine(c, 0, 3) ||
	    !conf_set_up(c, conf_map_pages(c, D3, 0, 1, 0, VIOMMU_MAP_F_READ)))
		return;
	conf_paint(c, 0, 99);
	conf_dma_write(c, 0, conf_iova(c, 0));
	(void)conf_check(c, conf_is_painted(c, 0, 99), "a write has arrived");
}

static void map_write_only(struct conf *c)
{
	if (!conf_has_dma(c, 1) || !conf_start(c, CONF_CLASS_FEATURES) || !conf_load_engine(c, 0, 4) ||
	    !conf_set_up(c, conf_map_pages(c, D3, 0, 1, 0, VIOMMU_MAP_F_WRITE)) ||
	    !conf_set_up(c, conf_map_pages(c, D3, 1, 1, 1, RW)))
		return;
	conf_paint(c, 0, 99);
	conf_dma_read(c, 0, conf_iova(c, 0));
	conf_dma_write(c, 0, conf_iova(c, 1));
	conf_free(c, conf_is_painted(c, 1, 99) ? "reads are let through" : "reads are refused");
}

/* UNMAP */

static int unmap_with_reserved(struct conf *c)
{
	struct conf_message m = conf_unmap_pages(c, D1, 0, 4);

	memset(m.bytes + 24, 0xff, 4);
	return conf_ask(c, m);
}

static void unmap_reserved(struct conf *c)
{
	if (mapped(c))
		conf_free(c, "%s", conf_status_name(unmap_with_reserved(c)));
}

static void unmap_reserved_effect(struct conf *c)
{
	int first, second;

	if (!mapped(c))
		return;
	first = unmap_with_reserved(c);
	if (first != VIOMMU_S_INVAL)
		conf_absent(c, "reserved bytes are no error");
	second = conf_ask(c, conf_map_pages(c, D1, 0, 4, 0, RW));
	conf_free(c, second == VIOMMU_S_OK ? "the mapping is gone" : "the mapping is still there");
}

static void unmap_unknown_domain(struct conf *c)
{
	if (attached(c))
		(void)conf_expect(c, conf_unmap_pages(c, D2, 0, 1), VIOMMU_S_NOENT);
}

static void unmap_bypass_domain(struct conf *c)
{
	if (bypassing(c))
		(void)conf_expect(c, conf_unmap_pages(c, D1, 0, 1), VIOMMU_S_INVAL);
}

static void unmap_split(struct conf *c)
{
	if (!mapped(c))
		return;
	(void)conf_expect(c, conf_unmap_pages(c, D1, 0, 2), VIOMMU_S_RANGE);
	(void)conf_expect(c, conf_unmap_pages(c, D1, 2, 4), VIOMMU_S_RANGE);
	(void)conf_expect(c, conf_unmap_pages(c, D1, 1, 1), VIOMMU_S_RANGE);
}

/*
 * The first of two mappings that was made can be removed, and the other one would be split; and both have to be there
 * afterwards. Twice, the second time the other way round: a device may come to either of them first.
 */
static void unmap_all_or_nothing(struct conf *c)
{
	if (!attached(c))
		return;
	for (uint64_t first = 0; first <= 4; first += 4) {
		int status;

		if (!conf_set_up(c, conf_map_pages(c, D1, first, 4, first, RW)) ||
		    !conf_set_up(c, conf_map_pages(c, D1, 4 - first, 4, 4 - first, RW)))
			return;
		status = conf_ask(c, conf_unmap_pages(c, D1, first == 0 ? 0 : 2, 6));
		if (!conf_check(c, status == VIOMMU_S_RANGE, "could not be tried: %s", conf_status_name(status)))
			return;
		for (uint64_t n = 0; n <= 4; n += 4)
			(void)conf_expect(c, conf_map_pages(c, D1, n, 1, n, RW), VIOMMU_S_INVAL);
		if (!conf_set_up(c, conf_unmap_pages(c, D1, 0, 8)))
			return;
	}
}

static void unmap_gaps(struct conf *c)
{
	if (!mapped(c) || !conf_set_up(c, conf_map_pages(c, D1, 8, 1, 8, RW)))
		return;
	(void)conf_expect(c, conf_unmap_pages(c, D1, 20, 4), VIOMMU_S_OK);
	(void)conf_expect(c, conf_unmap_pages(c, D1, 0, 16), VIOMMU_S_OK);
	(void)conf_expect(c, conf_map_pages(c, D1, 0, 16, 0, RW), VIOMMU_S_OK);
}

/* PROBE */

static bool can_probe(struct conf *c)
{
	if (!conf_start(c, CONF_CLASS_FEATURES))
		return false;
	if ((c->offered & VIOMMU_F_PROBE) == 0)
		conf_absent(c, "PROBE is not offered");
	return (c->offered & VIOMMU_F_PROBE) != 0;
}

static bool probed(struct conf *c)
{
	return can_probe(c) && conf_set_up(c, conf_probe(c, EP));
}

static void probe_reserved(struct conf *c)
{
	struct conf_message m;

	if (!can_probe(c))
		return;
	m = conf_probe(c, EP);
	memset(m.bytes + 8, 0xff, 64);
	(void)conf_expect(c, m, VIOMMU_S_OK);
}

static void probe_unknown_endpoint(struct conf *c)
{
	if (can_probe(c))
		(void)conf_expect(c, conf_probe(c, c->target->unknown_endpoint), VIOMMU_S_NOENT);
}

static int probe_a_device_without(struct conf *c)
{
	struct conf_message m;

	if (!c->target->can_choose_features) {
		if (can_probe(c))
			conf_absent(c, "PROBE is offered");
	} else if (!c->target->renew(c->target->ctx, CONF_CLASS_FEATURES & ~VIOMMU_F_PROBE)) {
		(void)conf_check(c, false, "there is no device without PROBE");
		return CONF_NO_ANSWER;
	}
	if (!conf_start(c, CONF_CLASS_FEATURES))
		return CONF_NO_ANSWER;
	m = conf_probe(c, EP);
	m.in_len = 516;
	return conf_ask(c, m);
}

static void probe_not_offered_unwritten(struct conf *c)
{
	int status = probe_a_device_without(c);

	(void)conf_check(c, status != CONF_NO_ANSWER && is_unwritten(c, 516), "it is written");
}

static void probe_not_offered_length(struct conf *c)
{
	int status = probe_a_device_without(c);

	(void)conf_check(c, status == CONF_UNWRITTEN, "length %u", c->used);
}

/* Properties of the last PROBE: how many regions there are, and whether the list is sound. */
static uint32_t list(struct conf *c, struct viommu_resv_region *regions, uint32_t room)
{
	struct viommu_wire_property p;
	size_t offset = 0;
	uint32_t count = 0;
	enum viommu_result r;

	while ((r = viommu_wire_property_next(c->in, c->config.probe_size, &offset, &p)) == VIOMMU_OK) {
		(void)conf_check(c, p.reserved == 0, "property with reserved bits %#x", p.reserved);
		(void)conf_check(c, p.type == VIOMMU_PROBE_T_RESV_MEM, "property of type %u", p.type);
		(void)conf_check(c, p.length == VIOMMU_WIRE_RESV_MEM_SIZE - 4, "length %u of a region", p.length);
		if (p.length >= 4)
			(void)conf_check(c, p.value[1] == 0 && p.value[2] == 0 && p.value[3] == 0,
					 "reserved bytes of a region are not 0");
		if (count < room && viommu_wire_resv_mem_decode(&p, &regions[count]) == VIOMMU_OK)
			count++;
	}
	(void)conf_check(c, r == VIOMMU_E_EMPTY, "a property does not end in the list");
	return count;
}

/* Any of the rules for the list; there is none without a region. */
static void probe_list(struct conf *c)
{
	struct viommu_resv_region regions[32];

	if (probed(c) && list(c, regions, 32) == 0)
		conf_absent(c, "the endpoint has no regions");
}

static void probe_short(struct conf *c, bool want_status)
{
	struct conf_message m;
	int status;

	if (!can_probe(c))
		return;
	if (c->config.probe_size < 8)
		conf_absent(c, "probe_size leaves no room for less");
	m = conf_probe(c, EP);
	m.in_len -= 4;
	status = conf_ask(c, m);
	if (want_status) {
		(void)conf_check(c, status == VIOMMU_S_INVAL, "%s and not INVAL", conf_status_name(status));
		return;
	}
	(void)conf_check(c, status != CONF_NO_ANSWER, "no answer");
	/* A length of 4 is a status alone, in the wrong place, and no property. */
	for (size_t i = c->used == 4 ? 4 : 0; i + 4 < m.in_len; i++)
		(void)conf_check(c, c->in[i] == 0 || c->in[i] == CONF_FILL, "byte %zu of the properties is %#x", i,
				 c->in[i]);
}

static void probe_short_unwritten(struct conf *c)
{
	probe_short(c, false);
}

static void probe_short_status(struct conf *c)
{
	probe_short(c, true);
}

static void probe_zero_fill(struct conf *c)
{
	struct viommu_wire_property p;
	size_t offset = 0;

	if (!probed(c))
		return;
	while (viommu_wire_property_next(c->in, c->config.probe_size, &offset, &p) == VIOMMU_OK)
		;
	for (size_t i = offset; i < c->config.probe_size; i++)
		(void)conf_check(c, c->in[i] == 0, "byte %zu of the properties is %#x", i, c->in[i]);
}

static void resv_regions(struct conf *c)
{
	struct viommu_resv_region regions[32];
	uint32_t count, msi = 0;

	if (!probed(c))
		return;
	count = list(c, regions, 32);
	for (uint32_t i = 0; i < count; i++) {
		msi += regions[i].subtype == VIOMMU_RESV_MEM_MSI;
		for (uint32_t k = 0; k < i; k++)
			(void)conf_check(c, !viommu_range_overlaps(regions[i].range, regions[k].range),
					 "regions %u and %u overlap", k, i);
	}
	(void)conf_check(c, msi <= 1, "%u regions for MSI", msi);
	if (count == 0)
		conf_absent(c, "the endpoint has no regions");
}

static void resv_not_mapped(struct conf *c)
{
	struct viommu_resv_region regions[32];
	uint32_t count;

	if (!probed(c))
		return;
	count = list(c, regions, 32);
	if (count == 0)
		conf_absent(c, "the endpoint has no regions");
	if (!conf_set_up(c, conf_attach(D1, EP, 0)))
		return;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t first = regions[i].range.first & ~(c->granule - 1);
		int status = conf_ask(c, conf_map(D1, first, first + c->granule - 1, conf_phys(c, 0), RW));

		(void)conf_check(c, status > 0, "%s", conf_status_name(status));
	}
}

/* Faults: the one of a write to nowhere, by the first endpoint in domain 1. */

static bool faulted(struct conf *c, uint8_t report[VIOMMU_WIRE_FAULT_SIZE])
{
	if (!conf_has_dma(c, 1) || !attached(c))
		return false;
	conf_dma_write(c, 0, conf_iova(c, 5));
	return conf_check(c, conf_take_event(c, report), "no report of it");
}

static void fault_reserved(struct conf *c)
{
	uint8_t r[VIOMMU_WIRE_FAULT_SIZE];

	if (faulted(c, r))
		(void)conf_check(c, (r[1] | r[2] | r[3] | r[12] | r[13] | r[14] | r[15]) == 0,
				 "reserved bytes are not 0");
}

static void fault_flags(struct conf *c)
{
	uint8_t r[VIOMMU_WIRE_FAULT_SIZE];

	if (faulted(c, r))
		(void)conf_check(c, ((r[4] & ~3u) | (r[5] & ~1u) | r[6] | r[7]) == 0, "undefined flags");
}

static void fault_endpoint(struct conf *c)
{
	uint8_t r[VIOMMU_WIRE_FAULT_SIZE];
	uint32_t id;

	if (!faulted(c, r))
		return;
	id = r[8] | (uint32_t)r[9] << 8 | (uint32_t)r[10] << 16 | (uint32_t)r[11] << 24;
	(void)conf_check(c, id == EP, "endpoint %#x and not %#x", id, EP);
}

static void fault_address(struct conf *c)
{
	uint8_t r[VIOMMU_WIRE_FAULT_SIZE];

	if (faulted(c, r))
		conf_free(c, (r[5] & 1) != 0 ? "the address is given" : "the address is left out");
}

static void fault_one_buffer(struct conf *c)
{
	uint8_t r[VIOMMU_WIRE_FAULT_SIZE];
	bool was_short = false;

	if (!conf_has_dma(c, 1) || !conf_negotiate(c, CONF_CLASS_FEATURES) || !conf_enable_queues(c, CONF_DESCRIPTORS))
		return;
	conf_driver_ok(c);
	conf_give_events(c, 3, 8);
	if (!conf_set_up(c, conf_attach(D1, EP, 0)))
		return;
	conf_dma_write(c, 0, conf_iova(c, 5));
	while (conf_take_event(c, r)) {
		(void)conf_check(c, !was_short || c->used == 0, "more than one buffer is used for a report");
		was_short = c->used != 0;
	}
	(void)conf_check(c, !was_short, "a part of a report");
	conf_note(c, "event buffers of 8 bytes; afterwards status %#x", conf_status(c));
}

#define UNREACHED(rule, level, topic, why)                                                                             \
	{                                                                                                              \
		rule, level, topic, NULL, why                                                                          \
	}

const struct conf_case conf_iommu_cases[] = {
	{ "IOMMU-DEV-FEAT-01", "SHOULD", "MAP_UNMAP is offered", map_unmap_offered, NULL },
	{ "IOMMU-DEV-FEAT-02", "SHOULD_NOT", "BYPASS is offered", bypass_not_offered, NULL },
	{ "IOMMU-DEV-FEAT-03", "SHOULD_NOT", "BYPASS and BYPASS_CONFIG are offered", one_bypass_offered, NULL },
	{ "IOMMU-DEV-CONFIG-01", "MUST", "page_size_mask has a bit", mask_not_zero, NULL },
	{ "IOMMU-DEV-CONFIG-02", "MAY", "page_size_mask has more bits", mask_hints, NULL },
	{ "IOMMU-DEV-CONFIG-03", "MAY", "bypass is 1 at the beginning", initial_bypass, NULL },
	{ "IOMMU-DEV-CONFIG-04", "SHOULD_NOT", "a device reset changes bypass", bypass_survives_reset, NULL },
	{ "IOMMU-DEV-CONFIG-05", "SHOULD", "a system reset restores bypass", bypass_in_system_reset, NULL },
	{ "IOMMU-DEV-CONFIG-06", "MUST_NOT", "bypass reads as something else than 0 or 1", bypass_is_boolean, NULL },
	{ "IOMMU-DEV-OPS-01", "SHOULD", "success is OK", success_is_ok, NULL },
	{ "IOMMU-DEV-OPS-02", "SHOULD_NOT", "unknown type: written", unknown_type_unwritten, NULL },
	{ "IOMMU-DEV-OPS-03", "SHOULD", "unknown type: length 0", unknown_type_length, NULL },
	{ "IOMMU-DEV-OPS-04", "MUST", "reserved bytes of the head are ignored", head_reserved_ignored, NULL },
	{ "IOMMU-DEV-OPS-05", "SHOULD", "reserved bytes of the tail are 0", tail_reserved_zero, NULL },
	{ "IOMMU-DEV-OPS-06", "SHOULD_NOT", "an unattached endpoint reaches memory", unattached_is_blocked, NULL },
	{ "IOMMU-DEV-ATTACH-01", "MUST", "reserved bytes: INVAL", attach_reserved, NULL },
	{ "IOMMU-DEV-ATTACH-02", "MUST", "unknown flag: INVAL", attach_unknown_flag, NULL },
	{ "IOMMU-DEV-ATTACH-03", "MUST", "unknown endpoint: NOENT", attach_unknown_endpoint, NULL },
	{ "IOMMU-DEV-ATTACH-04", "MAY", "a domain with several endpoints", attach_shared, NULL },
	{ "IOMMU-DEV-ATTACH-05", "MUST", "if not: UNSUPP", attach_share_refused, NULL },
	{ "IOMMU-DEV-ATTACH-06", "SHOULD", "bypass flag and domain differ: INVAL", attach_bypass_mismatch, NULL },
	{ "IOMMU-DEV-ATTACH-07", "SHOULD", "an endpoint moves", attach_moves, NULL },
	{ "IOMMU-DEV-ATTACH-08", "SHOULD", "a move is DETACH and ATTACH", attach_moves_like_detach, NULL },
	{ "IOMMU-DEV-ATTACH-09", "MUST", "if it cannot move: UNSUPP", attach_move_refused, NULL },
	{ "IOMMU-DEV-ATTACH-10", "SHOULD", "compatible endpoints share a domain", attach_compatible, NULL },
	UNREACHED("IOMMU-DEV-ATTACH-11", "SHOULD", "incompatible endpoints: UNSUPP",
		  "the endpoints are alike, and what is compatible is the device's to say"),
	{ "IOMMU-DEV-ATTACH-12", "MUST", "what is not refused takes effect", attach_takes_effect, NULL },
	{ "IOMMU-DEV-DETACH-01", "MUST", "reserved bytes are ignored", detach_reserved, NULL },
	{ "IOMMU-DEV-DETACH-02", "MUST", "unknown endpoint: NOENT", detach_unknown_endpoint, NULL },
	{ "IOMMU-DEV-DETACH-03", "MAY", "wrong domain: INVAL", detach_wrong_domain, NULL },
	{ "IOMMU-DEV-DETACH-04", "MUST", "no access to the old domain", detach_takes_effect, NULL },
	{ "IOMMU-DEV-MAP-01", "SHOULD", "unaligned: RANGE", map_unaligned, NULL },
	{ "IOMMU-DEV-MAP-02", "SHOULD", "overlap: INVAL", map_overlap, NULL },
	{ "IOMMU-DEV-MAP-03", "MUST", "unknown flag: INVAL", map_unknown_flag, NULL },
	{ "IOMMU-DEV-MAP-04", "SHOULD", "unknown domain: NOENT", map_unknown_domain, NULL },
	{ "IOMMU-DEV-MAP-05", "SHOULD", "bypass domain: INVAL", map_bypass_domain, NULL },
	{ "IOMMU-DEV-MAP-06", "MUST_NOT", "a write passes without WRITE", map_read_only, NULL },
	{ "IOMMU-DEV-MAP-07", "MAY", "a read passes with WRITE alone", map_write_only, NULL },
	{ "IOMMU-DEV-UNMAP-01", "MAY", "reserved bytes: INVAL", unmap_reserved, NULL },
	{ "IOMMU-DEV-UNMAP-02", "MAY", "and the mapping goes all the same", unmap_reserved_effect, NULL },
	{ "IOMMU-DEV-UNMAP-03", "SHOULD", "unknown domain: NOENT", unmap_unknown_domain, NULL },
	{ "IOMMU-DEV-UNMAP-04", "SHOULD", "bypass domain: INVAL", unmap_bypass_domain, NULL },
	{ "IOMMU-DEV-UNMAP-05", "SHOULD", "split: RANGE", unmap_split, NULL },
	{ "IOMMU-DEV-UNMAP-06", "SHOULD_NOT", "split: something is removed", unmap_all_or_nothing, NULL },
	{ "IOMMU-DEV-UNMAP-07", "SHOULD", "gaps are no error", unmap_gaps, NULL },
	{ "IOMMU-DEV-PROBE-01", "MUST", "reserved bytes are ignored", probe_reserved, NULL },
	{ "IOMMU-DEV-PROBE-02", "SHOULD", "unknown endpoint: NOENT", probe_unknown_endpoint, NULL },
	{ "IOMMU-DEV-PROBE-03", "SHOULD_NOT", "not offered: written", probe_not_offered_unwritten, NULL },
	{ "IOMMU-DEV-PROBE-04", "SHOULD", "not offered: length 0", probe_not_offered_length, NULL },
	{ "IOMMU-DEV-PROBE-05", "SHOULD", "reserved bits of a property are 0", probe_list, NULL },
	{ "IOMMU-DEV-PROBE-06", "MUST", "length without the head", probe_list, NULL },
	{ "IOMMU-DEV-PROBE-07", "MUST", "no gaps between properties", probe_list, NULL },
	{ "IOMMU-DEV-PROBE-08", "SHOULD_NOT", "buffer too short: properties", probe_short_unwritten, NULL },
	{ "IOMMU-DEV-PROBE-09", "SHOULD", "buffer too short: INVAL", probe_short_status, NULL },
	{ "IOMMU-DEV-PROBE-10", "SHOULD", "zeroes behind the properties", probe_zero_fill, NULL },
	{ "IOMMU-DEV-RESV-01", "SHOULD", "reserved bytes of a region are 0", probe_list, NULL },
	{ "IOMMU-DEV-RESV-02", "SHOULD_NOT", "several regions for MSI", resv_regions, NULL },
	{ "IOMMU-DEV-RESV-03", "SHOULD_NOT", "regions overlap", resv_regions, NULL },
	{ "IOMMU-DEV-RESV-04", "SHOULD", "MAP over a region is refused", resv_not_mapped, NULL },
	UNREACHED("IOMMU-DEV-RESV-05", "SHOULD_NOT", "an access to a region has an effect elsewhere",
		  "what is in a region is not known, nor who would feel it"),
	{ "IOMMU-DEV-FAULT-01", "SHOULD", "reserved bytes of a report are 0", fault_reserved, NULL },
	{ "IOMMU-DEV-FAULT-02", "SHOULD", "undefined flags are 0", fault_flags, NULL },
	{ "IOMMU-DEV-FAULT-03", "SHOULD", "the endpoint exists", fault_endpoint, NULL },
	{ "IOMMU-DEV-FAULT-04", "MAY", "a report without address", fault_address, NULL },
	{ "IOMMU-DEV-FAULT-05", "SHOULD_NOT", "a report in several buffers", fault_one_buffer, NULL },
	UNREACHED("IOMMU-DEV-FAULT-06", "MAY", "an older format that fits", "there is no earlier format"),
	{ 0 },
};
