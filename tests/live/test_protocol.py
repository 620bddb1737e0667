"""The UNIX socket: the original's two replies to the byte, STATS, bad clients, stale and live files."""

import contextlib
import json
import re
import socket
import stat
import statistics
import time
import unittest
from typing import ClassVar

import lab
from conversation import RX4, RX6, TX4, Conversation, pause
from lab import Lab, Wire
from monitor import ICMP, Monitor, command, run_to_end

setUpModule = lab.require


def get_filter(name: str, success: str = "0,0,0", failure: str = "0,0,0,0") -> str:
    total, dup_syn, dup_synack = success.split(",")
    failed, timeout, reject, unreach = failure.split(",")
    return (
        f'{{"{name}":{{"success":{{"total":{total},"dupsyn":{dup_syn},"dupsynack":{dup_synack}}},'
        f'"failure":{{"total":{failed},"timeout":{timeout},"reject":{reject}, "unreach":{unreach}}}}}}}'
    )


def refresh_filter(name: str, success: str = "0,0,0", failure: str = "0,0,0") -> str:
    whole = get_filter(name, success, failure + ",0")
    return whole.replace(', "unreach":0', "")


def pcap(received: int, dropped: int = 0) -> str:
    return f'{{"pcap":{{"stats":{{"recv":{received},"drop":{dropped},"ifdrop":0}}}}}}'


class Replies(unittest.TestCase):
    network: ClassVar[Lab]
    wire: ClassVar[Wire]

    @classmethod
    def setUpClass(cls) -> None:
        cls.network = cls.enterClassContext(Lab())
        cls.wire = cls.network.wire()

    def assert_reply(self, reply: bytes, *elements: str) -> None:
        self.assertEqual(reply.decode(), f"[{','.join(elements)}]")

    def test_nothing_seen_yet(self) -> None:
        with Monitor(self.network, "web:RX@%:80", ":TX@%:22", "db:TX@%:5432") as monitor:
            names = ("RX", "TX", "web", "db")
            self.assert_reply(monitor.ask("GET"), *map(get_filter, names), pcap(0))
            self.assert_reply(monitor.ask("REFRESH"), *map(refresh_filter, names))

    def test_every_member(self) -> None:
        with Monitor(self.network, *ICMP, "--timeout", "3", "web:RX@%:80") as monitor:
            Conversation(self.wire, RX4, responder_port=80).succeed()
            repeated = Conversation(self.wire, RX6)
            for step in ("syn", "syn", "syn", "synack", "synack"):
                getattr(repeated, step)()
                pause()
            repeated.ack()
            refused = Conversation(self.wire, RX4, responder_port=80)
            refused.syn()
            refused.refuse()
            aborted = Conversation(self.wire, TX4)
            aborted.syn()
            aborted.abort()
            lost = Conversation(self.wire, TX4)
            lost.unreachable(lost.syn())
            Conversation(self.wire, TX4).syn()
            failures = {"no_answer": 1, "aborted": 1, "unreachable": 1, "refused": 1, "success": 2}
            packets = monitor.wait_counts(failures).packets("seen")
            self.assertEqual(packets, 16)
            self.assert_reply(
                monitor.ask("GET"),
                get_filter("RX", "2,1,1", "1,0,1,0"),
                get_filter("TX", "0,0,0", "3,1,1,1"),
                get_filter("web", "1,0,0", "1,0,1,0"),
                pcap(packets),
            )
            # The original adds what is unreachable to the rejected here, and so do we.
            self.assert_reply(
                monitor.ask("REFRESH"),
                refresh_filter("RX", "2,1,1", "1,0,1"),
                refresh_filter("TX", "0,0,0", "3,1,2"),
                refresh_filter("web", "1,0,0", "1,0,1"),
            )
            nothing = [refresh_filter(name) for name in ("RX", "TX", "web")]
            self.assert_reply(monitor.ask("REFRESH"), *nothing)
            Conversation(self.wire, RX4, responder_port=80).succeed()
            monitor.wait_counts({"success": 3})
            monitor.ask("STATS")
            monitor.ask("GET")
            self.assert_reply(
                monitor.ask("REFRESH"),
                refresh_filter("RX", "1,0,0"),
                refresh_filter("TX"),
                refresh_filter("web", "1,0,0"),
            )
            self.assertEqual(json.loads(monitor.ask("GET"))[0]["RX"]["success"]["total"], 3)

    def test_pending_attempts_are_in_no_member(self) -> None:
        with Monitor(self.network) as monitor:
            Conversation(self.wire, RX4).syn()
            monitor.wait_counts({"pending": 1})
            self.assert_reply(monitor.ask("GET"), get_filter("RX"), get_filter("TX"), pcap(1))

    def test_ways_to_ask(self) -> None:
        with Monitor(self.network) as monitor:
            expected = monitor.ask("GET")
            for request in (b"GET\r\n", b"GET\n", b"  GET \t\r\n", b"HELLO\r\n", b"get\n", b"\r\n", b"\n",
                            b"REFRESHED\n", b"refresh\n", b"GET all of it\r\n", b"\xff\xfe\x00\n", b"A" * 4000 + b"\n",
                            b"GET\r\nREFRESH\r\n"):  # fmt: skip
                with self.subTest(request=request[:20]):
                    self.assertEqual(monitor.ask_raw(request), expected)
            with self.subTest("end of input"):
                self.assertEqual(monitor.ask_raw(b"GET", end_of_input=True), expected)
                self.assertTrue(monitor.ask_raw(b" STATS ", end_of_input=True).startswith(b'{"schema":2,'))

    def test_stats_names_what_it_watches(self) -> None:
        with Monitor(self.network, "--threads", "2", "web:RX@%:80:443") as monitor:
            stats = monitor.stats().json
            self.assertRegex(stats["version"], r"^\d+\.\d+\.\d+")
            self.assertGreater(stats["uptime_seconds"], 0)
            interface = stats["interfaces"][0]
            self.assertEqual((interface["name"], interface["link_type"], interface["up"]), ("veth0", "EN10MB", True))
            self.assertEqual([reader["id"] for reader in stats["readers"]], [0, 1])
            expressions = [entry["expression"] for entry in stats["filters"]]
            self.assertEqual(expressions, ["RX:RX@%:%", "TX:TX@%:%", "web:RX@%:80:443"])

    def test_requests_without_end(self) -> None:
        """Closed without a reply: too long at once, unfinished after a second."""
        with Monitor(self.network) as monitor:
            asked = 0

            def unfinished() -> float:
                nonlocal asked
                asked += 1
                start = time.monotonic()
                self.assertEqual(monitor.ask_raw(b"GET"), b"")
                return time.monotonic() - start

            self.assertLess(lab.least(unfinished, 5.0), 5.0)
            self.assertEqual(self._drop_tolerant(monitor, b"A" * 5000), b"")
            self.assertEqual(monitor.ask_raw(b"", end_of_input=True), b"")
            self.assertEqual(monitor.stats().json["server"]["requests_dropped"], asked + 2)

    @staticmethod
    def _drop_tolerant(monitor: Monitor, request: bytes) -> bytes:
        try:
            return monitor.ask_raw(request)
        except (BrokenPipeError, ConnectionResetError):
            return b""

    def test_silent_and_slow_clients_delay_nobody(self) -> None:
        with Monitor(self.network) as monitor:
            succeeded = 0

            def usual() -> float:
                nonlocal succeeded
                taken = []
                idle = [socket.socket(socket.AF_UNIX) for _ in range(20)]
                try:
                    for number, client in enumerate(idle):
                        client.connect(str(monitor.socket_path))
                        if number % 2:
                            with contextlib.suppress(BrokenPipeError):  # its second is over
                                client.send(b"STATS\r\n")  # and never reads
                    for _ in range(10):
                        Conversation(self.wire, RX4).succeed()
                        start = time.monotonic()
                        monitor.ask("GET")
                        taken.append(time.monotonic() - start)
                    succeeded += 10
                    return statistics.median(taken)
                finally:
                    for client in idle:
                        client.close()

            # Far less than the second for which the others may stay.
            self.assertLess(lab.least(usual, 0.3), 0.3)
            after = monitor.wait_delivered(3 * succeeded)
            self.assertEqual(after.totals["success"], succeeded)

    def test_more_clients_than_it_takes(self) -> None:
        """The first ones make room for the next, and are counted."""
        with Monitor(self.network) as monitor, contextlib.ExitStack() as stack:
            before = monitor.stats().json["server"]
            crowd = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(100)]
            for client in crowd:
                client.settimeout(lab.DEADLINE_S)
                client.connect(str(monitor.socket_path))
            for client in crowd:
                self.assertEqual(client.recv(1), b"")
            after = monitor.stats().json["server"]
            self.assertEqual(after["clients_accepted"] - before["clients_accepted"] - 1, len(crowd))
            self.assertGreater(after["clients_displaced"], before["clients_displaced"])


class SocketFile(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(Lab())

    def test_gone_after_the_end(self) -> None:
        with Monitor(self.network) as monitor:
            self.assertTrue(stat.S_ISSOCK(monitor.socket_path.stat().st_mode))
            self.assertEqual(monitor.socket_path.stat().st_mode & 0o007, 0)
        self.assertEqual([path.name for path in self.network.folder.glob("*sock*")], [])

    def test_stale_file_is_replaced(self) -> None:
        path = self.network.folder / "monitor.sock"
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(path))
        with Monitor(self.network) as monitor:
            self.assertTrue(monitor.ask("GET").startswith(b"["))

    def test_after_a_crash(self) -> None:
        with Monitor(self.network) as monitor:
            monitor.process.kill()
            monitor.process.wait()
            self.assertTrue(monitor.socket_path.exists())
        with Monitor(self.network) as monitor:
            self.assertTrue(monitor.ask("GET").startswith(b"["))

    def test_live_one_is_not_stolen(self) -> None:
        with Monitor(self.network) as first:
            words = command("-U", str(first.socket_path), "-i", "veth0")
            second = run_to_end(self.network.host, words)
            self.assertEqual(second.status, 1)
            self.assertIn(str(first.socket_path), second.stderr)
            self.assertRegex(second.stderr, r"another tcpeek.*-U")
            self.assertNotIn("SUMMARY", second.text)
            Conversation(self.network.wire(), RX4).succeed()
            first.wait_counts({"success": 1}, "RX")

    def test_foreign_live_socket_is_not_stolen(self) -> None:
        path = self.network.folder / "foreign.sock"
        with socket.socket(socket.AF_UNIX) as foreign:
            foreign.bind(str(path))
            foreign.listen()
            done = run_to_end(self.network.host, command("-U", str(path), "-i", "veth0"))
            self.assertEqual(done.status, 1)
            self.assertIn(str(path), done.stderr)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))

    def test_other_files_are_left_alone(self) -> None:
        path = self.network.folder / "precious"
        path.write_text("keep me", encoding="ascii")
        done = run_to_end(self.network.host, command("-U", str(path), "-i", "veth0"))
        self.assertEqual(done.status, 1)
        self.assertRegex(done.stderr, rf"{re.escape(str(path))}.*not a socket")
        self.assertEqual(path.read_text(encoding="ascii"), "keep me")
        self.assertEqual([entry.name for entry in self.network.folder.iterdir()], ["precious"])


if __name__ == "__main__":
    unittest.main()
