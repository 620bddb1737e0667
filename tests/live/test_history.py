"""What happened before you came: HISTORY, and since when a filter fails, by real connections."""

from __future__ import annotations

import copy
import datetime
import json
import time
import unittest
from typing import Any

import lab
from json_schema import load, violations
from lab import HOST_V4, Lab
from monitor import Monitor

setUpModule = lab.require

PORT = 8080
WEB = f"web:RX@%:{PORT}"
SCHEMA = load("history.json")
SLACK_S = 1.0  # times are told to a second


def history(monitor: Monitor, argument: str = "") -> Any:
    return json.loads(monitor.ask(f"HISTORY {argument}".strip()))


def series(reply: Any, name: str | None, member: str = "series") -> Any:
    return next(entry for entry in reply[member] if entry["name"] == name)


def sums(reply: Any, name: str | None, member: str = "seconds") -> dict[str, int]:
    """What all rows together count."""
    rows = series(reply, name, member)["rows"]
    return {
        column: sum(row[number] for row in rows)
        for number, column in enumerate(reply["columns"])
        if column not in ("unix_time", "span_seconds", "pending", "retrying", "p50_seconds", "p99_seconds")
    }


def state(monitor: Monitor, name: str) -> Any:
    return next(entry for entry in monitor.stats().json["filters"] if entry["name"] == name)


def wait_state(monitor: Monitor, name: str, *expected: str) -> None:
    lab.wait_for(lambda: bool(state(monitor, name)["state"]["is"] in expected), f"{name} is {' or '.join(expected)}")


def service_state(monitor: Monitor, port: int) -> str | None:
    rows = [row for row in json.loads(monitor.ask("TOP"))["rows"] if row["responder"]["port"] == port]
    return rows[0]["state"]["is"] if rows and rows[0]["state"] else None


def wait_rows(monitor: Monitor, count: int) -> None:
    lab.wait_for(lambda: len(series(history(monitor), None, "seconds")["rows"]) >= count, f"{count} seconds")


def unix_time(text: str) -> float:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class History(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(Lab())

    def succeed(self, times: int) -> None:
        with self.network.host.listen(HOST_V4, PORT) as listener:
            for _ in range(times):
                with self.network.peer.connect(HOST_V4, PORT), listener.accept()[0]:
                    pass

    def be_refused(self, times: int) -> None:
        for _ in range(times):
            with self.assertRaises(ConnectionRefusedError):
                self.network.peer.connect(HOST_V4, PORT).close()

    def assert_between(self, text: str, begin: float, end: float) -> None:
        self.assertGreaterEqual(unix_time(text), begin)
        self.assertLessEqual(unix_time(text), end + SLACK_S)

    def test_a_service_that_goes_down_and_comes_back(self) -> None:
        with Monitor(self.network, WEB) as monitor:
            worked = time.time()
            self.succeed(5)
            wait_state(monitor, "web", "ok")
            self.assert_between(state(monitor, "web")["last_success"], worked, time.time())
            self.assertIsNone(state(monitor, "web")["failing_since"])

            failed = time.time()
            self.be_refused(4)
            wait_state(monitor, "web", "failing")
            told = state(monitor, "web")
            found = time.time()
            for moment in (told["state"]["since"], told["failing_since"], told["last_failure"]):
                self.assert_between(moment, failed, found)
            self.assertEqual(told["state"]["before"], {"is": "ok", "ended": 0, "failed": 0, "retried": 0})
            self.assertEqual((told["state"]["ended"], told["state"]["failed"]), (4, 4))
            self.assertLess(unix_time(told["last_success"]), failed + SLACK_S)

            reply = history(monitor)
            self.assertEqual(violations(SCHEMA, reply), [])
            for name in (None, "RX", "web"):
                self.assertEqual(sums(reply, name)["success"], 5, name)
                self.assertEqual(sums(reply, name)["refused"], 4, name)
                self.assertEqual(sums(reply, name)["attempts"], 9, name)
                entry = series(reply, name)
                self.assert_between(entry["failing_since"], failed, found)
                self.assert_between(entry["last_success"], worked, failed)
            self.assertEqual(sums(reply, "TX")["attempts"], 0)
            self.assertIsNone(series(reply, "TX")["last_success"])
            rows = series(reply, "web", "seconds")["rows"]
            p50 = reply["columns"].index("p50_seconds")
            self.assertTrue(any(row[p50] is not None and 0 < row[p50] < found - worked for row in rows), rows)
            refused = [row for row in rows if row[reply["columns"].index("refused")]]
            self.assertGreaterEqual(refused[0][0], failed)

            self.assertRegex(monitor.stderr(), r"web is failing: 4 failures in a row, last success 20\S+Z; before that ok for ")
            self.succeed(4)
            wait_state(monitor, "web", "degraded", "ok")
            lab.wait_for(lambda: bool(series(history(monitor), "web")["failing_since"] is None), "it fails no longer")
            monitor.stats().check_accounting()

    def test_a_service_without_a_filter(self) -> None:
        with Monitor(self.network) as monitor:
            self.succeed(5)
            name = f"rx {HOST_V4}:{PORT}"
            lab.wait_for(lambda: service_state(monitor, PORT) == "ok", "the service is ok")
            self.be_refused(4)
            lab.wait_for(lambda: service_state(monitor, PORT) == "failing", "the service fails")
            lab.wait_for(lambda: sums(history(monitor), name)["refused"] == 4, "it is in the history")
            reply = history(monitor)
            self.assertEqual(violations(SCHEMA, reply), [])
            self.assertEqual(series(reply, name)["kind"], "service")
            self.assertEqual(sums(reply, name)["success"], 5)
            self.assertRegex(monitor.stderr(), rf"service {name} is failing: 4 failures in a row")
            self.assertEqual(monitor.stats().json["history"]["services"], 1)

    def test_what_never_worked_is_not_failing_since(self) -> None:
        with Monitor(self.network, WEB) as monitor:
            began = time.time()
            self.be_refused(5)
            wait_state(monitor, "web", "never_succeeded")
            told = state(monitor, "web")
            self.assertIsNone(told["failing_since"])
            self.assertIsNone(told["last_success"])
            self.assert_between(told["last_failure"], began, time.time())
            self.assertEqual(state(monitor, "TX")["state"]["is"], "unknown")
            self.assertIsNone(state(monitor, "TX")["state"]["since"])
            self.assertNotIn("failing", monitor.stderr())

    def test_how_far_back(self) -> None:
        with Monitor(self.network) as monitor:
            wait_rows(monitor, 4)

            replies: list[Any] = []

            def sampled() -> bool:
                """A busy machine may keep it from that for longer than two seconds."""
                replies.append(history(monitor, "2"))
                return bool(series(replies[-1], None, "seconds")["rows"])

            lab.wait_for(sampled, "a sample of the last two seconds")
            rows = series(replies[-1], None, "seconds")["rows"]
            oldest = unix_time(replies[-1]["time"]) - 2
            self.assertGreater(rows[0][0], oldest - 0.001)
            every = series(history(monitor, "86400"), None, "seconds")["rows"]
            self.assertLessEqual(every[0][0], oldest)
            # Three of them, if the first was late.
            self.assertEqual([row for row in every if rows[0][0] <= row[0] <= rows[-1][0]], rows)
            self.assertFalse([row for row in every if oldest + 0.001 < row[0] < rows[0][0]], "one was left out")
            for earlier, later in zip(every, every[1:], strict=False):
                self.assertAlmostEqual(later[0] - later[1], earlier[0], delta=0.0005)

    def test_memory_is_bounded_and_told(self) -> None:
        filters = [f"f{number}:RX@%:{number + 1}" for number in range(70)]
        with Monitor(self.network, *filters) as monitor:
            wait_rows(monitor, 1)
            told = monitor.stats().json["history"]
            self.assertLessEqual(told["bytes"], 8 << 20)
            self.assertEqual((told["filters"], told["filters_not_kept"]), (64, 8))
            reply = history(monitor)
            self.assertEqual(len(reply["series"]), 65)
            self.assertEqual((reply["filters"], reply["filters_not_kept"]), (64, 8))
            self.assertEqual(violations(SCHEMA, reply), [])

    def test_wrong_arguments_and_other_words(self) -> None:
        with Monitor(self.network, WEB) as monitor:
            get = monitor.ask("GET")
            for argument in (b"0", b"-1", b"86401", b"9" * 30, b"9" * 4000, b"1.5", b"ten", b"1 2", b"\xff\x00\xfe", b"'\"\\"):
                with self.subTest(argument=argument[:20]):
                    reply = json.loads(monitor.ask_raw(b"HISTORY " + argument + b"\n"))
                    self.assertEqual(list(reply), ["error"])
                    self.assertRegex(reply["error"], "is not a number of seconds from 1 to 86400$")
            for word in (b"HISTORYX", b"HISTORY60", b"history", b"history 60", b"GET HISTORY"):
                with self.subTest(word=word):
                    self.assertEqual(monitor.ask_raw(word + b"\n"), get)
            for request in (b"HISTORY\n", b" HISTORY \r\n", b"HISTORY  60\t\r\n"):
                with self.subTest(request=request):
                    self.assertEqual(json.loads(monitor.ask_raw(request))["schema"], 1)

    def test_the_limits_are_options(self) -> None:
        with Monitor(self.network, "--failing-ratio", "80", "--degraded-ratio", "80", "--failing-run", "2",
                     "--alert-min-attempts", "5", WEB) as monitor:  # fmt: skip
            self.succeed(1)
            wait_state(monitor, "web", "ok")
            self.be_refused(2)
            wait_state(monitor, "web", "failing")


class Schema(unittest.TestCase):
    """The validator sees what is wrong."""

    def test_what_it_refuses(self) -> None:
        with Lab() as network, Monitor(network) as monitor:
            wait_rows(monitor, 1)
            good = history(monitor)
        self.assertEqual(violations(SCHEMA, good), [])
        for path, value in (
            (("schema",), 2), (("time",), "yesterday"), (("bytes",), 1.5), (("columns",), ["unix_time"]),
            (("series", 0, "kind"), "host"), (("series", 0, "removed"), None), (("series", 0, "last_failure"), 7),
            (("seconds", 0, "rows", 0, 2), -1), (("seconds", 0, "rows", 0, 15), "x"), (("seconds", 0, "rows", 0), []),
            (("minutes", 0), {}),
        ):  # fmt: skip
            with self.subTest(path):
                bad = copy.deepcopy(good)
                place = bad
                for step in path[:-1]:
                    place = place[step]
                place[path[-1]] = value
                self.assertNotEqual(violations(SCHEMA, bad), [])
        with self.assertRaises(ValueError):
            violations({"dependentRequired": {}}, good)


if __name__ == "__main__":
    unittest.main()
