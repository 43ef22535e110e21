/* SPDX-License-Identifier: BSD-3-Clause */
#include "trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <viommu/trace.h>
#include <viommu/wire.h>

#define FIELDS_MAX 5u

enum form {
	BITS_32,
	BITS_64,
	KIND /* 1, 2 or 3, in 32 bits */
};

/* A field of a line: what it is called, what it may contain, and where it goes. */
struct field {
	const char *name;
	enum form form;
	size_t offset; /* in struct sim_trace_line */
};

struct shape {
	char type;
	unsigned count;
	struct field fields[FIELDS_MAX];
};

#define FIELD(name, form, member)                                                                                      \
	{                                                                                                              \
		name, form, offsetof(struct sim_trace_line, member)                                                    \
	}
#define DOMAIN FIELD("<domain>", BITS_32, domain)
#define ENDPOINT FIELD("<endpoint>", BITS_32, endpoint)
#define FLAGS FIELD("<flags>", BITS_32, flags)
#define VIRT_START FIELD("<virt_start>", BITS_64, first)
#define VIRT_END FIELD("<virt_end>", BITS_64, last)
#define PHYS FIELD("<phys>", BITS_64, phys)
#define IOVA FIELD("<iova>", BITS_64, first)
#define ACCESS FIELD("<flags>", KIND, flags)

static const struct shape shapes[] = {
	{ 'P', 1, { ENDPOINT } },
	{ 'A', 3, { DOMAIN, ENDPOINT, FLAGS } },
	{ 'D', 2, { DOMAIN, ENDPOINT } },
	{ 'M', 5, { DOMAIN, VIRT_START, VIRT_END, PHYS, FLAGS } },
	{ 'U', 3, { DOMAIN, VIRT_START, VIRT_END } },
	{ 'T', 3, { ENDPOINT, IOVA, ACCESS } },
};

/* The text that is being parsed; never beyond `end`, which is the end of the line. */
struct cursor {
	const char *name;
	const char *at;
	const char *end;
	uint32_t number;
	struct sim_error *error;
};

struct token {
	const char *start;
	size_t len; /* 0: the line ends here */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct token next_token(struct cursor *c)
{
	struct token token;

	while (c->at < c->end && is_blank(*c->at))
		c->at++;
	token.start = c->at;
	while (c->at < c->end && !is_blank(*c->at))
		c->at++;
	token.len = (size_t)(c->at - token.start);
	return token;
}

/* "name:17: expected <what>, found 'token'". Returns false for the caller to return. */
static bool expected(struct cursor *c, const char *what, const char *how, struct token token)
{
	char found[40];
	size_t n = token.len < sizeof(found) - 4 ? token.len : sizeof(found) - 4;

	for (size_t i = 0; i < n; i++)
		found[i] = token.start[i] >= ' ' && token.start[i] <= '~' ? token.start[i] : '?';
	memcpy(&found[n], n < token.len ? "..." : "", n < token.len ? 4 : 1);
	if (token.len == 0)
		snprintf(c->error->text, sizeof(c->error->text),
			 "%.400s:%" PRIu32 ": expected %s%s, found the end of the line", c->name, c->number, what, how);
	else
		snprintf(c->error->text, sizeof(c->error->text), "%.400s:%" PRIu32 ": expected %s%s, found '%s'",
			 c->name, c->number, what, how, found);
	return false;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool parse_field(struct cursor *c, const struct field *field, struct sim_trace_line *out)
{
	struct token token = next_token(c);
	uint64_t limit = field->form == BITS_64 ? UINT64_MAX : UINT32_MAX;
	uint64_t value = 0;
	bool too_wide = false;

	if (token.len == 0)
		return expected(c, field->name, "", token);
	for (size_t i = 0; i < token.len; i++) {
		int digit = hex_digit(token.start[i]);

		if (digit < 0)
			return expected(c, field->name, " as hex", token);
		too_wide = too_wide || value > limit >> 4;
		value = value << 4 | (uint64_t)digit;
	}
	if (field->form == KIND && (too_wide || value == 0 || value > 3))
		return expected(c, field->name, " 1, 2 or 3", token);
	if (too_wide)
		return expected(c, field->name, field->form == BITS_64 ? " of 64 bits" : " of 32 bits", token);
	if (field->form != BITS_64) {
		uint32_t narrow = (uint32_t)value;

		memcpy((char *)out + field->offset, &narrow, sizeof(narrow));
	} else {
		memcpy((char *)out + field->offset, &value, sizeof(value));
	}
	return true;
}

static const struct shape *find_shape(struct token token)
{
	for (size_t i = 0; token.len == 1 && i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (shapes[i].type == token.start[0])
			return &shapes[i];
	}
	return NULL;
}

/* *used: the line was neither empty nor a comment. */
static bool parse_line(struct cursor *c, struct sim_trace_line *out, bool *used)
{
	struct token token = next_token(c);
	const struct shape *shape;

	*used = token.len > 0 && token.start[0] != '#';
	if (!*used)
		return true;
	memset(out, 0, sizeof(*out));
	out->number = c->number;
	shape = find_shape(token);
	if (shape == NULL)
		return expected(c, "P, A, D, M, U or T", "", token);
	out->type = shape->type;
	for (unsigned i = 0; i < shape->count; i++) {
		if (!parse_field(c, &shape->fields[i], out))
			return false;
	}
	token = next_token(c);
	if (token.len > 0)
		return expected(c, "the end of the line", "", token);
	return true;
}

static bool out_of_memory(struct sim_trace *trace, const char *name, struct sim_error *error)
{
	sim_trace_deinit(trace);
	snprintf(error->text, sizeof(error->text), "%.400s: not enough memory", name);
	return false;
}

bool sim_trace_parse(struct sim_trace *trace, const char *name, const char *text, size_t len, struct sim_error *error)
{
	struct cursor c = { .name = name, .error = error };
	const char *end = text + len;
	size_t room = 0;

	memset(trace, 0, sizeof(*trace));
	trace->name = malloc(strlen(name) + 1);
	if (trace->name == NULL)
		return out_of_memory(trace, name, error);
	strcpy(trace->name, name);
	for (const char *start = text; start < end; start = c.end + 1) {
		const char *stop = memchr(start, '\n', (size_t)(end - start));
		bool used;

		if (trace->count == room) {
			struct sim_trace_line *grown;

			room = room == 0 ? 1024 : 2 * room;
			grown = realloc(trace->lines, room * sizeof(*grown));
			if (grown == NULL)
				return out_of_memory(trace, name, error);
			trace->lines = grown;
		}
		c.at = start;
		c.end = stop != NULL ? stop : end;
		c.number++;
		if (!parse_line(&c, &trace->lines[trace->count], &used)) {
			sim_trace_deinit(trace);
			return false;
		}
		trace->count += used ? 1 : 0;
	}
	return true;
}

#define CHUNK 65536u
#define NO_MEMORY "not enough memory"

struct buffer {
	char *bytes;
	size_t len, room;
};

/* Room for a chunk behind what is there. False: no memory. */
static bool make_room(struct buffer *buffer)
{
	size_t room = buffer->room == 0 ? 16 * CHUNK : 2 * buffer->room;
	char *grown;

	if (buffer->room - buffer->len >= CHUNK)
		return true;
	grown = realloc(buffer->bytes, room);
	if (grown == NULL)
		return false;
	buffer->bytes = grown;
	buffer->room = room;
	return true;
}

/* The bytes of the file as they are. Returns why not, or NULL. */
static const char *read_file(const char *path, struct buffer *file)
{
	FILE *stream = fopen(path, "rb");
	const char *why = NULL;
	size_t n;

	if (stream == NULL)
		return strerror(errno);
	do {
		if (!make_room(file)) {
			why = NO_MEMORY;
			break;
		}
		n = fread(file->bytes + file->len, 1, CHUNK, stream);
		file->len += n;
	} while (n > 0);
	if (why == NULL && ferror(stream))
		why = strerror(errno);
	(void)fclose(stream);
	return why;
}

static bool is_gzip(const char *bytes, size_t len)
{
	return len >= 2 && memcmp(bytes, "\x1f\x8b", 2) == 0;
}

/* All gzip members of the file, one behind the other, up to its last byte. Returns what is wrong with them, or NULL. */
static const char *inflate_members(z_stream *z, const struct buffer *file, struct buffer *text)
{
	size_t at = 0;
	int code;

	for (;;) {
		size_t left = file->len - at;

		if (!make_room(text))
			return NO_MEMORY;
		z->next_in = (Bytef *)file->bytes + at;
		z->avail_in = left < CHUNK ? (uInt)left : CHUNK;
		z->next_out = (Bytef *)text->bytes + text->len;
		z->avail_out = CHUNK;
		at += z->avail_in;
		code = inflate(z, Z_NO_FLUSH);
		at -= z->avail_in;
		text->len += CHUNK - z->avail_out;
		if (code == Z_STREAM_END) {
			if (at == file->len)
				return NULL;
			if (!is_gzip(file->bytes + at, file->len - at))
				return "the compressed data is damaged: other bytes behind it";
			code = inflateReset(z);
		}
		if (code == Z_MEM_ERROR)
			return NO_MEMORY;
		if (code == Z_BUF_ERROR) /* nothing left to read */
			return "the compressed data ends early";
		if (code != Z_OK)
			return "the compressed data is damaged";
	}
}

static const char *decompress(const struct buffer *file, struct buffer *text)
{
	z_stream z = { 0 };
	const char *why;

	if (inflateInit2(&z, MAX_WBITS + 16) != Z_OK) /* 16: gzip */
		return NO_MEMORY;
	why = inflate_members(&z, file, text);
	(void)inflateEnd(&z);
	return why;
}

static bool is_compressed_name(const char *path)
{
	size_t len = strlen(path);

	return len >= 3 && strcmp(path + len - 3, ".gz") == 0;
}

bool sim_trace_load(struct sim_trace *trace, const char *path, struct sim_error *error)
{
	struct buffer file = { 0 }, inflated = { 0 };
	const struct buffer *text = &file;
	const char *why = read_file(path, &file);
	bool ok = false;

	memset(trace, 0, sizeof(*trace));
	if (why == NULL && (is_gzip(file.bytes, file.len) || (file.len == 0 && is_compressed_name(path)))) {
		why = decompress(&file, &inflated);
		text = &inflated;
	}
	if (why != NULL)
		snprintf(error->text, sizeof(error->text), "%.300s: %s", path, why);
	else
		ok = sim_trace_parse(trace, path, text->bytes, text->len, error);
	free(file.bytes);
	free(inflated.bytes);
	return ok;
}

void sim_trace_deinit(struct sim_trace *trace)
{
	free(trace->lines);
	free(trace->name);
	memset(trace, 0, sizeof(*trace));
}

void sim_trace_format(const struct sim_trace_line *line, char *out, size_t cap)
{
	switch (line->type) {
	case 'P':
		snprintf(out, cap, "P %" PRIx32, line->endpoint);
		break;
	case 'A':
		snprintf(out, cap, "A %" PRIx32 " %" PRIx32 " %" PRIx32, line->domain, line->endpoint, line->flags);
		break;
	case 'D':
		snprintf(out, cap, "D %" PRIx32 " %" PRIx32, line->domain, line->endpoint);
		break;
	case 'M':
		snprintf(out, cap, "M %" PRIx32 " %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx32, line->domain,
			 line->first, line->last, line->phys, line->flags);
		break;
	case 'U':
		snprintf(out, cap, "U %" PRIx32 " %" PRIx64 " %" PRIx64, line->domain, line->first, line->last);
		break;
	default:
		snprintf(out, cap, "T %" PRIx32 " %" PRIx64 " %" PRIx32, line->endpoint, line->first, line->flags);
		break;
	}
}

/* What a trace needs */

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

uint32_t *sim_trace_endpoints(const struct sim_trace *trace, uint32_t *count)
{
	uint32_t *ids = malloc((trace->count + 1) * sizeof(*ids));
	uint32_t n = 0;

	*count = 0;
	if (ids == NULL)
		return NULL;
	for (size_t i = 0; i < trace->count; i++) {
		const struct sim_trace_line *line = &trace->lines[i];

		if (line->type != 'M' && line->type != 'U' && (n == 0 || ids[n - 1] != line->endpoint))
			ids[n++] = line->endpoint;
	}
	qsort(ids, n, sizeof(*ids), compare_ids);
	for (uint32_t i = 0; i < n; i++) {
		if (*count == 0 || ids[*count - 1] != ids[i])
			ids[(*count)++] = ids[i];
	}
	return ids;
}

struct range {
	uint64_t first;
	uint64_t last;
};

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* The physical addresses that a line maps. False: none. */
static bool physical(const struct sim_trace_line *line, struct range *out)
{
	uint64_t span = line->last - line->first;

	if (line->type != 'M' || line->last < line->first || line->phys + span < line->phys)
		return false;
	out->first = line->phys;
	out->last = line->phys + span;
	return true;
}

/* First multiple of SIM_TRACE_ALIGN above `address`; 0: there is none. */
static uint64_t above(uint64_t address)
{
	return (address / SIM_TRACE_ALIGN + 1) * SIM_TRACE_ALIGN;
}

bool sim_trace_free_physical(const struct sim_trace *trace, uint64_t room, uint64_t *base)
{
	struct range *ranges = malloc((trace->count + 1) * sizeof(*ranges));
	uint64_t top = 0;
	size_t n = 0;

	if (ranges == NULL)
		return false;
	for (size_t i = 0; i < trace->count; i++) {
		if (physical(&trace->lines[i], &ranges[n])) {
			top = top < ranges[n].last ? ranges[n].last : top;
			n++;
		}
	}
	*base = above(top);
	if (*base == 0 || *base > UINT64_MAX - room) {
		/* Something lies at the very top: the first gap that is large enough. */
		qsort(ranges, n, sizeof(*ranges), compare_ranges);
		*base = 0;
		for (size_t i = 0; i < n && (ranges[i].first < *base || ranges[i].first - *base < room); i++) {
			if (ranges[i].last >= *base)
				*base = above(ranges[i].last);
		}
	}
	free(ranges);
	return true;
}

bool sim_trace_line_of(const struct viommu_trace_event *event, struct sim_trace_line *line)
{
	static const char letters[VIOMMU_T_COUNT] = { 0, 'A', 'D', 'M', 'U', 'P' };

	if (event->id != VIOMMU_TRACE_REQUEST || event->type == 0 || event->unanswered || event->status != VIOMMU_S_OK)
		return false;
	*line = (struct sim_trace_line){ .type = letters[event->type],
					 .domain = event->domain,
					 .endpoint = event->endpoint,
					 .flags = event->flags };
	if (event->type == VIOMMU_T_MAP || event->type == VIOMMU_T_UNMAP) {
		line->first = event->first;
		line->last = event->last;
		line->phys = event->phys;
	}
	return true;
}
