"""scripts/setup, scripts/run, scripts/test and what they share, with fake dpkg-query, apt-get, sudo, cmake
and ctest in PATH: nothing is installed and nothing is built. Each test runs on a copy of scripts/ of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0

# Every fake writes down how it was called; answers lie in files beside it.
RECORD = 'printf "%s\\n" "${0##*/} $*" >>"$FAKES/calls"\n'
FAKES = {
    "dpkg-query": 'cat "$FAKES/installed"\nexit 1\n',
    "apt-get": RECORD + 'echo "apt says no"; exit "$(cat "$FAKES/apt-status")"\n',
    "sudo": RECORD + '[[ $1 == -- ]] && shift\nexec "$@"\n',
    "cmake": RECORD + 'exec bash "$FAKES/cmake-does" "$@"\n',
    "ctest": RECORD + 'echo "100% tests passed, 0 tests failed out of 3"\ncat "$FAKES/ctest-says"\n'
             'if [[ $* == *"$(cat "$FAKES/ctest-fails-on")"* ]]; then exit 8; fi\n',
}
CMAKE_DOES = """\
folder=$ROOT/build/release
mkdir -p "$folder"
if [[ $1 == -S ]]; then
  printf 'CMAKE_HOME_DIRECTORY:INTERNAL=%s\\n' "$ROOT" >"$folder/CMakeCache.txt"
  touch "$folder/build.ninja"
else
  printf '%s\\n' '#!/usr/bin/env bash' 'echo "out $*"; echo "err $PWD" >&2; exit 7' >"$folder/tcpeek"
  chmod +x "$folder/tcpeek"
fi
"""


class ScriptTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name, "project").resolve()
        self.fakes = Path(folder.name, "fakes").resolve()
        shutil.copytree(ROOT / "scripts", self.root / "scripts",
                        ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("bench", "fuzz", "tidy"):
            path = self.root / "scripts" / name
            path.write_text('#!/bin/sh\necho "${0##*/} $*" >>"$FAKES/calls"\n')
            path.chmod(0o755)
        for name in ("faults", "systemd", "scripts"):
            (self.root / "tests" / name).mkdir(parents=True)
        self.script_test("pass")
        shutil.copy(ROOT / "CMakePresets.json", self.root)
        self.fakes.mkdir()
        for name, text in FAKES.items():
            self.fake(name, text)
        for name, text in (("apt-status", "0"), ("cmake-does", CMAKE_DOES), ("ctest-says", ""),
                           ("ctest-fails-on", "nothing")):
            self.answer(name, text)
        self.packages = self.run_it("setup", "--list").stdout.split()
        self.install(self.packages)

    def fake(self, name: str, text: str) -> None:
        path = self.fakes / name
        path.write_text("#!/usr/bin/env bash\n" + text)
        path.chmod(0o755)

    def answer(self, name: str, text: str) -> None:
        (self.fakes / name).write_text(text)

    def script_test(self, then: str) -> None:
        (self.root / "tests/scripts/a_test.py").write_text(
            "import os\nwith open(os.environ['FAKES'] + '/calls', 'a') as calls:\n"
            f"    print('script test', file=calls)\n{then}\n")

    def install(self, packages: list[str]) -> None:
        self.answer("installed", "".join(f"{name} installed\n" for name in packages))

    def calls(self) -> list[str]:
        path = self.fakes / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def run_it(self, script: str, *arguments: str, user: int = 0,
               **variables: str) -> subprocess.CompletedProcess[str]:
        environment = dict(os.environ, FAKES=str(self.fakes), ROOT=str(self.root),
                           PATH=f"{self.fakes}:{os.environ['PATH']}")
        environment.pop("CI", None)
        environment.pop("TCPEEK_REQUIRE_LIVE", None)
        # EUID cannot be set from outside: the copy is told who it is.
        path = self.root / "scripts" / script
        text = (ROOT / "scripts" / script).read_text().replace("EUID", str(user))
        path.write_text(text)
        common = self.root / "scripts" / "lib" / "common.sh"
        common.write_text((ROOT / "scripts/lib/common.sh").read_text().replace("EUID", str(user)))
        return subprocess.run([str(path), *arguments], cwd="/", text=True, capture_output=True,
                              env=environment | variables, timeout=DEADLINE_S, check=False)


class SetupTest(ScriptTest):
    def test_list_for_a_run_is_part_of_the_list_for_tests(self) -> None:
        for_run = set(self.run_it("setup", "--run", "--list").stdout.split())
        self.assertIn("g++", for_run)
        self.assertLess(for_run, set(self.packages))
        self.assertFalse({"libgtest-dev", "mypy", "clang-14"} & for_run)

    def test_nothing_missing_calls_nobody(self) -> None:
        done = self.run_it("setup")
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        self.assertEqual(self.calls(), [])

    def test_missing_packages_are_named(self) -> None:
        self.install([name for name in self.packages if name not in ("mypy", "g++")])
        self.assertEqual(self.run_it("setup", "--missing").stdout.split(), ["g++", "mypy"])
        self.assertEqual(self.run_it("setup", "--run", "--missing").stdout.split(), ["g++"])

    def test_a_removed_package_is_missing(self) -> None:
        self.answer("installed", "".join(f"{name} config-files\n" for name in self.packages))
        self.assertEqual(self.run_it("setup", "--missing").stdout.split(), self.packages)

    def test_only_what_is_missing_is_installed_and_nothing_removed(self) -> None:
        self.install(self.packages[1:])
        done = self.run_it("setup")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"two: {self.packages[0]}\n", done.stderr)
        update, install = self.calls()
        self.assertEqual(update, "apt-get -q update")
        self.assertTrue(install.endswith(f" install {self.packages[0]}"), install)
        self.assertIn("--no-remove", install)

    def test_another_user_goes_through_sudo(self) -> None:
        self.install(self.packages[1:])
        self.assertEqual(self.run_it("setup", user=1000).returncode, 0)
        self.assertEqual([call.split()[0] for call in self.calls()],
                         ["sudo", "apt-get", "sudo", "apt-get"])

    def test_neither_root_nor_sudo(self) -> None:
        self.install(self.packages[1:])
        (self.fakes / "sudo").unlink()
        for program in ("bash", "dirname", "cat", "grep", "sed"):
            found = shutil.which(program)
            assert found is not None
            (self.fakes / program).symlink_to(found)
        done = self.run_it("setup", user=1000, PATH=str(self.fakes))
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"run as root: apt-get install {self.packages[0]}\n", done.stderr)
        self.assertEqual(self.calls(), [])

    def test_a_failing_apt_is_shown(self) -> None:
        self.install(self.packages[1:])
        self.answer("apt-status", "100")
        done = self.run_it("setup")
        self.assertEqual(done.returncode, 1)
        self.assertIn("apt says no", done.stderr)
        self.assertIn(f"could not install {self.packages[0]}", done.stderr)

    def test_another_boost_is_not_removed(self) -> None:
        others = [name for name in self.packages if name != "libboost1.81-dev"]
        self.install([*others, "libboost1.74-dev"])
        done = self.run_it("setup")
        self.assertEqual(done.returncode, 1)
        self.assertIn("apt-get remove libboost1.74-dev", done.stderr)
        self.assertEqual(self.calls(), [])

    def test_unknown_arguments(self) -> None:
        for script in ("setup", "test"):
            done = self.run_it(script, "--what")
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("unknown argument '--what'", done.stderr)


class RunTest(ScriptTest):
    def test_becomes_the_binary(self) -> None:
        done = self.run_it("run", "-i", "two words", "RX@%:%")
        self.assertEqual((done.returncode, done.stdout), (7, "out -i two words RX@%:%\n"))
        self.assertTrue(done.stderr.endswith("err /\n"), done.stderr)

    def test_builds_without_tests_and_says_so_once(self) -> None:
        first = self.run_it("run")
        self.assertIn("building build/release/tcpeek", first.stderr)
        configure, build = self.calls()
        self.assertIn("--preset release", configure)
        self.assertIn("-DTCPEEK_BUILD_TESTS=OFF", configure)
        self.assertIn("--target tcpeek", build)
        second = self.run_it("run")
        self.assertEqual(second.stderr, "err /\n")
        self.assertEqual(len(self.calls()), 3, "configured twice")

    def test_leaves_a_build_with_tests_as_it_is(self) -> None:
        self.run_it("test")
        before = len(self.calls())
        self.run_it("run")
        self.assertEqual([call.split()[1] for call in self.calls()[before:]], ["--build"])

    def test_a_moved_checkout_is_configured_anew(self) -> None:
        self.run_it("run")
        cache = self.root / "build/release/CMakeCache.txt"
        cache.write_text("CMAKE_HOME_DIRECTORY:INTERNAL=/elsewhere\n")
        self.run_it("run")
        self.assertIn("--fresh", self.calls()[2])

    def test_a_failing_build_is_shown_and_nothing_started(self) -> None:
        self.run_it("run")
        self.answer("cmake-does", "echo the compiler complains; exit 1\n")
        done = self.run_it("run")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("the compiler complains", done.stderr)

    def test_a_failing_configuration_is_shown_and_nothing_built(self) -> None:
        self.answer("cmake-does", "echo no such library; exit 1\n")
        done = self.run_it("run")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("no such library", done.stderr)
        self.assertEqual(len(self.calls()), 1)

    def test_another_user_starts_it_with_sudo(self) -> None:
        done = self.run_it("run", "-i", "a b", user=1000)
        self.assertEqual(done.stdout, "out -i a b\n")
        self.assertIn("with sudo", done.stderr)
        self.assertTrue(self.calls()[-1].startswith("sudo -- "), self.calls())

    def test_help_needs_no_sudo(self) -> None:
        for option in ("-h", "--help", "-v", "--version", "-rfile", "--read=file"):
            self.assertEqual(self.run_it("run", option, user=1000).stdout, f"out {option}\n")
        self.assertFalse(any(call.startswith("sudo") for call in self.calls()))


class TestTest(ScriptTest):
    def test_every_step_runs_and_is_summed_up(self) -> None:
        done = self.run_it("test")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"\nPASSED: 19 steps in \d+ s\n\Z")
        checks = [call for call in self.calls() if call.startswith("ctest")]
        seen = [(Path(call.split()[2]).name, call.split()[4]) for call in checks]
        self.assertEqual(seen, [("asan", "^unit$"), ("asan", "^replay$"), ("asan", "^live$"),
                                ("tsan", "^unit$"), ("tsan", "^replay$"), ("tsan", "^live$"),
                                ("release", "^sandbox$"), ("release", "^replay$"), ("release", "^oracle$"),
                                ("release", "^live$"), ("release", "^faults$"),
                                ("release", "^systemd$")])
        self.assertIn("script test", self.calls())
        self.assertTrue(all("--no-tests=error" in call for call in checks))
        self.assertEqual(self.calls()[-1], "bench --quick")
        self.assertIn("fuzz --seconds 20", self.calls())
        self.assertIn(f"tidy {self.root}/ring {self.root}/flowtable", self.calls())
        self.assertIn(f"tidy --quick {self.root}/ipc", self.calls())

    def test_what_was_begun_early_may_fail_too(self) -> None:
        self.answer("cmake-does", 'if [[ $* == *release* ]]; then exit 1; fi\n' + CMAKE_DOES)
        (self.root / "scripts/tidy").write_text("#!/bin/sh\necho found something; exit 1\n")
        done = self.run_it("test")
        self.assertEqual(done.returncode, 1)
        self.assertIn("found something", done.stdout)
        self.assertRegex(done.stdout, r"FAILED: 2 of 13 steps in \d+ s: release-build tidy\n")
        self.assertFalse(any(call.startswith("ctest") and "release" in call for call in self.calls()))

    def test_a_script_test_that_fails_is_shown(self) -> None:
        self.script_test("raise SystemExit('a script broke')")
        done = self.run_it("test")
        self.assertIn("a script broke", done.stdout)
        self.assertRegex(done.stdout, r"FAILED: 1 of 19 steps in \d+ s: scripts\n")

    def test_tests_that_share_a_process_are_counted(self) -> None:
        for preset in ("asan", "tsan"):
            log = self.root / "build" / preset / "Testing/Temporary/LastTest.log"
            log.parent.mkdir(parents=True)
            log.write_text("[==========] 100 tests from 9 test suites ran. (5 ms total)\n"
                           "[  PASSED  ] 97 tests.\n[  SKIPPED ] 3 tests.\n"
                           "[==========] 1 test from 1 test suite ran. (5 ms total)\n")
        done = self.run_it("test")
        self.assertRegex(done.stdout, r"asan-unit +ok +\d+ s  101 tests in 3 processes, 3 SKIPPED\n")

    def test_quick_is_the_debug_build_alone(self) -> None:
        done = self.run_it("test", "--quick")
        self.assertIn("PASSED: 7 steps", done.stdout)
        self.assertFalse(any("asan" in call or "tsan" in call for call in self.calls()))

    def test_the_thread_sanitizer_is_asked_for_by_name(self) -> None:
        done = self.run_it("test", "--tsan")
        self.assertIn("PASSED: 4 steps", done.stdout)
        self.assertTrue(any("tsan" in call for call in self.calls()))
        self.assertFalse(any("debug" in call or "asan" in call for call in self.calls()))

    def test_a_failing_step_fails_it_all_and_keeps_no_other_from_running(self) -> None:
        self.answer("ctest-fails-on", "^unit$")
        self.answer("ctest-says", "a test broke\n")
        done = self.run_it("test")
        self.assertEqual(done.returncode, 1)
        self.assertIn("a test broke", done.stdout)
        self.assertRegex(done.stdout, r"FAILED: 2 of 19 steps in \d+ s: asan-unit tsan-unit\n")

    def test_a_build_that_fails_runs_none_of_its_tests(self) -> None:
        self.answer("cmake-does", 'if [[ $* == *asan* || $* == *tsan* ]]; then exit 1; fi\n' + CMAKE_DOES)
        done = self.run_it("test")
        self.assertEqual(done.returncode, 1)
        self.assertIn("FAILED: 2 of 13 steps", done.stdout)
        self.assertFalse(any(call.startswith("ctest") and "asan" in call for call in self.calls()))
        self.assertFalse(any("--build" in call and "tsan" in call for call in self.calls()))

    def test_skipped_live_tests_are_told_loudly(self) -> None:
        self.answer("ctest-says", "The following tests did not run:\n\t  3 - live.veth (Skipped)\n")
        done = self.run_it("test", "--quick")
        self.assertEqual(done.returncode, 0)
        self.assertIn("3 tests, 1 SKIPPED", done.stdout)
        self.assertIn("!! 2 tests were SKIPPED", done.stdout)
        self.assertIn("!!   live.veth\n", done.stdout)

    def test_continuous_integration_must_run_the_live_tests(self) -> None:
        self.fake("ctest", 'echo "live=${TCPEEK_REQUIRE_LIVE:-no}" >>"$FAKES/calls"\n')
        self.run_it("test", "--quick", CI="true")
        self.assertEqual([call for call in self.calls() if call.startswith("live")], ["live=1"] * 6)
        self.run_it("test", "--quick")
        self.assertEqual(self.calls()[-1], "live=no")


if __name__ == "__main__":
    unittest.main()
