"""The life of the services as systemd sees it: start, options, stop, failure, several side by side."""

import json
import os
import signal
import stat
import subprocess
import time
import unittest

import nest
import lab
from conversation import RX4, Conversation

UNIT = "tcpeek@veth0.service"
SOCKET = "/run/tcpeek/veth0.sock"
SMALL = "--threads 2 -B 4 --max-sessions 1000"

setUpModule = nest.require


class Service(nest.TestCase):
    links = 2

    def setUp(self) -> None:
        for name in ("tcpeek", "tcpeek-veth0", "tcpeek-veth1", "tcpeek-late0"):
            self.options(name, SMALL)
        self.addCleanup(self.nest.reset)

    def options(self, name: str, text: str) -> None:
        self.nest.write(f"/etc/default/{name}", f'TCPEEK_OPTIONS="{text}"\n')

    def start(self, unit: str = UNIT) -> subprocess.CompletedProcess[str]:
        return self.nest.run("systemctl", "start", unit)

    def counted(self, socket_path: str = SOCKET) -> int:
        return int(json.loads(self.nest.ask("STATS", socket_path))["totals"]["success"]["total"])

    def test_is_ready_when_started_and_counts(self) -> None:
        self.nest.must("systemctl", "start", UNIT)
        self.assertEqual(self.nest.show(UNIT, "ActiveState"), "active")
        nothing = "0 attempts: 0 successes, 0 failures, 0 pending; 0 packets dropped"
        self.assertEqual(self.nest.show(UNIT, "StatusText"), nothing)
        wire = self.network.wire()
        Conversation(wire, RX4).succeed()
        Conversation(wire, RX4).succeed()
        lab.wait_for(lambda: self.counted() == 2, "both connections are counted")
        two = "2 attempts: 2 successes, 0 failures, 0 pending; 0 packets dropped"
        lab.wait_for(lambda: self.nest.show(UNIT, "StatusText") == two, "the status shows both")

    def test_socket_is_for_the_group(self) -> None:
        self.nest.must("systemctl", "start", UNIT)
        user = int(self.nest.must("id", "--user", "tcpeek"))
        group = int(self.nest.must("id", "--group", "tcpeek"))
        found = self.nest.path(SOCKET).stat()
        self.assertTrue(stat.S_ISSOCK(found.st_mode))
        self.assertEqual((stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid), (0o660, user, group))
        folder = self.nest.path("/run/tcpeek").stat()
        self.assertEqual((stat.S_IMODE(folder.st_mode), folder.st_uid), (0o755, user))

    def test_stop_leaves_a_summary_and_no_socket(self) -> None:
        self.nest.must("systemctl", "start", UNIT)
        Conversation(self.network.wire(), RX4).succeed()
        lab.wait_for(lambda: self.counted() == 1, "the connection is counted")
        self.nest.must("systemctl", "stop", UNIT)
        for name, value in (("ActiveState", "inactive"), ("Result", "success"), ("ExecMainStatus", "0")):
            self.assertEqual(self.nest.show(UNIT, name), value, name)
        said = self.nest.said(UNIT)
        self.assertIn((6, "========== TCPEEK SUMMARY =========="), said)
        self.assertIn((6, "   Success: 1 session"), said)
        self.assertEqual(list(self.nest.path("/run/tcpeek").iterdir()), [])

    def test_first_lines_are_in_the_journal_and_outcomes_are_not(self) -> None:
        self.nest.must("systemctl", "start", UNIT)
        Conversation(self.network.wire(), RX4).succeed()
        lab.wait_for(lambda: self.counted() == 1, "the connection is counted")
        said = self.nest.said(UNIT)
        told = [text for severity, text in said if severity == 6]
        self.assertEqual(len(told), 2, said)
        self.assertTrue(told[0].startswith("listening on veth0, link-type EN10MB"), said)

    def test_changes_have_fields_in_the_journal(self) -> None:
        self.nest.must("systemctl", "start", UNIT)
        wire = self.network.wire()
        for _ in range(5):
            Conversation(wire, RX4).succeed()

        def is_ok() -> bool:
            return bool(json.loads(self.nest.ask("STATS", SOCKET))["filters"][0]["state"]["is"] == "ok")

        lab.wait_for(is_ok, "RX is ok")
        for _ in range(4):
            refused = Conversation(wire, RX4)
            refused.syn()
            refused.refuse()

        def told() -> list[dict[str, str]]:
            words = ("journalctl", "--quiet", "--output", "json", "--unit", UNIT, "TCPEEK_STATE=failing")
            return [json.loads(line) for line in self.nest.run(*words).stdout.splitlines()]

        entries = lab.wait_for(told, "a change is in the journal")
        self.assertEqual([entry["TCPEEK_FILTER"] for entry in entries], ["RX"])
        entry = entries[0]
        for name, value in (("PRIORITY", "4"), ("SYSLOG_IDENTIFIER", "tcpeek"), ("TCPEEK_STATE_BEFORE", "ok"),
                            ("TCPEEK_FAILED", "4"), ("MESSAGE_ID", "68439471fab24980b95659bb619dccc2")):  # fmt: skip
            self.assertEqual(entry[name], value)
        self.assertIn("RX is failing: 4 failures in a row", entry["MESSAGE"])
        self.assertEqual([text for _, text in self.nest.said(UNIT) if "is failing" in text], [], "told once")

    def test_outcomes_are_told_to_who_wants_them(self) -> None:
        self.nest.drop_in(UNIT, "[Service]\nExecStart=\nExecStart=tcpeek -i %i -U /run/tcpeek/%i.sock $TCPEEK_OPTIONS\n")
        self.nest.must("systemctl", "start", UNIT)
        Conversation(self.network.wire(), RX4).succeed()

        def told() -> list[tuple[int, str]]:
            return [line for line in self.nest.said(UNIT) if "success" in line[1]]

        (line,) = lab.wait_for(told, "the outcome is in the journal")
        self.assertEqual(line[0], 6)
        self.assertIn(str(RX4.peer), line[1])

    def test_restart(self) -> None:
        self.nest.must("systemctl", "start", UNIT)
        Conversation(self.network.wire(), RX4).succeed()
        lab.wait_for(lambda: self.counted() == 1, "the connection is counted")
        before = self.nest.main_process(UNIT)
        self.nest.must("systemctl", "restart", UNIT)
        self.assertNotEqual(self.nest.main_process(UNIT), before)
        self.assertEqual(self.counted(), 0)
        self.assertEqual(self.nest.show(UNIT, "NRestarts"), "0", "not by itself")

    def test_reload(self) -> None:
        self.options("tcpeek-veth0", f"{SMALL} web:RX@%:80")
        self.nest.must("systemctl", "start", UNIT)
        Conversation(self.network.wire(), RX4).succeed()
        lab.wait_for(lambda: self.counted() == 1, "the connection is counted")
        before = self.nest.main_process(UNIT)
        self.options("tcpeek-veth0", f"{SMALL} web:RX@%:80 db:RX@%:5432")
        self.nest.must("systemctl", "reload", UNIT)
        self.assertEqual(self.nest.main_process(UNIT), before)
        self.assertEqual(self.counted(), 1)
        names = [entry["name"] for entry in json.loads(self.nest.ask("STATS", SOCKET))["filters"]]
        self.assertEqual(names, ["RX", "TX", "web", "db"])
        self.options("tcpeek-veth0", f"{SMALL} --timeout 7")
        self.assertNotEqual(self.nest.run("systemctl", "reload", UNIT).returncode, 0)
        self.assertEqual(self.nest.show(UNIT, "ActiveState"), "active")
        said = "\n".join(text for _, text in self.nest.said(UNIT))
        self.assertIn("--timeout cannot change while tcpeek runs", said)

    def test_killed_is_started_again(self) -> None:
        self.nest.must("systemctl", "start", UNIT)
        os.kill(self.nest.main_process(UNIT), signal.SIGKILL)
        lab.wait_for(lambda: self.nest.show(UNIT, "NRestarts") == "1", "it is started again")
        lab.wait_for(lambda: self.nest.show(UNIT, "ActiveState") == "active", "it is ready again")
        self.assertEqual(self.counted(), 0, "it answers in the place of the one before")

    def test_wrong_options_are_told_once(self) -> None:
        self.options("tcpeek-veth0", "--timeout 0")
        self.assertNotEqual(self.start().returncode, 0)
        expected = {"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "2", "NRestarts": "0"}
        for name, value in expected.items():
            self.assertEqual(self.nest.show(UNIT, name), value, name)
        self.assertEqual(
            self.nest.said(UNIT), [(3, "--timeout: '0' is not a number of seconds from 1 to 3600")]
        )

    def test_options_keep_what_is_quoted_together(self) -> None:
        self.options("tcpeek-veth0", f"{SMALL} --bpf 'tcp and not port 9' web:RX@%:80:443")
        self.nest.must("systemctl", "start", UNIT)
        filters = json.loads(self.nest.ask("STATS", SOCKET))["filters"]
        self.assertEqual([entry["expression"] for entry in filters[2:]], ["web:RX@%:80:443"])
        wire = self.network.wire()
        Conversation(wire, RX4, responder_port=9).succeed()
        Conversation(wire, RX4, responder_port=80).succeed()
        lab.wait_for(lambda: self.counted() == 1, "one of both is counted")

    def test_interface_that_comes_late(self) -> None:
        unit = "tcpeek@late0.service"
        # Sooner, and so more often than the manager's own limit allows by default.
        self.nest.drop_in(unit, "[Service]\nRestartSec=100ms\n")
        self.assertNotEqual(self.start(unit).returncode, 0)
        self.assertEqual([severity for severity, _ in self.nest.said(unit)], [3])
        lab.wait_for(lambda: int(self.nest.show(unit, "NRestarts")) >= 8, "it is tried again and again")
        self.network.host.ip("link", "add", "late0", "type", "veth", "peer", "name", "late1")
        self.addCleanup(self.network.host.ip, "link", "delete", "late0")
        self.network.host.ip("link", "set", "late0", "up")
        lab.wait_for(lambda: self.nest.show(unit, "ActiveState") == "active", "it has found its interface")

    def test_three_side_by_side(self) -> None:
        self.options("tcpeek", f"{SMALL} -i veth1")
        sockets = {
            UNIT: SOCKET,
            "tcpeek@veth1.service": "/run/tcpeek/veth1.sock",
            "tcpeek.service": "/run/tcpeek/tcpeek.sock",
        }
        for unit in sockets:
            self.nest.must("systemctl", "start", unit)
        Conversation(self.network.wire(0), RX4).succeed()
        lab.wait_for(lambda: self.counted() == 1, "the one of veth0 has counted")
        self.assertEqual([self.counted(path) for path in sockets.values()], [1, 0, 0])
        for unit in (UNIT, "tcpeek.service"):
            self.nest.must("systemctl", "stop", unit)
            self.assertFalse(self.nest.path(sockets.pop(unit)).exists())
            for path in sockets.values():
                self.assertTrue(self.nest.ask("GET", path).startswith(b"["), f"{path} without {unit}")

    def test_stops_soon(self) -> None:
        def end() -> float:
            self.nest.must("systemctl", "start", UNIT)
            begin = time.monotonic()
            self.nest.must("systemctl", "stop", UNIT)
            return time.monotonic() - begin

        self.assertLess(lab.least(end, 10.0), 10.0, "the unit allows 15 s")


if __name__ == "__main__":
    unittest.main()
