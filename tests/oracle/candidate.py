"""A SYN that may begin another attempt than the pending one of its two ends, until that is decided."""

from __future__ import annotations

from dataclasses import dataclass

from attempt import SECOND_NS, Attempt, Row, Rules
from dissect import ACK, Segment
from sequence import Opening

DECIDED_NS = SECOND_NS  # from its SYN on


@dataclass
class Candidate:
    """It moves no deadline of the pending attempt and changes nothing that that accepts."""

    rules: Rules
    syn: Segment  # the first
    last_syn: Segment
    opening: Opening
    moved_ns: int
    dup_syns: int = 0
    reset: Segment | None = None  # the first that fits it alone

    @classmethod
    def of(cls, rules: Rules, syn: Segment) -> Candidate:
        return cls(rules, syn, syn, Opening(syn.seq, syn.data), syn.time_ns)

    @property
    def due_ns(self) -> int:
        return self.syn.time_ns + DECIDED_NS

    def is_of(self, syn: Segment) -> bool:
        return (syn.source, syn.seq) == (self.syn.source, self.syn.seq)

    def again(self, syn: Segment) -> bool:
        if syn.interface != self.syn.interface:
            return False
        self.opening = self.opening.grown(syn.data)
        if not self.rules.is_copy(self.last_syn, syn):
            self.dup_syns += 1
        self.last_syn = syn
        self.moved_ns = max(self.moved_ns, syn.time_ns)
        return True

    def is_answered_by(self, synack: Segment) -> bool:
        return synack.source == self.syn.destination and self.opening.exactly(synack.ack)

    def is_reset_by(self, rst: Segment) -> bool:
        if rst.source == self.syn.source:
            return self.opening.exactly(rst.seq)
        return bool(rst.flags & ACK) and self.opening.exactly(rst.ack)

    def keep(self, rst: Segment) -> None:
        if self.reset is None:
            self.reset = rst

    def opened(self, row: Row) -> Attempt:
        """With the time of its own SYN."""
        attempt = Attempt.begun_by(self.rules, self.syn)
        attempt.rows.append(row)
        attempt.syn, attempt.last_syn, attempt.moved_ns = self.opening, self.last_syn, self.moved_ns
        attempt.dup_syns = self.dup_syns
        attempt.syn_repeated = self.dup_syns > 0
        return attempt
