"""--explain: the page at the end of a capture file, and the same as JSON."""

import json
import unittest

import saved
from program import Files, replay

SECOND = 1_000_000_000


def unanswered(port: int, start_ns: int) -> list[saved.Packet]:
    return [saved.Packet(start_ns, saved.segment(True, port, saved.SYN, 100, 0))]


class ExplainTest(Files):
    def test_tells_what_fails_and_names_what_is_pending(self) -> None:
        packets = saved.handshake(1)
        for port in range(2, 7):
            packets += saved.refusal(port, saved.START_NS + port * SECOND)
        for port in range(100, 115):
            packets += unanswered(port, saved.START_NS + (port - 90) * SECOND)
        path = self.file("a.pcap", saved.pcap(packets))
        for threads in ("1", "3"):
            done = replay("-q", "-r", path, "--explain", "--threads", threads)
            self.assertEqual(done.returncode, 0, done.stderr)
            page = done.stdout
            self.assertTrue(page.startswith("========== TCPEEK EXPLAIN ==========\n5 of 21 attempts in the file failed, 1 succeeded, 15 still pending at its end."), page)
            self.assertTrue(page.endswith("\n====================================\n"), page)
            self.assertIn("1. there: Nobody listens on 198.51.100.2:80 any more: the service went down", page)
            self.assertIn("   rule      refused_there\n", page)
            self.assertIn("\nPending where the file ends: 15\n   192.0.2.1:100 > 198.51.100.2:80  since ", page)
            self.assertEqual(page.count(", not answered, 1 SYN\n"), 12)
            self.assertIn("\n   and 3 more\n", page)
            self.assertIn("TCPEEK SUMMARY", done.stderr)

    def test_says_that_nothing_fails(self) -> None:
        done = replay("-q", "-r", self.file("a.pcap", saved.pcap(saved.handshake(1))), "--explain")
        self.assertIn("Nothing fails: 1 of 1 attempt in the file succeeded.", done.stdout)
        self.assertNotIn("Pending", done.stdout)
        done = replay("-q", "-r", self.file("b.pcap", saved.pcap([])), "--explain")
        self.assertIn("The file contains no connection attempt.", done.stdout)

    def test_is_the_last_line_of_json(self) -> None:
        path = self.file("a.pcap", saved.pcap(saved.refusal(1)))
        lines = replay("-r", path, "--explain", "--output", "json").stdout.splitlines()
        self.assertEqual(len(lines), 2)
        told = json.loads(lines[-1])
        self.assertEqual([finding["rule"] for finding in told["findings"]], ["refused_there"])
        self.assertEqual(json.loads(lines[0])["cause"], "refused")

    def test_is_for_files(self) -> None:
        done = replay("--explain")
        self.assertEqual(done.returncode, 2)
        self.assertIn("for a running tcpeek, use tcpeekstat explain", done.stderr)


if __name__ == "__main__":
    unittest.main()
