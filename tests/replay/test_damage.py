"""Files that are damaged or cannot be read, and options that do not go with them."""

import bz2
import gzip
import lzma
import os
import re
import shutil
import subprocess
import tarfile
import unittest
import zipfile

import saved
from program import DEADLINE_S, TCPEEK, Files, has, packet_counts, replay


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
        # One that has been opened, and waits for the pipe that comes first.
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
            self.assertRegex(done.stderr, r"\Atcpeek: [^\n]*\n\Z")
            self.assertRegex(done.stderr.rstrip("\n"), words)

    def test_what_cannot_be_read(self) -> None:
        self.refused(1, "cannot open /nowhere: No such file or directory", "-r", "/nowhere")
        self.refused(1, f"cannot read {self.folder}: Is a directory", "-r", str(self.folder))
        self.refused(1, "/empty: empty, there is no data in it", "-r", self.file("empty", b""))
        cut = self.file("cut", saved.pcap([])[:20])
        self.refused(1, "/cut: cut short within the file header", "-r", cut)
        odd = self.file("odd", bytes(100))
        self.refused(1, "/odd: not a pcap or pcapng file", "-r", odd)
        wireless = self.file("w", saved.pcap([], link_type=127))
        self.refused(1, r"/w: tcpeek does not read link type 127 \(IEEE802_11_RADIO\); it", "-r", wireless)
        unknown = self.file("u", saved.pcap([], link_type=60_000))
        self.refused(1, "/u: tcpeek does not read link type 60000; it reads Ethernet", "-r", unknown)

    def test_other_files_are_named_as_what_they_are(self) -> None:
        text = self.file("text", b"some text of any kind\n")
        self.refused(1, "/text: not a pcap or pcapng file but a text file", "-r", text)
        content = saved.pcap(saved.handshake(1))
        xz = self.file("a.pcap.xz", lzma.compress(content))
        self.refused(1, rf"a\.pcap\.xz: an xz-compressed file; .*: xz -dc {xz} \| tcpeek -r -$", "-r", xz)
        odd_name = self.file("a b.xz", lzma.compress(content))
        self.refused(1, r"a b\.xz: an xz-compressed file; .*: xz -dc FILE \| tcpeek -r -$", "-r", odd_name)
        twice = self.file("twice.gz", gzip.compress(lzma.compress(content)))
        self.refused(1, "/twice.gz: not a pcap or pcapng file but an xz-compressed file$", "-r", twice)
        snoop = self.file("a.snoop", b"snoop\0\0\0" + bytes(8))
        self.refused(1, rf": a snoop file; .*: editcap -F pcap {snoop} - \| tcpeek -r -$", "-r", snoop)

    def test_standard_input_is_named_as_what_it_is(self) -> None:
        content = saved.pcap(saved.handshake(1))
        for packed, command in ((lzma.compress(content), "xz -dc"), (bz2.compress(content), "bzip2 -dc")):
            done = replay("-q", "-r", "-", stdin=packed)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, rf"\Atcpeek: standard input: .*: \.\.\. \| {command} \| tcpeek -r -\n\Z")
        self.assertIn("standard input: empty", replay("-q", "-r", "-", stdin=b"").stderr)

    def test_the_command_that_a_message_gives_works(self) -> None:
        content = saved.pcap(saved.handshake(1))
        files = [self.file("a.xz", lzma.compress(content)), self.file("a.bz2", bz2.compress(content))]
        with zipfile.ZipFile(self.folder / "a.zip", "w") as archive:
            archive.writestr("a.pcap", content)
        with tarfile.open(self.folder / "a.tar.gz", "w:gz") as tar:
            tar.add(self.file("b.pcap", content))
        tried = 0
        for path in [*files, str(self.folder / "a.zip"), str(self.folder / "a.tar.gz")]:
            said = replay("-q", "-r", path).stderr
            found = re.search(r"pipe it: (\S+)( .*) \| tcpeek -r -\n", said)
            assert found, said
            if shutil.which(found[1]) is None:
                continue
            tried += 1
            command = found[1] + found[2] + f" | {TCPEEK} -q -r - --max-sessions 1000"
            done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=DEADLINE_S, check=False)
            self.assertEqual(packet_counts(done.stderr.decode()), (3, 3, 0), command)
        self.assertGreater(tried, 0)

    def test_options_that_do_not_go_together(self) -> None:
        path = self.file("a", saved.pcap([]))
        for option in (["-i", "lo"], ["-U", "/x"], ["-B", "8"], ["--promisc"], ["--cpus", "0"]):
            self.refused(2, "cannot be combined with --read", "-r", path, *option)
        self.refused(2, "cannot be combined with --read", "--capture", "tcp", "-r", path)
        # Nothing was read yet: what is quoted is what was typed.
        self.refused(2, "'192.0.2.1/33' is not a network", "-r", path, "--redact", "--local", "192.0.2.1/33")
        self.refused(2, "can be read only once", "-r", "-", "-r", "-")
        self.refused(2, "--read needs a value: the path", "-r")
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
        self.assertRegex(done.stderr, r"\ntcpeek: .*/a: tcpeek does not read link type 127 \(IEEE802_11_RADIO\); it")

    @unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
    def test_another_user_after_opening(self) -> None:
        path = self.file("a", saved.pcap(saved.handshake(1)))
        os.chmod(path, 0o600)
        self.assertEqual(replay("-q", "-r", path, "-u", "nobody").returncode, 0)


if __name__ == "__main__":
    unittest.main()
