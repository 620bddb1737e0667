"""Clients that do not wait: connect() of a non-blocking socket fails with EAGAIN when the queue of the server is full.
While two processes flood the socket, none of them is lost."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import select
import socket
import subprocess
import sys
import time
import unittest
from collections.abc import Iterator

import live

import flooder
import lab
from monitor import Monitor

FLOODERS = 2
ASKED = 2000 if live.FULL else 200
PAUSE_S = 0.005  # between questions
TRIES = 3


def setUpModule() -> None:
    lab.require()
    # Flooders, tcpeek and the one that asks share the CPUs among themselves, not with other jobs.
    os.setpriority(os.PRIO_PROCESS, 0, -15)


def ask_without_waiting(path: pathlib.Path, request: bytes) -> bytes:
    """As a client with an event loop does; OSError if it is turned away or not answered in time."""
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        client.connect(str(path))
        client.sendall(request)
        reply = b""
        deadline = time.monotonic() + lab.DEADLINE_S
        while True:
            select.select((client,), (), (), max(0.0, deadline - time.monotonic()))
            chunk = client.recv(65536)
            if not chunk:
                return reply
            reply += chunk


class Queue(unittest.TestCase):
    @contextlib.contextmanager
    def flooded(self, manner: str, path: pathlib.Path) -> Iterator[list[int]]:
        """Flooders run meanwhile; afterwards the list has how many connections each made."""
        words = (sys.executable, "-B", str(pathlib.Path(flooder.__file__)), manner, str(path))
        made: list[int] = []
        with contextlib.ExitStack() as stack:
            flooders = []
            for _ in range(FLOODERS):
                process = stack.enter_context(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
                stack.callback(process.kill)
                flooders.append(process)
            for process in flooders:
                assert process.stdout is not None
                self.assertEqual(process.stdout.readline(), "begun\n")
            yield made
            for process in flooders:
                process.terminate()
                assert process.stdout is not None
                made.append(int(process.stdout.read()))

    def play(self, manner: str) -> None:
        """None is lost, in one of some tries: on a busy machine it may be tcpeek that is given no CPU."""
        self.assertLess(lab.least(functools.partial(self.lost, manner), 1, TRIES), 1)

    def lost(self, manner: str) -> int:
        lost: list[str] = []
        taken = []
        with lab.Lab() as network, Monitor(network, "-q", "--threads", "1") as monitor:
            start = time.monotonic()
            with self.flooded(manner, monitor.socket_path) as made:
                for _ in range(ASKED):
                    time.sleep(PAUSE_S)
                    begin = time.monotonic()
                    try:
                        reply = ask_without_waiting(monitor.socket_path, b"GET\n")
                    except OSError as error:
                        lost.append(str(error))
                        continue
                    taken.append(time.monotonic() - begin)
                    if not (reply.startswith(b'[{"RX":') and reply.endswith(b"]")):
                        lost.append(f"reply {reply[:40]!r}")
            seconds = time.monotonic() - start
            server = monitor.stats().json["server"]
        taken.sort()
        if not taken:
            self.fail(f"all were lost: {lost}")
        live.told(
            f"{FLOODERS} x {manner}: {sum(made) / seconds:,.0f} connections/s; {len(lost)} of {ASKED} questions lost, "
            f"the others took p50 {taken[len(taken) // 2] * 1e3:.1f} max {taken[-1] * 1e3:.1f} ms; {server}"
        )
        if lost:
            live.told(f"lost: {lost}")
        return len(lost)

    def test_connecting(self) -> None:
        self.play("connecting")

    def test_asking(self) -> None:
        self.play("asking")

    def test_not_waiting(self) -> None:
        self.play("not_waiting")

    def test_holding(self) -> None:
        self.play("holding")


if __name__ == "__main__":
    unittest.main()
