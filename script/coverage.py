#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The table and the gate of script/coverage.

  llvm-cov export ... | script/coverage.py [--mcdc]

Reads the JSON that llvm-cov 19 exports. Prints lines, branches and MC/DC of each file of libviommu/ and
include/viommu/, then each branch that never went one way and each function that nobody called. Exit status 1 if there
are such. --mcdc also prints the conditions that never decided an outcome by themselves; those are not gated.

llvm-cov has a record for each copy of a function: an inline function of a header is there once for each source that
includes it. Here everything is added up by its place in the source, so a branch is covered if any copy has covered it.
What #if leaves out was not compiled, and is not counted.
"""

import json
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
GATED = ("libviommu/", "include/viommu/")

EXPANSION = 1  # a region's kind: a macro; its inside counts as another file
MCDC_BRANCH = 6  # a branch's kind: it is a condition of a decision


class Source:
    """What is known of one file. Places are tuples of (line, column, end line, end column), macros outermost first."""

    def __init__(self):
        self.lines = {}  # line: count
        self.functions = {}  # place: [name, count]
        self.branches = {}  # place: [times true, times false]
        self.conditions = {}  # place: has decided by itself


def relative(filename):
    """The path in the tree, or None if it is none of ours."""
    path = os.path.relpath(filename, ROOT)
    return path if path.startswith(GATED) else None


def line_counts(segments):
    """A line counts as often as the busiest region that starts in it, or goes on from the line before."""
    counts = {}
    wrapped = None
    by_line = {}
    for segment in segments:
        by_line.setdefault(segment[0], []).append(segment)
    if not by_line:
        return counts
    for line in range(min(by_line), max(by_line) + 1):
        here = by_line.get(line, [])
        starts = [s for s in here if s[3] and s[4] and not s[5]]  # has a count, is an entry, is no gap
        skipped = bool(here) and not here[0][3] and here[0][4]
        if any(s[3] and s[4] for s in here) or (not skipped and wrapped and wrapped[3]):
            counts[line] = max([s[2] for s in starts] + ([wrapped[2]] if wrapped else []) or [0])
        if here:
            wrapped = here[-1]
    return counts


def add_function(source, function):
    expansions = {r[6]: r for r in function["regions"] if r[7] == EXPANSION}

    def place(region, file_id):
        chain = (tuple(region[:4]),)
        while file_id in expansions:
            outer = expansions[file_id]
            chain = (tuple(outer[:4]),) + chain
            file_id = outer[5]
        return chain

    body = function["regions"][0]
    called = source.functions.setdefault(place(body, body[5]), [function["name"].rsplit(":", 1)[-1], 0])
    called[1] += function["count"]
    for branch in function["branches"]:
        counts = source.branches.setdefault(place(branch, branch[6]), [0, 0])
        counts[0] += branch[4]
        counts[1] += branch[5]
    for record in function["mcdc_records"]:
        inside = [b for b in function["branches"] if b[8] == MCDC_BRANCH and b[6] == record[4] and
                  tuple(record[:2]) <= tuple(b[:2]) and tuple(b[2:4]) <= tuple(record[2:4])]
        for branch, decided in zip(inside, record[6]):
            where = place(branch, branch[6])
            source.conditions[where] = source.conditions.get(where, False) or decided


def load(export):
    sources = {}
    for file in export["files"]:
        path = relative(file["filename"])
        if path:
            sources.setdefault(path, Source()).lines = line_counts(file["segments"])
    for function in export["functions"]:
        path = relative(function["filenames"][0])
        if path:
            add_function(sources[path], function)
    return {path: s for path, s in sources.items() if s.functions}


def missing_files(sources):
    """Files with functions that are in no program: a library's object that no test needs is not linked into any."""
    for top in GATED:
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), ROOT)
                if not name.endswith((".c", ".h")) or not relative(os.path.join(ROOT, path)) or path in sources:
                    continue
                with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                    if name.endswith(".c") or "static inline" in file.read():
                        yield path


def tally(source):
    """(covered, all) of lines, branch outcomes and conditions."""
    outcomes = [n for counts in source.branches.values() for n in counts]
    return [(sum(map(bool, values)), len(values))
            for values in (list(source.lines.values()), outcomes, list(source.conditions.values()))]


def add(a, b):
    return [(x[0] + y[0], x[1] + y[1]) for x, y in zip(a, b)]


def figures(columns):
    return "".join(
        f"{f'{done}/{total}':>12} {f'{100 * done / total:.2f}%' if total else '-':>8}" for done, total in columns)


def print_table(sources):
    print(f"{'':<34}{'lines':>21}{'branches':>21}{'MC/DC':>21}")
    rooms = {}
    total = [(0, 0)] * 3
    for path in sorted(sources):
        columns = tally(sources[path])
        room = os.path.dirname(path) + "/"
        rooms[room] = add(rooms.get(room, [(0, 0)] * 3), columns)
        total = add(total, columns)
        print(f"{path:<34}{figures(columns)}")
    print()
    for room in sorted(rooms):
        print(f"{room:<34}{figures(rooms[room])}")
    print(f"{'total':<34}{figures(total)}")


def text_at(path, place):
    """The source between the ends of the innermost place, in one line."""
    line, column, end_line, end_column = place[0]
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        lines = file.read().splitlines()[line - 1:end_line]
    lines[-1] = lines[-1][:end_column - 1]
    lines[0] = lines[0][column - 1:]
    return " ".join(" ".join(lines).split())


def print_gaps(path, what):
    for place, text in sorted(what):
        print(f"{path}:{place[0][0]}:{place[0][1]}: {text} {text_at(path, place)}".rstrip())


def uncovered_branches(source):
    for place, (true, false) in source.branches.items():
        if not true and not false:
            yield place, "never evaluated:"
        elif not true:
            yield place, "never true:"
        elif not false:
            yield place, "always true:"


def uncovered_functions(source):
    for place, (name, count) in source.functions.items():
        if not count:
            yield ((place[0][0], place[0][1]) * 2,), f"never called: {name}"


def main():
    arguments = sys.argv[1:]
    if arguments in (["-h"], ["--help"]):
        print(__doc__.strip())
        return 0
    if arguments not in ([], ["--mcdc"]):
        print("coverage.py: unknown arguments, see --help", file=sys.stderr)
        return 2

    sources = load(json.load(sys.stdin)["data"][0])
    if not any(s.branches for path, s in sources.items() if path.startswith("libviommu/")):
        print("coverage.py: no function of libviommu/ in the export", file=sys.stderr)
        return 2
    print_table(sources)
    if arguments:
        print("\nconditions that never decided by themselves:")
        for path in sorted(sources):
            print_gaps(path, [(p, "condition:") for p, decided in sources[path].conditions.items() if not decided])
        if all(all(s.conditions.values()) for s in sources.values()):
            print("none")

    gaps = {path: list(uncovered_branches(s)) + list(uncovered_functions(s)) for path, s in sorted(sources.items())}
    missing = sorted(missing_files(sources))
    count = len(missing) + sum(map(len, gaps.values()))
    if count == 0:
        print("\ncoverage: every branch of the library has gone both ways")
        return 0
    print("\nnot covered:")
    for path in missing:
        print(f"{path}: in no test program")
    for path, found in gaps.items():
        print_gaps(path, found)
    print(f"\ncoverage: {count} branches, functions or files of the library are not covered by the tests")
    return 1


if __name__ == "__main__":
    sys.exit(main())
