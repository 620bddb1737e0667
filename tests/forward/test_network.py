"""The network between forwarder and broker cut: in network namespaces, with the stream as it is shipped, because what was
in flight arrives late once the link is up again, and the broker has to remember it for so long.
"""

from __future__ import annotations

import contextlib
import time
import unittest
from collections.abc import Iterator

import parts
import paths  # noqa: F401  (to the modules of tests/live)

import lab
from fake_tcpeek import FakeTcpeek
from nats_client import Client
from parts import FULL, Forwarder, NatsServer, assert_exactly_once, wait_for


def setUpModule() -> None:
    parts.require()
    lab.require()


# None: until the forwarder has given the connection up, which is by pings that are not answered. The full form is
# longer than the broker remembers ids.
CUTS_S: tuple[float | None, ...] = (1.0, None, 600.0) if FULL else (1.0, None)


class Network(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(lab.Lab())
        self.folder = self.network.folder
        launcher = self.network.peer.command()
        self.server = self.enterContext(NatsServer(self.folder, launcher, lab.PEER_V4))

    def client(self) -> Client:
        """From the broker's own namespace, which is never cut."""
        return Client(self.server.port, lab.PEER_V4, self.network.peer.connect(lab.PEER_V4, self.server.port))

    def count(self) -> int:
        with self.client() as client:
            return int(client.stream()["state"]["messages"])

    def test_link_down_for_a_while(self) -> None:
        fake = self.enterContext(FakeTcpeek(self.folder / "tcpeek.sock", kept=1_000_000))
        forwarder = Forwarder(self.folder, self.server.url, fake.path, "--create-stream",
                              launcher=self.network.host.command())  # fmt: skip
        self.enterContext(forwarder)
        wait_for(lambda: fake.watchers() == 1, "the forwarder watches")
        for seconds in CUTS_S:
            self.tell_for(fake, 0.5)
            with self.cut():
                self.tell_for(fake, 0.5)
                if seconds is None:
                    wait_for(lambda: "trying again" in forwarder.said(), "the forwarder gives the connection up", 60)
                else:
                    time.sleep(seconds)
            self.tell_for(fake, 0.5)
            total = fake.told[fake.boot]
            self.wait_stored(total)
        with self.client() as client:
            messages = client.messages()
        self.assertEqual(assert_exactly_once(self, messages, fake.told), 0)

    def wait_stored(self, total: int) -> None:
        wait_for(lambda: self.count() >= total, f"all {total} are stored", 90)

    @staticmethod
    def tell_for(fake: FakeTcpeek, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            fake.tell(50)
            time.sleep(0.02)

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        self.network.peer.ip("link", "set", "veth0", "down")
        try:
            yield
        finally:
            self.network.peer.ip("link", "set", "veth0", "up")
            self.network.peer.wait_for_carrier("veth0")


if __name__ == "__main__":
    unittest.main()
