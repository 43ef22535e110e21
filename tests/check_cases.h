/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check_cases.h: tests of viommu_X_is_valid and viommu_X_check. A live object is damaged in one place after another;
 * each time the damage has to be seen, and the object has to be sound again when the damage is undone.
 *
 *     #define CASES(X)                                                           \
 *             X(AT_ONCE, what_is_wrong, object.member = 17)                      \
 *             X(IN_DETAIL, what_else_is_wrong, object.array[3]++)
 *     CASES(DEFINE_CASE)
 *     static const struct check_case cases[] = { CASES(LIST_CASE) };
 */
#ifndef VIOMMU_TESTS_CHECK_CASES_H
#define VIOMMU_TESTS_CHECK_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* Who sees it: is_valid and check, or only check. */
enum check_sight {
	AT_ONCE,
	IN_DETAIL
};

struct check_case {
	enum check_sight sight;
	const char *name;
	void (*damage)(void);
};

#define DEFINE_CASE(sight, name, ...)                                                                                  \
	static void name(void)                                                                                         \
	{                                                                                                              \
		__VA_ARGS__;                                                                                           \
	}
#define LIST_CASE(sight, name, ...) { sight, #name, name },

/* Memory that cases damage; all of it is put back after each. At most 16 pieces. */
void check_protect(void *at, size_t len);
void check_protect_none(void);

/* The checks of the object in question. */
typedef bool (*check_function)(void);
void check_run(const struct check_case *cases, size_t count, check_function is_valid, check_function check);

#endif /* VIOMMU_TESTS_CHECK_CASES_H */
