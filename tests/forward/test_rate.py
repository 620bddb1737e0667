"""The real tcpeek at 50,000 handshakes a second, forwarded through a real nats-server: nothing captured is lost, no event is
in the stream twice, and those that are missing are told in gaps. Run as a program with figures:

    TCPEEK=build/release/tcpeek python3 tests/forward/test_rate.py --verbose
"""

from __future__ import annotations

import collections
import os
import pathlib
import socket
import subprocess
import sys
import time
import unittest

import parts
import paths  # noqa: F401  (to the modules of tests/live and tests/faults)

import flows
import lab
from burst import Burst
from monitor import Monitor
from parts import FULL, Forwarder, NatsServer, wait_for
from steady import steady

RATE = int(os.environ.get("TCPEEK_FORWARD_RATE", "50000"))
SECONDS = int(os.environ.get("TCPEEK_FORWARD_SECONDS", "60" if FULL else "4"))
QUIET_S = 5.0
STEP_S = 0.02
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


class Rate(unittest.TestCase):
    def setUp(self) -> None:
        each = int(RATE * STEP_S)
        # Each tuple once: one that comes again while it is remembered, a minute long, makes no outcome. Of a minute, 1.3 GB.
        self.bursts = [Burst(list(flows.handshakes(step * each, each))) for step in range(int(SECONDS / STEP_S))]
        self.handshakes = each * int(SECONDS / STEP_S)

    def send(self, sender: socket.socket) -> float:
        begin = time.monotonic()
        for number in range(int(SECONDS / STEP_S)):
            time.sleep(max(0.0, begin + number * STEP_S - time.monotonic()))
            self.bursts[number].send(sender)
        return time.monotonic() - begin

    def monitor(self, network: lab.Lab) -> Monitor:
        return Monitor(network, "-q", "--threads", "1", "--max-sessions", "1000000", ring_mib=128)

    def cost_of_a_reader(self) -> float:
        """tcpeek's processor time for the same load with a watcher that does nothing with what it reads."""
        with lab.Lab() as network, self.monitor(network) as monitor:
            words = (sys.executable, "-c", READER, str(monitor.socket_path))
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
        with lab.Lab() as network, NatsServer(network.folder) as server, self.monitor(network) as monitor:
            server.create_stream(max_bytes=20 << 30)
            forwarder = Forwarder(network.folder, server.url, monitor.socket_path, "-l", "info")
            with forwarder:
                wait_for(lambda: "watching tcpeek" in forwarder.said(), "it watches")
                before, forwarder_before = cpu_seconds(monitor.pid), cpu_seconds(forwarder.process.pid)
                with network.peer.raw_socket("veth0") as sender:
                    took = self.send(sender)
                end = steady(monitor)
                used = cpu_seconds(monitor.pid) - before
                wait_for(lambda: self.is_quiet(server), "all is stored", 120)
                forwarder_used = cpu_seconds(forwarder.process.pid) - forwarder_before
            messages = server.messages()
        ids = collections.Counter(message.id for message in messages)
        self.assertEqual(len(ids), len(messages), "no message is there twice")
        told = lost = unqueued = last = 0
        first = messages[0].json["seq"]  # what comes before nobody was there to be told
        for message in messages:
            line = message.json
            if "gap" in line:
                lost += line["gap"]["to"] - line["gap"]["from"] + 1
                last = max(last, line["gap"]["to"])
                continue
            last = max(last, line["seq"])
            told += 1
            if line["event"] == "gap" and line["reason"] == "queue_full":
                unqueued += line["count"]
        outcomes = sum(message.subject.endswith(".success") for message in messages)
        print(f"\n{self.handshakes / took:,.0f} handshakes/s for {took:.1f} s: {outcomes:,} stored, {lost:,} in gaps, "
              f"{unqueued:,} not queued; {end.packets('dropped')} packets dropped; tcpeek {used / took:.1%} of a core "
              f"({alone / took:.1%} with a watcher that only reads), forwarder {forwarder_used / took:.1%}", flush=True)  # fmt: skip
        self.assertEqual(end.packets("dropped"), 0)
        self.assertEqual(told + lost, last - first + 1, "every event is there or in a gap")
        self.assertLessEqual(end.totals["success"] - outcomes - unqueued, lost)
        if FULL:
            self.assertLess(used, 1.1 * alone)

    def is_quiet(self, server: NatsServer) -> bool:
        """Not even on a machine so busy that the forwarder gets no processor for seconds."""
        before = server.count()
        time.sleep(QUIET_S)
        return server.count() == before


if __name__ == "__main__":
    unittest.main()
