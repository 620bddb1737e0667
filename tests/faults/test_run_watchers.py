"""Watchers that do not behave: each costs itself, what it missed is told, and nobody else is delayed."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import unittest
from collections.abc import Iterator

import live

import flows
import lab
from burst import Burst
from companion import Companion, Ending
from monitor import Monitor
from steady import steady
from watcher import Watcher

setUpModule = lab.require

MANY = 120_000 if live.FULL else 60_000  # more events than the ring of events holds
PIECE = 2_000
AT_ONCE = 1000
ROUNDS = 1000 if live.FULL else 200
# What is too long for an answer, and for how many of all: other jobs may take the CPUs, and a debug build is slow.
FAILS_S, SHARE = (0.2, 0.01) if live.FULL else (5.0, 0.1)


class Watchers(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(lab.Lab())
        self.sender = self.network.peer.raw_socket("veth0")
        self.addCleanup(self.sender.close)
        self.made = 0

    def handshakes(self, count: int) -> None:
        Burst(list(flows.handshakes(self.made, count))).send(self.sender)
        self.made += count

    def flood(self) -> None:
        """In pieces, at a pace that the queues of the readers and a debug build keep up with."""
        for _ in range(MANY // PIECE):
            self.handshakes(PIECE)
            time.sleep(0.05)

    def hostile(self, monitor: Monitor, count: int, request: bytes = b"WATCH\n") -> list[socket.socket]:
        clients = []
        for _ in range(count):
            client = socket.socket(socket.AF_UNIX)
            self.addCleanup(client.close)
            client.settimeout(lab.DEADLINE_S)
            client.connect(str(monitor.socket_path))
            client.sendall(request)
            clients.append(client)
        return clients

    def wait_watchers(self, monitor: Monitor, count: int) -> None:
        def reached() -> bool:
            return bool(monitor.stats().json["server"]["watchers"] == count)

        lab.wait_for(reached, f"{count} watch")

    def check(self, monitor: Monitor) -> None:
        end = steady(monitor)
        end.check_accounting()
        self.assertEqual((end.packets("dropped"), end.totals["success"]), (0, self.made))

    def assert_accounted(self, first: int, last: int, lines: list[dict[str, object]]) -> int:
        """Each number is told once, or is in a gap; returns how many are."""
        expected, missed = first, 0
        for line in lines:
            gap = line.get("gap")
            if isinstance(gap, dict):
                self.assertEqual(gap["from"], expected)
                missed += gap["to"] - gap["from"] + 1
                expected = gap["to"] + 1
            else:
                self.assertEqual(line["seq"], expected)
                expected += 1
        self.assertEqual(expected, last + 1)
        return missed

    def read_all(self, watcher: Watcher, outcomes: int) -> list[dict[str, object]]:
        """Until that many outcomes were told, or missed."""
        lines: list[dict[str, object]] = []
        known = 0
        while known < outcomes:
            line = watcher.line()
            lines.append(line)
            gap = line.get("gap")
            known += gap["to"] - gap["from"] + 1 if isinstance(gap, dict) else line["event"] == "outcome"
        return lines

    @contextlib.contextmanager
    def questions(self, monitor: Monitor) -> Iterator[None]:
        """Meanwhile somebody asks again and again, and each time has the answer soon."""
        done = threading.Event()
        taken: list[float] = []
        wrong: list[bytes] = []

        def ask() -> None:
            while not done.is_set():
                begin = time.monotonic()
                reply = monitor.ask("GET")
                if not reply.startswith(b'[{"RX":'):
                    wrong.append(reply)
                taken.append(time.monotonic() - begin)
                time.sleep(0.01)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            yield
        finally:
            done.set()
            asking.join()
        self.assertEqual(wrong, [])
        taken.sort(reverse=True)
        live.told(f"the slowest of {len(taken)} GET took {taken[0] * 1000:.1f} ms")
        self.assertLess(taken[int(SHARE * len(taken))], FAILS_S)

    def test_one_that_is_slow_is_told_what_it_missed(self) -> None:
        with (
            Monitor(self.network, "-q", "--threads", "1", ring_mib=64) as monitor,
            Watcher(monitor.socket_path) as slow,
            Watcher(monitor.socket_path) as keen,
        ):
            lines: list[dict[str, object]] = []
            reading = threading.Thread(target=lambda: lines.extend(self.read_all(keen, MANY)))
            reading.start()
            with self.questions(monitor):
                self.flood()
                reading.join()
            self.check(monitor)
            late = self.read_all(slow, MANY)
            for watcher, told in ((keen, lines), (slow, late)):
                last = told[-1].get("seq")
                assert isinstance(last, int)
                missed = self.assert_accounted(watcher.at + 1, last, told)
                live.told(f"{len(told)} lines, {missed} events missed")
            self.assertTrue(any("gap" in line for line in late), "it took none for longer than the ring holds")
            self.assertEqual(monitor.stats().json["readers"][0]["events_lost"], 0)

    def test_those_that_never_read(self) -> None:
        with Monitor(self.network, "-q", "--threads", "1", ring_mib=64) as monitor:
            self.hostile(monitor, 15)
            with Watcher(monitor.socket_path) as keen, self.questions(monitor):
                for _ in range(10):
                    self.handshakes(PIECE)
                lines = self.read_all(keen, 10 * PIECE)
            self.check(monitor)
            self.assertFalse(any("gap" in line for line in lines))
            self.assertEqual(monitor.stats().json["server"]["watchers_stalled"], 0)

    def test_those_that_leave_mid_line(self) -> None:
        with Monitor(self.network, "-q", "--threads", "1", ring_mib=64) as monitor, Watcher(monitor.socket_path) as keen:
            with self.questions(monitor):
                for _ in range(20):
                    clients = self.hostile(monitor, 15)
                    self.handshakes(PIECE // 4)
                    for client in clients:
                        self.assertTrue(client.recv(100))  # some of the first lines
                        client.close()
                    self.wait_watchers(monitor, 1)
            self.check(monitor)
            self.assertFalse(any("gap" in line for line in self.read_all(keen, self.made)))

    def test_a_thousand_at_once(self) -> None:
        with Monitor(self.network, "-q", "--threads", "1", ring_mib=64) as monitor, Watcher(monitor.socket_path) as keen:
            # Who asks now is one of the same process, whose clients displace each other.
            clients = self.hostile(monitor, AT_ONCE)
            self.handshakes(PIECE)
            self.wait_watchers(monitor, 16)
            refused = 0
            for client in clients:
                with contextlib.suppress(ConnectionResetError):
                    first = client.recv(200)
                    refused += b"all 16 places are taken" in first
                client.close()
            server = monitor.stats().json["server"]
            live.told(f"{refused} of {AT_ONCE} told that they are refused; {server}")
            self.assertEqual(server["watchers_refused"], refused)
            self.assertGreater(refused, 0)
            self.read_all(keen, PIECE)
            self.wait_watchers(monitor, 1)
            with Watcher(monitor.socket_path):
                self.check(monitor)

    def test_those_who_ask_and_leave_end_no_watcher(self) -> None:
        """The number and the place of a socket that was closed are given to the next one."""
        with Monitor(self.network, "-q", "--threads", "1", ring_mib=64) as monitor:

            def ask(ending: Ending) -> int:
                asked = 0
                while not ending.has_come():
                    asked += monitor.ask("GET").startswith(b"[")
                return asked

            with Companion("who asks", ask) as one, Companion("who asks, too", ask) as other:
                for _ in range(ROUNDS):
                    clients = self.hostile(monitor, 16)
                    for client in clients:
                        self.assertTrue(client.recv(100).startswith(b'{"boot":'))
                    self.wait_watchers(monitor, 16)
                    for client in clients:
                        client.close()
                    self.wait_watchers(monitor, 0)
                live.told(f"{one.finish(lab.DEADLINE_S) + other.finish(lab.DEADLINE_S)} questions meanwhile")

    def test_half_a_request_and_bytes_after_it(self) -> None:
        with Monitor(self.network, "-q", "--threads", "1", ring_mib=64) as monitor:
            (talker,) = self.hostile(monitor, 1, b"WATCH\n" + b"z" * 50_000)
            (half,) = self.hostile(monitor, 1, b"WATCH from=")
            self.assertEqual(json.loads(talker.recv(200).splitlines()[0])["at"], 1)
            self.assertEqual(half.recv(200), b"", "closed after its second")
            self.handshakes(10)
            self.assertTrue(talker.recv(200))
            self.check(monitor)


if __name__ == "__main__":
    unittest.main()
