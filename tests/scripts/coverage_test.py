"""scripts/lib/coverage.py: what it makes of line counts, and when it says that they are too few."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ONE_OF_EACH_GROUP = (
    "flowtable/decode.cc", "flowtable/handshake.cc", "flowtable/table.cc", "ipc/request.cc",
    "ring/savefile.cc", "engine/filters/filter_matcher.cc", "ring/block.h", "ipc/reactor.cc", "engine/live/reader.cc",
)


def lcov(path: str, counts: list[int]) -> str:
    lines = "".join(f"DA:{number},{count}\n" for number, count in enumerate(counts, 1))
    return f"SF:{ROOT / path}\n{lines}end_of_record\n"


class CoverageTest(unittest.TestCase):
    def report(self, text: str, *options: str) -> subprocess.CompletedProcess[str]:
        with tempfile.NamedTemporaryFile("w", suffix=".lcov") as file:
            file.write(text)
            file.flush()
            return subprocess.run(
                [sys.executable, "-B", "-W", "error", str(ROOT / "scripts/lib/coverage.py"), *options, file.name],
                capture_output=True, text=True, check=False, timeout=60)

    def with_counts(self, path: str, counts: list[int]) -> str:
        return "".join(lcov(each, counts if each == path else [1]) for each in ONE_OF_EACH_GROUP)

    def test_enough(self) -> None:
        done = self.report(self.with_counts("flowtable/decode.cc", [1] * 19 + [0]))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("19 of    20 lines   95.0%  at least 95%", done.stdout)

    def test_too_few_where_hostile_bytes_go(self) -> None:
        for path in ONE_OF_EACH_GROUP[:4]:
            with self.subTest(path):
                done = self.report(self.with_counts(path, [1] * 18 + [0, 0]))
                self.assertEqual(done.returncode, 1)
                self.assertIn("too few lines tested", done.stderr)

    def test_elsewhere_it_only_tells(self) -> None:
        for path in ONE_OF_EACH_GROUP[4:]:
            with self.subTest(path):
                self.assertEqual(self.report(self.with_counts(path, [0])).returncode, 0)

    def test_a_line_reached_by_one_program_is_reached(self) -> None:
        text = self.with_counts("ipc/request.cc", [0, 1]) + lcov("ipc/request.cc", [7, 0])
        self.assertEqual(self.report(text).returncode, 0)

    def test_lines_not_reached_are_named(self) -> None:
        done = self.report(self.with_counts("engine/live/reader.cc", [0, 1, 0, 0, 0, 1, 0]), "--missed")
        self.assertIn("engine/live/reader.cc: 1 3-5 7\n", done.stdout)

    def test_a_group_without_files_is_an_error(self) -> None:
        done = self.report(lcov("flowtable/decode.cc", [1]))
        self.assertEqual(done.returncode, 1)
        self.assertIn("no lines of 'state machine'", done.stderr)


if __name__ == "__main__":
    unittest.main()
