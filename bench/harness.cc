/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * harness.cc: hands the workloads to Google Benchmark. What is measured is called through a C interface.
 *
 * Repetitions of different structures take turns (--benchmark_enable_random_interleaving), so what setup made stays
 * until the program ends: to set up a million mappings takes longer than to measure them.
 */
#include "workload.h"

#include <benchmark/benchmark.h>

#include <malloc.h>

#include <functional>
#include <list>
#include <string>

namespace
{
struct measurement {
	std::function<void *(bench_facts *)> setup;
	bool (*prepare)(void *state);
	bool (*run)(void *state, uint64_t iterations);
	void (*teardown)(void *state);
	bench_facts facts;
	void *state;
	bool (*start)(void *state) = nullptr;
	bool (*stop)(void *state) = nullptr;
};

std::list<measurement> measurements;

/* Mappings that the prepared iterations of one repetition make, or remove, in each map. */
constexpr uint32_t prepared_mappings = 40000;

/* Google Benchmark reports a failed one and exits with success; this program does not. */
bool failed;

void fail(benchmark::State &state, const char *what)
{
	failed = true;
	state.SkipWithError(what);
}

/* All iterations in one call, so that the loop of Google Benchmark costs nothing per iteration. */
void run_steadily(benchmark::State &state, const measurement &m)
{
	const benchmark::IterationCount all = state.max_iterations;

	while (state.KeepRunningBatch(all)) {
		if (!m.run(m.state, static_cast<uint64_t>(all))) {
			fail(state, "run failed");
			return;
		}
	}
}

/* With what is to happen beside it, which takes its time to begin. */
void run_beside(benchmark::State &state, const measurement &m)
{
	const benchmark::IterationCount all = state.max_iterations;

	while (state.KeepRunningBatch(all)) {
		state.PauseTiming();
		bool ok = m.start(m.state);
		state.ResumeTiming();
		ok = ok && m.run(m.state, static_cast<uint64_t>(all));
		state.PauseTiming();
		ok = m.stop(m.state) && ok;
		state.ResumeTiming();
		if (!ok) {
			fail(state, "run failed");
			return;
		}
	}
}

void run_prepared(benchmark::State &state, const measurement &m)
{
	while (state.KeepRunning()) {
		state.PauseTiming();
		const bool prepared = m.prepare(m.state);
		state.ResumeTiming();
		if (!prepared || !m.run(m.state, 1)) {
			fail(state, "run failed");
			return;
		}
	}
}

void measure(benchmark::State &state, measurement &m)
{
	if (m.state == nullptr)
		m.state = m.setup(&m.facts);
	if (m.state == nullptr) {
		fail(state, "setup failed");
		return;
	}
	if (m.start != nullptr)
		run_beside(state, m);
	else if (m.prepare == nullptr)
		run_steadily(state, m);
	else
		run_prepared(state, m);
	state.counters["operations"] = m.facts.operations;
	state.counters["bytes_per_mapping"] = m.facts.bytes_per_mapping;
}

benchmark::internal::Benchmark *add(const std::string &name, const measurement &what)
{
	measurements.push_back(what);
	measurement &m = measurements.back();
	return benchmark::RegisterBenchmark(name.c_str(), [&m](benchmark::State &state) { measure(state, m); });
}

void add(const bench_workload *workloads)
{
	for (const bench_workload *w = workloads; w->name != nullptr; w++) {
		for (const uint32_t n : { 100u, 10000u, 1000000u }) {
			for (const bench_structure *s = bench_structures; s->name != nullptr; s++) {
				if (n > s->mappings_max)
					continue;
				benchmark::internal::Benchmark *b =
					add(std::string(w->name) + "/" + s->name + "/" + std::to_string(n),
					    { [=](bench_facts *facts) { return w->setup(s, n, facts); },
					      w->prepare,
					      w->run,
					      w->teardown,
					      { 1, 0 },
					      nullptr,
					      w->start,
					      w->stop });

				/* To prepare an iteration can take far longer than to run it: then not as many as fit. */
				if (w->prepare != nullptr)
					b->Iterations(n < prepared_mappings ? prepared_mappings / n : 1);
				if (w->waits)
					b->UseRealTime();
			}
		}
	}
}

void add(const bench_ring_workload *workloads)
{
	for (const bench_ring_workload *w = workloads; w->name != nullptr; w++) {
		for (const uint32_t batch : { 1u, BENCH_RING_BATCH_MAX }) {
			for (const bench_ring_pair *p = bench_ring_pairs; p->name != nullptr; p++) {
				benchmark::internal::Benchmark *b =
					add(std::string(w->name) + "/" + p->name + "/" + std::to_string(batch),
					    { [=](bench_facts *facts) { return w->setup(w, p, batch, facts); }, nullptr,
					      w->run, w->teardown, { 1, 0 }, nullptr });

				if (w->waits)
					b->UseRealTime();
			}
		}
	}
}
} // namespace

int main(int argc, char **argv)
{
	/* malloc keeps what it once had, so that no structure pays for pages of the operating system again and again. */
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	mallopt(M_TOP_PAD, 16 << 20);
	benchmark::AddCustomContext("c_compiler", BENCH_C_COMPILER);
	benchmark::AddCustomContext("cxx_compiler", BENCH_CXX_COMPILER);
	benchmark::AddCustomContext("rust_compiler", BENCH_RUST_COMPILER);
	benchmark::AddCustomContext("glib", BENCH_GLIB);
	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv))
		return 2;
	add(bench_map_workloads);
	add(bench_reader_workloads);
	add(bench_request_workloads);
	add(bench_ring_workloads);
	if (benchmark::RunSpecifiedBenchmarks() == 0)
		failed = true;
	for (const measurement &m : measurements) {
		if (m.state != nullptr)
			m.teardown(m.state);
	}
	benchmark::Shutdown();
	return failed ? 1 : 0;
}
