/* SPDX-License-Identifier: BSD-3-Clause */
/* memory.c: a client's regions, as the library and the kernel have them. */
#define _GNU_SOURCE
#include "memory.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * All that is mapped, where the handler of the signal finds it without a lock: an entry is free while its size is 0,
 * and base is set before size.
 */
#define MAPPINGS_MAX 4096u

static struct mapping {
	uintptr_t base;
	size_t size;
	int damaged;
} mappings[MAPPINGS_MAX];
static pthread_mutex_t mappings_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t mapped_bytes;
static int any_damaged; /* ever: before that nobody has to look */

static void on_bus_error(int number, siginfo_t *info, void *context)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t at = (uintptr_t)info->si_addr;
	int error = errno;

	(void)context;
	for (unsigned i = 0; i < MAPPINGS_MAX; i++) {
		size_t size = __atomic_load_n(&mappings[i].size, __ATOMIC_ACQUIRE);

		if (size == 0 || at - mappings[i].base >= size)
			continue;
		if (mmap((void *)(at & ~(page - 1)), page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			break;
		__atomic_store_n(&mappings[i].damaged, 1, __ATOMIC_RELEASE);
		__atomic_store_n(&any_damaged, 1, __ATOMIC_RELEASE);
		errno = error;
		return;
	}
	/* Not a client's doing. */
	signal(number, SIG_DFL);
	raise(number);
}

void memory_catch_truncation(void)
{
	struct sigaction action = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &action, NULL);
}

static bool add_mapping(void *host, size_t size)
{
	bool added = false;

	pthread_mutex_lock(&mappings_lock);
	for (unsigned i = 0; i < MAPPINGS_MAX && !added; i++) {
		if (mappings[i].size != 0)
			continue;
		mappings[i].base = (uintptr_t)host;
		mappings[i].damaged = 0;
		__atomic_store_n(&mappings[i].size, size, __ATOMIC_RELEASE);
		mapped_bytes += size;
		added = true;
	}
	pthread_mutex_unlock(&mappings_lock);
	return added;
}

static void remove_mapping(const void *host)
{
	pthread_mutex_lock(&mappings_lock);
	for (unsigned i = 0; i < MAPPINGS_MAX; i++) {
		if (mappings[i].size == 0 || mappings[i].base != (uintptr_t)host)
			continue;
		mapped_bytes -= mappings[i].size;
		__atomic_store_n(&mappings[i].size, 0, __ATOMIC_RELEASE);
		break;
	}
	pthread_mutex_unlock(&mappings_lock);
}

bool memory_is_damaged(const struct guest_memory *memory)
{
	bool damaged = false;

	if (__atomic_load_n(&any_damaged, __ATOMIC_ACQUIRE) == 0)
		return false;
	pthread_mutex_lock(&mappings_lock);
	for (uint32_t i = 0; i < memory->count; i++) {
		for (unsigned m = 0; m < MAPPINGS_MAX && memory->pieces[i].host != NULL; m++) {
			if (mappings[m].base == (uintptr_t)memory->pieces[i].host && mappings[m].size != 0) {
				damaged |= __atomic_load_n(&mappings[m].damaged, __ATOMIC_ACQUIRE) != 0;
				break;
			}
		}
	}
	pthread_mutex_unlock(&mappings_lock);
	return damaged;
}

uint64_t memory_mapped(void)
{
	uint64_t bytes;

	pthread_mutex_lock(&mappings_lock);
	bytes = mapped_bytes;
	pthread_mutex_unlock(&mappings_lock);
	return bytes;
}

void memory_init(struct guest_memory *memory, void (*changed)(void *ctx), void *ctx)
{
	memset(memory, 0, sizeof *memory);
	memory->changed = changed;
	memory->ctx = ctx;
	(void)!viommu_memory_table_init(&memory->table, NULL, 0); /* nothing is always valid */
}

/* The pieces as they are now become the table, and nothing uses the old one when this returns. */
static void publish(struct guest_memory *memory)
{
	struct viommu_memory_region *regions = memory->regions[!memory->current];
	uint32_t count = 0;

	for (uint32_t i = 0; i < memory->count; i++) {
		const struct memory_piece *p = &memory->pieces[i];

		if (p->host != NULL)
			regions[count++] = (struct viommu_memory_region){ p->first, p->last, p->host, p->kind };
	}
	(void)!viommu_memory_table_set(&memory->table, regions, count); /* valid: the pieces are */
	memory->current = !memory->current;
	memory->changed(memory->ctx);
}

/* A file that has all of it, and can be mapped. Returns 0 or an errno. */
static int map_file(int fd, uint64_t offset, struct memory_piece *piece)
{
	uint64_t size = piece->last - piece->first + 1;
	int protection = PROT_READ | ((piece->kind & VIOMMU_ACCESS_WRITE) != 0 ? PROT_WRITE : 0);
	struct stat st;

	if (fstat(fd, &st) != 0)
		return errno;
	/* What is no file has no size. */
	if ((uint64_t)st.st_size < offset || (uint64_t)st.st_size - offset < size || size > SIZE_MAX / 2)
		return EINVAL;
	piece->size = (size_t)size;
	piece->host = mmap(NULL, piece->size, protection, MAP_SHARED, fd, (off_t)offset);
	if (piece->host == MAP_FAILED)
		return errno;
	if (!add_mapping(piece->host, piece->size)) {
		munmap(piece->host, piece->size);
		return ENOSPC;
	}
	return 0;
}

bool memory_is_in_flux(const struct guest_memory *memory)
{
	return memory->gone_count > 0;
}

void memory_apply(struct guest_memory *memory)
{
	if (!memory_is_in_flux(memory))
		return;
	publish(memory);
	for (uint32_t i = 0; i < memory->gone_count; i++) {
		if (memory->gone[i].host == NULL)
			continue;
		remove_mapping(memory->gone[i].host);
		munmap(memory->gone[i].host, memory->gone[i].size);
	}
	memory->gone_count = 0;
}

static bool is_back(const struct guest_memory *memory, const struct memory_piece *gone)
{
	uint64_t at = gone->first;

	for (uint32_t i = 0; i < memory->count; i++) {
		const struct memory_piece *p = &memory->pieces[i];

		if (p->host == NULL || p->first > at || p->last < at)
			continue;
		if (p->last >= gone->last)
			return true;
		at = p->last + 1;
	}
	return false;
}

static bool is_all_back(const struct guest_memory *memory)
{
	for (uint32_t i = 0; i < memory->gone_count; i++) {
		if (memory->gone[i].host != NULL && !is_back(memory, &memory->gone[i]))
			return false;
	}
	return true;
}

int memory_map(struct guest_memory *memory, int fd, uint64_t offset, uint64_t address, uint64_t size, uint32_t kind)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct memory_piece piece = { .first = address, .last = address + size - 1, .kind = kind };
	uint32_t at = 0;
	int error;

	if (size == 0 || piece.last < address || ((address | size | offset) & (page - 1)) != 0 ||
	    (kind & VIOMMU_ACCESS_READ) == 0)
		return EINVAL;
	if (memory->count == MEMORY_REGIONS_MAX)
		return ENOSPC;
	while (at < memory->count && memory->pieces[at].last < piece.first)
		at++;
	if (at < memory->count && memory->pieces[at].first <= piece.last)
		return EEXIST;
	error = fd >= 0 ? map_file(fd, offset, &piece) : 0;
	if (error != 0)
		return error;
	memmove(&memory->pieces[at + 1], &memory->pieces[at], (memory->count - at) * sizeof piece);
	memory->pieces[at] = piece;
	memory->count++;
	if (!memory_is_in_flux(memory))
		publish(memory);
	else if (is_all_back(memory))
		memory_apply(memory);
	return 0;
}

/* Takes `count` pieces away, from this one on. */
static void remove_pieces(struct guest_memory *memory, uint32_t at, uint32_t count)
{
	if (memory->gone_count + count > MEMORY_REGIONS_MAX)
		memory_apply(memory);
	memcpy(&memory->gone[memory->gone_count], &memory->pieces[at], count * sizeof memory->gone[0]);
	memory->gone_count += count;
	memmove(&memory->pieces[at], &memory->pieces[at + count],
		(memory->count - at - count) * sizeof memory->pieces[0]);
	memory->count -= count;
}

int memory_unmap(struct guest_memory *memory, uint64_t address, uint64_t size)
{
	uint64_t last = address + size - 1;
	uint32_t at = 0, count = 0;

	if (size == 0 || last < address)
		return EINVAL;
	while (at < memory->count && memory->pieces[at].last < address)
		at++;
	while (at + count < memory->count && memory->pieces[at + count].first <= last) {
		if (memory->pieces[at + count].first < address || memory->pieces[at + count].last > last)
			return EINVAL;
		count++;
	}
	if (count == 0)
		return ENOENT;
	remove_pieces(memory, at, count);
	return 0;
}

void memory_unmap_all(struct guest_memory *memory)
{
	remove_pieces(memory, 0, memory->count);
}
