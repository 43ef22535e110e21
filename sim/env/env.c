/* SPDX-License-Identifier: BSD-3-Clause */
#define _POSIX_C_SOURCE 200809L

#include "sim/env/env.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 16u /* of blocks: what rings need */
#define CHECKS 64u
#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

/* Eight bytes of memory and which of them were read in an observation. */
struct seen {
	uintptr_t words; /* address / 8 */
	uint64_t observation;
	uint8_t mask;
};

#define SEEN_BITS 18u
#define SEEN_COUNT (1u << SEEN_BITS)

struct check {
	void (*run)(void *ctx);
	void *ctx;
};

static struct {
	bool is_active; /* false until begin: programs that are no tests */
	bool is_paused;
	bool is_ending;
	uint32_t promises;
	enum sim_env_mode mode;
	uint64_t at;
	uint64_t points;
	bool has_fired;
	uint64_t trace;
	uint64_t events;
	uint64_t observation;
	uint64_t read_again;
	bool aliases_allowed;
	void (*reset)(void *ctx);
	void *reset_ctx;
	bool reset_immediately;
	bool reset_is_due;
	sim_env_step_fn step;
	void *step_ctx;
	struct check checks[CHECKS];
	uint32_t check_count;
	void **blocks;
	size_t block_count;
	size_t block_room;
} env;

static struct seen seen[SEEN_COUNT];

void sim_env_die(const char *why)
{
	fprintf(stderr, "sim/env: %s\n", why);
	signal(SIGABRT, SIG_DFL);
	abort();
}

/* The trace */

static void trace_byte(uint8_t byte)
{
	env.trace = (env.trace ^ byte) * FNV_PRIME;
}

static void trace_number(uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		trace_byte((uint8_t)(value >> (8 * i)));
}

static void trace_event(uint8_t what, uint64_t a, uint64_t b)
{
	env.events++;
	trace_byte(what);
	trace_number(a);
	trace_number(b);
}

static void trace_bytes(uint8_t what, const uint8_t *bytes, size_t len)
{
	env.events++;
	trace_byte(what);
	for (size_t i = 0; i < len; i++)
		trace_byte(bytes[i]);
}

uint64_t sim_env_trace(void)
{
	return env.trace;
}

uint64_t sim_env_events(void)
{
	return env.events;
}

/* Points */

void sim_env_begin(enum sim_env_mode mode, uint64_t at)
{
	env.is_active = true;
	env.is_paused = false;
	env.is_ending = false;
	env.promises = 0;
	env.mode = mode;
	env.at = at;
	env.points = 0;
	env.has_fired = false;
	env.trace = FNV_START;
	env.events = 0;
	env.observation++;
	env.read_again = 0;
	env.aliases_allowed = false;
	env.reset = NULL;
	env.reset_is_due = false;
	env.step = NULL;
	env.check_count = 0;
}

uint64_t sim_env_points(void)
{
	return env.points;
}

bool sim_env_has_fired(void)
{
	return env.has_fired;
}

/* Is this the point? */
static bool strikes(void)
{
	if (++env.points != env.at)
		return false;
	env.has_fired = true;
	return true;
}

static bool can_fail(enum sim_env_site site)
{
	switch (site) {
	case SIM_ENV_RESOLVE:
	case SIM_ENV_REGISTER_GET:
	case SIM_ENV_REGISTER_SET:
	case SIM_ENV_QUEUE_ENABLE:
	case SIM_ENV_NOTIFY:
	case SIM_ENV_QUEUE:
	case SIM_ENV_WAIT:
	case SIM_ENV_BACKEND_PREPARE:
	case SIM_ENV_BACKEND_COMMIT:
	case SIM_ENV_BACKEND_ABORT:
		return true;
	case SIM_ENV_OPERATION:
	case SIM_ENV_WORK_PENDING:
	case SIM_ENV_INTERRUPT:
	case SIM_ENV_LOCK:
	case SIM_ENV_CACHE:
	case SIM_ENV_REPORT:
	case SIM_ENV_SITE_COUNT:
		break;
	}
	return false;
}

/* Is the device below us on the stack? Then a reset has to wait until it has returned. */
static bool is_of_the_device(enum sim_env_site site)
{
	return site == SIM_ENV_RESOLVE || site == SIM_ENV_WORK_PENDING || site == SIM_ENV_INTERRUPT ||
	       site == SIM_ENV_BACKEND_PREPARE || site == SIM_ENV_BACKEND_COMMIT || site == SIM_ENV_BACKEND_ABORT;
}

static bool is_of_resets(enum sim_env_mode mode)
{
	return mode == SIM_ENV_RESET || mode == SIM_ENV_RESET_SYSTEM || mode == SIM_ENV_RESET_QUEUE;
}

enum sim_env_mode sim_env_reset_kind(void)
{
	return is_of_resets(env.mode) ? env.mode : SIM_ENV_RESET;
}

static void reset_now(void)
{
	env.reset_is_due = false;
	env.reset(env.reset_ctx);
}

static void reset_at(enum sim_env_site site)
{
	if (env.reset == NULL || !strikes())
		return;
	if (site == SIM_ENV_OPERATION || (env.reset_immediately && !is_of_the_device(site)))
		reset_now();
	else
		env.reset_is_due = true;
}

static void step(void)
{
	if (env.step != NULL)
		env.step(env.step_ctx);
}

bool sim_env_call(enum sim_env_site site, uint64_t a, uint64_t b)
{
	if (!env.is_active || env.is_paused)
		return false;
	trace_event((uint8_t)site, a, b);
	if (site == SIM_ENV_QUEUE)
		env.observation++;
	step();
	switch (env.mode) {
	case SIM_ENV_FAIL_ONCE:
		return can_fail(site) && strikes();
	case SIM_ENV_FAIL_ALWAYS:
		return can_fail(site) && (strikes() || env.has_fired);
	case SIM_ENV_RESET:
	case SIM_ENV_RESET_SYSTEM:
	case SIM_ENV_RESET_QUEUE:
		reset_at(site);
		return false;
	case SIM_ENV_PLAIN:
	case SIM_ENV_COUNTING:
	case SIM_ENV_FLIP:
		break;
	}
	return false;
}

void sim_env_operation(void)
{
	env.observation++;
	if (!is_of_resets(env.mode) || env.is_paused)
		return;
	if (env.reset_is_due)
		reset_now();
	else
		reset_at(SIM_ENV_OPERATION);
}

void sim_env_pause(bool paused)
{
	env.is_paused = paused;
	env.observation++;
}

void sim_env_access(void)
{
	env.observation++;
}

void sim_env_on_reset(void (*reset)(void *ctx), void *ctx, bool immediate)
{
	env.reset = reset;
	env.reset_ctx = ctx;
	env.reset_immediately = immediate;
}

void sim_env_no_reset(const void *ctx)
{
	if (env.reset_ctx == ctx) {
		env.reset = NULL;
		env.reset_is_due = false;
	}
}

void sim_env_on_step(sim_env_step_fn step_fn, void *ctx)
{
	env.step = step_fn;
	env.step_ctx = ctx;
}

uint32_t sim_env_rounds(uint32_t all, uint32_t few)
{
	return env.mode == SIM_ENV_PLAIN || env.mode == SIM_ENV_COUNTING ? all : few;
}

/* Shared memory */

/* The place of these eight bytes in the table; what is there from earlier observations is overwritten. */
static struct seen *find_seen(uintptr_t words)
{
	uint32_t i = (uint32_t)((words * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - SEEN_BITS));

	for (uint32_t n = 0; n < SEEN_COUNT; n++) {
		struct seen *s = &seen[(i + n) % SEEN_COUNT];

		if (s->observation != env.observation) {
			*s = (struct seen){ words, env.observation, 0 };
			return s;
		}
		if (s->words == words)
			return s;
	}
	sim_env_die("one observation read more than the table holds");
}

static void count_read(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uintptr_t address = (uintptr_t)(p + i);
		struct seen *s = find_seen(address / 8);
		uint8_t bit = (uint8_t)(1u << (address % 8));

		if ((s->mask & bit) != 0)
			env.read_again++;
		s->mask |= bit;
	}
}

/* One byte of those read, and what becomes of it, hang on the number of the read. */
static void flip(uint8_t *p, size_t len)
{
	uint64_t choice = (env.at + 1) * UINT64_C(0x9e3779b97f4a7c15);
	uint8_t *byte = &p[(choice >> 16) % len];
	const uint8_t values[] = { (uint8_t)(choice >> 56), (uint8_t)(*byte + 1), (uint8_t)(*byte - 1), 0, UINT8_MAX };
	uint8_t value = values[(choice >> 48) % (sizeof(values) / sizeof(values[0]))];

	*byte = value != *byte ? value : *byte ^ 1;
}

void sim_env_read(const void *p, size_t len, bool begins_observation)
{
	if (begins_observation)
		env.observation++;
	if (env.is_paused)
		return;
	trace_bytes(SIM_ENV_SITE_COUNT, p, len);
	step();
	if (env.mode == SIM_ENV_COUNTING)
		count_read(p, len);
	else if (env.mode == SIM_ENV_FLIP && len != 0 && strikes())
		flip((uint8_t *)(uintptr_t)p, len);
}

void sim_env_wrote(const void *p, size_t len)
{
	if (env.is_paused)
		return;
	trace_bytes(SIM_ENV_SITE_COUNT + 1, p, len);
	step();
}

void sim_env_fence(void)
{
	env.observation++;
	if (env.is_paused)
		return;
	trace_event(SIM_ENV_SITE_COUNT + 2, 0, 0);
	step();
}

uint64_t sim_env_read_again(void)
{
	return env.aliases_allowed ? 0 : env.read_again;
}

void sim_env_allow_aliases(void)
{
	env.aliases_allowed = true;
}

/* The end of a test */

/* Returns whether it was there. */
static bool forget(void (*check)(void *ctx), const void *ctx)
{
	uint32_t count = env.check_count;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < env.check_count; i++) {
		if (env.checks[i].run != check || env.checks[i].ctx != ctx)
			env.checks[kept++] = env.checks[i];
	}
	env.check_count = kept;
	return kept < count;
}

void sim_env_on_end(void (*check)(void *ctx), void *ctx)
{
	(void)forget(check, ctx);
	if (env.check_count == CHECKS)
		sim_env_die("too many objects");
	env.promises++;
	env.checks[env.check_count++] = (struct check){ check, ctx };
}

void sim_env_end(void (*check)(void *ctx), void *ctx)
{
	enum sim_env_mode mode = env.mode;
	bool was_ending = env.is_ending;

	if (!forget(check, ctx))
		return;
	env.mode = SIM_ENV_PLAIN;
	env.is_ending = true;
	check(ctx);
	env.is_ending = was_ending;
	env.mode = mode;
	sim_env_no_reset(ctx);
}

void sim_env_check_end(void)
{
	env.mode = SIM_ENV_PLAIN;
	env.step = NULL;
	env.is_ending = true;
	while (env.check_count > 0) {
		struct check c = env.checks[--env.check_count];

		c.run(c.ctx);
	}
	env.is_ending = false;
}

bool sim_env_is_ending(void)
{
	return env.is_ending;
}

uint32_t sim_env_promises(void)
{
	return env.promises;
}

/* Memory */

static void *keep(void *mem)
{
	if (env.block_count == env.block_room) {
		env.block_room = env.block_room != 0 ? 2 * env.block_room : 64;
		env.blocks = realloc(env.blocks, env.block_room * sizeof(*env.blocks));
	}
	if (mem == NULL || env.blocks == NULL) {
		sim_env_die("out of memory");
	}
	env.blocks[env.block_count++] = mem;
	return mem;
}

void *sim_env_alloc(size_t len)
{
	void *mem;

	return keep(posix_memalign(&mem, ALIGNMENT, len) == 0 ? mem : NULL);
}

void *sim_env_zalloc(size_t len)
{
	return memset(sim_env_alloc(len), 0, len);
}

void sim_env_free(void *mem)
{
	for (size_t i = env.block_count; i-- > 0;) {
		if (env.blocks[i] == mem) {
			env.blocks[i] = env.blocks[--env.block_count];
			free(mem);
			return;
		}
	}
	if (mem != NULL) {
		sim_env_die("not a block of this test");
	}
}

void sim_env_free_all(void)
{
	while (env.block_count > 0)
		free(env.blocks[--env.block_count]);
	free(env.blocks);
	env.blocks = NULL;
	env.block_room = 0;
}
