"""A SYN that may begin another attempt, and what somebody who forges segments can and cannot do."""

from __future__ import annotations

import unittest

import compare
from compare import Setting
from filters import FAILURE_DUP_SYN, SUCCESS_DUP_SYN
from frames import ACK, RST, SYN
from story import (
    ABORTED, HALF, LATE, NO_ACK, NO_ANSWER, ONE_PENDING, REFUSED, RESET, SUCCEEDED, SUPERSEDED, TIMEOUT, UNCERTAIN, Step, Steps, StoryCase,
    abort, ack, after, again_with, clock, doing, forged, initiators, on, refuse, reply, responders, sums, syn, synack,
)  # fmt: skip
from talk import MS, SECOND, Talk

WINDOW = 2 * MS
BOUND = 1 << 24
HALF_SPACE = 1 << 31
ODD = doing(ack, HALF_SPACE, HALF_SPACE)
PROOF = doing(ack, 1, 900)  # late
PATIENT_FOR_2_S = Setting(timeout_s=2)

setUpModule = compare.require


def new(step: Step) -> Step:
    """The step with the candidate's number."""
    return forged(1000, step)


class OfTheInitiator(StoryCase):
    both: Steps = (syn, new(syn))

    def test_the_new_one_is_answered(self) -> None:
        self.tell([*self.both, new(synack), new(ack)], sums(SUPERSEDED, SUCCEEDED), lasting=[10 * MS, 20 * MS])
        answered: Steps = (syn, synack, new(syn))
        self.tell([*answered, new(synack), new(ack)], sums(SUPERSEDED, SUCCEEDED), lasting=[20 * MS, 20 * MS])

    def test_the_old_one_is_answered(self) -> None:
        self.tell([*self.both, synack, ack], SUCCEEDED)
        self.tell([*self.both, ack], HALF)
        self.tell([syn, synack, new(syn), ack], SUCCEEDED)
        self.tell([*self.both, synack, after(2 * SECOND), ack], SUCCEEDED)

    def test_neither_is_answered_within_a_second(self) -> None:
        true_handshake = (synack, ack)
        self.tell([*self.both, after(SECOND - 1), *true_handshake], SUCCEEDED)
        late: Steps = [*self.both, after(SECOND), *true_handshake]
        self.tell(late, sums(SUPERSEDED, ONE_PENDING), lasting=[10 * MS])
        mine: Steps = [*self.both, after(2 * SECOND), new(synack), new(ack)]
        self.tell(mine, sums(SUPERSEDED, SUCCEEDED), lasting=[10 * MS, 2 * SECOND + 10 * MS])

    def test_a_third_number(self) -> None:
        third = forged(2000, syn)
        self.tell([*self.both, third, new(synack), new(ack)], sums(SUPERSEDED, SUCCEEDED))
        steps: Steps = [*self.both, third, forged(2000, synack), forged(2000, ack)]
        self.tell(steps, sums(SUPERSEDED, SUPERSEDED, SUCCEEDED), lasting=[10 * MS, 10 * MS, 20 * MS])

    def test_the_end_of_the_file(self) -> None:
        self.tell([*self.both], sums(SUPERSEDED, ONE_PENDING), lasting=[10 * MS])
        self.tell([syn, synack, new(syn)], sums(SUPERSEDED, ONE_PENDING), lasting=[20 * MS])

    def test_repeated(self) -> None:
        again: Steps = (*self.both, new(syn), new(synack), new(ack))
        self.tell(again, sums(SUPERSEDED, SUCCEEDED, {SUCCESS_DUP_SYN: 1}), lasting=[10 * MS, 30 * MS])
        copied: Steps = (*self.both, after(WINDOW), new(syn), new(synack), new(ack))
        self.tell(copied, sums(SUPERSEDED, SUCCEEDED))
        elsewhere: Steps = (*self.both, on(1, new(syn)), new(synack), new(ack))
        self.tell(elsewhere, sums(SUPERSEDED, SUCCEEDED))

    def test_the_old_one_repeated(self) -> None:
        self.tell([*self.both, syn, synack, ack], SUCCEEDED | {SUCCESS_DUP_SYN: 1})

    def test_the_old_one_ends_by_itself(self) -> None:
        self.tell([*self.both, refuse], sums(REFUSED, ONE_PENDING), lasting=[20 * MS])
        self.tell([*self.both, abort], sums(ABORTED, ONE_PENDING), lasting=[20 * MS])
        late = (syn, after(TIMEOUT - MS), new(syn), after(MS), clock)
        self.tell(late, sums(NO_ANSWER, ONE_PENDING), lasting=[TIMEOUT])
        self.tell([*late, new(synack), new(ack)], sums(NO_ANSWER, SUCCEEDED), lasting=[TIMEOUT, 21 * MS])

    def test_both_fall_due(self) -> None:
        steps: Steps = [*self.both, after(2 * TIMEOUT), clock]
        self.tell(steps, sums(SUPERSEDED, NO_ANSWER), lasting=[10 * MS, TIMEOUT])

    def test_knocking_with_ever_new_numbers(self) -> None:
        """Attempts each, and each refused, though the first refusal was lost."""
        knocks: list[Step] = [again_with(1000), syn, refuse]
        self.tell([syn, *knocks, *knocks], sums(SUPERSEDED, REFUSED, REFUSED))
        self.tell([syn, *knocks, after(SECOND), clock], sums(SUPERSEDED, REFUSED), lasting=[10 * MS, 10 * MS])

    def test_a_reset_that_fits_only_the_candidate(self) -> None:
        self.tell([*self.both, new(refuse), synack, ack], SUCCEEDED)
        for end, counts in ((refuse, REFUSED), (abort, ABORTED)):
            kept: Steps = [*self.both, new(end), after(MS), new(refuse), after(SECOND), clock]
            self.tell(kept, sums(SUPERSEDED, counts), lasting=[10 * MS, 10 * MS])
        self.tell([*self.both, new(responders(RST, 1)), synack, ack], SUCCEEDED)


class OfTheResponder(StoryCase):
    """A SYN from the responder's side once that has answered."""

    both: Steps = (syn, synack, responders(SYN, 5))

    def test_the_old_one_goes_on(self) -> None:
        self.tell([*self.both, ack], SUCCEEDED)
        self.tell([*self.both, after(SECOND - 1), ack], SUCCEEDED)

    def test_the_new_one_is_answered(self) -> None:
        swapped: Steps = (*self.both, initiators(SYN | ACK, 77, 6), responders(ACK, 6, 78))
        self.tell(swapped, sums(SUPERSEDED, SUCCEEDED), lasting=[20 * MS, 20 * MS])

    def test_neither(self) -> None:
        self.tell([*self.both], sums(SUPERSEDED, ONE_PENDING), lasting=[20 * MS])
        self.tell([*self.both, after(SECOND), clock], sums(SUPERSEDED, ONE_PENDING), lasting=[20 * MS])

    def test_resets(self) -> None:
        self.tell([*self.both, responders(RST, 6), ack], SUCCEEDED)
        refused: Steps = (*self.both, initiators(RST | ACK, 0, 6), after(SECOND), clock)
        self.tell(refused, sums(SUPERSEDED, REFUSED), lasting=[20 * MS, 10 * MS])

    def test_it_may_have_the_number_of_the_answer(self) -> None:
        self.tell([syn, synack, responders(SYN)], sums(SUPERSEDED, ONE_PENDING))


class Misfits(StoryCase):
    def test_four(self) -> None:
        for number, counts in ((3, LATE), (4, ONE_PENDING), (9, ONE_PENDING)):
            self.tell([syn, synack, *[ODD] * number, PROOF], counts)

    def test_of_either_side_and_before_the_answer(self) -> None:
        odd = (responders(ACK, 9, 9), responders(RST | ACK, 9, 9), initiators(RST | ACK, 9, 9))
        self.tell([syn, *odd, synack, ODD, PROOF], ONE_PENDING)

    def test_what_is_none(self) -> None:
        plain = (responders(RST, 9), initiators(RST, 9), responders(SYN | ACK, 9, 9), doing(reply, 1, 1))
        self.tell([syn, synack, *plain, *plain, PROOF], LATE)

    def test_what_counts_after_four(self) -> None:
        misfits: Steps = (syn, synack, *[ODD] * 4)
        self.tell([*misfits, ack], SUCCEEDED)
        self.tell([*misfits, refuse], RESET)
        for late in (doing(reply, data=9), doing(reply, 1, 2), responders(ACK | 1, 1, 1), initiators(RST | ACK, 9, 9)):
            self.tell([*misfits, late, ack], SUCCEEDED)

    def test_timeouts_are_uncertain(self) -> None:
        self.tell([syn, synack, ODD, after(TIMEOUT), clock], NO_ACK | UNCERTAIN)
        self.tell([syn, responders(RST, 9), after(TIMEOUT), clock], NO_ANSWER)


class Forgers(StoryCase):
    handshake: Steps = (synack, ack)

    def test_syn_of_the_responder_and_the_reset_that_fits_it(self) -> None:
        for flags in (RST, RST | ACK):
            steps: Steps = [syn, responders(SYN, 12345), responders(flags, 12346, 99), *self.handshake]
            self.tell(steps, SUCCEEDED)

    def test_syn_of_the_responder_and_two_acks(self) -> None:
        acks = (doing(Talk.from_initiator, ACK, 555, 0), doing(Talk.from_initiator, ACK, 555, HALF_SPACE))
        self.tell([syn, responders(SYN, 12345), *acks], ONE_PENDING)
        self.tell([syn, responders(SYN, 12345), *acks, *self.handshake], SUCCEEDED)
        self.tell([syn, synack, *acks, ack], SUCCEEDED)

    def test_pairs_of_syns(self) -> None:
        """Two numbers within a second end an attempt: that is all they do, and it is told."""
        pair: Steps = (forged(12345, syn), forged(54321, syn))
        self.tell([syn, *pair], sums(SUPERSEDED, SUPERSEDED, ONE_PENDING))
        self.tell([*pair, syn, *self.handshake], sums(SUPERSEDED, SUPERSEDED, SUCCEEDED))

    def test_a_syn_every_now_and_then_keeps_nothing_waiting(self) -> None:
        wait = after(1500 * MS)
        crossing: list[Step] = [responders(SYN, number) for number in (11, 22, 33)]
        steps: Steps = [syn, wait, crossing[0], wait, crossing[0], wait, crossing[0]]
        self.tell(steps, NO_ANSWER, PATIENT_FOR_2_S, lasting=[2 * SECOND])
        steps = [syn, wait, crossing[0], after(499 * MS), crossing[1], after(MS), *self.handshake]
        self.tell(steps, NO_ANSWER, PATIENT_FOR_2_S, lasting=[2 * SECOND])
        steps = [syn, wait, forged(11, syn), wait, forged(22, syn), wait, forged(33, syn), after(5 * SECOND), clock]
        lasting = [2 * SECOND, 2 * SECOND, 2 * SECOND, 2 * SECOND]
        self.tell(steps, sums(*[NO_ANSWER] * 4), PATIENT_FOR_2_S, lasting=lasting)

    def test_reset_before_its_syn(self) -> None:
        self.tell([responders(RST, 1), after(30), syn, *self.handshake], SUCCEEDED)
        self.tell([doing(refuse, 77), after(30), syn, *self.handshake], SUCCEEDED)

    def test_one_syn_of_either_side(self) -> None:
        for guess in (forged(12345, syn), responders(SYN, 12345)):
            self.tell([syn, guess, *self.handshake], SUCCEEDED, lasting=[30 * MS])
            self.tell([syn, synack, guess, ack], SUCCEEDED)
            self.tell([syn, guess, after(900 * MS), *self.handshake], SUCCEEDED)

    def test_syn_then_the_true_answer_then_a_reset(self) -> None:
        self.tell([syn, new(syn), synack, new(abort), ack], SUCCEEDED)
        self.tell([syn, new(syn), synack, new(refuse), ack], SUCCEEDED)

    def test_acks_all_over_the_space(self) -> None:
        for first in (0, 5, HALF_SPACE):
            acks = [doing(ack, 1, 5 + first + number * BOUND) for number in range(8, 8 + 257)]
            self.tell([syn, synack, *acks], ONE_PENDING)
            self.tell([syn, synack, *acks, ack], SUCCEEDED)
        self.tell([syn, *[doing(ack, 7 + number * BOUND) for number in range(257)], *self.handshake], SUCCEEDED)

    def test_repeated_candidates(self) -> None:
        steps: Steps = [syn, *[new(syn)] * 3, after(SECOND), clock, after(TIMEOUT), clock]
        self.tell(steps, sums(SUPERSEDED, NO_ANSWER, {FAILURE_DUP_SYN: 1}))


if __name__ == "__main__":
    unittest.main()
