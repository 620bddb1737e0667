"""Frames no honest stack sends: the captures of tests/captures with bytes changed, cut and joined, and
fragments of live connections."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

import live  # noqa: F401  (the path to tests/live)

import frames
from conversation import Conversation
from frames import ACK
from lab import ROOT

_MAGIC_MICROSECONDS, _MAGIC_NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
_ETHERNET = 1
_SHORTEST, _LONGEST = 14, 1514  # what a veth of MTU 1500 carries


def captured() -> list[bytes]:
    """Every Ethernet frame of the plain pcaps in tests/captures, addressed to nobody."""
    found: list[bytes] = []
    for path in sorted((ROOT / "tests" / "captures").glob("*.pcap")):
        found += _frames_of(path.read_bytes())
    return [frames.FOREIGN_MAC + frame[6:] for frame in found if _SHORTEST <= len(frame) <= _LONGEST]


def _frames_of(content: bytes) -> Iterator[bytes]:
    for order in "<>":
        if len(content) >= 24:
            magic, link_type = struct.unpack_from(f"{order}I16xI", content)
            if magic in (_MAGIC_MICROSECONDS, _MAGIC_NANOSECONDS) and link_type == _ETHERNET:
                yield from _records(content, order)


def _records(content: bytes, order: str) -> Iterator[bytes]:
    at = 24
    while at + 16 <= len(content):
        (length,) = struct.unpack_from(f"{order}8xI", content, at)
        yield content[at + 16 : at + 16 + length]
        at += 16 + length


def mutated(originals: list[bytes], count: int, dice: random.Random) -> Iterator[bytes]:
    for _ in range(count):
        frame = bytearray(dice.choice(originals))
        kind = dice.randrange(4)
        if kind == 0:
            del frame[dice.randint(_SHORTEST, len(frame)) :]
        elif kind == 1:
            frame[_SHORTEST:] = frame[dice.randint(_SHORTEST, len(frame)) :]
        # Headers lie in the first bytes; beyond them changes tell nothing.
        for _ in range(dice.randint(0, 6)):
            frame[dice.randrange(12, min(len(frame), 90))] = dice.getrandbits(8)
        frame += bytes(max(0, _SHORTEST - len(frame)))
        yield bytes(frame)


def fragments(talk: Conversation) -> Iterator[bytes]:
    """The ACK that would complete `talk`, where it must not be believed: in a later fragment, and in a
    first one that ends within the TCP header."""
    ends = (talk.position.initiator, talk.position.responder)
    ports = (talk.initiator_port, talk.responder_port)
    body = frames.tcp(*ends, *ports, seq=talk.isn + 1, ack=talk.responder_isn + 1, flags=ACK)
    for offset, more in ((8, False), (8, True), (1480, False), (65528, False)):
        yield _fragment(talk, body, offset, more)
    for kept in (8, 12, 16):
        yield _fragment(talk, body[:kept], 0, True)


def _fragment(talk: Conversation, body: bytes, offset: int, more: bool) -> bytes:
    source, destination = talk.position.initiator, talk.position.responder
    if source.version == 4:
        packet = frames.ipv4(
            source, destination, frames.PROTOCOL_TCP, body, fragment_offset=offset, more_fragments=more
        )
    else:
        extension = frames.fragment(offset, more)
        packet = frames.ipv6(source, destination, frames.PROTOCOL_TCP, body, extensions=[extension])
    return frames.ethernet(packet)
