/* SPDX-License-Identifier: BSD-3-Clause */
/* Logs of the pages that endpoints write to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <viommu/dirty.h>

#include "device_fixture.h"
#include "suite.h"

#define R VIOMMU_ACCESS_READ
#define W VIOMMU_ACCESS_WRITE
#define RW (R | W)
#define FIRST UINT64_C(0x100000) /* of the log */
#define PAGES 80u

struct log {
	struct viommu_dirty_log log;
	uint32_t *bits; /* as long as it has to be */
};

static void log_init(struct log *log, uint64_t first, uint64_t pages)
{
	size_t size = (size_t)(pages + 31) / 32 * sizeof(uint32_t);

	log->bits = malloc(size);
	assert_non_null(log->bits);
	memset(log->bits, 0, size);
	log->log = (struct viommu_dirty_log){ .first = first, .pages = pages, .bits = log->bits, .page_bits = 12 };
}

static void log_free(struct log *log)
{
	free(log->bits);
}

/* Exactly these pages are set. */
static void assert_dirty(const struct log *log, uint64_t first, uint64_t last)
{
	for (uint64_t page = 0; page < (log->log.pages + 31) / 32 * 32; page++)
		assert_int_equal(log->bits[page / 32] >> (page % 32) & 1, page >= first && page <= last);
}

static void assert_clean(const struct log *log)
{
	assert_dirty(log, 1, 0);
}

/* Endpoint 0 has a log and, at 0, 256 pages from FIRST - 16 pages on; endpoint 1 is in the same domain. */
static void prepare(struct device_fixture *f, struct log *log)
{
	device_setup(f, NULL);
	assert_int_equal(device_attach(f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(f, 1, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(f, 1, 0, 0xfffff, FIRST - 0x10000, RW), VIOMMU_S_OK);
	log_init(log, FIRST, PAGES);
	assert_int_equal(viommu_device_set_dirty_log(&f->dev, f->endpoints[0], &log->log), VIOMMU_OK);
}

static void finish(struct device_fixture *f, struct log *log)
{
	device_teardown(f);
	log_free(log);
}

/* In a section of its own. iova 0x10000 is the begin of the log. */
static enum viommu_result touch(struct device_fixture *f, uint32_t index, uint64_t iova, uint64_t len, uint32_t kind)
{
	struct viommu_access_token token;
	struct viommu_translation t;
	enum viommu_result result;

	assert_int_equal(viommu_access_begin(&f->accesses[index], &token), VIOMMU_OK);
	result = viommu_access_translate(&f->accesses[index], iova, len, kind, &t);
	viommu_access_end(&f->accesses[index], token);
	return result;
}

static void test_dirty__write__its_pages_and_no_others(void **state)
{
	static const struct {
		uint64_t iova, len, first, last;
	} cases[] = {
		{ 0x10000, 1, 0, 0 },         { 0x10fff, 1, 0, 0 },         { 0x10fff, 2, 0, 1 },
		{ 0x2f000, 0x1000, 31, 31 },  { 0x2f000, 0x1001, 31, 32 },  { 0x30000, 0x20000, 32, 63 },
		{ 0x2f800, 0x21000, 31, 64 }, { 0x10000, 0x50000, 0, 79 },  { 0x5ffff, 1, 79, 79 },
		{ 0x11000, 0x30000, 1, 48 },  { 0x2f000, 0x30000, 31, 78 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct device_fixture f;
		struct log log;

		prepare(&f, &log);
		assert_int_equal(touch(&f, 0, cases[i].iova, cases[i].len, i % 2 == 0 ? W : RW), VIOMMU_OK);
		assert_dirty(&log, cases[i].first, cases[i].last);
		assert_int_equal(log.log.outside, 0);
		finish(&f, &log);
	}
}

static void test_dirty__read_or_fault_or_another_endpoint__nothing(void **state)
{
	struct device_fixture f;
	struct log log;

	(void)state;
	prepare(&f, &log);
	assert_int_equal(touch(&f, 0, 0x10000, 0x1000, R), VIOMMU_OK);
	assert_int_equal(touch(&f, 0, 0x10000, 0x1000, R), VIOMMU_OK);
	assert_int_equal(touch(&f, 0, 0x200000, 0x1000, W), VIOMMU_E_FAULT);
	assert_int_equal(touch(&f, 1, 0x10000, 0x1000, W), VIOMMU_OK);
	assert_clean(&log);
	assert_int_equal(log.log.outside, 0);
	finish(&f, &log);
}

static void test_dirty__translation_that_is_remembered__noted_each_time(void **state)
{
	struct device_fixture f;
	struct log log;

	(void)state;
	prepare(&f, &log);
	assert_int_equal(touch(&f, 0, 0x10010, 8, W), VIOMMU_OK);
	assert_dirty(&log, 0, 0);
	log.bits[0] = 0; /* nobody writes at the moment */
	assert_int_equal(touch(&f, 0, 0x10010, 8, W), VIOMMU_OK);
	assert_dirty(&log, 0, 0);
	finish(&f, &log);
}

static void test_dirty__beside_the_log__said_and_the_rest_noted(void **state)
{
	static const struct {
		uint64_t iova, len;
		bool some;
		uint64_t first, last;
	} cases[] = {
		{ 0xf000, 0x1000, false, 1, 0 },  { 0x0f000, 0x2000, true, 0, 0 }, { 0x60000, 1, false, 1, 0 },
		{ 0x0f000, 0x1001, true, 0, 0 },  { 0x5ffff, 2, true, 79, 79 },    { 0x00000, 0x100000, true, 0, 79 },
		{ 0xff000, 0x1000, false, 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct device_fixture f;
		struct log log;

		prepare(&f, &log);
		assert_int_equal(touch(&f, 0, cases[i].iova, cases[i].len, W), VIOMMU_OK);
		assert_dirty(&log, cases[i].first, cases[i].last);
		assert_int_equal(log.log.outside, 1);
		assert_int_equal(touch(&f, 0, 0x11000, 1, W), VIOMMU_OK);
		assert_int_equal(log.bits[0] >> 1 & 1, 1);
		finish(&f, &log);
	}
}

static void test_dirty__behind_a_log_of_whole_words__nothing(void **state)
{
	struct device_fixture f;
	struct log log, words;

	(void)state;
	prepare(&f, &log);
	log_init(&words, FIRST, 64);
	words.bits = realloc(words.bits, 3 * sizeof(uint32_t));
	assert_non_null(words.bits);
	words.bits[2] = 0; /* not the log's */
	words.log.bits = words.bits;
	assert_int_equal(viommu_device_set_dirty_log(&f.dev, f.endpoints[0], &words.log), VIOMMU_OK);
	assert_int_equal(touch(&f, 0, 0x50000, 1, W), VIOMMU_OK);
	assert_clean(&words);
	assert_int_equal(words.bits[2], 0);
	assert_int_equal(touch(&f, 0, 0x4f000, 0x2000, W), VIOMMU_OK);
	assert_dirty(&words, 63, 63);
	assert_int_equal(words.bits[2], 0);
	log_free(&words);
	finish(&f, &log);
}

/* The section that used the old one is waited for, and then its writes have been done. */
static void test_dirty__another_log__the_old_one_is_complete_when_settled(void **state)
{
	struct viommu_access_token token;
	struct viommu_translation t;
	struct device_fixture f;
	struct log log, next;

	(void)state;
	prepare(&f, &log);
	log_init(&next, FIRST, PAGES);
	assert_true(viommu_device_memory_is_settled(&f.dev));
	assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
	assert_int_equal(viommu_access_translate(&f.accesses[0], 0x10000, 1, W, &t), VIOMMU_OK);
	assert_int_equal(viommu_device_set_dirty_log(&f.dev, f.endpoints[0], &next.log), VIOMMU_OK);
	assert_false(viommu_device_memory_is_settled(&f.dev));
	assert_int_equal(touch(&f, 0, 0x11000, 1, W), VIOMMU_OK);
	assert_false(viommu_device_memory_is_settled(&f.dev));
	assert_dirty(&log, 0, 0);
	assert_dirty(&next, 1, 1);
	viommu_access_end(&f.accesses[0], token);
	assert_true(viommu_device_memory_is_settled(&f.dev));
	assert_int_equal(viommu_device_set_dirty_log(&f.dev, f.endpoints[0], NULL), VIOMMU_OK);
	assert_int_equal(touch(&f, 0, 0x12000, 1, W), VIOMMU_OK);
	assert_dirty(&log, 0, 0);
	assert_dirty(&next, 1, 1);
	log_free(&next);
	finish(&f, &log);
}

static void test_dirty__two_endpoints_with_one_log__both_noted(void **state)
{
	struct device_fixture f;
	struct log log;

	(void)state;
	prepare(&f, &log);
	assert_int_equal(viommu_device_set_dirty_log(&f.dev, f.endpoints[1], &log.log), VIOMMU_OK);
	assert_int_equal(touch(&f, 0, 0x10000, 1, W), VIOMMU_OK);
	assert_int_equal(touch(&f, 1, 0x11000, 1, W), VIOMMU_OK);
	assert_dirty(&log, 0, 1);
	finish(&f, &log);
}

static void test_dirty__bypass__noted_where_it_is(void **state)
{
	struct device_options options;
	struct device_fixture f;
	struct log log;

	(void)state;
	device_options_init(&options);
	options.config.bypass = 1;
	device_setup(&f, &options);
	log_init(&log, 0, 3);
	assert_int_equal(viommu_device_set_dirty_log(&f.dev, f.endpoints[2], &log.log), VIOMMU_OK);
	assert_int_equal(touch(&f, 2, 0x1fff, 2, W), VIOMMU_OK);
	assert_dirty(&log, 1, 2);
	assert_int_equal(log.log.outside, 0);
	finish(&f, &log);
}

static void test_dirty__doorbell__is_no_memory(void **state)
{
	static const struct viommu_resv_region doorbell[] = { { { 0x1000, 0x1fff }, VIOMMU_RESV_MEM_MSI } };
	struct device_options options;
	struct device_fixture f;
	struct log log;

	(void)state;
	device_options_init(&options);
	options.regions[0] = doorbell;
	options.region_counts[0] = 1;
	device_setup(&f, &options);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	log_init(&log, 0, 3);
	assert_int_equal(viommu_device_set_dirty_log(&f.dev, f.endpoints[0], &log.log), VIOMMU_OK);
	assert_int_equal(touch(&f, 0, 0x1000, 4, W), VIOMMU_OK);
	assert_clean(&log);
	assert_int_equal(log.log.outside, 0);
	finish(&f, &log);
}

/* A page of the largest size, and the last one that there is. */
static void test_dirty__up_to_the_end_of_memory__noted(void **state)
{
	struct device_options options;
	struct device_fixture f;
	struct log log;

	(void)state;
	device_options_init(&options);
	options.config.bypass = 1;
	device_setup(&f, &options);
	log_init(&log, UINT64_MAX - UINT64_C(0x1ffffffff), 2);
	log.log.page_bits = 32;
	assert_int_equal(viommu_device_set_dirty_log(&f.dev, f.endpoints[0], &log.log), VIOMMU_OK);
	assert_int_equal(touch(&f, 0, UINT64_MAX, 1, W), VIOMMU_OK);
	assert_dirty(&log, 1, 1);
	assert_int_equal(touch(&f, 0, 0, UINT64_MAX, W), VIOMMU_OK);
	assert_dirty(&log, 0, 1);
	assert_int_equal(log.log.outside, 1);
	finish(&f, &log);
}

static void test_set_dirty_log__no_log__arg_and_the_old_one_stays(void **state)
{
	static const struct viommu_dirty_log good = { .first = FIRST, .pages = 1, .page_bits = 12 };
	struct viommu_dirty_log bad[7];
	struct device_fixture f;
	uint32_t bits = 0;
	struct log log;

	(void)state;
	prepare(&f, &log);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bad[i] = good;
		bad[i].bits = &bits;
	}
	bad[0].bits = NULL;
	bad[1].pages = 0;
	bad[2].page_bits = 7;
	bad[3].page_bits = 33;
	bad[3].first = 0;
	bad[4].first += 0x800;
	bad[5].first = UINT64_MAX - 0xfff;
	bad[5].pages = 2;
	bad[6].pages = UINT64_MAX;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(viommu_device_set_dirty_log(&f.dev, f.endpoints[0], &bad[i]), VIOMMU_E_ARG);
	assert_int_equal(touch(&f, 0, 0x10000, 1, W), VIOMMU_OK);
	assert_dirty(&log, 0, 0);
	assert_int_equal(bits, 0);
	finish(&f, &log);
}

static void test_set_dirty_log__smallest_pages__taken(void **state)
{
	struct device_fixture f;
	struct log log, fine;

	(void)state;
	prepare(&f, &log);
	log_init(&fine, FIRST, 33);
	fine.log.page_bits = 8;
	assert_int_equal(viommu_device_set_dirty_log(&f.dev, f.endpoints[0], &fine.log), VIOMMU_OK);
	assert_int_equal(touch(&f, 0, 0x11fff, 2, W), VIOMMU_OK);
	assert_dirty(&fine, 31, 32);
	log_free(&fine);
	finish(&f, &log);
}

static void test_set_dirty_log__removed_endpoint__state(void **state)
{
	struct viommu_access_token token;
	struct viommu_translation t;
	struct device_fixture f;
	struct log log;

	(void)state;
	prepare(&f, &log);
	assert_int_equal(viommu_access_begin(&f.accesses[0], &token), VIOMMU_OK);
	assert_int_equal(viommu_access_translate(&f.accesses[0], 0x10000, 1, W, &t), VIOMMU_OK);
	assert_int_equal(viommu_device_remove_endpoint(&f.dev, f.endpoints[0]), VIOMMU_OK);
	assert_int_equal(viommu_device_set_dirty_log(&f.dev, f.endpoints[0], NULL), VIOMMU_E_STATE);
	assert_dirty(&log, 0, 0);
	viommu_access_end(&f.accesses[0], token);
	finish(&f, &log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dirty__write__its_pages_and_no_others),
		cmocka_unit_test(test_dirty__read_or_fault_or_another_endpoint__nothing),
		cmocka_unit_test(test_dirty__translation_that_is_remembered__noted_each_time),
		cmocka_unit_test(test_dirty__beside_the_log__said_and_the_rest_noted),
		cmocka_unit_test(test_dirty__behind_a_log_of_whole_words__nothing),
		cmocka_unit_test(test_dirty__another_log__the_old_one_is_complete_when_settled),
		cmocka_unit_test(test_dirty__two_endpoints_with_one_log__both_noted),
		cmocka_unit_test(test_dirty__bypass__noted_where_it_is),
		cmocka_unit_test(test_dirty__doorbell__is_no_memory),
		cmocka_unit_test(test_dirty__up_to_the_end_of_memory__noted),
		cmocka_unit_test(test_set_dirty_log__no_log__arg_and_the_old_one_stays),
		cmocka_unit_test(test_set_dirty_log__smallest_pages__taken),
		cmocka_unit_test(test_set_dirty_log__removed_endpoint__state),
	};

	return suite_run(tests);
}
