"""Each row of the table of rules by itself, with counts worked out by hand."""

from __future__ import annotations

import unittest

import compare
import filters
from compare import Setting
from filters import HALF_SEEN, LATE_PROOF, LATE_SYNACK, PENDING, SUCCESS_DUP_SYN, SUCCESS_DUP_SYNACK
from frames import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG
from story import TIMEOUT, Step, Steps, StoryCase, after, again_with, clock, doing, on
from talk import MS, SECOND, Talk

syn, synack, ack, reply = Talk.syn, Talk.synack, Talk.ack, Talk.reply
refuse, abort = Talk.refuse, Talk.abort

HALF_SPACE = 1 << 31
WINDOW = 2 * MS
NO_WINDOW = Setting(copy_window_ms=0)
NO_ICMP = Setting(icmp=False)

ONE_PENDING = {PENDING: 1}
SUCCEEDED = {filters.SUCCESS: 1}
LATE = SUCCEEDED | {LATE_PROOF: 1}
HALF = SUCCEEDED | {HALF_SEEN: 1}
REFUSED = {filters.FAILURE: 1, filters.REJECTED: 1}
ABORTED = REFUSED | {filters.ABORTED: 1}
UNREACHABLE = {filters.FAILURE: 1, filters.UNREACHABLE: 1}
NO_ANSWER = {filters.FAILURE: 1, filters.TIMED_OUT: 1, filters.NO_ANSWER: 1}
NO_ACK = {filters.FAILURE: 1, filters.TIMED_OUT: 1, filters.NO_ACK: 1}

setUpModule = compare.require


def initiators(flags: int, seq: int = 0, ack: int = 0, data: int = 0) -> Step:
    return doing(Talk.from_initiator, flags, seq, ack, data)


def responders(flags: int, seq: int = 0, ack: int = 0, data: int = 0) -> Step:
    return doing(Talk.from_responder, flags, seq, ack, data)


def error(code: int = 1, kind: int | None = None, quoted: int = 576, seq: int = 0) -> Step:
    """An ICMP error about a SYN whose sequence number is off by `seq`."""
    return lambda talk: talk.unreachable(talk.syn_packet(seq), code=code, kind=kind, quoted=quoted)


class Syn(StoryCase):
    def test_opens(self) -> None:
        self.tell([syn], ONE_PENDING)

    def test_other_flags_and_data_do_not_matter(self) -> None:
        for flags in (ECE | CWR, PSH, URG):
            self.tell([initiators(SYN | flags, data=7), synack, ack], SUCCEEDED)

    def test_with_ack_rst_or_fin_opens_nothing(self) -> None:
        for flags in (SYN | ACK, SYN | RST, SYN | FIN, SYN | FIN | ACK):
            self.tell([initiators(flags), ack, reply], {})

    def test_again(self) -> None:
        self.tell([syn, syn, synack, ack], SUCCEEDED | {SUCCESS_DUP_SYN: 1})

    def test_again_within_the_copy_window(self) -> None:
        copied: Steps = (syn, after(WINDOW), syn, synack, ack)
        self.tell(copied, SUCCEEDED)
        self.tell([syn, after(WINDOW + 1), syn, synack, ack], SUCCEEDED | {SUCCESS_DUP_SYN: 1})
        self.tell(copied, SUCCEEDED | {SUCCESS_DUP_SYN: 1}, NO_WINDOW)
        # Each copy is measured from the one before it.
        self.tell([syn, after(WINDOW), syn, after(WINDOW), syn, synack, ack], SUCCEEDED)

    def test_again_on_another_interface(self) -> None:
        self.tell([syn, on(1, syn), synack, ack], SUCCEEDED)
        self.tell([on(1, syn), on(1, syn), synack, ack], SUCCEEDED | {SUCCESS_DUP_SYN: 1})

    def test_with_another_isn_while_pending(self) -> None:
        self.tell([syn, again_with(1), syn, synack, ack], SUCCEEDED | NO_ANSWER)
        self.tell([syn, synack, again_with(1), syn], ONE_PENDING | NO_ACK)

    def test_of_the_responder_after_its_answer(self) -> None:
        self.tell([syn, synack, responders(SYN, 5)], ONE_PENDING | NO_ACK)


class SynAck(StoryCase):
    def test_acknowledges_the_syn_and_any_of_its_data(self) -> None:
        for acknowledged, counts in ((1, SUCCEEDED), (5, SUCCEEDED), (11, SUCCEEDED), (0, HALF), (12, HALF)):
            steps = [doing(syn, 10), doing(synack, acknowledged), doing(ack, 1)]
            self.tell(steps, counts)

    def test_again(self) -> None:
        self.tell([syn, synack, synack, ack], SUCCEEDED | {SUCCESS_DUP_SYNACK: 1})
        self.tell([syn, synack, on(1, synack), ack], SUCCEEDED)
        self.tell([syn, synack, after(WINDOW), synack, ack], SUCCEEDED)

    def test_with_another_sequence_number(self) -> None:
        both: Steps = [syn, synack, again_with(0, 1000), synack]
        self.tell([*both, ack], SUCCEEDED)
        self.tell([*both, again_with(0, -1000), ack], SUCCEEDED)

    def test_before_the_syn(self) -> None:
        self.tell([synack, syn, ack], HALF)


class Success(StoryCase):
    def test_completing_ack(self) -> None:
        self.tell([syn, synack, ack], SUCCEEDED)
        self.tell([syn, synack, doing(ack, data=100)], SUCCEEDED)
        self.tell([syn, synack, initiators(FIN | ACK, 1, 1)], SUCCEEDED)

    def test_later_segment_of_the_initiator(self) -> None:
        for seq, acknowledged in ((500, 900), (1, 2), (HALF_SPACE, 1), (1, HALF_SPACE)):
            self.tell([syn, synack, doing(ack, seq, acknowledged)], LATE)

    def test_segments_that_do_not_fit(self) -> None:
        for seq, acknowledged in ((0, 1), (1, 0), (HALF_SPACE + 1, 1), (1, HALF_SPACE + 1)):
            self.tell([syn, synack, doing(ack, seq, acknowledged)], ONE_PENDING)
        for flags in (0, PSH, FIN):
            self.tell([syn, synack, initiators(flags, 1, 1)], ONE_PENDING)

    def test_proof_by_the_responder(self) -> None:
        for proof in (doing(reply, 1, 2), doing(reply, data=1), doing(reply, 2), responders(FIN | ACK, 1, 1)):
            self.tell([syn, synack, proof], LATE)

    def test_bare_repeat_of_the_responder_proves_nothing(self) -> None:
        self.tell([syn, synack, reply], ONE_PENDING)
        self.tell([syn, synack, doing(reply, 0), doing(reply, 1, 0)], ONE_PENDING)
        self.tell([syn, doing(reply, data=1)], ONE_PENDING)

    def test_responder_may_answer_data_on_the_syn_early(self) -> None:
        opened = [doing(syn, 10), doing(synack, 11)]
        self.tell([*opened, doing(reply, 1, 11, 500)], ONE_PENDING)
        self.tell([*opened, doing(reply, 501, 12)], LATE)
        self.tell([*opened, doing(ack, 11, 501)], LATE)

    def test_half_seen(self) -> None:
        self.tell([syn, ack], HALF)
        self.tell([syn, doing(ack, 2)], ONE_PENDING)
        self.tell([doing(syn, 10), doing(ack, 11)], HALF)
        self.tell([doing(syn, 10), doing(ack, 5)], ONE_PENDING)


class Failure(StoryCase):
    def test_reset_by_the_responder(self) -> None:
        self.tell([syn, refuse], REFUSED)
        self.tell([syn, synack, responders(RST, 1)], REFUSED)
        self.tell([syn, synack, refuse], REFUSED)
        self.tell([doing(syn, 10), doing(refuse, 11)], REFUSED)

    def test_blind_resets(self) -> None:
        for blind in (doing(refuse, 0), doing(refuse, 2), responders(RST, 1), responders(RST, 0)):
            self.tell([syn, blind, synack, ack], SUCCEEDED)
        self.tell([syn, synack, responders(RST, 2), ack], SUCCEEDED)

    def test_reset_by_the_initiator(self) -> None:
        self.tell([syn, abort], ABORTED)
        self.tell([syn, synack, abort], ABORTED)

    def test_reset_that_answers_a_challenge(self) -> None:
        challenge = [doing(reply, 5000, 70_000), doing(abort, 70_000)]
        self.tell([syn, *challenge, syn, synack, ack], SUCCEEDED | {SUCCESS_DUP_SYN: 1})

    def test_unreachable(self) -> None:
        for step in (error(0), error(3), error(9), error(13)):
            self.tell([syn, step], UNREACHABLE)
            self.tell([syn, step], ONE_PENDING, NO_ICMP)
        self.tell([syn, synack, error()], UNREACHABLE)

    def test_errors_that_are_no_unreachable_peer(self) -> None:
        for kind in (2, 5, 9, 128):
            self.tell([syn, error(4, kind)], ONE_PENDING)
        self.tell([syn, error(seq=1)], ONE_PENDING)
        self.tell([syn, again_with(7), error()], ONE_PENDING)

    def test_timeout(self) -> None:
        self.tell([syn, after(TIMEOUT - 1), clock], ONE_PENDING)
        self.tell([syn, after(TIMEOUT), clock], NO_ANSWER)
        self.tell([syn, synack, after(TIMEOUT), clock], NO_ACK)
        self.tell([syn, after(TIMEOUT), synack, ack], NO_ANSWER)
        self.tell([syn, after(TIMEOUT - 1), synack, after(TIMEOUT - 1), ack], SUCCEEDED)
        self.tell([syn, after(3 * SECOND), clock], NO_ANSWER, Setting(timeout_s=3))

    def test_longest_life(self) -> None:
        """With a timeout longer than an hour, too, an attempt ends after one."""
        repeated: list[Step] = [syn] * 3
        patient = Setting(timeout_s=3600)
        ended = NO_ANSWER | {filters.FAILURE_DUP_SYN: 1}
        self.tell([*repeated, after(3600 * SECOND - 20 * MS - 1), clock], ONE_PENDING, patient)
        self.tell([*repeated, after(3600 * SECOND - 20 * MS), clock], ended, patient)


class Simultaneous(StoryCase):
    crossing = (syn, responders(SYN))

    def test_both_acknowledged(self) -> None:
        answer = initiators(SYN | ACK, 0, 1)
        self.tell([*self.crossing, answer, synack], SUCCEEDED)
        self.tell([*self.crossing, synack, answer], SUCCEEDED)
        self.tell([*self.crossing, ack, reply], SUCCEEDED)

    def test_one_acknowledged(self) -> None:
        self.tell([*self.crossing], ONE_PENDING)
        self.tell([*self.crossing, synack, after(TIMEOUT), clock], NO_ACK)
        self.tell([*self.crossing, ack, after(TIMEOUT), clock], NO_ANSWER)
        self.tell([*self.crossing, after(TIMEOUT), clock], NO_ANSWER)


class AfterTheOutcome(StoryCase):
    done = (syn, synack, ack)

    def test_same_syn_opens_nothing(self) -> None:
        self.tell([syn, refuse, syn, refuse], REFUSED)
        self.tell([syn, error(), syn, syn], UNREACHABLE)
        self.tell([*self.done, after(TIMEOUT - MS), syn], SUCCEEDED)

    def test_same_syn_when_forgotten(self) -> None:
        self.tell([*self.done, after(TIMEOUT + 5 * MS), syn], SUCCEEDED | ONE_PENDING)

    def test_other_syn_opens(self) -> None:
        self.tell([*self.done, again_with(1), syn], SUCCEEDED | ONE_PENDING)
        self.tell([*self.done, responders(SYN, 5)], SUCCEEDED | ONE_PENDING)

    def test_late_synacks(self) -> None:
        self.tell([*self.done, synack, synack], SUCCEEDED | {LATE_SYNACK: 2})
        self.tell([*self.done, synack, after(WINDOW), synack], SUCCEEDED | {LATE_SYNACK: 1})
        self.tell([*self.done, on(1, synack), doing(synack, 2), responders(SYN | ACK, 1, 1)], SUCCEEDED)
        self.tell([syn, refuse, synack], REFUSED)

    def test_resets_and_errors_change_nothing(self) -> None:
        self.tell([*self.done, refuse, abort, error()], SUCCEEDED)


class ErrorsOfOneFamily(StoryCase):
    """ICMP and ICMPv6 number them differently."""

    def test_each_kind_that_ends_an_attempt(self) -> None:
        for four, six in ((3, 1), (11, 3), (12, 4)):
            self.tell([syn, _error_by_family(four, six)], UNREACHABLE)

    def test_the_numbers_of_the_other_family(self) -> None:
        for four, six in ((1, 11), (4, 12), (5, 2)):
            self.tell([syn, _error_by_family(four, six)], ONE_PENDING)


def _error_by_family(four: int, six: int) -> Step:
    return lambda talk: talk.unreachable(
        talk.syn_packet(), code=1, kind=four if talk.initiator[0].version == 4 else six
    )


class BeyondTshark(StoryCase):
    """What tcpeek reads and tshark does not: the oracle has no say."""

    def test_quotes_of_eight_bytes(self) -> None:
        headers = {4: 20, 6: 40}

        def quoted(least: int) -> Step:
            return lambda t: t.unreachable(
                t.syn_packet(), code=1, quoted=headers[t.initiator[0].version] + least
            )

        self.tell([syn, quoted(8)], UNREACHABLE, asks_oracle=False)
        self.tell([syn, quoted(7)], ONE_PENDING)

    def test_lengths_in_a_quotation_are_not_believed(self) -> None:
        def lying(length: int) -> Step:
            def step(t: Talk) -> None:
                packet, at = t.syn_packet(), 2 if t.initiator[0].version == 4 else 4
                lie = packet[:at] + length.to_bytes(2, "big") + packet[at + 2 :]
                t.unreachable(lie, code=1)

            return step

        for length in (0, 1, 8, 20, 27, 41, 0x2800, 0xFFFF):
            self.tell([syn, lying(length)], UNREACHABLE, asks_oracle=False)

    def test_cut_right_after_the_flags(self) -> None:
        self.tell([doing(Talk.cut_syn, 13)], {})
        for captured in (14, 15):
            self.tell([doing(Talk.cut_syn, captured)], ONE_PENDING, asks_oracle=False)


if __name__ == "__main__":
    unittest.main()
