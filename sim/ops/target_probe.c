/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_probe.c: the property list of a PROBE reply, as a hostile device may write it, against a parser that takes one
 * byte after the other from a heap. A list is put together, walked, cut at any place and walked again. It lies at the
 * end of its block, so that a sanitizer sees a read behind it.
 */
#include "canary.h"
#include "targets.h"

#include <string.h>

#include <viommu/wire.h>

#define LIST_MAX 512u
#define TRUNCATIONS 32u /* at the end, that many bytes less */

struct world {
	uint8_t list[LIST_MAX];
	size_t len;
	uint8_t block[LIST_MAX]; /* a copy, at its end */
};

static struct world the_world;

/* The naive parser */

struct heap {
	const uint8_t *bytes;
	size_t len;
	bool short_of; /* more was asked for than there was */
};

static uint64_t pop(struct heap *h, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++) {
		if (h->len == 0) {
			h->short_of = true;
			return 0;
		}
		value += (uint64_t)*h->bytes << (8 * i);
		h->bytes++;
		h->len--;
	}
	return value;
}

struct naive {
	uint64_t type, length;
	const uint8_t *value;
};

static enum viommu_result naive_next(struct heap *h, struct naive *out)
{
	out->type = pop(h, 2);
	out->length = pop(h, 2);
	if (h->short_of || out->type % 0x1000 == 0)
		return VIOMMU_E_EMPTY;
	out->value = h->bytes;
	for (uint64_t i = 0; i < out->length && !h->short_of; i++)
		(void)pop(h, 1);
	return h->short_of ? VIOMMU_E_PEER : VIOMMU_OK;
}

static bool naive_region(const struct naive *p, struct viommu_resv_region *out)
{
	struct heap h = { p->value, (size_t)p->length, false };

	out->subtype = pop(&h, 1) == 1 ? VIOMMU_RESV_MEM_MSI : VIOMMU_RESV_MEM_RESERVED;
	(void)pop(&h, 3);
	out->range.first = pop(&h, 8);
	out->range.last = pop(&h, 8);
	return p->type == 1 && !h.short_of && out->range.last >= out->range.first;
}

/* The library against it */

static void check_region(const struct viommu_wire_property *property, const struct naive *want)
{
	struct viommu_resv_region region, wanted;
	bool good = naive_region(want, &wanted);

	memset(&region, SIM_OPS_CANARY, sizeof(region));
	SIM_OPS_CHECK((viommu_wire_resv_mem_decode(property, &region) == VIOMMU_OK) == good);
	if (good)
		SIM_OPS_CHECK(region.range.first == wanted.range.first && region.range.last == wanted.range.last &&
			      region.subtype == wanted.subtype);
	else
		SIM_OPS_CHECK(sim_ops_is_canary(&region, sizeof(region)));
}

/* Returns where the last property begins; the offset, if there is none. */
static size_t walk(struct world *w, size_t len, size_t offset)
{
	const uint8_t *list = w->block + LIST_MAX - len;
	bool inside = offset <= len;
	struct heap heap = { inside ? list + offset : list, inside ? len - offset : 0, false };
	enum viommu_result result;
	size_t calls = 0, before, last = offset;

	memcpy(w->block + LIST_MAX - len, w->list, len);
	for (;;) {
		struct viommu_wire_property property;
		struct naive want;

		before = offset;
		memset(&property, SIM_OPS_CANARY, sizeof(property));
		result = viommu_wire_property_next(list, len, &offset, &property);
		SIM_OPS_CHECK(result == naive_next(&heap, &want));
		if (result != VIOMMU_OK) {
			SIM_OPS_CHECK(offset == before && sim_ops_is_canary(&property, sizeof(property)));
			return last;
		}
		SIM_OPS_CHECK(++calls <= len / 4);
		SIM_OPS_CHECK(property.type == want.type % 0x1000 && property.reserved == want.type / 0x1000);
		SIM_OPS_CHECK(property.length == want.length && property.value == want.value);
		SIM_OPS_CHECK(list + offset == heap.bytes);
		check_region(&property, &want);
		last = before;
	}
}

static void append(struct world *w, const uint8_t *bytes, size_t len)
{
	if (len > LIST_MAX - w->len)
		len = LIST_MAX - w->len;
	memcpy(w->list + w->len, bytes, len);
	w->len += len;
}

static void run_property(struct world *w, const struct sim_ops_op *op)
{
	uint64_t type = op->arg[0] | op->arg[1] << 12, length = op->len + op->arg[2];
	const uint8_t head[4] = { (uint8_t)type, (uint8_t)(type >> 8), (uint8_t)length, (uint8_t)(length >> 8) };

	append(w, head, sizeof(head));
	append(w, op->bytes, op->len);
}

static void run_region(struct world *w, const struct sim_ops_op *op)
{
	struct viommu_resv_region region = { { op->arg[0], op->arg[1] }, (uint8_t)op->arg[2] };
	uint8_t bytes[VIOMMU_WIRE_RESV_MEM_SIZE + 2];
	struct naive naive;
	struct viommu_resv_region again;
	struct heap heap = { bytes + 1, VIOMMU_WIRE_RESV_MEM_SIZE, false };

	memset(bytes, SIM_OPS_CANARY, sizeof(bytes));
	viommu_wire_resv_mem_encode(&region, bytes + 1);
	SIM_OPS_CHECK(bytes[0] == SIM_OPS_CANARY && bytes[sizeof(bytes) - 1] == SIM_OPS_CANARY);
	SIM_OPS_CHECK(naive_next(&heap, &naive) == VIOMMU_OK && heap.len == 0);
	SIM_OPS_CHECK(bytes[6] == 0 && bytes[7] == 0 && bytes[8] == 0);
	SIM_OPS_CHECK(naive_region(&naive, &again) == (op->arg[0] <= op->arg[1]));
	SIM_OPS_CHECK(again.range.first == op->arg[0] && again.range.last == op->arg[1] && bytes[5] == op->arg[2]);
	append(w, bytes + 1, VIOMMU_WIRE_RESV_MEM_SIZE);
}

enum verb {
	VERB_PROPERTY,
	VERB_REGION,
	VERB_RAW,
	VERB_CUT,
	VERB_WALK
};

static const uint32_t types[] = { 1, 1, 1, 1, 2, 0, 0xfff, 0x101 };
static const uint32_t lies[] = { 0, 0, 0, 0, 1, 4, 0x100, 0xffff };

static const struct sim_ops_verb verbs[] = {
	/* `more`: the header says so many bytes more than follow, modulo 2^16 */
	[VERB_PROPERTY] = { "property",
			    { { "type", SIM_OPS_PICK, 8, types },
			      { "reserved", SIM_OPS_U8, 16, NULL },
			      { "more", SIM_OPS_PICK, 8, lies },
			      { "bytes", SIM_OPS_BYTES, 32, NULL } },
			    3 },
	[VERB_REGION] = { "region",
			  { { "first", SIM_OPS_FIRST, 0, NULL },
			    { "last", SIM_OPS_LAST, 0, NULL },
			    { "subtype", SIM_OPS_U8, 0, NULL } },
			  2 },
	[VERB_RAW] = { "raw", { { "bytes", SIM_OPS_BYTES, 64, NULL } }, 2 },
	[VERB_CUT] = { "cut", { { "count", SIM_OPS_U8, 0, NULL } }, 1 }, /* bytes off the end */
	[VERB_WALK] = { "walk", { { "offset", SIM_OPS_U64, 0, NULL } }, 1 },
};

static void *begin(void)
{
	the_world.len = 0;
	return &the_world;
}

static void run(void *world, const struct sim_ops_op *op)
{
	struct world *w = world;

	switch ((enum verb)op->verb) {
	case VERB_PROPERTY:
		run_property(w, op);
		break;
	case VERB_REGION:
		run_region(w, op);
		break;
	case VERB_RAW:
		append(w, op->bytes, op->len);
		break;
	case VERB_CUT:
		w->len -= op->arg[0] < w->len ? (size_t)op->arg[0] : w->len;
		break;
	case VERB_WALK:
		if (op->arg[0] <= SIZE_MAX)
			(void)walk(w, w->len, (size_t)op->arg[0]);
		break;
	}
}

/* The list, and its last property without its last byte, without the last two, ... */
static void end(void *world)
{
	struct world *w = world;
	size_t last = walk(w, w->len, 0);

	for (size_t less = 1; less <= w->len - last && less <= TRUNCATIONS; less++)
		(void)walk(w, w->len - less, last);
}

const struct sim_ops_target sim_ops_probe = {
	.name = "probe",
	.verbs = verbs,
	.verb_count = sizeof(verbs) / sizeof(verbs[0]),
	.begin = begin,
	.run = run,
	.end = end,
};
