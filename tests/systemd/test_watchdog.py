"""What hangs is found and replaced: the whole process, or one reader while all else goes on."""

import os
import pathlib
import signal
import unittest

import nest
from freeze import Frozen
import lab

UNIT = "tcpeek@veth0.service"
SOCKET = "/run/tcpeek/veth0.sock"
# The unit's 20 s would make a long test, and less than this is soon gone on a busy machine; the rest of it is as shipped.
WATCHDOG_S = 8

setUpModule = nest.require


class Watchdog(unittest.TestCase):
    def setUp(self) -> None:
        network = self.enterContext(lab.Lab())
        self.nest = self.enterContext(nest.Nest(network))
        self.nest.drop_in(UNIT, f"[Service]\nWatchdogSec={WATCHDOG_S}\n")
        self.nest.write("/etc/default/tcpeek-veth0", "TCPEEK_OPTIONS='--threads 2 -B 4 --max-sessions 1000'\n")
        self.nest.must("systemctl", "start", UNIT)

    def wait_for_replacement(self, before: int) -> None:
        """Another process serves, and the manager says why."""
        lab.wait_for(lambda: self.nest.show(UNIT, "NRestarts") == "1", "it was started again")
        lab.wait_for(lambda: self.nest.show(UNIT, "ActiveState") == "active", "it is ready again")
        self.assertNotEqual(self.nest.main_process(UNIT), before)
        self.assertTrue(self.nest.ask("GET", SOCKET).startswith(b"["))
        messages = [entry["MESSAGE"] for entry in self.nest.journal(UNIT)]
        self.assertIn(f"{UNIT}: Watchdog timeout (limit {WATCHDOG_S}s)!", messages)

    def test_what_is_alive_stays(self) -> None:
        pid = self.nest.main_process(UNIT)

        def fed() -> int:
            return int(self.nest.show(UNIT, "WatchdogTimestampMonotonic"))

        begin = fed()
        lab.wait_for(lambda: fed() > begin + 2 * WATCHDOG_S * 1_000_000, "twice the watchdog's time is over")
        self.assertEqual(self.nest.main_process(UNIT), pid)
        self.assertEqual(self.nest.show(UNIT, "NRestarts"), "0")

    def test_hung_process(self) -> None:
        pid = self.nest.main_process(UNIT)
        os.kill(pid, signal.SIGSTOP)
        self.wait_for_replacement(pid)

    def test_hung_reader(self) -> None:
        pid = self.nest.main_process(UNIT)
        reader = max(int(task.name) for task in pathlib.Path(f"/proc/{pid}/task").iterdir())
        self.assertNotEqual(reader, pid)
        frozen = Frozen(reader)
        # The reactor turns: a client is accepted, and what all readers must answer stays unanswered.
        with self.assertRaises(TimeoutError):
            self.nest.ask("GET", SOCKET, seconds=1)
        lab.wait_for(frozen.killed, "the hung reader is killed")
        self.wait_for_replacement(pid)


if __name__ == "__main__":
    unittest.main()
