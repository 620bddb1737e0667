"""Patterns in how attempts end, made by real stacks: a stuck 4-tuple, SYNs that die for what they ask, and probes.

Each is watched from both ends; where it must not be seen, it is not.
"""

import contextlib
import json
import socket
import unittest
from collections.abc import Iterator
from typing import Any

import lab
from lab import HOST_V4, HOST_V6, PEER_V4, PEER_V6, Lab
from monitor import Monitor
from stacks import kernel_counter, probe_nft, set_rules

SYN = "tcp flags & (syn | ack) == syn"
ECN_SYN = "tcp flags & (syn | ack | ecn | cwr) == syn | ecn | cwr"
FAST_OPEN_SYN = f"{SYN} tcp option 34 exists"

STUCK_PORT = 50007
FEW = 6  # attempts that meet a black hole; counted from the fourth on


def setUpModule() -> None:
    lab.require(probe_nft)


def reset_instead_of_acknowledging(namespace: lab.Namespace, address: str, port: int) -> None:
    """A health check as HAProxy makes it: connect() succeeds, and the RST is the first segment after the SYN/ACK."""
    check = namespace.make_socket(lab.address_family(address))
    check.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
    check.connect((address, port))
    lab.reset_on_close(check)
    check.close()


class Patterns(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(Lab())
        self.sockets = self.enterContext(contextlib.ExitStack())
        stack = self.enterContext(contextlib.ExitStack())
        words = ("--threads", "1", "-q", "-t", "6")
        self.monitors = [
            stack.enter_context(Monitor(self.network, *words, namespace=namespace, name=name))
            for name, namespace in (("host", self.network.host), ("peer", self.network.peer))
        ]

    def listen(self, address: str) -> tuple[socket.socket, int]:
        listener = self.sockets.enter_context(self.network.host.listen(address))
        return listener, int(listener.getsockname()[1])

    def patterns(self, monitor: Monitor) -> dict[str, int]:
        """Those of all attempts that there are; its filter and its service say the same."""
        stats = monitor.stats()
        stats.check_accounting()
        found: dict[str, int] = {name: n for name, n in stats.json["totals"]["patterns"].items() if n}
        by_filter = [entry["patterns"] for entry in stats.json["filters"]]
        by_service = [row["patterns"] for row in self.rows(monitor)]
        for counts in (by_filter, by_service):
            for name in stats.json["totals"]["patterns"]:
                self.assertEqual(sum(each[name] for each in counts), found.get(name, 0), counts)
        return found

    def rows(self, monitor: Monitor) -> list[Any]:
        rows: list[Any] = json.loads(monitor.ask("TOP 100"))["rows"]
        return rows

    @contextlib.contextmanager
    def each_monitor(self) -> Iterator[None]:
        for monitor in self.monitors:
            lab.wait_for(lambda m=monitor: m.stats().totals["pending"] == 0, "all have ended")  # type: ignore[misc]
        yield

    def connect_from(self, port: int, server: tuple[str, int]) -> socket.socket:
        client = self.sockets.enter_context(self.network.peer.make_socket(lab.address_family(server[0])))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind((PEER_V4 if lab.address_family(server[0]) == socket.AF_INET else PEER_V6, port))
        client.setblocking(False)
        client.connect_ex(server)
        return client

    def test_a_stuck_tuple(self) -> None:
        for address in (HOST_V4, HOST_V6):
            with self.subTest(address=address):
                before = [self.patterns(monitor).get("stuck_tuple", 0) for monitor in self.monitors]
                _, port = self.listen(address)
                self.network.peer.connect(address, port).close()
                self.wait_for_successes(port, 1)
                repeats = self.repeated_syns()
                set_rules(self.network.host, {"input": (f"tcp sport {STUCK_PORT} {SYN} drop",)})
                stuck = self.connect_from(STUCK_PORT, (address, port))
                lab.wait_for(
                    lambda: all(m.stats().json["totals"]["retrying"] == 1 for m in self.monitors), "it is retrying"
                )
                for _ in range(5):
                    self.network.peer.connect(address, port).close()
                self.wait_for_answers_meanwhile(port, 5)
                # Linux sends SYNs at 0, 1, 2, 3, 4 seconds, before 6.5 at 0, 1, 3, 7.
                self.wait_for_repeats(3, repeats)
                stuck.close()
                for monitor, earlier in zip(self.monitors, before, strict=True):
                    lab.wait_for(lambda m=monitor: m.stats().totals["pending"] == 0, "it has ended")  # type: ignore[misc]
                    self.assertEqual(self.patterns(monitor), {"stuck_tuple": earlier + 1})
                    self.assert_finding(monitor, "stuck_tuple", port)

    def assert_finding(self, monitor: Monitor, rule: str, port: int) -> None:
        """EXPLAIN tells of it, and whose it is."""
        findings = json.loads(monitor.ask("EXPLAIN"))["findings"]
        of_port = [each["rule"] for each in findings if any(s["port"] == port for s in each["subject"]["services"])]
        self.assertIn(rule, of_port, findings)
        self.assertTrue(all(each["verdict"] == "path" for each in findings if each["rule"] == rule))

    def wait_for_answers_meanwhile(self, port: int, count: int) -> None:
        def shown(monitor: Monitor) -> bool:
            rows = [row for row in self.rows(monitor) if row["responder"]["port"] == port]
            return [(row["retrying"], row["answered_meanwhile"]) for row in rows] == [(1, count)]

        lab.wait_for(lambda: all(shown(m) for m in self.monitors), "others were answered meanwhile")

    def wait_for_repeats(self, count: int, before: int) -> None:
        lab.wait_for(lambda: self.repeated_syns() >= before + count, f"{count} repeated SYNs")

    def repeated_syns(self) -> int:
        """The client's own count."""
        return kernel_counter(self.network.peer, "TcpExtTCPSynRetrans")

    def test_a_dead_port_is_no_stuck_tuple(self) -> None:
        _, port = self.listen(HOST_V4)
        set_rules(self.network.host, {"input": (f"{SYN} tcp dport {port} drop",)})
        for client_port in range(STUCK_PORT, STUCK_PORT + 5):
            self.connect_from(client_port, (HOST_V4, port))
        self.wait_for_repeats(15, 0)
        self.sockets.close()
        with self.each_monitor():
            for monitor in self.monitors:
                self.assertEqual(self.patterns(monitor), {})

    def test_an_ecn_black_hole(self) -> None:
        self.network.peer.sysctl("net.ipv4.tcp_ecn", 1)
        for address in (HOST_V4, HOST_V6):
            with self.subTest(address=address):
                before = [self.patterns(monitor).get("ecn_black_hole", 0) for monitor in self.monitors]
                _, port = self.listen(address)
                set_rules(self.network.host, {"input": (f"{ECN_SYN} drop",)})
                for client_port in range(STUCK_PORT, STUCK_PORT + FEW):
                    self.connect_from(client_port, (address, port))
                self.wait_for_successes(port, FEW)
                for monitor, earlier in zip(self.monitors, before, strict=True):
                    self.assertEqual(self.patterns(monitor), {"ecn_black_hole": earlier + FEW - 3})
                    self.assert_finding(monitor, "option_black_hole", port)

    def test_lost_syns_are_no_black_hole(self) -> None:
        """All first SYNs are dropped, whether they ask for ECN or not."""
        _, port = self.listen(HOST_V4)
        set_rules(self.network.host, {"input": (f"{SYN} drop",)})
        for number, client_port in enumerate(range(STUCK_PORT, STUCK_PORT + 2 * FEW)):
            self.network.peer.sysctl("net.ipv4.tcp_ecn", number % 2)
            self.connect_from(client_port, (HOST_V4, port))
        lab.wait_for(
            lambda: all(row["pending"] == 2 * FEW for m in self.monitors for row in self.rows(m)), "all were seen"
        )
        set_rules(self.network.host, {})
        self.wait_for_successes(port, 2 * FEW)
        for monitor in self.monitors:
            self.assertEqual(self.patterns(monitor), {})

    def test_a_fast_open_black_hole(self) -> None:
        self.network.peer.sysctl("net.ipv4.tcp_fastopen", 1)
        _, port = self.listen(HOST_V4)
        try:
            set_rules(self.network.host, {"input": (f"{FAST_OPEN_SYN} drop",)})
        except RuntimeError as error:
            self.skipTest(f"nft cannot match the option: {error}")
        # All at once: Linux soon stops asking a host where such SYNs are not answered.
        for _ in range(FEW):
            client = self.sockets.enter_context(self.network.peer.make_socket(socket.AF_INET))
            client.setblocking(False)
            with self.assertRaises(BlockingIOError):  # in progress, without the data
                client.sendto(b"x", socket.MSG_FASTOPEN, (HOST_V4, port))
        self.wait_for_successes(port, FEW)
        for monitor in self.monitors:
            self.assertEqual(self.patterns(monitor), {"fast_open_black_hole": FEW - 3})

    def wait_for_successes(self, port: int, count: int) -> None:
        lab.wait_for(
            lambda: all([row["success"] for row in self.rows(m) if row["responder"]["port"] == port] == [count]
                        for m in self.monitors),
            f"{count} successes",
        )  # fmt: skip

    def test_probes_neither_hide_nor_raise_an_alarm(self) -> None:
        """Hundreds of them at a port that is well, beside a few that are refused elsewhere."""
        checks = 200
        listener, port = self.listen(HOST_V4)
        listener.setblocking(False)
        for _ in range(checks):
            reset_instead_of_acknowledging(self.network.peer, HOST_V4, port)
        for _ in range(3):
            with self.assertRaises(ConnectionRefusedError):
                self.network.peer.connect(HOST_V4, 9)
        for monitor in self.monitors:
            stats = monitor.wait_counts({"attempts": checks + 3, "refused": 3, "pending": 0})
            causes = stats.json["totals"]["failure"]["causes"]
            self.assertGreaterEqual(causes["probe"] + stats.totals["success"], checks)
            self.assertGreater(causes["probe"], checks / 2)
            refusing, checked = self.rows(monitor)
            self.assertEqual(refusing["responder"]["port"], 9)
            self.assertEqual(checked["failure"]["probe"], causes["probe"])
            self.assertIsNone(checked["failing_since"])
            self.assertEqual(checked["recent"]["failures"], 0)
            named = [row["responder"]["port"] for row in json.loads(monitor.ask("TOP 1"))["rows"]]
            self.assertEqual(named, [9])
        for monitor in self.monitors:
            health = {entry["name"]: entry["state"] for entry in monitor.stats().json["filters"]}
            self.assertTrue(all(state["failed"] <= 3 for state in health.values()), health)


if __name__ == "__main__":
    unittest.main()
