"""What became of each connection attempt, by the letter of the rules and nothing else.

A dictionary of pairs of ends. A pair has one attempt at a time, brought up to date when a segment of
the pair comes and at the end of the capture; beside it perhaps a candidate, and what came early. No
table, no sweep. attempt.py holds the facts of an attempt, rows.py what each segment means to a pending
one; here is what may begin another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import rows
from attempt import MILLISECOND_NS, Attempt, Row, Rules, is_synack, opens
from candidate import Candidate
from dissect import ACK, RST, Capture, End, Segment

EARLY_NS = 2 * MILLISECOND_NS  # by which taps put an answer before its SYN
LATER_NS = 100 * MILLISECOND_NS  # that its stamp may be later all the same


@dataclass
class Pair:
    """Two ends, and what goes on between them."""

    rules: Rules
    attempts: list[Attempt]  # of all pairs
    attempt: Attempt | None = None
    candidate: Candidate | None = None
    # By sender and acknowledged number, the latest last.
    early: dict[tuple[End, int], Segment] = field(default_factory=dict)

    def take(self, s: Segment) -> bool:
        """Tells whether the segment was used."""
        self.pass_time(s.time_ns)
        used = self._take(s)
        if not used:
            self._keep_early(s)
        return used

    def _take(self, s: Segment) -> bool:
        a = self.attempt
        if a is None or a.forgotten(s.time_ns):
            return opens(s) and self._open(s)
        if not a.pending:
            return self._after_the_outcome(a, s)
        if opens(s):
            return self._syn(a, s)
        used = self._to_pending(a, s)
        self._note_end_of(a)
        return used

    def _to_pending(self, a: Attempt, s: Segment) -> bool:
        if s.quoted:
            return self._error(a, s)
        if s.flags & RST:
            return self._reset(a, s)
        if is_synack(s):
            return self._synack(a, s)
        if rows.is_plain_ack(s):
            return self._ack(a, s)
        return False

    # Beginnings.

    def _open(self, syn: Segment) -> bool:
        self._begin(Attempt.begun_by(self.rules, syn))
        early = self._early_for(syn)
        if early is not None:
            self._apply_early(early)
        return True

    def _begin(self, attempt: Attempt) -> None:
        self.attempt, self.candidate = attempt, None
        self.attempts.append(attempt)

    def _syn(self, a: Attempt, s: Segment) -> bool:
        """To a pending attempt."""
        if s.source == a.initiator:
            return rows.same_syn_again(a, s) if s.seq == a.syn.isn else self._another_syn(a, s)
        crosses = not a.answered or (a.crossing is not None and a.crossing.isn == s.seq)
        return rows.crossing_syn(a, s) if crosses else self._another_syn(a, s)

    # Candidates.

    def _another_syn(self, a: Attempt, s: Segment) -> bool:
        if self.candidate is None:
            self._become_candidate(a, s)
            return True
        if self.candidate.is_of(s):
            a.rows.append(Row.CANDIDATE_AGAIN)
            return self.candidate.again(s)
        self._supersede(a, self.candidate, Row.CANDIDATE_DISPLACED)
        return self._take(s)

    def _become_candidate(self, a: Attempt, s: Segment) -> None:
        a.rows.append(Row.CANDIDATE if s.source == a.initiator else Row.CANDIDATE_BACK)
        self.candidate = Candidate.of(self.rules, s)
        early = self._early_for(s)
        if early is None:
            return
        if is_synack(early):
            self._supersede(a, self.candidate, Row.CANDIDATE_ANSWERED)
            self._apply_early(early)
        else:
            self.candidate.keep(early)

    def _supersede(self, a: Attempt, candidate: Candidate, row: Row) -> None:
        """The old attempt ends with the time of the candidate's SYN, as timeout or unreachable."""
        a.supersede(candidate.syn.time_ns)
        self._open_candidate(candidate, row)

    def _open_candidate(self, candidate: Candidate, row: Row) -> None:
        self._begin(candidate.opened(row))
        if candidate.end is not None and self.attempt is not None:
            end = rows.reset if candidate.end.flags & RST else rows.initiators_ack
            end(self.attempt, candidate.end)
            self.attempt.again = candidate.repeated if self.attempt.failed else None

    def _note_end_of(self, a: Attempt) -> None:
        """A success shows that the candidate was nothing; any other end opens it."""
        if self.candidate is None or a.pending or a is not self.attempt:
            return
        if a.failed:
            self._open_candidate(self.candidate, Row.CANDIDATE_AFTER_END)
        else:
            self._drop_candidate(a)

    def _drop_candidate(self, a: Attempt) -> None:
        if self.candidate is not None:
            self.candidate = None
            a.rows.append(Row.STRAY_SYN)

    def _synack(self, a: Attempt, s: Segment) -> bool:
        if a.self_connect and a.syn.exactly(s.ack):
            return rows.self_connect(a, s)
        if s.source == a.responder and a.syn.exactly(s.ack):
            self._drop_candidate(a)
            return rows.synack(a, s)
        if self.candidate is not None and self.candidate.is_answered_by(s):
            self._supersede(a, self.candidate, Row.CANDIDATE_ANSWERED)
            return self._take(s)
        if s.source == a.initiator and rows.turns_round(a, s):
            return self._turn_round(a, s)
        return s.source == a.initiator and rows.initiators_synack(a, s)

    def _turn_round(self, a: Attempt, s: Segment) -> bool:
        assert a.crossing is not None and a.crossing_syn is not None
        self._drop_candidate(a)
        a.supersede(a.crossing_syn.time_ns)
        self._begin(Attempt.begun_by(self.rules, replace(a.crossing_syn, data=a.crossing.data)))
        self.attempts[-1].rows.append(Row.TURNED_ROUND)
        return self._take_now(s)

    def _reset(self, a: Attempt, s: Segment) -> bool:
        candidate = self.candidate
        if candidate is None or rows.reset_counts(a, s) or not candidate.is_reset_by(s):
            return rows.reset(a, s)
        a.rows.append(Row.CANDIDATE_RESET)
        candidate.keep(s)
        return True

    def _ack(self, a: Attempt, s: Segment) -> bool:
        candidate = self.candidate
        if candidate is not None and candidate.is_proved_by(s) and not rows.ack_counts(a, s):
            a.rows.append(Row.CANDIDATE_HALF_SEEN)
            candidate.keep(s)
            return True
        return rows.initiators_ack(a, s) if s.source == a.initiator else rows.responders_ack(a, s)

    def _error(self, a: Attempt, s: Segment) -> bool:
        if self.candidate is None or not self.candidate.is_quoted_by(s):
            return rows.icmp_error(a, s)
        a.rows.append(Row.CANDIDATE_ERROR)
        self.candidate.error_ns = s.time_ns
        return True

    # Early segments.

    def _keep_early(self, s: Segment) -> None:
        if is_synack(s) or (not s.quoted and s.flags & (RST | ACK) == RST | ACK):
            self.early.pop((s.source, s.ack), None)
            self.early[s.source, s.ack] = s

    def _early_for(self, syn: Segment) -> Segment | None:
        """What acknowledges the SYN and was captured just before it, stamped with the SYN's time. The stamps
        may be the other way round: a tap's clock is read before the packets are put in a row.
        """
        opening = Candidate.of(self.rules, syn).opening
        for key, early in reversed(self.early.items()):
            near = -LATER_NS <= syn.time_ns - early.time_ns <= EARLY_NS
            acknowledges = opening.beyond(early.ack) in (0, opening.data)  # none of its data, or all
            if near and early.source == syn.destination and acknowledges:
                del self.early[key]
                return replace(early, time_ns=max(early.time_ns, syn.time_ns))
        return None

    def _apply_early(self, early: Segment) -> None:
        if self.attempt is not None:
            self.attempt.rows.append(Row.EARLY_SYNACK if is_synack(early) else Row.EARLY_RESET)
            self._take(early)

    # After the outcome.

    def _after_the_outcome(self, a: Attempt, s: Segment) -> bool:
        if s.quoted:
            return False
        if opens(s):
            if s.source == a.initiator and s.seq == a.syn.isn:
                return rows.late_syn(a, s)
            return rows.late_responders_syn(a, s) or self._open(s)
        if not is_synack(s) or s.source != a.responder or not a.syn.exactly(s.ack):
            return False
        if a.again is None:
            return rows.late_synack(a, s)
        self._begin(Attempt.begun_by(self.rules, replace(a.again, data=a.syn.data)))
        self.attempts[-1].rows.append(Row.OWN_ATTEMPT)
        return self._take_now(s)

    def _take_now(self, s: Segment) -> bool:
        """By an attempt that opens with an earlier time, and may be due."""
        self.pass_time(s.time_ns)
        return self._take(s)

    # Time.

    def pass_time(self, now_ns: int) -> None:
        """What falls due first ends an attempt; then the one that opens may be due as well."""
        while self.attempt is not None and self.attempt.pending:
            a, candidate = self.attempt, self.candidate
            if candidate is not None and candidate.due_ns <= min(now_ns, a.due_ns):
                self._supersede(a, candidate, Row.CANDIDATE_UNDECIDED)
                continue
            a.end_if_due(now_ns)
            if a.pending:
                return
            self._note_end_of(a)

    def end(self, now_ns: int) -> None:
        """The file ends: what waits for a decision does not get another."""
        self.pass_time(now_ns)
        while (a := self.attempt) is not None and a.pending:
            if self.candidate is not None:
                self._supersede(a, self.candidate, Row.CANDIDATE_AT_END_OF_FILE)
            elif a.error_ns is not None:
                a.give_up(now_ns)
            else:
                a.rows.append(Row.PENDING_AT_END)
                return


@dataclass(frozen=True)
class Findings:
    attempts: list[Attempt]
    used: int  # segments that were part of one

    @property
    def rows(self) -> Counter[Row]:
        """How often each was come under."""
        return Counter(row for attempt in self.attempts for row in attempt.rows)


def judge(capture: Capture, rules: Rules = Rules()) -> Findings:
    """All attempts of a capture."""
    attempts: list[Attempt] = []
    pairs: dict[frozenset[End], Pair] = {}
    used = 0
    for segment in _seen(capture.segments, rules):
        ends = frozenset((segment.source, segment.destination))
        pair = pairs.setdefault(ends, Pair(rules, attempts))
        used += pair.take(segment)
    for pair in pairs.values():
        pair.end(capture.last_ns)
    return Findings(attempts, used)


def _seen(segments: Iterable[Segment], rules: Rules) -> Iterable[Segment]:
    return (segment for segment in segments if rules.icmp or not segment.quoted)
