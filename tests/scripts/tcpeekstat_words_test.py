"""The words of scripts/tcpeekstat as processes, against a stand-in that answers as tcpeek does."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

import replies
from replies import encoded, everything
from tcpeekstat_module import load
from tcpeekstat_test import DEADLINE_S, GET, TcpeekstatTest

ESCAPES = "\x1b]0;x\x07"


def answers(**changed: Any) -> dict[str, bytes]:
    """Of everything(), with some replies changed."""
    return {"GET": encoded(GET), **{word: encoded(value) for word, value in {**everything(), **changed}.items()}}


class WordsTest(TcpeekstatTest):
    def told(self, *arguments: str, server: dict[str, bytes] | None = None) -> list[str]:
        with self.answering(server or answers()):
            done = self.run_it(*arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    def answering(self, server: dict[str, bytes]) -> Any:
        return self.tcpeek(server)


class SummaryTest(WordsTest):
    def test_failing_first_and_what_fails_in_words(self) -> None:
        lines = self.told()
        self.assertEqual(lines[0], "tcpeek 2.0.0 on eth0, up 2 h 0 min, 100k packets")
        self.assertEqual(lines[1], "nothing lost by the capture")
        table = [line.split() for line in lines[3:8]]
        self.assertEqual(
            table[0],
            [
                "FILTER",
                "STATE",
                "SINCE",
                "ATTEMPTS",
                "WAITING",
                "OK%",
                "REFUSED",
                "NO-ANS",
                "NO-ACK",
                "UNREACH",
                "RESET",
                "ABORTED",
                "RE-SYN%",
                "P50",
                "P99",
            ],
        )
        self.assertEqual(
            [row[:2] for row in table[1:]], [["db", "failing"], ["TX", "degraded"], ["RX", "ok"], ["web", "ok"]]
        )
        self.assertEqual(
            table[1][3:], ["7042", "2", "(1", "retry)", "99.4", "40", "0", "0", "0", "0", "0", "0", "400us", "12ms"]
        )
        self.assertIn("1 filter without an attempt since the start not shown: --all", lines)
        self.assertRegex(
            lines[-2],
            r"^db has been failing since \S+ \(10 min\): 40 refused of 7042 attempts; last success \S+; "
            r"before that ok \(2 of 8000 failed\)$",
        )

    def test_aligned(self) -> None:
        lines = self.told("--all")[3:9]
        self.assertEqual(len({len(line) for line in lines}), 1, lines)
        self.assertEqual(lines[-1].split()[0], "quiet")

    def test_chosen_filters(self) -> None:
        lines = self.told("--filter", "web", "-f", "quiet")
        self.assertEqual([line.split()[0] for line in lines[4:6]], ["web", "quiet"])
        self.assertEqual(json.loads("\n".join(self.told("-f", "RX", "--json"))), [GET[0]])

    def test_losses_are_loud(self) -> None:
        changed = answers(STATS=replies.stats([], replies.counts(), dropped=1000, seen=50_000))
        self.assertRegex(
            self.told(server=changed)[1], r"^FIGURES ARE UNCERTAIN: 1000 of 50000 packets \(2.0%\) lost;.*-B"
        )

    def test_doubts_are_told(self) -> None:
        totals = replies.counts(success=5, no_answer=3, evicted=1)
        totals["failure"]["timed_out"]["uncertain"] = 2
        lines = self.told(server=answers(STATS=replies.stats([], totals)))
        self.assertRegex(lines[2], r"^1 attempt given up for want of room .*--max-sessions$")
        self.assertRegex(lines[3], r"^2 timeouts uncertain: packets were lost")

    def test_names_from_outside_are_escaped(self) -> None:
        named = replies.filter_stats(ESCAPES, "x", "failing", replies.NOW - 5, refused=4)
        text = "\n".join(self.told(server=answers(STATS=replies.stats([named], replies.counts(refused=4)))))
        self.assertNotIn("\x1b", text)
        self.assertIn("\\x1b]0;x\\x07 has been failing", text)

    def test_colours_only_if_asked_for_or_on_a_terminal(self) -> None:
        self.assertNotIn("\x1b", "".join(self.told("--color=auto")))
        self.assertIn("\x1b[31;1m", "".join(self.told("--color=always")))

    def test_ascii(self) -> None:
        for arguments in (["--ascii"], ["top", "--once", "--ascii"]):
            self.assertTrue("".join(self.told(*arguments)).isascii())
        self.environment["LC_ALL"] = "C"
        self.assertTrue("".join(self.told("top", "--once")).isascii())

    def test_schema_1_has_fewer_causes(self) -> None:
        old = replies.filter_stats("RX", "RX:RX@%:%", "ok", replies.NOW - 10, success=5, refused=2, no_answer=1)
        del (
            old["state"],
            old["retrying"],
            old["legs_seconds"],
            old["failure"]["causes"],
            old["failure"]["timed_out"]["superseded"],
        )
        row = self.told(server=answers(STATS=replies.stats([old], old)))[4].split()
        self.assertEqual(row[:6], ["RX", "-", "8", "0", "62.5", "2"])


class DamageTest(WordsTest):
    """One line each, with the path and what to do."""

    def test_of_each_newer_reply(self) -> None:
        for word, line in (
            ("STATS", ""),
            ("TOP", "top 5"),
            ("HISTORY", "history"),
            ("EXPLAIN", "explain"),
            ("STATS", "rates -n 1"),
            ("STATS", "prometheus"),
            ("TOP", "top --once"),
        ):
            good = everything()[word]
            for damage in ("5", "{", "{}", json.dumps({**good, "rows": 5, "columns": [], "summary": 1, "totals": []})):
                with self.subTest(word=word, damage=damage[:20]), self.answering({**answers(), word: damage.encode()}):
                    self.assert_fails(self.run_it(*line.split()), "damaged", str(self.socket), "check -U")

    def test_a_refusal_is_told(self) -> None:
        with self.answering(answers(HISTORY={"error": f"no {ESCAPES}"})):
            self.assert_fails(self.run_it("history"), "refused HISTORY", "no \\x1b]0;x\\x07")


class TablesTest(WordsTest):
    def test_services(self) -> None:
        with self.answering(answers()) as server:
            done = self.run_it("top", "7")
        self.assertEqual(server.request, b"TOP 7 by=service\r\n")
        rows = [line.split() for line in done.stdout.splitlines()]
        self.assertEqual([row[0] for row in rows[1:4]], ["192.0.2.9:5432", "[2001:db8::8]:443", "198.51.100.1:80"])
        self.assertEqual(rows[1][1:4], ["tx", "400", "400"])
        self.assertIn("any other has at most 2", done.stdout)

    def test_peers(self) -> None:
        for by, name in (("initiator", "192.0.2.1"), ("pair", "192.0.2.1"), ("network", "192.0.2.0/24")):
            row = replies.peer(by, name, 500, 400, "192.0.2.9" if by == "pair" else "", error=1)
            table = answers(TOP=replies.top(by, [row]))
            lines = self.told("top", "--by", by, server={**table, f"TOP 10 by={by}": table["TOP"]})
            self.assertEqual(lines[1].split()[0], name)
            self.assertIn("~400", lines[1].split())
            self.assertIn("80.0", lines[1].split())
            self.assertIn("400 refused", lines[1])

    def test_json_is_the_reply(self) -> None:
        self.assertEqual(json.loads(self.told("top", "3", "--json")[0]), everything()["TOP"])
        self.assertEqual(json.loads(self.told("explain", "--json")[0]), everything()["EXPLAIN"])

    def test_ask_sends_what_it_is_given(self) -> None:
        with self.answering(answers()) as server:
            done = self.run_it("ask", "TOP", "3", "by=pair")
        self.assertEqual((done.returncode, json.loads(done.stdout)["by"]), (0, "service"))
        self.assertEqual(server.request, b"TOP 3 by=pair\r\n")

    def test_ask_says_what_is_no_word_and_what_is_refused(self) -> None:
        for word, told in (("stats", ": did you mean STATS?"), ("zzz\x1b", "; words that tcpeek does not know ")):
            with self.answering(answers()):
                done = self.run_it("ask", word)
            self.assertEqual((done.returncode, done.stdout[:1]), (0, "["))
            self.assertRegex(done.stderr, rf"\Atcpeekstat: '{word[:3]}[^\n\x1b]*' is not a word of tcpeek 2{re.escape(told)}")
        with self.tcpeek(b'{"error":"TOP: no"}\n'):
            done = self.run_it("ask", "TOP", "x")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (1, '{"error":"TOP: no"}\n', ""))

    def test_ask_does_not_wait_for_what_has_no_end(self) -> None:
        for words in (("WATCH",), ("WATCH", "result=failure"), ("WATCH json",)):
            done = self.run_it("ask", *words)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertRegex(done.stderr, r"\Atcpeekstat: [^\n]+tcpeekstat watch --json\n\Z")

    def test_explain(self) -> None:
        lines = self.told(
            "explain",
            server=answers(
                EXPLAIN=replies.explanation(
                    [replies.finding(f"refuses {ESCAPES}", [("192.0.2.9", 5432)])], ["packets were lost"]
                )
            ),
        )
        self.assertEqual(lines[:2], ["1 things are wrong.", "! packets were lost"])
        self.assertEqual(lines[3], "1. refuses \\x1b]0;x\\x07")
        for title, text in (
            ("since", " ago"),
            ("why", "8 of 8 attempts"),
            ("but", "a firewall"),
            ("next", "nc -vz 192.0.2.9"),
        ):
            self.assertTrue(any(line.split()[:1] == [title] and text in line for line in lines), title)
        self.assertEqual(lines[-1], "1 more finding not shown")


def recent(now: float) -> dict[str, bytes]:
    return {"GET": encoded(GET), **{word: encoded(value) for word, value in everything(now).items()}}


class HistoryTest(WordsTest):
    def test_minutes_and_the_rest(self) -> None:
        lines = self.told("history", server=recent(time.time()))
        self.assertEqual(lines[0].split()[:3], ["UNTIL", "ATTEMPTS", "WAITING"])
        self.assertGreaterEqual(len(lines), 58)
        self.assertIn("240", lines[-3].split())

    def test_since_and_by_second(self) -> None:
        with self.answering(recent(time.time())) as server:
            done = self.run_it("history", "--since", "2m", "--by", "second", "--filter", "db")
        self.assertRegex(server.request, rb"^HISTORY 1[78]\d\r\n$")
        self.assertIn(len(done.stdout.splitlines()), range(115, 123))

    def test_quiet_times_are_one_line(self) -> None:
        now = time.time()
        rows = [replies.history_row(now - 600 + n, success=int(n < 5 or n > 590)) for n in range(600)]
        quiet = answers(HISTORY=replies.history({None: (rows, [])}, now))
        lines = self.told("history", "--by", "second", server=quiet)
        self.assertLess(len(lines), 25)
        self.assertTrue(any(re.search(r"0 \(58\d x\)$", line) for line in lines), lines)
        self.assertEqual(len(self.told("history", "--by", "second", "--all", server=quiet)), 601)

    def test_what_is_not_kept(self) -> None:
        with self.answering(answers()):
            self.assert_fails(self.run_it("history", "-f", "quiet"), "no history of quiet", "only of db and web")
            self.assert_fails(self.run_it("history", "--since", "1s"), "no history since")

    def test_times(self) -> None:
        moment = load().parse_moment
        now = time.time()
        self.assertAlmostEqual(moment("2h"), now - 7200, delta=5)
        self.assertLessEqual(moment("23:59:59"), now)
        self.assertGreater(moment("23:59:59"), now - 86_401)
        self.assertEqual(time.strftime("%F %R", time.localtime(moment("2026-11-27 02:00"))), "2026-11-27 02:00")
        for wrong in ("", "25:00", "yesterday", "-5", "5x", "2026-13-01"):
            with self.subTest(wrong), self.assertRaises(argparse.ArgumentTypeError):
                moment(wrong)


class RatesTest(WordsTest):
    def rows(self, first: Any, second: Any, *options: str) -> list[list[str]]:
        """What is told when the reply changes before the first line is due."""
        with self.answering(answers(STATS=first)) as server:
            server.then_says(STATS=encoded(second))
            process = subprocess.Popen(
                self.command("-U", str(self.socket), "rates", "-n", "1", *options),
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self.environment,
            )
            out, err = process.communicate(timeout=DEADLINE_S)
        self.assertEqual((process.returncode, err), (0, ""))
        return [line.split() for line in out.splitlines()]

    def test_differences_per_second(self) -> None:
        rows = self.rows(
            replies.stats([], replies.counts(success=10), now=replies.NOW),
            replies.stats(
                [],
                replies.counts(success=30, refused=4, no_answer=1, retrying=1, pending=2),
                now=replies.NOW + 2,
                seen=100_100,
            ),
            "2",
        )
        self.assertEqual(rows[0][:5], ["TIME", "ATT/s", "OK/s", "REJ/s", "NOANS/s"])
        figures = dict(zip(rows[0], rows[1]))
        self.assertEqual(
            [figures[name] for name in ("ATT/s", "OK/s", "REJ/s", "NOANS/s", "WAIT", "RETRY", "PKT/s", "LOST/s")],
            ["14", "10", "2.0", "0.5", "2", "1", "50", "0"],
        )

    def test_a_restart_is_noticed(self) -> None:
        rows = self.rows(
            replies.stats([], replies.counts(success=1000)),
            replies.stats([], replies.counts(success=3), now=replies.NOW + 1, started=replies.NOW),
        )
        self.assertEqual(rows[0][:4], ["tcpeek", "was", "restarted:", "counts"])
        self.assertEqual(rows[2][2], "3.0")

    def test_of_an_older_tcpeek(self) -> None:
        with self.tcpeek(GET):
            done = self.run_it("rates", "-n", "1", "-f", "RX")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(len(done.stdout.splitlines()), 2)


class WatchTest(WordsTest):
    def test_changes_of_services(self) -> None:
        stream = replies.at(0) + replies.change(1, "tx 192.0.2.2:80", "failing", of="service")
        self.assertRegex(
            self.told("watch", "-n", "1", server={**answers(), "WATCH": stream})[0],
            r" tx 192\.0\.2\.2:80 is failing: 4 of 4 failed; ok for 2 h 0 min before$",
        )

    def test_outcomes_changes_and_gaps(self) -> None:
        stream = (
            replies.at(0)
            + replies.outcome(1, "success", tries=3)
            + replies.outcome(2, "reject", "refused", rst={"sender": "suspect", "hop_limit": 64})
            + replies.change(3, f"db{ESCAPES}", "failing")
            + replies.outcome(
                4, "unreach", "unreachable", icmp={"type": 3, "code": 1, "reason": "host", "router": "192.0.2.254"}
            )
            + b'{"gap":{"from":5,"to":9}}\n'
            + encoded(
                {
                    "event": "gap",
                    "boot": "b1",
                    "seq": 10,
                    "time": replies.moment(replies.NOW),
                    "reason": "capture",
                    "count": 7,
                }
            )
            + b"\n"
        )
        lines = self.told("watch", "-n", "6", server={**answers(), "WATCH": stream})
        self.assertRegex(lines[0], r"192\.0\.2\.1:40000 -> \[2001:db8::9\]:5432 +success +400us, 3 SYNs  \[TX\]$")
        self.assertRegex(lines[1], r"refused +400us, RST perhaps of a device on the way  \[TX\]$")
        self.assertRegex(lines[2], r"db\\x1b]0;x\\x07 is failing: 4 of 4 failed; ok for 2 h 0 min before$")
        self.assertIn("unreachable", lines[3])
        self.assertIn("host says 192.0.2.254", lines[3])
        self.assertIn("events 5 to 9 are not known", lines[4])
        self.assertIn("7 packets were lost", lines[5])

    def test_what_is_asked_for(self) -> None:
        stream = replies.at(0) + replies.outcome(1, "reject", "refused", filters=["db"])
        for options, wanted in (
            ("", b""),
            ("--failures", b" result=failure,change"),
            ("--changes", b" result=change"),
            ("-f db", b" filter=db"),
            ("-r reset,no_ack -f db", b" result=reset,no_ack filter=db"),
            ("-f 'front end'", b' filter="front end"'),
        ):
            with self.subTest(options), self.answering({**answers(), "WATCH": stream}) as server:
                self.assertEqual(self.run_it("watch", "-n", "1", *shlex.split(options)).returncode, 0)
                self.assertEqual(server.request, b"WATCH json" + wanted + b"\r\n")

    def test_of_several_filters_only_those(self) -> None:
        stream = b"".join(
            replies.outcome(n, "success", filters=[name]) for n, name in enumerate(("RX", "web", "db", "TX"), 1)
        )
        lines = self.told("watch", "-n", "2", "--json", "-f", "web", "-f", "TX", server={**answers(), "WATCH": stream})
        self.assertEqual([json.loads(line)["filters"] for line in lines], [["web"], ["TX"]])

    def test_goes_on_where_it_was(self) -> None:
        first = replies.at(6) + replies.outcome(7, "success")
        with self.answering({**answers(), "WATCH": first, "WATCH json from=8": replies.outcome(8, "success")}):
            done = self.run_it("watch", "-n", "2", "--json")
        self.assertEqual([json.loads(line)["seq"] for line in done.stdout.splitlines()], [7, 8])
        self.assertEqual(done.stderr, "")

    def test_a_tcpeek_started_anew_is_read_from_its_beginning(self) -> None:
        """The numbers begin anew, so those of the old one lead nowhere."""
        anew = (
            replies.at(0, "b2")
            + replies.outcome(1, "success", boot="b2")
            + replies.outcome(2, "reject", "refused", boot="b2")
        )
        with self.answering(
            {
                **answers(),
                "WATCH": replies.outcome(700, "success"),
                "WATCH json from=701": replies.at(2, "b2"),
                "WATCH json from=1": anew,
            }
        ):
            done = self.run_it("watch", "-n", "3", "--json")
        self.assertEqual(
            [(line["boot"], line["seq"]) for line in map(json.loads, done.stdout.splitlines())],
            [("b1", 700), ("b2", 1), ("b2", 2)],
        )
        self.assertEqual(done.stderr, "tcpeekstat: tcpeek was restarted\n")

    def test_a_tcpeek_that_goes_away_is_waited_for(self) -> None:
        with self.answering({**answers(), "WATCH": replies.outcome(1, "success")}):
            process = subprocess.Popen(
                self.command("-U", str(self.socket), "watch", "-n", "2", "--json"),
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self.environment,
            )
            assert process.stdout is not None and process.stderr is not None
            self.assertEqual(json.loads(process.stdout.readline())["seq"], 1)
        self.assertIn("no tcpeek listens on", process.stderr.readline())
        with self.answering({**answers(), "WATCH": replies.outcome(2, "success")}):
            out, err = process.communicate(timeout=DEADLINE_S)
        self.assertEqual((json.loads(out)["seq"], err, process.returncode), (2, "", 0))

    def test_refused_and_damaged(self) -> None:
        for stream, said in (
            (encoded({"error": "WATCH: no filter x"}), "refused WATCH: no filter x"),
            (b"nonsense\n", "damaged"),
            (b"{}\n", "damaged"),
            (b"x" * 200_000, "damaged"),
        ):
            with self.subTest(stream[:20]), self.answering({**answers(), "WATCH": stream}):
                self.assert_fails(self.run_it("watch"), said)


class PrometheusTest(WordsTest):
    def test_what_is_exported(self) -> None:
        text = "\n".join(self.told("prometheus"))
        for line in (
            'tcpeek_handshakes_total{filter="db"} 7042',
            'tcpeek_handshake_failures_total{filter="db",reason="refused"} 40',
            'tcpeek_handshake_failures_total{filter="quiet",reason="unreachable"} 0',
            'tcpeek_handshake_failure_causes_total{filter="TX",cause="no_ack"} 0',
            'tcpeek_handshake_retransmits_total{filter="web",segment="syn"} 20',
            'tcpeek_handshakes_retrying{filter="db"} 1',
            'tcpeek_build_info{version="2.0.0"} 1',
            'tcpeek_handshake_duration_percentile_seconds{filter="web",percentile="99"} 0.0123',
            'tcpeek_capture_packets_total{interface="eth0"} 100000',
            'tcpeek_capture_dropped_packets_total{interface="eth0"} 0',
        ):
            self.assertIn(f"\n{line}", "\n" + text)

    def test_each_family_once_with_help_and_type(self) -> None:
        families = [line.split()[2] for line in self.told("prometheus") if line.startswith("# TYPE")]
        self.assertEqual(len(families), len(set(families)))
        for line in self.told("prometheus"):
            if not line.startswith("#"):
                self.assertRegex(line, r'^[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+$')
                self.assertIn(re.split(r"[{ ]", line)[0], families)

    @unittest.skipIf(shutil.which("promtool") is None, "promtool is not installed")
    def test_prometheus_finds_nothing_to_say(self) -> None:
        text = "\n".join(self.told("prometheus")) + "\n"
        done = subprocess.run(
            ["promtool", "check", "metrics"],
            input=text,
            text=True,
            capture_output=True,
            timeout=DEADLINE_S,
            check=False,
        )
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_names_are_escaped(self) -> None:
        name = 'a"b\\c\nd\ud800'
        stats = replies.stats([replies.filter_stats(name, "x", "ok", 1.0, success=1)], replies.counts(success=1))
        self.assertIn(
            'tcpeek_handshakes_total{filter="a\\"b\\\\c\\nd\\\\ud800"} 1',
            self.told("prometheus", server=answers(STATS=stats)),
        )

    def test_a_file_is_replaced_at_once(self) -> None:
        target = self.folder / "textfiles" / "tcpeek.prom"
        target.parent.mkdir()
        target.write_text("old")
        with target.open() as open_before:
            self.assertEqual(self.told("prometheus", "--output", str(target)), [])
            self.assertEqual(open_before.read(), "old")
        self.assertIn("tcpeek_handshakes_total", target.read_text())
        self.assertEqual(target.stat().st_mode & 0o777, 0o644)
        self.assertEqual([path.name for path in target.parent.iterdir()], ["tcpeek.prom"])

    def test_a_file_that_cannot_be_written(self) -> None:
        with self.answering(answers()):
            self.assert_fails(
                self.run_it("prometheus", "-o", str(self.folder / "none" / "x.prom")), "cannot write", "none/x.prom"
            )
            (self.folder / "x.prom").mkdir()
            self.assert_fails(self.run_it("prometheus", "-o", str(self.folder / "x.prom")), "cannot write")
        self.assertEqual([path.name for path in self.folder.iterdir() if path.name.startswith(".")], [])

    def test_an_older_tcpeek_leaves_the_file_alone(self) -> None:
        target = self.folder / "tcpeek.prom"
        target.write_text("old")
        with self.tcpeek(GET):
            self.assert_fails(self.run_it("prometheus", "-o", str(target)), "does not know STATS")
        self.assertEqual(target.read_text(), "old")


class CheckTest(WordsTest):
    def check(self, server: dict[str, bytes], *options: str) -> tuple[int, str, dict[str, str]]:
        """Status, text and perfdata."""
        with self.answering(server):
            done = self.run_it("check", *options)
        self.assertEqual(done.stderr, "")
        (line,) = done.stdout.splitlines()
        match = re.fullmatch(r"TCPEEK (OK|WARNING|CRITICAL|UNKNOWN) - ([^|]+)( \| (.*))?", line)
        assert match is not None, line
        self.assertEqual(("OK", "WARNING", "CRITICAL", "UNKNOWN")[done.returncode], match[1])
        figures = re.findall(r"'((?:[^']|'')+)'=(\S+)", match[4] or "")
        return done.returncode, match[2], dict(figures)

    def of(self, now: float = replies.NOW, dropped: int = 0, **figures: int) -> dict[str, bytes]:
        """Of the last five minutes, one second's worth."""
        rows = [replies.history_row(now - 10, **figures)]
        return answers(
            STATS=replies.stats([replies.filter_stats("web", "w", "ok", 1.0)], replies.counts(), now, dropped=dropped),
            HISTORY=replies.history({None: (rows, []), "web": ([], [])}, now),
        )

    def test_ratios(self) -> None:
        for figures, status in (
            (dict(success=99, refused=1), 0),
            (dict(success=85, refused=15), 1),
            (dict(refused=50, success=50), 2),
        ):
            with self.subTest(figures):
                self.assertEqual(self.check(self.of(**figures), "-w", "10", "-c", "30")[0], status)
        self.assertEqual(self.check(self.of(success=100, dup_syn=15), "-w", "retry=10")[0], 1)
        self.assertEqual(self.check(self.of(success=100, dropped=1000), "-c", "loss=0.1")[0], 2)
        self.assertEqual(
            self.check(self.of(success=100, dropped=1000), "-w", "failure=1,retry=1", "-w", "loss=5")[0], 0
        )

    def test_text_and_perfdata(self) -> None:
        status, text, figures = self.check(self.of(success=75, refused=20, no_answer=5), "-w", "10", "-c", "@30:100")
        self.assertEqual(text, "25.0% failed (25 of 100: 20 refused, 5 unanswered), 0% SYNs repeated in 5 min")
        self.assertEqual(status, 1)
        self.assertEqual(figures["failure"], "25.000%;10;@30:100;0")
        self.assertEqual(figures["attempts"], "100;;;0")
        self.assertEqual(figures["p99"], "0.012300s;;;0")

    def test_ranges(self) -> None:
        parse = load().parse_range
        for text, alerting, fine in (
            ("10", (-0.1, 10.1), (0, 5, 10)),
            ("10:", (9.9, -5), (10, 1e9)),
            ("~:10", (10.5,), (-1e9, 10)),
            ("10:20", (9, 21), (10, 20)),
            ("@10:20", (10, 15, 20), (9, 21)),
            ("0", (0.1,), (0,)),
        ):
            for value in alerting:
                self.assertTrue(parse(text).alerts(value), (text, value))
            for value in fine:
                self.assertFalse(parse(text).alerts(value), (text, value))
        for wrong in ("", ":", "@", "20:10", "ten", "1:2:3", "~"):
            with self.subTest(wrong), self.assertRaises(argparse.ArgumentTypeError):
                parse(wrong)

    def test_too_few_to_judge(self) -> None:
        status, text, _ = self.check(self.of(refused=9), "-c", "1")
        self.assertEqual(status, 0)
        self.assertIn("too few to judge", text)
        self.assertEqual(self.check(self.of(refused=9), "-c", "1", "--min-attempts", "9")[0], 2)

    def test_no_traffic(self) -> None:
        for word, status in (("ok", 0), ("warning", 1), ("critical", 2), ("unknown", 3)):
            self.assertEqual(self.check(self.of(), "-c", "1", "--no-traffic", word)[0], status)
        self.assertIn("no attempt ended in 5 min", self.check(self.of())[1])

    def test_the_worst_of_several_filters_comes_first(self) -> None:
        rows: dict[str | None, Any] = {
            None: ([], []),
            "web": ([replies.history_row(replies.NOW - 1, success=50)], []),
            "d'b": ([replies.history_row(replies.NOW - 1, refused=50)], []),
        }
        filters = [replies.filter_stats(name, "x", "ok", 1.0) for name in ("web", "d'b")]
        server = answers(STATS=replies.stats(filters, replies.counts()), HISTORY=replies.history(rows))
        status, text, figures = self.check(server, "-c", "5", "-f", "web", "-f", "d'b")
        self.assertEqual(status, 2)
        self.assertRegex(text, r"^d'b: 100% failed .*; web: 0% failed")
        self.assertEqual(figures["web::failure"], "0.000%;;5;0")
        self.assertEqual(figures["d''b::failure"], "100.000%;;5;0")

    def test_since_the_last_check(self) -> None:
        state = self.folder / "state"
        options = ("-c", "30", "--state", str(state), "-f", "db")

        def server(now: float, started: float, **figures: int) -> dict[str, bytes]:
            return answers(
                STATS=replies.stats(
                    [replies.filter_stats("db", "x", "ok", 1.0, **figures)], replies.counts(**figures), now, started
                )
            )

        begin = replies.NOW - 7200
        self.assertEqual(self.check(server(replies.NOW, begin, success=1000), *options)[0], 0)
        self.assertEqual(state.stat().st_mode & 0o777, 0o600)
        status, text, figures = self.check(server(replies.NOW + 60, begin, success=1010, refused=90), *options)
        self.assertEqual((status, figures["attempts"]), (2, "100;;;0"))
        self.assertIn("90.0% failed (90 of 100: 90 refused), 0% SYNs repeated in 1 min", text)
        status, text, figures = self.check(server(replies.NOW + 120, replies.NOW + 90, success=20), *options)
        self.assertEqual((status, figures["attempts"]), (0, "20;;;0"))
        self.assertIn("since the start 30 s ago; tcpeek was restarted meanwhile", text)

    def test_a_state_that_is_none(self) -> None:
        state = self.folder / "state"
        for content in ("", "[]", "{}", "x", "[" * 100_000):
            state.write_text(content)
            status, text, _ = self.check(answers(), "--state", str(state))
            self.assertEqual(status, 3)
            self.assertIn("not what a check has left", text)
            self.assertEqual(state.read_text(), content)

    def test_a_young_tcpeek_is_told(self) -> None:
        rows = [replies.history_row(replies.NOW - 1, success=50)]
        server = answers(
            STATS=replies.stats([], replies.counts(), started=replies.NOW - 42),
            HISTORY=replies.history({None: (rows, [])}),
        )
        self.assertIn("since the start 42 s ago", self.check(server)[1])

    def test_nobody_there_is_unknown_and_told_on_standard_output(self) -> None:
        done = self.run_it("check")
        self.assertEqual((done.returncode, done.stderr), (3, ""))
        self.assertRegex(done.stdout, r"^TCPEEK UNKNOWN - no tcpeek listens on ")
        with self.tcpeek(GET):
            self.assertEqual(self.run_it("check").returncode, 3)

    def test_wrong_usage_is_unknown(self) -> None:
        for options in (["-w", "x"], ["-c", "luck=3"], ["--minutes", "0"], ["extra"], ["-m", "5", "--state", "x"]):
            self.assertEqual(self.run_it("check", *options).returncode, 3)


class SocketsTest(unittest.TestCase):
    """Those of several instances."""

    def setUp(self) -> None:
        self.tool = load()

    def test_finds_each_once(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            run, var = Path(folder, "run"), Path(folder, "var[1]")
            run.mkdir()
            var.symlink_to(run)
            for name in ("eth0.sock", "eth1.sock", "eth0.sock.lock"):
                (run / name).touch()
            self.assertEqual(
                self.tool.find_sockets([str(run), str(var), "/nonexistent"]), [f"{run}/eth0.sock", f"{run}/eth1.sock"]
            )
            self.assertEqual(self.tool.find_sockets([str(var)]), [f"{var}/eth0.sock", f"{var}/eth1.sock"])
            self.assertEqual(self.tool.named_socket("eth1", str(run)), f"{run}/eth1.sock")
            self.assertEqual(self.tool.named_socket("eth9", str(run)), f"{run}/eth9.sock")  # where it would be
            self.assertEqual(self.tool.named_socket("my.sock", str(run)), "my.sock")
            self.assertFalse(self.tool.somebody_listens(str(run / "eth0.sock")))

    def test_one_is_chosen_or_named(self) -> None:
        place = self.tool.Place
        with self.assertRaisesRegex(self.tool.Failure, "2 tcpeek run here: .*-U.*/a/b.sock or /a/c.sock"):
            self.tool.one_place([place("/a/b.sock"), place("/a/c.sock")])
        usual = place(self.tool.DEFAULT_SOCKET)
        self.assertEqual(self.tool.one_place([place("/a/b.sock"), usual]), usual)


class TextTest(unittest.TestCase):
    def setUp(self) -> None:
        self.tool = load()

    def test_percent_is_100_or_0_only_if_it_is(self) -> None:
        for part, whole, told in (
            (0, 0, "-"),
            (0, 5, "0"),
            (5, 5, "100"),
            (99_999, 100_000, "99.9"),
            (1, 100_000, "<0.1"),
            (1, 3, "33.3"),
        ):
            self.assertEqual(self.tool.percent(part, whole), told)

    def test_counts_and_times_stay_short(self) -> None:
        for number in (0, 99_999, 100_000, 123_456_789, 2**63):
            self.assertLessEqual(len(self.tool.compact(number)), 6)
        for seconds, told in (
            (0.000027, "27us"),
            (0.0123, "12ms"),
            (0.0012, "1.2ms"),
            (0.9996, "1.00s"),
            (3.1, "3.10s"),
            (127.0, "127s"),
            (None, "-"),
        ):
            self.assertEqual(self.tool.told_seconds(seconds), told)
        for seconds, told in ((5, "5 s"), (61, "1 min"), (7260, "2 h 1 min"), (90_000, "1 d 1 h")):
            self.assertEqual(self.tool.told_span(seconds), told)

    def test_wide_characters_count_twice(self) -> None:
        look = self.tool.Look()
        self.assertEqual(self.tool.cells("本番e\u0301"), 5)
        self.assertEqual(self.tool.clipped("本番環境", 5, look), "本番…")
        self.assertEqual(self.tool.clipped_within("192.168.100.200:8080", 15, look), "192.168.…0:8080")

    def test_a_table_fits(self) -> None:
        column, span = self.tool.Column, self.tool.Span
        columns = (column("NAME", left=True, flexible=True, least=8), column("A", 5), column("B", 1), column("NONE"))
        rows = [[span("a-very-long-name-indeed"), span("12345"), span("12345"), span("")]]
        for width in range(8, 60):
            lines = [self.tool.plain(line) for line in self.tool.table(columns, rows, self.tool.Look(width=width))]
            self.assertTrue(all(len(line) <= width for line in lines), (width, lines))
            self.assertNotIn("NONE", lines[0])
        self.assertNotIn(
            "B", [self.tool.plain(line) for line in self.tool.table(columns, rows, self.tool.Look(width=18))][0]
        )

    def test_filter_expressions_for_tcpdump(self) -> None:
        for expression, told in (
            ("web:RX@%:80:443", "tcp and (port 80 or port 443)"),
            ("TX:TX@*:*", "tcp"),
            (
                "db:TX@10.1.0.0/16:5432,[2001:db8::5]:5432",
                "tcp and (net 10.1.0.0/16 and port 5432 or net 2001:db8::5/128 and port 5432)",
            ),
            ("apps:RX@[2001:db8::/32]:8000-8099", "tcp and net 2001:db8::/32 and portrange 8000-8099"),
            ("lan:TX@192.168.0.0/24:%", "tcp and net 192.168.0.0/24"),
            ("nonsense", None),
            ("x:RX@$(reboot):80", None),
        ):
            with self.subTest(expression):
                self.assertEqual(self.tool.capture_expression(expression), told)


if __name__ == "__main__":
    unittest.main()
