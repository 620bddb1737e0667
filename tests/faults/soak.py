"""A soak: everything that happens to a tcpeek in months, in minutes, and nothing may grow.

SYN floods start and stop on one link, handshakes that must be counted exactly on another, a third goes
down and up, is deleted and recreated, and gets and loses addresses; hostile clients of every kind take
turns at the socket. Each second the accounting identities are checked on a STATS reply, and memory and
descriptors are sampled; at the end their slopes are printed. `soak.py SECONDS`; see scripts/soak.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import pathlib
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import live  # noqa: F401  (the path to tests/live)

import flows
import hostile
import lab
from burst import Burst
from conversation import Conversation, positions
from lab import Lab
from monitor import Monitor, Stats
from process import Process

FLOOD_LINK, GENUINE_LINK, FLAPPING_LINK = range(3)
GENUINE = positions("10.78.0.2", "10.78.0.1", "fd78::2", "fd78::1")
GENUINE_A_SECOND = 20
FLOOD_FRAMES = 200_000
TOLD_EVERY_S = 10
# What is needed only once (pages, buffers) is there by then.
SETTLED_AFTER = 0.25
# And later the rings of two single sockets, which are kept once the spare groups are used up: after eight
# recreations of an interface, which a short soak reaches late.
MOST_GROWN_KIB = 1024 + 2 * 4096
ALLOWED_ANSWER_S = 1.0  # of a healthy client, while the machine is flooded; what is measured is printed


def flood(sender: socket.socket, seconds: float) -> None:
    """SYNs from random clients, ten seconds of each twenty, as fast as a process sends; each time others."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        numbers = random.sample(range(500_000_000), FLOOD_FRAMES)
        frames = [flows.syn(number) for number in numbers]
        bursts = [Burst(frames[at : at + 2048]) for at in range(0, FLOOD_FRAMES, 2048)]
        until = min(end, time.monotonic() + 10)
        while time.monotonic() < until:
            for burst in bursts:
                burst.send(sender)
        time.sleep(max(0.0, min(10, end - time.monotonic())))


@contextlib.contextmanager
def flooding(network: Lab, seconds: float) -> Iterator[None]:
    sender = network.peer.raw_socket(f"veth{FLOOD_LINK}")
    process = multiprocessing.get_context("fork").Process(target=flood, args=(sender, seconds))
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()
        sender.close()


class Background:
    """Something done again and again on a thread of its own; what it raises is raised at the end."""

    def __init__(self, step: Callable[[], None]) -> None:
        self._step = step
        self._ending = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                self._step()
        except BaseException as error:  # noqa: BLE001
            self._error = error

    def __enter__(self) -> Background:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def check(self) -> None:
        if self._error is not None:
            raise self._error


class Changes:
    """What happens to the third link."""

    def __init__(self, network: Lab) -> None:
        self._network = network
        self._name = f"veth{FLAPPING_LINK}"
        self.flaps = self.rebirths = self.addresses = 0

    def step(self) -> None:
        host = self._network.host
        for last in range(100, 104):
            host.ip("address", "add", f"10.79.0.{last}/24", "dev", self._name)
            time.sleep(0.3)
            host.ip("address", "del", f"10.79.0.{last}/24", "dev", self._name)
            self.addresses += 2
        for _ in range(4):
            host.ip("link", "set", self._name, "down")
            time.sleep(0.3)
            host.ip("link", "set", self._name, "up")
            time.sleep(0.3)
            self.flaps += 1
        host.ip("link", "del", self._name)
        time.sleep(0.3)
        self._network.make_link(FLAPPING_LINK)
        time.sleep(1)
        self.rebirths += 1


class HostileClients:
    """One kind after the other, five seconds each."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._turn = 0
        self.connections = 0

    def step(self) -> None:
        manner = list(hostile.MANNERS)[self._turn % len(hostile.MANNERS)]
        self._turn += 1
        client = subprocess.Popen(
            [sys.executable, "-B", hostile.__file__, manner, str(self._path)], stdout=subprocess.PIPE, text=True
        )
        try:
            time.sleep(5)
        finally:
            client.send_signal(signal.SIGTERM)
            said, _ = client.communicate(timeout=lab.DEADLINE_S)
        self.connections += int(said.split()[-2])


@dataclass
class Samples:
    """What is looked at each second."""

    seconds: list[float] = field(default_factory=list)
    resident_kib: list[float] = field(default_factory=list)
    descriptors: list[float] = field(default_factory=list)
    answered_s: list[float] = field(default_factory=list)

    def take(self, pid: int, answered_s: float, since: float) -> None:
        process = Process(pid)
        self.seconds.append(time.monotonic() - since)
        self.resident_kib.append(process.resident_kib())
        self.descriptors.append(process.descriptors())
        self.answered_s.append(answered_s)

    def slope_an_hour(self, values: list[float]) -> float:
        first = int(len(values) * SETTLED_AFTER)
        line = statistics.linear_regression(self.seconds[first:], values[first:])
        return 3600 * line.slope

    def grown_kib(self) -> float:
        """By the slope, from when all had settled to the end."""
        settled = self.seconds[int(len(self.seconds) * SETTLED_AFTER)]
        return self.slope_an_hour(self.resident_kib) / 3600 * (self.seconds[-1] - settled)


class Soak:
    def __init__(self, network: Lab, monitor: Monitor) -> None:
        self._network = network
        self._monitor = monitor
        self._wire = network.wire(GENUINE_LINK)
        self._changes = Changes(network)
        self._hostile = HostileClients(monitor.socket_path)
        self._samples = Samples()
        self._genuine = 0
        self._before: Stats | None = None

    def run(self, seconds: float) -> None:
        begun = time.monotonic()
        with (
            flooding(self._network, seconds),
            Background(self._changes.step) as changes,
            Background(self._hostile.step) as clients,
        ):
            while time.monotonic() - begun < seconds:
                second = time.monotonic()
                self._one_second(begun)
                changes.check()
                clients.check()
                time.sleep(max(0.0, 1 - (time.monotonic() - second)))

    def _one_second(self, begun: float) -> None:
        for number in range(GENUINE_A_SECOND):
            Conversation(self._wire, GENUINE[number % 4]).succeed()
        self._genuine += GENUINE_A_SECOND

        asked = time.monotonic()
        stats = self._monitor.stats()
        self._samples.take(self._monitor.pid, time.monotonic() - asked, begun)
        self._monitor.ask("GET")
        self._monitor.ask("REFRESH")
        self._check(stats)
        if len(self._samples.seconds) % TOLD_EVERY_S == 0:
            print(self._line(stats), flush=True)

    def _check(self, stats: Stats) -> None:
        stats.check_accounting()
        before, self._before = self._before, stats
        if before is None:
            return
        for name in ("attempts", "success", "evicted"):
            assert stats.totals[name] >= before.totals[name], f"{name} went back"
        assert stats.packets("seen") >= before.packets("seen"), "seen went back"

    def _line(self, stats: Stats) -> str:
        return (
            f"{self._samples.seconds[-1]:6.0f} s  {stats.totals['attempts']:>11,} attempts  "
            f"{stats.packets('dropped'):>9,} dropped  {self._samples.resident_kib[-1] / 1024:7.1f} MiB  "
            f"{self._samples.descriptors[-1]:3.0f} descriptors"
        )

    def finish(self) -> list[str]:
        """Prints what was seen; returns what was not as it should be."""
        def all_read() -> Stats | None:
            stats = self._monitor.stats()
            return stats if stats.settled() else None

        stats = lab.wait_for(all_read, "everything is read")
        stats.check_accounting()
        genuine = sum(stats.filters[name]["success"] for name in ("genuine_in", "genuine_out"))
        missed = self._genuine - genuine
        samples, changes = self._samples, self._changes
        slowest = max(samples.answered_s)
        slope, grown = samples.slope_an_hour(samples.resident_kib), samples.grown_kib()
        descriptors = samples.slope_an_hour(samples.descriptors)
        print(
            f"identities: held on {len(samples.seconds)} replies, a second apart\n"
            f"packets: {stats.packets('seen'):,} seen, {stats.packets('dropped'):,} dropped; "
            f"attempts: {stats.totals['attempts']:,}, of them evicted {stats.totals['evicted']:,}\n"
            f"genuine handshakes: {genuine:,} of {self._genuine:,}\n"
            f"links: {changes.flaps} times down and up, {changes.rebirths} times recreated, "
            f"{changes.addresses} changes of addresses\n"
            f"hostile clients: {self._hostile.connections:,} connections; "
            f"STATS answered in {1000 * statistics.median(samples.answered_s):.1f} ms (median), "
            f"{1000 * slowest:.1f} ms (longest)\n"
            f"memory: {samples.resident_kib[-1] / 1024:.1f} MiB, slope {slope:+.0f} KiB an hour "
            f"({grown:+.0f} KiB here); descriptors: {samples.descriptors[-1]:.0f}, slope {descriptors:+.1f} an hour"
        )
        wrong = []
        if not 0 <= missed <= stats.packets("dropped"):
            wrong.append(f"{missed} genuine handshakes are missing, more than packets were dropped")
        if grown > MOST_GROWN_KIB:
            wrong.append(f"memory grew by {grown:.0f} KiB")
        half = len(samples.descriptors) // 2
        if max(samples.descriptors[half:]) > max(samples.descriptors[:half]):
            wrong.append("descriptors grew")
        if slowest > ALLOWED_ANSWER_S:
            wrong.append(f"a healthy client waited {slowest:.1f} s")
        return wrong


def main() -> int:
    seconds = float(sys.argv[1])
    lab.require()
    peers = "10.78.0.1:%,[fd78::1]:%"
    options = ("-q", "--max-sessions", "200000", f"genuine_in:RX@{peers}", f"genuine_out:TX@{peers}")
    with Lab(links=3) as network, Monitor(network, *options, interfaces=("veth0", "veth1", "veth2")) as monitor:
        soak = Soak(network, monitor)
        soak.run(seconds)
        wrong = soak.finish()
        finished = monitor.stop(signal.SIGTERM)
    if finished.status != 0:
        wrong.append(f"it ended with status {finished.status}")
    for what in wrong:
        print(f"NOT AS IT SHOULD BE: {what}")
    print("flat and exact" if not wrong else "FAILED")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
