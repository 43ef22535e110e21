/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_access_races.c: a data thread and the owner of a device, one step at a time. The library is built over accessors
 * of the test (sim/env/port.h): before each access of what both of them use the other one may go on. Here memory is
 * strong; proofs/spin has weak memory, and tests/test_access_threads.c has threads.
 */
#include "device_sections.h"
#include "suite.h"

#include "sim/env/env.h"
#include "sim/env/port.h"

#define PAGE UINT64_C(0x1000)
#define SECRET UINT64_C(0x666000)

/* More than any revocation of these has: each slot of four caches is shut and opened. */
#define OWNER_STEPS (100 + 4 * 2 * VIOMMU_ACCESS_CACHE_SLOTS)

static struct device_fixture f;
static struct device_call calls[4];
static unsigned pending; /* of these, from 0 on */

/* Somebody does something before the at-th access of something else, from 1 */

static struct {
	unsigned accesses;
	unsigned at;
	void (*other)(void);
} between;

static void step(void)
{
	if (++between.accesses == between.at) {
		between.at = 0;
		sim_env_own_step = NULL;
		between.other();
		sim_env_own_step = step;
	}
}

static void arm(unsigned at, void (*other)(void))
{
	between.accesses = 0;
	between.at = at;
	between.other = other;
	sim_env_own_step = step;
}

/* Returns whether there were as many accesses, and so it was done. */
static bool disarm(void)
{
	sim_env_own_step = NULL;
	return between.at == 0;
}

/* The owner */

static void submit(struct viommu_wire_request request)
{
	if (device_start(&f, &calls[pending], &request) == DEVICE_PENDING)
		pending++;
	else
		device_call_free(&calls[pending]);
}

static void collect(void)
{
	int status;

	for (; pending > 0; pending--) {
		struct device_call *call = device_next_done(&f, &status);

		assert_non_null(call);
		device_call_free(call);
	}
	assert_null(viommu_device_next_done(&f.dev));
}

static void unmap(void)
{
	submit(device_unmap_request(1, PAGE, 2 * PAGE - 1));
}

static void detach(void)
{
	submit(device_detach_request(1, DEVICE_EP0));
}

/* To a domain that has another page there. */
static void move(void)
{
	submit(device_attach_request(2, DEVICE_EP0, 0));
}

static void reset(void)
{
	viommu_device_reset(&f.dev);
}

static void change_memory(void)
{
	viommu_device_memory_changed(&f.dev);
}

/* What takes the page at PAGE away from endpoint 0; and again, from one that remembers it. */
static void (*const revocations[])(void) = { unmap, detach, move, reset, unmap, detach, move, reset };

#define REVOCATIONS (sizeof revocations / sizeof revocations[0])

/* Nothing that was taken away is still to be waited for. */
static bool is_settled(void)
{
	return pending == 0 && viommu_device_is_settled(&f.dev);
}

/* A reset took what is below for granted: whoever came back from next_done was cancelled. */
static void clean_up(void)
{
	int status;
	struct device_call *call;

	sim_env_own_step = NULL;
	device_end_sections(&f);
	while ((call = device_next_done(&f, &status)) != NULL)
		device_call_free(call);
	pending = 0;
	device_teardown(&f);
}

/* Endpoints 0 and 1 in domain 1, endpoint 2 in domain 2. What each page leads to is different. */
static void set_up(void)
{
	pending = 0;
	prepare(&f, NULL);
}

static struct viommu_access_token token;

static enum viommu_result translate(struct viommu_translation *t)
{
	return viommu_access_translate(&f.accesses[0], PAGE, 1, VIOMMU_ACCESS_READ, t);
}

static void set_up_for(size_t revocation)
{
	struct viommu_translation t;

	set_up();
	if (revocation < REVOCATIONS / 2)
		return;
	token = begin(&f, 0);
	assert_int_equal(translate(&t), VIOMMU_OK);
	assert_true(t.gpa == 0xa000);
	end(&f, 0, token);
}

/* For sections of now nothing is left of it, whatever sections of before have found. */
static void assert_gone(void)
{
	struct viommu_translation t;

	token = begin(&f, 0);
	if (translate(&t) == VIOMMU_OK)
		assert_true(t.gpa != 0xa000);
	end(&f, 0, token);
}

/* The owner in the middle of the data thread */

static void test_begin__owner_revokes_meanwhile__waits_or_is_not_seen(void **state)
{
	(void)state;
	for (size_t i = 0; i < REVOCATIONS; i++) {
		bool ran = true;

		for (unsigned at = 1; ran; at++) {
			struct viommu_translation t;
			enum viommu_result result;
			bool settled;

			set_up_for(i);
			arm(at, revocations[i]);
			assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
			ran = disarm();
			settled = is_settled();
			result = translate(&t);
			/* Reported done: then what it took away is gone for this section too, however late it came. */
			if (ran && settled && result == VIOMMU_OK)
				assert_true(t.gpa != 0xa000);
			if (!ran)
				assert_int_equal(result, VIOMMU_OK);
			clean_up();
			assert_true(at < 10);
		}
	}
}

/* Whatever the owner does: while the section is open it is not done, and the answer is one of before or after. */
static void test_translate__owner_revokes_meanwhile__is_not_done(void **state)
{
	(void)state;
	for (size_t i = 0; i < REVOCATIONS; i++) {
		bool ran = true;

		for (unsigned at = 1; ran; at++) {
			struct viommu_translation t;
			uint32_t wakes;

			set_up_for(i);
			token = begin(&f, 0);
			arm(at, revocations[i]);
			if (translate(&t) == VIOMMU_OK)
				assert_true(t.gpa == 0xa000 || (revocations[i] == move && t.gpa == 0xc000));
			ran = disarm();
			if (ran) {
				assert_false(is_settled());
				wakes = f.wakes;
				end(&f, 0, token);
				assert_int_equal(f.wakes, wakes + 1);
				collect();
				assert_true(is_settled());
				assert_gone();
			}
			clean_up();
			assert_true(at < 20);
		}
	}
}

/* The end of the last section and the request that waits for it: neither waits for the other. */
static void test_end__owner_revokes_meanwhile__is_woken(void **state)
{
	(void)state;
	for (size_t i = 0; i < REVOCATIONS; i++) {
		bool ran = true;

		for (unsigned at = 1; ran; at++) {
			uint32_t wakes;
			bool waits;

			set_up_for(i);
			token = begin(&f, 0);
			wakes = f.wakes;
			arm(at, revocations[i]);
			end(&f, 0, token);
			ran = disarm();
			waits = pending != 0 || f.dev.settle_epoch != 0;
			assert_true(!waits || f.wakes == wakes + 1);
			collect();
			assert_true(is_settled());
			clean_up();
			assert_true(at < 10);
		}
	}
}

static void end_it(void)
{
	end(&f, 0, token);
}

/* The same, seen from the owner. */
static void test_revocation__section_ends_meanwhile__done_or_woken(void **state)
{
	(void)state;
	for (size_t i = 0; i < REVOCATIONS; i++) {
		bool ran = true;

		for (unsigned at = 1; ran; at++) {
			uint32_t wakes;
			bool waits;

			set_up_for(i);
			token = begin(&f, 0);
			wakes = f.wakes;
			arm(at, end_it);
			revocations[i]();
			ran = disarm();
			if (!ran)
				break;
			waits = pending != 0 || f.dev.settle_epoch != 0;
			assert_true(!waits || f.wakes == wakes + 1);
			collect();
			assert_true(is_settled());
			clean_up();
		}
		clean_up();
	}
}

static struct viommu_access plain; /* a second context of endpoint 0 */
static enum viommu_result seen;
static struct viommu_translation seen_there;

static void look(void)
{
	seen = translate(&seen_there);
}

static void begin_and_look(void)
{
	token = begin(&f, 0);
	seen = translate(&seen_there);
}

/* A section that begins in the middle and sees what is taken away is waited for. */
static void test_revocation__section_begins_meanwhile__waits_if_it_saw(void **state)
{
	(void)state;
	for (size_t i = 0; i < REVOCATIONS; i++) {
		bool ran = true;

		for (unsigned at = 1; ran; at++) {
			set_up_for(i);
			arm(at, begin_and_look);
			revocations[i]();
			ran = disarm();
			if (ran && seen == VIOMMU_OK && seen_there.gpa == 0xa000)
				assert_false(is_settled());
			clean_up();
			assert_true(at < OWNER_STEPS);
		}
	}
}

/* What a section finds in the middle, and remembers, is not there for those that begin when it is all over. */
static void test_revocation__looked_up_meanwhile__not_remembered(void **state)
{
	(void)state;
	for (size_t i = 0; i < REVOCATIONS; i++) {
		bool ran = true;

		for (unsigned at = 1; ran; at++) {
			set_up_for(i);
			token = begin(&f, 0);
			arm(at, look);
			revocations[i]();
			ran = disarm();
			end(&f, 0, token);
			collect();
			assert_true(is_settled());
			assert_gone();
			clean_up();
			assert_true(at < OWNER_STEPS);
		}
	}
}

static bool went; /* the second context has not found the page any more */

/*
 * From now on, before each step of the owner: one that has no memory looks, and then one that has. Who has seen the
 * change, or heard of it, does not see what was before: through whichever context.
 */
static void watch(void)
{
	struct viommu_translation t;

	if (viommu_access_translate(&plain, PAGE, 1, VIOMMU_ACCESS_READ, &t) != VIOMMU_OK || t.gpa != 0xa000)
		went = true;
	look();
	assert_true(!went || seen != VIOMMU_OK || seen_there.gpa != 0xa000);
	between.at = between.accesses + 1;
}

static void test_revocation__two_contexts_look_meanwhile__never_back_again(void **state)
{
	struct viommu_access_token other;

	(void)state;
	for (size_t i = 0; i < REVOCATIONS; i++) {
		bool ran = true;

		for (unsigned at = 1; ran; at++) {
			set_up_for(i);
			viommu_access_init(&plain, &f.dev, f.endpoints[0]);
			token = begin(&f, 0);
			assert_int_equal(viommu_access_begin(&plain, &other), VIOMMU_OK);
			went = false;
			arm(at, watch);
			revocations[i]();
			ran = between.at != at;
			(void)disarm();
			assert_true(went || at > 1);
			viommu_access_end(&plain, other);
			end(&f, 0, token);
			collect();
			assert_int_equal(viommu_access_deinit(&plain), VIOMMU_OK);
			clean_up();
			assert_true(at < OWNER_STEPS);
		}
	}
}

/* The same page again, and it leads elsewhere. */
static void unmap_and_map(void)
{
	unmap();
	submit(device_map_request(1, PAGE, 2 * PAGE - 1, 0xd000, RW));
}

/* The owner is through with both, in the middle of a lookup: what that found is not remembered. */
static void test_translate__unmapped_and_mapped_meanwhile__the_new_one_from_then_on(void **state)
{
	(void)state;
	for (unsigned warm = 0; warm < 2; warm++) {
		bool ran = true;

		for (unsigned at = 1; ran; at++) {
			struct viommu_translation t;

			set_up_for(warm * (REVOCATIONS - 1));
			token = begin(&f, 0);
			arm(at, unmap_and_map);
			(void)translate(&t);
			ran = disarm();
			if (ran) {
				assert_int_equal(translate(&t), VIOMMU_OK);
				assert_true(t.gpa == 0xd000);
				end(&f, 0, token);
				collect();
			}
			clean_up();
			assert_true(at < 20);
		}
	}
}

/* The fence of the owner */

static unsigned fences;
static uint32_t open_before[2];

/* All is taken away, and no count was looked at. */
static void at_the_fence(void)
{
	struct viommu_access_token ours = token;

	fences++;
	assert_memory_equal(f.accesses[0].open, open_before, sizeof open_before);
	assert_gone();
	token = ours;
}

static void test_revocation__fence__between_taking_away_and_looking(void **state)
{
	(void)state;
	for (size_t i = 0; i < REVOCATIONS; i++) {
		set_up_for(i);
		token = begin(&f, 0);
		memcpy(open_before, f.accesses[0].open, sizeof open_before);
		fences = 0;
		sim_env_own_fence = at_the_fence;
		revocations[i]();
		sim_env_own_fence = NULL;
		assert_int_equal(fences, 1);
		assert_memory_not_equal(f.accesses[0].open, open_before, sizeof open_before); /* it is waited for */
		end(&f, 0, token);
		clean_up();
	}
}

/* Late */

/* Two revocations, and for each of them the counts change places. */
static void revoke_twice(void)
{
	submit(device_unmap_request(1, PAGE, 2 * PAGE - 1));
	assert_int_equal(pending, 0);
	submit(device_unmap_request(1, 8 * PAGE, 9 * PAGE - 1));
	assert_int_equal(pending, 0);
}

static void revoke_once(void)
{
	unmap();
	assert_int_equal(pending, 0);
}

/*
 * The thread has looked which count to join, and sleeps. It joins the wrong one, but sees what was revoked; and what is
 * revoked from then on waits for it.
 */
static void test_begin__late__sees_the_past_and_counts_for_the_future(void **state)
{
	struct viommu_translation t;
	uint64_t since;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned at = 2; at <= 3; at++) { /* behind the load of `current`; before the count is joined */
			set_up();
			if (i % 2 != 0) /* the other count is the current one */
				submit(device_unmap_request(1, 8 * PAGE, 9 * PAGE - 1));
			arm(at, i < 2 ? revoke_once : revoke_twice);
			assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
			assert_true(disarm());
			assert_null(viommu_device_get_blocker(&f.dev, &since)); /* nobody waits for it */
			assert_int_equal(translate(&t), VIOMMU_E_FAULT);
			assert_int_equal(viommu_access_translate(&f.accesses[0], 2 * PAGE, 1, VIOMMU_ACCESS_READ, &t),
					 VIOMMU_OK);
			submit(device_unmap_request(1, 2 * PAGE, 3 * PAGE - 1));
			assert_int_equal(pending, 1);
			assert_null(viommu_device_next_done(&f.dev));
			end(&f, 0, token);
			collect();
			clean_up();
		}
	}
}

/* What must never be seen */

/* With bypass active: to move is not to be without a domain for a moment. */
static void test_translate__moves_under_bypass__never_sees_everything(void **state)
{
	bool ran = true;

	(void)state;
	for (unsigned at = 1; ran; at++) {
		struct viommu_translation t;

		set_up();
		device_set_bypass(&f, 1);
		token = begin(&f, 0);
		arm(at, move);
		if (translate(&t) == VIOMMU_OK)
			assert_true(t.gpa != PAGE);
		ran = disarm();
		clean_up();
		assert_true(at < 20);
	}
}

/* The move is to where the page is the same, or the bypass is: it is there all the time, whichever domain dies. */
static void begin_look_and_end(void)
{
	begin_and_look();
	end(&f, 0, token);
}

static void move_alike(void)
{
	submit(device_attach_request(7, DEVICE_EP0, 0));
}

static void test_move__to_the_same_mapping__never_faults(void **state)
{
	static void (*const moves[])(void) = { move_alike, detach, reset };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		bool ran = true;

		for (unsigned at = 1; ran; at++) {
			struct viommu_wire_fault fault;
			uint64_t page = i == 0 ? 0xa000 : PAGE;

			set_up();
			device_set_bypass(&f, 1);
			assert_int_equal(device_unmap(&f, 1, 0, UINT64_MAX), VIOMMU_S_OK);
			assert_int_equal(device_map(&f, 1, PAGE, 2 * PAGE - 1, page, RW), VIOMMU_S_OK);
			assert_int_equal(device_attach(&f, 7, DEVICE_EP1, 0),
					 VIOMMU_S_OK); /* who is the last one now */
			assert_int_equal(device_map(&f, 7, PAGE, 2 * PAGE - 1, page, RW), VIOMMU_S_OK);
			seen = VIOMMU_OK;
			seen_there.gpa = page;
			arm(at, begin_look_and_end);
			moves[i]();
			ran = disarm();
			assert_int_equal(seen, VIOMMU_OK);
			assert_true(seen_there.gpa == page);
			assert_int_equal(viommu_device_next_fault(&f.dev, &fault), VIOMMU_E_EMPTY);
			clean_up();
			assert_true(at < OWNER_STEPS);
		}
	}
}

/* The same between any two steps of the owner. */
static void test_move__under_bypass__never_shows_everything(void **state)
{
	bool ran = true;

	(void)state;
	for (unsigned at = 1; ran; at++) {
		set_up();
		device_set_bypass(&f, 1);
		token = begin(&f, 0);
		seen = VIOMMU_E_STATE;
		arm(at, look);
		move();
		ran = disarm();
		if (seen == VIOMMU_OK)
			assert_true(seen_there.gpa != PAGE);
		clean_up();
		assert_true(at < OWNER_STEPS);
	}
}

static void attach_then_bypass(void)
{
	submit(device_attach_request(2, DEVICE_EP3, 0));
	assert_int_equal(pending, 0); /* there was nothing to lose */
	device_set_bypass(&f, 1);
}

/* Without a domain while nothing passes, in a domain when everything does: at no time could the endpoint see all. */
static void test_translate__attached_before_bypass__never_sees_everything(void **state)
{
	bool ran = true;

	(void)state;
	for (unsigned at = 1; ran; at++) {
		struct viommu_translation t;

		set_up();
		token = begin(&f, 3);
		arm(at, attach_then_bypass);
		assert_true(viommu_access_translate(&f.accesses[3], 16 * PAGE, 1, VIOMMU_ACCESS_READ, &t) ==
			    VIOMMU_E_FAULT);
		ran = disarm();
		clean_up();
		assert_true(at < 20);
	}
}

/* Endpoint 0 leaves, and so many domains come and go that a slot would have to be used again. */
static void fill_slots(void)
{
	for (uint32_t domain = 5; domain < 9; domain++) {
		submit(device_attach_request(domain, DEVICE_EP0, 0));
		submit(device_map_request(domain, PAGE, 2 * PAGE - 1, SECRET, RW));
		submit(device_attach_request(1, DEVICE_EP0, 0));
	}
}

static void leave_and_fill_slots(void)
{
	uint32_t waits;

	submit(device_detach_request(1, DEVICE_EP3));
	waits = pending;
	fill_slots();
	pending = waits; /* the rest is endpoint 0's, which has no section */
}

static void test_translate__domain_died__its_slot_is_nobody_elses(void **state)
{
	struct device_options options;
	bool ran = true;

	(void)state;
	device_options_init(&options);
	options.config.max_domains = 1;
	for (unsigned at = 1; ran; at++) {
		struct viommu_translation t;

		pending = 0;
		device_setup(&f, &options);
		assert_int_equal(device_attach(&f, 1, DEVICE_EP3, 0), VIOMMU_S_OK);
		assert_int_equal(device_map(&f, 1, PAGE, 2 * PAGE - 1, 0xa000, RW), VIOMMU_S_OK);
		token = begin(&f, 3);
		arm(at, leave_and_fill_slots);
		if (viommu_access_translate(&f.accesses[3], PAGE, 1, VIOMMU_ACCESS_READ, &t) == VIOMMU_OK)
			assert_true(t.gpa == 0xa000);
		ran = disarm();
		clean_up();
		assert_true(at < 20);
	}
}

/* Faults */

static void fetch(void)
{
	struct viommu_wire_fault fault;

	while (viommu_device_next_fault(&f.dev, &fault) == VIOMMU_OK) {
		assert_int_equal(fault.endpoint, DEVICE_EP0);
		assert_int_equal(fault.address, 16 * PAGE + seen_there.gpa);
		seen_there.gpa++;
	}
}

/* Each report is fetched once, in order, and whole. */
static void test_fault__fetched_while_raised__in_order(void **state)
{
	bool ran = true;

	(void)state;
	for (unsigned at = 1; ran; at++) {
		struct viommu_translation t;
		uint64_t raised = 0;

		set_up();
		seen_there.gpa = 0;
		token = begin(&f, 0);
		for (unsigned round = 0; round < 3 * VIOMMU_ACCESS_FAULTS; round++) {
			arm(at, fetch);
			assert_int_equal(
				viommu_access_translate(&f.accesses[0], 16 * PAGE + raised, 1, VIOMMU_ACCESS_READ, &t),
				VIOMMU_E_FAULT);
			ran = disarm();
			if (!ran)
				break;
			raised++;
		}
		if (ran) {
			fetch();
			assert_int_equal(seen_there.gpa, raised);
			assert_int_equal(viommu_device_get_stats(&f.dev)->faults, raised);
			assert_int_equal(viommu_device_get_stats(&f.dev)->faults_lost, 0);
		}
		clean_up();
		assert_true(at < 30);
	}
}

/* The end */

static struct viommu_access *brief;

/* What another thread may do as soon as the last section has ended. */
static void leave_nothing_behind(void *ctx)
{
	(void)ctx;
	f.ops.work_pending = NULL;
	collect();
	assert_int_equal(viommu_access_deinit(brief), VIOMMU_OK);
	sim_env_free(brief);
	brief = NULL;
}

static void test_end__context_goes_at_once__is_not_touched(void **state)
{
	struct viommu_access_token last;

	(void)state;
	set_up();
	brief = sim_env_alloc(sizeof *brief);
	viommu_access_init(brief, &f.dev, f.endpoints[0]);
	assert_int_equal(viommu_access_begin(brief, &last), VIOMMU_OK);
	unmap();
	assert_int_equal(pending, 1);
	f.ops.work_pending = leave_nothing_behind;
	viommu_access_end(brief, last);
	assert_null(brief);
	clean_up();
}

/* The counts change their places for a change of memory, too, and nobody is lost. */
static void test_begin__memory_changes_meanwhile__settles_when_it_ends(void **state)
{
	bool ran = true;

	(void)state;
	for (unsigned at = 1; ran; at++) {
		bool settled;

		set_up();
		arm(at, change_memory);
		assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
		ran = disarm();
		settled = viommu_device_memory_is_settled(&f.dev);
		if (!settled) {
			uint32_t wakes = f.wakes;

			end(&f, 0, token);
			assert_int_equal(f.wakes, wakes + 1);
			assert_true(viommu_device_memory_is_settled(&f.dev));
		}
		clean_up();
		assert_true(at < 10);
	}
}

/* Guest memory, set while somebody looks into it */

static uint8_t host[4][256];

/* One generation after the other; behind their ends is what no look may come to. */
static const struct viommu_memory_region regions[3][3] = {
	{ { 0, 255, host[0], VIOMMU_ACCESS_READ },
	  { 0, 255, host[3], VIOMMU_ACCESS_READ },
	  { 0, 255, host[3], VIOMMU_ACCESS_READ } },
	{ { 0, 63, host[1], VIOMMU_ACCESS_READ },
	  { 100, 163, host[1] + 100, VIOMMU_ACCESS_READ },
	  { 200, 255, host[1] + 200, VIOMMU_ACCESS_READ } },
	{ { 0, 63, host[2], VIOMMU_ACCESS_READ },
	  { 200, 255, host[2] + 200, VIOMMU_ACCESS_READ },
	  { 200, 255, host[3] + 200, VIOMMU_ACCESS_READ } },
};
static const uint32_t region_counts[3] = { 1, 3, 2 };

static struct viommu_memory_table table;
static struct viommu_memory_view view;
static const struct viommu_memory *looked_at;
static unsigned sets; /* for each time */

static void set_once(void)
{
	unsigned next = (unsigned)((table.generation + 1) % 3);

	assert_int_equal(viommu_memory_table_set(&table, regions[next], region_counts[next]), VIOMMU_OK);
}

static void set_table(void)
{
	for (unsigned i = 0; i < sets; i++)
		set_once();
}

/* Its answer is that of a generation from `oldest` on. */
static void resolve_since(uint64_t oldest)
{
	uint8_t *p = viommu_memory_pointer(looked_at, 200, 1, VIOMMU_ACCESS_READ);
	bool known = false;

	for (uint64_t generation = oldest; generation <= table.generation; generation++)
		known = known || p == host[generation % 3] + 200;
	assert_true(known);
}

static void resolve_one_generation(void)
{
	resolve_since(table.generation);
}

static void set_up_table(unsigned generation)
{
	assert_int_equal(viommu_memory_table_init(&table, regions[0], region_counts[0]), VIOMMU_OK);
	viommu_memory_view_init(&view, &table);
	for (unsigned i = 0; i < generation; i++)
		set_once();
}

/* The answer is of before or after, and never of both; and the next one is of now. */
static void resolve_while_set(const struct viommu_memory *memory)
{
	looked_at = memory;
	for (unsigned generation = 0; generation < 4; generation++) {
		bool ran = true;

		for (unsigned at = 1; ran; at++) {
			set_up_table(generation);
			arm(at, set_table);
			resolve_since(generation);
			ran = disarm();
			resolve_since(table.generation);
			assert_true(at < 10);
		}
		ran = true;
		for (unsigned at = 1; ran; at++) {
			set_up_table(generation);
			arm(at, resolve_one_generation);
			set_once();
			ran = disarm();
			resolve_since(table.generation);
			assert_true(at < 10);
		}
	}
}

static void test_resolve__table_set_meanwhile__answer_of_one_generation(void **state)
{
	(void)state;
	for (sets = 1; sets < 5; sets++) {
		resolve_while_set(&(struct viommu_memory){ &viommu_memory_table_ops, &table });
		resolve_while_set(&(struct viommu_memory){ &viommu_memory_view_ops, &view });
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begin__owner_revokes_meanwhile__waits_or_is_not_seen),
		cmocka_unit_test(test_translate__owner_revokes_meanwhile__is_not_done),
		cmocka_unit_test(test_end__owner_revokes_meanwhile__is_woken),
		cmocka_unit_test(test_revocation__section_ends_meanwhile__done_or_woken),
		cmocka_unit_test(test_revocation__section_begins_meanwhile__waits_if_it_saw),
		cmocka_unit_test(test_revocation__looked_up_meanwhile__not_remembered),
		cmocka_unit_test(test_revocation__two_contexts_look_meanwhile__never_back_again),
		cmocka_unit_test(test_translate__unmapped_and_mapped_meanwhile__the_new_one_from_then_on),
		cmocka_unit_test(test_revocation__fence__between_taking_away_and_looking),
		cmocka_unit_test(test_begin__late__sees_the_past_and_counts_for_the_future),
		cmocka_unit_test(test_translate__moves_under_bypass__never_sees_everything),
		cmocka_unit_test(test_move__under_bypass__never_shows_everything),
		cmocka_unit_test(test_move__to_the_same_mapping__never_faults),
		cmocka_unit_test(test_translate__attached_before_bypass__never_sees_everything),
		cmocka_unit_test(test_translate__domain_died__its_slot_is_nobody_elses),
		cmocka_unit_test(test_fault__fetched_while_raised__in_order),
		cmocka_unit_test(test_end__context_goes_at_once__is_not_touched),
		cmocka_unit_test(test_begin__memory_changes_meanwhile__settles_when_it_ends),
		cmocka_unit_test(test_resolve__table_set_meanwhile__answer_of_one_generation),
	};

	return suite_run(tests);
}
