/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gtree.c: GLib's balanced tree, with intervals as keys that compare equal when they overlap, and one allocation each
 * for key and value: what QEMU's device does. Kinder than that in one point: an unmap that meets exactly one mapping
 * descends twice and not three times.
 */
#include "structure.h"

#include <glib.h>

struct interval {
	uint64_t first;
	uint64_t last;
};

struct target {
	uint64_t phys;
	uint32_t flags;
};

static gint compare(gconstpointer a, gconstpointer b, gpointer unused)
{
	const struct interval *x = a;
	const struct interval *y = b;

	(void)unused;
	if (x->last < y->first)
		return -1;
	return y->last < x->first ? 1 : 0;
}

/* Any mapping that overlaps [first, last]. */
static bool find(GTree *tree, uint64_t first, uint64_t last, struct interval **key, struct target **target)
{
	const struct interval range = { first, last };
	gpointer k;
	gpointer v;

	if (!g_tree_lookup_extended(tree, &range, &k, &v))
		return false;
	*key = k;
	*target = v;
	return true;
}

void *bench_gtree_open(uint32_t mappings)
{
	(void)mappings;
	return g_tree_new_full(compare, NULL, g_free, g_free);
}

void bench_gtree_close(void *s)
{
	g_tree_destroy(s);
}

bool bench_gtree_map(void *s, uint64_t first, uint64_t last, uint64_t phys, uint32_t flags)
{
	const struct interval range = { first, last };
	struct interval *key;
	struct target *target;

	if (g_tree_lookup(s, &range) != NULL)
		return false;
	key = g_new(struct interval, 1);
	*key = range;
	target = g_new(struct target, 1);
	*target = (struct target){ phys, flags };
	g_tree_insert(s, key, target);
	return true;
}

bool bench_gtree_unmap(void *s, uint64_t first, uint64_t last)
{
	struct interval *key;
	struct target *target;

	if (!find(s, first, last, &key, &target))
		return true;
	if (key->first == first && key->last == last) {
		g_tree_remove(s, key);
		return true;
	}
	if (find(s, first, first, &key, &target) && (key->first < first || key->last > last))
		return false;
	if (find(s, last, last, &key, &target) && (key->first < first || key->last > last))
		return false;
	while (find(s, first, last, &key, &target))
		g_tree_remove(s, key);
	return true;
}

bool bench_gtree_lookup(void *s, uint64_t iova, uint64_t *phys, uint32_t *flags)
{
	struct interval *key;
	struct target *target;

	if (!find(s, iova, iova, &key, &target))
		return false;
	*phys = target->phys + (iova - key->first);
	*flags = target->flags;
	return true;
}
