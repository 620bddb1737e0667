"""Clients of the socket and of HTTP that do not behave, while connections are counted: capture loses nothing, and
a well-behaved client is answered soon."""

from __future__ import annotations

import contextlib
import functools
import gzip
import json
import math
import pathlib
import socket
import subprocess
import sys
import time
import unittest
from collections.abc import Iterator, Sequence
from typing import Any

import live

import flows
import hostile
import lab
import prometheus
from burst import Burst
from monitor import Monitor, Stats, stopped

setUpModule = lab.require

ASKED = 1000 if live.FULL else 100
PAUSE_S = 0.002  # between questions
HANDSHAKES = 1000  # sent a few times for each hundred questions
# What is promised is 50 ms for 99 of 100; it is held against a machine that does nothing else. Here other jobs may
# take the CPUs at any time, so what fails the test is far more, of fewer, each time it is tried.
PROMISED_MS = 50.0
FAILS_MS, SHARE = (PROMISED_MS, 0.99) if live.FULL else (500.0, 0.9)
TRIES = 3
PORT = 9475
WAITING = 500  # where net.core.somaxconn is as long as Linux makes it, 4096
SYN_AGAIN_S = 1.0  # RFC 6298
# So many that no socket buffer takes the reply to STATS.
MANY_FILTERS = [f"f{number}:RX@%:{number}" for number in range(1, 1001)]


def quantile(sorted_values: Sequence[float], share: float) -> float:
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


class Case(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(lab.Lab())
        self.sender = self.network.peer.raw_socket("veth0")
        self.addCleanup(self.sender.close)
        self.sent = 0

    @contextlib.contextmanager
    def hostile(self, manner: str, target: str, launcher: Sequence[str] = ()) -> Iterator[list[float]]:
        """Such a client runs meanwhile; afterwards the list has its connections and seconds."""
        script = pathlib.Path(hostile.__file__)
        words = self.network.host.command(*launcher, sys.executable, "-B", str(script), manner, target)
        figures: list[float] = []
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                self.assertEqual(process.stdout.readline(), "begun\n")
                yield figures
            finally:
                process.terminate()
                figures += [float(word) for word in process.stdout.read().split()]

    def ask(self, monitor: Monitor) -> bool:
        """A healthy question; false if there was no reply within the server's deadline for it."""
        reply = monitor.ask("GET")  # waits in connect() while the queue of clients is full
        if reply:
            self.assertTrue(reply.startswith(b'[{"RX":') and reply.endswith(b"]"), reply[:100])
        return reply != b""

    def least_latencies_ms(self, monitor: Monitor) -> list[float]:
        """Of the best of some tries."""
        found: list[list[float]] = []

        def quick_enough() -> float:
            found.append(self.latencies_ms(monitor))
            return quantile(found[-1], SHARE)

        lab.least(quick_enough, FAILS_MS, TRIES)
        return min(found, key=lambda taken: quantile(taken, SHARE))

    def latencies_ms(self, monitor: Monitor) -> list[float]:
        """Of ASKED questions one after the other, sorted; each is answered whole, or it took for ever."""
        taken = []
        for number in range(ASKED):
            time.sleep(PAUSE_S)
            if number % 25 == 0:
                self.sent += Burst(list(flows.handshakes(self.sent, HANDSHAKES))).send(self.sender)
            start = time.monotonic()
            answered = self.ask(monitor)
            taken.append((time.monotonic() - start) * 1000 if answered else math.inf)
        return sorted(taken)

    def play(
        self, manner: str, words: Sequence[str] = (), target: str | None = None, launcher: Sequence[str] = (),
        does: str | None = None,
    ) -> Stats:  # fmt: skip
        """`does`: what of the server's counts grows by such a client, however little of a CPU it is given."""
        place = "http" if target else "server"
        with Monitor(self.network, "-q", "--threads", "2", *words) as monitor:
            monitor.socket_path.chmod(0o666)
            alone = self.latencies_ms(monitor)
            with self.hostile(manner, target or str(monitor.socket_path), launcher) as figures:
                taken = self.least_latencies_ms(monitor)
                if does is not None:
                    lab.wait_for(lambda: bool(monitor.stats().json[place][does] > 0), does)
            end = monitor.wait_delivered(self.sent)
            end.check_accounting()
            server = end.json[place]
        made, seconds = figures
        live.told(
            f"{manner}, {len(words)} options and filters: {made:.0f} hostile connections, {made / seconds:,.0f}/s; healthy p50 {quantile(taken, 0.5):.2f} "
            f"p99 {quantile(taken, 0.99):.2f} max {taken[-1]:.2f} ms (alone p50 {quantile(alone, 0.5):.2f} p99 {quantile(alone, 0.99):.2f} "
            f"ms); {self.sent} packets sent, {end.packets('dropped')} dropped; {server}"
        )
        self.assertEqual(end.packets("dropped"), 0)
        self.assertEqual(end.totals["success"], self.sent // 3)
        self.assertEqual(end.totals["attempts"], self.sent // 3)
        self.assertLess(quantile(taken, SHARE), FAILS_MS)
        return end


class Clients(Case):
    def test_silent(self) -> None:
        self.play("silent")

    def test_unread(self) -> None:
        self.play("unread", MANY_FILTERS)

    def test_slow(self) -> None:
        self.play("slow")

    def test_half_closed(self) -> None:
        self.play("half_closed")

    def test_garbage(self) -> None:
        self.play("garbage")

    def test_storm(self) -> None:
        self.play("storm")

    def test_asking_storm(self) -> None:
        self.play("asking_storm")

    def test_explaining_storm(self) -> None:
        self.play("explaining_storm")

    def test_asking_storm_with_many_filters(self) -> None:
        self.play("asking_storm", MANY_FILTERS)

    def test_top_storm(self) -> None:
        self.play("top_storm")

    def test_history_storm(self) -> None:
        self.play("history_storm", MANY_FILTERS[:60])

    def test_history_unread(self) -> None:
        self.play("history_unread", MANY_FILTERS[:60])

    def test_delta_storm(self) -> None:
        self.play("delta_storm", does="deltas_displaced")

    def test_delta_storm_with_many_filters(self) -> None:
        self.play("delta_storm", MANY_FILTERS)

    def test_metrics_storm(self) -> None:
        self.play("metrics_storm")

    def test_metrics_unread(self) -> None:
        self.play("metrics_unread", MANY_FILTERS)


class Reloads(Case):
    """None of these changes a filter."""

    def play_reload(self, manner: str, launcher: Sequence[str] = (), does: str | None = None) -> None:
        end = self.play(manner, ("web:RX@%:80",), launcher=launcher, does=does)
        self.assertEqual(list(end.filters), ["RX", "TX", "web"])
        self.assertEqual(end.filters["web"]["success"], end.totals["success"], "it has counted all along")

    def test_unfinished(self) -> None:
        self.play_reload("reload_unfinished", does="requests_dropped")

    def test_slow(self) -> None:
        self.play_reload("reload_slow")

    def test_huge(self) -> None:
        self.play_reload("reload_huge")

    def test_garbage(self) -> None:
        self.play_reload("reload_garbage")

    def test_another_user(self) -> None:
        """Is told so after the line, so what follows costs nothing."""
        for manner in ("reload_unfinished", "reload_garbage"):
            with self.subTest(manner):
                self.sent = 0
                self.play_reload(manner, ("setpriv", "--reuid=1", "--regid=1", "--clear-groups"))


class Scrapers(Case):
    """Hostile ones have an address of their own; the healthy one has its metrics."""

    def ask(self, monitor: Monitor) -> bool:
        status, _, body = prometheus.get(self.network.host, PORT, "/metrics")
        self.assertEqual(status, 200)
        self.assertIn(b"tcpeek_build_info", body)
        return True

    def play_http(self, manner: str, does: str | None = None) -> dict[str, int]:
        address = f"127.0.0.1:{PORT}"
        http: dict[str, int] = self.play(manner, ("--metrics-listen", address), address, does=does).json["http"]
        self.assertEqual(http["accept_failures"], 0)
        return http

    def test_slow_loris(self) -> None:
        self.play_http("http_slow_loris", "requests_dropped")

    def test_pipelining(self) -> None:
        http = self.play_http("http_pipelining")
        self.assertLessEqual(http["requests"] + http["requests_dropped"], http["clients_accepted"], "one a connection")

    def test_unread(self) -> None:
        self.play_http("http_unread")

    def test_garbage(self) -> None:
        self.play_http("http_garbage", "requests_dropped")

    def test_a_thousand_kept(self) -> None:
        http = self.play_http("http_crowd")
        self.assertGreater(http["clients_displaced"], hostile.MANY - 2 * hostile.PLACES)

    def test_many_wait_to_be_accepted(self) -> None:
        """While tcpeek has no CPU: the next one has room in the kernel's queue, and need not send its SYN again."""
        with (
            Monitor(self.network, "-q", "--threads", "1", "--metrics-listen", f"127.0.0.1:{PORT}") as monitor,
            contextlib.ExitStack() as stack,
        ):
            with stopped(monitor):
                for _ in range(WAITING):
                    client = stack.enter_context(self.network.host.make_socket(socket.AF_INET))
                    client.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        client.connect(("127.0.0.1", PORT))
                start = time.monotonic()
                one_more = stack.enter_context(self.network.host.make_socket(socket.AF_INET))
                one_more.settimeout(SYN_AGAIN_S / 2)
                try:
                    one_more.connect(("127.0.0.1", PORT))
                except TimeoutError:
                    self.fail(f"one behind {WAITING} has to send its SYN again")
                live.told(f"one behind {WAITING} connected in {1000 * (time.monotonic() - start):.1f} ms")
            self.assertTrue(self.ask(monitor))


class AtOnce(Case):
    """A thousand connections of one process, each with its question, before the first answer is read."""

    WORDS = (
        b"EXPLAIN\n", b"TOP 100 by=pair\n", b"HISTORY\n", b"DELTA one\n", b"METRICS prometheus gzip\n",
        b"RELOAD 14\nweb:RX@%:8080\0", b"RELOAD 100\nunfinished",
    )  # fmt: skip

    def test_each_word(self) -> None:
        longest = 1.0 if live.FULL else 5.0
        with Monitor(self.network, "-q", "--threads", "2", "web:RX@%:80") as monitor:
            for word in self.WORDS:
                with self.subTest(word):
                    healthy = lab.least(functools.partial(self.all_at_once, monitor, word), longest, TRIES)
                    self.assertLess(healthy, longest)

    def all_at_once(self, monitor: Monitor, word: bytes) -> float:
        """How long a healthy one waited."""
        start = time.monotonic()
        with contextlib.ExitStack() as stack:
            clients = []
            for _ in range(hostile.MANY):
                client = stack.enter_context(socket.socket(socket.AF_UNIX))
                client.connect(str(monitor.socket_path))
                client.settimeout(lab.DEADLINE_S)
                with contextlib.suppress(BrokenPipeError):  # it had to make room already
                    client.sendall(word)
                clients.append(client)
            healthy = time.monotonic()
            healthy = time.monotonic() - healthy if self.ask(monitor) else math.inf
            answered = sum(map(self.whole_reply, clients))
        seconds = time.monotonic() - start

        def all_accounted() -> Any:
            server = monitor.stats().json["server"]
            return server if server["clients_accepted"] == server["requests"] + server["requests_dropped"] else None

        server: Any = lab.wait_for(all_accounted, "each client has asked, or was dropped")
        live.told(f"{word!r}: {answered} of {len(clients)} answered in {seconds:.1f} s, a healthy one in "
                  f"{1000 * healthy:.1f} ms; {server}")  # fmt: skip
        self.assertEqual(answered > 0, not word.endswith(b"unfinished"))
        return healthy

    def whole_reply(self, client: socket.socket) -> bool:
        """Else it is closed without a word: what comes is never half a reply."""
        reply = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := client.recv(1 << 18):
                reply += chunk
        if reply.startswith(b"\x1f\x8b"):
            gzip.decompress(reply)
        elif reply:
            json.loads(reply)
        return bool(reply)


if __name__ == "__main__":
    unittest.main()
