"""A SYN that may begin another attempt than the pending one of its two ends, until that is decided."""

from __future__ import annotations

from dataclasses import dataclass

from attempt import SECOND_NS, Attempt, Row, Rules
from dissect import ACK, Said, Segment
from sequence import Opening

DECIDED_NS = SECOND_NS  # from its SYN on


@dataclass
class Candidate:
    """It moves no deadline of the pending attempt and changes nothing that that accepts."""

    rules: Rules
    syn: Segment  # the first
    last_syn: Segment
    opening: Opening
    dup_syns: int = 0
    error_ns: int | None = None  # of an ICMP error that was not taken back
    error: Said | None = None
    repeated: Segment | None = None  # after its end
    end: Segment | None = None  # the first that fits it alone: a RST, or an ACK to an unseen SYN/ACK

    @classmethod
    def of(cls, rules: Rules, syn: Segment) -> Candidate:
        return cls(rules, syn, syn, Opening(syn.seq, syn.data))

    @property
    def due_ns(self) -> int:
        return self.syn.time_ns + DECIDED_NS

    def is_of(self, syn: Segment) -> bool:
        return (syn.source, syn.seq) == (self.syn.source, self.syn.seq)

    def again(self, syn: Segment) -> bool:
        if syn.interface != self.syn.interface:
            return self.end is not None  # a late copy
        self.opening = self.opening.grown(syn.data)
        copy = self.rules.is_copy(self.last_syn, syn)
        self.last_syn = syn
        if copy:
            return True
        if self.end is not None:  # it has its outcome: this may be answered yet
            self.repeated = syn
            return True
        self.dup_syns += 1
        self.error_ns = None
        return True

    def is_answered_by(self, synack: Segment) -> bool:
        return synack.source == self.syn.destination and self.opening.exactly(synack.ack)

    def is_reset_by(self, rst: Segment) -> bool:
        if rst.source == self.syn.source:
            return self.opening.exactly(rst.seq)
        return bool(rst.flags & ACK) and self.opening.exactly(rst.ack)

    def is_proved_by(self, ack: Segment) -> bool:
        """Its SYN/ACK was never captured."""
        return ack.source == self.syn.source and self.opening.beyond(ack.seq) in (0, self.opening.data)

    def is_quoted_by(self, error: Segment) -> bool:
        return (error.source, error.seq) == (self.syn.source, self.syn.seq) and self.end is None

    def keep(self, end: Segment) -> None:
        if self.end is None:
            self.end = end

    def opened(self, row: Row) -> Attempt:
        """With the time of its own SYN."""
        attempt = Attempt.begun_by(self.rules, self.syn)
        attempt.rows.append(row)
        attempt.syn, attempt.last_syn = self.opening, self.last_syn
        attempt.error_ns, attempt.error = self.error_ns, self.error
        attempt.dup_syns = self.dup_syns
        attempt.syn_repeated = self.dup_syns > 0
        return attempt
