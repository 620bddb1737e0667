"""Segments of somebody who knows the 4-tuple of a live attempt and guesses the numbers.

Each kind draws its sequence and acknowledgment numbers from all 2^32. A draw that would fit by
chance is drawn again, so that what is sent must move nothing; how often that happened is counted,
and `share` says how often it should.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import live  # noqa: F401  (the path to tests/live)

import frames
from conversation import Conversation
from frames import ACK, RST, SYN

_SPACE = 1 << 32
_REACH = 1 << 24  # of a late proof, beyond each of the two SYNs


def _beyond(isn: int, number: int) -> int:
    return (number - isn - 1) % _SPACE


@dataclass(frozen=True)
class Target:
    """A live attempt and how far it is."""

    talk: Conversation
    answered: bool

    def initiator_seq_fits(self, seq: int) -> bool:
        return _beyond(self.talk.isn, seq) == 0

    def is_late_proof(self, initiators: int, responders: int) -> bool:
        """Of either side: both numbers so near that the handshake must be over."""
        near = _beyond(self.talk.isn, initiators) < _REACH and _beyond(self.talk.responder_isn, responders) < _REACH
        return self.answered and near

    def ack_of_initiator_fits(self, seq: int, ack: int) -> bool:
        return self.is_late_proof(seq, ack) if self.answered else self.initiator_seq_fits(seq)

    def ack_of_responder_fits(self, seq: int, ack: int) -> bool:
        return self.is_late_proof(ack, seq)

    def synack_fits(self, _: int, ack: int) -> bool:
        return _beyond(self.talk.isn, ack) == 0

    def rst_ack_of_initiator_fits(self, seq: int, ack: int) -> bool:
        return self.initiator_seq_fits(seq) or self.is_late_proof(seq, ack)

    def rst_ack_of_responder_fits(self, seq: int, ack: int) -> bool:
        exact = self.synack_fits(seq, ack) or (self.answered and _beyond(self.talk.responder_isn, seq) == 0)
        return exact or self.is_late_proof(ack, seq)


@dataclass(frozen=True)
class Kind:
    """A sort of blind segment: how one is made, which numbers fit, and what share of all draws that is."""

    name: str
    flags: int
    from_initiator: bool
    fits: Callable[[Target, int, int], bool]
    share: Callable[[bool], float]  # by whether the attempt was answered


_ONE = 1 / _SPACE
_NEAR = (_REACH / _SPACE) ** 2  # one in 65,536; the first four misfits of an attempt are the only such chances

KINDS: Sequence[Kind] = (
    Kind("RST of the responder", RST, False,
         lambda t, seq, _: t.answered and _beyond(t.talk.responder_isn, seq) == 0, lambda answered: answered * _ONE),
    Kind("RST/ACK of the responder", RST | ACK, False, Target.rst_ack_of_responder_fits,
         lambda answered: _ONE + answered * _NEAR),
    Kind("RST of the initiator", RST, True, lambda t, seq, _: t.initiator_seq_fits(seq), lambda _: _ONE),
    Kind("RST/ACK of the initiator", RST | ACK, True, Target.rst_ack_of_initiator_fits,
         lambda answered: _ONE + answered * _NEAR),
    Kind("SYN/ACK of the responder", SYN | ACK, False, Target.synack_fits, lambda _: _ONE),
    Kind("SYN/ACK of the initiator", SYN | ACK, True, lambda *_: False, lambda _: 0),
    Kind("ACK of the initiator", ACK, True, Target.ack_of_initiator_fits,
         lambda answered: _NEAR if answered else _ONE),
    Kind("ACK of the responder", ACK, False, Target.ack_of_responder_fits, lambda answered: answered * _NEAR),
)  # fmt: skip
ICMP_ERROR = "ICMP error"


def _bare(target: Target, kind: Kind) -> bytearray:
    """The frame with its numbers unset."""
    talk = target.talk
    ends = (talk.position.initiator, talk.position.responder)
    ports = (talk.initiator_port, talk.responder_port)
    if not kind.from_initiator:
        ends, ports = ends[::-1], ports[::-1]
    body = frames.tcp(*ends, *ports, seq=0, flags=kind.flags)
    return bytearray(frames.ethernet(frames.ip(*ends, frames.PROTOCOL_TCP, body)))


def _bare_icmp(target: Target) -> bytearray:
    talk = target.talk
    ends = (talk.position.initiator, talk.position.responder)
    body = frames.tcp(*ends, talk.initiator_port, talk.responder_port, seq=0, flags=SYN)
    quoted = frames.ip(*ends, frames.PROTOCOL_TCP, body)
    return bytearray(frames.ethernet(frames.unreachable(ends[1], ends[0], quoted, code=1)))


@dataclass
class Guesser:
    """Draws blind segments against targets, all kinds by turns."""

    targets: Sequence[Target]
    dice: random.Random
    hits: int = 0  # first draws that fitted
    expected_hits: float = 0.0
    expected_exact_hits: float = 0.0  # of those, where one number of 2^32 would do
    by_kind: dict[str, int] = field(default_factory=dict)

    def draw(self, count: int) -> Iterator[bytes]:
        bare = [[_bare(target, kind) for kind in KINDS] for target in self.targets]
        bare_icmp = [_bare_icmp(target) for target in self.targets]
        for number in range(count):
            at = number // (len(KINDS) + 1) % len(self.targets)
            target = self.targets[at]
            turn = number % (len(KINDS) + 1)
            if turn == len(KINDS):
                yield self._icmp(target, bare_icmp[at])
            else:
                yield self._segment(target, KINDS[turn], bare[at][turn])

    def _segment(self, target: Target, kind: Kind, frame: bytearray) -> bytes:
        self._expect(kind.name, kind.share(target.answered))
        seq, ack = divmod(self.dice.getrandbits(64), _SPACE)
        self.hits += kind.fits(target, seq, ack)
        while kind.fits(target, seq, ack):
            seq, ack = divmod(self.dice.getrandbits(64), _SPACE)
        # Sequence and acknowledgment number, in the TCP header at the frame's end.
        struct.pack_into("!II", frame, len(frame) - 16, seq, ack)
        return bytes(frame)

    def _icmp(self, target: Target, frame: bytearray) -> bytes:
        self._expect(ICMP_ERROR, _ONE)
        seq = self.dice.getrandbits(32)
        self.hits += seq == target.talk.isn
        while seq == target.talk.isn:
            seq = self.dice.getrandbits(32)
        struct.pack_into("!I", frame, len(frame) - 16, seq)
        return bytes(frame)

    def _expect(self, kind: str, share: float) -> None:
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1
        self.expected_hits += share
        if share <= 2 * _ONE:
            self.expected_exact_hits += share
