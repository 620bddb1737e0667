"""A nats-server of the test's own, and as much of a publisher as tests need."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

DEADLINE_S = 60.0
SUBJECT = "tcpeek.events"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class NatsServer:
    """Use as a context manager: it listens inside, and is gone outside. Its store stays, so it can be started again."""

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        program = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")
        if program is None:
            raise AssertionError("nats-server is not installed: run scripts/setup")
        self.port = free_port()
        self.log = folder / "nats.log"
        self._command = [program, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(folder / "store")]
        self._command += [*options, "-l", str(self.log)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> NatsServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + DEADLINE_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"nats-server did not start:\n{self.log.read_text() if self.log.exists() else ''}")
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE_S)
            self._process = None

    def _is_ready(self) -> bool:
        return self.log.exists() and "Server is ready" in self.log.read_text()

    def publish(self, connection: Any, lines: Iterable[bytes]) -> None:
        """JSON lines with a host, on its subject, each acknowledged by the stream; `connection` is tcpeekstat's."""
        for line in lines:
            event = json.loads(line)
            result = event.get("result", event.get("event", "gap"))
            connection.request(f"{SUBJECT}.{event['host']}.{result}", event)

    @staticmethod
    def make_stream(connection: Any, name: str = "tcpeek", **more: Any) -> None:
        config: Mapping[str, Any] = {"name": name, "subjects": [f"{SUBJECT}.>"], "storage": "file", **more}
        connection.request(f"$JS.API.STREAM.CREATE.{name}", config)


@contextlib.contextmanager
def connected(tool: Any, port: int, user: str = "", password: str = "") -> Any:
    connection = tool.NatsConnection(tool.NatsPlace("127.0.0.1", port, False, user, password), None)
    try:
        yield connection
    finally:
        connection.close()
