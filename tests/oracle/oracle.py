"""What became of each connection attempt, by the letter of the rules and nothing else.

A dictionary of attempts by their two ends, one attempt at a time for each pair, and facts about an
attempt as plain members. Numbers are compared modulo 2^32, times are whole nanoseconds. No table,
no sweep: an attempt is brought up to date when a segment of its pair comes, and at the end of the
capture.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field

from dissect import ACK, FIN, RST, SYN, Capture, End, Segment

SECOND_NS = 1_000_000_000
MILLISECOND_NS = 1_000_000
REMEMBERED_NS = 60 * SECOND_NS  # from the outcome on
LONGEST_NS = 3600 * SECOND_NS  # that an attempt may be pending

_SPACE = 1 << 32
_HALF = 1 << 31


class Result(enum.StrEnum):
    PENDING = "pending"
    SUCCESS = "success"
    REJECT = "reject"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreach"


class Cause(enum.StrEnum):
    NONE = ""
    REFUSED = "refused"
    ABORTED = "aborted"
    NO_ANSWER = "no_answer"
    NO_ACK = "no_ack"
    UNREACHABLE = "unreachable"


class Verdict(enum.Enum):
    """What a segment was to the attempt of its pair."""

    NOTHING = enum.auto()
    PART = enum.auto()
    ANOTHER_ATTEMPT = enum.auto()  # a SYN that begins anew


@dataclass(frozen=True)
class Rules:
    timeout_s: int = 60
    copy_window_ms: int = 2
    icmp: bool = True


def beyond(isn: int, number: int) -> int:
    """How far `number` is after the SYN that carried `isn`."""
    return (number - isn - 1) % _SPACE


def in_front(isn: int, number: int) -> bool:
    return beyond(isn, number) < _HALF


def opens(segment: Segment) -> bool:
    return not segment.quoted and segment.flags & (SYN | ACK | RST | FIN) == SYN


@dataclass
class Attempt:
    """From its first SYN to its outcome, and what is still seen of it later."""

    rules: Rules
    initiator: End
    responder: End
    isn: int
    syn_data: int  # most that a SYN of it carried
    syn_interface: int
    first_ns: int
    last_syn_ns: int
    last_other_ns: int  # last segment but SYNs that belonged to the handshake
    answer_interface: int = 0  # of the first SYN/ACK, or of the SYN that crossed
    # Initial numbers of the responder that may be acknowledged: the first, and the latest that differs.
    responder_isns: list[int] = field(default_factory=list)
    answered: bool = False  # the responder acknowledged the SYN
    crossed: bool = False  # the responder sent a SYN of its own before
    crossing_acknowledged: bool = False  # ... and the initiator acknowledged that
    synack_seen: bool = False
    dup_syns: int = 0
    dup_synacks: int = 0
    late_synacks: int = 0
    result: Result = Result.PENDING
    cause: Cause = Cause.NONE
    half_seen: bool = False
    late_proof: bool = False
    ended_ns: int = 0

    @classmethod
    def begun_by(cls, rules: Rules, syn: Segment) -> Attempt:
        at = syn.time_ns
        return cls(rules, syn.source, syn.destination, syn.seq, syn.data, syn.interface, at, at, at)

    @property
    def pending(self) -> bool:
        return self.result is Result.PENDING

    @property
    def due_ns(self) -> int:
        timeout = min(self.rules.timeout_s * SECOND_NS, LONGEST_NS)
        return min(max(self.last_syn_ns, self.last_other_ns) + timeout, self.first_ns + LONGEST_NS)

    def time_out_if_due(self, now_ns: int) -> None:
        if self.pending and self.due_ns <= now_ns:
            self._time_out(self.due_ns)

    def take(self, segment: Segment) -> Verdict:
        """A segment between the two ends, while the attempt is pending or remembered."""
        if segment.quoted:
            return self._quoted(segment)
        from_initiator = segment.source == self.initiator
        if not self.pending:
            return self._late(segment, from_initiator)
        if segment.flags & RST:
            return self._reset(segment, from_initiator)
        if segment.flags & SYN and segment.flags & FIN:
            return Verdict.NOTHING
        kind = segment.flags & (SYN | ACK)
        if kind == 0:
            return Verdict.NOTHING
        if kind == SYN:
            return self._syn_again(segment) if from_initiator else self._responders_syn(segment)
        if kind == SYN | ACK:
            return self._initiators_synack(segment) if from_initiator else self._synack(segment)
        return self._initiators_ack(segment) if from_initiator else self._responders_ack(segment)

    # SYNs.

    def _syn_again(self, s: Segment) -> Verdict:
        if s.seq != self.isn:  # the initiator gave this one up
            self._time_out(s.time_ns)
            return Verdict.ANOTHER_ATTEMPT
        if s.interface != self.syn_interface:
            return Verdict.NOTHING
        self.syn_data = max(self.syn_data, s.data)
        if not self._is_copy(self.last_syn_ns, s.time_ns):
            self.dup_syns += 1
        self.last_syn_ns = max(self.last_syn_ns, s.time_ns)
        return Verdict.PART

    def _responders_syn(self, s: Segment) -> Verdict:
        same_crossing = self.crossed and s.seq in self.responder_isns
        if self.answered and not same_crossing:
            self._time_out(s.time_ns)
            return Verdict.ANOTHER_ATTEMPT
        if not same_crossing:
            self.crossed, self.crossing_acknowledged = True, False
            self.responder_isns = [s.seq]
            self.answer_interface = s.interface
        self._moved(s)
        return Verdict.PART

    # SYN/ACKs.

    def _acknowledges_syn(self, ack: int) -> bool:
        """With all, some or none of the data on it."""
        return beyond(self.isn, ack) <= self.syn_data

    def _synack(self, s: Segment) -> Verdict:
        if not self._acknowledges_syn(s.ack):
            return Verdict.NOTHING
        if self.synack_seen and s.seq in self.responder_isns:
            return self._synack_again(s)
        if not self.synack_seen:
            self.answer_interface = s.interface
        if s.seq not in self.responder_isns:
            self.responder_isns = [*self.responder_isns[:1], s.seq]
            self.crossed = self.crossing_acknowledged = False  # a plain answer, of somebody else
        self.answered = self.synack_seen = True
        self._moved(s)
        if self.crossing_acknowledged:
            self._succeed(s.time_ns)
        return Verdict.PART

    def _synack_again(self, s: Segment) -> Verdict:
        if s.interface != self.answer_interface:
            return Verdict.NOTHING
        # Also where another answer came in between.
        if not self._is_copy(self.last_other_ns, s.time_ns):
            self.dup_synacks += 1
        self._moved(s)
        return Verdict.PART

    def _initiators_synack(self, s: Segment) -> Verdict:
        """Only where SYNs crossed does the initiator send one: its SYN, with an acknowledgment."""
        if not self.crossed or s.seq != self.isn or beyond(self.responder_isns[0], s.ack) != 0:
            return Verdict.NOTHING
        self._acknowledged_crossing(s)
        return Verdict.PART

    def _acknowledged_crossing(self, s: Segment) -> None:
        self.crossing_acknowledged = True
        if self.answered:
            self._succeed(s.time_ns)
        else:
            self._moved(s)

    # Segments of the connection.

    def _initiators_ack(self, s: Segment) -> Verdict:
        if not self.responder_isns:
            return self._half_seen(s)
        acknowledged = [isn for isn in self.responder_isns if in_front(isn, s.ack)]
        if not in_front(self.isn, s.seq) or not acknowledged:
            return Verdict.NOTHING
        if self.crossed and not self.answered:
            self._acknowledged_crossing(s)
            return Verdict.PART
        first = self._acknowledges_syn(s.seq) and any(beyond(isn, s.ack) == 0 for isn in acknowledged)
        self._succeed(s.time_ns, late=not first)
        return Verdict.PART

    def _half_seen(self, s: Segment) -> Verdict:
        """No SYN/ACK was captured: then the segment must begin where the SYN or its data ended."""
        if beyond(self.isn, s.seq) not in (0, self.syn_data):
            return Verdict.NOTHING
        self.half_seen = True
        self._succeed(s.time_ns)
        return Verdict.PART

    def _responders_ack(self, s: Segment) -> Verdict:
        fitting = [isn for isn in self.responder_isns if in_front(isn, s.seq)]
        if not in_front(self.isn, s.ack) or not fitting:
            return Verdict.NOTHING
        if self._proves_completion(s):
            self._succeed(s.time_ns, late=True)
            return Verdict.PART
        # Where SYNs crossed, a bare ACK is the last one missing, or says no more than anywhere else.
        if self.crossed and self.crossing_acknowledged:
            self._succeed(s.time_ns)
            return Verdict.PART
        return Verdict.NOTHING

    def _proves_completion(self, s: Segment) -> bool:
        if beyond(self.isn, s.ack) > self.syn_data:
            return True
        if self.syn_data:  # it may answer the data at once (RFC 7413)
            return False
        past = all(beyond(isn, s.seq) != 0 for isn in self.responder_isns)
        return s.data > 0 or bool(s.flags & FIN) or past

    # Ends.

    def _reset(self, s: Segment, from_initiator: bool) -> Verdict:
        if from_initiator:
            fits = self._acknowledges_syn(s.seq)
        else:
            by_ack = bool(s.flags & ACK) and self._acknowledges_syn(s.ack)
            fits = by_ack or any(beyond(isn, s.seq) == 0 for isn in self.responder_isns)
        if not fits:
            return Verdict.NOTHING
        self._end(Result.REJECT, Cause.ABORTED if from_initiator else Cause.REFUSED, s.time_ns)
        return Verdict.PART

    def _quoted(self, s: Segment) -> Verdict:
        if not self.pending or s.source != self.initiator or s.seq != self.isn:
            return Verdict.NOTHING
        self._end(Result.UNREACHABLE, Cause.UNREACHABLE, s.time_ns)
        return Verdict.PART

    def _late(self, s: Segment, from_initiator: bool) -> Verdict:
        """After the outcome."""
        if opens(s):
            same = s.seq == self.isn if from_initiator else s.seq in self.responder_isns
            return Verdict.PART if same else Verdict.ANOTHER_ATTEMPT
        is_synack = s.flags & (SYN | ACK | RST | FIN) == SYN | ACK
        known = s.seq in self.responder_isns and self._acknowledges_syn(s.ack)
        succeeded = self.result is Result.SUCCESS and not self.half_seen
        if from_initiator or not (is_synack and known and succeeded):
            return Verdict.NOTHING
        if s.interface != self.answer_interface:
            return Verdict.NOTHING
        if not self._is_copy(self.last_other_ns, s.time_ns):
            self.late_synacks += 1
        self._moved(s)
        return Verdict.PART

    def _succeed(self, at_ns: int, late: bool = False) -> None:
        self.late_proof = late
        self._end(Result.SUCCESS, Cause.NONE, at_ns)

    def _time_out(self, at_ns: int) -> None:
        self._end(Result.TIMEOUT, Cause.NO_ACK if self.answered else Cause.NO_ANSWER, at_ns)

    def _end(self, result: Result, cause: Cause, at_ns: int) -> None:
        self.result, self.cause, self.ended_ns = result, cause, at_ns

    # Times.

    def _moved(self, s: Segment) -> None:
        self.last_other_ns = max(self.last_other_ns, s.time_ns)

    def _is_copy(self, before_ns: int, now_ns: int) -> bool:
        """Captures put packets out of order by a little: an earlier time is a copy, too."""
        window_ns = self.rules.copy_window_ms * MILLISECOND_NS
        return window_ns > 0 and now_ns - before_ns <= window_ns


@dataclass(frozen=True)
class Findings:
    attempts: list[Attempt]
    used: int  # segments that were part of one


def judge(capture: Capture, rules: Rules = Rules()) -> Findings:
    """All attempts of a capture, in the order of their first SYNs."""
    attempts: list[Attempt] = []
    latest: dict[frozenset[End], Attempt] = {}
    used = 0
    for segment in _seen(capture.segments, rules):
        pair = frozenset((segment.source, segment.destination))
        verdict = _take(latest.get(pair), segment)
        used += verdict is not Verdict.NOTHING
        if verdict is Verdict.ANOTHER_ATTEMPT:
            latest[pair] = Attempt.begun_by(rules, segment)
            attempts.append(latest[pair])
    for attempt in attempts:
        attempt.time_out_if_due(capture.last_ns)
    return Findings(attempts, used)


def _seen(segments: Iterable[Segment], rules: Rules) -> Iterable[Segment]:
    return (segment for segment in segments if rules.icmp or not segment.quoted)


def _take(attempt: Attempt | None, segment: Segment) -> Verdict:
    if attempt is not None:
        attempt.time_out_if_due(segment.time_ns)
        forgotten = not attempt.pending and attempt.ended_ns + REMEMBERED_NS <= segment.time_ns
        if not forgotten:
            return attempt.take(segment)
    return Verdict.ANOTHER_ATTEMPT if opens(segment) else Verdict.NOTHING
