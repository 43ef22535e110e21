/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ops.h: streams of operations, which is what the fuzzers feed to the library, and what a finding is kept as.
 *
 * A target is a list of verbs with their arguments, and a function that carries one operation out and checks what came
 * of it. A stream has two forms that say the same:
 *
 *     text      target wire                              for people, for fuzz/seeds and for tests/ops
 *               fault bytes=01000000 tail=0              one operation a line; # begins a comment; what is left out is 0
 *
 *     binary    one byte for the verb, then bytes for each argument                               for the fuzzer
 *
 * Each value that the type of an argument allows can be written in both, so that either can be made from the other.
 * The binary form prefers values that matter, whatever the fuzzer puts in: see the kinds below. Bytes that are missing
 * at its end are 0.
 *
 * One thread, one stream at a time.
 */
#ifndef VIOMMU_SIM_OPS_OPS_H
#define VIOMMU_SIM_OPS_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../trace.h"

#define SIM_OPS_ARGS 10u
#define SIM_OPS_BYTES_MAX 4096u
#define SIM_OPS_RECENT 8u

enum sim_ops_kind {
	SIM_OPS_NONE, /* behind the last argument */
	/*
	 * Numbers, below `limit` unless that is 0. Binary: U8 is one byte, modulo the limit. The others begin with a
	 * byte c: below 0x80 the number itself; 0x80 to 0xbf 2^(c & 63); 0xc0 to 0xdf the largest one minus (c & 31);
	 * 0xe0 to 0xef 16^(c & 15) - 1; from 0xf0 on the number follows, in 2, 4 or 8 bytes.
	 */
	SIM_OPS_U8,
	SIM_OPS_U16,
	SIM_OPS_U32,
	SIM_OPS_U64,
	/*
	 * 64 bits. Binary: a byte, whose upper three bits choose, with n the lower five: 0, 1: first and last address
	 * of page n; 2, 3: the same for the n-th page from the top; 4: the n-th edge, such as 2^32; 5: that, plus a
	 * signed byte that follows; 6: one of the last addresses of the stream, or its neighbour; 7: the address
	 * follows. FIRST and LAST are for the ends of a range: 0 to 3 are then always the first or the last address of
	 * a page.
	 */
	SIM_OPS_ADDRESS,
	SIM_OPS_FIRST,
	SIM_OPS_LAST,
	SIM_OPS_CHOICE, /* the number of a word in `list`, of which there are `limit`. Binary: a byte, modulo that */
	/*
	 * 32 bits, mostly one of the `limit` uint32_t in `list`. Binary: a byte, below 0xf0 its number, modulo that;
	 * from 0xf0 on the number follows, in 4 bytes.
	 */
	SIM_OPS_PICK,
	/*
	 * Bytes, at most `limit` (0: 255) of them. At most one argument of a verb, of which op->arg says nothing.
	 * Binary: how many, modulo the limit + 1, in one byte, or in two if the limit is above 255; then they.
	 */
	SIM_OPS_BYTES
};

struct sim_ops_arg {
	const char *name;
	enum sim_ops_kind kind;
	uint32_t limit;
	const void *list; /* CHOICE: of const char *, PICK: of uint32_t */
};

/* For tables: an argument; and the arguments of a verb that has none. */
#define SIM_OPS_ARG(name, kind, limit, list) { name, kind, limit, list }
#define SIM_OPS_NO_ARGS SIM_OPS_ARG(NULL, SIM_OPS_NONE, 0, NULL)

struct sim_ops_verb {
	const char *name;
	struct sim_ops_arg args[SIM_OPS_ARGS];
	uint8_t weight; /* how often the fuzzer meets it; 0 is 1 */
};

struct sim_ops_op {
	uint8_t verb; /* its number */
	uint64_t arg[SIM_OPS_ARGS];
	const uint8_t *bytes; /* not NULL inside run(), and valid until its end */
	size_t len;
};

struct sim_ops_target {
	const char *name;
	const struct sim_ops_verb *verbs;
	uint32_t verb_count;                                   /* the weights together are 256 at most */
	void *(*begin)(void);                                  /* a world, fresh and the same each time */
	void (*run)(void *world, const struct sim_ops_op *op); /* any operation at any time */
	void (*end)(void *world);                              /* last checks; NULL: none */
};

/* In run and end: if it does not hold, prints where, what, and the stream as text up to here; then aborts. */
#define SIM_OPS_CHECK(e) ((e) ? (void)0 : sim_ops_fail(__FILE__, __LINE__, #e))
_Noreturn void sim_ops_fail(const char *file, int line, const char *expression);

/* Who calls it in place of that, and does not return; it can print the same with sim_ops_tell. NULL: nobody. */
void sim_ops_on_failure(void (*failed)(const char *file, int line, const char *expression));
void sim_ops_tell(const char *file, int line, const char *expression);

/* All targets (targets.c), ended by NULL. */
extern const struct sim_ops_target *const sim_ops_targets[];
const struct sim_ops_target *sim_ops_find(const char *name, size_t len);

/* Runs a stream in its binary form from begin to end. */
void sim_ops_run(const struct sim_ops_target *target, const uint8_t *data, size_t len);

/* The same for operations that the caller thinks up one by one. They are noted in `record`, in the binary form. */
struct sim_ops_session {
	const struct sim_ops_target *target;
	void *world;
	uint8_t *record;
	size_t len, cap;
};

void sim_ops_begin(struct sim_ops_session *s, const struct sim_ops_target *target, uint8_t *record, size_t cap);
/* Aborts if the record is full. */
void sim_ops_perform(struct sim_ops_session *s, const struct sim_ops_op *op);
void sim_ops_end(struct sim_ops_session *s);

/* Takes a stream in its binary form apart. */
struct sim_ops_reader {
	const struct sim_ops_target *target;
	const uint8_t *at;
	size_t left;
	uint64_t recent[SIM_OPS_RECENT]; /* addresses, a ring */
	uint32_t recent_next;
};

void sim_ops_reader_init(struct sim_ops_reader *r, const struct sim_ops_target *target, const uint8_t *data,
			 size_t len);
/* False: the end. */
bool sim_ops_read(struct sim_ops_reader *r, struct sim_ops_op *op);

/* Writes one operation in its binary form. Returns its length; 0: it does not fit into cap. */
size_t sim_ops_write(const struct sim_ops_target *target, const struct sim_ops_op *op, uint8_t *out, size_t cap);

/* Writes one operation as a line of text. */
void sim_ops_print(const struct sim_ops_target *target, const struct sim_ops_op *op, FILE *out);
/* Writes a whole stream as text. */
void sim_ops_print_all(const struct sim_ops_target *target, const uint8_t *data, size_t len, FILE *out);

/*
 * Text to binary. `name` stands in messages. Returns false with the reason; otherwise *target, and the bytes, which the
 * caller frees.
 */
bool sim_ops_parse(const char *name, const char *text, size_t len, const struct sim_ops_target **target, uint8_t **data,
		   size_t *data_len, struct sim_error *error);

/* The command `viommu-sim ops`. argv[0] is "ops". Returns the exit status. */
int sim_ops_command(int argc, char **argv);

#endif /* VIOMMU_SIM_OPS_OPS_H */
