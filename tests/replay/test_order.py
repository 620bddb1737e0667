"""Files that were joined, that are given in the wrong order, or that overlap: everything is counted, and
one line says what is odd."""

import gzip
import json
import re
import struct
import unittest

import saved
from program import Files, counts, packet_counts, replay, summary

SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS


def warnings(text: str) -> list[str]:
    return re.findall(r"^tcpeek: .*", text, re.MULTILINE)


class JoinedTest(Files):
    one = saved.pcap(saved.handshake(1))
    two = saved.pcap(saved.handshake(2, saved.START_NS + SECOND_NS))

    def check(self, content: bytes, at: int, successes: int = 2) -> str:
        path = self.file("joined", content)
        done = replay("-q", "-r", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(counts(done.stderr, "RX")["Success"], successes)
        self.assertEqual(packet_counts(done.stderr), (3 * successes, 3 * successes, 0))
        said = warnings(done.stderr)
        self.assertEqual(len(said), 1, said)
        self.assertIn(f"{path}: another capture file begins at byte {at}", said[0])
        return said[0]

    def test_two_files_joined_by_cat(self) -> None:
        self.check(self.one + self.two, len(self.one))

    def test_an_empty_file_before_the_other(self) -> None:
        self.check(saved.pcap([]) + self.one, 24, successes=1)

    def test_compressed_files_joined_by_cat(self) -> None:
        self.check(gzip.compress(self.one) + gzip.compress(self.two), len(self.one))

    def test_it_is_said_once_however_many_there_are(self) -> None:
        content = b"".join(
            saved.pcap(saved.handshake(i, saved.START_NS + i * SECOND_NS)) for i in range(1, 101)
        )
        self.check(content, len(self.one), successes=100)

    def test_other_formats_of_either_side(self) -> None:
        ng = saved.pcapng(saved.handshake(3, saved.START_NS + SECOND_NS), [("eth0", 1)])
        self.check(self.one + ng, len(self.one))
        self.check(saved.pcapng(saved.handshake(4), [("eth0", 1)]) + self.two, len(ng))

    def test_another_link_type(self) -> None:
        raw = [p._replace(frame=p.frame[14:]) for p in saved.handshake(5, saved.START_NS + SECOND_NS)]
        self.check(self.one + saved.pcap(raw, link_type=101), len(self.one))
        wireless = saved.pcap([saved.Packet(saved.START_NS + SECOND_NS, b"?")], link_type=127)
        done = replay("-q", "-r", self.file("w", self.one + wireless))
        self.assertEqual(packet_counts(done.stderr), (4, 3, 1))
        self.assertIn("does not read link type 127", done.stderr)

    def test_sections_of_a_pcapng_are_nothing_odd(self) -> None:
        parts = [
            saved.pcapng(saved.handshake(i, saved.START_NS + i * SECOND_NS), [("eth0", 1)]) for i in (1, 2)
        ]
        done = replay("-q", "-r", self.file("ng", parts[0] + parts[1]))
        self.assertEqual(counts(done.stderr, "RX")["Success"], 2)
        self.assertEqual(warnings(done.stderr), [])

    def test_what_is_joined_to_it_may_be_of_no_use(self) -> None:
        header = struct.pack("<IHHiIII", 0xA1B2C3D4, 3, 0, 0, 0, 262_144, 1)
        path = self.file("odd", self.one + header)
        done = replay("-q", "-r", path)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(packet_counts(done.stderr), (3, 3, 0))
        self.assertIn(f"damaged at byte {len(self.one)}: ", done.stderr)

    def test_a_part_older_than_the_one_before_it(self) -> None:
        done = replay("-q", "-r", self.file("ab", self.two + self.one))
        self.assertEqual(counts(done.stderr, "RX")["Success"], 2)
        said = warnings(done.stderr)
        self.assertEqual(len(said), 2, said)
        self.assertRegex(said[1], rf"/ab from byte {len(self.two)}: older than .*/ab, which was read before it")


class OrderTest(Files):
    def days(self, *starts_ns: int, packets: int = 3) -> list[str]:
        options = []
        for i, start in enumerate(starts_ns):
            content = saved.pcap(saved.handshake(i + 1, saved.START_NS + start)[:packets])
            options += ["-r", self.file(f"day-{i + 1}", content)]
        return options

    def test_in_their_order_nothing_is_said(self) -> None:
        for starts in ((0, 0), (0, 24 * HOUR_NS), (0, 1, 2), (SECOND_NS // 2, 0)):
            done = replay("-q", *self.days(*starts))
            self.assertEqual(warnings(done.stderr), [], starts)

    def test_the_older_file_last(self) -> None:
        options = self.days(24 * HOUR_NS, 0)
        done = replay("-q", *options)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(counts(done.stderr, "RX")["Success"], 2)
        said = warnings(done.stderr)
        self.assertEqual(len(said), 1, said)
        self.assertIn(f"{options[3]}: older than {options[1]}, which was read before it", said[0])
        self.assertIn("give the older file first", said[0])

    def test_each_is_compared_with_the_one_before_it(self) -> None:
        options = self.days(0, 48 * HOUR_NS, 24 * HOUR_NS, 72 * HOUR_NS, HOUR_NS)
        said = warnings(replay("-q", *options).stderr)
        self.assertEqual(len(said), 2, said)
        self.assertIn(f"{options[5]}: older than {options[3]}", said[0])
        self.assertIn(f"{options[9]}: older than {options[7]}", said[1])

    def test_files_without_packets_have_no_time(self) -> None:
        first, second = self.days(24 * HOUR_NS, 0)[1::2]
        empty = self.file("empty", saved.pcap([]))
        said = warnings(replay("-q", "-r", empty, "-r", first, "-r", empty, "-r", second).stderr)
        self.assertEqual(len(said), 1, said)
        self.assertIn(f"{second}: older than {first}", said[0])

    def test_files_of_the_same_time(self) -> None:
        long = saved.handshake(1) + saved.handshake(2, saved.START_NS + HOUR_NS)
        inside = saved.handshake(3, saved.START_NS + HOUR_NS // 2)
        one, two = self.file("eth0", saved.pcap(long)), self.file("eth1", saved.pcap(inside))
        done = replay("-q", "-r", one, "-r", two)
        self.assertEqual(counts(done.stderr, "RX")["Success"], 3)
        said = warnings(done.stderr)
        self.assertEqual(len(said), 1, said)
        self.assertIn(f"{two}: begins before {one} ends", said[0])
        self.assertIn("mergecap", said[0])

    def test_time_goes_back_with_the_files(self) -> None:
        """What was open in the newer file stays pending: nothing later tells that it timed out."""
        options = self.days(HOUR_NS, 0, packets=1)
        done = replay("-q", *options)
        self.assertEqual(counts(done.stderr, "RX")["Failure"], 0)
        self.assertIn("Pending: 2", summary(done.stderr))
        later = replay("-q", *self.days(0, HOUR_NS, packets=1))
        self.assertEqual(counts(later.stderr, "RX")["Connection Timed Out"], 1)

    def test_json_names_the_file_that_an_outcome_is_from(self) -> None:
        options = self.days(0, SECOND_NS)
        lines = replay(*options, "--output", "json").stdout.splitlines()
        self.assertEqual([json.loads(line)["interface"] for line in lines], options[1::2])


if __name__ == "__main__":
    unittest.main()
