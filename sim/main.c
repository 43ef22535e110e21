/* SPDX-License-Identifier: BSD-3-Clause */
/* main.c: the program viommu-sim. */
#define _POSIX_C_SOURCE 200809L /* isatty, fileno */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ops/ops.h"
#include "report.h"

enum {
	EXIT_AGREED = 0,
	EXIT_DISAGREED = 1,
	EXIT_TROUBLE = 2
};

static const char help[] =
	"usage: viommu-sim replay [options] FILE[.gz]...\n"
	"       viommu-sim ops ...    streams of operations as the fuzzers run them: see ops --help\n"
	"\n"
	"Runs recorded virtio-iommu requests through the driver, the virtqueue and the device of\n"
	"a simulated machine, one machine per file, moves bytes through what each request made,\n"
	"and compares everything with an independent model.\n"
	"\n"
	"  --transport NAME   how the driver reaches the device: local, mmio or pci (else VIOMMU_TRANSPORT says it)\n"
	"  --json             one JSON object on standard output in place of the table\n"
	"  --batch N          post up to N MAPs, or UNMAPs, before one sync (default 1: each alone)\n"
	"  --seed N           of everything that is left to chance (default 1)\n"
	"  --queue-size N     entries of the request queue, a power of two, 2 to 32768 (default 64)\n"
	"  --snapshot-every N after each N lines save the device, restore a new one from that, and go on with it\n"
	"  --recover-every N  after each N lines the device needs a reset and loses everything, and the driver recovers\n"
	"  --record FILE      write the requests that the device executed, in the form of a trace; for one file only\n"
	"  --quiet            no table and no progress; disagreements are still told\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 if nothing disagreed, 1 if something did, 2 for wrong usage or a file that\n"
	"cannot be read or parsed. All files are parsed before the first one runs.\n";

struct arguments {
	struct sim_replay_options replay;
	const char *record;
	bool json;
	bool quiet;
	char **files;
	int file_count;
};

static int trouble(const char *what, const char *detail)
{
	fprintf(stderr, "viommu-sim: %s%s%s\n", what, detail != NULL ? ": " : "", detail != NULL ? detail : "");
	return EXIT_TROUBLE;
}

/* Decimal, or hex with 0x; from low to high. */
static bool parse_number(const char *option, const char *text, uint64_t low, uint64_t high, uint64_t *out)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
	if (text[0] < '0' || text[0] > '9' || *end != 0 || errno != 0 || value < low || value > high) {
		fprintf(stderr, "viommu-sim: --%s: expected a number from %llu to %llu, found '%s'\n", option,
			(unsigned long long)low, (unsigned long long)high, text);
		return false;
	}
	*out = value;
	return true;
}

enum option_code {
	OPTION_TRANSPORT = 256,
	OPTION_JSON,
	OPTION_BATCH,
	OPTION_SEED,
	OPTION_QUEUE_SIZE,
	OPTION_SNAPSHOT_EVERY,
	OPTION_RECOVER_EVERY,
	OPTION_RECORD,
	OPTION_QUIET,
	OPTION_HELP,
	OPTION_VERSION
};

static const struct option options[] = {
	{ "transport", required_argument, NULL, OPTION_TRANSPORT },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "batch", required_argument, NULL, OPTION_BATCH },
	{ "seed", required_argument, NULL, OPTION_SEED },
	{ "queue-size", required_argument, NULL, OPTION_QUEUE_SIZE },
	{ "snapshot-every", required_argument, NULL, OPTION_SNAPSHOT_EVERY },
	{ "recover-every", required_argument, NULL, OPTION_RECOVER_EVERY },
	{ "record", required_argument, NULL, OPTION_RECORD },
	{ "quiet", no_argument, NULL, OPTION_QUIET },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ 0 },
};

static int unknown_transport(const char *name)
{
	fprintf(stderr, "viommu-sim: unknown transport '%s'; there are:", name);
	for (size_t i = 0; sim_transports[i] != NULL; i++)
		fprintf(stderr, " %s", sim_transports[i]->name);
	fputc('\n', stderr);
	return EXIT_TROUBLE;
}

/* Takes one option. Returns -1 to go on, or the exit status. */
static int take_option(struct arguments *args, int code)
{
	uint64_t value = 0;

	switch (code) {
	case OPTION_TRANSPORT:
		args->replay.transport = sim_transport_by_name(optarg);
		return args->replay.transport != NULL ? -1 : unknown_transport(optarg);
	case OPTION_JSON:
		args->json = true;
		return -1;
	case OPTION_BATCH:
		if (!parse_number("batch", optarg, 1, SIM_REPLAY_BATCH_MAX, &value))
			return EXIT_TROUBLE;
		args->replay.batch = (uint32_t)value;
		return -1;
	case OPTION_SEED:
		return parse_number("seed", optarg, 0, UINT64_MAX, &args->replay.seed) ? -1 : EXIT_TROUBLE;
	case OPTION_QUEUE_SIZE:
		if (!parse_number("queue-size", optarg, 2, VIOMMU_VIRTQ_SIZE_MAX, &value))
			return EXIT_TROUBLE;
		if ((value & (value - 1)) != 0)
			return trouble("--queue-size: expected a power of two, found", optarg);
		args->replay.queue_size = (uint32_t)value;
		return -1;
	case OPTION_SNAPSHOT_EVERY:
		if (!parse_number("snapshot-every", optarg, 1, UINT32_MAX, &value))
			return EXIT_TROUBLE;
		args->replay.snapshot_every = (uint32_t)value;
		return -1;
	case OPTION_RECOVER_EVERY:
		if (!parse_number("recover-every", optarg, 1, UINT32_MAX, &value))
			return EXIT_TROUBLE;
		args->replay.recover_every = (uint32_t)value;
		return -1;
	case OPTION_RECORD:
		args->record = optarg;
		return -1;
	case OPTION_QUIET:
		args->quiet = true;
		return -1;
	case OPTION_HELP:
		fputs(help, stdout);
		return EXIT_AGREED;
	case OPTION_VERSION:
		puts("viommu-sim " VIOMMU_VERSION);
		return EXIT_AGREED;
	default: /* getopt_long has said what is wrong */
		fputs("Try 'viommu-sim --help'.\n", stderr);
		return EXIT_TROUBLE;
	}
}

/* Returns -1 to go on, or the exit status. */
static int parse_arguments(struct arguments *args, int argc, char **argv)
{
	int code;

	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		int status = take_option(args, code);

		if (status >= 0)
			return status;
	}
	if (optind == argc || strcmp(argv[optind], "replay") != 0) {
		fputs(help, stderr);
		return EXIT_TROUBLE;
	}
	args->files = &argv[optind + 1];
	args->file_count = argc - optind - 1;
	if (args->file_count == 0)
		return trouble("replay: no file given", NULL);
	if (args->record != NULL && args->file_count > 1)
		return trouble("--record: one file only", NULL);
	return -1;
}

/* Parses all files before the first one runs, so that nothing is half done. Returns how many are good. */
static int load(const struct arguments *args, struct sim_trace *traces)
{
	struct sim_error error;
	int good = 0;

	for (int i = 0; i < args->file_count; i++) {
		if (sim_trace_load(&traces[i], args->files[i], &error))
			good++;
		else
			fprintf(stderr, "%s\n", error.text);
	}
	return good;
}

static bool run(const struct arguments *args, const struct sim_trace *traces, struct sim_report_row *rows)
{
	struct sim_error error;

	for (int i = 0; i < args->file_count; i++) {
		rows[i].file = args->files[i];
		if (!sim_replay_run(&traces[i], &args->replay, &rows[i].result, &error)) {
			fprintf(stderr, "%s\n", error.text);
			return false;
		}
	}
	return true;
}

static int finish(const struct arguments *args, const struct sim_report_row *rows)
{
	size_t count = (size_t)args->file_count;
	uint64_t disagreements = 0;

	if (args->json)
		sim_report_json(stdout, rows, count);
	else if (!args->quiet)
		sim_report_table(stdout, rows, count);
	if (fflush(stdout) != 0 || ferror(stdout))
		return trouble("standard output", strerror(errno));
	for (size_t i = 0; i < count; i++)
		disagreements += rows[i].result.disagreements;
	return disagreements == 0 ? EXIT_AGREED : EXIT_DISAGREED;
}

int main(int argc, char **argv)
{
	struct arguments args = { .replay = SIM_REPLAY_OPTIONS_INIT };
	struct sim_trace *traces;
	struct sim_report_row *rows;
	int status;

	if (argc > 1 && strcmp(argv[1], "ops") == 0)
		return sim_ops_command(argc - 1, argv + 1);
	status = parse_arguments(&args, argc, argv);
	if (status >= 0)
		return status;
	if (args.record != NULL) {
		args.replay.record = fopen(args.record, "w");
		if (args.replay.record == NULL)
			return trouble(args.record, strerror(errno));
	}
	args.replay.log = stderr;
	args.replay.progress = !args.quiet && isatty(fileno(stderr)) ? stderr : NULL;
	traces = calloc((size_t)args.file_count, sizeof(*traces));
	rows = calloc((size_t)args.file_count, sizeof(*rows));
	if (traces == NULL || rows == NULL)
		status = trouble("not enough memory", NULL);
	else if (load(&args, traces) == args.file_count && run(&args, traces, rows))
		status = finish(&args, rows);
	else
		status = EXIT_TROUBLE;
	if (args.replay.record != NULL && (ferror(args.replay.record) | fclose(args.replay.record)) != 0)
		status = trouble(args.record, "cannot be written");
	for (int i = 0; traces != NULL && i < args.file_count; i++)
		sim_trace_deinit(&traces[i]);
	free(traces);
	free(rows);
	return status;
}
