"""One start of tcpeek under a fault: it ends by itself and says why, or it is ready.

Made for many starts in a row. Each checks what must hold whatever the fault: an end by exit and not
by a signal, one line that says what failed and to what, nothing left behind, and within a deadline.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

import live  # noqa: F401  (the path to tests/live)

import lab
import monitor

DEADLINE_S = 60.0

# What belongs to the rights of a thread, in /proc/PID/task/TID/status.
_RIGHTS = re.compile(r"^(Uid|Gid|Groups|Cap\w+|NoNewPrivs|Seccomp):\s*(.*?)\s*$", re.MULTILINE)

# What strerror() says of the errors that tests provoke: no message may consist of that alone.
_BARE = frozenset(os.strerror(number).lower() for number in range(1, 134))

# What is printed before the first packet is read.
_FIRST_LINES = re.compile(r"listening on |\d+ readers? with rings | TIME\(s\) \||-+$")

_serial = itertools.count()

Rights = frozenset[tuple[tuple[str, str], ...]]


class Trial:
    """A tcpeek that was just started, in the namespace and folder of a lab."""

    def __init__(
        self,
        network: lab.Lab,
        options: Sequence[str],
        *,
        launcher: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        stdout: IO[bytes] | int = subprocess.DEVNULL,
        stderr: IO[bytes] | None = None,
    ) -> None:
        self.path = network.folder / "tcpeek.sock"
        self._error_path = network.folder.parent / f"{network.folder.name}-{next(_serial)}.err"
        words = [*launcher, *monitor.command("-U", str(self.path), "-i", "veth0", *options)]
        with open(self._error_path, "wb") as errors:
            self.began = time.monotonic()
            self.process = subprocess.Popen(
                network.host.command(*words),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr or errors,
                env={**os.environ, **(environment or {})},
            )
        self.words = words

    def ask(self, word: bytes = b"STATS") -> bytes:
        return monitor.ask(self.path, word + b"\n", DEADLINE_S)

    def ready(self, word: bytes = b"STATS") -> bool:
        """Waits until it answers, true, or has ended, false."""
        while time.monotonic() < self.began + DEADLINE_S:
            if self.process.poll() is not None:
                return False
            with contextlib.suppress(OSError):
                if self.ask(word):
                    return True
            time.sleep(0.001)
        raise AssertionError(f"neither ready nor ended: {self.words}: {self.said()}")

    def said(self) -> str:
        return self._error_path.read_text(encoding="utf-8", errors="replace")

    def main_pid(self) -> int:
        """Of tcpeek itself, which may run under a launcher."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        name = pathlib.Path(f"/proc/{self.process.pid}/comm").read_text(encoding="ascii").strip()
        return self.process.pid if name == "tcpeek" else int(children.read_text(encoding="ascii").split()[0])

    def rights(self) -> Rights:
        """What its threads may do; one entry if all may do the same."""
        found = set()
        for task in pathlib.Path(f"/proc/{self.main_pid()}/task").iterdir():
            found.add(tuple(_RIGHTS.findall((task / "status").read_text(encoding="ascii"))))
        return frozenset(found)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Asks it to end; its exit status, or less than 0 for the signal that killed it."""
        os.kill(self.main_pid(), number)
        return self.wait()

    def wait(self) -> int:
        try:
            return self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end: {self.words}: {self.said()}") from None

    def close(self) -> None:
        if self.process.poll() is None:
            # Under a launcher that traces it, it goes with the tracer's help or not at all.
            with contextlib.suppress(OSError, IndexError, ValueError):
                os.kill(self.main_pid(), signal.SIGKILL)
            self.process.kill()
            self.process.wait()
        self._error_path.unlink(missing_ok=True)

    def check_refusal(self) -> str:
        """It has ended: with status 1 and one line that names what failed. Returns that line."""
        status, said = self.process.returncode, self.said()
        assert status == 1, f"ended with {status}: {self.words}: {said}"
        lines = [line for line in said.splitlines() if not _FIRST_LINES.match(line)]
        assert len(lines) == 1 and lines[0].startswith("tcpeek: "), f"{self.words}: {said!r}"
        reason = lines[0].removeprefix("tcpeek: ")
        assert reason.lower() not in _BARE, f"says not what failed: {said!r}"
        assert re.search(r"std::|terminate|what\(\)|basic_string|vector", reason) is None, said
        return reason

    def check_end(self) -> None:
        """It is ready; asked to end it does, and says nothing of trouble on the way."""
        status = self.end()
        assert status == 0, f"ended with {status}: {self.words}: {self.said()}"
        assert "TCPEEK SUMMARY" in self.said(), self.said()

    def check_nothing_left(self) -> None:
        left = sorted(entry.name for entry in self.path.parent.iterdir())
        assert left == [], f"left behind {left}: {self.words}: {self.said()}"


@contextlib.contextmanager
def trial(
    network: lab.Lab,
    options: Sequence[str],
    *,
    launcher: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Trial]:
    made = Trial(network, options, launcher=launcher, environment=environment)
    try:
        yield made
    finally:
        made.close()


def open_folder(network: lab.Lab) -> None:
    """Anybody may tidy up in the folder: tcpeek half way to another user is neither of the two."""
    network.folder.chmod(0o777)


def sanitized() -> bool:
    """A sanitizer brings an allocator and a start of its own."""
    program = lab.binary().read_bytes()
    return b"__asan_init" in program or b"__tsan_init" in program


def needs(tool: str) -> None:
    """A test without its tool fails: scripts/setup installs it."""
    assert shutil.which(tool) is not None, f"{tool} is not installed: run scripts/setup"
