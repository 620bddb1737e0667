#!/usr/bin/env python3
"""Counts the instructions of the pipeline's benchmarks by callgrind, and checks them against what is recorded.

Times vary on a machine with other work; instructions repeat nearly to the digit, so a change that makes every
packet dearer is seen at once. What they do not show is memory: a table that misses the caches costs time and
no instruction.

bench/instructions.json has the figures for each compiler and machine, as others compile differently. Without
one for this compiler, or without valgrind, nothing is checked and the reason is printed. Exit status 1 when
a count is more than 5% above or below its figure: below, too, or the next loss would hide in the gain.
To record new ones, with the release build made by scripts/bench or by hand:

    bench/instructions.py --renew
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "bench" / "instructions.json"
TOLERANCE = 0.05
RUN_SECONDS = 300.0
# The table fits the caches: what it holds makes no difference to instructions.
CASES = (
    "handshakes/live:1000/ip:4",
    "handshakes/live:1000/ip:6",
    "syn_flood/live:1000/ip:4",
    "acks/live:1000/ip:4",
)


class CannotCount(Exception):
    """Why no instructions can be counted here."""


def count(program: Path, case: str) -> int:
    """The instructions of reading packets, in one run of the case."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise CannotCount("valgrind is not installed (scripts/setup installs it)")
    with tempfile.TemporaryDirectory() as directory:
        command = [
            valgrind,
            "--tool=callgrind",
            f"--callgrind-out-file={directory}/out",
            "--toggle-collect=*Reader::read*",
            str(program),
            f"--benchmark_filter=^{re.escape(case)}$",
            # One iteration, however slow valgrind makes it.
            "--benchmark_min_time=0.0001",
        ]
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
        )
    collected = re.search(r"Collected : (\d+)", ran.stderr)
    if ran.returncode != 0 or collected is None or int(collected[1]) == 0:
        last = (ran.stderr.strip().splitlines() or ["no output"])[-1]
        raise RuntimeError(f"{program.name} {case} under valgrind: status {ran.returncode}: {last}")
    return int(collected[1])


def compiler_of(build: Path) -> str:
    """What the figures depend on: "c++ 12.2.0 x86_64-linux-gnu with AVX2", which the search for a victim uses."""
    cache = (build / "CMakeCache.txt").read_text()
    found = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.+)$", cache, re.MULTILINE)
    compiler = found[1] if found else "c++"
    words = [
        subprocess.run([compiler, option], capture_output=True, text=True, check=True).stdout.strip()
        for option in ("-dumpfullversion", "-dumpmachine")
    ]
    if re.search(r"\bavx2\b", Path("/proc/cpuinfo").read_text()):
        words.append("with AVX2")
    return " ".join(["clang" if "clang" in Path(compiler).name else "gcc", *words])


def check(counted: dict[str, int], recorded: dict[str, int]) -> bool:
    """Prints each; whether all are within the tolerance."""
    good = True
    for case, instructions in counted.items():
        figure = recorded.get(case)
        if figure is None:
            print(f"{case:28} {instructions:>12,}  not recorded")
            good = False
            continue
        change = instructions / figure - 1
        within = abs(change) <= TOLERANCE
        good = good and within
        verdict = "" if within else f"  more than {TOLERANCE:.0%} off"
        print(f"{case:28} {instructions:>12,}  recorded {figure:>12,}  {change:+.1%}{verdict}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    parser.add_argument("--renew", action="store_true", help="record what is counted")
    options = parser.parse_args()
    compiler = compiler_of(options.build)
    figures: dict[str, dict[str, int]] = json.loads(FIGURES.read_text())
    if not options.renew and compiler not in figures:
        print(f"SKIPPED: no instructions are recorded for {compiler}, only for {', '.join(figures)}")
        return 0
    program = options.build / "bench" / "pipeline_bench"
    try:
        counted = {case: count(program, case) for case in CASES}
    except CannotCount as reason:
        print(f"SKIPPED: {reason}")
        return 1 if os.environ.get("CI") in ("1", "true") else 0
    if options.renew:
        figures[compiler] = counted
        FIGURES.write_text(json.dumps(figures, indent=2) + "\n")
        print(f"recorded in {FIGURES.relative_to(ROOT)} for {compiler}")
        return 0
    if check(counted, figures[compiler]):
        return 0
    print("if that is meant: bench/instructions.py --renew, and say why in the commit")
    return 1


if __name__ == "__main__":
    sys.exit(main())
