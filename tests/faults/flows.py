"""Handshakes by number, as frames: each number is a connection of its own to port 80 of the host.

A frame is a template in which addresses, ports and numbers are set, a few microseconds each.
Checksums are not set; by default tcpeek verifies none.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import live  # noqa: F401  (the path to tests/live)

import frames
from frames import ACK, SYN
from lab import HOST_V4, PEER_V4, address

_HOST = address(HOST_V4)
_FIRST_CLIENT = 0xC6120000  # 198.18.0.0/15, RFC 2544
_PORTS = 50_000
_ADDRESSES_AT = 14 + 12
_TCP_AT = 14 + 20


def _template(flags: int) -> bytes:
    body = frames.tcp(address(PEER_V4), _HOST, 1, 1, seq=0, flags=flags)
    return frames.ethernet(frames.ipv4(address(PEER_V4), _HOST, frames.PROTOCOL_TCP, body))


_TEMPLATES = {flags: _template(flags) for flags in (SYN, SYN | ACK, ACK)}


def _frame(number: int, flags: int, seq: int, ack: int, outgoing: bool) -> bytes:
    frame = bytearray(_TEMPLATES[flags])
    client = struct.pack("!I", _FIRST_CLIENT + number // _PORTS)
    port = 10_000 + number % _PORTS
    ends, ports = (client + _HOST.packed, (port, 80)) if outgoing else (_HOST.packed + client, (80, port))
    frame[_ADDRESSES_AT:_TCP_AT] = ends
    struct.pack_into("!HHII", frame, _TCP_AT, *ports, seq, ack)
    return bytes(frame)


def syn(number: int) -> bytes:
    return _frame(number, SYN, 1000, 0, True)


def synack(number: int) -> bytes:
    return _frame(number, SYN | ACK, 9000, 1001, False)


def ack(number: int) -> bytes:
    return _frame(number, ACK, 1001, 9001, True)


def handshakes(first: int, count: int) -> Iterator[bytes]:
    """`count` complete handshakes, three frames each."""
    for number in range(first, first + count):
        yield syn(number)
        yield synack(number)
        yield ack(number)
