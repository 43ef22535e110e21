/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * env.h: the environment under every test: what the embedder's callbacks answer, what shared memory does between two
 * reads, and what is remembered of both.
 *
 *     test body --> library --> callback of a fixture --> sim_env_call(SITE)     one call in n fails, or brings a reset
 *                      |
 *                      +------> port.h accessor ------> sim/env/port.c           counts reads, changes bytes, steps
 *
 * The same bodies run in each environment; tests/suite.c chooses by name:
 *
 *   plain        nothing happens; the trace hash says what the library did
 *   counting     no byte of shared memory is read twice within one observation, or the test fails
 *   fail-once    each callback fails at each of its calls, one run for each
 *   fail-always  the same, and every later call fails too
 *   reset        a reset comes at each callback and at each operation of a fixture, one run for each
 *   reset-system, reset-queue   the same with a reset of the machine, and with one of each queue by itself
 *   flip         one byte of each field that is read from shared memory changes right afterwards, one run for each
 *
 * An observation is what a side makes of one look at a ring: it begins with an index read with acquire, with the fence
 * before a look at the other side's wish for notifications, or with a call of a queue behind seam B, and lasts until
 * the next of these. Whatever hangs on it (the head, its descriptors, the request, the answer) is read once.
 *
 * There is one environment in a process, since the accessors of port.h know no context. One thread. Before
 * sim_env_begin, in programs that are no tests, nothing ever happens and nothing is remembered.
 */
#ifndef VIOMMU_SIM_ENV_H
#define VIOMMU_SIM_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where something can happen. The numbers are part of the trace hash. */
enum sim_env_site {
	SIM_ENV_OPERATION,    /* a fixture is about to call the library: not a callback, nothing can fail */
	SIM_ENV_RESOLVE,      /* memory seam: NULL */
	SIM_ENV_WORK_PENDING, /* device: cannot fail */
	SIM_ENV_INTERRUPT,    /* pump: cannot fail */
	SIM_ENV_REGISTER_GET, /* registers: all ones, as when the device has gone */
	SIM_ENV_REGISTER_SET, /* registers: without effect */
	SIM_ENV_QUEUE_ENABLE, /* registers: refused */
	SIM_ENV_NOTIFY,       /* registers: lost */
	SIM_ENV_QUEUE,        /* seam B: broken */
	SIM_ENV_WAIT,         /* driver: gives up */
	SIM_ENV_LOCK,         /* driver, and unlock: cannot fail */
	SIM_ENV_CACHE,        /* driver, clean and invalidate: cannot fail */
	SIM_ENV_REPORT,       /* driver, a fault or a failure is told: cannot fail */
	SIM_ENV_BACKEND_PREPARE, /* of an endpoint: refuses */
	SIM_ENV_BACKEND_COMMIT,  /* breaks */
	SIM_ENV_BACKEND_ABORT,   /* breaks */
	SIM_ENV_SITE_COUNT
};

enum sim_env_mode {
	SIM_ENV_PLAIN,
	SIM_ENV_COUNTING,
	SIM_ENV_FAIL_ONCE,
	SIM_ENV_FAIL_ALWAYS,
	SIM_ENV_RESET,
	SIM_ENV_FLIP,
	SIM_ENV_RESET_SYSTEM,
	SIM_ENV_RESET_QUEUE
};

/* Called at each step: an access to shared memory or a callback. May run the other side, not call sim_env_begin. */
typedef void (*sim_env_step_fn)(void *ctx);

/* Starts anew. `at`: which of the points where something can happen it happens at, from 1; 0: none. */
void sim_env_begin(enum sim_env_mode mode, uint64_t at);

/* Points passed since begin, and whether it has happened. */
uint64_t sim_env_points(void);
bool sim_env_has_fired(void);

/* A digest of all callbacks and accesses since begin, with their values and without host addresses; and how many. */
uint64_t sim_env_trace(void);
uint64_t sim_env_events(void);

/* For fixtures */

/* At the top of each callback, with what it was asked. True: fail. */
bool sim_env_call(enum sim_env_site site, uint64_t a, uint64_t b);

/*
 * The library is not on the stack: ends the observation, and is where a reset happens that came due in a callback which
 * must not call back. Fixtures call it before each operation.
 */
void sim_env_operation(void);

/* Only the end of the observation: an access of an endpoint, of which there are many between two requests. */
void sim_env_access(void);

/* Nothing happens and nothing is remembered: a fixture looks around. */
void sim_env_pause(bool paused);

/*
 * What a reset is here; replaces the one before. immediate: it may happen inside the callbacks of the driver, whose
 * device is another machine; false: only between operations.
 */
void sim_env_on_reset(void (*reset)(void *ctx), void *ctx, bool immediate);
/* In there: SIM_ENV_RESET, or one of those behind it where there is such a thing. */
enum sim_env_mode sim_env_reset_kind(void);
void sim_env_no_reset(const void *ctx); /* what was to be reset is gone */

/*
 * What has to hold however the body ended, in the reverse order of registration: invariants, and that life goes on.
 * Runs before the test's teardown. The objects have to outlive the body (no automatic variables).
 */
void sim_env_on_end(void (*check)(void *ctx), void *ctx);

/*
 * The test itself puts an end to the object: the same check now, undisturbed, and not again. Its reset is gone too.
 * Nothing happens if it was not registered.
 */
void sim_env_end(void (*check)(void *ctx), void *ctx);

/*
 * Memory that is freed at the end of the test at the latest; never NULL. Exactly as long as it says, aligned to 16,
 * with whatever is in it, or zeroed.
 */
void *sim_env_alloc(size_t len);
void *sim_env_zalloc(size_t len);
void sim_env_free(void *mem);

/*
 * In this test the driver names the same bytes twice on purpose (a loop of descriptors, say): reading them for each
 * name is no second read of a field.
 */
void sim_env_allow_aliases(void);

/* How much of a random test to do: all in the environments of one run, few in those of thousands. */
uint32_t sim_env_rounds(uint32_t all, uint32_t few);

void sim_env_on_step(sim_env_step_fn step, void *ctx);

/* Bytes that were read again within one observation since begin. 0 where the accessors are not the environment's. */
uint64_t sim_env_read_again(void);

/*
 * For the runner: the checks of sim_env_on_end, nothing failing any more; whether one of these is running, by
 * sim_env_end too; how many there have been since begin; and to free what is left.
 */
void sim_env_check_end(void);
bool sim_env_is_ending(void);
uint32_t sim_env_promises(void);
void sim_env_free_all(void);

/* For port.c */
_Noreturn void sim_env_die(const char *why);
void sim_env_read(const void *p, size_t len, bool begins_observation);
void sim_env_wrote(const void *p, size_t len);
void sim_env_fence(void);

#endif /* VIOMMU_SIM_ENV_H */
