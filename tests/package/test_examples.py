"""Every example of README.md and the manuals is run, against a real tcpeek in a network of two namespaces.

An example is a fenced or indented block of README.md, and a display (.Dl, .Bd -literal) of a manual. What is a command
is run by bash as it stands there; what is output, configuration or a fragment is named in SHOWN by its beginning; what
cannot run here is named in NOT_RUN, with the reason. An example that is in neither and does not run fails.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import unittest
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "live"))

import lab
import night

PAGES = ("README.md", "docs/tcpeek.8", "docs/tcpeekstat.1", "docs/tcpeek-protocol.7", "docs/tcpeek.conf.5")
RUN_S = 180.0
LOOK_S = 3.0  # what goes on until it is stopped runs so long

# No command: what a program prints, the syntax of something, or the contents of a file. By its first words.
SHOWN: Mapping[str, str] = {
    "$ tcpeekstat\ntcpeek 2": "of the night; checked below", "$ tcpeekstat explain\n": "of the night; checked below",
    "$ tcpeekstat -f db\n": "of the night; checked below",
    " TIME(s) |": "live lines", "# tcpeekstat top --once\n05:46:59": "a screen, of the network below",
    "========== TCPEEK": "a summary", "reading from": "of a capture file; test_replay runs it", "listening on": "first lines",
    "tcpeek: ": "a message", "TCPEEK_OPTIONS=": "a file of options; test_installed and systemd.service use it",
    "interface = ": "a configuration; checked below", "# a comment\ninterface": "a configuration; checked below",
    '{"event":': "a JSON line", "[name]:DIR@": "syntax", "$ tcpeek 'db:TX@10.1.0.0/33": "a refusal; checked below",
    '[{"RX":': "a reply", "  - job_name": "of Prometheus; test_metrics scrapes", "sum by (": "PromQL; test_metrics has promtool",
    "reloaded: ": "a message", '{"error":': "a reply",
}
# Commands that are not run, and why.
NOT_RUN: Mapping[str, str] = {
    "scripts/run -i eth0": "compiles; scripts.setup runs scripts/run",
    "scripts/run --version\ncmake": "compiles and installs; install.binary installs",
    "ip netns add here": "test_the_two_namespaces does it",
    "ip netns exec here": "test_the_two_namespaces does it",
    "sudo apt install git": "installs, and compiles; package.contents makes a package",
    "systemd-sysusers": "needs systemd; package.installed and systemd.service",
    "systemctl ": "needs systemd; package.installed and systemd.service",
    "setcap ": "changes an installed file; live.privileges has the capability",
    "ssh server": "needs another host",
    "tcpeekstat fleet --nats": "needs a broker; scripts.tcpeekstat_manual has one",
    "cat /var/log/tcpeek/*.jsonl": "needs that folder; scripts.tcpeekstat_manual has one",
    "* * * * *": "lines of a crontab; their commands are run as other examples",
    "tcpeek --no-socket --netns 4711": "needs a container; live.look has a namespace",
    "install -D": "changes the installed units; systemd.sandbox has the drop-in",
}


@dataclass(frozen=True)
class Example:
    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text.splitlines()[0]}"


def of_markdown(page: str, text: str) -> Iterator[Example]:
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        begins = number
        if lines[number].startswith("```"):
            number += 1
            while not lines[number].startswith("```"):
                number += 1
            yield Example(page, begins + 1, "\n".join(lines[begins + 1 : number]))
        elif lines[number].startswith("    ") and (number == 0 or not lines[number - 1].strip()):
            while number < len(lines) and lines[number].startswith("    "):
                number += 1
            yield Example(page, begins + 1, textwrap.dedent("\n".join(lines[begins:number])))
        number += 1


def of_manual(page: str, text: str) -> Iterator[Example]:
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        begins = number
        if lines[number].startswith(".Dl "):
            yield Example(page, begins + 1, plain(lines[number][4:]))
        elif lines[number].startswith(".Bd -literal"):
            while lines[number] != ".Ed":
                number += 1
            yield Example(page, begins + 1, plain("\n".join(lines[begins + 1 : number])))
        number += 1


def plain(text: str) -> str:
    """As a reader sees it."""
    text = re.sub(r"^\.(?:Li|Ic|Cm) ", "", text, flags=re.M)
    return text.replace(r"\(dq", '"').replace(r"\e", "\\").replace(r"\&", "")


def examples() -> list[Example]:
    found: list[Example] = []
    for page in PAGES:
        text = (lab.ROOT / page).read_text(encoding="utf-8")
        found += of_markdown(page, text) if page.endswith(".md") else of_manual(page, text)
    return found


def begins_of(text: str, known: Mapping[str, str]) -> str | None:
    command = re.sub(r"^[#$] (?=\S)", "", text)
    return next((begin for begin in known if text.startswith(begin) or command.startswith(begin)), None)


def without_numbers(text: str) -> list[str]:
    """Lines, with blanks in one width, as columns follow the numbers."""
    lines = (re.sub(r"[\d.]+(?:us|ms| s\b)?", "N", line.strip()) for line in text.strip().splitlines())
    return [re.sub(r" +", " ", line) for line in lines]


def commands(example: Example) -> list[str]:
    """One for each prompt; without any, each line, unless it goes on."""
    text = re.sub(r" *# or, without it:", "", example.text)
    if re.match(r"[#$] \S", text):
        return [part for part in re.split(r"(?m)^[#$] (?=\S)", text) if part.strip()]
    return [part for part in re.sub(r"\\\n|\|\n", lambda m: m[0].replace("\n", " "), text).splitlines() if part.strip()]


class Machine:
    """The network with a tcpeek on its host, and the names of the documents made true for it."""

    def __init__(self, network: lab.Lab, stack: contextlib.ExitStack) -> None:
        self.network = network
        self.folder = network.folder
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        (self.bin / "tcpeek").symlink_to(lab.binary())
        (self.bin / "tcpeekstat").symlink_to(lab.ROOT / "scripts/tcpeekstat")
        for name in ("build/release", "tests/captures"):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / "build/release").mkdir()
        (self.folder / "build/release/tcpeek").symlink_to(lab.binary())
        (self.folder / "tests/captures").symlink_to(lab.ROOT / "tests/captures")
        network.host.ip("link", "set", "veth0", "down")
        network.host.ip("link", "set", "veth0", "name", "eth0")
        network.host.ip("link", "set", "eth0", "up")
        network.host.ip("link", "add", "eth1", "type", "veth", "peer", "name", "eth1-peer")
        network.host.ip("link", "set", "eth1-peer", "up")
        network.host.ip("link", "set", "eth1", "up")
        self._captures()
        self.configuration = self.folder / "tcpeek.conf"
        self.configuration.write_text('icmp = true\n[filters]\nweb = "RX@%:80:443"\n', encoding="utf-8")
        # /run is the machine's own within, so that sockets are where the documents say.
        self.run_folder = self.folder / "run"
        (self.run_folder / "tcpeek").mkdir(parents=True)
        self.daemon = subprocess.Popen(self.command("exec tcpeek -q -i eth0 -t 5 --config /etc/tcpeek/tcpeek.conf -U /run/tcpeek/tcpeek.sock"),
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        stack.callback(self._end)
        lab.wait_for(lambda: (self.run_folder / "tcpeek/tcpeek.sock").is_socket(), "tcpeek listens on its socket")
        (self.run_folder / "tcpeek/eth0.sock").symlink_to("tcpeek.sock")
        for port in (80, 81):
            with contextlib.suppress(OSError):
                network.peer.connect(lab.HOST_V4, port)

    def _end(self) -> None:
        self.daemon.terminate()
        self.daemon.wait(lab.DEADLINE_S)

    def _captures(self) -> None:
        source = lab.ROOT / "tests/captures/tcpdump__bgp-bgpsec.pcap"
        shutil.copyfile(source, self.folder / "eth0.pcap")
        for day in ("day-1", "day-2"):
            shutil.copyfile(source, self.folder / f"{day}.pcap")
            lab.run("gzip", "-k", str(self.folder / f"{day}.pcap"))
            lab.run("zstd", "-q", str(self.folder / f"{day}.pcap"))

    def command(self, text: str) -> list[str]:
        """In the host's network, where /run and /etc/tcpeek are ours, and nothing is left behind."""
        script = (
            f"mount --bind {self.run_folder} /run && mkdir -p /etc/tcpeek 2>/dev/null; mount -t tmpfs tmpfs /etc/tcpeek && "
            f"cp {self.configuration} /etc/tcpeek/tcpeek.conf && mkdir -p /var/lib && mount -t tmpfs tmpfs /var/lib && "
            "mkdir -p /var/lib/nagios /var/lib/prometheus/node-exporter && "
            f"cd {self.folder} && export PATH={self.bin}:$PATH && {text}"
        )
        return ["unshare", "--mount", "--propagation", "private", *self.network.host.command("bash", "-c", script)]

    def run(self, text: str) -> tuple[int, str, bool]:
        """Status, what it said, and whether it had to be stopped."""
        process = subprocess.Popen(
            self.command(text), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True, env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        try:
            return process.wait(0), process.communicate()[0], False
        except subprocess.TimeoutExpired:
            pass
        try:
            said, _ = process.communicate(timeout=LOOK_S if goes_on(text) else RUN_S)
            return process.returncode, said, False
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
            said, _ = process.communicate(timeout=RUN_S)
            return process.returncode, said, True


def goes_on(text: str) -> bool:
    """Captures, watches, or shows until it is told to end."""
    return bool(re.match(r"tcpeek (?!.*(-r |--reload|--duration|-[hv]\b))", text) or
                re.match(r"tcpeekstat (watch|rates|top(?! --once| \d| --by))", text))  # fmt: skip


class ExamplesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        stack = cls.enterClassContext(contextlib.ExitStack())
        cls.network = stack.enter_context(lab.Lab())
        cls.machine = Machine(cls.network, stack)

    network: lab.Lab
    machine: Machine

    def test_each_runs(self) -> None:
        ran = 0
        for example in examples():
            if begins_of(example.text, SHOWN):
                continue
            for command in commands(example):
                if begins_of(command, NOT_RUN) or begins_of(example.text, NOT_RUN):
                    continue
                ran += 1
                with self.subTest(str(example), command=command):
                    self.check(command.strip())
        self.assertGreater(ran, 30)

    def check(self, command: str) -> None:
        alone = re.sub(r"-U /tmp/\S+", f"-U {self.machine.folder}/another", command)
        if goes_on(command) and command.startswith("tcpeek ") and not re.search(r"-U |--no-socket", alone):
            alone = alone.replace("tcpeek ", f"tcpeek -U {self.machine.folder}/another ", 1)
        if command == "tcpeek":
            alone = f"tcpeek -U {self.machine.folder}/another"
        if re.match(r"tcpeekstat top(?! --once| \d| --by)", command):
            alone = f"script -qec 'TERM=xterm {command}' /dev/null"
        status, said, stopped = self.machine.run(alone)
        self.assertNotRegex(said, r"Traceback|not an option|usage:|No such file|command not found|parse error|jq: error")
        # A check tells what it found by its status.
        allowed = (0, 1, 2) if command.startswith("tcpeekstat check") else (0,)
        if not stopped:
            self.assertIn(status, allowed, said)

    def test_configurations_are_right(self) -> None:
        ran = 0
        for example in examples():
            known = begins_of(example.text, SHOWN)
            if known not in ("interface = ", "# a comment\ninterface"):
                continue
            ran += 1
            with self.subTest(str(example)):
                path = self.machine.folder / "example.conf"
                path.write_text(example.text, encoding="utf-8")
                status, said, _ = self.machine.run(f"tcpeek -q --no-socket --duration 1 --config {path}")
                self.assertIn("TCPEEK SUMMARY", said)
        self.assertGreater(ran, 2)

    def test_refusals_are_as_shown(self) -> None:
        ran = 0
        for example in examples():
            if example.text.startswith("$ tcpeek 'db:TX@10.1.0.0/33"):
                ran += 1
                command, _, shown = example.text.removeprefix("$ ").partition("\n")
                self.assertEqual(self.machine.run(command)[:2], (2, shown + "\n"))
        self.assertEqual(ran, 1)

    def test_the_two_namespaces(self) -> None:
        """README's walk, by its own commands; only tcpeek is not compiled first."""
        blocks = {begin: example.text for example in examples() for begin in ("ip netns add here", "ip netns exec here")
                  if example.text.startswith(begin)}  # fmt: skip
        told = self.machine.folder / "told"
        make = blocks["ip netns add here"].replace("scripts/run", "tcpeek")
        self.assertIn("tcpeek -i veth0", make)
        script = (
            "set -e; mount -t tmpfs tmpfs /run; mkdir /run/netns /run/tcpeek\n"
            f"{make} >{told} 2>&1 & watcher=$!\n"
            f"until grep -q TIMESTAMP {told}; do sleep 0.1; done\n"
            "until ip netns exec there ss -ltnH 'sport = :80' | grep -q 80; do sleep 0.1; done\n"
            f"set +e\n{blocks['ip netns exec here']}\n"
            f"for _ in $(seq 600); do grep -q timeout {told} && break; sleep 0.1; done\n"
            "kill -INT $watcher; wait $watcher; kill %1; ip netns delete here; ip netns delete there\n"
        )
        self.machine.run(f"timeout 150 unshare --mount bash -c {shlex.quote(script)}")
        said = told.read_text(encoding="utf-8")
        results = re.findall(r"^ +\d+\.\d+ .*?([\da-f.:\]\[]+:\d+) +\| +(.*?) +\|", said, re.M)
        self.assertEqual(results, [("192.0.2.2:80", "success"), ("[2001:db8::2]:80", "success"),
                                   ("192.0.2.2:81", "failure (reject)"), ("192.0.2.99:80", "failure (timeout)")], said)  # fmt: skip
        self.assertIn("TCPEEK SUMMARY", said)

    def test_the_night(self) -> None:
        """tcpeekstat(1), IT IS 3 A.M., but for numbers."""
        with lab.Lab() as network:
            said = night.play(network)
        for command, text in said.items():
            with self.subTest(command):
                (shown,) = [each.text for each in examples() if each.text.startswith(f"$ {command}\n")]
                self.assertEqual(without_numbers(shown.partition("\n")[2]), without_numbers(text))

    def test_every_reason_is_needed(self) -> None:
        """An entry that no example has any more is removed."""
        parts = [part for example in examples() for part in (example.text, *commands(example))]
        for known in (SHOWN, NOT_RUN):
            for begin in known:
                self.assertTrue(any(begins_of(part, {begin: ""}) for part in parts), begin)


def setUpModule() -> None:
    lab.require()


if __name__ == "__main__":
    unittest.main()
