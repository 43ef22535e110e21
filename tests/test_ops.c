/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ops.c: streams of operations: both forms say the same, errors are named with their line, failures tell the stream. */
#define _POSIX_C_SOURCE 200809L /* fork, mkdtemp, open_memstream */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "suite.h"
#include "sim/ops/ops.h"
#include "sim/random.h"

#define SIZE_OF(array) (sizeof(array) / sizeof((array)[0]))

/* A target with an argument of each kind. It fails when it is told to. */

static const uint32_t picks[] = { 7, 8, 0xffffffff };
static const char *const colours[] = { "red", "green", "blue" };

static const struct sim_ops_verb verbs[] = {
	{ "numbers",
	  { { "a", SIM_OPS_U8, 0, NULL },
	    { "b", SIM_OPS_U16, 0, NULL },
	    { "c", SIM_OPS_U32, 0, NULL },
	    { "d", SIM_OPS_U64, 0, NULL } },
	  3 },
	{ "limits",
	  { { "a", SIM_OPS_U8, 10, NULL }, { "b", SIM_OPS_U16, 1000, NULL }, { "c", SIM_OPS_U32, 100000, NULL } },
	  0 },
	{ "address", { { "at", SIM_OPS_ADDRESS, 0, NULL }, { "again", SIM_OPS_ADDRESS, 0, NULL } }, 2 },
	{ "choose",
	  { { "colour", SIM_OPS_CHOICE, 3, colours },
	    { "bytes", SIM_OPS_BYTES, 0, NULL },
	    { "pick", SIM_OPS_PICK, 3, picks } },
	  0 },
	{ "long", { { "bytes", SIM_OPS_BYTES, 1000, NULL }, { "then", SIM_OPS_U8, 0, NULL } }, 0 },
	{ "range", { { "first", SIM_OPS_FIRST, 0, NULL }, { "last", SIM_OPS_LAST, 0, NULL } }, 0 },
	{ "fail", { { "now", SIM_OPS_U8, 2, NULL } }, 0 },
};

static unsigned ended;

static void *begin(void)
{
	return &ended;
}

static void run(void *world, const struct sim_ops_op *op)
{
	bool fail = op->verb == 6 && op->arg[0] == 1;

	assert_ptr_equal(world, &ended);
	SIM_OPS_CHECK(!fail);
}

static void end(void *world)
{
	++*(unsigned *)world;
}

static const struct sim_ops_target everything = { "everything", verbs, SIZE_OF(verbs), begin, run, end };

static size_t fill_random(struct sim_random *random, uint8_t *data, size_t cap)
{
	size_t len = (size_t)sim_random_below(random, cap + 1);

	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(sim_random_next(random) >> 32);
	return len;
}

static void assert_same_op(const struct sim_ops_op *a, const struct sim_ops_op *b)
{
	assert_int_equal(a->verb, b->verb);
	assert_memory_equal(a->arg, b->arg, sizeof(a->arg));
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->bytes, b->bytes, a->len);
}

static void assert_same_stream(const struct sim_ops_target *target, const uint8_t *a, size_t a_len, const uint8_t *b,
			       size_t b_len)
{
	struct sim_ops_reader from_a, from_b;
	struct sim_ops_op op_a, op_b;
	bool more;

	sim_ops_reader_init(&from_a, target, a, a_len);
	sim_ops_reader_init(&from_b, target, b, b_len);
	do {
		more = sim_ops_read(&from_a, &op_a);
		assert_int_equal(sim_ops_read(&from_b, &op_b), more);
		if (more)
			assert_same_op(&op_a, &op_b);
	} while (more);
}

static char *text_of(const struct sim_ops_target *target, const uint8_t *data, size_t len)
{
	char *text = NULL;
	size_t text_len;
	FILE *out = open_memstream(&text, &text_len);

	assert_non_null(out);
	sim_ops_print_all(target, data, len, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void test_ops__random_bytes__written_again_they_are_the_same_operations(void **state)
{
	struct sim_random random = { 1 };

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint8_t data[300], again[4096], *exact;
		size_t len = fill_random(&random, data, sizeof(data)), again_len = 0;
		struct sim_ops_reader reader;
		struct sim_ops_op op;

		sim_ops_reader_init(&reader, &everything, data, len);
		while (sim_ops_read(&reader, &op)) {
			size_t n = sim_ops_write(&everything, &op, again + again_len, sizeof(again) - again_len);

			assert_int_not_equal(n, 0);
			/* One byte less is refused. */
			assert_int_equal(sim_ops_write(&everything, &op, again + again_len, n - 1), 0);
			assert_int_equal(sim_ops_write(&everything, &op, again + again_len, n), n);
			again_len += n;
		}
		exact = malloc(again_len + 1);
		assert_non_null(exact);
		memcpy(exact, again, again_len);
		assert_same_stream(&everything, data, len, exact, again_len);
		free(exact);
	}
}

/* Over all targets that there are: so this tests their tables too. */
static void test_ops__random_bytes_of_each_target__text_says_the_same(void **state)
{
	struct sim_random random = { 2 };

	(void)state;
	for (uint32_t t = 0; sim_ops_targets[t] != NULL; t++) {
		for (int i = 0; i < 1000; i++) {
			const struct sim_ops_target *target = NULL;
			struct sim_error error = { "" };
			uint8_t data[600], *parsed = NULL;
			size_t len = fill_random(&random, data, sizeof(data)), parsed_len;
			char *text = text_of(sim_ops_targets[t], data, len), *text_again;

			if (!sim_ops_parse("t", text, strlen(text), &target, &parsed, &parsed_len, &error))
				fail_msg("%s", error.text);
			assert_ptr_equal(target, sim_ops_targets[t]);
			assert_same_stream(target, data, len, parsed, parsed_len);
			text_again = text_of(target, parsed, parsed_len);
			assert_string_equal(text, text_again);
			free(text);
			free(text_again);
			free(parsed);
		}
	}
}

/* Each verb is met as often as its weight says, and its number fits. */
static void test_ops__tables_of_each_target__in_bounds(void **state)
{
	(void)state;
	for (uint32_t t = 0; sim_ops_targets[t] != NULL; t++) {
		const struct sim_ops_target *target = sim_ops_targets[t];
		uint32_t sum = 0;

		assert_ptr_equal(sim_ops_find(target->name, strlen(target->name)), target);
		for (uint32_t v = 0; v < target->verb_count; v++) {
			const struct sim_ops_arg *args = target->verbs[v].args;
			unsigned bytes = 0;

			sum += target->verbs[v].weight != 0 ? target->verbs[v].weight : 1;
			for (unsigned i = 0; i < SIM_OPS_ARGS && args[i].kind != SIM_OPS_NONE; i++) {
				bytes += args[i].kind == SIM_OPS_BYTES;
				if (args[i].kind == SIM_OPS_BYTES)
					assert_true(args[i].limit <= SIM_OPS_BYTES_MAX);
				if (args[i].kind == SIM_OPS_U8)
					assert_true(args[i].limit <= 256);
				if (args[i].kind == SIM_OPS_U16)
					assert_true(args[i].limit <= 65536);
				if (args[i].kind == SIM_OPS_CHOICE)
					assert_true(args[i].limit >= 1 && args[i].limit <= 256 &&
						    ((const char *const *)args[i].list)[args[i].limit - 1] != NULL);
				if (args[i].kind == SIM_OPS_PICK)
					assert_true(args[i].limit >= 1 && args[i].list != NULL);
			}
			assert_true(bytes <= 1);
		}
		assert_true(sum <= 256);
	}
}

static void test_ops__operation_by_example__bytes_and_text_are_known(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		uint8_t bytes[24];
	} examples[] = {
		{ "numbers a=0 b=0 c=0 d=0\n", 1, { 0 } }, /* what is missing is 0 */
		{ "numbers a=0xff b=0x7f c=0xfffffffe d=0x8000000000000000\n", 5, { 2, 0xff, 0x7f, 0xc1, 0xbf } },
		{ "numbers a=1 b=0x1234 c=0xffff d=0\n", 7, { 1, 1, 0xf3, 0x34, 0x12, 0xe4, 0 } },
		{ "limits a=3 b=0x18 c=0x1869f\n", 8, { 3, 13, 0x8a, 0xff, 0x9f, 0x86, 1, 0 } },
		{ "address at=0x1f000 again=0xfff\n", 3, { 4, 0x1f, 0x20 } },
		{ "address at=0xfffffffffffff000 again=0xffffffffffffffff\n", 3, { 5, 0x40, 0x60 } },
		{ "address at=0x100000000 again=0xffffffff\n", 4, { 4, 0x8c, 0xac, 0x7f } },
		{ "address at=0x123456789abcdef again=0x123456789abcdee\n",
		  11,
		  { 4, 0xe0, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01, 0xd0 } },
		{ "range first=0x1000 last=0x1fff\n", 3, { 8, 0x21, 0x01 } },
		{ "range first=0xfffffffffffff000 last=0xffffffffffffffff\n", 3, { 8, 0x60, 0x40 } },
		{ "range first=0x3000 last=0x3fff\n", 3, { 8, 3, 0xd0 } }, /* the page of the address before */
		{ "choose colour=blue bytes=6162 pick=0xffffffff\n", 6, { 6, 5, 2, 'a', 'b', 5 } },
		{ "choose colour=red bytes=61 pick=7\n", 4, { 6, 0, 9, 'a' } }, /* as many as there are */
		{ "choose colour=green bytes= pick=0x12345678\n", 8, { 6, 1, 0, 0xf7, 0x78, 0x56, 0x34, 0x12 } },
		{ "long bytes=6162 then=7\n", 6, { 7, 2, 0, 'a', 'b', 7 } },
		{ "long bytes=61 then=0\n", 4, { 7, 0xea, 3, 'a' } }, /* 1002 modulo 1001 */
	};

	(void)state;
	for (size_t i = 0; i < SIZE_OF(examples); i++) {
		char *text = text_of(&everything, examples[i].bytes, examples[i].len);

		assert_string_equal(strchr(text, '\n') + 1, examples[i].text);
		free(text);
	}
}

static void test_ops__text_with_comments_and_omissions__read(void **state)
{
	static const char text[] = "# a comment\n\n  target wire # which it is\r\n\ttail   bytes=07 \n"
				   "request cap=0x10 # bytes are left out\nrequest bytes=01 cap=10";
	const struct sim_ops_target *target;
	struct sim_error error;
	uint8_t *data;
	size_t len;
	char *again;

	(void)state;
	assert_true(sim_ops_parse("t", text, strlen(text), &target, &data, &len, &error));
	again = text_of(target, data, len);
	assert_string_equal(again, "target wire\ntail bytes=07\nrequest bytes= cap=0x10\nrequest bytes=01 cap=0xa\n");
	free(again);
	free(data);
}

static void test_ops__bad_text__refused_with_file_and_line(void **state)
{
	static const struct {
		const char *text, *message;
	} examples[] = {
		{ "", "t:1: expected 'target NAME'" },
		{ "# nothing\n\n", "t:3: expected 'target NAME'" },
		{ "tail bytes=00\n", "t:1: expected 'target NAME'" },
		{ "\ntarget\n", "t:2: expected 'target NAME'" },
		{ "target nobody\n", "t:1: no target 'nobody'" },
		{ "target wir\n", "t:1: no target 'wir'" },
		{ "target wire wire\n", "t:1: 'wire' is too much" },
		{ "target wire\n#\nmop\n", "t:3: target wire has no verb 'mop'" },
		{ "target wire\ntail 00\n", "t:2: expected NAME=VALUE, found '00'" },
		{ "target wire\ntail bite=00\n", "t:2: tail has no argument 'bite'" },
		{ "target wire\ntail bytes=00 bytes=00\n", "t:2: bytes is there twice" },
		{ "target wire\ntail bytes=0\n", "t:2: bytes: expected at most 4 bytes in hex" },
		{ "target wire\ntail bytes=0000000000\n", "t:2: bytes: expected at most 4 bytes in hex" },
		{ "target wire\ntail bytes=000g\n", "t:2: bytes: '0g' is not a byte in hex" },
		{ "target wire\ntail bytes=00AA\n", "t:2: bytes: 'AA' is not a byte in hex" },
		{ "target wire\nrequest cap=\n", "t:2: cap: expected a number up to 0x5f, found ''" },
		{ "target wire\nrequest cap=96\n", "t:2: cap: expected a number up to 0x5f, found '96'" },
		{ "target wire\nrequest cap=0x\n", "t:2: cap: expected a number up to 0x5f, found '0x'" },
		{ "target wire\nrequest cap=-1\n", "t:2: cap: expected a number up to 0x5f, found '-1'" },
		{ "target wire\nrequest cap=1f\n", "t:2: cap: expected a number up to 0x5f, found '1f'" },
		{ "target wire\nrequest cap=18446744073709551617\n",
		  "t:2: cap: expected a number up to 0x5f, found '18446744073709551617'" },
	};

	(void)state;
	for (size_t i = 0; i < SIZE_OF(examples); i++) {
		const struct sim_ops_target *target;
		struct sim_error error = { "" };
		uint8_t *data;
		size_t len;

		assert_false(
			sim_ops_parse("t", examples[i].text, strlen(examples[i].text), &target, &data, &len, &error));
		assert_string_equal(error.text, examples[i].message);
	}
}

#define ABORTED 134

/* No core file, and qemu-user, which speaks of one on standard error, has nothing to say. */
static void exit_at_abort(int signal_number)
{
	(void)signal_number;
	_exit(ABORTED);
}

/* Runs in a child that has to abort; returns what it wrote to standard error. */
static void run_in_child(const uint8_t *data, size_t len, bool as_session, char *out, size_t cap)
{
	int ends[2], status;
	size_t got = 0;
	ssize_t n;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct sim_ops_session session;
		struct sim_ops_reader reader;
		struct sim_ops_op op;
		uint8_t record[64];

		signal(SIGABRT, exit_at_abort);
		dup2(ends[1], 2);
		if (!as_session) {
			sim_ops_run(&everything, data, len);
			_exit(0);
		}
		sim_ops_begin(&session, &everything, record, sizeof(record));
		sim_ops_reader_init(&reader, &everything, data, len);
		while (sim_ops_read(&reader, &op))
			sim_ops_perform(&session, &op);
		_exit(0);
	}
	close(ends[1]);
	while ((n = read(ends[0], out + got, cap - 1 - got)) > 0)
		got += (size_t)n;
	out[got] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ABORTED);
}

static void test_ops__check_fails__place_expression_and_stream_so_far_are_told(void **state)
{
	static const uint8_t data[] = { 3, 1, 2, 3, 9, 0, 9, 1, 3, 4, 5, 6 };
	static const char want[] =
		"does not hold: !fail\ntarget everything\nlimits a=1 b=2 c=3\nfail now=0\nfail now=1\n";
	char told[2048];

	(void)state;
	for (int as_session = 0; as_session <= 1; as_session++) {
		run_in_child(data, sizeof(data), as_session, told, sizeof(told));
		assert_non_null(strstr(told, "test_ops.c:"));
		assert_non_null(strstr(told, want));
		assert_string_equal(strstr(told, want), want);
	}
}

static void test_ops__stream_that_holds__begun_and_ended_once(void **state)
{
	static const uint8_t data[] = { 9, 0, 9, 0 };

	(void)state;
	ended = 0;
	sim_ops_run(&everything, data, sizeof(data));
	assert_int_equal(ended, 1);
	sim_ops_run(&everything, data, 0);
	assert_int_equal(ended, 2);
}

static int command(const char *a, const char *b, const char *c)
{
	const char *args[] = { "ops", a, b, c, NULL };
	char *argv[5];
	int argc = 0, status;

	for (; args[argc] != NULL; argc++)
		argv[argc] = (char *)(uintptr_t)args[argc];
	status = sim_ops_command(argc, argv);
	signal(SIGABRT, SIG_DFL);
	return status;
}

static void test_ops__command__exit_status_says_what_happened(void **state)
{
	static const char stream[] = "fuzz/seeds/wire/rest.txt";
	char folder[] = "/tmp/test_ops.XXXXXX", bytes[64];

	(void)state;
	assert_int_equal(command("--help", NULL, NULL), 0);
	assert_int_equal(command("--targets", NULL, NULL), 0);
	assert_int_equal(command("fuzz/seeds/wire", stream, NULL), 0);
	assert_int_equal(command(NULL, NULL, NULL), 2);
	assert_int_equal(command("--bad", NULL, NULL), 2);
	assert_int_equal(command("tests/not_there.txt", NULL, NULL), 2);
	assert_int_equal(command(stream, "LICENSE", NULL), 2);
	assert_int_equal(command("cmake", NULL, NULL), 2); /* no stream in it */
	assert_int_equal(command("--text", "nobody", stream), 2);

	assert_non_null(mkdtemp(folder));
	assert_int_equal(command("--binary", folder, stream), 0);
	snprintf(bytes, sizeof(bytes), "%s/rest", folder);
	assert_int_equal(command("--text", "wire", bytes), 0);
	assert_int_equal(unlink(bytes), 0);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(command("--binary", folder, stream), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ops__random_bytes__written_again_they_are_the_same_operations),
		cmocka_unit_test(test_ops__random_bytes_of_each_target__text_says_the_same),
		cmocka_unit_test(test_ops__tables_of_each_target__in_bounds),
		cmocka_unit_test(test_ops__operation_by_example__bytes_and_text_are_known),
		cmocka_unit_test(test_ops__text_with_comments_and_omissions__read),
		cmocka_unit_test(test_ops__bad_text__refused_with_file_and_line),
		cmocka_unit_test(test_ops__check_fails__place_expression_and_stream_so_far_are_told),
		cmocka_unit_test(test_ops__stream_that_holds__begun_and_ended_once),
		cmocka_unit_test(test_ops__command__exit_status_says_what_happened),
	};

	return suite_run(tests);
}
