"""The Debian package in a clean Debian with systemd as its first process: installed, run, upgraded from 2.0, removed
and purged, as an administrator would by apt, and with nobody to answer a question.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "live"), str(HERE.parent / "systemd")]

import clean_root
import debs
import lab
import nest

ANSWER_S = 60.0
PORT = 81
# What a package manager and systemd keep of their own, in any case.
OTHERS = ("/proc", "/sys", "/dev", "/run", "/tmp", "/var/lib/dpkg", "/var/lib/apt", "/var/cache", "/var/log", "/debs",
          "/var/lib/systemd/random-seed", "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/.pwd.lock",
          "/etc/subuid", "/etc/subgid", "/etc/resolv.conf", "/var/tmp")  # fmt: skip
DEFAULT_2_0 = 'TCPEEK_OPTIONS="-i veth0 --icmp web:RX@%:80:443 :RX@%:22"\n'

ROOT = pathlib.Path("/")


def setUpModule() -> None:
    global ROOT  # made once for all tests
    nest.require()
    debs.prebuilt()
    try:
        ROOT = clean_root.get(["systemd", "iproute2", *debs.depends(debs.package())])
    except lab.Unavailable as reason:
        if os.environ.get("TCPEEK_REQUIRE_LIVE") == "1":
            raise RuntimeError(f"package tests are required here and cannot run: {reason}") from reason
        print(f"\n*** PACKAGE TESTS SKIPPED: {reason} ***\n", file=sys.stderr, flush=True)
        raise unittest.SkipTest(str(reason)) from reason


def furnish(stage: pathlib.Path) -> None:
    """Both packages, for apt to find."""
    (stage / "debs").mkdir(parents=True)
    shutil.copyfile(debs.package(), stage / "debs/new.deb")
    shutil.copyfile(debs.of_2_0(), stage / "debs/old.deb")


class InstalledTest(unittest.TestCase):
    def setUp(self) -> None:
        stack = self.enterContext(contextlib.ExitStack())
        self.network = stack.enter_context(lab.Lab())
        self.machine = stack.enter_context(nest.Nest(self.network, ROOT, furnish))

    def apt(self, *words: str) -> None:
        # Nothing to read from: a question would be an error.
        done = subprocess.run(
            ["nsenter", "--target", str(self.machine.pid), "--all", "--", "env", "DEBIAN_FRONTEND=noninteractive",
             "LC_ALL=C.UTF-8", "apt-get", "-q", "-y", "-o", "APT::Sandbox::User=root", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            timeout=nest.BOOT_S,
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stdout)

    def files(self) -> set[str]:
        pruned = [word for path in OTHERS for word in ("-path", path, "-prune", "-o")]
        return set(self.machine.must("find", "/", *pruned, "-print").splitlines())

    def tcpeekstat(self, *words: str) -> str:
        return self.machine.must("tcpeekstat", *words)

    def is_active(self, unit: str) -> bool:
        return self.machine.run("systemctl", "is-active", unit).stdout.strip() == "active"

    def refuse(self) -> None:
        with contextlib.suppress(ConnectionRefusedError):
            self.network.peer.connect(lab.HOST_V4, PORT)

    def test_from_apt_to_an_answer_and_to_nothing(self) -> None:
        self.machine.must("mkdir", "-p", "/etc/systemd/system/multi-user.target.wants")  # as systemd's package has it
        before = self.files()
        self.apt("install", "/debs/new.deb")
        began = time.monotonic()  # what apt takes is the machine's
        self.assertTrue(self.is_active("tcpeek.service"))
        for _ in range(4):
            self.refuse()
        lab.wait_for(lambda: f"Nobody listens on {lab.HOST_V4}:{PORT}" in self.tcpeekstat("top", "--once"), "the answer")
        self.assertLess(time.monotonic() - began, ANSWER_S)
        self.assertIn("icmp = true", self.machine.path("/etc/tcpeek/tcpeek.conf").read_text(encoding="utf-8"))
        owner = self.machine.must("stat", "-c", "%U", f"/proc/{self.inner_pid('tcpeek.service')}")
        self.assertEqual(owner.strip(), "tcpeek")

        self.machine.must("systemctl", "enable", "--now", "tcpeek@veth0")
        self.machine.write("/etc/default/tcpeek-veth0", 'TCPEEK_OPTIONS="-t 5"\n')
        self.apt("remove", "tcpeek")
        for unit in ("tcpeek.service", "tcpeek@veth0.service"):
            self.assertFalse(self.is_active(unit), unit)
        kept = self.files() - before
        self.assertLessEqual({"/etc/tcpeek/tcpeek.conf", "/etc/default/tcpeek", "/etc/default/tcpeek-veth0"}, kept)
        self.assertEqual([path for path in kept if path.startswith(("/usr", "/lib", "/bin"))], [])

        self.apt("purge", "tcpeek")
        self.assertEqual(sorted(self.files() - before), [])
        self.assertEqual(sorted(before - self.files()), [])
        self.assertFalse(self.machine.path("/run/tcpeek").exists())

    def inner_pid(self, unit: str) -> int:
        return int(self.machine.show(unit, "MainPID"))

    def test_a_configuration_of_2_0_goes_on(self) -> None:
        self.apt("install", "/debs/old.deb")
        self.machine.write("/etc/default/tcpeek", DEFAULT_2_0)
        self.machine.write("/etc/default/tcpeek-veth0", 'TCPEEK_OPTIONS="-t 7"\n')
        units = ("tcpeek.service", "tcpeek@veth0.service")
        self.machine.must("systemctl", "enable", "--now", *units)
        before = {unit: self.inner_pid(unit) for unit in units}

        self.apt("install", "/debs/new.deb")
        for unit in units:
            self.assertTrue(self.is_active(unit), unit)
            self.assertNotEqual(self.inner_pid(unit), before[unit], "not started again")
        default = self.machine.path("/etc/default/tcpeek")
        self.assertEqual(default.read_text(encoding="utf-8"), DEFAULT_2_0)
        self.assertEqual([path for path in self.files() if ".dpkg-" in path], [])
        self.assertIn("web", self.tcpeekstat("-U", "/run/tcpeek/tcpeek.sock", "--blocks"))
        command = self.machine.path(f"/proc/{self.inner_pid('tcpeek@veth0.service')}/cmdline").read_bytes()
        self.assertIn(b"\0-t\x007\0", command)
        self.machine.must("systemctl", "reload", "tcpeek.service")
        news = self.machine.must("zcat", "/usr/share/doc/tcpeek/NEWS.Debian.gz")
        self.assertIn("superseded", news)

        self.apt("purge", "tcpeek")
        self.assertFalse(default.exists())

    def test_what_was_changed_survives_an_upgrade_and_what_was_disabled_stays_so(self) -> None:
        self.apt("install", "/debs/new.deb")
        changed = "icmp = true\ntimeout = 9\n"
        self.machine.write("/etc/tcpeek/tcpeek.conf", changed)
        self.machine.must("systemctl", "disable", "--now", "tcpeek.service")
        self.apt("install", "--reinstall", "/debs/new.deb")
        self.assertEqual(self.machine.path("/etc/tcpeek/tcpeek.conf").read_text(encoding="utf-8"), changed)
        self.assertFalse(self.is_active("tcpeek.service"))
        self.machine.must("systemctl", "start", "tcpeek.service")
        self.machine.write("/etc/tcpeek/tcpeek.conf", f'{changed}[filters]\nweb = "RX@%:80"\n')
        self.machine.must("systemctl", "reload", "tcpeek.service")
        self.assertIn("web", self.tcpeekstat("--blocks"))


if __name__ == "__main__":
    unittest.main()
