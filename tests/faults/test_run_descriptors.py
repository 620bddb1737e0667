"""No descriptor is to be had while tcpeek runs: it waits instead of spinning, goes on capturing, and
recovers by itself."""

from __future__ import annotations

import contextlib
import itertools
import pathlib
import resource
import socket
import time
import unittest
from collections.abc import Iterator

import live

import lab
from burst import blast
from conversation import Conversation, Position
from flows import handshakes
from lab import PEER_V4, address
from monitor import Monitor
from process import Process

setUpModule = lab.require

HAMMERED_S = 10.0 if live.FULL else 2.0
MOST_WAKEUPS_PER_S = 100  # two readers' and the reactor's, with ten tries to accept
ANOTHER_V4, PASSING_V4 = "10.77.0.3", "10.77.0.4"


def lowest_free(pid: int) -> int:
    """The descriptor it would be given next, once the last client has gone."""
    seen = []
    until = time.monotonic() + 0.2
    while time.monotonic() < until:
        used = {int(entry.name) for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir()}
        seen.append(next(number for number in itertools.count() if number not in used))
        time.sleep(0.01)
    return min(seen)


@contextlib.contextmanager
def scarce(pid: int) -> Iterator[None]:
    """The process may have no more descriptors than it has."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest_free(pid), hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def wait_until_idle(process: Process) -> None:
    """It has handled what it captured."""

    def idle() -> bool:
        used = process.cpu_s()
        time.sleep(0.3)
        return process.cpu_s() - used < 0.005

    lab.wait_for(idle, "it has nothing to do")


def hammer(path: pathlib.Path, seconds: float) -> tuple[int, int]:
    """Connects again and again, keeping the last hundred; how often it got in line, and how often not."""
    waiting: list[socket.socket] = []
    queued = refused = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        try:
            client.connect(str(path))
            client.send(b"GET\n")
            queued += 1
        except BlockingIOError:
            refused += 1
        waiting.append(client)
        if len(waiting) > 100:
            waiting.pop(0).close()
        time.sleep(0.0002)
    for client in waiting:
        client.close()
    return queued, refused


class Descriptors(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(lab.Lab())
        self.monitor = self.enterContext(Monitor(self.network, "-q", "--threads", "2", "--max-sessions", "20000", ring_mib=16))
        self.sender = self.network.peer.raw_socket("veth0")
        self.addCleanup(self.sender.close)

    def answers(self) -> bool:
        try:
            return self.monitor.ask("GET").startswith(b"[")
        except BlockingIOError:  # the clients that hammered are still in the queue
            return False

    def test_clients_wait_and_capture_goes_on(self) -> None:
        pid = self.monitor.pid
        before = self.monitor.stats().json["server"]
        with scarce(pid):
            sent = blast(self.sender, handshakes(0, 2000))
            process = Process(pid)
            wait_until_idle(process)
            wakeups, used = process.wakeups(), process.cpu_s()
            start = time.monotonic()
            queued, refused = hammer(self.monitor.socket_path, HAMMERED_S)
            seconds = time.monotonic() - start
            wakeups, used = process.wakeups() - wakeups, process.cpu_s() - used
            sent += blast(self.sender, handshakes(2000, 2000))
        start = time.monotonic()
        lab.wait_for(self.answers, "it answers again")
        recovered_ms = (time.monotonic() - start) * 1000
        after = self.monitor.wait_delivered(sent)
        after.check_accounting()
        failures = after.json["server"]["accept_failures"] - before["accept_failures"]
        live.told(
            f"out of descriptors for {seconds:.1f} s, {queued} connects queued and {refused} refused by the kernel: "
            f"{used / seconds:.1%} CPU, {wakeups / seconds:.0f} wakeups/s, {failures} accept failures; {sent} packets sent, {after.packets('dropped')} dropped, "
            f"{after.totals['success']} handshakes of 4000; answered {recovered_ms:.0f} ms after"
        )
        self.assertEqual(after.totals["success"], 4000)
        self.assertEqual(after.packets("dropped"), 0)
        self.assertLess(wakeups, MOST_WAKEUPS_PER_S * seconds)
        self.assertGreater(failures, 0)
        self.assertLess(failures, 20 * seconds, "it tries again ten times a second")

    def test_addresses_change_meanwhile(self) -> None:
        """They cannot be read then, which is said once; they count as soon as there are descriptors."""
        with scarce(self.monitor.pid):
            self.network.host.ip("address", "add", f"{ANOTHER_V4}/24", "dev", "veth0")
            lab.wait_for(lambda: "netlink" in self.monitor.stderr(), "a warning that they cannot be read")
            for _ in range(5):
                self.network.host.ip("address", "add", f"{PASSING_V4}/24", "dev", "veth0")
                self.network.host.ip("address", "del", f"{PASSING_V4}/24", "dev", "veth0")
            # Nothing outside shows that the last change has been looked at in vain.
            time.sleep(1)
            self.assertIsNone(self.monitor.process.poll())
        start = time.monotonic()
        position = Position("rx4", "RX", address(ANOTHER_V4), address(PEER_V4))
        wire = self.network.wire()
        attempts = 0

        def counted() -> bool:
            nonlocal attempts
            Conversation(wire, position).succeed()
            attempts += 1
            return self.monitor.stats().filters["RX"]["success"] > 0

        lab.wait_for(counted, "the new address is local")
        warnings = self.monitor.stderr().count("continuing with the interfaces and addresses known last")
        live.told(f"the new address was local {time.monotonic() - start:.1f} s after descriptors were to be had again; "
                  f"{warnings} warning(s)")  # fmt: skip
        end = self.monitor.wait_delivered(3 * attempts)
        end.check_accounting()
        self.assertEqual(warnings, 1)
        self.assertEqual(end.json["attempts_not_local"], attempts - end.filters["RX"]["attempts"])
        self.assertRegex(self.monitor.stderr(), "interfaces and addresses can be read again")


if __name__ == "__main__":
    unittest.main()
