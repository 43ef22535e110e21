/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Takes n bytes away from the front. */
static void consume(struct iovec **pieces, int *count, size_t n)
{
	while (n > 0) {
		size_t here = n < (*pieces)->iov_len ? n : (*pieces)->iov_len;

		(*pieces)->iov_base = (char *)(*pieces)->iov_base + here;
		(*pieces)->iov_len -= here;
		n -= here;
		if ((*pieces)->iov_len == 0) {
			++*pieces;
			--*count;
		}
	}
}

static bool transfer(const struct disk *disk, struct disk_job *job)
{
	struct iovec *pieces = job->pieces;
	off_t at = (off_t)job->offset;
	uint64_t left = job->len;

	while (left > 0) {
		ssize_t n = job->verb == DISK_READ ? preadv(disk->fd, pieces, job->count, at)
						   : pwritev(disk->fd, pieces, job->count, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		consume(&pieces, &job->count, (size_t)n);
		at += n;
		left -= (uint64_t)n;
	}
	return true;
}

static bool punch(const struct disk *disk, const struct disk_job *job)
{
	return fallocate(disk->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)job->offset, (off_t)job->len) ==
	       0;
}

static bool write_zeroes(const struct disk *disk, const struct disk_job *job)
{
	static const char zeroes[65536];
	uint64_t done = 0;

	if (punch(disk, job))
		return true;
	while (done < job->len) {
		size_t want = job->len - done < sizeof zeroes ? (size_t)(job->len - done) : sizeof zeroes;
		ssize_t n = pwrite(disk->fd, zeroes, want, (off_t)(job->offset + done));

		if (n <= 0 && errno != EINTR)
			return false;
		if (n > 0)
			done += (uint64_t)n;
	}
	return true;
}

static void carry_out(const struct disk *disk, struct disk_job *job)
{
	bool good = false;

	switch (job->verb) {
	case DISK_READ:
	case DISK_WRITE:
		good = transfer(disk, job);
		break;
	case DISK_FLUSH:
		good = fdatasync(disk->fd) == 0;
		break;
	case DISK_DISCARD:
		good = punch(disk, job) || errno == EOPNOTSUPP; /* it is a hint */
		break;
	case DISK_ZERO:
		good = write_zeroes(disk, job);
		break;
	}
	job->failed = !good;
}

/* With the lock held. */
static void append(struct disk_job ***end, struct disk_job *job)
{
	job->next = NULL;
	**end = job;
	*end = &job->next;
}

static struct disk_job *take(struct disk_job **first, struct disk_job ***end)
{
	struct disk_job *job = *first;

	if (job != NULL) {
		*first = job->next;
		if (*first == NULL)
			*end = first;
	}
	return job;
}

static void finish(struct disk *disk, struct disk_job *job)
{
	pthread_mutex_lock(&disk->lock);
	append(&disk->done_end, job);
	pthread_mutex_unlock(&disk->lock);
	disk->on_done(disk->ctx);
}

static void *run(void *arg)
{
	struct disk *disk = arg;
	struct disk_job *job;

	pthread_mutex_lock(&disk->lock);
	while (!disk->is_stopping) {
		job = take(&disk->todo, &disk->todo_end);
		if (job == NULL) {
			pthread_cond_wait(&disk->more, &disk->lock);
			continue;
		}
		pthread_mutex_unlock(&disk->lock);
		carry_out(disk, job);
		finish(disk, job);
		pthread_mutex_lock(&disk->lock);
	}
	pthread_mutex_unlock(&disk->lock);
	return NULL;
}

bool disk_open(struct disk *disk, const char *file, uint64_t size, unsigned threads, void (*on_done)(void *ctx),
	       void *ctx)
{
	off_t end;

	memset(disk, 0, sizeof *disk);
	disk->todo_end = &disk->todo;
	disk->done_end = &disk->done;
	disk->on_done = on_done;
	disk->ctx = ctx;
	pthread_mutex_init(&disk->lock, NULL);
	pthread_cond_init(&disk->more, NULL);
	disk->fd = file != NULL ? open(file, O_RDWR | O_CLOEXEC) : memfd_create("disk", MFD_CLOEXEC);
	if (disk->fd < 0 || (file == NULL && ftruncate(disk->fd, (off_t)size) != 0))
		return false;
	end = lseek(disk->fd, 0, SEEK_END);
	if (end < 512) {
		errno = end < 0 ? errno : EINVAL;
		return false;
	}
	disk->size = (uint64_t)end / 512 * 512;
	for (; disk->thread_count < threads; disk->thread_count++) {
		if (pthread_create(&disk->threads[disk->thread_count], NULL, run, disk) != 0)
			return false;
	}
	return true;
}

void disk_submit(struct disk *disk, struct disk_job *job)
{
	if (disk->thread_count == 0) {
		carry_out(disk, job);
		finish(disk, job);
		return;
	}
	pthread_mutex_lock(&disk->lock);
	append(&disk->todo_end, job);
	pthread_cond_signal(&disk->more);
	pthread_mutex_unlock(&disk->lock);
}

struct disk_job *disk_next_done(struct disk *disk)
{
	struct disk_job *job;

	pthread_mutex_lock(&disk->lock);
	job = take(&disk->done, &disk->done_end);
	pthread_mutex_unlock(&disk->lock);
	return job;
}

void disk_close(struct disk *disk)
{
	pthread_mutex_lock(&disk->lock);
	disk->is_stopping = true;
	pthread_cond_broadcast(&disk->more);
	pthread_mutex_unlock(&disk->lock);
	for (unsigned i = 0; i < disk->thread_count; i++)
		pthread_join(disk->threads[i], NULL);
	close(disk->fd);
}
