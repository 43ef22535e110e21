/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Revoke before complete: a request that takes a translation away is answered when every access section has ended that
 * began earlier and could use it, and not because of any other.
 */
#include "device_sections.h"
#include "suite.h"

static struct device_call calls[20];

static void test_pending__unmap_with_open_section__done_when_it_ends(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token token;
	struct device_fixture f;
	uint32_t wakes;

	(void)state;
	prepare(&f, NULL);
	token = begin(&f, 0);
	assert_pending(&f, &calls[0], &unmap);
	assert_int_equal(viommu_device_submit(&f.dev, &calls[0].request), VIOMMU_E_STATE);
	assert_int_equal(viommu_device_get_stats(&f.dev)->pended, 1);
	/* The change itself does not wait: translations that begin now see it, in an old section too. */
	assert_true(device_faults(&f, 0, 0x1000, 1, VIOMMU_FAULT_R_MAPPING));
	assert_true(device_faults(&f, 1, 0x1000, 1, VIOMMU_FAULT_R_MAPPING));
	assert_true(device_reaches(&f, 0, 0x2000, RW, 0xb000));
	assert_none_done(&f, &calls[0]);
	wakes = f.wakes;
	end(&f, 0, token);
	assert_true(f.wakes > wakes);
	assert_done(&f, &calls[0], VIOMMU_S_OK);
	device_teardown(&f);
}

static void test_pending__tail_in_four_pieces__written_at_the_end(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token token;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	token = begin(&f, 1);
	device_call_build(&calls[0], &f, &unmap, 1);
	assert_int_equal(device_call_submit(&f, &calls[0]), DEVICE_PENDING);
	/* The vectors are the caller's again, the bytes they named are not. */
	calls[0].request.readable = NULL;
	calls[0].request.writable = NULL;
	end(&f, 1, token);
	assert_done(&f, &calls[0], VIOMMU_S_OK);
	device_teardown(&f);
}

/* The buffers are somebody else's, but what was taken away has to wait as before. */
static void test_pending__replies_forgotten__waits_and_is_not_written(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token token;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	token = begin(&f, 1);
	for (unsigned i = 0; i < 2; i++) {
		device_call_build(&calls[i], &f, &unmap, 4);
		assert_int_equal(device_call_submit(&f, &calls[i]), DEVICE_PENDING);
	}
	viommu_device_forget_replies(&f.dev);
	assert_true(viommu_device_check(&f.dev));
	assert_null(viommu_device_next_done(&f.dev));
	end(&f, 1, token);
	for (unsigned i = 0; i < 2; i++) {
		assert_ptr_equal(viommu_device_next_done(&f.dev), &calls[i].request);
		assert_int_equal(calls[i].request.state, VIOMMU_REQUEST_DONE);
		assert_int_equal(calls[i].request.written, 0);
		device_call_assert_unwritten(&calls[i]);
		device_call_free(&calls[i]);
	}
	viommu_device_forget_replies(&f.dev); /* there are none */
	assert_true(viommu_device_check(&f.dev));
	device_teardown(&f);
}

static void test_pending__no_open_section__nothing_waits(void **state)
{
	struct device_fixture f;
	struct viommu_access_token token;

	(void)state;
	prepare(&f, NULL);
	token = begin(&f, 0);
	end(&f, 0, token);
	assert_int_equal(device_unmap(&f, 1, 0x1000, 0x1fff), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 2, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_int_equal(device_detach(&f, 1, DEVICE_EP0), VIOMMU_S_OK);
	assert_int_equal(viommu_device_get_stats(&f.dev)->pended, 0);
	assert_null(viommu_device_next_done(&f.dev));
	device_teardown(&f);
}

/* Nothing is taken away by these, so nobody waits. */
static void test_pending__requests_that_only_give__done_at_once(void **state)
{
	struct viommu_access_token tokens[DEVICE_ENDPOINTS];
	struct viommu_wire_request probe = device_probe_request(DEVICE_EP0);
	struct device_fixture f;
	uint32_t i;

	(void)state;
	prepare(&f, NULL);
	for (i = 0; i < DEVICE_ENDPOINTS; i++)
		tokens[i] = begin(&f, i);
	assert_int_equal(device_map(&f, 1, 0x8000, 0x8fff, 0, RW), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 3, DEVICE_EP3, 0), VIOMMU_S_OK); /* had nothing to lose */
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK); /* is there already */
	assert_int_equal(device_request(&f, &probe), VIOMMU_S_OK);
	for (i = 0; i < DEVICE_ENDPOINTS; i++)
		end(&f, i, tokens[i]);
	device_teardown(&f);
}

static void test_pending__refused_requests__answered_at_once(void **state)
{
	struct viommu_access_token tokens[DEVICE_ENDPOINTS];
	struct device_fixture f;
	uint32_t i;

	(void)state;
	prepare(&f, NULL);
	for (i = 0; i < DEVICE_ENDPOINTS; i++)
		tokens[i] = begin(&f, i);
	assert_int_equal(device_unmap(&f, 1, 0x1000, 0x17ff), VIOMMU_S_RANGE);
	assert_int_equal(device_unmap(&f, 9, 0x1000, 0x1fff), VIOMMU_S_NOENT);
	assert_int_equal(device_unmap(&f, 1, 0x1fff, 0x1000), VIOMMU_S_INVAL);
	assert_int_equal(device_detach(&f, 2, DEVICE_EP0), VIOMMU_S_INVAL);
	assert_int_equal(device_attach(&f, 2, DEVICE_EP0, 1), VIOMMU_S_INVAL);
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0, RW), VIOMMU_S_INVAL);
	for (i = 0; i < DEVICE_ENDPOINTS; i++)
		end(&f, i, tokens[i]);
	device_teardown(&f);
}

static void test_pending__section_of_another_domain__does_not_delay(void **state)
{
	struct viommu_access_token in_2, nowhere;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	in_2 = begin(&f, 2);
	nowhere = begin(&f, 3);
	assert_int_equal(device_unmap(&f, 1, 0x1000, 0x1fff), VIOMMU_S_OK);
	assert_int_equal(device_detach(&f, 1, DEVICE_EP0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 5, DEVICE_EP1, 0), VIOMMU_S_OK);
	end(&f, 2, in_2);
	end(&f, 3, nowhere);
	device_teardown(&f);
}

/* Each member of the domain could use the mapping: all their sections count, nested ones and other contexts too. */
static void test_pending__several_sections__the_last_one_counts(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0, UINT64_MAX);
	struct viommu_access_token a, b, c, d;
	struct viommu_access second;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	viommu_access_init(&second, &f.dev, f.endpoints[0]);
	a = begin(&f, 0);
	b = begin(&f, 0);
	c = begin(&f, 1);
	assert_int_equal(viommu_access_begin(&second, &d), VIOMMU_OK);
	assert_pending(&f, &calls[0], &unmap);
	end(&f, 0, b);
	assert_none_done(&f, &calls[0]);
	end(&f, 1, c);
	assert_none_done(&f, &calls[0]);
	end(&f, 0, a);
	assert_none_done(&f, &calls[0]);
	viommu_access_end(&second, d);
	assert_done(&f, &calls[0], VIOMMU_S_OK);
	assert_int_equal(viommu_access_deinit(&second), VIOMMU_OK);
	device_teardown(&f);
}

static void test_pending__sections_that_begin_later__do_not_delay(void **state)
{
	struct viommu_wire_request first = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_wire_request second = device_unmap_request(1, 0x2000, 0x2fff);
	struct viommu_access_token before, between, after;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	before = begin(&f, 0);
	assert_pending(&f, &calls[0], &first);
	between = begin(&f, 0);
	end(&f, 0, before);
	assert_done(&f, &calls[0], VIOMMU_S_OK); /* `between` could not use it */
	assert_pending(&f, &calls[1], &second);  /* but it could use this one */
	after = begin(&f, 0);
	end(&f, 0, between);
	assert_done(&f, &calls[1], VIOMMU_S_OK);
	end(&f, 0, after);
	device_teardown(&f);
}

/* Two waiting at a time, with a section between them: each waits for what began before it. */
static void test_pending__two_requests__each_for_its_own_sections(void **state)
{
	struct viommu_wire_request first = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_wire_request second = device_unmap_request(1, 0x2000, 0x2fff);
	struct viommu_access_token before, between;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	before = begin(&f, 0);
	assert_pending(&f, &calls[0], &first);
	between = begin(&f, 0);
	assert_pending(&f, &calls[1], &second);
	end(&f, 0, before);
	assert_done(&f, &calls[0], VIOMMU_S_OK);
	assert_none_done(&f, &calls[1]);
	end(&f, 0, between);
	assert_done(&f, &calls[1], VIOMMU_S_OK);

	/* And when the later section ends first. */
	assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0xa000, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0x2000, 0x2fff, 0xa000, RW), VIOMMU_S_OK);
	before = begin(&f, 0);
	assert_pending(&f, &calls[0], &first);
	between = begin(&f, 0);
	assert_pending(&f, &calls[1], &second);
	end(&f, 0, between);
	assert_none_done(&f, &calls[0]);
	assert_none_done(&f, &calls[1]);
	end(&f, 0, before);
	{
		int status;

		assert_ptr_equal(device_next_done(&f, &status), &calls[0]); /* in order within a domain */
		assert_int_equal(status, VIOMMU_S_OK);
		assert_ptr_equal(device_next_done(&f, &status), &calls[1]);
		assert_int_equal(status, VIOMMU_S_OK);
	}
	device_call_free(&calls[0]);
	device_call_free(&calls[1]);
	device_teardown(&f);
}

/* An endpoint that never has no section open cannot starve the driver. */
static void test_pending__overlapping_sections_for_ever__no_starvation(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token older, newer;
	struct device_fixture f;
	unsigned round, waited;
	int status;

	(void)state;
	prepare(&f, NULL);
	older = begin(&f, 0);
	for (round = 0; round < 50; round++) {
		assert_int_equal(device_start(&f, &calls[0], &unmap), DEVICE_PENDING);
		for (waited = 0; device_next_done(&f, &status) == NULL; waited++) {
			assert_true(waited < 4);
			newer = begin(&f, 0);
			end(&f, 0, older);
			older = newer;
		}
		assert_int_equal(status, VIOMMU_S_OK);
		device_call_free(&calls[0]);
		assert_int_equal(device_map(&f, 1, 0x1000, 0x1fff, 0xa000, RW), VIOMMU_S_OK);
	}
	end(&f, 0, older);
	device_teardown(&f);
}

/* The epochs of one context go on while nobody asks for them: a long sleep must not make an old section look new. */
static void test_pending__long_lived_section__outlives_many_revocations(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token old;
	struct device_fixture f;
	unsigned i;

	(void)state;
	prepare(&f, NULL);
	old = begin(&f, 0);
	for (i = 0; i < 300; i++) { /* in another domain, so that they are not delayed */
		assert_int_equal(device_unmap(&f, 2, 0x1000, 0x1fff), VIOMMU_S_OK);
		assert_int_equal(device_map(&f, 2, 0x1000, 0x1fff, 0xc000, RW), VIOMMU_S_OK);
	}
	assert_pending(&f, &calls[0], &unmap);
	for (i = 0; i < 300; i++) {
		struct viommu_access_token token = begin(&f, 0);

		assert_int_equal(device_unmap(&f, 2, 0x1000, 0x1fff), VIOMMU_S_OK);
		end(&f, 0, token);
		assert_none_done(&f, &calls[0]);
	}
	end(&f, 0, old);
	assert_done(&f, &calls[0], VIOMMU_S_OK);
	device_teardown(&f);
}

/* IOMMU-DEV-DETACH-04: what was translated before is over when the answer is there. */
static void test_pending__detach_with_open_section__waits(void **state)
{
	struct viommu_wire_request detach = device_detach_request(1, DEVICE_EP0);
	struct viommu_access_token token;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	token = begin(&f, 0);
	assert_pending(&f, &calls[0], &detach);
	assert_true(device_faults(&f, 0, 0x1000, 1, VIOMMU_FAULT_R_DOMAIN));
	assert_true(device_reaches(&f, 1, 0x1000, RW, 0xa000));
	end(&f, 0, token);
	assert_done(&f, &calls[0], VIOMMU_S_OK);
	device_teardown(&f);
}

/* IOMMU-DEV-ATTACH-08: a move takes away as a DETACH does. */
static void test_pending__move_with_open_section__waits(void **state)
{
	struct viommu_wire_request move = device_attach_request(2, DEVICE_EP0, 0);
	struct viommu_wire_request to_bypass = device_attach_request(7, DEVICE_EP2, VIOMMU_ATTACH_F_BYPASS);
	struct viommu_wire_request from_bypass = device_attach_request(1, DEVICE_EP2, 0);
	struct viommu_access_token token;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	token = begin(&f, 0);
	assert_pending(&f, &calls[0], &move);
	assert_true(device_reaches(&f, 0, 0x1000, RW, 0xc000));
	end(&f, 0, token);
	assert_done(&f, &calls[0], VIOMMU_S_OK);
	token = begin(&f, 2);
	assert_pending(&f, &calls[0], &to_bypass);
	end(&f, 2, token);
	assert_done(&f, &calls[0], VIOMMU_S_OK);
	token = begin(&f, 2);
	assert_pending(&f, &calls[0], &from_bypass);
	end(&f, 2, token);
	assert_done(&f, &calls[0], VIOMMU_S_OK);
	device_teardown(&f);
}

/* With config.bypass set, the first ATTACH takes the identity mapping away. */
static void test_pending__attach_out_of_bypass__waits(void **state)
{
	struct viommu_wire_request attach = device_attach_request(5, DEVICE_EP3, 0);
	struct viommu_access_token token;
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.config.bypass = 1;
	prepare(&f, &options);
	token = begin(&f, 3);
	assert_true(device_reaches(&f, 3, 0x1000, RW, 0x1000));
	assert_pending(&f, &calls[0], &attach);
	assert_true(device_faults(&f, 3, 0x1000, 1, VIOMMU_FAULT_R_MAPPING));
	end(&f, 3, token);
	assert_done(&f, &calls[0], VIOMMU_S_OK);
	device_teardown(&f);
}

/* The store that clears the bypass has no completion that the driver sees: the next ATTACH is it. */
static void test_pending__attach_after_bypass_was_cleared__waits(void **state)
{
	struct viommu_wire_request attach = device_attach_request(5, DEVICE_EP3, 0);
	struct viommu_access_token token;
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.config.bypass = 1;
	prepare(&f, &options);
	token = begin(&f, 3);
	device_set_bypass(&f, 0);
	assert_pending(&f, &calls[0], &attach);
	end(&f, 3, token);
	assert_done(&f, &calls[0], VIOMMU_S_OK);
	device_teardown(&f);
}

/* A driver that did not hear the answer to its moving ATTACH and sends it again must not be told that it is over. */
static void test_pending__repeated_moving_attach__waits_as_well(void **state)
{
	struct viommu_wire_request attach = device_attach_request(2, DEVICE_EP0, 0);
	struct viommu_access_token token;
	struct device_fixture f;
	int status;

	(void)state;
	prepare(&f, NULL);
	token = begin(&f, 0);
	assert_pending(&f, &calls[0], &attach);
	assert_pending(&f, &calls[1], &attach);
	end(&f, 0, token);
	for (unsigned i = 0; i < 2; i++) {
		assert_ptr_equal(device_next_done(&f, &status), &calls[i]);
		assert_int_equal(status, VIOMMU_S_OK);
		device_call_free(&calls[i]);
	}
	device_teardown(&f);
}

/* Once its own sections have ended there is nothing to wait for, whatever else is on the move. */
static void test_pending__repeated_moving_attach_after_the_end__does_not_wait(void **state)
{
	struct viommu_wire_request attach0 = device_attach_request(2, DEVICE_EP0, 0);
	struct viommu_wire_request attach1 = device_attach_request(2, DEVICE_EP1, 0);
	struct viommu_access_token token0, token1;
	struct device_fixture f;
	int status;

	(void)state;
	prepare(&f, NULL);
	token1 = begin(&f, 1);
	assert_pending(&f, &calls[1], &attach1);
	token0 = begin(&f, 0);
	assert_pending(&f, &calls[0], &attach0);
	end(&f, 0, token0);
	assert_int_equal(device_attach(&f, 2, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_none_done(&f, &calls[1]);
	end(&f, 1, token1);
	for (unsigned i = 0; i < 2; i++) {
		struct device_call *call = device_next_done(&f, &status);

		assert_non_null(call);
		assert_int_equal(status, VIOMMU_S_OK);
		device_call_free(call);
	}
	device_teardown(&f);
}

/* A token that is ended twice must not leave a count that never comes back. */
static void test_section__ended_twice__ignored(void **state)
{
	struct viommu_access_token token;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
	viommu_access_end(&f.accesses[0], token);
	viommu_access_end(&f.accesses[0], token);
	assert_int_equal(device_unmap(&f, 1, 0x1000, 0x1fff), VIOMMU_S_OK);
	device_teardown(&f);
}

/* A revocation moves new sections to the context's other count: whichever it is, an open section is one. */
static void test_section__begun_after_a_revocation__is_open(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token before, after;
	struct viommu_translation t;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	before = begin(&f, 0);
	assert_pending(&f, &calls[0], &unmap);
	after = begin(&f, 0);
	end(&f, 0, before);
	assert_done(&f, &calls[0], VIOMMU_S_OK);
	assert_int_equal(viommu_access_translate(&f.accesses[0], 0x2000, 1, RW, &t), VIOMMU_OK);
	assert_int_equal(viommu_access_deinit(&f.accesses[0]), VIOMMU_E_STATE);
	end(&f, 0, after);
	assert_int_equal(viommu_access_translate(&f.accesses[0], 0x2000, 1, RW, &t), VIOMMU_E_STATE);
	assert_int_equal(viommu_access_deinit(&f.accesses[0]), VIOMMU_OK);
	device_teardown(&f);
}

static void test_section__as_many_as_can_be_counted__full(void **state)
{
	struct viommu_access_token token, refused = { 77 };
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	f.accesses[0].open[0] = UINT32_MAX - 3; /* too many to open one by one */
	token = begin(&f, 0);
	assert_int_equal(viommu_access_begin(&f.accesses[0], &refused), VIOMMU_E_FULL);
	assert_int_equal(refused.phase, 77);
	assert_true(f.accesses[0].open[0] == UINT32_MAX - 1);
	end(&f, 0, token);
	end(&f, 0, begin(&f, 0));
	device_teardown(&f);
}

/* A section that began in domain 1 still counts for domain 1 after the endpoint has left it. */
static void test_pending__endpoint_left_with_open_section__still_counts_for_the_old_domain(void **state)
{
	struct viommu_wire_request detach = device_detach_request(1, DEVICE_EP0);
	struct viommu_wire_request move = device_attach_request(2, DEVICE_EP0, 0);
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token token;
	struct device_fixture f;
	unsigned moving;
	int status;

	(void)state;
	for (moving = 0; moving < 2; moving++) {
		prepare(&f, NULL);
		token = begin(&f, 0);
		assert_pending(&f, &calls[0], moving ? &move : &detach);
		assert_pending(&f, &calls[1], &unmap);
		end(&f, 0, token);
		assert_non_null(device_next_done(&f, &status));
		assert_int_equal(status, VIOMMU_S_OK);
		assert_non_null(device_next_done(&f, &status));
		assert_int_equal(status, VIOMMU_S_OK);
		assert_null(device_next_done(&f, &status));
		device_call_free(&calls[0]);
		device_call_free(&calls[1]);
		device_teardown(&f);
	}
}

/* There and back again, through two other domains. */
static void test_pending__endpoint_moves_several_times__old_section_counts_everywhere(void **state)
{
	struct viommu_wire_request moves[] = {
		device_attach_request(3, DEVICE_EP0, 0),
		device_attach_request(4, DEVICE_EP0, 0),
		device_attach_request(1, DEVICE_EP0, 0),
	};
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token token;
	struct device_fixture f;
	unsigned i;
	int status;

	(void)state;
	prepare(&f, NULL);
	token = begin(&f, 0);
	for (i = 0; i < 3; i++)
		assert_pending(&f, &calls[i], &moves[i]);
	assert_pending(&f, &calls[3], &unmap);
	end(&f, 0, token);
	for (i = 0; i < 4; i++) {
		assert_non_null(device_next_done(&f, &status));
		assert_int_equal(status, VIOMMU_S_OK);
	}
	assert_null(device_next_done(&f, &status));
	for (i = 0; i < 4; i++)
		device_call_free(&calls[i]);
	device_teardown(&f);
}

/*
 * An endpoint with a section that never ends leaves its domain, in whichever way: nobody waits for it who has had
 * nothing to do with that domain.
 */
static void test_pending__endpoint_left_another_domain__does_not_delay(void **state)
{
	struct viommu_wire_request leaves[] = {
		device_detach_request(2, DEVICE_EP2),
		device_attach_request(1, DEVICE_EP2, 0),
		device_attach_request(5, DEVICE_EP2, VIOMMU_ATTACH_F_BYPASS),
	};
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token stuck, token;
	struct device_fixture f;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		prepare(&f, NULL);
		stuck = begin(&f, 2);
		token = begin(&f, 0);
		assert_pending(&f, &calls[1], &unmap);
		assert_pending(&f, &calls[0], &leaves[i]);
		end(&f, 0, token);
		assert_done(&f, &calls[1], VIOMMU_S_OK); /* from before */
		assert_int_equal(device_attach(&f, 3, DEVICE_EP3, 0), VIOMMU_S_OK);
		if (i != 1) /* in domain 1 its sections count, whenever they began */
			assert_int_equal(device_unmap(&f, 1, 0x2000, 0x2fff), VIOMMU_S_OK);
		assert_int_equal(device_unmap(&f, 3, 0, UINT64_MAX), VIOMMU_S_OK);
		assert_int_equal(device_attach(&f, 3, DEVICE_EP1, 0), VIOMMU_S_OK);
		assert_int_equal(device_detach(&f, 1, DEVICE_EP0), VIOMMU_S_OK);
		assert_none_done(&f, &calls[0]);
		assert_true(viommu_device_check(&f.dev));
		end(&f, 2, stuck);
		assert_done(&f, &calls[0], VIOMMU_S_OK);
		device_teardown(&f);
	}
}

/* What had the bypass has seen no domain. */
static void test_pending__endpoint_lost_the_bypass__does_not_delay(void **state)
{
	struct viommu_wire_request attach = device_attach_request(3, DEVICE_EP3, 0);
	struct viommu_access_token stuck;
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.config.bypass = 1;
	for (unsigned i = 0; i < 2; i++) {
		prepare(&f, &options);
		stuck = begin(&f, 3);
		if (i == 0)
			device_set_bypass(&f, 0);
		else
			assert_pending(&f, &calls[0], &attach);
		assert_int_equal(device_unmap(&f, 1, 0x1000, 0x1fff), VIOMMU_S_OK);
		assert_int_equal(device_detach(&f, 1, DEVICE_EP0), VIOMMU_S_OK);
		assert_int_equal(device_detach(&f, 2, DEVICE_EP2), VIOMMU_S_OK);
		end(&f, 3, stuck);
		if (i != 0)
			assert_done(&f, &calls[0], VIOMMU_S_OK);
		assert_true(viommu_device_is_settled(&f.dev));
		device_teardown(&f);
	}
}

/* The same domain twice is one domain, also with the bypass between. */
static void test_pending__endpoint_left_the_same_domain_twice__does_not_delay_others(void **state)
{
	struct viommu_wire_request requests[] = {
		device_detach_request(1, DEVICE_EP0),
		device_attach_request(1, DEVICE_EP0, 0),
		device_detach_request(1, DEVICE_EP0),
	};
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token stuck;
	struct device_options options;
	struct device_fixture f;
	int status;

	(void)state;
	device_options_init(&options);
	for (options.config.bypass = 0; options.config.bypass < 2; options.config.bypass++) {
		prepare(&f, &options);
		stuck = begin(&f, 0);
		for (unsigned i = 0; i < 3; i++)
			assert_pending(&f, &calls[i], &requests[i]);
		assert_pending(&f, &calls[3], &unmap);
		assert_int_equal(device_detach(&f, 2, DEVICE_EP2), VIOMMU_S_OK);
		assert_int_equal(device_attach(&f, 2, DEVICE_EP2, 0), VIOMMU_S_OK);
		assert_int_equal(device_unmap(&f, 2, 0, UINT64_MAX), VIOMMU_S_OK);
		end(&f, 0, stuck);
		for (unsigned i = 0; i < 4; i++) {
			assert_ptr_equal(device_next_done(&f, &status), &calls[i]);
			device_call_free(&calls[i]);
		}
		device_teardown(&f);
	}
}

/* Two domains: whichever it may have been, it counts; but not where nobody has left since it got stuck. */
static void test_pending__endpoint_left_two_domains__counts_for_those_that_were_left(void **state)
{
	struct viommu_wire_request moves[] = {
		device_attach_request(3, DEVICE_EP0, 0), device_attach_request(4, DEVICE_EP0, 0),
		device_attach_request(4, DEVICE_EP0, 0), /* it is there already */
	};
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_wire_request unmap3 = device_unmap_request(3, 0x1000, 0x1fff);
	struct viommu_wire_request leave = device_detach_request(1, DEVICE_EP1);
	struct viommu_access_token stuck, token;
	struct device_fixture f;
	int status;

	(void)state;
	prepare(&f, NULL);
	assert_int_equal(device_attach(&f, 3, DEVICE_EP3, 0), VIOMMU_S_OK);
	stuck = begin(&f, 0);
	token = begin(&f, 1);
	for (unsigned i = 0; i < 2; i++)
		assert_pending(&f, &calls[i], &moves[i]);
	assert_true(viommu_device_check(&f.dev));
	assert_pending(&f, &calls[2], &leave);
	end(&f, 1, token);
	assert_none_done(&f, &calls[2]); /* which was the end of domain 1, where the other one has been */
	assert_pending(&f, &calls[3], &moves[2]);
	assert_int_equal(device_unmap(&f, 2, 0x1000, 0x1fff), VIOMMU_S_OK);
	assert_pending(&f, &calls[4], &unmap3);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_int_equal(device_request(&f, &unmap), VIOMMU_S_OK); /* this one is new */
	end(&f, 0, stuck);
	for (unsigned i = 0; i < 5; i++) {
		assert_ptr_equal(device_next_done(&f, &status), &calls[i]);
		assert_int_equal(status, VIOMMU_S_OK);
		device_call_free(&calls[i]);
	}
	device_teardown(&f);
}

/* The last endpoint to go waits for those that left before it: their sections can still read what it took along. */
static void test_pending__last_endpoint_leaves__waits_for_those_that_left_before(void **state)
{
	struct viommu_wire_request first = device_detach_request(1, DEVICE_EP0);
	struct viommu_wire_request last = device_detach_request(1, DEVICE_EP1);
	struct viommu_access_token token;
	struct device_fixture f;
	int status;

	(void)state;
	prepare(&f, NULL);
	token = begin(&f, 0);
	assert_pending(&f, &calls[0], &first);
	assert_pending(&f, &calls[1], &last); /* its mappings can still be read */
	end(&f, 0, token);
	for (unsigned i = 0; i < 2; i++) {
		assert_ptr_equal(device_next_done(&f, &status), &calls[i]);
		device_call_free(&calls[i]);
	}
	device_teardown(&f);
}

/* Two that left after an UNMAP: of each of them what began before that has to end, and nothing else. */
static void test_pending__two_endpoints_left__old_sections_of_both_count(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_wire_request leaves[] = {
		device_detach_request(1, DEVICE_EP0),
		device_detach_request(1, DEVICE_EP1),
	};
	struct viommu_access_token old0, old1, new0;
	struct device_fixture f;
	int status;

	(void)state;
	prepare(&f, NULL);
	old0 = begin(&f, 0);
	old1 = begin(&f, 1);
	assert_pending(&f, &calls[0], &unmap);
	new0 = begin(&f, 0);
	assert_pending(&f, &calls[1], &leaves[0]);
	assert_pending(&f, &calls[2], &leaves[1]);
	end(&f, 0, old0);
	assert_none_done(&f, &calls[0]);
	end(&f, 1, old1);
	assert_done(&f, &calls[0], VIOMMU_S_OK);
	assert_none_done(&f, &calls[2]); /* the end of the domain, where the other one still has a section */
	end(&f, 0, new0);
	for (unsigned i = 1; i < 3; i++) {
		assert_ptr_equal(device_next_done(&f, &status), &calls[i]);
		device_call_free(&calls[i]);
	}
	device_teardown(&f);
}

/* The domain that a request waits for is gone, and another one has its slot: that one's endpoints are none of its. */
static void test_pending__domain_died_and_slot_used_again__does_not_wait_for_new_members(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_wire_request detach = device_detach_request(1, DEVICE_EP0);
	struct viommu_access_token token, stuck;
	struct device_options options;
	struct viommu_domain *slot;
	struct device_fixture f;
	int status;

	(void)state;
	device_options_init(&options);
	options.config.max_domains = 1;
	device_setup(&f, &options);
	stuck = begin(&f, 1);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	slot = f.endpoints[0]->domain;
	token = begin(&f, 0);
	assert_pending(&f, &calls[0], &unmap);
	assert_pending(&f, &calls[1], &detach);
	end(&f, 0, token);
	/* Before anybody asks what is done. */
	assert_int_equal(device_attach(&f, 5, DEVICE_EP2, 0), VIOMMU_S_OK);
	assert_int_equal(device_detach(&f, 5, DEVICE_EP2), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 6, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_ptr_equal(f.endpoints[1]->domain, slot);
	for (unsigned i = 0; i < 2; i++) {
		assert_ptr_equal(device_next_done(&f, &status), &calls[i]);
		device_call_free(&calls[i]);
	}
	end(&f, 1, stuck);
	device_teardown(&f);
}

/* A context that is made late knows nothing of revocations before it, and is not held against them either. */
static void test_pending__context_made_after_a_move__does_not_delay_others(void **state)
{
	struct viommu_access_token token;
	struct viommu_access late;
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	assert_int_equal(device_detach(&f, 1, DEVICE_EP0), VIOMMU_S_OK);
	assert_int_equal(device_attach(&f, 3, DEVICE_EP0, 0), VIOMMU_S_OK);
	viommu_access_init(&late, &f.dev, f.endpoints[0]);
	assert_int_equal(viommu_access_begin(&late, &token), VIOMMU_OK);
	assert_int_equal(device_unmap(&f, 2, 0x1000, 0x1fff), VIOMMU_S_OK);
	assert_int_equal(device_unmap(&f, 1, 0x1000, 0x1fff), VIOMMU_S_OK);
	viommu_access_end(&late, token);
	device_teardown(&f);
}

static void test_pending__repeated_unmap__waits_as_well(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token token;
	struct device_fixture f;
	int status;

	(void)state;
	prepare(&f, NULL);
	token = begin(&f, 0);
	assert_pending(&f, &calls[0], &unmap);
	/* There is nothing left to remove, but an OK says that the memory is the driver's again, and it is not yet. */
	assert_pending(&f, &calls[1], &unmap);
	end(&f, 0, token);
	assert_ptr_equal(device_next_done(&f, &status), &calls[0]);
	assert_ptr_equal(device_next_done(&f, &status), &calls[1]);
	assert_int_equal(status, VIOMMU_S_OK);
	device_call_free(&calls[0]);
	device_call_free(&calls[1]);
	device_teardown(&f);
}

static void test_pending__max_pending__busy(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_wire_request map = device_map_request(2, 0x8000, 0x8fff, 0, RW);
	struct viommu_access_token token;
	struct device_options options;
	struct device_fixture f;
	struct viommu_request refused;
	unsigned i;
	int status;

	(void)state;
	device_options_init(&options);
	options.config.max_pending = 3;
	prepare(&f, &options);
	token = begin(&f, 0);
	for (i = 0; i < 3; i++) {
		assert_false(viommu_device_is_busy(&f.dev));
		assert_int_equal(device_start(&f, &calls[i], &unmap), DEVICE_PENDING);
	}
	assert_true(viommu_device_is_busy(&f.dev));
	device_call_build(&calls[3], &f, &map, 0);
	memset(&refused, 0, sizeof(refused));
	refused.readable = calls[3].readable;
	refused.readable_count = calls[3].readable_count;
	refused.writable = calls[3].writable;
	refused.writable_count = calls[3].writable_count;
	assert_int_equal(viommu_device_submit(&f.dev, &refused), VIOMMU_E_BUSY);
	assert_int_equal(refused.state, VIOMMU_REQUEST_IDLE);
	device_call_assert_unwritten(&calls[3]);
	assert_true(device_faults(&f, 2, 0x8000, 1, VIOMMU_FAULT_R_MAPPING)); /* nothing happened */
	assert_true(viommu_device_is_busy(&f.dev));
	end(&f, 0, token);
	for (i = 0; i < 3; i++)
		assert_ptr_equal(device_next_done(&f, &status), &calls[i]);
	assert_false(viommu_device_is_busy(&f.dev));
	assert_int_equal(device_call_submit(&f, &calls[3]), VIOMMU_S_OK);
	for (i = 0; i < 4; i++)
		device_call_free(&calls[i]);
	device_teardown(&f);
}

static void test_pending__default_max_pending__sixteen(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token token;
	struct device_fixture f;
	unsigned i;
	int status;

	(void)state;
	prepare(&f, NULL);
	token = begin(&f, 0);
	for (i = 0; i < 16; i++) {
		assert_false(viommu_device_is_busy(&f.dev));
		assert_int_equal(device_start(&f, &calls[i], &unmap), DEVICE_PENDING);
	}
	assert_true(viommu_device_is_busy(&f.dev));
	end(&f, 0, token);
	while (device_next_done(&f, &status) != NULL)
		;
	for (i = 0; i < 16; i++)
		device_call_free(&calls[i]);
	device_teardown(&f);
}

/* A node that a waiting UNMAP cut out may still be in use by a reader: it must not become part of another map. */
static void test_pending__map_nodes_of_a_waiting_unmap__not_reused(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0, UINT64_MAX);
	struct viommu_wire_request detach = device_detach_request(1, DEVICE_EP0);
	struct viommu_access_token token;
	struct device_options options;
	struct device_fixture f;
	uint64_t i, n;
	unsigned detaching;

	(void)state;
	device_options_init(&options);
	options.nodes = 8;
	for (detaching = 0; detaching < 2; detaching++) {
		device_setup(&f, &options);
		assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
		assert_int_equal(device_attach(&f, 2, DEVICE_EP1, 0), VIOMMU_S_OK);
		for (n = 0; device_map(&f, 1, n << 40, (n << 40) + 0xfff, 0, RW) == VIOMMU_S_OK; n++)
			assert_true(n < 100);
		token = begin(&f, 0);
		assert_pending(&f, &calls[0], detaching ? &detach : &unmap);
		assert_int_equal(viommu_device_process(&f.dev, 100), 0);
		for (i = 0; i < 3; i++)
			assert_int_equal(device_map(&f, 2, i << 40, (i << 40) + 0xfff, 0, RW), VIOMMU_S_NOMEM);
		end(&f, 0, token);
		assert_done(&f, &calls[0], VIOMMU_S_OK);
		for (i = 0; i < n; i++)
			assert_int_equal(device_map(&f, 2, i << 40, (i << 40) + 0xfff, 0, RW), VIOMMU_S_OK);
		device_teardown(&f);
	}
}

static void test_blocker__sections_that_hold_things_up__oldest_is_named(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token first, second, other;
	struct viommu_access another;
	struct device_fixture f;
	uint64_t since = 77, later;

	(void)state;
	prepare(&f, NULL);
	viommu_access_init(&another, &f.dev, f.endpoints[0]);
	assert_null(viommu_device_get_blocker(&f.dev, &since));
	first = begin(&f, 0);
	assert_null(viommu_device_get_blocker(&f.dev, &since)); /* open, and nobody waits */
	assert_int_equal(since, 77);
	assert_pending(&f, &calls[0], &unmap);
	assert_ptr_equal(viommu_device_get_blocker(&f.dev, &since), &f.accesses[0]);
	assert_int_equal(since, f.dev.epoch);
	second = begin(&f, 1);
	assert_pending(&f, &calls[1], &unmap);
	assert_ptr_equal(viommu_device_get_blocker(&f.dev, &later), &f.accesses[0]); /* is older */
	assert_int_equal(later, since);
	/* One of another domain, too, which is looked at first. */
	assert_int_equal(device_unmap(&f, 2, 0x4000, 0x4fff), VIOMMU_S_OK);
	other = begin(&f, 2);
	unmap = device_unmap_request(2, 0x1000, 0x1fff);
	assert_pending(&f, &calls[2], &unmap);
	assert_ptr_equal(viommu_device_get_blocker(&f.dev, &since), &f.accesses[0]);
	end(&f, 2, other);
	assert_done(&f, &calls[2], VIOMMU_S_OK);
	end(&f, 0, first);
	assert_done(&f, &calls[0], VIOMMU_S_OK);
	assert_ptr_equal(viommu_device_get_blocker(&f.dev, &since), &f.accesses[1]);
	assert_int_equal(since, later + 1);
	assert_int_equal(device_unmap(&f, 3, 0, 0xfff), VIOMMU_S_NOENT);
	assert_int_equal(device_attach(&f, 3, DEVICE_EP3, 0), VIOMMU_S_OK);
	for (uint32_t i = 0; i < 10; i++) /* whoever else goes on */
		assert_int_equal(device_unmap(&f, 3, 0, 0xfff), VIOMMU_S_OK);
	assert_ptr_equal(viommu_device_get_blocker(&f.dev, &later), &f.accesses[1]);
	assert_int_equal(later, since);
	end(&f, 1, second);
	assert_null(viommu_device_get_blocker(&f.dev, &since));
	assert_done(&f, &calls[1], VIOMMU_S_OK);
	device_teardown(&f);
}

/* A context that nobody has asked for long is not to blame for that. */
static void test_blocker__context_was_idle__not_the_oldest(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_wire_request unmap2 = device_unmap_request(2, 0x1000, 0x1fff);
	struct viommu_access_token stuck, token;
	struct device_fixture f;
	uint64_t since, later;

	(void)state;
	prepare(&f, NULL);
	for (unsigned i = 0; i < 10; i++) /* which the contexts of domain 1 hear nothing of */
		assert_int_equal(device_unmap(&f, 2, 0x4000, 0x4fff), VIOMMU_S_OK);
	stuck = begin(&f, 2);
	assert_pending(&f, &calls[0], &unmap2);
	assert_ptr_equal(viommu_device_get_blocker(&f.dev, &since), &f.accesses[2]);
	token = begin(&f, 0);
	assert_pending(&f, &calls[1], &unmap);
	assert_ptr_equal(viommu_device_get_blocker(&f.dev, &later), &f.accesses[2]);
	assert_int_equal(later, since);
	end(&f, 0, token);
	assert_done(&f, &calls[1], VIOMMU_S_OK);
	end(&f, 2, stuck);
	assert_done(&f, &calls[0], VIOMMU_S_OK);
	device_teardown(&f);
}

/* Whoever asks finds it busy each time, but never with the same section. */
static void test_blocker__sections_come_and_go__another_time_each(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token older, newer;
	struct device_fixture f;
	uint64_t since, before = 0;
	int status;

	(void)state;
	prepare(&f, NULL);
	older = begin(&f, 0);
	assert_pending(&f, &calls[0], &unmap);
	for (unsigned i = 0; i < 10; i++) {
		assert_ptr_equal(viommu_device_get_blocker(&f.dev, &since), &f.accesses[0]);
		assert_true(since > before);
		before = since;
		newer = begin(&f, 0);
		assert_pending(&f, &calls[(i + 1) % 2], &unmap);
		end(&f, 0, older);
		assert_ptr_equal(device_next_done(&f, &status), &calls[i % 2]);
		device_call_free(&calls[i % 2]);
		assert_null(viommu_device_next_done(&f.dev));
		older = newer;
	}
	end(&f, 0, older);
	assert_done(&f, &calls[0], VIOMMU_S_OK);
	device_teardown(&f);
}

/* Nobody waits any more: sections end without a word, whichever count they are in. */
static void test_blocker__only_new_sections__none(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token old, first, second;
	struct device_fixture f;
	uint64_t since;
	uint32_t wakes;

	(void)state;
	prepare(&f, NULL);
	old = begin(&f, 0);
	assert_pending(&f, &calls[0], &unmap);
	end(&f, 0, old);
	wakes = f.wakes;
	assert_null(viommu_device_get_blocker(&f.dev, &since)); /* it was the last one */
	first = begin(&f, 0);
	assert_done(&f, &calls[0], VIOMMU_S_OK);
	end(&f, 0, first);
	assert_int_equal(device_unmap(&f, 1, 0, 0xfff), VIOMMU_S_OK); /* the counts change places */
	second = begin(&f, 0);
	assert_null(viommu_device_get_blocker(&f.dev, &since));
	end(&f, 0, second);
	assert_int_equal(f.wakes, wakes);
	device_teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pending__unmap_with_open_section__done_when_it_ends),
		cmocka_unit_test(test_pending__tail_in_four_pieces__written_at_the_end),
		cmocka_unit_test(test_pending__replies_forgotten__waits_and_is_not_written),
		cmocka_unit_test(test_pending__no_open_section__nothing_waits),
		cmocka_unit_test(test_pending__requests_that_only_give__done_at_once),
		cmocka_unit_test(test_pending__refused_requests__answered_at_once),
		cmocka_unit_test(test_pending__section_of_another_domain__does_not_delay),
		cmocka_unit_test(test_pending__several_sections__the_last_one_counts),
		cmocka_unit_test(test_pending__sections_that_begin_later__do_not_delay),
		cmocka_unit_test(test_pending__two_requests__each_for_its_own_sections),
		cmocka_unit_test(test_pending__overlapping_sections_for_ever__no_starvation),
		cmocka_unit_test(test_pending__long_lived_section__outlives_many_revocations),
		cmocka_unit_test(test_pending__detach_with_open_section__waits),
		cmocka_unit_test(test_pending__move_with_open_section__waits),
		cmocka_unit_test(test_pending__attach_out_of_bypass__waits),
		cmocka_unit_test(test_pending__attach_after_bypass_was_cleared__waits),
		cmocka_unit_test(test_pending__repeated_moving_attach__waits_as_well),
		cmocka_unit_test(test_pending__repeated_moving_attach_after_the_end__does_not_wait),
		cmocka_unit_test(test_section__ended_twice__ignored),
		cmocka_unit_test(test_section__begun_after_a_revocation__is_open),
		cmocka_unit_test(test_blocker__sections_that_hold_things_up__oldest_is_named),
		cmocka_unit_test(test_blocker__context_was_idle__not_the_oldest),
		cmocka_unit_test(test_blocker__sections_come_and_go__another_time_each),
		cmocka_unit_test(test_blocker__only_new_sections__none),
		cmocka_unit_test(test_section__as_many_as_can_be_counted__full),
		cmocka_unit_test(test_pending__endpoint_left_with_open_section__still_counts_for_the_old_domain),
		cmocka_unit_test(test_pending__endpoint_moves_several_times__old_section_counts_everywhere),
		cmocka_unit_test(test_pending__endpoint_left_another_domain__does_not_delay),
		cmocka_unit_test(test_pending__endpoint_lost_the_bypass__does_not_delay),
		cmocka_unit_test(test_pending__endpoint_left_the_same_domain_twice__does_not_delay_others),
		cmocka_unit_test(test_pending__endpoint_left_two_domains__counts_for_those_that_were_left),
		cmocka_unit_test(test_pending__two_endpoints_left__old_sections_of_both_count),
		cmocka_unit_test(test_pending__last_endpoint_leaves__waits_for_those_that_left_before),
		cmocka_unit_test(test_pending__domain_died_and_slot_used_again__does_not_wait_for_new_members),
		cmocka_unit_test(test_pending__context_made_after_a_move__does_not_delay_others),
		cmocka_unit_test(test_pending__repeated_unmap__waits_as_well),
		cmocka_unit_test(test_pending__max_pending__busy),
		cmocka_unit_test(test_pending__default_max_pending__sixteen),
		cmocka_unit_test(test_pending__map_nodes_of_a_waiting_unmap__not_reused),
	};

	return suite_run(tests);
}
