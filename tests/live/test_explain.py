"""EXPLAIN: troubles of real stacks, made by their own rules and routes, and whose each one is said to be."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import unittest
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import frames
import lab
import stacks
from json_schema import load, violations
from lab import Namespace
from monitor import Counts, Monitor
from stacks import CLIENT_V4, SERVER_V4, SERVER_V6, Routed, set_rules

FAILURES = 5
OTHER_CLIENT_V4 = "10.78.1.7"
DARK = "10.78.9.0/24"
NO_ROUTE_V4 = "10.99.0.1"


def setUpModule() -> None:
    lab.require(stacks.probe_nft)


def try_in_vain(namespace: Namespace, address: str, port: int, count: int, source: str | None = None) -> None:
    """SYNs that nobody answers. Their sockets are closed at once, which sends nothing."""
    for _ in range(count):
        with namespace.make_socket(lab.address_family(address)) as client:
            if source is not None:
                client.bind((source, 0))
            client.setblocking(False)
            client.connect_ex((address, port))


class Explain(unittest.TestCase):
    network: ClassVar[Routed]

    @classmethod
    def setUpClass(cls) -> None:
        cls.network = Routed()
        cls.enterClassContext(cls.network)
        cls.network.client.ip("address", "add", f"{OTHER_CLIENT_V4}/24", "dev", "veth0")
        cls.network.router.ip("route", "add", "blackhole", DARK)

    def setUp(self) -> None:
        self.schema = load("explain.json")

    def tearDown(self) -> None:
        for namespace in (self.network.client, self.network.router, self.network.server):
            set_rules(namespace, {})

    @contextlib.contextmanager
    def monitor(
        self, namespace: Namespace, *options: str, interfaces: Sequence[str] = ("veth0",), timeout_s: int = 1
    ) -> Iterator[Monitor]:
        words = ("-q", "--threads", "2", "--max-sessions", "10000", "--timeout", str(timeout_s), "--icmp", *options)
        with Monitor(self.network, *words, interfaces=interfaces, namespace=namespace) as monitor:
            yield monitor

    def ended(self, monitor: Monitor, attempts: int) -> Counts:
        """The totals once so many have ended."""

        def seen() -> Counts | None:
            totals = monitor.stats().totals
            return totals if totals["attempts"] >= attempts and totals["pending"] == 0 else None

        return lab.wait_for(seen, f"{attempts} attempts have ended")

    def explain(self, monitor: Monitor) -> Any:
        reply = json.loads(monitor.ask("EXPLAIN"))
        self.assertEqual(violations(self.schema, reply), [])
        return reply

    def only_finding(self, monitor: Monitor, rule: str, verdict: str) -> Any:
        reply = self.explain(monitor)
        found = [(finding["rule"], finding["verdict"]) for finding in reply["findings"]]
        self.assertEqual(found, [(rule, verdict)], reply)
        self.assertFalse(reply["uncertain"])
        return reply["findings"][0]

    def succeed(self, address: str, port: int, listener: socket.socket, count: int, source: str | None = None) -> None:
        for _ in range(count):
            with self.network.client.make_socket(lab.address_family(address)) as client:
                if source is not None:
                    client.bind((source, 0))
                client.connect((address, port))
                listener.accept()[0].close()

    def be_refused(self, address: str, port: int, count: int = FAILURES) -> None:
        for _ in range(count):
            with self.assertRaises(ConnectionRefusedError):
                self.network.client.connect(address, port)


class Healthy(Explain):
    def test_says_that_nothing_fails(self) -> None:
        with self.monitor(self.network.server) as monitor, self.network.server.listen(SERVER_V4) as listener:
            self.assertIn("No connection attempt has been seen", self.explain(monitor)["summary"])
            self.succeed(SERVER_V4, listener.getsockname()[1], listener, 12)
            monitor.wait_counts({"success": 12})
            reply = self.explain(monitor)
            self.assertEqual(reply["summary"], "Nothing fails: 12 of 12 attempts since the start succeeded.")
            self.assertEqual(reply["findings"], [])
            self.assertEqual(reply["totals"]["success"], 12)
            self.assertEqual(json.loads(monitor.ask("EXPLAIN 3")), {"error": "EXPLAIN: takes no argument; send the word alone"})


class OnTheServer(Explain):
    """Where what reaches this host and is not answered is here."""

    def test_a_service_that_went_down(self) -> None:
        for address in (SERVER_V4, SERVER_V6):
            with self.subTest(address=address), self.monitor(self.network.server) as monitor:
                with self.network.server.listen(address) as listener:
                    port = listener.getsockname()[1]
                    self.succeed(address, port, listener, 2)
                self.be_refused(address, port)
                monitor.wait_counts({"success": 2, "refused": FAILURES})
                finding = self.only_finding(monitor, "refused_here", "here")
                self.assertIn("went down", finding["sentence"])
                self.assertEqual(finding["subject"]["services"], [{"address": address, "port": port}])
                self.assertEqual(finding["figures"]["recent"], {"attempts": 2 + FAILURES, "failures": FAILURES})
                self.assertLess(finding["since"]["last_success"], finding["since"]["failing_since"])
                self.assertIn(f"ss -ltnp 'sport = :{port}'", finding["next"])

    def test_the_synack_is_lost_behind_the_server(self) -> None:
        rules = {"forward": [f"ip saddr {SERVER_V4} tcp flags & (syn|ack) == syn|ack drop"]}
        with (
            self.monitor(self.network.server, timeout_s=20) as monitor,
            self.network.server.listen(SERVER_V4) as listener,
        ):
            port = listener.getsockname()[1]
            self.succeed(SERVER_V4, port, listener, 3)
            set_rules(self.network.router, rules)
            with contextlib.ExitStack() as waiting:
                for _ in range(FAILURES):
                    client = waiting.enter_context(self.network.client.make_socket(socket.AF_INET))
                    client.setblocking(False)
                    client.connect_ex((SERVER_V4, port))
                monitor.wait_counts({"success": 3})
                told = f"{FAILURES} of them being answered again now"
                lab.wait_for(lambda: told in str(self.explain(monitor)["findings"]), told)
                self.only_finding(monitor, "way_back", "path")

    def test_ports_where_nobody_ever_listened_are_one_finding(self) -> None:
        with self.monitor(self.network.server) as monitor:
            for port in range(1, 13):
                self.be_refused(SERVER_V4, port, 1)
            monitor.wait_counts({"refused": 12})
            finding = self.only_finding(monitor, "refused_here", "here")
            self.assertEqual(finding["subject"]["text"], f"12 ports of {SERVER_V4}")
            self.assertEqual((finding["subject"]["count"], len(finding["subject"]["services"])), (12, 8))
            self.assertTrue(finding["since"]["never_worked"])
            self.assertIsNone(finding["since"]["failing_since"])

    def test_a_rule_that_drops_what_comes_in(self) -> None:
        with self.monitor(self.network.server) as monitor, self.network.server.listen(SERVER_V4) as listener:
            port = listener.getsockname()[1]
            set_rules(self.network.server, {"input": (f"tcp dport {port} drop",)})
            try_in_vain(self.network.client, SERVER_V4, port, FAILURES)
            monitor.wait_counts({"no_answer": FAILURES})
            finding = self.only_finding(monitor, "dropped_in_silence", "here")
            self.assertIn("this host silently drops", finding["sentence"])
            self.assertIn("nft list ruleset", finding["next"])

    def test_a_rule_that_drops_what_comes_from_one(self) -> None:
        with self.monitor(self.network.server) as monitor, self.network.server.listen(SERVER_V4) as listener:
            port = listener.getsockname()[1]
            set_rules(self.network.server, {"input": (f"ip saddr {OTHER_CLIENT_V4} drop",)})
            try_in_vain(self.network.client, SERVER_V4, port, FAILURES, OTHER_CLIENT_V4)
            monitor.wait_counts({"no_answer": FAILURES})
            self.succeed(SERVER_V4, port, listener, 3, CLIENT_V4)
            monitor.wait_counts({"success": 3})
            finding = self.only_finding(monitor, "filtered_for_some", "here")
            self.assertIn(OTHER_CLIENT_V4, finding["sentence"])
            self.assertNotIn(f"{CLIENT_V4} ", " ".join(finding["evidence"]))

    def test_a_half_open_scan(self) -> None:
        with self.monitor(self.network.server) as monitor, self.network.server.listen(SERVER_V4) as listener:
            port = listener.getsockname()[1]
            self.succeed(SERVER_V4, port, listener, 1)
            # Its own stack resets what it knows nothing of.
            with self.network.client.make_socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as scanner:
                for number in range(FAILURES):
                    segment = frames.tcp(lab.address(CLIENT_V4), lab.address(SERVER_V4), 50_000 + number, port,
                                         seq=1000 * number, flags=frames.SYN)  # fmt: skip
                    scanner.sendto(segment, (SERVER_V4, 0))
            monitor.wait_counts({"aborted": FAILURES})
            finding = self.only_finding(monitor, "half_open_scan", "initiator")
            self.assertEqual(finding["figures"]["failure"]["half_open"], FAILURES)
            self.assertIn("Nothing fails", self.explain(monitor)["summary"])

    def test_probes_that_reset(self) -> None:
        with self.monitor(self.network.server) as monitor, self.network.server.listen(SERVER_V4) as listener:
            port = listener.getsockname()[1]
            # As a balancer does it: no ACK, but a reset as soon as there is an answer. Whoever is kept from it for 40 ms
            # has acknowledged the answer after all, and tries again.
            probes = 0

            def enough() -> bool:
                nonlocal probes
                probes += 1
                with self.network.client.make_socket(socket.AF_INET) as prober:
                    prober.setsockopt(socket.SOL_TCP, socket.TCP_QUICKACK, 0)
                    prober.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    prober.connect((SERVER_V4, port))
                return self.ended(monitor, probes)["aborted"] >= FAILURES

            lab.wait_for(enough, f"{FAILURES} probes")
            self.only_finding(monitor, "probes", "initiator")


class OnTheClient(Explain):
    """Where what leaves this host and is not answered is there, or on the way."""

    def test_nobody_listens_there(self) -> None:
        with self.monitor(self.network.client) as monitor:
            self.be_refused(SERVER_V4, 9)
            monitor.wait_counts({"refused": FAILURES})
            finding = self.only_finding(monitor, "refused_there", "there")
            self.assertEqual(finding["subject"]["direction"], "tx")
            self.assertIn(f"nc -vz -w 3 {SERVER_V4} 9", finding["next"])

    def test_a_router_that_has_no_route(self) -> None:
        with self.monitor(self.network.client) as monitor:
            for _ in range(FAILURES):
                with self.assertRaises(OSError):
                    self.network.client.connect(NO_ROUTE_V4, 80)
            monitor.wait_counts({"unreachable": FAILURES})
            finding = self.only_finding(monitor, "router_says", "path")
            self.assertEqual(finding["sentence"], f"The router 10.78.1.2 says of {NO_ROUTE_V4}:80: no route.")
            self.assertIn(f"ip route get {NO_ROUTE_V4}", finding["next"])

    def test_a_port_that_is_filtered_while_its_host_answers(self) -> None:
        with self.monitor(self.network.client) as monitor, self.network.server.listen(SERVER_V4) as listener:
            port = listener.getsockname()[1]
            set_rules(self.network.router, {"forward": ("tcp dport 443 drop",)})
            try_in_vain(self.network.client, SERVER_V4, 443, FAILURES)
            self.succeed(SERVER_V4, port, listener, 1)
            monitor.wait_counts({"no_answer": FAILURES, "success": 1})
            finding = self.only_finding(monitor, "service_silent", "there")
            self.assertTrue(any(f"{SERVER_V4}:{port}" in sentence for sentence in finding["evidence"]), finding)

    def test_one_dead_host_is_unknown(self) -> None:
        with self.monitor(self.network.client) as monitor:
            try_in_vain(self.network.client, "10.78.9.1", 443, FAILURES)
            monitor.wait_counts({"no_answer": FAILURES})
            self.only_finding(monitor, "no_answer", "unknown")

    def test_a_dead_network(self) -> None:
        with self.monitor(self.network.client) as monitor:
            for host in range(1, 5):
                try_in_vain(self.network.client, f"10.78.9.{host}", 443, 2)
            monitor.wait_counts({"no_answer": 8})
            finding = self.only_finding(monitor, "network_dark", "path")
            self.assertEqual((finding["subject"]["text"], finding["subject"]["count"]), (DARK, 4))
            self.assertTrue(any(command.startswith("mtr ") for command in finding["next"]))

    def test_an_own_rule_that_drops_answers(self) -> None:
        with self.monitor(self.network.client) as monitor, self.network.server.listen(SERVER_V4) as listener:
            port = listener.getsockname()[1]
            set_rules(self.network.client, {"input": (f"tcp sport {port} drop",)})
            try_in_vain(self.network.client, SERVER_V4, port, FAILURES)
            monitor.wait_counts({"no_ack": FAILURES})
            self.only_finding(monitor, "synack_dropped_here", "here")


class InBetween(Explain):
    def test_here_is_the_near_network(self) -> None:
        local = ("--local", "10.78.2.0/24")
        with self.monitor(self.network.router, *local, interfaces=("client", "server")) as monitor:
            set_rules(self.network.server, {"input": ("tcp dport 443 drop",)})
            try_in_vain(self.network.client, SERVER_V4, 443, FAILURES)
            monitor.wait_counts({"no_answer": FAILURES})
            finding = self.only_finding(monitor, "dropped_in_silence", "here")
            self.assertIn("the near network silently drops", finding["sentence"])
            self.assertTrue(any("not seen on the host itself" in limit for limit in finding["limits"]))


class Schema(unittest.TestCase):
    def test_the_checker_finds_mistakes(self) -> None:
        schema = load("explain.json")
        for wrong in ({}, [], {"error": 5}, {"schema": 1}, {"schema": 1, "findings": []}):
            with self.subTest(wrong=wrong):
                self.assertNotEqual(violations(schema, wrong), [])


if __name__ == "__main__":
    unittest.main()
