"""Three hosts with a tcpeek and a Prometheus agent each, and a central Prometheus, in namespaces of their own:

    central 10.90.n.1  ----  10.90.n.2 host n    n is 1, 2, 3

The hosts serve two ports, which clients at the central end use, and use one of the central end themselves.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import live
import lab
import mixin
import prometheus
from monitor import Monitor

WEB, DATABASE, REMOTE, TIMED = 8080, 5432, 7001, 7000
METRICS_PORT, PROMETHEUS_PORT = 9475, 9090
SCRAPE_S = 15 if live.FULL else 1
# At least four scrapes, as Grafana has it.
RATE_INTERVAL = "1m" if live.FULL else "8s"
# Short windows for short intervals; thresholds and expressions are those that are shipped.
CHANGES = "" if live.FULL else """{ _config+:: {
  window: '20s', alertWindow: '6s', quickFor: '2s', slowFor: '30s', downFor: '2s', goneForgotten: '5m',
} }"""
WINDOW, WINDOW_S = ("5m", 300) if live.FULL else ("20s", 20)
OPTIONS = (
    "--metrics-listen", f"0.0.0.0:{METRICS_PORT}", "--metrics-services-tx", "--metrics-exemplars", "--output", "json",
    "--only", "success", f"web:RX@%:{WEB}", f"timed:RX@%:{TIMED}",
    *(() if live.FULL else ("--timeout", "10")),
)  # fmt: skip


def intervals(*names: str) -> list[tuple[str, str]]:
    return [(f"{name}: 15s", f"{name}: {SCRAPE_S}s") for name in names]


@dataclass
class Host:
    name: str
    number: int
    namespace: lab.Namespace
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)  # its tcpeek
    monitor: Monitor | None = None

    @property
    def address(self) -> str:
        return f"10.90.{self.number}.2"

    @property
    def central_address(self) -> str:
        return f"10.90.{self.number}.1"


class Fleet(lab.Lab):
    """The namespaces; `start()` puts tcpeeks, agents and the central server into them."""

    hosts: list[Host]
    central: prometheus.Server

    def join(self, stack: contextlib.ExitStack, prefix: str) -> None:
        others = [lab.made(stack, f"{prefix}-host{number}") for number in (2, 3)]
        self.hosts = [Host(f"host-{n}", n, space) for n, space in enumerate((self.host, *others), 1)]
        for host in self.hosts:
            name = f"veth{host.number}"
            self.peer.ip("link", "add", name, "type", "veth", "peer", "name", "veth0", "netns", host.namespace.name)
            ends = ((self.peer, name, host.central_address), (host.namespace, "veth0", host.address))
            for namespace, interface, address in ends:
                namespace.ip("address", "add", f"{address}/24", "dev", interface)
                namespace.ip("link", "set", interface, "up")
            host.namespace.wait_for_carrier("veth0")

    def start(self, stack: contextlib.ExitStack) -> None:
        made = self.folder / "mixin"
        made.mkdir()
        mixin.make(made, CHANGES)
        for host in self.hosts:
            stack.callback(host.stack.close)
            self.start_tcpeek(host)
        self.central = stack.enter_context(self.server("central", self.peer, mixin.configuration(
            "central.yml", *intervals("evaluation_interval")), "--web.enable-remote-write-receiver"))  # fmt: skip
        for host in self.hosts:
            stack.enter_context(self.agent(host))

    def start_tcpeek(self, host: Host) -> None:
        host.monitor = Monitor(self, *OPTIONS, namespace=host.namespace, name=host.name)
        host.stack.enter_context(host.monitor)

    def stop_tcpeek(self, host: Host) -> None:
        host.stack.close()
        host.monitor = None

    def server(self, name: str, namespace: lab.Namespace, text: str, *options: str) -> prometheus.Server:
        """With the rules beside its configuration."""
        folder = self.folder / name
        folder.mkdir()
        for rules in ("tcpeek_rules.yml", "tcpeek_alerts.yml"):
            (folder / rules).symlink_to(self.folder / "mixin" / rules)
        port = PROMETHEUS_PORT if name == "central" else PROMETHEUS_PORT + 1
        return prometheus.Server(namespace, port, folder, text, (
            f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=:{port}",
            "--enable-feature=exemplar-storage", *options))  # fmt: skip

    def agent(self, host: Host) -> prometheus.Server:
        folder = self.folder / f"agent-{host.number}"
        text = mixin.configuration(
            "agent.yml", *intervals("scrape_interval"), ("prometheus.example.net", host.central_address)
        )
        return prometheus.Server(host.namespace, PROMETHEUS_PORT, folder, text, (
            "--enable-feature=agent,expand-external-labels,exemplar-storage",
            f"--storage.agent.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{PROMETHEUS_PORT}",
        ), {"HOSTNAME": host.name})  # fmt: skip

    def plain(self) -> prometheus.Server:
        """One that scrapes the hosts itself, by scrape.yml."""
        addresses = [(f"host-{host.number}.example.net", host.address) for host in self.hosts]
        text = mixin.configuration("scrape.yml", *intervals("scrape_interval", "evaluation_interval"), *addresses)
        return self.server("plain", self.peer, text)

    def firing(self) -> list[dict[str, str]]:
        """Labels of the alerts of tcpeek that are firing at the central server."""
        data: Any = self.central.api("alerts") or {"alerts": []}
        return [each["labels"] for each in data["alerts"] if each["state"] == "firing"]


class Traffic:
    """Connections every so often, by one thread: to each port of each host, and from each host. Each is reset once
    it is made, or given up after a moment."""

    PERIOD_S = 0.25
    PATIENCE_S = 0.02

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._ends = threading.Event()
        self._lock = threading.Lock()
        self._listeners: dict[tuple[int, int], socket.socket] = {}
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Traffic:
        for host in self._fleet.hosts:
            for port in (WEB, DATABASE):
                self.serve(host, port)
            self._listen((-host.number, REMOTE), self._fleet.peer, host.central_address, REMOTE)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()
        for listener in self._listeners.values():
            listener.close()

    def serve(self, host: Host, port: int) -> None:
        self._listen((host.number, port), host.namespace, host.address, port)

    def refuse(self, host: Host, port: int) -> None:
        """Nobody listens there any more."""
        with self._lock:
            self._listeners.pop((host.number, port)).close()

    def _listen(self, key: tuple[int, int], namespace: lab.Namespace, address: str, port: int) -> None:
        listener = namespace.listen(address, port, 1024)
        listener.setblocking(False)
        with self._lock:
            self._listeners[key] = listener

    def _run(self) -> None:
        while not self._ends.wait(self.PERIOD_S):
            clients: list[socket.socket] = []
            for host in self._fleet.hosts:
                with self._fleet.peer.entered():
                    clients += [self._begun(host.address, port) for port in (WEB, DATABASE)]
                with host.namespace.entered():
                    clients.append(self._begun(host.central_address, REMOTE))
            time.sleep(self.PATIENCE_S)
            for client in clients:
                client.close()
            with self._lock:
                for listener in self._listeners.values():
                    for connection in accepted(listener):
                        connection.close()

    def _begun(self, address: str, port: int) -> socket.socket:
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        lab.reset_on_close(client)
        client.connect_ex((address, port))
        return client


def accepted(listener: socket.socket) -> Iterator[socket.socket]:
    with contextlib.suppress(BlockingIOError):
        while True:
            yield listener.accept()[0]
