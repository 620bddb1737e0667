"""Accept queues: which local ports seem to be full by what SYNs do, and what the kernel says about each.

Real listeners with real backlogs, accepted slowly or never, beside ones that are well: what is told is held
against the kernel's own drops of each listener.
"""

import contextlib
import errno
import json
import re
import socket
import unittest
from collections.abc import Iterator, Mapping
from typing import Any

import lab
from lab import HOST_V4, HOST_V6, Lab
from metrics_text import in_order, samples, written
from monitor import Monitor
from stacks import kernel_counter, probe_nft, set_rules

BACKLOGS = (1, 4, 16, 128, 511)
MORE = 12  # clients than a queue has room for


def setUpModule() -> None:
    lab.require(probe_nft)


class Queues(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(Lab())
        self.network.host.sysctl("net.core.somaxconn", 4096)
        self.network.host.sysctl("net.ipv4.tcp_max_syn_backlog", 4096)
        self.sockets = self.enterContext(contextlib.ExitStack())

    def listen(self, address: str, backlog: int) -> socket.socket:
        listener = self.sockets.enter_context(self.network.host.listen(address, backlog=backlog))
        listener.setblocking(False)
        return listener

    def connect(self, listener: socket.socket, count: int = 1) -> None:
        """Begins that many connections, and waits for none."""
        name = listener.getsockname()
        for _ in range(count):
            client = self.sockets.enter_context(self.network.peer.make_socket(lab.address_family(name[0])))
            client.setblocking(False)
            self.assertIn(client.connect_ex(name[:2]), (0, errno.EINPROGRESS))

    @contextlib.contextmanager
    def monitor(self) -> Iterator[Monitor]:
        with Monitor(self.network, "--threads", "2", "-q") as monitor:
            yield monitor
            monitor.stats().check_accounting()

    def told(self, monitor: Monitor) -> dict[int, Any]:
        """The ports that are told, by number."""
        queues = monitor.stats().json["queues"]
        self.assertTrue(queues["listeners_known"])
        self.assertTrue(queues["kernel_counters"]["known"])
        ports = {entry["port"]: entry for entry in queues["ports"]}
        self.assertEqual(len(ports), len(queues["ports"]), "each port once")
        return ports

    def wait_for_port(self, monitor: Monitor, port: int, wanted: Mapping[str, object]) -> Any:
        """What is told of it, once that says so."""
        latest: list[Any] = [None]

        def told() -> bool:
            latest[0] = self.told(monitor).get(port)
            return latest[0] is not None and all(latest[0][name] == value for name, value in wanted.items())

        lab.wait_for(told, f"port {port} is told with {wanted}")
        return latest[0]

    def drops(self, listener: socket.socket) -> int:
        """What the kernel says that this listener has dropped."""
        port = listener.getsockname()[1]
        shown = self.network.host.run("ss", "-ltnmH", f"sport = :{port}")
        found = re.search(r"skmem:\([^)]*,d(\d+)\)", shown)
        assert found is not None, shown
        return int(found[1])

    def test_full_queues_are_confirmed_and_others_not_named(self) -> None:
        """Of each backlog one port that is never accepted, one that is accepted slowly, and one that is well."""
        with self.monitor() as monitor:
            stopped = [self.listen(HOST_V4, backlog) for backlog in BACKLOGS]
            slow = [self.listen(HOST_V6, backlog) for backlog in BACKLOGS]
            well = [self.listen(HOST_V4, backlog) for backlog in BACKLOGS]
            for listener, backlog in zip(stopped, BACKLOGS, strict=True):
                self.connect(listener, backlog + 1 + MORE)
            for listener, backlog in zip(slow, BACKLOGS, strict=True):
                self.connect(listener, backlog + 1 + MORE)

            def settled() -> bool:
                for listener in slow:  # one at a time
                    with contextlib.suppress(BlockingIOError):
                        self.sockets.enter_context(listener.accept()[0])
                for listener in well:
                    self.connect(listener)
                    with contextlib.suppress(BlockingIOError):
                        while True:
                            self.sockets.enter_context(listener.accept()[0])
                affected = [each for each in (*stopped, *slow) if self.drops(each) > 1]
                ports = self.told(monitor)
                told = [ports.get(each.getsockname()[1], {}) for each in affected]
                return len(told) == 2 * len(BACKLOGS) and all(
                    entry.get("kernel") == "confirmed" and entry["suspected"] for entry in told
                )

            lab.wait_for(settled, "all full queues are suspected and confirmed")
            ports = self.told(monitor)
            for listener, backlog in zip(stopped, BACKLOGS, strict=True):
                with self.subTest(stopped=backlog):
                    told = ports[listener.getsockname()[1]]
                    self.assertEqual(told["address"], HOST_V4)
                    self.assertTrue(told["suspected"] and told["own"], told)
                    self.assertEqual((told["backlog_now"], told["backlog_max"]), (backlog + 1, backlog))
                    self.assertGreaterEqual(told["unanswered"], MORE)
                    self.assertGreater(told["overflows_last_minute"], 0)
                    self.assertLessEqual(told["overflows_last_minute"], self.drops(listener))
            for listener, backlog in zip(slow, BACKLOGS, strict=True):
                with self.subTest(slow=backlog):
                    self.assertTrue(ports[listener.getsockname()[1]]["suspected"])
            read = {in_order(series): value for series, value in samples(monitor.ask("METRICS").decode()).items()}
            for each in (*stopped, *slow):
                labels = {"port": str(each.getsockname()[1]), "state": "confirmed"}
                self.assertEqual(read[written("tcpeek_accept_queue_state", labels)], 1)
            named = {each.getsockname()[1] for each in (*stopped, *slow)}
            self.assertEqual(set(ports), named, "a port that is well")
            counters = monitor.stats().json["queues"]["kernel_counters"]
            overflows = kernel_counter(self.network.host, "TcpExtListenOverflows")
            self.assertLessEqual(counters["listen_overflows"], overflows)
            self.assertGreater(counters["listen_overflows"], 0)

    def test_explain_says_whose_it_is(self) -> None:
        with Monitor(self.network, "--threads", "2", "-q", "--timeout", "1") as monitor:
            full = self.listen(HOST_V4, 4)
            self.connect(full, 5 + MORE)
            port = full.getsockname()[1]
            self.wait_for_port(monitor, port, {"kernel": "confirmed", "suspected": True})

            def finding() -> Any:
                found = json.loads(monitor.ask("EXPLAIN"))["findings"]
                return next((each for each in found if each["rule"] == "accept_queue_full"), None)

            lab.wait_for(lambda: finding() is not None, "it says that the queue is full")
            told = finding()
            self.assertEqual(told["verdict"], "here")
            self.assertIn(str(port), told["sentence"])
            self.assertIn(f"ss -ltnp 'sport = :{port}'", told["next"])

    def test_deferred_accepts_are_not_blamed(self) -> None:
        """Clients that stay silent: the kernel repeats its SYN/ACK after the completing ACK, and its queue is empty."""
        with self.monitor() as monitor:
            listener = self.listen(HOST_V4, 16)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 3)
            self.connect(listener, 8)
            monitor.wait_counts({"success": 8, "late_synack": 8})
            self.assertEqual(self.told(monitor), {})
            self.assertEqual(monitor.stats().totals["success"], 8)

    def test_a_filter_that_drops_is_no_queue(self) -> None:
        """It drops SYNs of some clients behind the capture; the port answers others, and its queue is empty."""
        with self.monitor() as monitor:
            listener = self.listen(HOST_V4, 64)
            self.connect(listener, 5)
            monitor.wait_counts({"success": 5})
            set_rules(self.network.host, {"input": ("tcp flags & (syn | ack) == syn drop",)})
            self.connect(listener, 5)
            port = listener.getsockname()[1]
            told = self.wait_for_port(monitor, port, {"suspected": True})
            self.assertEqual(told["kernel"], "refuted")
            self.assertEqual((told["backlog_max"], told["overflows_last_minute"]), (64, 0))
            set_rules(self.network.host, {})

    def test_loss_on_the_way_back_is_no_queue(self) -> None:
        """SYNs are repeated, but each was answered."""
        with self.monitor() as monitor:
            set_rules(self.network.peer, {"input": ("tcp flags & (syn | ack) == syn | ack drop",)})
            listener = self.listen(HOST_V4, 64)
            self.connect(listener, 8)
            lab.wait_for(lambda: int(monitor.stats().json["totals"]["retrying"]) == 8, "all are retrying")
            set_rules(self.network.peer, {})
            monitor.wait_counts({"success": 8})
            self.assertEqual(self.told(monitor), {})

    def test_an_end_of_it_is_told(self) -> None:
        """Once accepted, the queue has room; what was a minute ago stays told until then, with the backlog of now."""
        with self.monitor() as monitor:
            listener = self.listen(HOST_V4, 4)
            self.connect(listener, 5 + MORE)
            port = listener.getsockname()[1]
            self.wait_for_port(monitor, port, {"backlog_now": 5})

            def all_answered() -> bool:
                # Not all are accepted: where the completing ACK found no room, the client alone is connected.
                with contextlib.suppress(BlockingIOError):
                    while True:
                        self.sockets.enter_context(listener.accept()[0])
                return monitor.stats().totals["success"] == 5 + MORE and self.told(monitor)[port]["backlog_now"] == 0

            lab.wait_for(all_answered, "all are answered, and there is room")
            told = self.told(monitor)[port]
            self.assertEqual(told["kernel"], "confirmed")
            self.assertEqual(monitor.stats().json["totals"]["patterns"]["stuck_tuple"], 0)


if __name__ == "__main__":
    unittest.main()
