/* SPDX-License-Identifier: BSD-3-Clause */
/* workload_replay.c: the recorded traces of sim/traces, through the device. README.md says what each workload is. */
#include "replay/replay.h"
#include "workload.h"

#include "sim/oracle.h"
#include "sim/trace.h"

#include <viommu/access.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_SIZE 512u /* as VIOMMU_DEVICE_CONFIG_INIT has it */

/* A trace, as long as somebody replays it. */
struct trace {
	const char *name;
	uint32_t alive; /* of its mappings, together, at most */
	uint32_t users;
	struct bench_replay_steps steps;
};

struct replay_state {
	const struct bench_replay_ops *ops;
	struct trace *trace;
	void *replay;
};

/* Encodes a line. False: the oracle does not know it, or would not have answered OK. */
static bool take_request(struct bench_replay_step *step, const struct sim_trace_line *line, struct sim_oracle *oracle)
{
	const struct sim_oracle_mapping mapping = { line->first, line->last, line->phys, line->flags };
	struct viommu_wire_request r = { .type = VIOMMU_T_PROBE };
	enum viommu_status status;

	step->written = VIOMMU_WIRE_TAIL_SIZE;
	switch (line->type) {
	case 'P':
		r.u.probe.endpoint = line->endpoint;
		step->written += PROBE_SIZE;
		status = sim_oracle_probe(oracle, line->endpoint);
		break;
	case 'A':
		r.type = VIOMMU_T_ATTACH;
		r.u.attach.domain = line->domain;
		r.u.attach.endpoint = line->endpoint;
		r.u.attach.flags = line->flags;
		status = sim_oracle_attach(oracle, line->domain, line->endpoint, line->flags);
		break;
	case 'D':
		r.type = VIOMMU_T_DETACH;
		r.u.detach.domain = line->domain;
		r.u.detach.endpoint = line->endpoint;
		status = sim_oracle_detach(oracle, line->domain, line->endpoint);
		break;
	case 'M':
		r.type = VIOMMU_T_MAP;
		r.u.map.domain = line->domain;
		r.u.map.virt_start = line->first;
		r.u.map.virt_end = line->last;
		r.u.map.phys_start = line->phys;
		r.u.map.flags = line->flags;
		status = sim_oracle_map(oracle, line->domain, &mapping);
		break;
	default:
		r.type = VIOMMU_T_UNMAP;
		r.u.unmap.domain = line->domain;
		r.u.unmap.virt_start = line->first;
		r.u.unmap.virt_end = line->last;
		status = sim_oracle_unmap(oracle, line->domain, line->first, line->last);
		break;
	}
	step->request_len = (uint32_t)viommu_wire_request_encode(&r, step->request, sizeof(step->request));
	return status == VIOMMU_S_OK;
}

/* An address lookup. The endpoint becomes its place among the endpoints. */
static bool take_lookup(struct bench_replay_step *step, const struct sim_trace_line *line,
			const struct sim_oracle *oracle, const struct bench_replay_steps *steps)
{
	const struct sim_oracle_answer answer = sim_oracle_translate(oracle, line->endpoint, line->first, line->flags);

	while (step->endpoint < steps->endpoint_count && steps->endpoints[step->endpoint] != line->endpoint)
		step->endpoint++;
	step->iova = line->first;
	step->access = line->flags;
	step->gpa = answer.gpa;
	return answer.ok;
}

static bool take_lines(struct bench_replay_steps *steps, const struct sim_trace *trace)
{
	const struct sim_oracle_config config = {
		.granule = 4096,
		.input_range = { 0, UINT64_MAX },
		.msi = { 0xfee00000, 0xfeefffff },
	};
	struct sim_oracle oracle;
	bool ok = true;

	if (!sim_oracle_init(&oracle, &config, steps->endpoints, steps->endpoint_count))
		return false;
	for (size_t i = 0; i < trace->count && ok; i++) {
		const struct sim_trace_line *line = &trace->lines[i];
		struct bench_replay_step *step = &steps->steps[steps->count];

		/* The doorbell of the interrupts passes the map by. */
		if (line->type == 'T' && line->first >= config.msi.first && line->first <= config.msi.last)
			continue;
		ok = line->type == 'T' ? take_lookup(step, line, &oracle, steps) : take_request(step, line, &oracle);
		steps->nodes += line->type == 'M' ? 4 : 0;
		steps->count++;
	}
	sim_oracle_deinit(&oracle);
	return ok;
}

static bool load(struct bench_replay_steps *steps, const char *name)
{
	struct sim_trace trace;
	struct sim_error error;
	char path[1024];
	bool ok;

	snprintf(path, sizeof(path), "%s/%s.txt.gz", BENCH_TRACES, name);
	if (!sim_trace_load(&trace, path, &error)) {
		fprintf(stderr, "%s\n", error.text);
		return false;
	}
	steps->nodes = 64;
	steps->steps = calloc(trace.count, sizeof(*steps->steps));
	steps->endpoints = sim_trace_endpoints(&trace, &steps->endpoint_count);
	ok = steps->steps != NULL && steps->endpoints != NULL && take_lines(steps, &trace);
	sim_trace_deinit(&trace);
	return ok;
}

static void replay_teardown(void *state)
{
	struct replay_state *s = state;

	if (s->replay != NULL)
		s->ops->close(s->replay);
	if (--s->trace->users == 0) {
		free(s->trace->steps.endpoints);
		free(s->trace->steps.steps);
		s->trace->steps = (struct bench_replay_steps){ .count = 0 };
	}
	free(s);
}

static void *replay_setup(struct trace *trace, const struct bench_structure *structure, uint32_t n,
			  struct bench_facts *facts)
{
	struct replay_state *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->ops = structure == &bench_structures[0] ? &bench_replay : &bench_replay_over;
	s->trace = trace;
	trace->users++;
	if (n == trace->alive && (trace->steps.count > 0 || load(&trace->steps, trace->name)))
		s->replay = s->ops->open(&trace->steps, structure);
	if (s->replay == NULL) {
		replay_teardown(s);
		return NULL;
	}
	facts->operations = trace->steps.count;
	return s;
}

static bool replay_prepare(void *state)
{
	struct replay_state *s = state;

	s->ops->reset(s->replay);
	return true;
}

static bool replay_run(void *state, uint64_t iterations)
{
	struct replay_state *s = state;

	return iterations == 1 && s->ops->run(s->replay);
}

/* Its n is how many of its mappings are alive together at most. It has that one only. */
#define TRACE(id, file, most)                                                                                          \
	static void *setup_##id(const struct bench_structure *structure, uint32_t n, struct bench_facts *facts)        \
	{                                                                                                              \
		static struct trace trace = { .name = file, .alive = most };                                           \
		return replay_setup(&trace, structure, n, facts);                                                      \
	}
TRACE(boot, "boot", 49)
TRACE(vblk_strict, "vblk-strict", 69)
TRACE(vblk_lazy, "vblk-lazy", 84)
TRACE(nvme_strict, "nvme-strict", 375)
TRACE(nvme_lazy, "nvme-lazy", 249)
TRACE(vfio_dpdk, "vfio-dpdk", 519)
TRACE(lookup_mixed_strict, "lookup-mixed-strict", 103)

#define REPLAY(id, which)                                                                                              \
	{                                                                                                              \
		.name = which, .setup = setup_##id, .prepare = replay_prepare, .run = replay_run,                      \
		.teardown = replay_teardown                                                                            \
	}

const struct bench_workload bench_replay_workloads[] = {
	REPLAY(boot, "replay-boot"),
	REPLAY(vblk_strict, "replay-vblk-strict"),
	REPLAY(vblk_lazy, "replay-vblk-lazy"),
	REPLAY(nvme_strict, "replay-nvme-strict"),
	REPLAY(nvme_lazy, "replay-nvme-lazy"),
	REPLAY(vfio_dpdk, "replay-vfio-dpdk"),
	REPLAY(lookup_mixed_strict, "replay-lookup-mixed-strict"),
	{ .name = NULL },
};
