"""One monitor under one load: started, waited for, loaded, asked."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import peers
from lab import (
    INTERFACE,
    PEER_INTERFACE,
    BenchError,
    Lab,
    answers,
    ask,
    is_capturing,
    running,
    sampled_memory,
    until,
    wait_quiet,
)
from report import Monitor, Outcome

READY_SECONDS = 60.0


class Bench:
    def __init__(self, options: argparse.Namespace, lab: Lab, directory: Path) -> None:
        self.options = options
        self.lab = lab
        self.directory = directory
        allowed = sorted(os.sched_getaffinity(0))
        self.injector_cpus = {allowed[0]}
        self.monitor_cpus = set(allowed[1:]) or {allowed[0]}

    def inject(self, seconds: float, period: int) -> dict[str, Any]:
        options = self.options
        command = [str(options.injector), "--interface", INTERFACE, "--load", options.load]
        command += ["--fallback-from", PEER_INTERFACE, "--method", options.method]
        command += ["--count", str(options.count)] if options.count else []
        command += ["--seconds", str(seconds)]
        command += ["--period", str(period)] if period else []
        command += ["--rate", str(options.rate)] if options.rate else []
        command += ["--ipv6"] if options.ipv6 else []
        done = subprocess.run(
            self.lab.inside(command, self.injector_cpus),
            stdout=subprocess.PIPE,
            text=True,
            timeout=seconds * 10 + 120,
            check=False,
        )
        if done.returncode != 0:
            raise BenchError("the injector failed")
        injected: dict[str, Any] = json.loads(done.stdout)
        return injected

    def measure(self, monitor: Monitor, seconds: float = 0, period: int = 0) -> Outcome:
        """`seconds` 0: as in the options; `period` 0: the injector's default.

        Where tcpeek dropped packets, that may be since something else had its processor: it is tried again as often as
        the options say, and the last time counts.
        """
        for left in reversed(range(self.options.tries)):
            outcome = self._measure_once(monitor, seconds, period)
            if monitor.kind != "tcpeek" or not outcome.drops or not left:
                break
            print(f"{outcome.drops} packets were dropped: once more", file=sys.stderr)
        return outcome

    def _measure_once(self, monitor: Monitor, seconds: float, period: int) -> Outcome:
        seconds = seconds or self.options.seconds
        if monitor.kind == "none":
            return Outcome(self.inject(seconds, period))
        output = self.directory / "output"
        with running(self.lab.inside(monitor.command, self.monitor_cpus), output) as process:
            wait_ready(monitor, process, output)
            before = wait_quiet(process.pid)
            with sampled_memory(process.pid) as resident_kib:
                outcome = Outcome(self.inject(seconds, period), resident_kib=resident_kib)
            outcome.cpu = wait_quiet(process.pid) - before
            if monitor.control is not None:
                read_stats(json.loads(ask(monitor.control, "STATS")), outcome)
        outcome.output = output.read_text(errors="replace").strip()
        if monitor.kind == "reader":
            counted = json.loads(outcome.output.splitlines()[-1])
            outcome.seen, outcome.drops = counted["packets"], counted["drops"]
        if monitor.kind == "other":
            outcome.drops = peers.dropped(outcome.output)
        return outcome


def wait_ready(monitor: Monitor, process: subprocess.Popen[bytes], output: Path) -> None:
    def ready() -> bool:
        if process.poll() is not None:
            return True
        if monitor.control is not None and not answers(monitor.control):
            return False
        return is_capturing(process.pid)

    in_time = until(ready, READY_SECONDS)
    if process.poll() is not None or not in_time:
        lines = output.read_text(errors="replace").strip().splitlines()
        why = lines[-1] if lines else "it printed nothing"
        raise BenchError(f"{monitor.name} does not capture on {INTERFACE}: {why}")


def read_stats(stats: dict[str, Any], outcome: Outcome) -> None:
    packets, totals = stats["packets"], stats["totals"]
    outcome.seen, outcome.drops = packets["seen"], packets["dropped"]
    outcome.attempts, outcome.successes = totals["attempts"], totals["success"]["total"]
    outcome.stats = stats
