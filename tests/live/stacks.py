"""Real stacks with a router between them, watched from three places, and the truth as the stacks tell it.

    client 10.78.1.1 -- "client" router "server" -- 10.78.2.1 server       (and fd78:1::, fd78:2::)

A scenario is a set of nftables rules, what happens when, and what the two ends do once connected;
`StackCase.play` runs it and holds every monitor to connect(), accept() and the kernel's counters.
"""

from __future__ import annotations

import contextlib
import errno
import json
import selectors
import shutil
import socket
import subprocess
import time
import unittest
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import lab
from lab import Namespace
from monitor import Counts, Monitor, Stats, difference

CLIENT_V4, SERVER_V4 = "10.78.1.1", "10.78.2.1"
CLIENT_V6, SERVER_V6 = "fd78:1::1", "fd78:2::1"
READERS = (1, 2)

Rules = Mapping[str, Sequence[str]]  # by hook of nftables
REJECT = "reject with icmpx host-unreachable"
Moment = tuple[float, Callable[[], None]]  # seconds after the first connect(), and what happens then


def probe_nft() -> None:
    """For lab.require: whether the router can drop at random and reject."""
    if shutil.which("nft") is None:
        raise lab.Unavailable("the nft command is missing: install nftables")
    with lab.Lab(links=0) as network:
        try:
            set_rules(network.host, {"forward": (lossy("tcp dport 1", 50), f"tcp dport 2 {REJECT}")})
        except RuntimeError as error:
            raise lab.Unavailable(f"nftables cannot do what these tests need: {error}") from error


def lossy(match: str, percent: int) -> str:
    """A rule that drops that share of what matches."""
    return f"{match} numgen random mod 100 < {percent} drop"


def set_rules(namespace: Namespace, rules: Rules) -> None:
    """These rules, for both families, instead of all there were."""
    lines = ["flush ruleset", "table inet tcpeek {"]
    for hook, statements in rules.items():
        lines += [f"chain {hook} {{", f"type filter hook {hook} priority 0", *statements, "}"]
    text = "\n".join((*lines, "}", ""))
    done = subprocess.run(
        namespace.command("nft", "-f", "-"), input=text, capture_output=True, text=True, check=False,
        timeout=lab.DEADLINE_S,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"nft: {done.stderr.strip()} in:\n{text}")


def kernel_counter(namespace: Namespace, name: str) -> int:
    """A counter of the namespace's stack since it was made."""
    return int(json.loads(namespace.run("nstat", "-asjz", name))["kernel"][name])


class Routed(lab.Lab):
    """`peer` is the client, `host` the server."""

    def __init__(self) -> None:
        super().__init__(links=0)

    def join(self, stack: contextlib.ExitStack, prefix: str) -> None:
        self.client, self.server = self.peer, self.host
        self.router = lab.made(stack, f"{prefix}-router")
        for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            self.router.sysctl(key, 1)
        # As many ICMP errors as there are reasons for.
        for key in ("net.ipv4.icmp_ratelimit", "net.ipv6.icmp.ratelimit"):
            self.router.sysctl(key, 0)
        with contextlib.suppress(FileNotFoundError):  # one for all namespaces before Linux 6.13
            self.router.sysctl("net.ipv4.icmp_msgs_per_sec", 100_000)
            self.router.sysctl("net.ipv4.icmp_msgs_burst", 100_000)
        for namespace in (self.client, self.router, self.server):
            # Else neighbours are not resolved for the first second or two, and IPv6 begins with repeated SYNs.
            for scope in ("all", "default"):
                namespace.sysctl(f"net.ipv6.conf.{scope}.accept_dad", 0)
        for number, (end, name) in enumerate(((self.client, "client"), (self.server, "server")), 1):
            self.router.ip("link", "add", name, "type", "veth", "peer", "name", "veth0", "netns", end.name)
            for namespace, interface, last in ((end, "veth0", 1), (self.router, name, 2)):
                namespace.ip("address", "add", f"10.78.{number}.{last}/24", "dev", interface)
                namespace.ip("address", "add", f"fd78:{number}::{last}/64", "dev", interface, "nodad")
                namespace.ip("link", "set", interface, "up")
            for namespace, interface in ((end, "veth0"), (self.router, name)):
                namespace.wait_for_carrier(interface)
            end.ip("-4", "route", "add", "default", "via", f"10.78.{number}.2")
            end.ip("-6", "route", "add", "default", "via", f"fd78:{number}::2")
        for address in (SERVER_V4, SERVER_V6):
            with self.server.listen(address) as listener:
                self.client.connect(address, listener.getsockname()[1]).close()


@dataclass(frozen=True)
class View:
    """One monitor: where it stands and with how many readers."""

    place: str
    readers: int
    monitor: Monitor


@contextlib.contextmanager
def views(network: Routed, *options: str) -> Iterator[list[View]]:
    """At the client, at the router (both of its interfaces) and at the server, with one reader and with two."""
    with contextlib.ExitStack() as stack:
        found = []
        for place, namespace, interfaces in (
            ("client", network.client, ("veth0",)),
            ("router", network.router, ("client", "server")),
            ("server", network.server, ("veth0",)),
        ):
            for readers in READERS:
                words = ("--threads", str(readers), "--max-sessions", "10000", "-q", *options)
                # To the router neither end is its own; the server's side counts as such.
                local = ("--local", "10.78.2.0/24", "--local", "fd78:2::/64") if place == "router" else ()
                monitor = Monitor(network, *words, *local, interfaces=interfaces, namespace=namespace,
                                  name=f"{place}{readers}")  # fmt: skip
                found.append(View(place, readers, stack.enter_context(monitor)))
        yield found


@dataclass
class Truth:
    """What the two ends say."""

    connected: list[socket.socket] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)  # errno of connect()
    accepted: list[socket.socket] = field(default_factory=list)
    repeated_syns: int = 0
    repeated_synacks: int = 0

    def close(self) -> None:
        """With resets, so that nothing of this scenario is seen in the next."""
        for each in (*self.connected, *self.accepted):
            lab.reset_on_close(each)
            each.close()


class Crowd:
    """Many connections at once, each begun without waiting."""

    def __init__(self, network: Routed, addresses: Sequence[str], connections: int) -> None:
        self._network = network
        self._selector = selectors.DefaultSelector()
        self._connections = connections
        self._listeners = [network.server.listen(address, backlog=connections) for address in addresses]
        self._pending: set[socket.socket] = set()
        self.truth = Truth()

    def _begin(self) -> None:
        for number in range(self._connections):
            server = self._listeners[number % len(self._listeners)].getsockname()
            client = self._network.client.make_socket(lab.address_family(server[0]))
            client.setblocking(False)
            # Not connect(): it is told later how the attempt ended.
            if client.connect_ex(server[:2]) not in (0, errno.EINPROGRESS):
                raise AssertionError("connect() did not even begin")
            self._pending.add(client)
            self._selector.register(client, selectors.EVENT_WRITE)
        for listener in self._listeners:
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ)

    def run(self, timeline: Sequence[Moment], on_connected: Callable[[socket.socket], None]) -> None:
        """Until all connects have ended and all that succeeded are accepted."""
        began = time.monotonic()
        self._begin()
        todo = sorted(timeline, key=lambda moment: moment[0])
        while todo or self._pending or len(self.truth.accepted) < len(self.truth.connected):
            elapsed = time.monotonic() - began
            if elapsed > lab.DEADLINE_S:
                raise AssertionError(f"not in time: {len(self._pending)} connects have not ended; {self.truth}")
            if todo and todo[0][0] <= elapsed:
                todo.pop(0)[1]()
                continue
            for key, _ in self._selector.select(0.02):
                ready = key.fileobj
                assert isinstance(ready, socket.socket)
                if ready in self._pending:
                    self._ended(ready, on_connected)
                else:
                    self.truth.accepted.append(ready.accept()[0])

    def _ended(self, client: socket.socket, on_connected: Callable[[socket.socket], None]) -> None:
        self._pending.remove(client)
        self._selector.unregister(client)
        error = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self.truth.failed.append(error)
            client.close()
        else:
            self.truth.connected.append(client)
            on_connected(client)

    def close(self) -> None:
        self.truth.close()
        for each in (*self._pending, *self._listeners):
            each.close()
        self._selector.close()


class StackCase(unittest.TestCase):
    """The network and its monitors live as long as the class."""

    options: ClassVar[Sequence[str]] = ("--timeout", "10", "--icmp")
    network: ClassVar[Routed]
    views: ClassVar[list[View]]

    @classmethod
    def setUpClass(cls) -> None:
        network = Routed()
        cls.enterClassContext(network)
        cls.network = network
        cls.views = cls.enterClassContext(views(network, *cls.options))

    def tearDown(self) -> None:
        self.lift()

    def lift(self) -> None:
        """No rules anywhere."""
        for namespace in (self.network.client, self.network.router, self.network.server):
            set_rules(namespace, {})

    @contextlib.contextmanager
    def played(
        self,
        connections: int,
        *,
        timeline: Sequence[Moment] = (),
        on_connected: Callable[[socket.socket], None] = lambda _: None,
        addresses: Sequence[str] = (SERVER_V4, SERVER_V6),
    ) -> Iterator[tuple[Truth, list[tuple[View, Counts]]]]:
        """The truth, and what each monitor adds until all successes there were are counted and nothing is pending.

        The connections are open meanwhile.
        """
        before = [view.monitor.stats() for view in self.views]
        counters = self._counters()
        crowd = Crowd(self.network, addresses, connections)
        try:
            crowd.run(timeline, on_connected)
            truth = crowd.truth
            truth.repeated_syns, truth.repeated_synacks = (
                now - then for now, then in zip(self._counters(), counters, strict=True)
            )
            deadline = time.monotonic() + lab.DEADLINE_S / 2
            seen = [
                (view, _added(view.monitor, earlier, len(truth.connected), deadline))
                for view, earlier in zip(self.views, before, strict=True)
            ]
            yield truth, seen
        finally:
            crowd.close()

    def _counters(self) -> tuple[int, int]:
        """Repeated SYNs and repeated SYN/ACKs: a stack counts both under one name, here each is at one end only."""
        return (
            kernel_counter(self.network.client, "TcpExtTCPSynRetrans"),
            kernel_counter(self.network.server, "TcpExtTCPSynRetrans"),
        )


def _added(monitor: Monitor, before: Stats, successes: int, deadline: float) -> Counts:
    """All that changed, once nothing is on its way; at the deadline as it is then."""
    while True:
        after = monitor.stats()
        counted = after.totals["success"] - before.totals["success"] >= successes and after.totals["pending"] == 0
        if (counted and after.settled()) or time.monotonic() > deadline:
            after.check_accounting()
            return {**difference(after.totals, before.totals), **difference(after.other(), before.other())}
        time.sleep(0.02)
