"""Importing this makes the helpers of tests/live importable: terminal, json_schema."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "live"))
