"""Tunnel headers by hand, from an IP packet to the one that carries it, between two ends of their own."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

import frames
from frames import ETHERTYPE_IPV4, ETHERTYPE_IPV6, Address
from lab import address

Tunnel = Callable[[bytes], bytes]

_GRE, _UDP, _IPV4, _IPV6 = 47, 17, 4, 41
_BRIDGED, _ERSPAN, _ERSPAN_III = 0x6558, 0x88BE, 0x22EB
_KEY, _SEQUENCE = 0x2000, 0x1000
_ENDS_V4 = address("203.0.113.1"), address("203.0.113.2")
_ENDS_V6 = address("2001:db8:f::1"), address("2001:db8:f::2")


def _type(packet: bytes) -> int:
    return ETHERTYPE_IPV6 if packet[0] >> 4 == 6 else ETHERTYPE_IPV4


def _udp(port: int, payload: bytes) -> bytes:
    return struct.pack("!HHHH", 51_000, port, 8 + len(payload), 0) + payload


def _gre(protocol: int, payload: bytes, flags: int = 0) -> bytes:
    fields = bytes(4 * sum(flags & bit != 0 for bit in (_KEY, _SEQUENCE)))
    return struct.pack("!HH", flags, protocol) + fields + payload


def _vxlan(port: int, packet: bytes) -> tuple[int, bytes]:
    return _UDP, _udp(port, b"\x08\0\0\0\0\0\x2a\0" + frames.ethernet(packet))


def _geneve(packet: bytes) -> tuple[int, bytes]:
    head = struct.pack("!BBHI", 8, 0, _type(packet), 42 << 8) + bytes(32)
    return _UDP, _udp(6081, head + packet)


def _erspan(packet: bytes) -> tuple[int, bytes]:
    head = struct.pack("!HHI", 0x1064, 7, 3)
    return _GRE, _gre(_ERSPAN, head + frames.ethernet(packet), _SEQUENCE)


def _erspan_iii(packet: bytes) -> tuple[int, bytes]:
    head = struct.pack("!HHIHH", 0x2064, 7, 123_456, 0, 0)
    tagged = frames.ethernet(packet, tags=[frames.Tag(7)])
    return _GRE, _gre(_ERSPAN_III, head + tagged, _SEQUENCE)


_WRAPS: Mapping[str, Callable[[bytes], tuple[int, bytes]]] = {
    "vxlan": lambda packet: _vxlan(4789, packet),
    "vxlan-linux": lambda packet: _vxlan(8472, packet),
    "geneve": _geneve,
    "gre": lambda packet: (_GRE, _gre(_type(packet), packet)),
    "gre-bridged": lambda packet: (_GRE, _gre(_BRIDGED, frames.ethernet(packet), _KEY)),
    "gre-erspan-i": lambda packet: (_GRE, _gre(_ERSPAN, frames.ethernet(packet))),
    "gre-erspan-ii": _erspan,
    "gre-erspan-iii": _erspan_iii,
    "ipip": lambda packet: (_IPV6 if packet[0] >> 4 == 6 else _IPV4, packet),
}  # fmt: skip


def _over(ends: tuple[Address, Address], wrap: Callable[[bytes], tuple[int, bytes]]) -> Tunnel:
    return lambda packet: frames.ip(*ends, *wrap(packet))


# By kind, which begins with its name for --decap, over IPv4 and over IPv6.
TUNNELS: Mapping[str, Tunnel] = {
    f"{name} over {family}": _over(ends, wrap)
    for name, wrap in _WRAPS.items()
    for family, ends in (("IPv4", _ENDS_V4), ("IPv6", _ENDS_V6))
}


def nested(*tunnels: Tunnel) -> Tunnel:
    """Innermost first."""

    def wrap(packet: bytes) -> bytes:
        for tunnel in tunnels:
            packet = tunnel(packet)
        return packet

    return wrap
