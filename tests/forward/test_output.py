"""Dry runs, redacted addresses, how a broker is logged in to, and what is refused."""

from __future__ import annotations

import ipaddress
import json
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest
from collections.abc import Mapping
from typing import Any

import parts
import paths  # noqa: F401  (to the modules of tests/live)

from json_schema import load, violations
from fake_tcpeek import FakeTcpeek
from nats_client import Client, Stored
from parts import DEADLINE_S, Forwarder, NatsServer, assert_exactly_once, binary, wait_for

setUpModule = parts.require


class OutputCase(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="tcpeek-")))
        self.socket = self.folder / "tcpeek.sock"

    def dry_run(self, fake: FakeTcpeek, events: int, *options: str, tell: bool = True) -> list[Any]:
        """Its lines, of so many events."""
        out = self.folder / "out.jsonl"
        words = [str(binary()), "--dry-run", "--host", "web1", "--socket", str(self.socket), *options]
        with open(out, "wb") as output, subprocess.Popen(words, stdout=output, stderr=subprocess.PIPE) as process:
            wait_for(lambda: fake.watchers() == 1, "it watches")
            if tell:
                fake.tell(events)
            wait_for(lambda: out.read_bytes().count(b"\n") >= events, f"{events} lines")
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=DEADLINE_S)
        self.assertEqual(process.returncode, 0, said)
        return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


class DryRun(OutputCase):
    def test_lines_with_the_host(self) -> None:
        with FakeTcpeek(self.socket, failures_percent=20) as fake:
            lines = self.dry_run(fake, 300)
        self.assertEqual([line["seq"] for line in lines], list(range(1, 301)))
        self.assertEqual({line["host"] for line in lines}, {"web1"})

    def test_resumes_where_a_state_says(self) -> None:
        state = ("--state", str(self.folder / "state"))
        with FakeTcpeek(self.socket) as fake:
            first = self.dry_run(fake, 100, *state)
            fake.tell(50)
            second = self.dry_run(fake, 50, *state, tell=False)
        self.assertEqual([line["seq"] for line in first + second], list(range(1, 151)))

    def test_each_line_is_as_the_schema_says(self) -> None:
        """Of outcomes, and of events that are kept no longer."""
        schema = load("forward.json")
        state = ("--state", str(self.folder / "state"))
        with FakeTcpeek(self.socket, kept=50, failures_percent=50) as fake:
            lines = self.dry_run(fake, 10, *state)
            fake.tell(200)
            lines += self.dry_run(fake, 51, *state, tell=False)
        self.assertEqual(len(lines), 61)
        self.assertEqual(lines[10]["gap"], {"from": 11, "to": 160})
        for line in lines:
            self.assertEqual(violations(schema, line), [], line)

    def test_redacted_alike_by_the_same_key(self) -> None:
        key = self.folder / "key"
        key.write_text("0123456789abcdef", encoding="utf-8")
        with FakeTcpeek(self.socket, failures_percent=20) as fake:
            plain = self.dry_run(fake, 200)
            fake.restart()
            one = self.dry_run(fake, 200, "--redact-key", str(key))
            fake.restart()
            other = self.dry_run(fake, 200, "--redact-key", str(key))
            fake.restart()
            drawn = self.dry_run(fake, 200, "--redact")
        names = ("client.address", "server.address")
        for name in names:
            self.assertEqual([line[name] for line in one], [line[name] for line in other])
            self.assertNotEqual([line[name] for line in one], [line[name] for line in drawn])
            pairs = {(was[name], now[name]) for was, now in zip(plain, one, strict=True)}
            self.assertEqual(len(pairs), len({was for was, _ in pairs}))
            self.assertEqual(len(pairs), len({now for _, now in pairs}))
        for line in one:
            ipaddress.IPv4Address(line["client.address"])
            self.assertEqual(line["client.address"], line["initiator"]["address"])
            self.assertEqual(line["server.address"], line["responder"]["address"])
            self.assertNotIn("198.51.", json.dumps(line["initiator"]))

    def test_ends_when_nobody_reads(self) -> None:
        with FakeTcpeek(self.socket) as fake:
            words = [str(binary()), "--dry-run", "--socket", str(self.socket)]
            with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                wait_for(lambda: fake.watchers() == 1, "it watches")
                assert process.stdout is not None
                process.stdout.close()
                fake.tell(1000)
                self.assertEqual(process.wait(DEADLINE_S), 1)
                assert process.stderr is not None
                self.assertRegex(process.stderr.read(), rb"cannot write to standard output, \d+ lines are lost: its reader has closed it\n$")

    def test_ends_when_the_disk_is_full(self) -> None:
        with FakeTcpeek(self.socket) as fake, open("/dev/full", "wb") as full:
            words = [str(binary()), "--dry-run", "--socket", str(self.socket)]
            with subprocess.Popen(words, stdout=full, stderr=subprocess.PIPE) as process:
                wait_for(lambda: fake.watchers() == 1, "it watches")
                fake.tell(1)
                _, said = process.communicate(timeout=DEADLINE_S)
        self.assertEqual(process.returncode, 1)
        self.assertRegex(said, rb"cannot write to standard output, 1 lines are lost: No space left on device\n$")

    def test_stopped_while_its_reader_stalls(self) -> None:
        """What was not written is told, and written after a restart."""
        state, events = self.folder / "state", 20_000
        words = [str(binary()), "--dry-run", "--host", "web1", "--socket", str(self.socket), "--state", str(state)]
        with FakeTcpeek(self.socket) as fake:
            with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                wait_for(state.exists, "it has begun")
                fake.tell(events)
                time.sleep(1.5)  # longer than between two states
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(DEADLINE_S), 0)
                assert process.stdout is not None and process.stderr is not None
                written = process.stdout.read().splitlines(keepends=True)
                self.assertRegex(process.stderr.read(), rb"ends: \d+ lines were not written to standard output\n$")
            seen = {json.loads(line)["seq"] for line in written if line.endswith(b"\n")}
            self.assertLess(len(seen), events)
            after = self.dry_run(fake, events - max(seen), "--state", str(state), tell=False)
        self.assertEqual(seen | {line["seq"] for line in after}, set(range(1, events + 1)))


class Broker(OutputCase):
    def forward(self, server: NatsServer, url: str, *options: str, login: Mapping[str, str]) -> None:
        with FakeTcpeek(self.socket) as fake, Forwarder(self.folder, url, self.socket, "--create-stream", *options) as forwarder:
            wait_for(lambda: fake.watchers() == 1 and "connected to" in forwarder.said(), "it is connected")
            fake.tell(100)

            def messages() -> list[Stored]:
                with Client(server.port, login=login) as client:
                    found = client.messages()
                return found if len(found) >= 100 else []

            assert_exactly_once(self, wait_for(messages, "all are stored"), fake.told)

    def test_token_and_password(self) -> None:
        secret = self.folder / "secret"
        for entry, text, login in (
            ('token: "s3cret"', "s3cret", {"auth_token": "s3cret"}),
            ('user: "me", password: "pa:ss"', "me:pa:ss", {"user": "me", "pass": "pa:ss"}),
        ):
            with self.subTest(entry), tempfile.TemporaryDirectory() as folder:
                secret.write_text(text + "\n", encoding="utf-8")
                with NatsServer(pathlib.Path(folder), more=f"\nauthorization: {{ {entry} }}\n") as server:
                    self.forward(server, server.url, "--secret-file", str(secret), login=login)
            (self.folder / "web1.state").unlink(missing_ok=True)

    def test_tls_with_a_certificate_of_its_own(self) -> None:
        key, certificate = self.folder / "key.pem", self.folder / "cert.pem"
        subprocess.run(
            ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", str(key), "-out", str(certificate)),
            check=True, capture_output=True, timeout=DEADLINE_S,
        )  # fmt: skip
        tls = f'\ntls {{ cert_file: "{certificate}", key_file: "{key}", ca_file: "{certificate}", verify: true }}\n'
        mine = ("--tls-ca", str(certificate), "--tls-cert", str(certificate), "--tls-key", str(key))
        with NatsServer(self.folder, more=tls) as server, FakeTcpeek(self.socket) as fake:
            url = f"tls://localhost:{server.port}"
            with Forwarder(self.folder, url, self.socket, "--create-stream", *mine) as forwarder:
                wait_for(lambda: "connected to" in forwarder.said() and fake.watchers() == 1, "it is connected")
                fake.tell(100)
                wait_for(lambda: '"seq":100' in (forwarder.state.exists() and forwarder.state.read_text() or ""), "all are stored")
            with Forwarder(self.folder, url, self.socket, host="web2") as stranger:
                wait_for(lambda: "cannot connect to the broker" in stranger.said(), "it does not trust the broker")


class Refused(OutputCase):
    def test_options(self) -> None:
        for options, said in (
            (("--window", "0"), "--window: '0' is not a whole number from 1 to 1000000"),
            (("--credentials",), "--credentials needs a value; tcpeek-forward --help lists the options"),
            (("--redact-key", str(self.folder / "none")), "--redact-key: cannot read"),
            (("--tls-ca", str(self.folder / "none")), "--tls-ca '"),
        ):
            done = subprocess.run((str(binary()), "--state", str(self.folder / "state"), *options), capture_output=True, text=True, timeout=DEADLINE_S, check=False)  # fmt: skip
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertTrue(done.stderr.startswith(f"tcpeek-forward: {said}"), done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_two_with_one_state(self) -> None:
        with NatsServer(self.folder) as server, FakeTcpeek(self.socket) as fake, Forwarder(self.folder, server.url, self.socket) as one:
            wait_for(lambda: fake.watchers() == 1, "it watches")
            done = subprocess.run(one.words, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("another tcpeek-forward may be using", done.stderr)


if __name__ == "__main__":
    unittest.main()
