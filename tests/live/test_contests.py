"""What users of other monitors complained of, rebuilt: no outcome may be wrong.

Connects that took 9 ms reported as failed (coroot-node-agent#373), a killed connect taken for a
success (inspektor-gadget#3929), one connection told as several because its SYN was repeated or another
responder answered it (zeek#863, #3313), retransmissions that were copies (deepflow#4923, #11910). Lost
SYN/ACKs (opentelemetry-ebpf-instrumentation#2124) are in test_real_stacks.py, clocks that step in
tests/replay/test_clock.py.
"""

import select
import signal
import socket
import subprocess
import sys
import time
import unittest
from collections.abc import Callable

import frames
import lab
from conversation import POSITIONS, Conversation, pause
from forgery import READERS, Forger, ForgerCase, full_or_tenth, monitors
from frames import RST, SYN
from lab import HOST_V4, Lab
from monitor import Counts, Monitor, Stats, difference
from scenario import SUCCESS, counts, plus
from stacks import kernel_counter

setUpModule = lab.require

CONNECTS = 50

# Connects without waiting so many times to an address and port, says so, and holds what it has.
CLIENT = """
import socket, sys, time
address, port, count, wait = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "wait"
held = []
for _ in range(count):
    client = socket.socket(socket.AF_INET)
    client.setblocking(wait)
    client.connect_ex((address, port))
    held.append(client)
print("begun", flush=True)
time.sleep(60)
"""


class NineMilliseconds(unittest.TestCase):
    def test_slow_answers_are_successes(self) -> None:
        attempts = full_or_tenth(2000)
        with Lab() as network, monitors(network) as both:
            wire = network.wire()
            talks = [Conversation(wire, POSITIONS[turn % len(POSITIONS)]) for turn in range(attempts)]
            for step in ("syn", "synack", "ack"):
                for talk in talks:
                    getattr(talk, step)()
                time.sleep(0.009)
            for readers, monitor in zip(READERS, both, strict=True):
                with self.subTest(readers=readers):
                    after = monitor.wait_delivered(wire.sent)
                    expected = {name: times * attempts for name, times in SUCCESS.items()}
                    self.assertEqual(difference(after.totals, {}), expected)
                    # A histogram rounds; a connect that took 9 ms took no 5.
                    self.assertGreater(after.json["totals"]["latency_seconds"]["p50"], 0.008)


class Killed(unittest.TestCase):
    """A process dies in the middle of its connects. `host` is the server, `peer` runs the process."""

    def setUp(self) -> None:
        self.network = self.enterContext(Lab())
        self.host, self.peer = self.network.host, self.network.peer

    def killed(self, port: int, when: Callable[[], object], *, waits: bool = False, address: str = HOST_V4) -> None:
        """Begins to connect, waits for `when`, and kills."""
        words = (sys.executable, "-c", CLIENT, address, str(port), str(CONNECTS), "wait" if waits else "go")
        with subprocess.Popen(self.peer.command(*words), stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                self.assertEqual(process.stdout.readline(), "begun\n")
                when()
            finally:
                process.send_signal(signal.SIGKILL)

    def assert_counts(
        self, both: list[Monitor], direction: str, expected: Counts, *, repeats: int = 0
    ) -> None:
        """`repeats`: how many SYN/ACKs of failed attempts may have been sent again; SYNs are as the client's kernel says."""
        repeated_syns = kernel_counter(self.peer, "TcpExtTCPSynRetrans")
        for readers, monitor in zip(READERS, both, strict=True):
            with self.subTest(readers=readers):
                after: Stats = monitor.wait_counts(expected, direction)
                after.check_accounting()
                seen = difference(after.filters[direction], {})
                self.assertLessEqual(seen.pop("failed_dup_synack_segments", 0), repeats)
                self.assertLessEqual(seen.pop("failed_dup_synack", 0), repeats)
                told = seen.pop("failed_dup_syn_segments", 0) + seen.pop("dup_syn_segments", 0)
                self.assertEqual(told, repeated_syns)
                self.assertLessEqual(seen.pop("failed_dup_syn", 0) + seen.pop("dup_syn", 0), repeated_syns)
                self.assertEqual(seen, expected)

    def wait_begun(self, both: list[Monitor]) -> Callable[[], object]:
        return lambda: [monitor.wait_counts({"attempts": CONNECTS}) for monitor in both]

    def test_before_any_answer(self) -> None:
        """The kernel says nothing to the other side, so there is nothing but time to tell."""
        nobody = "10.77.0.66"
        self.host.ip("address", "add", f"{nobody}/32", "dev", "lo")
        self.peer.ip("neighbour", "replace", nobody, "lladdr", frames.FOREIGN_MAC.hex(":"), "dev", "veth0")
        with monitors(self.network, "--timeout", "1", "--local", f"{nobody}/32") as both:
            self.killed(80, self.wait_begun(both), address=nobody)
            self.assert_counts(both, "RX", counts(attempts=CONNECTS, no_answer=CONNECTS))

    def test_before_the_answer_arrives(self) -> None:
        """It comes to a socket that is gone: a RST, and never a success."""
        mac = self.host.run("cat", "/sys/class/net/veth0/address").strip()
        self.peer.ip("neighbour", "replace", HOST_V4, "lladdr", mac, "dev", "veth0")
        # The server does not learn where to send its answers to until the process is dead.
        self.peer.sysctl("net.ipv4.conf.veth0.arp_ignore", 8)
        with monitors(self.network) as both, self.host.listen(HOST_V4) as listener:
            self.killed(listener.getsockname()[1], self.wait_begun(both))
            self.peer.sysctl("net.ipv4.conf.veth0.arp_ignore", 0)
            for monitor in both:
                monitor.wait_counts({"aborted": CONNECTS})
            # The server may have repeated its answers meanwhile; then they arrive together.
            repeats = kernel_counter(self.host, "TcpExtTCPSynRetrans")
            self.assert_counts(both, "RX", counts(attempts=CONNECTS, aborted=CONNECTS), repeats=repeats)
            self.assertEqual(select.select([listener], [], [], 0)[0], [], "nobody is there to be accepted")

    def test_after_it_was_connected(self) -> None:
        """That it was killed at once afterwards is another matter."""
        with monitors(self.network) as both, self.host.listen(HOST_V4, backlog=CONNECTS) as listener:
            self.killed(listener.getsockname()[1], lambda: None, waits=True)
            self.assert_counts(both, "RX", {name: times * CONNECTS for name, times in SUCCESS.items()})
            accepted = [listener.accept()[0] for _ in range(CONNECTS)]
            for each in accepted:
                lab.reset_on_close(each)
                each.close()

    def test_closed_and_tried_again_from_the_same_port(self) -> None:
        """What a client does that gives up early: two attempts, of which the second succeeds."""
        with monitors(self.network) as both, self.host.listen(HOST_V4) as listener:
            self.peer.ip("neighbour", "replace", HOST_V4, "lladdr", frames.FOREIGN_MAC.hex(":"), "dev", "veth0")
            first = self.from_port(5555)
            first.setblocking(False)
            first.connect_ex(listener.getsockname())
            first.close()
            mac = self.host.run("cat", "/sys/class/net/veth0/address").strip()
            self.peer.ip("neighbour", "replace", HOST_V4, "lladdr", mac, "dev", "veth0")
            with self.from_port(5555) as second:
                second.connect(listener.getsockname())
                expected = plus(SUCCESS, attempts=1, superseded=1)
                self.assert_counts(both, "RX", expected)

    def from_port(self, port: int) -> socket.socket:
        client = self.peer.make_socket(socket.AF_INET)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind(("", port))
        return client


class SecondResponder(ForgerCase):
    """The repeated SYN takes another way, and another server behind the same address answers as well."""

    ROUNDS = 20
    OTHER = 0x01234567  # how far the second server's number lies from the first's

    def test_the_second_answer_is_taken(self) -> None:
        def scenario(c: Conversation, _: Forger) -> None:
            c.syn()
            pause()
            c.syn()
            c.synack()
            c.from_responder(SYN | frames.ACK, seq=self.OTHER, ack=1)
            pause()
            c.from_responder(SYN | frames.ACK, seq=self.OTHER, ack=1)
            c.ack(ack=self.OTHER + 1)

        expected = plus(SUCCESS, dup_syn=1, dup_syn_segments=1, dup_synack=1, dup_synack_segments=1)
        self.play(scenario, expected, count=self.ROUNDS)

    def test_the_second_answer_is_challenged(self) -> None:
        """The client has a connection: it acknowledges that, and the second server resets its own."""

        def scenario(c: Conversation, _: Forger) -> None:
            c.syn()
            pause()
            c.syn()
            c.synack()
            c.ack()
            c.from_responder(SYN | frames.ACK, seq=self.OTHER, ack=1)
            c.ack()
            c.from_responder(RST, seq=1)

        self.play(scenario, plus(SUCCESS, dup_syn=1, dup_syn_segments=1), count=self.ROUNDS)

    def test_the_second_server_refuses(self) -> None:
        """It does not listen (yet), while the first had answered: whichever came first decides at the client."""

        def scenario(c: Conversation, _: Forger) -> None:
            c.syn()
            pause()
            c.syn()
            c.synack()
            c.ack()
            c.refuse()

        self.play(scenario, plus(SUCCESS, dup_syn=1, dup_syn_segments=1), count=self.ROUNDS)


if __name__ == "__main__":
    unittest.main()
