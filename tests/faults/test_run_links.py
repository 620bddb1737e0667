"""Links that go down and up, and that are deleted and recreated: counting goes on, nothing grows.

TCPEEK_FAULTS=full does it a thousand times; otherwise enough to use up the spare sockets.
"""

from __future__ import annotations

import itertools
import re
import time
import unittest

from live import FULL, told
from process import Process

import lab
from conversation import RX4, TX6, Conversation
from lab import Lab
from monitor import Monitor

MOST_NEWS = 11  # of an interface, in a minute
MOST_IDLE = 0.02  # of a CPU
FLAPS = 1000 if FULL else 25
REBIRTHS = 1000 if FULL else 14
# What is asked of a quiet machine; where others work as well, a tenth of a second is soon gone. It is asked for nine of
# ten, and in the quick form for half of the first and half of the last.
AGAIN_AFTER_FLAP_S, AGAIN_AFTER_REBIRTH_S = (0.1, 1.0) if FULL else (1.0, 3.0)
PUNCTUAL = 0.9 if FULL else 0.5

setUpModule = lab.require


def percentiles(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    middle, most = ordered[len(ordered) // 2], ordered[-1]
    return f"median {1000 * middle:.1f} ms, longest {1000 * most:.1f} ms"


def punctual(seconds: list[float]) -> float:
    """So long it took at most, but for those that a busy machine delayed; of the first half and of the last."""
    middle = len(seconds) // 2
    return max(sorted(half)[int(PUNCTUAL * len(half))] for half in (seconds[:middle], seconds[middle:]))


def at_rest(process: Process) -> int:
    """Its descriptors without those of a client that has just been answered, which is closed a little later."""
    seen = []
    for _ in range(10):
        seen.append(process.descriptors())
        time.sleep(0.02)
    return min(seen)


def seconds_until_counted(network: Lab, monitor: Monitor, since: float) -> float:
    """Sends connections until one is counted; each must be counted from then on."""
    wire = network.wire()
    before = monitor.stats().totals["success"]
    for sent in itertools.count(1):
        Conversation(wire, RX4).succeed()
        deadline = time.monotonic() + 0.05
        while time.monotonic() < deadline:
            if monitor.stats().totals["success"] > before:
                took = time.monotonic() - since
                monitor.wait_counts({"success": before + 1})
                Conversation(wire, TX6).succeed()
                after = monitor.wait_counts({"success": before + 2})
                assert after.totals["success"] <= before + sent + 1, after.totals
                after.check_accounting()
                wire.close()
                return took
        assert time.monotonic() - since < lab.DEADLINE_S, f"not counted again: {monitor.stderr()}"
    raise AssertionError


class Flaps(unittest.TestCase):
    def test_down_and_up(self) -> None:
        # A table so small that what attempts take of it is soon taken.
        with Lab() as network, Monitor(network, "--max-sessions", "1000") as monitor:
            process = Process(monitor.pid)
            took = []
            for number in range(FLAPS):
                network.host.ip("link", "set", "veth0", "down")
                network.host.ip("link", "set", "veth0", "up")
                lab.wait_for(lambda: "LOWER_UP" in network.host.ip("link", "show", "veth0"), "veth0 is up")
                took.append(seconds_until_counted(network, monitor, time.monotonic()))
                if number == FLAPS // 5:
                    descriptors, resident = at_rest(process), process.resident_kib()
            grown = process.resident_kib() - resident
            told(f"{FLAPS} times down and up: counting again after {percentiles(took)}; memory +{grown} KiB")
            self.assertLess(punctual(took), AGAIN_AFTER_FLAP_S)
            lab.wait_for(lambda: process.descriptors() <= descriptors, f"no more than {descriptors} descriptors")
            self.assertLess(grown, 1024)

    def test_flaps_for_months_do_not_fill_the_log(self) -> None:
        with Lab() as network, Monitor(network, "-q") as monitor:
            begun = time.monotonic()

            def is_up() -> bool:
                return bool(monitor.stats().json["interfaces"][0]["up"])

            flapping = "veth0 is flapping; suppressing messages for one minute"

            def flapped() -> bool:
                for _ in range(MOST_NEWS):
                    network.host.ip("link", "set", "veth0", "down")
                    lab.wait_for(lambda: not is_up(), "it is down")
                    network.host.ip("link", "set", "veth0", "up")
                    lab.wait_for(is_up, "it is up")
                return flapping in monitor.stderr()

            lab.wait_for(flapped, flapping, 600)
            minutes = 1 + int((time.monotonic() - begun) / 60)
            said = monitor.stop().stderr
            self.assertLessEqual(len(re.findall("^tcpeek: veth0 ", said, re.MULTILINE)), MOST_NEWS * minutes)


class Rebirths(unittest.TestCase):
    def rebirths(self, *options: str) -> str:
        """Deletes and recreates the interface, also when all spare sockets are used up."""
        with Lab() as network, Monitor(network, *options, ring_mib=4) as monitor:
            process = Process(monitor.pid)
            took = []
            descriptors = at_rest(process)
            resident = []
            for _ in range(REBIRTHS):
                network.host.ip("link", "del", "veth0")
                network.make_link(0)
                took.append(seconds_until_counted(network, monitor, time.monotonic()))
                lab.wait_for(lambda: process.descriptors() <= descriptors, f"no more than {descriptors} descriptors")
                resident.append(process.resident_kib())
            late = len(resident) * 4 // 5
            grown = resident[-1] - resident[late]
            told(
                f"{REBIRTHS} times recreated, {' '.join(options)}: counting again after {percentiles(took)}; "
                f"memory +{grown} KiB"
            )
            self.assertLess(punctual(took), AGAIN_AFTER_REBIRTH_S)
            # The ring of a socket being replaced may be there still.
            self.assertLess(abs(grown), 6 * 1024)
            return monitor.stop().stderr

    def test_one_reader(self) -> None:
        self.assertNotIn("spare sockets", self.rebirths("--threads", "1"))

    def test_three_readers(self) -> None:
        said = self.rebirths("--threads", "3")
        self.assertIn("no spare sockets are left for all readers: reader 0 captures there alone", said)
        self.assertEqual(said.count("spare sockets"), 1)

    def test_one_of_two(self) -> None:
        """The other one goes on all the while, and attempts begun there end there."""
        with Lab(links=2) as network, Monitor(
            network, "--threads", "2", interfaces=("veth1", "veth0")
        ) as monitor:
            talks = [Conversation(network.wire(1), RX4) for _ in range(8)]
            for talk in talks:
                talk.syn()
            network.host.ip("link", "del", "veth0")
            monitor.wait_counts({"attempts": 8})
            for talk in talks[:4]:
                talk.synack()
                talk.ack()
            monitor.wait_counts({"success": 4})
            self.assertNotIn("nothing is captured", monitor.stderr())
            network.make_link(0)
            seconds_until_counted(network, monitor, time.monotonic())
            for talk in talks[4:]:
                talk.synack()
                talk.ack()
            after = monitor.wait_counts({"success": 4 + 2 + 4})
            after.check_accounting()
            self.assertEqual({entry["up"] for entry in after.json["interfaces"]}, {True})

    def test_back_as_another_kind(self) -> None:
        """Told once of each, however often it is tried again."""
        names = ("veth0", "veth1")
        with Lab(links=2) as network, Monitor(network, interfaces=names) as monitor:
            for name in names:
                network.host.ip("link", "del", name)
                network.host.ip("tuntap", "add", name, "mode", "tun")
                network.host.ip("link", "set", name, "up")
            for name in names:
                lab.wait_for(
                    lambda: f"{name} is back as another kind of interface: restart" in monitor.stderr(),
                    "a message about it",
                )
            time.sleep(2.5)  # in which it is tried again, each second
            for number, name in enumerate(names):
                network.host.ip("link", "del", name)
                network.make_link(number)
            seconds_until_counted(network, monitor, time.monotonic())
            self.assertEqual(monitor.stop().stderr.count("is back as another kind"), 2)


def limit_without_spares(network: Lab, *options: str) -> int:
    """The lowest limit on open files with which it starts; what is above is for spare sockets."""
    limit = 32
    while True:
        try:
            with Monitor(network, *options, ring_mib=1, launcher=("prlimit", f"--nofile={limit}")):
                return limit
        except AssertionError as refused:
            found = re.search(r"but tcpeek needs (\d+)", str(refused))
            if not found or int(found[1]) <= limit:
                raise
            limit = int(found[1])


class Spareless(unittest.TestCase):
    def test_recreated_without_a_spare_socket(self) -> None:
        """Told once, and no more than that is lost."""
        warning = "veth0 is back, and no spare socket is left: restart tcpeek to capture there"
        for options in (("--threads", "1"), ("--threads", "3")):
            with self.subTest(options=options), Lab() as network:
                launcher = ("prlimit", f"--nofile={limit_without_spares(network, *options)}")
                with Monitor(network, *options, ring_mib=1, launcher=launcher) as monitor:
                    network.host.ip("link", "del", "veth0")
                    network.make_link(0)
                    lab.wait_for(lambda: warning in monitor.stderr(), "a message about it")
                    time.sleep(2.5)  # in which it is looked for again, each second
                    self.assertEqual(monitor.stop().stderr.count("no spare socket is left"), 1)


class Gone(unittest.TestCase):
    def test_the_last_one_waits_without_work(self) -> None:
        for options in ((), ("--threads", "3")):
            with self.subTest(options=options), Lab() as network, Monitor(network, *options) as monitor:
                process = Process(monitor.pid)
                network.host.ip("link", "del", "veth0")
                lab.wait_for(lambda: "is gone" in monitor.stderr(), "a message about it")
                self.assertIn("nothing is captured meanwhile", monitor.stderr())
                self.assertFalse(monitor.stats().json["interfaces"][0]["up"])

                def share() -> float:
                    before, begun = process.cpu_s(), time.monotonic()
                    time.sleep(3)  # what is measured: time in which nothing is to be done
                    return (process.cpu_s() - before) / (time.monotonic() - begun)

                idle = lab.least(share, MOST_IDLE)
                told(f"last interface gone, {' '.join(options) or 'default readers'}: {100 * idle:.2f}% of a CPU")
                self.assertLess(idle, MOST_IDLE)
                network.make_link(0)
                seconds_until_counted(network, monitor, time.monotonic())
                self.assertIn("veth0 is up: capturing goes on", monitor.stop().stderr)


if __name__ == "__main__":
    unittest.main()
