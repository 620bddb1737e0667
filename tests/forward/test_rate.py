"""The real tcpeek at 50,000 handshakes a second, forwarded through a real nats-server: nothing captured is lost, no event is
in the stream twice, and those that are missing are told in gaps. Run as a program with figures, for a minute:

    TCPEEK=build/release/tcpeek TCPEEK_FORWARD_TESTS=full python3 tests/forward/test_rate.py --verbose

All of it shares this machine's processors, though only tcpeek and its forwarder would be on one host: the sender is the
network, which comes whatever there is to do, and the broker another machine's. So the sender goes first, then tcpeek, and
forwarder and broker last, as the forwarder's unit says (CPUWeight=). When there are too few processors for all, events
are told as gaps; what must hold even then is judged, and the figures say how many there were.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import time
import unittest
from collections.abc import Iterator
from dataclasses import dataclass, field

import parts
import paths  # noqa: F401  (to the modules of tests/live and tests/faults)

import flows
import lab
from burst import Burst
from monitor import Monitor
from nats_client import Stored
from parts import FULL, Forwarder, NatsServer, wait_for
from steady import steady

RATE = int(os.environ.get("TCPEEK_FORWARD_RATE", "50000"))
SECONDS = int(os.environ.get("TCPEEK_FORWARD_SECONDS", "60" if FULL else "4"))
QUIET_S = 5.0
# Short, so that packets come evenly: 600 at once.
STEP_S = 0.004
# Ten seconds of it, at 160 bytes a packet in the ring.
RING_MIB = 256
NICE_SENDER = -10
# A half of what tcpeek gets where both want more than there is, as CPUWeight=50 is of 100.
NICE_FORWARDER = ("nice", "-n", "3")
# A watcher that only reads: what tcpeek pays for telling events at all.
READER = """
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
client.sendall(b"WATCH\\n")
client.recv(1 << 20)
print("begun", flush=True)
while client.recv(1 << 20):
    pass
"""


def setUpModule() -> None:
    parts.require()
    lab.require()


def cpu_seconds(pid: int) -> float:
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) / 1e9
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir())  # fmt: skip


@contextlib.contextmanager
def goes_first() -> Iterator[None]:
    """This thread."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, NICE_SENDER)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)


class Handshakes:
    """Complete handshakes, as many each time, of another client each time: one that came again within a minute would make
    no outcome."""

    # Of the client's address, in the frames of a handshake: source, destination, source.
    _ADDRESS_AT = (14 + 12, 14 + 16, 14 + 12)

    def __init__(self, each: int) -> None:
        frames = list(flows.handshakes(0, each))
        (size,) = {len(frame) for frame in frames}
        self._burst = Burst(frames)
        self._content = self._burst.content
        self._stride = size * len(self._ADDRESS_AT)
        self._places = [number * size + at for number, at in enumerate(self._ADDRESS_AT)]
        self._each = each

    def send(self, number: int, sender: socket.socket) -> None:
        for place in self._places:
            for at, byte in enumerate(number.to_bytes(2, "big"), place + 2):
                self._content[at :: self._stride] = bytes([byte]) * self._each
        self._burst.send(sender)


@dataclass
class Found:
    """What a stream holds, message by message: of a minute there are three million."""

    boot: str = ""
    first: int = 0  # what comes before nobody was there to be told
    last: int = 0
    stored: int = 0
    lost: int = 0
    outcomes: int = 0
    unqueued: int = 0
    twice: list[str] = field(default_factory=list)
    _seen: bytearray = field(default_factory=bytearray)

    def add(self, message: Stored) -> None:
        line = message.json
        gap = line.get("gap")
        begin, end = (gap["from"], gap["to"]) if gap else (line["seq"], line["seq"])
        if not self.first:
            self.boot, self.first = line["boot"], begin
        assert line["boot"] == self.boot, message
        assert gap or message.id == f"web1-{self.boot}-{begin}", message
        self._see(begin, end, message.id)
        self.last = max(self.last, end)
        if gap:
            self.lost += end - begin + 1
            return
        self.stored += 1
        self.outcomes += message.subject.endswith(".success")
        if line["event"] == "gap" and line["reason"] == "queue_full":
            self.unqueued += line["count"]

    def _see(self, begin: int, end: int, name: str) -> None:
        """Each number is there once, as an event or in a gap."""
        self._seen.extend(bytes(max(0, end + 1 - len(self._seen))))
        if any(self._seen[begin : end + 1]) and len(self.twice) < 10:
            self.twice.append(name)
        self._seen[begin : end + 1] = b"\1" * (end - begin + 1)


class Rate(unittest.TestCase):
    def setUp(self) -> None:
        each = int(RATE * STEP_S)
        self.steps = int(SECONDS / STEP_S)
        self.sending = Handshakes(each)
        self.handshakes = each * self.steps

    def send(self, sender: socket.socket) -> float:
        with goes_first():
            begin = time.monotonic()
            for number in range(self.steps):
                time.sleep(max(0.0, begin + number * STEP_S - time.monotonic()))
                self.sending.send(number, sender)
            return time.monotonic() - begin

    def monitor(self, network: lab.Lab) -> Monitor:
        return Monitor(network, "-q", "--threads", "1", "--max-sessions", "4000000", "--prefault", ring_mib=RING_MIB)

    def cost_of_a_reader(self) -> float:
        """tcpeek's processor time for the same load with a watcher that does nothing with what it reads."""
        with lab.Lab() as network, self.monitor(network) as monitor:
            words = (*NICE_FORWARDER, sys.executable, "-c", READER, str(monitor.socket_path))
            with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as reader:
                assert reader.stdout is not None and reader.stdout.readline() == "begun\n"
                before = cpu_seconds(monitor.pid)
                with network.peer.raw_socket("veth0") as sender:
                    self.send(sender)
                steady(monitor)
                used = cpu_seconds(monitor.pid) - before
                monitor.stop()
            return used

    def test_fifty_thousand_a_second(self) -> None:
        alone = self.cost_of_a_reader()
        with lab.Lab() as network, NatsServer(network.folder, NICE_FORWARDER) as server, self.monitor(network) as monitor:
            server.create_stream(max_bytes=20 << 30)
            forwarder = Forwarder(network.folder, server.url, monitor.socket_path, "-l", "info", launcher=NICE_FORWARDER)
            with forwarder:
                wait_for(lambda: "watching tcpeek" in forwarder.said(), "it watches")
                before, forwarder_before = cpu_seconds(monitor.pid), cpu_seconds(forwarder.process.pid)
                with network.peer.raw_socket("veth0") as sender:
                    took = self.send(sender)
                end = steady(monitor)
                used = cpu_seconds(monitor.pid) - before
                wait_for(lambda: self.is_quiet(server), "all is stored", 300)
                forwarder_used = cpu_seconds(forwarder.process.pid) - forwarder_before
            found = Found()
            with server.client() as client:
                for message in client.each_message():
                    found.add(message)
        print(f"\n{self.handshakes / took:,.0f} handshakes/s for {took:.1f} s: {found.outcomes:,} stored, {found.lost:,} in "
              f"gaps, {found.unqueued:,} not queued; {end.packets('dropped')} packets dropped; tcpeek {used / took:.1%} of a "
              f"core ({alone / took:.1%} with a watcher that only reads), forwarder {forwarder_used / took:.1%}", flush=True)  # fmt: skip
        self.assertEqual(found.twice, [], "no event is there twice")
        self.assertEqual(end.packets("dropped"), 0)
        self.assertEqual(found.stored + found.lost, found.last - found.first + 1, "every event is there or in a gap")
        self.assertEqual(end.totals["success"], self.handshakes, "all were seen")
        self.assertLessEqual(end.totals["success"] - found.outcomes - found.unqueued, found.lost)
        if FULL:
            self.assertLess(used, 1.1 * alone)

    def is_quiet(self, server: NatsServer) -> bool:
        """Not even on a machine so busy that the forwarder gets no processor for seconds."""
        before = server.count()
        time.sleep(QUIET_S)
        return server.count() == before


if __name__ == "__main__":
    unittest.main()
