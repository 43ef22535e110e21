/* SPDX-License-Identifier: BSD-3-Clause */
/* test_driver_map.c: map, unmap, sync: what is sent, what is recorded, and what becomes of a bad answer. */
#include "driver_pages.h"
#include "suite.h"

/* On the wire */

/* The samples of the wire format (3.7). */
static void test_driver_map__sample_requests__are_these_bytes(void **state)
{
	static const uint8_t map_bytes[] = { 3, 0, 0, 0, 1, 0, 0, 0,    0, 0x10, 0, 0, 0, 0, 0, 0, 0xff, 0x1f,
					     0, 0, 0, 0, 0, 0, 0, 0xa0, 0, 0,    0, 0, 0, 0, 1, 0, 0,    0 };
	static const uint8_t unmap_bytes[] = { 4, 0, 0,    0,    1, 0, 0, 0, 0, 0x10, 0, 0, 0, 0,
					       0, 0, 0xff, 0x1f, 0, 0, 0, 0, 0, 0,    0, 0, 0, 0 };
	struct driver_options o;
	struct one t;

	(void)state;
	driver_options_init(&o);
	o.space.domain_first = 1;
	set_up(&t, &o);
	assert_int_equal(viommu_driver_domain_id(&t.d), 1);
	/* IOMMU-DRV-OPS-01, IOMMU-DRV-MAP-01, -06 */
	assert_int_equal(viommu_driver_map(&t.d, 0x1000, 0x1fff, 0xa000, VIOMMU_MAP_F_READ), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_int_equal(script_last(t.f)->len, sizeof map_bytes);
	assert_memory_equal(script_last(t.f)->bytes, map_bytes, sizeof map_bytes);
	/* IOMMU-DRV-UNMAP-01 */
	assert_int_equal(viommu_driver_unmap(&t.d, 0x1000, 0x1fff), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_int_equal(script_last(t.f)->len, sizeof unmap_bytes);
	assert_memory_equal(script_last(t.f)->bytes, unmap_bytes, sizeof unmap_bytes);
	driver_teardown(t.f);
}

/* IOMMU-DRV-MAP-04, -06: the flags are the caller's. */
static void test_driver_map__every_field__reaches_its_place(void **state)
{
	struct driver_options o;
	struct one t;
	const struct seen_request *r;

	(void)state;
	driver_options_init(&o);
	o.space.domain_first = 0x81828384;
	set_up(&t, &o);
	assert_int_equal(viommu_driver_map(&t.d, UINT64_C(0x8182838485868000), UINT64_C(0x8182838485888fff),
					   UINT64_C(0x9192939495969000), 7),
			 VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	r = script_last(t.f);
	assert_int_equal(r->request.u.map.domain, 0x81828384);
	assert_true(r->request.u.map.virt_start == UINT64_C(0x8182838485868000));
	assert_true(r->request.u.map.virt_end == UINT64_C(0x8182838485888fff));
	assert_true(r->request.u.map.phys_start == UINT64_C(0x9192939495969000));
	assert_int_equal(r->request.u.map.flags, 7);
	assert_record_is_model(t.f, &t.d);
	driver_teardown(t.f);
}

/* Refused calls */

/* INF-09 */
static void test_driver_map__bad_arguments__are_refused_and_nothing_is_sent(void **state)
{
	static const struct {
		uint64_t first, last, phys;
		uint32_t flags;
		enum viommu_result expected;
	} table[] = {
		{ 0x2000, 0x1fff, 0, RW, VIOMMU_E_ARG },
		{ UINT64_MAX, 0, 0, RW, VIOMMU_E_ARG },
		{ 0x2000, 0x2fff, 0, 8, VIOMMU_E_ARG },
		{ 0x2000, 0x2fff, 0, 0x80000001, VIOMMU_E_ARG },
		{ 0x2000, 0x3fff, UINT64_MAX - 0xfff, RW, VIOMMU_E_ARG },
		{ 0x2000, 0x2fff, UINT64_MAX - 0xfff, RW, VIOMMU_OK }, /* ends at the last byte */
		{ 0x2001, 0x2fff, 0, RW, VIOMMU_E_RANGE },
		{ 0x2000, 0x2ffe, 0, RW, VIOMMU_E_RANGE },
		{ 0x2000, 0x3000, 0, RW, VIOMMU_E_RANGE },
		{ 0x2000, 0x2fff, 0x10, RW, VIOMMU_E_RANGE },
		{ 0x2800, 0x2800, 0, RW, VIOMMU_E_RANGE }, /* IOMMU-DRV-MAP-03 */
		{ 0xf000, 0xffff, 0, RW, VIOMMU_E_RANGE }, /* below input_range: IOMMU-DRV-OPS-04 */
		{ 0xf000, 0x10fff, 0, RW, VIOMMU_E_RANGE },
		{ 0xfff000, 0x1000fff, 0, RW, VIOMMU_E_RANGE },
		{ 0x1000000, 0x1000fff, 0, RW, VIOMMU_E_RANGE },
		{ 0, UINT64_MAX, 0, RW, VIOMMU_E_RANGE },
		{ 0x10000, 0x10fff, 0, RW, VIOMMU_OK },
		{ 0xfff000, 0xffffff, 0, RW, VIOMMU_OK },
		{ 0x12000, 0x12fff, 0, 0, VIOMMU_OK }, /* no access at all is no error */
		{ 0x20000, 0x20fff, 0, RW, VIOMMU_E_EXISTS },
		{ 0x1f000, 0x20fff, 0, RW, VIOMMU_E_EXISTS },
		{ 0x10000, 0xffffff, 0, RW, VIOMMU_E_EXISTS },
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof table / sizeof table[0]; i++) {
		bool attached = i % 2 == 0;
		uint64_t first = table[i / 2].first, last = table[i / 2].last;
		struct driver_options o;
		struct one t;
		uint32_t before;

		driver_options_init(&o);
		o.space.input_range = (struct viommu_range){ 0x10000, 0xffffff };
		if (first < 0x8000 && last < 0x8000)
			first += 0x10000, last += 0x10000;
		set_up(&t, &o);
		if (!attached)
			assert_int_equal(viommu_driver_detach(&t.e, NULL), VIOMMU_OK);
		assert_int_equal(map_page(&t.d, 0x20), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
		before = t.f->script.count;
		assert_int_equal(viommu_driver_map(&t.d, first, last, table[i / 2].phys, table[i / 2].flags),
				 table[i / 2].expected);
		assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
		assert_int_equal(t.f->script.count - before, attached && table[i / 2].expected == VIOMMU_OK ? 1 : 0);
		if (attached)
			assert_record_is_model(t.f, &t.d);
		else
			assert_int_equal(record_count(&t.d), table[i / 2].expected == VIOMMU_OK ? 2 : 1);
		driver_teardown(t.f);
	}
}

/* IOMMU-DRV-MAP-07 */
static void test_driver_map__mmio_not_negotiated__is_refused(void **state)
{
	struct driver_options o;
	struct one t;

	(void)state;
	driver_options_init(&o);
	o.offered &= ~VIOMMU_F_MMIO;
	set_up(&t, &o);
	assert_int_equal(viommu_driver_map(&t.d, 0, PAGE - 1, 0, RW | VIOMMU_MAP_F_MMIO), VIOMMU_E_UNSUPP);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_int_equal(t.f->script.count, 0);
	driver_teardown(t.f);
}

static void test_driver_unmap__bad_arguments__are_refused_and_nothing_is_sent(void **state)
{
	/* Mapped: pages 0x20 to 0x23 as one, and page 0x25. */
	static const struct {
		uint64_t first, last;
		enum viommu_result expected;
		uint32_t left;
	} table[] = {
		{ 0x24000, 0x20000, VIOMMU_E_ARG, 2 },
		{ 0xf000, 0x24fff, VIOMMU_E_RANGE, 2 }, /* IOMMU-DRV-OPS-04 */
		{ 0x20000, 0x1000000, VIOMMU_E_RANGE, 2 },
		{ 0, UINT64_MAX, VIOMMU_E_RANGE, 2 },
		{ 0x20000, 0x22fff, VIOMMU_E_RANGE, 2 }, /* IOMMU-DRV-UNMAP-05 */
		{ 0x20000, 0x23ffe, VIOMMU_E_RANGE, 2 },
		{ 0x20001, 0x23fff, VIOMMU_E_RANGE, 2 }, /* IOMMU-DRV-UNMAP-04 */
		{ 0x21000, 0x22fff, VIOMMU_E_RANGE, 2 },
		{ 0x22000, 0x25fff, VIOMMU_E_RANGE, 2 },
		{ 0x20000, 0x25800, VIOMMU_E_RANGE, 2 },
		{ 0x20000, 0x23fff, VIOMMU_OK, 1 }, /* IOMMU-DRV-UNMAP-02 */
		{ 0x1ffff, 0x24000, VIOMMU_OK, 1 },
		{ 0x10000, 0xffffff, VIOMMU_OK, 0 }, /* IOMMU-DRV-UNMAP-03 */
		{ 0x24000, 0x24fff, VIOMMU_OK, 2 },
		{ 0x24000, 0x25fff, VIOMMU_OK, 1 },
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof table / sizeof table[0]; i++) {
		bool attached = i % 2 == 0;
		struct driver_options o;
		struct one t;

		driver_options_init(&o);
		o.space.input_range = (struct viommu_range){ 0x10000, 0xffffff };
		set_up(&t, &o);
		if (!attached)
			assert_int_equal(viommu_driver_detach(&t.e, NULL), VIOMMU_OK);
		assert_int_equal(viommu_driver_map(&t.d, 0x20000, 0x23fff, 0, RW), VIOMMU_OK);
		assert_int_equal(viommu_driver_map(&t.d, 0x25000, 0x25fff, 0, RW), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
		assert_int_equal(viommu_driver_unmap(&t.d, table[i / 2].first, table[i / 2].last),
				 table[i / 2].expected);
		assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
		assert_int_equal(script_count(t.f, VIOMMU_T_UNMAP), attached && table[i / 2].expected == VIOMMU_OK);
		assert_int_equal(record_count(&t.d), table[i / 2].left);
		if (attached)
			assert_record_is_model(t.f, &t.d);
		driver_teardown(t.f);
	}
}

static void test_driver_map__ends_of_the_address_space__are_ordinary(void **state)
{
	struct one t;
	uint64_t phys;
	struct viommu_mapping m;

	(void)state;
	set_up(&t, NULL);
	assert_int_equal(viommu_driver_map(&t.d, UINT64_MAX - 0xfff, UINT64_MAX, 0x5000, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_map(&t.d, 0, 0xfff, UINT64_MAX - 0xfff, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_record_is_model(t.f, &t.d);
	assert_int_equal(viommu_driver_iova_to_phys(&t.d, UINT64_MAX, &phys), VIOMMU_OK);
	assert_int_equal(phys, 0x5fff);
	assert_int_equal(viommu_driver_iova_to_phys(&t.d, 0xfff, &phys), VIOMMU_OK);
	assert_true(phys == UINT64_MAX);
	assert_int_equal(viommu_driver_iova_to_phys(&t.d, 0x1000, &phys), VIOMMU_E_NOENT);
	assert_int_equal(viommu_driver_iova_to_phys(&t.d, UINT64_MAX - 0x1000, &phys), VIOMMU_E_NOENT);
	assert_true(viommu_driver_next_mapping(&t.d, 1, &m));
	assert_int_equal(m.first, 0);
	assert_true(viommu_driver_next_mapping(&t.d, 0x1000, &m));
	assert_true(m.last == UINT64_MAX);
	assert_int_equal(viommu_driver_unmap(&t.d, 0, UINT64_MAX), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_int_equal(record_count(&t.d), 0);

	assert_int_equal(viommu_driver_map(&t.d, 0, UINT64_MAX, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_record_is_model(t.f, &t.d);
	assert_int_equal(viommu_driver_iova_to_phys(&t.d, UINT64_C(0x123456789abcdef0), &phys), VIOMMU_OK);
	assert_true(phys == UINT64_C(0x123456789abcdef0));
	assert_int_equal(viommu_driver_map(&t.d, 0x1000, 0x1fff, 0, RW), VIOMMU_E_EXISTS);
	assert_int_equal(viommu_driver_unmap(&t.d, 0, UINT64_MAX - 1), VIOMMU_E_RANGE);
	assert_int_equal(viommu_driver_unmap(&t.d, 0, UINT64_MAX), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_record_is_model(t.f, &t.d);
	driver_teardown(t.f);
}

static void test_driver_map__no_nodes_left__is_nomem_until_memory_is_added(void **state)
{
	static uint8_t more[200 * VIOMMU_MAP_NODE_SIZE];
	struct driver_options o;
	struct one t;
	uint64_t page = 0;
	enum viommu_result result;

	(void)state;
	driver_options_init(&o);
	o.nodes = 8;
	set_up(&t, &o);
	while ((result = map_page(&t.d, page * 0x100001)) == VIOMMU_OK)
		page++;
	assert_int_equal(result, VIOMMU_E_NOMEM);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_int_equal(t.f->script.count, page);
	assert_record_is_model(t.f, &t.d);
	assert_int_equal(viommu_driver_add_memory(&t.f->drv, more, 10), VIOMMU_E_ARG);
	assert_int_equal(viommu_driver_add_memory(&t.f->drv, more, sizeof more), VIOMMU_OK);
	assert_int_equal(map_page(&t.d, page * 0x100001), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_record_is_model(t.f, &t.d);
	driver_teardown(t.f);
}

/* The driver of an embedder without any of the optional hooks. */
static void test_driver__without_optional_hooks__works(void **state)
{
	struct driver_options o;
	struct driver_fixture *f;
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;
	struct viommu_driver_failure failure;
	const struct viommu_wire_fault fault = { VIOMMU_FAULT_R_DOMAIN, 0, 8, 0 };

	(void)state;
	driver_options_init(&o);
	o.locks = false;
	f = driver_setup(&o);
	f->ops.failed = NULL;
	f->ops.fault = NULL;
	assert_int_equal(driver_start(f), VIOMMU_OK);
	domain_up(f, &d, &e, 8);
	assert_int_equal(viommu_driver_map(&d, 0, PAGE - 1, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_detach(&e, NULL), VIOMMU_OK);
	assert_true(script_fault(f, &fault));
	assert_false(viommu_driver_process(&f->drv, 8));
	assert_int_equal(viommu_driver_get_stats(&f->drv)->faults, 1);
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
	f->script.stalled = true;
	assert_int_equal(viommu_driver_map(&d, PAGE, 2 * PAGE - 1, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, &failure), VIOMMU_E_TIMEOUT);
	assert_int_equal(failure.first, PAGE);
	driver_teardown(f);
}

/* Posting */

static void test_driver_map__not_synced__is_not_visible(void **state)
{
	struct one t;

	(void)state;
	set_up(&t, NULL);
	for (uint64_t i = 0; i < 32; i++)
		assert_int_equal(map_page(&t.d, i), VIOMMU_OK);
	for (uint64_t i = 0; i < 31; i++)
		assert_int_equal(unmap_pages(&t.d, i, i), VIOMMU_OK);
	device_run(t.f);
	assert_int_equal(t.f->script.count, 0);
	assert_int_equal(t.f->kicks[VIOMMU_QUEUE_REQUEST], 0);
	assert_int_equal(t.f->waits, 0);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_int_equal(t.f->script.count, 63);
	assert_int_equal(t.f->kicks[VIOMMU_QUEUE_REQUEST], 1);
	assert_record_is_model(t.f, &t.d);
	driver_teardown(t.f);
}

static void test_driver_sync__batch_of_32__kicks_once(void **state)
{
	struct one t;

	(void)state;
	for (int event_idx = 0; event_idx < 2; event_idx++) {
		struct driver_options o;
		uint32_t before;

		driver_options_init(&o);
		if (event_idx == 0)
			o.offered &= ~VIOMMU_F_EVENT_IDX;
		set_up(&t, &o);
		before = viommu_driver_get_stats(&t.f->drv)->kicks;
		for (uint64_t round = 0; round < 10; round++) {
			for (uint64_t i = 0; i < 32; i++)
				assert_int_equal(map_page(&t.d, round * 32 + i), VIOMMU_OK);
			assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
			assert_int_equal(t.f->kicks[VIOMMU_QUEUE_REQUEST], round + 1);
			assert_int_equal(viommu_driver_get_stats(&t.f->drv)->kicks - before, round + 1);
		}
		/* Nothing to do: nothing happens. */
		assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
		assert_int_equal(t.f->kicks[VIOMMU_QUEUE_REQUEST], 10);
		driver_teardown(t.f);
	}
}

static void test_driver_sync__fresh_and_empty_domains__are_fine(void **state)
{
	struct one t;
	struct viommu_driver_domain fresh;

	(void)state;
	set_up(&t, NULL);
	assert_int_equal(viommu_driver_domain_init(&fresh, &t.f->drv, VIOMMU_DOMAIN_ANY, false), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&fresh, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_map(&fresh, 0, PAGE - 1, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&fresh, NULL), VIOMMU_OK);
	assert_int_equal(t.f->script.count, 0);
	driver_teardown(t.f);
}

static void test_driver_map__more_than_fits__goes_on_by_itself(void **state)
{
	struct one t;

	(void)state;
	for (int indirect = 0; indirect < 2; indirect++) {
		struct driver_options o;
		struct viommu_driver_limits l;

		driver_options_init(&o);
		if (!indirect)
			o.offered &= ~VIOMMU_F_INDIRECT_DESC;
		set_up(&t, &o);
		viommu_driver_get_limits(&t.f->drv, &l);
		for (uint64_t i = 0; i < 1000; i++)
			assert_int_equal(map_page(&t.d, i), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
		assert_int_equal(t.f->script.count, 1000);
		assert_record_is_model(t.f, &t.d);
		/* One kick for each queue full. */
		assert_true(t.f->kicks[VIOMMU_QUEUE_REQUEST] <= (1000 + l.slots - 1) / l.slots);
		driver_teardown(t.f);
	}
}

/* A queue full of another domain's requests, which nobody has published yet. */
static void test_driver_map__queue_full_of_others__publishes_theirs(void **state)
{
	struct one t;
	struct viommu_driver_domain other;
	struct viommu_driver_endpoint endpoint;

	(void)state;
	set_up(&t, NULL);
	domain_up(t.f, &other, &endpoint, 9);
	for (uint64_t i = 0; i < 64; i++)
		assert_int_equal(map_page(&t.d, i), VIOMMU_OK);
	assert_int_equal(viommu_driver_map(&other, 0, PAGE - 1, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_unmap(&other, 0, PAGE - 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&other, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_record_is_model(t.f, &t.d);
	assert_record_is_model(t.f, &other);
	driver_teardown(t.f);
}

/* Bad answers */

static void test_driver_sync__kth_map_of_a_batch_rejected__is_reported_and_not_recorded(void **state)
{
	struct one t;

	(void)state;
	victims_verdict = VERDICT_STATUS(VIOMMU_S_NOMEM);
	for (uint32_t k = 0; k < 32; k++) {
		struct viommu_driver_failure failure;

		set_up(&t, NULL);
		t.f->script.decide = spoil_one;
		victim = k;
		for (uint64_t i = 0; i < 32; i++)
			assert_int_equal(map_page(&t.d, i), VIOMMU_OK);
		memset(&failure, 0xee, sizeof failure);
		assert_int_equal(viommu_driver_sync(&t.d, &failure), VIOMMU_E_REJECTED);
		assert_int_equal(failure.result, VIOMMU_E_REJECTED);
		assert_int_equal(failure.type, VIOMMU_T_MAP);
		assert_int_equal(failure.status, VIOMMU_S_NOMEM);
		assert_false(failure.uncertain);
		assert_int_equal(failure.first, k * PAGE);
		assert_int_equal(failure.last, k * PAGE + PAGE - 1);
		assert_int_equal(t.f->failure_count, 1);
		assert_memory_equal(&t.f->failures[0].first, &failure.first, sizeof failure.first);
		assert_ptr_equal(t.f->failed_domain, &t.d);
		assert_false(is_mapped(&t.d, k));
		assert_record_is_model(t.f, &t.d);
		assert_int_equal(viommu_driver_get_stats(&t.f->drv)->statuses[VIOMMU_S_NOMEM], 1);
		/* Reported once. */
		assert_int_equal(viommu_driver_sync(&t.d, &failure), VIOMMU_OK);
		assert_int_equal(map_page(&t.d, k), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&t.d, &failure), VIOMMU_OK);
		assert_record_is_model(t.f, &t.d);
		driver_teardown(t.f);
	}
}

static struct verdict reject_odd_maps(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number)
{
	(void)f;
	(void)number;
	return r->type == VIOMMU_T_MAP && (r->u.map.virt_start & PAGE) != 0 ? VERDICT_STATUS(VIOMMU_S_INVAL)
									    : VERDICT_HONEST;
}

static void test_driver_sync__many_failures__reports_the_first_and_the_hook_hears_all(void **state)
{
	struct one t;
	struct viommu_driver_failure failure;

	(void)state;
	set_up(&t, NULL);
	t.f->script.decide = reject_odd_maps;
	/* More than the queue holds, so that some fail while map waits for a slot: none of those is lost. */
	for (uint64_t i = 0; i < 200; i++)
		assert_int_equal(map_page(&t.d, i), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, &failure), VIOMMU_E_REJECTED);
	assert_int_equal(failure.first, PAGE);
	assert_int_equal(t.f->failure_count, 100);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(t.f->failures[i].first, (2 * i + 1) * PAGE);
	assert_int_equal(record_count(&t.d), 100);
	assert_record_is_model(t.f, &t.d);
	assert_int_equal(viommu_driver_sync(&t.d, &failure), VIOMMU_OK);
	driver_teardown(t.f);
}

static void test_driver_sync__failures_of_another_domain__are_not_ours(void **state)
{
	struct one t;
	struct viommu_driver_domain other;
	struct viommu_driver_endpoint endpoint;

	(void)state;
	set_up(&t, NULL);
	domain_up(t.f, &other, &endpoint, 9);
	t.f->script.decide = reject_odd_maps;
	assert_int_equal(map_page(&t.d, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_map(&other, 0, PAGE - 1, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&other, NULL), VIOMMU_OK);
	assert_int_equal(t.f->failure_count, 1);
	assert_ptr_equal(t.f->failed_domain, &t.d);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_E_REJECTED);
	driver_teardown(t.f);
}

static void test_driver_unmap__rejected__leaves_the_range_uncertain_until_one_is_confirmed(void **state)
{
	struct one t;
	struct viommu_driver_failure failure;

	(void)state;
	set_up(&t, NULL);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(map_page(&t.d, i), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	victim = t.f->script.count;
	victims_verdict = VERDICT_STATUS(VIOMMU_S_DEVERR);
	t.f->script.decide = spoil_one;
	assert_int_equal(unmap_pages(&t.d, 1, 2), VIOMMU_OK);
	/* Not confirmed yet. */
	assert_true(is_mapped(&t.d, 1));
	assert_int_equal(viommu_driver_sync(&t.d, &failure), VIOMMU_E_REJECTED);
	assert_int_equal(failure.type, VIOMMU_T_UNMAP);
	assert_int_equal(failure.status, VIOMMU_S_DEVERR);
	assert_true(failure.uncertain);
	assert_int_equal(failure.first, PAGE);
	assert_int_equal(failure.last, 3 * PAGE - 1);
	assert_int_equal(viommu_driver_get_stats(&t.f->drv)->uncertain, 1);
	assert_int_equal(record_count(&t.d), 4);
	assert_int_equal(map_page(&t.d, 1), VIOMMU_E_EXISTS);
	assert_int_equal(map_page(&t.d, 2), VIOMMU_E_EXISTS);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	/* The flag that says so is nobody's business. */
	for (uint64_t i = 0; i < 4; i++) {
		struct viommu_mapping m;

		assert_true(viommu_driver_next_mapping(&t.d, i * PAGE, &m));
		assert_int_equal(m.flags, RW);
	}
	assert_int_equal(unmap_pages(&t.d, 1, 1), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_int_equal(map_page(&t.d, 1), VIOMMU_OK);
	assert_int_equal(map_page(&t.d, 2), VIOMMU_E_EXISTS);
	assert_int_equal(unmap_pages(&t.d, 0, 9), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	assert_record_is_model(t.f, &t.d);
	assert_int_equal(record_count(&t.d), 0);
	driver_teardown(t.f);
}

/*
 * IOMMU-DRV-OPS-03, VQ-DRV-USED-01: the status byte says OK, but the length says that it was not written.
 */
static void test_driver_sync__used_length_without_status__is_a_failure(void **state)
{
	(void)state;
	for (uint32_t used = 0; used < 8; used++) {
		for (int is_map = 0; is_map < 2; is_map++) {
			struct one t;
			struct viommu_driver_failure failure;

			set_up(&t, NULL);
			if (!is_map) {
				assert_int_equal(map_page(&t.d, 5), VIOMMU_OK);
				assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
			}
			t.f->script.decide = spoil_one;
			victim = t.f->script.count;
			victims_verdict = VERDICT_USED(used == 7 ? UINT32_MAX : used);
			victims_verdict.status = VIOMMU_S_OK;
			assert_int_equal(is_map ? map_page(&t.d, 5) : unmap_pages(&t.d, 5, 5), VIOMMU_OK);
			if (used >= 4) {
				/* Too much is cut. */
				assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
				assert_record_is_model(t.f, &t.d);
				driver_teardown(t.f);
				continue;
			}
			assert_int_equal(viommu_driver_sync(&t.d, &failure), VIOMMU_E_PEER);
			assert_int_equal(failure.result, VIOMMU_E_PEER);
			assert_int_equal(failure.type, is_map ? VIOMMU_T_MAP : VIOMMU_T_UNMAP);
			assert_true(failure.uncertain);
			assert_int_equal(failure.first, 5 * PAGE);
			assert_int_equal(viommu_driver_get_stats(&t.f->drv)->unanswered, 1);
			assert_int_equal(viommu_driver_get_stats(&t.f->drv)->uncertain, 1);
			assert_int_equal(map_page(&t.d, 5), VIOMMU_E_EXISTS);
			assert_int_equal(unmap_pages(&t.d, 5, 5), VIOMMU_OK);
			assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
			assert_int_equal(map_page(&t.d, 5), VIOMMU_OK);
			assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
			assert_record_is_model(t.f, &t.d);
			driver_teardown(t.f);
		}
	}
}

static void test_driver_sync__any_status_but_ok__is_an_error(void **state)
{
	(void)state;
	/* 0xff stands there before: see test_driver_outcome.c. */
	for (int status = 1; status < 255; status++) {
		struct one t;
		struct viommu_driver_failure failure;
		uint32_t before;

		set_up(&t, NULL);
		before = viommu_driver_get_stats(&t.f->drv)->statuses[VIOMMU_S_IOERR];
		t.f->script.decide = spoil_one;
		victim = 0;
		victims_verdict = VERDICT_STATUS(status);
		assert_int_equal(map_page(&t.d, 5), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&t.d, &failure), VIOMMU_E_REJECTED);
		assert_int_equal(failure.status, status);
		assert_int_equal(record_count(&t.d), 0);
		if (status == VIOMMU_S_IOERR || status >= VIOMMU_S_COUNT)
			assert_int_equal(viommu_driver_get_stats(&t.f->drv)->statuses[VIOMMU_S_IOERR], before + 1);
		else
			assert_int_equal(viommu_driver_get_stats(&t.f->drv)->statuses[status], 1);
		driver_teardown(t.f);
	}
}

/* A device that completes without writing: the bytes in the reply must not be what was there before. */
static struct verdict write_nothing(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number)
{
	(void)f;
	(void)r;
	(void)number;
	return VERDICT_HOLD;
}

static void test_driver_sync__used_entry_without_any_write__does_not_read_as_an_answer(void **state)
{
	struct one t;

	(void)state;
	set_up(&t, NULL);
	/* Leave OK in every slot's reply. */
	for (uint64_t i = 0; i < 128; i++)
		assert_int_equal(map_page(&t.d, i), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	t.f->script.decide = write_nothing;
	assert_int_equal(map_page(&t.d, 200), VIOMMU_OK);
	t.f->patience = 2;
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_E_TIMEOUT);
	assert_int_equal(map_page(&t.d, 201), VIOMMU_OK);
	(void)!viommu_driver_sync(&t.d, NULL);
	assert_int_equal(t.f->script.held_count, 2);
	driver_teardown(t.f);

	set_up(&t, NULL);
	for (uint64_t i = 0; i < 128; i++)
		assert_int_equal(map_page(&t.d, i), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	t.f->script.decide = write_nothing;
	t.f->script.held_count = 0;
	assert_int_equal(map_page(&t.d, 200), VIOMMU_OK);
	t.f->patience = 2;
	/* Published by the sync of another domain, so that the request is not given up. */
	{
		struct viommu_driver_domain other;
		struct viommu_driver_endpoint endpoint;
		struct held_request *h;

		assert_int_equal(viommu_driver_domain_init(&other, &t.f->drv, VIOMMU_DOMAIN_ANY, false), VIOMMU_OK);
		t.f->script.stalled = true;
		assert_int_equal(viommu_driver_endpoint_init(&endpoint, &t.f->drv, 9, NULL, 0), VIOMMU_E_TIMEOUT);
		t.f->script.stalled = false;
		device_run(t.f);
		assert_int_equal(t.f->script.held_count, 2);
		h = &t.f->script.held[0];
		assert_int_equal(viommu_virtq_device_push(&t.f->script.queues[0], h->head, h->used), VIOMMU_OK);
		(void)viommu_virtq_device_publish(&t.f->script.queues[0]);
		assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_E_PEER);
		driver_teardown(t.f); /* while the domain is there */
	}
}

/* Queries */

static void test_driver_next_mapping__walk__visits_each_once_in_order(void **state)
{
	struct one t;
	struct viommu_mapping m;
	uint64_t from = 0;

	(void)state;
	set_up(&t, NULL);
	assert_false(viommu_driver_next_mapping(&t.d, 0, &m));
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(viommu_driver_map(&t.d, i * 3 * PAGE, i * 3 * PAGE + 2 * PAGE - 1, i * PAGE,
						   1 + (uint32_t)i % 3),
				 VIOMMU_OK);
	for (uint64_t i = 0; i < 10; i++) {
		assert_true(viommu_driver_next_mapping(&t.d, from, &m));
		assert_int_equal(m.first, i * 3 * PAGE);
		assert_int_equal(m.last, i * 3 * PAGE + 2 * PAGE - 1);
		assert_int_equal(m.phys, i * PAGE);
		assert_int_equal(m.flags, 1 + i % 3);
		from = m.last + 1;
	}
	assert_false(viommu_driver_next_mapping(&t.d, from, &m));
	driver_teardown(t.f);
}

static void test_driver_process__completions__are_taken_without_sync(void **state)
{
	struct one t;
	struct viommu_driver_domain other;
	struct viommu_driver_endpoint endpoint;

	(void)state;
	set_up(&t, NULL);
	domain_up(t.f, &other, &endpoint, 9);
	t.f->script.decide = reject_odd_maps;
	assert_int_equal(map_page(&t.d, 1), VIOMMU_OK);
	t.f->script.stalled = true;
	t.f->patience = 1;
	assert_int_equal(viommu_driver_map(&other, 0, PAGE - 1, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&other, NULL), VIOMMU_E_TIMEOUT);
	t.f->script.stalled = false;
	device_run(t.f);
	assert_true(is_mapped(&t.d, 1));
	/* A budget is one of fault reports. */
	(void)viommu_driver_process(&t.f->drv, 0);
	assert_false(is_mapped(&t.d, 1));
	(void)viommu_driver_process(&t.f->drv, 1);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_E_REJECTED);
	driver_teardown(t.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_map__sample_requests__are_these_bytes),
		cmocka_unit_test(test_driver_map__every_field__reaches_its_place),
		cmocka_unit_test(test_driver_map__bad_arguments__are_refused_and_nothing_is_sent),
		cmocka_unit_test(test_driver_map__mmio_not_negotiated__is_refused),
		cmocka_unit_test(test_driver_unmap__bad_arguments__are_refused_and_nothing_is_sent),
		cmocka_unit_test(test_driver_map__ends_of_the_address_space__are_ordinary),
		cmocka_unit_test(test_driver_map__no_nodes_left__is_nomem_until_memory_is_added),
		cmocka_unit_test(test_driver__without_optional_hooks__works),
		cmocka_unit_test(test_driver_map__not_synced__is_not_visible),
		cmocka_unit_test(test_driver_sync__batch_of_32__kicks_once),
		cmocka_unit_test(test_driver_sync__fresh_and_empty_domains__are_fine),
		cmocka_unit_test(test_driver_map__more_than_fits__goes_on_by_itself),
		cmocka_unit_test(test_driver_map__queue_full_of_others__publishes_theirs),
		cmocka_unit_test(test_driver_sync__kth_map_of_a_batch_rejected__is_reported_and_not_recorded),
		cmocka_unit_test(test_driver_sync__many_failures__reports_the_first_and_the_hook_hears_all),
		cmocka_unit_test(test_driver_sync__failures_of_another_domain__are_not_ours),
		cmocka_unit_test(test_driver_unmap__rejected__leaves_the_range_uncertain_until_one_is_confirmed),
		cmocka_unit_test(test_driver_sync__used_length_without_status__is_a_failure),
		cmocka_unit_test(test_driver_sync__any_status_but_ok__is_an_error),
		cmocka_unit_test(test_driver_sync__used_entry_without_any_write__does_not_read_as_an_answer),
		cmocka_unit_test(test_driver_next_mapping__walk__visits_each_once_in_order),
		cmocka_unit_test(test_driver_process__completions__are_taken_without_sync),
	};

	return suite_run(tests);
}
