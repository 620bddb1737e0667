"""A terminal that a program runs in: a pseudo-terminal on one side, pyte's screen on the other.

`text()` is what somebody would see. Nothing here waits for a time: `wait_for` reads until a condition holds.
"""

from __future__ import annotations

import errno
import fcntl
import importlib
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

DEADLINE_S = 60.0
DEBIAN_PACKAGES = "/usr/lib/python3/dist-packages"  # of Debian's own Python, which may not be the one that runs this
# What pyte 0.8 does not know and would show: the cursor shapes and colours of a Linux console.
UNKNOWN_TO_PYTE = re.compile(rb"\x1b\[\?[0-9;]*c|\x1b\][PR][0-9a-f]{0,7}")


def import_pyte() -> Any:
    try:
        return importlib.import_module("pyte")
    except ModuleNotFoundError:
        sys.path.append(DEBIAN_PACKAGES)
        return importlib.import_module("pyte")


class Terminal:
    """Use as a context manager: the program is gone outside."""

    def __init__(
        self, command: Sequence[str], columns: int = 80, rows: int = 24, environment: Mapping[str, str] | None = None
    ) -> None:
        pyte = import_pyte()
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        self._master, slave = pty.openpty()
        self._set_size(columns, rows)
        given = {"TERM": "linux", "LANG": "C.UTF-8", **(environment or {})}
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in ("LC_ALL", "NO_COLOR", "COLUMNS", "LINES", "TMUX")
        }
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**kept, **given},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE_S)
        os.close(self._master)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        self._set_size(columns, rows)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def pump(self, seconds: float = 0.05) -> bool:
        """Shows what the program wrote; False at its end."""
        if not select.select([self._master], [], [], seconds)[0]:
            return True
        try:
            piece = os.read(self._master, 65536)
        except OSError as error:
            if error.errno == errno.EIO:  # nobody is on the other side any more
                return False
            raise
        self.raw += piece
        self._stream.feed(UNKNOWN_TO_PYTE.sub(b"", piece))
        return bool(piece)

    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    def text(self) -> str:
        return "\n".join(self.lines())

    def wait_for(self, wanted: str | Callable[[], bool], seconds: float = DEADLINE_S) -> str:
        """The screen once it shows a text, or a condition holds."""
        deadline = time.monotonic() + seconds
        holds = (lambda: str(wanted) in self.text()) if isinstance(wanted, str) else wanted
        while not holds():
            alive = self.pump()
            if holds():
                break
            if not alive or time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:g} s: {wanted!r} on\n{self.text()}")
        self._finish_frame()
        return self.text()

    def _finish_frame(self) -> None:
        """A terminal passes on 4 KiB at a time, so the text may be there and the rows below it not yet."""
        until = time.monotonic() + 2
        seen = -1
        while seen != len(self.raw) and time.monotonic() < until:
            seen = len(self.raw)
            if not self.pump(0.15):
                return

    def wait_end(self) -> int:
        """Its exit status."""
        deadline = time.monotonic() + DEADLINE_S
        while self.pump() and time.monotonic() < deadline:
            pass
        return self.process.wait(DEADLINE_S)

    def colours(self) -> set[str]:
        """Of all cells."""
        return {cell.fg for row in self.screen.buffer.values() for cell in row.values()}
