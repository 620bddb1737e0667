"""The default socket, without -U: who owns it and its directory, who may use it, and what is left of it.

Each tcpeek runs in a mount namespace whose /run is a folder of the test.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import pwd
import signal
import stat
import subprocess
import sys
import unittest
from collections.abc import Iterator

import lab
from lab import Lab

NOBODY = pwd.getpwnam("nobody")
ASK = """import socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
client.sendall(b"GET\\n")
print(client.recv(65536).decode())
"""

setUpModule = lab.require


class DefaultSocket(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(Lab())
        self.run_folder = self.network.folder / "run"
        self.run_folder.mkdir()
        self.directory = self.run_folder / "tcpeek"
        self.path = self.directory / "tcpeek.sock"

    def words(self, *options: str) -> list[str]:
        script = f'mount --bind {self.run_folder} /run && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", script, "sh", str(lab.binary()), "-i", "veth0", "-B", "1", *options]

    @contextlib.contextmanager
    def running(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        """A tcpeek that listens; it must end well."""
        command = self.network.host.command(*self.words(*options))
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                lab.wait_for(lambda: self.asked().returncode == 0, f"an answer of {command}")
                yield process
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(lab.DEADLINE_S), 0)
            finally:
                process.kill()

    def asked(self, *launcher: str) -> subprocess.CompletedProcess[str]:
        """GET, asked by another process."""
        words = [*launcher, sys.executable, "-c", ASK, str(self.path)]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=lab.DEADLINE_S)

    def refusal(self, *options: str) -> str:
        """The one line of a start that is refused."""
        command = self.network.host.command(*self.words(*options))
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=lab.DEADLINE_S)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"\Atcpeek: [^\n]+\n\Z")
        return done.stderr

    def assert_owned(self, path: pathlib.Path, user: int, group: int, mode: int) -> None:
        status = path.lstat()
        found = (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))
        self.assertEqual(found, (user, group, mode), path)

    def files(self) -> set[str]:
        return {entry.name for entry in self.run_folder.rglob("*") if not entry.is_dir()}

    def test_root_leaves_nothing(self) -> None:
        with self.running():
            self.assert_owned(self.directory, 0, 0, 0o755)
            self.assert_owned(self.path, 0, 0, 0o660)
        self.assertEqual(list(self.run_folder.iterdir()), [])

    def test_another_user_can_use_it_and_not_replace_it(self) -> None:
        lock = self.path.with_name("tcpeek.sock.lock")
        with self.running("-u", "nobody"):
            self.assert_owned(self.directory, 0, 0, 0o755)
            self.assert_owned(self.path, 0, NOBODY.pw_gid, 0o660)
            self.assert_owned(lock, 0, 0, 0o600)
            self.assertIsInstance(json.loads(self.asked(*lab.AS_NOBODY).stdout), list)
            stranger = ("setpriv", "--reuid=12345", "--regid=12345", "--clear-groups")
            self.assertIn("PermissionError", self.asked(*stranger).stderr)
            for words in (("rm", "-f", str(self.path)), ("rm", "-f", str(lock)), ("touch", str(self.directory / "x"))):
                done = subprocess.run((*lab.AS_NOBODY, *words), capture_output=True, text=True, check=False)
                self.assertIn("Permission denied", done.stderr)

    def test_what_another_user_leaves_is_replaced(self) -> None:
        with self.running("-u", "nobody"):
            pass
        self.assertEqual(self.files(), {"tcpeek.sock", "tcpeek.sock.lock"})
        self.assertIn("ConnectionRefused", self.asked().stderr)
        with self.running("-u", "nobody"):
            self.assert_owned(self.path, 0, NOBODY.pw_gid, 0o660)
        with self.running():
            self.assert_owned(self.path, 0, 0, 0o660)
        self.assertEqual(self.files(), set())

    def test_a_directory_of_somebody_else_is_refused(self) -> None:
        self.directory.mkdir()
        os.chown(self.directory, NOBODY.pw_uid, NOBODY.pw_gid)
        choices: list[list[str]] = [[], ["-u", "nobody"]]
        for options in choices:
            with self.subTest(options):
                refused = self.refusal(*options)
                self.assertIn("/var/run/tcpeek belongs to user 65534, who could replace the socket", refused)
                self.assertEqual(list(self.directory.iterdir()), [])

    def test_a_directory_that_others_may_write_to_is_refused(self) -> None:
        self.directory.mkdir()
        for mode, group, writer in ((0o1777, 0, "everyone"), (0o757, 0, "everyone"), (0o775, 12345, "group 12345")):
            with self.subTest(oct(mode)):
                os.chown(self.directory, 0, group)
                self.directory.chmod(mode)
                self.assertIn(f"{writer} may write to /var/run/tcpeek (mode {mode:04o})", self.refusal())
                self.assertEqual(list(self.directory.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
