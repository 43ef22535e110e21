/* SPDX-License-Identifier: BSD-3-Clause */
/* ATTACH, DETACH and the life of domains. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device_fixture.h"
#include "suite.h"

#define RW (VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)

/* Does the domain exist? MAP and UNMAP answer NOENT if not (INVAL for a bypass domain). */
static bool domain_exists(struct device_fixture *f, uint32_t domain)
{
	return device_unmap(f, domain, UINT64_MAX, UINT64_MAX) != VIOMMU_S_NOENT;
}

/* A fresh device: endpoint 0 in domain 1 with a mapping, endpoint 1 in bypass domain 2, the others nowhere. */
static void prepare(struct device_fixture *f, const struct device_options *options)
{
	device_setup(f, options);
	assert_int_equal(device_attach(f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(f, 1, 0x1000, 0x1fff, 0xa000, RW), VIOMMU_S_OK);
	assert_int_equal(device_attach(f, 2, DEVICE_EP1, VIOMMU_ATTACH_F_BYPASS), VIOMMU_S_OK);
}

static void assert_attach_refused(struct device_fixture *f, uint32_t domain, uint32_t endpoint, uint32_t flags,
				  int status)
{
	struct viommu_wire_request request = device_attach_request(domain, endpoint, flags);
	bool existed = domain_exists(f, domain);

	device_assert_refused(f, &request, status);
	assert_int_equal(domain_exists(f, domain), existed);
}

static void assert_detach_refused(struct device_fixture *f, uint32_t domain, uint32_t endpoint, int status)
{
	struct viommu_wire_request request = device_detach_request(domain, endpoint);

	device_assert_refused(f, &request, status);
}

/* ATTACH */

/* INF-04, IOMMU-DEV-ATTACH-12; any id is an ordinary one, 0 too. */
static void test_attach__unattached_endpoint__domain_is_created(void **state)
{
	static const uint32_t domains[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff };
	struct device_fixture f;
	size_t i;

	(void)state;
	device_setup(&f, NULL);
	for (i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
		assert_false(domain_exists(&f, domains[i]));
		assert_int_equal(device_attach(&f, domains[i], DEVICE_EP3, 0), VIOMMU_S_OK);
		assert_true(domain_exists(&f, domains[i]));
		assert_true(device_faults(&f, 3, 0x1000, 1, VIOMMU_FAULT_R_MAPPING));
		assert_int_equal(device_map(&f, domains[i], 0x1000, 0x1fff, 0x4000, RW), VIOMMU_S_OK);
		assert_true(device_reaches(&f, 3, 0x1000, RW, 0x4000));
		assert_true(device_faults(&f, 2, 0x1000, 1, VIOMMU_FAULT_R_DOMAIN));
		assert_int_equal(device_detach(&f, domains[i], DEVICE_EP3), VIOMMU_S_OK);
	}
	device_teardown(&f);
}

/* IOMMU-DEV-ATTACH-01 */
static void test_attach__reserved_bytes__inval(void **state)
{
	struct viommu_wire_request request = device_attach_request(3, DEVICE_EP2, 0);
	struct device_fixture f;
	unsigned bit;

	(void)state;
	prepare(&f, NULL);
	for (bit = 0; bit < 32; bit++) {
		request.u.attach.reserved = UINT32_C(1) << bit;
		device_assert_refused(&f, &request, VIOMMU_S_INVAL);
		assert_false(domain_exists(&f, 3));
	}
	/* Before anything else: the endpoint is unknown too. */
	request.u.attach.endpoint = DEVICE_EP_UNKNOWN;
	device_assert_refused(&f, &request, VIOMMU_S_INVAL);
	/* And a move is not half done. */
	request.u.attach.endpoint = DEVICE_EP0;
	device_assert_refused(&f, &request, VIOMMU_S_INVAL);
	device_teardown(&f);
}

/* IOMMU-DEV-ATTACH-02 */
static void test_attach__unknown_flag__inval(void **state)
{
	struct device_fixture f;
	unsigned bit;

	(void)state;
	prepare(&f, NULL);
	for (bit = 1; bit < 32; bit++) {
		assert_attach_refused(&f, 3, DEVICE_EP2, UINT32_C(1) << bit, VIOMMU_S_INVAL);
		assert_attach_refused(&f, 3, DEVICE_EP0, UINT32_C(1) << bit, VIOMMU_S_INVAL);
		assert_attach_refused(&f, 3, DEVICE_EP2, UINT32_C(1) << bit | 1, VIOMMU_S_INVAL);
		assert_attach_refused(&f, 3, DEVICE_EP_UNKNOWN, UINT32_C(1) << bit, VIOMMU_S_INVAL);
	}
	device_teardown(&f);
}

static void test_attach__bypass_flag_not_negotiated__inval(void **state)
{
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.negotiate &= ~VIOMMU_F_BYPASS_CONFIG; /* offered, but that is not enough */
	device_setup(&f, &options);
	assert_attach_refused(&f, 1, DEVICE_EP0, VIOMMU_ATTACH_F_BYPASS, VIOMMU_S_INVAL);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_attach_refused(&f, 1, DEVICE_EP1, VIOMMU_ATTACH_F_BYPASS, VIOMMU_S_INVAL);
	device_teardown(&f);

	options.config.features &= ~VIOMMU_F_BYPASS_CONFIG;
	device_setup(&f, &options);
	assert_attach_refused(&f, 1, DEVICE_EP0, VIOMMU_ATTACH_F_BYPASS, VIOMMU_S_INVAL);
	device_teardown(&f);
}

/* IOMMU-DEV-ATTACH-03 */
static void test_attach__unknown_endpoint__noent(void **state)
{
	static const uint32_t unknown[] = { 1, 7, 10, 0x80000000, 0xfffffffe };
	struct device_options options;
	struct device_fixture f;
	size_t i;

	(void)state;
	device_options_init(&options);
	options.config.domain_first = 1;
	options.config.domain_last = 9;
	prepare(&f, &options);
	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		assert_attach_refused(&f, 1, unknown[i], 0, VIOMMU_S_NOENT);
		assert_attach_refused(&f, 3, unknown[i], 0, VIOMMU_S_NOENT);
		assert_attach_refused(&f, 10, unknown[i], 0, VIOMMU_S_NOENT); /* ahead of the range */
		assert_attach_refused(&f, 2, unknown[i], 0, VIOMMU_S_NOENT);  /* ahead of the bypass mismatch */
	}
	device_teardown(&f);
}

static void test_attach__outside_domain_range__range(void **state)
{
	struct device_options options;
	struct device_fixture f;
	unsigned negotiated;

	(void)state;
	device_options_init(&options);
	options.config.domain_first = 5;
	options.config.domain_last = 6;
	for (negotiated = 0; negotiated < 2; negotiated++) { /* enforced in any case */
		if (negotiated == 0)
			options.negotiate &= ~VIOMMU_F_DOMAIN_RANGE;
		else
			options.negotiate |= VIOMMU_F_DOMAIN_RANGE;
		device_setup(&f, &options);
		assert_attach_refused(&f, 4, DEVICE_EP0, 0, VIOMMU_S_RANGE);
		assert_attach_refused(&f, 7, DEVICE_EP0, 0, VIOMMU_S_RANGE);
		assert_attach_refused(&f, 0, DEVICE_EP0, 1, VIOMMU_S_RANGE);
		assert_attach_refused(&f, 0xffffffff, DEVICE_EP0, 0, VIOMMU_S_RANGE);
		assert_int_equal(device_attach(&f, 5, DEVICE_EP0, 0), VIOMMU_S_OK);
		assert_attach_refused(&f, 4, DEVICE_EP0, 0, VIOMMU_S_RANGE); /* a move */
		assert_int_equal(device_attach(&f, 6, DEVICE_EP0, 0), VIOMMU_S_OK);
		device_teardown(&f);
	}
	/* A range that is not offered does not count. */
	options.config.features &= ~VIOMMU_F_DOMAIN_RANGE;
	options.negotiate &= ~VIOMMU_F_DOMAIN_RANGE;
	device_setup(&f, &options);
	assert_int_equal(device_attach(&f, 4, DEVICE_EP0, 0), VIOMMU_S_OK);
	device_teardown(&f);
}

/* A domain range of {0, 0} is a device with one domain. */
static void test_attach__one_domain_id__only_that_one(void **state)
{
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.config.domain_first = 0;
	options.config.domain_last = 0;
	device_setup(&f, &options);
	assert_int_equal(device_attach(&f, 0, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 0, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_attach_refused(&f, 1, DEVICE_EP2, 0, VIOMMU_S_RANGE);
	device_teardown(&f);
}

/* IOMMU-DEV-ATTACH-06 */
static void test_attach__bypass_flag_disagrees__inval(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	assert_attach_refused(&f, 1, DEVICE_EP2, VIOMMU_ATTACH_F_BYPASS, VIOMMU_S_INVAL);
	assert_attach_refused(&f, 2, DEVICE_EP2, 0, VIOMMU_S_INVAL);
	/* The attachment of an endpoint that is elsewhere survives. */
	assert_attach_refused(&f, 2, DEVICE_EP0, 0, VIOMMU_S_INVAL);
	assert_attach_refused(&f, 1, DEVICE_EP1, VIOMMU_ATTACH_F_BYPASS, VIOMMU_S_INVAL);
	/* So does that of the domain's only endpoint: its nature cannot be changed from inside. */
	assert_attach_refused(&f, 1, DEVICE_EP0, VIOMMU_ATTACH_F_BYPASS, VIOMMU_S_INVAL);
	assert_attach_refused(&f, 2, DEVICE_EP1, 0, VIOMMU_S_INVAL);
	/* A reborn domain may be of the other kind. */
	assert_int_equal(device_detach(&f, 2, DEVICE_EP1), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 2, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 2, 0, 0xfff, 0, RW), VIOMMU_S_OK);
	device_teardown(&f);
}

/* IOMMU-DEV-ATTACH-04, INF-07: a new member sees what is mapped already. */
static void test_attach__populated_domain__shares_all_mappings(void **state)
{
	struct device_fixture f;
	uint32_t i;

	(void)state;
	prepare(&f, NULL);
	for (i = 1; i < DEVICE_ENDPOINTS; i++) {
		assert_int_equal(device_attach(&f, 1, device_endpoint_id(i), 0), VIOMMU_S_OK);
		assert_true(device_reaches(&f, i, 0x1fff, RW, 0xafff));
	}
	assert_int_equal(device_map(&f, 1, 0x8000, 0x8fff, 0x3000, RW), VIOMMU_S_OK);
	for (i = 0; i < DEVICE_ENDPOINTS; i++)
		assert_true(device_reaches(&f, i, 0x8000, RW, 0x3000));
	assert_int_equal(device_unmap(&f, 1, 0, 0xffff), VIOMMU_S_OK);
	for (i = 0; i < DEVICE_ENDPOINTS; i++)
		assert_true(device_faults(&f, i, 0x1000, 1, VIOMMU_FAULT_R_MAPPING));
	device_teardown(&f);
}

static void test_attach__domain_it_is_in__nothing_changes(void **state)
{
	struct device_view before, after;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	device_view_take(&f, &before);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 2, DEVICE_EP1, VIOMMU_ATTACH_F_BYPASS), VIOMMU_S_OK);
	device_view_take(&f, &after);
	device_view_assert_equal(&before, &after);
	/* It is a member once, not twice. */
	assert_int_equal(device_detach(&f, 1, DEVICE_EP0), VIOMMU_S_OK);
	assert_false(domain_exists(&f, 1));
	device_teardown(&f);
}

/* IOMMU-DEV-ATTACH-07, IOMMU-DEV-ATTACH-08 */
static void test_attach__other_domain__moves(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	assert_int_equal(device_attach(&f, 3, DEVICE_EP2, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 3, 0x1000, 0x1fff, 0xc000, RW), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 3, DEVICE_EP0, 0), VIOMMU_S_OK); /* domain 1 dies */
	assert_true(device_reaches(&f, 0, 0x1000, RW, 0xc000));
	assert_false(domain_exists(&f, 1));
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0, RW), VIOMMU_S_NOENT);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK); /* and starts empty; domain 3 lives on */
	assert_true(device_faults(&f, 0, 0x1000, 1, VIOMMU_FAULT_R_MAPPING));
	assert_true(device_reaches(&f, 2, 0x1000, RW, 0xc000));
	assert_int_equal(device_attach(&f, 2, DEVICE_EP0, VIOMMU_ATTACH_F_BYPASS), VIOMMU_S_OK); /* into bypass */
	assert_true(device_reaches(&f, 0, 0x1000, RW, 0x1000));
	assert_int_equal(device_attach(&f, 3, DEVICE_EP0, 0), VIOMMU_S_OK); /* and out of it */
	assert_true(device_reaches(&f, 0, 0x1000, RW, 0xc000));
	assert_true(device_reaches(&f, 1, 0x1000, RW, 0x1000));
	device_teardown(&f);
}

/* IOMMU-DEV-ATTACH-10, IOMMU-DEV-ATTACH-11 */
static void test_attach__reserved_region_over_a_mapping__unsupp(void **state)
{
	static const struct viommu_resv_region regions[] = { { { 0x3000, 0x3fff }, VIOMMU_RESV_MEM_RESERVED },
							     { { 0xfee00000, 0xfeefffff }, VIOMMU_RESV_MEM_MSI } };
	static const struct {
		uint64_t first, last;
		bool collides;
	} cases[] = {
		{ 0x2000, 0x2fff, false },         { 0x4000, 0x4fff, false },         { 0x3000, 0x3fff, true },
		{ 0x2000, 0x3fff, true },          { 0x3000, 0x4fff, true },          { 0, 0xffff, true },
		{ 0xfedff000, 0xfedfffff, false }, { 0xfef00000, 0xfef00fff, false }, { 0xfee80000, 0xfee80fff, true },
		{ 0, UINT64_MAX, true },
	};
	struct device_options options;
	struct device_fixture f;
	size_t i;

	(void)state;
	device_options_init(&options);
	options.regions[1] = regions;
	options.region_counts[1] = 2;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		device_setup(&f, &options);
		assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
		assert_int_equal(device_map(&f, 1, cases[i].first, cases[i].last, 0, RW), VIOMMU_S_OK);
		assert_int_equal(device_attach(&f, 9, DEVICE_EP1, 0), VIOMMU_S_OK);
		assert_int_equal(device_map(&f, 9, 0x1000, 0x1fff, 0xd000, RW), VIOMMU_S_OK);
		if (cases[i].collides) {
			assert_attach_refused(&f, 1, DEVICE_EP1, 1, VIOMMU_S_INVAL); /* the mismatch comes first */
			assert_attach_refused(&f, 1, DEVICE_EP1, 0, VIOMMU_S_UNSUPP);
			assert_int_equal(device_unmap(&f, 1, 0, UINT64_MAX), VIOMMU_S_OK);
		}
		assert_int_equal(device_attach(&f, 1, DEVICE_EP1, 0), VIOMMU_S_OK);
		assert_false(domain_exists(&f, 9));
		device_teardown(&f);
	}
}

static void test_attach__max_domains__nomem(void **state)
{
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.config.max_domains = 2;
	prepare(&f, &options); /* domains 1 and 2 */
	assert_attach_refused(&f, 3, DEVICE_EP2, 0, VIOMMU_S_NOMEM);
	assert_attach_refused(&f, 0, DEVICE_EP2, 1, VIOMMU_S_NOMEM);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP2, 0), VIOMMU_S_OK); /* no new domain */
	assert_attach_refused(&f, 3, DEVICE_EP2, 0, VIOMMU_S_NOMEM);        /* domain 1 has a member left */
	assert_attach_refused(&f, 3, DEVICE_EP0, 0, VIOMMU_S_NOMEM);        /* whichever of them asks */
	/* The only endpoint of domain 2 takes its place along. */
	assert_int_equal(device_attach(&f, 3, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_false(domain_exists(&f, 2));
	assert_true(device_faults(&f, 1, 0x1000, 1, VIOMMU_FAULT_R_MAPPING));
	assert_attach_refused(&f, 2, DEVICE_EP3, 0, VIOMMU_S_NOMEM);
	assert_int_equal(device_detach(&f, 3, DEVICE_EP1), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 2, DEVICE_EP3, 0), VIOMMU_S_OK);
	device_teardown(&f);
}

/* The only domain there can be, reborn under another id: its mappings must not be. */
static void test_attach__one_domain_slot__moves_start_empty(void **state)
{
	struct device_options options;
	struct device_fixture f;
	uint32_t id;

	(void)state;
	device_options_init(&options);
	options.config.max_domains = 1;
	device_setup(&f, &options);
	for (id = 0; id < 100; id++) {
		assert_int_equal(device_attach(&f, id, DEVICE_EP0, 0), VIOMMU_S_OK);
		assert_true(device_faults(&f, 0, 0x1000, 1, VIOMMU_FAULT_R_MAPPING));
		assert_int_equal(device_map(&f, id, 0x1000, 0x1fff, 0xa000, RW), VIOMMU_S_OK);
		assert_true(device_reaches(&f, 0, 0x1000, RW, 0xa000));
	}
	device_teardown(&f);
}

/* DETACH */

/* IOMMU-DEV-DETACH-04, IOMMU-DEV-OPS-06 */
static void test_detach__only_endpoint__domain_dies_with_its_mappings(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	assert_int_equal(device_detach(&f, 1, DEVICE_EP0), VIOMMU_S_OK);
	assert_true(device_faults(&f, 0, 0x1000, 1, VIOMMU_FAULT_R_DOMAIN));
	assert_int_equal(device_map(&f, 1, 0x2000, 0x2fff, 0, RW), VIOMMU_S_NOENT); /* INF-05 */
	assert_int_equal(device_unmap(&f, 1, 0x1000, 0x1fff), VIOMMU_S_NOENT);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_true(device_faults(&f, 0, 0x1000, 1, VIOMMU_FAULT_R_MAPPING));
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0xb000, RW), VIOMMU_S_OK); /* nothing there to overlap */
	device_teardown(&f);
}

/* IOMMU-DEV-DETACH-04, INF-05 */
static void test_detach__one_of_several__domain_lives(void **state)
{
	struct device_fixture f;
	uint32_t order[][DEVICE_ENDPOINTS] = { { 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 1, 3, 0, 2 }, { 2, 0, 3, 1 } };
	size_t o;
	uint32_t i, k;

	(void)state;
	for (o = 0; o < sizeof(order) / sizeof(order[0]); o++) {
		device_setup(&f, NULL);
		for (i = 0; i < DEVICE_ENDPOINTS; i++)
			assert_int_equal(device_attach(&f, 1, device_endpoint_id(i), 0), VIOMMU_S_OK);
		assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0xa000, RW), VIOMMU_S_OK);
		for (i = 0; i < DEVICE_ENDPOINTS; i++) {
			assert_true(domain_exists(&f, 1));
			assert_int_equal(device_detach(&f, 1, device_endpoint_id(order[o][i])), VIOMMU_S_OK);
			for (k = 0; k < DEVICE_ENDPOINTS; k++) {
				if (k <= i)
					assert_true(device_faults(&f, order[o][k], 0x1000, 1, VIOMMU_FAULT_R_DOMAIN));
				else
					assert_true(device_reaches(&f, order[o][k], 0x1000, RW, 0xa000));
			}
		}
		assert_false(domain_exists(&f, 1));
		device_teardown(&f);
	}
}

/* IOMMU-DEV-DETACH-02 */
static void test_detach__unknown_endpoint__noent(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	assert_detach_refused(&f, 1, DEVICE_EP_UNKNOWN, VIOMMU_S_NOENT);
	assert_detach_refused(&f, 99, DEVICE_EP_UNKNOWN, VIOMMU_S_NOENT);
	device_teardown(&f);
}

/* IOMMU-DEV-DETACH-03 */
static void test_detach__wrong_domain__inval_and_still_attached(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	assert_detach_refused(&f, 2, DEVICE_EP0, VIOMMU_S_INVAL);  /* another domain */
	assert_detach_refused(&f, 99, DEVICE_EP0, VIOMMU_S_INVAL); /* no domain */
	assert_detach_refused(&f, 1, DEVICE_EP1, VIOMMU_S_INVAL);
	assert_detach_refused(&f, 1, DEVICE_EP2, VIOMMU_S_INVAL); /* not attached at all */
	assert_detach_refused(&f, 0, DEVICE_EP2, VIOMMU_S_INVAL);
	assert_int_equal(device_detach(&f, 1, DEVICE_EP0), VIOMMU_S_OK);
	assert_detach_refused(&f, 1, DEVICE_EP0, VIOMMU_S_INVAL); /* a second time */
	device_teardown(&f);
}

static void test_detach__bypass_domain__dies_too(void **state)
{
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	assert_int_equal(device_detach(&f, 2, DEVICE_EP1), VIOMMU_S_OK);
	assert_true(device_faults(&f, 1, 0x1000, 1, VIOMMU_FAULT_R_DOMAIN));
	assert_false(domain_exists(&f, 2));
	device_teardown(&f);
}

/* Domains */

/* INF-06: as many domains as endpoints, the same addresses in each. */
static void test_domains__same_addresses__isolated(void **state)
{
	struct device_fixture f;
	uint32_t i;

	(void)state;
	device_setup(&f, NULL);
	for (i = 0; i < DEVICE_ENDPOINTS; i++) {
		assert_int_equal(device_attach(&f, 40 - i, device_endpoint_id(i), 0), VIOMMU_S_OK);
		assert_int_equal(device_map(&f, 40 - i, 0x1000, 0x1fff, 0x100000 + 0x10000 * i, RW), VIOMMU_S_OK);
	}
	for (i = 0; i < DEVICE_ENDPOINTS; i++)
		assert_true(device_reaches(&f, i, 0x1000, RW, 0x100000 + 0x10000 * i));
	assert_int_equal(device_unmap(&f, 39, 0, UINT64_MAX), VIOMMU_S_OK);
	assert_int_equal(device_detach(&f, 38, device_endpoint_id(2)), VIOMMU_S_OK);
	assert_true(device_reaches(&f, 0, 0x1000, RW, 0x100000));
	assert_true(device_faults(&f, 1, 0x1000, 1, VIOMMU_FAULT_R_MAPPING));
	assert_true(device_faults(&f, 2, 0x1000, 1, VIOMMU_FAULT_R_DOMAIN));
	assert_true(device_reaches(&f, 3, 0x1000, RW, 0x130000));
	device_teardown(&f);
}

/* INF-01 */
static void test_reset__anything_attached__all_gone(void **state)
{
	struct device_fixture f;
	uint32_t i;

	(void)state;
	prepare(&f, NULL);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP2, 0), VIOMMU_S_OK);
	viommu_device_reset(&f.dev);
	assert_true(viommu_device_is_settled(&f.dev));
	for (i = 0; i < DEVICE_ENDPOINTS; i++)
		assert_true(device_faults(&f, i, 0x1000, 1, VIOMMU_FAULT_R_DOMAIN));
	assert_int_equal(device_map(&f, 1, 0, 0xfff, 0, RW), DEVICE_UNANSWERED); /* nothing is negotiated */
	device_renegotiate(&f);
	assert_false(domain_exists(&f, 1));
	assert_false(domain_exists(&f, 2));
	assert_int_equal(device_attach(&f, 1, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_true(device_faults(&f, 1, 0x1000, 1, VIOMMU_FAULT_R_MAPPING));
	device_teardown(&f);
}

/* All nodes come back, however often. */
static void test_reset__many_lives__no_memory_is_lost(void **state)
{
	struct device_options options;
	struct device_fixture f;
	uint32_t life, i;

	(void)state;
	device_options_init(&options);
	options.nodes = 16;
	device_setup(&f, &options);
	for (life = 0; life < 50; life++) {
		for (i = 0; i < DEVICE_ENDPOINTS; i++) {
			uint64_t first = (uint64_t)i << 40;

			assert_int_equal(device_attach(&f, i, device_endpoint_id(i), 0), VIOMMU_S_OK);
			assert_int_equal(device_map(&f, i, first, first + 0xfff, 0, RW), VIOMMU_S_OK);
			first = ~UINT64_C(0xfff);
			assert_int_equal(device_map(&f, i, first, first + 0xfff, 0, RW), VIOMMU_S_OK);
		}
		if (life % 2 == 0) {
			device_renegotiate(&f);
		} else {
			for (i = 0; i < DEVICE_ENDPOINTS; i++)
				assert_int_equal(device_detach(&f, i, device_endpoint_id(i)), VIOMMU_S_OK);
		}
	}
	while (viommu_device_process(&f.dev, 100) != 0)
		;
	assert_int_equal(viommu_map_pool_free(&f.dev.pool), viommu_map_pool_total(&f.dev.pool));
	device_teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attach__unattached_endpoint__domain_is_created),
		cmocka_unit_test(test_attach__reserved_bytes__inval),
		cmocka_unit_test(test_attach__unknown_flag__inval),
		cmocka_unit_test(test_attach__bypass_flag_not_negotiated__inval),
		cmocka_unit_test(test_attach__unknown_endpoint__noent),
		cmocka_unit_test(test_attach__outside_domain_range__range),
		cmocka_unit_test(test_attach__one_domain_id__only_that_one),
		cmocka_unit_test(test_attach__bypass_flag_disagrees__inval),
		cmocka_unit_test(test_attach__populated_domain__shares_all_mappings),
		cmocka_unit_test(test_attach__domain_it_is_in__nothing_changes),
		cmocka_unit_test(test_attach__other_domain__moves),
		cmocka_unit_test(test_attach__reserved_region_over_a_mapping__unsupp),
		cmocka_unit_test(test_attach__max_domains__nomem),
		cmocka_unit_test(test_attach__one_domain_slot__moves_start_empty),
		cmocka_unit_test(test_detach__only_endpoint__domain_dies_with_its_mappings),
		cmocka_unit_test(test_detach__one_of_several__domain_lives),
		cmocka_unit_test(test_detach__unknown_endpoint__noent),
		cmocka_unit_test(test_detach__wrong_domain__inval_and_still_attached),
		cmocka_unit_test(test_detach__bypass_domain__dies_too),
		cmocka_unit_test(test_domains__same_addresses__isolated),
		cmocka_unit_test(test_reset__anything_attached__all_gone),
		cmocka_unit_test(test_reset__many_lives__no_memory_is_lost),
	};

	return suite_run(tests);
}
