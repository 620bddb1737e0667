"""What a replay prints, while it runs and when it is interrupted."""

import fcntl
import functools
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
import unittest
from datetime import datetime, timedelta
from pathlib import Path

import saved
from program import DEADLINE_S, TCPEEK, Files, catches, has, replay, until


@functools.cache
def many_handshakes() -> bytes:
    """20,000 of them: far more lines than a pipe and the backlog hold."""
    return saved.pcap(p for i in range(20_000) for p in saved.handshake(i + 1, saved.START_NS + i))


class OutputTest(Files):
    def test_every_line_arrives_at_a_slow_reader(self) -> None:
        path = self.file("a", many_handshakes())
        with subprocess.Popen([TCPEEK, "-r", path], stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            time.sleep(0.3)  # the pipe fills up meanwhile
            text = process.stderr.read().decode()
        self.assertEqual(process.returncode, 0)
        self.assertEqual(text.count("      success      "), 20_000)

    def test_json_names_interfaces(self) -> None:
        packets = saved.handshake(1, interface=0) + saved.handshake(2, interface=1)
        path = self.file("a", saved.pcapng(packets, [("wan0", 1), ("", 1)]))
        lines = replay("-r", path, "--output", "json").stdout.splitlines()
        names = [json.loads(line)["interface"] for line in lines]
        self.assertEqual(names, ["wan0", path])

    def test_interfaces_of_two_sections_are_told_apart(self) -> None:
        first = saved.pcapng(saved.handshake(1), [("eth0", 1)])
        second = saved.pcapng(saved.handshake(2, saved.START_NS + 1_000_000_000), [("eth1", 1)])
        path = self.file("a", first + second)
        lines = replay("-r", path, "--output", "json").stdout.splitlines()
        self.assertEqual([json.loads(line)["interface"] for line in lines], ["eth0", "eth1"])

    def test_progress_on_a_terminal_and_none_elsewhere(self) -> None:
        controller, terminal = pty.openpty()
        self.addCleanup(os.close, controller)
        command = [TCPEEK, "-q", "-r", "-"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=terminal) as process:
            os.close(terminal)
            assert process.stdin is not None
            process.stdin.write(saved.pcap([]))
            shown = b""
            deadline = time.monotonic() + DEADLINE_S
            while b"packets/s" not in shown and time.monotonic() < deadline:
                record = saved.pcap(saved.handshake(1))[24:]
                process.stdin.write(record * 20)
                process.stdin.flush()
                time.sleep(0.05)
                if b"packets/s" not in shown:
                    os.set_blocking(controller, False)
                    try:
                        shown += os.read(controller, 65536)
                    except BlockingIOError:
                        pass
            process.stdin.close()
            self.assertEqual(process.wait(DEADLINE_S), 0)
        self.assertIn(b"packets/s", shown)
        quiet = replay("-q", "-r", self.file("a", saved.pcap(saved.handshake(1))))
        self.assertNotIn("packets/s", quiet.stderr)

    def check_span_of_run(self, text: str, begun: datetime, ended: datetime) -> None:
        """Without a packet, the summary's times are those of the run."""
        span = [datetime.fromisoformat(t) for t in re.findall(r"(?:from|  to) : (.*)", text)]
        self.assertEqual(len(span), 2, text)
        second = timedelta(seconds=1)  # shown in whole seconds
        self.assertGreaterEqual(span[0], begun - second)
        self.assertGreaterEqual(span[1], span[0])
        self.assertLessEqual(span[1], ended)
        found = re.search(r"time : +([\d.]+) \(sec\)", text)
        assert found, text
        self.assertAlmostEqual(float(found[1]), (span[1] - span[0]).total_seconds(), delta=1.1)

    def test_without_packets_the_times_are_those_of_the_run(self) -> None:
        begun = datetime.now()
        done = replay("-q", "-r", self.file("none", saved.pcap([])))
        self.check_span_of_run(done.stderr, begun, datetime.now())

    def test_an_interrupt_ends_what_never_came(self) -> None:
        fifo = str(self.folder / "fifo")
        os.mkfifo(fifo)
        for path in ("-", fifo):
            with self.subTest(path):
                told = self.folder / "told"
                begun = datetime.now()
                with told.open("wb") as err, subprocess.Popen(
                    [TCPEEK, "-r", path], stdin=subprocess.PIPE, stderr=err
                ) as process:
                    until(functools.partial(catches, process.pid, signal.SIGINT))
                    time.sleep(1.2)  # so that the run's times differ
                    process.send_signal(signal.SIGINT)
                    self.assertEqual(process.wait(DEADLINE_S), 0)
                text = told.read_text()
                self.assertIn("TCPEEK SUMMARY", text)
                self.assertIn(f"reading from {fifo if path == fifo else 'standard input'}\n", text)
                self.check_span_of_run(text, begun, datetime.now())
                found = re.search(r"time : +([\d.]+) ", text)
                self.assertGreater(float(found[1]) if found else 0, 1)

    def stall(self, *options: str, stream: str) -> tuple[subprocess.Popen[bytes], int]:
        """A replay that waits because nobody reads one of its streams; and that stream's other end."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: writing}
        command = [TCPEEK, "--max-sessions", "100000", "-r", self.file("a", many_handshakes()), *options]
        process = subprocess.Popen(command, stdout=streams["stdout"], stderr=streams["stderr"])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        os.close(writing)

        def waits() -> bool:
            state = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            waiting = fcntl.ioctl(reading, termios.FIONREAD, bytes(4))
            # Of 64 KiB: a page that the next piece does not fit into stays as it is.
            return state == "S" and struct.unpack("i", waiting)[0] > 32_768

        until(waits)
        time.sleep(0.2)
        self.assertTrue(waits())
        return process, reading

    def test_a_reader_that_stopped_reading_does_not_keep_it_from_ending(self) -> None:
        for stream, options in (("stderr", ()), ("stdout", ("--output", "json"))):
            for number in (signal.SIGINT, signal.SIGTERM):
                with self.subTest(stream, signal=number):
                    process, _ = self.stall(*options, stream=stream)
                    process.send_signal(number)
                    self.assertEqual(process.wait(DEADLINE_S), 0)

    def test_a_slow_reader_gets_the_summary_of_an_interrupted_replay(self) -> None:
        process, reading = self.stall(stream="stderr")
        process.send_signal(signal.SIGINT)
        text = b""
        while part := os.read(reading, 65536):
            text += part
        self.assertEqual(process.wait(DEADLINE_S), 0)
        self.assertIn(b"TCPEEK SUMMARY", text)
        self.assertTrue(text.endswith(b"====================================\n"))

    def test_a_closed_standard_input_is_an_error(self) -> None:
        command = ["sh", "-c", f"exec {TCPEEK} -r - <&-"]
        done = subprocess.run(command, capture_output=True, timeout=DEADLINE_S, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"standard input", done.stderr)

    def test_a_pipe_tells_timeouts_as_time_goes_on(self) -> None:
        told = self.folder / "told"
        with told.open("wb") as err, subprocess.Popen(
            [TCPEEK, "-r", "-"], stdin=subprocess.PIPE, stderr=err
        ) as process:
            assert process.stdin is not None
            process.stdin.write(saved.pcap([]))
            at = saved.START_NS
            deadline = time.monotonic() + DEADLINE_S
            while not has(told, b"failure (timeout)") and time.monotonic() < deadline:
                at += 10_000_000_000
                port = at // 1_000_000_000 % 60_000 + 1
                syn = saved.Packet(at, saved.segment(True, port, saved.SYN, 1, 0))
                process.stdin.write(saved.pcap([syn])[24:])
                process.stdin.flush()
                time.sleep(0.02)
            self.assertTrue(has(told, b"failure (timeout)"))
            process.stdin.close()

    def test_an_interrupt_ends_a_pipe_with_the_summary(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            told = self.folder / f"told-{number}"
            with told.open("wb") as err, subprocess.Popen(
                [TCPEEK, "-r", "-"], stdin=subprocess.PIPE, stderr=err
            ) as process:
                assert process.stdin is not None
                process.stdin.write(saved.pcap(saved.handshake(1)))
                process.stdin.flush()
                until(functools.partial(has, told, b"reading from standard input"))
                process.send_signal(number)
                self.assertEqual(process.wait(DEADLINE_S), 0)
            self.assertIn("TCPEEK SUMMARY", told.read_text())


if __name__ == "__main__":
    unittest.main()
