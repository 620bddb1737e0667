"""The processes that a test of tcpeek-forward runs: a real nats-server by the configuration that is shipped, and the
forwarder itself; and what is true of a stream when every event is in it once or told as a gap.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import unittest
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import paths  # noqa: F401  (to the modules of tests/live)

import lab
from nats_client import Client, Stored

ROOT = lab.ROOT
DEADLINE_S = 30.0
SERVER_CONFIG = ROOT / "packaging" / "nats" / "nats-server.conf"
STREAM_CONFIG = ROOT / "packaging" / "nats" / "tcpeek-stream.json"
FULL = os.environ.get("TCPEEK_FORWARD_TESTS") == "full"


def binary() -> pathlib.Path:
    """The forwarder under test lies beside the tcpeek under test."""
    tcpeek = os.environ.get("TCPEEK")
    for folder in [pathlib.Path(tcpeek).resolve().parent] if tcpeek else [ROOT / "build" / p for p in ("release", "debug")]:
        if (folder / "tcpeek-forward").exists():
            return folder / "tcpeek-forward"
    return ROOT / "build" / "release" / "tcpeek-forward"


def require() -> None:
    """For setUpModule: skips the module, loudly, where it cannot run."""
    missing = "nats-server is not installed" if shutil.which("nats-server") is None else ""
    if not os.access(binary(), os.X_OK):
        missing = f"no tcpeek-forward at {binary()}: build it or set TCPEEK"
    if not missing:
        return
    if os.environ.get("TCPEEK_REQUIRE_LIVE") == "1":
        raise RuntimeError(f"tests of tcpeek-forward are required here and cannot run: {missing}")
    print(f"\n*** LIVE TESTS SKIPPED: {missing} ***\n", file=sys.stderr, flush=True)
    raise unittest.SkipTest(missing)


def wait_for(condition: Callable[[], Any], what: str, seconds: float = DEADLINE_S) -> Any:
    return lab.wait_for(condition, what, seconds)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """A process with its output in a file."""

    def __init__(self, words: Sequence[str], log: pathlib.Path, launcher: Sequence[str] = ()) -> None:
        self._log = log
        with open(log, "ab") as output:
            self.process = subprocess.Popen([*launcher, *words], stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end on {number.name}: {self.said()[-2000:]}") from None


class NatsServer:
    """By the shipped configuration, on another port and in another folder."""

    def __init__(self, folder: pathlib.Path, launcher: Sequence[str] = (), address: str = "127.0.0.1", more: str = "") -> None:
        self._folder = folder
        self._launcher = launcher
        self.address = address
        self.port = free_port()
        self._config = folder / "nats-server.conf"
        text = SERVER_CONFIG.read_text(encoding="utf-8")
        text, changes = re.subn(r"(?m)^listen: .*$", f"listen: {address}:{self.port}", text)
        text, more_changes = re.subn('store_dir: ".*"', f'store_dir: "{folder / "jetstream"}"', text)
        assert (changes, more_changes) == (1, 1), text
        self._config.write_text(text + more, encoding="utf-8")
        self._process: Process | None = None
        self._said_before = 0

    def __enter__(self) -> NatsServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"nats://{self.address}:{self.port}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process.process

    def start(self) -> None:
        words = ("nats-server", "-c", str(self._config))
        log = self._folder / "nats-server.log"
        self._said_before = len(log.read_text(encoding="utf-8")) if log.exists() else 0
        self._process = Process(words, log, self._launcher)
        wait_for(lambda: "Server is ready" in self._since_start(), "nats-server is ready")

    def _since_start(self) -> str:
        assert self._process is not None
        if self._process.process.poll() is not None:
            raise AssertionError(f"nats-server ended: {self._process.said()}")
        return self._process.said()[self._said_before :]

    def kill(self) -> None:
        assert self._process is not None
        self._process.process.kill()
        self._process.process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.process.poll() is None:
            self._process.end(signal.SIGINT)

    def client(self) -> Client:
        return Client(self.port, self.address)

    def create_stream(self, **changes: Any) -> None:
        config = json.loads(STREAM_CONFIG.read_text(encoding="utf-8")) | changes
        with self.client() as client:
            client.create_stream(config)

    def messages(self, subjects: str = "tcpeek.events.>") -> list[Stored]:
        with self.client() as client:
            return client.messages(subjects)

    def count(self) -> int:
        with self.client() as client:
            return int(client.stream()["state"]["messages"])


class Forwarder:
    """A running tcpeek-forward."""

    def __init__(self, folder: pathlib.Path, server: str, socket_path: pathlib.Path, *options: str,
                 host: str = "web1", launcher: Sequence[str] = ()) -> None:  # fmt: skip
        self._folder = folder
        self._host = host
        self._launcher = launcher
        self.state = folder / f"{host}.state"
        self.words = [str(binary()), "--server", server, "--socket", str(socket_path), "--state", str(self.state),
                      "--host", host, *options]  # fmt: skip
        self._process: Process | None = None

    def __enter__(self) -> Forwarder:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._process is None or self._process.process.poll() is not None:
            return
        if kind is not None:
            self.kill()
            return
        status = self._process.end()
        assert status == 0, (status, self.said())

    def start(self) -> None:
        self._process = Process(self.words, self._folder / f"{self._host}.log", self._launcher)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process.process

    def said(self) -> str:
        return self._process.said() if self._process else ""

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        assert self._process is not None
        assert self._process.end() == 0, self.said()


def assert_exactly_once(case: unittest.TestCase, messages: Sequence[Stored], told: Mapping[str, int], host: str = "web1",
                        first: Mapping[str, int] | None = None) -> int:  # fmt: skip
    """Every event that was told, from the first one of its boot on, is there once, or in one gap; returns the number lost."""
    ids = collections.Counter(message.id for message in messages)
    case.assertEqual([some for some, times in ids.items() if times > 1], [], "message ids that are there twice")
    lost = 0
    for boot, last in told.items():
        covered: collections.Counter[int] = collections.Counter()
        for message in messages:
            line = message.json
            if line["host"] != host or line["boot"] != boot:
                continue
            if "gap" in line:
                covered.update(range(line["gap"]["from"], line["gap"]["to"] + 1))
                lost += line["gap"]["to"] - line["gap"]["from"] + 1
            else:
                case.assertEqual(message.id, f"{host}-{boot}-{line['seq']}")
                covered[line["seq"]] += 1
        begin = (first or {}).get(boot, 1)
        wrong = {seq: covered[seq] for seq in range(begin, last + 1) if covered[seq] != 1}
        case.assertEqual(dict(list(wrong.items())[:10]), {}, f"of {last} events of {boot}: missing (0) or twice")
        case.assertLessEqual(max(covered, default=0), last)
    return lost


@contextlib.contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Any:
    """It does not run meanwhile."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)
