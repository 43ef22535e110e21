/* SPDX-License-Identifier: BSD-3-Clause */
/* run.c: runs streams, and tells which one it was when something does not hold. */
#include "ops.h"

#include <stdlib.h>
#include <string.h>

/* The stream that is running: a failing check has to find it. */
static struct {
	const struct sim_ops_target *target;
	const uint8_t *data;
	size_t len; /* up to and with the operation that is running */
} current;

const struct sim_ops_target *sim_ops_find(const char *name, size_t len)
{
	for (uint32_t i = 0; sim_ops_targets[i] != NULL; i++)
		if (strlen(sim_ops_targets[i]->name) == len && memcmp(sim_ops_targets[i]->name, name, len) == 0)
			return sim_ops_targets[i];
	return NULL;
}

static void (*on_failure)(const char *file, int line, const char *expression);

void sim_ops_on_failure(void (*failed)(const char *file, int line, const char *expression))
{
	on_failure = failed;
}

void sim_ops_tell(const char *file, int line, const char *expression)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, expression);
	if (current.target != NULL)
		sim_ops_print_all(current.target, current.data, current.len, stderr);
}

_Noreturn void sim_ops_fail(const char *file, int line, const char *expression)
{
	if (on_failure != NULL)
		on_failure(file, line, expression);
	else
		sim_ops_tell(file, line, expression);
	abort();
}

static void finish(const struct sim_ops_target *target, void *world)
{
	if (target->end != NULL)
		target->end(world);
	current.target = NULL;
}

void sim_ops_run(const struct sim_ops_target *target, const uint8_t *data, size_t len)
{
	struct sim_ops_reader reader;
	struct sim_ops_op op;
	void *world;

	current.target = target;
	current.data = data;
	current.len = 0;
	world = target->begin();
	sim_ops_reader_init(&reader, target, data, len);
	while (sim_ops_read(&reader, &op)) {
		current.len = len - reader.left;
		target->run(world, &op);
	}
	finish(target, world);
}

void sim_ops_begin(struct sim_ops_session *s, const struct sim_ops_target *target, uint8_t *record, size_t cap)
{
	*s = (struct sim_ops_session){ .target = target, .record = record, .cap = cap };
	current.target = target;
	current.data = record;
	current.len = 0;
	s->world = target->begin();
}

void sim_ops_perform(struct sim_ops_session *s, const struct sim_ops_op *op)
{
	size_t len = sim_ops_write(s->target, op, s->record + s->len, s->cap - s->len);

	struct sim_ops_op copy = *op;

	SIM_OPS_CHECK(len != 0);
	s->len += len;
	current.len = s->len;
	if (copy.bytes == NULL)
		copy.bytes = (const uint8_t *)"";
	s->target->run(s->world, &copy);
}

void sim_ops_end(struct sim_ops_session *s)
{
	finish(s->target, s->world);
}
