"""Importing this makes the helpers of tests/live importable: lab, monitor, prometheus, conversation."""

from __future__ import annotations

import os
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "live"))

# The intervals and windows that are shipped, instead of short ones.
FULL = os.environ.get("TCPEEK_MIXIN") == "full"


def told(figure: str) -> None:
    """A measured figure, on a line of its own."""
    print(f"\n{figure}", flush=True)
