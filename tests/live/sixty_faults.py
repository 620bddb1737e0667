"""What scripts/try-sixty breaks, and what is a true answer then: a network, eight faults, and their verdicts.

    client 10.78.1.1 (and .7) -- router -- 10.78.2.1 server
                                     \\---- 10.78.2.7 neighbour

Healthy traffic, of the second client, goes on beside what is broken.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import lab
from lab import Namespace
from stacks import CLIENT_V4, CLIENT_V6, SERVER_V4, SERVER_V6, Routed, lossy, set_rules

OTHER_CLIENT = {False: "10.78.1.7", True: "fd78:1::7"}
NEIGHBOUR = {False: "10.78.2.7", True: "fd78:2::7"}
SERVER = {False: SERVER_V4, True: SERVER_V6}
CLIENT = {False: CLIENT_V4, True: CLIENT_V6}
ROUTER_AT_SERVER = {False: "10.78.2.2", True: "fd78:2::2"}
SERVERS_NETWORK = {False: "10.78.2.0/24", True: "fd78:2::/64"}
BACKLOG = 4


class World(Routed):
    """With a second client and a neighbour of the server."""

    def join(self, stack: contextlib.ExitStack, prefix: str) -> None:
        super().join(stack, prefix)
        self.neighbour = lab.made(stack, f"{prefix}-neighbour")
        peer = ("peer", "name", "veth0", "netns", self.neighbour.name)
        self.router.ip("link", "add", "neighbour", "type", "veth", *peer)
        for namespace, interface, last in ((self.neighbour, "veth0", 7), (self.router, "neighbour", 6)):
            namespace.ip("address", "add", f"10.78.2.{last}/31", "dev", interface)
            namespace.ip("address", "add", f"fd78:2::{last}/127", "dev", interface, "nodad")
            namespace.ip("link", "set", interface, "up")
        for namespace, interface in ((self.neighbour, "veth0"), (self.router, "neighbour")):
            namespace.wait_for_carrier(interface)
        self.neighbour.ip("-4", "route", "add", "default", "via", "10.78.2.6")
        self.neighbour.ip("-6", "route", "add", "default", "via", "fd78:2::6")
        for key in ("net.ipv4.icmp_ratelimit", "net.ipv6.icmp.ratelimit"):
            self.server.sysctl(key, 0)
        for v6, length in ((False, 24), (True, 64)):
            self.client.ip("address", "add", f"{OTHER_CLIENT[v6]}/{length}", "dev", "veth0", *lab.NODAD[length])


@dataclass(frozen=True)
class Plan:
    """What a run does; all of it comes from the seed."""

    number: int
    fault: str
    near: str  # "client" or "server"
    v6: bool
    worked: bool  # before it broke, while tcpeek watched
    variant: int  # one of the ways in which the fault comes about
    others_try: bool  # other ports of that host are tried meanwhile
    tries: int


class Run:
    """One network, one tcpeek, one fault."""

    def __init__(self, plan: Plan, world: World, stack: contextlib.ExitStack) -> None:
        self.plan, self.world, self._stack = plan, world, stack
        self.address = SERVER[plan.v6]
        self.sick = self.listen(world.server, self.address, BACKLOG if plan.fault == "full accept queue" else 128)
        self.well = self.listen(world.server, self.address)
        self.beside = self.listen(world.neighbour, NEIGHBOUR[plan.v6])
        self.port = int(self.sick.getsockname()[1])
        self.begun = 0

    def listen(self, namespace: Namespace, address: str, backlog: int = 64) -> socket.socket:
        return self._stack.enter_context(namespace.listen(address, backlog=backlog))

    def begin(self, port: int, source: str) -> socket.socket:
        """A connection to the server that is begun, and goes on by itself."""
        return self.begin_at(self.address, port, source)

    def begin_at(self, address: str, port: int, source: str) -> socket.socket:
        client = self._stack.enter_context(self.world.client.make_socket(lab.address_family(source)))
        client.bind((source, 0))
        client.setblocking(False)
        wanted = client.connect_ex((address, port))
        if wanted not in (0, errno.EINPROGRESS, errno.ECONNREFUSED):
            raise AssertionError(f"connect() did not even begin: {os.strerror(wanted)}")
        return client

    def succeed(self, listener: socket.socket, source: str, count: int = 1) -> None:
        for _ in range(count):
            address, port = listener.getsockname()[:2]
            client = self.begin_at(address, port, source)
            accepted, _ = listener.accept()
            for each in (client, accepted):
                lab.reset_on_close(each)
                each.close()

    def be_well(self, listeners: Iterable[socket.socket]) -> None:
        for listener in listeners:
            self.succeed(listener, OTHER_CLIENT[self.plan.v6], 6)

    def try_port(self, port: int, count: int) -> None:
        for _ in range(count):
            self.begin(port, CLIENT[self.plan.v6])
        self.begun += count

    def rules(self, namespace: Namespace, hook: str, *statements: str) -> None:
        set_rules(namespace, {hook: statements})

    def route(self, namespace: Namespace, *words: str) -> None:
        namespace.ip("-6" if self.plan.v6 else "-4", *words)

    def host(self, which: str, address: str) -> str:
        return f"{'ip6' if self.plan.v6 else 'ip'} {which} {address}"


# What each breaks. Attempts at the service that are begun afterwards meet it.


def nobody_listens(run: Run) -> None:
    # Closing alone is not enough while another run forks: the child has it until it execs.
    run.sick.shutdown(socket.SHUT_RDWR)
    run.sick.close()


def host_gone(run: Run) -> None:
    """Its neighbours are known to be there; the router says so after some seconds, or (variant 1) never."""
    if run.plan.variant:
        run.rules(run.world.router, "output", "icmp type destination-unreachable drop",
                  "icmpv6 type destination-unreachable drop")
    run.world.server.ip("address", "flush", "dev", "veth0")
    run.world.router.ip("neigh", "flush", "dev", "server")


def firewall_drop(run: Run) -> None:
    """On the host itself, or (variant 1, seen from the client) before it."""
    if run.plan.variant and run.plan.near == "client":
        run.rules(run.world.router, "forward", f"tcp dport {run.port} drop")
    else:
        run.rules(run.world.server, "input", f"tcp dport {run.port} drop")


def firewall_reject(run: Run) -> None:
    """By ICMP or (variant 1) by a RST from the host; seen from the client (variant 2) by ICMP from before it."""
    how = "reject with tcp reset" if run.plan.variant == 1 else "reject with icmpx admin-prohibited"
    if run.plan.variant == 2 and run.plan.near == "client":
        run.rules(run.world.router, "forward", f"tcp dport {run.port} {how}")
    else:
        run.rules(run.world.server, "input", f"tcp dport {run.port} {how}")


def full_queue(run: Run) -> None:
    """The service hangs: it accepts nothing more."""
    for _ in range(BACKLOG + 1):
        run.begin(run.port, CLIENT[run.plan.v6])
    listening = f"sport = :{run.port}"
    lab.wait_for(lambda: f" {BACKLOG + 1} " in run.world.server.run("ss", "-ltnH", listening), "the queue is full")


def route_unreachable(run: Run) -> None:
    """The router loses its route to the server or, seen from there, the server the one back to the client."""
    if run.plan.near == "client":
        run.route(run.world.router, "route", "del", SERVERS_NETWORK[run.plan.v6], "dev", "server")
        return
    run.route(run.world.server, "route", "add", OTHER_CLIENT[run.plan.v6], "via", ROUTER_AT_SERVER[run.plan.v6])
    run.route(run.world.server, "route", "del", "default")


def lossy_path(run: Run) -> None:
    """A third of all packets to and from the server (variant 1: a sixth)."""
    percent = 17 if run.plan.variant else 33
    both_ways = (run.host("saddr", run.address), run.host("daddr", run.address))
    run.rules(run.world.router, "forward", *(lossy(match, percent) for match in both_ways))


def middlebox_reset(run: Run) -> None:
    """A device that answers SYNs by a RST in the server's name."""
    run.rules(run.world.router, "forward", f"tcp dport {run.port} reject with tcp reset")


Accepted = Mapping[str, Sequence[str]]  # by rule, verdicts


@dataclass(frozen=True)
class Fault:
    """What breaks, in how many ways, and what is a true answer from where: named, and hedged."""

    breaks: Callable[[Run], None]
    variants: int
    named: Mapping[str, Accepted]
    hedged: Mapping[str, Accepted] = field(default_factory=dict)


FAULTS: Mapping[str, Fault] = {
    "nobody listens": Fault(
        nobody_listens, 1, {"client": {"refused_there": ["there"]}, "server": {"refused_here": ["here"]}}),
    "host gone": Fault(
        host_gone, 2,
        {"client": {"host_silent": ["there"], "router_says": ["path"]},
         "server": {"router_says": ["path"], "dropped_in_silence": ["here"]}}),
    "firewall drop": Fault(
        firewall_drop, 2,
        {"client": {"service_silent": ["there"], "unanswered_there": ["there"]},
         "server": {"dropped_in_silence": ["here"], "filtered_for_some": ["here"]}},
        {"server": {"partly_unanswered": ["unknown"]}}),
    "firewall reject": Fault(
        firewall_reject, 3,
        {"client": {"router_says": ["path", "there"]}, "server": {"router_says": ["here"]}},
        {"client": {"refused_there": ["there"]}, "server": {"refused_here": ["here"]}}),
    "full accept queue": Fault(
        full_queue, 1,
        {"client": {"unanswered_there": ["there"], "service_silent": ["there"]},
         "server": {"accept_queue_full": ["here"]}}),
    "route unreachable": Fault(
        route_unreachable, 1,
        {"client": {"router_says": ["path"]}, "server": {}},
        {"server": {"dropped_in_silence": ["here"], "filtered_for_some": ["here"], "partly_unanswered": ["unknown"]}}),
    "lossy path": Fault(
        lossy_path, 2, {"client": {"loss_on_path": ["path"]}, "server": {}},
        {"server": {"loss_on_path": ["path"]}}),
    "middlebox reset": Fault(middlebox_reset, 1, {"client": {"refused_on_the_way": ["path"]}}),
}  # fmt: skip

def plan_of(number: int, rng: random.Random) -> Plan:
    fault = rng.choice(list(FAULTS))
    return Plan(number, fault, rng.choice(list(FAULTS[fault].named)), rng.random() < 0.5, rng.random() < 0.5,
                rng.randrange(FAULTS[fault].variants), rng.random() < 0.5, rng.randint(3, 5))
