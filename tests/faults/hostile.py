"""A client of tcpeek's socket that does not behave: `hostile.py MANNER PATH`, until it is ended by SIGTERM.

Run as a process of its own, as such clients are. Prints one line when it has begun, and at the end
how many connections it made and in how many seconds.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator

PLACES = 32  # what the server takes


class Ended(Exception):
    """SIGTERM came."""


def end(*_: object) -> None:
    raise Ended


class Crowd:
    """Connections kept open, the oldest closed for each one too many."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.open: list[socket.socket] = []
        self.made = 0

    def add(self, most: int, content: bytes = b"") -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.connect(self._path)
        client.setblocking(False)
        with contextlib.suppress(OSError):
            client.send(content)
        self.open.append(client)
        self.made += 1
        while len(self.open) > most:
            self.open.pop(0).close()
        return client

    def renew(self, content: bytes = b"") -> None:
        """Replaces the connections that tcpeek has closed."""
        for client in list(self.open):
            if has_ended(client):
                self.open.remove(client)
                client.close()
                self.add(2 * PLACES, content)


def has_ended(client: socket.socket) -> bool:
    """Whether tcpeek has closed it, asked without reading."""
    poll = select.poll()
    poll.register(client, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))


def keep(crowd: Crowd, content: bytes, pause_s: float) -> Iterator[None]:
    for _ in range(2 * PLACES):
        crowd.add(2 * PLACES, content)
    while True:
        yield
        time.sleep(pause_s)
        crowd.renew(content)


def silent(crowd: Crowd) -> Iterator[None]:
    """Connects and says nothing, again whenever it is closed."""
    return keep(crowd, b"", 0.01)


def unread(crowd: Crowd) -> Iterator[None]:
    """Asks for the longest reply and never reads it."""
    return keep(crowd, b"STATS\n", 0.01)


def slow(crowd: Crowd) -> Iterator[None]:
    """A byte of its request each second."""
    for _ in keep(crowd, b"S", 1.0):
        for client in crowd.open:
            with contextlib.suppress(OSError):
                client.send(b"T")
        yield


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
    """Asks as fast as it can connect, and stays for no answer."""
    while True:
        crowd.add(PLACES, b"STATS\n")
        yield


def explaining_storm(crowd: Crowd) -> Iterator[None]:
    """Asks for what takes the most rounds of questions to the readers, and stays for no answer."""
    while True:
        crowd.add(PLACES, b"EXPLAIN\n")
        yield


MANNERS: dict[str, Callable[[Crowd], Iterator[None]]] = {
    manner.__name__: manner for manner in (silent, unread, slow, half_closed, garbage, storm, asking_storm, explaining_storm)
}


def main() -> None:
    manner, path = sys.argv[1:]
    signal.signal(signal.SIGTERM, end)
    crowd = Crowd(path)
    start = time.monotonic()
    try:
        steps = MANNERS[manner](crowd)
        next(steps)
        print("begun", flush=True)
        for _ in steps:
            pass
    except Ended:
        print(crowd.made, time.monotonic() - start, flush=True)


if __name__ == "__main__":
    main()
