/* SPDX-License-Identifier: BSD-3-Clause */
/* binary.c: the form that the fuzzer knows. */
#include "ops.h"

#include <string.h>

#define PAGE UINT64_C(0x1000)

#define LITERAL_NUMBER 0xf0u
#define LITERAL_ADDRESS (7u << 5)

/* Where address arithmetic goes wrong. */
static const uint64_t edges[32] = {
	0,
	1,
	0xff,
	0x100,
	0xffff,
	0x10000,
	0x7fffffff,
	0x80000000,
	0xfee00000,
	0xfeefffff,
	0xfffff000,
	0xffffffff,
	UINT64_C(1) << 32,
	(UINT64_C(1) << 36) - 1,
	UINT64_C(1) << 36,
	(UINT64_C(1) << 39) - 1,
	UINT64_C(1) << 39,
	(UINT64_C(1) << 40) - 1,
	UINT64_C(1) << 40,
	(UINT64_C(1) << 47) - 1,
	UINT64_C(1) << 47,
	(UINT64_C(1) << 48) - 1,
	UINT64_C(1) << 48,
	(UINT64_C(1) << 52) - 1,
	UINT64_C(1) << 52,
	(UINT64_C(1) << 60) - 1,
	UINT64_C(1) << 60,
	(UINT64_C(1) << 63) - 1,
	UINT64_C(1) << 63,
	UINT64_MAX - 0xfff,
	UINT64_MAX - 1,
	UINT64_MAX,
};

void sim_ops_reader_init(struct sim_ops_reader *r, const struct sim_ops_target *target, const uint8_t *data, size_t len)
{
	memset(r, 0, sizeof(*r));
	r->target = target;
	r->at = data;
	r->left = len;
}

static uint8_t take(struct sim_ops_reader *r)
{
	if (r->left == 0)
		return 0;
	r->left--;
	return *r->at++;
}

static uint64_t take_literal(struct sim_ops_reader *r, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)take(r) << (8 * i);
	return value;
}

/* 0 for what is not a number. */
static unsigned number_size(enum sim_ops_kind kind)
{
	return kind == SIM_OPS_U8 ? 1 : kind == SIM_OPS_U16 ? 2 : kind == SIM_OPS_U32 ? 4 : kind == SIM_OPS_U64 ? 8 : 0;
}

static uint64_t take_number(struct sim_ops_reader *r, unsigned bytes)
{
	uint64_t largest = UINT64_MAX >> (64 - 8 * bytes);
	uint8_t c = take(r);

	if (bytes == 1 || c < 0x80)
		return c;
	if (c < 0xc0)
		return (UINT64_C(1) << (c & 63)) & largest;
	if (c < 0xe0)
		return largest - (c & 31);
	if (c < LITERAL_NUMBER)
		return ((UINT64_C(1) << (4 * (c & 15))) - 1) & largest;
	return take_literal(r, bytes);
}

static bool is_address(enum sim_ops_kind kind)
{
	return kind == SIM_OPS_ADDRESS || kind == SIM_OPS_FIRST || kind == SIM_OPS_LAST;
}

static uint64_t near_recent(const struct sim_ops_reader *r, enum sim_ops_kind kind, unsigned n)
{
	static const uint64_t any[] = { 0, 1, UINT64_MAX, PAGE };
	static const uint64_t first[] = { 0, 1, PAGE, 0 - PAGE };
	static const uint64_t last[] = { 0, UINT64_MAX, PAGE - 1, 16 * PAGE - 1 };
	const uint64_t *steps = kind == SIM_OPS_FIRST ? first : kind == SIM_OPS_LAST ? last : any;

	return r->recent[n % SIM_OPS_RECENT] + steps[n / SIM_OPS_RECENT];
}

static uint64_t take_address(struct sim_ops_reader *r, enum sim_ops_kind kind)
{
	uint8_t c = take(r);
	unsigned n = c & 31, way = c >> 5;
	uint64_t address;

	if (way < 4 && kind != SIM_OPS_ADDRESS)
		way = (way & 2) | (kind == SIM_OPS_LAST);
	switch (way) {
	case 0:
		address = n * PAGE;
		break;
	case 1:
		address = n * PAGE + (PAGE - 1);
		break;
	case 2:
		address = 0 - (n + 1) * PAGE;
		break;
	case 3:
		address = 0 - n * PAGE - 1;
		break;
	case 4:
		address = edges[n];
		break;
	case 5:
		address = edges[n] + take(r) - 128;
		break;
	case 6:
		address = near_recent(r, kind, n);
		break;
	default:
		address = take_literal(r, 8);
		break;
	}
	r->recent[r->recent_next++ % SIM_OPS_RECENT] = address;
	return address;
}

static uint64_t take_pick(struct sim_ops_reader *r, const struct sim_ops_arg *arg)
{
	const uint32_t *values = arg->list;
	uint8_t c = take(r);

	return c < LITERAL_NUMBER ? values[c % arg->limit] : take_literal(r, 4);
}

static uint32_t bytes_limit(const struct sim_ops_arg *arg)
{
	return arg->limit != 0 ? arg->limit : 255;
}

static void take_bytes(struct sim_ops_reader *r, const struct sim_ops_arg *arg, struct sim_ops_op *op)
{
	uint32_t limit = bytes_limit(arg);

	op->len = (size_t)(take_literal(r, limit > 255 ? 2 : 1) % (limit + 1));
	if (op->len > r->left)
		op->len = r->left;
	op->bytes = r->at;
	r->at += op->len;
	r->left -= op->len;
}

static uint64_t take_value(struct sim_ops_reader *r, const struct sim_ops_arg *arg)
{
	uint64_t value;

	if (is_address(arg->kind))
		return take_address(r, arg->kind);
	if (arg->kind == SIM_OPS_PICK)
		return take_pick(r, arg);
	value = arg->kind == SIM_OPS_CHOICE ? take(r) : take_number(r, number_size(arg->kind));
	return arg->limit != 0 ? value % arg->limit : value;
}

static uint32_t weight(const struct sim_ops_verb *verb)
{
	return verb->weight != 0 ? verb->weight : 1;
}

static uint8_t verb_of(const struct sim_ops_target *target, uint32_t c)
{
	uint32_t sum = 0, i = 0;

	for (i = 0; i < target->verb_count; i++)
		sum += weight(&target->verbs[i]);
	c %= sum;
	for (i = 0; c >= weight(&target->verbs[i]); i++)
		c -= weight(&target->verbs[i]);
	return (uint8_t)i;
}

/* The first byte that verb_of() makes this verb of. */
static uint8_t byte_of(const struct sim_ops_target *target, uint8_t verb)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < verb; i++)
		sum += weight(&target->verbs[i]);
	return (uint8_t)sum;
}

bool sim_ops_read(struct sim_ops_reader *r, struct sim_ops_op *op)
{
	const struct sim_ops_arg *args;

	if (r->left == 0)
		return false;
	memset(op, 0, sizeof(*op));
	op->bytes = r->at;
	op->verb = verb_of(r->target, take(r));
	args = r->target->verbs[op->verb].args;
	for (unsigned i = 0; i < SIM_OPS_ARGS && args[i].kind != SIM_OPS_NONE; i++) {
		if (args[i].kind == SIM_OPS_BYTES)
			take_bytes(r, &args[i], op);
		else
			op->arg[i] = take_value(r, &args[i]);
	}
	return true;
}

struct writer {
	uint8_t *out;
	size_t len, cap;
};

static void put(struct writer *w, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++, w->len++)
		if (w->len < w->cap)
			w->out[w->len] = (uint8_t)(value >> (8 * i));
}

static void put_value(struct writer *w, const struct sim_ops_arg *arg, uint64_t value)
{
	unsigned bytes = number_size(arg->kind);

	if (is_address(arg->kind)) {
		put(w, LITERAL_ADDRESS, 1);
		put(w, value, 8);
	} else if (arg->kind == SIM_OPS_PICK) {
		put(w, LITERAL_NUMBER, 1);
		put(w, value, 4);
	} else if (bytes > 1 && value >= 0x80) {
		put(w, LITERAL_NUMBER, 1);
		put(w, value, bytes);
	} else {
		put(w, value, 1);
	}
}

size_t sim_ops_write(const struct sim_ops_target *target, const struct sim_ops_op *op, uint8_t *out, size_t cap)
{
	const struct sim_ops_arg *args = target->verbs[op->verb].args;
	struct writer w = { out, 0, cap };

	put(&w, byte_of(target, op->verb), 1);
	for (unsigned i = 0; i < SIM_OPS_ARGS && args[i].kind != SIM_OPS_NONE; i++) {
		if (args[i].kind != SIM_OPS_BYTES) {
			put_value(&w, &args[i], op->arg[i]);
			continue;
		}
		put(&w, op->len, bytes_limit(&args[i]) > 255 ? 2 : 1);
		for (size_t k = 0; k < op->len; k++)
			put(&w, op->bytes[k], 1);
	}
	return w.len <= cap ? w.len : 0;
}
