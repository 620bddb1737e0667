"""A dissector of its own, from the RFCs: IPv4, IPv6 and its extension headers, TCP,
and the ICMP errors that quote it. It reads what hand-made captures hold without anybody's help, also
where tshark gives up: quotations of eight bytes, lengths in them that lie, mobility headers.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import capturefile
from capturefile import Packet
from dissect import MAX_EXTENSION_HEADERS, TCP_HEADER, Address, Capture, Said, Segment
from plain_links import IPV4, Linked, Unreadable, find_ip, unpack

_ICMP, _TCP, _ICMPV6 = 1, 6, 58
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION = 0, 43, 44, 51
_DESTINATION, _MOBILITY, _HIP, _SHIM6 = 60, 135, 139, 140
_COUNTED_IN_EIGHTS = (_HOP_BY_HOP, _ROUTING, _DESTINATION, _MOBILITY, _HIP, _SHIM6)
_FLAGS = 0xFFF
_ERRORS = {_ICMP: (3, 11, 12), _ICMPV6: (1, 3, 4)}
_FRAGMENTATION_NEEDED = (3, 4)


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
    found = each_of(packets, [capturefile.ETHERNET] * 2)
    segments = [segment for segment in found if segment is not None]
    return Capture(len(packets), packets[-1].time_ns if packets else 0, segments)


def each_of(
    packets: Iterable[Packet], link_types: Sequence[int], big_endian: bool = False
) -> list[Segment | None]:
    """The segment in each packet, or nothing; `link_types` are those of the interfaces."""
    return [_read(packet, link_types[packet.interface], big_endian) for packet in packets]


def _read(packet: Packet, link_type: int, big_endian: bool) -> Segment | None:
    try:
        return _segment(packet, find_ip(link_type, packet.data, big_endian))
    except Unreadable:
        return None


def _segment(packet: Packet, found: Linked) -> Segment:
    data = packet.data[found.at :]
    if not data or data[0] >> 4 != (4 if found.ethertype == IPV4 else 6):
        raise Unreadable
    ip = _ip(data, packet.wire_length - found.at)
    interface = packet.interface if found.interface is None else found.interface
    if ip.protocol == _TCP:
        return _tcp(packet.time_ns, interface, ip)
    if ip.protocol == (_ICMP if found.ethertype == IPV4 else _ICMPV6):
        return _error(packet.time_ns, interface, ip)
    raise Unreadable


def _ip(data: bytes, on_the_wire: int, quoted: bool = False) -> _Ip:
    """A length of 0 is that of a segmentation offload: as long as it was on the wire."""
    return _ipv4(data, on_the_wire, quoted) if data[0] >> 4 == 4 else _ipv6(data, on_the_wire)


def _ipv4(data: bytes, on_the_wire: int, quoted: bool) -> _Ip:
    first, total, identification, fragment, protocol = unpack("!BxHHHxBxx8x", data)
    header = (first & 0x0F) * 4
    total = total or on_the_wire
    if header < 20 or fragment & 0x1FFF:
        raise Unreadable
    if not quoted and total < header:
        raise Unreadable
    source, destination = (ipaddress.IPv4Address(data[at : at + 4]) for at in (12, 16))
    return _Ip(source, destination, protocol, data[header:], total - header, identification)


def _ipv6(data: bytes, on_the_wire: int) -> _Ip:
    first, length, following = unpack("!IHBx32x", data)
    source, destination = (ipaddress.IPv6Address(data[at : at + 16]) for at in (8, 24))
    if first >> 28 != 6 or source.ipv4_mapped is not None or destination.ipv4_mapped is not None:
        raise Unreadable
    protocol, at = _after_extensions(data, following)
    return _Ip(source, destination, protocol, data[at:], (length or on_the_wire - 40) + 40 - at, None)


def _after_extensions(data: bytes, following: int) -> tuple[int, int]:
    """The protocol behind the extension headers of an IPv6 packet, and where it begins."""
    at = 40
    for _ in range(MAX_EXTENSION_HEADERS + 1):
        if following in _COUNTED_IN_EIGHTS:  # less the first eight bytes (RFC 8200 4.3, RFC 6275 6.1)
            after, units = unpack("!BB", data, at)
            length = (units + 1) * 8
        elif following == _AUTHENTICATION:  # words of four bytes, less two (RFC 4302 2.2)
            after, units = unpack("!BB", data, at)
            length = (units + 2) * 4
        elif following == _FRAGMENT:
            after, offset = unpack("!BxH", data, at)
            length = 8
            if offset & 0xFFF8:
                raise Unreadable
        else:
            return following, at
        following, at = after, at + length
    raise Unreadable


def _tcp(time_ns: int, interface: int, ip: _Ip) -> Segment:
    source, destination, seq, ack, offset_and_flags = unpack("!HHIIH", ip.payload)
    header = (offset_and_flags >> 12) * 4
    if not TCP_HEADER <= header <= ip.length:
        raise Unreadable
    return Segment(
        time_ns, interface, (ip.source, source), (ip.destination, destination), seq, ack,
        offset_and_flags & _FLAGS, ip.length - header, ip.identification, _timestamp(ip.payload[TCP_HEADER:header]),
    )  # fmt: skip


def _timestamp(options: bytes) -> int | None:
    """RFC 7323 3.2: kind 8, length 10, the value first: what is cut behind that does not matter."""
    at = 0
    while at < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        if at + 1 >= len(options) or options[at + 1] < 2:
            return None
        if options[at : at + 2] == b"\x08\x0a" and at + 6 <= len(options):
            return int.from_bytes(options[at + 2 : at + 6], "big")
        at += options[at + 1]
    return None


def _error(time_ns: int, interface: int, ip: _Ip) -> Segment:
    kind, code = unpack("!BB6x", ip.payload)
    if kind not in _ERRORS[ip.protocol] or (ip.protocol == _ICMP and (kind, code) == _FRAGMENTATION_NEEDED):
        raise Unreadable
    quote = ip.payload[8:]
    if not quote or quote[0] >> 4 != ip.source.version:
        raise Unreadable
    inner = _ip(quote, len(quote), quoted=True)
    if inner.protocol != _TCP:
        raise Unreadable
    source, destination, seq = unpack("!HHI", inner.payload)
    ends = (inner.source, source), (inner.destination, destination)
    return Segment(time_ns, interface, *ends, seq, quoted=True, error=Said(ip.source, kind, code))
