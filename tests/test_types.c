/* SPDX-License-Identifier: BSD-3-Clause */
/* test_types.c: the words that every other header uses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <viommu/types.h>

#include "suite.h"

static void test_result_class__each_result__its_class(void **state)
{
	static const struct {
		enum viommu_result result;
		enum viommu_result_class expected;
	} table[] = {
		{ VIOMMU_OK, VIOMMU_CLASS_OK },
		{ VIOMMU_E_ARG, VIOMMU_CLASS_CALLER },
		{ VIOMMU_E_STATE, VIOMMU_CLASS_CALLER },
		{ VIOMMU_E_ABI, VIOMMU_CLASS_CALLER },
		{ VIOMMU_E_NOENT, VIOMMU_CLASS_CALLER },
		{ VIOMMU_E_EXISTS, VIOMMU_CLASS_CALLER },
		{ VIOMMU_E_RANGE, VIOMMU_CLASS_CALLER },
		{ VIOMMU_E_UNSUPP, VIOMMU_CLASS_CALLER },
		{ VIOMMU_E_NOMEM, VIOMMU_CLASS_BUDGET },
		{ VIOMMU_E_FULL, VIOMMU_CLASS_BUDGET },
		{ VIOMMU_E_EMPTY, VIOMMU_CLASS_BUDGET },
		{ VIOMMU_E_BUSY, VIOMMU_CLASS_BUDGET },
		{ VIOMMU_E_TIMEOUT, VIOMMU_CLASS_BUDGET },
		{ VIOMMU_E_PEER, VIOMMU_CLASS_PEER },
		{ VIOMMU_E_BROKEN, VIOMMU_CLASS_PEER },
		{ VIOMMU_E_REJECTED, VIOMMU_CLASS_PEER },
		{ VIOMMU_E_FAULT, VIOMMU_CLASS_PEER },
		{ VIOMMU_E_PORT, VIOMMU_CLASS_PORT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		assert_int_equal(viommu_result_class(table[i].result), table[i].expected);
}

/* Results that are not there yet have their class already: -1 to -31, -33 to -63, -65 to -95, -97 and below. */
static void test_result_class__any_number__by_its_block(void **state)
{
	static const enum viommu_result_class blocks[] = { VIOMMU_CLASS_CALLER, VIOMMU_CLASS_BUDGET, VIOMMU_CLASS_PEER,
							   VIOMMU_CLASS_PORT };

	(void)state;
	for (int block = 0; block < 4; block++) {
		for (int n = 1; n < 32; n++)
			assert_int_equal(viommu_result_class((enum viommu_result)(-32 * block - n)), blocks[block]);
	}
}

static void test_range__overlaps_and_contains__by_every_byte(void **state)
{
	(void)state;
	for (uint64_t a = 0; a < 6; a++) {
		for (uint64_t b = a; b < 6; b++) {
			for (uint64_t c = 0; c < 6; c++) {
				for (uint64_t d = c; d < 6; d++) {
					bool common = false, inside = true;

					for (uint64_t x = c; x <= d; x++) {
						common = common || (a <= x && x <= b);
						inside = inside && (a <= x && x <= b);
					}
					assert_int_equal(viommu_range_overlaps((struct viommu_range){ a, b },
									       (struct viommu_range){ c, d }),
							 common);
					assert_int_equal(viommu_range_contains((struct viommu_range){ a, b },
									       (struct viommu_range){ c, d }),
							 inside);
				}
			}
		}
	}
}

static void test_count__at_the_top__stays_there(void **state)
{
	uint32_t counter = UINT32_MAX - 1;

	(void)state;
	viommu_count(&counter);
	assert_int_equal(counter, UINT32_MAX);
	viommu_count(&counter);
	assert_int_equal(counter, UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_result_class__each_result__its_class),
		cmocka_unit_test(test_result_class__any_number__by_its_block),
		cmocka_unit_test(test_range__overlaps_and_contains__by_every_byte),
		cmocka_unit_test(test_count__at_the_top__stays_there),
	};

	return suite_run(tests);
}
