#!/usr/bin/env python3
"""The live benchmark: what does watching cost, and is anything lost?

One CPU injects a known load into the receive path of a veth interface; the monitor under test runs
on the others. The same load goes to: no monitor, a do-nothing TPACKET_V3 reader behind a filter
that rejects everything, the same reader behind a handshake filter (the yardstick), and tcpeek. Rounds
are interleaved, so that disturbances affect all alike; the median is shown.

CPU time is the monitor's own, all threads, from just before the load until it is idle again, without
start and shutdown. The kernel's part of receiving (softirq, filter, copying into the ring) is paid by
the injector's CPU and shown as "tap ns": its CPU time per packet beyond that without a monitor.

--load mixed is different: ten seconds of a SYN flood with genuine handshakes in it, for tcpeek alone,
to check that none of them is lost and that memory does not grow.

Everything happens in a separate network namespace, which is always removed at the end. Exit status 1
when tcpeek dropped a packet or counted wrong. Needs root.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import peers
from bench import Bench
from lab import INTERFACE, BenchError, Lab
from mixed import SECONDS as MIXED_SECONDS
from mixed import as_json, measure_mixed, print_mixed
from report import REJECTING, YARDSTICK, Measured, Monitor, faults, print_report, table_rows

ROOT = Path(__file__).resolve().parents[2]
LOADS = ("handshakes", "handshakes-rtt", "syn-flood", "data", "acks", "mixed")


def monitors(options: argparse.Namespace, directory: Path) -> list[Monitor]:
    reader = [str(options.reader), "--interface", INTERFACE, "--filter"]
    chosen = [
        Monitor("none", [], "none"),
        Monitor(REJECTING, [*reader, "none"], "reader"),
        Monitor(YARDSTICK, [*reader, "handshake"], "reader"),
    ]
    if not options.no_tcpeek:
        control = directory / "tcpeek.sock"
        # What a packet costs, not what the first of them cost as tables take memory.
        command = [str(options.tcpeek), "-i", INTERFACE, "-q", "--prefault", "-U", str(control)]
        command += ["--threads", str(options.threads)] if options.threads else []
        command += shlex.split(options.tcpeek_options)
        chosen.append(Monitor("tcpeek", command, "tcpeek", control))
    for peer in peers.installed() if options.peers else []:
        command = [word.replace(peers.INTERFACE, INTERFACE) for word in peer.command]
        chosen.append(Monitor(f"{peer.name} {peers.version_of(peer)}", command, "other"))
    for text in options.peer:
        command = shlex.split(text.replace("{interface}", INTERFACE))
        chosen.append(Monitor(Path(command[0]).name, command, "other"))
    return chosen


@contextlib.contextmanager
def laboratory(options: argparse.Namespace) -> Iterator[tuple[Bench, Path]]:
    with Lab(options.ipv6) as lab, tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)  # a monitor that gave up root still reaches its socket
        yield Bench(options, lab, Path(directory)), Path(directory)


def run_mixed(options: argparse.Namespace) -> int:
    with laboratory(options) as (bench, directory):
        tcpeek = next(m for m in monitors(options, directory) if m.kind == "tcpeek")
        mixed = measure_mixed(options, bench, tcpeek)
    if options.json:
        result = {"load": options.load, "ipv6": options.ipv6, "wrong": mixed.wrong}
        print(json.dumps(result | as_json(mixed)))
    else:
        print_load(options, bench, str(mixed.outcome.injected["method"]))
        print_mixed(mixed)
    return 1 if mixed.wrong else 0


def run_rounds(options: argparse.Namespace) -> int:
    with laboratory(options) as (bench, directory):
        measured = [Measured(monitor) for monitor in monitors(options, directory)]
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
        rounds = f"; {options.rounds} rounds, medians of them"
        print_load(options, bench, str(measured[0].outcomes[0].injected["method"]), rounds)
        print_report(measured, options.load, wrong)
    return 1 if wrong else 0


def print_load(options: argparse.Namespace, bench: Bench, method: str, rounds: str = "") -> None:
    family = "IPv6" if options.ipv6 else "IPv4"
    cpus = ",".join(map(str, sorted(bench.monitor_cpus)))
    print(f"load {options.load}, {family}, by {method}{rounds}")
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
    add("--seconds", type=float, default=None,
        help=f"length of each load (default 3; mixed {MIXED_SECONDS:g})")  # fmt: skip
    add("--count", type=int, default=0, help="packets of each load, instead of --seconds")
    add("--rate", type=float, default=0, help="packets per second (default: as fast as possible)")
    add("--rounds", type=int, default=3, help="loads per monitor (default 3)")
    add("--tries", type=int, default=1, help="loads, if tcpeek drops packets, until it does not (default 1)")
    add("--method", choices=("auto", "live-frames", "sendmmsg"), default="auto")
    add("--threads", type=int, default=0, help="tcpeek's readers (default: its own choice)")
    add("--tcpeek-options", default="", help="more options for tcpeek")
    add("--no-tcpeek", action="store_true", help="only the yardsticks and peers")
    add("--peer", action="append", default=[], metavar="COMMAND",
        help="another monitor for the same load; {interface} stands for the interface")  # fmt: skip
    add("--peers", action="store_true",
        help="also tcpdump, tshark, argus and suricata, those that are installed")  # fmt: skip
    add("--tcpeek", type=Path, default=build / "tcpeek")
    add("--injector", type=Path, default=build / "bench" / "live" / "tcpeek-inject")
    add("--reader", type=Path, default=build / "bench" / "live" / "tcpeek-null-reader")
    add("--json", action="store_true", help="one JSON object instead of the table")
    options = parser.parse_args(arguments)
    if options.seconds is None:
        options.seconds = MIXED_SECONDS if options.load == "mixed" else 3.0
    if options.load == "mixed" and (options.no_tcpeek or options.peer or options.peers or options.count):
        parser.error("--load mixed runs tcpeek only, and takes --seconds, not --count")
    if not 0.1 <= options.seconds <= 60:
        parser.error(f"--seconds {options.seconds:g}: from 0.1 to 60")
    if not 1 <= options.tries <= 100:
        parser.error(f"--tries {options.tries}: from 1 to 100")
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
        return run_mixed(options) if options.load == "mixed" else run_rounds(options)
    except (BenchError, subprocess.TimeoutExpired, OSError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
