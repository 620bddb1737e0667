"""Floods tcpeek's socket as fast as one process can: `flooder.py MANNER PATH`, until it is ended by SIGTERM.

Run as a process of its own. Prints one line when it begins, and at the end how many connections it made.
"""

from __future__ import annotations

import collections
import contextlib
import signal
import socket
import sys
from collections.abc import Callable

HELD = 200
held: collections.deque[socket.socket] = collections.deque()


class Ended(Exception):
    """SIGTERM came."""


def end(*_: object) -> None:
    raise Ended


def connecting(path: str) -> None:
    """Connects and leaves."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def asking(path: str) -> None:
    """Asks and leaves."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        with contextlib.suppress(BrokenPipeError):  # evicted already
            client.send(b"GET\r\n")


def not_waiting(path: str) -> None:
    """Asks and leaves, and tries again at once where there is no room for it."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        client.connect(path)
        client.send(b"GET\r\n")


def holding(path: str) -> None:
    """Connects and keeps many connections."""
    held.append(socket.socket(socket.AF_UNIX))
    held[-1].connect(path)
    if len(held) > HELD:
        held.popleft().close()


MANNERS: dict[str, Callable[[str], None]] = {
    manner.__name__: manner for manner in (connecting, asking, not_waiting, holding)
}


def main() -> None:
    manner, path = sys.argv[1:]
    signal.signal(signal.SIGTERM, end)
    connect = MANNERS[manner]
    made = 0
    try:
        print("begun", flush=True)
        while True:
            connect(path)
            made += 1
    except Ended:
        print(made, flush=True)


if __name__ == "__main__":
    main()
