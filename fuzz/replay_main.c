/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * replay_main.c: runs a fuzz target over given inputs, without libFuzzer. Arguments are files, or folders whose files
 * are run in the order of their names. Exit 1: nothing was run, or something could not be read.
 */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64 /* else readdir fails on 32-bit machines if a file's number has more bits */

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static unsigned long inputs;

/* The input is in a block of exactly its size, so that a sanitizer sees a read behind it. */
static bool run_file(const char *path)
{
	static uint8_t buffer[INPUT_MAX];
	FILE *file = fopen(path, "rb");
	size_t len;
	uint8_t *copy;
	bool good;

	if (file == NULL) {
		perror(path);
		return false;
	}
	len = fread(buffer, 1, sizeof(buffer), file);
	good = ferror(file) == 0 && fgetc(file) == EOF;
	fclose(file);
	copy = malloc(len != 0 ? len : 1);
	if (!good || copy == NULL) {
		fprintf(stderr, "%s: cannot be read, or is too large\n", path);
		free(copy);
		return false;
	}
	memcpy(copy, buffer, len);
	(void)LLVMFuzzerTestOneInput(copy, len);
	free(copy);
	inputs++;
	return true;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static bool run_folder(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, is_visible, alphasort);
	bool good = count >= 0;

	if (!good)
		perror(path);
	for (int i = 0; i < count; i++) {
		char name[4096];
		int len = snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);

		good = len > 0 && (size_t)len < sizeof(name) && run_file(name) && good;
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return good;
}

static bool is_folder(const char *path)
{
	DIR *folder = opendir(path);

	if (folder != NULL)
		closedir(folder);
	return folder != NULL;
}

int main(int argc, char **argv)
{
	bool good = true;

	for (int i = 1; i < argc; i++)
		good = (is_folder(argv[i]) ? run_folder(argv[i]) : run_file(argv[i])) && good;
	printf("%lu inputs ran\n", inputs);
	return good && inputs > 0 ? 0 : 1;
}
