"""What tcpeek finds around it is missing or read-only: the socket's folder, /proc, /dev, time zones."""

from __future__ import annotations

import shutil
import unittest

import live  # noqa: F401  (the path to tests/live)
from outputs import OPTIONS, OutputCase, in_mounts
from trial import Trial

import lab

setUpModule = lab.require

class Places(OutputCase):
    def test_read_only_folder(self) -> None:
        folder = self.network.folder
        script = f"mount --bind {folder} {folder}\nmount -o remount,bind,ro {folder}"
        one = Trial(self.network, OPTIONS, launcher=in_mounts(script))
        self.addCleanup(one.close)
        self.assertFalse(one.ready())
        said = one.check_refusal()
        self.assertRegex(said, f"{one.path}.*Read-only file system.*-U")
        one.check_nothing_left()

    def test_read_only_root(self) -> None:
        """All but the socket's folder."""
        folder = self.network.folder
        script = f"mount --bind {folder} {folder}\nmount -o remount,bind,ro /"
        self.check("read-only root", self.start(launcher=in_mounts(script)))

    def test_no_inode_for_the_socket(self) -> None:
        """The folder's file system is full."""
        script = f"mount -t tmpfs -o nr_inodes=1 none {self.network.folder}"
        one = Trial(self.network, OPTIONS, launcher=in_mounts(script))
        self.addCleanup(one.close)
        self.assertFalse(one.ready())
        self.assertRegex(one.check_refusal(), f"{one.path}.*No space left on device.*-U")

    def test_folder_deleted_meanwhile(self) -> None:
        """Who is connected is served; the counts are in the summary."""
        one = self.start()
        self.attempts(one, count=100)
        shutil.rmtree(self.network.folder)
        self.addCleanup(self.network.folder.mkdir)
        idle = self.check_idle(one)
        self.assertEqual(one.end(), 0, one.said())
        self.assertRegex(one.said(), r"Connection Rejected   : +100\b")
        live.told(f"socket's folder deleted: {100 * idle:.1f} % of a CPU when idle, summary complete")

    def test_without_proc(self) -> None:
        for options in (OPTIONS, (*OPTIONS, "-u", "nobody")):
            with self.subTest(options=options):
                # An empty folder in its place, which the test itself does not see.
                one = self.start(options, launcher=in_mounts("mount -t tmpfs none /proc"))
                self.assertEqual(one.path.stat().st_mode & 0o777, 0o660)
                self.check(f"no /proc ({options[-1]})", one)

    def test_without_time_zones(self) -> None:
        for zone in ("No/Such_Zone", ":/no/such/file", ""):
            with self.subTest(zone):
                one = self.start(environment={"TZ": zone})
                self.check(f"TZ={zone!r}", one)
        one = self.start(launcher=in_mounts("mount -t tmpfs none /usr/share/zoneinfo"))
        self.check("no time zones at all", one)


if __name__ == "__main__":
    unittest.main()
