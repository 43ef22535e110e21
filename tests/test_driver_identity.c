/* SPDX-License-Identifier: BSD-3-Clause */
/* test_driver_identity.c: identity domains by mappings, around what is reserved; and doorbells of endpoints. */
#include <viommu/dma.h>

#include "driver_pages.h"
#include "suite.h"

#define RESERVED(first, last)                                                                                          \
	{                                                                                                              \
		{ (first), (last) }, VIOMMU_RESV_MEM_RESERVED                                                          \
	}
#define MSI(first, last)                                                                                               \
	{                                                                                                              \
		{ (first), (last) }, VIOMMU_RESV_MEM_MSI                                                               \
	}

/* As if PROBE had given them. */
static void reserve(struct viommu_driver_endpoint *e, struct viommu_resv_region *regions, uint32_t count)
{
	e->regions = regions;
	e->region_count = count;
}

static void assert_identity(struct viommu_driver_domain *d, const struct viommu_range *ranges, size_t count)
{
	struct viommu_mapping m = { 0 };
	uint64_t from = 0;

	for (size_t i = 0; i < count; i++) {
		assert_true(viommu_driver_next_mapping(d, from, &m));
		assert_true(m.first == ranges[i].first && m.last == ranges[i].last && m.phys == m.first);
		assert_int_equal(m.flags, RW);
		from = m.last + 1;
	}
	if (m.last != UINT64_MAX)
		assert_false(viommu_driver_next_mapping(d, from, &m));
}

static void test_driver_map_identity__nothing_reserved__is_one_mapping(void **state)
{
	static const struct viommu_range all[] = { { 0, UINT64_MAX } };
	struct one t;
	viommu_gpa phys;

	(void)state;
	set_up(&t, NULL);
	assert_int_equal(viommu_driver_map_identity(&t.d, NULL, 0, UINT64_MAX, RW), VIOMMU_OK);
	assert_identity(&t.d, all, 1);
	assert_int_equal(script_count(t.f, VIOMMU_T_MAP), 1);
	assert_record_is_model(t.f, &t.d);
	assert_int_equal(viommu_driver_iova_to_phys(&t.d, 0x1234567, &phys), VIOMMU_OK);
	assert_int_equal(phys, 0x1234567);
	driver_teardown(t.f);
}

/* Regions of both, in any order, overlapping, touching, at both ends, and not of whole granules. */
static void test_driver_map_identity__regions__are_left_out(void **state)
{
	static const struct viommu_range pieces[] = {
		{ 0x2000, 0x3fff },
		{ 0x8000, 0xfedfffff },
		{ 0xfef01000, 0xffffffffffffcfff },
	};
	struct viommu_resv_region of_one[] = {
		MSI(0xfee00000, 0xfef00000),                   /* one byte of its last granule */
		RESERVED(0, 0x1fff), RESERVED(0x5fff, 0x6000), /* touches two */
	};
	struct viommu_resv_region of_another[] = {
		RESERVED(0x4000, 0x5000),
		RESERVED(0x7000, 0x7fff),
		RESERVED(0xffffffffffffd800, UINT64_MAX),
	};
	struct viommu_driver_endpoint joining;
	struct one t;

	(void)state;
	set_up(&t, NULL);
	endpoint_up(t.f, &joining, 9);
	reserve(&t.e, of_one, 3);
	reserve(&joining, of_another, 3);
	assert_int_equal(viommu_driver_map_identity(&t.d, &joining, 0, UINT64_MAX, RW), VIOMMU_OK);
	assert_identity(&t.d, pieces, 3);
	assert_record_is_model(t.f, &t.d);
	/* Nothing is in the way of the one that joins. */
	assert_int_equal(viommu_driver_attach(&t.d, &joining, NULL), VIOMMU_OK);
	driver_teardown(t.f);
}

static void test_driver_map_identity__ends_within_regions__only_what_is_between(void **state)
{
	static const struct viommu_range pieces[] = { { 0x6000, 0x9fff } };
	struct viommu_resv_region regions[] = { RESERVED(0xa000, 0xffff), RESERVED(0x1000, 0x5fff) };
	struct one t;

	(void)state;
	set_up(&t, NULL);
	reserve(&t.e, regions, 2);
	assert_int_equal(viommu_driver_map_identity(&t.d, NULL, 0x3000, 0xbfff, RW), VIOMMU_OK);
	assert_identity(&t.d, pieces, 1);
	assert_int_equal(viommu_driver_unmap(&t.d, 0, 0xffff), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	/* What is reserved behind the end is not of interest. */
	assert_int_equal(viommu_driver_map_identity(&t.d, NULL, 0x6000, 0x7fff, RW), VIOMMU_OK);
	assert_identity(&t.d, &(struct viommu_range){ 0x6000, 0x7fff }, 1);
	driver_teardown(t.f);
}

static void test_driver_map_identity__all_is_reserved__nothing_is_mapped(void **state)
{
	struct viommu_resv_region regions[] = { RESERVED(0x1000, 0x8fff) };
	struct one t;

	(void)state;
	set_up(&t, NULL);
	reserve(&t.e, regions, 1);
	assert_int_equal(viommu_driver_map_identity(&t.d, NULL, 0x1000, 0x8fff, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_map_identity(&t.d, NULL, 0x2000, 0x5fff, RW), VIOMMU_OK);
	assert_int_equal(t.f->script.count, 0);
	assert_int_equal(record_count(&t.d), 0);
	driver_teardown(t.f);
}

/* Before anybody is attached: memory is never out of reach, and never more is in reach. */
static void test_driver_map_identity__before_the_first_attach__is_replayed(void **state)
{
	struct viommu_resv_region regions[] = { RESERVED(0x4000, 0x4fff) };
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_any(f, &d);
	endpoint_up(f, &e, 8);
	reserve(&e, regions, 1);
	f->script.count = 0;
	assert_int_equal(viommu_driver_map_identity(&d, &e, 0, 0xffffffff, RW), VIOMMU_OK);
	assert_int_equal(f->script.count, 0);
	assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_OK);
	assert_int_equal(script_count(f, VIOMMU_T_MAP), 2);
	assert_record_is_model(f, &d);
	driver_teardown(f);
}

static void test_driver_map_identity__more_pieces_than_slots__all_of_them(void **state)
{
	static struct viommu_resv_region regions[200];
	struct driver_options o;
	struct one t;

	(void)state;
	driver_options_init(&o);
	o.config.queue_size = 4;
	set_up(&t, &o);
	/* Backwards: the order in which PROBE lists them says nothing. */
	for (uint32_t i = 0; i < 200; i++)
		regions[199 - i] = (struct viommu_resv_region)RESERVED((2 * i + 1) * PAGE, (2 * i + 2) * PAGE - 1);
	reserve(&t.e, regions, 200);
	assert_int_equal(viommu_driver_map_identity(&t.d, NULL, 0, 400 * PAGE - 1, RW), VIOMMU_OK);
	assert_int_equal(record_count(&t.d), 200);
	assert_record_is_model(t.f, &t.d);
	driver_teardown(t.f);
}

static void test_driver_map_identity__bad_arguments__are_refused_and_nothing_is_sent(void **state)
{
	struct viommu_resv_region regions[] = { RESERVED(0x10000, 0x1ffff) };
	struct driver_options o;
	struct viommu_driver_domain bypass;
	struct one t;

	(void)state;
	driver_options_init(&o);
	o.space.input_range = (struct viommu_range){ 0x1000, 0xffffffff };
	set_up(&t, &o);
	reserve(&t.e, regions, 1);
	assert_int_equal(viommu_driver_map_identity(&t.d, NULL, 0x2000, 0x1fff, RW), VIOMMU_E_ARG);
	assert_int_equal(viommu_driver_map_identity(&t.d, NULL, 0x15000, 0x11fff, RW), VIOMMU_E_ARG);
	assert_int_equal(viommu_driver_map_identity(&t.d, NULL, 0x2000, 0x2fff, 0x100), VIOMMU_E_ARG);
	assert_int_equal(viommu_driver_map_identity(&t.d, NULL, 0x2001, 0x2fff, RW), VIOMMU_E_RANGE);
	assert_int_equal(viommu_driver_map_identity(&t.d, NULL, 0x2000, 0x2ffe, RW), VIOMMU_E_RANGE);
	assert_int_equal(viommu_driver_map_identity(&t.d, NULL, 0, 0x2fff, RW), VIOMMU_E_RANGE);
	assert_int_equal(viommu_driver_domain_init(&bypass, &t.f->drv, VIOMMU_DOMAIN_ANY, true), VIOMMU_OK);
	assert_int_equal(viommu_driver_map_identity(&bypass, NULL, 0x2000, 0x2fff, RW), VIOMMU_E_STATE);
	assert_int_equal(t.f->script.count, 0);
	assert_int_equal(record_count(&t.d), 0);
	driver_teardown(t.f);
}

/* A refusal on either side, of any piece: none is left, here or there. */
static void test_driver_map_identity__one_piece_fails__none_is_mapped(void **state)
{
	struct viommu_resv_region regions[] = { RESERVED(0x1000, 0x1fff), RESERVED(0x3000, 0x3fff) };

	(void)state;
	for (uint64_t page = 0; page < 6; page += 2) {
		struct one t;

		set_up(&t, NULL);
		reserve(&t.e, regions, 2);
		assert_int_equal(map_page(&t.d, page), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
		assert_int_equal(viommu_driver_map_identity(&t.d, NULL, 0, 0x4fff, RW), VIOMMU_E_EXISTS);
		assert_int_equal(record_count(&t.d), 1);
		assert_true(is_mapped(&t.d, page));
		assert_record_is_model(t.f, &t.d);
		driver_teardown(t.f);

		set_up(&t, NULL);
		reserve(&t.e, regions, 2);
		victim = (uint32_t)(page / 2);
		victims_verdict = VERDICT_STATUS(VIOMMU_S_NOMEM);
		t.f->script.decide = spoil_one;
		assert_int_equal(viommu_driver_map_identity(&t.d, NULL, 0, 0x4fff, RW), VIOMMU_E_REJECTED);
		assert_int_equal(record_count(&t.d), 0);
		assert_record_is_model(t.f, &t.d);
		t.f->script.decide = NULL;
		assert_int_equal(viommu_driver_map_identity(&t.d, NULL, 0, 0x4fff, RW), VIOMMU_OK);
		assert_int_equal(record_count(&t.d), 3);
		driver_teardown(t.f);
	}
}

static void test_driver_map_identity__no_answer__is_uncertain_until_it_is_settled(void **state)
{
	struct viommu_resv_region regions[] = { RESERVED(0x1000, 0x1fff) };
	struct one t;

	(void)state;
	set_up(&t, NULL);
	reserve(&t.e, regions, 1);
	t.f->script.stalled = true;
	assert_int_equal(viommu_driver_map_identity(&t.d, NULL, 0, 0x3fff, RW), VIOMMU_E_TIMEOUT);
	assert_int_equal(record_count(&t.d), 2);
	t.f->script.stalled = false;
	t.f->kicked = true;
	assert_int_equal(viommu_driver_unmap(&t.d, 0, 0x3fff), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_E_TIMEOUT); /* of before */
	assert_int_equal(record_count(&t.d), 0);
	assert_record_is_model(t.f, &t.d);
	driver_teardown(t.f);
}

static struct verdict refuse_then_break(struct driver_fixture *f, const struct viommu_wire_request *request,
					uint32_t number)
{
	(void)request;
	if (number == 0)
		return VERDICT_STATUS(VIOMMU_S_NOMEM);
	script_lie(f, VIOMMU_QUEUE_REQUEST, 0xffffffff, 0, 1);
	return VERDICT_HOLD;
}

/* What was refused is still recorded when the queue breaks, and cannot be unmapped any more: it is nobody's. */
static void test_driver_map_identity__refused_and_the_queue_breaks__is_not_put_back(void **state)
{
	struct viommu_resv_region regions[] = { RESERVED(0x1000, 0x1fff) };
	struct one t;

	(void)state;
	set_up(&t, NULL);
	reserve(&t.e, regions, 1);
	t.f->script.decide = refuse_then_break;
	assert_int_equal(viommu_driver_map_identity(&t.d, NULL, 0, 0x2fff, RW), VIOMMU_E_REJECTED);
	assert_int_equal(record_count(&t.d), 2);
	t.f->script.decide = NULL;
	assert_int_equal(viommu_driver_recover(&t.f->drv), VIOMMU_OK);
	assert_int_equal(record_count(&t.d), 0);
	assert_record_is_model(t.f, &t.d);
	driver_teardown(t.f);
}

/* Doorbells */

static void buffers_up(struct viommu_driver_dma *dma, struct viommu_driver_domain *d)
{
	struct viommu_dma_config c = VIOMMU_DMA_CONFIG_INIT;

	/* The software's MSI window. */
	c.window = (struct viommu_range){ 0x8000000, 0x80fffff };
	assert_int_equal(viommu_driver_dma_init(dma, d, &c), VIOMMU_OK);
}

static void test_driver_dma_map_doorbell__no_msi_region__is_mapped_in_the_window(void **state)
{
	(void)state;
	for (int mmio = 0; mmio < 2; mmio++) {
		struct viommu_resv_region regions[] = { RESERVED(0xfee00000, 0xfeefffff) };
		struct viommu_dma_buffer doorbell = { .phys = 0xfee00040, .len = 4 };
		struct viommu_driver_dma dma;
		struct viommu_mapping m;
		struct driver_options o;
		struct one t;

		driver_options_init(&o);
		o.offered &= mmio ? ALL_ONES : ~VIOMMU_F_MMIO;
		set_up(&t, &o);
		reserve(&t.e, regions, 1);
		buffers_up(&dma, &t.d);
		assert_int_equal(viommu_driver_dma_map_doorbell(&dma, &t.e, &doorbell), VIOMMU_OK);
		assert_int_equal(doorbell.iova, 0x80ff040);
		assert_true(viommu_driver_next_mapping(&t.d, 0, &m));
		assert_true(m.first == 0x80ff000 && m.last == 0x80fffff && m.phys == 0xfee00000);
		assert_int_equal(m.flags, VIOMMU_MAP_F_WRITE | (mmio ? VIOMMU_MAP_F_MMIO : 0));
		assert_record_is_model(t.f, &t.d);
		assert_int_equal(viommu_driver_dma_unmap_doorbell(&dma, &t.e, &doorbell), VIOMMU_OK);
		assert_int_equal(record_count(&t.d), 0);
		driver_teardown(t.f);
	}
}

static void test_driver_dma_map_doorbell__in_the_msi_region__goes_there_untranslated(void **state)
{
	struct viommu_resv_region regions[] = { RESERVED(0, 0xfff), MSI(0xfee00000, 0xfeefffff) };
	static const struct viommu_dma_buffer passing[] = {
		{ .phys = 0xfee00000, .len = 4 },
		{ .phys = 0xfeeffffc, .len = 4 },
		{ .phys = 0xfee00000, .len = 0x100000 },
	};
	static const struct viommu_dma_buffer others[] = {
		{ .phys = 0xfedffffc, .len = 4 },
		{ .phys = 0xfeefffff, .len = 2 },
		{ .phys = 0xfef00000, .len = 4 },
		{ .phys = 0x0, .len = 4 },
	};
	struct viommu_dma_buffer none = { .phys = 0xfee00000, .len = 0 };
	struct viommu_driver_dma dma;
	struct one t;

	(void)state;
	set_up(&t, NULL);
	reserve(&t.e, regions, 2);
	buffers_up(&dma, &t.d);
	for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++) {
		struct viommu_dma_buffer doorbell = passing[i];

		assert_int_equal(viommu_driver_dma_map_doorbell(&dma, &t.e, &doorbell), VIOMMU_OK);
		assert_true(doorbell.iova == doorbell.phys);
		assert_int_equal(viommu_driver_dma_unmap_doorbell(&dma, &t.e, &doorbell), VIOMMU_OK);
	}
	assert_int_equal(t.f->script.count, 0);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		struct viommu_dma_buffer doorbell = others[i];

		assert_int_equal(viommu_driver_dma_map_doorbell(&dma, &t.e, &doorbell), VIOMMU_OK);
		assert_in_range(doorbell.iova, 0x8000000, 0x80fffff);
		assert_int_not_equal(record_count(&t.d), 0);
		assert_int_equal(viommu_driver_dma_unmap_doorbell(&dma, &t.e, &doorbell), VIOMMU_OK);
		assert_int_equal(record_count(&t.d), 0);
	}
	assert_int_equal(viommu_driver_dma_map_doorbell(&dma, &t.e, &none), VIOMMU_E_ARG);
	driver_teardown(t.f);
}

static void test_driver_dma_map_doorbell__bypass_domain__goes_there_untranslated(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_dma_buffer doorbell = { .phys = 0x8000040, .len = 4 };
	struct viommu_driver_domain bypass;
	struct viommu_driver_endpoint e;
	struct viommu_driver_dma dma;

	(void)state;
	assert_int_equal(viommu_driver_domain_init(&bypass, &f->drv, VIOMMU_DOMAIN_ANY, true), VIOMMU_OK);
	endpoint_up(f, &e, 8);
	assert_int_equal(viommu_driver_attach(&bypass, &e, NULL), VIOMMU_OK);
	buffers_up(&dma, &bypass);
	f->script.count = 0;
	assert_int_equal(viommu_driver_dma_map_doorbell(&dma, &e, &doorbell), VIOMMU_OK);
	assert_int_equal(doorbell.iova, 0x8000040);
	assert_int_equal(viommu_driver_dma_unmap_doorbell(&dma, &e, &doorbell), VIOMMU_OK);
	assert_int_equal(f->script.count, 0);
	driver_teardown(f);
}

/* The window that is set aside */

static void test_driver_msi_window__upside_down_or_mapped__is_refused(void **state)
{
	static const struct {
		struct viommu_range window;
		enum viommu_result expected;
	} table[] = {
		{ { 2, 1 }, VIOMMU_E_ARG },        { { 0x5fff, 0x7fff }, VIOMMU_E_EXISTS },
		{ { 0x4000, 0x4fff }, VIOMMU_OK }, /* in front of a mapping */
		{ { 0x6000, 0x7fff }, VIOMMU_OK }, /* behind all of them */
		{ { 0, 0 }, VIOMMU_OK },           /* none, though something is mapped there */
	};
	struct one t;

	(void)state;
	set_up(&t, NULL);
	assert_int_equal(map_page(&t.d, 0), VIOMMU_OK);
	assert_int_equal(map_page(&t.d, 5), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&t.d, NULL), VIOMMU_OK);
	for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++)
		assert_int_equal(viommu_driver_domain_set_msi_window(&t.d, table[i].window), table[i].expected);
	driver_teardown(t.f);
}

/* Buffers keep off it from either end, also where an address was handed out before; doorbells come there. */
static void test_driver_msi_window__buffers__are_kept_off_and_doorbells_are_not(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct viommu_dma_buffer buffer = { .phys = 0x100000, .len = PAGE };
		struct viommu_dma_buffer doorbell = { .phys = 0xfee00040, .len = 4 };
		struct viommu_dma_config c = VIOMMU_DMA_CONFIG_INIT;
		viommu_iova hints[VIOMMU_DMA_CLASSES];
		struct viommu_driver_dma dma, doorbells;
		struct viommu_range window;
		uint64_t seen = 0;
		struct one t;

		set_up(&t, NULL);
		c.window = (struct viommu_range){ 0x1000, 0x5fff };
		c.bottom_up = i == 1;
		c.hints = hints;
		c.hint_count = VIOMMU_DMA_CLASSES;
		assert_int_equal(viommu_driver_dma_init(&dma, &t.d, &c), VIOMMU_OK);
		assert_int_equal(viommu_driver_dma_map(&dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
		assert_int_equal(viommu_driver_dma_unmap(&dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
		window = (struct viommu_range){ buffer.iova, buffer.iova + (PAGE - 1) };
		assert_int_equal(viommu_driver_domain_set_msi_window(&t.d, window), VIOMMU_OK);
		for (unsigned n = 0; n < 4; n++) {
			assert_int_equal(viommu_driver_dma_map(&dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
			seen |= UINT64_C(1) << (buffer.iova / PAGE);
		}
		assert_true(seen == (0x3e & ~(UINT64_C(1) << (window.first / PAGE))));
		assert_int_equal(viommu_driver_dma_map(&dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_FULL);
		c.window = window;
		c.hints = NULL;
		c.hint_count = 0;
		assert_int_equal(viommu_driver_dma_init(&doorbells, &t.d, &c), VIOMMU_OK);
		assert_int_equal(viommu_driver_dma_map_doorbell(&doorbells, &t.e, &doorbell), VIOMMU_OK);
		assert_true(doorbell.iova == window.first + 0x40);
		assert_record_is_model(t.f, &t.d);
		driver_teardown(t.f);
	}
}

/* IOMMU-DRV-RESV-01: where there is an MSI region it counts, and the window stays set aside. */
static void test_driver_msi_window__endpoint_has_an_msi_region__that_counts(void **state)
{
	struct viommu_resv_region regions[] = { MSI(0xfee00000, 0xfeefffff) };
	struct viommu_dma_buffer doorbell = { .phys = 0xfee00040, .len = 4 };
	struct viommu_driver_dma dma;
	struct one t;

	(void)state;
	set_up(&t, NULL);
	reserve(&t.e, regions, 1);
	assert_int_equal(viommu_driver_domain_set_msi_window(&t.d, (struct viommu_range){ 0x8000000, 0x80fffff }),
			 VIOMMU_OK);
	buffers_up(&dma, &t.d);
	assert_int_equal(viommu_driver_dma_map_doorbell(&dma, &t.e, &doorbell), VIOMMU_OK);
	assert_true(doorbell.iova == doorbell.phys);
	assert_int_equal(t.f->script.count, 0);
	driver_teardown(t.f);
}

/* In whole granules, as a reserved region. */
static void test_driver_map_identity__msi_window__is_left_out(void **state)
{
	struct one t;

	(void)state;
	set_up(&t, NULL);
	assert_int_equal(viommu_driver_domain_set_msi_window(&t.d, (struct viommu_range){ 0x2800, 0x37ff }), VIOMMU_OK);
	assert_int_equal(viommu_driver_map_identity(&t.d, NULL, 0, 0xffff, RW), VIOMMU_OK);
	assert_int_equal(record_count(&t.d), 2);
	assert_true(is_mapped(&t.d, 1) && !is_mapped(&t.d, 2) && !is_mapped(&t.d, 3) && is_mapped(&t.d, 4));
	assert_record_is_model(t.f, &t.d);
	driver_teardown(t.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_map_identity__nothing_reserved__is_one_mapping),
		cmocka_unit_test(test_driver_map_identity__regions__are_left_out),
		cmocka_unit_test(test_driver_map_identity__ends_within_regions__only_what_is_between),
		cmocka_unit_test(test_driver_map_identity__all_is_reserved__nothing_is_mapped),
		cmocka_unit_test(test_driver_map_identity__before_the_first_attach__is_replayed),
		cmocka_unit_test(test_driver_map_identity__more_pieces_than_slots__all_of_them),
		cmocka_unit_test(test_driver_map_identity__bad_arguments__are_refused_and_nothing_is_sent),
		cmocka_unit_test(test_driver_map_identity__one_piece_fails__none_is_mapped),
		cmocka_unit_test(test_driver_map_identity__no_answer__is_uncertain_until_it_is_settled),
		cmocka_unit_test(test_driver_map_identity__refused_and_the_queue_breaks__is_not_put_back),
		cmocka_unit_test(test_driver_dma_map_doorbell__no_msi_region__is_mapped_in_the_window),
		cmocka_unit_test(test_driver_dma_map_doorbell__in_the_msi_region__goes_there_untranslated),
		cmocka_unit_test(test_driver_dma_map_doorbell__bypass_domain__goes_there_untranslated),
		cmocka_unit_test(test_driver_msi_window__upside_down_or_mapped__is_refused),
		cmocka_unit_test(test_driver_msi_window__buffers__are_kept_off_and_doorbells_are_not),
		cmocka_unit_test(test_driver_msi_window__endpoint_has_an_msi_region__that_counts),
		cmocka_unit_test(test_driver_map_identity__msi_window__is_left_out),
	};

	return suite_run(tests);
}
