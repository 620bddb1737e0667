"""tcpeekstat against a running tcpeek."""

import json
import os
import pathlib
import subprocess
import sys
import unittest

import lab
from conversation import RX4, TX6, Conversation
from lab import Lab
from monitor import Finished, Monitor

TOOL = lab.ROOT / "scripts" / "tcpeekstat"

setUpModule = lab.require


def tcpeekstat(path: pathlib.Path, *options: str, search_path: pathlib.Path | None = None) -> Finished:
    environment = dict(os.environ)
    if search_path is not None:
        environment["PATH"] = f"{search_path}:{environment['PATH']}"
    done = subprocess.run(
        [sys.executable, "-W", "error", str(TOOL), "-U", str(path), *options],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=lab.DEADLINE_S,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


class Tcpeekstat(unittest.TestCase):
    def test_against_a_running_tcpeek(self) -> None:
        with Lab() as network, Monitor(network, "web:RX@%:80") as monitor:
            wire = network.wire()
            Conversation(wire, RX4, responder_port=80).succeed()
            refused = Conversation(wire, TX6)
            refused.syn()
            refused.refuse()
            monitor.wait_delivered(5)
            self._check_json(monitor)
            self._check_summary(monitor)
            self._check_gmetric(network, monitor)

    def _check_json(self, monitor: Monitor) -> None:
        for option in ("-j", "--json"):
            finished = tcpeekstat(monitor.socket_path, option)
            self.assertEqual((finished.status, finished.stderr), (0, ""))
            self.assertEqual(json.loads(finished.stdout), json.loads(monitor.ask("GET")))

    def _check_summary(self, monitor: Monitor) -> None:
        finished = tcpeekstat(monitor.socket_path)
        self.assertEqual((finished.status, finished.stderr), (0, ""))
        mine = finished.stdout.splitlines()
        success = "   Success: 1 session"
        for title, first in ((" RX", success), (" web", success), (" pcap stats", "   recv   : 5")):
            self.assertEqual(mine[mine.index(title) + 1], first)
        place = mine.index(" TX")
        self.assertEqual(
            mine[place + 1 : place + 8],
            [
                "   Success: 0 session",
                "     SYN Segment Duplicate :      0",
                "     S/A Segment Duplicate :      0",
                "   Failure: 1 session",
                "     Connection Timed Out  :      0",
                "     Connection Rejected   :      1",
                "     ICMP Unreachable      :      0",
            ],
        )

    def _check_gmetric(self, network: Lab, monitor: Monitor) -> None:
        """A gmetric that writes down how it was called; a second run tells only what is new."""
        folder = network.folder / "bin"
        folder.mkdir()
        log = network.folder / "gmetric.log"
        fake = folder / "gmetric"
        fake.write_text(f'#!/bin/sh\nprintf "%s " "$@" >> {log}\necho >> {log}\n', encoding="ascii")
        fake.chmod(0o755)
        values = []
        for _ in range(2):
            finished = tcpeekstat(monitor.socket_path, "-g", search_path=folder)
            self.assertEqual(finished.status, 0, finished)
            calls = log.read_text(encoding="ascii")
            log.unlink()
            self.assertEqual(len(calls.splitlines()), 12)
            self.assertEqual(calls.count("uint32"), 12)
            values.append(next(line for line in calls.splitlines() if "tcpeek_TX_failure_reject" in line))
        self.assertRegex(values[0], r"\b1\b")
        self.assertNotRegex(values[1], r"\b1\b")

    def test_root_checks_whose_socket_it_reads(self) -> None:
        """One that root started is root's, also as nobody; one that nobody started is not."""
        as_nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all,+net_raw",
                     "--ambient-caps=-all,+net_raw")  # fmt: skip
        with Lab() as network:
            with Monitor(network, "-u", "nobody") as monitor:
                self.assertEqual(tcpeekstat(monitor.socket_path).status, 0)
                monitor.stop()
                monitor.socket_path.unlink()
                monitor.socket_path.with_name("monitor.sock.lock").unlink()
            os.chown(network.folder, 65534, 65534)
            binary = lab.copy_of_binary(network)
            with Monitor(network, launcher=as_nobody, binary=binary) as monitor:
                finished = tcpeekstat(monitor.socket_path)
                self.assertEqual((finished.status, finished.stdout), (1, ""))
                self.assertIn("belongs to user nobody, who could make up any reply", finished.stderr)
                self.assertEqual(tcpeekstat(monitor.socket_path, "--any-owner").status, 0)
                os.chown(network.folder, 0, 0)
                os.chown(monitor.socket_path, 0, 0)
                self.assertIn("the process that listens there", tcpeekstat(monitor.socket_path).stderr)
                os.chown(network.folder, 65534, 65534)

    def test_nobody_listens(self) -> None:
        with Lab(links=0) as network:
            finished = tcpeekstat(network.folder / "none.sock")
            self.assertEqual((finished.status, finished.stdout), (1, ""))
            self.assertEqual(len(finished.stderr.splitlines()), 1)
            self.assertIn("none.sock", finished.stderr)

    def test_after_the_end(self) -> None:
        with Lab() as network:
            with Monitor(network) as monitor:
                monitor.process.kill()
                monitor.process.wait()
            self.assertEqual(tcpeekstat(monitor.socket_path).status, 1)


if __name__ == "__main__":
    unittest.main()
