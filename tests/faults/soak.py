"""A soak: everything that happens to a tcpeek in months, in minutes, and nothing may grow.

SYN floods and handshakes take turns on one link, handshakes that must be counted exactly come on another, a third goes
down and up, is deleted and recreated, and gets and loses addresses; filters are reloaded each second; hostile clients
of every kind take turns at the socket and at HTTP. Meanwhile sixteen watch, every word is asked each second, and
METRICS is scraped a hundred times a second. Each second the accounting identities are checked on a STATS reply and
memory is sampled. At the end all that was told has to agree. `soak.py SECONDS`; see scripts/soak.
"""

from __future__ import annotations

import contextlib
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import live  # noqa: F401  (the path to tests/live)

import lab
from companion import Companion
from conversation import Conversation, positions
from lab import Lab
from metrics_text import expected, in_order, samples
from monitor import Monitor, Stats
from soak_askers import COUNTED, Questions, Reloads, Scrapers, Times, ask
from soak_load import Background, Changes, HostileClients, flooding
from soak_samples import AtRest, Samples
from soak_watchers import Told, Watchers
from steady import steady

FLOOD_LINK, GENUINE_LINK, FLAPPING_LINK = range(3)
GENUINE = positions("10.78.0.2", "10.78.0.1", "fd78::2", "fd78::1")
GENUINE_A_SECOND = 20
PEERS = "10.78.0.1:%,[fd78::1]:%"
FILTERS = {"genuine_in": f"RX@{PEERS}", "genuine_out": f"TX@{PEERS}"}
PORT = 9475
TOLD_EVERY_S = 10
# Later come the rings of two single sockets, which are kept once the spare groups are used up: after eight
# recreations of an interface. And counts for filters that were removed and still have attempts, until a flood has
# evicted these: of some 25 reloads, two each, with what the heap keeps of the smaller arrays before.
LATE_AFTER_S = 120
LATE_RINGS_KIB = 2 * 4096
LATE_FILTERS, FILTER_KIB = 2 * 25, 45  # in each reader
SLACK_KIB = 2048
# Of a healthy client, while all of these share the CPUs; what is measured is printed. Nine of ten are answered before
# the server would drop the reply.
ALLOWED_MEDIAN_S, ALLOWED_MOSTLY_S = 0.5, 5.0
ALLOWED_AT_REST_S = 0.05  # the median, once; other jobs may take the CPUs
ENDS_WITHIN_S = 180.0  # each of those beside it
WORDS = ("GET", "STATS", "TOP 100", "HISTORY 60", "EXPLAIN", "METRICS")


class Beside:
    """Those with processes of their own: watchers, those who ask, scrapers."""

    def __init__(self, network: Lab, monitor: Monitor) -> None:
        path = monitor.socket_path
        with contextlib.ExitStack() as stack:
            watchers = Companion("the watchers", lambda end: Watchers(path, ("genuine_in", "genuine_out")).run(end))
            self._watchers = stack.enter_context(watchers)
            lab.wait_for(lambda: self._all_watch(monitor), "16 watch")
            self._questions = stack.enter_context(Companion("who asks", lambda end: Questions(path).run(end)))
            scrapers = Companion("a scraper", lambda end: Scrapers(network, path, PORT, "genuine_in").run(end))
            self._scrapers = stack.enter_context(scrapers)
            self._stack = stack.pop_all()
        self.told: list[Told] = []
        self.deltas: dict[str, dict[str, int]] = {}
        self.times: Times = {}

    def _all_watch(self, monitor: Monitor) -> bool:
        self._watchers.check()
        return bool(monitor.stats().json["server"]["watchers"] == 16)

    def check(self) -> None:
        self._watchers.check()
        self._questions.check()
        self._scrapers.check()

    def finish(self) -> None:
        """When nothing is on its way any more."""
        self.times = self._scrapers.finish(ENDS_WITHIN_S)
        times, self.deltas = self._questions.finish(ENDS_WITHIN_S)
        self.times |= times
        self.told = self._watchers.finish(ENDS_WITHIN_S)

    def close(self) -> None:
        self._stack.close()


class Soak:
    def __init__(self, network: Lab, monitor: Monitor, seconds: float) -> None:
        self._network = network
        self._monitor = monitor
        self._seconds = seconds
        self._wire = network.wire(GENUINE_LINK)
        self._changes = Changes(network, FLAPPING_LINK)
        self._hostile = HostileClients(network, monitor.socket_path, PORT, seconds)
        self._reloads = Reloads(network, monitor, FILTERS)
        self._samples = Samples()
        self._genuine = 0
        self._before: Stats | None = None
        self._rows: list[tuple[str, str]] = []
        self._wrong: list[str] = []

    def run(self) -> list[str]:
        """Prints what was seen; returns what was not as it should be."""
        # Everything has been used once, and who asked has left.
        for word in WORDS:
            self._monitor.ask(word)
        time.sleep(1)
        rest = AtRest.of(self._monitor.pid)
        with contextlib.closing(Beside(self._network, self._monitor)) as beside:
            self._traffic(beside)
            stats = steady(self._monitor)
            lab.wait_for(lambda: self._all_told(stats), "all outcomes and losses are told")
            beside.finish()
        self._look_at_counts(stats)
        self._look_at_watchers(beside.told, stats)
        self._look_at_deltas(beside.deltas)
        self._look_at_metrics()
        self._look_at_answers(beside.times)
        self._look_at_memory()
        self._look_at_rest(rest)
        for name, value in self._rows:
            print(f"{name:<24}{value}")
        return self._wrong

    def _row(self, name: str, value: str) -> None:
        self._rows.append((name, value))

    def _must(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self._wrong.append(otherwise)

    def _traffic(self, beside: Beside) -> None:
        begun = time.monotonic()
        steps: Sequence[Callable[[], None]] = (self._changes.step, self._hostile.step, self._reloads.step)
        with flooding(self._network, FLOOD_LINK, self._seconds), contextlib.ExitStack() as stack:
            backgrounds = [stack.enter_context(Background(step)) for step in steps]
            while time.monotonic() - begun < self._seconds:
                second = time.monotonic()
                self._one_second(begun)
                beside.check()
                for background in backgrounds:
                    background.check()
                time.sleep(max(0.0, 1 - (time.monotonic() - second)))

    def _one_second(self, begun: float) -> None:
        for number in range(GENUINE_A_SECOND):
            Conversation(self._wire, GENUINE[number % 4]).succeed()
        self._genuine += GENUINE_A_SECOND

        asked = time.monotonic()
        stats = self._monitor.stats()
        self._samples.take(self._monitor.pid, time.monotonic() - asked, begun)
        self._monitor.ask("GET")
        self._monitor.ask("REFRESH")
        self._check(stats)
        if len(self._samples.seconds) % TOLD_EVERY_S == 0:
            print(self._line(stats), flush=True)

    def _check(self, stats: Stats) -> None:
        stats.check_accounting()
        before, self._before = self._before, stats
        if before is None:
            return
        for name in ("attempts", "success", "evicted"):
            assert stats.totals[name] >= before.totals[name], f"{name} went back"
        assert stats.packets("seen") >= before.packets("seen"), "seen went back"

    def _line(self, stats: Stats) -> str:
        return (
            f"{self._samples.seconds[-1]:6.0f} s  {stats.totals['attempts']:>11,} attempts  "
            f"{stats.packets('dropped'):>9,} dropped  {self._samples.resident_kib[-1] / 1024:7.1f} MiB"
        )

    def _all_told(self, since: Stats) -> bool:
        """Losses are told once a second."""
        now = self._monitor.stats().json
        queued = any(reader["event_queue_depth"] for reader in now["readers"])
        return not queued and bool(now["uptime_seconds"] - since.json["uptime_seconds"] > 2)

    def _look_at_counts(self, stats: Stats) -> None:
        stats.check_accounting()
        genuine = sum(stats.filters[name]["success"] for name in FILTERS)
        missed = self._genuine - genuine
        self._row("identities", f"held on {len(self._samples.seconds)} replies, a second apart")
        self._row("packets", f"{stats.packets('seen'):,} seen, {stats.packets('dropped'):,} dropped")
        self._row("attempts", f"{stats.totals['attempts']:,}, of them evicted {stats.totals['evicted']:,}")
        self._row("genuine handshakes", f"{genuine:,} of {self._genuine:,}")
        changes = self._changes
        self._row("links", f"{changes.flaps} times down and up, {changes.rebirths} times recreated, "
                           f"{changes.addresses} changes of addresses")  # fmt: skip
        self._row("reloads", f"{len(self._reloads.times)}, each in {_figures(self._reloads.times)}")
        self._row("hostile clients", f"{self._hostile.connections:,} connections of {self._hostile.manners} kinds")
        self._must(
            0 <= missed <= stats.packets("dropped"),
            f"{missed} genuine handshakes are missing, more than packets were dropped",
        )

    def _look_at_watchers(self, told: list[Told], before: Stats) -> None:
        """What is told and what is said to be lost is what was counted, before they ended and since: attempts may
        have timed out meanwhile."""
        stats = self._monitor.stats()
        least, ended = _ended(before), _ended(stats)
        silent = sum(stats.other()[name] for name in ("excluded", "not_local"))
        lost = sum(reader["events_lost"] for reader in stats.json["readers"])
        packets = stats.packets("dropped") + stats.ignored.get("mailbox_full", 0)
        for one in told:
            name = f"WATCH {one.words}"
            if not one.words:
                known = one.outcomes + one.queue_full
                self._must(known <= ended and known + one.missed >= least - silent,
                           f"{name}: {one.outcomes} outcomes, {one.queue_full} lost, {one.missed} missed, of {ended}"
                           )  # fmt: skip
            if not one.words and not one.missed:
                self._must(one.queue_full == lost, f"{name}: {one.queue_full} of {lost} outcomes said to be lost")
                self._must(one.capture == packets, f"{name}: {one.capture} of {packets} packets said to be lost")
            if one.words.startswith("filter=") and not one.missed and not one.queue_full:
                counted = stats.filters[one.words.partition("=")[2]]["success"]
                self._must(one.outcomes == counted, f"{name}: {one.outcomes} of {counted} outcomes")
        self._must(len(told) == 16, f"{len(told)} watched")
        self._must(len({one.last for one in told if not one.words}) == 1, f"they ended apart: {told}")
        whole = [one for one in told if not one.words]
        self._row("watchers", f"{len(told)}; {sum(one.lines for one in told):,} lines, {whole[0].outcomes:,} outcomes "
                              f"and {whole[0].changes:,} changes each; {lost:,} outcomes lost to all")  # fmt: skip
        slow, leaver = whole[-2:]
        self._row("the slow one", f"{slow.outcomes:,} outcomes, {slow.missed:,} events missed in {slow.gaps} gaps")
        self._row("the one that leaves", f"{leaver.resumed} times; {leaver.missed:,} events missed")
        # Unless the watchers' process had no CPU for seconds, and then nobody kept up.
        self._must(slow.missed >= min(one.missed for one in whole), f"the slow one missed least: {told}")

    def _look_at_deltas(self, deltas: dict[str, dict[str, int]]) -> None:
        totals = self._monitor.stats().totals
        for name, sums in deltas.items():
            # Evictions are of floods, which have ended.
            told = {word: totals[word] for word in COUNTED}
            self._must(sums == told, f"DELTA {name}: {sums}, and STATS has {told}")
        self._row("DELTA", f"{len(deltas)} names, each adds up to {totals['attempts']:,} attempts")

    def _look_at_metrics(self) -> None:
        """Until both are of the same moment: attempts may still time out."""
        apart: dict[str, object] = {}
        values = 0

        def agree() -> bool:
            nonlocal values
            stats = self._monitor.stats()
            read = {in_order(name): value for name, value in samples(self._monitor.ask("METRICS").decode()).items()}
            wanted = expected(stats)
            values = len(wanted)
            apart.clear()
            apart.update({name: (value, read.get(name)) for name, value in wanted.items()
                          if abs(read.get(name, -1.0) - value) > 1e-6})  # fmt: skip
            return not apart

        try:
            lab.wait_for(agree, "METRICS and STATS agree")
        except AssertionError as error:
            self._must(False, f"{error}: {apart}")
        self._row("METRICS", f"{values - len(apart)} of {values} values are those of STATS")

    def _look_at_answers(self, times: Times) -> None:
        """Under load, and now that there is none."""
        times = {"STATS": self._samples.answered_s, **times}
        for word, taken in times.items():
            self._row(f"{word}", f"{len(taken):,} answered, {_figures(taken)}; {len(taken) / self._seconds:.1f}/s")
        ordered = sorted(self._samples.answered_s)
        usual, mostly = statistics.median(ordered), ordered[int(0.9 * len(ordered))]
        self._must(
            usual <= ALLOWED_MEDIAN_S and mostly <= ALLOWED_MOSTLY_S,
            f"a healthy client waited {usual:.1f} s (median), {mostly:.1f} s (one of ten, or longer)",
        )
        for word in WORDS:
            tries: list[list[float]] = []
            least = lab.least(lambda: self._median_of(word, tries), ALLOWED_AT_REST_S)
            self._row(f"{word}, afterwards", _figures(tries[-1]))
            self._must(least <= ALLOWED_AT_REST_S, f"{word} took {1000 * least:.0f} ms at rest")

    def _median_of(self, word: str, tries: list[list[float]]) -> float:
        """Of a few answers, which are noted."""
        tries.append([])
        for _ in range(11):
            begun = time.monotonic()
            ask(self._monitor.socket_path, word)
            tries[-1].append(time.monotonic() - begun)
        return statistics.median(tries[-1])

    def _look_at_memory(self) -> None:
        settled, at_end = self._samples.ends_kib()
        grown = at_end - settled
        allowed = SLACK_KIB
        if self._samples.settled_s() < LATE_AFTER_S:
            readers = len(self._monitor.stats().json["readers"])
            allowed += LATE_RINGS_KIB + LATE_FILTERS * FILTER_KIB * readers
        self._row("memory", f"{settled / 1024:.1f} MiB when settled, {at_end / 1024:.1f} at the end, slope "
                            f"{self._samples.slope_an_hour():+.0f} KiB an hour")  # fmt: skip
        self._must(grown <= allowed, f"memory grew by {grown:.0f} KiB, more than {allowed}")

    def _look_at_rest(self, before: AtRest) -> None:
        """Once the last client's second has passed. Spare sockets that were used up are fewer."""
        after: list[AtRest] = []

        def rests() -> bool:
            after[:] = [AtRest.of(self._monitor.pid)]
            return after[0].no_more_than(before)

        try:
            lab.wait_for(rests, "descriptors and threads are no more than before")
        except AssertionError as error:
            self._must(False, f"{error}: {before}, now {after[0]}")
        self._row("at rest", f"descriptors {before.descriptors} before, {after[0].descriptors} after; threads "
                             f"{before.threads}, {after[0].threads}")  # fmt: skip


def _ended(stats: Stats) -> int:
    outcomes = ("success", "refused", "aborted", "no_answer", "no_ack", "superseded", "unreachable")
    return sum(stats.totals[name] for name in outcomes)


def _figures(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return (f"{1000 * statistics.median(ordered):.1f} ms (median), {1000 * p99:.1f} (99 of 100), "
            f"{1000 * ordered[-1]:.1f} (longest)")  # fmt: skip


@contextlib.contextmanager
def watched() -> Iterator[tuple[Lab, Monitor]]:
    options = (
        "-q", "--max-sessions", "200000", "--metrics-listen", f"127.0.0.1:{PORT}",
        *(f"{name}:{expression}" for name, expression in FILTERS.items()),
    )  # fmt: skip
    with Lab(links=3) as network, Monitor(network, *options, interfaces=("veth0", "veth1", "veth2")) as monitor:
        yield network, monitor


def main() -> int:
    seconds = float(sys.argv[1])
    lab.require()
    with watched() as (network, monitor):
        wrong = Soak(network, monitor, seconds).run()
        finished = monitor.stop(signal.SIGTERM)
    if finished.status != 0:
        wrong.append(f"it ended with status {finished.status}")
    for what in wrong:
        print(f"NOT AS IT SHOULD BE: {what}")
    print("flat and exact" if not wrong else "FAILED")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
