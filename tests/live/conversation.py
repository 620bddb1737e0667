"""Connection attempts played by hand, in every place a monitor can stand.

A `Conversation` has an initiator and a responder; each call sends one segment from one of them, out
of the end of the wire where it lives. Sequence and acknowledgement numbers are relative to the
initial ones, as in RFC 793's figures: seq=1 is the byte after the SYN.
"""

from __future__ import annotations

import ipaddress
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import frames
from frames import ACK, FIN, RST, SYN
from lab import HOST_V4, HOST_V6, PEER_V4, PEER_V6, Wire

# Longer than the 2 ms within which a repeat counts as a copy made by the capture.
RETRANSMIT_AFTER_S = 0.005

_ports = itertools.cycle(range(10000, 60000))


@dataclass(frozen=True)
class Position:
    """Where the monitored host stands, and in which family."""

    name: str
    direction: str
    host: frames.Address
    peer: frames.Address

    @property
    def initiator(self) -> frames.Address:
        return self.peer if self.direction == "RX" else self.host

    @property
    def responder(self) -> frames.Address:
        return self.host if self.direction == "RX" else self.peer

    @property
    def expression(self) -> str:
        peer = f"[{self.peer}]" if self.peer.version == 6 else str(self.peer)
        return f"{self.name}:{self.direction}@{peer}:%"

    @property
    def mirrored(self) -> str:
        """The position that sees the same addresses with the roles exchanged."""
        return self.name.replace("rx", "tx") if self.direction == "RX" else self.name.replace("tx", "rx")


def positions(
    host_v4: str = HOST_V4, peer_v4: str = PEER_V4, host_v6: str = HOST_V6, peer_v6: str = PEER_V6
) -> list[Position]:
    """RX and TX, IPv4 and IPv6: rx4, rx6, tx4, tx6."""
    return [
        Position(f"{direction.lower()}{family}", direction, ipaddress.ip_address(host), ipaddress.ip_address(peer))
        for direction in ("RX", "TX")
        for family, host, peer in ((4, host_v4, peer_v4), (6, host_v6, peer_v6))
    ]


POSITIONS = positions()
RX4, RX6, TX4, TX6 = POSITIONS


@dataclass
class Dressing:
    """What is wrapped around every TCP segment of a conversation."""

    tags: Sequence[frames.Tag] = ()
    ip_options: bytes = b""
    first_of_fragments: bool = False  # IPv4
    extensions: Sequence[frames.Extension] = ()
    trailer: bytes = b""
    wrong_ip_checksum: bool = False
    wrong_tcp_checksum: bool = False
    tunnel: Callable[[bytes], bytes] | None = None  # from an IP packet to the one that carries it


class Conversation:
    """One 4-tuple. Each method returns the IP packet it sent."""

    def __init__(
        self,
        wire: Wire,
        position: Position,
        *,
        responder_port: int | None = None,
        isn: int = 0x10000000,
        responder_isn: int = 0x70000000,
        dressing: Dressing | None = None,
    ) -> None:
        self.position = position
        self.wire = wire
        self.dressing = dressing or Dressing()
        self.isn = isn
        self.responder_isn = responder_isn
        self.initiator_port = next(_ports)
        self.responder_port = responder_port or next(_ports)

    def reversed(self, isn: int, responder_isn: int) -> Conversation:
        """The same two ends and ports with the roles exchanged."""
        mirrored = next(p for p in POSITIONS if p.name == self.position.mirrored)
        other = Conversation(self.wire, mirrored, isn=isn, responder_isn=responder_isn)
        other.initiator_port, other.responder_port = self.responder_port, self.initiator_port
        return other

    def from_initiator(
        self, flags: int, *, seq: int = 0, ack: int = 0, payload: bytes = b"", options: bytes = b""
    ) -> bytes:
        packet = self._packet(
            self.position.initiator,
            self.position.responder,
            (self.initiator_port, self.responder_port),
            self._segment(flags, self.isn + seq, self.responder_isn + ack, payload, options),
        )
        self._send(packet, from_initiator=True)
        return packet

    def from_responder(
        self, flags: int, *, seq: int = 0, ack: int = 0, payload: bytes = b"", options: bytes = b""
    ) -> bytes:
        packet = self._packet(
            self.position.responder,
            self.position.initiator,
            (self.responder_port, self.initiator_port),
            self._segment(flags, self.responder_isn + seq, self.isn + ack, payload, options),
        )
        self._send(packet, from_initiator=False)
        return packet

    def syn(self, payload: bytes = b"", *, flags: int = SYN, options: bytes = b"") -> bytes:
        return self.from_initiator(flags, payload=payload, options=options)

    def synack(self, *, ack: int = 1, flags: int = SYN | ACK) -> bytes:
        return self.from_responder(flags, ack=ack)

    def ack(self, *, seq: int = 1, ack: int = 1, payload: bytes = b"", flags: int = ACK) -> bytes:
        return self.from_initiator(flags, seq=seq, ack=ack, payload=payload)

    def reply(self, *, seq: int = 1, ack: int = 1, payload: bytes = b"", flags: int = ACK) -> bytes:
        return self.from_responder(flags, seq=seq, ack=ack, payload=payload)

    def refuse(self, *, ack: int = 1) -> bytes:
        """What a closed port says (RFC 9293 3.10.7.1): sequence number zero, and the SYN acknowledged."""
        return self.from_responder(RST | ACK, seq=-self.responder_isn, ack=ack)

    def abort(self, *, seq: int = 1) -> bytes:
        return self.from_initiator(RST, seq=seq)

    def fin(self, *, seq: int = 1, ack: int = 1) -> bytes:
        return self.ack(seq=seq, ack=ack, flags=ACK | FIN)

    def succeed(self) -> None:
        self.syn()
        self.synack()
        self.ack()

    def unreachable(
        self,
        quoted: bytes,
        *,
        code: int = 1,
        kind: int | None = None,
        router: str | None = None,
        quoted_bytes: int = 576,
    ) -> None:
        """An ICMP error to the initiator, from the responder's side of the wire."""
        source = ipaddress.ip_address(router) if router else self.position.responder
        packet = frames.unreachable(
            source, self.position.initiator, quoted, code=code, kind=kind, quoted_bytes=quoted_bytes
        )
        self._send(packet, from_initiator=False)

    def _segment(self, flags: int, seq: int, ack: int, payload: bytes, options: bytes) -> _Segment:
        return _Segment(flags, seq, ack if flags & ACK else 0, payload, options)

    def _packet(
        self, source: frames.Address, destination: frames.Address, ports: tuple[int, int], segment: _Segment
    ) -> bytes:
        dressing = self.dressing
        body = frames.tcp(
            source,
            destination,
            *ports,
            seq=segment.seq,
            ack=segment.ack,
            flags=segment.flags,
            options=segment.options,
            payload=segment.payload,
            wrong_checksum=dressing.wrong_tcp_checksum,
        )
        if source.version == 6:
            return frames.ipv6(source, destination, frames.PROTOCOL_TCP, body, extensions=dressing.extensions)
        return frames.ipv4(
            source,
            destination,
            frames.PROTOCOL_TCP,
            body,
            options=dressing.ip_options,
            more_fragments=dressing.first_of_fragments,
            wrong_checksum=dressing.wrong_ip_checksum,
        )

    def _send(self, packet: bytes, *, from_initiator: bool) -> None:
        if self.dressing.tunnel is not None:
            packet = self.dressing.tunnel(packet)
        frame = frames.ethernet(packet, tags=self.dressing.tags, trailer=self.dressing.trailer)
        if from_initiator == (self.position.direction == "RX"):
            self.wire.from_peer(frame)
        else:
            self.wire.from_host(frame)


@dataclass(frozen=True)
class _Segment:
    flags: int
    seq: int
    ack: int
    payload: bytes
    options: bytes


def pause() -> None:
    """Long enough that the next repeat is a retransmission and no copy."""
    time.sleep(RETRANSMIT_AFTER_S)
