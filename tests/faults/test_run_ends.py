"""Every end takes less than three seconds, whatever the sizes and whenever it is asked for.

What takes long is in the kernel: it waits for each packet socket that is closed, it clears and frees the
memory of rings and tables. TCPEEK_FAULTS=full has the sizes of a large machine.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import socket
import subprocess
import time
import unittest
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import live

import lab
from monitor import Finished, Monitor, command
from process import Process

setUpModule = lab.require

# The kernel lets a grace period pass for each socket that is closed, which takes longer on a busy machine: so it is
# tried again what takes longer than this.
LONGEST_END_S = 10.0
TRIES = 3
SIGTERM_BIT = 1 << (signal.SIGTERM - 1)
# As far as a start has come when it is interrupted: into opening sockets, making readers, making tables.
MOMENTS_S = (0.02, 0.1, 0.3, 0.5, 1.0) if live.FULL else (0.1, 0.5)
INTERFACES = 64 if live.FULL else 16


@dataclass(frozen=True)
class Size:
    options: Sequence[str]
    interfaces: int = 1

    def __str__(self) -> str:
        return f"{' '.join(self.options)} on {self.interfaces} interface(s)"

    def names(self) -> list[str]:
        return [f"veth{number}" for number in range(self.interfaces)]


LARGE = (
    Size(("--threads", "64", "-B", "8")),
    Size(("--threads", "256", "-B", "1")),
    Size(("--max-sessions", "60000000" if live.FULL else "6000000")),
    Size(("--threads", "2"), INTERFACES),
    Size(("--threads", "1"), INTERFACES),
)


class Ends(unittest.TestCase):
    network: lab.Lab

    @classmethod
    def setUpClass(cls) -> None:
        cls.network = cls.enterClassContext(lab.Lab(links=INTERFACES))

    def check(self, what: str, end: Callable[[], tuple[Finished, float]]) -> None:
        """Each time it ends well, and at least once in time."""

        def seconds() -> float:
            finished, took = end()
            live.told(f"{what}: {took:.2f} s")
            self.assertEqual(finished.status, 0, finished.stderr)
            self.assertEqual(finished.text.count("TCPEEK SUMMARY"), 1, finished.stderr)
            return took

        self.assertLess(lab.least(seconds, LONGEST_END_S, TRIES), LONGEST_END_S, what)

    def test_while_it_runs(self) -> None:
        for size in LARGE:
            with self.subTest(str(size)):
                self.check(f"end of {size}", functools.partial(self.end, size))

    def end(self, size: Size) -> tuple[Finished, float]:
        with Monitor(self.network, "-q", *size.options, interfaces=size.names(), ring_mib=None, name="ends") as monitor:
            begun = time.monotonic()
            finished = monitor.stop(signal.SIGTERM)
            return finished, time.monotonic() - begun

    def test_while_it_starts(self) -> None:
        for size in LARGE:
            for after_s in MOMENTS_S:
                with self.subTest(str(size), after_s=after_s):
                    end = functools.partial(self.interrupt_start, size, after_s)
                    self.check(f"end of {size}, {after_s:g} s after its start", end)

    def interrupt_start(self, size: Size, after_s: float) -> tuple[Finished, float]:
        process = self.start(size)
        # Not before it listens for signals.
        lab.wait_for(lambda: Process(process.pid).blocked_signals() & SIGTERM_BIT, "it listens for signals")
        time.sleep(after_s)
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=60 * LONGEST_END_S)
        return Finished(process.returncode, stdout, stderr), time.monotonic() - begun

    def start(self, size: Size) -> subprocess.Popen[str]:
        path = self.network.folder / "ends.sock"
        named = [word for name in size.names() for word in ("-i", name)]
        process = subprocess.Popen(
            self.network.host.command(*command("-q", "-U", str(path), *named, *size.options)),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.addCleanup(close, process)
        return process

    def test_where_the_start_is_refused(self) -> None:
        """When all sockets are open already: the address is in use."""
        with socket.socket(socket.AF_UNIX) as other:
            path = self.network.folder / "ends.sock"
            other.bind(str(path))
            self.addCleanup(path.unlink)
            other.listen()
            for size in LARGE:
                with self.subTest(str(size)):
                    seconds = lab.least(functools.partial(self.refused_start, size), LONGEST_END_S, TRIES)
                    self.assertLess(seconds, LONGEST_END_S)

    def refused_start(self, size: Size) -> float:
        process = self.start(size)
        begun = time.monotonic()
        stderr = process.communicate(timeout=60 * LONGEST_END_S)[1]
        seconds = time.monotonic() - begun
        self.assertEqual(process.returncode, 1, stderr)
        self.assertIn("ends.sock", stderr)
        live.told(f"refused start of {size}: {seconds:.2f} s")
        return seconds


def close(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.communicate()


if __name__ == "__main__":
    unittest.main()
