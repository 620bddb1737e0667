"""`tcpeekstat top`: its screens as pure functions of replies, its keys, and the program in a terminal."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path
from typing import Any

import live  # noqa: F401
import replies
from replies import encoded, everything
from tcpeekstat_module import TCPEEKSTAT, load
from tcpeekstat_test import GET, TcpeekstatTest
from terminal import Terminal

SIZES = [(40, 10), (80, 24), (100, 30), (132, 50), (220, 70)]


class ScreenTest(TcpeekstatTest):
    """Models out of replies that a stand-in gives."""

    def setUp(self) -> None:
        super().setUp()
        self.tool = load()

    def model(self, polls: int = 1, **changed: Any) -> Any:
        gatherer = self.tool.Gatherer(self.tool.Place(str(self.socket), True))
        with self.tcpeek(self.answers(**changed)):
            for _ in range(polls):
                model = gatherer.poll(())
        return model

    @staticmethod
    def answers(**changed: Any) -> dict[str, bytes]:
        return {"GET": encoded(GET), **{word: encoded(value) for word, value in {**everything(), **changed}.items()}}

    def screen(self, model: Any, columns: int = 80, rows: int | None = 24, utf8: bool = True, **view: Any) -> list[str]:
        look = self.tool.Look(utf8=utf8, width=columns)
        lines = self.tool.render(model, self.tool.View(**view), rows, look)
        return [self.tool.plain(line) for line in lines]


class MainPageTest(ScreenTest):
    def test_fits_every_size(self) -> None:
        model = self.model()
        for columns, rows in SIZES:
            for page in ("main", "explain", "help"):
                with self.subTest(columns=columns, rows=rows, page=page):
                    lines = self.screen(model, columns, rows, page=page)
                    self.assertEqual(len(lines), rows)
                    self.assertLessEqual(max(map(self.tool.cells, lines)), columns)

    def test_first_lines(self) -> None:
        lines = self.screen(self.model())
        self.assertRegex(lines[0], r"^\S+ tcpeek 2\.0\.0 eth0 up 2 h 0 min \| capture: none lost$")
        self.assertRegex(lines[1], r"^ALL 4\.\d/s, 55\.\d% ok, waiting 3 \(1 RETRYING\), 2\.0/s refused")
        self.assertRegex(lines[2], r"^FAILING 2\.0/s since \S+ \(10 min\): db, TX, 192\.0\.2\.9:5432, \[2001:db8::")

    def test_filters_then_services_failing_first_with_reasons(self) -> None:
        text = self.screen(self.model())
        names = [
            line.split()[1] if line.split()[0] in "!~" else line.split()[0]
            for line in text
            if re.match(r"[!~ ] \S", line)
        ]
        self.assertEqual(names[:7], ["db", "TX", "RX", "web", "192.0.2.9:5432", "[2001:db8::8]:443", "198.51.100.1:80"])
        self.assertNotIn("quiet", names)
        at = next(n for n, line in enumerate(text) if line.startswith("! db"))
        self.assertRegex(
            " ".join(text[at + 1 : at + 3]),
            r"^    192\.0\.2\.9:5432 is up and refuses: nobody listens there: at the far end,\s+since\s+\S+ \(10 min\), "
            r"1204 of 2\d+ refused, last success",
        )
        at = next(n for n, line in enumerate(text) if line.startswith("! 192.0.2.9:5432 "))
        self.assertRegex(text[at + 1], r"^    the same: at the far end, since \S+ \(5 min\), 400 of 400 refused")
        at = next(n for n, line in enumerate(text) if line.startswith("! [2001"))
        self.assertRegex(text[at + 1], r"^    4 of 10 unanswered, since \S+ \(3 min\), never worked here$")

    def test_columns(self) -> None:
        text = self.screen(self.model())
        title = next(line for line in text if line.startswith("FILTERS 10m"))
        for column in ("ATT/s", "OK%", "REFUS", "NOANS", "UNRCH", "RESET", "RESYN", "P50", "P99", "10 MIN"):
            self.assertIn(column, title)
        row = next(line for line in text if line.startswith("! db")).split()
        self.assertEqual(row[2:5], ["4.5", "55.3", "1204"])
        self.assertEqual(row[-3:-1], ["400us", "12ms"])

    def test_the_sparkline_is_filled_on_opening(self) -> None:
        row = next(line for line in self.screen(self.model(), 140) if line.startswith("! db"))
        self.assertRegex(row, "▁{14}[^▁]?█{15,16}$")
        ascii_row = next(line for line in self.screen(self.model(), 140, utf8=False) if line.startswith("! db"))
        self.assertRegex(ascii_row, r"\.{14}[^.]?#{15,16}$")

    def test_windows(self) -> None:
        model = self.model()
        rates = {
            window: next(line for line in self.screen(model, window=window) if line.startswith("! db")).split()[2]
            for window in ("10s", "1m", "10m")
        }
        self.assertEqual(rates, {"10s": "4.0", "1m": "4.0", "10m": "4.5"})

    def test_services_are_of_a_window_once_it_was_watched(self) -> None:
        gatherer = self.tool.Gatherer(self.tool.Place(str(self.socket), True))
        with self.tcpeek(self.answers()) as server:
            gatherer.poll()
            later = everything()
            later["STATS"]["time"] = replies.moment(replies.NOW + 10)
            later["TOP"]["rows"][0]["failure"].update(total=60, refused=60)
            later["TOP"]["rows"][0]["attempts"] += 20
            server.now_says(STATS=encoded(later["STATS"]), TOP=encoded(later["TOP"]))
            model = gatherer.poll()
        row = next(line for line in self.screen(model, window="10s") if line.startswith("! 192.0.2.9")).split()
        self.assertEqual(row[2:5], ["2.0", "0", "20"])
        self.assertTrue(any(line.startswith("SERVICES 10s") for line in self.screen(model, window="10s")))
        self.assertTrue(any(line.startswith("SERVICES so far") for line in self.screen(model, window="1m")))

    def test_losses_are_loud_and_uncertain(self) -> None:
        filters = everything()["STATS"]["filters"]
        lossy = replies.stats(filters, replies.counts(success=5), dropped=5000)
        lines = self.screen(self.model(STATS=lossy))
        self.assertRegex(lines[1], r"^!! CAPTURE LOSES PACKETS: 5\.0% \(5000\): FIGURES ARE UNCERTAIN")
        self.assertIn("5000 lost since start", lines[0])

    def test_losses_of_long_ago_are_not(self) -> None:
        gatherer = self.tool.Gatherer(self.tool.Place(str(self.socket), True))
        with self.tcpeek(self.answers(STATS=replies.stats([], replies.counts(), dropped=50))) as server:
            gatherer.poll()
            server.now_says(
                STATS=encoded(
                    replies.stats([], replies.counts(), now=replies.NOW + 30, dropped=50, started=replies.NOW - 7200)
                )
            )
            model = gatherer.poll()
        self.assertNotIn("LOSES", "".join(self.screen(model, window="10s")))
        self.assertIn("LOSES", "".join(self.screen(model, window="1m")))
        self.assertIn("50 lost since start", self.screen(model)[0])

    def test_latency_with_and_without_a_histogram(self) -> None:
        marks = "p50 400us  p90 900us  p99 12ms  p99.9 500ms  max 3.10s"
        self.assertIn(f"LATENCY since start  {marks}", self.screen(self.model()))
        buckets = "".join(
            f'tcpeek_handshake_duration_seconds_bucket{{filter="{name}",le="{bound}"}} {count}\n'
            for name in ("RX", "TX")
            for bound, count in (("0.0001", 0), ("0.001", 8), ("0.01", 10), ("+Inf", 10))
        )
        gatherer = self.tool.Gatherer(self.tool.Place(str(self.socket), True))
        with self.tcpeek({**self.answers(), "METRICS": f"# TYPE x y\n{buckets}# EOF\n".encode()}):
            model = gatherer.poll()
        self.assertTrue(
            any(f"LATENCY since start  1.0ms █▃ 10ms  {marks}" in line for line in self.screen(model, 120)),
            self.screen(model, 120),
        )

    def test_events_and_what_waits(self) -> None:
        gatherer = self.tool.Gatherer(self.tool.Place(str(self.socket), True))
        events = [
            self.tool.Node(json.loads(line))
            for line in (
                replies.outcome(1, "reject", "refused"),
                replies.change(2, "db", "failing"),
                replies.change(3, "tx 192.0.2.2:80", "ok", of="service"),
            )
        ]
        with self.tcpeek(self.answers()):
            model = gatherer.poll(events)
        lines = self.screen(model, 120, 50)
        at = lines.index("LAST EVENTS")
        self.assertIn("still waiting: db  1 of 2 repeat a SYN or SYN/ACK, 5 min", lines[at + 1])
        self.assertIn("refused", lines[at + 2])
        self.assertIn("db is failing: 4 of 4 failed", lines[at + 3])
        self.assertIn("tx 192.0.2.2:80 is ok", lines[at + 4])

    def test_words_for_what_never_worked(self) -> None:
        for was, to, words in (
            ("unknown", "never_succeeded", "db has never worked here: 4 of 4 failed; unknown for 2 h 0 min before"),
            ("never_succeeded", "ok", "db is ok: 4 of 4 failed; never ok for 2 h 0 min before"),
        ):
            node = self.tool.Node(json.loads(replies.change(1, "db", to, was=was)))
            self.assertIn(words, self.tool.plain(self.tool.told_change(node, replies.NOW)))

    def test_trouble_shows_before_anything_has_failed(self) -> None:
        """With the default timeout a minute passes until what is repeated is a failure."""
        row = {**replies.service("192.0.2.9", 5432, "tx", (5, 0), success=2), "pending": 3, "retrying": 3}
        explained = replies.finding("it answers nobody.", [("192.0.2.9", 5432)])
        model = self.model(
            STATS=replies.stats([], replies.counts(success=2, pending=3, retrying=3)),
            TOP=replies.top("service", [replies.service("192.0.2.8", 80, "tx", (9, 0), success=9), row]),
            EXPLAIN=replies.explanation([explained]),
        )
        lines = self.screen(model)
        self.assertIn("TROUBLE, not failing yet: 192.0.2.9:5432", lines)
        at = next(n for n, line in enumerate(lines) if line.startswith("? 192.0.2.9:5432 "))
        self.assertRegex(
            " ".join(lines[at + 1 : at + 3]),
            r"^    it answers nobody: at the far end, 3 attempts repeated, without an outcome\s+yet, last success",
        )
        self.assertTrue(lines[at + 3].startswith("  192.0.2.8:80 "), "what is well comes last")

    def test_says_what_those_that_wait_have_sent(self) -> None:
        row = replies.service("192.0.2.9", 5432, "tx", (5, 0), success=2)
        for repeats, told in (
            ((1, 2, 0), "1 of 1: no answer yet, 3 SYNs"),
            ((1, 254, 0), "1 of 1: no answer yet, 255 SYNs"),
            ((4, 4, 0), "4 of 4: no answer yet, 2 SYNs each"),
            ((5, 7, 0), "5 of 5: no answer yet, about 2.4 SYNs each"),
            ((2, 4, 0), "2 of 2: no answer yet, about 3 SYNs each"),  # or 2 and 4
            ((200, 201, 0), "200 of 200: no answer yet, about 2 SYNs each"),
            ((1, 0, 1), "1 of 1: no ACK yet, 2 SYN/ACKs"),
            ((3, 0, 4), "3 of 3: no ACK yet, about 2.3 SYN/ACKs each"),
            ((1, 1, 2), "1 of 1: 1 SYN and 2 SYN/ACKs repeated"),
            ((9, 200_000, 1), "9 of 9: 200k SYNs and 1 SYN/ACK repeated"),
            ((2, 0, 0), "2 of 2 repeat a SYN or SYN/ACK"),  # by no tcpeek
        ):
            with self.subTest(repeats=repeats):
                service = replies.repeating(row, *repeats)
                model = self.model(
                    STATS=replies.stats([], replies.counts(success=2)), TOP=replies.top("service", [service])
                )
                (waiting,) = (self.tool.plain(line) for line in self.tool.waiting_lines(model))
                self.assertEqual(waiting, f"still waiting: 192.0.2.9:5432  {told}")

    def test_filters_wait_where_services_are_not_told(self) -> None:
        waits = replies.repeating(replies.filter_stats("db", "db:TX@%:5432", "ok", None, success=2), 2, 6, 0)
        model = self.model(
            STATS=replies.stats([waits], replies.counts(success=2)),
            TOP=replies.top("service", [replies.service("192.0.2.9", 5432, "tx", (5, 0), success=2)]),
        )
        (waiting,) = (self.tool.plain(line) for line in self.tool.waiting_lines(model))
        self.assertIn("still waiting: db  2 of 2: no answer yet, about 4 SYNs each", waiting)

    def test_trouble_tells_what_was_sent(self) -> None:
        row = replies.repeating(replies.service("192.0.2.9", 5432, "tx", (5, 0), success=2), 3, 3, 0)
        explained = replies.finding("it answers nobody.", [("192.0.2.9", 5432)])
        model = self.model(
            STATS=replies.stats([], replies.repeating(replies.counts(success=2), 3, 3, 0)),
            TOP=replies.top("service", [row]),
            EXPLAIN=replies.explanation([explained]),
        )
        self.assertIn("3 attempts repeated, no answer yet, 2 SYNs each,", " ".join(self.screen(model, 120)))

    def test_what_initiators_do_is_no_trouble(self) -> None:
        model = self.model(
            STATS=replies.stats([], replies.counts(success=2)),
            TOP=replies.top("service", [replies.service("192.0.2.9", 5432, "tx", (5, 0), success=2)]),
            EXPLAIN=replies.explanation([replies.finding("it is probed.", [("192.0.2.9", 5432)], "initiator")]),
        )
        self.assertIn("OK  nothing is failing", self.screen(model))

    def test_an_older_tcpeek(self) -> None:
        gatherer = self.tool.Gatherer(self.tool.Place(str(self.socket), True))
        with self.tcpeek(GET):
            gatherer.poll()
            model = gatherer.poll()
        lines = self.screen(model)
        self.assertIn("An older tcpeek", "".join(lines))
        self.assertTrue(any(line.split()[:1] == ["TX"] for line in lines), lines)

    def test_a_restart_begins_anew(self) -> None:
        gatherer = self.tool.Gatherer(self.tool.Place(str(self.socket), True))
        with self.tcpeek(self.answers()) as server:
            gatherer.poll()
            server.now_says(
                STATS=encoded(replies.stats([], replies.counts(), now=replies.NOW + 9, started=replies.NOW + 5))
            )
            model = gatherer.poll()
        self.assertEqual((len(model.capture), model.watched_for), (1, 0))

    def test_names_from_outside_cannot_drive_the_terminal(self) -> None:
        name = "\x1b]0;x\x07\u202e"
        filters = [replies.filter_stats(name, f"{name}:RX@%:80", "failing", replies.NOW - 60, refused=9, success=1)]
        model = self.model(
            STATS=replies.stats(filters, replies.counts(refused=9)),
            EXPLAIN=replies.explanation(
                [replies.finding(f"it {name} refuses", [("198.51.100.1", 80)], direction="rx")]
            ),
        )
        for page in ("main", "drill", "explain"):
            text = "".join(self.screen(model, 200, 60, page=page, picked=f"filter {name}"))
            self.assertNotRegex(text, "[\x00-\x1f\x7f\u202e]")
            self.assertIn("\\x1b]0;x\\x07", text)

    def test_many_rows_are_cut_around_the_one_that_is_picked(self) -> None:
        filters = [replies.filter_stats(f"f{n:03}", "", "ok", 1.0, success=1000 - n) for n in range(200)]
        model = self.model(
            STATS=replies.stats(filters, replies.counts(success=9)), HISTORY=replies.history({None: ([], [])})
        )
        lines = self.screen(model)
        self.assertTrue(any(re.match(r"FILTERS 10m \d+/200 ", line) for line in lines), lines)
        self.assertTrue(any("f000" in line for line in lines))
        self.assertFalse(any("f150" in line for line in lines))
        lines = self.screen(model, picked="filter f150")
        self.assertTrue(any("f150" in line for line in lines))
        self.assertTrue(any("192.0.2.9:5432" in line for line in lines), "services keep their half")


class OtherPagesTest(ScreenTest):
    def drill(self, picked: str) -> str:
        gatherer = self.tool.Gatherer(self.tool.Place(str(self.socket), True))
        gatherer.wants_pairs = True
        with self.tcpeek(self.answers()):
            model = gatherer.poll()
        return "\n".join(self.screen(model, 100, 50, page="drill", picked=picked))

    def test_into_a_service(self) -> None:
        text = self.drill("service 192.0.2.9:5432")
        for wanted in (
            "is up and refuses",
            "- 8 of 8 attempts were answered",
            "- but a firewall",
            "7040 attempts, 7000 succeeded",
            "SYN to SYN/ACK",
            "WHO FAILS AT THIS ADDRESS",
            "192.0.2.1",
            "nc -vz 192.0.2.9 5432",
            "tcpdump -ni any 'tcp port 5432 and host 192.0.2.9'",
        ):
            self.assertIn(wanted, text)
        self.assertNotIn("192.0.2.8", text)
        self.assertIn("ss -ltn 'sport = :80'", self.drill("service 198.51.100.1:80"))

    def test_into_a_filter(self) -> None:
        text = self.drill("filter db")
        for wanted in (
            "db:TX@192.0.2.0/24:5432",
            "handshake        p50 400us",
            "ITS SERVICES",
            "! 192.0.2.9:5432",
            "192.0.2.1 192.0.2.9      500    400",
            "tcpdump -ni any 'tcp and net 192.0.2.0/24 and port 5432'",
        ):
            self.assertIn(wanted, text)
        self.assertNotIn("192.0.2.8", text, "it fails at none of the filter's services")
        self.assertIn("ss -ltn 'sport = :80 or sport = :443'", self.drill("filter web"))

    def test_services_are_filled_from_history(self) -> None:
        told = everything()["HISTORY"]
        told["series"].append({**told["series"][-1], "kind": "service", "name": "tx 192.0.2.9:5432"})
        rows = next(each["rows"] for each in told["seconds"] if each["name"] == "db")
        for interval in ("seconds", "minutes"):
            told[interval].append({"kind": "service", "name": "tx 192.0.2.9:5432", "rows": rows})
        row = next(line for line in self.screen(self.model(HISTORY=told), 140) if line.startswith("! 192.0.2.9"))
        self.assertEqual(row.split()[2:4], ["tx", "4.5"])
        self.assertRegex(row, "█{15,16}$")

    def test_failures_that_repeat_are_one_event(self) -> None:
        lines = [replies.outcome(n, "reject", "refused") for n in range(1, 5)]
        lines.insert(2, replies.change(9, "db", "failing"))
        found = self.tool.folded([self.tool.Node(json.loads(line)) for line in lines])
        told = [self.tool.plain(self.tool.told_fold(nodes, replies.NOW)) for nodes in found]
        self.assertIn("db is failing", told[0])
        self.assertRegex(told[1], r"refused 400us, 4 times in 1 s  \[TX\]$")

    def test_what_is_gone(self) -> None:
        self.assertIn("no longer among", self.drill("filter gone"))

    def test_explain_without_the_word(self) -> None:
        lines = self.screen(self.model(EXPLAIN=GET), 100, page="explain")
        self.assertIn("does not explain", lines[0])
        self.assertTrue(any(re.match(r"db: 1204 of 2\d+ refused, last success", line) for line in lines))

    def test_help_fits_80_columns(self) -> None:
        self.assertLessEqual(max(map(len, self.tool.HELP.splitlines())), 79)
        self.assertLessEqual(len(self.tool.HELP.splitlines()), 23)


class KeysTest(ScreenTest):
    def press(self, *keys: str) -> Any:
        view = self.tool.View()
        rows = self.tool.rows_of(self.model(), view)
        for key in keys:
            view.press(key, rows)
        return view

    def test_choices_go_round(self) -> None:
        self.assertEqual([self.press(*"s" * n).sort for n in range(5)], ["failing", "rate", "p99", "name", "failing"])
        self.assertEqual([self.press(*"w" * n).window for n in range(4)], ["10m", "10s", "1m", "10m"])
        self.assertEqual([self.press(*"p" * n).paused for n in range(3)], [False, True, False])

    def test_picking(self) -> None:
        self.assertEqual(self.press("down").picked, "filter db")
        self.assertEqual(self.press("j", "j", "k").picked, "filter db")
        self.assertEqual(self.press("j", "page down").picked, "service 198.51.100.1:80")
        self.assertEqual(self.press("j", "page down", "up").picked, "service [2001:db8::8]:443")
        self.assertEqual((self.press("enter").page, self.press("enter").picked), ("drill", "filter db"))
        self.assertEqual(self.press("enter", "q").page, "main")
        self.assertFalse(self.press("enter", "q").ended)

    def test_typing_a_name(self) -> None:
        self.assertEqual(self.press("/", *"weqp", "backspace", "enter").text, "weq")
        self.assertEqual(self.press("/", *"web", "esc").text, "")
        self.assertEqual(self.press("/", *"web", "enter", "esc").text, "")
        self.assertEqual(len(self.press("/", *"x" * 500).text), 60)

    def test_pages_and_the_end(self) -> None:
        self.assertEqual(self.press("e").page, "explain")
        self.assertEqual(self.press("e", "e").page, "main")
        self.assertEqual(self.press("?", "down", "down").scroll, 2)
        self.assertEqual(self.press("?", "esc").page, "main")
        self.assertTrue(self.press("q").ended)
        self.assertTrue(self.press("/", "ctrl-c").ended)
        self.assertEqual(self.press("", "x", "ä").page, "main")


class TerminalTest(ScreenTest):
    """The program on a pseudo-terminal of its own."""

    def top(self, *options: str, columns: int = 80, rows: int = 24, **environment: str) -> Terminal:
        command = [
            sys.executable,
            "-W",
            "error",
            str(TCPEEKSTAT),
            "-U",
            str(self.socket),
            "--any-owner",
            "top",
            *options,
        ]
        return Terminal(command, columns, rows, environment)

    def live_answers(self) -> dict[str, bytes]:
        return {"GET": encoded(GET), **{word: encoded(value) for word, value in everything(time.time()).items()}}

    def test_frame_by_frame(self) -> None:
        with self.tcpeek(self.live_answers()), self.top() as terminal:
            terminal.wait_for("198.51.100.1:80")
            terminal.wait_for(lambda: "q quit  ? help" in terminal.lines()[23])
            self.assertIn("tcpeek 2.0.0 eth0", terminal.lines()[0])
            terminal.type("?")
            terminal.wait_for("How attempts to connect fare")
            terminal.type("q\x1b[B\x1b[B\r")
            self.assertIn("degraded", terminal.wait_for("filter TX"))
            terminal.type("q/web\r")
            terminal.wait_for(lambda: "/ names (web)" in terminal.text() and "! db" not in terminal.text())
            terminal.type("\x1b")
            terminal.wait_for("! db")
            terminal.type("wp")
            self.assertIn("PAUSED", terminal.wait_for("p GO ON").splitlines()[0])
            self.assertIn("FILTERS 10s", terminal.text())
            terminal.resize(132, 40)
            terminal.wait_for(lambda: "DIR" in terminal.text() and "q quit" in terminal.lines()[39])
            terminal.resize(40, 8)
            terminal.wait_for(lambda: "q quit" in terminal.lines()[7])
            terminal.type("q")
            self.assertEqual(terminal.wait_end(), 0)

    def test_colours(self) -> None:
        for no_colour, coloured in (("", True), ("1", False)):
            with self.subTest(no_colour), self.tcpeek(self.live_answers()), self.top(NO_COLOR=no_colour) as terminal:
                terminal.wait_for("198.51.100.1:80")
                self.assertEqual("red" in terminal.colours(), coloured, terminal.colours())

    def test_ascii_locale(self) -> None:
        with self.tcpeek(self.live_answers()), self.top(LANG="C", LC_ALL="C") as terminal:
            terminal.wait_for("198.51.100.1:80")
            self.assertTrue(terminal.text().isascii())

    def test_the_terminal_is_given_back(self) -> None:
        for ends in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(ends), self.tcpeek(self.live_answers()), self.top() as terminal:
                terminal.wait_for("198.51.100.1:80")
                terminal.end(ends)
                self.assertEqual(terminal.wait_end(), 130)
                self.assertIn(b"\x1b[?25h", bytes(terminal.raw).split(b"198.51.100.1")[-1])  # the cursor is back
                self.assertNotIn(b"Traceback", bytes(terminal.raw))

    def test_a_tcpeek_that_goes_away_and_comes_back(self) -> None:
        with self.top() as terminal:
            self.assertIn("no tcpeek listens", terminal.wait_for("no tcpeek listens"))
            self.assertEqual(terminal.wait_end(), 1)
        server = self.tcpeek(self.live_answers())
        server.__enter__()
        with self.top(columns=120) as terminal:
            terminal.wait_for("198.51.100.1:80")
            server.__exit__(None, None, None)
            self.assertIn("! db", terminal.wait_for("!! no tcpeek listens"))
            with self.tcpeek(self.live_answers()):
                terminal.wait_for(lambda: "!! no tcpeek" not in terminal.text())
                terminal.type("q")
                self.assertEqual(terminal.wait_end(), 0)

    def test_a_terminal_that_curses_does_not_know(self) -> None:
        with self.tcpeek(self.live_answers()), self.top(TERM="nonsense") as terminal:
            self.assertIn("TERM=nonsense", terminal.wait_for("--once"))
            self.assertEqual(terminal.wait_end(), 1)

    def test_without_a_terminal(self) -> None:
        with self.tcpeek(self.live_answers()):
            self.assert_fails(self.run_it("top"), "needs a terminal", "--once")

    def test_once(self) -> None:
        with self.tcpeek(self.live_answers()):
            done = self.run_it("top", "--once")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertNotIn("\x1b", done.stdout)
        self.assertNotIn("q quit", done.stdout)
        self.assertIn("192.0.2.9:5432 is up and refuses: nobody listens there: at the far end, since", done.stdout)
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 120)
        self.environment["COLUMNS"] = "60"
        with self.tcpeek(self.live_answers()):
            self.assertLessEqual(max(map(len, self.run_it("top", "--once").stdout.splitlines())), 60)

    @unittest.skipIf(shutil.which("tmux") is None, "tmux is not installed")
    def test_in_tmux(self) -> None:
        tmux = ["tmux", "-L", f"tcpeekstat-{os.getpid()}", "-f", "/dev/null"]
        command = f"{sys.executable} -W error {TCPEEKSTAT} -U {self.socket} --any-owner top"
        with self.tcpeek(self.live_answers()):
            subprocess.run(
                [*tmux, "new-session", "-d", "-x", "100", "-y", "30", command],
                check=True,
                env={**os.environ, "LANG": "C.UTF-8"},
            )
            try:
                self.assertIn("! db", self.pane(tmux, "198.51.100.1:80"))
                subprocess.run([*tmux, "send-keys", "e"], check=True)
                self.assertIn("next  nc -vz", self.pane(tmux, "1. 192.0.2.9:5432 is up"))
            finally:
                subprocess.run([*tmux, "kill-server"], check=False)

    def pane(self, tmux: list[str], wanted: str) -> str:
        end = time.monotonic() + 30
        while True:
            text = subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=False).stdout
            if wanted in text:
                return text
            self.assertLess(time.monotonic(), end, f"{wanted!r} is not on\n{text}")
            time.sleep(0.05)


if __name__ == "__main__":
    unittest.main()
