"""Finds the IP packet behind a link header: what each type of link puts in front, and tags, labels and
PPPoE in between. links.py writes what this reads.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import capturefile

IPV4, IPV6 = 0x0800, 0x86DD
MAX_TAGS = 8

_TAGS = (0x8100, 0x88A8, 0x9100)
_MPLS = 0x8847
_PPPOE_SESSION = 0x8864
_PPP = {0x21: IPV4, 0x57: IPV6}
_BOTTOM = 0x100  # of a stack of labels
_BSD = {2: IPV4, 24: IPV6, 28: IPV6, 30: IPV6}


class Unreadable(Exception):
    """A packet that ends too early, or is none that the rules know."""


@dataclass(frozen=True)
class Linked:
    ethertype: int
    at: int  # where the IP packet begins
    interface: int | None = None  # where the link header names it


def unpack(form: str, data: bytes, at: int = 0) -> tuple[int, ...]:
    if len(data) < at + struct.calcsize(form):
        raise Unreadable
    return struct.unpack_from(form, data, at)


def find_ip(link_type: int, data: bytes, big_endian: bool = False) -> Linked:
    """`big_endian` is the order of the host that wrote the file."""
    found = _READERS[link_type](data, big_endian)
    if found.ethertype not in (IPV4, IPV6):
        raise Unreadable
    return found


def _ethernet(data: bytes, big_endian: bool) -> Linked:
    (ethertype,) = unpack("!12xH", data)
    return _behind_ethertype(data, ethertype, 14)


def _sll(data: bytes, big_endian: bool) -> Linked:
    (protocol,) = unpack("!14xH", data)
    return _behind_ethertype(data, protocol, 16)


def _sll2(data: bytes, big_endian: bool) -> Linked:
    protocol, interface = unpack("!HxxI12x", data)
    found = _behind_ethertype(data, protocol, 20)
    return Linked(found.ethertype, found.at, interface)


def _behind_ethertype(data: bytes, ethertype: int, at: int) -> Linked:
    for _ in range(MAX_TAGS):
        if ethertype not in _TAGS:
            break
        (ethertype,) = unpack("!xxH", data, at)
        at += 4
    if ethertype == _PPPOE_SESSION:
        (protocol,) = unpack("!6xH", data, at)
        return Linked(_PPP.get(protocol, 0), at + 8)
    if ethertype == _MPLS:
        return _behind_labels(data, at)
    return Linked(ethertype, at)


def _behind_labels(data: bytes, at: int) -> Linked:
    while True:
        (label,) = unpack("!I", data, at)
        at += 4
        if label & _BOTTOM:
            return _by_version(data, at)


def _by_version(data: bytes, at: int) -> Linked:
    (first,) = unpack("!B", data, at)
    return Linked({4: IPV4, 6: IPV6}.get(first >> 4, 0), at)


def _null(data: bytes, big_endian: bool) -> Linked:
    (family,) = unpack(">I" if big_endian else "<I", data)
    return Linked(_BSD.get(family, 0), 4)


def _loop(data: bytes, big_endian: bool) -> Linked:
    return _null(data, True)


def _raw(data: bytes, big_endian: bool) -> Linked:
    return _by_version(data, 0)


_READERS: Mapping[int, Callable[[bytes, bool], Linked]] = {
    capturefile.ETHERNET: _ethernet,
    capturefile.SLL: _sll,
    capturefile.SLL2: _sll2,
    capturefile.NULL: _null,
    capturefile.LOOP: _loop,
    capturefile.RAW: _raw,
}
