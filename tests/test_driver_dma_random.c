/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_driver_dma_random.c: buffers at random, over three objects on one domain and a device that now and then refuses,
 * answers nothing, or answers too late, against a book of granules. What must hold:
 *
 *   - a buffer lies in its window, outside of the reserved region, aligned, and on nothing that is handed out;
 *   - no MAP is sent where the device may still have a mapping (it knows best, so it is asked);
 *   - "full" is true: a search through all places finds none in the record;
 *   - in the end all of it can be taken back, and nothing is left.
 */
#include <viommu/dma.h>

#include "driver_pages.h"
#include "sim/random.h"
#include "suite.h"

#define PAGES 64u
#define OBJECTS 3u
#define LIVE 48u
#define STEPS 3000u
#define RESERVED_FIRST 20u
#define RESERVED_LAST 22u

/* [0x14000, 0x16fff] */
static const uint8_t region[] = { 1, 0, 20, 0, 0, 0, 0, 0, 0, 0x40, 1, 0, 0, 0, 0, 0, 0xff, 0x6f, 1, 0, 0, 0, 0, 0 };

static const struct viommu_range windows[OBJECTS] = { { 0, 64 * PAGE - 1 },
						      { 8 * PAGE, 40 * PAGE - 1 },
						      { 30 * PAGE, 64 * PAGE - 1 } };

struct live {
	struct viommu_dma_buffer buffer;
	uint32_t object;
	bool asked; /* for an unmap that was not confirmed */
};

struct world {
	struct one one;
	struct viommu_resv_region regions[1];
	struct viommu_driver_endpoint second;
	struct viommu_driver_dma dmas[OBJECTS];
	viommu_iova hints[2][3 * VIOMMU_DMA_CLASSES];
	struct viommu_range deferred[3];
	struct live live[LIVE];
	uint32_t count;
	bool taken[PAGES]; /* handed out */
	struct sim_random random;
	bool calm;
	uint32_t mapped, full, failed;
};

static struct world w;

static uint32_t below(uint32_t n)
{
	return (uint32_t)sim_random_below(&w.random, n);
}

/* The device: refuses, or does it and says nothing, or does nothing and says nothing. */
static struct verdict decide(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number)
{
	uint32_t mood = w.calm ? 99 : below(40);

	(void)number;
	if (r->type == VIOMMU_T_MAP) {
		for (uint64_t at = r->u.map.virt_start; at <= r->u.map.virt_end; at += PAGE)
			assert_false(model_mapped(f, r->u.map.domain, at));
	}
	switch (mood) {
	case 0:
		return VERDICT_STATUS(VIOMMU_S_NOMEM);
	case 1:
		return VERDICT_USED(0);
	case 2:
		return (struct verdict){ BY_MODEL, 0, false, false };
	case 3:
		return VERDICT_HOLD;
	default:
		return VERDICT_HONEST;
	}
}

static uint32_t pages_of(const struct viommu_dma_buffer *b)
{
	return (uint32_t)(((b->phys & (PAGE - 1)) + b->len + PAGE - 1) / PAGE);
}

static void mark(const struct viommu_dma_buffer *b, bool taken)
{
	for (uint32_t i = 0; i < pages_of(b); i++)
		w.taken[b->iova / PAGE + i] = taken;
}

static uint32_t alignment(uint32_t pages)
{
	uint32_t a = 1;

	while (a < pages)
		a *= 2;
	return a;
}

/* Is there a place in the window of this object, by the record? */
static bool has_place(uint32_t object, uint32_t pages)
{
	for (uint32_t at = alignment(pages); at + pages <= PAGES; at += alignment(pages)) {
		bool free = at * PAGE >= windows[object].first && (at + pages) * PAGE - 1 <= windows[object].last;

		for (uint32_t page = at; page < at + pages; page++)
			free = free && !is_mapped(&w.one.d, page) && !(page >= RESERVED_FIRST && page <= RESERVED_LAST);
		if (free)
			return true;
	}
	return false;
}

static void check_place(uint32_t object, const struct viommu_dma_buffer *b)
{
	uint64_t first = b->iova / PAGE;
	uint32_t pages = pages_of(b);
	viommu_gpa phys;

	assert_true(first > 0 && first % alignment(pages) == 0);
	assert_true(first * PAGE >= windows[object].first && (first + pages) * PAGE - 1 <= windows[object].last);
	assert_true(first > RESERVED_LAST || first + pages <= RESERVED_FIRST);
	for (uint32_t i = 0; i < pages; i++) {
		assert_false(w.taken[first + i]);
		assert_true(model_mapped(w.one.f, viommu_driver_domain_id(&w.one.d), (first + i) * PAGE));
	}
	assert_int_equal(viommu_driver_iova_to_phys(&w.one.d, b->iova, &phys), VIOMMU_OK);
	assert_true(phys == b->phys);
}

static void map_some(uint32_t object)
{
	struct viommu_dma_buffer list[3];
	uint32_t count = 1 + below(3);
	enum viommu_result r;

	if (w.count + count > LIVE)
		return;
	for (uint32_t i = 0; i < count; i++) {
		list[i] = (struct viommu_dma_buffer){ .len = 1 + below(5 * (uint32_t)PAGE) };
		list[i].phys = 0x100000 + below(0x10000);
	}
	r = viommu_driver_dma_map(&w.dmas[object], list, count, VIOMMU_DMA_BIDIRECTIONAL);
	if (r == VIOMMU_E_FULL && count == 1) {
		assert_false(has_place(object, pages_of(&list[0])));
		w.full++;
	}
	w.failed += r != VIOMMU_OK && r != VIOMMU_E_FULL;
	if (r != VIOMMU_OK)
		return;
	for (uint32_t i = 0; i < count; i++) {
		check_place(object, &list[i]);
		mark(&list[i], true);
		w.live[w.count++] = (struct live){ list[i], object, false };
		w.mapped++;
	}
}

static void unmap_one(uint32_t which)
{
	struct live *l = &w.live[which];
	enum viommu_result r;

	r = viommu_driver_dma_unmap(&w.dmas[l->object], &l->buffer, 1, VIOMMU_DMA_BIDIRECTIONAL);
	if (r == VIOMMU_E_NOENT) {
		assert_true(l->asked);
		r = VIOMMU_OK;
	}
	l->asked = true;
	w.failed += r != VIOMMU_OK;
	if (r != VIOMMU_OK)
		return;
	mark(&l->buffer, false);
	*l = w.live[--w.count];
}

static void world_up(uint64_t seed)
{
	memset(&w, 0, sizeof w);
	w.random.state = seed;
	set_up(&w.one, NULL);
	w.one.f->script.properties = region;
	w.one.f->script.properties_len = sizeof region;
	assert_int_equal(viommu_driver_endpoint_init(&w.second, &w.one.f->drv, 9, w.regions, 1), VIOMMU_OK);
	w.one.f->script.properties = NULL;
	assert_int_equal(viommu_driver_attach(&w.one.d, &w.second, NULL), VIOMMU_OK);
	for (uint32_t i = 0; i < OBJECTS; i++) {
		struct viommu_dma_config c = VIOMMU_DMA_CONFIG_INIT;

		c.window = windows[i];
		c.bottom_up = i == 1;
		if (i < 2) {
			c.hints = w.hints[i];
			c.hint_count = 3 * VIOMMU_DMA_CLASSES;
		} else {
			c.deferred = w.deferred;
			c.deferred_count = 3;
		}
		assert_int_equal(viommu_driver_dma_init(&w.dmas[i], &w.one.d, &c), VIOMMU_OK);
	}
}

/* What the record has and nobody owns is UNCERTAIN: it is unmapped once more. */
static void settle(void)
{
	struct viommu_mapping m;
	uint64_t from = 0;

	(void)!viommu_driver_dma_flush(&w.dmas[2], NULL);
	while (viommu_driver_next_mapping(&w.one.d, from, &m)) {
		if (!w.taken[m.first / PAGE])
			assert_int_equal(viommu_driver_unmap(&w.one.d, m.first, m.last), VIOMMU_OK);
		from = m.last + 1;
	}
	(void)!viommu_driver_sync(&w.one.d, NULL);
}

static void step(void)
{
	uint32_t what = below(16);
	uint32_t object = below(OBJECTS);

	w.one.f->script.count = 0;
	w.one.f->failure_count = 0;
	if (what < 8) {
		map_some(object);
	} else if (what < 14) {
		if (w.count > 0)
			unmap_one(below(w.count));
	} else if (what == 14) {
		settle();
	} else {
		script_release_all(w.one.f);
		(void)viommu_driver_process(&w.one.f->drv, 0);
		w.one.f->script.held_count = 0;
	}
	assert_true(viommu_driver_check(&w.one.f->drv));
}

static void test_driver_dma__random__nothing_overlaps_and_full_is_true(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		world_up(seed);
		w.one.f->script.decide = decide;
		for (uint32_t i = 0; i < STEPS; i++)
			step();
		assert_true(w.mapped > STEPS / 4 && w.full > 20 && w.failed > 20);
		/* All of it is taken back, what is UNCERTAIN too. */
		w.calm = true;
		script_release_all(w.one.f);
		while (w.count > 0)
			unmap_one(w.count - 1);
		(void)!viommu_driver_dma_flush(&w.dmas[2], NULL);
		assert_int_equal(viommu_driver_unmap(&w.one.d, 0, UINT64_MAX), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&w.one.d, NULL), VIOMMU_OK);
		assert_int_equal(record_count(&w.one.d), 0);
		assert_int_equal(w.one.f->script.mapping_count, 0);
		driver_teardown(w.one.f);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_dma__random__nothing_overlaps_and_full_is_true),
	};

	return suite_run(tests);
}
