/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_driver_attacks.c: a hostile device, one attack at a time. Each ends in an error that the header lists, changes
 * nothing besides, loses nothing, and the next request, or a recovery, works. docs/attacks.md lists these attacks and
 * those that other files have.
 */
#include "driver_fixture.h"
#include "suite.h"

#include "sim/env/env.h"
#include "sim/random.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define BYSTANDER_AT (64 * PAGE)
#define BYSTANDER_PHYS (119 * PAGE)
#define TARGET_PHYS (85 * PAGE)

/* A driver with two domains: what is attacked is always the first. */
struct victim {
	struct driver_fixture *f;
	struct viommu_driver_domain d, bystander;
	struct viommu_driver_endpoint e, bystander_e;
	struct viommu_driver_endpoint third; /* for ATTACH and PROBE */
	uint32_t free_nodes;
};

static enum viommu_result map_page(struct viommu_driver_domain *d, uint64_t page)
{
	return viommu_driver_map(d, page * PAGE, page * PAGE + PAGE - 1, TARGET_PHYS, RW);
}

static void set_up(struct victim *v, const struct driver_options *options)
{
	memset(v, 0, sizeof *v);
	v->f = driver_up(options);
	v->free_nodes = viommu_map_pool_free(&v->f->drv.pool);
	domain_up(v->f, &v->bystander, &v->bystander_e, 9);
	assert_int_equal(viommu_driver_map(&v->bystander, BYSTANDER_AT, BYSTANDER_AT + PAGE - 1, BYSTANDER_PHYS, RW),
			 VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&v->bystander, NULL), VIOMMU_OK);
	domain_up(v->f, &v->d, &v->e, 8);
	assert_int_equal(map_page(&v->d, 0), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&v->d, NULL), VIOMMU_OK);
	v->f->waits = 0;
	v->f->step_count = 0;
}

/* Whatever was attacked, the other domain is as it was, and the driver is sound. */
static void assert_nothing_else_changed(struct victim *v)
{
	struct viommu_mapping m;
	uint64_t phys;

	assert_true(viommu_driver_check(&v->f->drv));
	assert_int_equal(v->f->depth, 0);
	assert_int_equal(record_count(&v->bystander), 1);
	assert_true(viommu_driver_next_mapping(&v->bystander, 0, &m));
	assert_true(m.first == BYSTANDER_AT && m.last == BYSTANDER_AT + PAGE - 1 && m.phys == BYSTANDER_PHYS);
	assert_int_equal(m.flags, RW);
	assert_int_equal(viommu_driver_iova_to_phys(&v->bystander, BYSTANDER_AT, &phys), VIOMMU_OK);
	assert_true(phys == BYSTANDER_PHYS);
}

static uint32_t free_slots(const struct viommu_driver *drv)
{
	uint32_t n = 0;

	for (const struct viommu_driver_slot *s = drv->free_slots; s != NULL; s = s->next)
		n++;
	return n;
}

/* The next good requests work, and every slot, event buffer and map node is back. Ends the test. */
static void go_on(struct victim *v)
{
	static const struct viommu_wire_fault report = { VIOMMU_FAULT_R_MAPPING, VIOMMU_FAULT_F_READ, 8, 0 };
	struct driver_fixture *f = v->f;

	script_become_honest(f);
	assert_nothing_else_changed(v);
	assert_false(viommu_driver_process(&f->drv, 1000));
	assert_int_equal(f->drv.state, VIOMMU_DRIVER_RUNNING);
	assert_int_equal(viommu_driver_unmap(&v->d, 0, UINT64_MAX), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&v->d, NULL), VIOMMU_OK);
	assert_int_equal(record_count(&v->d), 0);
	assert_record_is_model(f, &v->d);
	assert_int_equal(map_page(&v->d, 3), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&v->d, NULL), VIOMMU_OK);
	assert_int_equal(record_count(&v->d), 1);
	assert_record_is_model(f, &v->d);
	assert_record_is_model(f, &v->bystander);

	f->fault_count = 0;
	assert_true(script_fault(f, &report));
	assert_false(viommu_driver_process(&f->drv, 2));
	assert_int_equal(f->fault_count, 1);
	assert_int_equal(viommu_virtq_driver_in_flight(&f->drv.virtqs[VIOMMU_QUEUE_EVENT]), f->drv.event_count);

	assert_int_equal(viommu_driver_detach(&v->e, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_detach(&v->bystander_e, NULL), VIOMMU_OK);
	assert_int_equal(free_slots(&f->drv), f->drv.slot_limit);
	assert_int_equal(viommu_virtq_driver_in_flight(&f->drv.virtqs[VIOMMU_QUEUE_REQUEST]), 0);
	assert_int_equal(viommu_driver_domain_deinit(&v->d), VIOMMU_OK);
	assert_int_equal(viommu_driver_domain_deinit(&v->bystander), VIOMMU_OK);
	(void)viommu_map_pool_reclaim(&f->drv.pool, UINT32_MAX);
	assert_int_equal(viommu_map_pool_free(&f->drv.pool), v->free_nodes);
	driver_teardown(f);
}

/* The same after a recovery, which puts back what the record has. */
static void recover(struct victim *v)
{
	script_become_honest(v->f);
	assert_nothing_else_changed(v);
	assert_int_equal(viommu_driver_recover(&v->f->drv), VIOMMU_OK);
	assert_ptr_equal(viommu_driver_endpoint_domain(&v->e), &v->d);
	assert_ptr_equal(viommu_driver_endpoint_domain(&v->bystander_e), &v->bystander);
	assert_record_is_model(v->f, &v->d);
	assert_record_is_model(v->f, &v->bystander);
	go_on(v);
}

static struct verdict chosen;

static struct verdict choose(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number)
{
	(void)f;
	(void)r;
	(void)number;
	return chosen;
}

/* The used ring */

static uint8_t *ring_at(const struct driver_fixture *f, uint64_t addr)
{
	return (uint8_t *)f->shared.base + (addr - f->shared.addr);
}

/* Head of the chain that was added last, published or not. */
static uint32_t last_head(const struct driver_fixture *f)
{
	const struct viommu_virtq_layout *l = &f->script.layouts[VIOMMU_QUEUE_REQUEST];
	uint16_t index = (uint16_t)(f->drv.virtqs[VIOMMU_QUEUE_REQUEST].added - 1);

	return viommu_port_load16(ring_at(f, l->avail) + 4 + 2u * (index & (l->size - 1)));
}

static struct {
	uint32_t id;
	uint16_t steps;
	uint32_t attempt; /* the wait that it is told in */
} lie;

static void tell_the_lie(struct driver_fixture *f)
{
	if (f->last_attempt < lie.attempt)
		return;
	f->on_wait = NULL;
	script_lie(f, VIOMMU_QUEUE_REQUEST, lie.id, VIOMMU_WIRE_TAIL_SIZE, lie.steps);
}

/* One request is published and not answered when the lie is told: then nothing works until the device is recovered. */
static void assert_breaks(struct victim *v)
{
	struct viommu_driver_failure failure;

	v->f->on_wait = tell_the_lie;
	v->f->waits = 0;
	assert_int_equal(viommu_driver_sync(&v->d, &failure), VIOMMU_E_BROKEN);
	assert_int_equal(failure.result, VIOMMU_E_BROKEN);
	assert_true(failure.uncertain);
	assert_int_equal(failure.first, PAGE);
	assert_true(v->f->waits <= lie.attempt + 1);
	v->f->waits = 0;
	assert_int_equal(map_page(&v->d, 7), VIOMMU_E_BROKEN);
	assert_int_equal(viommu_driver_unmap(&v->d, 0, PAGE - 1), VIOMMU_E_BROKEN);
	assert_int_equal(viommu_driver_endpoint_init(&v->third, &v->f->drv, 10, NULL, 0), VIOMMU_E_BROKEN);
	assert_int_equal(v->f->waits, 0);
	recover(v);
}

#define THE_RIGHT_ID (UINT32_MAX - 1)

static void lie_while_one_is_in_flight(uint32_t id, uint16_t steps)
{
	struct victim v;

	set_up(&v, NULL);
	v.f->script.stalled = true;
	assert_int_equal(map_page(&v.d, 1), VIOMMU_OK);
	lie.attempt = 0;
	lie.id = id == THE_RIGHT_ID ? last_head(v.f) : id;
	lie.steps = steps;
	assert_breaks(&v);
}

static void test_attack_used_index__ahead_of_what_was_published__broken(void **state)
{
	static const uint16_t steps[] = { 2, 3, 64, 65, 0x7fff, 0x8000, 0xfffe };

	(void)state;
	for (size_t i = 0; i < COUNT(steps); i++)
		lie_while_one_is_in_flight(THE_RIGHT_ID, steps[i]);
}

static void test_attack_used_index__goes_back__broken(void **state)
{
	(void)state;
	lie_while_one_is_in_flight(THE_RIGHT_ID, 0xffff);
	lie_while_one_is_in_flight(0, 0xffff);
}

static void test_attack_used_id__behind_the_table__broken(void **state)
{
	static const uint32_t ids[] = { 64, 65, 0x8000, 0xffff, 0x10000, 0x80000000, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < COUNT(ids); i++)
		lie_while_one_is_in_flight(ids[i], 1);
}

static void test_attack_used_id__nothing_in_flight_has_it__broken(void **state)
{
	struct victim v;

	(void)state;
	for (uint32_t id = 0; id < 64; id++) {
		set_up(&v, NULL);
		v.f->script.stalled = true;
		assert_int_equal(map_page(&v.d, 1), VIOMMU_OK);
		lie.attempt = 0;
		lie.id = id;
		lie.steps = 1;
		if (id == last_head(v.f)) {
			recover(&v);
			continue;
		}
		assert_breaks(&v);
	}
}

static void test_attack_used_id__second_descriptor_of_a_chain__broken(void **state)
{
	struct driver_options o;
	struct victim v;

	(void)state;
	driver_options_init(&o);
	o.offered &= ~VIOMMU_F_INDIRECT_DESC;
	set_up(&v, &o);
	v.f->script.stalled = true;
	assert_int_equal(map_page(&v.d, 1), VIOMMU_OK);
	lie.attempt = 0;
	lie.steps = 1;
	lie.id = viommu_port_load16(ring_at(v.f, v.f->script.layouts[VIOMMU_QUEUE_REQUEST].desc) +
				    16 * (size_t)last_head(v.f) + 14);
	assert_breaks(&v);
}

static struct verdict hold_page_1(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number)
{
	(void)f;
	(void)number;
	return r->type == VIOMMU_T_MAP && r->u.map.virt_start == PAGE ? VERDICT_HOLD : VERDICT_HONEST;
}

static void test_attack_used_id__the_same_one_twice__broken(void **state)
{
	struct victim v;

	(void)state;
	set_up(&v, NULL);
	v.f->script.decide = hold_page_1;
	assert_int_equal(map_page(&v.d, 1), VIOMMU_OK);
	assert_int_equal(map_page(&v.d, 2), VIOMMU_OK);
	lie.id = last_head(v.f);
	lie.steps = 1;
	lie.attempt = 0;
	endpoint_up(v.f, &v.third, 10); /* waits, and takes the answer for page 2 on the way */
	/* In place of page 1 comes page 2 once more. */
	assert_breaks(&v);
}

static void test_attack_used_entry__nobody_has_asked__broken(void **state)
{
	struct victim v;

	(void)state;
	set_up(&v, NULL);
	script_lie(v.f, VIOMMU_QUEUE_REQUEST, 0, VIOMMU_WIRE_TAIL_SIZE, 1);
	assert_false(viommu_driver_process(&v.f->drv, 8));
	assert_int_equal(map_page(&v.d, 1), VIOMMU_E_BROKEN);
	assert_int_equal(viommu_driver_look(&v.f->drv), VIOMMU_E_BROKEN);
	assert_int_equal(record_count(&v.d), 1);
	recover(&v);
}

/* An entry for a request that was added and not published: no device can know of it. */
static void test_attack_used_entry__request_is_not_published_yet__broken(void **state)
{
	struct victim v;

	(void)state;
	set_up(&v, NULL);
	for (uint64_t page = 1; page <= 63; page++)
		assert_int_equal(map_page(&v.d, page), VIOMMU_OK);
	script_lie(v.f, VIOMMU_QUEUE_REQUEST, last_head(v.f), VIOMMU_WIRE_TAIL_SIZE, 1);
	(void)viommu_driver_process(&v.f->drv, 8);
	assert_int_equal(viommu_driver_sync(&v.d, NULL), VIOMMU_E_BROKEN);
	assert_int_equal(v.f->failure_count, 63);
	recover(&v);
}

/* Descriptors and the available ring are write-only for the driver. */
static void scribble_over_descriptors(struct driver_fixture *f)
{
	const struct viommu_virtq_layout *l = &f->script.layouts[VIOMMU_QUEUE_REQUEST];

	/* Only when the device has read what it needs. */
	f->kicked = false;
	device_run(f);
	memset(ring_at(f, l->desc), 0xff, (size_t)(l->used - l->desc) - 4);
	viommu_port_store16(ring_at(f, l->avail) + 2, f->script.queues[VIOMMU_QUEUE_REQUEST].popped);
	f->kicked = false;
}

static void test_attack_ring__descriptors_overwritten_in_flight__changes_nothing(void **state)
{
	struct driver_options o;
	struct victim v;

	(void)state;
	driver_options_init(&o);
	o.offered &= ~VIOMMU_F_INDIRECT_DESC;
	set_up(&v, &o);
	v.f->on_wait = scribble_over_descriptors;
	for (uint64_t round = 0; round < 100; round++) {
		for (uint64_t i = 0; i < 7; i++)
			assert_int_equal(map_page(&v.d, 1 + round * 7 + i), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&v.d, NULL), VIOMMU_OK);
	}
	assert_record_is_model(v.f, &v.d);
	go_on(&v);
}

/* Lengths and statuses */

static const uint8_t types[] = { VIOMMU_T_ATTACH, VIOMMU_T_DETACH, VIOMMU_T_MAP, VIOMMU_T_UNMAP, VIOMMU_T_PROBE };

/* A request of this type, in the first domain. */
static enum viommu_result ask(struct victim *v, uint8_t type)
{
	switch (type) {
	case VIOMMU_T_ATTACH:
		return viommu_driver_attach(&v->d, &v->third, NULL);
	case VIOMMU_T_DETACH:
		return viommu_driver_detach(&v->e, NULL);
	case VIOMMU_T_MAP:
		assert_int_equal(map_page(&v->d, 1), VIOMMU_OK);
		return viommu_driver_sync(&v->d, NULL);
	case VIOMMU_T_UNMAP:
		assert_int_equal(viommu_driver_unmap(&v->d, 0, PAGE - 1), VIOMMU_OK);
		return viommu_driver_sync(&v->d, NULL);
	default:
		return viommu_driver_endpoint_init(&v->third, &v->f->drv, 10, NULL, 0);
	}
}

/* All as before `ask`, whatever its outcome was, or if there was none; the driver and the device agree. */
static void settle(struct victim *v)
{
	const struct verdict was = chosen;

	chosen = VERDICT_HONEST;
	assert_int_equal(viommu_driver_attach(&v->d, &v->e, NULL), VIOMMU_OK);
	if (v->third.drv == NULL)
		endpoint_up(v->f, &v->third, 10);
	assert_int_equal(viommu_driver_attach(&v->d, &v->third, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_detach(&v->third, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_unmap(&v->d, 0, 2 * PAGE - 1), VIOMMU_OK);
	assert_int_equal(map_page(&v->d, 0), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&v->d, NULL), VIOMMU_OK);
	assert_record_is_model(v->f, &v->d);
	assert_nothing_else_changed(v);
	assert_int_equal(free_slots(&v->f->drv), v->f->drv.slot_limit);
	chosen = was;
}

static void set_up_for_verdicts(struct victim *v)
{
	set_up(v, NULL);
	endpoint_up(v->f, &v->third, 10);
	chosen = VERDICT_HONEST;
	v->f->script.decide = choose;
}

/* Any status from 1 to 254, known or not. 255 is what stands there before, and so is none. */
static void test_attack_status__every_value_in_every_reply__rejected(void **state)
{
	struct victim v;

	(void)state;
	for (size_t i = 0; i < COUNT(types); i++) {
		set_up_for_verdicts(&v);
		for (int status = 1; status < 256; status++) {
			const struct viommu_driver_stats *stats = viommu_driver_get_stats(&v.f->drv);
			uint32_t unknown = stats->statuses[VIOMMU_S_IOERR], none = stats->unanswered;

			chosen = VERDICT_STATUS(status);
			assert_int_equal(ask(&v, types[i]), status < 255 ? VIOMMU_E_REJECTED : VIOMMU_E_PEER);
			assert_int_equal(stats->unanswered, none + (status == 255));
			if (status >= VIOMMU_S_COUNT)
				assert_int_equal(stats->statuses[VIOMMU_S_IOERR], unknown + (status < 255));
			settle(&v);
		}
		go_on(&v);
	}
}

/* What is done without a status is not done for us. */
static void test_attack_used_length__zero_or_short_of_the_status__peer(void **state)
{
	struct victim v;

	(void)state;
	for (size_t i = 0; i < COUNT(types); i++) {
		uint32_t whole = types[i] == VIOMMU_T_PROBE ? 64 + VIOMMU_WIRE_TAIL_SIZE : VIOMMU_WIRE_TAIL_SIZE;

		set_up_for_verdicts(&v);
		for (uint32_t used = 0; used < whole; used++) {
			chosen = VERDICT_USED(used);
			assert_int_equal(ask(&v, types[i]), VIOMMU_E_PEER);
			assert_int_equal(viommu_driver_get_stats(&v.f->drv)->unanswered, used + 1);
			settle(&v);
		}
		go_on(&v);
	}
}

static uint32_t claimed_length;

/* The device's half of the library does not lie about lengths: the last entry is changed behind it. */
static void claim_length(struct driver_fixture *f)
{
	const struct viommu_virtq_layout *l = &f->script.layouts[VIOMMU_QUEUE_REQUEST];
	uint8_t *used = ring_at(f, l->used);

	if (!f->kicked)
		return;
	f->kicked = false;
	device_run(f);
	viommu_port_store32(used + 8 + 8u * ((uint32_t)(viommu_port_load16(used + 2) - 1u) & (l->size - 1)),
			    claimed_length);
}

static void test_attack_used_length__longer_than_the_chain__cut_and_counted(void **state)
{
	static const uint32_t lengths[] = { 69, 100, 0x7fffffff, 0x80000000, UINT32_MAX };
	struct victim v;

	(void)state;
	for (size_t i = 0; i < COUNT(types); i++) {
		set_up_for_verdicts(&v);
		for (size_t k = 0; k < COUNT(lengths); k++) {
			uint32_t clamped = v.f->drv.virtqs[VIOMMU_QUEUE_REQUEST].clamped;

			claimed_length = lengths[k];
			v.f->on_wait = claim_length;
			assert_int_equal(ask(&v, types[i]), VIOMMU_OK);
			v.f->on_wait = NULL;
			assert_int_equal(v.f->drv.virtqs[VIOMMU_QUEUE_REQUEST].clamped, clamped + 1);
			settle(&v);
		}
		go_on(&v);
	}
}

static uint8_t reserved_byte;

static void write_reserved_bytes(struct driver_fixture *f)
{
	uint8_t *slots = f->drv.slot_memory.base;

	if (!f->kicked)
		return;
	f->kicked = false;
	device_run(f);
	for (uint32_t i = 0; i < f->drv.slot_limit; i++)
		memset(slots + (size_t)i * 64 + 48 + 1, reserved_byte, VIOMMU_WIRE_TAIL_SIZE - 1);
}

static void test_attack_reply__reserved_bytes_of_the_tail__mean_nothing(void **state)
{
	struct victim v;

	(void)state;
	set_up_for_verdicts(&v);
	for (unsigned value = 0; value < 256; value++) {
		reserved_byte = (uint8_t)value;
		v.f->on_wait = write_reserved_bytes;
		assert_int_equal(ask(&v, VIOMMU_T_MAP), VIOMMU_OK);
		v.f->on_wait = NULL;
		assert_int_equal(viommu_driver_get_stats(&v.f->drv)->unanswered, 0);
		settle(&v);
	}
	go_on(&v);
}

/* Single fetch: the status of an answer that was taken is not read again. */
static void test_attack_reply__changes_after_it_was_taken__first_one_counts(void **state)
{
	struct victim v;

	(void)state;
	set_up(&v, NULL);
	assert_int_equal(map_page(&v.d, 1), VIOMMU_OK);
	endpoint_up(v.f, &v.third, 10); /* waits, and takes the other answer on the way */
	memset(v.f->drv.slot_memory.base, VIOMMU_S_IOERR, v.f->drv.slot_memory.len);
	assert_int_equal(viommu_driver_sync(&v.d, NULL), VIOMMU_OK);
	assert_int_equal(record_count(&v.d), 2);
	go_on(&v);
}

/* PROBE: the lists that make no sense are in test_driver_probe.c. */

static uint8_t *put_region(uint8_t *at, uint8_t subtype, uint64_t first, uint64_t last)
{
	memset(at, 0, 24);
	at[0] = VIOMMU_PROBE_T_RESV_MEM;
	at[2] = 20;
	at[4] = subtype;
	for (unsigned i = 0; i < 8; i++) {
		at[8 + i] = (uint8_t)(first >> 8 * i);
		at[16 + i] = (uint8_t)(last >> 8 * i);
	}
	return at + 24;
}

/* Regions over, within and next to each other, the same one twice, and one over the other's end: each page counts. */
static void test_attack_probe__regions_overlap__all_of_them_are_kept_free(void **state)
{
	static const struct {
		uint8_t subtype;
		uint64_t first, last; /* pages */
	} regions[] = {
		{ VIOMMU_RESV_MEM_RESERVED, 10, 19 }, { VIOMMU_RESV_MEM_RESERVED, 15, 24 },
		{ VIOMMU_RESV_MEM_MSI, 12, 13 },      { VIOMMU_RESV_MEM_RESERVED, 10, 19 },
		{ VIOMMU_RESV_MEM_RESERVED, 25, 25 }, { VIOMMU_RESV_MEM_MSI, 5, 30 },
	};
	struct viommu_resv_region found[COUNT(regions)];
	uint8_t list[COUNT(regions) * 24], *at = list;
	struct driver_options o;
	struct victim v;
	uint32_t count;

	(void)state;
	driver_options_init(&o);
	o.space.probe_size = 256;
	set_up(&v, &o);
	for (size_t i = 0; i < COUNT(regions); i++)
		at = put_region(at, regions[i].subtype, regions[i].first * PAGE, regions[i].last * PAGE + (PAGE - 1));
	v.f->script.properties = list;
	v.f->script.properties_len = sizeof list;
	assert_int_equal(viommu_driver_endpoint_init(&v.third, &v.f->drv, 10, found, COUNT(found)), VIOMMU_OK);
	(void)viommu_driver_endpoint_regions(&v.third, &count);
	assert_int_equal(count, COUNT(regions));
	assert_int_equal(viommu_driver_attach(&v.d, &v.third, NULL), VIOMMU_OK);
	for (uint64_t page = 1; page < 40; page++)
		assert_int_equal(map_page(&v.d, page), page >= 5 && page <= 30 ? VIOMMU_E_RANGE : VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&v.d, NULL), VIOMMU_OK);
	assert_record_is_model(v.f, &v.d);
	assert_int_equal(viommu_driver_detach(&v.third, NULL), VIOMMU_OK);
	go_on(&v);
}

/* The endpoint turns out to have a region over what is mapped already. */
static void test_attack_probe__region_over_a_mapping__not_attached(void **state)
{
	struct viommu_resv_region found[1];
	struct victim v;
	uint8_t list[24];

	(void)state;
	set_up(&v, NULL);
	(void)put_region(list, VIOMMU_RESV_MEM_RESERVED, 0, UINT64_MAX);
	v.f->script.properties = list;
	v.f->script.properties_len = sizeof list;
	v.f->script.count = 0;
	assert_int_equal(viommu_driver_endpoint_init(&v.third, &v.f->drv, 10, found, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&v.d, &v.third, NULL), VIOMMU_E_RANGE);
	assert_int_equal(script_count(v.f, VIOMMU_T_ATTACH), 0);
	assert_int_equal(map_page(&v.d, 1), VIOMMU_OK);
	go_on(&v);
}

/* The device comes back as another one */

/* Records stay as they are, nothing is sent, and with a device that behaves all is put back. */
static void recover_from(void (*spoil)(struct script *s), enum viommu_result expected)
{
	struct victim v;

	set_up(&v, NULL);
	assert_int_equal(map_page(&v.d, 1), VIOMMU_OK); /* in flight */
	spoil(&v.f->script);
	v.f->script.count = 0;
	assert_int_equal(viommu_driver_recover(&v.f->drv), expected);
	assert_int_equal(v.f->script.count, 0);
	assert_int_equal(steps_of(v.f, NOTIFY), 0);
	assert_int_equal(record_count(&v.d), 2);
	if (expected != VIOMMU_E_TIMEOUT) {
		assert_int_not_equal(v.f->script.status & VIOMMU_STATUS_FAILED, 0);
		assert_int_equal(map_page(&v.d, 2), VIOMMU_E_STATE);
		assert_int_equal(viommu_driver_sync(&v.d, NULL), VIOMMU_E_STATE);
	}
	recover(&v);
}

static void without_version_1(struct script *s)
{
	s->offered &= ~VIOMMU_F_VERSION_1;
}

static void test_attack_recover__version_1_is_gone__unsupp(void **state)
{
	(void)state;
	recover_from(without_version_1, VIOMMU_E_UNSUPP);
}

static void without_map_unmap(struct script *s)
{
	s->offered &= ~VIOMMU_F_MAP_UNMAP;
}

static void test_attack_recover__map_unmap_is_gone__unsupp(void **state)
{
	(void)state;
	recover_from(without_map_unmap, VIOMMU_E_UNSUPP);
}

static void without_features_ok(struct script *s)
{
	s->refuses_features = true;
}

static void test_attack_recover__features_ok_never__unsupp(void **state)
{
	(void)state;
	recover_from(without_features_ok, VIOMMU_E_UNSUPP);
}

static void with_restless_generation(struct script *s)
{
	s->never_settles = true;
}

static void test_attack_recover__generation_never_settles__peer(void **state)
{
	(void)state;
	recover_from(with_restless_generation, VIOMMU_E_PEER);
}

static void without_page_sizes(struct script *s)
{
	s->config.page_size_mask = 0;
}

static void test_attack_recover__page_size_mask_0__unsupp(void **state)
{
	(void)state;
	recover_from(without_page_sizes, VIOMMU_E_UNSUPP);
}

static void with_a_huge_granule(struct script *s)
{
	s->config.page_size_mask = UINT64_C(1) << 63;
}

static void test_attack_recover__granule_of_2_to_63__range(void **state)
{
	(void)state;
	recover_from(with_a_huge_granule, VIOMMU_E_RANGE);
}

static void with_input_range_upside_down(struct script *s)
{
	s->config.input_range = (struct viommu_range){ UINT64_MAX, 0 };
}

static void test_attack_recover__input_range_upside_down__peer(void **state)
{
	(void)state;
	recover_from(with_input_range_upside_down, VIOMMU_E_PEER);
}

static void with_input_range_of_a_byte(struct script *s)
{
	s->config.input_range = (struct viommu_range){ UINT64_MAX, UINT64_MAX };
}

static void test_attack_recover__input_range_without_a_page__unsupp(void **state)
{
	(void)state;
	recover_from(with_input_range_of_a_byte, VIOMMU_E_UNSUPP);
}

static void with_domain_range_upside_down(struct script *s)
{
	s->config.domain_first = 1;
	s->config.domain_last = 0;
}

static void test_attack_recover__domain_range_empty__peer(void **state)
{
	(void)state;
	recover_from(with_domain_range_upside_down, VIOMMU_E_PEER);
}

static void with_largest_probe_size(struct script *s)
{
	s->config.probe_size = UINT32_MAX;
}

static void test_attack_recover__probe_size_2_to_32__nomem(void **state)
{
	(void)state;
	recover_from(with_largest_probe_size, VIOMMU_E_NOMEM);
}

static void with_probe_size_that_wraps(struct script *s)
{
	s->config.probe_size = UINT32_MAX - 3; /* + the tail: 0 */
}

static void test_attack_recover__probe_size_and_tail_wrap__nomem(void **state)
{
	(void)state;
	recover_from(with_probe_size_that_wraps, VIOMMU_E_NOMEM);
}

static void without_request_queue(struct script *s)
{
	s->queue_max[VIOMMU_QUEUE_REQUEST] = 0;
}

static void test_attack_recover__request_queue_is_gone__unsupp(void **state)
{
	(void)state;
	recover_from(without_request_queue, VIOMMU_E_UNSUPP);
}

static void with_a_queue_of_one(struct script *s)
{
	s->queue_max[VIOMMU_QUEUE_REQUEST] = 1;
}

static void test_attack_recover__queue_too_short_for_a_request__unsupp(void **state)
{
	(void)state;
	recover_from(with_a_queue_of_one, VIOMMU_E_UNSUPP);
}

static void without_event_queue(struct script *s)
{
	s->queue_max[VIOMMU_QUEUE_EVENT] = 0;
}

static void test_attack_recover__event_queue_is_gone__unsupp(void **state)
{
	(void)state;
	recover_from(without_event_queue, VIOMMU_E_UNSUPP);
}

static void refusing_queues(struct script *s)
{
	s->refuses_queue = true;
}

static void test_attack_recover__queue_is_not_taken__peer(void **state)
{
	(void)state;
	recover_from(refusing_queues, VIOMMU_E_PEER);
}

static void without_end_of_reset(struct script *s)
{
	s->reset_reads = UINT32_MAX;
}

static void test_attack_recover__reset_never_ends__timeout(void **state)
{
	(void)state;
	recover_from(without_end_of_reset, VIOMMU_E_TIMEOUT);
}

/* Sizes that no queue can have, and ones that no memory is enough for: the driver takes its own, or less. */
static void test_attack_recover__any_queue_size__a_power_of_two_that_fits(void **state)
{
	static const uint32_t sizes[][2] = { { 3, 2 },    { 100, 64 },   { 63, 32 },         { 65, 64 },
					     { 255, 64 }, { 32769, 64 }, { 0x80000000, 64 }, { UINT32_MAX, 64 } };
	struct victim v;

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		set_up(&v, NULL);
		v.f->script.queue_max[VIOMMU_QUEUE_REQUEST] = sizes[i][0];
		v.f->script.queue_max[VIOMMU_QUEUE_EVENT] = UINT32_MAX - (uint32_t)i;
		assert_int_equal(viommu_driver_recover(&v.f->drv), VIOMMU_OK);
		assert_int_equal(v.f->script.layouts[VIOMMU_QUEUE_REQUEST].size, sizes[i][1]);
		assert_int_equal(free_slots(&v.f->drv), sizes[i][1]);
		assert_record_is_model(v.f, &v.d);
		go_on(&v);
	}
}

/* It takes everything away under one generation, a bit more at each read. */
static void shrinking_config_read(void *ctx, uint32_t offset, void *dst, uint32_t len)
{
	struct driver_fixture *f = ctx;

	fixture_register_ops.config_read(ctx, offset, dst, len);
	f->script.config.page_size_mask <<= 1;
	f->script.config.input_range.last -= PAGE;
	f->script.config.domain_last--;
	f->script.config.probe_size--;
}

/* Each field is read once, in one piece, so that it is one of the values that it had; a look finds others. */
static void test_attack_config__changes_at_each_read__one_value_of_each_field(void **state)
{
	struct viommu_register_ops registers = fixture_register_ops;
	struct viommu_driver_endpoint e;
	struct viommu_driver_domain d;
	struct viommu_driver_limits l;
	struct driver_fixture *f;

	(void)state;
	f = driver_setup(NULL);
	registers.config_read = shrinking_config_read;
	assert_int_equal(viommu_driver_start(&f->drv, &registers, f), VIOMMU_OK);
	assert_int_equal(steps_of(f, CONFIG_READ), 5);
	viommu_driver_get_limits(&f->drv, &l);
	assert_int_equal(l.granule, PAGE);
	assert_true(l.input_range.last == UINT64_MAX - PAGE);
	assert_int_equal(l.domain_last, UINT32_MAX - 2);
	assert_int_equal(f->drv.config.probe_size, 64 - 3);
	assert_int_equal(viommu_driver_look(&f->drv), VIOMMU_E_PEER);
	f->script.config = f->honest.config;
	f->script.config.probe_size = 64 - 3;
	domain_up(f, &d, &e, 8);
	assert_int_equal(map_page(&d, 0), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	assert_record_is_model(f, &d);
	f->drv.registers = &fixture_register_ops;
	driver_teardown(f);
}

/* Events */

static void test_attack_event__random_bytes_and_lengths__counted_and_no_buffer_lost(void **state)
{
	struct sim_random random = { 11 };
	struct victim v;

	(void)state;
	set_up(&v, NULL);
	for (uint32_t n = 1; n <= 5000; n++) {
		uint8_t bytes[VIOMMU_WIRE_FAULT_SIZE];
		uint32_t used = (uint32_t)sim_random_below(&random, 30);

		for (size_t i = 0; i < sizeof bytes; i++)
			bytes[i] = (uint8_t)sim_random_next(&random);
		if (n % 3 == 0)
			memset(bytes, 0, 4);
		assert_true(script_event(v.f, bytes, sizeof bytes, n % 7 == 0 ? UINT32_MAX : used));
		assert_false(viommu_driver_process(&v.f->drv, 2));
		assert_int_equal(
			viommu_driver_get_stats(&v.f->drv)->faults + viommu_driver_get_stats(&v.f->drv)->faults_bad, n);
		assert_int_equal(v.f->fault_count, viommu_driver_get_stats(&v.f->drv)->faults);
	}
	assert_true(viommu_driver_get_stats(&v.f->drv)->faults > 500);
	assert_true(viommu_driver_get_stats(&v.f->drv)->faults_bad > 500);
	go_on(&v);
}

/* The driver has no list of endpoints to look it up in: the owner is told what the device says. */
static void test_attack_event__endpoint_that_nobody_has__told_and_nothing_else(void **state)
{
	static const uint32_t ids[] = { 0, 7, 10, 0x80000000, UINT32_MAX };
	struct victim v;

	(void)state;
	set_up(&v, NULL);
	for (uint32_t i = 0; i < COUNT(ids); i++) {
		const struct viommu_wire_fault report = { VIOMMU_FAULT_R_DOMAIN, VIOMMU_FAULT_F_WRITE, ids[i],
							  UINT64_MAX };

		assert_true(script_fault(v.f, &report));
		assert_false(viommu_driver_process(&v.f->drv, 2));
		assert_int_equal(v.f->fault_count, i + 1);
		assert_int_equal(v.f->faults[i].endpoint, ids[i]);
	}
	assert_nothing_else_changed(&v);
	go_on(&v);
}

static void report_again(struct driver_fixture *f, const struct viommu_wire_fault *fault)
{
	(void)script_fault(f, fault);
}

/* For each report that is taken there is another one at once. */
static void test_attack_event__storm__budget_is_kept_and_requests_go_on(void **state)
{
	static const struct viommu_wire_fault report = { VIOMMU_FAULT_R_MAPPING, VIOMMU_FAULT_F_READ, 8, 0 };
	struct victim v;

	(void)state;
	set_up(&v, NULL);
	v.f->on_fault = report_again;
	while (script_fault(v.f, &report))
		;
	for (uint32_t round = 1; round <= 200; round++) {
		assert_true(viommu_driver_process(&v.f->drv, 8));
		assert_int_equal(v.f->fault_count, 8 * round);
		assert_int_equal(map_page(&v.d, round), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&v.d, NULL), VIOMMU_OK);
		while (script_fault(v.f, &report))
			;
	}
	assert_record_is_model(v.f, &v.d);
	assert_nothing_else_changed(&v);
	go_on(&v);
}

/* Notifications and time */

static void test_attack_interrupt__nothing_has_happened__nothing_is_done(void **state)
{
	struct viommu_driver_stats before;
	struct victim v;

	(void)state;
	set_up(&v, NULL);
	before = *viommu_driver_get_stats(&v.f->drv);
	for (uint32_t i = 0; i < 10000; i++)
		assert_false(viommu_driver_process(&v.f->drv, 8));
	assert_int_equal(v.f->step_count, 0);
	assert_int_equal(v.f->waits, 0);
	assert_memory_equal(&before, viommu_driver_get_stats(&v.f->drv), sizeof before);
	go_on(&v);
}

/* The device says that it needs no kick, and sleeps. */
static void sleep_without_kick(struct driver_fixture *f, bool event_idx)
{
	const struct viommu_virtq_layout *l = &f->script.layouts[VIOMMU_QUEUE_REQUEST];
	uint8_t *used = ring_at(f, l->used);

	if (event_idx)
		viommu_port_store16(used + 4 + 8 * (size_t)l->size,
				    (uint16_t)(f->drv.virtqs[VIOMMU_QUEUE_REQUEST].added + 0x4000));
	else
		viommu_port_store16(used, 1);
}

static void test_attack_kick__unwanted_and_waited_for__timeout_then_late(void **state)
{
	struct driver_options o;
	struct victim v;

	(void)state;
	for (int event_idx = 0; event_idx < 2; event_idx++) {
		driver_options_init(&o);
		if (event_idx == 0)
			o.offered &= ~VIOMMU_F_EVENT_IDX;
		set_up(&v, &o);
		sleep_without_kick(v.f, event_idx != 0);
		assert_int_equal(map_page(&v.d, 1), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&v.d, NULL), VIOMMU_E_TIMEOUT);
		assert_int_equal(steps_of(v.f, NOTIFY), 0);
		assert_int_equal(v.f->waits, FIXTURE_WAITS);
		if (event_idx == 0)
			viommu_port_store16(ring_at(v.f, v.f->script.layouts[VIOMMU_QUEUE_REQUEST].used), 0);
		device_run(v.f);
		(void)viommu_driver_process(&v.f->drv, 1);
		assert_int_equal(viommu_driver_get_stats(&v.f->drv)->late, 1);
		go_on(&v);
	}
}

/* The answer to what was given up, good or bad, changes nothing any more: the range stays uncertain. */
static void test_attack_answer__after_the_timeout__late_and_harmless(void **state)
{
	static const int statuses[] = { BY_MODEL, VIOMMU_S_NOMEM, 0x77, 255 };
	struct viommu_driver_failure failure;
	struct victim v;

	(void)state;
	for (size_t i = 0; i < COUNT(statuses); i++) {
		set_up(&v, NULL);
		v.f->script.decide = choose;
		chosen = VERDICT_HOLD;
		chosen.status = statuses[i];
		assert_int_equal(map_page(&v.d, 1), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&v.d, &failure), VIOMMU_E_TIMEOUT);
		assert_true(failure.uncertain);
		assert_int_equal(failure.first, PAGE);
		script_release_all(v.f);
		assert_false(viommu_driver_process(&v.f->drv, 8));
		assert_int_equal(viommu_driver_get_stats(&v.f->drv)->late, 1);
		assert_int_equal(v.f->failure_count, 1);
		assert_int_equal(viommu_driver_sync(&v.d, NULL), VIOMMU_OK);
		go_on(&v);
	}
}

/* No slot that the device still has is used again; when all are gone nothing is posted, and the wait has an end. */
static void test_attack_answer__never_to_anything__timeout_and_nothing_overwritten(void **state)
{
	uint8_t before[64 * 64];
	struct victim v;

	(void)state;
	set_up(&v, NULL);
	v.f->script.stalled = true;
	for (uint64_t page = 1; page <= 64; page++)
		assert_int_equal(map_page(&v.d, page), VIOMMU_OK);
	assert_true(v.f->drv.slot_memory.len <= sizeof before);
	memcpy(before, v.f->drv.slot_memory.base, v.f->drv.slot_memory.len);
	for (uint64_t page = 65; page < 70; page++)
		assert_int_equal(map_page(&v.d, page), VIOMMU_E_TIMEOUT);
	assert_int_equal(viommu_driver_endpoint_init(&v.third, &v.f->drv, 10, NULL, 0), VIOMMU_E_TIMEOUT);
	assert_memory_equal(before, v.f->drv.slot_memory.base, v.f->drv.slot_memory.len);
	assert_true(v.f->waits <= 7 * FIXTURE_WAITS);
	assert_int_equal(viommu_driver_sync(&v.d, NULL), VIOMMU_E_TIMEOUT); /* of what was given up */
	recover(&v);
}

/* A status in the reply, and nothing in the used ring. */
static void write_statuses(struct driver_fixture *f)
{
	uint8_t *slots = f->drv.slot_memory.base;

	for (uint32_t i = 0; i < f->drv.slot_limit; i++)
		slots[(size_t)i * 64 + 48] = VIOMMU_S_OK;
}

static void test_attack_answer__status_without_used_entry__is_none(void **state)
{
	struct viommu_driver_failure failure;
	struct victim v;

	(void)state;
	set_up(&v, NULL);
	v.f->script.stalled = true;
	v.f->on_wait = write_statuses;
	assert_int_equal(map_page(&v.d, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&v.d, &failure), VIOMMU_E_TIMEOUT);
	assert_true(failure.uncertain);
	recover(&v);
}

/* A used entry for a request of the life before names nothing in this one. */
static void test_attack_answer__to_a_request_before_the_recovery__broken(void **state)
{
	struct victim v;
	uint32_t head;

	(void)state;
	set_up(&v, NULL);
	v.f->script.decide = hold_page_1;
	assert_int_equal(map_page(&v.d, 1), VIOMMU_OK);
	head = last_head(v.f);
	assert_int_equal(viommu_driver_sync(&v.d, NULL), VIOMMU_E_TIMEOUT);
	script_become_honest(v.f);
	assert_int_equal(viommu_driver_recover(&v.f->drv), VIOMMU_OK);
	write_statuses(v.f);
	script_lie(v.f, VIOMMU_QUEUE_REQUEST, head, VIOMMU_WIRE_TAIL_SIZE, 1);
	assert_false(viommu_driver_process(&v.f->drv, 1));
	assert_int_equal(viommu_driver_look(&v.f->drv), VIOMMU_E_BROKEN);
	recover(&v);
}

/* The old reply is written while its memory carries a request of the next life. */
static void test_attack_answer__old_reply_into_a_new_request__is_none(void **state)
{
	struct victim v;

	(void)state;
	set_up(&v, NULL);
	v.f->script.stalled = true;
	assert_int_equal(map_page(&v.d, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&v.d, NULL), VIOMMU_E_TIMEOUT);
	script_become_honest(v.f);
	assert_int_equal(viommu_driver_recover(&v.f->drv), VIOMMU_OK);
	v.f->script.decide = choose;
	chosen = VERDICT_STATUS(VIOMMU_S_INVAL);
	v.f->on_wait = write_statuses; /* before the device does its work */
	assert_int_equal(map_page(&v.d, 2), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&v.d, NULL), VIOMMU_E_REJECTED);
	go_on(&v);
}

/* NEEDS_RESET, or a reset by somebody, before each of the requests of a life; nothing waits longer than it may. */
static uint32_t sick_from;

static struct verdict fall_sick(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number)
{
	(void)r;
	(void)number;
	if (sick_from > 0) {
		sick_from--;
		return VERDICT_HONEST;
	}
	f->script.status |= VIOMMU_STATUS_NEEDS_RESET;
	return VERDICT_HOLD;
}

static void test_attack_needs_reset__at_each_request__ends_and_recovers(void **state)
{
	struct victim v;

	(void)state;
	for (uint32_t at = 0; at < 6; at++) {
		enum viommu_result result = VIOMMU_OK;

		set_up(&v, NULL);
		v.f->script.decide = fall_sick;
		sick_from = at;
		for (uint8_t i = 0; i < 6 && result == VIOMMU_OK; i++) {
			static const uint8_t life[] = { VIOMMU_T_PROBE, VIOMMU_T_ATTACH, VIOMMU_T_MAP,
							VIOMMU_T_UNMAP, VIOMMU_T_MAP,    VIOMMU_T_UNMAP };

			if (i == 4)
				assert_int_equal(viommu_driver_unmap(&v.d, 0, UINT64_MAX), VIOMMU_OK);
			if (life[i] == VIOMMU_T_MAP && i > 3)
				result = viommu_driver_sync(&v.d, NULL);
			else
				result = ask(&v, life[i]);
		}
		assert_int_equal(result, VIOMMU_E_TIMEOUT);
		assert_true(v.f->waits < 8 * FIXTURE_WAITS);
		assert_int_equal(viommu_driver_look(&v.f->drv), VIOMMU_E_BROKEN);
		assert_int_equal(viommu_driver_sync(&v.bystander, NULL), VIOMMU_OK);
		assert_int_equal(map_page(&v.bystander, 1), VIOMMU_E_BROKEN);
		script_become_honest(v.f);
		assert_int_equal(viommu_driver_recover(&v.f->drv), VIOMMU_OK);
		if (viommu_driver_endpoint_domain(&v.third) != NULL)
			assert_int_equal(viommu_driver_detach(&v.third, NULL), VIOMMU_OK);
		assert_record_is_model(v.f, &v.d);
		go_on(&v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attack_used_index__ahead_of_what_was_published__broken),
		cmocka_unit_test(test_attack_used_index__goes_back__broken),
		cmocka_unit_test(test_attack_used_id__behind_the_table__broken),
		cmocka_unit_test(test_attack_used_id__nothing_in_flight_has_it__broken),
		cmocka_unit_test(test_attack_used_id__second_descriptor_of_a_chain__broken),
		cmocka_unit_test(test_attack_used_id__the_same_one_twice__broken),
		cmocka_unit_test(test_attack_used_entry__nobody_has_asked__broken),
		cmocka_unit_test(test_attack_used_entry__request_is_not_published_yet__broken),
		cmocka_unit_test(test_attack_ring__descriptors_overwritten_in_flight__changes_nothing),
		cmocka_unit_test(test_attack_status__every_value_in_every_reply__rejected),
		cmocka_unit_test(test_attack_used_length__zero_or_short_of_the_status__peer),
		cmocka_unit_test(test_attack_used_length__longer_than_the_chain__cut_and_counted),
		cmocka_unit_test(test_attack_reply__reserved_bytes_of_the_tail__mean_nothing),
		cmocka_unit_test(test_attack_reply__changes_after_it_was_taken__first_one_counts),
		cmocka_unit_test(test_attack_probe__regions_overlap__all_of_them_are_kept_free),
		cmocka_unit_test(test_attack_probe__region_over_a_mapping__not_attached),
		cmocka_unit_test(test_attack_recover__version_1_is_gone__unsupp),
		cmocka_unit_test(test_attack_recover__map_unmap_is_gone__unsupp),
		cmocka_unit_test(test_attack_recover__features_ok_never__unsupp),
		cmocka_unit_test(test_attack_recover__generation_never_settles__peer),
		cmocka_unit_test(test_attack_recover__page_size_mask_0__unsupp),
		cmocka_unit_test(test_attack_recover__granule_of_2_to_63__range),
		cmocka_unit_test(test_attack_recover__input_range_upside_down__peer),
		cmocka_unit_test(test_attack_recover__input_range_without_a_page__unsupp),
		cmocka_unit_test(test_attack_recover__domain_range_empty__peer),
		cmocka_unit_test(test_attack_recover__probe_size_2_to_32__nomem),
		cmocka_unit_test(test_attack_recover__probe_size_and_tail_wrap__nomem),
		cmocka_unit_test(test_attack_recover__request_queue_is_gone__unsupp),
		cmocka_unit_test(test_attack_recover__queue_too_short_for_a_request__unsupp),
		cmocka_unit_test(test_attack_recover__event_queue_is_gone__unsupp),
		cmocka_unit_test(test_attack_recover__queue_is_not_taken__peer),
		cmocka_unit_test(test_attack_recover__reset_never_ends__timeout),
		cmocka_unit_test(test_attack_recover__any_queue_size__a_power_of_two_that_fits),
		cmocka_unit_test(test_attack_config__changes_at_each_read__one_value_of_each_field),
		cmocka_unit_test(test_attack_event__random_bytes_and_lengths__counted_and_no_buffer_lost),
		cmocka_unit_test(test_attack_event__endpoint_that_nobody_has__told_and_nothing_else),
		cmocka_unit_test(test_attack_event__storm__budget_is_kept_and_requests_go_on),
		cmocka_unit_test(test_attack_interrupt__nothing_has_happened__nothing_is_done),
		cmocka_unit_test(test_attack_kick__unwanted_and_waited_for__timeout_then_late),
		cmocka_unit_test(test_attack_answer__after_the_timeout__late_and_harmless),
		cmocka_unit_test(test_attack_answer__never_to_anything__timeout_and_nothing_overwritten),
		cmocka_unit_test(test_attack_answer__status_without_used_entry__is_none),
		cmocka_unit_test(test_attack_answer__to_a_request_before_the_recovery__broken),
		cmocka_unit_test(test_attack_answer__old_reply_into_a_new_request__is_none),
		cmocka_unit_test(test_attack_needs_reset__at_each_request__ends_and_recovers),
	};

	return suite_run(tests);
}
