"""scripts/setup, scripts/run, scripts/test and what they share, with fake dpkg-query, apt-get, sudo, npm, cmake
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
    "node": "exit 1\n",
    "npm": RECORD + 'echo "npm says no"; exit "$(cat "$FAKES/npm-status")"\n',
    "cmake": RECORD + 'exec bash "$FAKES/cmake-does" "$@"\n',
    "ctest": RECORD + 'exec bash "$FAKES/ctest-does" "$@"\n',
}
CMAKE_DOES = """\
folder=$ROOT/build/release
mkdir -p "$folder"
if [[ $1 == --workflow ]]; then
  exec bash "$FAKES/ctest-does" --output-junit "$ROOT/build/results/debug.xml"
elif [[ $* == *matrix* ]]; then
  exit
elif [[ $1 == -S ]]; then
  printf 'CMAKE_HOME_DIRECTORY:INTERNAL=%s\\n' "$ROOT" >"$folder/CMakeCache.txt"
  touch "$folder/build.ninja"
else
  printf '%s\\n' '#!/usr/bin/env bash' 'echo "out $*"; echo "err $PWD" >&2; exit 7' >"$folder/tcpeek"
  chmod +x "$folder/tcpeek"
fi
"""
# Leaves the results that ctest was asked for.
CTEST_DOES = """\
while [[ $1 != --output-junit ]]; do shift; done
cp "$FAKES/results" "$2"
exit "$(cat "$FAKES/ctest-status")"
"""
PASSED = '<testsuite><testcase name="ipc.0" status="run"><system-out>%s</system-out></testcase></testsuite>'
SEVEN = PASSED % "[==========] 7 tests from 2 test suites ran. (5 ms total)"


class ScriptTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name, "project").resolve()
        self.fakes = Path(folder.name, "fakes").resolve()
        shutil.copytree(ROOT / "scripts", self.root / "scripts",
                        ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "CMakePresets.json", self.root)
        self.fakes.mkdir()
        for name, text in FAKES.items():
            self.fake(name, text)
        self.lock = self.root / "packaging/prometheus/dashboards/package-lock.json"
        shutil.copytree(ROOT / "packaging/prometheus/dashboards", self.lock.parent)
        self.fetched = self.root / "build/dashboard-modules/fetched"
        self.fetched.parent.mkdir(parents=True)
        shutil.copy(self.lock, self.fetched)
        for name, text in (("apt-status", "0"), ("npm-status", "0"), ("cmake-does", CMAKE_DOES), ("ctest-does", CTEST_DOES),
                           ("results", SEVEN), ("ctest-status", "0")):
            self.answer(name, text)
        self.packages = self.run_it("setup", "--list").stdout.split()
        self.install(self.packages)

    def fake(self, name: str, text: str) -> None:
        path = self.fakes / name
        path.write_text("#!/usr/bin/env bash\n" + text)
        path.chmod(0o755)

    def answer(self, name: str, text: str) -> None:
        (self.fakes / name).write_text(text)

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

    def test_modules_are_fetched_once_for_a_lock_file(self) -> None:
        self.lock.write_text("{}\n")
        self.answer("npm-status", "1")
        failed = self.run_it("setup")
        self.assertEqual(failed.returncode, 1)
        self.assertIn("npm says no", failed.stderr)
        self.answer("npm-status", "0")
        for _ in range(2):
            self.assertEqual(self.run_it("setup").returncode, 0)
        calls = self.calls()
        self.assertEqual(len(calls), 2, calls)
        self.assertTrue(calls[1].startswith(f"npm ci --prefix {self.fetched.parent} --ignore-scripts"), calls)

    def test_a_run_needs_no_modules(self) -> None:
        self.fetched.unlink()
        self.assertEqual(self.run_it("setup", "--run").returncode, 0)
        self.assertEqual(self.calls(), [])

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
        self.assertIn("run: configuring build/release\n", first.stderr)
        configure, build = self.calls()
        self.assertIn("--preset release", configure)
        self.assertIn("-DTCPEEK_BUILD_TESTS=OFF", configure)
        self.assertIn("--target tcpeek", build)
        second = self.run_it("run")
        self.assertEqual(second.stderr, "err /\n")
        self.assertEqual(len(self.calls()), 3, "configured twice")

    def test_leaves_a_build_with_tests_as_it_is(self) -> None:
        self.run_it("run")
        before = len(self.calls())
        self.run_it("run")
        self.assertEqual([call.split()[1] for call in self.calls()[before:]], ["--build"])

    def test_a_moved_checkout_is_configured_anew(self) -> None:
        self.run_it("run")
        cache = self.root / "build/release/CMakeCache.txt"
        for place in ("/elsewhere", f"{self.root}-2", f"/other{self.root}"):
            with self.subTest(place):
                cache.write_text(f"CMAKE_HOME_DIRECTORY:INTERNAL={place}\n")
                # A build made by hand, of an option that must not come along.
                self.answer("cmake-does", '[[ $1 != -S || ! -f $ROOT/build/release/CMakeCache.txt ]] || exit 1\n'
                            + CMAKE_DOES)
                done = self.run_it("run")
                self.assertEqual(done.returncode, 7, done.stderr)
                self.assertIn("configuring", done.stderr)

    def test_says_what_is_built_and_how_far_also_without_a_terminal(self) -> None:
        self.run_it("run")
        self.answer("cmake-does", """\
            echo '[0/2] Re-checking globbed directories...'
            echo '[1/60] Building CXX object engine/a.cc.o'
            echo '[2/60] Building CXX object engine/b.cc.o'
            sleep 6
            echo '[30/60] Building CXX object engine/c.cc.o'
            """)
        done = self.run_it("run")
        self.assertEqual((done.returncode, done.stdout), (7, "out \n"))
        self.assertEqual(done.stderr, "run: building build/release/tcpeek: step 1 of 60\n"
                         "run: building build/release/tcpeek: step 30 of 60\nerr /\n")

    def test_an_up_to_date_build_is_started_in_silence_and_not_configured(self) -> None:
        self.run_it("run")
        self.answer("cmake-does", "echo 'ninja: no work to do.'\n")
        before = len(self.calls())
        done = self.run_it("run")
        self.assertEqual(len(self.calls()), before + 1)
        self.assertIn("--build", self.calls()[-1])
        self.assertEqual(done.stderr, "err /\n")

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
    def last_lines(self, done: subprocess.CompletedProcess[str], count: int) -> list[str]:
        return done.stdout.splitlines()[-count:]

    def test_the_debug_workflow_and_its_counts(self) -> None:
        done = self.run_it("test")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.calls(), ["cmake --workflow --preset debug"])
        self.assertEqual(self.last_lines(done, 1), ["7 passed, 0 failed, 0 skipped"])

    def test_all_and_long_play_the_stages(self) -> None:
        for stages in ("all", "long"):
            with self.subTest(stages):
                done = self.run_it("test", f"--{stages}")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                configure, play = self.calls()[-2:]
                self.assertIn(f"-S {self.root}/tests/matrix", configure)
                self.assertIn(f"-DTCPEEK_STAGES={stages}", configure)
                self.assertIn("--no-tests=error", play)
                self.assertEqual(self.last_lines(done, 1), ["7 passed, 0 failed, 0 skipped"])

    def test_a_test_that_fails_is_named_with_its_command(self) -> None:
        self.answer("ctest-status", "8")
        self.answer("results", PASSED.replace("run", "fail") % (
            "[  FAILED  ] Reply.IsRead (3 ms)\n[==========] 7 tests from 2 test suites ran. (5 ms total)\n"
            "[  FAILED  ] 1 test, listed below:\n[  FAILED  ] Reply.IsRead\n"))
        done = self.run_it("test")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.last_lines(done, 3), [
            "FAILED  ipc: Reply.IsRead",
            "        again: build/debug/tests/ipc_test --gtest_filter=Reply.IsRead",
            "6 passed, 1 failed, 0 skipped"])

    def test_a_build_that_fails_is_a_failure(self) -> None:
        self.answer("cmake-does", "echo the compiler complains; exit 1\n")
        cases: dict[tuple[str, ...], str] = {(): "cmake --workflow --preset debug",
                                             ("--all",): "scripts/test --all"}
        for options, again in cases.items():
            with self.subTest(options):
                done = self.run_it("test", *options)
                self.assertEqual(done.returncode, 1)
                self.assertIn("the compiler complains\n", done.stdout)
                self.assertEqual(self.last_lines(done, 2), [
                    f"        again: {again}", "0 passed, 1 failed, 0 skipped"])

    def test_results_of_an_earlier_run_do_not_count(self) -> None:
        self.run_it("test")
        self.answer("cmake-does", "exit 1\n")
        self.assertEqual(self.last_lines(self.run_it("test"), 1), ["0 passed, 1 failed, 0 skipped"])

    def test_no_results_at_all_are_no_success(self) -> None:
        self.answer("cmake-does", "exit 0\n")
        done = self.run_it("test")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.last_lines(done, 1), ["0 passed, 0 failed, 0 skipped"])

    def test_progress_is_shown_without_a_line_for_each_file(self) -> None:
        self.answer("cmake-does", """\
            echo '[1/60] Building CXX object a'; echo '[2/60] Building CXX object b'
            echo '      Start  1: ipc.0'; echo '1/1 Test #1: ipc.0 ....   Passed    0.01 sec'
            """ + CMAKE_DOES)
        out = self.run_it("test").stdout
        self.assertIn("[1/60] Building", out)
        self.assertIn("Test #1: ipc.0", out)
        self.assertNotIn("[2/60]", out)
        self.assertNotIn("Start", out)

    def test_continuous_integration_must_run_the_live_tests(self) -> None:
        self.answer("ctest-does", 'echo "live=${TCPEEK_REQUIRE_LIVE:-no}" >>"$FAKES/calls"\n' + CTEST_DOES)
        every: tuple[tuple[str, ...], ...] = ((), ("--all",))
        for options in every:
            self.run_it("test", *options, CI="true")
            self.assertEqual(self.calls()[-1], "live=1")
            self.run_it("test", *options)
            self.assertEqual(self.calls()[-1], "live=no")


class HooksTest(ScriptTest):
    def setUp(self) -> None:
        super().setUp()
        shutil.copytree(ROOT / "tests/scripts", self.root / "tests/scripts",
                        ignore=shutil.ignore_patterns("__pycache__"))
        for room in ("ring", "flowtable", "ipc", "engine", "tests", "bench"):
            self.source(f"{room}/a.cc", "int a();\n")
        shutil.copy(ROOT / ".clang-format", self.root)
        self.git("init", "-q")
        self.hook = self.root / ".git/hooks/pre-commit"

    def source(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(exist_ok=True)
        (self.root / name).write_text(text)

    def git(self, *words: str) -> subprocess.CompletedProcess[str]:
        options = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return subprocess.run(["git", *options, *words], cwd=self.root, text=True, capture_output=True,
                              env=environment, timeout=DEADLINE_S, check=False)

    def commit(self) -> subprocess.CompletedProcess[str]:
        self.git("add", "--all")
        return self.git("commit", "-q", "-m", "x")

    def test_a_good_commit_passes(self) -> None:
        self.assertEqual(self.run_it("setup", "--hooks").returncode, 0)
        done = self.commit()
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_what_is_staged_must_be_formatted(self) -> None:
        self.run_it("setup", "--hooks")
        self.source("ring/a.cc", "int   a( );\n")
        self.git("add", "--all")
        self.source("ring/a.cc", "int a();\n")  # mended, but not staged
        done = self.git("commit", "-q", "-m", "x")
        self.assertEqual(done.returncode, 1)
        self.assertIn("run: clang-format-14 -i ring/a.cc", done.stderr)
        done = self.commit()
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_include_rules_are_kept(self) -> None:
        self.run_it("setup", "--hooks")
        self.source("ipc/b.h", "// What it is.\n#pragma once\n")
        self.source("ring/a.cc", '#include "ipc/b.h"\n')
        done = self.commit()
        self.assertEqual(done.returncode, 1)
        self.assertIn("ring/a.cc:1: ring may not include ipc", done.stderr)

    def test_it_is_installed_twice_without_harm(self) -> None:
        for _ in range(2):
            self.assertEqual(self.run_it("setup", "--hooks").returncode, 0)
        self.assertTrue(os.access(self.hook, os.X_OK))

    def test_a_hook_of_someone_else_stays(self) -> None:
        self.hook.parent.mkdir(exist_ok=True)
        self.hook.write_text("#!/bin/sh\n")
        done = self.run_it("setup", "--hooks")
        self.assertEqual(done.returncode, 1)
        self.assertIn("is not ours", done.stderr)
        self.assertEqual(self.hook.read_text(), "#!/bin/sh\n")

    def test_a_commit_without_the_script_passes(self) -> None:
        self.run_it("setup", "--hooks")
        (self.root / "scripts/lib/pre-commit").unlink()
        self.assertEqual(self.commit().returncode, 0)

    def test_no_checkout(self) -> None:
        shutil.rmtree(self.root / ".git")
        done = self.run_it("setup", "--hooks")
        self.assertEqual(done.returncode, 1)
        self.assertIn("is not a git checkout", done.stderr)


if __name__ == "__main__":
    unittest.main()
