#!/usr/bin/env python3
"""The replay benchmark: how long does it take to read a capture file, and how much memory?

The same capture, complete handshakes and nothing else, is read by tcpeek (plain, with two readers,
compressed, and four times as long), by tcpdump and by tshark. Rounds are interleaved, so that
disturbances affect all alike; medians are shown, and peak memory. The files are in the page cache.
tshark reads once only, as it is slow. A program that is not installed is left out.

Exit status 1 when tcpeek counted wrong. Times and memory are only shown.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import select
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import handshakes
from handshakes import PACKETS_EACH

ROOT = Path(__file__).resolve().parents[2]
RUN_SECONDS = 600.0
LONGER = 4  # times as many packets, to see whether memory grows
MIB = 1 << 20


class BenchError(Exception):
    """Shown to the user as one line."""


@dataclasses.dataclass
class Run:
    wall_s: float
    cpu_s: float
    rss_mib: float
    words: str  # standard error


@dataclasses.dataclass
class Reader:
    name: str
    command: list[str]
    rounds: int
    handshakes: int = 0  # tcpeek's to count; 0: not to be checked
    runs: list[Run] = dataclasses.field(default_factory=list)

    def wall_s(self) -> float:
        return statistics.median(run.wall_s for run in self.runs)

    def cpu_s(self) -> float:
        return statistics.median(run.cpu_s for run in self.runs)

    def rss_mib(self) -> float:
        return max(run.rss_mib for run in self.runs)


def run(command: Sequence[str], words: Path) -> Run:
    """Runs a command to its end, its standard error into `words`."""
    with words.open("wb") as errors:
        start = time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
        )
        in_time = False
        try:
            in_time = wait_ended(process.pid)
        finally:
            if not in_time:
                process.kill()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.monotonic() - start
    said = words.read_text(errors="replace")
    if not in_time:
        raise BenchError(f"{shlex.join(command)}: not done within {RUN_SECONDS:g} s")
    if process.returncode != 0:
        last = (said.strip().splitlines() or ["it printed nothing"])[-1]
        raise BenchError(f"{shlex.join(command)}: exit status {process.returncode}: {last}")
    return Run(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / MIB, said)


def wait_ended(pid: int) -> bool:
    descriptor = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(RUN_SECONDS * 1000))
    finally:
        os.close(descriptor)


def faults(reader: Reader, words: str) -> list[str]:
    """What tcpeek's summary has wrong. Without --local, each attempt is RX and TX."""
    if reader.handshakes == 0:
        return []
    packets = PACKETS_EACH * reader.handshakes
    expected = {
        r"^ RX\n   Success: (\d+) session": ("RX successes", reader.handshakes),
        r"^ TX\n   Success: (\d+) session": ("TX successes", reader.handshakes),
        r"^   recv   : (\d+)": ("packets read", packets),
        r"^   used   : (\d+)": ("packets used", packets),
    }
    wrong = []
    for pattern, (what, wanted) in expected.items():
        found = re.search(pattern, words, re.MULTILINE)
        got = int(found[1]) if found else None
        if got != wanted:
            wrong.append(f"{reader.name}: {what} {got}, should be {wanted}")
    if re.search(r"^   Failure: (?!0 )|^   (Pending|Evicted):", words, re.MULTILINE):
        wrong.append(f"{reader.name}: attempts that did not succeed")
    return wrong


def readers(options: argparse.Namespace, directory: Path) -> list[Reader]:
    count = options.packets // PACKETS_EACH
    plain, packed, longer = (directory / name for name in ("plain", "packed", "longer"))
    for path, factor in ((plain, 1), (longer, LONGER)):
        print(f"writing {factor * count} handshakes", file=sys.stderr)
        handshakes.write_capture(path, factor * count)
    handshakes.write_gzip(plain, packed)

    def ours(path: Path, *more: str) -> list[str]:
        return [str(options.tcpeek), "-r", str(path), "-q", *more]

    rounds = options.rounds
    chosen = [
        Reader("tcpeek", ours(plain), rounds, count),
        Reader("tcpeek --threads 2", ours(plain, "--threads", "2"), rounds, count),
        Reader("tcpeek, gzip", ours(packed), rounds, count),
        Reader(f"tcpeek, {LONGER} times longer", ours(longer), rounds, LONGER * count),
    ]
    others = [("tcpdump -w /dev/null", ["tcpdump", "-r", str(plain), "-w", "/dev/null"], rounds)]
    if not options.skip_tshark:
        command = ["tshark", "-q", "-z", "conv,tcp", "-r", str(plain)]
        others.append(("tshark -z conv,tcp", command, options.tshark_rounds))
    for name, command, times in others:
        if shutil.which(command[0]) is None:
            print(f"run.py: {command[0]} is not installed: left out", file=sys.stderr)
        else:
            chosen.append(Reader(name, command, times))
    return chosen


def run_rounds(options: argparse.Namespace) -> int:
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="tcpeek-replay-") as name:
        directory = Path(name)
        os.chmod(directory, 0o755)  # tcpdump becomes another user
        words = directory / "words"
        measured = readers(options, directory)
        sizes = {path.name: path.stat().st_size for path in directory.iterdir()}
        for number in range(1, max(reader.rounds for reader in measured) + 1):
            for reader in measured:
                if number > reader.rounds:
                    continue
                print(f"round {number} of {reader.rounds}: {reader.name}", file=sys.stderr)
                done = run(reader.command, words)
                reader.runs.append(done)
                wrong += [f"round {number}: {fault}" for fault in faults(reader, done.words)]
        # A program's peak includes what this process took before exec().
        floor = run(["true"], words).rss_mib
    print_report(options, measured, sizes, floor, wrong)
    return 1 if wrong else 0


def print_report(
    options: argparse.Namespace,
    measured: list[Reader],
    sizes: dict[str, int],
    floor: float,
    wrong: list[str],
) -> None:
    count = options.packets // PACKETS_EACH
    size, packed = sizes["plain"] / 1e6, sizes["packed"] / 1e6
    packets = count * PACKETS_EACH
    print(f"{count} handshakes, {packets} packets, {size:.1f} MB ({packed:.1f} packed)")
    print("median wall and CPU seconds, most memory; ratios to tcpeek's first line")
    columns = (24, 8, 9, 9, 12, 12, 11, 8)
    head = ("wall s", "CPU s", "RSS MiB", "packets/s", "wall ratio", "CPU ratio", "rounds")
    print_line(["", *head], columns)
    first = measured[0]
    for reader in measured:
        packets = PACKETS_EACH * (reader.handshakes or count)
        rss = reader.rss_mib()
        cells = [
            reader.name, f"{reader.wall_s():.3f}", f"{reader.cpu_s():.3f}",
            f"{rss:.1f}" if rss > floor * 1.05 else f"<{floor:.1f}",
            f"{packets / reader.wall_s():,.0f}", f"{reader.wall_s() / first.wall_s():.2f}",
            f"{reader.cpu_s() / first.cpu_s():.2f}", str(len(reader.runs)),
        ]  # fmt: skip
        print_line(cells, columns)
    longer = next(reader for reader in measured if reader.handshakes == LONGER * count)
    short_mib, long_mib = first.rss_mib(), longer.rss_mib()
    print(f"memory: {short_mib:.1f} MiB, and {long_mib:.1f} MiB for {LONGER} times the file")
    for fault in wrong:
        print(f"tcpeek WRONG: {fault}")
    if not wrong:
        print("tcpeek exact: every packet used, every handshake a success")


def print_line(cells: Sequence[str], widths: Sequence[int]) -> None:
    rest = "".join(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:]))
    print(cells[0].ljust(widths[0]) + rest)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--packets", type=int, default=900_000, help="of the capture (default 900000)")
    add("--rounds", type=int, default=3, help="per program (default 3)")
    add("--tshark-rounds", type=int, default=1, help="of tshark (default 1)")
    add("--skip-tshark", action="store_true")
    add("--tcpeek", type=Path, default=ROOT / "build" / "release" / "tcpeek")
    options = parser.parse_args(arguments)
    if not 3 <= options.packets <= 12_000_000:
        parser.error(f"--packets {options.packets}: from 3 to 12000000")
    for rounds in (options.rounds, options.tshark_rounds):
        if not 1 <= rounds <= 100:
            parser.error(f"{rounds} rounds: from 1 to 100")
    return options


def on_terminate(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(143)


def main() -> int:
    options = parse(sys.argv[1:])
    if not os.access(options.tcpeek, os.X_OK):
        print(f"run.py: {options.tcpeek} is missing: build the release preset", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, on_terminate)
    try:
        return run_rounds(options)
    except (BenchError, OSError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
