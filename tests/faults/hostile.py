"""A client of tcpeek that does not behave, until it is ended by SIGTERM: `hostile.py MANNER PATH` of its socket,
`hostile.py MANNER ADDRESS:PORT` of its HTTP.

Run as a process of its own, as such clients are. Prints one line when it has begun, and at the end
how many connections it made and in how many seconds.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

PLACES = 32  # what a server takes
MANY = 1000
HTTP_SOURCE = "127.0.0.2"  # so that they are not taken for others of this host
MOST_BODY = 1 << 20  # of RELOAD
IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h


class Ended(Exception):
    """SIGTERM came."""


def end(*_: object) -> None:
    raise Ended


class Crowd:
    """Connections kept open, the oldest closed for each one too many."""

    def __init__(self, target: str) -> None:
        self._target = target
        self.open: list[socket.socket] = []
        self.made = 0

    def _connected(self) -> socket.socket:
        if self._target.startswith("/"):
            client = socket.socket(socket.AF_UNIX)
            client.connect(self._target)
            return client
        address, port = self._target.rsplit(":", 1)
        client = socket.socket()
        # Closing leaves nothing behind, so ports do not run out.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        client.bind((HTTP_SOURCE, 0))
        client.connect((address, int(port)))
        return client

    def add(self, most: int, content: bytes = b"") -> socket.socket:
        client = self._connected()
        client.setblocking(False)
        with contextlib.suppress(OSError):
            client.send(content)
        self.open.append(client)
        self.made += 1
        while len(self.open) > most:
            self.open.pop(0).close()
        return client

    def renew(self, content: bytes = b"", most: int = 2 * PLACES) -> None:
        """Replaces the connections that tcpeek has closed."""
        for client in list(self.open):
            if has_ended(client):
                self.open.remove(client)
                client.close()
                self.add(most, content)


def has_ended(client: socket.socket) -> bool:
    """Whether tcpeek has closed it, asked without reading."""
    ended = select.POLLHUP | select.POLLERR
    if client.family == socket.AF_INET:  # where the end of what comes is no POLLHUP
        ended |= select.POLLRDHUP
    poll = select.poll()
    poll.register(client, ended)
    return any(events & ended for _, events in poll.poll(0))


def keep(crowd: Crowd, content: bytes, pause_s: float, most: int = 2 * PLACES) -> Iterator[None]:
    for _ in range(most):
        crowd.add(most, content)
    while True:
        yield
        time.sleep(pause_s)
        crowd.renew(content, most)


def drip(crowd: Crowd, first: bytes, then: bytes, pause_s: float) -> Iterator[None]:
    """Those kept say a little more each time."""
    for _ in keep(crowd, first, pause_s):
        for client in crowd.open:
            with contextlib.suppress(OSError):
                client.send(then)
        yield


def rush(crowd: Crowd, *contents: bytes) -> Iterator[None]:
    """Asks as fast as it can connect, and stays for no answer."""
    for content in itertools.cycle(contents):
        crowd.add(PLACES, content)
        yield


def silent(crowd: Crowd) -> Iterator[None]:
    """Connects and says nothing, again whenever it is closed."""
    return keep(crowd, b"", 0.01)


def unread(crowd: Crowd) -> Iterator[None]:
    """Asks for the longest reply and never reads it."""
    return keep(crowd, b"STATS\n", 0.01)


def slow(crowd: Crowd) -> Iterator[None]:
    """A byte of its request each second."""
    return drip(crowd, b"S", b"T", 1.0)


def half_closed(crowd: Crowd) -> Iterator[None]:
    """Asks, ends its side, and stays."""
    while True:
        with contextlib.suppress(OSError):
            crowd.add(2 * PLACES, b"STATS").shutdown(socket.SHUT_WR)
        yield
        time.sleep(0.002)


def garbage(crowd: Crowd) -> Iterator[None]:
    """4 KiB without an end of line, again and again."""
    while True:
        crowd.add(PLACES, os.urandom(4096).replace(b"\n", b"\r"))
        yield


def storm(crowd: Crowd) -> Iterator[None]:
    """Connects as fast as it can, and keeps none."""
    while True:
        crowd.add(0)
        yield


def asking_storm(crowd: Crowd) -> Iterator[None]:
    return rush(crowd, b"STATS\n")


def explaining_storm(crowd: Crowd) -> Iterator[None]:
    """What takes the most rounds of questions to the readers."""
    return rush(crowd, b"EXPLAIN\n")


def top_storm(crowd: Crowd) -> Iterator[None]:
    """No two that follow each other can be answered in one round."""
    kinds = ("service", "initiator", "pair", "network")
    return rush(crowd, *(f"TOP {rows} by={kind}\n".encode() for rows in (100, 99) for kind in kinds))


def history_storm(crowd: Crowd) -> Iterator[None]:
    return rush(crowd, b"HISTORY\n", b"HISTORY 86400\n", b"HISTORY 1\n")


def history_unread(crowd: Crowd) -> Iterator[None]:
    return keep(crowd, b"HISTORY\n", 0.01)


def delta_storm(crowd: Crowd) -> Iterator[None]:
    """A new name each time."""
    for number in itertools.count():
        crowd.add(PLACES, f"DELTA hostile-{number}\n".encode())
        yield


def metrics_storm(crowd: Crowd) -> Iterator[None]:
    return rush(crowd, b"METRICS openmetrics gzip\n", b"METRICS prometheus\n", b"METRICS openmetrics\n")


def metrics_unread(crowd: Crowd) -> Iterator[None]:
    return keep(crowd, b"METRICS\n", 0.01)


def reload_unfinished(crowd: Crowd) -> Iterator[None]:
    """The longest body that may be, and half of it comes."""
    return keep(crowd, b"RELOAD %d\n" % MOST_BODY + bytes(MOST_BODY // 2), 0.01)


def reload_slow(crowd: Crowd) -> Iterator[None]:
    """A byte of the body at a time."""
    return drip(crowd, b"RELOAD 1000\n", b"x", 0.1)


def reload_huge(crowd: Crowd) -> Iterator[None]:
    """Lengths that nobody may send."""
    lengths = (MOST_BODY + 1, (1 << 32) + 1, (1 << 64) + 1, 10**40, -1)
    return rush(crowd, *(b"RELOAD %d\n" % length + b"x" * 4096 for length in lengths))


def reload_garbage(crowd: Crowd) -> Iterator[None]:
    """Bodies that are no command line; at a pace, as each is a message of tcpeek's."""
    while True:
        crowd.add(PLACES, b"RELOAD 4096\n" + os.urandom(4095) + b"\0")
        yield
        time.sleep(0.005)


def http_slow_loris(crowd: Crowd) -> Iterator[None]:
    """A header that never ends."""
    return drip(crowd, b"GET /metrics HTTP/1.1\r\n", b"X: y\r\n", 0.1)


def http_pipelining(crowd: Crowd) -> Iterator[None]:
    """A hundred requests on one connection, which has one reply."""
    return rush(crowd, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 100)


def http_unread(crowd: Crowd) -> Iterator[None]:
    return keep(crowd, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 0.01)


def http_garbage(crowd: Crowd) -> Iterator[None]:
    while True:
        crowd.add(PLACES, os.urandom(4096))
        yield


def http_crowd(crowd: Crowd) -> Iterator[None]:
    """A thousand connections, kept."""
    return keep(crowd, b"", 0.01, MANY)


Manner = Callable[[Crowd], Iterator[None]]
MANNERS: dict[str, Manner] = {
    manner.__name__: manner
    for manner in (
        silent, unread, slow, half_closed, garbage, storm, asking_storm, explaining_storm, top_storm, history_storm,
        history_unread, delta_storm, metrics_storm, metrics_unread, reload_unfinished, reload_slow, reload_huge,
        reload_garbage,
    )
}  # fmt: skip
HTTP_MANNERS: dict[str, Manner] = {
    manner.__name__: manner for manner in (http_slow_loris, http_pipelining, http_unread, http_garbage, http_crowd)
}


def main() -> None:
    manner, target = sys.argv[1:]
    signal.signal(signal.SIGTERM, end)
    crowd = Crowd(target)
    start = time.monotonic()
    try:
        steps = {**MANNERS, **HTTP_MANNERS}[manner](crowd)
        next(steps)
        print("begun", flush=True)
        for _ in steps:
            pass
    except Ended:
        print(crowd.made, time.monotonic() - start, flush=True)


if __name__ == "__main__":
    main()
