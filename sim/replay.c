/* SPDX-License-Identifier: BSD-3-Clause */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "replay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "names.h"
#include "prover.h"

/* Room that is kept for the driver's shared area, whatever the size of its queues. */
#define SHARED_ROOM (UINT64_C(1) << 26)

#define PROGRESS_LINES 16384u
#define REGIONS_MAX 4u
#define PROVED_ONE_IN 64u /* mappings, after each recovery */

/* A domain of the driver. */
struct domain {
	struct viommu_driver_domain driver;
	struct domain *next;
	uint32_t id;
	uint32_t members;
	bool bypass;
};

/* An endpoint of the driver. */
struct endpoint {
	struct viommu_driver_endpoint driver;
	struct viommu_resv_region regions[REGIONS_MAX];
	struct domain *domain; /* NULL: not attached */
	uint32_t id;
	bool known; /* to the driver */
};

/* What became of a line on the driver's side. */
struct outcome {
	enum viommu_result result;
	bool answered; /* the device refused, with: */
	uint8_t status;
};

/* A MAP or UNMAP that was posted, or refused, and not yet judged. */
struct entry {
	const struct sim_trace_line *line;
	struct outcome outcome;
	enum viommu_status expected;
	size_t removed; /* where the mappings that it removes by the oracle begin */
	size_t removed_count;
};

struct replay {
	const struct sim_replay_options *options;
	struct sim_machine *machine;
	struct sim_machine_config config; /* of the machine */
	struct sim_oracle oracle;
	struct sim_prover prover;
	struct sim_replay_result *result;
	uint32_t *ids; /* of the endpoints, sorted */
	uint32_t count;
	struct endpoint *endpoints; /* in the same order */
	struct domain *domains;
	struct domain *stuck; /* the driver did not let go of them */
	struct entry *batch;
	uint32_t batch_count;
	struct sim_oracle_mapping *removed; /* by the batch */
	size_t removed_count;
	size_t removed_room;
	bool out_of_memory;
};

/* Judging */

/* Compares both opinions. True: both say that the request is done. */
static bool judge(struct replay *r, const struct sim_trace_line *line, struct outcome outcome,
		  enum viommu_status expected)
{
	bool done = outcome.result == VIOMMU_OK;

	if (expected == VIOMMU_S_NOMEM) {
		r->out_of_memory = true;
		return false;
	}
	if (done && expected == VIOMMU_S_OK)
		return true;
	if (outcome.answered && outcome.status != expected)
		sim_prover_disagree(&r->prover, line, "the device says %s, the oracle %s",
				    sim_status_name(outcome.status), sim_status_name(expected));
	else if (outcome.answered)
		return false;
	else if (expected == VIOMMU_S_OK || viommu_result_class(outcome.result) != VIOMMU_CLASS_CALLER)
		sim_prover_disagree(&r->prover, line, "the driver says %s, the oracle %s",
				    sim_result_name(outcome.result), sim_status_name(expected));
	return false;
}

static void disturb(struct replay *r, const struct sim_trace_line *line)
{
	if (r->options->disturb != NULL)
		r->options->disturb(r->options->disturb_ctx, r->machine, &r->oracle, line);
}

/* Endpoints and domains */

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Every endpoint of the trace is known from the start. */
static struct endpoint *find_endpoint(struct replay *r, uint32_t id)
{
	const uint32_t *found = bsearch(&id, r->ids, r->count, sizeof(id), compare_ids);

	return &r->endpoints[found - r->ids];
}

static struct domain *find_domain(const struct replay *r, uint32_t id)
{
	struct domain *d = r->domains;

	while (d != NULL && d->id != id)
		d = d->next;
	return d;
}

static enum viommu_result add_domain(struct replay *r, uint32_t id, bool bypass, struct domain **out)
{
	struct domain *d = calloc(1, sizeof(*d));
	enum viommu_result result;

	if (d == NULL) {
		r->out_of_memory = true;
		return VIOMMU_E_NOMEM;
	}
	result = viommu_driver_domain_init(&d->driver, &r->machine->driver, id, bypass);
	if (result != VIOMMU_OK) {
		free(d);
		return result;
	}
	d->id = id;
	d->bypass = bypass;
	d->next = r->domains;
	r->domains = d;
	*out = d;
	return VIOMMU_OK;
}

/* Its last endpoint has left: it is gone on the device's side, and the driver is to forget it, record and all. */
static void drop_domain(struct replay *r, const struct sim_trace_line *line, struct domain *d)
{
	struct domain **link = &r->domains;
	enum viommu_result result = viommu_driver_domain_deinit(&d->driver);

	while (*link != d)
		link = &(*link)->next;
	*link = d->next;
	if (result == VIOMMU_OK) {
		free(d);
		return;
	}
	sim_prover_disagree(&r->prover, line, "the driver does not let go of domain %" PRIx32 ": %s", d->id,
			    sim_result_name(result));
	d->next = r->stuck;
	r->stuck = d;
}

static void leave(struct replay *r, const struct sim_trace_line *line, struct endpoint *e)
{
	struct domain *d = e->domain;

	e->domain = NULL;
	if (d != NULL && --d->members == 0)
		drop_domain(r, line, d);
}

/* PROBE. An endpoint that is known already is asked again under a second handle, so as not to disturb the first. */
static enum viommu_result probe(struct replay *r, const struct sim_trace_line *line, struct endpoint *e)
{
	struct viommu_driver_endpoint again;
	struct viommu_resv_region regions[REGIONS_MAX];
	struct viommu_driver_endpoint *driver = e->known ? &again : &e->driver;
	const struct viommu_resv_region *found;
	enum viommu_result result;
	uint32_t count;

	result = viommu_driver_endpoint_init(driver, &r->machine->driver, e->id, e->known ? regions : e->regions,
					     REGIONS_MAX);
	if (result != VIOMMU_OK)
		return result;
	found = viommu_driver_endpoint_regions(driver, &count);
	if (count != 1 || found[0].subtype != VIOMMU_RESV_MEM_MSI ||
	    memcmp(&found[0].range, &sim_machine_msi_region[0].range, sizeof(found[0].range)) != 0)
		sim_prover_disagree(&r->prover, line, "PROBE found other reserved regions than the device has");
	e->known = true;
	return VIOMMU_OK;
}

static void run_probe(struct replay *r, const struct sim_trace_line *line)
{
	struct outcome outcome = { .result = probe(r, line, find_endpoint(r, line->endpoint)) };

	disturb(r, line);
	judge(r, line, outcome, sim_oracle_probe(&r->oracle, line->endpoint));
}

static struct outcome attach(struct replay *r, const struct sim_trace_line *line)
{
	struct endpoint *e = find_endpoint(r, line->endpoint);
	struct domain *d = find_domain(r, line->domain);
	bool bypass = (line->flags & VIOMMU_ATTACH_F_BYPASS) != 0;
	struct outcome out = { .result = VIOMMU_OK };

	/* What the driver's interface cannot even ask for. */
	if ((line->flags & ~VIOMMU_ATTACH_F_BYPASS) != 0 || (d != NULL && d->bypass != bypass)) {
		out.result = VIOMMU_E_ARG;
		return out;
	}
	if (!e->known)
		out.result = probe(r, line, e);
	if (out.result == VIOMMU_OK && d == NULL)
		out.result = add_domain(r, line->domain, bypass, &d);
	if (out.result != VIOMMU_OK)
		return out;
	out.result = viommu_driver_attach(&d->driver, &e->driver, &out.status);
	out.answered = out.result == VIOMMU_E_REJECTED;
	if (out.result == VIOMMU_OK && e->domain != d) {
		d->members++;
		leave(r, line, e);
		e->domain = d;
	} else if (d->members == 0) {
		drop_domain(r, line, d);
	}
	return out;
}

static struct outcome detach(struct replay *r, const struct sim_trace_line *line)
{
	struct endpoint *e = find_endpoint(r, line->endpoint);
	struct outcome out = { .result = VIOMMU_E_NOENT };

	if (e->domain == NULL || e->domain->id != line->domain)
		return out;
	out.result = viommu_driver_detach(&e->driver, &out.status);
	out.answered = out.result == VIOMMU_E_REJECTED;
	if (out.result == VIOMMU_OK)
		leave(r, line, e);
	return out;
}

/* Address of some mapping in the endpoint's domain. */
static bool some_mapping(const struct replay *r, uint32_t endpoint, struct sim_oracle_mapping *out)
{
	size_t at = (size_t)(find_endpoint((struct replay *)r, endpoint) - r->endpoints);
	const struct sim_oracle_mapping *all;
	size_t count;

	if (!r->oracle.endpoints[at].attached)
		return false;
	all = sim_oracle_overlaps(&r->oracle, r->oracle.endpoints[at].domain, 0, UINT64_MAX, &count);
	if (all != NULL)
		*out = all[0];
	return all != NULL;
}

/* ATTACH and DETACH, with a look at what the endpoint could reach before and at what it can reach now. */
static void run_move(struct replay *r, const struct sim_trace_line *line)
{
	struct sim_oracle_mapping before = { 0 }, after = { 0 };
	bool had = some_mapping(r, line->endpoint, &before);
	enum viommu_status expected;
	struct outcome outcome;

	if (line->type == 'A') {
		outcome = attach(r, line);
		expected = sim_oracle_attach(&r->oracle, line->domain, line->endpoint, line->flags);
	} else {
		outcome = detach(r, line);
		expected = sim_oracle_detach(&r->oracle, line->domain, line->endpoint);
	}
	disturb(r, line);
	judge(r, line, outcome, expected);
	if (had) {
		r->result->dma_checks++;
		sim_prover_lookup(&r->prover, line, line->endpoint, before.first, VIOMMU_ACCESS_READ);
	}
	if (some_mapping(r, line->endpoint, &after)) {
		r->result->dma_checks++;
		sim_prover_lookup(&r->prover, line, line->endpoint, after.last, VIOMMU_ACCESS_WRITE);
	}
}

/* MAP, UNMAP, batches */

/* Remembers what this UNMAP removes; it cannot be asked for later. */
static void remember_removed(struct replay *r, struct entry *entry)
{
	size_t count;
	const struct sim_oracle_mapping *all =
		sim_oracle_overlaps(&r->oracle, entry->line->domain, entry->line->first, entry->line->last, &count);

	if (r->removed_count + count > r->removed_room) {
		size_t room = 2 * (r->removed_count + count);
		struct sim_oracle_mapping *grown = realloc(r->removed, room * sizeof(*grown));

		if (grown == NULL) {
			r->out_of_memory = true;
			return;
		}
		r->removed = grown;
		r->removed_room = room;
	}
	entry->removed = r->removed_count;
	entry->removed_count = count;
	if (count > 0)
		memcpy(&r->removed[r->removed_count], all, count * sizeof(*all));
	r->removed_count += count;
}

static void post(struct replay *r, const struct sim_trace_line *line)
{
	struct domain *d = find_domain(r, line->domain);
	struct entry *entry = &r->batch[r->batch_count++];

	memset(entry, 0, sizeof(*entry));
	entry->line = line;
	entry->outcome.result = VIOMMU_E_NOENT;
	if (line->type == 'M') {
		const struct sim_oracle_mapping mapping = { line->first, line->last, line->phys, line->flags };

		if (d != NULL)
			entry->outcome.result =
				viommu_driver_map(&d->driver, line->first, line->last, line->phys, line->flags);
		entry->expected = sim_oracle_map(&r->oracle, line->domain, &mapping);
	} else {
		if (d != NULL)
			entry->outcome.result = viommu_driver_unmap(&d->driver, line->first, line->last);
		remember_removed(r, entry);
		entry->expected = sim_oracle_unmap(&r->oracle, line->domain, line->first, line->last);
	}
	if (r->result->max_live_mappings < r->oracle.live)
		r->result->max_live_mappings = r->oracle.live;
}

/* The failed request that this is, if it is in the batch. */
static bool attribute(struct replay *r, const struct viommu_driver_failure *what)
{
	for (uint32_t i = 0; i < r->batch_count; i++) {
		struct entry *entry = &r->batch[i];
		uint8_t type = entry->line->type == 'M' ? VIOMMU_T_MAP : VIOMMU_T_UNMAP;

		if (entry->outcome.result == VIOMMU_OK && type == what->type && entry->line->first == what->first &&
		    entry->line->last == what->last) {
			entry->outcome.result = what->result;
			entry->outcome.answered = what->result == VIOMMU_E_REJECTED;
			entry->outcome.status = what->status;
			return true;
		}
	}
	return false;
}

/* One sync for the batch, which tells what became of each request. */
static void complete(struct replay *r)
{
	const struct sim_trace_line *line = r->batch[r->batch_count - 1].line;
	struct domain *d = find_domain(r, line->domain);
	struct sim_machine_failure failure;
	enum viommu_result result;
	bool attributed = false;

	if (d == NULL)
		return;
	result = viommu_driver_sync(&d->driver, NULL);
	while (sim_machine_take_failure(r->machine, &failure)) {
		if (attribute(r, &failure.what))
			attributed = true;
		else
			sim_prover_disagree(&r->prover, line,
					    "the driver says that %s %" PRIx64 " %" PRIx64 " failed, %s",
					    sim_request_name(failure.what.type), failure.what.first, failure.what.last,
					    sim_result_name(failure.what.result));
	}
	if (r->machine->failures_lost > 0)
		sim_prover_disagree(&r->prover, line, "%" PRIu32 " more requests failed", r->machine->failures_lost);
	r->machine->failures_lost = 0;
	if (result != VIOMMU_OK && !attributed)
		sim_prover_disagree(&r->prover, line, "the driver's sync says %s", sim_result_name(result));
}

static void prove(struct replay *r, const struct entry *entry)
{
	const struct sim_trace_line *line = entry->line;

	if (line->type == 'M') {
		const struct sim_oracle_mapping mapping = { line->first, line->last, line->phys, line->flags };

		sim_prover_mapped(&r->prover, line, line->domain, &mapping);
		return;
	}
	for (size_t i = 0; i < entry->removed_count; i++)
		sim_prover_unmapped(&r->prover, line, line->domain, &r->removed[entry->removed + i]);
}

static void flush(struct replay *r)
{
	if (r->batch_count == 0)
		return;
	complete(r);
	for (uint32_t i = 0; i < r->batch_count; i++) {
		const struct entry *entry = &r->batch[i];

		disturb(r, entry->line);
		if (judge(r, entry->line, entry->outcome, entry->expected))
			prove(r, entry);
		sim_prover_quiet(&r->prover, entry->line);
	}
	r->batch_count = 0;
	r->removed_count = 0;
}

static bool joins_batch(const struct replay *r, const struct sim_trace_line *line)
{
	const struct sim_trace_line *first = r->batch[0].line;

	return r->batch_count < r->options->batch && first->type == line->type && first->domain == line->domain;
}

/* Lines */

static void run_line(struct replay *r, const struct sim_trace_line *line)
{
	static const char letters[VIOMMU_T_COUNT + 1] = "TADMUP"; /* by request type; T is none */
	size_t type = (size_t)(strchr(letters, line->type) - letters);

	if (line->type == 'T')
		r->result->translations++;
	else
		r->result->requests[type]++;
	if (r->batch_count > 0 && !joins_batch(r, line))
		flush(r);
	switch (line->type) {
	case 'M':
	case 'U':
		post(r, line);
		if (r->batch_count == r->options->batch)
			flush(r);
		return;
	case 'P':
		run_probe(r, line);
		break;
	case 'T':
		disturb(r, line);
		sim_prover_lookup(&r->prover, line, line->endpoint, line->first, line->flags);
		break;
	default:
		run_move(r, line);
		break;
	}
	sim_prover_quiet(&r->prover, line);
}

static void show_progress(const struct replay *r, const struct sim_trace *trace, size_t at)
{
	if (r->options->progress == NULL || at % PROGRESS_LINES != 0)
		return;
	fprintf(r->options->progress, SIM_PROVER_CLEAR_LINE "%s: line %zu of %zu", trace->name, at, trace->count);
	fflush(r->options->progress);
}

/* The device is saved, and goes on as another one. False: it cannot. */
static bool take_snapshot(struct replay *r, const struct sim_trace_line *line)
{
	size_t len = 0;
	enum viommu_result result = sim_machine_move(r->machine, &r->config, &len);

	if (result != VIOMMU_OK) {
		sim_prover_disagree(&r->prover, line, "the device is not restored: %s", sim_result_name(result));
		return false;
	}
	if (!sim_machine_check(r->machine))
		sim_prover_disagree(&r->prover, line, "the device that was restored contradicts itself");
	r->result->snapshots++;
	if (r->result->max_snapshot < len)
		r->result->max_snapshot = len;
	return true;
}

/* One mapping of the record is as the oracle has it. `proves`: bytes are moved through it, too. */
static bool compare_mapping(struct replay *r, const struct sim_trace_line *line, const struct domain *d,
			    const struct viommu_mapping *m, bool proves)
{
	const struct sim_oracle_mapping *o;
	size_t count;

	o = sim_oracle_overlaps(&r->oracle, d->id, m->first, m->last, &count);
	if (o == NULL || count != 1 || o->first != m->first || o->last != m->last || o->phys != m->phys ||
	    o->flags != m->flags) {
		sim_prover_disagree(&r->prover, line, "the driver has kept %" PRIx64 " %" PRIx64 ", the oracle has not",
				    m->first, m->last);
		return false;
	}
	if (proves) {
		const struct sim_oracle_mapping mapping = *o;

		sim_prover_mapped(&r->prover, line, d->id, &mapping);
	}
	return true;
}

/* The device's domain of this number, as long as it lives. */
static const struct viommu_domain *device_domain(const struct viommu_device *device, uint32_t id)
{
	for (uint32_t i = 0; i < 2 * device->max_domains; i++) {
		if (device->domains[i].endpoints != NULL && device->domains[i].id == id)
			return &device->domains[i];
	}
	return NULL;
}

/* The device's mappings of a domain are those of the driver's record, and there are no others. */
static bool compare_halves(struct replay *r, const struct sim_trace_line *line, struct domain *d)
{
	const struct viommu_domain *device = device_domain(&r->machine->device, d->id);
	struct viommu_mapping a = { 0 };
	struct viommu_mapping b = { 0 };
	uint64_t from = 0;
	bool more = device != NULL;

	while (more) {
		more = viommu_driver_next_mapping(&d->driver, from, &a);
		if (viommu_map_next(&device->map, from, &b) != more ||
		    (more && (a.first != b.first || a.last != b.last || a.phys != b.phys || a.flags != b.flags))) {
			device = NULL;
			break;
		}
		more = more && a.last != UINT64_MAX;
		from = a.last + 1;
	}
	if (device == NULL)
		sim_prover_disagree(&r->prover, line,
				    "in domain %" PRIx32 " the device has not what the driver has, from %" PRIx64 " on",
				    d->id, from);
	return device != NULL;
}

/* All records; one mapping in so many is proved. */
static void compare_records(struct replay *r, const struct sim_trace_line *line, uint32_t one_in)
{
	uint64_t total = 0;
	bool agrees = true;

	for (struct domain *d = r->domains; d != NULL && agrees; d = d->next) {
		struct viommu_mapping m = { 0 };
		uint64_t from = 0;

		agrees = compare_halves(r, line, d);
		while (agrees && viommu_driver_next_mapping(&d->driver, from, &m)) {
			agrees = compare_mapping(r, line, d, &m, total++ % one_in == 0);
			if (m.last == UINT64_MAX)
				break;
			from = m.last + 1;
		}
	}
	if (agrees && total != r->oracle.live)
		sim_prover_disagree(&r->prover, line, "the driver has %" PRIu64 " mappings, the oracle %" PRIu64, total,
				    (uint64_t)r->oracle.live);
}

/* The device fails and loses everything; the driver notices, and puts it all back. False: it cannot. */
static bool fail_and_recover(struct replay *r, const struct sim_trace_line *line)
{
	enum viommu_result result;

	viommu_registers_needs_reset(viommu_pump_registers(&r->machine->pump));
	if (viommu_driver_look(&r->machine->driver) != VIOMMU_E_BROKEN)
		sim_prover_disagree(&r->prover, line, "the driver does not see that the device needs a reset");
	result = viommu_driver_recover(&r->machine->driver);
	if (result != VIOMMU_OK) {
		sim_prover_disagree(&r->prover, line, "the driver does not recover: %s", sim_result_name(result));
		return false;
	}
	if (!sim_machine_check(r->machine))
		sim_prover_disagree(&r->prover, line, "after a recovery the library contradicts itself");
	compare_records(r, line, PROVED_ONE_IN);
	r->result->recoveries++;
	return true;
}

static bool is_due(uint32_t every, size_t lines)
{
	return every != 0 && lines % every == 0;
}

static bool run_lines(struct replay *r, const struct sim_trace *trace, struct sim_error *error)
{
	const char *trouble = NULL;
	size_t i;

	for (i = 0; i < trace->count && trouble == NULL; i++) {
		show_progress(r, trace, i);
		run_line(r, &trace->lines[i]);
		if (i + 1 == trace->count)
			flush(r);
		if (r->out_of_memory)
			trouble = "not enough memory";
		else if (r->machine->ram.exhausted)
			trouble = "the trace touches more guest memory than the machine can have";
		else if (is_due(r->options->snapshot_every, i + 1) && !take_snapshot(r, &trace->lines[i]))
			trouble = "the device cannot be saved and restored";
		else if (is_due(r->options->recover_every, i + 1) && !fail_and_recover(r, &trace->lines[i]))
			trouble = "the driver cannot recover";
	}
	if (trouble == NULL && trace->count != 0 && r->options->recover_every != 0)
		compare_records(r, &trace->lines[trace->count - 1], 1);
	if (r->options->progress != NULL)
		fputs(SIM_PROVER_CLEAR_LINE, r->options->progress);
	if (trouble != NULL)
		snprintf(error->text, sizeof(error->text), "%.400s:%" PRIu32 ": %s", trace->name,
			 trace->lines[i - 1].number, trouble);
	return trouble == NULL;
}

/* The machine */

/* A mapping of one granule takes at most two nodes, and larger ones rarely more; what is not touched costs nothing. */
static uint32_t map_nodes(const struct sim_trace *trace)
{
	size_t nodes = 4096;

	for (size_t i = 0; i < trace->count && nodes < (1u << 22); i++)
		nodes += trace->lines[i].type == 'M' ? 4 : 0;
	return (uint32_t)nodes;
}

static void record(void *ctx, const struct viommu_trace_event *event)
{
	struct sim_trace_line line;
	char text[128];

	if (!sim_trace_line_of(event, &line))
		return;
	sim_trace_format(&line, text, sizeof(text));
	fprintf(ctx, "%s\n", text);
}

static bool build(struct replay *r, const struct sim_trace *trace, struct sim_error *error)
{
	struct sim_machine_config machine = SIM_MACHINE_CONFIG_INIT;
	struct sim_oracle_config oracle = { 0 };
	enum viommu_result result = VIOMMU_E_NOMEM;

	r->machine = calloc(1, sizeof(*r->machine));
	r->batch = calloc(r->options->batch, sizeof(*r->batch));
	r->ids = sim_trace_endpoints(trace, &r->count);
	r->endpoints = calloc(r->count + (size_t)1, sizeof(*r->endpoints));
	if (r->machine != NULL && r->batch != NULL && r->ids != NULL && r->endpoints != NULL &&
	    sim_trace_free_physical(trace, SHARED_ROOM, &machine.shared_base)) {
		for (uint32_t i = 0; i < r->count; i++)
			r->endpoints[i].id = r->ids[i];
		machine.endpoints = r->ids;
		machine.endpoint_count = r->count;
		machine.transport = r->options->transport;
		machine.seed = r->options->seed;
		machine.queue_size = r->options->queue_size;
		machine.map_nodes = map_nodes(trace);
		machine.ram_pieces = 1u << 18;
		machine.ram_copied = r->options->ram_copied;
		if (r->options->record != NULL) {
			machine.trace = record;
			machine.trace_ctx = r->options->record;
		}
		r->config = machine;
		result = sim_machine_init(r->machine, &machine);
		if (result == VIOMMU_OK)
			result = sim_machine_start(r->machine);
	}
	oracle.granule = machine.page_size_mask & (~machine.page_size_mask + 1);
	oracle.input_range = machine.input_range;
	oracle.msi = sim_machine_msi_region[0].range;
	oracle.bypass = machine.bypass != 0;
	if (result == VIOMMU_OK && !sim_oracle_init(&r->oracle, &oracle, r->ids, r->count))
		result = VIOMMU_E_NOMEM;
	if (result != VIOMMU_OK)
		snprintf(error->text, sizeof(error->text), "%.400s: the machine does not start: %s", trace->name,
			 sim_result_name(result));
	r->prover = (struct sim_prover){
		.machine = r->machine,
		.oracle = &r->oracle,
		.result = r->result,
		.name = trace->name,
		.log = r->options->log,
		.progress = r->options->progress,
		.random = { ~r->options->seed },
	};
	return result == VIOMMU_OK;
}

static void free_domains(struct domain *d)
{
	while (d != NULL) {
		struct domain *next = d->next;

		free(d);
		d = next;
	}
}

static void tear_down(struct replay *r)
{
	sim_oracle_deinit(&r->oracle);
	if (r->machine != NULL)
		sim_machine_deinit(r->machine);
	free(r->machine);
	free_domains(r->domains);
	free_domains(r->stuck);
	free(r->batch);
	free(r->removed);
	free(r->endpoints);
	free(r->ids);
}

static void collect_result(struct replay *r)
{
	const struct viommu_driver_stats *stats = viommu_driver_get_stats(&r->machine->driver);

	for (unsigned i = 0; i < VIOMMU_S_COUNT; i++)
		r->result->statuses[i] = stats->statuses[i];
	r->result->kicks = r->machine->transport.kicks[VIOMMU_QUEUE_REQUEST];
}

bool sim_replay_run(const struct sim_trace *trace, const struct sim_replay_options *options,
		    struct sim_replay_result *result, struct sim_error *error)
{
	struct replay r = { .options = options, .result = result };
	struct timespec start, end;
	bool ok;

	memset(result, 0, sizeof(*result));
	clock_gettime(CLOCK_MONOTONIC, &start);
	ok = build(&r, trace, error) && run_lines(&r, trace, error);
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (ok && !sim_machine_check(r.machine)) {
		snprintf(error->text, sizeof(error->text), "%.400s: the library contradicts itself", trace->name);
		ok = false;
	}
	if (ok)
		collect_result(&r);
	result->seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9;
	tear_down(&r);
	return ok;
}
