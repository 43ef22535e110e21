/* SPDX-License-Identifier: BSD-3-Clause */
#include "prover.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "names.h"

/* Bytes that one check moves. */
#define WINDOW 32u

void sim_prover_disagree(struct sim_prover *prover, const struct sim_trace_line *line, const char *format, ...)
{
	char text[128];
	va_list args;

	if (prover->result->disagreements++ >= SIM_REPLAY_REPORTS || prover->log == NULL)
		return;
	sim_trace_format(line, text, sizeof(text));
	if (prover->progress != NULL)
		fputs(SIM_PROVER_CLEAR_LINE, prover->progress);
	fprintf(prover->log, "%s:%" PRIu32 ": %s: ", prover->name, line->number, text);
	va_start(args, format);
	vfprintf(prover->log, format, args);
	va_end(args);
	fputc('\n', prover->log);
	if (prover->result->disagreements == SIM_REPLAY_REPORTS)
		fprintf(prover->log, "%s: further disagreements are only counted\n", prover->name);
}

static const char *kind_name(uint32_t kind)
{
	static const char *const names[] = { "access", "read", "write", "read and write" };

	return names[kind & 3];
}

/* Fault reports */

static void settle(struct sim_prover *prover, const struct sim_trace_line *line)
{
	if (!sim_machine_settle(prover->machine))
		sim_prover_disagree(prover, line, "the machine does not come to rest");
}

void sim_prover_quiet(struct sim_prover *prover, const struct sim_trace_line *line)
{
	struct viommu_wire_fault fault;

	settle(prover, line);
	while (sim_machine_take_fault(prover->machine, &fault)) {
		prover->result->faults_seen++;
		sim_prover_disagree(prover, line,
				    "a fault report that nobody expects: endpoint %" PRIx32 ", address %" PRIx64
				    ", reason %u, flags %" PRIx32,
				    fault.endpoint, fault.address, fault.reason, fault.flags);
	}
}

/* The endpoint made this access, and it should have been refused. */
static void expect_report(struct sim_prover *prover, const struct sim_trace_line *line, uint32_t endpoint,
			  uint64_t iova, uint32_t kind, uint8_t reason)
{
	struct viommu_wire_fault fault;
	uint32_t flags = VIOMMU_FAULT_F_ADDRESS;

	if ((kind & VIOMMU_ACCESS_READ) != 0)
		flags |= VIOMMU_FAULT_F_READ;
	if ((kind & VIOMMU_ACCESS_WRITE) != 0)
		flags |= VIOMMU_FAULT_F_WRITE;
	prover->result->faults_expected++;
	settle(prover, line);
	if (!sim_machine_take_fault(prover->machine, &fault)) {
		sim_prover_disagree(prover, line, "no fault report for the %s of endpoint %" PRIx32 " at %" PRIx64,
				    kind_name(kind), endpoint, iova);
		return;
	}
	prover->result->faults_seen++;
	if (fault.endpoint != endpoint || fault.address != iova || fault.reason != reason || fault.flags != flags)
		sim_prover_disagree(
			prover, line,
			"the fault report says endpoint %" PRIx32 ", address %" PRIx64 ", reason %u, flags %" PRIx32
			"; it should say %" PRIx32 ", %" PRIx64 ", %u, %" PRIx32,
			fault.endpoint, fault.address, fault.reason, fault.flags, endpoint, iova, reason, flags);
}

/* DMA */

/* The next endpoint of the domain, in turn. NULL: there is none. */
static struct sim_engine *member(struct sim_prover *prover, uint32_t domain)
{
	const struct sim_oracle *oracle = prover->oracle;

	for (uint32_t i = 0; i < oracle->endpoint_count; i++) {
		const struct sim_oracle_endpoint *e = &oracle->endpoints[prover->turn++ % oracle->endpoint_count];

		if (e->attached && e->domain == domain)
			return sim_machine_engine(prover->machine, e->id);
	}
	return NULL;
}

/* Bytes have to come through: from the physical address into a read, or from a write to the physical address. */
static void check_allowed(struct sim_prover *prover, const struct sim_trace_line *line, struct sim_engine *engine,
			  uint64_t iova, uint64_t gpa, uint32_t kind)
{
	uint8_t put[WINDOW], got[WINDOW] = { 0 };
	bool is_read = kind == VIOMMU_ACCESS_READ;
	enum viommu_result r;

	prover->result->dma_checks++;
	sim_engine_pattern(sim_random_next(&prover->random), 0, put, WINDOW);
	if (is_read && !sim_ram_write(&prover->machine->ram, gpa, put, WINDOW))
		return;
	r = is_read ? sim_engine_read(engine, iova, got, WINDOW) : sim_engine_write(engine, iova, put, WINDOW);
	if (!is_read && !sim_ram_read(&prover->machine->ram, gpa, got, WINDOW))
		return;
	if (r != VIOMMU_OK)
		sim_prover_disagree(prover, line,
				    "the %s of endpoint %" PRIx32 " at %" PRIx64 " says %s; it must reach %" PRIx64,
				    kind_name(kind), engine->id, iova, sim_result_name(r), gpa);
	else if (memcmp(put, got, WINDOW) != 0)
		sim_prover_disagree(prover, line, "the %s of endpoint %" PRIx32 " at %" PRIx64 " %s %" PRIx64,
				    kind_name(kind), engine->id, iova,
				    is_read ? "does not see what is at" : "did not arrive at", gpa);
}

/* An access that must not work; neither may it change the byte at `gpa`, where a mapping leads or led. */
static void check_refused(struct sim_prover *prover, const struct sim_trace_line *line, struct sim_engine *engine,
			  uint64_t iova, uint64_t gpa, uint32_t kind)
{
	uint8_t before, after, byte;
	enum viommu_result r;

	prover->result->dma_checks++;
	if (!sim_ram_read(&prover->machine->ram, gpa, &before, 1))
		return;
	byte = (uint8_t)~before;
	if (kind == VIOMMU_ACCESS_READ)
		r = sim_engine_read(engine, iova, &byte, 1);
	else
		r = sim_engine_write(engine, iova, &byte, 1);
	if (!sim_ram_read(&prover->machine->ram, gpa, &after, 1))
		return;
	if (r != VIOMMU_E_FAULT)
		sim_prover_disagree(prover, line,
				    "the %s of endpoint %" PRIx32 " at %" PRIx64 " says %s; it must fault",
				    kind_name(kind), engine->id, iova, sim_result_name(r));
	else if (before != after)
		sim_prover_disagree(prover, line,
				    "the %s of endpoint %" PRIx32 " at %" PRIx64 " faults, and yet changes %" PRIx64,
				    kind_name(kind), engine->id, iova, gpa);
	expect_report(prover, line, engine->id, iova, kind, VIOMMU_FAULT_R_MAPPING);
}

static void check_window(struct sim_prover *prover, const struct sim_trace_line *line, struct sim_engine *engine,
			 const struct sim_oracle_mapping *mapping, uint64_t offset)
{
	uint64_t iova = mapping->first + offset;
	uint64_t gpa = mapping->phys + offset;
	/* Where the whole window is refused, so is its outer byte: the first one at the beginning, or else the last. */
	uint64_t outer = offset == 0 ? 0 : WINDOW - 1;

	if ((mapping->flags & VIOMMU_MAP_F_READ) != 0)
		check_allowed(prover, line, engine, iova, gpa, VIOMMU_ACCESS_READ);
	else
		check_refused(prover, line, engine, iova + outer, gpa + outer, VIOMMU_ACCESS_READ);
	if ((mapping->flags & VIOMMU_MAP_F_WRITE) != 0)
		check_allowed(prover, line, engine, iova, gpa, VIOMMU_ACCESS_WRITE);
	else
		check_refused(prover, line, engine, iova + outer, gpa + outer, VIOMMU_ACCESS_WRITE);
}

void sim_prover_mapped(struct sim_prover *prover, const struct sim_trace_line *line, uint32_t domain,
		       const struct sim_oracle_mapping *mapping)
{
	struct sim_engine *engine = member(prover, domain);
	uint64_t span = mapping->last - mapping->first; /* one less than the length, which might be 2^64 */
	uint64_t end = span - (WINDOW - 1);

	if (engine == NULL)
		return;
	check_window(prover, line, engine, mapping, 0);
	check_window(prover, line, engine, mapping, end);
	if (span / 2 >= prover->oracle->config.granule)
		check_window(prover, line, engine, mapping, 1 + sim_random_below(&prover->random, end - 1));
}

void sim_prover_unmapped(struct sim_prover *prover, const struct sim_trace_line *line, uint32_t domain,
			 const struct sim_oracle_mapping *mapping)
{
	struct sim_engine *engine = member(prover, domain);
	uint32_t kind = mapping->flags & (VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE);
	uint64_t span = mapping->last - mapping->first;

	if (engine == NULL)
		return;
	/* What was allowed until now is what must not work any more. */
	if (kind != VIOMMU_ACCESS_READ && kind != VIOMMU_ACCESS_WRITE)
		kind = sim_random_below(&prover->random, 2) == 0 ? VIOMMU_ACCESS_READ : VIOMMU_ACCESS_WRITE;
	check_refused(prover, line, engine, mapping->first, mapping->phys, kind);
	check_refused(prover, line, engine, mapping->last, mapping->phys + span, kind);
}

/* Whether an identity translation names the doorbell as such is left open. */
static bool is_right(const struct sim_oracle *oracle, const struct sim_oracle_answer *answer, uint64_t iova,
		     const struct viommu_translation *to)
{
	bool doorbell = oracle->config.msi.first <= iova && iova <= oracle->config.msi.last;

	if (to->gpa != answer->gpa)
		return false;
	return answer->msi ? to->msi : doorbell || !to->msi;
}

void sim_prover_lookup(struct sim_prover *prover, const struct sim_trace_line *line, uint32_t endpoint, uint64_t iova,
		       uint32_t kind)
{
	struct sim_oracle_answer answer = sim_oracle_translate(prover->oracle, endpoint, iova, kind);
	struct sim_engine *engine = sim_machine_engine(prover->machine, endpoint);
	struct viommu_translation to = { 0 };
	enum viommu_result r = sim_engine_translate(engine, iova, 1, kind, &to);

	if (answer.ok && r != VIOMMU_OK)
		sim_prover_disagree(prover, line,
				    "the %s of endpoint %" PRIx32 " at %" PRIx64 " says %s; it must lead to %" PRIx64,
				    kind_name(kind), endpoint, iova, sim_result_name(r), answer.gpa);
	else if (answer.ok && !is_right(prover->oracle, &answer, iova, &to))
		sim_prover_disagree(prover, line,
				    "the %s of endpoint %" PRIx32 " at %" PRIx64 " leads to %s%" PRIx64
				    "; it must lead to %s%" PRIx64,
				    kind_name(kind), endpoint, iova, to.msi ? "MSI " : "", to.gpa,
				    answer.msi ? "MSI " : "", answer.gpa);
	else if (!answer.ok && r != VIOMMU_E_FAULT)
		sim_prover_disagree(prover, line,
				    "the %s of endpoint %" PRIx32 " at %" PRIx64 " says %s; it must fault",
				    kind_name(kind), endpoint, iova, sim_result_name(r));
	if (!answer.ok)
		expect_report(prover, line, endpoint, iova, answer.refused, answer.reason);
}
