"""A small machine with systemd as its first process and tcpeek installed, made by nest.sh for the test.

It shares this machine's kernel and, read-only, its files or those of a folder; its network is the lab's `host`. Commands
are run in it by entering its namespaces. The units are the ones that `cmake --install` puts there.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Callable
from typing import Any

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "live"))

import lab
import monitor

SCRIPT = pathlib.Path(__file__).with_name("nest.sh")
BOOT_S = 120.0
PROGRAMS = ("systemctl", "journalctl", "systemd-sysusers", "unshare", "nsenter", "setpriv", "pivot_root", "cmake")


def require() -> None:
    """For setUpModule: skips the module, loudly, where no systemd can be run."""
    try:
        _probe()
    except lab.Unavailable as reason:
        if os.environ.get("TCPEEK_REQUIRE_LIVE") == "1":
            raise RuntimeError(f"systemd tests are required here and cannot run: {reason}") from reason
        print(f"\n*** SYSTEMD TESTS SKIPPED: {reason} ***\n", file=sys.stderr, flush=True)
        raise unittest.SkipTest(str(reason)) from reason


def _probe() -> None:
    if os.geteuid() != 0:
        raise lab.Unavailable("a systemd of our own needs root")
    if not os.access("/lib/systemd/systemd", os.X_OK):
        raise lab.Unavailable("there is no /lib/systemd/systemd: install systemd")
    for program in PROGRAMS:
        if shutil.which(program) is None:
            raise lab.Unavailable(f"{program} is missing")
    if not (lab.binary().parent / "cmake_install.cmake").exists():
        raise lab.Unavailable(f"{lab.binary()} does not lie in a build tree to install from")
    lab.remove_leftovers()
    try:
        lab.run("unshare", "--mount", str(SCRIPT), "clean_leftovers")
        with lab.Lab() as network, Nest(network):
            pass
    except (OSError, RuntimeError, AssertionError) as error:
        raise lab.Unavailable(f"no systemd of our own: {error}") from error


class Nest:
    """Booted on entry, gone at exit with everything that ran in it.

    `root` is the machine below it, ours if nothing else is said; `furnish` lays files over that.
    """

    def __init__(
        self, network: lab.Lab, root: pathlib.Path = pathlib.Path("/"), furnish: Callable[[pathlib.Path], None] | None = None
    ) -> None:
        self._network = network
        self._root = root
        self._furnish = furnish or install
        self._group = network.host.name
        self._cleanup = contextlib.ExitStack()
        self._console = network.folder / "console"
        self.pid = 0  # of its first process, as we see it

    def __enter__(self) -> Nest:
        with contextlib.ExitStack() as stack:
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tcpeek-nest-")))
            stage, mounts = folder / "stage", folder / "mounts"
            mounts.mkdir()
            self._furnish(stage)
            stack.callback(lambda: lab.wait_for(self._group_removed, f"control group {self._group} is removed"))
            # Dies with us, however we end.
            words = ["setpriv", "--pdeathsig", "KILL"]
            words += ["unshare", "--pid", "--mount", "--uts", "--ipc", "--fork", "--kill-child"]
            words += [str(SCRIPT), "run", str(mounts), str(stage), self._group, str(self._root)]
            with open(self._console, "wb") as console:
                process = subprocess.Popen(
                    self._network.host.command(*words),
                    stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT,
                )  # fmt: skip
            stack.callback(process.wait)
            stack.callback(process.kill)
            lab.wait_for(lambda: self._booted(process), "systemd has booted", BOOT_S)
            self.must("systemd-sysusers")
            self._cleanup = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def _booted(self, process: subprocess.Popen[bytes]) -> bool:
        if process.poll() is not None:
            said = self._console.read_text(encoding="utf-8", errors="replace")
            raise RuntimeError(f"nest.sh ended with {process.returncode}: {said[-2000:]}")
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
        if not children:
            return False
        self.pid = int(children[0])
        if pathlib.Path(f"/proc/{self.pid}/comm").read_text(encoding="utf-8").strip() != "systemd":
            return False
        return self.run("systemctl", "is-active", "basic.target").stdout.strip() == "active"

    def _group_removed(self) -> bool:
        """Not as long as one of its processes is ending."""
        done = subprocess.run(["unshare", "--mount", str(SCRIPT), "clean", self._group], capture_output=True, check=False)
        return done.returncode == 0

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["nsenter", "--target", str(self.pid), "--all", "--", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=BOOT_S)

    def must(self, *words: str) -> str:
        done = self.run(*words)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def path(self, path: str) -> pathlib.Path:
        """A file in there, for us to read, write or connect to."""
        return pathlib.Path(f"/proc/{self.pid}/root{path}")

    def write(self, path: str, text: str) -> None:
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(text, encoding="utf-8")

    def drop_in(self, unit: str, text: str) -> None:
        """Overrides parts of a unit, as an operator would."""
        self.write(f"/etc/systemd/system/{unit}.d/test.conf", text)
        self.must("systemctl", "daemon-reload")

    def reset(self) -> None:
        """Stops every tcpeek and takes back what a test changed."""
        self.must("systemctl", "stop", "tcpeek.service", "tcpeek@*.service")
        self.run("systemctl", "reset-failed")
        for folder in self.path("/etc/systemd/system").glob("tcpeek*.d"):
            shutil.rmtree(folder)
        self.must("systemctl", "daemon-reload")
        self.must("journalctl", "--rotate", "--vacuum-time=1us")

    def show(self, unit: str, name: str) -> str:
        return self.must("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def main_process(self, unit: str) -> int:
        """The only process of an active unit, as we see it."""
        group = self.show(unit, "ControlGroup")
        (pid,) = self.path(f"/sys/fs/cgroup{group}/cgroup.procs").read_text(encoding="ascii").split()
        return int(pid)

    def journal(self, unit: str) -> list[dict[str, Any]]:
        """What the unit's processes and the manager said about it, in order."""
        self.must("journalctl", "--sync")
        text = self.must("journalctl", "--output=json", f"--unit={unit}")
        return [json.loads(line) for line in text.splitlines()]

    def said(self, unit: str) -> list[tuple[int, str]]:
        """Priority and text of the lines of the unit's own processes."""
        return [
            (int(entry["PRIORITY"]), entry["MESSAGE"])
            for entry in self.journal(unit)
            if entry.get("_TRANSPORT") == "stdout"
        ]

    def ask(self, word: str, socket_path: str, seconds: float = lab.DEADLINE_S) -> bytes:
        """The reply to a word on a socket in there; TimeoutError when none begins in time."""
        return monitor.ask(self.path(socket_path), f"{word}\n".encode(), seconds)


def install(stage: pathlib.Path) -> None:
    """The build under test as a package would have it."""
    done = subprocess.run(
        ["cmake", "--install", str(lab.binary().parent), "--prefix", "/usr"],
        env={**os.environ, "DESTDIR": str(stage)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"cmake --install: {done.stderr.strip()}")


class TestCase(unittest.TestCase):
    """One machine, and one network for it, for all tests of a class."""

    links = 1
    network: lab.Lab
    nest: Nest

    @classmethod
    def setUpClass(cls) -> None:
        cls.network = cls.enterClassContext(lab.Lab(cls.links))
        cls.nest = cls.enterClassContext(Nest(cls.network))
