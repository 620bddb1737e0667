"""Capture files for the replay tests, written byte by byte: handshakes over Ethernet and IPv4."""

import struct
from collections.abc import Iterable
from typing import NamedTuple

CLIENT = bytes([192, 0, 2, 1])
SERVER = bytes([198, 51, 100, 2])
START_NS = 1_700_000_000_000_000_000
SYN, RST, ACK = 0x02, 0x04, 0x10
ETHERNET = 1


class Packet(NamedTuple):
    time_ns: int
    frame: bytes
    interface: int = 0


def segment(outgoing: bool, port: int, flags: int, seq: int, ack: int) -> bytes:
    """A TCP segment of a connection from CLIENT:port to SERVER:80."""
    ends = (CLIENT, SERVER, port, 80) if outgoing else (SERVER, CLIENT, 80, port)
    source, destination, source_port, destination_port = ends
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + source + destination
    tcp = struct.pack("!HHIIBBHHH", source_port, destination_port, seq, ack, 0x50, flags, 0, 0, 0)
    return bytes(12) + b"\x08\x00" + ip + tcp


def handshake(port: int, start_ns: int = START_NS, interface: int = 0) -> list[Packet]:
    frames = [
        segment(True, port, SYN, 100, 0),
        segment(False, port, SYN | ACK, 900, 101),
        segment(True, port, ACK, 101, 901),
    ]
    return [Packet(start_ns + i * 1_000_000, f, interface) for i, f in enumerate(frames)]


def refusal(port: int, start_ns: int = START_NS) -> list[Packet]:
    frames = [segment(True, port, SYN, 100, 0), segment(False, port, RST | ACK, 0, 101)]
    return [Packet(start_ns + i * 1_000_000, f) for i, f in enumerate(frames)]


def pcap(packets: Iterable[Packet], link_type: int = ETHERNET) -> bytes:
    """Little endian, nanoseconds."""
    parts = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, link_type)]
    for packet in packets:
        seconds, nanoseconds = divmod(packet.time_ns, 1_000_000_000)
        length = len(packet.frame)
        parts.append(struct.pack("<IIII", seconds, nanoseconds, length, length) + packet.frame)
    return b"".join(parts)


def block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = 12 + len(body)
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def pcapng(packets: Iterable[Packet], interfaces: Iterable[tuple[str, int]]) -> bytes:
    """Little endian; interfaces by name and link type, each with a clock of nanoseconds."""
    parts = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
    for name, link_type in interfaces:
        options = option(2, name.encode(errors="surrogateescape")) + option(9, b"\x09") + option(0, b"")
        parts.append(block(1, struct.pack("<HHI", link_type, 0, 0) + options))
    for packet in packets:
        high, low = divmod(packet.time_ns, 1 << 32)
        length = len(packet.frame)
        head = struct.pack("<IIIII", packet.interface, high, low, length, length)
        parts.append(block(6, head + packet.frame))
    return b"".join(parts)
