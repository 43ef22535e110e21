/* SPDX-License-Identifier: BSD-3-Clause */
#include "check_cases.h"

#define PIECES 16u

static struct {
	void *at;
	void *copy;
	size_t len;
} pieces[PIECES];
static size_t piece_count;

void check_protect(void *at, size_t len)
{
	assert_true(piece_count < PIECES);
	pieces[piece_count].at = at;
	pieces[piece_count].len = len;
	pieces[piece_count].copy = malloc(len);
	assert_non_null(pieces[piece_count].copy);
	memcpy(pieces[piece_count].copy, at, len);
	piece_count++;
}

void check_protect_none(void)
{
	while (piece_count > 0)
		free(pieces[--piece_count].copy);
}

static void put_back(void)
{
	for (size_t i = 0; i < piece_count; i++)
		memcpy(pieces[i].at, pieces[i].copy, pieces[i].len);
}

void check_run(const struct check_case *cases, size_t count, check_function is_valid, check_function check)
{
	assert_true(is_valid() && check());
	for (size_t i = 0; i < count; i++) {
		bool valid, sound;

		cases[i].damage();
		valid = is_valid();
		sound = check();
		if (sound)
			fail_msg("%s: not seen", cases[i].name);
		if (valid != (cases[i].sight == IN_DETAIL))
			fail_msg("%s: is_valid says %s", cases[i].name, valid ? "true" : "false");
		put_back();
		if (!is_valid() || !check())
			fail_msg("%s: still seen when it is undone, or it is in none of the pieces", cases[i].name);
	}
}
