"""Everything is given up after the sockets are open, system calls are filtered, and counting goes on."""

import grp
import os
import pathlib
import pwd
import signal
import struct
import subprocess
import sys
import unittest

import lab
from conversation import POSITIONS, RX4, Conversation, Position
from lab import Lab
from monitor import Monitor, command, run_to_end

NOBODY = pwd.getpwnam("nobody")
# A build with sanitizers filters no system calls.
SANITIZERS = os.environ.get("TCPEEK_SANITIZE", "")
FILTERED = "0" if SANITIZERS else "2"

# Runs its arguments where seccomp(2) fails with ENOSYS, as under a container that lacks it.
WITHOUT_SECCOMP = """
import ctypes, errno, os, platform, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
number = {"x86_64": 317, "aarch64": 277}[platform.machine()]
code = b"".join(struct.pack("<HBBI", *instruction) for instruction in (
    (0x20, 0, 0, 0),                           # load the number of the call
    (0x15, 0, 1, number),                      # is it seccomp?
    (0x06, 0, 0, 0x00050000 | errno.ENOSYS),   # then fail
    (0x06, 0, 0, 0x7fff0000)))                 # else go on
buffer = ctypes.create_string_buffer(code, len(code))
program = ctypes.create_string_buffer(struct.pack("@HP", 4, ctypes.addressof(buffer)))
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) != 0:
    sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
"""

setUpModule = lab.require


def status_of_threads(pid: int) -> list[dict[str, str]]:
    """Name and value of each line of /proc/PID/task/*/status."""
    threads = []
    for task in pathlib.Path("/proc", str(pid), "task").iterdir():
        text = (task / "status").read_text(encoding="ascii")
        threads.append(dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line))
    return threads


def replayed(folder: pathlib.Path, *options: str) -> list[dict[str, str]]:
    """The threads of a replay that waits for the second packet of a pipe."""
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    packet = struct.pack("<IIII", 1, 0, 14, 14) + bytes(14)
    words = command("-r", "-", "--threads", "3", *options)
    with open(folder / "replay.err", "wb") as err, subprocess.Popen(words, stdin=subprocess.PIPE, stderr=err) as process:
        assert process.stdin is not None
        process.stdin.write(header + packet)
        process.stdin.flush()
        lab.wait_for(lambda: b"reading from" in (folder / "replay.err").read_bytes(), "the replay begins")
        threads = status_of_threads(process.pid)
        process.stdin.close()
        assert process.wait(lab.DEADLINE_S) == 0, (folder / "replay.err").read_text()
    return threads


class Privileges(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(Lab())

    def test_nobody_keeps_nothing_and_counts_on(self) -> None:
        for user in ("nobody", str(NOBODY.pw_uid)):
            with self.subTest(user), Monitor(self.network, "-u", user, "--threads", "2") as monitor:
                threads = status_of_threads(monitor.pid)
                self.assertGreaterEqual(len(threads), 3)
                groups = {str(group) for group in os.getgrouplist("nobody", NOBODY.pw_gid)}
                for thread in threads:
                    self.assertEqual(thread["Uid"].split(), [str(NOBODY.pw_uid)] * 4)
                    self.assertEqual(thread["Gid"].split(), [str(NOBODY.pw_gid)] * 4)
                    self.assertLessEqual(set(thread["Groups"].split()), groups)
                    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                        self.assertEqual(int(thread[capabilities], 16), 0, thread)
                wire = self.network.wire()
                for position in POSITIONS:
                    Conversation(wire, position).succeed()
                after = monitor.wait_delivered(12)
                self.assertEqual(after.totals["success"], 4)
                after.check_accounting()

    def test_root_keeps_the_groups_out(self) -> None:
        """A user of several groups has those, and root's are gone."""
        user = next((u for u in pwd.getpwall() if len(os.getgrouplist(u.pw_name, u.pw_gid)) > 1 and u.pw_uid), None)
        if user is None:
            self.skipTest("no user with more than one group on this machine")
        with Monitor(self.network, "-u", user.pw_name) as monitor:
            expected = set(os.getgrouplist(user.pw_name, user.pw_gid))
            for thread in status_of_threads(monitor.pid):
                self.assertEqual({int(group) for group in thread["Groups"].split()} | {user.pw_gid}, expected)
        self.assertTrue(grp.getgrgid(user.pw_gid).gr_name)

    def test_interface_can_go_down_and_up_afterwards(self) -> None:
        with Monitor(self.network, "-u", "nobody") as monitor:
            wire = self.network.wire()
            self.network.host.ip("link", "set", "veth0", "down")
            lab.wait_for(lambda: not monitor.stats().json["interfaces"][0]["up"], "it is down")
            self.network.host.ip("link", "set", "veth0", "up")
            lab.wait_for(lambda: bool(monitor.stats().json["interfaces"][0]["up"]), "it is up")
            before = monitor.stats()
            Conversation(wire, RX4).succeed()
            after = monitor.wait_delivered(before.packets("delivered") + 3)
            self.assertEqual(after.filters["RX"]["success"], 1)

    def test_address_is_picked_up_afterwards(self) -> None:
        with Monitor(self.network, "-u", "nobody") as monitor:
            wire = self.network.wire()
            self.network.host.ip("address", "add", "10.78.0.2/24", "dev", "veth0")
            position = Position("new", "RX", lab.address("10.78.0.2"), RX4.peer)

            def local() -> bool:
                Conversation(wire, position).succeed()
                return monitor.stats().filters["RX"]["success"] > 0

            lab.wait_for(local, "the new address is local")

    def test_socket_is_usable_and_removed(self) -> None:
        """In a folder of that user's nothing is left; the socket stays root's, for that user's group."""
        os.chown(self.network.folder, NOBODY.pw_uid, NOBODY.pw_gid)
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number.name), Monitor(self.network, "-u", "nobody") as monitor:
                status = monitor.socket_path.stat()
                self.assertEqual((status.st_uid, status.st_gid), (0, NOBODY.pw_gid))
                self.assertEqual(monitor.stop(number).status, 0)
                self.assertFalse(monitor.socket_path.exists())
        left = {path.name for path in self.network.folder.iterdir()}
        self.assertEqual(left, {"monitor.out", "monitor.err"})

    def test_next_start_replaces_what_it_could_not_remove(self) -> None:
        """In a folder of root's the user may not remove the socket; the next start replaces it."""
        with Monitor(self.network, "-u", "nobody") as monitor:
            self.assertEqual(monitor.stop().status, 0)
        with Monitor(self.network, "-u", "nobody") as monitor:
            self.assertTrue(monitor.ask("GET").startswith(b"["))

    def test_without_u_root_stays(self) -> None:
        with Monitor(self.network) as monitor:
            self.assertEqual(status_of_threads(monitor.pid)[0]["Uid"].split()[0], "0")


@unittest.skipIf("thread" in SANITIZERS, "the sanitizer's own thread keeps what it was started with")
class Nothing(unittest.TestCase):
    """However it is started: no thread keeps a capability, each has a filter, and counting works."""

    def setUp(self) -> None:
        self.network = self.enterContext(Lab())
        os.chown(self.network.folder, NOBODY.pw_uid, NOBODY.pw_gid)

    def check(self, threads: list[dict[str, str]], *, seccomp: str = FILTERED, bounded: bool = True) -> None:
        self.assertGreaterEqual(len(threads), 3)
        for thread in threads:
            for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb", *(["CapBnd"] if bounded else [])):
                self.assertEqual(int(thread[capabilities], 16), 0, (capabilities, thread))
            self.assertEqual(thread["NoNewPrivs"], "1", thread)
            self.assertEqual(thread["Seccomp"], seccomp, thread)

    def count(self, monitor: Monitor) -> None:
        Conversation(self.network.wire(), RX4).succeed()
        monitor.wait_counts({"success": 1}, "RX")

    def test_root(self) -> None:
        choices: list[list[str]] = [[], ["-u", "nobody"], ["-u", "root"]]
        for options in choices:
            with self.subTest(options), Monitor(self.network, *options, "--threads", "2") as monitor:
                self.check(status_of_threads(monitor.pid))
                self.count(monitor)

    def test_one_ambient_capability(self) -> None:
        words = lab.as_nobody_with("net_raw")
        binary = lab.copy_of_binary(self.network)
        with Monitor(self.network, "--threads", "2", launcher=words, binary=binary) as monitor:
            self.check(status_of_threads(monitor.pid), bounded=False)
            # Not even of the same user may look inside.
            self.assertEqual(pathlib.Path("/proc", str(monitor.pid), "status").stat().st_uid, 0)
            self.count(monitor)

    def test_one_capability_of_the_file(self) -> None:
        binary = lab.copy_of_binary(self.network)
        version_2_effective, net_raw = 0x02000001, 1 << 13
        os.setxattr(binary, "security.capability", struct.pack("<5I", version_2_effective, net_raw, 0, 0, 0))
        with Monitor(self.network, "--threads", "2", launcher=lab.AS_NOBODY, binary=binary) as monitor:
            self.check(status_of_threads(monitor.pid), bounded=False)
            self.count(monitor)

    def test_no_seccomp(self) -> None:
        with Monitor(self.network, "--no-seccomp", "--threads", "2") as monitor:
            self.check(status_of_threads(monitor.pid), seccomp="0")
            self.count(monitor)

    @unittest.skipIf(SANITIZERS, "filters nothing anyway")
    def test_refused_seccomp_is_an_error(self) -> None:
        """Live and for capture files: only --no-seccomp runs without filters."""
        launcher = [sys.executable, "-c", WITHOUT_SECCOMP]
        live = ["-U", str(self.network.folder / "refused.sock"), "-i", "veth0"]
        for options in (live, ["-r", "/dev/null"]):
            with self.subTest(options):
                finished = run_to_end(self.network.host, [*launcher, *command(*options)])
                self.assertEqual(finished.status, 1, finished)
                self.assertRegex(finished.stderr, "cannot filter system calls.*--no-seccomp.*Function not implemented")
                self.assertEqual(len(finished.stderr.splitlines()), 1, finished)
        with Monitor(self.network, "--no-seccomp", "--threads", "2", launcher=launcher) as monitor:
            self.count(monitor)

    def test_replay(self) -> None:
        self.check(replayed(self.network.folder))
        self.check(replayed(self.network.folder, "-u", "nobody"))
        self.check(replayed(self.network.folder, "--no-seccomp"), seccomp="0")

    def test_many_readers(self) -> None:
        """malloc() looks up what the filter does not let it: the number of CPUs, for the ninth thread."""
        with Monitor(self.network, "--threads", "24", "--cpus", "0") as monitor:
            threads = status_of_threads(monitor.pid)
            self.assertEqual(len(threads), 25)
            self.check(threads)
            self.count(monitor)
            self.assertEqual(monitor.stop().status, 0)


class NoSocket(unittest.TestCase):
    def test_it_counts_and_leaves_the_default_alone(self) -> None:
        """In a mount namespace whose /run is an empty folder of the test: nothing is made there."""
        with Lab() as network:
            run = network.folder / "run"
            run.mkdir()
            script = f'mount --bind {run} /run && exec "$@"'
            words = ["unshare", "--mount", "sh", "-c", script, "sh", *command("-i", "veth0", "--no-socket")]
            err = network.folder / "err"
            with open(err, "wb") as stream:
                process = subprocess.Popen(network.host.command(*words), stderr=stream)
            try:
                lab.wait_for(lambda: b"listening on" in err.read_bytes(), "it is ready")
                Conversation(network.wire(), RX4).succeed()
                lab.wait_for(lambda: b" success " in err.read_bytes(), "the attempt is shown")
                self.assertEqual(list(run.iterdir()), [])
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(lab.DEADLINE_S), 0)
            finally:
                process.kill()
                process.wait()


if __name__ == "__main__":
    unittest.main()
