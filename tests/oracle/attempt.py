"""One connection attempt: the facts that the rules ask for, and the ways in which it ends."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from dissect import ACK, FIN, RST, SYN, End, Segment
from sequence import Opening

SECOND_NS = 1_000_000_000
MILLISECOND_NS = 1_000_000
REMEMBERED_NS = 60 * SECOND_NS  # from the outcome on
LONGEST_NS = 3600 * SECOND_NS  # that an attempt may be pending
ERROR_NS = 3 * SECOND_NS  # within which a repeated SYN takes an ICMP error back
MOST_MISFITS = 4  # from which on nothing but an exact segment proves anything


class Result(enum.StrEnum):
    PENDING = "pending"
    SUCCESS = "success"
    REJECT = "reject"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreach"


class Cause(enum.StrEnum):
    NONE = ""
    REFUSED = "refused"
    RESET = "reset"
    ABORTED = "aborted"
    HALF_OPEN = "half_open"
    PROBE = "probe"
    NO_ANSWER = "no_answer"
    NO_ACK = "no_ack"
    SUPERSEDED = "superseded"
    UNREACHABLE = "unreachable"


class Row(enum.StrEnum):
    """The rows of the rules, and the cases within one, that a segment can come under."""

    OPENED = "a SYN opens an attempt"
    SYN_AGAIN = "same SYN again"
    SYN_COPY = "copy of a SYN"
    SYN_SOON = "within the copy window, but another sending of the SYN"
    CLOCK_BACK = "stamped earlier by more than the copy window"
    CANDIDATE = "SYN of the initiator with another ISN"
    CANDIDATE_BACK = "SYN of the responder once it has answered"
    CANDIDATE_AGAIN = "same candidate again"
    CANDIDATE_ANSWERED = "SYN/ACK acknowledges the candidate"
    CANDIDATE_UNDECIDED = "candidate undecided for a second"
    CANDIDATE_DISPLACED = "third ISN"
    CANDIDATE_AFTER_END = "candidate opens as the old attempt ended"
    CANDIDATE_AT_END_OF_FILE = "candidate opens at the end of the file"
    CANDIDATE_RESET = "RST that fits only the candidate"
    CANDIDATE_HALF_SEEN = "ACK to a SYN/ACK of the candidate that was never captured"
    CANDIDATE_ERROR = "ICMP error that quotes the candidate"
    STRAY_SYN = "the candidate was nothing"
    ANSWERED = "SYN/ACK acknowledges the SYN"
    SYNACK_AGAIN = "same SYN/ACK again"
    SYNACK_COPY = "copy of a SYN/ACK"
    SYNACK_SOON = "within the copy window, but another sending of the SYN/ACK"
    OTHER_SYNACK = "SYN/ACK with another seq"
    COMPLETED = "completing ACK"
    FAST_OPEN = "completing ACK beyond what the SYN/ACK carried"
    LATE_INITIATOR = "late proof by the initiator"
    LATE_RESPONDER = "late proof by the responder"
    LATE_RESET = "late proof by a RST"
    PROVES_NOTHING = "bare repeat of the responder"
    HALF_SEEN = "SYN/ACK never captured"
    MISFIT = "fits nothing"
    ONLY_EXACT = "late proof after four misfits"
    UNCERTAIN = "timeout that saw misfits"
    CROSSED = "SYNs cross"
    CROSSING_REPLACED = "crossing SYN with another ISN"
    CROSSING_FORGOTTEN = "SYN/ACK with another seq than the crossing SYN"
    CROSSING_ANSWERED = "SYN/ACK of the crossing SYN's seq"
    CROSSING_ACKNOWLEDGED = "the initiator acknowledges the crossing SYN"
    TURNED_ROUND = "the crossing SYN is answered with another number"
    CROSSED_SUCCESS = "crossed, and both acknowledged"
    CROSSING_RESET = "RST that fits only an unconfirmed crossing SYN"
    SELF_CONNECT = "both ends are one"
    REJECTED = "RST of the responder"
    ABORTED = "RST of the initiator"
    BLIND_RESET = "RST that fits nothing"
    EARLY_SYNACK = "SYN/ACK captured before its SYN"
    EARLY_RESET = "RST captured before its SYN"
    ERROR = "ICMP error noted"
    ERROR_TAKEN_BACK = "repeated SYN takes the error back"
    ERROR_OUTLIVED = "success in spite of an error"
    ERROR_STOOD = "unreachable"
    ERROR_AT_RESET = "RST after an error"
    ERROR_OF_TWO = "two responders answered: errors do not count"
    ERROR_ABOUT_SYNACK = "ICMP error that quotes the SYN/ACK"
    ERROR_FOREIGN = "ICMP error that quotes another number"
    TIMED_OUT = "timeout"
    OWN_ATTEMPT = "SYN repeated after a failure, and answered"
    LATE_SYN = "late copy of the SYN"
    LATE_SYNACK = "SYN/ACK after the completing ACK"
    PENDING_AT_END = "pending at the end of the file"


@dataclass(frozen=True)
class Rules:
    timeout_s: int = 60
    copy_window_ms: int = 2
    icmp: bool = True

    def is_copy(self, before: Segment, now: Segment) -> bool:
        """Of one sending, by a capture that sees it twice: near in time, the IP identification and the
        timestamp value the same.
        """
        window_ns = self.copy_window_ms * MILLISECOND_NS
        near = window_ns > 0 and abs(now.time_ns - before.time_ns) <= window_ns
        return near and (before.ip_id, before.tsval) == (now.ip_id, now.tsval)

    def is_soon(self, before: Segment, now: Segment) -> bool:
        return abs(now.time_ns - before.time_ns) <= self.copy_window_ms * MILLISECOND_NS


def opens(segment: Segment) -> bool:
    return not segment.quoted and segment.flags & (SYN | ACK | RST | FIN) == SYN


def is_synack(segment: Segment) -> bool:
    return not segment.quoted and segment.flags & (SYN | ACK | RST | FIN) == SYN | ACK


@dataclass
class Attempt:
    """From its first SYN to its outcome, and what is still seen of it later."""

    rules: Rules
    initiator: End
    responder: End
    syn: Opening
    syn_interface: int
    first_ns: int
    moved_ns: int  # the last segment of the handshake but for the SYNs
    last_syn: Segment
    last_synack: Segment | None = None
    syn_repeated: bool = False  # since the last SYN/ACK
    again: Segment | None = None  # the SYN that was repeated after a failure
    answer_interface: int = 0  # of the first SYN/ACK, or of the SYN that crossed
    # Of SYN/ACKs that acknowledge the SYN: the first, and the latest with another number.
    answers: list[Opening] = field(default_factory=list)
    data_acknowledged: bool = False  # that of the SYN, by a SYN/ACK
    crossing: Opening | None = None  # the responder's SYN, while nobody disproves it
    crossing_syn: Segment | None = None  # the first of those
    crossing_acknowledged: bool = False  # ... by the initiator
    error_ns: int | None = None  # an ICMP error that was not taken back
    misfits: int = 0
    dup_syns: int = 0
    dup_synacks: int = 0
    late_synacks: int = 0
    result: Result = Result.PENDING
    cause: Cause = Cause.NONE
    half_seen: bool = False
    late_proof: bool = False
    uncertain: bool = False
    ended_ns: int = 0
    rows: list[Row] = field(default_factory=list)  # that it came under

    @classmethod
    def begun_by(cls, rules: Rules, syn: Segment) -> Attempt:
        at, opening = syn.time_ns, Opening(syn.seq, syn.data)
        return cls(rules, syn.source, syn.destination, opening, syn.interface, at, at, syn, rows=[Row.OPENED])

    @property
    def pending(self) -> bool:
        return self.result is Result.PENDING

    @property
    def failed(self) -> bool:
        return not self.pending and self.result is not Result.SUCCESS

    @property
    def self_connect(self) -> bool:
        return self.initiator == self.responder

    @property
    def answered(self) -> bool:
        """The responder acknowledged the SYN."""
        return bool(self.answers)

    @property
    def crossing_answered(self) -> bool:
        return self.crossing is not None and self.crossing.isn in [answer.isn for answer in self.answers]

    @property
    def responder_isns(self) -> list[int]:
        return [each.isn for each in (*self.answers, *([self.crossing] if self.crossing else []))]

    @property
    def only_exact(self) -> bool:
        return self.misfits >= MOST_MISFITS

    def forgotten(self, now_ns: int) -> bool:
        return not self.pending and self.ended_ns + REMEMBERED_NS <= now_ns

    def moved(self, s: Segment) -> None:
        self.moved_ns = s.time_ns

    # Ends.

    @property
    def due_ns(self) -> int:
        timeout = min(self.rules.timeout_s * SECOND_NS, LONGEST_NS)
        latest = max(self.first_ns, self.last_syn.time_ns, self.moved_ns)
        due = min(latest + timeout, self.first_ns + LONGEST_NS)
        return due if self.error_ns is None else min(due, self.error_ns + ERROR_NS)

    def end_if_due(self, now_ns: int) -> None:
        if self.pending and self.due_ns <= now_ns:
            self.give_up(self.due_ns)

    def succeed(self, s: Segment, *rows: Row, late: bool = False, half_seen: bool = False) -> bool:
        self.rows += rows
        if self.error_ns is not None:
            self.rows.append(Row.ERROR_OUTLIVED)
        self.late_proof, self.half_seen = late, half_seen
        self._end(Result.SUCCESS, Cause.NONE, s.time_ns)
        return True

    def reset(self, s: Segment, cause: Cause) -> bool:
        if self.error_ns is not None:  # it came first
            self.rows.append(Row.ERROR_AT_RESET)
            self.give_up(s.time_ns)
        else:
            by_responder = cause in (Cause.REFUSED, Cause.RESET)
            self.rows.append(Row.REJECTED if by_responder else Row.ABORTED)
            self._end(Result.REJECT, cause, s.time_ns)
        return True

    def supersede(self, at_ns: int) -> None:
        """Another attempt takes its place."""
        self.give_up(at_ns)
        if self.result is Result.TIMEOUT:
            self.cause = Cause.SUPERSEDED

    def give_up(self, at_ns: int) -> None:
        """As unreachable if an error was noted, with the time of that; else as timeout."""
        if self.error_ns is not None:
            self.rows.append(Row.ERROR_STOOD)
            self._end(Result.UNREACHABLE, Cause.UNREACHABLE, self.error_ns)
            return
        self.uncertain = self.misfits > 0
        self.rows.append(Row.UNCERTAIN if self.uncertain else Row.TIMED_OUT)
        self._end(Result.TIMEOUT, Cause.NO_ACK if self.answered else Cause.NO_ANSWER, at_ns)

    def _end(self, result: Result, cause: Cause, at_ns: int) -> None:
        self.result, self.cause, self.ended_ns = result, cause, at_ns
