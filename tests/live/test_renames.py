"""An interface that is renamed while another takes its name: tcpeek follows the name, and says so.

The kernel keeps sockets with the interface, whatever it is called. Until another interface has the name
that tcpeek was given, the renamed one goes on being captured; from then on that other one is.
"""

from __future__ import annotations

import socket
import tempfile
import unittest
from collections.abc import Iterator

import lab
from conversation import RX4, Conversation
from lab import Lab, Namespace, Wire
from monitor import Monitor, Stats

STILL = "veth0 was renamed to old0: still capturing it, until another interface is given that name"
TAKEN = "veth0 was renamed to old0 and another interface took its name: capturing that one from now on"
BACK = "veth0 has its name back"
READERS = ("1", "2")

setUpModule = lab.require


class Renamed(unittest.TestCase):
    def each(self) -> Iterator[tuple[Lab, Monitor]]:
        for threads in READERS:
            with self.subTest(threads=threads), Lab() as network:
                with Monitor(network, "-q", "--threads", threads) as monitor:
                    yield network, monitor

    def test_is_captured_under_its_new_name(self) -> None:
        for network, monitor in self.each():
            old = Link(network, monitor)
            old.check_counted(2)
            rename(network, "veth0", "old0")
            wait_said(monitor, STILL)
            old.check_counted(3)
            self.assertEqual(state(monitor), "up")
            rename(network, "old0", "veth0")
            wait_said(monitor, BACK)
            old.check_counted(1)
            finished = monitor.stop()
            self.assertEqual(finished.stderr.count("was renamed"), 1)

    def test_another_takes_its_name(self) -> None:
        for network, monitor in self.each():
            old = Link(network, monitor)
            rename(network, "veth0", "old0")
            wait_said(monitor, STILL)
            old.check_counted(2)
            open_attempt = Conversation(old.wire, RX4)
            open_attempt.syn()
            monitor.wait_counts({"attempts": 3})
            network.make_link(0)
            new = Link(network, monitor)
            new.wait_captured()
            old.check_not_counted()
            new.check_counted(5)
            self.assertEqual(state(monitor), "up")
            self.assertEqual(monitor.stats().totals["pending"], 1, "what began on the old one times out")
            # An end that comes by the new one is the same attempt's all the same.
            open_attempt.wire = new.wire
            before = monitor.stats().totals["success"]
            open_attempt.synack()
            open_attempt.ack()
            after = monitor.wait_counts({"success": before + 1, "pending": 0})
            after.check_accounting()

    def test_both_at_once(self) -> None:
        """By one command: it is noticed when it has happened."""
        for network, monitor in self.each():
            old = Link(network, monitor)
            old.check_counted(1)
            make_spare_link(network)
            batch(network.host, "link set veth0 down", "link set veth0 name old0", "link set old0 up",
                  "link set new0 down", "link set new0 name veth0", "link set veth0 up")  # fmt: skip
            new = Link(network, monitor, peer="new0")
            new.wait_captured()
            wait_said(monitor, TAKEN)
            old.check_not_counted()
            new.check_counted(4)

    def test_and_back_again(self) -> None:
        for network, monitor in self.each():
            old = Link(network, monitor)
            rename(network, "veth0", "old0")
            network.make_link(0)
            new = Link(network, monitor)
            new.wait_captured()
            rename(network, "veth0", "new0")
            new.check_counted(2)
            rename(network, "old0", "veth0")
            old.wait_captured()
            new.check_not_counted()
            old.check_counted(3)

    def test_and_the_other_is_deleted(self) -> None:
        for network, monitor in self.each():
            old = Link(network, monitor)
            rename(network, "veth0", "old0")
            network.make_link(0)
            new = Link(network, monitor)
            new.wait_captured()
            new.wire.close()
            network.host.ip("link", "del", "veth0")
            lab.wait_for(lambda: state(monitor) == "gone", "the one captured is gone")
            wait_said(monitor, "veth0 is gone")
            old.check_not_counted()
            network.make_link(0)
            again = Link(network, monitor)
            again.wait_captured()
            again.check_counted(2)
            old.check_not_counted()

    def test_and_then_deleted_under_its_new_name(self) -> None:
        for network, monitor in self.each():
            old = Link(network, monitor)
            rename(network, "veth0", "old0")
            wait_said(monitor, STILL)
            old.check_counted(1)
            old.wire.close()
            network.host.ip("link", "del", "old0")
            lab.wait_for(lambda: state(monitor) == "gone", "it is gone")
            network.make_link(0)
            new = Link(network, monitor)
            new.wait_captured()
            new.check_counted(2)
            self.assertEqual(monitor.stop().status, 0)


class Link:
    """The link whose host end has been called veth0 last, whatever it will be called."""

    def __init__(self, network: Lab, monitor: Monitor, peer: str = "veth0") -> None:
        self._ends = (network.peer.raw_socket(peer), network.host.raw_socket("veth0"))
        self.wire = Wire(*self._ends)
        self._monitor = monitor
        network.on_exit(self.wire.close)

    def succeed(self, conversations: int) -> None:
        for end in self._ends:  # which remember that their interface was down
            end.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        for _ in range(conversations):
            Conversation(self.wire, RX4).succeed()

    def check_counted(self, conversations: int) -> Stats:
        """Each of them, from the first on, is counted once."""
        before = self._monitor.stats().totals
        self.succeed(conversations)
        after = self._monitor.wait_counts({"success": before["success"] + conversations})
        assert after.totals["success"] == before["success"] + conversations, after.totals
        assert after.totals["attempts"] == before["attempts"] + conversations, after.totals
        after.check_accounting()
        return after

    def wait_captured(self) -> None:
        """Sends until something of it has been counted, and all that was sent has been read."""
        before = self._monitor.stats().totals["success"]

        def counted() -> bool:
            self.succeed(1)
            return self._monitor.stats().totals["success"] > before

        lab.wait_for(counted, "the link is captured")
        settle(self._monitor)

    def check_not_counted(self) -> None:
        """Sends, and waits until a report says that whatever came has been read."""
        before = self._monitor.stats()
        self.succeed(5)
        settle(self._monitor)
        after = self._monitor.stats()
        assert after.packets("delivered") == before.packets("delivered"), after.json["packets"]
        assert after.totals == before.totals, after.totals
        after.check_accounting()


def settle(monitor: Monitor) -> None:
    """Until nothing is in the rings: a block is handed over 10 ms after its first packet."""
    seen = -1

    def still() -> bool:
        nonlocal seen
        stats = monitor.stats()
        last, seen = seen, stats.packets("delivered")
        return last == seen and stats.settled()

    lab.wait_for(still, "all is read")


def state(monitor: Monitor) -> str:
    return str(monitor.stats().json["interfaces"][0]["state"])


def wait_said(monitor: Monitor, words: str) -> None:
    lab.wait_for(lambda: words in monitor.stderr(), f"it says: {words}")


def rename(network: Lab, name: str, to: str) -> None:
    """As udev does: an interface that is up can be renamed by newer kernels only."""
    batch(network.host, f"link set {name} down", f"link set {name} name {to}", f"link set {to} up")
    if name == "veth0":
        batch(network.peer, "link set veth0 down", f"link set veth0 name {to}", f"link set {to} up")
    lab.wait_for(lambda: "LOWER_UP" in network.host.ip("link", "show", to), f"{to} is up")


def make_spare_link(network: Lab) -> None:
    network.peer.ip("link", "add", "new0", "type", "veth", "peer", "name", "new0", "netns", network.host.name)
    for namespace in (network.peer, network.host):
        namespace.ip("link", "set", "new0", "up")


def batch(namespace: Namespace, *lines: str) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="ascii") as commands:
        commands.write("".join(f"{line}\n" for line in lines))
        commands.flush()
        namespace.ip("-batch", commands.name)


if __name__ == "__main__":
    unittest.main()
