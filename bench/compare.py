#!/usr/bin/env python3
"""Two builds of the pipeline's benchmarks against each other: `scripts/bench --compare REV` builds both.

Rounds are short and interleaved, and begin with the one and the other in turn, so that what else the machine
does affects both alike. The least time of each is shown, as disturbances only add, and beside it the
instructions by callgrind, which do not vary. With a table that does not fit the caches two runs of the same
program differ by a tenth: it is a matter of which pages it got.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

from instructions import CASES, CannotCount, count

RUN_SECONDS = 300.0
LARGE = ("handshakes/live:1000000/ip:4", "syn_flood/live:1000000/ip:4", "acks/live:1000000/ip:4")


def times(program: Path, cases: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    """Of each case: nanoseconds a packet, and evicted attempts a packet."""
    pattern = "|".join(f"^{re.escape(case)}$" for case in cases)
    ran = subprocess.run(
        [program, f"--benchmark_filter={pattern}", "--benchmark_format=json", "--benchmark_min_time=0.05"],
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=True,
    )
    found: dict[str, tuple[float, float]] = {}
    for one in json.loads(ran.stdout)["benchmarks"]:
        packet_ns = 1e9 / float(one["items_per_second"])
        packets = float(one["iterations"]) * float(one["cpu_time"]) / packet_ns
        found[str(one["name"])] = (packet_ns, float(one["evicted"]) / packets)
    return found


def count_or_none(program: Path, case: str) -> int | None:
    try:
        return count(program, case)
    except CannotCount:
        return None


def compare(before: Path, after: Path, rounds: int) -> None:
    cases = (*CASES, *LARGE)
    least: dict[tuple[Path, str], tuple[float, float]] = {}
    for number in range(rounds):
        for program in (before, after) if number % 2 == 0 else (after, before):
            for case, figure in times(program, cases).items():
                least[program, case] = min(least.get((program, case), figure), figure)
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    print(f"{'':30} {'ns a packet':>22} {'':>6} {'instructions':>27} {'':>6}  {'evicted/packet':>14}")
    for case in cases:
        was, evicted_before = least[before, case]
        now, evicted = least[after, case]
        line = f"{case:30} {was:9.1f} -> {now:9.1f} {now / was:6.3f}"
        old = count_or_none(before, case) if case in CASES else None
        new = count_or_none(after, case) if case in CASES else None
        if old is not None and new is not None:
            line += f" {old:>12,} -> {new:>12,} {new / old:6.3f}"
        else:
            line += f" {'':>27} {'':>6}"
        print(f"{line}  {evicted_before:.2f} -> {evicted:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, help="a pipeline_bench")
    parser.add_argument("after", type=Path, help="another one")
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    compare(options.before.resolve(), options.after.resolve(), options.rounds)


if __name__ == "__main__":
    main()
