#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Counts the instructions of the library's hot calls with callgrind, and compares them with bench/instructions.txt.

Counted is what the library itself executes, averaged over the calls of a case: not the C library, whose memcpy depends
on the processor, and not the functions of the benchmark; those of rings/ are counted where rings are compared, which is
printed and nothing else. Fails if a count has grown by more than 2 %, or if a call costs more than three times as much
with a million mappings as with a hundred. What fell by more than 5 % is to be recorded. Skipped (exit code 77) without
valgrind, and with another compiler or options than those that were recorded.
"""
import argparse
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile

SIZES = [100, 10000, 1000000]
GROWN = 1.02
IMPROVED = 0.95
LARGE_TO_SMALL = 3
SKIPPED = 77
HEAD = """# SPDX-License-Identifier: BSD-3-Clause
# Instructions of the library for one call with n pages mapped. Written by script/bench --record-instructions, read by
# the test `instructions`. One line for each: case, n, instructions.
"""


def functions(path):
    """How often each name is that of a function in a program or static library."""
    nm = subprocess.run(["nm", "--defined-only", path], check=True, capture_output=True, text=True)
    lines = nm.stdout.splitlines()
    return collections.Counter(line.split()[2] for line in lines if re.match(r"[0-9a-f]+ [Tt] ", line))


def library_functions(library, program):
    """The names of the library's functions. Exits if one of them is also that of another function."""
    of_library, of_program = functions(library), functions(program)
    twice = sorted(name for name in of_library if of_program[name] > of_library[name])
    if twice:
        sys.exit(f"instructions.py: functions of the benchmark are named like functions of the library: {twice}")
    return set(of_library)


def count(profile, program, names):
    """Instructions by function, of those functions of this program, in one profile of callgrind."""
    totals = collections.Counter()
    ob, fn, skip = None, None, False
    with open(profile, encoding="utf-8") as f:
        for line in f:
            if skip:  # the inclusive cost of a call
                skip = False
            elif line.startswith("ob="):
                ob = line[3:].strip()
            elif line.startswith("fn="):
                fn = line[3:].strip()
            elif line.startswith("calls="):
                skip = True
            elif re.match(r"[0-9+*-]", line) and ob == program and fn in names:
                totals[fn] += int(line.split()[1])
    return totals


def case_of(profile):
    """The name that the program gave to the profile, or None."""
    with open(profile, encoding="utf-8") as f:
        for line in f:
            if line.startswith("desc: Trigger: Client Request: "):
                return line.split(": ")[-1].strip()
            if line.startswith("fn="):
                break
    return None


def measure(program, library, rings, verbose):
    """{(case, n): instructions per call}"""
    program = os.path.realpath(program)
    names = library_functions(library, program)
    with_rings = names | library_functions(rings, program)
    counts = {}
    for n in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            command = [
                "valgrind", "--tool=callgrind", "--instr-atstart=no", "--compress-strings=no", "--compress-pos=no",
                f"--callgrind-out-file={folder}/profile", program, str(n),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                sys.exit(f"instructions.py: failed: {' '.join(command)}\n{done.stderr}")
            calls = dict(line.split() for line in done.stdout.splitlines())
            for name in sorted(os.listdir(folder)):
                profile = os.path.join(folder, name)
                case = case_of(profile)
                if case is None:
                    continue
                by_function = count(profile, program, with_rings if "/" in case else names)
                counts[case, n] = round(sum(by_function.values()) / int(calls.pop(case)), 1)
                if verbose:
                    print(f"{case} {n}: {counts[case, n]}")
                    for fn, instructions in by_function.most_common():
                        print(f"    {instructions:10} {fn}")
            if calls:
                sys.exit(f"instructions.py: no profile for {sorted(calls)} with n = {n}")
    return counts


def read(recorded):
    """The toolchain and {(case, n): instructions per call} of the file."""
    toolchain, counts = None, {}
    with open(recorded, encoding="utf-8") as f:
        for line in f:
            if line.startswith("toolchain: "):
                toolchain = line.split(": ", 1)[1].strip()
            elif not line.startswith("#") and line.strip():
                case, n, instructions = line.split()
                counts[case, int(n)] = float(instructions)
    return toolchain, counts


def gated(counts):
    """Without what is there to be compared with."""
    return {key: now for key, now in counts.items() if "/" not in key[0]}


def write(recorded, toolchain, counts):
    with open(recorded, "w", encoding="utf-8") as f:
        f.write(HEAD + f"toolchain: {toolchain}\n")
        for (case, n), instructions in sorted(gated(counts).items()):
            f.write(f"{case} {n} {instructions}\n")


def compare(counts, old):
    """Returns whether all is well."""
    compared = {key: now for key, now in counts.items() if "/" in key[0] and key[1] == SIZES[0]}
    counts = gated(counts)
    for (case, _), now in sorted(compared.items()):
        ring = case.split("/")[0]
        print(f"{case:30} {now:8} instructions, {now / compared[f'{ring}/viommu', SIZES[0]]:.2f} of viommu")
    if set(counts) != set(old):
        print(f"FAILED: counted and recorded cases differ: {sorted(set(counts) ^ set(old))}")
        return False
    good = True
    for key, now in sorted(counts.items()):
        case, n = key
        verdict = ""
        if now > old[key] * GROWN:
            good, verdict = False, f"FAILED: grew by more than {GROWN - 1:.0%}"
        elif now < old[key] * IMPROVED:
            verdict = "improved, please record: script/bench --record-instructions"
        print(f"{case:18} n = {n:<8} {now:8} instructions, recorded {old[key]:8} {verdict}")
    return good


def growth_is_bounded(counts):
    good = True
    counts = gated(counts)
    for case in sorted({case for case, _ in counts}):
        small, large = counts[case, SIZES[0]], counts[case, SIZES[-1]]
        if large > small * LARGE_TO_SMALL:
            print(f"FAILED: {case} costs {large / small:.1f} times as much with {SIZES[-1]} mappings as with "
                  f"{SIZES[0]}")
            good = False
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="instructions; not there: built without valgrind")
    parser.add_argument("--library", required=True, help="libviommu.a, whose functions are counted")
    parser.add_argument("--rings", required=True, help="libviommu_rings.a, with the rings that others write")
    parser.add_argument("--toolchain", required=True, help="compiler and options")
    parser.add_argument("--recorded", required=True, help="instructions.txt")
    parser.add_argument("--record", action="store_true", help="write that file")
    parser.add_argument("--verbose", action="store_true", help="print each function's share")
    args = parser.parse_args()
    if shutil.which("valgrind") is None or not os.path.exists(args.program):
        print("skipped: no valgrind here, or none when this was built (script/bootstrap bench installs it)")
        sys.exit(SKIPPED)
    if args.record:
        write(args.recorded, args.toolchain, measure(args.program, args.library, args.rings, args.verbose))
        return
    toolchain, old = read(args.recorded)
    if args.toolchain != toolchain:
        print(f"skipped: built with '{args.toolchain}', recorded with '{toolchain}'")
        sys.exit(SKIPPED)
    counts = measure(args.program, args.library, args.rings, args.verbose)
    good = compare(counts, old)
    sys.exit(0 if growth_is_bounded(counts) and good else 1)


if __name__ == "__main__":
    main()
