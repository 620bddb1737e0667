"""Every example of tcpeekstat(1) is run, against stand-ins for tcpeek, gmetric and a broker."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import unittest
from pathlib import Path

import live  # noqa: F401
import replies
from nats_server import NatsServer, connected
from replies import encoded, everything
from tcpeekstat_module import TCPEEKSTAT, load
from tcpeekstat_test import GET, TcpeekstatTest
from terminal import Terminal

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "tcpeekstat.1"
# How an example begins, and what it shows then, or leaves in a file. Those of ENDLESS do not end by themselves.
WANTED: list[tuple[str, str]] = [
    ("tcpeekstat top --once > incident.txt", "FAILING"),
    ("tcpeekstat top", "q quit  ? help"),
    ("tcpeekstat history --since 02:00 -f web", "UNTIL"),
    ("tcpeekstat -U eth0", "FILTER"),
    ("tcpeekstat watch --failures --json |", "refused 2001:db8::9"),
    ("tcpeekstat check -f web", "TCPEEK "),
    ("tcpeekstat prometheus -o", "tcpeek_handshakes_total"),
    ("tcpeekstat -g", "--name=tcpeek_RX_failure_reject"),
    ("tcpeekstat -j |", "RX 13\nTX 1234563\n"),
    ("tcpeekstat fleet --nats nats://broker:4222 --since", "1 host, 1 event"),
    ("tcpeekstat fleet --nats", "1 host, 1 event"),
    ("cat /var/log/tcpeek/*.jsonl |", "HOST"),
]
ENDLESS = ("tcpeekstat top", "tcpeekstat watch --failures --json |", "tcpeekstat fleet --nats")
FILES = {"tcpeekstat top --once": "incident.txt", "tcpeekstat prometheus": "var/lib/prometheus/node-exporter/tcpeek.prom",
         "tcpeekstat -g": "calls"}


def examples() -> list[str]:
    """Commands, each with the lines that it goes on in."""
    section = MANUAL.read_text(encoding="utf-8").split(".Sh EXAMPLES\n")[1].split("\n.Sh ")[0]
    lines = re.findall(r"^\.Dl (.+)$", section, re.M)
    for block in re.findall(r"^\.Bd [^\n]*\n(.*?)^\.Ed$", section, re.M | re.S):
        lines += re.sub(r"\n +", " ", block).splitlines()
    commands = [re.sub(r"^(?:[#$] |\* \* \* \* \* root )", "", line) for line in lines]
    return [command.replace(r"\e", "\\").replace(r"\&", "") for command in commands]


class ManualTest(TcpeekstatTest):
    def setUp(self) -> None:
        super().setUp()
        for name in ("var/lib/nagios", "var/lib/prometheus/node-exporter", "var/log/tcpeek"):
            (self.folder / name).mkdir(parents=True)
        self.install_gmetric()
        program = self.folder / "bin" / "tcpeekstat"
        program.write_text(f'#!/bin/sh\n[ "$1" = fleet ] || set -- -U {self.socket} --any-owner "$@"\n'
                           f'exec {sys.executable} -W error {TCPEEKSTAT} "$@"\n')
        program.chmod(0o755)
        (self.folder / "eth0").symlink_to(self.socket)  # so -U eth0 is a file here
        self.environment["PATH"] = f"{program.parent}:{os.environ['PATH']}"
        event = json.loads(replies.outcome(1, "reject", "refused"))
        self.event = json.dumps({**event, "host": "db", "time": replies.moment(time.time() - 60)}).encode()
        (self.folder / "var/log/tcpeek/db.jsonl").write_bytes(self.event + b"\n")
        self.broker = self.enterContext(NatsServer(self.folder))
        with connected(load(), self.broker.port) as connection:
            self.broker.make_stream(connection)
            self.broker.publish(connection, [self.event])

    def here(self, command: str) -> str:
        """With files and a broker of the test's own; a watch of two events, as the stand-in then ends it."""
        command = re.sub(r"/var/(?=lib|log)", f"{self.folder}/var/", command)
        command = command.replace("broker:4222", f"127.0.0.1:{self.broker.port}")
        # Whatever time it is now: the stand-in's history ends minutes ago.
        hour_ago = time.strftime("%H:%M", time.localtime(time.time() - 3600))
        return re.sub(r"--since \d\d:\d\d", f"--since {hour_ago}", command)

    def test_each_example(self) -> None:
        now = time.time()
        answers = {"GET": encoded(GET), **{word: encoded(value) for word, value in everything(now).items()}}
        answers["WATCH"] = replies.outcome(1, "reject", "refused") + replies.change(2, "db", "failing")
        expected = dict(WANTED)
        for command in examples():
            begin = next((each for each in expected if command.startswith(each)), None)
            self.assertIsNotNone(begin, f"what does this example show? {command}")
            assert begin is not None
            wanted = expected.pop(begin)
            with self.subTest(command), self.tcpeek(answers):
                self.check(self.here(command), begin, wanted)
        self.assertEqual(list(expected), [], "these are no longer in the manual")

    def check(self, command: str, begin: str, wanted: str) -> None:
        if begin in ENDLESS:
            with Terminal(["sh", "-c", f"cd {self.folder}; {command}"], 120, 40, self.environment) as terminal:
                terminal.wait_for(wanted)
                terminal.type("\x03")
                terminal.wait_end()
            return
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=self.folder, timeout=60,
                              env=self.environment, check=False)
        self.assertEqual(done.stderr, "")
        self.assertIn(done.returncode, (0, 2) if "check" in command else (0,))
        file = next((name for start, name in FILES.items() if begin.startswith(start)), None)
        self.assertIn(wanted, (self.folder / file).read_text() if file else done.stdout)


if __name__ == "__main__":
    unittest.main()
