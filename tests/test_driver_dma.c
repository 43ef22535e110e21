/* SPDX-License-Identifier: BSD-3-Clause */
/* test_driver_dma.c: buffers: where they come to lie, all or none, when the memory may be used again, and lazily. */
#include <viommu/dma.h>

#include "driver_pages.h"
#include "suite.h"

#define GRANULE 0x1000u
#define HINTS (2 * VIOMMU_DMA_CLASSES)

/* A domain with an endpoint, and room for hints. */
struct board {
	struct one one;
	struct viommu_driver_dma dma;
	viommu_iova hints[HINTS];
	struct viommu_range deferred[4];
};

static struct viommu_dma_config dma_config(struct board *b)
{
	struct viommu_dma_config c = VIOMMU_DMA_CONFIG_INIT;

	c.hints = b->hints;
	c.hint_count = HINTS;
	return c;
}

static void board_up(struct board *b, const struct driver_options *o, const struct viommu_dma_config *config)
{
	set_up(&b->one, o);
	assert_int_equal(viommu_driver_dma_init(&b->dma, &b->one.d, config), VIOMMU_OK);
}

/* The defaults, with a window. */
static void board_up_in(struct board *b, uint64_t first, uint64_t last, bool bottom_up)
{
	struct viommu_dma_config c = dma_config(b);

	c.window = (struct viommu_range){ first, last };
	c.bottom_up = bottom_up;
	board_up(b, NULL, &c);
}

static struct viommu_dma_buffer buffer_of(uint64_t phys, uint64_t len)
{
	return (struct viommu_dma_buffer){ .phys = phys, .len = len };
}

static viommu_iova map_len(struct board *b, uint64_t len)
{
	struct viommu_dma_buffer buffer = buffer_of(0x100000, len);

	assert_int_equal(viommu_driver_dma_map(&b->dma, &buffer, 1, VIOMMU_DMA_BIDIRECTIONAL), VIOMMU_OK);
	return buffer.iova;
}

static enum viommu_result unmap_len(struct board *b, viommu_iova iova, uint64_t len)
{
	struct viommu_dma_buffer buffer = { .phys = 0x100000, .len = len, .iova = iova };

	return viommu_driver_dma_unmap(&b->dma, &buffer, 1, VIOMMU_DMA_BIDIRECTIONAL);
}

/* Init */

static void hook_nothing(void *ctx, const struct viommu_dma_buffer *buffer)
{
	(void)ctx;
	(void)buffer;
}

static void test_driver_dma_init__bad_configurations__are_refused(void **state)
{
	struct viommu_dma_ops ops = { .size = sizeof ops, .clean = hook_nothing, .invalidate = hook_nothing };
	struct viommu_dma_config c;
	struct board b;

	(void)state;
	c = dma_config(&b);
	board_up(&b, NULL, &c);
	c.size--;
	assert_int_equal(viommu_driver_dma_init(&b.dma, &b.one.d, &c), VIOMMU_E_ABI);
	c = dma_config(&b);
	c.ops = &ops;
	assert_int_equal(viommu_driver_dma_init(&b.dma, &b.one.d, &c), VIOMMU_OK);
	ops.size++;
	assert_int_equal(viommu_driver_dma_init(&b.dma, &b.one.d, &c), VIOMMU_E_ABI);
	ops.size--;
	ops.clean = NULL;
	assert_int_equal(viommu_driver_dma_init(&b.dma, &b.one.d, &c), VIOMMU_E_ARG);
	ops.clean = hook_nothing;
	ops.invalidate = NULL;
	assert_int_equal(viommu_driver_dma_init(&b.dma, &b.one.d, &c), VIOMMU_E_ARG);
	c = dma_config(&b);
	c.window = (struct viommu_range){ 1, 0 };
	assert_int_equal(viommu_driver_dma_init(&b.dma, &b.one.d, &c), VIOMMU_E_ARG);
	c = dma_config(&b);
	c.hint_count = VIOMMU_DMA_CLASSES - 1;
	assert_int_equal(viommu_driver_dma_init(&b.dma, &b.one.d, &c), VIOMMU_E_ARG);
	c.hint_count = VIOMMU_DMA_CLASSES;
	c.hints = NULL;
	assert_int_equal(viommu_driver_dma_init(&b.dma, &b.one.d, &c), VIOMMU_E_ARG);
	c.hint_count = 0;
	c.deferred_count = 1;
	assert_int_equal(viommu_driver_dma_init(&b.dma, &b.one.d, &c), VIOMMU_E_ARG);
	c.deferred = b.deferred;
	assert_int_equal(viommu_driver_dma_init(&b.dma, &b.one.d, &c), VIOMMU_OK);
	driver_teardown(b.one.f);
}

/* Where */

static void test_driver_dma_map__top_down__begins_at_the_end_of_the_window(void **state)
{
	struct board b;

	(void)state;
	board_up_in(&b, 0, UINT32_MAX, false);
	assert_true(map_len(&b, GRANULE) == 0xfffff000);
	assert_true(map_len(&b, GRANULE) == 0xffffe000);
	/* Aligned to its size. */
	assert_true(map_len(&b, 4 * GRANULE) == 0xffff8000);
	assert_true(map_len(&b, 3 * GRANULE) == 0xffff4000);
	assert_record_is_model(b.one.f, &b.one.d);
	driver_teardown(b.one.f);
}

static void test_driver_dma_map__bottom_up__begins_behind_the_granule_at_0(void **state)
{
	struct board b;

	(void)state;
	board_up_in(&b, 0, UINT64_MAX, true);
	assert_true(map_len(&b, GRANULE) == 0x1000);
	assert_true(map_len(&b, 3 * GRANULE) == 0x4000);
	assert_true(map_len(&b, GRANULE) == 0x7000);
	assert_true(map_len(&b, GRANULE) == 0x8000);
	driver_teardown(b.one.f);
}

/* Of the whole address space too, where a byte more would be 2^64. */
static void test_driver_dma_map__whole_address_space__begins_at_its_end(void **state)
{
	struct board b;

	(void)state;
	board_up_in(&b, 0, UINT64_MAX, false);
	assert_true(map_len(&b, GRANULE) == UINT64_MAX - 0xfff);
	assert_true(map_len(&b, 2 * GRANULE) == UINT64_MAX - 0x3fff);
	driver_teardown(b.one.f);
}

static void test_driver_dma_map__window_and_input_range__both_hold(void **state)
{
	static const struct viommu_range windows[] = { { 0, 0x48000 }, { 0x21800, UINT64_MAX } };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct viommu_range window = windows[i / 2];
		struct driver_options o;
		struct viommu_dma_config c;
		struct viommu_dma_buffer buffer = buffer_of(0, GRANULE);
		uint64_t first = i / 2 == 0 ? 0x20000 : 0x22000, last = i / 2 == 0 ? 0x47fff : 0x4ffff;
		struct board b;

		driver_options_init(&o);
		o.space.input_range = (struct viommu_range){ 0x20000, 0x4ffff };
		c = dma_config(&b);
		c.window = window;
		c.bottom_up = i % 2 == 0;
		board_up(&b, &o, &c);
		for (uint64_t n = (last - first + 1) / GRANULE; n > 0; n--) {
			viommu_iova iova = map_len(&b, GRANULE);

			assert_true(iova >= first && iova + (GRANULE - 1) <= last);
		}
		assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_FULL);
		driver_teardown(b.one.f);
	}
}

static void test_driver_dma_map__nothing_fits__full_and_nothing_is_sent(void **state)
{
	static const struct {
		struct viommu_range window;
		uint64_t len;
	} table[] = {
		{ { 0, 0xfff }, 1 },                                  /* the granule at 0 */
		{ { 0x1000, 0x1ffe }, 1 },                            /* no granule at all */
		{ { 0x1800, 0x2ffe }, 1 },                            /* two halves */
		{ { 0x1000, 0x2fff }, 2 * GRANULE },                  /* room, but not aligned */
		{ { 0x1000, 0x2fff }, 3 * GRANULE },                  /* too small */
		{ { UINT64_MAX - 0x2fff, UINT64_MAX }, 3 * GRANULE }, /* the same at the end */
		{ { UINT64_MAX - 0x2fff, UINT64_MAX }, 4 * GRANULE },
		{ { 0, UINT64_MAX }, UINT64_C(0x8000000000000001) }, /* aligned to 2^64 */
		{ { 0x1000000, UINT64_MAX }, GRANULE },              /* outside of input_range */
	};

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof table / sizeof table[0]; i++) {
		struct viommu_dma_buffer buffer = buffer_of(0, table[i / 2].len);
		struct viommu_dma_config c;
		struct driver_options o;
		struct board b;

		driver_options_init(&o);
		if (table[i / 2].window.first == 0x1000000)
			o.space.input_range.last = 0xffffff;
		c = dma_config(&b);
		c.window = table[i / 2].window;
		c.bottom_up = i % 2 == 0;
		board_up(&b, &o, &c);
		assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_FULL);
		assert_int_equal(b.one.f->script.count, 0);
		driver_teardown(b.one.f);
	}
}

/* [0x4000, 0x7fff] and an MSI window of [0xa000, 0xafff] */
static const uint8_t two_regions[] = {
	1, 0, 20, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0xff, 0x7f, 0, 0, 0, 0, 0, 0,
	1, 0, 20, 0, 1, 0, 0, 0, 0, 0xa0, 0, 0, 0, 0, 0, 0, 0xff, 0xaf, 0, 0, 0, 0, 0, 0,
};

/* IOMMU-DRV-RESV-01, INF-13 */
static void test_driver_dma_map__reserved_regions__are_kept_off(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct viommu_dma_buffer buffer = buffer_of(0, GRANULE);
		struct viommu_resv_region regions[2];
		struct viommu_driver_endpoint second;
		uint64_t seen = 0;
		struct board b;

		board_up_in(&b, 0x3000, 0xbfff, i == 0);
		b.one.f->script.properties = two_regions;
		b.one.f->script.properties_len = sizeof two_regions;
		assert_int_equal(viommu_driver_endpoint_init(&second, &b.one.f->drv, 9, regions, 2), VIOMMU_OK);
		b.one.f->script.properties = NULL;
		assert_int_equal(viommu_driver_attach(&b.one.d, &second, NULL), VIOMMU_OK);
		for (unsigned n = 0; n < 4; n++)
			seen |= UINT64_C(1) << (map_len(&b, GRANULE) / GRANULE);
		assert_true(seen == (1 << 3 | 1 << 8 | 1 << 9 | 1 << 11));
		assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_FULL);
		driver_teardown(b.one.f);
	}
}

/* Others have mapped something there: the record says so. */
static void test_driver_dma_map__mappings_of_others__are_kept_off(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct viommu_dma_buffer buffer = buffer_of(0, 2 * GRANULE);
		struct viommu_dma_config c;
		struct viommu_driver_dma other;
		struct board b;

		board_up_in(&b, 0x1000, 0xffff, i == 0);
		c = (struct viommu_dma_config)VIOMMU_DMA_CONFIG_INIT;
		assert_int_equal(viommu_driver_dma_init(&other, &b.one.d, &c), VIOMMU_OK);
		for (unsigned page = 1; page < 16; page += 2) {
			if (page != 9)
				assert_int_equal(map_page(&b.one.d, page), VIOMMU_OK);
		}
		assert_int_equal(viommu_driver_sync(&b.one.d, NULL), VIOMMU_OK);
		assert_true(map_len(&b, 2 * GRANULE) == 0x8000);
		assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_FULL);
		/* Without memory for hints: again and again. */
		for (unsigned n = 0; n < 2; n++) {
			assert_int_equal(viommu_driver_dma_map(&other, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
			assert_int_equal(viommu_driver_dma_unmap(&other, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
		}
		driver_teardown(b.one.f);
	}
}

/* One that ends where the window does, and one that covers all of it: nothing is left beside them. */
static void test_driver_dma_map__window_is_covered__full(void **state)
{
	static const uint64_t firsts[] = { 0x1000, 0x8000 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct viommu_dma_buffer buffer = buffer_of(0, GRANULE);
		struct board b;

		board_up_in(&b, 0x8000, 0xffff, i % 2 == 0);
		assert_int_equal(viommu_driver_map(&b.one.d, firsts[i / 2], 0x1ffff, 0x100000, RW), VIOMMU_OK);
		assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_FULL);
		driver_teardown(b.one.f);
	}
}

/* More mappings than are looked at with the lock held once. */
static void test_driver_dma_map__many_mappings_in_the_way__all_of_them_are_passed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		viommu_iova iova[40];
		uint32_t locked;
		struct board b;

		board_up_in(&b, 0x1000, 0x28fff, i == 0);
		for (unsigned n = 0; n < 40; n++)
			iova[n] = map_len(&b, GRANULE);
		assert_int_equal(unmap_len(&b, iova[39], GRANULE), VIOMMU_OK);
		b.dma.counts[0] = 0; /* as if there had been no room for the hint */
		locked = b.one.f->locked;
		assert_true(map_len(&b, GRANULE) == iova[39]);
		/* Rather often than long. */
		assert_true(b.one.f->locked - locked >= 40 / 16 + 2);
		driver_teardown(b.one.f);
	}
}

static void test_driver_dma_map__freed_last__is_handed_out_first(void **state)
{
	struct viommu_dma_buffer buffer = buffer_of(0x100000, GRANULE);
	viommu_iova iova[4];
	struct board b;

	(void)state;
	board_up_in(&b, 0x1000, UINT32_MAX, false);
	for (unsigned i = 0; i < 4; i++)
		iova[i] = map_len(&b, GRANULE);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(unmap_len(&b, iova[i], GRANULE), VIOMMU_OK);
	/* Two fit into a magazine here, and what is not in it is found again when all else is used up. */
	assert_true(map_len(&b, GRANULE) == iova[1]);
	assert_true(map_len(&b, GRANULE) == iova[0]);
	assert_true(map_len(&b, GRANULE) < iova[3]);
	b.one.f->script.count = 0;
	assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, VIOMMU_DMA_FROM_DEVICE), VIOMMU_OK);
	assert_int_equal(b.one.f->script.count, 1);
	driver_teardown(b.one.f);
}

/* Taken meanwhile, not aligned, or out of the window, which another object on the same domain does not have. */
static void test_driver_dma_map__hints_that_are_no_good__are_forgotten(void **state)
{
	static const viommu_iova bad[] = { 0x5000, 0x2000, 0x42000, 0x40000, 0x3e000 };
	struct board b;

	(void)state;
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		board_up_in(&b, 0x4000, 0x40fff, false);
		assert_int_equal(map_page(&b.one.d, 0x3f), VIOMMU_OK);
		b.hints[2] = bad[i];
		b.dma.counts[1] = 1;
		assert_true(map_len(&b, 2 * GRANULE) == 0x3c000);
		assert_int_equal(b.dma.counts[1], 0);
		driver_teardown(b.one.f);
	}
}

static void test_driver_dma_map__large_buffers__have_no_magazine(void **state)
{
	uint64_t len = 129 * GRANULE;
	viommu_iova iova;
	struct board b;

	(void)state;
	board_up_in(&b, 0, UINT32_MAX, false);
	iova = map_len(&b, len);
	assert_true(iova % 0x100000 == 0);
	assert_int_equal(unmap_len(&b, iova, len), VIOMMU_OK);
	assert_true(map_len(&b, len) == iova - 0x100000);
	driver_teardown(b.one.f);
}

/* What */

static void test_driver_dma_map__unaligned__whole_granules_and_the_same_offset(void **state)
{
	struct viommu_dma_buffer buffer = buffer_of(0x123456, 0x1000);
	const struct viommu_wire_request *r;
	struct board b;

	(void)state;
	board_up_in(&b, 0, UINT32_MAX, false);
	assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	assert_true(buffer.iova == 0xffffe456);
	r = &script_last(b.one.f)->request;
	assert_true(r->u.map.virt_start == 0xffffe000 && r->u.map.virt_end == 0xffffffff);
	assert_true(r->u.map.phys_start == 0x123000);
	assert_int_equal(viommu_driver_dma_unmap(&b.dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	assert_int_equal(record_count(&b.one.d), 0);
	driver_teardown(b.one.f);
}

static void test_driver_dma_map__each_direction__is_its_flags(void **state)
{
	static const uint32_t hows[] = { VIOMMU_DMA_TO_DEVICE, VIOMMU_DMA_FROM_DEVICE, VIOMMU_DMA_BIDIRECTIONAL,
					 VIOMMU_DMA_TO_DEVICE | VIOMMU_DMA_MMIO };
	struct board b;

	(void)state;
	board_up_in(&b, 0, UINT32_MAX, false);
	for (unsigned i = 0; i < 8; i++) {
		struct viommu_dma_buffer buffer = buffer_of(UINT64_MAX - 0xfff, GRANULE); /* the last there is */
		uint32_t how = hows[i / 2] | (i % 2 != 0 ? VIOMMU_DMA_COHERENT : 0);

		assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, how), VIOMMU_OK);
		assert_int_equal(script_last(b.one.f)->request.u.map.flags, hows[i / 2]);
	}
	driver_teardown(b.one.f);
}

static void test_driver_dma__bad_arguments__are_refused_and_nothing_is_sent(void **state)
{
	static const struct {
		uint64_t phys, len;
		uint32_t how;
	} table[] = { { 0, 0, 1 }, { UINT64_MAX, 2, 1 },          { 0, 1, 0 },         { 0, 1, VIOMMU_DMA_MMIO },
		      { 0, 1, 9 }, { 0, 1, VIOMMU_DMA_COHERENT }, { 0, 1, 0x80000001 } };
	struct board b;

	(void)state;
	board_up_in(&b, 0, UINT32_MAX, false);
	for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct viommu_dma_buffer buffers[2] = { buffer_of(0, 1), buffer_of(table[i].phys, table[i].len) };

		assert_int_equal(viommu_driver_dma_map(&b.dma, buffers, 2, table[i].how), VIOMMU_E_ARG);
		assert_int_equal(viommu_driver_dma_unmap(&b.dma, buffers, 2, table[i].how), VIOMMU_E_ARG);
	}
	assert_int_equal(viommu_driver_dma_map(&b.dma, NULL, 0, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	assert_int_equal(viommu_driver_dma_unmap(&b.dma, NULL, 0, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	assert_int_equal(b.one.f->script.count, 0);
	driver_teardown(b.one.f);
}

/* An error of the MAP itself is the call's, and the next one works. */
static void test_driver_dma_map__mmio_without_the_feature__unsupp(void **state)
{
	struct viommu_dma_buffer buffer = buffer_of(0, GRANULE);
	struct viommu_dma_config c;
	struct driver_options o;
	struct board b;

	(void)state;
	driver_options_init(&o);
	o.offered &= ~VIOMMU_F_MMIO;
	c = dma_config(&b);
	board_up(&b, &o, &c);
	assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, VIOMMU_DMA_MMIO | 1), VIOMMU_E_UNSUPP);
	assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, 1), VIOMMU_OK);
	driver_teardown(b.one.f);
}

/* Without endpoint the record is all there is. */
static void test_driver_dma__no_endpoint__nothing_is_sent(void **state)
{
	viommu_iova iova;
	struct board b;

	(void)state;
	board_up_in(&b, 0, UINT32_MAX, false);
	assert_int_equal(viommu_driver_detach(&b.one.e, NULL), VIOMMU_OK);
	b.one.f->script.count = 0;
	iova = map_len(&b, GRANULE);
	assert_true(iova == 0xfffff000);
	assert_int_equal(unmap_len(&b, iova, GRANULE), VIOMMU_OK);
	assert_int_equal(b.one.f->script.count, 0);
	driver_teardown(b.one.f);
}

static void test_driver_dma__bypass_domain__is_identity_within_the_window(void **state)
{
	struct viommu_dma_buffer buffer = buffer_of(0x123456, 0x1000);
	struct viommu_dma_config c;
	struct driver_fixture *f;
	struct viommu_driver_domain d;
	struct viommu_driver_dma dma;

	(void)state;
	f = driver_up(NULL);
	assert_int_equal(viommu_driver_domain_init(&d, &f->drv, VIOMMU_DOMAIN_ANY, true), VIOMMU_OK);
	c = (struct viommu_dma_config)VIOMMU_DMA_CONFIG_INIT;
	c.window.last = UINT32_MAX;
	assert_int_equal(viommu_driver_dma_init(&dma, &d, &c), VIOMMU_OK);
	assert_int_equal(viommu_driver_dma_map(&dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	assert_true(buffer.iova == 0x123456);
	assert_int_equal(viommu_driver_dma_unmap(&dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	buffer.phys = UINT32_MAX;
	assert_int_equal(viommu_driver_dma_map(&dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_RANGE);
	assert_int_equal(f->script.count, 0);
	driver_teardown(f);
}

/* Lists */

static void make_list(struct viommu_dma_buffer *list, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		list[i] = buffer_of(0x100000 + i * 0x3456, 1 + i * 0x700);
}

static void test_driver_dma_map__list__one_kick_for_all_of_it(void **state)
{
	struct viommu_dma_buffer list[32];
	struct board b;

	(void)state;
	board_up_in(&b, 0, UINT32_MAX, false);
	make_list(list, 32);
	assert_int_equal(viommu_driver_dma_map(&b.dma, list, 32, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	assert_int_equal(b.one.f->kicks[VIOMMU_QUEUE_REQUEST], 1);
	assert_int_equal(record_count(&b.one.d), 32);
	assert_record_is_model(b.one.f, &b.one.d);
	for (uint32_t i = 0; i < 32; i++) {
		viommu_gpa phys;

		assert_int_equal(viommu_driver_iova_to_phys(&b.one.d, list[i].iova, &phys), VIOMMU_OK);
		assert_true(phys == list[i].phys);
	}
	assert_int_equal(viommu_driver_dma_unmap(&b.dma, list, 32, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	assert_int_equal(b.one.f->kicks[VIOMMU_QUEUE_REQUEST], 2);
	assert_int_equal(b.one.f->script.mapping_count, 0);
	driver_teardown(b.one.f);
}

static void test_driver_dma_map__list_longer_than_the_queue__a_kick_for_each_full_one(void **state)
{
	struct viommu_dma_buffer list[20];
	struct viommu_dma_config c;
	struct driver_options o;
	struct board b;

	(void)state;
	driver_options_init(&o);
	o.config.queue_size = 8;
	c = dma_config(&b);
	board_up(&b, &o, &c);
	make_list(list, 20);
	assert_int_equal(viommu_driver_dma_map(&b.dma, list, 20, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	assert_int_equal(b.one.f->kicks[VIOMMU_QUEUE_REQUEST], 3);
	assert_int_equal(viommu_driver_dma_unmap(&b.dma, list, 20, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	assert_int_equal(b.one.f->kicks[VIOMMU_QUEUE_REQUEST], 6);
	/* Through the magazines too, whose hint waits for a slot with us. */
	assert_int_equal(viommu_driver_dma_map(&b.dma, list, 20, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	assert_record_is_model(b.one.f, &b.one.d);
	driver_teardown(b.one.f);
}

/* Each request of the list, refused or without a readable answer: nothing is left, nothing else is reported. */
static void test_driver_dma_map__one_of_a_list_fails__none_is_mapped(void **state)
{
	static const struct {
		struct verdict verdict;
		enum viommu_result expected;
	} table[] = {
		{ { VIOMMU_S_NOMEM, BY_MODEL, false, false }, VIOMMU_E_REJECTED },
		{ { BY_MODEL, 0, true, false }, VIOMMU_E_PEER },
		{ { BY_MODEL, 0, false, false }, VIOMMU_E_PEER },
	};

	(void)state;
	for (unsigned i = 0; i < 4 * sizeof table / sizeof table[0]; i++) {
		struct viommu_dma_buffer list[4];
		struct board b;

		board_up_in(&b, 0, UINT32_MAX, false);
		make_list(list, 4);
		victim = i % 4;
		victims_verdict = table[i / 4].verdict;
		b.one.f->script.decide = spoil_one;
		assert_int_equal(viommu_driver_dma_map(&b.dma, list, 4, VIOMMU_DMA_TO_DEVICE), table[i / 4].expected);
		assert_int_equal(b.one.f->script.mapping_count, 0);
		assert_int_equal(record_count(&b.one.d), 0);
		assert_int_equal(b.one.f->failure_count, 1);
		assert_int_equal(viommu_driver_sync(&b.one.d, NULL), VIOMMU_OK);
		driver_teardown(b.one.f);
	}
}

static void test_driver_dma_map__no_room_for_the_last_of_a_list__none_is_mapped(void **state)
{
	struct viommu_dma_buffer list[4];
	struct board b;

	(void)state;
	board_up_in(&b, 0x1000, 0x3fff, false);
	make_list(list, 4);
	assert_int_equal(viommu_driver_dma_map(&b.dma, list, 4, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_FULL);
	assert_int_equal(b.one.f->script.mapping_count, 0);
	assert_int_equal(record_count(&b.one.d), 0);
	driver_teardown(b.one.f);
}

static struct verdict hold_all(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number)
{
	(void)f;
	(void)r;
	(void)number;
	return VERDICT_HOLD;
}

/* The device is late: what may be mapped is not handed out, until an UNMAP of it is confirmed. */
static void test_driver_dma_map__no_answer__is_not_handed_out_before_it_is_settled(void **state)
{
	struct viommu_dma_buffer list[2];
	struct board b;

	(void)state;
	board_up_in(&b, 0x1000, 0x2fff, false);
	make_list(list, 2);
	b.one.f->script.decide = hold_all;
	assert_int_equal(viommu_driver_dma_map(&b.dma, list, 2, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_TIMEOUT);
	assert_int_equal(viommu_driver_get_stats(&b.one.f->drv)->timeouts, 2); /* and what takes it back */
	assert_int_equal(record_count(&b.one.d), 2);
	b.one.f->script.decide = NULL;
	assert_int_equal(viommu_driver_dma_map(&b.dma, list, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_FULL);
	script_release_all(b.one.f);
	(void)viommu_driver_process(&b.one.f->drv, 0);
	assert_int_equal(viommu_driver_dma_map(&b.dma, list, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_FULL);
	/* It was asked to take them back, and gave no answer either. */
	assert_int_equal(viommu_driver_sync(&b.one.d, NULL), VIOMMU_E_TIMEOUT);
	assert_int_equal(viommu_driver_unmap(&b.one.d, 0x1000, 0x2fff), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&b.one.d, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_dma_map(&b.dma, list, 2, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	driver_teardown(b.one.f);
}

/* The queue breaks behind the list: not even an UNMAP can be sent, and the record must not say that all is well. */
static void test_driver_dma_map__queue_breaks__uncertain_until_the_device_is_reset(void **state)
{
	struct viommu_dma_buffer list[2];
	struct board b;

	(void)state;
	board_up_in(&b, 0, UINT32_MAX, false);
	make_list(list, 2);
	script_lie(b.one.f, VIOMMU_QUEUE_REQUEST, 0x7777, 4, 1);
	assert_int_equal(viommu_driver_dma_map(&b.dma, list, 2, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_BROKEN);
	assert_true(viommu_driver_get_stats(&b.one.f->drv)->uncertain >= 2);
	assert_int_equal(viommu_driver_dma_map(&b.dma, list, 2, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_BROKEN);
	assert_int_equal(viommu_driver_stop(&b.one.f->drv), VIOMMU_OK);
	assert_int_equal(record_count(&b.one.d), 0);
	assert_int_equal(viommu_driver_dma_map(&b.dma, list, 2, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_STATE);
	driver_teardown(b.one.f);
}

/* Unmap */

static void test_driver_dma_unmap__not_mapped_like_this__noent_and_nothing_is_done(void **state)
{
	struct viommu_dma_buffer list[3];
	struct board b;

	(void)state;
	board_up_in(&b, 0, UINT32_MAX, false);
	for (unsigned i = 0; i < 3; i++)
		list[i] = buffer_of(0x100000, 2 * GRANULE);
	assert_int_equal(viommu_driver_dma_map(&b.dma, list, 2, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	b.one.f->script.count = 0;
	list[2].iova = 0x5000; /* nothing there, but something behind it */
	assert_int_equal(viommu_driver_dma_unmap(&b.dma, list, 3, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_NOENT);
	list[2].iova = list[0].iova;
	list[2].len = 1; /* half of it */
	assert_int_equal(viommu_driver_dma_unmap(&b.dma, list, 3, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_NOENT);
	list[2].iova += GRANULE;
	assert_int_equal(viommu_driver_dma_unmap(&b.dma, list, 3, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_NOENT);
	list[2].iova = UINT64_MAX;
	list[2].len = 2;
	assert_int_equal(viommu_driver_dma_unmap(&b.dma, list, 3, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_NOENT);
	list[0].len = 1;
	assert_int_equal(viommu_driver_dma_unmap(&b.dma, list, 2, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_NOENT);
	assert_int_equal(b.one.f->script.count, 0);
	assert_int_equal(record_count(&b.one.d), 2);
	driver_teardown(b.one.f);
}

static void test_driver_dma_unmap__refused_or_no_answer__not_reused_until_confirmed(void **state)
{
	static const struct {
		struct verdict verdict;
		enum viommu_result expected;
	} table[] = {
		{ { VIOMMU_S_DEVERR, BY_MODEL, false, false }, VIOMMU_E_REJECTED },
		{ { BY_MODEL, 0, true, false }, VIOMMU_E_PEER },
		{ { BY_MODEL, BY_MODEL, false, true }, VIOMMU_E_TIMEOUT },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct viommu_dma_buffer list[2], again;
		struct board b;

		board_up_in(&b, 0x1000, 0x2fff, false);
		list[0] = list[1] = buffer_of(0x100000, GRANULE);
		assert_int_equal(viommu_driver_dma_map(&b.dma, list, 2, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
		victim = b.one.f->script.count;
		victims_verdict = table[i].verdict;
		b.one.f->script.decide = spoil_one;
		assert_int_equal(viommu_driver_dma_unmap(&b.dma, list, 2, VIOMMU_DMA_TO_DEVICE), table[i].expected);
		/* Reported once, by the call itself. */
		assert_int_equal(viommu_driver_sync(&b.one.d, NULL), VIOMMU_OK);
		/* What was confirmed is not free either, so that the same list can be given again. */
		assert_int_equal(record_count(&b.one.d), 2);
		again = buffer_of(0x100000, GRANULE);
		assert_int_equal(viommu_driver_dma_map(&b.dma, &again, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_FULL);
		script_release_all(b.one.f);
		assert_int_equal(viommu_driver_dma_unmap(&b.dma, list, 2, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
		assert_int_equal(record_count(&b.one.d), 0);
		assert_true(map_len(&b, GRANULE) == list[1].iova);
		assert_true(map_len(&b, GRANULE) == list[0].iova);
		driver_teardown(b.one.f);
	}
}

static struct viommu_driver_domain *watched;
static void (*fixture_lock)(void *ctx);

/* Another thread, which maps the first page as soon as the record is empty. */
static void lock_after_a_map(void *ctx)
{
	struct viommu_driver_domain *domain = watched;
	struct viommu_mapping m;

	if (domain != NULL && !viommu_map_next(&domain->map, 0, &m)) {
		watched = NULL;
		assert_int_equal(viommu_driver_map(domain, GRANULE, 2 * GRANULE - 1, 0x700000, RW), VIOMMU_OK);
	}
	fixture_lock(ctx);
}

/* A buffer that is in the list twice is the caller's mistake; the one who comes there next does not pay for it. */
static void test_driver_dma_unmap__twice_in_a_list__leaves_the_next_one_alone(void **state)
{
	struct viommu_dma_buffer list[2];
	viommu_gpa phys;
	struct board b;

	(void)state;
	board_up_in(&b, 0x1000, 0x1fff, false);
	list[0] = buffer_of(0x100000, GRANULE);
	assert_int_equal(viommu_driver_dma_map(&b.dma, list, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	list[1] = list[0];
	fixture_lock = b.one.f->ops.lock;
	b.one.f->ops.lock = lock_after_a_map;
	watched = &b.one.d;
	assert_int_equal(viommu_driver_dma_unmap(&b.dma, list, 2, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	assert_null(watched);
	b.one.f->ops.lock = fixture_lock;
	assert_int_equal(viommu_driver_sync(&b.one.d, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_iova_to_phys(&b.one.d, 0x1000, &phys), VIOMMU_OK);
	assert_true(phys == 0x700000);
	assert_record_is_model(b.one.f, &b.one.d);
	driver_teardown(b.one.f);
}

static void test_driver_dma_unmap__driver_stopped__state_and_still_recorded(void **state)
{
	struct viommu_dma_buffer list[2];
	struct board b;

	(void)state;
	board_up_in(&b, 0x1000, 0x2fff, false);
	make_list(list, 2);
	assert_int_equal(viommu_driver_dma_map(&b.dma, list, 2, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	assert_int_equal(viommu_driver_stop(&b.one.f->drv), VIOMMU_OK);
	assert_int_equal(viommu_driver_dma_unmap(&b.dma, list, 2, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_STATE);
	assert_int_equal(record_count(&b.one.d), 2);
	driver_teardown(b.one.f);
}

/* Nobody is attached, and nothing is asked: the first one would be gone at once, and the list could not be told. */
static void test_driver_dma_unmap__one_is_outside_of_a_later_input_range__range_and_all_is_recorded(void **state)
{
	struct viommu_dma_buffer list[2];
	struct board b;

	(void)state;
	board_up_in(&b, 0xf000, 0x10fff, true);
	make_list(list, 2);
	assert_int_equal(viommu_driver_dma_map(&b.dma, list, 2, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	assert_int_equal(viommu_driver_stop(&b.one.f->drv), VIOMMU_OK);
	b.one.f->script.config.input_range.last = 0xffff;
	assert_int_equal(driver_start(b.one.f), VIOMMU_OK);
	assert_int_equal(viommu_driver_dma_unmap(&b.dma, list, 2, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_RANGE);
	assert_int_equal(record_count(&b.one.d), 2);
	assert_int_equal(viommu_driver_dma_unmap(&b.dma, list, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	assert_int_equal(record_count(&b.one.d), 1);
	driver_teardown(b.one.f);
}

/* While another range waits to be unmapped with a hole in it, nobody is put there. */
static void test_driver_dma_map__unmap_of_a_hole_in_flight__waits_for_it(void **state)
{
	struct board b;

	(void)state;
	board_up_in(&b, 0x1000, 0x1fff, false);
	assert_int_equal(unmap_pages(&b.one.d, 1, 1), VIOMMU_OK);
	assert_int_equal(b.one.f->waits, 0);
	assert_true(map_len(&b, GRANULE) == 0x1000);
	assert_true(b.one.f->waits >= 2);
	assert_record_is_model(b.one.f, &b.one.d);
	driver_teardown(b.one.f);
}

/* Memory that is not coherent */

static struct hooked {
	char order[32];
	uint32_t count;
	const struct driver_fixture *f;
	uint32_t requests[32]; /* that the device had seen by then */
} hooked;

static void note_hook(char what)
{
	assert_true(hooked.count < 31);
	assert_int_equal(hooked.f->depth, 0);
	hooked.requests[hooked.count] = hooked.f->script.count;
	hooked.order[hooked.count++] = what;
	hooked.order[hooked.count] = 0;
}

static void hook_clean(void *ctx, const struct viommu_dma_buffer *buffer)
{
	assert_ptr_equal(ctx, &hooked);
	assert_non_null(buffer->cpu);
	note_hook('c');
}

static void hook_invalidate(void *ctx, const struct viommu_dma_buffer *buffer)
{
	assert_ptr_equal(ctx, &hooked);
	assert_non_null(buffer->cpu);
	note_hook('i');
}

static void test_driver_dma__not_coherent__cleaned_before_the_map_and_dropped_after_the_unmap(void **state)
{
	static const struct viommu_dma_ops ops = { sizeof ops, hook_clean, hook_invalidate };
	static const struct {
		uint32_t how;
		const char *order;
	} table[] = { { VIOMMU_DMA_TO_DEVICE, "cc" },
		      { VIOMMU_DMA_FROM_DEVICE, "ciic"
						"i" },
		      { VIOMMU_DMA_BIDIRECTIONAL, "ciic"
						  "i" },
		      { VIOMMU_DMA_BIDIRECTIONAL | VIOMMU_DMA_COHERENT, "" } };

	(void)state;
	for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct viommu_dma_buffer buffer = buffer_of(0x100000, GRANULE);
		struct viommu_dma_config c;
		struct board b;

		buffer.cpu = &b;
		c = dma_config(&b);
		c.ops = &ops;
		c.ops_ctx = &hooked;
		board_up(&b, NULL, &c);
		memset(&hooked, 0, sizeof hooked);
		hooked.f = b.one.f;
		assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, table[i].how), VIOMMU_OK);
		viommu_driver_dma_for_cpu(&b.dma, &buffer, table[i].how);
		viommu_driver_dma_for_cpu(&b.dma, &buffer, table[i].how);
		viommu_driver_dma_for_device(&b.dma, &buffer, table[i].how);
		assert_int_equal(viommu_driver_dma_unmap(&b.dma, &buffer, 1, table[i].how), VIOMMU_OK);
		assert_string_equal(hooked.order, table[i].order);
		if (hooked.count > 0)
			assert_int_equal(hooked.requests[0], 0);
		if (hooked.count == 5)
			assert_int_equal(hooked.requests[4], 2);
		driver_teardown(b.one.f);
	}
}

/* Lazy */

static void lazy_up(struct board *b, uint64_t first, uint64_t last)
{
	struct viommu_dma_config c = dma_config(b);

	c.window = (struct viommu_range){ first, last };
	c.deferred = b->deferred;
	c.deferred_count = 4;
	board_up(b, NULL, &c);
}

static void test_driver_dma_unmap__lazy__nothing_is_sent_before_the_flush(void **state)
{
	viommu_iova iova[3];
	struct board b;

	(void)state;
	lazy_up(&b, 0, UINT32_MAX);
	for (unsigned i = 0; i < 3; i++)
		iova[i] = map_len(&b, GRANULE);
	memset(b.one.f->kicks, 0, sizeof b.one.f->kicks);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(unmap_len(&b, iova[i], GRANULE), VIOMMU_OK);
	assert_int_equal(b.one.f->kicks[VIOMMU_QUEUE_REQUEST], 0);
	assert_int_equal(record_count(&b.one.d), 3);
	/* Twice is once too often. */
	assert_int_equal(unmap_len(&b, iova[1], GRANULE), VIOMMU_E_NOENT);
	/* Not handed out either. */
	assert_true(map_len(&b, GRANULE) == 0xffffc000);
	assert_int_equal(viommu_driver_dma_flush(&b.dma, NULL), VIOMMU_OK);
	assert_int_equal(b.one.f->kicks[VIOMMU_QUEUE_REQUEST], 2);
	assert_int_equal(record_count(&b.one.d), 1);
	assert_record_is_model(b.one.f, &b.one.d);
	assert_true(map_len(&b, GRANULE) >= 0xffffd000);
	driver_teardown(b.one.f);
}

static void test_driver_dma_unmap__lazy_and_full__all_go_with_one_kick(void **state)
{
	viommu_iova iova[5];
	struct board b;

	(void)state;
	lazy_up(&b, 0, UINT32_MAX);
	for (unsigned i = 0; i < 5; i++)
		iova[i] = map_len(&b, GRANULE);
	memset(b.one.f->kicks, 0, sizeof b.one.f->kicks);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(unmap_len(&b, iova[i], GRANULE), VIOMMU_OK);
	assert_int_equal(b.one.f->kicks[VIOMMU_QUEUE_REQUEST], 1);
	assert_int_equal(record_count(&b.one.d), 0);
	driver_teardown(b.one.f);
}

static void test_driver_dma_map__lazy_and_no_room__flushes_and_finds_it(void **state)
{
	struct viommu_dma_buffer buffer = buffer_of(0x100000, GRANULE);
	viommu_iova iova[2];
	struct board b;

	(void)state;
	lazy_up(&b, 0x1000, 0x2fff);
	for (unsigned i = 0; i < 2; i++)
		iova[i] = map_len(&b, GRANULE);
	assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_FULL);
	assert_int_equal(unmap_len(&b, iova[0], GRANULE), VIOMMU_OK);
	assert_true(map_len(&b, GRANULE) == iova[0]);
	assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_FULL);
	/* And if the device refuses to unmap it is not free. */
	assert_int_equal(unmap_len(&b, iova[0], GRANULE), VIOMMU_OK);
	victim = b.one.f->script.count;
	victims_verdict = VERDICT_STATUS(VIOMMU_S_DEVERR);
	b.one.f->script.decide = spoil_one;
	assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_FULL);
	assert_int_equal(viommu_driver_sync(&b.one.d, NULL), VIOMMU_E_REJECTED);
	driver_teardown(b.one.f);
}

/* Map nodes are what is short, and the ranges that wait have some. */
static void test_driver_dma_map__lazy_and_no_nodes__flushes_and_finds_them(void **state)
{
	const uint64_t large = UINT64_C(1) << 30;
	struct viommu_dma_buffer buffer = buffer_of(0, large);
	struct viommu_dma_config c;
	struct driver_options o;
	viommu_iova iova[64];
	uint32_t count = 0;
	struct board b;

	(void)state;
	driver_options_init(&o);
	o.nodes = 16;
	c = dma_config(&b);
	c.deferred = b.deferred;
	c.deferred_count = 4;
	board_up(&b, &o, &c);
	while (viommu_driver_dma_map(&b.dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE) == VIOMMU_OK) {
		assert_true(count < 64);
		iova[count++] = buffer.iova;
	}
	assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_NOMEM);
	assert_true(count >= 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(unmap_len(&b, iova[i], large), VIOMMU_OK);
	assert_int_equal(record_count(&b.one.d), count);
	assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	assert_int_equal(record_count(&b.one.d), count - 3);
	assert_record_is_model(b.one.f, &b.one.d);
	driver_teardown(b.one.f);
}

static void test_driver_dma_map__lazy_and_the_flush_fails__its_error(void **state)
{
	struct viommu_dma_buffer buffer = buffer_of(0x100000, GRANULE);
	struct viommu_driver_failure failure;
	viommu_iova iova;
	struct board b;

	(void)state;
	lazy_up(&b, 0x1000, 0x1fff);
	iova = map_len(&b, GRANULE);
	assert_int_equal(unmap_len(&b, iova, GRANULE), VIOMMU_OK);
	b.one.f->script.decide = hold_all;
	assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_TIMEOUT);
	assert_int_equal(viommu_driver_dma_flush(&b.dma, &failure), VIOMMU_E_TIMEOUT);
	assert_true(failure.uncertain && failure.type == VIOMMU_T_UNMAP && failure.first == 0x1000);
	assert_int_equal(record_count(&b.one.d), 1);
	driver_teardown(b.one.f);
}

static void test_driver_dma__lazy_and_stopped__is_kept_for_later(void **state)
{
	struct viommu_dma_buffer buffer = buffer_of(0x100000, GRANULE);
	viommu_iova iova[5];
	struct board b;

	(void)state;
	lazy_up(&b, 0x1000, 0x5fff);
	for (unsigned i = 0; i < 5; i++)
		iova[i] = map_len(&b, GRANULE);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(unmap_len(&b, iova[i], GRANULE), VIOMMU_OK);
	assert_int_equal(viommu_driver_stop(&b.one.f->drv), VIOMMU_OK);
	assert_int_equal(unmap_len(&b, iova[4], GRANULE), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_dma_flush(&b.dma, NULL), VIOMMU_E_STATE);
	assert_int_equal(driver_start(b.one.f), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&b.one.d, &b.one.e, NULL), VIOMMU_OK);
	assert_int_equal(unmap_len(&b, iova[4], GRANULE), VIOMMU_OK);
	assert_int_equal(record_count(&b.one.d), 0);
	assert_record_is_model(b.one.f, &b.one.d);
	driver_teardown(b.one.f);
}

/* A flush that cannot go on: the queue broke while the ranges waited. */
static void test_driver_dma_unmap__lazy_and_the_flush_cannot_be_sent__its_error(void **state)
{
	viommu_iova iova[9];
	struct viommu_dma_config c;
	struct driver_options o;
	struct board b;

	(void)state;
	driver_options_init(&o);
	o.config.queue_size = 4;
	c = dma_config(&b);
	c.deferred = b.deferred;
	c.deferred_count = 4;
	board_up(&b, &o, &c);
	for (unsigned i = 0; i < 9; i++)
		iova[i] = map_len(&b, GRANULE);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(unmap_len(&b, iova[i], GRANULE), VIOMMU_OK);
	b.one.f->script.decide = hold_all;
	assert_int_equal(unmap_len(&b, iova[4], GRANULE), VIOMMU_E_TIMEOUT);
	b.one.f->script.decide = NULL;
	script_release_all(b.one.f);
	assert_int_equal(viommu_driver_dma_flush(&b.dma, NULL), VIOMMU_E_TIMEOUT); /* those of before */
	assert_int_equal(b.dma.deferred_count, 0);
	driver_teardown(b.one.f);
}

/* Somebody else unmapped what waited, and mapped across it: that is not ours to take away. */
static void test_driver_dma_flush__range_was_remapped_by_others__is_left_alone(void **state)
{
	struct board b;

	(void)state;
	lazy_up(&b, 0x1000, 0x2fff);
	assert_int_equal(unmap_len(&b, map_len(&b, GRANULE), GRANULE), VIOMMU_OK);
	assert_int_equal(unmap_pages(&b.one.d, 2, 2), VIOMMU_OK);
	assert_int_equal(viommu_driver_map(&b.one.d, 0x2000, 0x3fff, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_dma_flush(&b.dma, NULL), VIOMMU_OK);
	assert_int_equal(record_count(&b.one.d), 1);
	assert_record_is_model(b.one.f, &b.one.d);
	assert_int_equal(viommu_driver_dma_flush(&b.dma, NULL), VIOMMU_OK);
	driver_teardown(b.one.f);
}

/* Waiting */

static struct viommu_driver_domain *other_domain;

/* Another thread waits for the same domain, loses patience, and gives up all of it. */
static void give_up_elsewhere(struct driver_fixture *f)
{
	f->on_wait = NULL;
	f->patience = 1;
	(void)!viommu_driver_sync(other_domain, NULL);
}

static void test_driver_dma_map__given_up_by_somebody_else__is_reported_here(void **state)
{
	struct viommu_dma_buffer buffer = buffer_of(0x100000, GRANULE);
	struct board b;

	(void)state;
	board_up_in(&b, 0, UINT32_MAX, false);
	b.one.f->script.decide = hold_all;
	other_domain = &b.one.d;
	b.one.f->on_wait = give_up_elsewhere;
	assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_TIMEOUT);
	assert_int_equal(record_count(&b.one.d), 1);
	driver_teardown(b.one.f);
}

/* What others have posted to the same domain is not waited for. */
static void test_driver_dma_map__others_wait_for_their_answer__only_ours_counts(void **state)
{
	struct viommu_dma_buffer buffer = buffer_of(0x100000, GRANULE);
	struct board b;

	(void)state;
	board_up_in(&b, 0, UINT32_MAX, false);
	victim = 0;
	victims_verdict = VERDICT_HOLD;
	b.one.f->script.decide = spoil_one;
	assert_int_equal(map_page(&b.one.d, 5), VIOMMU_OK);
	assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_OK);
	assert_int_equal(viommu_driver_get_stats(&b.one.f->drv)->timeouts, 0);
	script_release_all(b.one.f);
	assert_int_equal(viommu_driver_sync(&b.one.d, NULL), VIOMMU_OK);
	assert_record_is_model(b.one.f, &b.one.d);
	driver_teardown(b.one.f);
}

/* Others wait in vain, too: each hears of its own. */
static void test_driver_dma_map__nobody_gets_an_answer__each_failure_is_reported_once(void **state)
{
	struct viommu_dma_buffer buffer = buffer_of(0x100000, GRANULE);
	struct viommu_driver_failure failure;
	struct board b;

	(void)state;
	board_up_in(&b, 0, UINT32_MAX, false);
	b.one.f->script.decide = hold_all;
	assert_int_equal(map_page(&b.one.d, 5), VIOMMU_OK);
	assert_int_equal(viommu_driver_dma_map(&b.dma, &buffer, 1, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_TIMEOUT);
	assert_int_equal(viommu_driver_sync(&b.one.d, &failure), VIOMMU_E_TIMEOUT);
	assert_true(failure.type == VIOMMU_T_MAP && failure.first == 5 * PAGE);
	assert_int_equal(viommu_driver_sync(&b.one.d, NULL), VIOMMU_OK);
	/* Two MAPs, and the UNMAP that was to take the second one back. */
	assert_int_equal(b.one.f->failure_count, 3);
	driver_teardown(b.one.f);
}

/* The first one is refused at once, the second one answered late. */
static struct verdict refuse_then_hold(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number)
{
	(void)f;
	(void)r;
	if (number == 0)
		return VERDICT_STATUS(VIOMMU_S_NOMEM);
	return number == 1 ? VERDICT_HOLD : VERDICT_HONEST;
}

static enum viommu_result result_elsewhere;

/* Another thread wants the range that was refused, while the poster of the list still waits for the rest of it. */
static void map_elsewhere(struct driver_fixture *f)
{
	if (f->waits < 3)
		return;
	f->on_wait = NULL;
	result_elsewhere = viommu_driver_map(other_domain, 0xfffff000, 0xffffffff, 0x200000, RW);
	script_release_all(f);
}

/* Or what the list takes back would be theirs. */
static void test_driver_dma_map__refused_while_the_list_waits__is_not_free_for_others_yet(void **state)
{
	struct viommu_dma_buffer list[2];
	struct board b;

	(void)state;
	board_up_in(&b, 0, UINT32_MAX, false);
	make_list(list, 2);
	other_domain = &b.one.d;
	b.one.f->script.decide = refuse_then_hold;
	b.one.f->on_wait = map_elsewhere;
	assert_int_equal(viommu_driver_dma_map(&b.dma, list, 2, VIOMMU_DMA_TO_DEVICE), VIOMMU_E_REJECTED);
	assert_null(b.one.f->on_wait);
	assert_int_equal(result_elsewhere, VIOMMU_E_EXISTS);
	assert_int_equal(record_count(&b.one.d), 0);
	assert_int_equal(viommu_driver_map(&b.one.d, 0xfffff000, 0xffffffff, 0x200000, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&b.one.d, NULL), VIOMMU_OK);
	assert_record_is_model(b.one.f, &b.one.d);
	driver_teardown(b.one.f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_dma_init__bad_configurations__are_refused),
		cmocka_unit_test(test_driver_dma_map__top_down__begins_at_the_end_of_the_window),
		cmocka_unit_test(test_driver_dma_map__bottom_up__begins_behind_the_granule_at_0),
		cmocka_unit_test(test_driver_dma_map__whole_address_space__begins_at_its_end),
		cmocka_unit_test(test_driver_dma_map__window_and_input_range__both_hold),
		cmocka_unit_test(test_driver_dma_map__nothing_fits__full_and_nothing_is_sent),
		cmocka_unit_test(test_driver_dma_map__reserved_regions__are_kept_off),
		cmocka_unit_test(test_driver_dma_map__mappings_of_others__are_kept_off),
		cmocka_unit_test(test_driver_dma_map__window_is_covered__full),
		cmocka_unit_test(test_driver_dma_map__many_mappings_in_the_way__all_of_them_are_passed),
		cmocka_unit_test(test_driver_dma_map__freed_last__is_handed_out_first),
		cmocka_unit_test(test_driver_dma_map__hints_that_are_no_good__are_forgotten),
		cmocka_unit_test(test_driver_dma_map__large_buffers__have_no_magazine),
		cmocka_unit_test(test_driver_dma_map__unaligned__whole_granules_and_the_same_offset),
		cmocka_unit_test(test_driver_dma_map__each_direction__is_its_flags),
		cmocka_unit_test(test_driver_dma__bad_arguments__are_refused_and_nothing_is_sent),
		cmocka_unit_test(test_driver_dma_map__mmio_without_the_feature__unsupp),
		cmocka_unit_test(test_driver_dma__no_endpoint__nothing_is_sent),
		cmocka_unit_test(test_driver_dma__bypass_domain__is_identity_within_the_window),
		cmocka_unit_test(test_driver_dma_map__list__one_kick_for_all_of_it),
		cmocka_unit_test(test_driver_dma_map__list_longer_than_the_queue__a_kick_for_each_full_one),
		cmocka_unit_test(test_driver_dma_map__one_of_a_list_fails__none_is_mapped),
		cmocka_unit_test(test_driver_dma_map__no_room_for_the_last_of_a_list__none_is_mapped),
		cmocka_unit_test(test_driver_dma_map__no_answer__is_not_handed_out_before_it_is_settled),
		cmocka_unit_test(test_driver_dma_map__queue_breaks__uncertain_until_the_device_is_reset),
		cmocka_unit_test(test_driver_dma_unmap__not_mapped_like_this__noent_and_nothing_is_done),
		cmocka_unit_test(test_driver_dma_unmap__refused_or_no_answer__not_reused_until_confirmed),
		cmocka_unit_test(test_driver_dma_unmap__twice_in_a_list__leaves_the_next_one_alone),
		cmocka_unit_test(test_driver_dma_unmap__driver_stopped__state_and_still_recorded),
		cmocka_unit_test(
			test_driver_dma_unmap__one_is_outside_of_a_later_input_range__range_and_all_is_recorded),
		cmocka_unit_test(test_driver_dma_map__unmap_of_a_hole_in_flight__waits_for_it),
		cmocka_unit_test(test_driver_dma__not_coherent__cleaned_before_the_map_and_dropped_after_the_unmap),
		cmocka_unit_test(test_driver_dma_unmap__lazy__nothing_is_sent_before_the_flush),
		cmocka_unit_test(test_driver_dma_unmap__lazy_and_full__all_go_with_one_kick),
		cmocka_unit_test(test_driver_dma_map__lazy_and_no_room__flushes_and_finds_it),
		cmocka_unit_test(test_driver_dma_map__lazy_and_no_nodes__flushes_and_finds_them),
		cmocka_unit_test(test_driver_dma_map__lazy_and_the_flush_fails__its_error),
		cmocka_unit_test(test_driver_dma__lazy_and_stopped__is_kept_for_later),
		cmocka_unit_test(test_driver_dma_unmap__lazy_and_the_flush_cannot_be_sent__its_error),
		cmocka_unit_test(test_driver_dma_flush__range_was_remapped_by_others__is_left_alone),
		cmocka_unit_test(test_driver_dma_map__given_up_by_somebody_else__is_reported_here),
		cmocka_unit_test(test_driver_dma_map__others_wait_for_their_answer__only_ours_counts),
		cmocka_unit_test(test_driver_dma_map__nobody_gets_an_answer__each_failure_is_reported_once),
		cmocka_unit_test(test_driver_dma_map__refused_while_the_list_waits__is_not_free_for_others_yet),
	};

	return suite_run(tests);
}
