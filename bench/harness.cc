/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * harness.cc: hands the workloads to Google Benchmark. What is measured is called through a C interface.
 *
 *     viommu-bench                              prints "WORKLOAD SUBJECT MAPPINGS_MAX" for all that there is
 *     viommu-bench WORKLOAD[,WORKLOAD] N ROUNDS measures; options of Google Benchmark may stand anywhere
 *
 * A subject is a structure, or a pair of halves of a ring. Each subject is a benchmark of its own in each round,
 * "workload/subject/n/round:r", and Google Benchmark runs them in the order in which they are registered: in a round
 * all subjects run once, one directly after the other and each round in another order. So what disturbs the machine
 * for a while disturbs all of them, and the ratios within a round stay what they are when nanoseconds do not. What
 * setup made is there for all rounds: to set up a million mappings takes longer than to measure them.
 */
#include "workload.h"

#include <benchmark/benchmark.h>

#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <sstream>
#include <string>

namespace
{
struct subject {
	std::string name; /* "workload/subject/n" */
	std::function<void *(bench_facts *)> setup;
	bool (*prepare)(void *state);
	bool (*run)(void *state, uint64_t iterations);
	void (*teardown)(void *state);
	bool (*start)(void *state);
	bool (*stop)(void *state);
	bool waits;
	bench_facts facts;
	void *state;
};

/* Operations of the prepared runs of one round, unless a single run has more. */
constexpr uint32_t prepared_operations = 20000;

const bench_workload *const lists[] = { bench_map_workloads, bench_reader_workloads, bench_request_workloads,
					bench_replay_workloads };

/* Alone, and beside another thread that does the same. */
struct driver_workload {
	const char *name;
	bool beside;
	bool dear;
};

constexpr driver_workload driver_workloads[] = { { "driver-pairs", false, false },
						 { "driver-pairs-exit", false, true },
						 { "driver-pairs-2", true, false },
						 { "driver-pairs-exit-2", true, true } };

std::deque<subject> subjects;

/* Google Benchmark reports a failed one and exits with success; this program does not. */
bool failed;

void fail(benchmark::State &state, const char *what)
{
	failed = true;
	state.SkipWithError(what);
}

/*
 * All iterations in one call, so that the loop of Google Benchmark costs nothing per iteration. Before it a quarter of
 * them that is not measured, in which the caches forget the subject before.
 */
bool run_steadily(benchmark::State &state, const subject &s)
{
	const benchmark::IterationCount all = state.max_iterations;
	bool ok = s.start == nullptr || s.start(s.state);

	if (!ok)
		return false;
	ok = s.run(s.state, static_cast<uint64_t>(all / 4 + 1));
	while (ok && state.KeepRunningBatch(all))
		ok = s.run(s.state, static_cast<uint64_t>(all));
	return (s.stop == nullptr || s.stop(s.state)) && ok;
}

/* As often as makes enough operations, in one iteration of Google Benchmark. To prepare a run can take far longer. */
bool run_prepared(benchmark::State &state, const subject &s, uint32_t runs)
{
	while (state.KeepRunning()) {
		for (uint32_t i = 0; i < runs; i++) {
			state.PauseTiming();
			const bool prepared = s.prepare(s.state);
			state.ResumeTiming();
			if (!prepared || !s.run(s.state, 1))
				return false;
		}
	}
	return true;
}

void measure(benchmark::State &state, subject &s)
{
	uint32_t runs = 1;

	if (s.state == nullptr)
		s.state = s.setup(&s.facts);
	if (s.state == nullptr) {
		fail(state, "setup failed");
		return;
	}
	if (s.prepare != nullptr && s.facts.operations < prepared_operations)
		runs = prepared_operations / s.facts.operations;
	if (!(s.prepare == nullptr ? run_steadily(state, s) : run_prepared(state, s, runs))) {
		fail(state, "run failed");
		return;
	}
	state.counters["operations"] = static_cast<double>(s.facts.operations) * runs;
	state.counters["bytes_per_mapping"] = s.facts.bytes_per_mapping;
}

void register_rounds(uint32_t rounds)
{
	for (uint32_t round = 0; round < rounds; round++) {
		for (size_t i = 0; i < subjects.size(); i++) {
			subject &s = subjects[(i + round) % subjects.size()];
			benchmark::internal::Benchmark *b =
				benchmark::RegisterBenchmark((s.name + "/round:" + std::to_string(round)).c_str(),
							     [&s](benchmark::State &state) { measure(state, s); });

			if (s.prepare != nullptr)
				b->Iterations(1);
			if (s.waits)
				b->UseRealTime();
		}
	}
}

std::string full_name(const char *workload, const char *name, uint32_t n)
{
	return std::string(workload) + "/" + name + "/" + std::to_string(n);
}

/* False: there is no such workload. */
bool add(const std::string &name, uint32_t n)
{
	for (const bench_workload *list : lists) {
		for (const bench_workload *w = list; w->name != nullptr; w++) {
			if (name != w->name)
				continue;
			for (const bench_structure *b = bench_structures; b->name != nullptr; b++) {
				if (n > b->mappings_max)
					continue;
				subjects.push_back({ full_name(w->name, b->name, n),
						     [=](bench_facts *facts) { return w->setup(b, n, facts); },
						     w->prepare,
						     w->run,
						     w->teardown,
						     w->start,
						     w->stop,
						     w->waits,
						     { 1, 0 },
						     nullptr });
			}
			return true;
		}
	}
	for (const bench_ring_workload *w = bench_ring_workloads; w->name != nullptr; w++) {
		if (name != w->name || n > BENCH_RING_BATCH_MAX)
			continue;
		for (const bench_ring_pair *p = bench_ring_pairs; p->name != nullptr; p++) {
			subjects.push_back({ full_name(w->name, p->name, n),
					     [=](bench_facts *facts) { return w->setup(w, p, n, facts); },
					     nullptr,
					     w->run,
					     w->teardown,
					     nullptr,
					     nullptr,
					     w->waits,
					     { 1, 0 },
					     nullptr });
		}
		return true;
	}
	for (const driver_workload &w : driver_workloads) {
		if (name != w.name || n > BENCH_DRIVER_BATCH_MAX)
			continue;
		for (uint32_t way = 0; bench_driver_name(way) != nullptr; way++) {
			subjects.push_back({ full_name(w.name, bench_driver_name(way), n),
					     [way, n, &w](bench_facts *facts) {
						     return bench_driver_setup(way, n, w.dear, facts);
					     },
					     nullptr,
					     bench_driver_run,
					     bench_driver_teardown,
					     w.beside ? bench_driver_start : nullptr,
					     w.beside ? bench_driver_stop : nullptr,
					     w.beside,
					     { 1, 0 },
					     nullptr });
		}
		return true;
	}
	return false;
}

int list()
{
	for (const bench_workload *list : lists) {
		for (const bench_workload *w = list; w->name != nullptr; w++) {
			for (const bench_structure *b = bench_structures; b->name != nullptr; b++)
				std::printf("%s %s %u\n", w->name, b->name, b->mappings_max);
		}
	}
	for (const bench_ring_workload *w = bench_ring_workloads; w->name != nullptr; w++) {
		for (const bench_ring_pair *p = bench_ring_pairs; p->name != nullptr; p++)
			std::printf("%s %s %u\n", w->name, p->name, BENCH_RING_BATCH_MAX);
	}
	for (const driver_workload &w : driver_workloads) {
		for (uint32_t way = 0; bench_driver_name(way) != nullptr; way++)
			std::printf("%s %s %u\n", w.name, bench_driver_name(way), BENCH_DRIVER_BATCH_MAX);
	}
	return 0;
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
	if (argc == 1)
		return list();

	const auto n = static_cast<uint32_t>(argc == 4 ? std::strtoul(argv[2], nullptr, 10) : 0);
	const auto rounds = static_cast<uint32_t>(argc == 4 ? std::strtoul(argv[3], nullptr, 10) : 0);
	if (n == 0 || rounds == 0) {
		std::fprintf(stderr, "usage: viommu-bench [WORKLOAD[,WORKLOAD] N ROUNDS] [--benchmark_...]\n");
		return 2;
	}
	std::istringstream names(argv[1]);
	for (std::string name; std::getline(names, name, ',');) {
		if (!add(name, n)) {
			std::fprintf(stderr, "viommu-bench: no workload '%s' of this size\n", name.c_str());
			return 2;
		}
	}
	register_rounds(rounds);
	if (benchmark::RunSpecifiedBenchmarks() == 0)
		failed = true;
	for (const subject &s : subjects) {
		if (s.state != nullptr)
			s.teardown(s.state);
	}
	benchmark::Shutdown();
	return failed ? 1 : 0;
}
