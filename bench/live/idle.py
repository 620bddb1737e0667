#!/usr/bin/env python3
"""What an idle tcpeek costs: its start, its memory, and how often it wakes.

In a network namespace with veth interfaces past which nothing comes. Each binary is started in turn, as often as
--rounds says, so that disturbances affect all alike; medians are shown. Counts of wakeups (voluntary context
switches of all threads) and memory repeat on a busy machine; times do not. Needs root.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab import BenchError, Lab, ask, call

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 30.0
COLUMNS = ("start s", "RSS MiB", "of which rings", "wakeups/s", "CPU %")


@contextlib.contextmanager
def interfaces(lab: Lab, count: int) -> Iterator[list[str]]:
    """`count` veth interfaces in the namespace, which are gone with it."""
    names = [f"idle{n}" for n in range(count)]
    ip = ("ip", "-n", lab.namespace)
    for name in names:
        call(*ip, "link", "add", name, "type", "veth", "peer", "name", f"p{name}")
        for end in (name, f"p{name}"):
            call(*ip, "link", "set", end, "addrgenmode", "none", "up")
    yield names


def tasks(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").iterdir())


def wakeups(pid: int) -> int:
    found = (re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.M) for task in tasks(pid))
    return sum(int(match[1]) for match in found if match)


def cpu_ns(pid: int) -> int:
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks(pid))


def resident_mib(pid: int) -> tuple[float, float]:
    """All of it, and what of it is rings."""
    total = rings = 0
    ring = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"^[0-9a-f]+-[0-9a-f]+ ", line):
            ring = "socket:" in line
        elif line.startswith("Rss:"):
            kib = int(line.split()[1])
            total += kib
            rings += kib if ring else 0
    return total / 1024, rings / 1024


def measure(lab: Lab, binary: Path, names: Sequence[str], options: argparse.Namespace) -> tuple[float, ...]:
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        control = Path(directory) / "tcpeek.sock"
        words = [str(binary), "-U", str(control), *options.tcpeek_options.split()]
        for name in names:
            words += ["-i", name]
        begun = time.monotonic()
        process = subprocess.Popen(
            lab.inside(words, os.sched_getaffinity(0)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            while not control.exists() or not answered(control):
                if process.poll() is not None or time.monotonic() - begun > READY_SECONDS:
                    raise BenchError(f"{binary} does not start")
                time.sleep(0.005)
            start = time.monotonic() - begun
            pid = process.pid
            time.sleep(options.settle)
            woken, worked, at = wakeups(pid), cpu_ns(pid), time.monotonic()
            time.sleep(options.seconds)
            took = time.monotonic() - at
            woken, worked = wakeups(pid) - woken, cpu_ns(pid) - worked
            return start, *resident_mib(pid), woken / took, worked / took / 1e7
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=READY_SECONDS)


def answered(control: Path) -> bool:
    try:
        return bool(ask(control, "GET"))
    except OSError:
        return False


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--tcpeek", type=Path, action="append", help="repeat it to compare (default: the release build)")
    add("--interfaces", type=int, default=1)
    add("--rounds", type=int, default=3)
    add("--settle", type=float, default=3, help="seconds before counting")
    add("--seconds", type=float, default=20, help="of counting")
    add("--tcpeek-options", default="")
    options = parser.parse_args(arguments)
    binaries = options.tcpeek or [ROOT / "build" / "release" / "tcpeek"]
    with Lab(False) as lab, interfaces(lab, options.interfaces) as names:
        found: list[list[tuple[float, ...]]] = [[] for _ in binaries]
        for _ in range(options.rounds):
            for index, binary in enumerate(binaries):
                found[index].append(measure(lab, binary, names, options))
    print(f"{options.interfaces} interfaces, tcpeek {options.tcpeek_options or 'at its defaults'}")
    for binary, rounds in zip(binaries, found):
        medians = [statistics.median(values) for values in zip(*rounds)]
        print(f"{binary}: " + ", ".join(f"{name} {value:.3g}" for name, value in zip(COLUMNS, medians)))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BenchError as error:
        sys.exit(f"idle.py: {error}")
