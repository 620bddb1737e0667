"""The load that the monitor exists for: a SYN flood, and in it about 1,000 genuine handshakes a second.

Each packet of the flood is a new attempt, so the table is full within a second and every attempt evicts
another. The genuine handshakes last 50 ms, as over a long distance, come from a separate network, and a
named filter counts them. Required: no packet dropped, each genuine handshake a success of that filter,
and memory as it was a second after the start.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import sys
from typing import Any

from bench import Bench
from lab import BenchError
from report import Monitor, Outcome

SECONDS = 10.0
TRIAL_SECONDS = 3.0  # past the second in which the table fills
GENUINE_PER_SECOND = 1_000
MIN_PERIOD = 8
FILTER = "genuine"
NETS = {False: "198.18.0.0/15", True: "[2001:db8::c612:0/111]"}  # kGenuine of pattern.h
GROWTH_KIB = 1024  # of resident memory that is noise


@dataclasses.dataclass
class Mixed:
    outcome: Outcome
    successes: int  # of the filter
    evicted: int
    wrong: list[str]

    @property
    def genuine(self) -> int:
        return int(self.outcome.injected["completed"])

    @property
    def genuine_per_second(self) -> float:
        return self.genuine / float(self.outcome.injected["seconds"])

    @property
    def resident_mib(self) -> list[float]:
        return [kib / 1024 for kib in self.outcome.resident_kib]


def measure_mixed(options: argparse.Namespace, bench: Bench, tcpeek: Monitor) -> Mixed:
    """Tries first how fast the injector is beside this monitor."""
    watched = copy.copy(tcpeek)
    watched.command = [*tcpeek.command, f"{FILTER}:RX@{NETS[options.ipv6]}:%"]
    print("trial, for the rate", file=sys.stderr)
    trial = bench.measure(watched, TRIAL_SECONDS)
    period = max(MIN_PERIOD, round(1e9 / trial.wire_ns / GENUINE_PER_SECOND))
    print(f"a genuine handshake in every {period} packets", file=sys.stderr)
    outcome = bench.measure(watched, 0, period)
    return judge(outcome)


def judge(outcome: Outcome) -> Mixed:
    successes = successes_of(outcome.stats, FILTER)
    memory = outcome.resident_kib
    expected = {
        "dropped packets": (outcome.drops, 0),
        "packets seen": (outcome.seen, outcome.packets),
        "attempts": (outcome.attempts, outcome.injected["attempts"]),
        "genuine handshakes counted": (successes, outcome.injected["completed"]),
        "successes of all": (outcome.successes, outcome.injected["completed"]),
    }
    wrong = [
        f"{what} {got}, should be {wanted}"
        for what, (got, wanted) in expected.items()
        if got != wanted
    ]
    if memory and memory[-1] - memory[0] > GROWTH_KIB:
        wrong.append(f"resident memory grew from {memory[0]} to {memory[-1]} KiB")
    return Mixed(outcome, successes, int(outcome.stats["totals"]["evicted"]), wrong)


def successes_of(stats: dict[str, Any], name: str) -> int:
    for one in stats["filters"]:
        if one["name"] == name:
            return int(one["success"]["total"])
    raise BenchError(f"tcpeek does not report the filter {name}")


def as_json(mixed: Mixed) -> dict[str, Any]:
    outcome = mixed.outcome
    return {
        "rate": 1e9 / outcome.wire_ns,
        "injected": outcome.packets,
        "seen": outcome.seen,
        "drops": outcome.drops,
        "attempts": outcome.attempts,
        "evicted": mixed.evicted,
        "genuine": mixed.genuine,
        "genuine_per_second": mixed.genuine_per_second,
        "genuine_counted": mixed.successes,
        "cpu_ns": outcome.cpu_ns,
        "resident_kib": outcome.resident_kib,
    }


def print_mixed(mixed: Mixed) -> None:
    outcome = mixed.outcome
    seconds = float(outcome.injected["seconds"])
    print(f"injected  {outcome.packets} packets in {seconds:.1f} s, {1e9 / outcome.wire_ns:,.0f}/s")
    print(f"seen      {outcome.seen}, dropped {outcome.drops}")
    print(f"attempts  {outcome.attempts}, of them evicted {mixed.evicted}")
    print(
        f"genuine   {mixed.genuine} handshakes, {mixed.genuine_per_second:,.0f}/s,"
        f" counted as success {mixed.successes}: {mixed.successes / max(1, mixed.genuine):.2%}"
    )
    if outcome.cpu_ns is not None:
        print(f"CPU       {outcome.cpu_ns:.1f} ns per packet, user + system, all threads")
    memory = mixed.resident_mib
    if memory:
        samples = " ".join(f"{mib:.1f}" for mib in memory)
        print(f"resident  {memory[0]:.1f} MiB first, {memory[-1]:.1f} MiB last; by second: {samples}")
    for fault in mixed.wrong:
        print(f"tcpeek WRONG: {fault}")
    if not mixed.wrong:
        print("tcpeek exact: no drops, every genuine handshake a success, memory flat")
