"""Attempts that nobody ends: expiry on an idle link, and what loss does to it."""

import time
import unittest

import frames
import lab
from conversation import POSITIONS, RX4, Conversation, Position, pause
from lab import Lab
from monitor import Monitor, difference, stopped
from scenario import SUCCESS, ScenarioCase, counts

setUpModule = lab.require

TRIES = 10  # at what has to be played without a pause


class Timeouts(ScenarioCase):
    options = ("--capture", "tcp", "--timeout", "1")

    def expire(self, scenario: str, **expected: int) -> None:
        for _ in range(TRIES):
            before = self.monitor.stats()
            slowest = max(self.seconds_of(scenario, position) for position in POSITIONS)
            lab.wait_for(self._all_ended, f"timeouts of {scenario}")
            if slowest < 0.8:  # so none of them ended while it was being played
                return self.check(before, self.monitor.stats(), expected, {}, POSITIONS)
        raise AssertionError(f"{scenario} was never played within 0.8 s")

    def seconds_of(self, scenario: str, position: Position) -> float:
        began = time.monotonic()
        getattr(self, f"play_{scenario}")(self.conversation(position))
        return time.monotonic() - began

    def _all_ended(self) -> bool:
        stats = self.monitor.stats()
        delivered = stats.packets("delivered") == self.wire.sent
        return delivered and stats.settled() and stats.totals["pending"] == 0

    def _ended(self) -> int:
        totals = self.monitor.stats().totals
        return totals["no_answer"] + totals["no_ack"]

    @staticmethod
    def play_unanswered(c: Conversation) -> None:
        c.syn()

    @staticmethod
    def play_never_acknowledged(c: Conversation) -> None:
        c.syn()
        c.synack()

    @staticmethod
    def play_repeated(c: Conversation) -> None:
        c.syn()
        for _ in range(2):
            pause()
            c.syn()
        c.synack()
        pause()
        c.synack()

    def test_no_answer(self) -> None:
        start = time.monotonic()
        self.expire("unanswered", attempts=1, no_answer=1)
        self.assertGreater(time.monotonic() - start, 1.0)

    def test_no_ack(self) -> None:
        self.expire("never_acknowledged", attempts=1, no_ack=1)

    @staticmethod
    def play_misfit(c: Conversation) -> None:
        c.syn()
        c.synack()
        c.ack(ack=0x40000000)

    def test_a_segment_that_misfits_makes_it_uncertain(self) -> None:
        """It may have been a proof that nobody could recognise, or a forger's guess."""
        self.expire("misfit", attempts=1, no_ack=1, uncertain=1)

    def test_duplicates_of_a_failure(self) -> None:
        self.expire(
            "repeated",
            attempts=1,
            no_ack=1,
            failed_dup_syn=1,
            failed_dup_syn_segments=2,
            failed_dup_synack=1,
            failed_dup_synack_segments=1,
        )

    def test_late_copy_after_the_timeout(self) -> None:
        talks = [self.conversation(position) for position in POSITIONS]
        ended = self._ended() + len(talks)
        for talk in talks:
            talk.syn()
        lab.wait_for(lambda: self._ended() == ended, "the attempts time out")
        before = self.monitor.stats()
        for talk in talks:
            talk.syn()
        after = self.monitor.wait_delivered(before.packets("delivered") + len(talks))
        self.assertEqual(difference(after.totals, before.totals), {})
        self.assertEqual(after.other()["late_syns"], before.other()["late_syns"] + len(talks))
        after.check_accounting()


class Patience(ScenarioCase):
    options = ("--capture", "tcp", "--timeout", "3")

    def test_each_handshake_segment_starts_the_wait_anew(self) -> None:
        # Two pauses are longer than the timeout, and one that was as long by itself is tried again.
        for _ in range(TRIES):
            before = self.monitor.stats()
            longest = self.play_slowly()
            after = self.monitor.wait_delivered(before.packets("delivered") + 4 * len(POSITIONS))
            if longest < 2.8:
                break
            lab.wait_for(lambda: self.monitor.stats().totals["pending"] == 0, "all have ended")
        for position in POSITIONS:
            expected = {**SUCCESS, "dup_syn": 1, "dup_syn_segments": 1}
            self.assertEqual(difference(after.filters[position.name], before.filters[position.name]), expected)

    def play_slowly(self) -> float:
        """The longest time from the beginning of a step to the end of the next one."""
        talks = [self.conversation(position) for position in POSITIONS]
        began: list[float] = []
        ended: list[float] = []
        for step in ("syn", "syn", "synack", "ack"):
            if began:
                time.sleep(1.6)
            began.append(time.monotonic())
            for talk in talks:
                getattr(talk, step)()
            ended.append(time.monotonic())
        return max(later - earlier for earlier, later in zip(began, ended[1:], strict=False))


class Loss(unittest.TestCase):
    def test_timeouts_are_uncertain_after_drops(self) -> None:
        """The ring overflows while an attempt is pending: we may have missed its answer."""
        with Lab() as network, Monitor(network, "--timeout", "2", "--threads", "1", ring_mib=1) as monitor:
            wire = network.wire()
            Conversation(wire, RX4).syn()
            monitor.wait_counts({"attempts": 1})
            with stopped(monitor):
                stray = frames.ethernet(
                    frames.ipv4(
                        RX4.peer,
                        RX4.host,
                        frames.PROTOCOL_TCP,
                        frames.tcp(RX4.peer, RX4.host, 1, 1, seq=1, ack=1, flags=frames.ACK),
                    )
                )
                for _ in range(20000):
                    wire.from_peer(stray)
            after = monitor.wait_counts({"no_answer": 1})
            self.assertGreater(after.packets("dropped"), 0)
            self.assertEqual(after.packets("seen"), wire.sent)
            self.assertEqual(after.totals["uncertain"], 1)
            after.check_accounting()

    def test_full_table_evicts_and_counts(self) -> None:
        attempts = 6000
        with Lab() as network, Monitor(
            network, "--timeout", "3600", "--max-sessions", "1000", "--threads", "1", "-q", ring_mib=64
        ) as monitor:
            wire = network.wire()
            for _ in range(attempts):
                Conversation(wire, RX4).syn()
            after = monitor.wait_delivered(attempts)
            self.assertEqual(after.totals["attempts"], attempts)
            self.assertGreater(after.totals["evicted"], 0)
            self.assertEqual(after.totals["pending"] + after.totals["evicted"], attempts)
            self.assertEqual(after.filters["RX"]["evicted"], after.totals["evicted"])
            after.check_accounting()
            # Evicted attempts are in no member of the original's reply.
            self.assertTrue(monitor.ask("GET").startswith(b'[{"RX":{"success":{"total":0,"dupsyn":0,'))
            self.assertEqual(counts(), difference(after.filters["TX"], {}))


if __name__ == "__main__":
    unittest.main()
