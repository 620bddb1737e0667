"""Events as they happen: WATCH by real traffic, what it leaves out and says so, DELTA, and the journal."""

from __future__ import annotations

import contextlib
import copy
import json
import pathlib
import socket
import subprocess
import unittest
from typing import Any

import lab
from conversation import RX4, TX6, Conversation
from json_schema import load, violations
from lab import HOST_V4, HOST_V6, PEER_V4, Lab
from monitor import ICMP, Monitor, ask, stopped
from watcher import Watcher

setUpModule = lab.require

PORT = 8080
WEB = f"web:RX@%:{PORT}"
SCHEMA = load("event.json")
WATCHERS = 16
CLIENTS = 32


class WatchCase(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(Lab())

    def succeed(self, times: int, address: str = HOST_V4) -> None:
        with self.network.host.listen(address, PORT) as listener:
            for _ in range(times):
                with self.network.peer.connect(address, PORT), listener.accept()[0]:
                    pass

    def be_refused(self, times: int) -> None:
        for _ in range(times):
            with self.assertRaises(ConnectionRefusedError):
                self.network.peer.connect(HOST_V4, PORT).close()

    def watchers(self, monitor: Monitor) -> int:
        return int(monitor.stats().json["server"]["watchers"])

    def assert_valid(self, *lines: Any) -> None:
        for line in lines:
            self.assertEqual(violations(SCHEMA, line), [], line)

    def assert_gapless(self, first: int, lines: list[Any]) -> None:
        self.assertEqual([line["seq"] for line in lines], list(range(first, first + len(lines))))


class Watch(WatchCase):
    def test_events_of_every_kind(self) -> None:
        with Monitor(self.network, "-q", *ICMP, "--timeout", "3", WEB) as monitor:
            with Watcher(monitor.socket_path) as watcher:
                self.succeed(3)
                self.succeed(1, HOST_V6)
                self.be_refused(1)
                lost = Conversation(self.network.wire(), TX6)
                lost.unreachable(lost.syn())
                Conversation(self.network.wire(), RX4).syn()
                lines: list[Any] = []
                waited_for = {"no_answer", "unreachable"}
                while not waited_for <= {line.get("cause") for line in lines}:
                    lines.append(watcher.line())
            self.assert_valid(*lines)
            self.assert_gapless(watcher.at + 1, lines)
            self.assertEqual({line["boot"] for line in lines}, {watcher.boot})
            outcomes = [line for line in lines if line["event"] == "outcome"]
            by_cause: dict[str, list[Any]] = {}
            for line in outcomes:
                by_cause.setdefault(line["cause"], []).append(line)
            self.assertEqual({cause: len(some) for cause, some in by_cause.items()},
                             {"": 4, "refused": 1, "unreachable": 1, "no_answer": 1})  # fmt: skip
            success = by_cause[""][0]
            self.assertEqual((success["client.address"], success["server.address"]), (PEER_V4, HOST_V4))
            self.assertEqual(success["client.port"], success["initiator"]["port"])
            self.assertEqual((success["server.port"], success["network.type"]), (PORT, "ipv4"))
            self.assertEqual(success["network.interface.name"], "veth0")
            self.assertNotIn("error.type", success)
            self.assertIsNotNone(success["isn"]["responder"])
            self.assertEqual(by_cause[""][3]["network.type"], "ipv6")
            self.assertEqual(by_cause["refused"][0]["error.type"], "refused")
            self.assertEqual(by_cause["no_answer"][0]["error.type"], "timed_out")
            self.assertRegex(by_cause["unreachable"][0]["error.type"], "^(refused|(host|net)_unreachable)$")
            changes = [line for line in lines if line["event"] == "change"]
            self.assertIn(("web", "unknown", "ok"), [(line.get("filter"), line["from"], line["to"]) for line in changes])

    def test_the_same_object_on_standard_output(self) -> None:
        with Monitor(self.network, "--output", "json", WEB) as monitor:
            with Watcher(monitor.socket_path) as watcher:
                self.succeed(3)
                lines = [watcher.wait_for(event="outcome") for _ in range(3)]
            lab.wait_for(lambda: monitor.stdout().count("\n") == 3, "three lines")
            self.assertEqual([json.loads(line) for line in monitor.stdout().splitlines()], lines)

    def test_what_was_not_asked_for_is_left_out(self) -> None:
        with Monitor(self.network, "-q", WEB, "ssh:RX@%:22") as monitor:
            with (
                Watcher(monitor.socket_path, "json result=refused,change filter=web") as some,
                Watcher(monitor.socket_path, "filter=ssh") as none,
            ):
                self.succeed(2)
                self.be_refused(4)
                refused = [some.wait_for(cause="refused") for _ in range(4)]
                self.assertTrue(all("web" in line["filters"] for line in refused))
                change = some.wait_for(event="change", filter="web")
                how_far = some.wait_for(boot=some.boot, event=None)
                self.assert_valid(change, how_far)
                self.assertGreaterEqual(how_far["at"], change["seq"])
                for line in none.lines_for(2.5):
                    self.assertEqual(sorted(line), ["at", "boot"], "nothing ended in its filter")

    def test_wrong_arguments(self) -> None:
        with Monitor(self.network, WEB) as monitor:
            get = monitor.ask("GET")
            for arguments, said in (
                ("filter=wbe", r"no filter is named 'wbe'; there are RX, TX, web; did you mean web\?"),
                ("result=timout", r"'timout' is not a result or a cause; allowed are .*; did you mean timeout\?"),
                ("form=3", r"'form=3' is not an argument; allowed are .*; did you mean from=\?"),
                ("from=-1", r"from='-1' is not an event number"),
                ("json json", "json is given twice"),
                ("\x1b[31m", r"'\\x1b\[31m' is not an argument"),
            ):
                with self.subTest(arguments):
                    reply = json.loads(monitor.ask(f"WATCH {arguments}"))
                    self.assertEqual(list(reply), ["error"])
                    self.assertRegex(reply["error"], f"^WATCH: {said}")
            for word in ("WATCHX", "watch", "WATCH=", "GET WATCH"):
                self.assertEqual(monitor.ask(word), get)
            self.assertEqual(monitor.stats().json["server"]["watchers"], 0)

    def test_resumes_without_hole_or_duplicate(self) -> None:
        with Monitor(self.network, "-q", WEB) as monitor:
            with Watcher(monitor.socket_path) as watcher:
                first = watcher.at + 1
                self.succeed(5)
                lines = [watcher.line() for _ in range(3)]
            self.succeed(5)
            boot = watcher.boot
            last = lines[-1]["seq"]
            with Watcher(monitor.socket_path, f"from={last + 1}") as watcher:
                self.assertEqual((watcher.boot, watcher.at), (boot, last))
                self.succeed(5)
                while sum(line["event"] == "outcome" for line in lines) < 15:
                    lines.append(watcher.line())
            self.assert_gapless(first, lines)
            ports = {line["client.port"] for line in lines if line["event"] == "outcome"}
            self.assertEqual(len(ports), 15)

    def test_what_nobody_kept_is_a_gap(self) -> None:
        with Monitor(self.network, WEB) as monitor:  # prints, so that events have numbers before anybody watches
            self.succeed(5)
            monitor.wait_counts({"success": 5})
            lab.wait_for(lambda: monitor.stderr().count("success") == 5, "all are told")
            with Watcher(monitor.socket_path, "from=2") as watcher:
                gap = watcher.line()
                self.assert_valid(gap)
                self.assertEqual((watcher.at, gap["gap"]["from"]), (1, 2))
                self.assertGreaterEqual(gap["gap"]["to"], 5)
                self.succeed(1)
                after = watcher.line()
                self.assertEqual(after["seq"], gap["gap"]["to"] + 1)

    def test_after_a_restart_it_says_so(self) -> None:
        with Monitor(self.network, "-q", WEB) as monitor, Watcher(monitor.socket_path) as watcher:
            before = watcher.boot
        with Monitor(self.network, "-q", WEB) as monitor, Watcher(monitor.socket_path, "from=1000000") as watcher:
            self.assertNotEqual(watcher.boot, before)
            self.assertEqual(watcher.at, 0)
            unwatched = watcher.line()
            self.assert_valid(unwatched)
            self.assertEqual((unwatched["event"], unwatched["seq"], unwatched["reason"]), ("gap", 1, "unwatched"))

    def test_the_stream_ends_with_tcpeek_and_what_came_before_is_told(self) -> None:
        with Monitor(self.network, "-q", WEB) as monitor, Watcher(monitor.socket_path) as watcher:
            watcher.end_sending()  # that alone is no leaving
            self.succeed(1)
            watcher.wait_for(event="outcome")
            self.assertEqual(monitor.stop().status, 0)
            self.assertTrue(watcher.ended())

    def test_lost_packets_are_a_gap(self) -> None:
        with Monitor(self.network, "-q", "--threads", "1", ring_mib=1) as monitor, Watcher(monitor.socket_path) as watcher:
            wire = self.network.wire()
            with stopped(monitor):
                for number in range(20_000):
                    Conversation(wire, RX4, responder_port=1 + number % 60_000).syn()
            gap = watcher.wait_for(event="gap")
            self.assert_valid(gap)
            self.assertEqual(gap["reason"], "capture")
            self.assertGreater(gap["count"], 0)

    def test_sixteen_beside_thirty_two(self) -> None:
        with Monitor(self.network, "-q", WEB) as monitor, contextlib.ExitStack() as stack:
            watchers = [stack.enter_context(Watcher(monitor.socket_path)) for _ in range(WATCHERS)]
            for _ in range(3 * CLIENTS):
                client = stack.enter_context(socket.socket(socket.AF_UNIX))
                client.connect(str(monitor.socket_path))
            refused = json.loads(monitor.ask("WATCH"))
            self.assertEqual(
                refused["error"], "WATCH: all 16 places are taken; try again when a watcher has left"
            )
            self.succeed(10)
            for watcher in watchers:
                self.assert_gapless(watcher.at + 1, watcher.lines(10))
            server = monitor.stats().json["server"]
            self.assertEqual((server["watchers"], server["watchers_refused"]), (WATCHERS, 1))
            watchers[0].close()
            lab.wait_for(lambda: self.watchers(monitor) == WATCHERS - 1, "one has left")
            stack.enter_context(Watcher(monitor.socket_path))

    def test_nobody_listening_costs_nothing(self) -> None:
        with Monitor(self.network, "-q", WEB) as monitor:
            self.succeed(3)
            stats = monitor.wait_counts({"success": 3}).json
            self.assertEqual([reader["event_queue_depth"] for reader in stats["readers"]], [0] * len(stats["readers"]))
            with Watcher(monitor.socket_path) as watcher:
                self.assertEqual(watcher.at, 1, "what ended before has no number")


class Schema(WatchCase):
    """The schema refuses what is wrong."""

    def test_what_it_refuses(self) -> None:
        with Monitor(self.network, "-q", WEB) as monitor, Watcher(monitor.socket_path, "from=1") as watcher:
            self.succeed(1)
            gap, outcome = watcher.lines(2)
            change = watcher.wait_for(event="change")
        self.assert_valid(gap, outcome, change, {"gap": {"from": 1, "to": 2}}, {"boot": watcher.boot, "at": 0})
        for good, member, value in (
            (outcome, "seq", 0), (outcome, "result", "failure"), (outcome, "error.type", "ECONNREFUSED"),
            (outcome, "boot", "x"), (outcome, "extra", 1), (outcome, "server.port", 65536),
            (change, "to", "dead"), (change, "lasted_seconds", "1"), (gap, "reason", "other"), (gap, "count", -1),
        ):  # fmt: skip
            with self.subTest(member):
                bad = copy.deepcopy(good)
                bad[member] = value
                self.assertNotEqual(violations(SCHEMA, bad), [])
        for bad in ({"gap": {"from": 1}}, {"at": 1}, {}, {"error": "x"}):
            self.assertNotEqual(violations(SCHEMA, bad), [])

    def test_lines_of_a_capture_file(self) -> None:
        captures = lab.ROOT / "tests" / "captures"
        done = subprocess.run(
            (str(lab.binary()), "--output", "json", "-r", str(captures / "zeek__ssh.pcap")),
            capture_output=True, text=True, check=True, timeout=lab.DEADLINE_S,
        )  # fmt: skip
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertNotEqual(lines, [])
        self.assert_valid(*lines)
        self.assertTrue(all("boot" not in line and "seq" not in line for line in lines))


class Delta(WatchCase):
    def delta(self, monitor: Monitor, name: str) -> Any:
        return json.loads(monitor.ask(f"DELTA {name}"))

    def test_collectors_do_not_steal_from_each_other(self) -> None:
        with Monitor(self.network, "-q", WEB) as monitor:
            refresh = monitor.ask("REFRESH")
            self.succeed(3)
            monitor.wait_counts({"success": 3})
            first = self.delta(monitor, "one")
            self.assertEqual((first["delta"]["first"], first["delta"]["since"]), (True, first["started"]))
            self.assertEqual(first["totals"]["success"]["total"], 3)
            self.succeed(2)
            monitor.wait_counts({"success": 5})
            second = self.delta(monitor, "one")
            self.assertEqual(second["delta"]["first"], False)
            self.assertEqual(second["totals"]["success"]["total"], 2)
            web = next(entry for entry in second["filters"] if entry["name"] == "web")
            self.assertEqual((web["attempts"], web["latency_seconds"]["count"]), (2, 2))
            self.assertNotIn("restarted", web)
            self.assertEqual(self.delta(monitor, "two")["totals"]["success"]["total"], 5)
            self.assertEqual(self.delta(monitor, "one")["totals"]["attempts"], 0)
            self.assertTrue(all(side["holds"] for side in second["accounting"]["filters"]))
            self.assertNotEqual(monitor.ask("REFRESH"), refresh, "DELTA has not moved the mark of REFRESH")

    def test_names_are_bounded_and_checked(self) -> None:
        with Monitor(self.network, "-q") as monitor:
            for number in range(65):
                self.delta(monitor, f"name-{number}")
            self.assertEqual(self.delta(monitor, "name-0")["delta"]["first"], True)
            self.assertEqual(self.delta(monitor, "name-64")["delta"]["first"], False)
            self.assertEqual(monitor.stats().json["server"]["deltas_displaced"], 2)
            for name in ("", "a b", "a/b", "x" * 65):
                with self.subTest(name):
                    self.assertRegex(self.delta(monitor, name)["error"], "^DELTA: .*; give a name of your own, 1 to 64 letters")


class Journal(WatchCase):
    """A journal of the test's, where tcpeek looks for it, in a mount namespace of its own."""

    def test_changes_have_fields(self) -> None:
        folder = self.network.folder / "journal"
        folder.mkdir()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
            journal.bind(str(folder / "socket"))
            journal.settimeout(lab.DEADLINE_S)
            with self.started(folder) as (monitor_socket, errors):
                self.succeed(5)
                self.wait_ok(monitor_socket)
                self.be_refused(4)
                failing = self.message(journal, b"TCPEEK_STATE=failing")
                for field in (b"PRIORITY=4", b"SYSLOG_IDENTIFIER=tcpeek", b"TCPEEK_STATE_BEFORE=ok", b"TCPEEK_FAILED=4",
                              b"MESSAGE_ID=68439471fab24980b95659bb619dccc2"):  # fmt: skip
                    self.assertIn(field, failing)
                self.assertRegex(failing[0].decode(), "^MESSAGE=(web|RX) is failing: 4 failures in a row")
                self.assertNotIn("is failing", errors.read_text(encoding="utf-8"), "told once")

    def wait_ok(self, path: pathlib.Path) -> None:
        """Until web is ok, so that failures afterwards are a change."""

        def state() -> bool:
            filters = json.loads(ask(path, b"STATS\n"))["filters"]
            return bool(filters[2]["state"]["is"] == "ok")

        lab.wait_for(state, "web is ok")

    def message(self, journal: socket.socket, field: bytes) -> list[bytes]:
        """The lines of the next one with that field."""
        while True:
            lines = journal.recv(65536).splitlines()
            if field in lines:
                return lines

    @contextlib.contextmanager
    def started(self, folder: pathlib.Path) -> Any:
        """tcpeek as a service manager starts it: JOURNAL_STREAM names its standard error."""
        errors = self.network.folder / "errors"
        path = self.network.folder / "service.sock"
        script = (
            'mkdir -p /run/systemd/journal && mount --bind "$1" /run/systemd/journal && shift && '
            'export JOURNAL_STREAM=$(stat --dereference --format=%d:%i /proc/self/fd/2) && exec "$@"'
        )
        # Made in a /run of its own, so that this machine's is left alone.
        script = "mount -t tmpfs tmpfs /run && " + script
        words = (str(lab.binary()), "-q", "-i", "veth0", "-U", str(path), "-B", "1", "--max-sessions", "1000", WEB)
        with open(errors, "wb") as err, subprocess.Popen(
            self.network.host.command("unshare", "--mount", "sh", "-c", script, "sh", str(folder), *words),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err,
        ) as process:  # fmt: skip
            try:
                lab.wait_for(lambda: path.exists() or process.poll() is not None, "it serves")
                self.assertIsNone(process.poll(), errors.read_text(encoding="utf-8"))
                yield path, errors
            finally:
                process.terminate()
                self.assertEqual(process.wait(lab.DEADLINE_S), 0)


if __name__ == "__main__":
    unittest.main()
