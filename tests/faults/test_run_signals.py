"""Signals that end the program, at odd moments: it ends once, with status 0 and one summary, or, where
it has not begun to listen for them, as any program does, leaving nothing behind."""

from __future__ import annotations

import collections
import contextlib
import itertools
import os
import pathlib
import random
import signal
import subprocess
import time
import unittest

import live

import flows
import lab
from burst import Burst
from monitor import Finished, Monitor, command
from process import Process

setUpModule = lab.require

STARTS = 200 if live.FULL else 20
ENDS = 30 if live.FULL else 3
NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
NUMBERS_MASK = sum(1 << (number - 1) for number in NUMBERS)
LONGEST_START_S = 0.1
SEED = 20261123


class Signals(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(lab.Lab())

    def check_ended(self, finished: Finished) -> None:
        self.assertEqual(finished.status, 0, finished.stderr)
        self.assertEqual(finished.text.count("TCPEEK SUMMARY"), 1, finished.stderr)
        self.check_nothing_left()

    def check_nothing_left(self) -> None:
        left = [path.name for path in self.network.folder.iterdir() if ".sock" in path.name]
        self.assertEqual(left, [])

    def test_during_the_start(self) -> None:
        dice = random.Random(SEED)
        outcomes: collections.Counter[str] = collections.Counter()
        for turn, number in enumerate(itertools.islice(itertools.cycle(NUMBERS), STARTS)):
            after_s = LONGEST_START_S * dice.random() ** 4  # most within the first milliseconds
            finished = self.start_and_signal(number, after_s, listens=turn % 4 == 3)
            with self.subTest(number=number.name, after_s=after_s):
                self.check_nothing_left()
                if finished.status == -number:
                    # Before it had begun to listen for signals, hence before it said or made anything.
                    self.assertEqual(finished.text, "")
                    self.assertNotEqual(turn % 4, 3, "it listened already")
                    outcomes["before it listened"] += 1
                    continue
                self.check_ended(finished)
                outcomes["with status 0 and a summary"] += 1
        self.assertGreater(outcomes["with status 0 and a summary"], 0)
        live.told(f"{STARTS} signals within {LONGEST_START_S * 1000:g} ms of the start, a quarter of them of the moment "
                  f"from which it listens: ended {dict(outcomes)}")  # fmt: skip

    def start_and_signal(self, number: signal.Signals, after_s: float, listens: bool) -> Finished:
        """So long after it was started, or after it listens for signals."""
        path = self.network.folder / "start.sock"
        words = self.network.host.command(*command("-U", str(path), "-i", "veth0", "-B", "4"))
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)  # fmt: skip
        while not is_tcpeek(process.pid):  # but still ip
            self.assertIsNone(process.poll())
        if listens:
            lab.wait_for(lambda: NUMBERS_MASK & Process(process.pid).blocked_signals() == NUMBERS_MASK, "it listens")
        time.sleep(after_s)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=lab.DEADLINE_S)
        return Finished(process.returncode, stdout, stderr)

    def test_all_of_them_again_and_again_until_the_end(self) -> None:
        """Under load, so that there is something to read before the end."""
        sender = self.network.peer.raw_socket("veth0")
        self.addCleanup(sender.close)
        sent_signals = []
        for turn in range(ENDS):
            load = Burst(list(flows.handshakes(turn * 10_000, 10_000)))
            monitor = Monitor(self.network, "-q", "--threads", "2", name=f"end{turn}")
            with monitor:
                sent = load.send(sender)
                process = monitor.process
                count = 0
                # Not waited for meanwhile, so the number stays this process's to the last signal.
                while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                    for number in NUMBERS:
                        os.kill(process.pid, number)
                    count += len(NUMBERS)
                sent_signals.append(count)
                process.wait(lab.DEADLINE_S)
                finished = Finished(process.returncode, monitor.stdout(), monitor.stderr())
                self.check_ended(finished)
                self.assertRegex(finished.stderr, rf"\n +recv +: {sent}\n", "what was captured was read first")
        live.told(f"{ENDS} ends under load, {min(sent_signals)} to {max(sent_signals)} signals each: "
                  "status 0 and one summary every time")  # fmt: skip

    def test_no_signal_counts_once_the_end_has_begun(self) -> None:
        """A standard error that nobody reads makes the end last long enough to look."""
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        fill(write_end)
        path = self.network.folder / "held.sock"
        words = self.network.host.command(*command("-U", str(path), "-i", "veth0", "-B", "4"))
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=write_end)
        os.close(write_end)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        lab.wait_for(path.exists, "it listens")
        process.send_signal(signal.SIGTERM)
        held = Process(process.pid)
        lab.wait_for(lambda: process.poll() is not None or NUMBERS_MASK & held.blocked_signals() == NUMBERS_MASK,
                     "it holds signals back")  # fmt: skip
        self.assertIsNone(process.poll(), "it ended without ever holding a signal back")
        for number in NUMBERS:
            process.send_signal(number)
        self.assertEqual(process.wait(lab.DEADLINE_S), 0)
        self.check_nothing_left()


def fill(pipe: int) -> None:
    os.set_blocking(pipe, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, b"\n" * 65536)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, b"\n")
    os.set_blocking(pipe, True)


def is_tcpeek(pid: int) -> bool:
    return pathlib.Path(f"/proc/{pid}/exe").readlink().name == lab.binary().name


if __name__ == "__main__":
    unittest.main()
