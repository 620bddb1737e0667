#!/usr/bin/env python3
"""The live benchmark: what does watching cost, and is anything lost?

One CPU injects a known load into the receive path of a veth interface; the monitor under test runs
on the others. The same load goes to: no monitor, a do-nothing TPACKET_V3 reader behind a filter
that rejects all, the same reader behind a handshake filter (the yardstick), and tcpeek. Rounds are
interleaved, so that a disturbed machine disturbs all alike; the median is shown.

CPU time is the monitor's own, all threads, from just before the load until it is idle again:
setting up its ring and winding down are not in it. The kernel's part of receiving (softirq, filter,
copying into the ring) is paid by the injector's CPU, and shows as "tap ns": time per packet beyond
that without a monitor.

Everything happens in a network namespace of its own, removed at the end whatever happens. Exit
status 1 when tcpeek dropped a packet or counted wrong. Needs root.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from lab import (
    INTERFACE,
    PEER_INTERFACE,
    BenchError,
    Lab,
    answers,
    ask,
    is_capturing,
    running,
    until,
    wait_quiet,
)
from report import YARDSTICK, Measured, Monitor, Outcome, faults, print_report, table_rows

ROOT = Path(__file__).resolve().parents[2]
LOADS = ("handshakes", "syn-flood", "data", "acks")
READY_SECONDS = 20.0


class Bench:
    def __init__(self, options: argparse.Namespace, lab: Lab, directory: Path) -> None:
        self.options = options
        self.lab = lab
        self.directory = directory
        allowed = sorted(os.sched_getaffinity(0))
        self.injector_cpus = {allowed[0]}
        self.monitor_cpus = set(allowed[1:]) or {allowed[0]}

    def inject(self) -> dict[str, Any]:
        options = self.options
        command = [str(options.injector), "--interface", INTERFACE, "--load", options.load]
        command += ["--fallback-from", PEER_INTERFACE, "--method", options.method]
        command += ["--count", str(options.count)] if options.count else []
        command += ["--seconds", str(options.seconds)]
        command += ["--rate", str(options.rate)] if options.rate else []
        command += ["--ipv6"] if options.ipv6 else []
        done = subprocess.run(
            self.lab.inside(command, self.injector_cpus),
            stdout=subprocess.PIPE,
            text=True,
            timeout=options.seconds * 10 + 120,
            check=False,
        )
        if done.returncode != 0:
            raise BenchError("the injector failed")
        injected: dict[str, Any] = json.loads(done.stdout)
        return injected

    def measure(self, monitor: Monitor) -> Outcome:
        if monitor.kind == "none":
            return Outcome(self.inject())
        output = self.directory / "output"
        with running(self.lab.inside(monitor.command, self.monitor_cpus), output) as process:
            self._wait_ready(monitor, process, output)
            before = wait_quiet(process.pid)
            outcome = Outcome(self.inject())
            outcome.cpu = wait_quiet(process.pid) - before
            if monitor.control is not None:
                read_stats(json.loads(ask(monitor.control, "STATS")), outcome)
        outcome.last_words = output.read_text(errors="replace").strip()
        if monitor.kind == "reader":
            counted = json.loads(outcome.last_words.splitlines()[-1])
            outcome.seen, outcome.drops = counted["packets"], counted["drops"]
        return outcome

    def _wait_ready(
        self, monitor: Monitor, process: subprocess.Popen[bytes], output: Path
    ) -> None:
        def ready() -> bool:
            if process.poll() is not None:
                return True
            if monitor.control is not None and not answers(monitor.control):
                return False
            return is_capturing(process.pid)

        in_time = until(ready, READY_SECONDS)
        if process.poll() is not None or not in_time:
            words = output.read_text(errors="replace").strip().splitlines()
            why = words[-1] if words else "it said nothing"
            raise BenchError(f"{monitor.name} does not capture on {INTERFACE}: {why}")


def read_stats(stats: dict[str, Any], outcome: Outcome) -> None:
    packets, totals = stats["packets"], stats["totals"]
    outcome.seen, outcome.drops = packets["seen"], packets["dropped"]
    outcome.attempts, outcome.successes = totals["attempts"], totals["success"]["total"]


def monitors(options: argparse.Namespace, directory: Path) -> list[Monitor]:
    reader = [str(options.reader), "--interface", INTERFACE, "--filter"]
    chosen = [
        Monitor("none", [], "none"),
        Monitor("reader, reject all", [*reader, "none"], "reader"),
        Monitor(YARDSTICK, [*reader, "handshake"], "reader"),
    ]
    if not options.no_tcpeek:
        control = directory / "tcpeek.sock"
        command = [str(options.tcpeek), "-i", INTERFACE, "-q", "-U", str(control)]
        command += ["--threads", str(options.threads)] if options.threads else []
        command += shlex.split(options.tcpeek_options)
        chosen.append(Monitor("tcpeek", command, "tcpeek", control))
    for text in options.peer:
        command = shlex.split(text.replace("{interface}", INTERFACE))
        chosen.append(Monitor(Path(command[0]).name, command, "other"))
    return chosen


def run_rounds(options: argparse.Namespace) -> int:
    with Lab(options.ipv6) as lab, tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)  # a monitor that gave up root still reaches its socket
        bench = Bench(options, lab, Path(directory))
        measured = [Measured(monitor) for monitor in monitors(options, Path(directory))]
        wrong: list[str] = []
        for number in range(1, options.rounds + 1):
            for one in measured:
                print(f"round {number} of {options.rounds}: {one.monitor.name}", file=sys.stderr)
                outcome = bench.measure(one.monitor)
                one.outcomes.append(outcome)
                found = faults(one.monitor, outcome, options.load)
                wrong += [f"round {number}: {fault}" for fault in found]
    if options.json:
        result = {"load": options.load, "ipv6": options.ipv6, "wrong": wrong}
        print(json.dumps(result | {"rows": table_rows(measured)}))
    else:
        print_conditions(options, bench, str(measured[0].outcomes[0].injected["method"]))
        print_report(measured, options.load, wrong)
    return 1 if wrong else 0


def print_conditions(options: argparse.Namespace, bench: Bench, method: str) -> None:
    family = "IPv6" if options.ipv6 else "IPv4"
    cpus = ",".join(map(str, sorted(bench.monitor_cpus)))
    print(f"load {options.load}, {family}, by {method}; {options.rounds} rounds, medians of them")
    print(f"injector on CPU {min(bench.injector_cpus)}, monitor on CPU {cpus}")
    if bench.injector_cpus == bench.monitor_cpus:
        print("only one CPU: injector and monitor share it, and drops mean little")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    build = ROOT / "build" / "release"
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--load", choices=LOADS, default="handshakes")
    add("--ipv6", action="store_true")
    add("--seconds", type=float, default=3.0, help="length of each load (default 3)")
    add("--count", type=int, default=0, help="packets of each load, instead of --seconds")
    add("--rate", type=float, default=0, help="packets per second (default: as fast as can be)")
    add("--rounds", type=int, default=3, help="loads per monitor (default 3)")
    add("--method", choices=("auto", "live-frames", "sendmmsg"), default="auto")
    add("--threads", type=int, default=0, help="tcpeek's readers (default: its own choice)")
    add("--tcpeek-options", default="", help="more options for tcpeek")
    add("--no-tcpeek", action="store_true", help="only the yardsticks and peers")
    add("--peer", action="append", default=[], metavar="COMMAND",
        help="another monitor for the same load; {interface} stands for the interface")  # fmt: skip
    add("--tcpeek", type=Path, default=build / "tcpeek")
    add("--injector", type=Path, default=build / "bench" / "live" / "tcpeek-inject")
    add("--reader", type=Path, default=build / "bench" / "live" / "tcpeek-null-reader")
    add("--json", action="store_true", help="one JSON object instead of the table")
    options = parser.parse_args(arguments)
    if not 0.1 <= options.seconds <= 60:
        parser.error(f"--seconds {options.seconds:g}: from 0.1 to 60")
    if not 1 <= options.rounds <= 100:
        parser.error(f"--rounds {options.rounds}: from 1 to 100")
    return options


def on_terminate(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(143)


def main() -> int:
    options = parse(sys.argv[1:])
    if os.geteuid() != 0:
        print("run.py: network namespaces and injection need root", file=sys.stderr)
        return 1
    needed = [options.injector, options.reader] + ([] if options.no_tcpeek else [options.tcpeek])
    for program in needed:
        if not os.access(program, os.X_OK):
            print(f"run.py: {program} is missing: build the release preset first", file=sys.stderr)
            return 1
    signal.signal(signal.SIGTERM, on_terminate)
    try:
        return run_rounds(options)
    except (BenchError, subprocess.TimeoutExpired, OSError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
