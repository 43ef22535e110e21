/* SPDX-License-Identifier: BSD-3-Clause */
/* beside.h: a second thread, for what is measured beside something else. */
#ifndef BENCH_BESIDE_H
#define BENCH_BESIDE_H

#include <pthread.h>
#include <stdbool.h>

/*
 * As pthread_create. The thread begins on another processor than the caller's, if there is one: a new thread would stay
 * with the caller for some milliseconds, and two that poll for each other would take turns there.
 */
bool bench_beside_start(pthread_t *thread, void *(*run)(void *arg), void *arg);

#endif /* BENCH_BESIDE_H */
