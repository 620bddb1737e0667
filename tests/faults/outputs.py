"""A tcpeek whose output or surroundings are broken, and what must hold all the same.

It counts every attempt exactly, hardly uses the CPU, and ends with status 0 when it is asked to.
"""

from __future__ import annotations

import os
import pathlib
import time
import unittest
from collections.abc import Sequence
from typing import IO, Any

import live
from process import Process
from trial import Trial, open_folder

import lab
from conversation import RX4, Conversation
from monitor import RING_MIB, Stats

ATTEMPTS = 20_000 if live.FULL else 1_000
IDLE_S = 1.0 if live.FULL else 0.4  # without traffic
BUSY = 0.2  # of a CPU with nothing to do is too much
_PIECE = 1000  # attempts, two packets each, that fit the rings whatever else the machine does
# That tcpeek waits to write the summary, and what the kernel may take on a busy machine to close its sockets.
FLUSH_S, CLOSING_S = 2.0, 30.0
OPTIONS = ("-B", str(RING_MIB), "--threads", "2")
JSON = (*OPTIONS, "--output", "json")

# A shell that closes or breaks things, and becomes the command behind it.
SHELL = ("bash", "-euc")


def in_shell(script: str) -> list[str]:
    return [*SHELL, f'{script}\nexec "$@"', "bash"]


def in_mounts(script: str) -> list[str]:
    """In a mount namespace of its own, in which the script has mounted something."""
    return ["unshare", "--mount", "--propagation", "private", *in_shell(script)]


class OutputCase(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(lab.Lab())
        open_folder(self.network)
        self.wire = self.network.wire()

    def start(self, options: Sequence[str] = OPTIONS, **how: Any) -> Trial:
        """A tcpeek that is ready under these circumstances."""
        one = Trial(self.network, options, **how)
        self.addCleanup(one.close)
        self.assertTrue(one.ready(), one.said())
        return one

    def attempts(self, one: Trial, before: int = 0, count: int = ATTEMPTS) -> Stats:
        """So many connections are refused, and all of them are counted as that."""

        def counted(wanted: int) -> Stats | None:
            stats = Stats(one.ask())
            return stats if stats.totals["refused"] >= wanted and stats.settled() else None

        for number in range(1, count + 1):
            talk = Conversation(self.wire, RX4)
            talk.syn()
            talk.refuse()
            if number % _PIECE == 0 or number == count:
                wanted = before + number
                stats = lab.wait_for(lambda: counted(wanted), f"{wanted} attempts are counted")
        self.assertEqual((stats.totals["attempts"], stats.totals["refused"]), (before + count,) * 2)
        self.assertEqual(stats.packets("dropped"), 0)
        stats.check_accounting()
        return stats

    def check_idle(self, one: Trial) -> float:
        """What it uses of a CPU while there is no traffic, as a share: the least of some times, as lines of the traffic
        before may still be written."""
        process = Process(one.main_pid())

        def share() -> float:
            before = process.cpu_s()
            time.sleep(IDLE_S)  # the time over which is measured
            return (process.cpu_s() - before) / IDLE_S

        used = lab.least(share, BUSY)
        self.assertLess(used, BUSY, "busy with nothing to do")
        return used

    def check(self, name: str, one: Trial, ends_within_s: float = CLOSING_S) -> Stats:
        """All of it, one after the other; tells the figures."""
        self.check_standard_descriptors(one)
        self.attempts(one)
        idle = self.check_idle(one)
        stats = Stats(one.ask())
        lost = stats.json["server"]["lines_lost"]
        began = time.monotonic()
        self.assertEqual(one.end(), 0, one.said()[-300:])
        seconds = time.monotonic() - began
        self.assertLess(seconds, ends_within_s)
        live.told(
            f"{name}: {ATTEMPTS} of {ATTEMPTS} attempts counted, {lost} lines lost, "
            f"{100 * idle:.1f} % of a CPU when idle, ended with 0 after {seconds:.1f} s"
        )
        return stats

    def check_standard_descriptors(self, one: Trial) -> None:
        """None of the three is something that tcpeek opened for its own use."""
        for number in range(3):
            leads_to = os.readlink(f"/proc/{one.main_pid()}/fd/{number}")
            self.assertNotRegex(leads_to, r"socket:|eventpoll|eventfd|timerfd|\.lock$")

    def full_disk(self) -> IO[bytes]:
        """A file on a file system with no room left; gone with the test."""
        folder = pathlib.Path(f"{self.network.folder}.full")
        folder.mkdir()
        self.addCleanup(folder.rmdir)
        lab.run("mount", "-t", "tmpfs", "-o", "size=16k", "tcpeek-test", str(folder))
        self.addCleanup(lab.run, "umount", str(folder))
        file = open(folder / "output", "wb", buffering=0)
        self.addCleanup(file.close)
        return file
