"""The binary that `cmake --install` leaves: hardened, without symbols, and it runs."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import ClassVar

BUILD = os.environ["TCPEEK_BUILD"]
DEADLINE_S = 60.0
MOST_BYTES = 4 * 1024 * 1024  # 33 MiB with symbols


def run(*command: str, **variables: str) -> str:
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=os.environ | {"LC_ALL": "C"} | variables, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}"
    return done.stdout


class InstalledBinaryTest(unittest.TestCase):
    root: ClassVar[Path]
    binary: ClassVar[Path]
    symbols: ClassVar[set[str]]

    @classmethod
    def setUpClass(cls) -> None:
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        run("cmake", "--install", BUILD, "--prefix", "/usr", DESTDIR=str(folder))
        cls.root = folder / "usr"
        cls.binary = cls.root / "sbin/tcpeek"
        # "   12: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND poll@GLIBC_2.2.5 (2)"
        table = run("readelf", "--dyn-syms", "--wide", str(cls.binary))
        cls.symbols = set(re.findall(r" UND (\w+)@", table))

    def readelf(self, *options: str) -> str:
        return run("readelf", "--wide", *options, str(self.binary))

    def test_it_runs(self) -> None:
        self.assertRegex(run(str(self.binary), "--version"), r"tcpeek .*\d+\.\d+")

    def test_tcpeekstat_comes_with_its_completions(self) -> None:
        self.assertRegex(run(str(self.root / "bin/tcpeekstat"), "--version"), r"tcpeekstat \d+\.\d+")
        for shell, place in (("bash", "bash-completion/completions/tcpeekstat"), ("zsh", "zsh/*/_tcpeekstat"),
                             ("fish", "fish/vendor_completions.d/tcpeekstat.fish")):  # fmt: skip
            (found,) = (self.root / "share").glob(place)
            self.assertEqual(found.read_text(), run(str(self.root / "bin/tcpeekstat"), "completion", shell))

    def test_it_is_position_independent(self) -> None:
        self.assertRegex(self.readelf("--file-header"), r"Type: +DYN ")
        self.assertRegex(self.readelf("--dynamic"), r"\(FLAGS_1\) .*\bPIE\b")

    def test_no_table_of_calls_stays_writable(self) -> None:
        self.assertIn("GNU_RELRO", self.readelf("--program-headers"))
        self.assertRegex(self.readelf("--dynamic"), r"\bBIND_NOW\b|\(FLAGS_1\) .*\bNOW\b")

    def test_nothing_is_writable_and_executable(self) -> None:
        headers = self.readelf("--program-headers")
        self.assertRegex(headers, r"GNU_STACK .* RW  +0x")
        self.assertNotRegex(headers, r"LOAD .* RWE +0x")

    def test_stacks_are_guarded(self) -> None:
        self.assertIn("__stack_chk_fail", self.symbols)

    def test_calls_of_libc_are_checked(self) -> None:
        checked = {name for name in self.symbols if name.endswith("_chk")} - {"__stack_chk_fail"}
        self.assertTrue(checked, sorted(self.symbols))

    @unittest.skipUnless(platform.machine() == "x86_64", "CET is of x86-64")
    def test_indirect_jumps_land_on_marks(self) -> None:
        code = run("objdump", "--disassemble", "--section=.text", "--no-show-raw-insn", str(self.binary))
        self.assertGreater(code.count("endbr64"), 1000)

    def test_it_has_no_symbols(self) -> None:
        sections = self.readelf("--section-headers")
        self.assertNotRegex(sections, r"\.symtab|\.debug_")
        self.assertLess(self.binary.stat().st_size, MOST_BYTES)


if __name__ == "__main__":
    unittest.main()
