"""Writes capture files byte by byte: pcap of either byte order and resolution, and pcapng.

Times are nanoseconds since the epoch; a file in microseconds cuts off what is finer. A packet of a
pcapng file belongs to the interface whose number it bears; a pcap file has only one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ETHERNET = 1
NULL = 0
RAW = 101
LOOP = 108
SLL = 113
IPV4 = 228
IPV6 = 229
SLL2 = 276

_SNAP_LENGTH = 262144


@dataclass(frozen=True)
class Packet:
    time_ns: int
    data: bytes  # as much as was captured
    wire_length: int
    interface: int = 0
    legible: bool = True  # to tshark, too


@dataclass(frozen=True)
class Format:
    """How numbers are written."""

    big_endian: bool = False
    nanoseconds: bool = False

    @property
    def order(self) -> str:
        return ">" if self.big_endian else "<"

    def ticks(self, time_ns: int) -> int:
        return time_ns if self.nanoseconds else time_ns // 1000

    @property
    def per_second(self) -> int:
        return 1_000_000_000 if self.nanoseconds else 1_000_000


def pcap(link_type: int, packets: Iterable[Packet], form: Format = Format()) -> bytes:
    magic = 0xA1B23C4D if form.nanoseconds else 0xA1B2C3D4
    head = struct.pack(form.order + "IHHiIII", magic, 2, 4, 0, 0, _SNAP_LENGTH, link_type)
    return head + b"".join(_pcap_record(packet, form) for packet in packets)


def _pcap_record(packet: Packet, form: Format) -> bytes:
    seconds, fraction = divmod(form.ticks(packet.time_ns), form.per_second)
    lengths = (len(packet.data), packet.wire_length)
    return struct.pack(form.order + "IIII", seconds, fraction, *lengths) + packet.data


def pcapng(link_types: Sequence[int], packets: Iterable[Packet], form: Format = Format()) -> bytes:
    """One section, an interface for each of `link_types`, then the packets."""
    section = struct.pack(form.order + "IHHq", 0x1A2B3C4D, 1, 0, -1)
    blocks = [_block(0x0A0D0D0A, section, form)]
    blocks += [_block(1, _interface(link_type, form), form) for link_type in link_types]
    blocks += [_block(6, _enhanced_packet(packet, form), form) for packet in packets]
    return b"".join(blocks)


def _block(kind: int, body: bytes, form: Format) -> bytes:
    body += b"\0" * (-len(body) % 4)
    length = struct.pack(form.order + "I", len(body) + 12)
    return struct.pack(form.order + "I", kind) + length + body + length


def _interface(link_type: int, form: Format) -> bytes:
    # Option 9 is the resolution of times; without it they are microseconds.
    resolution = struct.pack(form.order + "HHBxxxHH", 9, 1, 9, 0, 0) if form.nanoseconds else b""
    return struct.pack(form.order + "HHI", link_type, 0, _SNAP_LENGTH) + resolution


def _enhanced_packet(packet: Packet, form: Format) -> bytes:
    high, low = divmod(form.ticks(packet.time_ns), 1 << 32)
    lengths = (len(packet.data), packet.wire_length)
    return struct.pack(form.order + "IIIII", packet.interface, high, low, *lengths) + packet.data
