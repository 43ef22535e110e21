#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs viommu-bench and turns what it measured into build/bench/summary.json. Called by script/bench and the tests.

Each workload at each n is a process of its own, in which the repetitions of all structures take turns
(--benchmark_enable_random_interleaving of Google Benchmark). A figure is the median over the repetitions of the
thread's CPU time for one operation. For a workload of rings n is the length of a batch, and the halves of a ring stand
where else the structures do.
"""
import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import textwrap

WORKLOADS = [
    "fill-sequential", "fill-random", "lookup-random", "lookup-independent", "lookup-sequential", "lookup-hot",
    "churn-pair", "ring-cycle", "unmap-wide", "unmap-churned", "mixed-fill", "mixed-lookup", "mixed-churn",
    "sparse-fill", "sparse-lookup", "sparse-churn", "request-map-unmap", "ring-roundtrip", "translate-hot",
    "translate-cached", "translate-section", "translate-beside-owner", "translate-cached-beside-owner", "dma-cycle",
    "dma-cycle-cached", "read-alone", "read-beside-writer",
]
READERS = ["read-alone", "read-beside-writer"]
# They may wait for a lock: time is that on the wall.
WAITING = [*READERS, "translate-beside-owner", "translate-cached-beside-owner"]
STRUCTURES = ["viommu", "gtree", "btreemap", "stdmap", "scan"]
SIZES = [100, 10000, 1000000]
# Each iteration is.
PREPARED = ["fill-sequential", "fill-random", "unmap-wide", "unmap-churned", "mixed-fill", "sparse-fill"]
QUICK = ["lookup-random", "churn-pair"]  # at all sizes
WITHOUT_BYTES = ["request-map-unmap", "ring-roundtrip", "translate-hot", "translate-cached", "translate-section",
                 "dma-cycle", "dma-cycle-cached", *WAITING]
SCAN_MAX = 10000
RING_WORKLOADS = [threads + form for threads in ("", "threads-")
                  for form in ("direct", "direct-event", "indirect", "indirect-event")]
RINGS = ["viommu", "viommu-device", "copying", "in-place", "unchecked"]
BATCHES = [1, 32]
# Of the workloads with a thread more, which are the noisiest, --quick takes what the library's own driver and pump do.
QUICK_RINGS = [w for w in RING_WORKLOADS if not w.startswith("threads-") or w == "threads-indirect-event"]
WITHOUT_BYTES += RING_WORKLOADS
MARKS = "<!-- results: written by script/bench --markdown -->\n", "<!-- end of results -->\n"


def registered(program):
    """(workload, structure, n) for each benchmark in the program. Exits unless they are what they should be."""
    names = subprocess.run([program, "--benchmark_list_tests"], check=True, capture_output=True, text=True).stdout
    there = set()
    rings = {(w, r, b) for w in RING_WORKLOADS for r in RINGS for b in BATCHES}
    for name in names.split():
        workload, structure, n = name.split("/")[:3]  # behind it: the number of iterations, if it is fixed
        there.add((workload, structure, int(n)))
    without_rust = not any(structure == "btreemap" for _, structure, _ in there)
    expected = {(w, s, n) for w in WORKLOADS for s in STRUCTURES for n in SIZES
                if not (s == "scan" and n > SCAN_MAX) and not (s == "btreemap" and without_rust)} | rings
    if there != expected:
        sys.exit(f"run.py: {program} has other benchmarks than expected: {sorted(there ^ expected)}")
    if without_rust:
        print("btreemap is left out: there was no rustc when this was built (script/bootstrap bench installs it)")
    return there


def measure(program, workload, n, repetitions, min_time, out):
    """Runs one workload at one n; returns the rows."""
    command = [
        program, f"--benchmark_filter=^{workload}/[a-z-]+/{n}(/|$)", f"--benchmark_min_time={min_time}",
        f"--benchmark_repetitions={repetitions}", "--benchmark_enable_random_interleaving=true",
        f"--benchmark_out={out}", "--benchmark_out_format=json",
    ]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stderr)
        sys.exit(f"run.py: failed: {' '.join(command)}")
    with open(out, encoding="utf-8") as f:
        report = json.load(f)
    times, bytes_per_mapping = {}, {}
    for run in report["benchmarks"]:
        if run["run_type"] != "iteration":
            continue
        assert run["time_unit"] == "ns", run
        structure = run["name"].split("/")[1]
        time = run["real_time" if workload in WAITING else "cpu_time"]
        times.setdefault(structure, []).append(time / run["operations"])
        bytes_per_mapping[structure] = run["bytes_per_mapping"]
    rows = []
    for structure, ns in times.items():
        row = {
            "workload": workload, "n": n, "structure": structure, "ns_median": round(statistics.median(ns), 2),
            "ns_min": round(min(ns), 2), "ns_max": round(max(ns), 2),
        }
        if workload not in WITHOUT_BYTES:
            row["bytes_per_mapping"] = round(bytes_per_mapping[structure], 1)
        if len(ns) != repetitions:
            sys.exit(f"run.py: {len(ns)} repetitions in place of {repetitions}: {row}")
        rows.append(row)
    return rows


def check(rows, expected):
    """Exits unless there is one good row for each expected (workload, structure, n)."""
    seen = [(row["workload"], row["structure"], row["n"]) for row in rows]
    if sorted(seen) != sorted(expected):
        sys.exit(f"run.py: missing or twice: {sorted(set(seen) ^ set(expected)) or seen}")
    for row in rows:
        fields = ["ns_median", "ns_min", "ns_max"]
        if row["workload"] not in WITHOUT_BYTES:
            fields.append("bytes_per_mapping")
        if set(row) != {"workload", "n", "structure", *fields}:
            sys.exit(f"run.py: wrong fields: {row}")
        if not all(math.isfinite(row[f]) and row[f] > 0 for f in fields):
            sys.exit(f"run.py: not a figure: {row}")
        if not row["ns_min"] <= row["ns_median"] <= row["ns_max"]:
            sys.exit(f"run.py: median is not between min and max: {row}")


def significant(value):
    """Three digits are more than the machine is good for."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def table(rows, n, value, markdown, workloads=tuple(WORKLOADS), all_structures=tuple(STRUCTURES)):
    """Workload by structure, with the ratio to viommu in brackets."""
    rows = [r for r in rows if r["workload"] in workloads]
    structures = [s for s in all_structures if any(r["structure"] == s and r["n"] == n for r in rows)]
    lines = [["workload", *structures]]
    for workload in workloads:
        by_structure = {r["structure"]: r[value] for r in rows
                        if r["workload"] == workload and r["n"] == n and value in r}
        if not by_structure:
            continue
        line = [workload]
        for s in structures:
            if s not in by_structure:
                line.append("-")
            elif s == "viommu":
                line.append(significant(by_structure[s]))
            else:
                line.append(f"{significant(by_structure[s])} ({by_structure[s] / by_structure['viommu']:.1f}x)")
        lines.append(line)
    if markdown:
        lines.insert(1, ["---"] + ["---:"] * len(structures))
        return "".join("| " + " | ".join(line) + " |\n" for line in lines)
    return "".join(f"{line[0]:24}" + "".join(f"{cell:>18}" for cell in line[1:]) + "\n" for line in lines)


def ring_table(rows, batch, markdown):
    return table(rows, batch, "ns_median", markdown, tuple(RING_WORKLOADS), tuple(RINGS))


def ring_floors(rows):
    """What copying costs, and what a request costs in a batch, in words. Of the workloads in one thread."""
    ns = {(r["workload"], r["n"], r["structure"]): r["ns_median"] for r in rows if r["workload"] in RING_WORKLOADS[:4]}
    copying = [ns[w, b, "copying"] - ns[w, b, "in-place"] for w, b, s in ns if s == "in-place"]
    batch = [value for (_, b, s), value in ns.items() if b == BATCHES[-1] and s == "viommu"]
    device = [ns[w, b, "viommu-device"] - ns[w, b, "in-place"] for w, b, s in ns if s == "in-place"]
    return (f"In one thread the copies of the walker cost {min(copying):.1f} to {max(copying):.1f} ns (wanted: at most "
            f"2), the device half of viommu {min(device):.1f} to {max(device):.1f} ns more than the walker in place; "
            f"viommu needs {min(batch):.1f} to {max(batch):.1f} ns for a request in a batch of {BATCHES[-1]} (wanted: "
            "at most 20).")


def readers(rows):
    """What a writer beside it costs a reader, in words."""
    ns = {(r["workload"], r["n"], r["structure"]): r["ns_median"] for r in rows if r["workload"] in READERS}
    lines = []
    for n in SIZES:
        if (READERS[1], n, "viommu") in ns:
            beside, alone = ns[READERS[1], n, "viommu"], ns[READERS[0], n, "viommu"]
            lines.append(f"{beside / alone:.1f} times what it costs alone and 1/"
                         f"{ns[READERS[1], n, 'gtree'] / beside:.0f} of gtree with a mutex at n = {n}")
    return ("A lookup beside a writer costs viommu " + ", ".join(lines) +
            " (wanted: at most 3 times, and 1/10). With fewer than two idle processors it says little.")


def print_tables(rows):
    for n in SIZES:
        if any(r["n"] == n and r["workload"] in WORKLOADS for r in rows):
            print(f"\nn = {n}: ns for one operation (ratio to viommu)")
            print(table(rows, n, "ns_median", False), end="")
    print(readers(rows))
    print("\nbytes for one mapping, n = 10000")
    print(table(rows, 10000, "bytes_per_mapping", False), end="")
    for batch in BATCHES:
        print(f"\nring, batch of {batch}: ns for one request (ratio to viommu)")
        print(ring_table(rows, batch, False), end="")
    print(ring_floors(rows))


def write_markdown(summary, readme):
    """Puts the tables of a full run in between the marks in the README."""
    with open(summary, encoding="utf-8") as f:
        rows = json.load(f)
    everything = [*itertools.product(WORKLOADS, SIZES), *itertools.product(RING_WORKLOADS, BATCHES)]
    if {(r["workload"], r["n"]) for r in rows} != set(everything):
        sys.exit(f"run.py: {summary} is not from a full run")
    contexts = []
    for workload, n in everything:
        with open(os.path.join(os.path.dirname(summary), "raw", f"{workload}-{n}.json"), encoding="utf-8") as f:
            contexts.append(json.load(f)["context"])
    machine, loads = contexts[0], [context["load_avg"][0] for context in contexts]
    text = (f"{cpu_name()}, {machine['num_cpus']} processors, load average {min(loads):.0f} to {max(loads):.0f}; "
            f"C: {machine['c_compiler']}, C++: {machine['cxx_compiler']}, Rust: {machine['rust_compiler']}, "
            f"GLib {machine['glib']}.\n")
    for n in SIZES:
        text += f"\n**n = {n}**: ns for one operation (ratio to viommu)\n\n{table(rows, n, 'ns_median', True)}"
    text += f"\n{textwrap.fill(readers(rows), 120)}\n"
    for n in SIZES:
        text += f"\n**n = {n}**: bytes for one mapping\n\n{table(rows, n, 'bytes_per_mapping', True)}"
    for batch in BATCHES:
        text += f"\n**ring, batch of {batch}**: ns for one request (ratio to viommu)\n\n{ring_table(rows, batch, True)}"
    text += f"\n{textwrap.fill(ring_floors(rows), 120)}\n"
    with open(readme, encoding="utf-8") as f:
        old = f.read()
    before, rest = old.split(MARKS[0])
    _, after = rest.split(MARKS[1])
    with open(readme, "w", encoding="utf-8") as f:
        f.write(before + MARKS[0] + "\n" + text + "\n" + MARKS[1] + after)


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        names = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    return names[0] if names else "unknown processor"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", help="viommu-bench")
    parser.add_argument("--output", help="folder for summary.json")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quick", action="store_true", help="few repetitions, and most workloads at one size only")
    how.add_argument("--smoke", action="store_true", help="everything, for a moment, the maps at n = 100")
    how.add_argument("--markdown", metavar="README", help="measure nothing; put the last full run into this file")
    args = parser.parse_args()
    summary = os.path.join(args.output, "summary.json")
    if args.markdown:
        write_markdown(summary, args.markdown)
        return

    there = registered(args.program)
    repetitions, min_time = (1, 0.001) if args.smoke else (3, 0.02) if args.quick else (9, 0.05)
    chosen = [(w, n) for w in WORKLOADS for n in SIZES
              if (n == 100 if args.smoke else not args.quick or w in QUICK or n == 10000)]
    chosen += [(w, b) for w in RING_WORKLOADS for b in BATCHES if not args.quick or w in QUICK_RINGS]
    raw = os.path.join(args.output, "raw")
    os.makedirs(raw, exist_ok=True)
    rows = []
    for workload, n in chosen:
        print(f"{workload}, n = {n}", file=sys.stderr)
        # With a million mappings a repetition can take seconds.
        most = repetitions if n < 1000000 else 3 if workload in PREPARED else 5
        rows += measure(args.program, workload, n, min(repetitions, most), min_time,
                        os.path.join(raw, f"{workload}-{n}.json"))
    check(rows, [(w, s, n) for w, s, n in there if (w, n) in chosen])
    with open(summary, "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    if args.smoke:
        print(f"{len(rows)} rows")
    else:
        print_tables(rows)


if __name__ == "__main__":
    main()
