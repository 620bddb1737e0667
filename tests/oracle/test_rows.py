"""Each row of the table of rules by itself, with counts worked out by hand."""

from __future__ import annotations

import unittest

import compare
import filters
from compare import Setting
from filters import LATE_SYNACK, SUCCESS_DUP_SYN, SUCCESS_DUP_SYNACK
from frames import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG
from story import (
    ABORTED, HALF, HALF_OPEN, LATE, NO_ACK, NO_ANSWER, ONE_PENDING, PROBE, REFUSED, RESET, SUCCEEDED,
    SUPERSEDED, TIMEOUT, UNCERTAIN, Step, Steps, StoryCase, abort, ack, after, again_with, clock, doing, error, forged, initiators, on,
    refuse, reply, responders, sent_anew, sums, syn, synack,
)  # fmt: skip
from talk import MS, SECOND, Talk

BOUND = 1 << 24
HALF_SPACE = 1 << 31
FAST_OPEN_DATA = 1 << 16
WINDOW = 2 * MS
NO_WINDOW = Setting(copy_window_ms=0)

ONE_NUMBER = again_with(0, HALF_SPACE)  # of both sides

setUpModule = compare.require


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

    def test_another_sending_is_no_copy_however_soon(self) -> None:
        twice = SUCCEEDED | {SUCCESS_DUP_SYN: 1}
        soon: Steps = (after(100), syn, synack, ack)
        self.tell([sent_anew(tsval=7), syn, sent_anew(tsval=8), *soon], twice)
        self.tell([syn, sent_anew(tsval=0), *soon], twice)
        self.tell([sent_anew(tsval=7), syn, *soon], SUCCEEDED)
        # IPv6 has no identification.
        self.tell([syn, sent_anew(identification=8), *soon], twice, wanted_six=SUCCEEDED)

    def test_again_after_the_clock_stepped_back(self) -> None:
        self.tell([syn, after(-29 * SECOND), syn, synack, ack], SUCCEEDED | {SUCCESS_DUP_SYN: 1})
        self.tell([syn, after(-WINDOW), syn, synack, ack], SUCCEEDED)
        self.tell([syn, after(-WINDOW - 1), syn, synack, ack], SUCCEEDED | {SUCCESS_DUP_SYN: 1})

    def test_again_on_another_interface(self) -> None:
        self.tell([syn, on(1, syn), synack, ack], SUCCEEDED)
        self.tell([on(1, syn), on(1, syn), synack, ack], SUCCEEDED | {SUCCESS_DUP_SYN: 1})


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

    def test_another_sending_is_no_copy_however_soon(self) -> None:
        twice = SUCCEEDED | {SUCCESS_DUP_SYNACK: 1}
        soon: Steps = (after(100), synack, ack)
        self.tell([syn, sent_anew(tsval=7), synack, sent_anew(tsval=8), *soon], twice)
        self.tell([syn, sent_anew(tsval=7), synack, *soon], SUCCEEDED)
        self.tell([syn, synack, sent_anew(identification=8), *soon], twice, wanted_six=SUCCEEDED)

    def test_again_after_a_repeated_syn(self) -> None:
        """An answer of its own, unless that SYN was a copy itself."""
        repeated: Steps = (syn, synack, after(100), syn, after(50), synack)
        twice = SUCCEEDED | {SUCCESS_DUP_SYN: 1, SUCCESS_DUP_SYNACK: 1}
        self.tell([*repeated, ack], twice)
        self.tell([*repeated, after(50), synack, ack], twice)  # the third is a copy of the second
        self.tell([syn, after(50), synack, after(50), syn, after(50), synack, ack], SUCCEEDED)

    def test_after_the_clock_stepped_back(self) -> None:
        self.tell([syn, synack, after(-WINDOW), synack, ack], SUCCEEDED)
        self.tell([syn, synack, after(-WINDOW - 1), synack, ack], SUCCEEDED | {SUCCESS_DUP_SYNACK: 1})


class Early(StoryCase):
    """Taps and queues put an answer in front of its SYN."""

    def test_synack(self) -> None:
        for early in (0, 30, WINDOW):
            self.tell([synack, after(early), syn, ack], SUCCEEDED, lasting=[10 * MS])
        self.tell([synack, after(WINDOW + 1), syn, ack], HALF)
        self.tell([synack, after(WINDOW), syn, ack], SUCCEEDED, NO_WINDOW)

    def test_reset(self) -> None:
        self.tell([refuse, after(WINDOW), syn], REFUSED, lasting=[0])
        self.tell([refuse, after(-30), syn], REFUSED, lasting=[30])
        self.tell([refuse, after(WINDOW + 1), syn], ONE_PENDING)
        self.tell([responders(RST, 1), after(30), syn], ONE_PENDING)
        self.tell([doing(refuse, 2), after(30), syn], ONE_PENDING)
        self.tell([doing(refuse, 11), after(30), doing(syn, 10)], REFUSED)

    def test_of_the_wrong_side(self) -> None:
        self.tell([initiators(RST | ACK, 0, 1), after(30), syn], ONE_PENDING)

    def test_once_each(self) -> None:
        """Of two with the same number the later counts."""
        self.tell([refuse, after(10), synack, after(10), syn, ack], SUCCEEDED)
        self.tell([synack, after(10), refuse, after(10), syn], REFUSED)

    def test_before_a_candidate(self) -> None:
        superseded = SUPERSEDED | UNCERTAIN
        early: Steps = (syn, forged(1000, refuse), after(30), forged(1000, syn))
        self.tell([*early, after(SECOND), clock], sums(superseded, REFUSED), lasting=[10 * MS + 30, 0])
        answered: Steps = (syn, forged(1000, synack), after(30), forged(1000, syn), forged(1000, ack))
        self.tell(answered, sums(SUPERSEDED, SUCCEEDED), lasting=[10 * MS + 30, 10 * MS])


class Success(StoryCase):
    def test_completing_ack(self) -> None:
        self.tell([syn, synack, ack], SUCCEEDED)
        self.tell([syn, synack, doing(ack, data=100)], SUCCEEDED)
        self.tell([syn, synack, initiators(FIN | ACK, 1, 1)], SUCCEEDED)

    def test_completing_ack_of_a_synack_with_data(self) -> None:
        answer = responders(SYN | ACK, 0, 1, data=7)
        for acknowledged, counts in ((1, SUCCEEDED), (8, SUCCEEDED), (9, LATE)):
            self.tell([syn, answer, doing(ack, 1, acknowledged)], counts)

    def test_fast_open(self) -> None:
        """The server may speak first where it took the SYN's data."""
        for taken, spoken, counts in (
            (11, FAST_OPEN_DATA, SUCCEEDED), (11, FAST_OPEN_DATA + 1, LATE), (2, 500, SUCCEEDED), (1, 1, LATE),
        ):  # fmt: skip
            steps = [doing(syn, 10), doing(synack, taken), doing(ack, 11, 1 + spoken)]
            self.tell(steps, counts)

    def test_later_segment_of_the_initiator(self) -> None:
        for seq, acknowledged in ((500, 900), (1, 2), (BOUND, 1), (1, BOUND), (BOUND, BOUND)):
            self.tell([syn, synack, doing(ack, seq, acknowledged)], LATE)

    def test_segments_that_do_not_fit(self) -> None:
        for seq, acknowledged in ((0, 1), (1, 0), (BOUND + 1, 1), (1, BOUND + 1), (HALF_SPACE, 1), (1, HALF_SPACE)):
            self.tell([syn, synack, doing(ack, seq, acknowledged)], ONE_PENDING)
        for flags in (0, PSH, FIN):
            self.tell([syn, synack, initiators(flags, 1, 1)], ONE_PENDING)

    def test_proof_by_the_responder(self) -> None:
        for proof in (doing(reply, 1, 2), doing(reply, data=1), doing(reply, 2), responders(FIN | ACK, 1, 1)):
            self.tell([syn, synack, proof], LATE)

    def test_proof_by_the_responder_has_bounds(self) -> None:
        self.tell([syn, synack, doing(reply, BOUND, BOUND)], LATE)
        for proof in (doing(reply, BOUND + 1, 2), doing(reply, 2, BOUND + 1)):
            self.tell([syn, synack, proof], ONE_PENDING)

    def test_proof_by_a_reset(self) -> None:
        for flags, seq, acknowledged in ((RST | ACK, 1, 81), (RST | ACK, 501, 1), (RST | ACK | PSH, BOUND, BOUND)):
            self.tell([syn, synack, responders(flags, seq, acknowledged)], LATE)
            self.tell([syn, synack, initiators(flags, acknowledged, seq)], LATE)
        with_data = (doing(syn, 10), responders(SYN | ACK, 0, 11, data=7))
        for seq, acknowledged, counts in ((8, 11, RESET), (9, 11, LATE), (8, 12, LATE)):
            self.tell([*with_data, responders(RST | ACK, seq, acknowledged)], counts)

    def test_resets_that_prove_nothing(self) -> None:
        self.tell([syn, responders(RST | ACK, 1, 81)], ONE_PENDING)
        self.tell([syn, synack, responders(RST, 81)], ONE_PENDING)
        self.tell([syn, synack, responders(RST | ACK, BOUND + 1, 2)], ONE_PENDING)
        self.tell([syn, synack, initiators(RST | ACK, 2, BOUND + 1)], ONE_PENDING)

    def test_bare_repeat_of_the_responder_proves_nothing(self) -> None:
        self.tell([syn, synack, reply], ONE_PENDING)
        self.tell([syn, synack, doing(reply, 0), doing(reply, 1, 0)], ONE_PENDING)
        self.tell([syn, doing(reply, data=1)], ONE_PENDING)

    def test_responder_may_answer_data_on_the_syn_early(self) -> None:
        opened = [doing(syn, 10), doing(synack, 11)]
        self.tell([*opened, doing(reply, 1, 11, 500)], ONE_PENDING)
        self.tell([*opened, doing(reply, 501, 12)], LATE)
        self.tell([*opened, doing(ack, 11, 501)], SUCCEEDED)

    def test_half_seen(self) -> None:
        self.tell([syn, ack], HALF)
        self.tell([syn, doing(ack, 2)], ONE_PENDING)
        self.tell([doing(syn, 10), doing(ack, 11)], HALF)
        self.tell([doing(syn, 10), doing(ack, 5)], ONE_PENDING)


class Failure(StoryCase):
    def test_reset_by_the_responder(self) -> None:
        self.tell([syn, refuse], REFUSED)
        self.tell([syn, synack, responders(RST, 1)], RESET)
        self.tell([syn, synack, refuse], RESET)
        self.tell([doing(syn, 10), doing(refuse, 11)], REFUSED)

    def test_blind_resets(self) -> None:
        for blind in (doing(refuse, 0), doing(refuse, 2), responders(RST, 1), responders(RST, 0)):
            self.tell([syn, blind, synack, ack], SUCCEEDED)
        self.tell([syn, synack, responders(RST, 2), ack], SUCCEEDED)

    def test_reset_by_the_initiator(self) -> None:
        self.tell([syn, abort], ABORTED)
        self.tell([syn, synack, initiators(RST, 1)], HALF_OPEN)
        self.tell([syn, synack, initiators(RST | ACK, 1, 1)], PROBE)
        self.tell([syn, synack, initiators(RST | ACK, 1, 1 << 25)], ABORTED)

    def test_reset_that_answers_a_challenge(self) -> None:
        challenge = [doing(reply, 5000, 70_000), doing(abort, 70_000)]
        self.tell([syn, *challenge, syn, synack, ack], SUCCEEDED | {SUCCESS_DUP_SYN: 1})

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
        self.tell([*self.crossing, synack, ack], SUCCEEDED)
        self.tell([*self.crossing, ack, reply], SUCCEEDED)
        self.tell([*self.crossing, answer, reply], SUCCEEDED)

    def test_each_exactly(self) -> None:
        opened = (doing(syn, 10), responders(SYN, data=5))
        for acknowledged in (1, 3, 6):
            self.tell([*opened, initiators(SYN | ACK, 0, acknowledged), doing(synack, 11)], SUCCEEDED)
            self.tell([*opened, doing(ack, 5, acknowledged), doing(reply, 6, 11)], SUCCEEDED)
        for acknowledged in (0, 7):
            self.tell([*opened, initiators(SYN | ACK, 0, acknowledged), doing(synack, 11)], ONE_PENDING)
        self.tell([*opened, initiators(SYN | ACK, 1, 7), doing(synack, 11)], ONE_PENDING)
        for last in (doing(reply, 7, 11), doing(reply, 6, 12), doing(reply, 6, 0)):
            self.tell([*opened, initiators(SYN | ACK, 0, 1), last], ONE_PENDING)

    def test_one_acknowledged(self) -> None:
        self.tell([*self.crossing], ONE_PENDING)
        self.tell([*self.crossing, reply], ONE_PENDING)
        self.tell([*self.crossing, synack, after(TIMEOUT), clock], NO_ACK)
        self.tell([*self.crossing, ack, after(TIMEOUT), clock], NO_ANSWER)
        self.tell([*self.crossing, after(TIMEOUT), clock], NO_ANSWER)

    def test_half_seen_as_if_nothing_had_crossed(self) -> None:
        self.tell([*self.crossing, doing(ack, 1, 900)], HALF)
        self.tell([syn, responders(SYN, 5), ack, synack], HALF)

    def test_a_crossing_syn_is_anybodys_word(self) -> None:
        crossing = responders(SYN, 5)
        self.tell([syn, crossing, responders(RST, 6), synack, ack], SUCCEEDED)
        self.tell([syn, crossing, synack, responders(RST, 6), ack], SUCCEEDED)
        self.tell([syn, crossing, synack, responders(RST, 1)], RESET)
        self.tell([syn, after(TIMEOUT - 1), crossing, after(1), clock], NO_ANSWER)
        self.tell([syn, crossing, synack, initiators(SYN | ACK, 0, 6)], ONE_PENDING)

    def test_the_last_crossing_syn_counts(self) -> None:
        replaced = (syn, responders(SYN, 5), responders(SYN))
        self.tell([*replaced, initiators(SYN | ACK, 0, 1), synack], SUCCEEDED)
        self.tell([*replaced, initiators(SYN | ACK, 0, 6), synack], ONE_PENDING)

    def test_crossing_syn_again_after_the_answer(self) -> None:
        self.tell([*self.crossing, synack, responders(SYN), after(2 * SECOND), ack], SUCCEEDED)


class SelfConnect(StoryCase):
    ends = (("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"))
    ports = (40001, 40001)

    def test_success_on_the_synack(self) -> None:
        self.tell([ONE_NUMBER, syn, synack, ack], SUCCEEDED, lasting=[10 * MS])
        self.tell([ONE_NUMBER, syn, syn, synack, ack], SUCCEEDED | {SUCCESS_DUP_SYN: 1})

    def test_synack_of_another_number(self) -> None:
        self.tell([ONE_NUMBER, syn, doing(synack, 2)], ONE_PENDING)

    def test_no_answer(self) -> None:
        self.tell([ONE_NUMBER, syn, after(TIMEOUT), clock], NO_ANSWER)


class AfterTheOutcome(StoryCase):
    done = (syn, synack, ack)

    def test_same_syn_opens_nothing(self) -> None:
        self.tell([syn, refuse, syn, refuse], REFUSED)
        self.tell([syn, abort, syn, syn], ABORTED)
        self.tell([*self.done, after(TIMEOUT - MS), syn], SUCCEEDED)

    def test_same_syn_when_forgotten(self) -> None:
        self.tell([*self.done, after(TIMEOUT + 5 * MS), syn], SUCCEEDED | ONE_PENDING)

    def test_same_syn_after_a_failure_is_another_attempt_once_answered(self) -> None:
        again: Steps = (syn, synack, ack)
        for end, counts in ((refuse, REFUSED), (abort, ABORTED)):
            self.tell([syn, end, *again], sums(counts, SUCCEEDED), lasting=[10 * MS, 20 * MS])
        both = sums(REFUSED, SUCCEEDED)
        self.tell([syn, refuse, syn, syn, synack, ack], both, lasting=[10 * MS, 20 * MS])
        self.tell([syn, after(TIMEOUT), syn, synack, ack], sums(NO_ANSWER, SUCCEEDED), lasting=[TIMEOUT, 20 * MS])
        self.tell([syn, refuse, syn, synack], sums(REFUSED, ONE_PENDING))
        self.tell([syn, refuse, syn, doing(synack, 2), ack], REFUSED)

    def test_no_other_attempt_is_answered(self) -> None:
        self.tell([syn, refuse, synack, ack], REFUSED)
        self.tell([syn, after(MS), refuse, after(MS), syn, synack, ack], REFUSED)  # the SYN is a copy
        self.tell([*self.done, syn, synack], SUCCEEDED | {LATE_SYNACK: 1})

    def test_other_syn_opens(self) -> None:
        self.tell([*self.done, again_with(1), syn], SUCCEEDED | ONE_PENDING)
        self.tell([*self.done, responders(SYN, 5)], SUCCEEDED | ONE_PENDING)
        self.tell([*self.done, responders(SYN)], SUCCEEDED)
        # The initiator's with the responder's number is no copy of anything.
        self.tell([*self.done, initiators(SYN, HALF_SPACE)], SUCCEEDED | ONE_PENDING)

    def test_late_synacks(self) -> None:
        self.tell([*self.done, synack, synack], SUCCEEDED | {LATE_SYNACK: 2})
        self.tell([*self.done, synack, after(WINDOW), synack], SUCCEEDED | {LATE_SYNACK: 1})
        self.tell([*self.done, on(1, synack), doing(synack, 2), responders(SYN | ACK, 1, 1)], SUCCEEDED)
        self.tell([syn, refuse, synack], REFUSED)

    def test_resets_and_errors_change_nothing(self) -> None:
        self.tell([*self.done, refuse, abort, error()], SUCCEEDED)


class Unreadable(StoryCase):
    def test_cut_right_after_the_flags(self) -> None:
        self.tell([doing(Talk.cut_syn, 13)], {})
        for captured in (14, 15):
            self.tell([doing(Talk.cut_syn, captured)], ONE_PENDING)


if __name__ == "__main__":
    unittest.main()
