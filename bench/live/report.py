"""What was measured, judged and shown: outcomes in, one table and one verdict out."""

from __future__ import annotations

import dataclasses
import statistics
from pathlib import Path
from typing import Any

from lab import Cpu

YARDSTICK = "reader, handshakes"
REJECTING = "reader, reject all"
GOAL_RATIO = 2.0  # CPU of complete handshakes, to the yardstick
GOAL_TAP_RATIO = 1.2  # of a data packet, to rejecting all
GOAL_ACK_NS = 25.0
LAST_LINES = 12  # of another monitor's output


@dataclasses.dataclass
class Monitor:
    name: str
    command: list[str]  # empty: no monitor
    kind: str  # none, reader, tcpeek, other
    control: Path | None = None  # tcpeek's socket


@dataclasses.dataclass
class Outcome:
    """One monitor under one load."""

    injected: dict[str, Any]
    cpu: Cpu | None = None
    seen: int | None = None
    drops: int | None = None
    attempts: int | None = None
    successes: int | None = None
    output: str = ""
    stats: dict[str, Any] = dataclasses.field(default_factory=dict)  # tcpeek's
    resident_kib: list[int] = dataclasses.field(default_factory=list)  # by second

    @property
    def packets(self) -> int:
        return int(self.injected["packets"])

    @property
    def wire_ns(self) -> float:
        return float(self.injected["seconds"]) * 1e9 / self.packets

    @property
    def inject_ns(self) -> float:
        """The injector's own CPU time: unlike the wire's, free of what else the machine does."""
        return float(self.injected["cpu_seconds"]) * 1e9 / self.packets

    @property
    def cpu_ns(self) -> float | None:
        return None if self.cpu is None else self.cpu.total_ns / self.packets

    @property
    def captured_ns(self) -> float | None:
        """Of each packet that was not dropped: whatever drops many is not cheap for it."""
        captured = self.packets - (self.drops or 0)
        return None if self.cpu is None or captured <= 0 else self.cpu.total_ns / captured


@dataclasses.dataclass
class Measured:
    monitor: Monitor
    outcomes: list[Outcome] = dataclasses.field(default_factory=list)


def faults(monitor: Monitor, outcome: Outcome, load: str) -> list[str]:
    """What tcpeek got wrong. Attempts are exact only when no packet was dropped."""
    if monitor.kind != "tcpeek":
        return []
    expected = {
        "dropped packets": (outcome.drops, 0),
        "packets seen": (outcome.seen, 0 if load == "data" else outcome.packets),
        "attempts": (outcome.attempts, outcome.injected["attempts"]),
    }
    if load.startswith("handshakes"):
        expected["successes"] = (outcome.successes, outcome.injected["completed"])
    return [
        f"{what} {got}, should be {wanted}"
        for what, (got, wanted) in expected.items()
        if got != wanted
    ]


def median(values: list[float]) -> float | None:
    return statistics.median(values) if values else None


def summarize(monitor: Monitor, outcomes: list[Outcome], bare_ns: float | None) -> dict[str, Any]:
    per_packet = [o.cpu_ns for o in outcomes if o.cpu_ns is not None]
    cpus = [o.cpu for o in outcomes if o.cpu is not None]
    user = sum(cpu.user_ticks for cpu in cpus)
    ticks = user + sum(cpu.system_ticks for cpu in cpus)
    cost = median(per_packet)
    wire_ns = statistics.median(o.wire_ns for o in outcomes)
    inject_ns = statistics.median(o.inject_ns for o in outcomes)
    split = None if cost is None or ticks == 0 else cost * user / ticks
    return {
        "monitor": monitor.name,
        "rate": 1e9 / wire_ns,
        "tap_ns": None if bare_ns is None else inject_ns - bare_ns,
        "injected": sum(o.packets for o in outcomes),
        "seen": total([o.seen for o in outcomes]),
        "drops": total([o.drops for o in outcomes]),
        "cpu_ns": cost,
        "captured_ns": median([o.captured_ns for o in outcomes if o.captured_ns is not None]),
        "cpu_ns_user": split,
        "cpu_ns_system": None if cost is None or split is None else cost - split,
        "cpu_ns_least": min(per_packet, default=None),
        "cpu_ns_most": max(per_packet, default=None),
    }


def total(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def ratio(row: dict[str, Any], yardstick: dict[str, Any]) -> float | None:
    # Behind a filter that rejects the load a reader sleeps, and a ratio of idle times means nothing.
    if row["cpu_ns"] is None or not yardstick["seen"]:
        return None
    return float(row["cpu_ns"]) / float(yardstick["cpu_ns"])


def show(value: float | int | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def print_table(rows: list[dict[str, Any]]) -> None:
    columns = (
        ("monitor", 20), ("injected/s", 11), ("tap ns", 8), ("injected", 11), ("seen", 11),
        ("drops", 9), ("CPU ns/packet", 15), ("captured", 10), ("least-most", 17), ("user", 8), ("system", 8),
        ("ratio", 8),
    )  # fmt: skip
    print_line([name for name, _ in columns], [width for _, width in columns])
    for row in rows:
        spread = "-"
        if row["cpu_ns"] is not None:
            spread = f"{row['cpu_ns_least']:.1f}-{row['cpu_ns_most']:.1f}"
        cells = [
            str(row["monitor"]), show(row["rate"], ",.0f"), show(row["tap_ns"], ".0f"),
            show(row["injected"], "d"), show(row["seen"], "d"), show(row["drops"], "d"),
            show(row["cpu_ns"], ".1f"), show(row["captured_ns"], ".1f"), spread, show(row["cpu_ns_user"], ".1f"),
            show(row["cpu_ns_system"], ".1f"), show(row["ratio"], ".2f"),
        ]  # fmt: skip
        print_line(cells, [width for _, width in columns])


def print_line(cells: list[str], widths: list[int]) -> None:
    rest = "".join(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:]))
    print(cells[0].ljust(widths[0]) + rest)


def table_rows(measured: list[Measured]) -> list[dict[str, Any]]:
    bare = next(m for m in measured if m.monitor.kind == "none")
    bare_ns = statistics.median(o.inject_ns for o in bare.outcomes)
    rows = [
        summarize(m.monitor, m.outcomes, None if m is bare else bare_ns) for m in measured
    ]
    yardstick = next(row for row in rows if row["monitor"] == YARDSTICK)
    rejecting = next(row for row in rows if row["monitor"] == REJECTING)
    for row in rows:
        row["ratio"] = ratio(row, yardstick)
        row["tap_ratio"] = tap_ratio(row, rejecting)
    return rows


def tap_ratio(row: dict[str, Any], rejecting: dict[str, Any]) -> float | None:
    # The injector's time is noisy: where rejecting costs nothing measurable, there is no ratio.
    if row["tap_ns"] is None or rejecting["tap_ns"] <= 0:
        return None
    return float(row["tap_ns"]) / float(rejecting["tap_ns"])


def print_report(measured: list[Measured], load: str, wrong: list[str]) -> None:
    rows = table_rows(measured)
    print("CPU ns/packet: the monitor's own, all threads, user + system, per packet injected, from")
    print("just before the load until idle again, without set-up; the split is sampled by the tick")
    print("captured: the same, per packet that it did not drop, as far as it tells")
    print("tap ns: CPU time that softirq, filter and copying add to the injector's, per packet")
    print_table(rows)
    for one in measured:
        if one.monitor.kind == "other":
            lines = one.outcomes[-1].output.splitlines()[-LAST_LINES:]
            print(f"last lines of {one.monitor.name}:", *lines, sep="\n  ")
    print_verdict(rows, wrong, load)


def print_verdict(rows: list[dict[str, Any]], wrong: list[str], load: str) -> None:
    ours = next((row for row in rows if row["monitor"] == "tcpeek"), None)
    if ours is None:
        return
    for fault in wrong:
        print(f"tcpeek WRONG: {fault}")
    if not wrong:
        counted = "every handshake a success" if load.startswith("handshakes") else "every attempt counted"
        print(f"tcpeek exact: no drops, {counted}")
    for text in judged(ours, load):
        print(text)


def judged(ours: dict[str, Any], load: str) -> list[str]:
    """Times beside their goals; only shown."""
    said: list[str] = []
    if ours["ratio"] is not None and load == "handshakes":
        word = "within" if ours["ratio"] <= GOAL_RATIO else "BEYOND"
        said.append(f"tcpeek costs {ours['ratio']:.2f} times the yardstick: {word} {GOAL_RATIO:g}")
    if load in ("data", "acks"):
        if ours["tap_ratio"] is None:
            said.append("tcpeek's tap: no ratio, rejecting all costs less than can be measured here")
        else:
            goal = ""
            if load == "data":
                word = "within" if ours["tap_ratio"] <= GOAL_TAP_RATIO else "BEYOND"
                goal = f": {word} {GOAL_TAP_RATIO:g}"
            said.append(f"tcpeek's tap adds {ours['tap_ratio']:.2f} times what rejecting all adds{goal}")
    if load == "acks":
        word = "within" if ours["cpu_ns"] <= GOAL_ACK_NS else "BEYOND"
        said.append(f"tcpeek's reader takes {ours['cpu_ns']:.1f} ns per ACK: {word} {GOAL_ACK_NS:g}")
    return said
