/* SPDX-License-Identifier: BSD-3-Clause */
/* text.c: the form for people. */
#include "ops.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Printing */

static void print_value(const struct sim_ops_arg *arg, uint64_t value, FILE *out)
{
	if (arg->kind == SIM_OPS_CHOICE)
		fputs(((const char *const *)arg->list)[value], out);
	else
		fprintf(out, value < 10 ? "%" PRIu64 : "0x%" PRIx64, value);
}

void sim_ops_print(const struct sim_ops_target *target, const struct sim_ops_op *op, FILE *out)
{
	const struct sim_ops_verb *verb = &target->verbs[op->verb];

	fputs(verb->name, out);
	for (unsigned i = 0; i < SIM_OPS_ARGS && verb->args[i].kind != SIM_OPS_NONE; i++) {
		fprintf(out, " %s=", verb->args[i].name);
		if (verb->args[i].kind != SIM_OPS_BYTES) {
			print_value(&verb->args[i], op->arg[i], out);
			continue;
		}
		for (size_t k = 0; k < op->len; k++)
			fprintf(out, "%02x", op->bytes[k]);
	}
	fputc('\n', out);
}

void sim_ops_print_all(const struct sim_ops_target *target, const uint8_t *data, size_t len, FILE *out)
{
	struct sim_ops_reader reader;
	struct sim_ops_op op;

	fprintf(out, "target %s\n", target->name);
	sim_ops_reader_init(&reader, target, data, len);
	while (sim_ops_read(&reader, &op))
		sim_ops_print(target, &op, out);
}

/* Parsing */

struct word {
	const char *text;
	size_t len;
};

struct parser {
	const char *name, *at, *end;
	unsigned line;
	const struct sim_ops_target *target;
	uint8_t *data;
	size_t len, cap;
	struct sim_ops_op op;
	uint8_t bytes[SIM_OPS_BYTES_MAX];
	struct sim_error *error;
};

static bool wrong(struct parser *p, const char *format, ...)
{
	va_list args;
	int n = snprintf(p->error->text, sizeof(p->error->text), "%s:%u: ", p->name, p->line);

	if (n >= 0 && (size_t)n < sizeof(p->error->text)) {
		va_start(args, format);
		vsnprintf(p->error->text + n, sizeof(p->error->text) - (size_t)n, format, args);
		va_end(args);
	}
	return false;
}

/* For %.*s, in messages. */
static int shown(size_t len)
{
	return len < 60 ? (int)len : 60;
}

/* The next word of the line; false: there is none. */
static bool next_word(struct parser *p, struct word *word)
{
	while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\r'))
		p->at++;
	word->text = p->at;
	while (p->at < p->end && (*p->at == 0 || strchr(" \t\r\n#", *p->at) == NULL))
		p->at++;
	word->len = (size_t)(p->at - word->text);
	return word->len > 0;
}

static void next_line(struct parser *p)
{
	while (p->at < p->end && *p->at != '\n')
		p->at++;
	if (p->at < p->end)
		p->at++;
	p->line++;
}

static bool is(struct word word, const char *text)
{
	return strlen(text) == word.len && memcmp(text, word.text, word.len) == 0;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 255;
}

static bool parse_number(struct word word, uint64_t largest, uint64_t *out)
{
	unsigned base = word.len > 2 && word.text[0] == '0' && word.text[1] == 'x' ? 16 : 10;
	uint64_t value = 0;

	for (size_t i = base == 16 ? 2 : 0; i < word.len; i++) {
		unsigned d = (unsigned)digit(word.text[i]);

		if (d >= base || value > (largest - d) / base)
			return false;
		value = value * base + d;
	}
	*out = value;
	return word.len > 0;
}

static bool parse_bytes(struct parser *p, const struct sim_ops_arg *arg, struct word word)
{
	size_t limit = arg->limit != 0 ? arg->limit : 255;

	if (word.len % 2 != 0 || word.len / 2 > limit)
		return wrong(p, "%s: expected at most %u bytes in hex", arg->name, (unsigned)limit);
	for (size_t i = 0; i < word.len / 2; i++) {
		int high = digit(word.text[2 * i]), low = digit(word.text[2 * i + 1]);

		if (high > 15 || low > 15)
			return wrong(p, "%s: '%.2s' is not a byte in hex", arg->name, word.text + 2 * i);
		p->bytes[i] = (uint8_t)(high << 4 | low);
	}
	p->op.bytes = p->bytes;
	p->op.len = word.len / 2;
	return true;
}

static uint64_t largest_of(const struct sim_ops_arg *arg)
{
	if (arg->kind == SIM_OPS_PICK)
		return UINT32_MAX;
	if (arg->limit != 0)
		return arg->limit - 1;
	return arg->kind == SIM_OPS_U8    ? UINT8_MAX
	       : arg->kind == SIM_OPS_U16 ? UINT16_MAX
	       : arg->kind == SIM_OPS_U32 ? UINT32_MAX
					  : UINT64_MAX;
}

static bool parse_value(struct parser *p, const struct sim_ops_arg *arg, struct word word, uint64_t *out)
{
	if (arg->kind == SIM_OPS_CHOICE) {
		for (*out = 0; *out < arg->limit; ++*out)
			if (is(word, ((const char *const *)arg->list)[*out]))
				return true;
		return wrong(p, "%s: no such choice: '%.*s'", arg->name, shown(word.len), word.text);
	}
	if (!parse_number(word, largest_of(arg), out))
		return wrong(p, "%s: expected a number up to 0x%" PRIx64 ", found '%.*s'", arg->name, largest_of(arg),
			     shown(word.len), word.text);
	return true;
}

static bool parse_arg(struct parser *p, const struct sim_ops_verb *verb, struct word word, uint32_t *seen)
{
	const char *sign = memchr(word.text, '=', word.len);
	struct word name = { word.text, sign != NULL ? (size_t)(sign - word.text) : word.len };
	struct word value;
	unsigned i = 0;

	if (sign == NULL)
		return wrong(p, "expected NAME=VALUE, found '%.*s'", shown(word.len), word.text);
	value = (struct word){ sign + 1, word.len - name.len - 1 };
	while (i < SIM_OPS_ARGS && verb->args[i].kind != SIM_OPS_NONE && !is(name, verb->args[i].name))
		i++;
	if (i == SIM_OPS_ARGS || verb->args[i].kind == SIM_OPS_NONE)
		return wrong(p, "%s has no argument '%.*s'", verb->name, shown(name.len), name.text);
	if ((*seen & 1u << i) != 0)
		return wrong(p, "%s is there twice", verb->args[i].name);
	*seen |= 1u << i;
	if (verb->args[i].kind == SIM_OPS_BYTES)
		return parse_bytes(p, &verb->args[i], value);
	return parse_value(p, &verb->args[i], value, &p->op.arg[i]);
}

static bool append(struct parser *p)
{
	size_t room = SIM_OPS_BYTES_MAX + 16 * SIM_OPS_ARGS;

	if (p->cap - p->len < room) {
		uint8_t *more = realloc(p->data, 2 * p->cap + room);

		if (more == NULL)
			return wrong(p, "not enough memory");
		p->data = more;
		p->cap = 2 * p->cap + room;
	}
	p->len += sim_ops_write(p->target, &p->op, p->data + p->len, p->cap - p->len);
	return true;
}

static bool parse_op(struct parser *p, struct word first)
{
	const struct sim_ops_verb *verb;
	struct word word;
	uint32_t seen = 0;

	memset(&p->op, 0, sizeof(p->op));
	while (p->op.verb < p->target->verb_count && !is(first, p->target->verbs[p->op.verb].name))
		p->op.verb++;
	if (p->op.verb == p->target->verb_count)
		return wrong(p, "target %s has no verb '%.*s'", p->target->name, shown(first.len), first.text);
	verb = &p->target->verbs[p->op.verb];
	while (next_word(p, &word))
		if (!parse_arg(p, verb, word, &seen))
			return false;
	return append(p);
}

static bool parse_target(struct parser *p, struct word first)
{
	struct word word;

	if (!is(first, "target") || !next_word(p, &word))
		return wrong(p, "expected 'target NAME'");
	p->target = sim_ops_find(word.text, word.len);
	if (p->target == NULL)
		return wrong(p, "no target '%.*s'", shown(word.len), word.text);
	if (next_word(p, &word))
		return wrong(p, "'%.*s' is too much", shown(word.len), word.text);
	return true;
}

bool sim_ops_parse(const char *name, const char *text, size_t len, const struct sim_ops_target **target, uint8_t **data,
		   size_t *data_len, struct sim_error *error)
{
	struct parser p = { .name = name, .at = text, .end = text + len, .line = 1, .error = error };
	struct word word;
	bool good = true;

	for (; good && p.at < p.end; next_line(&p))
		if (next_word(&p, &word)) {
			good = p.target == NULL ? parse_target(&p, word) : parse_op(&p, word);
			if (!good)
				break;
		}
	if (good && p.target == NULL)
		good = wrong(&p, "expected 'target NAME'");
	if (!good) {
		free(p.data);
		return false;
	}
	*target = p.target;
	*data = p.data;
	*data_len = p.len;
	return true;
}
