"""Frames made by hand, for what a real stack will not send.

Pure functions from fields to bytes: Ethernet with any VLAN tags, IPv4 with options and fragments,
IPv6 with extension headers, TCP, and the ICMP errors that quote a packet. Checksums are right
unless a test asks for a wrong one. Nothing here opens a socket.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR, AE = (1 << bit for bit in range(9))

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_IPV6 = 0x86DD
TPID_VLAN = 0x8100
TPID_QINQ = 0x88A8

PROTOCOL_HOP_BY_HOP = 0
PROTOCOL_ICMP = 1
PROTOCOL_TCP = 6
PROTOCOL_ROUTING = 43
PROTOCOL_FRAGMENT = 44
PROTOCOL_ICMPV6 = 58
PROTOCOL_DESTINATION = 60

ICMP_FRAGMENTATION_NEEDED = 4

MASK = 0xFFFFFFFF
FOREIGN_MAC = bytes.fromhex("020000000fff")  # nobody's: every real stack drops what is sent to it
SENDER_MAC = bytes.fromhex("020000000001")


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo_header(source: Address, destination: Address, protocol: int, length: int) -> bytes:
    addresses = source.packed + destination.packed
    if source.version == 4:
        return addresses + struct.pack("!BBH", 0, protocol, length)
    return addresses + struct.pack("!IxxxB", length, protocol)


def _spoil(value: int, wrong: bool) -> int:
    # An addition, since flipping all bits would turn 0 into 0xFFFF, which mean the same sum.
    return (value + 0x1234) & 0xFFFF if wrong else value


def tcp(
    source: Address,
    destination: Address,
    source_port: int,
    destination_port: int,
    *,
    seq: int,
    ack: int = 0,
    flags: int,
    options: bytes = b"",
    payload: bytes = b"",
    wrong_checksum: bool = False,
) -> bytes:
    """A TCP segment; `options` are padded to a multiple of four with end-of-list."""
    options += b"\0" * (-len(options) % 4)
    offset_and_flags = (20 + len(options)) // 4 << 12 | flags
    ports = (source_port, destination_port)
    numbers = (seq & MASK, ack & MASK)

    def build(check: int) -> bytes:
        header = struct.pack("!HHIIHHHH", *ports, *numbers, offset_and_flags, 64240, check, 0)
        return header + options + payload

    segment = build(0)
    pseudo = pseudo_header(source, destination, PROTOCOL_TCP, len(segment))
    return build(_spoil(checksum(pseudo + segment), wrong_checksum))


def ipv4(
    source: Address,
    destination: Address,
    protocol: int,
    payload: bytes,
    *,
    options: bytes = b"",
    fragment_offset: int = 0,
    more_fragments: bool = False,
    identification: int = 0x4242,
    wrong_checksum: bool = False,
) -> bytes:
    """An IPv4 packet; `fragment_offset` is in bytes."""
    options += b"\0" * (-len(options) % 4)
    version_and_length = 0x40 | (20 + len(options)) // 4
    total = 20 + len(options) + len(payload)
    fragment = fragment_offset // 8 | (0x2000 if more_fragments else 0)
    ends = (source.packed, destination.packed)

    def build(check: int) -> bytes:
        lengths = (version_and_length, 0, total, identification, fragment)
        return struct.pack("!BBHHHBBH4s4s", *lengths, 64, protocol, check, *ends) + options

    return build(_spoil(checksum(build(0)), wrong_checksum)) + payload


@dataclass(frozen=True)
class Extension:
    """An IPv6 extension header: its number and all its bytes after the next-header byte."""

    number: int
    rest: bytes


def timestamps(value: int) -> bytes:
    """The TCP option (RFC 7323), with nothing echoed."""
    return b"\x01\x01\x08\x0a" + struct.pack("!II", value & MASK, 0)


def hop_by_hop() -> Extension:
    return Extension(PROTOCOL_HOP_BY_HOP, b"\0" + b"\x01\x04\0\0\0\0")


def destination_options(length: int = 8) -> Extension:
    """Padding options only, `length` bytes in all (a multiple of 8, at most 256)."""
    return Extension(
        PROTOCOL_DESTINATION, bytes([length // 8 - 1]) + bytes([1, length - 4]) + b"\0" * (length - 4)
    )


def routing() -> Extension:
    """Type 253 (RFC 4727, experiments), no segments left: every node passes over it."""
    return Extension(PROTOCOL_ROUTING, bytes([0, 253, 0]) + b"\0" * 4)


def fragment(offset: int = 0, more: bool = False) -> Extension:
    """A fragment header; offset 0 and nothing more is an atomic fragment (RFC 6946)."""
    return Extension(
        PROTOCOL_FRAGMENT, b"\0" + struct.pack("!HI", offset & 0xFFF8 | int(more), 0x42424242)
    )


def ipv6(
    source: Address,
    destination: Address,
    protocol: int,
    payload: bytes,
    *,
    extensions: Sequence[Extension] = (),
) -> bytes:
    numbers = [extension.number for extension in extensions] + [protocol]
    body = b"".join(
        bytes([following]) + extension.rest
        for extension, following in zip(extensions, numbers[1:], strict=True)
    )
    body += payload
    return struct.pack("!IHBB", 6 << 28, len(body), numbers[0], 64) + source.packed + destination.packed + body


def ip(source: Address, destination: Address, protocol: int, payload: bytes) -> bytes:
    """A plain packet of the addresses' family."""
    if source.version == 4:
        return ipv4(source, destination, protocol, payload)
    return ipv6(source, destination, protocol, payload)


def unreachable(
    source: Address,
    destination: Address,
    quoted: bytes,
    *,
    code: int,
    kind: int | None = None,
    quoted_bytes: int = 576,
) -> bytes:
    """An ICMP or ICMPv6 destination unreachable (or `kind`) quoting a packet, as an IP packet."""
    quoted = quoted[:quoted_bytes]
    if source.version == 4:
        kind = 3 if kind is None else kind
        head = struct.pack("!BBHI", kind, code, 0, 0)
        check = checksum(head + quoted)
        return ipv4(
            source, destination, PROTOCOL_ICMP, struct.pack("!BBHI", kind, code, check, 0) + quoted
        )
    kind = 1 if kind is None else kind
    head = struct.pack("!BBHI", kind, code, 0, 0)
    pseudo = pseudo_header(source, destination, PROTOCOL_ICMPV6, len(head) + len(quoted))
    check = checksum(pseudo + head + quoted)
    return ipv6(source, destination, PROTOCOL_ICMPV6, struct.pack("!BBHI", kind, code, check, 0) + quoted)


@dataclass(frozen=True)
class Tag:
    """One VLAN tag."""

    vid: int
    tpid: int = TPID_VLAN


def ethernet(packet: bytes, *, tags: Sequence[Tag] = (), trailer: bytes = b"") -> bytes:
    """An Ethernet frame around an IP packet, outermost tag first, to nobody's address."""
    inner = ETHERTYPE_IPV4 if packet[0] >> 4 == 4 else ETHERTYPE_IPV6
    labels = b"".join(struct.pack("!HH", tag.tpid, tag.vid) for tag in tags)
    return FOREIGN_MAC + SENDER_MAC + labels + struct.pack("!H", inner) + packet + trailer
