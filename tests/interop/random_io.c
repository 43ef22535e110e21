/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * random_io.c: runs in the guest. Threads write to a disk and read it back, past the page cache, each in a part of its
 * own, pieces of 512 bytes to 128 KiB, and compare. Prints how many reads and writes that were in a second.
 *
 *     random_io DEVICE THREADS COUNT
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECTOR 512u
#define MOST (256u * SECTOR)
#define THREADS_MAX 64

static int disk;
static long count;
static uint64_t part; /* bytes of each thread */

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void *run(void *arg)
{
	uint64_t number = (uintptr_t)arg, state = 0x9e3779b97f4a7c15u * (number + 1);
	void *out, *in;

	if (posix_memalign(&out, 4096, MOST) != 0 || posix_memalign(&in, 4096, MOST) != 0)
		exit(1);
	for (long i = 0; i < count; i++) {
		size_t len = (size_t)(1 + next(&state) % (MOST / SECTOR)) * SECTOR;
		off_t at = (off_t)(number * part + next(&state) % ((part - len) / SECTOR) * SECTOR);

		for (size_t k = 0; k < len / 8; k++)
			((uint64_t *)out)[k] = next(&state);
		if (pwrite(disk, out, len, at) != (ssize_t)len || pread(disk, in, len, at) != (ssize_t)len) {
			perror("random_io");
			exit(1);
		}
		if (memcmp(out, in, len) != 0) {
			fprintf(stderr, "random_io: other bytes came back\n");
			exit(1);
		}
	}
	return NULL;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	double begin;
	pthread_t threads[THREADS_MAX];
	long n = argc == 4 ? atol(argv[2]) : 0;

	if (n < 1 || n > THREADS_MAX)
		return 2;
	count = atol(argv[3]);
	disk = open(argv[1], O_RDWR | O_DIRECT);
	part = disk < 0 ? 0 : (uint64_t)lseek(disk, 0, SEEK_END) / (uint64_t)n / SECTOR * SECTOR;
	if (part <= MOST)
		return 1;
	begin = now();
	for (long i = 0; i < n; i++)
		pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)i);
	for (long i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	printf("SPEED %.0f\n", (double)(2 * n * count) / (now() - begin));
	return 0;
}
