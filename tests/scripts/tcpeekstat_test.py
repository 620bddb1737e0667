"""scripts/tcpeekstat from the outside: as a process, against a fake tcpeek that listens on a UNIX socket
and a fake gmetric in PATH that writes down how it was called.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fake_tcpeek import FakeTcpeek, filter_element

ROOT = Path(__file__).resolve().parents[2]
TCPEEKSTAT = ROOT / "scripts" / "tcpeekstat"
DEADLINE_S = 60.0

PCAP: dict[str, Any] = {"pcap": {"stats": {"recv": 40, "drop": 1, "ifdrop": 2}}}
GET: list[dict[str, Any]] = [filter_element("RX", 10), filter_element("TX", 1234560), PCAP]

SUMMARY = """\
========== TCPEEK SUMMARY ==========
------------------------------------
 RX
   Success: 10 session
     SYN Segment Duplicate :     11
     S/A Segment Duplicate :     12
   Failure: 13 session
     Connection Timed Out  :     14
     Connection Rejected   :     15
     ICMP Unreachable      :     16
------------------------------------
 TX
   Success: 1234560 session
     SYN Segment Duplicate : 1234561
     S/A Segment Duplicate : 1234562
   Failure: 1234563 session
     Connection Timed Out  : 1234564
     Connection Rejected   : 1234565
     ICMP Unreachable      : 1234566
------------------------------------
 pcap stats
   recv   : 40
   drop   : 1
   ifdrop : 2
====================================
"""

FAKE_GMETRIC = """\
#!{python}
import json, os, sys, time
with open(os.environ["GMETRIC_RECORD"], "a") as record:
    record.write(json.dumps(sys.argv[1:]) + "\\n")
if os.environ.get("GMETRIC_HANGS_ON", "none") in sys.argv[1]:
    time.sleep(60)
if os.environ.get("GMETRIC_FAILS_ON", "none") in sys.argv[1]:
    sys.exit(3)
"""


class TcpeekstatTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.socket = self.folder / "tcpeek.sock"
        self.record = self.folder / "calls"
        self.environment = dict(os.environ, GMETRIC_RECORD=str(self.record))

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-W", "error", str(TCPEEKSTAT), *arguments]

    def run_it(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command("-U", str(self.socket), *arguments), text=True,
                              capture_output=True, env=self.environment, timeout=DEADLINE_S,
                              check=False)

    @contextmanager
    def tcpeek(self, reply: object, **how: Any) -> Iterator[FakeTcpeek]:
        several = isinstance(reply, dict) and "GET" in reply
        raw: Any = reply if isinstance(reply, bytes) or several else json.dumps(reply).encode()
        server = FakeTcpeek(self.socket, raw, **how)
        try:
            yield server
        finally:
            server.stop()
            self.socket.unlink()

    def install_gmetric(self) -> None:
        program = self.folder / "bin" / "gmetric"
        program.parent.mkdir()
        program.write_text(FAKE_GMETRIC.format(python=sys.executable))
        program.chmod(0o755)
        self.environment["PATH"] = str(program.parent)

    def calls(self) -> list[list[str]]:
        if not self.record.exists():
            return []
        return [json.loads(line) for line in self.record.read_text().splitlines()]

    def assert_fails(self, done: subprocess.CompletedProcess[str], *words: str) -> None:
        """One line that says why, nothing on standard output, exit status 1."""
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"\Atcpeekstat: [^\n]+\n\Z")
        for word in words:
            self.assertIn(word, done.stderr)


class BlocksTest(TcpeekstatTest):
    def test_prints_what_the_tcpeek_of_2012_did(self) -> None:
        with self.tcpeek(GET) as server:
            done = self.run_it("--blocks")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, SUMMARY, ""))
        self.assertEqual(server.request, b"GET\r\n")

    def test_reads_a_reply_that_comes_in_pieces(self) -> None:
        with self.tcpeek(GET, pieces=100):
            done = self.run_it("--blocks")
        self.assertEqual(done.stdout, SUMMARY)

    def test_named_filters_follow_in_the_order_of_the_reply(self) -> None:
        names = ["RX", "TX", "zulu", "alpha"]
        with self.tcpeek([filter_element(name, 0) for name in names] + [PCAP]):
            done = self.run_it("--blocks")
        self.assertEqual(re.findall(r"^ (\S+)$", done.stdout, re.M), names)

    def test_unknown_members_are_left_alone(self) -> None:
        reply = [filter_element("RX", 10), filter_element("TX", 1234560), PCAP]
        reply[0]["RX"]["latency"] = {"p99": 1}
        reply[0]["RX"]["failure"]["odd"] = 7
        with self.tcpeek(reply):
            done = self.run_it("--blocks")
        self.assertEqual(done.stdout, SUMMARY)

    def test_a_reply_without_capture_counts_is_shown_without_them(self) -> None:
        with self.tcpeek([filter_element("RX", 10, refresh=True)]):
            done = self.run_it("--blocks")
        self.assertEqual(done.returncode, 0)
        self.assertNotIn("pcap", done.stdout)
        self.assertIn("ICMP Unreachable      :      0\n", done.stdout)

    def test_filter_names_cannot_control_the_terminal(self) -> None:
        with self.tcpeek([filter_element("a\x1b[31m\nb", 0), filter_element("\ud800", 0),
                          filter_element("本番　é", 0), filter_element("x\u202egnp.exe\u2066", 0),
                          filter_element("\x85\u2028", 0)]):
            done = self.run_it("--blocks")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("\n a\\x1b[31m\\x0ab\n", done.stdout)
        self.assertIn("\n \\xed\\xa0\\x80\n", done.stdout)
        self.assertIn("\n 本番　é\n", done.stdout)
        self.assertIn("\n x\\xe2\\x80\\xaegnp.exe\\xe2\\x81\\xa6\n", done.stdout)
        self.assertIn("\n \\xc2\\x85\\xe2\\x80\\xa8\n", done.stdout)

    def test_json_is_the_reply_and_a_newline(self) -> None:
        raw = json.dumps([*GET, filter_element("x\u202e", 0)], indent=3, ensure_ascii=False).encode()
        with self.tcpeek(raw) as server:
            done = self.run_it("--json")
        self.assertEqual((done.returncode, done.stdout), (0, raw.decode() + "\n"))
        self.assertEqual(server.request, b"GET\r\n")


class OlderTest(TcpeekstatTest):
    """A tcpeek that answers every word as GET: the original, and versions before STATS."""

    def rows(self, *options: str) -> list[list[str]]:
        idle = {"idle": {"success": {"total": 0, "dupsyn": 0, "dupsynack": 0},
                         "failure": {"total": 0, "timeout": 0, "reject": 0}}}
        with self.tcpeek([filter_element("RX", 10), filter_element("TX", 1234560), idle, PCAP]):
            done = self.run_it(*options)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("does not know STATS", done.stdout.splitlines()[0])
        return [line.split() for line in done.stdout.splitlines()]

    def test_fewer_columns_and_says_so(self) -> None:
        rows = self.rows()
        self.assertEqual(rows[1][:3], ["FIGURES", "ARE", "UNCERTAIN:"])
        titles = rows[3]
        self.assertEqual(titles, ["FILTER", "SUCCESS", "FAILURE", "OK%", "REJECTED", "TIMEOUT", "UNREACH", "DUP-SYN",
                                  "DUP-S/A"])
        self.assertEqual(rows[4], ["TX", "1.2M", "1.2M", "49.9", "1.2M", "1.2M", "1.2M", "1.2M", "1.2M"])
        self.assertEqual(rows[5], ["RX", "10", "13", "43.4", "15", "14", "16", "11", "12"])
        self.assertIn("1 filter without an attempt", " ".join(rows[6]))

    def test_all_and_chosen_ones(self) -> None:
        self.assertEqual([row[0] for row in self.rows("--all")[4:]], ["TX", "RX", "idle"])
        self.assertEqual([row[0] for row in self.rows("--filter", "idle", "--filter=RX")[4:]], ["RX", "idle"])

    def test_a_filter_that_is_not_there(self) -> None:
        with self.tcpeek(GET):
            self.assert_fails(self.run_it("-f", "web\x1b"), "no filter web\\x1b", "RX and TX")

    def test_what_only_newer_ones_tell(self) -> None:
        for word in (["explain"], ["top", "5"], ["history"], ["watch"], ["prometheus"]):
            with self.subTest(word), self.tcpeek(GET):
                self.assert_fails(self.run_it(*word), "does not know", "older", "update tcpeek")


class UsageTest(TcpeekstatTest):
    def test_version_is_that_of_the_project(self) -> None:
        project = re.search(r"project\(tcpeek VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())
        assert project is not None
        for option in ("-v", "--version"):
            done = self.run_it(option)
            self.assertEqual((done.returncode, done.stdout), (0, f"tcpeekstat {project[1]}\n"))

    def test_help_names_every_option(self) -> None:
        for option in ("-h", "--help"):
            done = self.run_it(option)
            self.assertEqual(done.returncode, 0)
            for known in ("-g", "--gmetric", "-j", "--json", "-U", "--socket", "-v", "--version",
                          "--any-owner", "-h", "--help", "/var/run/tcpeek/tcpeek.sock"):
                self.assertIn(known, " ".join(done.stdout.split()))

    def test_wrong_usage_is_refused_with_status_2(self) -> None:
        for arguments in (["-x"], ["--gmet"], ["word"], ["-U"], ["-U", ""], ["-g", "-j"], ["-g", "--blocks"],
                          ["-j", "--blocks"], ["--color", "pink"], ["top", "0"], ["top", "101"], ["top", "--json"],
                          ["top", "5", "--once"], ["history", "--since", "25:00"], ["rates", "0"], ["rates", "x"],
                          ["watch", "-r", "lucky"], ["watch", "--failures", "--changes"], ["ask"], ["completion", "sh"],
                          ["rates", "-f", "a", "-f", "b"], ["-f"], ["prometheus", "extra"]):
            with self.subTest(arguments):
                done = self.run_it(*arguments)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertRegex(done.stderr, r"\Atcpeekstat: .*(; see tcpeekstat.* --help|\?)\n\Z")
        self.assertEqual(self.calls(), [])

    def test_mistakes_are_told_in_plain_words(self) -> None:
        for arguments, told in (
                (["exlpain", "--json"], "'exlpain' is not a word of tcpeekstat: did you mean explain?"),
                (["zzz"], "'zzz' is not a word of tcpeekstat: the words are summary, top, "),
                (["--colour=x"], "'--colour' is not an option of tcpeekstat: did you mean --color?"),
                (["top", "--onse"], "'--onse' is not an option of tcpeekstat top: did you mean --once?"),
                (["-x"], "'-x' is not an option of tcpeekstat; see tcpeekstat --help"),
                (["top", "--by"], "--by needs a value; "), (["-f"], "-f/--filter needs a value; "),
                (["top", "--by", "a\x1b[2J"], r"--by: 'a\\x1b[2J' is not service, initiator, pair or network; "),
                (["rates", "1", "b\x1b"], r"unexpected argument 'b\\x1b'; "),
                (["--all=3"], "-a/--all takes no value, but '3' was given; "),
                (["ask"], "an argument is missing: words; "),
                (["history", "--since", "2999-01-01"], "-s/--since: '2999-01-01' is in the future; "),
                (["completion", "sh"], "shell: 'sh' is not bash, zsh or fish; ")):
            with self.subTest(arguments):
                done = self.run_it(*arguments)
                self.assertEqual(done.stderr.count("\n"), 1)
                self.assertTrue(done.stderr.startswith(f"tcpeekstat: {told}"), done.stderr)


class NoReplyTest(TcpeekstatTest):
    def test_no_socket(self) -> None:
        self.assert_fails(self.run_it(), f"no tcpeek listens on {self.socket}",
                          "No such file", "start tcpeek", "-U")

    def test_a_socket_left_behind(self) -> None:
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(self.socket))
        self.assert_fails(self.run_it(), f"no tcpeek listens on {self.socket}", "refused")

    def test_a_file_that_is_no_socket(self) -> None:
        self.socket.write_text("")
        for path in (str(self.socket), str(self.folder)):
            self.assert_fails(self.run_it("-U", path), f"{path} is not a socket: name tcpeek's socket with -U PATH")

    def test_a_path_too_long_for_a_socket(self) -> None:
        self.socket = self.folder / ("x" * 200)
        self.assert_fails(self.run_it(), "too long", "-U")

    @unittest.skipIf(os.geteuid() == 0, "nothing is forbidden to root")
    def test_a_socket_of_someone_else(self) -> None:
        with self.tcpeek(GET):
            self.socket.chmod(0)
            self.assert_fails(self.run_it(), "Permission denied", "as root")

    def test_closed_without_a_reply(self) -> None:
        with self.tcpeek(b""):
            self.assert_fails(self.run_it(), "without a reply")

    def test_a_reply_that_never_ends(self) -> None:
        with self.tcpeek(json.dumps(GET).encode(), hold=True):
            start = time.monotonic()
            self.assert_fails(self.run_it(), "within 5 s")
        self.assertLess(time.monotonic() - start, DEADLINE_S)

    def test_nobody_accepts(self) -> None:
        # The backlog of 0 holds one connection; the next connect() would block.
        with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
            busy.bind(str(self.socket))
            busy.listen(0)
            first.connect(str(self.socket))
            self.assert_fails(self.run_it(), "within 5 s")

    def test_a_reply_too_long(self) -> None:
        with self.tcpeek(b"[" + b" " * (17 << 20)):
            self.assert_fails(self.run_it(), "longer than 16 MiB")


@unittest.skipUnless(os.geteuid() == 0, "only root is told whose socket it is")
class OwnerTest(TcpeekstatTest):
    """Root reads sockets of root and tcpeek; of others only if it says so."""

    def setUp(self) -> None:
        super().setUp()
        self.nobody = pwd.getpwnam("nobody").pw_uid
        self.folder.chmod(0o755)

    def assert_refused(self, what: str) -> None:
        for options in ((), ("-j",)):
            self.assert_fails(self.run_it(*options), f"did not read {self.socket}: {what}",
                              "belongs to user nobody", "run tcpeekstat as that user", "--any-owner")

    def assert_read_if_asked_to(self) -> None:
        done = self.run_it("--any-owner", "--blocks")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, SUMMARY, ""))

    def test_a_socket_of_root(self) -> None:
        with self.tcpeek(GET):
            self.assertEqual(self.run_it("--blocks").stdout, SUMMARY)

    def test_a_socket_of_another_user(self) -> None:
        with self.tcpeek(GET) as server:
            os.chown(self.socket, self.nobody, 0)
            self.assert_refused("it belongs")
            self.assertEqual(server.request, b"")
            self.assert_read_if_asked_to()

    def test_a_directory_of_another_user(self) -> None:
        with self.tcpeek(GET) as server:
            os.chown(self.folder, self.nobody, 0)
            self.assert_refused(f"its directory {self.folder} belongs")
            self.assertEqual(server.request, b"")
            self.assert_read_if_asked_to()

    def test_a_link_of_another_users_directory(self) -> None:
        theirs = self.folder / "theirs"
        theirs.mkdir()
        os.chown(theirs, self.nobody, 0)
        with self.tcpeek(GET):
            real, self.socket = self.socket, theirs / "tcpeek.sock"
            self.socket.symlink_to(real)
            self.assert_refused(f"its directory {theirs} belongs")
            self.socket = real
            self.assert_read_if_asked_to()

    def test_a_listener_that_is_another_user(self) -> None:
        with self.tcpeek(GET, listener=self.nobody):
            done = self.run_it()
        self.assert_fails(done, "the process that listens there belongs to user nobody", "--any-owner")
        with self.tcpeek(GET, listener=self.nobody):
            self.assert_read_if_asked_to()

    def test_nothing_is_sent_to_ganglia(self) -> None:
        self.install_gmetric()
        with self.tcpeek(GET) as server:
            os.chown(self.socket, self.nobody, 0)
            self.assert_fails(self.run_it("-g"), "did not read")
            self.assertEqual(server.request, b"")
        self.assertEqual(self.calls(), [])

    def test_other_users_read_what_they_may(self) -> None:
        with self.tcpeek(GET, listener=self.nobody):
            os.chown(self.socket, self.nobody, 0)
            self.socket.chmod(0o666)
            done = subprocess.run(
                ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "/usr/bin/python3", "-",
                 "-U", str(self.socket), "--blocks"], input=TCPEEKSTAT.read_text(), text=True,
                capture_output=True, timeout=DEADLINE_S, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, SUMMARY), done.stderr)


class DamagedReplyTest(TcpeekstatTest):
    def test_each_damage_is_told(self) -> None:
        good = json.dumps(GET)
        damaged: list[bytes] = [
            good[:-1].encode(), good.encode() + b"x", b"hello\n", b"\xff\xfe", b"{}", b"[]", b"[1]",
            b"null", b"[{}]", b'[{"RX":1}]', b'[{"RX":{"success":{}}}]', b"[" * 100_000,
            b"9" * 5000, json.dumps([PCAP]).encode(), b'[{"pcap":{"stats":[]}}]',
            json.dumps([GET[0] | GET[1]]).encode(),
            good.replace('"dupsyn": 11', '"dupsyn": -11').encode(),
            good.replace('"dupsyn": 11', '"dupsyn": 11.0').encode(),
            good.replace('"dupsyn": 11', '"dupsyn": true').encode(),
            good.replace('"dupsyn": 11', '"dupsyn": NaN').encode(),
            good.replace('"dupsyn": 11', '"dupsyn": "11"').encode(),
            good.replace('"dupsyn": 11, ', '').encode(),
            good.replace('"unreach": 16', '"unreach": null').encode(),
            good.replace(', "ifdrop": 2', '').encode(),
        ]
        for reply in damaged:
            for option in ((), ("-j",)):
                with self.subTest(reply[:80], option=option), self.tcpeek(reply):
                    self.assertNotEqual(reply, good.encode())
                    self.assert_fails(self.run_it(*option), "damaged")


class GmetricTest(TcpeekstatTest):
    def setUp(self) -> None:
        super().setUp()
        self.install_gmetric()

    @staticmethod
    def expected(name: str, base: int) -> list[list[str]]:
        return [[f"--name=tcpeek_{name}_{item}", f"--value={value}", "--type=uint32"]
                for item, value in (("failure_reject", base + 5), ("failure_timeout", base + 4),
                                    ("success_dupsyn", base + 1), ("success_dupsynack", base + 2))]

    def test_one_call_per_filter_and_item(self) -> None:
        with self.tcpeek([filter_element("RX", 10, True), filter_element("TX", 20, True)]) as server:
            done = self.run_it("-g")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertEqual(server.request, b"REFRESH\r\n")
        self.assertEqual(self.calls(), self.expected("RX", 10) + self.expected("TX", 20))

    def test_names_are_no_shell_and_no_paths(self) -> None:
        marker = self.folder / "marker"
        name = f"a b/../$(touch {marker});`x`\n'\"é"
        with self.tcpeek([filter_element(name, 0, True)]):
            done = self.run_it("--gmetric")
        self.assertEqual(done.returncode, 0, done.stderr)
        safe = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
        self.assertEqual(self.calls(), self.expected(safe, 0))
        self.assertFalse(marker.exists())

    def test_filters_that_would_share_a_name(self) -> None:
        with self.tcpeek([filter_element("a b", 10, True), filter_element("a/b", 20, True),
                          filter_element("c", 30, True)]):
            self.assert_fails(self.run_it("-g"), "filter a/b not sent", "a b", "rename")
        self.assertEqual(self.calls(), self.expected("a_b", 10) + self.expected("c", 30))

    def test_counts_beyond_32_bits_stop_at_the_largest(self) -> None:
        reply = filter_element("RX", 0, True)
        reply["RX"]["failure"]["reject"] = 2**32 - 1
        reply["RX"]["failure"]["timeout"] = 2**32
        reply["RX"]["success"]["dupsyn"] = 2**64 - 1
        with self.tcpeek([reply]):
            self.assertEqual(self.run_it("-g").returncode, 0)
        self.assertEqual([call[1] for call in self.calls()],
                         ["--value=4294967295"] * 3 + ["--value=2"])

    def test_a_failing_gmetric_does_not_keep_the_others_from_running(self) -> None:
        self.environment["GMETRIC_FAILS_ON"] = "RX_failure_timeout"
        with self.tcpeek([filter_element("RX", 10, True), filter_element("TX", 20, True)]):
            self.assert_fails(self.run_it("-g"),
                              "tcpeek_RX_failure_timeout not sent: exit status 3")
        self.assertEqual(len(self.calls()), 8)

    def test_many_failures_make_one_short_line(self) -> None:
        self.environment["GMETRIC_FAILS_ON"] = "tcpeek"
        with self.tcpeek([filter_element("RX", 10, True), filter_element("TX", 20, True)]):
            self.assert_fails(self.run_it("-g"), "; and 3 more")

    def test_a_gmetric_that_hangs_is_given_up(self) -> None:
        self.environment["GMETRIC_HANGS_ON"] = "RX_failure_reject"
        with self.tcpeek([filter_element("RX", 10, True)]):
            self.assert_fails(self.run_it("-g"), "tcpeek_RX_failure_reject not sent: still running after")
        self.assertEqual(len(self.calls()), 4)

    def test_a_gmetric_that_cannot_be_started(self) -> None:
        (self.folder / "bin" / "gmetric").write_text("#!/no/such/interpreter\n")
        with self.tcpeek([filter_element("RX", 10, True)]):
            self.assert_fails(self.run_it("-g"), "cannot start", "No such file")

    def test_without_gmetric_nothing_is_asked(self) -> None:
        (self.folder / "bin" / "gmetric").unlink()
        with self.tcpeek([filter_element("RX", 10, True)]) as server:
            self.assert_fails(self.run_it("-g"), "gmetric is not in PATH", "ganglia")
        self.assertEqual(server.request, b"")

    def test_a_damaged_reply_sends_nothing(self) -> None:
        with self.tcpeek(b"[{]"):
            self.assert_fails(self.run_it("-g"), "damaged")
        self.assertEqual(self.calls(), [])


class EndTest(TcpeekstatTest):
    def test_a_reader_that_leaves_is_no_error_to_talk_about(self) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        try:
            with self.tcpeek(GET):
                done = subprocess.run(self.command("-U", str(self.socket)), stdout=writer,
                                      stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False)
        finally:
            os.close(writer)
        self.assertEqual((done.returncode, done.stderr), (1, b""))

    def test_output_that_cannot_be_written(self) -> None:
        with self.tcpeek(GET), open("/dev/full", "wb") as full:
            done = subprocess.run(self.command("-U", str(self.socket)), stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=DEADLINE_S, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "tcpeekstat: cannot write to standard output: "
                                      "No space left on device\n")

    def test_an_interrupt_ends_it_quietly(self) -> None:
        with self.tcpeek(GET, hold=True) as server:
            process = subprocess.Popen(self.command("-U", str(self.socket)), stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
            end = time.monotonic() + DEADLINE_S
            while not server.request and time.monotonic() < end:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=DEADLINE_S)
        self.assertEqual((process.returncode, out, err), (130, b"", b""))


if __name__ == "__main__":
    unittest.main()
