"""Records what passes an interface, as tcpdump would: a pcap file with the kernel's nanosecond stamps.

The kernel queues the packets in the socket until `write`, so nothing runs beside the test. What did
not fit into the queue is an error. VLAN tags that the kernel took out of the bytes are put back.
"""

from __future__ import annotations

import pathlib
import socket
import struct

import frames
import lab

QUEUE_BYTES = 64 << 20
LINK_TYPE_ETHERNET = 1
SNAP = 65535

_ETH_P_ALL = 3
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_PACKET_AUXDATA = 8
_TP_STATUS_VLAN_VALID = 1 << 4
_TP_STATUS_VLAN_TPID_VALID = 1 << 6

_FILE = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")
_AUXDATA = struct.Struct("=IIIHHHH")
_STAMP = struct.Struct("=qq")
_STATISTICS = struct.Struct("=II")

# seconds, nanoseconds, length on the wire, bytes
Packet = tuple[int, int, int, bytes]


def _put_back(frame: bytes, auxdata: bytes) -> bytes:
    status, _length, _snapped, _mac, _net, tag, tpid = _AUXDATA.unpack(auxdata)
    if not status & _TP_STATUS_VLAN_VALID:
        return frame
    tpid = tpid if status & _TP_STATUS_VLAN_TPID_VALID else frames.TPID_VLAN
    return frame[:12] + struct.pack("!HH", tpid, tag) + frame[12:]


class Recorder:
    """Use as a context manager; what passes inside is recorded."""

    def __init__(self, namespace: lab.Namespace, interface: str = "veth0") -> None:
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, QUEUE_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        self._interface = interface

    def __enter__(self) -> Recorder:
        self._socket.bind((self._interface, _ETH_P_ALL))
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def packets(self) -> list[Packet]:
        """All that passed since the last call."""
        taken: list[Packet] = []
        self._socket.setblocking(False)
        while True:
            try:
                frame, ancillary, _, _ = self._socket.recvmsg(SNAP, 256)
            except BlockingIOError:
                break
            data = {(level, kind): content for level, kind, content in ancillary}
            auxdata = data[_SOL_PACKET, _PACKET_AUXDATA]
            frame = _put_back(frame, auxdata)
            seconds, nanoseconds = _STAMP.unpack(data[socket.SOL_SOCKET, _SO_TIMESTAMPNS])
            taken.append((seconds, nanoseconds, len(frame), frame))
        statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
        _passed, dropped = _STATISTICS.unpack(statistics)
        if dropped:
            raise AssertionError(f"the recorder's queue was full: {dropped} packets are lost")
        return taken


def write_pcap(path: pathlib.Path, packets: list[Packet]) -> None:
    """Nanoseconds, Ethernet, the byte order of a PC."""
    with path.open("wb") as file:
        file.write(_FILE.pack(0xA1B23C4D, 2, 4, 0, 0, SNAP, LINK_TYPE_ETHERNET))
        for seconds, nanoseconds, length, frame in packets:
            file.write(_RECORD.pack(seconds, nanoseconds, len(frame), length) + frame)
