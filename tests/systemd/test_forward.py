"""tcpeek-forward as a service: who it is, what it keeps, how it gets a secret, and what becomes of it when the broker goes
or it is killed. tcpeek, systemd and nats-server are the real ones.
"""

from __future__ import annotations

import json
import pathlib
import stat
import sys
import time
import unittest

import nest
import lab
from conversation import RX4, Conversation

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "forward"))

import parts
from nats_client import Client, Stored
from parts import FULL, NatsServer, assert_exactly_once

UNIT = "tcpeek-forward.service"
TCPEEK = "tcpeek@veth0.service"
SOCKET = "/run/tcpeek/veth0.sock"
STATE = "/var/lib/private/tcpeek-forward"
TOKEN = "s3cret"
SECRET = "/etc/tcpeek-forward.secret"
# As tcpeek-forward(8) says.
CREDENTIAL = f"[Service]\nLoadCredential=secret:{SECRET}\nRestartSec=200ms\n"
CREDENTIAL_AT = "/run/credentials/tcpeek-forward.service/secret"
OUTAGE_S = 150.0 if FULL else 3.0


def setUpModule() -> None:
    nest.require()
    parts.require()


class Forward(nest.TestCase):
    def setUp(self) -> None:
        folder = self.network.folder / self.id()
        folder.mkdir()
        launcher = self.network.host.command()
        self.server = self.enterContext(NatsServer(folder, launcher, more=f'\nauthorization: {{ token: "{TOKEN}" }}\n'))
        self.addCleanup(self.nest.reset)
        self.addCleanup(self.nest.must, "systemctl", "stop", UNIT)
        self.nest.write("/etc/default/tcpeek-veth0", 'TCPEEK_OPTIONS="--threads 2 -B 4 --max-sessions 1000"\n')
        self.nest.write(SECRET, f"{TOKEN}\n")
        self.nest.path(SECRET).chmod(0o600)
        self.options(f"--create-stream --secret-file {CREDENTIAL_AT}")
        self.nest.drop_in(UNIT, CREDENTIAL)
        self.nest.must("systemctl", "start", TCPEEK)

    def options(self, text: str) -> None:
        text = f"--socket {SOCKET} --server {self.server.url} --host web1 -l info {text}"
        self.nest.write("/etc/default/tcpeek-forward", f'FORWARD_OPTIONS="{text}"\n')

    def said(self) -> str:
        return "\n".join(text for _, text in self.nest.said(UNIT))

    def start(self) -> None:
        self.nest.must("systemctl", "start", UNIT)
        lab.wait_for(lambda: "watching tcpeek" in self.said(), "it watches")

    def messages(self) -> list[Stored]:
        with Client(self.server.port, connection=self.network.host.connect("127.0.0.1", self.server.port),
                    login={"auth_token": TOKEN}) as client:  # fmt: skip
            return client.messages()

    def succeed(self, number: int) -> None:
        wire = self.network.wire()
        for _ in range(number):
            Conversation(wire, RX4).succeed()

    def wait_successes(self, number: int) -> list[Stored]:
        """All that is in the stream, as soon as there are so many."""

        def there() -> list[Stored]:
            found = self.messages()
            return found if sum(message.subject.endswith(".success") for message in found) >= number else []

        found: list[Stored] = lab.wait_for(there, f"{number} successes are in the stream", 60)
        numbers = [message.json for message in found]
        (boot,) = {line["boot"] for line in numbers}
        first, last = (end(line["seq"] for line in numbers) for end in (min, max))
        self.assertEqual(assert_exactly_once(self, found, {boot: last}, first={boot: first}), 0)
        self.assertEqual(sum(message.subject.endswith(".success") for message in found), number)
        return found

    def test_is_a_user_of_its_own_that_keeps_its_place(self) -> None:
        self.start()
        self.succeed(3)
        self.wait_successes(3)
        process = self.nest.main_process(UNIT)
        status = dict(line.split(":\t", 1) for line in
                      pathlib.Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines() if ":\t" in line)  # fmt: skip
        user = status["Uid"].split()[0]
        self.assertNotIn(user, ("0", self.nest.must("id", "--user", "tcpeek").strip()))
        self.assertIn(self.nest.must("id", "--group", "tcpeek").strip(), status["Groups"].split())
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        self.nest.must("systemctl", "stop", UNIT)
        self.assertEqual((self.nest.show(UNIT, "Result"), self.nest.show(UNIT, "ExecMainStatus")), ("success", "0"))
        state = self.nest.path(f"{STATE}/state")
        self.assertEqual([stat.S_IMODE(path.stat().st_mode) for path in (state.parent, state)], [0o700, 0o600])
        self.assertEqual(json.loads(state.read_text(encoding="utf-8"))["host"], "web1")
        self.succeed(2)
        self.nest.must("systemctl", "start", UNIT)
        self.wait_successes(5)

    def test_goes_on_after_the_broker_was_gone(self) -> None:
        self.start()
        self.succeed(3)
        self.wait_successes(3)
        process = self.nest.main_process(UNIT)
        self.server.kill()
        self.succeed(2)
        lab.wait_for(lambda: "trying again" in self.said(), "it tells of it")
        time.sleep(OUTAGE_S)
        self.server.start()
        self.succeed(2)
        self.wait_successes(7)
        self.assertEqual(self.nest.main_process(UNIT), process, "it was not started again")

    def test_killed_is_started_again_and_resumes(self) -> None:
        self.start()
        for number in (3, 6):
            self.succeed(3)
            self.wait_successes(number)
            process = self.nest.main_process(UNIT)
            self.nest.must("systemctl", "kill", "--signal=KILL", UNIT)
            lab.wait_for(lambda: self.nest.show(UNIT, "MainPID") not in ("0", str(process)), "it is started again")
        self.succeed(1)
        self.wait_successes(7)
        self.assertEqual(self.nest.show(UNIT, "NRestarts"), "2")

    def test_stops_while_there_is_no_broker(self) -> None:
        self.start()
        self.server.kill()
        self.succeed(1)
        lab.wait_for(lambda: "trying again" in self.said(), "it tells of it")
        begin = time.monotonic()
        self.nest.must("systemctl", "stop", UNIT)
        self.assertLess(time.monotonic() - begin, 15)
        self.assertEqual(self.nest.show(UNIT, "Result"), "success")

    def test_a_secret_that_its_user_cannot_read(self) -> None:
        """Told once; what it says does not become right by trying again."""
        self.options(f"--secret-file {SECRET}")
        self.nest.must("systemctl", "start", UNIT)
        lab.wait_for(lambda: self.nest.show(UNIT, "ActiveState") == "failed", "it has given up")
        self.assertEqual((self.nest.show(UNIT, "ExecMainStatus"), self.nest.show(UNIT, "NRestarts")), ("2", "0"))
        self.assertIn(f"--secret-file: cannot read '{SECRET}'", self.said())


if __name__ == "__main__":
    unittest.main()
