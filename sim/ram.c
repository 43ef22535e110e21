/* SPDX-License-Identifier: BSD-3-Clause */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "ram.h"

#include <stdlib.h>
#include <string.h>

#include "copied.h"
#include "sim/env/env.h"
#include <sys/mman.h>

enum viommu_result sim_ram_init(struct sim_ram *ram, viommu_gpa last, uint32_t max_pieces)
{
	memset(ram, 0, sizeof(*ram));
	if (max_pieces == 0)
		return VIOMMU_E_ARG;
	ram->pieces = calloc(max_pieces, sizeof(*ram->pieces));
	if (ram->pieces == NULL)
		return VIOMMU_E_NOMEM;
	ram->max = max_pieces;
	ram->last = last;
	return VIOMMU_OK;
}

void sim_ram_deinit(struct sim_ram *ram)
{
	for (uint32_t i = 0; i < ram->count; i++)
		munmap(ram->pieces[i].host, SIM_RAM_PIECE_SIZE);
	free(ram->pieces);
	memset(ram, 0, sizeof(*ram));
}

/* Where the piece is, or where it would have to be put. */
static uint32_t position(const struct sim_ram *ram, uint64_t number)
{
	uint32_t low = 0, high = ram->count;

	if (ram->recent < ram->count && ram->pieces[ram->recent].number == number)
		return ram->recent;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (ram->pieces[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_piece(const struct sim_ram *ram, uint32_t at, uint64_t number)
{
	return at < ram->count && ram->pieces[at].number == number;
}

/* Makes `count` pieces that do not exist yet and puts them at `at`. The host gives them pages when they are touched. */
static bool make_pieces(struct sim_ram *ram, uint32_t at, uint64_t number, uint32_t count)
{
	uint8_t *host;

	if (count > ram->max - ram->count) {
		ram->exhausted = true;
		return false;
	}
	host = mmap(NULL, count * SIM_RAM_PIECE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (host == MAP_FAILED) {
		ram->exhausted = true;
		return false;
	}
	memmove(&ram->pieces[at + count], &ram->pieces[at], (ram->count - at) * sizeof(*ram->pieces));
	for (uint32_t i = 0; i < count; i++) {
		ram->pieces[at + i].number = number + i;
		ram->pieces[at + i].host = host + i * SIM_RAM_PIECE_SIZE;
	}
	ram->count += count;
	return true;
}

void *sim_ram_reserve(struct sim_ram *ram, viommu_gpa gpa, uint64_t len)
{
	uint64_t number = gpa / SIM_RAM_PIECE_SIZE;
	uint64_t count;
	uint32_t at = position(ram, number);

	if (len == 0 || gpa > ram->last || len - 1 > ram->last - gpa)
		return NULL;
	count = (gpa + (len - 1)) / SIM_RAM_PIECE_SIZE - number + 1;
	if (at < ram->count && ram->pieces[at].number < number + count)
		return NULL;
	if (count > ram->max || !make_pieces(ram, at, number, (uint32_t)count))
		return NULL;
	return ram->pieces[at].host + gpa % SIM_RAM_PIECE_SIZE;
}

static void *resolve(void *ctx, viommu_gpa gpa, uint32_t kind, uint64_t *len)
{
	struct sim_ram *ram = ctx;
	uint64_t number = gpa / SIM_RAM_PIECE_SIZE;
	uint64_t contiguous = SIM_RAM_PIECE_SIZE - gpa % SIM_RAM_PIECE_SIZE;
	uint32_t at = position(ram, number);

	(void)kind;
	if (gpa > ram->last)
		return NULL;
	if (!is_piece(ram, at, number) && !make_pieces(ram, at, number, 1))
		return NULL;
	ram->recent = at;
	for (uint32_t i = at; contiguous < *len && is_piece(ram, i + 1, ram->pieces[i].number + 1); i++) {
		if (ram->pieces[i + 1].host != ram->pieces[i].host + SIM_RAM_PIECE_SIZE)
			break;
		contiguous += SIM_RAM_PIECE_SIZE;
	}
	if (*len > contiguous)
		*len = contiguous;
	if (*len - 1 > ram->last - gpa)
		*len = ram->last - gpa + 1;
	return ram->pieces[at].host + gpa % SIM_RAM_PIECE_SIZE;
}

enum viommu_result sim_ram_restrict(struct sim_ram *ram, viommu_gpa first, viommu_gpa last, uint32_t kind)
{
	if (ram->rule_count == SIM_RAM_RULES)
		return VIOMMU_E_FULL;
	ram->rules[ram->rule_count++] = (struct sim_ram_rule){ first, last, kind };
	return VIOMMU_OK;
}

/* May the device do this at gpa? If so, *len is cut to where another rule may hold. */
static bool is_allowed(const struct sim_ram *ram, viommu_gpa gpa, uint32_t kind, uint64_t *len)
{
	uint32_t allowed = VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE;

	for (uint32_t i = 0; i < ram->rule_count; i++) {
		const struct sim_ram_rule *rule = &ram->rules[i];

		if (gpa < rule->first) {
			if (*len > rule->first - gpa)
				*len = rule->first - gpa;
		} else if (gpa <= rule->last) {
			allowed = rule->kind;
			if (*len - 1 > rule->last - gpa)
				*len = rule->last - gpa + 1;
		}
	}
	return (kind & ~allowed) == 0;
}

/* As the device asks. */
static void *resolve_for_device(void *ctx, viommu_gpa gpa, uint32_t kind, uint64_t *len)
{
	if (sim_env_call(SIM_ENV_RESOLVE, gpa, *len) || !is_allowed(ctx, gpa, kind, len))
		return NULL;
	return resolve(ctx, gpa, kind, len);
}

static const struct viommu_memory_ops memory_ops = {
	.size = sizeof(struct viommu_memory_ops),
	.resolve = resolve_for_device,
};

struct viommu_memory sim_ram_memory(struct sim_ram *ram)
{
	ram->pointers = (struct viommu_memory){ .ops = &memory_ops, .ctx = ram };
	return ram->copied ? sim_copied(&ram->pointers) : ram->pointers;
}

bool sim_ram_read(struct sim_ram *ram, viommu_gpa gpa, void *dst, size_t len)
{
	uint8_t *to = dst;

	while (len > 0) {
		uint64_t piece = len;
		const void *from = resolve(ram, gpa, VIOMMU_ACCESS_READ, &piece);

		if (from == NULL)
			return false;
		memcpy(to, from, (size_t)piece);
		gpa += piece;
		to += piece;
		len -= (size_t)piece;
	}
	return true;
}

bool sim_ram_write(struct sim_ram *ram, viommu_gpa gpa, const void *src, size_t len)
{
	const uint8_t *from = src;

	while (len > 0) {
		uint64_t piece = len;
		void *to = resolve(ram, gpa, VIOMMU_ACCESS_WRITE, &piece);

		if (to == NULL)
			return false;
		memcpy(to, from, (size_t)piece);
		gpa += piece;
		from += piece;
		len -= (size_t)piece;
	}
	return true;
}
