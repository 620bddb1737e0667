"""`tcpeekstat fleet` against a stream that tcpeek-forward filled from two real tcpeeks, one at each end of a link: of every
service it says what their TOP says, and an attempt that both ends tell of is one. What is in the stream is as its schema says.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import unittest
from typing import Any

import parts
import paths  # noqa: F401  (to the modules of tests/live)

import lab
from json_schema import load, violations
from lab import HOST_V4, HOST_V6, PEER_V4, PEER_V6
from monitor import Monitor
from nats_client import Stored
from parts import DEADLINE_S, Forwarder, NatsServer, wait_for

SCHEMA = load("forward.json")
SUCCEEDED, REFUSED = 12, 5
BOTH = (HOST_V4, HOST_V6)


def setUpModule() -> None:
    parts.require()
    lab.require()


class AsTop(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(lab.Lab())
        self.server = self.enterContext(NatsServer(self.network.folder))
        self.server.create_stream()
        self.at = self.enterContext(Monitor(self.network, "-q", name="at"))
        self.by = self.enterContext(Monitor(self.network, "-q", namespace=self.network.peer, name="by"))

    def forward(self, *options: str) -> None:
        """From both, each a host of its own."""
        for monitor, host in ((self.at, "at"), (self.by, "by")):
            forwarder = Forwarder(self.network.folder, self.server.url, monitor.socket_path, "-l", "info", *options, host=host)
            self.enterContext(forwarder)
            self.wait_watching(forwarder)

    def connect(self) -> set[tuple[str, int]]:
        """To two services that answer and two that refuse."""
        services = set()
        for address in BOTH:
            port = self.network.connect_to_both(address, SUCCEEDED, REFUSED)
            services |= {(address, port), (address, 9)}
        for monitor in (self.at, self.by):
            monitor.wait_counts({"success": 2 * SUCCEEDED, "refused": 2 * REFUSED})
        return services

    def fleet(self, *options: str) -> Any:
        words = (sys.executable, "-W", "error", str(lab.ROOT / "scripts" / "tcpeekstat"), "fleet", "--nats", self.server.url)
        done = subprocess.run((*words, "--json", *options), capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def counted(self, services: int) -> Any:
        """What it says, as soon as all is in the stream."""

        def told() -> Any:
            said = self.fleet()
            sides = [side for row in said["services"] for side in (*row["seen_by"], *row["seen_at"])]
            ended = sum(side["success"] + side["failed"] for side in sides)
            return said if len(sides) == 2 * services and ended == 4 * (SUCCEEDED + REFUSED) else None

        return wait_for(told, "all is in the stream")

    def assert_as_top(self, said: Any, exact_times: bool) -> None:
        for monitor, side, direction in ((self.at, "seen_at", "rx"), (self.by, "seen_by", "tx")):
            top = json.loads(monitor.ask("TOP"))["rows"]
            self.assertEqual({row["direction"] for row in top}, {direction})
            of_service = {(row["responder"]["address"], row["responder"]["port"]): row for row in top}
            for row in said["services"]:
                ((seen),) = row[side]
                one = of_service[(row["responder"]["address"], row["responder"]["port"])]
                self.assertEqual((seen["attempts"], seen["success"]), (one["attempts"], one["success"]))
                self.assertEqual(seen["causes"]["refused"], one["failure"]["refused"])
                self.assertEqual(seen["failed"], one["failure"]["total"])
                if one["failing_since"] is not None:
                    self.assert_same_time(seen["failing_since"], one["failing_since"])
                if exact_times and one["last_success"] is not None:
                    self.assert_same_time(seen["last_success"], one["last_success"])
        for row in said["services"]:
            (by,) = row["seen_by"]
            for name in ("attempts", "success", "failed", "causes"):
                self.assertEqual(row[name], by[name], "an attempt that both ends tell of is one")

    def assert_same_time(self, one: str, other: str) -> None:
        """To the last microsecond, which is added up there and here."""
        difference = datetime.datetime.fromisoformat(one) - datetime.datetime.fromisoformat(other)
        self.assertLessEqual(abs(difference), datetime.timedelta(microseconds=2), (one, other))

    def wait_watching(self, forwarder: Forwarder, times: int = 1) -> None:
        wait_for(lambda: forwarder.said().count("watching tcpeek") == times, "it watches")

    def wait_valid(self, kinds: set[str]) -> list[Stored]:
        """Until there are messages of these kinds; each is as the schema says."""

        def found() -> list[Stored]:
            messages = self.server.messages()
            return messages if kinds <= {message.subject.rpartition(".")[2] for message in messages} else []

        messages: list[Stored] = wait_for(found, f"there is one each of {kinds}")
        for message in messages:
            self.assertEqual(violations(SCHEMA, message.json), [], message.payload)
        return messages

    def test_single_events(self) -> None:
        self.forward()
        services = self.connect()
        said = self.counted(len(services))
        self.assertEqual({(row["responder"]["address"], row["responder"]["port"]) for row in said["services"]}, services)
        self.assertEqual([row["responder"]["port"] for row in said["services"][:2]], [9, 9], "those that fail come first")
        self.assertEqual(said["bounds"], {name: 0 for name in said["bounds"]})
        self.assert_as_top(said, exact_times=True)
        self.wait_valid({"success", "reject", "change"})

    def test_aggregates(self) -> None:
        self.forward("--aggregate", "1")
        services = self.connect()
        said = self.counted(len(services))
        self.assert_as_top(said, exact_times=False)
        messages = self.wait_valid({"aggregate", "reject", "change"})
        directions = {(line["host"], line["direction"]) for line in (message.json for message in messages) if "direction" in line}
        self.assertEqual(directions, {("at", "rx"), ("by", "tx")})

    def test_connections_of_a_host_to_itself(self) -> None:
        """Both ends are its own: one attempt, seen from both sides by one host."""
        with Monitor(self.network, "-q", interfaces=("lo",), name="lo") as monitor:
            folder, url = self.network.folder, self.server.url
            plain = self.enterContext(Forwarder(folder, url, monitor.socket_path, "-l", "info", host="lo"))
            added = self.enterContext(Forwarder(folder, url, monitor.socket_path, "-l", "info", "--aggregate", "1", host="added"))
            for forwarder in (plain, added):
                self.wait_watching(forwarder)
            with self.network.host.listen(HOST_V4) as listener:
                for _ in range(SUCCEEDED):
                    with self.network.host.connect(HOST_V4, listener.getsockname()[1]):
                        listener.accept()[0].close()

            def told(host: str) -> tuple[int, list[int], list[int]]:
                rows = self.fleet("--host", host)["services"]
                sides = [[each["success"] for row in rows for each in row[name]] for name in ("seen_by", "seen_at")]
                return sum(row["success"] for row in rows), sides[0], sides[1]

            expected = (SUCCEEDED, [SUCCEEDED], [SUCCEEDED])
            wait_for(lambda: (told("lo"), told("added")) == (expected, expected), f"each has {expected}")
            self.wait_valid({"success", "aggregate", "change"})

    def test_what_happened_before_anybody_watched_is_a_gap(self) -> None:
        for times, messages in ((1, 1), (2, 3)):
            with Monitor(self.network, "-q", interfaces=("lo",), name="lo") as monitor:
                forwarder = Forwarder(self.network.folder, self.server.url, monitor.socket_path, "-l", "info", host="lo")
                if times == 2:
                    self.refuse()
                    monitor.wait_counts({"refused": 1})
                with forwarder:
                    self.wait_watching(forwarder, times)
                    self.refuse()
                    self.wait_count(messages)
        self.wait_valid({"reject", "gap"})
        (gap,) = (message.json for message in self.server.messages() if message.json["event"] == "gap")
        self.assertEqual((gap["reason"], gap["seq"]), ("unwatched", 1))
        self.assertEqual(self.fleet("--host", "lo")["services"][0]["failed"], 2, "those that were watched")

    def wait_count(self, messages: int) -> None:
        wait_for(lambda: self.server.count() >= messages, f"{messages} messages are in the stream")

    def refuse(self) -> None:
        with self.assertRaises(ConnectionRefusedError):
            self.network.host.connect(HOST_V4, 9)


class Shape(unittest.TestCase):
    """The schema of what is published is that of WATCH, with a host; and it refuses what is wrong."""

    def test_is_that_of_watch(self) -> None:
        ours, theirs = SCHEMA["$defs"], load("event.json")["$defs"]
        for name in ("outcome", "change", "gap", "missed"):
            own = {member for member in ours[name]["properties"] if member not in theirs[name]["properties"]}
            self.assertEqual(own, {"host", "boot"} if name == "missed" else {"host"})
            for member, shape in theirs[name]["properties"].items():
                if (name, member) != ("outcome", "result"):  # none is pending
                    self.assertEqual(ours[name]["properties"][member], shape, (name, member))
            self.assertLessEqual({*theirs[name]["required"], "boot", "host"}, set(ours[name]["required"]))
        for name in (name for name in ours if name in theirs and name not in ("outcome", "change", "gap", "missed")):
            self.assertEqual(ours[name], theirs[name], name)

    def test_what_it_refuses(self) -> None:
        boot = "0123456789abcdef"
        service: dict[str, Any] = {"address": "192.0.2.1", "port": 443}
        aggregate: dict[str, Any] = {
            "event": "aggregate", "boot": boot, "from": 1, "to": 2, "time": "2026-01-02T03:04:05.000006Z", "interval_s": 10,
            "responder": service, "direction": "rx", "attempts": 2, "success": 2, "p50_seconds": None, "p99_seconds": 0.1,
            "server.address": "192.0.2.1", "server.port": 443, "network.transport": "tcp", "host": "web1",
        }  # fmt: skip
        gap = {"gap": {"from": 1, "to": 2}, "boot": boot, "host": "web1"}
        for good, member, value in (
            (aggregate, "direction", "up"), (aggregate, "interval_s", 0), (aggregate, "host", None), (aggregate, "seq", 1),
            (aggregate, "success", -1), (aggregate, "responder", {}), (gap, "boot", "x"), (gap, "more", 1), (gap, "gap", {}),
        ):  # fmt: skip
            with self.subTest(member):
                self.assertEqual(violations(SCHEMA, good), [])
                self.assertNotEqual(violations(SCHEMA, {**good, member: value}), [])
        for member in aggregate:
            self.assertNotEqual(violations(SCHEMA, {name: value for name, value in aggregate.items() if name != member}), [])


if __name__ == "__main__":
    unittest.main()
