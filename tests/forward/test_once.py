"""Each event is in the stream once, or told in a gap: over a broker killed for longer than it remembers ids, forwarders
killed, states lost, tcpeeks restarted. The broker is a real nats-server, tcpeek a stand-in that tells numbered events.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import json
import pathlib
import socket
import tempfile
import threading
import time
import unittest
import urllib.request
from collections.abc import Iterator
from typing import Any

import parts
from fake_tcpeek import FakeTcpeek, outcome
from parts import FULL, Forwarder, NatsServer, assert_exactly_once, wait_for

setUpModule = parts.require

# The broker forgets ids this soon, so that an outage of a second is a long one.
FORGETS = {"duplicate_window": 200_000_000}
FORGOTTEN_S = 0.7


class ForwardCase(unittest.TestCase):
    def setUp(self) -> None:
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="tcpeek-"))
        self.folder = pathlib.Path(folder)
        self.socket = self.folder / "tcpeek.sock"

    def server(self) -> NatsServer:
        return self.enterContext(NatsServer(self.folder))

    def tcpeek(self, **shape: int) -> FakeTcpeek:
        return self.enterContext(FakeTcpeek(self.socket, **shape))

    def forwarder(self, server: NatsServer, *options: str) -> Forwarder:
        forwarder = Forwarder(self.folder, server.url, self.socket, *options)
        self.enterContext(forwarder)
        return forwarder

    def wait_watched(self, fake: FakeTcpeek) -> None:
        wait_for(lambda: fake.watchers() >= 1, "the forwarder watches")

    def wait_stored(self, server: NatsServer, last: int, boot: str) -> None:
        """Until the last event is there, as itself or in a gap: in the last message, or in any if no more come."""
        before = 0

        def there() -> bool:
            nonlocal before
            with contextlib.suppress(OSError), server.client() as client:
                number = int(client.stream()["state"]["last_seq"])
                if number == 0:
                    return False
                found = client.request("$JS.API.STREAM.MSG.GET.TCPEEK", {"seq": number})["message"]["data"]
                if self._ends(json.loads(base64.b64decode(found)), boot, last):
                    return True
                quiet, before = number == before, number
                return quiet and any(self._ends(message.json, boot, last) for message in client.messages())
            return False

        wait_for(there, f"event {last} is stored", 60)

    @staticmethod
    def _ends(line: Any, boot: str, last: int) -> bool:
        return line["boot"] == boot and last in (line.get("seq"), line.get("to"), line.get("gap", {}).get("to"))


class Plain(ForwardCase):
    def test_each_event_with_its_subject_and_id(self) -> None:
        server, fake = self.server(), self.tcpeek(failures_percent=30)
        forwarder = self.forwarder(server, "--create-stream", "--metrics-listen", "127.0.0.1:0", "-l", "info")
        wait_for(lambda: "watching tcpeek" in forwarder.said(), "it watches")
        fake.tell(1000)
        self.wait_stored(server, 1000, fake.boot)
        messages = server.messages()
        self.assertEqual(assert_exactly_once(self, messages, fake.told), 0)
        for message in messages:
            self.assertEqual(message.subject, f"tcpeek.events.web1.{message.json['result']}")
        self.assertEqual([message.json["seq"] for message in messages], list(range(1, 1001)))
        with server.client() as client:
            config = client.stream()["config"]
        shipped = json.loads(parts.STREAM_CONFIG.read_text(encoding="utf-8"))
        self.assertEqual({name: config[name] for name in shipped}, shipped)
        address = forwarder.said().split("metrics are at ")[1].split("/metrics")[0]
        with urllib.request.urlopen(f"{address}/metrics", timeout=10) as reply:
            text = reply.read().decode()
        self.assertRegex(text, r"(?m)^tcpeek_forward_messages_stored_total 1000$")
        self.assertRegex(text, r"(?m)^tcpeek_forward_connected 1$")
        with urllib.request.urlopen(f"{address}/healthz", timeout=10) as reply:
            self.assertEqual(reply.status, 200)
        forwarder.stop()
        state = json.loads(forwarder.state.read_text(encoding="utf-8"))
        self.assertEqual((state["boot"], state["seq"], state["stored_after"]), (fake.boot, 1000, 1000))

    def test_waits_for_a_stream_and_takes_it_when_it_is_there(self) -> None:
        server, fake = self.server(), self.tcpeek()
        forwarder = self.forwarder(server)
        wait_for(lambda: "there is no stream 'TCPEEK'" in forwarder.said(), "it says what is missing")
        self.wait_watched(fake)
        fake.tell(100)
        server.create_stream()
        self.wait_stored(server, 100, fake.boot)
        self.assertEqual(assert_exactly_once(self, server.messages(), fake.told), 0)

    def test_a_broker_killed_for_longer_than_it_remembers(self) -> None:
        """The full form is an outage of ten minutes of the stream as it is shipped."""
        server, fake = self.server(), self.tcpeek(failures_percent=10)
        server.create_stream(**({} if FULL else FORGETS))
        self.forwarder(server)
        self.wait_watched(fake)
        for seconds in (600.0,) if FULL else (FORGOTTEN_S,) * 3:
            for _ in range(20):
                fake.tell(200)
                time.sleep(0.01)
            server.kill()
            fake.tell(500)
            time.sleep(seconds)
            server.start()
        fake.tell(500)
        self.wait_stored(server, fake.told[fake.boot], fake.boot)
        self.assertEqual(assert_exactly_once(self, server.messages(), fake.told), 0, "tcpeek kept them all")

    def test_forwarders_killed_again_and_again(self) -> None:
        server, fake = self.server(), self.tcpeek(failures_percent=10)
        server.create_stream(**FORGETS)
        forwarder = self.forwarder(server)
        self.wait_watched(fake)
        fake.tell(1)
        self.wait_stored(server, 1, fake.boot)
        with self.load(fake):
            for number in range(8):
                time.sleep(0.3 + 0.17 * number % 0.5)
                forwarder.kill()
                if number == 3:
                    forwarder.state.unlink(missing_ok=True)  # the stream itself says how far it has come
                if number == 5:
                    forwarder.state.write_text('{"version":1,', encoding="utf-8")
                if number % 3 == 1:
                    time.sleep(FORGOTTEN_S)
                forwarder.start()
        self.wait_stored(server, fake.told[fake.boot], fake.boot)
        self.assertEqual(assert_exactly_once(self, server.messages(), fake.told), 0)

    def test_a_lost_state_is_followed_by_one_near_the_end(self) -> None:
        """Otherwise the next restart would read all of the stream back."""
        server, fake, other = self.server(), self.tcpeek(), self.enterContext(FakeTcpeek(self.folder / "other.sock"))
        server.create_stream(**FORGETS)
        before = self.enterContext(Forwarder(self.folder, server.url, other.path, host="web2"))
        self.wait_watched(other)
        other.tell(500)
        wait_for(lambda: server.count() == 500, "the other host's are stored")
        before.stop()
        forwarder = self.forwarder(server)
        self.assertEqual(self.first_state(forwarder)["stored_after"], 500, "nothing of this host is in the stream")
        self.wait_watched(fake)
        fake.tell(100)
        self.wait_stored(server, 100, fake.boot)
        forwarder.stop()
        forwarder.state.unlink()
        forwarder.start()
        self.assertEqual(self.first_state(forwarder)["stored_after"], 500, "from its first message on it was looked at")
        fake.tell(100)
        self.wait_stored(server, 200, fake.boot)
        self.assertEqual(assert_exactly_once(self, [m for m in server.messages() if m.json["host"] == "web1"], fake.told), 0)

    @staticmethod
    def first_state(forwarder: Forwarder) -> Any:
        wait_for(forwarder.state.exists, "there is a state")
        return json.loads(forwarder.state.read_text(encoding="utf-8"))

    def test_what_tcpeek_does_not_keep_is_a_gap_of_that_many(self) -> None:
        server, fake = self.server(), self.tcpeek(kept=2000)
        server.create_stream(**FORGETS)
        self.forwarder(server, "--window", "500")
        self.wait_watched(fake)
        fake.tell(1000)
        self.wait_stored(server, 1000, fake.boot)
        server.kill()
        for _ in range(200):
            fake.tell(100)
            time.sleep(0.005)
        time.sleep(FORGOTTEN_S)
        server.start()
        fake.tell(100)
        self.wait_stored(server, fake.told[fake.boot], fake.boot)
        self.assertGreater(assert_exactly_once(self, server.messages(), fake.told), 1000)

    def test_a_tcpeek_that_is_restarted(self) -> None:
        server, fake = self.server(), self.tcpeek()
        server.create_stream(**FORGETS)
        forwarder = self.forwarder(server)
        self.wait_watched(fake)
        for number in range(3):
            fake.tell(500)
            self.wait_stored(server, fake.told[fake.boot], fake.boot)
            if number == 1:
                forwarder.kill()
                time.sleep(FORGOTTEN_S)
            fake.restart()
            fake.tell(50)  # before anybody watches
            if number == 1:
                forwarder.start()
            self.wait_watched(fake)
            fake.tell(450)
            self.wait_stored(server, 500, fake.boot)
        self.assertEqual(len(fake.told), 4)
        self.assertEqual(assert_exactly_once(self, server.messages(), fake.told), 0)

    def test_a_watcher_that_is_closed_resumes(self) -> None:
        server, fake = self.server(), self.tcpeek()
        server.create_stream()
        self.forwarder(server)
        self.wait_watched(fake)
        for _ in range(5):
            fake.tell(300)
            fake.close_clients()
            self.wait_watched(fake)
        self.wait_stored(server, 1500, fake.boot)
        self.assertEqual(assert_exactly_once(self, server.messages(), fake.told), 0)

    @contextlib.contextmanager
    def load(self, fake: FakeTcpeek) -> Iterator[None]:
        """About 5,000 events a second meanwhile."""
        ending = threading.Event()

        def tell() -> None:
            while not ending.wait(0.02):
                fake.tell(100)

        thread = threading.Thread(target=tell)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join()


class Refused(ForwardCase):
    def test_what_is_too_large_is_a_gap(self) -> None:
        """Failures are, and do not stop what comes behind them."""
        server, fake = self.server(), self.tcpeek(failures_percent=10)
        head = f"NATS/1.0\r\nNats-Msg-Id: web1-{fake.boot}-200\r\n\r\n"
        largest = len(outcome(fake.boot, 200)) + len(',"host":"web1"') + len(head) + 10
        server.create_stream(**FORGETS, max_msg_size=largest)
        forwarder = self.forwarder(server)
        self.wait_watched(fake)
        fake.tell(300)
        self.wait_stored(server, 300, fake.boot)
        wait_for(lambda: server.count() == 300, "the gaps are stored")
        failures = sum(fake.result_of(seq) != "success" for seq in range(1, 301))
        self.assertEqual(assert_exactly_once(self, server.messages(), fake.told), failures)
        self.assertEqual(forwarder.said().count("is told in a gap instead: message size exceeds maximum allowed"), 1)

    def test_the_stream_is_another_one(self) -> None:
        server, fake = self.server(), self.tcpeek()
        server.create_stream(**FORGETS)
        server.create_stream(name="OTHER", subjects=["other.>"])
        forwarder = self.forwarder(server, "--stream", "OTHER")
        self.wait_watched(fake)
        fake.tell(10)
        said = "the subjects of --subject belong to the stream 'TCPEEK', not to 'OTHER': give --stream TCPEEK"
        wait_for(lambda: said in forwarder.said(), "it says which stream to give")

    def test_what_is_not_permitted_is_told(self) -> None:
        users = '\nauthorization: { users: [{ user: "me", password: "s3cret", permissions: { publish: { deny: "tcpeek.>" } } }] }\n'
        server = self.enterContext(NatsServer(self.folder, more=users))
        fake = self.tcpeek()
        url = server.url.replace("//", "//me:s3cret@")
        forwarder = self.enterContext(Forwarder(self.folder, url, fake.path, "--create-stream"))
        wait_for(lambda: "connected to" in forwarder.said() and fake.watchers() == 1, "it watches")
        fake.tell(10)
        wait_for(lambda: "acknowledged for 10 seconds" in forwarder.said(), "it gives up")
        self.assertRegex(forwarder.said(), '(?i)10 seconds: .*permissions violation for publish to "tcpeek.events.web1')
        self.assertNotIn("s3cret", forwarder.said())


class Ends(ForwardCase):
    def test_soon_where_no_server_answers(self) -> None:
        """Sixteen of them are not all waited for."""
        ports = []
        for _ in range(16):
            silent = self.enterContext(socket.socket())
            silent.bind(("127.0.0.1", 0))
            silent.listen(8)
            ports.append(silent.getsockname()[1])
        fake = self.tcpeek()
        urls = ",".join(f"nats://127.0.0.1:{port}" for port in ports)
        forwarder = self.enterContext(Forwarder(self.folder, urls, fake.path, "--metrics-listen", "127.0.0.1:0", "-l", "info"))
        wait_for(lambda: "metrics are at" in forwarder.said(), "it has begun")
        time.sleep(0.5)
        begin = time.monotonic()
        forwarder.stop()
        self.assertLess(time.monotonic() - begin, 9, "three seconds for one server, and more of a busy machine")

    def test_soon_where_the_broker_has_stopped(self) -> None:
        server, fake = self.server(), self.tcpeek()
        server.create_stream()
        forwarder = self.forwarder(server)
        self.wait_watched(fake)
        wait_for(lambda: "connected to" in forwarder.said(), "it is connected")
        with parts.stopped(server.process):
            fake.tell(20_000)
            time.sleep(0.5)
            begin = time.monotonic()
            forwarder.stop()
            self.assertLess(time.monotonic() - begin, 14, "three seconds, and five for a write that waits")
        self.assertRegex(forwarder.said(), r"ends: \d+ messages are not in the stream yet\n$")


class Aggregates(ForwardCase):
    def test_every_success_is_counted_once(self) -> None:
        server, fake = self.server(), self.tcpeek(failures_percent=5, services=40)
        server.create_stream(**FORGETS)
        forwarder = self.forwarder(server, "--aggregate", "1")
        self.wait_watched(fake)
        for number in range(6):
            for _ in range(15):
                fake.tell(100)
                time.sleep(0.05)
            if number % 2 == 0:
                forwarder.kill()
                time.sleep(FORGOTTEN_S)
                forwarder.start()
                self.wait_watched(fake)
        last = fake.told[fake.boot]
        expected: collections.Counter[str] = collections.Counter()
        failures = 0
        for seq in range(1, last + 1):
            if fake.result_of(seq) == "success":
                expected[fake.service_of(seq)[0]] += 1
            else:
                failures += 1

        def counted() -> collections.Counter[str]:
            sums: collections.Counter[str] = collections.Counter()
            for message in server.messages("tcpeek.events.web1.aggregate"):
                sums[message.json["server.address"]] += message.json["success"]
            return sums

        wait_for(lambda: counted().total() >= expected.total(), "all are counted")
        self.assertEqual(counted(), expected)
        messages = server.messages()
        ids = collections.Counter(message.id for message in messages)
        self.assertEqual(max(ids.values()), 1)
        singles = [message.json["seq"] for message in messages if message.json["event"] == "outcome"]
        self.assertEqual((len(singles), len(set(singles))), (failures, failures))
        self.assertLess(len(messages) - failures, last / 10)


class Fleet(ForwardCase):
    HOSTS = 50
    EVENTS = 400

    def test_fifty_into_one_stream(self) -> None:
        server = self.server()
        server.create_stream(**FORGETS)
        fakes = [self.enterContext(FakeTcpeek(self.folder / f"{host}.sock", failures_percent=10)) for host in range(self.HOSTS)]
        forwarders = []
        for host, fake in enumerate(fakes):
            forwarder = Forwarder(self.folder, server.url, fake.path, host=f"host{host}.example")
            forwarders.append(self.enterContext(forwarder))
        for fake in fakes:
            self.wait_watched(fake)
        for number in range(4):
            for fake in fakes:
                fake.tell(self.EVENTS // 4)
            if number == 1:
                server.kill()
                time.sleep(FORGOTTEN_S)
                server.start()
        wait_for(lambda: server.count() >= self.HOSTS * self.EVENTS, "all are stored", 60)
        messages = server.messages()
        self.assertEqual(len(messages), self.HOSTS * self.EVENTS)
        of_host = collections.defaultdict(set)
        for message in messages:
            of_host[message.json["host"]].add((message.json["boot"], message.json["seq"]))
        for host, fake in enumerate(fakes):
            self.assertEqual(of_host[f"host{host}.example"], {(fake.boot, seq) for seq in range(1, self.EVENTS + 1)})


if __name__ == "__main__":
    unittest.main()
