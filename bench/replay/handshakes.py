"""The benchmark's capture: complete handshakes and nothing else, a pcap file in microseconds.

Each handshake has its own client: SYN, SYN/ACK, ACK, in Ethernet and IPv4, 54 bytes each, with right
checksums. A hundred of them are open at a time, one packet every 10 us, so an answer comes after one
millisecond. The capture is written piece by piece to keep this process small, since the peak memory
reported for a program is never less than that of the process that started it.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

PACKETS_EACH = 3
OPEN_AT_A_TIME = 100
INTERVAL_US = 10
START_S = 1_790_000_000
CLIENTS = 0x0A000000  # 10.0.0.0/8
CLIENT_PORTS = range(10_000, 60_000)
SERVER = 0xC0000201  # 192.0.2.1
SERVER_PORT = 80
CHUNK = 1 << 20

_FILE = struct.Struct("<IHHiIII")
_ETHERNET = bytes.fromhex("020000000001020000000002" "0800")
_IPV4 = struct.pack("!BBHHHBB", 0x45, 0, 40, 0x4242, 0x4000, 64, 6)
_FRAME_BYTES = len(_ETHERNET) + 40
# Record header, and all of the frame up to the IPv4 checksum; the rest is in network order.
_HEAD = struct.Struct(f"<IIII{len(_ETHERNET) + len(_IPV4)}s")
_TAIL = struct.Struct("!HIIHHIIHHHH")
RECORD_BYTES = _HEAD.size + _TAIL.size

_SYN, _SYN_ACK, _ACK = 0x5002, 0x5012, 0x5010  # with the header's length
_WINDOW = 64240


def _folded(total: int) -> int:
    total = (total >> 16) + (total & 0xFFFF)
    total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


def _halves(number: int) -> int:
    return (number >> 16) + (number & 0xFFFF)


_IPV4_SUM = sum(struct.unpack("!5H", _IPV4))
_TCP_SUM = 6 + 20 + _WINDOW + _halves(SERVER) + SERVER_PORT


def _batch(first: int, count: int, clock: int) -> bytearray:
    """`count` handshakes from number `first` on: all SYNs, all SYN/ACKs, all ACKs."""
    records = bytearray(PACKETS_EACH * count * RECORD_BYTES)
    frame = _ETHERNET + _IPV4
    for index in range(count):
        number = first + index
        client = CLIENTS + 1 + number % 0xFFFFFE
        port = CLIENT_PORTS[number % len(CLIENT_PORTS)]
        isn, peer_isn = number * 2654435761 & 0xFFFFFFFF, number * 40503 & 0xFFFFFFFF
        addresses = _IPV4_SUM + _halves(client) + _halves(SERVER)
        both = _TCP_SUM + _halves(client) + port
        there = (client, SERVER, port, SERVER_PORT)
        back = (SERVER, client, SERVER_PORT, port)
        for step, (ends, seq, ack, flags) in enumerate((
            (there, isn, 0, _SYN),
            (back, peer_isn, isn + 1 & 0xFFFFFFFF, _SYN_ACK),
            (there, isn + 1 & 0xFFFFFFFF, peer_isn + 1 & 0xFFFFFFFF, _ACK),
        )):  # fmt: skip
            place = step * count + index
            offset = place * RECORD_BYTES
            seconds, rest = divmod(clock + place * INTERVAL_US, 1_000_000)
            _HEAD.pack_into(records, offset, seconds, rest, _FRAME_BYTES, _FRAME_BYTES, frame)
            check = _folded(both + _halves(seq) + _halves(ack) + flags)
            _TAIL.pack_into(records, offset + _HEAD.size, _folded(addresses),
                            *ends, seq, ack, flags, _WINDOW, check, 0)  # fmt: skip
    return records


def write_capture(path: Path, handshakes: int) -> int:
    """Writes the capture and returns its size."""
    clock = START_S * 1_000_000
    with path.open("wb") as file:
        file.write(_FILE.pack(0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for first in range(0, handshakes, OPEN_AT_A_TIME):
            count = min(OPEN_AT_A_TIME, handshakes - first)
            file.write(_batch(first, count, clock))
            clock += PACKETS_EACH * count * INTERVAL_US
    return path.stat().st_size


def write_gzip(source: Path, target: Path) -> int:
    """Compresses as `gzip` does and returns the size."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    with source.open("rb") as plain, target.open("wb") as packed:
        while chunk := plain.read(CHUNK):
            packed.write(packer.compress(chunk))
        packed.write(packer.flush())
    return target.stat().st_size
