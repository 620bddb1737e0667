"""Segments that come again: retransmissions, copies made by the capture, reused ports, late arrivals."""

import time
import unittest

import lab
from conversation import POSITIONS, Conversation, pause
from frames import ACK, RST, SYN
from monitor import difference
from scenario import SUCCESS, ScenarioCase, counts, plus

setUpModule = lab.require


class Retransmissions(ScenarioCase):
    def test_syn(self) -> None:
        for repeats in (1, 3):

            def scenario(c: Conversation, repeats: int = repeats) -> None:
                c.syn()
                for _ in range(repeats):
                    pause()
                    c.syn()
                c.synack()
                c.ack()

            with self.subTest(repeats=repeats):
                self.play(scenario, plus(SUCCESS, dup_syn=1, dup_syn_segments=repeats), unused=0)

    def test_synack(self) -> None:
        for repeats in (1, 3):

            def scenario(c: Conversation, repeats: int = repeats) -> None:
                c.syn()
                c.synack()
                for _ in range(repeats):
                    pause()
                    c.synack()
                c.ack()

            with self.subTest(repeats=repeats):
                self.play(scenario, plus(SUCCESS, dup_synack=1, dup_synack_segments=repeats), unused=0)

    def test_syn_after_the_answer(self) -> None:
        """The answer was lost behind the monitor: both repeat."""

        def scenario(c: Conversation) -> None:
            c.syn()
            c.synack()
            pause()
            c.syn()
            c.synack()
            c.ack()

        expected = plus(SUCCESS, dup_syn=1, dup_syn_segments=1, dup_synack=1, dup_synack_segments=1)
        self.play(scenario, expected, unused=0)

    def test_synack_with_another_sequence_number(self) -> None:
        """No duplicate, and the handshake may complete with either."""
        for chosen in (0, 5000):

            def scenario(c: Conversation, chosen: int = chosen) -> None:
                c.syn()
                c.synack()
                pause()
                c.from_responder(SYN | ACK, seq=5000, ack=1)
                c.ack(ack=chosen + 1)

            with self.subTest(chosen=chosen):
                self.play(scenario, SUCCESS)


class Copies(ScenarioCase):
    """A wide window, so that a slow machine changes nothing."""

    options = ("--capture", "tcp", "--timeout", "3600", "--copy-window", "1000")

    def test_copies_are_no_retransmissions(self) -> None:
        def scenario(c: Conversation) -> None:
            c.syn()
            c.syn()
            c.synack()
            c.synack()
            c.synack()
            c.ack()
            c.ack()

        self.play(scenario, SUCCESS, other=counts(syn_copies=1, synack_copies=2))


class CopyWindowOff(ScenarioCase):
    options = ("--capture", "tcp", "--timeout", "3600", "--copy-window", "0")

    def test_every_repeat_is_a_retransmission(self) -> None:
        def scenario(c: Conversation) -> None:
            c.syn()
            c.syn()
            c.synack()
            c.synack()
            c.synack()
            c.ack()

        expected = plus(SUCCESS, dup_syn=1, dup_syn_segments=1, dup_synack=1, dup_synack_segments=2)
        self.play(scenario, expected, unused=0)


class DefaultCopyWindow(ScenarioCase):
    def test_two_milliseconds(self) -> None:
        """The sends are timed; a round in which the machine was slower than the window is played anew."""
        for _ in range(100):
            before = self.monitor.stats()
            slowest = 0.0
            for position in POSITIONS:
                c = self.conversation(position)
                start = time.monotonic()
                c.syn()
                c.syn()
                slowest = max(slowest, time.monotonic() - start)
                c.synack()
                c.ack()
            after = self.monitor.wait_delivered(before.packets("delivered") + 4 * len(POSITIONS))
            if slowest > 0.0015:
                continue
            self.assertEqual(after.other()["syn_copies"], before.other()["syn_copies"] + len(POSITIONS))
            self.assertEqual(after.totals["dup_syn"], before.totals["dup_syn"])
            return
        self.fail("two sends never took less than the copy window")


class ReusedPorts(ScenarioCase):
    def test_new_syn_while_pending(self) -> None:
        """The initiator gave the old attempt up: a timeout, at once."""

        def unanswered(c: Conversation) -> None:
            c.syn()
            c.isn += 77777
            c.succeed()

        def answered(c: Conversation) -> None:
            c.syn()
            c.synack()
            c.isn += 77777
            c.responder_isn += 99999
            c.succeed()

        self.play(unanswered, plus(SUCCESS, attempts=1, superseded=1), unused=0)
        self.play(answered, plus(SUCCESS, attempts=1, superseded=1), unused=0)

    def test_new_syn_after_an_outcome(self) -> None:
        def after_success(c: Conversation) -> None:
            c.succeed()
            c.isn += 77777
            c.responder_isn += 99999
            c.succeed()

        def after_refusal(c: Conversation) -> None:
            c.syn()
            c.refuse()
            c.isn += 77777
            c.succeed()

        self.play(after_success, plus(SUCCESS, **SUCCESS), unused=0)
        self.play(after_refusal, plus(SUCCESS, attempts=1, refused=1), unused=0)

    def test_syn_from_the_responder_once_it_answered(self) -> None:
        def scenario(c: Conversation) -> None:
            c.syn()
            c.synack()
            c.reversed(isn=0x30000000, responder_isn=0x40000000).succeed()

        self.play(scenario, counts(attempts=1, superseded=1), reverse=SUCCESS, unused=0)

    def test_syn_from_the_responder_after_success(self) -> None:
        def scenario(c: Conversation) -> None:
            c.succeed()
            c.reversed(isn=0x30000000, responder_isn=0x40000000).succeed()

        self.play(scenario, SUCCESS, reverse=SUCCESS, unused=0)


class LateSegments(ScenarioCase):
    options = ("--capture", "tcp", "--timeout", "3600")

    def test_late_copies_of_the_syn_open_nothing(self) -> None:
        def after_success(c: Conversation) -> None:
            c.succeed()
            pause()
            c.syn()

        def after_refusal(c: Conversation) -> None:
            c.syn()
            c.refuse()
            pause()
            c.syn()
            c.refuse()

        def after_abort(c: Conversation) -> None:
            c.syn()
            c.abort()
            pause()
            c.syn()

        self.play(after_success, SUCCESS, other=counts(late_syns=1))
        self.play(after_refusal, counts(attempts=1, refused=1), other=counts(late_syns=1))
        self.play(after_abort, counts(attempts=1, aborted=1), other=counts(late_syns=1))

    def test_synack_repeated_after_success(self) -> None:
        """A full accept queue: the responder drops the completing ACK."""

        def scenario(c: Conversation) -> None:
            c.succeed()
            for _ in range(2):
                pause()
                c.synack()
                c.ack()

        self.play(scenario, plus(SUCCESS, late_synack=2))

    def test_tried_again_after_a_refusal_and_answered(self) -> None:
        """Some clients repeat their SYN after a RST; where that is answered, it is an attempt of its own."""
        before = self.monitor.stats()
        for position in POSITIONS:
            c = self.conversation(position)
            c.syn()
            c.refuse()
            pause()
            c.succeed()
        after = self.monitor.wait_delivered(before.packets("delivered") + 5 * len(POSITIONS))
        expected = {name: times * len(POSITIONS) for name, times in plus(SUCCESS, attempts=1, refused=1).items()}
        self.assertEqual(difference(after.totals, before.totals), expected)
        after.check_accounting()

    def test_reset_after_success(self) -> None:
        def scenario(c: Conversation) -> None:
            c.succeed()
            c.from_responder(RST, seq=1)
            c.from_responder(RST | ACK, seq=1, ack=1)
            c.abort()

        self.play(scenario, SUCCESS)

    def test_answer_after_refusal(self) -> None:
        """A handshake that goes on after its outcome stays as it was counted."""

        def scenario(c: Conversation) -> None:
            c.syn()
            c.refuse()
            c.synack()
            c.from_initiator(ACK, seq=1, ack=1)

        # late_synack speaks of successes alone.
        self.play(scenario, counts(attempts=1, refused=1))


if __name__ == "__main__":
    unittest.main()
