"""A small network to watch: two namespaces joined by veth links, made and removed by the test.

`host` is where tcpeek runs, `peer` is the world outside. Link n joins `veth<n>` of both:

    peer 10.(77+n).0.1, fd(77+n)::1  ----  10.(77+n).0.2, fd(77+n)::2 host

Sockets of a namespace are made by entering it for a moment, so a test is one process with one
thread. A machine that cannot make namespaces skips the tests and says so; with
TCPEEK_REQUIRE_LIVE=1 it fails them.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import itertools
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import frames

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Of what would otherwise be waited for without end; it says nothing about how long anything takes.
DEADLINE_S = 60.0

PEER_V4, HOST_V4 = "10.77.0.1", "10.77.0.2"
PEER_V6, HOST_V6 = "fd77::1", "fd77::2"

# What `ip address add` needs, by prefix length, so that an IPv6 address works at once.
NODAD: Mapping[int, Sequence[str]] = {24: (), 64: ("nodad",)}

_PREFIX = "tcpeek"
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_serial = itertools.count()

T = TypeVar("T")


class Unavailable(Exception):
    """This machine cannot run live tests; the message says why."""


def binary() -> pathlib.Path:
    """The tcpeek under test: $TCPEEK, else the release build, else the debug build."""
    named = os.environ.get("TCPEEK")
    if named:
        return pathlib.Path(named).resolve()
    for preset in ("release", "debug"):
        candidate = ROOT / "build" / preset / "tcpeek"
        if candidate.exists():
            return candidate
    return ROOT / "build" / "release" / "tcpeek"


def run(*command: str) -> str:
    """Runs a command that must succeed; returns what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def wait_for(condition: Callable[[], T | None], what: str, seconds: float = DEADLINE_S) -> T:
    """The first true value of `condition`; an AssertionError when none comes in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.01)


def least(measure: Callable[[], float], allowed: float, tries: int = 5) -> float:
    """The least that is measured in some tries, of which one below `allowed` is enough: whatever else runs here adds to
    a time, and what really takes too long does so in each."""
    found = measure()
    for _ in range(tries - 1):
        if found < allowed:
            break
        found = min(found, measure())
    return found


def require(*probes: Callable[[], None]) -> None:
    """For setUpModule: skips the module, loudly, where live tests cannot run; `probes` raise Unavailable, too."""
    try:
        _probe()
        for probe in probes:
            probe()
    except Unavailable as reason:
        if os.environ.get("TCPEEK_REQUIRE_LIVE") == "1":
            raise RuntimeError(f"live tests are required here and cannot run: {reason}") from reason
        print(f"\n*** LIVE TESTS SKIPPED: {reason} ***\n", file=sys.stderr, flush=True)
        raise unittest.SkipTest(str(reason)) from reason


def _probe() -> None:
    if not os.access(binary(), os.X_OK):
        raise Unavailable(f"no tcpeek binary at {binary()}: build it or set TCPEEK")
    if shutil.which("ip") is None:
        raise Unavailable("the ip command is missing: install iproute2")
    if os.geteuid() != 0:
        raise Unavailable("making network namespaces needs root")
    remove_leftovers()
    try:
        with Lab():
            pass
    except (OSError, RuntimeError) as error:
        raise Unavailable(f"cannot make network namespaces joined by veth: {error}") from error


def remove_leftovers() -> None:
    """Removes the namespaces of test processes that were killed before they could."""
    for name in run("ip", "netns", "list").split():
        parts = name.split("-")
        if parts[0] == _PREFIX and len(parts) == 4 and not pathlib.Path("/proc", parts[1]).exists():
            subprocess.run(("ip", "netns", "del", name), check=False, capture_output=True)


class Namespace:
    """A network namespace with its loopback up."""

    def __init__(self, name: str) -> None:
        self.name = name
        run("ip", "netns", "add", name)
        try:
            self.ip("link", "set", "lo", "up")
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        run("ip", "netns", "del", self.name)

    def command(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *words]

    def run(self, *words: str) -> str:
        return run(*self.command(*words))

    def ip(self, *words: str) -> str:
        return run("ip", "-n", self.name, *words)

    def wait_for_carrier(self, interface: str) -> None:
        wait_for(lambda: "LOWER_UP" in self.ip("link", "show", interface), f"{interface} is up")

    def sysctl(self, key: str, value: int) -> None:
        path = pathlib.Path("/proc/sys", key.replace(".", "/"))
        with self.entered():
            path.write_text(f"{value}\n", encoding="ascii")

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread is in this namespace; what it makes there stays there."""
        with open("/proc/thread-self/ns/net", "rb") as before:
            with open(f"/var/run/netns/{self.name}", "rb") as namespace:
                _setns(namespace.fileno())
            try:
                yield
            finally:
                _setns(before.fileno())

    def make_socket(self, family: int, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> socket.socket:
        with self.entered():
            made = socket.socket(family, kind, protocol)
        made.settimeout(DEADLINE_S)
        return made

    def raw_socket(self, interface: str) -> socket.socket:
        """Sends whole frames out of an interface, and receives none."""
        with self.entered():
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            made.bind((interface, 0))
        return made

    def listen(self, address: str, port: int = 0, backlog: int = 64) -> socket.socket:
        listener = self.make_socket(address_family(address))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(backlog)
        return listener

    def connect(self, address: str, port: int) -> socket.socket:
        """A connected socket; OSError when the peer or the network refuses."""
        made = self.make_socket(address_family(address))
        try:
            made.connect((address, port))
        except OSError:
            made.close()
            raise
        return made


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")


def reset_on_close(connection: socket.socket) -> None:
    """Closing sends a RST, and so the connection leaves no other packets."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def address(text: str) -> frames.Address:
    return ipaddress.ip_address(text)


def address_family(address: str) -> int:
    return socket.AF_INET if ipaddress.ip_address(address).version == 4 else socket.AF_INET6


class Wire:
    """Both ends of a link, for crafted frames. Counts what it sent."""

    def __init__(self, peer: socket.socket, host: socket.socket) -> None:
        self._peer = peer
        self._host = host
        self.sent = 0

    def from_peer(self, frame: bytes) -> None:
        self._peer.send(frame)
        self.sent += 1

    def from_host(self, frame: bytes) -> None:
        self._host.send(frame)
        self.sent += 1

    def close(self) -> None:
        self._peer.close()
        self._host.close()


class Lab:
    """The namespaces, their links, and a folder for sockets and output; all gone at exit."""

    def __init__(self, links: int = 1) -> None:
        self._links = links
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Lab:
        with contextlib.ExitStack() as stack:
            self.folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tcpeek-")))
            self.folder.chmod(0o755)
            serial = next(_serial)
            self.peer = made(stack, f"{_PREFIX}-{os.getpid()}-{serial}-peer")
            self.host = made(stack, f"{_PREFIX}-{os.getpid()}-{serial}-host")
            self.join(stack, f"{_PREFIX}-{os.getpid()}-{serial}")
            self._cleanup = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def join(self, stack: contextlib.ExitStack, prefix: str) -> None:
        """Lays the links; what else it makes goes with the stack, and namespaces have names of this prefix."""
        for number in range(self._links):
            self.make_link(number)

    def on_exit(self, callback: Callable[[], object]) -> None:
        """To be called before the namespaces are removed."""
        self._cleanup.callback(callback)

    def connect_to_both(self, address: str, succeeded: int, refused: int) -> int:
        """From `peer`, real connections to a service of `host` that answers and to port 9; the former's port."""
        with self.host.listen(address) as listener:
            port = int(listener.getsockname()[1])
            for _ in range(succeeded):
                with self.peer.connect(address, port):
                    listener.accept()[0].close()
        for _ in range(refused):
            try:
                self.peer.connect(address, 9).close()
            except ConnectionRefusedError:
                continue
            raise AssertionError(f"port 9 of {address} answers")
        return port

    def make_link(self, number: int) -> None:
        """Joins the namespaces, for the first time or after the link was deleted."""
        name = f"veth{number}"
        self.peer.ip("link", "add", name, "type", "veth", "peer", "name", name, "netns", self.host.name)
        for last, namespace in ((1, self.peer), (2, self.host)):
            namespace.ip("address", "add", f"10.{77 + number}.0.{last}/24", "dev", name)
            namespace.ip("address", "add", f"fd{(77 + number) % 100:02}::{last}/64", "dev", name, "nodad")
            namespace.ip("link", "set", name, "up")
        for namespace in (self.peer, self.host):
            namespace.wait_for_carrier(name)

    def wire(self, peer_link: int = 0, host_link: int | None = None) -> Wire:
        """Both ends of a link, or of two where the ways there and back differ. Closed with the lab."""
        host_link = peer_link if host_link is None else host_link
        wire = Wire(self.peer.raw_socket(f"veth{peer_link}"), self.host.raw_socket(f"veth{host_link}"))
        self._cleanup.callback(wire.close)
        return wire


# Another user than root, whose processes have no capability.
AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def as_nobody_with(*capabilities: str) -> tuple[str, ...]:
    """The same, with these capabilities and no other."""
    given = ",".join(["-all", *(f"+{name}" for name in capabilities)])
    return (*AS_NOBODY, f"--inh-caps={given}", f"--ambient-caps={given}")


def copy_of_binary(network: Lab) -> pathlib.Path:
    """The tcpeek under test where every user may run it."""
    copy = network.folder / "tcpeek"
    shutil.copyfile(binary(), copy)
    copy.chmod(0o755)
    return copy


def made(stack: contextlib.ExitStack, name: str) -> Namespace:
    """A namespace that goes with the stack."""
    namespace = Namespace(name)
    stack.callback(namespace.remove)
    return namespace
