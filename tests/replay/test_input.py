"""Inputs of every kind give the same counts; direction and time come from the file."""

import gzip
import os
import shutil
import subprocess
import unittest
from pathlib import Path

import saved
from program import DEADLINE_S, TCPEEK, Files, counts, packet_counts, replay, summary, until

CAPTURES = Path(__file__).resolve().parent.parent / "captures"


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

    @unittest.skipIf(os.environ.get("TCPEEK_SANITIZE"), "a build with sanitizers filters no calls")
    def test_no_byte_is_read_as_a_capture_before_rights_are_given_up(self) -> None:
        """A pipe says in four bytes what it holds, and no more: what follows would be read with these rights."""
        content = saved.pcap(self.packets)
        with subprocess.Popen(
            (TCPEEK, "-q", "-r", "-"), stdin=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdin is not None and process.stderr is not None
            process.stdin.write(content[:12])
            process.stdin.flush()
            status = Path(f"/proc/{process.pid}/status")
            until(lambda: "\nSeccomp:\t2\n" in status.read_text())
            self.assertRegex(status.read_text(), r"\nCapPrm:\t0+\nCapEff:\t0+\n")
            process.stdin.write(content[12:])
            process.stdin.close()
            said = process.stderr.read().decode()
            self.assertEqual(process.wait(DEADLINE_S), 0, said)
            self.assertEqual(packet_counts(said), (8, 8, 0))

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

    def test_what_is_remembered_is_forgotten_over_a_gap_of_any_length(self) -> None:
        # The table's clock goes round in 52.1 days: a gap of that length looks like none.
        round_ns = 1 << 52
        packets = saved.handshake(1) + saved.handshake(1, saved.START_NS + round_ns)
        text = replay("-q", "-r", self.file("a", saved.pcap(packets))).stderr
        self.assertEqual(counts(text, "RX")["Success"], 2)

    def test_time_that_steps_back_ends_nothing(self) -> None:
        hour = 3600 * 1_000_000_000
        for hours in (1, 30, 24 * 40):
            first, second, third = saved.handshake(1)
            back = [second._replace(time_ns=second.time_ns - hours * hour)]
            back += [third._replace(time_ns=third.time_ns - hours * hour)]
            text = replay("-q", "-r", self.file("a", saved.pcap([first, *back]))).stderr
            rx = counts(text, "RX")
            self.assertEqual((rx["Success"], rx["Connection Timed Out"]), (1, 0), f"{hours} hours")


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
