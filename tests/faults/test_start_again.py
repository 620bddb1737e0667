"""tcpeek is killed at once, again and again, and started again: the next start always works, soon.

A living one is never driven away from its socket, not even by many that start at the same moment.
"""

from __future__ import annotations

import contextlib
import signal
import statistics
import time
import unittest

import live
from trial import Trial, trial

import lab

setUpModule = lab.require

KILLS = 1000 if live.FULL else 50
ROUNDS = 50 if live.FULL else 3
AT_ONCE = 20
# From execve() to the first answer, and for how many of all starts; in the quick form, where others use the machine as
# well, for the quickest.
READY_S, PUNCTUAL = 0.3, 0.99 if live.FULL else 0.0
OPTIONS = ("-B", "4", "--threads", "2")
REFUSED = "another tcpeek is running there"


class Killed(unittest.TestCase):
    def test_each_start_works(self) -> None:
        network = self.enterContext(lab.Lab())
        seconds = []
        for number in range(KILLS):
            with trial(network, OPTIONS) as one:
                self.assertTrue(one.ready(), f"start {number}: {one.said()}")
                seconds.append(time.monotonic() - one.began)
                one.process.kill()
                one.wait()
            names = {entry.name for entry in network.folder.iterdir()}
            self.assertEqual(names, {"tcpeek.sock", "tcpeek.sock.lock"}, "what a killed one leaves")
        seconds.sort()
        median, slowest = statistics.median(seconds), seconds[-1]
        live.told(
            f"killed and started again: {KILLS} times, {KILLS} worked; ready after {1000 * median:.0f} ms "
            f"(median), {1000 * seconds[int(0.99 * KILLS)]:.0f} ms (99 of 100), {1000 * slowest:.0f} ms (slowest); "
            f"later than {1000 * READY_S:.0f} ms: {sum(each > READY_S for each in seconds)}"
        )
        self.assertLess(seconds[int(PUNCTUAL * KILLS)], READY_S)
        with trial(network, OPTIONS) as last:
            self.assertTrue(last.ready(), last.said())
            last.check_end()
            last.check_nothing_left()


class Taken(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(lab.Lab())

    def test_a_living_socket_is_not_stolen(self) -> None:
        with trial(self.network, OPTIONS) as first:
            self.assertTrue(first.ready(), first.said())
            inode = first.path.stat().st_ino
            for _ in range(3):
                with trial(self.network, OPTIONS) as second:
                    self.assertEqual(second.wait(), 1)
                    self.assertIn(REFUSED, second.check_refusal())
                self.assertTrue(first.ask().startswith(b"{"))
            self.assertEqual(first.path.stat().st_ino, inode)
            first.check_end()
            first.check_nothing_left()

    def test_a_hung_one_is_not_driven_away(self) -> None:
        """It does not answer, but it is there, and its lock with it."""
        with trial(self.network, OPTIONS) as first:
            self.assertTrue(first.ready(), first.said())
            first.process.send_signal(signal.SIGSTOP)
            try:
                with trial(self.network, OPTIONS) as second:
                    self.assertEqual(second.wait(), 1)
                    self.assertIn(REFUSED, second.check_refusal())
            finally:
                first.process.send_signal(signal.SIGCONT)
            self.assertTrue(first.ask().startswith(b"{"))
            first.check_end()

    def test_of_many_at_once_one_wins(self) -> None:
        for number in range(ROUNDS):
            # In every second round over what a killed one left.
            with self.subTest(round=number), contextlib.ExitStack() as stack:
                if number % 2:
                    self.leave_debris()
                started = [stack.enter_context(trial(self.network, OPTIONS)) for _ in range(AT_ONCE)]
                self.check_one_winner(started)
        live.told(
            f"started at once: {AT_ONCE}, {ROUNDS} times; each time one served, {AT_ONCE - 1} were refused"
        )

    def leave_debris(self) -> None:
        with trial(self.network, OPTIONS) as one:
            self.assertTrue(one.ready(), one.said())
            one.process.kill()
            one.wait()

    def check_one_winner(self, started: list[Trial]) -> None:
        lab.wait_for(
            lambda: sum(one.process.poll() is None for one in started) <= 1, "all but one have ended"
        )
        (winner,) = [one for one in started if one.process.poll() is None]
        for one in started:
            if one is not winner:
                self.assertIn(REFUSED, one.check_refusal())
        self.assertTrue(winner.ready(), winner.said())
        winner.check_end()
        winner.check_nothing_left()


if __name__ == "__main__":
    unittest.main()
