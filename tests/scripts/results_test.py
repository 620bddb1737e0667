"""scripts/lib/results.py: what it counts in the results of ctest, and the commands it gives."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
import xml.sax.saxutils
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 30.0
GTEST = "[==========] 10 tests from 2 test suites ran. (5 ms total)\n[  PASSED  ] 7 tests.\n"
GTEST_FAILED = (GTEST + "[  SKIPPED ] 1 test, listed below:\n[  SKIPPED ] A.Skipped\n"
                "[  FAILED  ] 2 tests, listed below:\n[  FAILED  ] A.One\n"
                "[  FAILED  ] Many/B.Two/v6, where GetParam() = 6\n")
PYTHON = "Ran 5 tests in 0.100s\n\nOK (skipped=2)\n"
PYTHON_FAILED = ("FAIL: test_a (__main__.Some.test_a) (x=1)\n...\nERROR: test_b (__main__.Some.test_b)\n...\n"
                 "Ran 5 tests in 0.1s\n\nFAILED (failures=1, errors=1, skipped=1)\n")

Case = tuple[str, str, str]  # name, status, output


class ResultsTest(unittest.TestCase):
    def results(self, *options: str, **files: list[Case]) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory() as folder:
            for name, cases in files.items():
                text = "".join(
                    f'<testcase name="{case}" status="{"notrun" if status == "skipped" else status}">'
                    f'{"<skipped/>" if status in ("skipped", "notrun") else ""}'
                    f"<system-out>{xml.sax.saxutils.escape(output)}</system-out></testcase>"
                    for case, status, output in cases)
                Path(folder, f"{name.replace('_', '.')}.xml").write_text(f"<testsuite>{text}</testsuite>")
            return subprocess.run(
                [sys.executable, "-B", "-W", "error", str(ROOT / "scripts/lib/results.py"), *options, folder],
                text=True, capture_output=True, timeout=DEADLINE_S, check=False)

    def assert_counts(self, done: subprocess.CompletedProcess[str], passed: int, failed: int, skipped: int) -> None:
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.stdout.splitlines()[-1], f"{passed} passed, {failed} failed, {skipped} skipped")
        self.assertEqual(done.returncode, 1 if failed or not passed else 0)

    def test_cases_inside_are_counted(self) -> None:
        done = self.results(debug=[("ring.0", "run", GTEST), ("live.veth", "run", PYTHON),
                                   ("other", "run", "no word of cases\n")])
        self.assert_counts(done, 10 + 3 + 1, 0, 2)

    def test_what_failed_in_gtest_is_named(self) -> None:
        done = self.results(asan=[("ring.0", "fail", GTEST_FAILED)])
        self.assert_counts(done, 7, 2, 1)
        self.assertIn("FAILED  ring: A.One\n        again: build/asan/tests/ring_test --gtest_filter=A.One\n",
                      done.stdout)
        self.assertIn("--gtest_filter=Many/B.Two/v6\n", done.stdout)

    def test_the_thread_sanitizer_wants_plain_addresses(self) -> None:
        done = self.results(tsan_unit=[("ring.0", "fail", GTEST_FAILED)])
        self.assertIn("again: setarch -R build/tsan/tests/ring_test", done.stdout)

    def test_what_failed_in_python_is_named(self) -> None:
        done = self.results(debug=[("live.veth", "fail", PYTHON_FAILED), ("scripts.setup", "fail", PYTHON_FAILED)])
        self.assert_counts(done, 4, 4, 2)
        self.assertIn("again: env TCPEEK=build/debug/tcpeek python3 tests/live/test_veth.py Some.test_a\n", done.stdout)
        self.assertIn("python3 tests/scripts/setup_test.py Some.test_b\n", done.stdout)

    def test_a_class_that_could_not_be_set_up(self) -> None:
        output = "ERROR: setUpClass (__main__.Some)\nRan 0 tests in 0.1s\n\nFAILED (errors=1)\n"
        done = self.results(debug=[("ipc.0", "run", GTEST), ("live.veth", "fail", output)])
        self.assert_counts(done, 10, 1, 0)
        self.assertIn("test_veth.py Some\n", done.stdout)

    def test_a_crash_is_a_failure_though_no_case_failed(self) -> None:
        for output in ("", "Segmentation fault\n", GTEST, PYTHON):
            with self.subTest(output):
                done = self.results(debug=[("ipc.0", "run", GTEST), ("ring.0", "fail", output)])
                self.assertEqual(done.returncode, 1)
                self.assertIn("10 passed, 1 failed" if output[:1] in ("", "S") else " 1 failed", done.stdout)
                self.assertIn("again: ctest --test-dir build/debug -R '^ring\\.0$' -V\n", done.stdout)

    def test_what_the_machine_does_not_let_run_is_skipped(self) -> None:
        done = self.results(debug=[("ipc.0", "run", GTEST), ("live.veth", "skipped", "LIVE TESTS SKIPPED\n")])
        self.assert_counts(done, 10, 0, 1)

    def test_stages_count_by_what_is_in_them(self) -> None:
        done = self.results(
            matrix=[("build.asan", "run", ""), ("asan.unit", "fail", "whatever"), ("fuzz.json", "run", ""),
                    ("asan.live", "run", "")],
            asan_unit=[("ring.0", "fail", GTEST_FAILED)], asan_live=[("live.veth", "run", PYTHON)])
        self.assert_counts(done, 2 + 7 + 3, 2, 1 + 2)

    def test_a_stage_that_fails_by_itself(self) -> None:
        done = self.results(matrix=[("build.asan", "fail", ""), ("asan.unit", "notrun", ""), ("tidy", "run", "")])
        self.assert_counts(done, 1, 2, 0)
        self.assertIn("again: cmake --preset asan && cmake --build --preset asan\n", done.stdout)
        self.assertIn("FAILED  asan.unit (not run: what it needs failed)\n", done.stdout)

    def test_a_stage_whose_tests_passed_and_which_failed(self) -> None:
        done = self.results(matrix=[("asan.unit", "fail", "")], asan_unit=[("ring.0", "run", GTEST)])
        self.assert_counts(done, 10, 1, 0)

    def test_what_failed_before_any_test(self) -> None:
        done = self.results("--failed", "the build", "cmake it")
        self.assert_counts(done, 0, 1, 0)
        self.assertIn("FAILED  the build\n        again: cmake it\n", done.stdout)

    def test_nothing_is_no_success(self) -> None:
        self.assert_counts(self.results(), 0, 0, 0)


if __name__ == "__main__":
    unittest.main()
