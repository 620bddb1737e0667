"""A quick look: what is shown, for how long, on what kind of terminal, and in which network namespace."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import pty
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest
from collections.abc import Iterator

import frames
import lab
from conversation import RX4, Conversation
from frames import ACK, RST, SYN
from lab import Lab
from monitor import RING_MIB, Monitor, command, run_to_end
from recorder import Packet, write_pcap

setUpModule = lab.require


class Look(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(Lab())
        self.wire = self.network.wire()

    def ended(self, monitor: Monitor) -> str:
        """What it said, once it has ended by itself."""
        self.assertEqual(monitor.process.wait(lab.DEADLINE_S), 0)
        self.assertIn("TCPEEK SUMMARY", monitor.stderr())
        return monitor.stderr()

    def results(self, monitor: Monitor) -> list[str]:
        return [json.loads(line)["cause"] or "success" for line in monitor.stdout().splitlines()]

    def refuse(self) -> None:
        talk = Conversation(self.wire, RX4)
        talk.syn()
        talk.refuse()

    def test_only(self) -> None:
        with Monitor(self.network, "--output", "json", "--only", "refused") as monitor:
            Conversation(self.wire, RX4).succeed()
            self.refuse()
            monitor.wait_counts({"success": 1, "refused": 1})
            lab.wait_for(lambda: monitor.stdout(), "the failure")
        self.assertEqual(self.results(monitor), ["refused"])

    def test_only_can_be_changed_while_it_runs(self) -> None:
        with Monitor(self.network, "--output", "json", "--only", "refused") as monitor:
            done = run_to_end(self.network.host, command("-U", str(monitor.socket_path), "--only", "success", "--reload"))
            self.assertEqual((done.status, done.stdout), (0, "reloaded: changed: --only; 0 filters kept\n"), done.stderr)
            self.refuse()
            Conversation(self.wire, RX4).succeed()
            lab.wait_for(lambda: monitor.stdout(), "the success")
        self.assertEqual(self.results(monitor), ["success"])

    def test_count(self) -> None:
        """The one that reaches it is the last that is shown."""
        with Monitor(self.network, "--output", "json", "--only", "failure", "--count", "2") as monitor:
            for _ in range(3):
                Conversation(self.wire, RX4).succeed()
                self.refuse()
            self.ended(monitor)
        self.assertEqual(self.results(monitor), ["refused", "refused"])

    def test_count_in_quiet(self) -> None:
        with Monitor(self.network, "-q", "--count", "1") as monitor:
            self.refuse()
            self.assertNotIn("failure (", self.ended(monitor))

    def test_duration(self) -> None:
        began = time.monotonic()
        done = run_to_end(self.network.host, command("-i", "veth0", "--no-socket", "--duration", "1"))
        self.assertEqual(done.status, 0, done)
        self.assertIn("TCPEEK SUMMARY", done.stderr)
        self.assertGreater(time.monotonic() - began, 0.9)

    def test_nobody_reads_any_more(self) -> None:
        """Outside a service, with JSON on a pipe: as behind | head -1."""
        for service in (False, True):
            with self.subTest(service=service):
                reader, writer = os.pipe()
                words = command("-i", "veth0", "-B", str(RING_MIB), "--no-socket", "--output", "json")
                environment = {**os.environ, "INVOCATION_ID": "1"} if service else None
                with open(self.network.folder / "err", "wb") as err, subprocess.Popen(
                        self.network.host.command(*words), stdout=writer, stderr=err, env=environment) as process:
                    os.close(writer)
                    lab.wait_for(lambda: b"listening" in (self.network.folder / "err").read_bytes(), "it listens")
                    os.close(reader)
                    if service:
                        with self.assertRaises(subprocess.TimeoutExpired):
                            process.wait(0.5)
                        process.send_signal(signal.SIGTERM)
                    self.assertEqual(process.wait(lab.DEADLINE_S), 0)

    def test_another_namespace(self) -> None:
        """Its addresses are the local ones, and the socket is where it always is."""
        sleeper = self.enterContext(subprocess.Popen(self.network.peer.command("sleep", "600")))
        self.addCleanup(sleeper.kill)
        lab.wait_for(lambda: os.readlink(f"/proc/{sleeper.pid}/ns/net") != os.readlink("/proc/self/ns/net"), "entered")
        for which in (self.network.peer.name, str(sleeper.pid)):
            with self.subTest(which), Monitor(self.network, "--netns", which) as monitor:
                Conversation(self.wire, RX4).succeed()
                after = monitor.wait_counts({"success": 1})
                self.assertEqual((after.filters["RX"]["success"], after.filters["TX"]["success"]), (0, 1))
        sleeper.kill()

    def test_no_such_namespace(self) -> None:
        for which, words in (("none", "No such file or directory; see ip netns list"),
                             ("99999999", "there is no such process")):
            done = run_to_end(self.network.host, command("--netns", which))
            self.assertEqual(done.status, 1)
            self.assertRegex(done.stderr, rf"\Atcpeek: --netns: cannot enter '{which}' \(/.*\): .*{words}.*\n\Z")

    def test_a_second_one_is_told_what_to_do(self) -> None:
        with Monitor(self.network) as monitor:
            done = run_to_end(self.network.host, command("-i", "veth0", "-U", str(monitor.socket_path)))
            self.assertEqual(done.status, 1)
            self.assertIn("tcpeekstat watch", done.stderr)
            self.assertIn("--no-socket", done.stderr)


class Terminal(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(Lab())
        self.wire = self.network.wire()

    @contextlib.contextmanager
    def on_terminal(self, columns: int, *options: str) -> Iterator[int]:
        """A tcpeek whose standard error is a terminal of that width; yields the other end."""
        reader, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        words = command("-i", "veth0", "-B", str(RING_MIB), "--no-socket", *options)
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        with subprocess.Popen(self.network.host.command(*words), stderr=terminal, env=environment) as process:
            try:
                yield reader
            finally:
                process.send_signal(signal.SIGTERM)
                os.close(terminal)
                with contextlib.suppress(OSError):
                    while os.read(reader, 65536):
                        pass
                self.assertEqual(process.wait(lab.DEADLINE_S), 0)
                os.close(reader)

    def read_until(self, reader: int, wanted: str) -> list[str]:
        text = ""
        os.set_blocking(reader, False)
        deadline = time.monotonic() + lab.DEADLINE_S
        while wanted not in text:
            self.assertLess(time.monotonic(), deadline, text)
            try:
                text += os.read(reader, 65536).decode()
            except BlockingIOError:
                time.sleep(0.01)
        return text.split("\r\n")

    def repeated(self) -> None:
        """A success that takes a second SYN."""
        talk = Conversation(self.wire, RX4)
        talk.syn()
        time.sleep(0.003)  # longer than --copy-window, so that it is no copy
        talk.syn()
        talk.synack()
        talk.ack()

    def test_causes_and_width(self) -> None:
        for columns, longest in ((200, 118), (100, 99), (80, 75), (70, 65)):
            with self.subTest(columns), self.on_terminal(columns, "--color=never") as reader:
                header = self.read_until(reader, "---\r\n")
                self.assertEqual(len(header[-2]), longest)
                talk = Conversation(self.wire, RX4)
                talk.syn()
                talk.refuse()
                self.assertLessEqual(len(self.read_until(reader, "reject: refused")[-1]), longest)
                self.repeated()
                self.read_until(reader, "success (2nd SYN)")

    def test_colours(self) -> None:
        with self.on_terminal(118) as reader:
            self.read_until(reader, "---\r\n")
            self.repeated()
            self.read_until(reader, "\x1b[33m success (2nd SYN) \x1b[0m")

    def test_elsewhere_it_is_the_originals(self) -> None:
        with Monitor(self.network) as monitor:
            self.repeated()
            lab.wait_for(lambda: "|      success      |       1        0 \n" in monitor.stderr(), "the plain line")
        with Monitor(self.network, "--color=always") as monitor:
            self.repeated()
            lab.wait_for(lambda: "|\x1b[32m      success      \x1b[0m|" in monitor.stderr(), "the same in colour")


class Replayed(unittest.TestCase):
    """By packet time, and by outcomes: an attempt a second, refused after half of one."""

    ATTEMPTS = 12

    def setUp(self) -> None:
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="tcpeek-"))
        self.path = pathlib.Path(folder, "attempts.pcap")
        packets = []
        for second in range(self.ATTEMPTS):
            there = (lab.address("192.0.2.1"), lab.address("192.0.2.2"), 1000 + second, 80)
            back = (there[1], there[0], there[3], there[2])
            packets.append(self.packet(second, 0, there, seq=10, flags=SYN))
            packets.append(self.packet(second, 500, back, seq=0, ack=11, flags=RST | ACK))
        write_pcap(self.path, packets)

    @staticmethod
    def packet(second: int, ms: int, ends: tuple[frames.Address, frames.Address, int, int], *, seq: int, ack: int = 0,
               flags: int) -> Packet:
        segment = frames.tcp(*ends, seq=seq, ack=ack, flags=flags)
        frame = frames.ethernet(frames.ipv4(ends[0], ends[1], frames.PROTOCOL_TCP, segment))
        return (1_700_000_000 + second, ms * 1_000_000, len(frame), frame)

    def outcomes(self, *options: str) -> list[str]:
        words = [str(lab.binary()), "-r", str(self.path), "--output", "json", *options]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=lab.DEADLINE_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("TCPEEK SUMMARY", done.stderr)
        return [json.loads(line)["result"] for line in done.stdout.splitlines()]

    def test_all(self) -> None:
        self.assertEqual(self.outcomes(), ["reject"] * self.ATTEMPTS)

    def test_duration(self) -> None:
        """The packet just at its end is no longer part of it."""
        self.assertEqual(self.outcomes("--duration", "1"), ["reject"])
        self.assertEqual(self.outcomes("--duration", "4"), ["reject"] * 4)
        self.assertEqual(self.outcomes("--duration", "100"), ["reject"] * self.ATTEMPTS)

    def test_count(self) -> None:
        self.assertEqual(self.outcomes("--count", "5"), ["reject"] * 5)
        self.assertEqual(self.outcomes("--count", "100"), ["reject"] * self.ATTEMPTS)

    def test_only(self) -> None:
        self.assertEqual(self.outcomes("--only", "success,timeout"), [])
        self.assertEqual(self.outcomes("--only", "refused", "--count", "2"), ["reject"] * 2)

    def test_nobody_reads_any_more(self) -> None:
        """Of an endless file, as behind | head -1."""
        words = [str(lab.binary()), "-r", "-", "--output", "json"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(self.path.read_bytes())
            process.stdin.flush()
            process.stdout.close()
            records = self.path.read_bytes()[24:]
            with self.assertRaises(BrokenPipeError):
                deadline = time.monotonic() + lab.DEADLINE_S
                while time.monotonic() < deadline:
                    process.stdin.write(records)
                    process.stdin.flush()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            self.assertEqual(process.wait(lab.DEADLINE_S), 0)


if __name__ == "__main__":
    unittest.main()
