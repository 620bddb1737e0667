"""Makes the modules of tests/live and tests/faults importable."""

from __future__ import annotations

import pathlib
import sys

for folder in ("live", "faults"):
    sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / folder))
