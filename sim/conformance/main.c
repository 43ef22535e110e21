/* SPDX-License-Identifier: BSD-3-Clause */
/* main.c: the program viommu-conformance. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"
#include "sim/names.h"

enum {
	EXIT_CONFORMS = 0,
	EXIT_DEVIATES = 1,
	EXIT_TROUBLE = 2,
	EXIT_SKIPPED = 77
};

static const char help[] =
	"usage: viommu-conformance [options]\n"
	"\n"
	"Asks a virtio-iommu device, as a guest would, whether it keeps the rules of the specification.\n"
	"Rules are those of docs/requirements.csv. Of one that says MUST_NOT or SHOULD_NOT, the table\n"
	"tells what must not happen.\n"
	"\n"
	"  --target NAME      local, mmio or pci: the library's own device, in this process (default local)\n"
	"                     or qemu: that of QEMU, with two devices \"edu\" as endpoints\n"
	"  --qemu PROGRAM     which QEMU (default qemu-system-x86_64)\n"
	"  --only TEXT        rules that have this in their id\n"
	"  --json             one JSON object on standard output in place of the table\n"
	"  --compare N        asks N random requests, and the same ones of the library's own device\n"
	"  --seed N           which ones (default 1)\n"
	"  --deviate NAME     the device is wrong on purpose; --deviations lists how\n"
	"  --deviations       each way to deviate, and the rules that it breaks\n"
	"  --help, --version\n"
	"\n"
	"Verdicts: holds; FAILS; free (the rule allows something, and this is what the device does);\n"
	"absent (about something that the device does not offer); unreached (not to be seen from a guest).\n"
	"Exit status: 0 if no rule fails (or no answer differs that no rule explains), 1 if one does, 2 for wrong usage or if there is no device,\n"
	"77 if there is no QEMU.\n";

struct arguments {
	const char *target;
	const char *qemu;
	const char *only;
	const char *deviation;
	uint64_t compare; /* 0: no */
	uint64_t seed;
	bool json;
};

enum option_code {
	OPTION_TARGET = 256,
	OPTION_QEMU,
	OPTION_ONLY,
	OPTION_JSON,
	OPTION_COMPARE,
	OPTION_SEED,
	OPTION_DEVIATE,
	OPTION_DEVIATIONS,
	OPTION_HELP,
	OPTION_VERSION
};

static const struct option options[] = {
	{ "target", required_argument, NULL, OPTION_TARGET },
	{ "qemu", required_argument, NULL, OPTION_QEMU },
	{ "only", required_argument, NULL, OPTION_ONLY },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "compare", required_argument, NULL, OPTION_COMPARE },
	{ "seed", required_argument, NULL, OPTION_SEED },
	{ "deviate", required_argument, NULL, OPTION_DEVIATE },
	{ "deviations", no_argument, NULL, OPTION_DEVIATIONS },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ 0 },
};

/* The option's argument. Returns -1, or the exit status. */
static int take_number(const char *name, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(optarg, &end, 0);
	if (*optarg >= '0' && *optarg <= '9' && *end == 0 && errno == 0)
		return -1;
	fprintf(stderr, "viommu-conformance: --%s: '%s' is not a number\n", name, optarg);
	return EXIT_TROUBLE;
}

/* Takes one option. Returns -1 to go on, or the exit status. */
static int take_option(struct arguments *args, int code)
{
	switch (code) {
	case OPTION_TARGET:
		args->target = optarg;
		return -1;
	case OPTION_QEMU:
		args->qemu = optarg;
		return -1;
	case OPTION_ONLY:
		args->only = optarg;
		return -1;
	case OPTION_JSON:
		args->json = true;
		return -1;
	case OPTION_COMPARE:
		return take_number("compare", &args->compare);
	case OPTION_SEED:
		return take_number("seed", &args->seed);
	case OPTION_DEVIATE:
		args->deviation = optarg;
		return -1;
	case OPTION_DEVIATIONS:
		for (size_t i = 0; conf_deviations[i].name != NULL; i++)
			printf("%s %s\n", conf_deviations[i].name, conf_deviations[i].rules);
		return EXIT_CONFORMS;
	case OPTION_HELP:
		fputs(help, stdout);
		return EXIT_CONFORMS;
	case OPTION_VERSION:
		puts("viommu-conformance " VIOMMU_VERSION);
		return EXIT_CONFORMS;
	default: /* getopt_long has said what is wrong */
		fputs("Try 'viommu-conformance --help'.\n", stderr);
		return EXIT_TROUBLE;
	}
}

static int compare(const struct arguments *args, struct conf_target *target)
{
	struct conf_comparison result;
	bool complete = conf_compare(target, args->compare, args->seed, &result);

	printf("device: %s\n%llu requests, seed %llu\n", target->version, (unsigned long long)result.requests,
	       (unsigned long long)args->seed);
	for (uint32_t type = 0; type < VIOMMU_T_COUNT; type++) {
		for (uint32_t status = 0; status <= VIOMMU_S_COUNT; status++) {
			if (result.answers[type][status] != 0)
				printf("  %-8s %-9s %llu\n", sim_request_name(type),
				       status < VIOMMU_S_COUNT ? sim_status_name(status) : "length 0",
				       (unsigned long long)result.answers[type][status]);
		}
	}
	printf("%llu times both were reset, since they may not be in the same state\nanswers that differ\n",
	       (unsigned long long)result.partings);
	for (uint32_t i = 0; i < CONF_RULES && result.rules[i].rule != NULL; i++)
		printf("  %-18s %llu\n", result.rules[i].rule, (unsigned long long)result.rules[i].count);
	printf("  %-18s %llu\n", "unexplained", (unsigned long long)result.unexplained);
	if (!complete)
		printf("not complete: %s\n", result.why);
	return complete && result.unexplained == 0 ? EXIT_CONFORMS : EXIT_DEVIATES;
}

static int run(const struct arguments *args)
{
	bool is_qemu = strcmp(args->target, "qemu") == 0;
	struct conf_target *target =
		is_qemu ? conf_target_qemu(args->qemu) : conf_target_sim(args->target, args->deviation);
	struct conf_outcome *outcomes;
	size_t count, failed = 0;

	if (target == NULL && is_qemu) {
		fprintf(stderr, "viommu-conformance: skipped: there is no %s\n", args->qemu);
		return EXIT_SKIPPED;
	}
	if (target == NULL) {
		fprintf(stderr, "viommu-conformance: no target '%s'%s%s\n", args->target,
			args->deviation != NULL ? " that deviates as " : "",
			args->deviation != NULL ? args->deviation : "");
		return EXIT_TROUBLE;
	}
	if (args->compare != 0)
		return compare(args, target);
	count = conf_run(target, args->only, &outcomes);
	if (count == 0) {
		fputs("viommu-conformance: no such rule\n", stderr);
		return EXIT_TROUBLE;
	}
	if (args->json)
		conf_print_json(stdout, args->target, target, outcomes, count);
	else
		conf_print_table(stdout, target, outcomes, count);
	for (size_t i = 0; i < count; i++)
		failed += outcomes[i].verdict == CONF_FAILS;
	free(outcomes);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fputs("viommu-conformance: standard output cannot be written\n", stderr);
		return EXIT_TROUBLE;
	}
	return failed == 0 ? EXIT_CONFORMS : EXIT_DEVIATES;
}

int main(int argc, char **argv)
{
	struct arguments args = { .target = "local", .qemu = "qemu-system-x86_64", .seed = 1 };
	int code;

	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		int status = take_option(&args, code);

		if (status >= 0)
			return status;
	}
	if (optind != argc) {
		fputs(help, stderr);
		return EXIT_TROUBLE;
	}
	return run(&args);
}
