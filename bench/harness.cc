/* SPDX-License-Identifier: BSD-3-Clause */
/* harness.cc: the program around the benchmarks. The only C++ in the tree; what is measured is C and is called as C. */
#include "bench.h"

#include <benchmark/benchmark.h>

#include <string>

/* Google Benchmark reports a failed case and exits with success; this program does not. */
static bool failed;

static void measure(benchmark::State &state, const struct bench_case *c, uint32_t arg)
{
	const benchmark::IterationCount items =
		c->items_per_arg != 0 ? benchmark::IterationCount{ c->items_per_arg } * arg : 1;
	const benchmark::IterationCount batch = state.max_iterations;
	void *workload = c->setup(arg);

	if (workload == nullptr) {
		failed = true;
		state.SkipWithError("setup failed");
		return;
	}
	/* All iterations in one call, so that the loop of this library costs nothing per iteration. */
	while (state.KeepRunningBatch(batch)) {
		if (!c->run(workload, static_cast<uint64_t>(batch))) {
			failed = true;
			state.SkipWithError("run failed");
			break;
		}
	}
	c->teardown(workload);
	state.SetItemsProcessed(state.iterations() * items);
	state.counters["per_item"] = benchmark::Counter(static_cast<double>(state.iterations() * items),
							benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

static void add(const struct bench_case *cases)
{
	for (const struct bench_case *c = cases; c->name != nullptr; c++) {
		for (uint32_t i = 0; i < BENCH_ARGS_MAX && c->args[i] != 0; i++) {
			const uint32_t arg = c->args[i];
			const std::string name = std::string(c->name) + "/" + std::to_string(arg);

			benchmark::RegisterBenchmark(name.c_str(),
						     [c, arg](benchmark::State &state) { measure(state, c, arg); });
		}
	}
}

int main(int argc, char **argv)
{
	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv))
		return 2;
	add(bench_request_cases);
	add(bench_translate_cases);
	if (benchmark::RunSpecifiedBenchmarks() == 0)
		failed = true;
	benchmark::Shutdown();
	return failed ? 1 : 0;
}
