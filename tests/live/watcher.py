"""A client of WATCH: connects, reads lines, and knows how far it has got."""

from __future__ import annotations

import json
import pathlib
import socket
import time
from typing import Any

import lab


class Watcher:
    """Connected from the moment that it is made; `boot` and `at` are from its first line."""

    def __init__(self, path: pathlib.Path, arguments: str = "") -> None:
        self._rest = b""
        first = self._begin(path, arguments)
        self.boot = str(first["boot"])
        self.at = int(first["at"])

    def _begin(self, path: pathlib.Path, arguments: str) -> Any:
        """The first line. Who was kept from asking for a second is closed, and comes again."""
        while True:
            begun, asked_in_time = time.monotonic(), False
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.connect(str(path))
            self._socket.settimeout(lab.DEADLINE_S)
            try:
                self._socket.sendall(f"WATCH {arguments}\n".encode())
                asked_in_time = time.monotonic() - begun < 0.5
                return self.line()
            except (EOFError, ConnectionError):
                self._socket.close()
                if time.monotonic() - begun < 0.5 or asked_in_time:
                    raise

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def end_sending(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def line(self) -> Any:
        """The next one; EOFError at the end."""
        while b"\n" not in self._rest:
            chunk = self._socket.recv(65536)
            if not chunk:
                raise EOFError(f"the stream ended: {self._rest!r}")
            self._rest += chunk
        line, self._rest = self._rest.split(b"\n", 1)
        return json.loads(line)

    def lines(self, count: int) -> list[Any]:
        return [self.line() for _ in range(count)]

    def lines_for(self, seconds: float) -> list[Any]:
        """All that come within that time."""
        lines = []
        end = time.monotonic() + seconds
        try:
            while (left := end - time.monotonic()) > 0:
                self._socket.settimeout(left)
                lines.append(self.line())
        except TimeoutError:
            pass
        finally:
            self._socket.settimeout(lab.DEADLINE_S)
        return lines

    def wait_for(self, **members: object) -> Any:
        """The next line with these members; what comes before is passed over."""
        while True:
            line = self.line()
            if all(line.get(name) == value for name, value in members.items()):
                return line

    def ended(self) -> bool:
        """Reads to the end."""
        try:
            while True:
                self.line()
        except EOFError:
            return True
