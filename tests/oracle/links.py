"""What each type of link puts in front of an IP packet."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import capturefile
import frames

TPID_QINQ_OLD = 0x9100

_ARPHRD_ETHER = 1
_TO_US = 0  # the direction in a cooked header
_BSD_AF_INET = 2
_BSD_AF_INET6 = 24

_ADDRESS = frames.SENDER_MAC + b"\0\0"


@dataclass(frozen=True)
class Header:
    """What the link header says of the packet behind it."""

    ethertype: int
    tags: Sequence[frames.Tag] = ()  # outermost first; links without ethertypes have none
    interface_index: int = 1
    family_of_ipv6: int = _BSD_AF_INET6  # differs between the systems that write NULL

    @property
    def protocol(self) -> int:
        return self.tags[0].tpid if self.tags else self.ethertype

    @property
    def labels(self) -> bytes:
        inner = [tag.tpid for tag in self.tags[1:]] + [self.ethertype]
        pairs = zip(self.tags, inner, strict=False)
        return b"".join(struct.pack("!HH", tag.vid, following) for tag, following in pairs)

    @property
    def family(self) -> int:
        return self.family_of_ipv6 if self.ethertype == frames.ETHERTYPE_IPV6 else _BSD_AF_INET


def header_of(packet: bytes) -> Header:
    """The plainest header for a packet."""
    six = packet[0] >> 4 == 6
    return Header(frames.ETHERTYPE_IPV6 if six else frames.ETHERTYPE_IPV4)


def wrap(link_type: int, packet: bytes, header: Header, big_endian: bool = False) -> bytes:
    """`big_endian` is the order of the host that wrote the file: NULL has its family in it."""
    return _HEADERS[link_type](header, big_endian) + packet


def takes_tags(link_type: int) -> bool:
    return link_type in (capturefile.ETHERNET, capturefile.SLL, capturefile.SLL2)


def _ethernet(header: Header, big_endian: bool) -> bytes:
    macs = frames.FOREIGN_MAC + frames.SENDER_MAC
    return macs + struct.pack("!H", header.protocol) + header.labels


def _sll(header: Header, big_endian: bool) -> bytes:
    return struct.pack("!HHH8sH", _TO_US, _ARPHRD_ETHER, 6, _ADDRESS, header.protocol) + header.labels


def _sll2(header: Header, big_endian: bool) -> bytes:
    index = header.interface_index
    head = struct.pack("!HHIHBB8s", header.protocol, 0, index, _ARPHRD_ETHER, _TO_US, 6, _ADDRESS)
    return head + header.labels


def _null(header: Header, big_endian: bool) -> bytes:
    return struct.pack(">I" if big_endian else "<I", header.family)


def _loop(header: Header, big_endian: bool) -> bytes:
    return struct.pack(">I", header.family)


def _nothing(header: Header, big_endian: bool) -> bytes:
    return b""


_HEADERS: Mapping[int, Callable[[Header, bool], bytes]] = {
    capturefile.ETHERNET: _ethernet,
    capturefile.SLL: _sll,
    capturefile.SLL2: _sll2,
    capturefile.NULL: _null,
    capturefile.LOOP: _loop,
    capturefile.RAW: _nothing,
    capturefile.IPV4: _nothing,
    capturefile.IPV6: _nothing,
}
