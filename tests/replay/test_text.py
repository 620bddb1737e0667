"""Text from outside, names of files and of interfaces in a pcapng: what is printed is one line that
leaves the terminal alone, whatever they hold."""

import json
import os
import unittest
from pathlib import Path

import saved
from program import Files, replay

# What clears the screen, breaks the line, turns the direction of writing, and is not UTF-8.
EVIL = b"e\x1b[2J\nth\xe2\x80\xae0\xff\xc2\x9b"
SHOWN = r"e\x1b[2J\x0ath\xe2\x80\xae0\xff\xc2\x9b"


class TextTest(Files):
    def evil_file(self, content: bytes, suffix: bytes = b"") -> tuple[str, str]:
        """The path of such a file, and how it is shown."""
        path = os.fsencode(self.folder) + b"/" + EVIL + suffix
        Path(os.fsdecode(path)).write_bytes(content)
        return os.fsdecode(path), f"{self.folder}/{SHOWN}{suffix.decode()}"

    def check(self, text: str) -> None:
        for character in text:
            control = ord(character) < 0x20 or 0x7F <= ord(character) <= 0x9F or character in "\u202e\ufffd"
            self.assertFalse(control and character != "\n", repr(text))
        self.assertNotIn("\nth", text)

    def test_names_of_files_that_are_read(self) -> None:
        path, shown = self.evil_file(saved.pcap(saved.handshake(1)))
        done = replay("-r", path)
        self.assertEqual(done.returncode, 0)
        self.assertIn(f"reading from {shown}, link-type", done.stderr)
        self.check(done.stderr)

    def test_names_of_files_that_cannot_be_read(self) -> None:
        for content in (b"", b"text", saved.pcap([])[:10], saved.pcap([], 127), b"\xfd7zXZ\0", bytes(50)):
            path, shown = self.evil_file(content)
            done = replay("-r", path)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"\Atcpeek: [^\n]*\n\Z")
            self.assertTrue(done.stderr.startswith(f"tcpeek: {shown}: "), done.stderr)
            self.check(done.stderr)
        done = replay("-r", f"/nowhere/{os.fsdecode(EVIL)}")
        self.assertIn(f"cannot open /nowhere/{SHOWN}: No such file", done.stderr)
        self.check(done.stderr)

    def test_names_of_files_in_warnings(self) -> None:
        older, newer = saved.pcap(saved.handshake(1)), saved.pcap(saved.handshake(2, saved.START_NS * 2))
        first, _ = self.evil_file(newer + older, b"1")
        second, _ = self.evil_file(older[:-1], b"2")
        done = replay("-q", "-r", first, "-r", second)
        self.assertEqual(done.stderr.count("\ntcpeek: "), 3, done.stderr)
        for words in ("another capture file", "older than", "damaged at byte"):
            self.assertIn(words, done.stderr)
        self.check(done.stderr)

    def test_names_of_interfaces(self) -> None:
        name = EVIL.decode(errors="surrogateescape")
        content = saved.pcapng(
            [*saved.handshake(1, interface=0), saved.Packet(saved.START_NS, b"?", 1)],
            [(name, 1), (name, 127)],
        )
        path = self.file("a", content)
        done = replay("-r", path)
        self.assertEqual(done.returncode, 0)
        self.assertIn(f"(interface '{SHOWN}')", done.stderr)
        self.check(done.stderr)
        lines = replay("-r", path, "--output", "json").stdout
        self.assertEqual(len(lines.splitlines()), 1)
        self.assertNotRegex(lines.rstrip("\n"), "[\\x00-\\x1f]")
        told = json.loads(lines)["interface"]
        self.assertEqual(told, EVIL.decode(errors="replace"))

    def test_a_filter_expression(self) -> None:
        path = self.file("a", saved.pcap(saved.handshake(1)))
        done = replay("-r", path, "--bpf", f"host {os.fsdecode(EVIL)}")
        self.assertEqual(done.returncode, 2)
        self.check(done.stderr)
        done = replay("-q", "-r", path, "--bpf", "tcp\nor\tudp")
        self.assertEqual(done.returncode, 0)
        self.assertIn(r"filter: TCP, where tcp\x0aor\x09udp", done.stderr)


if __name__ == "__main__":
    unittest.main()
