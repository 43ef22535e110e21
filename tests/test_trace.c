/* SPDX-License-Identifier: BSD-3-Clause */
/* test_trace.c: the parser of recorded requests: what it reads, and how it says what is wrong. */
#define _POSIX_C_SOURCE 200809L /* mkstemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "suite.h"

#include "sim/env/env.h"
#include "sim/trace.h"

#define SIZE_OF(array) (sizeof(array) / sizeof((array)[0]))

/* What is read */

static void test_trace__one_line_of_each_kind__all_fields_read(void **state)
{
	static const char text[] = "P fb\n"
				   "A 1 fb 1\n"
				   "D 2 fb\n"
				   "M 3 fffff000 ffffffff 30db000 7\n"
				   "U 4 0 ffffffffffffffff\n"
				   "T ffffffff fee00abc 2\n";
	static const struct sim_trace_line expected[] = {
		{ .type = 'P', .number = 1, .endpoint = 0xfb },
		{ .type = 'A', .number = 2, .domain = 1, .endpoint = 0xfb, .flags = 1 },
		{ .type = 'D', .number = 3, .domain = 2, .endpoint = 0xfb },
		{ .type = 'M',
		  .number = 4,
		  .domain = 3,
		  .first = 0xfffff000,
		  .last = 0xffffffff,
		  .phys = 0x30db000,
		  .flags = 7 },
		{ .type = 'U', .number = 5, .domain = 4, .first = 0, .last = UINT64_MAX },
		{ .type = 'T', .number = 6, .endpoint = UINT32_MAX, .first = 0xfee00abc, .flags = 2 },
	};
	struct sim_trace trace;
	struct sim_error error;

	(void)state;
	assert_true(sim_trace_parse(&trace, "t", text, strlen(text), &error));
	assert_int_equal(trace.count, SIZE_OF(expected));
	assert_string_equal(trace.name, "t");
	for (size_t i = 0; i < SIZE_OF(expected); i++) {
		const struct sim_trace_line *got = &trace.lines[i], *want = &expected[i];

		assert_int_equal(got->type, want->type);
		assert_int_equal(got->number, want->number);
		assert_int_equal(got->domain, want->domain);
		assert_int_equal(got->endpoint, want->endpoint);
		assert_int_equal(got->flags, want->flags);
		assert_true(got->first == want->first);
		assert_true(got->last == want->last);
		assert_true(got->phys == want->phys);
	}
	sim_trace_deinit(&trace);
}

static void test_trace__harmless_form__accepted(void **state)
{
	static const struct {
		const char *text;
		size_t count;
		uint32_t last_number;
	} cases[] = {
		{ "", 0, 0 },
		{ "\n\n", 0, 0 },
		{ "# nothing", 0, 0 },
		{ "P 8", 1, 1 }, /* no end of line */
		{ "# head\n\n  # indented\nP 8\n\t\nP 10\n", 2, 6 },
		{ "P 8\r\n\r\nP 10\r\n", 2, 3 },
		{ "  P \t 8  \n", 1, 1 },
		{ "P 00000000000000000000008\n", 1, 1 }, /* leading zeroes */
		{ "P aBcDeF\n", 1, 1 },
		{ "M 1 1000 fff 0 3\n", 1, 1 },     /* upside down: for the device to say */
		{ "M 1 0 fff 0 ffffffff\n", 1, 1 }, /* so are unknown flags */
	};

	(void)state;
	for (size_t i = 0; i < SIZE_OF(cases); i++) {
		struct sim_trace trace;
		struct sim_error error;

		assert_true(sim_trace_parse(&trace, "t", cases[i].text, strlen(cases[i].text), &error));
		assert_int_equal(trace.count, cases[i].count);
		if (trace.count > 0)
			assert_int_equal(trace.lines[trace.count - 1].number, cases[i].last_number);
		sim_trace_deinit(&trace);
	}
}

static void test_trace__many_lines__all_kept(void **state)
{
	enum {
		LINES = 5000
	};
	char *text = sim_env_alloc(LINES * 16);
	size_t len = 0;
	struct sim_trace trace;
	struct sim_error error;

	(void)state;
	for (unsigned i = 0; i < LINES; i++)
		len += (size_t)sprintf(text + len, "P %x\n", i);
	assert_true(sim_trace_parse(&trace, "t", text, len, &error));
	assert_int_equal(trace.count, LINES);
	for (unsigned i = 0; i < LINES; i++)
		assert_int_equal(trace.lines[i].endpoint, i);
	sim_trace_deinit(&trace);
	sim_env_free(text);
}

static void test_trace__formatted_line__parses_to_the_same(void **state)
{
	static const char *const lines[] = { "P fb",
					     "A 1 fb 1",
					     "D 2 fb",
					     "M 3 fffff000 ffffffffffffffff 30db000 7",
					     "U 4 0 ffffffffffffffff",
					     "T 8 fee00abc 3" };

	(void)state;
	for (size_t i = 0; i < SIZE_OF(lines); i++) {
		struct sim_trace trace;
		struct sim_error error;
		char text[128];

		assert_true(sim_trace_parse(&trace, "t", lines[i], strlen(lines[i]), &error));
		sim_trace_format(&trace.lines[0], text, sizeof(text));
		assert_string_equal(text, lines[i]);
		sim_trace_deinit(&trace);
	}
}

static void parse(struct sim_trace *trace, const char *text)
{
	struct sim_error error;

	assert_true(sim_trace_parse(trace, "t", text, strlen(text), &error));
}

static void test_trace__endpoints__sorted_each_once(void **state)
{
	static const uint32_t expected[] = { 0, 8, 0x10, 0x18, UINT32_MAX };
	struct sim_trace trace;
	uint32_t *ids, count;

	(void)state;
	parse(&trace, "P 10\nA 7 8 0\nP 10\nD 7 ffffffff\nM 99 0 fff 0 3\nU 99 0 fff\nT 18 0 1\nP 0\n");
	ids = sim_trace_endpoints(&trace, &count);
	assert_non_null(ids);
	assert_int_equal(count, SIZE_OF(expected));
	assert_memory_equal(ids, expected, sizeof(expected));
	free(ids);
	sim_trace_deinit(&trace);
}

static void test_trace__free_physical__above_all_or_in_a_gap(void **state)
{
	static const struct {
		const char *text;
		uint64_t base;
	} cases[] = {
		{ "", 0x200000 },
		{ "M 1 0 fff 40000000 3\nM 1 0 fff 1000 3\n", 0x40200000 },
		{ "M 1 fff 0 40000000 3\n", 0x200000 },          /* upside down: maps nothing */
		{ "M 1 0 1fff fffffffffffff000 3\n", 0x200000 }, /* wraps: the same */
		{ "M 1 0 fff fffffffffffff000 3\n", 0 },
		{ "M 1 0 fff fffffffffc000000 3\n", 0 },
		{ "M 1 0 fff fffffffffffff000 3\nM 1 0 fff 3fff000 3\nM 1 0 fff 8000000 3\n", 0x4000000 },
		{ "M 1 0 fff fffffffffffff000 3\nM 1 0 fff 7fff000 3\nM 1 0 7fffffff 0 3\n", 0x80000000 },
	};

	(void)state;
	for (size_t i = 0; i < SIZE_OF(cases); i++) {
		struct sim_trace trace;
		uint64_t base = 1;

		parse(&trace, cases[i].text);
		assert_true(sim_trace_free_physical(&trace, UINT64_C(1) << 26, &base));
		assert_true(base == cases[i].base);
		sim_trace_deinit(&trace);
	}
}

/* What is refused */

static void test_trace__bad_line__error_names_file_line_and_field(void **state)
{
	static const struct {
		const char *text;
		const char *error;
	} cases[] = {
		{ "P 8\n\n# c\nM 1 0 xyz 0 3\n", "boot.txt:4: expected <virt_end> as hex, found 'xyz'" },
		{ "X 1\n", "boot.txt:1: expected P, A, D, M, U or T, found 'X'" },
		{ "p 1\n", "boot.txt:1: expected P, A, D, M, U or T, found 'p'" },
		{ "PP 1\n", "boot.txt:1: expected P, A, D, M, U or T, found 'PP'" },
		{ "P\n", "boot.txt:1: expected <endpoint>, found the end of the line" },
		{ "P", "boot.txt:1: expected <endpoint>, found the end of the line" },
		{ "P 0x8\n", "boot.txt:1: expected <endpoint> as hex, found '0x8'" },
		{ "P -1\n", "boot.txt:1: expected <endpoint> as hex, found '-1'" },
		{ "P 8 9\n", "boot.txt:1: expected the end of the line, found '9'" },
		{ "P 8 # c\n", "boot.txt:1: expected the end of the line, found '#'" },
		{ "P 100000000\n", "boot.txt:1: expected <endpoint> of 32 bits, found '100000000'" },
		{ "A 100000000 8 0\n", "boot.txt:1: expected <domain> of 32 bits, found '100000000'" },
		{ "A 1 8\n", "boot.txt:1: expected <flags>, found the end of the line" },
		{ "A 1 8 100000000\n", "boot.txt:1: expected <flags> of 32 bits, found '100000000'" },
		{ "D 1\n", "boot.txt:1: expected <endpoint>, found the end of the line" },
		{ "D 1 8 0\n", "boot.txt:1: expected the end of the line, found '0'" },
		{ "M 1\n", "boot.txt:1: expected <virt_start>, found the end of the line" },
		{ "M 1 0 fff\n", "boot.txt:1: expected <phys>, found the end of the line" },
		{ "M 1 0 fff 0\n", "boot.txt:1: expected <flags>, found the end of the line" },
		{ "M 1 0 fff g 3\n", "boot.txt:1: expected <phys> as hex, found 'g'" },
		{ "M 1 0 fff 0 3 4\n", "boot.txt:1: expected the end of the line, found '4'" },
		{ "U 1 0\n", "boot.txt:1: expected <virt_end>, found the end of the line" },
		{ "U 1 0 10000000000000000\n",
		  "boot.txt:1: expected <virt_end> of 64 bits, found '10000000000000000'" },
		{ "U 1 fffffffffffffffff 0\n",
		  "boot.txt:1: expected <virt_start> of 64 bits, found 'fffffffffffffffff'" },
		{ "T 8 0\n", "boot.txt:1: expected <flags>, found the end of the line" },
		{ "T 8 0 0\n", "boot.txt:1: expected <flags> 1, 2 or 3, found '0'" },
		{ "T 8 0 4\n", "boot.txt:1: expected <flags> 1, 2 or 3, found '4'" },
		{ "T 8 0 100000001\n", "boot.txt:1: expected <flags> 1, 2 or 3, found '100000001'" },
		{ "T 8 zz 1\n", "boot.txt:1: expected <iova> as hex, found 'zz'" },
		{ "P \x01\xff\n", "boot.txt:1: expected <endpoint> as hex, found '\?\?'" },
		{ "P xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
		  "boot.txt:1: expected <endpoint> as hex, found 'xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'" },
	};

	(void)state;
	for (size_t i = 0; i < SIZE_OF(cases); i++) {
		struct sim_trace trace;
		struct sim_error error = { "" };

		assert_false(sim_trace_parse(&trace, "boot.txt", cases[i].text, strlen(cases[i].text), &error));
		assert_string_equal(error.text, cases[i].error);
		assert_null(trace.lines);
		assert_int_equal(trace.count, 0);
	}
}

static void test_trace__zero_byte_in_line__no_end_of_text(void **state)
{
	static const char text[] = "P 8\nP 1\0000\n";
	struct sim_trace trace;
	struct sim_error error;

	(void)state;
	assert_false(sim_trace_parse(&trace, "t", text, sizeof(text) - 1, &error));
	assert_string_equal(error.text, "t:2: expected <endpoint> as hex, found '1?0'");
}

static void test_trace__very_long_name__error_still_ends(void **state)
{
	char name[2000];
	struct sim_trace trace;
	struct sim_error error;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	assert_false(sim_trace_parse(&trace, name, "X", 1, &error));
	assert_non_null(memchr(error.text, 0, sizeof(error.text)));
	assert_non_null(strstr(error.text, ":1: expected"));
}

/* Files */

static const char sample[] = "P 8\nA 1 8 0\nM 1 0 fff 1000 3\nM 1 1000 1fff 2000 3\nU 1 0 1fff\n";

static char path[64];
static char path_gz[80];

static void write_bytes(const char *file, const void *bytes, size_t len)
{
	FILE *f = fopen(file, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

/* The sample as gzip. Returns its length. */
static size_t compress_sample(unsigned char *out, size_t cap)
{
	gzFile gz = gzopen(path_gz, "wb9");
	FILE *f;
	size_t len;

	assert_non_null(gz);
	assert_int_equal(gzwrite(gz, sample, sizeof(sample) - 1), sizeof(sample) - 1);
	assert_int_equal(gzclose(gz), Z_OK);
	f = fopen(path_gz, "rb");
	assert_non_null(f);
	len = fread(out, 1, cap, f);
	assert_int_equal(fclose(f), 0);
	assert_in_range(len, 20, cap - 1);
	return len;
}

static int make_paths(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/test_trace_XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	close(fd);
	snprintf(path_gz, sizeof(path_gz), "%s.gz", path);
	return 0;
}

static int remove_paths(void **state)
{
	(void)state;
	unlink(path);
	unlink(path_gz);
	return 0;
}

static void test_trace__plain_and_compressed_file__same_lines(void **state)
{
	unsigned char bytes[512];
	struct sim_trace plain, compressed;
	struct sim_error error;

	(void)state;
	write_bytes(path, sample, sizeof(sample) - 1);
	compress_sample(bytes, sizeof(bytes));
	assert_true(sim_trace_load(&plain, path, &error));
	assert_true(sim_trace_load(&compressed, path_gz, &error));
	assert_int_equal(plain.count, 5);
	assert_int_equal(compressed.count, 5);
	assert_memory_equal(plain.lines, compressed.lines, 5 * sizeof(plain.lines[0]));
	assert_string_equal(compressed.name, path_gz);
	sim_trace_deinit(&plain);
	sim_trace_deinit(&compressed);
}

static void test_trace__error_in_compressed_file__line_number(void **state)
{
	gzFile gz = gzopen(path_gz, "wb9");
	struct sim_trace trace;
	struct sim_error error;

	(void)state;
	assert_non_null(gz);
	for (int i = 0; i < 100000; i++)
		gzputs(gz, "U 1 0 fff\n");
	gzputs(gz, "U 1 0 ff-\n");
	assert_int_equal(gzclose(gz), Z_OK);
	assert_false(sim_trace_load(&trace, path_gz, &error));
	assert_non_null(strstr(error.text, ":100001: expected <virt_end> as hex, found 'ff-'"));
}

static void test_trace__gzip_cut_anywhere__refused(void **state)
{
	unsigned char bytes[512];
	size_t len = compress_sample(bytes, sizeof(bytes));

	(void)state;
	for (size_t cut = 0; cut < len; cut++) {
		struct sim_trace trace;
		struct sim_error error = { "" };

		write_bytes(path_gz, bytes, cut);
		assert_false(sim_trace_load(&trace, path_gz, &error));
		assert_int_equal(strncmp(error.text, path_gz, strlen(path_gz)), 0);
		/* One byte of it is no gzip yet, but bad text. */
		if (cut != 1)
			assert_non_null(strstr(error.text, ": the compressed data ends early"));
	}
}

static void test_trace__gzip_damaged__refused(void **state)
{
	unsigned char bytes[512];
	size_t len = compress_sample(bytes, sizeof(bytes));
	struct sim_trace trace;
	struct sim_error error = { "" };

	(void)state;
	bytes[len - 5] ^= 1; /* the checksum */
	write_bytes(path_gz, bytes, len);
	assert_false(sim_trace_load(&trace, path_gz, &error));
	assert_non_null(strstr(error.text, ": the compressed data is damaged"));
}

/* Some programs write a new member for each time that they append. */
static void test_trace__two_gzip_members__read_as_one_text(void **state)
{
	unsigned char bytes[512];
	size_t len = compress_sample(bytes, sizeof(bytes) / 2);
	struct sim_trace trace;
	struct sim_error error;

	(void)state;
	memcpy(bytes + len, bytes, len);
	write_bytes(path_gz, bytes, 2 * len);
	assert_true(sim_trace_load(&trace, path_gz, &error));
	assert_int_equal(trace.count, 10);
	assert_int_equal(trace.lines[9].type, 'U');
	assert_int_equal(trace.lines[9].number, 10);
	sim_trace_deinit(&trace);
}

/* Whatever becomes of the second member: what the first one holds is not taken for all. */
static void test_trace__second_gzip_member_cut_anywhere__refused(void **state)
{
	unsigned char bytes[512];
	size_t len = compress_sample(bytes, sizeof(bytes) / 2);

	(void)state;
	memcpy(bytes + len, bytes, len);
	for (size_t cut = 1; cut < len; cut++) {
		struct sim_trace trace;
		struct sim_error error = { "" };

		write_bytes(path_gz, bytes, len + cut);
		assert_false(sim_trace_load(&trace, path_gz, &error));
		assert_int_equal(strncmp(error.text, path_gz, strlen(path_gz)), 0);
		/* One byte of it is no gzip yet. */
		assert_non_null(strstr(error.text, cut == 1 ? ": the compressed data is damaged: other bytes behind it"
							    : ": the compressed data ends early"));
		assert_null(trace.lines);
	}
}

static void test_trace__second_gzip_member_damaged__refused(void **state)
{
	static const struct {
		size_t at; /* in the second member */
		const char *error;
	} cases[] = {
		{ 0, ": the compressed data is damaged: other bytes behind it" }, /* the magic number */
		{ 1, ": the compressed data is damaged: other bytes behind it" },
		{ 2, ": the compressed data is damaged" },  /* the method */
		{ 3, ": the compressed data is damaged" },  /* the flags */
		{ 10, ": the compressed data is damaged" }, /* the first byte of the data: the kind of the block */
	};
	unsigned char bytes[512];
	size_t len = compress_sample(bytes, sizeof(bytes) / 2);

	(void)state;
	for (size_t i = 0; i < SIZE_OF(cases); i++) {
		struct sim_trace trace;
		struct sim_error error = { "" };

		memcpy(bytes + len, bytes, len);
		bytes[len + cases[i].at] ^= 0xe6;
		write_bytes(path_gz, bytes, 2 * len);
		assert_false(sim_trace_load(&trace, path_gz, &error));
		assert_int_equal(strncmp(error.text, path_gz, strlen(path_gz)), 0);
		assert_string_equal(error.text + strlen(path_gz), cases[i].error);
		assert_null(trace.lines);
	}
}

static void test_trace__other_bytes_behind_gzip__refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = { { "P 8\n", 4 }, { "\n", 1 }, { "\0\0\0\0", 4 }, { "\x1f\x8c", 2 } };
	unsigned char bytes[512];
	size_t len = compress_sample(bytes, sizeof(bytes) / 2);

	(void)state;
	for (size_t i = 0; i < SIZE_OF(cases); i++) {
		struct sim_trace trace;
		struct sim_error error = { "" };

		memcpy(bytes + len, cases[i].bytes, cases[i].len);
		write_bytes(path_gz, bytes, len + cases[i].len);
		assert_false(sim_trace_load(&trace, path_gz, &error));
		assert_int_equal(strncmp(error.text, path_gz, strlen(path_gz)), 0);
		assert_string_equal(error.text + strlen(path_gz),
				    ": the compressed data is damaged: other bytes behind it");
		assert_null(trace.lines);
	}
}

static void test_trace__empty_file__no_lines_but_no_gzip(void **state)
{
	struct sim_trace trace;
	struct sim_error error = { "" };

	(void)state;
	write_bytes(path, "", 0);
	assert_true(sim_trace_load(&trace, path, &error));
	assert_int_equal(trace.count, 0);
	sim_trace_deinit(&trace);
	write_bytes(path_gz, "", 0);
	assert_false(sim_trace_load(&trace, path_gz, &error));
	assert_non_null(strstr(error.text, ": the compressed data ends early"));
}

static void test_trace__file_that_cannot_be_read__refused_with_reason(void **state)
{
	struct sim_trace trace;
	struct sim_error error = { "" };

	(void)state;
	assert_false(sim_trace_load(&trace, "/nonexistent/trace", &error));
	assert_string_equal(error.text, "/nonexistent/trace: No such file or directory");
	assert_false(sim_trace_load(&trace, "/tmp", &error));
	assert_string_equal(error.text, "/tmp: Is a directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trace__one_line_of_each_kind__all_fields_read),
		cmocka_unit_test(test_trace__harmless_form__accepted),
		cmocka_unit_test(test_trace__many_lines__all_kept),
		cmocka_unit_test(test_trace__formatted_line__parses_to_the_same),
		cmocka_unit_test(test_trace__endpoints__sorted_each_once),
		cmocka_unit_test(test_trace__free_physical__above_all_or_in_a_gap),
		cmocka_unit_test(test_trace__bad_line__error_names_file_line_and_field),
		cmocka_unit_test(test_trace__zero_byte_in_line__no_end_of_text),
		cmocka_unit_test(test_trace__very_long_name__error_still_ends),
		cmocka_unit_test_setup_teardown(test_trace__plain_and_compressed_file__same_lines, make_paths,
						remove_paths),
		cmocka_unit_test_setup_teardown(test_trace__error_in_compressed_file__line_number, make_paths,
						remove_paths),
		cmocka_unit_test_setup_teardown(test_trace__gzip_cut_anywhere__refused, make_paths, remove_paths),
		cmocka_unit_test_setup_teardown(test_trace__gzip_damaged__refused, make_paths, remove_paths),
		cmocka_unit_test_setup_teardown(test_trace__two_gzip_members__read_as_one_text, make_paths,
						remove_paths),
		cmocka_unit_test_setup_teardown(test_trace__second_gzip_member_cut_anywhere__refused, make_paths,
						remove_paths),
		cmocka_unit_test_setup_teardown(test_trace__second_gzip_member_damaged__refused, make_paths,
						remove_paths),
		cmocka_unit_test_setup_teardown(test_trace__other_bytes_behind_gzip__refused, make_paths, remove_paths),
		cmocka_unit_test_setup_teardown(test_trace__empty_file__no_lines_but_no_gzip, make_paths, remove_paths),
		cmocka_unit_test(test_trace__file_that_cannot_be_read__refused_with_reason),
	};

	return suite_run(tests);
}
