"""What the services may do and what they cannot, measured on the running processes."""

import json
import pathlib
import re
import unittest
from typing import Any

import nest
import lab
from conversation import POSITIONS, RX4, Conversation

UNIT = "tcpeek@veth0.service"
SOCKET = "/run/tcpeek/veth0.sock"
PINNING = (lab.ROOT / "packaging/pin-readers.conf").read_text(encoding="utf-8")
PREFILTER = (lab.ROOT / "packaging/prefilter.conf").read_text(encoding="utf-8")
CAP_NET_RAW = 1 << 13
CAP_BPF = 1 << 39
EVERYTHING = "--threads 2 -B 4 --promisc --icmp -c 2 --capture tcp -t 1 -l debug --local 192.0.2.0/24 any:RX@%:%"

setUpModule = nest.require


def status_of_threads(pid: int) -> list[dict[str, str]]:
    """Name and value of each line of /proc/PID/task/*/status, the first thread first."""
    tasks = sorted(pathlib.Path(f"/proc/{pid}/task").iterdir(), key=lambda task: int(task.name))
    texts = [(task / "status").read_text(encoding="ascii") for task in tasks]
    return [dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line) for text in texts]


class Sandbox(nest.TestCase):
    def setUp(self) -> None:
        self.options(EVERYTHING)
        self.addCleanup(self.nest.reset)

    def options(self, text: str) -> None:
        self.nest.write("/etc/default/tcpeek-veth0", f'TCPEEK_OPTIONS="{text}"\n')

    def started(self) -> int:
        self.nest.must("systemctl", "start", UNIT)
        return self.nest.main_process(UNIT)

    def test_no_thread_has_a_privilege(self) -> None:
        user = self.nest.must("id", "--user", "tcpeek").strip()
        self.assertNotEqual(user, "0")
        threads = status_of_threads(self.started())
        self.assertGreaterEqual(len(threads), 3)
        for thread in threads:
            self.assertEqual(thread["Uid"].split(), [user] * 4)
            for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                self.assertEqual(int(thread[capabilities], 16), 0, thread)
            self.assertEqual(int(thread["CapBnd"], 16), CAP_NET_RAW)
            self.assertEqual((thread["NoNewPrivs"], thread["Seccomp"]), ("1", "2"))

    def test_nothing_it_asks_for_is_forbidden(self) -> None:
        """Where the unit answers a forbidden call with an error, here it would kill. Pinning is the one that
        tcpeek asks for and can do without."""
        # Without -q, so that outcomes are printed as well.
        command = "tcpeek -i %i -U /run/tcpeek/%i.sock $TCPEEK_OPTIONS"
        self.nest.drop_in(UNIT, f"{PINNING}SystemCallErrorNumber=kill\nExecStart=\nExecStart={command}\n")
        for more in ("", "--output json", "--syslog"):
            with self.subTest(more):
                self.options(f"{EVERYTHING} {more}")
                self.all_it_does()

    def all_it_does(self) -> None:
        pid = self.started()
        wire = self.network.wire()
        for position in POSITIONS:
            Conversation(wire, position).succeed()
        for word in ("GET", "REFRESH", "STATS"):
            self.assertTrue(self.nest.ask(word, SOCKET))
        self.network.host.ip("link", "set", "veth0", "down")
        lab.wait_for(lambda: "; veth0 is down" in self.nest.show(UNIT, "StatusText"), "the status shows the link")
        self.network.host.ip("link", "set", "veth0", "up")
        four = "4 attempts: 4 successes, 0 failures, 0 pending; 0 packets dropped"
        lab.wait_for(lambda: self.nest.show(UNIT, "StatusText") == four, "the status shows all")
        self.assertEqual(self.nest.main_process(UNIT), pid)
        self.nest.must("systemctl", "stop", UNIT)
        self.assertEqual(self.nest.show(UNIT, "Result"), "success")

    def test_promiscuous_mode(self) -> None:
        def promiscuous() -> bool:
            link = self.network.host.ip("-details", "link", "show", "veth0")
            return re.search(r"promiscuity [1-9]", link) is not None

        self.started()
        self.assertTrue(promiscuous())
        self.nest.must("systemctl", "stop", UNIT)
        self.assertFalse(promiscuous())

    def test_readers_are_pinned_where_the_drop_in_allows_it(self) -> None:
        self.nest.drop_in(UNIT, PINNING)
        _, *readers = status_of_threads(self.started())
        for reader in readers:
            self.assertRegex(reader["Cpus_allowed_list"], r"^\d+$")
        self.assertFalse([text for _, text in self.nest.said(UNIT) if "not pinned" in text])

    def test_as_shipped_it_runs_unpinned_and_says_so(self) -> None:
        main, *readers = status_of_threads(self.started())
        for reader in readers:
            self.assertEqual(reader["Cpus_allowed_list"], main["Cpus_allowed_list"])
        (notice,) = [text for severity, text in self.nest.said(UNIT) if "not pinned" in text and severity == 5]
        self.assertIn("pin-readers.conf", notice)
        Conversation(self.network.wire(), RX4).succeed()
        lab.wait_for(lambda: b'"attempts":1' in self.nest.ask("STATS", SOCKET), "it counts")

    def stats(self) -> dict[str, Any]:
        told = json.loads(self.nest.ask("STATS", SOCKET))
        assert isinstance(told, dict)
        return told

    def test_the_prefilter_is_loaded_where_the_drop_in_allows_it(self) -> None:
        self.options("--threads 2 -B 4 --prefilter auto")
        self.nest.drop_in(UNIT, PREFILTER)
        threads = status_of_threads(self.started())
        told = self.stats()["prefilter"]
        if not told["active"] and "Operation not permitted" not in told["reason"]:
            self.skipTest(told["reason"])
        self.assertTrue(told["active"], told["reason"])
        for thread in threads:
            self.assertEqual({int(thread[set_], 16) for set_ in ("CapInh", "CapPrm", "CapEff", "CapAmb")}, {0})
            self.assertEqual(int(thread["CapBnd"], 16), CAP_NET_RAW | CAP_BPF)
        wire = self.network.wire()
        stranger = Conversation(wire, RX4)
        for number in range(20):
            stranger.ack(seq=1 + number)
        Conversation(wire, RX4).succeed()
        lab.wait_for(lambda: b'"attempts":1' in self.nest.ask("STATS", SOCKET), "it counts")
        lab.wait_for(lambda: bool(self.stats()["packets"]["delivered"] == 3), "the handshake alone was read")

    def test_as_shipped_it_runs_without_the_prefilter_and_says_why(self) -> None:
        self.options("--threads 2 -B 4 --prefilter auto")
        self.started()
        told = self.stats()["prefilter"]
        self.assertFalse(told["active"])
        self.assertIn("Operation not permitted (it takes CAP_BPF", told["reason"])
        Conversation(self.network.wire(), RX4).succeed()
        lab.wait_for(lambda: b'"attempts":1' in self.nest.ask("STATS", SOCKET), "it counts")

    def test_tables_may_have_huge_pages(self) -> None:
        if not pathlib.Path("/sys/kernel/mm/transparent_hugepage").exists():
            self.skipTest("this kernel has no transparent huge pages")
        self.options(f"{EVERYTHING} --max-sessions 2000")
        smaps = pathlib.Path(f"/proc/{self.started()}/smaps")

        def advised() -> bool:
            return re.search(r"^VmFlags:.* hg\b", smaps.read_text(encoding="utf-8"), re.MULTILINE) is not None

        self.assertFalse(advised(), "nothing came yet that would need a large table")
        wire = self.network.wire()
        for _ in range(100):
            Conversation(wire, RX4).succeed()
        lab.wait_for(advised, "a mapping is given MADV_HUGEPAGE once attempts come")


if __name__ == "__main__":
    unittest.main()
