"""When nothing is on its way any more, neither to the kernel's counters nor from them to tcpeek's."""

from __future__ import annotations

import live  # noqa: F401  (the path to tests/live)

import lab
from monitor import Monitor, Stats

# Longer than a reader takes to notice a loss (50 ms), and than frames wait for a busy CPU.
_QUIET_S = 0.25


def steady(monitor: Monitor) -> Stats:
    """Waits until all is read and no more came for a while."""
    since = monitor.stats()

    def quiet() -> Stats | None:
        nonlocal since
        now = monitor.stats()
        if not now.settled() or now.packets("seen") != since.packets("seen"):
            since = now
            return None
        return now if now.json["uptime_seconds"] - since.json["uptime_seconds"] > _QUIET_S else None

    return lab.wait_for(quiet, "nothing is on its way any more")
