#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs viommu-bench and turns what it measured into build/bench/summary.json. Called by script/bench and the tests.

Each workload at each n is a process of its own, in which Google Benchmark runs all structures once in each round. A
figure is the median over the rounds; a ratio is taken within each round, and of these the median is told, with the
quartiles as its spread. For a workload of rings n is the length of a batch, and the halves of a ring stand where else
the structures do, as do drivers; for a trace it is how many of its mappings are alive at most.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import textwrap
from xml.etree import ElementTree

from plot import plot

MAPS = [
    "fill-sequential", "fill-topdown", "fill-random", "lookup-random", "lookup-independent", "lookup-sequential",
    "lookup-hot", "churn-pair", "topdown-churn", "ring-cycle", "unmap-wide", "unmap-churned", "mixed-fill",
    "mixed-lookup", "mixed-churn", "sparse-fill", "sparse-lookup", "sparse-churn",
]
REQUESTS = [
    "request-map-unmap", "ring-roundtrip", "translate-hot", "translate-cached", "translate-section",
    "translate-beside-owner", "translate-cached-beside-owner", "dma-cycle", "dma-cycle-cached",
]
READERS = ["read-alone", "read-beside-writer"]  # run together, so that they can be compared
WORKLOADS = [*MAPS, *REQUESTS, *READERS]
TRACES = {
    "replay-boot": 49, "replay-vblk-strict": 69, "replay-vblk-lazy": 84, "replay-lookup-mixed-strict": 103,
    "replay-nvme-lazy": 249, "replay-nvme-strict": 375, "replay-vfio-dpdk": 519,
}
WAITING = [*READERS, "translate-beside-owner", "translate-cached-beside-owner", "driver-pairs-2",
           "driver-pairs-exit-2"]
STRUCTURES = ["viommu", "gtree", "btreemap", "stdmap", "scan"]
SIZES = [100, 10000, 1000000]
LARGE = 10000000  # by --large
PLOTTED, PLOTTED_TOO = ["lookup-random", "churn-pair"], [1000, 100000]  # sizes between the others, for the plot
# Each run of a round is.
PREPARED = [
    "fill-sequential", "fill-topdown", "fill-random", "unmap-wide", "unmap-churned", "mixed-fill", "sparse-fill",
]
MEMORY = ["fill-sequential", "fill-topdown", "fill-random", "mixed-fill", "sparse-fill"]
RING_WORKLOADS = [threads + form for threads in ("", "threads-")
                  for form in ("direct", "direct-event", "indirect", "indirect-event")]
RINGS = ["viommu", "viommu-device", "copying", "in-place", "unchecked"]
BATCHES = [1, 32]
DRIVER_WORKLOADS = ["driver-pairs", "driver-pairs-exit", "driver-pairs-2", "driver-pairs-exit-2"]
DRIVERS = ["viommu", "viommu-lazy", "viommu-batched", "one-lock"]
DRIVER_AIMS = {"viommu": 2, "viommu-lazy": 4, "viommu-batched": 4}  # times as fast as one-lock
# Of the workloads with a thread more, which are the noisiest, --quick takes what the library's own driver and pump do.
QUICK_RINGS = [w for w in RING_WORKLOADS if not w.startswith("threads-") or w == "threads-indirect-event"]
WITHOUT_BYTES = [*REQUESTS, *READERS, *TRACES, *RING_WORKLOADS, *DRIVER_WORKLOADS]
MARKS = "<!-- results: written by script/bench --markdown -->\n", "<!-- end of results -->\n"

# What the library is to reach: workload, n, and how many times faster than which structure.
TARGETS = [
    ("lookup-random", 100, {"gtree": 6, "btreemap": 4.5}),
    ("lookup-random", 10000, {"gtree": 10, "btreemap": 5}),
    ("lookup-random", 1000000, {"gtree": 10, "btreemap": 3}),
    ("lookup-random", LARGE, {"gtree": 9, "btreemap": 2.8}),
    ("lookup-independent", 1000000, {"gtree": 30, "btreemap": 8}),
    ("lookup-sequential", 1000000, {"gtree": 7, "btreemap": 4}),
    ("lookup-hot", 1000000, {"gtree": 8, "btreemap": 3}),
    ("fill-sequential", 1000000, {"gtree": 4.5, "btreemap": 3}),
    ("fill-random", 1000000, {"gtree": 8, "btreemap": 2}),
    ("churn-pair", 10000, {"gtree": 8, "btreemap": 5, "scan": 300}),
    ("churn-pair", 1000000, {"gtree": 7, "btreemap": 2.2}),
    ("churn-pair", LARGE, {"gtree": 6, "btreemap": 1.8}),
    ("ring-cycle", 10000, {"gtree": 6.5, "btreemap": 4}),
    ("unmap-wide", 1000000, {"gtree": 30, "btreemap": 5}),
    ("unmap-churned", 1000000, {"gtree": 6, "btreemap": 1}),
    ("mixed-lookup", 1000000, {"gtree": 4, "btreemap": 1.2}),
    ("mixed-churn", 1000000, {"gtree": 3.5, "btreemap": 1.3}),
    ("read-beside-writer", 10000, {"gtree": 10}),
    ("read-beside-writer", 1000000, {"gtree": 10}),
    *((trace, n, {"gtree": 4}) for trace, n in TRACES.items()),
]
# Workload, n, and how many bytes a mapping may take.
BYTES_TARGETS = [("fill-sequential", 10000, 10), ("fill-sequential", 1000000, 10), ("sparse-fill", 1000000, 288)]
BESIDE_MAX = 3  # times what a lookup costs alone


def registered(program):
    """(workload, structure): greatest n. Exits unless they are what they should be."""
    lines = subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()
    there = {(w, s): int(n) for w, s, n in (line.split() for line in lines)}
    structures = [s for s in STRUCTURES if s != "btreemap" or (WORKLOADS[0], s) in there]
    expected = {(w, s) for w in [*WORKLOADS, *TRACES] for s in structures}
    expected |= {(w, r) for w in RING_WORKLOADS for r in RINGS}
    expected |= {(w, d) for w in DRIVER_WORKLOADS for d in DRIVERS}
    if set(there) != expected:
        sys.exit(f"run.py: {program} has other workloads than expected: {sorted(set(there) ^ expected)}")
    if "btreemap" not in structures:
        print("btreemap is left out: there was no rustc when this was built (script/bootstrap bench installs it)")
    return there


def to_run(mode):
    """Workloads, each or several together, and n."""
    runs = []
    for group in [*([w] for w in [*MAPS, *REQUESTS]), READERS]:
        sizes = SIZES
        if mode == "smoke":
            sizes = SIZES[:1]
        elif mode == "quick" and group[0] not in PLOTTED:
            sizes = SIZES[1:2]
        elif mode != "quick" and group[0] in PLOTTED:
            sizes = sorted([*SIZES, *PLOTTED_TOO])
        if mode == "large" and group[0] in MAPS:
            sizes = [*sizes, LARGE]
        runs += [(group, n) for n in sizes]
    runs += [([trace], n) for trace, n in TRACES.items()]
    runs += [([w], BATCHES[-1]) for w in DRIVER_WORKLOADS]
    return runs + [([w], b) for w in RING_WORKLOADS for b in BATCHES if mode != "quick" or w in QUICK_RINGS]


def effort(mode, workload, n):
    """Rounds, and milliseconds for a structure in each."""
    if mode == "smoke":
        return 2, 0.05
    quick = mode == "quick"
    if workload in WAITING:
        return (5, 20) if quick else (15, 40)
    if workload in PREPARED and n >= SIZES[-1]:
        return (3, 1) if n < LARGE else (2, 1)  # one of these can take seconds, however short it is wanted
    if n >= SIZES[-1]:
        return (5, 20) if quick else (15, 30)
    return (9, 3) if quick else (41, 5)


def measure(program, workloads, n, rounds, ms, out):
    command = [program, ",".join(workloads), str(n), str(rounds), f"--benchmark_min_time={ms / 1000}",
               f"--benchmark_out={out}", "--benchmark_out_format=json"]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"run.py: failed: {' '.join(command)}\n{done.stderr}")


def raw_file(output, workloads, n):
    return os.path.join(output, "raw", f"{'+'.join(workloads)}-{n}.json")


class Figures:
    """What was measured, of one run of script/bench."""

    def __init__(self, output, runs):
        self.ns, self.bytes, self.built, self.loads = {}, {}, None, []
        for workloads, n in runs:
            path = raw_file(output, workloads, n)
            if not os.path.exists(path):
                sys.exit(f"run.py: {path} is not there: the last run was not a full one")
            with open(path, encoding="utf-8") as f:
                report = json.load(f)
            context = report["context"]
            self.built = (f"C: {context['c_compiler']}, C++: {context['cxx_compiler']}, "
                          f"Rust: {context['rust_compiler']}, GLib {context['glib']}")
            self.loads.append(context["load_avg"][0])
            self.read(report["benchmarks"])

    def read(self, benchmarks):
        """Those of a report, which are in the order in which they ran: WORKLOAD/STRUCTURE/N/round:ROUND."""
        rounds = {}
        for run in benchmarks:
            if run["run_type"] != "iteration" or run["time_unit"] != "ns":
                sys.exit(f"run.py: not a turn: {run}")
            workload, structure, n, turn = run["name"].split("/")[:4]  # behind it: whether time is that on the wall
            key = workload, int(n), structure
            rounds.setdefault(key, []).append(turn)
            time = run["real_time" if run["name"].endswith("/real_time") else "cpu_time"]
            self.ns.setdefault(key, []).append(time / run["operations"])
            if workload not in WITHOUT_BYTES:
                self.bytes[key] = run["bytes_per_mapping"]
        # A ratio is that of two turns of the same round.
        for key, turns in rounds.items():
            if turns != [f"round:{r}" for r in range(len(turns))] or len(turns) != len(next(iter(rounds.values()))):
                sys.exit(f"run.py: {key} has not run once in each round: {turns}")

    def median(self, *key):
        return statistics.median(self.ns[key])

    def ratio(self, over, under):
        """Median and quartiles of the ratios of each round."""
        ratios = [a / b for a, b in zip(self.ns[over], self.ns[under])]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return middle, low, high

    def slower(self, workload, n, structure):
        """How many times slower than the library this structure is."""
        return self.ratio((workload, n, structure), (workload, n, "viommu"))

    def rows(self):
        for (workload, n, structure), ns in self.ns.items():
            row = {"workload": workload, "n": n, "structure": structure, "ns_median": round(statistics.median(ns), 2),
                   "ns_min": round(min(ns), 2), "ns_max": round(max(ns), 2)}
            if structure != "viommu":
                names = "ratio_median", "ratio_low", "ratio_high"
                row.update(zip(names, (round(r, 3) for r in self.slower(workload, n, structure))))
            if (workload, n, structure) in self.bytes:
                row["bytes_per_mapping"] = round(self.bytes[workload, n, structure], 1)
            yield row


def check(rows, runs, there):
    """Exits unless there is one good row for each expected (workload, n, structure)."""
    expected = {(w, n, s) for workloads, n in runs for w in workloads for (v, s), most in there.items()
                if v == w and n <= most}
    seen = [(row["workload"], row["n"], row["structure"]) for row in rows]
    if sorted(seen) != sorted(expected):
        sys.exit(f"run.py: missing or twice: {sorted(set(seen) ^ expected) or seen}")
    for row in rows:
        if not all(math.isfinite(v) and v > 0 for v in row.values() if isinstance(v, (int, float))):
            sys.exit(f"run.py: not a figure: {row}")
        if not row["ns_min"] <= row["ns_median"] <= row["ns_max"]:
            sys.exit(f"run.py: median is not between min and max: {row}")
        if "ratio_low" in row and not row["ratio_low"] <= row["ratio_median"] <= row["ratio_high"]:
            sys.exit(f"run.py: ratio is not within its quartiles: {row}")


def significant(value):
    """Three digits are more than the machine is good for."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def times(ratio):
    middle, low, high = ratio
    return f"{significant(middle)}x ({significant(low)} to {significant(high)})"


def aligned(lines, markdown):
    """A table, of which the first line is the head."""
    if markdown:
        lines = [lines[0], ["---"] + ["---:"] * (len(lines[0]) - 1), *lines[1:]]
        return "".join("| " + " | ".join(line) + " |\n" for line in lines)
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "".join(line[0].ljust(widths[0]) + "".join("  " + cell.rjust(w) for cell, w in zip(line[1:], widths[1:])) +
                   "\n" for line in lines)


def table(figures, runs, subjects, markdown):
    """Runs by structure: of the library nanoseconds, of the others how many times that."""
    there = [s for s in subjects if any((w, n, s) in figures.ns for w, n in runs)]
    lines = [["ns, or times that", *there]]
    for workload, n in runs:
        if (workload, n, "viommu") in figures.ns:
            cells = [significant(figures.median(workload, n, "viommu"))]
            cells += [times(figures.slower(workload, n, s)) if (workload, n, s) in figures.ns else "-"
                      for s in there[1:]]
            lines.append([workload, *cells])
    return aligned(lines, markdown)


def memory_table(figures, markdown):
    there = [s for s in STRUCTURES if any(key[2] == s for key in figures.bytes)]
    lines = [["bytes for one mapping", *there]]
    for n in [*SIZES, LARGE]:
        for workload in MEMORY:
            if (workload, n, "viommu") in figures.bytes:
                cells = [significant(figures.bytes[workload, n, s]) if (workload, n, s) in figures.bytes else "-"
                         for s in there]
                lines.append([f"{workload}, n = {n}", *cells])
    return aligned(lines, markdown)


def targets(figures):
    """(what, wanted, figure, whether it is met) for each target that was measured."""
    for workload, n, wanted in TARGETS:
        for structure, least in wanted.items():
            if (workload, n, structure) in figures.ns:
                ratio = figures.slower(workload, n, structure)
                yield f"{workload}, n = {n}, to {structure}", f">= {least}x", times(ratio), ratio[0] >= least
    for n in SIZES[1:]:
        if (READERS[1], n, "viommu") in figures.ns:
            ratio = figures.ratio((READERS[1], n, "viommu"), (READERS[0], n, "viommu"))
            yield (f"{READERS[1]}, n = {n}, to {READERS[0]}", f"<= {BESIDE_MAX}x", times(ratio),
                   ratio[0] <= BESIDE_MAX)
    for workload, n, most in BYTES_TARGETS:
        if (workload, n, "viommu") in figures.bytes:
            taken = figures.bytes[workload, n, "viommu"]
            yield f"{workload}, n = {n}, bytes", f"<= {most}", significant(taken), taken <= most


def target_table(figures, markdown):
    lines = [["target", "wanted", "measured", "met"]]
    lines += [[what, wanted, figure, "yes" if met else "**no**" if markdown else "NO"]
              for what, wanted, figure, met in targets(figures)]
    return aligned(lines, markdown)


def ring_floors(figures):
    """What copying costs, and what a request costs in a batch, in words. Of the workloads in one thread."""
    there = [(w, b) for w in RING_WORKLOADS[:4] for b in BATCHES if (w, b, "viommu") in figures.ns]
    above = {s: [figures.median(w, b, s) - figures.median(w, b, "in-place") for w, b in there]
             for s in ("copying", "viommu-device")}
    batch = [figures.median(w, b, "viommu") for w, b in there if b == BATCHES[-1]]
    return (f"In one thread the copies of the walker cost {min(above['copying']):.1f} to {max(above['copying']):.1f} "
            f"ns (wanted: at most 2), the device half of viommu {min(above['viommu-device']):.1f} to "
            f"{max(above['viommu-device']):.1f} ns more than the walker in place; viommu needs {min(batch):.1f} to "
            f"{max(batch):.1f} ns for a request in a batch of {BATCHES[-1]} (wanted: at most 20).")


def driver_aims(figures):
    """How much faster than the baseline, in words."""
    words = [f"{driver} {times(figures.ratio((w, BATCHES[-1], 'one-lock'), (w, BATCHES[-1], driver)))} in {w} "
             f"(aim: {aim}x)" for w in DRIVER_WORKLOADS for driver, aim in DRIVER_AIMS.items()]
    return f"As fast as one-lock, times so much: {', '.join(words)}."


def sections(figures, markdown):
    """(title, text) of each table."""
    for n in [*SIZES, LARGE]:
        if any(key[1] == n for key in figures.ns):
            yield f"n = {n}", table(figures, [(w, n) for w in WORKLOADS], STRUCTURES, markdown)
    yield "recorded traces, for one request", table(figures, TRACES.items(), STRUCTURES, markdown)
    yield "memory", memory_table(figures, markdown)
    for batch in BATCHES:
        yield (f"ring, batch of {batch}, for one request",
               table(figures, [(w, batch) for w in RING_WORKLOADS], RINGS, markdown))
    yield ("drivers, for a MAP and an UNMAP",
           table(figures, [(w, BATCHES[-1]) for w in DRIVER_WORKLOADS], DRIVERS, markdown))


def print_tables(figures):
    for title, text in sections(figures, False):
        print(f"\n{title}\n{text}", end="")
    print(ring_floors(figures))
    print(driver_aims(figures))
    print(f"\ntargets\n{target_table(figures, False)}", end="")


def write_markdown(figures, readme):
    """Puts the tables of a full run in between the marks in the README, and the plot beside it."""
    text = textwrap.fill(f"{cpu_name()}, {os.cpu_count()} processors, load average {min(figures.loads):.0f} to "
                         f"{max(figures.loads):.0f}; {figures.built}.", 120) + "\n"
    text += f"\n**targets**\n\n{target_table(figures, True)}"
    for title, section in sections(figures, True):
        text += f"\n**{title}**\n\n{section}"
    text += f"\n{textwrap.fill(ring_floors(figures), 120)}\n"
    text += f"\n{textwrap.fill(driver_aims(figures), 120)}\n"
    with open(readme, encoding="utf-8") as f:
        before, rest = f.read().split(MARKS[0])
    _, after = rest.split(MARKS[1])
    with open(readme, "w", encoding="utf-8") as f:
        f.write(before + MARKS[0] + "\n" + text + "\n" + MARKS[1] + after)
    panels = []
    for workload in PLOTTED:
        points = {s: sorted((n, figures.median(w, n, s)) for w, n, s2 in figures.ns if w == workload and s2 == s)
                  for s in STRUCTURES}
        panels.append((workload, points))
    with open(os.path.join(os.path.dirname(readme), "plot.svg"), "w", encoding="utf-8") as f:
        f.write(plot(panels))


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        names = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    return names[0] if names else "unknown processor"


def run(program, output, mode):
    there, runs = registered(program), to_run(mode)
    os.makedirs(os.path.join(output, "raw"), exist_ok=True)
    for workloads, n in runs:
        print(f"{' and '.join(workloads)}, n = {n}", file=sys.stderr)
        measure(program, workloads, n, *effort(mode, workloads[0], n), raw_file(output, workloads, n))
    figures = Figures(output, runs)
    rows = list(figures.rows())
    check(rows, runs, there)
    with open(os.path.join(output, "summary.json"), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    if mode != "smoke":
        print_tables(figures)
        return
    # Nothing is measured, but everything has to come out.
    ElementTree.fromstring(plot([("smoke", {"viommu": [(100, 5.0), (10000, 12.0)], "gtree": [(100, 40.0)]})]))
    target_table(figures, True)
    print(f"{len(rows)} rows, {sum(len(text) for _, text in sections(figures, True))} characters of tables")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", help="viommu-bench")
    parser.add_argument("--output", required=True, help="folder for summary.json")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quick", action="store_true", help="few rounds, and most workloads at one size only")
    how.add_argument("--large", action="store_true", help=f"the maps at n = {LARGE}, too")
    how.add_argument("--smoke", action="store_true", help="everything, for a moment, the maps at n = 100")
    how.add_argument("--markdown", metavar="README", help="measure nothing; put the last full run into this file")
    how.add_argument("--targets", action="store_true", help="measure nothing; say what the last full run reached")
    args = parser.parse_args()
    if args.markdown or args.targets:
        large = os.path.exists(raw_file(args.output, MAPS[:1], LARGE))
        figures = Figures(args.output, to_run("large" if large else "full"))
        if args.markdown:
            write_markdown(figures, args.markdown)
            return
        print(target_table(figures, False), end="")
        sys.exit(0 if all(met for *_, met in targets(figures)) else 1)
    run(args.program, args.output,
        "quick" if args.quick else "large" if args.large else "smoke" if args.smoke else "full")


if __name__ == "__main__":
    main()
