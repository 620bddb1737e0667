"""Losses and errors between real stacks: what connect(), accept() and the kernel count is what tcpeek counts.

A suite that grows: a scenario that was told wrong anywhere becomes one here.
"""

import socket
import unittest

import lab
from forgery import full_or_tenth
from monitor import Counts
from stacks import REJECT, SERVER_V4, StackCase, Truth, View, kernel_counter, lossy, probe_nft, set_rules

SYN_ONLY = "tcp flags & (syn | ack) == syn"
SYN_ACK = "tcp flags & (syn | ack) == syn | ack"
ACK_ONLY = "tcp flags & (fin | syn | rst | psh | ack) == ack"

EVERYWHERE = "client router server"

# What a repeated segment may have been counted as: before the outcome, or after it.
REPEATED_SYNS = ("dup_syn_segments", "failed_dup_syn_segments", "late_syns")
REPEATED_SYNACKS = ("dup_synack_segments", "failed_dup_synack_segments", "late_synack")


def setUpModule() -> None:
    lab.require(probe_nft)


class Losses(StackCase):
    def assert_all_succeed(self, truth: Truth, seen: list[tuple[View, Counts]], connections: int) -> None:
        self.assertEqual(len(truth.connected), connections, truth.failed)
        self.assertEqual(len(truth.accepted), connections)
        for view, counts in seen:
            with self.subTest(place=view.place, readers=view.readers):
                told = {name: counts.get(name, 0) for name in ("attempts", "success", "half_seen", "pending")}
                wanted = {"attempts": connections, "success": connections, "half_seen": 0, "pending": 0}
                self.assertEqual(told, wanted, counts)

    def assert_repeats(self, truth: Truth, seen: list[tuple[View, Counts]], syns_at: str, synacks_at: str) -> None:
        """Each end knows how often it repeated; a monitor beside it saw every one of them."""
        for view, counts in seen:
            with self.subTest(place=view.place, readers=view.readers):
                if view.place in syns_at:
                    told = sum(counts.get(name, 0) for name in REPEATED_SYNS)
                    self.assertEqual(told, truth.repeated_syns, f"repeated SYNs: {counts}")
                if view.place in synacks_at:
                    told = sum(counts.get(name, 0) for name in REPEATED_SYNACKS)
                    self.assertEqual(told, truth.repeated_synacks, f"repeated SYN/ACKs: {counts}")

    def test_nothing_lost(self) -> None:
        """The router's monitor sees each packet on two interfaces, and none of it is a repeat, unless an end says so."""
        connections = full_or_tenth(2000)
        with self.played(connections) as (truth, seen):
            self.assert_all_succeed(truth, seen, connections)
            self.assert_repeats(truth, seen, syns_at=EVERYWHERE, synacks_at=EVERYWHERE)
            for view, counts in seen:
                if view.place != "router":
                    with self.subTest(place=view.place, readers=view.readers):
                        self.assertEqual((counts.get("syn_copies", 0), counts.get("synack_copies", 0)), (0, 0))

    def test_syns_and_synacks_lost(self) -> None:
        """A server answers a repeated SYN less than a millisecond before or after its own timer does: no copy."""
        connections = full_or_tenth(1600)
        set_rules(self.network.router, {"forward": (lossy(SYN_ONLY, 20), lossy(SYN_ACK, 30))})
        # The third SYN, at two seconds, and what comes later gets through.
        with self.played(connections, timeline=[(1.7, self.lift)]) as (truth, seen):
            self.assertGreater(truth.repeated_syns, 0)
            self.assertGreater(truth.repeated_synacks, 0)
            self.assert_all_succeed(truth, seen, connections)
            self.assert_repeats(truth, seen, syns_at="client", synacks_at="server")

    def test_syns_released_together(self) -> None:
        """The router has not resolved the server yet: it keeps the SYNs and their repeats, and sends them at once."""
        connections = 25
        server, router = self.network.server, self.network.router
        server.sysctl("net.ipv4.conf.veth0.arp_ignore", 8)
        self.addCleanup(server.sysctl, "net.ipv4.conf.veth0.arp_ignore", 0)
        # It would ask for the router before long, which would know it then.
        for known in map(str.split, server.ip("-4", "neighbour", "show", "dev", "veth0").splitlines()):
            if "lladdr" in known:
                link = known[known.index("lladdr") + 1]
                server.ip("neighbour", "replace", known[0], "lladdr", link, "dev", "veth0", "nud", "permanent")
        router.ip("neighbour", "flush", "dev", "server")
        router.sysctl("net.ipv4.neigh.server.mcast_solicit", 60)  # once a second, instead of three times
        repeated = kernel_counter(self.network.client, "TcpExtTCPSynRetrans")

        def resolve() -> None:
            lab.wait_for(
                lambda: kernel_counter(self.network.client, "TcpExtTCPSynRetrans") > repeated + connections / 2,
                "SYNs are repeated",
            )
            server.sysctl("net.ipv4.conf.veth0.arp_ignore", 0)

        with self.played(connections, timeline=[(1.0, resolve)], addresses=[SERVER_V4]) as (truth, seen):
            self.assertGreater(truth.repeated_syns, connections / 2)
            self.assert_all_succeed(truth, seen, connections)
            self.assert_repeats(truth, seen, syns_at="client server", synacks_at="server")

    def test_acknowledgments_lost(self) -> None:
        """Half of the completing ACKs never get to the server; its data and FIN, in one segment, prove them."""
        connections = full_or_tenth(1000)

        def say_and_end(client: socket.socket) -> None:
            client.send(b"hello", socket.MSG_MORE)
            client.shutdown(socket.SHUT_WR)

        # At the ends, so that no monitor sees what is lost.
        set_rules(self.network.client, {"output": (lossy(ACK_ONLY, 50),)})
        set_rules(self.network.server, {"output": (f"{ACK_ONLY} drop",)})
        with self.played(connections, on_connected=say_and_end) as (truth, seen):
            self.assert_all_succeed(truth, seen, connections)


class Errors(StackCase):
    def test_error_about_the_first_syn_while_the_socket_is_busy(self) -> None:
        """A router on the same host rejects in the middle of connect(): the kernel keeps trying and gets through.

        On a busy machine the error may come when that has returned, and then all fail: so it is tried again.
        """
        for _ in range(5):
            if self.reject_first_syns(full_or_tenth(1500)):
                break

    def reject_first_syns(self, connections: int) -> int:
        """How many connected all the same."""
        set_rules(self.network.router, {"forward": (f"{SYN_ONLY} {REJECT}",)})
        with self.played(connections, timeline=[(0.5, self.lift)]) as (truth, seen):
            # Where the socket was not busy after all (IPv6 here), connect() failed, and so did the attempt.
            for view, counts in seen:
                failed = 0 if view.place == "server" else len(truth.failed)
                told = {name: counts.get(name, 0) for name in ("attempts", "success", "unreachable")}
                wanted = {"attempts": len(truth.connected) + failed, "success": len(truth.connected),
                          "unreachable": failed}  # fmt: skip
                with self.subTest(place=view.place, readers=view.readers):
                    self.assertEqual(told, wanted, counts)
                    if view.place == "client":
                        self.assertEqual(counts.get("dup_syn_segments", 0), truth.repeated_syns, counts)
            return len(truth.connected)


if __name__ == "__main__":
    unittest.main()
