"""tcpeekstat against a running tcpeek."""

import json
import os
import pathlib
import re
import subprocess
import sys
import unittest
from socket import AF_INET
from typing import Any

import lab
import stacks
from conversation import RX4, TX4, TX6, Conversation
from lab import HOST_V4, PEER_V4, Lab
from monitor import Finished, Monitor, stopped
from terminal import Terminal

WEB_PORT = 8080
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


def knows(monitor: Monitor, word: str) -> bool:
    return not monitor.ask(word).startswith(b"[")


def on_a_terminal(monitor: Monitor, *options: str, columns: int = 80, rows: int = 24) -> Terminal:
    return Terminal([sys.executable, "-W", "error", str(TOOL), "-U", str(monitor.socket_path), *options], columns, rows)


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
            self._check_blocks(monitor)
            self._check_gmetric(network, monitor)

    def _check_json(self, monitor: Monitor) -> None:
        for option in ("-j", "--json"):
            finished = tcpeekstat(monitor.socket_path, option)
            self.assertEqual((finished.status, finished.stderr), (0, ""))
            self.assertEqual(json.loads(finished.stdout), json.loads(monitor.ask("GET")))

    def _check_blocks(self, monitor: Monitor) -> None:
        finished = tcpeekstat(monitor.socket_path, "--blocks")
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


class Words(unittest.TestCase):
    """What each word tells of real replies."""

    def setUp(self) -> None:
        self.network = self.enterContext(Lab())

    def told(self, monitor: Monitor, *arguments: str) -> list[list[str]]:
        finished = tcpeekstat(monitor.socket_path, *arguments)
        self.assertEqual((finished.status, finished.stderr), (0, ""), finished)
        return [line.split() for line in finished.stdout.splitlines()]

    def play(self, monitor: Monitor) -> None:
        """Six attempts at a web server here that succeed, five at a database there that are refused."""
        wire = self.network.wire()
        for _ in range(6):
            Conversation(wire, RX4, responder_port=80).succeed()
        for _ in range(5):
            refused = Conversation(wire, TX4, responder_port=5432)
            refused.syn()
            refused.refuse()
        monitor.wait_counts({"success": 6, "refused": 5})
        lab.wait_for(lambda: b"never_succeeded" in monitor.ask("STATS"), "the database is judged")

    def test_of_a_service_that_refuses(self) -> None:
        with Monitor(self.network, "web:RX@%:80", "db:TX@%:5432", "odd name|:RX@%:9") as monitor:
            self.play(monitor)
            rows = self.told(monitor)
            by_name = {row[0]: row for row in reversed(rows) if len(row) > 10}
            self.assertEqual([row[0] for row in rows if row and row[0] in ("db", "web", "TX", "RX")][:2], ["TX", "db"])
            self.assertEqual(by_name["db"][1:3], ["never", "ok"])
            self.assertEqual(by_name["db"][4:8], ["5", "0", "0", "5"])
            self.assertEqual(by_name["web"][3:7], ["6", "0", "100", "0"])
            self.assertNotIn("odd", by_name)
            self.assertIn("odd", [row[0] for row in self.told(monitor, "--all") if row])

            service = self.told(monitor, "top", "1")[1]
            self.assertEqual(service[:4], ["10.77.0.1:5432", "tx", "5", "5"])
            self.assertEqual(self.told(monitor, "top", "--by", "pair")[1][:4], ["10.77.0.2", "10.77.0.1", "5", "5"])
            lab.wait_for(lambda: len(self.told(monitor, "history", "--by", "second")) > 1, "a second is over")
            history = self.told(monitor, "history", "--by", "second", "--all")
            self.assertEqual(sum(int(row[4]) for row in history[1:]), 5)
            self.assertEqual(len(self.told(monitor, "rates", "-n", "1")), 2)
            self.assertIn(
                ['tcpeek_handshake_failures_total{filter="db",reason="refused"}', "5"], self.told(monitor, "prometheus")
            )
            self.assertEqual(json.loads(tcpeekstat(monitor.socket_path, "ask", "TOP", "1").stdout)["by"], "service")
            if knows(monitor, "EXPLAIN"):
                explained = tcpeekstat(monitor.socket_path, "explain")
                self.assertIn("10.77.0.1:5432", explained.stdout)
                self.assertRegex(explained.stdout, r"(?m)^ +next  \S")

    def test_check(self) -> None:
        with Monitor(self.network, "db:TX@%:5432") as monitor:
            self.play(monitor)
            lab.wait_for(
                lambda: "5 refused" in tcpeekstat(monitor.socket_path, "check", "-f", "db").stdout, "it is in HISTORY"
            )
            options = ("check", "-f", "db", "--min-attempts", "1", "-w", "10")
            self.assertEqual(tcpeekstat(monitor.socket_path, *options).status, 1)
            finished = tcpeekstat(monitor.socket_path, *options, "-c", "50")
            self.assertEqual(finished.status, 2)
            self.assertIn("TCPEEK CRITICAL - db: 100% failed (5 of 5: 5 refused)", finished.stdout)
            state = ("--state", str(self.network.folder / "state"))
            self.assertEqual(tcpeekstat(monitor.socket_path, *options, *state).status, 1)
            finished = tcpeekstat(monitor.socket_path, *options, *state)
            self.assertEqual(finished.status, 0)
            self.assertIn("no attempt ended in ", finished.stdout)

    def test_top_frame_by_frame(self) -> None:
        """A service that works, goes down, and comes back."""
        with Monitor(self.network, f"web:RX@%:{WEB_PORT}") as monitor, on_a_terminal(monitor, "top") as terminal:
            self.assertIn("no attempt seen yet", terminal.wait_for("q quit"))
            self.connect(succeed=4)
            terminal.wait_for("nothing is failing")
            terminal.wait_for(f"{HOST_V4}:{WEB_PORT}")
            self.connect(refused=4)
            terminal.wait_for("! web")
            self.assertRegex(terminal.text(), r"(?m)^FAILING .* since \S+ .*: .*web")
            self.assertRegex(terminal.text(), r"(?m)^! web .* 4 ")
            terminal.wait_for(lambda: "4 of 8 refused" in terminal.text() or "Nobody listens" in terminal.text())
            terminal.type("jjjjj\r")
            terminal.wait_for("LAST TEN MINUTES")
            self.assertIn(f"tcp port {WEB_PORT} and host {HOST_V4}", terminal.wait_for("COMMANDS"))
            terminal.type("q")
            self.connect(succeed=4)
            terminal.wait_for(lambda: "! web" not in terminal.text() and "web" in terminal.text())
            terminal.type("q")
            self.assertEqual(terminal.wait_end(), 0)

    def test_top_tells_what_waits_long_before_it_times_out(self) -> None:
        """SYNs that nobody answers; and what was before it is there when it opens."""
        with Monitor(self.network) as monitor:
            self.connect(succeed=3)
            self.network.host.ip("neigh", "replace", "10.77.0.99", "lladdr", "02:00:00:00:00:99", "dev", "veth0")
            waiting = self.network.host.make_socket(AF_INET)
            self.addCleanup(waiting.close)
            waiting.setblocking(False)
            with self.assertRaises(BlockingIOError):
                waiting.connect(("10.77.0.99", 7))
            lab.wait_for(lambda: monitor.stats().totals["pending"] == 1, "it waits")
            with on_a_terminal(monitor, "top") as terminal:
                terminal.wait_for(f"{HOST_V4}:{WEB_PORT}")
                told = terminal.wait_for("still waiting: 10.77.0.99:7  1 of 1: no answer yet, ")
                self.assertRegex(told, r"(?m)^SERVICES 10m ")
                self.assertRegex(told, rf"(?m)^  {re.escape(HOST_V4)}:{WEB_PORT} .*▁$")
                self.assertIn("waiting 1 (1 RETRYING)", told)

    def test_top_tells_how_many_syns_a_firewall_has_swallowed(self) -> None:
        lab.require(stacks.probe_nft)
        stacks.set_rules(self.network.peer, {"input": (f"tcp dport {WEB_PORT} drop",)})
        with Monitor(self.network) as monitor, on_a_terminal(monitor, "top", columns=132) as terminal:
            terminal.wait_for("q quit")
            self.wait_for_nobody(1)
            line = re.compile(rf"still waiting: {PEER_V4}:{WEB_PORT}  1 of 1: no answer yet, (\d+) SYNs")

            def syns() -> int:
                found = line.search(terminal.text())
                return int(found[1]) if found else 0

            terminal.wait_for(lambda: syns() > 0)
            first = syns()
            terminal.wait_for(lambda: syns() > first)
            self.assertIn("waiting 1 (1 RETRYING)", terminal.text())
            self.wait_for_nobody(2)
            terminal.wait_for("3 of 3: no answer yet, about")
            totals = monitor.stats().json["totals"]
            self.assertEqual(totals["retrying"], 3)
            self.assertGreaterEqual(totals["retrying_dup_syn_segments"], 4)
            self.assertEqual(totals["retrying_dup_synack_segments"], 0)

    def wait_for_nobody(self, attempts: int) -> None:
        for _ in range(attempts):
            waiting = self.network.host.make_socket(AF_INET)
            self.addCleanup(waiting.close)
            waiting.setblocking(False)
            with self.assertRaises(BlockingIOError):
                waiting.connect((PEER_V4, WEB_PORT))

    def connect(self, succeed: int = 0, refused: int = 0) -> None:
        with self.network.host.listen(HOST_V4, WEB_PORT) as listener:
            for _ in range(succeed):
                with self.network.peer.connect(HOST_V4, WEB_PORT), listener.accept()[0]:
                    pass
        for _ in range(refused):
            with self.assertRaises(ConnectionRefusedError):
                self.network.peer.connect(HOST_V4, WEB_PORT).close()

    def test_top_says_so_when_packets_are_lost(self) -> None:
        with Monitor(self.network, ring_mib=1) as monitor:
            wire = self.network.wire()
            Conversation(wire, RX4, responder_port=80).succeed()
            monitor.wait_counts({"success": 1})
            with stopped(monitor):
                for port in range(1, 40_000):
                    Conversation(wire, RX4, responder_port=port % 60_000 + 1).syn()
            lab.wait_for(lambda: monitor.stats().packets("dropped") > 0, "packets are lost")
            finished = tcpeekstat(monitor.socket_path, "top", "--once")
            self.assertRegex(finished.stdout.splitlines()[0], r"lost since start$")
            self.assertRegex(finished.stdout.splitlines()[1], r"^!! CAPTURE LOSES PACKETS: .*UNCERTAIN")
            self.assertIn("FIGURES ARE UNCERTAIN", tcpeekstat(monitor.socket_path).stdout)

    def test_watch_over_a_restart(self) -> None:
        """Of the second tcpeek every number from the first on is told, or told to be missing."""
        wire = self.network.wire()
        out, err = self.network.folder / "watch.out", self.network.folder / "watch.err"

        def told() -> list[Any]:
            """Events and gaps, of which there are more and more."""
            Conversation(wire, RX4, responder_port=80).succeed()
            return [json.loads(line) for line in out.read_text().splitlines(keepends=True) if line.endswith("\n")]

        def boots() -> list[str]:
            return list(dict.fromkeys(event["boot"] for event in told() if "boot" in event))

        with Monitor(self.network) as monitor:
            if not knows(monitor, "WATCH json result=nonsense"):
                self.skipTest("this tcpeek does not know WATCH")
            command = [sys.executable, "-W", "error", str(TOOL), "-U", str(monitor.socket_path), "watch", "--json"]
            with out.open("w") as stdout, err.open("w") as stderr:
                watch = subprocess.Popen(command, stdout=stdout, stderr=stderr)
            self.addCleanup(watch.wait)
            self.addCleanup(watch.kill)
            lab.wait_for(lambda: len(boots()) == 1, "an outcome is told")
        with Monitor(self.network):
            lab.wait_for(lambda: len(boots()) == 2, "outcomes of the next tcpeek are told")
            events = told()
        self.assertIn("tcpeek was restarted", err.read_text())
        first_boot = next(event["boot"] for event in events if "boot" in event)
        last_of_it = max(n for n, event in enumerate(events) if event.get("boot") == first_boot)
        expected = 1
        for event in events[last_of_it + 1 :]:
            missing = event.get("gap", {}) if "event" not in event else {}
            self.assertEqual(missing.get("from", event.get("seq")), expected, events)
            expected = missing.get("to", event.get("seq")) + 1

    def test_finds_the_sockets_of_several_instances(self) -> None:
        """As of services: in a mount namespace whose /run is empty."""
        script = """
            mount -t tmpfs none /run && mkdir /run/tcpeek
            for n in a b; do
              "$1" -i lo -B 1 --threads 1 -q -U /run/tcpeek/$n.sock 2>/dev/null & echo $! >>/run/pids
            done
            for n in a b; do for _ in $(seq 500); do [ -S /run/tcpeek/$n.sock ] && break; sleep 0.02; done; done
            python3 -W error "$2" && python3 -W error "$2" -U b && ! python3 -W error "$2" history
            kill $(cat /run/pids); wait
        """
        words = ("unshare", "--mount", "sh", "-c", script, "sh", str(lab.binary()), str(TOOL))
        done = subprocess.run(
            self.network.host.command(*words), capture_output=True, text=True, check=False, timeout=lab.DEADLINE_S
        )
        lines = done.stdout.splitlines()
        self.assertEqual(
            [line for line in lines if line.startswith("==")], ["== /run/tcpeek/a.sock ==", "== /run/tcpeek/b.sock =="]
        )
        self.assertEqual(sum(line.startswith("tcpeek ") for line in lines), 3)
        self.assertEqual(
            done.stderr,
            "tcpeekstat: 2 tcpeek run here: choose one with -U, by path or by name: "
            "/run/tcpeek/a.sock or /run/tcpeek/b.sock\n",
        )

    def test_top_goes_from_one_to_the_next(self) -> None:
        """Of two instances the first, and by a key the other; also one that was started meanwhile, or has ended."""
        script = """
            mount -t tmpfs none /run && mkdir /run/tcpeek
            begin() {
              "$1" -i "$2" -B 1 --threads 1 -q -U /run/tcpeek/$3.sock 2>/dev/null & echo $! >>/run/pids
              for _ in $(seq 500); do [ -S /run/tcpeek/$3.sock ] && break; sleep 0.02; done
            }
            begin "$1" lo a; begin "$1" veth0 b
            (while ! [ -e "$3/third" ]; do sleep 0.05; done; begin "$1" lo c) &
            python3 -W error "$2" top; status=$?
            kill $(cat /run/pids); wait; exit $status
        """
        folder = self.network.folder
        words = ("unshare", "--mount", "sh", "-c", script, "sh", str(lab.binary()), str(TOOL), str(folder))
        with Terminal(self.network.host.command(*words), 100, 24) as terminal:
            terminal.wait_for("[a 1/2, i: next] tcpeek")
            self.assertIn(" lo up", terminal.lines()[0])
            terminal.type("i")
            terminal.wait_for("[b 2/2, i: next] tcpeek")
            terminal.wait_for(lambda: " veth0 up" in terminal.lines()[0])
            Conversation(self.network.wire(), RX4, responder_port=80).succeed()
            terminal.wait_for("10.77.0.2:80")
            (folder / "third").touch()
            terminal.wait_for(lambda: self.pressed(terminal, "i", "c 3/3"))
            terminal.type("i")
            terminal.wait_for("[a 1/3, i: next] tcpeek")
            self.assertNotIn("10.77.0.2:80", terminal.text())
            terminal.type("q")
            self.assertEqual(terminal.wait_end(), 0)

    @staticmethod
    def pressed(terminal: Terminal, key: str, wanted: str) -> bool:
        """Whether it goes to what may not be there yet; one press at a time, as those that wait are all followed."""
        before = terminal.lines()[0].partition("]")[0]
        terminal.type(key)
        terminal.wait_for(lambda: terminal.lines()[0].partition("]")[0] != before)
        return wanted in terminal.lines()[0]


if __name__ == "__main__":
    unittest.main()
