"""The files of packaging/ themselves: sound, tight, alike, and installed where systemd looks."""

import pathlib
import subprocess
import tempfile
import unittest

import nest
import lab

PACKAGING = lab.ROOT / "packaging"
UNITS = ("tcpeek.service", "tcpeek@.service")
FORWARDER = "tcpeek-forward.service"
# In tenths, as systemd-analyze has it. The drop-in that pins readers costs one more.
MOST_EXPOSED = 13
MOST_EXPOSED_PINNING = 14


def settings(unit: str) -> list[str]:
    """The unit's lines without comments."""
    lines = (PACKAGING / unit).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def analyze(folder: pathlib.Path, unit: str, threshold: int) -> None:
    """Its exposure is this at most."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={threshold}", folder / unit],
        capture_output=True, text=True, check=False, timeout=lab.DEADLINE_S,
    )  # fmt: skip
    if "Overall exposure level" not in done.stdout:
        raise RuntimeError(f"systemd-analyze: {done.stderr}")
    if done.returncode != 0:
        raise AssertionError(done.stdout)


class Exposure(unittest.TestCase):
    def test_as_shipped(self) -> None:
        for unit in (*UNITS, FORWARDER):
            with self.subTest(unit):
                analyze(PACKAGING, unit, MOST_EXPOSED)

    def test_with_a_drop_in(self) -> None:
        for name, exposed in (("pin-readers.conf", MOST_EXPOSED_PINNING), ("prefilter.conf", MOST_EXPOSED)):
            drop_in = (PACKAGING / name).read_text(encoding="utf-8")
            for unit in UNITS:
                with self.subTest(unit, drop_in=name), tempfile.TemporaryDirectory() as folder:
                    whole = (PACKAGING / unit).read_text(encoding="utf-8").replace("[Install]", f"{drop_in}\n[Install]")
                    pathlib.Path(folder, unit).write_text(whole, encoding="utf-8")
                    analyze(pathlib.Path(folder), unit, exposed)

    def test_a_loose_unit_would_be_refused(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            loose = "\n".join(line for line in settings(UNITS[0]) if not line.startswith("SystemCallFilter="))
            pathlib.Path(folder, UNITS[0]).write_text(loose, encoding="utf-8")
            with self.assertRaises(AssertionError):
                analyze(pathlib.Path(folder), UNITS[0], MOST_EXPOSED)


class Alike(unittest.TestCase):
    def test_units_differ_in_what_they_watch_alone(self) -> None:
        one, other = (set(settings(unit)) for unit in UNITS)
        names = {line.split("=")[0] for line in one ^ other}
        self.assertEqual(names, {"Description", "Wants", "After", "EnvironmentFile", "ExecStart", "ExecReload"})


class Installed(unittest.TestCase):
    def setUp(self) -> None:
        if not (lab.binary().parent / "cmake_install.cmake").exists():
            self.skipTest("the binary does not lie in a build tree to install from")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.stage = pathlib.Path(folder.name)

    def test_files_and_places(self) -> None:
        nest.install(self.stage)
        places = {
            "usr/lib/systemd/system/tcpeek.service": "tcpeek.service",
            "usr/lib/systemd/system/tcpeek@.service": "tcpeek@.service",
            "usr/lib/systemd/system/tcpeek-metrics.socket": "tcpeek-metrics.socket",
            "usr/share/doc/tcpeek/pin-readers.conf": "pin-readers.conf",
            "usr/share/doc/tcpeek/prefilter.conf": "prefilter.conf",
            "usr/share/doc/tcpeek/tcpeek.conf": "tcpeek.conf",
            "usr/lib/sysusers.d/tcpeek.conf": "tcpeek.sysusers",
            "etc/default/tcpeek": "tcpeek.default",
        }
        for place, name in places.items():
            self.assertEqual((self.stage / place).read_bytes(), (PACKAGING / name).read_bytes(), place)

    def test_exposure(self) -> None:
        """With all that lies beside the units."""
        nest.install(self.stage)
        for unit in UNITS:
            analyze(self.stage / "usr/lib/systemd/system", unit, MOST_EXPOSED)

    def test_options_of_the_administrator_stay(self) -> None:
        nest.install(self.stage)
        kept = self.stage / "etc/default/tcpeek"
        kept.write_text("TCPEEK_OPTIONS=--icmp\n", encoding="utf-8")
        nest.install(self.stage)
        self.assertEqual(kept.read_text(encoding="utf-8"), "TCPEEK_OPTIONS=--icmp\n")


class Verified(unittest.TestCase):
    def test_systemd_finds_nothing_wrong(self) -> None:
        nest.require()
        with lab.Lab() as network, nest.Nest(network) as machine:
            for unit in ("tcpeek.service", "tcpeek@veth0.service", "tcpeek-metrics.socket"):
                done = machine.run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit)
                told = [line for line in done.stderr.splitlines() if "tcpeek" in line]
                self.assertEqual((done.returncode, told), (0, []), done.stderr)


if __name__ == "__main__":
    unittest.main()
