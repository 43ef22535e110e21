/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE /* affinity */
#include "beside.h"

#include <sched.h>

static bool keep_away(pthread_attr_t *attr)
{
	const int here = sched_getcpu();
	cpu_set_t processors;

	if (here < 0 || sched_getaffinity(0, sizeof processors, &processors) != 0)
		return false;
	if (CPU_COUNT(&processors) < 2)
		return true;
	CPU_CLR((size_t)here, &processors);
	return pthread_attr_setaffinity_np(attr, sizeof processors, &processors) == 0;
}

bool bench_beside_start(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
	pthread_attr_t attr;
	bool ok;

	if (pthread_attr_init(&attr) != 0)
		return false;
	ok = keep_away(&attr) && pthread_create(thread, &attr, run, arg) == 0;
	pthread_attr_destroy(&attr);
	return ok;
}
