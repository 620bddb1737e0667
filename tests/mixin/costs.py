#!/usr/bin/env python3
"""What a host costs those who collect from it: the figures of docs/fleet.md. Takes three minutes; needs root.

    tests/mixin/costs.py [scrapes | events | remote-write | server]...

One tcpeek with real connections to real ports is scraped by a real agent, which sends to a real server, and by
one that takes it for many hosts.
"""

from __future__ import annotations

import contextlib
import gzip
import sys
import time
from collections.abc import Iterator

import live  # noqa: F401
import lab
import mixin
import prometheus
from metrics_text import samples
from monitor import Monitor

PORT, SERVER_PORT = 9475, 9090
SERVICES = 100
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
HOSTS = 100
INTERVAL_S = 5
MEASURED_S = 60


def filters(count: int) -> list[str]:
    return [f"filter-{number}:RX@%:{10000 + number}" for number in range(count)]


@contextlib.contextmanager
def watched(network: lab.Lab, count: int, *options: str) -> Iterator[Monitor]:
    """A tcpeek with so many filters, and SERVICES services that have been connected to."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(network.host.listen(lab.HOST_V4, 10000 + n)) for n in range(SERVICES)]
        words = ["--metrics-listen", f"127.0.0.1:{PORT}", "--metrics-services", str(SERVICES), "--output", "json"]
        monitor = stack.enter_context(Monitor(network, *words, *options, *filters(count)))
        for listener in listeners:
            for _ in range(10):
                with network.peer.connect(*listener.getsockname()), listener.accept()[0] as served:
                    lab.reset_on_close(served)
            with contextlib.suppress(ConnectionRefusedError):
                network.peer.connect(lab.HOST_V4, 9)
        monitor.wait_counts({"success": 10 * SERVICES, "refused": SERVICES})
        yield monitor


def scrape(network: lab.Lab, page: str, port: int = PORT) -> bytes:
    status, _, body = prometheus.get(network.host, port, page, {"Accept": OPEN_METRICS})
    assert status == 200, body
    return body


def own(namespace: lab.Namespace, port: int) -> dict[str, float]:
    """A Prometheus' own metrics, summed over their labels."""
    _, _, body = prometheus.get(namespace, port, "/metrics")
    sums: dict[str, float] = {}
    for series, value in samples(body.decode()).items():
        name = series.partition("{")[0]
        sums[name] = sums.get(name, 0) + value
    return sums


def show_scrapes(network: lab.Lab) -> None:
    print("filters  services  series  bytes  gzip")
    for count in (0, 10, 100):
        with watched(network, count):
            text = scrape(network, "/metrics")
            packed = prometheus.get(network.host, PORT, "/metrics", {"Accept": OPEN_METRICS, "Accept-Encoding": "gzip"})[2]
            assert gzip.decompress(packed)[:100] == text[:100]
            print(f"{count:7} {SERVICES:9} {len(samples(text.decode())):7} {len(text):6} {len(packed):5}", flush=True)


def show_events(network: lab.Lab) -> None:
    with watched(network, 10) as monitor:

        def told() -> list[str]:
            return [line for line in monitor.stdout().splitlines(keepends=True) if '"outcome"' in line]

        lab.wait_for(lambda: len(told()) == 11 * SERVICES, "all outcomes are printed")
        lines = told()
    for result in ("success", "reject"):
        sizes = [len(line) for line in lines if f'"result":"{result}"' in line]
        print(f"event {result}: {sum(sizes) / len(sizes):.0f} bytes, mean of {len(sizes)}")
    batch = "".join(lines[:1000]).encode()
    print(f"1000 events: {len(batch)} bytes, {len(gzip.compress(batch, 6))} by gzip -6", flush=True)


def show_remote_write(network: lab.Lab) -> None:
    """Over the wire and for each sample, as the agent counts them."""
    central = prometheus.Server(
        network.peer, SERVER_PORT, network.folder / "central", "global: {}\n",
        ("--web.enable-remote-write-receiver", f"--web.listen-address=:{SERVER_PORT}",
         f"--storage.tsdb.path={network.folder / 'central-data'}"),
    )  # fmt: skip
    text = mixin.configuration("agent.yml", ("scrape_interval: 15s", f"scrape_interval: {INTERVAL_S}s"),
                               ("prometheus.example.net", lab.PEER_V4))  # fmt: skip
    agent = prometheus.Server(
        network.host, SERVER_PORT, network.folder / "agent", text,
        ("--enable-feature=agent,expand-external-labels,exemplar-storage",
         f"--storage.agent.path={network.folder / 'agent-data'}", f"--web.listen-address=127.0.0.1:{SERVER_PORT}"),
        {"HOSTNAME": "host-1.example.net"},
    )  # fmt: skip
    with watched(network, 10), central, agent:
        time.sleep(4 * INTERVAL_S)
        before = own(network.host, SERVER_PORT)
        time.sleep(MEASURED_S)
        after = own(network.host, SERVER_PORT)
    grown = {name: value - before.get(name, 0) for name, value in after.items()}
    sent = grown["prometheus_remote_storage_samples_total"]
    print(f"remote write: {sent:.0f} samples, {grown['prometheus_remote_storage_bytes_total'] / sent:.2f} bytes each; "
          f"agent: {after['process_resident_memory_bytes'] / 2**20:.0f} MiB resident, "
          f"{1000 * grown['process_cpu_seconds_total'] / MEASURED_S:.1f} ms of CPU time a second "
          f"at {sent / MEASURED_S:.0f} samples/s", flush=True)  # fmt: skip


def show_server(network: lab.Lab) -> None:
    """One tcpeek taken for many hosts, with the rules that are shipped."""
    folder = network.folder / "server"
    folder.mkdir()
    mixin.make(folder)
    targets = "".join(f"      - {{targets: ['127.0.0.1:{PORT}'], labels: {{instance: host-{n}}}}}\n" for n in range(HOSTS))
    text = (f"global: {{scrape_interval: {INTERVAL_S}s, evaluation_interval: 15s}}\n"
            "rule_files: [tcpeek_rules.yml, tcpeek_alerts.yml]\n"
            f"scrape_configs:\n  - job_name: tcpeek\n    static_configs:\n{targets}")  # fmt: skip
    server = prometheus.Server(network.host, SERVER_PORT, folder, text, (
        f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{SERVER_PORT}"))  # fmt: skip
    with watched(network, 10), server:
        empty = own(network.host, SERVER_PORT)
        time.sleep(60)
        before = own(network.host, SERVER_PORT)
        time.sleep(MEASURED_S)
        after = own(network.host, SERVER_PORT)
        series = after["prometheus_tsdb_head_series"]
        recorded = len(server.query('count by (__name__, instance, filter, direction, port, le, quantile) ({__name__=~".+:tcpeek_.+"})'))
    grown = {name: value - before.get(name, 0) for name, value in after.items()}
    appended = grown["prometheus_tsdb_head_samples_appended_total"]
    wal = sum(file.stat().st_size for file in (folder / "data" / "wal").glob("*"))
    resident = after["process_resident_memory_bytes"] - empty["process_resident_memory_bytes"]
    print(f"server: {HOSTS} hosts, {series:.0f} series, of them {recorded} recorded; "
          f"{resident / series:.0f} bytes resident for each after {60 + MEASURED_S} s, "
          f"{after['prometheus_tsdb_head_samples_appended_total'] / series:.0f} samples of each; "
          f"{1e6 * grown['process_cpu_seconds_total'] / appended:.1f} us of CPU time a sample with the rules; "
          f"log {wal / after['prometheus_tsdb_head_samples_appended_total']:.1f} bytes a sample", flush=True)  # fmt: skip


def main() -> int:
    lab.require(mixin.available, prometheus.available)
    shows = {"scrapes": show_scrapes, "events": show_events, "remote-write": show_remote_write, "server": show_server}
    for show in [shows[name] for name in sys.argv[1:] or shows]:
        with lab.Lab() as network:
            show(network)
    return 0


if __name__ == "__main__":
    sys.exit(main())
