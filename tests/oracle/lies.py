"""Packets that are not what they say: cut, fragmented, of wrong lengths and versions, in the wrong wrapping.

A lie changes a packet that was well built. What is then left of it is not decided here: tshark says.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

import frames

_ADDRESSES_OF_IPV6 = (8, 24)
_MAPPED = b"\0" * 10 + b"\xff\xff" + bytes([10, 1, 0, 9])
# Other protocols than TCP, tunnels among them; none that IPv6 has as an extension header, which is stepped over.
_RARE = (135, 139, 140)
_PROTOCOLS = (2, 4, 17, 41, 47, 50, 59, 132)


@dataclass(frozen=True)
class Built:
    """An IP packet and what the link is to do with it."""

    packet: bytes
    tcp_at: int  # where the TCP header begins
    ethertype: int
    captured: int | None = None  # of the packet, nothing: all; below 0, bytes of the link header miss, too
    tags: int | None = None  # instead of what the conversation has
    padded: bool = True  # may have a trailer
    legible: bool = True  # to tshark, too

    @property
    def version(self) -> int:
        return 6 if self.ethertype == frames.ETHERTYPE_IPV6 else 4

    def patched(self, at: int, value: bytes) -> Built:
        return replace(self, packet=self.packet[:at] + value + self.packet[at + len(value) :])


Lie = Callable[[random.Random, Built], Built]


def cut(rng: random.Random, built: Built) -> Built:
    """By the snap length. In the two bytes behind the flags, tshark shows no flags."""
    captured = rng.choice((rng.randrange(len(built.packet)), built.tcp_at + rng.randrange(12, 18)))
    return replace(built, captured=captured, legible=captured - built.tcp_at not in (14, 15))


def cut_in_link_header(rng: random.Random, built: Built) -> Built:
    return replace(built, captured=-rng.randrange(30))


def wrong_data_offset(rng: random.Random, built: Built) -> Built:
    return built.patched(built.tcp_at + 12, bytes([rng.randrange(16) << 4]))


def wrong_length(rng: random.Random, built: Built) -> Built:
    """Of the IP packet: 0, too short, too long."""
    true = len(built.packet) - (40 if built.version == 6 else 0)
    lie = rng.choice((0, rng.randrange(true), true + rng.randrange(1, 1000)))
    # tshark does not look behind hop-by-hop options of such a packet for anything but a jumbo payload's.
    legible = lie != 0 or built.version == 4 or built.packet[6] != frames.PROTOCOL_HOP_BY_HOP
    patched = built.patched(4 if built.version == 6 else 2, struct.pack("!H", lie))
    # Without a length the packet ends where the frame does, and so must not have a trailer.
    return replace(patched, padded=lie != 0, legible=legible)


def wrong_version(rng: random.Random, built: Built) -> Built:
    low = built.packet[0] & 0x0F
    return built.patched(0, bytes([rng.randrange(16) << 4 | low]))


def wrong_header_length(rng: random.Random, built: Built) -> Built:
    """IPv4's: too short, or beyond the packet's end. In between, TCP would be read as IP options."""
    if built.version == 6:
        return built
    units = rng.randrange(built.packet[0] & 0x0F)
    beyond = len(built.packet) < 60 and rng.random() < 0.5
    return built.patched(0, bytes([0x40 | (15 if beyond else units)]))


def wrong_protocol(rng: random.Random, built: Built) -> Built:
    return built.patched(6 if built.version == 6 else 9, bytes([rng.choice(_PROTOCOLS)]))


def mapped_address(rng: random.Random, built: Built) -> Built:
    if built.version == 4:
        return built
    return built.patched(rng.choice(_ADDRESSES_OF_IPV6), _MAPPED)


def wrong_ethertype(rng: random.Random, built: Built) -> Built:
    other = frames.ETHERTYPE_IPV4 if built.version == 6 else frames.ETHERTYPE_IPV6
    return replace(built, ethertype=rng.choice((other, 0x0806, 0x88CC)))


def later_fragment(rng: random.Random, built: Built) -> Built:
    if built.version == 6:
        return _with_fragment_header(built, rng.randrange(8, 65528, 8), rng.random() < 0.5)
    more = 0x2000 if rng.random() < 0.5 else 0
    return built.patched(6, struct.pack("!H", rng.randrange(1, 0x2000) | more))


def short_first_fragment(rng: random.Random, built: Built) -> Built:
    """Of 8 bytes, or of 16."""
    kept = replace(built, packet=built.packet[: built.tcp_at + rng.choice((8, 16))])
    if built.version == 6:
        return _with_fragment_header(kept, 0, True)
    return kept.patched(6, b"\x20\0").patched(2, struct.pack("!H", len(kept.packet)))


def many_extension_headers(rng: random.Random, built: Built) -> Built:
    """Around as many as are read."""
    if built.version == 4:
        return built
    for _ in range(rng.randrange(6, 10)):
        built = _with_extension(built, frames.destination_options(rng.choice((8, 16))))
    return built


def rare_extension_header(rng: random.Random, built: Built) -> Built:
    """Of mobility (RFC 6275), HIP (RFC 7401) or Shim6 (RFC 5533), with nothing in it: tshark takes each for the end."""
    if built.version == 4:
        return built
    units = rng.randrange(3)
    rest = bytes([units]) + b"\0" * (units * 8 + 6)
    return replace(_with_extension(built, frames.Extension(rng.choice(_RARE), rest)), legible=False)


def many_tags(rng: random.Random, built: Built) -> Built:
    return replace(built, tags=rng.randrange(6, 11))


def _with_fragment_header(built: Built, offset: int, more: bool) -> Built:
    return _with_extension(built, frames.fragment(offset, more))


def _with_extension(built: Built, extension: frames.Extension) -> Built:
    """The new header comes first."""
    inserted = built.packet[6:7] + extension.rest
    packet = built.packet[:40] + inserted + built.packet[40:]
    grown = replace(built, packet=packet, tcp_at=built.tcp_at + len(inserted))
    length = struct.pack("!H", len(packet) - 40)
    return grown.patched(4, length).patched(6, bytes([extension.number]))


LIES: tuple[Lie, ...] = (
    cut, cut, cut, cut_in_link_header, wrong_data_offset, wrong_data_offset, wrong_length, wrong_length, wrong_version,
    wrong_header_length, wrong_protocol, mapped_address, wrong_ethertype, later_fragment,
    short_first_fragment, many_extension_headers, rare_extension_header, many_tags,
)  # fmt: skip
