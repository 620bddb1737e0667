"""Files that are damaged or cannot be read, and options that do not go with them."""

import gzip
import os
import subprocess
import unittest

import saved
from program import TCPEEK, Files, has, packet_counts, replay


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

    def test_a_file_that_shrinks_while_it_is_read(self) -> None:
        # One that the reader has mapped, and waits before: the pipe that comes first.
        path = self.file("shrinks", saved.pcap(saved.handshake(1) * 100_000))
        with subprocess.Popen(
            [TCPEEK, "-q", "-r", "-", "-r", path], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdin is not None and process.stderr is not None
            process.stdin.write(saved.pcap([]))
            process.stdin.flush()
            process.stderr.readline()
            os.truncate(path, 5_000_000)
            process.stdin.close()
            text = process.stderr.read().decode()
        self.assertEqual(process.returncode, 1)
        self.assertIn("became shorter while it was read", text)
        self.assertIn("TCPEEK SUMMARY", text)

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
        self.refused(2, "can be read only once", "-r", "-", "-r", "-")
        self.refused(2, "value is missing", "-r")
        self.refused(2, "is not a filter expression", "-r", path, "--bpf", "port")
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


if __name__ == "__main__":
    unittest.main()
