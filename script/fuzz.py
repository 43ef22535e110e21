#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What script/fuzz does once everything is installed: the same arguments, see script/fuzz --help."""

import csv
import datetime
import fcntl
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

CAMPAIGNS = "fuzz/campaigns.csv"
FIELDS = ["target", "libviommu", "date", "executions", "cpu_seconds", "edges", "findings"]
CHUNK = 1000000  # executions between two entries in the record
PLANTED = "fuzz/planted"
PLANTED_SECONDS = 300
MAX_LEN = 1024


def die(message):
    sys.exit(f"fuzz: {message}")


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def build(folder, targets=None, options=()):
    """Builds these targets, or all of them, and viommu-sim."""
    log = f"{folder}.log"
    os.makedirs("build", exist_ok=True)
    configure = ["cmake", "--preset", "fuzz", "-B", folder, *options]
    make = ["cmake", "--build", folder, "--parallel", str(os.cpu_count()), "--target", "viommu-sim"]
    make += [f"fuzz_{t}" for t in targets] if targets is not None else ["fuzzers"]
    with open(log, "w") as out:
        for command in (configure, make):
            if subprocess.run(command, stdout=out, stderr=subprocess.STDOUT).returncode != 0:
                with open(log) as text:
                    sys.stderr.write(text.read())
                die(f"{' '.join(command)} failed")


def all_targets():
    return output("build/fuzz/bin/viommu-sim", "ops", "--targets").split()


class Run:
    """One run of libFuzzer."""

    def __init__(self, folder, target, corpus, options, with_seeds=True):
        seeds = f"{folder}/seeds/{target}"
        for path in (seeds, corpus, "build/findings"):
            os.makedirs(path, exist_ok=True)
        if with_seeds:
            output(f"{folder}/bin/viommu-sim", "ops", "--binary", seeds, f"fuzz/seeds/{target}")
        command = [f"{folder}/bin/fuzz_{target}", f"-max_len={MAX_LEN}", "-timeout=10", "-print_final_stats=1",
                   f"-artifact_prefix=build/findings/{target}-", *options, corpus]
        command += [seeds] if with_seeds else []
        self.folder, self.target, self.text, self.edges = folder, target, "", 0
        cpu, since = cpu_seconds(), time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              errors="replace") as process:
            try:
                self.follow(process.stderr)
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
                self.follow(process.stderr)
                self.interrupted = True
            else:
                self.interrupted = False
        self.failed = process.returncode != 0 and not self.interrupted
        self.seconds, self.cpu = time.monotonic() - since, cpu_seconds() - cpu
        found = re.search(r"number_of_executed_units: *(\d+)", self.text)
        self.executions = int(found.group(1)) if found else 0
        found = re.search(r"Test unit written to (\S+)", self.text)
        self.artifact = found.group(1) if found else None

    def follow(self, lines):
        for line in lines:
            progress = re.match(r"#\d+\t.* cov: (\d+) ", line)
            if progress:
                self.edges = max(self.edges, int(progress.group(1)))
            else:
                self.text += line

    def tell(self):
        """Prints the finding, if there is one."""
        if not self.failed:
            return
        print(self.text)
        if self.artifact is None:
            die(f"fuzz_{self.target} failed, and left no input")
        print(f"==> {self.target}: {self.artifact}, as text:")
        print(output(f"{self.folder}/bin/viommu-sim", "ops", "--text", self.target, self.artifact), flush=True)


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def rate(run):
    return f"{run.executions / max(run.seconds, 0.001):.0f}/s, {run.executions / max(run.cpu, 0.001):.0f}/s of CPU"


def short_runs(seconds, target):
    build("build/fuzz")
    targets = all_targets()
    if target is not None and target not in targets:
        die(f"no target '{target}'; there are: {' '.join(targets)}")
    failed = False
    for name in [target] if target is not None else targets:
        run = Run("build/fuzz", name, f"build/corpus/{name}", [f"-max_total_time={seconds}"])
        run.tell()
        failed = failed or run.failed
        print(f"{name}: {run.executions} executions, {rate(run)}, {run.edges} edges, "
              f"{'FOUND SOMETHING' if run.failed else 'nothing found'}", flush=True)
        if run.interrupted:
            break
    return 1 if failed else 0


def read_campaigns():
    if not os.path.exists(CAMPAIGNS):
        return []
    with open(CAMPAIGNS, newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for field in ("executions", "cpu_seconds", "edges", "findings"):
            row[field] = int(row[field])
    return rows


def record(run, tree):
    """Adds the run to the row of its target and revision."""
    with open("build/campaigns.lock", "w") as lock: # two campaigns at a time are all right
        fcntl.flock(lock, fcntl.LOCK_EX)
        record_locked(run, tree)


def record_locked(run, tree):
    rows = read_campaigns()
    row = next((r for r in rows if r["target"] == run.target and r["libviommu"] == tree), None)
    if row is None:
        row = {"target": run.target, "libviommu": tree, "executions": 0, "cpu_seconds": 0, "edges": 0, "findings": 0}
        rows.append(row)
        rows.sort(key=lambda r: r["target"])
    row["date"] = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    row["executions"] += run.executions
    row["cpu_seconds"] += round(run.cpu)
    row["edges"] = max(row["edges"], run.edges)
    row["findings"] += run.failed
    with open(CAMPAIGNS + ".new", "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(CAMPAIGNS + ".new", CAMPAIGNS)


def campaign(target, executions):
    build("build/fuzz", [target])
    if output("git", "status", "--porcelain", "--", "libviommu", "include", "sim"):
        die("libviommu, include or sim differ from what is committed: a record of them would say nothing")
    tree = output("git", "rev-parse", "--short=12", "HEAD:libviommu").strip()
    os.nice(10)
    left = executions
    while left is None or left > 0:
        runs = CHUNK if left is None else min(left, CHUNK)
        run = Run("build/fuzz", target, f"build/corpus/{target}", [f"-runs={runs}"])
        record(run, tree)
        run.tell()
        print(f"{target}: {run.executions} executions, {rate(run)}, {run.edges} edges", flush=True)
        if run.failed or run.interrupted:
            return 1 if run.failed else 0
        if left is not None:
            left -= max(run.executions, 1)
    return 0


def table(head, rows):
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip(), flush=True)


def totals():
    rows = read_campaigns()
    sums = {}
    for row in rows:
        entry = sums.setdefault(row["target"], [row["target"], 0, 0, 0, 0])
        entry[1] += row["executions"]
        entry[2] += row["cpu_seconds"]
        entry[3] = max(entry[3], row["edges"])
        entry[4] += row["findings"]
    rows = sorted(sums.values())
    if rows:
        rows.append(["all", sum(r[1] for r in rows), sum(r[2] for r in rows), "", sum(r[4] for r in rows)])
    table(["target", "executions", "CPU s", "edges", "findings"], rows)
    return 0


def planted_bugs():
    """Names and targets."""
    bugs = []
    for name in sorted(os.listdir(PLANTED)):
        if not name.endswith(".patch"):
            continue
        with open(f"{PLANTED}/{name}") as file:
            found = re.search(r"^Targets: (.+)$", file.read(), re.MULTILINE)
        if not found:
            die(f"{PLANTED}/{name}: no line 'Targets: ...'")
        bugs.append((name[:-len(".patch")], found.group(1).split()))
    return bugs


def planted_check():
    if shutil.which("patch") is None:
        print("skipped: no program 'patch'")
        return 77
    bad = 0
    bugs = planted_bugs()
    for bug, targets in bugs:
        for target in targets:
            if not os.path.isdir(f"fuzz/seeds/{target}"):
                print(f"{bug}: no target '{target}'")
                bad += 1
        patch = ["patch", "--dry-run", "--force", "--strip=1", "--fuzz=0", f"--input={PLANTED}/{bug}.patch"]
        result = subprocess.run(patch, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if result.returncode != 0:
            print(f"{bug}: does not apply\n{result.stdout}")
            bad += 1
    print(f"{len(bugs)} planted bugs, {bad} problems")
    return 1 if bad or not bugs else 0


def fails_without_the_bug(target, artifact):
    """Runs the input once on the library as it is. Then what was found is something else than the planted bug."""
    command = [f"build/fuzz/bin/fuzz_{target}", "-timeout=10", artifact]
    result = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
    if result.returncode != 0:
        print(result.stderr)
        print(f"==> {target}: {artifact} fails without the planted bug too", flush=True)
    return result.returncode != 0


def planted(seconds, only):
    bugs = [b for b in planted_bugs() if only is None or b[0] == only]
    if not bugs:
        die(f"no planted bug '{only}'")
    build("build/fuzz", sorted({target for _, targets in bugs for target in targets}))
    rows, bad = [], 0
    for bug, targets in bugs:
        build("build/planted", targets, [f"-DVIOMMU_PLANTED_BUG={bug}", "-DVIOMMU_WERROR=OFF"])
        for target in targets:
            corpus = f"build/planted/corpus/{target}"
            shutil.rmtree(corpus, ignore_errors=True)
            # From nothing, for a seed may be made for the bug; and the same each time.
            run = Run("build/planted", target, corpus, [f"-max_total_time={seconds}", "-seed=1"], with_seeds=False)
            if run.interrupted:
                return 1
            if not run.failed or run.artifact is None:
                result = "NOT FOUND"
            elif fails_without_the_bug(target, run.artifact):
                result = "ANOTHER BUG"  # and its input stays in build/findings
            else:
                result = f"{run.seconds:.1f}"
                os.remove(run.artifact)
            bad += result in ("NOT FOUND", "ANOTHER BUG")
            rows.append([bug, target, result, run.executions])
            print(*rows[-1], flush=True)
    print()
    table(["bug", "target", "seconds to find", "executions"], rows)
    return 1 if bad else 0


def number(text):
    if not text.isdecimal() or int(text) == 0:
        die(f"expected a number, found '{text}'; see --help")
    return int(text)


def main(args):
    os.chdir(os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
    if args[:1] in (["--help"], ["-h"]):
        print(__doc__.strip())
        return 0
    if args == ["--totals"]:
        return totals()
    if args == ["--planted-check"]:
        return planted_check()
    if args[:1] == ["--campaign"] and len(args) in (2, 3):
        return campaign(args[1], number(args[2]) if len(args) > 2 else None)
    if args[:1] == ["--planted"] and len(args) <= 3:
        return planted(number(args[1]) if len(args) > 1 else PLANTED_SECONDS, args[2] if len(args) > 2 else None)
    if len(args) in (1, 2) and not args[0].startswith("-"):
        return short_runs(number(args[0]), args[1] if len(args) > 1 else None)
    die("wrong usage, see --help")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
