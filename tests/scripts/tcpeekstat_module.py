"""scripts/tcpeekstat as a module, for its pure functions."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from typing import Any

TCPEEKSTAT = Path(__file__).resolve().parents[2] / "scripts" / "tcpeekstat"


def load() -> Any:
    if "tcpeekstat" in sys.modules:
        return sys.modules["tcpeekstat"]
    loader = importlib.machinery.SourceFileLoader("tcpeekstat", str(TCPEEKSTAT))
    spec = importlib.util.spec_from_loader("tcpeekstat", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tcpeekstat"] = module  # dataclasses look themselves up
    loader.exec_module(module)
    return module
