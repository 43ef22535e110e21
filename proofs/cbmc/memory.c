/* SPDX-License-Identifier: BSD-3-Clause */
/* memory.c: proofs of the memory seam, for addresses that a peer chose, and of the ready-made table of regions. */
#include "proof.h"

#include "../../libviommu/virtq/memory.c"

/* Proof of viommu_i_memory_piece. Whatever the embedder answers: no more than was asked for. */
void prove_memory_piece(void)
{
	struct viommu_memory m = any_memory();
	viommu_gpa gpa = nondet_u64();
	uint64_t want = nondet_u64();
	uint64_t len = want;
	void *host;

	ASSUME(want != 0 && want - 1 <= UINT64_MAX - gpa);
	host = viommu_i_memory_piece(&m, gpa, VIOMMU_ACCESS_WRITE, &len);
	PROVE(m.ops == &copies_only ? seam.calls == 0 && host == NULL
				    : seam.calls == 1 && seam.gpa == gpa && seam.len == want);
	PROVE(host == NULL || (len >= 1 && len <= want && host == seam.piece && len == seam.piece_len));
	REACHABLE(host != NULL && len == want && gpa + (len - 1) == UINT64_MAX);
	REACHABLE(host != NULL && len == 1 && want > 1);
	REACHABLE(host == NULL);
}

/* Proof of viommu_memory_pointer. All of what was asked for in one piece, or NULL. */
void prove_memory_pointer(void)
{
	struct viommu_memory m = any_memory();
	viommu_gpa gpa = nondet_u64();
	uint64_t len = nondet_u64();
	void *host = viommu_memory_pointer(&m, gpa, len, VIOMMU_ACCESS_READ);

	PROVE(seam.calls <= 1);
	PROVE(host == NULL || (host == seam.piece && seam.piece_len == len && seam.gpa == gpa));
	PROVE(host == NULL || __CPROVER_r_ok(host, len));
	REACHABLE(host != NULL && gpa + (len - 1) == UINT64_MAX);
	REACHABLE(host == NULL && len == 0);
	REACHABLE(host == NULL && seam.calls == 0 && len != 0);
	REACHABLE(host == NULL && seam.calls == 1);
}

/* Proof of viommu_i_memory_ops_check, viommu_i_memory_fetch, viommu_i_memory_store. Without callbacks they fail. */
void prove_memory_callbacks(void)
{
	struct viommu_memory_ops ops = {
		.size = nondet_u32(),
		.resolve = nondet_bool() ? proof_resolve : NULL,
		.read = nondet_bool() ? proof_read : NULL,
		.write = nondet_bool() ? proof_write : NULL,
	};
	struct viommu_memory m = { .ops = &ops };
	viommu_gpa gpa = nondet_u64();
	uint8_t bytes[2];
	enum viommu_result r = viommu_i_memory_ops_check(&ops);
	bool fetched, stored;

	ASSUME(gpa != UINT64_MAX);
	PROVE((r == VIOMMU_E_ABI) == (ops.size != sizeof ops));
	PROVE((r == VIOMMU_OK) == (ops.size == sizeof ops && (ops.read == NULL) == (ops.write == NULL) &&
				   (ops.read != NULL || ops.resolve != NULL)));
	fetched = viommu_i_memory_fetch(&m, gpa, bytes, sizeof bytes);
	stored = viommu_i_memory_store(&m, gpa, bytes, sizeof bytes);
	PROVE(seam.reads == (ops.read != NULL) && (!fetched || seam.reads == 1));
	PROVE(seam.writes == (ops.write != NULL) && (!stored || seam.writes == 1));
	REACHABLE(r == VIOMMU_OK && fetched && stored && ops.resolve == NULL);
	REACHABLE(r == VIOMMU_OK && !fetched && !stored && seam.reads == 0);
	REACHABLE(r == VIOMMU_E_ARG && seam.writes == 1);
}

/* Proof of cut_at_top. As much as there is below the end of the address space. */
void prove_cut_at_top(void)
{
	viommu_gpa gpa = nondet_u64();
	size_t len = nondet_size();
	size_t cut = cut_at_top(gpa, len);

	PROVE(cut <= len && (cut != 0 || len == 0));
	PROVE(len == 0 || cut - 1 <= UINT64_MAX - gpa);
	PROVE(cut == len || cut - 1 == UINT64_MAX - gpa);
	REACHABLE(cut == 1 && len == SIZE_MAX);
	REACHABLE(cut == len && len == SIZE_MAX);
	REACHABLE(len == 0);
}

/*
 * Proof of viommu_memory_read. Unwind 3. Bound: up to 2 pieces. Any length: pieces, then what only the callback
 * reaches.
 */
void prove_memory_read(void)
{
	struct viommu_memory m = any_memory();
	viommu_gpa gpa = nondet_u64();
	size_t len = nondet_size();
	uint8_t *dst;
	size_t done;

	ASSUME(len < OBJECT_MAX - 16);
	dst = malloc(len);
	seam_has_one_object();
	seam.last_call = 2;
	done = viommu_memory_read(&m, gpa, dst, len);
	PROVE(done <= len && peer.stores == 0 && peer.loads <= seam.calls + 1 && seam.reads <= 1);
	PROVE(done == len || seam.calls != 0 || seam.reads == 1);
	PROVE(done != len || seam.reads == 0 || seam.read_at + (seam.read_len - 1) == gpa + (len - 1));
	PROVE(done == 0 || done - 1 <= UINT64_MAX - gpa);
	REACHABLE(done == len && peer.loads == 2 && seam.reads == 0);
	REACHABLE(done == len && peer.loads == 2 && seam.reads == 1 && seam.calls == 2);
	REACHABLE(done == len && len > 1 && m.ops == &copies_only);
	REACHABLE(done == 0 && len != 0 && seam.reads == 1);
	REACHABLE(done < len && done != 0 && seam.calls == 2);
	REACHABLE(done < len && done != 0 && peer.loads == 1 && gpa + (done - 1) == UINT64_MAX);
	REACHABLE(done == 0 && len == 0);
}

/*
 * Proof of viommu_memory_write. Unwind 3. Bound: up to 2 pieces. Any length: pieces, then what only the callback
 * reaches.
 */
void prove_memory_write(void)
{
	struct viommu_memory m = any_memory();
	viommu_gpa gpa = nondet_u64();
	size_t len = nondet_size();
	uint8_t *src;
	size_t done;

	ASSUME(len < OBJECT_MAX - 16);
	src = malloc(len);
	seam_has_one_object();
	seam.last_call = 2;
	done = viommu_memory_write(&m, gpa, src, len);
	PROVE(done <= len && peer.loads == 0 && peer.stores <= seam.calls + 1 && seam.writes <= 1);
	PROVE(peer.copies_out + seam.writes == peer.stores);
	PROVE(done == len || seam.calls != 0 || seam.writes == 1);
	PROVE(done == 0 || done - 1 <= UINT64_MAX - gpa);
	REACHABLE(done == len && peer.stores == 2 && seam.writes == 0);
	REACHABLE(done == len && peer.stores == 2 && seam.writes == 1 && seam.calls == 2);
	REACHABLE(done == 0 && len != 0 && seam.writes == 1);
	REACHABLE(done < len && done != 0 && seam.calls == 2);
	REACHABLE(done < len && done != 0 && peer.stores == 1 && gpa + (done - 1) == UINT64_MAX);
	REACHABLE(done == 0 && len == 0);
}

/* A sorted table of up to 7 regions, each with as much memory as it says. */
#define REGIONS_MAX 7u
static struct viommu_memory_region regions[REGIONS_MAX];

static struct table_state any_table(void)
{
	struct table_state table = { .regions = regions, .count = nondet_u32() };

	ASSUME(table.count <= REGIONS_MAX);
	for (uint32_t i = 0; i < REGIONS_MAX; i++) {
		regions[i].first = nondet_u64();
		regions[i].last = nondet_u64();
		regions[i].kind = nondet_u32();
		ASSUME(regions[i].first <= regions[i].last && (i == 0 || regions[i - 1].last < regions[i].first));
	}
	return table;
}

/* Proof of find_region. Unwind 8. Bound: up to 7 regions. If one holds the address, that one is found. */
void prove_find_region(void)
{
	struct table_state table = any_table();
	viommu_gpa gpa = nondet_u64();
	uint32_t any = nondet_u32();
	const struct viommu_memory_region *r = find_region(&table, gpa);

	ASSUME(any < table.count);
	/* The one that is found holds it; if one holds it, that one is found. */
	PROVE(r == NULL || (r >= regions && r < regions + table.count && r->first <= gpa && gpa <= r->last));
	PROVE((gpa < regions[any].first || gpa > regions[any].last) || r == &regions[any]);
	REACHABLE(r == &regions[REGIONS_MAX - 1]);
	REACHABLE(r == &regions[0] && table.count == REGIONS_MAX);
	REACHABLE(r == NULL && gpa > regions[0].last);
}

/* Stands for find_region, which found the first of the regions, or none. */
const struct viommu_memory_region *any_region(const struct table_state *state, viommu_gpa gpa)
{
	const struct viommu_memory_region *r = state->regions;

	return r->first <= gpa && gpa <= r->last ? r : NULL;
}

/* A region of any length, with that much memory behind it. */
static struct viommu_memory_region any_memory_region(void)
{
	struct viommu_memory_region r = { .first = nondet_u64(), .last = nondet_u64(), .kind = nondet_u32() };

	ASSUME(r.first <= r.last && r.last - r.first < OBJECT_MAX);
	r.host = malloc((size_t)(r.last - r.first) + 1);
	return r;
}

/* With this one region, at any generation. In the place of the other one is what was there before. */
static struct viommu_memory_table any_table_of(const struct viommu_memory_region *r)
{
	struct viommu_memory_table table = { .generation = nondet_u64() };
	static struct viommu_memory_region old[2];
	bool odd = (table.generation & 1) != 0;

	table.regions = odd ? old : r;
	table.count = odd ? 2 : 1;
	table.odd_regions = odd ? r : old;
	table.odd_count = odd ? 1 : 2;
	return table;
}

/* What the table and its views answer, asked about this one region. */
static void prove_answer(const struct viommu_memory_region *r, viommu_gpa gpa, uint32_t kind, const uint8_t *host,
			 uint64_t want, uint64_t len)
{
	bool inside = r->first <= gpa && gpa <= r->last;

	PROVE((host != NULL) == (inside && (kind & ~r->kind) == 0));
	if (host != NULL) {
		PROVE(len >= 1 && len <= want);
		PROVE(host == (uint8_t *)r->host + (gpa - r->first) && len - 1 <= r->last - gpa);
		PROVE(len == want || gpa + (len - 1) == r->last);
	} else {
		PROVE(len == want);
	}
	REACHABLE(host != NULL && len == want && gpa == r->last);
	REACHABLE(host != NULL && len < want);
	REACHABLE(host == NULL && inside);
	REACHABLE(host == NULL && !inside);
}

/*
 * Proof of table_resolve, table_state. With find_region as any_region. Unwind 2. A pointer into the region, and no
 * further than its end.
 */
void prove_table_resolve(void)
{
	struct viommu_memory_region r = any_memory_region();
	struct viommu_memory_table table = any_table_of(&r);
	viommu_gpa gpa = nondet_u64();
	uint32_t kind = nondet_u32();
	uint64_t want = nondet_u64();
	uint64_t len = want;
	uint8_t *host;

	ASSUME(want != 0 && want - 1 <= UINT64_MAX - gpa);
	host = table_resolve(&table, gpa, kind, &len);
	prove_answer(&r, gpa, kind, host, want, len);
	REACHABLE(host != NULL && table.generation == UINT64_MAX);
	REACHABLE(host != NULL && table.generation == 0);
}

/*
 * Proof of view_resolve, table_state. With find_region as any_region. Unwind 2. What it remembers of a table that has
 * changed is not used.
 */
void prove_view_resolve(void)
{
	struct viommu_memory_region r = any_memory_region();
	struct viommu_memory_table table = any_table_of(&r);
	struct viommu_memory_view view = { .table = &table, .generation = nondet_u64() };
	bool is_old = view.generation != table.generation;
	bool found_before = nondet_bool();
	viommu_gpa gpa = nondet_u64();
	uint32_t kind = nondet_u32();
	uint64_t want = nondet_u64();
	uint64_t len = want;
	uint8_t *host;

	if (is_old)
		view.recent = (struct viommu_memory_region){ .first = nondet_u64(), .last = nondet_u64() };
	else if (found_before)
		view.recent = r;
	else
		view.recent = (struct viommu_memory_region){ .first = 1, .last = 0 };
	ASSUME(want != 0 && want - 1 <= UINT64_MAX - gpa);
	host = view_resolve(&view, gpa, kind, &len);
	prove_answer(&r, gpa, kind, host, want, len);
	PROVE(host == NULL || view.generation == table.generation);
	REACHABLE(host != NULL && is_old);
	REACHABLE(host != NULL && found_before && !is_old);
}

/*
 * Proof of viommu_memory_table_set, viommu_memory_regions_are_valid. Unwind 5. Bound: up to 4 regions. Those that are
 * taken are sorted and lie somewhere, and what was there before stays where it is; those that are refused change
 * nothing.
 */
void prove_table_set(void)
{
	struct viommu_memory_region new[4];
	struct viommu_memory_table table = any_table_of(regions);
	struct table_state before = table_state(&table);
	struct table_state now;
	uint32_t count = nondet_u32();
	uint32_t any = nondet_u32();
	enum viommu_result r;

	ASSUME(count <= 4 && any < 4 && table.generation != UINT64_MAX);
	for (uint32_t i = 0; i < 4; i++)
		new[i] = (struct viommu_memory_region){ nondet_u64(), nondet_u64(), nondet_pointer(), nondet_u32() };
	r = viommu_memory_table_set(&table, new, count);
	now = table_state(&table);
	if (r == VIOMMU_OK) {
		bool odd = (before.generation & 1) != 0;

		PROVE(now.regions == new &&now.count == count &&now.generation == before.generation + 1);
		PROVE((odd ? table.odd_regions : table.regions) == before.regions);
		PROVE((odd ? table.odd_count : table.count) == before.count);
		PROVE(any >= count ||
		      (new[any].first <= new[any].last &&new[any].host !=
		       NULL &&new[any].last - new[any].first <= UINTPTR_MAX - (uintptr_t) new[any].host));
		PROVE(any == 0 || any >= count || new[any - 1].last < new[any].first);
		PROVE(any >= count || new[any].kind == VIOMMU_ACCESS_READ ||
		      new[any].kind == (VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE));
	} else {
		PROVE(r == VIOMMU_E_ARG && now.regions == before.regions && now.count == before.count &&
		      now.generation == before.generation);
	}
	REACHABLE(r == VIOMMU_OK && count == 4 && new[3].last == UINT64_MAX);
	REACHABLE(r == VIOMMU_OK && count == 0);
	REACHABLE(r == VIOMMU_E_ARG && count == 1 && new[0].first <= new[0].last);
	REACHABLE(r == VIOMMU_E_ARG && count == 4 && new[3].first == new[2].last);
}
