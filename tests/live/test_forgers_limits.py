"""What no rule about numbers prevents, or what preventing it would cost more than it is worth: SECURITY.md says so.

These tests hold what that page says. Where a rule improves, so does a line of it.
"""

import time
import unittest

import lab
from conversation import POSITIONS, RX4, Conversation
from forgery import Forger, ForgerCase
from frames import ACK, RST, SYN
from monitor import difference
from scenario import SUCCESS, counts

PENDING = counts(attempts=1, pending=1)
SUPERSEDED = counts(attempts=2, superseded=1, pending=1)

setUpModule = lab.require


class Blind(ForgerCase):
    """No number of the two ends is known, only those that the forger sent itself."""

    def test_a_whole_handshake_forged_from_both_sides(self) -> None:
        """Only the network can tell: by not letting foreign source addresses through."""

        def attack(c: Conversation, forger: Forger) -> None:
            answer = self.number()
            forger.syn_as_initiator()
            forger.as_responder(SYN | ACK, answer, forger.number + 1)
            forger.as_initiator(ACK, forger.number + 1, answer + 1)

        self.play(attack, SUCCESS)

    def test_a_syn_and_its_answer_forged_against_a_pending_attempt(self) -> None:
        """What two ends do that gave the old attempt up: what it becomes later is not seen."""

        def attack(c: Conversation, forger: Forger) -> None:
            c.syn()
            forger.syn_as_initiator()
            forger.as_responder(SYN | ACK, 5, forger.number + 1)
            c.synack()
            c.ack()

        self.play(attack, SUPERSEDED)

    def test_two_syns_with_two_numbers(self) -> None:
        """A client that knocks with ever new numbers looks the same."""

        def attack(c: Conversation, forger: Forger) -> None:
            c.syn()
            forger.syn_as_initiator()
            forger.as_initiator(SYN, forger.number + 77)
            c.synack()
            c.ack()

        self.play(attack, SUPERSEDED)

    def test_a_syn_from_the_responder_before_the_true_one(self) -> None:
        """The true SYN crosses it then; its answer, with another number, shows which of them was forged."""

        def attack(c: Conversation, forger: Forger) -> None:
            forger.syn_as_responder()
            c.succeed()

        self.play(attack, counts(attempts=2, success=1, timed_handshakes=1, superseded=1))

    def test_guesses_spoil_late_proofs(self) -> None:
        """After four of them only the completing ACK itself counts; without it the attempt times out, uncertain."""

        def attack(c: Conversation, forger: Forger) -> None:
            c.syn()
            c.synack()
            for guess in range(4):
                forger.as_initiator(ACK, 0, c.responder_isn + (guess + 1) * 0x20000000)
            c.reply(ack=20)

        self.play(attack, PENDING, ignored=counts(does_not_fit=5))

    def test_a_forged_syn_against_an_attempt_that_nobody_answers(self) -> None:
        """Nobody can tell it from a client that tries again: a timeout, a second later, and an attempt of its own."""
        attempts = len(POSITIONS) * 5

        def attacks() -> None:
            for turn in range(attempts):
                c = self.conversation(POSITIONS[turn % len(POSITIONS)])
                c.syn()
                Forger(c, self.number()).syn_as_initiator()

        began = time.monotonic()
        expected = {"attempts": 2 * attempts, "superseded": attempts, "pending": attempts}
        for monitor, (before, _) in zip(self.monitors, self.observed(attacks), strict=True):
            after = monitor.wait_counts({name: before.totals[name] + count for name, count in expected.items()})
            self.assertEqual(difference(after.totals, before.totals), expected)
            self.assertGreater(time.monotonic() - began, 1, "the answer might still have come")

    def test_a_stranger_needs_the_number(self) -> None:
        """Of the answers to a SYN, all but one in 2^32 are ignored; a hundred guesses move nothing."""

        def attack(c: Conversation, forger: Forger) -> None:
            c.syn()
            for guess in range(2, 102):
                forger.as_responder((RST | ACK, SYN | ACK)[guess % 2], 0, c.isn + guess)
            c.synack()
            c.ack()

        self.play(attack, SUCCESS, count=4, positions=[RX4])


class HalfBlind(ForgerCase):
    """What one end sends is seen."""

    def test_who_sees_the_syn_can_answer_it(self) -> None:
        """As a RST that acknowledges it ends connect() as well."""

        def refuse(c: Conversation, forger: Forger) -> None:
            c.syn()
            forger.as_responder(RST | ACK, 0, c.isn + 1)

        def complete(c: Conversation, forger: Forger) -> None:
            c.syn()
            forger.as_responder(SYN | ACK, forger.number, c.isn + 1)
            forger.as_initiator(ACK, c.isn + 1, forger.number + 1)

        self.play(refuse, counts(attempts=1, refused=1))
        self.play(complete, SUCCESS)

    def test_who_sees_the_answer_can_acknowledge_it(self) -> None:
        """A SYN/ACK tells both numbers."""

        def attack(c: Conversation, forger: Forger) -> None:
            c.syn()
            c.synack()
            forger.as_initiator(ACK, c.isn + 1, c.responder_isn + 1)

        self.play(attack, SUCCESS)

    def test_who_sees_the_syn_cannot_undo_the_true_answer(self) -> None:
        """A success stays one, whatever is forged afterwards."""

        def attack(c: Conversation, forger: Forger) -> None:
            c.succeed()
            forger.as_responder(RST | ACK, 0, c.isn + 1)
            forger.as_initiator(RST, c.isn + 1)

        self.play(attack, SUCCESS)


if __name__ == "__main__":
    unittest.main()
