"""Segments between two ends, as a stage takes them: one `Talk` for each 4-tuple.

Sequence and acknowledgment numbers are relative to the initial ones, as in RFC 793's figures: seq=1
is the byte after the SYN. Time stands still unless one waits.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import frames
from dissect import End
from frames import ACK, FIN, RST, SYN
from stage import US_NS, Dressing, Stage, ip_packet

MS = 1000  # times here are in microseconds
SECOND = 1_000_000


@dataclass
class Talk:
    stage: Stage
    initiator: End
    responder: End
    isn: int
    responder_isn: int
    now_ns: int
    interface: int = 0
    dressing: Dressing = Dressing()
    tsval: int | None = None
    elsewhere: float = 0.0  # of the segments: seen on another interface, or there as well

    @property
    def rng(self) -> random.Random:
        return self.stage.rng

    def wait(self, us: int) -> None:
        self.now_ns += us * US_NS

    def travel(self) -> None:
        """As long as a network takes."""
        self.wait(self.rng.choice((self.rng.randrange(1, 3 * MS), self.rng.randrange(3 * MS, 300 * MS))))

    def patience(self) -> None:
        """Until a retransmission."""
        self.wait(self.rng.randrange(3 * MS, 4 * SECOND))

    def from_initiator(self, flags: int, seq: int = 0, ack: int = 0, data: int = 0) -> bytes:
        return self._send(self.initiator, self.responder, flags, self.isn + seq, self.responder_isn + ack, data)

    def from_responder(self, flags: int, seq: int = 0, ack: int = 0, data: int = 0) -> bytes:
        return self._send(self.responder, self.initiator, flags, self.responder_isn + seq, self.isn + ack, data)

    def syn(self, data: int = 0) -> bytes:
        return self._send(self.initiator, self.responder, SYN, self.isn, 0, data)

    def synack(self, ack: int = 1) -> bytes:
        return self.from_responder(SYN | ACK, ack=ack)

    def ack(self, seq: int = 1, ack: int = 1, data: int = 0) -> bytes:
        return self.from_initiator(ACK, seq, ack, data)

    def reply(self, seq: int = 1, ack: int = 1, data: int = 0) -> bytes:
        return self.from_responder(ACK, seq, ack, data)

    def another_sending(self, identification: int | None = None, tsval: int | None = None) -> None:
        """What is sent from here on has these, as the sender's clock and counter go on."""
        if identification is not None:
            self.dressing = replace(self.dressing, identification=identification)
        self.tsval = self.tsval if tsval is None else tsval

    def refuse(self, ack: int = 1) -> bytes:
        return self._send(self.responder, self.initiator, RST | ACK, 0, self.isn + ack, 0)

    def abort(self, seq: int = 1) -> bytes:
        return self._send(self.initiator, self.responder, RST, self.isn + seq, 0, 0)

    def syn_packet(self, seq: int = 0) -> bytes:
        """The IP packet of a SYN, without sending it."""
        segment = self._segment(self.initiator, self.responder, SYN, self.isn + seq, 0, 0)
        return ip_packet(self.initiator[0], self.responder[0], segment, self.dressing)

    def synack_packet(self, seq: int = 0) -> bytes:
        """The IP packet of a SYN/ACK, without sending it."""
        numbers = (self.responder_isn + seq, self.isn + 1)
        segment = self._segment(self.responder, self.initiator, SYN | ACK, *numbers, 0)
        return ip_packet(self.responder[0], self.initiator[0], segment, self.dressing)

    def cut_syn(self, captured: int) -> None:
        """A SYN of which the capture holds so many bytes of the TCP header."""
        packet = self.syn_packet()
        self.stage.beginning(self.now_ns, self.interface, packet, len(packet) - 20 + captured)

    def close(self) -> None:
        self.from_initiator(FIN | ACK, 1, 1)
        self.travel()
        self.from_responder(FIN | ACK, 1, 2)
        self.travel()
        self.ack(2, 2)

    def unreachable(
        self,
        packet: bytes,
        *,
        code: int,
        kind: int | None = None,
        quoted: int = 576,
        router: frames.Address | None = None,
    ) -> None:
        """An ICMP error that quotes `packet`, from a router on the way or from the responder."""
        sender = router or self.responder[0]
        error = frames.unreachable(sender, self.initiator[0], packet, code=code, kind=kind, quoted_bytes=quoted)
        plain = replace(self.dressing, first_of_fragments=False, trailer=0)
        self.stage.error(self.now_ns, self._seen_by(), plain, error)

    def swapped(self, isn: int, responder_isn: int) -> Talk:
        """The same ends with the roles exchanged."""
        return replace(
            self, initiator=self.responder, responder=self.initiator, isn=isn, responder_isn=responder_isn
        )

    def _send(self, source: End, destination: End, flags: int, seq: int, ack: int, data: int) -> bytes:
        segment = self._segment(source, destination, flags, seq, ack, data)
        ends = (source[0], destination[0])
        packet = self.stage.tcp(self.now_ns, self._seen_by(), self.dressing, *ends, segment)
        if self.rng.random() < self.elsewhere:
            later_ns = self.now_ns + self.rng.randrange(3000) * US_NS
            self.stage.tcp(later_ns, self.rng.randrange(self.stage.interfaces), self.dressing, *ends, segment)
        return packet

    def _seen_by(self) -> int:
        if self.rng.random() < self.elsewhere / 2:
            return self.rng.randrange(self.stage.interfaces)
        return self.interface

    def _segment(self, source: End, destination: End, flags: int, seq: int, ack: int, data: int) -> bytes:
        options = b"" if self.tsval is None else frames.timestamps(self.tsval)
        return frames.tcp(
            source[0], destination[0], source[1], destination[1],
            seq=seq, ack=ack, flags=flags, payload=b"x" * data, options=options,
        )  # fmt: skip
