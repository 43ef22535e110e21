/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scan.c: a plain list, looked through from the start: what a small VMM begins with. Kept as an array without holes,
 * which is the fastest form of it.
 */
#include "structure.h"

#include <stdlib.h>

struct entry {
	uint64_t first;
	uint64_t last;
	uint64_t phys;
	uint32_t flags;
};

struct list {
	struct entry *entries;
	size_t count;
	size_t capacity;
};

void *bench_scan_open(uint32_t mappings)
{
	struct list *list = calloc(1, sizeof(*list));

	(void)mappings;
	if (list == NULL)
		abort();
	return list;
}

void bench_scan_close(void *s)
{
	struct list *list = s;

	free(list->entries);
	free(list);
}

bool bench_scan_map(void *s, uint64_t first, uint64_t last, uint64_t phys, uint32_t flags)
{
	struct list *list = s;

	for (size_t i = 0; i < list->count; i++) {
		if (list->entries[i].first <= last && first <= list->entries[i].last)
			return false;
	}
	if (list->count == list->capacity) {
		list->capacity = list->capacity != 0 ? list->capacity * 2 : 16;
		list->entries = realloc(list->entries, list->capacity * sizeof(list->entries[0]));
		if (list->entries == NULL)
			abort();
	}
	list->entries[list->count++] = (struct entry){ first, last, phys, flags };
	return true;
}

bool bench_scan_unmap(void *s, uint64_t first, uint64_t last)
{
	struct list *list = s;
	size_t found = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct entry *e = &list->entries[i];

		if (e->first > last || e->last < first)
			continue;
		if (e->first < first || e->last > last)
			return false;
		found++;
	}
	/* The last one takes the place of each that leaves. */
	for (size_t i = 0; found > 0;) {
		const struct entry *e = &list->entries[i];

		if (e->first > last || e->last < first) {
			i++;
			continue;
		}
		list->entries[i] = list->entries[--list->count];
		found--;
	}
	return true;
}

bool bench_scan_lookup(void *s, uint64_t iova, uint64_t *phys, uint32_t *flags)
{
	const struct list *list = s;

	for (size_t i = 0; i < list->count; i++) {
		const struct entry *e = &list->entries[i];

		if (iova < e->first || iova > e->last)
			continue;
		*phys = e->phys + (iova - e->first);
		*flags = e->flags;
		return true;
	}
	return false;
}
