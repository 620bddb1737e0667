"""Runs the checkers of other languages over everything that is written in them: clang-format, shellcheck,
mypy, mandoc and jsonnetfmt. Files are found, not listed, so that a new one cannot be forgotten. A checker that is
not installed is a failure: scripts/setup installs them.
"""

from __future__ import annotations

import os
import re
import subprocess
import unittest
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 240.0
NOT_OURS = frozenset({"build", ".git", ".mypy_cache", "__pycache__"})


def files(wanted: Callable[[Path], bool]) -> list[Path]:
    found: list[Path] = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if name not in NOT_OURS)
        found += [path for name in sorted(names) if wanted(path := Path(folder, name))]
    return found


def first_line(path: Path) -> str:
    with path.open("rb") as file:
        return file.readline(200).decode(errors="replace")


def is_cpp(path: Path) -> bool:
    return path.suffix in (".h", ".cc")


def is_shell(path: Path) -> bool:
    return path.suffix == ".sh" or bool(re.match(r"#!.*\b(ba|da)?sh\b", first_line(path)))


def is_python(path: Path) -> bool:
    return path.suffix == ".py" or bool(re.match(r"#!.*\bpython", first_line(path)))


def is_jsonnet(path: Path) -> bool:
    return path.suffix in (".jsonnet", ".libsonnet")


def is_man_page(path: Path) -> bool:
    return path.parent.name == "docs" and bool(re.fullmatch(r"\.[1-9]", path.suffix))


class StyleTest(unittest.TestCase):
    def assert_passes(self, command: list[str], at_least: int, paths: list[Path],
                      folder: Path = ROOT) -> None:
        self.assertGreaterEqual(len(paths), at_least, "too few files found: is the search broken?")
        try:
            done = subprocess.run([*command, *map(str, paths)], cwd=folder, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=DEADLINE_S, check=False)
        except FileNotFoundError:
            self.fail(f"{command[0]} is not installed: run scripts/setup")
        self.assertEqual(done.returncode, 0, f"{' '.join(command)}:\n{done.stdout[-8000:]}")

    def test_cpp_is_formatted(self) -> None:
        self.assert_passes(["clang-format-14", "--dry-run", "--Werror"], 10, files(is_cpp))

    def test_shell_scripts(self) -> None:
        self.assert_passes(["shellcheck", "--external-sources"], 5, files(is_shell))

    def test_python_types(self) -> None:
        folders: dict[Path, list[Path]] = {}
        for path in files(is_python):
            folders.setdefault(path.parent, []).append(path)
        self.assertGreaterEqual(len(folders), 2)
        # Folder by folder, as the files of one import each other and are run from there.
        for folder, paths in folders.items():
            with self.subTest(folder.name):
                cache = ROOT / "build" / "mypy" / folder.relative_to(ROOT)
                self.assert_passes(["mypy", "--strict", "--no-error-summary", "--scripts-are-modules",
                                    "--python-version", "3.11", f"--cache-dir={cache}"],
                                   1, paths, folder)

    def test_jsonnet_is_formatted(self) -> None:
        self.assert_passes(["jsonnetfmt", "--test"], 5, files(is_jsonnet))

    def test_man_pages(self) -> None:
        self.assert_passes(["mandoc", "-T", "lint", "-W", "warning"], 1, files(is_man_page))

    def test_scripts_can_be_run(self) -> None:
        for path in files(lambda path: first_line(path).startswith("#!")):
            with self.subTest(path.relative_to(ROOT)):
                self.assertTrue(os.access(path, os.X_OK), "has an interpreter line but may not be run")


if __name__ == "__main__":
    unittest.main()
