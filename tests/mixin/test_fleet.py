"""A fleet with the real servers and the shipped configurations: what is broken on a host is told at the central
server, by the right name, within two minutes; dashboards show something; quantiles of all hosts are right."""

from __future__ import annotations

import bisect
import contextlib
import functools
import heapq
import ipaddress
import json
import math
import random
import time
import unittest
from collections.abc import Callable

import live
import lab
import mixin
import prometheus
from conversation import Conversation, Position
from fleet import (
    DATABASE, RATE_INTERVAL, REMOTE, SCRAPE_S, TIMED, WEB, WINDOW, WINDOW_S, Fleet, Host, Traffic,
)  # fmt: skip

FAULT_TO_ALERT_S = 120.0
CLEAR_S = 300.0
# Of all else that is waited for: on a busy machine a scrape may be late, and an alert fire that says so.
PATIENCE_S = 300.0
# ipc/metrics_buckets.h
BOUNDS_S = [64e-6 * 2**power for power in range(20)]


def setUpModule() -> None:
    lab.require(mixin.available, prometheus.available)


def wait_for(condition: Callable[[], object], what: str, seconds: float) -> float:
    """How long it took."""
    begun = time.monotonic()

    def met() -> object:
        time.sleep(0.3)
        return condition()

    lab.wait_for(met, what, seconds)
    return time.monotonic() - begun


class FleetTest(unittest.TestCase):
    """One fleet for all, as it takes a while to start; the tests are played in the order of their names."""

    fleet: Fleet
    traffic: Traffic

    @classmethod
    def setUpClass(cls) -> None:
        with contextlib.ExitStack() as stack:
            cls.fleet = Fleet()
            stack.enter_context(cls.fleet)
            cls.traffic = stack.enter_context(Traffic(cls.fleet))
            cls.fleet.start(stack)
            cls.addClassCleanup(stack.pop_all().close)
        cls.fleet_is_seen()

    @classmethod
    def fleet_is_seen(cls) -> None:
        """Every host by its name, with its services and enough samples for rates."""
        names = {host.name for host in cls.fleet.hosts}

        def seen() -> bool:
            ratio = f"instance_service:tcpeek_service_handshake_failures:ratio_rate{WINDOW}"
            found = {(each["instance"], each["direction"], each["port"]) for each, _ in cls.fleet.central.query(ratio)}
            wanted = {(name, way, str(port)) for name in names for way, port in (("rx", WEB), ("rx", DATABASE), ("tx", REMOTE))}
            return wanted <= found

        wait_for(seen, "the central server knows every service of every host", PATIENCE_S)
        up = 'up{job="tcpeek"} == 1'
        wait_for(lambda: {each["instance"] for each, _ in cls.fleet.central.query(up)} == names, "all are up", PATIENCE_S)

    def test_1_nothing_is_told_while_all_is_well(self) -> None:
        try:
            wait_for(lambda: not self.fleet.firing(), "no alert fires", PATIENCE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.fleet.firing()}") from None

    def test_2_quantiles_of_all_hosts_are_within_a_bucket_of_exact(self) -> None:
        counts = 'sum without (instance) (tcpeek_handshake_duration_seconds_count{filter="timed"})'
        before = self.fleet.central.value(counts) or 0
        made = sum(self.make_timed(host) for host in self.fleet.hosts)
        wait_for(lambda: self.fleet.central.value(counts) == before + made, "all timed handshakes have arrived", PATIENCE_S)
        exact = sorted(duration for host in self.fleet.hosts for duration in self.durations(host))
        self.assertEqual(len(exact), made)
        infinity = f'filter_le:tcpeek_handshake_duration_seconds_bucket:rate{WINDOW}{{filter="timed",le="+Inf"}}'
        name = "filter_quantile:tcpeek_handshake_duration_seconds:histogram_quantile"
        summed = 'sum by (le) (tcpeek_handshake_duration_seconds_bucket{filter="timed"})'
        ways = {(quantile, way): expression for quantile in (0.5, 0.9, 0.99) for way, expression in (
            ("summed", f"histogram_quantile({quantile}, {summed})"),
            ("recorded", f'{name}{{filter="timed",quantile="{quantile}"}}'),
        )}  # fmt: skip
        found: dict[tuple[float, str], float | None] = {}

        def recorded() -> bool:
            """All of them are in the window, from before the values are asked for until after."""
            whole = self.in_window(infinity, made)
            found.update({way: self.fleet.central.value(expression) for way, expression in ways.items()})
            return whole and self.in_window(infinity, made)

        wait_for(recorded, "all are recorded", 2 * WINDOW_S + PATIENCE_S)
        for (quantile, way), value in found.items():
            truth = exact[math.ceil(quantile * made) - 1]
            assert value is not None, ways[quantile, way]
            with self.subTest(quantile, way=way, exact=truth, told=value):
                self.assertLessEqual(abs(bisect.bisect(BOUNDS_S, value) - bisect.bisect(BOUNDS_S, truth)), 1)
            live.told(f"p{100 * quantile:g} of {made} handshakes of 3 hosts: exact {truth:.6f} s, {way} {value:.6f} s")

    def in_window(self, rate: str, made: int) -> bool:
        return (self.fleet.central.value(rate) or 0) * WINDOW_S > 0.98 * made

    def make_timed(self, host: Host) -> int:
        """Handshakes that take from 0.1 ms to 0.5 s, more of the long ones on some hosts; how many."""
        numbers = random.Random(host.number)
        wire = lab.Wire(self.fleet.peer.raw_socket(f"veth{host.number}"), host.namespace.raw_socket("veth0"))
        self.addCleanup(wire.close)
        ends = [ipaddress.ip_address(text) for text in (host.address, host.central_address)]
        position = Position("rx4", "RX", *ends)
        due: list[tuple[float, int, Conversation]] = []
        for number in range(100):
            conversation = Conversation(wire, position, responder_port=TIMED)
            conversation.syn()
            conversation.synack()
            wait_s = 10 ** numbers.uniform(-4, -1.5 + 0.4 * host.number)
            heapq.heappush(due, (time.monotonic() + wait_s, number, conversation))
        made = len(due)
        while due:
            at, _, conversation = heapq.heappop(due)
            time.sleep(max(at - time.monotonic(), 0))
            conversation.ack()
        return made

    def durations(self, host: Host) -> list[float]:
        """As tcpeek tells them one by one."""
        assert host.monitor is not None
        events = map(json.loads, host.monitor.stdout().splitlines())
        return [event["duration_seconds"] for event in events if event["server.port"] == TIMED]

    def test_3_faults_are_told_by_name_and_clear(self) -> None:
        down, refusing, silent = self.fleet.hosts
        self.fleet.stop_tcpeek(down)
        self.traffic.refuse(refusing, DATABASE)
        silent.namespace.run("nft", f"add table ip t; add chain ip t c {{ type filter hook input priority 0; }};"
                                    f"add rule ip t c tcp dport {WEB} drop")  # fmt: skip
        wanted = {
            ("TcpeekDown", down.name, None),
            ("TcpeekServiceFailing", refusing.name, str(DATABASE)),
            ("TcpeekServiceUnanswered", silent.name, str(WEB)),
        }
        begun = time.monotonic()
        missing = set(wanted)
        while missing:
            self.assertLess(time.monotonic() - begun, FAULT_TO_ALERT_S, f"not told: {missing}; told: {self.fleet.firing()}")
            time.sleep(0.3)
            for found in sorted(missing & self.told(), key=str):
                missing.discard(found)
                live.told(f"{' '.join(filter(None, found))} told after {time.monotonic() - begun:.1f} s")
        with self.subTest("no alert of anything else"):
            allowed = {(host, port) for _, host, port in wanted} | {(silent.name, None)}

            def others() -> list[tuple[str, str, str | None]]:
                return [each for each in self.told() if each[1:] not in allowed]

            try:
                wait_for(lambda: not others(), "others do not fire", PATIENCE_S)
            except AssertionError as error:
                raise AssertionError(f"{error}: {others()}") from None
        with self.subTest("who was refused"):
            selector = f'tcpeek_handshake_failures_total{{instance="{refusing.name}",reason="refused"}}'
            wanted_example = (refusing.central_address, str(DATABASE))
            wait_for(lambda: wanted_example in {(e["client_address"], e["server_port"])
                                                for e in self.fleet.central.exemplars(selector)},
                     "an exemplar names who was refused", PATIENCE_S)  # fmt: skip
        self.check_dashboards()

        self.fleet.start_tcpeek(down)
        self.traffic.serve(refusing, DATABASE)
        silent.namespace.run("nft", "delete table ip t")
        took = wait_for(lambda: not self.fleet.firing(), "all alerts have cleared", CLEAR_S)
        live.told(f"all cleared after {took:.1f} s")

    def told(self) -> set[tuple[str, str, str | None]]:
        return {(each["alertname"], each["instance"], each.get("port")) for each in self.fleet.firing()}

    def check_dashboards(self) -> None:
        """Each query, as Grafana would ask it, has an answer; so has each variable."""
        asked = 0
        for name, dashboard in mixin.dashboards(self.fleet.folder / "mixin").items():
            for each in dashboard["templating"]["list"]:
                if each["type"] == "query":
                    selector, label = each["query"].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
                    values = self.fleet.central.api(f"label/{label}/values", **{"match[]": self.filled(selector)})
                    self.assertTrue(values, f"{name}: variable {label}")
            for title, target in mixin.targets(dashboard):
                asked += 1
                with self.subTest(name, panel=title, query=target["expr"]):
                    query = self.filled(target["expr"])
                    lab.wait_for(functools.partial(self.answered, query, target["range"]), f"an answer to {query}")
        self.assertGreater(asked, 40)

    def filled(self, expression: str) -> str:
        """With All chosen for each variable."""
        for variable in ("$job", "$instance", "$port"):
            expression = expression.replace(variable, ".+")
        expression = expression.replace("$__rate_interval", RATE_INTERVAL)
        self.assertNotIn("$", expression)
        return expression

    def answered(self, expression: str, over_time: bool) -> bool:
        if not over_time:
            return any(not math.isnan(value) for _, value in self.fleet.central.query(expression))
        now = time.time()
        data = self.fleet.central.api("query_range", query=expression, start=str(now - 60), end=str(now), step="5")
        return any(value != "NaN" for series in data["result"] for _, value in series["values"])

    def test_4_without_agents(self) -> None:
        addresses = {host.address for host in self.fleet.hosts}
        with self.fleet.plain() as server:
            record = f"instance_filter:tcpeek_handshakes:rate{WINDOW}"
            wait_for(lambda: {labels["instance"] for labels, _ in server.query(record)} == addresses,
                     "rates of every host are recorded", PATIENCE_S)  # fmt: skip
            self.assertEqual({each["name"] for each in server.api("rules")["groups"] if each["rules"]},
                             {"tcpeek-hosts.rules", "tcpeek-fleet.rules", "tcpeek-services", "tcpeek-filters", "tcpeek-monitor",
                              "tcpeek-forwarders"})


if __name__ == "__main__":
    unittest.main()
