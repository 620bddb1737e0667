"""Metrics on a socket that systemd hands over: the service opens no IP socket and is as tight as without."""

from __future__ import annotations

import http.client
import pathlib
import socket
import unittest

import nest
from freeze import Frozen
import lab

UNIT = "tcpeek.service"
SOCKET = "tcpeek-metrics.socket"
PORT = 9475

setUpModule = nest.require


class MetricsSocket(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(lab.Lab())
        self.nest = self.enterContext(nest.Nest(self.network))

    def options(self, options: str) -> None:
        self.nest.write("/etc/default/tcpeek", f"TCPEEK_OPTIONS='-i veth0 -B 4 --max-sessions 1000 {options}'\n")

    def get(self, path: str, address: str = "127.0.0.1", namespace: lab.Namespace | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection(address, PORT, timeout=lab.DEADLINE_S)
        with (namespace or self.network.host).connect(address, PORT) as made:
            connection.sock = made
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()

    def test_scraped_by_a_service_that_speaks_no_ip(self) -> None:
        self.options("--threads 2 --metrics-listen systemd")
        self.nest.must("systemctl", "start", SOCKET)
        self.nest.must("systemctl", "start", UNIT)
        status, text = self.get("/metrics")
        self.assertEqual(status, 200)
        self.assertIn('tcpeek_handshakes_total{filter="RX"} 0\n', text)
        self.assertEqual(self.get("/healthz"), (200, "ok\n"))
        self.assertNotIn("AF_INET", self.nest.show(UNIT, "RestrictAddressFamilies"))
        reader = max(int(task.name) for task in pathlib.Path(f"/proc/{self.nest.main_process(UNIT)}/task").iterdir())
        frozen = Frozen(reader)
        lab.wait_for(lambda: self.get("/healthz")[0] == 503, "/healthz tells of a reader that hangs")
        self.assertRegex(self.get("/healthz")[1], r"^the readers have not answered for \d+ s\n$")
        self.nest.must("systemctl", "kill", "--signal=KILL", UNIT)
        lab.wait_for(frozen.killed, "the frozen reader has ended")

    def test_a_scrape_starts_the_service(self) -> None:
        self.options("--metrics-listen systemd")
        self.nest.must("systemctl", "start", SOCKET)
        self.assertEqual(self.get("/metrics")[0], 200)
        self.assertEqual(self.nest.show(UNIT, "ActiveState"), "active")

    def test_only_this_host_may_ask(self) -> None:
        """Though it listens on an address that others reach, by the .socket unit's rules."""
        self.options("--metrics-listen systemd")
        self.nest.drop_in(SOCKET, f"[Socket]\nListenStream=\nListenStream={PORT}\n")
        self.nest.must("systemctl", "start", SOCKET)
        self.nest.must("systemctl", "start", UNIT)
        self.assertEqual(self.get("/healthz")[0], 200)
        made = self.network.peer.make_socket(socket.AF_INET)
        made.settimeout(2)
        with made, self.assertRaises(OSError):
            made.connect((lab.HOST_V4, PORT))

    def test_nothing_serves_the_socket(self) -> None:
        self.options("")
        self.nest.must("systemctl", "start", SOCKET)
        self.nest.must("systemctl", "start", UNIT)
        messages = " ".join(str(entry["MESSAGE"]) for entry in self.nest.journal(UNIT))
        self.assertIn("passed a socket that nothing serves: add --metrics-listen systemd", messages)

    def test_no_socket_was_handed_over(self) -> None:
        self.options("--metrics-listen systemd")
        self.nest.run("systemctl", "start", UNIT)
        messages = " ".join(str(entry["MESSAGE"]) for entry in self.nest.journal(UNIT))
        self.assertIn("passed no socket (LISTEN_FDS); enable tcpeek-metrics.socket", messages)


if __name__ == "__main__":
    unittest.main()
