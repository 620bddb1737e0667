"""A dissector of its own, from the RFCs: Ethernet frames with IPv4, IPv6 and its extension headers, TCP,
and the ICMP errors that quote it. It reads what hand-made captures hold without anybody's help, also
where tshark gives up: quotations of eight bytes, lengths in them that lie, mobility headers.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from capturefile import Packet
from dissect import MAX_EXTENSION_HEADERS, TCP_HEADER, Address, Capture, Segment

_IPV4, _IPV6 = 0x0800, 0x86DD
_ICMP, _TCP, _ICMPV6 = 1, 6, 58
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION = 0, 43, 44, 51
_DESTINATION, _MOBILITY, _HIP, _SHIM6 = 60, 135, 139, 140
_COUNTED_IN_EIGHTS = (_HOP_BY_HOP, _ROUTING, _DESTINATION, _MOBILITY, _HIP, _SHIM6)
_FLAGS_END = 14  # of a TCP header
_QUOTED_TCP = 8  # bytes that RFC 792 promises
_ERRORS = {_ICMP: (3, 11, 12), _ICMPV6: (1, 3, 4)}
_FRAGMENTATION_NEEDED = (3, 4)


class Unreadable(Exception):
    """A packet that ends too early, or is none that the rules know."""


@dataclass(frozen=True)
class _Ip:
    source: Address
    destination: Address
    protocol: int
    payload: bytes  # as much as was captured
    length: int  # of the payload, by the header's word
    identification: int | None


def dissect(packets: Sequence[Packet]) -> Capture:
    """Of Ethernet frames."""
    return Capture(len(packets), packets[-1].time_ns if packets else 0, list(_segments(packets)))


def _segments(packets: Iterable[Packet]) -> Iterable[Segment]:
    for packet in packets:
        try:
            (ethertype,) = _unpack("!12xH", packet.data)
            yield _segment(packet, ethertype, packet.data[14:])
        except Unreadable:
            continue


def _unpack(form: str, data: bytes, at: int = 0) -> tuple[int, ...]:
    if len(data) < at + struct.calcsize(form):
        raise Unreadable
    return struct.unpack_from(form, data, at)


def _segment(packet: Packet, ethertype: int, data: bytes) -> Segment:
    if ethertype not in (_IPV4, _IPV6) or not data or data[0] >> 4 != (4 if ethertype == _IPV4 else 6):
        raise Unreadable
    ip = _ip(data)
    if ip.protocol == _TCP:
        return _tcp(packet, ip)
    if ip.protocol == (_ICMP if ethertype == _IPV4 else _ICMPV6):
        return _error(packet, ip)
    raise Unreadable


def _ip(data: bytes, quoted: bool = False) -> _Ip:
    return _ipv4(data, quoted) if data[0] >> 4 == 4 else _ipv6(data, quoted)


def _ipv4(data: bytes, quoted: bool) -> _Ip:
    first, total, identification, fragment, protocol = _unpack("!BxHHHxBxx8x", data)
    header = (first & 0x0F) * 4
    if header < 20 or fragment & 0x1FFF:
        raise Unreadable
    if not quoted and total < header:
        raise Unreadable
    source, destination = (ipaddress.IPv4Address(data[at : at + 4]) for at in (12, 16))
    return _Ip(source, destination, protocol, data[header:], total - header, identification)


def _ipv6(data: bytes, quoted: bool) -> _Ip:
    first, length, following = _unpack("!IHBx32x", data)
    source, destination = (ipaddress.IPv6Address(data[at : at + 16]) for at in (8, 24))
    if first >> 28 != 6 or source.ipv4_mapped is not None or destination.ipv4_mapped is not None:
        raise Unreadable
    protocol, at = _after_extensions(data, following)
    return _Ip(source, destination, protocol, data[at:], length + 40 - at, None)


def _after_extensions(data: bytes, following: int) -> tuple[int, int]:
    """The protocol behind the extension headers of an IPv6 packet, and where it begins."""
    at = 40
    for _ in range(MAX_EXTENSION_HEADERS + 1):
        if following in _COUNTED_IN_EIGHTS:  # less the first eight bytes (RFC 8200 4.3, RFC 6275 6.1)
            after, units = _unpack("!BB", data, at)
            length = (units + 1) * 8
        elif following == _AUTHENTICATION:  # words of four bytes, less two (RFC 4302 2.2)
            after, units = _unpack("!BB", data, at)
            length = (units + 2) * 4
        elif following == _FRAGMENT:
            after, offset = _unpack("!BxH", data, at)
            length = 8
            if offset & 0xFFF8:
                raise Unreadable
        else:
            return following, at
        following, at = after, at + length
    raise Unreadable


def _tcp(packet: Packet, ip: _Ip) -> Segment:
    source, destination, seq, ack, header, flags = _unpack("!HHIIBB", ip.payload)
    header = (header >> 4) * 4
    if not TCP_HEADER <= header <= ip.length:
        raise Unreadable
    return Segment(
        packet.time_ns, packet.interface, (ip.source, source), (ip.destination, destination), seq, ack, flags,
        ip.length - header, ip.identification, _timestamp(ip.payload[TCP_HEADER:header]),
    )  # fmt: skip


def _timestamp(options: bytes) -> int | None:
    """RFC 7323 3.2: kind 8, length 10, the value first."""
    at = 0
    while at < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        if at + 1 >= len(options) or options[at + 1] < 2:
            return None
        if options[at : at + 2] == b"\x08\x0a" and at + 10 <= len(options):
            return int.from_bytes(options[at + 2 : at + 6], "big")
        at += options[at + 1]
    return None


def _error(packet: Packet, ip: _Ip) -> Segment:
    kind, code = _unpack("!BB6x", ip.payload)
    if kind not in _ERRORS[ip.protocol] or (ip.protocol == _ICMP and (kind, code) == _FRAGMENTATION_NEEDED):
        raise Unreadable
    quote = ip.payload[8:]
    if not quote or quote[0] >> 4 != ip.source.version:
        raise Unreadable
    inner = _ip(quote, quoted=True)
    if inner.protocol != _TCP:
        raise Unreadable
    source, destination, seq = _unpack("!HHI", inner.payload)
    ends = (inner.source, source), (inner.destination, destination)
    return Segment(packet.time_ns, packet.interface, *ends, seq, quoted=True)
