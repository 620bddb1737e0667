"""What tcpeek takes while nothing happens: how often it wakes, how much memory it has; and that it misses nothing."""

import os
import pathlib
import re
import time
import unittest

import lab
from conversation import RX4, Conversation
from lab import Lab
from monitor import RING_MIB, Monitor

setUpModule = lab.require

READERS = 4
# Five a second is what is promised, to a machine that may be busy twice that. Without the sleep there are hundreds.
MOST_WAKEUPS = 10
MEASURED_S = 10.0


def of_all_threads(monitor: Monitor, what: str) -> int:
    tasks = pathlib.Path(f"/proc/{monitor.pid}/task").iterdir()
    found = [re.search(rf"^{what}:\s+(\d+)", (task / "status").read_text(), re.M) for task in tasks]
    return sum(int(match[1]) for match in found if match)


def wakeups(monitor: Monitor, seconds: float = MEASURED_S) -> float:
    """A second, by the kernel's count of how often a thread gave up its processor; the least of some times."""

    def once() -> float:
        before, begun = of_all_threads(monitor, "voluntary_ctxt_switches"), time.monotonic()
        time.sleep(seconds)
        return (of_all_threads(monitor, "voluntary_ctxt_switches") - before) / (time.monotonic() - begun)

    return lab.least(once, MOST_WAKEUPS, 3)


def resident_mib(monitor: Monitor) -> tuple[float, float]:
    """All of it, and the rings."""
    total = rings = 0
    ring = False
    for line in pathlib.Path(f"/proc/{monitor.pid}/smaps").read_text().splitlines():
        if re.match(r"^[0-9a-f]+-[0-9a-f]+ ", line):
            ring = "socket:" in line
        elif line.startswith("Rss:"):
            total += int(line.split()[1])
            rings += int(line.split()[1]) if ring else 0
    return total / 1024, rings / 1024


class Idle(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(Lab(links=2))
        self.wire = self.network.wire()

    def monitor(self, *options: str, ring_mib: int | None = RING_MIB) -> Monitor:
        return self.enterContext(Monitor(self.network, *options, interfaces=("veth0", "veth1"), ring_mib=ring_mib))

    def talk(self, port: int) -> None:
        """One handshake."""
        c = Conversation(self.wire, RX4, responder_port=port)
        c.syn()
        c.synack()
        c.ack()

    def test_it_sleeps_and_misses_nothing(self) -> None:
        monitor = self.monitor("--threads", str(READERS))
        self.assertLessEqual(wakeups(monitor), MOST_WAKEUPS, "nothing has come yet")
        for port in range(1, 21):
            self.talk(port)
        lab.wait_for(lambda: monitor.stats().totals["success"] == 20, "the handshakes are counted")
        time.sleep(2)
        self.assertLessEqual(wakeups(monitor), MOST_WAKEUPS, "they are remembered")
        self.talk(100)
        lab.wait_for(lambda: monitor.stats().totals["success"] == 21, "sleepers are woken by what comes")
        # The samples of a second that no reader was asked about.
        history = lab.wait_for(lambda: monitor.ask("HISTORY 30"), "there is a history")
        self.assertIn(b'"seconds"', history)
        monitor.stats().check_accounting()

    def test_outcomes_are_printed_soon(self) -> None:
        """There is no timer that looks for them."""
        monitor = self.monitor("--threads", "2")
        told = 0

        def until_told() -> float:
            nonlocal told
            time.sleep(1)
            begun = time.monotonic()
            told += 1
            self.talk(told)
            lab.wait_for(lambda: self.lines(monitor) == told, "a line for the handshake")
            return time.monotonic() - begun

        self.assertLess(lab.least(until_told, 1.0), 1.0)

    @staticmethod
    def lines(monitor: Monitor) -> int:
        return sum(f"{RX4.initiator}:" in line for line in monitor.stderr().splitlines())

    def test_memory_at_the_defaults(self) -> None:
        monitor = self.monitor("--threads", "2", ring_mib=None)
        for port in range(1, 51):
            self.talk(port)
        lab.wait_for(lambda: monitor.stats().totals["success"] == 50, "the handshakes are counted")
        total, rings = resident_mib(monitor)
        self.assertLessEqual(rings, 32.5)
        self.assertGreater(rings, 3.5, "rings are found")
        if not os.environ.get("TCPEEK_SANITIZE"):
            self.assertLessEqual(total, 64)
        said = re.search(r"(\d+) MiB in all", monitor.stderr())
        assert said is not None, monitor.stderr()
        self.assertGreater(int(said[1]), 100, "what it may take later is said at the start")


class ManyInterfaces(unittest.TestCase):
    def test_rings_and_wakeups_of_sixteen(self) -> None:
        network = self.enterContext(Lab(links=16))
        monitor = self.enterContext(
            Monitor(network, interfaces=[f"veth{n}" for n in range(16)], ring_mib=None)
        )
        _, rings = resident_mib(monitor)
        self.assertGreaterEqual(rings, 16)
        self.assertLessEqual(rings, 128.5)
        self.assertLessEqual(wakeups(monitor, 5), MOST_WAKEUPS)


if __name__ == "__main__":
    unittest.main()
