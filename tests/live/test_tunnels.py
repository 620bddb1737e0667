"""Tunnels, live: what is inside is counted with --decap, whoever of several readers owns it."""

import contextlib
import unittest
from collections.abc import Iterator, Sequence
from typing import ClassVar

import lab
from conversation import POSITIONS, Conversation, Position
from frames import ACK
from lab import Lab, Namespace
from monitor import ICMP, Monitor
from scenario import SUCCESS, Scenario, ScenarioCase, counts
from tunnels import TUNNELS, Tunnel, nested

setUpModule = lab.require


class Crafted(ScenarioCase):
    """Every kind, in the default capture mode: the kernel filter looks into it."""

    options: ClassVar[Sequence[str]] = ("--decap", "all", *ICMP)

    def test_each_kind(self) -> None:
        errors: list[tuple[Scenario, Position]] = []
        for name, tunnel in TUNNELS.items():

            def success(c: Conversation, tunnel: Tunnel = tunnel) -> None:
                c.dressing.tunnel = tunnel
                c.succeed()
                c.ack(payload=b"data")

            def refusal(c: Conversation, tunnel: Tunnel = tunnel) -> None:
                c.dressing.tunnel = tunnel
                c.syn()
                c.refuse()

            def unreachable(c: Conversation, tunnel: Tunnel = tunnel) -> None:
                c.dressing.tunnel = tunnel
                c.unreachable(c.syn())

            with self.subTest(name):
                self.play(success, SUCCESS, unused=0, not_captured=1)
                self.play(refusal, counts(attempts=1, refused=1), unused=0)
            errors += [(unreachable, position) for position in POSITIONS]
        # Together, as each takes three seconds until it is final.
        self.play_each(errors, counts(attempts=1, unreachable=1), unused=0, wait_ended=True)

    def test_several_deep(self) -> None:
        tunnels = [TUNNELS[f"{name} over IPv4"] for name in ("gre", "vxlan", "ipip", "gre", "ipip")]
        for depth in range(2, 6):

            def scenario(c: Conversation, depth: int = depth) -> None:
                c.dressing.tunnel = nested(*tunnels[:depth])
                c.succeed()

            with self.subTest(depth=depth):
                if depth <= 4:
                    self.play(scenario, SUCCESS, unused=0)
                else:
                    self.play(scenario, {}, unused=3)
        lab.wait_for(lambda: "with TCP inside a tunnel" in self.monitor.stderr(), "the warning")

    def test_an_error_about_the_tunnel_ends_nothing(self) -> None:
        tunnel = TUNNELS["ipip over IPv4"]

        def scenario(c: Conversation) -> None:
            c.dressing.tunnel = tunnel
            packet = c.syn()
            c.dressing.tunnel = None
            c.unreachable(tunnel(packet))
            c.dressing.tunnel = tunnel
            c.synack()
            c.ack()

        self.play(scenario, SUCCESS, unused=1)


class SeveralReaders(Crafted):
    """Such packets come to the first reader, and each connection has one owner."""

    options = ("--decap", "all", "--threads", "3", *ICMP)


class NotAskedFor(ScenarioCase):
    options = ("--decap", "gre")

    def test_syns_tell_that_there_is_something(self) -> None:
        others = {name: tunnel for name, tunnel in TUNNELS.items() if not name.startswith("gre")}
        for name, tunnel in others.items():

            def scenario(c: Conversation, tunnel: Tunnel = tunnel) -> None:
                c.dressing.tunnel = tunnel
                c.succeed()

            with self.subTest(name):
                before = self.monitor.stats().ignored["tunnel"]
                after = self.play(scenario, {}, unused=1, not_captured=2)
                self.assertEqual(after.ignored["tunnel"] - before, 4)
        said = "with TCP inside a tunnel: name the tunnels"
        lab.wait_for(lambda: said in self.monitor.stderr(), said)
        self.assertEqual(self.monitor.stderr().count(said), 1)

    def test_data_of_no_tunnel_is_kept_out(self) -> None:
        def scenario(c: Conversation) -> None:
            c.succeed()
            c.from_initiator(ACK, seq=1, ack=1, payload=b"data")

        self.play(scenario, SUCCESS, unused=0, not_captured=1)


class Vxlan(unittest.TestCase):
    """The kernel's own, between two namespaces, watched from the network below."""

    network: Lab

    @contextlib.contextmanager
    def vxlan(self, ends: tuple[str, str], port: int) -> Iterator[None]:
        with Lab() as self.network:
            namespaces: list[tuple[Namespace, str, int]] = [
                (self.network.peer, ends[1], 1), (self.network.host, ends[0], 2),
            ]  # fmt: skip
            for namespace, remote, last in namespaces:
                kind = ("type", "vxlan", "id", "42", "remote", remote, "dstport", str(port), "dev", "veth0")
                try:
                    namespace.ip("link", "add", "vx0", *kind)
                except RuntimeError as error:
                    self.skipTest(f"no VXLAN here: {error}")
                namespace.ip("address", "add", f"10.99.0.{last}/24", "dev", "vx0")
                namespace.ip("address", "add", f"fd99::{last}/64", "dev", "vx0", "nodad")
                namespace.ip("link", "set", "vx0", "up")
            yield

    def converse(self, monitor: Monitor, connections: int) -> None:
        for address in ("10.99.0.2", "fd99::2"):
            with self.network.host.listen(address) as listener:
                port = listener.getsockname()[1]
                for _ in range(connections):
                    with self.network.peer.connect(address, port) as client, listener.accept()[0] as server:
                        client.sendall(b"request")
                        self.assertEqual(server.recv(100), b"request")
            with self.assertRaises(ConnectionRefusedError):
                self.network.peer.connect(address, port)
        stats = monitor.wait_counts({"success": 2 * connections, "refused": 2}, "RX")
        self.assertEqual(stats.filters["RX"]["attempts"], 2 * connections + 2)
        self.assertEqual(stats.filters["RX"]["half_seen"], 0)
        self.assertEqual(stats.ignored.get("tunnel", 0), 0)

    def test_over_either_family_with_one_reader_and_two(self) -> None:
        local = ("--local", "10.99.0.2", "--local", "fd99::2")
        for ends, port in (((lab.PEER_V4, lab.HOST_V4), 4789), ((lab.PEER_V6, lab.HOST_V6), 8472)):
            for readers in ("1", "2"):
                with self.subTest(ends=ends, readers=readers), self.vxlan(ends, port):
                    options = ("--decap=vxlan", "--threads", readers, "-c", "2", *local)
                    with Monitor(self.network, *options) as monitor:
                        self.converse(monitor, 20)
                        monitor.stats().check_accounting()

    def test_another_port_and_the_inner_interface(self) -> None:
        with self.vxlan((lab.PEER_V4, lab.HOST_V4), 5555):
            with Monitor(self.network, "--decap=vxlan:5555", "--local=10.99.0.2", "--local=fd99::2") as outer:
                with Monitor(self.network, interfaces=("vx0",), name="inner") as inner:
                    self.converse(outer, 5)
                    inner.wait_counts({"success": 10, "refused": 2}, "RX")


if __name__ == "__main__":
    unittest.main()
