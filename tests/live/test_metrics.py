"""METRICS, over the socket and by HTTP: every value is STATS', and a real Prometheus reads it so."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import time
import unittest

import lab
import prometheus
from conversation import RX4, TX4, Conversation
from lab import HOST_V4, HOST_V6, Lab
from metrics_text import expected, expected_services, in_order, samples, written
from monitor import Monitor, Stats

PORT = 9475
PROMETHEUS_PORT = 9490
LISTEN = ("--metrics-listen", f"127.0.0.1:{PORT}")
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
# By whatever means: the questions themselves change them.
BY_ASKING = re.compile(r"tcpeek_server_|process_start_time_seconds")


def setUpModule() -> None:
    lab.require(prometheus.available)


class Case(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(Lab())

    def get(self, path: str = "/metrics", **fields: str) -> tuple[int, str]:
        status, _, body = prometheus.get(
            self.network.host, PORT, path, {name.replace("_", "-"): value for name, value in fields.items()}
        )
        return status, body.decode()

    def every_kind_of_outcome(self) -> int:
        """Real connections and crafted ones; how many attempts that are."""
        for address in (HOST_V4, HOST_V6):
            with self.network.host.listen(address, 8080) as listener:
                for _ in range(3):
                    with self.network.peer.connect(address, 8080):
                        listener.accept()[0].close()
            with self.assertRaises(ConnectionRefusedError):
                self.network.peer.connect(address, 8081)
        wire = self.network.wire()
        for way in (RX4, TX4):
            refused = Conversation(wire, way, responder_port=443)
            refused.syn()
            refused.refuse()
            Conversation(wire, way, responder_port=444).syn()  # pending
        return 12


class Socket(Case):
    def test_every_value_is_that_of_stats(self) -> None:
        with Monitor(self.network, "web:RX@%:8080", "--threads", "2") as monitor:
            attempts = self.every_kind_of_outcome()
            monitor.wait_counts({"attempts": attempts, "success": 6, "refused": 4})
            for word in ("METRICS", "METRICS prometheus"):
                stats, read = self.at_one_moment(monitor, word)
                for series, value in expected(stats).items():
                    self.assertIn(series, read)
                    self.assertAlmostEqual(read[series], value, places=6, msg=series)
                known = set(expected(stats))
                rest = {name.partition("{")[0] for name in read if name not in known and not BY_ASKING.match(name)}
                self.assertEqual(
                    {name for name in rest if not name.startswith(("tcpeek_service", "tcpeek_accept_queue_"))},
                    {"tcpeek_handshake_duration_seconds_bucket"},
                )
            compressed = gzip.decompress(monitor.ask("METRICS prometheus gzip")).decode()
            self.assertEqual(samples(compressed).keys(), samples(monitor.ask("METRICS prometheus").decode()).keys())

    def at_one_moment(self, monitor: Monitor, word: str) -> tuple[Stats, dict[str, float]]:
        """Two replies between which no filter's health was looked at, as it is each second."""
        for _ in range(20):
            stats = monitor.stats()
            read = {in_order(name): value for name, value in samples(monitor.ask(word).decode()).items()}
            if expected(monitor.stats()) == expected(stats):
                break
        return stats, read

    def test_services_of_this_host_need_no_filter(self) -> None:
        with Monitor(self.network, "--threads", "2", "--metrics-services-tx") as monitor:
            self.every_kind_of_outcome()
            monitor.wait_counts({"success": 6, "refused": 4})
            with self.network.peer.listen(lab.PEER_V4, 5432) as listener:
                with self.network.host.connect(lab.PEER_V4, 5432):
                    listener.accept()[0].close()
            monitor.wait_counts({"success": 7})
            read = samples(monitor.ask("METRICS").decode())
            services = {name: value for name, value in read.items() if name.startswith("tcpeek_service_handshakes_total")}
            rx, tx = 'direction="rx",port="8080"', f'direction="tx",address="{lab.PEER_V4}",port="5432"'
            self.assertEqual(
                services,
                {f"tcpeek_service_handshakes_total{{{rx}}}": 6, f"tcpeek_service_handshakes_total{{{tx}}}": 1},
            )
            self.assertEqual(read[f"tcpeek_service_handshake_successes_total{{{rx}}}"], 6)
            self.assertEqual(read[f'tcpeek_service_handshake_failures_total{{{tx},reason="refused"}}'], 0)

    def test_no_services_where_none_are_wanted(self) -> None:
        with Monitor(self.network, "--metrics-services", "0") as monitor:
            self.every_kind_of_outcome()
            monitor.wait_counts({"success": 6})
            self.assertNotIn("tcpeek_service_handshakes_total{", monitor.ask("METRICS").decode())

    def test_refuses_what_it_does_not_know(self) -> None:
        with Monitor(self.network) as monitor:
            self.assertIn("openmetrics or prometheus", json.loads(monitor.ask("METRICS xml"))["error"])
            self.assertIsInstance(json.loads(monitor.ask("metrics")), list)


class Http(Case):
    def test_pages_and_forms(self) -> None:
        with Monitor(self.network, *LISTEN) as monitor:
            status, text = self.get()
            self.assertEqual(status, 200)
            self.assertEqual(prometheus.check_metrics(text.encode()), "")
            status, text = self.get(Accept=OPEN_METRICS)
            self.assertTrue(text.endswith("# EOF\n"))
            self.assertEqual(self.get("/healthz"), (200, "ok\n"))
            self.assertEqual(self.get("/")[0], 404)
            self.assertGreater(monitor.stats().json["http"]["requests"], 3)

    def test_a_port_in_use(self) -> None:
        with Monitor(self.network, *LISTEN), self.assertRaises(AssertionError) as refused:
            with Monitor(self.network, *LISTEN, name="second"):
                pass
        self.assertIn("ended with 1", str(refused.exception))
        self.assertIn(f"cannot serve metrics on 127.0.0.1:{PORT} (choose another address or port with "
                      "--metrics-listen): Address already in use", str(refused.exception))

    def test_every_scrape_adds_up_while_packets_come(self) -> None:
        """Each is of one moment, and counters only grow."""
        wire = self.network.wire()
        with Monitor(self.network, "web:RX@%:443", *LISTEN, "--threads", "2") as monitor:
            before: dict[str, float] = {}
            for number in range(100):
                for way in (RX4, TX4):
                    conversation = Conversation(wire, way, responder_port=443 + number % 3)
                    conversation.syn()
                    if number % 2:
                        conversation.refuse()
                status, text = self.get(Accept=OPEN_METRICS)
                self.assertEqual(status, 200)
                read = samples(text)
                for name in ("RX", "TX", "web"):
                    only = f'{{filter="{name}"}}'
                    ended = sum(v for s, v in read.items() if s.startswith(f'tcpeek_handshake_failures_total{{filter="{name}"'))
                    ended += read["tcpeek_handshake_successes_total" + only] + read["tcpeek_handshakes_evicted_total" + only]
                    pending = read["tcpeek_handshakes_pending" + only]
                    self.assertEqual(read["tcpeek_handshakes_total" + only], ended + pending, name)
                for series, value in before.items():
                    if series.partition("{")[0].endswith("_total"):
                        self.assertGreaterEqual(read[series], value, series)
                before = read
            monitor.wait_counts({"attempts": 200, "refused": 100})
            self.assertEqual(samples(self.get()[1])['tcpeek_handshakes_total{filter="RX"}'], 100)

    def test_hostile_clients_delay_nobody(self) -> None:
        with Monitor(self.network, *LISTEN) as monitor:

            def two_pages() -> float:
                idle = [self.network.host.connect("127.0.0.1", PORT) for _ in range(300)]
                for number, client in enumerate(idle):
                    with contextlib.suppress(OSError):  # its place has been given away
                        client.sendall((b"GET /metrics HTTP/1.1\r\nX: ", b"\x00\xff\r\n\r\n", b"")[number % 3])
                begun = time.monotonic()
                self.assertEqual(self.get("/healthz"), (200, "ok\n"))
                self.assertEqual(self.get()[0], 200)
                took = time.monotonic() - begun
                for client in idle:
                    client.close()
                return took

            self.assertLess(lab.least(two_pages, 2.0), 2.0)
            served = monitor.stats().json["http"]
            self.assertGreater(served["clients_displaced"] + served["requests_dropped"], 250)
            self.assertEqual(served["accept_failures"], 0)


class Scraped(Case):
    def test_promql_reads_what_stats_says(self) -> None:
        names = (r'a"b\c', "web")
        filters = (f"{names[0]}:RX@%:443", f"{names[1]}:RX@%:8080")
        with Monitor(self.network, *filters, *LISTEN, "--threads", "2", "-q", "--timeout", "3600") as monitor:
            attempts = self.every_kind_of_outcome()
            monitor.wait_counts({"attempts": attempts, "success": 6, "refused": 4})
            with prometheus.Prometheus(self.network, self.network.host, PORT, PROMETHEUS_PORT) as server:
                self.compare(monitor, server)
                rate = server.value('histogram_quantile(0.99, tcpeek_handshake_duration_seconds_bucket{filter="web"})')
                latency = next(e for e in monitor.stats().json["filters"] if e["name"] == "web")["latency_seconds"]
                assert rate is not None
                self.assertGreater(rate, latency["p99"] / 2)
                self.assertLess(rate, max(latency["p99"], 64e-6) * 2)

    def compare(self, monitor: Monitor, server: prometheus.Prometheus) -> None:
        """Hardly anything moves but what asking itself does, so the values of a scrape are those of STATS and TOP."""
        wanted: dict[str, float] = {}
        ok = written("tcpeek_service_health", {"direction": "rx", "port": "8080", "state": "ok"})
        found: dict[str, float] = {}

        def equal() -> bool:
            wanted.clear()
            wanted.update(expected(monitor.stats()))
            services = expected_services(json.loads(monitor.ask("TOP 100")))
            wanted.update({series: value for series, value in services.items() if 'port="8080"' in series})
            found.clear()
            for labels, value in server.query('{__name__=~"tcpeek_.+"}'):
                name = labels.pop("__name__")
                found[written(name, labels)] = value
            return all(abs(found.get(series, -1.0) - value) < 1e-6 for series, value in wanted.items())

        try:
            lab.wait_for(equal, "all values are those of STATS")
        except AssertionError as error:
            wrong = {series: (value, found.get(series)) for series, value in wanted.items() if found.get(series) != value}
            raise AssertionError(f"{error}: {wrong}") from None
        self.assertEqual(wanted[ok], 1)
        self.assertGreater(len(wanted), 100)

    def test_exemplars_name_who_failed(self) -> None:
        with Monitor(self.network, "web:RX@%:8081", *LISTEN, "--metrics-exemplars", "-q") as monitor:
            with prometheus.Prometheus(self.network, self.network.host, PORT, PROMETHEUS_PORT) as server:
                with self.assertRaises(ConnectionRefusedError):
                    self.network.peer.connect(HOST_V4, 8081)
                monitor.wait_counts({"refused": 1}, "web")
                selector = 'tcpeek_handshake_failures_total{filter="web",reason="refused"}'
                found = lab.wait_for(lambda: server.exemplars(selector), "Prometheus has an exemplar")
                peer = {"client_address": lab.PEER_V4, "server_address": HOST_V4, "server_port": "8081"}
                self.assertEqual(found, [peer])
            self.assertEqual(monitor.stderr().count("failure"), 0, "-q prints no outcome")


if __name__ == "__main__":
    unittest.main()
