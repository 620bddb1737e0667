"""Forgers that know the 4-tuple of an attempt and none of its numbers: what they may not do.

Both ends are played by hand, so that each step comes exactly where it hurts most. Every attack here
once worked; the forger needed no luck for it. What forgers can do is in test_forgers_limits.py.
"""

import time
import unittest

import lab
from conversation import POSITIONS, Conversation
from forgery import ATTEMPTS, READERS, SPACE, Forger, ForgerCase, frame_with_ack, full_or_tenth
from frames import ACK, PSH, RST
from scenario import SUCCESS, counts, plus

PENDING = counts(attempts=1, pending=1)
HALF_SEEN = counts(attempts=1, success=1, half_seen=1)  # and no time taken from it
HALF = SPACE // 2
STEP = SPACE // 256  # how far beyond the true numbers a late proof may lie

RX = [position for position in POSITIONS if position.direction == "RX"]
TX = [position for position in POSITIONS if position.direction == "TX"]

setUpModule = lab.require


class CrossingSyns(ForgerCase):
    """A SYN from the responder's side could be half of a simultaneous open, so its number must not be believed."""

    def test_resets_that_fit_the_forged_number_refuse_nothing(self) -> None:
        """All true successes were counted as refused."""
        for flags in (RST, RST | ACK):

            def attack(c: Conversation, forger: Forger, flags: int = flags) -> None:
                c.syn()
                forger.syn_as_responder()
                forger.as_responder(flags, forger.number + 1)
                c.synack()
                c.ack()

            with self.subTest(flags=f"{flags:#x}"):
                self.play(attack, SUCCESS)

    def test_the_whole_forgery_before_the_true_syn(self) -> None:
        """It is an attempt of its own, in the other direction, given up at once; the true one is what it was."""

        def attack(c: Conversation, forger: Forger) -> None:
            forger.syn_as_responder()
            forger.as_responder(RST, forger.number + 1)
            c.succeed()

        self.play(attack, plus(SUCCESS, attempts=1, aborted=1))

    def test_two_acknowledgments_are_no_success_out_of_nothing(self) -> None:
        """Nobody ever answers. Of two numbers half a space apart one always fitted."""

        def of_the_responder(c: Conversation, forger: Forger) -> None:
            c.syn()
            forger.syn_as_responder()
            for ack in (0, HALF):
                forger.as_responder(ACK, forger.number + 1, ack)

        def of_both(c: Conversation, forger: Forger) -> None:
            c.syn()
            forger.syn_as_responder()
            for guess in (0, HALF):
                forger.as_initiator(ACK, guess, forger.number + 1)
                forger.as_responder(ACK, forger.number + 1, guess)

        self.play(of_the_responder, PENDING, ignored=counts(does_not_fit=2))
        self.play(of_both, PENDING, ignored=counts(does_not_fit=4))

    def test_an_answer_with_another_number_forgets_the_forged_one(self) -> None:
        """Else an ACK of the forged number would complete what the initiator never completed."""

        def attack(c: Conversation, forger: Forger) -> None:
            c.syn()
            forger.syn_as_responder()
            c.synack()
            forger.as_initiator(ACK, c.isn + 1, forger.number + 1)

        self.play(attack, PENDING)


class OtherNumbers(ForgerCase):
    """SYNs with another number look like a client that tries again, or like a port used anew."""

    def test_one_forged_syn_ends_nothing_that_is_answered(self) -> None:
        """It made a timeout of the true attempt, and a phantom of itself."""

        def of_the_initiator(c: Conversation, forger: Forger) -> None:
            c.syn()
            forger.syn_as_initiator()
            c.synack()
            c.ack()

        def of_the_initiator_after_the_answer(c: Conversation, forger: Forger) -> None:
            c.syn()
            c.synack()
            forger.syn_as_initiator()
            c.ack()

        def of_the_responder(c: Conversation, forger: Forger) -> None:
            c.syn()
            forger.syn_as_responder()
            c.synack()
            c.ack()

        def of_the_responder_after_the_answer(c: Conversation, forger: Forger) -> None:
            c.syn()
            c.synack()
            forger.syn_as_responder()
            c.ack()

        for attack in (
            of_the_initiator,
            of_the_initiator_after_the_answer,
            of_the_responder,
            of_the_responder_after_the_answer,
        ):
            with self.subTest(attack.__name__):
                self.play(attack, SUCCESS)

    def test_nor_anything_that_is_refused(self) -> None:
        """The attempt is refused as it was; the forged SYN is another, which nobody answers."""

        def attack(c: Conversation, forger: Forger) -> None:
            c.syn()
            forger.syn_as_initiator()
            c.refuse()

        self.play(attack, counts(attempts=2, refused=1, pending=1))

    def test_resets_that_fit_only_the_forged_syn(self) -> None:
        """Before the true answer and after it, from either side; they were rejects."""
        for from_initiator in (True, False):
            for answered in (True, False):

                def attack(
                    c: Conversation, forger: Forger, from_initiator: bool = from_initiator, answered: bool = answered
                ) -> None:
                    c.syn()
                    forger.syn_as_initiator()
                    if answered:
                        c.synack()
                    if from_initiator:
                        forger.as_initiator(RST, forger.number + 1)
                    else:
                        forger.as_responder(RST | ACK, 0, forger.number + 1)
                    if not answered:
                        c.synack()
                    c.ack()

                with self.subTest(from_initiator=from_initiator, answered=answered):
                    self.play(attack, SUCCESS)


class EarlyResets(ForgerCase):
    def test_a_reset_captured_just_before_its_syn(self) -> None:
        """Taps and queues reorder the two directions by less than 2 ms: it was a timeout."""
        fast = 0

        def attacks() -> None:
            nonlocal fast
            for turn in range(ATTEMPTS):
                c = self.conversation(POSITIONS[turn % len(POSITIONS)])
                start = time.monotonic()
                c.refuse()
                c.syn()
                # With time to spare, as the clock that counts is the kernel's.
                fast += time.monotonic() - start < 0.0015

        for readers, (before, after) in zip(READERS, self.observed(attacks), strict=True):
            with self.subTest(readers=readers):
                refused = after.totals["refused"] - before.totals["refused"]
                pending = after.totals["pending"] - before.totals["pending"]
                self.assertEqual(refused + pending, ATTEMPTS)
                self.assertGreater(fast, 0)
                self.assertGreaterEqual(refused, fast, "all that came within 2 ms")

    def test_a_forger_gains_nothing_by_them(self) -> None:
        """Guesses before the SYN are worth what they are worth after it."""

        def attack(c: Conversation, forger: Forger) -> None:
            forger.as_responder(RST, forger.number)
            for guess in range(8):
                forger.as_responder(RST | ACK, 0, forger.number + guess * STEP)
            c.succeed()

        self.play(attack, SUCCESS)

    def test_without_an_acknowledgment_they_are_nobodys(self) -> None:
        """Even with the number that the responder will choose."""

        def attack(c: Conversation, forger: Forger) -> None:
            forger.as_responder(RST, c.responder_isn + 1)
            c.succeed()

        self.play(attack, SUCCESS)

    def test_too_early(self) -> None:
        talks = [self.conversation(position) for position in POSITIONS]

        def attacks() -> None:
            for talk in talks:
                talk.refuse()
            time.sleep(0.01)
            for talk in talks:
                talk.succeed()

        for before, after in self.observed(attacks):
            self.assertEqual(after.totals["success"] - before.totals["success"], len(talks))
            self.assertEqual(after.totals["refused"], before.totals["refused"])


class Acknowledgments(ForgerCase):
    def test_acknowledgments_all_over_the_space(self) -> None:
        """257 of them, 2^24 apart, came within reach of every answer. Now four guesses are all there are.

        The responders' numbers lie evenly, so the share is exact: 4 in 256 of the space.
        """
        attempts = full_or_tenth(640)

        def attacks() -> None:
            for turn in range(attempts):
                c = self.conversation(POSITIONS[turn % len(POSITIONS)])
                c.responder_isn = turn * (SPACE // attempts) + 12345
                c.syn()
                c.synack()
                frame, at = frame_with_ack(c)
                send = self.wire.from_peer if c.position.direction == "RX" else self.wire.from_host
                for guess in range(257):
                    frame[at : at + 4] = (guess * STEP % SPACE).to_bytes(4, "big")
                    send(bytes(frame))

        for readers, (before, after) in zip(READERS, self.observed(attacks), strict=True):
            with self.subTest(readers=readers):
                successes = after.totals["success"] - before.totals["success"]
                self.assertLessEqual(successes, attempts * 4 // 256, f"of {attempts}")
                self.assertEqual(after.totals["attempts"] - before.totals["attempts"], attempts)

    def test_the_true_acknowledgment_after_all_guesses(self) -> None:
        """Whatever was guessed before, the exact numbers complete the handshake."""

        def attack(c: Conversation, _: Forger) -> None:
            c.syn()
            c.synack()
            for guess in range(1, 9):
                c.ack(ack=guess * (SPACE // 16))
            c.ack()

        self.play(attack, SUCCESS)

    def test_data_of_the_responder_guessed(self) -> None:
        """What proves that the responder saw the completing ACK has to fit as closely."""

        def attack(c: Conversation, forger: Forger) -> None:
            c.syn()
            c.synack()
            for seq in (0, HALF):
                for ack in (c.isn + 1 + STEP, c.isn + HALF):
                    forger.as_responder(ACK | PSH, c.responder_isn + STEP + seq, ack)

        self.play(attack, PENDING, ignored=counts(does_not_fit=4))


class NobodyAnswers(ForgerCase):
    """SYN(x), ACK(x+1): of a half-seen connection, or of a forger who knows what it sent itself."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        # Enough that every reader has seen SYN/ACKs of this host's addresses.
        for _ in range(32):
            for position in RX:
                Conversation(cls.wire, position).succeed()
        for monitor in cls.monitors:
            monitor.wait_delivered(cls.wire.sent)

    def test_at_an_address_of_this_host(self) -> None:
        """Had it answered we would have seen it, as we saw its other answers."""

        def attack(c: Conversation, _: Forger) -> None:
            c.syn()
            c.ack()

        self.play(attack, PENDING, ignored=counts(unanswered_ack=1), positions=RX)

    def test_the_true_answer_still_counts(self) -> None:
        def attack(c: Conversation, _: Forger) -> None:
            c.syn()
            c.ack()
            c.synack()
            c.ack()

        self.play(attack, SUCCESS, positions=RX)

    def test_elsewhere_it_is_half_seen(self) -> None:
        """The answer of another host may take another way; such a success has no time."""

        def attack(c: Conversation, _: Forger) -> None:
            c.syn()
            c.ack()

        self.play(attack, HALF_SEEN, positions=TX)


if __name__ == "__main__":
    unittest.main()
