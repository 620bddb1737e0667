#!/usr/bin/env python3
"""One page from what scripts/bench measured: each goal, what was measured, and whether it is met.

Reads all *.json of a directory: Google Benchmark's, and those of bench/live/run.py as live-LOAD.json.
Times are only shown. Exit status 1 when a count was wrong or a benchmark failed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

# What a machine may refuse although nothing is wrong.
CANNOT_HERE = ("more than half of the memory", "DPDK does not start")
FLOOD = 14.88e6  # packets a second: 10 Gbit/s of the smallest frames


class NotMeasured(Exception):
    """Why a row has no figure."""


@dataclasses.dataclass
class Figure:
    text: str
    value: float
    limit: float
    at_least: bool = False
    exact: bool = True  # what has no limit must still hold

    @property
    def met(self) -> bool:
        within = self.value >= self.limit if self.at_least else self.value <= self.limit
        return within and self.exact


@dataclasses.dataclass
class Row:
    what: str
    wanted: str
    measure: Callable[[Results], Figure]


class Results:
    def __init__(self, directory: Path) -> None:
        self.benchmarks: dict[str, dict[str, Any]] = {}
        self.live: dict[str, dict[str, Any]] = {}
        for path in sorted(directory.glob("*.json")):
            read = json.loads(path.read_text())
            if path.name.startswith("live-"):
                self.live[str(read["load"])] = read
            else:
                self.benchmarks |= {one["name"]: one for one in read["benchmarks"]}

    def benchmark(self, name: str) -> dict[str, Any]:
        found = self.benchmarks.get(name)
        if found is None:
            raise NotMeasured(f"no {name}")
        if found.get("error_occurred"):
            raise NotMeasured(str(found["error_message"]))
        return found

    def name_of(self, prefix: str) -> str:
        """Of the first benchmark that begins so: what follows are settings of the run."""
        found = next((name for name in self.benchmarks if name.startswith(prefix)), None)
        if found is None:
            raise NotMeasured(f"no {prefix}")
        return found

    def ns(self, name: str) -> float:
        """Per item."""
        return 1e9 / self.counter(name, "items_per_second")

    def counter(self, name: str, counter: str) -> float:
        found = self.benchmark(name)
        if counter not in found:
            raise NotMeasured(f"{name} has no {counter}")
        return float(found[counter])

    def load(self, name: str) -> dict[str, Any]:
        if name not in self.live:
            raise NotMeasured("the live part did not run")
        return self.live[name]

    def live_row(self, load: str, monitor: str = "tcpeek") -> dict[str, Any]:
        return next(dict(row) for row in self.load(load)["rows"] if row["monitor"] == monitor)

    def faults(self) -> list[str]:
        found = [f"{load}: {fault}" for load, one in self.live.items() for fault in one["wrong"]]
        for name, one in self.benchmarks.items():
            if one.get("error_occurred") and one["error_message"] not in CANNOT_HERE:
                found.append(f"{name}: {one['error_message']}")
        return found


def mixed(results: Results) -> Figure:
    one = results.load("mixed")
    resident = [kib / 1024 for kib in one["resident_kib"]]
    memory = f"{resident[0]:.1f} then {resident[-1]:.1f} MiB" if resident else "too short for memory"
    text = (
        f"{one['drops']} drops, {one['genuine_counted']} of {one['genuine']} at"
        f" {one['genuine_per_second']:,.0f}/s in {one['rate'] / 1e6:.2f} M/s, {memory}"
    )
    missed = one["genuine"] - one["genuine_counted"]
    return Figure(text, one["drops"] + missed, 0, exact=not one["wrong"])


def live_handshakes(results: Results) -> Figure:
    ours, wrong = results.live_row("handshakes"), results.load("handshakes")["wrong"]
    text = (
        f"{ours['ratio']:.1f} times ({ours['cpu_ns']:.0f} ns), {ours['drops']} drops"
        f" at {ours['rate'] / 1e6:.2f} M/s"
    )
    return Figure(text, ours["ratio"], 2, exact=not wrong)


def data_tap(results: Results) -> Figure:
    ours = results.live_row("data")
    rejecting = results.live_row("data", "reader, reject all")
    if ours["tap_ratio"] is None:
        raise NotMeasured("rejecting all cost nothing measurable")
    text = f"{ours['tap_ratio']:.2f} times ({ours['tap_ns']:.0f} to {rejecting['tap_ns']:.0f} ns)"
    return Figure(text, ours["tap_ratio"], 1.2, exact=not results.load("data")["wrong"])


def ack_reader(results: Results) -> Figure:
    ours, wrong = results.live_row("acks"), results.load("acks")["wrong"]
    return Figure(f"{ours['cpu_ns']:.1f} ns", ours["cpu_ns"], 25, exact=not wrong)


def nanoseconds(name: str, limit: float) -> Callable[[Results], Figure]:
    def measure(results: Results) -> Figure:
        ns = results.ns(name)
        cores = FLOOD * ns / 1e9
        return Figure(f"{ns:.1f} ns; {cores:.2f} cores at 14.88 M/s", ns, limit)

    return measure


def by(numerator: str, denominator: str, limit: float) -> Callable[[Results], Figure]:
    def measure(results: Results) -> Figure:
        above, below = results.ns(numerator), results.ns(denominator)
        return Figure(f"{above / below:.2f} times ({below:.1f} to {above:.1f} ns)", above / below, limit)

    return measure


def best_of(results: Results, names: Iterable[str]) -> float:
    """The other's best: it may choose among its own ways to be used."""
    times: list[float] = []
    why = NotMeasured("not installed")
    for name in names:
        try:
            times.append(results.ns(name))
        except NotMeasured as reason:
            if name in results.benchmarks:
                why = reason
    if not times:
        raise why
    return min(times)


def table(operation: str, family: int, other: str) -> Callable[[Results], Figure]:
    def measure(results: Results) -> Figure:
        ours = results.ns(f"ours_{operation}/ip:{family}")
        prefix = f"{other}_{operation}"
        names = [n for n in results.benchmarks if n.startswith(prefix) and f"/ip:{family}" in n]
        theirs = best_of(results, names)
        return Figure(f"{ours / theirs:.2f} times ({ours:.1f} to its {theirs:.1f} ns)", ours / theirs, 1)

    return measure


def memory(results: Results) -> Figure:
    worst = max(
        results.counter(results.name_of(f"ours_memory/capacity:{n}/"), "bytes_per_attempt")
        for n in (1_000, 1_000_000, 10_000_000)
    )
    return Figure(f"{worst:.1f} bytes", worst, 96)


def pause(family: int) -> Callable[[Results], Figure]:
    def measure(results: Results) -> Figure:
        name = results.name_of(f"expiry/ip:{family}/tell:1/")
        longest, mean = (results.counter(name, f"{which}_pause_us") for which in ("max", "mean"))
        return Figure(f"{longest / 1000:.2f} ms of CPU; mean {mean / 1000:.2f}", longest, 1000)

    return measure


def filters(results: Results) -> Figure:
    few = float(results.benchmark("classify_and_match/1")["cpu_time"])
    many = float(results.benchmark("classify_and_match/1000")["cpu_time"])
    try:
        syn = results.ns("handshakes/live:1000000/ip:4")
    except NotMeasured:
        return Figure(f"{many / few:.1f} times, the look-up alone", many / few, 4)
    whole = (syn + many) / (syn + few)
    text = f"{whole:.2f} times; the look-up alone {many / few:.1f} ({few:.1f} to {many:.1f} ns)"
    return Figure(text, whole, 4)


def two_readers(results: Results) -> Figure:
    name = "readers/live:1000000/ip:4/real_time/threads:"
    one, two = results.ns(f"{name}1"), results.ns(f"{name}2")
    return Figure(f"{one / two:.2f} times", one / two, 1.9, at_least=True)


def collisions(kind: str, family: int) -> Callable[[Results], Figure]:
    def measure(results: Results) -> Figure:
        random = results.ns(f"{kind}/set:0/ip:{family}")
        worst = max(results.ns(f"{kind}/set:{n}/ip:{family}") for n in range(1, 5)) / random
        text = f"{worst:.2f} times"
        if kind == "steering":
            spread = [
                results.counter(f"steering/set:{n}/ip:{family}", "largest_by_mean") for n in range(5)
            ]
            skew = max(spread[1:]) / spread[0]
            text += f"; largest reader's share {skew:.2f} times"
            worst = max(worst, skew)
        return Figure(text, worst, 1.2)

    return measure


def rows() -> list[Row]:
    listed = [
        Row("live: SYN flood with genuine handshakes", "no drop, 100%, memory flat", mixed),
        Row("live: complete handshakes, CPU to yardstick", "2 times, no drop", live_handshakes),
        Row("live: data, tap to one that rejects all", "1.2 times", data_tap),
        Row("live: pure ACKs, the reader", "25 ns", ack_reader),
        Row("memory: handshake packet, 1 M live", "50 ns", nanoseconds("handshakes/live:1000000/ip:4", 50)),
        Row("memory: the same, IPv6", "50 ns", nanoseconds("handshakes/live:1000000/ip:6", 50)),
        Row("memory: 10 M live to 1,000", "2.5 times",
            by("handshakes/live:10000000/ip:4", "handshakes/live:1000/ip:4", 2.5)),
        Row("memory: segment of no attempt", "15 ns", nanoseconds("acks/live:1000000/ip:4", 15)),
        Row("memory: SYN flood, full table of 1 M", "(shown)",
            nanoseconds("syn_flood/live:1000000/ip:4", float("inf"))),
    ]  # fmt: skip
    for other, called in (("absl", "absl::flat_hash_map"), ("dpdk", "rte_hash")):
        for operation in ("find_hit", "find_miss", "insert", "erase"):
            listed.append(
                Row(f"table: {operation} to {called}", "1 time", table(operation, 4, other))
            )
    listed += [
        Row("table: memory per attempt", "96 bytes", memory),
        Row("expiry: longest pause, 1 M due in 1 s", "1 ms", pause(4)),
        Row("filters: cost per SYN, 1,000 to 1", "4 times", filters),
        Row("two readers to one", "1.9 times", two_readers),
        Row("collisions: table, IPv4", "1.2 times", collisions("table", 4)),
        Row("collisions: table, IPv6", "1.2 times", collisions("table", 6)),
        Row("collisions: steering, IPv4", "1.2 times", collisions("steering", 4)),
        Row("collisions: steering, IPv6", "1.2 times", collisions("steering", 6)),
    ]
    return listed


def print_page(results: Results) -> None:
    load = os.getloadavg()[0]
    print(f"{processor()}, {os.cpu_count()} CPUs, Linux {platform.release()}, load {load:.1f}")
    print(f"{'what':<46}{'wanted':<28}{'':<12}measured")
    for row in rows():
        try:
            figure = row.measure(results)
        except NotMeasured as why:
            print(f"{row.what:<46}{row.wanted:<28}{'-':<12}not measured: {why}")
            continue
        word = "" if figure.limit == float("inf") else "met" if figure.met else "NOT MET"
        print(f"{row.what:<46}{row.wanted:<28}{word:<12}{figure.text}")


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    results = Results(parser.parse_args().directory)
    print_page(results)
    faults = results.faults()
    for fault in faults:
        print(f"WRONG: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
