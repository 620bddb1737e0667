"""Resets and ICMP errors: which end an attempt, and which are noise."""

import time
import unittest

import frames
import lab
from conversation import POSITIONS, Conversation, Position, pause
from frames import ACK, RST
from monitor import ICMP, difference
from scenario import SUCCESS, Scenario, ScenarioCase, counts, plus

REFUSED = counts(attempts=1, refused=1)
ABORTED = counts(attempts=1, aborted=1)
UNREACHABLE = counts(attempts=1, unreachable=1)
V4 = [position for position in POSITIONS if position.host.version == 4]
V6 = [position for position in POSITIONS if position.host.version == 6]

setUpModule = lab.require


class Refused(ScenarioCase):
    def test_closed_port(self) -> None:
        def scenario(c: Conversation) -> None:
            c.syn()
            c.refuse()

        self.play(scenario, REFUSED, unused=0)

    def test_fast_open_to_a_closed_port(self) -> None:
        def scenario(c: Conversation) -> None:
            c.syn(b"x" * 100)
            c.refuse(ack=101)

        self.play(scenario, REFUSED, unused=0)

    def test_reset_after_the_answer(self) -> None:
        def scenario(c: Conversation) -> None:
            c.syn()
            c.synack()
            c.from_responder(RST, seq=1)

        self.play(scenario, REFUSED, unused=0)

    def test_blind_resets_are_ignored(self) -> None:
        """Neither number fits: the attempt goes on."""

        def scenario(c: Conversation) -> None:
            c.syn()
            c.refuse(ack=999)
            c.refuse(ack=0)
            c.refuse(ack=-70000)
            c.from_responder(RST, seq=5)
            c.synack()
            c.ack()

        self.play(scenario, SUCCESS, unused=4)

    def test_failed_with_retransmissions(self) -> None:
        def scenario(c: Conversation) -> None:
            c.syn()
            pause()
            c.syn()
            c.synack()
            pause()
            c.synack()
            pause()
            c.synack()
            c.from_responder(RST, seq=1)

        expected = plus(
            REFUSED,
            failed_dup_syn=1,
            failed_dup_syn_segments=1,
            failed_dup_synack=1,
            failed_dup_synack_segments=2,
        )
        self.play(scenario, expected, unused=0)


class Aborted(ScenarioCase):
    def test_reset_by_the_initiator(self) -> None:
        def before_the_answer(c: Conversation) -> None:
            c.syn()
            c.abort()

        def after_the_answer(c: Conversation) -> None:
            c.syn()
            c.synack()
            c.abort()

        def acknowledging(c: Conversation) -> None:
            c.syn()
            c.synack()
            c.from_initiator(RST | ACK, seq=1, ack=1)

        for scenario in (before_the_answer, after_the_answer, acknowledging):
            with self.subTest(scenario.__name__):
                self.play(scenario, ABORTED, unused=0)

    def test_reset_after_a_challenge_ack_ends_nothing(self) -> None:
        """The responder still had an old connection: challenge, reset with a foreign seq, same SYN."""

        def scenario(c: Conversation) -> None:
            c.syn()
            c.reply(seq=-4000, ack=-5000)
            c.abort(seq=-5000)
            pause()
            c.syn()
            c.synack()
            c.ack()

        self.play(scenario, plus(SUCCESS, dup_syn=1, dup_syn_segments=1), unused=2)


class Unreachable(ScenarioCase):
    options = ("--capture", "tcp", "--timeout", "3600", *ICMP)

    def test_every_error_that_quotes_the_syn(self) -> None:
        """Final three seconds later, so all are played at once."""
        plays: list[tuple[Scenario, Position]] = []
        for positions, messages in (
            (V4, [(3, code) for code in range(16) if code != 4] + [(kind, code) for kind in (11, 12) for code in range(3)]),
            (V6, [(1, code) for code in range(9)] + [(kind, code) for kind in (3, 4) for code in range(3)]),
        ):
            for kind, code in messages:

                def scenario(c: Conversation, kind: int = kind, code: int = code) -> None:
                    c.unreachable(c.syn(), kind=kind, code=code)

                plays += [(scenario, position) for position in positions]

        def from_a_router(c: Conversation) -> None:
            c.unreachable(c.syn(), router="192.0.2.1" if c.position.host.version == 4 else "2001:db8::1")

        def shortest_quote(c: Conversation) -> None:
            """RFC 792: the header and eight bytes, so ports and sequence number and no more."""
            header = 20 if c.position.host.version == 4 else 40
            c.unreachable(c.syn(), quoted_bytes=header + 8)

        def quote_with_options_and_extension_headers(c: Conversation) -> None:
            c.dressing.ip_options = b"\x01" * 40
            c.dressing.extensions = (frames.destination_options(), frames.routing())
            c.unreachable(c.syn())

        for other in (from_a_router, shortest_quote, quote_with_options_and_extension_headers):
            plays += [(other, position) for position in POSITIONS]
        began = time.monotonic()
        self.play_each(plays, UNREACHABLE, unused=0, wait_ended=True)
        self.assertGreater(time.monotonic() - began, 2.9, "the SYN might have been repeated")

    def test_a_repeated_syn_takes_the_error_back(self) -> None:
        """The stack that got the error goes on, so it did not believe it."""

        def and_succeeds(c: Conversation) -> None:
            c.unreachable(c.syn())
            pause()
            c.syn()
            c.synack()
            c.ack()

        self.play(and_succeeds, plus(SUCCESS, dup_syn=1, dup_syn_segments=1), unused=0)

    def test_an_error_about_the_repeated_syn_is_one_again(self) -> None:
        def scenario(c: Conversation) -> None:
            syn = c.syn()
            c.unreachable(syn)
            pause()
            c.syn()
            c.unreachable(syn)

        expected = plus(UNREACHABLE, failed_dup_syn=1, failed_dup_syn_segments=1)
        self.play_each([(scenario, position) for position in POSITIONS], expected, unused=0, wait_ended=True)

    def test_an_error_about_the_answer_is_no_outcome(self) -> None:
        """It went to the responder: the way back is what it tells of."""

        def scenario(c: Conversation) -> None:
            c.syn()
            c.reversed(c.responder_isn, c.isn).unreachable(c.synack())
            c.ack()

        before = self.monitor.stats()
        after = self.play(scenario, SUCCESS, unused=1)
        grown = difference(after.ignored, before.ignored)
        self.assertEqual(grown, counts(icmp_about_synack=len(POSITIONS)))

    def test_quote_too_short_for_the_sequence_number(self) -> None:
        def scenario(c: Conversation) -> None:
            header = 20 if c.position.host.version == 4 else 40
            syn = c.syn()
            c.unreachable(syn, quoted_bytes=header + 7)
            c.unreachable(syn, quoted_bytes=header)
            c.unreachable(syn, quoted_bytes=header - 1)
            c.synack()
            c.ack()

        self.play(scenario, SUCCESS, unused=3)

    def test_quotes_of_something_else(self) -> None:
        """A foreign sequence number, the other direction, another port: no state changes."""

        def scenario(c: Conversation) -> None:
            c.syn()
            other = frames.tcp(
                c.position.initiator,
                c.position.responder,
                c.initiator_port,
                c.responder_port,
                seq=c.isn + 1,
                flags=frames.SYN,
            )
            swapped = frames.tcp(
                c.position.initiator,
                c.position.responder,
                c.responder_port,
                c.initiator_port,
                seq=c.isn,
                flags=frames.SYN,
            )
            for segment in (other, swapped):
                c.unreachable(frames.ip(c.position.initiator, c.position.responder, frames.PROTOCOL_TCP, segment))
            c.synack()
            c.ack()

        self.play(scenario, SUCCESS, unused=2)

    def test_after_the_outcome_nothing_changes(self) -> None:
        def scenario(c: Conversation) -> None:
            syn = c.syn()
            c.synack()
            c.ack()
            c.unreachable(syn)

        self.play(scenario, SUCCESS, unused=1)

    def test_other_icmp_messages(self) -> None:
        """Fragmentation needed, and types that end no connection: the attempt goes on."""
        for positions, messages in ((V4, ((3, 4), (4, 0), (5, 1), (8, 0))), (V6, ((2, 0), (5, 0), (128, 0)))):
            for kind, code in messages:

                def scenario(c: Conversation, kind: int = kind, code: int = code) -> None:
                    c.unreachable(c.syn(), kind=kind, code=code)
                    c.synack()
                    c.ack()

                with self.subTest(version=positions[0].host.version, kind=kind, code=code):
                    # The kernel filter may keep them out, so only the attempts are compared.
                    before = self.monitor.stats()
                    for position in positions:
                        scenario(self.conversation(position))
                    wanted = before.totals["success"] + len(positions)
                    after = self.monitor.wait_counts({"success": wanted})
                    self.assertEqual(after.totals["attempts"], before.totals["attempts"] + len(positions))
                    self.assertEqual(after.totals["unreachable"], before.totals["unreachable"])


class WithoutIcmp(ScenarioCase):
    def test_unreachable_is_not_listened_to(self) -> None:
        before = self.monitor.stats()
        for position in POSITIONS:
            c = self.conversation(position)
            c.unreachable(c.syn())
            c.synack()
            c.ack()
        after = self.monitor.wait_counts({"success": before.totals["success"] + len(POSITIONS)})
        self.assertEqual(after.totals["unreachable"], 0)
        after.check_accounting()


class NoReset(ScenarioCase):
    def test_reset_with_a_foreign_number_before_success(self) -> None:
        def scenario(c: Conversation) -> None:
            c.syn()
            c.abort(seq=12345)
            c.synack()
            c.from_initiator(RST | ACK, seq=-3, ack=1)
            c.from_initiator(ACK, seq=1, ack=1)

        self.play(scenario, SUCCESS, unused=2)


if __name__ == "__main__":
    unittest.main()
