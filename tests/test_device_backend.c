/* SPDX-License-Identifier: BSD-3-Clause */
/* test_device_backend.c: back ends of endpoints: who is told what, who may refuse, and what is left of one that broke. */
#include <viommu/snapshot.h>

#include "device_sections.h"
#include "sim/backend.h"
#include "sim/env/env.h"
#include "suite.h"

#define TOP UINT64_C(0xfffffffffffff000)

static struct device_fixture f;
static struct sim_backend backends[DEVICE_ENDPOINTS];
static struct sim_backend_fault fault;
static uint32_t told; /* calls of backend_broken */
static struct viommu_endpoint *told_of;
static struct device_call call;
static struct viommu_access slow; /* of endpoint 0, for its back end */

static void be_told(void *ctx, struct viommu_endpoint *endpoint)
{
	(void)ctx;
	assert_true(viommu_device_endpoint_is_broken(&f.dev, endpoint));
	told++;
	told_of = endpoint;
}

/* However the test ended: no back end saw a rule broken, all have what the device has, and those that broke go. */
static void end_of_test(void *ctx)
{
	(void)ctx;
	f.dev.ops = &f.ops;
	fault.at = 0;
	for (uint32_t i = 0; i < DEVICE_ENDPOINTS; i++) {
		struct sim_backend *b = &backends[i];

		if (b->violation != NULL)
			fail_msg("endpoint %u: not so: %s", i, b->violation);
		if (f.endpoints[i]->backend == &sim_backend_ops)
			assert_true(sim_backend_agrees(b, &f.dev));
		else
			viommu_device_break_backend(&f.dev, f.endpoints[i]); /* one of the test's own */
		if (viommu_device_endpoint_is_broken(&f.dev, f.endpoints[i]) && !f.endpoints[i]->is_removed)
			assert_int_equal(viommu_device_set_backend(&f.dev, f.endpoints[i], NULL, NULL), VIOMMU_OK);
	}
	assert_true(viommu_device_check(&f.dev));
}

static enum viommu_result set_backend(uint32_t index)
{
	sim_backend_init(&backends[index], &fault);
	return viommu_device_set_backend(&f.dev, f.endpoints[index], &sim_backend_ops, &backends[index]);
}

/* A recorder for each of the first `count` endpoints; all nowhere. */
static void setup_with(const struct device_options *options, uint32_t count)
{
	memset(&fault, 0, sizeof(fault));
	memset(backends, 0, sizeof(backends));
	told = 0;
	told_of = NULL;
	device_setup(&f, options);
	f.ops.backend_broken = be_told;
	sim_env_on_end(end_of_test, &f);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(set_backend(i), VIOMMU_OK);
	memset(fault.calls, 0, sizeof(fault.calls));
}

static void setup(uint32_t count)
{
	setup_with(NULL, count);
}

static void teardown(void)
{
	sim_env_end(end_of_test, &f);
	device_teardown(&f);
}

/* Call number `at` of this hook from now on. */
static void fail_at(enum sim_backend_hook hook, uint64_t at)
{
	memset(&fault, 0, sizeof(fault));
	fault.hook = (uint8_t)hook;
	fault.at = at;
}

static void assert_agreed(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		assert_true(sim_backend_agrees(&backends[i], &f.dev));
}

static uint64_t hook_calls(void)
{
	return fault.calls[SIM_BACKEND_PREPARE] + fault.calls[SIM_BACKEND_COMMIT] + fault.calls[SIM_BACKEND_ABORT];
}

/* Endpoints 0, 1 and 2 in domain 1, with two mappings; 3 in domain 2, with one. All have back ends. */
static void live(void)
{
	setup(DEVICE_ENDPOINTS);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP2, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0xa000, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, TOP, UINT64_MAX, 0xb000, RW), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 2, DEVICE_EP3, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 2, 0x1000, 0x3fff, 0xc000, RW), VIOMMU_S_OK);
	assert_agreed(DEVICE_ENDPOINTS);
	memset(fault.calls, 0, sizeof(fault.calls));
}

/* The endpoint with this index is blocked, and the embedder knows. */
static void assert_blocked(uint32_t index)
{
	assert_true(viommu_device_endpoint_is_broken(&f.dev, f.endpoints[index]));
	assert_true(device_faults(&f, index, 0x1000, 1, VIOMMU_FAULT_R_DOMAIN));
	assert_true(told > 0);
	assert_true(viommu_device_check(&f.dev));
}

/* Refused in whatever way `fault` says: no endpoint sees a difference, no back end has done anything. */
static void assert_refused_by_all(const struct viommu_wire_request *r, int status)
{
	device_assert_refused(&f, r, status);
	assert_agreed(DEVICE_ENDPOINTS);
	assert_int_equal(fault.calls[SIM_BACKEND_COMMIT], 0);
	assert_int_equal(told, 0);
	assert_true(viommu_device_check(&f.dev));
}

/* What they are told */

static void test_backend__life_of_an_endpoint__told_of_each_change(void **state)
{
	const struct sim_backend *b = &backends[0];

	(void)state;
	setup(1);
	assert_int_equal(b->place, SIM_BACKEND_NOWHERE);
	assert_int_equal(device_attach(&f, 7, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(b->place, SIM_BACKEND_TRANSLATED);
	assert_int_equal(b->domain, 7);
	assert_int_equal(device_map(&f, 7, 0x1000, 0x12fff, 0xa000, VIOMMU_MAP_F_READ), VIOMMU_S_OK);
	assert_int_equal(b->count, 1);
	assert_int_equal(b->mappings[0].last, 0x12fff); /* whole */
	assert_int_equal(b->mappings[0].phys, 0xa000);
	assert_int_equal(b->mappings[0].flags, VIOMMU_MAP_F_READ);
	assert_int_equal(device_map(&f, 7, 0x13000, 0x13fff, 0xf000, RW), VIOMMU_S_OK);
	assert_int_equal(device_unmap(&f, 7, 0, UINT64_MAX), VIOMMU_S_OK);
	assert_int_equal(b->count, 0);
	assert_int_equal(device_map(&f, 7, 0x1000, 0x1fff, 0xa000, RW), VIOMMU_S_OK);
	assert_int_equal(device_detach(&f, 7, DEVICE_EP0), VIOMMU_S_OK);
	assert_int_equal(b->place, SIM_BACKEND_NOWHERE);
	/* One call for each, however wide. */
	assert_int_equal(fault.calls[SIM_BACKEND_PREPARE], 6);
	assert_int_equal(fault.calls[SIM_BACKEND_COMMIT], 6);
	assert_int_equal(fault.calls[SIM_BACKEND_ABORT], 0);
	teardown();
}

static void test_backend__attach_to_a_domain_with_mappings__replayed(void **state)
{
	(void)state;
	live();
	assert_int_equal(device_attach(&f, 1, DEVICE_EP3, 0), VIOMMU_S_OK); /* a move */
	assert_int_equal(backends[3].count, 2);
	assert_int_equal(fault.calls[SIM_BACKEND_PREPARE], 3);
	assert_agreed(DEVICE_ENDPOINTS);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP3, 0), VIOMMU_S_OK); /* none */
	assert_int_equal(fault.calls[SIM_BACKEND_PREPARE], 3);
	assert_int_equal(device_attach(&f, 9, DEVICE_EP3, VIOMMU_ATTACH_F_BYPASS), VIOMMU_S_OK);
	assert_int_equal(backends[3].place, SIM_BACKEND_EVERYWHERE);
	assert_int_equal(device_attach(&f, 9, DEVICE_EP2, VIOMMU_ATTACH_F_BYPASS), VIOMMU_S_OK);
	assert_int_equal(backends[2].place, SIM_BACKEND_EVERYWHERE);
	assert_agreed(DEVICE_ENDPOINTS);
	teardown();
}

static void test_backend__bypass__told_of_each_change(void **state)
{
	(void)state;
	setup(2);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP1, 0), VIOMMU_S_OK);
	device_set_bypass(&f, 1);
	assert_int_equal(backends[0].place, SIM_BACKEND_EVERYWHERE);
	assert_int_equal(backends[1].place, SIM_BACKEND_TRANSLATED);
	assert_int_equal(device_detach(&f, 1, DEVICE_EP1), VIOMMU_S_OK);
	assert_int_equal(backends[1].place, SIM_BACKEND_EVERYWHERE);
	memset(fault.calls, 0, sizeof(fault.calls));
	device_set_bypass(&f, 0);
	assert_int_equal(backends[0].place, SIM_BACKEND_NOWHERE);
	assert_int_equal(backends[1].place, SIM_BACKEND_NOWHERE);
	assert_int_equal(fault.calls[SIM_BACKEND_COMMIT], 2);
	teardown();
}

static void test_backend__request_that_the_device_refuses__nobody_is_asked(void **state)
{
	(void)state;
	live();
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0, RW), VIOMMU_S_INVAL);
	assert_int_equal(device_map(&f, 1, 0, 0x4fff, 0, RW), VIOMMU_S_INVAL);
	assert_int_equal(device_unmap(&f, 2, 0x1000, 0x1fff), VIOMMU_S_RANGE);
	assert_int_equal(device_unmap(&f, 2, 0x2000, 0x4fff), VIOMMU_S_RANGE);
	assert_int_equal(device_unmap(&f, 2, 0, 0x1fff), VIOMMU_S_RANGE);
	assert_int_equal(device_detach(&f, 2, DEVICE_EP0), VIOMMU_S_INVAL);
	assert_int_equal(device_attach(&f, 2, DEVICE_EP0, VIOMMU_ATTACH_F_BYPASS), VIOMMU_S_INVAL);
	assert_int_equal(hook_calls(), 0);
	teardown();
}

static void test_backend__unmap_of_nothing__nobody_is_asked(void **state)
{
	(void)state;
	live();
	assert_int_equal(device_unmap(&f, 1, 0, 0xfff), VIOMMU_S_OK);
	assert_int_equal(device_unmap(&f, 1, 0x2000, 0x5000), VIOMMU_S_OK);
	assert_int_equal(device_unmap(&f, 2, 0x4000, UINT64_MAX), VIOMMU_S_OK);
	assert_int_equal(hook_calls(), 0);
	assert_int_equal(device_unmap(&f, 2, 0, UINT64_MAX - 1), VIOMMU_S_OK);
	assert_int_equal(fault.calls[SIM_BACKEND_COMMIT], 1);
	/* The last mapping of all is behind the range. */
	assert_int_equal(device_unmap(&f, 1, 0x1000, TOP - 1), VIOMMU_S_OK);
	assert_int_equal(backends[0].count, 1);
	teardown();
}

static void commit_nothing(void *ctx, const struct viommu_backend_change *change)
{
	uint32_t *count = ctx;

	(void)change;
	++*count;
}

static void test_backend__without_prepare_and_abort__agrees_to_all(void **state)
{
	static const struct viommu_backend_ops ops = { .size = sizeof(ops), .commit = commit_nothing };
	uint32_t count = 0;

	(void)state;
	setup(2);
	assert_int_equal(viommu_device_set_backend(&f.dev, f.endpoints[2], &ops, &count), VIOMMU_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP2, 0), VIOMMU_S_OK); /* the first to be asked */
	fail_at(SIM_BACKEND_PREPARE, 1);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0, RW), VIOMMU_S_NOMEM);
	assert_int_equal(count, 2);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0, RW), VIOMMU_S_OK);
	assert_int_equal(count, 3);
	viommu_device_break_backend(&f.dev, f.endpoints[2]); /* `count` goes */
	teardown();
}

/* A refusal */

static void test_backend__prepare_refuses__status_says_why(void **state)
{
	static const struct {
		enum viommu_result refusal;
		int status;
	} cases[] = {
		{ VIOMMU_E_NOMEM, VIOMMU_S_NOMEM },   { VIOMMU_E_FULL, VIOMMU_S_NOMEM },
		{ VIOMMU_E_RANGE, VIOMMU_S_RANGE },   { VIOMMU_E_EXISTS, VIOMMU_S_INVAL },
		{ VIOMMU_E_UNSUPP, VIOMMU_S_UNSUPP }, { VIOMMU_E_PORT, VIOMMU_S_DEVERR },
		{ VIOMMU_E_BUSY, VIOMMU_S_DEVERR },
	};
	struct viommu_wire_request r = device_map_request(1, 0x5000, 0x5fff, 0, RW);

	(void)state;
	live();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fail_at(SIM_BACKEND_PREPARE, 1);
		fault.refusal = cases[i].refusal;
		assert_refused_by_all(&r, cases[i].status);
	}
	teardown();
}

static void test_backend__map_refused_by_any__others_abort(void **state)
{
	struct viommu_wire_request r = device_map_request(1, 0x5000, 0x5fff, 0, RW);

	(void)state;
	live();
	for (uint64_t at = 1; at <= 3; at++) {
		fail_at(SIM_BACKEND_PREPARE, at);
		assert_refused_by_all(&r, VIOMMU_S_NOMEM);
		assert_int_equal(fault.calls[SIM_BACKEND_PREPARE], at);
		assert_int_equal(fault.calls[SIM_BACKEND_ABORT], at - 1);
	}
	assert_int_equal(device_request(&f, &r), VIOMMU_S_OK);
	assert_agreed(DEVICE_ENDPOINTS);
	teardown();
}

#define NOTES 5u

static struct viommu_endpoint *order[NOTES];
static uint32_t order_count; /* of all, though only the first are noted */

static void note(void *ctx, const struct viommu_backend_change *change)
{
	(void)ctx;
	if (order_count < NOTES)
		order[order_count] = change->endpoint;
	order_count++;
}

static enum viommu_result note_prepare(void *ctx, const struct viommu_backend_change *change)
{
	note(NULL, change);
	return ctx != NULL ? VIOMMU_E_NOMEM : VIOMMU_OK;
}

static void test_backend__map_refused_by_the_last__aborted_in_reverse(void **state)
{
	static const struct viommu_backend_ops ops = { sizeof(ops), note_prepare, note, note };

	(void)state;
	setup(0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(viommu_device_set_backend(&f.dev, f.endpoints[i], &ops, NULL), VIOMMU_OK);
		assert_int_equal(device_attach(&f, 1, device_endpoint_id(i), 0), VIOMMU_S_OK);
	}
	order_count = 0;
	f.endpoints[0]->backend_ctx = &f; /* who came first is asked last */
	assert_int_equal(device_map(&f, 1, 0, 0xfff, 0, RW), VIOMMU_S_NOMEM);
	assert_int_equal(order_count, NOTES);
	assert_ptr_equal(order[3], order[1]);
	assert_ptr_equal(order[4], order[0]);
	f.endpoints[0]->backend_ctx = NULL;
	order_count = 0;
	for (uint32_t i = 0; i < 3; i++)
		viommu_device_break_backend(&f.dev, f.endpoints[i]);
	teardown();
}

static void test_backend__unmap_refused_by_any__nothing_is_gone(void **state)
{
	struct viommu_wire_request r = device_unmap_request(1, 0, UINT64_MAX);

	(void)state;
	live();
	for (uint64_t at = 1; at <= 3; at++) {
		fail_at(SIM_BACKEND_PREPARE, at);
		assert_refused_by_all(&r, VIOMMU_S_NOMEM);
		assert_int_equal(fault.calls[SIM_BACKEND_ABORT], at - 1);
	}
	teardown();
}

static void test_backend__attach_refused_at_any_mapping__stays_where_it_was(void **state)
{
	struct viommu_wire_request r = device_attach_request(1, DEVICE_EP3, 0);

	(void)state;
	live();
	for (uint64_t at = 1; at <= 3; at++) {
		fail_at(SIM_BACKEND_PREPARE, at);
		assert_refused_by_all(&r, VIOMMU_S_NOMEM);
		assert_int_equal(fault.calls[SIM_BACKEND_ABORT], at > 1); /* of the ATTACH, with all behind it */
	}
	assert_int_equal(device_detach(&f, 2, DEVICE_EP3), VIOMMU_S_OK);
	teardown();
}

static void test_backend__detach_refused__stays_attached(void **state)
{
	struct viommu_wire_request r = device_detach_request(2, DEVICE_EP3);

	(void)state;
	live();
	fail_at(SIM_BACKEND_PREPARE, 1);
	assert_refused_by_all(&r, VIOMMU_S_NOMEM);
	assert_int_equal(device_request(&f, &r), VIOMMU_S_OK);
	teardown();
}

static void test_backend__no_node_for_a_map__all_abort(void **state)
{
	struct viommu_wire_request r = device_map_request(1, 0x5000, 0x5fff, 0, RW);
	struct device_options options;

	(void)state;
	device_options_init(&options);
	options.nodes = 0;
	setup_with(&options, DEVICE_ENDPOINTS);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP1, 0), VIOMMU_S_OK);
	fail_at(SIM_BACKEND_PREPARE, 0);
	assert_refused_by_all(&r, VIOMMU_S_NOMEM);
	assert_int_equal(fault.calls[SIM_BACKEND_ABORT], 2);
	teardown();
}

static void test_backend__more_mappings_than_it_can_keep__refused_and_life_goes_on(void **state)
{
	struct viommu_wire_request r = device_map_request(1, (uint64_t)SIM_BACKEND_MAPPINGS << 13,
							  ((uint64_t)SIM_BACKEND_MAPPINGS << 13) + 0xfff, 0, RW);

	(void)state;
	setup(2);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	for (uint64_t i = 0; i < SIM_BACKEND_MAPPINGS; i++)
		assert_int_equal(device_map(&f, 1, i << 13, (i << 13) + 0xfff, 0, RW), VIOMMU_S_OK);
	device_assert_refused(&f, &r, VIOMMU_S_NOMEM);
	assert_agreed(2);
	assert_int_equal(device_unmap(&f, 1, 0, 0xfff), VIOMMU_S_OK);
	assert_int_equal(device_request(&f, &r), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_agreed(2);
	teardown();
}

static void test_backend__two_in_one_address_space__overlap_is_refused(void **state)
{
	struct viommu_wire_request r;

	(void)state;
	setup(3);
	sim_backend_share(&backends[0], &backends[1]);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 2, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0xa000, RW), VIOMMU_S_OK);
	r = device_map_request(2, 0, 0x1fff, 0xb000, RW);
	device_assert_refused(&f, &r, VIOMMU_S_INVAL);
	assert_int_equal(device_map(&f, 2, 0x2000, 0x2fff, 0xb000, RW), VIOMMU_S_OK);
	r = device_attach_request(1, DEVICE_EP1, 0);
	device_assert_refused(&f, &r, VIOMMU_S_INVAL);
	/* In one domain none of their mappings fits twice: what the first of them agreed to is given back. */
	assert_int_equal(device_unmap(&f, 1, 0, UINT64_MAX), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP1, 0), VIOMMU_S_OK);
	fail_at(SIM_BACKEND_PREPARE, 0);
	r = device_map_request(1, 0x1000, 0x1fff, 0xa000, RW);
	device_assert_refused(&f, &r, VIOMMU_S_INVAL);
	assert_int_equal(fault.calls[SIM_BACKEND_ABORT], 1);
	assert_agreed(2);
	teardown();
}

/* Broken */

static void test_backend__map_breaks_in_any__nobody_has_the_mapping(void **state)
{
	(void)state;
	for (uint64_t at = 1; at <= 3; at++) {
		live();
		fail_at(SIM_BACKEND_COMMIT, at);
		assert_int_equal(device_map(&f, 1, 0x5000, 0x5fff, 0, RW), VIOMMU_S_DEVERR);
		assert_int_equal(told, 1);
		assert_agreed(DEVICE_ENDPOINTS);
		assert_int_equal(fault.calls[SIM_BACKEND_ABORT], 3 - at);
		assert_blocked(at == 1 ? 0 : at == 2 ? 1 : 2); /* the last to come is the first */
		for (uint32_t i = 0; i < 3; i++)
			assert_false(device_reaches(&f, i, 0x5000, 1, 0));
		/* The others go on, with the same request, too. */
		assert_int_equal(device_map(&f, 1, 0x5000, 0x5fff, 0, RW), VIOMMU_S_OK);
		assert_int_equal(device_unmap(&f, 1, 0, UINT64_MAX), VIOMMU_S_OK);
		assert_agreed(DEVICE_ENDPOINTS);
		teardown();
	}
}

static void test_backend__map_breaks_while_a_section_uses_it__answered_behind_its_end(void **state)
{
	struct viommu_wire_request r = device_map_request(1, 0x5000, 0x5fff, 0, RW);
	struct viommu_access_token token;

	(void)state;
	live();
	token = begin(&f, 1);
	fail_at(SIM_BACKEND_COMMIT, 1);
	assert_pending(&f, &call, &r);
	assert_int_equal(told, 1);
	end(&f, 1, token);
	assert_done(&f, &call, VIOMMU_S_DEVERR);
	teardown();
}

static void look_and_break(void *ctx, const struct viommu_backend_change *change)
{
	(void)ctx;
	if (change->type != VIOMMU_BACKEND_MAP || change->mapping.first != 0x5000)
		return;
	assert_true(device_reaches(&f, 2, 0x5000, 1, 0));
	viommu_device_break_backend(change->dev, change->endpoint);
}

static void test_backend__mapping_remembered_before_it_breaks__forgotten(void **state)
{
	static const struct viommu_backend_ops ops = { .size = sizeof(ops), .commit = look_and_break };

	(void)state;
	setup(0);
	assert_int_equal(viommu_device_set_backend(&f.dev, f.endpoints[0], &ops, NULL), VIOMMU_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP2, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x5000, 0x5fff, 0, RW), VIOMMU_S_DEVERR);
	assert_false(device_reaches(&f, 2, 0x5000, 1, 0));
	assert_true(viommu_access_check(&f.accesses[2]));
	teardown();
}

static void test_backend__map_breaks_and_undo_is_refused__both_are_broken(void **state)
{
	(void)state;
	live();
	fail_at(SIM_BACKEND_COMMIT, 2);
	fault.on = true; /* the UNMAP of the first as well */
	assert_int_equal(device_map(&f, 1, 0x5000, 0x5fff, 0, RW), VIOMMU_S_DEVERR);
	assert_int_equal(told, 2);
	assert_blocked(0);
	assert_blocked(1);
	assert_agreed(DEVICE_ENDPOINTS);
	fail_at(SIM_BACKEND_PREPARE, 0);
	assert_int_equal(device_map(&f, 1, 0x5000, 0x5fff, 0, RW), VIOMMU_S_OK);
	assert_int_equal(backends[2].count, 3);
	teardown();
}

static struct sim_backend *victim;

/* Two behind one connection that is lost. */
static void lose_connection(void *ctx, const struct viommu_backend_change *change)
{
	(void)ctx;
	viommu_device_break_backend(change->dev, change->endpoint);
	sim_backend_lose(victim);
	viommu_device_break_backend(change->dev, victim->endpoint);
}

static void test_backend__breaks_two_at_once__both_are_blocked(void **state)
{
	static const struct viommu_backend_ops ops = { .size = sizeof(ops), .commit = lose_connection };

	(void)state;
	/* The victim has done it already, or not yet. */
	for (uint32_t i = 0; i < 3; i += 2) {
		live();
		victim = &backends[i];
		f.endpoints[1]->backend = &ops;
		assert_int_equal(device_map(&f, 1, 0x5000, 0x5fff, 0, RW), VIOMMU_S_DEVERR);
		assert_int_equal(told, 2);
		assert_blocked(1);
		assert_blocked(i);
		assert_int_equal(backends[2 - i].count, 2);
		backends[1].prepared_count = 0;
		teardown();
	}
}

static void test_backend__unmap_breaks__carried_out_and_deverr(void **state)
{
	(void)state;
	for (uint64_t at = 1; at <= 3; at++) {
		live();
		fail_at(SIM_BACKEND_COMMIT, at);
		assert_int_equal(device_unmap(&f, 1, 0x1000, 0x1fff), VIOMMU_S_DEVERR);
		assert_int_equal(told, 1);
		assert_agreed(DEVICE_ENDPOINTS);
		for (uint32_t i = 0; i < 3; i++)
			assert_false(device_reaches(&f, i, 0x1000, 1, 0xa000));
		assert_int_equal(device_unmap(&f, 1, 0x1000, 0x1fff), VIOMMU_S_OK);
		teardown();
	}
}

static void test_backend__detach_breaks__carried_out_and_deverr(void **state)
{
	(void)state;
	live();
	device_set_bypass(&f, 1);
	fail_at(SIM_BACKEND_COMMIT, 1);
	assert_int_equal(device_detach(&f, 2, DEVICE_EP3), VIOMMU_S_DEVERR);
	assert_blocked(3); /* without a domain, under bypass */
	assert_agreed(DEVICE_ENDPOINTS);
	assert_int_equal(device_detach(&f, 2, DEVICE_EP3), VIOMMU_S_INVAL);
	assert_int_equal(device_attach(&f, 2, DEVICE_EP3, 0), VIOMMU_S_DEVERR);
	teardown();
}

static void test_backend__attach_breaks_at_any_mapping__blocked_where_it_was(void **state)
{
	(void)state;
	for (uint64_t at = 1; at <= 3; at++) {
		live();
		fail_at(SIM_BACKEND_COMMIT, at);
		assert_int_equal(device_attach(&f, 1, DEVICE_EP3, 0), VIOMMU_S_DEVERR);
		assert_int_equal(fault.calls[SIM_BACKEND_COMMIT], at);
		assert_blocked(3);
		assert_agreed(DEVICE_ENDPOINTS);
		assert_int_equal(device_attach(&f, 2, DEVICE_EP3, 0), VIOMMU_S_DEVERR);
		assert_int_equal(device_map(&f, 2, 0x8000, 0x8fff, 0, RW), VIOMMU_S_OK);
		assert_int_equal(device_detach(&f, 2, DEVICE_EP3), VIOMMU_S_OK);
		teardown();
	}
}

static void test_backend__breaks_in_prepare__refused_and_blocked(void **state)
{
	static const struct {
		uint64_t at;
		bool attach;
	} cases[] = { { 1, false }, { 2, false }, { 1, true }, { 2, true }, { 3, true } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		live();
		fail_at(SIM_BACKEND_PREPARE, cases[i].at);
		fault.breaks = true;
		if (cases[i].attach)
			assert_int_equal(device_attach(&f, 1, DEVICE_EP3, 0), VIOMMU_S_DEVERR);
		else
			assert_int_equal(device_unmap(&f, 1, 0x1000, 0x1fff), VIOMMU_S_DEVERR);
		assert_int_equal(told, 1);
		assert_agreed(DEVICE_ENDPOINTS);
		assert_blocked(cases[i].attach ? 3 : (uint32_t)cases[i].at - 1);
		assert_true(device_reaches(&f, 2, 0x1000, 1, 0xa000)); /* who is asked last */
		teardown();
	}
}

static void test_backend__breaks_in_abort__blocked(void **state)
{
	(void)state;
	live();
	fault.hook = SIM_BACKEND_ABORT;
	fault.at = 1;
	sim_backend_share(&backends[0], &backends[1]);
	assert_int_equal(device_map(&f, 1, 0x5000, 0x5fff, 0, RW), VIOMMU_S_INVAL);
	assert_int_equal(told, 1);
	assert_blocked(0);
	assert_agreed(DEVICE_ENDPOINTS);
	teardown();
}

static void test_backend__breaks_by_itself__blocked_when_settled(void **state)
{
	struct viommu_access_token token;
	uint32_t wakes;

	(void)state;
	live();
	token = begin(&f, 0);
	viommu_device_break_backend(&f.dev, f.endpoints[0]);
	sim_backend_init(&backends[0], NULL);
	assert_int_equal(told, 1);
	assert_ptr_equal(told_of, f.endpoints[0]);
	assert_blocked(0);
	assert_false(viommu_device_is_settled(&f.dev));
	wakes = f.wakes;
	end(&f, 0, token);
	assert_int_equal(f.wakes, wakes + 1);
	assert_true(viommu_device_is_settled(&f.dev));
	viommu_device_break_backend(&f.dev, f.endpoints[0]); /* again: nothing */
	assert_int_equal(told, 1);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_DEVERR); /* it is in there */
	assert_int_equal(device_detach(&f, 1, DEVICE_EP0), VIOMMU_S_OK);
	assert_int_equal(hook_calls(), 0);
	teardown();
}

static void test_backend__pending_unmap_when_it_breaks__waits_as_before(void **state)
{
	struct viommu_wire_request r = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token token;

	(void)state;
	live();
	token = begin(&f, 0);
	assert_pending(&f, &call, &r);
	viommu_device_break_backend(&f.dev, f.endpoints[0]);
	sim_backend_lose(&backends[0]);
	assert_none_done(&f, &call);
	end(&f, 0, token);
	assert_done(&f, &call, VIOMMU_S_OK);
	teardown();
}

static void test_backend__nobody_to_be_told__blocked_all_the_same(void **state)
{
	(void)state;
	setup(1);
	f.ops.backend_broken = NULL;
	viommu_device_break_backend(&f.dev, f.endpoints[0]);
	assert_true(viommu_device_endpoint_is_broken(&f.dev, f.endpoints[0]));
	assert_int_equal(viommu_device_set_backend(&f.dev, f.endpoints[0], NULL, NULL), VIOMMU_OK);
	f.dev.ops = NULL;
	assert_int_equal(set_backend(0), VIOMMU_OK);
	viommu_device_break_backend(&f.dev, f.endpoints[0]);
	sim_backend_lose(&backends[0]);
	assert_true(viommu_device_endpoint_is_broken(&f.dev, f.endpoints[0]));
	assert_int_equal(told, 0);
	f.dev.ops = &f.ops;
	teardown();
}

/* What cannot be refused */

static void test_backend__reset__all_are_nowhere(void **state)
{
	(void)state;
	live();
	assert_int_equal(device_detach(&f, 2, DEVICE_EP3), VIOMMU_S_OK);
	memset(fault.calls, 0, sizeof(fault.calls));
	device_renegotiate(&f);
	for (uint32_t i = 0; i < DEVICE_ENDPOINTS; i++)
		assert_int_equal(backends[i].place, SIM_BACKEND_NOWHERE);
	assert_int_equal(fault.calls[SIM_BACKEND_COMMIT], 3); /* the fourth was */
	assert_agreed(DEVICE_ENDPOINTS);
	teardown();
}

static void test_backend__reset_under_bypass__all_are_everywhere(void **state)
{
	(void)state;
	live();
	device_set_bypass(&f, 1);
	device_renegotiate(&f);
	for (uint32_t i = 0; i < DEVICE_ENDPOINTS; i++)
		assert_int_equal(backends[i].place, SIM_BACKEND_EVERYWHERE);
	assert_agreed(DEVICE_ENDPOINTS);
	viommu_device_system_reset(&f.dev);
	for (uint32_t i = 0; i < DEVICE_ENDPOINTS; i++)
		assert_int_equal(backends[i].place, SIM_BACKEND_NOWHERE);
	assert_agreed(DEVICE_ENDPOINTS);
	teardown();
}

static void test_backend__system_reset_to_bypass__all_are_everywhere(void **state)
{
	struct device_options options;

	(void)state;
	device_options_init(&options);
	options.config.bypass = 1;
	setup_with(&options, 2);
	assert_int_equal(backends[0].place, SIM_BACKEND_EVERYWHERE);
	device_set_bypass(&f, 0);
	assert_int_equal(backends[0].place, SIM_BACKEND_NOWHERE);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP1, 0), VIOMMU_S_OK);
	viommu_device_system_reset(&f.dev);
	assert_int_equal(backends[0].place, SIM_BACKEND_EVERYWHERE);
	assert_int_equal(backends[1].place, SIM_BACKEND_EVERYWHERE);
	teardown();
}

static void test_backend__system_reset_without_bypass_feature__nowhere(void **state)
{
	struct device_options options;

	(void)state;
	device_options_init(&options);
	options.config.features &= ~VIOMMU_F_BYPASS_CONFIG;
	options.negotiate = options.config.features;
	options.config.bypass = 1;
	setup_with(&options, 1);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	viommu_device_system_reset(&f.dev);
	assert_int_equal(backends[0].place, SIM_BACKEND_NOWHERE);
	teardown();
}

static void test_backend__refuses_a_reset__broken(void **state)
{
	(void)state;
	live();
	fail_at(SIM_BACKEND_PREPARE, 2);
	device_renegotiate(&f);
	assert_int_equal(told, 1);
	assert_agreed(DEVICE_ENDPOINTS);
	fail_at(SIM_BACKEND_PREPARE, 0);
	device_renegotiate(&f); /* it does not come back by that */
	assert_true(viommu_device_endpoint_is_broken(&f.dev, told_of));
	assert_int_equal(hook_calls(), 0);
	teardown();
}

static void test_backend__refuses_to_lose_the_bypass__broken(void **state)
{
	(void)state;
	live();
	assert_int_equal(device_detach(&f, 1, DEVICE_EP0), VIOMMU_S_OK);
	device_set_bypass(&f, 1);
	fail_at(SIM_BACKEND_PREPARE, 1);
	device_set_bypass(&f, 0);
	assert_blocked(0);
	device_set_bypass(&f, 1);
	assert_blocked(0);
	assert_agreed(DEVICE_ENDPOINTS);
	teardown();
}

static void test_backend__endpoint_removed__told_and_left_alone(void **state)
{
	struct viommu_endpoint_config config = VIOMMU_ENDPOINT_CONFIG_INIT;

	(void)state;
	live();
	assert_int_equal(viommu_device_remove_endpoint(&f.dev, f.endpoints[0]), VIOMMU_OK);
	assert_int_equal(backends[0].place, SIM_BACKEND_NOWHERE);
	assert_int_equal(fault.calls[SIM_BACKEND_COMMIT], 1);
	assert_int_equal(set_backend(0), VIOMMU_E_STATE);
	viommu_device_break_backend(&f.dev, f.endpoints[0]); /* nothing */
	assert_int_equal(told, 0);
	assert_int_equal(device_unmap(&f, 1, 0, UINT64_MAX), VIOMMU_S_OK);
	assert_int_equal(viommu_access_deinit(&f.accesses[0]), VIOMMU_OK);
	assert_true(viommu_device_endpoint_is_gone(&f.dev, f.endpoints[0]));
	config.id = DEVICE_EP0;
	assert_int_equal(viommu_device_add_endpoint(&f.dev, &config, &f.endpoints[0]), VIOMMU_OK);
	viommu_access_init(&f.accesses[0], &f.dev, f.endpoints[0]);
	teardown();
}

static void test_backend__broken_endpoint_removed__no_call(void **state)
{
	struct viommu_endpoint_config config = VIOMMU_ENDPOINT_CONFIG_INIT;

	(void)state;
	live();
	fail_at(SIM_BACKEND_COMMIT, 1);
	assert_int_equal(device_unmap(&f, 1, 0, UINT64_MAX), VIOMMU_S_DEVERR);
	fail_at(SIM_BACKEND_PREPARE, 0);
	assert_int_equal(viommu_device_remove_endpoint(&f.dev, f.endpoints[0]), VIOMMU_OK);
	assert_int_equal(hook_calls(), 0);
	assert_int_equal(viommu_access_deinit(&f.accesses[0]), VIOMMU_OK);
	assert_true(viommu_device_endpoint_is_gone(&f.dev, f.endpoints[0]));
	config.id = DEVICE_EP0;
	assert_int_equal(viommu_device_add_endpoint(&f.dev, &config, &f.endpoints[0]), VIOMMU_OK);
	assert_false(viommu_device_endpoint_is_broken(&f.dev, f.endpoints[0]));
	viommu_access_init(&f.accesses[0], &f.dev, f.endpoints[0]);
	teardown();
}

/* Given one */

static void test_set_backend__endpoint_in_a_domain__mappings_are_replayed(void **state)
{
	(void)state;
	live();
	viommu_device_break_backend(&f.dev, f.endpoints[0]);
	assert_blocked(0);
	assert_int_equal(device_map(&f, 1, 0x5000, 0x5fff, 0, RW), VIOMMU_S_OK);
	assert_int_equal(set_backend(0), VIOMMU_OK);
	assert_int_equal(backends[0].count, 3);
	assert_int_equal(backends[0].domain, 1);
	assert_false(viommu_device_endpoint_is_broken(&f.dev, f.endpoints[0]));
	assert_true(device_reaches(&f, 0, 0x5000, 1, 0));
	assert_agreed(DEVICE_ENDPOINTS);
	teardown();
}

static void test_set_backend__endpoint_in_a_bypass_domain__everywhere(void **state)
{
	(void)state;
	setup(0);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, VIOMMU_ATTACH_F_BYPASS), VIOMMU_S_OK);
	assert_int_equal(set_backend(0), VIOMMU_OK);
	assert_int_equal(backends[0].place, SIM_BACKEND_EVERYWHERE);
	assert_agreed(1);
	teardown();
}

static void test_set_backend__refused_at_any_call__nothing_changed(void **state)
{
	struct device_view before, after;

	(void)state;
	live();
	viommu_device_break_backend(&f.dev, f.endpoints[0]);
	for (uint64_t at = 1; at <= 3; at++) {
		device_view_take(&f, &before);
		fail_at(SIM_BACKEND_PREPARE, at);
		fault.refusal = VIOMMU_E_BUSY;
		assert_int_equal(set_backend(0), VIOMMU_E_BUSY);
		assert_int_equal(fault.calls[SIM_BACKEND_ABORT], at > 1);
		assert_true(viommu_device_endpoint_is_broken(&f.dev, f.endpoints[0]));
		device_view_take(&f, &after);
		device_view_assert_equal(&before, &after);
		assert_true(viommu_device_check(&f.dev));
	}
	sim_backend_lose(&backends[0]);
	teardown();
}

static void test_set_backend__breaks__blocked(void **state)
{
	(void)state;
	live();
	viommu_device_break_backend(&f.dev, f.endpoints[0]);
	for (uint64_t at = 1; at <= 3; at++) {
		fail_at(SIM_BACKEND_COMMIT, at);
		assert_int_equal(set_backend(0), VIOMMU_E_PORT);
		assert_int_equal(told, 1 + at);
		assert_blocked(0);
	}
	fail_at(SIM_BACKEND_PREPARE, 2);
	fault.breaks = true;
	assert_int_equal(set_backend(0), VIOMMU_E_PORT);
	assert_int_equal(told, 5);
	assert_blocked(0);
	/* One that had none is blocked by it, too. */
	assert_int_equal(viommu_device_set_backend(&f.dev, f.endpoints[0], NULL, NULL), VIOMMU_OK);
	assert_true(device_reaches(&f, 0, 0x1000, 1, 0xa000));
	fail_at(SIM_BACKEND_COMMIT, 1);
	assert_int_equal(set_backend(0), VIOMMU_E_PORT);
	assert_blocked(0);
	teardown();
}

static void test_set_backend__no_good__refused(void **state)
{
	struct viommu_backend_ops ops = sim_backend_ops;

	(void)state;
	setup(1);
	assert_int_equal(set_backend(0), VIOMMU_E_STATE);
	assert_int_equal(viommu_device_set_backend(&f.dev, f.endpoints[0], NULL, NULL), VIOMMU_E_STATE);
	ops.size--;
	assert_int_equal(viommu_device_set_backend(&f.dev, f.endpoints[1], &ops, &backends[1]), VIOMMU_E_ABI);
	ops = sim_backend_ops;
	ops.commit = NULL;
	assert_int_equal(viommu_device_set_backend(&f.dev, f.endpoints[1], &ops, &backends[1]), VIOMMU_E_ARG);
	assert_int_equal(hook_calls(), 0);
	sim_backend_init(&backends[0], &fault);
	viommu_device_break_backend(&f.dev, f.endpoints[0]);
	teardown();
}

static void test_add_endpoint__with_backend__told_or_not_there(void **state)
{
	struct viommu_endpoint_config config = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct device_options options;
	static struct sim_backend b;
	struct viommu_endpoint *endpoint;

	(void)state;
	device_options_init(&options);
	options.config.max_endpoints = DEVICE_ENDPOINTS + 1;
	options.config.bypass = 1;
	setup_with(&options, 0);
	config.id = 77;
	config.backend = &sim_backend_ops;
	config.backend_ctx = &b;
	sim_backend_init(&b, &fault);
	fail_at(SIM_BACKEND_PREPARE, 1);
	assert_int_equal(viommu_device_add_endpoint(&f.dev, &config, &endpoint), VIOMMU_E_NOMEM);
	assert_int_equal(device_attach(&f, 1, 77, 0), VIOMMU_S_NOENT);
	assert_true(viommu_device_check(&f.dev));
	sim_backend_init(&b, &fault);
	fail_at(SIM_BACKEND_COMMIT, 1);
	assert_int_equal(viommu_device_add_endpoint(&f.dev, &config, &endpoint), VIOMMU_E_PORT);
	assert_int_equal(device_attach(&f, 1, 77, 0), VIOMMU_S_NOENT);
	assert_true(viommu_device_check(&f.dev));
	sim_backend_init(&b, &fault);
	assert_int_equal(viommu_device_add_endpoint(&f.dev, &config, &endpoint), VIOMMU_OK);
	assert_int_equal(b.place, SIM_BACKEND_EVERYWHERE);
	assert_int_equal(device_attach(&f, 1, 77, 0), VIOMMU_S_OK);
	assert_true(sim_backend_agrees(&b, &f.dev));
	viommu_device_break_backend(&f.dev, endpoint);
	teardown();
}

/* Slow: what it takes away is gone when its section ends. */

static struct viommu_access_token slow_token;
static bool is_slow;

static void slow_commit(void *ctx, const struct viommu_backend_change *change)
{
	(void)ctx;
	if (change->type == VIOMMU_BACKEND_DETACH || change->type == VIOMMU_BACKEND_UNMAP) {
		is_slow = true;
		assert_int_equal(viommu_access_begin(&slow, &slow_token), VIOMMU_OK);
	}
}

/* Endpoint 0 in domain 1, with a mapping. */
static void setup_slow(void)
{
	static const struct viommu_backend_ops ops = { .size = sizeof(ops), .commit = slow_commit };

	setup(0);
	viommu_access_init(&slow, &f.dev, f.endpoints[0]);
	assert_int_equal(viommu_device_set_backend(&f.dev, f.endpoints[0], &ops, NULL), VIOMMU_OK);
	viommu_access_end(&slow, slow_token);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0xa000, RW), VIOMMU_S_OK);
	is_slow = false;
}

static void teardown_slow(void)
{
	viommu_device_break_backend(&f.dev, f.endpoints[0]);
	assert_int_equal(viommu_access_deinit(&slow), VIOMMU_OK);
	teardown();
}

static void test_backend__slow_to_unmap__answered_when_it_is_gone(void **state)
{
	struct viommu_wire_request r = device_unmap_request(1, 0, UINT64_MAX);
	uint32_t wakes;

	(void)state;
	setup_slow();
	assert_pending(&f, &call, &r);
	assert_true(is_slow);
	wakes = f.wakes;
	viommu_access_end(&slow, slow_token);
	assert_int_equal(f.wakes, wakes + 1);
	assert_done(&f, &call, VIOMMU_S_OK);
	teardown_slow();
}

static void test_backend__slow_to_detach__answered_when_it_is_gone(void **state)
{
	struct viommu_wire_request r = device_detach_request(1, DEVICE_EP0);

	(void)state;
	setup_slow();
	assert_pending(&f, &call, &r);
	viommu_access_end(&slow, slow_token);
	assert_done(&f, &call, VIOMMU_S_OK);
	teardown_slow();
}

static void test_backend__slow_to_reset__settled_when_it_is_gone(void **state)
{
	(void)state;
	setup_slow();
	viommu_device_reset(&f.dev);
	assert_false(viommu_device_is_settled(&f.dev));
	viommu_access_end(&slow, slow_token);
	assert_true(viommu_device_is_settled(&f.dev));
	teardown_slow();
}

static void test_backend__slow_to_lose_the_bypass__settled_when_it_is_gone(void **state)
{
	(void)state;
	setup_slow();
	device_set_bypass(&f, 1);
	assert_int_equal(
		device_start(&f, &call,
			     &(struct viommu_wire_request){ .type = VIOMMU_T_DETACH,
							    .u.detach = { .domain = 1, .endpoint = DEVICE_EP0 } }),
		DEVICE_PENDING);
	viommu_access_end(&slow, slow_token);
	assert_done(&f, &call, VIOMMU_S_OK);
	device_set_bypass(&f, 0);
	assert_false(viommu_device_is_settled(&f.dev));
	viommu_access_end(&slow, slow_token);
	assert_true(viommu_device_is_settled(&f.dev));
	teardown_slow();
}

static void test_backend__slow_to_be_removed__gone_when_it_is(void **state)
{
	struct viommu_endpoint_config config = VIOMMU_ENDPOINT_CONFIG_INIT;

	(void)state;
	setup_slow();
	assert_int_equal(viommu_device_remove_endpoint(&f.dev, f.endpoints[0]), VIOMMU_OK);
	assert_int_equal(viommu_access_deinit(&f.accesses[0]), VIOMMU_OK);
	assert_false(viommu_device_endpoint_is_gone(&f.dev, f.endpoints[0]));
	viommu_access_end(&slow, slow_token);
	assert_int_equal(viommu_access_deinit(&slow), VIOMMU_OK);
	assert_true(viommu_device_endpoint_is_gone(&f.dev, f.endpoints[0]));
	config.id = DEVICE_EP0;
	assert_int_equal(viommu_device_add_endpoint(&f.dev, &config, &f.endpoints[0]), VIOMMU_OK);
	viommu_access_init(&f.accesses[0], &f.dev, f.endpoints[0]);
	teardown();
}

/* Restored */

static uint8_t saved[0x1000];
static size_t saved_len;

static void save(void)
{
	assert_int_equal(viommu_device_save(&f.dev, saved, sizeof(saved), &saved_len), VIOMMU_OK);
}

/* The driver has gone, and all back ends are as new. */
static void forget_all(void)
{
	viommu_device_reset(&f.dev);
	for (uint32_t i = 0; i < DEVICE_ENDPOINTS; i++) {
		sim_backend_lose(&backends[i]);
		viommu_device_break_backend(&f.dev, f.endpoints[i]);
		assert_int_equal(set_backend(i), VIOMMU_OK);
	}
	told = 0;
	memset(&fault, 0, sizeof(fault));
}

static enum viommu_result restore(void)
{
	enum viommu_result result;

	for (uint32_t i = 0; i < DEVICE_ENDPOINTS; i++)
		backends[i].is_quick = true;
	result = viommu_device_restore(&f.dev, saved, saved_len);
	for (uint32_t i = 0; i < DEVICE_ENDPOINTS; i++)
		backends[i].is_quick = false;
	assert_true(viommu_device_check(&f.dev));
	return result;
}

static void test_backend__restored__mappings_are_replayed(void **state)
{
	(void)state;
	live();
	assert_int_equal(device_attach(&f, 5, DEVICE_EP2, VIOMMU_ATTACH_F_BYPASS), VIOMMU_S_OK);
	assert_int_equal(device_detach(&f, 2, DEVICE_EP3), VIOMMU_S_OK);
	save();
	forget_all();
	assert_int_equal(restore(), VIOMMU_OK);
	assert_agreed(DEVICE_ENDPOINTS);
	assert_int_equal(backends[0].count, 2);
	assert_int_equal(backends[0].domain, 1);
	assert_int_equal(backends[1].count, 2);
	assert_int_equal(backends[2].place, SIM_BACKEND_EVERYWHERE);
	assert_int_equal(backends[2].domain, 5);
	assert_int_equal(backends[3].place, SIM_BACKEND_NOWHERE);
	assert_int_equal(device_map(&f, 1, 0x5000, 0x5fff, 0, RW), VIOMMU_S_OK);
	assert_agreed(DEVICE_ENDPOINTS);
	teardown();
}

static void test_backend__restored_with_bypass__everywhere_without_a_domain(void **state)
{
	struct viommu_endpoint_config config = VIOMMU_ENDPOINT_CONFIG_INIT;
	static struct sim_backend b;
	struct device_options options;
	struct viommu_endpoint *endpoint;

	(void)state;
	device_options_init(&options);
	options.config.max_endpoints = DEVICE_ENDPOINTS + 1;
	setup_with(&options, 3);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	device_set_bypass(&f, 1);
	save();
	viommu_device_system_reset(&f.dev);
	config.id = 77; /* not in the snapshot */
	config.backend = &sim_backend_ops;
	config.backend_ctx = &b;
	sim_backend_init(&b, &fault);
	assert_int_equal(viommu_device_add_endpoint(&f.dev, &config, &endpoint), VIOMMU_OK);
	b.is_quick = true;
	assert_int_equal(restore(), VIOMMU_OK);
	assert_null(b.violation);
	assert_int_equal(backends[0].place, SIM_BACKEND_TRANSLATED);
	assert_int_equal(backends[1].place, SIM_BACKEND_EVERYWHERE);
	assert_int_equal(b.place, SIM_BACKEND_EVERYWHERE);
	viommu_device_break_backend(&f.dev, endpoint);
	teardown();
}

static void test_backend__restore_refused_at_any_call__nothing_changed(void **state)
{
	struct device_view before, after;
	uint32_t nodes;
	uint64_t calls;

	(void)state;
	live();
	save();
	forget_all();
	(void)viommu_device_process(&f.dev, UINT32_MAX); /* the nodes of before */
	nodes = viommu_map_pool_free(&f.dev.pool);
	device_view_take(&f, &before);
	for (calls = 1; calls <= 3 + 3 + 3 + 2; calls++) {
		fail_at(SIM_BACKEND_PREPARE, calls);
		fault.refusal = VIOMMU_E_BUSY;
		assert_int_equal(restore(), VIOMMU_E_BUSY);
		assert_int_equal(fault.calls[SIM_BACKEND_COMMIT], 0);
		assert_agreed(DEVICE_ENDPOINTS);
		assert_int_equal(viommu_map_pool_free(&f.dev.pool), nodes);
		device_view_take(&f, &after);
		device_view_assert_equal(&before, &after);
	}
	fail_at(SIM_BACKEND_PREPARE, calls);
	assert_int_equal(restore(), VIOMMU_OK);
	assert_int_equal(fault.calls[SIM_BACKEND_PREPARE], calls - 1);
	assert_agreed(DEVICE_ENDPOINTS);
	teardown();
}

static void test_backend__restore_breaks_at_any_call__blocked_and_the_rest_restored(void **state)
{
	(void)state;
	live();
	save();
	for (uint64_t at = 1; at <= 3 + 3 + 3 + 2; at++) {
		forget_all();
		fail_at(SIM_BACKEND_COMMIT, at);
		assert_int_equal(restore(), VIOMMU_OK);
		assert_int_equal(told, 1);
		assert_agreed(DEVICE_ENDPOINTS);
		for (uint32_t i = 0; i < DEVICE_ENDPOINTS; i++) {
			if (f.endpoints[i] == told_of)
				assert_blocked(i);
			else
				assert_true(device_reaches(&f, i, 0x1000, 1, i < 3 ? 0xa000 : 0xc000));
		}
	}
	teardown();
}

static void test_backend__slow_to_be_restored__settled_when_it_is_gone(void **state)
{
	(void)state;
	setup_slow();
	assert_int_equal(device_detach(&f, 2, DEVICE_EP0), VIOMMU_S_INVAL);
	viommu_device_reset(&f.dev);
	viommu_access_end(&slow, slow_token);
	assert_true(viommu_device_is_settled(&f.dev));
	save();
	assert_int_equal(viommu_device_negotiate(&f.dev, viommu_device_features(&f.dev)), VIOMMU_OK);
	device_set_bypass(&f, 1);
	viommu_access_end(&slow, slow_token);
	viommu_device_reset(&f.dev);
	assert_true(viommu_device_is_settled(&f.dev));
	assert_int_equal(restore(), VIOMMU_OK);
	assert_false(viommu_device_is_settled(&f.dev));
	viommu_access_end(&slow, slow_token);
	assert_true(viommu_device_is_settled(&f.dev));
	teardown_slow();
}

/* A hook that looks at the device and translates, and then does what the recorder does. */
static uint32_t looks;

static void look(const struct viommu_backend_change *change)
{
	struct viommu_access_token token;
	struct viommu_translation t;
	struct viommu_mapping m;

	looks++;
	assert_true(viommu_device_check(change->dev));
	(void)viommu_device_next_mapping(change->dev, change->endpoint, 0, &m);
	(void)viommu_device_endpoint_is_broken(change->dev, change->endpoint);
	assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
	(void)!viommu_access_translate(&f.accesses[0], 0x1000, 1, VIOMMU_ACCESS_READ, &t);
	viommu_access_end(&f.accesses[0], token);
}

static enum viommu_result looking_prepare(void *ctx, const struct viommu_backend_change *change)
{
	look(change);
	return sim_backend_ops.prepare(ctx, change);
}

static void looking_commit(void *ctx, const struct viommu_backend_change *change)
{
	look(change);
	sim_backend_ops.commit(ctx, change);
}

static void looking_abort(void *ctx, const struct viommu_backend_change *change)
{
	look(change);
	sim_backend_ops.abort(ctx, change);
}

static void test_backend__hooks_look_at_the_device__find_it_whole(void **state)
{
	static const struct viommu_backend_ops looking = {
		.size = sizeof(looking), .prepare = looking_prepare, .commit = looking_commit, .abort = looking_abort
	};

	(void)state;
	setup(0);
	looks = 0;
	for (uint32_t i = 0; i < 2; i++) {
		sim_backend_init(&backends[i], &fault);
		assert_int_equal(viommu_device_set_backend(&f.dev, f.endpoints[i], &looking, &backends[i]), VIOMMU_OK);
	}
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x2fff, 0xa000, RW), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, TOP, UINT64_MAX, 0xb000, RW), VIOMMU_S_OK);
	fail_at(SIM_BACKEND_PREPARE, 2);
	assert_int_not_equal(device_map(&f, 1, 0x8000, 0x8fff, 0xc000, RW), VIOMMU_S_OK);
	memset(&fault, 0, sizeof(fault));
	assert_int_equal(device_unmap(&f, 1, 0, UINT64_MAX), VIOMMU_S_OK);
	assert_int_equal(device_detach(&f, 1, DEVICE_EP1), VIOMMU_S_OK);
	viommu_device_reset(&f.dev);
	assert_agreed(2);
	assert_null(backends[0].violation);
	assert_true(looks > 20);
	teardown();
}

static void test_next_mapping__of_an_endpoint__its_domains(void **state)
{
	struct viommu_mapping m;

	(void)state;
	live();
	assert_true(viommu_device_next_mapping(&f.dev, f.endpoints[3], 0, &m));
	assert_int_equal(m.first, 0x1000);
	assert_int_equal(m.last, 0x3fff);
	assert_int_equal(m.phys, 0xc000);
	assert_false(viommu_device_next_mapping(&f.dev, f.endpoints[3], 0x4000, &m));
	assert_int_equal(device_detach(&f, 2, DEVICE_EP3), VIOMMU_S_OK);
	assert_false(viommu_device_next_mapping(&f.dev, f.endpoints[3], 0, &m));
	teardown();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backend__life_of_an_endpoint__told_of_each_change),
		cmocka_unit_test(test_backend__attach_to_a_domain_with_mappings__replayed),
		cmocka_unit_test(test_backend__bypass__told_of_each_change),
		cmocka_unit_test(test_backend__request_that_the_device_refuses__nobody_is_asked),
		cmocka_unit_test(test_backend__unmap_of_nothing__nobody_is_asked),
		cmocka_unit_test(test_backend__without_prepare_and_abort__agrees_to_all),
		cmocka_unit_test(test_backend__prepare_refuses__status_says_why),
		cmocka_unit_test(test_backend__map_refused_by_any__others_abort),
		cmocka_unit_test(test_backend__map_refused_by_the_last__aborted_in_reverse),
		cmocka_unit_test(test_backend__unmap_refused_by_any__nothing_is_gone),
		cmocka_unit_test(test_backend__attach_refused_at_any_mapping__stays_where_it_was),
		cmocka_unit_test(test_backend__detach_refused__stays_attached),
		cmocka_unit_test(test_backend__no_node_for_a_map__all_abort),
		cmocka_unit_test(test_backend__more_mappings_than_it_can_keep__refused_and_life_goes_on),
		cmocka_unit_test(test_backend__two_in_one_address_space__overlap_is_refused),
		cmocka_unit_test(test_backend__map_breaks_in_any__nobody_has_the_mapping),
		cmocka_unit_test(test_backend__map_breaks_while_a_section_uses_it__answered_behind_its_end),
		cmocka_unit_test(test_backend__mapping_remembered_before_it_breaks__forgotten),
		cmocka_unit_test(test_backend__map_breaks_and_undo_is_refused__both_are_broken),
		cmocka_unit_test(test_backend__breaks_two_at_once__both_are_blocked),
		cmocka_unit_test(test_backend__unmap_breaks__carried_out_and_deverr),
		cmocka_unit_test(test_backend__detach_breaks__carried_out_and_deverr),
		cmocka_unit_test(test_backend__attach_breaks_at_any_mapping__blocked_where_it_was),
		cmocka_unit_test(test_backend__breaks_in_prepare__refused_and_blocked),
		cmocka_unit_test(test_backend__breaks_in_abort__blocked),
		cmocka_unit_test(test_backend__breaks_by_itself__blocked_when_settled),
		cmocka_unit_test(test_backend__pending_unmap_when_it_breaks__waits_as_before),
		cmocka_unit_test(test_backend__nobody_to_be_told__blocked_all_the_same),
		cmocka_unit_test(test_backend__reset__all_are_nowhere),
		cmocka_unit_test(test_backend__reset_under_bypass__all_are_everywhere),
		cmocka_unit_test(test_backend__system_reset_to_bypass__all_are_everywhere),
		cmocka_unit_test(test_backend__system_reset_without_bypass_feature__nowhere),
		cmocka_unit_test(test_backend__refuses_a_reset__broken),
		cmocka_unit_test(test_backend__refuses_to_lose_the_bypass__broken),
		cmocka_unit_test(test_backend__endpoint_removed__told_and_left_alone),
		cmocka_unit_test(test_backend__broken_endpoint_removed__no_call),
		cmocka_unit_test(test_set_backend__endpoint_in_a_domain__mappings_are_replayed),
		cmocka_unit_test(test_set_backend__endpoint_in_a_bypass_domain__everywhere),
		cmocka_unit_test(test_set_backend__refused_at_any_call__nothing_changed),
		cmocka_unit_test(test_set_backend__breaks__blocked),
		cmocka_unit_test(test_set_backend__no_good__refused),
		cmocka_unit_test(test_add_endpoint__with_backend__told_or_not_there),
		cmocka_unit_test(test_backend__slow_to_unmap__answered_when_it_is_gone),
		cmocka_unit_test(test_backend__slow_to_detach__answered_when_it_is_gone),
		cmocka_unit_test(test_backend__slow_to_reset__settled_when_it_is_gone),
		cmocka_unit_test(test_backend__slow_to_lose_the_bypass__settled_when_it_is_gone),
		cmocka_unit_test(test_backend__slow_to_be_removed__gone_when_it_is),
		cmocka_unit_test(test_backend__restored__mappings_are_replayed),
		cmocka_unit_test(test_backend__restored_with_bypass__everywhere_without_a_domain),
		cmocka_unit_test(test_backend__restore_refused_at_any_call__nothing_changed),
		cmocka_unit_test(test_backend__restore_breaks_at_any_call__blocked_and_the_rest_restored),
		cmocka_unit_test(test_backend__slow_to_be_restored__settled_when_it_is_gone),
		cmocka_unit_test(test_backend__hooks_look_at_the_device__find_it_whole),
		cmocka_unit_test(test_next_mapping__of_an_endpoint__its_domains),
	};

	return suite_run(tests);
}
