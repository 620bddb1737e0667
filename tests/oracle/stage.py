"""A capture file in the making: takes IP packets with their times, gives bytes.

What surrounds the packets is drawn once for the file (format, byte order, resolution, link types)
and once for each conversation (tags, labels, options, extension headers).
"""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import capturefile
import frames
import links
from capturefile import Format, Packet
from frames import Address
from lies import LIES, Built, cut

LIES_PER_PACKET = 0.04
US_NS = 1000

_PPPOE_SESSION = 0x8864
_MPLS = 0x8847
_TPIDS = (frames.TPID_VLAN, frames.TPID_VLAN, frames.TPID_QINQ, links.TPID_QINQ_OLD)
_LINK_TYPES = (
    capturefile.ETHERNET, capturefile.ETHERNET, capturefile.ETHERNET, capturefile.SLL, capturefile.SLL2,
    capturefile.NULL, capturefile.LOOP, capturefile.RAW,
)  # fmt: skip
_FAMILIES_OF_IPV6 = (24, 28, 30)


@dataclass(frozen=True)
class Shape:
    """How a file is written, and what it was captured from."""

    link_types: Sequence[int]  # by interface; several interfaces in a pcap must be of SLL2
    pcapng: bool
    form: Format

    @classmethod
    def drawn(cls, rng: random.Random) -> Shape:
        form = Format(big_endian=rng.random() < 0.5, nanoseconds=rng.random() < 0.5)
        if rng.random() < 0.4:
            others = [link for link in _LINK_TYPES if link != capturefile.SLL2]
            return cls([rng.choice(others) for _ in range(rng.randrange(1, 4))], True, form)
        link_type = rng.choice(_LINK_TYPES)
        return cls([link_type] * (3 if link_type == capturefile.SLL2 else 1), False, form)

    def __str__(self) -> str:
        order = "big-endian" if self.form.big_endian else "little-endian"
        resolution = "ns" if self.form.nanoseconds else "us"
        return f"{'pcapng' if self.pcapng else 'pcap'} {resolution} {order}, link types {list(self.link_types)}"

    def written(self, packets: Sequence[Packet]) -> bytes:
        if self.pcapng:
            return capturefile.pcapng(self.link_types, packets, self.form)
        return capturefile.pcap(self.link_types[0], packets, self.form)


@dataclass(frozen=True)
class Dressing:
    """What surrounds the segments of a conversation."""

    tags: Sequence[frames.Tag] = ()
    shim: str = ""  # between Ethernet and IP
    labels: int = 1  # of MPLS
    ip_options: bytes = b""
    first_of_fragments: bool = False
    extensions: Sequence[frames.Extension] = ()
    trailer: int = 0
    family_of_ipv6: int = _FAMILIES_OF_IPV6[0]
    identification: int = 0x4242  # of IPv4

    @classmethod
    def drawn(cls, rng: random.Random) -> Dressing:
        if rng.random() < 0.4:
            return cls()
        return cls(
            tags=[frames.Tag(rng.randrange(4096), rng.choice(_TPIDS)) for _ in range(rng.randrange(4))],
            shim=rng.choice(("", "", "", "pppoe", "mpls")),
            labels=rng.randrange(1, 4),
            ip_options=rng.choice((b"", b"\x01" * 4, b"\x94\x04\0\0", b"\x07\x0b\x04" + b"\0" * 9, b"\x01" * 40)),
            first_of_fragments=rng.random() < 0.1,
            extensions=[rng.choice(_EXTENSIONS) for _ in range(rng.choice((0, 0, 1, 1, 2, 4)))],
            trailer=rng.choice((0, 0, 6, 46)),
            family_of_ipv6=rng.choice(_FAMILIES_OF_IPV6),
        )


def _authentication(length: int) -> frames.Extension:
    """RFC 4302: its length counts words of four bytes, less two."""
    return frames.Extension(51, bytes([length // 4 - 2]) + b"\0" * (length - 2))


_EXTENSIONS = (
    frames.hop_by_hop(), frames.routing(), frames.fragment(), frames.fragment(0, True), frames.destination_options(),
    frames.destination_options(64), _authentication(24), _authentication(16),
)  # fmt: skip


@dataclass
class Stage:
    shape: Shape
    rng: random.Random
    lies: float = LIES_PER_PACKET
    behind_ns: int = 0  # by which the clock that stamps packets is late
    _packets: list[Packet] = field(default_factory=list)
    _captured_ns: list[int] = field(default_factory=list)  # of each, by a clock that is right

    @property
    def interfaces(self) -> int:
        return len(self.shape.link_types)

    def tcp(
        self, time_ns: int, interface: int, dressing: Dressing, source: Address, destination: Address, segment: bytes
    ) -> bytes:
        """Adds a TCP segment, or what a lie makes of it; returns the honest IP packet."""
        packet = ip_packet(source, destination, segment, dressing)
        built = Built(packet, len(packet) - len(segment), links.header_of(packet).ethertype)
        if self.rng.random() < self.lies:
            self._add(time_ns, interface, dressing, self.rng.choice(LIES)(self.rng, built))
            if self.rng.random() < 0.5:  # the lie instead of the truth
                return packet
        self._add(time_ns, interface, dressing, built)
        return packet

    def error(self, time_ns: int, interface: int, dressing: Dressing, packet: bytes) -> None:
        """Adds an ICMP error, now and then cut; tshark reads no IPv6 quotation of less than 16 bytes."""
        built = Built(packet, 0, links.header_of(packet).ethertype)
        if self.rng.random() < self.lies:
            built = replace(cut(self.rng, built), legible=built.version == 4)
        self._add(time_ns, interface, dressing, built)

    def beginning(self, time_ns: int, interface: int, packet: bytes, captured: int) -> None:
        """Adds the first bytes of a packet."""
        built = Built(packet, 0, links.header_of(packet).ethertype, captured)
        self._add(time_ns, interface, Dressing(), built)

    def noise(self, time_ns: int, interface: int, dressing: Dressing, packet: bytes, ethertype: int) -> None:
        self._add(time_ns, interface, dressing, Built(packet, 0, ethertype))

    def _add(self, time_ns: int, interface: int, dressing: Dressing, built: Built) -> None:
        link_type = self.shape.link_types[interface]
        packet, ethertype, tags = built.packet, built.ethertype, list(dressing.tags)
        if not links.takes_tags(link_type):
            tags = []
        else:
            packet, ethertype = _shimmed(dressing, packet, ethertype)
            if built.tags is not None:
                tags = [frames.Tag(7)] * built.tags
        header = links.Header(ethertype, tags, interface + 1, dressing.family_of_ipv6)
        frame = links.wrap(link_type, packet, header, self.shape.form.big_endian)
        before = len(frame) - len(built.packet)
        if built.padded:
            frame += b"\0" * dressing.trailer
        captured = len(frame) if built.captured is None else max(before + built.captured, 0)
        in_pcap = 0 if not self.shape.pcapng else interface
        self._captured_ns.append(time_ns)
        self._packets.append(
            Packet(time_ns - self.behind_ns, frame[:captured], len(frame), in_pcap, built.legible)
        )

    @property
    def last_ns(self) -> int:
        return max(self._captured_ns)

    def told(self) -> list[Packet]:
        """As they were added, whatever their times."""
        return list(self._packets)

    def packets(self) -> list[Packet]:
        """In the order in which they were captured, but for some neighbours that change places."""
        order = sorted(range(len(self._packets)), key=self._captured_ns.__getitem__)
        ordered = [self._packets[number] for number in order]
        for i in range(len(ordered) - 2):
            near = abs(ordered[i + 1].time_ns - ordered[i].time_ns) < 300 * US_NS
            if near and self.rng.random() < 0.02:
                ordered[i], ordered[i + 1] = ordered[i + 1], ordered[i]
        return ordered


def ip_packet(source: Address, destination: Address, segment: bytes, dressing: Dressing) -> bytes:
    if source.version == 4:
        return frames.ipv4(
            source, destination, frames.PROTOCOL_TCP, segment,
            options=dressing.ip_options, more_fragments=dressing.first_of_fragments,
            identification=dressing.identification,
        )  # fmt: skip
    return frames.ipv6(
        source, destination, frames.PROTOCOL_TCP, segment, extensions=dressing.extensions
    )


def _shimmed(dressing: Dressing, packet: bytes, ethertype: int) -> tuple[bytes, int]:
    six = ethertype == frames.ETHERTYPE_IPV6
    if dressing.shim == "pppoe":
        head = struct.pack("!BBHHH", 0x11, 0, 7, len(packet) + 2, 0x57 if six else 0x21)
        return head + packet, _PPPOE_SESSION
    if dressing.shim == "mpls":
        stack = [label << 12 | 64 for label in range(100, 100 + dressing.labels)]
        stack[-1] |= 0x100  # the bottom
        return struct.pack(f"!{len(stack)}I", *stack) + packet, _MPLS
    return packet, ethertype
