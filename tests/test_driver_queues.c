/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_driver_queues.c: seam B: a driver over queues of the embedder's own, here two arrays. Requests are handed to the
 * "device" as segments; nothing of a ring is in sight, and no register is touched.
 */
#include "driver_fixture.h"
#include "suite.h"

#include "sim/env/env.h"
#include "sim/random.h"

#define CHAINS 128u

struct entry {
	struct viommu_bus_segment segments[4];
	uint32_t readable;
	uint32_t writable;
	void *token;
};

struct own_queue {
	struct entry added[CHAINS];
	uint32_t added_count;
	uint32_t visible;
	struct {
		void *token;
		uint32_t written;
	} used[CHAINS];
	uint32_t used_first;
	uint32_t used_count;
	uint32_t capacity;
	uint32_t kicks;
	enum viommu_result add_fails;
	enum viommu_result pop_fails;
};

struct own_queues {
	struct driver_fixture *f;
	struct own_queue q[VIOMMU_QUEUE_COUNT];
	bool quiet;        /* publish asks for no kick */
	bool dead;         /* answers nothing */
	uint8_t status;    /* of the next answers */
	uint32_t written;  /* of the next answers; 0xfffffffe: right */
	bool backwards;    /* the last request is answered first */
	uint32_t requests; /* seen */
	void (*on_arm)(struct own_queues *o, uint32_t queue);
};

#define RIGHT 0xfffffffeu

static enum viommu_result own_add(void *ctx, uint32_t queue, const struct viommu_bus_segment *segments,
				  uint32_t readable, uint32_t writable, void *token)
{
	struct own_queues *o = ctx;
	struct own_queue *q = &o->q[queue];
	struct entry *e;

	if (o->f->drv.state == VIOMMU_DRIVER_RUNNING)
		assert_int_equal(o->f->depth, 1);
	assert_non_null(token);
	if (sim_env_call(SIM_ENV_QUEUE, queue, 0))
		return VIOMMU_E_BROKEN;
	if (q->add_fails != VIOMMU_OK)
		return q->add_fails;
	if (q->added_count == q->capacity)
		return VIOMMU_E_FULL;
	assert_true(readable + writable <= 4);
	/* VQ-DRV-FRAME-02. As promised: two pieces at most, one of an event. All of it in the shared memory. */
	assert_int_equal(readable, queue == VIOMMU_QUEUE_REQUEST ? 1 : 0);
	assert_int_equal(writable, 1);
	for (uint32_t i = 0; i < readable + writable; i++) {
		assert_true(segments[i].addr >= o->f->shared.addr && segments[i].len > 0);
		assert_true(segments[i].addr - o->f->shared.addr + segments[i].len <= o->f->shared.len);
	}
	e = &q->added[q->added_count++];
	*e = (struct entry){ .readable = readable, .writable = writable, .token = token };
	memcpy(e->segments, segments, (readable + writable) * sizeof segments[0]);
	/* No piece of memory is in two chains at once. */
	for (uint32_t k = 0; k < VIOMMU_QUEUE_COUNT; k++) {
		for (uint32_t i = 0; i < o->q[k].added_count; i++) {
			const struct entry *other = &o->q[k].added[i];

			for (uint32_t n = 0; other != e && n < other->readable + other->writable; n++) {
				for (uint32_t m = 0; m < readable + writable; m++)
					assert_false(viommu_range_overlaps(
						(struct viommu_range){ segments[m].addr,
								       segments[m].addr + segments[m].len - 1 },
						(struct viommu_range){ other->segments[n].addr,
								       other->segments[n].addr +
									       other->segments[n].len - 1 }));
			}
		}
	}
	return VIOMMU_OK;
}

static bool own_publish(void *ctx, uint32_t queue)
{
	struct own_queues *o = ctx;
	struct own_queue *q = &o->q[queue];
	bool any = q->visible != q->added_count;

	if (o->f->drv.state == VIOMMU_DRIVER_RUNNING && queue == VIOMMU_QUEUE_REQUEST)
		assert_int_equal(o->f->depth, 1);
	q->visible = q->added_count;
	return any && !o->quiet;
}

static void own_kick(void *ctx, uint32_t queue)
{
	struct own_queues *o = ctx;

	assert_int_equal(o->f->depth, 0);
	(void)sim_env_call(SIM_ENV_NOTIFY, queue, 0);
	o->q[queue].kicks++;
}

static enum viommu_result own_pop(void *ctx, uint32_t queue, void **token, uint32_t *written)
{
	struct own_queues *o = ctx;
	struct own_queue *q = &o->q[queue];

	assert_int_equal(o->f->depth, 1);
	if (sim_env_call(SIM_ENV_QUEUE, queue, 1))
		return VIOMMU_E_BROKEN;
	if (q->pop_fails != VIOMMU_OK)
		return q->pop_fails;
	if (q->used_count == 0)
		return VIOMMU_E_EMPTY;
	*token = q->used[q->used_first % CHAINS].token;
	*written = q->used[q->used_first % CHAINS].written;
	q->used_first++;
	q->used_count--;
	return VIOMMU_OK;
}

static const struct viommu_queue_ops own_ops = {
	.size = sizeof own_ops,
	.add = own_add,
	.publish = own_publish,
	.kick = own_kick,
	.pop = own_pop,
};

/* A queue that can be armed. What completes at that very moment is noticed. */
static bool own_arm(void *ctx, uint32_t queue)
{
	struct own_queues *o = ctx;

	assert_int_equal(o->f->depth, 1);
	if (o->on_arm != NULL)
		o->on_arm(o, queue);
	return o->q[queue].used_count > 0;
}

static const struct viommu_queue_ops arming_ops = {
	.size = sizeof arming_ops,
	.add = own_add,
	.publish = own_publish,
	.kick = own_kick,
	.pop = own_pop,
	.arm = own_arm,
};

static uint8_t *host(struct own_queues *o, uint64_t addr)
{
	return (uint8_t *)o->f->shared.base + (addr - o->f->shared.addr);
}

static void use(struct own_queue *q, void *token, uint32_t written)
{
	assert_true(q->used_count < CHAINS);
	q->used[(q->used_first + q->used_count) % CHAINS].token = token;
	q->used[(q->used_first + q->used_count) % CHAINS].written = written;
	q->used_count++;
}

/* Answers all visible requests. */
static void serve(struct own_queues *o)
{
	struct own_queue *q = &o->q[VIOMMU_QUEUE_REQUEST];
	uint32_t n = q->visible;

	if (o->dead)
		return;
	for (uint32_t i = 0; i < n; i++) {
		const struct entry *e = &q->added[o->backwards ? n - 1 - i : i];
		const struct viommu_bus_segment *reply = &e->segments[e->readable];
		uint8_t *bytes = host(o, reply->addr);

		memset(bytes, 0, reply->len);
		bytes[reply->len - VIOMMU_WIRE_TAIL_SIZE] = o->status;
		use(q, e->token, o->written == RIGHT ? reply->len : o->written);
		o->requests++;
	}
	memmove(q->added, q->added + n, (q->added_count - n) * sizeof q->added[0]);
	q->added_count -= n;
	q->visible = 0;
}

static struct own_queues *serving;

static void serve_on_wait(struct driver_fixture *f)
{
	(void)f;
	serve(serving);
}

struct seam {
	struct driver_fixture *f;
	struct own_queues o;
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;
	uint8_t config[VIOMMU_WIRE_CONFIG_SIZE];
};

#define QUEUE_SIZE 16u
#define EVENTS 8u
#define FEATURES (VIOMMU_DRIVER_FEATURES & ~(VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX))

/* The device behind the queues has reset itself: nothing that was posted comes back. */
static void forget_all(void *ctx)
{
	struct seam *s = ctx;

	for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++)
		s->o.q[i].added_count = s->o.q[i].visible = s->o.q[i].used_count = 0;
}

static struct seam *seam_make(void)
{
	struct seam *s = sim_env_zalloc(sizeof *s);
	struct driver_options o;

	driver_options_init(&o);
	o.config.queue_size = QUEUE_SIZE;
	o.config.event_count = EVENTS;
	s->f = driver_setup(&o);
	s->o.f = s->f;
	s->o.written = RIGHT;
	s->o.q[VIOMMU_QUEUE_REQUEST].capacity = QUEUE_SIZE;
	s->o.q[VIOMMU_QUEUE_EVENT].capacity = EVENTS;
	viommu_wire_config_encode(&o.space, s->config);
	s->f->on_wait = serve_on_wait;
	serving = &s->o;
	sim_env_on_reset(forget_all, s, true);
	return s;
}

static enum viommu_result seam_start(struct seam *s, uint64_t features)
{
	return viommu_driver_start_queues(&s->f->drv, &own_ops, &s->o, features, s->config);
}

static struct seam *seam_up(void)
{
	struct seam *s = seam_make();

	assert_int_equal(seam_start(s, FEATURES), VIOMMU_OK);
	domain_up(s->f, &s->d, &s->e, 8);
	s->o.q[VIOMMU_QUEUE_REQUEST].kicks = 0;
	s->o.requests = 0;
	return s;
}

static void seam_down(struct seam *s)
{
	assert_int_equal(s->f->step_count, 0); /* no register */
	driver_teardown(s->f);
	sim_env_free(s);
}

static enum viommu_result map_page(struct seam *s, uint64_t page)
{
	return viommu_driver_map(&s->d, page * PAGE, page * PAGE + PAGE - 1, 0, RW);
}

static void test_driver_start_queues__judges_as_start_does(void **state)
{
	static const struct {
		uint64_t without, with;
		uint64_t mask;
		uint32_t domain_first, domain_last, probe_size;
		enum viommu_result expected;
	} table[] = {
		{ 0, 0, PAGE, 0, 9, 64, VIOMMU_OK },
		{ VIOMMU_F_MAP_UNMAP, 0, PAGE, 0, 9, 64, VIOMMU_E_UNSUPP },
		{ VIOMMU_F_VERSION_1, 0, PAGE, 0, 9, 64, VIOMMU_E_UNSUPP },
		{ 0, 0, 0, 0, 9, 64, VIOMMU_E_UNSUPP },
		{ 0, 0, 16 * PAGE, 0, 9, 64, VIOMMU_E_RANGE },
		{ 0, 0, PAGE, 10, 9, 64, VIOMMU_E_PEER },
		{ VIOMMU_F_DOMAIN_RANGE, 0, PAGE, 10, 9, 64, VIOMMU_OK },
		{ 0, 0, PAGE, 0, 9, 513, VIOMMU_E_NOMEM },
		{ VIOMMU_F_PROBE, 0, PAGE, 0, 9, 513, VIOMMU_OK },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct seam *s = seam_make();
		struct viommu_wire_config c = { .page_size_mask = table[i].mask,
						.input_range = { 0, UINT64_MAX },
						.domain_first = table[i].domain_first,
						.domain_last = table[i].domain_last,
						.probe_size = table[i].probe_size };
		enum viommu_result result;

		viommu_wire_config_encode(&c, s->config);
		result = seam_start(s, (FEATURES & ~table[i].without) | table[i].with);
		if (result != table[i].expected)
			fail_msg("row %u: %d", (unsigned)i, result);
		if (result == VIOMMU_OK)
			assert_int_equal(seam_start(s, FEATURES), VIOMMU_E_STATE);
		seam_down(s);
	}
}

static void test_driver_start_queues__table_of_unknown_size__is_refused(void **state)
{
	struct seam *s = seam_make();
	struct viommu_queue_ops ops = own_ops;

	(void)state;
	ops.size++;
	assert_int_equal(viommu_driver_start_queues(&s->f->drv, &ops, &s->o, FEATURES, s->config), VIOMMU_E_ABI);
	seam_down(s);
}

static void test_driver_start_queues__event_queue__is_filled_and_kicked(void **state)
{
	struct seam *s = seam_make();

	(void)state;
	assert_int_equal(seam_start(s, FEATURES), VIOMMU_OK);
	assert_int_equal(s->o.q[VIOMMU_QUEUE_EVENT].visible, EVENTS);
	assert_int_equal(s->o.q[VIOMMU_QUEUE_EVENT].kicks, 1);
	for (uint32_t i = 0; i < EVENTS; i++)
		assert_int_equal(s->o.q[VIOMMU_QUEUE_EVENT].added[i].segments[0].len, VIOMMU_WIRE_FAULT_SIZE);
	seam_down(s);
}

static void test_driver_start_queues__event_queue_that_wants_no_kick__gets_none(void **state)
{
	struct seam *s = seam_make();

	(void)state;
	s->o.quiet = true;
	assert_int_equal(seam_start(s, FEATURES), VIOMMU_OK);
	assert_int_equal(s->o.q[VIOMMU_QUEUE_EVENT].visible, EVENTS);
	assert_int_equal(s->o.q[VIOMMU_QUEUE_EVENT].kicks, 0);
	seam_down(s);
}

static void test_driver_start_queues__event_queue_is_dead__not_started(void **state)
{
	struct seam *s = seam_make();

	(void)state;
	s->o.q[VIOMMU_QUEUE_EVENT].add_fails = VIOMMU_E_BROKEN;
	assert_int_equal(seam_start(s, FEATURES), VIOMMU_E_BROKEN);
	assert_int_equal(viommu_driver_domain_init(&s->d, &s->f->drv, 1, false), VIOMMU_E_STATE);
	s->o.q[VIOMMU_QUEUE_EVENT].add_fails = VIOMMU_OK;
	assert_int_equal(seam_start(s, FEATURES), VIOMMU_OK);
	seam_down(s);
}

static void test_driver_queues__requests__go_through_and_kick_once_each_batch(void **state)
{
	struct seam *s = seam_up();
	struct viommu_driver_limits l;

	(void)state;
	viommu_driver_get_limits(&s->f->drv, &l);
	assert_int_equal(l.slots, QUEUE_SIZE);
	assert_int_equal(l.features, FEATURES);
	for (int quiet = 0; quiet < 2; quiet++) {
		s->o.quiet = quiet != 0;
		s->o.q[VIOMMU_QUEUE_REQUEST].kicks = 0;
		for (uint64_t i = 0; i < QUEUE_SIZE; i++)
			assert_int_equal(map_page(s, i), VIOMMU_OK);
		assert_int_equal(s->o.q[VIOMMU_QUEUE_REQUEST].visible, 0);
		assert_int_equal(viommu_driver_sync(&s->d, NULL), VIOMMU_OK);
		assert_int_equal(s->o.q[VIOMMU_QUEUE_REQUEST].kicks, !quiet);
		assert_int_equal(viommu_driver_unmap(&s->d, 0, UINT64_MAX), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&s->d, NULL), VIOMMU_OK);
		assert_int_equal(record_count(&s->d), 0);
	}
	s->o.backwards = true;
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(map_page(s, i), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&s->d, NULL), VIOMMU_OK);
	assert_int_equal(record_count(&s->d), 100);
	seam_down(s);
}

static void test_driver_queues__lengths__short_ones_fail_long_ones_do_not(void **state)
{
	static const uint32_t lengths[] = { 0, 1, 2, 3, 4, 5, 24, 0x10000, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		struct seam *s = seam_up();

		s->o.written = lengths[i];
		assert_int_equal(map_page(s, 1), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&s->d, NULL), lengths[i] < 4 ? VIOMMU_E_PEER : VIOMMU_OK);
		seam_down(s);
	}
}

static void test_driver_queues__fewer_descriptors_than_promised__is_port_and_nothing_changed(void **state)
{
	struct seam *s = seam_up();

	(void)state;
	assert_int_equal(map_page(s, 0), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&s->d, NULL), VIOMMU_OK);
	s->o.q[VIOMMU_QUEUE_REQUEST].capacity = 3;
	for (uint64_t i = 1; i < 4; i++)
		assert_int_equal(map_page(s, i), VIOMMU_OK);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(map_page(s, 4), VIOMMU_E_PORT);
		assert_int_equal(viommu_driver_unmap(&s->d, 0, PAGE - 1), VIOMMU_E_PORT);
	}
	assert_int_equal(record_count(&s->d), 4);
	assert_int_equal(viommu_driver_sync(&s->d, NULL), VIOMMU_OK);
	assert_int_equal(map_page(s, 4), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&s->d, NULL), VIOMMU_OK);
	assert_int_equal(record_count(&s->d), 5);
	/* No slot was lost on the way. */
	s->o.q[VIOMMU_QUEUE_REQUEST].capacity = QUEUE_SIZE;
	s->f->waits = 0;
	for (uint64_t i = 10; i < 10 + QUEUE_SIZE; i++)
		assert_int_equal(map_page(s, i), VIOMMU_OK);
	assert_int_equal(s->f->waits, 0);
	seam_down(s);
}

static void test_driver_queues__dead_queue__is_broken_until_stop_and_start(void **state)
{
	(void)state;
	for (int what = 0; what < 4; what++) {
		struct seam *s = seam_up();
		struct viommu_driver_failure failure;

		assert_int_equal(map_page(s, 0), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&s->d, NULL), VIOMMU_OK);
		assert_int_equal(map_page(s, 1), VIOMMU_OK);
		switch (what) {
		case 0:
			s->o.q[VIOMMU_QUEUE_REQUEST].add_fails = VIOMMU_E_BROKEN;
			assert_int_equal(map_page(s, 2), VIOMMU_E_BROKEN);
			break;
		case 1:
			s->o.q[VIOMMU_QUEUE_REQUEST].pop_fails = VIOMMU_E_BROKEN;
			break;
		case 2: /* a callback that returns nonsense */
			s->o.q[VIOMMU_QUEUE_REQUEST].pop_fails = VIOMMU_E_ARG;
			break;
		default:
			s->o.q[VIOMMU_QUEUE_EVENT].pop_fails = VIOMMU_E_BROKEN;
			assert_false(viommu_driver_process(&s->f->drv, 4));
			break;
		}
		assert_int_equal(viommu_driver_sync(&s->d, &failure), VIOMMU_E_BROKEN);
		assert_int_equal(failure.first, PAGE);
		assert_true(failure.uncertain);
		assert_int_equal(map_page(s, 3), VIOMMU_E_BROKEN);
		assert_int_equal(viommu_driver_detach(&s->e, NULL), VIOMMU_E_BROKEN);
		assert_int_equal(viommu_driver_stop(&s->f->drv), VIOMMU_OK);
		memset(s->o.q, 0, sizeof s->o.q);
		s->o.q[VIOMMU_QUEUE_REQUEST].capacity = QUEUE_SIZE;
		s->o.q[VIOMMU_QUEUE_EVENT].capacity = EVENTS;
		assert_int_equal(seam_start(s, FEATURES), VIOMMU_OK);
		assert_int_equal(viommu_driver_attach(&s->d, &s->e, NULL), VIOMMU_OK);
		assert_int_equal(record_count(&s->d), 1);
		assert_int_equal(viommu_driver_sync(&s->d, NULL), VIOMMU_OK);
		seam_down(s);
	}
}

/* A queue that gives a token back twice, or one of the other queue. */
static void test_driver_queues__token_twice__fails_the_driver(void **state)
{
	struct seam *s = seam_up();
	struct own_queue *q = &s->o.q[VIOMMU_QUEUE_REQUEST];
	void *token;

	(void)state;
	assert_int_equal(map_page(s, 1), VIOMMU_OK);
	token = q->added[0].token;
	assert_int_equal(viommu_driver_sync(&s->d, NULL), VIOMMU_OK);
	use(q, token, 4);
	assert_int_equal(map_page(s, 2), VIOMMU_OK);
	/* That may be the slot of the new request; then the answer is taken for its own, which nobody can tell. */
	(void)!viommu_driver_sync(&s->d, NULL);
	use(q, token, 4);
	use(q, token, 4);
	(void)viommu_driver_process(&s->f->drv, 8);
	assert_int_equal(map_page(s, 3), VIOMMU_E_BROKEN);
	seam_down(s);

	s = seam_up();
	use(&s->o.q[VIOMMU_QUEUE_EVENT], &token, 24);
	(void)viommu_driver_process(&s->f->drv, 8);
	assert_int_equal(map_page(s, 3), VIOMMU_E_BROKEN);
	seam_down(s);
}

static void test_driver_queues__silent_queue__times_out_then_works(void **state)
{
	struct seam *s = seam_up();

	(void)state;
	s->o.dead = true;
	assert_int_equal(map_page(s, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&s->d, NULL), VIOMMU_E_TIMEOUT);
	s->o.dead = false;
	serve(&s->o);
	(void)viommu_driver_process(&s->f->drv, 1);
	assert_int_equal(viommu_driver_get_stats(&s->f->drv)->late, 1);
	assert_int_equal(map_page(s, 1), VIOMMU_E_EXISTS);
	assert_int_equal(viommu_driver_unmap(&s->d, PAGE, 2 * PAGE - 1), VIOMMU_OK);
	assert_int_equal(map_page(s, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&s->d, NULL), VIOMMU_OK);
	seam_down(s);
}

static void test_driver_queues__fault_report__is_delivered_and_its_buffer_given_back(void **state)
{
	struct seam *s = seam_up();
	struct own_queue *q = &s->o.q[VIOMMU_QUEUE_EVENT];
	const struct viommu_wire_fault fault = { VIOMMU_FAULT_R_DOMAIN, VIOMMU_FAULT_F_READ, 8, 0 };

	(void)state;
	for (int round = 0; round < 50; round++) {
		struct entry e = q->added[0];

		assert_int_equal(q->visible, EVENTS);
		memmove(q->added, q->added + 1, (EVENTS - 1) * sizeof q->added[0]);
		q->added_count--;
		q->visible--;
		viommu_wire_fault_encode(&fault, host(&s->o, e.segments[0].addr));
		use(q, e.token, round % 2 != 0 ? 24 : 2000);
		q->kicks = 0;
		assert_false(viommu_driver_process(&s->f->drv, 8));
		assert_int_equal(q->kicks, 1);
	}
	assert_int_equal(s->f->fault_count, 50);
	seam_down(s);
}

/* The report that came is a good one; the next one cannot come any more. */
static void test_driver_queues__event_buffer_not_taken_back__report_delivered_and_broken(void **state)
{
	struct seam *s = seam_up();
	struct own_queue *q = &s->o.q[VIOMMU_QUEUE_EVENT];
	const struct viommu_wire_fault fault = { VIOMMU_FAULT_R_DOMAIN, VIOMMU_FAULT_F_READ, 8, 0 };

	(void)state;
	viommu_wire_fault_encode(&fault, host(&s->o, q->added[0].segments[0].addr));
	use(q, q->added[0].token, 24);
	q->add_fails = VIOMMU_E_BROKEN;
	(void)viommu_driver_process(&s->f->drv, 8);
	assert_int_equal(s->f->fault_count, 1);
	assert_int_equal(map_page(s, 3), VIOMMU_E_BROKEN);
	seam_down(s);
}

/* What completes between the last look and the wish to be notified would never be announced: it is found at once. */

static void serve_on_arm(struct own_queues *o, uint32_t queue)
{
	if (queue == VIOMMU_QUEUE_REQUEST)
		serve(o);
}

static struct seam *arming_seam_up(void)
{
	struct seam *s = seam_make();

	assert_int_equal(viommu_driver_start_queues(&s->f->drv, &arming_ops, &s->o, FEATURES, s->config), VIOMMU_OK);
	domain_up(s->f, &s->d, &s->e, 8);
	s->f->on_wait = NULL;
	s->f->waits = 0;
	return s;
}

static void test_driver_sync__answered_while_arming__does_not_wait(void **state)
{
	struct seam *s = arming_seam_up();

	(void)state;
	s->o.on_arm = serve_on_arm;
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(map_page(s, i), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&s->d, NULL), VIOMMU_OK);
	}
	assert_int_equal(s->f->waits, 0);
	assert_int_equal(record_count(&s->d), 3);
	s->o.on_arm = NULL; /* and if nothing comes, it waits */
	assert_int_equal(map_page(s, 3), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&s->d, NULL), VIOMMU_E_TIMEOUT);
	assert_int_equal(s->f->waits, FIXTURE_WAITS);
	seam_down(s);
}

static void test_driver_process__answered_while_arming__is_taken(void **state)
{
	struct seam *s = arming_seam_up();

	(void)state;
	assert_int_equal(map_page(s, 1), VIOMMU_OK);
	s->o.q[VIOMMU_QUEUE_REQUEST].visible = s->o.q[VIOMMU_QUEUE_REQUEST].added_count; /* somebody else publishes */
	s->o.on_arm = serve_on_arm;
	(void)viommu_driver_process(&s->f->drv, 1);
	assert_int_equal(viommu_driver_get_stats(&s->f->drv)->statuses[VIOMMU_S_OK], 3); /* PROBE, ATTACH, MAP */
	s->o.dead = true;
	assert_int_equal(viommu_driver_sync(&s->d, NULL), VIOMMU_OK);
	assert_int_equal(s->f->waits, 0);
	seam_down(s);
}

static void report_on_arm(struct own_queues *o, uint32_t queue)
{
	struct own_queue *q = &o->q[VIOMMU_QUEUE_EVENT];
	const struct viommu_wire_fault fault = { VIOMMU_FAULT_R_DOMAIN, VIOMMU_FAULT_F_READ, 8, 0x5000 };
	struct entry e = q->added[0];

	if (queue != VIOMMU_QUEUE_EVENT || q->added_count == 0)
		return;
	o->on_arm = NULL;
	memmove(q->added, q->added + 1, (EVENTS - 1) * sizeof q->added[0]);
	q->added_count--;
	viommu_wire_fault_encode(&fault, host(o, e.segments[0].addr));
	use(q, e.token, 24);
}

static void test_driver_process__fault_while_arming__is_delivered(void **state)
{
	struct seam *s = arming_seam_up();

	(void)state;
	s->o.on_arm = report_on_arm;
	assert_false(viommu_driver_process(&s->f->drv, 8));
	assert_int_equal(s->f->fault_count, 1);
	assert_true(s->f->faults[0].address == 0x5000);
	seam_down(s);
}

/* The embedder has reset the device and brought new queues up. */
static void test_driver_recover_queues__queue_was_dead__all_is_put_back(void **state)
{
	struct seam *s = seam_up();

	(void)state;
	assert_int_equal(viommu_driver_recover(&s->f->drv), VIOMMU_E_STATE); /* no registers */
	assert_int_equal(viommu_driver_look(&s->f->drv), VIOMMU_E_STATE);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(map_page(s, i), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&s->d, NULL), VIOMMU_OK);
	s->o.q[VIOMMU_QUEUE_REQUEST].pop_fails = VIOMMU_E_BROKEN;
	assert_int_equal(map_page(s, 3), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&s->d, NULL), VIOMMU_E_BROKEN);
	s->o.q[VIOMMU_QUEUE_REQUEST].pop_fails = VIOMMU_OK;
	forget_all(s);
	/* What is no device waits for another one. */
	assert_int_equal(viommu_driver_recover_queues(&s->f->drv, &own_ops, &s->o, 0, s->config), VIOMMU_E_UNSUPP);
	assert_null(viommu_driver_endpoint_domain(&s->e));
	s->o.requests = 0;
	assert_int_equal(viommu_driver_recover_queues(&s->f->drv, &own_ops, &s->o, FEATURES, s->config), VIOMMU_OK);
	/* ATTACH, UNMAP, and three MAPs: of the fourth it is not known what became of it. */
	assert_int_equal(s->o.requests, 5);
	assert_ptr_equal(viommu_driver_endpoint_domain(&s->e), &s->d);
	assert_int_equal(record_count(&s->d), 3);
	assert_int_equal(s->f->step_count, 0);
	seam_down(s);
}

static void test_driver_shutdown__queues_of_the_embedder__bypass_is_his(void **state)
{
	struct seam *s = seam_up();

	(void)state;
	assert_int_equal(viommu_driver_shutdown(&s->f->drv, VIOMMU_HANDOVER_BLOCK), VIOMMU_E_UNSUPP);
	assert_ptr_equal(viommu_driver_endpoint_domain(&s->e), &s->d);
	s->o.requests = 0;
	assert_int_equal(viommu_driver_shutdown(&s->f->drv, VIOMMU_HANDOVER_KEEP), VIOMMU_OK);
	assert_int_equal(s->o.requests, 1);
	assert_null(viommu_driver_endpoint_domain(&s->e));
	assert_int_equal(s->f->step_count, 0);
	seam_down(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_start_queues__judges_as_start_does),
		cmocka_unit_test(test_driver_start_queues__table_of_unknown_size__is_refused),
		cmocka_unit_test(test_driver_start_queues__event_queue__is_filled_and_kicked),
		cmocka_unit_test(test_driver_start_queues__event_queue_that_wants_no_kick__gets_none),
		cmocka_unit_test(test_driver_start_queues__event_queue_is_dead__not_started),
		cmocka_unit_test(test_driver_queues__requests__go_through_and_kick_once_each_batch),
		cmocka_unit_test(test_driver_queues__lengths__short_ones_fail_long_ones_do_not),
		cmocka_unit_test(test_driver_queues__fewer_descriptors_than_promised__is_port_and_nothing_changed),
		cmocka_unit_test(test_driver_queues__dead_queue__is_broken_until_stop_and_start),
		cmocka_unit_test(test_driver_queues__token_twice__fails_the_driver),
		cmocka_unit_test(test_driver_queues__silent_queue__times_out_then_works),
		cmocka_unit_test(test_driver_queues__fault_report__is_delivered_and_its_buffer_given_back),
		cmocka_unit_test(test_driver_queues__event_buffer_not_taken_back__report_delivered_and_broken),
		cmocka_unit_test(test_driver_sync__answered_while_arming__does_not_wait),
		cmocka_unit_test(test_driver_process__answered_while_arming__is_taken),
		cmocka_unit_test(test_driver_process__fault_while_arming__is_delivered),
		cmocka_unit_test(test_driver_recover_queues__queue_was_dead__all_is_put_back),
		cmocka_unit_test(test_driver_shutdown__queues_of_the_embedder__bypass_is_his),
	};

	return suite_run(tests);
}
