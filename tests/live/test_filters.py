"""Filter expressions against live attempts: who counts where."""

import ipaddress
import unittest
from typing import ClassVar

import lab
from conversation import POSITIONS, RX4, RX6, TX4, TX6, Conversation, Position
from lab import Lab
from monitor import Monitor, Stats

setUpModule = lab.require


class Filters(unittest.TestCase):
    network: ClassVar[Lab]
    wire: ClassVar[lab.Wire]
    stderr = ""

    @classmethod
    def setUpClass(cls) -> None:
        cls.network = cls.enterClassContext(Lab())
        cls.wire = cls.network.wire()

    def attempts(self, expressions: list[str], talks: list[tuple[Position, int]], *options: str) -> Stats:
        """The STATS after one successful attempt per (position, responder port)."""
        with Monitor(self.network, *options, *expressions) as monitor:
            for position, port in talks:
                Conversation(self.wire, position, responder_port=port).succeed()
            after = monitor.wait_delivered(3 * len(talks))
            after.check_accounting()
            self.stderr = monitor.stderr()
            return after

    def assert_counts(self, stats: Stats, **wanted: int) -> None:
        seen = {name: counts["success"] for name, counts in stats.filters.items()}
        self.assertEqual(seen, wanted)

    def test_ports(self) -> None:
        talks = [(position, port) for position in POSITIONS for port in (80, 443, 7999, 8000, 8099, 8100)]
        stats = self.attempts(
            ["web:RX@%:80:443", "range:RX@%:8000-8099", "all:TX@*:*", "mixed:TX@%:80:8000-8100"], talks
        )
        self.assert_counts(stats, RX=12, TX=12, web=4, range=4, all=12, mixed=8)
        self.assertEqual(stats.totals["success"], 24)

    def test_port_is_the_responders(self) -> None:
        """An initiator's port never matches."""
        talk = Conversation(self.wire, RX4, responder_port=443)
        talk.initiator_port = 80
        with Monitor(self.network, "web:RX@%:80") as monitor:
            talk.succeed()
            self.assert_counts(monitor.wait_delivered(3), RX=1, TX=0, web=0)

    def test_addresses_are_the_remote_peers(self) -> None:
        talks = [(position, 80) for position in POSITIONS]
        stats = self.attempts(
            [
                f"rx4:RX@{lab.PEER_V4}:%",
                "net4:RX@10.77.0.0/24:%",
                f"own4:RX@{lab.HOST_V4}:%",
                f"tx6:TX@[{lab.PEER_V6}]:%",
                "net6:TX@[fd77::/64]:%",
                "net6b:TX@[fd77::]/64:%",
                f"own6:TX@[{lab.HOST_V6}]:%",
                "both:RX@10.0.0.0/8:80,[fd00::]/8:80",
            ],
            talks,
        )
        self.assert_counts(stats, RX=2, TX=2, rx4=1, net4=1, own4=0, tx6=1, net6=1, net6b=1, own6=0, both=2)

    def test_host_bits_are_masked_with_a_warning(self) -> None:
        stats = self.attempts(["net:RX@10.77.0.200/24:%"], [(RX4, 80)])
        self.assert_counts(stats, RX=1, TX=0, net=1)
        self.assertIn("10.77.0.200/24", self.stderr)
        self.assertIn("10.77.0.0/24", self.stderr)

    def test_loglevel_decides_what_is_said(self) -> None:
        for level, said in (("warning", True), ("LOG_WARNING", True), ("7", True), ("err", False), ("0", False)):
            with self.subTest(level):
                self.attempts(["net:RX@10.77.0.200/24:%"], [(RX4, 80)], "-l", level)
                self.assertEqual("10.77.0.200/24" in self.stderr, said, self.stderr)

    def test_exclusions_count_nowhere_wherever_they_stand(self) -> None:
        talks = [(position, port) for position in POSITIONS for port in (22, 80)]
        for expressions in (
            [":RX@%:22", "all:RX@%:%", ":TX@%:22", "ssh:TX@%:22"],
            ["all:RX@%:%", "ssh:TX@%:22", ":TX@%:22", ":RX@%:22"],
        ):
            with self.subTest(expressions=expressions):
                stats = self.attempts(expressions, talks)
                wanted = {"RX": 2, "TX": 2, "all": 2, "ssh": 0}
                self.assertEqual({n: c["success"] for n, c in stats.filters.items()}, wanted)
                self.assertEqual(stats.other()["excluded"], 4)
                self.assertEqual(stats.totals["attempts"], 8)

    def test_exclusion_of_one_direction_and_peer(self) -> None:
        stats = self.attempts(
            [f":RX@{lab.PEER_V4}:%"], [(RX4, 80), (RX6, 80), (TX4, 80), (TX6, 80)]
        )
        self.assert_counts(stats, RX=1, TX=2)
        self.assertEqual(stats.other()["excluded"], 1)

    def test_neither_end_local(self) -> None:
        foreign = Position("foreign", "RX", ipaddress.ip_address("10.77.0.8"), ipaddress.ip_address("10.77.0.9"))
        stats = self.attempts(["all:RX@%:%"], [(foreign, 80), (RX4, 80)])
        self.assert_counts(stats, RX=1, TX=0, all=1)
        self.assertEqual(stats.other()["not_local"], 1)
        self.assertEqual(stats.totals["success"], 2)

    def test_local_networks_of_a_mirror(self) -> None:
        """--local makes a foreign address local, so direction is known where nothing is ours."""
        mirrored = [
            Position("a", "RX", ipaddress.ip_address("192.0.2.1"), ipaddress.ip_address("198.51.100.1")),
            Position("b", "TX", ipaddress.ip_address("192.0.2.1"), ipaddress.ip_address("198.51.100.1")),
            Position("c", "RX", ipaddress.ip_address("2001:db8::1"), ipaddress.ip_address("2001:db8:f::1")),
        ]
        both = Position("d", "RX", ipaddress.ip_address("192.0.2.1"), ipaddress.ip_address("192.0.2.2"))
        talks = [(position, 80) for position in [*mirrored, both]]
        options = ["--local", "192.0.2.0/24", "--local", "2001:db8::/48"]
        stats = self.attempts(["peer:RX@198.51.100.0/24:%"], talks, *options)
        self.assert_counts(stats, RX=3, TX=2, peer=1)
        self.assertEqual(stats.other()["not_local"], 0)

    def test_hundreds_of_filters(self) -> None:
        expressions = [f"p{port}:RX@%:{port}" for port in range(1000, 1500)]
        stats = self.attempts(expressions, [(RX4, port) for port in (1000, 1250, 1499, 1500)])
        hit = {name for name, counts in stats.filters.items() if counts["success"]}
        self.assertEqual(hit, {"RX", "p1000", "p1250", "p1499"})


if __name__ == "__main__":
    unittest.main()
