"""What is in the Debian packages that scripts/package makes."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "live"))

import debs
import lab

LINTIAN_S = 300.0
# Of documents and dashboards, what the tree has is there; all else by name.
FILES = {
    "/etc/tcpeek/tcpeek.conf",
    "/lib/systemd/system/tcpeek.service",
    "/lib/systemd/system/tcpeek@.service",
    "/lib/systemd/system/tcpeek-metrics.socket",
    "/usr/bin/tcpeekstat",
    "/usr/lib/sysusers.d/tcpeek.conf",
    "/usr/sbin/tcpeek",
    "/usr/share/lintian/overrides/tcpeek",
    "/usr/share/bash-completion/completions/tcpeekstat",
    "/usr/share/fish/vendor_completions.d/tcpeekstat.fish",
    "/usr/share/man/man1/tcpeekstat.1.gz",
    "/usr/share/man/man5/tcpeek.conf.5.gz",
    "/usr/share/man/man7/tcpeek-protocol.7.gz",
    "/usr/share/man/man8/tcpeek.8.gz",
    "/usr/share/tcpeek/tcpeek.default",
    "/usr/share/zsh/vendor-completions/_tcpeekstat",
}
DOCUMENTS = {"NEWS.Debian.gz", "README.md", "SECURITY.md", "changelog.Debian.gz", "changelog.gz", "copyright",
             "fleet.md", "pin-readers.conf", "prefilter.conf", "reliability.md", "runbooks.md", "tcpeek.conf"}  # fmt: skip


FORWARD_FILES = {
    "/lib/systemd/system/tcpeek-forward.service",
    "/usr/sbin/tcpeek-forward",
    "/usr/share/lintian/overrides/tcpeek-forward",
    "/usr/share/man/man8/tcpeek-forward.8.gz",
}
FORWARD_DOCUMENTS = {"NEWS.Debian.gz", "changelog.Debian.gz", "changelog.gz", "copyright", "examples/nats-server.conf",
                     "examples/tcpeek-stream.json"}  # fmt: skip


def setUpModule() -> None:
    if not (debs.BUILD / "cmake_install.cmake").exists():
        raise unittest.SkipTest(f"PACKAGE TESTS SKIPPED: no build in {debs.BUILD}")
    debs.prebuilt()


class ContentsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="tcpeek-test-")))

    def extract(self, deb: pathlib.Path) -> pathlib.Path:
        lab.run("dpkg-deb", "--extract", str(deb), str(self.folder))
        return self.folder

    def files(self, deb: pathlib.Path) -> set[str]:
        root = self.extract(deb)
        return {f"/{path.relative_to(root)}" for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}

    def test_lintian_has_nothing_to_say(self) -> None:
        (changes,) = [path for path in debs.prebuilt() if path.suffix == ".changes"]
        done = subprocess.run(
            ["lintian", "--fail-on", "error,warning", "--allow-root", str(changes)],
            capture_output=True, text=True, check=False, timeout=LINTIAN_S,
        )  # fmt: skip
        self.assertEqual(re.findall("(?m)^[EW]: .*", done.stdout), [])
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_all_that_belongs_there_and_nothing_else(self) -> None:
        files = self.files(debs.package())
        below = "/usr/share/doc/tcpeek/"
        documents = {path.removeprefix(below) for path in files if path.startswith(below)}
        schemas = {f"schema/{path.name}" for path in (lab.ROOT / "docs" / "schema").iterdir()}
        self.assertEqual(documents, DOCUMENTS | schemas)
        source = lab.ROOT / "packaging" / "prometheus"
        dashboards = {f"/usr/share/tcpeek/prometheus/{path.relative_to(source)}" for path in source.rglob("*") if path.is_file()}
        rest = {path for path in files if not path.startswith(below)}
        self.assertEqual(rest - dashboards, FILES)
        self.assertLessEqual({path for path in dashboards if pathlib.Path(path).suffix in (".json", ".yml", ".yaml")}, rest)

    def test_the_forwarder_is_a_package_of_its_own(self) -> None:
        files = self.files(debs.named(rf"tcpeek-forward_{re.escape(debs.VERSION)}-\d+_\w+\.deb"))
        below = "/usr/share/doc/tcpeek-forward/"
        self.assertEqual({path for path in files if not path.startswith(below)}, FORWARD_FILES)
        self.assertEqual({path.removeprefix(below) for path in files if path.startswith(below)}, FORWARD_DOCUMENTS)

    def test_symbols_are_in_a_package_of_their_own(self) -> None:
        binary = self.extract(debs.package()) / "usr/sbin/tcpeek"
        identity = re.findall(r"Build ID: (\w+)", lab.run("readelf", "--notes", str(binary)))[0]
        self.assertNotIn(".debug_info", lab.run("readelf", "--section-headers", "--wide", str(binary)))
        symbols = self.extract(debs.named(r"tcpeek-dbgsym_.*\.deb"))
        debug = symbols / f"usr/lib/debug/.build-id/{identity[:2]}/{identity[2:]}.debug"
        self.assertIn(".debug_info", lab.run("readelf", "--section-headers", "--wide", str(debug)))

    def test_a_new_installation_takes_its_options_from_the_file(self) -> None:
        root = self.extract(debs.package())
        default = (root / "usr/share/tcpeek/tcpeek.default").read_text(encoding="utf-8")
        self.assertRegex(default, r'(?m)^TCPEEK_OPTIONS="--config=/etc/tcpeek/tcpeek\.conf"$')
        done = subprocess.run(
            [root / "usr/sbin/tcpeek", "--config", root / "etc/tcpeek/tcpeek.conf", "-r",
             lab.ROOT / "tests/captures/tcpdump__bgp-bgpsec.pcap", "-q"],
            capture_output=True, text=True, check=False, timeout=lab.DEADLINE_S,
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_versions_agree(self) -> None:
        folder = lab.ROOT / "packaging" / "debian"
        for name in ("changelog", "NEWS"):
            self.assertRegex((folder / name).read_text(encoding="utf-8"), rf"\Atcpeek \({re.escape(debs.VERSION)}-\d+\) ", name)

    def test_what_building_takes_is_said_in_two_places(self) -> None:
        control = (lab.ROOT / "packaging/debian/control").read_text(encoding="utf-8")
        field = re.findall(r"^Build-Depends:(.*(?:\n .*)*)", control, re.M)[0]
        needed = {re.split(r"[ (:]", one.strip())[0] for one in field.split(",")}
        listed = set(lab.run(str(lab.ROOT / "scripts/setup"), "--run", "--list").split())
        self.assertEqual(needed - {"python3", "debhelper-compat", "dh-sequence-installsysusers"}, listed - {"g++"})


if __name__ == "__main__":
    unittest.main()
