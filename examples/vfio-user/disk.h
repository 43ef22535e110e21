/* SPDX-License-Identifier: BSD-3-Clause */
/* disk.h: a file, or memory, and the threads that read and write it. Knows nothing of virtio. */
#ifndef DISK_H
#define DISK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define DISK_PIECES_MAX 1024 /* of memory, in one job: what the kernel takes in one call */
#define DISK_THREADS_MAX 16

enum disk_verb {
	DISK_READ,
	DISK_WRITE,
	DISK_FLUSH,
	DISK_DISCARD,
	DISK_ZERO
};

/* The caller's, the disk's from disk_submit until disk_next_done returns it. */
struct disk_job {
	enum disk_verb verb;
	uint64_t offset;
	uint64_t len; /* READ, WRITE: of all pieces together */
	int count;
	struct iovec pieces[DISK_PIECES_MAX];
	bool failed; /* out */
	struct disk_job *next;
};

struct disk {
	int fd;
	uint64_t size;
	unsigned thread_count;
	pthread_t threads[DISK_THREADS_MAX];
	pthread_mutex_t lock;
	pthread_cond_t more;
	bool is_stopping;
	struct disk_job *todo, **todo_end, *done, **done_end;
	void (*on_done)(void *ctx); /* on one of its threads, or in disk_submit */
	void *ctx;
};

/* A file, or memory of this size if it is NULL. False: errno. */
bool disk_open(struct disk *disk, const char *file, uint64_t size, unsigned threads, void (*on_done)(void *ctx),
	       void *ctx);
void disk_submit(struct disk *disk, struct disk_job *job);
struct disk_job *disk_next_done(struct disk *disk);

/* Nothing is in flight. */
void disk_close(struct disk *disk);

#endif /* DISK_H */
