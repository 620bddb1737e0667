"""--config and --reload: new filters for a tcpeek that runs, while packets flow."""

from __future__ import annotations

import json
import pathlib
import signal
import socket
import subprocess
import threading
import unittest

import lab
from conversation import RX4, TX4, Conversation
from json_schema import load, violations
from lab import Lab
from monitor import RING_MIB, Monitor

setUpModule = lab.require


class Reload(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(Lab())
        self.wire = self.network.wire()
        self.config = self.network.folder / "tcpeek.conf"
        self.schema = load("reload.json")

    def write(self, *lines: str) -> None:
        self.config.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def monitor(self, *options: str) -> Monitor:
        return Monitor(self.network, "--config", str(self.config), *options)

    def reload(self, monitor: Monitor, *options: str, launcher: tuple[str, ...] = ()
               ) -> subprocess.CompletedProcess[str]:
        words = [*launcher, str(lab.copy_of_binary(self.network) if launcher else lab.binary()), "-U",
                 str(monitor.socket_path), "--config", str(self.config), *options, "--reload"]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=lab.DEADLINE_S)

    def reloaded(self, monitor: Monitor, *options: str) -> str:
        done = self.reload(monitor, *options)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"\Areloaded: [^\n]+\n\Z")
        return done.stdout.removeprefix("reloaded: ").rstrip("\n")

    def names(self, monitor: Monitor) -> list[str]:
        return [next(iter(entry)) for entry in json.loads(monitor.ask("GET"))]

    def test_filters_come_go_stay_and_begin_anew(self) -> None:
        self.write("[filters]", 'gone = "RX@%:80"', 'stays = "RX@%:80"', 'other = "RX@%:80"')
        with self.monitor() as monitor:
            self.assertEqual(self.names(monitor), ["RX", "TX", "gone", "stays", "other", "pcap"])
            Conversation(self.wire, RX4, responder_port=80).succeed()
            monitor.wait_counts({"success": 1}, "gone")
            in_flight = Conversation(self.wire, RX4, responder_port=80)
            in_flight.syn()
            monitor.wait_counts({"pending": 1}, "gone")
            first = json.loads(monitor.ask("REFRESH"))
            self.assertEqual(first[3]["stays"]["success"]["total"], 1)

            self.write("[filters]", 'new = "RX@%:80"', 'other = "RX@%:81"', 'stays = "RX@%:80"',
                       'exclude = ["TX@%:22"]')
            self.assertEqual(
                self.reloaded(monitor),
                "1 filter added (new); 1 filter removed (gone); 1 filter started over (other); "
                "1 exclusion added (:TX@%:22); 1 filter kept")
            self.assertEqual(self.names(monitor), ["RX", "TX", "stays", "other", "new", "pcap"])
            in_flight.synack()
            in_flight.ack()
            Conversation(self.wire, RX4, responder_port=80).succeed()
            Conversation(self.wire, TX4, responder_port=22).succeed()
            after = monitor.wait_delivered(12)
            after.check_accounting()
            counts = {entry["name"]: (entry["attempts"], entry["success"]["total"])
                      for entry in after.json["filters"] if not entry.get("removed")}
            self.assertEqual(counts, {"RX": (3, 3), "TX": (0, 0), "stays": (3, 3), "other": (0, 0), "new": (1, 1)})
            self.assertEqual(after.other()["excluded"], 1)
            second = {k: v for entry in json.loads(monitor.ask("REFRESH")) for k, v in entry.items()}
            self.assertEqual({k: v["success"]["total"] for k, v in second.items()},
                             {"RX": 2, "TX": 0, "stays": 2, "other": 0, "new": 1})
            lab.wait_for(lambda: "gone" not in monitor.stats().filters, "the removed filter has ended")
            self.assertEqual(self.reloaded(monitor), "nothing changed; 3 filters kept")
        said = [line for line in monitor.stderr().splitlines() if "reloaded: " in line]
        self.assertEqual(len(said), 2, "one line each")
        self.assertIn("tcpeek: reloaded: 1 filter added (new); 1 filter removed (gone)", said[0])

    def test_what_may_change_changes(self) -> None:
        self.write("loglevel = notice")
        with self.monitor() as monitor:
            self.write("loglevel = err", 'local = ["198.51.100.0/24"]', "failing-ratio = 70", "failing-run = 1")
            self.assertEqual(
                self.reloaded(monitor),
                "changed: --loglevel, --local, --failing-ratio, --failing-run; 0 filters kept")
            self.assertEqual(self.reloaded(monitor), "nothing changed; 0 filters kept")
            self.write()
            self.assertIn("changed: --loglevel, --local", self.reloaded(monitor))

    def test_what_cannot_change_is_refused_and_nothing_changes(self) -> None:
        self.write("timeout = 30", "[filters]", 'web = "RX@%:80"')
        with self.monitor() as monitor:
            self.write("timeout = 31", "icmp", "failing-ratio = 70", "[filters]", 'db = "RX@%:81"')
            done = self.reload(monitor, "--threads", "1")
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertRegex(
                done.stderr,
                r"\Atcpeek: --reload: refused by the tcpeek at '.*': --timeout, --threads, --icmp cannot change while "
                r"tcpeek runs; nothing was changed: restart tcpeek, or leave them as at the start\n\Z")
            self.assertEqual(self.names(monitor), ["RX", "TX", "web", "pcap"])
            self.write("timeout = 30", "[filters]", 'web = "RX@%:80"')
            self.assertEqual(self.reloaded(monitor), "nothing changed; 1 filter kept")
            self.assertIn("a reload was refused: --timeout", monitor.stderr())

    def test_what_the_command_line_said_need_not_be_repeated(self) -> None:
        self.write("icmp")
        with self.monitor("-l", "info", "--timeout", "30", "--local", "192.0.2.0/24") as monitor:
            self.assertEqual(self.reloaded(monitor), "nothing changed; 0 filters kept")
            # As the unit does it: all of it.
            same = ("-i", "veth0", "-B", str(RING_MIB), "-l", "info", "-t", "30", "--local", "192.0.2.0/24")
            self.assertEqual(self.reloaded(monitor, *same), "nothing changed; 0 filters kept")
            self.assertEqual(self.reloaded(monitor, "-l", "err"), "changed: --loglevel; 0 filters kept")
            self.assertEqual(self.reloaded(monitor), "changed: --loglevel; 0 filters kept", "as at the start")
            self.assertIn("--timeout cannot change", self.reload(monitor, "--timeout", "31").stderr)
            self.write()
            self.assertIn("--icmp cannot change", self.reload(monitor).stderr, "it was in the file")

    def test_a_wrong_file_is_shown_by_the_one_who_reads_it(self) -> None:
        self.write()
        with self.monitor() as monitor:
            self.write("[filters]", 'web = "RX@%:0"')
            done = self.reload(monitor)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertEqual(
                done.stderr,
                f"tcpeek: {self.config}:2: '0' is not a port: 1 to 65535, a range such as 8000-8099, % or *\n"
                '  web = "RX@%:0"\n              ^\n')
            self.assertNotIn("reload", monitor.stderr())

    def test_without_a_running_one(self) -> None:
        self.write()
        words = [str(lab.binary()), "-U", str(self.network.folder / "none"), "--config", str(self.config), "--reload"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=lab.DEADLINE_S)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"\Atcpeek: --reload: cannot reach tcpeek at '.*/none': No such file or "
                                      r"directory; is tcpeek running\? name its socket with -U\n\Z")

    def test_an_older_one_and_one_that_only_closes(self) -> None:
        """They answer any word like GET, or say nothing."""
        self.write()
        path = self.network.folder / "old.sock"
        for reply, words in ((b'[{"RX":{}}]', "too old for --reload"), (b"", "without a reply")):
            path.unlink(missing_ok=True)
            with self.subTest(words), socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
                listener.listen()

                def serve(listener: socket.socket = listener, reply: bytes = reply) -> None:
                    client, _ = listener.accept()
                    with client:
                        client.recv(1 << 16)
                        client.sendall(reply)

                thread = threading.Thread(target=serve)
                thread.start()
                done = subprocess.run(
                    [str(lab.binary()), "-U", str(path), "--config", str(self.config), "--reload"],
                    capture_output=True, text=True, check=False, timeout=lab.DEADLINE_S)
                thread.join()
                self.assertEqual(done.returncode, 1)
                self.assertIn(words, done.stderr)

    def test_who_may(self) -> None:
        """Root, and whom tcpeek runs as; others may use the socket, but not for that."""
        self.write("user = nobody", "[filters]", 'web = "RX@%:80"')
        self.config.chmod(0o644)
        with self.monitor() as monitor:
            monitor.socket_path.chmod(0o666)
            other = ("setpriv", "--reuid=1", "--regid=1", "--clear-groups")
            # A small request, and one that is refused before it has all been sent.
            for count in (1, 1000):
                name = "x" * 60
                self.write("user = nobody", "[filters]", *(f'{name}{i} = "RX@%:{i + 1}"' for i in range(count)))
                done = self.reload(monitor, launcher=other)
                self.assertEqual(done.returncode, 1)
                self.assertIn("RELOAD: only root and the user that tcpeek runs as may change its filters", done.stderr)
            self.write("user = nobody", "[filters]", 'db = "RX@%:80"')
            self.assertEqual(self.names(monitor), ["RX", "TX", "web", "pcap"])
            done = self.reload(monitor, launcher=lab.AS_NOBODY)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(self.names(monitor), ["RX", "TX", "db", "pcap"])

    def test_garbage(self) -> None:
        self.write("[filters]", 'web = "RX@%:80"')
        with self.monitor() as monitor:
            bodies = {
                b"x": "not ended by a zero byte",
                b"\0": "filter expression: the expression is empty",
                b"--frobnicate\0": "is not an option",
                b"--config=/etc/passwd\0": "not allowed in a RELOAD request",
                b"--reload\0": "not allowed in a RELOAD request",
                b"--help\0": "not allowed in a RELOAD request",
                b"--read=-\0": "--read",
                b"web:RX@%:80\0web:RX@%:81\0": "is used by an earlier filter",
                b"\xff\xfe:RX@%:80\0": "printable UTF-8",
            }
            for body, words in bodies.items():
                reply = monitor.ask_raw(b"RELOAD %d\n" % len(body) + body)
                with self.subTest(body):
                    self.assertEqual(violations(self.schema, json.loads(reply)), [])
                    self.assertIn(words, json.loads(reply)["error"])
            for line in (b"RELOAD\n", b"RELOAD 0\n", b"RELOAD 1048577\n", b"RELOAD x\n"):
                self.assertIn("a number of bytes", json.loads(monitor.ask_raw(line))["error"])
            self.assertEqual(monitor.ask_raw(b"RELOAD 10\nabc", end_of_input=True), b"")
            self.assertEqual(self.names(monitor), ["RX", "TX", "web", "pcap"])

    def test_a_thousand_filters(self) -> None:
        self.write()
        with self.monitor() as monitor:
            self.write("[filters]", *(f'p{port} = "RX@%:{port}"' for port in range(1000, 2000)))
            self.assertRegex(self.reloaded(monitor), r"\A1000 filters added \(p1000, .* and 990 more\); 0 filters kept\Z")
            for port in (1000, 1500, 1999):
                Conversation(self.wire, RX4, responder_port=port).succeed()
            after = monitor.wait_delivered(9)
            after.check_accounting()
            hit = {name for name, counts in after.filters.items() if counts["success"]}
            self.assertEqual(hit, {"RX", "p1000", "p1500", "p1999"})
            self.write("[filters]", *(f'q{port} = "RX@%:{port}"' for port in range(1000, 2000)))
            self.assertIn("1000 filters removed", self.reloaded(monitor))
            self.assertEqual(len(self.names(monitor)), 1003)

    def test_reloads_at_once_come_one_after_the_other(self) -> None:
        self.write()
        with self.monitor() as monitor:
            texts = [f"f{i}:RX@%:80" for i in range(12)]
            replies: list[bytes] = []

            def send(text: str) -> None:
                body = f"--interface=veth0\0--buffer={RING_MIB}\0--socket={monitor.socket_path}\0{text}\0".encode()
                replies.append(monitor.ask_raw(b"RELOAD %d\n" % len(body) + body))

            threads = [threading.Thread(target=send, args=(text,)) for text in texts]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for reply in replies:
                self.assertEqual(violations(self.schema, json.loads(reply)), [])
            reports = [json.loads(reply)["reload"] for reply in replies]
            added = [name for report in reports for name in report["added"]]
            removed = [name for report in reports for name in report["removed"]]
            self.assertEqual(sorted(added), sorted(f"f{i}" for i in range(12)))
            left = set(added) - set(removed)
            self.assertEqual(len(removed), 11, "each but the last replaces one")
            self.assertEqual(self.names(monitor), ["RX", "TX", *left, "pcap"])

    def test_reloads_while_packets_flow(self) -> None:
        self.write("[filters]", 'always = "RX@%:80"')
        with self.monitor() as monitor:
            for turn in range(40):
                self.write("[filters]", 'always = "RX@%:80"', f'turn{turn % 3} = "RX@%:80"')
                Conversation(self.wire, RX4, responder_port=80).succeed()
                self.reloaded(monitor)
                Conversation(self.wire, RX4, responder_port=80).succeed()
            after = monitor.wait_delivered(240)
            after.check_accounting()
            self.assertEqual(after.filters["always"]["success"], 80, "it kept its counts all along")
            self.assertEqual(after.filters["RX"]["success"], 80)

    def test_hangup_names_the_way(self) -> None:
        self.write()
        with Monitor(self.network, launcher=("env", "INVOCATION_ID=1")) as monitor:
            monitor.process.send_signal(signal.SIGHUP)
            lab.wait_for(lambda: "--config FILE --reload" in monitor.stderr(), "the notice")

    def test_the_example_is_one(self) -> None:
        example = pathlib.Path(lab.ROOT, "packaging/tcpeek.conf").read_text(encoding="utf-8")
        self.config.write_text(example, encoding="utf-8")
        with self.monitor() as monitor:
            self.assertEqual(self.names(monitor), ["RX", "TX", "web", "db", "pcap"])
            self.assertEqual(self.reloaded(monitor), "nothing changed; 2 filters kept")


if __name__ == "__main__":
    unittest.main()
