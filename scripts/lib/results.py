"""Adds up what ctest wrote of its runs, names what failed with the command that repeats it, and ends with
`N passed, N failed, N skipped`. Exit status 1: something failed, or nothing passed.

Counted are the tests inside: each case of GoogleTest and of Python's unittest; what says nothing of cases,
such as a build, a fuzz target or clang-tidy, is one test. `results.py FOLDER` reads FOLDER/*.xml, each
named after the build it is of: PRESET.xml or PRESET.PART.xml. In matrix.xml, the stages of
tests/matrix, a stage that left such a file counts by that.
"""

from __future__ import annotations

import argparse
import re
import sys
import xml.etree.ElementTree
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

GTEST_RAN = re.compile(r"^\[={10}\] (\d+) tests? from .* ran\.", re.M)
GTEST_SKIPPED = re.compile(r"^\[  SKIPPED \] (\d+) tests?", re.M)
# Of the list at the end; the same line with a time comes where it happened.
GTEST_FAILED = re.compile(r"^\[  FAILED  \] ([\w/]+\.[\w/]+)(?:, where .*)?$", re.M)
PYTHON_RAN = re.compile(r"^Ran (\d+) tests? in ", re.M)
PYTHON_END = re.compile(r"^(?:OK|FAILED)(?: \((.*)\))?$", re.M)
PYTHON_FAILED = re.compile(r"^(?:FAIL|ERROR): \w+ \((?:__main__\.)?([\w.]+)\)", re.M)
ROOMS = frozenset({"ring", "flowtable", "ipc", "engine", "sandbox"})


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    again: list[tuple[str, str]] = field(default_factory=list)  # what failed, and the command

    def add(self, other: Counts) -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.again += other.again


@dataclass(frozen=True)
class Entry:
    """One test of ctest: GoogleTest's shard, a Python file, a stage."""

    build: str
    name: str
    status: str
    output: str

    @property
    def failed(self) -> bool:
        return self.status not in ("run", "skipped")

    @property
    def launcher(self) -> str:
        return "setarch -R " if self.build == "tsan" else ""

    def again(self) -> str:
        """The command that repeats all of it."""
        if self.build == "matrix" and self.name.startswith("build."):
            preset = self.name.removeprefix("build.")
            return f"cmake --preset {preset} && cmake --build --preset {preset}"
        return f"{self.launcher}ctest --test-dir build/{self.build} -R '^{re.escape(self.name)}$' -V"

    def again_gtest(self, case: str) -> str:
        room = self.name.split(".")[0]
        return f"{self.launcher}build/{self.build}/tests/{room}_test --gtest_filter={case}"

    def again_python(self, case: str) -> str:
        folder, name = self.name.split(".")
        binary = "release" if self.build == "matrix" else self.build
        file = f"{name}_test.py" if folder == "scripts" else f"test_{name}.py"
        # Of a class that could not be set up, the case is `setUpClass`, and then the class.
        case = ".".join(part for part in case.split(".") if part not in ("setUpClass", "__main__"))
        return f"{self.launcher}env TCPEEK=build/{binary}/tcpeek python3 tests/{folder}/{file} {case}".rstrip()


def read(path: Path) -> Iterator[Entry]:
    build = path.stem.split(".")[0]
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        status = "skipped" if case.find("skipped") is not None else case.get("status", "fail")
        if status == "skipped" and case.get("status") == "notrun" and build == "matrix":
            status = "notrun"  # what it needs has failed
        yield Entry(build, case.get("name", "?"), status, case.findtext("system-out") or "")


def count(entry: Entry) -> Counts:
    room, counts = entry.name.split(".")[0], Counts()
    if ran := GTEST_RAN.search(entry.output):
        skipped = GTEST_SKIPPED.search(entry.output)
        failed = sorted(set(GTEST_FAILED.findall(entry.output)))
        counts.failed, counts.skipped = len(failed), int(skipped[1]) if skipped else 0
        counts.passed = int(ran[1]) - counts.failed - counts.skipped
        if room in ROOMS:
            counts.again = [(f"{room}: {case}", entry.again_gtest(case)) for case in failed]
    elif (ran := PYTHON_RAN.search(entry.output)) and (end := PYTHON_END.search(entry.output, ran.end())):
        words = dict(re.findall(r"([a-z][a-z ]*)=(\d+)", end[1] or ""))
        counts.failed = sum(int(words.get(word, 0)) for word in ("failures", "errors"))
        counts.skipped = int(words.get("skipped", 0))
        counts.passed = max(0, int(ran[1]) - counts.failed - counts.skipped)
        if "." in entry.name:
            counts.again = [(f"{entry.name}: {case}", entry.again_python(case))
                            for case in dict.fromkeys(PYTHON_FAILED.findall(entry.output))]
    elif entry.status == "skipped":
        counts.skipped = 1
    elif not entry.failed:
        counts.passed = 1
    if entry.failed and counts.failed == 0:  # it crashed, timed out, or could not begin
        counts.failed = 1
    if counts.failed and not counts.again:
        not_run = " (not run: what it needs failed)" if entry.status == "notrun" else ""
        counts.again = [(f"{entry.name}{not_run}", entry.again())]
    return counts


def total(folder: Path) -> Counts:
    parts: dict[str, Counts] = {}
    for path in sorted(folder.glob("*.xml")):
        if path.stem != "matrix":
            parts[path.stem] = Counts()
            for entry in read(path):
                parts[path.stem].add(count(entry))
    everything = Counts()
    for part in parts.values():
        everything.add(part)
    if (folder / "matrix.xml").exists():
        for entry in read(folder / "matrix.xml"):
            inner = parts.get(entry.name)
            if inner is None or (entry.failed and inner.failed == 0):
                everything.add(count(entry))
    return everything


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--failed", nargs=2, action="append", default=[], metavar=("WHAT", "COMMAND"),
                        help="what failed before it could write a file")
    parser.add_argument("folder", type=Path)
    chosen = parser.parse_args()
    counts = total(chosen.folder)
    for what, command in chosen.failed:
        counts.add(Counts(failed=1, again=[(what, command)]))
    for what, command in counts.again:
        print(f"FAILED  {what}\n        again: {command}")
    print(f"{counts.passed} passed, {counts.failed} failed, {counts.skipped} skipped")
    return 1 if counts.failed or not counts.passed else 0


if __name__ == "__main__":
    sys.exit(main())
