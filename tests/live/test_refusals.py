"""Everything that can be wrong at the start: what is said, the exit status, and that nothing is left."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import unittest
from collections.abc import Iterator
from typing import ClassVar

import lab
from lab import Lab
from monitor import Finished, Monitor, command, run_to_end

USAGE, RUNTIME = 2, 1

setUpModule = lab.require


@contextlib.contextmanager
def control_group(limit_mib: int) -> Iterator[list[str]]:
    """A launcher that runs a command in a control group with this limit, of version 1 or 2."""
    version_1 = pathlib.Path("/sys/fs/cgroup/memory")
    mount = version_1 if version_1.is_dir() else pathlib.Path("/sys/fs/cgroup")
    group = mount / f"tcpeek-test-{os.getpid()}"
    try:
        group.mkdir()
        name = "memory.limit_in_bytes" if mount == version_1 else "memory.max"
        (group / name).write_text(str(limit_mib << 20), encoding="ascii")
    except OSError as error:
        if group.is_dir():
            group.rmdir()
        raise unittest.SkipTest(f"cannot make a control group with a memory limit here: {error}") from None
    try:
        yield ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
    finally:
        group.rmdir()


def mib_taken(words: list[str]) -> int:
    """What its first lines say it takes, rings and table."""
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            found = re.search(r", (\d+) MiB in all", line)
            if found:
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=lab.DEADLINE_S)
                return int(found[1])
        raise AssertionError(f"{words} said nothing of its size")
    finally:
        process.kill()
        process.wait()


class Refusals(unittest.TestCase):
    network: ClassVar[Lab]
    socket_path: ClassVar[pathlib.Path]

    @classmethod
    def setUpClass(cls) -> None:
        cls.network = cls.enterClassContext(Lab())
        cls.socket_path = cls.network.folder / "refused.sock"

    def refuse(self, status: int, words: list[str], *expected: str, socket_option: bool = True) -> Finished:
        """Runs tcpeek with these words; the message must hold every expected one."""
        where = ["-U", str(self.socket_path)] if socket_option else []
        finished = run_to_end(self.network.host, command(*where, *words))
        self.assertEqual(finished.status, status, finished)
        self.assertEqual(finished.stdout, "")
        for word in expected:
            self.assertRegex(finished.stderr, re.compile(word, re.IGNORECASE))
        for trace in ("terminate called", "what():", "Traceback", "core dumped", "Sanitizer", "SUMMARY"):
            self.assertNotIn(trace, finished.stderr)
        self.assertEqual(list(self.network.folder.iterdir()), [], "something was left behind")
        return finished

    def test_values_of_options(self) -> None:
        for words, expected in (
            (["-t", "0"], ["--timeout", "'?0'?", "1 to 3600"]),
            (["-t", "-1"], ["--timeout", "-1"]),
            (["-t", "soon"], ["--timeout", "soon", "seconds"]),
            (["-t", "10s"], ["--timeout", "10s"]),
            (["--timeout=99999999999999999999"], ["--timeout", "99999999999999999999"]),
            (["-t", ""], ["--timeout"]),
            (["-c", "3"], ["--checksum", "3", "0.*1.*2"]),
            (["-c", "yes"], ["--checksum", "yes"]),
            (["-B", "0"], ["--buffer", "0", "MiB"]),
            (["-B", "huge"], ["--buffer", "huge"]),
            (["-l", "loud"], ["--loglevel", "loud", "debug"]),
            (["-l", "8"], ["--loglevel", "8"]),
            (["--threads", "0"], ["--threads", "0"]),
            (["--threads", "1.5"], ["--threads", "1.5"]),
            (["--cpus", "zero"], ["--cpus", "zero"]),
            (["--cpus", "3-1"], ["--cpus", "3-1"]),
            (["--max-sessions", "0"], ["--max-sessions", "0"]),
            (["--local", "10.0.0.0/33"], ["--local", "10.0.0.0/33", "'33' is not a prefix length from 0 to 32"]),
            (["--local", "here"], ["--local", "here", "IPv4 or IPv6"]),
            (["--copy-window", "-1"], ["--copy-window", "-1"]),
            (["--capture", "everything"], ["--capture", "everything", "handshake.*tcp"]),
            (["--output", "xml"], ["--output", "xml", "text.*json"]),
            (["-i", "an-interface-name-too-long"], ["--interface", "an-interface-name-too-long"]),
            (["-i", ""], ["--interface"]),
            (["-U", ""], ["--socket"]),
            (["-U", "/tmp/" + "x" * 200], ["--socket", "107"]),
            (["-u", ""], ["--user"]),
            (["--bpf", "port of entry ((("], ["bpf", r"port of entry \(\(\("]),
            (["--bpf", ""], ["bpf"]),
            (["--bpf", "vlan 10 and port 80"], [r"--bpf: vlan cannot match live, .*: watch .* \(-i eth0\.10\)"]),
            (["-i", "any", "--bpf", "not vlan"], ["--bpf: vlan cannot match live"]),
            (["--no-such-option"], ["--no-such-option"]),
            (["--timeot=5"], ["--timeot", "did you mean --timeout"]),
            (["--time", "5"], ["'--time' is not an option: did you mean --timeout"]),
            (["--interface"], ["--interface needs a value: an interface name"]),
            (["a.pcap"], ["did you mean -r a.pcap"]),
            (["--no-socket", "-U", "/tmp/tcpeek.sock"], ["--no-socket: cannot be combined with --socket"]),
            (["-Z"], ["-Z"]),
            (["-t"], ["--timeout needs a value"]),
        ):
            with self.subTest(words=words):
                self.refuse(USAGE, words, *expected, socket_option="-U" not in words)

    def test_expressions(self) -> None:
        """Each message shows the expression and a caret under the offending character."""
        for words, culprit, reason in (
            (["foo"], None, ""),
            (["foo:"], None, ""),
            (["foo:XX@%:%"], "XX", "RX.*TX"),
            (["foo:rx@%:%"], "rx", "RX.*TX"),
            (["foo:RX%:%"], "RX%", "RX.*TX"),
            (["foo:RX@:80"], ":80", ""),
            (["foo:RX@300.0.0.1:80"], "300", ""),
            (["foo:RX@10.0.0.0/33:80"], None, "32"),
            (["foo:RX@[2001:db8::/129]:80"], None, "128"),
            (["foo:RX@2001:db8::1:80"], None, r"\["),
            (["foo:RX@[2001:db8::1:80"], None, r"\]"),
            (["foo:RX@%"], None, "port"),
            (["foo:RX@%:0"], "0", "1.*65535"),
            (["foo:RX@%:65536"], "65536", "65535"),
            (["foo:RX@%:http"], "http", ""),
            (["foo:RX@%:90-80"], None, ""),
            (["foo:RX@%:80:"], None, ""),
            (["foo:RX@%:80,"], None, ""),
            (["foo:RX@%:80 "], None, ""),
            (["pcap:RX@%:%"], "pcap", "reserved"),
            (["RX:RX@%:80"], "RX", ""),
            (["a:RX@%:80", "a:TX@%:80"], "a", "earlier"),
        ):
            with self.subTest(words=words):
                finished = self.refuse(USAGE, words, re.escape(words[-1].strip()), reason)
                lines = finished.stderr.splitlines()
                carets = [n for n, line in enumerate(lines) if line.strip() == "^"]
                self.assertEqual(len(carets), 1, finished.stderr)
                shown, caret = lines[carets[0] - 1], lines[carets[0]]
                self.assertIn(words[-1].rstrip(), shown)
                place = caret.index("^") - shown.index(words[-1][:3])
                self.assertLessEqual(place, len(words[-1]))
                if culprit is not None:
                    self.assertTrue(words[-1][place:].startswith(culprit[0]), finished.stderr)

    def test_text_from_outside_drives_no_terminal(self) -> None:
        """What messages quote may hold escape sequences, newlines, bidirectional and broken characters."""
        nasty = os.fsdecode(b"\x1b[31m\xe2\x80\xae\xff\xc2\x9b\n#")
        missing = str(self.network.folder / "missing" / nasty)
        for status, words in (
            (USAGE, ["-t", nasty]),
            (USAGE, ["--" + nasty]),
            (USAGE, ["--local", nasty]),
            (USAGE, ["--local", "::1/" + nasty]),
            (USAGE, ["--bpf", nasty]),
            (USAGE, [nasty]),
            (USAGE, [nasty + ".pcap"]),
            (USAGE, [nasty + ":RX@%:80"]),
            (USAGE, ["a:RX@" + nasty]),
            (RUNTIME, ["-i", nasty.strip("\n#")]),
            (RUNTIME, ["-i", "veth0", "-u", nasty]),
            (RUNTIME, ["-i", "veth0", "-U", missing]),
            (RUNTIME, ["-r", missing]),
            (RUNTIME, ["-r", str(self.network.folder) + "/" + nasty]),
        ):
            with self.subTest(words=words):
                socket_option = not {"-U", "-r"} & set(words)
                finished = self.refuse(status, words, "31m", socket_option=socket_option)
                self.assert_harmless(finished.stderr)
                expression = finished.stderr.startswith("tcpeek: filter expression: ")
                self.assertEqual(len(finished.stderr.splitlines()), 3 if expression else 1, finished.stderr)

    def assert_harmless(self, text: str) -> None:
        wrong = [character for character in text if character != "\n" and not character.isprintable()]
        self.assertEqual(wrong, [], text.encode(errors="surrogateescape"))

    def test_name_of_an_interface_drives_no_terminal(self) -> None:
        """The kernel takes such names; at the start, while it runs, and at the end."""
        name = os.fsdecode(b"\x1b[31m\xe2\x80\xae\xff")
        with Lab(links=2) as network:
            network.host.ip("link", "set", "veth1", "down")
            network.host.ip("link", "set", "veth1", "name", name)
            with Monitor(network, interfaces=("veth0", name)) as monitor:
                lab.wait_for(lambda: "is down" in monitor.stderr(), "it is down")
                network.host.ip("link", "delete", name)
                lab.wait_for(lambda: "is gone" in monitor.stderr(), "it is gone")
                finished = monitor.stop()
            self.assertEqual(finished.status, 0)
            self.assert_harmless(finished.stderr)
            self.assertEqual(finished.stderr.count(r"\x1b[31m\xe2\x80\xae\xff"), 3, finished.stderr)

    def test_nothing_is_opened_for_a_wrong_expression(self) -> None:
        """Refused before any interface or user is looked at."""
        finished = self.refuse(USAGE, ["-i", "nosuch0", "-u", "nosuchuser", "foo:XX@%:%"], "XX@")
        self.assertNotIn("nosuch0", finished.stderr)

    def test_interface_that_does_not_exist(self) -> None:
        for names in (["nosuch0"], ["veth0", "nosuch0"]):
            words = [word for name in names for word in ("-i", name)]
            with self.subTest(names=names):
                self.refuse(RUNTIME, words, "nosuch0", "no such|does not exist|there is no")

    def test_more_memory_than_there_is(self) -> None:
        """Both figures are named, and the kernel is not even asked."""
        words = ["-i", "veth0", "-B", "4095", "--threads", "256"]
        needs = "not enough memory: -B 4095 with 256 readers on 1 interface needs 1048320 MiB"
        self.refuse(RUNTIME, words, needs + r", \d+ MiB are available")

    def test_more_memory_than_the_control_group_may_have(self) -> None:
        with control_group(300) as enter:
            # Not by `ip netns exec`, which hides the control groups behind another /sys.
            enter += ["nsenter", f"--net=/run/netns/{self.network.host.name}"]
            where = ["-U", str(self.socket_path), "-i", "veth0", "--threads", "2"]
            done = subprocess.run([*enter, *command(*where, "-B", "200")], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, RUNTIME, done)
            self.assertRegex(done.stderr, "needs 400 MiB, 2[0-9]{2} MiB are available within the control group's limit")
            # The defaults shrink instead: a twentieth of 300 MiB.
            self.assertLessEqual(mib_taken([*enter, *command(*where)]), 15)

    def test_many_interfaces_share_the_rings(self) -> None:
        """128 MiB are for all of them together."""
        with Lab(links=16) as network:
            where = ["-U", str(network.folder / "many.sock")]
            for n in range(16):
                where += ["-i", f"veth{n}"]
            words = network.host.command(*command(*where, "--max-sessions", "1000"))
            self.assertLessEqual(mib_taken(words), 129)

    def test_cpu_that_there_is_not(self) -> None:
        self.refuse(USAGE, ["-i", "veth0", "--cpus", "0,1023"], r"--cpus: this process may not use CPU 1023, only 0")

    def test_user_that_does_not_exist(self) -> None:
        self.refuse(RUNTIME, ["-i", "veth0", "-u", "nosuchuser"], "nosuchuser", "user")

    def test_no_interface_at_all(self) -> None:
        """Without -i, without a default route, and with nothing but loopback up."""
        with Lab(links=0) as network:
            words = command("-U", str(network.folder / "none.sock"))
            finished = run_to_end(network.host, words)
            self.assertEqual(finished.status, RUNTIME, finished)
            self.assertRegex(finished.stderr, "-i")

    def test_socket_paths(self) -> None:
        folder = self.network.folder
        for path, expected in (
            (folder / "missing" / "tcpeek.sock", "missing"),
            (folder, "socket"),
            (pathlib.Path("/proc/tcpeek.sock"), "/proc/tcpeek.sock"),
            (pathlib.Path("/dev/null/tcpeek.sock"), "/dev/null"),
        ):
            with self.subTest(path=path):
                words = ["-U", str(path), "-i", "veth0"]
                self.refuse(RUNTIME, words, re.escape(str(path)), expected, "-U", socket_option=False)

    def test_missing_privilege(self) -> None:
        """Says which capability is missing and how to grant it."""
        with Lab() as network:
            network.folder.chmod(0o777)
            binary = lab.copy_of_binary(network)
            path = network.folder / "nobody.sock"
            words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", str(binary)]
            finished = run_to_end(network.host, [*words, "-U", str(path), "-i", "veth0"])
            self.assertEqual(finished.status, RUNTIME, finished)
            self.assertRegex(finished.stderr, "CAP_NET_RAW|cap_net_raw")
            self.assertRegex(finished.stderr, "setcap|root|systemd")
            self.assertEqual([entry.name for entry in network.folder.iterdir()], [binary.name])

    def test_changing_user_without_privilege(self) -> None:
        """CAP_NET_RAW is there, and becoming somebody else is not allowed."""
        with Lab() as network:
            network.folder.chmod(0o777)
            binary = lab.copy_of_binary(network)
            path = network.folder / "nobody.sock"
            words = ["setpriv", "--bounding-set=-setuid,-setgid", str(binary), "-U", str(path), "-i", "veth0"]
            finished = run_to_end(network.host, [*words, "-u", "nobody"])
            self.assertEqual(finished.status, RUNTIME, finished)
            self.assertIn("nobody", finished.stderr)
            self.assertEqual([entry.name for entry in network.folder.iterdir()], [binary.name])


class Information(unittest.TestCase):
    def test_help_and_version(self) -> None:
        with Lab(links=0) as network:
            for option, expected in (
                ("-h", "Usage: tcpeek"),
                ("--help", "--copy-window"),
                ("-v", "tcpeek "),
                ("--version", "tcpeek "),
            ):
                with self.subTest(option):
                    finished = run_to_end(network.host, command(option))
                    self.assertEqual((finished.status, finished.stderr), (0, ""))
                    self.assertIn(expected, finished.stdout)

    def test_interface_of_the_default_route(self) -> None:
        """Without -i; and without a default route the first that is up and not loopback."""
        with Lab(links=2) as network:
            for route, wanted in (("veth1", "veth1"), (None, "veth0")):
                network.host.ip("route", "flush", "default")
                if route:
                    network.host.ip("route", "add", "default", "via", "10.78.0.1", "dev", route)
                with self.subTest(wanted=wanted):
                    seen = self._interfaces(network)
                    self.assertEqual(seen, [wanted])

    @staticmethod
    def _interfaces(network: Lab) -> list[str]:
        with Monitor(network, interfaces=()) as monitor:
            return [entry["name"] for entry in monitor.stats().json["interfaces"]]


class Taken(unittest.TestCase):
    def test_lock_of_another(self) -> None:
        """The file next to the socket is somebody else's: left as it is."""
        with Lab() as network:
            lock = network.folder / "tcpeek.sock.lock"
            lock.write_text("not a lock", encoding="ascii")
            words = command("-U", str(network.folder / "tcpeek.sock"), "-i", "veth0")
            finished = run_to_end(network.host, words)
            self.assertEqual(finished.status, RUNTIME, finished)
            self.assertIn(str(lock), finished.stderr)
            self.assertEqual(lock.read_text(encoding="ascii"), "not a lock")

    def test_datagram_socket(self) -> None:
        with Lab() as network:
            path = network.folder / "datagram.sock"
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
                other.bind(str(path))
                finished = run_to_end(network.host, command("-U", str(path), "-i", "veth0"))
                self.assertEqual(finished.status, RUNTIME, finished)
                self.assertIn(str(path), finished.stderr)
                self.assertTrue(path.is_socket())


if __name__ == "__main__":
    unittest.main()
