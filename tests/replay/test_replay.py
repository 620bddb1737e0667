"""tcpeek -r as a user meets it: inputs of every kind, damage, refusals, what it prints and returns."""

import functools
import gzip
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path

import saved

TCPEEK = os.environ["TCPEEK"]
CAPTURES = Path(__file__).resolve().parent.parent / "captures"
DEADLINE_S = 60


def replay(*options: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
    command = [TCPEEK, *options]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=DEADLINE_S, check=False)
    return subprocess.CompletedProcess(
        command, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def summary(text: str) -> str:
    """The summary alone: what is printed before it names files and readers."""
    return text[text.index("========== TCPEEK SUMMARY") :].split("\ntcpeek:")[0].strip()


def counts(text: str, name: str) -> dict[str, int]:
    """The numbers of one filter's block."""
    found = re.search(rf"\n {name}\n(.*?)\n-----", summary(text), re.DOTALL)
    assert found, text
    return {
        label.strip(): int(number)
        for label, number in re.findall(r"^ +(\S[^:]*): *(\d+)", found.group(1), re.MULTILINE)
    }


def packet_counts(text: str) -> tuple[int, int, int]:
    """recv, used, ignored in all."""
    block = summary(text).split("pcap stats")[1]
    ignored = sum(int(n) for n in re.findall(r"ignored: (\d+)", block))
    numbers = [int(n) for n in re.findall(r"(?:recv|used) +: (\d+)", block)]
    return numbers[0], numbers[1], ignored


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def has(path: Path, words: bytes) -> bool:
    return words in path.read_bytes()


class Files(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.write_bytes(content)
        return str(path)


class InputTest(Files):
    packets = [*saved.handshake(1001), *saved.refusal(1002), *saved.handshake(1003)]

    def test_a_file_a_pipe_and_compressed_files_are_the_same(self) -> None:
        content = saved.pcap(self.packets)
        plain = replay("-q", "-r", self.file("a.pcap", content))
        self.assertEqual(plain.returncode, 0)
        self.assertEqual(counts(plain.stderr, "RX")["Success"], 2)
        self.assertEqual(counts(plain.stderr, "TX")["Connection Rejected"], 1)
        self.assertEqual(packet_counts(plain.stderr), (8, 8, 0))
        ways = {
            "pipe": replay("-q", "-r", "-", stdin=content),
            "gzip": replay("-q", "-r", self.file("a.gz", gzip.compress(content))),
            "gzip pipe": replay("-q", "-r", "-", stdin=gzip.compress(content)),
            "pcapng": replay("-q", "-r", self.file("a.ng", saved.pcapng(self.packets, [("e", 1)]))),
        }
        for name, way in ways.items():
            with self.subTest(name):
                self.assertEqual(way.returncode, 0, way.stderr)
                self.assertEqual(summary(way.stderr), summary(plain.stderr))

    def test_several_files_are_one_stream(self) -> None:
        whole = replay("-q", "-r", self.file("whole", saved.pcap(self.packets)))
        for cut in range(len(self.packets) + 1):
            first = self.file("1", saved.pcap(self.packets[:cut]))
            second = self.file("2", gzip.compress(saved.pcap(self.packets[cut:])))
            parts = replay("-q", "-r", first, "--read", second)
            self.assertEqual(summary(parts.stderr), summary(whole.stderr), f"cut at {cut}")

    def test_a_file_without_packets(self) -> None:
        done = replay("-q", "-r", self.file("none", saved.pcap([])))
        self.assertEqual(done.returncode, 0)
        self.assertEqual(packet_counts(done.stderr), (0, 0, 0))

    def test_readers_side_by_side_count_as_one(self) -> None:
        for path in sorted(CAPTURES.glob("*.pcap*")):
            if path.suffix == ".txt":
                continue
            options = ("-q", "--icmp", "-r", str(path), "web:RX@%:80:443", ":TX@%:22")
            one = replay(*options)
            for readers in ("2", "3", "7"):
                with self.subTest(path.name, readers=readers):
                    some = replay(*options, "--threads", readers)
                    self.assertEqual(summary(some.stderr), summary(one.stderr))


class DirectionTest(Files):
    def test_local_networks_tell_rx_from_tx(self) -> None:
        path = self.file("a", saved.pcap(saved.handshake(1)))
        for local, rx, tx in (
            ("198.51.100.0/24", 1, 0),
            ("192.0.2.1", 0, 1),
            ("0.0.0.0/0", 1, 1),
            ("10.0.0.0/8", 0, 0),
        ):
            with self.subTest(local):
                text = replay("-q", "-r", path, "--local", local).stderr
                self.assertEqual(counts(text, "RX")["Success"], rx)
                self.assertEqual(counts(text, "TX")["Success"], tx)

    def test_bpf_narrows_and_tells_what_it_left_out(self) -> None:
        path = self.file("a", saved.pcap(saved.handshake(1) + saved.handshake(2)))
        text = replay("-q", "-r", path, "--bpf", "port 2").stderr
        self.assertEqual(counts(text, "RX")["Success"], 1)
        self.assertIn("ignored: 3 filtered", text)


class TimeTest(Files):
    def test_attempts_time_out_by_the_files_clock(self) -> None:
        second = 1_000_000_000
        syns = [
            saved.Packet(saved.START_NS + at * second, saved.segment(True, port, saved.SYN, 1, 0))
            for port, at in ((1, 0), (2, 30), (3, 60))
        ]
        text = replay("-q", "-r", self.file("a", saved.pcap(syns))).stderr
        self.assertEqual(counts(text, "RX")["Connection Timed Out"], 1)
        self.assertEqual(counts(text, "RX")["Pending"], 2)

    def test_gaps_of_any_length_end_what_was_pending(self) -> None:
        day = 86_400 * 1_000_000_000
        for days in (1, 2, 20, 25, 26, 40, 49, 50, 51, 100, 5000):
            packets = [saved.Packet(saved.START_NS, saved.segment(True, 1, saved.SYN, 1, 0))]
            packets += saved.handshake(2, saved.START_NS + days * day)
            text = replay("-q", "-r", self.file("a", saved.pcap(packets))).stderr
            rx = counts(text, "RX")
            self.assertEqual((rx["Success"], rx["Connection Timed Out"]), (1, 1), f"{days} days")

    def test_time_that_steps_back_ends_nothing(self) -> None:
        hour = 3600 * 1_000_000_000
        for hours in (1, 30, 24 * 40):
            first, second, third = saved.handshake(1)
            back = [second._replace(time_ns=second.time_ns - hours * hour)]
            back += [third._replace(time_ns=third.time_ns - hours * hour)]
            text = replay("-q", "-r", self.file("a", saved.pcap([first, *back]))).stderr
            rx = counts(text, "RX")
            self.assertEqual((rx["Success"], rx["Connection Timed Out"]), (1, 0), f"{hours} hours")


class OutputTest(Files):
    def test_every_line_arrives_at_a_slow_reader(self) -> None:
        packets = [p for i in range(20_000) for p in saved.handshake(i + 1, saved.START_NS + i)]
        path = self.file("a", saved.pcap(packets))
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


class DamageTest(Files):
    packets = saved.handshake(1) + saved.handshake(2)

    def test_what_stands_before_the_damage_counts(self) -> None:
        content = saved.pcap(self.packets)
        record = (len(content) - 24) // len(self.packets)
        for cut in (5 * record + 24 + 1, 5 * record + 24 + 16, len(content) - 1):
            done = replay("-q", "-r", self.file("a", content[:cut]))
            self.assertEqual(done.returncode, 1)
            self.assertEqual(packet_counts(done.stderr), (5, 5, 0))
            self.assertRegex(done.stderr, rf"\ntcpeek: .*/a: damaged at byte {24 + 5 * record}: ")
        self.assertEqual(replay("-q", "-r", self.file("a", content)).returncode, 0)

    def test_the_next_file_is_read_all_the_same(self) -> None:
        cut = self.file("cut", saved.pcap(self.packets)[:-1])
        whole = self.file("whole", saved.pcap(saved.handshake(3)))
        done = replay("-q", "-r", cut, "-r", whole)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(packet_counts(done.stderr), (8, 8, 0))

    def test_a_compressed_file_that_was_cut(self) -> None:
        content = gzip.compress(saved.pcap(self.packets * 1000))
        done = replay("-q", "-r", self.file("a.gz", content[: len(content) // 2]))
        self.assertEqual(done.returncode, 1)
        self.assertIn("the gzip stream ends early", done.stderr)
        self.assertGreater(packet_counts(done.stderr)[0], 0)


class RefusalTest(Files):
    def refused(self, status: int, words: str, *options: str) -> None:
        with self.subTest(options):
            done = replay(*options)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertRegex(done.stderr, rf"\Atcpeek: [^\n]*{words}[^\n]*\n\Z")

    def test_what_cannot_be_read(self) -> None:
        self.refused(1, "nowhere: No such file or directory", "-r", "/nowhere")
        self.refused(1, "Is a directory", "-r", str(self.folder))
        self.refused(1, "is empty", "-r", self.file("empty", b""))
        self.refused(1, "is no capture file", "-r", self.file("text", b"some text of any kind\n"))
        wireless = self.file("w", saved.pcap([], link_type=127))
        self.refused(1, r"link type 127 \(IEEE802_11_RADIO\) is not read", "-r", wireless)
        odd = self.file("o", saved.pcap([], link_type=60_000))
        self.refused(1, "link type 60000 is not read", "-r", odd)

    def test_options_that_do_not_go_together(self) -> None:
        path = self.file("a", saved.pcap([]))
        for option in (["-i", "lo"], ["-U", "/x"], ["-B", "8"], ["--promisc"], ["--cpus", "0"]):
            self.refused(2, "does not go with --read", "-r", path, *option)
        self.refused(2, "does not go with --read", "--capture", "tcp", "-r", path)
        self.refused(2, "can be read once only", "-r", "-", "-r", "-")
        self.refused(2, "value is missing", "-r")
        self.refused(2, "is no filter expression", "-r", path, "--bpf", "port")
        self.refused(1, "nobody-of-this-name", "-r", path, "-u", "nobody-of-this-name")

    def test_some_interfaces_of_a_pcapng_are_unknown(self) -> None:
        packets = [*saved.handshake(1, interface=0), saved.Packet(saved.START_NS, b"?", 1)]
        path = self.file("a", saved.pcapng(packets, [("e", 1), ("w", 127)]))
        done = replay("-q", "-r", path)
        self.assertEqual(done.returncode, 0)
        self.assertIn("link type 127 (IEEE802_11_RADIO)", done.stderr)
        self.assertIn("ignored: 1 link_type", done.stderr)
        self.assertEqual(packet_counts(done.stderr), (4, 3, 1))

    def test_all_interfaces_of_a_pcapng_are_unknown(self) -> None:
        packets = [saved.Packet(saved.START_NS, b"?", 0)]
        done = replay("-q", "-r", self.file("a", saved.pcapng(packets, [("w", 127)])))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"\ntcpeek: .*/a: link type 127 \(IEEE802_11_RADIO\)")

    @unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
    def test_another_user_after_opening(self) -> None:
        path = self.file("a", saved.pcap(saved.handshake(1)))
        os.chmod(path, 0o600)
        self.assertEqual(replay("-q", "-r", path, "-u", "nobody").returncode, 0)


@unittest.skipUnless(shutil.which("zstd"), "zstd(1) is not installed")
class ZstdTest(Files):
    def test_zstd(self) -> None:
        path = self.file("a", saved.pcap(saved.handshake(1)))
        packed = subprocess.run(["zstd", "-q", "-c", path], capture_output=True, check=True).stdout
        done = replay("-q", "-r", self.file("a.zst", packed))
        self.assertEqual(counts(done.stderr, "RX")["Success"], 1)
        cut = replay("-q", "-r", self.file("cut.zst", packed[:-4]))
        self.assertEqual(cut.returncode, 1)
        self.assertIn("zstd", cut.stderr)


if __name__ == "__main__":
    unittest.main()
