"""ICMP errors: which count, when an attempt ends on one, and what takes it back."""

from __future__ import annotations

import unittest

import compare
import filters
from compare import Setting
from filters import FAILURE_DUP_SYN, LATE_PROOF, SUCCESS_DUP_SYN
from frames import ACK, RST
from story import (
    LATE, NO_ANSWER, ONE_PENDING, SUCCEEDED, TIMEOUT, UNCERTAIN, UNREACHABLE, Step, Steps, StoryCase, abort, ack,
    after, again_with, answering, clock, doing, error, error_about_synack, forged, on, refuse, responders, sums, syn,
    synack,
)  # fmt: skip
from talk import MS, SECOND, Talk

WAIT = 3 * SECOND
NO_ICMP = Setting(icmp=False)
LATER = (after(WAIT), clock)
ONCE_MORE = {FAILURE_DUP_SYN: 1}

setUpModule = compare.require


class WhichCount(StoryCase):
    def test_codes(self) -> None:
        for code, four, six in (
            (0, "no route", "no route"), (1, "host", "prohibited"), (3, "port", "host"), (5, "source route", "prohibited"),
            (7, "host", "source route"), (13, "prohibited", "other"), (99, "other", "other"),
        ):  # fmt: skip
            step = error(code)
            wanted = [UNREACHABLE | {f"unreach, {says}": 1} for says in (four, six)]
            self.tell([syn, step], wanted[0], wanted_six=wanted[1])
            self.tell([syn, step], ONE_PENDING, NO_ICMP)

    def test_each_kind_that_ends_an_attempt(self) -> None:
        for four, six in ((3, 1), (11, 3), (12, 4)):
            self.tell([syn, _error_by_family(four, six)], UNREACHABLE)

    def test_the_numbers_of_the_other_family(self) -> None:
        for four, six in ((1, 11), (4, 12), (5, 2)):
            self.tell([syn, _error_by_family(four, six)], ONE_PENDING)

    def test_errors_that_are_no_unreachable_peer(self) -> None:
        for kind in (2, 5, 9, 128):
            self.tell([syn, error(4, kind)], ONE_PENDING)

    def test_of_another_number(self) -> None:
        self.tell([syn, error(seq=1)], ONE_PENDING)
        self.tell([syn, again_with(7), error()], ONE_PENDING)

    def test_about_the_synack(self) -> None:
        """Evidence for the way back, and no outcome."""
        for about in (error_about_synack(), error_about_synack(7)):
            self.tell([syn, synack, about, *LATER], ONE_PENDING)
        self.tell([syn, error_about_synack(), synack, ack], SUCCEEDED)

    def test_after_two_responders(self) -> None:
        """One of them may answer yet."""
        other = answering(1000, synack)
        self.tell([syn, synack, other, error(), *LATER], ONE_PENDING)
        self.tell([syn, synack, error(), other, *LATER], ONE_PENDING)
        self.tell([syn, synack, synack, error(), *LATER], UNREACHABLE | {filters.FAILURE_DUP_SYNACK: 1})

    def test_quotes_of_eight_bytes(self) -> None:
        headers = {4: 20, 6: 40}

        def quoted(least: int) -> Step:
            return lambda t: t.unreachable(
                t.syn_packet(), code=1, quoted=headers[t.initiator[0].version] + least
            )

        self.tell([syn, quoted(8)], UNREACHABLE)
        self.tell([syn, quoted(7)], ONE_PENDING)

    def test_lengths_in_a_quotation_are_not_believed(self) -> None:
        def lying(length: int) -> Step:
            def step(t: Talk) -> None:
                packet, at = t.syn_packet(), 2 if t.initiator[0].version == 4 else 4
                lie = packet[:at] + length.to_bytes(2, "big") + packet[at + 2 :]
                t.unreachable(lie, code=1)

            return step

        for length in (0, 1, 8, 20, 27, 41, 0x2800, 0xFFFF):
            self.tell([syn, lying(length)], UNREACHABLE)


class WhenItEnds(StoryCase):
    def test_with_the_time_of_the_error(self) -> None:
        self.tell([syn, error(), *LATER], UNREACHABLE, lasting=[10 * MS])
        self.tell([syn, error()], UNREACHABLE, lasting=[10 * MS])
        self.tell([syn, synack, error(), *LATER], UNREACHABLE, lasting=[20 * MS])

    def test_with_the_time_of_the_latest(self) -> None:
        late: Steps = (syn, error(), after(2 * SECOND), error(), after(WAIT - 1))
        self.tell([*late, syn, synack, ack], SUCCEEDED | {SUCCESS_DUP_SYN: 1})
        self.tell([*late, after(WAIT), syn], UNREACHABLE, lasting=[10 * MS + 2 * SECOND])

    def test_before_a_timeout(self) -> None:
        self.tell([syn, error(), after(SECOND), clock], UNREACHABLE, Setting(timeout_s=1), lasting=[10 * MS])

    def test_before_a_reset(self) -> None:
        for reset in (refuse, abort):
            self.tell([syn, error(), reset], UNREACHABLE, lasting=[10 * MS])
        self.tell([syn, synack, error(), responders(RST, 1)], UNREACHABLE, lasting=[20 * MS])

    def test_before_a_candidate(self) -> None:
        candidate: Steps = (syn, error(), forged(1000, syn))
        self.tell([*candidate, after(SECOND), clock], sums(UNREACHABLE, ONE_PENDING), lasting=[10 * MS])
        self.tell([*candidate, forged(1000, synack), forged(1000, ack)], sums(UNREACHABLE, SUCCEEDED))

    def test_a_blind_reset_changes_nothing(self) -> None:
        self.tell([syn, error(), responders(RST, 7), synack, ack], SUCCEEDED)


class WhatTakesItBack(StoryCase):
    def test_repeated_syn(self) -> None:
        again: Steps = (syn, error(), after(WAIT - 1), syn)
        self.tell([*again, synack, ack], SUCCEEDED | {SUCCESS_DUP_SYN: 1})
        self.tell([*again, *LATER], ONE_PENDING)
        self.tell([*again, after(TIMEOUT), clock], NO_ANSWER | ONCE_MORE)
        self.tell([*again, error()], UNREACHABLE | ONCE_MORE, lasting=[WAIT - 1 + 20 * MS])

    def test_repeated_too_late(self) -> None:
        """That SYN is an attempt of its own, once answered."""
        too_late: Steps = (syn, error(), after(WAIT), syn)
        self.tell([*too_late], UNREACHABLE, lasting=[10 * MS])
        self.tell([*too_late, synack, ack], sums(UNREACHABLE, SUCCEEDED), lasting=[10 * MS, 20 * MS])

    def test_no_copy_of_the_syn(self) -> None:
        self.tell([syn, after(MS), error(), after(MS), syn, *LATER], UNREACHABLE)
        self.tell([syn, error(), on(1, syn), *LATER], UNREACHABLE)

    def test_success(self) -> None:
        self.tell([syn, error(), synack, ack], SUCCEEDED)
        self.tell([syn, synack, error(), ack], SUCCEEDED)
        self.tell([syn, error(), synack, after(WAIT - 11 * MS), ack], SUCCEEDED)
        self.tell([syn, error(), synack, doing(ack, 1, 900)], LATE)
        self.tell([syn, synack, error(), responders(RST | ACK, 1, 81)], SUCCEEDED | {LATE_PROOF: 1})

    def test_an_answer_alone_does_not(self) -> None:
        self.tell([syn, error(), synack, after(WAIT - 10 * MS), clock], UNREACHABLE, lasting=[10 * MS])

    def test_not_the_syn_of_somebody_else(self) -> None:
        self.tell([syn, error(), responders(0x02, 7), *LATER], UNREACHABLE, lasting=[10 * MS])

    def test_misfits_do_not(self) -> None:
        self.tell([syn, error(), doing(ack, 5, 5), *LATER], UNREACHABLE)
        self.tell([syn, doing(ack, 5, 5), after(TIMEOUT), clock], NO_ANSWER | UNCERTAIN)


def _error_by_family(four: int, six: int) -> Step:
    return lambda talk: talk.unreachable(
        talk.syn_packet(), code=1, kind=four if talk.initiator[0].version == 4 else six
    )


if __name__ == "__main__":
    unittest.main()
