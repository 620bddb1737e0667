"""Other monitors that are installed here, with their versions, and what they say they dropped.

TCPEEK_ORIGINAL in the environment names a binary of tcpeek 1.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
from collections.abc import Sequence

INTERFACE = "{interface}"
_DROPPED = re.compile(r"(\d+) packets? dropped(?: by kernel| from | \()")


@dataclasses.dataclass(frozen=True)
class Peer:
    name: str
    command: Sequence[str]
    version: Sequence[str]  # prints it before any other number with a dot


KNOWN = (
    Peer("tcpdump", ("tcpdump", "-i", INTERFACE, "-w", "/dev/null", "tcp"), ("tcpdump", "--version")),
    Peer("tshark", ("tshark", "-q", "-i", INTERFACE, "-w", "/dev/null", "-f", "tcp"), ("tshark", "--version")),
    Peer("argus", ("argus", "-i", INTERFACE, "-w", "/dev/null"), ("argus", "-h")),
    Peer("suricata", ("suricata", f"--af-packet={INTERFACE}", "-l", "/tmp"), ("suricata", "-V")),
)  # fmt: skip


def version_of(peer: Peer) -> str:
    try:
        done = subprocess.run(
            peer.version, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            timeout=30, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return "unknown version"
    found = re.search(r"\d+\.\d+(?:\.\d+)*", done.stdout)
    return found[0] if found else "unknown version"


def installed() -> list[Peer]:
    found = [peer for peer in KNOWN if shutil.which(peer.command[0])]
    original = os.environ.get("TCPEEK_ORIGINAL")
    if original:
        found.append(Peer("tcpeek 1", (original, "-i", INTERFACE), (original, "--version")))
    return found


def dropped(output: str) -> int | None:
    """By a monitor's own last words; None: it does not tell."""
    found = _DROPPED.findall(output)
    return int(found[-1]) if found else None
