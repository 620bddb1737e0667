"""The completions of tcpeekstat in the shells that they are for."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import live  # noqa: F401
from fake_tcpeek import FakeTcpeek, filter_element
from tcpeekstat_module import TCPEEKSTAT, load
from terminal import Terminal

DEADLINE_S = 60.0
WORDS = ["ask", "check", "explain", "fleet", "history", "prometheus", "rates", "summary", "top", "watch"]
# What has been typed, and what is offered then.
CASES: list[tuple[str, list[str]]] = [
    ("", WORDS),
    ("to", ["top"]),
    ("top --b", ["--by"]),
    ("top --by ", ["initiator", "network", "pair", "service"]),
    ("history --by ", ["minute", "second"]),
    ("top --window 1", ["10m", "10s", "1m"]),
    ("--color a", ["always", "auto"]),
    ("--socket /nowhere/x.sock wat", ["watch"]),
    ("check --no-traffic ", ["critical", "ok", "unknown", "warning"]),
    ("watch --fil", ["--filter"]),
    ("--blo", ["--blocks"]),
    ("summary --blo", ["--blocks"]),
    ("top --blo", []),
    ("fleet /etc/hostn", ["/etc/hostname"]),
]


def completion(shell: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", str(TCPEEKSTAT), "completion", shell],
        check=True,
        text=True,
        capture_output=True,
        timeout=DEADLINE_S,
    ).stdout


class CompletionTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def script(self, shell: str, name: str) -> Path:
        if shutil.which(shell) is None:
            self.fail(f"{shell} is not installed: run scripts/setup")
        path = self.folder / name
        path.write_text(completion(shell), encoding="utf-8")
        return path

    def test_bash(self) -> None:
        script = self.script("bash", "tcpeekstat")
        ask = (
            'source "$1"; COMP_WORDS=(tcpeekstat "${@:2}"); COMP_CWORD=$#; ((COMP_CWORD -= 1))\n'
            '_tcpeekstat tcpeekstat "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"\n'
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        for typed, offered in [
            *CASES,
            ("--color = al", ["always"]),
            ("top --sort =", ["failing", "name", "p99", "rate"]),
        ]:
            words = typed.split(" ")
            done = subprocess.run(
                ["bash", "-c", ask, "bash", str(script), *words],
                text=True,
                capture_output=True,
                timeout=DEADLINE_S,
                check=False,
            )
            with self.subTest(typed):
                self.assertEqual(done.stderr, "")
                self.assertEqual(sorted(done.stdout.split()), offered)

    def test_bash_with_its_own_loader(self) -> None:
        """As installed: bash-completion finds it by the name of the command."""
        loader = "/usr/share/bash-completion/bash_completion"
        self.assertTrue(Path(loader).exists(), "bash-completion is not installed: run scripts/setup")
        (self.folder / "completions").mkdir()
        self.script("bash", "completions/tcpeekstat")
        with Terminal(
            ["bash", "--norc", "--noprofile", "-i"],
            environment={"BASH_COMPLETION_USER_DIR": str(self.folder), "PS1": "> "},
        ) as terminal:
            terminal.type(f"source {loader}\rbind 'set bell-style none'\rclear\rtcpeekstat expl\t")
            terminal.wait_for("> tcpeekstat explain")

    def test_bash_script_is_clean(self) -> None:
        done = subprocess.run(
            ["shellcheck", "--shell=bash", str(self.script("bash", "x"))],
            text=True,
            capture_output=True,
            timeout=DEADLINE_S,
            check=False,
        )
        self.assertEqual(done.stdout, "")

    def test_zsh(self) -> None:
        self.script("zsh", "_tcpeekstat")
        (self.folder / ".zshrc").write_text(
            f"PS1='zsh> '; fpath=({self.folder} $fpath); autoload -Uz compinit; compinit -u -D; unsetopt BEEP\n"
            "zstyle ':completion:*' list-separator '='\n"
        )
        environment = {"ZDOTDIR": str(self.folder), "HOME": str(self.folder)}
        for typed, offered in CASES:
            if len(offered) != 1:
                continue  # what is unambiguous appears on the line
            with self.subTest(typed), Terminal(["zsh", "-d", "-i"], 120, environment=environment) as terminal:
                terminal.wait_for("zsh>")
                terminal.type(f"tcpeekstat {typed}\t")
                completed = f"zsh> tcpeekstat {' '.join([*typed.split(' ')[:-1], offered[0]])}"
                # It may only list what there is at first.
                terminal.wait_for(lambda: completed in terminal.text() or offered[0] in terminal.lines()[1])
                if completed not in terminal.text():
                    terminal.type("\t")
                terminal.wait_for(completed)
        with Terminal(["zsh", "-d", "-i"], 120, environment=environment) as terminal:
            terminal.wait_for("zsh>")
            terminal.type("tcpeekstat top --by \t")
            self.assertIn("initiator", terminal.wait_for("network"))

    def test_fish(self) -> None:
        script = self.script("fish", "tcpeekstat.fish")
        environment = {**os.environ, "HOME": str(self.folder), "LANG": "C.UTF-8"}
        for typed, offered in CASES:
            done = subprocess.run(
                ["fish", "--no-config", "-c", f"source {script}; complete -C 'tcpeekstat {typed}'"],
                text=True,
                capture_output=True,
                timeout=DEADLINE_S,
                check=False,
                env=environment,
            )
            with self.subTest(typed):
                self.assertEqual(done.stderr, "")
                self.assertEqual(sorted(line.split("\t")[0] for line in done.stdout.splitlines()), offered)

    def filter_cases(self) -> list[tuple[str, list[str]]]:
        """What has been typed, and the names of filters that are offered; one is hostile to shells."""
        path = self.folder / "tcpeek.sock"
        names = ("RX", "TX", "web", "web api", f"$(touch {self.evil})")
        reply = json.dumps([filter_element(name, 1) for name in names])
        server = FakeTcpeek(path, reply.encode())
        self.addCleanup(server.stop)
        return [
            (f"-U {path} --any-owner watch -f ", ["$(touch", "RX", "TX", "api", str(self.evil) + ")", "web", "web"]),
            (f"--any-owner --socket {path} history --filter w", ["api", "web", "web"]),
            ("-U /nowhere/x.sock watch -f ", []),
        ]

    @property
    def evil(self) -> Path:
        return self.folder / "evil"

    def on_the_path(self) -> dict[str, str]:
        """The command that completions call is this one."""
        link = self.folder / "bin" / "tcpeekstat"
        link.parent.mkdir()
        link.symlink_to(TCPEEKSTAT)
        return {**os.environ, "PATH": f"{link.parent}:{os.environ['PATH']}", "HOME": str(self.folder)}

    def test_names_of_filters_in_bash(self) -> None:
        script, environment = self.script("bash", "tcpeekstat"), self.on_the_path()
        ask = (
            'source "$1"; COMP_WORDS=(tcpeekstat "${@:2}"); COMP_CWORD=$#; ((COMP_CWORD -= 1))\n'
            '_tcpeekstat tcpeekstat "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"\n'
            'eval "words=(${COMPREPLY[*]})"; printf "%s\\n" "${words[@]}"'
        )
        for typed, offered in self.filter_cases():
            words = ["bash", "-c", ask, "bash", str(script), *typed.split(" ")]
            done = subprocess.run(
                words, text=True, capture_output=True, timeout=DEADLINE_S, check=False, env=environment
            )
            with self.subTest(typed):
                self.assertEqual(done.stderr, "")
                self.assertEqual(sorted(done.stdout.split()), sorted(offered))
        self.assertFalse(self.evil.exists())

    def test_names_of_filters_in_fish(self) -> None:
        script, environment = self.script("fish", "tcpeekstat.fish"), self.on_the_path()
        for typed, offered in self.filter_cases():
            words = ["fish", "--no-config", "-c", f"source {script}; complete -C 'tcpeekstat {typed}'"]
            done = subprocess.run(
                words, text=True, capture_output=True, timeout=DEADLINE_S, check=False, env=environment
            )
            with self.subTest(typed):
                self.assertEqual(done.stderr, "")
                names = [line.split("\t")[0].replace("\\", "") for line in done.stdout.splitlines()]
                self.assertEqual(sorted(" ".join(names).split()), sorted(offered))
        self.assertFalse(self.evil.exists())

    def test_names_of_filters_in_zsh(self) -> None:
        self.script("zsh", "_tcpeekstat")
        (self.folder / ".zshrc").write_text(
            f"PS1='zsh> '; fpath=({self.folder} $fpath); autoload -Uz compinit; compinit -u -D; unsetopt BEEP\n"
        )
        environment = {"ZDOTDIR": str(self.folder), **self.on_the_path()}
        typed = self.filter_cases()[1][0]
        with Terminal(["zsh", "-d", "-i"], 200, environment=environment) as terminal:
            terminal.wait_for("zsh>")
            terminal.type(f"tcpeekstat {typed}\t")
            terminal.wait_for("web")
            terminal.type("\t")
            terminal.wait_for(lambda: "api" in terminal.text())
        self.assertFalse(self.evil.exists())

    def test_names_of_filters_are_asked_for_quickly_and_silently(self) -> None:
        path = self.folder / "held.sock"
        server = FakeTcpeek(path, b"[", hold=True)
        self.addCleanup(server.stop)
        tool = load()
        for name in (str(path), "/nowhere"):
            seconds = []
            for _ in range(3):  # a busy machine may make any of them slow
                out, begin = io.TextIOWrapper(io.BytesIO()), time.monotonic()
                with contextlib.redirect_stdout(out):
                    tool.run_complete_filters(argparse.Namespace(line=["-U", name, "--any-owner", "watch", "-f"]))
                seconds.append(time.monotonic() - begin)
                self.assertEqual(out.buffer.getvalue(), b"")  # type: ignore[attr-defined]
            self.assertLess(min(seconds), tool.REPLY_DEADLINE_S)

    def test_every_option_is_in_each(self) -> None:
        tool = load()
        texts = {shell: completion(shell) for shell in ("bash", "zsh", "fish")}
        for word in tool.shown_words():
            for option in (*word.options, *tool.COMMON):
                for name in option.names:
                    for shell, text in texts.items():
                        wanted = (
                            name if shell != "fish" else f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
                        )
                        self.assertIn(wanted, text, (shell, word.name))

    def test_what_is_hidden_is_not_offered(self) -> None:
        for shell in ("bash", "zsh", "fish"):
            self.assertNotRegex(completion(shell), r"-a completion|\bask completion\b|completion\)")


if __name__ == "__main__":
    unittest.main()
