"""Signals: what ends tcpeek, what asks something of it, and what depends on how it was started."""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import re
import signal
import struct
import subprocess
import time
import unittest
from collections.abc import Iterator, Sequence

import lab
from conversation import RX4, TX6, Conversation
from lab import Lab
from monitor import Finished, Monitor, command

# Whatever the tests themselves run under.
BY_HAND = ("env", "-u", "INVOCATION_ID", "-u", "NOTIFY_SOCKET")
BY_A_SERVICE_MANAGER = ("env", "INVOCATION_ID=5b1e8a1c")
SUMMARY = "TCPEEK SUMMARY"

setUpModule = lab.require


def ignores(pid: int, number: signal.Signals) -> bool:
    return has_signal(pid, "SigIgn", number)


def blocks(pid: int, number: signal.Signals) -> bool:
    return has_signal(pid, "SigBlk", number)


def has_signal(pid: int, mask: str, number: signal.Signals) -> bool:
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(rf"^{mask}:\s*(\S+)", status, re.MULTILINE)
    return found is not None and int(found.group(1), 16) >> (number - 1) & 1 == 1


def successes(summary: str) -> int:
    """Of the first filter in it."""
    found = re.search(r"Success: (\d+) session", summary)
    assert found, summary
    return int(found.group(1))


class InTheBackground(unittest.TestCase):
    def test_sigint_ends_what_a_script_started(self) -> None:
        """A shell without job control has SIGINT ignored in what it starts with &."""
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number=number.name), Lab() as network:
                noted = network.folder / "pid"
                script = f'"$0" "$@" & echo $! > {noted}; wait $!'
                with Monitor(network, launcher=(*BY_HAND, "sh", "-c", script)) as monitor:
                    pid = int(noted.read_text(encoding="ascii"))
                    self.assertTrue(ignores(pid, signal.SIGINT), "the shell is not as it should be")
                    Conversation(network.wire(), RX4).succeed()
                    monitor.wait_counts({"success": 1})
                    os.kill(pid, number)
                    self.assertEqual(monitor.process.wait(lab.DEADLINE_S), 0, monitor.stderr())
                    self.assertEqual(monitor.stderr().count(SUMMARY), 1)
                    self.assertEqual(successes(monitor.stderr()), 1)

    def test_sigint_during_its_start(self) -> None:
        with Lab() as network:
            errors, noted = network.folder / "err", network.folder / "pid"
            words = command("-U", str(network.folder / "s"), "-i", "veth0", "--max-sessions", "20000000")
            script = f'"$@" 2> {errors} & echo $! > {noted}; wait $!'
            with subprocess.Popen(network.host.command("sh", "-c", script, "sh", *words)) as shell:
                lab.wait_for(lambda: noted.exists() and noted.stat().st_size > 0, "it runs")
                pid = int(noted.read_text(encoding="ascii"))
                # Its readers make their tables now, which takes seconds.
                lab.wait_for(lambda: len(list(pathlib.Path(f"/proc/{pid}/task").iterdir())) > 1, "readers start")
                os.kill(pid, signal.SIGINT)
                self.assertEqual(shell.wait(lab.DEADLINE_S), 0, errors.read_text(encoding="utf-8"))
            self.assertEqual(errors.read_text(encoding="utf-8").count(SUMMARY), 1)


class SummarySoFar(unittest.TestCase):
    def test_live_as_often_as_asked(self) -> None:
        for options in ((), ("-q", "--threads", "2")):
            with self.subTest(options=options), Lab() as network, Monitor(network, *options) as monitor:
                wire = network.wire()
                for times, position in enumerate((RX4, TX6, RX4), 1):
                    Conversation(wire, position).succeed()
                    monitor.wait_counts({"success": times})
                    monitor.process.send_signal(signal.SIGUSR1)
                    lab.wait_for(lambda: len(summaries(monitor.stderr())) == times, "the summary so far")
                texts = summaries(monitor.stop().stderr)
                self.assertEqual(len(texts), 4, "and one at the end")
                self.assertEqual([successes(text) for text in texts], [1, 1, 2, 2], "of RX")

    def test_many_at_once(self) -> None:
        """They are one signal while it has not been taken; none ends it, none is left over."""
        with Lab() as network, Monitor(network, "-q") as monitor:
            for _ in range(1000):
                monitor.process.send_signal(signal.SIGUSR1)
            lab.wait_for(lambda: SUMMARY in monitor.stderr(), "the summary so far")
            Conversation(network.wire(), RX4).succeed()
            monitor.wait_counts({"success": 1})
            self.assertEqual(successes(summaries(monitor.stop().stderr)[-1]), 1)


class Hangup(unittest.TestCase):
    def test_ends_it(self) -> None:
        with Lab() as network, Monitor(network, launcher=BY_HAND) as monitor:
            finished = monitor.stop(signal.SIGHUP)
            self.assertEqual(finished.status, 0)
            self.assertEqual(finished.stderr.count(SUMMARY), 1)

    def test_is_logged_under_a_service_manager(self) -> None:
        with Lab() as network, Monitor(network, launcher=BY_A_SERVICE_MANAGER) as monitor:
            for times in (1, 2):
                monitor.process.send_signal(signal.SIGHUP)
                lab.wait_for(lambda: monitor.stderr().count("SIGHUP is ignored") == times, "that is logged")
            self.check_counts_and_ends(network, monitor)

    def test_is_ignored_under_nohup(self) -> None:
        for manager in (BY_HAND, BY_A_SERVICE_MANAGER):
            with self.subTest(manager=manager), Lab() as network:
                with Monitor(network, launcher=(*manager, "nohup")) as monitor:
                    self.assertTrue(ignores(monitor.pid, signal.SIGHUP))
                    monitor.process.send_signal(signal.SIGHUP)
                    finished = self.check_counts_and_ends(network, monitor)
                    self.assertNotIn("SIGHUP", finished.stderr)

    def check_counts_and_ends(self, network: Lab, monitor: Monitor) -> Finished:
        Conversation(network.wire(), RX4).succeed()
        monitor.wait_counts({"success": 1})
        self.assertNotIn(SUMMARY, monitor.stderr())
        finished = monitor.stop(signal.SIGTERM)
        self.assertEqual(finished.stderr.count(SUMMARY), 1)
        self.assertEqual(successes(finished.stderr), 1)
        return finished


def summaries(text: str) -> list[str]:
    return [SUMMARY + part for part in text.split(SUMMARY)[1:]]


class Reading(unittest.TestCase):
    """-r from a pipe that goes on for as long as the test likes."""

    def setUp(self) -> None:
        self.network = self.enterContext(Lab())
        self.errors = self.network.folder / "err"

    @contextlib.contextmanager
    def replay(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        words = [*BY_HAND, *command("-r", "-", "-q", *options)]
        with open(self.errors, "wb") as err, subprocess.Popen(words, stdin=subprocess.PIPE, stderr=err) as process:
            try:
                yield process
            finally:
                process.kill()

    def said(self) -> list[str]:
        return summaries(self.errors.read_text(encoding="utf-8"))

    def test_summary_so_far(self) -> None:
        with self.replay() as process:
            assert process.stdin is not None
            process.stdin.write(PCAP_HEADER)
            asked = False
            deadline = time.monotonic() + lab.DEADLINE_S
            for number in itertools.count():
                process.stdin.write(record(number, handshake_packets(number)))
                process.stdin.flush()
                if number >= 10 and not asked:
                    lab.wait_for(lambda: self.errors.stat().st_size > 0, "it has begun to read")
                    process.send_signal(signal.SIGUSR1)
                    asked = True
                if self.said():
                    break
                self.assertLess(time.monotonic(), deadline, "no summary while it reads")
            self.assertLessEqual(successes(self.said()[0]), number + 1)
            process.stdin.close()
            self.assertEqual(process.wait(lab.DEADLINE_S), 0)
        self.assertEqual(len(self.said()), 2)
        self.assertEqual(successes(self.said()[-1]), number + 1, "it went on to the end")

    def test_asked_before_the_first_byte(self) -> None:
        with self.replay() as process:
            assert process.stdin is not None
            lab.wait_for(lambda: blocks(process.pid, signal.SIGUSR1), "it listens for signals")
            process.send_signal(signal.SIGUSR1)
            process.stdin.write(PCAP_HEADER + record(0, handshake_packets(0)))
            process.stdin.flush()
            lab.wait_for(lambda: len(self.said()) == 1, "the summary so far")
            self.assertEqual(successes(self.said()[0]), 1)
            process.stdin.close()
            self.assertEqual(process.wait(lab.DEADLINE_S), 0)
        self.assertEqual(len(self.said()), 2)

    def test_summary_so_far_of_a_pipe_that_has_stalled(self) -> None:
        with self.replay() as process:
            assert process.stdin is not None
            process.stdin.write(PCAP_HEADER + record(0, handshake_packets(0)))
            process.stdin.flush()
            lab.wait_for(lambda: self.errors.stat().st_size > 0, "it has begun to read")
            asked = 0

            def until_told() -> float:
                nonlocal asked
                asked += 1
                begun = time.monotonic()
                process.send_signal(signal.SIGUSR1)
                lab.wait_for(lambda: len(self.said()) == asked, "the summary so far")
                return time.monotonic() - begun

            until_told()
            self.assertLess(lab.least(until_told, 1.0), 1.0)
            self.assertEqual(successes(self.said()[0]), 1, "what came before it stalled")
            process.stdin.write(record(1, handshake_packets(1)))
            process.stdin.close()
            self.assertEqual(process.wait(lab.DEADLINE_S), 0)
        self.assertEqual(len(self.said()), asked + 1)
        self.assertEqual(successes(self.said()[-1]), 2)


PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)


def handshake_packets(number: int) -> list[bytes]:
    client, server = bytes([192, 0, 2, 1]), bytes([198, 51, 100, 2])
    port = 1024 + number % 60_000

    def segment(outgoing: bool, flags: int, sequence: int, acknowledged: int) -> bytes:
        ends = (client, server, port, 80) if outgoing else (server, client, 80, port)
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + ends[0] + ends[1]
        tcp = struct.pack("!HHIIBBHHH", *ends[2:], sequence, acknowledged, 0x50, flags, 0, 0, 0)
        return bytes(12) + b"\x08\x00" + ip + tcp

    return [segment(True, 0x02, 100, 0), segment(False, 0x12, 900, 101), segment(True, 0x10, 101, 901)]


def record(second: int, packets: Sequence[bytes]) -> bytes:
    """A minute later each, so that no two attempts are one."""
    stamp = 1_700_000_000 + 60 * second
    return b"".join(
        struct.pack("<IIII", stamp, number, len(packet), len(packet)) + packet
        for number, packet in enumerate(packets)
    )


if __name__ == "__main__":
    unittest.main()
