"""Where the benchmark happens: a network namespace, the processes in it, and their CPU time."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

INTERFACE = "bench0"
PEER_INTERFACE = "bench1"
LOCAL_IPV4 = "192.0.2.1/24"  # the responder of bench/live/pattern.h
LOCAL_IPV6 = "2001:db8::c000:201/64"
END_SECONDS = 15.0
QUIET_SECONDS = 60.0
QUIET_WINDOW = 0.1  # longer than any ring's retire timeout
QUIET_CPU_NS = 2_000_000  # in a window: timers and housekeeping


class BenchError(Exception):
    """Shown to the user as one line."""


@dataclasses.dataclass
class Cpu:
    total_ns: int
    user_ticks: int
    system_ticks: int

    def __sub__(self, other: Cpu) -> Cpu:
        return Cpu(
            self.total_ns - other.total_ns,
            self.user_ticks - other.user_ticks,
            self.system_ticks - other.system_ticks,
        )


def call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        raise BenchError(f"{shlex.join(command)}: {done.stderr.strip()}")


class Lab:
    """A namespace with a veth pair; the monitor listens on one end, nothing on the other."""

    def __init__(self, ipv6: bool) -> None:
        self.namespace = f"tcpeek-bench-{os.getpid()}"
        self.ipv6 = ipv6

    def __enter__(self) -> Lab:
        call("ip", "netns", "add", self.namespace)
        try:
            self._connect()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        call("ip", "netns", "delete", self.namespace)

    def _connect(self) -> None:
        ip = ("ip", "-n", self.namespace)
        call(*ip, "link", "add", INTERFACE, "type", "veth", "peer", "name", PEER_INTERFACE)
        for name in (INTERFACE, PEER_INTERFACE):
            # No packets but ours: without a link-local address the stack stays silent.
            call(*ip, "link", "set", name, "addrgenmode", "none")
            call(*ip, "link", "set", name, "up")
        call(*ip, "address", "add", LOCAL_IPV4, "dev", INTERFACE)
        if self.ipv6:
            call(*ip, "address", "add", LOCAL_IPV6, "dev", INTERFACE, "nodad")

    def inside(self, command: Sequence[str], cpus: set[int]) -> list[str]:
        pinned = ["taskset", "-c", ",".join(map(str, sorted(cpus))), *command]
        return ["ip", "netns", "exec", self.namespace, *pinned]


def until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def read_cpu(pid: int) -> Cpu:
    """Nanoseconds are exact once all threads sleep; ticks only give the split of user and system."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    # The name, in parentheses, may hold anything; utime and stime are the 12th and 13th after it.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Cpu(total, int(fields[11]), int(fields[12]))


def wait_quiet(pid: int) -> Cpu:
    """Waits for two windows in a row that took next to no CPU, or gives up on a monitor never idle."""
    deadline = time.monotonic() + QUIET_SECONDS
    quiet = 0
    before = read_cpu(pid)
    while quiet < 2 and time.monotonic() < deadline:
        time.sleep(QUIET_WINDOW)
        now = read_cpu(pid)
        quiet = quiet + 1 if now.total_ns - before.total_ns < QUIET_CPU_NS else 0
        before = now
    return before


@contextlib.contextmanager
def sampled_memory(pid: int) -> Iterator[list[int]]:
    """Resident KiB, once a second while the block runs; complete after it."""
    samples: list[int] = []
    over = threading.Event()

    def sample() -> None:
        while not over.wait(1.0):
            with contextlib.suppress(OSError):
                samples.append(resident_kib(pid))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def resident_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise OSError(f"process {pid} has no memory")


def is_capturing(pid: int) -> bool:
    """Whether the namespace has a packet socket that is bound and running."""
    with contextlib.suppress(OSError):
        rows = Path(f"/proc/{pid}/net/packet").read_text().splitlines()[1:]
        return any(row.split()[5] == "1" for row in rows)
    return False


def ask(control: Path, request: str) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect(str(control))
        client.sendall(f"{request}\n".encode())
        client.shutdown(socket.SHUT_WR)
        reply = b""
        while part := client.recv(65536):
            reply += part
    return reply


def answers(control: Path) -> bool:
    with contextlib.suppress(OSError):
        return bool(ask(control, "STATS"))
    return False


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def running(command: Sequence[str], output: Path) -> Iterator[subprocess.Popen[bytes]]:
    with output.open("wb") as sink:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            end(process)
