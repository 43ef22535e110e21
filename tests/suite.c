/* SPDX-License-Identifier: BSD-3-Clause */
#define _DEFAULT_SOURCE

#include "suite.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/copied.h"
#include "sim/env/env.h"
#include "sim/random.h"

/* How much a sweep spends on one test, in accesses and callbacks, unless told otherwise; and at least so many runs. */
#define SWEEP_EVENTS (UINT64_C(1) << 21)
#define SWEEP_RUNS_MIN 4u
#define RUN_SECONDS 100u

static const char *const mode_names[] = {
	"plain", "counting", "fail-once", "fail-always", "reset", "flip", "reset-system", "reset-queue",
};

/* One test, once. */
struct run {
	const struct CMUnitTest *test;
	enum sim_env_mode mode;
	uint64_t at;
	void *state; /* the test's own */
	bool is_set_up;
	bool body_held; /* it came to its end */
	bool end_held;
};

struct totals {
	uint64_t points;   /* where something could happen */
	uint64_t runs;     /* with something happening */
	uint64_t promises; /* of what has to hold afterwards */
	uint64_t sampled;  /* tests that have more points than there were runs */
	uint64_t absorbed; /* of these the body did not notice */
};

static struct run now;
static sigjmp_buf out_of_the_body;

/* The test within its environment */

/* cmocka makes a failed test of a crash, and a failed test is no news once something has happened. */
static void let_crashes_crash(void)
{
	static const int signals[] = { SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGSYS };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
}

static void check_end(void)
{
	sim_env_check_end();
	now.end_held = true;
}

/*
 * An assertion of the body failed: in a sweep cmocka aborts. What has to hold is looked at here, while the body's
 * objects still exist, and then the body is left.
 */
static void on_abort(int signal_number)
{
	signal(signal_number, SIG_DFL);
	if (!sim_env_has_fired() || sim_env_is_ending())
		abort();
	check_end();
	siglongjmp(out_of_the_body, 1);
}

/* With the test's own setup, which calls the library too. */
static void body(void **state)
{
	(void)state;
	let_crashes_crash();
	sim_env_begin(now.mode, now.at);
	now.state = now.test->initial_state;
	if (sigsetjmp(out_of_the_body, 1) != 0)
		return;
	if (now.mode > SIM_ENV_COUNTING)
		signal(SIGABRT, on_abort);
	if (now.test->setup_func != NULL)
		assert_int_equal(now.test->setup_func(&now.state), 0);
	now.is_set_up = true;
	now.test->test_func(&now.state);
	signal(SIGABRT, SIG_DFL);
	now.body_held = true;
	check_end();
	if (now.mode == SIM_ENV_COUNTING && sim_env_read_again() != 0)
		fail_msg("%" PRIu64 " bytes of shared memory were read twice in one observation", sim_env_read_again());
}

static int end(void **state)
{
	(void)state;
	let_crashes_crash();
	return now.is_set_up && now.test->teardown_func != NULL ? now.test->teardown_func(&now.state) : 0;
}

/* Returns whether cmocka is content. In a sweep it is, unless the test's own setup or teardown fails. */
static bool run(const struct CMUnitTest *test, enum sim_env_mode mode, uint64_t at)
{
	struct CMUnitTest wrapped = { test->name, body, NULL, end, NULL };
	int failed;

	now = (struct run){ .test = test, .mode = mode, .at = at };
	failed = _cmocka_run_group_tests(test->name, &wrapped, 1, NULL, NULL);
	sim_env_free_all();
	return failed == 0;
}

/* One run of each */

static int run_once(const char *suite, const struct CMUnitTest *tests, size_t count, enum sim_env_mode mode)
{
	uint64_t trace = 0, events = 0;
	size_t failed = 0;

	for (size_t i = 0; i < count; i++) {
		if (!run(&tests[i], mode, 0))
			failed++;
		/* A sum, so that the order does not matter. */
		trace += sim_env_trace();
		events += sim_env_events();
	}
	printf("trace %s %016" PRIx64 " %" PRIu64 " events\n", suite, trace, events);
	printf("%s: %zu of %zu tests passed, %s\n", suite, count - failed, count, mode_names[mode]);
	return failed == 0 ? 0 : 1;
}

/* Sweeps */

/* The log holds the last run only. */
static void restart_log(const char *suite, const char *test, uint64_t at)
{
	fflush(stdout);
	fflush(stderr);
	if (ftruncate(STDOUT_FILENO, 0) != 0 || lseek(STDOUT_FILENO, 0, SEEK_SET) != 0)
		_exit(2);
	printf("%s: VIOMMU_TEST=%s VIOMMU_POINT=%" PRIu64 "\n", suite, test, at);
	fflush(stdout);
	alarm(RUN_SECONDS); /* a run that hangs ends here, and its name is in the log */
}

static void give_up(const char *why)
{
	printf("%s\n", why);
	fflush(stdout);
	_exit(1);
}

/* How many runs of a test are affordable, of which the last one is known. */
static uint64_t affordable_runs(void)
{
	const char *effort = getenv("VIOMMU_SWEEP");
	uint64_t events = effort != NULL ? strtoull(effort, NULL, 10) : SWEEP_EVENTS;
	uint64_t runs = events / (sim_env_events() + sim_env_points() + 1);

	return runs > SWEEP_RUNS_MIN ? runs : SWEEP_RUNS_MIN;
}

static void sweep_test(const char *suite, const struct CMUnitTest *test, enum sim_env_mode mode, struct totals *totals)
{
	uint64_t points, limit, stride;

	restart_log(suite, test->name, 0);
	if (!run(test, mode, 0))
		give_up("fails although nothing happens");
	points = sim_env_points();
	totals->promises += sim_env_promises();
	limit = affordable_runs();
	stride = points > limit ? (points + limit - 1) / limit : 1;
	totals->points += points;
	totals->sampled += stride > 1;
	for (uint64_t at = 1; at <= points; at += stride) {
		restart_log(suite, test->name, at);
		if (!run(test, mode, at) || !now.end_held)
			give_up("what has to hold afterwards does not");
		if (!sim_env_has_fired())
			give_up("the point was not reached: the test is not the same each time");
		totals->runs++;
		totals->absorbed += now.body_held;
	}
	restart_log(suite, test->name, 0);
	if (points > 0 && !run(test, mode, 0))
		give_up("fails once the others have run: something stayed behind");
}

static void print_log(FILE *log)
{
	int c;

	rewind(log);
	while ((c = getc(log)) != EOF)
		putc(c, stderr);
}

/* In a process of its own, which may crash, and whose output is of interest only then. */
static int sweep(const char *suite, const struct CMUnitTest *tests, size_t count, enum sim_env_mode mode)
{
	struct totals *totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	FILE *log = tmpfile();
	int status;
	pid_t child;

	if (totals == MAP_FAILED || log == NULL) {
		fprintf(stderr, "%s: cannot sweep\n", suite);
		return 2;
	}
	fflush(stdout);
	child = fork();
	if (child == 0) {
		setenv("CMOCKA_TEST_ABORT", "1", 1);
		if (dup2(fileno(log), STDOUT_FILENO) < 0 || dup2(fileno(log), STDERR_FILENO) < 0)
			_exit(2);
		for (size_t i = 0; i < count; i++)
			sweep_test(suite, &tests[i], mode, totals);
		fflush(stdout);
		_exit(0); /* what a test that was left had allocated is not worth a report */
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
		print_log(log);
		printf("%s: failed, %s\n", suite, mode_names[mode]);
		return 1;
	}
	if (totals->points == 0) {
		printf("%s: nothing can happen to it, %s\n", suite, mode_names[mode]);
		return 1;
	}
	if (totals->promises == 0) {
		printf("%s: nothing is said of what has to hold afterwards, see sim_env_on_end\n", suite);
		return 1;
	}
	printf("%s: %zu tests (%" PRIu64 " of them sampled), %" PRIu64 " points, %" PRIu64 " runs, %" PRIu64
	       " not noticed by the test, %s\n",
	       suite, count, totals->sampled, totals->points, totals->runs, totals->absorbed, mode_names[mode]);
	fclose(log);
	return 0;
}

/* What is asked for */

static int find_mode(const char *name)
{
	for (int i = 0; i < (int)(sizeof(mode_names) / sizeof(mode_names[0])); i++) {
		if (name == NULL || strcmp(name, mode_names[i]) == 0)
			return i;
	}
	return -1;
}

static void shuffle(struct CMUnitTest *tests, size_t count, uint64_t seed)
{
	struct sim_random random = { seed };

	for (size_t i = count; i > 1; i--) {
		size_t k = (size_t)sim_random_below(&random, i);
		struct CMUnitTest t = tests[i - 1];

		tests[i - 1] = tests[k];
		tests[k] = t;
	}
}

/* "device_map" of "/somewhere/tests/test_device_map.c" */
static void name_suite(char *name, size_t len, const char *file)
{
	const char *base = strrchr(file, '/');
	char *dot;

	base = base != NULL ? base + 1 : file;
	snprintf(name, len, "%s", strncmp(base, "test_", 5) == 0 ? base + 5 : base);
	dot = strrchr(name, '.');
	if (dot != NULL)
		*dot = '\0';
}

static size_t choose(struct CMUnitTest *chosen, const struct CMUnitTest *tests, size_t count, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (name == NULL || strcmp(tests[i].name, name) == 0)
			chosen[n++] = tests[i];
	}
	return n;
}

bool suite_memory_is_copied(void)
{
	const char *memory = getenv("VIOMMU_MEMORY");

	return memory != NULL && strcmp(memory, "copied") == 0;
}

struct viommu_memory suite_memory(const struct viommu_memory *pointers)
{
	return suite_memory_is_copied() ? sim_copied(pointers) : *pointers;
}

int suite_run_tests(const char *file, const struct CMUnitTest *tests, size_t count)
{
	int mode = find_mode(getenv("VIOMMU_ENV"));
	const char *point = getenv("VIOMMU_POINT");
	const char *seed = getenv("VIOMMU_SHUFFLE");
	struct CMUnitTest *chosen = calloc(count, sizeof(*chosen));
	char suite[64];
	int status;

	name_suite(suite, sizeof(suite), file);
	if (mode < 0 || chosen == NULL) {
		fprintf(stderr, "%s: no such environment\n", suite);
		free(chosen);
		return 2;
	}
	count = choose(chosen, tests, count, getenv("VIOMMU_TEST"));
	if (count == 0) {
		fprintf(stderr, "%s: no such test\n", suite);
		status = 2;
	} else if (point != NULL) {
		setenv("CMOCKA_TEST_ABORT", "1", 1);
		status = run(&chosen[0], (enum sim_env_mode)mode, strtoull(point, NULL, 10)) && now.end_held ? 0 : 1;
	} else {
		if (seed != NULL)
			shuffle(chosen, count, strtoull(seed, NULL, 10));
		status = mode <= SIM_ENV_COUNTING ? run_once(suite, chosen, count, (enum sim_env_mode)mode)
						  : sweep(suite, chosen, count, (enum sim_env_mode)mode);
	}
	free(chosen);
	return status;
}

uint64_t suite_number(const char *name, uint64_t otherwise, uint64_t least, uint64_t most)
{
	const char *text = getenv(name);
	uint64_t number = otherwise;
	char *end;

	if (text == NULL || *text == '\0')
		return otherwise;
	errno = 0;
	number = strtoull(text, &end, 0);
	if (*end != '\0' || errno != 0 || number < least || number > most)
		fail_msg("%s=%s: no number from %llu to %llu", name, text, (unsigned long long)least,
			 (unsigned long long)most);
	return number;
}
