"""Tunnels in capture files: the TCP inside is counted, by --decap, as if it had been captured there."""

import struct
import unittest
from collections.abc import Callable, Mapping

import saved
from program import Files, counts, packet_counts, replay
from saved import Packet

IPV4, IPV6, BRIDGED = 0x0800, 0x86DD, 0x6558
PORT = 40_000

Wrap = Callable[[bytes], bytes]


def over_ip(protocol: int, payload: bytes) -> bytes:
    """An Ethernet frame from one end of the tunnel to the other."""
    ends = bytes([203, 0, 113, 1, 203, 0, 113, 2])
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0)
    return bytes(12) + struct.pack("!H", IPV4) + head + ends + payload


def over_ipv6(protocol: int, payload: bytes) -> bytes:
    head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64)
    return bytes(12) + struct.pack("!H", IPV6) + head + bytes(15) + b"\x01" + bytes(15) + b"\x02" + payload


def udp(port: int, payload: bytes) -> bytes:
    return struct.pack("!HHHH", 51_000, port, 8 + len(payload), 0) + payload


def gre(protocol: int, payload: bytes, flags: int = 0) -> bytes:
    fields = bytes(4 * sum(flags & bit != 0 for bit in (0x8000, 0x2000, 0x1000)))
    return struct.pack("!HH", flags, protocol) + fields + payload


def vxlan(frame: bytes) -> bytes:
    return b"\x08\0\0\0\0\0\x2a\0" + frame


def geneve(protocol: int, payload: bytes, options: int = 0) -> bytes:
    return struct.pack("!BBHI", options // 4, 0, protocol, 42 << 8) + bytes(options) + payload


def erspan(frame: bytes) -> bytes:
    return gre(0x88BE, struct.pack("!HHI", 0x1064, 7, 3) + frame, 0x1000)


def erspan_iii(frame: bytes) -> bytes:
    return gre(0x22EB, struct.pack("!HHIHH", 0x2064, 7, 123_456, 0, 0) + frame, 0x1000)


# By the name for --decap: what encloses an Ethernet frame with an IPv4 packet.
TUNNELS: Mapping[str, list[Wrap]] = {
    "vxlan": [
        lambda frame: over_ip(17, udp(4789, vxlan(frame))),
        lambda frame: over_ip(17, udp(8472, vxlan(frame))),
        lambda frame: over_ipv6(17, udp(4789, vxlan(frame))),
        lambda frame: over_ip(17, udp(4789, b"\x0c\0\0\x01\0\0\x2a\0" + frame[14:])),  # VXLAN-GPE
    ],
    "geneve": [
        lambda frame: over_ip(17, udp(6081, geneve(BRIDGED, frame))),
        lambda frame: over_ipv6(17, udp(6081, geneve(IPV4, frame[14:], 32))),
    ],
    "gre": [
        lambda frame: over_ip(47, gre(IPV4, frame[14:])),
        lambda frame: over_ip(47, gre(IPV4, frame[14:], 0xB000)),
        lambda frame: over_ipv6(47, gre(BRIDGED, frame, 0x2000)),
        lambda frame: over_ip(47, gre(0x88BE, frame)),
        lambda frame: over_ip(47, erspan(frame)),
        lambda frame: over_ipv6(47, erspan_iii(frame)),
    ],
    "ipip": [lambda frame: over_ip(4, frame[14:]), lambda frame: over_ipv6(4, frame[14:])],
}


def wrapped(wrap: Wrap, packets: list[Packet]) -> list[Packet]:
    return [packet._replace(frame=wrap(packet.frame)) for packet in packets]


class TunnelTest(Files):
    def success(self, packets: list[Packet], *options: str) -> tuple[int, str]:
        done = replay("-q", "-r", self.file("tunnel.pcap", saved.pcap(packets)), *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return counts(done.stderr, "RX")["Success"], done.stderr

    def test_each_kind_by_its_name_alone(self) -> None:
        for name, wraps in TUNNELS.items():
            for number, wrap in enumerate(wraps):
                packets = wrapped(wrap, saved.handshake(PORT))
                with self.subTest(name, number=number):
                    self.assertEqual(self.success(packets)[0], 1)
                    self.assertEqual(self.success(packets, f"--decap={name}")[0], 1)
                    others = ",".join(other for other in TUNNELS if other != name)
                    for list_ in (others, "none"):
                        success, said = self.success(packets, f"--decap={list_}")
                        self.assertEqual(success, 0)
                        self.assertIn("ignored: 3 tunnel", said)
                        self.assertEqual(said.count("ignored 3 packets with TCP inside a tunnel"), 1)

    def test_other_ports(self) -> None:
        packets = wrapped(lambda frame: over_ip(17, udp(4790, vxlan(frame))), saved.handshake(PORT))
        self.assertEqual(self.success(packets)[0], 0)
        self.assertEqual(self.success(packets, "--decap=vxlan:4790")[0], 1)
        packets = wrapped(lambda frame: over_ip(17, udp(7000, geneve(BRIDGED, frame))), saved.handshake(PORT))
        self.assertEqual(self.success(packets, "--decap=all,geneve:7000")[0], 1)

    def test_four_deep_and_no_deeper(self) -> None:
        packets = saved.handshake(PORT)
        for depth in range(1, 7):
            kinds = list(TUNNELS.values())
            packets = wrapped(kinds[depth % len(kinds)][0], packets)
            success, said = self.success(packets)
            self.assertEqual(success, int(depth <= 4), said)
            self.assertEqual("ignored: 3 tunnel" in said, depth == 5, said)
            self.assertEqual(packet_counts(said), (3, 3 if depth <= 4 else 0, 0 if depth <= 4 else 3))

    def test_both_ways_by_different_tunnels_are_one_connection(self) -> None:
        """A load balancer gets the requests; the answers do not pass it."""
        there, back, completion = saved.handshake(PORT)
        packets = [there, back, completion]
        packets[0] = wrapped(TUNNELS["ipip"][0], [there])[0]
        packets[2] = wrapped(TUNNELS["geneve"][1], [completion])[0]
        for readers in ("1", "3"):
            self.assertEqual(self.success(packets, "--threads", readers)[0], 1)

    def test_filters_speak_of_what_is_inside(self) -> None:
        packets = wrapped(TUNNELS["vxlan"][0], saved.handshake(PORT))
        path = self.file("tunnel.pcap", saved.pcap(packets))
        done = replay("-q", "-r", path, "--local=198.51.100.2", "web:RX@192.0.2.0/24:80")
        self.assertEqual(counts(done.stderr, "web")["Success"], 1)
        # --bpf sees the packet as it was captured.
        self.assertEqual(self.success(packets, "--bpf=udp port 4789")[0], 1)
        self.assertEqual(self.success(packets, "--bpf=tcp")[0], 0)


if __name__ == "__main__":
    unittest.main()
