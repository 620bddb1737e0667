"""What happens to a tcpeek while it soaks: floods, links that change, and clients that do not behave."""

from __future__ import annotations

import contextlib
import multiprocessing
import pathlib
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import live  # noqa: F401  (the path to tests/live)

import flows
import hostile
import lab
from burst import Burst
from lab import Lab

PHASE_S = 10
FLOOD_FRAMES = 200_000
CLIENTS_OF_FLOODS = 500_000_000  # by number; those of handshakes come after them
# In one phase more than there is room for events, so that all of that memory is in use after it.
HANDSHAKES_A_SECOND = 7_000
STEP_S = 0.1


def flood(sender: socket.socket, until: float) -> None:
    """SYNs from random clients, as fast as a process sends; each time others."""
    numbers = random.sample(range(CLIENTS_OF_FLOODS), FLOOD_FRAMES)
    frames = [flows.syn(number) for number in numbers]
    bursts = [Burst(frames[at : at + 2048]) for at in range(0, FLOOD_FRAMES, 2048)]
    while time.monotonic() < until:
        for burst in bursts:
            burst.send(sender)


def shake_hands(sender: socket.socket, first: int, until: float) -> int:
    """Handshakes at a pace, for those who watch; the first number that is not used."""
    step = int(HANDSHAKES_A_SECOND * STEP_S)
    while (begun := time.monotonic()) < until:
        Burst(list(flows.handshakes(first, step))).send(sender)
        first += step
        time.sleep(max(0.0, begun + STEP_S - time.monotonic()))
    return first


def take_turns(sender: socket.socket, seconds: float) -> None:
    end = time.monotonic() + seconds
    first = CLIENTS_OF_FLOODS
    while time.monotonic() < end:
        flood(sender, min(end, time.monotonic() + PHASE_S))
        first = shake_hands(sender, first, min(end, time.monotonic() + PHASE_S))


@contextlib.contextmanager
def flooding(network: Lab, link: int, seconds: float) -> Iterator[None]:
    sender = network.peer.raw_socket(f"veth{link}")
    process = multiprocessing.get_context("fork").Process(target=take_turns, args=(sender, seconds), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()
        sender.close()


class Background:
    """Something done again and again on a thread of its own; what it raises is raised at the end."""

    def __init__(self, step: Callable[[], None]) -> None:
        self._step = step
        self._ending = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                self._step()
        except BaseException as error:  # noqa: BLE001
            self._error = error

    def __enter__(self) -> Background:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self.check()

    def check(self) -> None:
        if self._error is not None:
            raise self._error


class Changes:
    """What happens to one link."""

    def __init__(self, network: Lab, link: int) -> None:
        self._network = network
        self._link = link
        self._name = f"veth{link}"
        self.flaps = self.rebirths = self.addresses = 0

    def step(self) -> None:
        host = self._network.host
        for last in range(100, 104):
            host.ip("address", "add", f"10.79.0.{last}/24", "dev", self._name)
            time.sleep(0.3)
            host.ip("address", "del", f"10.79.0.{last}/24", "dev", self._name)
            self.addresses += 2
        for _ in range(4):
            host.ip("link", "set", self._name, "down")
            time.sleep(0.3)
            host.ip("link", "set", self._name, "up")
            time.sleep(0.3)
            self.flaps += 1
        host.ip("link", "del", self._name)
        time.sleep(0.3)
        self._network.make_link(self._link)
        time.sleep(1)
        self.rebirths += 1


class HostileClients:
    """One kind after the other, a few seconds each, of the socket and of HTTP."""

    def __init__(self, network: Lab, path: pathlib.Path, port: int, seconds: float) -> None:
        self._network = network
        self._targets = {
            **dict.fromkeys(hostile.MANNERS, str(path)), **dict.fromkeys(hostile.HTTP_MANNERS, f"127.0.0.1:{port}")
        }  # fmt: skip
        # Each has its turn, however short the soak.
        self._stays_s = min(5.0, seconds / (len(self._targets) + 1))
        self._turn = 0
        self.manners = 0
        self.connections = 0

    def step(self) -> None:
        manner, target = list(self._targets.items())[self._turn % len(self._targets)]
        self._turn += 1
        client = subprocess.Popen(
            self._network.host.command(sys.executable, "-B", hostile.__file__, manner, target),
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert client.stdout is not None
            assert client.stdout.readline() == "begun\n", f"{manner} did not begin"
            time.sleep(self._stays_s)
        finally:
            client.send_signal(signal.SIGTERM)
            said, _ = client.communicate(timeout=lab.DEADLINE_S)
        self.connections += int(said.split()[-2])
        self.manners = min(self._turn, len(self._targets))
