"""Real clients and servers, watched from both ends at once: at the responder's (RX) and at the initiator's (TX)."""

import contextlib
import errno
import select
import socket
import struct
import time
import unittest
from collections.abc import Iterator

import frames
import lab
from lab import HOST_V4, HOST_V6, PEER_V4, Lab
from monitor import Counts, Monitor, Stats, difference
from scenario import SUCCESS, plus
from stacks import kernel_counter

FAST_OPEN_WITHOUT_COOKIES = 0x207

setUpModule = lab.require


class BothEnds(unittest.TestCase):
    """`host` is the server, `peer` the client."""

    def setUp(self) -> None:
        self.network = self.enterContext(Lab())
        self.host, self.peer = self.network.host, self.network.peer

    @contextlib.contextmanager
    def watch(self, *options: str) -> Iterator[tuple[Monitor, Monitor]]:
        with Monitor(self.network, *options, name="host") as at_host, Monitor(
            self.network, *options, name="peer", namespace=self.peer
        ) as at_peer:
            yield at_host, at_peer

    def assert_seen(self, monitors: tuple[Monitor, Monitor], expected: Counts) -> list[Stats]:
        """RX at the host and TX at the peer show exactly these counts, the other directions none."""
        seen = []
        for monitor, mine, other in zip(monitors, ("RX", "TX"), ("TX", "RX"), strict=True):
            after = monitor.wait_counts(expected, mine)
            after.check_accounting()
            self.assertEqual(difference(after.filters[mine], {}), expected)
            self.assertEqual(difference(after.filters[other], {}), {})
            seen.append(after)
        return seen

    def test_success(self) -> None:
        rounds = 25
        began = time.monotonic()
        with self.watch("-c", "2") as monitors:
            for address in (HOST_V4, HOST_V6):
                with self.host.listen(address) as listener:
                    for _ in range(rounds):
                        with self.peer.connect(address, listener.getsockname()[1]) as client:
                            server, _peer = listener.accept()
                            with server:
                                client.sendall(b"question")
                                self.assertEqual(server.recv(100), b"question")
                                server.sendall(b"answer" * 1000)
                                while client.recv(65536)[-6:] != b"answer":
                                    pass
            total = 2 * rounds
            expected = {"attempts": total, "success": total, "timed_handshakes": total}
            for stats in self.assert_seen(monitors, expected):
                latency = stats.json["totals"]["latency_seconds"]
                self.assertGreaterEqual(latency["p50"], 0)
                self.assertLess(latency["p99"], time.monotonic() - began)

    def test_refused(self) -> None:
        with self.watch() as monitors:
            for address in (HOST_V4, HOST_V6):
                with self.assertRaises(ConnectionRefusedError):
                    self.peer.connect(address, 9)
            self.assert_seen(monitors, {"attempts": 2, "refused": 2})

    def test_nobody_answers(self) -> None:
        """The addresses are on the wire and on no host: static neighbours, nobody's MAC address."""
        self._static_neighbours(frames.FOREIGN_MAC.hex(":"))
        with self.watch("--timeout", "1") as (at_host, at_peer):
            for address in ("10.77.0.66", "fd77::66"):
                # Closed at once, so that the kernel sends no second SYN.
                self._start_connecting(address, 80).close()
            after = at_peer.wait_counts({"no_answer": 2}, "TX")
            self.assertEqual(difference(after.filters["TX"], {}), {"attempts": 2, "no_answer": 2})
            self.assertEqual(at_host.wait_counts({"no_answer": 2}).other()["not_local"], 2)

    def test_retransmitted_syn(self) -> None:
        """The server's address appears after the first SYN."""
        self._static_neighbours(self._mac_of_host())
        with self.watch("--timeout", "30") as (_, at_peer):
            with self.host.listen("0.0.0.0", 7001), self.host.listen("::", 7002):
                clients = [self._start_connecting("10.77.0.66", 7001), self._start_connecting("fd77::66", 7002)]
                at_peer.wait_counts({"attempts": 2})
                self.host.ip("address", "add", "10.77.0.66/24", "dev", "veth0")
                self.host.ip("address", "add", "fd77::66/64", "dev", "veth0", "nodad")
                for client in clients:
                    with client:
                        self._wait_connected(client)
            after = at_peer.wait_counts({"success": 2}, "TX")
            # More than once each, if the addresses took more than a second to be there.
            repeated = kernel_counter(self.peer, "TcpExtTCPSynRetrans")
            self.assertGreaterEqual(repeated, 2)
            expected = {"attempts": 2, "success": 2, "timed_handshakes": 2, "dup_syn": 2, "dup_syn_segments": repeated}
            self.assertEqual(difference(after.filters["TX"], {}), expected)
            self.assertGreater(after.json["totals"]["latency_seconds"]["p50"], 0.5)

    def test_retransmitted_synack(self) -> None:
        """A client made by hand leaves the server's first SYN/ACK unanswered."""
        ghost = "10.77.0.88"
        self.host.ip("neighbour", "replace", ghost, "lladdr", frames.FOREIGN_MAC.hex(":"), "dev", "veth0")
        wire = self.network.wire()
        host_mac = bytes.fromhex(self._mac_of_host().replace(":", ""))
        with self.watch("--timeout", "30") as (at_host, _), self.host.listen(HOST_V4) as listener:
            port = listener.getsockname()[1]
            with self.peer.entered():
                tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(frames.ETHERTYPE_IPV4))
            tap.settimeout(lab.DEADLINE_S)

            def send(flags: int, seq: int, ack: int = 0) -> None:
                ends = (lab.address(ghost), lab.address(HOST_V4))
                segment = frames.tcp(*ends, 40000, port, seq=seq, ack=ack, flags=flags)
                packet = frames.ipv4(*ends, frames.PROTOCOL_TCP, segment)
                wire.from_peer(host_mac + frames.ethernet(packet)[6:])

            with tap:
                send(frames.SYN, 1000)
                isns = [self._next_synack(tap, ghost), self._next_synack(tap, ghost)]
                self.assertEqual(isns[0], isns[1])
                send(frames.ACK, 1001, isns[0] + 1)
            after = at_host.wait_counts({"success": 1}, "RX")
            # Another one, if the ACK took two seconds more.
            repeated = kernel_counter(self.host, "TcpExtTCPSynRetrans")
            expected = plus(SUCCESS, dup_synack=1, dup_synack_segments=repeated)
            self.assertEqual(difference(after.filters["RX"], {}), expected)

    def test_unreachable(self) -> None:
        """The host routes, and has no way to where the peer wants to go."""
        self.host.sysctl("net.ipv4.ip_forward", 1)
        self.host.sysctl("net.ipv6.conf.all.forwarding", 1)
        for family, target, gateway in (("-4", "10.99.0.0/24", HOST_V4), ("-6", "fd99::/64", HOST_V6)):
            self.host.ip(family, "route", "add", "unreachable", target)
            self.peer.ip(family, "route", "add", target, "via", gateway)

        def connect() -> None:
            for address in ("10.99.0.1", "fd99::1"):
                with self.assertRaises(OSError) as caught:
                    self.peer.connect(address, 80)
                self.assertIn(caught.exception.errno, (errno.EHOSTUNREACH, errno.ENETUNREACH))

        with Monitor(self.network, "--icmp", namespace=self.peer) as monitor:
            connect()
            after = monitor.wait_counts({"unreachable": 2}, "TX")
            seen = difference(after.filters["TX"], {})
            # A socket that was busy when the first error came repeats its SYN, and gets another.
            repeated = kernel_counter(self.peer, "TcpExtTCPSynRetrans")
            self.assertEqual(seen.pop("failed_dup_syn_segments", 0), repeated)
            self.assertLessEqual(seen.pop("failed_dup_syn", 0), repeated)
            self.assertEqual(seen, {"attempts": 2, "unreachable": 2})
            after.check_accounting()
        with Monitor(self.network, "--timeout", "1", namespace=self.peer) as monitor:
            connect()
            after = monitor.wait_counts({"no_answer": 2}, "TX")
            self.assertEqual(difference(after.filters["TX"], {}), {"attempts": 2, "no_answer": 2})

    def test_explicit_congestion_notification(self) -> None:
        self.peer.sysctl("net.ipv4.tcp_ecn", 1)
        with self.watch() as monitors:
            for address in (HOST_V4, HOST_V6):
                with self.host.listen(address) as listener:
                    self.peer.connect(address, listener.getsockname()[1]).close()
            self.assert_seen(monitors, plus(SUCCESS, **SUCCESS))

    def test_fast_open(self) -> None:
        """The request travels on the SYN."""
        for namespace in (self.host, self.peer):
            namespace.sysctl("net.ipv4.tcp_fastopen", FAST_OPEN_WITHOUT_COOKIES)
        with self.watch() as monitors, self.host.listen(HOST_V4) as listener:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5)
            with self.peer.make_socket(socket.AF_INET) as client:
                client.sendto(b"question", socket.MSG_FASTOPEN, (HOST_V4, listener.getsockname()[1]))
                server, _ = listener.accept()
                with server:
                    self.assertEqual(server.recv(100), b"question")
                    server.sendall(b"answer")
                    self.assertEqual(client.recv(100), b"answer")
            self.assert_seen(monitors, SUCCESS)

    def test_many_at_once(self) -> None:
        """A hundred clients connect before any is accepted, and as many are refused."""
        with self.watch() as monitors, self.host.listen(HOST_V4, backlog=200) as listener:
            port = listener.getsockname()[1]
            with contextlib.ExitStack() as stack:
                for number in range(200):
                    stack.enter_context(self._start_connecting(HOST_V4, port if number % 2 else 9))
                expected = {"attempts": 200, "success": 100, "timed_handshakes": 100, "refused": 100}
                self.assert_seen(monitors, expected)

    def _mac_of_host(self) -> str:
        return self.host.run("cat", "/sys/class/net/veth0/address").strip()

    def _static_neighbours(self, mac: str) -> None:
        for address in ("10.77.0.66", "fd77::66"):
            self.peer.ip("neighbour", "replace", address, "lladdr", mac, "dev", "veth0")

    def _start_connecting(self, address: str, port: int) -> socket.socket:
        client = self.peer.make_socket(lab.address_family(address))
        client.setblocking(False)
        result = client.connect_ex((address, port))
        self.assertIn(result, (0, errno.EINPROGRESS, errno.ECONNREFUSED))
        return client

    def _wait_connected(self, client: socket.socket) -> None:
        self.assertTrue(select.select([], [client], [], lab.DEADLINE_S)[1], "not connected in time")
        self.assertEqual(client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)

    @staticmethod
    def _next_synack(tap: socket.socket, destination: str) -> int:
        """The sequence number of the next SYN/ACK to this address."""
        while True:
            packet = tap.recv(2048)[14:]
            header = (packet[0] & 0x0F) * 4
            to = socket.inet_ntoa(packet[16:20])
            if to == destination and packet[9] == frames.PROTOCOL_TCP and packet[header + 13] & 0x3F == 0x12:
                return int(struct.unpack_from("!I", packet, header + 4)[0])


class PeerListens(unittest.TestCase):
    def test_monitor_of_the_host_sees_tx(self) -> None:
        with Lab() as network, Monitor(network) as monitor:
            with network.peer.listen(PEER_V4) as listener:
                network.host.connect(PEER_V4, listener.getsockname()[1]).close()
            with self.assertRaises(ConnectionRefusedError):
                network.host.connect(PEER_V4, 9)
            after = monitor.wait_counts({"success": 1, "refused": 1}, "TX")
            self.assertEqual(difference(after.filters["TX"], {}), plus(SUCCESS, attempts=1, refused=1))
            self.assertEqual(difference(after.filters["RX"], {}), {})


if __name__ == "__main__":
    unittest.main()
