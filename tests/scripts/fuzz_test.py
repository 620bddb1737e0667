"""scripts/fuzz with targets that only say what a target says: which are run, how long, and what is told
of those that end badly. Nothing is built.
"""

from __future__ import annotations

import pathlib
import re
import unittest

from setup_test import RECORD, ScriptTest

TARGETS = ("blocks", "decode", "json")
TARGET = RECORD + """\
name=${0##*/}
name=${name%_fuzz}
echo "#4567 NEW    cov: 345 ft: 678 corp: 9/99b lim: 4096 exec/s: 12 rss: 34Mb L: 5/6 MS: 1 CrossOver-"
if [[ -f $FAKES/$name-ends ]]; then bash "$FAKES/$name-ends"; status=$?; else status=0; fi
echo "stat::number_of_executed_units: 1234567"
echo "stat::average_exec_per_sec:     8901"
echo "stat::new_units_added:          23"
echo "stat::peak_rss_mb:              45"
exit $status
"""
BUILDS = """\
if [[ $1 == -S ]]; then exit; fi
mkdir -p "$ROOT/build/fuzz/tests/fuzz"
for target in blocks decode json; do
  install -m 755 "$FAKES/target" "$ROOT/build/fuzz/tests/fuzz/${target}_fuzz"
done
"""


class CorpusTest(unittest.TestCase):
    def test_it_is_as_small_as_its_readme_says(self) -> None:
        folder = pathlib.Path(__file__).resolve().parents[1] / "fuzz"
        most = re.search(r"below (\d+) KiB", (folder / "README.md").read_text(encoding="utf-8"))
        assert most is not None
        sizes = [each.stat().st_size for each in (folder / "corpus").rglob("*") if each.is_file()]
        self.assertGreater(len(sizes), 100)
        self.assertLess(sum(sizes), int(most[1]) << 10)


class FuzzTest(ScriptTest):
    def setUp(self) -> None:
        super().setUp()
        folder = self.root / "tests/fuzz"
        folder.mkdir(parents=True)
        for name in TARGETS:
            (folder / f"{name}_fuzz.cc").touch()
        (folder / "json.dict").touch()
        self.fake("target", TARGET)
        self.answer("cmake-does", BUILDS)

    def runs(self) -> dict[str, str]:
        calls = [call.split(" ", 1) for call in self.calls() if "_fuzz " in call]
        self.assertEqual(len(calls), len({name for name, _ in calls}), "one ran twice")
        return {name.removesuffix("_fuzz"): arguments for name, arguments in calls}

    def test_all_targets_run_and_are_told(self) -> None:
        done = self.run_it("fuzz")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(set(self.runs()), set(TARGETS))
        for name in TARGETS:
            self.assertRegex(done.stdout, rf"(?m)^{name} +1234567 +8901 +345 +23 +45  ok$")
        self.assertIn("PASSED: 3 targets, 60 s each", done.stdout)

    def test_a_target_gets_its_folders_its_words_and_its_time(self) -> None:
        self.assertEqual(self.run_it("fuzz", "2", "json", "decode").returncode, 0)
        runs = self.runs()
        self.assertEqual(set(runs), {"json", "decode"})
        self.assertIn("-max_total_time=120 ", runs["json"])
        self.assertIn(f"-dict={self.root}/tests/fuzz/json.dict ", runs["json"])
        self.assertNotIn("-dict", runs["decode"])
        self.assertTrue(runs["json"].endswith(
            f" {self.root}/build/fuzz/found/json {self.root}/tests/fuzz/corpus/json"))
        self.assertTrue((self.root / "build/fuzz/crashes/json").is_dir())

    def test_seconds(self) -> None:
        self.assertEqual(self.run_it("fuzz", "--seconds", "20", "blocks").returncode, 0)
        self.assertIn("-max_total_time=20 ", self.runs()["blocks"])

    def test_a_crash_fails_it_and_tells_how_to_see_it_again(self) -> None:
        self.answer("decode-ends", "echo '==1==ERROR: AddressSanitizer: heap-buffer-overflow'\n"
                    "echo \"artifact_prefix='x'; Test unit written to /tmp/crash-1\"\nexit 77\n")
        done = self.run_it("fuzz")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(set(self.runs()), set(TARGETS))
        self.assertRegex(done.stdout, r"(?m)^decode .* CRASHED \(status 77\)$")
        self.assertIn("heap-buffer-overflow", done.stdout)
        self.assertIn(f"again: {self.root}/build/fuzz/tests/fuzz/decode_fuzz /tmp/crash-1\n", done.stdout)
        self.assertIn("FAILED: 1 of 3 targets, 60 s each: decode\n", done.stdout)

    def test_time_and_memory_have_words_of_their_own(self) -> None:
        self.answer("blocks-ends", "exit 70\n")
        self.answer("json-ends", "exit 71\n")
        done = self.run_it("fuzz")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"(?m)^blocks .* TOOK TOO LONG$")
        self.assertRegex(done.stdout, r"(?m)^json .* TOO MUCH MEMORY$")
        self.assertIn("FAILED: 2 of 3", done.stdout)

    def test_a_target_that_says_nothing_is_no_success(self) -> None:
        self.answer("json-ends", "kill -KILL $PPID\n")
        done = self.run_it("fuzz", "json")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"CRASHED \(status 137\)")

    def test_wrong_use(self) -> None:
        for arguments in (("nothing",), ("--seconds",), ("--seconds", "0"), ("0",)):
            with self.subTest(arguments):
                done = self.run_it("fuzz", *arguments)
                self.assertEqual(done.returncode, 2)
                self.assertIn("usage: scripts/fuzz", done.stderr)
        self.assertEqual(self.runs(), {})

    def test_a_failing_build_runs_nothing(self) -> None:
        self.answer("cmake-does", "exit 1\n")
        done = self.run_it("fuzz")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the fuzz targets could not be built", done.stderr)
        self.assertEqual(self.runs(), {})


if __name__ == "__main__":
    unittest.main()
