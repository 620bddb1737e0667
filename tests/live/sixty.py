"""From the start of tcpeek to a true answer in sixty seconds: faults at random, and what the first screen says of each.

A run builds its network, starts tcpeek as the package does, lets clients work, breaks one thing (sixty_faults),
and looks once, as soon as each attempt at what is broken has failed or had to be repeated. tcpeek stands at the
client, or at the server; of a server that is gone, on the router before it.

A fault is *named* if the first finding is by a rule that means this fault, and *hedged* if it is by one that
says, in its limits or by its verdict, that it cannot tell more from there (tcpeek(8), EXPLAIN). Both are true
answers. Everything else is wrong, however near.

Not among the faults, since tcpeek cannot tell them from something else: a device that resets in the *client's*
name looks like a scan from the server, and SYN/ACKs lost behind the server like SYNs that it drops, until they
time out.

`sixty.py RUNS [SEED]`; see scripts/try-sixty.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import lab
import stacks
from monitor import Monitor, Stats
from sixty_faults import FAULTS, SERVERS_NETWORK, Plan, Run, World, plan_of

ALLOWED_S = 60.0
GOAL_PERCENT = 95
SCREEN_LINES = 24
AT_ONCE = 3  # runs; they mostly wait
TOOL = lab.ROOT / "scripts" / "tcpeekstat"

# What the words on the screen must say for a rule to count.
SAYS: Mapping[str, str] = {
    "accept_queue_full": r"accept queue of \S+ (is|seems to be) full",
    "filtered_for_some": r"drops what they send, by a filter",
    "dropped_in_silence": r"silently drops the SYNs",
    "partly_unanswered": r"leaves some attempts unanswered .*: an accept queue .*, a filter, or connection tracking",
    "unanswered_there": r"its accept queue or a filter there",
    "service_silent": r"that service or a filter for its port, not the path",
    "host_silent": r"that host is down, or a filter in front of it",
    "refused_on_the_way": r"a device on the way is suspected",
    "refused_here": r"Nobody listens on \S+ on this host|went down|refuse[sd] some attempts",
    "refused_there": r"Nobody listens on|went down|refuse[sd] some attempts",
    "router_says": r"(The router \S+ says|itself says) of \S+:",
    "loss_on_path": r"% of the attempts at \S+ succeed only at a second SYN",
}


@dataclass(frozen=True)
class Told:
    plan: Plan
    rule: str
    verdict: str
    kind: str  # "named", "hedged" or "wrong"
    seconds: float
    screen: str


REPEATED_SUCCESSES = 8
LOSSY_TRIES = 80


def play(plan: Plan) -> Told:
    world = World()
    with world, contextlib.ExitStack() as stack:
        run = Run(plan, world, stack)
        began = time.monotonic()
        monitor = stack.enter_context(near(plan, world))
        run.be_well((run.well, run.beside, *((run.sick,) if plan.worked else ())))
        FAULTS[plan.fault].breaks(run)
        run.try_port(run.port, LOSSY_TRIES if plan.fault == "lossy path" else plan.tries)
        if plan.fault == "host gone" and plan.others_try:
            run.try_port(int(run.well.getsockname()[1]), plan.tries)
        whole_host = plan.fault in ("host gone", "route unreachable", "lossy path")
        run.be_well((run.beside,) if whole_host else (run.beside, run.well))
        with contextlib.suppress(AssertionError):  # then it is too late for an answer
            lab.wait_for(lambda: shows(monitor.stats(), run), f"{plan} shows", ALLOWED_S)
        try:
            told = look(run, monitor, began)
        except subprocess.SubprocessError as failed:  # as on a machine that is too busy; the other runs still count
            why = f"{failed}\n{getattr(failed, 'stderr', '')}"
            told = Told(plan, "-", "-", "wrong", time.monotonic() - began, why)
    return told


def near(plan: Plan, world: World) -> Monitor:
    """As the package starts it, but with less memory."""
    options = ["-q", "--icmp", "--max-sessions", "10000"]
    if plan.near == "client":
        return Monitor(world, *options, namespace=world.client)
    if plan.fault != "host gone":
        return Monitor(world, *options, namespace=world.server)
    for network in SERVERS_NETWORK.values():
        options += ["--local", network]
    return Monitor(world, *options, namespace=world.router, interfaces=("client", "server", "neighbour"))


def is_told_by_icmp(plan: Plan) -> bool:
    return {"host gone": plan.variant == 0, "firewall reject": plan.variant != 1,
            "route unreachable": plan.near == "client"}.get(plan.fault, False)


def shows(stats: Stats, run: Run) -> bool:
    """Each attempt has failed or is being repeated; of loss, so many were late."""
    if run.plan.fault == "lossy path":
        return stats.totals["dup_syn"] >= REPEATED_SUCCESSES
    if is_told_by_icmp(run.plan):
        return stats.totals["unreachable"] >= run.begun
    retrying = int(stats.json["totals"]["retrying"])
    return retrying + int(stats.json["totals"]["failure"]["total"]) >= run.begun


def look(run: Run, monitor: Monitor, began: float) -> Told:
    """The first screens, and the same as JSON for the name of the rule."""
    explained = tcpeekstat(monitor, "explain")
    topped = tcpeekstat(monitor, "top", "--once")
    reply = json.loads(tcpeekstat(monitor, "explain", "--json", lines=None))
    seconds = time.monotonic() - began
    finding = next(iter(reply["findings"]), None)
    rule, verdict = (finding["rule"], finding["verdict"]) if finding else ("-", "-")
    fault, place = FAULTS[run.plan.fault], run.plan.near
    kind = "wrong"
    if finding and is_about(finding, run) and says(rule, explained) and says(rule, topped) and seconds <= ALLOWED_S:
        for name, accepted in (("hedged", fault.hedged), ("named", fault.named)):
            if verdict in accepted.get(place, {}).get(rule, ()):
                kind = name
    return Told(run.plan, rule, verdict, kind, seconds, f"{explained}\n{topped}")


def says(rule: str, screen: str) -> bool:
    return re.search(SAYS.get(rule, r"\Z."), " ".join(screen.split())) is not None


def is_about(finding: Mapping[str, object], run: Run) -> bool:
    subject = finding["subject"]
    assert isinstance(subject, dict)
    ports = [each["port"] for each in subject["services"] if each["address"] == run.address]
    return run.port in ports or (bool(ports) and run.plan.fault in ("host gone", "lossy path"))


def tcpeekstat(monitor: Monitor, *words: str, lines: int | None = SCREEN_LINES) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(TOOL), "-U", str(monitor.socket_path), *words],
        capture_output=True, text=True, check=True, timeout=ALLOWED_S, env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip
    return "\n".join(done.stdout.splitlines()[:lines])


def plans(runs: int, seed: int) -> list[Plan]:
    rng = random.Random(seed)
    return [plan_of(number, rng) for number in range(runs)]


def measure(runs: int, seed: int, each: Callable[[Told], None] = lambda _: None) -> list[Told]:
    told = []
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for one in pool.map(play, plans(runs, seed)):
            told.append(one)
            each(one)
    return told


def print_line(one: Told) -> None:
    plan = one.plan
    what = f"{plan.fault:<18} at the {plan.near:<7}{one.seconds:5.1f} s"
    print(f"{plan.number + 1:4} {what}  {one.kind}: {one.rule} ({one.verdict})", flush=True)


def report(told: Sequence[Told]) -> str:
    """Who was told what, and the sum."""
    rows: dict[tuple[str, str], Counter[str]] = {}
    for one in told:
        name = f"{one.rule} ({one.verdict}){'' if one.kind == 'named' else f' {one.kind.upper()}'}"
        rows.setdefault((one.plan.fault, one.plan.near), Counter())[name] += 1
    lines = [f"{fault:<18} at the {place:<7} {', '.join(f'{count} {name}' for name, count in counts.most_common())}"
             for (fault, place), counts in sorted(rows.items())]
    kinds = Counter(one.kind for one in told)
    seconds = [one.seconds for one in told]
    true = kinds["named"] + kinds["hedged"]
    lines.append(
        f"{true} of {len(told)} were told truly ({kinds['named']} named, {kinds['hedged']} as far as can be seen from "
        f"there), after {statistics.median(seconds):.1f} s (median), {max(seconds):.1f} s (longest)"
    )
    return "\n".join(lines)


def is_good(told: Sequence[Told]) -> bool:
    return 100 * sum(one.kind != "wrong" for one in told) >= GOAL_PERCENT * len(told)


def main() -> int:
    runs = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1_000_000)
    lab.require(stacks.probe_nft)
    print(f"seed {seed}", flush=True)
    told = measure(runs, seed, print_line)
    for one in told:
        if one.kind == "wrong":
            print(f"\nWRONG: {one.plan}\n{one.screen}\n")
    print(report(told))
    return 0 if is_good(told) else 1


if __name__ == "__main__":
    sys.exit(main())
