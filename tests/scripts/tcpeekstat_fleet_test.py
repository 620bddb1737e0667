"""`tcpeekstat fleet`: what events of many hosts say, out of JSON lines and of a real nats-server."""

from __future__ import annotations

import base64
import binascii
import json
import subprocess
import tempfile
import time
import unittest
import unittest.mock
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import live  # noqa: F401
import replies
from nats_server import NatsServer, connected
from replies import NOW, moment
from tcpeekstat_module import load
from tcpeekstat_test import TcpeekstatTest
from terminal import Terminal

TOOK_S = 0.0004  # an attempt of these
DATABASE, WEB = ("192.0.2.50", 5432), ("192.0.2.51", 443)


class Events:
    """Lines of one fleet; each host numbers its own."""

    def __init__(self, now: float = NOW) -> None:
        self.lines: list[bytes] = []
        self.now = now
        self._numbers: dict[str, int] = {}

    def outcome(self, host: str, service: tuple[str, int], cause: str = "", at: float = 0, **more: Any) -> None:
        number = self._numbers[host] = self._numbers.get(host, 0) + 1
        result = {"": "success", "refused": "reject", "unreachable": "unreach"}.get(cause, "timeout")
        line: dict[str, Any] = json.loads(replies.outcome(number, result, cause, boot=f"boot of {host}"))
        line |= {"time": moment(self.now + at), "host": host, **more}
        self.add({**line, "responder": {"address": service[0], "port": service[1]}})

    def add(self, event: object) -> None:
        self.lines.append(json.dumps(event).encode() + b"\n")

    def some(self, host: str, service: tuple[str, int], cause: str = "", number: int = 10, **more: Any) -> None:
        for n in range(number):
            self.outcome(host, service, cause, n, **more)


class FleetTest(TcpeekstatTest):
    def setUp(self) -> None:
        super().setUp()
        self.tool = load()
        self.events = Events()

    def counted(self, since: float | None = None, window: float | None = None) -> Any:
        fleet = self.tool.Fleet(since, window)
        for line in self.events.lines:
            fleet.take(line)
        return fleet

    def told(self, fleet: Any = None, by: str = "service", width: int = 140, hosts: Sequence[str] = ()) -> str:
        lines = self.tool.told_fleet(fleet or self.counted(), by, 20, hosts, self.tool.Look(width=width))
        return "\n".join(self.tool.plain(line) for line in lines)

    def findings(self, fleet: Any = None) -> dict[str, str]:
        found = self.tool.fleet_services(fleet or self.counted())
        return {one.name: self.tool.verdict_of(one)[0] for one in found if one.failing}


class VerdictTest(FleetTest):
    def test_all_hosts_point_at_the_service(self) -> None:
        for host in ("a", "b", "c"):
            self.events.some(host, DATABASE, "refused")
            self.events.some(host, WEB)
        text = self.told()
        self.assertIn("3 hosts, 60 events since ", text)
        self.assertIn("1. 192.0.2.50:5432 fails for all 3 hosts that connect to it: its side, not theirs.", text)
        self.assertIn("30 of 30 attempts failed: 30 refused", text)
        self.assertRegex(text, r"(?m)^192\.0\.2\.50:5432 +3/3 ")
        self.assertRegex(text, r"(?m)^192\.0\.2\.51:443 +0/3 ")
        self.assertLess(text.index("192.0.2.50:5432"), text.index("192.0.2.51:443"))

    def test_one_alone_points_at_itself(self) -> None:
        self.events.some("a", DATABASE, "no_answer")
        for host in ("b", "c"):
            self.events.some(host, DATABASE)
        self.assertEqual(self.findings(), {"192.0.2.50:5432": "here"})
        text = self.told()
        self.assertIn("fails for a alone, and works for 2 other hosts: that host or its path, not the service.", text)
        self.assertIn("b, c: 20 succeeded, 0 failed", text)
        self.assertIn("next  on a: tcpeekstat explain", text)

    def test_some_point_at_what_they_have_in_common(self) -> None:
        for host, cause in (("a", "no_answer"), ("b", "no_answer"), ("c", ""), ("d", "")):
            self.events.some(host, DATABASE, cause)
        self.assertIn("fails for 2 of 4 hosts that connect to it, a, b: ", self.told())

    def test_of_one_that_has_no_other_it_is_not_known(self) -> None:
        self.events.some("a", DATABASE, "refused")
        self.assertEqual(self.findings(), {"192.0.2.50:5432": "unknown"})
        self.assertIn("the only one that connects to it", self.told())

    def test_the_host_where_it_is_knows_better(self) -> None:
        self.events.some("a", DATABASE, "no_answer")
        self.events.some("db", DATABASE, filters=["RX"])
        text = self.told()
        self.assertIn("does not answer a, and where it is, on db, attempts succeed: the path between", text)
        self.assertRegex(text, r"(?m)^192\.0\.2\.50:5432 +1/1 +\S+ +10 ", "what both ends tell of counts once")

    def test_seen_only_where_it_is(self) -> None:
        self.events.some("db", DATABASE, "refused", filters=["RX", "db"])
        self.assertIn("as seen where it is, on db; nobody who connects to it reports", self.told())

    def test_a_few_failures_are_no_verdict(self) -> None:
        self.events.some("a", DATABASE, number=100)
        self.events.some("a", DATABASE, "refused", number=9)
        self.assertEqual(self.findings(), {})
        self.events.some("a", DATABASE, "refused", number=3)
        self.assertEqual(len(self.findings()), 1)

    def test_what_initiators_gave_up_is_none(self) -> None:
        self.events.some("a", DATABASE, "aborted", number=50)
        self.assertEqual(self.findings(), {})

    def test_a_judgement_of_the_host_counts(self) -> None:
        self.events.outcome("a", DATABASE, "refused")
        change = json.loads(replies.change(2, "tx 192.0.2.50:5432", "failing", "boot of a", "service"))
        self.events.add({**change, "host": "a", "failing_since": moment(NOW - 100)})
        (one,) = self.tool.fleet_services(self.counted())
        self.assertEqual((one.failing[0].state, one.since), ("failing", NOW - 100))
        self.events.add({**change, "seq": 3, "to": "ok", "host": "a"})
        self.assertEqual(self.findings(), {})

    def test_by_host(self) -> None:
        self.events.some("well", DATABASE)
        self.events.some("ill", DATABASE, "refused")
        rows = [line.split() for line in self.told(by="host").splitlines()[2:]]
        self.assertEqual([row[:4] for row in rows[1:]], [["ill", "1", "10", "0"], ["well", "0", "10", "0"]])
        self.assertNotIn("well", self.told(hosts=["ill"]))


class CountingTest(FleetTest):
    def test_aggregates_are_successes_alone(self) -> None:
        """Their failures were sent singly."""
        self.events.some("a", DATABASE, "refused", number=5)
        aggregate: dict[str, Any] = {"event": "aggregate", "host": "a", "boot": "b", "from": 1, "to": 105,
                                     "time": moment(NOW + 60), "interval_s": 10, "attempts": 105, "success": 100,
                                     "p50_seconds": 0.001, "p99_seconds": 0.1}
        self.events.add({**aggregate, "responder": {"address": DATABASE[0], "port": DATABASE[1]}})
        (one,) = self.tool.fleet_services(self.counted())
        counts = one.tally.counts
        self.assertEqual((counts.success, counts.failed), (100, 5))
        self.assertAlmostEqual(counts.p50 or 0, 0.001, delta=0.0001)
        self.assertAlmostEqual(counts.p99 or 0, 0.1, delta=0.01)
        self.assertEqual(one.last_success, NOW + 50)
        self.events.lines.clear()
        service = {"address": DATABASE[0], "port": DATABASE[1], "transport": "tcp"}
        self.events.add({**aggregate, "event": "tcpeek.aggregate", "service": service, "p50": 0.002})
        (one,) = self.tool.fleet_services(self.counted())
        self.assertEqual(one.tally.counts.success, 100)

    def test_aggregates_of_a_service_of_the_hosts_own(self) -> None:
        change = json.loads(replies.change(1, "rx 192.0.2.50:5432", "ok", "boot of db", "service"))
        self.events.add({**change, "host": "db"})
        self.events.add({"event": "aggregate", "host": "db", "time": moment(NOW), "interval_s": 10, "success": 9,
                         "attempts": 9, "responder": {"address": DATABASE[0], "port": DATABASE[1]}})
        (one,) = self.tool.fleet_services(self.counted())
        self.assertEqual((len(one.by), [seen.counts.success for seen in one.at]), (0, [9]))

    def test_aggregates_say_from_which_side(self) -> None:
        """A service seen from both sides is not added up twice."""
        service = {"address": DATABASE[0], "port": DATABASE[1]}
        for host, direction, success in (("a", "tx", 7), ("db", "rx", 6), ("db", "both", 2), ("span", "neither", 1)):
            self.events.add({"event": "aggregate", "host": host, "time": moment(NOW), "interval_s": 10, "success": success,
                             "attempts": success, "responder": service, "direction": direction})
        (one,) = self.tool.fleet_services(self.counted())
        self.assertEqual(sorted((seen.host, seen.counts.success) for seen in one.by), [("a", 7), ("db", 2), ("span", 1)])
        self.assertEqual([(seen.host, seen.counts.success) for seen in one.at], [("db", 8)])
        self.assertEqual(one.tally.counts.success, 10)

    def test_since_when(self) -> None:
        self.events.outcome("a", DATABASE, "refused", 1)
        self.events.outcome("a", DATABASE, "", 2)
        for at in (3, 4, 5):
            self.events.outcome("a", DATABASE, "refused", at)
        (one,) = self.tool.fleet_services(self.counted())
        self.assertAlmostEqual(one.since, NOW + 3 + TOOK_S, delta=1e-6, msg="when it ended, as TOP has it")
        self.assertAlmostEqual(one.last_success, NOW + 2 + TOOK_S, delta=1e-6)

    def test_an_attempt_that_nobody_answers_fails_when_it_is_given_up(self) -> None:
        self.events.some("a", DATABASE, "no_answer", duration_seconds=63.0)
        (one,) = self.tool.fleet_services(self.counted())
        self.assertEqual(one.since, NOW + 63)

    def test_what_is_older_is_left_out(self) -> None:
        self.events.some("a", DATABASE, "refused")
        self.assertEqual(self.counted(since=NOW + 5).events, 5)

    def test_each_event_counts_once(self) -> None:
        self.events.some("a", DATABASE)
        self.events.lines += self.events.lines[3:]
        fleet = self.counted()
        self.assertEqual((fleet.events, fleet.repeated), (10, 7))

    def test_gaps_are_loud(self) -> None:
        self.events.some("a", DATABASE)
        self.events.add({"gap": {"from": 11, "to": 30}, "boot": "boot of a", "host": "a"})
        self.events.add({"event": "gap", "boot": "boot of b", "seq": 1, "time": moment(NOW), "reason": "queue_full",
                         "count": 7, "host": "b"})
        self.assertIn("FIGURES ARE UNCERTAIN: 27 events are missing, of a, b", self.told())

    def test_what_it_does_not_know(self) -> None:
        self.events.some("a", DATABASE, number=1)
        self.events.add({"event": "weather", "host": "a", "time": moment(NOW), "more": [1]})
        self.events.add({"at": 7, "boot": "x"})
        for damaged in (b"{\n", b"[]\n", b'{"event":"outcome"}\n', b"\xff\n", b"[" * 100_000 + b"\n"):
            self.events.lines.append(damaged)
        fleet = self.counted()
        self.assertEqual((fleet.events, fleet.damaged), (2, 5))
        self.assertIn("5 lines left out, the first as ", self.told(fleet))

    def test_memory_is_bounded_and_failures_are_kept(self) -> None:
        with unittest.mock.patch.object(self.tool, "FLEET_CELLS_MOST", 64):
            self.events.some("a", DATABASE, "refused", number=4)
            for n in range(1000):
                self.events.outcome("a", (f"198.51.{n // 250}.{n % 250}", 80))
            fleet = self.counted()
        self.assertLessEqual(len(fleet.cells), 64)
        self.assertEqual(list(self.findings(fleet)), ["192.0.2.50:5432"])
        kept = sum(cell.tally.counts.attempts for cell in fleet.cells.values())
        self.assertEqual(kept + fleet.forgotten, 1004)
        self.assertIn("forgotten", self.told(fleet))
        with unittest.mock.patch.object(self.tool, "FLEET_HOSTS_MOST", 3):
            for n in range(9):
                self.events.outcome(f"host{n}", WEB)
            fleet = self.counted()
        self.assertEqual((len(fleet.hosts), fleet.hosts_not_kept), (3, 7))

    def test_a_window_that_moves(self) -> None:
        self.events.some("a", DATABASE, "refused")
        fleet = self.counted(window=600)
        fleet.slide(NOW + 300)
        self.assertEqual(len(self.findings(fleet)), 1)
        fleet.slide(NOW + 700)
        self.assertEqual(fleet.cells, {})

    def test_names_from_outside_cannot_drive_the_terminal(self) -> None:
        for host in ("a\x1b[2J", "b\u202e"):
            self.events.some(host, ("192.0.2.1\x1b[31m", 1), "refused")
        for by in ("service", "host"):
            text = self.told(by=by)
            self.assertNotRegex(text, "[\x00-\x09\x0b-\x1f\u202e]")
            self.assertIn("\\x1b[2J", text)

    def test_fits(self) -> None:
        for host in ("a", "b"):
            self.events.some(host, ("2001:db8:1111:2222:3333:4444:5555:6666", 65535), "refused")
        fleet = self.counted()
        for width in (60, 80, 132):
            for by in ("service", "host"):
                lines = self.told(fleet, by, width).splitlines()
                # A service's name is not broken.
                table = [line for line in lines if line.startswith(("SERVICE", "HOST", "2001", "[2001"))]
                self.assertTrue(table)
                self.assertLessEqual(max(map(len, table)), width)


class ProgramTest(FleetTest):
    def run_fleet(self, *options: str, lines: Sequence[bytes] | None = None) -> Any:
        given = b"".join(self.events.lines if lines is None else lines)
        return subprocess.run(self.command("fleet", *options), input=given, capture_output=True, check=False,
                              timeout=60)

    def command(self, *words: str) -> list[str]:
        return [self.tool.sys.executable, "-W", "error", self.tool.__file__, *words]

    def test_standard_input_and_files(self) -> None:
        self.events.some("a", DATABASE, "refused")
        done = self.run_fleet()
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn(b"1. 192.0.2.50:5432 fails for a", done.stdout)
        path = Path(self.socket).with_name("events")
        path.write_bytes(b"".join(self.events.lines).rstrip(b"\n"))
        self.assertEqual(self.run_fleet(str(path), lines=[]).stdout, done.stdout)

    def test_json(self) -> None:
        self.events.some("a", DATABASE, "refused")
        self.events.some("b", WEB)
        told = json.loads(self.run_fleet("--json").stdout)
        self.assertEqual((told["schema"], told["events"], told["hosts"], told["events_missing"]), (1, 20, 2, 0))
        first, second = told["services"]
        self.assertEqual((first["responder"], first["verdict"]), ({"address": DATABASE[0], "port": 5432}, "unknown"))
        self.assertEqual((first["failed"], first["causes"]["refused"], first["failing_since"]), (10, 10, moment(NOW + TOOK_S)))
        self.assertEqual([each["host"] for each in first["seen_by"]], ["a"])
        self.assertEqual((second["verdict"], second["failing_since"]), ("ok", None))

    def test_follows_standard_input(self) -> None:
        events = Events(time.time())
        events.some("a", DATABASE, "refused")
        process = subprocess.Popen(self.command("fleet", "--follow"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin and process.stdout
        with process:
            process.stdin.write(b"".join(events.lines))
            process.stdin.flush()
            for line in process.stdout:
                if b"on a: tcpeekstat explain" in line:
                    break
            else:
                self.fail("it ended without the finding")
            process.stdin.close()
            process.stdout.read()
        self.assertEqual(process.returncode, 0)

    def test_what_is_wrong_is_told_in_one_line(self) -> None:
        cases: list[tuple[list[str], list[bytes], int, bytes]] = [
            (["/nowhere/events"], [], 1, b"cannot read /nowhere/events (No such file"),
            ([], [b"hello\n"], 1, b"no line is an event with a host"),
            (["--nats", "http://x"], [], 2, b"is not an address such as nats://"),
            (["--nats", "nats://x:99999"], [], 2, b"is not an address such as nats://"),
            (["--nats", "nats://127.0.0.1:1"], [], 1, b"cannot read from nats://127.0.0.1:1 (Connection refused)"),
            (["--stream", "x"], [], 2, b"need --nats"),
            (["--once", "--follow"], [], 2, b"cannot be combined"),
            (["--nats", "nats://x", "--subject", "a b"], [], 2, b"is not a subject"),
            (["--nats", "nats://127.0.0.1", "--tls-ca", "/nowhere/ca"], [], 1, b"cannot use /nowhere/ca for TLS"),
            (["--nats", "nats://127.0.0.1", "--secret-file", "/nowhere/p"], [], 1, b"cannot read /nowhere/p"),
        ]
        for options, lines, status, wanted in cases:
            with self.subTest(options):
                done = self.run_fleet(*options, lines=lines)
                self.assertEqual(done.returncode, status, done)
                self.assertIn(wanted, done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_nothing_at_all(self) -> None:
        self.assertEqual(self.run_fleet(lines=[]).stdout, b"no event\n")


class NatsTest(FleetTest):
    """Against a real server."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.events = Events(time.time() - 60)

    def server(self, *options: str) -> NatsServer:
        return self.enterContext(NatsServer(self.folder, options))

    def ask(self, server: NatsServer, *options: str, login: str = "", scheme: str = "nats") -> Any:
        return self.run_it("fleet", "--nats", f"{scheme}://{login}localhost:{server.port}", *options)

    def fill(self, server: NatsServer, user: str = "", password: str = "") -> None:
        with connected(self.tool, server.port, user, password) as connection:
            server.make_stream(connection)
            server.publish(connection, self.events.lines)

    def test_a_stream(self) -> None:
        """More messages than one batch; and only those since the time."""
        for host in ("a", "b"):
            self.events.some(host, DATABASE, "refused", number=self.tool.NATS_BATCH - 100)
        server = self.server()
        self.fill(server)
        done = self.ask(server, "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        told = json.loads(done.stdout)
        self.assertEqual((told["events"], told["hosts"]), (2 * (self.tool.NATS_BATCH - 100), 2))
        self.assertEqual(told["services"][0]["verdict"], "there")
        since = self.ask(server, "--json", "--since", "1s")
        self.assertLess(json.loads(since.stdout)["events"], told["events"])
        one = self.ask(server, "--json", "--subject", "tcpeek.events.a.*", "--stream", "tcpeek")
        self.assertEqual(json.loads(one.stdout)["hosts"], 1)

    def test_no_stream_and_several(self) -> None:
        server = self.server()
        self.assert_fails(self.ask(server), "no stream has tcpeek.events.>")
        with connected(self.tool, server.port) as connection:
            for name in ("one", "two"):
                server.make_stream(connection, name, subjects=[f"tcpeek.events.{name}.>"])
        self.assert_fails(self.ask(server), "2 streams have tcpeek.events.>; name one with --stream: ")
        self.assertEqual(self.ask(server, "--stream", "one").stdout.split()[:2], ["no", "event"])
        self.assert_fails(self.ask(server, "--stream", "three"), "stream not found")

    def test_passwords_and_tokens(self) -> None:
        self.events.some("a", DATABASE)
        server = self.server("--user", "reader", "--pass", "s3cret")
        self.fill(server, "reader", "s3cret")
        self.assert_fails(self.ask(server), "refused (Authorization Violation)")
        self.assert_fails(self.ask(server, login="reader:wrong@"), "refused (Authorization Violation)")
        self.assertEqual(self.ask(server, login="reader:s3cret@").returncode, 0)
        (self.folder / "password").write_text("reader:s3cret\n", encoding="ascii")
        done = self.ask(server, "--secret-file", str(self.folder / "password"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_colons_in_a_password(self) -> None:
        """As tcpeek-forward reads such a file."""
        self.events.some("a", DATABASE)
        server = self.server("--user", "reader", "--pass", "a:b")
        self.fill(server, "reader", "a:b")
        (self.folder / "password").write_text("reader:a:b\n", encoding="ascii")
        self.assertEqual(self.ask(server, "--secret-file", str(self.folder / "password")).returncode, 0)

    def test_what_needs_an_nkey(self) -> None:
        """A .creds file is not read, and a server that wants one is not tried in vain: both say what to do."""
        config = self.folder / "nkey.conf"
        user = b"\xa0" + bytes(range(32))  # the kind, and a public key
        nkey = base64.b32encode(user + binascii.crc_hqx(user, 0).to_bytes(2, "little")).decode().rstrip("=")
        config.write_text(f"authorization {{ users: [{{ nkey: {nkey} }}, {{ user: reader, password: s3cret }}] }}\n",
                          encoding="ascii")
        server = self.server("-c", str(config))
        told = "nats --creds FILE sub --raw --all --stream NAME | tcpeekstat fleet --follow"
        self.assert_fails(self.ask(server), "refused (Authorization Violation)", told)
        self.assert_fails(self.ask(server, login="reader:wrong@"), "check the address, the user and the stream")
        self.assert_fails(self.ask(server, login="reader:s3cret@"), "no stream has tcpeek.events.>")
        for name, text in (("user.creds", "-----BEGIN NATS USER JWT-----\neyJ0\n------END NATS USER JWT------\n"),
                           ("user.nk", "SU" + "A" * 56 + "\n")):
            (self.folder / name).write_text(text, encoding="ascii")
            done = self.ask(server, "--secret-file", str(self.folder / name))
            self.assert_fails(done, f"{name} is a .creds file or an nkey", told)
        (self.folder / "empty").touch()
        self.assert_fails(self.ask(server, "--secret-file", str(self.folder / "empty")), "user:password or a token")

    def test_a_token(self) -> None:
        server = self.server("--auth", "t0ken")
        self.events.some("a", DATABASE)
        self.fill(server, "", "t0ken")
        self.assertEqual(self.ask(server, login="t0ken@").returncode, 0)
        self.assert_fails(self.ask(server, login="other@"), "Authorization Violation")

    def test_tls(self) -> None:
        certificate, key = str(self.folder / "cert.pem"), str(self.folder / "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                        "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=60)
        server = self.server("--tls", "--tlscert", certificate, "--tlskey", key)
        context = self.tool.ssl.create_default_context(cafile=certificate)
        connection = self.tool.NatsConnection(self.tool.NatsPlace("localhost", server.port, True, "", ""), context)
        self.events.some("a", DATABASE)
        server.make_stream(connection)
        server.publish(connection, self.events.lines)
        connection.close()
        self.assert_fails(self.ask(server), "certificate verify failed", "--tls-ca")
        for scheme in ("nats", "tls"):
            done = self.ask(server, "--tls-ca", certificate, scheme=scheme)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("1 host, 10 events", done.stdout)
        server.stop()
        server.log.unlink()
        asks = self.server("--tlsverify", "--tlscacert", certificate, "--tlscert", certificate, "--tlskey", key)
        self.assertEqual(self.ask(asks, "--tls-ca", certificate).returncode, 1)
        done = self.ask(asks, "--tls-ca", certificate, "--tls-cert", certificate, "--tls-key", key)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("1 host, 10 events", done.stdout)

    def test_follows_over_a_restart_of_the_server(self) -> None:
        """On a terminal; each event counts once."""
        self.events.some("a", DATABASE)
        server = self.server()
        self.fill(server)
        command = [self.tool.sys.executable, "-W", "error", self.tool.__file__, "fleet", "--nats",
                   f"nats://127.0.0.1:{server.port}"]
        with Terminal(command, 100, 30) as terminal:
            terminal.wait_for("1 host, 10 events")
            server.stop()
            terminal.wait_for("trying again")
            server.log.unlink()
            server.start()
            self.events.lines.clear()
            self.events.some("a", DATABASE, "refused", number=40)
            with connected(self.tool, server.port) as connection:
                server.publish(connection, self.events.lines)
            terminal.wait_for("1 host, 50 events", 60)
            self.assertIn("1. 192.0.2.50:5432 fails for a", terminal.text())
            terminal.type("\x03")
            self.assertEqual(terminal.wait_end(), 130)

    def test_something_else_listens(self) -> None:
        with self.tool.socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]

            def answer() -> None:
                with listener.accept()[0] as client:
                    client.sendall(b"HTTP/1.1 400 Bad\r\n")

            thread = self.tool.threading.Thread(target=answer)
            thread.start()
            done = self.run_it("fleet", "--nats", f"nats://127.0.0.1:{port}")
            thread.join()
        self.assert_fails(done, "it does not begin as a NATS server does")


if __name__ == "__main__":
    unittest.main()
