/* SPDX-License-Identifier: BSD-3-Clause */
/* command.c: viommu-sim ops. */
#define _POSIX_C_SOURCE 200809L /* scandir, _exit */
#define _FILE_OFFSET_BITS 64    /* else readdir fails on 32-bit machines if a file's number has more bits */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ops.h"

#define FILE_MAX (1u << 22)

enum {
	EXIT_HOLDS = 0,
	EXIT_BROKEN = 1,
	EXIT_TROUBLE = 2
};

static const char help[] =
	"usage: viommu-sim ops FILE|FOLDER...\n"
	"       viommu-sim ops --text TARGET INPUT\n"
	"       viommu-sim ops --binary FOLDER FILE|FOLDER...\n"
	"       viommu-sim ops --targets\n"
	"\n"
	"Runs streams of operations, each in a fresh world, and checks what comes of them. The first\n"
	"line of a file names the target, each further one is an operation; # begins a comment. Of a\n"
	"folder all files *.txt are run.\n"
	"\n"
	"  --text       prints as text what the fuzzer keeps as bytes, for example a crash-... file\n"
	"  --binary     writes each file, without .txt in its name, as bytes into a folder, as seeds\n"
	"               for the fuzzer\n"
	"  --targets    the names of all targets\n"
	"  --help\n"
	"\n"
	"Exit status: 0 if everything holds, 1 if a check does not (which ends the run), 2 for wrong\n"
	"usage or a file that cannot be read or parsed.\n";

struct run {
	const char *folder; /* where the binary forms go; NULL: run them */
	unsigned long files, failed;
};

static int trouble(const char *what, const char *detail)
{
	fprintf(stderr, "viommu-sim: ops: %s%s%s\n", what, detail != NULL ? ": " : "", detail != NULL ? detail : "");
	return EXIT_TROUBLE;
}

/* A check that fails aborts, so that a fuzzer or debugger sees it; here it is the answer to a question. */
static void on_abort(int number)
{
	(void)number;
	_exit(EXIT_BROKEN);
}

/* The whole file, in a block of its size, so that a sanitizer sees a read behind it. NULL: said why. */
static uint8_t *load(const char *path, size_t *len)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes = file != NULL ? malloc(FILE_MAX) : NULL, *exact = NULL;

	if (bytes != NULL) {
		*len = fread(bytes, 1, FILE_MAX, file);
		if (*len == FILE_MAX || ferror(file) != 0)
			trouble(path, "cannot be read, or is too large");
		else
			exact = realloc(bytes, *len != 0 ? *len : 1);
		if (exact == NULL)
			free(bytes);
	} else {
		perror(path);
	}
	if (file != NULL)
		fclose(file);
	return exact;
}

static bool save(const char *folder, const char *path, const uint8_t *data, size_t len)
{
	const char *base = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
	const char *dot = strstr(base, ".txt");
	int base_len = (int)(dot != NULL ? (size_t)(dot - base) : strlen(base));
	char name[4096];
	int n = snprintf(name, sizeof(name), "%s/%.*s", folder, base_len, base);
	FILE *file = n > 0 && (size_t)n < sizeof(name) ? fopen(name, "wb") : NULL;
	bool good = file != NULL && fwrite(data, 1, len, file) == len;

	if (file != NULL)
		good = fclose(file) == 0 && good;
	if (!good)
		perror(name);
	return good;
}

static bool do_file(const struct run *run, const char *path)
{
	const struct sim_ops_target *target;
	struct sim_error error;
	size_t text_len, len;
	uint8_t *text = load(path, &text_len), *data;
	bool good;

	if (text == NULL)
		return false;
	good = sim_ops_parse(path, (const char *)text, text_len, &target, &data, &len, &error);
	free(text);
	if (!good) {
		fprintf(stderr, "%s\n", error.text);
		return false;
	}
	if (run->folder != NULL)
		good = save(run->folder, path, data, len);
	else
		sim_ops_run(target, data, len);
	free(data);
	return good;
}

static void count_file(struct run *run, const char *path)
{
	run->files++;
	if (!do_file(run, path))
		run->failed++;
}

static int is_text(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 4 && strcmp(entry->d_name + len - 4, ".txt") == 0;
}

static void do_folder(struct run *run, const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, is_text, alphasort);

	if (count < 0) {
		perror(path);
		run->failed++;
		return;
	}
	for (int i = 0; i < count; i++) {
		char name[4096];
		int len = snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);

		if (len > 0 && (size_t)len < sizeof(name))
			count_file(run, name);
		else
			run->failed++;
		free(entries[i]);
	}
	free(entries);
}

static int do_all(struct run *run, char **paths, int count)
{
	signal(SIGABRT, on_abort);
	for (int i = 0; i < count; i++) {
		DIR *folder = opendir(paths[i]);

		if (folder != NULL) {
			closedir(folder);
			do_folder(run, paths[i]);
		} else {
			count_file(run, paths[i]);
		}
	}
	if (run->files == 0)
		return trouble("no file found", NULL);
	if (run->failed == 0 && run->folder == NULL)
		printf("%lu streams ran, all checks hold\n", run->files);
	return run->failed == 0 ? EXIT_HOLDS : EXIT_TROUBLE;
}

static int print_text(const char *name, const char *path)
{
	const struct sim_ops_target *target = sim_ops_find(name, strlen(name));
	uint8_t *data;
	size_t len;

	if (target == NULL)
		return trouble("no such target", name);
	data = load(path, &len);
	if (data == NULL)
		return EXIT_TROUBLE;
	sim_ops_print_all(target, data, len, stdout);
	free(data);
	return fflush(stdout) == 0 ? EXIT_HOLDS : trouble("standard output", NULL);
}

int sim_ops_command(int argc, char **argv)
{
	struct run run = { 0 };

	if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
		fputs(help, stdout);
		return EXIT_HOLDS;
	}
	if (argc == 2 && strcmp(argv[1], "--targets") == 0) {
		for (uint32_t i = 0; sim_ops_targets[i] != NULL; i++)
			puts(sim_ops_targets[i]->name);
		return EXIT_HOLDS;
	}
	if (argc == 4 && strcmp(argv[1], "--text") == 0)
		return print_text(argv[2], argv[3]);
	if (argc >= 4 && strcmp(argv[1], "--binary") == 0) {
		run.folder = argv[2];
		return do_all(&run, argv + 3, argc - 3);
	}
	if (argc < 2 || argv[1][0] == '-') {
		fputs(help, stderr);
		return EXIT_TROUBLE;
	}
	return do_all(&run, argv + 1, argc - 1);
}
